/* ---------- the amcheck of money ---------- */

/*
 * What a superuser, an owner or a careless restore can do behind the back of
 * the triggers, found by looking at the catalog and at the rows. The numbers
 * are pg_trigger.tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
 */
CREATE FUNCTION order_payment.verify_triggers(store name) RETURNS TABLE (problem text, detail text)
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'trigger missing, disabled or changed', format('%s of %s', w.trigger, w.relation)
	FROM (VALUES ('orders', 'zzy_maintain_order', 'maintain_order', 1 + 2 + 4 + 16, NULL),
				 ('orders', 'zzz_guard_status', 'enforce_transition', 1 + 2 + 4 + 16, NULL),
				 ('orders', 'zzz_guard_status_birth', 'enforce_transition', 1 + 4 + 8, NULL),
				 ('orders', 'record_event_insert', 'record_event', 1 + 4, NULL),
				 ('orders', 'record_event_update', 'record_event', 1 + 16, 'old.status IS DISTINCT FROM new.status'),
				 ('orders', 'refuse_truncate', 'refuse_truncate', 2 + 32, NULL),
				 ('order_items', '000_follow_items', 'follow_items', 1 + 4 + 8 + 16, NULL),
				 ('order_items', 'refuse_truncate', 'refuse_truncate', 2 + 32, NULL),
				 ('order_events', '000_append_only', 'append_only', 1 + 2 + 4 + 8 + 16, NULL),
				 ('order_events', '000_append_only_truncate', 'append_only', 2 + 32, NULL)
		 ) w (relation, trigger, function, type, condition)
	WHERE NOT EXISTS (
		SELECT FROM pg_trigger t
		JOIN pg_class c ON c.oid = t.tgrelid
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = store AND c.relname = w.relation AND t.tgname = w.trigger
		  AND t.tgenabled IN ('O', 'A') AND t.tgtype = w.type AND t.tgattr = '' AND NOT t.tgdeferrable AND c.relhastriggers
		  AND t.tgfoid = ('order_payment.' || w.function)::regproc
		  AND (w.function <> 'enforce_transition' OR t.tgargs LIKE '\x73746174757300'::bytea || '%'::bytea)  -- column status
		  AND CASE WHEN w.condition IS NULL THEN t.tgqual IS NULL
				   ELSE pg_get_triggerdef(t.oid) LIKE '%WHEN ((' || w.condition || '))%' END)
	UNION ALL
	SELECT 'inheriting table without triggers', i.inhrelid::regclass::text
	FROM pg_inherits i
	JOIN pg_class p ON p.oid = i.inhparent AND p.relkind = 'r'
	JOIN pg_namespace n ON n.oid = p.relnamespace
	WHERE n.nspname = store AND p.relname IN ('orders', 'order_items', 'order_events');
END;
COMMENT ON FUNCTION order_payment.verify_triggers(name) IS
	'triggers of a store that are missing, disabled, changed or gone around; part of verify_store()';

