-- story_pains: the ten things that hurt most in other shops, and the invariant that ends each
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== pain 1: the notification races the answer, and the money counts twice'
-- Invariant: a fact is unique by gateway, its number and its kind; told again it changes nothing; with another amount it is refused.
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a succeeded
  a succeeded
  order shipped
= paid, captured 100 [order shipped OP001]
= shipped, captured 100
$$);
SELECT place_order(100) AS id \gset
\set VERBOSITY terse
INSERT INTO payments (order_id, gateway, gateway_reference, amount, status) VALUES (:id, 'card', 'ch_1', 100, 'succeeded') RETURNING payment_id AS a \gset
INSERT INTO payments (order_id, gateway, gateway_reference, amount, status) VALUES (:id, 'card', 'ch_1', 100, 'succeeded');
INSERT INTO payments (order_id, gateway, gateway_reference, amount, status) VALUES (:id, 'card', 'ch_1', 99, 'succeeded');
INSERT INTO payments (order_id, gateway, gateway_reference, amount, status) VALUES (:id, 'card', 'ch_1', 100, 'succeeded') ON CONFLICT (gateway, gateway_reference) DO NOTHING;
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status, gateway_reference) VALUES (:id, :'a', 'refund', 30, 'succeeded', 're_1');
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status, gateway_reference) VALUES (:id, :'a', 'refund', 30, 'succeeded', 're_1');
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status, gateway_reference) VALUES (:id, :'a', 'refund', 40, 'succeeded', 're_1');
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status, gateway_reference) VALUES (:id, :'a', 'chargeback', 30, 'succeeded', 're_1');
\set VERBOSITY default
SELECT state(:id), problems(:id);

\echo '== pain 2: the customer pays the same order twice'
-- Invariant: one live attempt, unless the payment is split; what comes above is due in the same transaction.
SELECT * FROM tell(100, $$
  pay a 100                  -> pending, outstanding 100
  pay b 100                  -> 23505 payments_one_live_attempt_idx
  a requires_action          -> pending, outstanding 100
  pay b 100                  -> 23505 payments_one_live_attempt_idx
  a processing               -> pending, outstanding 100
  a unknown                  -> pending, outstanding 100
  pay b 100 requires_action  -> 23505 payments_one_live_attempt_idx
  pay b 100 succeeded        -> paid, captured 100
  a succeeded                -> paid, captured 200, due 100
$$);
-- in parts that sum to more than the total, in every order: the same is due
SELECT * FROM tell_in_every_order(100, $$
  pay a 30 succeeded
  pay b 40 succeeded
  pay c 50 succeeded
  pay d 60 succeeded
= paid, captured 180, due 80
$$);

\echo '== pain 3: refunded or captured more than there is'
-- Invariant: a request reserves what it asks for; refunds under way and done, and chargebacks, are at most what was captured.
SELECT * FROM tell(100, $$
  pay a 100 authorized         -> authorized, authorized 100, outstanding 100
  capture x of a 70            -> authorized, authorized 100, outstanding 100
  capture y of a 31            -> OP005
  refund r of a 1              -> OP005
  x succeeded                  -> authorized, authorized 30, captured 70, outstanding 30
  capture y of a 31            -> OP005
  refund r of a 50             -> authorized, authorized 30, captured 70, outstanding 30
  refund s of a 21             -> OP005
  r cancelled                  -> authorized, authorized 30, captured 70, outstanding 30
  refund s of a 21             -> authorized, authorized 30, captured 70, outstanding 30
  refund t of a 50             -> OP005
  s failed                     -> authorized, authorized 30, captured 70, outstanding 30
  refund t of a 50             -> authorized, authorized 30, captured 70, outstanding 30
  t succeeded                  -> pending, authorized 30, captured 70, refunded 50, outstanding 80
$$);
-- two refunds of 60, of 100: whichever is asked for first is the one
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 60
  r succeeded
  refund s of a 60
  s succeeded
= paid, captured 100, refunded 60 [refund r of a 60 OP005]
= paid, captured 100, refunded 60 [refund s of a 60 OP005]
$$);

