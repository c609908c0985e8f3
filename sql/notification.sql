-- notifications: verified by protocol, and refused with a reason; what their bodies hold; what is signed for gateways.
-- Needs order_payment.root_key_file in postgresql.conf, and openssl and bash where the test is run.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
DROP SCHEMA IF EXISTS notify_shop CASCADE;
CREATE ROLE regress_notify_owner;
CREATE ROLE regress_notify_app;
CREATE ROLE regress_notify_gateway;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
SELECT order_payment.create_card_key() IS NOT NULL AS made;
SELECT order_payment.create_store('notify_shop', 'EUR', owner => 'regress_notify_owner', app_role => 'regress_notify_app', gateway_role => 'regress_notify_gateway');
RESET client_min_messages;
SET search_path = notify_shop, order_payment;
\set VERBOSITY terse
SET ROLE regress_notify_owner;
INSERT INTO gateways (gateway, protocol, sign_type) VALUES ('stripe', 'stripe', NULL), ('other', 'stripe', NULL), ('empty', 'stripe', NULL),
	('hooks', 'standard_webhooks', NULL), ('json', 'json', NULL), ('alipay', 'alipay', NULL), ('wechat', 'wechatpay_v3', NULL),
	('v2', 'wechatpay_v2', NULL), ('v2_hmac', 'wechatpay_v2', 'HMAC-SHA256'), ('v2_md5', 'wechatpay_v2', 'MD5'), ('silent', NULL, NULL), ('peer', 'alipay', NULL);

-- ---------- secrets, as they are brought ----------

\getenv source PG_ABS_SRCDIR
\set directory `mktemp -d`
SELECT replace(card_public_key('pem'), E'\n', '|') AS pem, card_public_key('jwk')::json ->> 'kid' AS kid \gset
\set done `printf %s :'pem' | tr '|' '\n' >:'directory'/card.pem; openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -quiet -out :'directory'/private.pem; openssl pkey -in :'directory'/private.pem -pubout -out :'directory'/public.pem`
\set seal 'bash ' :source '/test/gateway_secret/seal_secret.sh ' :directory '/card.pem ' :kid ' notify_shop'
\set blob `printf %s whsec_test_secret | :seal stripe webhook_secret`
SELECT set_gateway_secret('stripe', 'webhook_secret', :'blob') AS old_secret \gset
\set blob `printf %s whsec_another_secret | :seal other webhook_secret`
SELECT count(set_gateway_secret('other', 'webhook_secret', :'blob'));
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal hooks standard_webhook_secret`
SELECT count(set_gateway_secret('hooks', 'standard_webhook_secret', :'blob', key_name => 'hooks 1'));
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal json standard_webhook_secret`
SELECT count(set_gateway_secret('json', 'standard_webhook_secret', :'blob'));
\set blob `:seal alipay public_key <:'directory'/public.pem`
SELECT count(set_gateway_secret('alipay', 'public_key', :'blob'));
\set blob `:seal wechat public_key <:'directory'/public.pem`
SELECT count(set_gateway_secret('wechat', 'public_key', :'blob', key_name => 'PUB_KEY_ID_01'));
\set blob `printf %s 0123456789abcdefghijklmnopqrstuv | :seal wechat apiv3_key`
SELECT count(set_gateway_secret('wechat', 'apiv3_key', :'blob'));
\set blob `:seal peer private_key <:'directory'/private.pem`
SELECT count(set_gateway_secret('peer', 'private_key', :'blob', key_name => '5157F09EFDC096DE15EBE81A47057A72'));
\set blob `printf %s 192006250b4c09247ec02edce69f6a2d | :seal v2 api_key`
SELECT count(set_gateway_secret('v2', 'api_key', :'blob'));
\set blob `printf %s 192006250b4c09247ec02edce69f6a2d | :seal v2_hmac api_key`
SELECT count(set_gateway_secret('v2_hmac', 'api_key', :'blob'));
\set blob `printf %s 192006250b4c09247ec02edce69f6a2d | :seal v2_md5 api_key`
SELECT count(set_gateway_secret('v2_md5', 'api_key', :'blob'));

-- ---------- what the other side does ----------

