-- Events are stored without a statement where order_events is as create_store() made it, and by an INSERT where somebody changed it: nobody should see a difference.
CREATE ROLE regress_append_owner;
GRANT CREATE ON DATABASE contrib_regression TO regress_append_owner;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SELECT order_payment.create_store('append', owner => 'regress_append_owner');
INSERT INTO append.gateways VALUES ('g');
-- one order from birth to shipped, after a change of the table; the error or the events; all of it is taken back
CREATE FUNCTION history(change text) RETURNS TABLE (result text) LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
BEGIN
  IF change <> '' THEN
    EXECUTE change;
  END IF;
  INSERT INTO append.orders (price) VALUES (5) RETURNING order_id INTO id;
  INSERT INTO append.payments (order_id, gateway, amount) VALUES (id, 'g', 5);
  UPDATE append.payments SET status = 'succeeded' WHERE order_id = id;
  UPDATE append.orders SET status = 'shipped' WHERE order_id = id;
  SELECT string_agg(concat_ws(' ', e.version, e.entity, e.from_status, e.to_status, e.amount, e.reason, to_jsonb(e) -> 'note'), ', ' ORDER BY e.version)
  INTO result FROM append.order_events e WHERE e.order_id = id;
  RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';
EXCEPTION
  WHEN SQLSTATE 'ZZZZZ' THEN RETURN NEXT;
  WHEN OTHERS THEN
    result := SQLSTATE || ': ' || SQLERRM;
    RETURN NEXT;
