-- Who may do what in a store: the rights of app_role and gateway_role to the letter, what they may not (S7), and what a role
-- without rights may not.
SET client_min_messages = warning;
BEGIN;
SELECT plan(348);

CREATE ROLE regress_tap_owner;
CREATE ROLE regress_tap_app;
CREATE ROLE regress_tap_gateway;
CREATE ROLE regress_tap_stranger;
CREATE SCHEMA shop AUTHORIZATION regress_tap_owner;
CREATE SCHEMA mine AUTHORIZATION regress_tap_stranger;
SELECT order_payment.create_store('shop', app_role => 'regress_tap_app', gateway_role => 'regress_tap_gateway', owner => 'regress_tap_owner') \g /dev/null
INSERT INTO shop.orders (price) VALUES (10), (20);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (2, 1, 7);

-- ---------- what is granted ----------

CREATE TEMP VIEW granted AS
SELECT c.relname::text AS relation, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee, a.privilege_type, a.is_grantable
FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace = 'shop'::regnamespace AND a.grantee <> c.relowner;

-- both roles have the same, but for two: the gateway's records outcomes (a privilege on columns), and the lines of settlements
CREATE TEMP TABLE expected_grant (relation text, privileges text);
INSERT INTO expected_grant VALUES
('orders', 'SELECT,INSERT,UPDATE'), ('order_items', 'SELECT,INSERT,UPDATE,DELETE'), ('order_events', 'SELECT'),
('event_consumers', 'SELECT,INSERT,UPDATE'), ('consumer_offsets', 'SELECT,INSERT,UPDATE'), ('orders_order_id_seq', 'SELECT'),
('gateways', 'SELECT'), ('gateway_fees', 'SELECT'), ('payments', 'SELECT,INSERT,UPDATE'), ('payment_operations', 'SELECT,INSERT,UPDATE'),
('refunds', 'SELECT,INSERT,UPDATE'), ('settlement_lines', 'SELECT'), ('settlement_facts', 'SELECT'), ('settlement_matches', 'SELECT'),
('order_overview', 'SELECT'), ('payment_overview', 'SELECT'), ('open_work', 'SELECT'), ('needs_attention', 'SELECT'),
('daily_settlement', 'SELECT'), ('gateway_success', 'SELECT');
SELECT bag_eq('SELECT * FROM granted',
              $$ SELECT relation, grantee, privilege, false
                 FROM expected_grant, unnest('{regress_tap_app,regress_tap_gateway}'::text[]) grantee, unnest(string_to_array(privileges, ',')) privilege
                 UNION ALL VALUES ('settlement_lines', 'regress_tap_gateway', 'INSERT', false) $$,
              'all that is granted on tables and sequences');
SELECT bag_eq($$ SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type, a.is_grantable
                 FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'shop' AND a.grantee <> n.nspowner $$,
              $$ VALUES ('regress_tap_app', 'USAGE', false), ('regress_tap_gateway', 'USAGE', false) $$, 'all that is granted on the schema');
SELECT bag_eq($$ SELECT t.attrelid::regclass::text, t.attname::text, a.grantee::regrole::text, a.privilege_type, a.is_grantable FROM pg_attribute t, aclexplode(t.attacl) a
                 WHERE t.attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace) $$,
              $$ VALUES ('shop.payments', 'status', 'regress_tap_gateway', 'UPDATE', false), ('shop.payment_operations', 'status', 'regress_tap_gateway', 'UPDATE', false) $$,
              'all that is granted on single columns: who records outcomes');
SELECT is_empty($$ SELECT FROM pg_default_acl $$, 'no default privileges are changed');
SELECT is_empty($$ SELECT FROM pg_auth_members WHERE member::regrole::text ~ '^regress_tap' AND roleid::regrole::text ~ '^regress_tap' $$,
                'and no role is given');

