-- An unprivileged role puts its own schema and its temporary objects before everything else, full of operators, functions, casts
-- and tables that lie. What the extension does for it, and for the owner of a store, stays what it was.
SET client_min_messages = error;
BEGIN;
CREATE ROLE regress_tap_owner;
CREATE ROLE regress_tap_app;
CREATE SCHEMA evil AUTHORIZATION regress_tap_app;
CREATE SCHEMA shop AUTHORIZATION regress_tap_owner;
SELECT order_payment.create_store('shop', app_role => 'regress_tap_app', owner => 'regress_tap_owner') \g /dev/null
CREATE TABLE said (what text PRIMARY KEY, said text);
GRANT ALL ON said TO regress_tap_app;
DO $$ BEGIN EXECUTE format('GRANT CREATE, TEMP ON DATABASE %I TO regress_tap_app', current_database()); END $$;

-- ---------- the trap ----------

SET LOCAL SESSION AUTHORIZATION regress_tap_app;
CREATE TABLE evil.sprung (what text, by name);
GRANT INSERT ON evil.sprung TO PUBLIC;
CREATE TABLE evil.tickets (id integer PRIMARY KEY, state pg_catalog.text);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
DO $do$
DECLARE
	t text;
	o text;
	n int := 0;
BEGIN
	-- a comparison of each type that says the opposite, and tells that it was called
	FOREACH t IN ARRAY '{text,name,integer,bigint,numeric,boolean,oid,uuid,xid8,timestamptz,"char",regclass,regtype,smallint,order_payment.order_status}'::text[] LOOP
		FOREACH o IN ARRAY '{=,<>,<,<=,>,>=}'::text[] LOOP
			n := n + 1;
			EXECUTE format('CREATE FUNCTION evil.compare_%s(%s, %2$s) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.sprung VALUES (%L, current_user); RETURN false; END $f$', n, t, o || ' ' || t);
			EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.compare_%s, LEFTARG = %s, RIGHTARG = %3$s)', o, n, t);
		END LOOP;
	END LOOP;
	FOREACH t IN ARRAY '{integer,numeric,text}'::text[] LOOP
		FOREACH o IN ARRAY '{+,-,*,||}'::text[] LOOP
			n := n + 1;
			EXECUTE format('CREATE FUNCTION evil.compute_%s(%s, %2$s) RETURNS %2$s LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.sprung VALUES (%L, current_user); RETURN $1; END $f$', n, t, o || ' ' || t);
			EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.compute_%s, LEFTARG = %s, RIGHTARG = %3$s)', o, n, t);
		END LOOP;
	END LOOP;
	-- functions that the SQL of the extension calls by name
	FOREACH t IN ARRAY ARRAY['format(text, name)', 'format(text, name, text)', 'format(text, VARIADIC text[])', 'quote_ident(text)', 'quote_literal(text)',
							 'gen_random_uuid()', 'pg_current_xact_id()', 'pg_current_snapshot()', 'pg_notify(text, text)', 'to_regclass(text)',
							 'current_setting(text)', 'octet_length(text)', 'md5(text)', 'count(text)', 'max(integer)', 'sum(numeric)', 'left(text, integer)',
							 'to_regnamespace(text)', 'pg_get_serial_sequence(text, text)', 'now()', 'is_currency(text)', 'is_amount(numeric, text)', 'current_store()'] LOOP
		EXECUTE format('CREATE FUNCTION evil.%s RETURNS text LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.sprung VALUES (%L, current_user); RETURN ''evil''; END $f$', t, t);
	END LOOP;
	-- catalogs, tables and types of the same names
	FOREACH t IN ARRAY '{orders,order_items,order_events,event_consumers,consumer_offsets,pg_class,pg_trigger,pg_attribute,pg_namespace,pg_roles,pg_proc,pg_inherits,pg_constraint}'::text[] LOOP
		EXECUTE format('CREATE TABLE evil.%I (order_id text, relname name, nspname name)', t);
		EXECUTE format('CREATE TEMP TABLE %I (order_id text, relname name, nspname name)', t);
	END LOOP;
	FOREACH t IN ARRAY '{order_status,payment_status,name,text,numeric,uuid,regclass,xid8}'::text[] LOOP
		EXECUTE format('CREATE DOMAIN evil.%I AS integer', t);
		EXECUTE format('CREATE DOMAIN pg_temp.%I AS integer', t);
	END LOOP;
END $do$;
SELECT set_config('search_path', 'pg_temp, evil, pg_catalog, public', true) \g /dev/null

