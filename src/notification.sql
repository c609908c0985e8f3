/* ---------- messages of gateways, and to them: are they theirs, what do they hold ---------- */

CREATE FUNCTION order_payment.verify_notification(
		gateway text,
		headers jsonb,
		body bytea,
		at timestamptz DEFAULT NULL,
		store name DEFAULT order_payment.current_store(),
		OUT verified boolean,
		OUT reason text)
	AS 'MODULE_PATHNAME', 'op_verify_notification' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.verify_notification(text, jsonb, bytea, timestamptz, name) IS
	'is a notification from the gateway? By the protocol, algorithm and tolerance of its row, with any of its valid secrets. headers: an object, names in any case, values strings; body: as it came; at: when it came, null for now. reason: verified, or header_missing, header_malformed, signature_missing, algorithm_refused, too_old, too_new, no_secret, unknown_key, signature_mismatch, probe, body_too_large (more than 1 MiB), body_malformed, not_verifiable. For roles that may record what gateways did. 23503 if the gateway does not exist, 22023 if it has no protocol';

CREATE FUNCTION order_payment.verify_reply(
		gateway text,
		headers jsonb,
		body bytea,
		at timestamptz DEFAULT NULL,
		store name DEFAULT order_payment.current_store(),
		OUT verified boolean,
		OUT reason text)
	AS 'MODULE_PATHNAME', 'op_verify_reply' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.verify_reply(text, jsonb, bytea, timestamptz, name) IS
	'is the answer to a request of ours from the gateway? Where answers are signed (alipay, wechatpay_v3) as verify_notification() does it; where TLS alone says whom they are from: verified, reason unsigned. That it answers this very request is for the caller to see';

CREATE FUNCTION order_payment.form_fields(body bytea) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'op_form_fields' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.form_fields(bytea) IS
	'the fields of a body of the type application/x-www-form-urlencoded, as an object of strings; in the charset that its field charset names (UTF-8, GBK, GB2312, GB18030), else in UTF-8. 22023 if it is none, or has a name twice; 22021 for bytes that are none of the charset, 22P05 for characters that the database has not';

CREATE FUNCTION order_payment.flat_xml_fields(body bytea) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'op_flat_xml_fields' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.flat_xml_fields(bytea) IS
	'the elements in the one element xml of a body, as an object of strings; text and CDATA in them and nothing else: 22023 for attributes, nesting, document types, references but the five that have names, and names that are there twice; 22021 for what is no UTF-8';

CREATE FUNCTION order_payment.open_resource(gateway text, resource jsonb,
											store name DEFAULT order_payment.current_store()) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'op_open_resource' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.open_resource(text, jsonb, name) IS
	'what the member resource of a notification of WeChat Pay v3 holds encrypted, by any valid secret apiv3_key of the gateway; only after the notification was verified. For roles that may record what gateways did. OP010 if it does not open, OP013 without a key';

CREATE FUNCTION order_payment.sign_for_gateway(gateway text, kind text, message bytea,
											   store name DEFAULT order_payment.current_store(),
											   OUT signature text, OUT key_name text)
	AS 'MODULE_PATHNAME', 'op_sign_for_gateway' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.sign_for_gateway(text, text, bytea, name) IS
	'signs what is sent to a gateway by its latest valid secret of a kind, in base64: private_key by RSASSA-PKCS1-v1_5 with SHA-256, standard_webhook_secret by HMAC-SHA256; and what the gateway calls the key by. For roles that may record what gateways did. OP013 without a key';
