-- protect_card(): what a statement writes into the card columns of a table, and what is stored. Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SET order_payment.allow_unguarded = on;
SET order_payment.reveal_budget = -1;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
RESET client_min_messages;
SET search_path = public, order_payment;

CREATE TABLE wallet (id bigint PRIMARY KEY, email text UNIQUE, number text, holder varchar(40), expiry text, note text);
SELECT protect_card_columns('wallet', 'number', 'holder', 'expiry', 'fingerprint');
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'wallet'::regclass;
-- what is stored, opened
CREATE VIEW opened AS
SELECT w.id, w.number, reveal(w.number_sealed, b) AS number_is, w.holder, reveal(w.holder_sealed, b) AS holder_is, w.expiry,
	   reveal(w.expiry_sealed, b) AS expiry_is, w.fingerprint = (card_fingerprints(reveal(w.number_sealed, b)))[1] AS fingerprint_fits, w.note
FROM wallet w, binding('public.wallet', w.id) b ORDER BY w.id;

INSERT INTO wallet (id, number, holder, expiry) VALUES (1, '4111 1111 1111 1111', 'Ann Lee', '12/27'), (2, '378282246310005', NULL, NULL), (3, NULL, NULL, NULL)
RETURNING id, number, holder, expiry, number_sealed IS NOT NULL AS number_sealed, holder_sealed IS NOT NULL AS holder_sealed;
SELECT * FROM opened;
COPY wallet (id, number, holder) FROM stdin;
4	5555555555554444	Bob
5	6222020200112233445	李雷
\.
SELECT id, number_is, holder, holder_is, fingerprint_fits FROM opened WHERE id > 3;

-- ---------- UPDATE ----------

-- another column: the card stays as it is, to the byte
CREATE TEMP TABLE before AS TABLE wallet;
UPDATE wallet SET note = 'seen';
SELECT count(*) AS same FROM wallet w JOIN before b USING (id)
WHERE (w.number_sealed::text, w.holder_sealed::text, w.expiry_sealed::text, w.fingerprint, w.number, w.holder, w.expiry)
	  IS NOT DISTINCT FROM (b.number_sealed::text, b.holder_sealed::text, b.expiry_sealed::text, b.fingerprint, b.number, b.holder, b.expiry);
-- every column, as some programs write all of a row back
UPDATE wallet w SET (email, number, holder, expiry, note, number_sealed, holder_sealed, expiry_sealed, fingerprint)
	= (SELECT b.email, b.number, b.holder, b.expiry, 'all', b.number_sealed, b.holder_sealed, b.expiry_sealed, b.fingerprint FROM before b WHERE b.id = w.id);
SELECT count(*) AS same FROM wallet w JOIN before b USING (id) WHERE w.number_sealed::text IS NOT DISTINCT FROM b.number_sealed::text AND w.note = 'all';
-- another card; its holder and expiry are columns of their own
UPDATE wallet SET number = '4000000000000000006' WHERE id = 1;
UPDATE wallet SET holder = 'Ann B. Lee', expiry = '01/30' WHERE id = 1;
-- with the same last four digits
UPDATE wallet SET number = '4012888888881881' WHERE id = 2;
UPDATE wallet SET number = '5105105105105100' WHERE id = 4;
SELECT * FROM opened WHERE id IN (1, 2, 4);
-- none
UPDATE wallet SET number = NULL WHERE id = 4;
SELECT id, number, number_sealed, fingerprint, holder FROM wallet WHERE id = 4;
UPDATE wallet SET holder = NULL WHERE id = 4;
SELECT id, holder, holder_sealed FROM wallet WHERE id = 4;

-- ---------- what is refused ----------