-- ---------- into it: what is done and said with that search_path ----------

-- the trap works
INSERT INTO public.said VALUES ('trap', ('a'::pg_catalog.text = 'a'::pg_catalog.text)::pg_catalog.text);

INSERT INTO shop.orders (order_id, price) VALUES (1, 10), (2, 20);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 1, 3), (1, 2, 4);
UPDATE shop.order_items SET price = 5 WHERE line_no OPERATOR(pg_catalog.=) 2;
DELETE FROM shop.order_items WHERE line_no OPERATOR(pg_catalog.=) 1;
UPDATE shop.orders SET status = 'authorized' WHERE order_id OPERATOR(pg_catalog.=) 1;
INSERT INTO shop.orders (order_id, price, status) VALUES (2, 20, 'paid') ON CONFLICT (order_id) DO UPDATE SET status = EXCLUDED.status;
MERGE INTO shop.orders o USING (VALUES (2)) v (id) ON o.order_id OPERATOR(pg_catalog.=) v.id WHEN MATCHED THEN UPDATE SET status = 'shipped';
CREATE FUNCTION evil.try(statement pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
DECLARE
	result pg_catalog.text;
BEGIN
	EXECUTE statement INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
INSERT INTO public.said SELECT v.what, evil.try(v.statement) FROM (VALUES
	('illegal move', 'UPDATE shop.orders SET status = ''expired'' RETURNING status::pg_catalog.text'),
	('illegal birth', 'INSERT INTO shop.orders (order_id, price, status) VALUES (3, 1, ''paid'') RETURNING ''x'''),
	('forged total', 'UPDATE shop.orders SET total_amount = 1 RETURNING ''x'''),
	('forged version', 'UPDATE shop.orders SET version = 7 RETURNING ''x'''),
	('forged stamp', 'UPDATE shop.orders SET refunded_at = pg_catalog.now() RETURNING ''x'''),
	('forged event', 'INSERT INTO shop.order_events SELECT * FROM shop.order_events RETURNING ''x'''),
	('bad scale', 'UPDATE shop.orders SET price = 1.001 RETURNING ''x'''),
	('bad currency', 'UPDATE shop.orders SET currency = ''evil'' RETURNING ''x'''),
	('current_store', 'SELECT order_payment.current_store()'),
	('timeline', 'SELECT pg_catalog.string_agg(to_status, '' '') FROM order_payment.order_timeline(2, ''shop'')'),
	('timeline of text', 'SELECT pg_catalog.string_agg(to_status, '' '') FROM order_payment.order_timeline(''2''::pg_catalog.text, ''shop'')'),
	('ack nothing', 'SELECT order_payment.ack_events(''c'', ARRAY[]::pg_catalog.uuid[], ''shop'')'),
	('verify', 'SELECT pg_catalog.count(*) FROM order_payment.verify_store(''shop'')'),
	('edges', 'SELECT pg_catalog.count(*) FROM order_payment.status_edges(''shop.orders'', ''status'')'),
	('graph', 'SELECT pg_catalog.md5(order_payment.status_graph(''shop.orders'', ''status''))'),
	('check_graph', 'SELECT order_payment.check_graph(''order_payment.order_status'', ''pending; pending: sold'')'),
	('default_graph', 'SELECT pg_catalog.md5(order_payment.default_graph(''order_payment.order_status''))'),
	('next_states', 'SELECT order_payment.next_states(''completed''::order_payment.order_status)'),
	('may become', 'SELECT ''pending''::order_payment.order_status ->? ''paid'''),
	('min', 'SELECT pg_catalog.min(status) FROM shop.orders'),
	('max', 'SELECT pg_catalog.max(status) FROM shop.orders'),
	('sorted', 'SELECT pg_catalog.array_agg(status ORDER BY status USING OPERATOR(pg_catalog.<)) FROM shop.orders'),
	('exponent', 'SELECT order_payment.currency_exponent(''JPY'')'),
	('own store', 'SELECT order_payment.create_store(''evil shop'')'),
	('guard', 'SELECT order_payment.guard_column(''evil.tickets'', ''state'', ''new; new: done'')')
	) v (what, statement);
-- a store and a guard of its own, made and used with that path
INSERT INTO "evil shop".orders (order_id, price) VALUES (1, 10);
UPDATE "evil shop".orders SET status = 'paid';
INSERT INTO public.said SELECT v.what, evil.try(v.statement) FROM (VALUES
	('own illegal move', 'UPDATE "evil shop".orders SET status = ''expired'' RETURNING ''x'''),
	('own verify', 'SELECT pg_catalog.count(*) FROM order_payment.verify_store(''evil shop'')'),
	('own column type', 'SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute WHERE attrelid OPERATOR(pg_catalog.=) ''"evil shop".orders''::pg_catalog.regclass AND attname OPERATOR(pg_catalog.=) ''status'''),
	('own graph', 'SELECT pg_catalog.count(*) FROM order_payment.status_edges(''evil.tickets'', ''state'')'),
	('own guard', 'INSERT INTO evil.tickets VALUES (1, ''done'') RETURNING ''x''')) v (what, statement);
RESET SESSION AUTHORIZATION;

-- ---------- the owner of the store walks into it as well ----------

SET LOCAL SESSION AUTHORIZATION regress_tap_owner;
SET LOCAL search_path = evil, pg_catalog;
UPDATE shop.orders SET status = 'pending' WHERE order_id OPERATOR(pg_catalog.=) 1;
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 3, 6);
SELECT pg_catalog.count(*) FROM order_payment.read_events('owner', 10, 'shop') \g /dev/null
SELECT order_payment.ack_events('owner', ARRAY(SELECT event_id FROM shop.order_events), 'shop') \g /dev/null
SELECT order_payment.notify_events('owner', 10, 'shop') \g /dev/null
SELECT pg_catalog.count(*) FROM order_payment.verify_store('shop') \g /dev/null
SELECT order_payment.guard_column('shop.orders', 'status', stamp => true) \g /dev/null
SELECT order_payment.status_graph('shop.orders', 'status', 'dot') \g /dev/null
RESET SESSION AUTHORIZATION;

