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
INSERT INTO shop.gateways (gateway) VALUES ('stripe'), ('other');
INSERT INTO shop.gateway_fees (gateway, currency, rate, fixed) VALUES ('stripe', 'USD', 0.029, 0.30);
CREATE TABLE said (what text PRIMARY KEY, said text);
GRANT ALL ON said TO regress_tap_app, regress_tap_gateway;
GRANT EXECUTE ON FUNCTION order_payment.protect_card(), order_payment.fingerprint_fault(order_payment.sealed, bytea, bytea) TO regress_tap_app;
DO $$ BEGIN EXECUTE format('GRANT CREATE, TEMP ON DATABASE %I TO regress_tap_app, regress_tap_owner', current_database()); END $$;

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
	FOREACH t IN ARRAY '{text,name,integer,bigint,numeric,boolean,oid,uuid,xid8,timestamptz,"char",regclass,regtype,smallint,jsonb,interval,date,order_payment.order_status,order_payment.payment_status,order_payment.operation_status}'::text[] LOOP
		FOREACH o IN ARRAY '{=,<>,<,<=,>,>=}'::text[] LOOP
			n := n + 1;
			EXECUTE format('CREATE FUNCTION evil.compare_%s(%s, %2$s) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.sprung VALUES (%L, current_user); RETURN false; END $f$', n, t, o || ' ' || t);
			EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.compare_%s, LEFTARG = %s, RIGHTARG = %3$s)', o, n, t);
		END LOOP;
	END LOOP;
	FOREACH t IN ARRAY '{integer,bigint,numeric,text,jsonb,interval}'::text[] LOOP
		FOREACH o IN ARRAY '{+,-,*,||}'::text[] LOOP
			n := n + 1;
			EXECUTE format('CREATE FUNCTION evil.compute_%s(%s, %2$s) RETURNS %2$s LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.sprung VALUES (%L, current_user); RETURN $1; END $f$', n, t, o || ' ' || t);
			EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.compute_%s, LEFTARG = %s, RIGHTARG = %3$s)', o, n, t);
		END LOOP;
	END LOOP;
	FOREACH o IN ARRAY '{timestamptz + interval,timestamptz - interval,date + integer,date - integer,jsonb -> text,jsonb ->> text,jsonb ->> integer,jsonb @? jsonpath,text ~ text,jsonb #>> text[]}'::text[] LOOP
		n := n + 1;
		EXECUTE format('CREATE FUNCTION evil.mix_%s(%s, %s) RETURNS %2$s LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.sprung VALUES (%4$L, current_user); RETURN $1; END $f$', n, split_part(o, ' ', 1), split_part(o, ' ', 3), o);
		EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.mix_%s, LEFTARG = %s, RIGHTARG = %s)', split_part(o, ' ', 2), n, split_part(o, ' ', 1), split_part(o, ' ', 3));
	END LOOP;
	-- functions that the SQL of the extension calls by name
	FOREACH t IN ARRAY ARRAY['format(text, name)', 'format(text, name, text)', 'format(text, VARIADIC text[])', 'quote_ident(text)', 'quote_literal(text)',
							 'gen_random_uuid()', 'pg_current_xact_id()', 'pg_current_snapshot()', 'pg_notify(text, text)', 'to_regclass(text)',
							 'current_setting(text)', 'octet_length(text)', 'md5(text)', 'count(text)', 'max(integer)', 'sum(numeric)', 'left(text, integer)',
							 'to_regnamespace(text)', 'pg_get_serial_sequence(text, text)', 'now()', 'is_currency(text)', 'is_amount(numeric, text)', 'current_store()',
							 'uuid_v7()', 'net_amount(numeric, numeric, numeric, numeric)', 'sha256(bytea)', 'encode(bytea, text)', 'convert_to(text, name)',
							 'jsonb_each(jsonb)', 'jsonb_typeof(jsonb)', 'jsonb_object_agg(text, jsonb)', 'to_jsonb(numeric)', 'trim_scale(numeric)', 'length(text)',
							 'replace(text, text, text)', 'starts_with(text, text)', 'substr(text, integer)', 'clock_timestamp()', 'sum(integer)', 'min(timestamptz)',
							 'max(timestamptz)', 'bool_and(boolean)', 'array_agg(uuid)', 'outstanding_amount(order_payment.order_status, numeric, numeric, numeric, numeric, numeric)',
							 'success_probability(order_payment.payment_status)', 'is_payment_money(text, numeric, numeric, numeric, numeric, numeric, numeric)', 'require_store(name)',
							 'count()', 'round(numeric, integer)', 'abs(numeric)', 'request_hash(jsonb)', 'net_amount(numeric, numeric)', 'to_jsonb(anyelement)', 'is_order_money(order_payment.order_status, text, numeric, numeric, numeric, numeric, numeric, integer)'] LOOP
		EXECUTE format('CREATE FUNCTION evil.%s RETURNS text LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.sprung VALUES (%L, current_user); RETURN ''evil''; END $f$', t, t);
	END LOOP;
	-- catalogs, tables and types of the same names
	FOREACH t IN ARRAY '{orders,order_items,order_events,event_consumers,consumer_offsets,gateways,gateway_fees,payments,payment_operations,refunds,settlement_lines,settlement_facts,settlement_matches,order_overview,payment_overview,open_work,needs_attention,pg_class,pg_trigger,pg_attribute,pg_namespace,pg_roles,pg_proc,pg_inherits,pg_constraint}'::text[] LOOP
		EXECUTE format('CREATE TABLE evil.%I (order_id text, relname name, nspname name)', t);
		EXECUTE format('CREATE TEMP TABLE %I (order_id text, relname name, nspname name)', t);
	END LOOP;
	FOREACH t IN ARRAY '{order_status,payment_status,operation_status,failure_class,requested_payment,requested_refund,jsonb,timestamptz,date,interval,name,text,numeric,uuid,regclass,xid8}'::text[] LOOP
		EXECUTE format('CREATE DOMAIN evil.%I AS integer', t);
		EXECUTE format('CREATE DOMAIN pg_temp.%I AS integer', t);
	END LOOP;
