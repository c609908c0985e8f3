-- Who may do what in a store: the rights of app_role and gateway_role to the letter, what they may not (S7), and what a role without rights may not.
SET client_min_messages = warning;
BEGIN;
SELECT plan(568);

CREATE ROLE regress_tap_owner;
CREATE ROLE regress_tap_app;
CREATE ROLE regress_tap_gateway;
CREATE ROLE regress_tap_clerk;
CREATE ROLE regress_tap_stranger;
CREATE SCHEMA shop AUTHORIZATION regress_tap_owner;
CREATE SCHEMA mine AUTHORIZATION regress_tap_stranger;
SELECT order_payment.create_store('shop', app_role => 'regress_tap_app', gateway_role => 'regress_tap_gateway', owner => 'regress_tap_owner') \g /dev/null
INSERT INTO shop.orders (price) VALUES (10), (20);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (2, 1, 7);
INSERT INTO shop.gateways (gateway) VALUES ('stripe');
INSERT INTO shop.gateway_fees (gateway, currency, rate) VALUES ('stripe', 'USD', 0.1);
INSERT INTO shop.orders (order_id, price) VALUES (11, 100), (12, 100), (13, 100), (14, 100);
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, status) VALUES
	(12, '12000000-0000-7000-8000-000000000000', 'stripe', 100, 'succeeded'),
	(13, '13000000-0000-7000-8000-000000000000', 'stripe', 100, 'authorized'),
	(14, '14000000-0000-7000-8000-000000000000', 'stripe', 100, 'processing');
INSERT INTO shop.payment_operations (order_id, operation_id, payment_id, kind, amount) VALUES
	(12, '12000000-0000-7000-8000-000000000001', '12000000-0000-7000-8000-000000000000', 'refund', 10);

-- ---------- what is granted ----------

CREATE TEMP VIEW granted AS
SELECT c.relname::text AS relation, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee, a.privilege_type, a.is_grantable
FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace = 'shop'::regnamespace AND a.grantee <> c.relowner;

CREATE TEMP TABLE expected (relation text, app_role text, gateway_role text);
INSERT INTO expected VALUES
('orders', 'SELECT,INSERT,UPDATE', 'SELECT,INSERT,UPDATE'),
('order_items', 'SELECT,INSERT,UPDATE,DELETE', 'SELECT,INSERT,UPDATE,DELETE'),
('order_events', 'SELECT', 'SELECT'),
('event_consumers', 'SELECT,INSERT,UPDATE', 'SELECT,INSERT,UPDATE'),
('consumer_offsets', 'SELECT,INSERT,UPDATE', 'SELECT,INSERT,UPDATE'),
('gateways', 'SELECT', 'SELECT'),
('gateway_fees', 'SELECT', 'SELECT'),
('payments', 'SELECT,INSERT,UPDATE', 'SELECT,INSERT,UPDATE'),
('payment_operations', 'SELECT,INSERT,UPDATE', 'SELECT,INSERT,UPDATE'),
('settlement_lines', 'SELECT', 'SELECT,INSERT'),
('gateway_notifications', NULL, 'SELECT,INSERT,UPDATE'),
('gateway_requests', NULL, 'SELECT,INSERT,UPDATE'),
('gateway_rejections', 'SELECT', 'SELECT,INSERT,UPDATE'),
('gateway_sender', 'SELECT', 'SELECT,INSERT,UPDATE'),
('gateway_worker_status', 'SELECT', 'SELECT'),
('webhook_subscribers', 'SELECT', 'SELECT'),
('webhook_deliveries', 'SELECT', 'SELECT,INSERT,UPDATE,DELETE'),
('used_card_tokens', NULL, NULL),
('refunds', 'SELECT,INSERT,UPDATE', 'SELECT,INSERT,UPDATE'),
('order_overview', 'SELECT', 'SELECT'),
('payment_overview', 'SELECT', 'SELECT'),
('open_work', 'SELECT', 'SELECT'),
('needs_attention', 'SELECT', 'SELECT'),
('daily_settlement', 'SELECT', 'SELECT'),
('gateway_success', 'SELECT', 'SELECT'),
('settlement_facts', 'SELECT', 'SELECT'),
('settlement_matches', 'SELECT', 'SELECT'),
('orders_order_id_seq', 'SELECT', 'SELECT');
SELECT bag_eq('SELECT * FROM granted',
              $$ SELECT e.relation, r.name, p, false
                 FROM expected e, LATERAL (VALUES ('regress_tap_app', e.app_role), ('regress_tap_gateway', e.gateway_role)) r (name, rights),
                      string_to_table(r.rights, ',') p $$,
              'all that is granted on tables, views and sequences');
