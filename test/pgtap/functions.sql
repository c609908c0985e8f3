-- What every public function does with NULL, with nothing and with its defaults; call forms; what is recorded of the session.
SET client_min_messages = error;
BEGIN;
SELECT plan(288);

SELECT order_payment.create_store('shop') \g /dev/null
SET LOCAL search_path = public, shop;
CREATE TYPE ticket_state AS ENUM ('new', 'open', 'done');
CREATE TABLE ticket (id int PRIMARY KEY, state ticket_state);
CREATE TABLE note (id int PRIMARY KEY, state order_payment.order_status);

-- ---------- types and their operators ----------

SELECT is('paid'::order_payment.order_status = NULL, NULL, 'NULL = is NULL');
SELECT is('paid'::order_payment.order_status ->? NULL, NULL, '->? NULL is NULL');
SELECT is(NULL::order_payment.order_status ->? 'paid', NULL, 'NULL ->? is NULL');
SELECT is('pending'::order_payment.order_status ->? 'paid', true, '->?: an edge');
SELECT is('pending'::order_payment.order_status ->? 'shipped', false, '->?: none');
SELECT is('pending'::order_payment.order_status ->? 'pending', false, '->?: to stay is no edge');
SELECT is('failed'::order_payment.payment_status ->? 'succeeded', true, '->? of payment_status');
SELECT is('succeeded'::order_payment.operation_status ->? 'reversed', true, '->? of operation_status');
SELECT is(min(s), NULL, 'min() of none') FROM (SELECT 'paid'::order_payment.order_status WHERE false) v (s);
SELECT is(max(s)::text, 'paid', 'max() ignores NULL') FROM unnest(ARRAY[NULL, 'paid', 'expired']::order_payment.order_status[]) s;
SELECT is(NULL::text::order_payment.order_status, NULL, 'a NULL label is NULL');
SELECT is(array_agg(s ORDER BY s)::text, '{expired,cancelled,pending,authorized,paid,shipped,completed,refunded}', 'order_status in order')
FROM unnest('{refunded,completed,shipped,paid,authorized,pending,cancelled,expired}'::order_payment.order_status[]) s;
SELECT is(array_agg(s ORDER BY s)::text, '{created,processing,requires_action,unknown,authorized,succeeded,failed,revoked}', 'payment_status in order')
FROM unnest('{revoked,failed,succeeded,authorized,unknown,requires_action,processing,created}'::order_payment.payment_status[]) s;
SELECT is(array_agg(s ORDER BY s)::text, '{requested,processing,unknown,succeeded,failed,cancelled,reversed}', 'operation_status in order')
FROM unnest('{reversed,cancelled,failed,succeeded,unknown,processing,requested}'::order_payment.operation_status[]) s;
SELECT is(pg_column_size('paid'::order_payment.order_status), 1, 'one byte');
SELECT is(convert_from(order_payment.order_status_send('paid'), 'UTF8'), 'paid', 'binary form is the label');

-- ---------- graphs ----------

