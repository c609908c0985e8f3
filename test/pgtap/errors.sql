-- The SQLSTATE of every refusal: programs test it, and no prose. Whatever is refused leaves the store in order.
SET client_min_messages = error;
BEGIN;
SELECT plan(535);

SELECT order_payment.create_store('shop') \g /dev/null
INSERT INTO shop.orders (order_id, customer_id, request_key, price) VALUES (1, 7, 'a', 10), (2, 7, 'b', 10), (3, 7, 'c', NULL);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 1, 5);
UPDATE shop.orders SET status = 'paid' WHERE order_id = 2;
INSERT INTO shop.gateways (gateway, active) VALUES ('stripe', true), ('off', false);
-- 10 has a live payment, 11 a captured one, 12 one authorised, 13 one declined for good, 14 is cancelled, the total of 15 unknown;
-- 16 was tried twice, 17 has a line and a payment
INSERT INTO shop.orders (order_id, price) VALUES (10, 100), (11, 100), (12, 100), (13, 100), (14, 100), (15, NULL), (16, 100), (17, NULL);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (17, 1, 5);
UPDATE shop.orders SET status = 'cancelled' WHERE order_id = 14;
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, status, request_key, request_hash, gateway_reference) VALUES
	(10, '10000000-0000-7000-8000-000000000000', 'stripe', 100, 'processing', 'k', 'h', NULL),
	(11, '11000000-0000-7000-8000-000000000000', 'stripe', 100, 'succeeded', NULL, NULL, 'ch_1'),
	(12, '12000000-0000-7000-8000-000000000000', 'stripe', 100, 'authorized', NULL, NULL, NULL),
	(13, '13000000-0000-7000-8000-000000000000', 'stripe', 100, 'created', NULL, NULL, NULL),
	(16, '16000000-0000-7000-8000-000000000000', 'stripe', 100, 'created', NULL, NULL, NULL);
UPDATE shop.payments SET status = 'failed', failure_class = 'hard_decline' WHERE order_id = 13;
UPDATE shop.payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = 16;
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, retry_of, attempt_no) VALUES
	(16, '16000000-0000-7000-8000-000000000001', 'stripe', 100, '16000000-0000-7000-8000-000000000000', 2);
INSERT INTO shop.payment_operations (order_id, operation_id, payment_id, kind, amount, request_key, gateway_reference, status) VALUES
	(11, '11000000-0000-7000-8000-000000000001', '11000000-0000-7000-8000-000000000000', 'refund', 30, 'k', 're_1', 'requested'),
	(11, '11000000-0000-7000-8000-000000000002', '11000000-0000-7000-8000-000000000000', 'refund', 10, NULL, 're_2', 'succeeded'),
	(12, '12000000-0000-7000-8000-000000000001', '12000000-0000-7000-8000-000000000000', 'capture', 60, NULL, NULL, 'requested');
