-- events: the history of orders, its consumers, and what verify_store() finds
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
\set SHOW_CONTEXT never
CREATE ROLE regress_op_owner;
CREATE ROLE regress_op_app;
CREATE ROLE regress_op_gateway;
SELECT order_payment.create_store('events_test', owner => 'regress_op_owner', app_role => 'regress_op_app', gateway_role => 'regress_op_gateway');
RESET client_min_messages;
SET search_path = events_test;
-- entity_id leads to the row: a payment's gateway, an operation's kind
CREATE VIEW history AS
SELECT order_id, version, entity,
       CASE entity WHEN 'payment' THEN (SELECT p.gateway FROM payments p WHERE p.order_id = e.order_id AND p.payment_id = e.entity_id)
                   WHEN 'operation' THEN (SELECT o.kind FROM payment_operations o WHERE o.order_id = e.order_id AND o.operation_id = e.entity_id)
                   ELSE entity_id::text END AS of,
       from_status, to_status, amount,
       CASE actor WHEN session_user THEN 'session user' ELSE actor END AS actor, session_role = session_user AS session, reason, detail
FROM order_events e ORDER BY order_id, version;

-- a birth and changes of status; nothing else makes an event
INSERT INTO orders (order_id, price) VALUES (1, 5);
INSERT INTO order_items (order_id, line_no, price) VALUES (1, 1, 7);
INSERT INTO payments (order_id, gateway, amount, status) VALUES (1, 'cod', 7, 'authorized');
UPDATE orders SET payment_method = 'card', status = status, price = 6 WHERE order_id = 1;
UPDATE payments SET gateway_reference = 'ref', status = status, fee = 0.10, capture_before = '2999-01-01' WHERE order_id = 1;
UPDATE orders SET status = 'paid' WHERE order_id = 1;
TABLE history;
SELECT version, recorded_at >= o.created_at AND recorded_at <= clock_timestamp() AS in_time, xid < pg_current_xact_id() AS done,
       recorded_at >= lag(recorded_at) OVER (ORDER BY e.version) AS ordered
FROM order_events e JOIN (SELECT order_id, created_at FROM orders) o USING (order_id) ORDER BY version;

-- who and why
SET order_payment.actor = 'worker "7"';
SET order_payment.reason = 'parcel handed over, ref ''x''';
UPDATE orders SET status = 'shipped' WHERE order_id = 1;
SET order_payment.reason = '';
SET LOCAL order_payment.actor = 'outside a transaction';
UPDATE orders SET status = 'completed' WHERE order_id = 1;
RESET order_payment.actor;
BEGIN;
SET LOCAL order_payment.reason = 'goodwill';
SET LOCAL ROLE regress_op_app;
INSERT INTO refunds (order_id, payment_id, amount) SELECT order_id, payment_id, amount FROM payments WHERE order_id = 1 AND gateway = 'manual';
SET LOCAL ROLE regress_op_gateway;
UPDATE refunds SET status = 'succeeded' WHERE order_id = 1;
COMMIT;
SELECT version, entity, of, from_status, to_status, amount, actor, session, reason FROM history WHERE order_id = 1 AND version > 5;

-- versions have no gaps: rollback, savepoints, refused moves, two changes in one transaction, subtransactions of PL/pgSQL
INSERT INTO orders (order_id, price) VALUES (2, 5);
BEGIN;
INSERT INTO payments (order_id, gateway, amount, status) VALUES (2, 'cod', 5, 'authorized');
ROLLBACK;
BEGIN;
INSERT INTO payments (order_id, gateway, amount, status) VALUES (2, 'cod', 5, 'authorized');
SAVEPOINT s;
UPDATE orders SET status = 'paid' WHERE order_id = 2;
ROLLBACK TO s;
\set VERBOSITY terse
UPDATE orders SET status = 'completed' WHERE order_id = 2;
ROLLBACK TO s;
UPDATE payments SET status = 'revoked', amount = 6 WHERE order_id = 2;
ROLLBACK TO s;
UPDATE orders SET status = 'pending' WHERE order_id = 2;
RELEASE s;
UPDATE orders SET status = 'paid' WHERE order_id = 2;
COMMIT;
DO $$
BEGIN
  UPDATE events_test.orders SET status = 'expired' WHERE order_id = 2;
EXCEPTION WHEN SQLSTATE 'OP001' THEN
  UPDATE events_test.orders SET status = 'cancelled' WHERE order_id = 2;
