/* ---------- functions on a store: cards ---------- */

CREATE FUNCTION order_payment.reveal_card(payment_id uuid, store name DEFAULT order_payment.current_store(),
										  OUT number text, OUT holder text, OUT expiry text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	EXECUTE format(
		'SELECT order_payment.reveal(p.card_number_sealed, b.bound_to), order_payment.reveal(p.card_holder_sealed, b.bound_to),
				order_payment.reveal(p.card_expiry_sealed, b.bound_to)
		 FROM %I.payments p, order_payment.binding(''payments'', p.payment_id) b(bound_to)
		 WHERE p.payment_id = $1', store)
		INTO number, holder, expiry USING payment_id;
END
$$;
COMMENT ON FUNCTION order_payment.reveal_card(uuid, name) IS
	'the card of a payment in clear, all null if it has none; each value that is opened is recorded and counted, see reveal(). With the rights of the caller, who needs SELECT on payments and EXECUTE on reveal()';

CREATE FUNCTION order_payment.find_card(number text, store name DEFAULT order_payment.current_store())
	RETURNS TABLE (order_id text, payment_id uuid, created_at timestamptz)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fingerprints CONSTANT bytea[] := order_payment.card_fingerprints(number);
BEGIN
	PERFORM order_payment.require_store(store);
	RETURN QUERY EXECUTE format(
		'SELECT p.order_id::text, p.payment_id, p.created_at FROM %I.payments p WHERE p.card_fingerprint = ANY ($1)
		 ORDER BY p.created_at, p.payment_id', store) USING fingerprints;
END
$$;
COMMENT ON FUNCTION order_payment.find_card(text, name) IS
	'the payments made with a card number; recorded in reveal_log and counted as a reveal, for who may ask so can find out a number by guessing';