SELECT count(*) FROM order_payment.refund_order(11, 5, request_key => 'five', store => 'shop') \g /dev/null
SELECT payment_id FROM order_payment.create_payment(17, 'stripe', request_key => 'first', store => 'shop') \g /dev/null
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
OP006	UPDATE shop.orders SET version = 7, status = 'authorized' WHERE order_id = 1
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
OP003	UPDATE shop.orders SET authorized_amount = 1 WHERE order_id = 1
OP003	INSERT INTO shop.orders (order_id, price, authorized_amount) VALUES (9, 1, 1)
OP003	UPDATE shop.orders SET paid_amount = 1 WHERE order_id = 1
OP003	INSERT INTO shop.orders (order_id, price, paid_amount) VALUES (9, 1, 1)
OP003	UPDATE shop.orders SET refunded_amount = 1 WHERE order_id = 1
OP003	INSERT INTO shop.orders (order_id, price, refunded_amount) VALUES (9, 1, 1)
OP003	UPDATE shop.orders SET charged_back_amount = 1 WHERE order_id = 1
OP003	INSERT INTO shop.orders (order_id, price, charged_back_amount) VALUES (9, 1, 1)
OP003	UPDATE shop.orders SET refund_due_amount = 1 WHERE order_id = 1
OP003	INSERT INTO shop.orders (order_id, price, refund_due_amount) VALUES (9, 1, 1)
OP003	UPDATE shop.orders SET authorized_at = '2020-01-01' WHERE order_id = 1
OP003	UPDATE shop.orders SET shipped_at = '2020-01-01' WHERE order_id = 1
OP003	UPDATE shop.orders SET completed_at = '2020-01-01' WHERE order_id = 1
OP003	UPDATE shop.orders SET cancelled_at = '2020-01-01' WHERE order_id = 1
OP003	UPDATE shop.orders SET expired_at = '2020-01-01' WHERE order_id = 1
OP003	UPDATE shop.payments SET order_id = 11 WHERE order_id = 10
OP003	UPDATE shop.payments SET payment_id = gen_random_uuid() WHERE order_id = 10
OP003	UPDATE shop.payments SET gateway = 'manual' WHERE order_id = 10
OP003	UPDATE shop.payments SET amount = 99 WHERE order_id = 10
OP003	UPDATE shop.payments SET currency = 'EUR' WHERE order_id = 10
OP003	UPDATE shop.payments SET request_key = 'x' WHERE order_id = 10
OP003	UPDATE shop.payments SET request_hash = 'x' WHERE order_id = 10
OP003	UPDATE shop.payments SET retry_of = '11000000-0000-7000-8000-000000000000' WHERE order_id = 10
OP003	UPDATE shop.payments SET capture_pending_amount = 1 WHERE order_id = 10
OP003	UPDATE shop.payments SET captured_amount = 1 WHERE order_id = 10
OP003	UPDATE shop.payments SET refund_pending_amount = 1 WHERE order_id = 10
OP003	UPDATE shop.payments SET refunded_amount = 1 WHERE order_id = 10
OP003	UPDATE shop.payments SET charged_back_amount = 1 WHERE order_id = 10
OP003	UPDATE shop.payments SET created_at = '2020-01-01' WHERE order_id = 10
OP003	UPDATE shop.payments SET processing_at = '2020-01-01' WHERE order_id = 10
OP003	UPDATE shop.payments SET requires_action_at = '2020-01-01' WHERE order_id = 10
OP003	UPDATE shop.payments SET unknown_at = '2020-01-01' WHERE order_id = 10
OP003	UPDATE shop.payments SET authorized_at = '2020-01-01' WHERE order_id = 10
OP003	UPDATE shop.payments SET succeeded_at = '2020-01-01' WHERE order_id = 10
OP003	UPDATE shop.payments SET failed_at = '2020-01-01' WHERE order_id = 10
OP003	UPDATE shop.payments SET revoked_at = '2020-01-01' WHERE order_id = 10
OP003	INSERT INTO shop.payments (order_id, gateway, amount, capture_pending_amount) VALUES (1, 'stripe', 1, 1)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, captured_amount) VALUES (1, 'stripe', 1, 1)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, refund_pending_amount) VALUES (1, 'stripe', 1, 1)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, refunded_amount) VALUES (1, 'stripe', 1, 1)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, charged_back_amount) VALUES (1, 'stripe', 1, 1)
OP003	INSERT INTO shop.payments (order_id, gateway, amount, created_at) VALUES (1, 'stripe', 1, '2020-01-01')
OP003	INSERT INTO shop.payments (order_id, gateway, amount, succeeded_at) VALUES (1, 'stripe', 1, '2020-01-01')
OP003	INSERT INTO shop.payments (order_id, gateway, amount, failed_at) VALUES (1, 'stripe', 1, '2020-01-01')
OP003	UPDATE shop.payment_operations SET order_id = 12 WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET operation_id = gen_random_uuid() WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET payment_id = '12000000-0000-7000-8000-000000000000' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET kind = 'chargeback' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET amount = 1 WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET currency = 'EUR' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET request_key = 'x' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET request_hash = 'x' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET obligatory_amount = 1 WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET created_at = '2020-01-01' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET requested_at = '2020-01-01' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET processing_at = '2020-01-01' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET unknown_at = '2020-01-01' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET succeeded_at = '2020-01-01' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET failed_at = '2020-01-01' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET cancelled_at = '2020-01-01' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	UPDATE shop.payment_operations SET reversed_at = '2020-01-01' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, obligatory_amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 1)
OP003	UPDATE shop.refunds SET amount = 1 WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	DELETE FROM shop.payments WHERE order_id = 13
OP003	DELETE FROM shop.payment_operations WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP003	DELETE FROM shop.refunds
OP003	TRUNCATE shop.payments CASCADE
OP003	TRUNCATE shop.payment_operations
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
OP001	UPDATE shop.payments SET status = 'created' WHERE order_id = 10
OP001	UPDATE shop.payments SET status = 'failed' WHERE order_id = 11
OP001	UPDATE shop.payments SET status = 'processing' WHERE order_id = 12
OP001	UPDATE shop.payments SET status = 'revoked' WHERE order_id = 13
OP001	INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'stripe', 1, 'failed')
OP001	INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'stripe', 1, 'unknown')
OP001	INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'stripe', 1, 'revoked')
OP001	UPDATE shop.payment_operations SET status = 'reversed' WHERE operation_id = '11000000-0000-7000-8000-000000000001'
OP001	UPDATE shop.refunds SET status = 'requested' WHERE operation_id = '11000000-0000-7000-8000-000000000002'
OP001	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 'failed')
OP001	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 'reversed')
OP002	SELECT order_payment.create_payment(17, 'manual', request_key => 'first', store => 'shop')
OP002	SELECT order_payment.create_payment('17', 'stripe', 4, request_key => 'first', store => 'shop')
OP002	SELECT order_payment.create_payment(10, 'stripe', request_key => 'k', store => 'shop')
OP002	SELECT order_payment.retry_payment('10000000-0000-7000-8000-000000000000', 'k', 'shop')
OP002	SELECT * FROM order_payment.refund_order(11, 6, request_key => 'five', store => 'shop')
OP002	SELECT * FROM order_payment.refund_order('11', 5, 'a reason', 'five', 'shop')
OP005	SELECT order_payment.create_payment(1, 'stripe', 10.01, store => 'shop')
OP005	SELECT * FROM order_payment.refund_order(11, 55.01, store => 'shop')
OP005	SELECT * FROM order_payment.refund_order(1, store => 'shop')
OP005	SELECT * FROM order_payment.refund_order(13, 1, store => 'shop')
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 55.01)
OP005	INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 56)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (13, '13000000-0000-7000-8000-000000000000', 'refund', 1)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (12, '12000000-0000-7000-8000-000000000000', 'capture', 40.01)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'capture', 1)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (10, '10000000-0000-7000-8000-000000000000', 'capture', 1)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (12, '12000000-0000-7000-8000-000000000000', 'void', 39)
OP005	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (12, '12000000-0000-7000-8000-000000000000', 'void', NULL); INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (12, '12000000-0000-7000-8000-000000000000', 'void', NULL)
OP006	UPDATE shop.orders SET status = 'authorized' WHERE order_id = 1
OP006	UPDATE shop.orders SET status = 'paid' WHERE order_id = 15
OP006	UPDATE shop.orders SET status = 'refunded' WHERE order_id = 11
OP006	UPDATE shop.orders SET status = 'refunded' WHERE order_id = 2
OP006	UPDATE shop.orders SET price = 9 WHERE order_id = 2
OP006	UPDATE shop.orders SET quantity = 2 WHERE order_id = 10
OP006	UPDATE shop.orders SET currency = 'EUR' WHERE order_id = 12
OP006	UPDATE shop.orders SET currency = 'EUR' WHERE order_id = 13
OP006	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (2, 1, 1)
OP006	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (10, 1, 1)
OP006	UPDATE shop.order_items SET price = 6 WHERE order_id = 17
OP006	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (17, 2, 0.001)
OP006	DELETE FROM shop.order_items WHERE order_id = 17
OP006	SELECT order_payment.create_payment(2, 'stripe', store => 'shop')
OP006	SELECT order_payment.create_payment(12, 'stripe', 1, store => 'shop')
OP006	SELECT order_payment.create_payment(10, 'stripe', store => 'shop')
OP006	SELECT order_payment.create_payment(14, 'stripe', store => 'shop')
OP006	SELECT order_payment.create_payment(14, 'stripe', 1, store => 'shop')
OP006	SELECT order_payment.create_payment(15, 'stripe', store => 'shop')
OP006	SELECT order_payment.retry_payment('10000000-0000-7000-8000-000000000000', store => 'shop')
OP006	SELECT order_payment.retry_payment('11000000-0000-7000-8000-000000000000', store => 'shop')
OP006	SELECT order_payment.retry_payment('13000000-0000-7000-8000-000000000000', store => 'shop')
OP006	SELECT order_payment.retry_payment('16000000-0000-7000-8000-000000000000', store => 'shop')
P0002	SELECT order_payment.create_payment(99, 'stripe', store => 'shop')
P0002	SELECT order_payment.retry_payment('99000000-0000-7000-8000-000000000000', store => 'shop')
P0002	SELECT * FROM order_payment.refund_order(99, store => 'shop')
P0002	SELECT order_payment.choose_gateway(99, store => 'shop')
P0002	SELECT order_payment.choose_gateway(NULL::text, store => 'shop')
P0002	SELECT order_payment.post_settlement('stripe', 'none', 'shop')
22004	SELECT order_payment.build_request('send_payment', NULL, store => 'shop')
22004	SELECT order_payment.build_request('send_operation', '11000000-0000-7000-8000-000000000000', store => 'shop')
22004	SELECT order_payment.build_request('send_payment', '10000000-0000-7000-8000-000000000000', store => NULL)
42809	SELECT order_payment.build_request('send_payment', '10000000-0000-7000-8000-000000000000', store => 'public')
P0002	SELECT order_payment.build_request('send_payment', '99000000-0000-7000-8000-000000000000', store => 'shop')
P0002	SELECT order_payment.build_request('send_operation', '11000000-0000-7000-8000-000000000000', '12000000-0000-7000-8000-000000000001', 'shop')
22023	SELECT order_payment.build_request('send_payment', '10000000-0000-7000-8000-000000000000', store => 'shop')
22023	SELECT order_payment.build_request('retry_payment', '10000000-0000-7000-8000-000000000000', store => 'shop')
22023	SELECT order_payment.build_request(NULL, '10000000-0000-7000-8000-000000000000', store => 'shop')
0A000	SELECT order_payment.work_action('send_operation', 'chargeback')
23503	SELECT order_payment.sign_request('none', NULL, 'shop')
22023	SELECT order_payment.sign_request('stripe', NULL, 'shop')
22004	SELECT order_payment.sign_request('stripe', NULL, NULL)
42809	SELECT order_payment.sign_request('stripe', NULL, 'public')
22023	SELECT order_payment.path_segment('..')
22023	SELECT order_payment.form_encoded('{"a": [{"b[": 1}]}')
22P02	SELECT 'Paid'::order_payment.order_status
22P02	SELECT ''::order_payment.order_status
22P02	SELECT ' paid'::order_payment.order_status
22P02	SELECT 'paid '::text::order_payment.order_status
22P02	SELECT 'paid'::order_payment.payment_status
22P02	SELECT 'pending'::order_payment.operation_status
22P02	UPDATE shop.orders SET status = 'payed' WHERE order_id = 1
22P02	INSERT INTO shop.orders (order_id, price, status) SELECT 9, 1, 'nothing'::text
22P02	SELECT * FROM order_payment.order_timeline('one', 'shop')
22P02	SELECT 'fail'::order_payment.operation_status
22P02	UPDATE shop.payments SET status = 'paid' WHERE order_id = 10
22P02	UPDATE shop.payment_operations SET status = 'revoked' WHERE order_id = 11
22P02	SELECT order_payment.create_payment('one', 'stripe', store => 'shop')
22P02	SELECT * FROM order_payment.refund_order('one', store => 'shop')
22P02	SELECT order_payment.choose_gateway('one', store => 'shop')
22P02	SELECT order_payment.retry_payment('one', store => 'shop')
22007	SELECT order_payment.choose_gateway(1, period => 'a while', store => 'shop')
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
OP006	UPDATE shop.orders SET price = NULL WHERE order_id = 2
OP006	UPDATE shop.orders SET price = NULL, status = 'authorized' WHERE order_id = 1
OP006	UPDATE shop.orders SET price = NULL, status = 'paid' WHERE order_id = 1
23514	INSERT INTO shop.order_items (order_id, line_no, kind, price) VALUES (3, 2, 'gift', 1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, -1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, 'NaN')
23514	INSERT INTO shop.order_items (order_id, line_no, quantity, price) VALUES (3, 2, 0, 1)
23514	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 2, 0.001)
OP006	WITH l AS (INSERT INTO shop.order_items (order_id, line_no, kind, price) VALUES (3, 2, 'discount', 9)) UPDATE shop.orders SET status = 'authorized' WHERE order_id = 3
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', 0)
23514	SELECT order_payment.create_payment(1, 'stripe', 0, store => 'shop')
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 0)
23514	SELECT * FROM order_payment.refund_order(11, 0, store => 'shop')
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', -1)
23514	SELECT order_payment.create_payment(1, 'stripe', -1, store => 'shop')
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', -1)
23514	SELECT * FROM order_payment.refund_order(11, -1, store => 'shop')
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', 'NaN')
23514	SELECT order_payment.create_payment(1, 'stripe', 'NaN', store => 'shop')
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 'NaN')
23514	SELECT * FROM order_payment.refund_order(11, 'NaN', store => 'shop')
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', 'Infinity')
23514	SELECT order_payment.create_payment(1, 'stripe', 'Infinity', store => 'shop')
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 'Infinity')
23514	SELECT * FROM order_payment.refund_order(11, 'Infinity', store => 'shop')
23514	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', 1.001)
23514	SELECT order_payment.create_payment(1, 'stripe', 1.001, store => 'shop')
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1.001)
23514	SELECT * FROM order_payment.refund_order(11, 1.001, store => 'shop')
23514	INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (1, 'stripe', 1, 'EUR')
23514	INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (1, 'stripe', 1, 'usd')
23514	INSERT INTO shop.payments (order_id, gateway, amount, fee) VALUES (1, 'stripe', 1, 0.001)
23514	INSERT INTO shop.payments (order_id, gateway, amount, fee) VALUES (1, 'stripe', 1, 'NaN')
23514	INSERT INTO shop.payments (order_id, gateway, amount, failure_class) VALUES (1, 'stripe', 1, 'decline')
23514	SELECT order_payment.create_payment(1, 'stripe', currency => 'EUR', store => 'shop')
23514	UPDATE shop.payments SET authorized_amount = -1 WHERE order_id = 12
23514	UPDATE shop.payments SET authorized_amount = 'NaN' WHERE order_id = 12
23514	UPDATE shop.payments SET failure_class = '' WHERE order_id = 13
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'gift', 1)
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, currency) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 'EUR')
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, fee) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 0.001)
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, attempt_no) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 0)
23514	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, failure_class) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 'decline')
23514	INSERT INTO shop.refunds (order_id, payment_id, amount, currency) VALUES (11, '11000000-0000-7000-8000-000000000000', 1, 'EUR')
44000	INSERT INTO shop.refunds (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'chargeback', 1)
23514	INSERT INTO shop.gateways (gateway) VALUES ('')
23514	INSERT INTO shop.gateways (gateway, minor_unit_exponents) VALUES ('g', '[]')
23514	INSERT INTO shop.gateways (gateway, retry_schedule) VALUES ('g', '[]')
23514	INSERT INTO shop.gateways (gateway, retry_schedule) VALUES ('g', '{"decline": []}')
23514	INSERT INTO shop.gateways (gateway, retry_schedule) VALUES ('g', '{"other": "1 day"}')
23514	INSERT INTO shop.gateways (gateway, retry_schedule) VALUES ('g', '{"other": [1]}')
23514	INSERT INTO shop.gateways (gateway, retry_schedule) VALUES ('g', '{"other": ["soon"]}')
23514	INSERT INTO shop.gateways (gateway, retry_schedule) VALUES ('g', '{"other": ["-1 day"]}')
23514	INSERT INTO shop.gateway_fees (gateway, currency) VALUES ('stripe', 'XAU')
23514	INSERT INTO shop.gateway_fees (gateway, currency, rate) VALUES ('stripe', 'USD', 1)
23514	INSERT INTO shop.gateway_fees (gateway, currency, rate) VALUES ('stripe', 'USD', -0.1)
23514	INSERT INTO shop.gateway_fees (gateway, currency, rate) VALUES ('stripe', 'USD', 'NaN')
23514	INSERT INTO shop.gateway_fees (gateway, currency, fixed) VALUES ('stripe', 'USD', -1)
23514	INSERT INTO shop.gateway_fees (gateway, currency, fixed) VALUES ('stripe', 'USD', 'Infinity')
23514	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('stripe', 's', 0, 'payment', 1, 'USD', 'today')
23514	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('stripe', 's', 1, 'gift', 1, 'USD', 'today')
23514	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('stripe', 's', 1, 'payment', 0, 'USD', 'today')
23514	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('stripe', 's', 1, 'refund', -1, 'USD', 'today')
23514	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('stripe', 's', 1, 'payment', 0.001, 'USD', 'today')
23514	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('stripe', 's', 1, 'fee', 1, 'usd', 'today')
23514	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on, fee) VALUES ('stripe', 's', 1, 'payment', 1, 'USD', 'today', 'NaN')
23502	UPDATE shop.orders SET status = NULL WHERE order_id = 1
23502	UPDATE shop.orders SET currency = NULL WHERE order_id = 1
23502	INSERT INTO shop.orders (order_id, price, status) VALUES (9, 1, NULL)
23502	INSERT INTO shop.order_items (order_id, line_no) VALUES (3, 2)
23503	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (99, 1, 1)
23503	DELETE FROM shop.orders WHERE order_id = 1
23505	INSERT INTO shop.orders (order_id, price) VALUES (1, 1)
23505	INSERT INTO shop.orders (customer_id, request_key, order_id, price) VALUES (7, 'a', 9, 1)
23505	INSERT INTO shop.order_items (order_id, line_no, price) VALUES (3, 1, 1)
23502	UPDATE shop.payments SET status = NULL WHERE order_id = 10
23502	UPDATE shop.payments SET fee = NULL WHERE order_id = 10
23502	UPDATE shop.payments SET split = NULL WHERE order_id = 10
23502	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', NULL)
23502	INSERT INTO shop.payments (order_id, amount) VALUES (1, 1)
23502	INSERT INTO shop.payments (gateway, amount, currency) VALUES ('stripe', 1, 'USD')
23503	INSERT INTO shop.payments (gateway, amount) VALUES ('stripe', 1)
23502	INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1, 'stripe', 1, NULL)
23502	UPDATE shop.payment_operations SET status = NULL WHERE order_id = 11
23502	UPDATE shop.payment_operations SET fee = NULL WHERE order_id = 11
23502	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', NULL)
23502	INSERT INTO shop.payment_operations (order_id, payment_id, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 1)
23503	INSERT INTO shop.payment_operations (order_id, kind, amount) VALUES (11, 'refund', 1)
23503	INSERT INTO shop.payment_operations (order_id, kind, amount, currency) VALUES (11, 'refund', 1, 'USD')
23502	INSERT INTO shop.gateway_fees (gateway) VALUES ('stripe')
23502	UPDATE shop.gateways SET active = NULL
23502	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency) VALUES ('stripe', 's', 1, 'fee', 1, 'USD')
23503	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (99, 'stripe', 1)
23503	INSERT INTO shop.payments (order_id, gateway, amount, currency) VALUES (99, 'stripe', 1, 'USD')
23503	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'nobody', 1)
23503	INSERT INTO shop.payments (order_id, gateway, amount, retry_of) VALUES (1, 'stripe', 1, '13000000-0000-7000-8000-000000000000')
23503	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '99000000-0000-7000-8000-000000000000', 'refund', 1)
23503	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (11, '12000000-0000-7000-8000-000000000000', 'refund', 1)
23503	SELECT order_payment.create_payment(1, 'nobody', store => 'shop')
23503	INSERT INTO shop.gateway_fees (gateway, currency) VALUES ('nobody', 'USD')
23503	DELETE FROM shop.gateways WHERE gateway = 'stripe'
23503	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('nobody', 's', 1, 'payment', 1, 'USD', 'today')
23503	DELETE FROM shop.orders WHERE order_id = 11
23505	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (10, 'stripe', 1)
23505	INSERT INTO shop.payments (order_id, gateway, amount, split, request_key) VALUES (10, 'stripe', 1, true, 'k')
23505	INSERT INTO shop.payments (order_id, payment_id, gateway, amount) VALUES (1, '10000000-0000-7000-8000-000000000000', 'stripe', 1)
23505	INSERT INTO shop.payments (order_id, gateway, amount, gateway_reference) VALUES (1, 'stripe', 1, 'ch_1')
23505	INSERT INTO shop.payment_operations (order_id, operation_id, payment_id, kind, amount) VALUES (11, '11000000-0000-7000-8000-000000000001', '11000000-0000-7000-8000-000000000000', 'refund', 1)
23505	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, request_key) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 'k')
23505	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, gateway_reference) VALUES (11, '11000000-0000-7000-8000-000000000000', 'refund', 1, 're_1')
23505	INSERT INTO shop.gateways (gateway) VALUES ('manual')
428C9	INSERT INTO shop.payments (order_id, gateway, amount, net_amount) VALUES (1, 'stripe', 1, 1)
428C9	UPDATE shop.payments SET expected_net = 1 WHERE order_id = 10
428C9	INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on, number) VALUES ('stripe', 's', 1, 'payment', 1, 'USD', 'today', gen_random_uuid())
55000	UPDATE shop.order_overview SET version = 7
55000	DELETE FROM shop.open_work
55000	INSERT INTO shop.settlement_facts (gateway) VALUES ('stripe')
428C9	INSERT INTO shop.order_items (order_id, line_no, price, amount) VALUES (3, 2, 1, 1)
42P07	SELECT order_payment.create_store('shop')
42P07	CREATE SCHEMA half; CREATE TABLE half.order_events (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.orders AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE TABLE half.order_items (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE TABLE half.event_consumers (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE TABLE half.consumer_offsets (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE TABLE half.gateways (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE TABLE half.gateway_fees (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE TABLE half.payments (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE TABLE half.payment_operations (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE TABLE half.settlement_lines (); SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.refunds AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.order_overview AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.payment_overview AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.open_work AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.needs_attention AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.daily_settlement AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.gateway_success AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.settlement_facts AS SELECT 1; SELECT order_payment.create_store('half')
42P07	CREATE SCHEMA half; CREATE VIEW half.settlement_matches AS SELECT 1; SELECT order_payment.create_store('half')
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
22004	SELECT order_payment.create_payment(NULL::bigint, 'stripe', store => 'shop')
22004	SELECT order_payment.create_payment(1, NULL, store => 'shop')
22004	SELECT order_payment.create_payment(1, 'stripe', split => NULL, store => 'shop')
22004	SELECT order_payment.retry_payment(NULL, store => 'shop')
22004	SELECT * FROM order_payment.refund_order(NULL::bigint, store => 'shop')
22004	SELECT order_payment.choose_gateway(1, period => NULL, store => 'shop')
22023	SELECT order_payment.create_payment(1, 'off', store => 'shop')
22023	SELECT order_payment.create_payment(1, 'stripe', request_key => '', store => 'shop')
22023	SELECT order_payment.create_payment(1, 'stripe', request_key => repeat('k', 256), store => 'shop')
22023	SELECT order_payment.retry_payment('16000000-0000-7000-8000-000000000001', '', 'shop')
22023	SELECT * FROM order_payment.refund_order(11, request_key => '', store => 'shop')
22023	SELECT * FROM order_payment.refund_order(11, request_key => 'k#2', store => 'shop')
22023	SELECT * FROM order_payment.request_due_refunds(0, 'shop')
22023	SELECT * FROM order_payment.request_due_refunds(NULL, 'shop')
22023	SELECT * FROM order_payment.due_retries(0, 'shop')
22023	SELECT order_payment.expire_orders(-1, 'shop')
42809	SELECT order_payment.create_payment(1, 'stripe', store => 'nowhere')
42809	SELECT order_payment.create_payment('1', 'stripe', store => 'nowhere')
42809	SELECT order_payment.retry_payment('10000000-0000-7000-8000-000000000000', store => 'nowhere')
42809	SELECT * FROM order_payment.refund_order(1, store => 'nowhere')
42809	SELECT * FROM order_payment.refund_order('1', store => 'nowhere')
42809	SELECT * FROM order_payment.request_due_refunds(store => 'nowhere')
42809	SELECT * FROM order_payment.due_retries(store => 'nowhere')
42809	SELECT order_payment.expire_orders(store => 'nowhere')
42809	SELECT order_payment.choose_gateway(1, store => 'nowhere')
42809	SELECT order_payment.choose_gateway('1', store => 'nowhere')
42809	SELECT order_payment.post_settlement('stripe', 's', store => 'nowhere')
42809	SELECT order_payment.upgrade_store(store => 'nowhere')
42P01	SELECT order_payment.create_payment(1, 'stripe')
42P01	SELECT order_payment.create_payment('1', 'stripe')
42P01	SELECT order_payment.retry_payment('10000000-0000-7000-8000-000000000000')
42P01	SELECT * FROM order_payment.refund_order(1)
42P01	SELECT * FROM order_payment.refund_order('1')
42P01	SELECT * FROM order_payment.request_due_refunds()
42P01	SELECT * FROM order_payment.due_retries()
42P01	SELECT order_payment.expire_orders()
42P01	SELECT order_payment.choose_gateway(1)
42P01	SELECT order_payment.choose_gateway('1')
42P01	SELECT order_payment.post_settlement('stripe', 's')
42P01	SELECT order_payment.upgrade_store()
22023	SELECT * FROM order_payment.read_events('c', 0, 'shop')
22023	SELECT * FROM order_payment.read_events('c', -1, 'shop')
42809	SELECT * FROM order_payment.read_events('c', 1, 'nowhere')
42809	SELECT order_payment.ack_events('c', ARRAY[]::uuid[], 'nowhere')
OP017	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "payment", "number": "10000000000070008000000000000000", "status": "succeeded", "amount": 1, "currency": "USD"}'), 'shop')
OP017	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "payment", "number": "10000000000070008000000000000000", "status": "succeeded", "amount": 10, "currency": "EUR"}'), 'shop')
OP017	SELECT order_payment.apply_fact('off', order_payment.make_fact('{"entity": "payment", "number": "10000000000070008000000000000000", "status": "succeeded"}'), 'shop')
OP017	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "payment", "number": "10000000000070008000000000000000", "status": "succeeded", "captured": -1}'), 'shop')
OP018	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "payment", "number": "99000000000070008000000000000000", "status": "succeeded"}'), 'shop')
OP018	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "payment", "status": "succeeded"}'), 'shop')
OP019	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "payment", "reference": "pi_1", "status": "succeeded"}'), 'shop')
OP019	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "refund", "payment_number": "10000000000070008000000000000000", "reference": "re_1", "status": "succeeded", "amount": 1}'), 'shop')
OP019	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "capture", "payment_number": "10000000000070008000000000000000", "reference": "c_1", "status": "succeeded", "amount": 1}'), 'shop')
OP019	SELECT order_payment.apply_fact('stripe', order_payment.make_fact('{"entity": "payment", "number": "10000000000070008000000000000000", "refunded": 1}'), 'shop')
42809	SELECT order_payment.apply_fact('stripe', NULL, 'public')
22004	SELECT order_payment.apply_fact('stripe', NULL, NULL)
22023	SELECT order_payment.require_sound_event(ROW ('e', 't', ARRAY[order_payment.make_fact('{"entity": "payment", "status": "succeeded"}')])::order_payment.gateway_event)
22023	SELECT order_payment.require_sound_event(ROW ('e', 't', ARRAY[order_payment.make_fact('{"entity": "refund", "amount": 1}')])::order_payment.gateway_event)
22023	SELECT order_payment.require_member('{"a": ""}', 'a')
22023	SELECT order_payment.require_member('[]', 'a')
22023	SELECT order_payment.translate_status('x', '{"y": "z"}')
22023	SELECT order_payment.json_fact('{"status": "succeeded", "entity": "order"}')
22P02	SELECT order_payment.json_fact('{"status": "settled"}')
22023	SELECT order_payment.stripe_event('{"id": "e", "type": "payment_intent.succeeded", "created": 1}', '{}')
22023	SELECT order_payment.alipay_event('{"notify_id": "n"}')
22023	SELECT order_payment.wechatpay_v3_event('{"id": "e", "event_type": "TRANSACTION.SUCCESS"}', '{}', '{}')
22023	SELECT order_payment.wechatpay_v2_event('{}', '{}')
23503	SELECT order_payment.apply_notification('none', '{}', '', 'shop')
22023	SELECT order_payment.apply_notification('stripe', '{}', '', 'shop')
42809	SELECT order_payment.apply_notification('stripe', '{}', '', 'public')
22004	SELECT order_payment.apply_notification('stripe', '{}', '', NULL)
P0002	SELECT order_payment.replay_notification('stripe', 'none', 'shop')
42809	SELECT order_payment.replay_notification('stripe', 'none', 'public')
22004	SELECT order_payment.replay_notification('stripe', 'none', NULL)
P0002	SELECT order_payment.adopt_payment(1, 'stripe', 'none', 'shop')
42809	SELECT order_payment.adopt_payment(1, 'stripe', 'none', 'public')
22004	SELECT order_payment.adopt_payment(1, 'stripe', 'none', NULL)
22023	SELECT order_payment.retry_notifications(0, 'shop')
42809	SELECT order_payment.retry_notifications(store => 'public')
42809	SELECT * FROM order_payment.order_timeline(1, 'nowhere')
42809	SELECT * FROM order_payment.verify_store('nowhere')
42809	SELECT * FROM order_payment.verify_store('public')
42P01	SELECT order_payment.current_store()
42P01	SELECT * FROM order_payment.verify_store()
42P01	SELECT * FROM order_payment.order_timeline(1)
22023	SELECT order_payment.card_brand('')
22023	SELECT order_payment.card_brand('411111111111111x')
22023	SELECT order_payment.card_mask('************1111')
22023	SELECT order_payment.currency_exponent('usd')
22023	SELECT order_payment.currency_exponent('')
22023	SELECT order_payment.currency_exponent('POINTS')
22023	SELECT order_payment.currency_exponent('USD.3')
22023	SELECT order_payment.create_store('shop2', 'points.0')
2BP01	DROP EXTENSION order_payment
2BP01	DROP TYPE order_payment.order_status
2BP01	DROP TYPE order_payment.payment_status
2BP01	DROP TYPE order_payment.operation_status
2BP01	DROP DOMAIN order_payment.failure_class
2BP01	DROP FUNCTION order_payment.is_payment_money
2BP01	DROP FUNCTION order_payment.uuid_v7
2BP01	DROP TABLE shop.payments
2BP01	DROP TABLE shop.orders
\.

