/* ---------- notifications of gateways, applied ---------- */

/*
 * A notification is verified, stored, read and applied by one call, in one
 * transaction. What it does runs in a subtransaction: if that fails, the
 * notification stays, with its outcome, and can be replayed; what tells that
 * the whole should be tried again (a deadlock, a lock not got, a server that
 * goes down) ends the call, and the gateway sends it once more.
 *
 * What was not verified is counted, and neither stored nor read.
 */
CREATE TYPE order_payment.notification_result AS (
	outcome text,
	reason text,
	event_id text,
	order_id text,
	payment_id uuid,
	operation_id uuid,
	http_status integer,
	content_type text,
	acknowledgement text
);
COMMENT ON TYPE order_payment.notification_result IS
	'what apply_notification() returns: outcome is applied, duplicate, stale, deferred, orphan, conflict, error, or rejected (not verified; reason is that of verify_notification()); the last three members are what to answer after COMMIT';

/* What stops a gateway from sending it again, and what does not. */
CREATE FUNCTION order_payment.acknowledgement(protocol text, accepted boolean,
											  OUT http_status integer, OUT content_type text, OUT acknowledgement text)
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN accepted THEN a.yes_status ELSE a.no_status END, a.content_type, CASE WHEN accepted THEN a.yes ELSE a.no END
	FROM (VALUES
		('json', 200, 401, 'application/json', '{"received":true}', '{"received":false}'),
		('standard_webhooks', 200, 401, 'application/json', '{"received":true}', '{"received":false}'),
		('stripe', 200, 400, 'application/json', '{"received":true}', '{"received":false}'),
		('alipay', 200, 200, 'text/plain', 'success', 'failure'),
		('wechatpay_v3', 200, 401, 'application/json', '{"code":"SUCCESS","message":"OK"}', '{"code":"FAIL","message":"signature"}'),
		('wechatpay_v2', 200, 200, 'text/xml',
			'<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>',
			'<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[signature]]></return_msg></xml>')
		) a (protocol, yes_status, no_status, content_type, yes, no)
	WHERE a.protocol = $1;
END;
COMMENT ON FUNCTION order_payment.acknowledgement(text, boolean) IS
	'what to answer a notification of a protocol: accepted, so that it is not sent again, or refused';

CREATE FUNCTION order_payment.notifying_gateway(gateway text, store name) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own record;
BEGIN
	EXECUTE format('SELECT g.gateway, g.protocol, g.minor_unit_exponents FROM %I.gateways g WHERE g.gateway = $1', store)
		INTO own USING gateway;
	RETURN own;
END
$$;
COMMENT ON FUNCTION order_payment.notifying_gateway(text, name) IS
	'what readers of notifications know of a gateway. For apply_notification()';

/* ---------- applying ---------- */

/* These say that the same would work at another time: the caller is to see them. */
CREATE FUNCTION order_payment.is_transient(code text) RETURNS boolean
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT code IN ('40001', '40P01', '55P03', '57014', 'OP012') OR left(code, 2) IN ('08', '53', '57', '58');
END;
COMMENT ON FUNCTION order_payment.is_transient(text) IS
	'does a SQLSTATE say that the same may work later: serialization failure, deadlock, a lock, resources, a server that goes down?';

