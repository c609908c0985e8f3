/* money.sql: arithmetic on amounts, in the order of money.c */

CREATE FUNCTION order_payment.is_amount(amount numeric, currency text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_is_amount'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.is_amount(numeric, text) IS
	'true if the amount, in major units (10.50 is ten dollars and fifty cents), is finite and needs no more decimals than the currency has; '
	'trailing zeros do not count and the sign is free; false for NaN, infinity and anything that is_currency() refuses, never an error; '
	'for CHECK constraints (NULL in gives NULL, which a CHECK lets pass)';

CREATE FUNCTION order_payment.net_amount(amount numeric, fee numeric) RETURNS numeric
	AS 'MODULE_PATHNAME', 'op_net_amount'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.net_amount(numeric, numeric) IS
	'what is expected to be left of a payment: amount - fee; it is negative where the fee is more. '
	'22023 for a negative amount, NaN or infinity; the fee may be negative (a fee that is returned)';

CREATE FUNCTION order_payment.net_amount(captured numeric, refunded numeric, charged_back numeric, fee numeric) RETURNS numeric
	AS 'MODULE_PATHNAME', 'op_net_amount'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.net_amount(numeric, numeric, numeric, numeric) IS
	'what is left of a payment: captured - refunded - charged_back - fee once anything is captured, else 0; it is negative where more went back than came in. '
	'22023 for NaN, infinity and anything negative but the fee (a fee that is returned)';

CREATE FUNCTION order_payment.payment_fee(amount numeric, rate numeric, fixed numeric, currency text) RETURNS numeric
	AS 'MODULE_PATHNAME', 'op_payment_fee'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.payment_fee(numeric, numeric, numeric, text) IS
	'amount * rate + fixed, rounded half-up once to the currency''s decimals; the rate is a fraction (0.029 is 2.9 percent), rate and fixed may have any number of decimals. '
	'22023 for an amount with more decimals than the currency, a rate above 1, anything negative, NaN or infinity, and a currency in which nothing can be paid';

CREATE FUNCTION order_payment.to_minor_units(amount numeric, currency text, exceptions jsonb DEFAULT '{}') RETURNS bigint
	AS 'MODULE_PATHNAME', 'op_to_minor_units'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.to_minor_units(numeric, text, jsonb) IS
	'the amount as a gateway counts it: 10.50 USD is 1050, 5 ISK is 5, or 500 where exceptions is {"ISK": 2}, the exponents (0 to 18) that this gateway uses instead of the currencies''. '
	'22023, never rounded, for an amount with more decimals than the currency, or than the gateway, has; 22003 for one that bigint cannot hold';

CREATE FUNCTION order_payment.from_minor_units(minor bigint, currency text, exceptions jsonb DEFAULT '{}') RETURNS numeric
	AS 'MODULE_PATHNAME', 'op_from_minor_units'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.from_minor_units(bigint, text, jsonb) IS
	'the amount that a gateway means, the reverse of to_minor_units(), with the currency''s decimals; '
	'22023 for a figure that is no amount in the currency (501 ISK of a gateway that counts them with 2 decimals)';
