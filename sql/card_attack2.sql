-- cards and keys attacked by roles that have rights, but not that one. Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SET order_payment.allow_unguarded = on;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
CREATE ROLE regress_rob_owner;
CREATE ROLE regress_rob_app;
CREATE ROLE regress_rob_gateway;
CREATE ROLE regress_rob_stranger;
CREATE ROLE regress_rob_keeper;
SELECT order_payment.create_store('robbed', 'EUR', app_role => 'regress_rob_app', gateway_role => 'regress_rob_gateway', owner => 'regress_rob_owner');
CREATE SCHEMA rob AUTHORIZATION regress_rob_stranger;
GRANT USAGE ON SCHEMA rob TO PUBLIC;
DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO regress_rob_app', current_database()); END $$;
RESET client_min_messages;
SET search_path = robbed, order_payment;
INSERT INTO gateways (gateway, password_methods) VALUES ('acme', '{}'), ('wallet', '{*}');
INSERT INTO orders (order_id, customer_id, price) SELECT n, n, 20 FROM generate_series(1, 9) n;
SET ROLE regress_rob_app;
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number, card_holder) VALUES
	(1, '11111111-0000-7000-8000-000000000000', 'acme', 20, '4111111111111111', 'Ann Lee');
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number, request_key) VALUES
	(3, '33333333-0000-7000-8000-000000000000', 'acme', 20, '5555555555554444', 'mine');
