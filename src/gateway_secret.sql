/* ---------- secrets of gateways ---------- */

/*
 * Called by create_store() as the owner of the store to be, after
 * create_payment_tables().
 *
 * Roles of the store see which secrets there are, but not the sealed values:
 * those are the owner's alone, who ends a secret by UPDATE of valid_until, and
 * takes it out by DELETE. Whoever he grants INSERT to may bring secrets as well.
 */
CREATE FUNCTION order_payment.create_secret_tables(store name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

CREATE TABLE %1$I.gateway_secrets (
	gateway text NOT NULL,
	kind text NOT NULL,
	secret_id uuid NOT NULL DEFAULT order_payment.uuid_v7(),
	secret order_payment.sealed NOT NULL,
	key_name text,
	valid_from timestamptz NOT NULL DEFAULT now(),
	valid_until timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT gateway_secrets_pkey PRIMARY KEY (gateway, kind, secret_id),
	CONSTRAINT gateway_secrets_gateway_fkey FOREIGN KEY (gateway) REFERENCES %1$I.gateways,
	CONSTRAINT gateway_secrets_kind_check CHECK (kind IN
		('api_key', 'webhook_secret', 'standard_webhook_secret', 'apiv3_key', 'private_key', 'public_key', 'amount_key')),
	CONSTRAINT gateway_secrets_valid_until_check CHECK (valid_until > valid_from)
);

COMMENT ON TABLE %1$I.gateway_secrets IS 'secrets shared with gateways, sealed; brought by set_gateway_secret(), never shown again. Kept by the owner, who ends them by valid_until and deletes them; dumped as any table, and of use only where the data keys are';
COMMENT ON COLUMN %1$I.gateway_secrets.kind IS 'api_key: sent along, or signs (WeChat Pay v2); webhook_secret: as it is (Stripe); standard_webhook_secret: whsec_ and base64; apiv3_key: WeChat Pay v3; private_key: ours, RSA; public_key: the gateway''s, RSA; amount_key: for encrypt_amount()';
COMMENT ON COLUMN %1$I.gateway_secrets.secret IS 'bound to gateway, kind and secret_id; reveal() refuses it';
COMMENT ON COLUMN %1$I.gateway_secrets.key_name IS 'what the gateway calls it by: serial number of a certificate, id of a public key';
COMMENT ON COLUMN %1$I.gateway_secrets.valid_from IS 'several may be valid at once: the latest signs and encrypts, each of them verifies and decrypts';
COMMENT ON COLUMN %1$I.gateway_secrets.valid_until IS 'from then on it is not used; null: for ever';

	$ddl$, store);
END
$$;
COMMENT ON FUNCTION order_payment.create_secret_tables(name) IS
	'makes gateway_secrets in a schema. Called by create_store()';

CREATE FUNCTION order_payment.set_gateway_secret(
		gateway text,
		kind text,
		blob text,
		valid_from timestamptz DEFAULT now(),
		valid_until timestamptz DEFAULT NULL,
		key_name text DEFAULT NULL,
		store name DEFAULT order_payment.current_store())
	RETURNS uuid
	AS 'MODULE_PATHNAME', 'op_set_gateway_secret' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.set_gateway_secret(text, text, text, timestamptz, timestamptz, text, name) IS
	'brings a secret of a gateway, sealed outside for the public key of the database and for this store, gateway and kind, and returns its id; for whoever may INSERT into gateway_secrets. OP010 if it does not open, 22023 if it is none of its kind';

CREATE FUNCTION order_payment.set_gateway_secret_from_file(
		gateway text,
		kind text,
		file text,
		valid_from timestamptz DEFAULT now(),
		valid_until timestamptz DEFAULT NULL,
		key_name text DEFAULT NULL,
		store name DEFAULT order_payment.current_store())
	RETURNS uuid
	AS 'MODULE_PATHNAME', 'op_set_gateway_secret_from_file' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.set_gateway_secret_from_file(text, text, text, timestamptz, timestamptz, text, name) IS
	'brings a secret of a gateway from a file of that name in order_payment.secret_directory, and returns its id; for whoever may INSERT into gateway_secrets and was granted EXECUTE. The file may be deleted afterwards';

CREATE FUNCTION order_payment.gateway_secret_opens(gateway text, kind text, secret_id uuid, secret order_payment.sealed) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_gateway_secret_opens' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.gateway_secret_opens(text, text, uuid, order_payment.sealed) IS
	'does a sealed secret open in its row? Tells nothing else of it. For verify_store()';

CREATE FUNCTION order_payment.verify_secrets(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT has_column_privilege(format('%I.gateway_secrets', store), 'secret', 'SELECT') THEN
		RETURN;  -- the owner's to see
	END IF;
	RETURN QUERY EXECUTE format($query$

SELECT 'sealed value unsound', 'gateway_secrets', s.gateway || ' ' || s.kind || ' ' || s.secret_id, 'secret', 'it does not open',
	   'a value that opens in its row'
FROM %1$I.gateway_secrets s
WHERE NOT order_payment.gateway_secret_opens(s.gateway, s.kind, s.secret_id, s.secret)

	$query$, store);
EXCEPTION WHEN SQLSTATE 'OP013' THEN
	RETURN QUERY SELECT 'sealed values cannot be opened', 'gateway_secrets', NULL, NULL, sqlerrm, 'order_payment.key_status() shows which keys are missing';
END
$$;
COMMENT ON FUNCTION order_payment.verify_secrets(name) IS
	'sealed secrets of gateways that do not open in their row, or whose key is missing, for whoever may read them; part of verify_store()';
