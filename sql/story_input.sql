-- story_input: values that no payment and no operation may have, by every way into the table; the rows stay as they were
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

-- Each value is tried by INSERT, COPY, MERGE and in a WITH, as part of a row that is otherwise sound; then by UPDATE, INSERT ... ON CONFLICT DO UPDATE, MERGE
-- and in a WITH, in a row that is there. What comes of it is ok, or the SQLSTATE and the name of the constraint, or else of the column. Nothing is left of the trials.
\set VERBOSITY terse
INSERT INTO orders (order_id, price) VALUES (901, 100), (902, 100);
INSERT INTO payments (order_id, gateway, amount, request_key, payment_id) VALUES (901, 'card', 100, 'a', '00000000-0000-7000-8000-00000000000a'), (902, 'card', 100, 'b', '00000000-0000-7000-8000-00000000000b');
INSERT INTO payments (order_id, gateway, amount, request_key, status, gateway_reference) VALUES (901, 'card', 100, 'c', 'authorized', 'known');
INSERT INTO payments (order_id, gateway, amount, request_key, status, payment_id) VALUES (901, 'card', 100, 'd', 'succeeded', '00000000-0000-7000-8000-00000000000d');
INSERT INTO payment_operations (order_id, payment_id, kind, amount, request_key, operation_id, gateway_reference)
VALUES (901, '00000000-0000-7000-8000-00000000000d', 'refund', 10, 'r', '00000000-0000-7000-8000-0000000000aa', 'mine'), (901, '00000000-0000-7000-8000-00000000000d', 'refund', 10, 's', '00000000-0000-7000-8000-0000000000bb', 'known');

CREATE FUNCTION becomes(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	con text; col text; met integer;
BEGIN
	EXECUTE statement;
	GET DIAGNOSTICS met = ROW_COUNT;
	RAISE EXCEPTION '%', CASE met WHEN 1 THEN 'ok' ELSE 'no row met' END USING ERRCODE = 'ST001';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS con = CONSTRAINT_NAME, col = COLUMN_NAME;
	con := regexp_replace(con, '_(p[0-9]+|rest)$', '');  -- of a partition
	RETURN CASE WHEN SQLSTATE <> 'ST001' THEN concat_ws(' ', SQLSTATE, coalesce(nullif(con, ''), nullif(col, ''))) ELSE SQLERRM END;
END $$;

CREATE FUNCTION ways(relation text, col text, value text) RETURNS TABLE (way text, result text) LANGUAGE plpgsql AS $$
DECLARE
	sound CONSTANT jsonb := CASE WHEN relation = 'payments' THEN '{"order_id": 902, "gateway": "card", "amount": 100, "split": true}'::jsonb
		ELSE '{"order_id": 901, "payment_id": "00000000-0000-7000-8000-00000000000d", "kind": "refund", "amount": 10}' END
		|| CASE WHEN col = 'authorized_amount' THEN '{"status": "authorized"}'::jsonb ELSE '{}' END;
	given CONSTANT jsonb := sound || jsonb_build_object(col, value);
	cols CONSTANT text := (SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_each(given));
	vals CONSTANT text := (SELECT string_agg(quote_nullable(x.value), ', ' ORDER BY key) FROM jsonb_each_text(given) x);
	line CONSTANT text := (SELECT string_agg(coalesce(x.value, 'null'), ';' ORDER BY key) FROM jsonb_each_text(given) x);
	target CONSTANT text := CASE WHEN relation = 'payment_operations' THEN 'r' WHEN col = 'authorized_amount' THEN 'c' ELSE 'a' END;
	old CONSTANT jsonb := (sound || jsonb_build_object('order_id', 901, 'request_key', target)) - 'status';
	old_cols CONSTANT text := (SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_each(old));
	old_vals CONSTANT text := (SELECT string_agg(quote_nullable(x.value), ', ' ORDER BY key) FROM jsonb_each_text(old) x);
BEGIN
	RETURN QUERY VALUES
		('insert', becomes(format('INSERT INTO %I (%s) VALUES (%s)', relation, cols, vals))),
		('insert by copy', becomes(format('COPY %I (%s) FROM PROGRAM %L (DELIMITER '';'', NULL ''null'')', relation, cols, format('echo "%s"', line)))),
		('insert by merge', becomes(format('MERGE INTO %I t USING (SELECT 1) v ON t.request_key = ''none'' WHEN NOT MATCHED THEN INSERT (%s) VALUES (%s)', relation, cols, vals))),
		('insert in with', becomes(format('WITH w AS (INSERT INTO %I (%s) VALUES (%s) RETURNING *) SELECT * FROM w', relation, cols, vals))),
		('update', becomes(format('UPDATE %I SET %I = %L WHERE request_key = %L', relation, col, value, target))),
		('update by upsert', becomes(format('INSERT INTO %I AS t (%s) VALUES (%s) ON CONFLICT (order_id, request_key) DO UPDATE SET %I = %L', relation, old_cols, old_vals, col, value))),
		('update by merge', becomes(format('MERGE INTO %I t USING (SELECT 1) v ON t.request_key = %L WHEN MATCHED THEN UPDATE SET %I = %L', relation, target, col, value))),
		('update in with', becomes(format('WITH w AS (UPDATE %I SET %I = %L WHERE request_key = %L RETURNING *) SELECT * FROM w', relation, col, value, target)));
END $$;

CREATE FUNCTION all_rows() RETURNS text LANGUAGE sql AS
$$ SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT o::text FROM orders o UNION ALL SELECT p::text FROM payments p UNION ALL SELECT x::text FROM payment_operations x UNION ALL SELECT e::text FROM order_events e) AS rows (r) $$;

