/* ---------- which keys stored values need ---------- */

/*
 * Read with the rights of the owner of the extension, from the tables of
 * everybody; so a table is scanned by C, and no SQL is run on it.
 */
CREATE FUNCTION order_payment.keys_used(relations regclass[], column_names name[], OUT place bigint, OUT key_id integer, OUT field text,
										OUT stored_values bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'op_keys_used' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.keys_used(regclass[], name[]) IS
	'how many values of each column, told by its place in the arrays, were made by which key; scans the tables, all as of one moment. Called by the functions for keys';

CREATE FUNCTION order_payment.sealed_columns()
	RETURNS TABLE (relation regclass, column_name name, purpose text, is_plain boolean)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off -- the plan looks dear and is not
BEGIN ATOMIC
	WITH RECURSIVE holding (type, is_plain) AS (
		SELECT 'order_payment.sealed'::regtype::oid, true
		UNION
		SELECT t.oid, h.is_plain AND t.typtype = 'd'
		FROM holding h
		JOIN pg_type t ON t.typtype = 'd' AND t.typbasetype = h.type
					   OR t.typelem = h.type AND t.typlen = -1
					   OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_attribute a
													  WHERE a.attrelid = t.typrelid AND a.atttypid = h.type AND NOT a.attisdropped)
	), columns AS (
		SELECT a.attrelid, a.attname, 'data' AS purpose, bool_and(h.is_plain) AS is_plain
		FROM pg_attribute a JOIN holding h ON h.type = a.atttypid
		WHERE a.attnum > 0 AND NOT a.attisdropped
		GROUP BY a.attrelid, a.attname
		UNION
		SELECT a.attrelid, a.attname, 'fingerprint', true
		FROM pg_trigger g
		JOIN pg_attribute a ON a.attrelid = g.tgrelid AND NOT a.attisdropped
						   AND a.attname = order_payment.trigger_argument(g.tgargs, 'fingerprint')
		WHERE g.tgfoid = 'order_payment.protect_card()'::regprocedure
		UNION
		SELECT a.attrelid, a.attname, 'pepper', true
		FROM pg_attribute v
		JOIN pg_attribute a ON a.attrelid = v.attrelid AND a.attname = 'pepper_id' AND a.atttypid = 'integer'::regtype
						   AND NOT a.attisdropped
		WHERE v.atttypid = 'order_payment.sealed'::regtype AND v.attname = 'verifier' AND NOT v.attisdropped
	)
	SELECT o.attrelid::regclass, o.attname, o.purpose, o.is_plain
	FROM columns o JOIN pg_class c ON c.oid = o.attrelid
	WHERE c.relkind IN ('r', 'm')
	ORDER BY c.relnamespace::regnamespace::text, c.relname, o.attname;
END;
COMMENT ON FUNCTION order_payment.sealed_columns() IS
	'the columns of this database that hold sealed values (domains, arrays and rows of them too: not is_plain), fingerprints of cards, or the id of the pepper of a payment password';

CREATE FUNCTION order_payment.values_by_key()
	RETURNS TABLE (relation regclass, column_name name, purpose text, field text, key_id integer, stored_values bigint)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off -- the plan looks dear and is not
BEGIN ATOMIC
	WITH columns AS MATERIALIZED (
		SELECT c.*, row_number() OVER () AS place FROM order_payment.sealed_columns() c
	)
	SELECT c.relation, c.column_name, c.purpose, u.field, u.key_id, u.stored_values
	FROM order_payment.keys_used(ARRAY(SELECT p.relation FROM columns p ORDER BY p.place),
								 ARRAY(SELECT p.column_name FROM columns p ORDER BY p.place)) u
	JOIN columns c ON c.place = u.place
	ORDER BY c.relation::text, c.column_name, u.key_id, u.field;
END;
COMMENT ON FUNCTION order_payment.values_by_key() IS
	'how many values of each column were made by which key; scans every table with such a column. Called by the functions for keys';

/* ---------- after a leak ---------- */

/* By C as well, for a superuser calls it, and the tables are everybody's. */
CREATE FUNCTION order_payment.rows_made_by(relations regclass[], column_names name[], key_id integer, OUT place bigint, OUT row_key jsonb)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'op_rows_made_by' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.rows_made_by(regclass[], name[], integer) IS
	'the rows whose value of a column, told by its place in the arrays, was made by a key, by primary key; scans the tables, which the caller must be allowed to read, all as of one moment. Called by rows_sealed_by()';

/* Runs with the rights of the caller, who sees what he may read. */
CREATE FUNCTION order_payment.rows_sealed_by(key_id integer)
	RETURNS TABLE (relation regclass, column_name name, row_key jsonb)
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off -- the plan looks dear and is not
BEGIN ATOMIC
	WITH columns AS MATERIALIZED (
		SELECT c.*, row_number() OVER () AS place FROM order_payment.sealed_columns() c
	)
	SELECT c.relation, c.column_name, r.row_key
	FROM order_payment.rows_made_by(ARRAY(SELECT p.relation FROM columns p ORDER BY p.place),
									ARRAY(SELECT p.column_name FROM columns p ORDER BY p.place), rows_sealed_by.key_id) r
	JOIN columns c ON c.place = r.place
	ORDER BY c.place;
END;
COMMENT ON FUNCTION order_payment.rows_sealed_by(integer) IS
	'the rows that a data key or a fingerprint key has sealed, by table, column and primary key: who is affected after a leak. Of the tables that the caller may read, and it is an error if there is one that he may not, or whose rows policies show him. Runs no code of the owners of the tables';

