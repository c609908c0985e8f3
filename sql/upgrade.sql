-- upgrade: a store of the first release becomes what create_store() makes today, with all that is in it
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_dba;
GRANT regress_op_owner TO regress_op_dba;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_op_dba', current_database()); END $$;
SET timezone = 'UTC';
SET datestyle = ISO;

\getenv abs_srcdir PG_ABS_SRCDIR
\set fixture :abs_srcdir '/test/upgrade/store_1.sql'
\set ECHO none
\i :fixture
\set ECHO all

-- the store as it is, to be compared
CREATE TABLE before AS SELECT * FROM store_1.orders;
CREATE TABLE before_items AS SELECT * FROM store_1.order_items;
CREATE TABLE before_events AS SELECT * FROM store_1.order_events;
SELECT order_id, status, total_amount, paid_at FROM before ORDER BY order_id;
-- verify_store() says what is missing
SELECT problem, table_name, count(*) FROM order_payment.verify_store('store_1') GROUP BY 1, 2 ORDER BY 1, 2;

-- ---------- who may ----------

GRANT EXECUTE ON FUNCTION order_payment.protect_card() TO regress_op_owner;
SET ROLE regress_op_app;
SELECT order_payment.upgrade_store('store_1');
SET ROLE regress_op_owner;
SELECT order_payment.upgrade_store('store_1');
RESET ROLE;
SELECT order_payment.upgrade_store(NULL);
SELECT order_payment.upgrade_store('public');
-- a table of somebody's own that is in the way
CREATE TABLE store_1.payments (payment_id integer PRIMARY KEY);
SELECT order_payment.upgrade_store('store_1');
ALTER TABLE store_1.payments RENAME TO own_payments;
CREATE VIEW store_1.refunds AS SELECT 1 AS one;
SELECT order_payment.upgrade_store('store_1');
DROP VIEW store_1.refunds;
DROP TABLE store_1.own_payments;
-- nothing was done
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'order\_payment\_%';
SELECT count(*) FROM pg_class WHERE relnamespace = 'store_1'::regnamespace AND relkind IN ('r', 'v');

-- ---------- the upgrade ----------

SET ROLE regress_op_dba;
SET order_payment.actor = 'the migration';
SELECT * FROM order_payment.upgrade_store('store_1');
-- once and for all
SELECT * FROM order_payment.upgrade_store('store_1');
SELECT current_user, current_setting('client_min_messages');
RESET order_payment.actor;
RESET ROLE;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'order\_payment\_%';
SELECT * FROM order_payment.verify_store('store_1');

-- ---------- object by object like a new store ----------

