-- requests: what is sent to gateways, to the letter; what they cannot be asked for; and hostile ids, options and settings. Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SET order_payment.allow_unguarded = on;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
CREATE ROLE regress_request_owner;
CREATE ROLE regress_request_app;
CREATE ROLE regress_request_gateway;
CREATE SCHEMA requests AUTHORIZATION regress_request_owner;
SELECT order_payment.create_store('requests', 'EUR', order_id_type => 'text', app_role => 'regress_request_app', gateway_role => 'regress_request_gateway', owner => 'regress_request_owner');
RESET client_min_messages;
SET search_path = requests, order_payment;
SET ROLE regress_request_owner;
\pset null '(null)'
\set SHOW_CONTEXT never

-- Each request as lines: method and URL, headers, a blank line, the body; forms by member, and decoded where they hold JSON.
CREATE FUNCTION pg_temp.unescaped(value text) RETURNS text LANGUAGE sql AS $$
	SELECT convert_from(string_agg(CASE WHEN m[1] ~ '^%' THEN decode(substr(m[1], 2), 'hex') ELSE convert_to(m[1], 'UTF8') END, '' ORDER BY n), 'UTF8')
	FROM regexp_matches(value, '%[0-9A-F]{2}|[^%]+', 'g') WITH ORDINALITY AS r (m, n)
$$;
CREATE FUNCTION pg_temp.shown(request gateway_request) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat(request.method, ' ', request.url)
	UNION ALL (SELECT format('%s: %s', key, value) FROM jsonb_each_text(request.headers) ORDER BY key)
	UNION ALL SELECT '' WHERE request.body IS NOT NULL
	UNION ALL SELECT CASE WHEN request.headers ->> 'Content-Type' LIKE '%form%'
						  THEN CASE WHEN part LIKE 'biz_content=%' THEN pg_temp.unescaped(part) ELSE part END
						  ELSE request.body END
	FROM string_to_table(request.body, CASE WHEN request.headers ->> 'Content-Type' LIKE '%form%' THEN '&' END, NULL) part
	WHERE request.headers ->> 'Content-Type' LIKE '%form%'
	UNION ALL SELECT request.body WHERE request.headers ->> 'Content-Type' NOT LIKE '%form%'
