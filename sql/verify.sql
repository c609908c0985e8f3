-- verify: verify_store() finds nothing in a store that is in order, and each thing that is not
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
SELECT order_payment.create_store('verify_test', owner => 'regress_op_owner', app_role => 'regress_op_app') \g /dev/null
RESET client_min_messages;
SET search_path = verify_test;
SET datestyle = ISO;

-- ---------- orders in all situations ----------

-- keys that can be read
CREATE FUNCTION id(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid$$;
INSERT INTO gateways (gateway) VALUES ('card');
INSERT INTO gateway_fees (gateway, currency, rate, fixed) VALUES ('card', 'USD', 0.029, 0.30);
-- 1: a total that is unknown, and money held for it
INSERT INTO orders (order_id) VALUES (1);
INSERT INTO payments (order_id, payment_id, gateway, amount, status) VALUES (1, id(11), 'card', 7, 'succeeded');
-- 2: paid, shipped, refunded in part, completed
INSERT INTO orders (order_id, price, quantity, request_key) VALUES (2, 10, 2, 'two');
INSERT INTO payments (order_id, payment_id, gateway, amount, request_key) VALUES (2, id(21), 'card', 20, 'pay two');
UPDATE payments SET status = 'processing' WHERE order_id = 2;
UPDATE payments SET status = 'succeeded' WHERE order_id = 2;
UPDATE orders SET status = 'shipped' WHERE order_id = 2;
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount) VALUES (2, id(22), id(21), 'refund', 5);
UPDATE payment_operations SET status = 'succeeded' WHERE operation_id = id(22);
UPDATE orders SET status = 'completed' WHERE order_id = 2;
-- 3: paid too much; what is due is asked for, and was paid once in vain
INSERT INTO orders (order_id, price) VALUES (3, 10);
INSERT INTO payments (order_id, payment_id, gateway, amount, status) VALUES (3, id(31), 'card', 18, 'succeeded');
INSERT INTO refunds (order_id, operation_id, payment_id, amount) VALUES (3, id(32), id(31), 5);
INSERT INTO refunds (order_id, operation_id, payment_id, amount, status) VALUES (3, id(33), id(31), 2, 'processing');
UPDATE refunds SET status = 'failed' WHERE operation_id = id(33);
INSERT INTO refunds (order_id, operation_id, payment_id, amount, status) VALUES (3, id(34), id(31), 3, 'succeeded');
-- 4: authorised, captured in parts
INSERT INTO orders (order_id, price) VALUES (4, 30);
INSERT INTO payments (order_id, payment_id, gateway, amount, status) VALUES (4, id(41), 'card', 30, 'authorized');
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount) VALUES (4, id(42), id(41), 'capture', 10);
UPDATE payment_operations SET status = 'succeeded' WHERE operation_id = id(42);
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount) VALUES (4, id(43), id(41), 'capture', 5);
-- 5: cancelled after it was paid; a part went back
INSERT INTO orders (order_id, price) VALUES (5, 10);
INSERT INTO payments (order_id, payment_id, gateway, amount, status) VALUES (5, id(51), 'card', 10, 'succeeded');
UPDATE orders SET status = 'cancelled' WHERE order_id = 5;
INSERT INTO refunds (order_id, operation_id, payment_id, amount, status) VALUES (5, id(52), id(51), 4, 'succeeded');
-- 6: lines, settled by hand
INSERT INTO orders (order_id, currency) VALUES (6, 'EUR');
INSERT INTO order_items (order_id, line_no, kind, quantity, price)
VALUES (6, 1, 'item', 2, 10.25), (6, 2, 'shipping', 1, 20), (6, 3, 'discount', 1, 5);
UPDATE orders SET status = 'paid' WHERE order_id = 6;
-- 7: a dispute that was won and one that was lost
INSERT INTO orders (order_id, price) VALUES (7, 20);
INSERT INTO payments (order_id, payment_id, gateway, amount, status) VALUES (7, id(71), 'card', 20, 'succeeded');
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, status) VALUES (7, id(72), id(71), 'chargeback', 20, 'succeeded');
UPDATE payment_operations SET status = 'reversed' WHERE operation_id = id(72);
INSERT INTO payment_operations (order_id, operation_id, payment_id, kind, amount, status) VALUES (7, id(73), id(71), 'chargeback', 6, 'succeeded');
-- 8: shipped, to be paid at the door
INSERT INTO orders (order_id, price) VALUES (8, 12);
INSERT INTO payments (order_id, payment_id, gateway, amount, status) VALUES (8, id(81), 'cod', 12, 'authorized');
UPDATE orders SET status = 'shipped' WHERE order_id = 8;
-- 9: an attempt that failed, and was given up; one that was revoked; one that waits
INSERT INTO orders (order_id, price) VALUES (9, 15);
INSERT INTO payments (order_id, payment_id, gateway, amount) VALUES (9, id(91), 'card', 15);
UPDATE payments SET status = 'failed', failure_class = 'soft_decline' WHERE payment_id = id(91);
UPDATE payments SET contact_needed_at = now() WHERE payment_id = id(91);
INSERT INTO payments (order_id, payment_id, gateway, amount, retry_of, attempt_no) VALUES (9, id(92), 'card', 15, id(91), 2);
UPDATE payments SET status = 'revoked' WHERE payment_id = id(92);
INSERT INTO payments (order_id, payment_id, gateway, amount, retry_of, attempt_no) VALUES (9, id(93), 'card', 15, id(91), 3);
-- 10: it expired; 11: it costs nothing; 12: refunded whole, and a refund came back
INSERT INTO orders (order_id, price) VALUES (10, 1), (11, 0), (12, 8);
UPDATE orders SET status = 'expired' WHERE order_id = 10;
UPDATE orders SET status = 'paid' WHERE order_id IN (11, 12);
UPDATE payments SET gateway_reference = 'by hand' WHERE order_id = 12;
INSERT INTO refunds (order_id, operation_id, payment_id, amount, status) SELECT 12, id(122), payment_id, 8, 'succeeded' FROM payments WHERE order_id = 12;
UPDATE refunds SET status = 'reversed' WHERE operation_id = id(122);
INSERT INTO refunds (order_id, operation_id, payment_id, amount, status) SELECT 12, id(123), payment_id, 8, 'succeeded' FROM payments WHERE order_id = 12;
INSERT INTO event_consumers (consumer, system_identifier) VALUES ('mailer', 1);
INSERT INTO consumer_offsets (order_id, consumer, version) VALUES (2, 'mailer', 1);
SELECT order_id, status, total_amount AS total, authorized_amount AS auth, paid_amount AS paid, refunded_amount AS refunded,
       charged_back_amount AS back, refund_due_amount AS due, version FROM orders ORDER BY order_id;

