/* ---------- requests to gateways: what came back ---------- */

/*
 * answered		a whole answer came: what it says is applied as a notification
 *				would be, by the same facts; where it says nothing that can be
 *				relied upon, the outcome is unknown
 * not_sent		nothing left: it failed, and may be tried again
 * lost			something left, and no whole answer came: the outcome is unknown
 *
 * A request that was settled already may be settled again: an answer that comes
 * after the lease is a fact all the same, and one that is known changes nothing.
 */

CREATE FUNCTION order_payment.request_target(request record, store name,
											 OUT status text, OUT action text, OUT protocol text, OUT bare_success boolean,
											 OUT exponents jsonb, OUT retry_schedule jsonb, OUT attempt_no integer, OUT asked jsonb,
											 OUT is_current boolean, OUT may_be_under_way boolean)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind text;
BEGIN
	EXECUTE format($query$

SELECT coalesce(r.status::text, p.status::text), r.kind, g.protocol, g.bare_success, g.minor_unit_exponents, g.retry_schedule,
	   greatest(r.attempt_no, s.times),
	   jsonb_strip_nulls(jsonb_build_object(
		   'number', replace(coalesce(r.operation_id, p.payment_id)::text, '-', ''),
		   'payment_number', CASE WHEN r.operation_id IS NOT NULL THEN replace(p.payment_id::text, '-', '') END,
		   'reference', CASE WHEN r.operation_id IS NULL THEN p.gateway_reference ELSE r.gateway_reference END,
		   'amount', coalesce(r.amount, p.amount), 'currency', p.currency,
		   'age', clock_timestamp() - coalesce(s.sent_at, r.created_at, p.created_at))),
	   coalesce(s.sent_at <= $3, true), coalesce(s.sent_at, r.created_at, p.created_at) + g.request_timeout > clock_timestamp()
FROM %1$I.payments p
JOIN %1$I.gateways g ON g.gateway = p.gateway
CROSS JOIN LATERAL (
	SELECT max(s.claimed_at) AS sent_at, count(*)::integer AS times FROM %1$I.gateway_requests s
	WHERE s.order_id = p.order_id AND s.payment_id = p.payment_id AND s.operation_id IS NOT DISTINCT FROM $2
	  AND s.work IN ('send_payment', 'send_operation', 'retry_operation') AND s.state <> 'refused') s
LEFT JOIN %1$I.payment_operations r ON r.order_id = p.order_id AND r.operation_id = $2
WHERE p.order_id = %2$L AND p.payment_id = $1

	$query$, store, request.order_id)
		INTO status, kind, protocol, bare_success, exponents, retry_schedule, attempt_no, asked, is_current, may_be_under_way
		USING request.payment_id, request.operation_id, request.claimed_at;
	action := order_payment.work_action(request.work, kind);
END
$$;
COMMENT ON FUNCTION order_payment.request_target(record, name) IS
	'what a request was about, as it is now; is_current: it was not sent anew since; may_be_under_way: it was sent so lately that it may yet come to the gateway. For settle_request()';

CREATE FUNCTION order_payment.read_reply(target record, http_status integer, body bytea) RETURNS order_payment.gateway_reply
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	content CONSTANT text := convert_from(body, 'UTF8');
	answer jsonb;
BEGIN
	IF target.protocol = 'json' THEN
		RETURN order_payment.json_reply(target.action, http_status, content, target.asked, target.bare_success);
	ELSIF btrim(content, E' \t\r\n') <> '' THEN
		answer := content::jsonb;
	END IF;
	RETURN CASE target.protocol
		WHEN 'stripe' THEN order_payment.stripe_reply(target.action, http_status, answer, target.asked, target.exponents)
		WHEN 'alipay' THEN order_payment.alipay_reply(target.action, http_status,
			(SELECT a.value FROM jsonb_each(answer) a WHERE order_payment.alipay_answers(target.action, a.key) LIMIT 1), target.asked)
		WHEN 'wechatpay_v3' THEN order_payment.wechatpay_reply(target.action, http_status, coalesce(answer, '{}'), target.asked, target.exponents)
		END;
END
$$;
COMMENT ON FUNCTION order_payment.read_reply(record, integer, bytea) IS
	'what an answer tells, by the protocol of its gateway. For settle_request()';

/* An answer is about what was asked; what it leaves out is that. */
CREATE FUNCTION order_payment.require_asked(fact order_payment.gateway_fact, target record) RETURNS order_payment.gateway_fact
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number CONSTANT text := target.asked ->> 'number';
	payment_number CONSTANT text := coalesce(target.asked ->> 'payment_number', number);
	about_payment CONSTANT boolean := fact.entity = 'payment';