END $do$;
SELECT set_config('search_path', 'pg_temp, evil, pg_catalog, public', true) \g /dev/null

-- ---------- into it: what is done and said with that search_path ----------

-- the trap works
INSERT INTO public.said VALUES ('trap', ('a'::pg_catalog.text = 'a'::pg_catalog.text)::pg_catalog.text);

INSERT INTO shop.orders (order_id, price) VALUES (1, 10), (2, 20), (4, NULL), (5, 20), (6, 30);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 1, 3), (1, 2, 4);
UPDATE shop.order_items SET price = 5 WHERE line_no OPERATOR(pg_catalog.=) 2;
DELETE FROM shop.order_items WHERE line_no OPERATOR(pg_catalog.=) 1;
INSERT INTO shop.payments (order_id, payment_id, gateway, amount) VALUES (2, '20000000-0000-7000-8000-000000000000', 'stripe', 20);
UPDATE shop.payments SET status = 'processing' WHERE order_id OPERATOR(pg_catalog.=) 2;
-- the gateway walks into it
RESET SESSION AUTHORIZATION;
SET LOCAL SESSION AUTHORIZATION regress_tap_gateway;
INSERT INTO public.said VALUES ('search_path of the gateway', pg_catalog.current_setting('search_path'));
UPDATE shop.payments SET status = 'succeeded', gateway_reference = 'ch_2' WHERE order_id OPERATOR(pg_catalog.=) 2;
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, status) VALUES
	(4, '40000000-0000-7000-8000-000000000000', 'other', 5, 'succeeded'),
	(5, '50000000-0000-7000-8000-000000000000', 'other', 20, 'created'),
	(6, '60000000-0000-7000-8000-000000000000', 'other', 30, 'processing');
UPDATE shop.orders SET price = 4 WHERE order_id OPERATOR(pg_catalog.=) 4;
UPDATE shop.payments SET status = 'authorized', authorized_amount = 15 WHERE order_id OPERATOR(pg_catalog.=) 5;
UPDATE shop.payments SET authorized_amount = 20 WHERE order_id OPERATOR(pg_catalog.=) 5;
UPDATE shop.orders SET status = 'shipped' WHERE order_id OPERATOR(pg_catalog.=) 5;
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES (5, '50000000-0000-7000-8000-000000000000', 'capture', 5, 'succeeded');
INSERT INTO shop.payment_operations (order_id, payment_id, kind) VALUES (5, '50000000-0000-7000-8000-000000000000', 'void');
UPDATE shop.payment_operations SET status = 'cancelled' WHERE kind OPERATOR(pg_catalog.=) 'void'::pg_catalog.text;
UPDATE shop.payments SET status = 'succeeded' WHERE order_id OPERATOR(pg_catalog.=) 5;
INSERT INTO shop.refunds (order_id, operation_id, payment_id, amount, status) VALUES
	(5, '50000000-0000-7000-8000-000000000001', '50000000-0000-7000-8000-000000000000', 3, 'succeeded');
