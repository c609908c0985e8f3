/* ---------- functions on a store: payments ---------- */

/*
 * live			created, processing, requires_action, unknown: a payment that may
 *				still take money
 * room			what one more payment of an order may ask for: what is
 *				outstanding, less authorisations that have not lapsed, less what
 *				live payments ask for
 * request		what a caller asked for, known by its request key; request_hash
 *				tells whether a second request with that key is the same
 * chain		a payment and its retries: each names the one before in retry_of
 *
 * Functions here run with the rights of the caller. Locks are taken from child
 * to parent: payments by id, then their order. A new payment is inserted before
 * its order is locked, and looked at again under that lock (the effect of the
 * new row holds it): with the order locked first, another session that has
 * inserted a payment, or is changing one, would wait for us and we for it.
 *
 * Batch functions go by order_id, leave alone what another session holds, and
 * judge each row once more under its locks. They are meant for READ COMMITTED:
 * above it 40001 ends the whole batch.
 */
CREATE TYPE order_payment.requested_payment AS (
	order_id text,
	payment_id uuid,
	gateway_number text,
	gateway text,
	method text,
	amount numeric,
	currency text,
	status order_payment.payment_status,
	attempt_no integer,
	is_replay boolean
);
COMMENT ON TYPE order_payment.requested_payment IS
	'what create_payment() and retry_payment() return: a payment as it is now; gateway_number is the number to show to the gateway, is_replay tells that an earlier request with the same key had made it';

/* ---------- what the functions have in common ---------- */

CREATE FUNCTION order_payment.require_batch(batch integer) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION 'batch must be at least 1' USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_batch(integer) IS
	'returns if the number is one of rows, else raises 22023';

