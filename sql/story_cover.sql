-- story_cover: orders covered by authorisations: captured in parts, voided, shipped before capture, paid at the door
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== story: authorise, two captures, void of the rest'
SELECT * FROM tell(100, $$
  pay a 100          -> pending, outstanding 100
  a authorized       -> authorized, authorized 100, outstanding 100
  capture x of a 30  -> authorized, authorized 100, outstanding 100
  x succeeded        -> authorized, authorized 70, captured 30, outstanding 70
  capture y of a 50  -> authorized, authorized 70, captured 30, outstanding 70
  y succeeded        -> authorized, authorized 20, captured 80, outstanding 20
  capture z of a 30  -> OP005
  void v of a        -> authorized, authorized 20, captured 80, outstanding 20
  capture z of a 5   -> OP005
  void w of a        -> OP005
  v succeeded        -> pending, captured 80, outstanding 20
  v failed           -> OP001
$$);
-- a void is of the whole rest: its amount is left out, or is that
SELECT * FROM tell(100, $$
  pay a 100 authorized         -> authorized, authorized 100, outstanding 100
  capture x of a 60 succeeded  -> authorized, authorized 40, captured 60, outstanding 40
  void v of a 30               -> OP005
  void v of a 41               -> OP005
  void v of a 40               -> authorized, authorized 40, captured 60, outstanding 40
  v cancelled                  -> authorized, authorized 40, captured 60, outstanding 40
  void w of a 40 succeeded     -> pending, captured 60, outstanding 40
$$);
-- The operations become known in any order. A void that arrives first releases all that it can see, later captures count nevertheless.
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 authorized
  capture x of a 30 succeeded
  capture y of a 50 succeeded
  void v of a 20 succeeded
= pending, captured 80, outstanding 20
$$);
-- So does the authorisation. After a capture and the void it is refused as old; straight after the void it counts as a new one.
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a authorized
  capture x of a 30 succeeded
  capture y of a 50 succeeded
  void v of a 20 succeeded
= authorized, authorized 20, captured 80, outstanding 20
= pending, captured 80, outstanding 20
= pending, captured 80, outstanding 20 [a authorized OP001]
$$);
-- asked for, then done: nothing is captured twice
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 authorized
  capture x of a 60
  x succeeded
  capture y of a 40
  y succeeded
= paid, captured 100
$$);
-- a capture that fails, is asked for anew, and one that is taken back before it is sent
SELECT * FROM tell(100, $$
  pay a 100 authorized -> authorized, authorized 100, outstanding 100
  capture x of a 100   -> authorized, authorized 100, outstanding 100
  x failed             -> authorized, authorized 100, outstanding 100
  capture y of a 100   -> authorized, authorized 100, outstanding 100
  x processing         -> OP005
  y cancelled          -> authorized, authorized 100, outstanding 100
  x processing         -> authorized, authorized 100, outstanding 100
  x unknown            -> authorized, authorized 100, outstanding 100
  x succeeded          -> paid, captured 100
  y succeeded          -> 23514 payments_money_check
$$);

\echo '== story: authorised then succeeded without a capture row'
SELECT * FROM tell(100, $$
  pay a 100     -> pending, outstanding 100
  a authorized  -> authorized, authorized 100, outstanding 100
  a succeeded   -> paid, captured 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100
  a authorized
  a succeeded
  order shipped
= paid, captured 100 [order shipped OP001]
= shipped, captured 100
$$);
-- with less or more authorised than was asked for, and after a capture of a part
SELECT * FROM tell(100, $$
  pay a 100                -> pending, outstanding 100
  a authorized holding 80  -> pending, authorized 80, outstanding 100
  a holding 100            -> authorized, authorized 100, outstanding 100
  a holding 80             -> pending, authorized 80, outstanding 100
  order authorized         -> OP006
  a succeeded              -> pending, captured 80, outstanding 20
$$);
SELECT * FROM tell(100, $$
  pay a 100 authorized holding 110  -> authorized, authorized 110, outstanding 100
  a succeeded                       -> paid, captured 110, due 10
$$);
SELECT * FROM tell(100, $$
  pay a 100 authorized         -> authorized, authorized 100, outstanding 100
  capture x of a 30 succeeded  -> authorized, authorized 70, captured 30, outstanding 70
  a succeeded                  -> paid, captured 100
$$);
-- the gateway lowers what it holds below what it has captured: nothing is left, and nothing is taken back
SELECT * FROM tell(100, $$
  pay a 100 authorized         -> authorized, authorized 100, outstanding 100
  capture x of a 60 succeeded  -> authorized, authorized 40, captured 60, outstanding 40
  a holding 50                 -> pending, captured 60, outstanding 40
  a succeeded                  -> pending, captured 60, outstanding 40
$$);

