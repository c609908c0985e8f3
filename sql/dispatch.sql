-- dispatch: requests are claimed once, and settled by what came back: each kind of work, protocol and answer; lost ones are asked for and never sent again; how much at once; copies; what time brings.
-- Needs order_payment.root_key_file in postgresql.conf, and openssl and bash where the test is run.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
DROP SCHEMA IF EXISTS dispatch CASCADE;
CREATE ROLE regress_dispatch_owner;
CREATE ROLE regress_dispatch_app;
CREATE ROLE regress_dispatch_gateway;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
SELECT order_payment.create_card_key() IS NOT NULL AS made;
SELECT order_payment.create_store('dispatch', 'CNY', owner => 'regress_dispatch_owner', app_role => 'regress_dispatch_app', gateway_role => 'regress_dispatch_gateway');
RESET client_min_messages;
SET order_payment.allow_unguarded = on;
SET search_path = dispatch, order_payment;
\set VERBOSITY terse
\pset null '-'
SET ROLE regress_dispatch_owner;
INSERT INTO gateways (gateway, protocol, endpoint, merchant_id, app_id, notify_url, query_schedule, bare_success) VALUES
	('own', 'json', 'https://own.example.com', NULL, NULL, NULL, '{0 s, 0 s, 0 s, 0 s, 0 s, 0 s}', false),
	('bare', 'json', 'https://bare.example.com', NULL, NULL, NULL, '{0 s, 0 s}', true),
	('stripe', 'stripe', NULL, NULL, NULL, NULL, '{0 s, 0 s}', false),
	('alipay', 'alipay', NULL, NULL, '2021000000000001', NULL, '{0 s, 0 s}', false),
	('wechat', 'wechatpay_v3', NULL, '1900000001', 'wx0000000000000001', 'https://shop.example.com/in', '{0 s, 0 s}', false),
	('mute', 'json', 'https://mute.example.com', NULL, NULL, NULL, '{1 h}', false);
\getenv source PG_ABS_SRCDIR
\set directory `mktemp -d`
SELECT replace(card_public_key('pem'), E'\n', '|') AS pem, card_public_key('jwk')::json ->> 'kid' AS kid \gset
\set done `printf %s :'pem' | tr '|' '\n' >:'directory'/card.pem; openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -quiet -out :'directory'/private.pem; openssl pkey -in :'directory'/private.pem -pubout -out :'directory'/public.pem`
\set seal 'bash ' :source '/test/gateway_secret/seal_secret.sh ' :directory '/card.pem ' :kid ' dispatch'
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal own standard_webhook_secret`
SELECT count(set_gateway_secret('own', 'standard_webhook_secret', :'blob'));
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal bare standard_webhook_secret`
SELECT count(set_gateway_secret('bare', 'standard_webhook_secret', :'blob'));
-- one pair of keys is ours and the gateway's: both sides are played here
\set blob `:seal alipay private_key <:'directory'/private.pem`
SELECT count(set_gateway_secret('alipay', 'private_key', :'blob'));
\set blob `:seal alipay public_key <:'directory'/public.pem`
SELECT count(set_gateway_secret('alipay', 'public_key', :'blob'));
\set blob `:seal wechat private_key <:'directory'/private.pem`
SELECT count(set_gateway_secret('wechat', 'private_key', :'blob', key_name => '5157F09EFDC096DE15EBE81A47057A72'));
\set blob `:seal wechat public_key <:'directory'/public.pem`
SELECT count(set_gateway_secret('wechat', 'public_key', :'blob', key_name => 'PUB_KEY_ID_01'));
\set done `rm -r :'directory'`

-- ---------- one trial: a payment or operation is sent, answered, and undone ----------

