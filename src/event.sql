/* ---------- the history of orders ---------- */

CREATE FUNCTION order_payment.record_event() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_record_event' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.record_event() IS
	'AFTER INSERT OR UPDATE trigger of a store''s orders: writes the birth or the change of status to order_events, in the same transaction. Made by create_store()';

CREATE FUNCTION order_payment.append_only() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_append_only' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.append_only() IS
	'trigger of a store''s order_events: refuses (OP003) every row that record_event() did not write, and UPDATE, DELETE and TRUNCATE unless a superuser set order_payment.allow_history_change. Made by create_store()';

CREATE FUNCTION order_payment.refuse_truncate() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_refuse_truncate' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.refuse_truncate() IS
	'BEFORE TRUNCATE trigger: refuses (OP003) unless a superuser set order_payment.allow_history_change. Made by create_store()';

CREATE FUNCTION order_payment.current_store() RETURNS name
	AS 'MODULE_PATHNAME', 'op_current_store' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.current_store() IS
	'the store whose orders the search_path finds first; 42P01 if it finds none, 42809 if they are no store''s';

CREATE FUNCTION order_payment.require_store(store name) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF store IS NULL THEN
		RAISE EXCEPTION 'the store may not be null'
			USING ERRCODE = 'null_value_not_allowed',
				  HINT = 'Name it, or leave the argument out: then it is the one that the search_path finds.';
	END IF;
	IF to_regclass(format('%I.orders', store)) IS NULL OR to_regclass(format('%I.order_events', store)) IS NULL THEN
		RAISE EXCEPTION 'schema "%" is no store', store
			USING ERRCODE = 'wrong_object_type', HINT = 'Stores are made by order_payment.create_store().';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_store(name) IS
	'returns if the schema is a store, else raises 42809, or 22004 for null. Every function that takes a store begins with it, and is not STRICT: nothing to do must mean that something was looked at';

/*
 * Functions on a store name its tables by %I, and pass keys as text literals
 * that take the type of the column they meet.
 */
