-- The settings order_payment.*: their context, what they do, and that nobody comes by a superuser's setting before the library is loaded.
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_tap_app, regress_tap_gateway;
CREATE ROLE regress_tap_app;
CREATE ROLE regress_tap_gateway;
SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'order_payment.restore') AS preloaded \gset
SET SESSION AUTHORIZATION regress_tap_app;
\if :preloaded
\else
-- the library is not loaded yet: these are placeholders, which anybody may set
SET order_payment.restore = on;
SET order_payment.allow_history_change = on;
SET order_payment.reveal_budget = -1;
SET order_payment.nonsense = 1;
\endif
SET order_payment.reason = 'set early';
RESET SESSION AUTHORIZATION;

BEGIN;
SELECT plan(57);
SELECT order_payment.default_graph('text') \g /dev/null
SELECT is(current_setting('order_payment.restore'), 'off', 'a placeholder of restore does not become the setting');
SELECT is(current_setting('order_payment.allow_history_change'), 'off', 'nor does one of allow_history_change');
SELECT is(current_setting('order_payment.reveal_budget'), '1000', 'nor does one of reveal_budget');
SELECT is(current_setting('order_payment.reason'), 'set early', 'but one of reason does');
SELECT is(current_setting('order_payment.nonsense', true), NULL, 'and an unknown name is dropped');
RESET order_payment.reason;

SELECT bag_eq($$ SELECT name, context, vartype, boot_val FROM pg_settings WHERE name LIKE 'order\_payment.%' $$,
              $$ VALUES ('order_payment.actor', 'user', 'string', ''), ('order_payment.reason', 'user', 'string', ''),
                        ('order_payment.restore', 'superuser', 'bool', 'off'), ('order_payment.allow_history_change', 'superuser', 'bool', 'off'),
                        ('order_payment.protect_memory', 'sighup', 'bool', 'on'), ('order_payment.reveal_budget', 'superuser', 'integer', '1000'),
                        ('order_payment.password_checks', 'sighup', 'integer', '4'), ('order_payment.secret_names', 'sighup', 'string', ''),
                        ('order_payment.allow_unguarded', 'superuser', 'bool', 'off'), ('order_payment.log_guard', 'internal', 'bool', 'off') $$,
              'all settings, with context and default');
SELECT is_empty($$ SELECT name FROM pg_settings WHERE name LIKE 'order\_payment.%' AND (short_desc IS NULL OR extra_desc IS NULL) $$, 'each is described');
SELECT throws_ok('SET order_payment.nonsense = 1', '42602', NULL, 'the prefix is reserved');
SELECT throws_ok('SET order_payment.secret_names = ''login''', '55P02', NULL, 'what the log guard looks for is said in postgresql.conf');

SELECT order_payment.create_store('shop', app_role => 'regress_tap_app', gateway_role => 'regress_tap_gateway') \g /dev/null
SET LOCAL SESSION AUTHORIZATION regress_tap_app;
SELECT throws_ok('SET order_payment.restore = on', '42501', NULL, 'restore is a superuser''s');
SELECT throws_ok('SET LOCAL order_payment.restore = off', '42501', NULL, 'even to switch it off');
SELECT throws_ok('SET order_payment.allow_history_change = on', '42501', NULL, 'allow_history_change as well');
SELECT throws_ok($$ SELECT set_config('order_payment.allow_history_change', 'on', true) $$, '42501', NULL, 'by set_config() as well');
SELECT throws_ok('SET order_payment.reveal_budget = -1', '42501', NULL, 'reveal_budget as well');
SELECT throws_ok($$ CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET order_payment.restore = on AS 'SELECT 1' $$, '42501', NULL, 'nor by a function that sets it');

-- actor, reason, session role
INSERT INTO shop.orders (order_id, price) VALUES (1, 10);
SET LOCAL order_payment.actor = 'clerk 7';
SET LOCAL order_payment.reason = 'phoned';
INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'manual', 10);
SET LOCAL order_payment.actor = '';
SET LOCAL order_payment.reason = '';
UPDATE shop.payments SET status = 'processing' WHERE order_id = 1;
RESET order_payment.actor;
RESET order_payment.reason;
SELECT set_config('order_payment.actor', E'O''Neil "x" \\ \n; DROP TABLE shop.orders; --', true) \g /dev/null
UPDATE shop.payments SET status = 'requires_action' WHERE order_id = 1;
SELECT set_config('order_payment.actor', repeat('é', 10000), true) \g /dev/null
UPDATE shop.payments SET status = 'processing' WHERE order_id = 1;
SELECT set_config('order_payment.actor', 'the boss', true) \g /dev/null
SELECT throws_ok($$ UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 1 $$, 'OP004', NULL, 'an actor has no rights: who records outcomes is the server''s word');
RESET order_payment.actor;
RESET SESSION AUTHORIZATION;
SET LOCAL ROLE regress_tap_gateway;
UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 1;
RESET ROLE;
SELECT is((actor, session_role, reason)::text, '(regress_tap_app,regress_tap_app,)', 'without settings: the session''s role, no reason') FROM shop.order_events WHERE version = 1;
SELECT is((actor, session_role, reason)::text, '("clerk 7",regress_tap_app,phoned)', 'actor and reason are recorded, session_role is the server''s word') FROM shop.order_events WHERE version = 2;
SELECT is((actor, session_role, reason)::text, '(regress_tap_app,regress_tap_app,)', 'empty is absent') FROM shop.order_events WHERE version = 3;
SELECT is(actor, E'O''Neil "x" \\ \n; DROP TABLE shop.orders; --', 'any text') FROM shop.order_events WHERE version = 4;
SELECT is(actor, repeat('é', 10000), 'of any length') FROM shop.order_events WHERE version = 5;
SELECT is((actor, session_role)::text, format('(%s,%1$s)', session_user), 'SET ROLE does not hide who logged in') FROM shop.order_events WHERE version = 6;
SELECT is((actor, session_role, entity, to_status)::text, format('(%s,%1$s,order,paid)', session_user), 'nor do effects, which run as the owner of the store') FROM shop.order_events WHERE version = 7;

