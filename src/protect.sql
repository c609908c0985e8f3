/* ---------- cards in tables ---------- */

CREATE FUNCTION order_payment.protect_card() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_protect_card' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.protect_card() IS
	'BEFORE INSERT OR UPDATE trigger that seals a card before its row is stored. Arguments: a label; then number=, holder=, expiry=, fingerprint= (columns), key= (columns of the row''s key), from= (the row a card may be taken over from), and for cards that were sealed outside order= (column), tokens= (table), request= (column). Made by protect_card_columns()';

CREATE FUNCTION order_payment.check_protection(target regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'op_check_protection' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.check_protection(regclass) IS
	'raises what would make the trigger protect_card() of a table refuse every row: a column that is not there, is of another type, or is for a verification code. Called by protect_card_columns() and upgrade_store()';

CREATE FUNCTION order_payment.trigger_argument(arguments bytea, name text) RETURNS text
	AS 'MODULE_PATHNAME', 'op_trigger_argument' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.trigger_argument(bytea, text) IS
	'the value of the argument name=value of a trigger, from pg_trigger.tgargs. Called by sealed_columns()';

/* GRANT asks for the right to grant it, and CREATE TRIGGER for the privilege; neither says what to do. */
CREATE FUNCTION order_payment.let_protect(protector name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted regprocedure;
BEGIN
	FOREACH wanted IN ARRAY ARRAY['order_payment.protect_card()',
								  'order_payment.fingerprint_fault(order_payment.sealed, bytea, bytea)']::regprocedure[] LOOP
		IF has_function_privilege(protector, wanted, 'EXECUTE') THEN
			CONTINUE;
		ELSIF has_function_privilege(wanted, 'EXECUTE WITH GRANT OPTION') THEN
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', wanted, protector);
		ELSIF wanted = 'order_payment.protect_card()'::regprocedure THEN
			RAISE EXCEPTION 'role "%" may not protect tables with cards', protector
				USING ERRCODE = 'insufficient_privilege',
					  HINT = format('Let a superuser do it, or GRANT EXECUTE ON FUNCTION order_payment.protect_card(), order_payment.fingerprint_fault(order_payment.sealed, bytea, bytea) TO %I.', protector);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.let_protect(name) IS
	'grants a role EXECUTE on protect_card(), which owners of tables with cards need, and on fingerprint_fault(), by which they verify them, if it has them not and the caller may grant them; else an error, but for the latter. Called by create_store()';

CREATE FUNCTION order_payment.is_card_mask(value text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_is_card_mask' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.is_card_mask(text) IS
	'is it a masked card number, twelve stars and four digits? For CHECK constraints, so that no clear number is stored where the trigger is switched off';

CREATE FUNCTION order_payment.create_token_table(target regclass, order_column name, tokens name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ddl CONSTANT text := (
		SELECT format('CREATE TABLE IF NOT EXISTS %I.%I (
						   order_id %s NOT NULL,
						   token bytea NOT NULL,
						   used_by text NOT NULL,
						   expires_at timestamptz NOT NULL,
						   used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
						   PRIMARY KEY (order_id, token))', n.nspname, tokens, format_type(a.atttypid, a.atttypmod))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.oid = target AND a.attname = order_column AND NOT a.attisdropped);
BEGIN
	IF ddl IS NULL THEN
		RAISE EXCEPTION 'column "%" of table % does not exist', order_column, target USING ERRCODE = 'undefined_column';
	END IF;
	EXECUTE ddl;
END
$$;
COMMENT ON FUNCTION order_payment.create_token_table(regclass, name, name) IS
	'makes the table that remembers which row has used a token of a card sealed outside, if it is not there. Called by protect_card_columns()';

CREATE FUNCTION order_payment.is_masked_card(number text, holder text, expiry text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_is_masked_card' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.is_masked_card(text, text, text) IS
	'is each of number, holder and expiry null, or a mask? The CHECK constraint of payments';

CREATE FUNCTION order_payment.protect_card_columns(
		target regclass,
		number name,
		holder name DEFAULT NULL,
		expiry name DEFAULT NULL,
		fingerprint name DEFAULT NULL,
		key name[] DEFAULT NULL,
		label text DEFAULT NULL,
		order_column name DEFAULT NULL,
		tokens name DEFAULT NULL,
		request name DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part record;
	arguments text;
BEGIN
	IF target IS NULL OR number IS NULL THEN
		RAISE EXCEPTION 'the table and the column of the card number may not be null'
			USING ERRCODE = 'null_value_not_allowed';
	ELSIF (order_column IS NULL) <> (tokens IS NULL) OR order_column IS NULL AND request IS NOT NULL THEN
		RAISE EXCEPTION 'order_column and tokens go together, and request with them'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'order_column says which order a row is of, tokens is the name of a table that remembers which row has used a token.';
	END IF;
	PERFORM order_payment.let_protect(current_user);
	key := coalesce(key, (SELECT array_agg(a.attname ORDER BY k.ord)
						  FROM pg_index i, unnest(i.indkey::smallint[]) WITH ORDINALITY k(attnum, ord)
						  JOIN pg_attribute a ON a.attrelid = protect_card_columns.target AND a.attnum = k.attnum
						  WHERE i.indrelid = protect_card_columns.target AND i.indisprimary));
	IF key IS NULL THEN
		RAISE EXCEPTION 'table % has no primary key to bind a card to', target
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the columns of a key: key => ''{...}''.';
	END IF;
	label := coalesce(label, (SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
							  WHERE c.oid = target));
	arguments := quote_literal(label);
	FOR part IN
		SELECT p.argument, p.name FROM (VALUES ('number', number), ('holder', holder), ('expiry', expiry)) p(argument, name)
		WHERE p.name IS NOT NULL
	LOOP
		IF octet_length(part.name || '_sealed') > 63 THEN
			RAISE EXCEPTION 'the name of column "%" is too long to be that of a card''s', part.name
				USING ERRCODE = 'name_too_long', HINT = 'The column beside it is called "<name>_sealed": rename it to 56 bytes or less.';
		END IF;
		EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS %I order_payment.sealed', target, part.name || '_sealed');
		arguments := arguments || ', ' || quote_literal(part.argument || '=' || part.name);
	END LOOP;
	IF fingerprint IS NOT NULL THEN
		EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS %I bytea', target, fingerprint);
		arguments := arguments || ', ' || quote_literal('fingerprint=' || fingerprint);
	END IF;
	arguments := arguments || (SELECT string_agg(', ' || quote_literal('key=' || k.name), '' ORDER BY k.ord)
							   FROM unnest(key) WITH ORDINALITY k(name, ord));
	IF order_column IS NOT NULL THEN
		arguments := arguments || format(', %L, %L', 'order=' || order_column, 'tokens=' || tokens)
			|| coalesce(', ' || quote_literal('request=' || request), '');
		PERFORM order_payment.create_token_table(target, order_column, tokens);
	END IF;
	EXECUTE format('CREATE TRIGGER "000_protect_card" BEFORE INSERT OR UPDATE ON %s
					FOR EACH ROW EXECUTE FUNCTION order_payment.protect_card(%s)', target, arguments);
	EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (order_payment.is_card_mask(%I)) NOT VALID',
				   target, left(number, 50) || '_is_masked', number);
	PERFORM order_payment.check_protection(target);
END
$$;
COMMENT ON FUNCTION order_payment.protect_card_columns(regclass, name, name, name, name, name[], text, name, name, name) IS
	'protects the card columns of any table: adds the sealed columns (number_sealed ...) and the fingerprint if they are not there, the trigger, and a CHECK that no clear number is stored. key: what values are bound to (NULL: the primary key); label: likewise, and kept if the table is renamed (NULL: schema.table). Numbers that are in the table are sealed by UPDATE t SET number = number; then VALIDATE the constraint. For roles with EXECUTE on protect_card(). For cards that are sealed outside for an order of several rows: order_column, the order''s key; tokens, a table beside this one, made if it is not there, of tokens that were used; request, the idempotency key of a row. Else they are sealed for the key of a row';