SELECT is(order_payment.next_states(NULL::order_payment.order_status), NULL, 'next_states(NULL)');
SELECT is(order_payment.next_states('expired'::order_payment.order_status)::text, '{}', 'next_states() of a terminal state');
SELECT is(order_payment.next_states('failed'::order_payment.payment_status)::text, '{authorized,succeeded}', 'next_states(payment_status)');
SELECT is(order_payment.next_states('unknown'::order_payment.operation_status)::text, '{processing,succeeded,failed}', 'next_states(operation_status)');
SELECT is(order_payment.default_graph(NULL), NULL, 'default_graph(NULL)');
SELECT is(order_payment.default_graph('text'), NULL, 'default_graph(): text has none');
SELECT is(order_payment.default_graph('ticket_state'), NULL, 'default_graph(): nor has an enum');
SELECT lives_ok(format('SELECT order_payment.check_graph(%L, order_payment.default_graph(%1$L))', t), 'the default graph of ' || t || ' is one')
FROM unnest('{order_payment.order_status,order_payment.payment_status,order_payment.operation_status}'::text[]) t;
SELECT is(order_payment.check_graph('text', NULL)::text, NULL, 'check_graph(, NULL)');
SELECT is(order_payment.check_graph(NULL, 'a')::text, NULL, 'check_graph(NULL, )');
SELECT is(order_payment.check_graph('text', 'a')::text, '', 'check_graph(): one state is a graph');
SELECT throws_ok($$ SELECT order_payment.guard_column(NULL, 'state') $$, '22004', NULL, 'guard_column(NULL, )');
SELECT throws_ok($$ SELECT order_payment.guard_column('ticket', NULL) $$, '22004', NULL, 'guard_column(, NULL)');
SELECT throws_ok($$ SELECT order_payment.guard_column('ticket', 'state', NULL) $$, '22023', NULL, 'guard_column(): an enum needs a graph');
SELECT throws_ok($$ SELECT order_payment.guard_column('ticket', 'state', '') $$, '22023', NULL, 'and an empty one is none');
SELECT throws_ok($$ SELECT order_payment.guard_column('ticket', 'state', ' ') $$, '42P17', NULL, 'but a blank is a malformed one');
SELECT lives_ok($$ SELECT order_payment.guard_column('note', 'state', NULL) $$, 'guard_column(): NULL is the default graph');
SELECT lives_ok($$ SELECT order_payment.guard_column('note', 'state', '') $$, 'so is an empty text');
SELECT lives_ok($$ SELECT order_payment.guard_column(relation => 'ticket', status_column => 'state', graph => 'new; new: open; open: done', stamp => NULL) $$, 'guard_column(stamp => NULL), by name');
SELECT triggers_are('note', ARRAY['zzz_guard_state', 'zzz_guard_state_birth'], 'two triggers guard a column');
PREPARE stamps AS SELECT bool_and(tgnargs = 3)::text FROM pg_trigger WHERE tgrelid = 'note'::regclass AND tgname LIKE 'zzz_guard%';
SELECT results_eq('stamps', ARRAY['false'], 'guard_column() keeps no stamps by itself');
SELECT order_payment.guard_column('note', 'state', stamp => true) \g /dev/null
SELECT results_eq('stamps', ARRAY['true'], 'but where it is asked to');
SELECT order_payment.guard_column('note', 'state') \g /dev/null
SELECT results_eq('stamps', ARRAY['true'], 'and goes on when the graph is replaced');
SELECT order_payment.guard_column('note', 'state', stamp => false) \g /dev/null
SELECT results_eq('stamps', ARRAY['false'], 'until it is told otherwise');
SELECT is(order_payment.status_graph(NULL, 'state'), NULL, 'status_graph(NULL, )');
SELECT is(order_payment.status_graph('note', NULL), NULL, 'status_graph(, NULL)');
SELECT is(order_payment.status_graph('note', 'state', NULL), NULL, 'status_graph(, , NULL)');
SELECT throws_ok($$ SELECT order_payment.status_graph('note', 'state', '') $$, '22023', NULL, 'status_graph(): an empty format');
SELECT is(order_payment.status_graph('note', 'state'), order_payment.status_graph('note', 'state', 'mermaid'), 'status_graph() draws Mermaid');
SELECT alike(order_payment.status_graph('ticket', 'state', 'dot'), 'digraph %', 'or DOT');
SELECT is_empty($$ SELECT * FROM order_payment.status_edges(NULL, 'state') $$, 'status_edges(NULL, )');
SELECT is_empty($$ SELECT * FROM order_payment.status_edges('note', NULL) $$, 'status_edges(, NULL)');
SELECT bag_eq($$ SELECT * FROM order_payment.status_edges('ticket', 'state') $$, $$ VALUES (NULL::text, 'new'), ('new', 'open'), ('open', 'done') $$, 'status_edges()');
SELECT throws_ok($$ INSERT INTO note VALUES (1, NULL) $$, '23502', NULL, 'a guarded column holds no NULL');
SELECT throws_ok($$ INSERT INTO ticket VALUES (1, NULL) $$, '23502', NULL, 'of any type');

-- ---------- card numbers ----------

