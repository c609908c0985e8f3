-- The SQLSTATE of every refusal: programs test it, and no prose. Whatever is refused leaves the store in order.
SET client_min_messages = error;
BEGIN;
SELECT plan(156);

SELECT order_payment.create_store('shop') \g /dev/null
INSERT INTO shop.orders (order_id, customer_id, request_key, price) VALUES (1, 7, 'a', 10), (2, 7, 'b', 10), (3, 7, 'c', NULL);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 1, 5);
UPDATE shop.orders SET status = 'paid' WHERE order_id = 2;
CREATE TABLE plain (id int PRIMARY KEY, state text, number int, made text GENERATED ALWAYS AS ('x') STORED);
CREATE TYPE ticket_state AS ENUM ('new', 'open', 'done');
CREATE VIEW a_view AS SELECT 'new'::text AS state;

PREPARE move AS UPDATE shop.orders SET status = $1 WHERE order_id = 2;

CREATE TEMP TABLE refusal (state text, statement text, n serial);
COPY refusal (state, statement) FROM stdin;
OP001	UPDATE shop.orders SET status = 'shipped' WHERE order_id = 1
OP001	UPDATE shop.orders SET status = 'pending' WHERE order_id = 2
OP001	UPDATE shop.orders SET status = 'expired'
OP001	UPDATE ONLY shop.orders SET status = 'completed' WHERE order_id = 1
OP001	EXECUTE move('expired')
OP001	INSERT INTO shop.orders (order_id, price, status) VALUES (9, 1, 'paid')
OP001	INSERT INTO shop.orders (order_id, price, status) VALUES (9, 1, 'expired')
OP001	INSERT INTO shop.orders (order_id, price, status) VALUES (2, 10, 'expired') ON CONFLICT (order_id) DO UPDATE SET status = EXCLUDED.status
OP001	INSERT INTO shop.orders (order_id, price, status) VALUES (9, 10, 'paid') ON CONFLICT (order_id) DO UPDATE SET status = EXCLUDED.status
OP001	INSERT INTO shop.orders (order_id, price, status) VALUES (9, 10, 'paid') ON CONFLICT DO NOTHING
OP001	MERGE INTO shop.orders o USING (VALUES (2)) v (id) ON o.order_id = v.id WHEN MATCHED THEN UPDATE SET status = 'pending'
OP001	MERGE INTO shop.orders o USING (VALUES (9)) v (id) ON o.order_id = v.id WHEN NOT MATCHED THEN INSERT (order_id, price, status) VALUES (9, 1, 'paid')
OP001	WITH w AS (UPDATE shop.orders SET status = 'refunded' WHERE order_id = 1 RETURNING *) SELECT * FROM w
OP003	UPDATE shop.orders SET version = 7 WHERE order_id = 1
OP003	UPDATE shop.orders SET version = 7, status = 'authorized' WHERE order_id = 1
OP003	UPDATE shop.orders SET total_amount = 1 WHERE order_id = 1
OP003	UPDATE shop.orders SET total_amount = 1 WHERE order_id = 3
OP003	UPDATE shop.orders SET price = 3, total_amount = 4 WHERE order_id = 1
OP003	UPDATE shop.orders SET item_count = 2 WHERE order_id = 1
OP003	UPDATE shop.orders SET item_count = 2 WHERE order_id = 3
OP003	UPDATE shop.orders SET created_at = '2020-01-01' WHERE order_id = 1
OP003	UPDATE shop.orders SET paid_at = '2020-01-01' WHERE order_id = 1
OP003	UPDATE shop.orders SET paid_at = '2020-01-01' WHERE order_id = 2
OP003	UPDATE shop.orders SET paid_at = now(), status = 'paid' WHERE order_id = 1
OP003	UPDATE shop.orders SET refunded_at = 'infinity' WHERE order_id = 1
OP003	UPDATE shop.orders SET order_id = 9 WHERE order_id = 1
OP003	INSERT INTO shop.orders (order_id, price, version) VALUES (9, 1, 2)
OP003	INSERT INTO shop.orders (order_id, price, total_amount) VALUES (9, 1, 2)
OP003	INSERT INTO shop.orders (order_id, price, item_count) VALUES (9, 1, 1)
OP003	INSERT INTO shop.orders (order_id, price, created_at) VALUES (9, 1, '2020-01-01')
OP003	INSERT INTO shop.orders (order_id, price, paid_at) VALUES (9, 1, '2020-01-01')
OP003	UPDATE shop.order_items SET order_id = 1 WHERE order_id = 3
OP003	INSERT INTO shop.order_events SELECT * FROM shop.order_events WHERE order_id = 1
OP003	INSERT INTO shop.order_events (order_id, version, event_id, entity, to_status, actor, session_role, recorded_at, xid) VALUES (1, 2, gen_random_uuid(), 'order', 'paid', 'me', 'me', now(), pg_current_xact_id())
OP003	INSERT INTO shop.order_events SELECT * FROM shop.order_events WHERE order_id = 1 ON CONFLICT DO NOTHING
OP003	UPDATE shop.order_events SET actor = 'nobody'
OP003	UPDATE shop.order_events SET actor = actor
OP003	DELETE FROM shop.order_events
OP003	TRUNCATE shop.order_events
OP003	TRUNCATE shop.orders CASCADE
OP003	TRUNCATE shop.order_items
OP003	MERGE INTO shop.order_events e USING shop.orders o ON e.order_id = o.order_id WHEN MATCHED THEN DELETE
22P02	SELECT 'Paid'::order_payment.order_status
22P02	SELECT ''::order_payment.order_status
22P02	SELECT ' paid'::order_payment.order_status
22P02	SELECT 'paid '::text::order_payment.order_status
22P02	SELECT 'paid'::order_payment.payment_status
22P02	SELECT 'pending'::order_payment.operation_status
22P02	UPDATE shop.orders SET status = 'payed' WHERE order_id = 1
22P02	INSERT INTO shop.orders (order_id, price, status) SELECT 9, 1, 'nothing'::text
22P02	SELECT * FROM order_payment.order_timeline('one', 'shop')
42883	SELECT 'paid'::order_payment.order_status = 'paid'::text
42883	SELECT 'failed'::order_payment.payment_status = 'failed'::order_payment.operation_status
42846	SELECT 50::order_payment.order_status
42846	SELECT 'paid'::order_payment.order_status::int
42804	UPDATE shop.orders SET status = 50 WHERE order_id = 1
23514	UPDATE shop.orders SET price = -1 WHERE order_id = 1
23514	UPDATE shop.orders SET price = 'Infinity' WHERE order_id = 1
23514	UPDATE shop.orders SET price = 'NaN' WHERE order_id = 1
23514	UPDATE shop.orders SET quantity = 0 WHERE order_id = 1
23514	UPDATE shop.orders SET quantity = 'NaN' WHERE order_id = 1
23514	UPDATE shop.orders SET quantity = 'Infinity' WHERE order_id = 1
23514	UPDATE shop.orders SET price = 10.001 WHERE order_id = 1
23514	UPDATE shop.orders SET price = 10.01, quantity = 1.5 WHERE order_id = 1
23514	UPDATE shop.orders SET currency = 'usd' WHERE order_id = 1
23514	UPDATE shop.orders SET currency = 'XXX' WHERE order_id = 1
23514	UPDATE shop.orders SET currency = '' WHERE order_id = 1
23514	UPDATE shop.orders SET currency = 'JPY', price = 0.5 WHERE order_id = 1
23514	UPDATE shop.orders SET price = NULL WHERE order_id = 2
23514	UPDATE shop.orders SET price = NULL, status = 'authorized' WHERE order_id = 1
23514	INSERT INTO shop.order_items (order_id, line_no, kind, price) VALUES (3, 2, 'gift', 1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, -1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, 'NaN')
23514	INSERT INTO shop.order_items (order_id, line_no, quantity, price) VALUES (3, 2, 0, 1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, 0.001)
23514	WITH l AS (INSERT INTO shop.order_items (order_id, line_no, kind, price) VALUES (3, 2, 'discount', 9)) UPDATE shop.orders SET status = 'authorized' WHERE order_id = 3
23502	UPDATE shop.orders SET status = NULL WHERE order_id = 1
23502	UPDATE shop.orders SET currency = NULL WHERE order_id = 1
23502	INSERT INTO shop.orders (order_id, price, status) VALUES (9, 1, NULL)
23502	INSERT INTO shop.order_items (order_id, line_no) VALUES (3, 2)
23503	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (99, 1, 1)
23503	DELETE FROM shop.orders WHERE order_id = 1
23505	INSERT INTO shop.orders (order_id, price) VALUES (1, 1)
23505	INSERT INTO shop.orders (customer_id, request_key, order_id, price) VALUES (7, 'a', 9, 1)
23505	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 1, 1)
428C9	INSERT INTO shop.order_items (order_id, line_no, price, amount) VALUES (3, 2, 1, 1)
42P07	SELECT order_payment.create_store('shop')
42P07	CREATE SCHEMA half; CREATE TABLE half.order_events (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.orders AS SELECT 1; SELECT order_payment.create_store('half')
22023	SELECT order_payment.create_store('shop2', 'usd')
22023	SELECT order_payment.create_store('shop2', 'XAU')
22023	SELECT order_payment.create_store('shop2', '')
22004	SELECT order_payment.create_store('shop2', NULL)
22004	SELECT order_payment.create_store(NULL)
22004	SELECT order_payment.create_store('shop2', order_id_type => NULL)
22004	SELECT order_payment.create_store('shop2', customer_id_type => NULL)
22004	SELECT order_payment.create_store('shop2', product_id_type => NULL)
42704	SELECT order_payment.create_store('shop2', app_role => 'nobody at all')
42704	SELECT order_payment.create_store('shop2', order_id_type => 'nothing')
42704	SELECT order_payment.create_store('shop2', order_id_type => 'json')
42939	SELECT order_payment.create_store('pg_shop')
42601	SELECT order_payment.create_store('')
42P17	SELECT order_payment.check_graph('order_payment.order_status', '')
42P17	SELECT order_payment.check_graph('order_payment.order_status', 'pending; pending: sold')
42P17	SELECT order_payment.check_graph('text', 'a; b: c')
42P17	SELECT order_payment.check_graph('text', 'a; a: b; b: a')
42P17	SELECT order_payment.check_graph('text', repeat('a', 100000))
42P17	SELECT order_payment.check_graph('ticket_state', 'new; new: closed')
42P17	SELECT order_payment.guard_column('plain', 'state', 'a; a: a')
42804	SELECT order_payment.check_graph('integer', 'a; a: b')
42804	SELECT order_payment.default_graph('integer')
42804	SELECT order_payment.guard_column('plain', 'number', 'a; a: b')
42704	SELECT order_payment.check_graph(0::regtype, 'a')
42703	SELECT order_payment.guard_column('plain', 'nothing', 'a; a: b')
42703	SELECT order_payment.guard_column('plain', 'ctid', 'a; a: b')
42703	SELECT order_payment.guard_column('plain', '', 'a; a: b')
22023	SELECT order_payment.guard_column('plain', 'state')
42809	SELECT order_payment.guard_column('a_view', 'state', 'new; new: done')
42P01	SELECT order_payment.guard_column('nothing', 'state', 'a; a: b')
42704	SELECT order_payment.status_graph('plain', 'state')
42704	SELECT * FROM order_payment.status_edges('plain', 'nothing')
22023	SELECT order_payment.status_graph('shop.orders', 'status', 'png')
39P01	SELECT order_payment.enforce_transition()
39P01	SELECT order_payment.record_event()
39P01	SELECT order_payment.append_only()
39P01	SELECT order_payment.refuse_truncate()
39P01	SELECT order_payment.maintain_order()
39P01	SELECT order_payment.follow_items()
22023	SELECT * FROM order_payment.read_events('c', 0, 'shop')
22023	SELECT * FROM order_payment.read_events('c', -1, 'shop')
42809	SELECT * FROM order_payment.read_events('c', 1, 'nowhere')
42809	SELECT order_payment.ack_events('c', ARRAY[]::uuid[], 'nowhere')
42809	SELECT * FROM order_payment.order_timeline(1, 'nowhere')
42809	SELECT * FROM order_payment.verify_store('nowhere')
42809	SELECT * FROM order_payment.verify_store('public')
42P01	SELECT order_payment.current_store()
42P01	SELECT * FROM order_payment.verify_store()
42P01	SELECT * FROM order_payment.order_timeline(1)
22023	SELECT order_payment.currency_exponent('usd')
22023	SELECT order_payment.currency_exponent('')
2BP01	DROP EXTENSION order_payment
2BP01	DROP TYPE order_payment.order_status
2BP01	DROP TABLE shop.orders
\.

SELECT throws_ok(statement, state::char(5), NULL, state || ': ' || left(statement, 150)) FROM refusal ORDER BY n;
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'the store is in order');
SELECT is((SELECT array_agg(status::text ORDER BY order_id) FROM shop.orders), '{pending,paid,pending}', 'and as it was');