SELECT throws_ok(statement, state::char(5), NULL, state || ': ' || left(statement, 150)) FROM refusal ORDER BY n;
SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'the store is in order');
SELECT is((SELECT array_agg(status::text ORDER BY order_id) FROM shop.orders), '{pending,paid,pending,pending,paid,authorized,pending,cancelled,pending,pending,pending}', 'and as it was');
SELECT is((SELECT array_agg(status::text ORDER BY order_id, payment_id) FROM shop.payments WHERE gateway = 'stripe'),
          '{processing,succeeded,authorized,failed,failed,created,created}', 'the payments as well');
SELECT is((SELECT array_agg(status::text ORDER BY order_id, amount) FROM shop.payment_operations), '{requested,succeeded,requested,requested}', 'and the operations');

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
SELECT is(pg_temp.diagnose($$ UPDATE shop.payments SET status = 'failed' WHERE order_id = 11 $$), '{shop,payments,status,true,true}', 'OP001 of a payment');
SELECT is(pg_temp.diagnose($$ UPDATE shop.payment_operations SET status = 'reversed' WHERE order_id = 12 $$), '{shop,payment_operations,status,true,true}', 'of an operation');
SELECT is(pg_temp.diagnose($$ UPDATE shop.payments SET captured_amount = 1 WHERE order_id = 10 $$), '{shop,payments,captured_amount,false,true}', 'OP003 of a payment');
SELECT is(pg_temp.diagnose($$ UPDATE shop.payment_operations SET amount = 1 WHERE order_id = 11 $$), '{shop,payment_operations,amount,false,true}', 'of an operation');
SELECT is(pg_temp.diagnose($$ DELETE FROM shop.payments WHERE order_id = 13 $$), '{shop,payments,"",false,true}', 'of a row about money');
SELECT is(pg_temp.diagnose($$ SELECT order_payment.create_payment(17, 'manual', request_key => 'first', store => 'shop') $$), '{"","","",true,true}', 'OP002 has detail and hint');
SELECT is(pg_temp.diagnose($$ INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (11, '11000000-0000-7000-8000-000000000000', 99) $$), '{shop,payments,refund_pending_amount,true,true}', 'OP005 names the column, with detail and hint');
SELECT is(pg_temp.diagnose($$ SELECT * FROM order_payment.refund_order(11, 99, store => 'shop') $$), '{"","","",true,true}', 'a function as well says what is left');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET status = 'authorized' WHERE order_id = 1 $$), '{shop,orders,status,true,true}', 'OP006 names the column, with detail and hint');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET price = 7 WHERE order_id = 10 $$), '{shop,orders,total_amount,true,true}', 'of a frozen total');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET price = -1 WHERE order_id = 1 $$), '{shop,orders,price,false,true}', '23514 names the column');
SELECT is(pg_temp.diagnose($$ INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', 0) $$), '{shop,payments,amount,true,true}', 'of a payment');
CREATE ROLE regress_tap_app;
GRANT USAGE ON SCHEMA shop TO regress_tap_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA shop TO regress_tap_app;
SET LOCAL ROLE regress_tap_app;
SELECT is(pg_temp.diagnose($$ UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 10 $$), '{shop,payments,status,true,true}', 'OP004 names the column, with detail and hint');
SELECT is(pg_temp.diagnose($$ UPDATE shop.payments SET fee_final = true WHERE order_id = 10 $$), '{shop,payments,fee_final,true,true}', 'of a fee');
SELECT is(pg_temp.diagnose($$ UPDATE shop.refunds SET status = 'succeeded' WHERE order_id = 11 AND status = 'requested' $$), '{shop,payment_operations,status,true,true}', 'of an operation');
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET status = 'paid' WHERE order_id = 1 $$), '{shop,orders,status,true,true}', 'of a manual settlement');
RESET ROLE;
SELECT is(pg_temp.diagnose($$ UPDATE shop.orders SET status = 'payed' WHERE order_id = 1 $$), '{"","","",false,true}', '22P02 has a hint');

SELECT * FROM finish();
ROLLBACK;