UPDATE shop.refunds SET status = 'reversed' WHERE operation_id OPERATOR(pg_catalog.=) '50000000-0000-7000-8000-000000000001';
UPDATE shop.payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id OPERATOR(pg_catalog.=) 6;
UPDATE shop.orders SET status = 'paid' WHERE order_id OPERATOR(pg_catalog.=) 6;
INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, fee, currency, settled_on)
VALUES ('stripe', 's', 1, 'payment', '20000000000070008000000000000000', 20, 1, 'USD', 'today');
RESET SESSION AUTHORIZATION;
SET LOCAL SESSION AUTHORIZATION regress_tap_app;
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
	('illegal move', 'UPDATE shop.orders SET status = ''expired'' WHERE order_id OPERATOR(pg_catalog.=) 2 RETURNING status::pg_catalog.text'),
	('illegal birth', 'INSERT INTO shop.orders (order_id, price, status) VALUES (3, 1, ''paid'') RETURNING ''x'''),
	('forged total', 'UPDATE shop.orders SET total_amount = 1 RETURNING ''x'''),
	('forged version', 'UPDATE shop.orders SET version = 7 RETURNING ''x'''),
	('forged stamp', 'UPDATE shop.orders SET refunded_at = pg_catalog.now() RETURNING ''x'''),
	('forged event', 'INSERT INTO shop.order_events SELECT * FROM shop.order_events RETURNING ''x'''),
	('bad scale', 'INSERT INTO shop.orders (order_id, price) VALUES (3, 1.001) RETURNING ''x'''),
	('bad currency', 'UPDATE shop.orders SET currency = ''evil'' WHERE order_id OPERATOR(pg_catalog.=) 1 RETURNING ''x'''),
	('settled by hand', 'UPDATE shop.orders SET status = ''paid'' WHERE order_id OPERATOR(pg_catalog.=) 1 RETURNING ''x'''),
	('authorized without money', 'UPDATE shop.orders SET status = ''authorized'' WHERE order_id OPERATOR(pg_catalog.=) 1 RETURNING ''x'''),
	('outcome', 'INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, ''stripe'', 1, ''succeeded'') RETURNING ''x'''),
	('outcome of a refund', 'INSERT INTO shop.refunds (order_id, payment_id, amount, status) VALUES (2, ''20000000-0000-7000-8000-000000000000'', 1, ''succeeded'') RETURNING ''x'''),
	('forged outcome', 'UPDATE shop.payments SET status = ''succeeded'' WHERE status OPERATOR(pg_catalog.=) ''failed'' RETURNING ''x'''),
	('another currency', 'INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (1, ''stripe'', 1, ''EUR'') RETURNING ''x'''),
	('outstanding', 'SELECT order_payment.outstanding_amount(''pending'', 10, 4, 0, 0, 0)'),
	('forged capture', 'UPDATE shop.payments SET captured_amount = 1 RETURNING ''x'''),
	('forged paid_amount', 'UPDATE shop.orders SET paid_amount = 1 RETURNING ''x'''),
	('too much', 'INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, ''20000000-0000-7000-8000-000000000000'', 21) RETURNING ''x'''),
	('frozen', 'UPDATE shop.orders SET price = 1 WHERE order_id OPERATOR(pg_catalog.=) 2 RETURNING ''x'''),
	('bad payment', 'INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, ''stripe'', 0.001) RETURNING ''x'''),
	('unknown gateway', 'SELECT order_payment.create_payment(1, ''evil'', store => ''shop'')'),
	('create_payment', 'SELECT p.amount::pg_catalog.text FROM order_payment.create_payment(1, ''stripe'', request_key => ''k'', store => ''shop'') p'),
	('create_payment again', 'SELECT p.is_replay::pg_catalog.text FROM order_payment.create_payment(1, ''stripe'', request_key => ''k'', store => ''shop'') p'),
	('another request', 'SELECT order_payment.create_payment(1, ''other'', request_key => ''k'', store => ''shop'')'),
	('revoke', 'UPDATE shop.payments SET status = ''revoked'' WHERE order_id OPERATOR(pg_catalog.=) 1 RETURNING ''x'''),
	('retry_payment', 'SELECT (order_payment.retry_payment(payment_id, store => ''shop'')).attempt_no FROM shop.payments WHERE order_id OPERATOR(pg_catalog.=) 1'),
	('refund_order', 'SELECT r.amount::pg_catalog.text FROM order_payment.refund_order(2, 4, request_key => ''k'', store => ''shop'') r'),
	('refund_order again', 'SELECT r.is_replay::pg_catalog.text FROM order_payment.refund_order(''2'', 4, request_key => ''k'', store => ''shop'') r'),
	('due refunds', 'SELECT pg_catalog.count(*) FROM order_payment.request_due_refunds(store => ''shop'')'),
	('due retries', 'SELECT pg_catalog.count(*) FROM order_payment.due_retries(store => ''shop'')'),
	('expire', 'SELECT order_payment.expire_orders(store => ''shop'')'),
	('choose', 'SELECT order_payment.choose_gateway(1, store => ''shop'')'),
	('hash', 'SELECT order_payment.request_hash(''{"a": 1.0}''::pg_catalog.jsonb)'),
	('next retry', 'SELECT order_payment.next_retry(''{"other": ["1 day"]}''::pg_catalog.jsonb, ''other'', 1, ''2020-01-01 00:00+00'')'),
	('order overview', 'SELECT pg_catalog.string_agg(payment_state, '' '' ORDER BY order_id USING OPERATOR(pg_catalog.<)) FROM shop.order_overview'),
	('payment overview', 'SELECT refundable_amount FROM shop.payment_overview WHERE order_id OPERATOR(pg_catalog.=) 2'),
	('open work', 'SELECT pg_catalog.string_agg(work, '' '' ORDER BY work USING OPERATOR(pg_catalog.<)) FROM shop.open_work'),
	('attention', 'SELECT pg_catalog.count(*) FROM shop.needs_attention'),
	('daily', 'SELECT captured_amount FROM shop.daily_settlement WHERE gateway OPERATOR(pg_catalog.=) ''stripe'''),
	('success', 'SELECT successes FROM shop.gateway_success WHERE gateway OPERATOR(pg_catalog.=) ''stripe'' LIMIT 1'),
	('matches', 'SELECT match FROM shop.settlement_matches'),
	('upgrade', 'SELECT order_payment.upgrade_store(''shop'')'),
	('post', 'SELECT order_payment.post_settlement(''stripe'', ''s'', ''shop'')'),
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
INSERT INTO "evil shop".gateways (gateway) VALUES ('stripe');
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
UPDATE shop.payments SET status = 'revoked' WHERE order_id OPERATOR(pg_catalog.=) 1 AND status OPERATOR(pg_catalog.=) 'created';
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 3, 6);
INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'stripe', 11, 'authorized');
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
SELECT order_id, payment_id, 'capture', 11, 'succeeded' FROM shop.payments WHERE order_id OPERATOR(pg_catalog.=) 1 AND status OPERATOR(pg_catalog.=) 'authorized';
UPDATE shop.refunds SET status = 'succeeded' WHERE order_id OPERATOR(pg_catalog.=) 2;
SELECT order_payment.post_settlement('stripe', 's', 'shop') \g /dev/null
SELECT order_payment.upgrade_store('shop') \g /dev/null
SELECT pg_catalog.count(*) FROM order_payment.read_events('owner', 10, 'shop') \g /dev/null
SELECT order_payment.ack_events('owner', ARRAY(SELECT event_id FROM shop.order_events), 'shop') \g /dev/null
SELECT order_payment.notify_events('owner', 10, 'shop') \g /dev/null
SELECT pg_catalog.count(*) FROM order_payment.verify_store('shop') \g /dev/null
SELECT order_payment.guard_column('shop.orders', 'status', stamp => true) \g /dev/null
SELECT order_payment.status_graph('shop.orders', 'status', 'dot') \g /dev/null
RESET SESSION AUTHORIZATION;