-- as if requests had been claimed, and settled, some time ago
CREATE FUNCTION pg_temp.pass_time(passed interval) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	UPDATE dispatch.gateway_requests SET claimed_at = claimed_at - passed, settled_at = settled_at - passed, lease_until = lease_until - passed
$$;
CREATE FUNCTION pg_temp.num(id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT replace(id::text, '-', '') $$;
CREATE FUNCTION pg_temp.rsa(message text) RETURNS text LANGUAGE sql AS $$
	SELECT signature FROM order_payment.sign_for_gateway('alipay', 'private_key', convert_to(message, 'UTF8'), 'dispatch')
$$;
CREATE FUNCTION pg_temp.headers(gateway text, body text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE gateway WHEN 'wechat' THEN jsonb_build_object('Wechatpay-Timestamp', t, 'Wechatpay-Nonce', 'n', 'Wechatpay-Serial', 'PUB_KEY_ID_01',
		'Wechatpay-Signature', pg_temp.rsa(concat(t, E'\nn\n', body, E'\n'))) ELSE '{"Content-Type": "application/json"}' END
	FROM CAST(floor(extract(epoch FROM clock_timestamp())) AS text) t
$$;
-- what answers the request of a payment that is under way
CREATE FUNCTION pg_temp.member(payment uuid) RETURNS text LANGUAGE sql AS $$
	SELECT replace((regexp_match(q.body, 'method=([a-z.]+)'))[1], '.', '_') || '_response'
	FROM dispatch.gateway_requests q WHERE q.payment_id = payment AND q.state = 'claimed'
$$;
-- {n}, {p}: the number of what was asked for, and of its payment
CREATE FUNCTION pg_temp.filled(gateway text, body text, payment uuid, operation uuid) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN gateway = 'alipay' AND b LIKE '{%' AND b NOT LIKE '%_response%'
				THEN format('{%s:%s,"sign":"%s"}', to_json(pg_temp.member(payment)), b, pg_temp.rsa(b)) ELSE b END
	FROM replace(replace(body, '{n}', pg_temp.num(coalesce(operation, payment))), '{p}', pg_temp.num(payment)) b
$$;
-- work that waits to be sent: a payment, or an operation of one that has been authorised or captured
CREATE FUNCTION pg_temp.prepare(kind text, gateway text, OUT o bigint, OUT p uuid, OUT r uuid) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO dispatch.orders (customer_id, price) VALUES (1, 10) RETURNING order_id INTO o;
	INSERT INTO dispatch.payments (order_id, gateway, amount) VALUES (o, gateway, 10) RETURNING payment_id INTO p;
	IF kind NOT IN ('payment', 'revoke') THEN
		UPDATE dispatch.payments SET status = CASE kind WHEN 'refund' THEN 'succeeded' ELSE 'authorized' END::order_payment.payment_status,
			gateway_reference = 'pi_' || pg_temp.num(p) WHERE order_id = o;
		INSERT INTO dispatch.payment_operations (order_id, payment_id, kind, amount) VALUES (o, p, kind, CASE kind WHEN 'refund' THEN 4 ELSE 10 END)
			RETURNING operation_id INTO r;
	ELSIF kind = 'revoke' THEN
		UPDATE dispatch.payments SET status = 'requires_action' WHERE order_id = o;
		UPDATE dispatch.orders SET status = 'cancelled' WHERE order_id = o;
	END IF;
END
$$;
CREATE FUNCTION pg_temp.state(order_ bigint, payment uuid, operation uuid) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', s.status, s.failure_class, s.failure_code, CASE WHEN s.retry_at IS NULL THEN NULL WHEN isfinite(s.retry_at) THEN 'retry in ' || round(extract(epoch FROM s.retry_at - clock_timestamp()) / 60) || ' min' ELSE 'retry never' END, s.next_action)
	FROM (SELECT p.status::text, p.failure_class, p.failure_code, p.retry_at, p.next_action FROM dispatch.payments p WHERE p.payment_id = payment AND operation IS NULL
		  UNION ALL
		  SELECT r.status::text, r.failure_class, r.failure_code, r.retry_at, NULL FROM dispatch.payment_operations r WHERE r.operation_id = operation) s
$$;
-- sends it; loses the answer, if it is to be queried; settles by the answer; tells, and undoes all
CREATE FUNCTION pg_temp.trial(kind text, gateway text, answer text, http_status integer, is_query boolean DEFAULT false, headers jsonb DEFAULT NULL,
							  OUT work text, OUT outcome text, OUT becomes text, OUT reason text) LANGUAGE plpgsql AS $$
DECLARE
	target record;
	request order_payment.claimed_request;
	body text;
BEGIN
	BEGIN
		target := pg_temp.prepare(kind, gateway);
		SELECT * INTO STRICT request FROM order_payment.claim_requests(store => 'dispatch');
		IF is_query THEN
			PERFORM order_payment.settle_request(request.order_id, request.request_id, 'lost', store => 'dispatch');
			PERFORM pg_temp.pass_time(interval '1 minute');
			SELECT * INTO STRICT request FROM order_payment.claim_requests(store => 'dispatch');
		END IF;
		work := request.work;
		body := pg_temp.filled(gateway, answer, target.p, target.r);
		outcome := order_payment.settle_request(request.order_id, request.request_id, 'answered', http_status,
			coalesce(headers, pg_temp.headers(gateway, body)), convert_to(body, 'UTF8'), store => 'dispatch');
		becomes := pg_temp.state(target.o, target.p, target.r);
		SELECT q.reason INTO reason FROM dispatch.gateway_requests q WHERE q.request_id = request.request_id;
		RAISE EXCEPTION USING ERRCODE = 'OP999';
	EXCEPTION WHEN SQLSTATE 'OP999' THEN
		reason := regexp_replace(reason, '[0-9a-f]{32}', '<number>', 'g');
	END;
END
$$;

SET ROLE regress_dispatch_gateway;

-- ---------- claiming ----------

SELECT o, p, r FROM pg_temp.prepare('payment', 'own') \gset first_
SELECT c.gateway, c.work, c.payment_id = :'first_p' AS it, c.operation_id, c.method, replace(c.url, :'first_o', '<order>') AS url,
	c.headers ->> 'webhook-id' = pg_temp.num(c.payment_id) AND c.headers ->> 'Idempotency-Key' = pg_temp.num(c.payment_id) AS keyed,
	c.headers ->> 'webhook-signature' = 'v1,' || (sign_for_gateway('own', 'standard_webhook_secret',
		convert_to(format('%s.%s.%s', c.headers ->> 'webhook-id', c.headers ->> 'webhook-timestamp', c.body), 'UTF8'), 'dispatch')).signature AS signed,
	c.body::jsonb ->> 'amount' AS amount, c.timeout, c.has_card
FROM claim_requests(sender => 'one') c;
SELECT p.status, r.state, r.work, r.claimed_by, r.lease_until - r.claimed_at BETWEEN '59 s' AND '61 s' AS leased, r.headers ? 'webhook-signature' AS signed, r.body::jsonb ->> 'amount' AS amount, r.settled_at, r.outcome
FROM payments p JOIN gateway_requests r USING (order_id, payment_id) WHERE order_id = :first_o;
-- a second call finds nothing, and one that is undone leaves nothing
SELECT count(*) FROM claim_requests();
SELECT o FROM pg_temp.prepare('refund', 'own') \gset undone_
BEGIN;
SELECT work FROM claim_requests();
ROLLBACK;
SELECT r.status, (SELECT count(*) FROM gateway_requests q WHERE q.order_id = r.order_id) AS requests FROM payment_operations r WHERE order_id = :undone_o;
SELECT order_id AS o, request_id AS q FROM claim_requests() \gset undone_
SELECT settle_request(:'undone_o', :'undone_q', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}');
-- what signs a request is for its sender, and is not written down: also where it stands in the body
SELECT o FROM pg_temp.prepare('payment', 'alipay') \gset signed_
SELECT request_id AS q, body ~ '&sign=[^&]{200}' AS signed FROM claim_requests() \gset signed_
SELECT :'signed_signed' AS signed, body ~ '&sign=' AS written FROM gateway_requests WHERE request_id = :'signed_q';
SELECT settle_request(:'signed_o', :'signed_q', 'not_sent');
-- settled: what it says is done by the gateway, and written as that
SELECT request_id AS q FROM gateway_requests WHERE order_id = :first_o \gset first_
SELECT settle_request(:'first_o', :'first_q', 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00","currency":"CNY","reference":"r1","fee":"0.30"}');
SELECT o.status, o.paid_amount, p.status, p.gateway_reference, p.fee, p.occurred_at IS NOT NULL AS dated FROM orders o JOIN payments p USING (order_id) WHERE order_id = :first_o;
SELECT entity, to_status, actor, regexp_replace(reason, '[0-9a-f-]{36}', '<id>') AS reason FROM order_timeline(:first_o) WHERE actor LIKE 'gateway%' ORDER BY version;
SELECT state, outcome, reason, http_status, reply FROM gateway_requests WHERE order_id = :first_o;
-- settled again: the same is known, and what is no answer comes too late; neither takes the place of what was written
SELECT settle_request(:'first_o', :'first_q', 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00","currency":"CNY","reference":"r1"}'),
	settle_request(:'first_o', :'first_q', 'lost'), settle_request(:'first_o', :'first_q', 'not_sent'),
	settle_request(:'first_o', :'first_q', 'answered', 402, '{}', '{"status":"failed","failure_class":"hard_decline"}'),
	settle_request(:'first_o', :'first_q', 'answered', 500);
SELECT o.status, p.status, r.state, r.outcome FROM orders o JOIN payments p USING (order_id) JOIN gateway_requests r USING (order_id) WHERE order_id = :first_o;

-- what is wrong with the call
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT settle_request(:'first_o', '00000000-0000-7000-8000-000000000001', 'lost');
\set VERBOSITY sqlstate
SELECT settle_request(:'first_o', NULL, 'lost');
SELECT settle_request(NULL, :'first_q', 'lost');
SELECT settle_request('x', :'first_q', 'lost');
SELECT settle_request(:'first_o', :'first_q', NULL);
SELECT settle_request(:'first_o', :'first_q', 'claimed');
SELECT settle_request(:'first_o', :'first_q', 'answered');
SELECT settle_request(:'first_o', :'first_q', 'lost', 200);
SELECT settle_request(:'first_o', :'first_q', 'answered', 0);
SELECT settle_request(:'first_o', :'first_q', 'answered', 1000);
SELECT settle_request(:'first_o', :'first_q', 'lost', store => 'nowhere');
SELECT claim_requests(0);
SELECT claim_requests(NULL);
SELECT claim_requests(store => 'nowhere');
SELECT do_due_work(0);
\set VERBOSITY terse
-- an application neither claims nor settles
RESET ROLE;
SET ROLE regress_dispatch_app;
SELECT count(state) > 0 AS states_are_seen FROM gateway_requests;
SELECT count(headers) FROM gateway_requests;
SELECT count(body) FROM gateway_requests;
SELECT count(reply) FROM gateway_requests;
SELECT claim_requests();
SELECT settle_request(:'first_o', :'first_q', 'lost');
SELECT resume_sending();
SELECT gateway, in_flight FROM gateway_worker_status WHERE gateway = 'own';
RESET ROLE;
SET ROLE regress_dispatch_gateway;

-- ---------- answers: protocol json ----------

SELECT t.http_status, t.answer, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 200, '{"number":"{n}","status":"succeeded","amount":"10.00","currency":"CNY"}'), (2, 200, '{"status":"succeeded","amount":10}'),
	(3, 202, '{"status":"processing"}'), (4, 200, '{"status":"requires_action","next_action":{"url":"https://x"}}'), (5, 200, '{"status":"authorized","amount":"10.00"}'),
	(6, 402, '{"status":"failed","failure_class":"soft_decline","failure_code":"insufficient_funds"}'), (7, 200, '{"status":"failed","failure_class":"hard_decline","failure_code":"stolen"}'),
	(8, 200, ''), (9, 204, ''), (10, 200, '{}'), (11, 200, '{"number":"00000000000070008000000000000001","status":"succeeded","amount":"10.00"}'),
	(12, 200, '{"status":"succeeded","amount":"10.01"}'), (13, 200, '{"status":"succeeded","amount":"10.00","currency":"USD"}'),
	(14, 200, '{"entity":"refund","status":"succeeded","amount":"10.00","reference":"x"}'), (15, 200, '{"entity":"chargeback","status":"succeeded","amount":"10.00","reference":"x"}'),
	(16, 200, '{"status":"marvellous"}'), (17, 200, '{"status":"created"}'), (18, 200, '{"status":7}'), (19, 200, '[1]'), (20, 200, 'null'), (21, 200, '"succeeded"'), (22, 200, '<html>paid</html>'),
	(23, 200, '{"status":"succeeded","status":"failed"'), (24, 200, '{"status":"succeeded","amount":1e400}'), (25, 200, '{"status":"succeeded","amount":"NaN"}'), (26, 200, '{"status":"succeeded\u0000"}'),
	(27, 100, ''), (28, 301, ''), (29, 302, '{"status":"succeeded","amount":"10.00"}'), (30, 304, ''), (31, 400, '{"failure_code":"bad_request","failure_message":"no"}'), (32, 401, ''),
	(33, 404, '{"title":"Not Found","status":404}'), (34, 404, '<html>'), (35, 408, ''), (36, 409, '{"title":"Conflict","status":409}'), (37, 425, ''), (38, 429, ''), (39, 429, '<html>slow down</html>'),
	(40, 500, ''), (41, 502, '<html>'), (42, 503, '{"status":"failed"}'), (43, 500, '{"status":"succeeded","amount":"10.00"}'), (44, 999, '')) t (n, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial('payment', 'own', t.answer, t.http_status) x ORDER BY t.n;
-- whatever it is, it is an answer, and the outcome is unknown
SELECT t.n, x.outcome, x.becomes, left(x.reason, 6) AS reason
FROM (VALUES (1, repeat('[', 100000)), (2, repeat('{"a":', 100000)), (3, '{"status":"succeeded","amount":"' || repeat('9', 100000) || '"}'), (4, '{"status":"succeeded","reference":"' || repeat('r', 100000) || '","amount":"11"}'),
	(5, '{"status":"failed","failure_message":"' || repeat('m', 100000) || '","failure_class":"none"}'), (6, '{"status":"succeeded","amount":"-10.00"}'), (7, '{"status":"succeeded","amount":["10.00"]}'), (8, '{"status":"succeeded","captured":"0","amount":"10.00"}'),
	(9, '{"status":"succeeded","captured":"11","amount":"10.00"}'), (10, '{"status":"succeeded","refunded":"5","amount":"10.00"}'), (11, '{"status":"succeeded","occurred_at":"yesterday or so"}')) t (n, answer)
CROSS JOIN LATERAL pg_temp.trial('payment', 'own', t.answer, 200) x ORDER BY t.n;
BEGIN;
SELECT settle.* FROM (SELECT o, p FROM pg_temp.prepare('payment', 'own')) t, LATERAL claim_requests() c, LATERAL settle_request(c.order_id, c.request_id, 'answered', 200, '{}', '\xff00fe') settle;
ROLLBACK;
-- an empty 200 is a success only where the row of the gateway says so, and only for a payment
SELECT t.kind, t.http_status, t.answer, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'payment', 200, ''), (2, 'payment', 200, E' \r\n'), (3, 'payment', 201, ''), (4, 'payment', 200, '{}'), (5, 'refund', 200, ''), (6, 'payment', 500, '')) t (n, kind, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'bare', t.answer, t.http_status) x ORDER BY t.n;
SELECT t.kind, t.http_status, t.answer, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'capture', 200, '{"status":"succeeded","amount":"10.00"}'), (2, 'capture', 200, '{"status":"succeeded","amount":"9.00"}'), (3, 'capture', 402, '{"status":"failed","failure_class":"hard_decline"}'), (4, 'capture', 404, ''),
	(5, 'void', 200, '{"status":"succeeded"}'), (6, 'void', 409, ''), (7, 'refund', 200, '{"status":"succeeded","number":"{n}","payment_number":"{p}","amount":"4.00","reference":"rf"}'), (8, 'refund', 202, '{"status":"processing"}'),
	(9, 'refund', 402, '{"status":"failed","failure_class":"soft_decline","failure_code":"balance"}'), (10, 'refund', 429, ''), (11, 'refund', 200, '{"status":"succeeded","number":"{p}","amount":"4.00"}'),
	(12, 'refund', 200, '{"status":"succeeded","payment_number":"{n}","amount":"4.00"}'), (13, 'refund', 200, '{"status":"reversed","amount":"4.00"}'), (14, 'refund', 200, '{"status":"cancelled"}'), (15, 'refund', 200, '{"entity":"capture","status":"succeeded","amount":"4.00"}'),
	(16, 'revoke', 200, '{"status":"revoked"}'), (17, 'revoke', 200, '{"status":"succeeded","amount":"10.00"}'), (18, 'revoke', 204, ''), (19, 'revoke', 409, ''), (20, 'revoke', 404, '')) t (n, kind, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'own', t.answer, t.http_status) x ORDER BY t.n;