CREATE FUNCTION order_payment.mark_data_key_compromised(key_id integer) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	its order_payment.data_keys;
BEGIN
	LOCK TABLE order_payment.data_keys IN SHARE ROW EXCLUSIVE MODE;
	its := order_payment.require_data_key(key_id);
	IF its.state = 'active' THEN
		PERFORM order_payment.create_data_key(its.purpose);
	END IF;
	UPDATE order_payment.data_keys k SET state = 'compromised' WHERE k.key_id = mark_data_key_compromised.key_id;
END
$$;
COMMENT ON FUNCTION order_payment.mark_data_key_compromised(integer) IS
	'from now on what the key has sealed is opened only by reseal(), not by reveal(). If it was the active one, another is made in its place. Then CALL reseal() for every table that crypto_inventory() names';

/*
 * What was sealed before the key ceased to be active may be committed only now.
 * So whatever runs as this begins has to end first; after that, nobody has a
 * value in hand that the scan of the tables does not see. Who runs is told by the
 * locks that transactions hold on themselves, for sessions may keep their
 * activity secret (track_activities). One of them may end as a prepared one: so
 * those that are prepared count until nobody else is left.
 */
CREATE FUNCTION order_payment.await_transactions(patience interval) RETURNS text
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	began CONSTANT timestamptz := clock_timestamp();
	left_at timestamptz;  -- when nobody was left who ran then
	others text[];
	running text;
BEGIN
	PERFORM pg_stat_clear_snapshot();
	others := ARRAY(SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
					WHERE l.locktype = 'virtualxid' AND l.virtualxid = l.virtualtransaction
					  AND a.datname = current_database() AND a.pid <> pg_backend_pid()
					  AND a.backend_type NOT IN ('autovacuum worker', 'walsender'));
	LOOP
		running := (SELECT string_agg('process ' || l.pid, ', ' ORDER BY l.pid) FROM pg_locks l
					WHERE l.locktype = 'virtualxid' AND l.virtualxid = l.virtualtransaction AND l.virtualtransaction = ANY (others));
		IF running IS NULL THEN
			left_at := coalesce(left_at, clock_timestamp());
		END IF;
		running := nullif(concat_ws(', ', running, (
			SELECT string_agg('prepared transaction ' || quote_literal(p.gid), ', ' ORDER BY p.prepared) FROM pg_prepared_xacts p
			WHERE p.database = current_database() AND p.prepared < coalesce(left_at, 'infinity'))), '');
		EXIT WHEN running IS NULL OR clock_timestamp() > began + patience;
		PERFORM pg_sleep(0.02);
	END LOOP;
	RETURN running;
END
$$;
COMMENT ON FUNCTION order_payment.await_transactions(interval) IS
	'waits for the transactions of this database that run as it is called; those that are left when its patience ends, null if none. Called by destroy_data_key()';

CREATE FUNCTION order_payment.destroy_data_key(key_id integer) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	its constant order_payment.data_keys := order_payment.require_data_key(key_id);
	running text;
	needed text;
BEGIN
	IF its.state = 'active' THEN
		RAISE EXCEPTION 'data key % is active', key_id
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = format('Make another one by order_payment.create_data_key(%L), then CALL order_payment.reseal() for each table.', its.purpose);
	ELSIF its.state = 'destroyed' THEN
		RETURN;
	END IF;
	IF its.deactivated_in = pg_current_xact_id_if_assigned() THEN
		running := 'this one';
	ELSE
		running := order_payment.await_transactions('3 s');
	END IF;
	IF running IS NOT NULL THEN
		RAISE EXCEPTION 'data key % may be wanted by transactions that still run', key_id
			USING ERRCODE = 'object_in_use', DETAIL = 'They are: ' || running || '.',
				  HINT = 'Call it again when they have ended.';
	END IF;
	LOCK TABLE order_payment.data_keys IN SHARE ROW EXCLUSIVE MODE;
	needed := (SELECT string_agg(format('%s of %s.%I', v.stored_values, v.relation, v.column_name), ', ')
			   FROM order_payment.values_by_key() v
			   WHERE v.key_id = destroy_data_key.key_id);
	IF needed IS NOT NULL THEN
		RAISE EXCEPTION 'data key % is needed', key_id
			USING ERRCODE = 'dependent_objects_still_exist',
				  DETAIL = CASE its.purpose WHEN 'pepper' THEN 'It has gone into these payment passwords: '
										   ELSE 'It has made these values: ' END || needed || '.',
				  HINT = CASE its.purpose WHEN 'pepper' THEN 'Each is renewed under the active pepper when it is given; delete the rows of those that are not to be waited for.'
										 ELSE 'CALL order_payment.reseal_store() for each store, order_payment.reseal() for other tables, SELECT order_payment.reseal_card_keys() for card_keys; order_payment.rows_sealed_by() lists the rows.' END;
	END IF;
	UPDATE order_payment.data_keys k
	SET state = 'destroyed', wrapped = NULL, destroyed_at = clock_timestamp()
	WHERE k.key_id = destroy_data_key.key_id;
END
$$;
COMMENT ON FUNCTION order_payment.destroy_data_key(integer) IS
	'destroys a data key that nothing needs any more: refused while it is active, while a value in this database was made by it, and while a transaction that might bring one still runs. Backups, and dumps, that hold such values hold the key as well';