SELECT set_eq($$ SELECT relname::text FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'v', 'S') $$,
              $$ SELECT relation FROM expected UNION ALL VALUES ('gateway_secrets'), ('payment_passwords'), ('payment_password_attempts') $$,
              'and these are all there are, but for those of which columns are granted, or nothing');
SELECT bag_eq($$ SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type, a.is_grantable
                 FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'shop' AND a.grantee <> n.nspowner $$,
              $$ VALUES ('regress_tap_app', 'USAGE', false), ('regress_tap_gateway', 'USAGE', false) $$, 'all that is granted on the schema');
SELECT bag_eq($$ SELECT c.relname::text, t.attname::text, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type, a.is_grantable
                 FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a WHERE c.relnamespace = 'shop'::regnamespace $$,
              $$ VALUES ('payments', 'status', 'regress_tap_gateway', 'UPDATE', false),
                        ('payment_operations', 'status', 'regress_tap_gateway', 'UPDATE', false),
                        ('webhook_subscribers', 'active', 'regress_tap_gateway', 'UPDATE', false)
                 UNION ALL SELECT 'gateway_secrets', c, r, 'SELECT', false
                 FROM unnest('{gateway,kind,secret_id,key_name,valid_from,valid_until,created_at}'::text[]) c, unnest('{regress_tap_app,regress_tap_gateway}'::text[]) r
                 UNION ALL SELECT 'gateway_notifications', c, r, 'SELECT', false
                 FROM unnest('{gateway,event_id,event_type,outcome,reason,payment_reference,order_id,payment_id,operation_id,deliveries,attempts,received_at,last_received_at,applied_at}'::text[]) c,
                      unnest('{regress_tap_app,regress_tap_gateway}'::text[]) r
                 UNION ALL SELECT 'gateway_requests', c, r, 'SELECT', false
                 FROM unnest('{order_id,request_id,gateway,work,payment_id,operation_id,state,claimed_at,claimed_by,timeline,lease_until,settled_at,http_status,outcome,reason}'::text[]) c,
                      unnest('{regress_tap_app,regress_tap_gateway}'::text[]) r
                 UNION ALL SELECT 'payment_passwords', c, r, p, false
                 FROM (VALUES ('customer_id', 'SELECT'), ('customer_id', 'INSERT'), ('set_at', 'SELECT')) v (c, p), unnest('{regress_tap_app,regress_tap_gateway}'::text[]) r $$,
              'all that is granted on single columns: by it the server knows who records outcomes, and who may ask for a payment password; and secrets, notifications and requests are seen to be there, but not read');
SELECT is_empty($$ SELECT FROM pg_default_acl $$, 'no default privileges are changed');
SELECT is_empty($$ SELECT FROM pg_auth_members m WHERE m.member IN ('regress_tap_app'::regrole, 'regress_tap_gateway'::regrole)
                   OR m.roleid IN ('regress_tap_app'::regrole, 'regress_tap_gateway'::regrole) $$,
                'and no role is given');

-- S7, asked of the server
CREATE TEMP TABLE role (name text, label text);
INSERT INTO role VALUES ('regress_tap_app', 'app_role'), ('regress_tap_gateway', 'gateway_role');
SELECT is(has_table_privilege(r.name, 'shop.' || e.relation, p), false, format('%s: no %s on %s', r.label, p, e.relation))
FROM role r, expected e, unnest('{TRUNCATE,TRIGGER,REFERENCES}'::text[]) p WHERE e.relation <> 'orders_order_id_seq';
SELECT is(has_table_privilege(r.name, 'shop.' || t, p), false, format('%s: no %s on %s', r.label, p, t))
FROM role r, (VALUES ('orders', 'DELETE'), ('order_events', 'INSERT'), ('order_events', 'UPDATE'), ('order_events', 'DELETE'),
             ('event_consumers', 'DELETE'), ('consumer_offsets', 'DELETE'), ('payments', 'DELETE'), ('payment_operations', 'DELETE'), ('refunds', 'DELETE'),
             ('gateways', 'INSERT'), ('gateways', 'UPDATE'), ('gateways', 'DELETE'),
             ('gateway_fees', 'INSERT'), ('gateway_fees', 'UPDATE'), ('gateway_fees', 'DELETE'),
             ('settlement_lines', 'UPDATE'), ('settlement_lines', 'DELETE'),
             ('gateway_notifications', 'DELETE'), ('gateway_requests', 'DELETE'), ('gateway_rejections', 'DELETE'), ('gateway_sender', 'DELETE')) v (t, p);
