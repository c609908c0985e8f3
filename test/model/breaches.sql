/*
 * Invariants of a store "shop", told by the rows alone: each row of the view
 * is a breach. They hold after every statement, in any snapshot.
 */
CREATE VIEW breaches AS
WITH p AS NOT MATERIALIZED (
	SELECT order_id, sum(captured_amount) AS captured, sum(refunded_amount) AS refunded,
		   sum(charged_back_amount) AS charged_back,
		   sum(CASE status WHEN 'authorized' THEN greatest(0, authorized_amount - captured_amount) ELSE 0 END) AS live,
		   count(DISTINCT currency) AS currencies, min(currency) AS currency
	FROM shop.payments GROUP BY order_id
), x AS NOT MATERIALIZED (
	SELECT order_id, payment_id,
		   coalesce(sum(amount) FILTER (WHERE kind = 'refund' AND status = 'succeeded'), 0) AS refunded,
		   coalesce(sum(amount) FILTER (WHERE kind = 'refund' AND status <= 'unknown'), 0) AS refunding,
		   coalesce(sum(amount) FILTER (WHERE kind = 'chargeback' AND status = 'succeeded'), 0) AS charged_back,
		   coalesce(sum(amount) FILTER (WHERE kind = 'capture' AND status = 'succeeded'), 0) AS captured,
		   coalesce(sum(amount) FILTER (WHERE kind IN ('capture', 'void') AND status <= 'unknown'), 0) AS capturing
	FROM shop.payment_operations GROUP BY order_id, payment_id
), e AS NOT MATERIALIZED (
	SELECT order_id, version, entity, entity_id, from_status, to_status,
		   lag(to_status) OVER (PARTITION BY order_id, entity, entity_id ORDER BY version) AS previous
	FROM shop.order_events WHERE to_status <> 'customer_contact_needed'  -- which is no status
)
SELECT 'counters of an order are not the sums of its payments' AS breach, o.order_id
FROM shop.orders o LEFT JOIN p USING (order_id)
WHERE (o.paid_amount, o.refunded_amount, o.charged_back_amount, o.authorized_amount)
	  IS DISTINCT FROM (coalesce(p.captured, 0), coalesce(p.refunded, 0), coalesce(p.charged_back, 0), coalesce(p.live, 0))
UNION ALL
SELECT 'counters of a payment are not the sums of its operations', y.order_id
FROM shop.payments y LEFT JOIN x USING (order_id, payment_id)
WHERE (y.refunded_amount, y.refund_pending_amount, y.charged_back_amount, y.capture_pending_amount)
	  IS DISTINCT FROM (coalesce(x.refunded, 0), coalesce(x.refunding, 0), coalesce(x.charged_back, 0), coalesce(x.capturing, 0))
   OR y.captured_amount < coalesce(x.captured, 0)
UNION ALL
SELECT 'refunded more than was captured', order_id FROM shop.payments WHERE refunded_amount > captured_amount
UNION ALL
SELECT 'an amount that is none', order_id FROM shop.payments
WHERE NOT order_payment.is_amount(captured_amount, currency) OR captured_amount < 0
   OR NOT order_payment.is_amount(net_amount, currency)
UNION ALL
SELECT 'several currencies', o.order_id FROM shop.orders o JOIN p USING (order_id)
WHERE p.currencies > 1 OR p.currency <> o.currency
UNION ALL
SELECT 'something is kept for a dead order', order_id FROM shop.orders
WHERE status IN ('cancelled', 'expired', 'refunded')
  AND refund_due_amount <> greatest(0, paid_amount - refunded_amount - charged_back_amount)
UNION ALL
SELECT 'more is kept than the total', order_id FROM shop.orders
WHERE total_amount IS NOT NULL AND status NOT IN ('cancelled', 'expired', 'refunded')
  AND paid_amount - refunded_amount - charged_back_amount - refund_due_amount > greatest(0, total_amount)
UNION ALL
SELECT 'more is due than is held', order_id FROM shop.orders
WHERE refund_due_amount > greatest(0, paid_amount - refunded_amount - charged_back_amount)
UNION ALL
SELECT 'nothing is outstanding, and the order is not paid', order_id FROM shop.orders
WHERE status IN ('pending', 'authorized') AND total_amount > 0
  AND total_amount - paid_amount + refunded_amount + charged_back_amount + refund_due_amount <= 0
UNION ALL
SELECT 'versions have gaps, or are not the number of events', o.order_id
FROM shop.orders o LEFT JOIN (SELECT order_id, count(*) AS n, max(version) AS last FROM shop.order_events GROUP BY order_id) c USING (order_id)
WHERE o.version IS DISTINCT FROM c.n OR o.version IS DISTINCT FROM c.last
UNION ALL
SELECT 'an event does not follow its predecessor', order_id FROM e WHERE from_status IS DISTINCT FROM previous
UNION ALL
SELECT 'status is not that of the last event', o.order_id FROM shop.orders o
WHERE o.status::text IS DISTINCT FROM (SELECT v.to_status FROM shop.order_events v
	WHERE v.order_id = o.order_id AND v.entity = 'order' ORDER BY v.version DESC LIMIT 1)
UNION ALL
SELECT 'status of a payment is not that of its last event', y.order_id FROM shop.payments y
WHERE y.status::text IS DISTINCT FROM (SELECT v.to_status FROM shop.order_events v
	WHERE v.order_id = y.order_id AND v.entity = 'payment' AND v.entity_id = y.payment_id
	  AND v.to_status <> 'customer_contact_needed' ORDER BY v.version DESC LIMIT 1)
UNION ALL
SELECT 'status of an operation is not that of its last event', y.order_id FROM shop.payment_operations y
WHERE y.status::text IS DISTINCT FROM (SELECT v.to_status FROM shop.order_events v
	WHERE v.order_id = y.order_id AND v.entity = 'operation' AND v.entity_id = y.operation_id ORDER BY v.version DESC LIMIT 1)
UNION ALL
SELECT 'total is not that of the lines', o.order_id
FROM shop.orders o LEFT JOIN (SELECT order_id, count(*) AS n, sum(amount) AS amount FROM shop.order_items GROUP BY order_id) i USING (order_id)
WHERE o.item_count <> coalesce(i.n, 0) OR o.total_amount IS DISTINCT FROM coalesce(i.amount, o.quantity * o.price);
