-- story_fee: what a gateway takes and what is left after it
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

\echo '== story: the fee that is found: method before any, latest before older, of the currency, half-up once'
INSERT INTO gateway_fees (gateway, method, currency, rate, fixed, valid_from) VALUES
  ('card', '*', 'EUR', 0.02, 0.25, '-infinity'), ('card', 'visa', 'EUR', 0.01, 0, '2020-01-01'), ('card', 'visa', 'EUR', 0.015, 0.10, '2021-01-01'), ('card', 'visa', 'EUR', 0.5, 0, now() + interval '1 day'),
  ('card', '*', 'JPY', 0.036, 0, '-infinity'), ('card', '*', 'KWD', 0.025, 0.0005, '-infinity'), ('card', 'amex', 'EUR', 0.025, 0, '-infinity'), ('gift', '*', 'EUR', 0, 0.999, '-infinity'), ('manual', '*', 'EUR', 0, 1.50, '-infinity');
INSERT INTO orders (order_id, price, currency) VALUES (901, 1000, 'EUR'), (902, 1000, 'JPY'), (903, 1000, 'KWD'), (904, 1000, 'USD');
-- by hand: 2 % of 100 and 0.25; 1.5 % and 0.10 (2021's); method unknown: as any; 2.5 % of 5 is 0.125; of 4.99 is 0.12475; 3.6 % of 125 yen is 4.5; 2.5 % of 0.1 dinar and 0.0005 is 0.003;
-- no fee known of the dollar, of the bank; 0.999; what is given stands, as does 0; amount 1e20
INSERT INTO payments (order_id, gateway, method, amount, fee, split) VALUES
  (901, 'card', NULL, 100, NULL, true), (901, 'card', 'visa', 100, NULL, true), (901, 'card', 'diners', 100, NULL, true), (901, 'card', 'amex', 5, NULL, true), (901, 'card', 'amex', 4.99, NULL, true),
  (902, 'card', NULL, 125, NULL, true), (903, 'card', NULL, 0.1, NULL, true), (904, 'card', 'visa', 100, NULL, true), (901, 'bank', NULL, 100, NULL, true), (901, 'gift', NULL, 1, NULL, true),
  (901, 'card', NULL, 100, 0.01, true), (901, 'card', NULL, 100, 0, true), (901, 'card', NULL, 1e20, NULL, true)
RETURNING order_id, gateway, method, amount, currency, fee, fee_final, expected_net, net_amount;

\echo '== story: what is left: nothing until it is captured, then less what goes back, below zero in the end'
-- After -> stands the net amount of the payment with that key, worked out by hand.
CREATE FUNCTION tell_net(price numeric, story text) RETURNS TABLE (step text, captured numeric, refunded numeric, charged_back numeric, fee numeric, fee_final boolean, expected_net numeric, net numeric, deviation text)
	LANGUAGE plpgsql
AS $$
DECLARE
	id CONSTANT bigint := place_order(price);
	line text;
BEGIN
	FOREACH line IN ARRAY string_to_array(story, E'\n') LOOP
		CONTINUE WHEN line !~ '\S';
		step := trim(split_part(line, '->', 1));
		IF step ~ '^fee ' THEN
			UPDATE payments p SET fee = split_part(step, ' ', 2)::numeric, fee_final = true WHERE p.order_id = id;
		ELSE
			PERFORM take_step(id, step);
		END IF;
		SELECT captured_amount, refunded_amount, charged_back_amount, p.fee, p.fee_final, p.expected_net, net_amount INTO captured, refunded, charged_back, fee, fee_final, expected_net, net
		FROM payments p WHERE p.order_id = id ORDER BY created_at DESC LIMIT 1;
		deviation := CASE WHEN net <> split_part(line, '->', 2)::numeric THEN 'BUT EXPECTED ' || split_part(line, '->', 2) END || coalesce(problems(id), '');
		RETURN NEXT;
	END LOOP;
END $$;
-- the fee is 2 % of 100 and 0.25; later the statement of the gateway brings the true one
SELECT * FROM tell_net(100, $$
  pay a 100 authorized             -> 0
  capture x of a 60 succeeded      -> 57.75
  a succeeded                      -> 97.75
  refund r of a 30 succeeded       -> 67.75
  fee 2.40                         -> 67.60
  chargeback z of a 100 succeeded  -> -32.40
  z reversed                       -> 67.60
  r reversed                       -> 97.60
$$);
-- a payment that fails has cost nothing as long as nothing is captured, whatever its fee
SELECT * FROM tell_net(100, $$
  pay a 100      -> 0
  a failed       -> 0
  fee 0.10       -> 0
  a succeeded    -> 99.90
$$);
-- settled by hand: the fee of the gateway manual
SELECT * FROM tell_net(100, $$
  pay a 60 succeeded  -> 58.55
  settle              -> 38.50
$$);
-- operations have fees of their own, negative where one is given back
SELECT place_order(100) AS id \gset
SELECT do_step(:id, 'pay a 100 succeeded'), do_step(:id, 'order cancelled');
INSERT INTO payment_operations (order_id, payment_id, kind, amount, fee) SELECT order_id, payment_id, 'refund', 50, f FROM payments, unnest(ARRAY[0.25, -1.5]) AS f WHERE order_id = :id;
SELECT kind, amount, fee, obligatory_amount FROM payment_operations WHERE order_id = :id ORDER BY fee DESC;
UPDATE payment_operations SET status = 'succeeded', fee = fee + 0.05 WHERE order_id = :id RETURNING amount, fee, status;
SELECT state(:id), problems(:id), net_amount FROM payments WHERE order_id = :id;

\echo '== story: tried again in vain, and somebody has to speak with the customer'
SELECT place_order(100) AS id \gset
SELECT do_step(:id, 'pay a 100'), do_step(:id, 'a processing');
UPDATE payments SET status = 'failed', failure_class = 'hard_decline', failure_code = 'stolen_card', contact_needed_at = now() WHERE order_id = :id;
UPDATE payments SET contact_needed_at = now() + interval '1 hour' WHERE order_id = :id;
UPDATE payments SET contact_needed_at = NULL WHERE order_id = :id;
UPDATE payments SET contact_needed_at = now() WHERE order_id = :id;
INSERT INTO payments (order_id, gateway, amount, contact_needed_at) VALUES (:id, 'card', 100, now());
SELECT version, entity, from_status, to_status, amount FROM order_events WHERE order_id = :id ORDER BY version;
SELECT state(:id), problems(:id);

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
