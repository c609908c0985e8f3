/* allocate.sql: splitting an amount */

CREATE FUNCTION order_payment.allocate(total numeric, weights numeric[], currency text) RETURNS numeric[]
	AS 'MODULE_PATHNAME', 'op_allocate'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.allocate(numeric, numeric[], text) IS
	'splits a total in proportion to the weights by largest remainder, the earlier part first where remainders are equal: the parts have the currency''s decimals and the weights'' subscripts, sum exactly to the total, and are 0 where the weight is 0; a negative total is split as the positive one. '
	'22023 for weights that are empty, negative, NaN, infinite or all zero, 22004 for a null among them, 2202E for more than one dimension';