END $$;
CREATE FUNCTION speak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.reason := concat(NEW.reason, '(', tg_name, ')'); RETURN NEW; END $$;
CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', tg_op; END $$;
SET order_payment.reason = 'why';
SELECT * FROM history('');
-- columns
SELECT * FROM history('ALTER TABLE append.order_events ADD note text');
SELECT * FROM history('ALTER TABLE append.order_events ADD note text DEFAULT ''default''');
SELECT * FROM history('ALTER TABLE append.order_events ADD note text GENERATED ALWAYS AS (entity || ''!'') STORED');
SELECT * FROM history('ALTER TABLE append.order_events ADD note text NOT NULL');
SELECT * FROM history('ALTER TABLE append.order_events ADD gone text; ALTER TABLE append.order_events DROP gone, ADD note text');
SELECT * FROM history('ALTER TABLE append.order_events ALTER detail SET NOT NULL');
SELECT * FROM history('ALTER TABLE append.order_events ALTER amount TYPE numeric(10, 3)');
SELECT * FROM history('ALTER TABLE append.order_events ALTER amount TYPE numeric(1, 1)');
SELECT * FROM history('ALTER TABLE append.order_events ALTER entity TYPE varchar');
SELECT * FROM history('ALTER TABLE append.order_events ALTER entity TYPE varchar(2)');
SELECT * FROM history('ALTER TABLE append.order_events ALTER order_id TYPE integer');
SELECT * FROM history('ALTER TABLE append.order_events RENAME order_id TO o; ALTER TABLE append.order_events RENAME o TO order_id');
SELECT * FROM history('ALTER TABLE append.order_events DROP actor');
-- a domain has a default of its own, or refuses NULL; it may do so later
SELECT * FROM history('CREATE DOMAIN append.noted AS text DEFAULT ''default''; ALTER TABLE append.order_events ADD note append.noted');
SELECT * FROM history('CREATE DOMAIN append.noted AS text; ALTER TABLE append.order_events ADD note append.noted; ALTER DOMAIN append.noted SET DEFAULT ''later''');
SELECT * FROM history('CREATE DOMAIN append.noted AS text CHECK (VALUE IS NOT NULL); ALTER TABLE append.order_events ADD note append.noted');
SELECT * FROM history('ALTER TABLE append.order_events ALTER version ADD GENERATED ALWAYS AS IDENTITY');
SELECT * FROM history('ALTER TABLE append.order_events ADD note integer GENERATED ALWAYS AS IDENTITY');
-- constraints, indexes, rules, policies
SELECT * FROM history('ALTER TABLE append.order_events ADD CHECK (entity <> ''payment'')');
SELECT * FROM history('CREATE UNIQUE INDEX once ON append.order_events (order_id, (entity))');
SELECT * FROM history('CREATE UNIQUE INDEX once ON append.order_events (order_id) WHERE entity = ''payment'' AND to_status <> ''created''');
SELECT * FROM history('ALTER TABLE append.order_events ADD UNIQUE (order_id, entity) DEFERRABLE INITIALLY IMMEDIATE');
SELECT * FROM history('ALTER TABLE append.order_events ADD EXCLUDE USING btree (order_id WITH =, entity WITH =)');
SELECT * FROM history('CREATE RULE never AS ON INSERT TO append.order_events DO INSTEAD NOTHING');
SELECT * FROM history('ALTER TABLE append.order_events ENABLE ROW LEVEL SECURITY');
SELECT * FROM history('ALTER TABLE append.order_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
CREATE TABLE other (order_id bigint PRIMARY KEY);
SELECT * FROM history('ALTER TABLE append.order_events ADD FOREIGN KEY (order_id) REFERENCES other');
SELECT * FROM history('ALTER TABLE append.orders ADD other integer UNIQUE; ALTER TABLE append.order_events ADD FOREIGN KEY (version) REFERENCES append.orders (other)');
SELECT * FROM history('ALTER TABLE append.order_events DROP CONSTRAINT order_events_order_id_fkey, ADD FOREIGN KEY (order_id) REFERENCES append.orders DEFERRABLE INITIALLY DEFERRED');
-- what the owner may do
SELECT * FROM history('REVOKE INSERT ON append.order_events FROM regress_append_owner');
SELECT * FROM history('REVOKE USAGE ON SCHEMA append FROM regress_append_owner');
-- triggers
SELECT * FROM history('CREATE TRIGGER speak BEFORE INSERT ON append.order_events FOR EACH ROW EXECUTE FUNCTION speak()');
SELECT * FROM history('CREATE TRIGGER forbid AFTER INSERT ON append.order_events FOR EACH ROW EXECUTE FUNCTION forbid()');
SELECT * FROM history('CREATE TRIGGER forbid BEFORE INSERT ON append.order_events EXECUTE FUNCTION forbid()');
SELECT * FROM history('CREATE TRIGGER forbid AFTER INSERT ON append.order_events REFERENCING NEW TABLE AS born EXECUTE FUNCTION forbid()');
SELECT * FROM history('CREATE TRIGGER forbid BEFORE UPDATE OR DELETE ON append.order_events FOR EACH ROW EXECUTE FUNCTION forbid()');
SELECT * FROM history('ALTER TABLE append.order_events DISABLE TRIGGER "000_append_only"');
SELECT * FROM history('DROP TRIGGER "000_append_only" ON append.order_events');
-- the order is gone, or is another, before its event is written
CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM append.orders WHERE order_id = NEW.order_id; RETURN NULL; END $$;
CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE append.orders SET payment_method = 'card' WHERE order_id = NEW.order_id; RETURN NULL; END $$;
SELECT * FROM history('CREATE TRIGGER "0" AFTER INSERT ON append.orders FOR EACH ROW EXECUTE FUNCTION vanish()');
SELECT * FROM history('CREATE TRIGGER "0" AFTER INSERT ON append.orders FOR EACH ROW EXECUTE FUNCTION turn()');
-- as the changes were taken back, all is as before; another column list in the same session too
SELECT * FROM history('');
-- a history that is partitioned, and a key that is no number
SELECT * FROM history($$
  CREATE TABLE append.parted (LIKE append.order_events INCLUDING ALL, FOREIGN KEY (order_id) REFERENCES append.orders) PARTITION BY HASH (order_id);
  CREATE TABLE append.part PARTITION OF append.parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
  CREATE TRIGGER "000_append_only" BEFORE INSERT OR UPDATE OR DELETE ON append.parted FOR EACH ROW EXECUTE FUNCTION order_payment.append_only();
  DROP TABLE append.order_events CASCADE;
  ALTER TABLE append.parted RENAME TO order_events;
  ALTER TABLE append.order_events OWNER TO regress_append_owner $$);
SELECT order_payment.create_store('append_text', owner => 'regress_append_owner', order_id_type => 'text');
INSERT INTO append_text.orders (order_id, price) VALUES ('a', 5);
ALTER TABLE append_text.order_events RENAME TO order_events_1;
SELECT order_id, version, entity, to_status, reason FROM append_text.order_events_1;
-- what is stored is found by every index, and is as it would have been
SET enable_seqscan = off;
INSERT INTO append.orders (price) SELECT i FROM generate_series(1, 1000) AS i;
SELECT count(*), count(DISTINCT event_id), count(DISTINCT xid), bool_and(actor = session_user), bool_and(session_role = session_user) FROM append.order_events WHERE version = 1;
SELECT count(*) FROM append.orders o WHERE NOT EXISTS (SELECT FROM append.order_events e WHERE e.order_id = o.order_id AND e.version = 1);
SELECT count(*) FROM append.order_events WHERE xid = pg_current_xact_id();
RESET enable_seqscan;
DROP SCHEMA append, append_text CASCADE;
DROP TABLE other;
DROP FUNCTION history, speak, forbid, vanish, turn;
REVOKE CREATE ON DATABASE contrib_regression FROM regress_append_owner;
DROP OWNED BY regress_append_owner;
DROP ROLE regress_append_owner;
