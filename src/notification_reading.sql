/* ---------- notifications of gateways, read ---------- */

/*
 * From the raw body, which was verified, to an event (gateway_fact.sql): taken
 * apart, known by an id, read by its protocol, and found to be sound. Whatever
 * a body holds, it is either an event or an error, which is told; see inbox.sql.
 */
CREATE FUNCTION order_payment.header_value(headers jsonb, name text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE jsonb_typeof(h.value) WHEN 'array' THEN h.value ->> 0 ELSE h.value #>> '{}' END
	FROM jsonb_each(CASE jsonb_typeof(headers) WHEN 'object' THEN headers END) h WHERE lower(h.key) = name LIMIT 1;
END;
COMMENT ON FUNCTION order_payment.header_value(jsonb, text) IS
	'a header by its name in small letters; of several values the first';

CREATE FUNCTION order_payment.notification_content(protocol text, body bytea) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE protocol
		WHEN 'alipay' THEN order_payment.form_fields(body)
		WHEN 'wechatpay_v2' THEN order_payment.flat_xml_fields(body)
		ELSE convert_from(body, 'UTF8')::jsonb END;
END;
COMMENT ON FUNCTION order_payment.notification_content(text, bytea) IS
	'the body of a notification, taken apart. For apply_notification()';

/* Null where a protocol has none, and where it is not to be found. */
CREATE FUNCTION order_payment.told_event_id(protocol text, headers jsonb, content jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE
		WHEN protocol IN ('json', 'standard_webhooks') THEN order_payment.header_value(headers, 'webhook-id')
		WHEN protocol IN ('stripe', 'wechatpay_v3') THEN content ->> 'id'
		WHEN protocol = 'alipay' THEN content ->> 'notify_id' END;
END;
COMMENT ON FUNCTION order_payment.told_event_id(text, jsonb, jsonb) IS
	'the id that a gateway gives to an event. For apply_notification()';

/* Longer ones would not go into an index. */
CREATE FUNCTION order_payment.stored_event_id(told text, body bytea) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN coalesce(told, '') = '' THEN 'sha256:' || encode(sha256(body), 'hex')
				WHEN length(told) > 255 THEN 'sha256:' || encode(sha256(convert_to(told, 'UTF8')), 'hex')
				ELSE told END;
END;
COMMENT ON FUNCTION order_payment.stored_event_id(text, bytea) IS
	'by what an event is known in gateway_notifications: its id, if it is none of more than 255 characters; else a digest of the id, or of the body of an event without one. For apply_notification()';

CREATE FUNCTION order_payment.read_notification(own record, event_id text, content jsonb, store name)
	RETURNS order_payment.gateway_event
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE own.protocol
		WHEN 'json' THEN order_payment.json_event(content, event_id)
		WHEN 'standard_webhooks' THEN order_payment.standard_webhooks_event(content, event_id)
		WHEN 'stripe' THEN order_payment.stripe_event(content, own.minor_unit_exponents)
		WHEN 'alipay' THEN order_payment.alipay_event(content)
		WHEN 'wechatpay_v3' THEN order_payment.wechatpay_v3_event(
			content, order_payment.open_resource(own.gateway, content -> 'resource', store), own.minor_unit_exponents)
		WHEN 'wechatpay_v2' THEN order_payment.wechatpay_v2_event(content, own.minor_unit_exponents)
		END;
END
$$;
COMMENT ON FUNCTION order_payment.read_notification(record, text, jsonb, name) IS
	'what a verified notification tells. For apply_notification()';

/*
 * Readers take what they find. Who says that money came is to say how much, for
 * silence would be compared with nothing; what is indexed is to be short; and a
 * time that never comes would be the latest for ever.
 */
CREATE FUNCTION order_payment.require_sound_event(event order_payment.gateway_event) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fact order_payment.gateway_fact;
	problem text := CASE WHEN cardinality(event.facts) > 100 THEN 'a message of a gateway tells of more than a hundred things' END;
BEGIN
	FOREACH fact IN ARRAY event.facts LOOP
		problem := coalesce(problem, CASE
			WHEN fact.entity = 'payment' AND fact.status IN ('authorized', 'succeeded') AND (fact.amount IS NULL OR fact.currency IS NULL)
				 OR fact.entity <> 'payment' AND (coalesce(fact.amount, fact.refunded) IS NULL OR fact.currency IS NULL)
			THEN 'a message of a gateway lacks amount and currency'
			WHEN NOT (fact.amount > 0 AND fact.amount < 'Infinity') OR NOT (fact.refunded >= 0 AND fact.refunded < 'Infinity')
				 OR NOT (fact.captured >= 0 AND fact.captured < 'Infinity') OR NOT (fact.fee > '-Infinity' AND fact.fee < 'Infinity')
			THEN 'a message of a gateway has an amount that is none'
			WHEN greatest(length(fact.number), length(fact.payment_number), length(fact.reference), length(fact.payment_reference)) > 255
			THEN 'a message of a gateway has a number or reference of more than 255 characters'
			WHEN NOT isfinite(fact.occurred_at) OR NOT isfinite(fact.capture_before) OR fact.occurred_at > now() + interval '1 day'
			THEN 'a message of a gateway has a time that cannot be'
			END);
		IF problem IS NOT NULL THEN
			RAISE EXCEPTION '%', problem
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Money is recorded only if what is told of it is whole, and can be.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.require_sound_event(order_payment.gateway_event) IS
	'raises 22023 if an event tells of money without telling how much, or tells what cannot be: an amount that is none, a name of more than 255 characters, a time without end or a day from now, or more than a hundred things. For apply_notification()';
