/*
 * What the storm does to a store "shop": one statement of an application, a
 * gateway or an owner, picked at random, for one order.
 *
 * action		what is tried. A refusal is caught and counted by its SQLSTATE;
 *				serialization failures are pgbench's to try again
 * ledger		what was acknowledged to happen to money: written in the very
 *				transaction that the store was told it in. In the end the counters
 *				of each payment must be the sums of its entries, to the cent
 *
 * Each action is one statement on the store, or locks only what its statement
 * locks first: so the order of locks is the store's own, child to parent, and
 * there may be no deadlock at all.
 */

CREATE EXTENSION order_payment;
CREATE ROLE storm_owner;
CREATE ROLE storm_app;
CREATE ROLE storm_gateway;
SELECT order_payment.create_store('shop', owner => 'storm_owner', app_role => 'storm_app', gateway_role => 'storm_gateway');
INSERT INTO shop.gateways (gateway) VALUES ('acme');

CREATE SCHEMA storm;
GRANT USAGE ON SCHEMA storm TO PUBLIC;
CREATE TABLE storm.ledger (order_id bigint, payment_id uuid, what text, amount numeric);
CREATE TABLE storm.refusals (action text, code text, message text, isolation text DEFAULT current_setting('transaction_isolation'));
CREATE TABLE storm.accepted (action text);
GRANT ALL ON ALL TABLES IN SCHEMA storm TO PUBLIC;

CREATE FUNCTION storm.one_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE
	RETURN choices[1 + floor(random() * array_length(choices, 1))::integer];

CREATE FUNCTION storm.amount() RETURNS numeric LANGUAGE sql VOLATILE
	RETURN (1 + floor(random() * 12)) * 10;

CREATE FUNCTION storm.become(role text) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT set_config('role', role, true);
END;

CREATE PROCEDURE storm.enter(id bigint, payment uuid, what text, amount numeric) LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO storm.ledger SELECT id, payment, what, amount WHERE amount <> 0;
END;

-- a payment of the order that may give money back: what was captured stays captured
CREATE FUNCTION storm.captured_payment(id bigint) RETURNS uuid LANGUAGE sql VOLATILE
	RETURN (SELECT payment_id FROM shop.payments WHERE order_id = id AND captured_amount > 0 ORDER BY random() LIMIT 1);

CREATE FUNCTION storm.any_payment(id bigint) RETURNS uuid LANGUAGE sql VOLATILE
	RETURN (SELECT payment_id FROM shop.payments WHERE order_id = id ORDER BY random() LIMIT 1);

/* ---------- actions ---------- */

CREATE PROCEDURE storm.place_order() LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO shop.orders (customer_id, price, quantity, request_key)
	SELECT floor(random() * 4), CASE WHEN random() < 0.8 THEN 100 END, 1, 'o' || floor(random() * 2000)
	ON CONFLICT DO NOTHING;
END;

