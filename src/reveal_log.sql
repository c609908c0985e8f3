/* ---------- the record of reveals ---------- */

/*
 * Who got to know which secret. No foreign keys, and no rights for anybody but
 * the owner: no transaction of an application can lock what the background
 * worker writes. A role that audits is given SELECT.
 */
CREATE TABLE order_payment.reveal_log (
	reveal_id uuid PRIMARY KEY DEFAULT order_payment.uuid_v7(),
	revealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	refused boolean NOT NULL,
	role name NOT NULL,
	session_role name NOT NULL,
	what text NOT NULL,
	field text NOT NULL,
	key_id integer NOT NULL,
	bound_to bytea,
	units integer NOT NULL,
	client_address inet,
	application_name text,
	backend_pid integer NOT NULL,
	xid xid8,
	actor text,
	reason text
);
CREATE INDEX reveal_log_revealed_at ON order_payment.reveal_log (revealed_at);
SELECT pg_catalog.pg_extension_config_dump('order_payment.reveal_log', '');
COMMENT ON TABLE order_payment.reveal_log IS
	'who has revealed which secret, or was refused because the budget was used up; committed before the secret is computed, whatever becomes of the transaction. Append-only; for retention, a superuser sets order_payment.allow_history_change and deletes';
COMMENT ON COLUMN order_payment.reveal_log.role IS 'with whose rights, and on whose budget; session_role is who logged in';
COMMENT ON COLUMN order_payment.reveal_log.bound_to IS 'what the sealed value is bound to: see binding()';
COMMENT ON COLUMN order_payment.reveal_log.xid IS 'the transaction of the caller, if it had written anything by then';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON order_payment.reveal_log
	FOR EACH ROW EXECUTE FUNCTION order_payment.append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON order_payment.reveal_log
	FOR EACH STATEMENT EXECUTE FUNCTION order_payment.append_only();

/* What each role has used since its hour began. Not dumped: a restored database begins anew. */
CREATE TABLE order_payment.reveal_usage (
	role oid PRIMARY KEY,
	window_start timestamptz NOT NULL,
	used bigint NOT NULL CHECK (used > 0)
);
COMMENT ON TABLE order_payment.reveal_usage IS
	'how much of order_payment.reveal_budget each role has used in the hour of the clock that began at window_start';

/*
 * Run by the background worker, as the owner of the table, in READ COMMITTED:
 * the row of the role is locked by the charge, so two sessions never both get
 * the last unit.
 */
CREATE FUNCTION order_payment.record_reveal(what text, field text, key_id integer, bound_to bytea, units integer, budget integer,
											role oid, session_role name, client_address inet, application_name text,
											backend_pid integer, xid xid8, actor text, reason text)
	RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH charged AS (
		INSERT INTO order_payment.reveal_usage AS u (role, window_start, used)
		SELECT record_reveal.role, date_bin('1 hour', clock_timestamp(), timestamptz 'epoch'), record_reveal.units
		WHERE record_reveal.budget < 0 OR record_reveal.units <= record_reveal.budget
		ON CONFLICT (role) DO UPDATE
			SET window_start = greatest(u.window_start, excluded.window_start),
				used = CASE WHEN u.window_start >= excluded.window_start THEN u.used ELSE 0 END + excluded.used
			WHERE record_reveal.budget < 0
			   OR CASE WHEN u.window_start >= excluded.window_start THEN u.used ELSE 0 END + excluded.used <= record_reveal.budget
		RETURNING true
	), logged AS (
		INSERT INTO order_payment.reveal_log (refused, role, session_role, what, field, key_id, bound_to, units,
											  client_address, application_name, backend_pid, xid, actor, reason)
		SELECT NOT EXISTS (SELECT FROM charged), pg_get_userbyid(record_reveal.role), record_reveal.session_role,
			   record_reveal.what, record_reveal.field, record_reveal.key_id, record_reveal.bound_to, record_reveal.units,
			   record_reveal.client_address, record_reveal.application_name, record_reveal.backend_pid, record_reveal.xid,
			   record_reveal.actor, record_reveal.reason
	)
	SELECT EXISTS (SELECT FROM charged);
END;
COMMENT ON FUNCTION order_payment.record_reveal(text, text, integer, bytea, integer, integer, oid, name, inet, text, integer,
												xid8, text, text) IS
	'charges the budget of a role and records a reveal; false if the budget is used up. Run by reveal() in a background worker, in a transaction of its own';
