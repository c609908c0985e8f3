\set QUIET on
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\echo '== order_payment: money that cannot be wrong'
\echo
\echo '-- Install the extension, and make a store: for an application, and for what talks with gateways.'
\set ECHO queries
CREATE EXTENSION order_payment;
CREATE ROLE shop_owner;
CREATE ROLE shop_app LOGIN;
CREATE ROLE shop_gateway LOGIN;
GRANT shop_owner TO current_user;
SELECT order_payment.create_store('shop', 'EUR', app_role => 'shop_app', gateway_role => 'shop_gateway', owner => 'shop_owner') \g /dev/null
INSERT INTO shop.gateways (gateway) VALUES ('acme');
INSERT INTO shop.gateway_fees (gateway, currency, rate, fixed) VALUES ('acme', 'EUR', 0.014, 0.25);
SET search_path = shop, order_payment;
SET ROLE shop_app;
\set ECHO none
\echo
\echo '-- A customer orders. Plain SQL on a plain table.'
\set ECHO queries
INSERT INTO orders (order_id, customer_id, product_id, quantity, price, status)
VALUES (1001, 7, 42, 2, 19.90, 'pending');

SELECT order_id, quantity, price, total_amount, currency, status, version FROM orders WHERE order_id = 1001;
\set ECHO none
\echo '-- It cannot be shipped before it is paid: the database says what may follow.'
\set ECHO queries
UPDATE orders SET status = 'shipped' WHERE order_id = 1001;
\set ECHO none
\echo
\echo '-- Pay. The fee and what will be left are computed from the gateway\'s fees. The same request again is no second payment.'
\set ECHO queries
SELECT status, amount, currency, is_replay FROM create_payment(1001, 'acme', method => 'card', request_key => 'click-1');
SELECT status, amount, currency, is_replay FROM create_payment(1001, 'acme', method => 'card', request_key => 'click-1');
SELECT status, amount, fee, expected_net FROM payments WHERE order_id = 1001;
\set ECHO none
\echo '-- The application cannot say that money has come. The gateway\'s role can; the order is paid in the same transaction.'
\set ECHO queries
UPDATE payments SET status = 'succeeded' WHERE order_id = 1001;

SET ROLE shop_gateway;
UPDATE payments SET status = 'succeeded', gateway_reference = 'ch_1' WHERE order_id = 1001;
SELECT status, paid_amount, paid_at IS NOT NULL AS has_paid_at FROM orders WHERE order_id = 1001;
\set ECHO none
\echo '-- Back to pending? Not by UPDATE, nor by a trick, nor by a forged time or sum.'
\set ECHO queries
UPDATE orders SET status = 'pending' WHERE order_id = 1001;

INSERT INTO orders (order_id, price, status) VALUES (1001, 19.90, 'pending')
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status;

UPDATE orders SET paid_at = '2020-01-01' WHERE order_id = 1001;

UPDATE orders SET paid_amount = 1000000 WHERE order_id = 1001;
\set ECHO none
\echo
\echo '-- A refund. And the same money once more? Refused while the first is still under way.'
\set ECHO queries
SET ROLE shop_app;
SELECT amount, status FROM refund_order(1001, 30.00, 'one piece was broken');
SELECT amount, status FROM refund_order(1001, 30.00, 'asked twice');

SET ROLE shop_gateway;
UPDATE refunds SET status = 'succeeded' WHERE order_id = 1001;
SELECT payment_state, paid_amount, refunded_amount, fees, net_amount FROM order_overview WHERE order_id = 1001;
\set ECHO none
\echo '-- The customer pays once more, by mistake: what is above the total is owed back, and is paid back once.'
\set ECHO queries
INSERT INTO payments (order_id, gateway, amount, status, gateway_reference) VALUES (1001, 'acme', 39.80, 'succeeded', 'ch_2');
SELECT work, amount, currency FROM open_work WHERE order_id = 1001;
SELECT order_id, amount, obligatory_amount, status FROM request_due_refunds();
SELECT order_id, amount, obligatory_amount, status FROM request_due_refunds();
UPDATE refunds SET status = 'succeeded' WHERE order_id = 1001 AND status = 'requested';
\set ECHO none
\echo
\echo '-- An order with lines; paid; cancelled. Nothing of a cancelled order is kept.'
\set ECHO queries
SET ROLE shop_app;
INSERT INTO orders (order_id, customer_id) VALUES (1002, 7);
INSERT INTO order_items (order_id, line_no, kind, product_id, quantity, price)
VALUES (1002, 1, 'item', 42, 3, 19.90), (1002, 2, 'shipping', NULL, 1, 4.90), (1002, 3, 'discount', NULL, 1, 5.00);
SET ROLE shop_gateway;
INSERT INTO payments (order_id, gateway, amount, status, gateway_reference) VALUES (1002, 'acme', 59.60, 'succeeded', 'ch_3');
SET ROLE shop_app;
INSERT INTO order_items (order_id, line_no, price) VALUES (1002, 4, 1.00);
UPDATE orders SET status = 'cancelled' WHERE order_id = 1002;
SELECT item_count, total_amount, status, paid_amount, refund_due_amount FROM orders WHERE order_id = 1002;
\set ECHO none
\echo '-- The whole story of the first order, as the server recorded it. Who and why are settings.'
\set ECHO queries
SET order_payment.actor = 'alice';
SET order_payment.reason = 'handed to the carrier';
UPDATE orders SET status = 'shipped' WHERE order_id = 1001;
SELECT version, entity, from_status, to_status, amount, actor, reason FROM order_timeline(1001);
\set ECHO none
\echo '-- History is append-only, and money rows stay, for everybody.'
\set ECHO queries
RESET ROLE;
UPDATE order_events SET actor = 'nobody' WHERE order_id = 1001;