SELECT is(order_payment.card_brand(NULL), NULL, 'card_brand(NULL)');
SELECT is(order_payment.card_brand('9000000000000001'), NULL, 'card_brand() of a brand that is not known');
SELECT is(order_payment.card_brand(number), brand, 'card_brand() of ' || brand)
FROM (VALUES ('4111 1111 1111 1111', 'visa'), ('3782-822463-10005', 'amex'), ('6222020200112233445', 'unionpay')) v (number, brand);
SELECT is(order_payment.card_mask(NULL), NULL, 'card_mask(NULL)');
SELECT is(order_payment.card_mask(number => '3782-822463-10005'), '************0005', 'card_mask(): twelve stars, whatever the length');
SELECT is(order_payment.luhn_valid(NULL), NULL, 'luhn_valid(NULL)');
SELECT is(order_payment.luhn_valid(number => '4111 1111 1111 1111'), true, 'luhn_valid()');
SELECT is(order_payment.luhn_valid('4111111111111112'), false, 'luhn_valid() of a wrong check digit');
SELECT is(order_payment.luhn_valid(''), false, 'luhn_valid('''')');
SELECT is(order_payment.luhn_valid('************1111'), false, 'luhn_valid() of a mask');

-- ---------- money ----------

SELECT is(order_payment.currency_exponent(NULL), NULL, 'currency_exponent(NULL)');
SELECT is(order_payment.currency_exponent('XAU'), NULL, 'currency_exponent() of gold');
SELECT is(order_payment.currency_exponent(code), exponent, 'currency_exponent() of ' || code)
FROM (VALUES ('USD', 2), ('JPY', 0), ('KWD', 3), ('CLF', 4)) v (code, exponent);
SELECT is(order_payment.currency_exponent('ETH.18'), 18, 'currency_exponent() of a private code');
SELECT is(order_payment.is_currency(NULL), NULL, 'is_currency(NULL)');
SELECT is(order_payment.is_currency('POINTS.0'), true, 'is_currency() of a private code');
SELECT is(order_payment.is_currency(''), false, 'is_currency('''')');
SELECT is(order_payment.is_currency('eur'), false, 'is_currency() of small letters');
SELECT is(order_payment.is_amount(NULL, 'USD'), NULL, 'is_amount(NULL, )');
SELECT is(order_payment.is_amount(1, NULL), NULL, 'is_amount(, NULL)');
SELECT is(order_payment.is_amount(1, ''), false, 'is_amount(, '''')');
SELECT is(order_payment.is_amount(amount::numeric, 'USD'), ok, 'is_amount() of ' || amount)
FROM (VALUES ('0', true), ('-0.01', true), ('0.001', false), ('1.100', true), ('NaN', false), ('Infinity', false)) v (amount, ok);
SELECT is(count(*)::int, 178, 'currencies()') FROM order_payment.currencies();
SELECT is(order_payment.net_amount(NULL, 1), NULL, 'net_amount(NULL, )');
SELECT is(order_payment.net_amount(1, NULL), NULL, 'net_amount(, NULL)');
SELECT is(order_payment.net_amount(amount => 100, fee => 2.9), 97.1, 'net_amount() that is expected');
SELECT is(order_payment.net_amount(1, 0, 0, NULL), NULL, 'net_amount(, , , NULL)');
SELECT is(order_payment.net_amount(captured => 100, refunded => 30, charged_back => 20, fee => 3), 47::numeric, 'net_amount() that was achieved');
SELECT is(order_payment.net_amount(0, 0, 0, 3), 0::numeric, 'net_amount() of nothing captured');
SELECT is(order_payment.payment_fee(NULL, 0.029, 0.30, 'USD'), NULL, 'payment_fee(NULL, , , )');
SELECT is(order_payment.payment_fee(100, 0.029, 0.30, NULL), NULL, 'payment_fee(, , , NULL)');
SELECT is(order_payment.payment_fee(0, 0, 0, 'USD'), 0::numeric, 'payment_fee() of nothing');
SELECT is(order_payment.payment_fee(amount => 100, rate => 0.029, fixed => 0.30, currency => 'USD'), 3.20, 'payment_fee() by name');
SELECT is(order_payment.allocate(NULL, '{1}', 'USD'), NULL, 'allocate(NULL, , )');
SELECT is(order_payment.allocate(1, NULL, 'USD'), NULL, 'allocate(, NULL, )');
SELECT is(order_payment.allocate(1, '{1}', NULL), NULL, 'allocate(, , NULL)');
SELECT throws_ok($$ SELECT order_payment.allocate(1, '{}', 'USD') $$, '22023', NULL, 'allocate(): an empty array');
SELECT throws_ok($$ SELECT order_payment.allocate(1, '{NULL}', 'USD') $$, '22004', NULL, 'allocate(): a NULL weight');
SELECT is(order_payment.allocate(0, '{1,2}', 'USD')::text, '{0.00,0.00}', 'allocate() of nothing');
SELECT is(order_payment.allocate(100, '{1,1,1}', 'USD')::text, '{33.34,33.33,33.33}', 'allocate() leaves no cent over');
SELECT is(order_payment.to_minor_units(NULL, 'USD'), NULL, 'to_minor_units(NULL, )');
SELECT is(order_payment.to_minor_units(1, NULL), NULL, 'to_minor_units(, NULL)');
SELECT is(order_payment.to_minor_units(1, 'USD', NULL), NULL, 'to_minor_units(, , NULL)');
SELECT is(order_payment.to_minor_units(5, 'ISK'), 5::bigint, 'to_minor_units() by ISO');
SELECT is(order_payment.to_minor_units(amount => 5, currency => 'ISK', exceptions => '{"ISK": 2}'), 500::bigint, 'and by a gateway');
SELECT is(order_payment.from_minor_units(NULL, 'USD'), NULL, 'from_minor_units(NULL, )');
SELECT is(order_payment.from_minor_units(1, NULL), NULL, 'from_minor_units(, NULL)');
SELECT is(order_payment.from_minor_units(1, 'USD', NULL), NULL, 'from_minor_units(, , NULL)');
SELECT is(order_payment.from_minor_units(5, 'ISK'), 5::numeric, 'from_minor_units() by ISO');
SELECT is(order_payment.from_minor_units(minor => 500, currency => 'ISK', exceptions => '{"ISK": 2}'), 5::numeric, 'and by a gateway');

-- ---------- probability ----------

SELECT is(order_payment.success_probability(s), NULL, 'success_probability() of none') FROM (SELECT 'failed'::order_payment.payment_status WHERE false) v (s);
SELECT is(order_payment.success_probability(s, 1, 1, 0.95), NULL, 'nor with a prior') FROM (SELECT 'failed'::order_payment.payment_status WHERE false) v (s);
SELECT is((e).successes::text || (e).failures || (e).censored || (e).mean, '0000.5', 'success_probability(NULL) is the prior')
FROM (SELECT order_payment.success_probability(NULL)) v (e);
SELECT is((e).successes::text || (e).failures || (e).censored || (e).mean, '2100.6', 'success_probability() ignores NULL')
FROM (SELECT order_payment.success_probability(s) FROM unnest('{NULL,succeeded,failed,authorized}'::order_payment.payment_status[]) s) v (e);
SELECT is((e).mean, 0.75::float8, 'success_probability() with a prior') FROM (SELECT order_payment.success_probability('failed', 9, 2, 0.9)) v (e);
SELECT throws_ok($$ SELECT order_payment.success_probability('failed', NULL, 1, 0.95) $$, '22004', NULL, 'success_probability(, NULL, , )');
SELECT throws_ok($$ SELECT order_payment.success_probability('failed', 1, NULL, 0.95) $$, '22004', NULL, 'success_probability(, , NULL, )');
SELECT throws_ok($$ SELECT order_payment.success_probability('failed', 1, 1, NULL) $$, '22004', NULL, 'success_probability(, , , NULL)');

-- ---------- a store: defaults, and nothing ----------

SELECT is(order_payment.current_store(), 'shop'::name, 'current_store()');
INSERT INTO orders (order_id, customer_id, product_id, quantity, price, status) VALUES (1001, 1, 2, 2, 9.99, 'pending');
SELECT is((o.total_amount, o.currency, o.status, o.version, o.item_count, o.created_at >= now())::text, '(19.98,USD,pending,1,0,t)', 'what an INSERT leaves out') FROM orders o WHERE order_id = 1001;
SELECT lives_ok($$ INSERT INTO orders (order_id) VALUES (1002) $$, 'an order of which nothing is known');
SELECT is((o.quantity, o.price, o.total_amount)::text, '(1,,)', 'has no total') FROM orders o WHERE order_id = 1002;
SELECT lives_ok($$ INSERT INTO orders DEFAULT VALUES $$, 'INSERT DEFAULT VALUES');
SELECT lives_ok($$ INSERT INTO orders (order_id, price, version, total_amount, item_count, created_at, paid_at) VALUES (1003, 1, NULL, NULL, NULL, NULL, NULL) $$, 'NULL in a derived column of a new row means: leave it to the server');
SELECT is((o.version, o.total_amount, o.item_count, o.created_at IS NULL, o.paid_at IS NULL)::text, '(1,1,0,f,t)', 'which sets it') FROM orders o WHERE order_id = 1003;
SELECT lives_ok($$ INSERT INTO orders (order_id, price, version, item_count) VALUES (1004, 1, 0, 0) $$, 'so does the default of the column');
SELECT lives_ok($$ UPDATE orders SET version = NULL, total_amount = NULL, item_count = NULL, created_at = NULL, paid_at = NULL WHERE order_id = 1003 $$, 'and NULL in an UPDATE');
SELECT is((o.version, o.total_amount, o.item_count, o.created_at IS NULL)::text, '(1,1,0,f)', 'which keeps it') FROM orders o WHERE order_id = 1003;
SELECT lives_ok($$ UPDATE orders SET item_count = DEFAULT, total_amount = DEFAULT WHERE order_id = 1003 $$, 'DEFAULT as well') ;
SELECT lives_ok($$ UPDATE orders o SET (version, total_amount, item_count, created_at, paid_at, status) = (SELECT version, total_amount, item_count, created_at, paid_at, status FROM orders WHERE order_id = o.order_id) $$, 'every value written back as it is');
SELECT lives_ok($$ UPDATE orders SET status = status $$, 'to stay is no move');
SELECT is(max(version), 1, 'and no event') FROM orders;
SELECT is(count(*)::int, 1, 'one event a birth') FROM order_events WHERE order_id = 1001;
SELECT lives_ok($$ UPDATE orders SET status = 'paid' WHERE order_id = 1001 $$, 'pending -> paid');
SELECT is((o.status, o.version, o.paid_at IS NOT NULL, o.shipped_at IS NULL)::text, '(paid,3,t,t)', 'stamped and counted, with the payment by hand') FROM orders o WHERE order_id = 1001;

SELECT is((SELECT count(*)::int FROM order_payment.order_timeline(1001)), 3, 'order_timeline(integer)');
SELECT is((SELECT count(*)::int FROM order_payment.order_timeline(1001::bigint)), 3, 'order_timeline(bigint)');
SELECT is((SELECT count(*)::int FROM order_payment.order_timeline('1001')), 3, 'order_timeline(unknown)');
SELECT is((SELECT count(*)::int FROM order_payment.order_timeline('1001'::text, 'shop')), 3, 'order_timeline(text, store)');
SELECT is((SELECT count(*)::int FROM order_payment.order_timeline(order_id => 1001, store => 'shop')), 3, 'order_timeline() by name');
SELECT results_eq($$ SELECT version, entity, from_status, to_status FROM order_payment.order_timeline(1001) $$,
                  $$ VALUES (1, 'order', NULL::text, 'pending'), (2, 'order', 'pending', 'paid'), (3, 'payment', NULL, 'succeeded') $$, 'order_timeline() in order');
SELECT is_empty($$ SELECT * FROM order_payment.order_timeline(NULL::bigint) $$, 'order_timeline(NULL)');
SELECT is_empty($$ SELECT * FROM order_payment.order_timeline(NULL::text) $$, 'order_timeline(NULL::text)');
SELECT throws_ok($$ SELECT * FROM order_payment.order_timeline(1001, NULL) $$, '22004', NULL, 'order_timeline(, NULL)');
SELECT is_empty($$ SELECT * FROM order_payment.order_timeline(99) $$, 'order_timeline() of no order');
SELECT throws_ok($$ SELECT * FROM order_payment.order_timeline('') $$, '22P02', NULL, 'order_timeline('''')');
SELECT throws_ok($$ SELECT * FROM order_payment.order_timeline('1 OR true') $$, '22P02', NULL, 'order_timeline() quotes what it is given');

