/* ---------- operations on payments ---------- */

CREATE FUNCTION order_payment.maintain_operation() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_maintain_operation' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.maintain_operation() IS
	'BEFORE INSERT OR UPDATE trigger of a store''s payment_operations: keeps obligatory_amount and created_at, refuses a change of keys and links (OP003) and outcomes recorded by a role that may not (OP004). Made by create_store()';

CREATE FUNCTION order_payment.apply_operation() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_apply_operation' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.apply_operation() IS
	'AFTER INSERT OR UPDATE trigger of a store''s payment_operations: does to the payment, and so to the order, what has become of the operation. Made by create_store()';
