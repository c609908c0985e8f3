/* ---------- verify_store: versions, chains of events, stamps ---------- */

CREATE FUNCTION order_payment.verify_edges(store name)
	RETURNS TABLE (entity text, from_status text, to_status text)
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT w.entity, g.from_status, g.to_status
	FROM (VALUES ('order', 'orders'), ('payment', 'payments'), ('operation', 'payment_operations')) w (entity, relation)
	JOIN pg_namespace n ON n.nspname = store
	JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.relation AND c.relhastriggers
	-- of no table, no edges; of a table without a guard, an error
	CROSS JOIN LATERAL order_payment.status_edges(CASE WHEN EXISTS (
		SELECT FROM pg_trigger t
		WHERE t.tgrelid = c.oid AND t.tgenabled IN ('O', 'A') AND t.tgtype & (1 + 2 + 16) = 1 + 2 + 16
		  AND t.tgargs LIKE '\x73746174757300'::bytea || '%'::bytea  -- column status
		  AND t.tgfoid = 'order_payment.enforce_transition'::regproc) THEN c.oid END, 'status') g;
END;
COMMENT ON FUNCTION order_payment.verify_edges(name) IS
	'the graphs that guard the statuses of a store now; part of verify_store()';

/*
 * The rows themselves are put behind their events, as if one more event were
 * to go on from where they stand: then one sort shows whether each event
 * follows its predecessor, whether the row is where the last event left it,
 * and whether events and rows exist without each other. The event
 * customer_contact_needed of a payment is no move: it leaves it where it is.
 */
