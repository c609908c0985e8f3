-- story_total: orders whose total is nothing, unknown, negative or edited, in yen and dinars, and settled by hand
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== story: zero total'
-- nobody has to record a payment: any role may call it paid
SELECT * FROM tell(0, $$
  order authorized  -> OP006
  order paid        -> paid
  order shipped     -> shipped
  order completed   -> completed
  pay a 10          -> completed
  a succeeded       -> completed, captured 10, due 10
$$);
SELECT * FROM tell(0, $$
  pay a 10 authorized         -> pending, authorized 10
  a succeeded                 -> paid, captured 10, due 10
  refund r of a 10 succeeded  -> paid, captured 10, refunded 10
  order shipped               -> shipped, captured 10, refunded 10
$$);
SELECT * FROM tell_in_every_order(0, $$
  pay a 10 succeeded
  order paid
  order shipped
  refund r of a 10 succeeded
= shipped, captured 10, refunded 10
$$);

\echo '== story: total unknown until lines come, money first'
-- The money is held. The first line makes the total known, and the money freezes it.
SELECT * FROM tell(NULL, $$
  pay a 100 succeeded  -> pending, captured 100, total unknown
  order paid           -> OP006
  order authorized     -> OP006
  line 1 30            -> paid, captured 100, due 70
  line 2 70            -> OP006
$$);
-- all lines in one statement
SELECT place_order(NULL) AS id \gset
SELECT do_step(:id, 'pay a 100 succeeded'), state(:id);
INSERT INTO order_items (order_id, line_no, kind, price) VALUES (:id, 1, 'discount', 20), (:id, 2, 'item', 90), (:id, 3, 'shipping', 30);
SELECT state(:id), problems(:id);
SELECT * FROM tell_in_every_order(NULL, $$
  pay a 100 succeeded
  line 1 30
  line 2 70
= paid, captured 100
= paid, captured 100, due 70 [line 2 70 OP006]
$$);
-- too little, a part of it refunded, charged back, or only authorised
SELECT * FROM tell(NULL, $$
  pay a 60 succeeded          -> pending, captured 60, total unknown
  refund r of a 20 succeeded  -> pending, captured 60, refunded 20, total unknown
  price 100                   -> pending, captured 60, refunded 20, outstanding 60
  price 110                   -> OP006
  pay b 60 succeeded          -> paid, captured 120, refunded 20
$$);
SELECT * FROM tell(NULL, $$
  pay a 100 succeeded                -> pending, captured 100, total unknown
  chargeback z of a 100 succeeded    -> pending, captured 100, charged back 100, total unknown
  price 100                          -> pending, captured 100, charged back 100, outstanding 100
  z reversed                         -> paid, captured 100
$$);
SELECT * FROM tell(NULL, $$
  pay a 100            -> pending, total unknown
  a authorized         -> pending, authorized 100, total unknown
  price 100            -> authorized, authorized 100, outstanding 100
  a succeeded          -> paid, captured 100
$$);
SELECT * FROM tell_in_every_order(NULL, $$
  pay a 100
  a authorized
  a succeeded
  price 100
= paid, captured 100
$$);
-- total 0 set while money is held: paid, all of it due; set with none: nothing moves
SELECT * FROM tell(NULL, $$
  pay a 10 succeeded -> pending, captured 10, total unknown
  price 0            -> paid, captured 10, due 10
$$);
SELECT * FROM tell(NULL, $$
  price 0            -> pending
$$);
-- an order that dies before anybody knew what it costs
SELECT * FROM tell_in_every_order(NULL, $$
  pay a 100 succeeded
  order cancelled
  line 1 40
= cancelled, captured 100, due 100
$$);

