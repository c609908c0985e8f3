-- views: what a store says of itself
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
CREATE ROLE regress_op_nobody;
SELECT order_payment.create_store('viewed', 'EUR', 'regress_op_app', 'regress_op_gateway', 'regress_op_owner');
RESET client_min_messages;
SET search_path = viewed, order_payment;
SET timezone = 'UTC';
INSERT INTO gateways (gateway) VALUES ('stripe'), ('alipay');
INSERT INTO gateway_fees (gateway, currency, rate, fixed) VALUES ('stripe', 'EUR', 0.02, 0.25), ('alipay', 'EUR', 0.01, 0);

-- every view is the caller's, and every one is explained
SELECT c.relname, c.reloptions, obj_description(c.oid, 'pg_class') IS NOT NULL AS explained
FROM pg_class c WHERE c.relnamespace = 'viewed'::regnamespace AND c.relkind = 'v' ORDER BY 1;
SELECT relname, privilege_type, string_agg(grantee::regrole::text, ', ' ORDER BY grantee::regrole::text) AS grantees
FROM pg_class c, aclexplode(c.relacl) WHERE c.relnamespace = 'viewed'::regnamespace AND c.relkind = 'v' AND c.relname <> 'refunds'
  AND grantee <> c.relowner
GROUP BY 1, 2 ORDER BY 1, 2;
GRANT USAGE ON SCHEMA viewed TO regress_op_nobody;
GRANT SELECT ON order_overview TO regress_op_nobody;
SET ROLE regress_op_nobody;
SELECT * FROM order_overview;
RESET ROLE;

-- ---------- order_overview: every state of payment, each made as it comes about ----------
CREATE FUNCTION pg_temp.pay(bigint, numeric, payment_status, gateway text = 'stripe') RETURNS void LANGUAGE sql AS
$$ INSERT INTO viewed.payments (order_id, gateway, method, amount, status, split) VALUES ($1, $4, 'card', $2, $3, true) $$;
CREATE FUNCTION pg_temp.operate(bigint, text, numeric, operation_status = 'succeeded') RETURNS void LANGUAGE sql AS
$$ INSERT INTO viewed.payment_operations (order_id, payment_id, kind, amount, status)
   SELECT order_id, payment_id, $2, $3, $4 FROM viewed.payments WHERE order_id = $1 AND captured_amount + authorized_amount > 0
   ORDER BY created_at LIMIT 1 $$;
CREATE FUNCTION pg_temp.end(bigint, operation_status) RETURNS void LANGUAGE sql AS
$$ UPDATE viewed.payment_operations SET status = $2 WHERE order_id = $1 $$;

INSERT INTO orders (order_id, customer_id, price) SELECT n, 7, 100 FROM generate_series(1, 14) n WHERE n NOT IN (9, 10);
INSERT INTO orders (order_id, customer_id, price) VALUES (9, 7, NULL), (10, 7, 0);
\pset tuples_only on
\o /dev/null
SELECT pg_temp.pay(2, 100, 'authorized');
SELECT pg_temp.pay(3, 40, 'succeeded'), pg_temp.pay(3, 60, 'processing');
SELECT pg_temp.pay(4, 100, 'succeeded');
SELECT pg_temp.pay(5, 100, 'succeeded'), pg_temp.pay(5, 100, 'succeeded', 'alipay');
SELECT pg_temp.pay(6, 100, 'succeeded'), pg_temp.operate(6, 'refund', 30), pg_temp.operate(6, 'refund', 20, 'requested');
SELECT pg_temp.pay(7, 100, 'succeeded'), pg_temp.operate(7, 'refund', 100);
SELECT pg_temp.pay(8, 100, 'succeeded');
UPDATE orders SET status = 'shipped' WHERE order_id = 8;
SELECT pg_temp.operate(8, 'chargeback', 100);
SELECT pg_temp.pay(9, 20, 'succeeded');
UPDATE orders SET status = 'paid' WHERE order_id = 10;
SELECT pg_temp.pay(11, 100, 'succeeded'), pg_temp.pay(11, 100, 'succeeded'), pg_temp.operate(11, 'refund', 100);
SELECT pg_temp.pay(12, 100, 'succeeded');
UPDATE orders SET status = 'cancelled' WHERE order_id = 12;
SELECT pg_temp.pay(13, 100, 'authorized', 'cod');
UPDATE orders SET status = 'shipped' WHERE order_id = 13;
UPDATE orders SET status = 'cancelled' WHERE order_id = 14;
\o
\pset tuples_only off
SELECT order_id AS id, status, payment_state, total_amount AS total, outstanding_amount AS outstanding, authorized_amount AS auth,
       paid_amount AS paid, refunded_amount AS refunded, charged_back_amount AS back, refund_due_amount AS due,
       refund_pending_amount AS pending, attempts, live_attempts AS live, fees, fees_final AS final, net_amount AS net