-- the same, asked for after the answer was lost
SELECT t.kind, t.http_status, t.answer, x.work, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'payment', 200, '{"status":"succeeded","amount":"10.00"}'), (2, 'payment', 200, '{"status":"failed","failure_class":"soft_decline"}'), (3, 'payment', 404, ''), (4, 'payment', 404, '{"title":"Not Found","status":404}'), (5, 'payment', 404, '<html>'),
	(6, 'payment', 200, '{"status":"processing"}'), (7, 'payment', 200, '{"status":"unknown"}'), (8, 'payment', 200, ''), (9, 'payment', 400, ''), (10, 'payment', 503, ''), (11, 'payment', 429, ''),
	(12, 'refund', 200, '{"status":"succeeded","amount":"4.00"}'), (13, 'refund', 200, '{"status":"failed","failure_class":"other"}'), (14, 'refund', 404, ''), (15, 'refund', 200, '{"status":"processing"}'), (16, 'refund', 403, ''),
	(17, 'capture', 200, '{"status":"succeeded","amount":"10.00"}'), (18, 'capture', 404, ''), (19, 'void', 200, '{"status":"succeeded"}'), (20, 'void', 404, ''), (21, 'payment', 404, '{"status":"not_found"}'), (22, 'payment', 404, '{"status":"failed"}')) t (n, kind, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'own', t.answer, t.http_status, true) x ORDER BY t.n;

-- ---------- answers: Stripe ----------

\set intent '"object":"payment_intent","id":"pi_1","amount":1000,"currency":"cny","metadata":{"number":"{p}"}'
SELECT t.kind, t.http_status, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'payment', 200, '{' || :'intent' || ',"status":"succeeded","amount_received":1000}'), (2, 'payment', 200, '{' || :'intent' || ',"status":"requires_action","client_secret":"s"}'), (3, 'payment', 200, '{' || :'intent' || ',"status":"processing"}'),
	(4, 'payment', 200, '{' || :'intent' || ',"status":"requires_capture"}'), (5, 'payment', 402, '{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card","message":"no","payment_intent":{' || :'intent' || ',"status":"requires_payment_method","last_payment_error":{"decline_code":"lost_card"}}}}'),
	(6, 'payment', 402, '{"error":{"type":"card_error","code":"card_declined"}}'), (7, 'payment', 400, '{"error":{"type":"invalid_request_error","code":"parameter_missing","message":"m"}}'), (8, 'payment', 401, '{"error":{"message":"Invalid API Key"}}'),
	(9, 'payment', 409, '{"error":{"type":"idempotency_error"}}'), (10, 'payment', 429, '{"error":{"code":"rate_limit"}}'), (11, 'payment', 500, '{"error":{"type":"api_error"}}'), (12, 'payment', 200, '{}'), (13, 'payment', 200, ''),
	(14, 'payment', 200, '{' || :'intent' || ',"status":"resting"}'), (15, 'payment', 200, replace('{' || :'intent' || ',"status":"succeeded","amount_received":1000}', '"amount":1000', '"amount":1001')),
	(16, 'payment', 200, replace('{' || :'intent' || ',"status":"succeeded"}', '"number":"{p}"', '"number":"0000"')), (17, 'payment', 200, '{"object":"dispute","id":"dp_1","payment_intent":"pi_1","amount":1000,"currency":"cny","status":"lost"}'),
	(18, 'refund', 200, '{"object":"refund","id":"re_1","amount":400,"currency":"cny","status":"succeeded","metadata":{"number":"{n}"}}'), (19, 'refund', 200, '{"object":"refund","id":"re_1","amount":400,"currency":"cny","status":"pending"}'),
	(20, 'refund', 200, '{"object":"refund","id":"re_1","amount":400,"currency":"cny","status":"failed","failure_reason":"lost_or_stolen_card"}'), (21, 'refund', 400, '{"error":{"code":"charge_already_refunded"}}'), (22, 'refund', 200, '{"object":"refund","id":"re_1","amount":500,"currency":"cny","status":"succeeded"}'),
	(23, 'capture', 200, '{' || replace(:'intent', 'pi_1', 'pi_{p}') || ',"status":"succeeded","amount_received":1000,"capture_method":"manual"}')) t (n, kind, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'stripe', t.answer, t.http_status) x ORDER BY t.n;
SELECT t.kind, t.http_status, x.work, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'payment', 200, '{"object":"search_result","data":[],"has_more":false}'), (2, 'payment', 200, '{"object":"search_result","data":[{' || :'intent' || ',"status":"succeeded","amount_received":1000}]}'),
	(3, 'payment', 200, '{"object":"search_result","data":[{"object":"payment_intent","id":"pi_9","metadata":{"number":"other"},"status":"succeeded"}]}'),
	(4, 'refund', 200, '{"object":"list","data":[{"object":"refund","id":"re_1","amount":400,"currency":"cny","status":"succeeded","metadata":{"number":"{n}"}}],"has_more":false}'),
	(5, 'refund', 200, '{"object":"list","data":[],"has_more":false}'), (6, 'refund', 200, '{"object":"list","data":[],"has_more":true}'),
	(7, 'capture', 200, '{' || replace(:'intent', 'pi_1', 'pi_{p}') || ',"status":"requires_capture"}'), (8, 'capture', 200, '{' || replace(:'intent', 'pi_1', 'pi_{p}') || ',"status":"succeeded","amount_received":1000,"capture_method":"manual"}'),
	(9, 'capture', 200, '{' || replace(:'intent', 'pi_1', 'pi_{p}') || ',"status":"canceled"}'), (10, 'void', 200, '{' || replace(:'intent', 'pi_1', 'pi_{p}') || ',"status":"canceled"}'),
	(11, 'void', 200, '{' || replace(:'intent', 'pi_1', 'pi_{p}') || ',"status":"requires_capture"}'), (12, 'void', 200, '{' || replace(:'intent', 'pi_1', 'pi_{p}') || ',"status":"succeeded","amount_received":1000,"capture_method":"manual"}'),
	(13, 'capture', 404, '{"error":{"code":"resource_missing"}}')) t (n, kind, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'stripe', t.answer, t.http_status, true) x ORDER BY t.n;

-- ---------- answers: Alipay ----------

