/* ---------- status graphs ---------- */

CREATE FUNCTION order_payment.check_graph(type regtype, graph text) RETURNS void
	AS 'MODULE_PATHNAME', 'op_check_graph' LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.check_graph(regtype, text) IS
	'returns if the text is a status graph for a column of this type, else raises 42P17 with the place of the fault. Syntax: "born born; state: next next; state: next"; a state without a clause is terminal; labels may be double-quoted';
