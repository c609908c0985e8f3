/* ---------- what gateways say they settled ---------- */

/*
 * line     a row of a gateway's settlement file, as it came: COPY or INSERT.
 *          It names a payment or an operation by our number, or, where the
 *          file has none of ours, by the gateway's reference
 * fact     what we hold a gateway to have settled: what a payment captured, a
 *          refund, a chargeback, and each reversal of the latter two
 *
 * Lines and facts are compared when one looks, never stored: a line that comes
 * late, a notification that is replayed or a fee that is posted closes its row
 * by itself. A fact may have several lines (captures in parts, corrections):
 * their sums are compared. Amounts are positive, in the currency of the payment.
 *
 * Lines belong to no order: their key is the gateway's. The owner deletes them
 * when he no longer needs them; the fees that were posted stay.
 */
CREATE FUNCTION order_payment.create_settlement_tables(store name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

CREATE TABLE %1$I.settlement_lines (
	gateway text NOT NULL,
	settlement_id text NOT NULL,
	line_no integer NOT NULL,
	kind text NOT NULL,
	gateway_number text,
	gateway_reference text,
	amount numeric NOT NULL,
	fee numeric,
	currency text NOT NULL,
	occurred_at timestamptz,
	settled_on date NOT NULL,
	imported_at timestamptz NOT NULL DEFAULT now(),
	number uuid GENERATED ALWAYS AS
		(CASE WHEN gateway_number ~ '^[0-9a-fA-F]{32}$' THEN gateway_number::uuid END) STORED,
	CONSTRAINT settlement_lines_pkey PRIMARY KEY (gateway, settlement_id, line_no),
	CONSTRAINT settlement_lines_gateway_fkey FOREIGN KEY (gateway) REFERENCES %1$I.gateways,
	CONSTRAINT settlement_lines_line_no_check CHECK (line_no > 0),
	CONSTRAINT settlement_lines_kind_check CHECK (kind IN
		('payment', 'refund', 'refund_reversal', 'chargeback', 'chargeback_reversal', 'fee', 'adjustment')),
	CONSTRAINT settlement_lines_amount_check CHECK (order_payment.is_amount(amount, currency)),
	CONSTRAINT settlement_lines_amount_sign_check CHECK (amount > 0 OR kind IN ('fee', 'adjustment')),
	CONSTRAINT settlement_lines_fee_check CHECK (order_payment.is_amount(fee, currency))
);
CREATE INDEX settlement_lines_number_idx ON %1$I.settlement_lines (number) WHERE number IS NOT NULL;
CREATE INDEX settlement_lines_reference_idx ON %1$I.settlement_lines (gateway, gateway_reference)
	WHERE number IS NULL AND gateway_reference IS NOT NULL;
CREATE INDEX settlement_lines_settled_on_idx ON %1$I.settlement_lines (gateway, settled_on);
-- files name refunds and chargebacks by reference; the key of operations begins with the order
CREATE INDEX payment_operations_gateway_reference_idx ON %1$I.payment_operations (gateway_reference)
	WHERE gateway_reference IS NOT NULL;

CREATE VIEW %1$I.settlement_facts WITH (security_invoker = true) AS
SELECT p.gateway, 'payment'::text AS kind, p.order_id, p.payment_id, NULL::uuid AS operation_id,
	p.payment_id AS number, p.gateway_reference, p.captured_amount AS amount, p.fee, p.currency,
	least(p.succeeded_at, (
		SELECT min(r.succeeded_at) FROM %1$I.payment_operations r
		WHERE r.order_id = p.order_id AND r.payment_id = p.payment_id
		  AND r.kind = 'capture' AND r.status = 'succeeded')) AS happened_at
FROM %1$I.payments p
WHERE p.captured_amount > 0
UNION ALL
SELECT p.gateway, r.kind, r.order_id, r.payment_id, r.operation_id, r.operation_id, r.gateway_reference,
	r.amount, r.fee, r.currency, r.succeeded_at
FROM %1$I.payment_operations r
JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
WHERE r.kind IN ('refund', 'chargeback') AND r.status IN ('succeeded', 'reversed')
UNION ALL
SELECT p.gateway, r.kind || '_reversal', r.order_id, r.payment_id, r.operation_id, r.operation_id,
	r.gateway_reference, r.amount, r.fee, r.currency, r.reversed_at
FROM %1$I.payment_operations r
JOIN %1$I.payments p ON p.order_id = r.order_id AND p.payment_id = r.payment_id
WHERE r.kind IN ('refund', 'chargeback') AND r.status = 'reversed';

CREATE VIEW %1$I.settlement_matches WITH (security_invoker = true) AS
SELECT CASE
		WHEN l.kind IN ('fee', 'adjustment') THEN 'standalone'
		WHEN f.order_id IS NULL THEN 'missing_here'
		WHEN s.amount <> f.amount OR NOT s.same_currency THEN 'amount_differs'
		WHEN s.fee <> f.fee THEN 'fee_differs'
		WHEN f.happened_at::date NOT BETWEEN s.settled_on - 7 AND s.settled_on THEN 'late'
		ELSE 'matched'
	END AS match,
	l.gateway, l.settlement_id, l.line_no, l.kind, f.order_id, f.payment_id, f.operation_id,
	coalesce(f.currency, l.currency) AS currency, f.amount, coalesce(s.amount, l.amount) AS settled_amount,
	f.fee, coalesce(s.fee, l.fee) AS settled_fee, f.happened_at, l.settled_on
FROM %1$I.settlement_lines l
LEFT JOIN LATERAL (
	SELECT f.*
	FROM %1$I.settlement_facts f
	WHERE f.gateway = l.gateway AND f.kind = l.kind
	  AND (f.number = l.number OR l.number IS NULL AND f.gateway_reference = l.gateway_reference)
	ORDER BY f.happened_at, f.number LIMIT 1) f ON true
LEFT JOIN LATERAL (
	SELECT sum(a.amount) FILTER (WHERE a.kind = f.kind) AS amount,
		bool_and(a.currency = f.currency) AS same_currency,
		min(a.settled_on) FILTER (WHERE a.kind = f.kind) AS settled_on,
		sum(a.fee) AS fee  -- a reversal may give the fee back: the operation's is the sum of both
	FROM %1$I.settlement_lines a
	WHERE a.gateway = f.gateway
	  AND a.kind IN (replace(f.kind, '_reversal', ''), replace(f.kind, '_reversal', '') || '_reversal')
	  AND (a.number = f.number OR a.number IS NULL AND a.gateway_reference = f.gateway_reference)) s
	ON f.order_id IS NOT NULL
UNION ALL
SELECT 'missing_there', f.gateway, NULL, NULL, f.kind, f.order_id, f.payment_id, f.operation_id,
	f.currency, f.amount, NULL, f.fee, NULL, f.happened_at, NULL
FROM %1$I.settlement_facts f
WHERE f.happened_at < now() - interval '7 days'
  AND f.happened_at >= (SELECT min(a.settled_on) FROM %1$I.settlement_lines a WHERE a.gateway = f.gateway)
  AND NOT EXISTS (
	SELECT FROM %1$I.settlement_lines a
	WHERE a.number = f.number AND a.gateway = f.gateway AND a.kind = f.kind)
  AND NOT EXISTS (
	SELECT FROM %1$I.settlement_lines a
	WHERE a.gateway_reference = f.gateway_reference AND a.gateway = f.gateway AND a.kind = f.kind
	  AND a.number IS NULL);

COMMENT ON TABLE %1$I.settlement_lines IS 'lines of gateways'' settlement files, filled by COPY. Kept by the gateway role, deleted by the owner; dumped as any table';
COMMENT ON COLUMN %1$I.settlement_lines.settlement_id IS 'the gateway''s name for the file, payout or period';
COMMENT ON COLUMN %1$I.settlement_lines.kind IS 'payment, refund, chargeback, their reversals; fee and adjustment belong to no payment';
COMMENT ON COLUMN %1$I.settlement_lines.gateway_number IS 'our number, as the file has it: the 32 hex digits of payment_id or operation_id; any other text counts as none';
COMMENT ON COLUMN %1$I.settlement_lines.gateway_reference IS 'the gateway''s reference of the payment, refund or chargeback; looked at where there is no number of ours';
COMMENT ON COLUMN %1$I.settlement_lines.amount IS 'gross, positive, but for fee and adjustment';
COMMENT ON COLUMN %1$I.settlement_lines.fee IS 'what the gateway kept for it; null: the file does not say, and nothing is compared or posted';
COMMENT ON COLUMN %1$I.settlement_lines.number IS 'gateway_number, if it is one of ours';
COMMENT ON VIEW %1$I.settlement_facts IS 'what gateways should have settled: captured payments, refunds, chargebacks, reversals';
COMMENT ON VIEW %1$I.settlement_matches IS 'each settlement line, and each fact that should have one, with what became of it';
COMMENT ON COLUMN %1$I.settlement_matches.match IS 'the first that applies: standalone (a fee or adjustment that belongs to no payment), missing_here (the line names nothing that we know), amount_differs (or the currency), fee_differs (post_settlement() writes the actual fee over an estimate), late (settled more than 7 days after we recorded it, or before), matched; missing_there: recorded more than 7 days ago, after the first settlement of this gateway, and in no line';
COMMENT ON COLUMN %1$I.settlement_matches.settled_amount IS 'of all lines of this kind of the same payment or operation';
COMMENT ON COLUMN %1$I.settlement_matches.settled_fee IS 'of all lines of the same payment or operation, reversals included';

	$ddl$, store);
