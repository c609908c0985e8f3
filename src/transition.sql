/* ---------- the guard of a status column ---------- */

CREATE FUNCTION order_payment.enforce_transition() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_enforce_transition' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.enforce_transition() IS
	'trigger function that refuses (OP001) every birth and move that a status graph does not allow. Arguments: column, graph (absent or empty: the default graph of its type), ''stamp'' to keep columns <state>_at. Made by guard_column()';

/*
 * The trigger set of a guarded column. The BEFORE trigger must be the last of
 * its kind, hence its name; the AFTER trigger judges births, and, on
 * partitions, sees both halves of a move.
 */
CREATE FUNCTION order_payment.guard_column(relation regclass, status_column name,
										   graph text DEFAULT NULL, stamp boolean DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	column_type regtype;
	-- trigger names have 63 bytes; a long column is told by its hash
	prefix text := 'zzz_guard_' || CASE WHEN octet_length(status_column) <= 40
										THEN status_column::text ELSE md5(status_column) END;
	arguments text;
	later text;
BEGIN
	IF relation IS NULL OR status_column IS NULL THEN
		RAISE EXCEPTION 'a table and a column must be given' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT a.atttypid INTO column_type
	FROM pg_attribute a
	WHERE a.attrelid = relation AND a.attname = status_column AND a.attnum > 0 AND NOT a.attisdropped;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column "%" of table % does not exist', status_column, relation
			USING ERRCODE = 'undefined_column';
	END IF;

	graph := coalesce(nullif(graph, ''), order_payment.default_graph(column_type));
	IF graph IS NULL THEN
		RAISE EXCEPTION 'type % has no default graph', column_type
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Give a graph, as in ''new; new: done failed; failed: new''.';
	END IF;
	PERFORM order_payment.check_graph(column_type, graph);

	-- who replaces a graph does not mean to lose the stamps
	stamp := coalesce(stamp, EXISTS (
		SELECT FROM pg_trigger t
		WHERE t.tgrelid = relation AND t.tgname = prefix::name AND t.tgnargs = 3
		  AND t.tgfoid = 'order_payment.enforce_transition'::regproc));

	SELECT t.tgname INTO later
	FROM pg_trigger t
	WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgname > prefix::name
	  AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0  -- BEFORE ROW, INSERT or UPDATE
	  AND t.tgfoid <> 'order_payment.enforce_transition'::regproc
	ORDER BY t.tgname LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'trigger "%" of table % fires after "%"', later, relation, prefix
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'A guard must be the last BEFORE ROW trigger: rename that trigger first.';
	END IF;

	arguments := format('%L, %L', status_column, graph) || CASE WHEN stamp THEN ', ''stamp''' ELSE '' END;
	EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE %s ON %s FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(%s)',
				   prefix, CASE WHEN stamp THEN 'INSERT OR UPDATE' ELSE 'UPDATE' END, relation, arguments);
	EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER INSERT OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(%s)',
				   prefix || '_birth', relation, arguments);
	-- what is wrong with the stamps is said now, not at the first row
	PERFORM FROM order_payment.status_edges(relation, status_column);
	IF stamp THEN
		SELECT e.to_status || '_at' INTO later
		FROM (SELECT DISTINCT convert_from(substring(t.tgargs FROM 1 FOR position('\x00'::bytea IN t.tgargs) - 1),
										   getdatabaseencoding())::name AS status_column
			  FROM pg_trigger t
			  WHERE t.tgrelid = relation AND t.tgnargs = 3 AND t.tgtype & 19 = 19
				AND t.tgfoid = 'order_payment.enforce_transition'::regproc) o
		CROSS JOIN LATERAL order_payment.status_edges(relation, o.status_column) e
		JOIN order_payment.status_edges(relation, guard_column.status_column) m ON m.to_status = e.to_status
		JOIN pg_attribute a ON a.attrelid = relation AND a.attname = e.to_status || '_at' AND NOT a.attisdropped
		WHERE o.status_column <> guard_column.status_column LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'column "%" of table % is stamped for another status column already', later, relation
				USING ERRCODE = 'object_not_in_prerequisite_state',
					  HINT = 'Rename the column or the state, or guard one of the two without stamps.';
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.guard_column(regclass, name, text, boolean) IS
	'guards a status column (order_status, payment_status, operation_status, an enum, text, varchar, a domain) of any table by a status graph (NULL: the default graph of the type); with stamp, columns <state>_at of type timestamptz are kept (NULL: as before). Call it again to replace the graph';

CREATE FUNCTION order_payment.status_graph(relation regclass, status_column name, format text DEFAULT 'mermaid') RETURNS text
	AS 'MODULE_PATHNAME', 'op_status_graph' LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.status_graph(regclass, name, text) IS
	'the graph that guards a column now, as text for Mermaid (''mermaid'') or Graphviz (''dot''); 42704 if the column is not guarded';

CREATE FUNCTION order_payment.status_edges(relation regclass, status_column name,
										   OUT from_status text, OUT to_status text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'op_status_edges' LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.status_edges(regclass, name) IS
	'the graph that guards a column now, one row an edge; from_status is null where a row may be born; 42704 if the column is not guarded';