-- what the rules say of each value: in a new row, in one that is there
SET order_payment.allow_unguarded = on;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
CREATE TABLE some_sealed AS SELECT order_payment.seal('4111111111111111', 'number', 'x')::text AS value;
CREATE TABLE wrong (n integer GENERATED ALWAYS AS IDENTITY, relation text DEFAULT 'payments', col text, value text, on_insert text, on_update text);
INSERT INTO wrong (col, value, on_insert, on_update) VALUES
  ('amount', '0', '23514 payments_money_check', 'OP003 amount'), ('amount', '-1', '23514 payments_money_check', 'OP003 amount'), ('amount', '-0.01', '23514 payments_money_check', 'OP003 amount'), ('amount', '1.005', '23514 payments_money_check', 'OP003 amount'), ('amount', '0.001', '23514 payments_money_check', 'OP003 amount'), ('amount', 'NaN', '23514 payments_money_check', 'OP003 amount'), ('amount', 'Infinity', '23514 payments_money_check', 'OP003 amount'), ('amount', '-Infinity', '23514 payments_money_check', 'OP003 amount'),
  ('amount', NULL, '23502 amount', 'OP003 amount'),
  ('amount', 'ten', '22P02', '22P02'), ('amount', '', '22P02', '22P02'),
  ('amount', '100.000', 'ok', 'ok'),
  ('currency', 'USD', '23514 currency', 'OP003 currency'), ('currency', 'JPY', '23514 currency', 'OP003 currency'),
  ('currency', 'eur', '23514 payments_money_check', 'OP003 currency'), ('currency', 'XAU', '23514 payments_money_check', 'OP003 currency'), ('currency', 'XXX', '23514 payments_money_check', 'OP003 currency'), ('currency', '', '23514 payments_money_check', 'OP003 currency'), ('currency', 'EURO', '23514 payments_money_check', 'OP003 currency'),
  ('currency', NULL, 'ok', 'OP003 currency'),
  ('gateway', 'nobody', '23503 payments_gateway_fkey', 'OP003 gateway'), ('gateway', '', '23503 payments_gateway_fkey', 'OP003 gateway'), ('gateway', 'CARD', '23503 payments_gateway_fkey', 'OP003 gateway'),
  ('gateway', NULL, '23502 gateway', 'OP003 gateway'),
  ('order_id', '999', '23503 order_id', 'OP003 order_id'), ('order_id', '-1', '23503 order_id', 'OP003 order_id'),
  ('order_id', NULL, '23503 order_id', 'OP003 order_id'),
  ('payment_id', '00000000-0000-7000-8000-00000000000b', '23505 payments_pkey', 'OP003 payment_id'),
  ('payment_id', NULL, 'ok', 'OP003 payment_id'),
  ('payment_id', '7', '22P02', '22P02'),
  ('status', 'paid', '22P02', '22P02'), ('status', 'Succeeded', '22P02', '22P02'), ('status', '', '22P02', '22P02'),
  ('status', 'failed', 'OP001 status', 'ok'), ('status', 'revoked', 'OP001 status', 'ok'),
  ('status', 'unknown', 'OP001 status', 'OP001 status'),
  ('status', NULL, '23502 status', '23502 status'),
  ('split', NULL, '23502 split', '23502 split'),
  ('authorized_amount', '-1', '23514 payments_money_check', '23514 payments_money_check'), ('authorized_amount', '1.005', '23514 payments_money_check', '23514 payments_money_check'), ('authorized_amount', 'NaN', '23514 payments_money_check', '23514 payments_money_check'), ('authorized_amount', 'Infinity', '23514 payments_money_check', '23514 payments_money_check'), ('authorized_amount', '-Infinity', '23514 payments_money_check', '23514 payments_money_check'),
  ('authorized_amount', '80', 'ok', 'ok'), ('authorized_amount', '120', 'ok', 'ok'),
  ('capture_pending_amount', '1', 'OP003 capture_pending_amount', 'OP003 capture_pending_amount'), ('capture_pending_amount', '-1', 'OP003 capture_pending_amount', 'OP003 capture_pending_amount'), ('capture_pending_amount', 'NaN', 'OP003 capture_pending_amount', 'OP003 capture_pending_amount'), ('capture_pending_amount', 'Infinity', 'OP003 capture_pending_amount', 'OP003 capture_pending_amount'),
  ('capture_pending_amount', '0', 'ok', 'ok'), ('capture_pending_amount', NULL, 'ok', 'ok'),
  ('captured_amount', '1', 'OP003 captured_amount', 'OP003 captured_amount'), ('captured_amount', '-1', 'OP003 captured_amount', 'OP003 captured_amount'), ('captured_amount', 'NaN', 'OP003 captured_amount', 'OP003 captured_amount'), ('captured_amount', 'Infinity', 'OP003 captured_amount', 'OP003 captured_amount'),
  ('captured_amount', '0', 'ok', 'ok'), ('captured_amount', NULL, 'ok', 'ok'),
  ('refund_pending_amount', '1', 'OP003 refund_pending_amount', 'OP003 refund_pending_amount'), ('refund_pending_amount', '-1', 'OP003 refund_pending_amount', 'OP003 refund_pending_amount'), ('refund_pending_amount', 'NaN', 'OP003 refund_pending_amount', 'OP003 refund_pending_amount'), ('refund_pending_amount', 'Infinity', 'OP003 refund_pending_amount', 'OP003 refund_pending_amount'),
  ('refund_pending_amount', '0', 'ok', 'ok'), ('refund_pending_amount', NULL, 'ok', 'ok'),
  ('refunded_amount', '1', 'OP003 refunded_amount', 'OP003 refunded_amount'), ('refunded_amount', '-1', 'OP003 refunded_amount', 'OP003 refunded_amount'), ('refunded_amount', 'NaN', 'OP003 refunded_amount', 'OP003 refunded_amount'), ('refunded_amount', 'Infinity', 'OP003 refunded_amount', 'OP003 refunded_amount'),
  ('refunded_amount', '0', 'ok', 'ok'), ('refunded_amount', NULL, 'ok', 'ok'),
  ('charged_back_amount', '1', 'OP003 charged_back_amount', 'OP003 charged_back_amount'), ('charged_back_amount', '-1', 'OP003 charged_back_amount', 'OP003 charged_back_amount'), ('charged_back_amount', 'NaN', 'OP003 charged_back_amount', 'OP003 charged_back_amount'), ('charged_back_amount', 'Infinity', 'OP003 charged_back_amount', 'OP003 charged_back_amount'),
  ('charged_back_amount', '0', 'ok', 'ok'), ('charged_back_amount', NULL, 'ok', 'ok'),
  ('fee', '1.005', '23514 payments_money_check', '23514 payments_money_check'), ('fee', 'NaN', '23514 payments_money_check', '23514 payments_money_check'), ('fee', 'Infinity', '23514 payments_money_check', '23514 payments_money_check'), ('fee', '-Infinity', '23514 payments_money_check', '23514 payments_money_check'),
  ('fee', NULL, 'ok', '23502 fee'),
  ('fee', '-1', 'ok', 'ok'), ('fee', '0.5', 'ok', 'ok'),
  ('fee_final', NULL, '23502 fee_final', '23502 fee_final'),
  ('expected_net', '1', '428C9', '428C9'), ('expected_net', NULL, '428C9', '428C9'),
  ('net_amount', '1', '428C9', '428C9'), ('net_amount', '0', '428C9', '428C9'),
  ('attempt_no', '0', '23514 payments_attempt_no_check', '23514 payments_attempt_no_check'), ('attempt_no', '-1', '23514 payments_attempt_no_check', '23514 payments_attempt_no_check'),
  ('attempt_no', NULL, '23502 attempt_no', '23502 attempt_no'),
  ('retry_of', '00000000-0000-7000-8000-0000000000ff', '23503 payments_retry_of_fkey', 'OP003 retry_of'), ('retry_of', '00000000-0000-7000-8000-00000000000a', '23503 payments_retry_of_fkey', 'OP003 retry_of'),
  ('retry_of', '00000000-0000-7000-8000-00000000000b', 'ok', 'OP003 retry_of'),
  ('request_key', 'b', '23505 payments_order_id_request_key_key', 'OP003 request_key'),
  ('request_key', NULL, 'ok', 'OP003 request_key'),
  ('request_hash', 'x', 'ok', 'OP003 request_hash'),
  ('gateway_reference', 'known', '23505 payments_gateway_gateway_reference_key', '23505 payments_gateway_gateway_reference_key'),
  ('failure_class', 'whatever', '23514 failure_class_check', '23514 failure_class_check'), ('failure_class', '', '23514 failure_class_check', '23514 failure_class_check'),
  ('failure_class', 'hard_decline', 'ok', 'ok'),
  ('created_at', '2020-01-01', 'OP003 created_at', 'OP003 created_at'), ('created_at', 'infinity', 'OP003 created_at', 'OP003 created_at'),
  ('created_at', NULL, 'ok', 'ok'),
  ('processing_at', '2020-01-01', 'OP003 processing_at', 'OP003 processing_at'),
  ('requires_action_at', '2020-01-01', 'OP003 requires_action_at', 'OP003 requires_action_at'),
  ('unknown_at', '2020-01-01', 'OP003 unknown_at', 'OP003 unknown_at'),
  ('authorized_at', '2020-01-01', 'OP003 authorized_at', 'OP003 authorized_at'),
  ('succeeded_at', '2020-01-01', 'OP003 succeeded_at', 'OP003 succeeded_at'),
  ('failed_at', '2020-01-01', 'OP003 failed_at', 'OP003 failed_at'),
  ('revoked_at', '2020-01-01', 'OP003 revoked_at', 'OP003 revoked_at'),
  ('method', '', 'ok', 'ok'), ('method', NULL, 'ok', 'ok'),
  ('failure_code', '', 'ok', 'ok'), ('failure_message', '', 'ok', 'ok'),
  ('request_options', '{}', 'ok', 'ok'), ('request_options', '{', '22P02', '22P02'), ('next_action', '[]', 'ok', 'ok'), ('next_action', 'pay', '22P02', '22P02'),
  ('retry_at', 'infinity', 'ok', 'ok'), ('retry_at', 'soon', '22007', '22007'),
  ('contact_needed_at', 'infinity', 'ok', 'ok'), ('contact_needed_at', '', '22007', '22007'),
  ('expires_at', '-infinity', 'ok', 'ok'), ('capture_before', 'infinity', 'ok', 'ok'), ('occurred_at', '1900-01-01', 'ok', 'ok'), ('occurred_at', '2020-02-30', '22008', '22008'),
  ('card_number', '4111111111111111', 'ok', 'ok'), ('card_number', '4111 1111-1111 1111', 'ok', 'ok'), ('card_number', NULL, 'ok', 'ok'),
  ('card_number', '4111111111111112', '22023', '22023'), ('card_number', '', '22023', '22023'), ('card_number', '123', '22023', '22023'), ('card_number', '4111.1111.1111.1111', '22023', '22023'),
  ('card_number', '************1111', 'OP003 card_number', 'OP003 card_number'),
  ('card_holder', 'Ann Lee', 'ok', 'ok'), ('card_holder', '', '22023', '22023'), ('card_holder', 'A***', 'OP003 card_holder', 'OP003 card_holder'), ('card_holder', NULL, 'ok', 'ok'),
  ('card_expiry', '12/27', 'ok', 'ok'), ('card_expiry', '13/27', '22007', '22007'), ('card_expiry', '**/**', 'OP003 card_expiry', 'OP003 card_expiry'), ('card_expiry', NULL, 'ok', 'ok'),
  ('card_number_sealed', '4111111111111111', '22P02', '22P02'), ('card_holder_sealed', 'op1:AQEC', '22P02', '22P02'), ('card_expiry_sealed', '', '22P02', '22P02'), ('card_number_sealed', NULL, 'ok', 'ok'),
  ('card_number_sealed', (SELECT value FROM some_sealed), 'OP003 card_number_sealed', 'OP003 card_number_sealed'),
  ('card_fingerprint', 'none of ours', 'OP003 card_fingerprint', 'OP003 card_fingerprint'), ('card_fingerprint', NULL, 'ok', 'ok'),
  ('card_cvv', '123', '42703', '42703');