FROM order_overview ORDER BY order_id;
-- a lost dispute costs a fee of its own, a refund may bring one back
UPDATE payment_operations SET fee = 15 WHERE order_id = 8;
UPDATE payment_operations SET fee = -0.75 WHERE order_id = 6 AND status = 'succeeded';
UPDATE payments SET fee_final = true WHERE order_id = 8;
SELECT order_id, fees, fees_final, net_amount FROM order_overview WHERE order_id IN (6, 8) ORDER BY order_id;
-- a dispute that was won leaves its fee
SELECT pg_temp.end(8, 'reversed');
SELECT order_id, payment_state, charged_back_amount, fees, net_amount FROM order_overview WHERE order_id = 8;

-- ---------- payment_overview ----------
SELECT order_id AS id, gateway_number = replace(payment_id::text, '-', '') AND length(gateway_number) = 32 AS number, gateway, status, order_status,
       amount, captured_amount AS captured, refundable_amount AS refundable, fee, fee_final, operation_fees, net_amount AS net,
       net_after_operations AS after, age >= '0' AND age < '1 hour' AS young
FROM payment_overview ORDER BY order_id, created_at;
SELECT gateway_number FROM payment_overview WHERE order_id = 4 \gset
SELECT order_id FROM payment_overview WHERE payment_id = :'gateway_number';

-- ---------- open_work: what the orders above left open ----------
CREATE VIEW pg_temp.work AS
SELECT w.work, w.order_id AS id, w.gateway, p.status AS payment, r.kind, r.status AS operation, w.amount, w.currency,
       w.since <= now() AS since, ceil(extract(epoch FROM w.due_at - now()) / 3600) AS due_in_hours
FROM viewed.open_work w LEFT JOIN viewed.payments p USING (order_id, payment_id)
LEFT JOIN viewed.payment_operations r USING (order_id, operation_id)
ORDER BY w.order_id, w.work, r.created_at;
SELECT * FROM pg_temp.work;
-- a refund closes what is due, once it is under way, whatever state the order is in
\o /dev/null
SELECT pg_temp.operate(5, 'refund', 60, 'requested'), pg_temp.operate(12, 'refund', 100, 'requested');
\o
SELECT * FROM pg_temp.work WHERE id IN (5, 12);
UPDATE payment_operations SET status = 'processing' WHERE order_id IN (5, 12);
SELECT * FROM pg_temp.work WHERE id IN (5, 12);
-- one that failed stays the refund of what is due: it is tried again, and if it was given up, a person must look
UPDATE payment_operations SET status = 'failed', failure_class = 'not_sent', retry_at = '2999-01-01' WHERE order_id IN (5, 12);
SELECT * FROM pg_temp.work WHERE id IN (5, 12);
UPDATE payment_operations SET retry_at = now() WHERE order_id = 5;
UPDATE payment_operations SET retry_at = NULL WHERE order_id = 12;
SELECT * FROM pg_temp.work WHERE id IN (5, 12);
SELECT reason, order_id, amount FROM needs_attention;
UPDATE payment_operations SET status = 'processing' WHERE order_id IN (5, 12);
UPDATE payment_operations SET status = 'unknown' WHERE order_id IN (5, 12);
SELECT * FROM pg_temp.work WHERE id IN (5, 12);
\o /dev/null
SELECT pg_temp.end(5, 'succeeded'), pg_temp.end(12, 'succeeded'), pg_temp.end(6, 'succeeded'), pg_temp.operate(5, 'refund', 40);
\o
SELECT * FROM pg_temp.work WHERE id IN (5, 6, 12);