CREATE FUNCTION pg_temp.padded(key bytea, pad int) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	result bytea := decode(repeat(lpad(to_hex(pad), 2, '0'), 64), 'hex');
BEGIN
	FOR i IN 0 .. length(key) - 1 LOOP
		result := set_byte(result, i, get_byte(key, i) # pad);
	END LOOP;
	RETURN result;
END
$$;
CREATE FUNCTION pg_temp.hmac(key bytea, data bytea) RETURNS bytea LANGUAGE sql
RETURN sha256(pg_temp.padded(key, 92) || sha256(pg_temp.padded(key, 54) || data));
CREATE FUNCTION pg_temp.stripe_header(signed_at bigint, body bytea, secret text DEFAULT 'whsec_test_secret') RETURNS text LANGUAGE sql
RETURN 't=' || signed_at || ',v1=' || encode(pg_temp.hmac(convert_to(secret, 'UTF8'), convert_to(signed_at || '.', 'UTF8') || body), 'hex');
CREATE FUNCTION pg_temp.stripe(signed_at bigint, body bytea, secret text DEFAULT 'whsec_test_secret') RETURNS jsonb LANGUAGE sql
RETURN jsonb_build_object('Stripe-Signature', pg_temp.stripe_header(signed_at, body, secret));
CREATE FUNCTION pg_temp.hooks(id text, signed_at text, body bytea) RETURNS jsonb LANGUAGE sql
RETURN jsonb_build_object('webhook-id', id, 'webhook-timestamp', signed_at, 'webhook-signature',
	'v1,' || encode(pg_temp.hmac(decode('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64'), convert_to(id || '.' || signed_at || '.', 'UTF8') || body), 'base64'));
CREATE FUNCTION pg_temp.rsa(message bytea) RETURNS text LANGUAGE sql
RETURN (SELECT signature FROM order_payment.sign_for_gateway('peer', 'private_key', message, 'notify_shop'));
CREATE FUNCTION pg_temp.wechat(signed_at text, nonce text, body bytea) RETURNS jsonb LANGUAGE sql
RETURN jsonb_build_object('Wechatpay-Timestamp', signed_at, 'Wechatpay-Nonce', nonce, 'Wechatpay-Serial', 'PUB_KEY_ID_01',
	'Wechatpay-Signature-Type', 'WECHATPAY2-SHA256-RSA2048',
	'Wechatpay-Signature', pg_temp.rsa(convert_to(signed_at || E'\n' || nonce || E'\n', 'UTF8') || body || '\x0a'::bytea));
CREATE FUNCTION pg_temp.percent(data bytea) RETURNS text LANGUAGE sql
RETURN (SELECT coalesce(string_agg(CASE WHEN byte BETWEEN 48 AND 57 OR byte BETWEEN 65 AND 90 OR byte BETWEEN 97 AND 122 THEN chr(byte) ELSE '%' || lpad(to_hex(byte), 2, '0') END, '' ORDER BY i), '')
	FROM generate_series(0, length(data) - 1) i, get_byte(data, i) byte);
-- names are short here, and need no encoding
CREATE FUNCTION pg_temp.alipay(names text[], contents bytea[], signs_type boolean DEFAULT false, type text DEFAULT 'RSA2') RETURNS bytea LANGUAGE sql
RETURN (SELECT convert_to(string_agg(name || '=' || pg_temp.percent(value), '&') || '&sign_type=' || type || '&sign='
		|| pg_temp.percent(convert_to(pg_temp.rsa((SELECT string_agg(convert_to(n || '=', 'UTF8') || v, '&' ORDER BY n COLLATE "C")
			FROM unnest(names || CASE WHEN signs_type THEN '{sign_type}'::text[] ELSE '{}' END, contents || CASE WHEN signs_type THEN ARRAY[convert_to(type, 'UTF8')] ELSE '{}' END) AS s (n, v))), 'UTF8')), 'UTF8')
	FROM unnest(names, contents) AS f (name, value));
-- the reason, after a look whether it fits
CREATE FUNCTION pg_temp.reason(gateway text, headers jsonb, body bytea, at timestamptz DEFAULT to_timestamp(1614265330)) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result record;
BEGIN
	result := order_payment.verify_notification(gateway, headers, body, at, 'notify_shop');
	IF result.verified IS DISTINCT FROM (result.reason = 'verified') THEN
		RAISE WARNING '% %', result.verified, result.reason;
	END IF;
	RETURN result.reason;
END
$$;
SET ROLE regress_notify_gateway;

-- ---------- published vectors ----------

\set stripe_body '{"id":"evt_test_webhook","object":"event"}'
\set stripe_headers '{"Stripe-Signature": "t=1614265330,v1=3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff"}'
SELECT * FROM verify_notification('stripe', :'stripe_headers', :'stripe_body', to_timestamp(1614265330));
\set hooks_body '{"test": 2432232314}'
\set hooks_headers '{"Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": ["1614265330"], "WEBHOOK-SIGNATURE": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}'
SELECT gateway, v.* FROM unnest('{hooks,json}'::text[]) gateway, verify_notification(gateway, :'hooks_headers', :'hooks_body', to_timestamp(1614265330)) v;
\set v2_fields '<appid>wxd930ea5d5a258f4f</appid><mch_id>10000100</mch_id><device_info>1000</device_info><body>test</body><nonce_str>ibuaiVcKdpRxkhJA</nonce_str>'
\set v2_body '<xml>' :v2_fields '<sign>6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6</sign></xml>'
\set v2_md5_body '<xml>' :v2_fields '<sign>9A0A8659F005D6984697E2CA0A9CF3B7</sign></xml>'
-- the row says by which digest, and says HMAC-SHA256 where it says nothing
SELECT gateway, pg_temp.reason(gateway, '{}', :'v2_body') AS hmac, pg_temp.reason(gateway, '{}', :'v2_md5_body') AS md5 FROM unnest('{v2,v2_hmac,v2_md5}'::text[]) gateway;
-- the clock's time, where no other is given: all that is old is refused; what has no time is not
SELECT verify_notification('stripe', :'stripe_headers', :'stripe_body'), verify_notification('v2', '{}', :'v2_body');
SELECT pg_temp.reason('stripe', pg_temp.stripe(extract(epoch FROM clock_timestamp())::bigint, 'now'), 'now', NULL);

-- RSA, as openssl does it
\set wechat_body '{"id":"EV-1","resource":{"nonce":"fdasflkja484"}}'
\set wechat_signature `printf '1614265330\n593BEC0C930BF1AFEB40B4A08C8FB242\n%s\n' :'wechat_body' | openssl dgst -sha256 -sign :'directory'/private.pem | openssl base64 -A`
SELECT jsonb_build_object('Wechatpay-Timestamp', '1614265330', 'Wechatpay-Nonce', '593BEC0C930BF1AFEB40B4A08C8FB242', 'Wechatpay-Serial', 'PUB_KEY_ID_01', 'Wechatpay-Signature', :'wechat_signature') AS wechat_headers \gset
SELECT pg_temp.reason('wechat', :'wechat_headers', :'wechat_body');
SELECT pg_temp.wechat('1614265330', '593BEC0C930BF1AFEB40B4A08C8FB242', :'wechat_body') - 'Wechatpay-Signature-Type' = :'wechat_headers' AS as_we_sign;
SELECT pg_temp.alipay('{notify_time,app_id,trade_no,seller_id,total_amount,memo,empty}',
	ARRAY['2021-02-25 15:02:10', '2021000000000000', '2021022522001', '2088', '12.50', convert_to('a+b=c&d/é', 'UTF8'), '']::bytea[]) AS alipay_body \gset
SELECT pg_temp.reason('alipay', '{}', :'alipay_body');
-- some sign the type as well; the charset is the message's; order is by bytes
SELECT pg_temp.reason('alipay', '{}', pg_temp.alipay('{b,a,Z,a_b,a1}', '{"1","2","3","4","5"}', true)) AS type_signed,
	   pg_temp.reason('alipay', '{}', pg_temp.alipay('{charset,memo}', ARRAY['GBK', '\xd6d0b9fa'::bytea])) AS gbk,
	   pg_temp.reason('alipay', '{}', pg_temp.alipay('{a}', '{"1"}', type => 'RSA')) AS weak, pg_temp.reason('alipay', '{}', pg_temp.alipay('{a}', '{"1"}', true, 'MD5')) AS weaker;

-- ---------- time ----------

SELECT s AS seconds_later, pg_temp.reason('stripe', :'stripe_headers', :'stripe_body', to_timestamp(1614265330 + s)) AS stripe,
	   pg_temp.reason('hooks', :'hooks_headers', :'hooks_body', to_timestamp(1614265330 + s)) AS hooks,
	   pg_temp.reason('wechat', :'wechat_headers', :'wechat_body', to_timestamp(1614265330 + s)) AS wechat
FROM unnest('{-301,-300.000001,-300,0,300,300.000001,301}'::numeric[]) s;
SET ROLE regress_notify_owner;
UPDATE gateways SET notification_tolerance = '10 seconds' WHERE gateway = 'stripe';
SELECT s AS seconds_later, pg_temp.reason('stripe', :'stripe_headers', :'stripe_body', to_timestamp(1614265330 + s)) FROM unnest('{-11,-10,10,11}'::int[]) s;
UPDATE gateways SET notification_tolerance = DEFAULT;
SET ROLE regress_notify_gateway;
SELECT at, pg_temp.reason('stripe', :'stripe_headers', :'stripe_body', at::timestamptz) FROM unnest('{4713-01-01 00:00:00 UTC BC,294276-12-31 23:59:59 UTC}'::text[]) at;
SELECT t, pg_temp.reason('stripe', jsonb_build_object('stripe-signature', 't=' || t || ',v1=' || repeat('0', 64)), '') FROM unnest('{1,999999999999,1614265330}'::text[]) t;
SELECT verify_notification('stripe', :'stripe_headers', :'stripe_body', 'infinity');

-- ---------- headers ----------

CREATE TEMP TABLE attempt (n serial, gateway text, headers jsonb, body bytea, comment text);
\set good 'v1=3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff'
INSERT INTO attempt (gateway, headers, comment)
SELECT 'stripe', jsonb_build_object('Stripe-Signature', header), comment FROM (VALUES
	('t=1614265330,v1=' || repeat('0', 64) || ',' || :'good', 'good: any of several'), ('t=1614265330,' || :'good' || ',v1=' || repeat('0', 64), 'good: in any order'),
	('v0=1,' || :'good' || ',v2=x,t=1614265330,a=', 'good: others are skipped'), ('t=1614265330,v0=' || substr(:'good', 4), 'another scheme alone'),
	('t=1614265330', 'no digest'), (:'good', 'no time'), ('t=1614265330,t=1614265330,' || :'good', 'two times'), ('t=1614265330,t=1,' || :'good', 'two times'),
	('t=1614265330,v1=', ''), ('t=1614265330,v1', ''), ('t=1614265330,' || upper(:'good'), 'V1'), ('t=1614265330,v1=' || upper(substr(:'good', 4)), 'capitals'),
	('t=1614265330,' || :'good' || '0', ''), ('t=1614265330,' || left(:'good', -1), ''), ('t=1614265330,' || left(:'good', -2), ''), ('t=1614265330,' || left(:'good', -1) || 'g', ''),
	('t=1614265330,,' || :'good', ''), (',t=1614265330,' || :'good', ''), ('t=1614265330,' || :'good' || ',', ''), ('t=1614265330, ' || :'good', 'a blank'), (' t=1614265330,' || :'good', 'a blank'),
	('t=,' || :'good', ''), ('t=01614265330,' || :'good', ''), ('t=+1614265330,' || :'good', ''), ('t=-1614265330,' || :'good', ''), ('t=1614265330.0,' || :'good', ''), ('t=1.6e9,' || :'good', ''),
	('t=0,' || :'good', ''), ('t=1614265330000000000000000,' || :'good', ''), ('t=1614265330 ,' || :'good', ''), ('t==1614265330,' || :'good', ''), ('T=1614265330,' || :'good', ''),
	('', 'empty'), (',', ''), ('=', ''), ('t=1614265330,' || :'good' || repeat(',v1=' || repeat('0', 64), 100), 'good: a hundred digests'), ('t=1614265330,' || :'good' || repeat(',v1=' || repeat('0', 64), 200), 'longer than headers are'),
	('t=1614265330,' || :'good' || E'\n', 'a line end'), (E't=1614265330\t,' || :'good', 'a tab'), ('t=1614265330,é=1,' || :'good', 'no ASCII'), ('t=1614265330,' || :'good' || E'\x7f', '')) v (header, comment);
INSERT INTO attempt (gateway, headers, comment)
SELECT 'stripe', replace(replace(headers, 'GOOD', 't=1614265330,' || :'good'), 'BAD', 't=1614265330,v1=' || repeat('0', 64))::jsonb, comment FROM (VALUES
	('{"stripe-signature": "GOOD"}', 'good'), ('{"STRIPE-SIGNATURE": ["GOOD"]}', 'good'), ('{"a": {"stripe-signature": "BAD"}, "Stripe-Signature": "GOOD", "b": [["stripe-signature", "BAD"]]}', 'good'),
	('{"stripe-signature": ["GOOD", "BAD"]}', 'two'), ('{"stripe-signature": ["GOOD", "GOOD"]}', 'two'), ('{"stripe-signature": "GOOD", "Stripe-Signature": "GOOD"}', 'two'), ('{"stripe-signature": null, "Stripe-Signature": "GOOD"}', 'two'),
	('{"stripe-signature": []}', ''), ('{"stripe-signature": [["GOOD"]]}', ''), ('{"stripe-signature": {"a": "GOOD"}}', ''), ('{"stripe-signature": null}', ''), ('{"stripe-signature": 1614265330}', ''), ('{"stripe-signature": [null]}', ''),
	('{}', 'missing'), ('{"stripe_signature": "GOOD"}', 'missing'), ('{" stripe-signature": "GOOD"}', 'missing'), ('{"a": {"stripe-signature": "GOOD"}}', 'missing'),
	('[]', 'no object'), ('["GOOD"]', 'no object'), ('"GOOD"', 'no object'), ('null', 'no object'), ('1', 'no object')) v (headers, comment);
SELECT n, pg_temp.reason(gateway, headers, :'stripe_body') AS reason, comment, CASE WHEN length(headers::text) < 150 THEN replace(headers::text, '3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff', '...') END AS headers FROM attempt ORDER BY n;
TRUNCATE attempt RESTART IDENTITY;
-- of Standard Webhooks
SELECT n, pg_temp.reason('hooks', jsonb_strip_nulls(:'hooks_headers'::jsonb - 'WEBHOOK-SIGNATURE' || more), :'hooks_body') AS reason, CASE WHEN length(more::text) < 150 THEN more END AS more FROM (
	SELECT ordinality AS n, replace(more, 'GOOD', 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')::jsonb AS more FROM unnest(ARRAY[
	'{"webhook-signature": "GOOD"}', '{"webhook-signature": "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= GOOD"}', '{"webhook-signature": "v1a,x GOOD v2,"}',
	'{"webhook-signature": ""}', '{"webhook-signature": "v1"}', '{"webhook-signature": "v1,"}', '{"webhook-signature": "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}', '{"webhook-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}',
	'{"webhook-signature": "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}', '{"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE"}', '{"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="}',
	'{"webhook-signature": "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE="}', '{"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=="}', '{"webhook-signature": "v1,g0hM9SsE"}', '{"webhook-signature": "GOOD  GOOD"}', '{"webhook-signature": "GOOD "}', '{"webhook-signature": " GOOD"}',
	'{"webhook-signature": "GOOD", "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330"}', '{"webhook-signature": "GOOD", "Webhook-Id": ""}', '{"webhook-signature": "GOOD", "Webhook-Id": null}', '{"webhook-signature": "GOOD", "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJeK"}',
	'{"webhook-signature": "GOOD", "webhook-timestamp": null}', '{"webhook-signature": "GOOD", "webhook-timestamp": 1614265330}', '{"webhook-signature": "GOOD", "webhook-timestamp": "01614265330"}', '{"webhook-signature": "GOOD", "webhook-timestamp": "1614265330."}', '{"webhook-signature": "GOOD", "webhook-timestamp": "1614265331"}', '{"webhook-signature": null}',
	'{"webhook-signature": "GOOD", "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek"}']) WITH ORDINALITY v (more)) w ORDER BY n;