-- restore: rows pass unchanged and unchecked
SET LOCAL order_payment.restore = on;
SELECT lives_ok($$ INSERT INTO shop.orders (order_id, price, total_amount, status, version, paid_amount, refunded_amount, created_at, paid_at, shipped_at)
                   VALUES (2, 10, 10, 'shipped', 5, 10, 4, '2020-01-01', '2020-01-02', '2020-01-03') $$, 'restore: a row with its history');
SELECT is((o.status, o.version, o.paid_amount, o.refunded_amount, o.created_at = '2020-01-01', o.paid_at = '2020-01-02')::text, '(shipped,5,10,4,t,t)', 'is stored as it is') FROM shop.orders o WHERE order_id = 2;
SELECT lives_ok($$ INSERT INTO shop.payments (order_id, payment_id, gateway, amount, currency, status, authorized_amount, captured_amount, refunded_amount, fee, created_at, succeeded_at)
                   VALUES (2, '20000000-0000-7000-8000-000000000000', 'manual', 10, 'USD', 'succeeded', 0, 10, 4, 1, '2020-01-02', '2020-01-02') $$, 'a payment with its history');
SELECT lives_ok($$ INSERT INTO shop.payment_operations (order_id, operation_id, payment_id, kind, amount, currency, status, created_at, succeeded_at)
                   VALUES (2, '20000000-0000-7000-8000-000000000001', '20000000-0000-7000-8000-000000000000', 'refund', 4, 'USD', 'succeeded', '2020-01-04', '2020-01-04') $$, 'an operation as well');
SELECT is((p.status, p.captured_amount, p.refunded_amount, p.fee, p.net_amount, p.created_at = '2020-01-02')::text, '(succeeded,10,4,1,5,t)', 'are stored as they are') FROM shop.payments p WHERE order_id = 2;
SELECT is((o.version, o.paid_amount, o.refunded_amount)::text, '(5,10,4)', 'and do nothing to the order') FROM shop.orders o WHERE order_id = 2;
SELECT is_empty('SELECT * FROM shop.order_events WHERE order_id = 2', 'and no event is written');
SELECT lives_ok($$ INSERT INTO shop.order_events SELECT 2, version, gen_random_uuid(), entity, entity_id, from_status, to_status, amount, actor, session_role, NULL, NULL, recorded_at, xid
                   FROM (VALUES (1, 'order', NULL, NULL, 'pending', NULL),
                                (2, 'payment', '20000000-0000-7000-8000-000000000000'::uuid, NULL, 'succeeded', 10), (3, 'order', NULL, 'pending', 'paid', NULL),
                                (4, 'order', NULL, 'paid', 'shipped', NULL), (5, 'operation', '20000000-0000-7000-8000-000000000001', NULL, 'succeeded', 4))
                            v (version, entity, entity_id, from_status, to_status, amount),
                        (SELECT actor, session_role, recorded_at, xid FROM shop.order_events WHERE order_id = 1 AND version = 1) e $$, 'its events are loaded');
