-- The SQLSTATE of every refusal: programs test it, and no prose. Whatever is refused leaves the store in order.
SET client_min_messages = error;
BEGIN;
SELECT plan(290);

CREATE ROLE regress_tap_app;
SELECT order_payment.create_store('shop', app_role => 'regress_tap_app') \g /dev/null
INSERT INTO shop.orders (order_id, customer_id, request_key, price) VALUES (1, 7, 'a', 10), (2, 7, 'b', 10), (3, 7, 'c', NULL), (4, 7, 'd', 10), (5, 7, 'e', NULL);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 1, 5);
UPDATE shop.orders SET status = 'paid' WHERE order_id = 2;
-- order 4: a payment that is tried, and one that is authorised; order 2: a refund that is asked for, and one that is done
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, request_key, gateway_reference) VALUES (4, '00000000-0000-7000-8000-000000000041', 'cod', 10, 'k', 'r');
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, status, split) VALUES (4, '00000000-0000-7000-8000-000000000042', 'cod', 4, 'authorized', true);
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, status) VALUES (2, '00000000-0000-7000-8000-000000000021', 'cod', 8, 'succeeded');
INSERT INTO shop.refunds (order_id, operation_id, payment_id, amount, request_key) VALUES (2, '00000000-0000-7000-8000-000000000022', '00000000-0000-7000-8000-000000000021', 3, 'k');
INSERT INTO shop.refunds (order_id, operation_id, payment_id, amount, status) VALUES (2, '00000000-0000-7000-8000-000000000023', '00000000-0000-7000-8000-000000000021', 2, 'succeeded');
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
OP003	UPDATE shop.orders SET version = 7, status = 'cancelled' WHERE order_id = 1
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
OP003	UPDATE shop.orders SET authorized_amount = 10 WHERE order_id = 1
OP003	UPDATE shop.orders SET paid_amount = 10 WHERE order_id = 1
OP003	UPDATE shop.orders SET paid_amount = -10 WHERE order_id = 1
OP003	UPDATE shop.orders SET paid_amount = 'NaN' WHERE order_id = 1
OP003	UPDATE shop.orders SET paid_amount = 9, status = 'paid' WHERE order_id = 1
OP003	UPDATE shop.orders SET refunded_amount = 5 WHERE order_id = 2
OP003	UPDATE shop.orders SET charged_back_amount = 5 WHERE order_id = 2
OP003	UPDATE shop.orders SET refund_due_amount = 1 WHERE order_id = 2
OP003	INSERT INTO shop.orders (order_id, price, paid_amount) VALUES (9, 1, 1)
OP003	INSERT INTO shop.orders (order_id, price, authorized_amount) VALUES (9, 1, 1)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, captured_amount) VALUES (1, 'cod', 10, 10)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, authorized_amount) VALUES (1, 'cod', 10, 10)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, refunded_amount) VALUES (1, 'cod', 10, 10)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, created_at) VALUES (1, 'cod', 10, '2020-01-01')
OP003	INSERT INTO shop.payments (order_id, gateway, amount, succeeded_at) VALUES (1, 'cod', 10, '2020-01-01')
OP003	UPDATE shop.payments SET captured_amount = 10 WHERE order_id = 4
OP003	UPDATE shop.payments SET capture_pending_amount = 10 WHERE order_id = 4
OP003	UPDATE shop.payments SET refund_pending_amount = 1 WHERE order_id = 2
OP003	UPDATE shop.payments SET refunded_amount = 1 WHERE order_id = 2
OP003	UPDATE shop.payments SET charged_back_amount = 1 WHERE order_id = 2
OP003	UPDATE shop.payments SET status = 'succeeded', captured_amount = 9 WHERE payment_id = '00000000-0000-7000-8000-000000000041'
OP003	UPDATE shop.payments SET order_id = 1 WHERE order_id = 4
OP003	UPDATE shop.payments SET payment_id = gen_random_uuid() WHERE order_id = 4
OP003	UPDATE shop.payments SET gateway = 'manual' WHERE order_id = 4
OP003	UPDATE shop.payments SET amount = 1 WHERE order_id = 4
OP003	UPDATE shop.payments SET currency = 'EUR' WHERE order_id = 4
OP003	UPDATE shop.payments SET request_key = 'other' WHERE order_id = 4
OP003	UPDATE shop.payments SET request_hash = 'other' WHERE order_id = 4
OP003	UPDATE shop.payments SET retry_of = payment_id WHERE order_id = 4
OP003	UPDATE shop.payments SET failed_at = now() WHERE order_id = 4
OP003	DELETE FROM shop.payments
OP003	DELETE FROM shop.payment_operations
OP003	DELETE FROM shop.refunds
OP003	TRUNCATE shop.payments CASCADE
OP003	TRUNCATE shop.payment_operations
OP003	MERGE INTO shop.payments p USING shop.orders o ON p.order_id = o.order_id WHEN MATCHED THEN DELETE
OP003	UPDATE shop.refunds SET amount = 1
OP003	UPDATE shop.refunds SET payment_id = '00000000-0000-7000-8000-000000000041'
OP003	UPDATE shop.payment_operations SET kind = 'void'
OP003	UPDATE shop.payment_operations SET obligatory_amount = 1 WHERE operation_id = '00000000-0000-7000-8000-000000000022'
OP003	UPDATE shop.payment_operations SET currency = 'EUR'
OP003	UPDATE shop.payment_operations SET request_key = 'other'
OP003	INSERT INTO shop.refunds (order_id, payment_id, amount, obligatory_amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 1, 0.5)
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
OP001	UPDATE shop.payments SET status = 'created' WHERE status = 'authorized'
OP001	UPDATE shop.payments SET status = 'failed' WHERE status = 'succeeded'
OP001	INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'cod', 10, 'failed')
OP001	INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'cod', 10, 'unknown')
OP001	UPDATE shop.refunds SET status = 'requested'
OP001	UPDATE shop.refunds SET status = 'reversed' WHERE status = 'requested'
OP001	INSERT INTO shop.refunds (order_id, payment_id, amount, status) VALUES (2, '00000000-0000-7000-8000-000000000021', 1, 'failed')
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.orders SET status = 'paid' WHERE order_id = 1
OP004	SET LOCAL ROLE regress_tap_app; INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'cod', 10, 'succeeded')
OP004	SET LOCAL ROLE regress_tap_app; INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'cod', 10, 'authorized')
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 4
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.payments SET status = 'failed' WHERE payment_id = '00000000-0000-7000-8000-000000000041'
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.payments SET fee = 1 WHERE order_id = 4
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.payments SET fee_final = true WHERE order_id = 4
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.payments SET authorized_amount = 100 WHERE status = 'authorized'
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.payments SET capture_before = 'infinity' WHERE status = 'authorized'
OP004	SET LOCAL ROLE regress_tap_app; INSERT INTO shop.refunds (order_id, payment_id, amount, status) VALUES (2, '00000000-0000-7000-8000-000000000021', 1, 'succeeded')
OP004	SET LOCAL ROLE regress_tap_app; INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 'chargeback', 1)
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.refunds SET status = 'processing' WHERE status = 'requested'
OP004	SET LOCAL ROLE regress_tap_app; UPDATE shop.refunds SET fee = -1 WHERE status = 'requested'
OP005	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 3.01)
OP005	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (4, '00000000-0000-7000-8000-000000000041', 1)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (4, '00000000-0000-7000-8000-000000000042', 'capture', 4.01)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (4, '00000000-0000-7000-8000-000000000042', 'void', 3)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 'capture', 1)
OP006	UPDATE shop.orders SET status = 'authorized' WHERE order_id = 1
OP006	UPDATE shop.orders SET status = 'authorized' WHERE order_id = 4
OP006	UPDATE shop.orders SET status = 'refunded' WHERE order_id = 2
OP006	UPDATE shop.orders SET status = 'paid' WHERE order_id = 5
OP006	UPDATE shop.orders SET price = 11 WHERE order_id = 2
OP006	UPDATE shop.orders SET price = 11 WHERE order_id = 4
OP006	UPDATE shop.orders SET price = NULL WHERE order_id = 2
OP006	UPDATE shop.orders SET quantity = 2 WHERE order_id = 4
OP006	UPDATE shop.orders SET price = NULL, status = 'authorized' WHERE order_id = 1
OP006	UPDATE shop.orders SET currency = 'EUR' WHERE order_id = 4
OP006	UPDATE shop.orders SET currency = 'EUR' WHERE order_id = 2
OP006	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (4, 1, 1)
OP006	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (2, 1, 1)
OP006	WITH l AS (INSERT INTO shop.order_items (order_id, line_no, kind, price) VALUES (3, 2, 'discount', 9)) UPDATE shop.orders SET status = 'authorized' WHERE order_id = 3
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
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'cod', 0)
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'cod', -1)
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'cod', 'NaN')
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'cod', 'Infinity')
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'cod', 0.001)
23514	INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (1, 'cod', 1, 'EUR')
23514	INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (1, 'cod', 1, 'XXX')
23514	INSERT INTO shop.payments (order_id, gateway, amount, fee) VALUES (1, 'cod', 1, 0.001)
23514	INSERT INTO shop.payments (order_id, gateway, amount, fee) VALUES (1, 'cod', 1, 'NaN')
23514	INSERT INTO shop.payments (order_id, gateway, amount, attempt_no) VALUES (1, 'cod', 1, 0)
23514	INSERT INTO shop.payments (order_id, gateway, amount, status, authorized_amount) VALUES (1, 'cod', 1, 'authorized', 'NaN')
23514	UPDATE shop.payments SET authorized_amount = -1 WHERE status = 'authorized'
23514	UPDATE shop.payments SET failure_class = 'bad luck' WHERE order_id = 4
23514	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 0)
23514	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', -1)
23514	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 0.001)
23514	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 'NaN')
23514	INSERT INTO shop.refunds (order_id, payment_id, amount, currency) VALUES (2, '00000000-0000-7000-8000-000000000021', 1, 'EUR')
23514	INSERT INTO shop.refunds (order_id, payment_id, amount, status) VALUES (2, '00000000-0000-7000-8000-000000000021', 9, 'succeeded')
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 'gift', 1)
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES (4, '00000000-0000-7000-8000-000000000042', 'capture', 4.01, 'succeeded')
44000	INSERT INTO shop.refunds (order_id, payment_id, amount, kind) VALUES (4, '00000000-0000-7000-8000-000000000042', 1, 'capture')
23514	INSERT INTO shop.order_items (order_id, line_no, kind, price) VALUES (3, 2, 'gift', 1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, -1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, 'NaN')
23514	INSERT INTO shop.order_items (order_id, line_no, quantity, price) VALUES (3, 2, 0, 1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, 0.001)
23502	UPDATE shop.orders SET status = NULL WHERE order_id = 1
23502	UPDATE shop.orders SET currency = NULL WHERE order_id = 1
23502	INSERT INTO shop.orders (order_id, price, status) VALUES (9, 1, NULL)
23502	INSERT INTO shop.order_items (order_id, line_no) VALUES (3, 2)
23503	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (99, 1, 1)
23502	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'cod', NULL)
23502	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, NULL, 1)
23502	INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (NULL, 'cod', 1, 'USD')
23502	INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'cod', 1, NULL)
23502	INSERT INTO shop.refunds (order_id, payment_id) VALUES (2, '00000000-0000-7000-8000-000000000021')
23503	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (99, 'cod', 1)
23503	INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (99, 'cod', 1, 'USD')
23503	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'nobody', 1)
23503	INSERT INTO shop.payments (order_id, gateway, amount, retry_of) VALUES (1, 'cod', 1, '00000000-0000-7000-8000-000000000041')
23503	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, '00000000-0000-7000-8000-000000000041', 1)
23503	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (99, '00000000-0000-7000-8000-000000000041', 1)
23503	DELETE FROM shop.gateways WHERE gateway = 'cod'
23505	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (4, 'cod', 1)
23505	INSERT INTO shop.payments (order_id, gateway, amount, request_key, split) VALUES (4, 'cod', 1, 'k', true)
23505	INSERT INTO shop.payments (order_id, gateway, amount, gateway_reference) VALUES (1, 'cod', 1, 'r')
23505	INSERT INTO shop.payments (order_id, payment_id, gateway, amount) VALUES (1, '00000000-0000-7000-8000-000000000041', 'cod', 1)
23505	INSERT INTO shop.refunds (order_id, payment_id, amount, request_key) VALUES (2, '00000000-0000-7000-8000-000000000021', 1, 'k')
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
42704	SELECT order_payment.create_store('shop2', gateway_role => 'nobody at all')
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
39P01	SELECT order_payment.maintain_payment()
39P01	SELECT order_payment.apply_payment()
39P01	SELECT order_payment.maintain_operation()
39P01	SELECT order_payment.apply_operation()
39P01	SELECT order_payment.refuse_delete()
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
SELECT is((SELECT array_agg(status::text ORDER BY order_id) FROM shop.orders), '{pending,paid,pending,pending,pending}', 'and as it was');
SELECT is((SELECT array_agg(status::text ORDER BY payment_id) FROM shop.payments WHERE payment_id < '00000000-0000-7000-8000-000000000099'), '{succeeded,created,authorized}', 'with its payments');
SELECT is(current_user, session_user, 'and the role');

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
SELECT is(pg_temp.diagnose($$ UPDATE shop.payments SET captured_amount = 9 WHERE order_id = 4 $$), '{shop,payments,captured_amount,false,true}', 'OP003 of a payment');
SELECT is(pg_temp.diagnose($$ SET LOCAL ROLE regress_tap_app; UPDATE shop.payments SET status = 'failed' WHERE order_id = 4 $$), '{shop,payments,"",true,true}', 'OP004 names the table, with detail and hint');
SELECT is(pg_temp.diagnose($$ SET LOCAL ROLE regress_tap_app; UPDATE shop.orders SET status = 'paid' WHERE order_id = 1 $$), '{shop,orders,"",true,true}', 'of an order as well');
SELECT is(pg_temp.diagnose($$ INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (2, '00000000-0000-7000-8000-000000000021', 4) $$), '{shop,payments,"",true,true}', 'OP005 names the table of the payment');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET status = 'authorized' WHERE order_id = 1 $$), '{shop,orders,status,true,true}', 'OP006 names the column');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET price = 7 WHERE order_id = 4 $$), '{shop,orders,total_amount,true,true}', 'whatever it is');
SELECT is(pg_temp.diagnose($$ INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'cod', 0.001) $$), '{shop,payments,amount,true,true}', '23514 of an amount names its column');
SELECT is(pg_temp.diagnose($$ INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (1, 'cod', 1, 'EUR') $$), '{shop,orders,currency,true,true}', 'and of a currency');

SELECT * FROM finish();
ROLLBACK;