SELECT is(has_table_privilege('regress_tap_app', 'shop.settlement_lines', 'INSERT'), false, 'app_role: no INSERT on settlement_lines');
SELECT is(has_any_column_privilege('regress_tap_app', 'shop.' || t, p), false, format('app_role: no %s on a column of %s', p, t))
FROM unnest('{gateway_notifications,gateway_requests,gateway_rejections,gateway_sender}'::text[]) t, unnest('{INSERT,UPDATE,REFERENCES}'::text[]) p;
SELECT is(has_column_privilege('regress_tap_app', 'shop.' || t, c, 'SELECT'), false, format('app_role: no SELECT of %s.%s', t, c))
FROM (VALUES ('gateway_notifications', 'body'), ('gateway_notifications', 'headers'), ('gateway_requests', 'body'), ('gateway_requests', 'headers'), ('gateway_requests', 'url'), ('gateway_requests', 'reply')) v (t, c);
SELECT is(has_any_column_privilege(r.name, 'shop.' || t, p), false, format('%s: no %s on a column of %s', r.label, p, t))
FROM role r, unnest('{order_events,gateways,gateway_fees}'::text[]) t, unnest('{INSERT,UPDATE,REFERENCES}'::text[]) p;
SELECT is(has_sequence_privilege(r.name, 'shop.orders_order_id_seq', p), false, r.label || ': no ' || p || ' on the sequence')
FROM role r, unnest('{USAGE,UPDATE}'::text[]) p;
SELECT is(has_schema_privilege(r.name, s, 'CREATE'), false, r.label || ': no CREATE in ' || s)
FROM role r, unnest('{shop,order_payment,pg_catalog}'::text[]) s;
SELECT is(has_parameter_privilege(r.name, p, 'SET'), false, r.label || ' may not set ' || p)
FROM role r, unnest('{session_replication_role,order_payment.restore,order_payment.allow_history_change,order_payment.reveal_budget}'::text[]) p;
SELECT is(pg_has_role(name, 'regress_tap_owner', 'MEMBER'), false, label || ' is not the owner') FROM role;
SELECT is((rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication)::text, '(f,f,f,f,f)', label || ' has no attribute') FROM pg_roles JOIN role ON name = rolname;

-- what PUBLIC may call: every function that does not deal with secrets, as none runs with other rights than the caller's
SELECT set_eq($$ SELECT proname::text FROM pg_proc WHERE pronamespace = 'order_payment'::regnamespace AND prosecdef $$,
              '{create_data_key,create_data_keys,activate_data_key,rewrap_data_keys,mark_data_key_compromised,destroy_data_key,key_status,
                crypto_inventory,create_card_key,retire_card_keys,reseal_card_keys}'::text[], 'only the functions for keys run with other rights than the caller''s');
SELECT is_empty($$ SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'order_payment'::regnamespace AND prosecdef
                   AND has_function_privilege('regress_tap_stranger', oid, 'EXECUTE') $$, 'and a stranger may call none of them');
SELECT set_eq($$ SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'order_payment'::regnamespace
                   AND NOT has_function_privilege('regress_tap_stranger', p.oid, 'EXECUTE') $$,
              '{reveal,card_fingerprints,create_data_keys,create_data_key,activate_data_key,rewrap_data_keys,root_keys,key_status,crypto_inventory,
                mark_data_key_compromised,destroy_data_key,reseal,reseal_store,reseal_value,rows_sealed_by,forget_cards,forget_cards_in,
                random_key_id,require_data_key,wrap_new_key,rewrap_key,check_data_key,keys_used,values_by_key,await_transactions,fingerprint_fault,record_reveal,create_card_key,retire_card_keys,reseal_card_keys,new_card_key,
                set_gateway_secret_from_file,protect_card,charge_password_attempt,clear_password_attempts,rebind_verifier,rebind_payment_passwords}'::text[],
              'a stranger may call each but these');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace = 'order_payment'::regnamespace
                   AND a.grantee NOT IN (0, p.proowner) AND NOT (p.proname IN ('protect_card', 'fingerprint_fault') AND a.grantee = 'regress_tap_owner'::regrole) $$,
                'and nothing is granted to a role, but that owners of stores protect their tables');
