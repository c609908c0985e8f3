/* ---------- webhooks: order_events to whom it concerns ---------- */

/*
 * subscriber	a row of gateways with protocol standard_webhooks or json: its
 *				endpoint is where events go, its secret standard_webhook_secret
 *				signs them; and a row of webhook_subscribers
 * delivery		one event on its way to one subscriber
 *
 * At least once, and each order's events in the order of their versions: the
 * next one goes when the one before was taken, or given up. A delivery that
 * fails is tried again by retry_schedule; at its end it is dead: it stays to be
 * seen, its order goes on, and redeliver_webhook() sends it once more. Other
 * orders wait for none of this.
 *
 * Body and signature are those of Standard Webhooks (standardwebhooks.com):
 * {"type": "order.paid", "timestamp": ..., "data": {...}}, webhook-id is the
 * event_id, the same at each attempt.
 */
CREATE FUNCTION order_payment.create_webhook_tables(store name, order_id_type regtype, partition_by text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

CREATE TABLE %1$I.webhook_subscribers (
	subscriber text NOT NULL,
	active boolean NOT NULL DEFAULT true,
	events text[] NOT NULL DEFAULT '{*}',
	subscribed_at timestamptz NOT NULL DEFAULT now(),
	subscribed_xid xid8 NOT NULL DEFAULT pg_snapshot_xmin(pg_current_snapshot()),
	retry_schedule interval[] NOT NULL DEFAULT
		'{5 seconds, 5 minutes, 30 minutes, 2 hours, 5 hours, 10 hours, 14 hours, 20 hours, 24 hours}',
	CONSTRAINT webhook_subscribers_pkey PRIMARY KEY (subscriber),
	CONSTRAINT webhook_subscribers_subscriber_fkey FOREIGN KEY (subscriber) REFERENCES %1$I.gateways,
	CONSTRAINT webhook_subscribers_subscriber_check CHECK (octet_length(subscriber) BETWEEN 1 AND 55),
	CONSTRAINT webhook_subscribers_events_check CHECK (array_position(events, NULL) IS NULL),
	CONSTRAINT webhook_subscribers_retry_schedule_check CHECK (
		array_position(retry_schedule, NULL) IS NULL AND NOT '0' > ANY (retry_schedule))
);

CREATE TABLE %1$I.webhook_deliveries (
	subscriber text NOT NULL,
	order_id %2$s NOT NULL,
	version integer NOT NULL,
	event_id uuid NOT NULL,
	state text NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	claimed_by text,
	lease_until timestamptz,
	next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	http_status integer,
	reason text,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (order_id, subscriber, version),
	CONSTRAINT webhook_deliveries_subscriber_fkey FOREIGN KEY (subscriber) REFERENCES %1$I.webhook_subscribers ON DELETE CASCADE,
	CONSTRAINT webhook_deliveries_state_check CHECK (state IN ('claimed', 'waiting', 'dead'))
) %3$s;
CREATE INDEX webhook_deliveries_open_idx ON %1$I.webhook_deliveries (subscriber, state, next_at);

COMMENT ON TABLE %1$I.webhook_subscribers IS 'who is told of order_events by HTTPS: rows of gateways whose endpoint and secret are used. Kept by the owner';
COMMENT ON COLUMN %1$I.webhook_subscribers.events IS 'which: entity.status, as order.paid; * stands for any text, as in payment.*, and {*} for all';
COMMENT ON COLUMN %1$I.webhook_subscribers.subscribed_at IS 'events from then on; for all that there are, make it -infinity, and subscribed_xid 0';
COMMENT ON COLUMN %1$I.webhook_subscribers.subscribed_xid IS 'before which no event is looked at';
COMMENT ON COLUMN %1$I.webhook_subscribers.retry_schedule IS 'how long after each failure a delivery is tried again; after the last it is dead';
COMMENT ON TABLE %1$I.webhook_deliveries IS 'events on their way to subscribers, and those that were given up (dead). Written by claim_webhooks() and settle_webhook(); a delivery that was taken is deleted; the owner deletes dead ones';

	$ddl$, store, order_id_type, partition_by);
