/* ---------- amounts for a gateway's eyes ---------- */

CREATE FUNCTION order_payment.encrypt_amount(gateway text, amount numeric, currency text, number text,
											 store name DEFAULT order_payment.current_store()) RETURNS text
	AS 'MODULE_PATHNAME', 'op_encrypt_amount' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.encrypt_amount(text, numeric, text, text, name) IS
	'an amount encrypted (AES-256-GCM) for a gateway, by its latest valid secret amount_key and bound to the number of a payment or order; each time another text. For roles that may record what gateways did. OP013 without a key';

CREATE FUNCTION order_payment.decrypt_amount(gateway text, token text, number text,
											 store name DEFAULT order_payment.current_store(),
											 OUT amount numeric, OUT currency text)
	AS 'MODULE_PATHNAME', 'op_decrypt_amount' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.decrypt_amount(text, text, text, name) IS
	'what encrypt_amount(), or the gateway in the same form, has encrypted for this number, by any of its valid secrets amount_key. For roles that may record what gateways did. OP010 if it does not open';
