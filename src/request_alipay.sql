/* ---------- requests to Alipay ---------- */

/*
 * All go to one URL, as forms: who asks and for which method, what is asked for
 * as JSON in biz_content, time and signature (RSA2). Its clock is that of
 * Shanghai. It takes back what was paid by refunds only: it knows no captures
 * and no voids.
 */
CREATE FUNCTION order_payment.shanghai_time(at timestamptz) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS');
END;
COMMENT ON FUNCTION order_payment.shanghai_time(timestamptz) IS
	'a time as Alipay writes it';

CREATE FUNCTION order_payment.alipay_trade(gateway record, payment record) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reserved CONSTANT text[] := '{out_trade_no,trade_no,total_amount,trans_currency,settle_currency,seller_id,app_id,notify_url,sign,sign_type,biz_content,method}';
	trade jsonb := jsonb_build_object('subject', order_payment.default_subject(payment.order_id))
		|| order_payment.payment_options(gateway, payment, reserved)
		|| jsonb_strip_nulls(jsonb_build_object('out_trade_no', payment.number, 'total_amount', payment.amount::text,
			'seller_id', gateway.merchant_id,
			'time_expire', CASE WHEN isfinite(payment.expires_at) THEN order_payment.shanghai_time(payment.expires_at) END));
BEGIN
	IF payment.method = 'pay' THEN
		PERFORM order_payment.require_member(gateway, 'request_options auth_code for the method pay', trade ->> 'auth_code');
		trade := '{"scene": "bar_code"}' || trade;
	END IF;
	RETURN trade;
END
$$;
COMMENT ON FUNCTION order_payment.alipay_trade(record, record) IS
	'biz_content of the request of a payment. Called by build_alipay_request()';

CREATE FUNCTION order_payment.build_alipay_request(action text, gateway record, payment record, operation record)
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	content jsonb := jsonb_build_object('out_trade_no', payment.number);
	api text;
BEGIN
	IF payment.currency <> 'CNY' THEN
		PERFORM order_payment.refuse_request(gateway.gateway, gateway.protocol, 'no amounts but in CNY, not in ' || payment.currency,
											 'Use another gateway for this currency.');
	END IF;
	CASE action
		WHEN 'pay' THEN
			api := CASE WHEN payment.method = 'pay' THEN 'alipay.trade.pay' ELSE 'alipay.trade.precreate' END;
			content := order_payment.alipay_trade(gateway, payment);
		WHEN 'query' THEN
			api := 'alipay.trade.query';
		WHEN 'revoke' THEN
			api := 'alipay.trade.close';
		WHEN 'refund' THEN
			api := 'alipay.trade.refund';
			content := jsonb_strip_nulls(content || jsonb_build_object('out_request_no', operation.number,
				'refund_amount', operation.amount::text, 'refund_reason', left(operation.reason, 256)));
		WHEN 'query_refund' THEN
			api := 'alipay.trade.fastpay.refund.query';
			content := content || jsonb_build_object('out_request_no', operation.number);
		ELSE
			PERFORM order_payment.refuse_request(gateway.gateway, gateway.protocol, 'no captures and no voids',
				'Its payments are captured when they are made: refund them, or revoke those that are not paid.');
	END CASE;
	RETURN ROW ('POST', gateway.endpoint || '?charset=utf-8',
				'{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}'::jsonb,
				order_payment.form_encoded(jsonb_strip_nulls(jsonb_build_object(
					'app_id', order_payment.require_member(gateway, 'app_id', gateway.app_id), 'method', api, 'format', 'JSON',
					'charset', 'utf-8', 'sign_type', 'RSA2', 'version', '1.0',
					'notify_url', CASE WHEN action = 'pay' THEN gateway.notify_url END,
					'biz_content', content::text))))::order_payment.gateway_request;
END
$$;
COMMENT ON FUNCTION order_payment.build_alipay_request(text, record, record, record) IS
	'a request to Alipay. Called by build_request()';

CREATE FUNCTION order_payment.sign_alipay_request(gateway record, request order_payment.gateway_request, store name)
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	members jsonb;
	message text;
BEGIN
	IF request.body IS NULL THEN
		RAISE EXCEPTION 'Alipay takes no requests by GET' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	members := order_payment.form_fields(convert_to(request.body, 'UTF8')) - 'sign'
		|| jsonb_build_object('timestamp', order_payment.shanghai_time(clock_timestamp()));
	SELECT string_agg(format('%s=%s', m.key, m.value), '&' ORDER BY m.key COLLATE "C") INTO message
	FROM jsonb_each_text(members) m
	WHERE m.value <> '';
	request.body := order_payment.form_encoded(members || jsonb_build_object('sign',
		(order_payment.sign_for_gateway(gateway.gateway, 'private_key', convert_to(message, 'UTF8'), store)).signature));
	RETURN request;
END
$$;
COMMENT ON FUNCTION order_payment.sign_alipay_request(record, order_payment.gateway_request, name) IS
	'signs a request by RSA2 (RSASSA-PKCS1-v1_5, SHA-256). Called by sign_request()';