-- attempts: sent while something is outstanding, revoked when nothing is
INSERT INTO orders (order_id, price) SELECT n, 10 FROM generate_series(20, 33) n;
\o /dev/null
SELECT pg_temp.pay(20, 10, 'created'), pg_temp.pay(21, 10, 'created'), pg_temp.pay(22, 10, 'created', 'manual');
SELECT pg_temp.pay(23, 10, 'processing'), pg_temp.pay(23, 10, 'requires_action'), pg_temp.pay(24, 10, 'processing'), pg_temp.pay(25, 10, 'requires_action');
\o
UPDATE payments SET expires_at = now() + interval '1 hour' WHERE order_id IN (20, 23, 24);
UPDATE payments SET expires_at = now() - interval '1 hour' WHERE order_id = 25;
UPDATE orders SET status = 'expired' WHERE order_id = 21;
UPDATE payments SET status = 'unknown' WHERE order_id = 24;
UPDATE payments SET status = 'succeeded' WHERE order_id = 23 AND status = 'processing';
SELECT * FROM pg_temp.work WHERE id BETWEEN 20 AND 25;
UPDATE payments SET status = 'revoked' WHERE order_id IN (21, 23) AND status <> 'succeeded';
UPDATE payments SET status = 'failed' WHERE order_id IN (24, 25);
SELECT * FROM pg_temp.work WHERE id BETWEEN 20 AND 25;

-- authorisations: voided when nothing is outstanding, captured before they lapse
\o /dev/null
SELECT pg_temp.pay(26, 10, 'authorized'), pg_temp.pay(27, 10, 'authorized'), pg_temp.pay(28, 10, 'authorized'), pg_temp.pay(29, 10, 'authorized');
SELECT pg_temp.operate(29, 'capture', 4);
\o
UPDATE payments SET capture_before = now() + interval '1 hour' WHERE order_id IN (26, 28, 29);
UPDATE payments SET capture_before = now() + interval '2 days' WHERE order_id = 27;
UPDATE orders SET status = 'cancelled' WHERE order_id = 28;
SELECT * FROM pg_temp.work WHERE id BETWEEN 26 AND 29;
UPDATE orders SET status = 'cancelled' WHERE order_id = 29;
INSERT INTO payment_operations (order_id, payment_id, kind) SELECT order_id, payment_id, 'void' FROM payments WHERE order_id IN (28, 29);
SELECT * FROM pg_temp.work WHERE id IN (28, 29);
UPDATE payment_operations SET status = 'failed', retry_at = now() WHERE order_id = 28;
UPDATE payment_operations SET status = 'succeeded' WHERE order_id = 29 AND kind = 'void';
SELECT * FROM pg_temp.work WHERE id IN (28, 29);
UPDATE payment_operations SET retry_at = NULL WHERE order_id = 28;
SELECT * FROM pg_temp.work WHERE id = 28;
-- a capture is tried again while there is something to capture, and something outstanding
\o /dev/null
SELECT pg_temp.operate(26, 'capture', 10, 'requested');
\o
SELECT * FROM pg_temp.work WHERE id = 26;
UPDATE payment_operations SET status = 'failed', retry_at = now() WHERE order_id = 26;
SELECT * FROM pg_temp.work WHERE id = 26;
UPDATE orders SET status = 'cancelled' WHERE order_id = 26;
SELECT * FROM pg_temp.work WHERE id = 26;

-- a payment is tried again when it is time, once, and for an order that wants it
\o /dev/null
SELECT pg_temp.pay(30, 10, 'processing'), pg_temp.pay(31, 10, 'processing'), pg_temp.pay(32, 10, 'processing');
\o
UPDATE payments SET status = 'failed', retry_at = CASE order_id WHEN 30 THEN '2999-01-01' ELSE now() END WHERE order_id BETWEEN 30 AND 32;
UPDATE orders SET status = 'cancelled' WHERE order_id = 32;
SELECT * FROM pg_temp.work WHERE id BETWEEN 30 AND 32;
INSERT INTO payments (order_id, gateway, amount, retry_of, attempt_no) SELECT order_id, gateway, amount, payment_id, 2 FROM payments WHERE order_id = 31;
SELECT * FROM pg_temp.work WHERE id = 31;
UPDATE payments SET status = 'failed' WHERE order_id = 31 AND attempt_no = 2;
SELECT * FROM pg_temp.work WHERE id = 31;

