-- An unprivileged role puts its own schema and its temporary objects before everything else, full of operators, functions, casts
-- and tables that lie. What the extension does for it, and for the owner of a store, stays what it was.
SET client_min_messages = error;
BEGIN;
CREATE ROLE regress_tap_owner;
CREATE ROLE regress_tap_app;
CREATE ROLE regress_tap_gateway;
CREATE SCHEMA evil AUTHORIZATION regress_tap_app;
CREATE SCHEMA shop AUTHORIZATION regress_tap_owner;
SELECT order_payment.create_store('shop', app_role => 'regress_tap_app', gateway_role => 'regress_tap_gateway', owner => 'regress_tap_owner') \g /dev/null
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
	FOREACH t IN ARRAY '{text,name,integer,bigint,numeric,boolean,oid,uuid,xid8,timestamptz,"char",regclass,regtype,smallint,interval,order_payment.order_status,order_payment.payment_status,order_payment.operation_status}'::text[] LOOP
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
							 'to_regnamespace(text)', 'pg_get_serial_sequence(text, text)', 'now()', 'is_currency(text)', 'is_amount(numeric, text)', 'current_store()',
							 'clock_timestamp()', 'uuid_v7()', 'count()', 'round(numeric, integer)', 'abs(numeric)', 'require_store(name)', 'request_hash(jsonb)', 'net_amount(numeric, numeric)',
							 'array_agg(uuid)', 'to_jsonb(anyelement)', 'encode(bytea, text)', 'sha256(bytea)', 'length(text)', 'replace(text, text, text)',
							 'is_payment_amount(numeric, numeric, text, integer)', 'is_order_price(numeric, numeric, text, numeric)'] LOOP
		EXECUTE format('CREATE FUNCTION evil.%s RETURNS text LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.sprung VALUES (%L, current_user); RETURN ''evil''; END $f$', t, t);
	END LOOP;
	-- catalogs, tables and types of the same names
	FOREACH t IN ARRAY '{orders,order_items,order_events,event_consumers,consumer_offsets,payments,payment_operations,refunds,gateways,gateway_fees,settlement_lines,settlement_facts,order_overview,pg_class,pg_trigger,pg_attribute,pg_namespace,pg_roles,pg_proc,pg_inherits,pg_constraint}'::text[] LOOP
		EXECUTE format('CREATE TABLE evil.%I (order_id text, relname name, nspname name)', t);
		EXECUTE format('CREATE TEMP TABLE %I (order_id text, relname name, nspname name)', t);
	END LOOP;
	FOREACH t IN ARRAY '{order_status,payment_status,operation_status,failure_class,requested_payment,name,text,numeric,uuid,regclass,xid8}'::text[] LOOP
		EXECUTE format('CREATE DOMAIN evil.%I AS integer', t);
		EXECUTE format('CREATE DOMAIN pg_temp.%I AS integer', t);
	END LOOP;
END $do$;
SELECT set_config('search_path', 'pg_temp, evil, pg_catalog, public', true) \g /dev/null

-- ---------- into it: what is done and said with that search_path ----------

-- the trap works
INSERT INTO public.said VALUES ('trap', ('a'::pg_catalog.text = 'a'::pg_catalog.text)::pg_catalog.text);