CREATE FUNCTION order_payment.verify_history(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entity record;
BEGIN
	RETURN QUERY EXECUTE format($query$

SELECT 'version is not the number of events', 'orders', o.order_id::text, 'version', o.version::text,
	   CASE WHEN coalesce(e.n, 0) = coalesce(e.last, 0) THEN coalesce(e.n, 0)::text
			ELSE format('%%s events, the last is number %%s', e.n, e.last) END
FROM %1$I.orders o
LEFT JOIN (SELECT l.order_id, count(*) AS n, max(l.version) AS last
		   FROM %1$I.order_events l GROUP BY l.order_id) e ON e.order_id = o.order_id
WHERE o.version <> coalesce(e.n, 0) OR o.version <> coalesce(e.last, 0)

	$query$, store);

	RETURN QUERY EXECUTE format($query$

SELECT CASE WHEN e.is_row THEN 'status is not that of the last event'
			WHEN e.is_last THEN 'event of no ' || e.entity
			ELSE 'event does not follow its predecessor' END,
	   CASE WHEN e.is_row THEN e.table_name ELSE 'order_events' END,
	   CASE WHEN e.is_row THEN concat_ws(' ', e.order_id, e.entity_id) ELSE concat_ws(' ', e.order_id, e.version) END,
	   CASE WHEN e.is_row THEN 'status' WHEN e.is_last THEN 'entity_id' ELSE 'from_status' END,
	   CASE WHEN e.is_last AND NOT e.is_row THEN e.entity_id::text ELSE e.from_status END,
	   CASE WHEN e.is_row OR NOT e.is_last THEN e.previous END
FROM (
	SELECT h.*, h.version = 2147483647 AS is_row,
		   lag(h.to_status) OVER chain AS previous, lead(h.version) OVER chain IS NULL AS is_last
	FROM (
		SELECT l.order_id, l.entity, l.entity_id, l.version, l.from_status,
			   CASE WHEN l.to_status = 'customer_contact_needed' THEN l.from_status ELSE l.to_status END AS to_status,
			   NULL AS table_name
		FROM %1$I.order_events l
		UNION ALL
		SELECT l.order_id, 'order', NULL, 2147483647, l.status::text, NULL, 'orders'
		FROM %1$I.orders l
		UNION ALL
		SELECT l.order_id, 'payment', l.payment_id, 2147483647, l.status::text, NULL, 'payments'
		FROM %1$I.payments l
		UNION ALL
		SELECT l.order_id, 'operation', l.operation_id, 2147483647, l.status::text, NULL, 'payment_operations'
		FROM %1$I.payment_operations l
	) h
	WINDOW chain AS (PARTITION BY h.order_id, h.entity COLLATE "C", h.entity_id ORDER BY h.version)
) e
WHERE e.from_status IS DISTINCT FROM e.previous OR (e.is_last AND NOT e.is_row)

	$query$, store);

	FOR entity IN
		SELECT w.*, (SELECT string_agg(format('WHEN %L THEN r.%I IS NULL', s, s || '_at'), ' ') FROM unnest(w.stamped) s) AS unstamped
		FROM (VALUES
			('order', 'orders', 'true', 'NULL::numeric',
				'{authorized, paid, shipped, completed, cancelled, expired, refunded}'::text[]),
			('payment', 'payments', 'r.payment_id = e.entity_id', 'r.amount',
				'{processing, requires_action, unknown, authorized, succeeded, failed, revoked}'),
			('operation', 'payment_operations', 'r.operation_id = e.entity_id', 'r.amount',
				'{requested, processing, unknown, succeeded, failed, cancelled, reversed}')
		) w (entity, relation, condition, amount, stamped)
	LOOP
		RETURN QUERY EXECUTE format($query$

SELECT d.problem, d.table_name, d.key, d.column_name, d.stored, d.expected
FROM %1$I.order_events e
JOIN %1$I.%2$I r ON r.order_id = e.order_id AND %3$s
CROSS JOIN LATERAL (
	SELECT 'state entered without a stamp', %2$L, concat_ws(' ', e.order_id, e.entity_id), e.to_status || '_at',
		   NULL, e.recorded_at::text
	WHERE CASE e.to_status %4$s ELSE false END
	UNION ALL
	SELECT 'event tells another amount', 'order_events', concat_ws(' ', e.order_id, e.version), 'amount',
		   e.amount::text, (%5$s)::text
	WHERE e.amount IS DISTINCT FROM %5$s
) d (problem, table_name, key, column_name, stored, expected)
WHERE e.entity = $1

		$query$, store, entity.relation, entity.condition, entity.unstamped, entity.amount) USING entity.entity;
	END LOOP;

	-- what has no graph now is not judged; moves that money forces stand whatever graph the table has
	RETURN QUERY EXECUTE format($query$

SELECT 'event is no edge of the graph', 'order_events', concat_ws(' ', e.order_id, e.version), 'to_status',
	   concat_ws(' ', coalesce(e.from_status, 'nothing'), 'to', e.to_status), NULL
FROM %1$I.order_events e
WHERE e.entity = ANY ($1) AND concat_ws(' ', e.entity, e.from_status, e.to_status) <> ALL ($2)
  AND e.to_status <> 'customer_contact_needed'

	$query$, store)
	USING (SELECT array_agg(DISTINCT g.entity) FROM order_payment.verify_edges(store) g),
		  (SELECT array_agg(concat_ws(' ', g.entity, g.from_status, g.to_status)) FROM order_payment.verify_edges(store) g)
		  || '{order pending authorized, order authorized pending, order pending paid, order authorized paid,
			   order paid refunded, order shipped refunded, order completed refunded,
			   payment created authorized, payment created succeeded, payment created revoked,
			   payment processing authorized, payment processing succeeded, payment processing revoked,
			   payment requires_action authorized, payment requires_action succeeded, payment requires_action revoked,
			   payment unknown authorized, payment unknown succeeded, payment unknown revoked,
			   payment authorized succeeded, payment authorized revoked,
			   payment failed succeeded, payment revoked succeeded}'::text[];
END
$$;
COMMENT ON FUNCTION order_payment.verify_history(name) IS
	'orders, payments and operations whose status, version or stamps are not those of their events, and events that do not follow one another or the graph; part of verify_store()';
