/* ---------- a payment that the gateway knows, and we do not ---------- */

/*
 * Its notification is an orphan: the payment was made at the gateway, or its row
 * was lost with the end of the log in a failover. Somebody says which order it
 * is for; all else is what the gateway has told, and verified.
 */
CREATE FUNCTION order_payment.told_money(gateway text, event_id text, store name) RETURNS order_payment.gateway_fact
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	stored record;
	told record;
	fact order_payment.gateway_fact;
BEGIN
	EXECUTE format('SELECT n.headers, n.body FROM %I.gateway_notifications n WHERE n.gateway = $1 AND n.event_id = $2', store)
		INTO stored USING gateway, event_id;
	told := order_payment.try_to_read(order_payment.notifying_gateway(gateway, store), stored.headers, stored.body, store);
	FOREACH fact IN ARRAY coalesce((told.event).facts, '{}') LOOP
		IF fact.entity = 'payment' AND fact.status IN ('authorized', 'succeeded') THEN
			RETURN fact;
		END IF;
	END LOOP;
	RAISE EXCEPTION 'notification "%" of gateway "%" tells of no payment that brought money', event_id, gateway
		USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Adopt the one that tells of the payment, and replay this one.';
END
$$;
COMMENT ON FUNCTION order_payment.told_money(text, text, name) IS
	'what a stored notification tells of a payment that succeeded or was authorised; 55000 if it tells of none. For adopt_payment()';

CREATE FUNCTION order_payment.adopt_payment(order_id text, gateway text, event_id text, store name DEFAULT order_payment.current_store())
	RETURNS order_payment.notification_result
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fact order_payment.gateway_fact;
	result order_payment.notification_result := order_payment.replay_notification(gateway, event_id, store);
BEGIN
	IF result.outcome NOT IN ('orphan', 'deferred') THEN
		RETURN result;
	END IF;
	fact := order_payment.told_money(gateway, event_id, store);
	-- money is recorded beside whatever else the order has under way: as a part
	EXECUTE format('INSERT INTO %I.payments (order_id, payment_id, gateway, amount, currency, gateway_reference, split, status)
					VALUES (%L, $1, $2, $3, $4, $5, true, $6::order_payment.payment_status)', store, order_id)
		USING coalesce(order_payment.number_id(fact.number), order_payment.uuid_v7()), gateway, fact.amount, fact.currency, fact.reference,
			  CASE WHEN fact.captured < fact.amount THEN 'authorized' ELSE fact.status END;
	result := order_payment.replay_notification(gateway, event_id, store);
	IF result.outcome NOT IN ('applied', 'stale') THEN
		RAISE EXCEPTION 'the payment of notification "%" cannot be adopted', event_id
			USING ERRCODE = 'OP017', DETAIL = result.reason, HINT = 'Record it as a payment of a gateway without protocol, and close the notification by deleting it.';
	ELSIF result.outcome = 'stale' THEN
		-- all that it tells is in the row
		EXECUTE format('UPDATE %I.gateway_notifications n SET outcome = ''applied'', applied_at = clock_timestamp()
						WHERE n.gateway = $1 AND n.event_id = $2', store) USING gateway, event_id;
		result.outcome := 'applied';
		PERFORM order_payment.retry_deferred(gateway, result.payment_id, store);
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION order_payment.adopt_payment(text, text, text, name) IS
	'records a payment that a gateway tells of and nobody here knows (a notification that is an orphan, or deferred) for an order, by its amount, currency, reference and number, and applies the notification. One that names a payment by now is applied to that. P0002 if there is no such notification, 55000 if it tells of no money, OP017 if what it tells contradicts the gateway''s row. For roles that may record outcomes';

CREATE FUNCTION order_payment.adopt_payment(order_id anynonarray, gateway text, event_id text, store name DEFAULT order_payment.current_store())
	RETURNS order_payment.notification_result
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM order_payment.adopt_payment($1::text, $2, $3, $4)
$$;
COMMENT ON FUNCTION order_payment.adopt_payment(anynonarray, text, text, name) IS
	'records a payment that a gateway tells of and nobody here knows (a notification that is an orphan, or deferred) for an order, by its amount, currency, reference and number, and applies the notification. One that names a payment by now is applied to that. P0002 if there is no such notification, 55000 if it tells of no money, OP017 if what it tells contradicts the gateway''s row. For roles that may record outcomes';
