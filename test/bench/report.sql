/* The one table. Needs :command, which made it, and :growth_rows. */
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
	(13, '... the guard alone, it stamps `cancelled_at`', 'no trigger, the statement sets `cancelled_at`', '<= 1.20', bench.ratio('orders', 'guard', 'none')),
	(20, 'the check of one move, net of an empty trigger, processor time: ' || bench.net_ns(bench.net('narrow', 'guard', 'empty')), 'PL/pgSQL CASE: ' || bench.net_ns(bench.net('narrow', 'case', 'empty')), '<= 1/6 = 0.167', bench.net_ratio(bench.net('narrow', 'guard', 'empty'), bench.net('narrow', 'case', 'empty'))),
	(21, '... the same', 'PL/pgSQL and a table of edges: ' || bench.net_ns(bench.net('narrow', 'lookup', 'empty')), '<= 1/20 = 0.050', bench.net_ratio(bench.net('narrow', 'guard', 'empty'), bench.net('narrow', 'lookup', 'empty'))),
	(30, 'COPY out of an order_status', 'an enum', '<= 1.05', bench.ratio('copy out', 'status', 'enum')),
	(31, 'COPY in', 'an enum', '<= 1.05', bench.ratio('copy in', 'status', 'enum')),
	(32, 'GROUP BY', 'an enum', '<= 1.05', bench.ratio('group by', 'status', 'enum')),
	(33, 'CREATE INDEX (btree)', 'an enum', '<= 1.05', bench.ratio('create index', 'status', 'enum')),
	(34, 'bytes of a value', 'an enum', '1 : 4', (SELECT format('%s : %s', pg_column_size(s.status), pg_column_size(e.status)) FROM bench.as_status s, bench.as_enum e LIMIT 1)),
	(40, 'one UPDATE of many orders of a store, history written: ' || bench.ns('bulk', 'store') || ' an order', 'a quarter as many: ' || bench.ns('bulk', 'store, few') || ' an order', '<= 1.2 an order', bench.ratio('bulk', 'store', 'store, few')),
	(41, '... the same', 'no trigger, no history', '', bench.ratio('bulk', 'store', 'bare')),
	(42, '... the same', 'PL/pgSQL with the same guarantees', '', bench.ratio('bulk', 'store', 'by hand')),
	(43, 'one UPDATE of many payments to succeeded, orders and history follow: ' || bench.ns('payments', 'store') || ' a payment', 'a quarter as many: ' || bench.ns('payments', 'store, few') || ' a payment', '<= 1.2 a payment', bench.ratio('payments', 'store', 'store, few')),
	(44, '... the same', 'bare tables, an UPDATE of the payments and one of the orders', '', bench.ratio('payments', 'store', 'bare')),
	(45, '... the same', 'PL/pgSQL with the same guarantees', '', bench.ratio('payments', 'store', 'by hand')),
	(50, 'reseal() of card numbers under another data key: ' || bench.ns('reseal of numbers', 'reseal') || ' a row', 'a procedure that touches the same rows: ' || bench.ns('reseal of numbers', 'touch') || ' a row', '<= 1.7', bench.ratio('reseal of numbers', 'reseal', 'touch')),
	(51, '... of number, holder, expiry and fingerprint, under other keys: ' || bench.ns('reseal of cards', 'reseal') || ' a row', 'likewise: ' || bench.ns('reseal of cards', 'touch') || ' a row', '', bench.ratio('reseal of cards', 'reseal', 'touch'))
	) rows (position, what, against, goal, ratio)
WHERE ratio IS NOT NULL
ORDER BY position;

/* Transactions a second: above 1 is faster than the rival. */
SELECT format('| %s: %s a second | %s: %s a second | %s | %s |', what, bench.per_second(pair, 'store'), against,
			  bench.per_second(pair, side), goal, bench.ratio(pair, 'store', side))
