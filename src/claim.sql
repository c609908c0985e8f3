/* ---------- requests to gateways: taking one to send ---------- */

/*
 * claim		takes a row of open_work: in one transaction the payment or operation
 *				goes to processing, and the request is made and written down. It is
 *				sent after COMMIT, never before
 * lease		how long who claimed it has to settle it. After that it is lost: it
 *				may have been sent, and what became of it is asked for
 * sender		who calls: the worker, or a program of the user's
 * breaker		of a gateway: open after failures in a row, so that nothing is sent
 *				for a while; then one request tries
 *
 * Nothing is sent twice: a payment or operation is claimed under its lock, once;
 * what became unknown is queried, and goes nowhere but by what the gateway says.
 * Nothing is waited for: what another session holds is left for the next call,
 * but for who writes down first which server sends (sender.sql).
 */

/* Time to settle what was waited for as long as may be. */
CREATE FUNCTION order_payment.lease_end(request_timeout interval) RETURNS timestamptz
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT clock_timestamp() + request_timeout + interval '30 seconds';
END;
COMMENT ON FUNCTION order_payment.lease_end(interval) IS
	'until when somebody who claims something now has to settle it. For claim_requests() and claim_webhooks()';

/* ---------- how much at once ---------- */

/* How many failures a gateway has had in a row, and when the last one was. */
CREATE FUNCTION order_payment.gateway_failures(gateway text, store name, OUT n integer, OUT last_at timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($query$

WITH latest AS (
	SELECT r.settled_at, r.state <> 'answered' OR r.http_status >= 500 AS failed
	FROM %I.gateway_requests r
	WHERE r.gateway = $1 AND r.settled_at IS NOT NULL AND r.state <> 'refused'
	ORDER BY r.settled_at DESC LIMIT 20)
SELECT count(*), max(l.settled_at) FROM latest l
WHERE l.settled_at > coalesce((SELECT max(g.settled_at) FROM latest g WHERE NOT g.failed), '-infinity')

	$query$, store) INTO n, last_at USING gateway;
END
$$;
COMMENT ON FUNCTION order_payment.gateway_failures(text, name) IS
	'failures of a gateway since its last answer, of the last 20 requests: not sent, lost, or answered by 5xx';

/* Five failures open it for ten seconds, each further one for twice as long, at most ten minutes. */
CREATE FUNCTION order_payment.breaker_until(failures integer, last_at timestamptz) RETURNS timestamptz
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN failures >= 5 THEN last_at + least(interval '10 minutes', interval '10 seconds' * 2 ^ (failures - 5)) END;
END;
COMMENT ON FUNCTION order_payment.breaker_until(integer, timestamptz) IS
	'until when nothing is sent to a gateway that fails; null: the breaker is closed';

/*
 * Who claims for a gateway has it to himself until COMMIT: else two would each
 * fill the same room. Nobody waits for that; the next call finds it free.
 */
CREATE FUNCTION order_payment.hold_gateway(gateway text, store name) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pg_try_advisory_xact_lock(hashtextextended(format('order_payment %I %s', store, gateway), 0));
END;
COMMENT ON FUNCTION order_payment.hold_gateway(text, name) IS
	'keeps other sessions from claiming for a gateway until the transaction ends; false if one does so now. For claim_requests()';

CREATE FUNCTION order_payment.gateway_room(gateway text, max_in_flight integer, max_per_second integer, store name)
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	failures record;
	in_flight integer;
	recent integer;
BEGIN
	IF NOT order_payment.hold_gateway(gateway, store) THEN
		RETURN 0;
	END IF;
	EXECUTE format('SELECT count(*) FROM %I.gateway_requests r WHERE r.gateway = $1 AND r.state = ''claimed''', store)
		INTO in_flight USING gateway;
	IF max_per_second IS NOT NULL THEN
		EXECUTE format('SELECT count(*) FROM %I.gateway_requests r
						WHERE r.gateway = $1 AND r.claimed_at > clock_timestamp() - interval ''1 second''
						  AND r.state <> ''refused''', store)
			INTO recent USING gateway;
	END IF;
	failures := order_payment.gateway_failures(gateway, store);
	IF order_payment.breaker_until(failures.n, failures.last_at) > clock_timestamp() THEN
		RETURN 0;
	ELSIF failures.n >= 5 THEN
		RETURN greatest(0, 1 - in_flight);
	END IF;
	RETURN greatest(0, least(max_in_flight - in_flight, max_per_second - recent));
END
$$;
COMMENT ON FUNCTION order_payment.gateway_room(text, integer, integer, name) IS
	'how many more requests a gateway may be sent now: by what is under way, by the rate, and by its breaker; 0 while another session claims for it. For claim_requests()';

CREATE FUNCTION order_payment.gateways_with_room(store name) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gateways jsonb;
BEGIN
	EXECUTE format($query$

SELECT coalesce(jsonb_object_agg(g.gateway, g.room) FILTER (WHERE g.room > 0), '{}')
FROM (SELECT g.gateway, order_payment.gateway_room(g.gateway, g.max_in_flight, g.max_per_second, %2$L) AS room
	  FROM %1$I.gateways g
	  WHERE g.active AND g.protocol IN ('json', 'stripe', 'alipay', 'wechatpay_v3')) g

	$query$, store, store) INTO gateways;
	RETURN gateways;
END
$$;
COMMENT ON FUNCTION order_payment.gateways_with_room(name) IS
	'gateways that take requests now, with how many. For claim_requests()';

/* ---------- what is to be sent ---------- */

/*
 * Work whose time has come, the oldest first. A query has its schedule; so has
 * what could not be made, for its row must not be looked at by every call. What
 * was answered "processing", and not heard of since, is asked for as well, and
 * what could not be revoked: it may be paid.
 *
 * What is older than the timeline, and not sent yet, is asked for first: by the
 * schedule of queries, until the gateway says that it knows nothing of it.
 */
CREATE FUNCTION order_payment.due_requests(store name) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format($query$

SELECT CASE WHEN NOT a.asks_first THEN w.work WHEN w.operation_id IS NULL THEN 'query_payment' ELSE 'query_operation' END AS work,
	   w.order_id::text AS order_id, w.payment_id, w.operation_id, w.gateway, g.request_timeout
FROM (
	-- sorted first, that no row is looked into behind those that are taken
	SELECT * FROM (
		SELECT w.work, w.order_id, w.payment_id, w.operation_id, w.gateway, w.since FROM %1$I.open_work w
		WHERE w.work IN ('send_payment', 'revoke_payment', 'query_payment', 'send_operation', 'retry_operation', 'query_operation')
		UNION ALL
		SELECT 'query_payment', p.order_id, p.payment_id, NULL, p.gateway, coalesce(p.processing_at, p.created_at)
		FROM %1$I.payments p WHERE p.status = 'processing'
		UNION ALL
		SELECT 'query_payment', p.order_id, p.payment_id, NULL, p.gateway, r.since
		FROM %1$I.payments p
		CROSS JOIN LATERAL (
			SELECT min(r.settled_at) AS since FROM %1$I.gateway_requests r
			WHERE r.order_id = p.order_id AND r.payment_id = p.payment_id AND r.operation_id IS NULL
			  AND r.work = 'revoke_payment' AND r.outcome IN ('failed', 'unknown', 'conflict', 'error')
			  AND r.claimed_at > p.requires_action_at) r
		WHERE p.status = 'requires_action' AND r.since IS NOT NULL
		UNION ALL
		SELECT 'query_operation', r.order_id, r.payment_id, r.operation_id, p.gateway, coalesce(r.processing_at, r.created_at)
		FROM %1$I.payment_operations r
		JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
		WHERE r.status = 'processing') w
	WHERE $1 ? w.gateway
	ORDER BY w.since OFFSET 0) w
CROSS JOIN LATERAL (
	SELECT g.request_timeout, g.query_schedule, g.protocol FROM %1$I.gateways g WHERE g.gateway = w.gateway OFFSET 0) g
CROSS JOIN LATERAL (
	SELECT coalesce(bool_or(r.state = 'claimed'), false) AS is_claimed,
		   w.work IN ('send_payment', 'send_operation', 'retry_operation') AND w.since < $3
			   AND NOT coalesce(bool_or(r.work LIKE 'query%%' AND r.outcome = 'absent' AND r.claimed_at > $3), false) AS asks_first,
		   count(*) FILTER (WHERE r.work LIKE 'query%%' AND r.claimed_at > $3) AS first_queries,
		   count(*) FILTER (WHERE r.work = w.work AND r.claimed_at >= w.since
								  AND (w.work ~ '^(query|revoke)' OR r.state = 'refused')) AS tries,
		   max(r.claimed_at) FILTER (WHERE r.work = w.work OR r.work LIKE 'query%%') AS last_at
	FROM %1$I.gateway_requests r
	WHERE r.order_id = w.order_id AND r.payment_id = w.payment_id AND r.operation_id IS NOT DISTINCT FROM w.operation_id
	OFFSET 0) a
WHERE NOT a.is_claimed
  AND CASE
	  WHEN a.asks_first THEN clock_timestamp() >= greatest(w.since, a.last_at) + g.query_schedule[a.first_queries + 1]
	  WHEN w.work LIKE 'query%%' THEN clock_timestamp() >= greatest(w.since, a.last_at) + g.query_schedule[a.tries + 1]
	  WHEN a.tries > 0 THEN clock_timestamp() >= a.last_at + g.query_schedule[a.tries]
	  ELSE true END
  AND ($2 OR w.work <> 'send_payment' OR g.protocol <> 'json' OR a.asks_first OR (
	SELECT c.card_number_sealed IS NULL FROM %1$I.payments c WHERE c.order_id = w.order_id AND c.payment_id = w.payment_id))

	$query$, store);
END;
COMMENT ON FUNCTION order_payment.due_requests(name) IS
	'the query for rows of open_work for which a request is to be sent now, the oldest first; $1: gateways with room (object), $2: cards, $3: since when the timeline is written. For claim_requests()';

/* ---------- taking one ---------- */

/* The operation, all payments of the order, and the order itself: all of them, or false. */
CREATE FUNCTION order_payment.hold_order(order_id text, operation_id uuid, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	held integer;
	payments integer;
	is_held boolean;
BEGIN
	IF operation_id IS NOT NULL THEN
		EXECUTE format('SELECT true FROM %I.payment_operations r WHERE r.order_id = %L AND r.operation_id = $1
						FOR NO KEY UPDATE SKIP LOCKED', store, order_id) INTO is_held USING operation_id;
		IF is_held IS NULL THEN
			RETURN false;
		END IF;
	END IF;
	EXECUTE format('SELECT count(*) FROM (SELECT FROM %I.payments p WHERE p.order_id = %L
										  ORDER BY p.payment_id FOR NO KEY UPDATE SKIP LOCKED) l', store, order_id) INTO held;
	EXECUTE format('SELECT true FROM %I.orders o WHERE o.order_id = %L FOR NO KEY UPDATE SKIP LOCKED', store, order_id) INTO is_held;
	EXECUTE format('SELECT count(*) FROM %I.payments p WHERE p.order_id = %L', store, order_id) INTO payments;
	RETURN is_held IS NOT NULL AND held = payments;
END
$$;
COMMENT ON FUNCTION order_payment.hold_order(text, uuid, name) IS
	'locks an operation, the payments of its order, and the order, unless another session has one of them. For claim_requests()';

/* Under the locks, by what has been committed meanwhile. */
CREATE FUNCTION order_payment.is_due(task record, timeline_since timestamptz, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	status text;
	made_at timestamptz;
	is_claimed boolean;
	was_asked boolean;
	not_sent boolean;  -- by this server
BEGIN
	IF task.operation_id IS NULL THEN
		EXECUTE format('SELECT p.status, p.created_at FROM %I.payments p WHERE p.order_id = %L AND p.payment_id = $1', store, task.order_id)
			INTO status, made_at USING task.payment_id;
	ELSE
		EXECUTE format('SELECT r.status, CASE r.status WHEN ''failed'' THEN r.retry_at ELSE coalesce(r.requested_at, r.created_at) END
						FROM %I.payment_operations r WHERE r.order_id = %L AND r.operation_id = $1', store, task.order_id)
			INTO status, made_at USING task.operation_id;
	END IF;
	not_sent := coalesce(status IN ('created', 'requested') OR status = 'failed' AND made_at IS NOT NULL, false);
	IF NOT coalesce(CASE task.work
		WHEN 'send_payment' THEN status = 'created' WHEN 'send_operation' THEN status = 'requested'
		WHEN 'retry_operation' THEN status = 'failed' AND made_at <= clock_timestamp()
		WHEN 'revoke_payment' THEN status IN ('processing', 'requires_action')
		ELSE status IN ('processing', 'requires_action', 'unknown') OR not_sent AND made_at < timeline_since END, false)
	THEN
		RETURN false;
	END IF;
	EXECUTE format('SELECT coalesce(bool_or(r.state = ''claimed''), false),
						   coalesce(bool_or(r.work LIKE ''query%%'' AND r.claimed_at > $3 AND r.outcome = ''absent''), false)
					FROM %I.gateway_requests r
					WHERE r.order_id = %L AND r.payment_id = $1 AND r.operation_id IS NOT DISTINCT FROM $2', store, task.order_id)
		INTO is_claimed, was_asked USING task.payment_id, task.operation_id, timeline_since;
	RETURN NOT is_claimed
		AND (NOT not_sent OR made_at >= timeline_since OR was_asked <> starts_with(task.work, 'query'));
END
$$;
COMMENT ON FUNCTION order_payment.is_due(record, timestamptz, name) IS
	'is work that due_requests() returned still to be done? For claim_requests()';

CREATE FUNCTION order_payment.begin_work(work text, order_id text, payment_id uuid, operation_id uuid, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- what was not sent, or did not arrive, is sent again by the same key: should it arrive yet, it is known
	CASE work
		WHEN 'send_payment' THEN
			EXECUTE format('UPDATE %I.payments SET status = ''processing'' WHERE order_id = %L AND payment_id = $1', store, order_id)
				USING payment_id;
		WHEN 'send_operation', 'retry_operation' THEN
			EXECUTE format('UPDATE %I.payment_operations
							SET status = ''processing'', retry_at = NULL,
								attempt_no = attempt_no + (status = ''failed'' AND failure_class IS DISTINCT FROM ''not_sent'')::integer
							WHERE order_id = %L AND operation_id = $1', store, order_id) USING operation_id;
		ELSE
			NULL;
	END CASE;
END
$$;
COMMENT ON FUNCTION order_payment.begin_work(text, text, uuid, uuid, name) IS
	'sends a payment or operation to processing, if its request is one that moves money. For claim_requests()';

CREATE TYPE order_payment.claimed_request AS (
	order_id text,
	request_id uuid,
	gateway text,
	work text,
	payment_id uuid,
	operation_id uuid,
	method text,
	url text,
	headers jsonb,
	body text,
	timeout interval,
	has_card boolean
);
COMMENT ON TYPE order_payment.claimed_request IS
	'what claim_requests() returns: a request to send after COMMIT, and to settle by settle_request(). {{api_key}} in a header is for the sender to fill in';

/*
 * In a subtransaction: what cannot be made takes nothing with it, and is
 * written down as refused, to be looked at again by its schedule.
 */
CREATE FUNCTION order_payment.claim_request(task record, sender text, cards boolean, timeline_since timestamptz, store name)
	RETURNS order_payment.claimed_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made order_payment.gateway_request;
	sent order_payment.gateway_request;
	claimed order_payment.claimed_request;
	code text;
BEGIN
	BEGIN
		IF NOT order_payment.hold_order(task.order_id, task.operation_id, store)
			OR NOT order_payment.is_due(task, timeline_since, store)
		THEN
			RAISE EXCEPTION USING ERRCODE = 'lock_not_available';
		END IF;
		PERFORM order_payment.begin_work(task.work, task.order_id, task.payment_id, task.operation_id, store);
		made := order_payment.build_request(task.work, task.payment_id, task.operation_id, store);
		claimed.has_card := coalesce(made.body LIKE '%{{%', false);
		IF claimed.has_card AND NOT cards THEN
			RAISE EXCEPTION USING ERRCODE = 'lock_not_available';
		END IF;
		sent := CASE WHEN claimed.has_card THEN made ELSE order_payment.sign_request(task.gateway, made, store) END;
	EXCEPTION
		WHEN lock_not_available THEN
			RETURN NULL;
		WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
			IF order_payment.is_transient(code) THEN
				RAISE;
			END IF;
			EXECUTE format('INSERT INTO %1$I.gateway_requests (order_id, gateway, work, payment_id, operation_id, state, claimed_by, timeline,
															   lease_until, settled_at, outcome, reason)
							SELECT p.order_id, p.gateway, $2, p.payment_id, $3, ''refused'', $4, $5, clock_timestamp(), clock_timestamp(), ''error'', $6
							FROM %1$I.payments p WHERE p.order_id = %2$L AND p.payment_id = $1', store, task.order_id)
				USING task.payment_id, task.work, task.operation_id, sender, order_payment.current_timeline(),
					  order_payment.reason_of(code, sqlerrm, NULL);
			RETURN NULL;
	END;
	EXECUTE format('INSERT INTO %1$I.gateway_requests AS r (order_id, gateway, work, payment_id, operation_id, method, url, headers, body,
															 claimed_by, timeline, lease_until)
					SELECT p.order_id, p.gateway, $2, p.payment_id, $3, $4, $5, $6, $7, $8, $9, order_payment.lease_end($10)
					FROM %1$I.payments p WHERE p.order_id = %2$L AND p.payment_id = $1
					RETURNING r.request_id', store, task.order_id)
		INTO claimed.request_id
		USING task.payment_id, task.work, task.operation_id, made.method, made.url, made.headers, made.body, sender,
			  order_payment.current_timeline(), task.request_timeout;
	claimed.order_id := task.order_id;
	claimed.gateway := task.gateway;
	claimed.work := task.work;
	claimed.payment_id := task.payment_id;
	claimed.operation_id := task.operation_id;
	claimed.method := sent.method;
	claimed.url := sent.url;
	claimed.headers := sent.headers;
	claimed.body := sent.body;
	claimed.timeout := task.request_timeout;
	RETURN claimed;
END
$$;
COMMENT ON FUNCTION order_payment.claim_request(record, text, boolean, timestamptz, name) IS
	'takes one row of open_work; null if another session has it, it is done, or its request cannot be made, which is then written down. For claim_requests()';

CREATE FUNCTION order_payment.claim_requests(batch integer DEFAULT 10, sender text DEFAULT session_user,
											 cards boolean DEFAULT false, store name DEFAULT order_payment.current_store())
	RETURNS SETOF order_payment.claimed_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off  -- planned anew each time, for a few rows of many
AS $$
DECLARE
	n integer := 0;
	timeline_since timestamptz;
	room jsonb;
	task record;
	claimed order_payment.claimed_request;
BEGIN
	PERFORM order_payment.require_dispatcher(store);
	PERFORM order_payment.require_batch(batch);
	timeline_since := order_payment.require_sender(store);
	PERFORM order_payment.lose_requests(store);
	room := order_payment.gateways_with_room(store);
	IF room = '{}' THEN
		RETURN;
	END IF;
	FOR task IN EXECUTE order_payment.due_requests(store) USING room, coalesce(cards, false), timeline_since LOOP
		CONTINUE WHEN NOT room ? task.gateway;
		claimed := order_payment.claim_request(task, coalesce(sender, session_user), coalesce(cards, false), timeline_since, store);
		CONTINUE WHEN claimed.request_id IS NULL;
		RETURN NEXT claimed;
		n := n + 1;
		room := jsonb_set(room, ARRAY[task.gateway], to_jsonb((room ->> task.gateway)::integer - 1));
		IF room -> task.gateway = '0' THEN
			room := room - task.gateway;
		END IF;
		EXIT WHEN n = batch OR room = '{}';
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.claim_requests(integer, text, boolean, name) IS
	'takes at most batch requests that are to be sent to gateways now, the oldest first, as far as each gateway has room, and returns them signed. COMMIT, send them by HTTPS, and tell by settle_request() what came back, before lease_until. Requests with cards are the worker''s, and come only with cards. 55000 in a copy of the database (resume_sending()). For roles that may record outcomes';