END $$;
\set VERBOSITY default
SELECT version, entity, from_status, to_status FROM history WHERE order_id = 2;
SELECT version FROM orders WHERE order_id = 2;
-- an order that was not born leaves no event; an upsert leaves one
INSERT INTO orders (order_id, price) VALUES (2, 5) ON CONFLICT DO NOTHING;
INSERT INTO orders (order_id, price) VALUES (3, 5), (4, 5);
INSERT INTO orders (order_id, price, status) VALUES (3, 5, 'paid'), (5, 5, 'pending') ON CONFLICT (order_id) DO UPDATE SET status = EXCLUDED.status;
INSERT INTO payments (order_id, gateway, amount, status) VALUES (4, 'cod', 5, 'authorized'), (5, 'cod', 5, 'authorized');
SELECT order_id, version, entity, from_status, to_status FROM history WHERE order_id > 2;
-- operation, payment and order, in that order: what one statement has done; late success; a customer who is needed; nothing for what is not born
INSERT INTO orders (order_id, price) VALUES (6, 10), (7, 10);
INSERT INTO payments (order_id, payment_id, gateway, amount) VALUES (6, '00000000-0000-7000-8000-000000000006', 'cod', 10), (7, '00000000-0000-7000-8000-000000000007', 'cod', 10);
INSERT INTO payments (order_id, payment_id, gateway, amount) VALUES (6, '00000000-0000-7000-8000-000000000006', 'cod', 10) ON CONFLICT DO NOTHING;
UPDATE payments SET status = 'authorized' WHERE order_id = 6;
INSERT INTO payment_operations (order_id, payment_id, kind, amount) VALUES (6, '00000000-0000-7000-8000-000000000006', 'capture', 4), (6, '00000000-0000-7000-8000-000000000006', 'capture', 6);
UPDATE payment_operations SET status = 'succeeded' WHERE order_id = 6;
INSERT INTO payment_operations (order_id, payment_id, kind, amount, status) VALUES (6, '00000000-0000-7000-8000-000000000006', 'chargeback', 10, 'succeeded');
UPDATE payment_operations SET status = 'reversed' WHERE order_id = 6 AND kind = 'chargeback';
UPDATE payments SET status = 'failed', contact_needed_at = now() WHERE order_id = 7;
UPDATE payments SET contact_needed_at = now() + interval '1 s' WHERE order_id = 7;
UPDATE payments SET status = 'succeeded' WHERE order_id = 7;
SELECT order_id, version, entity, of, from_status, to_status, amount, detail FROM history WHERE order_id > 5;

-- append-only: for the owner, for a superuser, unless he says so
SET ROLE regress_op_owner;
INSERT INTO order_events SELECT order_id, 99, event_id, entity, entity_id, from_status, to_status, amount, actor, session_role, reason, detail, recorded_at, xid
FROM order_events WHERE order_id = 1 AND version = 1;
UPDATE order_events SET reason = 'forged';
DELETE FROM order_events;
TRUNCATE order_events;
\set VERBOSITY terse
SET order_payment.allow_history_change = on;
RESET ROLE;
INSERT INTO order_events (order_id, version, event_id, entity, to_status, actor, session_role, recorded_at, xid)
  VALUES (1, 99, '00000000-0000-0000-0000-000000000000', 'order', 'paid', 'me', 'me', now(), '1');
UPDATE order_events SET reason = 'forged';
DELETE FROM order_events WHERE order_id = 4;
TRUNCATE order_events;
COPY order_events FROM stdin;
1	99	00000000-0000-0000-0000-000000000000	order	\N	\N	paid	\N	me	me	\N	\N	2026-01-01 00:00:00+00	1
\.
INSERT INTO order_events SELECT * FROM order_events WHERE order_id = 1 ON CONFLICT (order_id, version) DO UPDATE SET reason = 'forged';
BEGIN;
SET LOCAL order_payment.allow_history_change = on;
UPDATE order_events SET reason = 'corrected' WHERE order_id = 4 AND version = 1;
DELETE FROM order_events WHERE order_id = 5;
INSERT INTO order_events (order_id, version, event_id, entity, to_status, actor, session_role, recorded_at, xid)
  VALUES (1, 99, '00000000-0000-0000-0000-000000000000', 'order', 'paid', 'me', 'me', now(), '1');