CREATE FUNCTION order_payment.order_timeline(order_id text, store name DEFAULT order_payment.current_store())
	RETURNS TABLE (version integer, recorded_at timestamptz, entity text, entity_id uuid,
				   from_status text, to_status text, amount numeric, actor text, reason text, detail jsonb)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	RETURN QUERY EXECUTE format(
		'SELECT e.version, e.recorded_at, e.entity, e.entity_id, e.from_status, e.to_status,
				e.amount, e.actor, e.reason, e.detail
		 FROM %I.order_events e WHERE e.order_id = %L ORDER BY e.version', store, order_id);
END
$$;
COMMENT ON FUNCTION order_payment.order_timeline(text, name) IS
	'history of one order: its events in order. Empty if the order does not exist';

CREATE FUNCTION order_payment.order_timeline(order_id anynonarray, store name DEFAULT order_payment.current_store())
	RETURNS TABLE (version integer, recorded_at timestamptz, entity text, entity_id uuid,
				   from_status text, to_status text, amount numeric, actor text, reason text, detail jsonb)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM order_payment.order_timeline($1::text, $2)
$$;
COMMENT ON FUNCTION order_payment.order_timeline(anynonarray, name) IS
	'history of one order: its events in order. Empty if the order does not exist';

/*
 * Consumers of events
 *
 * offset     per consumer and order: the last version that is acknowledged. An
 *            event is outstanding while its version is above the offset.
 * position   per consumer: the xid, and within it the order and version, before
 *            which no event is outstanding, or ever will be. It saves looking at
 *            old events, no more.
 *
 * Two orders are kept apart. Which events are outstanding is decided by
 * offsets alone, so a transaction that commits late is never skipped, and one
 * that stays open holds nobody up. Where to begin looking is decided by the
 * position, which stays behind every transaction that still runs (pg_snapshot_xmin).
 * An event whose predecessor is not visible does not exist: both were written
 * under the lock of the same order.
 *
 * On a subscriber of logical replication events arrive with the xids of the
 * publisher, so a position would say nothing: there it stays at zero.
 *
 * In a restored copy xids have another meaning. The consumer notices by the
 * system identifier, begins from zero once, and looks at xids of the future,
 * which only a restore can have brought, until none of them is outstanding.
 */
CREATE FUNCTION order_payment.open_consumer(consumer name, store name,
											OUT outstanding text, OUT finished xid8, OUT upper xid8,
											OUT is_subscriber boolean)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here bigint := system_identifier FROM pg_control_system();
	c record;
	begins text;
BEGIN
	EXECUTE format('INSERT INTO %I.event_consumers (consumer, foreign_position, system_identifier)
					VALUES ($1, ''0'', $2) ON CONFLICT (consumer) DO NOTHING', store) USING consumer, here;
	-- one reader at a time: a second one waits, and sees what the first acknowledged
	EXECUTE format('SELECT c.position, c.position_order_id::text, c.position_version, c.foreign_position,
						   c.system_identifier
					FROM %I.event_consumers c WHERE c.consumer = $1 FOR NO KEY UPDATE', store)
		INTO c USING consumer;
	is_subscriber := EXISTS (
		SELECT FROM pg_subscription_rel s
		WHERE s.srrelid = to_regclass(format('%I.order_events', store)));
	IF c.system_identifier <> here OR is_subscriber THEN
		c.position := '0';
		c.position_order_id := NULL;
		c.foreign_position := '0';
		EXECUTE format('UPDATE %I.event_consumers
						SET position = ''0'', position_order_id = NULL, position_version = NULL,
							foreign_position = ''0'', system_identifier = $2
						WHERE consumer = $1', store) USING consumer, here;
	END IF;

	-- taken once, before the events are looked at: what ends later is looked at later
	finished := pg_snapshot_xmin(pg_current_snapshot());
	upper := greatest(pg_snapshot_xmax(pg_current_snapshot()),
					  (pg_current_xact_id()::text::bigint + 1)::text::xid8);

	begins := CASE WHEN c.position_order_id IS NULL THEN format('e.xid >= %L', c.position)
				   ELSE format('(e.xid, e.order_id, e.version) >= (%L, %L, %L)',
							   c.position, c.position_order_id, c.position_version) END;
	outstanding := order_payment.outstanding_events(consumer, store, format('%s AND e.xid < %L', begins, upper));
	IF c.foreign_position IS NOT NULL THEN
		outstanding := outstanding || ' UNION ALL ' || order_payment.outstanding_events(consumer, store,
			format('e.xid >= %L', greatest(c.foreign_position, upper)));
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.open_consumer(name, name) IS
	'the events of a store that a consumer has not acknowledged, as the text of a query; xids below finished have ended, xids from upper on are foreign. Makes the consumer if it is new, locks it to the end of the transaction, starts it anew in a restored copy. Called by read_events() and ack_events()';

CREATE FUNCTION order_payment.outstanding_events(consumer name, store name, xids text) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format(
		'SELECT e.* FROM %1$I.order_events e
		 LEFT JOIN %1$I.consumer_offsets o ON o.order_id = e.order_id AND o.consumer = %2$L
		 WHERE %3$s AND e.version > coalesce(o.version, 0)', store, consumer, xids);
END;
COMMENT ON FUNCTION order_payment.outstanding_events(name, name, text) IS
	'text of a query: the events of a store in a range of xids that a consumer has not acknowledged. Called by open_consumer()';

CREATE FUNCTION order_payment.read_events(consumer name, batch integer DEFAULT 100,
										  store name DEFAULT order_payment.current_store())
	RETURNS TABLE (order_id text, version integer, event_id uuid, entity text, entity_id uuid,
				   from_status text, to_status text, amount numeric, actor text, reason text,
				   detail jsonb, recorded_at timestamptz)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	look record;
BEGIN
	PERFORM order_payment.require_store(store);
	IF consumer IS NULL OR batch IS NULL THEN
		RETURN;
	ELSIF batch < 1 THEN
		RAISE EXCEPTION 'batch must be at least 1' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	look := order_payment.open_consumer(consumer, store);
	-- the oldest events say which orders; of those, all up to these events
	RETURN QUERY EXECUTE format(
		'WITH oldest AS (
			SELECT e.order_id, e.version, e.xid FROM (%1$s) e
			ORDER BY e.xid, e.order_id, e.version LIMIT $2
		), chosen AS (
			SELECT o.order_id, max(o.version) AS version, (array_agg(o.xid ORDER BY o.xid))[1] AS xid
			FROM oldest o GROUP BY o.order_id
		)
		SELECT e.order_id::text, e.version, e.event_id, e.entity, e.entity_id, e.from_status,
			   e.to_status, e.amount, e.actor, e.reason, e.detail, e.recorded_at
		FROM chosen c
		JOIN %2$I.order_events e ON e.order_id = c.order_id AND e.version <= c.version
		LEFT JOIN %2$I.consumer_offsets o ON o.order_id = e.order_id AND o.consumer = $1
		WHERE e.version > coalesce(o.version, 0)
		ORDER BY c.xid, e.order_id, e.version LIMIT $2', look.outstanding, store) USING consumer, batch;
END
$$;
COMMENT ON FUNCTION order_payment.read_events(name, integer, name) IS
	'the oldest events that a consumer has not acknowledged, at most batch, each order''s in the order of their versions without gaps. At least once: they come again until ack_events(). A second reader of the same consumer waits until the first one''s transaction ends. A new consumer begins with the first event';

CREATE FUNCTION order_payment.move_position(consumer name, look record, open_events text, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF look.is_subscriber THEN
		RETURN;
	END IF;
	EXECUTE format(
		'UPDATE %2$I.event_consumers c
		 SET position = least(f.xid, $2),
			 position_order_id = CASE WHEN f.xid < $2 THEN f.order_id END,
			 position_version = CASE WHEN f.xid < $2 THEN f.version END,
			 foreign_position = (SELECT e.xid FROM (%1$s) e WHERE e.xid >= $3 ORDER BY e.xid LIMIT 1)
		 FROM (SELECT) one
		 LEFT JOIN LATERAL (SELECT e.xid, e.order_id, e.version FROM (%1$s) e WHERE e.xid < $3
							ORDER BY e.xid, e.order_id, e.version LIMIT 1) f ON true
		 WHERE c.consumer = $1', open_events, store)
		USING consumer, look.finished, look.upper;
END
$$;
COMMENT ON FUNCTION order_payment.move_position(name, record, text, name) IS
	'moves the position of a consumer to the first event of a query; look is what open_consumer() returned. Called by ack_events() and claim_webhooks()';

CREATE FUNCTION order_payment.ack_events(consumer name, event_ids uuid[],
										 store name DEFAULT order_payment.current_store())
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	look record;
	-- what is acknowledged is among the oldest: look there first, and further only if it is not
	among bigint := 2 * cardinality(event_ids) + 100;
	looked_at bigint;
	found_here bigint;
	acknowledged bigint := 0;
BEGIN
	PERFORM order_payment.require_store(store);
	IF consumer IS NULL OR event_ids IS NULL THEN
		RETURN NULL;
	END IF;
	look := order_payment.open_consumer(consumer, store);
	LOOP
		EXECUTE format(
			'WITH oldest AS (
				SELECT e.order_id, e.version, e.event_id FROM (%1$s) e
				ORDER BY e.xid, e.order_id, e.version LIMIT $3
			), acked AS (
				SELECT o.order_id, max(o.version) AS version, count(*) AS n
				FROM oldest o WHERE o.event_id = ANY ($2) GROUP BY o.order_id
			), stored AS (
				INSERT INTO %2$I.consumer_offsets AS o (order_id, consumer, version)
				SELECT a.order_id, $1, a.version FROM acked a
				ON CONFLICT (order_id, consumer) DO UPDATE SET version = greatest(o.version, excluded.version)
			)
			SELECT coalesce(sum(a.n), 0)::bigint, (SELECT count(*) FROM oldest) FROM acked a',
			look.outstanding, store) INTO found_here, looked_at USING consumer, event_ids, among;
		acknowledged := acknowledged + found_here;
		EXIT WHEN acknowledged = cardinality(event_ids) OR looked_at < among;
		among := among * 8;
	END LOOP;
	PERFORM order_payment.move_position(consumer, look, look.outstanding, store);
	RETURN acknowledged;
END
$$;
COMMENT ON FUNCTION order_payment.ack_events(name, uuid[], name) IS
	'tells that a consumer has dealt with these events, and with all earlier events of the same orders; returns how many of them were outstanding';

CREATE FUNCTION order_payment.notify_events(channel text DEFAULT 'order_events', batch integer DEFAULT 1000,
											store name DEFAULT order_payment.current_store())
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- a name has 63 bytes; a long channel is told by its hash
	consumer CONSTANT name := 'notify:' || CASE WHEN octet_length(channel) <= 56 THEN channel ELSE md5(channel) END;
	events uuid[] := '{}';
	event record;
BEGIN
	PERFORM order_payment.require_store(store);
	IF channel IS NULL OR batch IS NULL THEN
		RETURN NULL;
	END IF;
	FOR event IN SELECT * FROM order_payment.read_events(consumer, batch, store) LOOP
		PERFORM pg_notify(channel, json_build_object(
			'store', store, 'order_id', event.order_id, 'version', event.version,
			'event_id', event.event_id, 'entity', event.entity, 'to_status', event.to_status)::text);
		events := events || event.event_id;
	END LOOP;
	RETURN order_payment.ack_events(consumer, events, store);
END
$$;
COMMENT ON FUNCTION order_payment.notify_events(text, integer, name) IS
	'sends a NOTIFY on the channel for every new event, at most batch, and acknowledges them as consumer notify:<channel>; returns how many. For a timer or a worker, never for a trigger: NOTIFY serialises commits';