SELECT is_empty($$ SELECT c.oid::regclass, p FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
                   WHERE c.relnamespace = 'order_payment'::regnamespace AND c.relkind = 'r' AND has_table_privilege('regress_tap_stranger', c.oid, p) $$,
                'nor may a stranger do anything to a table of the extension');
SELECT is_empty($$ SELECT t.oid::regtype FROM pg_type t WHERE t.typnamespace = 'order_payment'::regnamespace
                   AND NOT has_type_privilege('regress_tap_stranger', t.oid, 'USAGE') $$, 'and use each type');
SELECT bag_eq($$ SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type
                 FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'order_payment' AND a.grantee <> n.nspowner $$,
              $$ VALUES ('PUBLIC', 'USAGE') $$, 'the schema of the extension is for everybody to use, and for nobody to create in');

GRANT SELECT ON expected TO PUBLIC;

-- ---------- what app_role does ----------

SET LOCAL SESSION AUTHORIZATION regress_tap_app;
SELECT lives_ok($$ INSERT INTO shop.orders (customer_id, price) VALUES (1, 5) RETURNING * $$, 'app: place an order');
SELECT lives_ok($$ SELECT currval('shop.orders_order_id_seq'), currval(pg_get_serial_sequence('shop.orders', 'order_id')) $$, 'app: currval(), as drivers ask');
SELECT lives_ok($$ UPDATE shop.orders SET status = 'cancelled' WHERE order_id = 2 RETURNING * $$, 'app: move an order');
SELECT lives_ok($$ SELECT * FROM shop.orders FOR UPDATE $$, 'app: lock orders');
SELECT lives_ok($$ INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 1, 3), (1, 2, 4) $$, 'app: add lines');
SELECT lives_ok($$ UPDATE shop.order_items SET price = 5 WHERE order_id = 1 AND line_no = 1 $$, 'app: change a line');
SELECT lives_ok($$ DELETE FROM shop.order_items WHERE order_id = 1 AND line_no = 2 $$, 'app: delete a line');
SELECT lives_ok($$ INSERT INTO shop.orders (order_id, price) VALUES (1, 10) ON CONFLICT (order_id) DO UPDATE SET price = EXCLUDED.price $$, 'app: upsert');
SELECT lives_ok($$ MERGE INTO shop.orders o USING (VALUES (3)) v (id) ON o.order_id = v.id WHEN MATCHED THEN UPDATE SET status = 'expired' $$, 'app: MERGE');
SELECT is(total_amount, 5::numeric, 'app: effects are written without a right to write them') FROM shop.orders WHERE order_id = 1;
SELECT is((SELECT string_agg(to_status, ' ') FROM order_payment.order_timeline(2, 'shop')), 'pending cancelled', 'app: order_timeline()');
SELECT is((SELECT string_agg(to_status, ' ') FROM order_payment.order_timeline(3, 'shop')), 'pending expired', 'app: and of what MERGE did');
SELECT lives_ok($$ SELECT order_payment.create_payment(11, 'stripe', method => 'card', request_key => 'p', store => 'shop') $$, 'app: create_payment()');
SELECT is((SELECT fee FROM shop.payments WHERE order_id = 11), 10.00, 'app: the fee is written without a right to write it');
SELECT lives_ok($$ UPDATE shop.payments SET status = 'processing', gateway_reference = 'ch_1' WHERE order_id = 11 $$, 'app: send a payment');
SELECT lives_ok($$ UPDATE shop.payments SET status = 'requires_action', expires_at = now() WHERE order_id = 11 $$, 'app: wait for the customer');
SELECT lives_ok($$ INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', 5); UPDATE shop.payments SET status = 'revoked' WHERE order_id = 1 $$,
                'app: revoke what was not sent');
