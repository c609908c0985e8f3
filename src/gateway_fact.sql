/* ---------- what a gateway tells, in our words ---------- */

/*
 * fact			one thing that a gateway tells of one payment or operation,
 *				whatever protocol it came by, and whether in a notification or
 *				in the answer to a request
 * reader		a function that makes facts of what a protocol says:
 *				stripe_event(), alipay_event() ... It knows no table
 * number		ours, as it was shown to the gateway: 32 hex digits
 * reference	the gateway's own
 *
 * Figures that a gateway gives as sums (captured, refunded) are targets: what
 * is missing to reach them is booked, and nothing if they are reached. A member
 * that a gateway does not tell is null, and is not compared.
 */
CREATE TYPE order_payment.gateway_fact AS (
	entity text,
	number text,
	payment_number text,
	reference text,
	payment_reference text,
	status text,
	amount numeric,
	currency text,
	captured numeric,
	refunded numeric,
	fee numeric,
	capture_before timestamptz,
	failure_class order_payment.failure_class,
	failure_code text,
	failure_message text,
	next_action jsonb,
	app_id text,
	merchant_id text,
	occurred_at timestamptz
);
COMMENT ON TYPE order_payment.gateway_fact IS
	'one thing that a gateway tells: entity is payment, capture, void, refund or chargeback; status a payment_status or operation_status; captured and refunded are sums of the payment; number and reference name the entity, ours and the gateway''s, payment_number and payment_reference its payment';

CREATE TYPE order_payment.gateway_event AS (
	event_id text,
	event_type text,
	facts order_payment.gateway_fact[]
);
COMMENT ON TYPE order_payment.gateway_event IS
	'what a notification of a gateway tells: facts in the order in which they build on each other; none if it tells nothing of payments';

/*
 * A figure is written in decimal digits. PostgreSQL reads more, from release to
 * release; that is NaN here, which require_sound_event() refuses.
 */
