/* ---------- sealed values ---------- */

CREATE TYPE order_payment.sealed;

CREATE FUNCTION order_payment.sealed_in(cstring) RETURNS order_payment.sealed
	AS 'MODULE_PATHNAME', 'op_sealed_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.sealed_out(order_payment.sealed) RETURNS cstring
	AS 'MODULE_PATHNAME', 'op_sealed_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.sealed_recv(internal) RETURNS order_payment.sealed
	AS 'MODULE_PATHNAME', 'op_sealed_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.sealed_send(order_payment.sealed) RETURNS bytea
	AS 'MODULE_PATHNAME', 'op_sealed_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE order_payment.sealed (
	INPUT = order_payment.sealed_in,
	OUTPUT = order_payment.sealed_out,
	RECEIVE = order_payment.sealed_recv,
	SEND = order_payment.sealed_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = external  -- ciphertext does not compress
);
COMMENT ON TYPE order_payment.sealed IS
	'a secret as AES-256-GCM (XAES-256-GCM) ciphertext, bound to the row that it belongs to; as text "op1:" and base64url. Made by seal(), opened by reveal()';
COMMENT ON FUNCTION order_payment.sealed_in(cstring) IS 'input of sealed: takes what its output gives, never clear text; does not open it';
COMMENT ON FUNCTION order_payment.sealed_out(order_payment.sealed) IS 'output of sealed: the ciphertext';
COMMENT ON FUNCTION order_payment.sealed_recv(internal) IS 'binary input of sealed: the ciphertext';
COMMENT ON FUNCTION order_payment.sealed_send(order_payment.sealed) IS 'binary output of sealed: the ciphertext';

CREATE FUNCTION order_payment.key_id(value order_payment.sealed) RETURNS integer
	AS 'MODULE_PATHNAME', 'op_key_id' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.key_id(order_payment.sealed) IS
	'the id of the data key that sealed a value; needs no key';

CREATE FUNCTION order_payment.binding(label text, VARIADIC key "any") RETURNS bytea
	AS 'MODULE_PATHNAME', 'op_binding' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.binding(text, "any") IS
	'what a value is bound to: a label and the key of its row (integers, uuid, text; a literal is text, so cast it to the type of its column). For seal() and reveal(); the label of a protected table is the first argument of its trigger';