ROLLBACK;
BEGIN;
SET LOCAL order_payment.allow_history_change = on;
TRUNCATE order_events;
ROLLBACK;
-- a trigger of the owner's on order_events does not get in between, and writes nothing itself
CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO events_test.order_events SELECT NEW.order_id, 50, gen_random_uuid(), 'order', NULL, NULL, 'paid', NULL, 'me', 'me', NULL, NULL, now(), '1';
  RETURN NEW;
END $$;
CREATE TRIGGER a BEFORE INSERT ON order_events FOR EACH ROW EXECUTE FUNCTION forge();
UPDATE orders SET status = 'paid' WHERE order_id = 5;
UPDATE payments SET status = 'succeeded' WHERE order_id = 5;
DROP TRIGGER a ON order_events;
CREATE TRIGGER a AFTER INSERT ON order_events FOR EACH ROW EXECUTE FUNCTION forge();
UPDATE orders SET status = 'paid' WHERE order_id = 5;
UPDATE payments SET status = 'succeeded' WHERE order_id = 5;
DROP TRIGGER a ON order_events;
-- ... nor does it swallow one of several
CREATE OR REPLACE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.entity = 'order' THEN NEW END; END $$;
CREATE TRIGGER a BEFORE INSERT ON order_events FOR EACH ROW EXECUTE FUNCTION forge();
UPDATE payments SET status = 'succeeded' WHERE order_id = 5;
UPDATE orders SET status = 'paid' WHERE order_id = 5;
DROP TRIGGER a ON order_events;
DROP FUNCTION forge();
\set VERBOSITY default
SELECT count(*) AS events, count(*) FILTER (WHERE reason IN ('forged', 'corrected')) AS forged FROM order_events;

-- order_timeline: keys of every type
SELECT version, from_status, to_status, actor = session_user AS me, reason, amount, detail FROM order_payment.order_timeline(2);
SELECT count(*) AS "integer" FROM order_payment.order_timeline(2::smallint, 'events_test');
SELECT count(*) AS "text" FROM order_payment.order_timeline('2');
SELECT count(*) AS "of a column" FROM orders o, order_payment.order_timeline(o.order_id) WHERE o.order_id = 2;
SELECT count(*) AS unknown FROM order_payment.order_timeline(77);
SELECT count(*) AS "null" FROM order_payment.order_timeline(NULL::bigint);
\set VERBOSITY sqlstate
SELECT count(*) FROM order_payment.order_timeline('two; DROP TABLE orders');
\set VERBOSITY default
SET client_min_messages = warning;
SELECT order_payment.create_store('events_uuid', owner => 'regress_op_owner', order_id_type => 'uuid');
SELECT order_payment.create_store('events_text', owner => 'regress_op_owner', order_id_type => 'text');
RESET client_min_messages;
INSERT INTO events_uuid.orders (order_id, price) VALUES ('00000000-0000-4000-8000-000000000001', 1);
INSERT INTO events_text.orders (order_id, price) VALUES ('2', 1), ('it''s', 1);
SELECT version, to_status FROM order_payment.order_timeline('00000000-0000-4000-8000-000000000001'::uuid, 'events_uuid');
SELECT version, to_status FROM order_payment.order_timeline('00000000-0000-4000-8000-000000000001', 'events_uuid');
SELECT version, to_status FROM order_payment.order_timeline('it''s', 'events_text');
SELECT order_id, version FROM order_payment.read_events('c', store => 'events_uuid');
SELECT order_id, version FROM order_payment.read_events('c', 10, 'events_text');

-- read_events and ack_events
SELECT order_id, version, entity, from_status, to_status, actor = session_user AS me, reason FROM order_payment.read_events('mail', 6);
-- again, until acknowledged
SELECT order_id, version, to_status FROM order_payment.read_events('mail', 4);
SELECT order_payment.ack_events('mail', ARRAY(SELECT event_id FROM order_payment.read_events('mail', 2)));
SELECT order_id, version, to_status FROM order_payment.read_events('mail', 4);
-- what is acknowledged twice, or unknown, or of another store, is ignored
SELECT order_payment.ack_events('mail', ARRAY(SELECT event_id FROM order_events WHERE order_id = 1 AND version = 1)),
       order_payment.ack_events('mail', '{00000000-0000-0000-0000-000000000000}'), order_payment.ack_events('mail', '{}'),
       order_payment.ack_events('mail', '{NULL}'), order_payment.ack_events('mail', NULL),
       order_payment.ack_events('mail', ARRAY(SELECT event_id FROM events_text.order_events));
