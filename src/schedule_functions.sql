/* ---------- functions on a store: what time brings ---------- */

/*
 * Failed payments are tried again, unpaid orders expire. Batch functions go by
 * order_id, leave alone what another session holds, and judge each row once
 * more under its locks, which they take as all do: payments by id, then their
 * order. They are meant for READ COMMITTED: above it 40001 ends the whole batch.
 * What cannot be done for one order, as when a trigger of its owner's forbids it,
 * is a WARNING, and the others go on.
 */
CREATE FUNCTION order_payment.require_batch(batch integer) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
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

CREATE FUNCTION order_payment.told_lately(what text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_told_lately'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.told_lately(text) IS
	'whether this background worker has asked the same of a text in the last hour; false in any other session. For leave_order()';

CREATE FUNCTION order_payment.leave_order(order_id text, code text, message text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- these are not about the order, but the moment, the transaction, or who calls
	IF order_payment.is_transient(code) OR code IN ('42501', 'OP004') OR left(code, 2) = '25' THEN
		RETURN false;
	END IF;
	IF NOT order_payment.told_lately(concat_ws(' ', order_id, message)) THEN
		RAISE WARNING 'order % is left as it is: %', order_id, message USING ERRCODE = code;
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION order_payment.leave_order(text, text, text) IS
	'warns of an error that concerns one order alone, so that the rest of a batch goes on; false if it is to be raised. For batch functions';

/* ---------- retries by schedule ---------- */

/*
 * gateways.retry_schedule: by failure class, how long after the first, second
 * ... failed attempt a payment is tried again. After the last one the customer
 * must be asked. A class that is not in the schedule is left to people.
 *
 * payments.retry_at of a failed payment says what is to come: a time; infinity
 * if the schedule is at its end; null if nothing is to be done, or was done.
 */
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

CREATE FUNCTION order_payment.judge_retry(payment record, gateway_is_active boolean, given_out numeric, store name)
	RETURNS text
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
	ELSIF state.status = 'authorized' OR NOT gateway_is_active
		OR (state.live_payment IS NOT NULL OR given_out > 0) AND NOT payment.split
		OR state.room - given_out < payment.amount AND payment.amount <= state.outstanding
	THEN
		RETURN 'later';
	ELSIF payment.retry_at = 'infinity' OR payment.failure_class = 'hard_decline' OR payment.amount > state.outstanding THEN
		RETURN 'contact';
	END IF;
	RETURN 'retry';
END
$$;
COMMENT ON FUNCTION order_payment.judge_retry(record, boolean, numeric, name) IS
	'what is to be done with a failed payment whose time has come, if retries of given_out are to be made for the order already: retry, contact (the customer), later (another payment may pay the order, or the gateway is off) or nothing any more (settled). Called by due_retries()';

CREATE FUNCTION order_payment.end_retries(payment record, verdict text, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_free boolean;
	code text;
BEGIN
	IF verdict = 'settled' THEN
		EXECUTE format('UPDATE %I.payments SET retry_at = NULL WHERE order_id = %L AND payment_id = $1', store, payment.order_id)
			USING payment.payment_id;
	ELSIF verdict = 'contact' THEN
		-- the event is written under the lock of the order: not waited for, it comes next time
		EXECUTE format('SELECT true FROM %I.orders o WHERE o.order_id = %L FOR NO KEY UPDATE SKIP LOCKED', store, payment.order_id)
			INTO is_free;
		IF is_free THEN
			EXECUTE format('UPDATE %I.payments SET retry_at = NULL, contact_needed_at = $2 WHERE order_id = %L AND payment_id = $1',
						   store, payment.order_id) USING payment.payment_id, clock_timestamp();
		END IF;
	END IF;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
	IF NOT order_payment.leave_order(payment.order_id::text, code, sqlerrm) THEN
		RAISE;
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.end_retries(record, text, name) IS
	'notes of a failed payment that it is tried no more: settled, or contact (the customer). Called by due_retries()';

CREATE FUNCTION order_payment.due_retries(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS TABLE (order_id text, payment_id uuid, gateway text, attempt_no integer, failure_class text, retry_at timestamptz)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment CONSTANT timestamptz := clock_timestamp();
	is_due CONSTANT text := 'p.status = ''failed'' AND (p.retry_at <= $1 OR p.retry_at = ''infinity'')';
	n integer := 0;
	given_out numeric := 0;
	candidate record;
	payment record;
	is_active boolean;
	verdict text;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	FOR candidate IN EXECUTE format('SELECT p.order_id, p.payment_id FROM %I.payments p WHERE %s
									 ORDER BY p.order_id, p.payment_id', store, is_due) USING moment
	LOOP
		EXECUTE format('SELECT p.order_id, p.payment_id, p.gateway, p.amount, p.split, p.attempt_no, p.failure_class, p.retry_at, p.created_at
						FROM %I.payments p WHERE p.order_id = %L AND p.payment_id = $2 AND %s
						FOR NO KEY UPDATE SKIP LOCKED', store, candidate.order_id, is_due)
			INTO payment USING moment, candidate.payment_id;
		CONTINUE WHEN payment.payment_id IS NULL;
		EXECUTE format('SELECT g.active FROM %I.gateways g WHERE g.gateway = $1', store) INTO is_active USING payment.gateway;
		IF order_id IS DISTINCT FROM payment.order_id::text THEN
			given_out := 0;
		END IF;
		verdict := order_payment.judge_retry(payment, is_active, given_out, store);
		IF verdict = 'retry' THEN
			order_id := payment.order_id;
			payment_id := payment.payment_id;
			gateway := payment.gateway;
			attempt_no := payment.attempt_no;
			failure_class := payment.failure_class;
			retry_at := payment.retry_at;
			RETURN NEXT;
			given_out := given_out + payment.amount;
			n := n + 1;
			EXIT WHEN n = batch;
		ELSIF verdict IN ('settled', 'contact') THEN
			PERFORM order_payment.end_retries(payment, verdict, store);
		END IF;
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
	code text;
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
		BEGIN
			n := n + order_payment.expire_order(candidate.id, moment, store)::integer;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
			IF code = 'OP004' AND candidate.has_action THEN
				-- this role has no right to revoke what was shown to a gateway
				left_alone := left_alone + 1;
			ELSIF NOT order_payment.leave_order(candidate.id, code, sqlerrm) THEN
				RAISE;
			END IF;
		END;
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
