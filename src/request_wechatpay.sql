/* ---------- requests to WeChat Pay, version 3 ---------- */

/*
 * JSON; a payment is a transaction, a refund is one of its own, and both are
 * found by our numbers. The signature stands in the header Authorization, over
 * method, path with query, time, nonce and body. It knows no captures and no
 * voids.
 */
CREATE FUNCTION order_payment.wechatpay_transaction(gateway record, payment record) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reserved CONSTANT text[] := '{appid,mchid,out_trade_no,notify_url,amount,sp_appid,sp_mchid,sub_appid,sub_mchid}';
	options CONSTANT jsonb := order_payment.payment_options(gateway, payment, reserved);
BEGIN
	IF payment.method = 'jsapi' THEN
		PERFORM order_payment.require_member(gateway, 'request_options payer.openid for the method jsapi', options #>> '{payer,openid}');
	ELSIF payment.method = 'h5' THEN
		PERFORM order_payment.require_member(gateway, 'request_options scene_info for the method h5', options ->> 'scene_info');
	END IF;
	RETURN jsonb_build_object('description', order_payment.default_subject(payment.order_id)) || options
		|| jsonb_strip_nulls(jsonb_build_object(
			'appid', order_payment.require_member(gateway, 'app_id', gateway.app_id), 'mchid', gateway.merchant_id,
			'out_trade_no', payment.number,
			'notify_url', order_payment.require_member(gateway, 'notify_url', gateway.notify_url),
			'amount', jsonb_build_object('total', order_payment.iso_minor_units(gateway, payment.amount, payment.currency),
										 'currency', payment.currency),
			'time_expire', CASE WHEN isfinite(payment.expires_at)
				THEN replace(order_payment.shanghai_time(payment.expires_at), ' ', 'T') || '+08:00' END));
END
$$;
COMMENT ON FUNCTION order_payment.wechatpay_transaction(record, record) IS
	'body of the request of a payment. Called by build_wechatpay_request()';

CREATE FUNCTION order_payment.build_wechatpay_request(action text, gateway record, payment record, operation record, store name)
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mchid CONSTANT text := order_payment.require_member(gateway, 'merchant_id', gateway.merchant_id);
	transactions CONSTANT text := gateway.endpoint || '/v3/pay/transactions/';
	refunds CONSTANT text := gateway.endpoint || '/v3/refund/domestic/refunds';
	trade CONSTANT text := transactions || 'out-trade-no/' || payment.number;
	method CONSTANT text := coalesce(payment.method, 'native');
	key_name CONSTANT text := (order_payment.secret_name(gateway.gateway, 'public_key', store)).key_name;
	-- who verifies by its public key, and not by its certificate, says so
	headers CONSTANT jsonb := '{"Accept": "application/json"}'::jsonb || CASE WHEN key_name LIKE 'PUB\_KEY\_ID\_%'
		THEN jsonb_build_object('Wechatpay-Serial', key_name) ELSE '{}' END;
	url text;
	members jsonb;
BEGIN
	CASE action
		WHEN 'pay' THEN
			IF method NOT IN ('native', 'jsapi', 'app', 'h5') THEN
				PERFORM order_payment.refuse_request(gateway.gateway, gateway.protocol, format('no payments by method "%s"', method),
													 'Its methods are native, jsapi, app and h5; without one it is native.');
			END IF;
			url := transactions || method;
			members := order_payment.wechatpay_transaction(gateway, payment);
		WHEN 'query' THEN
			url := format('%s?mchid=%s', trade, order_payment.percent_encoded(mchid));
		WHEN 'revoke' THEN
			url := trade || '/close';
			members := jsonb_build_object('mchid', mchid);
		WHEN 'refund' THEN
			url := refunds;
			members := jsonb_strip_nulls(jsonb_build_object('out_trade_no', payment.number, 'out_refund_no', operation.number,
				'amount', jsonb_build_object(
					'refund', order_payment.iso_minor_units(gateway, operation.amount, payment.currency),
					'total', order_payment.iso_minor_units(gateway, payment.amount, payment.currency),
					'currency', payment.currency),
				'reason', left(operation.reason, 80), 'notify_url', gateway.notify_url));
		WHEN 'query_refund' THEN
			url := format('%s/%s', refunds, operation.number);
		ELSE
			PERFORM order_payment.refuse_request(gateway.gateway, gateway.protocol, 'no captures and no voids',
				'Its payments are captured when they are made: refund them, or revoke those that are not paid.');
	END CASE;
	IF members IS NULL THEN
		RETURN ROW ('GET', url, headers, NULL)::order_payment.gateway_request;
	END IF;
	RETURN ROW ('POST', url, headers || '{"Content-Type": "application/json"}', order_payment.json_body(members))::order_payment.gateway_request;
END
$$;
COMMENT ON FUNCTION order_payment.build_wechatpay_request(text, record, record, record, name) IS
	'a request to WeChat Pay. Called by build_request()';

CREATE FUNCTION order_payment.sign_wechatpay_request(gateway record, request order_payment.gateway_request, store name)
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mchid CONSTANT text := order_payment.require_member(gateway, 'merchant_id', gateway.merchant_id);
	target CONSTANT text := substring(request.url FROM '^https://[^/?]+(.*)$');
	at CONSTANT text := floor(extract(epoch FROM clock_timestamp()))::text;
	nonce CONSTANT text := upper(replace(gen_random_uuid()::text, '-', ''));
	signed record;
BEGIN
	SELECT s.signature, s.key_name INTO signed
	FROM order_payment.sign_for_gateway(gateway.gateway, 'private_key', convert_to(
		concat(request.method, E'\n', target, E'\n', at, E'\n', nonce, E'\n', request.body, E'\n'), 'UTF8'), store) s;
	IF signed.key_name IS NULL OR concat(mchid, signed.key_name) ~ '[^A-Za-z0-9_-]' THEN
		RAISE EXCEPTION 'merchant_id of gateway "%", or the key_name of its private_key, cannot be told to WeChat Pay', gateway.gateway
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Set gateways.merchant_id to the mchid, and give set_gateway_secret() the serial number of your certificate as key_name.';
	END IF;
	request.headers := request.headers || jsonb_build_object('Authorization',
		format('WECHATPAY2-SHA256-RSA2048 mchid="%s",nonce_str="%s",timestamp="%s",serial_no="%s",signature="%s"',
			   mchid, nonce, at, signed.key_name, signed.signature));
	RETURN request;
END
$$;
COMMENT ON FUNCTION order_payment.sign_wechatpay_request(record, order_payment.gateway_request, name) IS
	'signs a request by WECHATPAY2-SHA256-RSA2048. Called by sign_request()';