BEGIN
	IF fact.entity NOT IN ('payment', replace(target.action, 'query_', '')) THEN
		PERFORM order_payment.refuse_fact('OP017', 'the answer is to another request', fact.entity, target.action);
	END IF;
	IF about_payment AND fact.number <> payment_number OR NOT about_payment AND fact.number <> number THEN
		PERFORM order_payment.refuse_fact('OP017', 'the answer is to another request', fact.number, number);
	END IF;
	fact.number := CASE WHEN about_payment THEN payment_number ELSE number END;
	fact.payment_number := CASE WHEN NOT about_payment THEN coalesce(fact.payment_number, payment_number) END;
	fact.occurred_at := CASE WHEN isfinite(fact.occurred_at) THEN fact.occurred_at ELSE clock_timestamp() END;
	RETURN fact;
END
$$;
COMMENT ON FUNCTION order_payment.require_asked(order_payment.gateway_fact, record) IS
	'the fact of an answer, with the numbers that were asked for; OP017 if it has others. For settle_request()';

/* ---------- what an answer does ---------- */

/* A payment or operation that was sent, and is not known to have ended in another way. */
CREATE FUNCTION order_payment.end_sent(request record, target record, status text, failure order_payment.gateway_reply, store name)
	RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	code CONSTANT text := failure.failure_code;
	retry_at timestamptz;
	is_done boolean;