\echo '== pain 4: an unknown outcome is taken for a failure, and the customer is charged again'
-- Invariant: unknown is a status; while it lasts no new attempt is made; the key is written first and never changes.
SELECT * FROM tell(100, $$
  pay a 100       -> pending, outstanding 100
  a processing    -> pending, outstanding 100
  a unknown       -> pending, outstanding 100
  pay b 100       -> 23505 payments_one_live_attempt_idx
  a processing    -> OP004
  a succeeded     -> paid, captured 100
  pay b 100       -> paid, captured 100
  b revoked       -> paid, captured 100
$$);
\set VERBOSITY sqlstate
UPDATE payments SET request_key = 'another' WHERE request_key = 'a' AND order_id = (SELECT max(order_id) FROM orders);
UPDATE payments SET payment_id = order_payment.uuid_v7() WHERE request_key = 'a' AND order_id = (SELECT max(order_id) FROM orders);
\set VERBOSITY default
-- a refund that is not answered is not asked for again
SELECT * FROM tell(100, $$
  pay a 100 succeeded     -> paid, captured 100
  order cancelled         -> cancelled, captured 100, due 100
  refund r of a 100       -> cancelled, captured 100, due 100
  r unknown               -> cancelled, captured 100, due 100
  refund s of a 100       -> OP005
  r succeeded             -> cancelled, captured 100, refunded 100
$$);

\echo '== pain 5: late or disordered events drag the state backwards'
-- Invariant: what is settled stays; the order moves along its graph and by its sums only; times decide nothing.
SELECT * FROM tell(100, $$
  pay a 100                    -> pending, outstanding 100
  a processing                 -> pending, outstanding 100
  a succeeded                  -> paid, captured 100
  a processing                 -> OP004
  a requires_action            -> OP004
  a failed                     -> OP001
  a authorized                 -> OP001
  a revoked                    -> OP001
  refund r of a 100 succeeded  -> refunded, captured 100, refunded 100
  r processing                 -> OP001
  r failed                     -> OP001
  a succeeded                  -> refunded, captured 100, refunded 100
  order paid                   -> OP001
  order shipped                -> OP001
  order pending                -> OP001
$$);
-- and the contrary: success after a failure is not overheard
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a failed
  a succeeded
  refund r of a 100
  r failed
  r succeeded
= refunded, captured 100, refunded 100
= paid, captured 100 [refund r of a 100 OP005]
$$);

\echo '== pain 6: money for a dead order, and a cancellation that does not release money'
-- Invariant: what is known of money is taken; in a dead order all of it is due at once, and no statement can say otherwise.
SELECT * FROM tell(100, $$
  pay a 60 succeeded           -> pending, captured 60, outstanding 40
  pay b 40 split               -> pending, captured 60, outstanding 40
  order cancelled              -> cancelled, captured 60, due 60
  b succeeded                  -> cancelled, captured 100, due 100
  chargeback z of b 40 succeeded -> cancelled, captured 100, charged back 40, due 60
  refund r of a 60             -> cancelled, captured 100, charged back 40, due 60
  r succeeded                  -> cancelled, captured 100, refunded 60, charged back 40
  z reversed                   -> cancelled, captured 100, refunded 60, due 40
$$);
\set VERBOSITY sqlstate
UPDATE orders SET refund_due_amount = 1 WHERE order_id = (SELECT max(order_id) FROM orders);
UPDATE orders SET status = 'pending' WHERE order_id = (SELECT max(order_id) FROM orders);
\set VERBOSITY default

\echo '== pain 7: shipped on an authorisation that had lapsed'
-- Invariant: coverage is looked at when the order is shipped.
SELECT place_order(100) AS id \gset
SELECT do_step(:id, 'pay a 100 authorized'), state(:id);
UPDATE payments SET capture_before = clock_timestamp() + interval '1 hour' WHERE order_id = :id;
BEGIN;
UPDATE orders SET status = 'shipped' WHERE order_id = :id RETURNING status;
ROLLBACK;
UPDATE payments SET capture_before = clock_timestamp() - interval '1 microsecond' WHERE order_id = :id;
UPDATE orders SET status = 'shipped' WHERE order_id = :id;
-- neither half covered, nor by an authorisation of less
SELECT * FROM tell(100, $$
  pay a 100 authorized lapsed  -> authorized, authorized 100, outstanding 100
  pay b 99 split authorized    -> authorized, authorized 199, outstanding 100
  order shipped                -> OP006
  pay c 1 succeeded            -> authorized, authorized 199, captured 1, outstanding 99
  order shipped                -> shipped, authorized 199, captured 1, outstanding 99
$$);