CREATE FUNCTION order_payment.outcome_of(code text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE code WHEN 'OP017' THEN 'conflict' WHEN 'OP018' THEN 'orphan' WHEN 'OP019' THEN 'deferred' ELSE 'error' END;
END;
COMMENT ON FUNCTION order_payment.outcome_of(text) IS 'the outcome of a notification whose effects were refused with a SQLSTATE';

/* Seen by more roles than the body: PostgreSQL's own words of a value that cannot be read would show it. */
CREATE FUNCTION order_payment.reason_of(code text, message text, detail text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT left(CASE
		WHEN order_payment.outcome_of(code) <> 'error' THEN concat_ws(': ', message, nullif(detail, ''))
		WHEN left(code, 2) = '22' AND code <> '22023' THEN concat_ws(': ', code, regexp_replace(message, '".*"', '"..."'))
		ELSE concat_ws(': ', code, message, nullif(detail, '')) END, 500);
END;
COMMENT ON FUNCTION order_payment.reason_of(text, text, text) IS 'why a notification was not applied, for gateway_notifications.reason';

/* An event always has an id, also if nothing else of it can be read. */
CREATE FUNCTION order_payment.try_to_read(own record, headers jsonb, body bytea, store name,
										  OUT event order_payment.gateway_event, OUT outcome text, OUT reason text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	content jsonb;
	told_id text;
	code text;
	detail text;
BEGIN
	BEGIN
		told_id := order_payment.told_event_id(own.protocol, headers, NULL);
		content := order_payment.notification_content(own.protocol, body);
		told_id := order_payment.told_event_id(own.protocol, headers, content);
		event := order_payment.read_notification(own, told_id, content, store);
		told_id := event.event_id;
		PERFORM order_payment.require_sound_event(event);
	EXCEPTION WHEN OTHERS OR assert_failure THEN
		GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
		IF order_payment.is_transient(code) THEN
			RAISE;
		END IF;
		outcome := 'error';
		reason := order_payment.reason_of(code, sqlerrm, detail);
	END;
	event.event_id := order_payment.stored_event_id(told_id, body);
	event.event_type := left(event.event_type, 100);
END
$$;
COMMENT ON FUNCTION order_payment.try_to_read(record, jsonb, bytea, name) IS
	'what a verified notification tells, and by what it is known; outcome error if it cannot be read. For apply_notification()';

CREATE FUNCTION order_payment.try_to_apply(gateway text, event order_payment.gateway_event, store name,
										   OUT outcome text, OUT reason text, OUT payment_reference text,
										   OUT order_id text, OUT payment_id uuid, OUT operation_id uuid)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	-- so that what is set below ends with the function
	SET order_payment.actor = '' SET order_payment.reason = ''
AS $$
DECLARE
	fact order_payment.gateway_fact;
	done record;
	code text;
	detail text;
BEGIN
	outcome := 'stale';
	reason := CASE WHEN cardinality(event.facts) = 0 THEN 'it tells nothing of payments' END;
	PERFORM set_config('order_payment.actor', 'gateway ' || gateway, true);
	PERFORM set_config('order_payment.reason', concat_ws(' ', 'notification', event.event_type, event.event_id), true);
	BEGIN
		FOREACH fact IN ARRAY event.facts LOOP
			payment_reference := CASE WHEN fact.entity = 'payment' THEN coalesce(fact.reference, fact.number)
									  ELSE coalesce(fact.payment_reference, fact.payment_number) END;
			done := order_payment.apply_fact(gateway, fact, store);
			order_id := done.order_id;
			payment_id := done.payment_id;
			operation_id := coalesce(done.operation_id, operation_id);
			outcome := CASE WHEN done.changed THEN 'applied' ELSE outcome END;
		END LOOP;
	EXCEPTION WHEN OTHERS OR assert_failure THEN
		GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
		IF order_payment.is_transient(code) THEN
			RAISE;
		END IF;
		outcome := order_payment.outcome_of(code);
		reason := order_payment.reason_of(code, sqlerrm, detail);
		BEGIN
			done := order_payment.find_told_payment(gateway, fact, store);
			order_id := done.order_id;
			payment_id := done.payment_id;
			operation_id := done.operation_id;
		EXCEPTION WHEN SQLSTATE 'OP017' OR SQLSTATE 'OP018' OR SQLSTATE 'OP019' THEN
			NULL;  -- there is none to show
		END;
	END;
END
$$;
COMMENT ON FUNCTION order_payment.try_to_apply(text, order_payment.gateway_event, name) IS
	'applies all that an event tells, or nothing, and says what became of it. For apply_notification()';

/* A row of the inbox that the caller has locked. What was applied stays so, whatever a replay finds. */
CREATE FUNCTION order_payment.work_notification(own record, event_id text, event order_payment.gateway_event, store name)
	RETURNS order_payment.notification_result
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tried record;
	changed integer;
	result order_payment.notification_result;
BEGIN
	tried := order_payment.try_to_apply(own.gateway, event, store);
	EXECUTE format(
		'UPDATE %1$I.gateway_notifications n
		 SET event_type = $3, outcome = $4, reason = $5, payment_reference = $6, order_id = o.order_id, payment_id = $7,
			 operation_id = $8, attempts = n.attempts + 1, applied_at = CASE WHEN $4 = ''applied'' THEN clock_timestamp() END
		 FROM (SELECT) one LEFT JOIN %1$I.orders o ON o.order_id = %2$L
		 WHERE n.gateway = $1 AND n.event_id = $2 AND n.outcome <> ''applied''', store, tried.order_id)
		USING own.gateway, event_id, event.event_type, tried.outcome, tried.reason, tried.payment_reference, tried.payment_id,
			  tried.operation_id;
	GET DIAGNOSTICS changed = ROW_COUNT;
	IF changed = 0 THEN
		EXECUTE format('UPDATE %I.gateway_notifications n SET attempts = n.attempts + 1 WHERE n.gateway = $1 AND n.event_id = $2', store)
			USING own.gateway, event_id;
	END IF;
	result.outcome := tried.outcome;
	result.reason := tried.reason;
	result.event_id := event_id;
	result.order_id := tried.order_id;
	result.payment_id := tried.payment_id;
	result.operation_id := tried.operation_id;
	RETURN result;
END
$$;
COMMENT ON FUNCTION order_payment.work_notification(record, text, order_payment.gateway_event, name) IS
	'applies an event, and writes to its row of the inbox what became of it. For apply_notification() and replay_notification()';

/*
 * What waited for an event of this payment: in the order in which it came, and
 * again from the beginning as long as one of them was applied. A row that
 * another session has is left to it.
 */
CREATE FUNCTION order_payment.retry_deferred(gateway text, payment_id uuid, store name) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own CONSTANT record := order_payment.notifying_gateway(gateway, store);
	applied integer := 0;
	before integer;
	waiting record;
	again record;
BEGIN
	LOOP
		before := applied;
		FOR waiting IN EXECUTE format(
			'SELECT n.event_id, n.headers, n.body
			 FROM %1$I.payments p
			 JOIN %1$I.gateway_notifications n ON n.gateway = p.gateway
				AND n.payment_reference IN (p.gateway_reference, replace(p.payment_id::text, ''-'', ''''))
			 WHERE p.payment_id = $1 AND n.gateway = $2 AND n.outcome = ''deferred''
			 ORDER BY n.received_at, n.event_id FOR NO KEY UPDATE OF n SKIP LOCKED', store) USING payment_id, own.gateway
		LOOP
			again := order_payment.try_to_read(own, waiting.headers, waiting.body, store);
			IF again.outcome IS NOT NULL THEN
				-- tried as well: retry_notifications() begins with what was tried least
				EXECUTE format('UPDATE %I.gateway_notifications n SET attempts = n.attempts + 1 WHERE n.gateway = $1 AND n.event_id = $2', store)
					USING own.gateway, waiting.event_id;
				CONTINUE;
			END IF;
			IF (order_payment.work_notification(own, waiting.event_id, again.event, store)).outcome = 'applied' THEN
				applied := applied + 1;
			END IF;
		END LOOP;
		EXIT WHEN applied = before;
	END LOOP;
	RETURN applied;
END
$$;
COMMENT ON FUNCTION order_payment.retry_deferred(text, uuid, name) IS
	'applies notifications that waited for another one of the same payment; returns how many. For apply_notification() and settle_request()';

/*
 * An event that came while the one it waits for was not yet committed is not
 * seen by that one; nor does who records a payment by hand look into the inbox.
 */
CREATE FUNCTION order_payment.retry_notifications(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	applied integer := 0;
	waiting record;
	is_free boolean;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	FOR waiting IN EXECUTE format(
		'SELECT n.gateway, p.order_id::text AS order_id, p.payment_id
		 FROM %1$I.gateway_notifications n
		 JOIN %1$I.payments p ON p.gateway = n.gateway
			AND (p.gateway_reference = n.payment_reference OR p.payment_id = order_payment.number_id(n.payment_reference))
		 WHERE n.outcome = ''deferred''
		 GROUP BY n.gateway, p.order_id, p.payment_id
		 ORDER BY min(n.attempts), min(n.received_at), p.payment_id LIMIT $1', store) USING batch
	LOOP
		EXECUTE format('SELECT count(*) = (SELECT count(*) FROM %1$I.payment_operations r WHERE r.order_id = %2$L)
						FROM (SELECT FROM %1$I.payment_operations r WHERE r.order_id = %2$L
							  ORDER BY r.operation_id FOR NO KEY UPDATE SKIP LOCKED) l', store, waiting.order_id) INTO is_free;
		CONTINUE WHEN NOT is_free OR NOT order_payment.hold_order(waiting.order_id, NULL, store);
		applied := applied + order_payment.retry_deferred(waiting.gateway, waiting.payment_id, store);
	END LOOP;
	RETURN applied;
END
$$;
COMMENT ON FUNCTION order_payment.retry_notifications(integer, name) IS
	'applies notifications that wait for something that is known by now, of at most batch payments, those first that were tried least; returns how many were applied. Orders that another session holds are left for the next call. For roles that may record outcomes';

/* ---------- the inbox ---------- */

CREATE FUNCTION order_payment.count_rejection(gateway text, reason text, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('INSERT INTO %I.gateway_rejections AS r (gateway, reason, day, n, last_at)
					VALUES ($1, $2, current_date, 1, clock_timestamp())
					ON CONFLICT (gateway, reason, day) DO UPDATE SET n = r.n + 1, last_at = excluded.last_at', store)
		USING gateway, reason;
END
$$;
COMMENT ON FUNCTION order_payment.count_rejection(text, text, name) IS
	'counts a notification that was not verified. For apply_notification()';

CREATE FUNCTION order_payment.signing_headers(protocol text, headers jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(jsonb_object_agg(lower(h.key), h.value), '{}')
	FROM jsonb_each(CASE jsonb_typeof(headers) WHEN 'object' THEN headers END) h
	WHERE lower(h.key) ~ CASE protocol
		WHEN 'stripe' THEN '^stripe-signature$'
		WHEN 'wechatpay_v3' THEN '^wechatpay-(timestamp|nonce|signature|serial|signature-type)$'
		WHEN 'json' THEN '^webhook-(id|timestamp|signature)$'
		WHEN 'standard_webhooks' THEN '^webhook-(id|timestamp|signature)$' END;
END;
COMMENT ON FUNCTION order_payment.signing_headers(text, jsonb) IS
	'the headers by which a notification of a protocol was verified. For apply_notification()';

/*
 * The row is there before its effects, so that a second delivery waits for the
 * first. One that was not applied yet is stored as it came last: some gateways
 * put the time of sending into the body, and what is stored is what is applied.
 */
CREATE FUNCTION order_payment.store_notification(own record, headers jsonb, body bytea, event order_payment.gateway_event,
												 problem text, store name)
	RETURNS order_payment.notification_result
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	signed CONSTANT jsonb := order_payment.signing_headers(own.protocol, headers);
	is_new boolean;
	result order_payment.notification_result;
BEGIN
	EXECUTE format('INSERT INTO %I.gateway_notifications (gateway, event_id, event_type, headers, body, outcome, reason, attempts)
					VALUES ($1, $2, $3, $4, $5, ''error'', $6, 0)
					ON CONFLICT (gateway, event_id) DO NOTHING RETURNING true', store)
		INTO is_new USING own.gateway, event.event_id, event.event_type, signed, body, problem;
	result.event_id := event.event_id;
	IF is_new IS NULL THEN
		EXECUTE format('UPDATE %I.gateway_notifications n
						SET deliveries = n.deliveries + 1, last_received_at = clock_timestamp(),
							headers = CASE WHEN n.outcome IN (''deferred'', ''orphan'', ''error'') AND $3 THEN $4 ELSE n.headers END,
							body = CASE WHEN n.outcome IN (''deferred'', ''orphan'', ''error'') AND $3 THEN $5 ELSE n.body END
						WHERE n.gateway = $1 AND n.event_id = $2
						RETURNING n.outcome, n.reason, n.order_id::text, n.payment_id, n.operation_id', store)
			INTO result.outcome, result.reason, result.order_id, result.payment_id, result.operation_id
			USING own.gateway, event.event_id, problem IS NULL, signed, body;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION order_payment.store_notification(record, jsonb, bytea, order_payment.gateway_event, text, name) IS
	'puts a verified notification into the inbox, or counts one more delivery of it, and tells what had become of it (outcome null: it is new). For apply_notification()';

CREATE FUNCTION order_payment.take_notification(own record, headers jsonb, body bytea, store name)
	RETURNS order_payment.notification_result
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	told CONSTANT record := order_payment.try_to_read(own, headers, body, store);
	result order_payment.notification_result;
BEGIN
	result := order_payment.store_notification(own, headers, body, told.event, told.reason, store);
	IF result.outcome IN ('applied', 'stale') THEN
		result.outcome := 'duplicate';
	ELSIF result.outcome = 'conflict' THEN
		NULL;  -- by hand only: replay_notification()
	ELSIF told.outcome IS NOT NULL THEN
		result.outcome := told.outcome;
		result.reason := told.reason;
	ELSE
		result := order_payment.work_notification(own, result.event_id, told.event, store);
		IF result.outcome = 'applied' THEN
			PERFORM order_payment.retry_deferred(own.gateway, result.payment_id, store);
		END IF;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION order_payment.take_notification(record, jsonb, bytea, name) IS
	'stores a notification that was verified, applies it, and what waited for it. For apply_notification()';

CREATE FUNCTION order_payment.apply_notification(gateway text, headers jsonb, body bytea,
												 store name DEFAULT order_payment.current_store())
	RETURNS order_payment.notification_result
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own record;
	verification record;
	result order_payment.notification_result;
BEGIN
	PERFORM order_payment.require_store(store);
	verification := order_payment.verify_notification(gateway, headers, body, NULL, store);
	own := order_payment.notifying_gateway(gateway, store);
	IF verification.verified THEN
		result := order_payment.take_notification(own, headers, body, store);
	ELSE
		PERFORM order_payment.count_rejection(gateway, verification.reason, store);
		result.outcome := 'rejected';
		result.reason := verification.reason;
	END IF;
	SELECT a.http_status, a.content_type, a.acknowledgement
	INTO result.http_status, result.content_type, result.acknowledgement
	FROM order_payment.acknowledgement(own.protocol, verification.verified) a;
	RETURN result;
END
$$;
COMMENT ON FUNCTION order_payment.apply_notification(text, jsonb, bytea, name) IS
	'verifies a notification of a gateway (headers: an object; body: the raw bytes), stores it and records what it tells; returns the outcome, and what to answer after COMMIT. The same notification again is a duplicate, and is answered the same. 40001, 40P01, 55P03, 57014 and the like are for the caller: answer nothing, or 500, and the gateway sends it once more. For roles that may record outcomes';

CREATE FUNCTION order_payment.replay_notification(gateway text, event_id text, store name DEFAULT order_payment.current_store())
	RETURNS order_payment.notification_result
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own record;
	stored record;
	told record;
	result order_payment.notification_result;
BEGIN
	PERFORM order_payment.require_store(store);
	EXECUTE format('SELECT n.headers, n.body FROM %I.gateway_notifications n WHERE n.gateway = $1 AND n.event_id = $2 FOR NO KEY UPDATE', store)
		INTO stored USING gateway, event_id;
	IF stored.body IS NULL THEN
		RAISE EXCEPTION 'gateway "%" has no notification "%"', gateway, event_id
			USING ERRCODE = 'no_data_found', HINT = format('They are the rows of %I.gateway_notifications.', store);
	END IF;
	own := order_payment.notifying_gateway(gateway, store);
	told := order_payment.try_to_read(own, stored.headers, stored.body, store);
	IF told.outcome IS NULL THEN
		result := order_payment.work_notification(own, event_id, told.event, store);
		IF result.outcome = 'applied' THEN
			PERFORM order_payment.retry_deferred(own.gateway, result.payment_id, store);
		END IF;
	ELSE
		result.outcome := told.outcome;
		result.reason := told.reason;
		result.event_id := event_id;
		EXECUTE format('UPDATE %I.gateway_notifications n
						SET outcome = CASE WHEN n.outcome = ''applied'' THEN n.outcome ELSE $3 END,
							reason = CASE WHEN n.outcome = ''applied'' THEN n.reason ELSE $4 END, attempts = n.attempts + 1
						WHERE n.gateway = $1 AND n.event_id = $2', store)
			USING gateway, event_id, told.outcome, told.reason;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION order_payment.replay_notification(text, text, name) IS
	'applies a stored notification once more, when what stood in its way is mended: a key, a payment that was not recorded, an amount that was looked into. Its effects are those that are missing. P0002 if there is none. For roles that may record outcomes';