SELECT lives_ok($$ SELECT order_payment.retry_payment(payment_id, store => 'shop') FROM shop.payments WHERE order_id = 1 $$, 'app: retry_payment()');
SELECT lives_ok($$ SELECT * FROM order_payment.refund_order(12, 20, store => 'shop') $$, 'app: refund_order()');
SELECT lives_ok($$ INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (12, '12000000-0000-7000-8000-000000000000', 5) $$, 'app: ask for a refund');
SELECT lives_ok($$ UPDATE shop.refunds SET status = 'cancelled' WHERE order_id = 12 AND amount = 5 $$, 'app: and take it back');
SELECT lives_ok($$ INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (13, '13000000-0000-7000-8000-000000000000', 'capture', 40);
                   INSERT INTO shop.payment_operations (order_id, payment_id, kind) VALUES (13, '13000000-0000-7000-8000-000000000000', 'void') $$, 'app: ask for a capture and a void');
SELECT lives_ok($$ SELECT * FROM order_payment.request_due_refunds(store => 'shop') $$, 'app: request_due_refunds()');
SELECT lives_ok($$ SELECT * FROM order_payment.due_retries(store => 'shop') $$, 'app: due_retries()');
SELECT lives_ok($$ SELECT order_payment.expire_orders(store => 'shop') $$, 'app: expire_orders()');
SELECT is(order_payment.choose_gateway(11, store => 'shop'), 'stripe', 'app: choose_gateway()');
SELECT lives_ok(format('SELECT * FROM shop.%I', relation), 'app: read ' || relation) FROM expected WHERE app_role IS NOT NULL;
SELECT throws_ok('SELECT FROM shop.used_card_tokens', '42501', NULL, 'app: not used_card_tokens');
SELECT lives_ok($$ SELECT * FROM order_payment.read_events('app', store => 'shop') $$, 'app: read_events()');
SELECT lives_ok($$ SELECT order_payment.ack_events('app', ARRAY(SELECT event_id FROM shop.order_events), 'shop') $$, 'app: ack_events()');
SELECT lives_ok($$ SELECT order_payment.notify_events('app', store => 'shop') $$, 'app: notify_events()');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'app: verify_store()');
SELECT lives_ok($$ SELECT order_payment.status_graph('shop.orders', 'status'), order_payment.status_edges('shop.orders', 'status') $$, 'app: status_graph(), status_edges()');

-- ---------- what it may not say: outcomes ----------

PREPARE outcome AS SELECT statement FROM unnest(ARRAY[
	'INSERT INTO shop.payments (order_id, gateway, amount, status, split) VALUES (11, ''stripe'', 1, ''succeeded'', true)',
	'INSERT INTO shop.payments (order_id, gateway, amount, status, split) VALUES (11, ''stripe'', 1, ''authorized'', true)',
	'INSERT INTO shop.payments (order_id, gateway, amount, fee, split) VALUES (11, ''stripe'', 1, -1, true)',
	'INSERT INTO shop.payments (order_id, gateway, amount, fee_final, split) VALUES (11, ''stripe'', 1, true, true)',
	'INSERT INTO shop.payments (order_id, gateway, amount, authorized_amount, split) VALUES (11, ''stripe'', 1, 1, true)',
	'INSERT INTO shop.payments (order_id, gateway, amount, capture_before, split) VALUES (11, ''stripe'', 1, ''tomorrow'', true)',
	'INSERT INTO shop.payments (order_id, gateway, amount, failure_class, split) VALUES (11, ''stripe'', 1, ''other'', true)',
	'UPDATE shop.payments SET status = ''succeeded'' WHERE order_id = 14',
	'UPDATE shop.payments SET status = ''authorized'' WHERE order_id = 14',
	'UPDATE shop.payments SET status = ''failed'' WHERE order_id = 14',
	'UPDATE shop.payments SET status = ''unknown'' WHERE order_id = 14',
	'UPDATE shop.payments SET status = ''revoked'' WHERE order_id = 14',
	'UPDATE shop.payments SET status = ''revoked'' WHERE order_id = 13',
	'UPDATE shop.payments SET fee = 0 WHERE order_id = 14',
	'UPDATE shop.payments SET fee_final = true WHERE order_id = 14',
	'UPDATE shop.payments SET authorized_amount = 50 WHERE order_id = 13',
	'UPDATE shop.payments SET capture_before = ''tomorrow'' WHERE order_id = 13',
	'UPDATE shop.payments SET failure_class = ''other'' WHERE order_id = 14',
	'INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES (12, ''12000000-0000-7000-8000-000000000000'', ''refund'', 1, ''succeeded'')',
	'INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES (12, ''12000000-0000-7000-8000-000000000000'', ''refund'', 1, ''processing'')',
	'INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (12, ''12000000-0000-7000-8000-000000000000'', ''chargeback'', 1)',
	'INSERT INTO shop.refunds (order_id, payment_id, amount, status) VALUES (12, ''12000000-0000-7000-8000-000000000000'', 1, ''succeeded'')',
	'UPDATE shop.payment_operations SET status = ''processing'' WHERE operation_id = ''12000000-0000-7000-8000-000000000001''',
	'UPDATE shop.payment_operations SET status = ''succeeded'' WHERE operation_id = ''12000000-0000-7000-8000-000000000001''',
	'UPDATE shop.refunds SET status = ''failed'' WHERE operation_id = ''12000000-0000-7000-8000-000000000001''',
	'UPDATE shop.payment_operations SET status = ''unknown'' WHERE operation_id = ''12000000-0000-7000-8000-000000000001''',
	'UPDATE shop.payment_operations SET fee = 1 WHERE operation_id = ''12000000-0000-7000-8000-000000000001''',
	'UPDATE shop.orders SET status = ''paid'' WHERE order_id = 11']) statement;
