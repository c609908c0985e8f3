/* ---------- the tables of a store: gateways, and what they say ---------- */

/*
 * protocol		how a gateway speaks: what its notifications and requests look
 *				like, and how they are signed. Null: it is not spoken to
 * inbox		the notifications that were verified, as they came
 * rejection	a notification that was not: it is counted, and not stored
 *
 * Called by create_store() as the owner of the store to be, after
 * create_order_tables(). No row of the inbox belongs to an order by key, for it
 * may name none that there is.
 */
CREATE FUNCTION order_payment.create_gateway_tables(store name, order_id_type regtype, partition_by text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

CREATE TABLE %1$I.gateways (
	gateway text NOT NULL,
	active boolean NOT NULL DEFAULT true,
	minor_unit_exponents jsonb NOT NULL DEFAULT '{}',
	retry_schedule jsonb NOT NULL DEFAULT '{
		"soft_decline": ["1 day", "3 days", "7 days"],
		"not_sent": ["5 minutes", "10 minutes", "20 minutes", "40 minutes", "80 minutes", "160 minutes", "320 minutes", "640 minutes"],
		"hard_decline": []
	}',
	password_methods text[] NOT NULL DEFAULT '{}',
	protocol text,
	endpoint text,
	notify_url text,
	app_id text,
	merchant_id text,
	sign_type text,
	notification_tolerance interval NOT NULL DEFAULT '5 minutes',
	bare_success boolean NOT NULL DEFAULT false,
	request_options jsonb NOT NULL DEFAULT '{}',
	request_timeout interval NOT NULL DEFAULT '30 seconds',
	max_in_flight integer NOT NULL DEFAULT 8,
	max_per_second integer,
	query_schedule interval[] NOT NULL DEFAULT
		'{10 seconds, 1 minute, 5 minutes, 10 minutes, 20 minutes, 30 minutes, 1 hour, 1 day, 1 day, 1 day, 1 day, 1 day}',
	CONSTRAINT gateways_pkey PRIMARY KEY (gateway),
	CONSTRAINT gateways_gateway_check CHECK (gateway <> ''),
	CONSTRAINT gateways_minor_unit_exponents_check CHECK (jsonb_typeof(minor_unit_exponents) = 'object'),
	CONSTRAINT gateways_retry_schedule_check CHECK (
		jsonb_typeof(retry_schedule) = 'object'
		AND NOT retry_schedule @? '$.keyvalue().key ? (!(@ like_regex "^(hard_decline|soft_decline|not_sent|other)$"))'
		AND NOT retry_schedule @? 'strict $.* ? (@.type() != "array")'
		AND NOT retry_schedule @? 'strict $.*[*] ? (@.type() != "string"
			|| !(@ like_regex "^[0-9]{1,4} (second|minute|hour|day|week|month|year)s?$"))'),
	CONSTRAINT gateways_password_methods_check CHECK (array_position(password_methods, NULL) IS NULL),
	CONSTRAINT gateways_protocol_check CHECK (protocol IN
		('json', 'standard_webhooks', 'stripe', 'alipay', 'wechatpay_v3', 'wechatpay_v2')),
	CONSTRAINT gateways_endpoint_check CHECK (endpoint ~ '^https://[^/?#@[:space:]]+(/[^?#[:space:]]*)?$'),
	CONSTRAINT gateways_notify_url_check CHECK (notify_url ~ '^https://[^#@[:space:]]+$'),
	CONSTRAINT gateways_sign_type_check CHECK (sign_type IS NULL
		OR sign_type IN ('MD5', 'HMAC-SHA256') AND protocol IS NOT DISTINCT FROM 'wechatpay_v2'),
	CONSTRAINT gateways_notification_tolerance_check CHECK (notification_tolerance BETWEEN '1 second' AND '1 day'),
	CONSTRAINT gateways_request_options_check CHECK (jsonb_typeof(request_options) = 'object'),
	CONSTRAINT gateways_request_timeout_check CHECK (request_timeout BETWEEN '1 second' AND '10 minutes'),
	CONSTRAINT gateways_max_in_flight_check CHECK (max_in_flight BETWEEN 1 AND 10000),
	CONSTRAINT gateways_max_per_second_check CHECK (max_per_second > 0),
	CONSTRAINT gateways_query_schedule_check CHECK (array_position(query_schedule, NULL) IS NULL AND NOT '0' > ANY (query_schedule))
);
INSERT INTO %1$I.gateways (gateway) VALUES ('manual'), ('cod');

CREATE TABLE %1$I.gateway_fees (
	gateway text NOT NULL,
	method text NOT NULL DEFAULT '*',
	currency text NOT NULL,
	rate numeric NOT NULL DEFAULT 0,
	fixed numeric NOT NULL DEFAULT 0,
	valid_from timestamptz NOT NULL DEFAULT '-infinity',
	CONSTRAINT gateway_fees_pkey PRIMARY KEY (gateway, currency, method, valid_from),
	CONSTRAINT gateway_fees_gateway_fkey FOREIGN KEY (gateway) REFERENCES %1$I.gateways,
	CONSTRAINT gateway_fees_currency_check CHECK (order_payment.is_currency(currency)),
	CONSTRAINT gateway_fees_rate_check CHECK (rate >= 0 AND rate < 1),
	CONSTRAINT gateway_fees_fixed_check CHECK (fixed >= 0 AND fixed < 'Infinity')
);