-- ---------- out of it ----------

SET LOCAL search_path = public, pg_temp;
SELECT plan(92);
SELECT is(t.said, e.said, 'with everything hidden by lies: ' || e.what)
FROM (VALUES
	(1, 'trap', 'false'),
	(2, 'search_path of the gateway', 'pg_temp, evil, pg_catalog, public'),
	(3, 'illegal move', 'OP001'),
	(4, 'illegal birth', 'OP001'),
	(5, 'forged total', 'OP003'),
	(6, 'forged version', 'OP003'),
	(7, 'forged stamp', 'OP003'),
	(8, 'forged event', '42501'),
	(9, 'bad scale', '23514'),
	(10, 'bad currency', '23514'),
	(11, 'settled by hand', 'OP004'),
	(12, 'authorized without money', 'OP006'),
	(13, 'outcome', 'OP004'),
	(14, 'outcome of a refund', 'OP004'),
	(15, 'forged outcome', 'OP004'),
	(16, 'another currency', '23514'),
	(17, 'outstanding', '6'),
	(18, 'forged capture', 'OP003'),
	(19, 'forged paid_amount', 'OP003'),
	(20, 'too much', 'OP005'),
	(21, 'frozen', 'OP006'),
	(22, 'bad payment', '23514'),
	(23, 'unknown gateway', '23503'),
	(24, 'create_payment', '5'),
	(25, 'create_payment again', 'true'),
	(26, 'another request', 'OP002'),
	(27, 'revoke', 'x'),
	(28, 'retry_payment', '2'),
	(29, 'refund_order', '4'),
	(30, 'refund_order again', 'true'),
	(31, 'due refunds', '1'),
	(32, 'due retries', '0'),
	(33, 'expire', '0'),
	(34, 'choose', 'other'),
	(35, 'hash', order_payment.request_hash('{"a": 1}')),
	(36, 'next retry', ('2020-01-02 00:00+00'::timestamptz)::text),
	(37, 'order overview', 'unpaid paid overpaid paid paid'),
	(38, 'payment overview', '16'),
	(39, 'open work', 'send_operation send_operation send_payment'),
	(40, 'attention', '0'),
	(41, 'daily', '20'),
	(42, 'success', '1'),
	(43, 'matches', 'fee_differs'),
	(44, 'upgrade', '42501'),
	(45, 'post', 'OP004'),
	(46, 'current_store', '42809'),
	(47, 'timeline', 'pending created processing succeeded paid shipped requested'),
	(48, 'timeline of text', 'pending created processing succeeded paid shipped requested'),
	(49, 'ack nothing', '0'),
	(50, 'verify', '0'),
	(51, 'edges', '17'),
	(52, 'graph', md5(order_payment.status_graph('shop.orders', 'status'))),
	(53, 'check_graph', '42P17'),
	(54, 'default_graph', md5(order_payment.default_graph('order_payment.order_status'))),
	(55, 'next_states', '{refunded}'),
	(56, 'may become', 'true'),
	(57, 'min', 'pending'),
	(58, 'max', 'shipped'),
	(59, 'sorted', '{pending,paid,paid,shipped,shipped}'),
	(60, 'exponent', '0'),
	(61, 'own store', ''),
	(62, 'guard', ''),
	(63, 'own illegal move', 'OP001'),
	(64, 'own verify', '0'),
	(65, 'own column type', 'order_payment.order_status'),
	(66, 'own graph', '2'),
	(67, 'own guard', 'OP001')
	) e (n, what, said) LEFT JOIN said t USING (what) ORDER BY e.n;
