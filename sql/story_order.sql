-- story_order: orders that are cancelled at any moment, and requests that are sent twice
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== story: cancel before, while and after paying'
SELECT * FROM tell(100, $$
  pay a 100           -> pending, outstanding 100
  order cancelled     -> cancelled
  a succeeded         -> cancelled, captured 100, due 100
  order pending       -> OP001
  refund r of a 100   -> cancelled, captured 100, due 100
  r succeeded         -> cancelled, captured 100, refunded 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a processing
  a succeeded
  order cancelled
= cancelled, captured 100, due 100
$$);
-- the gateway is told too late, and the shop pays back what came
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a authorized
  a succeeded
  order cancelled
= cancelled, captured 100, due 100
$$);
-- the authorisation is voided; where the gateway tells of it after the void, it counts, and has to be voided again
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a authorized
  order cancelled
  void v of a 100 succeeded
= cancelled
= cancelled, authorized 100
$$);
SELECT * FROM tell(100, $$
  pay a 100 authorized         -> authorized, authorized 100, outstanding 100
  capture x of a 60            -> authorized, authorized 100, outstanding 100
  order cancelled              -> cancelled, authorized 100
  void v of a                  -> cancelled, authorized 100
  x succeeded                  -> cancelled, authorized 40, captured 60, due 60
  v succeeded                  -> cancelled, captured 60, due 60
  refund r of a 60 succeeded   -> cancelled, captured 60, refunded 60
$$);
-- capture and void become known in any order, whether the order was cancelled before or after
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 authorized
  capture x of a 60
  x succeeded
  void v of a 40 succeeded
  order cancelled
= cancelled, captured 60, due 60
= cancelled [capture x of a 60 OP005]
$$);

\echo '== story: cancel after shipping, after completion, after a part was refunded'
SELECT * FROM tell(100, $$
  pay a 100 succeeded          -> paid, captured 100
  order shipped                -> shipped, captured 100
  refund r of a 30 succeeded   -> shipped, captured 100, refunded 30
  order cancelled              -> cancelled, captured 100, refunded 30, due 70
  refund s of a 70             -> cancelled, captured 100, refunded 30, due 70
  s succeeded                  -> cancelled, captured 100, refunded 100
  order cancelled              -> cancelled, captured 100, refunded 100
$$);
SELECT * FROM tell(100, $$
  pay a 100 succeeded          -> paid, captured 100
  order completed              -> completed, captured 100
  order cancelled              -> OP001
  refund r of a 100 succeeded  -> refunded, captured 100, refunded 100
  order cancelled              -> OP001
$$);
-- A refund was under way when it was cancelled: only what that leaves is still to be asked for.
SELECT * FROM tell(100, $$
  pay a 100 succeeded          -> paid, captured 100
  refund r of a 40             -> paid, captured 100
  order cancelled              -> cancelled, captured 100, due 100
  refund s of a 61             -> OP005
  refund s of a 60             -> cancelled, captured 100, due 100
  r succeeded                  -> cancelled, captured 100, refunded 40, due 60
  s succeeded                  -> cancelled, captured 100, refunded 100
$$);
-- And the merchant, impatient, pays back on the gateway's own page: of that nothing was uncovered, and the refund under way can only fail.
SELECT * FROM tell(100, $$
  pay a 100 succeeded          -> paid, captured 100
  refund r of a 100            -> paid, captured 100
  order cancelled              -> cancelled, captured 100, due 100
  refund s of a 100 succeeded  -> cancelled, captured 100, refunded 100
  r succeeded                  -> 23514 payments_money_check
  r failed                     -> cancelled, captured 100, refunded 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 40
  r succeeded
  refund s of a 60
  s succeeded
  order cancelled
= cancelled, captured 100, refunded 100
= refunded, captured 100, refunded 100 [order cancelled OP001]
$$);

\echo '== story: the order is written off while money is under way'
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded by bank
  pay b 40 processing by bank
  b succeeded
  order expired
  order cancelled
= cancelled, captured 100, due 100 [order expired OP001]
= expired, captured 100, due 100 [order cancelled OP001]
$$);

\echo '== story: duplicate submit of order, payment and refund with the same key'
-- Sent again, a plain INSERT is refused by the key, and INSERT ... ON CONFLICT DO NOTHING does nothing, whatever has become of the first.
\set VERBOSITY terse
SET ROLE regress_story_app;
INSERT INTO orders (customer_id, price, request_key) VALUES (7, 100, 'checkout') RETURNING order_id AS id \gset
INSERT INTO orders (customer_id, price, request_key) VALUES (7, 100, 'checkout');
INSERT INTO orders (customer_id, price, request_key) VALUES (7, 100, 'checkout') ON CONFLICT (customer_id, request_key) DO NOTHING RETURNING order_id;
INSERT INTO payments (order_id, gateway, amount, request_key) VALUES (:id, 'card', 100, 'a') RETURNING payment_id AS a \gset
INSERT INTO payments (order_id, gateway, amount, request_key) VALUES (:id, 'card', 100, 'a');
INSERT INTO payments (order_id, gateway, amount, request_key) VALUES (:id, 'card', 100, 'a') ON CONFLICT (order_id, request_key) DO NOTHING RETURNING payment_id;
INSERT INTO payments (order_id, gateway, amount, request_key) VALUES (:id, 'card', 100, 'b');
SET ROLE regress_story_gateway;
UPDATE payments SET status = 'succeeded' WHERE payment_id = :'a';
SET ROLE regress_story_app;
INSERT INTO payments (order_id, gateway, amount, request_key) VALUES (:id, 'card', 100, 'a') ON CONFLICT (order_id, request_key) DO NOTHING RETURNING payment_id;
SELECT state(:id), details(:id);
INSERT INTO refunds (order_id, payment_id, amount, request_key) VALUES (:id, :'a', 100, 'r') RETURNING operation_id AS r \gset
INSERT INTO refunds (order_id, payment_id, amount, request_key) VALUES (:id, :'a', 100, 'r');
INSERT INTO refunds (order_id, payment_id, amount, request_key) VALUES (:id, :'a', 100, 'r') ON CONFLICT (order_id, request_key) DO NOTHING RETURNING operation_id;
INSERT INTO payment_operations (order_id, payment_id, kind, amount, request_key) VALUES (:id, :'a', 'refund', 100, 'r') ON CONFLICT DO NOTHING RETURNING operation_id;
SELECT state(:id), details(:id);
SET ROLE regress_story_gateway;
UPDATE refunds SET status = 'succeeded' WHERE operation_id = :'r';
SET ROLE regress_story_app;
INSERT INTO refunds (order_id, payment_id, amount, request_key) VALUES (:id, :'a', 100, 'r') ON CONFLICT (order_id, request_key) DO NOTHING RETURNING operation_id;
INSERT INTO orders (customer_id, price, request_key) VALUES (7, 100, 'checkout') ON CONFLICT (customer_id, request_key) DO NOTHING RETURNING order_id;
RESET ROLE;
SELECT state(:id), details(:id), problems(:id), (SELECT count(*) FROM orders WHERE customer_id = 7) AS orders, (SELECT version FROM orders WHERE order_id = :id);

