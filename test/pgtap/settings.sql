-- The settings order_payment.*: their context, what they do, and that nobody comes by a superuser's setting before the library is loaded.
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_tap_app;
CREATE ROLE regress_tap_app;
SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'order_payment.restore') AS preloaded \gset
SET SESSION AUTHORIZATION regress_tap_app;
\if :preloaded
\else
-- the library is not loaded yet: these are placeholders, which anybody may set
SET order_payment.restore = on;
SET order_payment.allow_history_change = on;
SET order_payment.nonsense = 1;
\endif
SET order_payment.reason = 'set early';
RESET SESSION AUTHORIZATION;

BEGIN;
SELECT plan(44);
SELECT order_payment.default_graph('text') \g /dev/null
SELECT is(current_setting('order_payment.restore'), 'off', 'a placeholder of restore does not become the setting');
SELECT is(current_setting('order_payment.allow_history_change'), 'off', 'nor does one of allow_history_change');
SELECT is(current_setting('order_payment.reason'), 'set early', 'but one of reason does');
SELECT is(current_setting('order_payment.nonsense', true), NULL, 'and an unknown name is dropped');
RESET order_payment.reason;

SELECT bag_eq($$ SELECT name, context, vartype, boot_val FROM pg_settings WHERE name LIKE 'order\_payment.%' $$,
              $$ VALUES ('order_payment.actor', 'user', 'string', ''), ('order_payment.reason', 'user', 'string', ''),
                        ('order_payment.restore', 'superuser', 'bool', 'off'), ('order_payment.allow_history_change', 'superuser', 'bool', 'off') $$,
              'all settings, with context and default');
SELECT is_empty($$ SELECT name FROM pg_settings WHERE name LIKE 'order\_payment.%' AND (short_desc IS NULL OR extra_desc IS NULL) $$, 'each is described');
SELECT throws_ok('SET order_payment.nonsense = 1', '42602', NULL, 'the prefix is reserved');

SELECT order_payment.create_store('shop', app_role => 'regress_tap_app') \g /dev/null
SET LOCAL SESSION AUTHORIZATION regress_tap_app;
SELECT throws_ok('SET order_payment.restore = on', '42501', NULL, 'restore is a superuser''s');
SELECT throws_ok('SET LOCAL order_payment.restore = off', '42501', NULL, 'even to switch it off');
SELECT throws_ok('SET order_payment.allow_history_change = on', '42501', NULL, 'allow_history_change as well');
SELECT throws_ok($$ SELECT set_config('order_payment.allow_history_change', 'on', true) $$, '42501', NULL, 'by set_config() as well');
SELECT throws_ok($$ CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET order_payment.restore = on AS 'SELECT 1' $$, '42501', NULL, 'nor by a function that sets it');

-- actor, reason, session role
INSERT INTO shop.orders (order_id, price) VALUES (1, 10);
RESET SESSION AUTHORIZATION;
SET LOCAL order_payment.actor = 'the gateway';
INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'cod', 10, 'authorized');
SET LOCAL SESSION AUTHORIZATION regress_tap_app;
SET LOCAL order_payment.actor = 'clerk 7';
SET LOCAL order_payment.reason = 'phoned';
UPDATE shop.orders SET status = 'pending' WHERE order_id = 1;
SET LOCAL order_payment.actor = '';
SET LOCAL order_payment.reason = '';
UPDATE shop.orders SET status = 'authorized' WHERE order_id = 1;
RESET order_payment.actor;
RESET order_payment.reason;
SELECT set_config('order_payment.actor', E'O''Neil "x" \\ \n; DROP TABLE shop.orders; --', true) \g /dev/null
UPDATE shop.orders SET status = 'pending' WHERE order_id = 1;
SELECT set_config('order_payment.actor', repeat('é', 10000), true) \g /dev/null
UPDATE shop.orders SET status = 'authorized' WHERE order_id = 1;
RESET order_payment.actor;
RESET SESSION AUTHORIZATION;
SET LOCAL ROLE regress_tap_app;
UPDATE shop.orders SET status = 'cancelled' WHERE order_id = 1;
RESET ROLE;
SELECT is((actor, session_role, reason)::text, '(regress_tap_app,regress_tap_app,)', 'without settings: the session''s role, no reason') FROM shop.order_events WHERE version = 1;
SELECT bag_eq('SELECT entity, actor FROM shop.order_events WHERE version IN (2, 3)', $$ VALUES ('payment', 'the gateway'), ('order', 'the gateway') $$, 'events of one statement have one actor');
SELECT is((actor, session_role, reason)::text, '("clerk 7",regress_tap_app,phoned)', 'actor and reason are recorded, session_role is the server''s word') FROM shop.order_events WHERE version = 4;
SELECT is((actor, session_role, reason)::text, '(regress_tap_app,regress_tap_app,)', 'empty is absent') FROM shop.order_events WHERE version = 5;
SELECT is(actor, E'O''Neil "x" \\ \n; DROP TABLE shop.orders; --', 'any text') FROM shop.order_events WHERE version = 6;
SELECT is(actor, repeat('é', 10000), 'of any length') FROM shop.order_events WHERE version = 7;
SELECT is((actor, session_role)::text, format('(%s,%1$s)', session_user), 'SET ROLE does not hide who logged in') FROM shop.order_events WHERE version = 8;