$$;
CREATE FUNCTION pg_temp.pid(n integer) RETURNS uuid LANGUAGE sql STRICT AS $$ SELECT format('%s-0000-7000-8000-000000000001', lpad(n::text, 8, '0'))::uuid $$;
CREATE FUNCTION pg_temp.oid(n integer) RETURNS uuid LANGUAGE sql STRICT AS $$ SELECT format('%s-0000-7000-8000-00000000000f', lpad(n::text, 8, '0'))::uuid $$;
CREATE FUNCTION pg_temp.pay(n integer, order_id text, gateway text, amount numeric, currency text, options jsonb DEFAULT NULL, method text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO requests.orders (order_id, price, currency) VALUES (order_id, amount, currency);
	INSERT INTO requests.payments (order_id, payment_id, gateway, amount, method, request_options)
	VALUES (order_id, pg_temp.pid(n), gateway, amount, method, options)
$$;
CREATE FUNCTION pg_temp.ask(work text, n integer, operation integer DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT pg_temp.shown(order_payment.build_request(work, pg_temp.pid(n), pg_temp.oid(operation), 'requests'))
$$;

INSERT INTO gateways (gateway, protocol, endpoint) VALUES ('own', 'json', 'https://pay.example.com/api/v2/');
INSERT INTO gateways (gateway, protocol, request_options, minor_unit_exponents) VALUES
	('stripe', 'stripe', '{"description": "Books", "metadata": {"shop": "north"}}', '{"ISK": 2, "UGX": 2, "KWD": 3}');
INSERT INTO gateways (gateway, protocol, merchant_id) VALUES ('connect', 'stripe', 'acct_1');
INSERT INTO gateways (gateway, protocol, app_id, notify_url) VALUES
	('alipay', 'alipay', '2021000000000001', 'https://shop.example.com/in?gateway=alipay&x=1');
INSERT INTO gateways (gateway, protocol, app_id, merchant_id, notify_url) VALUES
	('wechat', 'wechatpay_v3', 'wx0000000000000001', '1900000001', 'https://shop.example.com/in');
INSERT INTO gateways (gateway, protocol, sign_type) VALUES ('wechat2', 'wechatpay_v2', 'MD5');
INSERT INTO gateways (gateway, protocol) VALUES ('hooks', 'standard_webhooks'), ('nowhere', 'json'), ('bare', 'wechatpay_v3'), ('bare2', 'alipay');

-- ---------- the type, and what may be called by whom ----------

\d gateway_request
SELECT proname, provolatile, proparallel, has_function_privilege('public', oid, 'EXECUTE') AS public
FROM pg_proc WHERE pronamespace = 'order_payment'::regnamespace AND proname IN ('build_request', 'sign_request') ORDER BY 1;

-- ---------- json ----------

SELECT pg_temp.pay(1, 'A-1', 'own', 12.5, 'EUR', '{"note": "for you"}', 'card');
SELECT pg_temp.ask('send_payment', 1);
SELECT pg_temp.ask('query_payment', 1);
SELECT pg_temp.ask('revoke_payment', 1);
SET ROLE regress_request_gateway;
UPDATE payments SET status = 'authorized', gateway_reference = 'ref 1' WHERE order_id = 'A-1';
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount) VALUES ('A-1', pg_temp.oid(1), pg_temp.pid(1), 'capture', 10);
SELECT pg_temp.ask('send_operation', 1, 1);
SELECT pg_temp.ask('query_operation', 1, 1);
SELECT pg_temp.ask('void_payment', 1);
UPDATE payment_operations SET status = 'succeeded' WHERE operation_id = pg_temp.oid(1);
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, reason) VALUES
	('A-1', pg_temp.oid(2), pg_temp.pid(1), 'refund', 3, E'it "came"\nbroken'), ('A-1', pg_temp.oid(3), pg_temp.pid(1), 'void', 2.5, NULL);
SELECT pg_temp.ask('send_operation', 1, 2);
SELECT pg_temp.ask('query_operation', 1, 2);
SELECT pg_temp.ask('send_operation', 1, 3);
UPDATE payment_operations SET status = 'failed', failure_class = 'other' WHERE operation_id = pg_temp.oid(2);
UPDATE payment_operations SET status = 'processing', attempt_no = 2 WHERE operation_id = pg_temp.oid(2);
SELECT pg_temp.ask('retry_operation', 1, 2);
RESET ROLE;
SET ROLE regress_request_owner;

-- a key is sent, but stands for itself; one that is no longer or not yet valid is none
INSERT INTO gateway_secrets (gateway, kind, secret, valid_from, valid_until) VALUES
	('own', 'api_key', seal('x', 'text', 'x'), now() - interval '2 days', now() - interval '1 day'), ('own', 'api_key', seal('x', 'text', 'x'), now() + interval '1 day', NULL);
SELECT (build_request('query_payment', pg_temp.pid(1))).headers;
INSERT INTO gateway_secrets (gateway, kind, secret) VALUES ('own', 'api_key', seal('x', 'text', 'x'));
SELECT (build_request('query_payment', pg_temp.pid(1))).headers;
SELECT (build_request('send_payment', pg_temp.pid(1))).headers;

