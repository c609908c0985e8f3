/* ---------- keys ---------- */

/*
 * root key		outside of the database; wraps the data keys
 * data key		seals; random, here only as wrapped
 * wrapped		sealed by the root key, bound to its own id and purpose
 * check value	eight bytes that tell a root key from another and say nothing of it
 *
 * Data keys are members of the extension and yet dumped, for without them what
 * was dumped with them is lost. Ids are random, so that keys of two databases can
 * stand in one. No key is made by CREATE EXTENSION: it would stand in the way of
 * those that a dump brings.
 */
CREATE TABLE order_payment.data_keys (
	key_id integer NOT NULL,
	purpose text NOT NULL,
	state text NOT NULL,
	root_key_id integer,
	root_key_check bytea,
	wrapped bytea,
	retire_after timestamptz,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	activated_at timestamptz,
	deactivated_at timestamptz,
	deactivated_in xid8,
	destroyed_at timestamptz,
	CONSTRAINT data_keys_pkey PRIMARY KEY (key_id),
	CONSTRAINT data_keys_key_id_check CHECK (key_id OPERATOR(pg_catalog.>) 0),
	CONSTRAINT data_keys_purpose_check CHECK (purpose OPERATOR(pg_catalog.=) ANY ('{data,fingerprint,pepper}'::text[])),
	CONSTRAINT data_keys_state_check CHECK (state OPERATOR(pg_catalog.=)
		ANY ('{pre_active,active,decrypt_only,compromised,destroyed}'::text[])),
	CONSTRAINT data_keys_destroyed_check CHECK ((state OPERATOR(pg_catalog.=) 'destroyed') OPERATOR(pg_catalog.=) (wrapped IS NULL)),
	CONSTRAINT data_keys_wrapped_check CHECK (wrapped IS NULL OR root_key_id IS NOT NULL AND root_key_check IS NOT NULL)
);
CREATE UNIQUE INDEX data_keys_active_idx ON order_payment.data_keys (purpose) WHERE state OPERATOR(pg_catalog.=) 'active';

COMMENT ON TABLE order_payment.data_keys IS
	'keys that seal, each wrapped by a root key that is not in the database. Written by the functions for keys only; dumped with the database';
COMMENT ON COLUMN order_payment.data_keys.key_id IS 'random; stands in every value that the key has sealed';
COMMENT ON COLUMN order_payment.data_keys.purpose IS 'data: values that are opened again; fingerprint: finds cards by number; pepper: goes into the check of payment passwords';
COMMENT ON COLUMN order_payment.data_keys.state IS
	'pre_active: waits; active: seals, one for each purpose; decrypt_only: opens; compromised: opens only to be sealed again; destroyed: gone';
COMMENT ON COLUMN order_payment.data_keys.root_key_check IS 'check value of the root key that wraps it';
COMMENT ON COLUMN order_payment.data_keys.retire_after IS 'when another key should seal in its place';
COMMENT ON COLUMN order_payment.data_keys.deactivated_in IS 'the transaction in which it ceased to seal: what began before may still store what it sealed';

SELECT pg_catalog.pg_extension_config_dump('order_payment.data_keys', '');

CREATE FUNCTION order_payment.announce_keys() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_announce_keys' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.announce_keys() IS
	'trigger of data_keys and card_keys: every session drops the keys it has made ready and reads them anew';

-- for each row, and always: replication fires no others
CREATE TRIGGER announce_keys AFTER INSERT OR UPDATE OR DELETE ON order_payment.data_keys
	FOR EACH ROW EXECUTE FUNCTION order_payment.announce_keys();
CREATE TRIGGER announce_keys_truncate AFTER TRUNCATE ON order_payment.data_keys
	FOR EACH STATEMENT EXECUTE FUNCTION order_payment.announce_keys();
ALTER TABLE order_payment.data_keys ENABLE ALWAYS TRIGGER announce_keys;
ALTER TABLE order_payment.data_keys ENABLE ALWAYS TRIGGER announce_keys_truncate;

-- a dump brings keys in any state
SELECT order_payment.guard_column('order_payment.data_keys', 'state',
	'pre_active active decrypt_only compromised destroyed; '
	'pre_active: active destroyed; active: decrypt_only compromised; '
	'decrypt_only: compromised destroyed; compromised: destroyed');

/* ---------- what the functions below are made of ---------- */

CREATE FUNCTION order_payment.wrap_new_key(key_id integer, purpose text,
										   OUT root_key_id integer, OUT root_key_check bytea, OUT wrapped bytea)
	AS 'MODULE_PATHNAME', 'op_wrap_new_key' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.wrap_new_key(integer, text) IS
	'a new random key for an id and a purpose, wrapped by the current root key. Called by create_data_key()';

CREATE FUNCTION order_payment.rewrap_key(key_id integer, purpose text, given bytea,
										 OUT root_key_id integer, OUT root_key_check bytea, OUT wrapped bytea)
	AS 'MODULE_PATHNAME', 'op_rewrap_key' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.rewrap_key(integer, text, bytea) IS
	'the same key, wrapped anew by the current root key. Called by rewrap_data_keys()';

