/* ---------- the tables of a store: payments and operations ---------- */

/*
 * Called by create_store() as the owner of the store to be, after
 * create_order_tables() and create_gateway_tables(). partition_by: as there.
 */
CREATE FUNCTION order_payment.create_payment_tables(store name, order_id_type regtype, partition_by text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

CREATE TABLE %1$I.payments (
	order_id %2$s NOT NULL,
	payment_id uuid NOT NULL DEFAULT order_payment.uuid_v7(),
	gateway text NOT NULL,
	method text,
	amount numeric NOT NULL,
	currency text NOT NULL,
	split boolean NOT NULL DEFAULT false,
	status order_payment.payment_status NOT NULL DEFAULT 'created',
	request_key text,
	request_hash text,
	gateway_reference text,
	authorized_amount numeric NOT NULL DEFAULT 0,
	capture_pending_amount numeric NOT NULL DEFAULT 0,
	captured_amount numeric NOT NULL DEFAULT 0,
	refund_pending_amount numeric NOT NULL DEFAULT 0,
	refunded_amount numeric NOT NULL DEFAULT 0,
	charged_back_amount numeric NOT NULL DEFAULT 0,
	fee numeric NOT NULL,
	fee_final boolean NOT NULL DEFAULT false,
	expected_net numeric NOT NULL GENERATED ALWAYS AS (amount - fee) STORED,
	net_amount numeric NOT NULL GENERATED ALWAYS AS
		(order_payment.net_amount(captured_amount, refunded_amount, charged_back_amount, fee)) STORED,
	attempt_no integer NOT NULL DEFAULT 1,
	retry_of uuid,
	failure_class order_payment.failure_class,
	failure_code text,
	failure_message text,
	request_options jsonb,
	next_action jsonb,
	retry_at timestamptz,
	contact_needed_at timestamptz,
	expires_at timestamptz,
	capture_before timestamptz,
	card_number text,
	card_holder text,
	card_expiry text,
	card_number_sealed order_payment.sealed,
	card_holder_sealed order_payment.sealed,
	card_expiry_sealed order_payment.sealed,
	card_fingerprint bytea,
	occurred_at timestamptz,
	created_at timestamptz NOT NULL,
	processing_at timestamptz,
	requires_action_at timestamptz,
	unknown_at timestamptz,
	authorized_at timestamptz,
	succeeded_at timestamptz,
	failed_at timestamptz,
	revoked_at timestamptz,
	CONSTRAINT payments_pkey PRIMARY KEY (order_id, payment_id),
	CONSTRAINT payments_order_id_request_key_key UNIQUE (order_id, request_key),
	CONSTRAINT payments_order_id_fkey FOREIGN KEY (order_id) REFERENCES %1$I.orders,
	CONSTRAINT payments_gateway_fkey FOREIGN KEY (gateway) REFERENCES %1$I.gateways,
	CONSTRAINT payments_money_check -- as that of orders
		CHECK (order_payment.is_payment_money(currency, amount, fee, authorized_amount, captured_amount,
											  refunded_amount, charged_back_amount)),
	-- behind the trigger: nothing clear is stored, even where that is switched off; one and small likewise
	CONSTRAINT payments_card_check CHECK (order_payment.is_masked_card(card_number, card_holder, card_expiry))
) %3$s;
CREATE UNIQUE INDEX payments_one_live_attempt_idx ON %1$I.payments (order_id)
	WHERE status <= 'unknown' AND NOT split;
CREATE INDEX payments_authorized_idx ON %1$I.payments (capture_before, order_id) WHERE status = 'authorized';
CREATE INDEX payments_live_idx ON %1$I.payments (created_at, order_id) WHERE status <= 'unknown';
CREATE INDEX payments_retry_at_idx ON %1$I.payments (retry_at, order_id) WHERE retry_at IS NOT NULL;
CREATE INDEX payments_card_fingerprint_idx ON %1$I.payments (card_fingerprint) WHERE card_fingerprint IS NOT NULL;
CREATE INDEX payments_period_idx ON %1$I.payments USING brin (created_at);  -- a period, for choose_gateway()

CREATE TABLE %1$I.used_card_tokens (
	order_id %2$s NOT NULL,
	token bytea NOT NULL,
	used_by text NOT NULL,
	expires_at timestamptz NOT NULL,
	used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT used_card_tokens_pkey PRIMARY KEY (order_id, token)
) %3$s;

CREATE TABLE %1$I.payment_operations (
	order_id %2$s NOT NULL,
	operation_id uuid NOT NULL DEFAULT order_payment.uuid_v7(),
	payment_id uuid NOT NULL,
	kind text NOT NULL,
	amount numeric NOT NULL,
	currency text NOT NULL,
	fee numeric NOT NULL DEFAULT 0,
	obligatory_amount numeric NOT NULL DEFAULT 0,
	reason text,
	status order_payment.operation_status NOT NULL DEFAULT 'requested',
	request_key text,
	request_hash text,
	gateway_reference text,
	failure_class order_payment.failure_class,
	failure_code text,
	failure_message text,
	retry_at timestamptz,
	attempt_no integer NOT NULL DEFAULT 1,
	occurred_at timestamptz,
	created_at timestamptz NOT NULL,
	requested_at timestamptz,
	processing_at timestamptz,
	unknown_at timestamptz,
	succeeded_at timestamptz,
	failed_at timestamptz,
	cancelled_at timestamptz,
	reversed_at timestamptz,
	CONSTRAINT payment_operations_pkey PRIMARY KEY (order_id, operation_id),
	CONSTRAINT payment_operations_reference_key UNIQUE (order_id, payment_id, kind, gateway_reference),
	CONSTRAINT payment_operations_order_id_request_key_key UNIQUE (order_id, request_key),
	CONSTRAINT payment_operations_order_id_fkey FOREIGN KEY (order_id) REFERENCES %1$I.orders,
	CONSTRAINT payment_operations_payment_id_fkey FOREIGN KEY (order_id, payment_id) REFERENCES %1$I.payments,
	CONSTRAINT payment_operations_kind_check CHECK (kind IN ('capture', 'void', 'refund', 'chargeback')),
	CONSTRAINT payment_operations_amount_check CHECK (amount > 0 AND order_payment.is_amount(amount, currency)),
	CONSTRAINT payment_operations_fee_check CHECK (order_payment.is_amount(fee, currency)),
	CONSTRAINT payment_operations_obligatory_amount_check CHECK (obligatory_amount BETWEEN 0 AND amount),
	CONSTRAINT payment_operations_attempt_no_check CHECK (attempt_no > 0),
	CONSTRAINT payment_operations_reversed_check CHECK (status <> 'reversed' OR kind IN ('refund', 'chargeback'))
) %3$s;
CREATE INDEX payment_operations_open_idx ON %1$I.payment_operations (created_at, order_id) WHERE status <= 'unknown';
CREATE INDEX payment_operations_retry_at_idx ON %1$I.payment_operations (retry_at, order_id) WHERE retry_at IS NOT NULL;

CREATE VIEW %1$I.refunds WITH (security_invoker = true) AS
	SELECT * FROM %1$I.payment_operations WHERE kind = 'refund' WITH CHECK OPTION;
ALTER VIEW %1$I.refunds ALTER COLUMN kind SET DEFAULT 'refund';

COMMENT ON TABLE %1$I.payments IS 'payments of orders: one row is one attempt. Inserted by the application; outcomes recorded by the gateway role; amounts kept by the server';
COMMENT ON COLUMN %1$I.payments.payment_id IS 'UUID version 7; its 32 hex digits are the number shown to the gateway';
COMMENT ON COLUMN %1$I.payments.split IS 'several attempts of the order may be live at once';
COMMENT ON COLUMN %1$I.payments.request_key IS 'idempotency key, unique per order';
COMMENT ON COLUMN %1$I.payments.authorized_amount IS 'what the gateway authorised, at first the whole amount';
COMMENT ON COLUMN %1$I.payments.capture_pending_amount IS 'captures and voids that are under way';
COMMENT ON COLUMN %1$I.payments.captured_amount IS 'captured. Kept by the server';
COMMENT ON COLUMN %1$I.payments.refund_pending_amount IS 'refunds that are under way: reserved. Kept by the server';
COMMENT ON COLUMN %1$I.payments.fee IS 'the gateway''s fee: given, or by gateway_fees; an estimate until fee_final';
COMMENT ON COLUMN %1$I.payments.expected_net IS 'amount - fee';
COMMENT ON COLUMN %1$I.payments.net_amount IS 'captured - refunded - charged back - fee once something is captured, else 0';
COMMENT ON COLUMN %1$I.payments.request_options IS 'members to add to the gateway''s request, by its own names, as {"subject": "Two books"}; those that the request has by itself stay. Never a card or a secret: it goes as it is';
COMMENT ON COLUMN %1$I.payments.next_action IS 'what the customer needs to go on, as the gateway told it: {"code_url": ...}, {"client_secret": ...}. For the customer''s eyes only; null when there is nothing to do any more';
COMMENT ON COLUMN %1$I.payments.retry_at IS 'when to try again, if it failed; infinity: the gateway''s retry_schedule is at its end; null: nothing is to come. For due_retries()';
COMMENT ON COLUMN %1$I.payments.contact_needed_at IS 'when it was given up to try again by ourselves: somebody has to speak with the customer. Recorded as an event customer_contact_needed';
COMMENT ON COLUMN %1$I.payments.expires_at IS 'when the attempt lapses at the gateway';
COMMENT ON COLUMN %1$I.payments.capture_before IS 'when the authorisation lapses; null: never';
COMMENT ON COLUMN %1$I.payments.card_number IS 'written in clear or sealed outside, kept as a mask; the number is in card_number_sealed';
COMMENT ON COLUMN %1$I.payments.card_number_sealed IS 'for reveal(card_number_sealed, binding(''payments'', payment_id)); kept by the server, as are the other sealed columns';
COMMENT ON COLUMN %1$I.payments.card_fingerprint IS 'keyed fingerprint of the number, for same_card() and find_card(). Kept by the server';
COMMENT ON TABLE %1$I.used_card_tokens IS 'tokens of cards that were sealed outside, and which payment has used each. Written by the trigger that seals cards, for the owner; purge_card_tokens() deletes old ones';
COMMENT ON COLUMN %1$I.used_card_tokens.token IS 'the random part of the token';
COMMENT ON COLUMN %1$I.used_card_tokens.used_by IS 'the request_key of the payment, else its payment_id: who submits again with the same is the same';
COMMENT ON COLUMN %1$I.payments.occurred_at IS 'when it happened, by the gateway''s clock; by ours where an answer tells no time';
COMMENT ON TABLE %1$I.payment_operations IS 'captures, voids, refunds and chargebacks of payments. Requested by the application; outcomes recorded by the gateway role';
COMMENT ON COLUMN %1$I.payment_operations.operation_id IS 'UUID version 7; its 32 hex digits are the number shown to the gateway, the same at every attempt';
COMMENT ON COLUMN %1$I.payment_operations.obligatory_amount IS 'the part of a refund or chargeback that pays back what was due. Kept by the server';
COMMENT ON VIEW %1$I.refunds IS 'the payment_operations of kind refund; updatable';

CREATE TRIGGER "000_protect_card" BEFORE INSERT OR UPDATE ON %1$I.payments
	FOR EACH ROW EXECUTE FUNCTION order_payment.protect_card('payments', 'number=card_number', 'holder=card_holder',
		'expiry=card_expiry', 'fingerprint=card_fingerprint', 'key=payment_id', 'from=retry_of',
		'order=order_id', 'request=request_key', 'tokens=used_card_tokens');
CREATE TRIGGER zzy_maintain_payment BEFORE INSERT OR UPDATE ON %1$I.payments
	FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_payment();
-- before the foreign keys' own triggers, which would lock the order less first and invite a deadlock
CREATE TRIGGER "000_apply_payment" AFTER INSERT OR UPDATE ON %1$I.payments
	FOR EACH ROW EXECUTE FUNCTION order_payment.apply_payment();
CREATE TRIGGER refuse_delete BEFORE DELETE ON %1$I.payments
	FOR EACH ROW EXECUTE FUNCTION order_payment.refuse_delete();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %1$I.payments
	FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate();

CREATE TRIGGER zzy_maintain_operation BEFORE INSERT OR UPDATE ON %1$I.payment_operations
	FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_operation();
CREATE TRIGGER "000_apply_operation" AFTER INSERT OR UPDATE ON %1$I.payment_operations
	FOR EACH ROW EXECUTE FUNCTION order_payment.apply_operation();
CREATE TRIGGER refuse_delete BEFORE DELETE ON %1$I.payment_operations
	FOR EACH ROW EXECUTE FUNCTION order_payment.refuse_delete();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %1$I.payment_operations
	FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate();

	$ddl$, store, order_id_type, partition_by);
	PERFORM order_payment.guard_column(format('%I.payments', store)::regclass, 'status', stamp => true);
	PERFORM order_payment.guard_column(format('%I.payment_operations', store)::regclass, 'status', stamp => true);
END
$$;
COMMENT ON FUNCTION order_payment.create_payment_tables(name, regtype, text) IS
	'makes payments, payment_operations and the view refunds in a schema. Called by create_store()';
