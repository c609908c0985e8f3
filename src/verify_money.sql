/* ---------- verify_store: amounts and the states that money forces ---------- */

/*
 * total, paid, refunded, charged back, authorised    sums of lines and payments
 *
 * due  what is owed to the customer is a matter of history: of which refund
 *      came before which capture. What follows of it, and is expected:
 *      - of a dead order, all that is held;
 *      - before a total is known, or before it is paid, nothing;
 *      - after that, what was paid, less the total, less what refunds and
 *        chargebacks have paid of the due; but no more than is held. If money
 *        had gone back before the order was paid, or was charged back, and was
 *        then paid anew, it is less: at least what is held above the total.
 *      The last but one is not asked for where the graph lets an order that is
 *      paid or dead become an unpaid one: then its total may have changed.
 */
CREATE FUNCTION order_payment.verify_orders(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	goes_back CONSTANT boolean := EXISTS (
		SELECT FROM order_payment.verify_edges(store) e
		WHERE e.entity = 'order'
		  AND (e.from_status IN ('paid', 'shipped', 'completed') AND e.to_status IN ('pending', 'authorized')
			   OR e.from_status IN ('cancelled', 'expired', 'refunded') AND e.to_status NOT IN ('cancelled', 'expired', 'refunded')));
BEGIN
	RETURN QUERY EXECUTE format($query$

SELECT d.problem, 'orders', o.order_id::text, d.column_name, d.stored, d.expected
FROM (
	SELECT b.*,
		   CASE WHEN b.status IN ('pending', 'authorized') AND b.total_amount > 0 AND b.outstanding = 0 THEN 'paid'
				WHEN b.status = 'authorized' AND b.authorized < b.outstanding THEN 'pending'
				WHEN b.status IN ('paid', 'completed') AND b.total_amount > 0 AND b.version > 1
					AND b.paid - b.refunded <= b.refund_due_amount THEN 'refunded'
				ELSE b.status END AS forced,
		   b.status = 'shipped' AND b.outstanding = 0 AND b.paid_at IS NULL AND b.version > 1 AS unstamped
	FROM (
		SELECT c.*,
			   CASE WHEN c.total_amount IS NULL THEN NULL
					WHEN c.status IN ('pending', 'authorized') OR (c.status = 'shipped' AND c.paid_at IS NULL)
						THEN greatest(0, c.total_amount - c.held + c.refund_due_amount)
					WHEN c.status = 'shipped' THEN greatest(0, c.total_amount - c.paid + c.refund_due_amount)
					ELSE 0 END AS outstanding,
			   CASE WHEN c.is_dead THEN greatest(0, c.held)
					WHEN NOT $1 AND c.status IN ('paid', 'shipped', 'completed') AND c.refunded > c.returned_due
						AND NOT EXISTS (
							SELECT FROM %1$I.order_events e
							JOIN %1$I.payment_operations l ON l.order_id = e.order_id AND l.operation_id = e.entity_id
							WHERE e.order_id = c.order_id AND e.entity = 'operation' AND e.to_status = 'succeeded'
							  AND (l.kind = 'chargeback' OR l.kind = 'refund' AND e.version < ALL (
									SELECT s.version FROM %1$I.order_events s
									WHERE s.order_id = c.order_id AND s.entity = 'order' AND s.to_status = 'paid')))
						THEN greatest(0, least(c.held, c.paid - c.total_amount - c.returned_due))
					ELSE greatest(0, c.held - CASE WHEN c.total_amount < 0 THEN 0 ELSE c.total_amount END) END AS least_due,
			   CASE WHEN c.is_dead OR $1 OR c.total_amount < 0 THEN greatest(0, c.held)
					WHEN c.total_amount IS NULL OR c.status IN ('pending', 'authorized') THEN 0
					ELSE greatest(0, least(c.held, c.paid - c.total_amount - c.returned_due)) END AS most_due,
			   CASE WHEN NOT $1 AND c.status IN ('paid', 'completed')
					THEN least(c.returned_due, greatest(0, c.paid - c.total_amount))
					ELSE c.returned_due END AS most_returned_due
		FROM (
			SELECT r.order_id, r.status, r.status IN ('expired', 'cancelled', 'refunded') AS is_dead, r.version, r.paid_at, r.item_count, r.total_amount, r.authorized_amount,
				   r.paid_amount, r.refunded_amount, r.charged_back_amount, r.refund_due_amount,
				   coalesce(i.n, 0) AS lines, coalesce(i.amount, r.quantity * r.price) AS total,
				   coalesce(p.authorized, 0) AS authorized, coalesce(p.captured, 0) AS paid,
				   coalesce(p.refunded, 0) AS refunded, coalesce(p.charged_back, 0) AS charged_back,
				   coalesce(p.captured - p.refunded - p.charged_back, 0) AS held,
				   coalesce(x.returned_due, 0) AS returned_due
			FROM %1$I.orders r
			LEFT JOIN (
				SELECT l.order_id, count(*) AS n, sum(l.amount) AS amount
				FROM %1$I.order_items l GROUP BY l.order_id
			) i ON i.order_id = r.order_id
			LEFT JOIN (
				SELECT l.order_id, sum(l.captured_amount) AS captured, sum(l.refunded_amount) AS refunded,
					   sum(l.charged_back_amount) AS charged_back,
					   sum(greatest(0, l.authorized_amount - l.captured_amount)) FILTER (WHERE l.status = 'authorized') AS authorized
				FROM %1$I.payments l GROUP BY l.order_id
			) p ON p.order_id = r.order_id
			LEFT JOIN (
				SELECT l.order_id, sum(l.obligatory_amount) AS returned_due
				FROM %1$I.payment_operations l
				WHERE l.status = 'succeeded' AND l.obligatory_amount <> 0 GROUP BY l.order_id
			) x ON x.order_id = r.order_id
		) c
	) b
) o
CROSS JOIN LATERAL (
	SELECT a.problem, a.column_name, a.stored::text, a.expected::text
	FROM (VALUES
		('total is not that of the lines', 'item_count', o.item_count, o.lines),
		('total is not that of the lines', 'total_amount', o.total_amount, o.total),
		('amount is not that of the payments', 'authorized_amount', o.authorized_amount, o.authorized),
		('amount is not that of the payments', 'paid_amount', o.paid_amount, o.paid),
		('amount is not that of the payments', 'refunded_amount', o.refunded_amount, o.refunded),
		('amount is not that of the payments', 'charged_back_amount', o.charged_back_amount, o.charged_back),
		('due is not what was paid too much', 'refund_due_amount', o.refund_due_amount,
			greatest(o.least_due, least(o.refund_due_amount, o.most_due))),
		('refunds have paid more of the due than there was', 'obligatory_amount', o.returned_due, o.most_returned_due)
	) a (problem, column_name, stored, expected)
	WHERE a.stored IS DISTINCT FROM a.expected
	UNION ALL
	SELECT 'status is not that which money forces', 'status', o.status::text, o.forced::text
	WHERE o.forced <> o.status
	UNION ALL
	SELECT 'state entered without a stamp', 'paid_at', NULL, 'the time when nothing was outstanding'
	WHERE o.unstamped
) d
WHERE (o.item_count, o.total_amount, o.authorized_amount, o.paid_amount, o.refunded_amount, o.charged_back_amount, o.status)
	  IS DISTINCT FROM (o.lines, o.total, o.authorized, o.paid, o.refunded, o.charged_back, o.forced)
   OR o.refund_due_amount NOT BETWEEN o.least_due AND o.most_due
   OR o.returned_due > o.most_returned_due
   OR o.unstamped

	$query$, store) USING goes_back;
END
$$;
COMMENT ON FUNCTION order_payment.verify_orders(name) IS
	'orders whose amounts do not follow from lines, payments and operations, or whose status is not that which they force; part of verify_store()';

/*
 * captured  rows of kind capture, but for a payment that succeeded by itself:
 *           it captured what was authorised, or else its amount, and more by
 *           the rows that came after.
 */
CREATE FUNCTION order_payment.verify_payments(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($query$

SELECT d.problem, 'payments', concat_ws(' ', p.order_id, p.payment_id), d.column_name, d.stored, d.expected
FROM (
	SELECT r.order_id, r.payment_id, r.amount, r.currency, r.fee, r.capture_pending_amount, r.captured_amount,
		   r.refund_pending_amount, r.refunded_amount, r.charged_back_amount, r.expected_net, r.net_amount,
		   coalesce(x.capture_pending, 0) AS capture_pending, coalesce(x.refund_pending, 0) AS refund_pending,
		   coalesce(x.refunded, 0) AS refunded, coalesce(x.charged_back, 0) AS charged_back,
		   CASE WHEN r.status <> 'succeeded' OR r.captured_amount = x.captured THEN coalesce(x.captured, 0)
				WHEN r.authorized_amount > 0 THEN
					greatest(r.authorized_amount, least(r.captured_amount, r.authorized_amount + coalesce(x.captured, 0)))
				ELSE greatest(r.amount, least(r.captured_amount, r.amount + coalesce(x.captured, 0)))
		   END AS captured,
		   CASE WHEN r.captured_amount > 0
				THEN r.captured_amount - r.refunded_amount - r.charged_back_amount - r.fee ELSE 0 END AS net,
		   coalesce(o.currency, r.currency) AS order_currency
	FROM %1$I.payments r
	LEFT JOIN (
		SELECT l.order_id, l.payment_id,
			   sum(l.amount) FILTER (WHERE l.kind IN ('capture', 'void') AND l.status <= 'unknown') AS capture_pending,
			   sum(l.amount) FILTER (WHERE l.kind = 'capture' AND l.status = 'succeeded') AS captured,
			   sum(l.amount) FILTER (WHERE l.kind = 'refund' AND l.status <= 'unknown') AS refund_pending,
			   sum(l.amount) FILTER (WHERE l.kind = 'refund' AND l.status = 'succeeded') AS refunded,
			   sum(l.amount) FILTER (WHERE l.kind = 'chargeback' AND l.status = 'succeeded') AS charged_back
		FROM %1$I.payment_operations l GROUP BY l.order_id, l.payment_id
	) x ON x.order_id = r.order_id AND x.payment_id = r.payment_id
	LEFT JOIN %1$I.orders o ON o.order_id = r.order_id
) p
CROSS JOIN LATERAL (
	SELECT a.problem, a.column_name, a.stored::text, a.expected::text
	FROM (VALUES
		('amount is not that of the operations', 'capture_pending_amount', p.capture_pending_amount, p.capture_pending),
		('amount is not that of the operations', 'captured_amount', p.captured_amount, p.captured),
		('amount is not that of the operations', 'refund_pending_amount', p.refund_pending_amount, p.refund_pending),
		('amount is not that of the operations', 'refunded_amount', p.refunded_amount, p.refunded),
		('amount is not that of the operations', 'charged_back_amount', p.charged_back_amount, p.charged_back),
		('generated column is wrong', 'expected_net', p.expected_net, p.amount - p.fee),
		('generated column is wrong', 'net_amount', p.net_amount, p.net)
	) a (problem, column_name, stored, expected)
	WHERE a.stored IS DISTINCT FROM a.expected
	UNION ALL
	SELECT 'currency is not that of the order', 'currency', p.currency, p.order_currency
	WHERE p.currency <> p.order_currency
) d
WHERE (p.capture_pending_amount, p.captured_amount, p.refund_pending_amount, p.refunded_amount,
	   p.charged_back_amount, p.expected_net, p.net_amount, p.currency)
	  IS DISTINCT FROM (p.capture_pending, p.captured, p.refund_pending, p.refunded,
						p.charged_back, p.amount - p.fee, p.net, p.order_currency)
UNION ALL
SELECT 'currency is not that of the payment', 'payment_operations', concat_ws(' ', x.order_id, x.operation_id),
	   'currency', x.currency, p.currency
FROM %1$I.payment_operations x
JOIN %1$I.payments p ON p.order_id = x.order_id AND p.payment_id = x.payment_id
WHERE x.currency <> p.currency
UNION ALL
SELECT 'generated column is wrong', 'order_items', concat_ws(' ', i.order_id, i.line_no), 'amount', i.amount::text,
	   (CASE i.kind WHEN 'discount' THEN - (i.quantity * i.price) ELSE i.quantity * i.price END)::text
FROM %1$I.order_items i
WHERE i.amount <> CASE i.kind WHEN 'discount' THEN - (i.quantity * i.price) ELSE i.quantity * i.price END
UNION ALL
SELECT 'more than one live attempt', 'payments', p.order_id::text, 'status', count(*)::text, '1'
FROM %1$I.payments p
WHERE p.status <= 'unknown' AND NOT p.split
GROUP BY p.order_id HAVING count(*) > 1

	$query$, store);
END
$$;
COMMENT ON FUNCTION order_payment.verify_payments(name) IS
	'payments whose amounts do not follow from their operations, other currencies than the order''s, generated columns that do not fit; part of verify_store()';
