-- functions: create_payment, retry_payment, due_retries, expire_orders
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
CREATE ROLE regress_op_nobody;
SELECT order_payment.create_store('shop', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway', owner => 'regress_op_owner');
RESET client_min_messages;
SET search_path = shop;
INSERT INTO gateways (gateway, active) VALUES ('stripe', true), ('alipay', true), ('closed', false);
-- the payments of an order, without what differs from run to run
CREATE VIEW attempts AS
SELECT p.order_id AS o, row_number() OVER (PARTITION BY p.order_id ORDER BY p.created_at, p.payment_id) AS no, p.gateway, p.method, p.amount, p.currency,
       p.status, p.split, p.request_key AS key, p.attempt_no AS attempt, CASE WHEN p.retry_of IS NULL THEN '' ELSE 'retry' END AS retry, p.failure_class AS failure
FROM payments p ORDER BY p.order_id, p.created_at, p.payment_id;
GRANT SELECT ON attempts TO regress_op_app, regress_op_gateway;

-- ---------- create_payment ----------
INSERT INTO orders (order_id, price) VALUES (1, 100), (2, 100), (3, NULL), (4, 0), (5, 100), (6, 100), (7, 100);
SELECT r.order_id, replace(r.payment_id::text, '-', '') = r.gateway_number AS number, r.gateway_number ~ '^[0-9a-f]{32}$' AS digits, r.gateway, r.method, r.amount, r.currency,
       r.status, r.attempt_no, r.is_replay
FROM order_payment.create_payment(1, 'stripe', method => 'card', request_key => 'k1') r;
-- the same request again: the first row, with every way to write its values
SELECT r.payment_id = p.payment_id AS same, r.status, r.amount, r.is_replay
FROM payments p, order_payment.create_payment(p.order_id, 'stripe', NULL, 'card', 'k1') r WHERE p.order_id = 1;
SELECT count(*) FROM payments WHERE order_id = 1;
-- whatever became of it, and of the order
UPDATE payments SET status = 'processing' WHERE order_id = 1;
SELECT r.status, r.is_replay FROM order_payment.create_payment('1', 'stripe', method => 'card', request_key => 'k1') r;
UPDATE payments SET status = 'succeeded' WHERE order_id = 1;
SELECT r.status, r.is_replay, o.status AS "order" FROM order_payment.create_payment('1', 'stripe', method => 'card', request_key => 'k1') r, orders o WHERE o.order_id = 1;
UPDATE orders SET status = 'cancelled' WHERE order_id = 1;
SELECT r.status, r.is_replay FROM order_payment.create_payment('1', 'stripe', method => 'card', request_key => 'k1') r;
UPDATE gateways SET active = false WHERE gateway = 'stripe';
SELECT r.status, r.is_replay FROM order_payment.create_payment('1', 'stripe', method => 'card', request_key => 'k1') r;
UPDATE gateways SET active = true WHERE gateway = 'stripe';

-- values, not forms: 100, 100.0, 1e2 and an expression are one amount; a deadline is no part of the request
SELECT r.amount, r.is_replay FROM order_payment.create_payment(2, 'stripe', 100, NULL, 'k', 'USD', true, now()) r;
SELECT count(*), count(*) FILTER (WHERE r.is_replay) AS replays, count(DISTINCT r.payment_id) AS payments
FROM unnest('{100,100.0,100.00,1e2,100.000000000000000000}'::numeric[] || 10::numeric * 10 || 300::numeric / 3) a,
     order_payment.create_payment(2, 'stripe', a, NULL, 'k', 'USD', true, clock_timestamp()) r;
-- another request with the same key
\set VERBOSITY terse
SELECT * FROM order_payment.create_payment(2, 'stripe', 100.01, NULL, 'k', 'USD', true);
\set VERBOSITY sqlstate
SELECT * FROM order_payment.create_payment(2, 'stripe', NULL, NULL, 'k', 'USD', true);
SELECT * FROM order_payment.create_payment(2, 'alipay', 100, NULL, 'k', 'USD', true);
SELECT * FROM order_payment.create_payment(2, 'stripe', 100, '', 'k', 'USD', true);
SELECT * FROM order_payment.create_payment(2, 'stripe', 100, 'null', 'k', 'USD', true);
SELECT * FROM order_payment.create_payment(2, 'stripe', 100, NULL, 'k', NULL, true);
SELECT * FROM order_payment.create_payment(2, 'stripe', 100, NULL, 'k', 'EUR', true);
SELECT * FROM order_payment.create_payment(2, 'stripe', 100, NULL, 'k', 'USD', false);
SELECT * FROM order_payment.create_payment(2, 'stripe', 'NaN', NULL, 'k', 'USD', true);
SELECT * FROM order_payment.create_payment(2, 'nowhere', 100, NULL, 'k', 'USD', true);
\set VERBOSITY default
-- the same key at another order is another key; so is one of other bytes
SELECT r.is_replay, r.amount FROM order_payment.create_payment(5, 'stripe', 50, NULL, U&'caf\00e9', NULL, true) r;
SELECT r.is_replay, r.amount FROM order_payment.create_payment(5, 'stripe', 50, NULL, U&'cafe\0301', NULL, true) r;
SELECT r.is_replay FROM order_payment.create_payment(6, 'stripe', request_key => 'k') r;
-- a row that was inserted by itself has the key of no request known here
INSERT INTO payments (order_id, gateway, amount, request_key) VALUES (7, 'stripe', 100, 'plain');
\set VERBOSITY terse
SELECT * FROM order_payment.create_payment(7, 'stripe', 100, request_key => 'plain');
\set VERBOSITY default
TABLE attempts;

-- what can be asked for
INSERT INTO orders (order_id, price) VALUES (11, 100), (12, 100), (13, 100), (14, 100), (15, 100);
SELECT * FROM order_payment.create_payment(99, 'stripe');
SELECT * FROM order_payment.create_payment(11, 'nowhere');
SELECT * FROM order_payment.create_payment(11, 'closed');
SELECT * FROM order_payment.create_payment(11, 'stripe', 100.01);
SELECT * FROM order_payment.create_payment(11, 'stripe', currency => 'EUR');
SELECT * FROM order_payment.create_payment(3, 'stripe');
SELECT * FROM order_payment.create_payment(4, 'stripe');
SELECT * FROM order_payment.create_payment(1, 'stripe');
SELECT r.amount, r.status FROM order_payment.create_payment(3, 'stripe', 10) r;
SELECT r.amount FROM order_payment.create_payment(11, 'stripe', 99.99, expires_at => '2030-01-01') r;
SELECT amount, expires_at = '2030-01-01' AS expires FROM payments WHERE order_id = 11;
\set VERBOSITY terse
SELECT * FROM order_payment.create_payment(11, 'stripe');
UPDATE payments SET status = 'processing' WHERE order_id = 11;
SELECT * FROM order_payment.create_payment(11, 'stripe');
UPDATE payments SET status = 'unknown' WHERE order_id = 11;
SELECT * FROM order_payment.create_payment(11, 'stripe');
UPDATE payments SET status = 'failed' WHERE order_id = 11;
SELECT r.amount, r.attempt_no FROM order_payment.create_payment(11, 'stripe') r;
\set VERBOSITY default
-- split: each is for what the others leave
SELECT r.amount FROM order_payment.create_payment(12, 'stripe', 30, split => true) r;
SELECT r.amount FROM order_payment.create_payment(12, 'alipay', split => true) r;
SELECT * FROM order_payment.create_payment(12, 'alipay', split => true);
UPDATE payments SET status = 'failed' WHERE order_id = 12 AND gateway = 'alipay';
UPDATE payments SET status = 'authorized' WHERE order_id = 12 AND gateway = 'stripe';
SELECT * FROM order_payment.create_payment(12, 'alipay', 70.01, split => true);
SELECT r.amount FROM order_payment.create_payment(12, 'alipay') r;
-- authorisations cover until they lapse
SELECT r.amount FROM order_payment.create_payment(13, 'stripe') r;
UPDATE payments SET status = 'authorized', capture_before = clock_timestamp() + '1 hour' WHERE order_id = 13;
SELECT * FROM order_payment.create_payment(13, 'stripe');
UPDATE payments SET capture_before = clock_timestamp() WHERE order_id = 13;
SELECT r.amount FROM order_payment.create_payment(13, 'stripe') r;
-- paid in part; a surplus is not counted twice
INSERT INTO payments (order_id, gateway, amount, status) VALUES (14, 'stripe', 60, 'succeeded');
SELECT r.amount FROM order_payment.create_payment(14, 'stripe') r;
UPDATE payments SET status = 'succeeded' WHERE order_id = 14 AND status = 'created';
\set VERBOSITY terse
SELECT * FROM order_payment.create_payment(14, 'stripe');
\set VERBOSITY default
-- shipped before it is paid
INSERT INTO payments (order_id, gateway, amount, status) VALUES (15, 'cod', 100, 'authorized');
UPDATE orders SET status = 'shipped' WHERE order_id = 15;
UPDATE payments SET status = 'revoked' WHERE order_id = 15;
SELECT r.amount FROM order_payment.create_payment(15, 'stripe') r;
SELECT * FROM attempts WHERE o BETWEEN 11 AND 15;

-- bad input
INSERT INTO orders (order_id, price, currency) VALUES (21, 100, 'USD'), (22, 1000, 'JPY'), (23, 10, 'KWD');
-- a store that is null is no store of which there is nothing to tell: one error, of every function that has this argument
CREATE FUNCTION refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE state text; message text; hint text;
BEGIN
  EXECUTE statement;
  RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(': ', state, message, hint);
END $$;
SELECT refusal, count(*), string_agg(name, ' ' ORDER BY name COLLATE "C") AS functions
FROM (SELECT p.proname AS name, refusal(format('SELECT order_payment.%I(%s)', p.proname,
             (SELECT string_agg(format('%I => NULL::%s', p.proargnames[n], CASE t WHEN 'anynonarray'::regtype THEN 'bigint' ELSE t::regtype::text END), ', ' ORDER BY n)
              FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (t, n))))
      FROM pg_proc p WHERE p.pronamespace = 'order_payment'::regnamespace AND pg_get_function_arguments(p.oid) LIKE '%store name DEFAULT%' AND p.prokind = 'f' AND NOT p.proisstrict) f
GROUP BY refusal;
DROP FUNCTION refusal;
\set VERBOSITY sqlstate
SELECT * FROM order_payment.create_payment(NULL::text, 'stripe');
SELECT * FROM order_payment.create_payment(NULL::bigint, 'stripe');
SELECT * FROM order_payment.create_payment(21, NULL);
SELECT * FROM order_payment.create_payment(21, 'stripe', split => NULL);
SELECT * FROM order_payment.create_payment(21, 'stripe', store => NULL);
SELECT * FROM order_payment.create_payment(21, 'stripe', store => 'nowhere');
SELECT * FROM order_payment.create_payment(21, 'stripe', store => 'pg_catalog');
SELECT * FROM order_payment.create_payment('21; DROP TABLE orders', 'stripe');
SELECT * FROM order_payment.create_payment('', 'stripe');
SELECT * FROM order_payment.create_payment('1e400', 'stripe');
SELECT * FROM order_payment.create_payment(21, '');
SELECT * FROM order_payment.create_payment(21, 'stripe''; DROP TABLE orders --');
SELECT * FROM order_payment.create_payment(21, 'stripe', 0);
SELECT * FROM order_payment.create_payment(21, 'stripe', -1);
SELECT * FROM order_payment.create_payment(21, 'stripe', 0.001);
SELECT * FROM order_payment.create_payment(21, 'stripe', 'NaN');
SELECT * FROM order_payment.create_payment(21, 'stripe', 'Infinity');
SELECT * FROM order_payment.create_payment(21, 'stripe', '-Infinity');
SELECT * FROM order_payment.create_payment(21, 'stripe', 1e100000);
SELECT * FROM order_payment.create_payment(22, 'stripe', 0.5);
SELECT * FROM order_payment.create_payment(21, 'stripe', currency => 'usd');
SELECT * FROM order_payment.create_payment(21, 'stripe', request_key => '');
SELECT * FROM order_payment.create_payment(21, 'stripe', request_key => repeat('x', 256));
SELECT * FROM order_payment.create_payment(21, 'stripe', expires_at => 'never');
BEGIN READ ONLY;
SELECT * FROM order_payment.create_payment(21, 'stripe');
ROLLBACK;
\set VERBOSITY default
SELECT count(*) FROM payments WHERE order_id IN (21, 22, 23);
SELECT r.amount, r.currency FROM order_payment.create_payment(22, 'stripe', request_key => repeat('é', 255)) r;
SELECT r.amount, r.currency FROM order_payment.create_payment(23, 'stripe', 0.005, split => true, request_key => E'\n''"; --') r;
SELECT r.amount, r.currency, r.is_replay FROM order_payment.create_payment(23, 'stripe', 0.005, split => true, request_key => E'\n''"; --') r;
-- savepoints, prepared statements, DO, a key that is rolled back is free again
BEGIN;
SELECT r.is_replay FROM order_payment.create_payment(21, 'stripe', request_key => 'b') r;
SAVEPOINT s;
SELECT r.is_replay FROM order_payment.create_payment(21, 'stripe', request_key => 'b') r;
ROLLBACK TO s;
ROLLBACK;
PREPARE pay(text) AS SELECT r.is_replay, r.amount FROM order_payment.create_payment(21, 'stripe', 10, request_key => $1, split => true) r;
EXECUTE pay('a');
EXECUTE pay('b');
ALTER TABLE payments ADD COLUMN note text;
EXECUTE pay('a');
EXECUTE pay('c');
ALTER TABLE payments DROP COLUMN note;
EXECUTE pay('d');
DO $$
BEGIN
  FOR i IN 1 .. 10 LOOP
    BEGIN
      PERFORM order_payment.create_payment(21, 'stripe', 10, request_key => 'e' || i, split => true, store => 'shop');
    EXCEPTION WHEN SQLSTATE 'OP006' THEN
      RAISE NOTICE 'at %: %', i, SQLERRM;
      EXIT;
    END;
  END LOOP;
END $$;
SELECT count(*), sum(amount) FROM payments WHERE order_id = 21;
-- a trigger of the owner's that keeps rows away ends in an error
CREATE FUNCTION keep_away() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER a BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION keep_away();
INSERT INTO orders (order_id, price) VALUES (24, 100);
SELECT * FROM order_payment.create_payment(24, 'stripe');
DROP TRIGGER a ON payments;
DROP FUNCTION keep_away();

-- the digest
SELECT order_payment.request_hash('{"a": 1.0, "b": null, "c": "x"}') = order_payment.request_hash('{"c": "x", "a": 1.00}') AS same,
       order_payment.request_hash('{"a": 1}') = order_payment.request_hash('{"a": "1"}') AS text,
       order_payment.request_hash('{"a": 1}') = order_payment.request_hash('{"a": 1.01}') AS value,
       order_payment.request_hash('{"a": 1}') = order_payment.request_hash('{"b": 1}') AS name,
       order_payment.request_hash('{"a": "null"}') = order_payment.request_hash('{}') AS "null",
       order_payment.request_hash(jsonb_build_object('a', U&'\00e9')) = order_payment.request_hash(jsonb_build_object('a', U&'e\0301')) AS form;
SELECT order_payment.request_hash('{}') = encode(sha256('{}'), 'hex') AS empty, order_payment.request_hash('{"b": 1.50, "a": "x"}') = encode(sha256('{"a": "x", "b": 1.5}'), 'hex') AS example;

-- keys of other types, other search_path
SET client_min_messages = warning;
SELECT order_payment.create_store('by_uuid', owner => 'regress_op_owner', order_id_type => 'uuid');
SELECT order_payment.create_store('by_text', owner => 'regress_op_owner', order_id_type => 'text');
RESET client_min_messages;
INSERT INTO by_uuid.orders (order_id, price) VALUES ('00000000-0000-4000-8000-000000000001', 5);
INSERT INTO by_text.orders (order_id, price) VALUES ('it''s', 5), ('%L %I', 5);
SET search_path = pg_catalog;
SELECT r.order_id, r.amount FROM order_payment.create_payment('00000000-0000-4000-8000-000000000001'::uuid, 'manual', store => 'by_uuid') r;
SELECT r.order_id, r.amount, r.is_replay FROM by_text.orders o, order_payment.create_payment(o.order_id, 'manual', request_key => 'k', store => 'by_text') r ORDER BY 1;
SELECT r.order_id, r.amount, r.is_replay FROM order_payment.create_payment('it''s', 'manual', request_key => 'k', store => 'by_text') r;
\set VERBOSITY terse
SELECT * FROM order_payment.create_payment(1, 'stripe');
\set VERBOSITY default
SET search_path = shop;

-- ---------- retry_payment ----------
INSERT INTO orders (order_id, price) VALUES (31, 100), (32, 100), (33, 100), (34, 100), (35, 100), (36, 100), (37, 100);
-- the first payment of an order
CREATE FUNCTION first_of(o bigint) RETURNS uuid LANGUAGE sql AS 'SELECT payment_id FROM shop.payments WHERE order_id = $1 ORDER BY created_at, payment_id LIMIT 1';
SELECT count(*) FROM generate_series(31, 37) o, order_payment.create_payment(o, 'stripe', method => 'card');
\set VERBOSITY sqlstate
SELECT * FROM order_payment.retry_payment(first_of(31));
UPDATE payments SET status = 'processing' WHERE order_id = 31;
SELECT * FROM order_payment.retry_payment(first_of(31));
UPDATE payments SET status = 'unknown' WHERE order_id = 31;
SELECT * FROM order_payment.retry_payment(first_of(31));
\set VERBOSITY default
UPDATE payments SET status = 'failed', failure_class = 'soft_decline', retry_at = '2030-01-01' WHERE order_id BETWEEN 31 AND 34;
SELECT r.gateway, r.method, r.amount, r.currency, r.status, r.attempt_no, r.is_replay, r.payment_id <> first_of(31) AS another FROM order_payment.retry_payment(first_of(31), 'r1') r;
-- the same request again, and what became of it
SELECT r.status, r.attempt_no, r.is_replay FROM order_payment.retry_payment(first_of(31), 'r1') r;
UPDATE payments SET status = 'succeeded' WHERE order_id = 31 AND status = 'created';
SELECT r.status, r.attempt_no, r.is_replay FROM order_payment.retry_payment(first_of(31), 'r1') r;
-- the same key for something else
\set VERBOSITY terse
SELECT * FROM order_payment.create_payment(31, 'stripe', request_key => 'r1');
SELECT r.is_replay, r.attempt_no FROM order_payment.create_payment(32, 'stripe', request_key => 'r1') r;
SELECT * FROM order_payment.retry_payment(first_of(32), 'r1');
UPDATE payments SET status = 'revoked' WHERE order_id = 32 AND request_key = 'r1';
SELECT attempt_no FROM order_payment.retry_payment(first_of(32));
UPDATE payments SET status = 'revoked' WHERE order_id = 32 AND status = 'created';
-- once, and then its retry
DO $$
BEGIN
  PERFORM order_payment.retry_payment(shop.first_of(32), store => 'shop');
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE '% %', SQLSTATE, regexp_replace(SQLERRM, '[0-9a-f-]{36}', 'ID');
END $$;
SELECT r.attempt_no FROM payments p, order_payment.retry_payment(p.payment_id) r WHERE p.order_id = 32 AND p.retry_of IS NOT NULL;
-- never after a hard decline, never of what is alive or succeeded, never more than is left
\set VERBOSITY sqlstate
UPDATE payments SET failure_class = 'hard_decline' WHERE order_id = 33;
SELECT * FROM order_payment.retry_payment(first_of(33));
SELECT * FROM order_payment.retry_payment(first_of(31));
INSERT INTO payments (order_id, gateway, amount, status) VALUES (34, 'alipay', 1, 'succeeded');
SELECT * FROM order_payment.retry_payment(first_of(34));
UPDATE orders SET status = 'cancelled' WHERE order_id = 35;
UPDATE payments SET status = 'revoked' WHERE order_id = 35;
SELECT * FROM order_payment.retry_payment(first_of(35));
UPDATE payments SET status = 'failed', failure_class = 'not_sent', retry_at = '2030-01-01' WHERE order_id IN (36, 37);
INSERT INTO payments (order_id, gateway, amount) VALUES (36, 'alipay', 100);
SELECT * FROM order_payment.retry_payment(first_of(36));
UPDATE gateways SET active = false WHERE gateway = 'stripe';
SELECT * FROM order_payment.retry_payment(first_of(37));
UPDATE gateways SET active = true WHERE gateway = 'stripe';
SELECT attempt_no FROM order_payment.retry_payment(first_of(37));
SELECT * FROM order_payment.retry_payment(NULL);
SELECT * FROM order_payment.retry_payment('00000000-0000-0000-0000-000000000000');
SELECT * FROM order_payment.retry_payment(first_of(33), '');
SELECT * FROM order_payment.retry_payment(first_of(33), store => 'by_text');
SELECT * FROM order_payment.retry_payment(first_of(33), store => 'nowhere');
\set VERBOSITY default
SELECT a.*, p.retry_at IS NOT NULL AS scheduled FROM attempts a JOIN payments p ON p.order_id = a.o AND p.attempt_no = a.attempt AND p.request_key IS NOT DISTINCT FROM a.key AND p.gateway = a.gateway
WHERE o BETWEEN 31 AND 37 ORDER BY o, no;

-- ---------- schedules ----------
-- what cannot be read is refused when it is written, not when a payment fails
CREATE FUNCTION accepts(schedule text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  UPDATE shop.gateways SET retry_schedule = schedule::jsonb WHERE gateway = 'closed';
  RETURN 'yes';
EXCEPTION WHEN check_violation THEN RETURN 'no'; END $$;
SELECT s, accepts(s) FROM unnest('{
  "{}", "{\"soft_decline\": []}", "{\"other\": [\"1 day\", \"90 seconds\", \"9999 years\"], \"not_sent\": [\"0 minutes\"]}", "[]", "null", "1", "{\"later\": []}", "{\"other\": null}",
  "{\"other\": {}}", "{\"other\": \"1 day\"}", "{\"other\": [1]}", "{\"other\": [null]}", "{\"other\": [[\"1 day\"]]}", "{\"other\": [\"1 day\", \"tomorrow\"]}", "{\"other\": [\"-1 day\"]}",
  "{\"other\": [\"1 day; DROP\"]}", "{\"other\": [\"10000 years\"]}", "{\"other\": [\"1 day\\n\"]}", "{\"other\": [\"\"]}", "{\"soft_decline\": [\"1 day\"], \"other\": [\"x\"]}"}'::text[]) s;
SELECT class, n, order_payment.next_retry((SELECT retry_schedule FROM gateways WHERE gateway = 'manual'), class, n, '2026-01-01 00:00:00+00') AT TIME ZONE 'UTC' AS next
FROM (VALUES ('soft_decline', 1), ('soft_decline', 3), ('soft_decline', 4), ('not_sent', 1), ('not_sent', 8), ('not_sent', 9), ('hard_decline', 1), ('other', 1), (NULL, 1)) v (class, n);

-- ---------- due_retries ----------
INSERT INTO orders (order_id, price) SELECT o, 100 FROM generate_series(41, 59) o;
SELECT count(*) FROM generate_series(41, 59) o, order_payment.create_payment(o, 'stripe', CASE WHEN o IN (47, 50, 51) THEN 60 END, split => o IN (47, 50, 51));
UPDATE payments SET status = 'failed', failure_class = 'soft_decline', retry_at = '2026-01-01 00:00:00+00' WHERE order_id BETWEEN 41 AND 59;
CREATE VIEW todo AS SELECT p.order_id, p.attempt_no AS attempt, p.gateway, p.status, p.retry_at AT TIME ZONE 'UTC' AS retry_at, p.contact_needed_at <= clock_timestamp() AS contact
FROM payments p WHERE p.order_id BETWEEN 41 AND 59 ORDER BY p.order_id, p.created_at, p.payment_id;
-- 41 and 42 are due; 43 will be; 44 was paid otherwise; 45 is dead; 46 has a payment under way; 47 has one too, but they are split
UPDATE payments SET retry_at = '2100-01-01 00:00:00+00' WHERE order_id = 43;
INSERT INTO payments (order_id, gateway, amount, status) VALUES (44, 'alipay', 100, 'succeeded'), (46, 'alipay', 100, 'created');
UPDATE orders SET status = 'cancelled' WHERE order_id = 45;
INSERT INTO payments (order_id, gateway, amount, split) VALUES (47, 'alipay', 40, true);
-- 48 is at the end of its schedule; 49 was declined for good; 50 is covered for now; 51 has less left
UPDATE payments SET retry_at = 'infinity' WHERE order_id = 48;
UPDATE payments SET failure_class = 'hard_decline' WHERE order_id = 49;
INSERT INTO payments (order_id, gateway, amount, status, split) VALUES (50, 'alipay', 90, 'authorized', true), (51, 'alipay', 60, 'succeeded', true);
-- 52 was tried again; 53 was tried otherwise since, 54 too, but that was revoked; 55 has no time; 56 succeeded late; 57 is of a gateway that is off
SELECT attempt_no FROM order_payment.retry_payment(first_of(52));
UPDATE payments SET status = 'failed' WHERE order_id = 52 AND status = 'created';
UPDATE payments SET retry_at = '2026-01-01 00:00:00+00' WHERE order_id = 52 AND attempt_no = 1;
INSERT INTO payments (order_id, gateway, amount) VALUES (53, 'alipay', 100), (54, 'alipay', 100);
UPDATE payments SET status = 'failed' WHERE order_id = 53 AND status = 'created';
UPDATE payments SET status = 'revoked' WHERE order_id = 54 AND status = 'created';
UPDATE payments SET retry_at = NULL WHERE order_id = 55;
UPDATE payments SET status = 'succeeded' WHERE order_id = 56;
INSERT INTO gateways (gateway) VALUES ('pause');
INSERT INTO payments (order_id, gateway, amount) VALUES (57, 'pause', 100);
UPDATE payments SET status = 'failed', failure_class = 'not_sent', retry_at = '2026-01-01 00:00:00+00' WHERE order_id = 57 AND gateway = 'pause';
UPDATE gateways SET active = false WHERE gateway = 'pause';
-- 58 and 59 are authorised otherwise, 59 no longer
INSERT INTO payments (order_id, gateway, amount, status, capture_before) VALUES (58, 'alipay', 100, 'authorized', NULL), (59, 'alipay', 100, 'authorized', clock_timestamp());
UPDATE payments SET status = 'revoked' WHERE order_id = 59 AND gateway = 'alipay';
TABLE todo;
SELECT d.order_id, d.payment_id = first_of(d.order_id::bigint) AS first, d.gateway, d.attempt_no, d.failure_class, d.retry_at AT TIME ZONE 'UTC' AS retry_at FROM order_payment.due_retries(1) d;
SELECT d.order_id, d.attempt_no FROM order_payment.due_retries() d;
TABLE todo;
-- whom to ask: once
SELECT order_id, entity, to_status, count(*) FROM order_events WHERE to_status = 'customer_contact_needed' GROUP BY 1, 2, 3 ORDER BY 1;
SELECT d.order_id, d.attempt_no FROM order_payment.due_retries() d;
SELECT count(*) FROM order_events WHERE to_status = 'customer_contact_needed';
-- in one transaction: due, tried again, and not due any more
BEGIN;
SELECT d.order_id, r.attempt_no, r.status, r.is_replay FROM order_payment.due_retries() d, order_payment.retry_payment(d.payment_id, 'retry ' || d.payment_id) r;
SELECT d.order_id, d.attempt_no FROM order_payment.due_retries() d;
COMMIT;
SELECT d.order_id, d.attempt_no FROM order_payment.due_retries() d;
-- parts of one order: both if there is room for both, else one, and the other when it is known what becomes of that
INSERT INTO orders (order_id, price) VALUES (38, 100), (39, 100);
INSERT INTO payments (order_id, gateway, amount, split) VALUES (38, 'stripe', 60, true), (38, 'alipay', 40, true), (39, 'stripe', 60, true);
INSERT INTO payments (order_id, gateway, amount, split) VALUES (39, 'alipay', 60, true);
UPDATE payments SET status = 'failed', failure_class = 'soft_decline', retry_at = '2026-01-01 00:00:00+00' WHERE order_id IN (38, 39);
SELECT d.order_id, d.gateway, r.attempt_no FROM order_payment.due_retries() d, order_payment.retry_payment(d.payment_id) r ORDER BY 1, 2;
SELECT d.order_id, d.gateway FROM order_payment.due_retries() d;
UPDATE payments SET status = 'failed' WHERE order_id = 39 AND status = 'created';
SELECT d.order_id, d.gateway, r.attempt_no FROM order_payment.due_retries() d, order_payment.retry_payment(d.payment_id) r;
-- 46 is not paid either
UPDATE payments SET status = 'revoked' WHERE order_id = 46 AND status = 'created';
SELECT d.order_id, d.attempt_no FROM order_payment.due_retries() d;
-- to the end of the schedule
UPDATE gateways SET retry_schedule = '{"soft_decline": ["0 seconds", "0 seconds"]}' WHERE gateway = 'stripe';
CREATE PROCEDURE fail(o bigint) LANGUAGE sql AS $$
  UPDATE shop.payments p
  SET status = 'failed', failure_class = 'soft_decline', retry_at = order_payment.next_retry(g.retry_schedule, 'soft_decline', p.attempt_no, clock_timestamp())
  FROM shop.gateways g WHERE g.gateway = p.gateway AND p.order_id = $1 AND p.status = 'created' $$;
CALL fail(41);
SELECT d.order_id, r.attempt_no FROM order_payment.due_retries() d, order_payment.retry_payment(d.payment_id) r WHERE d.order_id = '41';
CALL fail(41);
SELECT d.order_id FROM order_payment.due_retries() d WHERE d.order_id = '41';
SELECT attempt_no, retry_at, contact_needed_at IS NOT NULL AS contact FROM payments WHERE order_id = 41 ORDER BY 1;
SELECT e.version, e.entity, e.from_status, e.to_status, e.amount, e.entity_id = (SELECT payment_id FROM payments WHERE order_id = 41 AND attempt_no = 3) AS last
FROM order_payment.order_timeline(41) e ORDER BY version DESC LIMIT 1;
\set VERBOSITY sqlstate
SELECT * FROM order_payment.due_retries(0);
SELECT * FROM order_payment.due_retries(NULL);
SELECT * FROM order_payment.due_retries(store => 'nowhere');
BEGIN READ ONLY;
SELECT * FROM order_payment.due_retries();
ROLLBACK;
\set VERBOSITY default

-- ---------- expire_orders ----------
INSERT INTO orders (order_id, price, pay_before) SELECT o, 100, '2026-01-01' FROM generate_series(61, 74) o;
-- 61 has no payment; 62 to 69 have one in each state; 70 has time; 71 has no deadline; 72 is paid; 73 is paid in part; 74 is split
INSERT INTO payments (order_id, gateway, amount, status) VALUES (62, 'stripe', 100, 'created'), (63, 'stripe', 100, 'requires_action'), (64, 'stripe', 100, 'processing'),
  (65, 'stripe', 100, 'processing'), (66, 'stripe', 100, 'authorized'), (67, 'stripe', 60, 'authorized'), (68, 'stripe', 100, 'processing'), (69, 'stripe', 100, 'created'),
  (72, 'stripe', 100, 'succeeded'), (73, 'stripe', 40, 'succeeded');
UPDATE payments SET status = 'unknown' WHERE order_id = 65;
UPDATE payments SET status = 'failed' WHERE order_id = 68;
UPDATE payments SET status = 'revoked' WHERE order_id = 69;
UPDATE orders SET pay_before = clock_timestamp() + '1 hour' WHERE order_id = 70;
UPDATE orders SET pay_before = NULL WHERE order_id = 71;
INSERT INTO payments (order_id, gateway, amount, status, split) VALUES (74, 'stripe', 50, 'created', true), (74, 'alipay', 50, 'requires_action', true);
CREATE VIEW expiry AS SELECT o.order_id, o.status, o.expired_at IS NOT NULL AS stamped, o.refund_due_amount AS due, string_agg(p.status::text, ' ' ORDER BY p.created_at, p.payment_id) AS payments
FROM orders o LEFT JOIN payments p USING (order_id) WHERE o.order_id BETWEEN 61 AND 74 GROUP BY o.order_id ORDER BY 1;
SELECT order_payment.expire_orders(1);
SELECT order_payment.expire_orders(2, 'shop');
TABLE expiry;
SELECT order_payment.expire_orders();
SELECT order_payment.expire_orders();
TABLE expiry;
-- what kept an order is over
UPDATE payments SET status = 'failed' WHERE order_id IN (64, 65);
UPDATE payments SET status = 'revoked' WHERE order_id = 66;
SELECT order_payment.expire_orders();
SELECT order_id, status FROM expiry WHERE order_id IN (64, 65, 66, 67);
-- payments are revoked in no order of their own
SELECT entity, from_status, to_status, amount FROM order_payment.order_timeline(74) ORDER BY CASE WHEN version = 5 THEN 4 ELSE version END, from_status;
-- deadlines count by the statement, not by the transaction
INSERT INTO orders (order_id, price) VALUES (75, 100);
BEGIN;
UPDATE orders SET pay_before = clock_timestamp() WHERE order_id = 75;
SELECT order_payment.expire_orders();
COMMIT;
-- an application may not revoke what was shown to the gateway: such orders are left, others are not
INSERT INTO orders (order_id, price, pay_before) VALUES (76, 100, '2026-01-01'), (77, 100, '2026-01-01');
SET ROLE regress_op_app;
INSERT INTO payments (order_id, gateway, amount, status) VALUES (76, 'stripe', 100, 'requires_action'), (77, 'stripe', 100, 'created');
SELECT order_payment.expire_orders();
SELECT order_id, status FROM orders WHERE order_id IN (76, 77) ORDER BY 1;
SET ROLE regress_op_gateway;
SELECT order_payment.expire_orders();
RESET ROLE;
SELECT order_id, status FROM orders WHERE order_id IN (76, 77) ORDER BY 1;
\set VERBOSITY sqlstate
SELECT order_payment.expire_orders(0);
SELECT order_payment.expire_orders(-1);
SELECT order_payment.expire_orders(NULL);
SELECT order_payment.expire_orders(store => 'nowhere');
INSERT INTO orders (order_id, price, pay_before) VALUES (78, 100, '2026-01-01');
BEGIN READ ONLY;
SELECT order_payment.expire_orders();
ROLLBACK;
\set VERBOSITY default

-- ---------- roles ----------
INSERT INTO orders (order_id, price) VALUES (81, 100), (82, 100);
SET ROLE regress_op_app;
SELECT r.status, r.amount FROM order_payment.create_payment(81, 'stripe', request_key => 'k') r;
SELECT r.status, r.is_replay FROM order_payment.create_payment(81, 'stripe', request_key => 'k') r;
SELECT count(*) FROM order_payment.due_retries();
UPDATE payments SET status = 'revoked' WHERE order_id = 81;
RESET ROLE;
SELECT first_of(81) AS id \gset
SET ROLE regress_op_app;
SELECT r.status, r.attempt_no FROM order_payment.retry_payment(:'id', 'r') r;
SET ROLE regress_op_gateway;
SELECT r.status, r.amount FROM order_payment.create_payment(82, 'stripe') r;
SET ROLE regress_op_nobody;
\set VERBOSITY sqlstate
SELECT * FROM order_payment.create_payment(81, 'stripe', store => 'shop');
SELECT * FROM order_payment.retry_payment(:'id', store => 'shop');
SELECT * FROM order_payment.due_retries(store => 'shop');
SELECT order_payment.expire_orders(store => 'shop');
\set VERBOSITY default
RESET ROLE;

SELECT * FROM order_payment.verify_store('shop');
SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA shop, by_uuid, by_text CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway, regress_op_nobody;
