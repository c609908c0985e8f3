-- story_currency: loyalty points and coins as the money of an order, by codes that carry their decimals
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS order_payment;
SELECT order_payment.create_store('story_currency', 'POINTS.0');
RESET client_min_messages;
SET search_path = story_currency, order_payment, public;
INSERT INTO gateways (gateway, minor_unit_exponents) VALUES ('loyalty', '{"POINTS.0": 2}'), ('chain', '{"ETH.18": 9}');
INSERT INTO gateway_fees (gateway, currency, rate, fixed) VALUES ('loyalty', 'POINTS.0', 0.01, 0), ('chain', 'BTC.8', 0.01, 0), ('chain', 'ETH.18', 0.0000000000000000005, 0);

-- an order in points: whole ones only
INSERT INTO orders (order_id, quantity, price) VALUES (1, 3, 50) RETURNING currency, total_amount, status;
\set VERBOSITY terse
INSERT INTO orders (order_id, quantity, price) VALUES (2, 1, 50.5);
INSERT INTO orders (order_id, quantity, price, currency) VALUES (2, 1, 50, 'POINTS');
INSERT INTO orders (order_id, quantity, price, currency) VALUES (2, 1, 50, 'USD.3');
-- two codes that differ in their decimals are two currencies
INSERT INTO payments (order_id, gateway, amount, currency) VALUES (1, 'loyalty', 150, 'PTS.2');
INSERT INTO payments (order_id, gateway, amount, currency) VALUES (1, 'loyalty', 150, 'POINTS.2');
INSERT INTO payments (order_id, gateway, amount) VALUES (1, 'loyalty', 149.5);
SELECT create_payment(1, 'loyalty', currency => 'POINTS.2');
-- what is no code is not told
SELECT create_payment(1, 'loyalty', currency => '4111111111111111');
\set VERBOSITY default

INSERT INTO payments (order_id, gateway, amount, currency) VALUES (1, 'loyalty', 150, 'points.0');
-- paid, with a fee of one and a half point; a part goes back
INSERT INTO payments (order_id, gateway, amount) VALUES (1, 'loyalty', 150) RETURNING currency, amount, fee, expected_net;
UPDATE payments SET status = 'succeeded' WHERE order_id = 1 RETURNING captured_amount, fee, net_amount;
SELECT status, paid_amount FROM orders WHERE order_id = 1;
\set VERBOSITY terse
SELECT refund_order(1, 20.5);
SELECT create_payment(1, 'manual', 4111111111111111.5);
\set VERBOSITY default
SELECT amount, currency, status FROM refund_order(1, 20);
UPDATE refunds SET status = 'succeeded' WHERE order_id = 1;
SELECT payment_state, currency, paid_amount, refunded_amount, fees, net_amount FROM order_overview WHERE order_id = 1;
-- one point too much is owed back in points
INSERT INTO payments (order_id, gateway, amount, status) VALUES (1, 'loyalty', 1, 'succeeded');
SELECT work, amount, currency FROM open_work WHERE order_id = 1;
SELECT amount, currency FROM request_due_refunds();

-- coins: a fee is rounded half up once, to the decimals of its code
INSERT INTO orders (order_id, quantity, price, currency) VALUES (3, 1, 0.00000150, 'BTC.8'), (4, 1, 0.00000149, 'BTC.8'), (5, 3, 1.000000000000000001, 'ETH.18');
INSERT INTO payments (order_id, gateway, amount, status) SELECT order_id, 'chain', total_amount, 'succeeded' FROM orders WHERE order_id IN (3, 4, 5) ORDER BY order_id
RETURNING order_id, currency, captured_amount, fee, net_amount;
SELECT o.order_id, to_minor_units(o.total_amount, o.currency, g.minor_unit_exponents) AS units
FROM orders o, gateways g WHERE g.gateway = CASE WHEN o.currency = 'POINTS.0' THEN 'loyalty' ELSE 'chain' END AND o.order_id < 5 ORDER BY o.order_id;
INSERT INTO orders (order_id, currency) VALUES (6, 'BTC.8');
INSERT INTO order_items (order_id, line_no, quantity, price) VALUES (6, 1, 3, 0.00000007), (6, 2, 0.5, 0.00000002);
SELECT total_amount FROM orders WHERE order_id = 6;
\set VERBOSITY terse
INSERT INTO order_items (order_id, line_no, quantity, price) VALUES (6, 3, 0.5, 0.00000001);
\set VERBOSITY default

-- the gateway settles what it paid out, in the same codes
UPDATE payments SET gateway_reference = 'tx' || order_id WHERE gateway = 'chain';
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on)
VALUES ('chain', 's1', 1, 'payment', 'tx3', 0.00000150, 0.00000003, 'BTC.8', current_date), ('chain', 's1', 2, 'payment', 'tx4', 0.00000149, 0.00000001, 'BTC.9', current_date),
       ('chain', 's1', 3, 'payment', 'tx5', 3.000000000000000003, 0.000000000000000002, 'ETH.18', current_date);
SELECT match, order_id, currency, settled_amount, settled_fee FROM settlement_matches WHERE line_no IS NOT NULL ORDER BY line_no;
SELECT * FROM post_settlement('chain', 's1');
\set VERBOSITY terse
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on)
VALUES ('chain', 's1', 4, 'fee', NULL, 0, 0.000000001, 'BTC.8', current_date);
INSERT INTO gateway_fees (gateway, currency, rate, fixed) VALUES ('chain', 'BTC.08', 0.01, 0);
\set VERBOSITY default
SELECT gateway, currency, sum(captured_amount) AS captured, sum(refunded_amount) AS refunded, sum(estimated_fees + final_fees) AS fees FROM daily_settlement GROUP BY gateway, currency ORDER BY currency COLLATE "C";
SELECT * FROM verify_store();

-- a store is made in a code that has a minor unit, of whatever kind
SET client_min_messages = error;
\set VERBOSITY terse
SELECT create_store('story_currency_2', 'POINTS');
SELECT create_store('story_currency_2', 'EUR.2');
SELECT create_store('story_currency_2', 'XAU.2');
SELECT create_store('story_currency_2', 'XAU');
\set VERBOSITY default
SELECT to_regnamespace('story_currency_2') IS NULL AS nothing_made;
DROP SCHEMA story_currency CASCADE;
