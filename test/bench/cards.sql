/*
 * Cards: what is sealed, and the rivals that seal by pgcrypto.
 *
 * bench_card_cbc  a store by hand, with a trigger in PL/pgSQL that does by pgcrypto what protect_card() does: reads number,
 *                 holder and expiry, checks them, seals each by AES-256-CBC under a random vector, makes a fingerprint by
 *                 HMAC-SHA256, and leaves masks. The keys are in a table that only the trigger may read.
 * bench_card_pgp  the same, sealing by pgp_sym_encrypt() as it comes.
 *
 * What they leave out, so that they are rather too fast: a value is not bound to its row, and CBC not even protected against
 * change; lengths are not hidden; there is one key, which is never changed; brands are not told apart; a retry does not take
 * over the card of the attempt before. And the keys are in the database, with the values.
 */
\set ON_ERROR_STOP on

SELECT order_payment.create_data_keys();
CREATE EXTENSION pgcrypto SCHEMA bench;

CREATE TABLE bench.card_keys (data_key bytea, fingerprint_key bytea, passphrase text);
INSERT INTO bench.card_keys
SELECT bench.gen_random_bytes(32), bench.gen_random_bytes(32), encode(bench.gen_random_bytes(32), 'hex');

/* Test numbers; each row's own binding is made here, for a rival has none. */
CREATE TABLE bench.card_numbers AS
SELECT i AS id, '4111111111111111' AS number, order_payment.binding('bench.card_numbers', i) AS bound_to
FROM generate_series(1, :rows) i;
VACUUM (FREEZE, ANALYZE) bench.card_numbers;

/* Tables whose rows go through protect_card() and are then left out: a row stored would cost more than a fingerprint. */
CREATE FUNCTION bench.leave_out() RETURNS trigger AS :'module', 'leave_out' LANGUAGE c;
CREATE TABLE bench.with_fingerprint (id bigint, number text);
SELECT order_payment.protect_card_columns('bench.with_fingerprint', 'number', fingerprint => 'fingerprint', key => '{id}');
CREATE TRIGGER zzz_leave_out BEFORE INSERT ON bench.with_fingerprint FOR EACH ROW EXECUTE FUNCTION bench.leave_out();
CREATE TABLE bench.without_fingerprint (id bigint, number text, fingerprint bytea);
SELECT order_payment.protect_card_columns('bench.without_fingerprint', 'number', key => '{id}');
CREATE TRIGGER zzz_leave_out BEFORE INSERT ON bench.without_fingerprint FOR EACH ROW EXECUTE FUNCTION bench.leave_out();

/* seal: a statement that seals THE_VALUE, a text, into THE_COLUMN. */
CREATE PROCEDURE bench.protect_by_hand(store name, seal text) LANGUAGE plpgsql AS $procedure$
DECLARE
	part record;
	ddl text := $triggers$

ALTER TABLE THE_STORE.payments
	ALTER card_number_sealed TYPE bytea USING NULL,
	ALTER card_holder_sealed TYPE bytea USING NULL,
	ALTER card_expiry_sealed TYPE bytea USING NULL;