\set trade '"code":"10000","out_trade_no":"{p}","trade_no":"2026"'
SELECT t.kind, t.http_status, t.answer, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'payment', 200, '{"code":"10000","out_trade_no":"{p}","qr_code":"https://qr"}'), (2, 'payment', 200, '{' || :'trade' || ',"total_amount":"10.00"}'), (3, 'payment', 200, '{' || :'trade' || ',"total_amount":"9.99"}'), (4, 'payment', 200, '{' || :'trade' || '}'),
	(5, 'payment', 200, '{"code":"10003","out_trade_no":"{p}","trade_no":"2026"}'), (6, 'payment', 200, '{"code":"20000","sub_code":"aop.unknow-error"}'), (7, 'payment', 200, '{"code":"40004","sub_code":"ACQ.SYSTEM_ERROR"}'),
	(8, 'payment', 200, '{"code":"40004","sub_code":"ACQ.BUYER_BALANCE_NOT_ENOUGH","sub_msg":"no"}'), (9, 'payment', 200, '{"code":"40004","sub_code":"ACQ.TRADE_HAS_SUCCESS"}'), (10, 'payment', 200, '{}'), (11, 'payment', 200, ''), (12, 'payment', 500, ''), (13, 'payment', 502, '<html>'),
	(14, 'payment', 200, '{"code":"10000","out_trade_no":"0000","qr_code":"https://qr"}'),
	-- not signed, or not by them
	(15, 'payment', 200, '{"alipay_trade_precreate_response":{"code":"10000","out_trade_no":"{p}","qr_code":"https://qr"}}'), (16, 'payment', 200, '{"alipay_trade_precreate_response":{"code":"10000"},"sign":"AAAA"}'),
	(17, 'payment', 200, '{"error_response":{"code":"40002","sub_code":"isv.invalid-signature"}}'),
	(18, 'refund', 200, '{' || :'trade' || ',"fund_change":"Y","refund_fee":"4.00"}'), (19, 'refund', 200, '{' || :'trade' || ',"fund_change":"N","refund_fee":"4.00"}'), (20, 'refund', 200, '{' || :'trade' || '}'),
	(21, 'refund', 200, '{"code":"40004","sub_code":"ACQ.SELLER_BALANCE_NOT_ENOUGH"}'), (22, 'refund', 200, '{"code":"40004","sub_code":"ACQ.REASON_TRADE_REFUND_FEE_ERR"}'), (23, 'refund', 200, '{"code":"20000","sub_code":"ACQ.SYSTEM_ERROR"}'),
	(24, 'revoke', 200, '{"code":"10000","out_trade_no":"{p}"}'), (25, 'revoke', 200, '{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}'), (26, 'revoke', 200, '{"code":"40004","sub_code":"ACQ.TRADE_STATUS_ERROR"}')) t (n, kind, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'alipay', replace(t.answer, '"2026"', CASE t.kind WHEN 'refund' THEN '"pi_{p}"' ELSE '"2026"' END), t.http_status) x ORDER BY t.n;
SELECT t.kind, t.answer, x.work, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'payment', '{' || :'trade' || ',"trade_status":"TRADE_SUCCESS","total_amount":"10.00"}'), (2, 'payment', '{' || :'trade' || ',"trade_status":"WAIT_BUYER_PAY","total_amount":"10.00"}'), (3, 'payment', '{' || :'trade' || ',"trade_status":"TRADE_CLOSED","total_amount":"10.00"}'),
	(4, 'payment', '{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}'), (5, 'payment', '{"code":"20000"}'), (6, 'payment', '{' || :'trade' || ',"trade_status":"TRADE_SUCCESS","total_amount":"1.00"}'),
	(7, 'refund', '{' || :'trade' || ',"out_request_no":"{n}","refund_amount":"4.00","refund_status":"REFUND_SUCCESS"}'), (8, 'refund', '{"code":"10000"}'), (9, 'refund', '{' || :'trade' || ',"out_request_no":"{n}","refund_amount":"4.00"}'),
	(10, 'refund', '{' || :'trade' || ',"out_request_no":"other","refund_amount":"4.00","refund_status":"REFUND_SUCCESS"}')) t (n, kind, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'alipay', replace(t.answer, '"trade_no":"2026"', CASE t.kind WHEN 'refund' THEN '"trade_no":"pi_{p}"' ELSE '"trade_no":"2026"' END), 200, true) x ORDER BY t.n;

-- an answer to another method, which the signature does not tell
SELECT x.outcome, x.becomes FROM (VALUES ('{"code":"10000","qr_code":"https://qr"}')) v (a),
	LATERAL pg_temp.trial('payment', 'alipay', format('{"alipay_trade_query_response":%1$s,"sign":"%2$s"}', a, pg_temp.rsa(a)), 200) x;

-- ---------- answers: WeChat Pay ----------

\set deal '"appid":"wx0000000000000001","mchid":"1900000001","out_trade_no":"{p}","transaction_id":"42","amount":{"total":1000,"currency":"CNY"}'
\set refund '"refund_id":"50","out_refund_no":"{n}","transaction_id":"pi_{p}","out_trade_no":"{p}","amount":{"total":1000,"refund":400,"currency":"CNY"}'
SELECT t.kind, t.http_status, t.answer, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'payment', 200, '{"code_url":"weixin://x"}'), (2, 'payment', 200, '{"prepay_id":"wx2026"}'), (3, 'payment', 200, '{}'), (4, 'payment', 200, ''), (5, 'payment', 400, '{"code":"PARAM_ERROR","message":"m"}'), (6, 'payment', 401, '{"code":"SIGN_ERROR"}'),
	(7, 'payment', 429, '{"code":"FREQUENCY_LIMITED"}'), (8, 'payment', 500, '{"code":"SYSTEM_ERROR"}'), (9, 'payment', 400, '{"code":"ORDERPAID"}'), (10, 'payment', 502, '<html>'),
	(11, 'refund', 200, '{' || :'refund' || ',"status":"SUCCESS"}'), (12, 'refund', 200, '{' || :'refund' || ',"status":"PROCESSING"}'), (13, 'refund', 200, '{' || :'refund' || ',"status":"ABNORMAL"}'), (14, 'refund', 403, '{"code":"NOT_ENOUGH","message":"m"}'), (15, 'refund', 404, '{"code":"RESOURCE_NOT_EXISTS"}'),
	(16, 'refund', 200, replace('{' || :'refund' || ',"status":"SUCCESS"}', '400', '500')),
	(17, 'revoke', 204, ''), (18, 'revoke', 400, '{"code":"ORDERPAID"}'), (19, 'revoke', 404, '{"code":"ORDER_NOT_EXIST"}')) t (n, kind, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'wechat', t.answer, t.http_status) x ORDER BY t.n;
SELECT t.kind, t.http_status, t.answer, x.work, x.outcome, x.becomes, x.reason
FROM (VALUES (1, 'payment', 200, '{' || :'deal' || ',"trade_state":"SUCCESS"}'), (2, 'payment', 200, '{' || :'deal' || ',"trade_state":"NOTPAY"}'), (3, 'payment', 200, '{' || :'deal' || ',"trade_state":"CLOSED"}'), (4, 'payment', 200, '{' || :'deal' || ',"trade_state":"PAYERROR","trade_state_desc":"d"}'),
	(5, 'payment', 404, '{"code":"ORDER_NOT_EXIST"}'), (6, 'payment', 200, replace('{' || :'deal' || ',"trade_state":"SUCCESS"}', '"1900000001"', '"1900000002"')), (7, 'payment', 200, replace('{' || :'deal' || ',"trade_state":"SUCCESS"}', '"CNY"', '"USD"')),
	(8, 'refund', 200, '{' || :'refund' || ',"status":"SUCCESS"}'), (9, 'refund', 404, '{"code":"RESOURCE_NOT_EXISTS"}'), (10, 'refund', 404, '<html>')) t (n, kind, http_status, answer)
CROSS JOIN LATERAL pg_temp.trial(t.kind, 'wechat', t.answer, t.http_status, true) x ORDER BY t.n;
-- signed by somebody else, or not at all: a success is none, and a failure leaves it open to be asked for
SELECT x.* FROM (VALUES (1, 200, '{}'::jsonb), (2, 200, '[]'), (3, 200, 'null'), (4, 200, '{"Wechatpay-Signature":"AAAA"}'), (5, 200, pg_temp.headers('wechat', 'another body'))) t (n, http_status, headers)
CROSS JOIN LATERAL pg_temp.trial('payment', 'wechat', '{"code_url":"weixin://x"}', t.http_status, false, t.headers) x ORDER BY t.n;

-- ---------- a lost answer: never sent again, only asked for ----------

SELECT o, p FROM pg_temp.prepare('payment', 'own') \gset
CREATE TEMP VIEW log AS SELECT order_id AS o, work, state, outcome, reason FROM dispatch.gateway_requests ORDER BY claimed_at;
CREATE FUNCTION pg_temp.claimed(OUT work text, OUT q uuid, OUT o bigint) LANGUAGE sql AS $$ SELECT work, request_id, order_id::bigint FROM order_payment.claim_requests(1, store => 'dispatch') $$;
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'lost', problem => 'no answer in 30 s');
-- the gateway knows nothing of it: it may yet come to it
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', NULL);
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'not_sent', problem => 'refused'), pg_temp.state(:o, :'p', NULL);
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 503), pg_temp.state(:o, :'p', NULL);
SELECT pg_temp.pass_time(interval '1 minute');
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', NULL);
SELECT count(*) AS more FROM claim_requests();
-- and success after all, by the answer that was lost
SELECT request_id AS q FROM gateway_requests WHERE order_id = :o AND work = 'send_payment' \gset
SELECT settle_request(:'o', :'q', 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00"}'), pg_temp.state(:o, :'p', NULL);
SELECT work, state, outcome, reason FROM log WHERE o = :o;
-- the schedule of queries comes to its end
SELECT o, p FROM pg_temp.prepare('payment', 'bare') \gset
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'lost');
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'lost');
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'lost');
SELECT count(*) AS more FROM claim_requests();
-- until a notification tells
SELECT signature AS sig, t FROM (SELECT floor(extract(epoch FROM clock_timestamp()))::text AS t) x,
	sign_for_gateway('bare', 'standard_webhook_secret', convert_to('m1.' || t || '.{"number":"' || pg_temp.num(:'p') || '","status":"succeeded","amount":"10.00","currency":"CNY"}', 'UTF8')) \gset
