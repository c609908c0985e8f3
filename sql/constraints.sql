-- The net under the triggers: what CHECK and UNIQUE refuse of rows that come past them (session_replication_role = replica, a restore,
-- a disabled trigger). Each line is one fault in a row that is sound otherwise, and is taken back.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
DROP SCHEMA IF EXISTS net_shop CASCADE;
CREATE ROLE regress_net_owner;
SELECT order_payment.create_store('net_shop', 'EUR', owner => 'regress_net_owner');
RESET client_min_messages;
SET search_path = net_shop, order_payment;
-- 1 is paid by payment ...01, of which 10 are to be given back; 2 waits for payment ...02, and has a line; 3 has nothing
INSERT INTO gateways (gateway) VALUES ('acme');
INSERT INTO orders (order_id, customer_id, price, request_key) VALUES (1, 7, 30, 'once'), (2, NULL, 30, 'once'), (3, 8, 30, NULL);
INSERT INTO order_items (order_id, line_no, price) VALUES (2, 1, 30);
CREATE FUNCTION id(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE RETURN lpad(n::text, 32, '0')::uuid;
INSERT INTO payments (order_id, payment_id, gateway, amount, status, gateway_reference, request_key) VALUES (1, id(1), 'acme', 30, 'succeeded', 'ch_1', 'k');
INSERT INTO payments (order_id, payment_id, gateway, amount) VALUES (2, id(2), 'acme', 30);
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, gateway_reference, request_key) VALUES (1, id(3), id(1), 'refund', 10, 're_1', 'r');

