-- transition: no statement of any kind moves a row against its graph
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
CREATE SCHEMA transition_test;
SET search_path = transition_test, order_payment, public;
\set SHOW_CONTEXT never

-- The default graphs, written out apart from the library; from_label null: birth.
CREATE TABLE edge (graph text, from_label text, to_label text);
INSERT INTO edge SELECT graph, from_label, unnest(to_labels) FROM (VALUES
  ('order', NULL, '{pending}'::text[]),
  ('order', 'pending', '{authorized,paid,cancelled,expired}'),
  ('order', 'authorized', '{pending,paid,shipped,cancelled}'),
  ('order', 'paid', '{shipped,completed,cancelled,refunded}'),
  ('order', 'shipped', '{completed,cancelled,refunded}'),
  ('order', 'completed', '{refunded}'),
  ('payment', NULL, '{created,processing,requires_action,authorized,succeeded}'),
  ('payment', 'created', '{processing,requires_action,authorized,succeeded,failed,revoked}'),
  ('payment', 'processing', '{requires_action,unknown,authorized,succeeded,failed,revoked}'),
  ('payment', 'requires_action', '{processing,unknown,authorized,succeeded,failed,revoked}'),
  ('payment', 'unknown', '{processing,requires_action,authorized,succeeded,failed,revoked}'),
  ('payment', 'authorized', '{succeeded,revoked}'),
  ('payment', 'failed', '{authorized,succeeded}'),
  ('payment', 'revoked', '{authorized,succeeded}'),
  ('operation', NULL, '{requested,processing,succeeded}'),
  ('operation', 'requested', '{processing,succeeded,failed,unknown,cancelled}'),
  ('operation', 'processing', '{succeeded,failed,unknown,cancelled}'),
  ('operation', 'unknown', '{processing,succeeded,failed}'),
  ('operation', 'failed', '{processing,succeeded}'),
  ('operation', 'cancelled', '{succeeded}'),
  ('operation', 'succeeded', '{reversed}')) AS e (graph, from_label, to_labels);

-- a table of every type that can hold a status, plain and partitioned
CREATE TYPE order_enum AS ENUM ('refunded', 'expired', 'cancelled', 'pending', 'authorized', 'paid', 'shipped', 'completed');
CREATE DOMAIN order_domain AS order_status CHECK (VALUE IS NOT NULL OR true);
CREATE DOMAIN payment_domain AS payment_status;
CREATE DOMAIN enum_domain AS order_enum;
CREATE DOMAIN text_domain AS text;
CREATE DOMAIN varchar_domain AS varchar(20) NOT NULL;
CREATE DOMAIN domain_domain AS order_domain;
CREATE TABLE kind (type text PRIMARY KEY, graph text);
INSERT INTO kind VALUES ('order_status', 'order'), ('payment_status', 'payment'), ('operation_status', 'operation'),
  ('order_enum', 'order'), ('text', 'order'), ('varchar', 'order'), ('order_domain', 'order'), ('payment_domain', 'payment'),
  ('enum_domain', 'order'), ('text_domain', 'order'), ('varchar_domain', 'order'), ('domain_domain', 'order');
DO $$
DECLARE k record;
BEGIN
  FOR k IN SELECT * FROM kind LOOP
    EXECUTE format('CREATE TABLE plain_%1$s (id integer PRIMARY KEY, status %1$s, part integer DEFAULT 1)', k.type);
    EXECUTE format('CREATE TABLE parted_%1$s (id integer, status %1$s, part integer DEFAULT 1) PARTITION BY LIST (part)', k.type);
    EXECUTE format('CREATE TABLE parted_%1$s_1 PARTITION OF parted_%1$s FOR VALUES IN (1)', k.type);
    -- the other partition has its columns in another order, and a dropped one
    EXECUTE format('CREATE TABLE parted_%1$s_2 (gone integer, part integer DEFAULT 1, status %1$s, id integer)', k.type);
    EXECUTE format('ALTER TABLE parted_%1$s_2 DROP COLUMN gone', k.type);
    EXECUTE format('ALTER TABLE parted_%1$s ATTACH PARTITION parted_%1$s_2 FOR VALUES IN (2)', k.type);
    PERFORM guard_column(format('%s_%s', shape, k.type)::regclass, 'status',
                         CASE WHEN k.type ~ 'enum|text|varchar' THEN default_graph('order_status') END)
    FROM unnest('{plain,parted}'::text[]) AS shape;
  END LOOP;
END $$;
SELECT guard_column('plain_text', 'status');

