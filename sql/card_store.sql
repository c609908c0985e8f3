-- cards in a store: payments with cards, their retries, finding, opening and verifying them. Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SET order_payment.allow_unguarded = on;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
CREATE ROLE regress_card_owner;
CREATE ROLE regress_card_app;
CREATE ROLE regress_card_gateway;
CREATE ROLE regress_card_clerk;
CREATE SCHEMA cards AUTHORIZATION regress_card_owner;
SELECT order_payment.create_store('cards', 'EUR', app_role => 'regress_card_app', gateway_role => 'regress_card_gateway', owner => 'regress_card_owner');
RESET client_min_messages;
SET search_path = cards, order_payment;
INSERT INTO gateways (gateway) VALUES ('acme');
INSERT INTO orders (order_id, customer_id, price) SELECT n, 7, 20 FROM generate_series(1, 6) n;
GRANT USAGE ON SCHEMA cards TO regress_card_clerk;
GRANT SELECT ON payments TO regress_card_clerk;
GRANT EXECUTE ON FUNCTION reveal(sealed, bytea), card_fingerprints(text) TO regress_card_clerk;

-- the application pays with cards, and sees masks
SET ROLE regress_card_app;
SELECT (create_payment(1, 'acme', card_number => '4111 1111 1111 1111', card_holder => 'Ann Lee', card_expiry => '12/29', request_key => 'a')).status;
SELECT (create_payment(1, 'acme', card_number => '4111111111111111', card_holder => 'Ann Lee', card_expiry => '12/29', request_key => 'a')).is_replay;
\set VERBOSITY sqlstate
SELECT (create_payment(1, 'acme', card_number => '5555555555554444', request_key => 'a')).is_replay;
SELECT create_payment(2, 'acme', card_number => '4111111111111112');
SELECT create_payment(2, 'acme', card_number => 'Ann Lee');
\set VERBOSITY default
INSERT INTO payments (order_id, gateway, amount, card_number, card_holder) VALUES (2, 'acme', 20, '6222020200112233445', 'Bob')
RETURNING card_number, card_holder, card_expiry, card_number_sealed IS NOT NULL AS sealed, length(card_fingerprint) AS fingerprint;
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number) VALUES (3, '30000000-0000-7000-8000-000000000000', 'acme', 20, '4242424242424242');
SELECT order_id, card_number, card_holder, card_expiry FROM payments ORDER BY order_id;
SELECT a.order_id, b.order_id, same_card(a.card_fingerprint, b.card_fingerprint) FROM payments a JOIN payments b ON a.order_id < b.order_id ORDER BY 1, 2;
-- but opens none and looks none up
\set VERBOSITY sqlstate
SELECT reveal_card(payment_id) FROM payments;
SELECT find_card('4111111111111111');
\set VERBOSITY default

-- who may open them
SET ROLE regress_card_clerk;
SELECT p.order_id, r.* FROM payments p, reveal_card(p.payment_id) r ORDER BY 1;
SELECT reveal_card('30000000-0000-7000-8000-00000000ffff');
SELECT order_id FROM find_card('4111-1111-1111-1111');
SELECT order_id FROM find_card('378282246310005');
RESET ROLE;
SELECT role, session_role = session_user AS by_this_session, what, field, refused, count(*) FROM reveal_log WHERE role = 'regress_card_clerk' GROUP BY 1, 2, 3, 4, 5 ORDER BY 3, 4;

