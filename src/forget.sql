/* ---------- forgetting cards ---------- */

CREATE FUNCTION order_payment.forget_cards_in(target regclass, time_column name, before timestamptz) RETURNS bigint
	AS 'MODULE_PATHNAME', 'op_forget_cards_in' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET row_security = off;
COMMENT ON FUNCTION order_payment.forget_cards_in(regclass, name, timestamptz) IS
	'takes the sealed card and its fingerprint out of all rows of a table with the trigger protect_card() whose time_column is before a time, and returns their number; masks stay. Of payments, not those whose card is still wanted. What is forgotten stays in backups and in WAL as long as these are kept, and opens as long as its data key does. With the rights of the caller';

CREATE FUNCTION order_payment.forget_cards(before timestamptz, store name DEFAULT order_payment.current_store()) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	IF before IS NULL THEN
		RAISE EXCEPTION 'the time before which cards are forgotten may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	RETURN order_payment.forget_cards_in(format('%I.payments', store)::regclass, 'created_at', before);
END
$$;
COMMENT ON FUNCTION order_payment.forget_cards(timestamptz, name) IS
	'takes the sealed card and its fingerprint out of the payments made before a time, and returns their number; masks stay. Payments that have not ended, or are to be tried again, keep theirs';