-- one case: 'allowed' (and stored), 'refused' (OP001), else what happened; leaves nothing behind
CREATE FUNCTION attempt(path text, type text, from_label text, to_label text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  stored text;
  t text := CASE WHEN path ~ 'move' THEN 'parted_' ELSE 'plain_' END || type;
  query text := CASE path
    WHEN 'UPDATE' THEN 'UPDATE %1$s SET status = %2$L WHERE id = 1'
    WHEN 'UPDATE FROM' THEN 'UPDATE %1$s SET status = v.s::%3$s FROM (VALUES (1, %2$L)) AS v (id, s) WHERE %1$s.id = v.id'
    WHEN 'CURRENT OF' THEN 'UPDATE %1$s SET status = %2$L WHERE CURRENT OF c'
    WHEN 'CTE' THEN 'WITH w AS (UPDATE %1$s SET status = %2$L WHERE id = 1 RETURNING *) SELECT count(*) FROM w'
    WHEN 'ON CONFLICT' THEN 'INSERT INTO %1$s VALUES (1, %2$L) ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status'
    WHEN 'MERGE' THEN 'MERGE INTO %1$s AS m USING (VALUES (1)) AS v (id) ON m.id = v.id WHEN MATCHED THEN UPDATE SET status = %2$L WHEN NOT MATCHED THEN INSERT VALUES (v.id, %2$L)'
    WHEN 'move' THEN 'UPDATE %1$s SET status = %2$L, part = 2 WHERE id = 1'
    WHEN 'move by MERGE' THEN 'MERGE INTO %1$s AS m USING (VALUES (1)) AS v (id) ON m.id = v.id WHEN MATCHED THEN UPDATE SET part = 2, status = %2$L'
    WHEN 'INSERT' THEN 'INSERT INTO %1$s VALUES (1, %2$L)'
    WHEN 'INSERT SELECT' THEN 'INSERT INTO %1$s SELECT 1, %2$L'
    WHEN 'COPY' THEN 'COPY %1$s (id, status) FROM PROGRAM ''echo 1,%2$s'' (FORMAT csv)'
    WHEN 'CTE INSERT' THEN 'WITH w AS (INSERT INTO %1$s VALUES (1, %2$L) RETURNING *) SELECT count(*) FROM w'
    WHEN 'birth in a partition (move)' THEN 'INSERT INTO %1$s VALUES (1, %2$L, 2)' END;
  c refcursor := 'c';
BEGIN
  IF from_label IS NOT NULL THEN
    PERFORM set_config('order_payment.restore', 'on', true);
    EXECUTE format('INSERT INTO %s VALUES (1, %L)', t, from_label);
    PERFORM set_config('order_payment.restore', 'off', true);
  END IF;
  IF path = 'CURRENT OF' THEN
    OPEN c FOR EXECUTE format('SELECT * FROM %s FOR UPDATE', t);
    MOVE NEXT FROM c;
  END IF;
  EXECUTE format(query, t, to_label, type);
  EXECUTE format('SELECT status::text FROM %s WHERE id = 1 AND part = %s', t, CASE WHEN path ~ 'move' THEN 2 ELSE 1 END) INTO stored;
  RAISE EXCEPTION USING ERRCODE = 'ZZZZZ', MESSAGE = CASE WHEN stored = to_label THEN 'allowed' ELSE 'not stored' END;
EXCEPTION WHEN OTHERS THEN
  RETURN CASE SQLSTATE WHEN 'ZZZZZ' THEN SQLERRM WHEN 'OP001' THEN 'refused' ELSE SQLSTATE || ' ' || SQLERRM END;
END $$;

-- the full matrix: 12 types, all states to all states (some paths for three types only)
CREATE TABLE matrix AS
WITH label AS (SELECT DISTINCT graph, to_label AS label FROM edge UNION SELECT graph, from_label FROM edge WHERE from_label IS NOT NULL)
SELECT k.type, path, f.label AS from_label, t.label AS to_label,
       CASE WHEN f.label = t.label OR EXISTS (SELECT FROM edge e WHERE e.graph = k.graph AND e.from_label = f.label AND e.to_label = t.label)
            THEN 'allowed' ELSE 'refused' END AS expected,
       attempt(path, k.type, f.label, t.label) AS found
FROM kind k JOIN label f USING (graph) JOIN label t USING (graph),
     unnest('{UPDATE,UPDATE FROM,CURRENT OF,CTE,ON CONFLICT,MERGE,move,move by MERGE}'::text[]) AS path
WHERE k.type IN ('order_status', 'order_enum', 'text') OR path NOT IN ('UPDATE FROM', 'CURRENT OF', 'INSERT SELECT', 'CTE INSERT')
UNION ALL
SELECT k.type, path, NULL, t.label,
       CASE WHEN EXISTS (SELECT FROM edge e WHERE e.graph = k.graph AND e.from_label IS NULL AND e.to_label = t.label) THEN 'allowed' ELSE 'refused' END,
       attempt(path, k.type, NULL, t.label)
FROM kind k JOIN label t USING (graph),
     unnest('{INSERT,INSERT SELECT,COPY,CTE INSERT,ON CONFLICT,MERGE,birth in a partition (move)}'::text[]) AS path
WHERE k.type IN ('order_status', 'order_enum', 'text') OR path NOT IN ('UPDATE FROM', 'CURRENT OF', 'INSERT SELECT', 'CTE INSERT');
SELECT path, from_label IS NULL AS birth, count(*) AS cases, count(*) FILTER (WHERE found = 'allowed') AS allowed,
       count(*) FILTER (WHERE found = 'refused') AS refused, count(*) FILTER (WHERE found <> expected) AS mismatches
FROM matrix GROUP BY 1, 2 ORDER BY 2, 1;
SELECT * FROM matrix WHERE found <> expected ORDER BY 1, 2, 3, 4 LIMIT 5;
SELECT count(*) AS left_behind FROM plain_order_status;

-- the refusal in full: birth, move, final state
CREATE TABLE t (order_id bigint, line integer, status order_status, note text, PRIMARY KEY (order_id, line));
SELECT guard_column('t', 'status');
INSERT INTO t VALUES (42, 1, 'paid');
INSERT INTO t VALUES (42, 1, 'pending'), (43, 1, 'pending'), (44, 1, 'pending');
UPDATE t SET status = 'completed' WHERE order_id = 42;
UPDATE t SET status = 'expired' WHERE order_id = 43;
UPDATE t SET status = 'pending' WHERE order_id = 43;
UPDATE t SET status = NULL WHERE order_id = 42;
INSERT INTO t VALUES (45, 1, NULL);
INSERT INTO t (order_id, line) VALUES (45, 1);
\set VERBOSITY sqlstate
UPDATE t SET status = NULL WHERE order_id = 42;
UPDATE t SET status = 'refunded' WHERE order_id = 42;
\set VERBOSITY default
-- programs find table and column in the error
DO $$
DECLARE s text; t text; c text;
BEGIN
  UPDATE transition_test.t SET status = 'completed' WHERE order_id = 42;
EXCEPTION WHEN SQLSTATE 'OP001' THEN
  GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = COLUMN_NAME;
  RAISE NOTICE '% % %', s, t, c;
END $$;
-- a role that may not read the key does not see it in the error
CREATE ROLE regress_op_writer;
GRANT USAGE ON SCHEMA transition_test TO regress_op_writer;
GRANT INSERT, UPDATE (status, note), SELECT (note) ON t TO regress_op_writer;
SET ROLE regress_op_writer;
UPDATE t SET status = 'completed' WHERE note IS NULL;
RESET ROLE;

-- to stay is a no-op, with a final state too
WITH w AS (UPDATE t SET status = status, note = 'x' RETURNING order_id, status) SELECT * FROM w ORDER BY 1;
-- all or nothing: one illegal row refuses the statement
\set VERBOSITY terse
INSERT INTO t VALUES (50, 1, 'pending'), (51, 1, 'shipped'), (52, 1, 'pending');
UPDATE t SET status = 'paid';
INSERT INTO t SELECT g, 1, CASE g WHEN 55 THEN 'paid' ELSE 'pending' END::order_status FROM generate_series(50, 60) AS g;
COPY t (order_id, line, status) FROM stdin;
50	1	pending
51	1	refunded
\.
\set VERBOSITY default
SELECT order_id, status FROM t ORDER BY 1;
COPY t (order_id, line, status) FROM stdin;
50	1	pending
51	1	pending
\.
-- the row that is not born need not be fit to be born
INSERT INTO t VALUES (50, 1, 'paid') ON CONFLICT (order_id, line) DO UPDATE SET status = EXCLUDED.status RETURNING status;
INSERT INTO t VALUES (50, 1, 'refunded') ON CONFLICT DO NOTHING RETURNING status;
INSERT INTO t VALUES (50, 1, 'refunded') ON CONFLICT (order_id, line) DO UPDATE SET note = 'seen' RETURNING status, note;
INSERT INTO t VALUES (51, 1, 'pending') ON CONFLICT (order_id, line) DO UPDATE SET status = 'cancelled' RETURNING status;
\set VERBOSITY terse
INSERT INTO t VALUES (99, 1, 'refunded') ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (50, 1, 'pending') ON CONFLICT (order_id, line) DO UPDATE SET status = EXCLUDED.status;
MERGE INTO t USING (VALUES (50), (60)) AS v (id) ON t.order_id = v.id
WHEN MATCHED THEN UPDATE SET status = 'shipped' WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, 'shipped');
\set VERBOSITY default
MERGE INTO t USING (VALUES (50), (60)) AS v (id) ON t.order_id = v.id
WHEN MATCHED THEN UPDATE SET status = 'shipped' WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, 'pending');
-- two changes of one row in one statement: the second one finds nothing to do, or the statement fails
WITH a AS (UPDATE t SET status = 'paid' WHERE order_id = 60 RETURNING status), b AS (UPDATE t SET status = 'refunded' WHERE order_id = 60 RETURNING status)
SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b) AS changed;
SELECT order_id, status FROM t ORDER BY 1;
-- savepoints
BEGIN;
SAVEPOINT s;
\set VERBOSITY terse
UPDATE t SET status = 'refunded' WHERE order_id = 42;
\set VERBOSITY default
ROLLBACK TO s;
UPDATE t SET status = 'paid' WHERE order_id = 42;
UPDATE t SET status = 'refunded' WHERE order_id = 42;
COMMIT;
SELECT status FROM t WHERE order_id = 42;
-- through a view
CREATE VIEW v AS SELECT order_id, line, status FROM t WHERE status <> 'expired' WITH CHECK OPTION;
\set VERBOSITY terse
INSERT INTO v VALUES (70, 1, 'paid');
UPDATE v SET status = 'refunded' WHERE order_id = 44;
\set VERBOSITY default