SELECT order_payment.create_store('fresh', owner => 'regress_op_owner', app_role => 'regress_op_app', default_currency => 'EUR');
SELECT * FROM order_payment.upgrade_store('fresh');
CREATE FUNCTION objects(store name) RETURNS SETOF text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH relation AS (
    SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = store)
  SELECT replace(o, store || '.', 'store.') FROM (
    SELECT format('relation %s %s %s %s', relname, relkind, relowner::regrole, reloptions) FROM relation WHERE relname NOT LIKE 'own%'
    UNION ALL
    SELECT format('column %s.%s %s %s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                  a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attcollation::regcollation)
    FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT format('constraint %s of %s %s %s', k.conname, c.relname, pg_get_constraintdef(k.oid), k.convalidated)
    FROM relation c JOIN pg_constraint k ON k.conrelid = c.oid
    UNION ALL
    SELECT format('index %s %s', c.relname, pg_get_indexdef(c.oid)) FROM relation c WHERE c.relkind = 'i'
    UNION ALL
    SELECT format('trigger %s of %s %s %s', t.tgname, c.relname, pg_get_triggerdef(t.oid), t.tgenabled)
    FROM relation c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT format('view %s %s', c.relname, pg_get_viewdef(c.oid)) FROM relation c WHERE c.relkind = 'v'
    UNION ALL
    SELECT format('comment on %s.%s %s', c.relname, a.attname, m.description)
    FROM relation c JOIN pg_description m ON m.classoid = 'pg_class'::regclass AND m.objoid = c.oid
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = m.objsubid AND m.objsubid > 0
    UNION ALL
    SELECT format('right on %s of %s to %s', c.relname, x.grantee::regrole, x.privilege_type)
    FROM relation c, aclexplode(c.relacl) x WHERE x.grantee <> c.relowner
    UNION ALL
    SELECT format('right on %s.%s of %s to %s', c.relname, a.attname, x.grantee::regrole, x.privilege_type)
    FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x
  ) l (o)
$$;
SELECT split_part(o, ' ', 1) AS kind, count(*) > 0 AS some FROM objects('store_1') o GROUP BY 1 ORDER BY 1;
SELECT 'only in store_1' AS difference, o FROM (SELECT objects('store_1') EXCEPT ALL SELECT objects('fresh')) x (o)
UNION ALL SELECT 'only in a new one', o FROM (SELECT objects('fresh') EXCEPT ALL SELECT objects('store_1')) x (o);
TABLE fresh.gateways EXCEPT TABLE store_1.gateways;

-- ---------- what was in it is in it ----------

SELECT order_id, b.paid_at AS paid_at_before, o.paid_at
FROM store_1.orders o FULL JOIN before b USING (order_id)
WHERE (o.customer_id, o.product_id, o.quantity, o.price, o.currency, o.total_amount, o.payment_method, o.status, o.item_count, o.pay_before,
       o.request_key, o.created_at, o.authorized_at, o.paid_at, o.shipped_at, o.completed_at, o.cancelled_at, o.expired_at, o.refunded_at)
      IS DISTINCT FROM
      (b.customer_id, b.product_id, b.quantity, b.price, b.currency, b.total_amount, b.payment_method, b.status, b.item_count, b.pay_before,
       b.request_key, b.created_at, b.authorized_at, b.paid_at, b.shipped_at, b.completed_at, b.cancelled_at, b.expired_at, b.refunded_at);
(TABLE before_items EXCEPT TABLE store_1.order_items) UNION ALL (TABLE store_1.order_items EXCEPT TABLE before_items);
TABLE before_events EXCEPT TABLE store_1.order_events;
-- opening balances
SELECT o.order_id, o.status, o.total_amount AS total, o.authorized_amount AS auth, o.paid_amount AS paid, o.version - b.version AS events,
       p.gateway, p.status AS payment, p.amount, p.captured_amount AS captured, p.net_amount AS net, p.occurred_at
FROM store_1.orders o JOIN before b USING (order_id) LEFT JOIN store_1.payments p USING (order_id) ORDER BY order_id;
SELECT order_id, version, entity, from_status, to_status, amount, actor, reason, detail, recorded_at > now() - interval '1 hour' AS now
FROM store_1.order_events WHERE entity <> 'order' ORDER BY order_id;
SELECT count(*) FROM store_1.payments WHERE (created_at, coalesce(succeeded_at, authorized_at)) IS DISTINCT FROM (occurred_at, occurred_at)
   OR (status = 'succeeded') <> (succeeded_at IS NOT NULL) OR (status = 'authorized') <> (authorized_at IS NOT NULL);

-- ---------- it goes on ----------

SET search_path = store_1;
SET ROLE regress_op_app;
INSERT INTO orders (customer_id, price) VALUES (7, 3) RETURNING order_id, currency, status;
INSERT INTO payments (order_id, gateway, amount) VALUES (2, 'manual', 20);
INSERT INTO order_items (order_id, line_no, price) VALUES (1, 1, 9);
UPDATE orders SET status = 'shipped' WHERE order_id = 4;
UPDATE orders SET status = 'completed' WHERE order_id IN (4, 6);
UPDATE orders SET status = 'completed' WHERE order_id = 7;
UPDATE orders SET status = 'cancelled' WHERE order_id = 14;
DELETE FROM payments;
RESET ROLE;
UPDATE payments SET status = 'succeeded' WHERE order_id IN (2, 3, 7);
UPDATE orders SET status = 'completed' WHERE order_id = 7;
INSERT INTO refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 20, 'succeeded' FROM payments WHERE order_id = 8;
INSERT INTO refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 5, 'succeeded' FROM payments WHERE order_id = 9;
INSERT INTO payments (order_id, gateway, amount, status) VALUES (11, 'manual', 20, 'succeeded');
SELECT order_id, status, total_amount AS total, authorized_amount AS auth, paid_amount AS paid, refunded_amount AS refunded,
       refund_due_amount AS due, version FROM orders ORDER BY order_id;
SELECT * FROM order_payment.verify_store();
RESET search_path;

-- ---------- what users have made of their store stays ----------

DROP SCHEMA store_1 CASCADE;
\set ECHO none
\i :fixture
\set ECHO all
SET ROLE regress_op_owner;
CREATE FUNCTION store_1.own_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'own trigger'; END$$;
ALTER TABLE store_1.orders ADD own_note text DEFAULT 'mine', ALTER currency SET DEFAULT 'JPY', ALTER created_at SET DEFAULT now(), ALTER version SET NOT NULL,
  ADD CONSTRAINT own_check CHECK (own_note <> 'x');
CREATE INDEX own_idx ON store_1.orders (own_note);
CREATE TRIGGER own_trigger AFTER UPDATE ON store_1.orders FOR EACH ROW EXECUTE FUNCTION store_1.own_trigger();
CREATE TRIGGER own_disabled AFTER UPDATE ON store_1.orders FOR EACH ROW EXECUTE FUNCTION store_1.own_trigger();
CREATE TRIGGER own_always AFTER INSERT ON store_1.order_events FOR EACH ROW EXECUTE FUNCTION store_1.own_trigger();
ALTER TABLE store_1.orders DISABLE TRIGGER own_disabled;
ALTER TABLE store_1.order_events ENABLE ALWAYS TRIGGER own_always;
CREATE VIEW store_1.own_view AS SELECT order_id, status FROM store_1.orders;
COMMENT ON COLUMN store_1.orders.customer_id IS 'my own words';
GRANT SELECT ON store_1.own_view TO regress_op_app;
REVOKE UPDATE ON store_1.orders FROM regress_op_app;
-- and what they have spoilt is mended: a guard with a graph of its own loses one of its triggers, others are off, dropped, changed
SELECT order_payment.guard_column('store_1.orders', 'status', 'pending expired; pending: paid cancelled expired; paid: shipped; shipped: completed');
DROP TRIGGER zzz_guard_status ON store_1.orders;
ALTER TABLE store_1.orders ENABLE ALWAYS TRIGGER zzz_guard_status_birth;
ALTER TABLE store_1.orders DISABLE TRIGGER refuse_truncate;
ALTER TABLE store_1.order_items ENABLE ALWAYS TRIGGER refuse_truncate;
DROP TRIGGER "000_append_only" ON store_1.order_events;
CREATE OR REPLACE TRIGGER "000_follow_items" AFTER INSERT ON store_1.order_items FOR EACH ROW EXECUTE FUNCTION order_payment.follow_items();
ALTER TABLE store_1.order_items ENABLE ALWAYS TRIGGER "000_follow_items";
DROP INDEX store_1.order_events_xid_idx;
CREATE INDEX order_events_xid_idx ON store_1.order_events (xid);
ALTER TABLE store_1.order_items DROP CONSTRAINT order_items_kind_check, DROP CONSTRAINT order_items_price_check, DROP CONSTRAINT order_items_quantity_check,
  ADD CONSTRAINT order_items_kind_check CHECK (kind IN ('item', 'shipping', 'tax', 'discount')) NOT VALID,
  ADD CONSTRAINT order_items_price_check CHECK (price > -1);
ALTER TABLE store_1.orders ALTER item_count DROP NOT NULL;
RESET ROLE;
SELECT * FROM order_payment.upgrade_store('store_1');
SELECT * FROM order_payment.upgrade_store('store_1');
SELECT problem, key, stored FROM order_payment.verify_store('store_1') ORDER BY key;
\pset format unaligned
SELECT 'only in store_1' AS difference, o FROM (SELECT objects('store_1') EXCEPT ALL SELECT objects('fresh')) x (o) WHERE o NOT LIKE 'view own%'
UNION ALL SELECT 'only in a new one', o FROM (SELECT objects('fresh') EXCEPT ALL SELECT objects('store_1')) x (o)
ORDER BY 2, 1;
\pset format aligned
-- an error on the way leaves all as it was
ALTER TABLE store_1.order_items DROP CONSTRAINT order_items_kind_check;
ALTER TABLE store_1.order_items DISABLE TRIGGER USER;
UPDATE store_1.order_items SET kind = 'gift' WHERE line_no = 2;
ALTER TABLE store_1.order_items ENABLE TRIGGER USER;
DROP TRIGGER refuse_truncate ON store_1.order_items;
SELECT order_payment.upgrade_store('store_1');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'store_1.order_items'::regclass AND NOT tgisinternal ORDER BY tgname;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'order\_payment\_%';

-- ---------- views, and rights on what is new ----------

-- columns that are others: the view is made anew, with the rights that it had
CREATE ROLE regress_op_reader;
DROP VIEW fresh.refunds;
CREATE VIEW fresh.refunds AS SELECT operation_id, order_id FROM fresh.payment_operations;
COMMENT ON VIEW fresh.refunds IS 'as it was';
ALTER VIEW fresh.refunds OWNER TO regress_op_owner;
GRANT SELECT ON fresh.refunds TO regress_op_reader;
SELECT * FROM order_payment.upgrade_store('fresh');
SELECT * FROM order_payment.upgrade_store('fresh');
SELECT x.grantee::regrole, x.privilege_type FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = 'fresh.refunds'::regclass AND x.grantee <> c.relowner;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'fresh.refunds'::regclass;
-- columns that are the same: in place
CREATE OR REPLACE VIEW fresh.refunds WITH (security_invoker = true) AS SELECT * FROM fresh.payment_operations;
CREATE VIEW fresh.own_view AS SELECT * FROM fresh.refunds;
SELECT * FROM order_payment.upgrade_store('fresh');
-- what users have built on a view stands in the way of other columns, and stays
ALTER VIEW fresh.refunds RENAME COLUMN reason TO why;
SELECT order_payment.upgrade_store('fresh');
ALTER VIEW fresh.refunds RENAME COLUMN why TO reason;
-- a table that is gone comes with the rights of those who have rights on orders, and who may record outcomes may do so again
SELECT order_payment.grant_store('fresh', NULL, 'regress_op_reader');
DROP VIEW fresh.own_view;
DROP TABLE fresh.payment_operations CASCADE;
SELECT * FROM order_payment.upgrade_store('fresh');
SELECT x.grantee::regrole, string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) FROM pg_class c, aclexplode(c.relacl) x
WHERE c.oid = 'fresh.payment_operations'::regclass AND x.grantee <> c.relowner GROUP BY 1 ORDER BY 1;
SELECT x.grantee::regrole, x.privilege_type FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = 'fresh.payment_operations'::regclass;
SELECT * FROM order_payment.verify_store('fresh');

