-- webhooks: events are told to whom it concerns: which of them, in what order, how often, by whom; what is not taken, given up and sent again.
-- Needs order_payment.root_key_file in postgresql.conf, and openssl and bash where the test is run.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
DROP SCHEMA IF EXISTS webhooks CASCADE;
CREATE ROLE regress_webhook_owner;
CREATE ROLE regress_webhook_app;
CREATE ROLE regress_webhook_gateway;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
SELECT order_payment.create_card_key() IS NOT NULL AS made;
SELECT order_payment.create_store('webhooks', 'EUR', owner => 'regress_webhook_owner', app_role => 'regress_webhook_app', gateway_role => 'regress_webhook_gateway');
RESET client_min_messages;
SET search_path = webhooks, order_payment;
\set VERBOSITY terse
\pset null '-'
SET ROLE regress_webhook_owner;

-- ---------- which are wanted ----------

SELECT event, patterns, is_wanted(event, patterns) FROM (VALUES
	('order.paid', '{*}'::text[]), ('order.paid', '{order.*}'), ('order.paid', '{order.paid}'), ('order.paid', '{*.paid}'), ('order.paid', '{payment.*,order.p*d}'),
	('order.paid', '{payment.*}'), ('order.paid', '{order}'), ('order.paid', '{order.pai}'), ('order.paid', '{Order.Paid}'), ('order.paid', '{}'),
	-- only the star stands for something
	('order.paid', '{order.pai_}'), ('order.paid', '{order%}'), ('order.paid', '{%}'), ('payment.requires_action', '{payment.requires_action}'),
	('payment.requires_action', '{payment.requires-action}'), ('order.paid', '{"order\\.paid"}'), ('a\b', '{"a\\b"}'), ('a%b', '{"a%b"}')) v (event, patterns);

-- ---------- who listens ----------

INSERT INTO gateways (gateway, protocol, endpoint, max_in_flight) VALUES
	('crm', 'standard_webhooks', 'https://crm.example.com/in', 3), ('mail', 'json', 'https://mail.example.com/in', 100), ('mute', 'json', NULL, 10);