SELECT outcome FROM apply_notification('bare', jsonb_build_object('webhook-id', 'm1', 'webhook-timestamp', :'t', 'webhook-signature', 'v1,' || :'sig'),
	convert_to('{"number":"' || pg_temp.num(:'p') || '","status":"succeeded","amount":"10.00","currency":"CNY"}', 'UTF8'));
-- an answer that then comes late is known, or news that is refused
SELECT settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', NULL);

-- a lease that ends: lost, and the answer that comes yet is taken
SELECT o, p, r FROM pg_temp.prepare('refund', 'own') \gset
SELECT q FROM pg_temp.claimed() \gset
SELECT pg_temp.pass_time(interval '2 minutes');
SELECT work FROM claim_requests();
SELECT work, state, outcome, reason FROM log WHERE o = :o;
SELECT pg_temp.state(:o, :'p', :'r'), settle_request(:'o', :'q', 'not_sent'), settle_request(:'o', :'q', 'lost'),
	settle_request(:'o', :'q', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}');
SELECT pg_temp.state(:o, :'p', :'r');
SELECT request_id AS q FROM gateway_requests WHERE order_id = :o AND state = 'claimed' \gset
SELECT settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', :'r');

-- a refund that failed is sent again, as the same; what is said of the time before does not end the new one
SELECT o, p, r FROM pg_temp.prepare('refund', 'own') \gset
SELECT q AS q1 FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q1', 'answered', 402, '{}', '{"status":"failed","failure_class":"soft_decline"}'), pg_temp.state(:o, :'p', :'r');
SELECT count(*) AS too_early FROM claim_requests();
UPDATE payment_operations SET retry_at = now() WHERE operation_id = :'r';
SELECT request_id AS q2, work, headers ->> 'Idempotency-Key' = pg_temp.num(:'r') || '-2' AS next_key, body::jsonb ->> 'number' = pg_temp.num(:'r') AS same_number FROM claim_requests() \gset
SELECT :'work' AS work, :'next_key' AS next_key, :'same_number' AS same_number;
SELECT settle_request(:'o', :'q1', 'answered', 402, '{}', '{"status":"failed","failure_class":"soft_decline"}') AS told, settle_request(:'o', :'q1', 'answered', 400) AS refused,
	settle_request(:'o', :'q1', 'answered', 429) AS not_done, settle_request(:'o', :'q1', 'answered', 500) AS unclear;
SELECT status, attempt_no, retry_at FROM payment_operations WHERE operation_id = :'r';
SELECT count(*) AS more FROM claim_requests();
SELECT settle_request(:'o', :'q2', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}'), pg_temp.state(:o, :'p', :'r');
-- nor does a query of before know of it
SELECT o, p, r FROM pg_temp.prepare('refund', 'own') \gset
SELECT q AS q1 FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q1', 'lost'), pg_temp.pass_time(interval '1 minute');
SELECT q AS asked, work FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'asked', 'lost'), pg_temp.pass_time(interval '1 minute');
SELECT q AS asked2, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'asked2', 'answered', 404), pg_temp.state(:o, :'p', :'r');
UPDATE payment_operations SET retry_at = now() WHERE operation_id = :'r';
SELECT q AS q2, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'asked', 'answered', 404), pg_temp.state(:o, :'p', :'r');
SELECT settle_request(:'o', :'q2', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}'), pg_temp.state(:o, :'p', :'r');

-- what did not arrive is sent again by the same key, should it arrive yet; what was refused by a new one
SELECT o, p, r FROM pg_temp.prepare('refund', 'own') \gset
SELECT request_id AS q, headers ->> 'Idempotency-Key' = pg_temp.num(:'r') AS is_number FROM claim_requests() \gset
SELECT :'is_number' AS is_number, settle_request(:'o', :'q', 'not_sent', problem => 'connection refused'), pg_temp.state(:o, :'p', :'r');
UPDATE payment_operations SET retry_at = now() WHERE operation_id = :'r';
SELECT request_id AS q, headers ->> 'Idempotency-Key' = pg_temp.num(:'r') AS is_number FROM claim_requests() \gset
SELECT :'is_number' AS is_number, settle_request(:'o', :'q', 'not_sent', problem => 'connection refused'), pg_temp.state(:o, :'p', :'r');
UPDATE payment_operations SET retry_at = now() WHERE operation_id = :'r';
SELECT request_id AS q, headers ->> 'Idempotency-Key' = pg_temp.num(:'r') AS is_number FROM claim_requests() \gset
SELECT :'is_number' AS is_number, settle_request(:'o', :'q', 'answered', 402, '{}', '{"status":"failed","failure_class":"soft_decline"}'), pg_temp.state(:o, :'p', :'r');
UPDATE payment_operations SET retry_at = now() WHERE operation_id = :'r';
SELECT request_id AS q, headers ->> 'Idempotency-Key' = pg_temp.num(:'r') || '-2' AS is_second FROM claim_requests() \gset
SELECT :'is_second' AS is_second, settle_request(:'o', :'q', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}'), attempt_no
FROM payment_operations WHERE operation_id = :'r';

-- what could not be made was not sent: it takes nothing from the schedule of retries
SELECT o, p, r FROM pg_temp.prepare('refund', 'own') \gset
INSERT INTO gateway_requests (order_id, gateway, work, payment_id, operation_id, state, claimed_by, timeline, claimed_at, lease_until, settled_at)
SELECT :o, 'own', 'send_operation', :'p', :'r', 'refused', 'me', 1, now() - interval '1 hour', now(), now() - interval '1 hour' FROM generate_series(1, 8);
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'not_sent'), pg_temp.state(:o, :'p', :'r');
-- nor does it begin anew when old requests are deleted
SELECT o, p, r FROM pg_temp.prepare('refund', 'own') \gset
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'answered', 402, '{}', '{"status":"failed","failure_class":"soft_decline"}'), pg_temp.state(:o, :'p', :'r');
UPDATE payment_operations SET retry_at = now() WHERE operation_id = :'r';
RESET ROLE;
SET ROLE regress_dispatch_owner;
DELETE FROM gateway_requests WHERE order_id = :o;
SET ROLE regress_dispatch_gateway;
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'answered', 429), pg_temp.state(:o, :'p', :'r');
-- when Stripe's search finds nothing, it counts how long ago the payment was sent
SELECT o, p FROM pg_temp.prepare('payment', 'stripe') \gset
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'lost'), pg_temp.pass_time('2 hours');
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'answered', 200, '{}', '{"object":"search_result","data":[],"has_more":false}'), pg_temp.state(:o, :'p', NULL);
-- an answer to the time before, when it was sent anew: money that went is a fact all the same
SELECT o, p, r FROM pg_temp.prepare('refund', 'own') \gset
SELECT q AS q1 FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q1', 'not_sent');
UPDATE payment_operations SET retry_at = now() WHERE operation_id = :'r';
SELECT q AS q2 FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q1', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}'), pg_temp.state(:o, :'p', :'r');
SELECT settle_request(:'o', :'q2', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}');
-- what waits for the customer, and is not known yet: it can be paid as long as it has not expired, and may be paid since
BEGIN;
SELECT o, p FROM pg_temp.prepare('revoke', 'bare') \gset
INSERT INTO gateway_requests (order_id, gateway, work, payment_id, state, claimed_by, timeline, claimed_at, lease_until, settled_at, outcome)
SELECT :o, 'bare', w, :'p', 'answered', 'me', 1, clock_timestamp() - at, now(), clock_timestamp(), 'failed' FROM (VALUES ('send_payment', interval '1 hour'), ('revoke_payment', '0'), ('revoke_payment', '0'), ('revoke_payment', '0')) v (w, at);
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', NULL);
SELECT q FROM pg_temp.claimed() \gset
UPDATE payments SET status = 'succeeded', expires_at = now() WHERE payment_id = :'p';
SELECT settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', NULL);
ROLLBACK;
-- a time without end is none
SELECT o, p FROM pg_temp.prepare('payment', 'own') \gset
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00","occurred_at":"infinity"}');
SELECT isfinite(occurred_at) FROM payments WHERE payment_id = :'p';
-- what cannot be revoked may be paid: it is asked for
SELECT o, p FROM pg_temp.prepare('revoke', 'alipay') \gset
SELECT request_id AS q, work FROM claim_requests() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 200, '{}', convert_to(pg_temp.filled('alipay', '{"code":"40004","sub_code":"ACQ.TRADE_STATUS_ERROR"}', :'p', NULL), 'UTF8'));
SELECT request_id AS q, work FROM claim_requests() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'not_sent');
SELECT request_id AS q, work FROM claim_requests() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'lost');
SELECT request_id AS q, work FROM claim_requests() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 200, '{}', convert_to(pg_temp.filled('alipay', '{"code":"10000","out_trade_no":"{p}","trade_no":"2027","trade_status":"TRADE_SUCCESS","total_amount":"10.00"}', :'p', NULL), 'UTF8')), pg_temp.state(:o, :'p', NULL);
-- whatever the last word on it was, but for one that ended it, or that is from before the customer was asked to pay
CREATE FUNCTION pg_temp.after_revoking(outcome text, at interval, OUT work text) LANGUAGE plpgsql AS $$
DECLARE
	target record;
