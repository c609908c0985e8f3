/* ---------- default graphs ---------- */

CREATE FUNCTION order_payment.default_graph(type regtype) RETURNS text
	AS 'MODULE_PATHNAME', 'op_default_graph' LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.default_graph(regtype) IS
	'default status graph of order_status, payment_status or operation_status, in the syntax of check_graph; NULL for an enum or text, which have none';

CREATE FUNCTION order_payment.order_status_may_become(order_payment.order_status, order_payment.order_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_order_status_may_become' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.payment_status_may_become(order_payment.payment_status, order_payment.payment_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_payment_status_may_become' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION order_payment.operation_status_may_become(order_payment.operation_status, order_payment.operation_status) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_operation_status_may_become' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.order_status_may_become(order_payment.order_status, order_payment.order_status) IS
	'implementation of ->? for order_status';
COMMENT ON FUNCTION order_payment.payment_status_may_become(order_payment.payment_status, order_payment.payment_status) IS
	'implementation of ->? for payment_status';
COMMENT ON FUNCTION order_payment.operation_status_may_become(order_payment.operation_status, order_payment.operation_status) IS
	'implementation of ->? for operation_status';

CREATE OPERATOR pg_catalog.->? (
	FUNCTION = order_payment.order_status_may_become,
	LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);
CREATE OPERATOR pg_catalog.->? (
	FUNCTION = order_payment.payment_status_may_become,
	LEFTARG = order_payment.payment_status, RIGHTARG = order_payment.payment_status,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);
CREATE OPERATOR pg_catalog.->? (
	FUNCTION = order_payment.operation_status_may_become,
	LEFTARG = order_payment.operation_status, RIGHTARG = order_payment.operation_status,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

COMMENT ON OPERATOR pg_catalog.->? (order_payment.order_status, order_payment.order_status) IS
	'may go in one move, by the default graph';
COMMENT ON OPERATOR pg_catalog.->? (order_payment.payment_status, order_payment.payment_status) IS
	'may go in one move, by the default graph';
COMMENT ON OPERATOR pg_catalog.->? (order_payment.operation_status, order_payment.operation_status) IS
	'may go in one move, by the default graph';

CREATE FUNCTION order_payment.next_states(order_payment.order_status) RETURNS order_payment.order_status[]
	AS 'MODULE_PATHNAME', 'op_next_states' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.next_states(order_payment.payment_status) RETURNS order_payment.payment_status[]
	AS 'MODULE_PATHNAME', 'op_next_states' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.next_states(order_payment.operation_status) RETURNS order_payment.operation_status[]
	AS 'MODULE_PATHNAME', 'op_next_states' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION order_payment.next_states(order_payment.order_status) IS
	'states that may follow, by the default graph, in the order of display; empty for a terminal state';
COMMENT ON FUNCTION order_payment.next_states(order_payment.payment_status) IS
	'states that may follow, by the default graph, in the order of display; empty for a terminal state';
COMMENT ON FUNCTION order_payment.next_states(order_payment.operation_status) IS
	'states that may follow, by the default graph, in the order of display; empty for a terminal state';