-- a table of that name that is no store's
CREATE TABLE public.orders (order_id int);
SELECT throws_ok('SELECT order_payment.current_store()', '42809', NULL, '42809: orders of somebody else');
SELECT throws_ok('SELECT * FROM order_payment.read_events(''c'')', '42809', NULL, '42809: read_events() would read them');

-- a guard that is not the last BEFORE ROW trigger
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER zzzz_later BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing();
SELECT throws_ok($$ SELECT order_payment.guard_column('plain', 'state', 'a; a: b') $$, '55000', NULL, '55000: a later trigger is there');
DROP TRIGGER zzzz_later ON plain;
SELECT lives_ok($$ SELECT order_payment.guard_column('plain', 'state', 'a; a: b') $$, 'guard_column()');
CREATE TRIGGER zzzz_later BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing();
INSERT INTO plain VALUES (1, 'a');
SELECT throws_ok('UPDATE plain SET state = ''b''', '39P01', NULL, '39P01: a later trigger came');

-- an error carries what a program needs to know
CREATE FUNCTION pg_temp.diagnose(statement text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	c text; s text; t text; d text; h text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS c = COLUMN_NAME, s = SCHEMA_NAME, t = TABLE_NAME, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN ARRAY[s, t, c, (d <> '')::text, (h <> '')::text];
END $$;
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET status = 'shipped' WHERE order_id = 1 $$), '{shop,orders,status,true,true}', 'OP001 names schema, table and column, with detail and hint');
SELECT is(pg_temp.diagnose($$ INSERT INTO shop.orders (order_id, price, status) VALUES (9, 1, 'paid') $$), '{shop,orders,status,true,true}', 'at birth as well');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET version = 9 WHERE order_id = 1 $$), '{shop,orders,version,false,true}', 'OP003 names the column, with a hint');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET paid_at = 'now' WHERE order_id = 1 $$), '{shop,orders,paid_at,false,true}', 'of a stamp');
SELECT is(pg_temp.diagnose($$ DELETE FROM shop.order_events $$), '{shop,order_events,"",false,true}', 'of a table');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET status = 'payed' WHERE order_id = 1 $$), '{"","","",false,true}', '22P02 has a hint');

SELECT * FROM finish();
ROLLBACK;
