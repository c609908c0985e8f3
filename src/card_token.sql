/* ---------- tokens, for cards that are sealed outside ---------- */

/*
 * A token is sealed together with a card, and says what the card is good for:
 * an order, and until when. It is a proof by HMAC, and is not stored before it is
 * used; then the table that the trigger of cards names as tokens= (in a store
 * used_card_tokens) remembers which row has.
 */
CREATE FUNCTION order_payment.card_token(target regclass, order_id text, lifetime interval DEFAULT '15 minutes') RETURNS text
	AS 'MODULE_PATHNAME', 'op_card_token' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.card_token(regclass, text, interval) IS
	'a token for a card that is sealed outside and inserted into a protected table: order_id is the row''s order, as the text of its column, or, for a table whose trigger names none, the row''s key. For who may INSERT or UPDATE there';

CREATE FUNCTION order_payment.sealing_token(bound_to bytea, lifetime interval DEFAULT '15 minutes') RETURNS text
	AS 'MODULE_PATHNAME', 'op_sealing_token' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.sealing_token(bytea, interval) IS
	'a token for a card that is sealed outside and given to seal() with the same binding. It is not remembered that it was used: until it expires, that card can be sealed for that row again';

CREATE FUNCTION order_payment.issue_card_token(
		order_id text,
		store name DEFAULT order_payment.current_store(),
		lifetime interval DEFAULT '15 minutes')
	RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_id text;
BEGIN
	PERFORM order_payment.require_store(store);
	IF order_id IS NULL OR lifetime IS NULL THEN
		RAISE EXCEPTION 'order_id and lifetime may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	EXECUTE format('SELECT o.order_id FROM %I.orders o WHERE o.order_id = %L', store, order_id) INTO found_id;
	IF found_id IS NULL THEN
		RAISE EXCEPTION 'order % does not exist', order_id USING ERRCODE = 'no_data_found';
	END IF;
	RETURN order_payment.card_token(format('%I.payments', store)::regclass, found_id, lifetime);
END
$$;
COMMENT ON FUNCTION order_payment.issue_card_token(text, name, interval) IS
	'a token to be sealed with a card for a payment of an order: good for one payment, which may submit it again, and until its lifetime, at most a day, is over. For who may INSERT or UPDATE payments. P0002 if the order does not exist';

CREATE FUNCTION order_payment.issue_card_token(
		order_id anynonarray,
		store name DEFAULT order_payment.current_store(),
		lifetime interval DEFAULT '15 minutes')
	RETURNS text
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT order_payment.issue_card_token($1::text, $2, $3)
$$;
COMMENT ON FUNCTION order_payment.issue_card_token(anynonarray, name, interval) IS
	'a token to be sealed with a card: the same for keys of every type';

CREATE FUNCTION order_payment.purge_card_tokens(store name DEFAULT order_payment.current_store()) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	purged bigint;
BEGIN
	PERFORM order_payment.require_store(store);
	-- a day later, lest a clock that is set back makes them good again
	EXECUTE format('DELETE FROM %I.used_card_tokens t WHERE t.expires_at < clock_timestamp() - interval ''1 day''', store);
	GET DIAGNOSTICS purged = ROW_COUNT;
	RETURN purged;
END
$$;
COMMENT ON FUNCTION order_payment.purge_card_tokens(name) IS
	'deletes the used tokens of a store that expired more than a day ago, and returns their number. For the owner of the store, now and then';