-- the limit between id, time and body cannot be moved
SELECT pg_temp.reason('hooks', pg_temp.hooks('a', '1614265330', '1614265331.x'), '1614265331.x') AS good, pg_temp.reason('hooks', pg_temp.hooks('a', '1614265330', '1614265331.x') || '{"webhook-id": "a.1614265330", "webhook-timestamp": "1614265331"}', 'x') AS moved,
	   pg_temp.reason('stripe', pg_temp.stripe(1614265330, '1614265331.x'), '1614265331.x') AS good, pg_temp.reason('stripe', jsonb_set(pg_temp.stripe(1614265330, '1614265331.x'), '{Stripe-Signature}', to_jsonb(replace(pg_temp.stripe_header(1614265330, '1614265331.x'), 't=1614265330', 't=1614265330.1614265331'))), 'x') AS moved;
-- of WeChat Pay
SELECT n, pg_temp.reason('wechat', jsonb_strip_nulls(:'wechat_headers'::jsonb || more), :'wechat_body') AS reason, replace(more::text, :'wechat_signature', 'GOOD') AS more FROM (
	SELECT ordinality AS n, replace(more, 'GOOD', :'wechat_signature')::jsonb AS more FROM unnest(ARRAY[
	'{"Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048"}', '{"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}', '{"Wechatpay-Signature-Type": ""}', '{"Wechatpay-Signature-Type": "wechatpay2-sha256-rsa2048"}', '{"Wechatpay-Signature-Type": ["WECHATPAY2-SHA256-RSA2048", "x"]}',
	'{"Wechatpay-Serial": "PUB_KEY_ID_02"}', '{"Wechatpay-Serial": "pub_key_id_01"}', '{"Wechatpay-Serial": null}', '{"Wechatpay-Serial": ""}', '{"Wechatpay-Nonce": null}', '{"Wechatpay-Nonce": "\n"}', '{"Wechatpay-Nonce": "593BEC0C930BF1AFEB40B4A08C8FB243"}',
	'{"Wechatpay-Timestamp": null}', '{"Wechatpay-Timestamp": "x"}', '{"Wechatpay-Signature": null}', '{"Wechatpay-Signature": "WECHATPAY/SIGNTEST/anything"}', '{"Wechatpay-Signature": "WECHATPAY/SIGNTEST/"}', '{"Wechatpay-Signature": "WECHATPAY/SIGNTEST"}',
	'{"Wechatpay-Signature": "!"}', '{"Wechatpay-Signature": "AAAA"}', '{"wechatpay-signature": "GOOD"}']) WITH ORDINALITY v (more)) w ORDER BY n;
