/* ---------- the tables of a store: payment passwords ---------- */

/*
 * Called by create_store() as the owner of the store to be.
 *
 * The attempts stand in a table of their own, without foreign keys, on which
 * nobody but the owner has any right: no transaction of an application can lock
 * what the background worker writes.
 */
CREATE FUNCTION order_payment.create_password_tables(store name, customer_id_type regtype) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

CREATE TABLE %1$I.payment_passwords (
	customer_id %2$s NOT NULL,
	verifier order_payment.sealed NOT NULL,
	pepper_id integer NOT NULL,
	set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT payment_passwords_pkey PRIMARY KEY (customer_id)
);

CREATE TABLE %1$I.payment_password_attempts (
	customer_id %2$s NOT NULL,
	used integer NOT NULL,
	locked_until timestamptz,
	last_at timestamptz NOT NULL,
	CONSTRAINT payment_password_attempts_pkey PRIMARY KEY (customer_id),
	CONSTRAINT payment_password_attempts_used_check CHECK (used >= 0)
) WITH (fillfactor = 80);

COMMENT ON TABLE %1$I.payment_passwords IS 'payment passwords of customers: of the shop''s own wallet, not the PIN of a bank card. Written by set_payment_password(), as the owner; dumped with the store. The owner deletes the row of a customer who wants none any more, or has left. INSERT (customer_id) lets a role set and check passwords, UPDATE (verifier) set one without the old one';
COMMENT ON COLUMN %1$I.payment_passwords.verifier IS 'scrypt over a keyed hash of the password, sealed, and bound to the name of the store and to the customer';
COMMENT ON COLUMN %1$I.payment_passwords.pepper_id IS 'the data key (purpose pepper) without which the verifier is worth nothing; the verifier is renewed under the active one when the password is given. Rows of a pepper that is destroyed are of no use any more';
COMMENT ON COLUMN %1$I.payment_passwords.set_at IS 'when the customer, or who helped, set it; a verifier that is renewed is of the same password';
COMMENT ON TABLE %1$I.payment_password_attempts IS 'attempts at payment passwords since the last right one, charged before each check by a background worker, whatever becomes of the transaction. Nobody but the owner has rights on it; dumped with the store. A row without a lock, or of a customer who has left, may be deleted by the owner after a month: the next attempt begins anew';
COMMENT ON COLUMN %1$I.payment_password_attempts.used IS 'attempts since the last right one, or since another password was set; after each 5 the customer is locked';
COMMENT ON COLUMN %1$I.payment_password_attempts.locked_until IS 'nothing is checked before: 15 minutes after 5 attempts, and twice as long after each further 5, up to 30 days';

	$ddl$, store, customer_id_type);
END
$$;
COMMENT ON FUNCTION order_payment.create_password_tables(name, regtype) IS
	'makes payment_passwords and payment_password_attempts in a schema. Called by create_store()';