-- ... which is neither authorised, nor paid by a later attempt, nor declined for good; and the gateway must be there
INSERT INTO gateways (gateway) VALUES ('asleep');
INSERT INTO orders (order_id, price) SELECT n, 10 FROM generate_series(34, 39) n;
INSERT INTO payments (order_id, gateway, amount, status) SELECT n, CASE n WHEN 37 THEN 'asleep' ELSE 'stripe' END, 10, 'processing' FROM generate_series(34, 39) n;
UPDATE payments SET status = 'failed', retry_at = now(), failure_class = CASE order_id WHEN 36 THEN 'hard_decline' ELSE 'soft_decline' END WHERE order_id BETWEEN 34 AND 39;
UPDATE gateways SET active = false WHERE gateway = 'asleep';
INSERT INTO payments (order_id, gateway, amount, status) VALUES (34, 'stripe', 10, 'authorized'), (35, 'stripe', 10, 'processing'), (38, 'stripe', 10, 'processing');
UPDATE payments SET status = 'failed' WHERE order_id = 35 AND status = 'processing';
SELECT * FROM pg_temp.work WHERE id BETWEEN 34 AND 39;
-- the functions that do the work see the same
BEGIN;
CREATE TEMP TABLE due AS SELECT order_id, amount FROM open_work WHERE work = 'refund_due';
SELECT count(*) AS due FROM pg_temp.due;
SELECT count(*) AS handed_out, count(*) FILTER (WHERE NOT EXISTS (
    SELECT FROM open_work w WHERE w.work = 'retry_payment' AND w.payment_id = d.payment_id)) AS unknown FROM due_retries() d;
SELECT order_id, amount FROM request_due_refunds() EXCEPT SELECT order_id::text, amount FROM pg_temp.due;
SELECT count(*) AS still_due FROM open_work WHERE work = 'refund_due';
ROLLBACK;
SELECT count(*) AS retries FROM open_work WHERE work = 'retry_payment';

