-- layout: stores in partitions, by hash and by ranges of order_id, and stores that may lie on several nodes
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
CREATE ROLE regress_op_reader;
GRANT CREATE ON DATABASE contrib_regression TO regress_op_owner;
SELECT order_payment.create_store('hashed', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway', owner => 'regress_op_owner',
  order_id_type => 'uuid', partitions => 3);
SELECT order_payment.create_store('ranged', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway', owner => 'regress_op_owner',
  partitions => 2, orders_per_partition => 10);
SELECT order_payment.create_store('ready', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway', owner => 'regress_op_owner',
  distribution_ready => true);
RESET client_min_messages;

-- ---------- what cannot be made ----------
\set VERBOSITY sqlstate
SELECT order_payment.create_store('no', partitions => -1);
SELECT order_payment.create_store('no', partitions => 1001);
SELECT order_payment.create_store('no', partitions => NULL);
SELECT order_payment.create_store('no', distribution_ready => NULL);
SELECT order_payment.create_store('no', partitions => 2, orders_per_partition => 0);
SELECT order_payment.create_store('no', orders_per_partition => 10);
SELECT order_payment.create_store('no', partitions => 2, orders_per_partition => 10, order_id_type => 'uuid');
SELECT order_payment.create_store('no', partitions => 2, orders_per_partition => 9223372036854775807);
\set VERBOSITY terse

-- ---------- the same of every table ----------
SELECT regexp_replace(c.relname, '^[a-z_]+_(?=p\d|rest)', '') AS slice, count(*) AS tables, count(DISTINCT pg_get_userbyid(c.relowner)) AS owners,
       count(*) FILTER (WHERE EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & 32 = 32)) AS refuse_truncate
FROM pg_class c WHERE c.relnamespace = 'ranged'::regnamespace AND c.relispartition AND c.relkind = 'r' GROUP BY 1 ORDER BY 1;
-- a partition and its indexes are known by their names
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'hashed.payments_p1'::regclass ORDER BY c.relname COLLATE "C";
SELECT s.store, v.* FROM unnest('{hashed,ranged,ready}'::name[]) s (store), order_payment.verify_store(s.store) v;
SELECT s.store, u.* FROM unnest('{hashed,ranged,ready}'::name[]) s (store), order_payment.upgrade_store(s.store) u;

-- ---------- keys across orders, and what stands for them ----------
-- where a store may lie on several nodes, every key, and every foreign key between rows of an order, begins with the order
SELECT s.store, c.relname, i.indexrelid::regclass AS key
FROM unnest('{hashed,ranged,ready}'::name[]) s (store)
JOIN pg_class c ON c.relnamespace = s.store::regnamespace AND c.relname = ANY (order_payment.sliced_tables())
JOIN pg_index i ON i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] AND a.attname <> 'order_id';
SELECT k.conrelid::regclass, k.conname FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND k.conrelid::regclass::text LIKE 'ready.%' AND k.confrelid = ANY (SELECT format('ready.%I', t)::regclass FROM unnest(order_payment.sliced_tables()) t)
  AND a.attname <> 'order_id';
-- every table with an order_id in its key is one of them
SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND a.attname = 'order_id'
WHERE c.relnamespace = 'ready'::regnamespace AND c.relname <> ALL (order_payment.sliced_tables());

-- the order_id follows from customer and key: version 8 of RFC 9562
SELECT order_payment.order_id_for(7, 'k') AS id, order_payment.order_id_for(7, 'k') = order_payment.order_id_for('7'::text, 'k') AS same,
       order_payment.order_id_for(7, NULL) IS NULL AS none;
SELECT count(DISTINCT order_payment.order_id_for(c, k)) AS ids FROM (VALUES ('1', '23'), ('12', '3'), ('', '123'), (NULL, '123'), ('guest', '3'), (NULL, '1 23'), ('1', '2 3')) v (c, k);
SET ROLE regress_op_app;
SET search_path = hashed;
INSERT INTO orders (order_id, customer_id, price, request_key) VALUES (order_payment.order_id_for(7, 'k'), 7, 10, 'k') ON CONFLICT (order_id) DO NOTHING RETURNING status;
INSERT INTO orders (order_id, customer_id, price, request_key) VALUES (order_payment.order_id_for(7, 'k'), 7, 10, 'k') ON CONFLICT (order_id) DO NOTHING RETURNING status;
INSERT INTO orders (order_id, customer_id, price, request_key) VALUES (order_payment.order_id_for(7, 'k'), 7, 10, 'k');
INSERT INTO orders (order_id, customer_id, price, request_key) VALUES (order_payment.order_id_for(8, 'k'), 7, 10, 'k');
\set VERBOSITY sqlstate
INSERT INTO orders (customer_id, price, request_key) VALUES (7, 10, 'k');
\set VERBOSITY terse
INSERT INTO orders (order_id, price, request_key) VALUES (order_payment.order_id_for(NULL::text, 'k'), 10, 'k') RETURNING status;
INSERT INTO orders (customer_id, price) VALUES (7, 10) RETURNING status;
UPDATE orders SET customer_id = 9 WHERE request_key = 'k' AND customer_id = 7;
INSERT INTO ranged.orders (customer_id, price, request_key) VALUES (7, 10, 'k');
INSERT INTO ready.orders (customer_id, price, request_key) VALUES (7, 10, 'k');