INSERT INTO shop.orders (order_id, price) VALUES (1, 10), (2, 20), (3, 30), (4, NULL);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 1, 3), (1, 2, 4);
UPDATE shop.order_items SET price = 5 WHERE line_no OPERATOR(pg_catalog.=) 2;
DELETE FROM shop.order_items WHERE line_no OPERATOR(pg_catalog.=) 1;
UPDATE shop.orders SET status = 'cancelled' WHERE order_id OPERATOR(pg_catalog.=) 1;
INSERT INTO shop.payments (order_id, payment_id, gateway, amount) VALUES (2, '00000000-0000-7000-8000-000000000002', 'cod', 20), (4, '00000000-0000-7000-8000-000000000004', 'cod', 5);
SELECT order_payment.create_payment(3, 'cod', request_key => 'k', store => 'shop') \g /dev/null
SELECT order_payment.create_payment('3', 'cod', request_key => 'k', store => 'shop') \g /dev/null
RESET SESSION AUTHORIZATION;
-- the gateway's role sees the same lies
GRANT INSERT ON public.said TO regress_tap_gateway;
SET LOCAL SESSION AUTHORIZATION regress_tap_gateway;
SELECT pg_catalog.set_config('search_path', 'pg_temp, evil, pg_catalog, public', true) \g /dev/null
UPDATE shop.payments SET status = 'authorized', authorized_amount = 15 WHERE order_id OPERATOR(pg_catalog.=) 2;
UPDATE shop.payments SET authorized_amount = 20 WHERE order_id OPERATOR(pg_catalog.=) 2;
UPDATE shop.orders SET status = 'shipped' WHERE order_id OPERATOR(pg_catalog.=) 2;
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES (2, '00000000-0000-7000-8000-000000000002', 'capture', 5, 'succeeded');
INSERT INTO shop.payment_operations (order_id, payment_id, kind) VALUES (2, '00000000-0000-7000-8000-000000000002', 'void');
UPDATE shop.payment_operations SET status = 'cancelled' WHERE kind OPERATOR(pg_catalog.=) 'void'::pg_catalog.text;
UPDATE shop.payments SET status = 'succeeded' WHERE order_id OPERATOR(pg_catalog.=) 2;
UPDATE shop.payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id OPERATOR(pg_catalog.=) 3;
UPDATE shop.payments SET status = 'succeeded' WHERE order_id OPERATOR(pg_catalog.=) 4;
INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, '00000000-0000-7000-8000-000000000002', 3);
UPDATE shop.refunds SET status = 'succeeded' WHERE order_id OPERATOR(pg_catalog.=) 2;
UPDATE shop.orders SET price = 4 WHERE order_id OPERATOR(pg_catalog.=) 4;
UPDATE shop.orders SET status = 'paid' WHERE order_id OPERATOR(pg_catalog.=) 3;
RESET SESSION AUTHORIZATION;
SET LOCAL SESSION AUTHORIZATION regress_tap_app;
SELECT pg_catalog.set_config('search_path', 'pg_temp, evil, pg_catalog, public', true) \g /dev/null
SELECT order_payment.refund_order(2, 1, 'goodwill', 'key', 'shop') \g /dev/null
SELECT order_payment.request_due_refunds(10, 'shop') \g /dev/null
SELECT order_payment.expire_orders(10, 'shop') \g /dev/null
SELECT order_payment.due_retries(10, 'shop') \g /dev/null
SELECT order_payment.choose_gateway(2, store => 'shop') \g /dev/null
SELECT * FROM shop.order_overview \g /dev/null
SELECT * FROM shop.payment_overview \g /dev/null
SELECT * FROM shop.open_work \g /dev/null
SELECT * FROM shop.needs_attention \g /dev/null
SELECT * FROM shop.daily_settlement \g /dev/null
MERGE INTO shop.orders o USING (VALUES (2)) v (id) ON o.order_id OPERATOR(pg_catalog.=) v.id WHEN MATCHED THEN UPDATE SET status = 'completed';
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
	('illegal move', 'UPDATE shop.orders SET status = ''expired'' WHERE order_id OPERATOR(pg_catalog.=) 2 RETURNING status::pg_catalog.text'),
	('illegal birth', 'INSERT INTO shop.orders (order_id, price, status) VALUES (5, 1, ''paid'') RETURNING ''x'''),
	('forged payment', 'INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, ''cod'', 1, ''succeeded'') RETURNING ''x'''),
	('forged outcome', 'UPDATE shop.payments SET status = ''succeeded'' WHERE status OPERATOR(pg_catalog.=) ''failed'' RETURNING ''x'''),
	('forged capture', 'UPDATE shop.payments SET captured_amount = 1000 RETURNING ''x'''),
	('forged counter', 'UPDATE shop.orders SET paid_amount = 1000 RETURNING ''x'''),
	('forged settlement', 'INSERT INTO shop.orders (order_id, price) VALUES (5, 1); UPDATE shop.orders SET status = ''paid'' WHERE order_id OPERATOR(pg_catalog.=) 5 RETURNING ''x'''),
	('too much back', 'INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, ''00000000-0000-7000-8000-000000000002'', 17) RETURNING ''x'''),
	('another currency', 'INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (1, ''cod'', 1, ''EUR'') RETURNING ''x'''),
	('outstanding', 'SELECT order_payment.outstanding_amount(''pending'', 10, 4, 0, 0, 0)'),
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
INSERT INTO shop.orders (order_id, price) VALUES (6, 10);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (6, 3, 6);
UPDATE shop.orders SET status = 'paid' WHERE order_id OPERATOR(pg_catalog.=) 6;
SELECT pg_catalog.count(*) FROM order_payment.read_events('owner', 10, 'shop') \g /dev/null
SELECT order_payment.ack_events('owner', ARRAY(SELECT event_id FROM shop.order_events), 'shop') \g /dev/null
SELECT order_payment.notify_events('owner', 10, 'shop') \g /dev/null
SELECT pg_catalog.count(*) FROM order_payment.verify_store('shop') \g /dev/null
SELECT order_payment.guard_column('shop.orders', 'status', stamp => true) \g /dev/null
SELECT order_payment.status_graph('shop.orders', 'status', 'dot') \g /dev/null
RESET SESSION AUTHORIZATION;
SET LOCAL search_path = evil, pg_catalog;
SELECT order_payment.upgrade_store('shop') \g /dev/null

