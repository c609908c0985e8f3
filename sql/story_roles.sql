-- story_roles: what the application's role may do and what the gateway's may; every SQLSTATE of the store once in full
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

CREATE ROLE regress_story_nobody;
\set VERBOSITY terse
-- The error of a statement in full. Identifiers that differ from run to run are not shown.
CREATE FUNCTION in_full(statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	detail text; hint text; tab text; col text; con text;
BEGIN
	EXECUTE statement;
	RAISE NOTICE 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, tab = TABLE_NAME, col = COLUMN_NAME, con = CONSTRAINT_NAME;
	RAISE NOTICE E'% %\n  detail: %\n  hint: %\n  where: %', SQLSTATE, SQLERRM,
		regexp_replace(detail, '[0-9a-f]{8}-[0-9a-f-]{27}', '<uuid>', 'g'), hint, concat_ws(' ', nullif(tab, ''), nullif(col, ''), nullif(con, ''));
END $$;
\pset tuples_only on

\echo '== refusals in full: OP001, an illegal move or birth'
INSERT INTO orders (order_id, price) VALUES (901, 100);
SELECT do_step(901, 'pay a 100 succeeded'), do_step(901, 'refund r of a 40 succeeded');
SELECT payment_id AS a FROM payments WHERE order_id = 901 \gset
SELECT in_full('UPDATE orders SET status = ''pending'' WHERE order_id = 901');
SELECT in_full('UPDATE payments SET status = ''processing'' WHERE order_id = 901');
SELECT in_full('UPDATE payment_operations SET status = ''processing'' WHERE order_id = 901');
SELECT in_full('INSERT INTO payments (order_id, gateway, amount, status) VALUES (901, ''card'', 1, ''failed'')');
SELECT in_full(format('INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (901, %L, 1, ''reversed'')', :'a'));

\echo '== refusals in full: OP003, a column that the server keeps, a key that never changes, a row about money'
SELECT in_full('UPDATE orders SET paid_amount = 1 WHERE order_id = 901');
SELECT in_full('UPDATE payments SET captured_amount = 1 WHERE order_id = 901');
SELECT in_full('UPDATE payments SET authorized_amount = 1 WHERE order_id = 901');
SELECT in_full('UPDATE payments SET amount = 1 WHERE order_id = 901');
SELECT in_full('UPDATE payment_operations SET amount = 1 WHERE order_id = 901');
SELECT in_full('UPDATE payment_operations SET obligatory_amount = 1 WHERE order_id = 901');
SELECT in_full('DELETE FROM payments WHERE order_id = 901');
SELECT in_full('DELETE FROM payment_operations WHERE order_id = 901');
SELECT in_full('TRUNCATE payments, payment_operations');

\echo '== refusals in full: OP005, more than is left'
SELECT in_full(format('INSERT INTO refunds (order_id, payment_id, amount) VALUES (901, %L, 60.01)', :'a'));
SELECT in_full(format('INSERT INTO payment_operations (order_id, payment_id, kind, amount) VALUES (901, %L, ''capture'', 1)', :'a'));
SELECT in_full(format('INSERT INTO payment_operations (order_id, payment_id, kind) VALUES (901, %L, ''void'')', :'a'));

\echo '== refusals in full: OP006, the money of the order forbids it'
SELECT in_full('UPDATE orders SET status = ''refunded'' WHERE order_id = 901');
INSERT INTO orders (order_id, price) VALUES (902, 100), (903, NULL), (904, 100);
SELECT do_step(902, 'pay a 100 authorized lapsed');
SELECT in_full('UPDATE orders SET status = ''shipped'' WHERE order_id = 902');
SELECT in_full('UPDATE orders SET price = 1 WHERE order_id = 902');
SELECT in_full('UPDATE orders SET currency = ''USD'' WHERE order_id = 902');
SELECT in_full('INSERT INTO order_items (order_id, line_no, price) VALUES (902, 1, 1)');
SELECT do_step(902, 'pay b 100 authorized'), do_step(902, 'order shipped');
SELECT in_full('UPDATE orders SET status = ''completed'' WHERE order_id = 902');
SELECT in_full('UPDATE orders SET status = ''authorized'' WHERE order_id = 903');
SELECT in_full('UPDATE orders SET status = ''paid'' WHERE order_id = 903');
SELECT in_full('UPDATE orders SET status = ''authorized'' WHERE order_id = 904');

\echo '== refusals in full: OP004, an outcome that the role may not record'
SET ROLE regress_story_app;
SELECT in_full('UPDATE orders SET status = ''paid'' WHERE order_id = 904');
SELECT in_full('INSERT INTO payments (order_id, gateway, amount, status) VALUES (904, ''card'', 100, ''succeeded'')');
INSERT INTO payments (order_id, gateway, amount) VALUES (904, 'card', 100);
SELECT in_full('UPDATE payments SET status = ''failed'' WHERE order_id = 904');
SELECT in_full('UPDATE payments SET fee = 1 WHERE order_id = 904');
SELECT in_full(format('INSERT INTO payment_operations (order_id, payment_id, kind, amount) VALUES (901, %L, ''chargeback'', 1)', :'a'));
SELECT in_full(format('INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (901, %L, 1, ''succeeded'')', :'a'));
RESET ROLE;

-- What becomes of a statement of a role: ok, no row, or the SQLSTATE. Nothing is left of it.
CREATE FUNCTION becomes(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := 'ok';
	met integer;
BEGIN
	BEGIN
		PERFORM set_config('role', who, true);
		EXECUTE statement;
		GET DIAGNOSTICS met = ROW_COUNT;
		IF met = 0 THEN
			result := 'no row';
		END IF;
		RAISE EXCEPTION 'back' USING ERRCODE = 'ST001';
	EXCEPTION
		WHEN SQLSTATE 'ST001' THEN RETURN result;
		WHEN OTHERS THEN RETURN SQLSTATE;
	END;
END $$;

\echo '== every move of a payment, by the application / by the gateway'
-- An application moves its own attempt among created, processing and requires_action, and gives it up before it is sent; all else is an outcome.
INSERT INTO orders (order_id, price) VALUES (910, 1000), (911, 1000), (912, 0);
CREATE TABLE status AS SELECT n::integer, label FROM unnest(ARRAY['created', 'processing', 'requires_action', 'unknown', 'authorized', 'succeeded', 'failed', 'revoked']) WITH ORDINALITY AS l (label, n);
INSERT INTO payments (order_id, gateway, amount, request_key, split, status)
  SELECT 910, 'card', 10, label, true, CASE WHEN label IN ('authorized', 'succeeded') THEN label ELSE 'processing' END::order_payment.payment_status FROM status WHERE label <> 'created';
INSERT INTO payments (order_id, gateway, amount, request_key, split) VALUES (910, 'card', 10, 'created', true);
UPDATE payments SET status = request_key WHERE order_id = 910;
CREATE VIEW payment_move AS
  SELECT f.n, f.label AS source, t.n AS m, t.label AS target,
         becomes('regress_story_app', format('UPDATE payments SET status = %L WHERE order_id = 910 AND request_key = %L', t.label, f.label)) AS app,
         becomes('regress_story_gateway', format('UPDATE payments SET status = %L WHERE order_id = 910 AND request_key = %L', t.label, f.label)) AS gateway,
         f.label = t.label AS same,
         f.label::order_payment.payment_status ->? t.label::order_payment.payment_status AS legal,
         f.n <= 3 AND t.n <= 3 OR f.label = 'created' AND t.label = 'revoked' AS own
  FROM status f, status t;
\pset tuples_only off
SELECT source AS "from", max(cell) FILTER (WHERE target = 'created') AS created, max(cell) FILTER (WHERE target = 'processing') AS processing, max(cell) FILTER (WHERE target = 'requires_action') AS requires_action,
       max(cell) FILTER (WHERE target = 'unknown') AS unknown, max(cell) FILTER (WHERE target = 'authorized') AS authorized, max(cell) FILTER (WHERE target = 'succeeded') AS succeeded,
       max(cell) FILTER (WHERE target = 'failed') AS failed, max(cell) FILTER (WHERE target = 'revoked') AS revoked
FROM (SELECT *, app || '/' || gateway AS cell FROM payment_move) AS m GROUP BY n, source ORDER BY n;
-- what the rules say, written down here a second time: nothing differs
SELECT * FROM payment_move
WHERE app <> CASE WHEN same THEN 'ok' WHEN NOT own THEN 'OP004' WHEN legal THEN 'ok' ELSE 'OP001' END OR gateway <> CASE WHEN same OR legal THEN 'ok' ELSE 'OP001' END;
SELECT label AS born, becomes('regress_story_app', format('INSERT INTO payments (order_id, gateway, amount, split, status) VALUES (911, ''card'', 10, true, %L)', label)) AS app,
       becomes('regress_story_gateway', format('INSERT INTO payments (order_id, gateway, amount, split, status) VALUES (911, ''card'', 10, true, %L)', label)) AS gateway
FROM status ORDER BY n;

\echo '== every move of an operation, by the application / by the gateway'
-- An application asks for captures, voids and refunds, and takes back what it asked for; all else is an outcome.
INSERT INTO payments (order_id, gateway, amount, request_key, status) VALUES (911, 'card', 300, 'p', 'succeeded'), (911, 'card', 300, 'q', 'authorized');
CREATE TABLE operation_label AS SELECT n::integer, label FROM unnest(ARRAY['requested', 'processing', 'unknown', 'succeeded', 'failed', 'cancelled', 'reversed']) WITH ORDINALITY AS l (label, n);
INSERT INTO payment_operations (order_id, payment_id, kind, amount, request_key) SELECT order_id, payment_id, 'refund', 10, label FROM payments, operation_label WHERE request_key = 'p';
UPDATE payment_operations SET status = 'succeeded' WHERE request_key = 'reversed';
UPDATE payment_operations SET status = request_key WHERE order_id = 911;
CREATE VIEW operation_move AS
  SELECT f.n, f.label AS source, t.n AS m, t.label AS target,
         becomes('regress_story_app', format('UPDATE refunds SET status = %L WHERE order_id = 911 AND request_key = %L', t.label, f.label)) AS app,
         becomes('regress_story_gateway', format('UPDATE refunds SET status = %L WHERE order_id = 911 AND request_key = %L', t.label, f.label)) AS gateway,
         f.label = t.label AS same, f.label::order_payment.operation_status ->? t.label::order_payment.operation_status AS legal,
         f.label = 'requested' AND t.label = 'cancelled' AS own
  FROM operation_label f, operation_label t;
SELECT source AS "from", max(cell) FILTER (WHERE target = 'requested') AS requested, max(cell) FILTER (WHERE target = 'processing') AS processing, max(cell) FILTER (WHERE target = 'unknown') AS unknown,
       max(cell) FILTER (WHERE target = 'succeeded') AS succeeded, max(cell) FILTER (WHERE target = 'failed') AS failed, max(cell) FILTER (WHERE target = 'cancelled') AS cancelled,
       max(cell) FILTER (WHERE target = 'reversed') AS reversed
FROM (SELECT *, app || '/' || gateway AS cell FROM operation_move) AS m GROUP BY n, source ORDER BY n;
SELECT * FROM operation_move WHERE app <> CASE WHEN same OR own THEN 'ok' ELSE 'OP004' END OR gateway <> CASE WHEN same OR legal THEN 'ok' ELSE 'OP001' END;
SELECT label AS born, kind, becomes('regress_story_app', statement) AS app, becomes('regress_story_gateway', statement) AS gateway
FROM operation_label, unnest(ARRAY['capture', 'void', 'refund', 'chargeback']) WITH ORDINALITY AS k (kind, m),
     format('INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, %L, %s, %L FROM payments WHERE order_id = 911 AND request_key = %L',
            kind, CASE kind WHEN 'void' THEN 'NULL' ELSE '1' END, label, CASE WHEN kind IN ('capture', 'void') THEN 'q' ELSE 'p' END) AS statement
ORDER BY m, n;

\echo '== what else a role may write, and what it may not'
-- 42501: no right on the table at all. What only the gateway tells is OP004 for the application. First what the rules say, then where it differs.
INSERT INTO orders (order_id, price) VALUES (905, 10);
CREATE TABLE may (app text, gateway text, statement text);
INSERT INTO may VALUES
  ('ok', 'ok', 'SELECT FROM orders'),
  ('ok', 'ok', 'SELECT FROM payments'),
  ('ok', 'ok', 'SELECT FROM payment_operations'),
  ('ok', 'ok', 'SELECT FROM refunds'),
  ('ok', 'ok', 'SELECT FROM gateways'),
  ('ok', 'ok', 'SELECT FROM order_events'),
  ('ok', 'ok', 'SELECT FROM orders FOR UPDATE'),
  ('ok', 'ok', 'SELECT FROM payments FOR UPDATE'),
  ('ok', 'ok', 'INSERT INTO orders (price) VALUES (1)'),
  ('ok', 'ok', 'UPDATE orders SET customer_id = 1 WHERE order_id = 901'),
  ('ok', 'ok', 'UPDATE orders SET pay_before = now() WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE orders SET price = 5 WHERE order_id = 905'),
  ('ok', 'ok', 'INSERT INTO order_items (order_id, line_no, price) VALUES (905, 1, 5)'),
  ('ok', 'ok', 'UPDATE orders SET status = ''cancelled'' WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE orders SET status = ''expired'' WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE orders SET status = ''shipped'' WHERE order_id = 901'),
  ('ok', 'ok', 'UPDATE orders SET status = ''paid'' WHERE order_id = 912'),
  ('OP004', 'ok', 'UPDATE orders SET status = ''paid'' WHERE order_id = 904'),
  ('OP006', 'OP006', 'UPDATE orders SET status = ''authorized'' WHERE order_id = 904'),
  ('ok', 'ok', 'INSERT INTO payments (order_id, gateway, amount) VALUES (901, ''card'', 1)'),
  ('ok', 'ok', 'INSERT INTO payments (order_id, gateway, amount, fee) VALUES (901, ''card'', 1, 0.5)'),
  ('OP004', 'ok', 'INSERT INTO payments (order_id, gateway, amount, fee) VALUES (901, ''card'', 1, -0.5)'),
  ('OP004', 'ok', 'INSERT INTO payments (order_id, gateway, amount, fee_final) VALUES (901, ''card'', 1, true)'),
  ('OP004', 'ok', 'INSERT INTO payments (order_id, gateway, amount, capture_before) VALUES (901, ''card'', 1, now())'),
  ('OP004', 'ok', 'INSERT INTO payments (order_id, gateway, amount, failure_class) VALUES (901, ''card'', 1, ''other'')'),
  ('ok', 'ok', 'UPDATE payments SET method = ''visa'' WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE payments SET gateway_reference = ''x'' WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE payments SET split = true WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE payments SET retry_at = now() WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE payments SET attempt_no = 2 WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE payments SET expires_at = now() WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE payments SET contact_needed_at = now() WHERE order_id = 904'),
  ('ok', 'ok', 'UPDATE payments SET status = status, fee = fee, fee_final = fee_final, amount = amount, captured_amount = captured_amount, created_at = created_at WHERE order_id = 904'),
  ('OP004', 'ok', 'UPDATE payments SET fee = 1 WHERE order_id = 904'),
  ('OP004', 'ok', 'UPDATE payments SET fee_final = true WHERE order_id = 904'),
  ('OP004', 'ok', 'UPDATE payments SET capture_before = now() WHERE order_id = 904'),
  ('OP004', 'ok', 'UPDATE payments SET failure_class = ''other'' WHERE order_id = 904'),
  ('OP004', 'ok', 'UPDATE payments SET authorized_amount = 50 WHERE order_id = 902 AND request_key = ''a'''),
  ('ok', 'ok', 'UPDATE payment_operations SET reason = ''x'' WHERE order_id = 901'),
  ('OP004', 'ok', 'UPDATE payment_operations SET fee = 1 WHERE order_id = 901'),
  ('42501', '42501', 'DELETE FROM payments'),
  ('42501', '42501', 'DELETE FROM payment_operations'),
  ('42501', '42501', 'DELETE FROM refunds'),
  ('42501', '42501', 'DELETE FROM orders'),
  ('42501', '42501', 'TRUNCATE payments, payment_operations'),
  ('42501', '42501', 'INSERT INTO gateways (gateway) VALUES (''mine'')'),
  ('42501', '42501', 'UPDATE gateways SET active = true'),
  ('42501', '42501', 'DELETE FROM gateways'),
  ('42501', '42501', 'INSERT INTO gateway_fees (gateway, currency) VALUES (''card'', ''EUR'')'),
  ('42501', '42501', 'UPDATE gateway_fees SET rate = 0'),
  ('42501', '42501', 'INSERT INTO order_events SELECT * FROM order_events'),
  ('42501', '42501', 'UPDATE order_events SET actor = ''x'''),
  ('42501', '42501', 'DELETE FROM order_events'),
  ('42501', '42501', 'ALTER TABLE payments DISABLE TRIGGER ALL'),
  ('42501', '42501', 'CREATE INDEX ON payments (fee)'),
  ('42501', '42501', 'DROP TABLE payment_operations'),
  ('42501', '42501', 'SET order_payment.restore = on');
SELECT *, becomes('regress_story_app', statement) AS app_becomes, becomes('regress_story_gateway', statement) AS gateway_becomes FROM may
WHERE app <> becomes('regress_story_app', statement) OR gateway <> becomes('regress_story_gateway', statement);
-- who has no rights has none, on whichever table
SELECT DISTINCT becomes('regress_story_nobody', statement) AS nobody
FROM unnest(ARRAY['orders', 'order_items', 'payments', 'payment_operations', 'refunds', 'order_events', 'gateways', 'gateway_fees']) AS t,
     unnest(ARRAY['SELECT FROM story.', 'DELETE FROM story.', 'TRUNCATE story.', 'INSERT INTO story.' || t || ' SELECT * FROM story.', 'LOCK TABLE story.']) AS s, concat(s, t) AS statement;

\echo '== who records is told by a privilege, which the owner gives and takes'
SELECT becomes('regress_story_app', 'UPDATE payments SET status = ''succeeded'' WHERE order_id = 904') AS "before";
SET ROLE regress_story_owner;
GRANT UPDATE (status) ON payments TO regress_story_app;
SELECT becomes('regress_story_app', 'UPDATE payments SET status = ''succeeded'' WHERE order_id = 904') AS granted,
       becomes('regress_story_app', 'UPDATE orders SET status = ''paid'' WHERE order_id = 904') AS settles,
       becomes('regress_story_app', 'UPDATE payment_operations SET status = ''reversed'' WHERE order_id = 901') AS "of operations";
REVOKE UPDATE (status) ON payments FROM regress_story_app;
SELECT becomes('regress_story_app', 'UPDATE payments SET status = ''succeeded'' WHERE order_id = 904') AS revoked,
       becomes('regress_story_owner', 'UPDATE payments SET status = ''succeeded'' WHERE order_id = 904') AS owner;
RESET ROLE;
GRANT regress_story_owner TO regress_story_nobody;
SELECT becomes('regress_story_nobody', 'UPDATE payments SET status = ''succeeded'' WHERE order_id = 904') AS member;
DROP ROLE regress_story_nobody;

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
