-- reseal: other keys under stored values, states after a leak, what is known of keys, forgetting. Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SET order_payment.allow_unguarded = on;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
CREATE ROLE regress_reseal_owner;
CREATE SCHEMA reseal AUTHORIZATION regress_reseal_owner;
GRANT EXECUTE ON FUNCTION order_payment.reseal_value(order_payment.sealed, bytea) TO regress_reseal_owner;
GRANT EXECUTE ON PROCEDURE order_payment.reseal(regclass, float8, integer, name, text, text[]) TO regress_reseal_owner;
RESET client_min_messages;
SET search_path = reseal, order_payment;

-- keys have random ids: the n-th that this test makes of a purpose is called by the purpose and n
CREATE TABLE made (key_id integer, name text);
CREATE FUNCTION made_key(purpose text) RETURNS text LANGUAGE sql AS $$
	INSERT INTO made SELECT create_data_key($1), $1 || count(*) FILTER (WHERE starts_with(name, $1)) + 1 FROM made RETURNING name;
$$;
CREATE FUNCTION name_of(key_id integer) RETURNS text LANGUAGE sql AS $$ SELECT name FROM made m WHERE m.key_id = $1 $$;
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	m text; d text; h text;
	k record;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	m := concat_ws(' | ', sqlstate, m, nullif(d, ''), nullif(h, ''));
	FOR k IN SELECT * FROM made LOOP
		m := replace(m, k.key_id::text, k.name);
	END LOOP;
	RETURN m;
END
$$;
SELECT made_key('data'), made_key('fingerprint');

CREATE TABLE cards (id bigint PRIMARY KEY, number text, holder text, expiry text, note text);
SELECT protect_card_columns('cards', 'number', 'holder', 'expiry', 'fingerprint');
INSERT INTO cards SELECT n, CASE n % 3 WHEN 0 THEN '4111111111111111' WHEN 1 THEN '378282246310005' END, CASE WHEN n % 3 < 2 THEN 'Ann Lee' END, NULL, 'x'
FROM generate_series(1, 300) n;
CREATE VIEW by_key AS
	SELECT name_of(key_id(number_sealed)) AS number, name_of(key_id(holder_sealed)) AS holder, name_of(fingerprint_key(fingerprint)) AS fingerprint, count(*)
	FROM cards GROUP BY 1, 2, 3;
SELECT * FROM by_key ORDER BY 1;

-- nothing to do
CALL reseal('cards');

-- another data key, another fingerprint key, both
SELECT made_key('data');
CALL reseal('cards');
SELECT * FROM by_key ORDER BY 1;
SELECT made_key('fingerprint');
CALL reseal('cards');
SELECT * FROM by_key ORDER BY 1;
SELECT made_key('data'), made_key('fingerprint');
UPDATE cards SET number = '5555555555554444' WHERE id IN (3, 5);
SELECT * FROM by_key ORDER BY 1, 2;
CALL reseal('cards', batch_pages => 1, max_rate => 1e6);
SELECT * FROM by_key ORDER BY 1, 2;
-- cards are what they were, and their fingerprints compare
SELECT id, number, reveal(number_sealed, binding('reseal.cards', id)), reveal(holder_sealed, binding('reseal.cards', id)) FROM cards WHERE id IN (3, 4, 5, 6) ORDER BY id;
SELECT count(DISTINCT fingerprint), bool_and(same_card(fingerprint, (SELECT fingerprint FROM cards WHERE id = 6))) FILTER (WHERE id % 3 = 0 AND id <> 3) FROM cards;
SELECT count(*) FROM cards WHERE fingerprint = ANY ((SELECT card_fingerprints('4111 1111 1111 1111'))::bytea[]);
SELECT pass > 0 AS passed, pages_done = pages_total AS to_the_end, resealed, skipped, not_openable, name_of(key_id), state, role = current_user AS mine
FROM reseal_progress WHERE relation = 'reseal.cards' ORDER BY run_id;

-- a fingerprint column that came later is filled
ALTER TABLE cards DISABLE TRIGGER "000_protect_card";
UPDATE cards SET fingerprint = NULL;
ALTER TABLE cards ENABLE TRIGGER "000_protect_card";
CALL reseal('cards');
SELECT * FROM by_key ORDER BY 1, 2;

