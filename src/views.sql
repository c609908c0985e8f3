/* ---------- the views of a store ---------- */

/*
 * dead         cancelled, expired, refunded: nothing of the money is kept
 * covered      nothing is outstanding
 * rest         of an authorisation: neither captured, nor under way
 *
 * Views are the caller's: they run with his rights and under his row security.
 * Nothing is stored for them. An order that needs nothing has no row in
 * open_work or needs_attention, and a row goes by itself when its cause is
 * gone. Every branch of open_work begins at a partial index that holds open
 * rows only, and goes from there to the order by its key, so that it costs
 * what is open and not what the store has ever seen.
 */
CREATE FUNCTION order_payment.create_views(store name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	outstanding CONSTANT text := 'order_payment.outstanding_amount(o.status, o.total_amount, o.paid_amount,
		o.refunded_amount, o.charged_back_amount, o.refund_due_amount, o.paid_at IS NOT NULL)';
	-- an order of unknown total is not covered, unless it is dead
	needless CONSTANT text := format(
		'(o.status IN (''cancelled'', ''expired'', ''refunded'') OR coalesce(%s = 0, false))', outstanding);
	-- What covers the due of an order, and what it may come from. A refund that failed covers as well: it
	-- is tried again under its own number, and a second one would pay the same twice.
	refunds CONSTANT text := format($sql$
	SELECT coalesce(sum(CASE WHEN o.status IN ('cancelled', 'expired', 'refunded')
							 THEN r.amount ELSE r.obligatory_amount END)
					FILTER (WHERE r.kind = 'refund'
							AND r.status IN ('requested', 'processing', 'unknown', 'failed')), 0) AS covered,
		max(r.reversed_at) AS reversed_at,
		max(r.succeeded_at) FILTER (WHERE r.kind = 'capture') AS captured_at
	FROM %I.payment_operations r WHERE r.order_id = o.order_id$sql$, store);
