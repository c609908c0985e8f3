/* ---------- sealing anew ---------- */

/*
 * How far each call of reseal() has come; a remark, for what is left to do stands
 * in the values themselves. Rows may be deleted at will.
 */
CREATE TABLE order_payment.reseal_runs (
	run_id uuid NOT NULL DEFAULT order_payment.uuid_v7(),
	relation text NOT NULL,
	key_id integer NOT NULL,
	role name NOT NULL,
	backend_pid integer NOT NULL,
	backend_start timestamptz NOT NULL,
	pass integer NOT NULL DEFAULT 0,
	pages_done bigint NOT NULL DEFAULT 0,
	pages_total bigint NOT NULL DEFAULT 0,
	resealed bigint NOT NULL DEFAULT 0,
	skipped bigint NOT NULL DEFAULT 0,
	not_openable bigint NOT NULL DEFAULT 0,
	started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	updated_at timestamptz,
	finished_at timestamptz,
	CONSTRAINT reseal_runs_pkey PRIMARY KEY (run_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE order_payment.reseal_runs IS 'the calls of reseal(), written with each of their batches; see reseal_progress';
COMMENT ON COLUMN order_payment.reseal_runs.key_id IS 'the data key that sealed as it began';
COMMENT ON COLUMN order_payment.reseal_runs.role IS 'who called it';
COMMENT ON COLUMN order_payment.reseal_runs.pass IS 'each goes once through the table; rows that were locked come in the next';
COMMENT ON COLUMN order_payment.reseal_runs.resealed IS 'rows, in all passes';
COMMENT ON COLUMN order_payment.reseal_runs.skipped IS 'rows that were left, for others held them locked to the end';
COMMENT ON COLUMN order_payment.reseal_runs.not_openable IS 'rows that were left, for they hold a value that does not open';

SELECT pg_catalog.pg_extension_config_dump('order_payment.reseal_runs', '');

CREATE VIEW order_payment.reseal_progress AS
	SELECT r.run_id, r.relation, r.key_id, r.role,
		   CASE WHEN r.finished_at IS NOT NULL THEN 'finished'
				WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
							 WHERE a.pid OPERATOR(pg_catalog.=) r.backend_pid
							   AND coalesce(a.backend_start, r.backend_start) OPERATOR(pg_catalog.=) r.backend_start) THEN 'running'
				ELSE 'interrupted' END AS state,
		   r.pass, r.pages_done, r.pages_total,
		   r.resealed, r.skipped, r.not_openable,
		   r.started_at, r.updated_at, r.finished_at
	FROM order_payment.reseal_runs r;
COMMENT ON VIEW order_payment.reseal_progress IS
	'how far each call of reseal() has come. interrupted: its session ended; call it again, it goes on where there is something left';

CREATE FUNCTION order_payment.reseal_value(value order_payment.sealed, bound_to bytea) RETURNS order_payment.sealed
	AS 'MODULE_PATHNAME', 'op_reseal_value' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.reseal_value(order_payment.sealed, bytea) IS
	'the same secret, of any field, sealed anew by the active data key, bound to the same; the value itself if that key has made it. Shows nothing. OP010 if it does not open';

CREATE FUNCTION order_payment.fingerprint_key(fingerprint bytea) RETURNS integer
	AS 'MODULE_PATHNAME', 'op_fingerprint_key_of' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.fingerprint_key(bytea) IS
	'the id of the fingerprint key that made a fingerprint, null if it is none; needs no key';

CREATE PROCEDURE order_payment.reseal(target regclass, max_rate float8 DEFAULT NULL, batch_pages integer DEFAULT 32,
									  sealed_column name DEFAULT NULL, label text DEFAULT NULL, key text[] DEFAULT NULL)
	AS 'MODULE_PATHNAME', 'op_reseal' LANGUAGE C;
COMMENT ON PROCEDURE order_payment.reseal(regclass, float8, integer, name, text, text[]) IS
	'seals what a table holds anew, by the keys that are active now, fingerprints too, while others work in it: some pages at a time, each committed; rows that are locked come later. At most max_rate rows a second. Stop it whenever you like and call it again. For a column without the trigger protect_card(): sealed_column, and the label and key that its values are bound to, as for binding(): names of columns, and constants in single quotes';