\echo '== story: duplicate submit by a guest'
-- A guest has no customer_id: the key is told from those of other guests, and of customers. ON CONFLICT without a target serves both.
SET ROLE regress_story_app;
INSERT INTO orders (price, request_key) VALUES (100, 'checkout') RETURNING order_id AS id \gset
INSERT INTO orders (price, request_key) VALUES (100, 'checkout');
INSERT INTO orders (price, request_key) VALUES (100, 'checkout') ON CONFLICT DO NOTHING RETURNING order_id;
INSERT INTO orders (price, request_key) VALUES (100, 'checkout') ON CONFLICT (request_key) WHERE customer_id IS NULL AND request_key IS NOT NULL DO NOTHING RETURNING order_id;
INSERT INTO orders (customer_id, price, request_key) VALUES (7, 100, 'checkout') ON CONFLICT DO NOTHING RETURNING order_id;
INSERT INTO orders (customer_id, price, request_key) VALUES (8, 100, 'checkout') ON CONFLICT DO NOTHING RETURNING customer_id;
INSERT INTO orders (price, request_key) VALUES (100, 'checkout 2') ON CONFLICT DO NOTHING RETURNING request_key;
INSERT INTO orders (price) VALUES (100), (100) ON CONFLICT DO NOTHING RETURNING request_key;
RESET ROLE;
SELECT state(:id), problems(:id), (SELECT count(*) FROM orders WHERE request_key = 'checkout' AND customer_id IS NULL) AS orders;

\echo '== story: an outcome that is told twice'
-- an upsert by the key: the first is the birth, the second changes nothing, the third is another outcome
SELECT place_order(100) AS id \gset
SET ROLE regress_story_gateway;
PREPARE told (text, text) AS INSERT INTO payments (order_id, gateway, amount, request_key, status) VALUES ($1::bigint, 'card', 100, 'a', $2::order_payment.payment_status)
  ON CONFLICT (order_id, request_key) DO UPDATE SET status = EXCLUDED.status RETURNING status, captured_amount;
EXECUTE told(:id, 'authorized');
EXECUTE told(:id, 'authorized');
EXECUTE told(:id, 'succeeded');
EXECUTE told(:id, 'succeeded');
EXECUTE told(:id, 'processing');
SELECT state(:id), problems(:id), version FROM orders WHERE order_id = :id;
-- all columns from EXCLUDED, as a program writes them that names every column
INSERT INTO payments (order_id, payment_id, gateway, amount, request_key, status)
  SELECT order_id, payment_id, gateway, amount, request_key, 'succeeded' FROM payments WHERE order_id = :id
  ON CONFLICT (order_id, payment_id) DO UPDATE SET status = EXCLUDED.status, captured_amount = EXCLUDED.captured_amount, authorized_amount = EXCLUDED.authorized_amount,
    refunded_amount = EXCLUDED.refunded_amount, fee = EXCLUDED.fee, created_at = EXCLUDED.created_at, currency = EXCLUDED.currency RETURNING status, captured_amount;
PREPARE refund_told (text, text, numeric) AS INSERT INTO payment_operations (order_id, payment_id, kind, amount, gateway_reference, status)
  SELECT order_id, payment_id, 'refund', $3, 're_1', $2::order_payment.operation_status FROM payments WHERE order_id = $1::bigint
  ON CONFLICT (order_id, payment_id, kind, gateway_reference) DO UPDATE SET status = EXCLUDED.status RETURNING status, amount;
EXECUTE refund_told(:id, 'processing', 30);
EXECUTE refund_told(:id, 'succeeded', 30);
EXECUTE refund_told(:id, 'succeeded', 30);
SELECT state(:id), problems(:id), version FROM orders WHERE order_id = :id;
RESET ROLE;
\set VERBOSITY default

\echo '== story: nothing is left of what is rolled back'
SELECT place_order(100) AS id \gset
BEGIN;
SELECT do_step(:id, 'pay a 100 succeeded'), state(:id);
SAVEPOINT s;
SELECT do_step(:id, 'refund r of a 100 succeeded'), state(:id);
ROLLBACK TO s;
SELECT state(:id), problems(:id);
ROLLBACK;
SELECT state(:id), problems(:id), (SELECT count(*) FROM order_events WHERE order_id = :id) AS events, (SELECT count(*) FROM payments WHERE order_id = :id) AS payments;

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