-- restore: rows pass unchanged and unchecked
SET LOCAL order_payment.restore = on;
SELECT lives_ok($$ INSERT INTO shop.orders (order_id, price, total_amount, status, version, paid_amount, refunded_amount, created_at, paid_at, shipped_at) VALUES (2, 10, 10, 'shipped', 5, 10, 1, '2020-01-01', '2020-01-02', '2020-01-03') $$, 'restore: a row with its history');
SELECT is((o.status, o.version, o.paid_amount, o.created_at = '2020-01-01', o.paid_at = '2020-01-02')::text, '(shipped,5,10,t,t)', 'is stored as it is') FROM shop.orders o WHERE order_id = 2;
SELECT lives_ok($$ INSERT INTO shop.payments (order_id, payment_id, gateway, amount, currency, status, captured_amount, refunded_amount, fee, created_at, succeeded_at)
                   VALUES (2, '00000000-0000-7000-8000-000000000002', 'cod', 10, 'USD', 'succeeded', 10, 1, 0, '2020-01-01', '2020-01-02') $$, 'restore: a payment with its amounts');
SELECT lives_ok($$ INSERT INTO shop.payment_operations (order_id, operation_id, payment_id, kind, amount, currency, status, created_at, succeeded_at)
                   VALUES (2, '00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000002', 'refund', 1, 'USD', 'succeeded', '2020-01-04', '2020-01-04') $$, 'restore: a refund');
SELECT is((SELECT (paid_amount, refunded_amount, version) FROM shop.orders WHERE order_id = 2)::text, '(10,1,5)', 'which have no effect');
SELECT is_empty('SELECT * FROM shop.order_events WHERE order_id = 2', 'and no event is written');
SELECT lives_ok($$ INSERT INTO shop.order_events SELECT 2, version, gen_random_uuid(), entity, id::uuid, from_status, to_status, amount, actor, session_role, NULL, NULL, recorded_at, xid
                   FROM (VALUES (1, 'order', NULL, NULL, 'pending', NULL), (2, 'payment', '00000000-0000-7000-8000-000000000002', NULL, 'succeeded', 10), (3, 'order', NULL, 'pending', 'paid', NULL),
                                (4, 'order', NULL, 'paid', 'shipped', NULL), (5, 'operation', '00000000-0000-7000-8000-000000000003', NULL, 'succeeded', 1)) v (version, entity, id, from_status, to_status, amount),
                        (SELECT actor, session_role, recorded_at, xid FROM shop.order_events WHERE order_id = 1 AND version = 1) e $$, 'its events are loaded');
SELECT lives_ok($$ INSERT INTO shop.order_items (order_id, line_no, price) VALUES (2, 1, 10); UPDATE shop.orders SET item_count = 1 WHERE order_id = 2 $$, 'so are lines');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'verify_store() is content');
SELECT throws_ok('DELETE FROM shop.order_events WHERE order_id = 2', 'OP003', NULL, 'restore does not open the history to changes');
SELECT throws_ok('DELETE FROM shop.payments', 'OP003', NULL, 'nor money');
SELECT throws_ok('UPDATE shop.order_events SET actor = ''x''', 'OP003', NULL, 'of any kind');
SELECT throws_ok('TRUNCATE shop.order_events', 'OP003', NULL, 'nor to TRUNCATE');
SELECT throws_ok($$ INSERT INTO shop.orders (order_id, price, total_amount, created_at) VALUES (3, -10, -10, now()) $$, '23514', NULL, 'nor does it switch constraints off');
UPDATE shop.orders SET status = 'pending' WHERE order_id = 2;
SET LOCAL order_payment.restore = off;
SELECT bag_eq($$ SELECT problem, key FROM order_payment.verify_store('shop') $$, $$ VALUES ('status is not that of the last event', '2') $$, 'what was done wrong under restore is found');
SELECT throws_ok($$ UPDATE shop.orders SET status = 'shipped' WHERE order_id = 2 $$, 'OP001', NULL, 'and the guard is back');
SET LOCAL order_payment.restore = on;
UPDATE shop.orders SET status = 'shipped' WHERE order_id = 2;
SET LOCAL order_payment.restore = off;

-- allow_history_change: history may be changed, but not written
SET LOCAL order_payment.allow_history_change = on;
SELECT lives_ok($$ UPDATE shop.order_events SET reason = 'forgotten' WHERE version = 1 $$, 'allow_history_change: UPDATE');
SELECT throws_ok($$ INSERT INTO shop.order_events SELECT * FROM shop.order_events $$, 'OP003', NULL, 'no INSERT');
SELECT throws_ok($$ UPDATE shop.orders SET version = 9 WHERE order_id = 1 $$, 'OP003', NULL, 'no derived columns');
SELECT throws_ok($$ UPDATE shop.orders SET status = 'expired' WHERE order_id = 1 $$, 'OP001', NULL, 'no illegal moves');
SELECT throws_ok($$ UPDATE shop.payments SET captured_amount = 9 $$, 'OP003', NULL, 'nor of payments');
SELECT lives_ok($$ DELETE FROM shop.order_items WHERE order_id = 2; DELETE FROM shop.order_events WHERE order_id = 2; DELETE FROM shop.payment_operations WHERE order_id = 2;
                   DELETE FROM shop.payments WHERE order_id = 2; DELETE FROM shop.orders WHERE order_id = 2 $$, 'retention: an order goes as a whole');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'and verify_store() is content');
SELECT lives_ok('TRUNCATE shop.order_events', 'TRUNCATE');
SET LOCAL order_payment.allow_history_change = off;
SELECT bag_eq($$ SELECT problem, table_name FROM order_payment.verify_store('shop') $$,
              $$ VALUES ('status is not that of the last event', 'orders'), ('status is not that of the last event', 'payments'), ('version is not the number of events', 'orders') $$, 'which verify_store() finds');

SELECT * FROM finish();
ROLLBACK;
DROP ROLE regress_tap_app;