ALTER TABLE wrong ALTER relation SET DEFAULT 'payment_operations';
INSERT INTO wrong (col, value, on_insert, on_update) VALUES
  ('amount', '0', '23514 payment_operations_amount_check', 'OP003 amount'), ('amount', '-1', '23514 payment_operations_amount_check', 'OP003 amount'), ('amount', '-0.01', '23514 payment_operations_amount_check', 'OP003 amount'), ('amount', '1.005', '23514 payment_operations_amount_check', 'OP003 amount'), ('amount', '0.001', '23514 payment_operations_amount_check', 'OP003 amount'), ('amount', 'NaN', '23514 payment_operations_amount_check', 'OP003 amount'), ('amount', 'Infinity', '23514 payment_operations_amount_check', 'OP003 amount'), ('amount', '-Infinity', '23514 payment_operations_amount_check', 'OP003 amount'),
  ('amount', NULL, '23502 amount', 'OP003 amount'),
  ('amount', '80.01', 'OP005 refund_pending_amount', 'OP003 amount'), ('amount', '1e30', 'OP005 refund_pending_amount', 'OP003 amount'),
  ('currency', 'USD', '23514 currency', 'OP003 currency'), ('currency', 'JPY', '23514 currency', 'OP003 currency'),
  ('currency', 'eur', '23514 payment_operations_amount_check', 'OP003 currency'), ('currency', 'XAU', '23514 payment_operations_amount_check', 'OP003 currency'), ('currency', '', '23514 payment_operations_amount_check', 'OP003 currency'),
  ('currency', NULL, 'ok', 'OP003 currency'),
  ('kind', 'theft', '23514 payment_operations_kind_check', 'OP003 kind'), ('kind', '', '23514 payment_operations_kind_check', 'OP003 kind'), ('kind', 'Refund', '23514 payment_operations_kind_check', 'OP003 kind'),
  ('kind', NULL, '23502 kind', 'OP003 kind'),
  ('kind', 'capture', 'OP005 capture_pending_amount', 'OP003 kind'), ('kind', 'void', 'OP005 capture_pending_amount', 'OP003 kind'),
  ('kind', 'chargeback', 'ok', 'OP003 kind'),
  ('payment_id', '00000000-0000-7000-8000-00000000000b', '23503 payment_id', 'OP003 payment_id'), ('payment_id', '00000000-0000-7000-8000-0000000000ff', '23503 payment_id', 'OP003 payment_id'),
  ('payment_id', '00000000-0000-7000-8000-00000000000a', 'OP005 refund_pending_amount', 'OP003 payment_id'),
  ('payment_id', NULL, '23503 payment_id', 'OP003 payment_id'),
  ('order_id', '902', '23503 payment_id', 'OP003 order_id'), ('order_id', '999', '23503 payment_id', 'OP003 order_id'),
  ('order_id', NULL, '23503 payment_id', 'OP003 order_id'),
  ('operation_id', '00000000-0000-7000-8000-0000000000bb', '23505 payment_operations_pkey', 'OP003 operation_id'),
  ('operation_id', NULL, 'ok', 'OP003 operation_id'),
  ('operation_id', 'x', '22P02', '22P02'),
  ('status', 'paid', '22P02', '22P02'), ('status', '', '22P02', '22P02'), ('status', 'refunded', '22P02', '22P02'),
  ('status', 'failed', 'OP001 status', 'ok'), ('status', 'unknown', 'OP001 status', 'ok'), ('status', 'cancelled', 'OP001 status', 'ok'),
  ('status', 'reversed', 'OP001 status', 'OP001 status'),
  ('status', 'processing', 'ok', 'ok'), ('status', 'succeeded', 'ok', 'ok'),
  ('status', NULL, '23502 status', '23502 status'),
  ('fee', '1.005', '23514 payment_operations_fee_check', '23514 payment_operations_fee_check'), ('fee', 'NaN', '23514 payment_operations_fee_check', '23514 payment_operations_fee_check'), ('fee', 'Infinity', '23514 payment_operations_fee_check', '23514 payment_operations_fee_check'), ('fee', '-Infinity', '23514 payment_operations_fee_check', '23514 payment_operations_fee_check'),
  ('fee', NULL, '23502 fee', '23502 fee'),
  ('fee', '-1', 'ok', 'ok'), ('fee', '0.5', 'ok', 'ok'),
  ('obligatory_amount', '1', 'OP003 obligatory_amount', 'OP003 obligatory_amount'), ('obligatory_amount', '-1', 'OP003 obligatory_amount', 'OP003 obligatory_amount'), ('obligatory_amount', 'NaN', 'OP003 obligatory_amount', 'OP003 obligatory_amount'), ('obligatory_amount', 'Infinity', 'OP003 obligatory_amount', 'OP003 obligatory_amount'),
  ('obligatory_amount', '0', 'ok', 'ok'), ('obligatory_amount', NULL, 'ok', 'ok'),
  ('attempt_no', '0', '23514 payment_operations_attempt_no_check', '23514 payment_operations_attempt_no_check'), ('attempt_no', '-1', '23514 payment_operations_attempt_no_check', '23514 payment_operations_attempt_no_check'),
  ('attempt_no', NULL, '23502 attempt_no', '23502 attempt_no'),
  ('request_key', 's', '23505 payment_operations_order_id_request_key_key', 'OP003 request_key'),
  ('request_key', NULL, 'ok', 'OP003 request_key'),
  ('request_hash', 'x', 'ok', 'OP003 request_hash'),
  ('gateway_reference', 'known', '23505 payment_operations_reference_key', '23505 payment_operations_reference_key'),
  ('gateway_reference', 'other', 'ok', 'ok'), ('gateway_reference', NULL, 'ok', 'ok'),
  ('failure_class', 'whatever', '23514 failure_class_check', '23514 failure_class_check'), ('failure_class', '', '23514 failure_class_check', '23514 failure_class_check'),
  ('failure_class', 'soft_decline', 'ok', 'ok'),
  ('reason', '', 'ok', 'ok'), ('reason', NULL, 'ok', 'ok'),
  ('failure_code', '', 'ok', 'ok'), ('failure_code', NULL, 'ok', 'ok'),
  ('failure_message', '', 'ok', 'ok'), ('failure_message', NULL, 'ok', 'ok'),
  ('retry_at', 'infinity', 'ok', 'ok'),
  ('retry_at', 'soon', '22007', '22007'),
  ('occurred_at', 'infinity', 'ok', 'ok'),
  ('occurred_at', 'soon', '22007', '22007'),
  ('created_at', '2020-01-01', 'OP003 created_at', 'OP003 created_at'), ('created_at', 'infinity', 'OP003 created_at', 'OP003 created_at'),
  ('created_at', NULL, 'ok', 'ok'),
  ('requested_at', '2020-01-01', 'OP003 requested_at', 'OP003 requested_at'),
  ('processing_at', '2020-01-01', 'OP003 processing_at', 'OP003 processing_at'),
  ('unknown_at', '2020-01-01', 'OP003 unknown_at', 'OP003 unknown_at'),
  ('succeeded_at', '2020-01-01', 'OP003 succeeded_at', 'OP003 succeeded_at'),
  ('failed_at', '2020-01-01', 'OP003 failed_at', 'OP003 failed_at'),
  ('cancelled_at', '2020-01-01', 'OP003 cancelled_at', 'OP003 cancelled_at'),
  ('reversed_at', '2020-01-01', 'OP003 reversed_at', 'OP003 reversed_at');

