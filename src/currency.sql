/* currency.sql: currencies, in the order of currency.c */

CREATE FUNCTION order_payment.currency_exponent(code text) RETURNS integer
	AS 'MODULE_PATHNAME', 'op_currency_exponent'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.currency_exponent(text) IS
	'number of decimals of a currency''s minor unit: by its upper-case ISO 4217 code (EUR 2, JPY 0, KWD 3, CLF 4), '
	'or as a private code carries it (POINTS.0, BTC.8, ETH.18: 2 to 12 upper-case letters and digits, a letter first, a dot, 0 to 18); '
	'NULL for an ISO code without a minor unit (XAU, XDR, XTS, XXX ...); error 22023 for an unknown code, and for an ISO code with decimals after it (USD.3); '
	'source: ISO 4217 list one, edition of 2026-09-17';

CREATE FUNCTION order_payment.is_currency(code text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_is_currency'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.is_currency(text) IS
	'true for an upper-case ISO 4217 code that has a minor unit, so that something can be paid in it, and for a private code with its decimals (POINTS.0); '
	'false for every other text, never an error; for CHECK constraints (NULL in gives NULL, which a CHECK lets pass)';

CREATE FUNCTION order_payment.currencies() RETURNS TABLE (code text, exponent integer)
	AS 'MODULE_PATHNAME', 'op_currencies'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 178;

COMMENT ON FUNCTION order_payment.currencies() IS
	'every ISO 4217 code in code order, with the number of decimals of its minor unit, NULL where it has none; private codes are in no list; '
	'source: ISO 4217 list one, edition of 2026-09-17';