DELETE FROM payments WHERE order_id = 1001;
\set ECHO none
\echo
\echo '-- A card. The server has a root key, which is no part of the database, and its log guard is loaded.'
\set ECHO queries
SELECT count(*) AS data_keys FROM create_data_keys();
CREATE ROLE shop_clerk;
GRANT USAGE ON SCHEMA shop TO shop_clerk;
GRANT SELECT ON payments TO shop_clerk;
GRANT EXECUTE ON FUNCTION reveal(sealed, bytea) TO shop_clerk;
SET ROLE shop_app;
INSERT INTO orders (order_id, customer_id, price) VALUES (1003, 7, 25.00);
INSERT INTO payments (order_id, gateway, amount, card_number, card_holder, card_expiry)
VALUES (1003, 'acme', 25.00, '4111 1111 1111 1111', 'Ann Lee', '12/29');
SELECT card_number, card_holder, card_expiry, left(card_number_sealed::text, 12) AS sealed FROM payments WHERE order_id = 1003;
\set ECHO none
\echo '-- The application cannot open it. A clerk can, and it is on record before he sees it, whatever becomes of his transaction.'
\set ECHO queries
SELECT reveal_card(payment_id) FROM payments WHERE order_id = 1003;

SET ROLE shop_clerk;
BEGIN;
SELECT r.* FROM payments p, reveal_card(p.payment_id) r WHERE p.order_id = 1003;
ROLLBACK;
RESET ROLE;
SELECT role, what, field FROM reveal_log ORDER BY revealed_at;
\set ECHO none
\echo '-- A number that nobody has, and one that is copied to another row.'
\set ECHO queries
INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (1003, 'acme', 25.00, '4111 1111 1111 1112');

SELECT reveal(card_number_sealed, binding('payments', uuid_v7())) FROM payments WHERE order_id = 1003;
\set ECHO none
\echo
\echo '-- The gateway\'s settlement file, as it came, against what is known here.'
\set ECHO queries
SET ROLE shop_gateway;
INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on)
VALUES ('acme', 'W48', 1, 'payment', 'ch_1', 39.80, 0.79, 'EUR', current_date), ('acme', 'W48', 2, 'payment', 'ch_2', 38.90, 0.81, 'EUR', current_date),
       ('acme', 'W48', 3, 'payment', 'ch_9', 12.00, 0.42, 'EUR', current_date);
SELECT match, line_no, order_id, amount, settled_amount, fee, settled_fee FROM settlement_matches WHERE line_no IS NOT NULL ORDER BY line_no;
SELECT * FROM post_settlement('acme', 'W48');
\set ECHO none
\echo '-- Thirty thousand orders by COPY, and all of them paid by one INSERT.'
\set ECHO queries
RESET ROLE;
COPY orders (order_id, customer_id, product_id, quantity, price) FROM PROGRAM 'seq 10001 40000 | awk ''{print $1 "," $1 % 999 "," $1 % 77 "," 1 + $1 % 3 ",9.90"}''' CSV;
INSERT INTO payments (order_id, gateway, amount, currency, status) SELECT order_id, 'acme', total_amount, currency, 'succeeded' FROM orders WHERE order_id > 10000;
SELECT status, count(*), sum(total_amount) AS total, sum(paid_amount) AS paid, sum(refund_due_amount) AS due FROM orders GROUP BY status ORDER BY status;
SELECT gateway, currency, captured_amount, refunded_amount, estimated_fees, final_fees, net_amount FROM daily_settlement;
\set ECHO none
\echo '-- Another program follows what happens: each order in its order, nothing twice once acknowledged.'
\set ECHO queries
SELECT order_id, version, entity, to_status FROM read_events('mailer', 3);
SELECT ack_events('mailer', (SELECT array_agg(event_id) FROM read_events('mailer', 3)));
SELECT order_id, version, entity, to_status FROM read_events('mailer', 1);
\set ECHO none
\echo '-- Somebody else\'s table, with a text column and states of its own.'
\set ECHO queries
CREATE TABLE public.parcels (parcel_id int PRIMARY KEY, state text NOT NULL);
SELECT guard_column('public.parcels', 'state', 'packed; packed: "in transit"; "in transit": delivered lost') \g /dev/null
INSERT INTO public.parcels VALUES (1, 'packed');
UPDATE public.parcels SET state = 'delivered';
\set ECHO none
\echo
\echo '-- Every counter, state, link and event recomputed from the rows: no deviation.'
\set ECHO queries
SELECT * FROM verify_store('shop');
\set ECHO none