-- ---------- needs_attention: every reason, and how it ends ----------
CREATE VIEW pg_temp.attention AS
SELECT order_id AS id, reason, payment_id IS NOT NULL AS payment, operation_id IS NOT NULL AS operation, gateway, amount, currency, since <= now() AS since
FROM viewed.needs_attention ORDER BY order_id, reason;
SELECT * FROM pg_temp.attention;
INSERT INTO orders (order_id, price) SELECT n, 10 FROM generate_series(40, 53) n;
\o /dev/null
SELECT pg_temp.pay(40, 10, 'succeeded');
UPDATE orders SET status = 'shipped' WHERE order_id = 40;
SELECT pg_temp.operate(40, 'refund', 6), pg_temp.operate(40, 'chargeback', 10);
SELECT pg_temp.pay(41, 10, 'succeeded'), pg_temp.pay(42, 10, 'processing'), pg_temp.pay(43, 10, 'succeeded');
SELECT pg_temp.operate(43, 'refund', 5, 'processing');
SELECT pg_temp.pay(44, 10, 'succeeded'), pg_temp.operate(44, 'refund', 5, 'processing');
SELECT pg_temp.pay(45, 10, 'authorized'), pg_temp.pay(46, 10, 'authorized'), pg_temp.pay(47, 10, 'authorized'), pg_temp.pay(48, 10, 'succeeded');
SELECT pg_temp.pay(49, 10, 'authorized'), pg_temp.pay(50, 10, 'processing');
SELECT pg_temp.pay(51, 4, 'succeeded', 'manual'), pg_temp.pay(51, 6, 'succeeded', 'alipay'), pg_temp.pay(52, 10, 'succeeded', 'alipay');
\o
UPDATE orders SET status = 'cancelled' WHERE order_id IN (51, 52);
UPDATE payments SET fee = 11 WHERE order_id = 41;
UPDATE payments SET status = 'unknown' WHERE order_id = 42;
UPDATE payment_operations SET status = 'unknown' WHERE order_id = 43;
UPDATE payment_operations SET status = 'failed' WHERE order_id = 44;
UPDATE payments SET capture_before = now() + interval '1 hour' WHERE order_id IN (45, 46);
UPDATE orders SET status = 'shipped' WHERE order_id IN (46, 47, 48);
UPDATE payments SET capture_before = now() - interval '1 hour' WHERE order_id IN (45, 46);
UPDATE payments SET status = 'revoked' WHERE order_id = 47;
\o /dev/null
SELECT pg_temp.operate(48, 'chargeback', 4), pg_temp.operate(49, 'capture', 10, 'processing');
\o
UPDATE payment_operations SET status = 'failed' WHERE order_id = 49;
UPDATE payments SET status = 'failed', contact_needed_at = now() WHERE order_id = 50;
SELECT * FROM pg_temp.attention;
-- a gateway that is switched off refunds nothing
UPDATE gateways SET active = false WHERE gateway = 'alipay';
SELECT * FROM pg_temp.attention WHERE id IN (51, 52);
UPDATE gateways SET active = true WHERE gateway = 'alipay';
-- what is of yesterday
SET session_replication_role = replica;
UPDATE payments SET unknown_at = now() - interval '1 day' WHERE order_id = 42;
UPDATE payment_operations SET unknown_at = now() - interval '1 day' WHERE order_id = 43;
UPDATE payments SET succeeded_at = now() - interval '1 day' WHERE order_id = 9;
RESET session_replication_role;
SELECT * FROM pg_temp.attention WHERE id IN (9, 42, 43);
-- and how each of them ends
UPDATE payment_operations SET status = 'reversed' WHERE order_id IN (8, 40, 48) AND kind = 'chargeback';
UPDATE payments SET fee = 0.45 WHERE order_id = 41;
UPDATE payments SET status = 'failed' WHERE order_id = 42;
UPDATE payment_operations SET status = 'succeeded' WHERE order_id = 43;
UPDATE orders SET price = 20 WHERE order_id = 9;
\o /dev/null
SELECT pg_temp.operate(44, 'refund', 5, 'requested'), pg_temp.operate(45, 'capture', 10), pg_temp.operate(51, 'refund', 4, 'requested'), pg_temp.pay(47, 10, 'succeeded'), pg_temp.pay(50, 10, 'created');
\o
UPDATE orders SET status = 'cancelled' WHERE order_id IN (46, 49);
SELECT * FROM pg_temp.attention;

-- ---------- daily_settlement ----------
SELECT sum(net_amount) = (SELECT sum(net_amount) FROM order_overview) AS nothing_is_lost,
       sum(captured_amount) = (SELECT sum(paid_amount) FROM orders) AS captured,
       sum(refunded_amount) = (SELECT sum(refunded_amount) FROM orders) AS refunded,
       sum(charged_back_amount) = (SELECT sum(charged_back_amount) FROM orders) AS charged_back FROM daily_settlement;