BEGIN
	IF request.operation_id IS NULL THEN
		EXECUTE format('UPDATE %I.payments
						SET status = $2::order_payment.payment_status, failure_class = $3, failure_code = $4, failure_message = $5
						WHERE order_id = %L AND payment_id = $1 AND status IN (''processing'', ''unknown'')
						  AND status <> $2::order_payment.payment_status RETURNING true', store, request.order_id)
			INTO is_done USING request.payment_id, status, failure.failure_class, code, failure.failure_message;
	ELSE
		-- an operation is tried again on its own row, so its time is written here; the last failure is for people
		retry_at := order_payment.operation_retry(target.retry_schedule, failure.failure_class, target.attempt_no);
		EXECUTE format('UPDATE %I.payment_operations
						SET status = $2::order_payment.operation_status, failure_class = $3, failure_code = $4, failure_message = $5,
							retry_at = CASE WHEN $2 = ''failed'' THEN $6 END
						WHERE order_id = %L AND operation_id = $1 AND status IN (''processing'', ''unknown'')
						  AND status <> $2::order_payment.operation_status RETURNING true', store, request.order_id)
			INTO is_done USING request.operation_id, status, failure.failure_class, code, failure.failure_message, retry_at;
	END IF;
	RETURN coalesce(is_done, false);
END
$$;
COMMENT ON FUNCTION order_payment.end_sent(record, record, text, order_payment.gateway_reply, name) IS
	'moves what was sent, and is processing or unknown, to failed or unknown; false if it is neither. For settle_request()';

/*
 * The gateway knows nothing of it: what was sent did not arrive. What was not
 * sent yet, and asked for first, stays as it is, and is sent now. Of a payment
 * that waited for the customer nothing can come when its time is over.
 */
CREATE FUNCTION order_payment.end_absent(request record, target record, reply order_payment.gateway_reply, store name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	reply.failure_class := 'not_sent';
	IF NOT order_payment.end_sent(request, target, 'failed', reply, store) AND request.operation_id IS NULL THEN
		EXECUTE format('UPDATE %I.payments SET status = ''revoked'', next_action = NULL
						WHERE order_id = %L AND payment_id = $1 AND status = ''requires_action'' AND expires_at <= clock_timestamp()',
					   store, request.order_id) USING request.payment_id;
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.end_absent(record, record, order_payment.gateway_reply, name) IS
	'records that a gateway knows nothing of what it was asked for. For settle_request()';

/*
 * Facts stand for themselves. What is no fact is said of the request alone: if
 * the same was sent anew since, it says nothing of that. Nor does a gateway that
 * knows nothing of what may be on its way to it.
 */
CREATE FUNCTION order_payment.apply_verdict(request record, target record, reply order_payment.gateway_reply, store name,
											OUT outcome text, OUT reason text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_send CONSTANT boolean := request.work IN ('send_payment', 'send_operation', 'retry_operation');
	fact order_payment.gateway_fact;
	told boolean := false;
BEGIN
	reason := concat_ws(': ', reply.failure_code, reply.failure_message);
	IF reply.verdict = 'told' THEN
		FOREACH fact IN ARRAY reply.facts LOOP
			fact := order_payment.require_asked(fact, target);
			CONTINUE WHEN NOT target.is_current AND fact.status = 'failed';
			told := (order_payment.apply_fact(request.gateway, fact, store)).changed OR told;
		END LOOP;
		outcome := CASE WHEN told THEN 'applied' ELSE 'stale' END;
		RETURN;
	ELSIF NOT target.is_current THEN
		outcome := 'stale';
		RETURN;
	END IF;
	outcome := CASE WHEN reply.verdict IN ('refused', 'not_done') THEN 'failed'
					WHEN reply.verdict = 'absent' AND NOT target.may_be_under_way THEN 'absent'
					ELSE 'unknown' END;
	IF outcome = 'absent' THEN
		PERFORM order_payment.end_absent(request, target, reply, store);
	ELSIF is_send THEN
		IF outcome = 'unknown' THEN
			reply.failure_class := NULL;
		END IF;
		PERFORM order_payment.end_sent(request, target, outcome, reply, store);
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.apply_verdict(record, record, order_payment.gateway_reply, name) IS
	'records what the answer to a request tells. For settle_request()';

CREATE FUNCTION order_payment.try_reply(request record, target record, http_status integer, headers jsonb, body bytea, store name,
										OUT outcome text, OUT reason text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	verification record;
	tried record;
	code text;
	detail text;
BEGIN
	verification := order_payment.verify_reply(request.gateway, headers, body, NULL, store);
	BEGIN
		IF NOT verification.verified AND http_status BETWEEN 200 AND 299 THEN
			RAISE EXCEPTION 'the answer is not signed by the gateway: %', verification.reason USING ERRCODE = 'OP017';
		END IF;
		tried := order_payment.apply_verdict(request, target, order_payment.read_reply(target, http_status, body), store);
		outcome := tried.outcome;
		reason := nullif(tried.reason, '');
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
		IF order_payment.is_transient(code) THEN
			RAISE;
		END IF;
		-- who counts requests may stand before the gateway, and speak another language
		tried := order_payment.apply_verdict(request, target, CASE WHEN http_status = 429 AND code <> 'OP017'
			THEN order_payment.reply_by_status(429, target.action, NULL, NULL)
			ELSE order_payment.make_reply('unclear', '{}', NULL, http_status::text) END, store);
		-- an answer that cannot be read is no news; one that was read, and contradicts us, is
		outcome := CASE WHEN code = 'OP017' THEN 'conflict' WHEN http_status BETWEEN 200 AND 299 THEN 'error' ELSE tried.outcome END;
		reason := order_payment.reason_of(code, sqlerrm, detail);
	END;
END
$$;
COMMENT ON FUNCTION order_payment.try_reply(record, record, integer, jsonb, bytea, name) IS
	'verifies, reads and applies an answer; what cannot be applied leaves the outcome unknown. For settle_request()';

/* ---------- settling ---------- */

CREATE FUNCTION order_payment.settle(request record, state text, http_status integer, headers jsonb, body bytea, problem text, store name)
	RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	-- so that what is set below ends with the function
	SET order_payment.actor = '' SET order_payment.reason = ''
AS $$
DECLARE
	target CONSTANT record := order_payment.request_target(request, store);
	tried record;
BEGIN
	PERFORM set_config('order_payment.actor', 'gateway ' || request.gateway, true);
	PERFORM set_config('order_payment.reason', concat_ws(' ', 'request', request.request_id), true);
	tried := CASE state
		WHEN 'answered' THEN order_payment.try_reply(request, target, http_status, headers, body, store)
		WHEN 'not_sent' THEN order_payment.apply_verdict(request, target,
			order_payment.make_reply('not_done', '{}', 'not_sent', 'not_sent', problem), store)
		ELSE order_payment.apply_verdict(request, target, order_payment.make_reply('unclear', '{}', NULL, 'lost', problem), store) END;
	EXECUTE format('UPDATE %I.gateway_requests r
					SET state = $2, settled_at = clock_timestamp(), http_status = $3, outcome = $4, reason = left($5, 500),
						reply = CASE WHEN $4 IN (''conflict'', ''error'') THEN substr($6, 1, 65536) END
					WHERE r.order_id = %L AND r.request_id = $1 AND (r.state <> ''answered'' OR $4 IN (''applied'', ''conflict'', ''error''))', store, request.order_id)
		USING request.request_id, state, http_status, tried.outcome, tried.reason, body;
	RETURN tried.outcome;
END
$$;
COMMENT ON FUNCTION order_payment.settle(record, text, integer, jsonb, bytea, text, name) IS
	'records what became of a request that is locked. For settle_request() and lose_requests()';

/* A record of a row of gateway_requests, in the order of locks: the operations and the payments come before it. */
CREATE FUNCTION order_payment.lock_request(order_id text, request_id uuid, store name) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	request record;
BEGIN
	EXECUTE format('SELECT r.order_id::text AS order_id, r.request_id, r.gateway, r.work, r.payment_id, r.operation_id, r.claimed_at, r.state
					FROM %I.gateway_requests r WHERE r.order_id = %L AND r.request_id = $1 AND r.state <> ''refused''', store, order_id)
		INTO request USING request_id;
	IF request.request_id IS NULL THEN
		RAISE EXCEPTION 'request % of order % does not exist', request_id, order_id
			USING ERRCODE = 'no_data_found', HINT = 'Give order_id and request_id as claim_requests() returned them.';
	END IF;
	EXECUTE format('SELECT FROM %I.payment_operations r WHERE r.order_id = %L ORDER BY r.operation_id FOR NO KEY UPDATE', store, order_id);
	EXECUTE format('SELECT FROM %I.payments p WHERE p.order_id = %L ORDER BY p.payment_id FOR NO KEY UPDATE', store, order_id);
	-- who had them before may have settled it
	EXECUTE format('SELECT r.state FROM %I.gateway_requests r WHERE r.order_id = %L AND r.request_id = $1', store, order_id)
		INTO request.state USING request_id;
	RETURN request;
END
$$;
COMMENT ON FUNCTION order_payment.lock_request(text, uuid, name) IS
	'a request, with the operations and payments of its order locked, as apply_fact() locks them; P0002 if there is none. For settle_request()';

CREATE FUNCTION order_payment.settle_request(
		order_id text,
		request_id uuid,
		state text,
		http_status integer DEFAULT NULL,
		headers jsonb DEFAULT '{}',
		body bytea DEFAULT '',
		problem text DEFAULT NULL,
		store name DEFAULT order_payment.current_store())
	RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	request record;
	outcome text;
BEGIN
	PERFORM order_payment.require_dispatcher(store);
	IF state IS NULL OR state NOT IN ('answered', 'not_sent', 'lost') OR (state = 'answered') <> (http_status IS NOT NULL)
		OR http_status NOT BETWEEN 100 AND 999
	THEN
		RAISE EXCEPTION 'a request is settled as answered (with http_status, three digits), not_sent or lost'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'not_sent: nothing of it left, as when no connection came about. lost: in every other case without a whole answer.';
	END IF;
	request := order_payment.lock_request(order_id, request_id, store);
	IF request.state <> 'claimed' AND state <> 'answered' THEN
		RETURN 'stale';
	END IF;
	outcome := order_payment.settle(request, state, http_status, coalesce(headers, '{}'), coalesce(body, ''), problem, store);
	IF outcome = 'applied' THEN
		PERFORM order_payment.retry_deferred(request.gateway, request.payment_id, store);
	END IF;
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION order_payment.settle_request(text, uuid, text, integer, jsonb, bytea, text, name) IS
	'tells what became of a request that claim_requests() returned: answered, with status, headers and raw body; not_sent, if it is sure that nothing left; lost otherwise. Returns what that did: applied, stale, absent, failed, unknown, conflict, error. For roles that may record outcomes';

/* Who claimed these has died, or is too late; an answer that comes yet is taken all the same. */
CREATE FUNCTION order_payment.lose_request(late record, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_claimed boolean;
	code text;
BEGIN
	BEGIN
		IF order_payment.hold_order(late.order_id, late.operation_id, store) THEN
			EXECUTE format('SELECT true FROM %I.gateway_requests r WHERE r.order_id = %L AND r.request_id = $1 AND r.state = ''claimed''',
						   store, late.order_id) INTO is_claimed USING late.request_id;
		END IF;
		IF is_claimed IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'lock_not_available';  -- and give back what was got
		END IF;
		PERFORM order_payment.settle(late, 'lost', NULL, NULL, NULL, 'the lease ended', store);
	EXCEPTION
		WHEN lock_not_available THEN
			RETURN false;
		WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
			IF order_payment.is_transient(code) THEN
				RAISE;
			END IF;
			-- it is lost all the same, and holds up no other
			EXECUTE format('UPDATE %I.gateway_requests r
							SET state = ''lost'', settled_at = clock_timestamp(), outcome = ''error'', reason = $2
							WHERE r.order_id = %L AND r.request_id = $1 AND r.state = ''claimed''', store, late.order_id)
				USING late.request_id, order_payment.reason_of(code, sqlerrm, NULL);
	END;
	RETURN true;
END
$$;
COMMENT ON FUNCTION order_payment.lose_request(record, name) IS
	'settles as lost a request whose lease ended; false if it was settled, or another session has its order. For lose_requests()';

CREATE FUNCTION order_payment.lose_requests(store name) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := 0;
	late record;
BEGIN
	FOR late IN EXECUTE format('SELECT r.order_id::text AS order_id, r.request_id, r.gateway, r.work, r.payment_id, r.operation_id, r.claimed_at
								FROM %I.gateway_requests r WHERE r.state = ''claimed'' AND r.lease_until < clock_timestamp()', store)
	LOOP
		n := n + order_payment.lose_request(late, store)::integer;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION order_payment.lose_requests(name) IS
	'settles as lost what was claimed and not settled before its lease ended; returns how many. For claim_requests()';