-- ---------- CHECKs of users, by the names of those of the first release ----------

ALTER TABLE fresh.orders ADD CHECK (currency IN ('EUR', 'USD')), ADD CHECK (price < 1000000), ADD CHECK (quantity < 1000);
SELECT * FROM order_payment.upgrade_store('fresh');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'fresh.orders'::regclass AND contype = 'c' ORDER BY conname;

-- ---------- a key that guests have used twice, before it was one ----------

DROP INDEX fresh.orders_guest_request_key_idx;
INSERT INTO fresh.orders (order_id, customer_id, price, request_key) VALUES (101, NULL, 1, 'twice'), (102, NULL, 1, 'twice'), (103, 7, 1, 'twice'), (104, NULL, 1, NULL), (105, NULL, 1, NULL);
SELECT * FROM order_payment.upgrade_store('fresh');
SELECT problem, table_name, column_name FROM order_payment.verify_store('fresh');
UPDATE fresh.orders SET request_key = NULL WHERE order_id = 102;
SELECT * FROM order_payment.upgrade_store('fresh');
INSERT INTO fresh.orders (price, request_key) VALUES (1, 'twice') ON CONFLICT DO NOTHING RETURNING order_id;
SELECT * FROM order_payment.verify_store('fresh');

-- ---------- columns for cards that users made before the store had some ----------

