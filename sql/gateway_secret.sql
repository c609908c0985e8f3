-- gateway_secret: the table of secrets, who may bring and use them, and what is refused before anything is opened
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
DROP SCHEMA IF EXISTS secret_shop CASCADE;
CREATE ROLE regress_secret_owner;
CREATE ROLE regress_secret_app;
CREATE ROLE regress_secret_gateway;
CREATE ROLE regress_secret_keeper;
SELECT order_payment.create_store('secret_shop', 'EUR', owner => 'regress_secret_owner', app_role => 'regress_secret_app', gateway_role => 'regress_secret_gateway');
RESET client_min_messages;
\set VERBOSITY terse
SET search_path = secret_shop, order_payment;
SET ROLE regress_secret_owner;
INSERT INTO gateways (gateway) VALUES ('stripe');

-- ---------- the table ----------

SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull AS not_null, pg_get_expr(d.adbin, d.adrelid) AS "default"
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = 'gateway_secrets'::regclass AND a.attnum > 0 ORDER BY a.attnum;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'gateway_secrets'::regclass AND contype <> 'n' ORDER BY conname;
-- nobody but the owner has any right on it, but to see which secrets there are
SELECT relacl FROM pg_class WHERE oid = 'gateway_secrets'::regclass;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'gateway_secrets'::regclass AND attnum > 0 ORDER BY attnum;
-- the kinds that the table takes are those that the functions know: of any other they say so
DO $$
DECLARE
	kind text;