SELECT is_empty($$ SELECT * FROM order_payment.read_events(NULL) $$, 'read_events(NULL)');
SELECT is_empty($$ SELECT * FROM order_payment.read_events('c', NULL) $$, 'read_events(, NULL)');
SELECT throws_ok($$ SELECT * FROM order_payment.read_events('c', 1, NULL) $$, '22004', NULL, 'read_events(, , NULL)');
SELECT is(order_payment.ack_events(NULL, ARRAY[]::uuid[]), NULL, 'ack_events(NULL, )');
SELECT is(order_payment.ack_events('c', NULL), NULL, 'ack_events(, NULL)');
SELECT is(order_payment.ack_events('c', ARRAY[]::uuid[]), 0::bigint, 'ack_events() of nothing');
SELECT is(order_payment.ack_events('c', ARRAY[NULL, gen_random_uuid()]), 0::bigint, 'ack_events() of an event that is none');
SELECT is(order_payment.notify_events(NULL), NULL, 'notify_events(NULL)');
SELECT is(order_payment.notify_events('x', NULL), NULL, 'notify_events(, NULL)');
SELECT throws_ok($$ SELECT * FROM order_payment.verify_store(NULL) $$, '22004', NULL, 'verify_store(NULL) is no clean bill');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store() $$, 'verify_store()');
SELECT is((SELECT count(*)::int FROM event_consumers WHERE consumer = 'c'), 1, 'a consumer is made by its first call');