-- ---------- out of it ----------

SET LOCAL search_path = public, pg_temp;
SELECT plan(42);
SELECT is(t.said, e.said, 'with everything hidden by lies: ' || e.what)
FROM (VALUES
	(1, 'trap', 'false'),
	(2, 'illegal move', 'OP001'),
	(3, 'illegal birth', 'OP001'),
	(4, 'forged total', 'OP003'),
	(5, 'forged version', 'OP003'),
	(6, 'forged stamp', 'OP003'),
	(7, 'forged event', '42501'),
	(8, 'bad scale', '23514'),
	(9, 'bad currency', '23514'),
	(10, 'current_store', '42809'),
	(11, 'timeline', 'pending paid shipped'),
	(12, 'timeline of text', 'pending paid shipped'),
	(13, 'ack nothing', '0'),
	(14, 'verify', '0'),
	(15, 'edges', '17'),
	(16, 'graph', md5(order_payment.status_graph('shop.orders', 'status'))),
	(17, 'check_graph', '42P17'),
	(18, 'default_graph', md5(order_payment.default_graph('order_payment.order_status'))),
	(19, 'next_states', '{refunded}'),
	(20, 'may become', 'true'),
	(21, 'min', 'authorized'),
	(22, 'max', 'shipped'),
	(23, 'sorted', '{authorized,shipped}'),
	(24, 'exponent', '0'),
	(25, 'own store', ''),
	(26, 'guard', ''),
	(27, 'own illegal move', 'OP001'),
	(28, 'own verify', '0'),
	(29, 'own column type', 'order_payment.order_status'),
	(30, 'own graph', '2'),
	(31, 'own guard', 'OP001')
	) e (n, what, said) LEFT JOIN said t USING (what) ORDER BY e.n;
SELECT is(count(*)::int, 31, 'that was all') FROM said;
SELECT is_empty('SELECT * FROM evil.sprung WHERE what <> ''= text''', 'no operator or function of evil was called but the one that the role called itself');
SELECT is(count(*)::int, 1, 'and that one once') FROM evil.sprung WHERE what = '= text';
SELECT is_empty('SELECT * FROM evil.sprung WHERE by <> ''regress_tap_app''', 'nor in the name of anybody else');
SELECT is_empty(format('SELECT * FROM %s.%I', s, t), format('%s.%s is still empty', s, t))
FROM unnest('{evil,pg_temp}'::text[]) s, unnest('{orders,order_items,order_events}'::text[]) t;
SELECT results_eq('SELECT order_id, status::text, version, total_amount, item_count FROM shop.orders ORDER BY order_id',
                  $$ VALUES (1::bigint, 'pending', 3, 11::numeric, 2), (2, 'shipped', 3, 20, 0) $$, 'the store says what was done');

SELECT * FROM finish();
ROLLBACK;