END
$$;
COMMENT ON FUNCTION order_payment.create_webhook_tables(name, regtype, text) IS
	'makes webhook_subscribers and webhook_deliveries in a schema. Called by create_store()';

CREATE FUNCTION order_payment.is_wanted(event_type text, patterns text[]) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT event_type LIKE ANY (SELECT replace(regexp_replace(p.pattern, '([\\%_])', '\\\1', 'g'), '*', '%') FROM unnest(patterns) p (pattern));
END;
COMMENT ON FUNCTION order_payment.is_wanted(text, text[]) IS 'is a type of events among those that a subscriber asked for?';

/* ---------- taking events ---------- */

CREATE TYPE order_payment.claimed_webhook AS (
	subscriber text,
	order_id text,
	version integer,
	event_id uuid,
	method text,
	url text,
	headers jsonb,
	body text,
	timeout interval
);
COMMENT ON TYPE order_payment.claimed_webhook IS
	'what claim_webhooks() returns: a request to send after COMMIT, and to settle by settle_webhook()';

/*
 * A subscriber is a consumer of events (event.sql), with a difference: an order
 * with a delivery on its way is done with, for settle_webhook() looks for its
 * next event. So the position goes on, however long a subscriber is down. Both
 * hold the consumer, that none of them looks at what the other is changing.
 */