SELECT order_id, version FROM order_payment.read_events('mail', 1);
-- an event acknowledges its predecessors, of its own order only
SELECT order_payment.ack_events('mail', ARRAY(SELECT event_id FROM order_events WHERE order_id = 2 AND version = 3));
SELECT order_id, version FROM order_payment.read_events('mail');
-- another consumer knows nothing of that
SELECT count(*), min(order_id), max(version) FROM order_payment.read_events('stock');
-- reading and acknowledging one by one, two by two ...: all events, each order's in order, none twice
CREATE FUNCTION consume(consumer name, batch integer) RETURNS TABLE (batch_size integer, events bigint, out_of_order bigint, twice bigint, missing bigint, rounds integer)
LANGUAGE plpgsql AS $$
DECLARE
  got uuid[];
  n integer;
BEGIN
  CREATE TEMP TABLE seen (seq serial, order_id text, version integer, event_id uuid) ON COMMIT DROP;
  FOR round IN 1 .. 1000 LOOP
    INSERT INTO seen (order_id, version, event_id)
    SELECT r.order_id, r.version, r.event_id FROM order_payment.read_events(consumer, batch, 'events_test') AS r;
    GET DIAGNOSTICS n = ROW_COUNT;
    EXIT WHEN n = 0;
    IF n > batch THEN RAISE 'more than a batch'; END IF;
    rounds := round;
    got := ARRAY(SELECT s.event_id FROM seen s ORDER BY seq DESC LIMIT n);
    IF order_payment.ack_events(consumer, got, 'events_test') <> n THEN RAISE 'not all acknowledged'; END IF;
  END LOOP;
  batch_size := batch;
  SELECT count(*), count(*) FILTER (WHERE s.version <> s.expected), count(*) - count(DISTINCT s.event_id) INTO events, out_of_order, twice
  FROM (SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY seq) AS expected FROM seen) AS s;
  SELECT count(*) INTO missing FROM events_test.order_events e WHERE NOT EXISTS (SELECT FROM seen s WHERE s.event_id = e.event_id);
  DROP TABLE seen;
  RETURN NEXT;
END $$;
BEGIN;
INSERT INTO orders (order_id, price) SELECT g, 1 FROM generate_series(100, 104) AS g;
INSERT INTO payments (order_id, gateway, amount, status) SELECT g, 'cod', 1, 'authorized' FROM generate_series(100, 104) AS g;
UPDATE orders SET status = 'paid' WHERE order_id >= 102;
COMMIT;
SELECT c.* FROM unnest('{1,2,3,7,100}'::integer[]) AS b, consume(('by ' || b)::name, b) AS c;
-- new events, and only they, come next
UPDATE orders SET status = 'shipped' WHERE order_id = 104;
SELECT order_id, version FROM order_payment.read_events('by 3');
SELECT consumer, "position" > '0' AS moved FROM event_consumers ORDER BY consumer;
-- errors
SELECT order_payment.read_events('mail', 0);
SELECT order_payment.read_events('mail', -1);
SELECT count(*) FROM order_payment.read_events('mail', NULL);
SELECT count(*) FROM order_payment.read_events(NULL);
BEGIN READ ONLY;
\set VERBOSITY sqlstate
SELECT count(*) FROM order_payment.read_events('mail');
\set VERBOSITY default
ROLLBACK;
-- what is rolled back is not acknowledged
BEGIN;
SELECT order_payment.ack_events('by 3', ARRAY(SELECT event_id FROM order_payment.read_events('by 3')));
ROLLBACK;
SELECT order_id, version FROM order_payment.read_events('by 3');
-- the application's role reads as well
SET ROLE regress_op_app;
SELECT order_id, version FROM order_payment.read_events('by 3');
SELECT order_payment.ack_events('by 3', ARRAY(SELECT event_id FROM order_payment.read_events('by 3')));
RESET ROLE;
-- a consumer goes, and its offsets with it
DELETE FROM event_consumers WHERE consumer = 'by 7';
SELECT count(*) AS offsets FROM consumer_offsets WHERE consumer = 'by 7';

-- notify_events: each event once per channel
SELECT order_payment.notify_events('a', 5), order_payment.notify_events('a'), order_payment.notify_events('a');
SELECT order_payment.notify_events() = count(*) AS "all" FROM order_events;
-- long names of channels do not share a consumer
SELECT order_payment.notify_events(repeat('c', 60) || '1', store => 'events_text') AS one, order_payment.notify_events(repeat('c', 60) || '2', store => 'events_text') AS two;
\set VERBOSITY terse
SELECT order_payment.notify_events('', store => 'events_uuid');
SELECT order_payment.notify_events(repeat('c', 64), store => 'events_uuid');
\set VERBOSITY default

