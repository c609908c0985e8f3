/* ---------- the views of a store: what goes on with gateways ---------- */

CREATE FUNCTION order_payment.create_gateway_views(store name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

CREATE VIEW %1$I.gateway_worker_status WITH (security_invoker = true) AS
SELECT g.gateway, g.protocol, g.active, f.in_flight, s.sent, s.answered, s.failed, s.unknown, s.not_sent, s.lost, s.refused, s.trouble,
	e.reason AS last_error, e.settled_at AS last_error_at,
	order_payment.breaker_until(b.n, b.last_at) AS breaker_until,
	s.latency[1] AS latency_p50, s.latency[2] AS latency_p95, s.latency[3] AS latency_p99
FROM %1$I.gateways g
CROSS JOIN LATERAL (
	SELECT count(*) AS in_flight FROM %1$I.gateway_requests r WHERE r.gateway = g.gateway AND r.state = 'claimed') f
CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE r.state IN ('answered', 'lost')) AS sent,
		count(*) FILTER (WHERE r.state = 'answered') AS answered,
		count(*) FILTER (WHERE r.outcome = 'failed') AS failed,
		count(*) FILTER (WHERE r.outcome = 'unknown') AS unknown,
		count(*) FILTER (WHERE r.state = 'not_sent') AS not_sent,
		count(*) FILTER (WHERE r.state = 'lost') AS lost,
		count(*) FILTER (WHERE r.state = 'refused') AS refused,
		count(*) FILTER (WHERE r.outcome IN ('conflict', 'error')) AS trouble,
		percentile_cont('{0.5, 0.95, 0.99}'::float8[]) WITHIN GROUP (ORDER BY r.settled_at - r.claimed_at)
			FILTER (WHERE r.state = 'answered') AS latency
	FROM %1$I.gateway_requests r
	WHERE r.gateway = g.gateway AND r.settled_at > now() - interval '1 hour') s
LEFT JOIN LATERAL (
	SELECT r.reason, r.settled_at FROM %1$I.gateway_requests r
	WHERE r.gateway = g.gateway AND r.settled_at > now() - interval '1 day' AND r.reason IS NOT NULL
	ORDER BY r.settled_at DESC LIMIT 1) e ON true
JOIN pg_class c ON c.oid = g.tableoid
JOIN pg_namespace n ON n.oid = c.relnamespace  -- the store: no name of one stands in its views
CROSS JOIN LATERAL order_payment.gateway_failures(g.gateway, n.nspname) b
WHERE g.protocol IS NOT NULL;

COMMENT ON VIEW %1$I.gateway_worker_status IS 'requests to each gateway: under way, and of the last hour how many were sent, what became of them and how long they took; whoever sent them';
COMMENT ON COLUMN %1$I.gateway_worker_status.sent IS 'answered or lost; the next columns, too, are of the last hour';
COMMENT ON COLUMN %1$I.gateway_worker_status.refused IS 'could not be made';
COMMENT ON COLUMN %1$I.gateway_worker_status.trouble IS 'answers that contradict us, or could not be applied, and requests that could not be made';
COMMENT ON COLUMN %1$I.gateway_worker_status.last_error IS 'the last reason that was written down, of the last day';
COMMENT ON COLUMN %1$I.gateway_worker_status.breaker_until IS 'the gateway failed five times in a row, or more: nothing is sent until then; null: all is well';

	$ddl$, store);
END
$$;
COMMENT ON FUNCTION order_payment.create_gateway_views(name) IS
	'makes the view gateway_worker_status in a schema. Called by create_store()';
