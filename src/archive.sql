/* ---------- retention: orders of long ago ---------- */

CREATE FUNCTION order_payment.require_at_rest(store name, first bigint, beyond bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	place CONSTANT text := format('order_id >= %s AND order_id < %s', first, beyond);
	awake text;
	consumer record;
	is_behind boolean;
BEGIN
	EXECUTE format($query$

SELECT string_agg(format('%%s %%s', w.n, w.what), ', ' ORDER BY w.what)
FROM (SELECT count(*) AS n, 'orders ' || o.status::text AS what FROM %1$I.orders o
	  WHERE %2$s AND o.status IN ('pending', 'authorized', 'paid', 'shipped') GROUP BY o.status
	  UNION ALL
	  SELECT count(*), 'of open work: ' || w.work FROM %1$I.open_work w WHERE %2$s GROUP BY w.work
	  UNION ALL
	  SELECT count(*), 'webhooks under way' FROM %1$I.webhook_deliveries d WHERE %2$s AND d.state <> 'dead' HAVING count(*) > 0
	  UNION ALL
	  SELECT count(*), 'requests under way' FROM %1$I.gateway_requests r WHERE %2$s AND r.settled_at IS NULL HAVING count(*) > 0) w

	$query$, store, place) INTO awake;
	FOR consumer IN EXECUTE format('SELECT c.consumer, c.position, c.foreign_position FROM %I.event_consumers c ORDER BY 1', store) LOOP
		EXECUTE format('SELECT EXISTS (%s)', order_payment.outstanding_events(consumer.consumer, store,
			format('e.%s AND (e.xid >= %L OR %L)', replace(place, 'AND ', 'AND e.'), consumer.position, consumer.foreign_position IS NOT NULL)))
			INTO is_behind;
		IF is_behind THEN
			awake := concat_ws(', ', awake, format('events that consumer "%s" has not read', consumer.consumer));
		END IF;
	END LOOP;
	IF awake IS NOT NULL THEN
		RAISE EXCEPTION 'orders % to % of the store "%" are not at rest', first, beyond - 1, store
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('There are: %s.', awake),
				  HINT = 'Bring them to an end, or archive less. A consumer that is no more is deleted from event_consumers.';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_at_rest(name, bigint, bigint) IS
	'returns if nothing is to come for the orders of a range: they are completed, refunded, cancelled or expired, nothing is owed or under way, and every consumer has read their events; else raises 55000. Called by archive_orders()';

/* Whoever could read the table can read what is put aside of it; nobody changes its history. */
CREATE FUNCTION order_payment.archive_part(table_name name, part regclass, store name, archive name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reader text;
BEGIN
	EXECUTE format('ALTER TABLE %s SET SCHEMA %I', part, archive);
	IF table_name = 'order_events' THEN
		EXECUTE format('CREATE TRIGGER "000_append_only" BEFORE INSERT OR UPDATE OR DELETE ON %s
						FOR EACH ROW EXECUTE FUNCTION order_payment.append_only()', part);
	END IF;
	FOR reader IN
		SELECT DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
		FROM pg_class c, aclexplode(c.relacl) x
		WHERE c.oid = format('%I.%I', store, table_name)::regclass AND x.privilege_type = 'SELECT' AND x.grantee <> c.relowner
	LOOP
		EXECUTE format('GRANT SELECT ON %s TO %s', part, reader);
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', archive, reader);
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.archive_part(name, regclass, name, name) IS
	'puts a table that was a partition into the archive. Called by archive_orders()';

CREATE FUNCTION order_payment.archive_orders(before bigint, store name DEFAULT order_payment.current_store(), archive name DEFAULT NULL)
	RETURNS SETOF regclass
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller CONSTANT text := current_setting('role');
	owner CONSTANT name := order_payment.require_ranges(store);
	home CONSTANT name := coalesce(archive, store || '_archive');
	slice record;
	part record;
BEGIN
	PERFORM set_config('role', owner, true);
	PERFORM order_payment.lock_slices(store);
	FOR slice IN
		SELECT s.bounds, s.first, s.beyond
		FROM (SELECT s.*, max(s.beyond) OVER () AS newest FROM order_payment.slices(store) s WHERE s.table_name = 'orders') s
		WHERE s.beyond <= before AND s.beyond < s.newest
		ORDER BY s.first
	LOOP
		PERFORM order_payment.require_at_rest(store, slice.first, slice.beyond);
		IF to_regnamespace(quote_ident(home)) IS NULL THEN
			EXECUTE format('CREATE SCHEMA %I', home);
		END IF;
		FOR part IN
			SELECT d.part, (order_payment.sliced_tables())[d.n] AS table_name
			FROM order_payment.detach_slice(store, slice.bounds) WITH ORDINALITY d (part, n)
		LOOP
			PERFORM order_payment.archive_part(part.table_name, part.part, store, home);
			RETURN NEXT part.part;
		END LOOP;
	END LOOP;
	PERFORM set_config('role', caller, true);
END
$$;
COMMENT ON FUNCTION order_payment.archive_orders(bigint, name, name) IS
	'puts the partitions of a store in ranges aside whose orders are all before this order_id: they become tables of the schema archive (NULL: the store''s name and _archive), with payments, operations and history as they are, for those who could read them before; returns them. Cheap, whatever their size, but it locks the store and waits for whoever uses it. The newest partition stays. Dump and drop the tables at will. 55000 if something of them is not at rest; 42809 if the store does not lie in ranges';
