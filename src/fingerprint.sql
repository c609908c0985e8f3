/* ---------- fingerprints of cards ---------- */

CREATE FUNCTION order_payment.same_card(a bytea, b bytea) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_same_card' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.same_card(bytea, bytea) IS
	'are two fingerprints, as the column card_fingerprint has them, of one card? null while they are of different fingerprint keys, until reseal() has made them anew';

CREATE FUNCTION order_payment.card_fingerprints(number text) RETURNS bytea[]
	AS 'MODULE_PATHNAME', 'op_card_fingerprints' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.card_fingerprints(text) IS
	'the fingerprints that rows with this card number may have, one for each fingerprint key in use: WHERE card_fingerprint = ANY ((SELECT card_fingerprints(...))::bytea[]), with SELECT, for else it is asked anew for each row. Recorded in reveal_log and counted as a reveal';

CREATE FUNCTION order_payment.fingerprint_fault(value order_payment.sealed, bound_to bytea, fingerprint bytea) RETURNS text
	AS 'MODULE_PATHNAME', 'op_fingerprint_fault' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.fingerprint_fault(order_payment.sealed, bytea, bytea) IS
	'what is wrong with the fingerprint of a sealed number: null if it is that of the number, or if the value does not open, which card_fault() tells. Tells nothing else of it. For verify_store(), and for those who may protect tables: whoever may ask can guess numbers';
