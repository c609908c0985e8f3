-- story_late: answers that come late, or after another answer, or when the order is dead
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== story: unknown, then success an hour later'
SELECT * FROM tell(100, $$
  pay a 100     -> pending, outstanding 100
  a processing  -> pending, outstanding 100
  a unknown     -> pending, outstanding 100
  pay b 100     -> 23505 payments_one_live_attempt_idx
  order shipped -> OP001
  a succeeded   -> paid, captured 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 processing
  a unknown
  a succeeded
  order cancelled
= cancelled, captured 100, due 100
$$);

\echo '== story: success after failure'
-- the event says that it came late; the attempt made meanwhile goes on
SELECT * FROM tell(100, $$
  pay a 100     -> pending, outstanding 100
  a failed      -> pending, outstanding 100
  pay b 100     -> pending, outstanding 100
  a succeeded   -> paid, captured 100
  b succeeded   -> paid, captured 200, due 100
  a failed      -> OP001
$$);
SELECT version, entity, from_status, to_status, detail FROM order_events WHERE order_id = (SELECT max(order_id) FROM orders) AND entity = 'payment' ORDER BY version;
-- the same of an attempt that was given up
SELECT * FROM tell(100, $$
  pay a 100     -> pending, outstanding 100
  a revoked     -> pending, outstanding 100
  a authorized  -> authorized, authorized 100, outstanding 100
  a revoked     -> pending, outstanding 100
  a succeeded   -> paid, captured 100
$$);
SELECT version, from_status, to_status, detail FROM order_events WHERE order_id = (SELECT max(order_id) FROM orders) AND entity = 'payment' ORDER BY version;
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a failed
  a succeeded
  pay b 100 split
  b succeeded
= paid, captured 200, due 100
$$);

\echo '== story: late money for a cancelled and for an expired order'
SELECT * FROM tell(100, $$
  order cancelled       -> cancelled
  pay a 100 succeeded   -> cancelled, captured 100, due 100
  pay b 100 authorized  -> cancelled, authorized 100, captured 100, due 100
  order paid            -> OP001
  void v of b           -> cancelled, authorized 100, captured 100, due 100
  v succeeded           -> cancelled, captured 100, due 100
  refund r of a 100     -> cancelled, captured 100, due 100
  r succeeded           -> cancelled, captured 100, refunded 100
$$);
SELECT * FROM tell(100, $$
  pay a 100             -> pending, outstanding 100
  order expired         -> expired
  a succeeded           -> expired, captured 100, due 100
  refund r of a 100     -> expired, captured 100, due 100
  r succeeded           -> expired, captured 100, refunded 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a succeeded
  order cancelled
  refund r of a 100 succeeded
= cancelled, captured 100, refunded 100
= refunded, captured 100, refunded 100 [order cancelled OP001]
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a succeeded
  order expired
  refund r of a 100 succeeded
= expired, captured 100, refunded 100
= refunded, captured 100, refunded 100 [order expired OP001]
$$);

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
