/* ---------- functions on a store: refunds ---------- */

/*
 * left			what can be refunded of a payment: captured, less what is refunded,
 *				being refunded, and charged back
 * covered		the part of refund_due_amount that refunds stand for already: of a
 *				live order their obligatory part, of a dead one all of them
 *
 * A refund is one row per payment, of the newest payment first. It is not
 * split where obligatory and voluntary parts meet: the server marks the part
 * that is obligatory (obligatory_amount), and the gateway sees one refund.
 *
 * The rows of one request share request_hash; the first has the request key,
 * the others the key with '#2', '#3' ... behind it.
 *
 * Locks: all payments of the order by id, as the rows themselves do, then,
 * through the rows, the order. So refunds of one order go one after the other,
 * and never deadlock.
 */
CREATE TYPE order_payment.requested_refund AS (
	order_id text,
	operation_id uuid,
	gateway_number text,
	payment_id uuid,
	gateway text,
	amount numeric,
	obligatory_amount numeric,
	currency text,
	status order_payment.operation_status,
	is_replay boolean
);
COMMENT ON TYPE order_payment.requested_refund IS
	'what refund_order() and request_due_refunds() return: a refund as it is now; gateway_number is the number to show to the gateway, is_replay tells that an earlier request with the same key had made it';

CREATE FUNCTION order_payment.add_refunds(order_id text, amount numeric, reason text, request_key text, request_hash text,
										  store name)
	RETURNS SETOF order_payment.requested_refund
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rest numeric := amount;
	n integer := 0;
	payment record;
	refund order_payment.requested_refund;