\echo '== story: discount line first'
SELECT * FROM tell(NULL, $$
  line 1 discount 20   -> pending
  settle               -> OP006
  order authorized     -> OP006
  line 2 120           -> pending, outstanding 100
  pay a 100 succeeded  -> paid, captured 100
$$);
-- Money for an order that costs less than nothing as yet is all due.
SELECT * FROM tell(NULL, $$
  line 1 discount 20          -> pending
  pay a 100 succeeded         -> pending, captured 100, due 100
  line 2 120                  -> OP006
  refund r of a 100 succeeded -> pending, captured 100, refunded 100
  line 2 120                  -> pending, captured 100, refunded 100, outstanding 100
  pay b 100 succeeded         -> paid, captured 200, refunded 100
$$);
-- What is held pays for the order first: a refund paid back what was due by a total that is no more, and then it is reversed.
SELECT * FROM tell(NULL, $$
  line 1 discount 20           -> pending
  pay a 100 succeeded          -> pending, captured 100, due 100
  refund r of a 100 succeeded  -> pending, captured 100, refunded 100
  drop 1                       -> pending, captured 100, refunded 100, total unknown
  line 2 60                    -> pending, captured 100, refunded 100, outstanding 60
  r reversed                   -> paid, captured 100, due 40
$$);
SELECT * FROM tell(NULL, $$
  line 1 discount 20           -> pending
  pay a 100 succeeded          -> pending, captured 100, due 100
  refund r of a 50 succeeded   -> pending, captured 100, refunded 50, due 50
  refund s of a 50 succeeded   -> pending, captured 100, refunded 100
  line 2 100                   -> pending, captured 100, refunded 100, outstanding 80
  s reversed                   -> pending, captured 100, refunded 50, outstanding 30
  pay b 30 succeeded           -> paid, captured 130, refunded 50
  r reversed                   -> paid, captured 130, due 50
$$);
SELECT * FROM tell(NULL, $$
  line 1 discount 300              -> pending
  pay a 150 succeeded              -> pending, captured 150, due 150
  refund r of a 100 succeeded      -> pending, captured 150, refunded 100, due 50
  chargeback z of a 50 succeeded   -> pending, captured 150, refunded 100, charged back 50
  drop 1                           -> pending, captured 150, refunded 100, charged back 50, total unknown
  line 1 50                        -> pending, captured 150, refunded 100, charged back 50, outstanding 50
  r reversed                       -> paid, captured 150, charged back 50, due 50
  z reversed                       -> paid, captured 150, due 100
$$);
SELECT * FROM tell(NULL, $$
  line 1 discount 200             -> pending
  pay a 20 succeeded              -> pending, captured 20, due 20
  chargeback z of a 20 succeeded  -> pending, captured 20, charged back 20
  drop 1                          -> pending, captured 20, charged back 20, total unknown
  z reversed                      -> pending, captured 20, total unknown
  line 1 50                       -> pending, captured 20, outstanding 30
  pay b 30 succeeded              -> paid, captured 50
$$);
SELECT * FROM tell_in_every_order(NULL, $$
  line 1 discount 20
  line 2 120
  pay a 100 succeeded
= paid, captured 100
= pending, captured 100, due 100 [line 2 120 OP006]
$$);
SELECT * FROM tell(NULL, $$
  line 1 discount 20   -> pending
  order cancelled      -> cancelled
$$);

\echo '== story: edit of lines while an attempt is live'
SELECT * FROM tell(NULL, $$
  line 1 30            -> pending, outstanding 30
  pay a 30             -> pending, outstanding 30
  line 2 70            -> OP006
  drop 1               -> OP006
  a processing         -> pending, outstanding 30
  line 2 70            -> OP006
  a unknown            -> pending, outstanding 30
  line 2 70            -> OP006
  a failed             -> pending, outstanding 30
  line 2 70            -> pending, outstanding 100
  drop 1               -> pending, outstanding 70
  price 999            -> pending, outstanding 70
  pay b 70 authorized  -> authorized, authorized 70, outstanding 70
  line 3 1             -> OP006
  b revoked            -> pending, outstanding 70
  line 3 1             -> pending, outstanding 71
  pay c 71 succeeded   -> paid, captured 71
  line 4 1             -> OP006
$$);
SELECT * FROM tell_in_every_order(NULL, $$
  line 1 30
  line 2 70
  pay a 30
  a succeeded
= paid, captured 30 [line 2 70 OP006]
= pending, captured 30, outstanding 70
$$);
-- an order that is no longer pending is frozen even if nothing is held for it
SELECT * FROM tell(0, $$
  order paid           -> paid
  price 5              -> OP006
  line 1 5             -> OP006
  order cancelled      -> cancelled
  price 5              -> OP006
$$);
SELECT * FROM tell(100, $$
  pay a 100 succeeded              -> paid, captured 100
  chargeback z of a 100 succeeded  -> paid, captured 100, charged back 100
  price 90                         -> OP006
$$);
-- an order whose money has all gone back before it was covered is not
SELECT * FROM tell(100, $$
  pay a 60 succeeded           -> pending, captured 60, outstanding 40
  price 90                     -> OP006
  refund r of a 60 succeeded   -> pending, captured 60, refunded 60, outstanding 100
  price 90                     -> pending, captured 60, refunded 60, outstanding 90
  price 0                      -> pending, captured 60, refunded 60
  order paid                   -> paid, captured 60, refunded 60
$$);
-- While it is frozen, lines may change as long as their number and sum stay; the price and the currency may not.
SELECT place_order(NULL) AS id \gset
INSERT INTO order_items (order_id, line_no, quantity, price) VALUES (:id, 1, 3, 10), (:id, 2, 1, 20);
SELECT do_step(:id, 'pay a 50'), state(:id);
UPDATE order_items SET quantity = 1, price = 30 WHERE order_id = :id AND line_no = 1;
UPDATE order_items SET line_no = line_no + 10, product_id = 7 WHERE order_id = :id;
\set VERBOSITY sqlstate
UPDATE order_items SET quantity = 4 WHERE order_id = :id AND line_no = 11;
UPDATE orders SET currency = 'USD' WHERE order_id = :id;
\set VERBOSITY default
SELECT line_no, amount FROM order_items WHERE order_id = :id ORDER BY 1;
-- an order that has ever had a payment keeps its currency, for that payment may yet succeed
SELECT do_step(:id, 'a failed'), state(:id);
UPDATE orders SET currency = 'USD' WHERE order_id = :id;
UPDATE order_items SET price = 31 WHERE order_id = :id AND line_no = 11;
SELECT do_step(:id, 'a succeeded'), state(:id), problems(:id);