-- a retry pays with the same card, sealed for the new payment
SET ROLE regress_card_gateway;
UPDATE payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = 1;
SET ROLE regress_card_app;
SELECT (retry_payment(payment_id)).attempt_no FROM payments WHERE order_id = 1;
SELECT attempt_no, card_number, card_holder, card_expiry FROM payments WHERE order_id = 1 ORDER BY 1;
SELECT count(DISTINCT card_number_sealed::text) AS sealed, count(DISTINCT card_fingerprint) AS cards FROM payments WHERE order_id = 1;
SET ROLE regress_card_clerk;
SELECT p.attempt_no, r.* FROM payments p, reveal_card(p.payment_id) r WHERE order_id = 1 ORDER BY 1;
-- a card cannot be taken from another order's payment, nor be given a retry that it does not belong to
SET ROLE regress_card_app;
\set VERBOSITY sqlstate
INSERT INTO payments (order_id, gateway, amount, split, retry_of, card_number, card_number_sealed)
SELECT 1, 'acme', 1, true, (SELECT p.payment_id FROM payments p WHERE p.order_id = 1 AND p.attempt_no = 1), o.card_number, o.card_number_sealed FROM payments o WHERE o.order_id = 2;
INSERT INTO payments (order_id, gateway, amount, card_number, card_number_sealed) SELECT 4, 'acme', 20, o.card_number, o.card_number_sealed FROM payments o WHERE o.order_id = 2;
-- nor be shown as another one
INSERT INTO payments (order_id, gateway, amount, split, retry_of, card_number, card_number_sealed)
SELECT 1, 'acme', 1, true, o.payment_id, '************9999', o.card_number_sealed FROM payments o WHERE o.order_id = 1 AND o.attempt_no = 1;
INSERT INTO payments (order_id, gateway, amount, split, retry_of, card_number, card_number_sealed, card_holder, card_holder_sealed)
SELECT 1, 'acme', 1, true, o.payment_id, o.card_number, o.card_number_sealed, 'B***', o.card_holder_sealed FROM payments o WHERE o.order_id = 1 AND o.attempt_no = 1;
-- nor be made for another payment in a protected table of one's own
RESET ROLE;
CREATE SCHEMA thief AUTHORIZATION regress_card_app;
GRANT EXECUTE ON FUNCTION protect_card() TO regress_card_app;
SET ROLE regress_card_app;
CREATE TABLE thief.forge (payment_id uuid PRIMARY KEY, retry_of uuid, n text, n_sealed sealed);
CREATE TRIGGER forge BEFORE INSERT OR UPDATE ON thief.forge FOR EACH ROW EXECUTE FUNCTION protect_card('payments', 'number=n', 'key=payment_id', 'from=retry_of');
INSERT INTO thief.forge (payment_id, n, n_sealed) SELECT payment_id, card_number, card_number_sealed FROM payments WHERE order_id = 2;
INSERT INTO thief.forge (payment_id, retry_of, n, n_sealed) SELECT '40000000-0000-7000-8000-000000000000', payment_id, n, n_sealed FROM thief.forge;
SELECT count(DISTINCT n_sealed::text) AS forged FROM thief.forge;
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number, card_number_sealed)
SELECT 4, payment_id, 'acme', 20, n, n_sealed FROM thief.forge WHERE retry_of IS NOT NULL;
INSERT INTO payments (order_id, payment_id, gateway, amount) VALUES (4, '40000000-0000-7000-8000-000000000000', 'acme', 20);
SET ROLE regress_card_gateway;
UPDATE payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = 4;
SET ROLE regress_card_app;
INSERT INTO payments (order_id, gateway, amount, retry_of, card_number, card_number_sealed)
SELECT 4, 'acme', 20, payment_id, n, n_sealed FROM thief.forge WHERE retry_of IS NOT NULL;
-- by way of partitions
CREATE TABLE thief.parts (part int, payment_id uuid, n text, n_sealed sealed) PARTITION BY LIST (part);
CREATE TABLE thief.parts_1 PARTITION OF thief.parts FOR VALUES IN (1);
CREATE TRIGGER forge BEFORE INSERT OR UPDATE ON thief.parts FOR EACH ROW EXECUTE FUNCTION protect_card('payments', 'number=n', 'key=payment_id');
INSERT INTO thief.parts SELECT 1, '40000000-0000-7000-8000-000000000001', n, n_sealed FROM thief.forge WHERE retry_of IS NOT NULL;
BEGIN;
UPDATE thief.parts SET part = 1;
INSERT INTO payments (order_id, payment_id, gateway, amount, card_number, card_number_sealed)
SELECT 4, payment_id, 'acme', 20, n, n_sealed FROM thief.parts;
ROLLBACK;
\set VERBOSITY default
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA thief CASCADE;
RESET client_min_messages;
REVOKE EXECUTE ON FUNCTION protect_card() FROM regress_card_app;
-- the owner brings them as a dump does; one that is copied does not open
INSERT INTO payments (order_id, gateway, amount, card_number, card_number_sealed) SELECT 4, 'acme', 20, o.card_number, o.card_number_sealed FROM payments o WHERE o.order_id = 2;
SELECT problem, column_name, stored FROM verify_store() ORDER BY 1, 2;
SET order_payment.restore = on;
UPDATE payments SET card_number = NULL, card_number_sealed = NULL WHERE order_id = 4;
RESET order_payment.restore;
SELECT * FROM verify_store();

