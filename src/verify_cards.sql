/*
 * Cards of a store: each sealed value opens in its row, under a key that is
 * here, and is what its mask says; a mask without one was forgotten. The
 * fingerprint is that of the number; to compare them is for those only who may
 * have fingerprints made.
 */
CREATE FUNCTION order_payment.verify_cards(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($query$

SELECT 'sealed value unsound', 'payments', p.order_id || ' ' || p.payment_id, c.name, f.fault, 'a value that opens in its row'
FROM %1$I.payments p
CROSS JOIN LATERAL (VALUES ('card_number_sealed', p.card_number_sealed, p.card_number),
						   ('card_holder_sealed', p.card_holder_sealed, p.card_holder),
						   ('card_expiry_sealed', p.card_expiry_sealed, p.card_expiry)) c (name, value, shown)
CROSS JOIN LATERAL order_payment.card_fault(c.value, coalesce(c.shown, ''), order_payment.binding('payments', p.payment_id)) f (fault)
WHERE c.value IS NOT NULL AND f.fault IS NOT NULL
UNION ALL
SELECT 'fingerprint without its card', 'payments', p.order_id || ' ' || p.payment_id, 'card_fingerprint', NULL, NULL
FROM %1$I.payments p
WHERE (p.card_fingerprint IS NULL) <> (p.card_number_sealed IS NULL)

	$query$, store);

	IF has_function_privilege('order_payment.fingerprint_fault(order_payment.sealed, bytea, bytea)', 'EXECUTE') THEN
		RETURN QUERY EXECUTE format($query$

SELECT 'fingerprint unsound', 'payments', p.order_id || ' ' || p.payment_id, 'card_fingerprint', f.fault, 'the fingerprint of the number'
FROM %1$I.payments p
CROSS JOIN LATERAL order_payment.fingerprint_fault(p.card_number_sealed, order_payment.binding('payments', p.payment_id), p.card_fingerprint) f (fault)
WHERE f.fault IS NOT NULL

		$query$, store);
	ELSIF pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = format('%I.payments', store)::regclass), 'USAGE') THEN
		RETURN QUERY SELECT 'fingerprints were not compared', 'payments', NULL, 'card_fingerprint', NULL,
							'EXECUTE on order_payment.fingerprint_fault(), to be granted to the owner of the store';
	END IF;
EXCEPTION WHEN SQLSTATE 'OP013' THEN
	RETURN QUERY SELECT 'sealed values cannot be opened', 'payments', NULL, NULL, sqlerrm, 'order_payment.key_status() shows which keys are missing';
END
$$;
COMMENT ON FUNCTION order_payment.verify_cards(name) IS
	'sealed values of payments that do not open in their row, are not what their mask says, or whose key is missing, and fingerprints of another number, for whoever may compare them; part of verify_store()';