-- cards: what is sealed is a placeholder, and nothing else is
INSERT INTO orders (order_id, price) VALUES ('A-2', 10), ('A-3', 10);
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number, card_holder, card_expiry) VALUES ('A-2', pg_temp.pid(2), 'own', 10, '4242424242424242', 'Ann {{api_key}}', '12/39');
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number, request_options) VALUES ('A-3', pg_temp.pid(3), 'own', 10, '4242424242424242', '{"card": {"number": "1"}, "x": ["{{card_number}}", "{{{api_key}}}", "\\{{"], "{{card_holder}}": 1}');
SELECT pg_temp.ask('send_payment', 2);
SELECT pg_temp.ask('send_payment', 3);
SELECT count(*) AS placeholders, (SELECT (replace(r.body, '{{card_number}}', 'none')::jsonb) -> 'x' FROM build_request('send_payment', pg_temp.pid(3)) r) AS read_back
FROM regexp_matches((build_request('send_payment', pg_temp.pid(3))).body, '\{\{', 'g');
SELECT sign_request('own', build_request('send_payment', pg_temp.pid(2)));

-- amounts have the decimals of their currency
SELECT pg_temp.pay(4, 'A-4', 'own', 1.5, 'KWD'), pg_temp.pay(5, 'A-5', 'own', 7, 'JPY'), pg_temp.pay(6, 'A-6', 'own', 5, 'ISK'), pg_temp.pay(7, 'A-7', 'own', 0.5, 'ETH.18');
SELECT p.amount, p.currency, substring(r.body FROM '"fee": [0-9.]+') AS fee, substring(r.body FROM '"amount": [0-9.]+') AS amount, r.body::jsonb -> 'currency' AS currency
FROM payments p, build_request('send_payment', p.payment_id) r WHERE p.order_id BETWEEN 'A-4' AND 'A-7' ORDER BY p.order_id;

-- ---------- Stripe ----------

SELECT pg_temp.pay(10, 'S-10', 'stripe', 12.5, 'EUR');
SELECT pg_temp.ask('send_payment', 10);
SELECT pg_temp.ask('query_payment', 10);
SELECT pg_temp.ask('revoke_payment', 10);
SELECT pg_temp.pay(11, 'S-11', 'connect', 1999, 'JPY', '{"payment_method": "pm_1", "confirm": true, "capture_method": "manual", "payment_method_options": {"card": {"three_d_secure": {"network_options": [{"cb": 1}, {"cb": 2}]}}}}');
SELECT pg_temp.ask('send_payment', 11);
-- amounts, by the currency and by the gateway
SELECT pg_temp.pay(12, 'S-12', 'stripe', 5, 'ISK'), pg_temp.pay(13, 'S-13', 'stripe', 1.5, 'KWD'), pg_temp.pay(14, 'S-14', 'stripe', 7, 'JPY'), pg_temp.pay(15, 'S-15', 'connect', 5, 'ISK');
SELECT n, p.amount, p.currency, substring((build_request('send_payment', p.payment_id)).body FROM 'amount=[0-9]+') FROM generate_series(12, 15) n JOIN payments p ON p.payment_id = pg_temp.pid(n) ORDER BY n;
UPDATE gateways SET minor_unit_exponents = '{"ISK": 2, "UGX": 2, "KWD": 2}' WHERE gateway = 'stripe';
SELECT substring((build_request('send_payment', pg_temp.pid(13))).body FROM 'amount=[0-9]+');
UPDATE gateways SET minor_unit_exponents = '{"KWD": 0}' WHERE gateway = 'stripe';
SELECT pg_temp.ask('send_payment', 13);
SELECT pg_temp.pay(16, 'S-16', 'stripe', 5, 'POINTS.0');
SELECT pg_temp.ask('send_payment', 16);
-- what came after
SET ROLE regress_request_gateway;
UPDATE payments SET status = 'authorized', gateway_reference = 'pi_10' WHERE order_id = 'S-10';
SELECT pg_temp.ask('query_payment', 10);
SELECT pg_temp.ask('revoke_payment', 10);
SELECT pg_temp.ask('void_payment', 10);
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, reason) VALUES
	('S-10', pg_temp.oid(10), pg_temp.pid(10), 'capture', 10, 'as agreed'), ('S-10', pg_temp.oid(11), pg_temp.pid(10), 'void', 2.5, 'abandoned');
