-- settlement: a gateway's file comes in by COPY, is compared with what we hold, and its fees are posted
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
SELECT order_payment.create_store('settled', 'EUR', 'regress_op_app', 'regress_op_gateway', 'regress_op_owner');
RESET client_min_messages;
SET search_path = settled, order_payment;
SET datestyle = iso;
INSERT INTO gateways (gateway) VALUES ('stripe'), ('wechat');
INSERT INTO gateway_fees (gateway, currency, rate, fixed) VALUES ('stripe', 'EUR', 0.02, 0.25), ('wechat', 'CNY', 0.006, 0);
CREATE FUNCTION pg_temp.number(bigint) RETURNS uuid LANGUAGE sql AS $$ SELECT ('00000000-0000-7000-8000-' || lpad($1::text, 12, '0'))::uuid $$;

INSERT INTO orders (order_id, price, currency) SELECT n, 100, CASE WHEN n < 20 THEN 'EUR' ELSE 'CNY' END FROM generate_series(1, 25) n;
INSERT INTO payments (order_id, payment_id, gateway, amount, status, gateway_reference)
SELECT order_id, pg_temp.number(order_id), CASE WHEN order_id < 20 THEN 'stripe' ELSE 'wechat' END, 100,
       CASE WHEN order_id IN (9, 10) THEN 'authorized' ELSE 'succeeded' END::payment_status,
       CASE WHEN order_id < 20 THEN 'ch_' || order_id END
FROM orders;
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, status, gateway_reference)
SELECT n, pg_temp.number(100 * n + r), pg_temp.number(n), kind, x, 'succeeded', reference
FROM (VALUES (7, 1, 'refund', 30, 're_7'), (7, 2, 'refund', 20, NULL), (8, 1, 'chargeback', 100, 'dp_8'), (9, 1, 'capture', 60, NULL),
             (9, 2, 'capture', 40, NULL), (10, 1, 'capture', 50, NULL), (21, 1, 'refund', 10, NULL), (22, 1, 'refund', 10, NULL)) o (n, r, kind, x, reference);
-- all of that was in March 2025; order 1 has been paid just now, and nobody can have settled it yet
SET session_replication_role = replica;
UPDATE payments SET succeeded_at = '2025-03-03 12:00+00' WHERE succeeded_at IS NOT NULL AND order_id <> 1;
UPDATE payment_operations SET succeeded_at = '2025-03-04 12:00+00';
UPDATE payments SET succeeded_at = '2025-02-03 12:00+00' WHERE order_id = 11;
RESET session_replication_role;
CREATE VIEW pg_temp.matches AS
SELECT match, gateway, settlement_id AS settlement, line_no AS line, kind, order_id AS id, amount, settled_amount AS settled, fee, settled_fee, currency
FROM settled.settlement_matches ORDER BY gateway, settlement_id, line_no, kind, order_id, operation_id;
GRANT SELECT ON pg_temp.matches TO regress_op_gateway;

-- before the first file nothing can be missing in it
SELECT * FROM pg_temp.matches;
-- a file, as it came, by the gateway role
SET ROLE regress_op_gateway;
COPY settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, gateway_reference, amount, fee, currency, occurred_at, settled_on) FROM STDIN (FORMAT csv, HEADER);
gateway,payout,line,type,number,reference,gross,fee,currency,created,available
stripe,po_1,1,payment,,ch_2,100.00,2.25,EUR,2025-03-03T12:00:00Z,2025-03-05
stripe,po_1,2,payment,00000000000070008000000000000003,,100.00,2.90,EUR,2025-03-03T12:00:00Z,2025-03-05
stripe,po_1,3,payment,order 4,ch_4,99.00,2.25,EUR,2025-03-03T12:00:00Z,2025-03-05
stripe,po_1,4,payment,,ch_5,100.00,2.25,USD,2025-03-03T12:00:00Z,2025-03-05
stripe,po_1,5,payment,,ch_999,100.00,2.25,EUR,2025-03-03T12:00:00Z,2025-03-05
stripe,po_1,6,refund,,re_7,30.00,0,EUR,2025-03-04T12:00:00Z,2025-03-05
stripe,po_1,7,refund,00000000000070008000000000000702,re_7,20.00,-0.50,EUR,2025-03-04T12:00:00Z,2025-03-05
stripe,po_1,8,chargeback,,dp_8,100.00,15.00,EUR,2025-03-04T12:00:00Z,2025-03-05
stripe,po_1,9,payment,,ch_9,60.00,1.45,EUR,2025-03-04T12:00:00Z,2025-03-05
stripe,po_1,10,payment,,ch_11,100.00,,EUR,2025-02-03T12:00:00Z,2025-03-05
stripe,po_1,11,payment,,ch_12,100.00,2.25,EUR,2025-03-03T12:00:00Z,2025-03-01
stripe,po_1,12,fee,,,5.00,,EUR,,2025-03-05
stripe,po_1,13,adjustment,,ch_2,-1.00,,EUR,,2025-03-05
stripe,po_1,14,refund,,ch_2,1.00,0,EUR,,2025-03-05
\.
SELECT * FROM pg_temp.matches;
SELECT count(*) FROM settlement_lines WHERE number IS NOT NULL;

-- the actual fees are posted where the amount agrees
SELECT * FROM post_settlement('stripe', 'po_1');
SELECT order_id, fee, fee_final, net_amount FROM payments WHERE order_id BETWEEN 2 AND 12 ORDER BY 1;
SELECT order_id, kind, amount, fee FROM payment_operations WHERE fee <> 0 ORDER BY 1;
SELECT * FROM pg_temp.matches WHERE match NOT IN ('matched', 'standalone');
SELECT * FROM post_settlement('stripe', 'po_1');

