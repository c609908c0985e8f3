/* ---------- verify_store: each row for itself ---------- */

/*
 * The replica role goes around foreign keys, the owner drops a CHECK: so what
 * both promise is looked at once more by the rows.
 */
CREATE FUNCTION order_payment.verify_links(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	link record;
BEGIN
	FOR link IN
		SELECT * FROM (VALUES
			('order_items', 'r.order_id, r.line_no', 'order_id', 'orders', 'p.order_id = r.order_id'),
			('payments', 'r.order_id, r.payment_id', 'order_id', 'orders', 'p.order_id = r.order_id'),
			('payments', 'r.order_id, r.payment_id', 'gateway', 'gateways', 'p.gateway = r.gateway'),
			('payments', 'r.order_id, r.payment_id', 'retry_of', 'payments',
				'p.order_id = r.order_id AND p.payment_id = r.retry_of'),
			('payment_operations', 'r.order_id, r.operation_id', 'order_id', 'orders', 'p.order_id = r.order_id'),
			('payment_operations', 'r.order_id, r.operation_id', 'payment_id', 'payments',
				'p.order_id = r.order_id AND p.payment_id = r.payment_id'),
			('gateway_fees', 'r.gateway, r.currency, r.method', 'gateway', 'gateways', 'p.gateway = r.gateway'),
			('gateway_notifications', 'r.gateway, r.event_id', 'gateway', 'gateways', 'p.gateway = r.gateway'),
			('gateway_rejections', 'r.gateway, r.reason, r.day', 'gateway', 'gateways', 'p.gateway = r.gateway'),
			('gateway_secrets', 'r.gateway, r.kind, r.secret_id', 'gateway', 'gateways', 'p.gateway = r.gateway'),
			('settlement_lines', 'r.gateway, r.settlement_id, r.line_no', 'gateway', 'gateways', 'p.gateway = r.gateway'),
			('consumer_offsets', 'r.order_id, r.consumer', 'order_id', 'orders', 'p.order_id = r.order_id'),
			('consumer_offsets', 'r.order_id, r.consumer', 'consumer', 'event_consumers', 'p.consumer = r.consumer')
		) w (relation, key, referencing, parent, condition)
	LOOP
		RETURN QUERY EXECUTE format($query$

SELECT 'link leads nowhere', %2$L, concat_ws(' ', %3$s), %4$L, r.%4$I::text, %5$L || '.' || %4$L
FROM %1$I.%2$I r
WHERE r.%4$I IS NOT NULL AND NOT EXISTS (SELECT FROM %1$I.%5$I p WHERE %6$s)

		$query$, store, link.relation, link.key, link.referencing, link.parent, link.condition);
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.verify_links(name) IS
	'rows of a store whose order, payment, gateway or consumer does not exist; part of verify_store()';

/*
 * (condition)::integer = 0 where NOT (condition) would do: of the former the
 * planner expects a few rows, as it should, and so it takes parallel workers;
 * of the latter, half of the table.
 */
CREATE FUNCTION order_payment.verify_values(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rules record;
BEGIN
	FOR rules IN
		SELECT w.relation, k.key, string_agg(format('(%s)', w.condition), ' AND ') AS condition,
			   string_agg(format('SELECT %L, r.%I::text, %L WHERE NOT (%s)', w.col, w.col, w.rule, w.condition),
						  ' UNION ALL ') AS deviations
		FROM (VALUES
			('orders', 'currency', 'a currency', 'order_payment.is_currency(r.currency)'),
			('orders', 'quantity', 'more than 0', 'r.quantity > 0 AND r.quantity < ''Infinity'''),
			('orders', 'price', 'not negative', 'r.price >= 0 AND r.price < ''Infinity'''),
			('orders', 'total_amount', 'an amount in the currency', 'order_payment.is_amount(r.total_amount, r.currency)'),
			('orders', 'total_amount', 'not negative', 'r.total_amount >= 0 OR r.status <= ''pending'''),
			('orders', 'total_amount', 'known', 'r.total_amount IS NOT NULL OR r.status <= ''pending'''),
			('orders', 'authorized_amount', 'not negative', 'r.authorized_amount >= 0 AND r.authorized_amount < ''Infinity'''),
			('orders', 'paid_amount', 'not negative', 'r.paid_amount >= 0 AND r.paid_amount < ''Infinity'''),
			('orders', 'refunded_amount', '0 to paid_amount', 'r.refunded_amount BETWEEN 0 AND r.paid_amount'),
			('orders', 'charged_back_amount', '0 to paid_amount', 'r.charged_back_amount BETWEEN 0 AND r.paid_amount'),
			('orders', 'refund_due_amount', 'not negative', 'r.refund_due_amount >= 0 AND r.refund_due_amount < ''Infinity'''),
			('order_items', 'kind', 'item, shipping, tax or discount', 'r.kind IN (''item'', ''shipping'', ''tax'', ''discount'')'),
			('order_items', 'quantity', 'more than 0', 'r.quantity > 0 AND r.quantity < ''Infinity'''),
			('order_items', 'price', 'not negative', 'r.price >= 0 AND r.price < ''Infinity'''),
			('payments', 'amount', 'an amount in the currency, more than 0', 'r.amount > 0 AND order_payment.is_amount(r.amount, r.currency)'),
			('payments', 'fee', 'an amount in the currency', 'order_payment.is_amount(r.fee, r.currency)'),
			('payments', 'authorized_amount', 'an amount in the currency, not negative',
				'r.authorized_amount >= 0 AND order_payment.is_amount(r.authorized_amount, r.currency)'),
			('payments', 'capture_pending_amount', 'not negative', 'r.capture_pending_amount >= 0 AND r.capture_pending_amount < ''Infinity'''),
			('payments', 'refund_pending_amount', 'not negative', 'r.refund_pending_amount >= 0 AND r.refund_pending_amount < ''Infinity'''),
			('payments', 'captured_amount', '0 to amount or authorized_amount', 'r.captured_amount BETWEEN 0 AND greatest(r.amount, r.authorized_amount)'),
			('payments', 'refunded_amount', '0 to captured_amount', 'r.refunded_amount BETWEEN 0 AND r.captured_amount'),
			('payments', 'charged_back_amount', '0 to captured_amount', 'r.charged_back_amount BETWEEN 0 AND r.captured_amount'),
			('payments', 'attempt_no', 'more than 0', 'r.attempt_no > 0'),
			('payment_operations', 'kind', 'capture, void, refund or chargeback', 'r.kind IN (''capture'', ''void'', ''refund'', ''chargeback'')'),
			('payment_operations', 'amount', 'an amount in the currency, more than 0', 'r.amount > 0 AND order_payment.is_amount(r.amount, r.currency)'),
			('payment_operations', 'fee', 'an amount in the currency', 'order_payment.is_amount(r.fee, r.currency)'),
			('payment_operations', 'obligatory_amount', '0 to amount, and 0 unless it is a refund or chargeback',
				'r.obligatory_amount BETWEEN 0 AND CASE WHEN r.kind IN (''refund'', ''chargeback'') THEN r.amount ELSE 0 END'),
			('payment_operations', 'status', 'reversed only if it is a refund or chargeback',
				'r.status <> ''reversed'' OR r.kind IN (''refund'', ''chargeback'')'),
			('payment_operations', 'attempt_no', 'more than 0', 'r.attempt_no > 0'),
			('gateways', 'gateway', 'not empty', 'r.gateway <> '''''),
			('gateways', 'minor_unit_exponents', 'an object', 'jsonb_typeof(r.minor_unit_exponents) = ''object'''),
			('gateways', 'retry_schedule', 'an object', 'jsonb_typeof(r.retry_schedule) = ''object'''),
			('gateways', 'protocol', 'a protocol', 'r.protocol IN (''json'', ''standard_webhooks'', ''stripe'', ''alipay'', ''wechatpay_v3'', ''wechatpay_v2'')'),
			('gateways', 'endpoint', 'https', 'r.endpoint ~ ''^https://'''),
			('gateways', 'request_options', 'an object', 'jsonb_typeof(r.request_options) = ''object'''),
			('gateway_notifications', 'outcome', 'an outcome', 'r.outcome IN (''applied'', ''stale'', ''deferred'', ''orphan'', ''conflict'', ''error'')'),
			('gateway_fees', 'currency', 'a currency', 'order_payment.is_currency(r.currency)'),
			('gateway_fees', 'rate', '0 to 1', 'r.rate >= 0 AND r.rate < 1'),
			('gateway_fees', 'fixed', 'not negative', 'r.fixed >= 0 AND r.fixed < ''Infinity'''),
			('gateway_secrets', 'kind', 'a kind of secret', 'r.kind IN (''api_key'', ''webhook_secret'', ''standard_webhook_secret'', ''apiv3_key'', ''private_key'', ''public_key'', ''amount_key'')'),
			('gateway_secrets', 'valid_until', 'after valid_from', 'r.valid_until > r.valid_from'),
			('settlement_lines', 'kind', 'a kind of line', 'r.kind IN (''payment'', ''refund'', ''refund_reversal'', ''chargeback'', ''chargeback_reversal'', ''fee'', ''adjustment'')'),
			('settlement_lines', 'amount', 'an amount in the currency', 'order_payment.is_amount(r.amount, r.currency)'),
			('settlement_lines', 'amount', 'more than 0, unless it is a fee or adjustment', 'r.amount > 0 OR r.kind IN (''fee'', ''adjustment'')'),
			('settlement_lines', 'fee', 'an amount in the currency', 'order_payment.is_amount(r.fee, r.currency)')
		) w (relation, col, rule, condition)
		JOIN (VALUES
			('orders', 'r.order_id'),
			('order_items', 'r.order_id, r.line_no'),
			('payments', 'r.order_id, r.payment_id'),
			('payment_operations', 'r.order_id, r.operation_id'),
			('gateways', 'r.gateway'),
			('gateway_fees', 'r.gateway, r.currency, r.method'),
			('gateway_notifications', 'r.gateway, r.event_id'),
			('gateway_secrets', 'r.gateway, r.kind, r.secret_id'),
			('settlement_lines', 'r.gateway, r.settlement_id, r.line_no')
		) k (relation, key) ON k.relation = w.relation
		GROUP BY w.relation, k.key ORDER BY w.relation
	LOOP
		RETURN QUERY EXECUTE format($query$

SELECT 'value out of range', %2$L, concat_ws(' ', %3$s), d.column_name, d.stored, d.rule
FROM %1$I.%2$I r
CROSS JOIN LATERAL (%5$s) d (column_name, stored, rule)
WHERE (%4$s)::integer = 0

		$query$, store, rules.relation, rules.key, rules.condition, rules.deviations);
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.verify_values(name) IS
	'values that the CHECK constraints of a store refuse; part of verify_store()';