-- A restored copy: another system identifier, and xids of the future. All of it is given out once, old events and new ones, to old and new consumers.
SELECT order_payment.ack_events('old', ARRAY(SELECT event_id FROM order_payment.read_events('old', 6)));
BEGIN;
SET LOCAL order_payment.allow_history_change = on;
UPDATE order_events SET xid = (xid::text::bigint + 4000000000000)::text::xid8 WHERE order_id < 103;
COMMIT;
UPDATE event_consumers SET system_identifier = 1;
UPDATE orders SET status = 'shipped' WHERE order_id = 103;
SELECT count(*) = (SELECT count(*) - 6 FROM order_events) AS rest_of_old FROM order_payment.read_events('old', 1000);
SELECT events = (SELECT count(*) - 6 FROM order_events) AS rest_of_old, twice, missing FROM consume('old', 4);
SELECT c.* FROM unnest('{1,4,100}'::integer[]) AS b, consume(('new ' || b)::name, b) AS c;
UPDATE orders SET status = 'completed' WHERE order_id = 103;
UPDATE orders SET status = 'completed' WHERE order_id = 104;
SELECT order_id, version FROM order_payment.read_events('old');
SELECT order_id, version FROM order_payment.read_events('new 4');

-- verify_store: nothing, then each tampering alone, undone by the exception
SELECT * FROM order_payment.verify_store('events_test');
SELECT count(*) FROM order_payment.verify_store();
CREATE FUNCTION tamper(VARIADIC statements text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  statement text;
  result text;
BEGIN
  FOREACH statement IN ARRAY statements LOOP
    EXECUTE statement;
  END LOOP;
  SET LOCAL session_replication_role = origin;
  SELECT string_agg(concat_ws(' / ', problem, table_name, key, column_name, 'stored ' || stored, 'expected ' || expected), E'\n'
                    ORDER BY problem, table_name, key, column_name, expected, stored) INTO result
  FROM order_payment.verify_store('events_test');
  RAISE EXCEPTION USING ERRCODE = 'ZZZZZ', MESSAGE = coalesce(result, 'nothing found');
EXCEPTION
  WHEN SQLSTATE 'ZZZZZ' THEN
    RETURN QUERY SELECT regexp_replace(regexp_replace(f, '\d{4}-\d\d-\d\d [\d:.+-]+', 'a time'), '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'id')
    FROM unnest(string_to_array(SQLERRM, E'\n')) AS f;
  WHEN OTHERS THEN RETURN NEXT SQLSTATE || ': ' || SQLERRM;
END $$;
\pset tuples_only on
\pset format unaligned
SET datestyle = ISO;
-- triggers
SELECT found FROM tamper('ALTER TABLE orders DISABLE TRIGGER zzz_guard_status') AS found WHERE found !~ '^event';
SELECT found FROM tamper('DROP TRIGGER zzz_guard_status ON orders') AS found WHERE found !~ '^event';
SELECT tamper('ALTER TABLE orders ENABLE REPLICA TRIGGER zzz_guard_status_birth');
SELECT found FROM tamper('ALTER TABLE orders DISABLE TRIGGER USER') AS found WHERE found !~ '^event';
SELECT tamper('DROP TRIGGER "000_record_event_update" ON orders');
SELECT tamper('ALTER TABLE order_items DISABLE TRIGGER "000_follow_items"');
SELECT tamper('ALTER TABLE order_events DISABLE TRIGGER "000_append_only", DISABLE TRIGGER "000_append_only_truncate"');
SELECT tamper('DROP TRIGGER zzy_maintain_order ON orders',
              'CREATE TRIGGER zzy_maintain_order BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()');
-- a trigger of the right name that does not do the right thing
SELECT tamper('CREATE OR REPLACE TRIGGER zzy_maintain_order BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_order()');
SELECT tamper('CREATE OR REPLACE TRIGGER zzy_maintain_order BEFORE INSERT OR UPDATE ON orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION order_payment.maintain_order()');
SELECT tamper('CREATE TABLE shadow () INHERITS (orders)', 'CREATE TABLE shadow_events () INHERITS (order_events)');
-- orders
SELECT tamper('SET LOCAL session_replication_role = replica', 'UPDATE orders SET status = ''refunded'', refunded_at = now() WHERE order_id = 4');
SELECT tamper('SET LOCAL order_payment.restore = on', 'UPDATE orders SET version = 7 WHERE order_id = 4');
SELECT found FROM tamper('SET LOCAL order_payment.restore = on', 'UPDATE orders SET shipped_at = NULL WHERE order_id = 1') AS found;
SELECT tamper('SET LOCAL order_payment.restore = on', 'UPDATE orders SET completed_at = NULL WHERE order_id = 103');
SELECT tamper('SET LOCAL order_payment.restore = on', 'INSERT INTO orders (order_id, price, total_amount, created_at) VALUES (900, 1, 1, now())');
SELECT tamper('SET LOCAL session_replication_role = replica', 'DELETE FROM orders WHERE order_id = 100');
-- totals
SELECT tamper('SET LOCAL order_payment.restore = on', 'UPDATE orders SET total_amount = 1 WHERE order_id = 1');
SELECT tamper('SET LOCAL session_replication_role = replica', 'UPDATE orders SET item_count = 2 WHERE order_id = 1');
SELECT tamper('SET LOCAL session_replication_role = replica', 'INSERT INTO order_items (order_id, line_no, price) VALUES (4, 1, 100)');
SELECT found FROM tamper('SET LOCAL session_replication_role = replica', 'DELETE FROM order_items WHERE order_id = 1') AS found;
SELECT found FROM tamper('ALTER TABLE orders DROP CONSTRAINT orders_money_check', 'SET LOCAL order_payment.restore = on',
              'UPDATE orders SET total_amount = 1 WHERE order_id = 4') AS found;
-- events
SELECT tamper('SET LOCAL order_payment.allow_history_change = on', 'DELETE FROM order_events WHERE order_id = 104 AND version = 2');
SELECT tamper('SET LOCAL order_payment.allow_history_change = on', 'DELETE FROM order_events WHERE order_id = 104 AND version = 3');
SELECT tamper('SET LOCAL order_payment.allow_history_change = on', 'DELETE FROM order_events WHERE order_id = 104 AND version = 1');
SELECT tamper('SET LOCAL order_payment.allow_history_change = on', 'DELETE FROM order_events WHERE order_id = 104 AND version > 6');
SELECT tamper('SET LOCAL order_payment.allow_history_change = on', 'DELETE FROM order_events WHERE order_id = 104');
SELECT tamper('SET LOCAL order_payment.allow_history_change = on', 'UPDATE order_events SET to_status = ''cancelled'' WHERE order_id = 4 AND version = 1');
SELECT tamper('SET LOCAL order_payment.allow_history_change = on', 'UPDATE order_events SET to_status = ''completed'' WHERE order_id = 4 AND version = 3');
SELECT tamper('SET LOCAL order_payment.allow_history_change = on', 'UPDATE order_events SET version = 9 WHERE order_id = 4 AND version = 3');
SELECT tamper('SET LOCAL session_replication_role = replica', 'UPDATE orders SET status = ''refunded'', refunded_at = now(), version = 4 WHERE order_id = 4',
              'INSERT INTO order_events SELECT 4, 4, gen_random_uuid(), ''order'', NULL, ''authorized'', ''refunded'', NULL, ''me'', ''me'', NULL, NULL, now(), pg_current_xact_id()');
SELECT tamper('TRUNCATE order_events') LIKE 'OP003%' AS refused;
SELECT count(*) FROM tamper('SET LOCAL order_payment.allow_history_change = on', 'TRUNCATE order_events') AS found WHERE found ~ '^status is not that of the last event / orders';
\pset format aligned
\pset tuples_only off
-- a transaction reads its own events, whatever ended meanwhile
BEGIN;
SELECT count(*) FROM (SELECT order_payment.ack_events('own', (SELECT array_agg(event_id) FROM order_payment.read_events('own', 1000000, 'events_test')), 'events_test')) AS a;
INSERT INTO orders (order_id, price) VALUES (9001, 1);
SELECT order_id, version FROM order_payment.read_events('own', 1, 'events_test');
SAVEPOINT a;
INSERT INTO orders (order_id, price) VALUES (9002, 1);
ROLLBACK TO a;
SELECT order_id, version FROM order_payment.read_events('own', 2, 'events_test');
ROLLBACK;
-- all of it is undone
SELECT * FROM order_payment.verify_store('events_test');

SET search_path = public;
SET client_min_messages = warning;
DROP SCHEMA events_test, events_uuid, events_text CASCADE;
DROP OWNED BY regress_op_owner;
DROP ROLE regress_op_owner, regress_op_app, regress_op_gateway;
