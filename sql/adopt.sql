-- adopt_payment: money that a gateway tells of, of a payment that is not here, becomes a payment of an order.
-- Needs order_payment.root_key_file in postgresql.conf, and openssl and bash where the test is run.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
DROP SCHEMA IF EXISTS adopting CASCADE;
CREATE ROLE regress_adopt_owner;
CREATE ROLE regress_adopt_app;
CREATE ROLE regress_adopt_gateway;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
SELECT order_payment.create_card_key() IS NOT NULL AS made;
SELECT order_payment.create_store('adopting', 'EUR', owner => 'regress_adopt_owner', app_role => 'regress_adopt_app', gateway_role => 'regress_adopt_gateway');
RESET client_min_messages;
SET search_path = adopting, order_payment;
\set VERBOSITY terse
\pset null '-'
SET ROLE regress_adopt_owner;
INSERT INTO gateways (gateway, protocol, endpoint) VALUES ('pay', 'json', 'https://pay.example.com');
INSERT INTO orders (order_id, price) SELECT n, 10 FROM generate_series(1, 12) n;
\getenv source PG_ABS_SRCDIR
\set directory `mktemp -d`
SELECT replace(card_public_key('pem'), E'\n', '|') AS pem, card_public_key('jwk')::json ->> 'kid' AS kid \gset
\set done `printf %s :'pem' | tr '|' '\n' >:'directory'/card.pem`
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | bash :source/test/gateway_secret/seal_secret.sh :directory/card.pem :kid adopting pay standard_webhook_secret`
SELECT count(set_gateway_secret('pay', 'standard_webhook_secret', :'blob'));
\set done `rm -r :'directory'`
SET ROLE regress_adopt_gateway;

-- the other side knows the same secret
CREATE FUNCTION pg_temp.told(id text, content jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(': ', r.outcome, r.reason)
	FROM CAST(extract(epoch FROM clock_timestamp())::bigint AS text) t,
		order_payment.sign_for_gateway('pay', 'standard_webhook_secret', convert_to(concat_ws('.', id, t, content), 'UTF8'), 'adopting') s,
		order_payment.apply_notification('pay', jsonb_build_object('webhook-id', id, 'webhook-timestamp', t, 'webhook-signature', 'v1,' || s.signature), convert_to(content::text, 'UTF8'), 'adopting') r
$$;
CREATE VIEW pg_temp.adopted AS
	SELECT p.order_id AS o, o.status AS "order", o.paid_amount AS paid, o.refund_due_amount AS due, p.status, p.amount, p.captured_amount AS captured, p.refunded_amount AS refunded, p.gateway_reference AS reference, p.split
	FROM adopting.payments p JOIN adopting.orders o USING (order_id) ORDER BY p.order_id, p.created_at;

-- ---------- a payment whose row was lost: its number is ours ----------

SELECT pg_temp.told('lost', '{"number": "01890000000070008000000000000001", "reference": "tx_lost", "status": "succeeded", "amount": "10.00", "currency": "EUR", "occurred_at": "2026-01-01T00:00:00Z"}');
SELECT reason FROM needs_attention;
BEGIN;
SELECT outcome, reason, event_id, order_id, payment_id, operation_id, http_status FROM adopt_payment(1, 'pay', 'lost');
SELECT * FROM pg_temp.adopted;
SELECT occurred_at AT TIME ZONE 'UTC' AS occurred_at FROM payments WHERE payment_id = '01890000-0000-7000-8000-000000000001';
SELECT version, entity, from_status, to_status, amount FROM order_timeline(1);
SELECT count(*) FROM needs_attention;
COMMIT;
-- once: what is known by now is no orphan, of whatever order it is said to be
SELECT pg_temp.told('lost', '{"number": "01890000000070008000000000000001", "reference": "tx_lost", "status": "succeeded", "amount": "10.00", "currency": "EUR"}');
SELECT outcome, order_id FROM adopt_payment('1', 'pay', 'lost');
SELECT outcome, order_id FROM adopt_payment('2', 'pay', 'lost');
SELECT * FROM pg_temp.adopted;

-- ---------- one that was made at the gateway: it has a reference only ----------

SELECT pg_temp.told('refunded', '{"entity": "refund", "payment_reference": "tx_other", "reference": "re_other", "status": "succeeded", "amount": "4.00", "currency": "EUR"}');
SELECT pg_temp.told('other', '{"reference": "tx_other", "status": "succeeded", "amount": "10.00", "currency": "EUR"}');
SELECT outcome, reason, order_id FROM adopt_payment(2, 'pay', 'refunded');
SELECT outcome, reason, order_id FROM adopt_payment(2, 'pay', 'other');
-- what waited for it is done as well
SELECT event_id, outcome FROM gateway_notifications ORDER BY 1;
SELECT * FROM pg_temp.adopted WHERE o = 2;

-- ---------- whatever the order is, and how much came ----------

SELECT pg_temp.told('e' || n, jsonb_build_object('reference', 'tx_' || n, 'status', CASE n WHEN 4 THEN 'authorized' ELSE 'succeeded' END, 'amount', '10.00', 'currency', 'EUR')
	|| CASE n WHEN 3 THEN '{"captured": "6.00"}' ELSE '{}' END::jsonb) FROM generate_series(3, 8) n;
UPDATE orders SET status = 'cancelled' WHERE order_id = 5;
INSERT INTO payments (order_id, gateway, amount) VALUES (6, 'pay', 10), (7, 'pay', 10);
UPDATE payments SET status = 'succeeded' WHERE order_id = 7;
UPDATE orders SET status = 'shipped' WHERE order_id = 7;
SELECT n, a.outcome, a.reason FROM generate_series(3, 7) n, adopt_payment(n, 'pay', 'e' || n) a;
SELECT * FROM pg_temp.adopted WHERE o >= 3;
SELECT kind, amount, status, reason FROM payment_operations WHERE order_id = 3 ORDER BY 1;

-- ---------- what is refused leaves nothing ----------

SELECT pg_temp.told('foreign', '{"number": "R2023", "reference": "tx_f", "status": "succeeded", "amount": "10.00", "currency": "EUR"}');
SELECT pg_temp.told('usd', '{"reference": "tx_usd", "status": "succeeded", "amount": "10.00", "currency": "USD"}');
SELECT pg_temp.told('failed', '{"reference": "tx_failed", "status": "failed", "amount": "10.00", "currency": "EUR"}');
SELECT pg_temp.told('broken', '{"reference": "tx_broken", "status": "succeeded", "amount": "ten", "currency": "EUR"}');
SELECT outcome FROM adopt_payment(8, 'pay', 'foreign');
SELECT outcome FROM adopt_payment(8, 'pay', 'failed');
SELECT outcome FROM adopt_payment(8, 'pay', 'usd');
SELECT outcome, reason FROM adopt_payment(8, 'pay', 'broken');
SELECT outcome FROM adopt_payment(8, 'pay', 'nothing');
SELECT outcome FROM adopt_payment(8, 'nobody', 'e8');
SELECT outcome FROM adopt_payment(99, 'pay', 'e8');
SELECT outcome FROM adopt_payment('eight', 'pay', 'e8');
SELECT outcome FROM adopt_payment(NULL::text, 'pay', 'e8');
SELECT count(*) FROM payments WHERE order_id = 8;
SELECT event_id, outcome FROM gateway_notifications WHERE outcome <> 'applied' ORDER BY 1;
-- who may
RESET ROLE;
SET ROLE regress_adopt_app;
SELECT outcome FROM adopt_payment(8, 'pay', 'e8');
RESET ROLE;
SET ROLE regress_adopt_gateway;
SELECT outcome FROM adopt_payment(8, 'pay', 'e8');
SELECT problem, table_name, key FROM verify_store('adopting');

RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA adopting CASCADE;
DROP OWNED BY regress_adopt_owner, regress_adopt_app, regress_adopt_gateway;
DROP ROLE regress_adopt_owner, regress_adopt_app, regress_adopt_gateway;