CREATE TABLE %1$I.gateway_notifications (
	gateway text NOT NULL,
	event_id text NOT NULL,
	event_type text,
	headers jsonb NOT NULL,
	body bytea NOT NULL,
	outcome text NOT NULL,
	reason text,
	payment_reference text,
	order_id %2$s,
	payment_id uuid,
	operation_id uuid,
	deliveries integer NOT NULL DEFAULT 1,
	attempts integer NOT NULL DEFAULT 1,
	received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	applied_at timestamptz,
	CONSTRAINT gateway_notifications_pkey PRIMARY KEY (gateway, event_id),
	CONSTRAINT gateway_notifications_gateway_fkey FOREIGN KEY (gateway) REFERENCES %1$I.gateways,
	CONSTRAINT gateway_notifications_outcome_check CHECK (outcome IN
		('applied', 'stale', 'deferred', 'orphan', 'conflict', 'error'))
);
CREATE INDEX gateway_notifications_open_idx ON %1$I.gateway_notifications (gateway, payment_reference, received_at)
	WHERE outcome IN ('deferred', 'orphan', 'conflict', 'error');
CREATE INDEX gateway_notifications_payment_id_idx ON %1$I.gateway_notifications (payment_id) WHERE payment_id IS NOT NULL;

CREATE TABLE %1$I.gateway_rejections (
	gateway text NOT NULL,
	reason text NOT NULL,
	day date NOT NULL,
	n bigint NOT NULL,
	last_at timestamptz NOT NULL,
	CONSTRAINT gateway_rejections_pkey PRIMARY KEY (gateway, reason, day),
	CONSTRAINT gateway_rejections_gateway_fkey FOREIGN KEY (gateway) REFERENCES %1$I.gateways
);