-- guard_column: refusals, and what it makes
CREATE TABLE g (id integer, status text, n integer, gen text GENERATED ALWAYS AS ('x') STORED);
SELECT guard_column('g', 'nothing', 'a; a: b');
SELECT guard_column('g', 'n', 'a; a: b');
SELECT guard_column('g', 'status');
SELECT guard_column('g', 'status', '');
SELECT guard_column('g', 'status', 'a; a: b b');
SELECT guard_column('v', 'status');
SELECT guard_column(NULL, 'status');
SELECT guard_column('g', 'status', 'a; a: b');
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'g'::regclass ORDER BY tgname;
-- called again it replaces
INSERT INTO g VALUES (1, 'a');
SELECT guard_column('g', 'status', 'a c; a: c');
UPDATE g SET status = 'b';
UPDATE g SET status = 'c';
INSERT INTO g VALUES (2, 'c');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'g'::regclass;
-- only the owner may
SET ROLE regress_op_writer;
\set VERBOSITY terse
SELECT order_payment.guard_column('t', 'status', 'pending');
\set VERBOSITY default
RESET ROLE;
-- two guards on one table do not mind each other
CREATE TABLE two (id integer, a text, b text, part integer DEFAULT 1, y_at timestamptz) PARTITION BY LIST (part);
CREATE TABLE two_1 PARTITION OF two FOR VALUES IN (1);
CREATE TABLE two_2 PARTITION OF two FOR VALUES IN (2);
SELECT guard_column('two', 'a', 'x; x: y', true), guard_column('two', 'b', 'm; m: n', true);
INSERT INTO two VALUES (1, 'x', 'm');
\set VERBOSITY terse
UPDATE two SET a = 'y', b = 'z';
UPDATE two SET a = 'z', b = 'n', part = 2;
UPDATE two SET a = 'y', b = 'z', part = 2;
INSERT INTO two VALUES (2, 'x', 'n');
\set VERBOSITY default
UPDATE two SET a = 'y', b = 'n', part = 2 RETURNING id, a, b, part, y_at IS NOT NULL AS stamped;
SELECT a, b, part, y_at IS NOT NULL AS stamped FROM two;

-- names
CREATE TABLE "a""b Ünï.x'; drop" ("Stat""us '$1" text, "éééééééééééééééééééééééééééééé" order_status, key text PRIMARY KEY);
SELECT guard_column('"a""b Ünï.x''; drop"', 'Stat"us ''$1', '"it''s" "a\b"; "it''s": "q""uo;te:d"'),
       guard_column('"a""b Ünï.x''; drop"', 'éééééééééééééééééééééééééééééé');
INSERT INTO "a""b Ünï.x'; drop" VALUES ('it''s', 'pending', E'k"1\n');
UPDATE "a""b Ünï.x'; drop" SET "Stat""us '$1" = 'a\b';
UPDATE "a""b Ünï.x'; drop" SET "éééééééééééééééééééééééééééééé" = 'shipped';
UPDATE "a""b Ünï.x'; drop" SET "Stat""us '$1" = 'q"uo;te:d', "éééééééééééééééééééééééééééééé" = 'paid' RETURNING *;
SELECT max(octet_length(tgname)) FROM pg_trigger WHERE tgrelid = '"a""b Ünï.x''; drop"'::regclass;

-- triggers of the user: before the guard what they make is checked, after it none is borne
CREATE TABLE w (id integer PRIMARY KEY, status order_status NOT NULL DEFAULT 'pending', note text);
CREATE FUNCTION rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_ARGV[0] = 'skip' THEN RETURN NULL; END IF;
  IF NEW.note = 'rewrite' THEN NEW.status := TG_ARGV[0]; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER zzzz_last BEFORE UPDATE ON w FOR EACH ROW EXECUTE FUNCTION rewrite('refunded');
SELECT guard_column('w', 'status');
ALTER TRIGGER zzzz_last ON w RENAME TO a_first;
SELECT guard_column('w', 'status');
CREATE TRIGGER zzy_insert BEFORE INSERT ON w FOR EACH ROW EXECUTE FUNCTION rewrite('paid');
INSERT INTO w VALUES (1, 'pending');
UPDATE w SET status = 'paid', note = 'rewrite';
INSERT INTO w VALUES (2, 'pending', 'rewrite');
UPDATE w SET status = 'paid' RETURNING status;
UPDATE w SET note = 'rewrite' RETURNING status;
ALTER TRIGGER a_first ON w RENAME TO zzzz_last;
UPDATE w SET note = 'n';
INSERT INTO w VALUES (3, 'pending');
ALTER TABLE w DISABLE TRIGGER zzzz_last;
UPDATE w SET note = 'n' WHERE id = 1 RETURNING status;
DROP TRIGGER zzzz_last ON w;
CREATE TRIGGER zzzz_other BEFORE DELETE ON w FOR EACH ROW EXECUTE FUNCTION rewrite('skip');
CREATE TRIGGER zzzz_statement BEFORE UPDATE ON w FOR EACH STATEMENT EXECUTE FUNCTION rewrite('skip');
CREATE TRIGGER zzzz_after AFTER UPDATE ON w FOR EACH ROW EXECUTE FUNCTION rewrite('refunded');
UPDATE w SET note = 'after' WHERE id = 1 RETURNING status;
-- with stamps the guard is the last one of INSERT as well
SELECT guard_column('w', 'status', stamp => true);
CREATE TRIGGER zzzz_insert BEFORE INSERT ON w FOR EACH ROW EXECUTE FUNCTION rewrite('paid');
\set VERBOSITY terse
INSERT INTO w VALUES (4);
SELECT guard_column('w', 'status', stamp => true);
\set VERBOSITY default

