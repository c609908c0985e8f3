/* ---------- which payment a gateway tells of, and whether it may ---------- */

/*
 * A fact names its payment by our number, by the gateway's reference, or by both,
 * and then both must be of the same. What else it tells must be what was asked
 * for; what it does not tell is not compared (but see require_sound_event()).
 */

CREATE FUNCTION order_payment.refuse_fact(sqlstate_ text, problem text, told text, ours text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION '%', problem
		USING ERRCODE = sqlstate_,
			  DETAIL = format('The gateway tells %s; here it is %s.', coalesce(nullif(told, ''), 'none'), coalesce(ours, 'none')),
			  HINT = 'Nothing was changed. Look into it with the gateway; replay_notification() applies a notification anew.';
END
$$;
COMMENT ON FUNCTION order_payment.refuse_fact(text, text, text, text) IS
	'raises what is wrong with a fact. For apply_fact()';

CREATE FUNCTION order_payment.find_told_payment(gateway text, fact order_payment.gateway_fact, store name,
												OUT order_id text, OUT payment_id uuid, OUT operation_id uuid)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_payment CONSTANT boolean := fact.entity = 'payment';
	number CONSTANT text := CASE WHEN is_payment THEN fact.number ELSE fact.payment_number END;
	reference CONSTANT text := CASE WHEN is_payment THEN fact.reference ELSE fact.payment_reference END;
	kind text;
	owner text;
	named uuid[];
BEGIN
	IF NOT is_payment AND order_payment.number_id(fact.number) IS NOT NULL THEN
		EXECUTE format('SELECT r.order_id::text, r.payment_id, r.operation_id, r.kind
						FROM %I.payment_operations r WHERE r.operation_id = $1', store)
			INTO order_id, payment_id, operation_id, kind USING order_payment.number_id(fact.number);
		IF kind <> fact.entity THEN
			PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of another kind of operation', fact.entity, kind);
		END IF;
	END IF;
	IF payment_id IS NULL THEN
		EXECUTE format('SELECT p.order_id::text, p.payment_id FROM %I.payments p WHERE p.payment_id = $1', store)
			INTO order_id, payment_id USING order_payment.number_id(number);
	END IF;
	IF payment_id IS NULL AND reference IS NOT NULL THEN
		EXECUTE format('SELECT p.order_id::text, p.payment_id FROM %I.payments p
						WHERE p.gateway = $1 AND p.gateway_reference = $2', store)
			INTO order_id, payment_id USING gateway, reference;  -- if there are several, it is refused below
	END IF;
	IF payment_id IS NULL THEN
		RAISE EXCEPTION 'a gateway tells of a payment that is not known'
			USING ERRCODE = CASE WHEN number IS NULL AND reference IS NOT NULL THEN 'OP019' ELSE 'OP018' END,
				  DETAIL = CASE WHEN number IS NULL AND reference IS NOT NULL
								THEN 'It names its own reference only, which may become known later.'
								ELSE 'No payment has the number or the reference that it names.' END,
				  HINT = 'If the money is ours, adopt_payment() records it for an order.';
	END IF;
	EXECUTE format('SELECT p.gateway, ARRAY(SELECT n.payment_id FROM %1$I.payments n WHERE n.gateway = $2 AND n.gateway_reference = $3 ORDER BY 1)
					FROM %1$I.payments p WHERE p.order_id = %2$L AND p.payment_id = $1', store, order_id)
		INTO owner, named USING payment_id, gateway, reference;
	IF owner <> gateway THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of a payment of another gateway', gateway, owner);
	ELSIF named <> ARRAY[payment_id] AND named <> '{}' THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway names a payment by the reference of another', reference, array_to_string(named, ', '));
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.find_told_payment(text, order_payment.gateway_fact, name) IS
	'the payment, and the operation if it has our number, that a fact tells of; OP018 if there is none, OP019 if it may become known, OP017 if it is another gateway''s or another kind. For apply_fact()';

CREATE FUNCTION order_payment.compare_with_payment(fact order_payment.gateway_fact, own record, payment record) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_payment CONSTANT boolean := fact.entity = 'payment';
	told_number CONSTANT text := CASE WHEN is_payment THEN fact.number ELSE fact.payment_number END;
	told_reference CONSTANT text := CASE WHEN is_payment THEN fact.reference ELSE fact.payment_reference END;
	number CONSTANT text := replace(payment.payment_id::text, '-', '');
BEGIN
	IF fact.app_id <> own.app_id THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of another app', fact.app_id, own.app_id);
	ELSIF fact.merchant_id <> own.merchant_id THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of another payee', fact.merchant_id, own.merchant_id);
	ELSIF told_number <> number THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of another payment', told_number, number);
	ELSIF told_reference <> payment.gateway_reference THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway names the payment by another reference', told_reference, payment.gateway_reference);
	ELSIF fact.currency <> payment.currency THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of another currency', fact.currency, payment.currency);
	ELSIF is_payment AND fact.amount <> payment.amount THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of another amount', fact.amount::text, payment.amount::text);
	ELSIF fact.entity = 'refund' AND fact.amount > payment.amount OR fact.refunded > payment.amount THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway has refunded more than was asked for',
										  greatest(fact.amount, fact.refunded)::text, payment.amount::text);
	ELSIF fact.captured > payment.amount THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway has captured more than was asked for', fact.captured::text, payment.amount::text);
	ELSIF fact.captured <= 0 AND fact.status = 'succeeded' THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of a success that brought nothing', fact.captured::text, payment.amount::text);
	ELSIF fact.status = 'succeeded' AND payment.status = 'succeeded' AND fact.captured <> payment.captured_amount THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway has captured another sum', fact.captured::text, payment.captured_amount::text);
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.compare_with_payment(order_payment.gateway_fact, record, record) IS
	'raises OP017 if a fact contradicts its gateway or payment: payee, currency, amount, numbers and references, as far as it tells them. For apply_fact()';

/* An operation that failed may be known by another reference when it was tried again. */
CREATE FUNCTION order_payment.compare_with_operation(fact order_payment.gateway_fact, operation record) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF fact.amount <> operation.amount THEN
		PERFORM order_payment.refuse_fact('OP017', format('a gateway tells of another amount of a %s', operation.kind),
										  fact.amount::text, operation.amount::text);
	ELSIF fact.refunded < operation.amount AND fact.status = 'succeeded' THEN
		PERFORM order_payment.refuse_fact('OP017', 'a gateway tells of less refunds than this one', fact.refunded::text, operation.amount::text);
	ELSIF operation.named_other THEN
		PERFORM order_payment.refuse_fact('OP017', format('a gateway names a %s by the reference of another', operation.kind),
										  fact.reference, operation.gateway_reference);
	ELSIF fact.reference <> operation.gateway_reference AND operation.status IN ('succeeded', 'reversed') THEN
		PERFORM order_payment.refuse_fact('OP017', format('a gateway names a %s by another reference', operation.kind),
										  fact.reference, operation.gateway_reference);
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.compare_with_operation(order_payment.gateway_fact, record) IS
	'raises OP017 if a fact contradicts its operation: amount, reference. For apply_fact()';