CREATE PROCEDURE storm.pay(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	amount CONSTANT numeric := CASE WHEN random() < 0.5 THEN 100 ELSE storm.amount() END;
	new_status CONSTANT text := storm.one_of('created', 'processing', 'authorized', 'authorized', 'succeeded', 'succeeded');
	new_key CONSTANT text := CASE WHEN random() < 0.3 THEN 'p' || floor(random() * 30) END;
	paid uuid;
BEGIN
	PERFORM storm.become(CASE WHEN new_status IN ('created', 'processing') THEN 'storm_app'
							  ELSE storm.one_of('storm_gateway', 'storm_gateway', 'storm_gateway', 'storm_app') END);
	IF random() < 0.5 THEN
		INSERT INTO shop.payments (order_id, gateway, amount, status, split, request_key)
		VALUES (id, 'acme', amount, new_status::order_payment.payment_status, random() < 0.7, new_key)
		RETURNING payment_id INTO paid;
	ELSE
		INSERT INTO shop.payments (order_id, gateway, amount, status, split, request_key)
		VALUES (id, 'acme', amount, new_status::order_payment.payment_status, random() < 0.7, new_key)
		ON CONFLICT DO NOTHING RETURNING payment_id INTO paid;
	END IF;
	IF new_status = 'succeeded' AND paid IS NOT NULL THEN
		CALL storm.enter(id, paid, 'capture', amount);
	END IF;
END $$;

-- the payment is locked first, as its UPDATE does
CREATE PROCEDURE storm.settle_payment(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	picked CONSTANT uuid := storm.any_payment(id);
	before numeric;
	after numeric;
BEGIN
	PERFORM storm.become('storm_gateway');
	SELECT captured_amount INTO before FROM shop.payments
	WHERE order_id = id AND payment_id = picked AND status <> 'succeeded' FOR NO KEY UPDATE;
	UPDATE shop.payments SET status = storm.one_of('processing', 'unknown', 'authorized', 'succeeded', 'succeeded', 'failed', 'revoked')::order_payment.payment_status
	WHERE order_id = id AND payment_id = picked AND before IS NOT NULL
	RETURNING captured_amount INTO after;
	CALL storm.enter(id, picked, 'capture', after - before);
END $$;

CREATE PROCEDURE storm.request(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	kind CONSTANT text := storm.one_of('capture', 'void', 'refund', 'refund', 'refund');
	picked CONSTANT uuid := CASE kind WHEN 'refund' THEN storm.captured_payment(id) ELSE
		(SELECT payment_id FROM shop.payments WHERE order_id = id AND status = 'authorized' ORDER BY random() LIMIT 1) END;
BEGIN
	PERFORM storm.become('storm_app');
	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, request_key)
	SELECT id, picked, kind, CASE WHEN kind <> 'void' THEN storm.amount() END,
		   CASE WHEN random() < 0.3 THEN 'r' || floor(random() * 30) END
	WHERE picked IS NOT NULL
	ON CONFLICT DO NOTHING;
END $$;

-- several statements in a transaction: about one payment, so that no lock is taken out of order
CREATE PROCEDURE storm.checkout(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	amount CONSTANT numeric := storm.amount();
	paid uuid;
	captured uuid;
BEGIN
	PERFORM storm.become('storm_gateway');
	INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (id, 'acme', 2 * amount, 'authorized')
	RETURNING payment_id INTO paid;
	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (id, paid, 'capture', amount)
	RETURNING operation_id INTO captured;
	UPDATE shop.payment_operations SET status = 'succeeded' WHERE order_id = id AND operation_id = captured;
	CALL storm.enter(id, paid, 'capture', amount);
	INSERT INTO shop.payment_operations (order_id, payment_id, kind) VALUES (id, paid, 'void');
END $$;

-- what happened without being asked for
CREATE PROCEDURE storm.tell(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	kind CONSTANT text := storm.one_of('capture', 'refund', 'chargeback');
	amount CONSTANT numeric := storm.amount();
	picked CONSTANT uuid := CASE kind WHEN 'capture' THEN storm.any_payment(id) ELSE storm.captured_payment(id) END;
	told uuid;
BEGIN
	PERFORM storm.become(storm.one_of('storm_gateway', 'storm_gateway', 'storm_owner', 'storm_app'));
	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
	SELECT id, picked, kind, amount, 'succeeded' WHERE picked IS NOT NULL
	RETURNING operation_id INTO told;
	IF told IS NOT NULL THEN
		CALL storm.enter(id, picked, kind, amount);
	END IF;
END $$;

-- of every payment something, in one statement
CREATE PROCEDURE storm.tell_all(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	told record;
BEGIN
	PERFORM storm.become('storm_gateway');
	FOR told IN
		INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
		SELECT id, payment_id, storm.one_of('refund', 'refund', 'chargeback'), storm.amount(),
			   storm.one_of('requested', 'succeeded', 'succeeded')::order_payment.operation_status
		FROM shop.payments WHERE order_id = id AND captured_amount > 0
		RETURNING payment_id, kind, amount, status
	LOOP
		IF told.status = 'succeeded' THEN
			CALL storm.enter(id, told.payment_id, told.kind, told.amount);
		END IF;
	END LOOP;
END $$;

-- an operation gets its answer, from the status in which it was seen and no other
CREATE PROCEDURE storm.answer(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	seen shop.payment_operations;
	next CONSTANT text := storm.one_of('processing', 'unknown', 'succeeded', 'succeeded', 'failed', 'cancelled', 'reversed');
	moved boolean;
BEGIN
	SELECT * INTO seen FROM shop.payment_operations
	WHERE order_id = id AND status <> 'reversed' ORDER BY random() LIMIT 1;
	PERFORM storm.become('storm_gateway');
	UPDATE shop.payment_operations SET status = next::order_payment.operation_status
	WHERE order_id = id AND operation_id = seen.operation_id AND status = seen.status AND status::text <> next
	RETURNING true INTO moved;
	IF moved AND next IN ('succeeded', 'reversed') AND seen.kind <> 'void' THEN
		CALL storm.enter(id, seen.payment_id, seen.kind, CASE next WHEN 'succeeded' THEN seen.amount ELSE - seen.amount END);
	END IF;
END $$;

-- to paid books what is outstanding, which is a capture of the payment made for it
CREATE PROCEDURE storm.move(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	next CONSTANT text := storm.one_of('authorized', 'pending', 'paid', 'shipped', 'shipped', 'completed', 'completed', 'cancelled', 'expired', 'refunded');
	before numeric;
	after numeric;
	manual uuid;
BEGIN
	PERFORM storm.become(storm.one_of('storm_app', 'storm_owner'));
	SELECT paid_amount INTO before FROM shop.orders WHERE order_id = id FOR NO KEY UPDATE;
	UPDATE shop.orders SET status = next::order_payment.order_status WHERE order_id = id
	RETURNING paid_amount INTO after;
	IF after <> before THEN
		SELECT payment_id INTO manual FROM shop.payments WHERE order_id = id AND gateway = 'manual';
		CALL storm.enter(id, manual, 'capture', after - before);
	END IF;
END $$;

CREATE PROCEDURE storm.edit(id bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM storm.become('storm_app');
	CASE floor(random() * 4)
	WHEN 0 THEN
		INSERT INTO shop.order_items (order_id, line_no, kind, price)
		SELECT id, floor(random() * 20), storm.one_of('item', 'item', 'discount'), storm.amount()
		ON CONFLICT DO NOTHING;
	WHEN 1 THEN UPDATE shop.order_items SET price = storm.amount() WHERE order_id = id AND line_no = floor(random() * 20);
	WHEN 2 THEN DELETE FROM shop.order_items WHERE order_id = id AND line_no = floor(random() * 20);
	ELSE UPDATE shop.orders SET price = storm.amount() WHERE order_id = id;
	END CASE;
END $$;

CREATE PROCEDURE storm.forge(id bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM storm.become(storm.one_of('storm_app', 'storm_gateway', 'storm_owner'));
	CASE floor(random() * 3)
	WHEN 0 THEN UPDATE shop.orders SET paid_amount = paid_amount + 1 WHERE order_id = id;
	WHEN 1 THEN UPDATE shop.payments SET captured_amount = captured_amount + 1 WHERE order_id = id;
	ELSE UPDATE shop.payment_operations SET amount = amount + 1 WHERE order_id = id;
	END CASE;
END $$;

-- the functions on a store; keys come again, with the same request or with another
CREATE PROCEDURE storm.ask(id bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM storm.become('storm_app');
	CASE floor(random() * 5)
	WHEN 0, 1 THEN
		PERFORM order_payment.create_payment(id, 'acme', CASE WHEN random() < 0.5 THEN storm.amount() END,
											 request_key => 'c' || floor(random() * 4), split => random() < 0.5, store => 'shop');
	WHEN 2, 3 THEN
		PERFORM order_payment.refund_order(id, CASE WHEN random() < 0.5 THEN storm.amount() END,
										   request_key => 'f' || floor(random() * 4), store => 'shop');
	ELSE PERFORM order_payment.request_due_refunds(3, 'shop');
	END CASE;
END $$;

-- whatever others are doing, a snapshot shows an order whole
CREATE PROCEDURE storm.look(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	found CONSTANT text := (SELECT string_agg(breach, '; ') FROM breaches WHERE order_id = id);
BEGIN
	IF found IS NOT NULL THEN
		RAISE EXCEPTION 'order %: %', id, found USING ERRCODE = 'STORM';
	END IF;
END $$;

-- hot orders are the newest, so that they are in no final state yet
CREATE FUNCTION storm.act(hot boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	newest CONSTANT bigint := (SELECT last_value FROM shop.orders_order_id_seq);
	id CONSTANT bigint := (
		SELECT order_id FROM shop.orders
		WHERE order_id BETWEEN 1 AND newest - CASE WHEN hot THEN 0 ELSE floor(random() * newest) END
		ORDER BY order_id DESC OFFSET CASE WHEN hot THEN floor(random() * 8) ELSE 0 END LIMIT 1);
	action CONSTANT text := storm.one_of('place_order', 'pay', 'pay', 'pay', 'settle_payment', 'settle_payment', 'request', 'request',
		'request', 'checkout', 'tell', 'tell', 'tell_all', 'answer', 'answer', 'answer', 'answer', 'move', 'move', 'edit', 'ask', 'ask', 'forge', 'look');
BEGIN
	BEGIN
		EXECUTE format('CALL storm.%I(%s)', action, CASE WHEN action <> 'place_order' THEN id END);
		INSERT INTO storm.accepted VALUES (action);
	EXCEPTION
		WHEN serialization_failure THEN
			RAISE;
		WHEN OTHERS THEN
			INSERT INTO storm.refusals VALUES (action, SQLSTATE, SQLERRM);
	END;
END $$;

/* ---------- the orders ---------- */

INSERT INTO shop.orders (customer_id, price) SELECT 7, 100 FROM generate_series(1, 400);
-- 200 payments for the race of refunds: five refunds of 20 each are in them, and no sixth
INSERT INTO shop.orders (order_id, customer_id, price) SELECT 100000 + n, 8, 100 FROM generate_series(1, 200) n;
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, status)
SELECT order_id, lpad(to_hex(order_id), 32, '0')::uuid, 'acme', 100, 'succeeded' FROM shop.orders WHERE customer_id = 8;
-- 100 for the race of keys
INSERT INTO shop.orders (order_id, customer_id, price) SELECT 200000 + n, 9, 100 FROM generate_series(1, 100) n;
INSERT INTO shop.payments (order_id, payment_id, gateway, amount, status)
SELECT order_id, lpad(to_hex(order_id), 32, '0')::uuid, 'acme', 100, 'succeeded' FROM shop.orders WHERE customer_id = 9;
INSERT INTO storm.ledger SELECT order_id, payment_id, 'capture', 100 FROM shop.payments;
INSERT INTO shop.orders (order_id, customer_id, price) SELECT 300000 + n, 10, 100 FROM generate_series(1, 100) n;

/* ---------- races ---------- */

-- 100 orders that are paid twice, for the race of dues: of 200 that can be refunded, 100 are due
CREATE PROCEDURE storm.pay_twice() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO shop.orders (order_id, customer_id, price) SELECT 400000 + n, 11, 100 FROM generate_series(1, 100) n;
	INSERT INTO shop.payments (order_id, payment_id, gateway, amount, status)
	SELECT order_id, lpad(to_hex(order_id + n), 32, '0')::uuid, 'acme', 100, 'succeeded'
	FROM shop.orders, generate_series(0, 1000, 1000) n WHERE customer_id = 11;
	INSERT INTO storm.ledger SELECT order_id, payment_id, 'capture', 100 FROM shop.payments WHERE order_id > 400000;
END $$;

-- a refund is asked for: never more is reserved than was captured, nor stands for what is due than is due
CREATE FUNCTION storm.refund(id bigint, payment bigint, amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount)
		VALUES (id, lpad(to_hex(payment), 32, '0')::uuid, 'refund', amount);
		INSERT INTO storm.accepted VALUES ('refund of ' || amount);
	EXCEPTION
		WHEN serialization_failure THEN
			RAISE;
		WHEN OTHERS THEN
			INSERT INTO storm.refusals VALUES ('refund', SQLSTATE, SQLERRM);
	END;
END $$;

-- the same request from many sessions: whoever comes first is answered by all
CREATE TABLE storm.answers (key text, what text, id uuid);
CREATE FUNCTION storm.same_key(id bigint, key text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	payment CONSTANT uuid := lpad(to_hex(id), 32, '0')::uuid;
BEGIN
	INSERT INTO storm.answers SELECT id || key, 'create_payment', p.payment_id
	FROM order_payment.create_payment(id + 100000, 'acme', request_key => key, store => 'shop') p;
	INSERT INTO shop.payments (order_id, gateway, amount, split, request_key) VALUES (id, 'acme', 10, true, key)
	ON CONFLICT (order_id, request_key) DO NOTHING;
	INSERT INTO storm.answers SELECT id || key, 'payment', payment_id FROM shop.payments
	WHERE order_id = id AND request_key = key;
	-- all that there is: a second one would find nothing left
	IF id % 2 = 0 THEN
		INSERT INTO storm.answers SELECT id || key, 'refund_order', r.operation_id
		FROM order_payment.refund_order(id, request_key => key, store => 'shop') r;
		RETURN;
	END IF;
	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, request_key) VALUES (id, payment, 'refund', 100, key)
	ON CONFLICT (order_id, request_key) DO NOTHING;
	INSERT INTO storm.answers SELECT id || key, 'refund', operation_id FROM shop.payment_operations
	WHERE order_id = id AND request_key = key;
END $$;