-- numbers are the server's; who records outcomes may bring one
INSERT INTO payments (order_id, gateway, amount) SELECT order_id, 'cod', 10 FROM orders WHERE customer_id = 7 AND request_key = 'k' RETURNING substr(payment_id::text, 15, 1) AS version, status;
INSERT INTO payments (order_id, payment_id, gateway, amount, split) SELECT order_id, NULL, 'cod', 1, true FROM orders WHERE request_key = 'k' AND customer_id IS NULL RETURNING payment_id IS NOT NULL AS made;
\set VERBOSITY default
INSERT INTO payments (order_id, payment_id, gateway, amount, split) SELECT order_id, gen_random_uuid(), 'cod', 1, true FROM orders WHERE request_key = 'k' AND customer_id IS NULL;
\set VERBOSITY terse
SET ROLE regress_op_gateway;
INSERT INTO payments (order_id, payment_id, gateway, amount, split, status)
SELECT order_id, '00000000-0000-7000-8000-000000000001', 'cod', 1, true, 'succeeded' FROM orders WHERE request_key = 'k' AND customer_id IS NULL RETURNING payment_id;
INSERT INTO payment_operations (order_id, payment_id, kind, amount) SELECT order_id, payment_id, 'refund', 1 FROM payments WHERE captured_amount > 0 RETURNING operation_id IS NOT NULL AS made;
SET ROLE regress_op_app;
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount) SELECT order_id, gen_random_uuid(), payment_id, 'refund', 1 FROM payments WHERE captured_amount > 0;
-- as functions make them
SELECT (order_payment.create_payment(order_id, 'cod', request_key => 'a', store => 'hashed')).is_replay FROM orders WHERE request_key IS NULL;
SELECT (order_payment.create_payment(order_id, 'cod', request_key => 'a', store => 'hashed')).is_replay FROM orders WHERE request_key IS NULL;
RESET ROLE;
-- assign_id() on a table of somebody's own
CREATE TABLE public.thing (id uuid, name text);
CREATE TRIGGER assign BEFORE INSERT ON public.thing FOR EACH ROW EXECUTE FUNCTION order_payment.assign_id();
INSERT INTO public.thing DEFAULT VALUES;
CREATE OR REPLACE TRIGGER assign BEFORE INSERT ON public.thing FOR EACH ROW EXECUTE FUNCTION order_payment.assign_id('name');
INSERT INTO public.thing DEFAULT VALUES;
CREATE OR REPLACE TRIGGER assign BEFORE INSERT ON public.thing FOR EACH ROW EXECUTE FUNCTION order_payment.assign_id('id');
INSERT INTO public.thing DEFAULT VALUES RETURNING substr(id::text, 15, 1) AS version;
CREATE OR REPLACE TRIGGER assign BEFORE UPDATE ON public.thing FOR EACH ROW EXECUTE FUNCTION order_payment.assign_id('id');
UPDATE public.thing SET name = 'x';
SELECT order_payment.assign_id();
DROP TABLE public.thing;

-- the gateway's reference: unique within an order; of two orders, a conflict
INSERT INTO gateways (gateway, protocol) VALUES ('g', 'json');
INSERT INTO payments (order_id, gateway, amount, split, gateway_reference) SELECT order_id, 'g', 1, true, 'ref' FROM orders WHERE request_key = 'k';
INSERT INTO payments (order_id, gateway, amount, split, gateway_reference) SELECT order_id, 'g', 1, true, 'ref' FROM orders WHERE request_key = 'k';
SELECT order_payment.find_told_payment('g', jsonb_populate_record(NULL::order_payment.gateway_fact, '{"entity": "payment", "reference": "ref"}'), 'hashed');
SELECT * FROM order_payment.verify_store('hashed');

-- ---------- ranges: partitions that come ----------
SET search_path = ranged;
SET ROLE regress_op_app;
INSERT INTO orders (customer_id, price) SELECT g, 10 FROM generate_series(1, 34) g;
SELECT order_payment.add_partitions(1);
RESET ROLE;
SELECT order_payment.add_partitions(1, 'nowhere');
SELECT tableoid::regclass AS part, count(*) FROM orders GROUP BY 1 ORDER BY 1;
SELECT order_payment.add_partitions(NULL);
SELECT order_payment.add_partitions(-1);
SELECT order_payment.add_partitions(1, 'hashed');
SELECT order_payment.add_partitions(1, 'ready');
SELECT order_payment.add_partitions(1, 'nowhere');
SET ROLE regress_op_gateway;
INSERT INTO payments (order_id, gateway, amount, status) SELECT order_id, 'manual', 10, 'succeeded' FROM orders WHERE order_id <= 32;
RESET ROLE;
-- the rest gets a partition of its own, and stays the rest
SELECT order_payment.add_partitions(0);
SELECT tableoid::regclass AS part, count(*) FROM orders GROUP BY 1 ORDER BY 1;
SELECT order_payment.add_partitions(1);
INSERT INTO orders (order_id, price) VALUES (45, 1), (1000, 1);
SELECT s.part, s.first, s.beyond FROM order_payment.slices('ranged') s WHERE s.table_name = 'payments' ORDER BY s.first;
SELECT * FROM order_payment.verify_store();
SELECT * FROM order_payment.upgrade_store();
-- all belongs to the owner, whoever called
SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relnamespace = 'ranged'::regnamespace;

