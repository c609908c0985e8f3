/* ---------- the rules of an order's row ---------- */

CREATE FUNCTION order_payment.maintain_order() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_maintain_order' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.maintain_order() IS
	'BEFORE INSERT OR UPDATE trigger of a store''s orders: keeps total_amount, item_count, version and created_at, refuses (OP003) a write to them and a change of order_id. Made by create_store()';

CREATE FUNCTION order_payment.follow_items() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_follow_items' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.follow_items() IS
	'AFTER trigger of a store''s order_items: changes total_amount and item_count of the order by the difference that a line makes. Made by create_store()';

CREATE FUNCTION order_payment.book_settlement() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_book_settlement' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.book_settlement() IS
	'AFTER UPDATE trigger of a store''s orders: books a payment of the gateway manual when a statement has set an order to paid while something was outstanding. Made by create_store()';

CREATE FUNCTION order_payment.outstanding_amount(status order_payment.order_status, total numeric, paid numeric,
												 refunded numeric, charged_back numeric, due numeric) RETURNS numeric
	AS 'MODULE_PATHNAME', 'op_outstanding_amount' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.outstanding_amount(order_payment.order_status, numeric, numeric, numeric, numeric, numeric) IS
	'what the customer has still to pay: pending and authorized: total - paid + refunded + charged back + due, shipped: total - paid + due, never below 0; otherwise 0; NULL while the total is unknown';