CREATE FUNCTION order_payment.verify_store(store name DEFAULT order_payment.current_store())
	RETURNS TABLE (problem text, order_id text, detail text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	orders regclass;
BEGIN
	PERFORM order_payment.require_store(store);
	orders := format('%I.orders', store)::regclass;

	RETURN QUERY SELECT t.problem, NULL::text, t.detail FROM order_payment.verify_triggers(store) t;

	RETURN QUERY EXECUTE format($query$

SELECT 'status is not that of the last event', o.order_id::text,
	   format('status %%s, last event %%s', o.status, coalesce(e.to_status, 'none'))
FROM %1$I.orders o
LEFT JOIN LATERAL (SELECT l.to_status FROM %1$I.order_events l
				   WHERE l.order_id = o.order_id AND l.entity = 'order'
				   ORDER BY l.version DESC LIMIT 1) e ON true
WHERE o.status::text IS DISTINCT FROM e.to_status

UNION ALL
SELECT 'version is not the number of events', o.order_id::text,
	   format('version %%s, %%s events, the last is %%s', o.version, coalesce(e.n, 0), coalesce(e.last, 0))
FROM %1$I.orders o
LEFT JOIN (SELECT l.order_id, count(*) AS n, max(l.version) AS last
		   FROM %1$I.order_events l GROUP BY l.order_id) e ON e.order_id = o.order_id
WHERE (o.version, o.version) IS DISTINCT FROM (coalesce(e.n, 0), coalesce(e.last, 0))

UNION ALL
SELECT 'event of no order', e.order_id::text, format('version %%s', e.version)
FROM %1$I.order_events e
WHERE NOT EXISTS (SELECT FROM %1$I.orders o WHERE o.order_id = e.order_id)

UNION ALL
SELECT 'event does not follow its predecessor', e.order_id::text,
	   format('version %%s goes from %%s, the event before went to %%s', e.version,
			  coalesce(e.from_status, 'nothing'), coalesce(e.previous, 'nothing'))
FROM (SELECT l.*, lag(l.to_status) OVER (PARTITION BY l.order_id ORDER BY l.version) AS previous
	  FROM %1$I.order_events l WHERE l.entity = 'order') e
WHERE e.from_status IS DISTINCT FROM e.previous

UNION ALL
SELECT 'total is not that of the lines', o.order_id::text,
	   format('total %%s of %%s lines; it should be %%s of %%s', coalesce(o.total_amount::text, 'unknown'), o.item_count,
			  coalesce(coalesce(i.amount, o.quantity * o.price)::text, 'unknown'), coalesce(i.n, 0))
FROM %1$I.orders o
LEFT JOIN (SELECT l.order_id, count(*) AS n, sum(l.amount) AS amount
		   FROM %1$I.order_items l GROUP BY l.order_id) i ON i.order_id = o.order_id
WHERE o.item_count <> coalesce(i.n, 0)
   OR o.total_amount IS DISTINCT FROM coalesce(i.amount, o.quantity * o.price)

UNION ALL
SELECT 'state entered without a stamp', o.order_id::text, s.status
FROM %1$I.orders o
CROSS JOIN LATERAL (VALUES ('authorized', o.authorized_at), ('paid', o.paid_at), ('shipped', o.shipped_at),
						   ('completed', o.completed_at), ('cancelled', o.cancelled_at),
						   ('expired', o.expired_at), ('refunded', o.refunded_at)) s (status, stamp)
WHERE s.stamp IS NULL
  AND (o.status::text = s.status OR EXISTS (
		SELECT FROM %1$I.order_events e
		WHERE e.order_id = o.order_id AND e.entity = 'order' AND e.to_status = s.status))

	$query$, store);

	-- edges can be judged only where a graph is
	IF EXISTS (
		SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
		WHERE t.tgrelid = orders AND c.relhastriggers AND t.tgenabled IN ('O', 'A')
		  AND t.tgtype & (1 + 2 + 16) = 1 + 2 + 16 AND t.tgargs LIKE '\x73746174757300'::bytea || '%'::bytea
		  AND t.tgfoid = 'order_payment.enforce_transition'::regproc)
	THEN
		RETURN QUERY EXECUTE format($query$

SELECT 'event is no edge of the graph', e.order_id::text,
	   format('version %%s: from %%s to %%s', e.version, coalesce(e.from_status, 'nothing'), e.to_status)
FROM %1$I.order_events e
WHERE e.entity = 'order' AND (coalesce(e.from_status, ''), e.to_status) NOT IN (
	SELECT coalesce(g.from_status, ''), g.to_status
	FROM order_payment.status_edges($1, 'status') g)

		$query$, store) USING orders;
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.verify_store(name) IS
	'recomputes status, version, totals and stamps of a store from its events and lines, and looks for triggers that are missing, disabled, changed or gone around; one row a deviation, none if all is well. Reads the whole store';