\set VERBOSITY default
\set SHOW_CONTEXT never
UPDATE wallet SET number = '************0000' WHERE id = 1;
INSERT INTO wallet (id, number) VALUES (10, '************4242');
\set VERBOSITY sqlstate
INSERT INTO wallet (id, holder) VALUES (10, 'J***');
INSERT INTO wallet (id, expiry) VALUES (10, '**/**');
UPDATE wallet SET holder = 'J***' WHERE id = 1;
UPDATE wallet SET number = '4111111111111112' WHERE id = 1;
UPDATE wallet SET number = '' WHERE id = 1;
UPDATE wallet SET number = 'ops1.' WHERE id = 1;
UPDATE wallet SET expiry = '13/30' WHERE id = 1;
-- the twins and the fingerprint are nobody's to write
UPDATE wallet SET number_sealed = NULL WHERE id = 1;
UPDATE wallet SET number_sealed = (SELECT number_sealed FROM wallet WHERE id = 2) WHERE id = 1;
UPDATE wallet SET number_sealed = seal('4111111111111111', 'number', binding('public.wallet', 1)) WHERE id = 1;
UPDATE wallet SET fingerprint = NULL WHERE id = 1;
UPDATE wallet SET fingerprint = (SELECT fingerprint FROM wallet WHERE id = 2) WHERE id = 1;
UPDATE wallet SET (number, number_sealed) = (SELECT number, number_sealed FROM wallet WHERE id = 2) WHERE id = 1;
UPDATE wallet SET (number, number_sealed) = (SELECT NULL, number_sealed FROM wallet WHERE id = 2) WHERE id = 1;
INSERT INTO wallet (id, number_sealed) SELECT 10, number_sealed FROM wallet WHERE id = 1;
INSERT INTO wallet (id, number, number_sealed) SELECT 10, '4111111111111111', number_sealed FROM wallet WHERE id = 1;
INSERT INTO wallet (id, fingerprint) SELECT 10, fingerprint FROM wallet WHERE id = 1;
INSERT INTO wallet (id, number, number_sealed, fingerprint) SELECT 10, number, number_sealed, 'short' FROM wallet WHERE id = 1;
INSERT INTO wallet (id, number, number_sealed) SELECT 10, number, holder_sealed FROM wallet WHERE id = 1;
-- the key
UPDATE wallet SET id = 11 WHERE id = 1;
INSERT INTO wallet (number) VALUES ('4111111111111111');
\set VERBOSITY default
SELECT * FROM opened WHERE id = 1;
UPDATE wallet SET id = 30 WHERE id = 3 RETURNING id;  -- no card, no matter

-- a copied row is taken by its form, as a dump's is, and does not open
BEGIN;
INSERT INTO wallet (id, number, number_sealed, fingerprint) SELECT 12, number, number_sealed, fingerprint FROM wallet WHERE id = 1;
\set VERBOSITY sqlstate
SELECT reveal(number_sealed, binding('public.wallet', id)) FROM wallet WHERE id = 12;
\set VERBOSITY default
ROLLBACK;

-- ---------- upserts, as ORMs write them ----------

-- the card of the same last four digits, too
INSERT INTO wallet (id, number, holder, expiry) VALUES (1, '4000000000000000006', 'Ann', '02/31'), (6, '4111111111111111', 'Cyd', '03/31')
ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number, holder = EXCLUDED.holder, expiry = EXCLUDED.expiry;
SELECT id, number_is, holder_is, expiry_is, fingerprint_fits FROM opened WHERE id IN (1, 6);
INSERT INTO wallet (id, number) VALUES (6, '4000000000001117'), (2, '4111111111111111') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
INSERT INTO wallet (id, number) VALUES (6, '4000000000001117') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
INSERT INTO wallet (id, number) VALUES (6, '5555555555554444') ON CONFLICT (id) DO NOTHING;
SELECT id, number, number_is, fingerprint_fits FROM opened WHERE id IN (2, 6);
-- neither the proposed card nor the one that is there; the one that is there
INSERT INTO wallet (id, number) VALUES (6, '5555555555554444') ON CONFLICT (id) DO UPDATE SET number = '4111111111111111' RETURNING number;
SELECT number_is, fingerprint_fits FROM opened WHERE id = 6;
INSERT INTO wallet (id, number) VALUES (6, '5555555555554444') ON CONFLICT (id) DO UPDATE SET number = wallet.number;
SELECT number_is, fingerprint_fits FROM opened WHERE id = 6;
-- all columns named
INSERT INTO wallet (id, email, number, holder, expiry, note, number_sealed, holder_sealed, expiry_sealed, fingerprint)
VALUES (6, 'a@b.c', '4242424242424242', 'Eve', '04/32', 'x', NULL, NULL, NULL, NULL)
ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email, number = EXCLUDED.number, holder = EXCLUDED.holder, expiry = EXCLUDED.expiry, note = EXCLUDED.note,
	number_sealed = EXCLUDED.number_sealed, holder_sealed = EXCLUDED.holder_sealed, expiry_sealed = EXCLUDED.expiry_sealed, fingerprint = EXCLUDED.fingerprint;
