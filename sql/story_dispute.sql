-- story_dispute: money that is taken back by the customer's bank, beside refunds; and what is known of it before the payment itself
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== story: dispute opened, then won, then lost'
SELECT * FROM tell(100, $$
  pay a 100 succeeded               -> paid, captured 100
  chargeback z of a 100 succeeded   -> paid, captured 100, charged back 100
  order shipped                     -> OP006
  refund r of a 1                   -> OP005
  z reversed                        -> paid, captured 100
  order shipped                     -> shipped, captured 100
  chargeback y of a 100 succeeded   -> shipped, captured 100, charged back 100
  order completed                   -> completed, captured 100, charged back 100
  order refunded                    -> refunded, captured 100, charged back 100
  y reversed                        -> refunded, captured 100, due 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  chargeback z of a 100 succeeded
  z reversed
  order shipped
= paid, captured 100 [order shipped OP001]
= paid, captured 100 [order shipped OP006]
= shipped, captured 100
$$);
-- a dispute that comes as a request first; only its success counts
SELECT * FROM tell(100, $$
  pay a 100 succeeded                -> paid, captured 100
  pay b 30 succeeded                 -> paid, captured 130, due 30
  chargeback z of b 30 processing    -> paid, captured 130, due 30
  z succeeded                        -> paid, captured 130, charged back 30
  z reversed                         -> paid, captured 130, due 30
$$);
-- disputed and lost, then cancelled: the customer has his money already
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  chargeback z of a 100 succeeded
  order cancelled
= cancelled, captured 100, charged back 100
$$);
-- disputed, cancelled, won: now it is due
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  chargeback z of a 100 succeeded
  z reversed
  order cancelled
= cancelled, captured 100, due 100
$$);

\echo '== story: chargeback after a partial refund'
-- 40 refunded and 100 charged back of 100: both are facts, and the net is below zero
SELECT * FROM tell(100, $$
  pay a 100 succeeded               -> paid, captured 100
  refund r of a 40                  -> paid, captured 100
  r succeeded                       -> paid, captured 100, refunded 40
  chargeback z of a 100 succeeded   -> paid, captured 100, refunded 40, charged back 100
  order shipped                     -> OP006
  order cancelled                   -> cancelled, captured 100, refunded 40, charged back 100
  z reversed                        -> cancelled, captured 100, refunded 40, due 60
$$);
SELECT captured_amount, refunded_amount, charged_back_amount, net_amount FROM payments WHERE order_id = (SELECT max(order_id) FROM orders);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 40 succeeded
  chargeback z of a 100 succeeded
= paid, captured 100, refunded 40, charged back 100
$$);
-- a refund that is asked for beside an open dispute is refused; one that was asked for before goes on, and the net is below zero
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  refund r of a 40
  r succeeded
  chargeback z of a 80 succeeded
  order shipped
= paid, captured 100, charged back 80 [order shipped OP001, refund r of a 40 OP005]
= paid, captured 100, refunded 40, charged back 80 [order shipped OP001]
= paid, captured 100, refunded 40, charged back 80 [order shipped OP006]
= shipped, captured 100, charged back 80 [refund r of a 40 OP005]
= shipped, captured 100, refunded 40, charged back 80
$$);

\echo '== story: refund known before its payment'
-- money can go back only if it came: the refund tells of the capture
SELECT * FROM tell(100, $$
  pay a 100                    -> pending, outstanding 100
  refund r of a 100            -> OP005
  refund r of a 100 succeeded  -> refunded, captured 100, refunded 100
  a succeeded                  -> refunded, captured 100, refunded 100
$$);
SELECT version, entity, from_status, to_status, amount FROM order_events WHERE order_id = (SELECT max(order_id) FROM orders) ORDER BY version;
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a succeeded
  refund r of a 40 succeeded
  order shipped
= paid, captured 100, refunded 40 [order shipped OP001]
= shipped, captured 100, refunded 40
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a authorized holding 80
  a succeeded
  chargeback z of a 80 succeeded
= paid, captured 100, charged back 80 [a authorized holding 80 OP001]
= pending, captured 80, charged back 80, outstanding 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a failed
  a succeeded
  refund r of a 100 succeeded
  order cancelled
= cancelled, captured 100, refunded 100
= cancelled, captured 100, refunded 100 [a failed OP001]
= refunded, captured 100, refunded 100 [a failed OP001, order cancelled OP001]
= refunded, captured 100, refunded 100 [order cancelled OP001]
$$);

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