SELECT pg_temp.reason('wechat', jsonb_set(:'wechat_headers', '{Wechatpay-Signature}', to_jsonb(s)), :'wechat_body') AS reason, comment FROM (VALUES
	(:'wechat_signature' || 'AAAA', 'longer'), (substr(:'wechat_signature', 5), 'shorter'), (repeat('A', 342) || '==', 'zeros'), (repeat('A', 4000), 'longer than any'), (rtrim(:'wechat_signature', '='), 'no padding'), (overlay(:'wechat_signature' PLACING ' ' FROM 77 FOR 0), 'a blank')) v (s, comment);

-- ---------- bodies ----------

SELECT pg_temp.reason('stripe', pg_temp.stripe(1614265330, body), body) AS signed, pg_temp.reason('stripe', pg_temp.stripe(1614265330, body), body || 'x') AS longer, comment
FROM (VALUES (''::bytea, 'empty'), ('\x00', 'zero'), ('\xff00fe', 'no UTF-8'), (decode(repeat('20', 1024 * 1024), 'hex'), '1 MiB'), (decode(repeat('20', 1024 * 1024 + 1), 'hex'), 'and one byte')) v (body, comment);
SELECT gateway, pg_temp.reason(gateway, '{}', decode(repeat('20', 1024 * 1024 + 1), 'hex')) FROM unnest('{hooks,json,alipay,wechat,v2,v2_md5}'::text[]) gateway;
SELECT verify_reply(gateway, '{}', decode(repeat('20', 1024 * 1024 + 1), 'hex')) FROM unnest('{stripe,alipay,wechat,v2}'::text[]) gateway;
INSERT INTO attempt (body, comment) VALUES
	('', 'empty'), ('a', ''), ('=', ''), ('a=1&', ''), ('&a=1', ''), ('a=1&&b=2', ''), ('a=%', ''), ('a=%4', ''), ('a=%4g', ''), ('a=%%41', ''), ('%=1', ''), ('a=%00', ''), ('a=\000'::bytea, ''), ('a%00b=1', ''), ('a=1&a=1', 'twice'), ('a=1&%61=1', 'twice'),
	('sign=AAAA&sign=AAAA&sign_type=RSA2', 'twice'), ('a=1', ''), ('sign_type=RSA2', ''), ('sign=AAAA', ''), ('sign=AAAA&sign_type=RSA', ''), ('sign=AAAA&sign_type=rsa2', ''), ('sign=AAAA&sign_type=RSA2&sign_type=RSA', ''), ('sign=&sign_type=RSA2', ''), ('sign=AAAA&sign_type=RSA2', ''), ('sign=a b&sign_type=RSA2', ''), ('sign=!&sign_type=RSA2', ''),
	('{"sign":"AAAA"}', 'JSON'), ('\xffd8', ''), (convert_to((SELECT string_agg('f' || i || '=1', '&') FROM generate_series(1, 100000) i), 'UTF8'), 'a hundred thousand'), (convert_to((SELECT string_agg('f' || i || '=1', '&') FROM generate_series(1, 1000) i), 'UTF8'), 'a thousand'), (convert_to(repeat('&', 1000000), 'UTF8'), ''), (convert_to(repeat('a', 1000000), 'UTF8'), ''), (convert_to('a=' || repeat('%41', 300000), 'UTF8'), '');