BEGIN
	FOR kind IN SELECT m[1] FROM pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''([a-z0-9_]+)''', 'g') m
				WHERE c.conrelid = 'gateway_secrets'::regclass AND c.conname = 'gateway_secrets_kind_check' LOOP
		BEGIN
			PERFORM order_payment.set_gateway_secret('stripe', kind, 'opsec1.');
		EXCEPTION WHEN SQLSTATE 'OP010' THEN
			RAISE NOTICE 'known: %', kind;
		END;
	END LOOP;
END
$$;
\set VERBOSITY default
SELECT set_gateway_secret('stripe', 'api key', 'opsec1.');
\set VERBOSITY terse

-- ---------- what is no blob: one error, and nothing of it is shown ----------

CREATE TEMP TABLE attempt (n serial, blob text, comment text);
INSERT INTO attempt (blob, comment) VALUES
('', 'empty'), ('sk_live_51Habcdefghijklmnop', 'a secret in clear'), ('opsec1', ''), ('opsec1.', ''), ('opsec1.1', 'no part'),
('opsec1.1.', 'an empty part'), ('opsec1..AAAA', 'no id'), ('opsec1.0.AAAA', 'no such id'), ('opsec1.01.AAAA', 'zeros in front'),
('opsec1.-1.AAAA', ''), ('opsec1.+1.AAAA', ''), ('opsec1.2147483648.AAAA', 'too large'), ('opsec1.99999999999.AAAA', 'too long'),
('opsec1.2147483647.AAAA', 'no such key'), ('OPSEC1.1.AAAA', ''), (' opsec1.1.AAAA', ''), ('opsec2.1.AAAA', 'a later version'),
('ops1.1.AAAA', 'a card'), ('opsec1.1.' || repeat('A', 1000000), 'long'), ('opsec1.1' || repeat('.AAAA', 100000), 'many parts'), ('op1:AAAA', 'a sealed value');
DO $$
DECLARE
	attempted record;
	sqlstate_ text;
	message text;
	detail text;
	hint text;
BEGIN
	FOR attempted IN SELECT * FROM attempt ORDER BY n LOOP
		BEGIN
			PERFORM order_payment.set_gateway_secret('stripe', 'api_key', attempted.blob);
			RAISE WARNING 'taken: %', attempted.n;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS sqlstate_ = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			IF (sqlstate_, message, detail) IS DISTINCT FROM ('OP010', 'a sealed secret of a gateway cannot be opened', '')
				OR hint = '' OR (attempted.blob <> '' AND position(attempted.blob IN message || detail || hint) > 0) THEN
				RAISE WARNING '%: % % % %', attempted.n, sqlstate_, message, detail, hint;
			END IF;
		END;
	END LOOP;
END
$$;
SELECT count(*) AS attempts, (SELECT count(*) FROM gateway_secrets) AS secrets FROM attempt;

-- ---------- arguments ----------

SELECT set_gateway_secret(NULL, 'api_key', 'x');
SELECT set_gateway_secret('stripe', NULL, 'x');
SELECT set_gateway_secret('stripe', 'api_key', NULL);
SELECT set_gateway_secret('stripe', 'api_key', 'x', valid_from => NULL);
SELECT set_gateway_secret('stripe', 'api_key', 'x', store => NULL);
SELECT set_gateway_secret('stripe', 'api_key', 'x', store => 'nowhere');
SELECT set_gateway_secret('stripe', 'api_key', 'x', store => 'pg_catalog');
-- from a file: for a superuser, and for whom EXECUTE was granted to
SELECT set_gateway_secret_from_file('stripe', 'api_key', 'file');
-- ---------- who may ----------

SET ROLE regress_secret_app;
SELECT set_gateway_secret('stripe', 'api_key', 'opsec1.');
SELECT secret FROM gateway_secrets;
SELECT count(*), max(valid_until), (SELECT count(*) FROM verify_store()) AS deviations FROM gateway_secrets;
SELECT encrypt_amount('stripe', 1, 'EUR', 'n');
SET ROLE regress_secret_gateway;
SELECT set_gateway_secret('stripe', 'api_key', 'opsec1.');
SELECT * FROM gateway_secrets;
SELECT encrypt_amount('stripe', 1, 'EUR', 'n');
SELECT decrypt_amount('stripe', 'v1.' || repeat('A', 80), 'n');
SET ROLE regress_secret_keeper;
SELECT set_gateway_secret('stripe', 'api_key', 'opsec1.', store => 'secret_shop');
SET ROLE regress_secret_owner;
GRANT USAGE ON SCHEMA secret_shop TO regress_secret_keeper;
GRANT INSERT ON gateway_secrets TO regress_secret_keeper;
SET ROLE regress_secret_keeper;
SELECT set_gateway_secret('stripe', 'api_key', 'opsec1.', store => 'secret_shop');
SELECT * FROM secret_shop.gateway_secrets;
SELECT encrypt_amount('stripe', 1, 'EUR', 'n', 'secret_shop');

-- ---------- amounts: arguments ----------

SET ROLE regress_secret_gateway;
SELECT encrypt_amount('stripe', 1.001, 'EUR', 'n');
SELECT encrypt_amount('stripe', 1.5, 'JPY', 'n');
SELECT encrypt_amount('stripe', -1, 'EUR', 'n');
SELECT encrypt_amount('stripe', 'NaN', 'EUR', 'n');
SELECT encrypt_amount('stripe', 'Infinity', 'EUR', 'n');
SELECT encrypt_amount('stripe', 1, 'XAU', 'n');
SELECT encrypt_amount('stripe', 1, 'eur', 'n');
SELECT encrypt_amount('stripe', 10::numeric ^ 2000, 'EUR', 'n');
SELECT encrypt_amount('stripe', 1, 'EUR', '');
SELECT encrypt_amount('stripe', NULL, 'EUR', 'n') IS NULL AS is_null;
SELECT encrypt_amount('stripe', 1, 'EUR', 'n', 'pg_catalog');
-- and tokens that are none
SELECT decrypt_amount('stripe', '', 'n');
SELECT decrypt_amount('stripe', 'v1.', 'n');
SELECT decrypt_amount('stripe', 'v1.' || repeat('A', 20), 'n');
SELECT decrypt_amount('stripe', 'v2.' || repeat('A', 80), 'n');
SELECT decrypt_amount('stripe', 'v1.' || repeat('A', 79) || '+', 'n');
SELECT decrypt_amount('stripe', 'v1.' || repeat('A', 1000000), 'n');

-- ---------- deviations ----------

RESET ROLE;
SET ROLE regress_secret_owner;
INSERT INTO gateway_secrets (gateway, kind, secret) VALUES ('stripe', 'api_key', 'clear text');
-- what is stored is an envelope, which opens for nobody
INSERT INTO gateway_secrets (gateway, kind, secret_id, secret)
SELECT 'stripe', 'amount_key', '00000000-0000-7000-8000-000000000001', order_payment.sealed_in(('op1:' || translate(rtrim(encode(
	'\x0101050000000001'::bytea || decode(repeat('00', 24), 'hex') || decode(repeat('00', 128 + 16), 'hex'), 'base64'), '='), E'+/\n', '-_'))::cstring);
UPDATE gateway_secrets SET valid_until = valid_from;
UPDATE gateway_secrets SET kind = 'pin';
UPDATE gateway_secrets SET gateway = 'nowhere';
SELECT encrypt_amount('stripe', 1, 'EUR', 'n');
SELECT reveal(secret, binding('gateway_secret', gateway, kind, secret_id)) FROM gateway_secrets;
RESET ROLE;
ALTER TABLE gateway_secrets DROP CONSTRAINT gateway_secrets_kind_check, DROP CONSTRAINT gateway_secrets_valid_until_check,
	DROP CONSTRAINT gateway_secrets_gateway_fkey;
UPDATE gateway_secrets SET kind = 'pin', gateway = 'nowhere', valid_until = valid_from;
SELECT problem, table_name, column_name, split_part(key, ' ', 1) AS key, CASE WHEN column_name <> 'valid_until' THEN stored END AS stored FROM verify_store('secret_shop') ORDER BY 1, 2, 3;
DELETE FROM gateway_secrets;
SELECT upgrade_store('secret_shop');
SELECT * FROM verify_store('secret_shop');

DROP TABLE attempt;
SET client_min_messages = warning;
DROP SCHEMA secret_shop CASCADE;
DROP OWNED BY regress_secret_owner;
DROP ROLE regress_secret_owner, regress_secret_app, regress_secret_gateway, regress_secret_keeper;