-- partitions
CREATE TABLE parted (id bigint, number text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (1000) PARTITION BY RANGE (id);
CREATE TABLE parted_higher PARTITION OF parted_high DEFAULT;
SELECT protect_card_columns('parted', 'number');
INSERT INTO parted SELECT n, '4111111111111111' FROM generate_series(50, 149) n;
SELECT made_key('data');
CALL reseal('parted');
SELECT tableoid::regclass, name_of(key_id(number_sealed)), count(*) FROM parted GROUP BY 1, 2 ORDER BY 1;

-- a column without the trigger: what it is bound to is told
CREATE TABLE notes (shop text, id integer, secret sealed);
INSERT INTO notes SELECT 'x', n, seal('note ' || n, 'text', binding('a note', 'north'::text, n)) FROM generate_series(1, 50) n;
INSERT INTO notes VALUES ('x', 51, seal('moved', 'text', binding('a note', 'north'::text, 7))), ('x', 52, NULL);
SELECT made_key('data');
CALL reseal('notes');
CALL reseal('notes', sealed_column => 'secret', label => 'a note', key => '{''north'',id}');
SELECT name_of(key_id(secret)), count(*) FROM notes GROUP BY 1 ORDER BY 1;
SELECT reveal(secret, binding('a note', 'north'::text, id)) FROM notes WHERE id = 17;
SELECT reveal(secret, binding('a note', 'north'::text, 7)) FROM notes WHERE id = 51;
SELECT name_of(key_id(reseal_value(secret, binding('a note', 'north'::text, 7)))) FROM notes WHERE id = 51;
SELECT error_of($$SELECT order_payment.reseal_value(secret, order_payment.binding('a note', 'north'::text, id)) FROM reseal.notes WHERE id = 51$$);
SELECT reseal_value(secret, 'no matter, the key is the active one')::text = secret::text AS the_same FROM notes WHERE id = 17;

-- what is refused
\set VERBOSITY terse
BEGIN;
CALL reseal('cards');
ROLLBACK;
DO $$ BEGIN CALL order_payment.reseal('reseal.cards'); END $$;  -- outside of a transaction block it may commit
CREATE FUNCTION by_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL order_payment.reseal('reseal.cards'); END $$;
SELECT by_function();
CALL reseal(NULL);
CALL reseal('by_key');
CALL reseal('cards', batch_pages => 0);
CALL reseal('cards', max_rate => 0);
CALL reseal('cards', max_rate => 'NaN');
CALL reseal('cards', sealed_column => 'number_sealed');
CALL reseal('cards', sealed_column => 'nothing', label => 'x', key => '{id}');
CALL reseal('cards', sealed_column => 'number_sealed', label => 'x', key => '{nothing}');
SET order_payment.restore = on;
CALL reseal('cards');
RESET order_payment.restore;
ALTER TABLE cards DISABLE TRIGGER "000_protect_card";
CALL reseal('cards');
ALTER TABLE cards ENABLE TRIGGER "000_protect_card";

-- by a role: on what it may update, and on all rows or none
SET ROLE regress_reseal_owner;
CALL reseal('cards');
CREATE TABLE own (id integer PRIMARY KEY, number text);
RESET ROLE;
SELECT protect_card_columns('own', 'number');
INSERT INTO own SELECT n, '4111111111111111' FROM generate_series(1, 10) n;
CREATE TABLE own_before AS TABLE own;
SELECT made_key('data');
SET ROLE regress_reseal_owner;
SET search_path = '';
CALL order_payment.reseal('reseal.own');
SET search_path = reseal, order_payment;
RESET ROLE;
ALTER TABLE own ENABLE ROW LEVEL SECURITY;
ALTER TABLE own FORCE ROW LEVEL SECURITY;
CREATE POLICY a_part ON own USING (id < 5);
SET order_payment.restore = on;
UPDATE own o SET number_sealed = b.number_sealed FROM own_before b WHERE b.id = o.id;
RESET order_payment.restore;
DROP TABLE own_before;
SET ROLE regress_reseal_owner;
CALL reseal('own');
SELECT count(*) FROM reseal_runs;
RESET ROLE;
SELECT name_of(key_id(number_sealed)), count(*) FROM own GROUP BY 1;
-- one that does not open keeps nothing from the others
SET order_payment.restore = on;
UPDATE own SET number_sealed = (SELECT o.number_sealed FROM own o WHERE o.id = 2) WHERE id = 1;
RESET order_payment.restore;
CALL reseal('own');
UPDATE own SET number = '4111111111111111' WHERE id = 1;
SELECT name_of(key_id(number_sealed)), count(*) FROM own GROUP BY 1;
\set VERBOSITY default

-- after a leak: who is affected, nobody sees it, and it is sealed anew
CALL reseal('cards');
CALL reseal('parted');
SELECT made_key('data');
INSERT INTO notes VALUES ('x', 60, seal('new', 'text', binding('a note', 'north'::text, 60)));
CREATE VIEW affected AS
	SELECT k.name, r.relation, r.column_name, count(*), min(r.row_key::text) FILTER (WHERE NOT r.row_key ? 'ctid') FROM made k, rows_sealed_by(k.key_id) r GROUP BY 1, 2, 3;
SELECT * FROM affected WHERE relation::text IN ('cards', 'parted_low', 'notes', 'own') ORDER BY name, relation::text, column_name;
SELECT error_of(format('SELECT order_payment.mark_data_key_compromised(%s)', key_id)) FROM made WHERE name = 'data6';
SELECT error_of('SELECT order_payment.mark_data_key_compromised(0)');
SELECT k.state FROM data_keys k JOIN made m USING (key_id) WHERE m.name = 'data6';
\set VERBOSITY terse
SELECT reveal(number_sealed, binding('reseal.cards', id)) FROM cards WHERE id = 6;
\set VERBOSITY default
SELECT card_fault(number_sealed, number, binding('reseal.cards', id)) IS NULL AS is_sound FROM cards WHERE id = 6;
-- the one that seals is replaced
SELECT mark_data_key_compromised(key_id) FROM made WHERE name = 'data7';
INSERT INTO made SELECT key_id, 'data8' FROM data_keys WHERE purpose = 'data' AND state = 'active';
SELECT m.name, k.state FROM data_keys k JOIN made m USING (key_id) WHERE k.purpose = 'data' ORDER BY m.name;
CALL reseal('cards');
SELECT reveal(number_sealed, binding('reseal.cards', id)) FROM cards WHERE id = 6;

-- a key is destroyed when nothing needs it
SELECT error_of(format('SELECT order_payment.destroy_data_key(%s)', key_id)) FROM made WHERE name = 'data8';
SELECT error_of(format('SELECT order_payment.destroy_data_key(%s)', key_id)) FROM made WHERE name = 'data6';
SELECT error_of(format('SELECT order_payment.destroy_data_key(%s)', key_id)) FROM made WHERE name = 'data1';
SELECT error_of(format('SELECT order_payment.destroy_data_key(%s)', key_id)) FROM made WHERE name = 'data1';
SELECT error_of('SELECT order_payment.destroy_data_key(0)');
SELECT k.state, k.wrapped IS NULL AS gone, k.destroyed_at IS NOT NULL AS stamped FROM data_keys k JOIN made m USING (key_id) WHERE m.name = 'data1';
SELECT error_of(format('SELECT order_payment.destroy_data_key(%s)', key_id)) FROM made WHERE name = 'fingerprint1';
-- not in the transaction that ends its use, for others have not seen that yet
BEGIN;
SELECT made_key('data');
SELECT error_of(format('SELECT order_payment.destroy_data_key(%s)', key_id)) FROM made WHERE name = 'data8';
ROLLBACK;
-- a key that waits, and one that is wanted by an array, a row and a domain
CREATE DOMAIN secret AS sealed;
CREATE TYPE two AS (a integer, b secret);
CREATE TABLE odd (a secret, b sealed[], c two, d two[]);
INSERT INTO odd SELECT s, ARRAY[s, s], ROW(1, s)::two, ARRAY[ROW(2, s)::two] FROM (SELECT seal('odd', 'text', 'x')) o(s);
CREATE MATERIALIZED VIEW odd_copy AS SELECT a FROM odd;
SELECT relation, column_name, purpose, is_plain FROM sealed_columns() WHERE relation IN ('odd'::regclass, 'odd_copy'::regclass, 'own'::regclass) ORDER BY 1, 2;
SELECT made_key('data');
SELECT error_of(format('SELECT order_payment.destroy_data_key(%s)', key_id)) FROM made WHERE name = 'data8';
SELECT name, relation, column_name, count FROM affected WHERE relation IN ('odd'::regclass, 'odd_copy'::regclass) ORDER BY 2, 3;
DROP TABLE odd CASCADE;
-- and one that has made fingerprints
SELECT made_key('fingerprint');
SELECT error_of(format('SELECT order_payment.destroy_data_key(%s)', key_id)) FROM made WHERE name = 'fingerprint3';

-- what is known of the keys, and never an error
SELECT s.kind, m.name, s.purpose, s.state, s.is_usable, s.problem, s.is_overdue, s.check_value = encode(k.root_key_check, 'hex') AS checked, s.stored_values
FROM key_status() s JOIN made m USING (key_id) JOIN data_keys k USING (key_id)
WHERE m.name IN ('data1', 'data5', 'data7', 'data9', 'fingerprint1', 'fingerprint3') ORDER BY m.name;
SELECT count(*) FROM key_status() WHERE kind = 'root key' AND state = 'active' AND is_usable AND problem IS NULL;
BEGIN;
UPDATE data_keys SET retire_after = now() - interval '1 day' WHERE key_id = (SELECT key_id FROM made WHERE name = 'data9');
DELETE FROM data_keys WHERE key_id = (SELECT key_id FROM made WHERE name = 'data5');
UPDATE data_keys SET wrapped = 'nonsense' WHERE key_id = (SELECT key_id FROM made WHERE name = 'data4');
UPDATE data_keys SET root_key_id = 77, root_key_check = '\x0123456789abcdef' WHERE key_id = (SELECT key_id FROM made WHERE name = 'data3');
SELECT s.kind, m.name, s.state, s.is_usable, replace(s.problem, m.key_id::text, m.name) AS problem, s.stored_values
FROM key_status() s JOIN made m USING (key_id) WHERE m.name IN ('data4', 'data5', 'data9') ORDER BY m.name;
SELECT key_id, state, check_value, is_usable, problem FROM key_status(false) WHERE kind = 'root key' AND key_id = 77;
CREATE ROLE regress_reseal_reader IN ROLE pg_read_server_files, pg_execute_server_program;
SELECT kind, problem FROM key_status(false) WHERE kind = 'role' AND problem LIKE '%reseal%';
ROLLBACK;
SELECT i.item, coalesce(m.name, i.name) AS name, regexp_replace(i.used_for, 'root key \d+', 'a root key') AS used_for, i.state, i.relation, i.column_name, i.stored_values, i.age IS NOT NULL AS has_age
FROM crypto_inventory() i LEFT JOIN made m USING (key_id)
WHERE i.item = 'algorithm' OR m.name IN ('data5', 'fingerprint3') ORDER BY i.item, m.name NULLS FIRST, i.name, i.relation::text, i.column_name;

-- forgetting: in any table by a time, in a store what is not wanted any more
ALTER TABLE cards ADD made_on date DEFAULT '2026-01-01';
UPDATE cards SET made_on = '2026-06-01' WHERE id > 200;
SELECT forget_cards_in('cards', 'made_on', '2026-03-01');
SELECT id > 200 AS newer, count(number), count(number_sealed), count(holder), count(holder_sealed), count(fingerprint) FROM cards GROUP BY 1 ORDER BY 1;
SELECT forget_cards_in('cards', 'made_on', '2026-03-01'), forget_cards_in('cards', 'made_on', NULL);
UPDATE cards SET note = 'y';
CALL reseal('cards');
SELECT count(number_sealed) FROM cards;
SELECT forget_cards_in('parted', 'id', now());
SELECT forget_cards_in('notes', 'id', now());

SET client_min_messages = error;
CREATE SCHEMA resealed_shop;
SELECT create_store('resealed_shop', 'EUR');
RESET client_min_messages;
SET search_path = resealed_shop, reseal, order_payment;
INSERT INTO gateways (gateway) VALUES ('acme');
INSERT INTO orders (order_id, customer_id, price) SELECT n, 7, 20 FROM generate_series(1, 6) n;
INSERT INTO payments (order_id, gateway, amount, card_number, card_holder, card_expiry) SELECT n, 'acme', 20, '4111111111111111', 'Ann Lee', '12/29' FROM generate_series(1, 6) n;
UPDATE payments SET status = 'succeeded' WHERE order_id = 1;
UPDATE payments SET status = 'failed', retry_at = now() + interval '1 day' WHERE order_id = 2;
UPDATE payments SET status = 'failed', retry_at = 'infinity' WHERE order_id = 3;
UPDATE payments SET status = 'processing' WHERE order_id = 4;
UPDATE payments SET status = 'unknown' WHERE order_id = 4;
UPDATE payments SET status = 'authorized' WHERE order_id = 5;
CREATE VIEW events AS SELECT count(*), max(version) FROM order_events;
SELECT * FROM events;
SELECT made_key('data'), made_key('fingerprint');
SET client_min_messages = warning;  -- the tables of a store are told one by one
CALL reseal_store();
RESET client_min_messages;
SELECT name_of(key_id(card_number_sealed)), name_of(key_id(card_expiry_sealed)), name_of(fingerprint_key(card_fingerprint)), count(*) FROM payments GROUP BY 1, 2, 3;
SELECT * FROM events;  -- a payment that is only sealed anew has no event
SELECT forget_cards(now() - interval '1 hour'), forget_cards(now() + interval '1 hour');
SELECT order_id, status, card_number, card_holder, card_expiry, card_number_sealed IS NOT NULL AS sealed, card_fingerprint IS NOT NULL AS fingerprint FROM payments ORDER BY 1;
SELECT * FROM events;
SELECT * FROM verify_store('resealed_shop');

SET client_min_messages = warning;
DROP SCHEMA resealed_shop CASCADE;
DROP SCHEMA reseal CASCADE;
DROP OWNED BY regress_reseal_owner;
DROP ROLE regress_reseal_owner;
