/* ---------- fingerprints of cards ---------- */

CREATE FUNCTION order_payment.same_card(a bytea, b bytea) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_same_card' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.same_card(bytea, bytea) IS
	'are two fingerprints, as the column card_fingerprint has them, of one card? null while they are of different fingerprint keys, until reseal() has made them anew';

CREATE FUNCTION order_payment.card_fingerprints(number text) RETURNS bytea[]
	AS 'MODULE_PATHNAME', 'op_card_fingerprints' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.card_fingerprints(text) IS
	'the fingerprints that rows with this card number may have, one for each fingerprint key in use: WHERE card_fingerprint = ANY ((SELECT card_fingerprints(...))::bytea[]), with SELECT, for else it is asked anew for each row. Recorded in reveal_log and counted as a reveal';
