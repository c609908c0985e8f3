/* ---------- requests to Stripe ---------- */

/*
 * A payment is a PaymentIntent, found by its id (gateway_reference), or by
 * metadata[number] as long as that is not known. Forms, not JSON; amounts in
 * minor units; currencies in lower case.
 */
CREATE FUNCTION order_payment.stripe_version() RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT '2026-08-26.dahlia'::text;
END;
COMMENT ON FUNCTION order_payment.stripe_version() IS
	'the version of Stripe''s API that requests ask for, whatever the account''s own is';

CREATE FUNCTION order_payment.stripe_intent(gateway record, payment record) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	options CONSTANT jsonb := order_payment.payment_options(gateway, payment, '{amount,currency}');
	metadata CONSTANT jsonb := coalesce(options -> 'metadata', '{}');
BEGIN
	IF jsonb_typeof(metadata) <> 'object' THEN
		RAISE EXCEPTION 'the option metadata of payment % is no object', payment.payment_id
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Write {"metadata": {"name": "value"}}.';
	END IF;
	RETURN CASE WHEN options ?| '{automatic_payment_methods,payment_method_types,payment_method}' THEN '{}'
				ELSE '{"automatic_payment_methods": {"enabled": true}}' END::jsonb
		|| options
		|| jsonb_build_object(
			'amount', order_payment.iso_minor_units(gateway, payment.amount, payment.currency), 'currency', lower(payment.currency),
			'metadata', metadata || jsonb_build_object('number', payment.number, 'order_id', payment.order_id));
END
$$;
COMMENT ON FUNCTION order_payment.stripe_intent(record, record) IS
	'parameters of the PaymentIntent of a payment. Called by build_stripe_request()';

CREATE FUNCTION order_payment.build_stripe_request(action text, gateway record, payment record, operation record)
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	headers jsonb := jsonb_strip_nulls(jsonb_build_object('Authorization', 'Bearer {{api_key}}',
		'Stripe-Version', order_payment.stripe_version(), 'Stripe-Account', gateway.merchant_id));
	intents CONSTANT text := gateway.endpoint || '/v1/payment_intents';
	refunds CONSTANT text := gateway.endpoint || '/v1/refunds';
	intent text;
	url text;
	members jsonb;
BEGIN
	IF action <> 'pay' AND (action <> 'query' OR payment.reference IS NOT NULL) THEN
		intent := order_payment.path_segment(order_payment.require_reference(payment));
	END IF;
	IF action = 'void' AND operation.amount <> payment.uncaptured_amount THEN
		PERFORM order_payment.refuse_request(gateway.gateway, gateway.protocol, 'back an authorisation as a whole only',
											 'Void all that is not captured.');
	END IF;
	CASE action
		WHEN 'pay' THEN
			url := intents;
			members := order_payment.stripe_intent(gateway, payment);
		WHEN 'revoke', 'void' THEN
			url := format('%s/%s/cancel', intents, intent);
			members := CASE WHEN operation.reason IN ('duplicate', 'fraudulent', 'requested_by_customer', 'abandoned')
							THEN jsonb_build_object('cancellation_reason', operation.reason) ELSE '{}' END;
		WHEN 'capture' THEN
			url := format('%s/%s/capture', intents, intent);
			members := jsonb_build_object('amount_to_capture',
				order_payment.iso_minor_units(gateway, operation.amount, payment.currency));
		WHEN 'refund' THEN
			url := refunds;
			members := jsonb_strip_nulls(jsonb_build_object('payment_intent', payment.reference,
				'amount', order_payment.iso_minor_units(gateway, operation.amount, payment.currency),
				'metadata', jsonb_build_object('number', operation.number),
				'reason', CASE WHEN operation.reason IN ('duplicate', 'fraudulent', 'requested_by_customer')
							   THEN operation.reason END));
		WHEN 'query_refund' THEN
			url := refunds || CASE WHEN operation.reference IS NULL THEN format('?limit=100&payment_intent=%s', intent)
								   ELSE '/' || order_payment.path_segment(operation.reference) END;
		ELSE
			url := intents || CASE WHEN intent IS NULL THEN '/search?query='
									|| order_payment.percent_encoded(format('metadata[''number'']:''%s''', payment.number))
								   ELSE '/' || intent END;
	END CASE;
	IF members IS NULL THEN
		RETURN ROW ('GET', url, headers, NULL)::order_payment.gateway_request;
	END IF;
	RETURN ROW ('POST', url, headers || jsonb_build_object('Content-Type', 'application/x-www-form-urlencoded',
				'Idempotency-Key', operation.key), order_payment.form_encoded(members))::order_payment.gateway_request;
END
$$;
COMMENT ON FUNCTION order_payment.build_stripe_request(text, record, record, record) IS
	'a request to Stripe; what became of a capture or a void is seen in the PaymentIntent. Called by build_request()';