INSERT INTO fresh.orders (order_id, price) VALUES (110, 20);
INSERT INTO fresh.payments (order_id, gateway, amount) VALUES (110, 'manual', 20);
SET client_min_messages = error;
DROP TRIGGER "000_protect_card" ON fresh.payments;
ALTER TABLE fresh.payments DROP card_number CASCADE, DROP card_holder CASCADE, DROP card_expiry CASCADE, DROP card_number_sealed CASCADE;
ALTER TABLE fresh.payments DROP card_fingerprint CASCADE;
SET client_min_messages = warning;
-- values in clear stay nowhere, and are not shown
ALTER TABLE fresh.payments ADD card_number varchar(19), ADD card_holder text, ADD card_expiry text;
UPDATE fresh.payments SET card_number = '4242424242424242';
SELECT order_payment.upgrade_store('fresh');
UPDATE fresh.payments SET card_number = '************4242', card_expiry = '12/30';
SELECT order_payment.upgrade_store('fresh');
UPDATE fresh.payments SET card_expiry = NULL, card_holder = 'Ann Lee';
SELECT order_payment.upgrade_store('fresh');
-- columns that the trigger could not use
UPDATE fresh.payments SET card_holder = NULL;
ALTER TABLE fresh.payments ADD card_number_sealed text;
SELECT order_payment.upgrade_store('fresh');
ALTER TABLE fresh.payments DROP card_number_sealed, ADD card_fingerprint text GENERATED ALWAYS AS (card_number) STORED;
SELECT order_payment.upgrade_store('fresh');
ALTER TABLE fresh.payments DROP card_fingerprint, DROP card_expiry, ADD card_expiry date;
SELECT order_payment.upgrade_store('fresh');
ALTER TABLE fresh.payments DROP card_expiry, ADD card_cvv text;
SELECT order_payment.upgrade_store('fresh');
-- renamed, they are nobody's but the user's; a mask that he wrote is one of a card that nobody has
ALTER TABLE fresh.payments DROP card_cvv;
ALTER TABLE fresh.payments RENAME card_holder TO own_holder;
DROP TABLE fresh.used_card_tokens;
SELECT DISTINCT problem, table_name FROM order_payment.verify_store('fresh') ORDER BY 1, 2;
SELECT * FROM order_payment.upgrade_store('fresh');
SELECT * FROM order_payment.upgrade_store('fresh');
SELECT card_number, card_number_sealed FROM fresh.payments;
SELECT * FROM order_payment.verify_store('fresh');