SELECT n, pg_temp.reason('alipay', '{}', body) AS reason, comment, CASE WHEN length(body) < 100 THEN encode(body, 'escape') END AS body FROM attempt ORDER BY n;
TRUNCATE attempt RESTART IDENTITY;
INSERT INTO attempt (body, comment)
SELECT convert_to(replace(replace(body, 'SIGN', '<sign>6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6</sign>'), 'FIELDS', :'v2_fields'), 'UTF8'), comment FROM (VALUES
	('<xml>SIGNFIELDS</xml>', 'good'), (E'<?xml version="1.0" encoding="UTF-8"?>\n<xml>\n\tFIELDS\r\n SIGN\n</xml>\n', 'good'), ('<xml>FIELDS<empty></empty><none/><sign_type>HMAC-SHA256</sign_type>SIGN</xml>', 'the type is signed'), ('<xml>FIELDS<empty></empty><none/><cdata><![CDATA[]]></cdata>SIGN</xml>', 'good: empty ones are not signed'),
	('<xml>FIELDS<sign_type>MD5</sign_type>SIGN</xml>', ''), ('<xml>FIELDS<sign_type></sign_type>SIGN</xml>', ''), ('<xml>FIELDS</xml>', ''), ('<xml><return_code>SUCCESS</return_code><req_info>T87GAHG17TGAHG1TGHAHAHA1Y1CIOA9UGJH1GAHV871HAGAGQYQQPOOJMXNBCXBVNMNMAJAA</req_info></xml>', 'refunds are not signed'),
	('<xml>FIELDS<sign>6a9ae1657590fd6257d693a078e1c3e4bb6ba4dc30b23e0ee2496e54170dacd6</sign></xml>', ''), ('<xml>FIELDS<sign>9A0A8659F005D6984697E2CA0A9CF3B7</sign></xml>', ''), ('<xml>FIELDS<sign></sign></xml>', ''), ('<xml>FIELDS<sign>X</sign></xml>', ''), ('<xml>FIELDSSIGNSIGN</xml>', 'twice'), ('<xml>FIELDS<body>test</body>SIGN</xml>', 'twice'), ('<xml></xml>', ''), ('', ''), ('{}', ''),
	('<!DOCTYPE xml [<!ENTITY a "b">]><xml>FIELDSSIGN</xml>', ''), ('<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml>FIELDSSIGN</xml>', ''), ('<xml>FIELDS<attach>&a;</attach>SIGN</xml>', ''), ('<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]><xml>FIELDS<a>&lol2;</a>SIGN</xml>', '')) v (body, comment);
INSERT INTO attempt (body, comment) VALUES ('<xml><a>\377</a><sign>A</sign></xml>', 'no UTF-8'), ('<xml><a>\000</a><sign>A</sign></xml>', 'zero'), (convert_to('<xml>' || (SELECT string_agg('<f' || i || '/>', '') FROM generate_series(1, 100000) i) || '</xml>', 'UTF8'), 'a hundred thousand'), (convert_to(repeat('<xml>', 200000), 'UTF8'), 'deep'), (convert_to('<xml><a>' || repeat('<![CDATA[', 100000), 'UTF8'), '');
SELECT n, pg_temp.reason('v2', '{}', body) AS reason, comment FROM attempt ORDER BY n;
TRUNCATE attempt RESTART IDENTITY;

-- ---------- each single byte counts ----------

-- How many of the messages with one bit changed pass: in one of the headers, or in the body. Each step-th bit is changed: all
-- of them, or one and sometimes two in each byte.
CREATE FUNCTION pg_temp.changed_headers(gateway text, headers jsonb, body bytea, step int, OUT tried int, OUT passed int) LANGUAGE plpgsql AS $$
DECLARE
	name text;
	value bytea;
	changed bytea;
BEGIN
	tried := 0;
	passed := 0;
	FOR name IN SELECT jsonb_object_keys(headers) LOOP
		value := convert_to(headers ->> name, 'UTF8');
		FOR i IN 0 .. length(value) * 8 - 1 BY step LOOP
			changed := set_bit(value, i, 1 - get_bit(value, i));
			CONTINUE WHEN get_byte(changed, i / 8) NOT BETWEEN 1 AND 127;  -- no text
			tried := tried + 1;
			passed := passed + (order_payment.verify_notification(gateway, jsonb_set(headers, ARRAY[name], to_jsonb(convert_from(changed, 'UTF8'))), body, to_timestamp(1614265330), 'notify_shop')).verified::int;
		END LOOP;
	END LOOP;
END
$$;
CREATE FUNCTION pg_temp.changed_body(gateway text, headers jsonb, body bytea, step int, OUT tried int, OUT passed int, OUT passed_otherwise int) LANGUAGE plpgsql AS $$
DECLARE
	changed bytea;
BEGIN
	tried := 0;
	passed := 0;
	passed_otherwise := 0;
	FOR i IN 0 .. length(body) * 8 - 1 BY step LOOP
		changed := set_bit(body, i, 1 - get_bit(body, i));
		tried := tried + 1;
		IF (order_payment.verify_notification(gateway, headers, changed, to_timestamp(1614265330), 'notify_shop')).verified THEN
			passed := passed + 1;
			IF gateway <> 'alipay' OR order_payment.form_fields(changed) <> order_payment.form_fields(body) THEN
				passed_otherwise := passed_otherwise + 1;
			END IF;
		END IF;
	END LOOP;
END
$$;
SELECT 'stripe' AS gateway, h.tried > 0 AND b.tried > 0 AS tried, h.passed, b.passed FROM pg_temp.changed_headers('stripe', :'stripe_headers', :'stripe_body', 1) h, pg_temp.changed_body('stripe', :'stripe_headers', :'stripe_body', 1) b
UNION ALL SELECT 'hooks', h.tried > 0 AND b.tried > 0, h.passed, b.passed FROM pg_temp.changed_headers('hooks', replace(replace(:'hooks_headers', '[', ''), ']', '')::jsonb, :'hooks_body', 1) h, pg_temp.changed_body('hooks', :'hooks_headers', :'hooks_body', 1) b
UNION ALL SELECT 'wechat', h.tried > 0 AND b.tried > 0, h.passed, b.passed FROM pg_temp.changed_headers('wechat', :'wechat_headers'::jsonb || '{"Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048"}', :'wechat_body', 7) h, pg_temp.changed_body('wechat', :'wechat_headers', :'wechat_body', 7) b
UNION ALL SELECT 'v2', b.tried > 0, NULL, b.passed FROM pg_temp.changed_body('v2', '{}', :'v2_body', 7) b
UNION ALL SELECT 'v2_md5', b.tried > 0, NULL, b.passed FROM pg_temp.changed_body('v2_md5', '{}', :'v2_md5_body', 7) b;
-- what passes at Alipay says the same: %e9 and %E9
SELECT tried > 0 AS tried, passed > 0 AS passed, passed_otherwise FROM pg_temp.changed_body('alipay', '{}', :'alipay_body', 7);

