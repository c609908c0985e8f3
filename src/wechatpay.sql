/* ---------- what WeChat Pay tells ---------- */

/*
 * Version 3: the resource of a notification, opened, and the answers to queries
 * are the same objects, in fen. Source: pay.weixin.qq.com/doc/v3, notifications
 * TRANSACTION.* and REFUND.*, and the queries by our numbers.
 *
 *	REFUND			trade_state: a refund was begun, of any amount. The payment
 *					succeeded; the refund is told by itself
 *	NOTPAY			not paid yet; not final
 *	ABNORMAL		a refund that reached nobody: the merchant must act; the same
 *					refund may succeed later
 *
 * Version 2: XML, payments only. Its notifications of refunds are not signed.
 */
CREATE FUNCTION order_payment.wechatpay_amount(amount jsonb, member text, exponents jsonb) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT order_payment.from_minor_units((amount ->> member)::bigint, coalesce(amount ->> 'currency', 'CNY'), exponents);
END;
COMMENT ON FUNCTION order_payment.wechatpay_amount(jsonb, text, jsonb) IS
	'an amount of WeChat Pay, in major units of its currency, which is CNY where none is told';

CREATE FUNCTION order_payment.wechatpay_payment_fact(deal jsonb, exponents jsonb) RETURNS order_payment.gateway_fact
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT order_payment.make_fact(jsonb_build_object(
		'entity', 'payment', 'number', order_payment.require_member(deal, 'out_trade_no'), 'reference', nullif(deal ->> 'transaction_id', ''),
		'status', order_payment.translate_status(deal ->> 'trade_state', '{
			"SUCCESS": "succeeded", "REFUND": "succeeded", "NOTPAY": "requires_action", "USERPAYING": "processing",
			"ACCEPT": "processing", "CLOSED": "revoked", "REVOKED": "revoked", "PAYERROR": "failed"}'),
		'amount', order_payment.wechatpay_amount(deal -> 'amount', 'total', exponents),
		'currency', CASE WHEN deal ? 'amount' THEN coalesce(deal #>> '{amount,currency}', 'CNY') END,
		'failure_class', CASE WHEN deal ->> 'trade_state' = 'PAYERROR' THEN 'soft_decline' END,
		'failure_code', CASE WHEN deal ->> 'trade_state' = 'PAYERROR' THEN 'PAYERROR' END,
		'failure_message', CASE WHEN deal ->> 'trade_state' = 'PAYERROR' THEN deal ->> 'trade_state_desc' END,
		'app_id', deal ->> 'appid', 'merchant_id', order_payment.require_member(deal, 'mchid'),
		'occurred_at', deal ->> 'success_time'));
END;
COMMENT ON FUNCTION order_payment.wechatpay_payment_fact(jsonb, jsonb) IS
	'what a transaction of WeChat Pay v3 tells';

CREATE FUNCTION order_payment.wechatpay_refund_fact(refund jsonb, exponents jsonb) RETURNS order_payment.gateway_fact
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT order_payment.make_fact(jsonb_build_object(
		'entity', 'refund', 'number', order_payment.require_member(refund, 'out_refund_no'), 'reference', nullif(refund ->> 'refund_id', ''),
		'payment_number', order_payment.require_member(refund, 'out_trade_no'), 'payment_reference', nullif(refund ->> 'transaction_id', ''),
		'status', order_payment.translate_status(coalesce(refund ->> 'refund_status', refund ->> 'status'), '{
			"SUCCESS": "succeeded", "PROCESSING": "processing", "CLOSED": "failed", "ABNORMAL": "failed"}'),
		'amount', order_payment.wechatpay_amount(refund -> 'amount', 'refund', exponents),
		'currency', coalesce(refund #>> '{amount,currency}', 'CNY'),
		'failure_class', CASE WHEN coalesce(refund ->> 'refund_status', refund ->> 'status') IN ('CLOSED', 'ABNORMAL') THEN 'other' END,
		'failure_code', CASE WHEN coalesce(refund ->> 'refund_status', refund ->> 'status') IN ('CLOSED', 'ABNORMAL')
							 THEN coalesce(refund ->> 'refund_status', refund ->> 'status') END,
		'merchant_id', refund ->> 'mchid', 'occurred_at', refund ->> 'success_time'));
END;
COMMENT ON FUNCTION order_payment.wechatpay_refund_fact(jsonb, jsonb) IS
	'what a refund of WeChat Pay v3 tells';

/* Of what was refunded the whole was paid: there are no captures in part. */
CREATE FUNCTION order_payment.wechatpay_refund_facts(refund jsonb, exponents jsonb) RETURNS order_payment.gateway_fact[]
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ARRAY[
		order_payment.make_fact(jsonb_build_object(
			'entity', 'payment', 'number', refund ->> 'out_trade_no', 'reference', nullif(refund ->> 'transaction_id', ''),
			'status', 'succeeded', 'amount', order_payment.wechatpay_amount(refund -> 'amount', 'total', exponents),
			'currency', coalesce(refund #>> '{amount,currency}', 'CNY'), 'merchant_id', refund ->> 'mchid')),
		order_payment.wechatpay_refund_fact(refund, exponents)];
END;
COMMENT ON FUNCTION order_payment.wechatpay_refund_facts(jsonb, jsonb) IS
	'what a notification of a refund of WeChat Pay v3 tells: that its payment succeeded, and of the refund';

/* resource: opened by open_resource() */
CREATE FUNCTION order_payment.wechatpay_v3_event(content jsonb, resource jsonb, exponents jsonb) RETURNS order_payment.gateway_event
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	event order_payment.gateway_event;
	last integer;
BEGIN
	event.event_id := order_payment.require_member(content, 'id');
	event.event_type := order_payment.require_member(content, 'event_type');
	event.facts := CASE
		WHEN event.event_type LIKE 'TRANSACTION.%' THEN ARRAY[order_payment.wechatpay_payment_fact(resource, exponents)]
		WHEN event.event_type LIKE 'REFUND.%' THEN order_payment.wechatpay_refund_facts(resource, exponents)
		ELSE '{}' END;
	last := cardinality(event.facts);
	IF last > 0 THEN
		event.facts[last].occurred_at := coalesce(event.facts[last].occurred_at, (content ->> 'create_time')::timestamptz);
	END IF;
	RETURN event;
END
$$;
COMMENT ON FUNCTION order_payment.wechatpay_v3_event(jsonb, jsonb, jsonb) IS
	'what a notification of WeChat Pay v3 tells: TRANSACTION.*, REFUND.*; the others nothing';

CREATE FUNCTION order_payment.wechatpay_v2_event(content jsonb, exponents jsonb) RETURNS order_payment.gateway_event
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_paid CONSTANT boolean := content ->> 'return_code' = 'SUCCESS' AND content ->> 'result_code' = 'SUCCESS';
	fact order_payment.gateway_fact;
BEGIN
	fact := order_payment.make_fact(jsonb_build_object(
		'entity', 'payment', 'number', order_payment.require_member(content, 'out_trade_no'),
		'reference', nullif(content ->> 'transaction_id', ''), 'status', CASE WHEN is_paid THEN 'succeeded' ELSE 'failed' END,
		'amount', order_payment.from_minor_units((content ->> 'total_fee')::bigint, coalesce(content ->> 'fee_type', 'CNY'), exponents),
		'currency', coalesce(content ->> 'fee_type', 'CNY'), 'app_id', order_payment.require_member(content, 'appid'),
		'merchant_id', order_payment.require_member(content, 'mch_id')));
	IF is_paid THEN
		PERFORM order_payment.require_member(content, 'total_fee');
	ELSE
		fact.failure_class := 'soft_decline';
		fact.failure_code := content ->> 'err_code';
		fact.failure_message := content ->> 'err_code_des';
	END IF;
	fact.occurred_at := regexp_replace(content ->> 'time_end', '^(\d{8})(\d{6})$', '\1T\2')::timestamp AT TIME ZONE 'Asia/Shanghai';
	RETURN ROW (CASE WHEN is_paid THEN order_payment.require_member(content, 'transaction_id') END,
				content ->> 'result_code', ARRAY[fact]);
END
$$;
COMMENT ON FUNCTION order_payment.wechatpay_v2_event(jsonb, jsonb) IS
	'what a notification of WeChat Pay v2 tells of a payment';

/* ---------- what WeChat Pay answers ---------- */

CREATE FUNCTION order_payment.wechatpay_reply(action text, http_status integer, content jsonb, asked jsonb, exponents jsonb)
	RETURNS order_payment.gateway_reply
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	code CONSTANT text := content ->> 'code';
BEGIN
	IF http_status NOT BETWEEN 200 AND 299 THEN
		RETURN CASE
			WHEN code IN ('SYSTEM_ERROR', 'ACCEPTED') OR action = 'pay' AND code IN ('ORDERPAID', 'ORDER_CLOSED', 'OUT_TRADE_NO_USED')  -- it knows our number
				THEN order_payment.make_reply('unclear', '{}', NULL, code, content ->> 'message')
			WHEN code IN ('FREQUENCY_LIMITED', 'RATELIMIT_EXCEEDED') THEN order_payment.reply_by_status(429, action, code, content ->> 'message')
			WHEN code = 'NOT_ENOUGH' THEN order_payment.make_reply('refused', '{}', 'soft_decline', code, content ->> 'message')
			WHEN code IN ('ORDER_NOT_EXIST', 'RESOURCE_NOT_EXISTS') THEN order_payment.reply_by_status(404, action, code, content ->> 'message')
			ELSE order_payment.reply_by_status(http_status, action, code, content ->> 'message') END;
	END IF;
	RETURN CASE
		WHEN action = 'revoke' THEN order_payment.make_reply('told', ARRAY[order_payment.make_fact(jsonb_build_object(
			'entity', 'payment', 'number', asked ->> 'number', 'status', 'revoked'))])
		WHEN action = 'query' THEN order_payment.make_reply('told', ARRAY[order_payment.wechatpay_payment_fact(content, exponents)])
		WHEN action IN ('refund', 'query_refund') THEN order_payment.make_reply('told', ARRAY[order_payment.wechatpay_refund_fact(content, exponents)])
		WHEN content ?| '{code_url,prepay_id,h5_url}' THEN order_payment.make_reply('told', ARRAY[order_payment.make_fact(jsonb_build_object(
			'entity', 'payment', 'number', asked ->> 'number', 'status', 'requires_action',
			'next_action', jsonb_strip_nulls(jsonb_build_object('code_url', content -> 'code_url', 'prepay_id', content -> 'prepay_id',
																'h5_url', content -> 'h5_url'))))])
		ELSE order_payment.make_reply('unclear', '{}', NULL, 'no_result') END;
END
$$;
COMMENT ON FUNCTION order_payment.wechatpay_reply(text, integer, jsonb, jsonb, jsonb) IS
	'what an answer of WeChat Pay v3 tells';