-- ---------- retention ----------
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'refund', 3, 'succeeded' FROM payments WHERE order_id <= 20;
INSERT INTO payments (order_id, gateway, amount, split, retry_of) SELECT order_id, 'cod', 1, true, payment_id FROM payments WHERE order_id = 5;
GRANT SELECT ON orders, order_events TO regress_op_reader;
GRANT USAGE ON SCHEMA ranged TO regress_op_reader;
\set VERBOSITY default
SELECT order_payment.archive_orders(25);
UPDATE orders SET status = 'shipped' WHERE order_id <= 20;
UPDATE orders SET status = 'completed' WHERE order_id <= 20;
SELECT count(*) FROM order_payment.read_events('mailer', 1);
SELECT order_payment.archive_orders(25);
\set VERBOSITY terse
UPDATE payments SET status = 'revoked' WHERE retry_of IS NOT NULL;
SELECT order_payment.ack_events('mailer', ARRAY(SELECT event_id FROM order_payment.read_events('mailer', 10000))) > 0 AS acked;
CREATE TEMP TABLE kept AS SELECT order_id, version, to_status FROM order_events WHERE order_id <= 20;
CREATE TEMP TABLE cards AS SELECT order_id, payment_id, captured_amount, net_amount FROM payments WHERE order_id <= 20;
SET ROLE regress_op_gateway;
SELECT order_payment.archive_orders(25);
RESET ROLE;
SELECT order_payment.archive_orders(25);
-- nothing more, and never the newest
SELECT order_payment.archive_orders(25);
SELECT order_payment.archive_orders(10, 'hashed');
SELECT tableoid::regclass AS part, count(*) FROM orders GROUP BY 1 ORDER BY 1;
-- what was put aside is as it was, and can be read by who could read it, and changed by nobody
(TABLE kept EXCEPT SELECT order_id, version, to_status FROM (TABLE ranged_archive.order_events_p1 UNION ALL TABLE ranged_archive.order_events_p11) e);
(TABLE cards EXCEPT SELECT order_id, payment_id, captured_amount, net_amount FROM (TABLE ranged_archive.payments_p1 UNION ALL TABLE ranged_archive.payments_p11) p);
SELECT count(*) FROM pg_constraint WHERE conrelid::regclass::text LIKE 'ranged\_archive.%' AND contype = 'f';
SET ROLE regress_op_reader;
SELECT count(*) FROM ranged_archive.orders_p1;
SELECT count(*) FROM ranged_archive.payments_p1;
RESET ROLE;
SET ROLE regress_op_owner;
UPDATE ranged_archive.order_events_p1 SET reason = 'x';
DELETE FROM ranged_archive.order_events_p1;
INSERT INTO ranged_archive.order_events_p1 SELECT * FROM ranged_archive.order_events_p1 LIMIT 1;
TRUNCATE ranged_archive.order_events_p1;
RESET ROLE;
SELECT * FROM order_payment.verify_store();
-- the store goes on, also where a partition is the only one
SELECT order_payment.archive_orders(100000);
UPDATE orders SET status = 'cancelled' WHERE order_id <= 50 AND status <> 'paid';
UPDATE orders SET status = 'shipped' WHERE order_id <= 40 AND status = 'paid';
UPDATE orders SET status = 'completed' WHERE order_id <= 40 AND status = 'shipped';
SELECT order_payment.ack_events('mailer', ARRAY(SELECT event_id FROM order_payment.read_events('mailer', 10000))) > 0 AS acked;
SELECT count(*) AS archived FROM order_payment.archive_orders(100000, archive => 'old');
SELECT s.part, s.first, s.beyond FROM order_payment.slices('ranged') s WHERE s.table_name = 'orders' ORDER BY s.first;
INSERT INTO orders (price) VALUES (5) RETURNING order_id, status;
SELECT * FROM order_payment.verify_store();
-- nothing follows from an order that is gone
SELECT order_id, version, to_status FROM order_payment.read_events('mailer', 100);
SELECT count(*) FROM order_payment.order_timeline(3);

SET client_min_messages = warning;
RESET search_path;
DROP SCHEMA hashed, ranged, ready, ranged_archive, old CASCADE;
DROP OWNED BY regress_op_owner, regress_op_app, regress_op_gateway, regress_op_reader;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway, regress_op_reader;