-- ---------- other key types; partitions ----------

SELECT order_payment.create_store('typed', owner => 'regress_op_owner', order_id_type => 'uuid', customer_id_type => 'text', product_id_type => 'integer');
SELECT * FROM order_payment.upgrade_store('typed');
DROP TABLE typed.payment_operations CASCADE;
SELECT * FROM order_payment.upgrade_store('typed');
SELECT attrelid::regclass, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'order_id' AND attrelid = 'typed.payment_operations'::regclass;

DROP SCHEMA store_1 CASCADE;
\set ECHO none
\i :fixture
\set ECHO all
-- orders and events in partitions, with the keys and triggers that they can have
SET ROLE regress_op_owner;
ALTER TABLE store_1.order_items DROP CONSTRAINT order_items_order_id_fkey;
ALTER TABLE store_1.consumer_offsets DROP CONSTRAINT consumer_offsets_order_id_fkey;
ALTER TABLE store_1.order_events DROP CONSTRAINT order_events_order_id_fkey;
RESET ROLE;
CREATE SCHEMA aside AUTHORIZATION regress_op_owner;
SET ROLE regress_op_owner;
ALTER TABLE store_1.orders SET SCHEMA aside;
ALTER TABLE store_1.order_events SET SCHEMA aside;
CREATE TABLE store_1.orders (LIKE aside.orders INCLUDING ALL EXCLUDING INDEXES, CONSTRAINT orders_pkey PRIMARY KEY (order_id)) PARTITION BY HASH (order_id);
CREATE TABLE store_1.orders_0 PARTITION OF store_1.orders FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE store_1.orders_1 PARTITION OF store_1.orders FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE store_1.order_events (LIKE aside.order_events INCLUDING ALL EXCLUDING INDEXES, CONSTRAINT order_events_pkey PRIMARY KEY (order_id, version)) PARTITION BY HASH (order_id);
CREATE TABLE store_1.order_events_0 PARTITION OF store_1.order_events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE store_1.order_events_1 PARTITION OF store_1.order_events FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT replace(pg_get_triggerdef(oid), ' aside.', ' store_1.') FROM pg_trigger
WHERE tgrelid IN ('aside.orders'::regclass, 'aside.order_events'::regclass) AND NOT tgisinternal
ORDER BY oid
\gexec
GRANT SELECT, INSERT, UPDATE ON store_1.orders TO regress_op_app;
RESET ROLE;
SET session_replication_role = replica;
INSERT INTO store_1.orders SELECT * FROM aside.orders;
INSERT INTO store_1.order_events SELECT * FROM aside.order_events;
RESET session_replication_role;
SELECT * FROM order_payment.upgrade_store('store_1');
SELECT * FROM order_payment.upgrade_store('store_1');
SELECT * FROM order_payment.verify_store('store_1');
UPDATE store_1.orders SET status = 'paid' WHERE order_id = 2;
INSERT INTO store_1.refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 20, 'succeeded' FROM store_1.payments WHERE order_id = 2;
SELECT tableoid::regclass, order_id, status, paid_amount, refunded_amount, version FROM store_1.orders WHERE order_id = 2;
SELECT * FROM order_payment.verify_store('store_1');

RESET timezone;
SET client_min_messages = warning;
DROP SCHEMA store_1, fresh, typed, aside CASCADE;
DROP TABLE before, before_items, before_events;
DROP FUNCTION objects(name);
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM regress_op_dba', current_database()); END $$;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_dba, regress_op_reader;