SELECT * FROM opened WHERE id = 6;
-- a conflict on another key: the row that is there has a key of its own
INSERT INTO wallet (id, email, number) VALUES (7, 'a@b.c', '4000056655665556') ON CONFLICT (email) DO UPDATE SET number = EXCLUDED.number;
INSERT INTO wallet (id, email, number) VALUES (8, 'a@b.c', '5105105104105556') ON CONFLICT (email) DO UPDATE SET number = EXCLUDED.number;
SELECT id, number, number_is, fingerprint_fits FROM opened WHERE id IN (6, 7, 8);
-- the card is not in the SET list: it stays
INSERT INTO wallet (id, number, note) VALUES (6, '4111111111145556', 'other') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note;
-- nor is there one in the proposed row
INSERT INTO wallet (id, note) VALUES (6, 'none') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note, number = coalesce(EXCLUDED.number, wallet.number);
SELECT id, number_is, note FROM opened WHERE id = 6;
INSERT INTO wallet (id) VALUES (6) ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
SELECT id, number, number_sealed, fingerprint FROM wallet WHERE id = 6;
-- a proposed row of the same command leaves other rows alone
WITH i AS (INSERT INTO wallet (id, number) VALUES (9, '4000000000000000006') RETURNING 1)
UPDATE wallet SET note = 'beside' WHERE id = 1;
SELECT id, number_is, holder_is FROM opened WHERE id IN (1, 9);
-- a trigger of users that proposes rows of another table between the two
CREATE TABLE other (id int PRIMARY KEY, number text);
SELECT protect_card_columns('other', 'number');
CREATE FUNCTION beside() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO other VALUES (NEW.id, '5555555555554444') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
	RETURN NEW;
END $$;
CREATE TRIGGER "500_beside" BEFORE INSERT ON wallet FOR EACH ROW EXECUTE FUNCTION beside();
INSERT INTO wallet (id, number) VALUES (9, '4000000000000010005') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
INSERT INTO wallet (id, number) VALUES (9, '5555555553550006') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
SELECT id, number_is, fingerprint_fits FROM opened WHERE id = 9;
DROP TRIGGER "500_beside" ON wallet;
MERGE INTO wallet w USING (VALUES (9, '4111111111111111'), (13, '4242424242424242')) AS s (id, number) ON w.id = s.id
WHEN MATCHED THEN UPDATE SET number = s.number WHEN NOT MATCHED THEN INSERT (id, number) VALUES (s.id, s.number);
SELECT id, number_is, fingerprint_fits FROM opened WHERE id IN (9, 13);

-- ---------- later triggers, tables of all kinds ----------

CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'a later trigger sees %', NEW.number;
	RETURN NEW;
END $$;
CREATE TRIGGER tell BEFORE INSERT OR UPDATE ON wallet FOR EACH ROW EXECUTE FUNCTION tell();
INSERT INTO wallet (id, number) VALUES (14, '4242424242424242');
DROP TRIGGER tell ON wallet;
-- a trigger that puts clear text behind it meets the CHECK
CREATE FUNCTION leak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.number := '4242424242424242'; RETURN NEW; END $$;
CREATE TRIGGER leak BEFORE INSERT ON wallet FOR EACH ROW EXECUTE FUNCTION leak();
\set VERBOSITY sqlstate
INSERT INTO wallet (id, number) VALUES (15, '4242424242424242');
\set VERBOSITY default
DROP TRIGGER leak ON wallet;