SELECT is(count(*)::int, 67, 'that was all') FROM said;
SELECT is_empty('SELECT * FROM evil.sprung WHERE what <> ''= text''', 'no operator or function of evil was called but the one that the role called itself');
SELECT is(count(*)::int, 1, 'and that one once') FROM evil.sprung WHERE what = '= text';
SELECT is_empty('SELECT * FROM evil.sprung WHERE by <> ''regress_tap_app''', 'nor in the name of anybody else');
SELECT is_empty(format('SELECT * FROM %s.%I', s, t), format('%s.%s is still empty', s, t))
FROM unnest('{evil,pg_temp}'::text[]) s, unnest('{orders,order_items,order_events,payments,payment_operations,gateways,gateway_fees,refunds,settlement_lines}'::text[]) t;
SELECT results_eq('SELECT order_id, status::text, version, total_amount, item_count, paid_amount, refunded_amount FROM shop.orders ORDER BY order_id',
                  $$ VALUES (1::bigint, 'paid', 10, 11::numeric, 2, 11::numeric, 0::numeric), (2, 'shipped', 8, 20, 0, 20, 4), (4, 'paid', 4, 4, 0, 5, 0),
                            (5, 'shipped', 11, 20, 0, 20, 0), (6, 'paid', 5, 30, 0, 30, 0) $$, 'the store says what was done');
SELECT results_eq('SELECT order_id, status::text, amount, captured_amount, refunded_amount, fee, fee_final FROM shop.payments ORDER BY order_id, created_at, payment_id',
                  $$ VALUES (1::bigint, 'revoked', 5::numeric, 0::numeric, 0::numeric, 0.45::numeric, false), (1, 'revoked', 5, 0, 0, 0.45, false),
                            (1, 'succeeded', 11, 11, 0, 0.62, false), (2, 'succeeded', 20, 20, 4, 1, true),
                            (4, 'succeeded', 5, 5, 0, 0, false), (5, 'succeeded', 20, 20, 0, 0, false),
                            (6, 'failed', 30, 0, 0, 0, false), (6, 'succeeded', 30, 30, 0, 0, false) $$, 'its payments as well');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'and it is in order');

SELECT * FROM finish();
ROLLBACK;