-- ---------- out of it ----------

SET LOCAL search_path = public, pg_temp;
SELECT plan(60);
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
	(11, 'timeline', 'pending created authorized authorized shipped succeeded requested cancelled succeeded requested succeeded requested completed'),
	(12, 'timeline of text', 'pending created authorized authorized shipped succeeded requested cancelled succeeded requested succeeded requested completed'),
	(13, 'ack nothing', '0'),
	(14, 'verify', '0'),
	(15, 'edges', '17'),
	(16, 'graph', md5(order_payment.status_graph('shop.orders', 'status'))),
	(17, 'check_graph', '42P17'),
	(18, 'default_graph', md5(order_payment.default_graph('order_payment.order_status'))),
	(19, 'next_states', '{refunded}'),
	(20, 'may become', 'true'),
	(21, 'min', 'cancelled'),
	(22, 'max', 'completed'),
	(23, 'sorted', '{cancelled,paid,paid,completed}'),
	(24, 'exponent', '0'),
	(25, 'own store', ''),
	(26, 'guard', ''),
	(27, 'own illegal move', 'OP001'),
	(28, 'own verify', '0'),
	(29, 'own column type', 'order_payment.order_status'),
	(30, 'own graph', '2'),
	(31, 'own guard', 'OP001'),
	(32, 'forged payment', 'OP004'),
	(33, 'forged outcome', 'OP004'),
	(34, 'forged capture', 'OP003'),
	(35, 'forged counter', 'OP003'),
	(36, 'forged settlement', 'OP004'),
	(37, 'too much back', 'OP005'),
	(38, 'another currency', '23514'),
	(39, 'outstanding', '6')
	) e (n, what, said) LEFT JOIN said t USING (what) ORDER BY e.n;
SELECT is(count(*)::int, 39, 'that was all') FROM said;
SELECT is_empty('SELECT * FROM evil.sprung WHERE what <> ''= text''', 'no operator or function of evil was called but the one that the role called itself');
SELECT is(count(*)::int, 1, 'and that one once') FROM evil.sprung WHERE what = '= text';
SELECT is_empty('SELECT * FROM evil.sprung WHERE by <> ''regress_tap_app''', 'nor in the name of anybody else');
SELECT is_empty(format('SELECT * FROM %s.%I', s, t), format('%s.%s is still empty', s, t))
FROM unnest('{evil,pg_temp}'::text[]) s, unnest('{orders,order_items,order_events,payments,payment_operations,refunds,gateways}'::text[]) t;
SELECT results_eq('SELECT order_id, status::text, total_amount, item_count, authorized_amount, paid_amount, refunded_amount, refund_due_amount FROM shop.orders ORDER BY order_id',
                  $$ VALUES (1::bigint, 'cancelled', 5::numeric, 1, 0::numeric, 0::numeric, 0::numeric, 0::numeric), (2, 'completed', 20, 0, 0, 20, 3, 0),
                            (3, 'paid', 30, 0, 0, 30, 0, 0), (4, 'paid', 4, 0, 0, 5, 0, 1), (6, 'paid', 6, 1, 0, 6, 0, 0) $$, 'the store says what was done');
SELECT results_eq('SELECT order_id, kind, amount, obligatory_amount, status::text FROM shop.payment_operations ORDER BY order_id, operation_id',
                  $$ VALUES (2::bigint, 'capture', 5::numeric, 0::numeric, 'succeeded'), (2, 'void', 15, 0, 'cancelled'), (2, 'refund', 3, 0, 'succeeded'), (2, 'refund', 1, 0, 'requested'),
                            (4, 'refund', 1, 1, 'requested') $$, 'and of its operations');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'and is in order');

SELECT * FROM finish();
ROLLBACK;