SELECT pg_temp.ask('send_operation', 10, 10);
SELECT pg_temp.ask('query_operation', 10, 10);
-- a part of an authorisation is not given back
SELECT pg_temp.ask('send_operation', 10, 11);
SELECT pg_temp.ask('void_payment', 10);
UPDATE payment_operations SET status = 'succeeded' WHERE operation_id = pg_temp.oid(10);
SELECT pg_temp.ask('send_operation', 10, 11);
SELECT pg_temp.ask('query_operation', 10, 11);
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, reason) VALUES
	('S-10', pg_temp.oid(12), pg_temp.pid(10), 'refund', 1, 'duplicate'), ('S-10', pg_temp.oid(13), pg_temp.pid(10), 'refund', 2.25, 'torn & wet'),
	('S-10', pg_temp.oid(14), pg_temp.pid(10), 'chargeback', 0.5, NULL);
SELECT pg_temp.ask('send_operation', 10, 12);
SELECT pg_temp.ask('send_operation', 10, 13);
SELECT pg_temp.ask('query_operation', 10, 13);
UPDATE payment_operations SET status = 'processing', gateway_reference = 're_1' WHERE operation_id = pg_temp.oid(13);
SELECT pg_temp.ask('query_operation', 10, 13);
UPDATE payment_operations SET status = 'failed' WHERE operation_id = pg_temp.oid(13);
UPDATE payment_operations SET status = 'processing', attempt_no = 3 WHERE operation_id = pg_temp.oid(13);
SELECT pg_temp.ask('retry_operation', 10, 13);
SELECT pg_temp.ask('send_operation', 10, 14);
SELECT pg_temp.ask('query_operation', 10, 14);
RESET ROLE;
SET ROLE regress_request_owner;

-- ---------- Alipay ----------

SELECT pg_temp.pay(20, 'Z=20/1&2', 'alipay', 88.8, 'CNY', NULL, 'precreate');
UPDATE payments SET expires_at = '2030-01-31 16:30:00+00' WHERE order_id = 'Z=20/1&2';
SET timezone = 'America/New_York';
SELECT pg_temp.ask('send_payment', 20);
RESET timezone;
SELECT (build_request('send_payment', pg_temp.pid(20))).body;
SELECT pg_temp.ask('query_payment', 20);
SELECT pg_temp.ask('revoke_payment', 20);
SELECT pg_temp.pay(21, 'Z-21', 'alipay', 1, 'CNY', '{"auth_code": "28763443825664394", "subject": "两本书"}', 'pay');
SELECT pg_temp.ask('send_payment', 21);
SELECT pg_temp.pay(22, 'Z-22', 'alipay', 1, 'CNY', '{"subject": "two"}', 'pay');
SELECT pg_temp.ask('send_payment', 22);
SELECT pg_temp.pay(23, 'Z-23', 'alipay', 1, 'EUR');
SELECT pg_temp.ask('send_payment', 23);
SELECT pg_temp.ask('query_payment', 23);
SET ROLE regress_request_gateway;
UPDATE payments SET status = 'succeeded' WHERE order_id = 'Z-21';
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, reason) VALUES ('Z-21', pg_temp.oid(21), pg_temp.pid(21), 'refund', 0.3, '退货 & "more"');
SELECT pg_temp.ask('send_operation', 21, 21);
SELECT pg_temp.ask('query_operation', 21, 21);
UPDATE payments SET status = 'authorized' WHERE order_id = 'Z-22';
SELECT pg_temp.ask('void_payment', 22);
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount) VALUES ('Z-22', pg_temp.oid(22), pg_temp.pid(22), 'capture', 1);
SELECT pg_temp.ask('send_operation', 22, 22);
SELECT pg_temp.ask('query_operation', 22, 22);
RESET ROLE;
SET ROLE regress_request_owner;
UPDATE gateways SET merchant_id = '2088000000000001' WHERE gateway = 'alipay';
UPDATE payments SET request_options = '{"seller_id": "2088", "total_amount": "0.01", "out_trade_no": "x", "trade_no": "y", "app_id": "z", "notify_url": "https://evil.example.com", "sign": "", "subject": null}' WHERE order_id = 'Z-22';
UPDATE payments SET method = 'qr' WHERE order_id = 'Z-22';
SELECT pg_temp.ask('send_payment', 22);

