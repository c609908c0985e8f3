-- status: the types order_status, payment_status and operation_status
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
CREATE SCHEMA status_test;
SET search_path = status_test, order_payment, public;

-- What the design says, written out apart from the library: labels in the
-- order of display, and the default graphs. Every test below compares with it.
CREATE TABLE vocabulary (type text, label text, rank integer);
INSERT INTO vocabulary
SELECT type, label, rank
FROM (VALUES ('order_status', '{expired,cancelled,pending,authorized,paid,shipped,completed,refunded}'::text[]),
             ('payment_status', '{created,processing,requires_action,unknown,authorized,succeeded,failed,revoked}'),
             ('operation_status', '{requested,processing,unknown,succeeded,failed,cancelled,reversed}')) AS v (type, labels),
     unnest(labels) WITH ORDINALITY AS l (label, rank);
CREATE TABLE edge (type text, from_label text, to_labels text[]);
INSERT INTO edge VALUES
  ('order_status', 'pending', '{authorized,paid,cancelled,expired}'),
  ('order_status', 'authorized', '{pending,paid,shipped,cancelled}'),
  ('order_status', 'paid', '{shipped,completed,cancelled,refunded}'),
  ('order_status', 'shipped', '{completed,cancelled,refunded}'),
  ('order_status', 'completed', '{refunded}'),
  ('order_status', 'expired', '{}'), ('order_status', 'cancelled', '{}'), ('order_status', 'refunded', '{}'),
  ('payment_status', 'created', '{processing,requires_action,authorized,succeeded,failed,revoked}'),
  ('payment_status', 'processing', '{requires_action,unknown,authorized,succeeded,failed,revoked}'),
  ('payment_status', 'requires_action', '{processing,unknown,authorized,succeeded,failed,revoked}'),
  ('payment_status', 'unknown', '{processing,requires_action,authorized,succeeded,failed,revoked}'),
  ('payment_status', 'authorized', '{succeeded,revoked}'),
  ('payment_status', 'failed', '{authorized,succeeded}'),
  ('payment_status', 'revoked', '{authorized,succeeded}'),
  ('payment_status', 'succeeded', '{}'),
  ('operation_status', 'requested', '{processing,succeeded,failed,unknown,cancelled}'),
  ('operation_status', 'processing', '{succeeded,failed,unknown,cancelled}'),
  ('operation_status', 'unknown', '{processing,succeeded,failed}'),
  ('operation_status', 'failed', '{processing,succeeded}'),
  ('operation_status', 'cancelled', '{succeeded}'),
  ('operation_status', 'succeeded', '{reversed}'),
  ('operation_status', 'reversed', '{}');

-- the result of a query with one value, or its SQLSTATE and message
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
  EXECUTE query INTO result;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ': ' || left(SQLERRM, 90);