FROM (SELECT pair, split_part(pair, ', ', 1) AS kind, split_part(pair, ', ', 2)::integer AS clients
	  FROM bench.timing WHERE pair ~ '^(checkout|refund), ' GROUP BY pair) p,
LATERAL (VALUES
	(1, CASE kind WHEN 'checkout' THEN 'a checkout over the wire, prepared, ' ELSE 'a refund, ' END || clients || ' client(s)',
	 'bare', 'bare tables, client-side UPDATEs', CASE WHEN kind = 'checkout' AND clients = 4 THEN '>= 0.80' ELSE '' END),
	(2, '... the same', 'by hand', 'PL/pgSQL with the same guarantees', CASE WHEN kind = 'checkout' AND clients = 4 THEN '>= 1.15' ELSE '' END)
	) r (position, what, side, against, goal)
ORDER BY kind, clients, position;

/* What a transaction writes. */
SELECT format('| %s of a %s: %s | %s: %s | %s | %s |', what, kind, bench.each(pair, 'store'), against, bench.each(pair, side), goal,
			  bench.ratio(pair, 'store', side))
FROM (VALUES ('checkout'), ('refund')) k (kind),
LATERAL (VALUES ('versions of ' || kind, 'row versions'), ('HOT of ' || kind, '... of them HOT'), ('WAL of ' || kind, 'bytes of WAL')) w (pair, what),
(VALUES ('bare', 'bare tables'), ('by hand', 'PL/pgSQL')) a (side, against),
LATERAL (SELECT CASE WHEN what = 'bytes of WAL' AND side = 'bare' AND kind = 'checkout' THEN '<= 2.5' ELSE '' END AS goal) g
WHERE EXISTS (SELECT FROM bench.timing t WHERE t.pair = w.pair)
ORDER BY kind, side, what DESC;

/* What each effect costs: processor time with all of them, over that without one. */
SELECT format('| %s, %s of processor time | without %s: %s less | | %s |', statement, bench.cpu_ns(pair, 'all'), what,
			  bench.saved_ns(pair, 'all', side), bench.cpu_ratio(pair, 'all', side))
FROM (VALUES
	(1, 'effects on an order', 'one statement cancels an order', 'no history', 'the history'),
	(3, 'effects on an order', '... the same', 'no guard', 'the guard'),
	(4, 'effects on an order', '... the same', 'no CHECKs', 'CHECKs'),
	(5, 'effects on an order', '... the same', 'no triggers', 'all triggers'),
	(12, 'effects on a payment', 'one statement lets a payment succeed', 'no guard', 'the guards'),
	(13, 'effects on a payment', '... the same', 'no CHECKs', 'CHECKs'),
	(14, 'effects on a payment', '... the same', 'no generated columns', 'generated columns'),
	(15, 'effects on a payment', '... the same', 'no order', 'what becomes of the order, with two events'),
	(16, 'effects on a payment', '... the same', 'no triggers', 'all triggers')
	) e (position, pair, statement, side, what)
WHERE EXISTS (SELECT FROM bench.timing t WHERE t.pair = e.pair)
ORDER BY position;

/* Cards: above 1 is faster than the rival. */
SELECT format('| %s | %s | %s | %s |', what, against, goal, ratio)
FROM (VALUES
	(1, 'seal() of a card number in a query, processor time: ' || bench.cpu_ns('seal', 'seal'), 'pgcrypto encrypt_iv, gen_random_bytes: ' || bench.cpu_ns('seal', 'cbc'), '>= 3', bench.cpu_ratio('seal', 'cbc', 'seal')),
	(2, '... the same, bound to its row by binding(): ' || bench.cpu_ns('seal', 'bound'), 'the same, bound to nothing', '', bench.cpu_ratio('seal', 'cbc', 'bound')),
	(3, '... as in the first line', 'pgcrypto pgp_sym_encrypt: ' || bench.cpu_ns('seal', 'pgp'), '>= 200', bench.cpu_ratio('seal', 'pgp', 'seal')),
	(5, 'a fingerprint, net: what it adds to protect_card(): ' || bench.net_ns(bench.net('fingerprint', 'with', 'without')), 'pgcrypto hmac in a query, net of its rows: ' || bench.net_ns(bench.net('fingerprint', 'hmac', 'rows')), '>= 3', bench.net_ratio(bench.net('fingerprint', 'hmac', 'rows'), bench.net('fingerprint', 'with', 'without')))
	) rows (position, what, against, goal, ratio)