-- ---------- WeChat Pay ----------

SELECT pg_temp.pay(30, 'W-30', 'wechat', 88.8, 'CNY');
UPDATE payments SET expires_at = '2030-01-31 16:30:00+00' WHERE order_id = 'W-30';
SELECT pg_temp.ask('send_payment', 30);
SELECT pg_temp.ask('query_payment', 30);
SELECT pg_temp.ask('revoke_payment', 30);
SELECT pg_temp.pay(31, 'W-31', 'wechat', 1, 'CNY', '{"payer": {"openid": "o-1"}, "description": "书"}', 'jsapi'), pg_temp.pay(32, 'W-32', 'wechat', 1, 'CNY', '{"payer": {"openid": null}}', 'jsapi'),
	pg_temp.pay(33, 'W-33', 'wechat', 1, 'CNY', '{"scene_info": {"payer_client_ip": "192.0.2.1", "h5_info": {"type": "Wap"}}}', 'h5'), pg_temp.pay(34, 'W-34', 'wechat', 1, 'CNY', NULL, 'h5'),
	pg_temp.pay(35, 'W-35', 'wechat', 1, 'CNY', NULL, 'app'), pg_temp.pay(36, 'W-36', 'wechat', 1, 'CNY', NULL, 'micropay');
SELECT pg_temp.ask('send_payment', 31);
SELECT pg_temp.ask('send_payment', 32);
SELECT pg_temp.ask('send_payment', 33);
SELECT pg_temp.ask('send_payment', 34);
SELECT pg_temp.ask('send_payment', 35);
SELECT pg_temp.ask('send_payment', 36);
SELECT pg_temp.ask('query_payment', 36);
SET ROLE regress_request_gateway;
UPDATE payments SET status = 'succeeded' WHERE order_id IN ('W-30');
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, reason) VALUES ('W-30', pg_temp.oid(30), pg_temp.pid(30), 'refund', 0.3, repeat('退', 100));
SELECT pg_temp.ask('send_operation', 30, 30);
SELECT pg_temp.ask('query_operation', 30, 30);
UPDATE payments SET status = 'authorized' WHERE order_id = 'W-35';
SELECT pg_temp.ask('void_payment', 35);
RESET ROLE;
SET ROLE regress_request_owner;
-- who verifies by a public key of WeChat Pay's says so
INSERT INTO gateway_secrets (gateway, kind, secret, key_name) VALUES ('wechat', 'public_key', seal('x', 'text', 'x'), '5157F09EFDC096DE15EBE81A47057A7232F1B8E1');
SELECT (build_request('query_payment', pg_temp.pid(30))).headers;
INSERT INTO gateway_secrets (gateway, kind, secret, key_name, valid_from) VALUES ('wechat', 'public_key', seal('x', 'text', 'x'), 'PUB_KEY_ID_0119', now() + interval '1 second'), ('wechat', 'public_key', seal('x', 'text', 'x'), 'PUB_KEY_ID_0118', now());
SELECT (build_request('query_payment', pg_temp.pid(30))).headers;
UPDATE payments SET request_options = '{"amount": {"total": 1, "currency": "CNY"}, "mchid": "2", "appid": "3", "sub_mchid": "4", "out_trade_no": "5", "notify_url": "https://evil.example.com", "detail": {"amount": 1}}' WHERE order_id = 'W-30';
SELECT pg_temp.ask('send_payment', 30);

-- ---------- hostile ids and options ----------

