-- store: create_store(), the rules of an order's row and of its lines, rights
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
CREATE ROLE regress_op_nobody;

-- a store owned by a superuser is made, with a warning
RESET client_min_messages;
SELECT order_payment.create_store('shop');
-- the statements of the original description, verbatim
SET search_path = shop;
INSERT INTO orders (order_id, customer_id, product_id, quantity, price, status) VALUES (1001, 7, 42, 2, 9.95, 'pending');
UPDATE orders SET status = 'paid' WHERE order_id = 1001;
\pset expanded on
SELECT * FROM orders WHERE order_id = 1001 \gset o_
SELECT order_id, customer_id, product_id, quantity, price, currency, total_amount, payment_method, status, item_count,
       authorized_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount, pay_before, request_key, version,
       created_at IS NOT NULL AS created, authorized_at, paid_at >= created_at AS paid, shipped_at, completed_at, cancelled_at, expired_at, refunded_at
FROM orders WHERE order_id = 1001;
-- what was settled by hand is booked
SELECT gateway, method, amount, currency, status, authorized_amount, captured_amount, fee, net_amount, succeeded_at IS NOT NULL AS stamped FROM payments WHERE order_id = 1001;
\pset expanded off
\echo :o_order_id :o_customer_id :o_product_id :o_quantity :o_price :o_status
UPDATE orders SET status = 'pending' WHERE order_id = 1001;
INSERT INTO orders (order_id, customer_id, product_id, quantity, price, status) VALUES (1002, 7, 42, 2, 9.95, 'paid');
SET search_path = public;

-- all arguments; names that need quotes; keys of other types
SELECT order_payment.create_store(store => 'Böse "Bude"', default_currency => 'JPY', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway', owner => 'regress_op_owner',
                                  order_id_type => 'uuid', customer_id_type => 'text', product_id_type => 'integer');
SELECT current_user = session_user AS role_is_back, current_setting('role') AS role;
INSERT INTO "Böse ""Bude""".orders (customer_id, product_id, price) VALUES ('jo', 1, 500) RETURNING pg_typeof(order_id), customer_id, currency, quantity, total_amount;
SELECT relname, pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relnamespace = '"Böse ""Bude"""'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1;
SELECT nspname, pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname ~ 'Bude';
SELECT count(*) AS problems FROM order_payment.verify_store('Böse "Bude"');
SELECT order_payment.create_store('it''s', owner => 'regress_op_owner', order_id_type => 'text', app_role => 'regress_op_app');
INSERT INTO "it's".orders (order_id, price) VALUES ('A-1', 1);
INSERT INTO "it's".orders (order_id, price) VALUES ('a''b"c\d', 1) RETURNING order_id, version;
\set VERBOSITY terse
INSERT INTO "it's".orders (price) VALUES (1);
SELECT version, from_status, to_status FROM order_payment.order_timeline('a''b"c\d', 'it''s');
SELECT count(*) AS problems FROM order_payment.verify_store('it''s');
\set VERBOSITY default
-- 63 bytes, in an existing schema of the owner, with an identity of another width
SELECT repeat('é', 31) AS long \gset
CREATE SCHEMA :"long" AUTHORIZATION regress_op_owner;
SELECT order_payment.create_store(:'long', owner => 'regress_op_owner', order_id_type => 'integer', app_role => 'regress_op_app');
INSERT INTO :"long".orders (price) VALUES (1) RETURNING order_id, pg_typeof(order_id);
SELECT count(*) AS problems FROM order_payment.verify_store(:'long');

