-- Attacks that once worked. Each needs no more than a role has: an application's (SELECT, INSERT, UPDATE and
-- temporary tables), or the owner's (tables and triggers of his own).
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
SELECT order_payment.create_store('attacked', owner => 'regress_op_owner', app_role => 'regress_op_app');
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
CREATE TEMP TABLE o (order_id bigint PRIMARY KEY, status order_status, version int DEFAULT 0, item_count int DEFAULT 0,
                     quantity numeric, price numeric, total_amount numeric, created_at timestamptz);
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
INSERT INTO attacked.order_items (order_id, line_no, price) VALUES (43, 1, 20);
SELECT order_id, item_count, total_amount, version FROM attacked.orders ORDER BY order_id;
RESET ROLE;
SELECT * FROM verify_store('attacked');

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
DROP TABLE mv, alike, other, i, o;
DROP FUNCTION pg_temp.swallow(), pg_temp.forge();
DROP SCHEMA attacked, twin CASCADE;
DROP ROLE regress_op_owner, regress_op_app;