SELECT pg_temp.pay(40, E'a/../b?c=d&e=f#g h%20"\'\\\n\r\t{{api_key}}é😀', 'own', 1, 'EUR', '{"number": "1", "order_id": "2", "amount": 3, "fee": 4, "currency": "XXX", "encrypted_amount": "5", "method": "6", "a\"b\nc": {"amount": [1, "x\"\n&="]}}');
SELECT pg_temp.ask('send_payment', 40);
SELECT pg_temp.ask('query_payment', 40);
SELECT body::jsonb = jsonb_build_object('number', replace(pg_temp.pid(40)::text, '-', ''), 'order_id', p.order_id, 'amount', 1, 'fee', 0, 'currency', 'EUR') || (p.request_options - '{number,order_id,amount,fee,currency,encrypted_amount,method}'::text[]) AS same
FROM payments p, build_request('send_payment', p.payment_id) WHERE p.payment_id = pg_temp.pid(40);
SELECT pg_temp.pay(41, '..', 'own', 1, 'EUR'), pg_temp.pay(42, '.', 'own', 1, 'EUR'), pg_temp.pay(43, '...', 'own', 1, 'EUR'), pg_temp.pay(44, '%2e%2E', 'own', 1, 'EUR');
SELECT pg_temp.ask('send_payment', 41);
SELECT pg_temp.ask('query_payment', 42);
SELECT pg_temp.ask('query_payment', 43);
SELECT pg_temp.ask('query_payment', 44);
SELECT pg_temp.pay(45, E'&amount=1\r\nX: {{api_key}}', 'stripe', 1, 'EUR', '{"amount": 1, "currency": "usd", "metadata": {"number": "x", "order_id": "y", "k&=": "v\n&amount=1"}, "description": "{{api_key}}&currency=usd", "automatic_payment_methods": {"enabled": false}, "statement_descriptor": null}');
SELECT pg_temp.ask('send_payment', 45);
SELECT pg_temp.pay(46, 'S-46', 'stripe', 1, 'EUR', '{"metadata[number]": "x"}'), pg_temp.pay(47, 'S-47', 'stripe', 1, 'EUR', '{"a": [{"b]": 1}]}'), pg_temp.pay(48, 'S-48', 'stripe', 1, 'EUR', '{"metadata": "x"}'), pg_temp.pay(49, 'S-49', 'stripe', 1, 'EUR', '[1]'), pg_temp.pay(50, 'S-50', 'stripe', 1, 'EUR', '{"description": null, "metadata": null}');
SELECT pg_temp.ask('send_payment', 46);
SELECT pg_temp.ask('send_payment', 47);
SELECT pg_temp.ask('send_payment', 48);
SELECT pg_temp.pay(51, 'S-51', 'stripe', 1, 'EUR', '{"": {"amount": 1}}'), pg_temp.pay(52, 'S-52', 'stripe', 1, 'EUR', '{"metadata": {"": "x"}}');
SELECT pg_temp.ask('send_payment', 51);
SELECT pg_temp.ask('send_payment', 52);
SELECT pg_temp.ask('send_payment', 49);
-- a null takes out what the gateway's row has
SELECT pg_temp.ask('send_payment', 50);
SET ROLE regress_request_gateway;
UPDATE payments SET status = 'processing', gateway_reference = '../refunds?x=' WHERE payment_id = pg_temp.pid(45);
UPDATE payments SET status = 'processing', gateway_reference = '..' WHERE payment_id = pg_temp.pid(46);
SELECT pg_temp.ask('query_payment', 45);
SELECT pg_temp.ask('revoke_payment', 46);
RESET ROLE;
SET ROLE regress_request_owner;
-- settings that make no header
UPDATE gateways SET merchant_id = E'acct_1\r\nX-Evil: 1' WHERE gateway = 'connect';
SELECT pg_temp.ask('send_payment', 11);
UPDATE gateways SET merchant_id = '{{api_key}}' WHERE gateway = 'connect';
SELECT pg_temp.ask('send_payment', 11);
UPDATE gateways SET merchant_id = 'é' WHERE gateway = 'connect';
SELECT pg_temp.ask('send_payment', 11);
UPDATE gateways SET merchant_id = 'acct_1' WHERE gateway = 'connect';

