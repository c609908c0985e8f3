/* ---------- which server sends for a store ---------- */

/*
 * The first one that claims. A copy of it, in another cluster or beside it, is
 * told by what tells databases apart, and sends nothing until somebody says that
 * the original is gone. A server that was recovered to a point in the past, or
 * promoted before it had all, has the same identifier and another timeline: it
 * sends, and asks first for what may have been sent before.
 */
CREATE FUNCTION order_payment.require_dispatcher(store name) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	IF NOT has_table_privilege(format('%I.gateway_requests', store), 'INSERT') THEN
		RAISE EXCEPTION 'role "%" may not send requests to gateways', current_user
			USING ERRCODE = 'insufficient_privilege',
				  HINT = format('Let a role do it that records outcomes: the gateway_role of create_store(''%s'').', store);
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.require_dispatcher(name) IS
	'returns if the current role may claim and settle requests of a store, else raises 42501. For claim_requests() and settle_request()';

/* The timeline of now; pg_control_checkpoint() tells it only after the next checkpoint. */
CREATE FUNCTION order_payment.current_timeline() RETURNS integer
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer;
END;
COMMENT ON FUNCTION order_payment.current_timeline() IS 'the timeline that the server writes';

CREATE FUNCTION order_payment.this_database(OUT system_identifier bigint, OUT database_id oid)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.system_identifier, d.oid FROM pg_control_system() c, pg_database d WHERE d.datname = current_database();
END;
COMMENT ON FUNCTION order_payment.this_database() IS
	'what tells this database from a copy of it, in another cluster or in this one. For claim_requests()';

CREATE FUNCTION order_payment.require_sender(store name) RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here CONSTANT record := order_payment.this_database();
	line CONSTANT integer := order_payment.current_timeline();
	sender record;
BEGIN
	EXECUTE format('SELECT s.system_identifier, s.database_id, s.timeline, s.timeline_since FROM %I.gateway_sender s', store) INTO sender;
	IF sender.system_identifier IS NULL THEN
		EXECUTE format('INSERT INTO %I.gateway_sender (system_identifier, database_id, timeline) VALUES ($1, $2, $3)
						ON CONFLICT (is_only) DO NOTHING', store) USING here.system_identifier, here.database_id, line;
		RETURN '-infinity';
	ELSIF (sender.system_identifier, sender.database_id) <> (here.system_identifier, here.database_id) THEN
		RAISE EXCEPTION 'the store "%" is a copy, and sends nothing', store
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = 'Another database has sent for it, and may still do so.',
				  HINT = 'If this one is to send from now on, and the other one never again, call order_payment.resume_sending().';
	ELSIF sender.timeline <> line THEN
		EXECUTE format('UPDATE %I.gateway_sender SET timeline = $1, timeline_since = clock_timestamp()
						WHERE timeline <> $1 RETURNING timeline_since', store) INTO sender.timeline_since USING line;
	END IF;
	RETURN coalesce(sender.timeline_since, clock_timestamp());
END
$$;
COMMENT ON FUNCTION order_payment.require_sender(name) IS
	'returns since when this server writes its timeline, if it may send for the store; 55000 in a copy. For claim_requests()';

CREATE FUNCTION order_payment.resume_sending(store name DEFAULT order_payment.current_store()) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here CONSTANT record := order_payment.this_database();
BEGIN
	PERFORM order_payment.require_dispatcher(store);
	EXECUTE format('INSERT INTO %I.gateway_sender AS s (system_identifier, database_id, timeline, timeline_since) VALUES ($1, $2, $3, clock_timestamp())
					ON CONFLICT (is_only) DO UPDATE SET system_identifier = excluded.system_identifier, database_id = excluded.database_id,
						timeline = excluded.timeline, timeline_since = excluded.timeline_since', store)
		USING here.system_identifier, here.database_id, order_payment.current_timeline();
END
$$;
COMMENT ON FUNCTION order_payment.resume_sending(name) IS
	'from now on this database sends for the store: after it was restored from a dump or copied, and its original is gone for good. What is open now is asked for at the gateways before it is sent. For roles that may record outcomes';
