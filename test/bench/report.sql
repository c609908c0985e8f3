/* The one table. Needs :command, which made it. */
\set ON_ERROR_STOP on
\pset format unaligned
\pset fieldsep ' | '
\pset footer off
\pset tuples_only on

\echo '| what | against | goal | ratio: median (min–max) |'
\echo '| --- | --- | --- | --- |'
SELECT format('| %s | %s | %s | %s |', what, against, goal, ratio)
FROM (VALUES
	(10, 'UPDATE of status on a narrow table, guard on', 'the same with an empty C trigger', '<= 1.15', bench.ratio('narrow', 'guard', 'empty')),
	(11, '... with an empty C trigger', 'the same without trigger', '', bench.ratio('narrow', 'empty', 'none')),
	(12, 'UPDATE of status on a store''s orders, all triggers', 'the same, the guard''s triggers dropped', '<= 1.20', bench.ratio('bulk', 'store', 'no guard')),
	(13, '... the guard alone, it stamps `paid_at`', 'no trigger, the statement sets `paid_at`', '<= 1.20', bench.ratio('orders', 'guard', 'none')),
	(20, 'the check of one move, net of an empty trigger, processor time: ' || bench.net_ns('guard'), 'PL/pgSQL CASE: ' || bench.net_ns('case'), '<= 1/6 = 0.167', bench.net_ratio('guard', 'case')),
	(21, '... the same', 'PL/pgSQL and a table of edges: ' || bench.net_ns('lookup'), '<= 1/20 = 0.050', bench.net_ratio('guard', 'lookup')),
	(30, 'COPY out of an order_status', 'an enum', '<= 1.05', bench.ratio('copy out', 'status', 'enum')),
	(31, 'COPY in', 'an enum', '<= 1.05', bench.ratio('copy in', 'status', 'enum')),
	(32, 'GROUP BY', 'an enum', '<= 1.05', bench.ratio('group by', 'status', 'enum')),
	(33, 'CREATE INDEX (btree)', 'an enum', '<= 1.05', bench.ratio('create index', 'status', 'enum')),
	(34, 'bytes of a value', 'an enum', '1 : 4', (SELECT format('%s : %s', pg_column_size(s.status), pg_column_size(e.status)) FROM bench.as_status s, bench.as_enum e LIMIT 1)),
	(40, 'one UPDATE of many orders of a store, history written: ' || bench.ns('bulk', 'store') || ' an order', 'a quarter as many: ' || bench.ns('bulk', 'store, few') || ' an order', '<= 1.2 an order', bench.ratio('bulk', 'store', 'store, few')),
	(41, '... the same', 'bare table, no trigger, no history', '', bench.ratio('bulk', 'store', 'bare')),
	(42, '... the same', 'PL/pgSQL with the same guarantees', '', bench.ratio('bulk', 'store', 'by hand'))
	) rows (position, what, against, goal, ratio)
UNION ALL
SELECT format('| %s | %s | %s | %s |', what, against, goal, bench.ratio(pair, a, b))
FROM (SELECT pair, regexp_replace(pair, '\D', '', 'g') AS clients FROM bench.timing WHERE pair LIKE 'checkout%' GROUP BY pair) c,
LATERAL (VALUES
	('tps: INSERT of an order and 3 moves, prepared, ' || clients || ' client(s)', 'bare table, client-side UPDATEs', '', 'store', 'bare'),
	('... the same', 'PL/pgSQL with the same guarantees', '', 'store', 'by hand')) r (what, against, goal, a, b)
UNION ALL
SELECT format('| %s | %s | %s | %s |', 'bytes of WAL of the same, 1 client', against, '', bench.ratio('wal', 'store', b))
FROM (VALUES ('bare table, client-side UPDATEs', 'bare'), ('PL/pgSQL with the same guarantees', 'by hand')) w (against, b)
WHERE EXISTS (SELECT FROM bench.timing WHERE pair = 'wal');
\echo
SELECT format('PostgreSQL %s, ROWS=%s, %s runs; made by: %s', split_part(current_setting('server_version'), ' ', 1),
			  (SELECT max(touched) FROM bench.timing WHERE pair = 'narrow'),
			  (SELECT max(run) FROM bench.timing WHERE pair = 'orders'), :'command');