-- ---------- payments: defaults, NULL, call forms ----------

SELECT is(order_payment.outstanding_amount('pending', 10, 4, 1, 0, 0), 7::numeric, 'outstanding_amount()');
SELECT is(order_payment.outstanding_amount('pending', NULL, 4, 1, 0, 0), NULL, 'outstanding_amount() of an unknown total');
SELECT is(order_payment.outstanding_amount('expired', NULL, 4, 1, 0, 0), NULL, 'of a dead order as well');
SELECT is(order_payment.outstanding_amount('expired', 10, 4, 1, 0, 0), 0::numeric, 'outstanding_amount() of a dead order');
SELECT is(order_payment.outstanding_amount('shipped', 10, 4, 1, 0, 0), 6::numeric, 'outstanding_amount(): a refund asks for no new payment of what was shipped');
SELECT matches(order_payment.uuid_v7()::text, '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$', 'uuid_v7() is of version 7');
SELECT is(count(DISTINCT order_payment.uuid_v7())::int, 1000, 'uuid_v7() is not repeated') FROM generate_series(1, 1000);
SELECT is(order_payment.request_hash(NULL), NULL, 'request_hash(NULL)');
SELECT is(order_payment.request_hash('{}'), encode(sha256('{}'), 'hex'), 'request_hash() of nothing');
SELECT is(order_payment.request_hash('{"a": 1.0, "b": null, "c": "x"}'), order_payment.request_hash('{"c": "x", "a": 1.00}'), 'request_hash() of what is the same');
SELECT isnt(order_payment.request_hash('{"a": 1}'), order_payment.request_hash('{"a": "1"}'), 'request_hash() of what is not');
SELECT is(order_payment.next_retry(NULL, 'other', 1, now()), NULL, 'next_retry(NULL, , , )');
SELECT is(order_payment.next_retry('{"other": ["1 day"]}', NULL, 1, now()), NULL, 'next_retry(, NULL, , )');
SELECT is(order_payment.next_retry('{"other": ["1 day"]}', 'other', NULL, now()), NULL, 'next_retry(, , NULL, )');
SELECT is(order_payment.next_retry('{"other": ["1 day"]}', 'other', 1, NULL), NULL, 'next_retry(, , , NULL)');
SELECT is(order_payment.next_retry('{"other": ["1 day"]}', 'other', 1, '2020-01-01'), '2020-01-02'::timestamptz, 'next_retry()');
SELECT is(order_payment.next_retry('{"other": ["1 day"]}', 'other', 2, '2020-01-01'), 'infinity'::timestamptz, 'next_retry() beyond the schedule');
SELECT is(order_payment.next_retry('{}', 'other', 1, '2020-01-01'), NULL, 'next_retry() of a class that is not in it');
SELECT lives_ok($$ SELECT order_payment.require_request_key(NULL), order_payment.require_amount(NULL, 'USD'), order_payment.require_amount(1, 'USD') $$, 'a key and an amount may be left out');

SELECT is(order_payment.outstanding_amount(NULL, 1, 0, 0, 0, 0), NULL, 'outstanding_amount(NULL, ...)');
SELECT is(order_payment.outstanding_amount('pending', 10, NULL, NULL, NULL, NULL), 10::numeric, 'outstanding_amount(): NULL is nothing paid');
SELECT is(order_payment.outstanding_amount(status => 'shipped', total => 10, paid => 4, refunded => 1, charged_back => 1, due => 2), 8::numeric, 'outstanding_amount() by name');
SELECT throws_ok(statement, '22004', NULL, '22004: ' || statement) FROM unnest(ARRAY[
	'SELECT order_payment.create_payment(NULL, ''cod'')',
	'SELECT order_payment.retry_payment(gen_random_uuid(), store => NULL)',
	'SELECT order_payment.refund_order(NULL::text)',
	'SELECT order_payment.refund_order(1003, store => NULL)',
	'SELECT order_payment.request_due_refunds(store => NULL)',
	'SELECT order_payment.expire_orders(store => NULL)',
	'SELECT order_payment.due_retries(store => NULL)',
	'SELECT order_payment.choose_gateway(1003, store => NULL)']) statement;
SELECT throws_ok(statement, '22023', NULL, '22023: ' || statement) FROM unnest(ARRAY[
	'SELECT order_payment.expire_orders(NULL)',
	'SELECT order_payment.due_retries(NULL)']) statement;

