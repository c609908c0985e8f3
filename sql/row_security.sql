-- Row security, an example: a customer's session sees an order by its number only, and only its own.
--
-- The application logs its customers in and runs their requests as one role, telling who and which order by two settings:
--     BEGIN; SET LOCAL shop.customer_id = '7'; SET LOCAL shop.order_id = '1001'; SELECT * FROM my_order; COMMIT;
-- Customers write no SQL, so they set neither. The policy needs both settings: whatever the query is, there is nothing to
-- list, and a number that is guessed is of use to its customer only. All else follows the order's policy.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
CREATE ROLE regress_op_customer;
SELECT order_payment.create_store('shop', 'EUR', 'regress_op_app', 'regress_op_gateway', 'regress_op_owner');
RESET client_min_messages;
SET search_path = shop, order_payment;
INSERT INTO gateways (gateway) VALUES ('stripe');

-- ---------- what an owner writes ----------
SET ROLE regress_op_owner;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE order_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE payment_operations ENABLE ROW LEVEL SECURITY;
ALTER TABLE order_events ENABLE ROW LEVEL SECURITY;
-- the shop itself sees and does what its grants allow
CREATE POLICY shop ON orders TO regress_op_app, regress_op_gateway USING (true);
CREATE POLICY shop ON order_items TO regress_op_app, regress_op_gateway USING (true);
CREATE POLICY shop ON payments TO regress_op_app, regress_op_gateway USING (true);
CREATE POLICY shop ON payment_operations TO regress_op_app, regress_op_gateway USING (true);
CREATE POLICY shop ON order_events TO regress_op_app, regress_op_gateway USING (true);
-- a customer sees one order, and what belongs to it
CREATE POLICY customer ON orders FOR SELECT TO regress_op_customer
    USING (order_id = nullif(current_setting('shop.order_id', true), '')::bigint
           AND customer_id = nullif(current_setting('shop.customer_id', true), '')::bigint);
-- what belongs to an order is found by its number, and seen by whom the order is
CREATE POLICY customer ON order_items FOR SELECT TO regress_op_customer
    USING (order_id = nullif(current_setting('shop.order_id', true), '')::bigint
           AND EXISTS (SELECT FROM shop.orders o WHERE o.order_id = order_items.order_id));
CREATE POLICY customer ON payments FOR SELECT TO regress_op_customer
    USING (order_id = nullif(current_setting('shop.order_id', true), '')::bigint
           AND EXISTS (SELECT FROM shop.orders o WHERE o.order_id = payments.order_id));
CREATE POLICY customer ON payment_operations FOR SELECT TO regress_op_customer
    USING (order_id = nullif(current_setting('shop.order_id', true), '')::bigint
           AND EXISTS (SELECT FROM shop.orders o WHERE o.order_id = payment_operations.order_id));
CREATE POLICY customer ON order_events FOR SELECT TO regress_op_customer
    USING (order_id = nullif(current_setting('shop.order_id', true), '')::bigint
           AND EXISTS (SELECT FROM shop.orders o WHERE o.order_id = order_events.order_id));
-- columns: no fee, no net amount, no gateway's reference
GRANT USAGE ON SCHEMA shop TO regress_op_customer;
GRANT SELECT (order_id, customer_id, status, currency, total_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount,
              created_at, paid_at, shipped_at) ON orders TO regress_op_customer;
GRANT SELECT (order_id, payment_id, method, amount, currency, status, captured_amount, refunded_amount, created_at) ON payments TO regress_op_customer;
GRANT SELECT (order_id, version, entity, to_status, recorded_at) ON order_events TO regress_op_customer;
CREATE VIEW my_order WITH (security_invoker = true) AS
    SELECT o.order_id, o.status, o.currency, o.total_amount, o.paid_amount - o.refunded_amount AS paid_amount,
           order_payment.outstanding_amount(o.status, o.total_amount, o.paid_amount, o.refunded_amount, o.charged_back_amount,
                                            o.refund_due_amount, o.paid_at IS NOT NULL) AS to_pay
    FROM shop.orders o;
CREATE VIEW my_payments WITH (security_invoker = true) AS
    SELECT p.order_id, p.method, p.amount, p.currency, p.status FROM shop.payments p;
GRANT SELECT ON my_order, my_payments TO regress_op_customer;

-- ---------- the shop works as before ----------
SET ROLE regress_op_app;
INSERT INTO orders (order_id, customer_id, price) VALUES (1001, 7, 20), (1002, 8, 30), (1003, 7, 40);
INSERT INTO order_items (order_id, line_no, price) VALUES (1001, 1, 25), (1002, 1, 35);
INSERT INTO payments (order_id, gateway, method, amount) VALUES (1001, 'stripe', 'card', 25), (1002, 'stripe', 'card', 35), (1003, 'stripe', 'card', 40);
SET ROLE regress_op_gateway;
UPDATE payments SET status = 'succeeded', fee = 1 WHERE order_id IN (1001, 1002);
SET ROLE regress_op_app;
UPDATE orders SET status = 'shipped' WHERE order_id = 1001;
INSERT INTO payment_operations (order_id, payment_id, kind, amount) SELECT order_id, payment_id, 'refund', 5 FROM payments WHERE order_id = 1001;
SELECT order_id, customer_id, status, total_amount, paid_amount, version FROM orders ORDER BY 1;

