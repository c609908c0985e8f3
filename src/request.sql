/* ---------- requests to gateways ---------- */

/*
 * request		what is sent over HTTPS: method, URL, headers, body. Any client may
 *				send it; the body is text, and goes as UTF-8
 * work			what is to be done, as in the view open_work
 * action		the same, by what is asked of the gateway: pay, query, revoke;
 *				capture, void, refund; query_capture, query_void, query_refund
 * number		of a payment or an operation: the 32 hex digits of its id, by which
 *				the gateway knows it
 * key			the idempotency key of a request. That of a payment is its number;
 *				of an operation its number, with -2, -3 ... behind it when it is
 *				tried again after a failure (attempt_no); of what revokes a payment, its number and
 *				-revoke; of what voids the rest of one, its number and -void
 * placeholder	{{api_key}} in the header Authorization, {{card_number}},
 *				{{card_holder}} and {{card_expiry}} in a body: stand for what is no
 *				text of SQL. Whoever sends fills them in
 * options		members that gateways.request_options, and before those
 *				payments.request_options, add to the request of a payment. A null
 *				takes a member out again. What a request has by itself, they never
 *				replace
 *
 * Building reads, and changes nothing; signing needs the right to record what
 * gateways did. Nothing that comes from a row is taken for a placeholder, a
 * header of its own, or a path: in JSON the braces of {{ are written \u007b, in
 * URLs and forms all is percent-encoded, and require_request() looks at the
 * whole at the end.
 */
CREATE TYPE order_payment.gateway_request AS (
	method text,
	url text,
	headers jsonb,
	body text
);
COMMENT ON TYPE order_payment.gateway_request IS
	'what build_request() and sign_request() return: an HTTPS request. headers is an object of strings; body is null for GET, else to be sent as UTF-8. Placeholders such as {{api_key}} are filled in by whoever sends it';

/* ---------- what the protocols have in common ---------- */

CREATE FUNCTION order_payment.percent_encoded(value text) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(string_agg(
		CASE WHEN run.part[1] COLLATE "C" ~ '^[A-Za-z0-9._~-]' THEN run.part[1]
			 ELSE regexp_replace(upper(encode(convert_to(run.part[1], 'UTF8'), 'hex')), '(..)', '%\1', 'g') END,
		'' ORDER BY run.n), '')
	FROM regexp_matches(value COLLATE "C", '[A-Za-z0-9._~-]+|[^A-Za-z0-9._~-]+', 'g') WITH ORDINALITY AS run (part, n);
END;
COMMENT ON FUNCTION order_payment.percent_encoded(text) IS
	'a text as it stands in a URL or a form: all but letters and digits of ASCII and - . _ ~ as %XX of its UTF-8 bytes';

CREATE FUNCTION order_payment.path_segment(value text) RETURNS text
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value IN ('', '.', '..') THEN
		RAISE EXCEPTION '"%" can be no part of a path', value
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'Clients would take the path for that of another resource.';
	END IF;
	RETURN order_payment.percent_encoded(value);
END
$$;
COMMENT ON FUNCTION order_payment.path_segment(text) IS
	'a text as one step of the path of a URL; 22023 for one that has a meaning of its own there';

-- not as one recursive query: what the planner expects of one is worth compiling, which takes longer than all else
CREATE FUNCTION order_payment.form_encoded(members jsonb, within text DEFAULT '') RETURNS text
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member record;
	name text;
	form text := '';