CREATE FUNCTION pg_temp.show(value text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'made %', left(value, 4); RETURN value; END $$;

-- ---------- a card of another order ----------

-- an upsert rebinds what it has sealed itself, not what was brought
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number, card_number_sealed, request_key)
SELECT 3, payment_id, 'acme', 20, card_number, card_number_sealed, 'mine' FROM payments WHERE order_id = 1
ON CONFLICT (order_id, request_key) DO UPDATE SET card_number = EXCLUDED.card_number;
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number, request_key)
VALUES (3, '44444444-0000-7000-8000-000000000000', 'acme', 20, '4242424242424242', 'mine')
ON CONFLICT (order_id, request_key) DO UPDATE SET card_number = EXCLUDED.card_number RETURNING payment_id, card_number;
-- a retry takes the card over from its own order; the foreign key would say so too late
INSERT INTO payments (order_id, gateway, amount, card_number, card_number_sealed, retry_of)
SELECT 4, 'acme', 20, card_number, card_number_sealed, payment_id FROM payments WHERE order_id = 1 RETURNING pg_temp.show(card_number_sealed::text);
-- and the card that the payment has
INSERT INTO payments (order_id, gateway, amount, split, card_number, card_number_sealed, retry_of)
SELECT 3, 'acme', 1, true, card_number, card_number_sealed, '33333333-0000-7000-8000-000000000000' FROM payments WHERE order_id = 1;
-- the trigger looks for that with the rights of the owner: who may insert alone can retry
RESET ROLE;
CREATE TABLE attempts (id integer PRIMARY KEY, of integer, number text, number_sealed sealed);
CREATE TRIGGER protect BEFORE INSERT OR UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION protect_card('attempts', 'number=number', 'key=id', 'from=of');
INSERT INTO attempts VALUES (1, NULL, '4111111111111111');
GRANT INSERT ON attempts TO regress_rob_app;
SELECT number, number_sealed FROM attempts \gset first_
SET ROLE regress_rob_app;
INSERT INTO attempts VALUES (2, 1, :'first_number', :'first_number_sealed');
RESET ROLE;
SELECT id, reveal(number_sealed, binding('attempts', id)) FROM attempts ORDER BY id;
DROP TABLE attempts;
-- a row that moves to another partition takes along what it had, and only there, and only then
CREATE TABLE parts (part integer, id integer, number text, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
SELECT protect_card_columns('parts', 'number', key => '{id}');
INSERT INTO parts VALUES (1, 1, '4111111111111111'), (1, 2, '4000000000061111');
GRANT SELECT, INSERT, UPDATE ON parts TO regress_rob_app;
SET ROLE regress_rob_app;
\set VERBOSITY terse
BEGIN;
UPDATE parts SET part = part WHERE id = 1;
SAVEPOINT s;
INSERT INTO parts SELECT 2, 3, number, number_sealed FROM parts WHERE id = 1;
ROLLBACK TO s;
INSERT INTO parts SELECT 2, 1, number, number_sealed FROM parts WHERE id = 2;
ROLLBACK TO s;
INSERT INTO parts SELECT 2, 1, '************0000', number_sealed FROM parts WHERE id = 1;
ROLLBACK TO s;
UPDATE parts SET part = 2 WHERE id = 1;
COMMIT;
INSERT INTO parts SELECT 1, id, number, number_sealed FROM parts WHERE id = 1;
\set VERBOSITY default
RESET ROLE;
SELECT part, id, reveal(number_sealed, binding('robbed.parts', id)) FROM parts ORDER BY id;
DROP TABLE parts;
SET ROLE regress_rob_app;
-- a table of one's own would seal for its rows whatever is brought, and tell fingerprints
CREATE TEMPORARY TABLE own (id uuid PRIMARY KEY, source uuid, number text, number_sealed sealed, fingerprint bytea);
CREATE TRIGGER protect BEFORE INSERT OR UPDATE ON own FOR EACH ROW
	EXECUTE FUNCTION protect_card('payments', 'number=number', 'key=id', 'from=source', 'fingerprint=fingerprint');
SELECT protect_card_columns('own', 'number', fingerprint => 'fingerprint', label => 'payments');
SELECT create_store('own_store');
RESET ROLE;
SELECT p.order_id, r.number FROM payments p, reveal_card(p.payment_id) r ORDER BY 1;

-- a role that may write cards could try numbers until the fingerprint is that of a card that it has read; it does without
REVOKE SELECT ON payments FROM regress_rob_app;
SELECT format('GRANT SELECT (%s) ON payments TO regress_rob_app', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
FROM pg_attribute a WHERE a.attrelid = 'payments'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'card_fingerprint' \gexec
SET ROLE regress_rob_gateway;
UPDATE payments SET status = 'failed', failure_class = 'soft_decline', retry_at = now() WHERE order_id = 3;
SET ROLE regress_rob_app;
UPDATE payments SET card_number = '4111111111111111' WHERE order_id = 1 RETURNING card_fingerprint;
SELECT attempt_no, failure_class FROM due_retries();
SELECT (retry_payment('33333333-0000-7000-8000-000000000000')).attempt_no;
SELECT (create_payment(5, 'acme', card_number => '4242424242424242')).status;
RESET ROLE;

-- ---------- another's payment password ----------

SET ROLE regress_rob_app;
SELECT set_payment_password(7, 'mine mine');
SELECT set_payment_password(8, 'theirs');
UPDATE orders SET customer_id = 7 WHERE order_id = 8;
BEGIN;
SELECT admit_payment('8', 'wallet', NULL, 'mine mine', 'robbed');
UPDATE orders SET customer_id = 8 WHERE order_id = 8;
INSERT INTO payments (order_id, gateway, amount) VALUES (8, 'wallet', 20);
ROLLBACK;
SELECT (create_payment(8, 'wallet', payment_password => 'mine mine')).status;
UPDATE orders SET customer_id = 8 WHERE order_id = 8;
UPDATE orders SET customer_id = NULL WHERE order_id = 8;
SET ROLE regress_rob_owner;
UPDATE orders SET customer_id = 8 WHERE order_id = 8 RETURNING customer_id;
RESET ROLE;

-- ---------- code of others, run by a superuser or by who keeps the keys ----------

SELECT key_id AS key FROM data_keys WHERE purpose = 'data' AND state = 'active' \gset
SET ROLE regress_rob_stranger;
CREATE TABLE rob.log (ran text);
GRANT INSERT ON rob.log TO PUBLIC;
CREATE FUNCTION rob.ran(what text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rob.log VALUES (what || ' as ' || current_user); RETURN true; END $$;
CREATE TYPE rob.name AS ENUM ('x');
CREATE FUNCTION rob.json_of(rob.name) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM rob.ran('cast to json'); RETURN '1'; END $$;
CREATE CAST (rob.name AS json) WITH FUNCTION rob.json_of(rob.name);
CREATE TYPE rob.pair AS (value order_payment.sealed);
CREATE FUNCTION rob.text_of(rob.pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM rob.ran('cast to text'); RETURN ''; END $$;
CREATE CAST (rob.pair AS text) WITH FUNCTION rob.text_of(rob.pair);
CREATE FUNCTION rob.constant(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE TABLE rob.named (id rob.name PRIMARY KEY, value order_payment.sealed);
CREATE TABLE rob.paired (id integer PRIMARY KEY, value rob.pair);
CREATE TABLE rob.hidden (id integer PRIMARY KEY, value order_payment.sealed);
CREATE INDEX ON rob.paired ((id + rob.constant(1)));
CREATE OR REPLACE FUNCTION rob.constant(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM rob.ran('planning'); RETURN 1; END $$;
GRANT SELECT ON rob.named, rob.paired, rob.hidden TO PUBLIC;
RESET ROLE;
INSERT INTO rob.named SELECT 'x', card_number_sealed FROM payments WHERE order_id = 1;
INSERT INTO rob.paired SELECT 1, ROW (card_number_sealed)::rob.pair FROM payments WHERE order_id = 1;
INSERT INTO rob.hidden SELECT 1, card_number_sealed FROM payments WHERE order_id = 1;
SET ROLE regress_rob_stranger;
TRUNCATE rob.log;
ALTER TABLE rob.hidden ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON rob.hidden USING (rob.ran('policy'));
RESET ROLE;
SELECT relation, column_name, row_key FROM rows_sealed_by(:key) WHERE relation::text LIKE 'rob.%' ORDER BY relation::text;
SELECT count(*) > 0 AS some FROM key_status();
SELECT relation, stored_values FROM crypto_inventory() WHERE relation::text LIKE 'rob.%' ORDER BY relation::text;
GRANT EXECUTE ON FUNCTION rows_sealed_by(integer) TO regress_rob_keeper;
GRANT pg_read_all_data TO regress_rob_keeper;
SET ROLE regress_rob_keeper;
\set VERBOSITY terse
SELECT count(*) FROM rows_sealed_by(:key);
RESET ROLE;
REVOKE pg_read_all_data FROM regress_rob_keeper;
GRANT USAGE ON SCHEMA robbed TO regress_rob_keeper;
SET ROLE regress_rob_keeper;
SELECT row_key FROM rows_made_by('{rob.paired}', '{value}', :key);
SELECT row_key FROM rows_made_by('{robbed.payments}', '{card_number_sealed}', :key);
\set VERBOSITY default
RESET ROLE;
SELECT * FROM rob.log;

SET client_min_messages = warning;
DROP SCHEMA robbed, rob CASCADE;
DROP OWNED BY regress_rob_owner, regress_rob_app, regress_rob_stranger, regress_rob_keeper;
DROP ROLE regress_rob_owner, regress_rob_app, regress_rob_gateway, regress_rob_stranger, regress_rob_keeper;
