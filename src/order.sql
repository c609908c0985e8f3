/* ---------- the rules of an order's row ---------- */

CREATE FUNCTION order_payment.maintain_order() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_maintain_order' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.maintain_order() IS
	'BEFORE INSERT OR UPDATE trigger of a store''s orders: keeps total_amount, item_count, version and created_at, refuses (OP003) a write to them and a change of order_id. Made by create_store()';

CREATE FUNCTION order_payment.follow_items() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_follow_items' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.follow_items() IS
	'AFTER trigger of a store''s order_items: changes total_amount and item_count of the order by the difference that a line makes. Made by create_store()';