-- days: a capture in parts, a refund that came back, a dispute that was lost, JPY beside EUR
INSERT INTO orders (order_id, price, currency) VALUES (60, 100, 'EUR'), (61, 100, 'EUR'), (62, 5000, 'JPY');
\o /dev/null
SELECT pg_temp.pay(60, 100, 'authorized', 'alipay'), pg_temp.operate(60, 'capture', 30), pg_temp.operate(60, 'capture', 20);
UPDATE payments SET status = 'succeeded' WHERE order_id = 60;
SELECT pg_temp.pay(61, 100, 'succeeded', 'alipay'), pg_temp.operate(61, 'refund', 40), pg_temp.operate(61, 'chargeback', 10);
UPDATE payment_operations SET status = 'reversed' WHERE order_id = 61 AND kind = 'refund';
UPDATE payment_operations SET fee = 15 WHERE order_id = 61 AND kind = 'chargeback';
SELECT pg_temp.pay(62, 5000, 'succeeded', 'alipay');
UPDATE payments SET fee_final = true WHERE order_id = 61;
\o
SET session_replication_role = replica;
UPDATE payments SET succeeded_at = '2026-03-05 12:00+00' WHERE order_id = 60;
UPDATE payments SET succeeded_at = '2026-03-01 23:30+00' WHERE order_id IN (61, 62);
UPDATE payment_operations SET succeeded_at = CASE amount WHEN 30 THEN '2026-03-02 12:00+00' ELSE '2026-03-03 12:00+00' END::timestamptz WHERE order_id = 60;
UPDATE payment_operations SET succeeded_at = '2026-03-04 12:00+00', reversed_at = CASE kind WHEN 'refund' THEN '2026-03-06 12:00+00'::timestamptz END WHERE order_id = 61;
RESET session_replication_role;
SELECT * FROM daily_settlement WHERE day < '2026-03-31' ORDER BY day, gateway, currency;
SELECT sum(net_amount) AS settled, (SELECT sum(net_amount) FROM order_overview WHERE order_id IN (60, 61)) AS net
FROM daily_settlement WHERE day < '2026-03-31' AND currency = 'EUR';
-- days are the session's
SET timezone = 'Asia/Shanghai';
SELECT day, captured_amount FROM daily_settlement WHERE currency = 'JPY';
RESET timezone;

-- ---------- gateway_success: attempts of an hour ago, of a day, of a week ... ----------
INSERT INTO gateways (gateway) VALUES ('adyen');
INSERT INTO orders (order_id, price) SELECT n, 10 FROM generate_series(100, 149) n;
INSERT INTO payments (order_id, gateway, method, amount, status)
SELECT order_id, 'adyen', CASE order_id % 2 WHEN 0 THEN 'card' END, 10, 'processing' FROM orders WHERE order_id >= 100;
UPDATE payments SET status = CASE order_id % 10 WHEN 0 THEN 'failed' WHEN 1 THEN 'failed' WHEN 2 THEN 'unknown' WHEN 3 THEN 'revoked'
                                               WHEN 4 THEN 'authorized' ELSE 'succeeded' END::payment_status WHERE gateway = 'adyen';
SET session_replication_role = replica;
UPDATE payments SET created_at = now() - ('{30 minutes,2 hours,2 days,8 days,31 days}'::interval[])[1 + (order_id - 100) / 10] WHERE gateway = 'adyen';
RESET session_replication_role;
SELECT period, method, currency, successes, failures, censored, mean::numeric(6, 4), lower::numeric(6, 4), upper::numeric(6, 4),
       failure_probability::numeric(6, 4) AS failure
FROM gateway_success WHERE gateway = 'adyen' ORDER BY successes, method;

-- ---------- roles ----------
SET ROLE regress_op_app;
SELECT count(*) > 0 AS rows FROM order_overview;
SELECT count(*) > 0 AS rows FROM payment_overview;
SELECT count(*) > 0 AS rows FROM open_work;
SELECT count(*) AS rows FROM needs_attention;
SELECT count(*) > 0 AS rows FROM daily_settlement;
SELECT count(*) > 0 AS rows FROM gateway_success;
SET ROLE regress_op_gateway;
SELECT count(*) > 0 AS rows FROM open_work;
RESET ROLE;

-- views of names that need quotes, over keys of other types
SET client_min_messages = warning;
SELECT order_payment.create_store('Böse "Bude"', 'JPY', owner => 'regress_op_owner', order_id_type => 'text', customer_id_type => 'uuid');
INSERT INTO "Böse ""Bude""".orders (order_id, price) VALUES ('A-1', 500);
INSERT INTO "Böse ""Bude""".payments (order_id, gateway, amount, status) VALUES ('A-1', 'manual', 500, 'succeeded');
SELECT order_id, payment_state, net_amount FROM "Böse ""Bude""".order_overview;
SELECT count(*) FROM "Böse ""Bude""".open_work;
-- a relation of the name of a view is in the way
CREATE SCHEMA taken;
CREATE TABLE taken.open_work ();
SELECT order_payment.create_store('taken');

SET search_path = public;
DROP SCHEMA taken, viewed, "Böse ""Bude""" CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway, regress_op_nobody;