CREATE FUNCTION order_payment.make_fact(members jsonb) RETURNS order_payment.gateway_fact
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_populate_record(NULL::order_payment.gateway_fact, members || coalesce((
		SELECT jsonb_object_agg(m.key, 'NaN') FROM jsonb_each_text(members) m
		WHERE m.key IN ('amount', 'captured', 'refunded', 'fee') AND m.value !~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$'), '{}'));
END;
COMMENT ON FUNCTION order_payment.make_fact(jsonb) IS
	'a fact of its members by name; those left out are null. For readers of protocols';

CREATE FUNCTION order_payment.number_id(number text) RETURNS uuid
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN number ~ '^[0-9a-f]{32}$' THEN number::uuid END;
END;
COMMENT ON FUNCTION order_payment.number_id(text) IS
	'payment_id or operation_id of a number that was shown to a gateway; null if it is none of ours';

CREATE FUNCTION order_payment.require_member(content jsonb, member text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF jsonb_typeof(content) IS DISTINCT FROM 'object' OR coalesce(content ->> member, '') = ''
		OR jsonb_typeof(content -> member) NOT IN ('string', 'number')
	THEN
		RAISE EXCEPTION 'a message of a gateway lacks "%"', member
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'It is missing, null, empty, or neither a text nor a number.',
				  HINT = 'Compare the protocol of the gateway in gateways with what it sends.';
	END IF;
	RETURN content ->> member;
END
$$;
COMMENT ON FUNCTION order_payment.require_member(jsonb, text) IS
	'a member of a gateway''s message as text, else raises 22023. For readers of protocols';

CREATE FUNCTION order_payment.translate_status(word text, words jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT words ? coalesce(word, '') THEN
		RAISE EXCEPTION 'a gateway tells of a status that is not known'
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = format('It is none of %s.', (SELECT string_agg(k, ', ' ORDER BY k COLLATE "C") FROM jsonb_object_keys(words) k)),
				  HINT = 'Nothing was changed. A later release may know it; replay_notification() applies it then.';
	END IF;
	RETURN words ->> word;
END
$$;
COMMENT ON FUNCTION order_payment.translate_status(text, jsonb) IS
	'our word for a gateway''s status by a table of them, null where that has null; raises 22023 for a word that is not in it. For readers of protocols';

/* ---------- our own protocol ---------- */

/*
 * Figures come as texts or numbers of JSON in the currency's major unit.
 *
 *	{"number": "0190...", "status": "succeeded", "amount": "10.00", "currency": "EUR", "reference": "tx-1"}
 *	{"entity": "refund", "number": "0190...", "payment_number": "0190...", "status": "succeeded", "amount": "2.50", ...}
 *
 * standard_webhooks: the same as data of {"type": ..., "timestamp": ..., "data": {...}}.
 */
CREATE FUNCTION order_payment.json_fact(result jsonb) RETURNS order_payment.gateway_fact
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fact order_payment.gateway_fact;
BEGIN
	PERFORM order_payment.require_member(result, 'status');
	fact := order_payment.make_fact(result);
	fact.entity := coalesce(fact.entity, 'payment');
	fact.number := nullif(fact.number, '');
	fact.reference := nullif(fact.reference, '');
	fact.payment_number := nullif(fact.payment_number, '');
	fact.payment_reference := nullif(fact.payment_reference, '');
	IF fact.entity = 'payment' THEN
		fact.status := fact.status::order_payment.payment_status::text;
	ELSIF fact.entity IN ('capture', 'void', 'refund', 'chargeback') THEN
		fact.fee := NULL;
		fact.status := fact.status::order_payment.operation_status::text;
	ELSE
		RAISE EXCEPTION 'a gateway tells of an entity that is not known'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'It is payment, capture, void, refund or chargeback.';
	END IF;
	RETURN fact;
END
$$;
COMMENT ON FUNCTION order_payment.json_fact(jsonb) IS
	'the fact in a result of the protocol json: number or reference, status, and what else gateway_fact has, by the same names; amounts in major units';

CREATE FUNCTION order_payment.json_event(content jsonb, event_id text) RETURNS order_payment.gateway_event
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ROW (event_id, content ->> 'type', ARRAY[order_payment.json_fact(content)])::order_payment.gateway_event;
END;
COMMENT ON FUNCTION order_payment.json_event(jsonb, text) IS
	'what a notification of the protocol json tells; event_id is its header webhook-id';

CREATE FUNCTION order_payment.standard_webhooks_event(content jsonb, event_id text) RETURNS order_payment.gateway_event
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ROW (event_id, order_payment.require_member(content, 'type'),
				-- types that are not of payments tell nothing here
				CASE WHEN content ->> 'type' ~ '^(payment|capture|void|refund|chargeback)\.'
					 THEN ARRAY[order_payment.json_fact(
						jsonb_build_object('occurred_at', content ->> 'timestamp') || (content -> 'data')
						|| jsonb_build_object('entity', split_part(content ->> 'type', '.', 1)))]
					 ELSE '{}' END)::order_payment.gateway_event;
END;
COMMENT ON FUNCTION order_payment.standard_webhooks_event(jsonb, text) IS
	'what a notification of the protocol standard_webhooks tells: type (entity and a word, as payment.succeeded), timestamp, and the result in data; event_id is its header webhook-id';

/* ---------- answers to requests ---------- */

/*
 * verdict		what an answer says of the request:
 *				told		facts say what became of it
 *				refused		it was not done, and will not be
 *				not_done	it was not done, and may be at another time
 *				absent		to a query: the gateway knows nothing of it
 *				unclear		nothing that can be relied upon
 * asked		what the request was about: number, payment_number, reference,
 *				payment_reference, amount, currency, age (since it was first
 *				asked for)
 */
CREATE TYPE order_payment.gateway_reply AS (
	verdict text,
	facts order_payment.gateway_fact[],
	failure_class order_payment.failure_class,
	failure_code text,
	failure_message text
);
COMMENT ON TYPE order_payment.gateway_reply IS
	'what the answer to a request tells: verdict is told (by facts), refused, not_done, absent or unclear';

CREATE FUNCTION order_payment.make_reply(verdict text, facts order_payment.gateway_fact[] DEFAULT '{}',
										 failure_class order_payment.failure_class DEFAULT NULL,
										 failure_code text DEFAULT NULL, failure_message text DEFAULT NULL)
	RETURNS order_payment.gateway_reply
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ROW (verdict, facts, failure_class, failure_code, left(failure_message, 500))::order_payment.gateway_reply;
END;
COMMENT ON FUNCTION order_payment.make_reply(text, order_payment.gateway_fact[], order_payment.failure_class, text, text) IS
	'the reading of an answer. For readers of protocols';

/* By the status of HTTP alone, where a body says nothing better. */
CREATE FUNCTION order_payment.reply_by_status(http_status integer, action text, code text, message text)
	RETURNS order_payment.gateway_reply
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE
		WHEN http_status = 429 THEN order_payment.make_reply('not_done', '{}', 'not_sent', coalesce(code, '429'), message)
		WHEN http_status = 404 AND starts_with(action, 'query') THEN order_payment.make_reply('absent', '{}', NULL, coalesce(code, '404'), message)
		WHEN http_status IN (408, 409, 425) OR http_status NOT BETWEEN 400 AND 499
			THEN order_payment.make_reply('unclear', '{}', NULL, coalesce(code, http_status::text), message)
		ELSE order_payment.make_reply('refused', '{}', 'other', coalesce(code, http_status::text), message) END;
END;
COMMENT ON FUNCTION order_payment.reply_by_status(integer, text, text, text) IS
	'what an answer tells by its HTTP status: 429 was not done, 404 to a query knows nothing of it, 408, 409, 425 and all that is no 4xx are unclear, other 4xx are refused. For readers of protocols';

/* ---------- answers of our own protocol ---------- */

CREATE FUNCTION order_payment.json_reply(action text, http_status integer, body text, asked jsonb, bare_success boolean)
	RETURNS order_payment.gateway_reply
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entity CONSTANT text := CASE WHEN action IN ('pay', 'query', 'revoke') THEN 'payment' ELSE replace(action, 'query_', '') END;
	is_bare CONSTANT boolean := btrim(body, E' \t\r\n') = '';
	words CONSTANT text[] := '{created,processing,requires_action,authorized,succeeded,failed,revoked,unknown,requested,cancelled,reversed}';
	content jsonb;
BEGIN
	IF is_bare AND http_status = 200 AND action = 'pay' AND bare_success THEN
		RETURN order_payment.make_reply('told', ARRAY[order_payment.make_fact(asked || '{"entity": "payment", "status": "succeeded"}')]);
	ELSIF is_bare THEN
		RETURN order_payment.reply_by_status(http_status, action, NULL, NULL);
	END IF;
	content := body::jsonb;
	IF http_status NOT BETWEEN 200 AND 499 OR http_status BETWEEN 300 AND 399 OR jsonb_typeof(content) <> 'object'
		OR coalesce(jsonb_typeof(content -> 'status') <> 'string', true)  -- a number is that of HTTP (RFC 9457)
		OR http_status >= 400 AND NOT content ->> 'status' = ANY (words)
	THEN
		RETURN order_payment.reply_by_status(http_status, action, content ->> 'failure_code', content ->> 'failure_message');
	END IF;
	RETURN order_payment.make_reply('told', ARRAY[order_payment.json_fact(jsonb_build_object('entity', entity) || content)]);
END
$$;
COMMENT ON FUNCTION order_payment.json_reply(text, integer, text, jsonb, boolean) IS
	'what an answer of the protocol json tells: a result (see json_fact()) decides, with 2xx or 4xx, else the HTTP status; 200 without a body means paid where the row of the gateway says so';
