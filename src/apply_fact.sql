/* ---------- what a gateway tells becomes what is recorded ---------- */

/*
 * Facts come in any order, and more than once. So that the end is the same:
 *
 * - what is final is not moved back by what is not; between facts that are not,
 *   the later one by the gateway's clock stands. Money that came in is recorded
 *   whatever was said before;
 * - a sum is a target (gateway_fact.sql); what is under way for it is found
 *   first, and only what is missing is booked as a new row;
 * - what goes back presupposes what came: a refund is for later while nobody
 *   has told how much was captured; a chargeback that was won was lost before.
 *
 * Nothing is done, and the statement is told why, if a fact contradicts what
 * was asked for (OP017), names what is not there (OP018), or builds on what is
 * not known yet (OP019).
 *
 * Locks: the operations of the order by id (which of them a sum will move is not
 * known before), all its payments by id, the order: as all do.
 */

/* ---------- payments ---------- */

/*
 * How far a payment has come. Between statuses of one step, and back from an
 * end without money, the gateway's clock decides; money decides by itself.
 */
CREATE FUNCTION order_payment.moves_payment(status order_payment.payment_status, stood_at timestamptz,
											told order_payment.payment_status, told_at timestamptz)
	RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE
		WHEN status = told OR status = 'succeeded' THEN false
		WHEN told = 'succeeded' THEN true
		WHEN status IN ('failed', 'revoked') THEN told = 'authorized' AND coalesce(told_at > stood_at, false)
		WHEN status = 'authorized' THEN told = 'revoked' OR told = 'failed' AND coalesce(told_at > stood_at, false)
		WHEN told IN ('authorized', 'failed', 'revoked') THEN true
		WHEN told = 'unknown' THEN status IN ('processing', 'requires_action')
		WHEN told NOT IN ('processing', 'requires_action') THEN false
		WHEN status IN ('created', 'unknown') THEN true
		-- of the same moment: what the customer may have to do
		ELSE coalesce(told_at > stood_at OR told_at = stood_at AND told = 'requires_action', stood_at IS NULL)
	END;
END;
COMMENT ON FUNCTION order_payment.moves_payment(order_payment.payment_status, timestamptz, order_payment.payment_status, timestamptz) IS
	'does what a gateway tells of a payment move it, given when (by the gateway''s clock) it came to where it stands? For apply_fact()';

/*
 * A sum that was captured: captures that are under way first, then one more row
 * for what is missing. What a final capture leaves of an authorisation is void.
 */