BEGIN
	target := pg_temp.prepare('revoke', 'bare');
	INSERT INTO dispatch.gateway_requests (order_id, gateway, work, payment_id, state, claimed_by, timeline, claimed_at, lease_until, settled_at, outcome)
	SELECT target.o, 'bare', 'revoke_payment', target.p, 'answered', 'me', 1, clock_timestamp() + at, now(), clock_timestamp() + at, after_revoking.outcome FROM generate_series(1, 3);
	SELECT string_agg(c.work, ' ') INTO work FROM order_payment.claim_requests(store => 'dispatch') c;
	RAISE EXCEPTION USING ERRCODE = 'OP999';
EXCEPTION WHEN SQLSTATE 'OP999' THEN
	NULL;
END
$$;
SELECT o AS outcome, pg_temp.after_revoking(o, '0') AS work, pg_temp.after_revoking(o, '-1 day') AS before FROM unnest('{failed,unknown,conflict,error,applied,stale}'::text[]) o;
-- not asked for before its time; what was asked the time before does not count
RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE gateways SET query_schedule = '{0 s, 1 h}' WHERE gateway = 'bare';
SET ROLE regress_dispatch_gateway;
SELECT o, p, r FROM pg_temp.prepare('refund', 'bare') \gset
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'lost');
INSERT INTO gateway_requests (order_id, gateway, work, payment_id, operation_id, state, claimed_by, timeline, claimed_at, lease_until, settled_at)
SELECT :o, 'bare', 'query_operation', :'p', :'r', 'lost', 'me', 1, now() - interval '1 day', now(), now() - interval '1 day' FROM generate_series(1, 2);
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 503);
SELECT count(*) AS too_early FROM claim_requests();
RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE gateways SET query_schedule = '{0 s, 0 s}' WHERE gateway = 'bare';
SET ROLE regress_dispatch_gateway;
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}');
-- what was answered "processing" and not heard of since
SELECT o, p, r FROM pg_temp.prepare('refund', 'own') \gset
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'answered', 202, '{}', '{"status":"processing"}'), pg_temp.state(:o, :'p', :'r');
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}'), pg_temp.state(:o, :'p', :'r');
-- what waited for the customer until its time was over, and is not known: nobody can pay it any more
SELECT o, p FROM pg_temp.prepare('payment', 'own') \gset
SELECT q FROM pg_temp.claimed() \gset
SELECT settle_request(:'o', :'q', 'answered', 200, '{}', '{"status":"requires_action","next_action":{"url":"https://x"}}'), pg_temp.pass_time(interval '1 minute');
SELECT count(*) AS nothing FROM claim_requests();
UPDATE payments SET expires_at = now() WHERE payment_id = :'p';
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', NULL);

-- ---------- what cannot be made: written down, seen, and looked at by its schedule ----------