SELECT all_rows() AS "before" \gset
-- COPY says of a generated column that it is invalid, all others say that it is generated.
CREATE TABLE trial AS
  SELECT x.*, w.way, w.result, CASE WHEN w.way = 'insert by copy' AND x.on_insert = '428C9' THEN '42P10' WHEN w.way ~ 'insert' THEN x.on_insert ELSE x.on_update END AS wanted FROM wrong x, ways(x.relation, x.col, x.value) w;
-- where it differs
SELECT relation, col, value, way, result, wanted FROM trial WHERE result <> wanted ORDER BY n, way;
SELECT relation, count(*) AS trials, count(DISTINCT col) AS columns, count(*) FILTER (WHERE result = 'ok') AS ok, count(DISTINCT result) AS results FROM trial GROUP BY 1 ORDER BY 1;
-- every column was tried, and nothing is left
SELECT attrelid::regclass, attname AS untried FROM pg_attribute
WHERE attrelid IN ('payments'::regclass, 'payment_operations'::regclass) AND attnum > 0 AND NOT attisdropped AND (attrelid::regclass::text, attname) NOT IN (SELECT relation, col FROM wrong);
SELECT all_rows() = :'before' AS unchanged;

-- through the view, which is of refunds and of nothing else
SELECT statement, becomes(statement) FROM unnest(ARRAY[
  'INSERT INTO refunds (order_id, payment_id, amount) VALUES (901, ''00000000-0000-7000-8000-00000000000d'', 5)',
  'INSERT INTO refunds (order_id, payment_id, amount, kind) VALUES (901, ''00000000-0000-7000-8000-00000000000d'', 5, ''refund'')',
  'INSERT INTO refunds (order_id, payment_id, amount, kind) VALUES (901, ''00000000-0000-7000-8000-00000000000d'', 5, ''chargeback'')',
  'INSERT INTO refunds (order_id, payment_id, amount, kind) VALUES (901, ''00000000-0000-7000-8000-00000000000d'', 5, NULL)',
  'INSERT INTO refunds (order_id, payment_id, amount) VALUES (901, ''00000000-0000-7000-8000-00000000000d'', ''NaN'')',
  'INSERT INTO refunds (order_id, payment_id, amount) VALUES (901, ''00000000-0000-7000-8000-00000000000b'', 5)',
  'INSERT INTO refunds (order_id, payment_id, amount) VALUES (901, ''00000000-0000-7000-8000-00000000000d'', 81)',
  'UPDATE refunds SET kind = ''void'' WHERE request_key = ''r''',
  'UPDATE refunds SET amount = 11 WHERE request_key = ''r''',
  'UPDATE refunds SET status = ''succeeded'' WHERE request_key = ''r''',
  'UPDATE refunds SET status = ''reversed'' WHERE request_key = ''r''',
  'DELETE FROM refunds WHERE request_key = ''r''']) AS statement;
SELECT all_rows() = :'before' AS unchanged;
-- two facts in one statement that together are more than there is; one statement that is half wrong
SELECT statement, becomes(statement) FROM unnest(ARRAY[
  'INSERT INTO refunds (order_id, payment_id, amount) SELECT 901, ''00000000-0000-7000-8000-00000000000d'', 41 FROM generate_series(1, 2)',
  'INSERT INTO refunds (order_id, payment_id, amount, status) SELECT 901, ''00000000-0000-7000-8000-00000000000d'', 51, ''succeeded'' FROM generate_series(1, 2)',
  'UPDATE payments SET status = ''failed''',
  'INSERT INTO payments (order_id, gateway, amount, split) VALUES (901, ''card'', 1, true), (902, ''card'', -1, true)',
  'INSERT INTO payments (order_id, gateway, amount) VALUES (901, ''card'', 1), (901, ''card'', 1)']) AS statement;
SELECT all_rows() = :'before' AS unchanged;

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