-- ---------- refused ----------

SELECT pg_temp.pay(60, 'E-60', 'wechat2', 1, 'CNY'), pg_temp.pay(61, 'E-61', 'hooks', 1, 'EUR'), pg_temp.pay(62, 'E-62', 'nowhere', 1, 'EUR'), pg_temp.pay(63, 'E-63', 'bare', 1, 'CNY'), pg_temp.pay(64, 'E-64', 'bare2', 1, 'CNY'), pg_temp.pay(65, 'E-65', 'cod', 1, 'EUR');
SELECT pg_temp.ask('send_payment', 60);
SELECT pg_temp.ask('send_payment', 61);
SELECT pg_temp.ask('send_payment', 62);
SELECT pg_temp.ask('send_payment', 63);
UPDATE gateways SET merchant_id = '1' WHERE gateway = 'bare';
SELECT pg_temp.ask('send_payment', 63);
UPDATE gateways SET app_id = '1' WHERE gateway = 'bare';
SELECT pg_temp.ask('send_payment', 63);
SELECT pg_temp.ask('send_payment', 64);
SELECT pg_temp.ask('send_payment', 65);
SELECT pg_temp.ask('retry_payment', 1);
SELECT pg_temp.ask('pay', 1);
SELECT pg_temp.ask(NULL, 1);
SELECT pg_temp.ask('send_operation', 1);
SELECT pg_temp.ask('send_operation', 1, 99);
SELECT pg_temp.ask('send_operation', 2, 1);
SELECT pg_temp.ask('send_payment', 99);
SELECT pg_temp.ask('send_payment', NULL);
SELECT build_request('send_payment', pg_temp.pid(1), store => 'pg_catalog');
SELECT build_request('send_payment', pg_temp.pid(1), store => NULL);

-- ---------- signing: where, what, and by whom ----------