BEGIN
	EXECUTE format($ddl$

CREATE VIEW %1$I.order_overview WITH (security_invoker = true) AS
SELECT o.order_id, o.customer_id, o.status,
	CASE
		WHEN o.charged_back_amount > 0 THEN 'charged_back'
		WHEN o.refund_due_amount > 0 THEN 'overpaid'
		WHEN outstanding > 0 AND o.authorized_amount >= outstanding THEN 'authorized'
		WHEN coalesce(outstanding > 0, true) AND o.paid_amount > o.refunded_amount THEN 'partially_paid'
		WHEN o.paid_amount > 0 AND o.paid_amount = o.refunded_amount THEN 'refunded'
		WHEN outstanding = 0 AND o.paid_amount - o.refunded_amount >= o.total_amount
			AND (o.paid_amount > 0 OR o.paid_at IS NOT NULL) THEN 'paid'
		WHEN o.paid_amount > o.refunded_amount THEN 'partially_refunded'
		ELSE 'unpaid'
	END AS payment_state,
	o.currency, o.total_amount, outstanding AS outstanding_amount, o.authorized_amount, o.paid_amount,
	o.refunded_amount, o.charged_back_amount, o.refund_due_amount, p.refund_pending_amount,
	p.attempts, p.live_attempts, p.fees + r.fees AS fees, p.fees_final, p.net_amount - r.fees AS net_amount,
	o.version, o.pay_before, o.created_at, o.authorized_at, o.paid_at, o.shipped_at, o.completed_at,
	o.cancelled_at, o.expired_at, o.refunded_at
FROM (SELECT o.*, %2$s AS outstanding FROM %1$I.orders o) o
CROSS JOIN LATERAL (
	SELECT count(*) AS attempts,
		count(*) FILTER (WHERE p.status <= 'unknown') AS live_attempts,
		coalesce(sum(p.refund_pending_amount), 0) AS refund_pending_amount,
		coalesce(sum(p.fee) FILTER (WHERE p.captured_amount > 0), 0) AS fees,
		coalesce(bool_and(p.fee_final) FILTER (WHERE p.captured_amount > 0), true) AS fees_final,
		coalesce(sum(p.net_amount), 0) AS net_amount
	FROM %1$I.payments p WHERE p.order_id = o.order_id) p
CROSS JOIN LATERAL (
	SELECT coalesce(sum(r.fee), 0) AS fees
	FROM %1$I.payment_operations r
	WHERE r.order_id = o.order_id AND r.status IN ('succeeded', 'reversed')) r;

CREATE VIEW %1$I.payment_overview WITH (security_invoker = true) AS
SELECT p.order_id, p.payment_id, replace(p.payment_id::text, '-', '') AS gateway_number,
	p.gateway, p.gateway_reference, p.method, p.status, o.status AS order_status, p.currency, p.amount,
	p.authorized_amount, p.captured_amount, p.refunded_amount, p.charged_back_amount, p.refund_pending_amount,
	greatest(0, p.captured_amount - p.refunded_amount - p.charged_back_amount - p.refund_pending_amount)
		AS refundable_amount,
	p.fee, p.fee_final, r.fees AS operation_fees, p.net_amount,
	p.net_amount - r.fees AS net_after_operations,
	p.attempt_no, p.retry_of, p.failure_class, p.failure_code, p.failure_message,
	p.retry_at, p.expires_at, p.capture_before, p.created_at, now() - p.created_at AS age
FROM %1$I.payments p
JOIN %1$I.orders o ON o.order_id = p.order_id
CROSS JOIN LATERAL (
	SELECT coalesce(sum(r.fee), 0) AS fees
	FROM %1$I.payment_operations r
	WHERE r.order_id = p.order_id AND r.payment_id = p.payment_id AND r.status IN ('succeeded', 'reversed')) r;

CREATE VIEW %1$I.open_work WITH (security_invoker = true) AS
SELECT 'refund_due'::text AS work, o.order_id, NULL::uuid AS payment_id, NULL::uuid AS operation_id,
	NULL::text AS gateway, o.refund_due_amount - c.covered AS amount, o.currency,
	greatest(o.cancelled_at, o.expired_at, o.refunded_at, c.reversed_at, c.captured_at, s.succeeded_at) AS since,
	NULL::timestamptz AS due_at
FROM %1$I.orders o
CROSS JOIN LATERAL (%5$s) c
CROSS JOIN LATERAL (
	SELECT max(p.succeeded_at) AS succeeded_at FROM %1$I.payments p WHERE p.order_id = o.order_id) s
WHERE o.refund_due_amount > 0 AND o.refund_due_amount > c.covered
UNION ALL
SELECT 'send_payment', p.order_id, p.payment_id, NULL, p.gateway, p.amount, p.currency, p.created_at, p.expires_at
FROM %1$I.payments p JOIN %1$I.orders o ON o.order_id = p.order_id
WHERE p.status = 'created' AND p.gateway NOT IN ('manual', 'cod') AND NOT %3$s
UNION ALL
SELECT 'revoke_payment', p.order_id, p.payment_id, NULL, p.gateway, p.amount, p.currency,
	greatest(p.created_at, o.cancelled_at, o.expired_at, o.refunded_at, o.paid_at), p.expires_at
FROM %1$I.payments p JOIN %1$I.orders o ON o.order_id = p.order_id
WHERE p.status IN ('created', 'processing', 'requires_action') AND %3$s
UNION ALL
-- a void that is under way has reserved the rest
SELECT 'void_payment', p.order_id, p.payment_id, NULL, p.gateway,
	p.authorized_amount - p.captured_amount - p.capture_pending_amount, p.currency,
	greatest(p.authorized_at, o.cancelled_at, o.expired_at, o.refunded_at, o.paid_at), p.capture_before
FROM %1$I.payments p JOIN %1$I.orders o ON o.order_id = p.order_id
WHERE p.status = 'authorized' AND p.authorized_amount > p.captured_amount + p.capture_pending_amount AND %3$s
  AND NOT EXISTS (
	SELECT FROM %1$I.payment_operations r
	WHERE r.order_id = p.order_id AND r.payment_id = p.payment_id AND r.kind = 'void'
	  AND r.status = 'failed' AND r.retry_at IS NOT NULL)
UNION ALL
SELECT 'authorization_lapses', p.order_id, p.payment_id, NULL, p.gateway,
	p.authorized_amount - p.captured_amount - p.capture_pending_amount, p.currency,
	p.capture_before - interval '1 day', p.capture_before
FROM %1$I.payments p JOIN %1$I.orders o ON o.order_id = p.order_id
WHERE p.status = 'authorized' AND p.capture_before <= now() + interval '1 day'
  AND p.authorized_amount > p.captured_amount + p.capture_pending_amount AND NOT %3$s
UNION ALL
SELECT 'query_payment', p.order_id, p.payment_id, NULL, p.gateway, p.amount, p.currency, p.unknown_at, NULL
FROM %1$I.payments p WHERE p.status = 'unknown'
UNION ALL
SELECT 'query_payment', p.order_id, p.payment_id, NULL, p.gateway, p.amount, p.currency, p.expires_at, NULL
FROM %1$I.payments p JOIN %1$I.orders o ON o.order_id = p.order_id
WHERE p.status IN ('processing', 'requires_action') AND p.expires_at <= now() AND NOT %3$s
UNION ALL
SELECT 'retry_payment', p.order_id, p.payment_id, NULL, p.gateway, p.amount, p.currency, p.retry_at, NULL
FROM %1$I.payments p
JOIN %1$I.orders o ON o.order_id = p.order_id
JOIN %1$I.gateways g ON g.gateway = p.gateway AND g.active
WHERE p.retry_at <= now() AND p.status = 'failed' AND p.failure_class IS DISTINCT FROM 'hard_decline'
  AND o.status = 'pending' AND coalesce(p.amount <= %2$s, true)
  AND NOT EXISTS (
	SELECT FROM %1$I.payments n
	WHERE n.order_id = p.order_id
	  AND (n.retry_of = p.payment_id
		   OR NOT p.split AND NOT n.split
			  AND (n.status <= 'unknown' OR n.status IN ('succeeded', 'failed')
										AND (n.created_at, n.payment_id) > (p.created_at, p.payment_id))))
UNION ALL
SELECT 'send_operation', r.order_id, r.payment_id, r.operation_id, p.gateway, r.amount, r.currency,
	coalesce(r.requested_at, r.created_at), CASE r.kind WHEN 'capture' THEN p.capture_before END
FROM %1$I.payment_operations r
JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
WHERE r.status = 'requested'
UNION ALL
SELECT 'query_operation', r.order_id, r.payment_id, r.operation_id, p.gateway, r.amount, r.currency, r.unknown_at, NULL
FROM %1$I.payment_operations r
JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
WHERE r.status = 'unknown'
UNION ALL
SELECT 'retry_operation', r.order_id, r.payment_id, r.operation_id, p.gateway, r.amount, r.currency, r.retry_at,
	CASE r.kind WHEN 'capture' THEN p.capture_before END
FROM %1$I.payment_operations r
JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
JOIN %1$I.orders o ON o.order_id = r.order_id
WHERE r.retry_at <= now() AND r.status = 'failed'
  AND (r.kind = 'refund' OR p.status = 'authorized' AND (r.kind = 'void' OR NOT %3$s));

CREATE VIEW %1$I.needs_attention WITH (security_invoker = true) AS
SELECT 'more was paid back than was captured'::text AS reason, p.order_id, p.payment_id, NULL::uuid AS operation_id,
	p.gateway, p.refunded_amount + p.charged_back_amount - p.captured_amount AS amount, p.currency,
	(SELECT max(r.succeeded_at) FROM %1$I.payment_operations r
	 WHERE r.order_id = p.order_id AND r.payment_id = p.payment_id
	   AND r.kind IN ('refund', 'chargeback') AND r.status = 'succeeded') AS since
FROM %1$I.payments p
WHERE p.charged_back_amount > 0 AND p.refunded_amount + p.charged_back_amount > p.captured_amount
UNION ALL
-- after a full refund the fee is lost, which is how gateways work; before one it is a mistake
SELECT 'the fee is more than what was captured', p.order_id, p.payment_id, NULL, p.gateway, - p.net_amount, p.currency,
	coalesce(p.succeeded_at, p.authorized_at)
FROM %1$I.payments p
WHERE p.net_amount < 0 AND p.fee > p.captured_amount
UNION ALL
SELECT 'the outcome of a payment has been unknown for an hour', p.order_id, p.payment_id, NULL, p.gateway, p.amount,
	p.currency, p.unknown_at
FROM %1$I.payments p
WHERE p.status = 'unknown' AND p.unknown_at <= now() - interval '1 hour'
UNION ALL
SELECT format('the outcome of a %%s has been unknown for an hour', r.kind), r.order_id, r.payment_id, r.operation_id,
	p.gateway, r.amount, r.currency, r.unknown_at
FROM %1$I.payment_operations r
JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
WHERE r.status = 'unknown' AND r.unknown_at <= now() - interval '1 hour'
UNION ALL
-- since this server writes its timeline: what another one may have sent is not sent before the gateway has answered
SELECT format('the gateway does not tell whether it knows this %%s', w.what), w.order_id, w.payment_id, w.operation_id, w.gateway,
	w.amount, w.currency, q.asked_at
FROM (
	SELECT 'payment' AS what, p.order_id, p.payment_id, NULL::uuid AS operation_id, p.gateway, p.amount, p.currency
	FROM %1$I.payments p WHERE p.status = 'created'
	UNION ALL
	SELECT r.kind::text, r.order_id, r.payment_id, r.operation_id, p.gateway, r.amount, r.currency
	FROM %1$I.payment_operations r
	JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
	WHERE r.status = 'requested' OR r.status = 'failed' AND r.retry_at <= now()) w
JOIN %1$I.gateways g ON g.gateway = w.gateway
CROSS JOIN %1$I.gateway_sender s
CROSS JOIN LATERAL (
	SELECT count(*) AS n, max(q.claimed_at) AS asked_at, bool_or(q.outcome = 'absent') AS is_absent
	FROM %1$I.gateway_requests q
	WHERE q.order_id = w.order_id AND q.payment_id = w.payment_id AND q.operation_id IS NOT DISTINCT FROM w.operation_id
	  AND q.work IN ('query_payment', 'query_operation') AND q.state <> 'claimed' AND q.claimed_at > s.timeline_since) q
WHERE q.n > 0 AND q.n >= cardinality(g.query_schedule) AND q.is_absent IS NOT TRUE
UNION ALL
SELECT format('a %%s failed and is not tried again', r.kind), r.order_id, r.payment_id, r.operation_id, p.gateway,
	r.amount, r.currency, r.failed_at
FROM %1$I.payment_operations r
JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
JOIN %1$I.orders o ON o.order_id = r.order_id
WHERE r.status = 'failed' AND r.retry_at IS NULL
  AND (r.kind = 'refund' OR r.kind = 'capture' AND p.status = 'authorized' AND NOT %3$s)
  AND NOT EXISTS (
	SELECT FROM %1$I.payment_operations n
	WHERE n.order_id = r.order_id AND n.kind = r.kind AND n.created_at > r.failed_at
	  AND n.amount >= r.amount AND n.status NOT IN ('failed', 'cancelled'))
UNION ALL
SELECT 'the customer should be asked for another payment', p.order_id, p.payment_id, NULL, p.gateway, p.amount,
	p.currency, p.contact_needed_at
FROM %1$I.payments p
JOIN %1$I.orders o ON o.order_id = p.order_id
WHERE p.contact_needed_at IS NOT NULL AND p.status = 'failed' AND NOT %3$s
  AND NOT EXISTS (
	SELECT FROM %1$I.payments n
	WHERE n.order_id = p.order_id AND (n.status <= 'unknown' OR n.created_at > p.contact_needed_at))
UNION ALL
-- the rest was paid by hand, or through a gateway that is switched off
SELECT 'more is due than gateways can refund', o.order_id, NULL, NULL, NULL,
	o.refund_due_amount - c.covered - s.refundable, o.currency,
	greatest(o.cancelled_at, o.expired_at, o.refunded_at, c.reversed_at, c.captured_at, s.succeeded_at)
FROM %1$I.orders o
CROSS JOIN LATERAL (%5$s) c
CROSS JOIN LATERAL (
	SELECT coalesce(sum(greatest(0, p.captured_amount - p.refunded_amount - p.charged_back_amount
									- p.refund_pending_amount))
					FILTER (WHERE g.active AND g.gateway NOT IN ('manual', 'cod')), 0) AS refundable,
		max(p.succeeded_at) AS succeeded_at
	FROM %1$I.payments p JOIN %1$I.gateways g ON g.gateway = p.gateway WHERE p.order_id = o.order_id) s
WHERE o.refund_due_amount > 0 AND o.refund_due_amount > c.covered + s.refundable
UNION ALL
SELECT 'an authorisation lapsed before it was captured', p.order_id, p.payment_id, NULL, p.gateway,
	p.authorized_amount - p.captured_amount, p.currency, p.capture_before
FROM %1$I.payments p
JOIN %1$I.orders o ON o.order_id = p.order_id
WHERE p.status = 'authorized' AND p.capture_before <= now() AND o.status IN ('authorized', 'shipped') AND NOT %3$s
UNION ALL
SELECT 'the order is shipped, and neither paid nor authorised', o.order_id, NULL, NULL, NULL,
	%2$s, o.currency, o.shipped_at
FROM %1$I.orders o
WHERE o.paid_at IS NULL AND o.cancelled_at IS NULL AND o.expired_at IS NULL
  AND o.shipped_at IS NOT NULL AND o.status = 'shipped' AND o.authorized_amount < %2$s
UNION ALL
SELECT CASE WHEN o.paid_amount <= o.refunded_amount + o.charged_back_amount
			THEN format('the order is %%s, and all of its money is gone', o.status)
			ELSE format('the order is %%s, and money was charged back', o.status) END,
	o.order_id, NULL, NULL, NULL, o.charged_back_amount, o.currency,
	(SELECT max(r.succeeded_at) FROM %1$I.payment_operations r
	 WHERE r.order_id = o.order_id AND r.kind = 'chargeback' AND r.status = 'succeeded')
FROM %1$I.orders o
WHERE o.charged_back_amount > 0 AND o.status IN ('paid', 'shipped', 'completed')
UNION ALL
SELECT 'money has been held for a day for an order of unknown total', o.order_id, NULL, NULL, NULL,
	o.paid_amount - o.refunded_amount - o.charged_back_amount, o.currency, s.captured_at
FROM %1$I.orders o
CROSS JOIN LATERAL (
	SELECT min(coalesce(p.succeeded_at, p.authorized_at)) AS captured_at
	FROM %1$I.payments p WHERE p.order_id = o.order_id AND p.captured_amount > 0) s
WHERE o.paid_at IS NULL AND o.cancelled_at IS NULL AND o.expired_at IS NULL
  AND o.total_amount IS NULL AND o.paid_amount > o.refunded_amount + o.charged_back_amount
  AND s.captured_at <= now() - interval '1 day'
UNION ALL
SELECT format('notification "%%s" was not applied (%%s): %%s', n.event_id, n.outcome, n.reason), n.order_id, n.payment_id,
	n.operation_id, n.gateway, NULL, NULL, n.received_at
FROM %1$I.gateway_notifications n
WHERE n.outcome IN ('deferred', 'orphan', 'conflict', 'error')
UNION ALL
SELECT format(CASE d.state WHEN 'dead' THEN 'event %%s was not taken by "%%s", and is given up: %%s'
			  ELSE 'event %%s has not been taken by "%%s" for an hour: %%s' END,
			  d.event_id, d.subscriber, concat_ws(' ', d.http_status, d.reason)), d.order_id, NULL, NULL, d.subscriber, NULL, NULL, d.created_at
FROM %1$I.webhook_deliveries d
WHERE d.state = 'dead' OR d.attempts > 0 AND d.created_at <= now() - interval '1 hour'
UNION ALL
-- the last one of its payment or operation, while that waits for it
SELECT format('a request (%%s) was %%s: %%s', q.work, CASE q.state WHEN 'refused' THEN 'not made' ELSE 'answered in contradiction' END, q.reason),
	q.order_id, q.payment_id, q.operation_id, q.gateway, coalesce(r.amount, p.amount), p.currency, q.claimed_at
FROM %1$I.gateway_requests q
JOIN %1$I.payments p ON p.order_id = q.order_id AND p.payment_id = q.payment_id
LEFT JOIN %1$I.payment_operations r ON r.order_id = q.order_id AND r.operation_id = q.operation_id
WHERE q.outcome IN ('conflict', 'error')
  AND CASE WHEN q.operation_id IS NULL THEN p.status IN ('created', 'processing', 'requires_action', 'unknown')
		   ELSE r.status IN ('requested', 'processing', 'unknown', 'failed') END
  AND NOT EXISTS (
	SELECT FROM %1$I.gateway_requests n
	WHERE n.order_id = q.order_id AND n.payment_id = q.payment_id AND n.operation_id IS NOT DISTINCT FROM q.operation_id
	  AND n.claimed_at > q.claimed_at);

CREATE VIEW %1$I.daily_settlement WITH (security_invoker = true) AS
SELECT m.moved_at::date AS day, m.gateway, m.currency, sum(m.captured) AS captured_amount,
	sum(m.refunded) AS refunded_amount, sum(m.charged_back) AS charged_back_amount,
	sum(m.estimated_fee) AS estimated_fees, sum(m.final_fee) AS final_fees,
	sum(m.captured - m.refunded - m.charged_back - m.estimated_fee - m.final_fee) AS net_amount
FROM (
	-- what a payment captured by itself, and its fee with the first of its captures
	SELECT p.gateway, p.currency, l.moved_at, l.captured, 0::numeric AS refunded, 0::numeric AS charged_back,
		CASE WHEN p.fee_final THEN 0 ELSE l.fee END AS estimated_fee,
		CASE WHEN p.fee_final THEN l.fee ELSE 0 END AS final_fee
	FROM %1$I.payments p
	LEFT JOIN (
		SELECT r.order_id, r.payment_id, sum(r.amount) AS amount, min(r.succeeded_at) AS first_at
		FROM %1$I.payment_operations r
		WHERE r.kind = 'capture' AND r.status = 'succeeded'
		GROUP BY r.order_id, r.payment_id) c ON c.order_id = p.order_id AND c.payment_id = p.payment_id
	CROSS JOIN LATERAL (VALUES
		(p.succeeded_at, p.captured_amount - coalesce(c.amount, 0), 0),
		(least(p.succeeded_at, c.first_at), 0, p.fee)) l (moved_at, captured, fee)
	WHERE p.captured_amount > 0 AND (l.captured <> 0 OR l.fee <> 0)
	UNION ALL
	SELECT p.gateway, r.currency, l.moved_at,
		CASE r.kind WHEN 'capture' THEN l.amount ELSE 0 END,
		CASE r.kind WHEN 'refund' THEN l.amount ELSE 0 END,
		CASE r.kind WHEN 'chargeback' THEN l.amount ELSE 0 END, 0, l.fee
	FROM %1$I.payment_operations r
	JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
	CROSS JOIN LATERAL (VALUES
		(r.succeeded_at, r.amount, r.fee), (r.reversed_at, - r.amount, 0)) l (moved_at, amount, fee)
	WHERE r.status IN ('succeeded', 'reversed') AND (l.fee <> 0 OR r.kind <> 'void')
	  AND (l.amount > 0 OR r.status = 'reversed')) m
GROUP BY m.moved_at::date, m.gateway, m.currency;

CREATE VIEW %1$I.gateway_success WITH (security_invoker = true) AS
SELECT s.period, s.gateway, s.method, s.currency, (s.estimate).successes, (s.estimate).failures,
	(s.estimate).censored, (s.estimate).mean, (s.estimate).lower, (s.estimate).upper,
	(s.estimate).failure_probability
FROM (%4$s) s;

COMMENT ON VIEW %1$I.order_overview IS 'each order with what is outstanding, the state of its payment, and what is left after fees';
COMMENT ON COLUMN %1$I.order_overview.payment_state IS 'the first that applies: charged_back (a chargeback stands), overpaid (something is due to the customer), authorized (what is outstanding is authorised), partially_paid (something is held, and something outstanding or the total unknown), refunded (all that was captured is paid back), paid (the total is held, or was 0 when the order became paid), partially_refunded (less than the total is held, and nothing outstanding), unpaid';
COMMENT ON COLUMN %1$I.order_overview.outstanding_amount IS 'what the customer has still to pay; null while the total is unknown';
COMMENT ON COLUMN %1$I.order_overview.refund_pending_amount IS 'refunds that are under way';
COMMENT ON COLUMN %1$I.order_overview.live_attempts IS 'payments in created, processing, requires_action or unknown';
COMMENT ON COLUMN %1$I.order_overview.fees IS 'fees of the payments that captured something, and of the operations that succeeded, reversed ones too';
COMMENT ON COLUMN %1$I.order_overview.fees_final IS 'no fee of a payment is an estimate';
COMMENT ON COLUMN %1$I.order_overview.net_amount IS 'captured - refunded - charged back - fees';
COMMENT ON VIEW %1$I.payment_overview IS 'each payment with its number, its order''s status and what can be refunded. By number: WHERE payment_id = the 32 hex digits';
COMMENT ON COLUMN %1$I.payment_overview.gateway_number IS 'the number shown to the gateway: the 32 hex digits of payment_id';
COMMENT ON COLUMN %1$I.payment_overview.refundable_amount IS 'captured - refunded - charged back - refunds under way, or 0';
COMMENT ON COLUMN %1$I.payment_overview.operation_fees IS 'fees of the operations that succeeded, reversed ones too';
COMMENT ON COLUMN %1$I.payment_overview.net_after_operations IS 'net_amount - operation_fees';
COMMENT ON COLUMN %1$I.payment_overview.age IS 'since created_at';
COMMENT ON VIEW %1$I.open_work IS 'what is owed to a gateway or a customer: one row a task, gone when it is done';
COMMENT ON COLUMN %1$I.open_work.work IS 'refund_due: what is due and no refund stands for, as request_due_refunds() asks for it; send_payment, send_operation: not sent yet; revoke_payment: a live attempt of a dead or covered order; void_payment: what is left of its authorisation; authorization_lapses: capture or renew within a day; query_payment, query_operation: ask the gateway for the outcome; retry_payment: make a new attempt, as due_retries() hands it out; retry_operation: send the same one again';
COMMENT ON COLUMN %1$I.open_work.amount IS 'what is due, attempted, left of the authorisation, or the operation''s';
COMMENT ON COLUMN %1$I.open_work.since IS 'from when on it was to be done';
COMMENT ON COLUMN %1$I.open_work.due_at IS 'by when: the attempt expires or the authorisation lapses then; null: no deadline';
COMMENT ON VIEW %1$I.needs_attention IS 'what a person should look at: no rule of the store is broken, but money is lost, at risk or in doubt';
COMMENT ON COLUMN %1$I.needs_attention.amount IS 'what is at stake';
COMMENT ON VIEW %1$I.daily_settlement IS 'what moved, by day (of the session''s time zone), gateway and currency: captures, refunds and chargebacks on the day they succeeded, reversed ones again, negative, on the day of the reversal';
COMMENT ON COLUMN %1$I.daily_settlement.estimated_fees IS 'fees of payments that are not final, on the day of the first capture';
COMMENT ON COLUMN %1$I.daily_settlement.final_fees IS 'final fees of payments, on the day of the first capture, and fees of operations';
COMMENT ON COLUMN %1$I.daily_settlement.net_amount IS 'captured - refunded - charged back - fees; over all days the sum of order_overview.net_amount';
COMMENT ON VIEW %1$I.gateway_success IS 'success_probability() of the attempts that were made within a period, by gateway, method and currency';
COMMENT ON COLUMN %1$I.gateway_success.period IS '1 hour, 1 day, 7 days, 30 days (before now, by created_at), all. Ask for one of them, and the others cost nothing';

	$ddl$, store, outstanding, needless,
		(SELECT string_agg(format('SELECT %L::text AS period, p.gateway, p.method, p.currency,
				order_payment.success_probability(p.status) AS estimate
			FROM %I.payments p WHERE p.created_at >= %s GROUP BY p.gateway, p.method, p.currency',
			w.period, store, w.since), ' UNION ALL ' ORDER BY w.n)
		 FROM (VALUES (1, '1 hour', 'now() - interval ''1 hour'''), (2, '1 day', 'now() - interval ''1 day'''),
					  (3, '7 days', 'now() - interval ''7 days'''), (4, '30 days', 'now() - interval ''30 days'''),
					  (5, 'all', '''-infinity''::timestamptz')) w (n, period, since)), refunds);
END
$$;
COMMENT ON FUNCTION order_payment.create_views(name) IS
	'makes the views order_overview, payment_overview, open_work, needs_attention, daily_settlement and gateway_success in a schema. Called by create_store()';