-- errors
SELECT order_payment.create_store('shop');
CREATE SCHEMA taken;
CREATE VIEW taken.orders AS SELECT 1;
SELECT order_payment.create_store('taken');
DROP VIEW taken.orders;
CREATE SEQUENCE taken.order_events;
SELECT order_payment.create_store('taken');
DROP SEQUENCE taken.order_events;
CREATE TYPE taken.payments AS (x integer);
SELECT order_payment.create_store('taken');
SELECT order_payment.create_store('other', 'usd');
SELECT order_payment.create_store('other', 'XAU');
SELECT order_payment.create_store('other', NULL);
SELECT order_payment.create_store(NULL);
\set VERBOSITY terse
SELECT order_payment.create_store('other', order_id_type => 'json', owner => 'regress_op_owner');
SELECT order_payment.create_store('other', owner => 'regress_op_nonexistent');
SELECT order_payment.create_store('other', app_role => 'regress_op_nonexistent', owner => 'regress_op_owner');
SELECT order_payment.create_store('other', gateway_role => 'regress_op_nonexistent', owner => 'regress_op_owner');
SELECT order_payment.create_store('pg_other', owner => 'regress_op_owner');
SELECT order_payment.create_store('taken', owner => 'regress_op_owner');
-- a caller without rights makes none
SET ROLE regress_op_nobody;
\set VERBOSITY sqlstate
SELECT order_payment.create_store('other');
SELECT order_payment.create_store('other', owner => 'regress_op_owner');
RESET ROLE;
\set VERBOSITY default
-- a caller that may create schemas makes his own, without a warning, and none for others
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_op_nobody', current_database()); END $$;
SET ROLE regress_op_nobody;
SELECT order_payment.create_store('own', 'EUR');
RESET ROLE;
GRANT EXECUTE ON FUNCTION order_payment.protect_card(), order_payment.fingerprint_fault(order_payment.sealed, bytea, bytea) TO regress_op_nobody;
SET ROLE regress_op_nobody;
SELECT order_payment.create_store('own', 'EUR');
INSERT INTO own.orders (price) VALUES (1) RETURNING order_id, currency, total_amount;
UPDATE own.orders SET status = 'paid' RETURNING version;
SELECT * FROM order_payment.verify_store('own');
SET client_min_messages = warning;
DROP SCHEMA own CASCADE;
RESET client_min_messages;
\set VERBOSITY sqlstate
SELECT order_payment.create_store('other', owner => 'regress_op_owner');
\set VERBOSITY default
RESET ROLE;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM regress_op_nobody', current_database()); END $$;
-- nothing was left behind
SELECT count(*) AS left_behind FROM pg_namespace WHERE nspname ~ 'other';
SELECT current_setting('role') AS role;

