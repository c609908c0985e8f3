-- graph: the text form of status graphs, their proof, and the graph that guards a column
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
CREATE SCHEMA graph_test;
SET search_path = graph_test, order_payment, public;

-- "right", or SQLSTATE, message, detail and hint on one line
CREATE FUNCTION check_it(type regtype, graph text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text; m text;
BEGIN
  PERFORM order_payment.check_graph(type, graph);
  RETURN 'right';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
  RETURN SQLSTATE || ': ' || regexp_replace(m, 'invalid status graph at', '') || '. ' || d || CASE h WHEN '' THEN '' ELSE ' | ' || h END;
END $$;
CREATE TYPE mood AS ENUM ('new', 'on hold', 'done', 'Done', 'semi;colon', 'co:lon', 'quo"te', 'é');
CREATE DOMAIN text_status AS text CHECK (VALUE <> '');
CREATE DOMAIN mood_status AS mood;
CREATE DOMAIN own_status AS order_status;

-- default graphs
SELECT default_graph('order_status');
SELECT default_graph('payment_status');
SELECT default_graph('operation_status');
SELECT default_graph('own_status') = default_graph('order_status') AS "domain",
       default_graph('mood') AS enum, default_graph('text') AS text, default_graph(NULL) AS "null";
SELECT type, check_it(type, default_graph(type))
FROM unnest('{order_status,payment_status,operation_status,own_status}'::regtype[]) AS type;

-- one fault in full
SELECT check_graph('order_status', 'pending; pending: payed');
SELECT check_graph('text', 'new new; new: done');

-- right
SELECT check_it(type, graph), type, graph
FROM (VALUES (1, 'order_status'::regtype, 'pending'),
             (2, 'order_status', 'pending;'),
             (3, 'order_status', E'\t pending \n;\r\n pending:paid\f;  '),
             (4, 'order_status', 'pending; pending: paid; paid:'),
             (5, 'order_status', 'pending paid; pending: paid'),
             (6, 'order_status', 'pending;;; pending: paid;;'),
             (7, 'order_status', '"pending"; "pending":"paid";paid:"shipped""completed"'),
             (8, 'own_status', 'pending; pending: paid'),
             (9, 'payment_status', 'created; created: failed; failed: succeeded'),
             (10, 'operation_status', 'requested; requested: succeeded'),
             (11, 'text', 'a; a: b c; b: a c'),
             (12, 'varchar', 'a; a: B; B: b'),
             (13, 'text_status', 'a; a: b'),
             (14, 'mood', 'new; new: done Done "on hold"; "on hold": new done'),
             (15, 'mood', 'new; new: "semi;colon" "co:lon" "quo""te" é'),
             (16, 'mood_status', 'new; new: done'),
             (17, 'text', '"""" " "; """": "a b"; " ": "a b"'),
             (18, 'text', 'naïve; naïve: Überfällig 支払済み')) AS g (n, type, graph)
ORDER BY n;

-- wrong
SELECT n, check_it('text', graph), graph
FROM (VALUES (1, ''), (2, E' \t\n'), (3, ';'), (4, 'a: b'), (5, ':'), (6, 'a; : b'), (7, 'a; a b: c'), (8, 'a; a: b: c'),
             (9, 'a; a: b; c'), (10, 'a a; a: b'), (11, 'a; a: b b'), (12, 'a; a: b; a: c'), (13, 'a; a: a b'),
             (14, 'a; b: c'), (15, 'a; a: b; c: b'), (16, 'a; a: b; b: a'), (17, 'a; a: b c; b: d; d: b'),
             (18, 'a; a: "b'), (19, 'a; a: "b""'), (20, 'a; a: ""'), (21, '"'), (22, '""'), (23, 'a; "" : b'),
             (24, 'é; é: ü ü'), (25, 'é 支; é: 支; 支: ü; ö: é'), (26, ';a; a: b'), (27, 'a; a: b,c; b: d; x: y')) AS g (n, graph)
ORDER BY n;
-- labels are those of the type, exactly, and the hint lists them
SELECT n, check_it(type, graph)
FROM (VALUES (1, 'order_status'::regtype, 'pending; pending: Paid'),
             (2, 'payment_status', 'pending'),
             (3, 'operation_status', 'requested; requested: revoked'),
             (4, 'own_status', 'pending; pending: succeeded'),
             (5, 'mood', 'new; new: DONE'),
             (6, 'mood', 'new; new: "on  hold"'),
             (7, 'mood_status', 'new; new: undone'),
             (8, 'order_status', U&'pending; pending: paid\200B'),
             (9, 'order_status', U&'pending;\00A0pending: paid')) AS g (n, type, graph)
ORDER BY n;
-- types that hold no status
SELECT check_graph('integer', 'a; a: b');
SELECT check_it(type, 'a; a: b'), type
FROM unnest('{boolean,"\"char\"",name,bpchar,uuid,json,text[],order_status[],record,anyenum,order_payment.order_status}'::regtype[]) AS type;
SELECT check_graph(0, 'a');
SELECT check_graph(4294967295, 'a');
SELECT default_graph('integer');
SELECT check_graph(NULL, 'a') AS no_type, check_graph('text', NULL) AS no_graph;

-- limits: 63 bytes a label, 64 states, 8192 bytes
SELECT check_it('text', repeat('a', 63) || '; ' || repeat('a', 63) || ': b') AS bytes_63,
       check_it('text', 'b; b:' || repeat('a', 64)) AS bytes_64,
       check_it('text', 'b; b: "' || repeat('é', 31) || '"') AS bytes_62,
       check_it('text', 'b; b: "' || repeat('é', 32) || '"') AS bytes_64_in_32;
SELECT n, check_it('text', 's1; s1: ' || (SELECT string_agg('s' || i, ' ') FROM generate_series(2, n) AS i)) AS states
FROM unnest('{64,65}'::integer[]) AS n;
SELECT check_it('text', rpad('a; a: b', 8192)) AS bytes_8192, check_it('text', rpad('a; a: b', 8193)) AS bytes_8193,
       check_it('text', repeat('é', 5000)) AS in_characters, check_it('text', repeat('a', 1000000)) AS megabyte;
-- a cycle of 64 states with one way out, and without
SELECT check_it('text', 's1;' || string_agg(format('s%s: s%s;', i, i + 1), '' ORDER BY i) || 's63: s64 s1') AS way_out
FROM generate_series(1, 62) AS i;
SELECT check_it('text', 's1;' || string_agg(format('s%s: s%s;', i, i % 63 + 1), '' ORDER BY i)) AS no_way_out
FROM generate_series(1, 63) AS i;

-- status_graph and status_edges: what really guards a column
CREATE TABLE t (id integer PRIMARY KEY, status order_status, pay payment_status, op operation_status, m mood, note text);
SELECT status_graph('t', 'status');
SELECT * FROM status_edges('t', 'status');
SELECT status_graph('t', 'nothing');
SELECT status_graph(0, 'status');
SELECT * FROM status_edges(0, 'status');
SELECT check_protection(0);
SELECT card_token(0, '1');
SELECT guard_column('t', 'status'), guard_column('t', 'pay'), guard_column('t', 'op'),
       guard_column('t', 'm', 'new; new: "on hold" "semi;colon"; "on hold": new "quo""te" é'), guard_column('t', 'note', 'a b; a: b\c');
\pset format unaligned
\pset tuples_only on
SELECT status_graph('t', 'status');
SELECT status_graph('t', 'pay');
SELECT status_graph('t', 'op', 'mermaid');
SELECT status_graph('t', 'm');
SELECT status_graph('t', 'm', format => 'dot');
SELECT status_graph('t', 'note', 'dot');
\pset tuples_only off
\pset format aligned
SELECT status_graph('t', 'status', 'svg');
SELECT status_graph('t', 'status', '');
SELECT status_graph('t', 'status', NULL) AS "null", status_graph(NULL, 'status') AS "null";
SELECT * FROM status_edges('t', 'm');
SELECT count(*) AS edges, count(*) FILTER (WHERE from_status IS NULL) AS births,
       bool_and(from_status IS NULL OR from_status::order_status ->? to_status::order_status) AS all_default
FROM status_edges('t', 'status');
-- the graph is that of the trigger, not of the library
SELECT guard_column('t', 'status', 'pending; pending: paid');
SELECT * FROM status_edges('t', 'status');
ALTER TABLE t DISABLE TRIGGER zzz_guard_status;
SELECT status_graph('t', 'status');
ALTER TABLE t ENABLE REPLICA TRIGGER zzz_guard_status;
SELECT status_graph('t', 'status');
ALTER TABLE t ENABLE ALWAYS TRIGGER zzz_guard_status;
SELECT count(*) FROM status_edges('t', 'status');
-- a view, an index and a sequence are not guarded
CREATE VIEW v AS SELECT * FROM t;
\set VERBOSITY terse
SELECT status_graph('v', 'status');
SELECT status_graph('t_pkey', 'status');
\set VERBOSITY default
-- every partition answers, and two guards in one statement
CREATE TABLE p (id integer, status order_status) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
SELECT guard_column('p', 'status');
SELECT relation, (SELECT count(*) FROM status_edges(relation, 'status')) AS edges FROM unnest('{p,p1}'::regclass[]) AS relation;
SELECT count(*) FROM status_edges('p', 'status') AS a, status_edges('t', 'status') AS b;
SELECT status_edges('t', 'status') LIMIT 1;

SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA graph_test CASCADE;
