-- story_pay: orders that are paid at once, in parts, twice; each story is told, then taken in every order of arrival
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== story: simple sale'
SELECT * FROM tell(100, $$
  pay a 100        -> pending, outstanding 100
  a processing     -> pending, outstanding 100
  a succeeded      -> paid, captured 100
  order shipped    -> shipped, captured 100
  order completed  -> completed, captured 100
$$);
SELECT version, entity, from_status, to_status, amount, session_role = session_user AS session, detail FROM order_events WHERE order_id = (SELECT max(order_id) FROM orders) ORDER BY version;
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a succeeded
  order shipped
  order completed
= completed, captured 100
= completed, captured 100 [order shipped OP001]
= paid, captured 100 [order completed OP001, order shipped OP001]
$$);

\echo '== story: a sale with a step-up of the customer, and one that fails'
SELECT * FROM tell(100, $$
  pay a 100          -> pending, outstanding 100
  a requires_action  -> pending, outstanding 100
  a processing       -> pending, outstanding 100
  a failed           -> pending, outstanding 100
  pay b 100          -> pending, outstanding 100
  b revoked          -> pending, outstanding 100
  pay c 100          -> pending, outstanding 100
  c succeeded        -> paid, captured 100
$$);

\echo '== story: paid twice'
-- two tabs: the second attempt is refused while the first is live
SELECT * FROM tell(100, $$
  pay a 100             -> pending, outstanding 100
  pay b 100             -> 23505 payments_one_live_attempt_idx
  pay b 100 succeeded   -> paid, captured 100
  a succeeded           -> paid, captured 200, due 100
  refund r of a 100     -> paid, captured 200, due 100
  r succeeded           -> paid, captured 200, refunded 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 split
  a succeeded
  pay b 100 split
  b succeeded
  order shipped
= paid, captured 200, due 100 [order shipped OP001]
= shipped, captured 200, due 100
$$);

\echo '== story: split payment, gift card and card'
SELECT * FROM tell(100, $$
  pay a 30 split by gift  -> pending, outstanding 100
  pay b 70 split          -> pending, outstanding 100
  a succeeded             -> pending, captured 30, outstanding 70
  b succeeded             -> paid, captured 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 30 split by gift
  a succeeded
  pay b 70 split
  b succeeded
= paid, captured 100
$$);
-- the card fails: the gift card's money goes back
SELECT * FROM tell(100, $$
  pay a 30 split by gift  -> pending, outstanding 100
  pay b 70 split          -> pending, outstanding 100
  a succeeded             -> pending, captured 30, outstanding 70
  b failed                -> pending, captured 30, outstanding 70
  order cancelled         -> cancelled, captured 30, due 30
  refund r of a 30        -> cancelled, captured 30, due 30
  r succeeded             -> cancelled, captured 30, refunded 30
$$);
-- both are authorised first
SELECT * FROM tell(100, $$
  pay a 30 split by gift  -> pending, outstanding 100
  pay b 70 split          -> pending, outstanding 100
  a authorized            -> pending, authorized 30, outstanding 100
  b authorized            -> authorized, authorized 100, outstanding 100
  a succeeded             -> authorized, authorized 70, captured 30, outstanding 70
  b succeeded             -> paid, captured 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 30 split by gift
  a authorized
  a succeeded
  pay b 70 split
  b authorized
  b succeeded
= paid, captured 100
$$);

\echo '== story: split payment, bank transfer in two parts, and a third by mistake'
SELECT * FROM tell(100, $$
  pay a 60 succeeded by bank  -> pending, captured 60, outstanding 40
  pay b 40 succeeded by bank  -> paid, captured 100
  pay c 10 succeeded by bank  -> paid, captured 110, due 10
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded by bank
  pay b 40 succeeded by bank
  pay c 10 succeeded by bank
= paid, captured 110, due 10
$$);

\echo '== story: half paid, then expired'
SELECT * FROM tell(100, $$
  pay a 60 succeeded by bank  -> pending, captured 60, outstanding 40
  order expired               -> expired, captured 60, due 60
  pay b 40 succeeded by bank  -> expired, captured 100, due 100
  refund r of a 60            -> expired, captured 100, due 100
  refund s of b 40            -> expired, captured 100, due 100
  r succeeded                 -> expired, captured 100, refunded 60, due 40
  s succeeded                 -> expired, captured 100, refunded 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded by bank
  order expired
  pay b 40 succeeded by bank
= expired, captured 100, due 100
= paid, captured 100 [order expired OP001]
$$);

\echo '== story: 60 paid, charged back, 40 paid'
-- While it is not covered, what was charged back has to be paid anew; once it was, a dispute is no state of the order.
SELECT * FROM tell(100, $$
  pay a 60 succeeded                 -> pending, captured 60, outstanding 40
  chargeback z of a 60 succeeded     -> pending, captured 60, charged back 60, outstanding 100
  pay b 40 succeeded                 -> pending, captured 100, charged back 60, outstanding 60
  pay c 60 succeeded                 -> paid, captured 160, charged back 60
  z reversed                         -> paid, captured 160, due 60
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded
  chargeback z of a 60 succeeded
  pay b 40 succeeded
= paid, captured 100, charged back 60
= pending, captured 100, charged back 60, outstanding 60
$$);
-- What pays again for what was charged back is no surplus, whether the order was covered before or not.
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded
  chargeback z of a 60 succeeded
  pay b 40 succeeded
  pay c 60 succeeded
= paid, captured 160, charged back 60
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded
  chargeback z of a 60 succeeded
  z reversed
  pay b 40 succeeded
  pay c 60 succeeded
= paid, captured 160, due 60
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 succeeded
  chargeback z of a 100 succeeded
  pay b 100 succeeded
  order shipped
= paid, captured 200, charged back 100 [order shipped OP001]
= paid, captured 200, charged back 100 [order shipped OP006]
= shipped, captured 200, charged back 100
$$);

\echo '== story: 60 paid, 60 refunded, 100 paid'
SELECT * FROM tell(100, $$
  pay a 60 succeeded   -> pending, captured 60, outstanding 40
  refund r of a 60     -> pending, captured 60, outstanding 40
  r succeeded          -> pending, captured 60, refunded 60, outstanding 100
  pay b 100 succeeded  -> paid, captured 160, refunded 60
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded
  refund r of a 60 succeeded
  pay b 100 succeeded
= paid, captured 160, refunded 60
$$);

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
