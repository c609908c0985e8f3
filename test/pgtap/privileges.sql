-- Who may do what in a store: the rights of app_role to the letter, what it may not (S7), and what a role without rights may not.
SET client_min_messages = warning;
BEGIN;
SELECT plan(110);

CREATE ROLE regress_tap_owner;
CREATE ROLE regress_tap_app;
CREATE ROLE regress_tap_stranger;
CREATE SCHEMA shop AUTHORIZATION regress_tap_owner;
CREATE SCHEMA mine AUTHORIZATION regress_tap_stranger;
SELECT order_payment.create_store('shop', app_role => 'regress_tap_app', owner => 'regress_tap_owner') \g /dev/null
INSERT INTO shop.orders (price) VALUES (10), (20);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (2, 1, 7);

-- ---------- what is granted ----------

CREATE TEMP VIEW granted AS
SELECT c.relname::text AS relation, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee, a.privilege_type, a.is_grantable
FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace = 'shop'::regnamespace AND a.grantee <> c.relowner;

SELECT bag_eq('SELECT * FROM granted',
              $$ VALUES ('orders', 'regress_tap_app', 'SELECT', false),
                        ('orders', 'regress_tap_app', 'INSERT', false),
                        ('orders', 'regress_tap_app', 'UPDATE', false),
                        ('order_items', 'regress_tap_app', 'SELECT', false),
                        ('order_items', 'regress_tap_app', 'INSERT', false),
                        ('order_items', 'regress_tap_app', 'UPDATE', false),
                        ('order_items', 'regress_tap_app', 'DELETE', false),
                        ('order_events', 'regress_tap_app', 'SELECT', false),
                        ('event_consumers', 'regress_tap_app', 'SELECT', false),
                        ('event_consumers', 'regress_tap_app', 'INSERT', false),
                        ('event_consumers', 'regress_tap_app', 'UPDATE', false),
                        ('consumer_offsets', 'regress_tap_app', 'SELECT', false),
                        ('consumer_offsets', 'regress_tap_app', 'INSERT', false),
                        ('consumer_offsets', 'regress_tap_app', 'UPDATE', false),
                        ('orders_order_id_seq', 'regress_tap_app', 'SELECT', false) $$,
              'all that is granted on tables and sequences');
SELECT bag_eq($$ SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type, a.is_grantable
                 FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'shop' AND a.grantee <> n.nspowner $$,
              $$ VALUES ('regress_tap_app', 'USAGE', false) $$, 'all that is granted on the schema');
SELECT is_empty($$ SELECT attrelid::regclass, attname FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace) $$,
                'nothing is granted on single columns');
SELECT is_empty($$ SELECT FROM pg_default_acl $$, 'no default privileges are changed');
SELECT is_empty($$ SELECT FROM pg_auth_members WHERE member = 'regress_tap_app'::regrole OR roleid = 'regress_tap_app'::regrole OR roleid = 'regress_tap_owner'::regrole AND member = 'regress_tap_app'::regrole $$,
                'and no role is given');

-- S7, asked of the server
SELECT is(has_table_privilege('regress_tap_app', 'shop.' || t, p), false, format('app_role: no %s on %s', p, t))
FROM unnest('{orders,order_items,order_events,event_consumers,consumer_offsets}'::text[]) t, unnest('{TRUNCATE,TRIGGER,REFERENCES}'::text[]) p;
SELECT is(has_table_privilege('regress_tap_app', 'shop.' || t, p), false, format('app_role: no %s on %s', p, t))
FROM (VALUES ('orders', 'DELETE'), ('order_events', 'INSERT'), ('order_events', 'UPDATE'), ('order_events', 'DELETE'),
             ('event_consumers', 'DELETE'), ('consumer_offsets', 'DELETE')) v (t, p);