-- ---------- secrets ----------

SELECT gateway, pg_temp.reason(gateway, :'stripe_headers', :'stripe_body') FROM unnest('{stripe,other,empty}'::text[]) gateway;
-- two are valid; one ends
\set blob `printf %s whsec_second_secret | :seal stripe webhook_secret`
SET ROLE regress_notify_owner;
SELECT count(set_gateway_secret('stripe', 'webhook_secret', :'blob'));
SELECT pg_temp.stripe(1614265330, :'stripe_body', 'whsec_second_secret') AS second_headers \gset
SELECT pg_temp.reason('stripe', :'stripe_headers', :'stripe_body') AS first, pg_temp.reason('stripe', :'second_headers', :'stripe_body') AS second;
UPDATE gateway_secrets SET valid_until = clock_timestamp() WHERE secret_id = :'old_secret';
SELECT pg_temp.reason('stripe', :'stripe_headers', :'stripe_body') AS first, pg_temp.reason('stripe', :'second_headers', :'stripe_body') AS second;
-- a secret that does not open is an error: ours, not the message's
UPDATE gateway_secrets SET secret = (SELECT secret FROM gateway_secrets WHERE gateway = 'other') WHERE gateway = 'stripe' AND valid_until IS NULL;
\set VERBOSITY sqlstate
SELECT verify_notification('stripe', :'stripe_headers', :'stripe_body', to_timestamp(1614265330));
\set VERBOSITY terse

-- ---------- who may, and for which gateways ----------

SELECT verify_notification('nobody', '{}', '');
SELECT verify_notification('silent', '{}', '');
SELECT verify_reply('nobody', '{}', '');
SELECT verify_reply('silent', '{}', '');
SELECT verify_notification('other', '{}', '', store => 'pg_catalog');
SELECT verify_notification('other', '{}', '', store => 'nowhere');
SELECT verify_notification(NULL, '{}', '');
SELECT verify_notification('other', NULL, '');
SELECT verify_notification('other', '{}', NULL);
SELECT verify_notification('other', '{}', '', store => NULL);
SET ROLE regress_notify_app;
SELECT verify_notification('other', '{}', '');
SELECT verify_notification('nobody', '{}', '');
SELECT verify_reply('other', '{}', '');
SELECT open_resource('wechat', '{"algorithm": "AEAD_AES_256_GCM", "nonce": "fdasflkja484", "ciphertext": "AAAAAAAAAAAAAAAAAAAAAAAA"}');
SELECT sign_for_gateway('peer', 'private_key', 'x');
SELECT form_fields('a=1'), flat_xml_fields('<xml><a>1</a></xml>');
SET ROLE regress_notify_gateway;
-- rows that a policy hides are read all the same
RESET ROLE;
ALTER TABLE gateways ENABLE ROW LEVEL SECURITY;
SET ROLE regress_notify_gateway;
SELECT count(*) FROM gateways;
SELECT pg_temp.reason('hooks', :'hooks_headers', :'hooks_body');
RESET ROLE;
ALTER TABLE gateways DISABLE ROW LEVEL SECURITY;
SET ROLE regress_notify_gateway;

-- ---------- replies ----------

SELECT gateway, v.* FROM unnest('{stripe,hooks,json,v2}'::text[]) gateway, verify_reply(gateway, '{}', '{}') v;
SELECT verify_reply('wechat', :'wechat_headers', :'wechat_body', to_timestamp(1614265330)), verify_reply('wechat', :'wechat_headers', :'wechat_body'), verify_reply('wechat', '{}', '{}'),
	   verify_reply('wechat', pg_temp.wechat('1614265330', 'n', ''), '', to_timestamp(1614265330)) AS empty;
CREATE FUNCTION pg_temp.reply(body text) RETURNS text LANGUAGE sql RETURN (SELECT reason FROM order_payment.verify_reply('alipay', '{}', convert_to(body, 'UTF8'), store => 'notify_shop'));
\set content '{"code" : "10000","msg":"Success \\" } ,\\"sign\\":\\"x\\"","amounts":[1.0,{"a":"]"}],"empty":{}}'
SELECT pg_temp.rsa(convert_to(:'content', 'UTF8')) AS content_signature \gset
SELECT n, pg_temp.reply(replace(replace(body, 'CONTENT', :'content'), 'SIGN', :'content_signature')) AS reason, body FROM unnest(ARRAY[
	'{"alipay_trade_query_response":CONTENT,"sign":"SIGN"}', '{ "sign" : "SIGN" , "alipay_trade_query_response" :  CONTENT } ', '{"error_response":CONTENT,"alipay_cert_sn":"1","sign":"SIGN"}',
	'{"alipay_trade_query_response":CONTENT}', '{"alipay_trade_query_response":CONTENT,"sign":null}', '{"alipay_trade_query_response":CONTENT,"sign":"AAAA"}', '{"alipay_trade_query_response":CONTENT,"sign":""}', '{"alipay_trade_query_response":CONTENT,"sign":["SIGN"]}', '{"alipay_trade_query_response":[CONTENT],"sign":"SIGN"}',
	'{"alipay_trade_query_response":CONTENT,"error_response":CONTENT,"sign":"SIGN"}', '{"alipay_trade_query_response":CONTENT,"alipay_trade_query_response":{},"sign":"SIGN"}', '{"alipay_trade_query_response":CONTENT,"alipay_trade_query_re\u0073ponse":{},"sign":"SIGN"}', '{"alipay_trade_query_response":CONTENT,"sign":"SIGN","sign":"SIGN"}',
	'{"_response":CONTENT,"sign":"SIGN"}', '{"a":CONTENT,"sign":"SIGN"}', '{"sign":"SIGN"}', '{"":1,"a_response":CONTENT,"sign":"SIGN"}', '[{"a_response":CONTENT,"sign":"SIGN"}]', '{"a_response":CONTENT,"sign":"SIGN"}}', '{"a_response":CONTENT,"sign":"SIGN",}', '{"a_response":CONTENT "sign":"SIGN"}', '{"a_response":CONTENT,"sign":"SIGN"', '{"x":{"a_response":CONTENT},"sign":"SIGN"}', '{}', '', 'null', 'true']) WITH ORDINALITY v (body, n) ORDER BY n;