-- moves between partitions
CREATE TABLE p (id integer, status order_status, part integer, note text, paid_at timestamptz) PARTITION BY LIST (part);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
CREATE TABLE p3 PARTITION OF p FOR VALUES IN (3);
SELECT guard_column('p', 'status', stamp => true);
INSERT INTO p VALUES (1, 'pending', 1), (2, 'pending', 1), (3, 'pending', 1);
-- no change of state; and one statement with legal moves, stays and births
UPDATE p SET part = 2 WHERE id = 1 RETURNING id, status, part;
WITH a AS (UPDATE p SET part = 3 - part, status = 'paid' RETURNING *), b AS (INSERT INTO p VALUES (4, 'pending', 2) RETURNING *)
SELECT id, status, part, paid_at IS NOT NULL AS stamped FROM a UNION ALL SELECT id, status, part, paid_at IS NOT NULL FROM b ORDER BY id;
SELECT id, status, part, paid_at IS NOT NULL AS stamped FROM p ORDER BY id;
-- births are not smuggled in among moves
\set VERBOSITY terse
WITH a AS (UPDATE p SET part = 3 - part RETURNING *) INSERT INTO p SELECT 10, 'completed', 2;
WITH a AS (UPDATE p SET part = 3 - part RETURNING *) INSERT INTO p SELECT 10 + id, 'shipped', 2 FROM a;
WITH a AS (DELETE FROM p RETURNING *) INSERT INTO p SELECT id, 'shipped', 3 - part FROM a;
BEGIN;
UPDATE p SET part = 3 - part;
INSERT INTO p VALUES (10, 'shipped', 1);
ROLLBACK;
\set VERBOSITY default
-- the other partition has a trigger of its own
CREATE TRIGGER a_rewrite BEFORE INSERT ON p3 FOR EACH ROW EXECUTE FUNCTION rewrite('expired');
UPDATE p SET part = 3, note = 'rewrite' WHERE id = 1;
UPDATE p SET part = 3, note = 'rewrite', status = 'cancelled' WHERE id = 4;
UPDATE p SET part = 3 WHERE id = 1 RETURNING id, status, part;
CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.paid_at := '2001-01-01'; RETURN NEW; END $$;
CREATE TRIGGER b_forge BEFORE INSERT ON p3 FOR EACH ROW EXECUTE FUNCTION forge();
UPDATE p SET part = 3 WHERE id = 2;
DROP TRIGGER b_forge ON p3;
-- a move whose second half was swallowed makes no room for the birth of another row
TRUNCATE parted_text;
ALTER TABLE parted_text ADD PRIMARY KEY (id, part);
INSERT INTO parted_text VALUES (1, 'pending', 1);
UPDATE parted_text SET status = 'paid';
CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER a_skip BEFORE INSERT ON parted_text_2 FOR EACH ROW EXECUTE FUNCTION skip();
WITH a AS (UPDATE parted_text SET part = 2 RETURNING *) INSERT INTO parted_text SELECT 20, 'shipped', 1 FROM (SELECT count(*) FROM a) AS c;
SELECT * FROM parted_text;
-- a partition that comes later is guarded
CREATE TABLE p4 PARTITION OF p FOR VALUES IN (4);
CREATE TABLE p5 (LIKE p);
ALTER TABLE p ATTACH PARTITION p5 FOR VALUES IN (5);
\set VERBOSITY terse
INSERT INTO p4 VALUES (30, 'paid', 4);
UPDATE p SET part = 5, status = 'authorized' WHERE id = 2;
\set VERBOSITY default
UPDATE p SET part = 5, status = 'shipped' WHERE id = 2 RETURNING tableoid::regclass, status, paid_at IS NOT NULL AS stamped;
-- partitions by the status itself
CREATE TABLE by_status (id integer, status order_status) PARTITION BY LIST (status);
CREATE TABLE by_status_open PARTITION OF by_status FOR VALUES IN ('pending', 'shipped');
CREATE TABLE by_status_rest PARTITION OF by_status DEFAULT;
SELECT guard_column('by_status', 'status');
INSERT INTO by_status VALUES (1, 'pending');
\set VERBOSITY terse
UPDATE by_status SET status = 'refunded';
UPDATE by_status SET status = 'paid' RETURNING tableoid::regclass, status;
UPDATE by_status SET status = 'pending';
UPDATE by_status SET status = 'shipped' RETURNING tableoid::regclass, status;
INSERT INTO by_status VALUES (2, 'shipped');
INSERT INTO by_status_rest VALUES (2, 'expired');
-- the guard of a partition is that of its root
SELECT guard_column('by_status_open', 'status', 'pending');
\set VERBOSITY default
-- a foreign key follows a move
CREATE TABLE moved (id integer, part integer, status text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
CREATE TABLE moved_1 PARTITION OF moved FOR VALUES IN (1);
CREATE TABLE moved_2 PARTITION OF moved FOR VALUES IN (2);
CREATE TABLE child (id integer, part integer, FOREIGN KEY (id, part) REFERENCES moved ON UPDATE CASCADE);
SELECT guard_column('moved', 'status', 'a; a: b; b: c');
INSERT INTO moved VALUES (1, 1, 'a');
INSERT INTO child VALUES (1, 1);
UPDATE moved SET part = 2, status = 'b';
SELECT moved.*, child.part AS child FROM moved, child;
-- a row of before the guard, in a state that the graph does not know: it may stay, here or there
CREATE TABLE old (id integer, status text, part integer) PARTITION BY LIST (part);
CREATE TABLE old_1 PARTITION OF old FOR VALUES IN (1);
CREATE TABLE old_2 PARTITION OF old FOR VALUES IN (2);
INSERT INTO old VALUES (1, 'legacy', 1), (2, NULL, 1), (3, 'a', 1);
SELECT guard_column('old', 'status', 'a; a: b');
UPDATE old SET id = id RETURNING *;
UPDATE old SET status = 'a' WHERE id = 1;
UPDATE old SET status = 'other' WHERE id = 1;
UPDATE old SET status = 'legacy' WHERE id = 3;
UPDATE old SET status = 'b' WHERE id = 2;
UPDATE old SET part = 2 WHERE id = 3 RETURNING *;
UPDATE old SET part = 2 WHERE id = 1 RETURNING *;
UPDATE old SET part = 2 WHERE id = 2 RETURNING *;
UPDATE old SET status = 'a' WHERE id = 2 RETURNING *;

-- stamps
CREATE TABLE s (id integer PRIMARY KEY, status text, a_at timestamptz, b_at timestamptz, c_at timestamptz, d_at timestamptz);
SELECT guard_column('s', 'status', 'a b; a: b c; b: a c; c: a e', true);
SELECT now() AS start \gset
INSERT INTO s VALUES (1, 'a') RETURNING a_at >= :'start' AS a, b_at, c_at, d_at;
SELECT a_at AS a FROM s \gset
UPDATE s SET status = 'b' RETURNING a_at = :'a' AS a_kept, b_at >= a_at AS b, c_at;
SELECT b_at AS b FROM s \gset
-- entered again: the first time counts
UPDATE s SET status = 'a' RETURNING a_at = :'a' AS a, b_at = :'b' AS b, c_at;
UPDATE s SET status = 'b' RETURNING a_at = :'a' AS a, b_at = :'b' AS b, c_at;
-- NULL and the stored value mean: not given
UPDATE s SET a_at = NULL, b_at = b_at, c_at = NULL RETURNING a_at = :'a' AS a, b_at = :'b' AS b, c_at;
UPDATE s SET status = 'c', b_at = NULL RETURNING a_at = :'a' AS a, b_at = :'b' AS b, c_at > b_at AS c;
-- a column of a state that the graph does not know is the user's
UPDATE s SET d_at = '2001-01-01' RETURNING d_at IS NOT NULL AS d;
-- forging
UPDATE s SET b_at = now();
\set VERBOSITY terse
UPDATE s SET b_at = b_at + interval '1 us';
UPDATE s SET status = 'a', a_at = clock_timestamp();
UPDATE s SET c_at = '-infinity';
-- the epoch of PostgreSQL's clock is a forgery like another, in a new session too
\connect -
SET search_path = transition_test, order_payment, public;
UPDATE s SET b_at = '2000-01-01 00:00:00+00';
INSERT INTO s (id, status, a_at) VALUES (2, 'a', '2001-01-01');
INSERT INTO s (id, status, a_at) VALUES (2, 'a', now() + interval '1 hour');
INSERT INTO s (id, status, a_at) VALUES (2, 'a', 'infinity');
INSERT INTO s (id, status, b_at) VALUES (2, 'a', clock_timestamp());
INSERT INTO s (id, status, c_at) VALUES (2, 'a', NULL), (3, 'b', clock_timestamp());
INSERT INTO s (id, status, b_at) VALUES (1, 'b', '2001-01-01') ON CONFLICT (id) DO UPDATE SET b_at = EXCLUDED.b_at;
COPY s (id, status, a_at) FROM stdin;
2	a	2001-01-01 00:00:00+00
\.
\set VERBOSITY default
-- a new row that gives the time of this very statement tells the truth
INSERT INTO s (id, status, a_at) VALUES (2, 'a', clock_timestamp()) RETURNING a_at >= :'start' AS a;
-- an upsert that names every column
INSERT INTO s VALUES (2, 'b') ON CONFLICT (id) DO UPDATE SET (status, a_at, b_at, c_at, d_at) =
  ROW (EXCLUDED.status, EXCLUDED.a_at, EXCLUDED.b_at, EXCLUDED.c_at, EXCLUDED.d_at)
RETURNING status, a_at IS NOT NULL AS a, b_at IS NOT NULL AS b, c_at, d_at;
INSERT INTO s VALUES (2, 'b'), (4, 'b'), (1, 'e') ON CONFLICT (id) DO UPDATE SET (status, a_at, b_at, c_at, d_at) =
  ROW (EXCLUDED.status, EXCLUDED.a_at, EXCLUDED.b_at, EXCLUDED.c_at, EXCLUDED.d_at)
RETURNING id, status, a_at IS NOT NULL AS a, b_at IS NOT NULL AS b, c_at IS NOT NULL AS c;
-- called again without a word of stamps, it goes on stamping
SELECT guard_column('s', 'status', 'a b; a: b c; b: a c; c: a e');
INSERT INTO s VALUES (6, 'a') RETURNING a_at IS NOT NULL AS a;
-- not asked: not touched, and free to write
SELECT guard_column('s', 'status', 'a b; a: b c; b: a c; c: a e', false);
INSERT INTO s VALUES (5, 'a') RETURNING a_at, b_at;
UPDATE s SET status = 'b', b_at = '2001-01-01 00:00+00' WHERE id = 5 RETURNING b_at = '2001-01-01 00:00+00' AS own;
-- a column of another type
ALTER TABLE s ALTER c_at TYPE date;
SELECT guard_column('s', 'status', 'a b; a: b c; b: a c; c: a e', true);
UPDATE s SET status = 'a' WHERE id = 5;
ALTER TABLE s DROP COLUMN c_at;
UPDATE s SET status = 'a' WHERE id = 5 RETURNING status;

-- DDL: the graph in use follows it at once, prepared statements too
CREATE TYPE mood AS ENUM ('new', 'open', 'done');
CREATE TABLE d (id integer PRIMARY KEY, status mood, other text);
SELECT guard_column('d', 'status', 'new; new: open; open: done');
INSERT INTO d VALUES (1, 'new'), (2, 'new'), (3, 'new');
PREPARE go (integer, text) AS UPDATE d SET status = $2::mood WHERE id = $1 RETURNING status;
EXECUTE go(1, 'open');
EXECUTE go(2, 'done');
ALTER TYPE mood ADD VALUE 'lost' AFTER 'open';
EXECUTE go(2, 'lost');
SELECT guard_column('d', 'status', 'new; new: open lost; open: done');
EXECUTE go(2, 'lost');
ALTER TYPE mood RENAME VALUE 'open' TO 'opened';
EXECUTE go(3, 'opened');
SELECT status_graph('d', 'status');
SELECT guard_column('d', 'status', 'new; new: opened lost; opened: done');
EXECUTE go(3, 'opened');
-- inside one transaction, undone with it
BEGIN;
ALTER TYPE mood RENAME VALUE 'lost' TO 'found';
\set VERBOSITY terse
SAVEPOINT s;
EXECUTE go(1, 'done');
ROLLBACK;
\set VERBOSITY default
EXECUTE go(1, 'done');
CREATE OR REPLACE TRIGGER zzz_guard_status BEFORE UPDATE ON d FOR EACH ROW
  EXECUTE FUNCTION enforce_transition('status', 'new; new: opened; opened: new done');
EXECUTE go(3, 'new');
ALTER TABLE d RENAME COLUMN status TO state;
UPDATE d SET state = 'opened' WHERE id = 3;
ALTER TABLE d RENAME COLUMN state TO status;
EXECUTE go(3, 'opened');
ALTER TABLE d ALTER status TYPE text;
UPDATE d SET status = 'lost' WHERE id = 3;
UPDATE d SET status = 'done' WHERE id = 3 RETURNING status;
ALTER TABLE d ALTER status TYPE integer USING 1;
UPDATE d SET status = 2;
ALTER TABLE d DROP COLUMN status;
UPDATE d SET other = 'x' WHERE id = 1;
ALTER TABLE d ADD COLUMN status text DEFAULT 'new';
UPDATE d SET status = 'opened' WHERE id = 1 RETURNING *;
ALTER TABLE d DISABLE TRIGGER zzz_guard_status;
UPDATE d SET status = 'anything' WHERE id = 1 RETURNING status;
SELECT status_graph('d', 'status');
ALTER TABLE d ENABLE TRIGGER zzz_guard_status;
\set VERBOSITY terse
UPDATE d SET status = 'opened' WHERE id = 1;
\set VERBOSITY default
DISCARD ALL;
SET search_path = transition_test, order_payment, public;
UPDATE d SET status = 'opened' WHERE id = 2 RETURNING status;
DROP TABLE d;

-- a guard made by hand: right, and all that can be wrong with its arguments
CREATE TABLE h (id integer PRIMARY KEY, status order_status DEFAULT 'pending', note text, n integer,
                gen text GENERATED ALWAYS AS ('x') STORED);
INSERT INTO h VALUES (1);
CREATE FUNCTION by_hand(arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text; d text; h text;
BEGIN
  EXECUTE format('CREATE OR REPLACE TRIGGER guard BEFORE UPDATE ON h FOR EACH ROW EXECUTE FUNCTION enforce_transition(%s)', arguments);
  UPDATE transition_test.h SET id = id;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || ': ' || m || '. ' || d;
END $$;
SELECT arguments, by_hand(arguments)
FROM (VALUES (1, '''status'''), (2, '''status'', '''''), (3, '''status'', ''pending; pending: paid'''),
             (4, '''status'', '''', ''stamp'''), (5, ''), (6, '''status'', '''', ''stamp'', ''x'''), (7, '''status'', '''', ''stamps'''),
             (8, '''nothing'''), (9, ''''''), (10, '''Status'''), (11, '''note'''), (12, '''n'', ''a; a: b'''), (13, '''gen'', ''a; a: b'''),
             (14, '''ctid'', ''a; a: b'''), (15, '''status'', ''pending; pending: payed'''), (16, '''status'', ''pending; pending: paid; paid: pending''')) AS a (n, arguments)
ORDER BY n;
CREATE OR REPLACE TRIGGER guard BEFORE UPDATE ON h FOR EACH ROW EXECUTE FUNCTION enforce_transition('note');
UPDATE h SET note = 'x';
CREATE OR REPLACE TRIGGER guard BEFORE UPDATE ON h FOR EACH ROW EXECUTE FUNCTION enforce_transition('status', 'pending; paid: shipped');
UPDATE h SET note = 'x';
UPDATE h SET note = 'x';
DROP TABLE h;

-- trigger functions in the wrong place: an error, never a crash
SELECT enforce_transition();
SELECT maintain_order();
SELECT follow_items();
SELECT record_event();
SELECT append_only();
SELECT refuse_truncate();
SELECT refuse_delete();
SELECT maintain_payment();
SELECT apply_payment();
SELECT maintain_operation();
SELECT apply_operation();
-- ... tables: without the columns; with columns of other types; with the columns but without siblings; partitioned
CREATE TABLE wrong_none (x integer, y text);
CREATE TABLE wrong_types (x integer, order_id integer[], status json, version text, item_count bigint, quantity integer, price money,
                          total_amount text, created_at date, amount integer);
CREATE TABLE wrong_alone (x integer, order_id integer, status text, version integer DEFAULT 7, item_count integer, quantity numeric, price numeric,
                          total_amount numeric, created_at timestamptz, amount numeric);
CREATE TABLE wrong_parted (x integer, gone integer, order_id text, status order_status) PARTITION BY RANGE (x);
ALTER TABLE wrong_parted DROP COLUMN gone;
CREATE TABLE wrong_parted_1 PARTITION OF wrong_parted DEFAULT;
CREATE VIEW wrong_view AS SELECT * FROM wrong_none;
-- ... tables of a store, but without siblings, keys and constraints
SET client_min_messages = warning;
SELECT create_store('transition_store', owner => 'regress_op_writer');
RESET client_min_messages;
CREATE FUNCTION make_loose(store_table text, made text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  required name;
BEGIN
  EXECUTE format('CREATE TABLE %s (x integer, LIKE transition_store.%I INCLUDING DEFAULTS INCLUDING GENERATED)', made, store_table);
  FOR required IN SELECT attname FROM pg_attribute WHERE attrelid = made::regclass AND attnum > 0 AND attnotnull LOOP
    EXECUTE format('ALTER TABLE %s ALTER %I DROP NOT NULL', made, required);
  END LOOP;
END $$;
SELECT make_loose('orders', 'wrong_orders'), make_loose('payments', 'wrong_payments'), make_loose('payment_operations', 'wrong_operations');
CREATE FUNCTION misuse(relation text, function text, timing text, level text, event text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('INSERT INTO %s (x) VALUES (1)', relation);
  BEGIN
    EXECUTE format('CREATE TRIGGER wrong %s %s ON %s FOR EACH %s EXECUTE FUNCTION %s(''status'', ''a; a: b'')',
                   timing, event, relation, level, function);
  EXCEPTION WHEN OTHERS THEN
    RETURN 'not made';
  END;
  EXECUTE format(CASE event WHEN 'INSERT' THEN 'INSERT INTO %s (x) VALUES (2)' WHEN 'UPDATE' THEN 'UPDATE %s SET x = 3'
                 WHEN 'DELETE' THEN 'DELETE FROM %s' ELSE 'TRUNCATE %s' END, relation);
  RAISE EXCEPTION USING ERRCODE = 'ZZZZZ', MESSAGE = 'passed';
EXCEPTION WHEN OTHERS THEN
  RETURN CASE SQLSTATE WHEN 'ZZZZZ' THEN 'passed' ELSE SQLSTATE END;
END $$;
CREATE TABLE misused AS
SELECT function, relation, timing, level, event, misuse(relation, function, timing, level, event) AS result
FROM unnest('{enforce_transition,maintain_order,follow_items,record_event,append_only,refuse_truncate,refuse_delete,
              maintain_payment,apply_payment,maintain_operation,apply_operation}'::text[]) AS function,
     unnest('{wrong_none,wrong_types,wrong_alone,wrong_parted,wrong_view,wrong_orders,wrong_payments,wrong_operations}'::text[]) AS relation,
     unnest('{BEFORE,AFTER,INSTEAD OF}'::text[]) AS timing, unnest('{ROW,STATEMENT}'::text[]) AS level,
     unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS event
WHERE relation <> 'wrong_view' OR timing = 'INSTEAD OF';
SELECT function, result, count(*) FROM misused WHERE result <> 'not made' GROUP BY 1, 2 ORDER BY 1, 2;
-- what got past "must be fired", in full
SELECT function, relation, string_agg(concat_ws(' ', lower(timing), lower(event), result), ', ' ORDER BY timing, event) AS results FROM misused
WHERE result NOT IN ('not made', '39P01') GROUP BY 1, 2 ORDER BY 1, 2;
-- the messages, once each
CREATE TRIGGER wrong AFTER UPDATE ON wrong_alone FOR EACH ROW EXECUTE FUNCTION enforce_transition('status', 'a; a: b');
INSERT INTO wrong_alone (x) VALUES (1);
UPDATE wrong_alone SET x = 2;
DROP TRIGGER wrong ON wrong_alone;
CREATE TRIGGER wrong AFTER UPDATE ON wrong_alone FOR EACH ROW EXECUTE FUNCTION record_event();
UPDATE wrong_alone SET x = 2;
CREATE TRIGGER wrong BEFORE INSERT ON wrong_none FOR EACH ROW EXECUTE FUNCTION maintain_order();
INSERT INTO wrong_none VALUES (1);
CREATE TRIGGER wrong BEFORE INSERT ON wrong_types FOR EACH ROW EXECUTE FUNCTION maintain_order();
INSERT INTO wrong_types (x) VALUES (1);

-- ... a twin of a store, linked as a store is, in which nothing is required: a NULL in each column that has none, a column of another type
CREATE SCHEMA loose;
SELECT make_loose(t, 'loose.' || t) FROM unnest('{orders,order_items,order_events,gateways,gateway_fees,payments,payment_operations}'::text[]) AS t;
ALTER TABLE loose.orders ADD UNIQUE (order_id);
ALTER TABLE loose.gateways ADD UNIQUE (gateway);
ALTER TABLE loose.order_items ADD FOREIGN KEY (order_id) REFERENCES loose.orders (order_id);
ALTER TABLE loose.order_events ADD FOREIGN KEY (order_id) REFERENCES loose.orders (order_id);
ALTER TABLE loose.gateway_fees ADD FOREIGN KEY (gateway) REFERENCES loose.gateways (gateway);
ALTER TABLE loose.payments ADD UNIQUE (order_id, payment_id), ADD FOREIGN KEY (order_id) REFERENCES loose.orders (order_id),
  ADD FOREIGN KEY (gateway) REFERENCES loose.gateways (gateway);
ALTER TABLE loose.payment_operations ADD FOREIGN KEY (order_id) REFERENCES loose.orders (order_id),
  ADD FOREIGN KEY (order_id, payment_id) REFERENCES loose.payments (order_id, payment_id);
DO $$
DECLARE
  definition text;
BEGIN
  FOR definition IN SELECT replace(pg_get_triggerdef(t.oid), ' ON transition_store.', ' ON loose.') FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                    WHERE c.relnamespace = 'transition_store'::regnamespace AND NOT t.tgisinternal AND NOT c.relispartition LOOP
    EXECUTE definition;
  END LOOP;
END $$;
SET session_replication_role = replica;
INSERT INTO loose.gateways (gateway) VALUES ('g'), ('manual');
INSERT INTO loose.gateway_fees (gateway, currency, rate, fixed) VALUES ('g', 'USD', 0.1, 1), ('manual', 'USD', 0.1, 1);
INSERT INTO loose.orders (order_id, price, currency, total_amount, version, created_at, status, authorized_amount, paid_amount)
SELECT o, price, 'USD', price, 5, now(), s::order_status, authorized, paid
FROM (VALUES (1, 100, 'pending', 0, 0), (2, 100, 'authorized', 60, 40), (3, 100, 'paid', 0, 100), (4, 100, 'cancelled', 0, 100), (5, NULL, 'pending', 0, 0)) AS v (o, price, s, authorized, paid);
INSERT INTO loose.payments (order_id, gateway, amount, currency, status, authorized_amount, captured_amount, fee, created_at)
SELECT o, 'g', 100, 'USD', s::payment_status, authorized, captured, 1, now()
FROM (VALUES (1, 'created', 0, 0), (2, 'authorized', 100, 40), (3, 'succeeded', 0, 100), (4, 'succeeded', 0, 100), (5, 'created', 0, 0)) AS v (o, s, authorized, captured);
INSERT INTO loose.payment_operations (order_id, payment_id, kind, amount, currency, status, created_at)
SELECT order_id, payment_id, kind, 10, 'USD', s::operation_status, now()
FROM loose.payments, unnest('{capture,void,refund,chargeback}'::text[]) AS kind, unnest('{requested,failed,succeeded}'::text[]) AS s WHERE order_id > 1;
INSERT INTO loose.order_items (order_id, line_no, price) VALUES (1, 1, 100);
UPDATE loose.payments SET refunded_amount = 10, charged_back_amount = 10 WHERE order_id IN (2, 3, 4);
UPDATE loose.orders SET refunded_amount = 10, charged_back_amount = 10 WHERE order_id IN (2, 3, 4);
RESET session_replication_role;
CREATE TABLE statement AS
SELECT format('UPDATE loose.orders SET %s WHERE order_id = %s', change, o) AS text
FROM (VALUES ('status = ''paid''', 1), ('status = ''paid''', 5), ('status = ''shipped''', 2), ('status = ''completed''', 3), ('status = ''cancelled''', 3), ('status = ''refunded''', 4),
             ('price = 5, currency = ''EUR''', 1), ('price = NULL', 2), ('payment_method = ''card''', 4)) AS v (change, o)
UNION ALL
SELECT format('UPDATE loose.payments SET %s WHERE order_id = %s', change, o)
FROM (VALUES ('status = ''processing''', 1), ('status = ''authorized'', authorized_amount = 50', 5), ('status = ''succeeded''', 1), ('status = ''revoked''', 2), ('fee = 3', 2),
             ('contact_needed_at = now()', 3)) AS v (change, o)
UNION ALL
SELECT format('INSERT INTO loose.payments (order_id, gateway, amount, status) VALUES (%s, ''g'', %s, %L)', o, amount, s)
FROM (VALUES (1, 'created', '7'), (4, 'succeeded', '7'), (5, 'authorized', 'NULL'), (6, 'created', '7')) AS v (o, s, amount)
UNION ALL
SELECT format('UPDATE loose.payment_operations SET status = %L WHERE order_id = %s AND kind = %L AND status = %L', after, o, kind, before)
FROM (VALUES ('requested', 'succeeded'), ('failed', 'processing'), ('succeeded', 'reversed')) AS v (before, after),
     generate_series(2, 3) AS o, unnest('{capture,void,refund,chargeback}'::text[]) AS kind
UNION ALL
SELECT format('INSERT INTO loose.payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, %L, %s, %L FROM loose.payments WHERE order_id = %s', kind, amount, s, o)
FROM (VALUES (2, 'requested', 'NULL'), (3, 'requested', '7'), (4, 'succeeded', '7')) AS v (o, s, amount), unnest('{capture,void,refund,chargeback}'::text[]) AS kind
UNION ALL
SELECT unnest(ARRAY['INSERT INTO loose.orders DEFAULT VALUES', 'INSERT INTO loose.payments DEFAULT VALUES', 'INSERT INTO loose.payment_operations DEFAULT VALUES',
                    'INSERT INTO loose.order_items DEFAULT VALUES', 'INSERT INTO loose.order_items (order_id) VALUES (1)', 'INSERT INTO loose.order_items (order_id, price) VALUES (5, 5)',
                    'UPDATE loose.order_items SET price = 7', 'DELETE FROM loose.order_items']);
-- change: what somebody did to the tables before; each statement is tried alone
CREATE FUNCTION try_loose(change text, statements text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  statement text;
  results text[] = '{}';
BEGIN
  SET LOCAL session_replication_role = replica;
  EXECUTE change;
  SET LOCAL session_replication_role = origin;
  FOREACH statement IN ARRAY statements LOOP
    BEGIN
      EXECUTE statement;
      RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';
    EXCEPTION WHEN OTHERS THEN
      results := results || CASE SQLSTATE WHEN 'ZZZZZ' THEN 'passed' ELSE SQLSTATE END;
    END;
  END LOOP;
  RAISE EXCEPTION USING ERRCODE = 'ZZZZY';
EXCEPTION WHEN SQLSTATE 'ZZZZY' THEN
  RETURN QUERY SELECT unnest(results);
END $$;
SET client_min_messages = error;
-- what the statements do where nothing was changed; then with a NULL in every column that a trigger reads
SELECT result, count(*) FROM try_loose('SELECT', ARRAY(SELECT text FROM statement)) AS result GROUP BY 1 ORDER BY 1;
SELECT count(DISTINCT (relname, attname)) AS columns, count(*) AS tried, count(*) FILTER (WHERE result ~ '^(XX|58|57)') AS broken
FROM (SELECT t.relname, a.attname, try_loose(format('UPDATE loose.%I SET %I = NULL', t.relname, a.attname), ARRAY(SELECT text FROM statement)) AS result
      FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid
      WHERE t.relnamespace = 'loose'::regnamespace AND t.relkind = 'r' AND a.attnum > 1 AND a.attgenerated = ''
        AND t.relname IN ('orders', 'payments', 'payment_operations', 'order_items', 'gateway_fees')
        AND a.attname IN ('order_id', 'payment_id', 'operation_id', 'kind', 'amount', 'currency', 'status', 'version', 'item_count', 'quantity', 'price', 'total_amount',
                          'authorized_amount', 'paid_amount', 'captured_amount', 'capture_pending_amount', 'refund_pending_amount', 'refunded_amount', 'charged_back_amount',
                          'refund_due_amount', 'obligatory_amount', 'fee', 'created_at', 'gateway', 'method', 'rate', 'fixed', 'valid_from')) AS tried;
-- of another type: refused, if a trigger reads the column as what it was
SELECT t.relname, r.result, string_agg(a.attname, ' ' ORDER BY a.attname) AS columns
FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid,
     LATERAL try_loose(format('ALTER TABLE loose.%I DROP COLUMN %I CASCADE, ADD COLUMN %2$I point', t.relname, a.attname), ARRAY[format('UPDATE loose.%I SET x = 1', t.relname)]) AS r (result)
WHERE t.relnamespace = 'loose'::regnamespace AND t.relname IN ('orders', 'payments', 'payment_operations') AND a.attnum > 1 AND r.result <> 'passed'
GROUP BY 1, 2 ORDER BY 1, 2;
RESET client_min_messages;

-- what a superuser can go around, and nobody else
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE t SET status = 'pending' WHERE order_id = 43 RETURNING status;
ROLLBACK;
BEGIN;
SET LOCAL order_payment.restore = on;
UPDATE t SET status = 'pending' WHERE order_id = 43 RETURNING status;
INSERT INTO t VALUES (80, 1, 'refunded') RETURNING status;
ROLLBACK;
GRANT SELECT, INSERT, UPDATE, DELETE ON t TO regress_op_writer;
SET ROLE regress_op_writer;
\set VERBOSITY terse
SET order_payment.restore = on;
SET order_payment.allow_history_change = on;
SET session_replication_role = replica;
SET order_payment.nonsense = on;
ALTER TABLE t DISABLE TRIGGER ALL;
UPDATE t SET status = 'pending' WHERE order_id = 43;
-- the settings for everybody
SET order_payment.actor = 'me';
SET order_payment.reason = 'test';
RESET ROLE;

-- a later trigger counts at every event of the guard, also where the statement begins with another one
CREATE TABLE upserted (id int PRIMARY KEY, status text, a_at timestamptz);
SELECT guard_column('upserted', 'status', 'a; a: b', stamp => true);
INSERT INTO upserted VALUES (1, 'a');
CREATE FUNCTION rewrite_to_zz() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.status := 'zz'; RETURN NEW; END $$;
CREATE TRIGGER zzzz BEFORE UPDATE ON upserted FOR EACH ROW EXECUTE FUNCTION rewrite_to_zz();
INSERT INTO upserted VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET status = 'b';
-- without stamps the guard has no business BEFORE INSERT: there, a later trigger is judged by what it leaves
DROP TRIGGER zzzz ON upserted;
SELECT guard_column('upserted', 'status', 'a; a: b', stamp => false);
CREATE TRIGGER zzzz BEFORE INSERT ON upserted FOR EACH ROW EXECUTE FUNCTION rewrite_to_zz();
UPDATE upserted SET status = 'b' RETURNING status;
INSERT INTO upserted VALUES (2, 'a');

SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA transition_test, transition_store, loose CASCADE;
DROP OWNED BY regress_op_writer;
DROP ROLE regress_op_writer;