INSERT INTO gateways (gateway) VALUES ('stripe');
INSERT INTO gateway_fees (gateway, currency, rate, fixed) VALUES ('stripe', 'USD', 0.029, 0.30);
INSERT INTO gateway_fees (gateway, method, currency, rate, valid_from) VALUES ('stripe', 'card', 'USD', 0.1, now()), ('stripe', 'card', 'USD', 0.2, now() + interval '1 day');
INSERT INTO gateway_fees (gateway, currency) VALUES ('stripe', 'EUR');
SELECT is((method, rate, fixed, valid_from)::text, '(*,0,0,-infinity)', 'defaults of a fee') FROM gateway_fees WHERE currency = 'EUR';
SELECT is((active, minor_unit_exponents)::text, '(t,{})', 'defaults of a gateway') FROM gateways WHERE gateway = 'stripe';
INSERT INTO orders (order_id, price) SELECT n, 100 FROM generate_series(2001, 2006) n;
SELECT is((p.amount, p.currency, p.status, p.attempt_no, p.is_replay, p.method)::text, '(100,USD,created,1,f,)', 'create_payment() of all that is left')
FROM order_payment.create_payment(2001, 'stripe') p;
SELECT is((p.order_id, p.gateway_number = replace(p.payment_id::text, '-', ''), p.gateway)::text, '(2002,t,stripe)', 'create_payment(bigint)') FROM order_payment.create_payment(2002::bigint, 'stripe') p;
SELECT is(p.order_id, '2003', 'create_payment(unknown)') FROM order_payment.create_payment('2003', 'stripe') p;
SELECT is(p.order_id, '2004', 'create_payment(text)') FROM order_payment.create_payment('2004'::text, 'stripe') p;
SELECT is((p.amount, p.method, p.is_replay)::text, '(40,card,f)', 'create_payment() by name')
FROM order_payment.create_payment(order_id => 2005, gateway => 'stripe', amount => 40, method => 'card', request_key => 'k', currency => 'USD', split => true,
								  expires_at => '2100-01-01', store => 'shop') p;
