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
 * Nothing is waited for: what another session holds is left for the next call.
 */

/* ---------- who may send ---------- */

/* The timeline of now; pg_control_checkpoint() tells it only after the next checkpoint. */
CREATE FUNCTION order_payment.current_timeline() RETURNS integer
	LANGUAGE sql VOLATILE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer;
END;
COMMENT ON FUNCTION order_payment.current_timeline() IS 'the timeline that the server writes';

/*
 * A copy of the database, made with the cluster or restored from a dump, would
 * send what its original sends. So would a server that was recovered to a point
 * in the past, or promoted before it had all: it has the same identifier and
 * another timeline, and asks first.
 */
CREATE FUNCTION order_payment.require_sender(store name) RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here CONSTANT bigint := system_identifier FROM pg_control_system();
	line CONSTANT integer := order_payment.current_timeline();
	sender record;
BEGIN
	EXECUTE format('SELECT s.system_identifier, s.timeline, s.timeline_since FROM %I.gateway_sender s', store) INTO sender;
	IF sender.system_identifier IS NULL THEN
		EXECUTE format('INSERT INTO %I.gateway_sender (system_identifier, timeline) VALUES ($1, $2)
						ON CONFLICT (is_only) DO NOTHING', store) USING here, line;
		RETURN '-infinity';
	ELSIF sender.system_identifier <> here THEN
		RAISE EXCEPTION 'the store "%" is a copy, and sends nothing', store
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = 'Another database cluster has sent for it, and may still do so.',
				  HINT = 'If this one is to send from now on, and the other one never again, call order_payment.resume_sending().';
	ELSIF sender.timeline <> line THEN
		EXECUTE format('UPDATE %I.gateway_sender SET timeline = $1, timeline_since = clock_timestamp()
						WHERE timeline <> $1 RETURNING timeline_since', store) INTO sender.timeline_since USING line;
	END IF;
	RETURN coalesce(sender.timeline_since, clock_timestamp());
END
$$;
COMMENT ON FUNCTION order_payment.require_sender(name) IS
	'returns since when this server writes its timeline, if it may send for the store; 55000 in a copy. For claim_requests()';

CREATE FUNCTION order_payment.resume_sending(store name DEFAULT order_payment.current_store()) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	EXECUTE format('INSERT INTO %I.gateway_sender AS s (system_identifier, timeline, timeline_since)
					SELECT c.system_identifier, $1, clock_timestamp() FROM pg_control_system() c
					ON CONFLICT (is_only) DO UPDATE SET system_identifier = excluded.system_identifier, timeline = excluded.timeline,
						timeline_since = excluded.timeline_since', store) USING order_payment.current_timeline();
END
$$;
COMMENT ON FUNCTION order_payment.resume_sending(name) IS
	'from now on this database cluster sends for the store: after it was restored from a dump or copied, and its original is gone for good. What is open now is asked for at the gateways before it is sent. For roles that may record outcomes';

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
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN failures >= 5 THEN last_at + least(interval '10 minutes', interval '10 seconds' * 2 ^ (failures - 5)) END;
END;
COMMENT ON FUNCTION order_payment.breaker_until(integer, timestamptz) IS
	'until when nothing is sent to a gateway that fails; null: the breaker is closed';

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
	EXECUTE format('SELECT count(*) FROM %I.gateway_requests r WHERE r.gateway = $1 AND r.state = ''claimed''', store)
		INTO in_flight USING gateway;
	IF max_per_second IS NOT NULL THEN
		EXECUTE format('SELECT count(*) FROM %I.gateway_requests r
						WHERE r.gateway = $1 AND r.claimed_at > clock_timestamp() - interval ''1 second''', store)
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
	'how many more requests a gateway may be sent now: by what is under way, by the rate, and by its breaker. For claim_requests()';

/* ---------- what is to be sent ---------- */

/*
 * Work whose time has come, the oldest first. A query has its schedule; so has
 * what could not be made, for its row must not be looked at by every call. What
 * was answered "processing", and not heard of since, is asked for as well.
 */
CREATE FUNCTION order_payment.due_requests(store name, limit_ integer)
	RETURNS TABLE (work text, order_id text, payment_id uuid, operation_id uuid, gateway text, since timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($query$

SELECT w.work, w.order_id::text, w.payment_id, w.operation_id, w.gateway, w.since
FROM (
	SELECT w.work, w.order_id, w.payment_id, w.operation_id, w.gateway, w.since FROM %1$I.open_work w
	WHERE w.work IN ('send_payment', 'revoke_payment', 'query_payment', 'send_operation', 'retry_operation', 'query_operation')
	UNION ALL
	SELECT 'query_payment', p.order_id, p.payment_id, NULL, p.gateway, coalesce(p.processing_at, p.created_at)
	FROM %1$I.payments p WHERE p.status = 'processing'
	UNION ALL
	SELECT 'query_operation', r.order_id, r.payment_id, r.operation_id, p.gateway, coalesce(r.processing_at, r.created_at)
	FROM %1$I.payment_operations r
	JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
	WHERE r.status = 'processing') w
JOIN %1$I.gateways g ON g.gateway = w.gateway AND g.active AND g.protocol IN ('json', 'stripe', 'alipay', 'wechatpay_v3')
CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE r.work = w.work AND r.claimed_at >= w.since
								  AND (w.work ~ '^(query|revoke)' OR r.state = 'refused'))::integer AS n,
		   max(r.claimed_at) FILTER (WHERE r.work = w.work) AS last_at,
		   coalesce(bool_or(r.state = 'claimed'), false) AS is_claimed
	FROM %1$I.gateway_requests r
	WHERE r.order_id = w.order_id AND r.payment_id = w.payment_id AND r.operation_id IS NOT DISTINCT FROM w.operation_id) a
WHERE NOT a.is_claimed
  AND CASE
	  WHEN w.work LIKE 'query%%' THEN
		clock_timestamp() >= greatest(w.since, a.last_at) + g.query_schedule[a.n + 1]
	  WHEN a.n > 0 THEN clock_timestamp() >= a.last_at + g.query_schedule[a.n]
	  ELSE true END
ORDER BY w.since LIMIT $1

	$query$, store) USING limit_;
END
$$;
COMMENT ON FUNCTION order_payment.due_requests(name, integer) IS
	'rows of open_work for which a request is to be sent now, the oldest first. For claim_requests()';

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

/* Under the locks: is it still to be done, and is it to be asked for first? Null: it is not. */
CREATE FUNCTION order_payment.judge_work(task record, timeline_since timestamptz, store name) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	status text;
	made_at timestamptz;
	is_claimed boolean;
	was_asked boolean;
	first_send CONSTANT boolean := task.work IN ('send_payment', 'send_operation', 'retry_operation');
BEGIN
	IF task.operation_id IS NULL THEN
		EXECUTE format('SELECT p.status, p.created_at FROM %I.payments p WHERE p.order_id = %L AND p.payment_id = $1', store, task.order_id)
			INTO status, made_at USING task.payment_id;
	ELSE
		EXECUTE format('SELECT r.status, coalesce(r.failed_at, r.requested_at, r.created_at) FROM %I.payment_operations r
						WHERE r.order_id = %L AND r.operation_id = $1', store, task.order_id)
			INTO status, made_at USING task.operation_id;
	END IF;
	IF NOT status = ANY (CASE task.work
		WHEN 'send_payment' THEN '{created}' WHEN 'send_operation' THEN '{requested}' WHEN 'retry_operation' THEN '{failed}'
		WHEN 'revoke_payment' THEN '{processing,requires_action}' ELSE '{processing,requires_action,unknown}' END::text[])
	THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT coalesce(bool_or(r.state = ''claimed''), false),
						   coalesce(bool_or(r.work LIKE ''query%%'' AND r.claimed_at > $3 AND r.outcome = ''absent''), false)
					FROM %I.gateway_requests r
					WHERE r.order_id = %L AND r.payment_id = $1 AND r.operation_id IS NOT DISTINCT FROM $2', store, task.order_id)
		INTO is_claimed, was_asked USING task.payment_id, task.operation_id, greatest(timeline_since, made_at);
	IF is_claimed THEN
		RETURN NULL;
	ELSIF first_send AND made_at < timeline_since AND NOT was_asked THEN
		RETURN CASE WHEN task.operation_id IS NULL THEN 'query_payment' ELSE 'query_operation' END;
	END IF;
	RETURN task.work;
END
$$;
COMMENT ON FUNCTION order_payment.judge_work(record, timestamptz, name) IS
	'the work that is to be done for a row of open_work that is locked: the same, a query before it (what is older than the timeline may have been sent), or nothing (null). For claim_requests()';

CREATE FUNCTION order_payment.begin_work(work text, order_id text, payment_id uuid, operation_id uuid, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CASE work
		WHEN 'send_payment' THEN
			EXECUTE format('UPDATE %I.payments SET status = ''processing'' WHERE order_id = %L AND payment_id = $1', store, order_id)
				USING payment_id;
		WHEN 'send_operation', 'retry_operation' THEN
			EXECUTE format('UPDATE %I.payment_operations
							SET status = ''processing'', attempt_no = attempt_no + (status = ''failed'')::integer, retry_at = NULL
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
CREATE FUNCTION order_payment.claim_request(task record, own record, sender text, cards boolean, timeline_since timestamptz, store name)
	RETURNS order_payment.claimed_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	work text;
	made order_payment.gateway_request;
	sent order_payment.gateway_request;
	claimed order_payment.claimed_request;
	code text;
BEGIN
	BEGIN
		IF order_payment.hold_order(task.order_id, task.operation_id, store) THEN
			work := order_payment.judge_work(task, timeline_since, store);
		END IF;
		IF work IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'lock_not_available';
		END IF;
		PERFORM order_payment.begin_work(work, task.order_id, task.payment_id, task.operation_id, store);
		made := order_payment.build_request(work, task.payment_id, task.operation_id, store);
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
					SELECT p.order_id, p.gateway, $2, p.payment_id, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + $10 + interval ''30 seconds''
					FROM %1$I.payments p WHERE p.order_id = %2$L AND p.payment_id = $1
					RETURNING r.request_id', store, task.order_id)
		INTO claimed.request_id
		USING task.payment_id, work, task.operation_id, made.method, made.url, made.headers, made.body, sender,
			  order_payment.current_timeline(), own.request_timeout;
	claimed.order_id := task.order_id;
	claimed.gateway := task.gateway;
	claimed.work := work;
	claimed.payment_id := task.payment_id;
	claimed.operation_id := task.operation_id;
	claimed.method := sent.method;
	claimed.url := sent.url;
	claimed.headers := sent.headers;
	claimed.body := sent.body;
	claimed.timeout := own.request_timeout;
	RETURN claimed;
END
$$;
COMMENT ON FUNCTION order_payment.claim_request(record, record, text, boolean, timestamptz, name) IS
	'takes one row of open_work; null if another session has it, it is done, or its request cannot be made, which is then written down. For claim_requests()';

CREATE FUNCTION order_payment.claim_requests(batch integer DEFAULT 10, sender text DEFAULT session_user,
											 cards boolean DEFAULT false, store name DEFAULT order_payment.current_store())
	RETURNS SETOF order_payment.claimed_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := 0;
	timeline_since timestamptz;
	room jsonb := '{}';
	task record;
	own record;
	claimed order_payment.claimed_request;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	timeline_since := order_payment.require_sender(store);
	PERFORM order_payment.lose_requests(store);
	-- more than are wanted, for some are held by others, and some gateways have no room
	FOR task IN SELECT * FROM order_payment.due_requests(store, 10 * batch + 100) LOOP
		EXIT WHEN n >= batch;
		EXECUTE format('SELECT g.request_timeout, g.max_in_flight, g.max_per_second FROM %I.gateways g WHERE g.gateway = $1', store)
			INTO own USING task.gateway;
		IF NOT room ? task.gateway THEN
			room := room || jsonb_build_object(task.gateway,
				order_payment.gateway_room(task.gateway, own.max_in_flight, own.max_per_second, store));
		END IF;
		CONTINUE WHEN (room ->> task.gateway)::integer <= 0;
		claimed := order_payment.claim_request(task, own, coalesce(sender, session_user), coalesce(cards, false), timeline_since, store);
		CONTINUE WHEN claimed.request_id IS NULL;
		room := room || jsonb_build_object(task.gateway, (room ->> task.gateway)::integer - 1);
		n := n + 1;
		RETURN NEXT claimed;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.claim_requests(integer, text, boolean, name) IS
	'takes at most batch requests that are to be sent to gateways now, the oldest first, as far as each gateway has room, and returns them signed. COMMIT, send them by HTTPS, and tell by settle_request() what came back, before lease_until. Requests with cards are the worker''s, and come only with cards. 55000 in a copy of the database (resume_sending()). For roles that may record outcomes';