CREATE FUNCTION order_payment.hold_subscriber(subscriber text, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT FROM %I.event_consumers c WHERE c.consumer = $1 FOR NO KEY UPDATE', store) USING 'webhook:' || subscriber;
END
$$;
COMMENT ON FUNCTION order_payment.hold_subscriber(text, name) IS
	'locks the consumer that a subscriber is. For claim_webhooks() and settle_webhook()';

/* What nobody wants is passed over. */
CREATE FUNCTION order_payment.queue_webhooks(subscriber record, limit_ integer, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	consumer CONSTANT name := 'webhook:' || subscriber.subscriber;
	look record;
	open_events text;
BEGIN
	-- a new one begins where it subscribed, and does not read all history
	EXECUTE format('INSERT INTO %I.event_consumers (consumer, position, foreign_position, system_identifier)
					SELECT $1, $2, NULL, c.system_identifier FROM pg_control_system() c
					ON CONFLICT (consumer) DO NOTHING', store) USING consumer, subscriber.subscribed_xid;
	look := order_payment.open_consumer(consumer, store);
	open_events := format('SELECT e.* FROM (%s) e WHERE NOT EXISTS (SELECT FROM %I.webhook_deliveries d
								WHERE d.order_id = e.order_id AND d.subscriber = %L AND d.state <> ''dead'')',
						  look.outstanding, store, subscriber.subscriber);
	EXECUTE format($query$

WITH oldest AS (
	SELECT e.order_id, e.version FROM (%1$s) e ORDER BY e.xid, e.order_id, e.version LIMIT 10 * $2 + 100
), chosen AS (
	SELECT c.order_id, max(c.version) AS version FROM oldest c GROUP BY c.order_id
), heads AS (
	SELECT c.order_id, c.version AS seen, w.version, w.event_id, w.recorded_at
	FROM chosen c
	LEFT JOIN %2$I.consumer_offsets o ON o.order_id = c.order_id AND o.consumer = $3
	LEFT JOIN LATERAL (
		SELECT e.version, e.event_id, e.recorded_at FROM %2$I.order_events e
		WHERE e.order_id = c.order_id AND e.version > coalesce(o.version, 0) AND e.recorded_at >= $4
		  AND order_payment.is_wanted(e.entity || '.' || e.to_status, $5)
		ORDER BY e.version LIMIT 1) w ON true
), queued AS (
	INSERT INTO %2$I.webhook_deliveries (order_id, subscriber, version, event_id, state)
	SELECT h.order_id, $1, h.version, h.event_id, 'waiting' FROM heads h
	WHERE h.version IS NOT NULL ORDER BY h.recorded_at, h.event_id LIMIT $2
	ON CONFLICT DO NOTHING)
INSERT INTO %2$I.consumer_offsets AS o (order_id, consumer, version)
SELECT h.order_id, $3, h.seen FROM heads h WHERE h.version IS NULL
ON CONFLICT (order_id, consumer) DO UPDATE SET version = greatest(o.version, excluded.version)

	$query$, open_events, store) USING subscriber.subscriber, limit_, consumer, subscriber.subscribed_at, subscriber.events;
	PERFORM order_payment.move_position(consumer, look, open_events, store);
END
$$;
COMMENT ON FUNCTION order_payment.queue_webhooks(record, integer, name) IS
	'makes deliveries of events that are to be told to a subscriber now, the oldest first, at most one of each order. For claim_webhooks()';

CREATE FUNCTION order_payment.sign_webhook(subscriber record, order_id text, version integer, store name)
	RETURNS order_payment.claimed_webhook
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment CONSTANT bigint := extract(epoch FROM clock_timestamp())::bigint;
	signed record;
	claimed order_payment.claimed_webhook;
BEGIN
	EXECUTE format('SELECT e.event_id, json_build_object(
						''type'', e.entity || ''.'' || e.to_status,
						''timestamp'', to_char(e.recorded_at AT TIME ZONE ''UTC'', ''YYYY-MM-DD"T"HH24:MI:SS.US"Z"''),
						''data'', json_build_object(''order_id'', e.order_id::text, ''version'', e.version, ''entity'', e.entity,
							''entity_id'', e.entity_id, ''from_status'', e.from_status, ''to_status'', e.to_status,
							''amount'', e.amount::text, ''detail'', e.detail))::text
					FROM %I.order_events e WHERE e.order_id = %L AND e.version = $1', store, order_id)
		INTO claimed.event_id, claimed.body USING version;
	IF claimed.event_id IS NULL THEN
		RAISE EXCEPTION 'the event is no more' USING ERRCODE = 'no_data_found';
	END IF;
	signed := order_payment.sign_for_gateway(subscriber.subscriber, 'standard_webhook_secret',
		convert_to(format('%s.%s.%s', claimed.event_id, moment, claimed.body), 'UTF8'), store);
	claimed.subscriber := subscriber.subscriber;
	claimed.order_id := order_id;
	claimed.version := version;
	claimed.method := 'POST';
	claimed.url := subscriber.endpoint;
	claimed.headers := jsonb_build_object('Content-Type', 'application/json', 'webhook-id', claimed.event_id,
		'webhook-timestamp', moment::text, 'webhook-signature', 'v1,' || signed.signature);
	claimed.timeout := subscriber.request_timeout;
	RETURN claimed;
END
$$;
COMMENT ON FUNCTION order_payment.sign_webhook(record, text, integer, name) IS
	'the request that tells a subscriber of an event. For claim_webhooks()';

/* In a subtransaction: what cannot be signed is a delivery that failed, and holds up no other subscriber. */
CREATE FUNCTION order_payment.try_webhook(subscriber record, due record, store name) RETURNS order_payment.claimed_webhook
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	code text;
BEGIN
	RETURN order_payment.sign_webhook(subscriber, due.order_id, due.version, store);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
	IF order_payment.is_transient(code) THEN
		RAISE;
	END IF;
	PERFORM order_payment.settle_webhook(subscriber.subscriber, due.order_id, due.event_id, NULL,
										 order_payment.reason_of(code, sqlerrm, NULL), store);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION order_payment.try_webhook(record, record, name) IS
	'the request that tells a subscriber of an event; null if it cannot be made, which is then settled as a failure. For claim_webhooks()';

CREATE FUNCTION order_payment.claim_webhooks(batch integer DEFAULT 10, sender text DEFAULT session_user,
											 store name DEFAULT order_payment.current_store())
	RETURNS SETOF order_payment.claimed_webhook
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	room integer;
	subscriber record;
	due record;
	claimed order_payment.claimed_webhook;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	PERFORM order_payment.require_sender(store);
	FOR subscriber IN EXECUTE format(
		'SELECT s.subscriber, s.events, s.subscribed_at, s.subscribed_xid, g.endpoint, g.request_timeout, g.max_in_flight
		 FROM %1$I.webhook_subscribers s JOIN %1$I.gateways g ON g.gateway = s.subscriber
		 WHERE s.active AND g.active AND g.endpoint IS NOT NULL ORDER BY s.subscriber', store)
	LOOP
		PERFORM order_payment.hold_subscriber(subscriber.subscriber, store);
		-- whose sender has died
		EXECUTE format('UPDATE %I.webhook_deliveries d SET state = ''waiting'', reason = ''the lease ended''
						WHERE d.subscriber = $1 AND d.state = ''claimed'' AND d.lease_until < clock_timestamp()', store)
			USING subscriber.subscriber;
		EXECUTE format('SELECT $2 - count(*) FROM %I.webhook_deliveries d WHERE d.subscriber = $1 AND d.state = ''claimed''', store)
			INTO room USING subscriber.subscriber, subscriber.max_in_flight;
		CONTINUE WHEN room <= 0;
		PERFORM order_payment.queue_webhooks(subscriber, least(room, batch), store);
		FOR due IN EXECUTE format(
			'UPDATE %1$I.webhook_deliveries d
			 SET state = ''claimed'', attempts = d.attempts + 1, claimed_by = $3, lease_until = order_payment.lease_end($4)
			 FROM (SELECT w.order_id, w.version FROM %1$I.webhook_deliveries w
				   WHERE w.subscriber = $1 AND w.state = ''waiting'' AND w.next_at <= clock_timestamp()
				   ORDER BY w.next_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) w
			 WHERE d.subscriber = $1 AND d.order_id = w.order_id AND d.version = w.version
			 RETURNING d.order_id::text AS order_id, d.version, d.event_id', store)
			USING subscriber.subscriber, least(room, batch), coalesce(sender, session_user), subscriber.request_timeout
		LOOP
			claimed := order_payment.try_webhook(subscriber, due, store);
			CONTINUE WHEN claimed.event_id IS NULL;
			RETURN NEXT claimed;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.claim_webhooks(integer, text, name) IS
	'takes events that are to be told to subscribers now, at most batch for each, signed. COMMIT, send them by HTTPS, and tell by settle_webhook() what came back. 55000 in a copy of the database. For roles that may record outcomes';

/* ---------- what came back ---------- */

/* Told, or given up: the next event of its order is next. */
CREATE FUNCTION order_payment.end_webhook(subscriber text, order_id text, version integer, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('INSERT INTO %I.consumer_offsets AS o (order_id, consumer, version) VALUES (%L, $1, $2)
					ON CONFLICT (order_id, consumer) DO UPDATE SET version = greatest(o.version, excluded.version)', store, order_id)
		USING 'webhook:' || subscriber, version;
	EXECUTE format('INSERT INTO %1$I.webhook_deliveries (order_id, subscriber, version, event_id, state)
					SELECT e.order_id, s.subscriber, e.version, e.event_id, ''waiting''
					FROM %1$I.order_events e
					JOIN %1$I.consumer_offsets o ON o.order_id = e.order_id AND o.consumer = $2
					JOIN %1$I.webhook_subscribers s ON s.subscriber = $1
					WHERE e.order_id = %2$L AND e.version > o.version AND e.recorded_at >= s.subscribed_at
					  AND order_payment.is_wanted(e.entity || ''.'' || e.to_status, s.events)
					ORDER BY e.version LIMIT 1
					ON CONFLICT DO NOTHING', store, order_id) USING subscriber, 'webhook:' || subscriber;
END
$$;
COMMENT ON FUNCTION order_payment.end_webhook(text, text, integer, name) IS
	'notes that an event was told to a subscriber, or given up, and makes the delivery of the next one of its order. For settle_webhook()';

/* 2xx: taken. 410: the subscriber wants no more. All else is tried again. */
CREATE FUNCTION order_payment.settle_webhook(subscriber text, order_id text, event_id uuid, http_status integer DEFAULT NULL,
											 problem text DEFAULT NULL, store name DEFAULT order_payment.current_store())
	RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	delivery record;
	pause interval;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.hold_subscriber(subscriber, store);
	EXECUTE format('SELECT d.state, d.version, d.attempts, s.retry_schedule
					FROM %1$I.webhook_deliveries d JOIN %1$I.webhook_subscribers s ON s.subscriber = d.subscriber
					WHERE d.order_id = %2$L AND d.subscriber = $1 AND d.event_id = $2 FOR NO KEY UPDATE OF d', store, order_id)
		INTO delivery USING subscriber, event_id;
	IF delivery.state IS NULL OR delivery.state = 'dead' AND http_status BETWEEN 200 AND 299 IS NOT TRUE THEN
		RETURN 'stale';
	ELSIF http_status BETWEEN 200 AND 299 THEN
		EXECUTE format('DELETE FROM %I.webhook_deliveries d WHERE d.order_id = %L AND d.subscriber = $1 AND d.event_id = $2', store, order_id)
			USING subscriber, event_id;
		PERFORM order_payment.end_webhook(subscriber, order_id, delivery.version, store);
		RETURN 'delivered';
	ELSIF http_status = 410 THEN
		EXECUTE format('UPDATE %I.webhook_subscribers s SET active = false WHERE s.subscriber = $1', store) USING subscriber;
	END IF;
	pause := delivery.retry_schedule[delivery.attempts];
	EXECUTE format('UPDATE %I.webhook_deliveries d
					SET state = $3, next_at = clock_timestamp() + coalesce($4, ''0''), http_status = $5, reason = left($6, 500)
					WHERE d.order_id = %L AND d.subscriber = $1 AND d.event_id = $2', store, order_id)
		USING subscriber, event_id, CASE WHEN pause IS NULL THEN 'dead' ELSE 'waiting' END, pause, http_status, problem;
	IF pause IS NULL THEN
		PERFORM order_payment.end_webhook(subscriber, order_id, delivery.version, store);
		RETURN 'dead';
	END IF;
	RETURN 'waiting';
END
$$;
COMMENT ON FUNCTION order_payment.settle_webhook(text, text, uuid, integer, text, name) IS
	'tells what became of a delivery that claim_webhooks() returned: the HTTP status, or null and the problem. 2xx: delivered; else waiting, or dead at the end of retry_schedule; 410 switches the subscriber off. For roles that may record outcomes';

CREATE FUNCTION order_payment.redeliver_webhook(subscriber text, event_id uuid, store name DEFAULT order_payment.current_store())
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_dead boolean;
BEGIN
	PERFORM order_payment.require_store(store);
	EXECUTE format('UPDATE %I.webhook_deliveries d SET state = ''waiting'', attempts = 0
					WHERE d.subscriber = $1 AND d.event_id = $2 AND d.state = ''dead'' RETURNING true', store)
		INTO is_dead USING subscriber, event_id;
	IF is_dead IS NULL THEN
		RAISE EXCEPTION 'no delivery of event % to "%" was given up', event_id, subscriber
			USING ERRCODE = 'no_data_found', HINT = format('They are the rows of %I.webhook_deliveries in state dead; those that are waiting are sent at their next_at.', store);
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.redeliver_webhook(text, uuid, name) IS
	'sends a dead delivery once more, as if it were new. P0002 if there is none';