\echo '== story: authorised and given up'
SELECT * FROM tell(100, $$
  pay a 100 authorized  -> authorized, authorized 100, outstanding 100
  pay b 100             -> authorized, authorized 100, outstanding 100
  b authorized          -> authorized, authorized 200, outstanding 100
  a revoked             -> authorized, authorized 100, outstanding 100
  order pending         -> pending, authorized 100, outstanding 100
  order authorized      -> authorized, authorized 100, outstanding 100
  void v of b           -> authorized, authorized 100, outstanding 100
  v processing          -> authorized, authorized 100, outstanding 100
  v failed              -> authorized, authorized 100, outstanding 100
  b revoked             -> pending, outstanding 100
  order authorized      -> OP006
  b authorized          -> authorized, authorized 100, outstanding 100
  b succeeded           -> paid, captured 100
$$);

\echo '== story: cash on delivery, delivered'
SELECT * FROM tell(100, $$
  pay a 100 authorized by cod  -> authorized, authorized 100, outstanding 100
  order shipped                -> shipped, authorized 100, outstanding 100
  order completed              -> OP006
  a succeeded                  -> shipped, captured 100
  order completed              -> completed, captured 100
$$);
-- nothing was outstanding for the first time after it had been shipped
SELECT shipped_at < paid_at AS paid_after_shipped, paid_at < completed_at AS before_completed FROM orders WHERE order_id = (SELECT max(order_id) FROM orders);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 authorized by cod
  a succeeded
  order shipped
  order completed
= completed, captured 100
= completed, captured 100 [order shipped OP001]
= paid, captured 100 [order completed OP001, order shipped OP001]
= shipped, captured 100 [order completed OP006]
$$);
-- the courier collects a part
SELECT * FROM tell(100, $$
  pay a 100 authorized by cod  -> authorized, authorized 100, outstanding 100
  order shipped                -> shipped, authorized 100, outstanding 100
  capture x of a 60 succeeded  -> shipped, authorized 40, captured 60, outstanding 40
  order completed              -> OP006
  void v of a succeeded        -> shipped, captured 60, outstanding 40
  pay b 40 succeeded by bank   -> shipped, captured 100
  order completed              -> completed, captured 100
$$);

\echo '== story: cash on delivery, refused at the door'
SELECT * FROM tell(100, $$
  pay a 100 authorized by cod  -> authorized, authorized 100, outstanding 100
  order shipped                -> shipped, authorized 100, outstanding 100
  order cancelled              -> cancelled, authorized 100
  a revoked                    -> cancelled
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 authorized by cod
  a revoked
  order shipped
  order cancelled
= cancelled
= cancelled [order shipped OP001]
$$);

\echo '== story: ship before capture'
SELECT * FROM tell(100, $$
  pay a 100                    -> pending, outstanding 100
  order shipped                -> OP001
  a authorized                 -> authorized, authorized 100, outstanding 100
  order shipped                -> shipped, authorized 100, outstanding 100
  capture x of a 100           -> shipped, authorized 100, outstanding 100
  x succeeded                  -> shipped, captured 100
  order completed              -> completed, captured 100
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 100 authorized
  capture x of a 60 succeeded
  capture y of a 40 succeeded
  order shipped
= paid, captured 100 [order shipped OP001]
= shipped, captured 100
$$);
-- the capture fails for good after the goods have gone: the order stays shipped and unpaid
SELECT * FROM tell(100, $$
  pay a 100 authorized  -> authorized, authorized 100, outstanding 100
  order shipped         -> shipped, authorized 100, outstanding 100
  a revoked             -> shipped, outstanding 100
  order completed       -> OP006
  order refunded        -> refunded
  pay b 100 succeeded   -> refunded, captured 100, due 100
$$);
SELECT * FROM tell(100, $$
  pay a 100 authorized        -> authorized, authorized 100, outstanding 100
  order shipped               -> shipped, authorized 100, outstanding 100
  a revoked                   -> shipped, outstanding 100
  pay b 100 succeeded         -> shipped, captured 100
  refund r of b 30 succeeded  -> shipped, captured 100, refunded 30
  order completed             -> completed, captured 100, refunded 30
$$);

\echo '== story: ship before capture, the authorisation has lapsed'
SELECT * FROM tell(100, $$
  pay a 100 authorized lapsed  -> authorized, authorized 100, outstanding 100
  order shipped                -> OP006
  pay b 100 authorized         -> authorized, authorized 200, outstanding 100
  a revoked                    -> authorized, authorized 100, outstanding 100
  order shipped                -> shipped, authorized 100, outstanding 100
$$);
-- what was captured in time counts, the lapsed rest does not
SELECT * FROM tell(100, $$
  pay a 100 authorized lapsed  -> authorized, authorized 100, outstanding 100
  capture x of a 60 succeeded  -> authorized, authorized 40, captured 60, outstanding 40
  order shipped                -> OP006
  pay b 40 split authorized    -> authorized, authorized 80, captured 60, outstanding 40
  order shipped                -> shipped, authorized 80, captured 60, outstanding 40
$$);

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