SELECT is(has_sequence_privilege('regress_tap_app', 'shop.orders_order_id_seq', p), false, 'app_role: no ' || p || ' on the sequence')
FROM unnest('{USAGE,UPDATE}'::text[]) p;
SELECT is(has_schema_privilege('regress_tap_app', s, 'CREATE'), false, 'app_role: no CREATE in ' || s)
FROM unnest('{shop,order_payment,pg_catalog}'::text[]) s;
SELECT is(has_parameter_privilege('regress_tap_app', p, 'SET'), false, 'app_role may not set ' || p)
FROM unnest('{session_replication_role,order_payment.restore,order_payment.allow_history_change}'::text[]) p;
SELECT is(pg_has_role('regress_tap_app', 'regress_tap_owner', 'MEMBER'), false, 'app_role is not the owner');
SELECT is((rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication)::text, '(f,f,f,f,f)', 'app_role has no attribute') FROM pg_roles WHERE rolname = 'regress_tap_app';

-- ---------- what app_role does ----------

SET LOCAL SESSION AUTHORIZATION regress_tap_app;
SELECT lives_ok($$ INSERT INTO shop.orders (customer_id, price) VALUES (1, 5) RETURNING * $$, 'app: place an order');
SELECT lives_ok($$ SELECT currval('shop.orders_order_id_seq'), currval(pg_get_serial_sequence('shop.orders', 'order_id')) $$, 'app: currval(), as drivers ask');
SELECT lives_ok($$ UPDATE shop.orders SET status = 'authorized' WHERE order_id = 1 RETURNING * $$, 'app: move an order');
SELECT lives_ok($$ SELECT * FROM shop.orders FOR UPDATE $$, 'app: lock orders');
SELECT lives_ok($$ INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 1, 3), (1, 2, 4) $$, 'app: add lines');
SELECT lives_ok($$ UPDATE shop.order_items SET price = 5 WHERE order_id = 1 AND line_no = 1 $$, 'app: change a line');
SELECT lives_ok($$ DELETE FROM shop.order_items WHERE order_id = 1 AND line_no = 2 $$, 'app: delete a line');
SELECT lives_ok($$ INSERT INTO shop.orders (order_id, price) VALUES (1, 10) ON CONFLICT (order_id) DO UPDATE SET price = EXCLUDED.price $$, 'app: upsert');
SELECT lives_ok($$ MERGE INTO shop.orders o USING (VALUES (1)) v (id) ON o.order_id = v.id WHEN MATCHED THEN UPDATE SET status = 'pending' $$, 'app: MERGE');
SELECT is(total_amount, 5::numeric, 'app: effects are written without a right to write them') FROM shop.orders WHERE order_id = 1;
SELECT is((SELECT count(*)::int FROM order_payment.order_timeline(1, 'shop')), 3, 'app: order_timeline()');
SELECT lives_ok($$ SELECT * FROM order_payment.read_events('app', store => 'shop') $$, 'app: read_events()');
SELECT lives_ok($$ SELECT order_payment.ack_events('app', ARRAY(SELECT event_id FROM shop.order_events), 'shop') $$, 'app: ack_events()');
SELECT lives_ok($$ SELECT order_payment.notify_events('app', store => 'shop') $$, 'app: notify_events()');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'app: verify_store()');
SELECT lives_ok($$ SELECT order_payment.status_graph('shop.orders', 'status'), order_payment.status_edges('shop.orders', 'status') $$, 'app: status_graph(), status_edges()');

-- ---------- and what it does not: 42501 ----------

