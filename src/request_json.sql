/* ---------- requests of protocol json ---------- */

/*
 * Ours: POST {endpoint}/payment/{order_id}, and {refund|capture|void} likewise,
 * with an object of JSON; GET of the same URL with ?number= asks what became of
 * one, and with &key= of the time that had that key, if it was tried again.
 * Signed by Standard Webhooks; webhook-id is the idempotency key, for
 * receivers take a second message with the same id for a repetition.
 */
CREATE FUNCTION order_payment.json_payment_body(gateway record, payment record, store name) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reserved CONSTANT text[] := '{number,order_id,amount,fee,currency,encrypted_amount,method,card}';
	body text;
BEGIN
	body := order_payment.json_body(order_payment.payment_options(gateway, payment, reserved) || jsonb_strip_nulls(jsonb_build_object(
		'number', payment.number, 'order_id', payment.order_id, 'amount', payment.amount,
		'fee', round(payment.fee, order_payment.currency_exponent(payment.currency)), 'currency', payment.currency,
		'method', payment.method,
		'encrypted_amount', CASE WHEN (order_payment.secret_name(gateway.gateway, 'amount_key', store)).is_there
			THEN order_payment.encrypt_amount(gateway.gateway, payment.amount, payment.currency, payment.number, store) END)));
	IF payment.has_number THEN
		body := format('%s, "card": {"number": "{{card_number}}"%s%s}}', left(body, -1),
					   CASE WHEN payment.has_holder THEN ', "holder": "{{card_holder}}"' ELSE '' END,
					   CASE WHEN payment.has_expiry THEN ', "expiry": "{{card_expiry}}"' ELSE '' END);
	END IF;
	RETURN body;
END
$$;
COMMENT ON FUNCTION order_payment.json_payment_body(record, record, name) IS
	'body of the request of a payment by protocol json, with placeholders for its card. Called by build_json_request()';

CREATE FUNCTION order_payment.build_json_request(action text, gateway record, payment record, operation record, store name)
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	resource CONSTANT text := CASE WHEN action IN ('pay', 'query') THEN 'payment' WHEN action = 'revoke' THEN 'void'
								   ELSE replace(action, 'query_', '') END;
	url CONSTANT text := format('%s/%s/%s', gateway.endpoint, resource, order_payment.path_segment(payment.order_id));
	headers CONSTANT jsonb := CASE WHEN (order_payment.secret_name(gateway.gateway, 'api_key', store)).is_there
								   THEN '{"Authorization": "Bearer {{api_key}}"}' ELSE '{}' END::jsonb;
	body text;
BEGIN
	IF action LIKE 'query%' THEN
		RETURN ROW ('GET', format('%s?number=%s%s', url, operation.number, CASE WHEN operation.key <> operation.number THEN '&key=' || operation.key END),
					headers, NULL)::order_payment.gateway_request;
	ELSIF action = 'pay' THEN
		body := order_payment.json_payment_body(gateway, payment, store);
	ELSE
		body := order_payment.json_body(jsonb_strip_nulls(jsonb_build_object(
			'number', operation.number, 'payment_number', payment.number, 'reference', payment.reference,
			'amount', operation.amount, 'currency', payment.currency, 'reason', operation.reason)));
	END IF;
	RETURN ROW ('POST', url, headers || jsonb_build_object('Content-Type', 'application/json',
				'Idempotency-Key', operation.key), body)::order_payment.gateway_request;
END
$$;
COMMENT ON FUNCTION order_payment.build_json_request(text, record, record, record, name) IS
	'a request by protocol json. Called by build_request()';

CREATE FUNCTION order_payment.sign_json_request(gateway record, request order_payment.gateway_request, store name)
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id CONSTANT text := coalesce(request.headers ->> 'Idempotency-Key', replace(gen_random_uuid()::text, '-', ''));
	at CONSTANT text := floor(extract(epoch FROM clock_timestamp()))::text;
	signature text;
BEGIN
	IF request.body LIKE '%{{%' THEN
		RAISE EXCEPTION 'a request with a card is not signed in SQL'
			USING ERRCODE = 'feature_not_supported',
				  HINT = 'Leave it to order_payment_worker, which alone fills in cards, and signs what it then sends.';
	ELSIF id ~ '[^A-Za-z0-9_-]' THEN
		RAISE EXCEPTION 'the header Idempotency-Key has other characters than letters, digits, - and _'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	signature := (order_payment.sign_for_gateway(gateway.gateway, 'standard_webhook_secret',
		convert_to(format('%s.%s.%s', id, at, coalesce(request.body, '')), 'UTF8'), store)).signature;
	request.headers := request.headers
		|| jsonb_build_object('webhook-id', id, 'webhook-timestamp', at, 'webhook-signature', 'v1,' || signature);
	RETURN request;
END
$$;
COMMENT ON FUNCTION order_payment.sign_json_request(record, order_payment.gateway_request, name) IS
	'signs a request by Standard Webhooks. Called by sign_request()';