\echo '== pain 8: units and rounding'
-- Invariant: an amount with more decimals than its currency has is refused, never rounded; comparing two currencies is an error.
SELECT * FROM tell(0.30, $$
  pay a 0.1 succeeded      -> pending, captured 0.1, outstanding 0.2
  pay b 0.2 succeeded      -> paid, captured 0.3
  refund r of a 0.001      -> 23514 payment_operations_amount_check
  refund r of a 0.10       -> paid, captured 0.3
  r succeeded              -> paid, captured 0.3, refunded 0.1
  refund s of b 0.2        -> paid, captured 0.3, refunded 0.1
  s succeeded              -> refunded, captured 0.3, refunded 0.3
$$);
\set VERBOSITY terse
SELECT place_order(100) AS id \gset
INSERT INTO payments (order_id, gateway, amount, currency) VALUES (:id, 'card', 100, 'USD');
INSERT INTO payments (order_id, gateway, amount, currency, status) VALUES (:id, 'card', 100, 'JPY', 'succeeded');
INSERT INTO payments (order_id, gateway, amount, currency, status) VALUES (:id, 'card', 100, 'EUR', 'succeeded') RETURNING payment_id AS a \gset
INSERT INTO payment_operations (order_id, payment_id, kind, amount, currency) VALUES (:id, :'a', 'refund', 10, 'USD');
\set VERBOSITY default
-- the fee is rounded once, half up: 2.9 % of 99.50 and 0.30 is 3.1855, 3 % of 50 is 1.5
INSERT INTO gateway_fees (gateway, currency, rate, fixed) VALUES ('bank', 'EUR', 0.029, 0.30), ('bank', 'JPY', 0.03, 0), ('bank', 'KWD', 0.029, 0.0005);
INSERT INTO payments (order_id, gateway, amount) VALUES (place_order(99.50), 'bank', 99.50), (place_order(50, 'JPY'), 'bank', 50), (place_order(0.5, 'KWD'), 'bank', 0.5), (place_order(1, 'USD'), 'bank', 1)
RETURNING amount, currency, fee, expected_net, net_amount;

\echo '== pain 9: a forged or mismatched message marks an order paid'
-- Invariant: an application cannot record outcomes; amount, currency and order of a payment never change. (The signature of the message itself is not a matter of these tables.)
SELECT place_order(100) AS id, place_order(1) AS other \gset
SET ROLE regress_story_app;
\set VERBOSITY sqlstate
INSERT INTO payments (order_id, gateway, amount, status) VALUES (:id, 'card', 100, 'succeeded');
INSERT INTO payments (order_id, gateway, amount, request_key) VALUES (:id, 'card', 1, 'a');
UPDATE payments SET status = 'succeeded' WHERE order_id = :id;
UPDATE payments SET captured_amount = 100 WHERE order_id = :id;
UPDATE orders SET status = 'paid' WHERE order_id = :id;
UPDATE orders SET paid_amount = 100 WHERE order_id = :id;
RESET ROLE;
SET ROLE regress_story_gateway;
UPDATE payments SET amount = 100, status = 'succeeded' WHERE order_id = :id;
UPDATE payments SET order_id = :other, status = 'succeeded' WHERE order_id = :id;
UPDATE payments SET currency = 'USD' WHERE order_id = :id;
-- one cent for an order of 100 is one cent
UPDATE payments SET status = 'succeeded' WHERE order_id = :id;
RESET ROLE;
\set VERBOSITY default
SELECT state(:id), details(:id), problems(:id), state(:other) AS other;

\echo '== pain 10: dispute and refund both pay out'
-- Invariant: a dispute that is open or lost reserves its amount as refunds do; a refund is refused meanwhile.
SELECT * FROM tell(100, $$
  pay a 100 succeeded              -> paid, captured 100
  chargeback z of a 70 succeeded   -> paid, captured 100, charged back 70
  refund r of a 31                 -> OP005
  refund r of a 30                 -> paid, captured 100, charged back 70
  r succeeded                      -> paid, captured 100, refunded 30, charged back 70
  order cancelled                  -> cancelled, captured 100, refunded 30, charged back 70
  refund s of a 0.01               -> OP005
$$);
-- what was due and is charged back is not paid back once more, in any order
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  order cancelled
  chargeback z of a 100 succeeded
  refund r of a 100
  r succeeded
= cancelled, captured 100, charged back 100 [refund r of a 100 OP005]
= cancelled, captured 100, refunded 100, charged back 100
= refunded, captured 100, refunded 100, charged back 100 [order cancelled OP001]
$$);

\echo '== and: opening a payment page does not move the order; nobody hears of what is rolled back; one step cancels a paid order'
SELECT * FROM tell(100, $$
  pay a 100 requires_action   -> pending, outstanding 100
  order authorized            -> OP006
  a failed                    -> pending, outstanding 100
  pay b 100 succeeded         -> paid, captured 100
  order cancelled             -> cancelled, captured 100, due 100
$$);
SELECT count(*) AS events FROM order_events \gset
BEGIN;
SELECT state FROM tell(100, 'pay a 100 succeeded -> paid, captured 100');
SELECT count(*) - :events AS events FROM order_events;
ROLLBACK;
SELECT count(*) - :events AS events FROM order_events;

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