\echo '== story: yen, which have no decimals, and dinars, which have three'
SELECT * FROM tell(1000, $$
  pay a 10.5           -> 23514 payments_money_check
  pay a 1000           -> pending, outstanding 1000
  a authorized holding 999.5 -> 23514 payments_money_check
  a succeeded          -> paid, captured 1000
  refund r of a 0.5    -> 23514 payment_operations_amount_check
  refund r of a 333    -> paid, captured 1000
  r succeeded          -> paid, captured 1000, refunded 333
$$, 'JPY');
SELECT * FROM tell(1.234, $$
  pay a 1.2345             -> 23514 payments_money_check
  pay a 1.233 succeeded    -> pending, captured 1.233, outstanding 0.001
  pay b 0.001 succeeded    -> paid, captured 1.234
  refund r of a 0.001      -> paid, captured 1.234
  r succeeded              -> paid, captured 1.234, refunded 0.001
$$, 'KWD');

\echo '== story: merchant''s manual settlement'
-- the application may not call an order paid while something is outstanding; who may record payments may, and the rest is booked
SELECT * FROM tell(100, $$
  order paid                   -> OP004
  settle                       -> paid, captured 100
  order shipped                -> shipped, captured 100
$$);
SELECT version, entity, from_status, to_status, amount FROM order_events WHERE order_id = (SELECT max(order_id) FROM orders) ORDER BY version;
SELECT gateway, method, amount, currency, status, captured_amount, fee, net_amount FROM payments WHERE order_id = (SELECT max(order_id) FROM orders);
SELECT * FROM tell(100, $$
  pay a 60 succeeded by bank   -> pending, captured 60, outstanding 40
  settle                       -> paid, captured 100
  pay b 40 succeeded by bank   -> paid, captured 140, due 40
$$);
-- beside a live attempt, beside an authorisation, after a chargeback, and where the graph has no such edge
SELECT * FROM tell(100, $$
  pay a 100                    -> pending, outstanding 100
  settle                       -> paid, captured 100
  a succeeded                  -> paid, captured 200, due 100
$$);
SELECT * FROM tell(100, $$
  pay a 100 authorized             -> authorized, authorized 100, outstanding 100
  capture x of a 30 succeeded      -> authorized, authorized 70, captured 30, outstanding 70
  chargeback z of a 30 succeeded   -> pending, authorized 70, captured 30, charged back 30, outstanding 100
  settle                           -> paid, authorized 70, captured 130, charged back 30
  order shipped                    -> shipped, authorized 70, captured 130, charged back 30
  settle                           -> OP001
$$);
SELECT * FROM tell_in_every_order(100, $$
  pay a 60 succeeded by bank
  settle
  order shipped
= shipped, captured 100
= shipped, captured 160, due 60
$$);

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
