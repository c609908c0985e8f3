-- notifications of gateways from the signature to the effect: every outcome of every protocol, any order of arrival, hostile bodies, errors that pass and errors that stay.
-- Needs order_payment.root_key_file in postgresql.conf, and openssl and bash where the test is run.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
DROP SCHEMA IF EXISTS inbox_shop CASCADE;
CREATE ROLE regress_inbox_owner;
CREATE ROLE regress_inbox_app;
CREATE ROLE regress_inbox_gateway;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
SELECT order_payment.create_card_key() IS NOT NULL AS made;
SELECT order_payment.create_store('inbox_shop', 'CNY', owner => 'regress_inbox_owner', app_role => 'regress_inbox_app', gateway_role => 'regress_inbox_gateway');
RESET client_min_messages;
SET search_path = inbox_shop, order_payment;
\set VERBOSITY terse
\pset null -
SET ROLE regress_inbox_owner;
INSERT INTO gateways (gateway, protocol, sign_type, app_id, merchant_id) VALUES ('stripe', 'stripe', NULL, NULL, NULL), ('connect', 'stripe', NULL, NULL, 'acct_1'),
	('hooks', 'standard_webhooks', NULL, NULL, NULL), ('js', 'json', NULL, NULL, NULL), ('js2', 'json', NULL, 'app', 'we'), ('alipay', 'alipay', NULL, '2021', '2088'),
	('wechat', 'wechatpay_v3', NULL, 'wx1', '1900'), ('v2', 'wechatpay_v2', NULL, 'wx1', '1900'), ('v2_md5', 'wechatpay_v2', 'MD5', 'wx1', '1900'), ('peer', 'alipay', NULL, NULL, NULL);

-- ---------- secrets ----------

