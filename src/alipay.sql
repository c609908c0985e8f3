/* ---------- what Alipay tells ---------- */

/*
 * Notifications are form fields (trade_status_sync), answers are the object
 * beside their sign; both have the same names. Source: opendocs.alipay.com,
 * asynchronous notification of alipay.trade.precreate, alipay.trade.query,
 * alipay.trade.refund. Amounts are in yuan, times are those of Shanghai.
 *
 *	TRADE_CLOSED	not paid in time, or refunded in whole: gmt_refund tells
 *	refund_fee		in notifications and in answers to a refund: all that was
 *					refunded of the trade so far. A refund in part is told on the
 *					payment's own notify_url, the status staying TRADE_SUCCESS
 *	out_biz_no		the number of the refund that it is told for
 */
CREATE FUNCTION order_payment.alipay_time(moment text) RETURNS timestamptz
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT nullif(moment, '')::timestamp AT TIME ZONE 'Asia/Shanghai';
END;
COMMENT ON FUNCTION order_payment.alipay_time(text) IS 'a time of Alipay: of Shanghai, without saying so';

/* trade: the notification, or the answer to alipay.trade.query */
CREATE FUNCTION order_payment.alipay_facts(trade jsonb) RETURNS order_payment.gateway_fact[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_refunded CONSTANT boolean := coalesce(nullif(trade ->> 'gmt_refund', '') IS NOT NULL
											 OR nullif(trade ->> 'refund_fee', '')::numeric <> 0, false);
	payment order_payment.gateway_fact;
	refund order_payment.gateway_fact;
BEGIN
	payment := order_payment.make_fact(jsonb_build_object(
		'entity', 'payment', 'number', order_payment.require_member(trade, 'out_trade_no'),
		'reference', order_payment.require_member(trade, 'trade_no'),
		'status', order_payment.translate_status(trade ->> 'trade_status', jsonb_build_object(
			'WAIT_BUYER_PAY', 'requires_action', 'TRADE_SUCCESS', 'succeeded', 'TRADE_FINISHED', 'succeeded',
			'TRADE_CLOSED', CASE WHEN is_refunded THEN 'succeeded' ELSE 'revoked' END)),
		'amount', order_payment.require_member(trade, 'total_amount'), 'currency', 'CNY'));
	payment.occurred_at := coalesce(
		CASE payment.status WHEN 'succeeded' THEN order_payment.alipay_time(trade ->> 'gmt_payment')
							WHEN 'revoked' THEN order_payment.alipay_time(trade ->> 'gmt_close') END,
		order_payment.alipay_time(trade ->> 'notify_time'));
	IF NOT is_refunded THEN
		RETURN ARRAY[payment];
	END IF;
	refund := order_payment.make_fact(jsonb_build_object(
		'entity', 'refund', 'number', nullif(trade ->> 'out_biz_no', ''),
		'payment_number', payment.number, 'payment_reference', payment.reference,
		'reference', coalesce(nullif(trade ->> 'out_biz_no', ''), 'all of ' || payment.reference),
		'status', 'succeeded', 'currency', 'CNY', 'refunded', coalesce(nullif(trade ->> 'refund_fee', ''), trade ->> 'total_amount')));
	refund.occurred_at := coalesce(order_payment.alipay_time(left(trade ->> 'gmt_refund', 19)),
								   order_payment.alipay_time(trade ->> 'notify_time'));
	RETURN ARRAY[payment, refund];
END
$$;
COMMENT ON FUNCTION order_payment.alipay_facts(jsonb) IS
	'what a trade of Alipay tells: of its payment, and of a refund if there was one';

/* Signed by a key of the app; whose money it is must be told all the same. */
CREATE FUNCTION order_payment.alipay_event(content jsonb) RETURNS order_payment.gateway_event
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	event order_payment.gateway_event;
BEGIN
	event.event_id := order_payment.require_member(content, 'notify_id');
	event.event_type := concat_ws(' ', order_payment.require_member(content, 'notify_type'), content ->> 'trade_status');
	event.facts := CASE WHEN content ->> 'notify_type' = 'trade_status_sync' THEN order_payment.alipay_facts(content) ELSE '{}' END;
	FOR i IN 1 .. cardinality(event.facts) LOOP
		event.facts[i].app_id := order_payment.require_member(content, 'app_id');
		event.facts[i].merchant_id := coalesce(content ->> 'seller_id', '');
	END LOOP;
	RETURN event;
END
$$;
COMMENT ON FUNCTION order_payment.alipay_event(jsonb) IS
	'what a notification of Alipay tells: trade_status_sync; the others nothing';

/* ---------- what Alipay answers ---------- */

/*
 * code 10000 is success, 10003 waits for the customer, 20000 is not known to
 * Alipay itself, 40004 is refused for a reason in sub_code. Of a refund, 10000
 * says that it was taken; only fund_change Y says that money went. refund_fee
 * is the sum of all refunds of the trade.
 */
CREATE FUNCTION order_payment.alipay_refund_reply(action text, answer jsonb, asked jsonb) RETURNS order_payment.gateway_reply
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE
		WHEN action = 'refund' AND answer ->> 'fund_change' = 'Y'
			 OR action = 'query_refund' AND answer ->> 'refund_status' = 'REFUND_SUCCESS'
		THEN order_payment.make_reply('told', ARRAY[order_payment.make_fact(jsonb_build_object(
			'entity', 'refund', 'number', coalesce(answer ->> 'out_request_no', asked ->> 'number'), 'reference', asked ->> 'number',
			'payment_number', answer ->> 'out_trade_no', 'payment_reference', answer ->> 'trade_no', 'status', 'succeeded',
			'amount', CASE action WHEN 'query_refund' THEN answer ->> 'refund_amount' END, 'currency', 'CNY'))])
		WHEN action = 'query_refund' AND answer ->> 'out_request_no' IS NULL
		THEN order_payment.make_reply('absent', '{}', NULL, 'no_refund')
		ELSE order_payment.make_reply('unclear', '{}', NULL, coalesce(answer ->> 'refund_status', 'no_fund_change')) END;
END;
COMMENT ON FUNCTION order_payment.alipay_refund_reply(text, jsonb, jsonb) IS
	'what a successful answer of Alipay tells of a refund';

/* The name of the member is not signed; an answer to another method is none. */
CREATE FUNCTION order_payment.alipay_answers(action text, member text) RETURNS boolean
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT member = 'error_response' OR member = ANY (CASE action
		WHEN 'pay' THEN '{alipay_trade_precreate_response,alipay_trade_pay_response}'
		WHEN 'query' THEN '{alipay_trade_query_response}'
		WHEN 'refund' THEN '{alipay_trade_refund_response}'
		WHEN 'query_refund' THEN '{alipay_trade_fastpay_refund_query_response}'
		WHEN 'revoke' THEN '{alipay_trade_close_response}' END::text[]);
END;
COMMENT ON FUNCTION order_payment.alipay_answers(text, text) IS
	'is that the member of an answer of Alipay which answers the action?';

CREATE FUNCTION order_payment.alipay_reply(action text, http_status integer, answer jsonb, asked jsonb)
	RETURNS order_payment.gateway_reply
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	code CONSTANT text := answer ->> 'code';
	fault CONSTANT text := coalesce(answer ->> 'sub_code', code);
	message CONSTANT text := coalesce(answer ->> 'sub_msg', answer ->> 'msg');
	payment CONSTANT jsonb := jsonb_strip_nulls(jsonb_build_object('entity', 'payment', 'currency', 'CNY',
		'number', coalesce(answer ->> 'out_trade_no', asked ->> 'number'), 'reference', nullif(answer ->> 'trade_no', '')));
BEGIN
	CASE
		WHEN http_status <> 200 OR code IS NULL OR code = '20000' OR fault LIKE '%SYSTEM_ERROR%' THEN
			RETURN order_payment.make_reply('unclear', '{}', NULL, coalesce(fault, http_status::text), message);
		WHEN code = '10003' THEN
			RETURN order_payment.make_reply('told', ARRAY[order_payment.make_fact(payment || '{"status": "processing"}')]);
		WHEN code <> '10000' AND fault = 'ACQ.TRADE_NOT_EXIST' AND action = 'revoke' THEN  -- nobody has opened it: nobody can pay it
			RETURN order_payment.make_reply('told', ARRAY[order_payment.make_fact(payment || '{"status": "revoked"}')]);
		WHEN code <> '10000' AND fault = 'ACQ.TRADE_NOT_EXIST' AND starts_with(action, 'query') THEN
			RETURN order_payment.make_reply('absent', '{}', NULL, fault, message);
		WHEN code <> '10000' AND fault IN ('ACQ.TRADE_HAS_SUCCESS', 'ACQ.TRADE_HAS_CLOSE') AND action = 'pay' THEN  -- it knows our number
			RETURN order_payment.make_reply('unclear', '{}', NULL, fault, message);
		WHEN code <> '10000' THEN
			RETURN order_payment.make_reply('refused', '{}',
				CASE fault WHEN 'ACQ.SELLER_BALANCE_NOT_ENOUGH' THEN 'soft_decline' ELSE 'other' END::order_payment.failure_class, fault, message);
		WHEN action IN ('refund', 'query_refund') THEN
			RETURN order_payment.alipay_refund_reply(action, answer, asked);
		WHEN action = 'query' THEN
			RETURN order_payment.make_reply('told', (order_payment.alipay_facts(answer))[1:1]);
		WHEN action = 'revoke' THEN
			RETURN order_payment.make_reply('told', ARRAY[order_payment.make_fact(payment || '{"status": "revoked"}')]);
		WHEN answer ? 'qr_code' THEN
			RETURN order_payment.make_reply('told', ARRAY[order_payment.make_fact(payment || jsonb_build_object('status', 'requires_action',
				'next_action', jsonb_build_object('qr_code', answer -> 'qr_code')))]);
		ELSE
			RETURN order_payment.make_reply('told', ARRAY[order_payment.make_fact(payment || jsonb_build_object('status', 'succeeded',
				'amount', order_payment.require_member(answer, 'total_amount')))]);
	END CASE;
END
$$;
COMMENT ON FUNCTION order_payment.alipay_reply(text, integer, jsonb, jsonb) IS
	'what an answer of Alipay tells; answer is the object beside its sign';
