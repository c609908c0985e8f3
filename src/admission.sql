/* ---------- payments that take a payment password ---------- */

CREATE FUNCTION order_payment.admit_payment(order_id text, gateway text, method text, payment_password text, store name) RETURNS void
	AS 'MODULE_PATHNAME', 'op_admit_payment' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION order_payment.admit_payment(text, text, text, text, name) IS
	'checks the payment password of an order''s customer, as verify_payment_password(), and admits one payment of the order by that gateway and method in this transaction; nothing if one is admitted and not made yet. OP015 if it is wrong, missing, or locked. Called by create_payment()';