-- total_amount: quantity * price, in the scale of the currency
SET client_min_messages = warning;
SELECT order_payment.create_store('s', owner => 'regress_op_owner', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway');
RESET client_min_messages;
SET search_path = s;
INSERT INTO orders (order_id) VALUES (1) RETURNING quantity, price, total_amount, version, item_count;
INSERT INTO orders (order_id, quantity, price) VALUES (2, 3, 1.10), (3, 0.5, 3), (4, 2, NULL) RETURNING order_id, total_amount;
INSERT INTO orders (order_id, quantity, price, currency) VALUES (5, 1, 100, 'JPY'), (6, 1, 1.234, 'KWD'), (7, 1000, 0.001, 'USD') RETURNING order_id, total_amount;
UPDATE orders SET quantity = 4 WHERE order_id = 2 RETURNING total_amount;
UPDATE orders SET price = NULL WHERE order_id = 2 RETURNING total_amount;
UPDATE orders SET price = 1.10 WHERE order_id = 2 RETURNING total_amount;
\set VERBOSITY terse
INSERT INTO orders (order_id, price, currency) VALUES (10, 100.5, 'JPY');
INSERT INTO orders (order_id, price, currency) VALUES (10, 1.2345, 'KWD');
INSERT INTO orders (order_id, price) VALUES (10, 1.005);
UPDATE orders SET currency = 'JPY' WHERE order_id = 2;
INSERT INTO orders (order_id, currency) VALUES (10, 'XAU');
INSERT INTO orders (order_id, currency) VALUES (10, 'usd');
INSERT INTO orders (order_id, currency) VALUES (10, NULL);
-- numbers that are none
INSERT INTO orders (order_id, price) VALUES (10, 'NaN');
INSERT INTO orders (order_id, price) VALUES (10, 'Infinity');
INSERT INTO orders (order_id, price) VALUES (10, -1);
INSERT INTO orders (order_id, quantity, price) VALUES (10, 'NaN', 1);
INSERT INTO orders (order_id, quantity, price) VALUES (10, 'Infinity', 0);
INSERT INTO orders (order_id, quantity, price) VALUES (10, 0, 1);
INSERT INTO orders (order_id, quantity, price) VALUES (10, -1, 1);
INSERT INTO orders (order_id, quantity, price) VALUES (10, 1e100000, 1e100000);
\set VERBOSITY default
INSERT INTO orders (order_id, quantity, price) VALUES (10, 1, -0.0), (11, 1e30, 1e30) RETURNING order_id, total_amount = CASE order_id WHEN 10 THEN 0 ELSE 1e60 END AS right;
-- without a total an order is not paid, but may end
\set VERBOSITY terse
UPDATE orders SET status = 'paid' WHERE order_id = 1;
\set VERBOSITY default
UPDATE orders SET status = 'cancelled' WHERE order_id = 1 RETURNING status, cancelled_at IS NOT NULL AS stamped;

-- columns that the server keeps: refused, in full once each
UPDATE orders SET total_amount = 1 WHERE order_id = 2;
UPDATE orders SET item_count = 1 WHERE order_id = 2;
UPDATE orders SET version = 5 WHERE order_id = 2;
UPDATE orders SET paid_amount = 4.40 WHERE order_id = 2;
UPDATE orders SET created_at = now() - interval '1 day' WHERE order_id = 2;
UPDATE orders SET order_id = 99 WHERE order_id = 2;
UPDATE orders SET paid_at = now() WHERE order_id = 2;
\set VERBOSITY terse
INSERT INTO orders (order_id, price, total_amount) VALUES (12, 1, 2);
INSERT INTO orders (order_id, total_amount) VALUES (12, 2);
INSERT INTO orders (order_id, item_count) VALUES (12, 1);
INSERT INTO orders (order_id, version) VALUES (12, 2);
INSERT INTO orders (order_id, version) VALUES (12, -1);
UPDATE orders SET authorized_amount = 4.40 WHERE order_id = 2;
UPDATE orders SET refunded_amount = 4.40 WHERE order_id = 2;
UPDATE orders SET charged_back_amount = -4.40 WHERE order_id = 2;
UPDATE orders SET refund_due_amount = 'NaN' WHERE order_id = 2;
UPDATE orders SET status = 'paid', paid_amount = 1 WHERE order_id = 2;
INSERT INTO orders (order_id, price, paid_amount) VALUES (12, 1, 1);
INSERT INTO orders (order_id, price, authorized_amount) VALUES (12, 1, 1);
INSERT INTO orders (order_id, price, refund_due_amount) VALUES (12, 1, 1e-10);
INSERT INTO orders (order_id, created_at) VALUES (12, '2020-01-01');
INSERT INTO orders (order_id, created_at) VALUES (12, 'infinity');
INSERT INTO orders (order_id, paid_at) VALUES (12, now());
UPDATE orders SET order_id = NULL WHERE order_id = 2;
\connect -
SET search_path = s;
UPDATE orders SET created_at = '2000-01-01 00:00:00+00' WHERE order_id = 2;
\set VERBOSITY default
-- accepted: the default, NULL, the same, the right value
INSERT INTO orders (order_id, price, total_amount, version, item_count, created_at, paid_at, paid_amount, refund_due_amount)
VALUES (12, 1, NULL, DEFAULT, DEFAULT, DEFAULT, NULL, DEFAULT, NULL), (13, 1, 1.000, 0, 0, NULL, NULL, 0.00, 0),
       (14, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL), (15, 1, 1, 1, 0, NULL, NULL, 0, 0)
RETURNING order_id, total_amount, version, item_count, created_at IS NOT NULL AS created, paid_amount, refund_due_amount;
UPDATE orders SET total_amount = 4.4, version = version, item_count = item_count, created_at = created_at, order_id = order_id, paid_at = NULL,
  authorized_amount = authorized_amount, paid_amount = paid_amount + 0.00, refunded_amount = DEFAULT
WHERE order_id = 2 RETURNING total_amount, version, item_count, paid_amount;
UPDATE orders SET total_amount = NULL, version = NULL, item_count = NULL, created_at = NULL, authorized_amount = NULL, paid_amount = NULL,
  refunded_amount = NULL, charged_back_amount = NULL, refund_due_amount = NULL WHERE order_id = 2
RETURNING total_amount, version, item_count, created_at IS NOT NULL AS created, authorized_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount;
UPDATE orders SET status = 'paid', paid_amount = 1.0 WHERE order_id = 15 RETURNING paid_amount;
-- an ORM writes every column back; an upsert takes every one from EXCLUDED
UPDATE orders AS o SET (order_id, customer_id, quantity, price, currency, total_amount, status, item_count, version, created_at, authorized_at, paid_at,
                        authorized_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount) =
  ROW (p.order_id, 5, p.quantity, p.price, p.currency, p.total_amount, 'paid', p.item_count, p.version, p.created_at, p.authorized_at, p.paid_at,
       p.authorized_amount, p.paid_amount, p.refunded_amount, p.charged_back_amount, p.refund_due_amount)
FROM orders AS p WHERE p.order_id = o.order_id AND o.order_id = 2 RETURNING o.status, o.version, o.total_amount, o.paid_amount, o.paid_at IS NOT NULL AS paid;
INSERT INTO orders (order_id, quantity, price, status) VALUES (12, 2, 5, 'paid'), (13, 2, 6, 'cancelled'), (16, 2, 7, 'pending')
ON CONFLICT (order_id) DO UPDATE SET (quantity, price, total_amount, status, item_count, version, created_at, paid_at, cancelled_at,
                                      authorized_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount) =
  ROW (EXCLUDED.quantity, EXCLUDED.price, EXCLUDED.total_amount, EXCLUDED.status, EXCLUDED.item_count, EXCLUDED.version, EXCLUDED.created_at,
       EXCLUDED.paid_at, EXCLUDED.cancelled_at, EXCLUDED.authorized_amount, EXCLUDED.paid_amount, EXCLUDED.refunded_amount, EXCLUDED.charged_back_amount,
       EXCLUDED.refund_due_amount)
RETURNING order_id, status, total_amount, version, paid_amount, paid_at IS NOT NULL AS paid, cancelled_at IS NOT NULL AS cancelled;
-- a paid order once more: what is stored stays, whatever EXCLUDED brings, or a program writes from an older copy that says 0
INSERT INTO orders (order_id, quantity, price, status) VALUES (12, 2, 5, 'paid')
ON CONFLICT (order_id) DO UPDATE SET (status, version, created_at, paid_at, paid_amount) =
  ROW (EXCLUDED.status, EXCLUDED.version, EXCLUDED.created_at, EXCLUDED.paid_at, EXCLUDED.paid_amount)
RETURNING status, version, paid_amount, paid_at IS NOT NULL AS paid;
UPDATE orders SET paid_amount = 0 WHERE order_id = 12 RETURNING paid_amount;
SELECT order_id, gateway, amount, status FROM payments WHERE order_id IN (2, 12) ORDER BY order_id;
MERGE INTO orders AS o USING (VALUES (14, 3), (17, 4)) AS v (id, price) ON o.order_id = v.id
WHEN MATCHED THEN UPDATE SET price = v.price, status = 'paid' WHEN NOT MATCHED THEN INSERT (order_id, price) VALUES (v.id, v.price);
COPY orders (order_id, price, status, created_at) FROM stdin (NULL 'null');
18	2.50	pending	null
\.
SELECT order_id, total_amount, status, version, paid_amount FROM orders WHERE order_id IN (14, 17, 18) ORDER BY 1;

-- lines: the total follows them by insert, update, delete, upsert
INSERT INTO orders (order_id, quantity, price) VALUES (100, 1, 5), (101, 1, NULL);
INSERT INTO order_items (order_id, line_no, quantity, price) VALUES (100, 1, 2, 10), (100, 2, 1, 2.50), (101, 1, 3, 1);
SELECT order_id, total_amount, item_count, version FROM orders WHERE order_id >= 100 ORDER BY 1;
INSERT INTO order_items (order_id, line_no, kind, price) VALUES (100, 3, 'discount', 1.5), (100, 4, 'shipping', 4), (100, 5, 'tax', 1) RETURNING kind, amount;
UPDATE order_items SET quantity = 1 WHERE order_id = 100 AND line_no = 1 RETURNING amount;
UPDATE order_items SET kind = 'discount' WHERE order_id = 100 AND line_no = 5 RETURNING amount;
INSERT INTO order_items (order_id, line_no, price) VALUES (100, 2, 3.50), (100, 6, 1) ON CONFLICT (order_id, line_no) DO UPDATE SET price = EXCLUDED.price;
SELECT total_amount, item_count, version, (SELECT sum(amount) FROM order_items i WHERE i.order_id = o.order_id) AS sum FROM orders o WHERE order_id = 100;
UPDATE order_items SET line_no = line_no + 10, product_id = 1 WHERE order_id = 100;
DELETE FROM order_items WHERE order_id = 100 AND line_no > 12;
SELECT total_amount, item_count FROM orders WHERE order_id = 100;
-- with lines, quantity and price of the order are free and say nothing; without the last line they count again
UPDATE orders SET price = 7 WHERE order_id = 100 RETURNING total_amount;
WITH d AS (DELETE FROM order_items WHERE order_id = 100 RETURNING *) SELECT count(*) FROM d;
SELECT total_amount, item_count FROM orders WHERE order_id = 100;
DELETE FROM order_items WHERE order_id = 101;
SELECT total_amount, item_count FROM orders WHERE order_id = 101;
-- one statement, many orders; and a statement that brings order and lines
INSERT INTO orders (order_id) SELECT g FROM generate_series(200, 209) AS g;
INSERT INTO order_items (order_id, line_no, price) SELECT o, l, o + l FROM generate_series(200, 209) AS o, generate_series(1, 5) AS l;
SELECT count(*), min(total_amount), max(total_amount), min(item_count) FROM orders WHERE order_id BETWEEN 200 AND 209;
WITH o AS (INSERT INTO orders (order_id) VALUES (210) RETURNING order_id) INSERT INTO order_items (order_id, line_no, price) SELECT order_id, 1, 8 FROM o;
SELECT total_amount, item_count FROM orders WHERE order_id = 210;
-- a discount may come first while the order is pending, and must be made good before it is paid
INSERT INTO orders (order_id) VALUES (300);
INSERT INTO order_items (order_id, line_no, kind, price) VALUES (300, 1, 'discount', 5);
SELECT total_amount FROM orders WHERE order_id = 300;
\set VERBOSITY terse
UPDATE orders SET status = 'paid' WHERE order_id = 300;
\set VERBOSITY default
INSERT INTO order_items (order_id, line_no, price) VALUES (300, 2, 20);
UPDATE orders SET status = 'paid' WHERE order_id = 300 RETURNING total_amount, paid_amount;
\set VERBOSITY terse
DELETE FROM order_items WHERE order_id = 300 AND line_no = 2;
-- ... and a line that failed leaves no door open
UPDATE orders SET item_count = 3 WHERE order_id = 300;
-- what a line may not be
INSERT INTO order_items (order_id, line_no, price) VALUES (101, 1, 1.005);
INSERT INTO order_items (order_id, line_no, price) VALUES (101, 1, 'NaN');
INSERT INTO order_items (order_id, line_no, price) VALUES (101, 1, 'Infinity');
INSERT INTO order_items (order_id, line_no, price) VALUES (101, 1, -1);
INSERT INTO order_items (order_id, line_no, price, quantity) VALUES (101, 1, 1, 0);
INSERT INTO order_items (order_id, line_no, price, quantity) VALUES (101, 1, 1, 'NaN');
INSERT INTO order_items (order_id, line_no, price, kind) VALUES (101, 1, 1, 'gift');
INSERT INTO order_items (order_id, line_no, price) VALUES (999, 1, 1);
INSERT INTO order_items (order_id, line_no, price, amount) VALUES (101, 1, 1, 2);
INSERT INTO order_items (order_id, line_no) VALUES (101, 1);
\set VERBOSITY default
UPDATE order_items SET order_id = 101 WHERE order_id = 210;
SELECT order_id, total_amount, item_count FROM orders WHERE order_id IN (101, 210) ORDER BY 1;
-- tables are not emptied under the totals
TRUNCATE order_items;
TRUNCATE payments CASCADE;
TRUNCATE payment_operations;
TRUNCATE orders CASCADE;
DELETE FROM orders WHERE order_id = 18;
SELECT * FROM order_payment.verify_store('s');

-- a user's trigger, column and index
ALTER TABLE orders ADD COLUMN note text DEFAULT 'none', ADD COLUMN label text GENERATED ALWAYS AS (upper(payment_method)) STORED;
CREATE INDEX ON orders (status, note) WHERE status < 'shipped';
CREATE FUNCTION set_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.price := coalesce(NEW.price, 3.33);
  IF NEW.note = 'free' THEN NEW.price := 0; NEW.status := 'cancelled'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER set_price BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION set_price();
INSERT INTO orders (order_id, quantity, payment_method) VALUES (400, 3, 'card') RETURNING price, total_amount, note, label;
UPDATE orders SET note = 'free' WHERE order_id = 400 RETURNING price, total_amount, status, version, cancelled_at IS NOT NULL AS stamped;
SELECT version, from_status, to_status FROM order_payment.order_timeline(400);
\set VERBOSITY terse
INSERT INTO orders (order_id, note) VALUES (401, 'free');
\set VERBOSITY default
DROP TRIGGER set_price ON orders;
ALTER TABLE orders DROP COLUMN note, DROP COLUMN label;
UPDATE orders SET quantity = 2 WHERE order_id = 17 RETURNING total_amount;

-- an explicit key in the way of the identity
INSERT INTO shop.orders (order_id, price) VALUES (1, 1), (2, 1);
INSERT INTO shop.orders (price) VALUES (1);
INSERT INTO shop.orders (price) VALUES (1);
INSERT INTO shop.orders (price) VALUES (1) RETURNING order_id;
SELECT setval(pg_get_serial_sequence('shop.orders', 'order_id'), max(order_id)) FROM shop.orders;
INSERT INTO shop.orders (price) VALUES (1) RETURNING order_id;
INSERT INTO shop.orders (customer_id, request_key) VALUES (1, 'k'), (2, 'k'), (NULL, 'k'), (NULL, 'l'), (NULL, NULL), (NULL, NULL) RETURNING customer_id;
\set VERBOSITY terse
INSERT INTO shop.orders (customer_id, request_key) VALUES (1, 'k');
INSERT INTO shop.orders (customer_id, request_key) VALUES (NULL, 'k');
UPDATE shop.orders SET customer_id = NULL WHERE customer_id = 2;
-- a customer who is to be forgotten: his key goes with him
UPDATE shop.orders SET customer_id = NULL, request_key = NULL WHERE customer_id = 2;
\set VERBOSITY default

-- which store?
SELECT order_payment.current_store();
SET search_path = public;
SELECT order_payment.current_store();
CREATE TEMP TABLE orders (order_id integer);
\set VERBOSITY sqlstate
SELECT order_payment.current_store();
\set VERBOSITY default
DROP TABLE pg_temp.orders;
SET search_path = public, "it's", s;
SELECT order_payment.current_store();
\set VERBOSITY sqlstate
SELECT order_payment.order_timeline('1', 'public');
SELECT order_payment.verify_store('public');
SELECT order_payment.verify_store('nowhere');
\set VERBOSITY default

-- the application's role
SET search_path = s;
SET ROLE regress_op_app;
INSERT INTO orders (order_id, customer_id, price) VALUES (500, 1, 10) RETURNING order_id, total_amount, status;
INSERT INTO orders (price) VALUES (1) RETURNING order_id > 0 AS made;
SELECT currval(pg_get_serial_sequence('orders', 'order_id')) > 0 AS known;
INSERT INTO orders (order_id, price) VALUES (502, 4), (503, 0), (504, 4);
UPDATE orders SET status = 'cancelled' WHERE order_id = 502 RETURNING * \gset u_
\echo :u_status
-- it pays by payments, whose outcome it does not record; an order that costs nothing is paid
UPDATE orders SET status = 'paid' WHERE order_id = 503 RETURNING status, version, paid_amount;
UPDATE orders SET status = 'paid' WHERE order_id = 504;
INSERT INTO payments (order_id, gateway, amount) VALUES (504, 'cod', 4) RETURNING status, currency, fee, captured_amount;
UPDATE payments SET status = 'succeeded' WHERE order_id = 504;
UPDATE orders SET status = 'authorized' WHERE order_id = 504;
RESET ROLE;
SET ROLE regress_op_gateway;
UPDATE payments SET status = 'succeeded' WHERE order_id = 504 RETURNING status, captured_amount;
RESET ROLE;
SET ROLE regress_op_app;
SELECT version, entity, from_status, to_status, amount FROM order_payment.order_timeline(504);
SELECT count(*) AS payments_of_a_free_order FROM payments WHERE order_id = 503;
INSERT INTO order_items (order_id, line_no, price) VALUES (500, 1, 3), (500, 2, 4);
UPDATE order_items SET price = 5 WHERE order_id = 500 AND line_no = 1;
DELETE FROM order_items WHERE order_id = 500 AND line_no = 2;
SELECT total_amount, item_count, version FROM orders WHERE order_id = 500;
SELECT version, from_status, to_status FROM order_payment.order_timeline(500);
SELECT order_payment.current_store();
SELECT count(*) FROM order_payment.verify_store();
\set VERBOSITY terse
DELETE FROM orders WHERE order_id = 500;
TRUNCATE orders CASCADE;
TRUNCATE order_items;
INSERT INTO order_events (order_id, version, event_id, entity, to_status, actor, session_role, recorded_at, xid)
  VALUES (500, 9, '00000000-0000-0000-0000-000000000000', 'order', 'paid', 'me', 'me', now(), '1');
UPDATE order_events SET actor = 'nobody';
DELETE FROM order_events;
TRUNCATE order_events;
DELETE FROM event_consumers;
DELETE FROM payments;
DELETE FROM payment_operations;
DELETE FROM refunds;
TRUNCATE payments CASCADE;
INSERT INTO gateways (gateway) VALUES ('own');
UPDATE gateways SET active = false;
INSERT INTO gateway_fees (gateway, currency, rate) VALUES ('cod', 'USD', 0.5);
ALTER TABLE payments DISABLE TRIGGER ALL;
ALTER TABLE orders DISABLE TRIGGER ALL;
DROP TRIGGER zzz_guard_status ON orders;
CREATE TRIGGER mine BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION set_price();
CREATE TABLE mine (order_id bigint REFERENCES orders);
CREATE TABLE s.mine (x integer);
SELECT setval(pg_get_serial_sequence('orders', 'order_id'), 1);
SELECT order_payment.guard_column('orders', 'status', 'pending');
UPDATE orders SET total_amount = 1 WHERE order_id = 500;
UPDATE orders SET paid_amount = 1 WHERE order_id = 500;
UPDATE orders SET status = 'refunded' WHERE order_id = 500;
SELECT * FROM orders WHERE order_id = 500 FOR UPDATE \gset l_
RESET ROLE;
SET ROLE regress_op_nobody;
\set VERBOSITY sqlstate
SELECT count(*) FROM s.orders;
SELECT count(*) FROM s.order_events;
SELECT count(*) FROM s.payments;
SELECT count(*) FROM s.refunds;
SELECT count(*) FROM order_payment.order_timeline(1, 's');
SELECT count(*) FROM order_payment.read_events('c', 1, 's');
SELECT count(*) FROM order_payment.verify_store('s');
RESET ROLE;
\set VERBOSITY default
-- a line of one who may not write orders: the effect runs as the owner
CREATE ROLE regress_op_lines;
GRANT USAGE ON SCHEMA s TO regress_op_lines;
GRANT SELECT, INSERT, UPDATE, DELETE ON s.order_items TO regress_op_lines;
SET ROLE regress_op_lines;
INSERT INTO order_items (order_id, line_no, price) VALUES (500, 7, 2);
RESET ROLE;
SELECT total_amount, item_count FROM orders WHERE order_id = 500;
-- a payment of one who may not write orders
GRANT SELECT, INSERT, UPDATE ON s.payments TO regress_op_lines;
INSERT INTO orders (order_id, price) VALUES (505, 6);
SET ROLE regress_op_lines;
INSERT INTO payments (order_id, gateway, amount) VALUES (505, 'cod', 6) RETURNING currency;
RESET ROLE;
SELECT version, status FROM orders WHERE order_id = 505;
-- but only between tables of one owner
ALTER TABLE order_items OWNER TO regress_op_lines;
INSERT INTO order_items (order_id, line_no, price) VALUES (500, 8, 2);
ALTER TABLE payments OWNER TO regress_op_lines;
UPDATE payments SET status = 'processing' WHERE order_id = 505;
UPDATE orders SET status = 'paid' WHERE order_id = 505;
ALTER TABLE payments OWNER TO regress_op_owner;
ALTER TABLE order_items OWNER TO regress_op_owner;
INSERT INTO order_items (order_id, line_no, price) VALUES (500, 8, 2);
-- tables and columns of the store may be renamed, and moved
ALTER TABLE order_items RENAME TO positions;
ALTER TABLE orders RENAME TO purchases;
ALTER TABLE payments RENAME TO charges;
ALTER TABLE payment_operations RENAME TO movements;
INSERT INTO positions (order_id, line_no, price) VALUES (500, 9, 2);
INSERT INTO charges (order_id, gateway, amount, status) VALUES (500, 'cod', 11, 'authorized');
UPDATE purchases SET status = 'shipped' WHERE order_id = 500 RETURNING total_amount, item_count, version;
INSERT INTO movements (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'capture', 5, 'succeeded' FROM charges WHERE order_id = 500;
ALTER TABLE purchases RENAME TO orders;
ALTER TABLE positions RENAME TO order_items;
ALTER TABLE charges RENAME TO payments;
ALTER TABLE movements RENAME TO payment_operations;
ALTER SCHEMA s RENAME TO t;
UPDATE t.orders SET status = 'completed' WHERE order_id = 500;
UPDATE t.payments SET status = 'succeeded' WHERE order_id = 500 RETURNING captured_amount;
UPDATE t.orders SET status = 'completed' WHERE order_id = 500 RETURNING status, version, paid_amount;
SELECT * FROM order_payment.verify_store('t');
-- the order's own columns are asked for by name
ALTER TABLE t.orders RENAME COLUMN version TO revision;
UPDATE t.orders SET payment_method = 'card' WHERE order_id = 500;
ALTER TABLE t.orders RENAME COLUMN revision TO version;
UPDATE t.orders SET payment_method = 'card' WHERE order_id = 500;
-- the default of a derived column is no forgery, the value of a new row is one
INSERT INTO t.orders (order_id, price) VALUES (501, 5);
UPDATE t.orders SET status = 'paid' WHERE order_id = 501;
UPDATE t.orders SET version = DEFAULT, item_count = DEFAULT, paid_amount = DEFAULT WHERE order_id = 501 RETURNING version, item_count, paid_amount;
UPDATE t.orders SET version = 1 WHERE order_id = 501;
-- who may reference the orders must not stop them
CREATE ROLE regress_op_references;
GRANT USAGE ON SCHEMA t TO regress_op_references;
GRANT REFERENCES ON t.orders TO regress_op_references;
CREATE SCHEMA meddler AUTHORIZATION regress_op_references;
SET ROLE regress_op_references;
CREATE TABLE meddler.x (order_id bigint REFERENCES t.orders);
CREATE TRIGGER x BEFORE INSERT ON meddler.x FOR EACH ROW EXECUTE FUNCTION order_payment.append_only();
RESET ROLE;
UPDATE t.orders SET status = 'shipped' WHERE order_id = 501 RETURNING version;
DROP SCHEMA meddler CASCADE;
DROP OWNED BY regress_op_references;
DROP ROLE regress_op_references;
-- the extension is not dropped under a store
\set VERBOSITY sqlstate
DROP EXTENSION order_payment;
\set VERBOSITY default

SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA shop, t, "Böse ""Bude""", "it's", :"long", taken CASCADE;
DROP OWNED BY regress_op_owner, regress_op_nobody;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway, regress_op_nobody, regress_op_lines;
