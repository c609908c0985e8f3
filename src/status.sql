/* ---------- types: order_status, payment_status, operation_status ---------- */

CREATE TYPE order_payment.order_status;
CREATE TYPE order_payment.payment_status;
CREATE TYPE order_payment.operation_status;

CREATE FUNCTION order_payment.order_status_in(cstring) RETURNS order_payment.order_status
	AS 'MODULE_PATHNAME', 'op_order_status_in' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.order_status_out(order_payment.order_status) RETURNS cstring
	AS 'MODULE_PATHNAME', 'op_order_status_out' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.order_status_recv(internal) RETURNS order_payment.order_status
	AS 'MODULE_PATHNAME', 'op_order_status_recv' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.order_status_send(order_payment.order_status) RETURNS bytea
	AS 'MODULE_PATHNAME', 'op_order_status_send' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION order_payment.payment_status_in(cstring) RETURNS order_payment.payment_status
	AS 'MODULE_PATHNAME', 'op_payment_status_in' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.payment_status_out(order_payment.payment_status) RETURNS cstring
	AS 'MODULE_PATHNAME', 'op_payment_status_out' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.payment_status_recv(internal) RETURNS order_payment.payment_status
	AS 'MODULE_PATHNAME', 'op_payment_status_recv' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.payment_status_send(order_payment.payment_status) RETURNS bytea
	AS 'MODULE_PATHNAME', 'op_payment_status_send' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION order_payment.operation_status_in(cstring) RETURNS order_payment.operation_status
	AS 'MODULE_PATHNAME', 'op_operation_status_in' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.operation_status_out(order_payment.operation_status) RETURNS cstring
	AS 'MODULE_PATHNAME', 'op_operation_status_out' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.operation_status_recv(internal) RETURNS order_payment.operation_status
	AS 'MODULE_PATHNAME', 'op_operation_status_recv' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.operation_status_send(order_payment.operation_status) RETURNS bytea
	AS 'MODULE_PATHNAME', 'op_operation_status_send' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON TYPE order_payment.order_status IS
	'state of an order, in order of display: expired < cancelled < pending < authorized < paid < shipped < completed < refunded';
COMMENT ON TYPE order_payment.payment_status IS
	'state of one payment attempt: created, processing, requires_action, unknown (the answer was lost), authorized, succeeded, failed, revoked';
COMMENT ON TYPE order_payment.operation_status IS
	'state of a capture, void, refund or chargeback: requested, processing, unknown, succeeded, failed, cancelled, reversed';

