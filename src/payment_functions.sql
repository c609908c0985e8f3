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

CREATE FUNCTION order_payment.require_request_key(request_key text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
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
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF amount <= 0 OR NOT order_payment.is_amount(amount, currency) THEN
		-- the figure is not shown: it may be a card number that was bound to the wrong parameter
		RAISE EXCEPTION 'the amount is none of % to be asked for', currency
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
											o.charged_back_amount, o.refund_due_amount, o.paid_at IS NOT NULL) AS outstanding) s
CROSS JOIN LATERAL (
	SELECT coalesce(sum(p.amount) FILTER (WHERE p.status <= 'unknown'), 0) AS asked,
		   coalesce(sum(greatest(0, p.authorized_amount - p.captured_amount)) FILTER (
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
		PERFORM order_payment.currency_exponent(currency);  -- raises if it is none, and does not show it
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
	'returns if the order, by what payable() says of it, can have one more payment of this amount (null: all that is left), else raises OP006, OP005, 23514, 22023 or P0002. Called by create_payment() and retry_payment()';

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

CREATE FUNCTION order_payment.wants_password(gateway text, method text, store name) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted boolean;
BEGIN
	EXECUTE format('SELECT ''*'' = ANY (g.password_methods) OR $2 = ANY (g.password_methods) FROM %I.gateways g WHERE g.gateway = $1', store)
		INTO wanted USING gateway, method;
	RETURN coalesce(wanted, false);
END
$$;
COMMENT ON FUNCTION order_payment.wants_password(text, text, name) IS
	'does a payment by that gateway and method (null: not known yet) take the customer''s payment password, by gateways.password_methods? Called by create_payment()';

/*
 * What was read before the INSERT may have changed until the new row holds the
 * lock of its order: then the row is taken back by the subtransaction, and all
 * is judged anew. Above READ COMMITTED nothing that was read can change: the
 * INSERT or its effect raises 40001 instead.
 */
CREATE FUNCTION order_payment.add_payment(order_id text, request jsonb, request_key text, request_hash text, store name,
										  payment_password text DEFAULT NULL)
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
										expires_at timestamptz, retry_of uuid, attempt_no integer,
										card_number text, card_holder text, card_expiry text);
	FOR i IN 1 .. tries LOOP
		-- the key last: when the state was read that may forbid the payment, no payment had the key
		state := order_payment.payable(order_id, NULL, store);
		result := order_payment.find_payment(order_id, request_key, request_hash, store);
		IF result.payment_id IS NOT NULL THEN
			RETURN result;
		END IF;
		PERFORM order_payment.require_payable(order_id, state, asked.amount, asked.currency, asked.split);
		PERFORM order_payment.require_gateway(asked.gateway, store);
		IF asked.retry_of IS NULL AND order_payment.wants_password(asked.gateway, asked.method, store) THEN
			-- an admission stands until it is used: the password is checked once, however often this is tried
			PERFORM order_payment.admit_payment(order_id, asked.gateway, asked.method, payment_password, store);
		END IF;
		BEGIN
			-- a retry takes over the options and the card of what is tried again; the trigger of cards binds it to the new row
			EXECUTE format(
				'INSERT INTO %1$I.payments AS p (order_id, gateway, method, amount, currency, split, expires_at, retry_of,
												 attempt_no, request_key, request_hash, card_number, card_holder, card_expiry,
												 card_number_sealed, card_holder_sealed, card_expiry_sealed, request_options)
				 SELECT %2$L, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
						coalesce($11, CASE WHEN c.card_number_sealed IS NOT NULL THEN c.card_number END),
						coalesce($12, CASE WHEN c.card_holder_sealed IS NOT NULL THEN c.card_holder END),
						coalesce($13, CASE WHEN c.card_expiry_sealed IS NOT NULL THEN c.card_expiry END),
						c.card_number_sealed, c.card_holder_sealed, c.card_expiry_sealed, c.request_options
				 FROM (SELECT) AS one LEFT JOIN %1$I.payments c ON c.order_id = %2$L AND c.payment_id = $7
				 ON CONFLICT DO NOTHING
				 RETURNING p.order_id::text, p.payment_id, replace(p.payment_id::text, ''-'', ''''), p.gateway, p.method,
						   p.amount, p.currency, p.status, p.attempt_no, false', store, order_id)
				INTO result
				USING asked.gateway, asked.method, coalesce(asked.amount, state.room), asked.currency, asked.split,
					  asked.expires_at, asked.retry_of, asked.attempt_no, request_key, request_hash,
					  asked.card_number, asked.card_holder, asked.card_expiry;
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
COMMENT ON FUNCTION order_payment.add_payment(text, jsonb, text, text, name, text) IS
	'inserts a payment (amount null: all that is left to pay), if need be by the payment password of the customer, or finds the one that an earlier request with the key made. Called by create_payment() and retry_payment()';

/* ---------- the first attempt and further ones ---------- */

/*
 * What tells one card from another in request_hash, which is stored: no digest
 * of a card number may be, unless it is keyed, for all numbers can be tried.
 */
CREATE FUNCTION order_payment.card_in_request(card_number text) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN starts_with(card_number, 'ops1.') THEN 'sealed outside'
				ELSE order_payment.card_mask(card_number) END;
END;
COMMENT ON FUNCTION order_payment.card_in_request(text) IS
	'what of a card is part of a request, for its request_key: the mask of its number. Called by create_payment()';

CREATE FUNCTION order_payment.create_payment(
		order_id text,
		gateway text,
		amount numeric DEFAULT NULL,
		method text DEFAULT NULL,
		request_key text DEFAULT NULL,
		currency text DEFAULT NULL,
		split boolean DEFAULT false,
		expires_at timestamptz DEFAULT NULL,
		store name DEFAULT order_payment.current_store(),
		card_number text DEFAULT NULL,
		card_holder text DEFAULT NULL,
		card_expiry text DEFAULT NULL,
		payment_password text DEFAULT NULL)
	RETURNS order_payment.requested_payment
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	request CONSTANT jsonb := jsonb_build_object('request', 'payment', 'gateway', gateway, 'amount', amount,
												 'method', method, 'currency', currency, 'split', split,
												 'card', order_payment.card_in_request(card_number));
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_request_key(request_key);
	IF order_id IS NULL OR gateway IS NULL OR split IS NULL THEN
		RAISE EXCEPTION 'order_id, gateway and split may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	-- a deadline is no part of the request: who repeats it counts it anew
	RETURN order_payment.add_payment(
		order_id, request || jsonb_build_object('attempt_no', 1, 'expires_at', expires_at, 'card_number', card_number,
												'card_holder', card_holder, 'card_expiry', card_expiry), request_key,
		CASE WHEN request_key IS NOT NULL THEN order_payment.request_hash(request) END, store, payment_password);
END
$$;
COMMENT ON FUNCTION order_payment.create_payment(text, text, numeric, text, text, text, boolean, timestamptz, name, text, text, text, text) IS
	'makes a payment of an order, in status created, with a card if one is given: of all that is left to pay unless an amount is given. The same request_key with the same request returns the first payment, whatever became of it (is_replay), with another request OP002. OP006 if the order is dead, has nothing left to pay, or has a payment under way (unless split); OP005 if it has less left; P0002 if it does not exist; 23503 or 22023 for a gateway that is unknown or not active; OP015 if the gateway takes the customer''s payment password for the method, and payment_password is wrong, missing, or locked. A replay asks for none';

CREATE FUNCTION order_payment.create_payment(
		order_id anynonarray,
		gateway text,
		amount numeric DEFAULT NULL,
		method text DEFAULT NULL,
		request_key text DEFAULT NULL,
		currency text DEFAULT NULL,
		split boolean DEFAULT false,
		expires_at timestamptz DEFAULT NULL,
		store name DEFAULT order_payment.current_store(),
		card_number text DEFAULT NULL,
		card_holder text DEFAULT NULL,
		card_expiry text DEFAULT NULL,
		payment_password text DEFAULT NULL)
	RETURNS order_payment.requested_payment
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT order_payment.create_payment($1::text, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
$$;
COMMENT ON FUNCTION order_payment.create_payment(anynonarray, text, numeric, text, text, text, boolean, timestamptz, name, text, text, text, text) IS
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
	-- no column more than is wanted: a role need not read fingerprints of cards
	EXECUTE format('SELECT p.order_id, p.payment_id, p.status, p.gateway, p.method,
						   p.amount, p.currency, p.split, p.attempt_no, p.failure_class, p.retry_at
					FROM %I.payments p WHERE p.payment_id = $1 FOR NO KEY UPDATE', store)
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
