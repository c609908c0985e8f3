/* ---------- keys that cards are sealed for outside ---------- */

/*
 * kid			id of a pair of keys: random, and part of what is sealed for it
 *
 * A browser, or a server of the shop, seals a card for the public half before it
 * sends it, so that whatever lies between, and the log of this server, sees
 * ciphertext. Members of the extension and yet dumped, as data_keys are.
 */
CREATE TABLE order_payment.card_keys (
	kid integer NOT NULL,
	state text NOT NULL,
	public_key bytea NOT NULL,
	private_key order_payment.sealed,
	retire_after timestamptz,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT card_keys_pkey PRIMARY KEY (kid),
	CONSTRAINT card_keys_kid_check CHECK (kid OPERATOR(pg_catalog.>) 0),
	CONSTRAINT card_keys_state_check CHECK (state OPERATOR(pg_catalog.=) ANY ('{active,decrypt_only,destroyed}'::text[])),
	CONSTRAINT card_keys_destroyed_check CHECK ((state OPERATOR(pg_catalog.=) 'destroyed') OPERATOR(pg_catalog.=) (private_key IS NULL)),
	CONSTRAINT card_keys_retire_after_check CHECK (state OPERATOR(pg_catalog.=) 'active' OR retire_after IS NOT NULL)
);
CREATE UNIQUE INDEX card_keys_active_idx ON order_payment.card_keys (state) WHERE state OPERATOR(pg_catalog.=) 'active';

COMMENT ON TABLE order_payment.card_keys IS
	'RSA keys that cards are sealed for outside of the database. Written by the functions for keys only; dumped with the database';
COMMENT ON COLUMN order_payment.card_keys.kid IS 'random; stands in every card that is sealed for the key';
COMMENT ON COLUMN order_payment.card_keys.state IS
	'active: what card_public_key() returns, one at a time; decrypt_only: opens until retire_after; destroyed: gone';
COMMENT ON COLUMN order_payment.card_keys.public_key IS 'SubjectPublicKeyInfo, DER';
COMMENT ON COLUMN order_payment.card_keys.private_key IS 'PKCS #8, DER, sealed under the data key';
COMMENT ON COLUMN order_payment.card_keys.retire_after IS 'when a key that was replaced opens no more';

SELECT pg_catalog.pg_extension_config_dump('order_payment.card_keys', '');

-- as those of data_keys: also for rows that come by replication
CREATE TRIGGER announce_keys AFTER INSERT OR UPDATE OR DELETE ON order_payment.card_keys
	FOR EACH ROW EXECUTE FUNCTION order_payment.announce_keys();
CREATE TRIGGER announce_keys_truncate AFTER TRUNCATE ON order_payment.card_keys
	FOR EACH STATEMENT EXECUTE FUNCTION order_payment.announce_keys();
ALTER TABLE order_payment.card_keys ENABLE ALWAYS TRIGGER announce_keys;
ALTER TABLE order_payment.card_keys ENABLE ALWAYS TRIGGER announce_keys_truncate;

-- a dump brings keys in any state
SELECT order_payment.guard_column('order_payment.card_keys', 'state',
	'active decrypt_only destroyed; active: decrypt_only destroyed; decrypt_only: destroyed');

/* ---------- what the functions below are made of ---------- */

CREATE FUNCTION order_payment.new_card_key(kid integer, OUT public_key bytea, OUT private_key order_payment.sealed)
	AS 'MODULE_PATHNAME', 'op_new_card_key' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.new_card_key(integer) IS
	'a new RSA key of 3072 bits for an id, its private half sealed under the active data key. Called by create_card_key()';

/* ---------- for those who keep the keys ---------- */

/*
 * These run as the owner of the extension, who alone may write card_keys, for
 * whom EXECUTE was granted to.
 */
CREATE FUNCTION order_payment.retire_card_keys() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	destroyed bigint;
BEGIN
	UPDATE order_payment.card_keys k SET state = 'destroyed', private_key = NULL
	WHERE k.state = 'decrypt_only' AND k.retire_after < clock_timestamp();
	GET DIAGNOSTICS destroyed = ROW_COUNT;
	RETURN destroyed;
END
$$;
COMMENT ON FUNCTION order_payment.retire_card_keys() IS
	'destroys the private halves of card keys whose time is over, which open nothing any more as it is, and returns their number. Called by create_card_key()';

CREATE FUNCTION order_payment.create_card_key(grace interval DEFAULT '24 hours') RETURNS integer
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made integer;
BEGIN
	IF grace < '0' THEN
		RAISE EXCEPTION 'the time for which the former card key opens may not be negative'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'With 0 it opens nothing from now on.';
	END IF;
	-- one at a time, so that of two who come at once the second retires the first one's key
	LOCK TABLE order_payment.card_keys IN SHARE ROW EXCLUSIVE MODE;
	PERFORM order_payment.retire_card_keys();
	LOOP
		made := order_payment.random_key_id();
		EXIT WHEN NOT EXISTS (SELECT FROM order_payment.card_keys k WHERE k.kid = made);
	END LOOP;
	UPDATE order_payment.card_keys k SET state = 'decrypt_only', retire_after = clock_timestamp() + grace
	WHERE k.state = 'active';
	INSERT INTO order_payment.card_keys (kid, state, public_key, private_key)
	SELECT made, 'active', n.public_key, n.private_key FROM order_payment.new_card_key(made) n;
	RETURN made;
END
$$;
COMMENT ON FUNCTION order_payment.create_card_key(interval) IS
	'makes an RSA key that cards are sealed for outside, and returns its id (kid). card_public_key() returns it from now on; the one before opens what was sealed for it as long as the grace lasts, and is destroyed by the next call after that, or by retire_card_keys()';

CREATE FUNCTION order_payment.reseal_card_keys() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	resealed bigint;
BEGIN
	LOCK TABLE order_payment.card_keys IN SHARE ROW EXCLUSIVE MODE;
	UPDATE order_payment.card_keys k
	SET private_key = order_payment.reseal_value(k.private_key, order_payment.binding('order_payment.card_keys', k.kid))
	WHERE order_payment.key_id(k.private_key) NOT IN (
		SELECT d.key_id FROM order_payment.data_keys d WHERE d.purpose = 'data' AND d.state = 'active');
	GET DIAGNOSTICS resealed = ROW_COUNT;
	RETURN resealed;
END
$$;
COMMENT ON FUNCTION order_payment.reseal_card_keys() IS
	'seals the private halves of card keys anew under the active data key, and returns how many another one had sealed: before that one is destroyed. After a leak of it make a new card key with grace => ''0'' instead';

/* ---------- for everybody ---------- */

CREATE FUNCTION order_payment.card_public_key(format text DEFAULT 'pem', kid integer DEFAULT NULL) RETURNS text
	AS 'MODULE_PATHNAME', 'op_card_public_key' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.card_public_key(text, integer) IS
	'the public key that cards are to be sealed for, as pem (SubjectPublicKeyInfo) or jwk (JSON, which names its id as well); kid: of that key instead. OP013 if there is none';
