-- payment passwords: set and checked, locked by time, asked for by create_payment(). Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
CREATE ROLE regress_op_helper;
CREATE ROLE regress_op_stranger;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
SELECT order_payment.create_store('password_test', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway', owner => 'regress_op_owner');
GRANT USAGE ON SCHEMA password_test TO regress_op_helper, regress_op_stranger;
GRANT UPDATE (verifier) ON password_test.payment_passwords TO regress_op_helper;
SET search_path = order_payment, password_test;

-- not where statements reach a log
SELECT verify_payment_password(7, '246810');
SELECT set_payment_password(7, '246810');
SET order_payment.allow_unguarded = on;

-- ---------- set and check ----------

SET ROLE regress_op_app;
SELECT verify_payment_password(7, '246810') AS nobody_has_one;
SELECT set_payment_password(7, '246810');
SELECT verify_payment_password(7, '246810') AS right, verify_payment_password('7', '246811') AS wrong, verify_payment_password(8, '246810') AS another_customer;
-- as PostgreSQL prepares its own passwords: full-width digits, a letter in two parts, a soft hyphen
SELECT verify_payment_password(7, '２４６８１０') AS full_width;
SELECT set_payment_password(9, E'Jos\u00e9 16');
SELECT verify_payment_password(9, E'Jose\u0301 16') AS composed, verify_payment_password(9, E'Jo\u00ads\u00e9 16') AS hyphen, verify_payment_password(9, 'Jose 16') AS other;
SELECT verify_payment_password(7, '246810') AS clears;
-- spelt otherwise it is the same customer
SELECT verify_payment_password(' 007', '1111') AS wrong, verify_payment_password(' +7 ', '246810') AS right;
-- what is no password, no customer
SELECT set_payment_password(7, '123');
SELECT set_payment_password(7, repeat('1', 257));
SELECT set_payment_password(10, repeat('é', 256));
SELECT verify_payment_password(10, repeat('é', 256)), verify_payment_password(10, repeat('x', 100000)), verify_payment_password(10, '');
SELECT verify_payment_password('seven', '246810');
-- null is no answer: it would pass for true where false is asked for
SELECT verify_payment_password(7, NULL);
SELECT verify_payment_password(NULL::bigint, '246810');
SELECT verify_payment_password(7, '246810', NULL);
SELECT set_payment_password(7, NULL);
SELECT verify_payment_password(7, '246810', 'nowhere');
SELECT verify_payment_password(7, '246810', 'pg_catalog');

-- ---------- who may ----------

SELECT customer_id, set_at > now() - interval '1 hour' AS now FROM payment_passwords ORDER BY 1;
\set VERBOSITY terse
SELECT verifier FROM payment_passwords;
SELECT * FROM payment_password_attempts;
INSERT INTO payment_passwords (customer_id) VALUES (11);
UPDATE payment_passwords SET set_at = now();
DELETE FROM payment_passwords;
BEGIN; LOCK TABLE payment_password_attempts IN ACCESS SHARE MODE; ROLLBACK;
SELECT charge_password_attempt('payment_password_attempts'::regclass, '7', 'payment_passwords'::regclass);
SELECT clear_password_attempts('payment_password_attempts'::regclass, '7', 0, NULL, NULL, NULL);
SELECT rebind_payment_passwords('password_test');
\set VERBOSITY default
SET ROLE regress_op_stranger;
SELECT verify_payment_password(7, '246810', 'password_test');
SELECT set_payment_password(12, '246810', 'password_test');
RESET ROLE;

-- ---------- changing it ----------

SET ROLE regress_op_app;
SELECT set_payment_password(7, '135790');
SELECT set_payment_password(7, '135790', old_password => '000000');
SELECT set_payment_password(7, '135790', old_password => '246810');
SELECT verify_payment_password(7, '246810') AS old, verify_payment_password(7, '135790') AS new;
SELECT set_payment_password(12, '135790', old_password => '246810');
-- with the transaction
BEGIN;
SELECT set_payment_password(12, '222222');
SELECT verify_payment_password(12, '222222');
SELECT set_payment_password(12, '333333', old_password => '222222');
SELECT verify_payment_password(12, '333333');
ROLLBACK;
SELECT verify_payment_password(12, '333333');
BEGIN READ ONLY;
SELECT verify_payment_password(7, '135790');
SELECT set_payment_password(7, '246810', old_password => '135790');
ROLLBACK;
-- who helps customers needs no old one
SET ROLE regress_op_helper;
SELECT set_payment_password(7, '246810', 'password_test');
SELECT verify_payment_password(7, '246810', 'password_test');
RESET ROLE;

-- ---------- locked ----------

\set VERBOSITY terse
SET ROLE regress_op_app;
SELECT verify_payment_password(7, '000001');
BEGIN; SELECT verify_payment_password(7, '000002'); ROLLBACK;
BEGIN; SAVEPOINT s; SELECT verify_payment_password(7, '000003'); ROLLBACK TO s; COMMIT;
DO $$ BEGIN PERFORM order_payment.verify_payment_password(7, '000004', 'password_test'); RAISE 'no'; END $$;
SELECT set_payment_password(7, '000000', old_password => '000005');
-- the right one as well, and without a check: no slot is needed
SELECT verify_payment_password(7, '246810');
SELECT set_payment_password(7, '135790', old_password => '246810');
-- not another customer
SELECT verify_payment_password(10, repeat('é', 256));
-- one who has no password is locked in the same way
DO $$ BEGIN FOR i IN 1..5 LOOP PERFORM order_payment.verify_payment_password(99, i::text, 'password_test'); END LOOP; END $$;
SELECT verify_payment_password(99, '1');
RESET ROLE;
SELECT customer_id, used, locked_until BETWEEN now() + interval '14 minutes' AND now() + interval '16 minutes' AS locked FROM payment_password_attempts ORDER BY 1;
-- whoever sets another one ends the lock: not by one that is taken back, which would let him try as often as he likes
SET ROLE regress_op_helper;
BEGIN;
SELECT set_payment_password(7, '000000', 'password_test');
ROLLBACK;
SELECT verify_payment_password(7, '000006', 'password_test');
BEGIN;
SAVEPOINT s;
SELECT set_payment_password(7, '000000', 'password_test');
ROLLBACK TO s;
COMMIT;
SELECT verify_payment_password(7, '000006', 'password_test');
SELECT set_payment_password(7, '246810', 'password_test');
SET ROLE regress_op_app;
SELECT verify_payment_password(7, '246810');
RESET ROLE;
\set VERBOSITY default

-- how long: 15 minutes after 5 attempts, twice as long after each further 5, up to 30 days
CREATE FUNCTION locks(rounds integer) RETURNS TABLE (used integer, locked interval, left_over integer) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. rounds LOOP
    FOR j IN 1 .. 4 LOOP
      ASSERT order_payment.charge_password_attempt('password_test.payment_password_attempts'::regclass, '50', 'password_test.payment_passwords'::regclass) IS NULL;
      ASSERT NOT EXISTS (SELECT FROM password_test.payment_password_attempts a WHERE a.customer_id = 50 AND a.locked_until > clock_timestamp());
    END LOOP;
    ASSERT order_payment.charge_password_attempt('password_test.payment_password_attempts'::regclass, '50', 'password_test.payment_passwords'::regclass) IS NULL;
    RETURN QUERY
      SELECT a.used, justify_hours(date_trunc('second', a.locked_until - a.last_at + interval '0.5 second')),
             order_payment.charge_password_attempt('password_test.payment_password_attempts'::regclass, '50', 'password_test.payment_passwords'::regclass)
      FROM password_test.payment_password_attempts a WHERE a.customer_id = 50;
    UPDATE password_test.payment_password_attempts a SET locked_until = clock_timestamp() WHERE a.customer_id = 50;
  END LOOP;
END $$;
SELECT used, locked, round(left_over / 60.0) AS minutes_left FROM locks(14);
SELECT clear_password_attempts('payment_password_attempts'::regclass, '50', 0, NULL, NULL, NULL);
SELECT used, locked FROM locks(1);
DELETE FROM payment_password_attempts WHERE customer_id = 50;

-- ---------- what is stored ----------

SELECT DISTINCT length(verifier::text) AS size, count(DISTINCT verifier::text) = count(*) AS distinct FROM payment_passwords GROUP BY 1;
SELECT reveal(verifier, 'x') FROM payment_passwords WHERE customer_id = 7;
-- moved to another customer, another store, or of a store that was renamed
SELECT customer_id, verifier INTO TEMP kept FROM payment_passwords;
UPDATE payment_passwords p SET verifier = k.verifier FROM kept k WHERE p.customer_id = 9 AND k.customer_id = 7;
SELECT verify_payment_password(9, '246810');
UPDATE payment_passwords p SET verifier = k.verifier FROM kept k WHERE p.customer_id = k.customer_id;
SELECT order_payment.create_store('password_copy', owner => 'regress_op_owner');
INSERT INTO password_copy.payment_passwords SELECT * FROM payment_passwords;
SELECT verify_payment_password(7, '246810', 'password_copy');
-- nothing was charged for what could not be checked
SELECT count(*) FROM password_copy.payment_password_attempts;
SELECT rebind_payment_passwords('password_test', 'password_copy');
SELECT verify_payment_password(7, '246810', 'password_copy');
SELECT rebind_payment_passwords('password_test', 'password_copy');
SELECT rebind_payment_passwords('password_test', NULL);
-- not a verifier at all
UPDATE password_copy.payment_passwords SET verifier = seal('x', 'text', 'y') WHERE customer_id = 7;
SELECT verify_payment_password(7, '246810', 'password_copy');
DROP SCHEMA password_copy CASCADE;

-- a new data key, a new pepper: the verifier follows when the password is given
SELECT key_id(verifier) AS before FROM payment_passwords WHERE customer_id = 7 \gset
SELECT create_data_key('data') AS data_key \gset
SELECT create_data_key('pepper') AS pepper \gset
SET ROLE regress_op_app;
SELECT verify_payment_password(7, '000000');
RESET ROLE;
SELECT key_id(verifier) = :before AS unchanged FROM payment_passwords WHERE customer_id = 7;
-- not while somebody has the row, nor over a password that was set meanwhile
BEGIN;
SELECT customer_id FROM payment_passwords WHERE customer_id = 7 FOR UPDATE;
SELECT verify_payment_password(7, '246810');
ROLLBACK;
SELECT clear_password_attempts('payment_password_attempts'::regclass, '7', 'payment_passwords'::regclass, 'the one before', verifier::text, 0) FROM payment_passwords WHERE customer_id = 9;
SELECT key_id(verifier) = :before AS unchanged FROM payment_passwords WHERE customer_id = 7;
-- who gives it to set another one has that one
SET ROLE regress_op_app;
SELECT set_payment_password(10, 'another', old_password => repeat('é', 256));
SELECT verify_payment_password(10, 'another');
RESET ROLE;
SET ROLE regress_op_app;
BEGIN READ ONLY; SELECT verify_payment_password(7, '246810'); ROLLBACK;
RESET ROLE;
SELECT key_id(verifier) = :data_key AND pepper_id = :pepper AS renewed FROM payment_passwords ORDER BY customer_id;
-- a pepper is not destroyed while it is needed
SELECT pepper_id AS old_pepper FROM payment_passwords WHERE customer_id = 9 \gset
SELECT relation, column_name, purpose, field, stored_values FROM values_by_key() WHERE key_id IN (:old_pepper, :pepper) ORDER BY stored_values;
SELECT row_key FROM rows_sealed_by(:old_pepper) ORDER BY row_key::text;
\set VERBOSITY sqlstate
SELECT destroy_data_key(:old_pepper);
\set VERBOSITY default
-- one that is gone takes with it what was not renewed
UPDATE data_keys SET state = 'destroyed', wrapped = NULL WHERE purpose = 'pepper' AND state = 'decrypt_only';
SELECT verify_payment_password(7, '246810') AS renewed;
SELECT verify_payment_password(9, 'José 16') AS not_renewed;
SET ROLE regress_op_helper;
SELECT set_payment_password(9, E'Jos\u00e9 16', 'password_test');
RESET ROLE;
SELECT verify_payment_password(9, E'Jos\u00e9 16') AS set_again;
UPDATE data_keys SET state = 'decrypt_only' WHERE key_id = :pepper;
SELECT verify_payment_password(7, '246810');
SELECT count(*) AS made FROM create_data_keys();
SELECT verify_payment_password(7, '246810');

-- customers of other types
SELECT create_store('password_uuid', owner => 'regress_op_owner', customer_id_type => 'uuid');
SELECT set_payment_password('6b1c6a1e-0000-7000-8000-000000000001'::uuid, '246810', 'password_uuid');
SELECT verify_payment_password('{6B1C6A1E000070008000000000000001}', '246810', 'password_uuid');
DROP SCHEMA password_uuid CASCADE;
SELECT create_store('password_text', owner => 'regress_op_owner', customer_id_type => 'text');
SELECT set_payment_password('ann''s', '246810', 'password_text');
SELECT verify_payment_password('ann''s', '246810', 'password_text'), verify_payment_password('Ann''s', '246810', 'password_text');
DROP SCHEMA password_text CASCADE;
SELECT create_store('password_date', owner => 'regress_op_owner', customer_id_type => 'date');
SELECT set_payment_password('2026-01-01'::date, '246810', 'password_date');
DROP SCHEMA password_date CASCADE;

-- ---------- asked for by create_payment() ----------

INSERT INTO gateways (gateway, password_methods) VALUES ('purse', '{wallet,points}'), ('bank', '{*}'), ('plain', '{}');
INSERT INTO gateways (gateway, password_methods) VALUES ('x', '{NULL}');
INSERT INTO orders (order_id, customer_id, price) SELECT n, CASE WHEN n < 9 THEN 7 END, 10 FROM generate_series(1, 9) n;
CREATE VIEW asked AS SELECT order_id, gateway, method, amount, status, attempt_no FROM payments ORDER BY order_id, payment_id;
GRANT SELECT ON asked TO regress_op_app, regress_op_gateway;
SET ROLE regress_op_app;
SELECT is_replay FROM create_payment(1, 'purse', method => 'wallet', request_key => 'k');
SELECT is_replay FROM create_payment(1, 'purse', method => 'wallet', request_key => 'k', payment_password => '000000');
SELECT is_replay FROM create_payment(1, 'purse', method => 'wallet', request_key => 'k', payment_password => '246810');
-- a replay is charged nothing, and asks for nothing
SELECT is_replay FROM create_payment(1, 'purse', method => 'wallet', request_key => 'k', payment_password => '000000');
SELECT is_replay FROM create_payment(1, 'purse', method => 'wallet', request_key => 'k');
-- nothing is charged for a payment that cannot be
\set VERBOSITY terse
SELECT is_replay FROM create_payment(1, 'purse', method => 'wallet', payment_password => '000000');
SELECT is_replay FROM create_payment(2, 'purse', amount => 11, method => 'wallet', payment_password => '000000');
RESET ROLE;
\set VERBOSITY default
SELECT used FROM payment_password_attempts WHERE customer_id = 7;
SET ROLE regress_op_app;
-- by other methods, and by none; by any method
SELECT status FROM create_payment(2, 'purse', 1, 'card', split => true);
SELECT status FROM create_payment(2, 'purse', 1, split => true);
SELECT status FROM create_payment(2, 'plain', 1, 'wallet', split => true);
SELECT status FROM create_payment(2, 'bank', 1, split => true);
SELECT status FROM create_payment(2, 'bank', 1, split => true, payment_password => '246810');
SELECT status FROM create_payment(9, 'bank', payment_password => '246810');
SELECT status FROM create_payment(99, 'bank', payment_password => '246810');

-- nobody goes around it
INSERT INTO payments (order_id, gateway, method, amount) VALUES (3, 'purse', 'wallet', 10);
INSERT INTO payments (order_id, gateway, amount, status) VALUES (3, 'bank', 10, 'processing');
INSERT INTO payments (order_id, gateway, method, amount) VALUES (3, 'purse', 'card', 10);
UPDATE payments SET method = 'points' WHERE order_id = 3;
UPDATE payments SET method = 'other', status = 'requires_action' WHERE order_id = 3;
-- one admission, one payment, of that order by that gateway and method
BEGIN;
SELECT admit_payment('4', 'purse', 'wallet', '246810', 'password_test');
SAVEPOINT s;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (5, 'purse', 'wallet', 4, true);
ROLLBACK TO s;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (4, 'purse', 'points', 4, true);
ROLLBACK TO s;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (4, 'purse', 'wallet', 4, true), (4, 'purse', 'wallet', 5, true);
ROLLBACK TO s;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (4, 'purse', 'wallet', 4, true);
ROLLBACK TO s;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (4, 'purse', 'wallet', 5, true);
SAVEPOINT s;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (4, 'purse', 'wallet', 5, true);
ROLLBACK TO s;
SAVEPOINT t;
RELEASE t;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (4, 'purse', 'wallet', 5, true);
COMMIT;
BEGIN;
SELECT admit_payment('4', 'purse', 'wallet', '246810', 'password_test');
SAVEPOINT s;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (4, 'purse', 'wallet', 5, true);
RELEASE s;
INSERT INTO payments (order_id, gateway, method, amount, split) VALUES (4, 'purse', 'wallet', 4, true);
ROLLBACK;
BEGIN; SELECT admit_payment('4', 'purse', 'wallet', '246810', 'password_test'); COMMIT;
INSERT INTO payments (order_id, gateway, method, amount) VALUES (4, 'purse', 'wallet', 4);
SELECT admit_payment('4', 'purse', 'wallet', NULL, 'password_test');
SELECT admit_payment(NULL, 'purse', 'wallet', '246810', 'password_test');

-- what has happened is never refused; a gateway may tell the method
SET ROLE regress_op_gateway;
INSERT INTO payments (order_id, gateway, method, amount, status) VALUES (5, 'purse', 'wallet', 10, 'succeeded');
UPDATE payments SET method = 'wallet' WHERE order_id = 3;
UPDATE payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id IN (1, 3);
INSERT INTO payments (order_id, gateway, method, amount) VALUES (6, 'purse', 'wallet', 10);

-- a retry was consented to: of one that failed, once, by the same means, of no more money
SET ROLE regress_op_app;
INSERT INTO payments (order_id, gateway, method, amount, retry_of) SELECT order_id, gateway, 'points', amount, payment_id FROM payments WHERE order_id = 1;
INSERT INTO payments (order_id, gateway, method, amount, retry_of) SELECT order_id, 'bank', method, amount, payment_id FROM payments WHERE order_id = 1;
INSERT INTO payments (order_id, gateway, method, amount, retry_of) SELECT order_id, gateway, method, amount + 1, payment_id FROM payments WHERE order_id = 1;
INSERT INTO payments (order_id, gateway, method, amount, retry_of) SELECT order_id, gateway, method, amount, payment_id FROM payments WHERE order_id = 5;
SET ROLE regress_op_gateway;
UPDATE payments SET failure_class = 'hard_decline' WHERE order_id = 3;
SET ROLE regress_op_app;
INSERT INTO payments (order_id, gateway, method, amount, retry_of) SELECT order_id, gateway, method, amount, payment_id FROM payments WHERE order_id = 3;
SELECT attempt_no FROM retry_payment((SELECT payment_id FROM payments WHERE order_id = 1));
INSERT INTO payments (order_id, gateway, method, amount, split, retry_of)
SELECT order_id, gateway, method, amount, true, payment_id FROM payments WHERE order_id = 1 AND attempt_no = 1;
TABLE asked;
RESET ROLE;
SELECT * FROM verify_store('password_test');

-- ---------- another session sets one while the old one is checked ----------

SELECT verifier AS before FROM payment_passwords WHERE customer_id = 9 \gset
SELECT set_payment_password(9, 'for a moment');
CREATE FUNCTION password_test.meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE password_test.payment_passwords p SET verifier = b.verifier FROM password_test.before b WHERE p.customer_id = 9;
	RETURN NEW;
END $$;
CREATE TABLE password_test.before AS SELECT :'before'::sealed AS verifier;
ALTER TABLE password_test.before OWNER TO regress_op_owner;
CREATE TRIGGER meanwhile BEFORE INSERT OR UPDATE ON payment_password_attempts FOR EACH ROW EXECUTE FUNCTION password_test.meanwhile();
SELECT set_payment_password(9, 'not over theirs', old_password => 'for a moment');
DROP TRIGGER meanwhile ON payment_password_attempts;
SELECT verify_payment_password(9, E'Jos\u00e9 16') AS theirs;

-- ---------- an owner whom policies bind as well ----------

ALTER TABLE payment_passwords ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE payment_password_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET ROLE regress_op_app;
SELECT verify_payment_password(7, '000000') AS wrong, verify_payment_password(7, '246810') AS right;
SELECT set_payment_password(7, '246810', old_password => '246810');
RESET ROLE;

-- ---------- old stores ----------

DROP TABLE payment_passwords, payment_password_attempts;
SELECT verify_payment_password(7, '246810');
SELECT * FROM upgrade_store();
SELECT verify_payment_password(7, '246810');
DROP SCHEMA password_test CASCADE;
DROP FUNCTION locks(integer);
RESET search_path;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway, regress_op_helper, regress_op_stranger;