-- the next file closes what was open: the rest of order 9, the dispute that was won and its fee returned, a correction
UPDATE payment_operations SET status = 'reversed' WHERE order_id = 8;
COPY settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on) FROM STDIN (FORMAT csv);
stripe,po_2,1,payment,ch_9,40.00,0.80,EUR,2025-03-06
stripe,po_2,2,chargeback_reversal,dp_8,100.00,-15.00,EUR,2999-01-01
stripe,po_2,3,payment,ch_4,1.00,,EUR,2025-03-06
stripe,po_2,4,payment,ch_6,100.00,2.00,EUR,2025-03-06
stripe,po_2,5,payment,ch_7,100.00,2.00,EUR,2025-03-06
stripe,po_2,6,payment,ch_8,100.00,2.00,EUR,2025-03-06
\.
SELECT * FROM pg_temp.matches WHERE settlement = 'po_2' OR id IN (4, 8, 9);
SELECT * FROM post_settlement('stripe', 'po_2');
SELECT order_id, fee, fee_final FROM payments WHERE order_id IN (4, 9) ORDER BY 1;
SELECT order_id, kind, status, fee FROM payment_operations WHERE order_id = 8;
SELECT * FROM pg_temp.matches WHERE settlement = 'po_2' OR id IN (4, 8, 9);
SELECT order_id, net_amount FROM order_overview WHERE order_id = 8;
-- a final fee stays: a file that says otherwise is shown
COPY settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on) FROM STDIN (FORMAT csv);
stripe,po_3,1,payment,ch_10,50.00,0.25,EUR,2025-03-06
\.
SELECT * FROM post_settlement('stripe', 'po_3');
COPY settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on) FROM STDIN (FORMAT csv);
stripe,po_4,1,fee,ch_10,-0.10,,EUR,2025-03-06
stripe,po_4,2,payment,ch_13,100.00,2.00,EUR,2025-03-06
\.
UPDATE payments SET fee = 1.99, fee_final = true WHERE order_id = 13;
SELECT * FROM post_settlement('stripe', 'po_4');
SELECT * FROM pg_temp.matches WHERE settlement IN ('po_3', 'po_4');
RESET ROLE;

-- missing_there: older than a week, younger than the first settlement of its gateway, and in no line
SELECT * FROM pg_temp.matches WHERE match = 'missing_there';
COPY settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, fee, currency, settled_on) FROM STDIN (FORMAT csv);
wechat,20250304,1,payment,00000000000070008000000000000020,100,0.6,CNY,2025-03-04
wechat,20250304,2,refund,00000000000070008000000000002101,10,-0.06,CNY,2025-03-04
\.
SELECT * FROM pg_temp.matches WHERE gateway = 'wechat';
COPY settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, fee, currency, settled_on) FROM STDIN (FORMAT csv);
wechat,20250303,1,payment,00000000000070008000000000000021,100,0.6,CNY,2025-03-03
\.
SELECT * FROM pg_temp.matches WHERE gateway = 'wechat';
-- one number names one thing: of another gateway, of another kind, or of nothing it is missing here
COPY settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, gateway_reference, amount, fee, currency, settled_on) FROM STDIN (FORMAT csv);
wechat,20250305,1,payment,00000000000070008000000000000002,,100,0.6,CNY,2025-03-05
wechat,20250305,2,refund,00000000000070008000000000000022,,10,0,CNY,2025-03-05
wechat,20250305,3,payment,ffffffffffffffffffffffffffffffff,ch_2,100,0,CNY,2025-03-05
\.
SELECT match FROM pg_temp.matches WHERE settlement = '20250305';

-- ---------- what is refused ----------
\set VERBOSITY terse
SELECT * FROM post_settlement('stripe', 'po_99');
SELECT * FROM post_settlement('nobody', 'po_1');
SELECT * FROM post_settlement('stripe', 'po_1', 'public');
SELECT * FROM post_settlement(NULL, 'po_1');
-- a line that is there already, of an unknown gateway, and of wrong content
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('stripe', 'po_1', 1, 'payment', 1, 'EUR', '2025-03-05');
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('nobody', 'po_1', 1, 'payment', 1, 'EUR', '2025-03-05');
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on)
SELECT 'stripe', 'bad', 1, 'payout', 1, 'EUR', '2025-03-05';
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on)
SELECT 'stripe', 'bad', 0, 'payment', 1, 'EUR', '2025-03-05';
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on)
SELECT 'stripe', 'bad', 1, 'payment', -1, 'EUR', '2025-03-05';
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on)
SELECT 'stripe', 'bad', 1, 'payment', 1.005, 'EUR', '2025-03-05';
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on)
SELECT 'stripe', 'bad', 1, 'payment', 'NaN', 'EUR', '2025-03-05';
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, fee, currency, settled_on)
SELECT 'stripe', 'bad', 1, 'payment', 1, 'Infinity', 'EUR', '2025-03-05';
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on)
SELECT 'stripe', 'bad', 1, 'payment', 1, 'eur', '2025-03-05';
\set VERBOSITY default
-- an application reads, and neither loads nor posts
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on)
VALUES ('stripe', 'po_5', 1, 'payment', 'ch_14', 100, 2, 'EUR', '2025-03-05');
SET ROLE regress_op_app;
SELECT match FROM settlement_matches WHERE settlement_id = 'po_5';
SELECT * FROM post_settlement('stripe', 'po_5');
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, currency, settled_on) VALUES ('stripe', 'po_6', 1, 'payment', 1, 'EUR', '2025-03-05');
SET ROLE regress_op_gateway;
DELETE FROM settlement_lines;
SELECT * FROM post_settlement('stripe', 'po_5');
RESET ROLE;

SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA settled CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway;