CREATE TABLE %1$I.gateway_requests (
	order_id %2$s NOT NULL,
	request_id uuid NOT NULL DEFAULT order_payment.uuid_v7(),
	gateway text NOT NULL,
	work text NOT NULL,
	payment_id uuid NOT NULL,
	operation_id uuid,
	state text NOT NULL DEFAULT 'claimed',
	method text,
	url text,
	headers jsonb,
	body text,
	claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	claimed_by text NOT NULL,
	timeline integer NOT NULL,
	lease_until timestamptz NOT NULL,
	settled_at timestamptz,
	http_status integer,
	outcome text,
	reason text,
	reply bytea,
	CONSTRAINT gateway_requests_pkey PRIMARY KEY (order_id, request_id),
	CONSTRAINT gateway_requests_state_check CHECK (state IN ('claimed', 'answered', 'not_sent', 'lost', 'refused'))
) %3$s;
CREATE INDEX gateway_requests_claimed_idx ON %1$I.gateway_requests (gateway, lease_until) WHERE state = 'claimed';
CREATE INDEX gateway_requests_target_idx ON %1$I.gateway_requests (order_id, payment_id, operation_id, work);
CREATE INDEX gateway_requests_settled_idx ON %1$I.gateway_requests (gateway, settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX gateway_requests_claimed_at_idx ON %1$I.gateway_requests (gateway, claimed_at);
CREATE INDEX gateway_requests_trouble_idx ON %1$I.gateway_requests (claimed_at) WHERE outcome IN ('conflict', 'error');

CREATE TABLE %1$I.gateway_sender (
	is_only boolean NOT NULL DEFAULT true,
	system_identifier bigint NOT NULL,
	database_id oid NOT NULL,
	timeline integer NOT NULL,
	timeline_since timestamptz NOT NULL DEFAULT '-infinity',
	CONSTRAINT gateway_sender_pkey PRIMARY KEY (is_only),
	CONSTRAINT gateway_sender_is_only_check CHECK (is_only)
);

COMMENT ON TABLE %1$I.gateways IS 'payment gateways. Kept by the owner; a gateway that payments name stays, and is switched off by active';
COMMENT ON COLUMN %1$I.gateways.minor_unit_exponents IS 'currencies whose minor unit this gateway counts otherwise than ISO 4217, or than their code says, as {"ISK": 2, "ETH.18": 9}; for to_minor_units()';
COMMENT ON COLUMN %1$I.gateways.retry_schedule IS 'by failure class, how long after the first, second ... failure a payment is tried again; for due_retries()';
COMMENT ON COLUMN %1$I.gateways.password_methods IS 'methods for which create_payment() asks for the customer''s payment password; ''*'': for all. A payment by one of them that is inserted in another way is refused, unless it is a retry or has happened already';
COMMENT ON COLUMN %1$I.gateways.protocol IS 'how it speaks: json (ours, signed by Standard Webhooks), standard_webhooks (the same, in the envelope type, timestamp, data), stripe, alipay (RSA2), wechatpay_v3, wechatpay_v2 (notifications only); null: it is not spoken to';
COMMENT ON COLUMN %1$I.gateways.endpoint IS 'where requests go: https, host and path without a query; null: where the protocol has its home';
COMMENT ON COLUMN %1$I.gateways.notify_url IS 'where the gateway is to send its notifications: for those that are told with each request (Alipay, WeChat Pay)';
COMMENT ON COLUMN %1$I.gateways.app_id IS 'who we are to it: app_id of Alipay, appid of WeChat Pay. A notification for another one is a conflict';
COMMENT ON COLUMN %1$I.gateways.merchant_id IS 'who is paid: seller_id of Alipay, mchid of WeChat Pay, account of Stripe Connect. A notification for another one is a conflict';
COMMENT ON COLUMN %1$I.gateways.sign_type IS 'digest of wechatpay_v2: HMAC-SHA256, or MD5; null: HMAC-SHA256. Never what a message says';
COMMENT ON COLUMN %1$I.gateways.notification_tolerance IS 'how far the time of a notification''s signature may be from ours, in the past or the future';
COMMENT ON COLUMN %1$I.gateways.bare_success IS 'protocol json: an answer 200 without a result means that it is paid';
COMMENT ON COLUMN %1$I.gateways.request_options IS 'members to add to each payment request, by the gateway''s own names; payments.request_options goes before';
COMMENT ON COLUMN %1$I.gateways.request_timeout IS 'how long an answer is waited for';
COMMENT ON COLUMN %1$I.gateways.max_in_flight IS 'how many requests may be under way at once';
COMMENT ON COLUMN %1$I.gateways.max_per_second IS 'how many requests may be sent within a second; null: any number';
COMMENT ON COLUMN %1$I.gateways.query_schedule IS 'how long after the outcome became unknown, and after each query, it is asked for again; at the end people must look';
COMMENT ON TABLE %1$I.gateway_fees IS 'what a gateway takes: amount * rate + fixed, rounded half-up once. The row with the payment''s method goes before ''*'', the latest valid_from before older ones. Kept by the owner';
COMMENT ON TABLE %1$I.gateway_notifications IS 'inbox: notifications of gateways that were verified, and what became of them. Written by apply_notification(); the owner deletes old ones; dumped as any table';
COMMENT ON COLUMN %1$I.gateway_notifications.event_id IS 'the gateway''s id of the event, the same at each delivery; sha256: and a digest of the body where it has none';
COMMENT ON COLUMN %1$I.gateway_notifications.headers IS 'those by which it was verified';
COMMENT ON COLUMN %1$I.gateway_notifications.body IS 'as it came';
COMMENT ON COLUMN %1$I.gateway_notifications.outcome IS 'applied; stale: it changes nothing; deferred: what it builds on is not known yet; orphan: it names nothing that we know; conflict: amount, currency or payee differ from ours; error: see reason. The last four are tried again by replay_notification()';
COMMENT ON COLUMN %1$I.gateway_notifications.payment_reference IS 'the gateway''s reference of the payment that it tells of';
COMMENT ON COLUMN %1$I.gateway_notifications.deliveries IS 'how often it came';
COMMENT ON COLUMN %1$I.gateway_notifications.attempts IS 'how often it was tried to apply';
COMMENT ON TABLE %1$I.gateway_requests IS 'requests to gateways: who took each, and what became of it. Written by claim_requests() and settle_request(); the owner deletes old ones that are settled; dumped as any table';
COMMENT ON COLUMN %1$I.gateway_requests.work IS 'as in open_work';
COMMENT ON COLUMN %1$I.gateway_requests.state IS 'claimed: under way; answered; not_sent: nothing of it left; lost: it left, and no whole answer came; refused: it could not be made';
COMMENT ON COLUMN %1$I.gateway_requests.body IS 'as it was made, without what signs it, and with placeholders for secrets and cards';
COMMENT ON COLUMN %1$I.gateway_requests.timeline IS 'of the server that sent it';
COMMENT ON COLUMN %1$I.gateway_requests.lease_until IS 'who has not settled it by then has lost it';
COMMENT ON COLUMN %1$I.gateway_requests.outcome IS 'what the answer did: applied, stale, absent (the gateway knows nothing of it), failed, unknown, conflict, error';
COMMENT ON COLUMN %1$I.gateway_requests.reply IS 'the body of an answer that could not be applied, its first 64 kB';
COMMENT ON TABLE %1$I.gateway_sender IS 'which server sends for this store: in a copy, of the cluster or of the database, nobody does, until resume_sending(). Written by claim_requests()';
COMMENT ON COLUMN %1$I.gateway_sender.timeline_since IS 'when the server came to this timeline, by promotion or recovery: what is older may have been sent on the one before, and is queried first';
COMMENT ON TABLE %1$I.gateway_rejections IS 'how many notifications were not verified, by day and reason. Counted by apply_notification(); the owner deletes old ones';

	$ddl$, store, order_id_type, partition_by);
END
$$;
COMMENT ON FUNCTION order_payment.create_gateway_tables(name, regtype, text) IS
	'makes gateways, gateway_fees, gateway_notifications, gateway_rejections, gateway_requests and gateway_sender in a schema. Called by create_store()';