CREATE FUNCTION order_payment.root_keys(OUT root_key_id integer, OUT root_key_check bytea) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'op_root_keys' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.root_keys() IS
	'the root keys that the server can read now, by id and check value; the highest id wraps new data keys. OP013 if it can read none';

/* ---------- for those who keep the keys ---------- */

/*
 * These run as the owner of the extension, who alone may write data_keys, for
 * whom EXECUTE was granted to.
 */
CREATE FUNCTION order_payment.create_data_key(purpose text, activate boolean DEFAULT true, lifetime interval DEFAULT '1 year')
	RETURNS integer
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made integer;
BEGIN
	-- one at a time, so that of two who come at once the second retires the first one's key
	LOCK TABLE order_payment.data_keys IN SHARE ROW EXCLUSIVE MODE;
	LOOP
		made := 1 + (('x' || encode(substr(uuid_send(gen_random_uuid()), 1, 4), 'hex'))::bit(32) & x'7fffffff')::integer % 2147483646;
		EXIT WHEN NOT EXISTS (SELECT FROM order_payment.data_keys k WHERE k.key_id = made);
	END LOOP;
	INSERT INTO order_payment.data_keys (key_id, purpose, state, root_key_id, root_key_check, wrapped, retire_after)
	SELECT made, create_data_key.purpose, 'pre_active', w.root_key_id, w.root_key_check, w.wrapped, clock_timestamp() + lifetime
	FROM order_payment.wrap_new_key(made, create_data_key.purpose) w;
	IF activate THEN
		PERFORM order_payment.activate_data_key(made);
	END IF;
	RETURN made;
END
$$;
COMMENT ON FUNCTION order_payment.create_data_key(text, boolean, interval) IS
	'makes a data key for a purpose (data, fingerprint, pepper), wrapped by the current root key, and returns its id. It seals from now on, and the one that did so before only opens, unless activate is false. After its lifetime key_status() shows it as overdue';

CREATE FUNCTION order_payment.activate_data_key(key_id integer) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	its record;
BEGIN
	LOCK TABLE order_payment.data_keys IN SHARE ROW EXCLUSIVE MODE;
	SELECT k.purpose, k.state INTO its FROM order_payment.data_keys k WHERE k.key_id = activate_data_key.key_id;
	IF NOT FOUND THEN
		PERFORM order_payment.refuse_data_key(key_id);
	ELSIF its.state <> 'active' THEN
		UPDATE order_payment.data_keys k
		SET state = 'decrypt_only', deactivated_at = clock_timestamp(), deactivated_in = pg_current_xact_id()
		WHERE k.purpose = its.purpose AND k.state = 'active';
		UPDATE order_payment.data_keys k SET state = 'active', activated_at = clock_timestamp()
		WHERE k.key_id = activate_data_key.key_id;
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.activate_data_key(integer) IS
	'lets a data key that waits seal from now on; the one of its purpose that did so before only opens';

CREATE FUNCTION order_payment.create_data_keys() RETURNS SETOF integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
		SELECT order_payment.create_data_key(p.purpose)
		FROM unnest('{data,fingerprint,pepper}'::text[]) p(purpose)
		WHERE NOT EXISTS (SELECT FROM order_payment.data_keys k WHERE k.purpose = p.purpose AND k.state = 'active');
END
$$;
COMMENT ON FUNCTION order_payment.create_data_keys() IS
	'makes a data key for each purpose that has none which seals, and returns their ids; once, in a new database';

CREATE FUNCTION order_payment.rewrap_data_keys() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rewrapped bigint;
BEGIN
	LOCK TABLE order_payment.data_keys IN SHARE ROW EXCLUSIVE MODE;
	UPDATE order_payment.data_keys k
	SET root_key_id = w.root_key_id, root_key_check = w.root_key_check, wrapped = w.wrapped
	FROM (SELECT d.key_id AS id, r.*
		  FROM order_payment.data_keys d, order_payment.rewrap_key(d.key_id, d.purpose, d.wrapped) r
		  WHERE d.wrapped IS NOT NULL) w
	WHERE k.key_id = w.id;
	GET DIAGNOSTICS rewrapped = ROW_COUNT;
	RETURN rewrapped;
END
$$;
COMMENT ON FUNCTION order_payment.rewrap_data_keys() IS
	'wraps every data key anew by the current root key, and returns their number: after a new root key was added to its source. Sealed values stay as they are';

CREATE FUNCTION order_payment.refuse_data_key(key_id integer) RETURNS void
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'there is no data key %', key_id
		USING ERRCODE = 'undefined_object', HINT = 'order_payment.key_status() lists them.';
END
$$;
COMMENT ON FUNCTION order_payment.refuse_data_key(integer) IS
	'raises 42704: there is no such data key. Called by the functions for keys';
