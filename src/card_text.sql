/* card_text.sql: what can be said of a card number, in the order of card_text.c */

CREATE FUNCTION order_payment.card_brand(number text) RETURNS text
	AS 'MODULE_PATHNAME', 'op_card_brand'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.card_brand(text) IS
	'brand of a card by the longest prefix known: amex, diners, discover, elo, hiper, hipercard, jcb, maestro, mastercard, mir, rupay, troy, unionpay, verve, visa; '
	'NULL for an unknown one; neither length nor check digit is looked at; '
	'error 22023 unless it is 12 to 19 digits, single spaces or hyphens between them allowed, never repeated in the message';

CREATE FUNCTION order_payment.card_mask(number text) RETURNS text
	AS 'MODULE_PATHNAME', 'op_card_mask'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.card_mask(text) IS
	'twelve stars and the last four digits of a card number, whatever its length; '
	'error 22023 unless it is 12 to 19 digits, single spaces or hyphens between them allowed, never repeated in the message';

CREATE FUNCTION order_payment.luhn_valid(number text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_luhn_valid'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.luhn_valid(text) IS
	'true if it is 12 to 19 digits, single spaces or hyphens between them allowed, whose last one is Luhn''s check digit (ISO/IEC 7812-1); '
	'false for every other text, never an error; UnionPay has issued cards for which it is false';