SELECT is((p.amount, p.method, p.is_replay)::text, '(40,card,t)', 'create_payment() once more')
FROM order_payment.create_payment(2005, 'stripe', 40.00, 'card', 'k', 'USD', true) p;
SELECT is(p.amount, 60::numeric, 'create_payment() of the rest') FROM order_payment.create_payment(2005, 'stripe', split => true) p;
SELECT is((p.fee, p.fee_final, p.expected_net, p.net_amount)::text, '(3.20,f,96.80,0)', 'the fee by the gateway') FROM payments p WHERE order_id = 2001;
SELECT is((p.fee, p.expires_at)::text, format('(4.00,"%s")', '2100-01-01'::timestamptz), 'the fee by the method, as it is now') FROM payments p WHERE order_id = 2005 AND amount = 40;
SELECT throws_ok($$ SELECT order_payment.create_payment('', 'stripe') $$, '22P02', NULL, 'create_payment('''')');
SELECT throws_ok($$ SELECT order_payment.create_payment('1 OR true', 'stripe') $$, '22P02', NULL, 'create_payment() quotes what it is given');
SELECT throws_ok($$ SELECT order_payment.create_payment(1001, 'stripe', store => NULL) $$, '22004', NULL, 'create_payment(store => NULL)');

UPDATE payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = 2001;
SELECT ok(abs(extract(epoch FROM retry_at - failed_at - interval '1 day')) < 1, 'a failed payment is tried again by the schedule of its gateway') FROM payments WHERE order_id = 2001;
SELECT is_empty('SELECT * FROM order_payment.due_retries()', 'due_retries(): not yet');
UPDATE payments SET retry_at = NULL WHERE order_id = 2001;
SELECT is_empty('SELECT * FROM order_payment.due_retries()', 'due_retries(): nor without retry_at');
UPDATE payments SET retry_at = now() WHERE order_id = 2001;
SELECT results_eq('SELECT order_id, gateway, attempt_no, failure_class FROM order_payment.due_retries(batch => 10, store => ''shop'')',
				  $$ VALUES ('2001', 'stripe', 1, 'soft_decline') $$, 'due_retries()');
SELECT is((p.attempt_no, p.amount, p.status, p.is_replay)::text, '(2,100,created,f)', 'retry_payment()')
FROM order_payment.retry_payment((SELECT payment_id FROM payments WHERE order_id = 2001), 'again') p;
SELECT is((p.attempt_no, p.is_replay)::text, '(2,t)', 'retry_payment() once more, by name')
FROM order_payment.retry_payment(payment_id => (SELECT payment_id FROM payments WHERE order_id = 2001 AND attempt_no = 1), request_key => 'again', store => 'shop') p;
SELECT is_empty('SELECT * FROM order_payment.due_retries()', 'due_retries(): done');

UPDATE payments SET status = 'succeeded' WHERE order_id IN (2002, 2003, 2004, 2005);
SELECT is((r.order_id, r.amount, r.status, r.is_replay, r.gateway, r.currency, r.obligatory_amount)::text, '(2002,30,requested,f,stripe,USD,0)', 'refund_order(integer, amount)') FROM order_payment.refund_order(2002, 30) r;
SELECT is(r.amount, 70::numeric, 'refund_order(bigint) of all that is left') FROM order_payment.refund_order(2002::bigint) r;
SELECT is(r.amount, 100::numeric, 'refund_order(unknown)') FROM order_payment.refund_order('2003') r;
SELECT is(r.amount, 1::numeric, 'refund_order(text)') FROM order_payment.refund_order('2004'::text, 1) r;
SELECT is(array_agg(r.amount ORDER BY r.amount)::text, '{30,60}', 'refund_order() by name: newest payment first')
FROM order_payment.refund_order(order_id => 2005, amount => 90, reason => 'returned', request_key => 'r', store => 'shop') r;
SELECT is(array_agg((r.amount, r.is_replay)::text ORDER BY r.amount)::text, '{"(30,t)","(60,t)"}', 'refund_order() once more') FROM order_payment.refund_order(2005, 90.0, 'returned', 'r') r;
SELECT throws_ok($$ SELECT * FROM order_payment.refund_order('1 OR true') $$, '22P02', NULL, 'refund_order() quotes what it is given');
SELECT is_empty('SELECT * FROM order_payment.request_due_refunds()', 'request_due_refunds(): nothing is due');
UPDATE orders SET status = 'cancelled' WHERE order_id = 2004;
SELECT is((r.order_id, r.amount, r.obligatory_amount)::text, '(2004,99,99)', 'request_due_refunds(), by name') FROM order_payment.request_due_refunds(batch => 1, store => 'shop') r;
SELECT is_empty('SELECT * FROM order_payment.request_due_refunds()', 'request_due_refunds(): once');
SELECT is(order_payment.expire_orders(), 0, 'expire_orders(): nothing to do');
UPDATE orders SET pay_before = now() WHERE order_id IN (1003, 1004, 2006);
SELECT is(order_payment.expire_orders(batch => 2, store => 'shop'), 2, 'expire_orders(): a batch, by name');
SELECT is(order_payment.expire_orders(), 1, 'expire_orders(): the rest');
SELECT is(order_payment.choose_gateway(2006), 'stripe', 'choose_gateway(integer)');
SELECT is(order_payment.choose_gateway('2006'), 'stripe', 'choose_gateway(unknown)');
SELECT is(order_payment.choose_gateway(order_id => 2006::bigint, method => 'card', period => 'all', store => 'shop'), 'stripe', 'choose_gateway() by name');
UPDATE gateways SET active = false WHERE gateway = 'stripe';
SELECT is(order_payment.choose_gateway(2006), NULL, 'choose_gateway(): none');
INSERT INTO gateways (gateway, protocol, endpoint) VALUES ('own', 'json', 'https://pay.example.com/');
INSERT INTO orders (order_id, price) VALUES (2010, 1);
INSERT INTO payments (order_id, payment_id, gateway, amount) VALUES (2010, '20100000-0000-7000-8000-000000000000', 'own', 1);
SELECT is((r.method, r.url, r.body)::text, '(GET,https://pay.example.com/payment/2010?number=20100000000070008000000000000000,)', 'build_request()')
FROM order_payment.build_request('query_payment', '20100000-0000-7000-8000-000000000000') r;
SELECT is(r.headers, '{"Content-Type": "application/json", "Idempotency-Key": "20100000000070008000000000000000"}', 'build_request() by name')
FROM order_payment.build_request(work => 'send_payment', payment_id => '20100000-0000-7000-8000-000000000000', operation_id => NULL, store => 'shop') r;
SELECT throws_ok($$ SELECT order_payment.sign_request(gateway => 'own', store => 'shop',
	request => order_payment.build_request('query_payment', '20100000-0000-7000-8000-000000000000')) $$, 'OP013', NULL, 'sign_request(), without a secret');
SELECT is(order_payment.percent_encoded(NULL), NULL, 'percent_encoded(NULL)');
SELECT is(order_payment.percent_encoded(''), '', 'percent_encoded('''')');
SELECT is(order_payment.percent_encoded(E'aZ09-._~ /?&=+%\n\u00e9'), 'aZ09-._~%20%2F%3F%26%3D%2B%25%0A%C3%A9', 'percent_encoded()');
SELECT is(order_payment.path_segment(NULL), NULL, 'path_segment(NULL)');
SELECT is(order_payment.form_encoded(NULL), NULL, 'form_encoded(NULL)');
SELECT is(order_payment.form_encoded('{}'), '', 'form_encoded() of nothing');
SELECT is(order_payment.form_encoded('{"b": [1, [null, true]], "a": {"c": {"d": "e f"}, "g": {}, "h": []}}'), 'a%5Bc%5D%5Bd%5D=e%20f&b%5B0%5D=1&b%5B1%5D%5B0%5D=&b%5B1%5D%5B1%5D=true', 'form_encoded()');
SELECT is(order_payment.json_body(NULL), NULL, 'json_body(NULL)');
SELECT is(order_payment.json_body('{"{{{": "\\{{"}'), '{"\u007b\u007b{": "\\\u007b\u007b"}', 'json_body() holds no placeholder');
SELECT is(order_payment.default_subject(NULL), NULL, 'default_subject(NULL)');
SELECT is(order_payment.default_subject(E'a/b=c&d\n'), 'Order a b c d ', 'default_subject()');
SELECT is(length(order_payment.default_subject(repeat('x', 200))), 127, 'default_subject() is short');
SELECT is(order_payment.shanghai_time(NULL), NULL, 'shanghai_time(NULL)');
SELECT is(order_payment.shanghai_time('2030-01-31 16:00:01.9+00'), '2030-02-01 00:00:01', 'shanghai_time()');
SELECT is(order_payment.work_action('query_operation', 'refund'), 'query_refund', 'work_action()');
SELECT is((s.is_there, s.key_name)::text, '(f,)', 'secret_name() of none') FROM order_payment.secret_name('own', 'api_key', 'shop') s;

INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, fee, currency, settled_on)
SELECT gateway, 's', 1, 'payment', replace(payment_id::text, '-', ''), 100, 3, currency, current_date FROM payments WHERE order_id = 2003;
SELECT throws_ok($$ SELECT order_payment.post_settlement(NULL, 's') $$, '22004', NULL, 'post_settlement(NULL, )');
SELECT throws_ok($$ SELECT order_payment.post_settlement('stripe', NULL) $$, '22004', NULL, 'post_settlement(, NULL)');
SELECT throws_ok($$ SELECT order_payment.post_settlement('stripe', 's', NULL) $$, '22004', NULL, 'post_settlement(, , NULL)');
SELECT is((s.operations_posted, s.payments_posted, s.lines_open)::text, '(0,1,0)', 'post_settlement()') FROM order_payment.post_settlement('stripe', 's') s;
SELECT is((s.operations_posted, s.payments_posted, s.lines_open)::text, '(0,0,0)', 'post_settlement() once more, by name')
FROM order_payment.post_settlement(gateway => 'stripe', settlement_id => 's', store => 'shop') s;
SELECT is((fee, fee_final)::text, '(3,t)', 'the fee is final') FROM payments WHERE order_id = 2003;
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, currency, settled_on) VALUES ('stripe', 's2', 1, 'payment', 'none of ours', 1, 'USD', 'today');
SELECT is((number, fee, imported_at = now())::text, '(,,t)', 'a line without a number of ours') FROM settlement_lines WHERE settlement_id = 's2';
SELECT is((s.operations_posted, s.payments_posted, s.lines_open)::text, '(0,0,1)', 'stays open') FROM order_payment.post_settlement('stripe', 's2') s;
SELECT is_empty('SELECT * FROM order_payment.upgrade_store()', 'upgrade_store(): nothing to do');
SELECT is_empty('SELECT * FROM order_payment.upgrade_store(store => ''shop'')', 'upgrade_store() by name');
SELECT throws_ok('SELECT * FROM order_payment.upgrade_store(NULL)', '22004', NULL, 'upgrade_store(NULL)');
SELECT is_empty($$ SELECT * FROM order_payment.verify_store() $$, 'verify_store() of all that');

-- ---------- messages of gateways ----------

UPDATE gateways SET protocol = 'stripe' WHERE gateway = 'stripe';
SELECT is(v::text, '(f,header_missing)', 'verify_notification(text, jsonb, bytea)') FROM order_payment.verify_notification('stripe', '{}', '') v;
SELECT is(v::text, '(f,header_missing)', 'verify_notification() by name') FROM order_payment.verify_notification(gateway => 'stripe', headers => '{}', body => '', at => now(), store => 'shop') v;
SELECT is(v::text, '(t,unsigned)', 'verify_reply(text, jsonb, bytea)') FROM order_payment.verify_reply('stripe', '{}', '') v;
SELECT is(v::text, '(t,unsigned)', 'verify_reply() by name, at NULL') FROM order_payment.verify_reply(gateway => 'stripe', headers => '{}', body => '', at => NULL, store => 'shop') v;
SELECT throws_ok(format('SELECT order_payment.%s(%s)', f, a), '22004', NULL, format('%s(%s)', f, a)) FROM unnest('{verify_notification,verify_reply}'::text[]) f,
	unnest(ARRAY['NULL, ''{}'', ''''', '''stripe'', NULL, ''''', '''stripe'', ''{}'', NULL', '''stripe'', ''{}'', '''', store => NULL']) a;
SELECT throws_ok($$ SELECT order_payment.verify_notification('none', '{}', '') $$, '23503', NULL, 'verify_notification(): no such gateway');
SELECT throws_ok($$ SELECT order_payment.verify_notification('cod', '{}', '') $$, '22023', NULL, 'verify_notification(): a gateway that does not speak');
SELECT throws_ok($$ SELECT order_payment.verify_notification('stripe', '{}', '', '-infinity') $$, '22023', NULL, 'verify_notification(): no time');
SELECT throws_ok($$ SELECT order_payment.sign_for_gateway('stripe', 'private_key', 'x') $$, 'OP013', NULL, 'sign_for_gateway(): no key');
SELECT throws_ok($$ SELECT order_payment.sign_for_gateway('stripe', 'api_key', 'x') $$, '22023', NULL, 'sign_for_gateway(): a kind that does not sign');
SELECT throws_ok($$ SELECT order_payment.open_resource('stripe', '{"algorithm": "AEAD_AES_256_GCM", "nonce": "123456789012", "ciphertext": "AAAAAAAAAAAAAAAAAAAAAAAA"}') $$, 'OP013', NULL, 'open_resource(): no key');
SELECT throws_ok($$ SELECT order_payment.open_resource('stripe', '{}') $$, 'OP010', NULL, 'open_resource(): nothing to open');
SELECT is(order_payment.form_fields(NULL), NULL, 'form_fields(NULL)');
SELECT is(order_payment.form_fields(body => 'a=b'), '{"a": "b"}', 'form_fields() by name');
SELECT is(order_payment.flat_xml_fields(NULL), NULL, 'flat_xml_fields(NULL)');
SELECT is(order_payment.flat_xml_fields(body => '<xml><a>b</a></xml>'), '{"a": "b"}', 'flat_xml_fields() by name');
SELECT is(order_payment.open_resource(gateway => 'stripe', resource => NULL, store => 'shop'), NULL, 'open_resource(, NULL)');
SELECT is(s.signature, NULL, 'sign_for_gateway(, NULL, )') FROM order_payment.sign_for_gateway(gateway => 'stripe', kind => NULL, message => '', store => 'shop') s;

SELECT * FROM finish();
ROLLBACK;