CREATE FUNCTION pg_temp.sign(gateway text, method text, url text, headers jsonb, body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN order_payment.sign_request(gateway, ROW (method, url, headers, body)::order_payment.gateway_request, 'requests');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', sqlstate, sqlerrm, detail);
END
$$;
\set headers '\'{"Content-Type": "application/json"}\''
SET ROLE regress_request_gateway;
SELECT pg_temp.sign('own', 'POST', url, :headers, '{}') FROM (VALUES
	(1, 'https://pay.example.com/api/v2/payment/1'), (2, 'https://pay.example.com/api/v2'), (3, 'https://pay.example.com/api/v2?x'),
	(4, 'https://pay.example.com/api/v22'), (5, 'https://pay.example.com/api/'), (6, 'http://pay.example.com/api/v2/x'),
	(7, 'https://pay.example.com/api/v2/../x'), (8, 'https://pay.example.com/api/v2/a/%2E./x'), (9, 'https://pay.example.com/api/v2/.'),
	(10, 'https://pay.example.com/api/v2/a b'), (11, E'https://pay.example.com/api/v2/a\nb'), (12, 'https://pay.example.com/api/v2/é'),
	(13, 'https://pay.example.com/api/v2/#x'), (14, 'https://pay.example.com/api/v2\..'), (15, 'https://pay.example.com/api/v2/{{api_key}}'),
	(16, 'https://pay.example.com.evil.example.com/api/v2/x'), (17, NULL), (18, '')) v (n, url) ORDER BY n;
SELECT pg_temp.sign('stripe', 'POST', 'https://api.stripe.com@evil.example.com/', :headers, '');
SELECT pg_temp.sign('stripe', 'POST', 'https://api.stripe.com.evil.example.com/', :headers, '');
SELECT pg_temp.sign('stripe', 'POST', 'https://api.stripe.com:8443/', :headers, '');
SELECT pg_temp.sign('stripe', method, 'https://api.stripe.com/v1/refunds', headers::jsonb, body) FROM (VALUES
	(1, 'POST', '{}', ''), (2, 'GET', '{}', NULL), (3, 'GET', '{}', ''), (4, 'POST', '{}', NULL), (5, 'PUT', '{}', ''), (6, NULL, '{}', ''), (7, 'POST', NULL, ''), (8, 'POST', '[]', ''),
	(9, 'POST', '{"A": 1}', ''), (10, 'POST', '{"A": null}', ''), (11, 'POST', '{"A\r\nB": "x"}', ''), (12, 'POST', '{"A:": "x"}', ''), (13, 'POST', '{"": "x"}', ''), (14, 'POST', '{"A": "x\r\nB: y"}', ''),
	(15, 'POST', '{"A": "x\ny"}', ''), (16, 'POST', '{"A": " x"}', ''), (17, 'POST', '{"A": "{{api_key}}"}', ''), (18, 'POST', '{"Authorization": "Bearer {{api_key}}"}', ''), (19, 'POST', '{"Authorization": "Bearer {{api_key}} x"}', ''), (20, 'POST', '{"Stripe-Account": "acct_1", "stripe-account": "acct_2"}', ''))
	v (n, method, headers, body) ORDER BY n;
SELECT sign_request('nobody', NULL);
SELECT sign_request('own', NULL);
SELECT sign_request(NULL, NULL);
SELECT sign_request('cod', NULL);
SELECT sign_request('hooks', NULL);
SELECT sign_request('wechat2', NULL);
SELECT pg_temp.sign('alipay', 'GET', 'https://openapi.alipay.com/gateway.do?a=b', '{}', NULL);
SELECT pg_temp.sign('own', 'POST', 'https://pay.example.com/api/v2/payment/1', '{"Idempotency-Key": "a.b"}', '{}');
-- without secrets
SELECT sign_request('nowhere', build_request('query_payment', pg_temp.pid(62)));
RESET ROLE;
SET ROLE regress_request_owner;
UPDATE gateways SET endpoint = 'https://pay.example.com' WHERE gateway = 'nowhere';
SET ROLE regress_request_gateway;
SELECT sign_request('nowhere', build_request('query_payment', pg_temp.pid(62)));
SELECT sign_request('alipay', build_request('query_payment', pg_temp.pid(20)));
SELECT sign_request('wechat', build_request('query_payment', pg_temp.pid(30)));
SELECT (sign_request('stripe', build_request('query_payment', pg_temp.pid(10)))).url;
-- the application sees what would be sent, but signs nothing
SET ROLE regress_request_app;
SELECT (build_request('query_payment', pg_temp.pid(30))).method;
SELECT sign_request('alipay', build_request('query_payment', pg_temp.pid(20)));
SELECT sign_request('wechat', build_request('query_payment', pg_temp.pid(30)));
SELECT sign_request('nowhere', build_request('query_payment', pg_temp.pid(62)));

-- ---------- nothing is written ----------

RESET ROLE;
BEGIN READ ONLY;
SELECT work, count((build_request(work, payment_id, operation_id)).url) FROM open_work
WHERE gateway IN ('own', 'stripe', 'alipay', 'wechat') AND work IN ('send_payment', 'send_operation') AND payment_id = ANY (ARRAY[pg_temp.pid(10), pg_temp.pid(30), pg_temp.pid(31), pg_temp.pid(33), pg_temp.pid(40)])
	AND operation_id IS DISTINCT FROM pg_temp.oid(14)
GROUP BY work ORDER BY work;
COMMIT;

SET client_min_messages = warning;
DROP SCHEMA requests CASCADE;
DROP OWNED BY regress_request_owner;
DROP ROLE regress_request_owner, regress_request_app, regress_request_gateway;