-- S7, asked of the server
CREATE TEMP TABLE role (role text);
INSERT INTO role VALUES ('regress_tap_app'), ('regress_tap_gateway');
GRANT SELECT ON role TO PUBLIC;
SELECT is(has_table_privilege(role, 'shop.' || relation, p), false, format('%s: no %s on %s', role, p, relation))
FROM role, expected_grant, unnest('{TRUNCATE,TRIGGER,REFERENCES}'::text[]) p WHERE relation <> 'orders_order_id_seq';
SELECT is(has_table_privilege(role, 'shop.' || relation, p), false, format('%s: no %s on %s', role, p, relation))
FROM role, expected_grant, unnest('{INSERT,UPDATE,DELETE}'::text[]) p
WHERE relation <> 'orders_order_id_seq' AND p <> ALL (string_to_array(privileges, ',')) AND (role, relation, p) <> ('regress_tap_gateway', 'settlement_lines', 'INSERT');
SELECT is(has_sequence_privilege(role, 'shop.orders_order_id_seq', p), false, role || ': no ' || p || ' on the sequence')
FROM role, unnest('{USAGE,UPDATE}'::text[]) p;
SELECT is(has_schema_privilege(role, s, 'CREATE'), false, role || ': no CREATE in ' || s)
FROM role, unnest('{shop,order_payment,pg_catalog}'::text[]) s;
SELECT is(has_parameter_privilege(role, p, 'SET'), false, role || ' may not set ' || p)
FROM role, unnest('{session_replication_role,order_payment.restore,order_payment.allow_history_change}'::text[]) p;
SELECT is(has_column_privilege('regress_tap_app', 'shop.' || t, 'status', 'UPDATE'), true, 'app_role may update ' || t || ', as tables go')
FROM unnest('{payments,payment_operations}'::text[]) t;
SELECT is(pg_has_role(role, 'regress_tap_owner', 'MEMBER'), false, role || ' is not the owner') FROM role;
SELECT is((rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication)::text, '(f,f,f,f,f)', rolname || ' has no attribute') FROM pg_roles JOIN role ON role = rolname;

-- ---------- what app_role does ----------

SET LOCAL SESSION AUTHORIZATION regress_tap_app;
SELECT lives_ok($$ INSERT INTO shop.orders (customer_id, price) VALUES (1, 5) RETURNING * $$, 'app: place an order');
SELECT lives_ok($$ SELECT currval('shop.orders_order_id_seq'), currval(pg_get_serial_sequence('shop.orders', 'order_id')) $$, 'app: currval(), as drivers ask');
SELECT lives_ok($$ UPDATE shop.orders SET status = 'expired' WHERE order_id = currval('shop.orders_order_id_seq') RETURNING * $$, 'app: move an order');
SELECT lives_ok($$ SELECT * FROM shop.orders FOR UPDATE $$, 'app: lock orders');
SELECT lives_ok($$ INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 1, 3), (1, 2, 4) $$, 'app: add lines');
SELECT lives_ok($$ UPDATE shop.order_items SET price = 5 WHERE order_id = 1 AND line_no = 1 $$, 'app: change a line');
SELECT lives_ok($$ DELETE FROM shop.order_items WHERE order_id = 1 AND line_no = 2 $$, 'app: delete a line');
SELECT lives_ok($$ INSERT INTO shop.orders (order_id, price) VALUES (1, 10) ON CONFLICT (order_id) DO UPDATE SET price = EXCLUDED.price $$, 'app: upsert');
SELECT lives_ok($$ MERGE INTO shop.orders o USING (VALUES (1)) v (id) ON o.order_id = v.id WHEN MATCHED THEN UPDATE SET status = 'pending', payment_method = 'card' $$, 'app: MERGE');
SELECT is(total_amount, 5::numeric, 'app: effects are written without a right to write them') FROM shop.orders WHERE order_id = 1;
SELECT lives_ok($$ INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'cod', 5) RETURNING * $$, 'app: try to pay');
SELECT lives_ok($$ UPDATE shop.payments SET status = 'processing', gateway_reference = 'r' WHERE order_id = 1 RETURNING * $$, 'app: say what it does');
SELECT throws_ok($$ UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 1 $$, 'OP004', NULL, 'app: it is not the gateway');
SET LOCAL client_min_messages = error;
GRANT UPDATE (status) ON shop.payments TO regress_tap_app;
SET LOCAL client_min_messages = warning;
SELECT throws_ok($$ UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 1 $$, 'OP004', NULL, 'app: nor does it make itself one');
SELECT throws_ok($$ UPDATE shop.orders SET status = 'paid' WHERE order_id = 1 $$, 'OP004', NULL, 'app: nor by way of the order');
SELECT throws_ok($$ INSERT INTO shop.settlement_lines DEFAULT VALUES $$, '42501', NULL, 'app: nor by a settlement');
RESET SESSION AUTHORIZATION;
SET LOCAL SESSION AUTHORIZATION regress_tap_gateway;
SELECT lives_ok($$ UPDATE shop.payments SET status = 'succeeded', fee = 0.25, fee_final = true WHERE order_id = 1 RETURNING * $$, 'gateway: record an outcome');
SELECT lives_ok($$ INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'cod', 5, 'succeeded') $$, 'gateway: adopt a payment');
SELECT lives_ok($$ INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'chargeback', 1, 'succeeded' FROM shop.payments WHERE gateway_reference = 'r' $$,
                'gateway: a chargeback');