-- ---------- nothing is found ----------

SELECT * FROM order_payment.verify_store('verify_test');
SELECT * FROM order_payment.verify_store();
SET ROLE regress_op_app;
SELECT count(*) FROM order_payment.verify_store();
RESET ROLE;
SELECT * FROM order_payment.verify_store(NULL);
SELECT * FROM order_payment.verify_store('nowhere');
-- its parts may run in a parallel worker, and it plans for some itself
SELECT p.oid::regprocedure AS not_parallel FROM pg_proc p
WHERE p.pronamespace = 'order_payment'::regnamespace AND p.proname ~ '^(verify|store_objects)' AND p.proname <> 'verify_payment_password' AND p.proparallel <> 's'
  AND p.proname NOT IN ('verify_store', 'verify_cards', 'verify_secrets', 'verify_notification', 'verify_reply');  -- keys are read by a snapshot of their own

-- ---------- each thing is found ----------

-- makes the statements, says what is found and undoes them
CREATE FUNCTION tamper(VARIADIC statements text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  statement text;
  result text;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOREACH statement IN ARRAY statements LOOP
    EXECUTE statement;
  END LOOP;
  SET LOCAL session_replication_role = origin;
  SELECT string_agg(concat_ws(' | ', problem, table_name, key, column_name, 'stored ' || stored, 'expected ' || expected), E'\n'
                    ORDER BY problem COLLATE "C", table_name COLLATE "C", key COLLATE "C", column_name COLLATE "C", expected COLLATE "C") INTO result
  FROM order_payment.verify_store('verify_test');
  RAISE EXCEPTION USING ERRCODE = 'ZZZZZ', MESSAGE = coalesce(result, 'nothing found');
EXCEPTION
  WHEN SQLSTATE 'ZZZZZ' THEN
    RETURN QUERY SELECT regexp_replace(regexp_replace(f, '\d{4}-\d\d-\d\d [\d:.+-]+', 'a time'), '00000000-0000-7000-8000-0+', 'id ', 'g')
    FROM unnest(string_to_array(SQLERRM, E'\n')) f;
  WHEN OTHERS THEN RETURN NEXT SQLSTATE || ': ' || SQLERRM;
END $$;
\pset tuples_only on
\pset format unaligned

-- every constraint, index and trigger that create_store() makes: dropped, it is missed
SET client_min_messages = warning;
CREATE TEMP TABLE object AS
SELECT k.conrelid::regclass AS relation, 'constraint' AS kind, k.conname AS name, k.contype FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
WHERE k.connamespace = 'verify_test'::regnamespace AND k.contype IN ('p', 'u', 'c', 'f') AND k.conparentid = 0 AND NOT c.relispartition
UNION ALL SELECT i.indrelid::regclass, 'index', c.relname, NULL FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'verify_test'::regnamespace AND NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u'))
UNION ALL SELECT c.oid::regclass, 'view', c.relname, NULL FROM pg_class c WHERE c.relnamespace = 'verify_test'::regnamespace AND c.relkind = 'v'
UNION ALL SELECT t.tgrelid::regclass, 'trigger', t.tgname, NULL FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'verify_test'::regnamespace AND NOT t.tgisinternal AND NOT c.relispartition AND c.relkind IN ('r', 'p');
SELECT kind, contype, count(*) FROM object GROUP BY 1, 2 ORDER BY 1, 2;
SELECT o.relation, o.name FROM object o
WHERE NOT EXISTS (
  SELECT FROM tamper(CASE kind WHEN 'constraint' THEN format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', relation, name)
                               WHEN 'index' THEN format('DROP INDEX %I', name)
                               WHEN 'view' THEN format('DROP VIEW %I CASCADE', name)
                               ELSE format('DROP TRIGGER %I ON %s', name, relation) END) f
  WHERE f LIKE o.kind || ' missing%| ' || o.relation || ' |%' || CASE kind WHEN 'view' THEN '' ELSE o.name END || '%');
RESET client_min_messages;
-- a table too
SELECT tamper('DROP TABLE gateway_fees');
SELECT tamper('DROP VIEW refunds', 'CREATE TABLE refunds ()');
-- disabled, for replicas only, another condition, other arguments, another function, other events
SELECT o.relation, o.name FROM object o WHERE kind = 'trigger' AND NOT EXISTS (
  SELECT FROM tamper(format('ALTER TABLE %s DISABLE TRIGGER %I', relation, name)) f WHERE f LIKE '%stored disabled: %' || o.name || '%');
SELECT o.relation, o.name FROM object o WHERE kind = 'trigger' AND NOT EXISTS (
  SELECT FROM tamper(format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', relation, name)) f WHERE f LIKE '%stored replica only: %' || o.name || '%');
SELECT o.relation, o.name FROM object o WHERE kind = 'trigger' AND EXISTS (
  SELECT FROM tamper(format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', relation, name)) f WHERE f <> 'nothing found');
SELECT tamper('CREATE OR REPLACE TRIGGER zzy_maintain_payment BEFORE INSERT OR UPDATE ON payments FOR EACH ROW WHEN (NEW.amount > 1) EXECUTE FUNCTION order_payment.maintain_payment()');
SELECT tamper('CREATE OR REPLACE TRIGGER refuse_delete BEFORE DELETE ON payments FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()');
SELECT tamper('CREATE OR REPLACE TRIGGER "000_apply_operation" AFTER INSERT ON payment_operations FOR EACH ROW EXECUTE FUNCTION order_payment.apply_operation()');
SELECT tamper('CREATE OR REPLACE TRIGGER zzz_guard_status BEFORE INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''method'', ''a; a: b'')');
-- foreign keys whose triggers are off, constraints that were not looked at, NULLs, tables that inherit past the triggers
SELECT tamper('ALTER TABLE order_events DISABLE TRIGGER ALL') LIMIT 1;
SELECT tamper('ALTER TABLE payments DROP CONSTRAINT payments_money_check, ADD CONSTRAINT payments_money_check CHECK (fee > 0) NOT VALID');
SELECT tamper('ALTER TABLE orders ALTER version DROP NOT NULL', 'ALTER TABLE payments ALTER fee DROP NOT NULL', 'ALTER TABLE payment_operations ALTER status DROP NOT NULL');
SELECT tamper('CREATE TABLE more () INHERITS (orders)', 'CREATE TABLE more_payments () INHERITS (payments)');
SELECT tamper('UPDATE pg_index SET indisvalid = false WHERE indexrelid = ''payments_one_live_attempt_idx''::regclass');

-- links, which the replica role goes around
SELECT tamper('DELETE FROM gateways WHERE gateway = ''cod''');
SELECT tamper('DELETE FROM gateways WHERE gateway = ''card''') AS found ORDER BY found LIMIT 2;
SELECT tamper('UPDATE payments SET retry_of = id(1) WHERE payment_id = id(93)');
SELECT tamper('UPDATE order_items SET order_id = 99 WHERE line_no = 3');
SELECT tamper('DELETE FROM event_consumers');
SELECT tamper('DELETE FROM orders WHERE order_id = 8');
SELECT tamper('DELETE FROM payments WHERE payment_id = id(81)');
SELECT tamper('DELETE FROM payments WHERE payment_id = id(21)');
SELECT tamper('DELETE FROM payment_operations WHERE operation_id = id(43)');
SELECT tamper('UPDATE payment_operations SET payment_id = id(51) WHERE operation_id = id(43)');
SELECT tamper('INSERT INTO consumer_offsets (order_id, consumer, version) VALUES (99, ''mailer'', 1)');

-- values, with the constraints out of the way
CREATE FUNCTION without_checks(VARIADIC statements text[]) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT f FROM tamper(VARIADIC ARRAY(
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
    WHERE connamespace = 'verify_test'::regnamespace AND contype IN ('c', 'u') AND conislocal AND conparentid = 0) || statements) f
  WHERE f !~ '^(constraint|index) missing'
$$;
SELECT without_checks('UPDATE orders SET currency = ''XXX'' WHERE order_id = 11', 'UPDATE orders SET quantity = 0 WHERE order_id = 1');
SELECT without_checks('UPDATE orders SET price = ''NaN'', total_amount = ''NaN'' WHERE order_id = 10');
SELECT without_checks('UPDATE orders SET price = -1, total_amount = -1 WHERE order_id = 11');
SELECT without_checks('UPDATE orders SET price = 0.001, total_amount = 0.001 WHERE order_id = 10');
SELECT without_checks('UPDATE orders SET price = NULL, total_amount = NULL WHERE order_id = 11');
SELECT without_checks('UPDATE order_items SET kind = ''gift'' WHERE line_no = 2', 'UPDATE order_items SET price = ''Infinity'' WHERE line_no = 1');
SELECT without_checks('UPDATE payments SET fee = 0.001 WHERE payment_id = id(93)');
SELECT without_checks('UPDATE payments SET amount = 15.001 WHERE payment_id = id(93)');
SELECT without_checks('UPDATE payments SET attempt_no = 0 WHERE payment_id = id(93)');
SELECT without_checks('UPDATE payments SET captured_amount = 16 WHERE payment_id = id(93)');
SELECT without_checks('UPDATE payment_operations SET kind = ''gift'', fee = 0.0001, attempt_no = -1 WHERE operation_id = id(33)');
SELECT without_checks('UPDATE payment_operations SET obligatory_amount = 1 WHERE operation_id = id(43)');
SELECT without_checks('UPDATE payment_operations SET status = ''reversed'' WHERE operation_id = id(43)');
SELECT without_checks('INSERT INTO settlement_lines (gateway, settlement_id, line_no, kind, amount, fee, currency, settled_on) VALUES (''none'', ''s'', 1, ''gift'', -1.005, ''NaN'', ''USD'', now())');
SELECT without_checks('UPDATE gateway_fees SET rate = 1.5, fixed = -1, currency = ''usd''', 'UPDATE gateways SET retry_schedule = ''[]'' WHERE gateway = ''cod''');

-- amounts of orders: each counter, in each situation
SELECT column_name, f FROM unnest('{authorized_amount, paid_amount, refunded_amount, charged_back_amount}'::text[]) column_name,
  without_checks(format('UPDATE orders SET %I = %1$I + 1 WHERE order_id = 12', column_name)) f;
SELECT n, f FROM generate_series(1, 12) n, without_checks(format('UPDATE orders SET refund_due_amount = refund_due_amount + 0.01 WHERE order_id = %s', n)) f ORDER BY n, f;
SELECT n, f FROM unnest('{3, 5}'::integer[]) n, without_checks(format('UPDATE orders SET refund_due_amount = refund_due_amount - 0.01 WHERE order_id = %s', n)) f ORDER BY n, f;
SELECT tamper('UPDATE orders SET item_count = 2 WHERE order_id = 6');
SELECT tamper('DELETE FROM order_items WHERE order_id = 6 AND line_no = 3');
SELECT tamper('INSERT INTO order_items (order_id, line_no, price) VALUES (2, 1, 20)');
SELECT without_checks('UPDATE orders SET total_amount = 21 WHERE order_id = 2');
-- amounts of payments
SELECT column_name, f FROM unnest('{capture_pending_amount, captured_amount, refund_pending_amount, refunded_amount, charged_back_amount}'::text[]) column_name,
  without_checks(format('UPDATE payments SET %I = %1$I + 1 WHERE payment_id = id(71)', column_name)) f ORDER BY 1, 2;
SELECT without_checks('UPDATE payments SET authorized_amount = 25 WHERE payment_id = id(41)');
SELECT without_checks('UPDATE payments SET captured_amount = 11 WHERE payment_id = id(41)');
SELECT tamper('UPDATE payments SET captured_amount = 3 WHERE payment_id = id(93)');
SELECT tamper('UPDATE payment_operations SET amount = 4 WHERE operation_id = id(43)');
SELECT tamper('UPDATE payment_operations SET amount = 4 WHERE operation_id = id(22)');
SELECT tamper('UPDATE payment_operations SET obligatory_amount = 0 WHERE operation_id = id(34)');
SELECT tamper('UPDATE payment_operations SET obligatory_amount = 5 WHERE operation_id = id(22)');
SELECT without_checks('UPDATE payment_operations SET amount = 6, obligatory_amount = 6 WHERE operation_id = id(32)');
-- one currency
SELECT tamper('UPDATE orders SET currency = ''EUR'' WHERE order_id = 10', 'UPDATE orders SET currency = ''EUR'' WHERE order_id = 8');
SELECT tamper('UPDATE payment_operations SET currency = ''EUR'' WHERE operation_id = id(43)');
-- columns that are generated no more
SELECT tamper('ALTER TABLE payments ALTER expected_net DROP EXPRESSION, ALTER net_amount DROP EXPRESSION', 'UPDATE payments SET expected_net = 1, net_amount = 2 WHERE payment_id = id(93)');
SELECT tamper('ALTER TABLE order_items ALTER amount DROP EXPRESSION', 'UPDATE order_items SET amount = - amount WHERE line_no = 2');
-- two live attempts
SELECT tamper('DROP INDEX payments_one_live_attempt_idx', 'UPDATE payments SET status = ''unknown'', unknown_at = now() WHERE payment_id = id(91)') AS found ORDER BY found DESC;

-- states that money forces
SELECT tamper('UPDATE orders SET status = ''pending'' WHERE order_id = 3');
SELECT tamper('UPDATE orders SET status = ''authorized'', authorized_at = now() WHERE order_id = 9');
SELECT without_checks('UPDATE orders SET status = ''paid'', paid_at = now() WHERE order_id = 8');
SELECT tamper('UPDATE orders SET paid_at = NULL, status = ''shipped'' WHERE order_id = 2');

-- versions, chains, stamps
SELECT tamper('UPDATE orders SET version = 8 WHERE order_id = 2');
SELECT tamper('DELETE FROM order_events WHERE order_id = 2 AND version = 5');
SELECT tamper('DELETE FROM order_events WHERE order_id = 2 AND version = 8');
SELECT tamper('DELETE FROM order_events WHERE order_id = 8 AND entity = ''payment''', 'UPDATE order_events SET version = version - 1 WHERE order_id = 8 AND version > 1',
              'UPDATE orders SET version = (SELECT count(*) FROM order_events WHERE order_id = 8) WHERE order_id = 8');
SELECT tamper('UPDATE order_events SET version = 20 WHERE order_id = 2 AND version = 8');
SELECT tamper('UPDATE order_events SET to_status = ''failed'' WHERE order_id = 2 AND version = 3');
SELECT tamper('UPDATE order_events SET from_status = NULL WHERE order_id = 2 AND version = 4');
SELECT tamper('UPDATE order_events SET entity_id = id(1) WHERE order_id = 8 AND entity = ''payment''');
SELECT tamper('UPDATE order_events SET entity = ''parcel'' WHERE order_id = 8 AND entity = ''payment''');
SELECT tamper('UPDATE order_events SET amount = 13 WHERE order_id = 8 AND entity = ''payment''', 'UPDATE order_events SET amount = 1 WHERE order_id = 10 AND version = 1');
SELECT tamper('UPDATE payments SET status = ''failed'', failed_at = now() WHERE payment_id = id(93)');
SELECT tamper('UPDATE payment_operations SET status = ''processing'', processing_at = now() WHERE operation_id = id(43)');
SELECT tamper('UPDATE order_events SET from_status = ''expired'' WHERE order_id = 10 AND version = 2', 'UPDATE order_events SET to_status = ''expired'' WHERE order_id = 10 AND version = 1');
SELECT tamper('UPDATE order_events SET to_status = ''succeeded'', from_status = ''failed'' WHERE order_id = 9 AND to_status = ''customer_contact_needed''');
SELECT tamper(format('UPDATE %I SET %I = NULL WHERE %s', t, c, w)) FROM (VALUES
  ('orders', 'completed_at', 'order_id = 2'), ('orders', 'cancelled_at', 'order_id = 5'), ('orders', 'expired_at', 'order_id = 10'),
  ('orders', 'refunded_at', 'order_id = 12'), ('orders', 'shipped_at', 'order_id = 8'), ('orders', 'authorized_at', 'order_id = 4'),
  ('orders', 'paid_at', 'order_id = 7'), ('payments', 'processing_at', 'order_id = 2'), ('payments', 'authorized_at', 'order_id = 8'),
  ('payments', 'succeeded_at', 'order_id = 2'), ('payments', 'failed_at', 'order_id = 9'), ('payments', 'revoked_at', 'order_id = 9'),
  ('payment_operations', 'requested_at', 'operation_id = id(43)'), ('payment_operations', 'processing_at', 'operation_id = id(33)'),
  ('payment_operations', 'succeeded_at', 'operation_id = id(22)'), ('payment_operations', 'failed_at', 'operation_id = id(33)'),
  ('payment_operations', 'reversed_at', 'operation_id = id(72)')) x (t, c, w);
-- graphs: another one than the rows have followed; what money forces stands whatever the graph says; without a guard none is asked
SELECT f FROM tamper('SELECT order_payment.guard_column(''payments'', ''status'', ''created; created: succeeded'')') f WHERE f ~ ' 9 ';
SELECT tamper('SELECT order_payment.guard_column(''orders'', ''status'', ''pending; pending: cancelled expired authorized; authorized: shipped; shipped: completed'')');
SELECT f FROM tamper('DROP TRIGGER zzz_guard_status ON payments', 'UPDATE order_events SET from_status = ''revoked'' WHERE order_id = 2 AND version = 3') f WHERE f ~ 'edge';
-- where paid orders become unpaid ones, due has no upper bound
SELECT without_checks('SELECT order_payment.guard_column(''orders'', ''status'', order_payment.default_graph(''order_payment.order_status'') || ''; refunded: pending'')',
                      'UPDATE orders SET refund_due_amount = 1 WHERE order_id = 2');

\pset format aligned
\pset tuples_only off
-- all of it is undone
SELECT * FROM order_payment.verify_store('verify_test');
SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA verify_test CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app;