SELECT lives_ok($$ INSERT INTO shop.order_items (order_id, line_no, price) VALUES (2, 1, 10); UPDATE shop.orders SET item_count = 1 WHERE order_id = 2 $$, 'so are lines');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'verify_store() is content');
SELECT throws_ok('DELETE FROM shop.order_events WHERE order_id = 2', 'OP003', NULL, 'restore does not open the history to changes');
SELECT throws_ok('UPDATE shop.order_events SET actor = ''x''', 'OP003', NULL, 'of any kind');
SELECT throws_ok('TRUNCATE shop.order_events', 'OP003', NULL, 'nor to TRUNCATE');
SELECT throws_ok('DELETE FROM shop.payments WHERE order_id = 2', 'OP003', NULL, 'nor rows about money to DELETE');
SELECT throws_ok('DELETE FROM shop.payment_operations WHERE order_id = 2', 'OP003', NULL, 'operations neither');
SELECT throws_ok('TRUNCATE shop.payments CASCADE', 'OP003', NULL, 'nor to TRUNCATE');
SELECT throws_ok($$ INSERT INTO shop.orders (order_id, price, total_amount, created_at) VALUES (3, 10.001, 10.001, now()) $$, '23514', NULL, 'nor does it switch constraints off');
SELECT throws_ok($$ UPDATE shop.orders SET paid_amount = -1 WHERE order_id = 1 $$, '23514', NULL, 'of orders');
SELECT throws_ok($$ UPDATE shop.payments SET refunded_amount = 11 WHERE order_id = 2 $$, '23514', NULL, 'of payments');
SELECT throws_ok($$ UPDATE shop.payment_operations SET obligatory_amount = 5 WHERE order_id = 2 $$, '23514', NULL, 'of operations');
SELECT throws_ok($$ INSERT INTO shop.payments (order_id, gateway, amount, currency, fee, created_at) VALUES (99, 'manual', 1, 'USD', 0, now()) $$, '23503', NULL, 'of any kind');
UPDATE shop.orders SET status = 'pending', total_amount = 11 WHERE order_id = 2;
UPDATE shop.payments SET refunded_amount = 3 WHERE order_id = 2;
SET LOCAL order_payment.restore = off;
SELECT bag_eq($$ SELECT problem, table_name, key, column_name, stored, expected FROM order_payment.verify_store('shop') $$,
              $$ VALUES ('status is not that of the last event', 'orders', '2', 'status', 'pending', 'shipped'),
                        ('total is not that of the lines', 'orders', '2', 'total_amount', '11', '10'),
                        ('amount is not that of the payments', 'orders', '2', 'refunded_amount', '4', '3'),
                        ('amount is not that of the operations', 'payments', '2 20000000-0000-7000-8000-000000000000', 'refunded_amount', '3', '4') $$, 'what was done wrong under restore is found');
SELECT throws_ok($$ UPDATE shop.orders SET status = 'shipped' WHERE order_id = 2 $$, 'OP001', NULL, 'and the guard is back');
SET LOCAL order_payment.restore = on;
UPDATE shop.orders SET status = 'shipped', total_amount = 10 WHERE order_id = 2;
UPDATE shop.payments SET refunded_amount = 4 WHERE order_id = 2;
SET LOCAL order_payment.restore = off;

-- allow_history_change: history may be changed, but not written
SET LOCAL order_payment.allow_history_change = on;
SELECT lives_ok($$ UPDATE shop.order_events SET reason = 'forgotten' WHERE version = 1 $$, 'allow_history_change: UPDATE');
SELECT throws_ok($$ INSERT INTO shop.order_events SELECT * FROM shop.order_events $$, 'OP003', NULL, 'no INSERT');
SELECT throws_ok($$ UPDATE shop.orders SET version = 9 WHERE order_id = 1 $$, 'OP003', NULL, 'no derived columns');
SELECT throws_ok($$ UPDATE shop.orders SET status = 'expired' WHERE order_id = 1 $$, 'OP001', NULL, 'no illegal moves');
SELECT throws_ok($$ UPDATE shop.payments SET captured_amount = 9 WHERE order_id = 1 $$, 'OP003', NULL, 'of no table');
SELECT throws_ok($$ UPDATE shop.orders SET price = 9 WHERE order_id = 1 $$, 'OP006', NULL, 'no change of what was paid');
SELECT throws_ok($$ DELETE FROM shop.orders WHERE order_id = 2 $$, '23503', NULL, 'no order without what belongs to it');
SELECT lives_ok($$ DELETE FROM shop.order_events WHERE order_id = 2; DELETE FROM shop.payment_operations WHERE order_id = 2;
                   DELETE FROM shop.payments WHERE order_id = 2; DELETE FROM shop.order_items WHERE order_id = 2; DELETE FROM shop.orders WHERE order_id = 2 $$, 'retention: an order goes as a whole');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'and verify_store() is content');
SELECT lives_ok('TRUNCATE shop.order_events', 'TRUNCATE');
SET LOCAL order_payment.allow_history_change = off;
SELECT bag_eq($$ SELECT problem, table_name, split_part(key, ' ', 1), column_name, stored, expected FROM order_payment.verify_store('shop') $$,
              $$ VALUES ('status is not that of the last event', 'orders', '1', 'status', 'paid', NULL),
                        ('version is not the number of events', 'orders', '1', 'version', '7', '0'),
                        ('status is not that of the last event', 'payments', '1', 'status', 'succeeded', NULL) $$, 'which verify_store() finds');

SELECT * FROM finish();
ROLLBACK;
DROP ROLE regress_tap_app, regress_tap_gateway;
