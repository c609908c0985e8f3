\set QUIET on
SET client_min_messages = warning;
\echo '== order_payment: an order that can only move legally'
\echo
\echo '-- Install the extension, and make a store for an application role.'
\set ECHO queries
CREATE EXTENSION order_payment;
CREATE ROLE shop_owner;
CREATE ROLE shop_app LOGIN;
GRANT shop_owner TO current_user;
SELECT order_payment.create_store('shop', 'EUR', app_role => 'shop_app', owner => 'shop_owner') \g /dev/null
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
\echo '-- Paid, shipped, completed. Who and why go into the history.'
\set ECHO queries
SET order_payment.actor = 'alice';
SET order_payment.reason = 'bank transfer seen';
UPDATE orders SET status = 'paid' WHERE order_id = 1001;
RESET order_payment.reason;
UPDATE orders SET status = 'shipped' WHERE order_id = 1001;
UPDATE orders SET status = 'completed' WHERE order_id = 1001;
\set ECHO none
\echo
\echo '-- Back to pending? Not by UPDATE, nor by a trick, nor by a forged time.'
\set ECHO queries
UPDATE orders SET status = 'pending' WHERE order_id = 1001;

INSERT INTO orders (order_id, price, status) VALUES (1001, 19.90, 'pending')
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status;

INSERT INTO orders (customer_id, price, status) VALUES (8, 5, 'paid');

UPDATE orders SET paid_at = '2020-01-01' WHERE order_id = 1001;

UPDATE orders SET status = 'payed' WHERE order_id = 1001;
\set ECHO none
\echo
\echo '-- The goods come back and the money goes back; that is a legal move.'
\set ECHO queries
UPDATE orders SET status = 'refunded' WHERE order_id = 1001;
\set ECHO none
\echo
\echo '-- The whole story, as the server recorded it.'
\set ECHO queries
SELECT version, from_status, to_status, actor, reason FROM order_timeline(1001);
\set ECHO none
\echo '-- History is append-only, for everybody.'
\set ECHO queries
RESET ROLE;
UPDATE order_events SET actor = 'nobody' WHERE order_id = 1001;
SET ROLE shop_app;
\set ECHO none
\echo
\echo '-- An order may have lines; the total follows them.'
\set ECHO queries
INSERT INTO orders (order_id, customer_id) VALUES (1002, 7);
INSERT INTO order_items (order_id, line_no, kind, product_id, quantity, price)
VALUES (1002, 1, 'item', 42, 3, 19.90), (1002, 2, 'shipping', NULL, 1, 4.90), (1002, 3, 'discount', NULL, 1, 5.00);

SELECT order_id, item_count, total_amount, status FROM orders WHERE order_id = 1002;

INSERT INTO orders (order_id, price, currency) VALUES (1003, 0.5, 'JPY');
\set ECHO none
\echo
\echo '-- A hundred thousand orders by COPY, and all of them paid by one UPDATE.'
\echo '\\copy orders (order_id, customer_id, product_id, quantity, price) FROM PROGRAM \'...\' CSV'
\copy orders (order_id, customer_id, product_id, quantity, price) FROM PROGRAM 'seq 10001 110000 | awk ''{print $1 "," $1 % 999 "," $1 % 77 "," 1 + $1 % 3 ",9.90"}''' CSV
\set ECHO queries
UPDATE orders SET status = 'paid' WHERE order_id > 10000;
SELECT status, count(*), sum(total_amount) FROM orders GROUP BY status ORDER BY status;
SELECT to_status, count(*) FROM order_events GROUP BY to_status ORDER BY min(version), to_status;
\set ECHO none
\echo '-- Another program follows what happens: each order in its order, nothing twice once acknowledged.'
\set ECHO queries
SELECT order_id, version, from_status, to_status FROM read_events('mailer', 3);
SELECT ack_events('mailer', (SELECT array_agg(event_id) FROM read_events('mailer', 3)));
SELECT order_id, version, from_status, to_status FROM read_events('mailer', 3);
\set ECHO none
\echo '-- What guards the column, as the table itself says it: paste it into any Mermaid viewer.'
\pset tuples_only on
\pset format unaligned
\set ECHO queries
SELECT status_graph('orders', 'status');
\set ECHO none
\pset format aligned
\pset tuples_only off
\echo
\echo '-- Somebody else\'s table, with a text column and states of its own.'
\set ECHO queries
RESET ROLE;
CREATE TABLE public.parcels (parcel_id int PRIMARY KEY, state text NOT NULL);
SELECT guard_column('public.parcels', 'state', 'packed; packed: "in transit"; "in transit": delivered lost') \g /dev/null
INSERT INTO public.parcels VALUES (1, 'packed');
UPDATE public.parcels SET state = 'delivered';
SELECT check_graph('text', 'packed; packed: sent; sent: packed');
\set ECHO none
\echo
\echo '-- Everything recomputed from the rows: no deviation.'
\set ECHO queries
SELECT * FROM verify_store('shop');
\set ECHO none