CREATE FUNCTION THE_STORE.protect_card() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	keys record;
	iv bytea;
	digits text;
	bytes bytea;
	sum integer := 0;
	digit integer;
	before THE_STORE.payments;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		before := OLD;
	END IF;
	IF (NEW.card_number_sealed, NEW.card_holder_sealed, NEW.card_expiry_sealed, NEW.card_fingerprint) IS DISTINCT FROM
	   (before.card_number_sealed, before.card_holder_sealed, before.card_expiry_sealed, before.card_fingerprint) THEN
		RAISE EXCEPTION 'a column is kept by the server';
	END IF;
	SELECT data_key, fingerprint_key, passphrase INTO STRICT keys FROM bench.card_keys;
	IF NEW.card_number IS DISTINCT FROM before.card_number THEN
		IF NEW.card_number IS NULL THEN
			NEW.card_number_sealed := NULL;
			NEW.card_fingerprint := NULL;
		ELSE
			IF NEW.card_number !~ '^ *[0-9]([ -]?[0-9]){11,18} *$' THEN
				RAISE EXCEPTION 'invalid card number';
			END IF;
			digits := translate(NEW.card_number, ' -', '');
			bytes := convert_to(digits, 'UTF8');
			FOR i IN 1..length(digits) LOOP
				digit := get_byte(bytes, length(digits) - i) - 48;
				sum := sum + CASE WHEN i % 2 = 1 THEN digit WHEN digit > 4 THEN 2 * digit - 9 ELSE 2 * digit END;
			END LOOP;
			IF sum % 10 <> 0 THEN
				RAISE EXCEPTION 'invalid card number';
			END IF;
			SEAL_NUMBER
			NEW.card_fingerprint := bench.hmac(bytes, keys.fingerprint_key, 'sha256');
			NEW.card_number := '************' || right(digits, 4);
		END IF;
	END IF;
	IF NEW.card_holder IS DISTINCT FROM before.card_holder THEN
		IF NEW.card_holder IS NULL THEN
			NEW.card_holder_sealed := NULL;
		ELSE
			IF octet_length(NEW.card_holder) NOT BETWEEN 1 AND 96 OR strpos(NEW.card_holder, '*') > 0 THEN
				RAISE EXCEPTION 'invalid card holder';
			END IF;
			SEAL_HOLDER
			NEW.card_holder := left(NEW.card_holder, 1) || '***';
		END IF;
	END IF;
	IF NEW.card_expiry IS DISTINCT FROM before.card_expiry THEN
		IF NEW.card_expiry IS NULL THEN
			NEW.card_expiry_sealed := NULL;
		ELSE
			IF NEW.card_expiry !~ '^(0[1-9]|1[0-2])/[0-9]{2}$' THEN
				RAISE EXCEPTION 'invalid card expiry';
			END IF;
			SEAL_EXPIRY
			NEW.card_expiry := '**/**';
		END IF;
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER "000_protect_new" BEFORE INSERT ON THE_STORE.payments FOR EACH ROW
	WHEN (num_nonnulls(NEW.card_number, NEW.card_holder, NEW.card_expiry, NEW.card_number_sealed, NEW.card_holder_sealed,
					   NEW.card_expiry_sealed, NEW.card_fingerprint) > 0)
	EXECUTE FUNCTION THE_STORE.protect_card();
CREATE TRIGGER "000_protect_change" BEFORE UPDATE ON THE_STORE.payments FOR EACH ROW
	WHEN ((NEW.card_number, NEW.card_holder, NEW.card_expiry, NEW.card_number_sealed, NEW.card_holder_sealed,
		   NEW.card_expiry_sealed, NEW.card_fingerprint)
		  IS DISTINCT FROM
		  (OLD.card_number, OLD.card_holder, OLD.card_expiry, OLD.card_number_sealed, OLD.card_holder_sealed,
		   OLD.card_expiry_sealed, OLD.card_fingerprint))
	EXECUTE FUNCTION THE_STORE.protect_card();

	$triggers$;
BEGIN
	FOR part IN VALUES ('NUMBER', 'digits'), ('HOLDER', 'NEW.card_holder'), ('EXPIRY', 'NEW.card_expiry') LOOP
		ddl := replace(ddl, 'SEAL_' || part.column1,
					   replace(replace(seal, 'THE_COLUMN', format('NEW.card_%s_sealed', lower(part.column1))),
							   'THE_VALUE', part.column2));
	END LOOP;
	EXECUTE replace(ddl, 'THE_STORE', quote_ident(store));
END
$procedure$;

CREATE PROCEDURE bench.make_card_rival(store name, rows bigint, seal text) LANGUAGE plpgsql AS $$
BEGIN
	CALL bench.copy_store(store);
	CALL bench.fill_store(store, rows, true);
	CALL bench.protect_by_hand(store, seal);
	CALL bench.by_hand(store);
END
$$;

CALL bench.make_card_rival('bench_card_cbc', least(:rows, 100000),
	'iv := bench.gen_random_bytes(16); THE_COLUMN := iv || bench.encrypt_iv(convert_to(THE_VALUE, ''UTF8''), keys.data_key, iv, ''aes-cbc'');');
CALL bench.make_card_rival('bench_card_pgp', least(:rows, 100000),
	'THE_COLUMN := bench.pgp_sym_encrypt(THE_VALUE, keys.passphrase);');
VACUUM (FREEZE, ANALYZE);