-- partitions: a row that moves takes its card along, also a forgotten one
CREATE TABLE parted (part int, id uuid, number text, holder text, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 (holder text, id uuid NOT NULL, number text, part int NOT NULL);
SELECT protect_card_columns('parted', 'number', 'holder', fingerprint => 'fp', key => '{id}', label => 'parted');
ALTER TABLE parted_2 ADD COLUMN fp bytea, ADD COLUMN holder_sealed sealed, ADD COLUMN number_sealed sealed,
	ADD CONSTRAINT number_is_masked CHECK (is_card_mask(number));
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
INSERT INTO parted (part, id, number, holder) VALUES (1, 'a0000000-0000-4000-8000-000000000000', '4242424242424242', 'Zoe');
UPDATE parted SET part = 2;
INSERT INTO parted (part, id, number) VALUES (2, 'a0000000-0000-4000-8000-000000000000', '4000000002004242')
ON CONFLICT (part, id) DO UPDATE SET number = EXCLUDED.number;
UPDATE parted SET part = 1;
SELECT tableoid::regclass, part, number, reveal(number_sealed, binding('parted', id)), reveal(holder_sealed, binding('parted', id)) FROM parted;

-- rows that were there before: sealed by writing them anew
CREATE TABLE late (id int PRIMARY KEY, number text);
INSERT INTO late VALUES (1, '4242424242424242'), (2, NULL), (3, '4111 1111 1111 1111');
SELECT protect_card_columns('late', 'number', label => 'late');
UPDATE late SET number = number;
ALTER TABLE late VALIDATE CONSTRAINT number_is_masked;
SELECT id, number, reveal(number_sealed, binding('late', id)) FROM late ORDER BY id;

-- a forgotten one too: its bare mask is known by the row that leaves
SET order_payment.restore = on;
UPDATE parted SET number_sealed = NULL, fp = NULL;
RESET order_payment.restore;
UPDATE parted SET part = 2;
SELECT tableoid::regclass, part, number, number_sealed, reveal(holder_sealed, binding('parted', id)) FROM parted;
\set VERBOSITY sqlstate
INSERT INTO parted (part, id, number) VALUES (1, 'b0000000-0000-4000-8000-000000000000', '************4242');
\set VERBOSITY default

-- restore: rows pass as they are
SET order_payment.restore = on;
INSERT INTO wallet (id, number, holder) VALUES (20, '************1111', 'X***');
RESET order_payment.restore;
SELECT id, number, number_sealed FROM wallet WHERE id = 20;
UPDATE wallet SET note = 'still forgotten' WHERE id = 20;
UPDATE wallet SET number = '4111111111111111' WHERE id = 20;
SELECT id, number_is, holder, holder_is FROM opened WHERE id = 20;

-- ---------- old cards are forgotten, and no others: not those of rows that a trigger of the old ones updates ----------

CREATE TABLE purse (id int PRIMARY KEY, number text, at timestamptz, touched int DEFAULT 0);
SELECT protect_card_columns('purse', 'number');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		UPDATE public.purse SET touched = touched + 1 WHERE id <> NEW.id;
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER touch AFTER UPDATE ON purse FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO purse (id, number, at) VALUES (1, '4242424242424242', '2020-01-01'), (2, '4111111111111111', '2030-01-01');
SELECT forget_cards_in('purse', 'at', '2025-01-01');
SELECT id, number, number_sealed IS NOT NULL AS has_card, touched FROM purse ORDER BY id;
DROP TABLE purse;
DROP FUNCTION touch();

-- ---------- tables that cannot be protected ----------

CREATE TABLE bad (id int PRIMARY KEY, number text, at timestamptz, small varchar(10), cvv text);
\set VERBOSITY terse
SELECT protect_card_columns('bad', 'number');
ALTER TABLE bad DROP cvv;
SELECT protect_card_columns('bad', 'number');
ALTER TABLE bad ADD "Card-Verification_Code" text;
INSERT INTO bad (id, number) VALUES (1, '4242424242424242');
ALTER TABLE bad DROP "Card-Verification_Code";
INSERT INTO bad (id, number) VALUES (1, '4242424242424242');
SELECT protect_card_columns('bad', 'number');  -- is so already
DROP TRIGGER "000_protect_card" ON bad;
CREATE FUNCTION pg_temp.try(arguments text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE OR REPLACE TRIGGER t BEFORE INSERT ON bad FOR EACH ROW EXECUTE FUNCTION order_payment.protect_card(%s)', arguments);
	INSERT INTO bad (id, number) VALUES (2, '4242424242424242');
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '% %', sqlstate, sqlerrm;
END $$;
SELECT pg_temp.try(a) FROM (VALUES (''), ($$'label'$$), ($$'label', 'number=number'$$), ($$'label', 'key=id'$$), ($$'number=number', 'key=id'$$),
	($$'label', 'number=none', 'key=id'$$), ($$'label', 'number=number', 'key=none'$$), ($$'label', 'number=number', 'key=at'$$),
	($$'label', 'number=small', 'key=id'$$), ($$'label', 'number=at', 'key=id'$$), ($$'label', 'number=number', 'key=id', 'fingerprint=id'$$),
	($$'label', 'number=number', 'key=id', 'from=at'$$), ($$'label', 'number=number', 'key=id', 'what=ever'$$),
	($$'label', 'number=number', 'key=id', 'key=id', 'key=id', 'key=id', 'key=id'$$)) AS v (a);
SELECT protect_card();
CREATE OR REPLACE TRIGGER t AFTER INSERT ON bad FOR EACH ROW EXECUTE FUNCTION protect_card('label', 'number=number', 'key=id');
INSERT INTO bad (id, number) VALUES (3, '************4242');
DROP TRIGGER t ON bad;
CREATE TABLE keyless (number text);
SELECT protect_card_columns('keyless', 'number');
SELECT protect_card_columns(NULL, 'number');
SELECT protect_card_columns('keyless', 'none', key => '{number}');
\set VERBOSITY default

-- comparing and finding
SELECT same_card(a.fingerprint, b.fingerprint), count(*) FROM wallet a, wallet b GROUP BY 1 ORDER BY 1;
SELECT same_card('x', 'y');
SELECT id FROM wallet WHERE fingerprint = ANY ((SELECT card_fingerprints('4242-4242-4242-4242'))::bytea[]) ORDER BY id;
SELECT is_card_mask('************4242'), is_card_mask('4242424242424242'), is_card_mask('***********4242'), is_card_mask('*************424'), is_card_mask(NULL);

DROP TABLE wallet, other, parted, late, bad, keyless CASCADE;
DROP FUNCTION beside, tell, leak;