END $$;
-- is there such a line in the plan of this query?
CREATE FUNCTION plan_has(query text, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line ~ pattern THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;
CREATE FUNCTION estimate(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
  RETURN plan->0->'Plan'->>'Plan Rows';
END $$;

-- one byte, by value
SELECT typname, typlen, typbyval, typalign, typstorage FROM pg_type
WHERE typnamespace = 'order_payment'::regnamespace AND typname ~ '_status$' ORDER BY typname;

-- every label goes in and comes out, as text and in binary form
SELECT type, label,
       try(format('SELECT %L::%I', label, type)) = label AS text_io,
       try(format('SELECT convert_from(%I(%L::%I), ''UTF8'')', type || '_send', label, type)) = label AS send
FROM vocabulary ORDER BY type COLLATE "C", rank;

-- binary input: COPY of one field, made by hand
CREATE TABLE received (o order_status, p payment_status, f operation_status);
CREATE FUNCTION try_recv(col text, field bytea, told integer DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
  file bytea := '\x5047434f50590aff0d0a00' || int4send(0) || int4send(0)
    || int2send(1::int2) || int4send(coalesce(told, length(field))) || field || int2send((-1)::int2);
  octal text := string_agg(format('\%s%s%s', b >> 6, b >> 3 & 7, b & 7), '' ORDER BY i)
    FROM generate_series(0, length(file) - 1) AS i, get_byte(file, i) AS b;
BEGIN
  TRUNCATE received;
  EXECUTE format('COPY received (%I) FROM PROGRAM %L (FORMAT binary)', col, format('printf ''%s''', octal));
  EXECUTE format('SELECT coalesce(%I::text, ''null'') FROM received', col) INTO result;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ': ' || left(SQLERRM, 90);
END $$;
SELECT type, count(*) AS labels,
       count(*) FILTER (WHERE try_recv(CASE type WHEN 'order_status' THEN 'o' WHEN 'payment_status' THEN 'p' ELSE 'f' END,
                                       label::bytea) = label) AS received
FROM vocabulary GROUP BY type ORDER BY type COLLATE "C";
SELECT what, try_recv('o', field, told) AS result
FROM (VALUES (1, 'null', ''::bytea, -1),
             (2, 'empty', '', NULL),
             (3, 'another type''s label', 'succeeded', NULL),
             (4, 'one byte short', 'pai', NULL),
             (5, 'one byte long', 'paidd', NULL),
             (6, 'zero byte after', 'paid\000', NULL),
             (7, 'zero byte inside', 'pa\000id', NULL),
             (8, 'the code', '\x32', NULL),
             (9, 'no UTF-8', '\xff', NULL),
             (10, 'half of a UTF-8 character', 'paid\303', NULL),
             (11, 'overlong UTF-8', '\xc080', NULL),
             (12, 'surrogate', '\xeda080', NULL),
             (13, 'longer than the message', 'paid', 400),
             (14, 'length of -2', 'paid', -2)) AS t (n, what, field, told)
ORDER BY n;
SELECT try_recv('p', 'paid') AS payment_status, try_recv('f', 'paid') AS operation_status,
       length(try_recv('o', repeat('paid', 500)::bytea)) AS long_message;

-- bad labels: one error, nothing is trimmed, folded or cut
SELECT 'Paid'::order_status;
SELECT 'paid'::payment_status;
SELECT 'paid'::operation_status;
SELECT what, try(format('SELECT %L::order_status', label)) AS result
FROM (VALUES (1, 'empty', ''), (2, 'case', 'PAID'), (3, 'space before', ' paid'), (4, 'space after', 'paid '),
             (5, 'tab', E'paid\t'), (6, 'newline', E'paid\n'), (7, 'prefix', 'pai'), (8, 'suffix', 'paidd'),
             (9, 'quoted', '"paid"'), (10, 'word null', 'NULL'), (11, 'code', '50')) AS t (n, what, label)
ORDER BY n;
SELECT what, left(try(format('SELECT %L::order_status', label)), 5) AS sqlstate
FROM (VALUES (1, 'zero width space', U&'paid\200B'), (2, 'no-break space', U&'paid\00A0'),
             (3, 'byte order mark', U&'\FEFFpaid'), (4, 'right-to-left mark', U&'paid\200F'),
             (5, 'fullwidth', U&'\FF50\FF41\FF49\FF44'), (6, 'Turkish dotless i', U&'pa\0131d'),
             (7, 'Turkish dotted I', U&'PA\0130D'), (8, 'Cyrillic a', U&'p\0430id'),
             (9, 'combining accent', U&'pai\0301d'), (10, 'one megabyte', repeat('paid', 262144))) AS t (n, what, label)
ORDER BY n;
-- the errors that pg_input_is_valid() needs are soft, where it exists
SELECT CASE WHEN current_setting('server_version_num')::integer >= 160000
            THEN $$SELECT bool_and(pg_input_is_valid(label, type)) AND NOT pg_input_is_valid('Paid', 'order_status') AS soft FROM vocabulary$$
            ELSE 'SELECT true AS soft' END AS soft_query \gset
:soft_query;

-- comparison: all pairs, all operators, as the ranks say
SELECT v.type, op, count(*) AS pairs,
       count(*) FILTER (WHERE try(format('SELECT %L::%I %s %L::%I', v.label, v.type, op, w.label, w.type))::boolean
                          IS DISTINCT FROM try(format('SELECT %s %s %s', v.rank, op, w.rank))::boolean) AS wrong
FROM vocabulary v JOIN vocabulary w USING (type), unnest('{<,<=,=,<>,>=,>}'::text[]) AS op
GROUP BY v.type, op ORDER BY v.type COLLATE "C", op COLLATE "C";
SELECT v.type, count(*) AS pairs,
       count(*) FILTER (WHERE sign(try(format('SELECT order_payment.status_cmp(%L::%I, %L::%2$I)', v.label, v.type, w.label))::integer)
                          <> sign(v.rank - w.rank)) AS wrong_cmp,
       count(*) FILTER (WHERE try(format('SELECT order_payment.status_hash(%L::%I) = order_payment.status_hash(%L::%2$I)', v.label, v.type, w.label))::boolean
                          <> (v.rank = w.rank)) AS wrong_hash
FROM vocabulary v JOIN vocabulary w USING (type) GROUP BY v.type ORDER BY v.type COLLATE "C";
-- seed 0 of the extended hash gives the low half of it, as hash indexes and partitions expect
SELECT count(*) AS labels, bool_and(order_payment.status_hash_extended(label::order_status, 0) & 4294967295
                                    = order_payment.status_hash(label::order_status)::bigint & 4294967295) AS same
FROM vocabulary WHERE type = 'order_status';
-- different types do not meet
\set VERBOSITY terse
SELECT 'paid'::order_status = 'succeeded'::payment_status;
-- they never meet text or integer either, but an untyped literal takes the type
SELECT 'paid'::order_status = 'paid'::text;
SELECT 'paid'::order_status < 3;
\set VERBOSITY default
SELECT 'paid'::order_status = 'paid' AS literal, 'paid' = 'paid'::order_status AS literal_left;

-- a table with a skew: rank n has n*n*10 rows
CREATE TABLE t AS
SELECT row_number() OVER () AS id, label::order_status AS status
FROM vocabulary, generate_series(1, rank * rank * 10) WHERE type = 'order_status';
CREATE INDEX t_btree ON t (status);
CREATE INDEX t_hash ON t USING hash (status);
CREATE TABLE q AS SELECT * FROM t;
CREATE INDEX q_partial ON q (id) WHERE status = 'expired';
ANALYZE t, q;
SELECT status, count(*) FROM t GROUP BY status ORDER BY status;
SELECT status, count(*) FROM t GROUP BY status ORDER BY status DESC LIMIT 2;
SELECT DISTINCT status FROM t ORDER BY 1;
SELECT min(status), max(status), min(status) FILTER (WHERE id < 0) AS "none" FROM t;
SELECT status, min(o), max(o) FROM (VALUES ('paid'::order_status, 'x')) AS v (status, o) GROUP BY 1;
SELECT min(status) OVER w AS lowest_so_far, status FROM (VALUES ('paid'::order_status, 1), ('expired', 2), ('shipped', 3)) AS v (status, n)
WINDOW w AS (ORDER BY n) ORDER BY n;
SELECT array_agg(status ORDER BY status) FROM (SELECT DISTINCT status FROM t WHERE status BETWEEN 'pending' AND 'shipped') AS s;
SELECT count(*) FILTER (WHERE status < 'pending') AS lt, count(*) FILTER (WHERE status IN ('paid', 'shipped')) AS "in",
       count(*) FILTER (WHERE status = ANY ('{paid,shipped}')) AS "any", count(*) FILTER (WHERE status <> ALL ('{paid,shipped}')) AS "all"
FROM t;
SELECT row('paid'::order_status, 1) < row('shipped'::order_status, 0) AS row_wise,
       '{paid,shipped}'::order_status[] < '{paid,completed}'::order_status[] AS array_wise,
       '{paid,shipped}'::order_status[] @> '{shipped}' AS contains;

-- every access path gives the same answers; is the one that is meant used?
SET enable_seqscan = off; SET enable_bitmapscan = off;
SELECT plan_has('SELECT id FROM t WHERE status = ''paid''', 'Scan using t_(btree|hash)') AS equality,
       plan_has('SELECT id FROM t WHERE status < ''pending''', 'Index Scan using t_btree') AS range,
       plan_has('SELECT status FROM t ORDER BY status', 'Index (Only )?Scan using t_btree') AS ordered,
       plan_has('SELECT id FROM q WHERE status = ''expired'' ORDER BY id', 'Scan using q_partial') AS partial,
       plan_has('SELECT min(status) FROM t', 'Scan using t_btree') AS minimum,
       plan_has('SELECT max(status) FROM t', 'Scan Backward using t_btree') AS maximum,
       plan_has('SELECT id FROM t WHERE status IN (''paid'', ''shipped'')', 'Index Cond.*ANY') AS in_list;
SELECT count(*) FROM t WHERE status = 'paid';
SELECT count(*) FROM t WHERE status < 'pending';
SELECT count(*) FROM t WHERE status IN ('paid', 'shipped');
DROP INDEX t_btree;
SELECT plan_has('SELECT id FROM t WHERE status = ''paid''', 'Index Scan using t_hash') AS hash_index;
SELECT count(*) FROM t WHERE status = 'paid';
RESET enable_seqscan; RESET enable_bitmapscan;
CREATE INDEX t_btree ON t (status);
-- joins
CREATE TABLE u (status order_status, note text);
INSERT INTO u SELECT label::order_status, 'n' FROM vocabulary WHERE type = 'order_status' AND rank > 2;
ANALYZE u;
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT plan_has('SELECT * FROM t JOIN u USING (status)', 'Hash Join') AS hash_join;
SELECT count(*) FROM t JOIN u USING (status);
SET enable_mergejoin = on; SET enable_hashjoin = off;
SELECT plan_has('SELECT * FROM t JOIN u USING (status)', 'Merge Join') AS merge_join;
SELECT count(*) FROM t JOIN u USING (status);
RESET enable_mergejoin; RESET enable_nestloop; RESET enable_hashjoin;
SET enable_sort = off; SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;
SELECT plan_has('SELECT status, count(*) FROM t GROUP BY status', 'HashAggregate') AS hash_aggregate;
RESET enable_sort; RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan;
SELECT count(*) AS in_both FROM (SELECT status FROM t INTERSECT SELECT status FROM u) AS s;

-- estimates after ANALYZE: within a tenth of the truth for one column, within half for a join
SELECT query, abs(estimate('SELECT * FROM t ' || query) - try('SELECT count(*) FROM t ' || query)::numeric)
              <= share * try('SELECT count(*) FROM t ' || query)::numeric + 2 AS good_estimate
FROM (VALUES ('WHERE status = ''paid''', 0.1), ('WHERE status = ''expired''', 0.1), ('WHERE status <> ''refunded''', 0.1),
             ('WHERE status < ''shipped''', 0.1), ('WHERE status <= ''shipped''', 0.1), ('WHERE status > ''shipped''', 0.1),
             ('WHERE status >= ''shipped''', 0.1), ('WHERE status BETWEEN ''pending'' AND ''paid''', 0.1),
             ('WHERE status IN (''paid'', ''refunded'')', 0.1), ('WHERE status IS NULL', 0.1),
             ('JOIN u USING (status)', 0.5)) AS q (query, share);
-- ->? has no histogram, but sees the common values
SELECT abs(estimate('SELECT * FROM t WHERE status ->? ''refunded''') - count(*)) <= 0.1 * count(*) AS good_estimate
FROM t WHERE status ->? 'refunded';

-- partitions by hash, by list and by range
CREATE TABLE by_hash (status order_status, n integer) PARTITION BY HASH (status);
CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE by_list (status order_status, n integer) PARTITION BY LIST (status);
CREATE TABLE by_list_dead PARTITION OF by_list FOR VALUES IN ('expired', 'cancelled', 'refunded');
CREATE TABLE by_list_rest PARTITION OF by_list DEFAULT;
CREATE TABLE by_range (status order_status, n integer) PARTITION BY RANGE (status);
CREATE TABLE by_range_low PARTITION OF by_range FOR VALUES FROM (MINVALUE) TO ('paid');
CREATE TABLE by_range_high PARTITION OF by_range FOR VALUES FROM ('paid') TO (MAXVALUE);
INSERT INTO by_hash SELECT status, 1 FROM t;
INSERT INTO by_list SELECT status, 1 FROM t;
INSERT INTO by_range SELECT status, 1 FROM t;
SELECT (SELECT count(*) FROM by_hash) AS hash_rows,
       (SELECT count(*) FROM (SELECT status FROM by_hash_0 INTERSECT SELECT status FROM by_hash_1) s) AS in_both;
SELECT tableoid::regclass AS part, array_agg(DISTINCT status) FROM by_list GROUP BY 1 ORDER BY 1::text;
SELECT tableoid::regclass AS part, array_agg(DISTINCT status) FROM by_range GROUP BY 1 ORDER BY 1::text;
SELECT count(*) = 250 AS found FROM by_hash WHERE status = 'paid';
SELECT plan_has('SELECT * FROM by_list WHERE status = ''refunded''', 'by_list_rest') AS not_pruned,
       plan_has('SELECT * FROM by_range WHERE status < ''pending''', 'by_range_high') AS not_pruned;

-- NULL, arrays, domains, composites, constraints, generated columns
SELECT NULL::order_status = 'paid' AS eq, NULL::order_status IS DISTINCT FROM 'paid' AS "distinct",
       NULL::order_status IS NOT DISTINCT FROM NULL::order_status AS both_null, NULL::order_status ->? 'paid' AS may,
       next_states(NULL::order_status) AS next, NULL::order_status::text AS text;
SELECT '{paid,NULL,shipped}'::order_status[] AS a, array_position('{paid,shipped}'::order_status[], 'shipped') AS pos,
       unnest('{paid,shipped}'::order_status[]) AS u;
SELECT '{paid,nothing}'::order_status[];
CREATE DOMAIN live_status AS order_status CHECK (VALUE NOT IN ('expired', 'cancelled', 'refunded'));
SELECT 'paid'::live_status, 'paid'::live_status = 'paid'::order_status AS eq, 'pending'::live_status ->? 'paid' AS may;
SELECT 'refunded'::live_status;
SELECT 'nothing'::live_status;
CREATE TABLE g (status order_status NOT NULL DEFAULT 'pending' CHECK (status > 'cancelled'),
                is_open boolean GENERATED ALWAYS AS (status < 'shipped') STORED,
                label text GENERATED ALWAYS AS (status::text) STORED);
INSERT INTO g DEFAULT VALUES;
INSERT INTO g VALUES ('shipped');
\set VERBOSITY terse
INSERT INTO g VALUES ('expired');
\set VERBOSITY default
TABLE g;

-- casts: from text and varchar by assignment, to text by asking
CREATE TABLE c (o order_status, p payment_status, f operation_status);
INSERT INTO c VALUES ('paid'::text, 'failed'::varchar, 'reversed'::varchar(8));
INSERT INTO c SELECT 'paid'::varchar, 'failed'::text, 'reversed'::text;
TABLE c;
INSERT INTO c (o) VALUES ('nothing'::text);
INSERT INTO c (o) VALUES (5);
SELECT 'paid'::order_status::text, 'paid'::order_status::varchar, 'paid'::order_status::varchar(3) AS cut,
       CAST('paid'::text AS order_status), 'paid'::order_status || '!' AS concatenated;
\set VERBOSITY sqlstate
SELECT upper('paid'::order_status);
\set VERBOSITY default
INSERT INTO vocabulary (label) VALUES ('paid'::order_status);
SELECT 'paid'::order_status::integer;
SELECT 'paid'::order_status::payment_status;
PREPARE by_varchar (varchar) AS INSERT INTO c (o) VALUES ($1) RETURNING o;
EXECUTE by_varchar('shipped');
EXECUTE by_varchar('Shipped');
PREPARE by_unknown AS SELECT count(*) FROM t WHERE status = $1;
EXECUTE by_unknown('paid');
PREPARE by_list_of AS SELECT count(*) FROM t WHERE status = ANY ($1);
EXECUTE by_list_of('{paid,shipped}');
PREPARE by_text (text) AS SELECT count(*) FROM t WHERE status = $1::order_status;
EXECUTE by_text('paid');
DEALLOCATE ALL;

-- ->? and next_states are the default graphs, all pairs
SELECT e.type, count(*) AS pairs, count(*) FILTER (WHERE v.label = ANY (to_labels)) AS edges,
       count(*) FILTER (WHERE try(format('SELECT %L::%I ->? %L::%2$I', from_label, e.type, v.label))::boolean
                          IS DISTINCT FROM (v.label = ANY (to_labels))) AS wrong
FROM edge e JOIN vocabulary v USING (type) GROUP BY e.type ORDER BY e.type COLLATE "C";
SELECT e.type, from_label, next,
       next::text[] = ARRAY(SELECT v.label FROM vocabulary v WHERE v.type = e.type AND v.label = ANY (to_labels) ORDER BY rank) AS right
FROM edge e JOIN vocabulary w ON w.type = e.type AND w.label = from_label,
     LATERAL (SELECT try(format('SELECT next_states(%L::%I)', from_label, e.type)) AS next) AS n
ORDER BY e.type COLLATE "C", rank;
SELECT pg_typeof(next_states('paid'::order_status)), 'refunded' = ANY (next_states('paid'::order_status)) AS may;
\set VERBOSITY sqlstate
SELECT next_states('paid');
\set VERBOSITY default

-- operators and aggregates are found whatever the search_path is; functions are qualified
SET enable_seqscan = off;
CREATE SCHEMA elsewhere;
CREATE TYPE elsewhere.order_status AS ENUM ('mine');
SET search_path = elsewhere;
SELECT count(*) FROM status_test.t WHERE status = 'paid';
SELECT status FROM status_test.t WHERE status IN ('paid') AND status = ANY ('{paid,shipped}') AND status >= 'paid' LIMIT 1;
SELECT CASE status WHEN 'paid' THEN 1 WHEN 'shipped' THEN 2 END AS n, count(*) FROM status_test.t
WHERE status > 'authorized' AND status IS DISTINCT FROM 'refunded' GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM status_test.t JOIN status_test.u USING (status) WHERE nullif(status, 'paid') IS NULL;
SELECT min(status), max(status) FROM status_test.t;
SELECT DISTINCT status FROM status_test.t ORDER BY status DESC LIMIT 2;
SELECT id FROM status_test.t WHERE status = 'expired' ORDER BY id LIMIT 1;
SELECT status_test.plan_has('SELECT id FROM status_test.q WHERE status = ''expired'' ORDER BY id', 'using q_partial') AS partial;
SELECT count(*) FROM status_test.u WHERE status ->? 'paid' OR 'paid' = status;
SELECT order_payment.next_states(status) FROM status_test.u WHERE status = 'shipped';
INSERT INTO status_test.c (o) VALUES ('paid'::text);
CREATE INDEX ON status_test.t (id) WHERE status <> 'refunded';
SET search_path = '';
SELECT count(*) FROM status_test.t WHERE status = 'paid';
SELECT status FROM status_test.t WHERE status IN ('paid') AND status = ANY ('{paid,shipped}') AND status >= 'paid' LIMIT 1;
SELECT CASE status WHEN 'paid' THEN 1 WHEN 'shipped' THEN 2 END AS n, count(*) FROM status_test.t
WHERE status > 'authorized' AND status IS DISTINCT FROM 'refunded' GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM status_test.t JOIN status_test.u USING (status) WHERE nullif(status, 'paid') IS NULL;
SELECT min(status), max(status) FROM status_test.t;
SELECT DISTINCT status FROM status_test.t ORDER BY status DESC LIMIT 2;
SELECT status_test.plan_has('SELECT id FROM status_test.q WHERE status = ''expired'' ORDER BY id', 'using q_partial') AS partial;
SELECT count(*) FROM status_test.u WHERE status ->? 'paid' OR 'paid' = status;

-- input and output functions as plain calls
SELECT order_payment.order_status_in('Paid');
SELECT order_payment.order_status_in('paid'), order_payment.order_status_out('paid'), order_payment.order_status_in(NULL);
SELECT order_payment.order_status_send(NULL);

SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA status_test, elsewhere CASCADE;
