-- story_refund: refunds: asked for, done, failed, retried, reversed
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== story: the merchant refunds a duplicate by plain INSERT (never paid back twice)'
-- What a refund under way covers is not asked for once more: of the 100 due, all is covered by r, and s is a gift of the merchant's.
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  pay b 100 succeeded         -> paid, captured 200, due 100
  refund r of b 100           -> paid, captured 200, due 100
  refund q of b 1             -> OP005
  refund s of a 20            -> paid, captured 200, due 100
  r succeeded                 -> paid, captured 200, refunded 100
  s succeeded                 -> paid, captured 200, refunded 120
  r succeeded                 -> paid, captured 200, refunded 120
$$);
-- in parts, of either payment, and with more than is due
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  pay b 50 succeeded          -> paid, captured 150, due 50
  refund r of b 30            -> paid, captured 150, due 50
  refund s of a 40            -> paid, captured 150, due 50
  s succeeded                 -> paid, captured 150, refunded 40, due 30
  r succeeded                 -> paid, captured 150, refunded 70
$$);
-- a gift that was asked for before anything was due stays a gift
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  refund r of a 40            -> paid, captured 100
  pay b 40 succeeded          -> paid, captured 140, due 40
  r processing                -> paid, captured 140, due 40
  r unknown                   -> paid, captured 140, due 40
  refund s of b 40            -> paid, captured 140, due 40
  r succeeded                 -> paid, captured 140, refunded 40, due 40
  s succeeded                 -> paid, captured 140, refunded 80
$$);
-- The duplicate is refunded after both are known, or, when the refund is known before the second payment, all of the first is:
-- then the order is refunded, and what comes for it is due.
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  pay b 100 succeeded
  refund r of b 100 succeeded
= paid, captured 200, refunded 100
= refunded, captured 200, refunded 100, due 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  pay b 100 succeeded
  refund r of b 100 processing
  r succeeded
  order shipped
= paid, captured 200, refunded 100 [order shipped OP001]
= refunded, captured 200, refunded 100, due 100
= refunded, captured 200, refunded 100, due 100 [order shipped OP001]
= shipped, captured 200, refunded 100
$$);

\echo '== story: partial refunds until nothing is left'
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  refund r of a 30            -> paid, captured 100
  r succeeded                 -> paid, captured 100, refunded 30
  refund s of a 30            -> paid, captured 100, refunded 30
  refund t of a 50            -> OP005
  refund t of a 40            -> paid, captured 100, refunded 30
  t succeeded                 -> paid, captured 100, refunded 70
  s succeeded                 -> refunded, captured 100, refunded 100
  refund u of a 0.01          -> OP005
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 30 succeeded
  refund s of a 30 succeeded
  refund t of a 40 succeeded
  order shipped
= refunded, captured 100, refunded 100
= refunded, captured 100, refunded 100 [order shipped OP001]
$$);
-- by hand: only when all has gone back
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  order refunded              -> OP006
  refund r of a 100           -> paid, captured 100
  order refunded              -> OP006
  r cancelled                 -> paid, captured 100
  refund s of a 100           -> paid, captured 100
  s succeeded                 -> refunded, captured 100, refunded 100
  order refunded              -> refunded, captured 100, refunded 100
$$);

\echo '== story: refund fails, retried on the same row'
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  refund r of a 100           -> paid, captured 100
  r processing                -> paid, captured 100
  r failed                    -> paid, captured 100
  refund s of a 60            -> paid, captured 100
  r processing                -> OP005
  s failed                    -> paid, captured 100
  r processing                -> paid, captured 100
  r unknown                   -> paid, captured 100
  r succeeded                 -> refunded, captured 100, refunded 100
  r failed                    -> OP001
$$);
SELECT version, entity, from_status, to_status, amount, detail FROM order_events WHERE order_id = (SELECT max(order_id) FROM orders) AND version > 3 ORDER BY version;
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 100
  r failed
  r processing
  r succeeded
  order shipped
= refunded, captured 100, refunded 100
= refunded, captured 100, refunded 100 [order shipped OP001]
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 60
  r failed
  r processing
  r succeeded
  order cancelled
  refund s of a 40 succeeded
= cancelled, captured 100, refunded 100
= refunded, captured 100, refunded 100 [order cancelled OP001]
$$);
-- the answer was wrong: success after failure, with another refund under way; facts are taken, the other can only fail
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  refund r of a 60            -> paid, captured 100
  r failed                    -> paid, captured 100
  refund s of a 60            -> paid, captured 100
  r succeeded                 -> paid, captured 100, refunded 60
  s succeeded                 -> 23514 payments_money_check
  s failed                    -> paid, captured 100, refunded 60
$$);
SELECT version, entity, from_status, to_status, detail FROM order_events WHERE order_id = (SELECT max(order_id) FROM orders) AND detail IS NOT NULL ORDER BY version;
-- of what was due, what has failed is uncovered again
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  pay b 40 succeeded          -> paid, captured 140, due 40
  refund r of b 40            -> paid, captured 140, due 40
  r failed                    -> paid, captured 140, due 40
  refund s of a 40            -> paid, captured 140, due 40
  r processing                -> paid, captured 140, due 40
  s succeeded                 -> paid, captured 140, refunded 40
  r succeeded                 -> paid, captured 140, refunded 80
$$);

\echo '== story: refund reversed after success, on a live order'
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  refund r of a 40            -> paid, captured 100
  r succeeded                 -> paid, captured 100, refunded 40
  r reversed                  -> paid, captured 100
  r processing                -> OP001
  pay b 40 succeeded          -> paid, captured 140, due 40
  refund s of b 40            -> paid, captured 140, due 40
  s succeeded                 -> paid, captured 140, refunded 40
  s reversed                  -> paid, captured 140, due 40
$$);
-- what comes back is not due a second time for what another payment has brought
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 40 succeeded
  r reversed
  pay b 50 succeeded
= paid, captured 150, due 50
$$);
-- before it is covered, what was refunded has to be paid anew; when that comes back, it is too much
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded
  refund r of a 60 succeeded
  r reversed
  pay b 100 succeeded
= paid, captured 160, due 60
$$);
-- on an order that was refunded wholly
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  refund r of a 100 succeeded -> refunded, captured 100, refunded 100
  r reversed                  -> refunded, captured 100, due 100
  refund s of a 100           -> refunded, captured 100, due 100
  s succeeded                 -> refunded, captured 100, refunded 100
$$);

\echo '== story: refund reversed after success, on a cancelled order'
SELECT * FROM tell(100, $$
  pay a 100 succeeded         -> paid, captured 100
  order cancelled             -> cancelled, captured 100, due 100
  refund r of a 100           -> cancelled, captured 100, due 100
  r succeeded                 -> cancelled, captured 100, refunded 100
  r reversed                  -> cancelled, captured 100, due 100
  refund s of a 100           -> cancelled, captured 100, due 100
  s succeeded                 -> cancelled, captured 100, refunded 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 100 succeeded
  r reversed
  order cancelled
= cancelled, captured 100, due 100
= refunded, captured 100, due 100 [order cancelled OP001]
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 40 succeeded
  r reversed
  order cancelled
= cancelled, captured 100, due 100
$$);

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