INSERT INTO gateways (gateway, protocol) VALUES (repeat('x', 55), 'json'), (repeat('x', 56), 'json');
INSERT INTO webhook_subscribers (subscriber) VALUES ('nobody');
INSERT INTO webhook_subscribers (subscriber) VALUES (repeat('x', 56));
INSERT INTO webhook_subscribers (subscriber, events) VALUES ('crm', '{order.paid,NULL}');
INSERT INTO webhook_subscribers (subscriber, retry_schedule) VALUES ('crm', '{1 s,NULL}');
INSERT INTO webhook_subscribers (subscriber, retry_schedule) VALUES ('crm', '{1 s,-1 s}');
\getenv source PG_ABS_SRCDIR
\set directory `mktemp -d`
SELECT replace(card_public_key('pem'), E'\n', '|') AS pem, card_public_key('jwk')::json ->> 'kid' AS kid \gset
\set done `printf %s :'pem' | tr '|' '\n' >:'directory'/card.pem`
\set seal 'bash ' :source '/test/gateway_secret/seal_secret.sh ' :directory '/card.pem ' :kid ' webhooks'
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal crm standard_webhook_secret`
SELECT count(set_gateway_secret('crm', 'standard_webhook_secret', :'blob'));
\set blob `printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | :seal mail standard_webhook_secret`
SELECT count(set_gateway_secret('mail', 'standard_webhook_secret', :'blob'));
\set done `rm -r :'directory'`

-- ---------- tools ----------

CREATE FUNCTION pg_temp.claim(batch integer DEFAULT 10) RETURNS TABLE (subscriber text, o text, version integer, type text) LANGUAGE sql AS $$
	SELECT subscriber, order_id, version, body::json ->> 'type' FROM order_payment.claim_webhooks(batch, store => 'webhooks') ORDER BY 1, 2, 3
$$;
-- what came back, for what is on its way to a subscriber
CREATE FUNCTION pg_temp.settle(to_whom text, http_status integer, problem text DEFAULT NULL, o text DEFAULT NULL)
	RETURNS TABLE (order_id text, version integer, settled text) LANGUAGE sql AS $$
	SELECT d.order_id::text, d.version, order_payment.settle_webhook(d.subscriber, d.order_id::text, d.event_id, $2, $3, 'webhooks')
	FROM (SELECT * FROM webhooks.webhook_deliveries ORDER BY order_id, version) d
	WHERE d.subscriber = to_whom AND d.state = 'claimed' AND ($4 IS NULL OR d.order_id::text = $4)
$$;
CREATE FUNCTION pg_temp.state() RETURNS TABLE (subscriber text, o text, version integer, state text, attempts integer, pause interval, http_status integer, reason text)
	LANGUAGE sql SECURITY DEFINER AS $$
	SELECT d.subscriber, d.order_id::text, d.version, d.state, d.attempts,
		   CASE WHEN d.state = 'waiting' THEN make_interval(secs => greatest(0, 10 * round(extract(epoch FROM d.next_at - now()) / 10))) END, d.http_status, d.reason
	FROM webhooks.webhook_deliveries d ORDER BY 1, 2, 3
$$;
CREATE FUNCTION pg_temp.pass_time(passed interval) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	UPDATE webhooks.webhook_deliveries SET next_at = next_at - passed, lease_until = lease_until - passed
$$;

-- ---------- from when on ----------

INSERT INTO orders (order_id, price) VALUES (1, 10);
INSERT INTO webhook_subscribers (subscriber, events, retry_schedule) VALUES ('crm', '{order.*,payment.failed}', '{10 s, 1 h}');
INSERT INTO orders (order_id, price) VALUES (2, 10);
UPDATE orders SET status = 'cancelled' WHERE order_id = 1;
SET ROLE regress_webhook_gateway;
-- not of what was before it subscribed
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 200);
SELECT * FROM pg_temp.claim();
-- another one wants all that there ever was
SET ROLE regress_webhook_owner;
INSERT INTO webhook_subscribers (subscriber, subscribed_at, subscribed_xid) VALUES ('mail', '-infinity', '0');
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('mail', 204);
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('mail', 204);
SELECT * FROM pg_temp.claim();
SET ROLE regress_webhook_owner;
UPDATE webhook_subscribers SET active = false WHERE subscriber = 'mail';

-- ---------- what is sent ----------

INSERT INTO orders (order_id, price) VALUES (3, 10.50);
SET ROLE regress_webhook_gateway;
SELECT subscriber, order_id, version, event_id, method, url, headers, body, timeout FROM claim_webhooks() \gset
SELECT :'method' AS method, :'url' AS url, :'timeout' AS timeout, jsonb_object_keys(:'headers');
SELECT :'headers'::jsonb ->> 'webhook-id' = :'event_id' AS same_id, abs((:'headers'::jsonb ->> 'webhook-timestamp')::bigint - extract(epoch FROM now())) < 60 AS now;
SELECT key, CASE WHEN key <> 'timestamp' THEN value END AS value FROM json_each(:'body');
SELECT (:'body'::json ->> 'timestamp')::timestamptz = recorded_at AS same_moment FROM order_events WHERE event_id = :'event_id';
-- anybody who knows the secret may verify it
SELECT verified, reason FROM verify_notification('crm', :'headers', :'body');
SELECT verified, reason FROM verify_notification('crm', :'headers', replace(:'body', 'pending', 'paid')::bytea);
-- at most once at a time, and the same again when it is sent again
SELECT count(*) FROM claim_webhooks();
SELECT * FROM pg_temp.settle('crm', 500);
SELECT pg_temp.pass_time('10 s');
SELECT event_id = :'event_id' AS same_event, body = :'body' AS same_body FROM claim_webhooks();
SELECT * FROM pg_temp.settle('crm', 200);

-- ---------- each order's in their order; nobody waits for another order ----------

SET ROLE regress_webhook_owner;
INSERT INTO payments (order_id, gateway, amount) VALUES (3, 'manual', 10.50);
UPDATE payments SET status = 'failed' WHERE order_id = 3;
INSERT INTO payments (order_id, gateway, amount) VALUES (2, 'manual', 10);
UPDATE payments SET status = 'succeeded' WHERE order_id = 2;
UPDATE orders SET status = 'shipped' WHERE order_id = 2;
SELECT order_id, version, entity, to_status FROM order_events WHERE order_id IN (2, 3) ORDER BY order_id, version;
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 503, o => '3');
SELECT * FROM pg_temp.settle('crm', 200, o => '2');
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 200);
SELECT * FROM pg_temp.claim();
-- what nobody wants is passed over: the end of it is acknowledged
SET ROLE regress_webhook_owner;
INSERT INTO payments (order_id, gateway, amount) VALUES (1, 'manual', 10);
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim();
SELECT o.order_id, o.version = max(e.version) AS at_the_end FROM consumer_offsets o JOIN order_events e USING (order_id) WHERE o.consumer = 'webhook:crm' AND o.order_id <> 3 GROUP BY o.order_id, o.version ORDER BY 1;

-- ---------- what is not taken ----------

SELECT * FROM pg_temp.state();
SELECT pg_temp.pass_time('10 s');
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', NULL, 'no connection');
SELECT * FROM pg_temp.state();
SELECT * FROM pg_temp.claim();
SELECT event_id AS given_up FROM webhook_deliveries \gset
-- (of a random id only the SQLSTATE is shown)
\set VERBOSITY sqlstate
SELECT redeliver_webhook('crm', :'given_up');
\set VERBOSITY terse
SELECT pg_temp.pass_time('1 h');
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 302, repeat('no', 300));
SELECT subscriber, version, state, attempts, pause, http_status, length(reason) FROM pg_temp.state();
SELECT reason = format('event %s was not taken by "crm", and is given up: 302 %s', :'given_up', repeat('no', 250)) AS told, order_id, gateway FROM needs_attention WHERE order_id = 3;
-- that it was not taken is told already
SELECT settle_webhook('crm', '3', :'given_up', 500), settle_webhook('crm', '3', :'given_up', NULL, 'no connection');
BEGIN;
SELECT settle_webhook('crm', '3', :'given_up', 200);
SELECT * FROM pg_temp.state();
ROLLBACK;
-- its order goes on
SET ROLE regress_webhook_owner;
UPDATE orders SET status = 'cancelled' WHERE order_id = 3;
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 200);
-- and it is sent once more when somebody says so
SELECT redeliver_webhook('crm', :'given_up');
SELECT state, attempts, pause, http_status FROM pg_temp.state();
SELECT * FROM pg_temp.claim();
\set VERBOSITY sqlstate
SELECT redeliver_webhook('crm', :'given_up');
\set VERBOSITY terse
SELECT settle_webhook('crm', '3', :'given_up', 200);
SELECT settle_webhook('crm', '3', :'given_up', 200);
\set VERBOSITY sqlstate
SELECT redeliver_webhook('crm', :'given_up');
\set VERBOSITY terse
SELECT * FROM pg_temp.state();
-- what makes no sense
SELECT settle_webhook('nobody', '3', :'given_up', 200);
SELECT settle_webhook('crm', NULL, :'given_up', 200);
\set VERBOSITY sqlstate
SELECT settle_webhook('crm', 'three', :'given_up', 200);
\set VERBOSITY terse
SELECT count(*) FROM claim_webhooks(0);
SELECT count(*) FROM claim_webhooks(NULL);
SELECT count(*) FROM claim_webhooks(store => 'no_such_store');

-- ---------- a subscriber that wants no more ----------

SET ROLE regress_webhook_owner;
INSERT INTO orders (order_id, price) VALUES (4, 10), (5, 10), (6, 10), (7, 10), (8, 10);
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim(1);
SELECT * FROM pg_temp.settle('crm', 410);
SELECT subscriber, active FROM webhook_subscribers ORDER BY 1;
SELECT pg_temp.pass_time('1 h');
SELECT * FROM pg_temp.claim();
SET ROLE regress_webhook_owner;
-- it stays to be seen
SELECT count(*) FROM needs_attention WHERE order_id = 4;
UPDATE webhook_deliveries SET created_at = created_at - interval '1 h';
SELECT replace(a.reason, d.event_id::text, '<event>') AS reason, a.order_id, a.gateway FROM needs_attention a JOIN webhook_deliveries d USING (order_id);
UPDATE webhook_subscribers SET active = true WHERE subscriber = 'crm';
UPDATE gateways SET active = false WHERE gateway = 'crm';
SELECT * FROM pg_temp.claim();
UPDATE gateways SET active = true WHERE gateway = 'crm';

-- ---------- how many at once: batch, and max_in_flight ----------

SET ROLE regress_webhook_gateway;
BEGIN;
SELECT * FROM pg_temp.claim(2);
ROLLBACK;
SELECT * FROM pg_temp.claim(2);
SELECT * FROM pg_temp.claim(2);
SELECT * FROM pg_temp.claim(2);

SET ROLE regress_webhook_owner;
UPDATE gateways SET max_in_flight = 1 WHERE gateway = 'crm';
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim(2);
SET ROLE regress_webhook_owner;
UPDATE gateways SET max_in_flight = 3 WHERE gateway = 'crm';
SET ROLE regress_webhook_gateway;

-- ---------- a sender that dies ----------

SELECT event_id AS slow FROM webhook_deliveries WHERE order_id = 5 \gset
SELECT pg_temp.pass_time('1 h');
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.state();
SELECT claimed_by = session_user AS ours, lease_until BETWEEN clock_timestamp() + interval '30 seconds' AND clock_timestamp() + interval '2 minutes' AS lease FROM webhook_deliveries WHERE order_id = 5;
-- it was only slow: what it says counts, and what the other one says is of the past
SELECT settle_webhook('crm', '5', :'slow', 200), settle_webhook('crm', '5', :'slow', 500);
SELECT * FROM pg_temp.settle('crm', 200);
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 200);
SELECT * FROM pg_temp.state();

-- ---------- what cannot be sent holds up nobody ----------

SET ROLE regress_webhook_owner;
INSERT INTO webhook_subscribers (subscriber, retry_schedule) VALUES ('mute', '{}');
INSERT INTO orders (order_id, price) VALUES (9, 10);
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.state();
SET ROLE regress_webhook_owner;
UPDATE gateways SET endpoint = 'https://mute.example.com' WHERE gateway = 'mute';
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.state();
SELECT * FROM pg_temp.settle('crm', 500);
-- nor does an event that somebody has deleted
RESET ROLE;
SET session_replication_role = replica;
DELETE FROM order_events WHERE order_id = 9;
RESET session_replication_role;
SET ROLE regress_webhook_owner;
DELETE FROM webhook_subscribers WHERE subscriber = 'mute';
INSERT INTO orders (order_id, price) VALUES (10, 10);
SET ROLE regress_webhook_gateway;
SELECT pg_temp.pass_time('1 h');
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.state();
SELECT * FROM pg_temp.settle('crm', 200);

-- ---------- what is next of an order, when one is told or given up ----------

RESET ROLE;
SET ROLE regress_webhook_owner;
DELETE FROM webhook_deliveries;
INSERT INTO orders (order_id, price) VALUES (20, 10);
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim();
-- while one is on its way: one that nobody wants, and two that are wanted
SET ROLE regress_webhook_owner;
INSERT INTO payments (order_id, gateway, amount) VALUES (20, 'manual', 10);
UPDATE payments SET status = 'failed' WHERE order_id = 20;
UPDATE orders SET status = 'cancelled' WHERE order_id = 20;
-- the position does not wait for them
CREATE FUNCTION pg_temp.has_passed(o bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 100 LOOP  -- another session, as autovacuum, may have begun before
		PERFORM claim_webhooks(store => 'webhooks');
		IF (SELECT c.position > max(e.xid) FROM webhooks.event_consumers c, webhooks.order_events e WHERE c.consumer = 'webhook:crm' AND e.order_id = o GROUP BY c.position) THEN
			RETURN true;
		END IF;
		PERFORM pg_sleep(0.1);
	END LOOP;
	RETURN false;
END
$$;
SET ROLE regress_webhook_gateway;
SELECT pg_temp.has_passed(20);
BEGIN;
SELECT * FROM pg_temp.settle('crm', 200);
SELECT o, version, state FROM pg_temp.state();
ROLLBACK;
-- what is wanted from another day on
BEGIN;
SET LOCAL ROLE regress_webhook_owner;
UPDATE webhook_subscribers SET subscribed_at = 'infinity' WHERE subscriber = 'crm';
SET LOCAL ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.settle('crm', 200);
SELECT o, version, state FROM pg_temp.state();
ROLLBACK;
-- given up: the next one is sent; and the one that was given up once more, beside it
SET ROLE regress_webhook_owner;
UPDATE webhook_subscribers SET retry_schedule = '{}' WHERE subscriber = 'crm';
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.settle('crm', 500);
SELECT o, version, state FROM pg_temp.state();
SELECT redeliver_webhook('crm', event_id) FROM webhook_deliveries WHERE state = 'dead';
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 200);
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 200);
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.state();

-- ---------- who may ----------

RESET ROLE;
SET ROLE regress_webhook_owner;
INSERT INTO orders (order_id, price) VALUES (11, 10);
RESET ROLE;
SET ROLE regress_webhook_app;
SELECT count(*) FROM claim_webhooks();
SELECT settle_webhook('crm', '9', :'slow', 200);
SELECT redeliver_webhook('crm', :'slow');
RESET ROLE;
SET ROLE regress_webhook_gateway;
UPDATE gateways SET endpoint = 'https://elsewhere.example.com';
UPDATE webhook_subscribers SET events = '{*}';
INSERT INTO webhook_subscribers (subscriber) VALUES ('mute');
-- a copy of the database tells nobody anything
RESET ROLE;
UPDATE gateway_sender SET system_identifier = system_identifier + 1;
SET ROLE regress_webhook_gateway;
SELECT count(*) FROM claim_webhooks();
RESET ROLE;
UPDATE gateway_sender SET system_identifier = system_identifier - 1, database_id = 1;
SET ROLE regress_webhook_gateway;
SELECT count(*) FROM claim_webhooks();
RESET ROLE;
UPDATE gateway_sender SET database_id = (SELECT oid FROM pg_database WHERE datname = current_database());
SET ROLE regress_webhook_gateway;
SELECT * FROM pg_temp.claim();
SELECT * FROM pg_temp.settle('crm', 200);

-- ---------- keys of another type ----------

RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA webhooks CASCADE;
SELECT create_store('webhooks', 'EUR', order_id_type => 'uuid');
SET search_path = webhooks, order_payment;
RESET client_min_messages;
INSERT INTO gateways (gateway, protocol, endpoint) VALUES ('crm', 'standard_webhooks', 'https://crm.example.com/in');
INSERT INTO webhook_subscribers (subscriber, retry_schedule) VALUES ('crm', '{0 s}');
INSERT INTO orders (order_id, price) VALUES ('00000000-0000-4000-8000-000000000001', 10);
-- without a secret it cannot be signed
SELECT count(*) FROM claim_webhooks();
SELECT order_id, version, state, attempts, reason FROM webhook_deliveries;
SELECT settle_webhook('crm', order_id::text, event_id, 200) FROM webhook_deliveries;
SELECT count(*) FROM webhook_deliveries;

SET client_min_messages = warning;
DROP SCHEMA webhooks CASCADE;
DROP OWNED BY regress_webhook_owner, regress_webhook_app, regress_webhook_gateway;
DROP ROLE regress_webhook_owner, regress_webhook_app, regress_webhook_gateway;