-- what is said of a statement, which leaves nothing
CREATE FUNCTION told(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'NET00';
EXCEPTION
	WHEN SQLSTATE 'NET00' THEN
		RETURN 'stored';
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME;
		RETURN concat_ws(' ', SQLSTATE, nullif(name, ''));
END $$;
CREATE FUNCTION told_each(relation text, key text, faults text[]) RETURNS TABLE (fault text, told text) LANGUAGE sql AS $$
	SELECT f, told(format('UPDATE %s SET %s WHERE %s', relation, f, key)) FROM unnest(faults) WITH ORDINALITY u (f, n) ORDER BY n $$;
-- a row like this one, but for some columns
CREATE FUNCTION told_copy(relation text, key text, faults jsonb[]) RETURNS TABLE (fault jsonb, told text) LANGUAGE sql AS $$
	SELECT f, told(format('INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, (SELECT to_jsonb(t) FROM %1$s t WHERE %3$s) || %4$L)', relation,
		(SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attrelid = relation::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''), key, f))
	FROM unnest(faults) WITH ORDINALITY u (f, n) ORDER BY n $$;
SET session_replication_role = replica;
\pset format unaligned

-- ---------- orders ----------
SELECT * FROM told_each('orders', 'order_id = 1', ARRAY['product_id = 1', 'total_amount = 1.005', $$total_amount = 'NaN'$$, $$total_amount = 'Infinity'$$, 'total_amount = -1',
	$$total_amount = NULL$$, $$currency = 'XAU'$$, $$currency = 'eur'$$, $$currency = 'JPY', total_amount = 29.5$$,
	'refunded_amount = -1', 'charged_back_amount = -1', 'refund_due_amount = -1', $$refund_due_amount = 'NaN'$$, $$refund_due_amount = 'Infinity'$$, $$paid_amount = 'NaN'$$,
	'refunded_amount = 31', 'charged_back_amount = 31', 'refunded_amount = 30', 'refund_due_amount = 30',
	$$status = 'completed', refunded_amount = 30$$, $$status = 'shipped', refunded_amount = 30$$,
	$$status = 'cancelled'$$, $$status = 'cancelled', refund_due_amount = 29$$, $$status = 'cancelled', refund_due_amount = 31$$, $$status = 'cancelled', refund_due_amount = 30$$,
	$$status = 'expired'$$, $$status = 'refunded'$$, $$status = 'refunded', refunded_amount = 30$$]);
SELECT * FROM told_copy('orders', 'order_id = 1', ARRAY['{"order_id": 9}', '{"order_id": 9, "request_key": "other"}', '{"order_id": 9, "customer_id": 8}', '{"order_id": 1, "request_key": "other"}']::jsonb[]);
SELECT * FROM told_copy('orders', 'order_id = 2', ARRAY['{"order_id": 9}', '{"order_id": 9, "request_key": "other"}', '{"order_id": 9, "customer_id": 8}', '{"order_id": 9, "request_key": null}']::jsonb[]);
SELECT * FROM told_each('order_items', 'order_id = 2', ARRAY[$$kind = 'tax'$$, $$kind = 'gift'$$, 'quantity = 0', 'quantity = -1', $$quantity = 'NaN'$$, $$quantity = 'Infinity'$$,
	'price = -1', $$price = 'NaN'$$, $$price = 'Infinity'$$, 'price = 0']);
SELECT * FROM told_copy('order_items', 'order_id = 2', ARRAY['{}', '{"line_no": 2}']::jsonb[]);
SELECT * FROM told_copy('order_events', 'order_id = 1 AND version = 2', ARRAY['{}', '{"version": 99}']::jsonb[]);

-- ---------- payments ----------
SELECT * FROM told_each('payments', 'order_id = 1', ARRAY['attempt_no = 2', 'amount = 0, captured_amount = 0', 'amount = -1, captured_amount = -1', $$amount = 'NaN'$$, $$amount = 'Infinity'$$, 'amount = 30.005',
	'fee = 0.005', $$fee = 'NaN'$$, $$fee = 'Infinity'$$, 'fee = 0.05',
	'authorized_amount = -1', 'authorized_amount = 30.005', $$authorized_amount = 'NaN'$$, 'captured_amount = 30.01', 'authorized_amount = 31, captured_amount = 31', $$captured_amount = 'NaN'$$,
	'refunded_amount = -1', 'refunded_amount = 30', 'refunded_amount = 30.01', 'charged_back_amount = -1', 'charged_back_amount = 30', 'charged_back_amount = 30.01',
	$$currency = 'XAU'$$, $$currency = 'JPY', amount = 30.5$$,
	$$card_number = '4242424242424242'$$, $$card_number = '************4242'$$, $$card_holder = 'Ann Lee'$$, $$card_holder = 'A***'$$, $$card_expiry = '12/39'$$, $$card_expiry = '**/**'$$]);
SELECT * FROM told_copy('payments', 'order_id = 1', ARRAY['{"order_id": 3}',
	'{"order_id": 3, "payment_id": "00000000-0000-0000-0000-000000000009"}', '{"payment_id": "00000000-0000-0000-0000-000000000009", "gateway_reference": null}',
	'{"order_id": 3, "payment_id": "00000000-0000-0000-0000-000000000009", "gateway_reference": "ch_2"}']::jsonb[]);
SELECT * FROM told_copy('payments', 'order_id = 2', ARRAY['{"payment_id": "00000000-0000-0000-0000-000000000009"}', '{"payment_id": "00000000-0000-0000-0000-000000000009", "status": "unknown"}',
	'{"payment_id": "00000000-0000-0000-0000-000000000009", "split": true}', '{"payment_id": "00000000-0000-0000-0000-000000000009", "status": "failed"}']::jsonb[]);

-- ---------- operations ----------
SELECT * FROM told_each('payment_operations', 'order_id = 1', ARRAY['attempt_no = 2', $$kind = 'gift'$$, 'amount = 0', 'amount = -1', $$amount = 'NaN'$$, $$amount = 'Infinity'$$, 'amount = 1.005', $$currency = 'XAU'$$,
	'fee = 0.005', $$fee = 'NaN'$$, 'fee = -1', 'obligatory_amount = -1', 'obligatory_amount = 10', 'obligatory_amount = 10.01', $$obligatory_amount = 'NaN'$$, 'attempt_no = 0',
	$$status = 'reversed'$$, $$status = 'reversed', kind = 'chargeback'$$, $$status = 'reversed', kind = 'capture'$$, $$status = 'reversed', kind = 'void'$$]);
SELECT * FROM told_copy('payment_operations', 'order_id = 1', ARRAY['{"order_id": 3}', '{"operation_id": "00000000-0000-0000-0000-000000000009", "gateway_reference": null}',
	'{"operation_id": "00000000-0000-0000-0000-000000000009", "request_key": null}', '{"operation_id": "00000000-0000-0000-0000-000000000009", "request_key": null, "kind": "chargeback"}']::jsonb[]);

RESET session_replication_role;
\pset format aligned
SELECT * FROM verify_store();
SET client_min_messages = warning;
DROP SCHEMA net_shop CASCADE;
DROP OWNED BY regress_net_owner;
DROP ROLE regress_net_owner;