WHERE ratio IS NOT NULL
ORDER BY position;
/* And what it takes: below 1 is faster. */
SELECT format('| seal() of a card number, net of the rows: %s | OpenSSL alone, 16 bytes, AES-256-GCM: %s | <= 3 | %s |',
			  bench.net_ns(bench.net('seal', 'seal', 'rows')), bench.net_ns(bench.net('seal', 'raw', '')),
			  bench.net_ratio(bench.net('seal', 'seal', 'rows'), bench.net('seal', 'raw', '')))
WHERE EXISTS (SELECT FROM bench.timing WHERE pair = 'seal');
SELECT format('| %s: %s a second | %s: %s a second | %s | %s |', what, bench.per_second(pair, 'store'), against,
			  bench.per_second(pair, side), goal, bench.ratio(pair, 'store', side))
FROM (SELECT pair, split_part(pair, ', ', 2) AS clients FROM bench.timing WHERE pair LIKE 'card checkout, %' GROUP BY pair) p,
LATERAL (VALUES
	(1, 'a checkout with a card over the wire, prepared, ' || clients || ' client(s)', 'cbc', 'PL/pgSQL with the same guarantees, pgcrypto encrypt_iv and hmac', '>= 1.3'),
	(2, '... the same', 'pgp', 'PL/pgSQL with the same guarantees, pgcrypto pgp_sym_encrypt and hmac', '>= 3'),
	(3, '... the same', 'no card', 'a checkout without a card', '')
	) r (position, what, side, against, goal)
ORDER BY position;

/* Requests to gateways, over TLS; the worker's share of a processor is taken from the checkouts beside it. */
SELECT format('| payments through the worker, over TLS: %s a second | libcurl alone, as many requests to the same server: %s a second | told | %s |',
			  bench.per_second('sending', 'worker'), bench.per_second('sending', 'bare'), bench.ratio('sending', 'worker', 'bare'))
WHERE EXISTS (SELECT FROM bench.timing WHERE pair = 'sending');
SELECT format('| a checkout, 1 client, while the worker sends 50 payments a second | while it is idle | <= 1.1 x the time | %s |',
			  bench.ratio('beside the worker', 'idle', 'sending'))
WHERE EXISTS (SELECT FROM bench.timing WHERE pair = 'beside the worker');

/* How a store grows: transactions a second of the small one, over those of the large one. */
SELECT format('| one %s in a store of %s orders | of %s orders | <= 1.2 | %s |', what,
			  :growth_rows, least(:rows, 100000), bench.ratio(pair, 'small', 'large'))
FROM (VALUES ('growth of checkout_by_server', 'checkout'), ('growth of lookup', 'lookup'), ('growth of refund_by_server', 'refund')) g (pair, what)
WHERE EXISTS (SELECT FROM bench.timing t WHERE t.pair = g.pair);
SELECT format('| %s of %s orders and their history | | %s | %s s |', side, touched,
			  CASE side WHEN 'verify_store()' THEN 'minutes' ELSE '' END, bench.short(amount))
FROM bench.timing WHERE pair = 'audit' ORDER BY side DESC;
\echo
SELECT format('PostgreSQL %s, ROWS=%s, %s runs; made by: %s', split_part(current_setting('server_version'), ' ', 1), :rows,
			  (SELECT max(run) FROM bench.timing WHERE pair <> 'narrow'), :'command');