SELECT throws_ok(statement, '42501', NULL, 'app may not: ' || statement)
FROM unnest(ARRAY[
	'DELETE FROM shop.orders',
	'TRUNCATE shop.orders CASCADE',
	'TRUNCATE shop.order_events',
	'TRUNCATE shop.order_items',
	'INSERT INTO shop.order_events SELECT * FROM shop.order_events',
	'UPDATE shop.order_events SET actor = NULL',
	'DELETE FROM shop.order_events',
	'DELETE FROM shop.event_consumers',
	'MERGE INTO shop.order_events e USING shop.orders o ON e.order_id = o.order_id WHEN MATCHED THEN DELETE',
	'ALTER TABLE shop.orders DISABLE TRIGGER ALL',
	'ALTER TABLE shop.orders DISABLE TRIGGER zzz_guard_status',
	'ALTER TABLE shop.orders DROP CONSTRAINT orders_price_check',
	'ALTER TABLE shop.order_events ADD COLUMN x int',
	'ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY',
	'DROP TRIGGER zzz_guard_status ON shop.orders',
	'DROP TABLE shop.order_events',
	'CREATE TABLE shop.planted ()',
	'CREATE TABLE mine.planted ()',
	'CREATE TRIGGER planted BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.refuse_truncate()',
	'CREATE RULE planted AS ON UPDATE TO shop.orders DO INSTEAD NOTHING',
	'CREATE POLICY planted ON shop.orders USING (true)',
	'CREATE INDEX planted ON shop.orders (status)',
	'CREATE TEMP TABLE planted () INHERITS (shop.orders)',
	'CREATE FUNCTION order_payment.planted() RETURNS int LANGUAGE sql AS ''SELECT 1''',
	'CREATE OPERATOR pg_catalog.= (FUNCTION = order_payment.status_eq, LEFTARG = order_payment.order_status, RIGHTARG = text)',
	'ALTER FUNCTION order_payment.enforce_transition() RENAME TO none',
	'DROP FUNCTION order_payment.enforce_transition()',
	'DROP EXTENSION order_payment CASCADE',
	'ALTER EXTENSION order_payment UPDATE',
	'COMMENT ON TABLE shop.orders IS ''''',
	'LOCK shop.order_events IN ACCESS EXCLUSIVE MODE',
	'SELECT setval(''shop.orders_order_id_seq'', 1)',
	'SELECT nextval(''shop.orders_order_id_seq'')',
	'SELECT order_payment.guard_column(''shop.orders'', ''status'', ''paid'')',
	'SELECT order_payment.create_store(''shop2'')',
	'SELECT order_payment.create_store(''mine'')',
	'SET session_replication_role = replica',
	'SET order_payment.restore = on',
	'SELECT set_config(''order_payment.restore'', ''on'', true)',
	'SET order_payment.allow_history_change = on',
	'SET ROLE regress_tap_owner',
	'ALTER ROLE regress_tap_app SET order_payment.restore = on',
	'COPY shop.orders TO PROGRAM ''true''']) statement;
RESET SESSION AUTHORIZATION;

-- ---------- a role without rights ----------

SET LOCAL SESSION AUTHORIZATION regress_tap_stranger;
SELECT throws_ok(statement, '42501', NULL, 'a stranger may not: ' || statement)
FROM unnest(ARRAY[
	'SELECT * FROM shop.orders',
	'CREATE TABLE mine.planted (order_id bigint REFERENCES shop.orders)',
	'CREATE TABLE mine.planted () INHERITS (shop.orders)',
	'SELECT order_payment.guard_column(''shop.orders'', ''status'')',
	'SELECT order_payment.status_graph(''shop.orders'', ''status'')',
	'SELECT * FROM order_payment.status_edges(''shop.orders'', ''status'')',
	'SELECT * FROM order_payment.order_timeline(1, ''shop'')',
	'SELECT * FROM order_payment.order_timeline(''1'', ''shop'')',
	'SELECT * FROM order_payment.read_events(''c'', 1, ''shop'')',
	'SELECT order_payment.ack_events(''c'', ARRAY[]::uuid[], ''shop'')',
	'SELECT order_payment.notify_events(''c'', 1, ''shop'')',
	'SELECT * FROM order_payment.verify_store(''shop'')',
	'SELECT * FROM order_payment.open_consumer(''c'', ''shop'')']) statement;
SELECT is(order_payment.next_states('paid'::order_payment.order_status)::text, '{cancelled,shipped,completed,refunded}', 'a stranger has the types and their functions');
RESET SESSION AUTHORIZATION;

SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'and the store is in order');
SELECT * FROM finish();
ROLLBACK;
