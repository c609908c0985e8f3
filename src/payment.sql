/* ---------- payments ---------- */

CREATE FUNCTION order_payment.uuid_v7() RETURNS uuid
	AS 'MODULE_PATHNAME', 'op_uuid_v7' LANGUAGE c VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.uuid_v7() IS
	'a UUID of version 7 (RFC 9562): its first 60 bits are the time, the rest is random. Default of payment_id and operation_id';

CREATE FUNCTION order_payment.maintain_payment() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_maintain_payment' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.maintain_payment() IS
	'BEFORE INSERT OR UPDATE trigger of a store''s payments: keeps their amounts, fee and created_at, refuses a change of keys and links (OP003), outcomes recorded by a role that may not (OP004), requests for more than is left (OP005). Made by create_store()';

CREATE FUNCTION order_payment.apply_payment() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_apply_payment' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.apply_payment() IS
	'AFTER INSERT OR UPDATE trigger of a store''s payments: does to the order what has become of the payment. Made by create_store()';

CREATE FUNCTION order_payment.refuse_delete() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_refuse_delete' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.refuse_delete() IS
	'BEFORE DELETE trigger of rows about money: refuses (OP003) unless a superuser set order_payment.allow_history_change. Made by create_store()';
