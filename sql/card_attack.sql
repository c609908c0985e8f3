-- protect_card() under attack: documents with verification codes, tables and triggers that do not fit, cards taken from other rows, statements of all kinds.
-- Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SET order_payment.allow_unguarded = on;
SET order_payment.reveal_budget = -1;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
RESET client_min_messages;
\set SHOW_CONTEXT never
SET search_path = public, order_payment;

CREATE TABLE purse (id bigint PRIMARY KEY, email text UNIQUE, number text, holder text, note text);
SELECT protect_card_columns('purse', 'number', 'holder', fingerprint => 'fingerprint');
-- what is stored, opened; "shut": it does not open
CREATE FUNCTION opened(value sealed, label text, id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN order_payment.reveal(value, order_payment.binding(label, id));
EXCEPTION WHEN SQLSTATE 'OP010' THEN
	RETURN 'shut';
END $$;
CREATE VIEW purses AS
SELECT id, email, number, opened(number_sealed, 'public.purse', id) AS number_is, holder, opened(holder_sealed, 'public.purse', id) AS holder_is, note
FROM purse ORDER BY id;

-- ---------- documents ----------

CREATE DOMAIN document AS jsonb;
CREATE DOMAIN old_document AS json;
CREATE TABLE papers (id int PRIMARY KEY, number text, a jsonb, b json, c document, d old_document, e jsonb GENERATED ALWAYS AS (a) STORED, note text);
SELECT protect_card_columns('papers', 'number');
INSERT INTO papers (id, a) VALUES (1, '{"amount": 5, "card": {"brand": "visa", "CVV": "123"}}');
CREATE FUNCTION pg_temp.stored(target text, given text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO papers (id, %I) VALUES (1, %L)', target, given);
	DELETE FROM papers;
	RETURN 'stored';
EXCEPTION WHEN check_violation THEN
	RETURN 'refused';
END $$;
SELECT given, pg_temp.stored('a', given) AS jsonb, pg_temp.stored('b', given) AS json,
	   pg_temp.stored('c', given) AS domain_of_jsonb, pg_temp.stored('d', given) AS domain_of_json
FROM (VALUES ('{}'), ('[]'), ('null'), ('"cvv"'), ('["cvv", "pin"]'), ('{"name": "cvv"}'), ('{"a": {"b": [1, {"c": "pin"}]}}'),
	('{"cvv": "123"}'), ('{"card_cvc": 123}'), ('{"Card-CVV2": true}'), ('{"cvv": ""}'), ('{"cvv": {}}'), ('{"cvv": []}'), ('{"cvv": [null]}'),
	('{"a": {"b": [1, {"securityCode": "1"}]}}'), ('[[[{"pin": 1}]]]'), ('{"a": 1, "z": {"track_2": "x"}}'), ('{"\u0063\u0076v": 1}'), ('{"c\u0076\u0076": null}'),
	('{"cvv": null}'), ('{"cvv": null, "cvc": 1}'), ('{"cvv": 1, "cvv": null}'), ('{"cvv": null, "number": "x"}'), ('{"cvv_check": "pass"}'), ('{"cvc_result": "M"}'),
	('{"": 1}'), ('{"a": null, "cid": "x"}'), ('{"accident": 1, "spin": 2, "tracking": 3}')) AS v (given);
-- by every name, however it is spelt: nothing is stored
SELECT name AS stored FROM unnest('{cid,cav,csc,pin,pvv,track}'::text[]) name
WHERE 'stored' IN (pg_temp.stored('a', format('{"%s": 1}', name)), pg_temp.stored('b', format('{"%s_": 1}', upper(name))));
SELECT name AS stored FROM unnest('{cvv,cvv2,cvc,cvc2,cvn,cvn2,cav2,cid2,card_code,card_pin,pin_block,pin_code,security_code,security_number,verification_code,
	verification_value,track1,track2,track_data,mag_stripe,magnetic_stripe}'::text[]) name
WHERE 'stored' IN (pg_temp.stored('a', format('{"%s": 1}', name)), pg_temp.stored('b', format('{"Payer-%s": 1}', initcap(name))));
-- however deep, however long
SELECT pg_temp.stored('a', repeat('[', 1000) || '{"cvv": 1}' || repeat(']', 1000)) AS jsonb, pg_temp.stored('b', repeat('{"a":', 1000) || '{"cvv": 1}' || repeat('}', 1000)) AS json;
-- arrays of documents
ALTER TABLE papers ADD f jsonb[], ADD g old_document[], ADD h document[][];
SELECT v.column_name, v.given, pg_temp.stored(v.column_name, v.given)
FROM (VALUES ('f', '{}'), ('f', '{NULL}'), ('f', '{"{}", NULL, "[\"cvv\"]"}'), ('f', '{NULL, "{}", "{\"a\": {\"cvv\": 1}}"}'), ('f', '{{"{\"cvv\": null}"}, {"{\"cvv\": 1}"}}'),
	('g', '{"{\"name\": \"cvv\"}"}'), ('g', '{"{\"pin\": 1}"}'), ('h', '{{"[1]"}}'), ('h', '{{"[{\"track\": 1}]"}}')) AS v (column_name, given);
INSERT INTO papers (id, a, b) SELECT 2, d::jsonb, d FROM (SELECT json_build_object('lines', json_agg(md5(n::text)), 'z', 1) FROM generate_series(1, 20000) n) AS v (d);
\set VERBOSITY sqlstate
UPDATE papers SET a = jsonb_set(a, '{z}', '{"cvv": 1}') WHERE id = 2;
UPDATE papers SET b = (jsonb_set(a, '{z}', '{"cvv": 1}'))::json WHERE id = 2;
INSERT INTO papers (id, a) VALUES (2, '{}') ON CONFLICT (id) DO UPDATE SET b = '{"cvv": 1}';
\set VERBOSITY default
UPDATE papers SET note = 'untouched', number = '4242424242424242', b = b WHERE id = 2 RETURNING id, number, note, length(b::text) > 500000 AS whole;
-- what was stored before is not looked at until it is written
ALTER TABLE papers DISABLE TRIGGER "000_protect_card";
UPDATE papers SET a = '{"cvv": 1}' WHERE id = 2;
ALTER TABLE papers ENABLE TRIGGER "000_protect_card";
UPDATE papers SET note = 'found' WHERE id = 2 RETURNING a, note;
\set VERBOSITY sqlstate
UPDATE papers SET a = '{"cvv": 2}' WHERE id = 2;
\set VERBOSITY default
UPDATE papers SET a = a - 'cvv' WHERE id = 2 RETURNING a;
-- a column that comes later
ALTER TABLE papers ADD COLUMN late json;
\set VERBOSITY sqlstate
INSERT INTO papers (id, late) VALUES (3, '{"cvv": 1}');
\set VERBOSITY default

-- ---------- tables and triggers that do not fit ----------

CREATE TABLE misfit (id int PRIMARY KEY, number text, number_sealed sealed, made text GENERATED ALWAYS AS ('x') STORED, made_sealed sealed);
CREATE DOMAIN short_text AS text;
CREATE DOMAIN secret AS sealed;
ALTER TABLE misfit ADD typed short_text, ADD typed_sealed sealed, ADD plain text, ADD plain_sealed secret, ADD other text, ADD other_sealed sealed GENERATED ALWAYS AS (number_sealed) STORED,
	ADD gone text, ADD gone_sealed sealed, ADD fits varchar(16), ADD fits_sealed sealed;
ALTER TABLE misfit DROP gone_sealed;
CREATE FUNCTION pg_temp.try(firing text, arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE format('CREATE OR REPLACE TRIGGER t %s EXECUTE FUNCTION order_payment.protect_card(%s)', firing, arguments);
	INSERT INTO misfit (id, number, fits) VALUES (1, CASE WHEN arguments NOT LIKE '%=fits%' THEN '4242424242424242' END, '4242424242424242');
	DELETE FROM misfit;
	DROP TRIGGER t ON misfit;
	RETURN 'fits';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN sqlstate || ' ' || coalesce(nullif(detail, ''), sqlerrm);
END $$;
SELECT a, pg_temp.try('BEFORE INSERT OR UPDATE ON misfit FOR EACH ROW', format('%L, ''key=id'', %L', 'l', a))
FROM (VALUES ('number=number'), ('number=made'), ('number=typed'), ('number=plain'), ('number=other'), ('number=gone'), ('number=fits'), ('number=ctid'),
	('number=........pg.dropped.12........'), ('number='), ('number=id')) AS v (a);
SELECT pg_temp.try('BEFORE INSERT OR UPDATE ON misfit FOR EACH ROW', $$'l', 'number=number', 'key=made'$$);
-- at every change of a row, or it could be gone round
SELECT f, pg_temp.try(f, $$'l', 'number=number', 'key=id'$$)
FROM (VALUES ('BEFORE INSERT ON misfit FOR EACH ROW'), ('BEFORE INSERT OR UPDATE OF number ON misfit FOR EACH ROW'), ('BEFORE INSERT OR UPDATE ON misfit FOR EACH ROW WHEN (NEW.number IS NOT NULL)'),
	('BEFORE INSERT OR DELETE ON misfit FOR EACH ROW'), ('BEFORE INSERT OR UPDATE ON misfit FOR EACH STATEMENT'), ('AFTER INSERT OR UPDATE ON misfit FOR EACH ROW')) AS v (f);
-- the name of a twin has to fit into a name
CREATE TABLE long_name (id int PRIMARY KEY, a234567890123456789012345678901234567890123456789012345678 text, b234567890123456789012345678901234567890123456789012345 text);
SELECT protect_card_columns('long_name', 'a234567890123456789012345678901234567890123456789012345678');
SELECT protect_card_columns('long_name', 'b234567890123456789012345678901234567890123456789012345');
INSERT INTO long_name VALUES (1, NULL, '4242424242424242');
SELECT b234567890123456789012345678901234567890123456789012345, opened(b234567890123456789012345678901234567890123456789012345_sealed, 'public.long_name', id) FROM long_name;
-- a table that inherits has no trigger, but the CHECK
CREATE TABLE child () INHERITS (papers);
\set VERBOSITY sqlstate
INSERT INTO child (id, number) VALUES (1, '4242424242424242');
\set VERBOSITY default
DROP TABLE child;
-- a trigger that is off, in a session or in the table: likewise
\set VERBOSITY sqlstate
SET session_replication_role = replica;
INSERT INTO purse (id, number) VALUES (1, '4242424242424242');
RESET session_replication_role;
ALTER TABLE purse DISABLE TRIGGER "000_protect_card";
INSERT INTO purse (id, number) VALUES (1, '4242424242424242');
ALTER TABLE purse ENABLE TRIGGER "000_protect_card";
SET order_payment.restore = on;
INSERT INTO purse (id, number) VALUES (1, '4242424242424242');
RESET order_payment.restore;
\set VERBOSITY default
-- another name does no harm
ALTER TRIGGER "000_protect_card" ON purse RENAME TO "first of all";
INSERT INTO purse (id, number) VALUES (1, '4242424242424242') RETURNING number;
ALTER TRIGGER "first of all" ON purse RENAME TO "000_protect_card";
-- two triggers for two cards in a row; two for the same one
CREATE TABLE pair (id int PRIMARY KEY, old text, old_sealed sealed, young text, young_sealed sealed);
CREATE TRIGGER a BEFORE INSERT OR UPDATE ON pair FOR EACH ROW EXECUTE FUNCTION protect_card('pair', 'number=old', 'key=id');
CREATE TRIGGER b BEFORE INSERT OR UPDATE ON pair FOR EACH ROW EXECUTE FUNCTION protect_card('pair', 'number=young', 'key=id');
INSERT INTO pair (id, old, young) VALUES (1, '4242424242424242', '5555555555554444');
INSERT INTO pair (id, old, young) VALUES (1, '4000000000024242', '5105105100054444') ON CONFLICT (id) DO UPDATE SET old = EXCLUDED.old, young = EXCLUDED.young;
INSERT INTO pair (id, old, young) VALUES (1, '4000000000104242', '5105105100064443') ON CONFLICT (id) DO UPDATE SET old = EXCLUDED.old, young = EXCLUDED.young;
SELECT old, opened(old_sealed, 'pair', id), young, opened(young_sealed, 'pair', id) FROM pair;
CREATE TRIGGER c BEFORE INSERT OR UPDATE ON pair FOR EACH ROW EXECUTE FUNCTION protect_card('pair', 'number=old', 'key=id');
INSERT INTO pair (id, old) VALUES (2, '4242424242424242');
SELECT old, opened(old_sealed, 'pair', id) FROM pair WHERE id = 2;

-- ---------- views, rules, INSTEAD OF ----------

CREATE VIEW my_purse AS SELECT id, number, holder FROM purse WHERE id < 100 WITH CHECK OPTION;
INSERT INTO my_purse VALUES (2, '5555555555554444', 'Ann Lee') RETURNING *;
INSERT INTO my_purse VALUES (2, '5555555555554444', 'Amy Lee') ON CONFLICT (id) DO UPDATE SET holder = EXCLUDED.holder, number = EXCLUDED.number RETURNING *;
UPDATE my_purse SET number = '4000056655665556' WHERE id = 2 RETURNING *;
SELECT * FROM purses;
CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE ON my_purse FOR EACH ROW EXECUTE FUNCTION protect_card('public.purse', 'number=number', 'key=id');
\set VERBOSITY terse
INSERT INTO my_purse VALUES (3, '5555555555554444', 'Ann Lee');
SELECT protect_card_columns('purses', 'number', key => '{id}');
\set VERBOSITY default
DROP VIEW my_purse;
CREATE TABLE copies (LIKE purse);
CREATE RULE copy AS ON UPDATE TO purse DO ALSO INSERT INTO copies SELECT * FROM purse WHERE id = OLD.id;
UPDATE purse SET note = 'ruled' WHERE id = 2;
SELECT id, number, opened(number_sealed, 'public.purse', id) FROM copies;
DROP RULE copy ON purse;

-- ---------- a card does not go from row to row ----------

-- by an upsert of a copied row that meets another one by another key
INSERT INTO purse (id, email, number) VALUES (5, 'mallory@x', NULL), (6, 'm2@x', '5105105100065556');
\set VERBOSITY sqlstate
INSERT INTO purse (id, email, number, number_sealed, fingerprint) SELECT 2, 'mallory@x', number, number_sealed, fingerprint FROM purse WHERE id = 2
ON CONFLICT (email) DO UPDATE SET number = EXCLUDED.number;
INSERT INTO purse (id, email, number, number_sealed, fingerprint) SELECT 2, 'mallory@x', number, number_sealed, fingerprint FROM purse WHERE id = 2
ON CONFLICT (email) DO UPDATE SET number = EXCLUDED.number, number_sealed = EXCLUDED.number_sealed, fingerprint = EXCLUDED.fingerprint;
\set VERBOSITY default
-- the same last four digits: nothing tells them from those that are there, and these stay
INSERT INTO purse (id, email, number, number_sealed, fingerprint) SELECT 2, 'm2@x', number, number_sealed, fingerprint FROM purse WHERE id = 2
ON CONFLICT (email) DO UPDATE SET number = EXCLUDED.number;
SELECT id, email, number_is FROM purses WHERE id IN (5, 6);
-- by an upsert of a copy of the row itself that is old by now
CREATE TABLE stale AS SELECT * FROM purse WHERE id = 6;
UPDATE purse SET number = '4000000000095556' WHERE id = 6;
\set VERBOSITY sqlstate
INSERT INTO purse SELECT * FROM stale ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number, number_sealed = EXCLUDED.number_sealed, fingerprint = EXCLUDED.fingerprint;
\set VERBOSITY default
INSERT INTO purse SELECT * FROM stale ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number, note = 'what the program knows of';
SELECT id, number_is, note FROM purses WHERE id = 6;
UPDATE purse SET number = '5105105100065556' WHERE id = 6;
DROP TABLE stale;
-- by MERGE, whose INSERT proposes a row that is stored; its rows come in the order of n
SET enable_hashjoin = off;
SET enable_mergejoin = off;
MERGE INTO purse p USING (VALUES (1, 50, '5105105100065556'), (2, 6, NULL), (3, 51, '5105105105105100'), (4, 2, '4111111111111111')) AS s (n, id, number) ON p.id = s.id
WHEN MATCHED THEN UPDATE SET number = coalesce(s.number, p.number), note = 'merged'
WHEN NOT MATCHED THEN INSERT (id, number) VALUES (s.id, s.number);
MERGE INTO purse p USING (VALUES (1, 52, '4000000000095556'), (2, 6, NULL), (3, 50, NULL)) AS s (n, id, number) ON p.id = s.id
WHEN MATCHED THEN UPDATE SET number = coalesce(s.number, p.number), note = 'merged again'
WHEN NOT MATCHED THEN INSERT (id, number) VALUES (s.id, s.number);
SELECT id, number_is, note FROM purses WHERE id IN (2, 6, 50, 51, 52);
BEGIN;
INSERT INTO purse (id) VALUES (53);
SAVEPOINT s;
MERGE INTO purse p USING (VALUES (1, 54, '4000000000095556'), (2, 6, NULL)) AS s (n, id, number) ON p.id = s.id
WHEN MATCHED THEN UPDATE SET number = coalesce(s.number, p.number), note = 'merged at a savepoint'
WHEN NOT MATCHED THEN INSERT (id, number) VALUES (s.id, s.number);
COMMIT;
SELECT id, number_is, note FROM purses WHERE id = 6;
-- where rows are not counted nothing tells the one from the other, and neither is taken
SET track_counts = off;
\set VERBOSITY sqlstate
MERGE INTO purse p USING (VALUES (1, 55, '4000000000095556'), (2, 6, NULL)) AS s (n, id, number) ON p.id = s.id
WHEN MATCHED THEN UPDATE SET number = coalesce(s.number, p.number) WHEN NOT MATCHED THEN INSERT (id, number) VALUES (s.id, s.number);
INSERT INTO purse (id, email, number) VALUES (56, 'm2@x', '4000000000095556') ON CONFLICT (email) DO UPDATE SET number = EXCLUDED.number;
\set VERBOSITY default
INSERT INTO purse (id, email, number) VALUES (6, 'm2@x', '5105105100065556') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
INSERT INTO purse (id, email, number) VALUES (56, 'm2@x', '4242424242424242') ON CONFLICT (email) DO UPDATE SET number = EXCLUDED.number;
SELECT id, number_is, note FROM purses WHERE id IN (6, 55, 56);
RESET track_counts;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- by retry_of, from a payment of another order: not even for a moment
SET client_min_messages = error;
SELECT create_store('card_attack');
RESET client_min_messages;
INSERT INTO card_attack.orders (order_id, price) VALUES (1, 5), (2, 5);
INSERT INTO card_attack.payments (order_id, payment_id, gateway, amount, card_number, status, failure_class)
VALUES (1, 'a0000000-0000-4000-8000-000000000000', 'manual', 5, '4242424242424242', 'created', NULL);
UPDATE card_attack.payments SET status = 'failed', failure_class = 'other';
CREATE SEQUENCE seen;
INSERT INTO card_attack.payments (order_id, gateway, amount, card_number, card_number_sealed, card_fingerprint, retry_of, attempt_no)
SELECT 2, 'manual', 5, card_number, card_number_sealed, card_fingerprint, payment_id, 2 FROM card_attack.payments
RETURNING setval('seen', length(card_number_sealed::text));
SELECT is_called AS was_seen FROM seen;
INSERT INTO card_attack.payments (order_id, gateway, amount, card_number, card_number_sealed, card_fingerprint, retry_of, attempt_no)
SELECT 1, 'manual', 5, card_number, card_number_sealed, card_fingerprint, payment_id, 2 FROM card_attack.payments
RETURNING (reveal(card_number_sealed, binding('payments', payment_id)));
SET client_min_messages = error;
DROP SCHEMA card_attack CASCADE;
RESET client_min_messages;
-- by a trigger on a table of one's own, as everybody may make, which would show fingerprints of guessed numbers, too
CREATE ROLE regress_card_attack;
GRANT EXECUTE ON FUNCTION protect_card() TO regress_card_attack;
GRANT SELECT, INSERT, UPDATE ON purse TO regress_card_attack;
SET ROLE regress_card_attack;
CREATE TEMP TABLE mine (LIKE purse, source bigint);
CREATE TRIGGER t BEFORE INSERT OR UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION protect_card('public.purse', 'number=number', 'key=id', 'from=source', 'fingerprint=fingerprint');
INSERT INTO mine (id, number) VALUES (1, '4242424242424242') RETURNING fingerprint;
INSERT INTO mine SELECT 5, email, number, holder, note, number_sealed, holder_sealed, fingerprint, 2 FROM purse WHERE id = 2;
\set VERBOSITY sqlstate
SELECT reveal(number_sealed, binding('public.purse', id)) FROM purse;
SELECT protect_card_columns('purse', 'note', key => '{id}');
\set VERBOSITY default
RESET ROLE;
DROP TABLE mine;
DROP OWNED BY regress_card_attack;
REVOKE EXECUTE ON FUNCTION protect_card() FROM regress_card_attack;
DROP ROLE regress_card_attack;

-- ---------- statements of all kinds ----------

TRUNCATE purse;
BEGIN;
CREATE TABLE fresh (id text PRIMARY KEY, number text);
SELECT protect_card_columns('fresh', 'number', label => 'fresh');
COPY fresh (id, number) FROM stdin WITH (FREEZE);
Übung	4242424242424242
\.
COMMIT;
SELECT id, reveal(number_sealed, binding('fresh', id)) FROM fresh;
-- huge values are refused, and shown nowhere
INSERT INTO purse (id, number) VALUES (1, repeat('4', 1000000));
INSERT INTO purse (id, holder) VALUES (1, repeat('n', 1000000));
INSERT INTO purse (id, number, note) VALUES (1, '4242424242424242', repeat(md5('x'), 100000));
UPDATE purse SET number = repeat('4', 1000000) || note WHERE id = 1;
UPDATE purse SET note = note || 'y', number = '5555555555554444' WHERE id = 1;
SELECT id, number_is, length(note) FROM purses;
\set VERBOSITY sqlstate
INSERT INTO fresh VALUES (repeat('k', 2000), '4242424242424242');
INSERT INTO fresh SELECT string_agg(md5(n::text), ''), '4242424242424242' FROM generate_series(1, 100) n;
\set VERBOSITY default
-- what is prepared outlives changes of table and trigger
PREPARE add(bigint, text) AS INSERT INTO purse (id, number) VALUES ($1, $2);
PREPARE put(bigint, text) AS INSERT INTO purse (id, number) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
EXECUTE add(2, '4242424242424242');
EXECUTE put(2, '4000000000024242');
ALTER TABLE purse ADD COLUMN first int, DROP COLUMN holder CASCADE;
\set VERBOSITY sqlstate
EXECUTE add(3, '4242424242424242');  -- its trigger still names the column
\set VERBOSITY default
ALTER TABLE purse ADD COLUMN holder text;
EXECUTE add(3, '4242424242424242');
EXECUTE put(3, '4000000000024242');
DROP TRIGGER "000_protect_card" ON purse;
\set VERBOSITY sqlstate
EXECUTE put(3, '4000000000104242');
\set VERBOSITY default
CREATE TRIGGER "000_protect_card" BEFORE INSERT OR UPDATE ON purse FOR EACH ROW EXECUTE FUNCTION protect_card('public.purse', 'number=number', 'fingerprint=fingerprint', 'key=id');
EXECUTE put(3, '4000000000104242');
ALTER TABLE purse ALTER COLUMN number TYPE varchar(40);
EXECUTE put(3, '5105105100054444');
SELECT id, opened(number_sealed, 'public.purse', id) FROM purse ORDER BY id;
ALTER TABLE purse ALTER COLUMN number TYPE varchar(10) USING NULL;
EXECUTE put(3, NULL);
\set VERBOSITY sqlstate
EXECUTE put(4, '4242424242424242');
\set VERBOSITY default
ALTER TABLE purse ALTER COLUMN number TYPE text;
SELECT id, number, number_sealed IS NOT NULL AS is_sealed FROM purse ORDER BY id;
DEALLOCATE ALL;
DROP TABLE purse, papers, misfit, long_name, pair, copies, fresh CASCADE;
DROP DOMAIN document, old_document, short_text, secret;
DROP SEQUENCE seen;

CREATE TABLE purse (id bigint PRIMARY KEY, email text UNIQUE, number text, note text, partner bigint);
SELECT protect_card_columns('purse', 'number', fingerprint => 'fingerprint');
CREATE VIEW purses AS SELECT id, number, opened(number_sealed, 'public.purse', id) AS number_is, fingerprint = (card_fingerprints(reveal(number_sealed, binding('public.purse', id))))[1] AS fits, note FROM purse ORDER BY id;
INSERT INTO purse (id, email, number) VALUES (1, 'a', '4242424242424242'), (2, 'b', '5555555555554444'), (3, 'c', '4111111111111111');
-- an upsert that changes nothing; one whose condition looks at masks keeps a card of the same last four, and one at fingerprints does not
INSERT INTO purse (id, number) VALUES (1, '4000000000024242') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number WHERE false;
INSERT INTO purse (id, number) VALUES (1, '4000000000024242') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number WHERE purse.number IS DISTINCT FROM EXCLUDED.number;
SELECT number_is, fits FROM purses WHERE id = 1;
INSERT INTO purse (id, number) VALUES (1, '4000000000024242') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number WHERE purse.fingerprint IS DISTINCT FROM EXCLUDED.fingerprint;
SELECT number_is, fits FROM purses WHERE id = 1;
-- savepoints that are rolled back
BEGIN;
SAVEPOINT s;
INSERT INTO purse (id, number) VALUES (1, '4000000000104242') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
ROLLBACK TO s;
UPDATE purse SET note = 'after' WHERE id = 1;
SAVEPOINT s;
INSERT INTO purse (id, number) VALUES (4, '4000000000104242');
ROLLBACK TO s;
INSERT INTO purse (id, note) VALUES (1, 'put') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note, number = purse.number;
COMMIT;
SELECT number_is, fits, note FROM purses WHERE id = 1;
-- one row of many that is refused
\set VERBOSITY sqlstate
INSERT INTO purse (id, number) VALUES (1, '4242424242424242'), (2, '4242424242424241') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
INSERT INTO purse (id, number) VALUES (1, '4242424242424242'), (1, '4000000000024242') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
\set VERBOSITY default
SELECT number_is FROM purses WHERE id = 1;
-- statements that read what they write
INSERT INTO purse (id, number, number_sealed, fingerprint) SELECT id, number, number_sealed, fingerprint FROM purse
ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number, number_sealed = EXCLUDED.number_sealed, fingerprint = EXCLUDED.fingerprint, note = 'from itself';
UPDATE purse p SET number = p.number, number_sealed = p.number_sealed, partner = q.id FROM purse q WHERE q.id = p.id % 3 + 1;
\set VERBOSITY sqlstate
UPDATE purse p SET number = q.number FROM purse q WHERE q.id = p.id % 3 + 1;
UPDATE purse p SET number = q.number, number_sealed = q.number_sealed, fingerprint = q.fingerprint FROM purse q WHERE q.id = p.id % 3 + 1;
\set VERBOSITY default
WITH moved AS (DELETE FROM purse WHERE id = 3 RETURNING *),
	 again AS (INSERT INTO purse SELECT (moved).* FROM moved RETURNING id)
SELECT count(*) FROM again;
WITH a AS (UPDATE purse SET number = '5105105100054444' WHERE id = 2 RETURNING id, number),
	 b AS (INSERT INTO purse (id, number) SELECT id + 100, '4000000000084444' FROM a RETURNING id),
	 c AS (UPDATE purse SET note = 'c', number = number WHERE id = 1 RETURNING id)
SELECT count(*) FROM a, b, c;
SELECT id, number_is, fits, note FROM purses;
SELECT DISTINCT opened(number_sealed, 'public.purse', id) <> 'shut' AS opens FROM purse;
