/* ---------- functions on a store: sealing anew ---------- */

/*
 * No SET, for it commits; so operators and functions are named in full. What
 * values are bound to is said where they are sealed.
 */
CREATE PROCEDURE order_payment.reseal_store(store name DEFAULT order_payment.current_store(), max_rate float8 DEFAULT NULL)
	LANGUAGE plpgsql
AS $$
DECLARE
	place record;
BEGIN
	PERFORM order_payment.require_store(store);
	FOR place IN
		SELECT pg_catalog.to_regclass(pg_catalog.format('%I.%I', store, t.name)) AS target, t.sealed_column, t.label, t.key
		FROM (VALUES ('payments', NULL::pg_catalog.name, NULL::pg_catalog.text, NULL::pg_catalog.text[]),
					 ('gateway_secrets', 'secret', 'gateway_secret', '{gateway,kind,secret_id}'),
					 ('payment_passwords', 'verifier', 'order_payment.payment_password',
					  ARRAY[pg_catalog.format($f$'%s'$f$, store), 'customer_id'])) t(name, sealed_column, label, key)
	LOOP
		IF place.target IS NOT NULL THEN
			CALL order_payment.reseal(place.target, max_rate, 32, place.sealed_column, place.label, place.key);
		END IF;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE order_payment.reseal_store(name, float8) IS
	'CALL reseal() for each table of a store that holds sealed values';
