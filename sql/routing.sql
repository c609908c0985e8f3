-- routing: which gateway an order should try
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
SELECT order_payment.create_store('routed', 'EUR', 'regress_op_app', owner => 'regress_op_owner');
RESET client_min_messages;
SET search_path = routed, order_payment;
INSERT INTO orders (order_id, price, currency) SELECT n, 10, CASE WHEN n < 1000 THEN 'EUR' ELSE 'USD' END FROM generate_series(1, 1100) n;

-- nobody takes euros yet, but for hands and doors
SELECT choose_gateway(1);
INSERT INTO gateways (gateway) VALUES ('zeta'), ('alpha'), ('beta'), ('Gamma'), ('idle');
SELECT choose_gateway(1);
-- who has a fee for them may be tried; ties go to the first name
INSERT INTO gateway_fees (gateway, currency, method, valid_from) VALUES
    ('beta', 'EUR', '*', '-infinity'), ('alpha', 'EUR', 'card', '-infinity'), ('Gamma', 'USD', '*', '-infinity'), ('idle', 'EUR', '*', now() + interval '1 day');
SELECT choose_gateway(1) AS anyhow, choose_gateway(1, 'card') AS card, choose_gateway(1, 'wallet') AS wallet, choose_gateway(1001) AS dollars;
UPDATE gateways SET active = false WHERE gateway = 'alpha';
SELECT choose_gateway(1), choose_gateway(1, 'card');
UPDATE gateways SET active = true WHERE gateway = 'alpha';

-- attempts: alpha 3 of 3, beta 80 of 100, zeta, which has no fee, 1 of 2
INSERT INTO payments (order_id, gateway, method, amount, status)
SELECT n, CASE WHEN n <= 3 THEN 'alpha' WHEN n <= 5 THEN 'zeta' ELSE 'beta' END, CASE WHEN n % 2 = 1 THEN 'card' ELSE 'wallet' END, 10, 'processing'
FROM generate_series(1, 105) n;
UPDATE payments SET status = CASE WHEN order_id = 5 OR order_id > 85 THEN 'failed' ELSE 'succeeded' END::payment_status;
SELECT gateway, sum(successes) AS successes, sum(failures) AS failures FROM gateway_success WHERE period = '30 days' GROUP BY 1 ORDER BY 1;
SELECT gateway, (e).mean::numeric(4, 2), (e).lower::numeric(4, 2)
FROM (SELECT gateway, success_probability(status) AS e FROM payments GROUP BY gateway) g ORDER BY 1;
-- three of three are no proof
SELECT choose_gateway(200) AS anyhow, choose_gateway(200, 'wallet') AS wallet;
-- the method is what counts, if it is given: beta fails with wallets
INSERT INTO payments (order_id, gateway, method, amount, status) SELECT n, 'beta', 'wallet', 10, 'processing' FROM generate_series(201, 400) n;
UPDATE payments SET status = 'failed' WHERE order_id BETWEEN 201 AND 400;
SELECT choose_gateway(1, 'wallet') AS wallet, choose_gateway(1, 'card') AS card;
-- what is unknown, revoked or under way moves nothing
INSERT INTO payments (order_id, gateway, method, amount, status) SELECT n, 'beta', 'card', 10, 'processing' FROM generate_series(401, 600) n;
UPDATE payments SET status = CASE order_id % 3 WHEN 0 THEN 'unknown' WHEN 1 THEN 'revoked' ELSE 'processing' END::payment_status WHERE order_id > 400;
SELECT choose_gateway(1, 'card');
-- the period: beta was good, and is no longer
SET session_replication_role = replica;
UPDATE payments SET created_at = now() - interval '40 days' WHERE order_id BETWEEN 6 AND 105 AND status = 'succeeded';
RESET session_replication_role;
SELECT choose_gateway(1, 'card') AS days_30, choose_gateway(1, 'card', '60 days') AS days_60, choose_gateway(1, 'card', 'all') AS always;
-- another currency is another thing
SELECT choose_gateway(1001), choose_gateway(1001, 'card');
-- a gateway without any fee, by its attempts alone; and only in their currency
UPDATE gateways SET active = gateway = 'zeta';
SELECT choose_gateway(1) AS euros, choose_gateway(1001) AS dollars, choose_gateway(1, 'bank') AS bank;

-- by the key as text, as an application has it
SELECT choose_gateway('1', store => 'routed');
SET ROLE regress_op_app;
SELECT choose_gateway(1);
RESET ROLE;
\set VERBOSITY terse
SELECT choose_gateway(4711);
SELECT choose_gateway(NULL::text);
SELECT choose_gateway(1, period => 'soon');
SELECT choose_gateway(1, period => NULL);
SELECT choose_gateway(1, store => 'public');

SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA routed CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app;