\getenv source PG_ABS_SRCDIR
\set directory `mktemp -d`
SELECT replace(card_public_key('pem'), E'\n', '|') AS pem, card_public_key('jwk')::json ->> 'kid' AS kid \gset
\set done `printf %s :'pem' | tr '|' '\n' >:'directory'/card.pem; openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -quiet -out :'directory'/private.pem; openssl pkey -in :'directory'/private.pem -pubout -out :'directory'/public.pem`
\set seal 'bash ' :source '/test/gateway_secret/seal_secret.sh ' :directory '/card.pem ' :kid ' inbox_shop'
\set blob `printf %s whsec_old | :seal stripe webhook_secret`
SELECT count(set_gateway_secret('stripe', 'webhook_secret', :'blob'));
\set blob `printf %s whsec_test | :seal stripe webhook_secret`
SELECT count(set_gateway_secret('stripe', 'webhook_secret', :'blob'));
\set blob `printf %s whsec_test | :seal connect webhook_secret`
SELECT count(set_gateway_secret('connect', 'webhook_secret', :'blob'));
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal hooks standard_webhook_secret`
SELECT count(set_gateway_secret('hooks', 'standard_webhook_secret', :'blob'));
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal js standard_webhook_secret`
SELECT count(set_gateway_secret('js', 'standard_webhook_secret', :'blob'));
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal js2 standard_webhook_secret`
SELECT count(set_gateway_secret('js2', 'standard_webhook_secret', :'blob'));
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
CREATE FUNCTION pg_temp.rsa(message bytea) RETURNS text LANGUAGE sql
RETURN (SELECT signature FROM order_payment.sign_for_gateway('peer', 'private_key', message, 'inbox_shop'));
-- AES-256-GCM under one nonce: the stream by openssl, the tag by GHASH here, from the powers of H
\set h `head -c 16 /dev/zero | openssl enc -aes-256-ecb -nopad -K 303132333435363738396162636465666768696a6b6c6d6e6f70717273747576 | od -An -v -tx1 | tr -d ' \n'`
\set stream `head -c 4096 /dev/zero | openssl enc -aes-256-ctr -K 303132333435363738396162636465666768696a6b6c6d6e6f70717273747576 -iv 66646173666c6b6a6134383400000001 | od -An -v -tx1 | tr -d ' \n'`
CREATE TEMP TABLE hash_key AS SELECT :'h' AS h;
CREATE TEMP TABLE ghash (i int PRIMARY KEY, v bit(128));
DO $$
DECLARE
	v bit(128);
BEGIN
	FOR i IN 0 .. 127 LOOP
		v := CASE WHEN i = 0 THEN (SELECT ('x' || h)::bit(128) FROM hash_key)
				  WHEN get_bit(v, 127) = 0 THEN v >> 1 ELSE (v >> 1) # (B'11100001' || repeat('0', 120)::varbit)::bit(128) END;
		INSERT INTO ghash VALUES (i, v);
	END LOOP;
END
$$;
CREATE TEMP TABLE stream AS SELECT decode(:'stream', 'hex') AS bytes;
CREATE FUNCTION pg_temp.bits(data bytea) RETURNS varbit LANGUAGE sql RETURN ('x' || encode(data, 'hex'))::varbit;
CREATE FUNCTION pg_temp.bytes(bits varbit, n int) RETURNS bytea LANGUAGE sql
RETURN (SELECT substr(string_agg(int8send(substring(bits || repeat('0', 64)::varbit FROM i FOR 64)::bit(64)::bigint), '' ORDER BY i), 1, n) FROM generate_series(1, n * 8, 64) i);
CREATE FUNCTION pg_temp.sealed(plain bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	stream bytea := (SELECT bytes FROM stream);
	n int := length(plain);
	cipher bytea := pg_temp.bytes(pg_temp.bits(plain) # pg_temp.bits(substr(stream, 17, n)), n);
	blocks bytea := cipher || decode(repeat('00', (16 - n % 16) % 16), 'hex') || int8send(0) || int8send(n * 8);
	x bit(128) := repeat('0', 128)::bit(128);
BEGIN
	FOR i IN 1 .. length(blocks) BY 16 LOOP
		x := x # ('x' || encode(substr(blocks, i, 16), 'hex'))::bit(128);
		x := coalesce((SELECT bit_xor(v) FROM ghash WHERE get_bit(x, ghash.i) = 1), repeat('0', 128)::bit(128));
	END LOOP;
	RETURN replace(encode(cipher || pg_temp.bytes(x # pg_temp.bits(substr(stream, 1, 16))::bit(128), 16), 'base64'), E'\n', '');
END
$$;

/*
 * What each gateway sends: its body, signed. @name@ stands for the number of
 * something that was made here.
 */
CREATE TEMP TABLE made (name text PRIMARY KEY, order_id bigint, payment_id uuid, operation_id uuid, number text);
CREATE FUNCTION pg_temp.filled(content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	one record;
BEGIN
	FOR one IN SELECT * FROM made WHERE strpos(content, '@' || name || '@') > 0 LOOP
		content := replace(content, '@' || one.name || '@', one.number);
	END LOOP;
	RETURN content;
END
$$;
CREATE FUNCTION pg_temp.percent(data bytea) RETURNS text LANGUAGE sql
RETURN (SELECT coalesce(string_agg(CASE WHEN byte BETWEEN 48 AND 57 OR byte BETWEEN 65 AND 90 OR byte BETWEEN 97 AND 122 THEN chr(byte) ELSE '%' || lpad(to_hex(byte), 2, '0') END, '' ORDER BY i), '')
	FROM generate_series(0, length(data) - 1) i, get_byte(data, i) byte);
CREATE FUNCTION pg_temp.send_raw(gateway text, body bytea, id text DEFAULT 'id') RETURNS order_payment.notification_result LANGUAGE plpgsql AS $$
DECLARE
	now text := extract(epoch FROM clock_timestamp())::bigint;
	headers jsonb;
BEGIN
	headers := CASE
		WHEN gateway IN ('stripe', 'connect') THEN jsonb_build_object('Stripe-Signature', 't=' || now || ',v1='
			|| encode(pg_temp.hmac('whsec_test', convert_to(now || '.', 'UTF8') || body), 'hex'))
		WHEN gateway IN ('hooks', 'js', 'js2') THEN jsonb_build_object('Webhook-Id', id, 'Webhook-Timestamp', now, 'Webhook-Signature', 'v1,'
			|| encode(pg_temp.hmac(decode('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64'), convert_to(id || '.' || now || '.', 'UTF8') || body), 'base64'))
		WHEN gateway = 'wechat' THEN jsonb_build_object('Wechatpay-Timestamp', now, 'Wechatpay-Nonce', 'n', 'Wechatpay-Serial', 'PUB_KEY_ID_01',
			'Wechatpay-Signature', pg_temp.rsa(convert_to(now || E'\nn\n', 'UTF8') || body || '\x0a'))
		ELSE '{"User-Agent": "x"}' END;
	RETURN order_payment.apply_notification(gateway, headers, body, 'inbox_shop');
END
$$;
-- content: JSON; of Alipay and v2 an object of fields; of v3 {"id", "event_type", "create_time", "resource": what is to be sealed}
CREATE FUNCTION pg_temp.body(gateway text, content text) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	fields jsonb;
BEGIN
	IF gateway = 'alipay' THEN
		fields := content;
		RETURN (SELECT convert_to(string_agg(key || '=' || pg_temp.percent(convert_to(value, 'UTF8')), '&') || '&sign_type=RSA2&sign='
					|| pg_temp.percent(convert_to(pg_temp.rsa(convert_to(string_agg(key || '=' || value, '&' ORDER BY key COLLATE "C"), 'UTF8')), 'UTF8')), 'UTF8')
				FROM jsonb_each_text(fields));
	ELSIF gateway LIKE 'v2%' THEN
		fields := content;
		RETURN (SELECT convert_to('<xml>' || string_agg('<' || key || '><![CDATA[' || value || ']]></' || key || '>', '') || '<sign>'
					|| CASE gateway WHEN 'v2' THEN upper(encode(pg_temp.hmac('192006250b4c09247ec02edce69f6a2d', convert_to(string_agg(key || '=' || value, '&' ORDER BY key COLLATE "C") FILTER (WHERE value <> '') || '&key=192006250b4c09247ec02edce69f6a2d', 'UTF8')), 'hex'))
							ELSE upper(md5(string_agg(key || '=' || value, '&' ORDER BY key COLLATE "C") FILTER (WHERE value <> '') || '&key=192006250b4c09247ec02edce69f6a2d')) END
					|| '</sign></xml>', 'UTF8')
				FROM jsonb_each_text(fields));
	ELSIF gateway = 'wechat' THEN
		fields := content;
		RETURN convert_to(jsonb_set(fields, '{resource}', jsonb_build_object('algorithm', 'AEAD_AES_256_GCM', 'nonce', 'fdasflkja484',
					'ciphertext', pg_temp.sealed(convert_to(fields ->> 'resource', 'UTF8'))))::text, 'UTF8');
	END IF;
	RETURN convert_to(content, 'UTF8');
END
$$;
CREATE FUNCTION pg_temp.send(gateway text, content text, id text DEFAULT 'id') RETURNS order_payment.notification_result LANGUAGE sql
RETURN pg_temp.send_raw(gateway, pg_temp.body(gateway, pg_temp.filled(content)), id);
CREATE FUNCTION pg_temp.masked(said text) RETURNS text LANGUAGE sql
RETURN (SELECT coalesce((SELECT replace(s, m.number, '@' || m.name || '@') FROM made m WHERE strpos(s, m.number) > 0 LIMIT 1), s)
	FROM regexp_replace(regexp_replace(said, 'sha256:[0-9a-f]{64}', 'sha256:...'), '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}', 'UUID') s);
-- without PostgreSQL's own words, which change
CREATE FUNCTION pg_temp.short(reason text) RETURNS text LANGUAGE sql
RETURN CASE WHEN reason ~ '^[0-9A-Z]{5}: ' AND reason !~ '^(22023|OP)' THEN left(reason, 5) ELSE left(pg_temp.masked(reason), 130) END;
CREATE FUNCTION pg_temp.told(gateway text, content text, id text DEFAULT 'id') RETURNS text LANGUAGE sql
RETURN (SELECT concat_ws(' | ', r.outcome, pg_temp.short(r.reason), pg_temp.masked(r.event_id)) FROM pg_temp.send(gateway, content, id) r);
-- an order of 10 and its payment
CREATE FUNCTION pg_temp.make(name text, gateway text, price numeric DEFAULT 10, currency text DEFAULT 'CNY') RETURNS void LANGUAGE sql AS $$
WITH o AS (INSERT INTO inbox_shop.orders (customer_id, product_id, quantity, price, currency) VALUES (1, 1, 1, price, currency) RETURNING order_id)
INSERT INTO made SELECT name, o.order_id FROM o;
UPDATE made SET (payment_id, number) = (SELECT p.payment_id, p.gateway_number FROM order_payment.create_payment(made.order_id::text, make.gateway, store => 'inbox_shop') p) WHERE made.name = make.name;
$$;
CREATE FUNCTION pg_temp.make_refund(name text, of text, amount numeric) RETURNS void LANGUAGE sql AS $$
INSERT INTO made SELECT make_refund.name, m.order_id, m.payment_id, r.operation_id, r.gateway_number FROM made m, order_payment.refund_order(m.order_id::text, amount, store => 'inbox_shop') r WHERE m.name = of;
$$;
-- all that money is, of one order
CREATE FUNCTION pg_temp.stands(name text) RETURNS text LANGUAGE sql
RETURN (SELECT format('%s: paid %s refunded %s charged back %s due %s held %s | %s', o.status, o.paid_amount + 0.00, o.refunded_amount + 0.00, o.charged_back_amount + 0.00, o.refund_due_amount + 0.00, o.authorized_amount + 0.00,
		(SELECT string_agg(format('%s %s authorized %s captured %s refunded %s charged back %s pending %s%s', coalesce(p.gateway_reference, '-'), p.status, p.authorized_amount + 0.00, p.captured_amount + 0.00, p.refunded_amount + 0.00, p.charged_back_amount + 0.00,
			p.capture_pending_amount + p.refund_pending_amount + 0.00, ' ' || p.failure_code), '; ') FROM inbox_shop.payments p WHERE p.order_id = o.order_id))
		|| coalesce(' | ' || (SELECT string_agg(format('%s %s %s%s', r.kind, r.amount + 0.00, r.status, ' ' || r.failure_code), ', ' ORDER BY r.kind, r.amount, r.status) FROM inbox_shop.payment_operations r WHERE r.order_id = o.order_id), '')
	FROM inbox_shop.orders o JOIN made m ON m.order_id = o.order_id WHERE m.name = stands.name);
-- everything that a notification could change, but the inbox itself
CREATE FUNCTION pg_temp.picture() RETURNS text LANGUAGE sql
RETURN (SELECT md5(concat((SELECT string_agg(o::text, '' ORDER BY o.order_id) FROM inbox_shop.orders o), (SELECT string_agg(p::text, '' ORDER BY p.payment_id) FROM inbox_shop.payments p),
	(SELECT string_agg(r::text, '' ORDER BY r.operation_id) FROM inbox_shop.payment_operations r), (SELECT string_agg(e::text, '' ORDER BY e.order_id, e.version) FROM inbox_shop.order_events e))));
GRANT ALL ON ghash, stream, made TO regress_inbox_gateway;
SET ROLE regress_inbox_gateway;

-- ---------- what is answered: to each protocol, and again ----------

SELECT pg_temp.make(g, g) FROM unnest('{stripe,hooks,js,alipay,wechat,v2,v2_md5}'::text[]) g;
CREATE TEMP TABLE first_story (gateway text, id text, content text);
INSERT INTO first_story VALUES
	('stripe', '', '{"id": "evt_1", "type": "payment_intent.succeeded", "created": 1700000000, "data": {"object": {"object": "payment_intent", "id": "pi_1", "status": "succeeded", "amount": 1000, "amount_received": 1000, "currency": "cny", "metadata": {"number": "@stripe@"}}}}'),
	('hooks', 'msg_1', '{"type": "payment.succeeded", "timestamp": "2023-11-14T22:13:20Z", "data": {"number": "@hooks@", "status": "succeeded", "amount": "10.00", "currency": "CNY", "reference": "tx1"}}'),
	('js', 'msg_1', '{"number": "@js@", "status": "succeeded", "amount": 10, "currency": "CNY", "reference": "tx1", "fee": "0.30"}'),
	('alipay', '', '{"notify_id": "n1", "notify_type": "trade_status_sync", "notify_time": "2023-11-15 06:13:25", "app_id": "2021", "seller_id": "2088", "out_trade_no": "@alipay@", "trade_no": "2023111522", "trade_status": "TRADE_SUCCESS", "total_amount": "10.00", "gmt_payment": "2023-11-15 06:13:20"}'),
	('wechat', '', '{"id": "EV-1", "event_type": "TRANSACTION.SUCCESS", "create_time": "2023-11-15T06:13:20+08:00", "resource": {"mchid": "1900", "appid": "wx1", "out_trade_no": "@wechat@", "transaction_id": "4200", "trade_state": "SUCCESS", "success_time": "2023-11-15T06:13:20+08:00", "amount": {"total": 1000, "payer_total": 900, "currency": "CNY"}}}'),
	('v2', '', '{"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": "wx1", "mch_id": "1900", "out_trade_no": "@v2@", "transaction_id": "4201", "total_fee": "1000", "time_end": "20231115061320"}'),
	('v2_md5', '', '{"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": "wx1", "mch_id": "1900", "out_trade_no": "@v2_md5@", "transaction_id": "4202", "total_fee": "1000", "time_end": "20231115061320", "fee_type": "CNY"}');
SELECT f.gateway, r.outcome, r.reason, r.event_id, r.order_id::bigint = m.order_id AS its_order, r.payment_id = m.payment_id AS its_payment, r.http_status, r.content_type, r.acknowledgement
FROM first_story f JOIN made m ON m.name = f.gateway, pg_temp.send(f.gateway, f.content, f.id) r;
SELECT f.gateway, r.outcome, r.reason, r.event_id, r.order_id::bigint = m.order_id AS its_order, r.payment_id = m.payment_id AS its_payment, r.http_status, r.content_type, r.acknowledgement
FROM first_story f JOIN made m ON m.name = f.gateway, pg_temp.send(f.gateway, f.content, f.id) r;
SELECT m.name, pg_temp.stands(m.name) FROM made m ORDER BY m.name;
SELECT p.gateway, p.occurred_at AT TIME ZONE 'UTC' AS occurred, p.fee, m.body = pg_temp.body(m.gateway, pg_temp.filled(f.content)) AS as_sent, m.event_type, m.deliveries, m.attempts, m.headers ->> 'webhook-id' AS header, (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(m.headers) k) AS headers
FROM payments p JOIN gateway_notifications m USING (payment_id) JOIN first_story f ON f.gateway = m.gateway WHERE f.gateway <> 'wechat' ORDER BY 1;
-- who did it, and why; and who the session is has not changed
SELECT name, t.entity, t.to_status, t.actor, t.reason FROM made, order_timeline(order_id) t WHERE t.version >= 3 ORDER BY name, t.version;
SELECT pg_temp.make('actor', 'js');
SET order_payment.actor = 'somebody';
SET order_payment.reason = 'because';
BEGIN;
SELECT pg_temp.told('js', '{"number": "@actor@", "status": "succeeded", "amount": 10, "currency": "CNY"}', 'actor'), pg_temp.told('js', '{"number": "@actor@", "status": "succeeded", "amount": 11, "currency": "CNY"}', 'actor2');
SHOW order_payment.actor;
SHOW order_payment.reason;
COMMIT;
SHOW order_payment.actor;
RESET order_payment.actor;
RESET order_payment.reason;

-- ---------- what is not verified is counted, and that is all ----------

SELECT pg_temp.picture() AS before \gset
SELECT g, r.outcome, r.reason, r.event_id, r.order_id, r.http_status, r.content_type, r.acknowledgement
FROM unnest('{stripe,hooks,js,alipay,wechat,v2,v2_md5}'::text[]) g, apply_notification(g, '{}', convert_to('x=1', 'UTF8')) r;
SELECT (pg_temp.send_raw('v2', convert_to(replace(convert_from(pg_temp.body('v2', content), 'UTF8'), '1000', '1'), 'UTF8'))).outcome FROM first_story WHERE gateway = 'v2';
SELECT outcome, reason, http_status, acknowledgement FROM apply_notification('wechat', jsonb_build_object('Wechatpay-Timestamp', extract(epoch FROM now())::bigint::text, 'Wechatpay-Nonce', 'n', 'Wechatpay-Serial', 'PUB_KEY_ID_01', 'Wechatpay-Signature', 'WECHATPAY/SIGNTEST/abc'), '{}');
SELECT outcome, reason FROM apply_notification('js', '[]', '{}');
SELECT outcome, reason FROM apply_notification('js', '{}', decode(repeat('20', 1048577), 'hex'));
SELECT outcome, reason FROM apply_notification('alipay', '[]', 'a=1');
SELECT gateway, reason, n, day = current_date AS today FROM gateway_rejections ORDER BY 1, 2;
SELECT count(*) FROM gateway_notifications;
SELECT pg_temp.picture() = :'before' AS nothing_happened;
SELECT apply_notification('nobody', '{}', '');
SELECT apply_notification('manual', '{}', '');
-- a header as a list of one, as some servers hand them on
SELECT r.outcome, r.event_id FROM CAST(extract(epoch FROM now())::bigint AS text) t, apply_notification('js', jsonb_build_object('Webhook-Id', '{listed}'::text[], 'Webhook-Timestamp', ARRAY[t],
	'Webhook-Signature', ARRAY['v1,' || encode(pg_temp.hmac(decode('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64'), convert_to('listed.' || t || '.{}', 'UTF8')), 'base64')]), '{}') r;
-- an older secret is as good, while it is valid
SELECT pg_temp.make('old', 'stripe');
CREATE FUNCTION pg_temp.by_old(content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	now text := extract(epoch FROM clock_timestamp())::bigint;
	body bytea := convert_to(pg_temp.filled(content), 'UTF8');
BEGIN
	RETURN (order_payment.apply_notification('stripe', jsonb_build_object('Stripe-Signature', 't=' || now || ',v1=' || encode(pg_temp.hmac('whsec_old', convert_to(now || '.', 'UTF8') || body), 'hex')), body, 'inbox_shop')).outcome;
END
$$;
SELECT pg_temp.by_old('{"id": "evt_old", "type": "payment_intent.processing", "created": 1700000000, "data": {"object": {"object": "payment_intent", "id": "pi_old", "status": "processing", "amount": 1000, "currency": "cny", "metadata": {"number": "@old@"}}}}');

-- ---------- contradictions: no effect whatsoever ----------

SELECT pg_temp.make('c_' || g, g) FROM unnest('{stripe,connect,js,js2,alipay,wechat,v2}'::text[]) g;
SELECT pg_temp.picture() AS before \gset
CREATE TEMP TABLE templates (gateway text, content text);
INSERT INTO templates VALUES
	('stripe', '{"id": "ID", "type": "payment_intent.succeeded", "created": 1700000000, "data": {"object": {"object": "payment_intent", "id": "pi_c", "status": "succeeded", "amount": 1000, "amount_received": 1000, "currency": "cny", "metadata": {"number": "@c_stripe@"}}}}'),
	('connect', '{"id": "ID", "type": "payment_intent.succeeded", "created": 1700000000, "account": "acct_1", "data": {"object": {"object": "payment_intent", "id": "pi_c", "status": "succeeded", "amount": 1000, "amount_received": 1000, "currency": "cny", "metadata": {"number": "@c_connect@"}}}}'),
	('js', '{"number": "@c_js@", "status": "succeeded", "amount": "10.00", "currency": "CNY", "reference": "tx_c"}'),
	('js2', '{"number": "@c_js2@", "status": "succeeded", "amount": "10.00", "currency": "CNY", "reference": "tx_c", "app_id": "app", "merchant_id": "we"}'),
	('alipay', '{"notify_id": "ID", "notify_type": "trade_status_sync", "notify_time": "2023-11-15 06:13:25", "app_id": "2021", "seller_id": "2088", "out_trade_no": "@c_alipay@", "trade_no": "20231115c", "trade_status": "TRADE_SUCCESS", "total_amount": "10.00"}'),
	('wechat', '{"id": "ID", "event_type": "TRANSACTION.SUCCESS", "create_time": "2023-11-15T06:13:20+08:00", "resource": {"mchid": "1900", "appid": "wx1", "out_trade_no": "@c_wechat@", "transaction_id": "4200c", "trade_state": "SUCCESS", "amount": {"total": 1000, "currency": "CNY"}}}'),
	('v2', '{"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": "wx1", "mch_id": "1900", "out_trade_no": "@c_v2@", "transaction_id": "ID", "total_fee": "1000"}');
CREATE TEMP TABLE twists (n serial, gateway text, old text, new text);
INSERT INTO twists (gateway, old, new) VALUES
	('stripe', '"amount": 1000', '"amount": 999'), ('stripe', '"amount_received": 1000', '"amount_received": 1001'), ('stripe', '"amount_received": 1000', '"amount_received": 0'), ('stripe', 'cny', 'usd'), ('stripe', 'pi_c', 'pi_1'), ('stripe', '@c_stripe@', '@stripe@'), ('stripe', '@c_stripe@', '@c_js@'), ('stripe', '@c_stripe@', '00000000000000000000000000000000'), ('stripe', '@c_stripe@', 'x'),
	('connect', 'acct_1', 'acct_2'), ('connect', '"account": "acct_1", ', ''),
	('js', '"10.00"', '"10.01"'), ('js', '"10.00"', '1000'), ('js', '"10.00"', '"9.9999999999999999999999999999"'), ('js', '"CNY"', '"EUR"'), ('js', '"CNY"', '"cny"'), ('js', 'tx_c', 'tx1'), ('js', '@c_js@', '@c_alipay@'), ('js', '@c_js@', '@js@'), ('js', '"CNY"', '"CNY", "captured": 11'), ('js', '"number"', '"entity": "refund", "number"'), ('js', '"number"', '"entity": "chargeback", "payment_number"'), ('js', '@c_js@', '00000000000000000000000000000000'), ('js', '"CNY"', '"CNY", "refunded": 11'), ('js', '"CNY"', '"CNY", "refunded": 1'),
	('js2', '"app"', '"other"'), ('js2', '"we"', '"they"'),
	('alipay', '"10.00"', '"10.01"'), ('alipay', '2088', '2089'), ('alipay', '"seller_id": "2088", ', ''), ('alipay', '2021', '2022'), ('alipay', '"app_id": "2021", ', ''), ('alipay', '@c_alipay@', '@alipay@'), ('alipay', '20231115c', '2023111522'), ('alipay', '@c_alipay@', 'R2023'), ('alipay', 'trade_status_sync', 'dut_user_sign'),
	('wechat', '"total": 1000', '"total": 100'), ('wechat', '"CNY"', '"USD"'), ('wechat', '1900', '1901'), ('wechat', 'wx1', 'wx2'), ('wechat', '@c_wechat@', '@wechat@'), ('wechat', '"mchid": "1900", ', ''), ('wechat', 'TRANSACTION.SUCCESS', 'PAYSCORE.USER_PAID'),
	('v2', '"1000"', '"1001"'), ('v2', '1900', '1901'), ('v2', 'wx1', 'wx2'), ('v2', '@c_v2@', '@v2@'), ('v2', '"1000"', '"1000", "fee_type": "USD"'),
	-- a reference that is known, by another's number; money without how much, or of what
	('js', '@c_js@", "status": "succeeded", "amount": "10.00", "currency": "CNY", "reference": "tx_c"', 'R2023", "status": "succeeded", "amount": "10.00", "currency": "CNY", "reference": "tx1"'), ('js', '"succeeded", "amount": "10.00"', '"authorized"'),
	('js', '"number": "@c_js@", "status": "succeeded", "amount": "10.00", "currency": "CNY"', '"entity": "refund", "payment_number": "@js@", "status": "succeeded", "amount": "1.00"'), ('js', '"number": "@c_js@", "status": "succeeded", "amount": "10.00"', '"entity": "refund", "payment_number": "@js@", "status": "succeeded"');
SELECT n, w.gateway, w.new, pg_temp.told(w.gateway, replace(replace(t.content, w.old, w.new), 'ID', 'evt_c' || n), 'msg_c' || n) FROM twists w JOIN templates t USING (gateway) ORDER BY n;
SELECT pg_temp.picture() = :'before' AS nothing_happened;
-- which payment they are about is shown, where it can be known
SELECT n.gateway, count(*) FILTER (WHERE n.payment_id IS NOT NULL) AS known, count(*) FROM gateway_notifications n WHERE n.outcome = 'conflict' GROUP BY 1 ORDER BY 1;
SELECT outcome, count(*) FROM needs_attention a JOIN gateway_notifications n ON a.reason LIKE 'notification "' || n.event_id || '" %' AND a.gateway = n.gateway GROUP BY 1 ORDER BY 1;

-- ---------- redelivery and replay ----------

-- a conflict stays until somebody looks; replay applies it when what stood in its way is mended
SELECT pg_temp.told('js2', replace(content, '"app"', '"other"'), 'msg_replay') FROM templates WHERE gateway = 'js2';
SELECT pg_temp.told('js2', content, 'msg_replay') FROM templates WHERE gateway = 'js2';
SELECT pg_temp.told('js2', '{"entity": "refund", "payment_reference": "tx_c", "reference": "r_c", "status": "succeeded", "amount": 4, "currency": "CNY"}', 'msg_waits');
SELECT outcome, deliveries, attempts, convert_from(body, 'UTF8') LIKE '%other%' AS first_body FROM gateway_notifications WHERE event_id = 'msg_replay';
SELECT r.outcome, r.reason, r.event_id, r.http_status FROM replay_notification('js2', 'msg_replay') r;
SET ROLE regress_inbox_owner;
UPDATE gateways SET app_id = 'other' WHERE gateway = 'js2';
SET ROLE regress_inbox_gateway;
SELECT r.outcome, r.reason, r.event_id FROM replay_notification('js2', 'msg_replay') r;
SELECT r.outcome, r.reason, r.event_id FROM replay_notification('js2', 'msg_replay') r;
SELECT pg_temp.stands('c_js2');
-- the row tells what was done, and not that there is nothing left to do
SELECT outcome, attempts, applied_at IS NOT NULL AS dated FROM gateway_notifications WHERE event_id = 'msg_replay';
SELECT replay_notification('js2', 'nothing');
SELECT replay_notification('nobody', 'nothing');
SELECT replay_notification(NULL, NULL);
-- what could not be read, or named nothing, is tried again when it comes again, and stored as it came last
SELECT pg_temp.make('again', 'js');
SELECT pg_temp.told('js', '{"number": "@again@"}', 'again'), pg_temp.told('js', '{"number": "@again@"', 'again'), pg_temp.told('js', '{"number": "@again@", "status": "succeeded", "amount": 10, "currency": "CNY"}', 'again'), pg_temp.told('js', '{}', 'again');
SELECT outcome, pg_temp.short(reason) AS reason, deliveries, attempts, pg_temp.masked(convert_from(body, 'UTF8')) AS body FROM gateway_notifications WHERE event_id = 'again';
SELECT pg_temp.told('js', '{"number": "unknown", "status": "failed"}', 'orphan'), pg_temp.told('js', '{"number": "unknown", "status": "revoked"}', 'orphan'), pg_temp.told('js', '{', 'orphan');
SELECT convert_from(body, 'UTF8') AS body, headers ->> 'webhook-signature' = 'v1,' || encode(pg_temp.hmac(decode('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64'), convert_to('orphan.' || (headers ->> 'webhook-timestamp') || '.', 'UTF8') || body), 'base64') AS its_headers FROM gateway_notifications WHERE event_id = 'orphan';
-- what cannot be read is replayed as well, and tells why it still cannot
SELECT pg_temp.told('stripe', '{"id": "evt_new", "type": "payment_intent.succeeded", "created": 1700000000, "data": {"object": {"object": "payment_intent", "id": "pi_x", "status": "half_done", "currency": "cny"}}}');
SELECT r.outcome, r.reason, r.event_id FROM replay_notification('stripe', 'evt_new') r;
SELECT outcome, attempts, deliveries FROM gateway_notifications WHERE event_id = 'evt_new';

-- ---------- Stripe ----------

CREATE FUNCTION pg_temp.intent(id text, at int, name text, status text, more jsonb DEFAULT '{}', type text DEFAULT 'x') RETURNS text LANGUAGE sql
RETURN jsonb_build_object('id', id, 'type', 'payment_intent.' || type, 'created', 1700000000 + at, 'data', jsonb_build_object('object', jsonb_build_object('object', 'payment_intent', 'id', 'pi_' || name,
	'status', status, 'amount', 1000, 'amount_received', CASE status WHEN 'succeeded' THEN 1000 ELSE 0 END, 'currency', 'cny', 'metadata', jsonb_build_object('number', '@' || name || '@')) || more));
CREATE FUNCTION pg_temp.object(id text, at int, type text, object jsonb) RETURNS text LANGUAGE sql
RETURN jsonb_build_object('id', id, 'type', type, 'created', 1700000000 + at, 'data', jsonb_build_object('object', object));
CREATE FUNCTION pg_temp.money_back(id text, at int, of text, object_id text, amount int, status text, name text DEFAULT NULL, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql
RETURN pg_temp.object(id, at, 'refund.updated', jsonb_strip_nulls(jsonb_build_object('object', 'refund', 'id', object_id, 'amount', amount, 'currency', 'cny', 'payment_intent', 'pi_' || of, 'status', status, 'metadata', jsonb_build_object('number', '@' || name || '@'))) || more);
CREATE FUNCTION pg_temp.dispute(id text, at int, of text, amount int, status text, type text) RETURNS text LANGUAGE sql
RETURN pg_temp.object(id, at, 'charge.dispute.' || type, jsonb_build_object('object', 'dispute', 'id', 'dp_' || of, 'amount', amount, 'currency', 'cny', 'payment_intent', 'pi_' || of, 'status', status, 'reason', 'fraudulent'));
-- declined and payable again, by the same intent
SELECT pg_temp.make('s1', 'stripe');
SELECT pg_temp.told('stripe', pg_temp.intent('s1a', 1, 's1', 'requires_payment_method', '{"client_secret": "cs"}', 'created'));
SELECT pg_temp.told('stripe', pg_temp.intent('s1b', 2, 's1', 'requires_payment_method', '{"client_secret": "cs", "last_payment_error": {"code": "card_declined", "decline_code": "do_not_honor", "message": "no"}}', 'payment_failed'));
SELECT pg_temp.stands('s1'), (SELECT (next_action, failure_message) FROM payments WHERE gateway_reference = 'pi_s1');
SELECT pg_temp.told('stripe', pg_temp.intent('s1c', 3, 's1', 'processing')), pg_temp.told('stripe', pg_temp.intent('s1d', 2, 's1', 'requires_action')), pg_temp.told('stripe', pg_temp.intent('s1e', 9, 's1', 'succeeded'));
SELECT pg_temp.stands('s1'), (SELECT (next_action, failure_message) FROM payments WHERE gateway_reference = 'pi_s1');
SELECT pg_temp.told('stripe', pg_temp.intent('s1f', 99, 's1', 'canceled', '{"cancellation_reason": "abandoned"}')), pg_temp.told('stripe', pg_temp.intent('s1g', 99, 's1', 'requires_payment_method', '{"last_payment_error": {"code": "card_declined"}}'));
SELECT pg_temp.told('stripe', pg_temp.intent('s1f', 99, 's1', 'canceled', '{"cancellation_reason": "abandoned"}'));
-- refunds: ours, somebody's, one that fails after it had succeeded
SELECT pg_temp.make_refund('s1r', 's1', 2.50);
SELECT pg_temp.told('stripe', pg_temp.money_back('s1h', 10, 's1', 're_1', 250, 'pending', 's1r'));
SELECT pg_temp.told('stripe', pg_temp.money_back('s1i', 11, 's1', 're_1', 251, 'succeeded', 's1r')), pg_temp.told('stripe', pg_temp.money_back('s1j', 11, 's1', 're_1', 250, 'succeeded', 's1r')), pg_temp.told('stripe', pg_temp.money_back('s1k', 11, 's1', 're_other', 250, 'succeeded', 's1r'));
SELECT pg_temp.told('stripe', pg_temp.money_back('s1l', 12, 's1', 're_2', 100, 'succeeded'));
SELECT pg_temp.stands('s1');
SELECT pg_temp.told('stripe', pg_temp.money_back('s1m', 20, 's1', 're_1', 250, 'failed', 's1r', '{"failure_reason": "lost_or_stolen_card"}')), pg_temp.told('stripe', pg_temp.money_back('s1n', 19, 's1', 're_1', 250, 'succeeded', 's1r'));
SELECT pg_temp.stands('s1');
-- told by its number of another payment, and more than there was
SELECT pg_temp.told('stripe', pg_temp.money_back('s1o', 21, 'stripe', 're_3', 250, 'succeeded', 's1r')), pg_temp.told('stripe', pg_temp.money_back('s1p', 21, 's1', 're_4', 1001, 'succeeded')), pg_temp.told('stripe', pg_temp.money_back('s1q', 21, 's1', 're_2', 100, 'succeeded', 's1r'));
SELECT pg_temp.told('stripe', pg_temp.money_back('s1r', 22, 's1', 're_other', 250, 'succeeded', 's1r'));
-- by the sum: waits for each, and comes true by itself
SELECT pg_temp.told('stripe', pg_temp.object('s1s', 30, 'charge.refunded', '{"object": "charge", "id": "ch", "payment_intent": "pi_s1", "amount_refunded": 300, "currency": "cny"}'));
SELECT pg_temp.told('stripe', pg_temp.money_back('s1t', 29, 's1', 're_5', 200, 'succeeded'));
SELECT outcome, attempts FROM gateway_notifications WHERE event_id = 's1s';
-- older versions list them
SELECT pg_temp.told('stripe', pg_temp.object('s1u', 40, 'charge.refunded', '{"object": "charge", "id": "ch", "payment_intent": "pi_s1", "amount_refunded": 400, "currency": "cny", "refunds": {"data": [{"object": "refund", "id": "re_6", "amount": 100, "currency": "cny", "status": "succeeded"}, {"object": "refund", "id": "re_5", "amount": 200, "currency": "cny", "status": "succeeded"}]}}'));
SELECT pg_temp.stands('s1');
-- also if the last of them is known: one was news
SELECT pg_temp.told('stripe', pg_temp.object('s1v', 41, 'charge.refunded', '{"object": "charge", "id": "ch", "payment_intent": "pi_s1", "amount_refunded": 450, "currency": "cny", "refunds": {"data": [{"object": "refund", "id": "re_6", "amount": 100, "currency": "cny", "status": "succeeded"}, {"object": "refund", "id": "re_7", "amount": 50, "currency": "cny", "status": "succeeded"}]}}'));
SELECT n.event_id, r.gateway_reference FROM gateway_notifications n JOIN payment_operations r USING (operation_id) WHERE n.event_id IN ('s1u', 's1v') ORDER BY 1;
-- disputes: an inquiry moves nothing; created, under review, won; another one lost
SELECT pg_temp.make('s2', 'stripe');
SELECT pg_temp.told('stripe', pg_temp.dispute('s2a', 5, 's2', 1000, 'needs_response', 'created'));
SELECT pg_temp.told('stripe', pg_temp.dispute('s2b', 4, 's2', 1000, 'warning_needs_response', 'created')), pg_temp.told('stripe', pg_temp.intent('s2c', 1, 's2', 'succeeded'));
SELECT pg_temp.stands('s2'), (SELECT outcome FROM gateway_notifications WHERE event_id = 's2a');
SELECT pg_temp.told('stripe', pg_temp.dispute('s2d', 6, 's2', 1000, 'under_review', 'updated')), pg_temp.told('stripe', pg_temp.dispute('s2e', 7, 's2', 1000, 'won', 'closed')), pg_temp.told('stripe', pg_temp.dispute('s2f', 6, 's2', 1000, 'needs_response', 'updated'));
SELECT pg_temp.stands('s2');
SELECT pg_temp.make('s3', 'stripe');
SELECT pg_temp.told('stripe', pg_temp.intent('s3a', 1, 's3', 'succeeded')), pg_temp.told('stripe', pg_temp.dispute('s3b', 7, 's3', 400, 'lost', 'closed')), pg_temp.told('stripe', pg_temp.dispute('s3c', 7, 's3', 500, 'lost', 'closed'));
SELECT pg_temp.stands('s3');
-- captured by hand, in part, while a capture of ours is under way
SELECT pg_temp.make('s4', 'stripe');
SELECT pg_temp.told('stripe', pg_temp.intent('s4a', 1, 's4', 'requires_capture', '{"capture_method": "manual"}'));
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'capture', 4, 'processing' FROM made WHERE name = 's4';
SELECT pg_temp.told('stripe', pg_temp.intent('s4b', 2, 's4', 'succeeded', '{"capture_method": "manual", "amount_received": 600}'));
SELECT pg_temp.stands('s4');
SELECT pg_temp.told('stripe', pg_temp.intent('s4c', 2, 's4', 'succeeded', '{"capture_method": "manual", "amount_received": 700}'));
-- ours whose outcome is not known is one of the sum's; one that is more than what is missing is not
SELECT pg_temp.make(n, 'stripe'), pg_temp.told('stripe', pg_temp.intent(n || 'a', 1, n, 'requires_capture', '{"capture_method": "manual"}')) FROM unnest('{s4u,s4v}'::text[]) n;
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'capture', CASE name WHEN 's4u' THEN 4 ELSE 7 END, 'processing' FROM made WHERE name IN ('s4u', 's4v');
UPDATE payment_operations r SET status = 'unknown' FROM made m WHERE m.name = 's4u' AND r.payment_id = m.payment_id;
SELECT n, pg_temp.told('stripe', pg_temp.intent(n || 'b', 2, n, 'succeeded', jsonb_build_object('capture_method', 'manual', 'amount_received', a))) FROM (VALUES ('s4u', 600), ('s4v', 300)) v (n, a);
SELECT pg_temp.stands(n) FROM unnest('{s4u,s4v}'::text[]) n;
SELECT p.gateway_reference, p.occurred_at AT TIME ZONE 'UTC' AS occurred FROM payments p WHERE p.gateway_reference IN ('pi_s4u', 'pi_s4v') ORDER BY 1;
-- authorised and let go; it is the void that was asked for
SELECT pg_temp.make('s5', 'stripe');
SELECT pg_temp.told('stripe', pg_temp.intent('s5a', 1, 's5', 'requires_capture', '{"capture_method": "manual"}'));
INSERT INTO payment_operations (order_id, payment_id, kind, status) SELECT order_id, payment_id, 'void', 'processing' FROM made WHERE name = 's5';
SELECT pg_temp.told('stripe', pg_temp.intent('s5b', 2, 's5', 'canceled', '{"cancellation_reason": "requested_by_customer"}'));
SELECT pg_temp.stands('s5');
-- also one whose outcome is not known
SELECT pg_temp.make('s5u', 'stripe'), pg_temp.told('stripe', pg_temp.intent('s5c', 1, 's5u', 'requires_capture', '{"capture_method": "manual"}'));
INSERT INTO payment_operations (order_id, payment_id, kind, status) SELECT order_id, payment_id, 'void', 'processing' FROM made WHERE name = 's5u';
UPDATE payment_operations r SET status = 'unknown' FROM made m WHERE m.name = 's5u' AND r.payment_id = m.payment_id;
SELECT pg_temp.told('stripe', pg_temp.intent('s5d', 2, 's5u', 'canceled'));
SELECT pg_temp.stands('s5u');
-- currencies count otherwise; other objects tell nothing; a type and an object that do not fit are no news of money
SELECT pg_temp.make('s6', 'stripe', 1000, 'JPY');
SELECT pg_temp.told('stripe', pg_temp.intent('s6a', 1, 's6', 'succeeded', '{"currency": "jpy"}'));
SELECT pg_temp.stands('s6');
SELECT pg_temp.told('stripe', pg_temp.object('s7a', 1, 'customer.created', '{"object": "customer"}')), pg_temp.told('stripe', pg_temp.object('s7b', 1, 'charge.succeeded', '{"object": "charge"}')), pg_temp.told('stripe', pg_temp.object('s7c', 1, 'charge.refunded', '{"object": "charge"}')),
	   pg_temp.told('stripe', pg_temp.object('s7d', 1, 'refund.created', '{"object": "customer"}')), pg_temp.told('stripe', '{"id": "s7e", "type": "refund.created", "created": 1}');

-- ---------- Alipay ----------

CREATE FUNCTION pg_temp.trade(id text, name text, status text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql
RETURN jsonb_build_object('notify_id', id, 'notify_type', 'trade_status_sync', 'notify_time', '2023-11-15 06:20:00', 'charset', 'utf-8', 'app_id', '2021', 'seller_id', '2088', 'out_trade_no', '@' || name || '@', 'trade_no', 'T' || name,
	'trade_status', status, 'total_amount', '10.00', 'subject', 'Zwei Bücher & ein Heft = 3') || more;
SELECT pg_temp.make('a' || i, 'alipay') FROM generate_series(1, 4) i;
SELECT pg_temp.told('alipay', pg_temp.trade('a1a', 'a1', 'WAIT_BUYER_PAY')), pg_temp.told('alipay', pg_temp.trade('a1b', 'a1', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20"}')), pg_temp.told('alipay', pg_temp.trade('a1c', 'a1', 'WAIT_BUYER_PAY', '{"notify_time": "2023-11-15 07:00:00"}'));
SELECT pg_temp.make_refund('a1r', 'a1', 3);
-- a refund comes on the payment's URL: ours, then somebody's; the figure is the sum
SELECT pg_temp.told('alipay', pg_temp.trade('a1d', 'a1', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-16 06:13:20.123", "refund_fee": "8.00", "out_biz_no": "desk"}'));
SELECT pg_temp.told('alipay', pg_temp.trade('a1e', 'a1', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-16 06:13:19.123", "refund_fee": "2.00", "out_biz_no": "@a1r@"}'));
SELECT pg_temp.told('alipay', pg_temp.trade('a1f', 'a1', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-16 06:13:19.123", "refund_fee": "3.00", "out_biz_no": "@a1r@"}'));
SELECT event_id, outcome, attempts FROM gateway_notifications WHERE event_id IN ('a1d', 'a1e', 'a1f') ORDER BY 1;
SELECT pg_temp.stands('a1'), (SELECT array_agg((gateway_reference = 'desk', occurred_at AT TIME ZONE 'UTC') ORDER BY amount) FROM payment_operations r JOIN made m USING (payment_id) WHERE m.name = 'a1');
SELECT pg_temp.told('alipay', pg_temp.trade('a1g', 'a1', 'TRADE_CLOSED', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-17 06:13:20", "refund_fee": "10.00", "gmt_close": "2023-11-17 06:13:20"}')), pg_temp.told('alipay', pg_temp.trade('a1h', 'a1', 'TRADE_FINISHED', '{"gmt_payment": "2023-11-15 06:13:20"}')),
	   pg_temp.told('alipay', pg_temp.trade('a1i', 'a1', 'TRADE_SUCCESS', '{"gmt_refund": "2023-11-17 06:13:20", "refund_fee": "11.00", "out_biz_no": "x"}'));
SELECT pg_temp.stands('a1');
-- closed: not paid in time; refunded whole before anybody told that it was paid; finished; closed and paid after all
SELECT pg_temp.told('alipay', pg_temp.trade('a2a', 'a2', 'TRADE_CLOSED', '{"gmt_close": "2023-11-15 06:30:00"}')), pg_temp.told('alipay', pg_temp.trade('a3a', 'a3', 'TRADE_CLOSED', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-15 06:30:00", "refund_fee": "10.00", "out_biz_no": "all"}')), pg_temp.told('alipay', pg_temp.trade('a4a', 'a4', 'TRADE_FINISHED'));
SELECT pg_temp.stands('a' || i) FROM generate_series(2, 4) i;
SELECT pg_temp.told('alipay', pg_temp.trade('a2b', 'a2', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20"}')), pg_temp.stands('a2');
SELECT pg_temp.told('alipay', pg_temp.trade('a9a', 'a1', 'TRADE_PENDING'));

-- ---------- WeChat Pay, version 3 ----------

CREATE FUNCTION pg_temp.deal(id text, name text, state text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql
RETURN jsonb_build_object('id', id, 'event_type', 'TRANSACTION.SUCCESS', 'create_time', '2023-11-15T06:13:20+08:00', 'resource', jsonb_build_object('mchid', '1900', 'appid', 'wx1', 'out_trade_no', '@' || name || '@', 'transaction_id', 'T' || name, 'trade_state', state,
	'amount', '{"total": 1000, "currency": "CNY"}'::jsonb) || more);
CREATE FUNCTION pg_temp.wechat_refund(id text, name text, number text, state text, amount int, day int, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql
RETURN jsonb_build_object('id', id, 'event_type', 'REFUND.' || state, 'create_time', format('2023-11-%sT06:13:20+08:00', day), 'resource', jsonb_build_object('mchid', '1900', 'out_trade_no', '@' || name || '@', 'transaction_id', 'T' || name, 'refund_id', 'R' || number,
	'out_refund_no', number, 'refund_status', state, 'amount', jsonb_build_object('total', 1000, 'refund', amount, 'payer_total', 900, 'payer_refund', 90)) || more);
SELECT pg_temp.make('w' || i, 'wechat') FROM generate_series(1, 5) i;
SELECT pg_temp.told('wechat', pg_temp.deal('w1a', 'w1', 'NOTPAY')), pg_temp.told('wechat', pg_temp.deal('w1b', 'w1', 'SUCCESS', '{"success_time": "2023-11-15T06:13:20+08:00"}')), pg_temp.told('wechat', pg_temp.deal('w1c', 'w1', 'REFUND')), pg_temp.told('wechat', pg_temp.deal('w1d', 'w1', 'CLOSED'));
SELECT pg_temp.make_refund('w1r', 'w1', 3);
SELECT pg_temp.told('wechat', pg_temp.wechat_refund('w1e', 'w1', '@w1r@', 'ABNORMAL', 300, 16)), pg_temp.stands('w1');
SELECT pg_temp.told('wechat', pg_temp.wechat_refund('w1f', 'w1', '@w1r@', 'SUCCESS', 300, 18, '{"success_time": "2023-11-17T06:13:20+08:00"}')), pg_temp.told('wechat', pg_temp.wechat_refund('w1g', 'w1', '@w1r@', 'ABNORMAL', 300, 16)), pg_temp.told('wechat', pg_temp.wechat_refund('w1h', 'w1', 'desk', 'SUCCESS', 100, 18)), pg_temp.told('wechat', pg_temp.wechat_refund('w1i', 'w1', 'desk', 'SUCCESS', 200, 18));
SELECT pg_temp.stands('w1');
-- a refund tells that the payment succeeded, if nobody has told it yet
SELECT pg_temp.told('wechat', pg_temp.wechat_refund('w2a', 'w2', 'desk', 'CLOSED', 300, 16)), pg_temp.told('wechat', pg_temp.deal('w2b', 'w2', 'SUCCESS', '{"success_time": "2023-11-15T06:13:20+08:00"}')), pg_temp.stands('w2');
SELECT pg_temp.told('wechat', pg_temp.deal('w3a', 'w3', 'REFUND')), pg_temp.told('wechat', pg_temp.deal('w4a', 'w4', 'CLOSED')), pg_temp.told('wechat', pg_temp.deal('w5a', 'w5', 'PAYERROR', '{"trade_state_desc": "no money"}'));
SELECT pg_temp.stands('w' || i) FROM generate_series(3, 5) i;
SELECT pg_temp.told('wechat', pg_temp.deal('w5b', 'w5', 'SUCCESS')), pg_temp.stands('w5');

-- ---------- WeChat Pay, version 2; our own; Standard Webhooks ----------

SELECT pg_temp.make('x' || i, g) FROM unnest('{v2,v2_md5,js,hooks,js}'::text[]) WITH ORDINALITY u (g, i);
SELECT g, pg_temp.told(g, format('{"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "NOTENOUGH", "err_code_des": "no money", "appid": "wx1", "mch_id": "1900", "out_trade_no": "@x%s@"}', i)), pg_temp.stands('x' || i) FROM unnest('{v2,v2_md5}'::text[]) WITH ORDINALITY u (g, i);
SELECT pg_temp.told('v2', '{"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": "wx1", "mch_id": "1900", "out_trade_no": "@x1@", "transaction_id": "Tx1", "total_fee": "1000", "time_end": "20231115061320"}'), pg_temp.stands('x1');
SELECT pg_temp.told('v2', '{"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": "wx1", "mch_id": "1900", "out_trade_no": "@x1@"}');
-- each status, and each way back; captures that are told before the authorisation wait for it
SELECT n, s, pg_temp.told('js', format('{"number": "@x3@", "status": "%s", "amount": "10.00", "currency": "CNY", "occurred_at": "2023-11-15T06:13:%sZ"}', s, n), 'x3_' || n), pg_temp.stands('x3')
FROM unnest('{processing,created,requires_action,unknown,processing,authorized,processing,failed,revoked,authorized,succeeded,failed,revoked,nonsense}'::text[]) WITH ORDINALITY u (s, n);
SELECT pg_temp.told('js', '{"entity": "capture", "payment_number": "@x5@", "reference": "c1", "status": "succeeded", "amount": 4, "currency": "CNY"}', 'x5_1'), pg_temp.told('js', '{"entity": "capture", "payment_number": "@x5@", "reference": "c2", "status": "failed", "amount": 6, "currency": "CNY", "failure_code": "late"}', 'x5_2'),
	   pg_temp.told('js', '{"entity": "void", "payment_number": "@x5@", "reference": "v1", "status": "succeeded", "amount": 6, "currency": "CNY"}', 'x5_3'), pg_temp.told('js', '{"entity": "payment", "number": "@x5@", "reference": "t5", "status": "authorized", "amount": 10, "currency": "CNY"}', 'x5_4');
SELECT pg_temp.stands('x5'), (SELECT array_agg((event_id, outcome, attempts) ORDER BY event_id) FROM gateway_notifications WHERE event_id LIKE 'x5%');
SELECT pg_temp.told('hooks', '{"type": "refund.succeeded", "timestamp": "2023-11-15T06:13:20Z", "data": {"entity": "payment", "payment_number": "@x4@", "reference": "h1", "status": "succeeded", "amount": 4, "currency": "CNY"}}', 'x4_1'), pg_temp.told('hooks', '{"type": "payment.succeeded", "timestamp": "2023-11-15T06:13:20Z", "data": {"number": "@x4@", "status": "succeeded", "amount": 10, "currency": "CNY"}}', 'x4_2'),
	   pg_temp.told('hooks', '{"type": "invoice.paid", "timestamp": "2023-11-15T06:13:20Z", "data": {"number": "@x4@"}}', 'x4_3'), pg_temp.told('hooks', '{"type": "payment.succeeded", "data": []}', 'x4_4'), pg_temp.told('hooks', '{"type": "payment.succeeded"}', 'x4_5');
SELECT pg_temp.stands('x4'), (SELECT (outcome, attempts) FROM gateway_notifications WHERE event_id = 'x4_1');

-- what is told beside the status: what the customer is to do stays until there is something else, an older word is not news, a reference is
SELECT pg_temp.make('y' || i, 'js') FROM generate_series(1, 3) i;
CREATE FUNCTION pg_temp.beside(id text, name text, more jsonb) RETURNS text LANGUAGE sql
RETURN pg_temp.told('js', (jsonb_build_object('number', '@' || name || '@', 'amount', 10, 'currency', 'CNY') || more)::text, id);
SELECT pg_temp.beside('y1a', 'y1', '{"status": "requires_action", "occurred_at": "2023-11-15T06:13:21Z", "next_action": {"a": 1}}'), pg_temp.beside('y1e', 'y1', '{"status": "requires_action", "occurred_at": "2023-11-15T06:13:21Z", "failure_code": "at once"}'), pg_temp.beside('y1b', 'y1', '{"status": "requires_action", "occurred_at": "2023-11-15T06:13:22Z", "failure_code": "declined"}'),
	pg_temp.beside('y1c', 'y1', '{"status": "requires_action", "occurred_at": "2023-11-15T06:13:20Z", "failure_code": "older"}'), pg_temp.beside('y1d', 'y1', '{"status": "requires_action", "occurred_at": "2023-11-15T06:13:22Z", "reference": "ty1"}');
SELECT p.status, p.next_action, p.failure_code, p.gateway_reference FROM payments p JOIN made m USING (payment_id) WHERE m.name = 'y1';
-- until when it is to be captured; a fee that is settled stays
SELECT pg_temp.beside('y2a', 'y2', '{"status": "authorized", "capture_before": "2033-11-15T06:13:21Z", "fee": "0.30"}');
UPDATE payments p SET fee_final = true FROM made m WHERE m.payment_id = p.payment_id AND m.name = 'y2';
SELECT pg_temp.beside('y2b', 'y2', '{"status": "authorized", "fee": "0.40"}');
SELECT p.status, p.capture_before AT TIME ZONE 'UTC' AS capture_before, p.fee FROM payments p JOIN made m USING (payment_id) WHERE m.name = 'y2';
-- what was said of it before it succeeded is past
UPDATE payments p SET status = 'processing' FROM made m WHERE m.payment_id = p.payment_id AND m.name = 'y3';
UPDATE payments p SET status = 'unknown', failure_code = 'lost' FROM made m WHERE m.payment_id = p.payment_id AND m.name = 'y3';
UPDATE payments p SET status = 'succeeded', occurred_at = '2023-11-15' FROM made m WHERE m.payment_id = p.payment_id AND m.name = 'y3';
SELECT p.status, p.failure_code, pg_temp.beside('y3a', 'y3', '{"status": "succeeded"}') FROM payments p JOIN made m USING (payment_id) WHERE m.name = 'y3';
SELECT p.status, p.failure_code FROM payments p JOIN made m USING (payment_id) WHERE m.name = 'y3';

-- ---------- what waits is found by the due work as well ----------

SELECT pg_temp.make('late', 'js');
SELECT pg_temp.told('js', '{"entity": "refund", "payment_reference": "t_late", "reference": "r_late", "status": "succeeded", "amount": 4, "currency": "CNY"}', 'late');
UPDATE payments p SET status = 'succeeded', gateway_reference = 't_late' FROM made m WHERE m.payment_id = p.payment_id AND m.name = 'late';
SELECT pg_temp.stands('late');
SELECT retry_notifications(1000);
SELECT retry_notifications(1000), notifications FROM do_due_work();
SELECT pg_temp.stands('late'), (SELECT (outcome, applied_at IS NOT NULL) FROM gateway_notifications WHERE event_id = 'late');
SELECT entity, to_status, actor, reason FROM order_timeline((SELECT order_id FROM made WHERE name = 'late')) WHERE actor LIKE 'gateway%';
SELECT retry_notifications(0);
-- as many as are asked for, and first what was tried least; what cannot be read now waits on, and not before the others
SELECT pg_temp.make(n, 'js') FROM unnest('{late1,late2,late3}'::text[]) n;
SELECT pg_temp.told('js', format('{"entity": "refund", "payment_reference": "t_%s", "reference": "r_%1$s", "status": "succeeded", "amount": %s, "currency": "CNY"}', n, i), n) FROM unnest('{late1,late1,late2,late3}'::text[]) WITH ORDINALITY u (n, i);
UPDATE payments p SET status = 'succeeded', gateway_reference = 't_' || m.name FROM made m WHERE m.payment_id = p.payment_id AND m.name ~ '^late[123]';
SET ROLE regress_inbox_owner;
UPDATE gateway_notifications SET body = '{' WHERE event_id = 'late3';
SET ROLE regress_inbox_gateway;
SELECT retry_notifications(2);
SELECT event_id, outcome, attempts FROM gateway_notifications WHERE event_id ~ '^late[123]' ORDER BY 1;
SELECT retry_notifications(2);
SELECT event_id, outcome, attempts FROM gateway_notifications WHERE event_id ~ '^late[123]' ORDER BY 1;
-- by the number of an operation of another kind
SELECT pg_temp.make_refund('late1r', 'late1', 1);
SELECT pg_temp.told('js', '{"entity": "chargeback", "number": "@late1r@", "reference": "k1", "status": "succeeded", "amount": 1, "currency": "CNY"}', 'late1r');
SELECT pg_temp.told('js', '{"entity": "refund", "number": "@late1r@", "reference": "r_late1", "status": "succeeded", "amount": 1, "currency": "CNY"}', 'late1s');
-- applied is what came last; what was applied stays so, also if it cannot be read any more
SELECT pg_temp.stands('late1');
SET ROLE regress_inbox_owner;
UPDATE gateway_notifications SET body = '{' WHERE event_id = 'late1';
SET ROLE regress_inbox_gateway;
SELECT outcome, left(reason, 5) AS reason FROM replay_notification('js', 'late1');
SELECT outcome, reason, attempts FROM gateway_notifications WHERE event_id = 'late1';

-- ---------- what moves what, if it is told before, at, or after the time of what stands, or without one ----------

CREATE TEMP TABLE moments (n int, word text, stood timestamptz, told timestamptz);
INSERT INTO moments VALUES (1, 'before', '2023-11-15', '2023-11-14'), (2, 'same', '2023-11-15', '2023-11-15'), (3, 'after', '2023-11-15', '2023-11-16'), (4, 'untold', '2023-11-15', NULL), (5, 'first', NULL, '2023-11-15');
SELECT s AS stands, t AS told, string_agg(word, ' ' ORDER BY n) AS moves FROM unnest('{created,processing,requires_action,unknown,authorized,succeeded,failed,revoked}'::payment_status[]) s, unnest('{created,processing,requires_action,unknown,authorized,succeeded,failed,revoked}'::payment_status[]) t, moments
WHERE moves_payment(s, stood, t, told) GROUP BY s, t ORDER BY s, t;
SELECT s AS stands, t AS told, string_agg(word, ' ' ORDER BY n) AS moments, steps FROM unnest('{requested,processing,unknown,succeeded,failed,cancelled,reversed}'::operation_status[]) s, unnest('{requested,processing,unknown,succeeded,failed,cancelled,reversed}'::operation_status[]) t, moments, operation_steps(s, stood, t, told) steps
WHERE steps <> '{}' GROUP BY s, t, steps::text, steps ORDER BY s, t, min(n);

-- ---------- any order of arrival, each event twice ----------

/*
 * One payment for each of the 120 orders of five events. Numbers of the payment
 * and of a refund are @p@ and @r@.
 */
CREATE TEMP TABLE story (title text, gateway text, n int, content text);
CREATE FUNCTION pg_temp.permutations() RETURNS SETOF int[] LANGUAGE sql AS $$
WITH RECURSIVE p AS (SELECT '{}'::int[] AS a UNION ALL SELECT a || g FROM p, generate_series(1, 5) g WHERE g <> ALL (a))
SELECT a FROM p WHERE cardinality(a) = 5 $$;
CREATE FUNCTION pg_temp.play(title text, gateway text, permutation int[], refund numeric) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	name text := array_to_string(permutation, '');
	body bytea;
	event int;
BEGIN
	DELETE FROM made m WHERE m.name IN ('p', 'r');
	PERFORM pg_temp.make('p', play.gateway);
	IF refund IS NOT NULL THEN  -- asked for by us, before any of these is told
		UPDATE inbox_shop.payments p SET status = 'succeeded' FROM made m WHERE m.name = 'p' AND p.order_id = m.order_id AND p.payment_id = m.payment_id;
		PERFORM pg_temp.make_refund('r', 'p', refund);
	END IF;
	FOREACH event IN ARRAY permutation LOOP
		body := (SELECT pg_temp.body(play.gateway, pg_temp.filled(replace(s.content, '#', play.title || name))) FROM story s WHERE s.title = play.title AND s.n = event);
		PERFORM pg_temp.send_raw(play.gateway, body, title || name || event);
		PERFORM pg_temp.send_raw(play.gateway, body, title || name || event);
	END LOOP;
	RETURN replace(pg_temp.stands('p'), title || name, '#');
END
$$;
INSERT INTO story SELECT 'auto', 'stripe', n, replace(replace(content, '@#@', '@p@'), 'evt', 'auto' || n || '#') FROM unnest(ARRAY[
	pg_temp.intent('evt', 100, '#', 'requires_payment_method', '{"last_payment_error": {"code": "card_declined"}}'), pg_temp.intent('evt', 200, '#', 'succeeded'),
	pg_temp.money_back('evt', 300, '#', 're_#', 250, 'succeeded'), pg_temp.object('evt', 301, 'charge.refunded', '{"object": "charge", "id": "ch", "amount_refunded": 250, "currency": "cny", "payment_intent": "pi_#"}'),
	pg_temp.dispute('evt', 400, '#', 300, 'needs_response', 'created')]) WITH ORDINALITY u (content, n);
INSERT INTO story SELECT 'manual', 'stripe', n, replace(replace(content, '@#@', '@p@'), 'evt', 'manual' || n || '#') FROM unnest(ARRAY[
	pg_temp.intent('evt', 100, '#', 'requires_capture', '{"capture_method": "manual"}'), pg_temp.intent('evt', 200, '#', 'succeeded', '{"capture_method": "manual", "amount_received": 600}'),
	pg_temp.money_back('evt', 300, '#', 're_#', 250, 'succeeded'), pg_temp.money_back('evt', 350, '#', 're_#', 250, 'failed'), pg_temp.dispute('evt', 400, '#', 300, 'won', 'closed')]) WITH ORDINALITY u (content, n);
INSERT INTO story SELECT 'canceled', 'stripe', n, replace(replace(content, '@#@', '@p@'), 'evt', 'canceled' || n || '#') FROM unnest(ARRAY[
	pg_temp.intent('evt', 100, '#', 'requires_payment_method'), pg_temp.intent('evt', 110, '#', 'requires_payment_method', '{"last_payment_error": {"code": "card_declined"}}'), pg_temp.intent('evt', 120, '#', 'requires_action'),
	pg_temp.intent('evt', 120, '#', 'processing'), pg_temp.intent('evt', 130, '#', 'canceled', '{"cancellation_reason": "abandoned"}')]) WITH ORDINALITY u (content, n);
INSERT INTO story SELECT 'alipay', 'alipay', n, replace(replace(content, '@#@', '@p@'), 'evt', 'alipay' || n || '#') FROM unnest(ARRAY[
	pg_temp.trade('evt', '#', 'WAIT_BUYER_PAY'), pg_temp.trade('evt', '#', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20"}'), pg_temp.trade('evt', '#', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-16 06:13:20.123", "refund_fee": "3.00", "out_biz_no": "@r@"}'),
	pg_temp.trade('evt', '#', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-17 06:13:20.123", "refund_fee": "8.00", "out_biz_no": "desk"}'), pg_temp.trade('evt', '#', 'TRADE_FINISHED', '{"gmt_payment": "2023-11-15 06:13:20"}')]) WITH ORDINALITY u (content, n);
INSERT INTO story SELECT 'closed', 'alipay', n, replace(replace(content, '@#@', '@p@'), 'evt', 'closed' || n || '#') FROM unnest(ARRAY[
	pg_temp.trade('evt', '#', 'WAIT_BUYER_PAY'), pg_temp.trade('evt', '#', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20"}'), pg_temp.trade('evt', '#', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-16 06:13:20.123", "refund_fee": "3.00", "out_biz_no": "one"}'),
	pg_temp.trade('evt', '#', 'TRADE_SUCCESS', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-17 06:13:20.123", "refund_fee": "10.00", "out_biz_no": "two"}'), pg_temp.trade('evt', '#', 'TRADE_CLOSED', '{"gmt_payment": "2023-11-15 06:13:20", "gmt_refund": "2023-11-17 06:13:20.123", "refund_fee": "10.00", "out_biz_no": "two"}')]) WITH ORDINALITY u (content, n);
INSERT INTO story SELECT 'wechat', 'wechat', n, replace(replace(content, '@#@', '@p@'), 'evt', 'wechat' || n || '#') FROM unnest(ARRAY[
	pg_temp.deal('evt', '#', 'SUCCESS', '{"success_time": "2023-11-15T06:13:20+08:00"}'), pg_temp.deal('evt', '#', 'REFUND', '{"success_time": "2023-11-15T06:13:20+08:00"}'), pg_temp.wechat_refund('evt', '#', '@r@', 'ABNORMAL', 300, 16),
	pg_temp.wechat_refund('evt', '#', '@r@', 'SUCCESS', 300, 18, '{"success_time": "2023-11-17T06:13:20+08:00"}'), pg_temp.wechat_refund('evt', '#', 'desk', 'CLOSED', 100, 18)]) WITH ORDINALITY u (content, n);
INSERT INTO story VALUES
	('json', 'js', 1, '{"number": "@p@", "reference": "#", "status": "authorized", "amount": "10.00", "currency": "CNY", "occurred_at": "2023-11-15T06:13:20Z"}'),
	('json', 'js', 2, '{"entity": "capture", "payment_number": "@p@", "reference": "c#", "status": "succeeded", "amount": "6.00", "currency": "CNY", "occurred_at": "2023-11-15T06:13:21Z"}'),
	('json', 'js', 3, '{"number": "@p@", "reference": "#", "status": "succeeded", "amount": "10.00", "captured": "6.00", "currency": "CNY", "occurred_at": "2023-11-15T06:13:22Z"}'),
	('json', 'js', 4, '{"entity": "refund", "payment_number": "@p@", "reference": "r#", "status": "succeeded", "amount": "2.50", "currency": "CNY", "occurred_at": "2023-11-15T06:13:23Z"}'),
	('json', 'js', 5, '{"entity": "refund", "payment_reference": "#", "reference": "r#", "status": "failed", "amount": "2.50", "currency": "CNY", "occurred_at": "2023-11-15T06:13:24Z", "failure_code": "account_closed"}');
-- each a transaction of its own, so that rows that are gone are gone
CREATE TEMP TABLE played (title text, ends text);
\set ECHO none
SELECT format('INSERT INTO played SELECT %L, pg_temp.play(%L, %L, a, %L) FROM pg_temp.permutations() a WHERE a[1] = %s', title, title, gateway, CASE WHEN title IN ('alipay', 'wechat') THEN 3 END, first)
FROM (SELECT DISTINCT title, gateway FROM story) s, generate_series(1, 5) first WHERE title NOT IN ('closed', 'canceled') OR first = 4 \gexec
\set ECHO all
-- somebody's refunds, told by their sum and the last one first, become one: the money is the same
SELECT title, count(*), ends FROM played GROUP BY title, ends ORDER BY title, ends;
SELECT outcome NOT IN ('applied', 'stale') AS is_open, count(*), sum(deliveries) FROM gateway_notifications WHERE event_id ~ '^[a-z]+([1-5]|)[1-5]{5}' GROUP BY 1;
SELECT * FROM verify_store('inbox_shop');

-- ---------- hostile bodies: each is stored, has an outcome, and does nothing ----------

SELECT pg_temp.make('b_' || g, g) FROM unnest('{stripe,js,alipay,wechat,v2}'::text[]) g;
CREATE TEMP TABLE bodies (n serial, gateway text, told text, body bytea);
CREATE TEMP TABLE hostile (gateway text, old text, new text, n serial);
INSERT INTO hostile VALUES
	('js', '"10.00"', '1e400'), ('js', '"10.00"', '1e131071'), ('js', '"10.00"', '1e200000'), ('js', '"10.00"', '1e-400'), ('js', '"10.00"', '1e99999999999'), ('js', '"10.00"', '-0'), ('js', '"10.00"', '0'), ('js', '"10.00"', '-10'), ('js', '"10.00"', 'NaN'), ('js', '"10.00"', '"NaN"'), ('js', '"10.00"', '"Infinity"'), ('js', '"10.00"', '"-Infinity"'),
	('js', '"10.00"', '1234567890123456789012345678901234567890'), ('js', '"10.00"', '"0x0A"'), ('js', '"10.00"', '"1_0"'), ('js', '"10.00"', '"10,00"'), ('js', '"10.00"', '"١٠"'), ('js', '"10.00"', '"10 CNY"'), ('js', '"10.00"', '[10]'), ('js', '"10.00"', '{"value": 10}'), ('js', '"10.00"', 'null'), ('js', '"10.00"', 'true'), ('js', '"10.00"', '""'),
	('js', 'tx_c', 'a\u0000b'), ('js', 'tx_c', '\ud800'), ('js', 'tx_c', '\udc00\ud800'), ('js', '"CNY"', '"CNY",'), ('js', '{"number"', '/* */ {"number"'), ('js', '"CNY"', 'CNY'), ('js', '"succeeded"', '"SUCCEEDED"'), ('js', '"succeeded"', '"succeeded "'), ('js', '"succeeded"', '"succeeded", "status": "settled"'), ('js', '"succeeded"', '["succeeded"]'),
	('js', '"CNY"', '"CNY", "captured": -1'), ('js', '"CNY"', '"CNY", "captured": "NaN"'), ('js', '"CNY"', '"CNY", "captured": 0'), ('js', '"CNY"', '"CNY", "refunded": -1'), ('js', '"CNY"', '"CNY", "refunded": "NaN"'), ('js', '"CNY"', '"CNY", "fee": "NaN"'), ('js', '"CNY"', '"CNY", "fee": 0.001'), ('js', '"CNY"', '"CNY", "fee": []'),
	('js', '"CNY"', '"CNY", "entity": "order"'), ('js', '"CNY"', '"CNY", "entity": ["payment"]'), ('js', '"CNY"', '"CNY", "entity": ""'), ('js', '"CNY"', '"CNY", "failure_class": "sorry"'), ('js', '"CNY"', '"CNY\u200b"'),
	('js', '"CNY"', '"CNY", "occurred_at": "infinity"'), ('js', '"CNY"', '"CNY", "occurred_at": "-infinity"'), ('js', '"CNY"', '"CNY", "occurred_at": "2999-01-01"'), ('js', '"CNY"', '"CNY", "occurred_at": "2023-02-30"'), ('js', '"CNY"', '"CNY", "occurred_at": 1700000000'), ('js', '"CNY"', '"CNY", "occurred_at": "294277-01-01"'), ('js', '"CNY"', '"CNY", "occurred_at": {}'), ('js', '"CNY"', '"CNY", "capture_before": "infinity"'),
	('js', 'tx_c', repeat('x', 256)), ('js', 'tx_c', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) i)), ('js', '@c_js@', repeat('0', 100000)), ('js', '@c_js@', repeat('x', 255)), ('js', '@c_js@', '{"a": 1}'), ('js', '"@c_js@"', '1'), ('js', '"@c_js@", ', '"@c_js@", "number": null, '),
	('stripe', '"created": 1700000000', '"created": 1e400'), ('stripe', '"created": 1700000000', '"created": 99999999999999999999'), ('stripe', '"created": 1700000000', '"created": 9999999999999'), ('stripe', '"created": 1700000000', '"created": 32503680000'), ('stripe', '"created": 1700000000', '"created": "soon"'), ('stripe', '"created": 1700000000', '"created": 1.5'), ('stripe', '"created": 1700000000', '"created": null'), ('stripe', '"created": 1700000000, ', ''), ('stripe', '"created": 1700000000', '"created": {}'),
	('stripe', '"amount": 1000', '"amount": 1e400'), ('stripe', '"amount": 1000', '"amount": 9223372036854775808'), ('stripe', '"amount": 1000', '"amount": 1000.5'), ('stripe', '"amount": 1000', '"amount": "x"'), ('stripe', '"amount": 1000', '"amount": null'), ('stripe', '"amount": 1000', '"amount": -1000'), ('stripe', '"amount": 1000', '"amount": []'), ('stripe', '"amount_received": 1000', '"amount_received": -1'), ('stripe', '"amount_received": 1000', '"amount_received": {}'),
	('stripe', '"cny"', '"zzz"'), ('stripe', '"cny"', '1'), ('stripe', '"cny"', 'null'), ('stripe', '"cny"', '{}'), ('stripe', '"succeeded"', 'null'), ('stripe', '"succeeded"', '{}'), ('stripe', '"succeeded", ', '"future", '), ('stripe', '"pi_c"', 'null'), ('stripe', '"pi_c"', '{}'), ('stripe', '"pi_c"', '""'), ('stripe', 'pi_c', repeat('p', 10000)), ('stripe', '{"number": "@c_stripe@"}', '[]'), ('stripe', '{"number": "@c_stripe@"}', 'null'), ('stripe', '"@c_stripe@"', '{"a": 1}'), ('stripe', '"object": "payment_intent"', '"object": "customer"'),
	('stripe', '"id": "ID"', '"id": null'), ('stripe', '"id": "ID"', '"id": ""'), ('stripe', '"id": "ID"', '"id": {}'), ('stripe', '"id": "ID", ', ''), ('stripe', '"payment_intent.succeeded"', 'null'), ('stripe', '"payment_intent.succeeded"', '["payment_intent.succeeded"]'),
	('alipay', '"10.00"', '"1e400"'), ('alipay', '"10.00"', '"NaN"'), ('alipay', '"10.00"', '"10,00"'), ('alipay', '"10.00"', '"１０.00"'), ('alipay', '"10.00"', '""'), ('alipay', '"10.00"', '"-10.00"'), ('alipay', '"10.00"', '"10.00", "refund_fee": "NaN"'), ('alipay', '"10.00"', '"10.00", "refund_fee": "x"'), ('alipay', '"10.00"', '"10.00", "refund_fee": "1e500"'), ('alipay', '"10.00"', '"10.00", "refund_fee": "-1"'), ('alipay', '"10.00"', '"10.00", "gmt_payment": "2023-02-30 00:00:00"'), ('alipay', '"10.00"', '"10.00", "gmt_payment": "infinity"'), ('alipay', '"10.00"', '"10.00", "gmt_payment": "0000-00-00 00:00:00"'), ('alipay', '"10.00"', '"10.00", "gmt_payment": "2999-01-01 00:00:00"'), ('alipay', '"10.00"', '"10.00", "gmt_refund": "x"'),
	('alipay', '"notify_id": "ID"', '"notify_id": ""'), ('alipay', '"notify_id": "ID", ', ''), ('alipay', 'TRADE_SUCCESS', ''), ('alipay', 'TRADE_SUCCESS', 'trade_success'), ('alipay', '20231115c', ''), ('alipay', '20231115c', repeat('9', 3000)), ('alipay', '"notify_id": "ID"', '"charset": "latin1", "notify_id": "ID"'),
	('wechat', '"total": 1000', '"total": 1000.5'), ('wechat', '"total": 1000', '"total": 1e400'), ('wechat', '"total": 1000', '"total": 99999999999999999999'), ('wechat', '"total": 1000', '"total": {}'), ('wechat', '"total": 1000', '"total": null'), ('wechat', '"total": 1000', '"total": -1000'), ('wechat', '{"total": 1000, "currency": "CNY"}', '[]'), ('wechat', '{"total": 1000, "currency": "CNY"}', '"x"'), ('wechat', '{"total": 1000, "currency": "CNY"}', 'null'), ('wechat', '"trade_state": "SUCCESS"', '"trade_state": "SUCCESS", "success_time": "2023-02-30T00:00:00+08:00"'), ('wechat', '"trade_state": "SUCCESS"', '"trade_state": "SUCCESS", "success_time": "infinity"'),
	('wechat', '"2023-11-15T06:13:20+08:00"', '"soon"'), ('wechat', '"2023-11-15T06:13:20+08:00"', '{}'), ('wechat', 'TRANSACTION.SUCCESS', 'REFUND.SUCCESS'), ('wechat', '"id": "ID"', '"id": []'), ('wechat', '"trade_state": "SUCCESS"', '"trade_state": "LOST"'), ('wechat', '"trade_state": "SUCCESS"', '"trade_state": ["SUCCESS"]'), ('wechat', '"@c_wechat@"', 'null'), ('wechat', '4200c', repeat('9', 2000)),
	('v2', '"1000"', '"1000.0"'), ('v2', '"1000"', '"x"'), ('v2', '"1000"', '"99999999999999999999"'), ('v2', '"1000"', '"-1000"'), ('v2', '"1000"', '"1000", "time_end": "20230230000000"'), ('v2', '"1000"', '"1000", "time_end": "x"'), ('v2', '"1000"', '"1000", "time_end": "infinity"'), ('v2', '"1000"', '""'), ('v2', '"ID"', '""'), ('v2', '"appid": "wx1"', '"appid": ""');
INSERT INTO bodies (gateway, told, body)
SELECT gateway, CASE WHEN length(new) < 100 THEN new ELSE length(new) || ' characters' END, pg_temp.body(gateway, pg_temp.filled(replace(replace(replace(t.content, h.old, h.new), 'ID', 'evt_b' || h.n), '@c_', '@b_'))) FROM hostile h JOIN templates t USING (gateway) ORDER BY h.n;
INSERT INTO bodies (gateway, told, body) SELECT g, told, body FROM unnest('{js,hooks,stripe}'::text[]) g, (VALUES ('empty', ''), ('null', 'null'), ('[]', '[]'), ('1', '1'), ('"x"', '"x"'), ('{}', '{}'), ('blanks', E' \t\r\n'), ('byte zero', '\x7b7d00'), ('no UTF-8', '\x7b2261223a22ff227d'), ('overlong', '\x7b2261223a22c080227d'), ('a surrogate', '\x7b2261223a22eda080227d'), ('UTF-16', '\xfeff007b007d'),
	('BOM', '\xefbbbf7b7d'), ('deep', convert_to(repeat('[', 10000) || repeat(']', 10000), 'UTF8')), ('very deep', convert_to(repeat('[', 500000) || repeat(']', 500000), 'UTF8')), ('objects', convert_to(repeat('{"a":', 150000) || '1' || repeat('}', 150000), 'UTF8')), ('not closed', convert_to(repeat('[', 1000000), 'UTF8')), ('many keys', convert_to('{' || (SELECT string_agg(format('"%s":1', i), ',') FROM generate_series(1, 80000) i) || '}', 'UTF8'))) v (told, body);
INSERT INTO bodies (gateway, told, body) SELECT 'stripe', n || ' refunds', convert_to(pg_temp.object('evt_many' || n, 1, 'charge.refunded', jsonb_build_object('object', 'charge', 'payment_intent', 'pi_1', 'currency', 'usd', 'refunds',
	jsonb_build_object('data', (SELECT jsonb_agg(jsonb_build_object('object', 'refund', 'id', 're_' || i, 'amount', 1, 'currency', 'usd', 'status', 'succeeded')) FROM generate_series(1, n) i)))), 'UTF8') FROM unnest('{100,101,9000}'::int[]) n;
SELECT pg_temp.picture() AS before \gset
CREATE TEMP TABLE outcomes AS SELECT b.n, b.gateway, b.told, r.* FROM bodies b, pg_temp.send_raw(b.gateway, b.body, 'msg_b' || b.n) r ORDER BY b.n;
SELECT n, gateway, told, outcome, pg_temp.short(reason) AS reason FROM outcomes WHERE n <= (SELECT count(*) FROM hostile) ORDER BY n;
SELECT told, outcome, array_agg(gateway ORDER BY gateway) AS gateways, min(pg_temp.short(reason)) AS reason FROM outcomes WHERE n > (SELECT count(*) FROM hostile) GROUP BY told, outcome ORDER BY min(n);
SELECT count(*) FILTER (WHERE http_status = 200) AS accepted, count(*) FROM outcomes;
SELECT count(*) AS lost FROM outcomes o JOIN bodies b USING (n) WHERE o.outcome <> 'rejected' AND NOT EXISTS (SELECT FROM gateway_notifications s WHERE s.gateway = o.gateway AND s.event_id = o.event_id AND s.body = b.body AND s.outcome = o.outcome);
SELECT pg_temp.picture() = :'before' AS nothing_happened;
-- nor does anything when they are tried again
SELECT count(*) FILTER (WHERE r.outcome IN ('applied', 'stale') AND o.outcome <> r.outcome) AS changed, count(*) FROM (SELECT * FROM outcomes WHERE outcome <> 'rejected') o, replay_notification(o.gateway, o.event_id) r;
SELECT pg_temp.picture() = :'before' AS nothing_happened;

-- ids of any length: the same one is the same event; what is too long for an index is known by its digest
CREATE FUNCTION pg_temp.noise(n int) RETURNS text LANGUAGE sql RETURN (SELECT left(string_agg(md5(i::text), ''), n) FROM generate_series(1, n / 32 + 1) i);
SELECT n, (r).outcome, length((r).event_id), left((r).event_id, 7) AS begin, (r).reason FROM unnest('{255,256,3000,10000,900000}'::int[]) n, generate_series(1, 2), pg_temp.send('stripe', pg_temp.object(pg_temp.noise(n), 1, 'charge.' || CASE WHEN n = 10000 THEN pg_temp.noise(100000) ELSE 'x' END, '{}')) r;
SELECT n, (r).outcome, length((r).event_id), (r).reason FROM unnest('{255,256,3000}'::int[]) n, generate_series(1, 2), pg_temp.send('js', '{}', pg_temp.noise(n)) r;
SELECT (r).outcome, length((r).event_id) FROM unnest('{" ","é","a\nb",""}'::text[]) i, pg_temp.send('js', '{}', i) r;
SELECT min(length(event_id)) AS shortest, max(length(event_id)) AS id, max(length(event_type)) AS type, max(length(reason)) AS reason, max(length(payment_reference)) AS reference FROM gateway_notifications;
SELECT (r).outcome, (r).event_id = 'sha256:' || encode(sha256(convert_to(pg_temp.noise(900000), 'UTF8')), 'hex') AS the_digest FROM replay_notification('stripe', 'sha256:' || encode(sha256(convert_to(pg_temp.noise(900000), 'UTF8')), 'hex')) r;
-- any member of another type: every one of them, each on a payment of its own
CREATE TEMP TABLE members AS SELECT a.attname::text AS member, v.value, row_number() OVER (ORDER BY a.attname::text COLLATE "C", v.nth) AS n FROM pg_attribute a, unnest(ARRAY['null', 'true', '1', '-1', '1e400', '"x"', '""', '[]', '[1]', '{}', '{"a": [null]}', '"' || pg_temp.noise(3000) || '"']) WITH ORDINALITY v (value, nth) WHERE a.attrelid = 'order_payment.gateway_fact'::regclass;
GRANT SELECT ON members TO regress_inbox_gateway;
SELECT count(pg_temp.make('m' || n, 'js')) FROM members;
CREATE TEMP TABLE member_outcomes AS SELECT m.*, r.outcome FROM members m, pg_temp.send('js', (format('{"number": "@m%s@", "status": "succeeded", "amount": "10.00", "currency": "CNY", "reference": "m%1$s"}', n)::jsonb || format('{"%s": %s}', member, value)::jsonb)::text, 'member' || n) r;
SELECT member, string_agg(CASE WHEN length(value) > 20 THEN '3000' ELSE value END || ' ' || outcome, ', ' ORDER BY n) FROM member_outcomes GROUP BY member ORDER BY min(n);
-- captured 1 of 10 is what it says
SELECT count(*) FILTER (WHERE (outcome = 'applied') <> (o.status = 'paid')) AS half_done, count(*) FROM member_outcomes JOIN made ON name = 'm' || member_outcomes.n JOIN orders o USING (order_id) WHERE (member, value) <> ('captured', '1');
SELECT * FROM verify_store('inbox_shop');

-- ---------- errors that pass are the caller's, with nothing half done; others stay, with the notification ----------

RESET ROLE;
CREATE FUNCTION inbox_shop.obstacle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('test.obstacle', true) = 'sleep' THEN
		PERFORM pg_sleep(60);
	ELSIF current_setting('test.obstacle', true) = 'P0004' THEN
		ASSERT false;
	ELSIF current_setting('test.obstacle', true) <> '' THEN
		RAISE EXCEPTION 'an obstacle' USING ERRCODE = current_setting('test.obstacle');
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER obstacle BEFORE INSERT OR UPDATE ON inbox_shop.payment_operations FOR EACH ROW EXECUTE FUNCTION inbox_shop.obstacle();
SET ROLE regress_inbox_gateway;
-- the payment is moved before the operation fails: what was done is undone
CREATE FUNCTION pg_temp.attempt(obstacle text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before text := pg_temp.picture();
	said text;
	said_then text;
	stored boolean;
	kept boolean;
	undone boolean;
	body bytea := pg_temp.body('wechat', pg_temp.filled(pg_temp.wechat_refund('e' || obstacle, 'e' || obstacle, 'desk', 'SUCCESS', 300, 18)));
BEGIN
	PERFORM set_config('test.obstacle', obstacle, true);
	BEGIN
		said := (pg_temp.send_raw('wechat', body)).outcome;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		said := 'raised ' || sqlstate;
	END;
	PERFORM set_config('test.obstacle', '', true);
	stored := EXISTS (SELECT FROM inbox_shop.gateway_notifications n WHERE n.event_id = 'e' || obstacle);
	undone := pg_temp.picture() = before;
	kept := current_setting('order_payment.actor') = 'me' AND current_setting('order_payment.reason') = 'so';
	said_then := (pg_temp.send_raw('wechat', body)).outcome;
	RETURN format('%s, %s, %s, %s; then %s, %s', said, CASE WHEN stored THEN 'stored' ELSE 'not stored' END, CASE WHEN undone THEN 'nothing done' ELSE 'SOMETHING DONE' END, CASE WHEN kept THEN 'settings kept' ELSE 'SETTINGS CHANGED' END,
		said_then, (SELECT p.status || ' ' || p.refunded_amount FROM inbox_shop.payments p JOIN made m USING (payment_id) WHERE m.name = 'e' || obstacle));
END
$$;
CREATE TEMP TABLE obstacles AS SELECT * FROM unnest('{40001,40P01,55P03,57014,57P01,53100,53200,53300,58030,08006,OP012,P0001,P0004,22012,23505,23514,42501,42P01,54001,XX000,OP001,OP003,OP005,OP006,OP017,OP018,OP019}'::text[]) WITH ORDINALITY u (code, n);
SELECT count(pg_temp.make('e' || code, 'wechat')) FROM obstacles;
SET order_payment.actor = 'me';
SET order_payment.reason = 'so';
SELECT code, pg_temp.attempt(code) FROM obstacles ORDER BY n;
-- a real one: the statement is cancelled while the effects are under way
SELECT pg_temp.make('esleep', 'wechat');
SELECT pg_temp.picture() AS before \gset
SET test.obstacle = 'sleep';
SET statement_timeout = '200ms';
SELECT pg_temp.told('wechat', pg_temp.wechat_refund('esleep', 'esleep', 'desk', 'SUCCESS', 300, 18));
RESET statement_timeout;
RESET test.obstacle;
SELECT pg_temp.picture() = :'before' AS nothing_happened, count(*) AS stored FROM gateway_notifications WHERE event_id = 'esleep';
SHOW order_payment.actor;
SELECT pg_temp.told('wechat', pg_temp.wechat_refund('esleep', 'esleep', 'desk', 'SUCCESS', 300, 18));
RESET order_payment.actor;
RESET order_payment.reason;
-- in a transaction that may write nothing
BEGIN READ ONLY;
SELECT pg_temp.told('js', '{}', 'readonly');
ROLLBACK;
RESET ROLE;
DROP TRIGGER obstacle ON inbox_shop.payment_operations;
DROP FUNCTION inbox_shop.obstacle();

-- ---------- who may ----------

SET ROLE regress_inbox_app;
SELECT apply_notification('js', '{}', '{}');
SELECT replay_notification('js', 'again');
SELECT retry_notifications();
SELECT store_notification(g, '{}', '', ROW ('forged', 'x', '{}')::gateway_event, NULL, 'inbox_shop') FROM gateways g WHERE gateway = 'js';
SELECT work_notification(g, 'again', ROW ('again', 'x', '{}')::gateway_event, 'inbox_shop') FROM gateways g WHERE gateway = 'js';
SELECT count_rejection('js', 'forged', 'inbox_shop');
INSERT INTO gateway_notifications (gateway, event_id, headers, body, outcome) VALUES ('js', 'forged', '{}', '', 'applied');
UPDATE gateway_notifications SET outcome = 'stale';
DELETE FROM gateway_notifications;
SELECT body FROM gateway_notifications;
SELECT headers FROM gateway_notifications;
UPDATE gateway_rejections SET n = 0;
-- facts of its own are no outcomes: the tables know who may record them
RESET ROLE;
GRANT SELECT ON made TO regress_inbox_app;
SET ROLE regress_inbox_app;
SELECT number AS number FROM made WHERE name = 'b_js' \gset
\set VERBOSITY sqlstate
SELECT apply_fact('js', make_fact(jsonb_build_object('entity', 'payment', 'number', :'number', 'status', 'succeeded', 'amount', 10, 'currency', 'CNY')));
SELECT (try_to_apply('js', ROW ('e', 't', ARRAY[make_fact(jsonb_build_object('entity', 'payment', 'number', :'number', 'status', 'succeeded', 'amount', 10, 'currency', 'CNY'))])::gateway_event, 'inbox_shop')).outcome;
\set VERBOSITY terse
SELECT count(*) > 0 AS seen FROM gateway_notifications n WHERE n.outcome = 'applied';
SELECT count(*) > 0 AS seen FROM gateway_rejections;
SET ROLE regress_inbox_gateway;
DELETE FROM gateway_notifications;
TRUNCATE gateway_notifications;
DELETE FROM gateway_rejections;
UPDATE gateways SET app_id = NULL;
RESET ROLE;
SELECT status FROM payments WHERE payment_id = (SELECT payment_id FROM made WHERE name = 'b_js');
SELECT * FROM verify_store('inbox_shop');

\set done `rm -r :'directory'`
SET client_min_messages = warning;
DROP SCHEMA inbox_shop CASCADE;
DROP OWNED BY regress_inbox_owner, regress_inbox_app, regress_inbox_gateway;
DROP ROLE regress_inbox_owner, regress_inbox_app, regress_inbox_gateway;