SELECT verify_reply('alipay', '{}', '\x7b22615f726573706f6e7365223a22ff227d') AS no_utf8, pg_temp.reply('{"a_response":' || repeat('[', 100000) || repeat(']', 100000) || ',"sign":"AAAA"}') AS deep, pg_temp.reply('{' || (SELECT string_agg('"' || i || '":1', ',') FROM generate_series(1, 50000) i) || '}') AS many;

-- ---------- form_fields ----------

SELECT form_fields('');
SELECT form_fields('a=1&b=x+y%2Bz&c=&d=%E4%B8%AD&e==&f=%26%3D%25'), form_fields(:'alipay_body') - 'sign';
SELECT form_fields('charset=GBK&memo=%D6%D0%B9%FA'), form_fields('memo=%D6%D0%B9%FA&charset=gb2312'), form_fields('charset=GB18030&memo=%81%30%89%37'), form_fields('charset=utf-8&memo=%E4%B8%AD'), form_fields('a="''<');
\set VERBOSITY default
SELECT form_fields('a=%');
SELECT form_fields('a=%0');
SELECT form_fields('a=1&b=%zz');
SELECT form_fields('a=%00');
SELECT form_fields('\x613d00');
SELECT form_fields('a');
SELECT form_fields('=a');
SELECT form_fields('a=1&%61=2');
SELECT form_fields('charset=latin1&a=1');
SELECT form_fields('charset=&a=1');
SELECT form_fields((SELECT convert_to(string_agg('f' || i || '=1', '&'), 'UTF8') FROM generate_series(1, 100000) i));
\set VERBOSITY sqlstate
SELECT form_fields('a=%ff');
SELECT form_fields('%ff=a');
SELECT form_fields('a=%ed%a0%80');
SELECT form_fields('charset=gbk&a=%d6');
SELECT form_fields('charset=gbk&a=%ff%ff');
SELECT form_fields('charset=gb2312&a=%81%40');
\set VERBOSITY default
-- nothing of the body is shown
SELECT form_fields('a=secret&a=secret');
SELECT flat_xml_fields('<xml><a secret="secret">secret</a></xml>');
\set VERBOSITY terse

-- ---------- flat_xml_fields ----------

SELECT flat_xml_fields(:'v2_md5_body');
SELECT flat_xml_fields(convert_to(E'<?xml version=''1.0'' encoding="utf-8" standalone="yes" ?>\r\n<xml>\r\n <a> x </a><b><![CDATA[<&amp;]] >]]></b>\t<c>&lt;&gt;&amp;&quot;&apos;</c><d/><e></e><f.-_1>é中</f.-_1><g>a<![CDATA[b]]>c<![CDATA[]]></g><h>1\r\n2\r3</h></xml> ', 'UTF8'));
SELECT flat_xml_fields('<xml></xml>'), flat_xml_fields('<xml><a><![CDATA[]]]]><![CDATA[>]]></a></xml>');
CREATE FUNCTION pg_temp.xml_fault(body bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN order_payment.flat_xml_fields(body);
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END
$$;
SELECT pg_temp.xml_fault(body) AS fault, CASE WHEN length(body) < 150 THEN encode(body, 'escape') END AS body FROM unnest(ARRAY[
	'', ' ', '<xml>', '</xml>', '<xml/>', '<XML></XML>', '<xml></xml>x', 'x<xml></xml>', '<xml></xml><xml></xml>', '<xml >x</xml>', '<xml>x</xml>', '<xml a="b"></xml>', '<xml><a b="c">d</a></xml>', '<xml><a >d</a></xml>', '<xml><a>d</a ></xml>', '<xml>< a>d</a></xml>',
	'<xml><a><b>c</b></a></xml>', '<xml><a>b</c></xml>', '<xml><a>b</xml>', '<xml><a></xml></a>', '<xml><a>b</a>', '<xml><a', '<xml><a>', '<xml><a>b', '<xml><a>b<', '<xml><a>b</', '<xml><a>b</a', '<xml><a/', '<xml><1a>b</1a></xml>', '<xml><a:b>c</a:b></xml>', '<xml xmlns="x"></xml>', '<xml><>b</></xml>',
	'<xml><a>1</a><a>2</a></xml>', '<xml><a/><a/></xml>', '<xml><!-- c --></xml>', '<xml><a>b<!-- c --></a></xml>', '<!-- c --><xml></xml>', '<xml><?php x ?></xml>', '<?php x ?><xml></xml>', '<xml><a><?x ?></a></xml>',
	'<!DOCTYPE xml><xml></xml>', '<xml><a>&b;</a></xml>', '<xml><a>&#65;</a></xml>', '<xml><a>&#x41;</a></xml>', '<xml><a>&amp</a></xml>', '<xml><a>&</a></xml>', '<xml><a>a&&amp;</a></xml>', '<xml><a>&AMP;</a></xml>', '<xml>&amp;</xml>', '<xml><a>]]></a></xml>', '<xml><![CDATA[x]]></xml>',
	'<xml><a><![CDATA[x</a></xml>', '<xml><a><![CDATA[x]]</a></xml>', '<xml><a><![cdata[x]]></a></xml>', '<xml><a><![CDATA[x]]>]]></a></xml>', '<xml><a><![CDATA [x]]></a></xml>', '<?xml version="1.1"?><xml></xml>', '<?xml version="1.0" encoding="GBK"?><xml></xml>', '<?xml version="1.0" encoding="UTF-8''?><xml></xml>', '<?xml?><xml></xml>', '<?xml version="1.0"><xml></xml>', ' <?xml version="1.0"?><xml></xml>', '<?xml version="1.0" x="y"?><xml></xml>', '<?xml version="1.0"?><?xml version="1.0"?><xml></xml>', '<?xml',
	'\xefbbbf3c786d6c3e3c2f786d6c3e', '\xfeff003c0078006d006c003e', '\x3c786d6c3e3c613e013c2f613e3c2f786d6c3e', '\x3c786d6c3e3c613e003c2f613e3c2f786d6c3e', '\x3c786d6c3e3c613eff3c2f613e3c2f786d6c3e', '\x3c786d6c3e3c613eeda0803c2f613e3c2f786d6c3e', '\x3c786d6c3e3c613ec3']::bytea[]) body;
SELECT pg_temp.xml_fault(convert_to('<xml>' || repeat('<a>', 300000), 'UTF8')) AS deep, pg_temp.xml_fault(convert_to('<xml><a>' || repeat('&amp;', 200000) || '</a></xml>', 'UTF8')) = jsonb_build_object('a', repeat('&', 200000))::text AS many,
	   pg_temp.xml_fault(convert_to('<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">' || (SELECT string_agg(format('<!ENTITY lol%s "%s">', i, repeat(format('&lol%s;', nullif(i - 1, 0)), 10)), '') FROM generate_series(1, 9) i) || ']><xml><a>&lol9;</a></xml>', 'UTF8')) AS laughs;

-- ---------- open_resource ----------

-- sealed by Node's crypto under the same key
CREATE FUNCTION pg_temp.opened(resource jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	context text;
BEGIN
	RETURN order_payment.open_resource('wechat', resource, 'notify_shop');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	IF message || detail || context ~ 'secret\W' THEN
		RAISE WARNING 'it is shown: % % %', message, detail, context;
	END IF;
	RETURN sqlstate;
END
$$;
CREATE TEMP TABLE sealed_resource (resource jsonb, comment text);
INSERT INTO sealed_resource VALUES
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"kdUw5hwyZ7EmqIvJoZVgiwftZn84EGM+dIgKjZu2QD9ynHFiOdvTTO/xp9fKQ47L+36A2hfvF6agVZ+2neUbUCKxCme19uzhFmYGjeFTfeoAdpsDLhKJLEXpPXWZMnMidhj/OF1mOKzzCjSp7AUXauaOCdcKeBk=","associated_data":"transaction"}', 'good'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"kdU+sVJcbgBMb5LrZsiHxABfd5X9UiQ="}', 'good: no associated data'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"kdU+sVJfbjLlrTPrOR+sSbz0ZICQhDw=","associated_data":""}', 'good: empty associated data'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"scYC3Tcc0Nhxte3z9KebUB4U8A==","associated_data":"transaction"}', 'good: any JSON'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"mZI84Q0ZFIyX+133245NtCG8fLoYxw==","associated_data":"transaction"}', 'no JSON'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"BzEarWi63g5AsOb6EDgXlw==","associated_data":"transaction"}', 'nothing'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"kdU+sVJcbsMBs5LsKlIgfJfZ1Or7GnHY","associated_data":"transaction"}', 'a byte zero'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"yAh9zjBVTvCYhobGngXSq5Dnzw==","associated_data":"transaction"}', 'no UTF-8'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"kdU+sVJPYKYkvovik49ygRXsdjMQ25RJIICCFM3bzZGlj8Yg","associated_data":"transaction"}', 'not for jsonb'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"kdU+sVJPYKYkvovik48miRXsdjPyn5uatY2ZUlJcBT8j1dgt","associated_data":"transaction"}', 'half a pair'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"kdU+sVJcdvp+9dev9ofTJlmX3Rm1gCrMXOYsbVFf","associated_data":"transaction"}', 'a number too large'),
	('{"algorithm":"AEAD_AES_256_GCM","nonce":"fdasflkja484","ciphertext":"sawEyDM2SJgcl7XNlKEZ6n6HDxVUfA1XGuNg5PDcL1Qe9xkKULO7JIKSzL2pOvmywUi09CLAbseALLCCst8sKUPbYwnegZXZOE8vs9RrX5NhD4MWLGuvWzzTElqjCkBbF2FA260ZGIE0gsE0t9AlJbaxWBan3OsOUz+Mqc+jTnxxasFqF62+btV2o5GBsSOgkq9KjDG1kuIV075p1hz/G+Bibt9tLrXwzxTDXXRoTPGRE2HPewxpwaI5+4OMNQ5o94Ukm26fkygA9EnE7edAnOhwW1JyExJ/","associated_data":"transaction"}', 'deep');