CREATE TEMP TABLE outcome AS EXECUTE outcome;
SELECT throws_ok(statement, 'OP004', NULL, 'app may not say: ' || statement) FROM outcome;
SET LOCAL client_min_messages = error;  -- GRANT only warns if nothing is granted
GRANT UPDATE (status) ON shop.payments, shop.payment_operations TO regress_tap_app;
GRANT ALL ON shop.payments, shop.payment_operations TO regress_tap_app;
SET LOCAL client_min_messages = warning;
SELECT throws_ok(statement, 'OP004', NULL, 'nor after granting itself what it has not: ' || statement) FROM outcome WHERE statement ~ 'SET status';

-- ---------- and what it may not do: 42501 ----------

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
	'UPDATE shop.gateways SET active = true',
	'DELETE FROM shop.gateways',
	'INSERT INTO shop.gateway_fees (gateway, currency) VALUES (''stripe'', ''EUR'')',
	'UPDATE shop.gateway_fees SET rate = 0',
	'DELETE FROM shop.gateway_fees',
	'INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES (''stripe'', ''s'', 1, ''payment'', 1, ''USD'', ''today'')',
	'UPDATE shop.settlement_lines SET amount = 0',
	'DELETE FROM shop.settlement_lines',
	'ALTER TABLE shop.payments DISABLE TRIGGER zzy_maintain_payment',
	'ALTER TABLE shop.payments DROP CONSTRAINT payments_money_check',
	'ALTER VIEW shop.refunds SET (security_invoker = false)',
	'SET ROLE regress_tap_gateway',
	'SELECT order_payment.upgrade_store(''shop'')',
	'SELECT order_payment.create_payment_tables(''shop'', ''bigint'', '''')',
	'SELECT order_payment.create_settlement_tables(''shop'')',
	'SELECT order_payment.create_views(''shop'')',
	'SELECT order_payment.create_order_tables(''shop'', ''USD'', ''bigint'', ''bigint'', ''bigint'', '''')',
	'MERGE INTO shop.order_events e USING shop.orders o ON e.order_id = o.order_id WHEN MATCHED THEN DELETE',
	'ALTER TABLE shop.orders DISABLE TRIGGER ALL',
	'ALTER TABLE shop.orders DISABLE TRIGGER zzz_guard_status',
	'ALTER TABLE shop.orders DROP CONSTRAINT orders_money_check',
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

SELECT is((SELECT array_agg(status::text ORDER BY order_id) FROM shop.payments WHERE order_id IN (12, 13, 14)), '{succeeded,authorized,processing}', 'nothing of it was done');

-- ---------- what gateway_role does ----------

