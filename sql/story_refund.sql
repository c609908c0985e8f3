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

\echo '== story: what has gone back is told by one statement'
-- Rows of one statement do to an order what they do one by one: what the first ones pay of the due, the next ones do not.
CREATE FUNCTION tell_rows(price numeric, before text, rows text[], after text DEFAULT '')
	RETURNS TABLE (told text, state text, payments text, then_state text, then_payments text)
	LANGUAGE plpgsql
AS $$
DECLARE
	step text;
	id bigint;
BEGIN
	FOREACH told IN ARRAY '{one by one, at once}'::text[] LOOP
		id := place_order(price);
		FOREACH step IN ARRAY regexp_split_to_array(before, '; ') LOOP
			PERFORM do_step(id, step);
		END LOOP;
		IF told = 'at once' THEN
			INSERT INTO payment_operations (order_id, payment_id, request_key, kind, amount, status)
			SELECT id, p.payment_id, r.word[2], r.word[1], r.word[5]::numeric, coalesce(r.word[6], 'requested')
			FROM unnest(rows) WITH ORDINALITY AS l (line, n), LATERAL regexp_split_to_array(l.line, ' ') AS r (word)
			JOIN payments p ON p.order_id = id AND p.request_key = r.word[4]
			ORDER BY l.n;
		ELSE
			FOREACH step IN ARRAY rows LOOP
				PERFORM do_step(id, step);
			END LOOP;
		END IF;
		state := state(id) || coalesce(problems(id), '');
		payments := details(id);
		FOREACH step IN ARRAY regexp_split_to_array(after, '; ') LOOP
			PERFORM do_step(id, step) WHERE step <> '';
		END LOOP;
		then_state := state(id) || coalesce(problems(id), '');
		then_payments := details(id);
		RETURN NEXT;
	END LOOP;
END $$;
\x on
SELECT * FROM tell_rows(100, 'pay a 150 succeeded', '{refund r of a 30 succeeded,refund s of a 40 succeeded}', 'r reversed; s reversed');
SELECT * FROM tell_rows(100, 'pay a 150 succeeded', '{chargeback y of a 30 succeeded,refund s of a 10 succeeded,chargeback z of a 40 succeeded}', 'z reversed; y reversed; s reversed');
-- with requests among them, and before
SELECT * FROM tell_rows(100, 'pay a 180 succeeded; refund p of a 10', '{refund q of a 10,refund r of a 30 succeeded,refund s of a 20,refund t of a 40 succeeded}', 't reversed; s succeeded; s reversed');
-- a refund whose capture nobody has told, beside one of money that is there
SELECT * FROM tell_rows(100, 'pay a 100 succeeded; pay b 100', '{refund r of b 30 succeeded,refund s of a 90 succeeded}', 's reversed');
SELECT * FROM tell_rows(100, 'pay a 100 succeeded; pay b 100 authorized', '{capture q of b 60 succeeded,refund r of b 30 succeeded,refund s of a 90}', 's succeeded; s reversed');
-- of a dead order all is due
SELECT * FROM tell_rows(100, 'pay a 100 succeeded; order cancelled', '{refund r of a 30 succeeded,refund s of a 10,refund t of a 60}', 't succeeded; r reversed');
-- two orders in one statement: neither knows of the other
SELECT place_order(100) AS one, place_order(100) AS two \gset
SELECT do_step(id, 'pay a 150 succeeded') FROM (VALUES (:one), (:two)) v (id) \g /dev/null
INSERT INTO refunds (order_id, payment_id, request_key, amount, status)
SELECT p.order_id, p.payment_id, v.key, v.amount, 'succeeded' FROM payments p, (VALUES ('r', 30), ('s', 40)) v (key, amount) WHERE p.order_id IN (:one, :two) ORDER BY v.key, p.order_id;
SELECT id, state(id), details(id), problems(id) FROM (VALUES (:one), (:two)) v (id);
-- the outcomes of several, by one UPDATE: a dispute that is met first does not take what a refund under way stands for
SELECT place_order(100) AS id \gset
SELECT do_step(:id, step) FROM unnest('{pay a 150 succeeded,chargeback p of a 40 requested,refund q of a 30,chargeback r of a 20 requested}'::text[]) step \g /dev/null
UPDATE payment_operations SET status = 'succeeded' WHERE order_id = :id;
SELECT state(:id), details(:id), problems(:id);
UPDATE payment_operations SET status = 'reversed' WHERE order_id = :id;
SELECT state(:id), details(:id), problems(:id);
-- the same again of refunds that failed, one of which is given up
SELECT do_step(:id, step) FROM unnest('{refund s of a 30,refund t of a 25,refund u of a 10,s failed,t failed}'::text[]) step \g /dev/null
SELECT details(:id);
UPDATE refunds SET status = CASE request_key WHEN 'u' THEN 'cancelled' ELSE 'processing' END::order_payment.operation_status WHERE order_id = :id AND request_key IN ('s', 't', 'u');
SELECT state(:id), details(:id), problems(:id);
UPDATE refunds SET status = 'succeeded' WHERE order_id = :id AND request_key IN ('s', 't');
SELECT state(:id), details(:id), problems(:id);
\x off
SELECT * FROM order_payment.verify_store('story');

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
