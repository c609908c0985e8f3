/* ---------- what Stripe tells ---------- */

/*
 * Objects of its API, which are the same in events and in answers. Source:
 * docs.stripe.com/api, and /webhooks for the events; amounts are in minor units
 * by docs.stripe.com/currencies (gateways.minor_unit_exponents).
 *
 * Our number is metadata.number of payment intents and refunds. Charges tell
 * nothing that their payment intent does not, but for refunds by their sum.
 */
CREATE FUNCTION order_payment.stripe_time(seconds jsonb) RETURNS timestamptz
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT to_timestamp((seconds #>> '{}')::bigint);
END;
COMMENT ON FUNCTION order_payment.stripe_time(jsonb) IS 'a time of Stripe: seconds since 1970';

CREATE FUNCTION order_payment.stripe_amount(object jsonb, member text, exponents jsonb) RETURNS numeric
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT order_payment.from_minor_units((object ->> member)::bigint, upper(object ->> 'currency'), exponents);
END;
COMMENT ON FUNCTION order_payment.stripe_amount(jsonb, text, jsonb) IS
	'an amount of a Stripe object, in major units; null if it has none';

/*
 * requires_payment_method is where an intent begins, and where it comes back to
 * when a card was declined: it stays payable, by the same intent. Of a capture
 * by hand, a success presupposes the authorisation.
 */
CREATE FUNCTION order_payment.stripe_payment_facts(intent jsonb, exponents jsonb) RETURNS order_payment.gateway_fact[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	status CONSTANT text := order_payment.translate_status(intent ->> 'status', '{
		"requires_payment_method": "requires_action", "requires_confirmation": "requires_action",
		"requires_action": "requires_action", "processing": "processing", "requires_capture": "authorized",
		"succeeded": "succeeded", "canceled": "revoked"}');
	fault CONSTANT jsonb := nullif(intent -> 'last_payment_error', 'null');
	fact order_payment.gateway_fact;
	before order_payment.gateway_fact;
BEGIN
	fact := order_payment.make_fact(jsonb_build_object(
		'entity', 'payment', 'number', intent #> '{metadata,number}', 'reference', order_payment.require_member(intent, 'id'),
		'status', status, 'amount', order_payment.stripe_amount(intent, 'amount', exponents),
		'currency', upper(order_payment.require_member(intent, 'currency'))));
	IF status IN ('requires_action', 'revoked') THEN
		fact.failure_code := coalesce(fault ->> 'decline_code', fault ->> 'code', intent ->> 'cancellation_reason');
		fact.failure_message := fault ->> 'message';
	END IF;
	IF status = 'requires_action' THEN
		fact.next_action := jsonb_strip_nulls(jsonb_build_object(
			'client_secret', intent -> 'client_secret', 'next_action', intent -> 'next_action'));
	ELSIF status = 'succeeded' THEN
		fact.captured := order_payment.stripe_amount(intent, 'amount_received', exponents);
		IF intent ->> 'capture_method' = 'manual' THEN
			before := fact;
			before.status := 'authorized';
			before.captured := NULL;
			RETURN ARRAY[before, fact];
		END IF;
	END IF;
	RETURN ARRAY[fact];
END
$$;
COMMENT ON FUNCTION order_payment.stripe_payment_facts(jsonb, jsonb) IS
	'what a payment intent of Stripe tells';

CREATE FUNCTION order_payment.stripe_refund_fact(refund jsonb, exponents jsonb) RETURNS order_payment.gateway_fact
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT order_payment.make_fact(jsonb_build_object(
		'entity', 'refund', 'number', refund #> '{metadata,number}', 'reference', order_payment.require_member(refund, 'id'),
		'payment_reference', refund ->> 'payment_intent',
		'status', order_payment.translate_status(refund ->> 'status', '{
			"pending": "processing", "requires_action": "processing", "succeeded": "succeeded", "failed": "failed",
			"canceled": "failed"}'),
		'amount', order_payment.stripe_amount(refund, 'amount', exponents), 'currency', upper(refund ->> 'currency'),
		'failure_class', CASE WHEN refund ->> 'status' IN ('failed', 'canceled') THEN 'other' END,
		'failure_code', CASE WHEN refund ->> 'status' IN ('failed', 'canceled')
							 THEN coalesce(refund ->> 'failure_reason', refund ->> 'status') END));
END;
COMMENT ON FUNCTION order_payment.stripe_refund_fact(jsonb, jsonb) IS
	'what a refund of Stripe tells';

/* An inquiry (warning_...) moves no money. */
CREATE FUNCTION order_payment.stripe_dispute_facts(dispute jsonb, exponents jsonb) RETURNS order_payment.gateway_fact[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	status CONSTANT text := order_payment.translate_status(dispute ->> 'status', '{
		"warning_needs_response": null, "warning_under_review": null, "warning_closed": null, "prevented": null,
		"needs_response": "succeeded", "under_review": "succeeded", "lost": "succeeded", "won": "reversed"}');
BEGIN
	IF status IS NULL THEN
		RETURN '{}';
	END IF;
	RETURN ARRAY[order_payment.make_fact(jsonb_build_object(
		'entity', 'chargeback', 'reference', order_payment.require_member(dispute, 'id'),
		'payment_reference', dispute ->> 'payment_intent', 'status', status,
		'amount', order_payment.stripe_amount(dispute, 'amount', exponents), 'currency', upper(dispute ->> 'currency'),
		'failure_code', dispute ->> 'reason'))];
END
$$;
COMMENT ON FUNCTION order_payment.stripe_dispute_facts(jsonb, jsonb) IS
	'what a dispute of Stripe tells: a chargeback, reversed if it was won';

/* Older versions of the API list the refunds in the charge. */
CREATE FUNCTION order_payment.stripe_charge_facts(charge jsonb, exponents jsonb) RETURNS order_payment.gateway_fact[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF charge ->> 'payment_intent' IS NULL THEN
		RETURN '{}';  -- made in another way than by us
	ELSIF jsonb_typeof(charge #> '{refunds,data}') = 'array' THEN
		RETURN ARRAY(
			SELECT order_payment.stripe_refund_fact(r.refund || jsonb_build_object('payment_intent', charge -> 'payment_intent'), exponents)
			FROM jsonb_array_elements(charge #> '{refunds,data}') WITH ORDINALITY r (refund, n) ORDER BY r.n DESC);
	END IF;
	RETURN ARRAY[order_payment.make_fact(jsonb_build_object(
		'entity', 'payment', 'number', charge #> '{metadata,number}', 'reference', charge -> 'payment_intent',
		'currency', upper(charge ->> 'currency'),
		'refunded', order_payment.stripe_amount(charge, 'amount_refunded', exponents)))];
END
$$;
COMMENT ON FUNCTION order_payment.stripe_charge_facts(jsonb, jsonb) IS
	'what a charge of Stripe tells of refunds, one by one or by their sum';

CREATE FUNCTION order_payment.stripe_facts(object jsonb, exponents jsonb) RETURNS order_payment.gateway_fact[]
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE object ->> 'object'
		WHEN 'payment_intent' THEN order_payment.stripe_payment_facts(object, exponents)
		WHEN 'refund' THEN ARRAY[order_payment.stripe_refund_fact(object, exponents)]
		WHEN 'dispute' THEN order_payment.stripe_dispute_facts(object, exponents)
		WHEN 'charge' THEN order_payment.stripe_charge_facts(object, exponents)
		ELSE '{}' END;
END;
COMMENT ON FUNCTION order_payment.stripe_facts(jsonb, jsonb) IS
	'what an object of Stripe''s API tells; nothing if it is none of payments';

CREATE FUNCTION order_payment.stripe_event(content jsonb, exponents jsonb) RETURNS order_payment.gateway_event
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	object CONSTANT jsonb := content #> '{data,object}';
	event order_payment.gateway_event;
BEGIN
	event.event_id := order_payment.require_member(content, 'id');
	event.event_type := order_payment.require_member(content, 'type');
	event.facts := '{}';
	IF event.event_type ~ '^(payment_intent|refund|charge\.dispute|charge\.refund)\.' OR event.event_type = 'charge.refunded' THEN
		IF coalesce(object ->> 'object', '') NOT IN ('payment_intent', 'refund', 'dispute', 'charge') THEN
			RAISE EXCEPTION 'an event of Stripe tells of another object than its type says'
				USING ERRCODE = 'invalid_parameter_value',
					  HINT = 'Send events with their object (snapshot, not thin), in an API version that this release knows.';
		END IF;
		PERFORM order_payment.require_member(content, 'created');
		event.facts := order_payment.stripe_facts(object, exponents);
	END IF;
	FOR i IN 1 .. cardinality(event.facts) LOOP
		-- an event of the platform itself names none
		event.facts[i].merchant_id := coalesce(content ->> 'account', '');
		event.facts[i].occurred_at := order_payment.stripe_time(content -> 'created');
	END LOOP;
	RETURN event;
END
$$;
COMMENT ON FUNCTION order_payment.stripe_event(jsonb, jsonb) IS
	'what an event of Stripe tells: payment_intent.*, refund.*, charge.refund.updated, charge.refunded, charge.dispute.*; the others nothing';

/* ---------- what Stripe answers ---------- */

/* Search finds an object a minute after it was made, at times an hour after. */
CREATE FUNCTION order_payment.stripe_reply(action text, http_status integer, content jsonb, asked jsonb, exponents jsonb)
	RETURNS order_payment.gateway_reply
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fault CONSTANT jsonb := CASE WHEN jsonb_typeof(content -> 'error') = 'object' THEN content -> 'error' END;
	object jsonb := content;
BEGIN
	IF jsonb_typeof(fault -> 'payment_intent') = 'object' THEN
		RETURN order_payment.make_reply('told', order_payment.stripe_facts(fault -> 'payment_intent', exponents));
	ELSIF http_status NOT BETWEEN 200 AND 299 THEN
		RETURN order_payment.reply_by_status(http_status, action, coalesce(fault ->> 'decline_code', fault ->> 'code', fault ->> 'type'), fault ->> 'message');
	ELSIF content ->> 'object' IN ('list', 'search_result') THEN
		SELECT d.object INTO object
		FROM jsonb_array_elements(content -> 'data') WITH ORDINALITY d (object, n)
		WHERE d.object #>> '{metadata,number}' = asked ->> 'number' ORDER BY d.n LIMIT 1;
		IF object IS NULL THEN
			RETURN order_payment.make_reply(CASE WHEN content ->> 'object' = 'search_result' AND (asked ->> 'age')::interval < '1 hour'
													  OR coalesce((content ->> 'has_more')::boolean, false)
												 THEN 'unclear' ELSE 'absent' END, '{}', NULL, 'not_found');
		END IF;
	END IF;
	IF cardinality(order_payment.stripe_facts(object, exponents)) = 0 THEN
		RETURN order_payment.make_reply('unclear', '{}', NULL, 'no_object');
	ELSIF action IN ('query_capture', 'query_void') AND object ->> 'status' = 'requires_capture' THEN
		RETURN order_payment.make_reply('absent', '{}', NULL, 'requires_capture');
	ELSIF action = 'query_capture' AND object ->> 'status' = 'canceled' OR action = 'query_void' AND object ->> 'status' = 'succeeded' THEN
		-- it has ended in the other way
		RETURN order_payment.make_reply('told', order_payment.make_fact(jsonb_build_object(
			'entity', replace(action, 'query_', ''), 'number', asked -> 'number', 'status', 'failed', 'failure_class', 'other',
			'failure_code', object -> 'status')) || order_payment.stripe_facts(object, exponents));
	END IF;
	RETURN order_payment.make_reply('told', order_payment.stripe_facts(object, exponents));
END
$$;
COMMENT ON FUNCTION order_payment.stripe_reply(text, integer, jsonb, jsonb, jsonb) IS
	'what an answer of Stripe tells: its object, or the payment intent in its error; else by the HTTP status';