SET LOCAL SESSION AUTHORIZATION regress_tap_gateway;
SELECT lives_ok($$ INSERT INTO shop.orders (order_id, price) VALUES (21, 100), (22, 100) $$, 'gateway: all that app_role may: place an order');
SELECT lives_ok($$ UPDATE shop.payments SET status = 'succeeded', gateway_reference = 'ch_2', fee = 3, fee_final = true, occurred_at = now() WHERE order_id = 14 $$, 'gateway: a payment succeeded');
SELECT lives_ok($$ UPDATE shop.payments SET status = 'failed', failure_class = 'soft_decline', failure_code = 'x' WHERE order_id = 11 $$, 'gateway: a payment failed');
SELECT lives_ok($$ UPDATE shop.payments SET authorized_amount = 90, capture_before = 'infinity' WHERE order_id = 13 $$, 'gateway: an authorisation');
SELECT lives_ok($$ INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (21, 'stripe', 100, 'succeeded') $$, 'gateway: a payment is born succeeded');
SELECT lives_ok($$ UPDATE shop.payment_operations SET status = 'succeeded' WHERE operation_id = '12000000-0000-7000-8000-000000000001' $$, 'gateway: a refund succeeded');
SELECT lives_ok($$ UPDATE shop.refunds SET status = 'failed' WHERE order_id = 12 AND amount = 20 $$, 'gateway: a refund failed, by the view');
SELECT lives_ok($$ INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status, gateway_reference)
                   VALUES (12, '12000000-0000-7000-8000-000000000000', 'chargeback', 7, 'succeeded', 'dp_1') $$, 'gateway: a chargeback');
SELECT lives_ok($$ UPDATE shop.orders SET status = 'paid' WHERE order_id = 22 $$, 'gateway: an order is settled by hand');
SELECT is((o.status, o.paid_amount, p.gateway, p.status)::text, '(paid,100,manual,succeeded)', 'gateway: which is booked') FROM shop.orders o JOIN shop.payments p USING (order_id) WHERE order_id = 22;
SELECT lives_ok($$ INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, fee, currency, settled_on)
                   VALUES ('stripe', 's', 1, 'payment', '12000000000070008000000000000000', 100, 9, 'USD', 'today') $$, 'gateway: a line of a settlement');
SELECT is(order_payment.post_settlement('stripe', 's', 'shop')::text, '(0,1,0)', 'gateway: post_settlement()');
SELECT is((fee, fee_final)::text, '(9,t)', 'gateway: the fee is final') FROM shop.payments WHERE order_id = 12;
SELECT lives_ok(format('SELECT * FROM shop.%I', relation), 'gateway: read ' || relation) FROM expected WHERE gateway_role IS NOT NULL;
SELECT throws_ok('SELECT FROM shop.used_card_tokens', '42501', NULL, 'gateway: not used_card_tokens');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'gateway: verify_store()');
SELECT throws_ok(statement, '42501', NULL, 'gateway may not: ' || statement)
FROM unnest(ARRAY[
	'DELETE FROM shop.orders',
	'DELETE FROM shop.payments',
	'DELETE FROM shop.payment_operations',
	'DELETE FROM shop.refunds',
	'TRUNCATE shop.payments CASCADE',
	'UPDATE shop.order_events SET actor = NULL',
	'INSERT INTO shop.order_events SELECT * FROM shop.order_events',
	'DELETE FROM shop.order_events',
	'INSERT INTO shop.gateways (gateway) VALUES (''mine'')',
	'UPDATE shop.gateways SET active = true',
	'UPDATE shop.gateway_fees SET rate = 0',
	'UPDATE shop.settlement_lines SET amount = 0',
	'DELETE FROM shop.settlement_lines',
	'ALTER TABLE shop.payments DISABLE TRIGGER ALL',
	'CREATE TABLE shop.planted ()',
	'SELECT order_payment.upgrade_store(''shop'')',
	'SET ROLE regress_tap_owner',
	'SET order_payment.restore = on']) statement;
SELECT throws_ok(statement, 'OP003', NULL, 'gateway may not: ' || statement)
FROM unnest(ARRAY[
	'UPDATE shop.payments SET captured_amount = 1 WHERE order_id = 14',
	'UPDATE shop.orders SET paid_amount = 1 WHERE order_id = 14',
	'UPDATE shop.payment_operations SET amount = 1 WHERE order_id = 12']) statement;