CREATE FUNCTION order_payment.require_request_key(request_key text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF request_key = '' OR length(request_key) > 255 THEN
		RAISE EXCEPTION 'a request key has 1 to 255 characters, not %', length(request_key)
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Use a new random value, such as a UUID, for each request, and the same one when you repeat it.';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_request_key(text) IS
	'returns if the text can be a request key, or is null, else raises 22023';

CREATE FUNCTION order_payment.require_amount(amount numeric, currency text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF amount <= 0 OR NOT order_payment.is_amount(amount, currency) THEN
		RAISE EXCEPTION '% is no amount of % to be asked for', amount, currency
			USING ERRCODE = 'check_violation',
				  HINT = 'Amounts are above zero, finite, and have no more decimals than the currency.';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_amount(numeric, text) IS
	'returns if the amount can be asked for, or is null, else raises 23514';

CREATE FUNCTION order_payment.request_hash(request jsonb) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT encode(sha256(convert_to(coalesce(jsonb_object_agg(f.key,
			   CASE jsonb_typeof(f.value)
				   WHEN 'number' THEN to_jsonb(trim_scale((f.value #>> '{}')::numeric))
				   ELSE f.value END), '{}')::text, 'UTF8')), 'hex')
	FROM jsonb_each(request) f
	WHERE jsonb_typeof(f.value) <> 'null';
END;
COMMENT ON FUNCTION order_payment.request_hash(jsonb) IS
	'digest of a request, given as a flat object: SHA-256 in hexadecimal. Equal for equal values: the order of members, trailing zeros of a number (1.0 and 1.00) and members that are null make no difference';

CREATE FUNCTION order_payment.payable(order_id text, but_for uuid, store name,
									  OUT status order_payment.order_status, OUT currency text, OUT is_dead boolean,
									  OUT outstanding numeric, OUT authorized numeric, OUT asked numeric,
									  OUT room numeric, OUT live_payment uuid)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($query$

SELECT o.status, o.currency, o.status IN ('expired', 'cancelled', 'refunded'),
	   s.outstanding, a.authorized, a.asked, s.outstanding - a.authorized - a.asked, a.live
FROM %1$I.orders o
CROSS JOIN LATERAL (
	SELECT order_payment.outstanding_amount(o.status, o.total_amount, o.paid_amount, o.refunded_amount,
											o.charged_back_amount, o.refund_due_amount) AS outstanding) s
CROSS JOIN LATERAL (
	SELECT coalesce(sum(p.amount) FILTER (WHERE p.status <= 'unknown'), 0) AS asked,
		   coalesce(sum(p.authorized_amount - p.captured_amount) FILTER (
			   WHERE p.status = 'authorized'
				 AND (p.capture_before IS NULL OR p.capture_before > clock_timestamp())), 0) AS authorized,
		   (array_agg(p.payment_id) FILTER (WHERE p.status <= 'unknown' AND NOT p.split))[1] AS live
	FROM %1$I.payments p
	WHERE p.order_id = o.order_id AND p.payment_id IS DISTINCT FROM $1) a
WHERE o.order_id = %2$L

	$query$, store, order_id)
	INTO status, currency, is_dead, outstanding, authorized, asked, room, live_payment USING but_for;
END
$$;
COMMENT ON FUNCTION order_payment.payable(text, uuid, name) IS
	'what one more payment of an order may ask for (room), leaving one payment out of account, and the payment that is live and not split; all null if the order does not exist. Called by create_payment(), retry_payment() and due_retries()';

CREATE FUNCTION order_payment.find_payment(order_id text, request_key text, request_hash text, store name)
	RETURNS order_payment.requested_payment
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	first record;
BEGIN
	IF request_key IS NULL THEN
		RETURN NULL;
	END IF;
	EXECUTE format(
		'SELECT p.request_hash, p.payment_id,
				ROW (p.order_id::text, p.payment_id, replace(p.payment_id::text, ''-'', ''''), p.gateway, p.method, p.amount,
					 p.currency, p.status, p.attempt_no, true)::order_payment.requested_payment AS payment
		 FROM %I.payments p WHERE p.order_id = %L AND p.request_key = $1', store, order_id)
		INTO first USING request_key;
	IF first.payment_id IS NOT NULL AND first.request_hash IS DISTINCT FROM request_hash THEN
		RAISE EXCEPTION 'request key "%" of order % belongs to another request', request_key, order_id
			USING ERRCODE = 'OP002', DETAIL = format('It made payment %s.', first.payment_id),
				  HINT = 'Repeat a request with the same arguments, or use a new key for a new one.';
	END IF;
	RETURN first.payment;
END
$$;
COMMENT ON FUNCTION order_payment.find_payment(text, text, text, name) IS
	'the payment that an earlier request with this key made, else null; OP002 if that was another request. Called by create_payment() and retry_payment()';

CREATE FUNCTION order_payment.require_payable(order_id text, state record, amount numeric, currency text, split boolean)
	RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	account CONSTANT text := format('%s %s are outstanding, of which %s are authorised and %s asked for by other payments.',
									state.outstanding, state.currency, state.authorized, state.asked);
BEGIN
	IF state.status IS NULL THEN
		RAISE EXCEPTION 'order % does not exist', order_id USING ERRCODE = 'no_data_found';
	ELSIF currency <> state.currency THEN
		RAISE EXCEPTION 'order % is in %, not in %', order_id, state.currency, currency
			USING ERRCODE = 'check_violation', HINT = 'All payments of an order are in its currency.';
	END IF;
	PERFORM order_payment.require_amount(amount, state.currency);
	IF state.is_dead THEN
		RAISE EXCEPTION 'order % is %', order_id, state.status
			USING ERRCODE = 'OP006', HINT = 'Nothing can be asked for a dead order: place a new one.';
	ELSIF state.live_payment IS NOT NULL AND NOT split THEN
		RAISE EXCEPTION 'another payment of order % is under way', order_id
			USING ERRCODE = 'OP006', DETAIL = format('It is payment %s.', state.live_payment),
				  HINT = 'Wait for its outcome, or revoke it. Payments that are to share an order are made with split.';
	ELSIF state.outstanding IS NULL AND amount IS NULL THEN
		RAISE EXCEPTION 'the total of order % is not known', order_id
			USING ERRCODE = 'OP006', HINT = 'Set its price or its lines, or give an amount: it is held until the total is known.';
	ELSIF state.room <= 0 THEN
		RAISE EXCEPTION 'nothing is left to pay for order %', order_id USING ERRCODE = 'OP006', DETAIL = account;
	ELSIF amount > state.room THEN
		RAISE EXCEPTION 'order % has less left to pay than % %', order_id, amount, state.currency
			USING ERRCODE = 'OP005', DETAIL = account, HINT = 'Leave the amount out to ask for all that is left.';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_payable(text, record, numeric, text, boolean) IS
	'returns if the order, by what payable() says of it, can have one more payment of this amount (null: all that is left), else raises OP006, OP005, 23514 or P0002. Called by create_payment() and retry_payment()';

CREATE FUNCTION order_payment.require_gateway(gateway text, store name) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	active boolean;
BEGIN
	EXECUTE format('SELECT g.active FROM %I.gateways g WHERE g.gateway = $1', store) INTO active USING gateway;
	IF active IS NULL THEN
		RAISE EXCEPTION 'gateway "%" does not exist', gateway
			USING ERRCODE = 'foreign_key_violation', HINT = format('The gateways of the store are the rows of %I.gateways.', store);
	ELSIF NOT active THEN
		RAISE EXCEPTION 'gateway "%" is switched off', gateway
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use another gateway, or set it active.';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_gateway(text, name) IS
	'returns if the gateway may be used for new payments, else raises 23503 (unknown) or 22023 (not active)';

/*
 * What was read before the INSERT may have changed until the new row holds the
 * lock of its order: then the row is taken back by the subtransaction, and all
 * is judged anew. Above READ COMMITTED nothing that was read can change: the
 * INSERT or its effect raises 40001 instead.
 */
CREATE FUNCTION order_payment.add_payment(order_id text, request jsonb, request_key text, request_hash text, store name)
	RETURNS order_payment.requested_payment
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tries CONSTANT integer := 100;
	asked record;
	state record;
	result order_payment.requested_payment;
	is_stale boolean := false;
BEGIN
	SELECT r.* INTO asked
	FROM jsonb_to_record(request) AS r (gateway text, method text, amount numeric, currency text, split boolean,
										expires_at timestamptz, retry_of uuid, attempt_no integer);
	FOR i IN 1 .. tries LOOP
		-- the key last: when the state was read that may forbid the payment, no payment had the key
		state := order_payment.payable(order_id, NULL, store);
		result := order_payment.find_payment(order_id, request_key, request_hash, store);
		IF result.payment_id IS NOT NULL THEN
			RETURN result;
		END IF;
		PERFORM order_payment.require_payable(order_id, state, asked.amount, asked.currency, asked.split);
		PERFORM order_payment.require_gateway(asked.gateway, store);
		BEGIN
			EXECUTE format(
				'INSERT INTO %I.payments AS p (order_id, gateway, method, amount, currency, split, expires_at, retry_of,
											   attempt_no, request_key, request_hash)
				 VALUES (%L, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
				 ON CONFLICT DO NOTHING
				 RETURNING p.order_id::text, p.payment_id, replace(p.payment_id::text, ''-'', ''''), p.gateway, p.method,
						   p.amount, p.currency, p.status, p.attempt_no, false', store, order_id)
				INTO result
				USING asked.gateway, asked.method, coalesce(asked.amount, state.room), asked.currency, asked.split,
					  asked.expires_at, asked.retry_of, asked.attempt_no, request_key, request_hash;
			IF result.payment_id IS NOT NULL THEN
				state := order_payment.payable(order_id, result.payment_id, store);
				is_stale := state.is_dead OR coalesce(result.amount > state.room, false)
					OR asked.amount IS NULL AND result.amount <> state.room;
				IF NOT is_stale THEN
					RETURN result;
				END IF;
				RAISE EXCEPTION USING ERRCODE = 'serialization_failure';
			END IF;
		EXCEPTION WHEN serialization_failure THEN
			IF NOT is_stale THEN
				RAISE;
			END IF;
			is_stale := false;
		END;
	END LOOP;
	RAISE EXCEPTION 'a payment of order % was overtaken by others % times', order_id, tries
		USING ERRCODE = 'serialization_failure',
			  HINT = 'Try again. If nobody else is at work, a trigger of the table keeps the row away.';
END
$$;
COMMENT ON FUNCTION order_payment.add_payment(text, jsonb, text, text, name) IS
	'inserts a payment (amount null: all that is left to pay), or finds the one that an earlier request with the key made. Called by create_payment() and retry_payment()';

/* ---------- the first attempt and further ones ---------- */

CREATE FUNCTION order_payment.create_payment(
		order_id text,
		gateway text,
		amount numeric DEFAULT NULL,
		method text DEFAULT NULL,
		request_key text DEFAULT NULL,
		currency text DEFAULT NULL,
		split boolean DEFAULT false,
		expires_at timestamptz DEFAULT NULL,
		store name DEFAULT order_payment.current_store())
	RETURNS order_payment.requested_payment
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	request CONSTANT jsonb := jsonb_build_object('request', 'payment', 'gateway', gateway, 'amount', amount,
												 'method', method, 'currency', currency, 'split', split);
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_request_key(request_key);
	IF order_id IS NULL OR gateway IS NULL OR split IS NULL THEN
		RAISE EXCEPTION 'order_id, gateway and split may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	-- a deadline is no part of the request: who repeats it counts it anew
	RETURN order_payment.add_payment(
		order_id, request || jsonb_build_object('attempt_no', 1, 'expires_at', expires_at), request_key,
		CASE WHEN request_key IS NOT NULL THEN order_payment.request_hash(request) END, store);
END
$$;
COMMENT ON FUNCTION order_payment.create_payment(text, text, numeric, text, text, text, boolean, timestamptz, name) IS
	'makes a payment of an order, in status created: of all that is left to pay unless an amount is given. The same request_key with the same request returns the first payment, whatever became of it (is_replay), with another request OP002. OP006 if the order is dead, has nothing left to pay, or has a payment under way (unless split); OP005 if it has less left; P0002 if it does not exist; 23503 or 22023 for a gateway that is unknown or not active';

CREATE FUNCTION order_payment.create_payment(
		order_id anynonarray,
		gateway text,
		amount numeric DEFAULT NULL,
		method text DEFAULT NULL,
		request_key text DEFAULT NULL,
		currency text DEFAULT NULL,
		split boolean DEFAULT false,
		expires_at timestamptz DEFAULT NULL,
		store name DEFAULT order_payment.current_store())
	RETURNS order_payment.requested_payment
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT order_payment.create_payment($1::text, $2, $3, $4, $5, $6, $7, $8, $9)
$$;
COMMENT ON FUNCTION order_payment.create_payment(anynonarray, text, numeric, text, text, text, boolean, timestamptz, name) IS
	'makes a payment of an order: the same for keys of every type';

CREATE FUNCTION order_payment.require_retryable(payment record, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	retry uuid;
BEGIN
	IF payment.status NOT IN ('failed', 'revoked') THEN
		RAISE EXCEPTION 'payment % is %', payment.payment_id, payment.status
			USING ERRCODE = 'OP006', HINT = 'Only a payment that failed or was revoked is tried again.';
	ELSIF payment.failure_class = 'hard_decline' THEN
		RAISE EXCEPTION 'payment % was declined for good', payment.payment_id
			USING ERRCODE = 'OP006', HINT = 'Ask the customer for another means of payment, and use create_payment().';
	END IF;
	EXECUTE format('SELECT p.payment_id FROM %I.payments p WHERE p.order_id = %L AND p.retry_of = $1', store, payment.order_id)
		INTO retry USING payment.payment_id;
	IF retry IS NOT NULL THEN
		RAISE EXCEPTION 'payment % was tried again already', payment.payment_id
			USING ERRCODE = 'OP006', DETAIL = format('Its retry is payment %s.', retry),
				  HINT = 'Try the last payment of the chain again.';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_retryable(record, name) IS
	'returns if a payment may be tried again, else raises OP006. Called by retry_payment()';

CREATE FUNCTION order_payment.retry_payment(payment_id uuid, request_key text DEFAULT NULL,
											store name DEFAULT order_payment.current_store())
	RETURNS order_payment.requested_payment
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	hash CONSTANT text := order_payment.request_hash(jsonb_build_object('request', 'retry', 'payment_id', payment_id));
	payment record;
	result order_payment.requested_payment;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_request_key(request_key);
	IF payment_id IS NULL THEN
		RAISE EXCEPTION 'payment_id may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	-- locked until the retry is there: it can neither succeed late nor be tried again by another session
	EXECUTE format('SELECT p.* FROM %I.payments p WHERE p.payment_id = $1 FOR NO KEY UPDATE', store)
		INTO payment USING payment_id;
	IF payment.payment_id IS NULL THEN
		RAISE EXCEPTION 'payment % does not exist', payment_id USING ERRCODE = 'no_data_found';
	END IF;
	result := order_payment.find_payment(payment.order_id::text, request_key, hash, store);
	IF result.payment_id IS NOT NULL THEN
		RETURN result;
	END IF;
	PERFORM order_payment.require_retryable(payment, store);
	result := order_payment.add_payment(
		payment.order_id::text,
		jsonb_build_object('gateway', payment.gateway, 'method', payment.method, 'amount', payment.amount,
						   'currency', payment.currency, 'split', payment.split,
						   'retry_of', payment_id, 'attempt_no', payment.attempt_no + 1),
		request_key, CASE WHEN request_key IS NOT NULL THEN hash END, store);
	IF payment.retry_at IS NOT NULL THEN
		EXECUTE format('UPDATE %I.payments SET retry_at = NULL WHERE order_id = %L AND payment_id = $1', store, payment.order_id)
			USING payment_id;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION order_payment.retry_payment(uuid, text, name) IS
	'tries a failed or revoked payment again: a new payment with a new number, the same gateway, method and amount, and the next attempt_no. Idempotent by request_key as create_payment(), and refused as that; with OP006 also after a hard decline, if it did not fail, or was tried again already';

/* ---------- retries by schedule ---------- */

/*
 * gateways.retry_schedule: by failure class, how long after the first, second
 * ... failed attempt a payment is tried again. After the last one the customer
 * must be asked. A class that is not in the schedule is left to people.
 *
 * payments.retry_at of a failed payment says what is to come: a time; infinity
 * if the schedule is at its end; null if nothing is to be done, or was done.
 */
CREATE FUNCTION order_payment.is_retry_schedule(schedule jsonb) RETURNS boolean
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_typeof(schedule) = 'object'
		AND (SELECT coalesce(bool_and(
					c.key IN ('hard_decline', 'soft_decline', 'not_sent', 'other') AND jsonb_typeof(c.value) = 'array'
					AND (SELECT coalesce(bool_and(
								jsonb_typeof(e.value) = 'string'
								AND e.value #>> '{}' ~ '^[0-9]{1,4} (second|minute|hour|day|week|month|year)s?$'), true)
						 FROM jsonb_array_elements(CASE jsonb_typeof(c.value) WHEN 'array' THEN c.value ELSE '[]' END) e)),
				true)
			 FROM jsonb_each(CASE jsonb_typeof(schedule) WHEN 'object' THEN schedule ELSE '{}' END) c);
END;
COMMENT ON FUNCTION order_payment.is_retry_schedule(jsonb) IS
	'true for an object of failure classes with arrays of intervals such as "5 minutes", at most 9999 units; for a CHECK constraint, so that no failure is refused for a schedule that cannot be read';

CREATE FUNCTION order_payment.next_retry(schedule jsonb, failure_class text, attempt_no integer, failed_at timestamptz)
	RETURNS timestamptz
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN jsonb_typeof(schedule -> failure_class) = 'array'
				THEN coalesce(failed_at + (schedule -> failure_class ->> (attempt_no - 1))::interval, 'infinity') END;
END;
COMMENT ON FUNCTION order_payment.next_retry(jsonb, text, integer, timestamptz) IS
	'when a payment that failed is to be tried again, by its gateway''s retry_schedule: infinity if attempt_no is beyond it, null if the schedule has no such failure class';

CREATE FUNCTION order_payment.judge_retry(payment record, gateway_is_active boolean, store name) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	state CONSTANT record := order_payment.payable(payment.order_id::text, NULL, store);
	is_replaced boolean;
BEGIN
	-- tried again, or a later payment by itself came to an end: what follows is that one's affair
	EXECUTE format(
		'SELECT EXISTS (
			SELECT FROM %I.payments p
			WHERE p.order_id = %L
			  AND (p.retry_of = $1
				   OR NOT $2 AND NOT p.split AND p.status IN (''succeeded'', ''failed'')
					  AND (p.created_at, p.payment_id) > ($3, $1)))',
		store, payment.order_id) INTO is_replaced USING payment.payment_id, payment.split, payment.created_at;
	IF is_replaced OR state.status NOT IN ('pending', 'authorized') THEN
		RETURN 'settled';
	ELSIF state.status = 'authorized' OR state.live_payment IS NOT NULL AND NOT payment.split
		OR state.room < payment.amount AND payment.amount <= state.outstanding OR NOT gateway_is_active
	THEN
		RETURN 'later';
	ELSIF payment.retry_at = 'infinity' OR payment.failure_class = 'hard_decline' OR payment.amount > state.outstanding THEN
		RETURN 'contact';
	END IF;
	RETURN 'retry';
END
$$;
COMMENT ON FUNCTION order_payment.judge_retry(record, boolean, name) IS
	'what is to be done with a failed payment whose time has come: retry, contact (the customer), later (another payment may pay the order, or the gateway is off) or nothing any more (settled). Called by due_retries()';

CREATE FUNCTION order_payment.due_retries(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS TABLE (order_id text, payment_id uuid, gateway text, attempt_no integer, failure_class text, retry_at timestamptz)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment CONSTANT timestamptz := clock_timestamp();
	is_due CONSTANT text := 'p.status = ''failed'' AND (p.retry_at <= $1 OR p.retry_at = ''infinity'')';
	n integer := 0;
	candidate record;
	payment record;
	is_active boolean;
	is_free boolean;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	FOR candidate IN EXECUTE format('SELECT p.order_id, p.payment_id FROM %I.payments p WHERE %s
									 ORDER BY p.order_id, p.payment_id', store, is_due) USING moment
	LOOP
		EXECUTE format('SELECT p.* FROM %I.payments p WHERE p.order_id = %L AND p.payment_id = $2 AND %s
						FOR NO KEY UPDATE SKIP LOCKED', store, candidate.order_id, is_due)
			INTO payment USING moment, candidate.payment_id;
		CONTINUE WHEN payment.payment_id IS NULL;
		EXECUTE format('SELECT g.active FROM %I.gateways g WHERE g.gateway = $1', store) INTO is_active USING payment.gateway;
		CASE order_payment.judge_retry(payment, is_active, store)
			WHEN 'retry' THEN
				order_id := payment.order_id;
				payment_id := payment.payment_id;
				gateway := payment.gateway;
				attempt_no := payment.attempt_no;
				failure_class := payment.failure_class;
				retry_at := payment.retry_at;
				RETURN NEXT;
				n := n + 1;
				EXIT WHEN n = batch;
			WHEN 'settled' THEN
				EXECUTE format('UPDATE %I.payments SET retry_at = NULL WHERE order_id = %L AND payment_id = $1',
							   store, payment.order_id) USING payment.payment_id;
			WHEN 'contact' THEN
				-- the event is written under the lock of the order: not waited for, it comes next time
				EXECUTE format('SELECT true FROM %I.orders o WHERE o.order_id = %L FOR NO KEY UPDATE SKIP LOCKED',
							   store, payment.order_id) INTO is_free;
				IF is_free THEN
					EXECUTE format('UPDATE %I.payments SET retry_at = NULL, contact_needed_at = $2
									WHERE order_id = %L AND payment_id = $1', store, payment.order_id)
						USING payment.payment_id, clock_timestamp();
				END IF;
			WHEN 'later' THEN
				NULL;
		END CASE;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.due_retries(integer, name) IS
	'failed payments that are to be tried again now, at most batch, by order_id. They stay locked until the transaction ends, so that nobody else gets them: call retry_payment() for each in the same transaction. Where the schedule is at its end, contact_needed_at is set, which makes the event customer_contact_needed';

/* ---------- deadlines ---------- */

CREATE FUNCTION order_payment.expire_order(order_id text, moment timestamptz, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	held integer;
	is_held boolean;
	open integer;
	blocking integer;
BEGIN
	EXECUTE format('SELECT count(*) FROM (SELECT FROM %I.payments p WHERE p.order_id = %L AND p.status <= ''unknown''
										  ORDER BY p.payment_id FOR NO KEY UPDATE SKIP LOCKED) l', store, order_id) INTO held;
	EXECUTE format('SELECT true FROM %I.orders o WHERE o.order_id = %L AND o.status = ''pending'' AND o.pay_before <= $1
					FOR NO KEY UPDATE SKIP LOCKED', store, order_id) INTO is_held USING moment;
	IF is_held IS NULL THEN
		RETURN false;
	END IF;
	-- a payment that is not seen now waits for the order, and will find it expired
	EXECUTE format('SELECT count(*) FILTER (WHERE p.status IN (''created'', ''requires_action'')),
						   count(*) FILTER (WHERE p.status IN (''processing'', ''unknown'', ''authorized''))
					FROM %I.payments p WHERE p.order_id = %L', store, order_id) INTO open, blocking;
	IF blocking > 0 OR open <> held THEN
		RETURN false;
	END IF;
	EXECUTE format('UPDATE %I.payments SET status = ''revoked''
					WHERE order_id = %L AND status IN (''created'', ''requires_action'')', store, order_id);
	EXECUTE format('UPDATE %I.orders SET status = ''expired'' WHERE order_id = %L', store, order_id);
	RETURN true;
END
$$;
COMMENT ON FUNCTION order_payment.expire_order(text, timestamptz, name) IS
	'lets one order expire, and revokes its payments that wait for the customer; false if the order or one of its live payments is held by another session, or its deadline, its status or a payment forbids it. Called by expire_orders()';

CREATE FUNCTION order_payment.expire_orders(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment CONSTANT timestamptz := clock_timestamp();
	n integer := 0;
	left_alone integer := 0;
	candidate record;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	-- the three stamps say nothing new: they are the predicate of orders_unpaid_idx
	FOR candidate IN EXECUTE format($query$

SELECT o.order_id::text AS id,
	   EXISTS (SELECT FROM %1$I.payments p WHERE p.order_id = o.order_id AND p.status = 'requires_action') AS has_action
FROM %1$I.orders o
WHERE o.pay_before <= $1 AND o.paid_at IS NULL AND o.cancelled_at IS NULL AND o.expired_at IS NULL
  AND o.status = 'pending'
  AND NOT EXISTS (SELECT FROM %1$I.payments p
				  WHERE p.order_id = o.order_id AND p.status IN ('processing', 'unknown', 'authorized'))
ORDER BY o.order_id

		$query$, store) USING moment
	LOOP
		IF NOT candidate.has_action THEN
			n := n + order_payment.expire_order(candidate.id, moment, store)::integer;
		ELSE
			-- this role may have no right to revoke what was shown to a gateway
			BEGIN
				n := n + order_payment.expire_order(candidate.id, moment, store)::integer;
			EXCEPTION WHEN SQLSTATE 'OP004' THEN
				left_alone := left_alone + 1;
			END;
		END IF;
		EXIT WHEN n = batch;
	END LOOP;
	IF left_alone > 0 THEN
		RAISE NOTICE 'orders that were left for their payments wait for an action of the customer: %', left_alone
			USING HINT = 'Let a role that records outcomes call expire_orders().';
	END IF;
	RETURN n;
END
$$;
COMMENT ON FUNCTION order_payment.expire_orders(integer, name) IS
	'lets unpaid orders expire whose pay_before has passed, at most batch, by order_id, and returns how many. Payments in created or requires_action are revoked (requires_action only by a role that records outcomes: for others such orders stay); one in processing, unknown or authorized keeps the order. Orders that another session holds are left for the next call';