/* Sort support asks for no type: one function serves the three. */
CREATE FUNCTION order_payment.status_sortsupport(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'op_status_sortsupport' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.status_sortsupport(internal) IS
	'sort support for btree indexes on a status';

/*
 * All else is the same for the three types, and the C functions are the very
 * same: they compare one byte.
 */
DO $do$
DECLARE
	template CONSTANT text := $template$

CREATE TYPE order_payment.order_status (
	INPUT = order_payment.order_status_in,
	OUTPUT = order_payment.order_status_out,
	RECEIVE = order_payment.order_status_recv,
	SEND = order_payment.order_status_send,
	INTERNALLENGTH = 1,
	PASSEDBYVALUE,
	ALIGNMENT = char,
	STORAGE = plain
);

COMMENT ON FUNCTION order_payment.order_status_in(cstring) IS
	'order_status from its label; 22P02 with the list of labels for any other text';
COMMENT ON FUNCTION order_payment.order_status_out(order_payment.order_status) IS
	'label of an order_status';
COMMENT ON FUNCTION order_payment.order_status_recv(internal) IS
	'order_status from binary form, which is the label';
COMMENT ON FUNCTION order_payment.order_status_send(order_payment.order_status) IS
	'binary form of an order_status, which is the label';

CREATE CAST (text AS order_payment.order_status) WITH INOUT AS ASSIGNMENT;
CREATE CAST (varchar AS order_payment.order_status) WITH INOUT AS ASSIGNMENT;
CREATE CAST (order_payment.order_status AS text) WITH INOUT;
CREATE CAST (order_payment.order_status AS varchar) WITH INOUT;

CREATE FUNCTION order_payment.status_lt(order_payment.order_status, order_payment.order_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_status_lt' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_le(order_payment.order_status, order_payment.order_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_status_le' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_eq(order_payment.order_status, order_payment.order_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_status_eq' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_ne(order_payment.order_status, order_payment.order_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_status_ne' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_ge(order_payment.order_status, order_payment.order_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_status_ge' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_gt(order_payment.order_status, order_payment.order_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_status_gt' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_cmp(order_payment.order_status, order_payment.order_status) RETURNS integer
	AS 'MODULE_PATHNAME', 'op_status_cmp' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_hash(order_payment.order_status) RETURNS integer
	AS 'MODULE_PATHNAME', 'op_status_hash' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_hash_extended(order_payment.order_status, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'op_status_hash_extended' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_smaller(order_payment.order_status, order_payment.order_status) RETURNS order_payment.order_status
	AS 'MODULE_PATHNAME', 'op_status_smaller' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.status_larger(order_payment.order_status, order_payment.order_status) RETURNS order_payment.order_status
	AS 'MODULE_PATHNAME', 'op_status_larger' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.status_lt(order_payment.order_status, order_payment.order_status) IS 'implementation of < for order_status';
COMMENT ON FUNCTION order_payment.status_le(order_payment.order_status, order_payment.order_status) IS 'implementation of <= for order_status';
COMMENT ON FUNCTION order_payment.status_eq(order_payment.order_status, order_payment.order_status) IS 'implementation of = for order_status';
COMMENT ON FUNCTION order_payment.status_ne(order_payment.order_status, order_payment.order_status) IS 'implementation of <> for order_status';
COMMENT ON FUNCTION order_payment.status_ge(order_payment.order_status, order_payment.order_status) IS 'implementation of >= for order_status';
COMMENT ON FUNCTION order_payment.status_gt(order_payment.order_status, order_payment.order_status) IS 'implementation of > for order_status';
COMMENT ON FUNCTION order_payment.status_cmp(order_payment.order_status, order_payment.order_status) IS 'negative, zero or positive, for btree indexes on order_status';
COMMENT ON FUNCTION order_payment.status_hash(order_payment.order_status) IS 'hash of an order_status';
COMMENT ON FUNCTION order_payment.status_hash_extended(order_payment.order_status, bigint) IS 'hash of an order_status with a seed';
COMMENT ON FUNCTION order_payment.status_smaller(order_payment.order_status, order_payment.order_status) IS 'the lesser of two, for min(order_status)';
COMMENT ON FUNCTION order_payment.status_larger(order_payment.order_status, order_payment.order_status) IS 'the greater of two, for max(order_status)';

CREATE OPERATOR pg_catalog.< (
	FUNCTION = order_payment.status_lt, LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status,
	COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR pg_catalog.<= (
	FUNCTION = order_payment.status_le, LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status,
	COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR pg_catalog.= (
	FUNCTION = order_payment.status_eq, LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status,
	COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR pg_catalog.<> (
	FUNCTION = order_payment.status_ne, LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status,
	COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR pg_catalog.>= (
	FUNCTION = order_payment.status_ge, LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status,
	COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
CREATE OPERATOR pg_catalog.> (
	FUNCTION = order_payment.status_gt, LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status,
	COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);

COMMENT ON OPERATOR pg_catalog.<(order_payment.order_status, order_payment.order_status) IS 'before, in the order of display';
COMMENT ON OPERATOR pg_catalog.<=(order_payment.order_status, order_payment.order_status) IS 'before or equal, in the order of display';
COMMENT ON OPERATOR pg_catalog.=(order_payment.order_status, order_payment.order_status) IS 'equal';
COMMENT ON OPERATOR pg_catalog.<>(order_payment.order_status, order_payment.order_status) IS 'not equal';
COMMENT ON OPERATOR pg_catalog.>=(order_payment.order_status, order_payment.order_status) IS 'after or equal, in the order of display';
COMMENT ON OPERATOR pg_catalog.>(order_payment.order_status, order_payment.order_status) IS 'after, in the order of display';

CREATE OPERATOR CLASS order_payment.order_status_ops
	DEFAULT FOR TYPE order_payment.order_status USING btree AS
	OPERATOR 1 pg_catalog.<,
	OPERATOR 2 pg_catalog.<=,
	OPERATOR 3 pg_catalog.=,
	OPERATOR 4 pg_catalog.>=,
	OPERATOR 5 pg_catalog.>,
	FUNCTION 1 order_payment.status_cmp(order_payment.order_status, order_payment.order_status),
	FUNCTION 2 (order_payment.order_status, order_payment.order_status) order_payment.status_sortsupport(internal),
	FUNCTION 4 (order_payment.order_status, order_payment.order_status) pg_catalog.btequalimage(oid);

CREATE OPERATOR CLASS order_payment.order_status_ops
	DEFAULT FOR TYPE order_payment.order_status USING hash AS
	OPERATOR 1 pg_catalog.=,
	FUNCTION 1 order_payment.status_hash(order_payment.order_status),
	FUNCTION 2 order_payment.status_hash_extended(order_payment.order_status, bigint);

CREATE AGGREGATE pg_catalog.min(order_payment.order_status) (
	SFUNC = order_payment.status_smaller, STYPE = order_payment.order_status,
	COMBINEFUNC = order_payment.status_smaller, SORTOP = OPERATOR(pg_catalog.<), PARALLEL = safe
);
CREATE AGGREGATE pg_catalog.max(order_payment.order_status) (
	SFUNC = order_payment.status_larger, STYPE = order_payment.order_status,
	COMBINEFUNC = order_payment.status_larger, SORTOP = OPERATOR(pg_catalog.>), PARALLEL = safe
);

COMMENT ON AGGREGATE pg_catalog.min(order_payment.order_status) IS 'first in the order of display';
COMMENT ON AGGREGATE pg_catalog.max(order_payment.order_status) IS 'last in the order of display';

$template$;
	type_name text;
BEGIN
	FOREACH type_name IN ARRAY ARRAY['order_status', 'payment_status', 'operation_status'] LOOP
		EXECUTE pg_catalog.replace(template, 'order_status', type_name);
	END LOOP;
END
$do$;