SET LOCAL client_min_messages = error;  -- GRANT only warns if nothing is granted
GRANT UPDATE (status) ON shop.payments, shop.payment_operations TO regress_tap_clerk;
GRANT ALL ON shop.payments, shop.payment_operations TO regress_tap_clerk;
SET LOCAL client_min_messages = warning;
RESET SESSION AUTHORIZATION;

-- ---------- who else records outcomes: a role that was granted the privilege, and no other ----------

GRANT regress_tap_app TO regress_tap_clerk;
INSERT INTO shop.orders (order_id, price) VALUES (31, 100);
INSERT INTO shop.payments (order_id, gateway, amount) VALUES (31, 'stripe', 100);
SET LOCAL SESSION AUTHORIZATION regress_tap_clerk;
SELECT throws_ok($$ UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 31 $$, 'OP004', NULL, 'a member of app_role records no outcome, and gateway_role cannot pass on what it may');
RESET SESSION AUTHORIZATION;
GRANT UPDATE (status) ON shop.payments TO regress_tap_clerk;
SET LOCAL SESSION AUTHORIZATION regress_tap_clerk;
SELECT lives_ok($$ UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 31 $$, 'until it is granted UPDATE (status)');
SELECT throws_ok($$ INSERT INTO shop.refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 1, 'succeeded' FROM shop.payments WHERE order_id = 31 $$,
                 'OP004', NULL, 'which holds for the table it was granted on');
RESET SESSION AUTHORIZATION;
SET LOCAL SESSION AUTHORIZATION regress_tap_owner;
SELECT lives_ok($$ INSERT INTO shop.refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 1, 'succeeded' FROM shop.payments WHERE order_id = 31 $$, 'the owner records outcomes');
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
	'SELECT * FROM order_payment.open_consumer(''c'', ''shop'')',
	'SELECT * FROM order_payment.create_payment(11, ''stripe'', store => ''shop'')',
	'SELECT * FROM order_payment.create_payment(''11'', ''stripe'', store => ''shop'')',
	'SELECT * FROM order_payment.retry_payment(''14000000-0000-7000-8000-000000000000'', store => ''shop'')',
	'SELECT * FROM order_payment.refund_order(12, store => ''shop'')',
	'SELECT * FROM order_payment.refund_order(''12'', store => ''shop'')',
	'SELECT * FROM order_payment.request_due_refunds(store => ''shop'')',
	'SELECT * FROM order_payment.due_retries(store => ''shop'')',
	'SELECT order_payment.expire_orders(store => ''shop'')',
	'SELECT order_payment.choose_gateway(11, store => ''shop'')',
	'SELECT order_payment.choose_gateway(''11'', store => ''shop'')',
	'SELECT order_payment.post_settlement(''stripe'', ''s'', ''shop'')',
	'SELECT order_payment.upgrade_store(''shop'')',
	'SELECT order_payment.grant_store(''shop'', ''regress_tap_stranger'', ''regress_tap_stranger'')',
	'SELECT order_payment.create_payment_tables(''shop'', ''bigint'', '''')',
	'SELECT order_payment.create_settlement_tables(''shop'')',
	'SELECT order_payment.create_views(''shop'')',
	'SELECT order_payment.verify_notification(''stripe'', ''{}'', '''', store => ''shop'')',
	'SELECT order_payment.verify_reply(''stripe'', ''{}'', '''', store => ''shop'')',
	'SELECT order_payment.open_resource(''stripe'', ''{"algorithm": "AEAD_AES_256_GCM", "nonce": "123456789012", "ciphertext": "AAAAAAAAAAAAAAAAAAAAAAAA"}'', ''shop'')',
	'SELECT order_payment.sign_for_gateway(''stripe'', ''private_key'', ''x'', ''shop'')']) statement;
RESET SESSION AUTHORIZATION;
SELECT is(has_table_privilege('regress_tap_stranger', 'shop.' || relation, 'SELECT'), false, 'a stranger may not read ' || relation) FROM expected WHERE relation <> 'orders_order_id_seq';
SET LOCAL SESSION AUTHORIZATION regress_tap_stranger;
SELECT is(order_payment.next_states('paid'::order_payment.order_status)::text, '{cancelled,shipped,completed,refunded}', 'a stranger has the types and their functions');
RESET SESSION AUTHORIZATION;

SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'and the store is in order');
SELECT * FROM finish();
ROLLBACK;
