/*
 * Who may call what, on one screen.
 *
 * The schema is for everybody to use and for nobody to create in. What is not
 * named here may be called by everybody: it runs with the rights of its caller,
 * but for the triggers of a store, which act as the owner of its tables, and only
 * between tables of one owner, and for encrypt_amount(), decrypt_amount(),
 * verify_notification(), verify_reply(), open_resource() and sign_for_gateway(),
 * which read secrets as the owner for those who may record outcomes. The extension
 * makes no roles: its tables and the functions below are the owner's to grant.
 */
REVOKE ALL ON SCHEMA order_payment FROM PUBLIC;
GRANT USAGE ON SCHEMA order_payment TO PUBLIC;

-- for those who see card data; what they see is recorded
REVOKE ALL ON FUNCTION
	order_payment.reveal(order_payment.sealed, bytea),
	order_payment.card_fingerprints(text)
FROM PUBLIC;

/*
 * For owners of tables with cards; create_store() grants them to the owner of a
 * store. Who may protect a table of his own can have it tell the fingerprint of
 * any number that he guesses, and so, with the fingerprint and the mask of a card
 * that he may read, the number; so can who may compare a value that he has sealed
 * with a fingerprint.
 */
REVOKE ALL ON FUNCTION
	order_payment.protect_card(),
	order_payment.fingerprint_fault(order_payment.sealed, bytea, bytea)
FROM PUBLIC;

-- for those who keep the keys
REVOKE ALL ON FUNCTION
	order_payment.create_data_keys(),
	order_payment.create_data_key(text, boolean, interval),
	order_payment.activate_data_key(integer),
	order_payment.rewrap_data_keys(),
	order_payment.root_keys(),
	order_payment.key_status(boolean),
	order_payment.crypto_inventory(),
	order_payment.mark_data_key_compromised(integer),
	order_payment.destroy_data_key(integer),
	order_payment.create_card_key(interval),
	order_payment.retire_card_keys(),
	order_payment.reseal_card_keys()
FROM PUBLIC;

-- for those who rotate keys and end the life of cards; on tables on which they have the rights
REVOKE ALL ON FUNCTION
	order_payment.reseal_value(order_payment.sealed, bytea),
	order_payment.rows_sealed_by(integer),
	order_payment.forget_cards(timestamptz, name),
	order_payment.forget_cards_in(regclass, name, timestamptz),
	order_payment.rebind_payment_passwords(name, name),
	order_payment.rebind_verifier(order_payment.sealed, anynonarray, name, name)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE
	order_payment.reseal(regclass, float8, integer, name, text, text[]),
	order_payment.reseal_store(name, float8)
FROM PUBLIC;

-- reads files of the server, in a directory that a superuser has set
REVOKE ALL ON FUNCTION
	order_payment.set_gateway_secret_from_file(text, text, text, timestamptz, timestamptz, text, name)
FROM PUBLIC;

-- called by other functions, and by nobody else
REVOKE ALL ON FUNCTION
	order_payment.random_key_id(),
	order_payment.require_data_key(integer),
	order_payment.wrap_new_key(integer, text),
	order_payment.rewrap_key(integer, text, bytea),
	order_payment.check_data_key(integer, text, bytea),
	order_payment.keys_used(regclass[], name[]),
	order_payment.values_by_key(),
	order_payment.await_transactions(interval),
	order_payment.new_card_key(integer),
	order_payment.record_reveal(text, text, integer, bytea, integer, integer, oid, name, inet, text, integer, xid8, text, text),
	order_payment.charge_password_attempt(oid, text, oid),
	order_payment.clear_password_attempts(oid, text, oid, text, text, integer)
FROM PUBLIC;

-- default privileges of who installs may have granted something
REVOKE ALL ON TABLE order_payment.data_keys, order_payment.card_keys, order_payment.reveal_log, order_payment.reveal_usage,
	order_payment.reseal_runs, order_payment.reseal_progress FROM PUBLIC;