SELECT pg_temp.opened(resource), comment FROM sealed_resource;
SELECT resource AS good FROM sealed_resource WHERE comment = 'good' \gset
SELECT more, pg_temp.opened(:'good'::jsonb || more) AS opened FROM unnest(ARRAY['{"original_type": "transaction"}', '{"algorithm": null}', '{"algorithm": "AEAD_SM4_GCM"}', '{"algorithm": ["AEAD_AES_256_GCM"]}', '{"nonce": null}', '{"nonce": ""}', '{"nonce": "fdasflkja48"}', '{"nonce": "fdasflkja4844"}', '{"nonce": "fdasflkja485"}', '{"nonce": 123456789012}',
	'{"associated_data": null}', '{"associated_data": ""}', '{"associated_data": "transactioN"}', '{"associated_data": {}}', '{"ciphertext": null}', '{"ciphertext": ""}', '{"ciphertext": "AAAA"}', '{"ciphertext": "AAAAAAAAAAAAAAAAAAAAAA=="}', '{"ciphertext": "%"}', '{"ciphertext": 1}']::jsonb[]) more;
SELECT pg_temp.opened(r) FROM unnest('{"null",1,"\"x\"","[]","{}"}'::jsonb[]) r;
-- each byte of it
SELECT count(*) AS tried, count(*) FILTER (WHERE pg_temp.opened(jsonb_set(:'good', '{ciphertext}', to_jsonb(encode(set_bit(sealed, i, 1 - get_bit(sealed, i)), 'base64')))) <> 'OP010') AS opened
FROM decode(:'good'::jsonb ->> 'ciphertext', 'base64') sealed, generate_series(0, length(sealed) * 8 - 1, 7) i;
\set VERBOSITY default
SELECT open_resource('wechat', '{}');
SELECT open_resource('alipay', :'good');
\set VERBOSITY terse

-- ---------- sign_for_gateway ----------

\set by_openssl `printf 'a message' | openssl dgst -sha256 -sign :'directory'/private.pem | openssl base64 -A`
SELECT signature = :'by_openssl' AS the_same, key_name FROM sign_for_gateway('peer', 'private_key', 'a message');
SELECT * FROM sign_for_gateway('hooks', 'standard_webhook_secret', 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}');
SELECT length(signature), key_name FROM sign_for_gateway('json', 'standard_webhook_secret', '');
\set VERBOSITY default
SELECT sign_for_gateway('alipay', 'private_key', 'x');
SELECT sign_for_gateway('nobody', 'private_key', 'x');
SELECT sign_for_gateway('alipay', 'public_key', 'x');
SELECT sign_for_gateway('stripe', 'api_key', 'x');
SELECT sign_for_gateway('stripe', 'secret', 'x');
\set VERBOSITY terse
SELECT sign_for_gateway('peer', 'private_key', NULL) IS NULL AS is_null;

DROP TABLE attempt, sealed_resource;
RESET ROLE;
\set done `rm -r :'directory'`
SET client_min_messages = warning;
DROP SCHEMA notify_shop CASCADE;
DROP OWNED BY regress_notify_owner, regress_notify_gateway;
DROP ROLE regress_notify_owner, regress_notify_app, regress_notify_gateway;