CREATE FUNCTION order_payment.reach_captured(payment record, fact order_payment.gateway_fact, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	missing numeric := fact.captured - payment.captured_amount;
	capture record;
BEGIN
	FOR capture IN EXECUTE format(
		'SELECT r.operation_id, r.amount FROM %I.payment_operations r
		 WHERE r.order_id = %L AND r.payment_id = $1 AND r.kind = ''capture'' AND r.status IN (''processing'', ''unknown'')
		 ORDER BY r.created_at, r.operation_id', store, payment.order_id) USING payment.payment_id
	LOOP
		CONTINUE WHEN capture.amount > missing;
		EXECUTE format('UPDATE %I.payment_operations SET status = ''succeeded'', occurred_at = coalesce($2, occurred_at)
						WHERE order_id = %L AND operation_id = $1', store, payment.order_id)
			USING capture.operation_id, fact.occurred_at;
		missing := missing - capture.amount;
	END LOOP;
	IF missing > 0 THEN
		EXECUTE format('INSERT INTO %I.payment_operations (order_id, payment_id, kind, amount, status, reason, occurred_at)
						VALUES (%L, $1, ''capture'', $2, ''succeeded'', ''captured at the gateway'', $3)', store, payment.order_id)
			USING payment.payment_id, missing, fact.occurred_at;
	END IF;
	-- the rest, if any: a payment whose authorisation is used up has succeeded by itself
	EXECUTE format('INSERT INTO %1$I.payment_operations (order_id, payment_id, kind, status, reason, occurred_at)
					SELECT p.order_id, p.payment_id, ''void'', ''succeeded'', ''released by the gateway'', $2
					FROM %1$I.payments p
					WHERE p.order_id = %2$L AND p.payment_id = $1 AND p.status = ''authorized'' AND p.capture_pending_amount = 0',
				   store, payment.order_id) USING payment.payment_id, fact.occurred_at;
	EXECUTE format('UPDATE %I.payments SET occurred_at = $2 WHERE order_id = %L AND payment_id = $1', store, payment.order_id)
		USING payment.payment_id, coalesce(fact.occurred_at, payment.occurred_at);
END
$$;
COMMENT ON FUNCTION order_payment.reach_captured(record, order_payment.gateway_fact, name) IS
	'books what is missing of a sum that a gateway has captured of an authorised payment, and the void of the rest. For apply_fact()';

CREATE FUNCTION order_payment.move_payment(payment record, status text, fact order_payment.gateway_fact, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- an end leaves nothing to do, and money leaves no failure
	EXECUTE format(
		'UPDATE %I.payments
		 SET status = $2::order_payment.payment_status, gateway_reference = coalesce(gateway_reference, $3),
			 occurred_at = coalesce($4, occurred_at), capture_before = coalesce($5, capture_before),
			 next_action = CASE WHEN $2 = ''requires_action'' THEN coalesce($6, next_action) END,
			 failure_class = $7, failure_code = left($8, 255), failure_message = left($9, 500)
		 WHERE order_id = %L AND payment_id = $1', store, payment.order_id)
		USING payment.payment_id, status, CASE WHEN fact.entity = 'payment' THEN fact.reference END, fact.occurred_at,
			  fact.capture_before, fact.next_action, fact.failure_class, fact.failure_code, fact.failure_message;
END
$$;
COMMENT ON FUNCTION order_payment.move_payment(record, text, order_payment.gateway_fact, name) IS
	'writes to a payment what a gateway tells. For apply_fact()';

CREATE FUNCTION order_payment.void_under_way(payment record, store name) RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	void_id uuid;
BEGIN
	EXECUTE format('SELECT r.operation_id FROM %I.payment_operations r
					WHERE r.order_id = %L AND r.payment_id = $1 AND r.kind = ''void'' AND r.status IN (''processing'', ''unknown'')
					ORDER BY r.created_at LIMIT 1', store, payment.order_id) INTO void_id USING payment.payment_id;
	RETURN void_id;
END
$$;
COMMENT ON FUNCTION order_payment.void_under_way(record, name) IS 'the void that was asked for of a payment. For apply_fact()';

/* Known already; what was said of it in between is past. */
CREATE FUNCTION order_payment.confirm_success(payment record, fact order_payment.gateway_fact, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF payment.failure_code IS NULL AND (payment.occurred_at IS NOT NULL OR fact.occurred_at IS NULL) THEN
		RETURN false;
	END IF;
	PERFORM order_payment.move_payment(payment, 'succeeded', fact, store);
	RETURN true;
END
$$;
COMMENT ON FUNCTION order_payment.confirm_success(record, order_payment.gateway_fact, name) IS
	'writes when a payment succeeded, and that it did not fail, if it is known to have succeeded without that; false if there is nothing to write. For apply_fact()';

CREATE FUNCTION order_payment.apply_payment_fact(payment record, fact order_payment.gateway_fact, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- an authorisation that failed afterwards is let go
	told CONSTANT order_payment.payment_status :=
		CASE WHEN payment.status = 'authorized' AND fact.status = 'failed' AND fact.occurred_at > payment.occurred_at THEN 'revoked' ELSE fact.status END;
	is_part CONSTANT boolean := fact.captured < payment.amount;
	void_id uuid;
	changed boolean := false;
BEGIN
	IF fact.reference IS NOT NULL AND payment.gateway_reference IS NULL THEN
		EXECUTE format('UPDATE %I.payments SET gateway_reference = $2 WHERE order_id = %L AND payment_id = $1', store, payment.order_id)
			USING payment.payment_id, fact.reference;
		changed := true;
	END IF;
	IF fact.fee <> payment.fee AND NOT payment.fee_final THEN
		EXECUTE format('UPDATE %I.payments SET fee = $2 WHERE order_id = %L AND payment_id = $1', store, payment.order_id)
			USING payment.payment_id, fact.fee;
		changed := true;
	END IF;
	IF fact.refunded > payment.refunded_amount THEN
		RAISE EXCEPTION 'a gateway tells of refunds by their sum, before it tells of each'
			USING ERRCODE = 'OP019', HINT = 'Let it send its notifications of refunds as well.';
	ELSIF told = 'succeeded' AND payment.status = 'succeeded' THEN
		RETURN order_payment.confirm_success(payment, fact, store) OR changed;
	ELSIF told = 'requires_action' AND payment.status = told
		  AND (fact.occurred_at > coalesce(payment.occurred_at, '-infinity')
			   OR fact.occurred_at = payment.occurred_at AND fact.failure_code IS NOT NULL AND payment.failure_code IS NULL)
	THEN
		PERFORM order_payment.move_payment(payment, told::text, fact, store);  -- declined, and to be tried once more
		RETURN true;
	ELSIF told IS NULL OR NOT order_payment.moves_payment(payment.status, payment.occurred_at, told, fact.occurred_at) THEN
		RETURN changed;
	END IF;

	IF told = 'succeeded' AND (payment.status = 'authorized' AND fact.captured IS NOT NULL OR is_part) THEN
		IF payment.status <> 'authorized' THEN
			PERFORM order_payment.move_payment(payment, 'authorized', fact, store);
		END IF;
		PERFORM order_payment.reach_captured(payment, fact, store);
	ELSE
		void_id := CASE WHEN told = 'revoked' AND payment.status = 'authorized' THEN order_payment.void_under_way(payment, store) END;
		IF void_id IS NOT NULL THEN
			EXECUTE format('UPDATE %I.payment_operations SET status = ''succeeded'', occurred_at = coalesce($2, occurred_at)
							WHERE order_id = %L AND operation_id = $1', store, payment.order_id) USING void_id, fact.occurred_at;
		ELSE
			PERFORM order_payment.move_payment(payment, told::text, fact, store);
		END IF;
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION order_payment.apply_payment_fact(record, order_payment.gateway_fact, name) IS
	'applies a fact of a payment, which is locked; false if it changes nothing. For apply_fact()';

/* ---------- operations ---------- */

/*
 * Steps, for what comes late may have happened before what is known: money went
 * and came back, and both are told, in any order. Of the same moment, or where
 * no time is told, what came last is the later one.
 */
CREATE FUNCTION order_payment.operation_steps(status order_payment.operation_status, stood_at timestamptz,
											  told order_payment.operation_status, told_at timestamptz)
	RETURNS order_payment.operation_status[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT (CASE
		WHEN status = told OR status = 'reversed' THEN '{}'
		WHEN told = 'reversed' THEN CASE WHEN status = 'succeeded' THEN '{reversed}' ELSE '{succeeded,reversed}' END
		WHEN status = 'succeeded' THEN
			CASE WHEN told IN ('failed', 'cancelled') AND coalesce(told_at >= stood_at, true) THEN '{reversed}' ELSE '{}' END
		WHEN told = 'succeeded' THEN CASE WHEN status = 'failed' AND told_at < stood_at THEN '{succeeded,reversed}' ELSE '{succeeded}' END
		WHEN status IN ('failed', 'cancelled') THEN '{}'
		WHEN told IN ('failed', 'cancelled') THEN '{failed}'
		WHEN told = 'unknown' THEN CASE WHEN status <> 'unknown' THEN '{unknown}' ELSE '{}' END
		WHEN told = 'processing' THEN CASE WHEN status IN ('requested', 'unknown') THEN '{processing}' ELSE '{}' END
		ELSE '{}'
	END)::order_payment.operation_status[];
END;
COMMENT ON FUNCTION order_payment.operation_steps(order_payment.operation_status, timestamptz, order_payment.operation_status, timestamptz) IS
	'where an operation goes by what a gateway tells, and by what it told before. What failed after it had succeeded is reversed, in whatever order that is told; what is told to be reversed succeeds first. For apply_fact()';

/* On its own row; what was made at the gateway is tried again there, or not. */
CREATE FUNCTION order_payment.operation_retry(schedule jsonb, failure_class order_payment.failure_class, attempt_no integer)
	RETURNS timestamptz
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT nullif(order_payment.next_retry(schedule, failure_class::text, attempt_no, clock_timestamp()), 'infinity');
END;
COMMENT ON FUNCTION order_payment.operation_retry(jsonb, order_payment.failure_class, integer) IS
	'when an operation that failed now is to be sent again, by its gateway''s retry_schedule; null: never, it is for people. For apply_fact() and settle_request()';

CREATE FUNCTION order_payment.move_operation(payment record, operation record, fact order_payment.gateway_fact, store name)
	RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	steps CONSTANT order_payment.operation_status[] := order_payment.operation_steps(
		operation.status, operation.occurred_at, fact.status::order_payment.operation_status, fact.occurred_at);
	step order_payment.operation_status;
	-- the failure that is known was told of the later moment
	keeps CONSTANT boolean := operation.status = 'failed' AND fact.status = 'succeeded';
	tells boolean;
	schedule jsonb;
BEGIN
	EXECUTE format('SELECT g.retry_schedule FROM %1$I.payments p JOIN %1$I.gateways g ON g.gateway = p.gateway
					WHERE p.order_id = %2$L AND p.payment_id = $1', store, payment.order_id) INTO schedule USING payment.payment_id;
	FOREACH step IN ARRAY steps LOOP
		tells := NOT (keeps AND step = 'reversed');
		EXECUTE format(
			'UPDATE %I.payment_operations
			 SET status = $2, gateway_reference = coalesce($3, gateway_reference), occurred_at = coalesce($4, occurred_at),
				 fee = coalesce($5, fee), failure_class = $6, failure_code = left($7, 255), failure_message = left($8, 500),
				 retry_at = CASE WHEN $2 = ''failed'' AND requested_at IS NOT NULL THEN order_payment.operation_retry($9, $6, attempt_no) END
			 WHERE order_id = %L AND operation_id = $1', store, payment.order_id)
			USING operation.operation_id, step, fact.reference, CASE WHEN tells THEN fact.occurred_at ELSE operation.occurred_at END,
				  fact.fee, CASE WHEN tells THEN fact.failure_class ELSE operation.failure_class END,
				  CASE WHEN tells THEN fact.failure_code ELSE operation.failure_code END,
				  CASE WHEN tells THEN fact.failure_message ELSE operation.failure_message END, schedule;
	END LOOP;
	IF cardinality(steps) = 0 AND operation.gateway_reference IS NULL AND fact.reference IS NOT NULL THEN
		EXECUTE format('UPDATE %I.payment_operations SET gateway_reference = $2 WHERE order_id = %L AND operation_id = $1',
					   store, payment.order_id) USING operation.operation_id, fact.reference;
		RETURN true;
	END IF;
	RETURN cardinality(steps) > 0;
END
$$;
COMMENT ON FUNCTION order_payment.move_operation(record, record, order_payment.gateway_fact, name) IS
	'writes to an operation what a gateway tells, step by step; false if that changes nothing. For apply_fact()';

/*
 * One that was made at the gateway, by somebody who has access there, or by the
 * customer's bank. Told by a sum, its amount is what is missing; while refunds
 * of ours are under way nobody can say whose the sum is.
 */
CREATE FUNCTION order_payment.add_told_operation(payment record, fact order_payment.gateway_fact, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	amount CONSTANT numeric := coalesce(fact.amount, fact.refunded - payment.refunded_amount);
	born CONSTANT text := CASE WHEN fact.status IN ('succeeded', 'reversed') THEN 'succeeded' ELSE 'processing' END;
	operation record;
BEGIN
	IF fact.reference IS NULL THEN
		PERFORM order_payment.refuse_fact('OP018', 'a gateway tells of an operation that is not known', fact.number, NULL);
	ELSIF fact.amount IS NULL AND payment.refund_pending_amount > 0 THEN
		RAISE EXCEPTION 'a gateway tells of refunds by their sum, while others are under way'
			USING ERRCODE = 'OP019', HINT = 'It is applied when they have come to an end.';
	ELSIF amount <= 0 OR fact.entity = 'capture' AND payment.status = 'succeeded' OR fact.entity = 'void' AND payment.status <> 'authorized' THEN
		RETURN false;  -- the sum has been told
	END IF;
	EXECUTE format('INSERT INTO %I.payment_operations AS r (order_id, payment_id, kind, amount, status, reason, gateway_reference, occurred_at)
					VALUES (%L, $1, $2, $3, $4::order_payment.operation_status, ''made at the gateway'', $5, $6)
					RETURNING r.operation_id, r.status, r.occurred_at, r.gateway_reference, r.failure_class, r.failure_code, r.failure_message',
				   store, payment.order_id)
		INTO operation USING payment.payment_id, fact.entity, amount, born, fact.reference, fact.occurred_at;
	IF fact.status <> born THEN
		PERFORM order_payment.move_operation(payment, operation, fact, store);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION order_payment.add_told_operation(record, order_payment.gateway_fact, name) IS
	'records a refund, chargeback, capture or void that was not made by us. For apply_fact()';

/* ---------- one fact ---------- */

/*
 * By our number, else by the gateway's reference; else a capture is the one that
 * was booked without a reference, when its sum was told first.
 */
CREATE FUNCTION order_payment.find_told_operation(payment record, operation_id uuid, fact order_payment.gateway_fact, store name) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	operation record;
BEGIN
	EXECUTE format('SELECT r.operation_id, r.kind, r.status, r.amount, r.gateway_reference, r.occurred_at,
						   r.failure_class, r.failure_code, r.failure_message,
						   EXISTS (SELECT FROM %1$I.payment_operations o
								   WHERE o.order_id = r.order_id AND o.payment_id = r.payment_id AND o.kind = r.kind
									 AND o.operation_id <> r.operation_id AND o.gateway_reference = $4) AS named_other
					FROM %1$I.payment_operations r
					WHERE r.order_id = %2$L AND r.payment_id = $2 AND r.kind = $3
					  AND CASE WHEN $1 IS NOT NULL THEN r.operation_id = $1
							   ELSE r.gateway_reference = $4
									OR r.gateway_reference IS NULL AND r.kind = ''capture'' AND r.amount = $5 AND r.reason = ''captured at the gateway'' END
					ORDER BY r.gateway_reference NULLS LAST, r.operation_id LIMIT 1', store, payment.order_id)
		INTO operation USING operation_id, payment.payment_id, fact.entity, fact.reference, fact.amount;
	RETURN operation;
END
$$;
COMMENT ON FUNCTION order_payment.find_told_operation(record, uuid, order_payment.gateway_fact, name) IS
	'the operation that a fact tells of; null if it is not known. For apply_fact()';

CREATE FUNCTION order_payment.apply_fact(gateway text, fact order_payment.gateway_fact,
										 store name DEFAULT order_payment.current_store(),
										 OUT changed boolean, OUT order_id text, OUT payment_id uuid, OUT operation_id uuid)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found record;
	own record;
	payment record;
	operation record;
BEGIN
	PERFORM order_payment.require_store(store);
	found := order_payment.find_told_payment(gateway, fact, store);
	order_id := found.order_id;
	payment_id := found.payment_id;
	EXECUTE format('SELECT g.app_id, g.merchant_id FROM %I.gateways g WHERE g.gateway = $1', store) INTO own USING gateway;

	EXECUTE format('SELECT FROM %I.payment_operations r WHERE r.order_id = %L ORDER BY r.operation_id FOR NO KEY UPDATE', store, order_id);
	EXECUTE format('SELECT FROM %I.payments p WHERE p.order_id = %L ORDER BY p.payment_id FOR NO KEY UPDATE', store, order_id);
	EXECUTE format('SELECT p.order_id::text, p.payment_id, p.status, p.amount, p.currency, p.gateway_reference, p.authorized_amount,
						   p.captured_amount, p.refund_pending_amount, p.refunded_amount, p.fee, p.fee_final, p.occurred_at, p.failure_code
					FROM %I.payments p WHERE p.order_id = %L AND p.payment_id = $1', store, order_id)
		INTO payment USING payment_id;
	operation := order_payment.find_told_operation(payment, found.operation_id, fact, store);
	operation_id := operation.operation_id;

	PERFORM order_payment.compare_with_payment(fact, own, payment);
	IF fact.entity IN ('refund', 'chargeback') AND payment.captured_amount = 0 THEN
		RAISE EXCEPTION 'a gateway tells of a % before it tells how much was captured', fact.entity
			USING ERRCODE = 'OP019', HINT = 'It is applied when that is told.';
	ELSIF fact.entity IN ('capture', 'void') AND payment.status < 'authorized' THEN
		RAISE EXCEPTION 'a gateway tells of a % before it tells of the authorisation', fact.entity
			USING ERRCODE = 'OP019', HINT = 'It is applied when that is told.';
	END IF;
	IF fact.entity = 'payment' THEN
		changed := order_payment.apply_payment_fact(payment, fact, store);
	ELSIF operation_id IS NOT NULL THEN
		PERFORM order_payment.compare_with_operation(fact, operation);
		changed := order_payment.move_operation(payment, operation, fact, store);
	ELSE
		changed := order_payment.add_told_operation(payment, fact, store);
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.apply_fact(text, order_payment.gateway_fact, name) IS
	'records what a gateway tells of a payment or operation, by the same triggers as everybody; changed is false if it changes nothing. OP017 if it contradicts what was asked for, OP018 if it names nothing that is known, OP019 if it builds on what is not known yet. For roles that may record outcomes; called by apply_notification() and settle_request()';