-- ---------- a customer ----------
SET ROLE regress_op_customer;
-- nobody yet, and no number: nothing
SELECT * FROM my_order;
SET shop.customer_id = '7';
SELECT * FROM my_order;
SELECT * FROM my_payments;
-- one's own, by its number
SET shop.order_id = '1001';
SELECT * FROM my_order;
SELECT * FROM my_payments;
SELECT version, entity, to_status FROM order_events ORDER BY version;
-- another's number shows nothing, however one asks
SET shop.order_id = '1002';
SELECT * FROM my_order;
SELECT * FROM my_payments;
SELECT count(*) FROM my_order WHERE order_id = 1002;
SELECT count(*) FROM order_events;
-- nor does what is set to nothing
SET shop.order_id = '';
SELECT * FROM my_order;
SET shop.order_id = '1001';
RESET shop.customer_id;
SELECT * FROM my_order;
SET shop.customer_id = '7';
-- columns that are the shop's, and writing
\set VERBOSITY terse
SELECT fee FROM payments;
SELECT gateway_reference FROM payments;
SELECT * FROM order_overview;
UPDATE orders SET status = 'cancelled';
INSERT INTO payments (order_id, gateway, amount) VALUES (1001, 'stripe', 1);
DELETE FROM orders;
\set VERBOSITY default
-- a condition that is run before the policy would see, and tell, what it must not
CREATE FUNCTION pg_temp.tell(bigint) RETURNS boolean COST 0.000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'there is order %', $1; RETURN true; END $$;
SELECT order_id FROM my_order WHERE pg_temp.tell(order_id);
DROP FUNCTION pg_temp.tell;
RESET ROLE;

-- ---------- the views of the store, for a customer who may read every column ----------
GRANT SELECT ON orders, order_items, payments, payment_operations, order_events, gateways, refunds, order_overview, payment_overview, open_work,
    needs_attention, daily_settlement, gateway_success, settlement_lines, settlement_facts, settlement_matches TO regress_op_customer;
CREATE VIEW pg_temp.seen WITH (security_invoker = true) AS
    SELECT 'orders' AS what, order_id FROM shop.orders UNION ALL SELECT 'order_items', order_id FROM shop.order_items
    UNION ALL SELECT 'payments', order_id FROM shop.payments UNION ALL SELECT 'payment_operations', order_id FROM shop.payment_operations
    UNION ALL SELECT 'refunds', order_id FROM shop.refunds UNION ALL SELECT 'order_events', order_id FROM shop.order_events
    UNION ALL SELECT 'order_overview', order_id FROM shop.order_overview UNION ALL SELECT 'payment_overview', order_id FROM shop.payment_overview
    UNION ALL SELECT 'open_work', order_id FROM shop.open_work UNION ALL SELECT 'settlement_facts', order_id FROM shop.settlement_facts;
GRANT SELECT ON pg_temp.seen TO regress_op_customer;
SELECT what, array_agg(DISTINCT order_id ORDER BY order_id) AS orders FROM pg_temp.seen GROUP BY what ORDER BY what;
SET ROLE regress_op_customer;
SELECT what, array_agg(DISTINCT order_id ORDER BY order_id) AS orders FROM pg_temp.seen GROUP BY what ORDER BY what;
SELECT captured_amount, final_fees + estimated_fees AS fees FROM daily_settlement;
SELECT successes FROM gateway_success WHERE period = 'all';
SELECT count(*) FROM order_timeline(1001);
SELECT count(*) FROM order_timeline(1002);
SELECT choose_gateway(1002);
RESET ROLE;

-- ---------- FORCE: the owner is under the policies too, and the effects are not ----------
SET ROLE regress_op_owner;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
ALTER TABLE order_items FORCE ROW LEVEL SECURITY;
ALTER TABLE payments FORCE ROW LEVEL SECURITY;
ALTER TABLE payment_operations FORCE ROW LEVEL SECURITY;
ALTER TABLE order_events FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM orders;
SET ROLE regress_op_app;
INSERT INTO orders (order_id, customer_id, price) VALUES (1004, 9, 10);
INSERT INTO order_items (order_id, line_no, price) VALUES (1004, 1, 15);
INSERT INTO payments (order_id, gateway, amount) VALUES (1004, 'stripe', 15);
SET ROLE regress_op_gateway;
UPDATE payments SET status = 'succeeded' WHERE order_id = 1004;
UPDATE orders SET status = 'paid' WHERE order_id = 1003;
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'refund', 15, 'succeeded' FROM payments WHERE order_id = 1004;
SELECT order_id, status, total_amount, paid_amount, refunded_amount, version FROM orders WHERE order_id >= 1003 ORDER BY 1;
SELECT version, entity, from_status, to_status FROM order_timeline(1004);
RESET ROLE;
SELECT gateway, amount, status FROM payments WHERE order_id = 1003 ORDER BY 1;

SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA shop CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway, regress_op_customer;