BEGIN
	FOR member IN
		SELECT o.key COLLATE "C" AS key, o.value
		FROM jsonb_each(CASE WHEN jsonb_typeof(members) = 'object' THEN members ELSE '{}' END) o
		UNION ALL
		SELECT (a.n - 1)::text, a.value
		FROM jsonb_array_elements(CASE WHEN jsonb_typeof(members) = 'array' THEN members ELSE '[]' END) WITH ORDINALITY AS a (value, n)
		ORDER BY key
	LOOP
		-- else {"a[b]": 1} could replace what {"a": {"b": 2}} says
		IF member.key = '' OR member.key ~ '[][]' THEN
			RAISE EXCEPTION 'the name of a member is empty, or has a bracket'
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Write {"a": {"b": 1}} for a[b]=1.';
		END IF;
		name := CASE within WHEN '' THEN member.key ELSE format('%s[%s]', within, member.key) END;
		IF jsonb_typeof(member.value) IN ('object', 'array') THEN
			form := form || order_payment.form_encoded(member.value, name);
		ELSE
			form := form || '&' || order_payment.percent_encoded(name) || '='
				|| order_payment.percent_encoded(coalesce(member.value #>> '{}', ''));
		END IF;
	END LOOP;
	RETURN CASE within WHEN '' THEN substr(form, 2) ELSE form END;
END
$$;
COMMENT ON FUNCTION order_payment.form_encoded(jsonb, text) IS
	'an object as application/x-www-form-urlencoded, by name: members of members as a[b]=1, elements of arrays as a[0]=1, null as nothing; 22023 for a name that is empty or has a bracket. within: what it is a member of, told to itself';

CREATE FUNCTION order_payment.json_body(members jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- outside of strings JSON has no {{
	SELECT replace(members::text, '{{', '\u007b\u007b');
END;
COMMENT ON FUNCTION order_payment.json_body(jsonb) IS
	'an object as the text of a body, in which nothing is a placeholder';

CREATE FUNCTION order_payment.payment_options(gateway record, payment record, reserved text[]) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own CONSTANT jsonb := coalesce(nullif(payment.request_options, 'null'), '{}');
BEGIN
	IF jsonb_typeof(own) <> 'object' THEN
		RAISE EXCEPTION 'the request_options of payment % are no object', payment.payment_id
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Write an object, such as {"subject": "Two books"}, or null.';
	END IF;
	RETURN jsonb_strip_nulls(gateway.request_options || own) - reserved;
END
$$;
COMMENT ON FUNCTION order_payment.payment_options(record, record, text[]) IS
	'what gateways.request_options and payments.request_options add to the request of a payment, less the members that are not theirs to set';

CREATE FUNCTION order_payment.iso_minor_units(gateway record, amount numeric, currency text) RETURNS bigint
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF currency LIKE '%.%' THEN
		PERFORM order_payment.refuse_request(gateway.gateway, gateway.protocol, 'no amounts in ' || currency,
											 'Use a gateway of protocol json for currencies of your own.');
	END IF;
	RETURN order_payment.to_minor_units(amount, currency, gateway.minor_unit_exponents);
END
$$;
COMMENT ON FUNCTION order_payment.iso_minor_units(record, numeric, text) IS
	'an amount in the minor units of a gateway; 0A000 for currencies that are none of ISO 4217';

CREATE FUNCTION order_payment.default_subject(order_id text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- what Alipay forbids in a subject is left out; 127 is as long as a description of WeChat Pay may be
	SELECT left('Order ' || regexp_replace(order_id, '[/=&[:cntrl:]]', ' ', 'g'), 127);
END;
COMMENT ON FUNCTION order_payment.default_subject(text) IS
	'what a payment is for, where the options do not say it';

CREATE FUNCTION order_payment.refuse_request(gateway text, protocol text, what text, hint text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'gateway "%" of protocol % takes %', gateway, protocol, what
		USING ERRCODE = 'feature_not_supported', HINT = hint;
END
$$;
COMMENT ON FUNCTION order_payment.refuse_request(text, text, text, text) IS
	'raises 0A000: what a gateway cannot be asked for';

CREATE FUNCTION order_payment.require_member(gateway record, name text, value text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value IS NULL OR value = '' THEN
		RAISE EXCEPTION 'gateway "%" of protocol % needs %', gateway.gateway, gateway.protocol, name
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = CASE WHEN name LIKE 'request_options %'
							  THEN 'Give it with the payment: INSERT INTO payments (..., request_options), or in the gateway''s request_options.'
							  ELSE 'Set that column in the row of gateways.' END;
	END IF;
	RETURN value;
END
$$;
COMMENT ON FUNCTION order_payment.require_member(record, text, text) IS
	'a setting without which a request cannot be made; 22023 if it is not there';

CREATE FUNCTION order_payment.require_reference(payment record) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF payment.reference IS NULL THEN
		RAISE EXCEPTION 'payment % has no gateway_reference', payment.payment_id
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Query the payment first (query_payment): the gateway knows it by its own reference only.';
	END IF;
	RETURN payment.reference;
END
$$;
COMMENT ON FUNCTION order_payment.require_reference(record) IS
	'the gateway''s reference of a payment; 55000 if it is not known yet';

/*
 * Also for requests that a caller has put together himself: what is signed in
 * the name of a gateway goes to that gateway.
 */
CREATE FUNCTION order_payment.require_request(request order_payment.gateway_request, gateway record)
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rest CONSTANT text := substr(request.url, length(gateway.endpoint) + 1);
	fault text;
BEGIN
	IF request.method IS NULL OR request.method NOT IN ('GET', 'POST') THEN
		fault := 'Its method is neither GET nor POST.';
	ELSIF (request.method = 'GET') <> (request.body IS NULL) THEN
		fault := 'POST has a body, GET has none.';
	ELSIF request.url IS NULL OR NOT starts_with(request.url, gateway.endpoint) OR rest !~ '^([/?]|$)'
		OR rest COLLATE "C" ~ '[^!-~]|[#\\{}]' OR split_part(rest, '?', 1) ~* '/(\.|%2e){1,2}(/|$)' THEN
		fault := format('Its URL is none below %s.', gateway.endpoint);
	ELSIF request.headers IS NULL OR jsonb_typeof(request.headers) <> 'object'
		OR request.headers @? 'strict $.keyvalue() ? (@.value.type() != "string" || !(@.key like_regex "^[A-Za-z0-9-]+$"))' THEN
		fault := 'Its headers are no object of strings.';
	ELSIF (SELECT count(DISTINCT lower(h.key)) < count(*) FROM jsonb_object_keys(request.headers) AS h (key)) THEN
		fault := 'It has a header twice.';
	ELSIF EXISTS (
		SELECT FROM jsonb_each_text(request.headers) h
		WHERE h.value COLLATE "C" ~ '[^ -~]' OR h.value <> btrim(h.value)
		   OR h.value LIKE '%{{%' AND (h.key, h.value) <> ('Authorization', 'Bearer {{api_key}}')) THEN
		fault := 'One of its headers has a line end or another character that no header has.';
	ELSE
		RETURN request;
	END IF;
	RAISE EXCEPTION 'this is no request to gateway "%"', gateway.gateway
		USING ERRCODE = 'invalid_parameter_value', DETAIL = fault;
END
$$;
COMMENT ON FUNCTION order_payment.require_request(order_payment.gateway_request, record) IS
	'the request, if it can be sent and goes where the gateway is, else raises 22023';

CREATE FUNCTION order_payment.request_gateway(gateway text, store name) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_gateway record;
BEGIN
	EXECUTE format($query$

SELECT g.gateway, g.protocol, g.notify_url, g.app_id, g.merchant_id, g.minor_unit_exponents, g.request_options,
	   rtrim(coalesce(g.endpoint, CASE g.protocol
								  WHEN 'stripe' THEN 'https://api.stripe.com'
								  WHEN 'alipay' THEN 'https://openapi.alipay.com/gateway.do'
								  WHEN 'wechatpay_v3' THEN 'https://api.mch.weixin.qq.com' END), '/') AS endpoint
FROM %1$I.gateways g
WHERE g.gateway = $1

	$query$, store) INTO found_gateway USING gateway;
	IF found_gateway.gateway IS NULL THEN
		RAISE EXCEPTION 'gateway "%" does not exist', gateway
			USING ERRCODE = 'foreign_key_violation', HINT = format('The gateways of the store are the rows of %I.gateways.', store);
	ELSIF found_gateway.protocol IS NULL THEN
		RAISE EXCEPTION 'gateway "%" has no protocol', gateway
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Set gateways.protocol if it is to be spoken to.';
	ELSIF found_gateway.protocol IN ('wechatpay_v2', 'standard_webhooks') THEN
		PERFORM order_payment.refuse_request(gateway, found_gateway.protocol, 'no requests',
											 'Its notifications are taken; send requests by a gateway of another protocol, or by a program of your own.');
	ELSIF found_gateway.endpoint IS NULL THEN
		PERFORM order_payment.require_member(found_gateway, 'endpoint', NULL);
	END IF;
	RETURN found_gateway;
END
$$;
COMMENT ON FUNCTION order_payment.request_gateway(text, name) IS
	'a gateway to which requests are made, and where they go; 23503 if it does not exist, 22023 without protocol or endpoint, 0A000 for a protocol of notifications only';

CREATE FUNCTION order_payment.secret_name(gateway text, kind text, store name, OUT is_there boolean, OUT key_name text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT true, s.key_name FROM %I.gateway_secrets s
					WHERE s.gateway = $1 AND s.kind = $2 AND s.valid_from <= clock_timestamp()
					  AND (s.valid_until IS NULL OR s.valid_until > clock_timestamp())
					ORDER BY s.valid_from DESC, s.secret_id DESC LIMIT 1', store)
		INTO is_there, key_name USING gateway, kind;
	is_there := coalesce(is_there, false);
END
$$;
COMMENT ON FUNCTION order_payment.secret_name(text, text, name) IS
	'has a gateway a valid secret of that kind, and by what name does the gateway call the latest';

/* ---------- building ---------- */

CREATE FUNCTION order_payment.work_action(work text, kind text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	action CONSTANT text := CASE work
		WHEN 'send_payment' THEN 'pay'
		WHEN 'query_payment' THEN 'query'
		WHEN 'revoke_payment' THEN 'revoke'
		WHEN 'void_payment' THEN 'void'
		WHEN 'send_operation' THEN kind
		WHEN 'retry_operation' THEN kind
		WHEN 'query_operation' THEN 'query_' || kind END;
BEGIN
	IF kind = 'chargeback' THEN
		RAISE EXCEPTION 'no request is made for a chargeback'
			USING ERRCODE = 'feature_not_supported', HINT = 'It is the bank''s doing: the gateway tells of it by a notification.';
	ELSIF action IS NULL THEN
		RAISE EXCEPTION 'there are no requests for work "%"', work
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'They are send_payment, revoke_payment, query_payment, void_payment, send_operation, query_operation and retry_operation. For refund_due call request_due_refunds(), for retry_payment the function of that name.';
	END IF;
	RETURN action;
END
$$;
COMMENT ON FUNCTION order_payment.work_action(text, text) IS
	'what a gateway is asked for by a row of open_work, if it is about an operation of that kind; 22023 for work that is no request';

CREATE FUNCTION order_payment.requested_of_payment(payment_id uuid, store name) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	payment record;
BEGIN
	EXECUTE format($query$

SELECT p.order_id::text AS order_id, p.payment_id, replace(p.payment_id::text, '-', '') AS number, p.gateway, p.method,
	   round(p.amount, order_payment.currency_exponent(p.currency)) AS amount, p.fee, p.currency, p.gateway_reference AS reference,
	   round(p.authorized_amount - p.captured_amount, order_payment.currency_exponent(p.currency)) AS uncaptured_amount, p.capture_pending_amount, p.request_options, p.expires_at,
	   p.card_number_sealed IS NOT NULL AS has_number, p.card_holder_sealed IS NOT NULL AS has_holder,
	   p.card_expiry_sealed IS NOT NULL AS has_expiry
FROM %I.payments p
WHERE p.payment_id = $1

	$query$, store) INTO payment USING payment_id;
	IF payment.payment_id IS NULL THEN
		RAISE EXCEPTION 'payment % does not exist', payment_id USING ERRCODE = 'no_data_found';
	END IF;
	RETURN payment;
END
$$;
COMMENT ON FUNCTION order_payment.requested_of_payment(uuid, name) IS
	'what requests say of a payment; P0002 if it does not exist. Called by build_request()';

/*
 * revoke_payment and void_payment have no row of payment_operations: they are
 * told as one that would void all that is left.
 */
CREATE FUNCTION order_payment.requested_of_operation(work text, payment record, operation_id uuid, store name) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	operation record;
BEGIN
	IF work IS NULL OR work NOT LIKE '%\_operation' THEN
		SELECT NULL::text AS kind, payment.number AS number,
			   payment.number || CASE work WHEN 'revoke_payment' THEN '-revoke' WHEN 'void_payment' THEN '-void' ELSE '' END AS key,
			   CASE WHEN work = 'void_payment' THEN payment.uncaptured_amount - payment.capture_pending_amount
					ELSE payment.amount END AS amount,
			   NULL::text AS reason, NULL::text AS reference
		INTO operation;
		RETURN operation;
	ELSIF operation_id IS NULL THEN
		RAISE EXCEPTION 'operation_id may not be null for work "%"', work USING ERRCODE = 'null_value_not_allowed';
	END IF;
	EXECUTE format($query$

SELECT r.kind, replace(r.operation_id::text, '-', '') AS number,
	   replace(r.operation_id::text, '-', '') || CASE WHEN r.attempt_no > 1 THEN '-' || r.attempt_no ELSE '' END AS key,
	   round(r.amount, order_payment.currency_exponent(r.currency)) AS amount, r.reason, r.gateway_reference AS reference
FROM %I.payment_operations r
WHERE r.order_id = %L AND r.operation_id = $1 AND r.payment_id = $2

	$query$, store, payment.order_id) INTO operation USING operation_id, payment.payment_id;
	IF operation.kind IS NULL THEN
		RAISE EXCEPTION 'operation % of payment % does not exist', operation_id, payment.payment_id
			USING ERRCODE = 'no_data_found';
	END IF;
	RETURN operation;
END
$$;
COMMENT ON FUNCTION order_payment.requested_of_operation(text, record, uuid, name) IS
	'what requests say of an operation, or of what revokes or voids a payment; P0002 if it is none of the payment. Called by build_request()';

CREATE FUNCTION order_payment.build_request(
		work text,
		payment_id uuid,
		operation_id uuid DEFAULT NULL,
		store name DEFAULT order_payment.current_store())
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	payment record;
	operation record;
	gateway record;
	action text;
	request order_payment.gateway_request;
BEGIN
	PERFORM order_payment.require_store(store);
	IF payment_id IS NULL THEN
		RAISE EXCEPTION 'payment_id may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	payment := order_payment.requested_of_payment(payment_id, store);
	operation := order_payment.requested_of_operation(work, payment, operation_id, store);
	action := order_payment.work_action(work, operation.kind);
	gateway := order_payment.request_gateway(payment.gateway, store);
	request := CASE gateway.protocol
		WHEN 'json' THEN order_payment.build_json_request(action, gateway, payment, operation, store)
		WHEN 'stripe' THEN order_payment.build_stripe_request(action, gateway, payment, operation)
		WHEN 'alipay' THEN order_payment.build_alipay_request(action, gateway, payment, operation)
		WHEN 'wechatpay_v3' THEN order_payment.build_wechatpay_request(action, gateway, payment, operation, store)
	END;
	RETURN order_payment.require_request(request, gateway);
END
$$;
COMMENT ON FUNCTION order_payment.build_request(text, uuid, uuid, name) IS
	'the request to a gateway for a row of open_work, without what signs it: hand it to sign_request(). Reads only. 0A000 for what the gateway cannot do, 22023 for work that is no request and for what the row of the gateway lacks, P0002 for a payment or operation that does not exist, 55000 where the gateway''s reference must be known first';

/* ---------- signing ---------- */

CREATE FUNCTION order_payment.sign_request(
		gateway text,
		request order_payment.gateway_request,
		store name DEFAULT order_payment.current_store())
	RETURNS order_payment.gateway_request
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_gateway record;
	signed order_payment.gateway_request;
BEGIN
	PERFORM order_payment.require_store(store);
	found_gateway := order_payment.request_gateway(gateway, store);
	signed := order_payment.require_request(request, found_gateway);
	signed := CASE found_gateway.protocol
		WHEN 'json' THEN order_payment.sign_json_request(found_gateway, signed, store)
		WHEN 'stripe' THEN signed  -- the key in its header speaks for it
		WHEN 'alipay' THEN order_payment.sign_alipay_request(found_gateway, signed, store)
		WHEN 'wechatpay_v3' THEN order_payment.sign_wechatpay_request(found_gateway, signed, store)
	END;
	RETURN order_payment.require_request(signed, found_gateway);
END
$$;
COMMENT ON FUNCTION order_payment.sign_request(text, order_payment.gateway_request, name) IS
	'the request of build_request() with time, nonce and signature by the latest valid secret of the gateway, to be sent within minutes; one that was signed before is signed anew. For roles that may record outcomes. OP013 without a secret; 0A000 for a request with placeholders of a card, which only the worker signs';