-- what verify_store() finds
CREATE FUNCTION pg_temp.found(change text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL order_payment.restore = on;
	EXECUTE change;
	RESET order_payment.restore;
	RETURN QUERY SELECT concat_ws(', ', v.problem, v.column_name, v.stored) FROM order_payment.verify_store('cards') v WHERE v.table_name = 'payments' ORDER BY 1;
	RAISE EXCEPTION USING ERRCODE = 'XX999';
EXCEPTION WHEN SQLSTATE 'XX999' THEN
END $$;
SELECT f.change, pg_temp.found(f.change) FROM (VALUES
	('UPDATE payments SET card_number = ''************0000'' WHERE order_id = 3'),
	('UPDATE payments SET card_number = NULL WHERE order_id = 3'),
	('UPDATE payments SET card_holder = ''X***'' WHERE order_id = 2'),
	('UPDATE payments SET card_fingerprint = NULL WHERE order_id = 2'),
	('UPDATE payments SET card_fingerprint = (SELECT p.card_fingerprint FROM payments p WHERE p.order_id = 3) WHERE order_id = 2'),
	('UPDATE payments SET card_fingerprint = set_byte(card_fingerprint, 35, get_byte(card_fingerprint, 35) # 1) WHERE order_id = 2'),
	('UPDATE payments SET card_fingerprint = set_byte(card_fingerprint, 3, get_byte(card_fingerprint, 3) # 1) WHERE order_id = 2'),
	('UPDATE payments SET card_fingerprint = ''short'' WHERE order_id = 2'),
	('UPDATE payments SET card_number_sealed = (SELECT p.card_number_sealed FROM payments p WHERE p.order_id = 3) WHERE order_id = 2'),
	('UPDATE payments SET card_number_sealed = card_holder_sealed WHERE order_id = 2'),
	('DELETE FROM order_payment.data_keys')) f (change);
-- the fingerprint is compared for the owner, who may; others could guess numbers by it
BEGIN;
SET LOCAL order_payment.restore = on;
UPDATE payments SET card_fingerprint = (SELECT p.card_fingerprint FROM payments p WHERE p.order_id = 3) WHERE order_id = 2;
RESET order_payment.restore;
SET LOCAL ROLE regress_card_owner;
SELECT problem, column_name, stored FROM verify_store() WHERE table_name = 'payments';
SELECT fingerprint_fault(card_number_sealed, binding('payments', payment_id), card_fingerprint) FROM payments WHERE order_id IN (2, 3) ORDER BY order_id;
-- nothing is said of what does not open
SELECT fingerprint_fault(card_number_sealed, binding('others', payment_id), card_fingerprint) IS NULL AS silent,
	   fingerprint_fault(card_holder_sealed, binding('payments', payment_id), card_fingerprint) IS NULL AS of_a_holder FROM payments WHERE order_id = 2;
SAVEPOINT s;
SET LOCAL ROLE regress_card_app;
SELECT problem, column_name, stored FROM verify_store() WHERE table_name = 'payments';
\set VERBOSITY sqlstate
SELECT fingerprint_fault(seal('6222020200112233445', 'number', ''), '', card_fingerprint) FROM payments WHERE order_id = 2;
\set VERBOSITY default
ROLLBACK;
-- an owner who was not granted it is told so
BEGIN;
REVOKE EXECUTE ON FUNCTION fingerprint_fault(sealed, bytea, bytea) FROM regress_card_owner;
SET LOCAL ROLE regress_card_owner;
SELECT problem, table_name, expected FROM verify_store() WHERE table_name = 'payments';
ROLLBACK;

BEGIN;
DELETE FROM data_keys;
SELECT problem, column_name, stored FROM verify_store() WHERE problem LIKE 'sealed%' ORDER BY 2, 3 LIMIT 1;
ROLLBACK;

-- clear text is not stored even with the trigger off
BEGIN;
ALTER TABLE payments DISABLE TRIGGER "000_protect_card";
\set VERBOSITY sqlstate
INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (5, 'acme', 20, '4242424242424242');
ROLLBACK;
BEGIN;
ALTER TABLE payments DISABLE TRIGGER "000_protect_card";
INSERT INTO payments (order_id, gateway, amount, card_holder) VALUES (5, 'acme', 20, 'Ann Lee');
ROLLBACK;
BEGIN;
ALTER TABLE payments DISABLE TRIGGER "000_protect_card";
INSERT INTO payments (order_id, gateway, amount, card_expiry) VALUES (5, 'acme', 20, '12/29');
ROLLBACK;
\set VERBOSITY default

-- nothing of a card is in the history
SELECT count(*) AS events, count(*) FILTER (WHERE e::text ~ '\*\*\*|op1:|41111111|Ann') AS with_a_card FROM order_events e;

SET client_min_messages = warning;
DROP SCHEMA cards CASCADE;
DROP OWNED BY regress_card_clerk;
DROP OWNED BY regress_card_owner;
DROP ROLE regress_card_owner, regress_card_app, regress_card_gateway, regress_card_clerk;