SELECT lives_ok($$ UPDATE shop.orders SET status = 'paid' WHERE order_id = 2 $$, 'gateway: settle by hand');
RESET SESSION AUTHORIZATION;
SET LOCAL SESSION AUTHORIZATION regress_tap_app;
SELECT lives_ok($$ INSERT INTO shop.refunds (order_id, payment_id, amount) SELECT order_id, payment_id, 2 FROM shop.payments WHERE gateway_reference = 'r' $$, 'app: ask for a refund');
SELECT lives_ok($$ UPDATE shop.refunds SET status = 'cancelled' $$, 'app: take it back');
SELECT throws_ok($$ INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) SELECT order_id, payment_id, 'chargeback', 1 FROM shop.payments WHERE gateway_reference = 'r' $$,
                 'OP004', NULL, 'app: a chargeback is not its to tell');
SELECT is((paid_amount, charged_back_amount, refunded_amount)::text, '(10,1,0)', 'app: all of it is counted') FROM shop.orders WHERE order_id = 1;
SELECT is((SELECT count(*)::int FROM order_payment.order_timeline(1, 'shop')), 9, 'app: order_timeline()');
SELECT lives_ok('SELECT * FROM shop.' || v, 'app: ' || v) FROM unnest('{order_overview,payment_overview,open_work,needs_attention,daily_settlement,gateway_success,refunds,gateways,gateway_fees}'::text[]) v;
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
	'DELETE FROM shop.payments',
	'DELETE FROM shop.payment_operations',
	'DELETE FROM shop.refunds',
	'TRUNCATE shop.payments CASCADE',
	'TRUNCATE shop.payment_operations',
	'INSERT INTO shop.gateways (gateway) VALUES (''mine'')',
	'UPDATE shop.gateways SET active = false',
	'DELETE FROM shop.gateways',
	'INSERT INTO shop.gateway_fees (gateway, currency, rate) VALUES (''cod'', ''USD'', 0)',
	'UPDATE shop.gateway_fees SET rate = 0',
	'UPDATE shop.settlement_lines SET line_no = 1',
	'DELETE FROM shop.settlement_lines',
	'MERGE INTO shop.payments p USING shop.orders o ON p.order_id = o.order_id WHEN MATCHED THEN DELETE',
	'ALTER TABLE shop.payments DISABLE TRIGGER ALL',
	'ALTER TABLE shop.payments DISABLE TRIGGER zzy_maintain_payment',
	'ALTER TABLE shop.payments DROP CONSTRAINT payments_money_check',
	'DROP TRIGGER "000_apply_payment" ON shop.payments',
	'DROP VIEW shop.refunds',
	'CREATE TRIGGER planted BEFORE UPDATE ON shop.payments FOR EACH ROW EXECUTE FUNCTION order_payment.refuse_delete()',
	'CREATE RULE planted AS ON INSERT TO shop.payments DO INSTEAD NOTHING',
	'CREATE TEMP TABLE planted () INHERITS (shop.payments)',
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
	'SET ROLE regress_tap_gateway',
	'ALTER ROLE regress_tap_app SET order_payment.restore = on',
	'COPY shop.orders TO PROGRAM ''true''']) statement;
RESET SESSION AUTHORIZATION;

-- ---------- a role without rights ----------

SET LOCAL SESSION AUTHORIZATION regress_tap_stranger;
SELECT throws_ok(statement, '42501', NULL, 'a stranger may not: ' || statement)
FROM unnest(ARRAY[
	'SELECT * FROM shop.orders',
	'SELECT * FROM shop.payments',
	'SELECT * FROM shop.refunds',
	'SELECT * FROM shop.order_overview',
	'INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, ''cod'', 1)',
	'CREATE TABLE mine.planted (order_id bigint, payment_id uuid, FOREIGN KEY (order_id, payment_id) REFERENCES shop.payments)',
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