BEGIN
	FOR payment IN EXECUTE format(
		'SELECT p.payment_id, p.gateway, l.amount
		 FROM %I.payments p
		 CROSS JOIN LATERAL (SELECT p.captured_amount - p.refund_pending_amount - p.refunded_amount
									- p.charged_back_amount AS amount) l
		 WHERE p.order_id = %L AND l.amount > 0
		 ORDER BY p.created_at DESC, p.payment_id DESC', store, order_id)
	LOOP
		EXIT WHEN rest = 0;
		n := n + 1;
		-- one statement a row: each sees what the one before did to the order
		EXECUTE format(
			'INSERT INTO %I.payment_operations AS r (order_id, payment_id, kind, amount, reason, request_key, request_hash)
			 VALUES (%L, $1, ''refund'', $2, $3, $4, $5)
			 RETURNING r.order_id::text, r.operation_id, replace(r.operation_id::text, ''-'', ''''), r.payment_id, $6,
					   r.amount, NULL::numeric, r.currency, r.status, false', store, order_id)
			INTO refund
			USING payment.payment_id, least(rest, payment.amount), reason,
				  request_key || CASE WHEN n > 1 THEN '#' || n ELSE '' END, request_hash, payment.gateway;
		EXECUTE format('SELECT r.obligatory_amount FROM %I.payment_operations r WHERE r.order_id = %L AND r.operation_id = $1',
					   store, order_id) INTO refund.obligatory_amount USING refund.operation_id;
		RETURN NEXT refund;
		rest := rest - least(rest, payment.amount);
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.add_refunds(text, numeric, text, text, text, name) IS
	'requests refunds of an order, newest payment first, until the amount is reached or nothing is left. The caller holds the payments. Called by refund_order() and request_due_refunds()';

CREATE FUNCTION order_payment.find_refunds(order_id text, request_key text, request_hash text, store name)
	RETURNS SETOF order_payment.requested_refund
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_other boolean;
BEGIN
	IF request_key IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT r.request_hash IS DISTINCT FROM $2 FROM %I.payment_operations r
					WHERE r.order_id = %L AND r.request_key = $1', store, order_id)
		INTO is_other USING request_key, request_hash;
	IF is_other IS NULL THEN
		RETURN;
	ELSIF is_other THEN
		RAISE EXCEPTION 'request key "%" of order % belongs to another request', request_key, order_id
			USING ERRCODE = 'OP002',
				  HINT = 'Repeat a request with the same arguments, or use a new key for a new one.';
	END IF;
	RETURN QUERY EXECUTE format(
		'SELECT r.order_id::text, r.operation_id, replace(r.operation_id::text, ''-'', ''''), r.payment_id, p.gateway,
				r.amount, r.obligatory_amount, r.currency, r.status, true
		 FROM %1$I.payment_operations r
		 JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
		 WHERE r.order_id = %2$L AND r.request_hash = $2
		   AND (r.request_key = $1
				OR starts_with(r.request_key, $1) AND substr(r.request_key, length($1) + 1) ~ ''^#[0-9]+$'')
		 ORDER BY length(r.request_key), r.request_key', store, order_id) USING request_key, request_hash;
END
$$;
COMMENT ON FUNCTION order_payment.find_refunds(text, text, text, name) IS
	'the refunds that an earlier request with this key made; OP002 if that was another request. Called by refund_order()';

CREATE FUNCTION order_payment.refund_order(
		order_id text,
		amount numeric DEFAULT NULL,
		reason text DEFAULT NULL,
		request_key text DEFAULT NULL,
		store name DEFAULT order_payment.current_store())
	RETURNS SETOF order_payment.requested_refund
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	hash CONSTANT text := CASE WHEN request_key IS NOT NULL THEN order_payment.request_hash(
		jsonb_build_object('request', 'refund', 'amount', amount, 'reason', reason)) END;
	currency text;
	account record;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_request_key(request_key);
	IF order_id IS NULL THEN
		RAISE EXCEPTION 'order_id may not be null' USING ERRCODE = 'null_value_not_allowed';
	ELSIF request_key ~ '#[0-9]+$' THEN
		RAISE EXCEPTION 'the request key of a refund may not end in # and a number'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Such keys are given to the second and further rows of one request.';
	END IF;
	EXECUTE format('SELECT o.currency FROM %I.orders o WHERE o.order_id = %L', store, order_id) INTO currency;
	IF currency IS NULL THEN
		RAISE EXCEPTION 'order % does not exist', order_id USING ERRCODE = 'no_data_found';
	END IF;
	EXECUTE format('SELECT FROM %I.payments p WHERE p.order_id = %L ORDER BY p.payment_id FOR NO KEY UPDATE', store, order_id);
	RETURN QUERY SELECT * FROM order_payment.find_refunds(order_id, request_key, hash, store);
	IF FOUND THEN
		RETURN;
	END IF;
	PERFORM order_payment.require_amount(amount, currency);
	EXECUTE format(
		'SELECT s.*, s.captured - s.refunded - s.pending - s.charged_back AS amount
		 FROM (SELECT coalesce(sum(p.captured_amount), 0) AS captured, coalesce(sum(p.refunded_amount), 0) AS refunded,
					  coalesce(sum(p.refund_pending_amount), 0) AS pending,
					  coalesce(sum(p.charged_back_amount), 0) AS charged_back
			   FROM %I.payments p WHERE p.order_id = %L) s', store, order_id) INTO account;
	IF account.amount <= 0 OR amount > account.amount THEN
		RAISE EXCEPTION 'order % has less left to refund than was asked for', order_id
			USING ERRCODE = 'OP005',
				  DETAIL = format('%s %s are left: %s captured, %s refunded, %s being refunded, %s charged back.', account.amount,
								  currency, account.captured, account.refunded, account.pending, account.charged_back),
				  HINT = 'Ask for what is left, or leave the amount out.';
	END IF;
	RETURN QUERY SELECT * FROM order_payment.add_refunds(
		order_id, coalesce(amount, account.amount), reason, request_key, hash, store);
END
$$;
COMMENT ON FUNCTION order_payment.refund_order(text, numeric, text, text, name) IS
	'requests refunds of an order, of an amount or of all that is left, over its payments, newest first, one row each. The same request_key with the same request returns the first rows, whatever became of them (is_replay), with another request OP002. OP005 if less is left; P0002 if the order does not exist';

CREATE FUNCTION order_payment.refund_order(
		order_id anynonarray,
		amount numeric DEFAULT NULL,
		reason text DEFAULT NULL,
		request_key text DEFAULT NULL,
		store name DEFAULT order_payment.current_store())
	RETURNS SETOF order_payment.requested_refund
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM order_payment.refund_order($1::text, $2, $3, $4, $5)
$$;
COMMENT ON FUNCTION order_payment.refund_order(anynonarray, numeric, text, text, name) IS
	'requests refunds of an order: the same for keys of every type';

/* ---------- what is owed to customers ---------- */

/*
 * A refund that failed still covers what it stands for: it is retried on its
 * own row and number, for the gateway may have paid after all, and a second
 * row would pay twice. Who knows better asks by refund_order().
 */
CREATE FUNCTION order_payment.uncovered_dues(store name) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format($query$

SELECT o.order_id::text AS id, o.refund_due_amount - c.amount AS amount
FROM %1$I.orders o
CROSS JOIN LATERAL (
	SELECT coalesce(sum(CASE WHEN o.status IN ('expired', 'cancelled', 'refunded')
							 THEN r.amount ELSE r.obligatory_amount END), 0) AS amount
	FROM %1$I.payment_operations r
	WHERE r.order_id = o.order_id AND r.kind = 'refund'
	  AND r.status IN ('requested', 'processing', 'unknown', 'failed')) c
WHERE o.refund_due_amount > 0 AND o.refund_due_amount > c.amount

		$query$, store);
END;
COMMENT ON FUNCTION order_payment.uncovered_dues(name) IS
	'text of a query: orders, and what of their refund_due_amount no refund stands for yet. For request_due_refunds()';

CREATE FUNCTION order_payment.request_due_refund(order_id text, store name) RETURNS SETOF order_payment.requested_refund
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	due record;
BEGIN
	-- another session that had one of them may have asked for the refunds
	IF order_payment.hold_order(order_id, NULL, store) THEN
		EXECUTE order_payment.uncovered_dues(store) || format(' AND o.order_id = %L', order_id) INTO due;
		RETURN QUERY SELECT * FROM order_payment.add_refunds(due.id, due.amount, 'due', NULL, NULL, store) WHERE due.id IS NOT NULL;
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.request_due_refund(text, name) IS
	'requests refunds of what one order owes, unless another session has it. Called by request_due_refunds()';

CREATE FUNCTION order_payment.request_due_refunds(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS SETOF order_payment.requested_refund
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := 0;
	code text;
	candidate record;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	FOR candidate IN EXECUTE order_payment.uncovered_dues(store) || ' ORDER BY o.order_id' LOOP
		BEGIN
			RETURN QUERY SELECT * FROM order_payment.request_due_refund(candidate.id, store);
			n := n + FOUND::integer;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
			IF NOT order_payment.leave_order(candidate.id, code, sqlerrm) THEN
				RAISE;
			END IF;
		END;
		EXIT WHEN n = batch;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.request_due_refunds(integer, name) IS
	'requests refunds, with the reason due, of what orders owe to customers (refund_due_amount) and no refund stands for yet, over the payments of each order, newest first; for at most batch orders, by order_id. Returns the rows. What no payment has left is not asked for; orders that another session holds are left for the next call';