-- no secret; no openid; captures that Alipay does not know. What can be made is made
SELECT o AS mute FROM pg_temp.prepare('payment', 'mute') \gset
INSERT INTO orders (price) VALUES (10) RETURNING order_id AS jsapi \gset
INSERT INTO payments (order_id, gateway, amount, method) VALUES (:jsapi, 'wechat', 10, 'jsapi');
SELECT o AS capture FROM pg_temp.prepare('capture', 'alipay') \gset
SELECT o AS good FROM pg_temp.prepare('payment', 'own') \gset
SELECT work, order_id::bigint = :good AS good FROM claim_requests();
SELECT gateway, work, state, outcome, reason, settled_at IS NOT NULL AS settled, url FROM gateway_requests WHERE order_id IN (:mute, :jsapi, :capture) ORDER BY gateway;
SELECT status FROM payments WHERE order_id IN (:mute, :jsapi) UNION ALL SELECT status::text::payment_status FROM payment_operations WHERE order_id = :capture AND status = 'processing';
SELECT reason, gateway, amount FROM needs_attention WHERE order_id IN (:mute, :jsapi, :capture) ORDER BY gateway;
SELECT refused, trouble, sent FROM gateway_worker_status WHERE gateway = 'mute';
-- nobody can settle such a request
SELECT request_id AS q FROM gateway_requests WHERE order_id = :mute \gset
\set VERBOSITY sqlstate
SELECT settle_request(:'mute', :'q', 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00"}');
\set VERBOSITY terse
SELECT count(*) FROM claim_requests() WHERE order_id::bigint = :mute;
SELECT gateway, count(*) FROM gateway_requests WHERE order_id IN (:mute, :jsapi, :capture) GROUP BY gateway ORDER BY gateway;
-- when its time has come, and the cause is gone, it is sent
RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE gateways SET protocol = 'stripe', endpoint = NULL WHERE gateway = 'mute';
SET ROLE regress_dispatch_gateway;
SELECT count(*) FROM claim_requests() WHERE order_id::bigint = :mute;
SELECT pg_temp.pass_time(interval '2 hours');
SELECT work, url FROM claim_requests() WHERE order_id::bigint = :mute;
SELECT count(*) FROM needs_attention WHERE order_id = :mute;

-- what a trigger of the owner's forbids is one row's affair: neither other claims nor the ends of other leases wait for it
RESET ROLE;
SET ROLE regress_dispatch_owner;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'OP999'; END $$;
UPDATE payments SET status = 'failed' WHERE status <= 'unknown';
DELETE FROM gateway_requests;
SET ROLE regress_dispatch_gateway;
SELECT o AS bad FROM pg_temp.prepare('payment', 'own') \gset
SELECT o AS lost FROM pg_temp.prepare('payment', 'own') \gset
SELECT o AS good FROM pg_temp.prepare('payment', 'own') \gset
RESET ROLE;
SET ROLE regress_dispatch_owner;
SELECT format('CREATE TRIGGER aaa BEFORE UPDATE ON payments FOR EACH ROW WHEN (OLD.order_id = %s AND NEW.status = ''processing'' OR OLD.order_id = %s AND NEW.status = ''unknown'') EXECUTE FUNCTION refuse()', :bad, :lost) \gexec
SET ROLE regress_dispatch_gateway;
SELECT order_id::bigint - :bad AS "order", work FROM claim_requests();
SELECT pg_temp.pass_time(interval '2 minutes');
SELECT order_id::bigint - :bad AS "order", work FROM claim_requests();
SELECT o - :bad AS "order", work, state, outcome, reason FROM log WHERE o >= :bad;
SELECT settle_request(order_id::text, request_id, 'answered', 200, '{}', '{"status":"succeeded","amount":"10"}') FROM gateway_requests WHERE state = 'claimed';
RESET ROLE;
SET ROLE regress_dispatch_owner;
DROP TRIGGER aaa ON payments;
DROP FUNCTION refuse;

-- ---------- cards: for the worker alone ----------

RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE payments SET status = 'failed' WHERE status <= 'unknown';
DELETE FROM gateway_requests;
SELECT refunds FROM do_due_work();
UPDATE payment_operations SET status = 'cancelled' WHERE status = 'requested';
SELECT count(*) FROM claim_requests();
INSERT INTO orders (price) VALUES (10) RETURNING order_id AS card \gset
INSERT INTO payments (order_id, gateway, amount, card_number, card_holder) VALUES (:card, 'own', 10, '4242424242424242', 'A. Holder');
SET ROLE regress_dispatch_gateway;
SELECT count(*) AS without FROM claim_requests();
SELECT count(*) AS without FROM claim_requests(cards => false);
SELECT count(*) AS written FROM gateway_requests WHERE order_id = :card;
SELECT has_card, body LIKE '%"{{card\_number}}"%{{card\_holder}}%' AS placeholders, headers ? 'webhook-signature' AS signed, body ~ '4242' AS number FROM claim_requests(cards => true);
SELECT body ~ '{{card_number}}' AS placeholders, body ~ '4242' AS number FROM gateway_requests WHERE order_id = :card;
-- asking for it tells nothing of the card
SELECT request_id AS q FROM gateway_requests WHERE order_id = :card \gset
SELECT settle_request(:'card', :'q', 'lost');
SELECT work, has_card, headers ? 'webhook-signature' AS signed FROM claim_requests();
-- nor does the request of a protocol that takes none
INSERT INTO orders (price) VALUES (10) RETURNING order_id AS card \gset
INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (:card, 'stripe', 10, '4242424242424242');
SELECT gateway, work, has_card FROM claim_requests();

-- ---------- how much at once ----------

RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE payments SET status = 'failed' WHERE status <= 'unknown';
DELETE FROM gateway_requests;
UPDATE gateways SET max_in_flight = 3 WHERE gateway = 'own';
UPDATE gateways SET active = false WHERE gateway = 'stripe';
INSERT INTO gateways (gateway, protocol) VALUES ('hooks', 'standard_webhooks');
SET ROLE regress_dispatch_gateway;
SELECT count((pg_temp.prepare('payment', 'own')).o) FROM generate_series(1, 5);
SELECT count((pg_temp.prepare('payment', 'bare')).o) FROM generate_series(1, 2);
SELECT o FROM pg_temp.prepare('payment', 'stripe') \gset
SELECT o FROM pg_temp.prepare('payment', 'hooks') \gset
-- a gateway without room, that is off, or is only listened to, keeps no other from being served
SELECT gateway, count(*) FROM claim_requests(100) GROUP BY gateway ORDER BY gateway;
SELECT gateway, count(*) FROM claim_requests(100) GROUP BY gateway;
SELECT gateway, state, count(*) FROM gateway_requests GROUP BY gateway, state ORDER BY gateway;
SELECT gateway, in_flight, sent FROM gateway_worker_status WHERE gateway IN ('own', 'bare', 'stripe') ORDER BY gateway;
SELECT count(settle_request(order_id::text, request_id, 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00"}')) FROM (SELECT * FROM gateway_requests WHERE state = 'claimed' AND gateway = 'own' ORDER BY claimed_at LIMIT 1) r;
SELECT gateway, count(*) FROM claim_requests(100) GROUP BY gateway;
SELECT count(settle_request(order_id::text, request_id, 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00"}')) FROM gateway_requests WHERE state = 'claimed';
-- so many a second
RESET ROLE;
SET ROLE regress_dispatch_owner;
DELETE FROM gateway_requests;
UPDATE gateways SET max_in_flight = 100, max_per_second = 2 WHERE gateway = 'own';
SET ROLE regress_dispatch_gateway;
SELECT count((pg_temp.prepare('payment', 'own')).o) FROM generate_series(1, 5);
BEGIN;
-- what could not be made, and what another gateway was sent, is none of them
INSERT INTO gateway_requests (order_id, gateway, work, payment_id, state, claimed_by, timeline, lease_until)
SELECT p.order_id, v.gateway, 'query_payment', p.payment_id, v.state, 'me', 1, now() FROM (SELECT * FROM payments LIMIT 1) p, (VALUES ('own', 'refused'), ('mute', 'claimed')) v (gateway, state), generate_series(1, 2);
SELECT count(*) FROM claim_requests(100);
SELECT count(*) FROM claim_requests(100);
SELECT pg_temp.pass_time(interval '1 second');
SELECT count(*) FROM claim_requests(100);
COMMIT;
SELECT count(*) FROM claim_requests(1) WHERE gateway = 'none';
-- the breaker: five failures in a row open it; later one request tries; an answer closes it
RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE payments SET status = 'failed' WHERE status <= 'unknown';
DELETE FROM gateway_requests;
UPDATE gateways SET max_per_second = NULL WHERE gateway = 'own';
SET ROLE regress_dispatch_gateway;
SELECT count((pg_temp.prepare('payment', 'own')).o) FROM generate_series(1, 9);
SELECT count(*) FROM claim_requests(4);
SELECT settle_request(order_id::text, request_id, 'answered', 500) FROM gateway_requests WHERE state = 'claimed';
SELECT breaker_until FROM gateway_worker_status WHERE gateway = 'own';
SELECT work FROM claim_requests(1);
SELECT settle_request(order_id::text, request_id, 'not_sent') FROM gateway_requests WHERE state = 'claimed';
SELECT breaker_until > now() AS open, failed, unknown, not_sent, last_error FROM gateway_worker_status WHERE gateway = 'own';
SELECT count(*) FROM claim_requests(100);
SELECT o FROM pg_temp.prepare('payment', 'bare') \gset
SELECT gateway FROM claim_requests(100);
SELECT pg_temp.pass_time(interval '11 seconds');
SELECT count(*) FROM claim_requests(100);
SELECT count(*) FROM claim_requests(100);
SELECT settle_request(order_id::text, request_id, 'lost') FROM gateway_requests WHERE state = 'claimed' AND gateway = 'own';
SELECT pg_temp.pass_time(interval '15 seconds');
SELECT count(*) FROM claim_requests(100);
SELECT pg_temp.pass_time(interval '6 seconds');
SELECT count(*) FROM claim_requests(100);
-- any whole answer but 5xx will do
SELECT settle_request(order_id::text, request_id, 'answered', 400) FROM gateway_requests WHERE state = 'claimed' AND gateway = 'own';
SELECT breaker_until FROM gateway_worker_status WHERE gateway = 'own';
SELECT count(*) > 1 AS many FROM claim_requests(100);
SELECT breaker_until(n, '2030-01-01 00:00+00') AT TIME ZONE 'UTC' AS until FROM unnest('{4,5,6,10,11,20}'::integer[]) n;
-- twenty are looked at; what could not be made is no failure of the gateway's
INSERT INTO gateway_requests (order_id, gateway, work, payment_id, state, claimed_by, timeline, lease_until, settled_at)
SELECT p.order_id, 'mute', 'query_payment', p.payment_id, CASE WHEN n > 25 THEN 'refused' ELSE 'lost' END, 'me', 1, now(), timestamptz '2030-01-01 00:00+00' + n * interval '1 second'
FROM (SELECT * FROM payments LIMIT 1) p, generate_series(1, 30) n;
SELECT n, last_at AT TIME ZONE 'UTC' AS last_at FROM gateway_failures('mute', 'dispatch');

-- ---------- a copy sends nothing ----------

RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE payments SET status = 'failed' WHERE status <= 'unknown';
DELETE FROM gateway_requests;
SELECT system_identifier = (SELECT c.system_identifier FROM pg_control_system() c) AS us, timeline, timeline_since FROM gateway_sender;
UPDATE gateway_sender SET system_identifier = 1, timeline = timeline + 7;
SET ROLE regress_dispatch_gateway;
SELECT o, p FROM pg_temp.prepare('payment', 'own') \gset
\set VERBOSITY default
SELECT claim_requests();
\set VERBOSITY terse
-- what was asked of the original is taken, and what needs no gateway is done
SELECT expired, revoked, retried, refunds, voids FROM do_due_work();
SELECT resume_sending();
-- what is open now may have been sent by the original: it is asked for first
SELECT system_identifier = (SELECT c.system_identifier FROM pg_control_system() c) AS us, timeline = current_timeline() AS ours, timeline_since > now() - interval '1 minute' AS anew FROM gateway_sender;
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 503), pg_temp.state(:o, :'p', NULL);
SELECT q, work FROM pg_temp.claimed() \gset
-- made a moment ago: it may be on its way there
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', NULL);
RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE gateways SET request_timeout = '1 second' WHERE gateway = 'own';
SELECT pg_sleep(1);
SET ROLE regress_dispatch_gateway;
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 404), pg_temp.state(:o, :'p', NULL);
SELECT q, work FROM pg_temp.claimed() \gset
SELECT :'work' AS work, settle_request(:'o', :'q', 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00"}'), pg_temp.state(:o, :'p', NULL);
-- another timeline is the same: found at the gateway, it is never sent
SELECT o AS o1, p AS p1, r AS r1 FROM pg_temp.prepare('refund', 'own') \gset
SELECT o AS o2, p AS p2 FROM pg_temp.prepare('payment', 'own') \gset
SELECT o AS o3, p AS p3, r AS r3 FROM pg_temp.prepare('refund', 'own') \gset
UPDATE payment_operations SET status = 'processing' WHERE operation_id = :'r3';
UPDATE payment_operations SET status = 'failed', failure_class = 'soft_decline', retry_at = now() WHERE operation_id = :'r3';
-- what was asked on the line before does not count, and a card is asked for by anybody
INSERT INTO gateway_requests (order_id, gateway, work, payment_id, operation_id, state, claimed_by, timeline, claimed_at, lease_until, settled_at, outcome)
SELECT :o3, 'own', 'query_operation', :'p3', :'r3', 'answered', 'me', 1, now() - interval '1 day', now(), now() - interval '1 day', 'absent' FROM generate_series(1, 6);
INSERT INTO orders (price) VALUES (10) RETURNING order_id AS o4 \gset
INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (:o4, 'own', 10, '4242424242424242');
-- asked for by the schedule, to its end
SELECT o AS o5 FROM pg_temp.prepare('payment', 'bare') \gset
UPDATE gateway_sender SET timeline = timeline + 1;
SELECT order_id::bigint - :o1 AS "order", work FROM claim_requests() WHERE order_id::bigint >= :o1 ORDER BY 1;
SELECT settle_request(order_id::text, request_id, 'answered', 503) FROM gateway_requests WHERE order_id = :o5 AND state = 'claimed';
SELECT pg_temp.pass_time('-1 hour');
SELECT count(*) AS too_early FROM claim_requests();
SELECT pg_temp.pass_time('1 hour');
SELECT order_id::bigint - :o1 AS "order", work FROM claim_requests();
SELECT settle_request(order_id::text, request_id, 'answered', 503) FROM gateway_requests WHERE order_id = :o5 AND state = 'claimed';
SELECT count(*) AS no_more FROM claim_requests();
UPDATE payments SET status = 'failed' WHERE order_id IN (:o4, :o5);
SELECT timeline = current_timeline() AS ours, timeline_since > now() - interval '1 minute' AS anew FROM gateway_sender;
SELECT request_id AS q1 FROM gateway_requests WHERE order_id = :o1 \gset
SELECT request_id AS q2 FROM gateway_requests WHERE order_id = :o2 \gset
SELECT request_id AS q3 FROM gateway_requests WHERE order_id = :o3 AND state = 'claimed' \gset
SELECT settle_request(:'o1', :'q1', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}'), pg_temp.state(:o1, :'p1', :'r1');
SELECT settle_request(:'o2', :'q2', 'answered', 200, '{}', '{"status":"succeeded","amount":"10.00"}'), pg_temp.state(:o2, :'p2', NULL);
SELECT settle_request(:'o3', :'q3', 'answered', 200, '{}', '{"status":"succeeded","amount":"4.00"}'), pg_temp.state(:o3, :'p3', :'r3');
SELECT count(*) AS more FROM claim_requests();
-- what came later is sent as always
SELECT o, p FROM pg_temp.prepare('payment', 'own') \gset
SELECT work FROM pg_temp.claimed();
-- and what the gateway tells nothing of, however often it is asked, is for people
RESET ROLE;
SET ROLE regress_dispatch_owner;
DELETE FROM gateway_requests;
SET ROLE regress_dispatch_gateway;
SELECT o AS o1, p AS p1 FROM pg_temp.prepare('payment', 'bare') \gset
SELECT o AS o2, p AS p2, r AS r2 FROM pg_temp.prepare('refund', 'bare') \gset
UPDATE gateway_sender SET timeline = timeline + 1;
SELECT count(settle_request(c.order_id, c.request_id, 'answered', 503)) FROM claim_requests() c WHERE c.gateway = 'bare';
SELECT reason, order_id = :o1 AS first FROM needs_attention WHERE order_id IN (:o1, :o2);
SELECT count(settle_request(c.order_id, c.request_id, 'lost')) FROM claim_requests() c WHERE c.gateway = 'bare';
SELECT count(*) FROM claim_requests() c WHERE c.gateway = 'bare';
SELECT reason, order_id = :o1 AS payment, order_id = :o2 AND operation_id = :'r2' AS refund, gateway, amount FROM needs_attention WHERE order_id IN (:o1, :o2) ORDER BY order_id;
SELECT status FROM payments WHERE order_id IN (:o1, :o2) ORDER BY order_id;
SET ROLE regress_dispatch_owner;
UPDATE gateways SET query_schedule = query_schedule || interval '0' WHERE gateway = 'bare';
SET ROLE regress_dispatch_gateway;
SELECT count(*) FROM needs_attention WHERE order_id IN (:o1, :o2);
SELECT work FROM claim_requests() c WHERE c.gateway = 'bare' ORDER BY 1;
-- the last question is answered: it is not there, and will be sent
BEGIN;
UPDATE gateway_requests SET state = 'answered', settled_at = now(), outcome = 'unknown' WHERE order_id IN (:o1, :o2) AND state = 'claimed';
SELECT count(*) FROM needs_attention WHERE order_id IN (:o1, :o2);
UPDATE gateway_requests SET outcome = 'absent' WHERE order_id IN (:o1, :o2) AND settled_at = now();
SELECT count(*) FROM needs_attention WHERE order_id IN (:o1, :o2);
ROLLBACK;

-- ---------- what time brings ----------

RESET ROLE;
SET ROLE regress_dispatch_owner;
UPDATE payments SET status = 'failed' WHERE status <= 'unknown';
DELETE FROM gateway_requests;
SET ROLE regress_dispatch_gateway;
SELECT * FROM do_due_work();
-- an order that expires; a payment that nobody has heard of, of one that is dead; one that was sent; an authorisation; money
INSERT INTO orders (price, pay_before) VALUES (10, now()) RETURNING order_id AS expired \gset
INSERT INTO payments (order_id, gateway, amount) VALUES (:expired, 'own', 10);
SELECT o AS unsent, p AS p_unsent FROM pg_temp.prepare('payment', 'own') \gset
UPDATE orders SET status = 'cancelled' WHERE order_id = :unsent;
SELECT o AS sent, p AS p_sent FROM pg_temp.prepare('revoke', 'own') \gset
SELECT o AS held, p AS p_held FROM pg_temp.prepare('payment', 'own') \gset
UPDATE payments SET status = 'authorized' WHERE order_id = :held;
UPDATE orders SET status = 'cancelled' WHERE order_id = :held;
SELECT o AS paid, p AS p_paid FROM pg_temp.prepare('payment', 'own') \gset
UPDATE payments SET status = 'succeeded' WHERE order_id = :paid;
UPDATE orders SET status = 'cancelled' WHERE order_id = :paid;
SELECT o AS retried, p AS p_retried FROM pg_temp.prepare('payment', 'own') \gset
UPDATE payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = :retried;
UPDATE payments SET retry_at = now(), request_options = '{"subject": "Books"}' WHERE order_id = :retried;
-- what a trigger forbids keeps nothing else from being done: two of each, and the first one refuses
RESET ROLE;
SET ROLE regress_dispatch_owner;
BEGIN;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.order_id IN (SELECT order_id FROM dispatch.first_ones) THEN
		RAISE EXCEPTION 'not today' USING ERRCODE = 'OP999';
	END IF;
	RETURN NEW;
END
$$;
CREATE TABLE first_ones AS SELECT unnest(ARRAY[:expired, :unsent, :held, :paid, :retried]::bigint[]) AS order_id;
GRANT SELECT ON first_ones TO regress_dispatch_gateway;
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON payment_operations FOR EACH ROW EXECUTE FUNCTION refuse();
INSERT INTO orders (price, pay_before) VALUES (10, now());
SELECT o AS o1, p AS p1 FROM pg_temp.prepare('payment', 'own') \gset
UPDATE orders SET status = 'cancelled' WHERE order_id = :o1;
SELECT o AS o2, p AS p2 FROM pg_temp.prepare('payment', 'own') \gset
UPDATE payments SET status = 'authorized' WHERE order_id = :o2;
UPDATE orders SET status = 'cancelled' WHERE order_id = :o2;
SELECT o AS o3, p AS p3 FROM pg_temp.prepare('payment', 'own') \gset
UPDATE payments SET status = 'succeeded' WHERE order_id = :o3;
UPDATE orders SET status = 'cancelled' WHERE order_id = :o3;
SELECT o AS o4, p AS p4 FROM pg_temp.prepare('payment', 'own') \gset
UPDATE payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = :o4;
UPDATE payments SET retry_at = now() WHERE order_id = :o4;
SELECT o AS o5, p AS p5 FROM pg_temp.prepare('payment', 'own') \gset
UPDATE payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = :o5;
UPDATE payments SET retry_at = 'infinity' WHERE order_id = :o5;
INSERT INTO first_ones VALUES (:o5);
SET LOCAL ROLE regress_dispatch_gateway;
\set VERBOSITY sqlstate
-- a batch is of those that are done, but for retries, which are judged before
SAVEPOINT before;
SELECT * FROM do_due_work(1);
ROLLBACK TO before;
SELECT * FROM do_due_work();
-- the moment, the transaction and the caller are no affair of one order's
\set VERBOSITY terse
SELECT leave_order('1', code, 'message') AS left_alone FROM unnest('{40001,57014,42501,OP004,25006}'::text[]) code;
ROLLBACK;
SET ROLE regress_dispatch_gateway;
SELECT * FROM do_due_work();
SELECT * FROM do_due_work();
SELECT o.status, p.status, p.attempt_no, p.request_options FROM orders o JOIN payments p USING (order_id) WHERE order_id IN (:expired, :unsent, :sent, :held, :paid, :retried) ORDER BY order_id, attempt_no;
SELECT kind, status, amount, reason FROM payment_operations WHERE order_id IN (:held, :paid) ORDER BY kind;
SELECT work, method, regexp_replace(regexp_replace(url, '[0-9a-f]{32}', '<number>'), '/[0-9]+', '/<order>') AS url, headers ->> 'Idempotency-Key' ~ '-revoke$' AS revokes FROM claim_requests() ORDER BY url;
SELECT count(settle_request(order_id::text, request_id, 'answered', 200, '{}', CASE work WHEN 'revoke_payment' THEN '{"status":"revoked"}' WHEN 'send_payment' THEN '{"status":"succeeded","amount":10}' ELSE '{"status":"succeeded"}' END::bytea)) FROM gateway_requests WHERE state = 'claimed';
SELECT o.status, p.status, p.attempt_no FROM orders o JOIN payments p USING (order_id) WHERE order_id IN (:sent, :held, :paid, :retried) ORDER BY order_id, attempt_no;
SELECT * FROM do_due_work();
SELECT work, count(*) FROM open_work WHERE order_id IN (:expired, :unsent, :sent, :held, :paid, :retried) GROUP BY work;
SELECT problem, table_name, key FROM verify_store('dispatch');

RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA dispatch CASCADE;
DROP OWNED BY regress_dispatch_owner, regress_dispatch_app, regress_dispatch_gateway;
DROP ROLE regress_dispatch_owner, regress_dispatch_app, regress_dispatch_gateway;
