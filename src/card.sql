/* ---------- sealing and revealing ---------- */

CREATE FUNCTION order_payment.seal(plaintext text, field text, bound_to bytea) RETURNS order_payment.sealed
	AS 'MODULE_PATHNAME', 'op_seal' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.seal(text, text, bytea) IS
	'seals a text under the active data key: field is number (digits, checked), holder, expiry (MM/YY) or text; bound_to, as binding() makes it, must be given again to open it. a card that was sealed outside with a sealing_token() is taken as well, each of the three by a call, null for what it has not. OP011 where statements may reach a log, OP013 without a key, OP016 for such a card that is not taken';

CREATE FUNCTION order_payment.reveal(value order_payment.sealed, bound_to bytea) RETURNS text
	AS 'MODULE_PATHNAME', 'op_reveal' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.reveal(order_payment.sealed, bytea) IS
	'opens a sealed number, holder, expiry or text; that it was asked for is recorded in reveal_log, and committed, before. OP010 if it does not open, OP014 if it cannot be recorded or the role has opened too many';

CREATE FUNCTION order_payment.card_fault(value order_payment.sealed, shown text, bound_to bytea) RETURNS text
	AS 'MODULE_PATHNAME', 'op_card_fault' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.card_fault(order_payment.sealed, text, bytea) IS
	'what is wrong with a sealed number, holder or expiry: null if it opens and its mask is the one shown. Tells nothing else of it. For verify_store(), and for tables that protect_card() keeps';
