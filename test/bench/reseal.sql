/*
 * Cards under a data key that is replaced, of :rows rows: a number alone, and whole cards with fingerprints. What reseal() costs
 * is told against a procedure that takes the same rows by the same statements and commits as often, but changes nothing in them.
 */
\set ON_ERROR_STOP on

SET order_payment.allow_unguarded = on;
SELECT count(*) FROM order_payment.create_data_keys();
CREATE TABLE bench.numbers (id bigint PRIMARY KEY, number text);
CREATE TABLE bench.cards (id bigint PRIMARY KEY, number text, holder text, expiry text);
SELECT order_payment.protect_card_columns('bench.numbers', 'number'),
	   order_payment.protect_card_columns('bench.cards', 'number', 'holder', 'expiry', 'fingerprint');
ALTER TABLE bench.numbers SET (fillfactor = 85);
ALTER TABLE bench.cards SET (fillfactor = 85);
INSERT INTO bench.numbers SELECT i, '4111111111111111' FROM generate_series(1, :rows) i;
INSERT INTO bench.cards SELECT i, '4111111111111111', 'Ann Lee', '12/29' FROM generate_series(1, :rows) i;

CREATE PROCEDURE bench.touch(target regclass, batch_pages integer DEFAULT 32)
LANGUAGE plpgsql AS $$
DECLARE
	keys CONSTANT integer[] := (SELECT array_agg(key_id) FROM order_payment.data_keys);
	pages CONSTANT bigint := pg_relation_size(target) / current_setting('block_size')::bigint;
	page bigint := 0;
	n bigint;
	touched bigint := 0;
BEGIN
	WHILE page < pages LOOP
		EXECUTE format('UPDATE ONLY %1$s t SET number_sealed = t.number_sealed WHERE t.ctid = ANY (ARRAY(
							SELECT l.ctid FROM ONLY %1$s l WHERE l.ctid >= $1 AND l.ctid < $2
							AND order_payment.key_id(l.number_sealed) = ANY ($3) FOR NO KEY UPDATE SKIP LOCKED))', target)
			USING format('(%s,0)', page)::tid, format('(%s,0)', least(pages, page + batch_pages))::tid, keys;
		GET DIAGNOSTICS n = ROW_COUNT;
		touched := touched + n;
		page := page + batch_pages;
		COMMIT;
	END LOOP;
	EXECUTE format('SELECT count(*) FROM %s l WHERE order_payment.key_id(l.number_sealed) <> ALL ($1)', target) INTO n USING keys;
	RAISE NOTICE '% rows touched', touched;
END
$$;