END
$$;
COMMENT ON FUNCTION order_payment.create_settlement_tables(name) IS
	'makes settlement_lines, settlement_facts and settlement_matches in a schema. Called by create_store()';

/*
 * Rows are locked in the order of their keys, operations before payments, as
 * every effect does. Whoever waited for a row looks at it again: a fee that
 * another session made final meanwhile stays.
 */
CREATE FUNCTION order_payment.post_settlement(gateway text, settlement_id text,
											  store name DEFAULT order_payment.current_store(),
											  OUT operations_posted bigint, OUT payments_posted bigint,
											  OUT lines_open bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	IF gateway IS NULL OR settlement_id IS NULL THEN
		RAISE EXCEPTION 'gateway and settlement_id may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	EXECUTE format('SELECT count(*) FROM %I.settlement_lines l WHERE l.gateway = $1 AND l.settlement_id = $2', store)
		INTO lines_open USING gateway, settlement_id;
	IF lines_open = 0 THEN
		RAISE EXCEPTION 'settlement "%" of gateway "%" has no lines', settlement_id, gateway
			USING ERRCODE = 'no_data_found',
				  HINT = format('Fill %I.settlement_lines from the gateway''s file by COPY first.', store);
	END IF;

	EXECUTE format($query$
WITH settled AS MATERIALIZED (
	SELECT DISTINCT m.order_id, m.operation_id, m.settled_fee
	FROM %1$I.settlement_matches m
	WHERE m.gateway = $1 AND m.settlement_id = $2 AND m.operation_id IS NOT NULL
	  AND m.match IN ('matched', 'fee_differs', 'late') AND m.settled_fee IS NOT NULL
), locked AS MATERIALIZED (
	SELECT r.order_id, r.operation_id, s.settled_fee
	FROM %1$I.payment_operations r
	JOIN settled s ON s.order_id = r.order_id AND s.operation_id = r.operation_id
	WHERE r.fee <> s.settled_fee
	ORDER BY r.order_id, r.operation_id FOR NO KEY UPDATE OF r
), posted AS (
	UPDATE %1$I.payment_operations r SET fee = l.settled_fee
	FROM locked l
	WHERE r.order_id = l.order_id AND r.operation_id = l.operation_id AND r.fee <> l.settled_fee
	RETURNING 1)
SELECT count(*) FROM posted
	$query$, store) INTO operations_posted USING gateway, settlement_id;

	EXECUTE format($query$
WITH settled AS MATERIALIZED (
	SELECT DISTINCT m.order_id, m.payment_id, m.settled_fee
	FROM %1$I.settlement_matches m
	WHERE m.gateway = $1 AND m.settlement_id = $2 AND m.kind = 'payment'
	  AND m.match IN ('matched', 'fee_differs', 'late') AND m.settled_fee IS NOT NULL
), locked AS MATERIALIZED (
	SELECT p.order_id, p.payment_id, s.settled_fee
	FROM %1$I.payments p
	JOIN settled s ON s.order_id = p.order_id AND s.payment_id = p.payment_id
	WHERE NOT p.fee_final
	ORDER BY p.order_id, p.payment_id FOR NO KEY UPDATE OF p
), posted AS (
	UPDATE %1$I.payments p SET fee = l.settled_fee, fee_final = true
	FROM locked l
	WHERE p.order_id = l.order_id AND p.payment_id = l.payment_id AND NOT p.fee_final
	RETURNING 1)
SELECT count(*) FROM posted
	$query$, store) INTO payments_posted USING gateway, settlement_id;

	EXECUTE format('SELECT count(*) FROM %I.settlement_matches m
					WHERE m.gateway = $1 AND m.settlement_id = $2
					  AND m.match IN (''missing_here'', ''amount_differs'', ''fee_differs'')', store)
		INTO lines_open USING gateway, settlement_id;
END
$$;
COMMENT ON FUNCTION order_payment.post_settlement(text, text, name) IS
	'writes the actual fees of a gateway''s settlement: payments whose amount agrees get the fee of their lines as final, unless it is final already; refunds and chargebacks get the fee of theirs, a reversal''s included. Tells how many it wrote, and how many lines remain missing_here, amount_differs or fee_differs. A second call changes nothing. Needs the rights of a gateway role (OP004)';
