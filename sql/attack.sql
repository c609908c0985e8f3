-- Attacks that once worked. Each needs no more than a role has: an application's (SELECT, INSERT, UPDATE and
-- temporary tables), or the owner's (tables and triggers of his own).
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
SELECT order_payment.create_store('attacked', owner => 'regress_op_owner', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway');
INSERT INTO attacked.orders (order_id, customer_id, price) VALUES (42, 1, 100), (43, 1, 50);

SET ROLE regress_op_app;
SET search_path = attacked, order_payment;

-- the half of a move in an own table does not pass for the half of an order
CREATE TEMP TABLE mv (order_id bigint, part int, status text, PRIMARY KEY (order_id, part)) PARTITION BY LIST (part);
CREATE TEMP TABLE mv1 PARTITION OF mv FOR VALUES IN (1);
CREATE TEMP TABLE mv2 PARTITION OF mv FOR VALUES IN (2);
SELECT guard_column('mv', 'status', 'shipped; shipped: x');
CREATE FUNCTION pg_temp.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER aaa BEFORE INSERT ON mv2 FOR EACH ROW EXECUTE FUNCTION pg_temp.swallow();
INSERT INTO mv VALUES (77, 1, 'shipped');
WITH m AS (UPDATE mv SET part = 2 WHERE order_id = 77 RETURNING 1)
INSERT INTO orders (order_id, customer_id, price, status, paid_at)
SELECT 77, 1, 10, 'completed', '2001-01-01' FROM (SELECT count(*) FROM m) x;

-- ... not even where the own table is guarded as orders are
CREATE TEMP TABLE alike (order_id bigint, part int, status order_status, PRIMARY KEY (order_id, part)) PARTITION BY LIST (part);
CREATE TEMP TABLE alike1 PARTITION OF alike FOR VALUES IN (1);
CREATE TEMP TABLE alike2 PARTITION OF alike FOR VALUES IN (2);
SELECT guard_column('alike', 'status', stamp => true);
CREATE TRIGGER aaa BEFORE INSERT ON alike2 FOR EACH ROW EXECUTE FUNCTION pg_temp.swallow();
INSERT INTO alike VALUES (78, 1, 'pending');
UPDATE alike SET status = 'paid';
WITH m AS (UPDATE alike SET part = 2 WHERE order_id = 78 RETURNING 1)
INSERT INTO orders (order_id, customer_id, price, status)
SELECT 78, 1, 10, 'shipped' FROM (SELECT count(*) FROM m) x;

-- ... nor where both are partitioned: a row moves within one tree
CREATE TEMP TABLE other (LIKE alike INCLUDING ALL) PARTITION BY LIST (part);
CREATE TEMP TABLE other1 PARTITION OF other FOR VALUES IN (1);
SELECT guard_column('other', 'status', stamp => true);
WITH m AS (UPDATE alike SET part = 2 WHERE order_id = 78 RETURNING 1)
INSERT INTO other SELECT 78, 1, 'shipped' FROM (SELECT count(*) FROM m) x;

-- the effect of a line in own tables does not pass for one on an order
CREATE TEMP TABLE o (LIKE attacked.orders INCLUDING ALL);
CREATE TEMP TABLE i (order_id bigint REFERENCES o, line_no int, amount numeric);
CREATE FUNCTION pg_temp.forge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE attacked.orders SET item_count = 1, total_amount = 0.01 WHERE order_id = NEW.order_id;
    NEW.item_count := OLD.item_count;
    NEW.total_amount := OLD.total_amount;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON o FOR EACH ROW EXECUTE FUNCTION pg_temp.forge();
CREATE TRIGGER zzy BEFORE INSERT OR UPDATE ON o FOR EACH ROW EXECUTE FUNCTION maintain_order();
CREATE TRIGGER f AFTER INSERT ON i FOR EACH ROW EXECUTE FUNCTION follow_items();
INSERT INTO o (order_id, status) VALUES (42, 'pending');
INSERT INTO i VALUES (42, 1, 5);
SELECT order_id, item_count, total_amount FROM orders ORDER BY order_id;
-- ... nor that of a payment; and what is true in them is not in the store
CREATE TEMP TABLE p (LIKE attacked.payments INCLUDING ALL, FOREIGN KEY (order_id) REFERENCES o);
CREATE FUNCTION pg_temp.forge_paid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN UPDATE attacked.orders SET version = version, payment_method = 'forged' WHERE order_id = NEW.order_id; END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER aaa BEFORE INSERT OR UPDATE ON o FOR EACH ROW EXECUTE FUNCTION pg_temp.forge_paid();
CREATE TRIGGER e AFTER INSERT OR UPDATE ON o FOR EACH ROW EXECUTE FUNCTION record_event();
CREATE TEMP TABLE ev (LIKE attacked.order_events INCLUDING ALL, FOREIGN KEY (order_id) REFERENCES o);
CREATE TRIGGER "000" BEFORE INSERT ON ev FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER zzy BEFORE INSERT OR UPDATE ON p FOR EACH ROW EXECUTE FUNCTION maintain_payment();
CREATE TRIGGER "000" AFTER INSERT OR UPDATE ON p FOR EACH ROW EXECUTE FUNCTION apply_payment();
INSERT INTO o (order_id, price) VALUES (43, 50);
INSERT INTO p (order_id, gateway, amount, status) VALUES (43, 'mine', 50, 'succeeded');
SELECT status, paid_amount FROM o WHERE order_id = 43;
SELECT order_id, status, paid_amount, payment_method, version FROM orders ORDER BY order_id;
UPDATE orders SET status = 'paid' WHERE order_id = 43;
-- the time of a new row tells a statement that takes EXCLUDED: stolen, it makes it deaf, not obedient
UPDATE orders SET created_at = (SELECT created_at FROM o WHERE order_id = 43), paid_amount = 50, refund_due_amount = 7, version = 9, item_count = 3, total_amount = 1
WHERE order_id = 43 RETURNING paid_amount, refund_due_amount, version, item_count, total_amount;

-- the event of an own order does not open the history of another's, not even the owner's
RESET ROLE;
CREATE SCHEMA twin AUTHORIZATION regress_op_owner;
SET ROLE regress_op_owner;
CREATE TABLE twin.orders (LIKE attacked.orders INCLUDING ALL);
CREATE TABLE twin.ev (LIKE attacked.order_events INCLUDING ALL);
ALTER TABLE twin.ev ADD FOREIGN KEY (order_id) REFERENCES twin.orders;
CREATE FUNCTION twin.forge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO attacked.order_events
  VALUES (43, 2, gen_random_uuid(), 'order', NULL, 'pending', 'completed', NULL, 'boss', 'postgres', NULL, NULL, '2001-01-01', '3');
  RETURN NEW;
END $$;
CREATE TRIGGER "000_append_only" BEFORE DELETE ON twin.ev FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER "0001" BEFORE INSERT ON twin.ev FOR EACH ROW EXECUTE FUNCTION twin.forge();
CREATE TRIGGER r AFTER INSERT ON twin.orders FOR EACH ROW EXECUTE FUNCTION record_event();
INSERT INTO twin.orders (order_id, price, currency, created_at, total_amount, version) VALUES (10, 1, 'USD', now(), 1, 1);
SELECT version, to_status FROM order_timeline(43);
RESET ROLE;
SELECT * FROM verify_store('attacked');

-- no trigger changes what the server keeps after it was checked, nor what a line adds before
SET ROLE regress_op_owner;
CREATE FUNCTION twin.cheapen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.total_amount := 1; NEW.version := 7; RETURN NEW; END $$;
CREATE TRIGGER zzz_a BEFORE INSERT OR UPDATE ON attacked.orders FOR EACH ROW EXECUTE FUNCTION twin.cheapen();
INSERT INTO attacked.orders (order_id, price) VALUES (44, 5);
UPDATE attacked.orders SET status = 'paid' WHERE order_id = 43;
DROP TRIGGER zzz_a ON attacked.orders;
CREATE FUNCTION twin.halve() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.total_amount := 1; RETURN NEW; END $$;
CREATE TRIGGER halve BEFORE UPDATE ON attacked.orders FOR EACH ROW EXECUTE FUNCTION twin.halve();
INSERT INTO attacked.order_items (order_id, line_no, price) VALUES (43, 1, 20);
DROP TRIGGER halve ON attacked.orders;
INSERT INTO attacked.order_items (order_id, line_no, price) VALUES (43, 2, 5);
SELECT order_id, item_count, total_amount, version FROM attacked.orders ORDER BY order_id;
RESET ROLE;
SELECT * FROM verify_store('attacked');

-- ---------- money ----------
CREATE VIEW twin.money AS
SELECT order_id, status, total_amount AS total, authorized_amount AS authorized, paid_amount AS paid, refunded_amount AS refunded, refund_due_amount AS due, version
FROM attacked.orders WHERE order_id >= 100 ORDER BY order_id;
GRANT USAGE ON SCHEMA twin TO PUBLIC;
GRANT SELECT ON twin.money TO PUBLIC;
INSERT INTO attacked.gateways (gateway) VALUES ('g');
INSERT INTO attacked.orders (order_id, price) SELECT n, 10 FROM generate_series(100, 140) AS n;
INSERT INTO attacked.payments (order_id, payment_id, gateway, amount, gateway_reference)
SELECT n, ('00000000-0000-7000-8000-000000000' || n)::uuid, 'g', 10, 'ref ' || n FROM generate_series(100, 109) AS n;

-- an application gives itself no money, by whatever statement
SET ROLE regress_op_app;
SET search_path = attacked, order_payment;
\set VERBOSITY terse
INSERT INTO payments (order_id, payment_id, gateway, amount, status) VALUES (100, '00000000-0000-7000-8000-000000000100', 'g', 10, 'succeeded')
ON CONFLICT (order_id, payment_id) DO UPDATE SET status = EXCLUDED.status;
INSERT INTO payments (order_id, payment_id, gateway, amount) VALUES (100, '00000000-0000-7000-8000-000000000100', 'g', 10)
ON CONFLICT (order_id, payment_id) DO UPDATE SET status = 'succeeded', captured_amount = 10, created_at = EXCLUDED.created_at;
INSERT INTO payments (order_id, payment_id, gateway, amount) VALUES (100, '00000000-0000-7000-8000-000000000100', 'g', 10)
ON CONFLICT (order_id, payment_id) DO UPDATE SET captured_amount = 10, authorized_amount = 10, created_at = EXCLUDED.created_at;
INSERT INTO payments (order_id, payment_id, gateway, amount, authorized_amount) VALUES (100, '00000000-0000-7000-8000-000000000100', 'g', 10, 0)
ON CONFLICT (order_id, payment_id) DO UPDATE SET captured_amount = 10, refunded_amount = EXCLUDED.refunded_amount, created_at = EXCLUDED.created_at
RETURNING status, authorized_amount, captured_amount;
MERGE INTO payments AS p USING (VALUES (100)) AS v (n) ON p.order_id = v.n WHEN MATCHED THEN UPDATE SET status = 'authorized';
COPY payments (order_id, gateway, amount, status) FROM stdin;
110	g	10	succeeded
\.
WITH o AS (INSERT INTO orders (order_id, price) VALUES (150, 10) RETURNING order_id) INSERT INTO payments (order_id, gateway, amount, currency, status) SELECT order_id, 'g', 10, 'USD', 'succeeded' FROM o;
WITH p AS (INSERT INTO payments (order_id, gateway, amount) VALUES (110, 'g', 10) RETURNING order_id) UPDATE orders SET status = 'paid' FROM p WHERE orders.order_id = p.order_id;
PREPARE pay(bigint) AS UPDATE payments SET status = 'succeeded' WHERE order_id = $1;
EXECUTE pay(100);
DEALLOCATE pay;
DO $$ BEGIN UPDATE attacked.payments SET status = 'succeeded' WHERE order_id = 100; END $$;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM payments WHERE order_id = 100 FOR UPDATE;
FETCH 1 FROM c \gset fetched_
UPDATE payments SET status = 'succeeded' WHERE CURRENT OF c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM orders WHERE order_id = 100 FOR UPDATE;
FETCH 1 FROM c \gset fetched_
UPDATE orders SET paid_amount = 10 WHERE CURRENT OF c;
ROLLBACK;
INSERT INTO orders (order_id, price) VALUES (100, 10) ON CONFLICT (order_id) DO UPDATE SET (paid_amount, status) = (EXCLUDED.total_amount, 'paid');
INSERT INTO orders (order_id, price, status) VALUES (151, 10, 'paid');
INSERT INTO refunds (order_id, payment_id, amount) VALUES (100, '00000000-0000-7000-8000-000000000100', 1);
INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (100, '00000000-0000-7000-8000-000000000100', 1, 'succeeded');
INSERT INTO refunds (order_id, payment_id, amount, kind) VALUES (100, '00000000-0000-7000-8000-000000000100', 1, 'chargeback');
INSERT INTO payment_operations (order_id, payment_id, kind, amount) VALUES (101, '00000000-0000-7000-8000-000000000100', 'capture', 1);
UPDATE payments SET order_id = 101 WHERE order_id = 100;
UPDATE payments SET amount = 1 WHERE order_id = 100;
UPDATE payments SET fee = -10 WHERE order_id = 100;
UPDATE payments SET net_amount = 10 WHERE order_id = 100;
UPDATE payments SET succeeded_at = now() WHERE order_id = 100;
DELETE FROM payments WHERE order_id = 100;
SET ROLE regress_op_owner;
DELETE FROM payments WHERE order_id = 100;
UPDATE payments SET captured_amount = 10 WHERE order_id = 100;
UPDATE payments SET refunded_amount = 10, charged_back_amount = -10 WHERE order_id = 100;
UPDATE orders SET refund_due_amount = 10 WHERE order_id = 100;
UPDATE orders SET status = 'authorized' WHERE order_id = 100;
RESET ROLE;
SELECT * FROM twin.money WHERE order_id IN (100, 101, 110, 150, 151);
SELECT count(*) FROM payments WHERE order_id = 110;

-- ... nor through a trigger of the owner's that means it too well
SET ROLE regress_op_owner;
CREATE FUNCTION twin.hasten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO attacked.payment_operations (order_id, payment_id, kind, amount, status) VALUES (NEW.order_id, NEW.payment_id, 'refund', NEW.amount, 'succeeded');
  RETURN NEW;
END $$;
CREATE TRIGGER hasten INSTEAD OF INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION twin.hasten();
SET ROLE regress_op_app;
INSERT INTO refunds (order_id, payment_id, amount) VALUES (100, '00000000-0000-7000-8000-000000000100', 1);
SET ROLE regress_op_owner;
DROP TRIGGER hasten ON refunds;
RESET ROLE;

-- the right result of statements that touch a payment and its order, or one payment twice
SET ROLE regress_op_gateway;
WITH p AS (UPDATE payments SET status = 'succeeded' WHERE order_id = 100 RETURNING order_id) UPDATE orders SET status = 'paid' FROM p WHERE orders.order_id = p.order_id;
WITH o AS (UPDATE orders SET status = 'paid' WHERE order_id = 101 RETURNING order_id) UPDATE payments SET status = 'succeeded' FROM o WHERE payments.order_id = o.order_id;
WITH p AS (UPDATE payments SET status = 'succeeded' WHERE order_id = 102 RETURNING order_id) UPDATE orders SET status = 'cancelled' FROM p WHERE orders.order_id = p.order_id;
WITH p AS (UPDATE payments SET status = 'succeeded' WHERE order_id = 103 RETURNING order_id) UPDATE payments SET status = 'authorized' FROM p WHERE payments.order_id = 103;
WITH p AS (UPDATE payments SET status = 'authorized' WHERE order_id = 104 RETURNING *)
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'capture', n, 'succeeded' FROM p, unnest('{1,2,3}'::integer[]) AS n;
-- each operation counts, the one that asks for more than is left takes all of its statement with it
WITH p AS (UPDATE payments SET gateway_reference = 'x' WHERE order_id = 104 RETURNING *)
INSERT INTO payment_operations (order_id, payment_id, kind, amount) SELECT order_id, payment_id, 'capture', n FROM p, unnest('{1,2,3}'::integer[]) AS n;
-- savepoints: what is undone is undone in all tables, and may happen again
BEGIN;
UPDATE payments SET status = 'authorized' WHERE order_id = 105;
SAVEPOINT s;
UPDATE payments SET status = 'succeeded' WHERE order_id = 105;
ROLLBACK TO s;
UPDATE payments SET status = 'revoked' WHERE order_id = 105;
SAVEPOINT s;
UPDATE orders SET status = 'paid' WHERE order_id = 105;
ROLLBACK TO s;
UPDATE orders SET price = 7 WHERE order_id = 105;
UPDATE orders SET status = 'paid' WHERE order_id = 105;
COMMIT;
RESET ROLE;
SELECT * FROM twin.money WHERE order_id BETWEEN 100 AND 105;
SELECT order_id, gateway, status, captured_amount FROM payments WHERE order_id BETWEEN 100 AND 105 ORDER BY order_id, gateway;

-- a trigger of the owner's that touches other rows before an effect arrives does not divert it, nor loses it by rolling back
SET ROLE regress_op_owner;
CREATE FUNCTION twin.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.order_id IN (106, 112, 119) AND pg_trigger_depth() < 4 THEN
    UPDATE attacked.orders SET payment_method = 'meddled' WHERE order_id = 107;
    BEGIN
      UPDATE attacked.orders SET payment_method = 'meddled' WHERE order_id = NEW.order_id;
      RAISE EXCEPTION 'undone';
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER aaa BEFORE UPDATE ON attacked.orders FOR EACH ROW EXECUTE FUNCTION twin.meddle();
UPDATE payments SET status = 'succeeded' WHERE order_id = 106;
UPDATE orders SET status = 'paid' WHERE order_id = 112;
INSERT INTO order_items (order_id, line_no, price) VALUES (119, 1, 11);
DROP TRIGGER aaa ON attacked.orders;
CREATE FUNCTION twin.meddle_with_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.order_id IN (106, 113) AND NEW.gateway_reference IS DISTINCT FROM 'nested' AND pg_trigger_depth() < 4 THEN
    UPDATE attacked.payments SET failure_code = 'meddled' WHERE order_id = 108;
    INSERT INTO attacked.payments (order_id, gateway, amount, status, gateway_reference) VALUES (114, 'g', 3, 'succeeded', 'nested') ON CONFLICT DO NOTHING;
    BEGIN
      UPDATE attacked.payments SET failure_code = 'meddled' WHERE order_id = NEW.order_id;
      RAISE EXCEPTION 'undone';
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON attacked.payments FOR EACH ROW EXECUTE FUNCTION twin.meddle_with_payments();
INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (106, '00000000-0000-7000-8000-000000000106', 4, 'succeeded');
UPDATE orders SET status = 'paid' WHERE order_id = 113;
DROP TRIGGER aaa ON attacked.payments;
RESET ROLE;
SELECT * FROM twin.money WHERE order_id IN (106, 107, 108, 112, 113, 114, 119);
SELECT payment_method FROM orders WHERE order_id = 107;
SELECT order_id, gateway, status, captured_amount, refunded_amount, failure_code FROM payments WHERE order_id IN (106, 107, 108, 112, 113, 114) ORDER BY order_id, gateway;
-- ... nor does one that moves other rows after it has arrived
SET ROLE regress_op_owner;
CREATE FUNCTION twin.follow_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.order_id = 107 AND NEW.status = 'paid' AND OLD.status = 'pending' THEN
    UPDATE attacked.orders SET payment_method = 'followed' WHERE order_id = 108;
    UPDATE attacked.orders SET status = 'paid' WHERE order_id = 115;
    INSERT INTO attacked.payments (order_id, gateway, amount, status) VALUES (116, 'g', 10, 'succeeded');
    INSERT INTO attacked.order_items (order_id, line_no, price) VALUES (117, 1, 7);
    UPDATE attacked.orders SET status = 'shipped' WHERE order_id = 107;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "000" AFTER UPDATE ON attacked.orders FOR EACH ROW EXECUTE FUNCTION twin.follow_up();
UPDATE payments SET status = 'succeeded' WHERE order_id = 107;
DROP TRIGGER "000" ON attacked.orders;
RESET ROLE;
SELECT * FROM twin.money WHERE order_id IN (107, 108, 115, 116, 117);
SELECT order_id, version, entity, from_status, to_status FROM order_events WHERE order_id IN (107, 115, 116) AND version > 1 ORDER BY order_id, version;

-- a trigger, or rule, of the owner's that swallows the statement of an effect: refused, for money would be lost
SET ROLE regress_op_owner;
CREATE FUNCTION twin.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
\set VERBOSITY default
CREATE TRIGGER aaa BEFORE UPDATE ON attacked.orders FOR EACH ROW EXECUTE FUNCTION twin.swallow();
UPDATE payments SET status = 'succeeded' WHERE order_id = 108;
\set VERBOSITY terse
INSERT INTO order_items (order_id, line_no, price) VALUES (118, 1, 1);
DROP TRIGGER aaa ON attacked.orders;
CREATE TRIGGER aaa BEFORE UPDATE ON attacked.payments FOR EACH ROW EXECUTE FUNCTION twin.swallow();
INSERT INTO refunds (order_id, payment_id, amount) VALUES (106, '00000000-0000-7000-8000-000000000106', 1);
DROP TRIGGER aaa ON attacked.payments;
CREATE TRIGGER aaa BEFORE INSERT ON attacked.payments FOR EACH ROW EXECUTE FUNCTION twin.swallow();
UPDATE orders SET status = 'paid' WHERE order_id = 118;
DROP TRIGGER aaa ON attacked.payments;
CREATE RULE aaa AS ON UPDATE TO attacked.orders WHERE NEW.order_id = 108 DO INSTEAD NOTHING;
UPDATE payments SET status = 'succeeded' WHERE order_id = 108;
DROP RULE aaa ON attacked.orders;
-- a payment before its order, where the foreign key waits
ALTER TABLE payments ALTER CONSTRAINT payments_order_id_fkey DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO payments (order_id, gateway, amount, currency, status) VALUES (152, 'g', 10, 'USD', 'succeeded');
ROLLBACK;
ALTER TABLE payments ALTER CONSTRAINT payments_order_id_fkey NOT DEFERRABLE;

-- a trigger of the owner's that writes what an effect brings: refused, or of no consequence
CREATE FUNCTION twin.forge_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  CASE NEW.payment_method
    WHEN 'paid_amount' THEN NEW.paid_amount := 1000;
    WHEN 'total_amount' THEN NEW.total_amount := 1;
    WHEN 'item_count' THEN NEW.item_count := 1; NEW.total_amount := 1;
    WHEN 'version' THEN NEW.version := 0;
    WHEN 'currency' THEN NEW.currency := 'EUR';
    WHEN 'order_id' THEN NEW.order_id := 119;
    WHEN 'paid' THEN NEW.status := 'paid';
    WHEN 'shipped' THEN NEW.status := 'shipped';
    ELSE NULL;
  END CASE;
  RETURN NEW;
END $$;
INSERT INTO orders (order_id, price, payment_method)
SELECT 159 + n, 10, m FROM unnest('{paid_amount,total_amount,item_count,version,currency,order_id,paid,shipped}'::text[]) WITH ORDINALITY AS v (m, n);
CREATE TRIGGER aaa BEFORE UPDATE ON attacked.orders FOR EACH ROW EXECUTE FUNCTION twin.forge_order();
INSERT INTO payments (order_id, gateway, amount, status) VALUES (160, 'g', 4, 'succeeded');
INSERT INTO payments (order_id, gateway, amount, status) VALUES (161, 'g', 4, 'succeeded');
INSERT INTO payments (order_id, gateway, amount, status) VALUES (162, 'g', 4, 'succeeded');
INSERT INTO payments (order_id, gateway, amount, status) VALUES (163, 'g', 4, 'succeeded');
INSERT INTO payments (order_id, gateway, amount, status) VALUES (164, 'g', 4, 'succeeded');
INSERT INTO payments (order_id, gateway, amount, status) VALUES (165, 'g', 4, 'succeeded');
INSERT INTO payments (order_id, gateway, amount, status) VALUES (166, 'g', 4, 'succeeded');
INSERT INTO payments (order_id, gateway, amount, status) VALUES (167, 'g', 10, 'authorized');
DROP TRIGGER aaa ON attacked.orders;
CREATE FUNCTION twin.forge_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  CASE NEW.method
    WHEN 'captured' THEN NEW.captured_amount := 1000;
    WHEN 'authorized' THEN NEW.authorized_amount := 1000;
    WHEN 'refunded' THEN NEW.refunded_amount := -1;
    WHEN 'amount' THEN NEW.amount := 1000;
    WHEN 'currency' THEN NEW.currency := 'EUR';
    ELSE NULL;
  END CASE;
  RETURN NEW;
END $$;
INSERT INTO payments (order_id, payment_id, gateway, amount, method, status)
SELECT 119 + n, ('00000000-0000-7000-8000-000000000' || 119 + n)::uuid, 'g', 10, m, 'succeeded' FROM unnest('{captured,authorized,refunded,amount,currency}'::text[]) WITH ORDINALITY AS v (m, n);
CREATE TRIGGER aaa BEFORE UPDATE ON attacked.payments FOR EACH ROW EXECUTE FUNCTION twin.forge_payment();
INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (120, '00000000-0000-7000-8000-000000000120', 4, 'succeeded');
INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (121, '00000000-0000-7000-8000-000000000121', 4, 'succeeded');
INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (122, '00000000-0000-7000-8000-000000000122', 4, 'succeeded');
INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (123, '00000000-0000-7000-8000-000000000123', 4, 'succeeded');
INSERT INTO refunds (order_id, payment_id, amount, status) VALUES (124, '00000000-0000-7000-8000-000000000124', 4, 'succeeded');
DROP TRIGGER aaa ON attacked.payments;
-- ... nor after the server has written it
CREATE FUNCTION twin.forge_after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW := NEW #= '{}'; RETURN NEW; EXCEPTION WHEN OTHERS THEN RETURN NEW; END $$;
CREATE TRIGGER zzza BEFORE UPDATE ON attacked.payments FOR EACH ROW EXECUTE FUNCTION twin.forge_after();
UPDATE payments SET status = 'succeeded' WHERE order_id = 108;
DROP TRIGGER zzza ON attacked.payments;
CREATE TRIGGER zzyz BEFORE INSERT ON attacked.payment_operations FOR EACH ROW EXECUTE FUNCTION twin.forge_after();
INSERT INTO refunds (order_id, payment_id, amount) VALUES (106, '00000000-0000-7000-8000-000000000106', 1);
DROP TRIGGER zzyz ON attacked.payment_operations;
-- a line that changes no amount lets no trigger change the total of an order that is frozen
INSERT INTO orders (order_id) VALUES (170);
INSERT INTO order_items (order_id, line_no, price) VALUES (170, 1, 10);
INSERT INTO payments (order_id, gateway, amount) VALUES (170, 'g', 10);
UPDATE orders SET payment_method = 'total_amount' WHERE order_id = 170;
CREATE TRIGGER aaa BEFORE UPDATE ON attacked.orders FOR EACH ROW EXECUTE FUNCTION twin.forge_order();
UPDATE order_items SET product_id = 7 WHERE order_id = 170;
DROP TRIGGER aaa ON attacked.orders;
RESET ROLE;
SELECT * FROM twin.money WHERE order_id BETWEEN 160 AND 170 OR order_id BETWEEN 120 AND 124;
SELECT order_id, status, amount, currency, authorized_amount, captured_amount, refunded_amount FROM payments WHERE order_id BETWEEN 120 AND 124 ORDER BY order_id;

-- a trigger that is disabled, or fires otherwise, is noticed by the effect that needs it
SET ROLE regress_op_owner;
\set VERBOSITY default
ALTER TABLE orders DISABLE TRIGGER zzy_maintain_order;
UPDATE payments SET status = 'succeeded' WHERE order_id = 108;
ALTER TABLE orders ENABLE TRIGGER zzy_maintain_order;
\set VERBOSITY terse
ALTER TABLE orders DISABLE TRIGGER "000_record_event_update";
UPDATE payments SET status = 'succeeded' WHERE order_id = 108;
ALTER TABLE orders ENABLE TRIGGER "000_record_event_update";
ALTER TABLE payments DISABLE TRIGGER zzy_maintain_payment;
INSERT INTO refunds (order_id, payment_id, amount) VALUES (106, '00000000-0000-7000-8000-000000000106', 1);
ALTER TABLE payments ENABLE REPLICA TRIGGER zzy_maintain_payment;
INSERT INTO refunds (order_id, payment_id, amount) VALUES (106, '00000000-0000-7000-8000-000000000106', 1);
ALTER TABLE payments ENABLE TRIGGER zzy_maintain_payment;
ALTER TABLE payments DISABLE TRIGGER "000_apply_payment";
UPDATE orders SET status = 'paid' WHERE order_id = 118;
INSERT INTO refunds (order_id, payment_id, amount) VALUES (106, '00000000-0000-7000-8000-000000000106', 1);
ALTER TABLE payments ENABLE TRIGGER "000_apply_payment";
CREATE OR REPLACE TRIGGER zzy_maintain_order BEFORE INSERT ON attacked.orders FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_order();
UPDATE payments SET status = 'succeeded' WHERE order_id = 108;
CREATE OR REPLACE TRIGGER zzy_maintain_order BEFORE INSERT OR UPDATE ON attacked.orders FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_order();
CREATE OR REPLACE TRIGGER "000_append_only" BEFORE UPDATE OR DELETE ON attacked.order_events FOR EACH ROW EXECUTE FUNCTION order_payment.append_only();
UPDATE payments SET status = 'succeeded' WHERE order_id = 108;
CREATE OR REPLACE TRIGGER "000_append_only" BEFORE INSERT OR UPDATE OR DELETE ON attacked.order_events FOR EACH ROW EXECUTE FUNCTION order_payment.append_only();
RESET ROLE;
-- for a replica no trigger fires, but one that always does
BEGIN;
ALTER TABLE payments ENABLE ALWAYS TRIGGER "000_apply_payment";
SET LOCAL session_replication_role = replica;
UPDATE payments SET status = 'succeeded' WHERE order_id = 108;
ROLLBACK;
SELECT * FROM twin.money WHERE order_id IN (106, 108, 118);

-- two stores of one owner do not mix, even where a foreign key leads from the one to the other
SET client_min_messages = warning;
SELECT order_payment.create_store('second', owner => 'regress_op_owner', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway');
RESET client_min_messages;
SET ROLE regress_op_owner;
INSERT INTO second.orders (order_id, price) VALUES (125, 10), (126, 10);
INSERT INTO second.payments (order_id, gateway, amount, status) VALUES (125, 'cod', 10, 'succeeded');
SELECT order_id, status, paid_amount FROM second.orders ORDER BY order_id;
\set VERBOSITY default
ALTER TABLE second.payments ADD CONSTRAINT across FOREIGN KEY (order_id) REFERENCES attacked.orders;
INSERT INTO second.payments (order_id, gateway, amount, status) VALUES (126, 'cod', 10, 'succeeded');
UPDATE attacked.orders SET status = 'paid' WHERE order_id = 126;
ALTER TABLE second.payments DROP CONSTRAINT across;
\set VERBOSITY terse
RESET ROLE;
SELECT * FROM twin.money WHERE order_id IN (125, 126);
-- nor does a table of another owner act on the orders that it references, or hinder them
CREATE ROLE regress_op_references;
GRANT USAGE ON SCHEMA attacked TO regress_op_references;
GRANT SELECT, REFERENCES ON ALL TABLES IN SCHEMA attacked TO regress_op_references;
CREATE SCHEMA meddler AUTHORIZATION regress_op_references;
SET ROLE regress_op_references;
CREATE TABLE meddler.payments (LIKE attacked.payments INCLUDING ALL, FOREIGN KEY (order_id) REFERENCES attacked.orders);
CREATE TRIGGER zzy BEFORE INSERT OR UPDATE ON meddler.payments FOR EACH ROW EXECUTE FUNCTION maintain_payment();
CREATE TRIGGER "000" AFTER INSERT OR UPDATE ON meddler.payments FOR EACH ROW EXECUTE FUNCTION apply_payment();
CREATE TABLE meddler.operations (LIKE attacked.payment_operations INCLUDING ALL, FOREIGN KEY (order_id) REFERENCES attacked.orders,
                                 FOREIGN KEY (order_id, payment_id) REFERENCES attacked.payments);
CREATE TRIGGER zzy BEFORE INSERT OR UPDATE ON meddler.operations FOR EACH ROW EXECUTE FUNCTION maintain_operation();
CREATE TRIGGER "000" AFTER INSERT OR UPDATE ON meddler.operations FOR EACH ROW EXECUTE FUNCTION apply_operation();
CREATE TABLE meddler.lines (LIKE attacked.order_items INCLUDING ALL, FOREIGN KEY (order_id) REFERENCES attacked.orders);
CREATE TRIGGER "000" AFTER INSERT OR UPDATE ON meddler.lines FOR EACH ROW EXECUTE FUNCTION follow_items();
INSERT INTO meddler.payments (order_id, gateway, amount, status) VALUES (127, 'g', 10, 'succeeded');
INSERT INTO meddler.payments (order_id, gateway, amount, currency, fee, status) VALUES (127, 'g', 10, 'USD', 0, 'succeeded');
INSERT INTO meddler.operations (order_id, payment_id, kind, amount, currency, status) VALUES (106, '00000000-0000-7000-8000-000000000106', 'refund', 6, 'USD', 'succeeded');
INSERT INTO meddler.operations (order_id, payment_id, kind, amount, currency, created_at) VALUES (106, '00000000-0000-7000-8000-000000000106', 'void', 6, 'USD', NULL);
INSERT INTO meddler.lines (order_id, line_no, price) VALUES (127, 1, 1000);
RESET ROLE;
UPDATE orders SET status = 'paid' WHERE order_id = 128;
INSERT INTO order_items (order_id, line_no, price) VALUES (127, 1, 4);
SELECT * FROM twin.money WHERE order_id IN (106, 127, 128);
SET client_min_messages = warning;
DROP SCHEMA meddler CASCADE;
RESET client_min_messages;
DROP OWNED BY regress_op_references;
DROP ROLE regress_op_references;

-- a further foreign key to orders, for whatever its owner needs, does not bring money to the wrong order
SET client_min_messages = warning;
SELECT order_payment.create_store('further', owner => 'regress_op_owner');
RESET client_min_messages;
SET ROLE regress_op_owner;
ALTER TABLE further.payments ADD combined_with bigint CONSTRAINT payments_combined_with_fkey REFERENCES further.orders;
ALTER TABLE further.order_items ADD exchanged_for bigint CONSTRAINT order_items_exchanged_for_fkey REFERENCES further.orders;
ALTER TABLE further.payment_operations ADD because_of bigint CONSTRAINT payment_operations_because_of_fkey REFERENCES further.orders;
ALTER TABLE further.order_events ADD about bigint CONSTRAINT order_events_about_fkey REFERENCES further.orders;
INSERT INTO further.orders (order_id, price) VALUES (1, 10), (2, 10), (3, NULL);
INSERT INTO further.payments (order_id, gateway, amount, status, combined_with) VALUES (1, 'cod', 10, 'succeeded', 2);
INSERT INTO further.refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 4, 'succeeded' FROM further.payments;
INSERT INTO further.order_items (order_id, line_no, price, exchanged_for) VALUES (3, 1, 7, 2);
SELECT order_id, status, total_amount, paid_amount, refunded_amount, item_count, version FROM further.orders ORDER BY order_id;
-- where names do not tell, nothing is guessed
ALTER TABLE further.payments RENAME order_id TO belongs_to;
UPDATE further.orders SET status = 'paid' WHERE order_id = 2;
ALTER TABLE further.payments RENAME belongs_to TO order_id;
RESET ROLE;
SELECT * FROM verify_store('further');

-- payments in partitions: the same refusals, in the partitions too
SET client_min_messages = warning;
SELECT order_payment.create_store('parted', owner => 'regress_op_owner', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway');
RESET client_min_messages;
SET ROLE regress_op_owner;
SET search_path = parted, order_payment;
ALTER TABLE payments RENAME TO whole;
CREATE TABLE payments (LIKE whole INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS, PRIMARY KEY (order_id, payment_id),
                       FOREIGN KEY (order_id) REFERENCES orders, FOREIGN KEY (gateway) REFERENCES gateways) PARTITION BY HASH (order_id);
CREATE TABLE payments0 PARTITION OF payments FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE payments1 PARTITION OF payments FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TRIGGER zzy_maintain_payment BEFORE INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_payment();
CREATE TRIGGER "000_apply_payment" AFTER INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION order_payment.apply_payment();
CREATE TRIGGER refuse_delete BEFORE DELETE ON payments FOR EACH ROW EXECUTE FUNCTION order_payment.refuse_delete();
SELECT guard_column('payments', 'status', stamp => true);
ALTER TABLE payment_operations DROP CONSTRAINT payment_operations_payment_id_fkey, ADD FOREIGN KEY (order_id, payment_id) REFERENCES payments;
SET client_min_messages = warning;
DROP TABLE whole CASCADE;
RESET client_min_messages;
GRANT SELECT, INSERT, UPDATE ON payments, payments0, payments1 TO regress_op_app, regress_op_gateway;
GRANT UPDATE (status) ON payments TO regress_op_gateway;
RESET ROLE;
INSERT INTO orders (order_id, price) SELECT n, 10 FROM generate_series(1, 8) AS n;
SET ROLE regress_op_app;
INSERT INTO payments (order_id, gateway, amount) SELECT n, 'cod', 10 FROM generate_series(1, 6) AS n;
UPDATE payments SET status = 'succeeded';
UPDATE payments0 SET status = 'succeeded';
UPDATE payments1 SET captured_amount = 10;
UPDATE orders SET status = 'paid' WHERE order_id = 7;
UPDATE orders SET status = 'paid' WHERE order_id = 8;
SET ROLE regress_op_gateway;
UPDATE payments SET status = 'succeeded' WHERE order_id IN (1, 2);
UPDATE payments SET status = 'authorized' WHERE order_id IN (3, 4);
UPDATE payments0 SET status = 'succeeded' WHERE order_id IN (5, 6);
UPDATE payments1 SET status = 'succeeded' WHERE order_id IN (5, 6);
UPDATE orders SET status = 'paid' WHERE order_id IN (7, 8);
UPDATE orders SET status = 'shipped' WHERE order_id IN (3, 4);
INSERT INTO refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 4, 'succeeded' FROM payments WHERE order_id IN (1, 2);
INSERT INTO payment_operations (order_id, payment_id, kind, amount) SELECT order_id, payment_id, 'capture', 11 FROM payments WHERE order_id = 3;
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) SELECT order_id, payment_id, 'capture', 4, 'succeeded' FROM payments WHERE order_id IN (3, 4);
UPDATE payments SET order_id = order_id + 1 WHERE order_id < 3;
RESET ROLE;
DELETE FROM payments WHERE order_id = 1;
SELECT order_id, status, authorized_amount, paid_amount, refunded_amount, version FROM orders ORDER BY order_id;
SELECT count(DISTINCT tableoid) AS partitions, sum(captured_amount) AS captured, sum(refunded_amount) AS refunded FROM payments;
SET search_path = order_payment;
-- all of the attacked store is as it says
SELECT * FROM verify_store('attacked');
SELECT * FROM verify_store('second');
\set VERBOSITY default

-- a row that is changed again before it has acted, by a function that its own statement calls or a trigger of the owner's that goes by the status:
-- what it brought would be counted after what followed of it
SELECT create_store('hasty', owner => 'regress_op_owner');
SET ROLE regress_op_owner;
SET search_path = hasty, order_payment;
CREATE FUNCTION refund_done(operation uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN UPDATE hasty.refunds SET status = 'succeeded' WHERE operation_id = operation; RETURN FOUND; END $$;
CREATE FUNCTION all_done() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE hasty.payments SET status = 'succeeded' WHERE order_id = NEW.order_id AND status = 'created'; RETURN NULL; END $$;
CREATE FUNCTION annotate(operation uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN UPDATE hasty.refunds SET reason = 'as asked' WHERE operation_id = operation; RETURN FOUND; END $$;
INSERT INTO orders (order_id, price) VALUES (1, 10), (2, 10);
INSERT INTO payments (order_id, gateway, amount, status) VALUES (1, 'manual', 30, 'succeeded');
INSERT INTO refunds (order_id, payment_id, amount) SELECT order_id, payment_id, n FROM payments, generate_series(1, 2) n RETURNING refund_done(operation_id);
INSERT INTO refunds (order_id, payment_id, amount) SELECT order_id, payment_id, n FROM payments, generate_series(1, 2) n RETURNING annotate(operation_id);
DO $$ BEGIN PERFORM hasty.refund_done(operation_id) FROM hasty.refunds; END $$;
CREATE TRIGGER all_done AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION all_done();
INSERT INTO payments (order_id, gateway, amount, split) VALUES (2, 'manual', 5, true), (2, 'manual', 5, true);
INSERT INTO payments (order_id, gateway, amount) VALUES (2, 'manual', 10);
-- no message shows what may be a card number, bound to the wrong parameter
INSERT INTO refunds (order_id, payment_id, amount, currency) SELECT order_id, payment_id, 1, '4111111111111111' FROM payments WHERE order_id = 1;
INSERT INTO refunds (order_id, payment_id, amount) SELECT order_id, payment_id, 4111111111111111.555 FROM payments WHERE order_id = 1;
UPDATE refunds SET fee = 4111111111111111.555;
SELECT order_id, status, paid_amount, refunded_amount, refund_due_amount, version FROM orders ORDER BY order_id;
SELECT amount, obligatory_amount, status, reason FROM refunds ORDER BY amount;
SELECT * FROM verify_store();
RESET ROLE;
SET search_path = order_payment;

-- triggers that change the tables, in the catalog, while the effect of a statement on one of them is under way: what is known of the tables is
-- thrown away and built anew in the same place, for others, and the effect still meets its row
SELECT create_store('unquiet', owner => 'regress_op_owner');
SET ROLE regress_op_owner;
SET search_path = unquiet, order_payment;
CREATE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  GRANT SELECT ON unquiet.orders, unquiet.payments, unquiet.payment_operations, unquiet.order_items, unquiet.order_events TO regress_op_owner;
  RETURN NEW;
END $$;
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION disturb();
CREATE TRIGGER "0" AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION disturb();
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION disturb();
CREATE TRIGGER "0" AFTER INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION disturb();
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON payment_operations FOR EACH ROW EXECUTE FUNCTION disturb();
CREATE TRIGGER "0" AFTER INSERT OR UPDATE ON payment_operations FOR EACH ROW EXECUTE FUNCTION disturb();
CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON order_items FOR EACH ROW EXECUTE FUNCTION disturb();
INSERT INTO orders (order_id, price) SELECT o, 10 FROM generate_series(1, 6) o;
INSERT INTO order_items (order_id, line_no, price) SELECT o, 1, 10 FROM generate_series(4, 6) o;
UPDATE order_items SET price = 20 WHERE order_id = 6;
UPDATE orders SET status = 'paid' WHERE order_id <= 3;
INSERT INTO payments (order_id, gateway, amount, status) VALUES (4, 'manual', 10, 'created'), (5, 'manual', 10, 'authorized'), (6, 'manual', 30, 'succeeded');
UPDATE payments SET status = 'succeeded' WHERE order_id = 4;
INSERT INTO payment_operations (order_id, payment_id, kind, amount) SELECT order_id, payment_id, 'capture', 10 FROM payments WHERE order_id = 5;
UPDATE payment_operations SET status = 'succeeded';
INSERT INTO refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 4, 'succeeded' FROM payments WHERE order_id IN (1, 2);
UPDATE orders SET status = 'cancelled' WHERE order_id = 3;
SELECT order_id, status, total_amount, paid_amount, refunded_amount, refund_due_amount, version FROM orders ORDER BY order_id;
SELECT * FROM verify_store();
RESET ROLE;
SET search_path = order_payment;

-- two guards on one table do not stamp the same column
CREATE TABLE twin.two (id int PRIMARY KEY, status order_status, pay payment_status, authorized_at timestamptz);
SELECT guard_column('twin.two', 'status', stamp => true);
SELECT guard_column('twin.two', 'pay', stamp => true);
SELECT guard_column('twin.two', 'pay');
INSERT INTO twin.two VALUES (1, 'pending', 'created');
UPDATE twin.two SET pay = 'authorized' RETURNING authorized_at;
UPDATE twin.two SET status = 'authorized' RETURNING authorized_at IS NOT NULL AS stamped;

SET search_path = public;
SET client_min_messages = warning;
DROP TABLE mv, alike, other, i, p, ev, o;
DROP FUNCTION pg_temp.swallow(), pg_temp.forge(), pg_temp.forge_paid();
DROP SCHEMA attacked, second, further, parted, twin, unquiet, hasty CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway;
