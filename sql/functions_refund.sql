-- functions: refund_order, request_due_refunds
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
CREATE ROLE regress_op_nobody;
SELECT order_payment.create_store('shop', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway', owner => 'regress_op_owner');
RESET client_min_messages;
SET search_path = shop;
INSERT INTO gateways (gateway) VALUES ('stripe'), ('alipay');
CREATE VIEW asked AS
SELECT r.order_id AS o, p.no, p.gateway, r.amount, r.obligatory_amount AS obligatory, r.status, r.reason, r.request_key AS key
FROM refunds r JOIN (SELECT order_id, payment_id, gateway, row_number() OVER (PARTITION BY order_id ORDER BY created_at, payment_id) AS no FROM payments) p USING (order_id, payment_id)
ORDER BY r.order_id, r.created_at, r.operation_id;
CREATE VIEW account AS
SELECT order_id AS o, status, paid_amount AS paid, refunded_amount AS refunded, charged_back_amount AS charged_back, refund_due_amount AS due,
       (SELECT sum(refund_pending_amount) FROM payments p WHERE p.order_id = o.order_id) AS pending FROM orders o ORDER BY 1;

-- ---------- refund_order ----------
-- an order paid by three payments: 30, 50, 20
INSERT INTO orders (order_id, price) SELECT o, 100 FROM generate_series(1, 9) o;
INSERT INTO payments (order_id, gateway, amount, status) SELECT o, 'stripe', 30, 'succeeded' FROM generate_series(1, 9) o;
INSERT INTO payments (order_id, gateway, amount, status) SELECT o, 'alipay', 50, 'succeeded' FROM generate_series(1, 9) o;
INSERT INTO payments (order_id, gateway, amount, status) SELECT o, 'stripe', 20, 'succeeded' FROM generate_series(1, 9) o;
SELECT r.order_id, replace(r.operation_id::text, '-', '') = r.gateway_number AS number, r.gateway, r.amount, r.obligatory_amount, r.currency, r.status, r.is_replay
FROM order_payment.refund_order(1, 60, 'two of them came broken', 'k1') r;
-- the same request again: the first rows
SELECT r.amount, r.gateway, r.status, r.is_replay FROM order_payment.refund_order('1', 60.00, 'two of them came broken', 'k1') r;
UPDATE payment_operations SET status = 'processing' WHERE order_id = 1;
UPDATE payment_operations SET status = 'succeeded' WHERE order_id = 1 AND amount = 20;
UPDATE payment_operations SET status = 'failed' WHERE order_id = 1 AND amount = 40;
SELECT r.amount, r.gateway, r.status, r.is_replay FROM order_payment.refund_order(1, 6e1, 'two of them came broken', 'k1') r;
-- another request with the same key
SELECT * FROM order_payment.refund_order(1, 60.01, 'two of them came broken', 'k1');
\set VERBOSITY sqlstate
SELECT * FROM order_payment.refund_order(1, NULL, 'two of them came broken', 'k1');
SELECT * FROM order_payment.refund_order(1, 60, NULL, 'k1');
SELECT * FROM order_payment.refund_order(1, 60, 'two', 'k1');
-- a key of a row that was inserted by itself, of any kind
INSERT INTO payment_operations (order_id, payment_id, kind, amount, request_key) SELECT order_id, payment_id, 'refund', 1, 'plain' FROM payments WHERE order_id = 1 AND amount = 30;
SELECT * FROM order_payment.refund_order(1, 1, NULL, 'plain');
\set VERBOSITY default
SELECT * FROM asked WHERE o = 1;
-- the rest, and then nothing
SELECT r.amount, r.gateway, r.is_replay FROM order_payment.refund_order(1) r;
SELECT * FROM order_payment.refund_order(1);
SELECT * FROM order_payment.refund_order(1, 1);
-- what failed is released, what is charged back is not left
SELECT r.amount FROM order_payment.refund_order(2, 100, request_key => 'all') r;
\set VERBOSITY terse
SELECT * FROM order_payment.refund_order(2, 0.01);
\set VERBOSITY default
UPDATE payment_operations SET status = 'cancelled' WHERE order_id = 2 AND amount = 30;
SELECT * FROM order_payment.refund_order(2, 30.01);
SELECT r.amount FROM order_payment.refund_order(2, 29.99) r;
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'chargeback', 45, 'succeeded' FROM payments WHERE order_id = 3 AND amount = 50;
SELECT r.amount, r.gateway FROM order_payment.refund_order(3, 26) r;
SELECT * FROM order_payment.refund_order(3, 30);
-- keys: only the first row has the caller's
SELECT count(*) FROM order_payment.refund_order(4, 100, request_key => 'x');
SELECT r.amount, r.is_replay FROM order_payment.refund_order(4, 100, request_key => 'x') r;
SELECT r.amount, r.is_replay FROM order_payment.refund_order(5, 25, request_key => 'x#') r;
SELECT r.amount, r.is_replay FROM order_payment.refund_order(5, 25, request_key => 'x') r;
SELECT r.amount, r.is_replay FROM order_payment.refund_order(5, 25, request_key => 'x#') r;
SELECT r.amount, r.is_replay FROM order_payment.refund_order(5, 25, request_key => 'x') r;
SELECT r.amount, r.is_replay FROM order_payment.refund_order(5, 25, request_key => '%') r;
SELECT r.amount, r.is_replay FROM order_payment.refund_order(5, 25, request_key => '%') r;
SELECT * FROM order_payment.refund_order(5, 25, request_key => 'x#2');
SELECT * FROM asked WHERE o IN (4, 5);
-- an authorisation that is captured in part; a payment without one
INSERT INTO orders (order_id, price) VALUES (11, 100), (12, 100);
INSERT INTO payments (order_id, gateway, amount, status) VALUES (11, 'stripe', 100, 'authorized'), (12, 'stripe', 100, 'authorized');
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'capture', 40, 'succeeded' FROM payments WHERE order_id = 11;
SELECT r.amount FROM order_payment.refund_order(11) r;
SELECT * FROM order_payment.refund_order(12);
-- part of it is obligatory: one row, marked by the server
INSERT INTO orders (order_id, price) VALUES (13, 100);
INSERT INTO payments (order_id, gateway, amount, status) VALUES (13, 'stripe', 130, 'succeeded');
SELECT r.amount, r.obligatory_amount FROM order_payment.refund_order(13, 50) r;
SELECT r.amount, r.obligatory_amount FROM order_payment.refund_order(13) r;
-- bad input
\set VERBOSITY sqlstate
SELECT * FROM order_payment.refund_order(NULL::text);
SELECT * FROM order_payment.refund_order(NULL::bigint);
SELECT * FROM order_payment.refund_order(99);
SELECT * FROM order_payment.refund_order('nine');
SELECT * FROM order_payment.refund_order(6, 0);
SELECT * FROM order_payment.refund_order(6, -60);
SELECT * FROM order_payment.refund_order(6, 10.001);
SELECT * FROM order_payment.refund_order(6, 'NaN');
SELECT * FROM order_payment.refund_order(6, 'Infinity');
SELECT * FROM order_payment.refund_order(6, '-Infinity');
SELECT * FROM order_payment.refund_order(6, 1e131000);
SELECT * FROM order_payment.refund_order(6, 10, request_key => '');
SELECT * FROM order_payment.refund_order(6, 10, request_key => repeat('x', 256));
SELECT * FROM order_payment.refund_order(6, 10, store => NULL);
SELECT * FROM order_payment.refund_order(6, 10, store => 'nowhere');
BEGIN READ ONLY;
SELECT * FROM order_payment.refund_order(6, 10);
ROLLBACK;
\set VERBOSITY default
SELECT count(*) FROM asked WHERE o = 6;
-- all or nothing
BEGIN;
SELECT count(*) FROM order_payment.refund_order(6, 80);
SAVEPOINT s;
\set VERBOSITY terse
SELECT count(*) FROM order_payment.refund_order(6, 21);
\set VERBOSITY default
ROLLBACK TO s;
SELECT count(*) FROM order_payment.refund_order(6, 20);
ROLLBACK;
SELECT count(*) FROM asked WHERE o = 6;
-- roles
SET ROLE regress_op_app;
SELECT r.amount, r.status FROM order_payment.refund_order(7, 10, 'goodwill', 'app') r;
SELECT r.amount, r.is_replay FROM order_payment.refund_order(7, 10, 'goodwill', 'app') r;
SET ROLE regress_op_gateway;
SELECT r.amount, r.status FROM order_payment.refund_order(7, 10) r;
SET ROLE regress_op_nobody;
\set VERBOSITY sqlstate
SELECT * FROM order_payment.refund_order(7, 10, store => 'shop');
\set VERBOSITY default
RESET ROLE;

-- ---------- request_due_refunds ----------
SELECT * FROM account WHERE due > 0;
-- 13 is covered already; 8 is cancelled; 9 as well, and has a refund under way; 21 was overpaid; 22 overpaid and cancelled, charged back in part; 23 charged back as a whole
INSERT INTO orders (order_id, price) SELECT o, 100 FROM generate_series(21, 26) o;
INSERT INTO payments (order_id, gateway, amount, status) SELECT o, 'stripe', 70, 'succeeded' FROM generate_series(21, 26) o;
INSERT INTO payments (order_id, gateway, amount, status) SELECT o, 'alipay', 60, 'succeeded' FROM generate_series(21, 26) o;
SELECT count(*) FROM order_payment.refund_order(9, 25, 'goodwill');
UPDATE orders SET status = 'cancelled' WHERE order_id IN (8, 9, 22, 23);
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'chargeback', 55, 'succeeded' FROM payments WHERE order_id = 22 AND gateway = 'stripe';
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'chargeback', amount, 'succeeded' FROM payments WHERE order_id = 23;
-- 24 has a voluntary refund beside; 25 one that failed; 26 one that was cancelled
SELECT r.amount, r.obligatory_amount FROM order_payment.refund_order(24, 40) r;
SELECT r.amount, r.obligatory_amount FROM order_payment.refund_order(25, 30) r;
UPDATE payment_operations SET status = 'processing' WHERE order_id = 25;
UPDATE payment_operations SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = 25;
SELECT r.amount, r.obligatory_amount FROM order_payment.refund_order(26, 30) r;
UPDATE payment_operations SET status = 'cancelled' WHERE order_id = 26;
SELECT * FROM account WHERE due > 0;
SELECT r.order_id, r.gateway, r.amount, r.obligatory_amount, r.status, r.is_replay FROM order_payment.request_due_refunds(1) r;
SELECT r.order_id, r.gateway, r.amount, r.obligatory_amount FROM order_payment.request_due_refunds(2, 'shop') r;
SELECT r.order_id, r.gateway, r.amount, r.obligatory_amount FROM order_payment.request_due_refunds() r;
SELECT r.order_id, r.gateway, r.amount, r.obligatory_amount FROM order_payment.request_due_refunds() r;
SELECT * FROM asked WHERE o IN (8, 9) OR o > 20;
-- they succeed: nothing is due any more, but for what failed, which is retried on its own row
UPDATE payment_operations SET status = 'processing' WHERE kind = 'refund' AND status = 'requested' AND (order_id IN (8, 9) OR order_id > 20);
UPDATE payment_operations SET status = 'succeeded' WHERE kind = 'refund' AND status = 'processing';
SELECT * FROM account WHERE o IN (8, 9) OR o > 20;
SELECT count(*) FROM order_payment.request_due_refunds();
UPDATE payment_operations SET status = 'processing', attempt_no = 2 WHERE order_id = 25 AND status = 'failed';
UPDATE payment_operations SET status = 'succeeded' WHERE order_id = 25 AND status = 'processing';
SELECT o, status, due FROM account WHERE o = 25;
-- a refund that is reversed makes it due again
UPDATE payment_operations SET status = 'reversed' WHERE order_id = 25;
SELECT r.order_id, r.gateway, r.amount, r.obligatory_amount FROM order_payment.request_due_refunds() r;
-- a late payment for a dead order
INSERT INTO orders (order_id, price) VALUES (31, 100);
INSERT INTO payments (order_id, gateway, amount) VALUES (31, 'stripe', 100);
UPDATE orders SET status = 'expired' WHERE order_id = 31;
SELECT count(*) FROM order_payment.request_due_refunds();
UPDATE payments SET status = 'succeeded' WHERE order_id = 31;
SET ROLE regress_op_app;
SELECT r.order_id, r.amount, r.obligatory_amount FROM order_payment.request_due_refunds() r;
SET ROLE regress_op_nobody;
\set VERBOSITY sqlstate
SELECT * FROM order_payment.request_due_refunds(store => 'shop');
RESET ROLE;
SELECT * FROM order_payment.request_due_refunds(0);
SELECT * FROM order_payment.request_due_refunds(NULL);
SELECT * FROM order_payment.request_due_refunds(store => 'nowhere');
INSERT INTO orders (order_id, price) VALUES (32, 100);
INSERT INTO payments (order_id, gateway, amount, status) VALUES (32, 'stripe', 101, 'succeeded');
BEGIN READ ONLY;
SELECT * FROM order_payment.request_due_refunds();
ROLLBACK;
\set VERBOSITY default

SELECT * FROM order_payment.verify_store('shop');
SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA shop CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway, regress_op_nobody;
