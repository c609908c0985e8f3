/* ---------- payment passwords ---------- */

/*
 * Of the shop's own wallet: a password that the shop gave and the shop checks.
 * The PIN of a bank card is none of its business, and may not be stored.
 *
 * The two functions below are run by a background worker, each in a transaction
 * of its own, as the owner of the table of attempts, in READ COMMITTED. The
 * row of the customer is locked by the charge, so of sessions that come
 * at once no more get an attempt than there are.
 */
CREATE FUNCTION order_payment.charge_password_attempt(attempts oid, customer_id text, passwords oid) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	free CONSTANT integer := 5;  -- attempts, then a lock
	first_lock CONSTANT interval := '15 minutes';
	last_lock CONSTANT interval := '30 days';
	doublings CONSTANT integer := 12;  -- beyond the last lock already
	set_at timestamptz;
	is_charged boolean;
	seconds integer;
BEGIN
	-- attempts before that were at another password, or at none; one that is not committed is not seen here
	EXECUTE format('SELECT p.set_at FROM %s p WHERE p.customer_id = %L', passwords::regclass, customer_id) INTO set_at;
	EXECUTE format($sql$

INSERT INTO %1$s AS a (customer_id, used, last_at) VALUES (%2$L, 1, clock_timestamp())
ON CONFLICT (customer_id) DO UPDATE
	SET used = CASE WHEN a.last_at < $5 THEN 1 ELSE a.used + 1 END, last_at = clock_timestamp(),
		locked_until = CASE WHEN a.last_at < $5 THEN NULL WHEN (a.used + 1) %% $1 = 0
			THEN clock_timestamp() + least($2 * 2 ^ least((a.used + 1) / $1 - 1, $3), $4) END
	WHERE a.last_at < $5 OR a.locked_until IS NULL OR a.locked_until <= clock_timestamp()
RETURNING true

	$sql$, attempts::regclass, customer_id) INTO is_charged USING free, first_lock, doublings, last_lock, set_at;
	IF is_charged THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT greatest(1, ceil(extract(epoch FROM a.locked_until - clock_timestamp())))::integer
					FROM %s a WHERE a.customer_id = %L', attempts::regclass, customer_id) INTO seconds;
	RETURN coalesce(seconds, 1);
END
$$;
COMMENT ON FUNCTION order_payment.charge_password_attempt(oid, text, oid) IS
	'charges a customer with an attempt, and returns null; or returns for how many seconds the customer is locked. A password that was set since the last attempt begins anew. Run by verify_payment_password() in a background worker, in a transaction of its own';

/*
 * The row of the password may be locked by somebody who is just setting
 * another one: then there is nothing to renew.
 */
CREATE FUNCTION order_payment.clear_password_attempts(attempts oid, customer_id text, passwords oid,
													  read_verifier text, renewed_verifier text, pepper_id integer)
	RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('UPDATE %s a SET used = 0, locked_until = NULL WHERE a.customer_id = %L AND (a.used > 0 OR a.locked_until IS NOT NULL)',
				   attempts::regclass, customer_id);
	IF renewed_verifier IS NOT NULL THEN
		EXECUTE format('UPDATE %1$s p SET verifier = $2::order_payment.sealed, pepper_id = $3
						FROM (SELECT r.customer_id FROM %1$s r WHERE r.customer_id = %2$L AND r.verifier::text = $1
							  FOR NO KEY UPDATE SKIP LOCKED) r
						WHERE p.customer_id = r.customer_id', passwords::regclass, customer_id)
			USING read_verifier, renewed_verifier, pepper_id;
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION order_payment.clear_password_attempts(oid, text, oid, text, text, integer) IS
	'clears the attempts of a customer who has given the right password, and puts a renewed verifier in the place of the one that was read. Run by verify_payment_password() in a background worker, in a transaction of its own';

CREATE FUNCTION order_payment.set_payment_password(customer_id text, password text, store name DEFAULT order_payment.current_store(),
												   old_password text DEFAULT NULL)
	RETURNS void
	AS 'MODULE_PATHNAME', 'op_set_payment_password' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.set_payment_password(text, text, name, text) IS
	'sets the payment password of a customer, 4 to 256 characters; one that there is takes the old one, or the privilege UPDATE (verifier) on payment_passwords, and then ends a lock, from its commit on. OP015 if the old one is wrong, missing, or locked; OP011 where statements may reach a log; OP012 if too many are checked; OP013 without keys';

CREATE FUNCTION order_payment.set_payment_password(customer_id anynonarray, password text, store name DEFAULT order_payment.current_store(),
												   old_password text DEFAULT NULL)
	RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT order_payment.set_payment_password($1::text, $2, $3, $4)
$$;
COMMENT ON FUNCTION order_payment.set_payment_password(anynonarray, text, name, text) IS
	'sets the payment password of a customer: the same for keys of every type';

CREATE FUNCTION order_payment.verify_payment_password(customer_id text, password text, store name DEFAULT order_payment.current_store())
	RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_verify_payment_password' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.verify_payment_password(text, text, name) IS
	'is it the payment password of the customer? False also for a customer who has none, after the same time. The attempt is charged, and committed, before it is checked; the right one clears the account. OP015 while the customer is locked: for 15 minutes after 5 wrong ones, twice as long after each further 5, up to 30 days; OP011, OP012, OP013 as set_payment_password()';

CREATE FUNCTION order_payment.verify_payment_password(customer_id anynonarray, password text, store name DEFAULT order_payment.current_store())
	RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT order_payment.verify_payment_password($1::text, $2, $3)
$$;
COMMENT ON FUNCTION order_payment.verify_payment_password(anynonarray, text, name) IS
	'is it the payment password of the customer? The same for keys of every type';

/*
 * A verifier does not open in a schema of another name: else who may read one
 * could guess it in a store of his own, where he counts the attempts himself.
 */
CREATE FUNCTION order_payment.rebind_verifier(verifier order_payment.sealed, customer_id anynonarray, former_store name, store name)
	RETURNS order_payment.sealed
	AS 'MODULE_PATHNAME', 'op_rebind_verifier' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.rebind_verifier(order_payment.sealed, anynonarray, name, name) IS
	'the verifier of a payment password, bound to another store. Called by rebind_payment_passwords()';

CREATE FUNCTION order_payment.rebind_payment_passwords(former_store name, store name DEFAULT order_payment.current_store())
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rebound bigint;
BEGIN
	PERFORM order_payment.require_store(store);
	EXECUTE format('UPDATE %I.payment_passwords p SET verifier = order_payment.rebind_verifier(p.verifier, p.customer_id, $1, $2)', store)
		USING former_store, store;
	GET DIAGNOSTICS rebound = ROW_COUNT;
	RETURN rebound;
END
$$;
COMMENT ON FUNCTION order_payment.rebind_payment_passwords(name, name) IS
	'makes the payment passwords of a store whose schema was renamed open under its new name, and returns their number; nobody needs a password for it. OP010 if one was not of that name. For a superuser, or for whom one grants EXECUTE on it and on rebind_verifier()';
