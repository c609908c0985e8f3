-- What create_store() makes: tables, views, columns, constraints, indexes, triggers, owner. Users and their programs rely on all of it.
SET client_min_messages = warning;
BEGIN;
SELECT plan(1030);

CREATE ROLE regress_tap_owner;
CREATE ROLE regress_tap_app;
CREATE ROLE regress_tap_gateway;
CREATE SCHEMA shop AUTHORIZATION regress_tap_owner;
SELECT lives_ok($$ SELECT order_payment.create_store('shop', 'EUR', app_role => 'regress_tap_app', gateway_role => 'regress_tap_gateway', owner => 'regress_tap_owner') $$,
                'create_store()');
SET search_path = public;

-- ---------- relations ----------

SELECT set_eq($$ SELECT relname::text, relkind::text FROM pg_class WHERE relnamespace = 'shop'::regnamespace $$,
              $$ VALUES ('orders', 'r'), ('order_items', 'r'), ('order_events', 'r'), ('event_consumers', 'r'), ('consumer_offsets', 'r'),
                        ('gateways', 'r'), ('gateway_fees', 'r'), ('payments', 'r'), ('used_card_tokens', 'r'), ('payment_operations', 'r'), ('settlement_lines', 'r'),
                        ('payment_passwords', 'r'), ('payment_password_attempts', 'r'), ('gateway_secrets', 'r'), ('gateway_secrets_pkey', 'i'),
                        ('refunds', 'v'), ('order_overview', 'v'), ('payment_overview', 'v'), ('open_work', 'v'), ('needs_attention', 'v'),
                        ('daily_settlement', 'v'), ('gateway_success', 'v'), ('settlement_facts', 'v'), ('settlement_matches', 'v'),
                        ('orders_order_id_seq', 'S'),
                        ('orders_pkey', 'i'), ('orders_customer_id_request_key_key', 'i'), ('orders_guest_request_key_idx', 'i'), ('orders_unpaid_idx', 'i'), ('orders_refund_due_idx', 'i'),
                        ('order_items_pkey', 'i'), ('order_events_pkey', 'i'), ('order_events_xid_idx', 'i'),
                        ('event_consumers_pkey', 'i'), ('consumer_offsets_pkey', 'i'), ('gateways_pkey', 'i'), ('gateway_fees_pkey', 'i'),
                        ('payments_pkey', 'i'), ('payments_payment_id_key', 'i'), ('payments_gateway_gateway_reference_key', 'i'),
                        ('payments_order_id_request_key_key', 'i'), ('payments_one_live_attempt_idx', 'i'), ('payments_authorized_idx', 'i'),
                        ('payments_live_idx', 'i'), ('payments_retry_at_idx', 'i'), ('payments_period_idx', 'i'),
                        ('payments_card_fingerprint_idx', 'i'), ('used_card_tokens_pkey', 'i'), ('payment_operations_pkey', 'i'), ('payment_operations_operation_id_key', 'i'), ('payment_operations_reference_key', 'i'),
                        ('payment_operations_order_id_request_key_key', 'i'), ('payment_operations_open_idx', 'i'),
                        ('payment_operations_retry_at_idx', 'i'), ('payment_operations_gateway_reference_idx', 'i'),
                        ('settlement_lines_pkey', 'i'), ('settlement_lines_number_idx', 'i'), ('settlement_lines_reference_idx', 'i'),
                        ('settlement_lines_settled_on_idx', 'i'), ('payment_passwords_pkey', 'i'), ('payment_password_attempts_pkey', 'i') $$,
              'relations of a store');
SELECT is(c.relowner, 'regress_tap_owner'::regrole::oid, format('%s belongs to the owner', c.oid::regclass))
FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'v', 'S') ORDER BY c.relname;
SELECT isnt(obj_description(c.oid, 'pg_class'), NULL, format('%s has a comment', c.oid::regclass))
FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY c.relname;
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND (relpersistence <> 'p' OR relrowsecurity) $$,
                'all are logged and without row security');
SELECT is_empty($$ SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
                   WHERE d.deptype = 'e' AND d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace) $$,
                'none is a member of an extension');
SELECT is(reloptions::text, CASE relname WHEN 'refunds' THEN '{security_invoker=true,check_option=cascaded}' ELSE '{security_invoker=true}' END,
          format('%s runs with the rights of the caller', oid::regclass))
FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'v' ORDER BY relname;
SELECT set_eq($$ SELECT table_name::text FROM information_schema.views WHERE table_schema = 'shop' AND is_updatable = 'YES' AND is_insertable_into = 'YES' $$,
              ARRAY['refunds'], 'refunds can be written, and no other view');
SELECT bag_eq('SELECT gateway, active FROM shop.gateways', $$ VALUES ('manual', true), ('cod', true) $$, 'two gateways are there from the beginning');
SELECT is_empty('SELECT FROM shop.gateway_fees', 'and no fee');
SELECT is_empty($$ SELECT FROM pg_proc WHERE pronamespace = 'shop'::regnamespace $$, 'no function in a store');

-- ---------- columns ----------

CREATE TEMP TABLE expected (relation text, place int, name text, type text, required bool, value text);
INSERT INTO expected VALUES
('orders', 1, 'order_id', 'bigint', true, 'identity d'),
('orders', 2, 'customer_id', 'bigint', false, NULL),
('orders', 3, 'product_id', 'bigint', false, NULL),
('orders', 4, 'quantity', 'numeric', false, '1'),
('orders', 5, 'price', 'numeric', false, NULL),
('orders', 6, 'currency', 'text', true, '''EUR''::text'),
('orders', 7, 'total_amount', 'numeric', false, NULL),
('orders', 8, 'payment_method', 'text', false, NULL),
('orders', 9, 'status', 'order_payment.order_status', true, '''pending''::order_payment.order_status'),
('orders', 10, 'item_count', 'integer', true, '0'),
('orders', 11, 'authorized_amount', 'numeric', true, '0'),
('orders', 12, 'paid_amount', 'numeric', true, '0'),
('orders', 13, 'refunded_amount', 'numeric', true, '0'),
('orders', 14, 'charged_back_amount', 'numeric', true, '0'),
('orders', 15, 'refund_due_amount', 'numeric', true, '0'),
('orders', 16, 'pay_before', 'timestamp with time zone', false, NULL),
('orders', 17, 'request_key', 'text', false, NULL),
('orders', 18, 'version', 'integer', true, '0'),
('orders', 19, 'created_at', 'timestamp with time zone', true, NULL),
('orders', 20, 'authorized_at', 'timestamp with time zone', false, NULL),
('orders', 21, 'paid_at', 'timestamp with time zone', false, NULL),
('orders', 22, 'shipped_at', 'timestamp with time zone', false, NULL),
('orders', 23, 'completed_at', 'timestamp with time zone', false, NULL),
('orders', 24, 'cancelled_at', 'timestamp with time zone', false, NULL),
('orders', 25, 'expired_at', 'timestamp with time zone', false, NULL),
('orders', 26, 'refunded_at', 'timestamp with time zone', false, NULL),
('order_items', 1, 'order_id', 'bigint', true, NULL),
('order_items', 2, 'line_no', 'integer', true, NULL),
('order_items', 3, 'kind', 'text', true, '''item''::text'),
('order_items', 4, 'product_id', 'bigint', false, NULL),
('order_items', 5, 'quantity', 'numeric', true, '1'),
('order_items', 6, 'price', 'numeric', true, NULL),
('order_items', 7, 'amount', 'numeric', true, 'generated s'),
('order_events', 1, 'order_id', 'bigint', true, NULL),
('order_events', 2, 'version', 'integer', true, NULL),
('order_events', 3, 'event_id', 'uuid', true, NULL),
('order_events', 4, 'entity', 'text', true, NULL),
('order_events', 5, 'entity_id', 'uuid', false, NULL),
('order_events', 6, 'from_status', 'text', false, NULL),
('order_events', 7, 'to_status', 'text', true, NULL),
('order_events', 8, 'amount', 'numeric', false, NULL),
('order_events', 9, 'actor', 'text', true, NULL),
('order_events', 10, 'session_role', 'text', true, NULL),
('order_events', 11, 'reason', 'text', false, NULL),
('order_events', 12, 'detail', 'jsonb', false, NULL),
('order_events', 13, 'recorded_at', 'timestamp with time zone', true, NULL),
('order_events', 14, 'xid', 'xid8', true, NULL),
('event_consumers', 1, 'consumer', 'name', true, NULL),
('event_consumers', 2, 'position', 'xid8', true, '''0''::xid8'),
('event_consumers', 3, 'position_order_id', 'bigint', false, NULL),
('event_consumers', 4, 'position_version', 'integer', false, NULL),
('event_consumers', 5, 'foreign_position', 'xid8', false, NULL),
('event_consumers', 6, 'system_identifier', 'bigint', true, NULL),
('consumer_offsets', 1, 'order_id', 'bigint', true, NULL),
('consumer_offsets', 2, 'consumer', 'name', true, NULL),
('consumer_offsets', 3, 'version', 'integer', true, NULL),
('gateways', 1, 'gateway', 'text', true, NULL),
('gateways', 2, 'active', 'boolean', true, 'true'),
('gateways', 3, 'minor_unit_exponents', 'jsonb', true, '''{}''::jsonb'),
('gateways', 4, 'retry_schedule', 'jsonb', true, '''{"not_sent": ["5 minutes", "10 minutes", "20 minutes", "40 minutes", "80 minutes", "160 minutes", "320 minutes", "640 minutes"], "hard_decline": [], "soft_decline": ["1 day", "3 days", "7 days"]}''::jsonb'),
('gateways', 5, 'password_methods', 'text[]', true, '''{}''::text[]'),
('gateway_secrets', 1, 'gateway', 'text', true, NULL),
('gateway_secrets', 2, 'kind', 'text', true, NULL),
('gateway_secrets', 3, 'secret_id', 'uuid', true, 'order_payment.uuid_v7()'),
('gateway_secrets', 4, 'secret', 'order_payment.sealed', true, NULL),
('gateway_secrets', 5, 'key_name', 'text', false, NULL),
('gateway_secrets', 6, 'valid_from', 'timestamp with time zone', true, 'now()'),
('gateway_secrets', 7, 'valid_until', 'timestamp with time zone', false, NULL),
('gateway_secrets', 8, 'created_at', 'timestamp with time zone', true, 'now()'),
('payment_passwords', 1, 'customer_id', 'bigint', true, NULL),
('payment_passwords', 2, 'verifier', 'order_payment.sealed', true, NULL),
('payment_passwords', 3, 'pepper_id', 'integer', true, NULL),
('payment_passwords', 4, 'set_at', 'timestamp with time zone', true, 'clock_timestamp()'),
('payment_password_attempts', 1, 'customer_id', 'bigint', true, NULL),
('payment_password_attempts', 2, 'used', 'integer', true, NULL),
('payment_password_attempts', 3, 'locked_until', 'timestamp with time zone', false, NULL),
('payment_password_attempts', 4, 'last_at', 'timestamp with time zone', true, NULL),
('gateway_fees', 1, 'gateway', 'text', true, NULL),
('gateway_fees', 2, 'method', 'text', true, '''*''::text'),
('gateway_fees', 3, 'currency', 'text', true, NULL),
('gateway_fees', 4, 'rate', 'numeric', true, '0'),
('gateway_fees', 5, 'fixed', 'numeric', true, '0'),
('gateway_fees', 6, 'valid_from', 'timestamp with time zone', true, '''-infinity''::timestamp with time zone'),
('payments', 1, 'order_id', 'bigint', true, NULL),
('payments', 2, 'payment_id', 'uuid', true, 'order_payment.uuid_v7()'),
('payments', 3, 'gateway', 'text', true, NULL),
('payments', 4, 'method', 'text', false, NULL),
('payments', 5, 'amount', 'numeric', true, NULL),
('payments', 6, 'currency', 'text', true, NULL),
('payments', 7, 'split', 'boolean', true, 'false'),
('payments', 8, 'status', 'order_payment.payment_status', true, '''created''::order_payment.payment_status'),
('payments', 9, 'request_key', 'text', false, NULL),
('payments', 10, 'request_hash', 'text', false, NULL),
('payments', 11, 'gateway_reference', 'text', false, NULL),
('payments', 12, 'authorized_amount', 'numeric', true, '0'),
('payments', 13, 'capture_pending_amount', 'numeric', true, '0'),
('payments', 14, 'captured_amount', 'numeric', true, '0'),
('payments', 15, 'refund_pending_amount', 'numeric', true, '0'),
('payments', 16, 'refunded_amount', 'numeric', true, '0'),
('payments', 17, 'charged_back_amount', 'numeric', true, '0'),
('payments', 18, 'fee', 'numeric', true, NULL),
('payments', 19, 'fee_final', 'boolean', true, 'false'),
('payments', 20, 'expected_net', 'numeric', true, 'generated s'),
('payments', 21, 'net_amount', 'numeric', true, 'generated s'),
('payments', 22, 'attempt_no', 'integer', true, '1'),
('payments', 23, 'retry_of', 'uuid', false, NULL),
('payments', 24, 'failure_class', 'order_payment.failure_class', false, NULL),
('payments', 25, 'failure_code', 'text', false, NULL),
('payments', 26, 'failure_message', 'text', false, NULL),
('payments', 27, 'retry_at', 'timestamp with time zone', false, NULL),
('payments', 28, 'contact_needed_at', 'timestamp with time zone', false, NULL),
('payments', 29, 'expires_at', 'timestamp with time zone', false, NULL),
('payments', 30, 'capture_before', 'timestamp with time zone', false, NULL),
('payments', 31, 'card_number', 'text', false, NULL),
('payments', 32, 'card_holder', 'text', false, NULL),
('payments', 33, 'card_expiry', 'text', false, NULL),
('payments', 34, 'card_number_sealed', 'order_payment.sealed', false, NULL),
('payments', 35, 'card_holder_sealed', 'order_payment.sealed', false, NULL),
('payments', 36, 'card_expiry_sealed', 'order_payment.sealed', false, NULL),
('payments', 37, 'card_fingerprint', 'bytea', false, NULL),
('payments', 38, 'occurred_at', 'timestamp with time zone', false, NULL),
('payments', 39, 'created_at', 'timestamp with time zone', true, NULL),
('payments', 40, 'processing_at', 'timestamp with time zone', false, NULL),
('payments', 41, 'requires_action_at', 'timestamp with time zone', false, NULL),
('payments', 42, 'unknown_at', 'timestamp with time zone', false, NULL),
('payments', 43, 'authorized_at', 'timestamp with time zone', false, NULL),
('payments', 44, 'succeeded_at', 'timestamp with time zone', false, NULL),
('payments', 45, 'failed_at', 'timestamp with time zone', false, NULL),
('payments', 46, 'revoked_at', 'timestamp with time zone', false, NULL),
('used_card_tokens', 1, 'order_id', 'bigint', true, NULL),
('used_card_tokens', 2, 'token', 'bytea', true, NULL),
('used_card_tokens', 3, 'used_by', 'text', true, NULL),
('used_card_tokens', 4, 'expires_at', 'timestamp with time zone', true, NULL),
('used_card_tokens', 5, 'used_at', 'timestamp with time zone', true, 'clock_timestamp()'),
('payment_operations', 1, 'order_id', 'bigint', true, NULL),
('payment_operations', 2, 'operation_id', 'uuid', true, 'order_payment.uuid_v7()'),
('payment_operations', 3, 'payment_id', 'uuid', true, NULL),
('payment_operations', 4, 'kind', 'text', true, NULL),
('payment_operations', 5, 'amount', 'numeric', true, NULL),
('payment_operations', 6, 'currency', 'text', true, NULL),
('payment_operations', 7, 'fee', 'numeric', true, '0'),
('payment_operations', 8, 'obligatory_amount', 'numeric', true, '0'),
('payment_operations', 9, 'reason', 'text', false, NULL),
('payment_operations', 10, 'status', 'order_payment.operation_status', true, '''requested''::order_payment.operation_status'),
('payment_operations', 11, 'request_key', 'text', false, NULL),
('payment_operations', 12, 'request_hash', 'text', false, NULL),
('payment_operations', 13, 'gateway_reference', 'text', false, NULL),
('payment_operations', 14, 'failure_class', 'order_payment.failure_class', false, NULL),
('payment_operations', 15, 'failure_code', 'text', false, NULL),
('payment_operations', 16, 'failure_message', 'text', false, NULL),
('payment_operations', 17, 'retry_at', 'timestamp with time zone', false, NULL),
('payment_operations', 18, 'attempt_no', 'integer', true, '1'),
('payment_operations', 19, 'occurred_at', 'timestamp with time zone', false, NULL),
('payment_operations', 20, 'created_at', 'timestamp with time zone', true, NULL),
('payment_operations', 21, 'requested_at', 'timestamp with time zone', false, NULL),
('payment_operations', 22, 'processing_at', 'timestamp with time zone', false, NULL),
('payment_operations', 23, 'unknown_at', 'timestamp with time zone', false, NULL),
('payment_operations', 24, 'succeeded_at', 'timestamp with time zone', false, NULL),
('payment_operations', 25, 'failed_at', 'timestamp with time zone', false, NULL),
('payment_operations', 26, 'cancelled_at', 'timestamp with time zone', false, NULL),
('payment_operations', 27, 'reversed_at', 'timestamp with time zone', false, NULL),
('settlement_lines', 1, 'gateway', 'text', true, NULL),
('settlement_lines', 2, 'settlement_id', 'text', true, NULL),
('settlement_lines', 3, 'line_no', 'integer', true, NULL),
('settlement_lines', 4, 'kind', 'text', true, NULL),
('settlement_lines', 5, 'gateway_number', 'text', false, NULL),
('settlement_lines', 6, 'gateway_reference', 'text', false, NULL),
('settlement_lines', 7, 'amount', 'numeric', true, NULL),
('settlement_lines', 8, 'fee', 'numeric', false, NULL),
('settlement_lines', 9, 'currency', 'text', true, NULL),
('settlement_lines', 10, 'occurred_at', 'timestamp with time zone', false, NULL),
('settlement_lines', 11, 'settled_on', 'date', true, NULL),
('settlement_lines', 12, 'imported_at', 'timestamp with time zone', true, 'now()'),
('settlement_lines', 13, 'number', 'uuid', false, 'generated s'),
('refunds', 1, 'order_id', 'bigint', false, NULL),
('refunds', 2, 'operation_id', 'uuid', false, NULL),
('refunds', 3, 'payment_id', 'uuid', false, NULL),
('refunds', 4, 'kind', 'text', false, '''refund''::text'),
('refunds', 5, 'amount', 'numeric', false, NULL),
('refunds', 6, 'currency', 'text', false, NULL),
('refunds', 7, 'fee', 'numeric', false, NULL),
('refunds', 8, 'obligatory_amount', 'numeric', false, NULL),
('refunds', 9, 'reason', 'text', false, NULL),
('refunds', 10, 'status', 'order_payment.operation_status', false, NULL),
('refunds', 11, 'request_key', 'text', false, NULL),
('refunds', 12, 'request_hash', 'text', false, NULL),
('refunds', 13, 'gateway_reference', 'text', false, NULL),
('refunds', 14, 'failure_class', 'order_payment.failure_class', false, NULL),
('refunds', 15, 'failure_code', 'text', false, NULL),
('refunds', 16, 'failure_message', 'text', false, NULL),
('refunds', 17, 'retry_at', 'timestamp with time zone', false, NULL),
('refunds', 18, 'attempt_no', 'integer', false, NULL),
('refunds', 19, 'occurred_at', 'timestamp with time zone', false, NULL),
('refunds', 20, 'created_at', 'timestamp with time zone', false, NULL),
('refunds', 21, 'requested_at', 'timestamp with time zone', false, NULL),
('refunds', 22, 'processing_at', 'timestamp with time zone', false, NULL),
('refunds', 23, 'unknown_at', 'timestamp with time zone', false, NULL),
('refunds', 24, 'succeeded_at', 'timestamp with time zone', false, NULL),
('refunds', 25, 'failed_at', 'timestamp with time zone', false, NULL),
('refunds', 26, 'cancelled_at', 'timestamp with time zone', false, NULL),
('refunds', 27, 'reversed_at', 'timestamp with time zone', false, NULL),
('settlement_facts', 1, 'gateway', 'text', false, NULL),
('settlement_facts', 2, 'kind', 'text', false, NULL),
('settlement_facts', 3, 'order_id', 'bigint', false, NULL),
('settlement_facts', 4, 'payment_id', 'uuid', false, NULL),
('settlement_facts', 5, 'operation_id', 'uuid', false, NULL),
('settlement_facts', 6, 'number', 'uuid', false, NULL),
('settlement_facts', 7, 'gateway_reference', 'text', false, NULL),
('settlement_facts', 8, 'amount', 'numeric', false, NULL),
('settlement_facts', 9, 'fee', 'numeric', false, NULL),
('settlement_facts', 10, 'currency', 'text', false, NULL),
('settlement_facts', 11, 'happened_at', 'timestamp with time zone', false, NULL),
('settlement_matches', 1, 'match', 'text', false, NULL),
('settlement_matches', 2, 'gateway', 'text', false, NULL),
('settlement_matches', 3, 'settlement_id', 'text', false, NULL),
('settlement_matches', 4, 'line_no', 'integer', false, NULL),
('settlement_matches', 5, 'kind', 'text', false, NULL),
('settlement_matches', 6, 'order_id', 'bigint', false, NULL),
('settlement_matches', 7, 'payment_id', 'uuid', false, NULL),
('settlement_matches', 8, 'operation_id', 'uuid', false, NULL),
('settlement_matches', 9, 'currency', 'text', false, NULL),
('settlement_matches', 10, 'amount', 'numeric', false, NULL),
('settlement_matches', 11, 'settled_amount', 'numeric', false, NULL),
('settlement_matches', 12, 'fee', 'numeric', false, NULL),
('settlement_matches', 13, 'settled_fee', 'numeric', false, NULL),
('settlement_matches', 14, 'happened_at', 'timestamp with time zone', false, NULL),
('settlement_matches', 15, 'settled_on', 'date', false, NULL),
('order_overview', 1, 'order_id', 'bigint', false, NULL),
('order_overview', 2, 'customer_id', 'bigint', false, NULL),
('order_overview', 3, 'status', 'order_payment.order_status', false, NULL),
('order_overview', 4, 'payment_state', 'text', false, NULL),
('order_overview', 5, 'currency', 'text', false, NULL),
('order_overview', 6, 'total_amount', 'numeric', false, NULL),
('order_overview', 7, 'outstanding_amount', 'numeric', false, NULL),
('order_overview', 8, 'authorized_amount', 'numeric', false, NULL),
('order_overview', 9, 'paid_amount', 'numeric', false, NULL),
('order_overview', 10, 'refunded_amount', 'numeric', false, NULL),
('order_overview', 11, 'charged_back_amount', 'numeric', false, NULL),
('order_overview', 12, 'refund_due_amount', 'numeric', false, NULL),
('order_overview', 13, 'refund_pending_amount', 'numeric', false, NULL),
('order_overview', 14, 'attempts', 'bigint', false, NULL),
('order_overview', 15, 'live_attempts', 'bigint', false, NULL),
('order_overview', 16, 'fees', 'numeric', false, NULL),
('order_overview', 17, 'fees_final', 'boolean', false, NULL),
('order_overview', 18, 'net_amount', 'numeric', false, NULL),
('order_overview', 19, 'version', 'integer', false, NULL),
('order_overview', 20, 'pay_before', 'timestamp with time zone', false, NULL),
('order_overview', 21, 'created_at', 'timestamp with time zone', false, NULL),
('order_overview', 22, 'authorized_at', 'timestamp with time zone', false, NULL),
('order_overview', 23, 'paid_at', 'timestamp with time zone', false, NULL),
('order_overview', 24, 'shipped_at', 'timestamp with time zone', false, NULL),
('order_overview', 25, 'completed_at', 'timestamp with time zone', false, NULL),
('order_overview', 26, 'cancelled_at', 'timestamp with time zone', false, NULL),
('order_overview', 27, 'expired_at', 'timestamp with time zone', false, NULL),
('order_overview', 28, 'refunded_at', 'timestamp with time zone', false, NULL),
('payment_overview', 1, 'order_id', 'bigint', false, NULL),
('payment_overview', 2, 'payment_id', 'uuid', false, NULL),
('payment_overview', 3, 'gateway_number', 'text', false, NULL),
('payment_overview', 4, 'gateway', 'text', false, NULL),
('payment_overview', 5, 'gateway_reference', 'text', false, NULL),
('payment_overview', 6, 'method', 'text', false, NULL),
('payment_overview', 7, 'status', 'order_payment.payment_status', false, NULL),
('payment_overview', 8, 'order_status', 'order_payment.order_status', false, NULL),
('payment_overview', 9, 'currency', 'text', false, NULL),
('payment_overview', 10, 'amount', 'numeric', false, NULL),
('payment_overview', 11, 'authorized_amount', 'numeric', false, NULL),
('payment_overview', 12, 'captured_amount', 'numeric', false, NULL),
('payment_overview', 13, 'refunded_amount', 'numeric', false, NULL),
('payment_overview', 14, 'charged_back_amount', 'numeric', false, NULL),
('payment_overview', 15, 'refund_pending_amount', 'numeric', false, NULL),
('payment_overview', 16, 'refundable_amount', 'numeric', false, NULL),
('payment_overview', 17, 'fee', 'numeric', false, NULL),
('payment_overview', 18, 'fee_final', 'boolean', false, NULL),
('payment_overview', 19, 'operation_fees', 'numeric', false, NULL),
('payment_overview', 20, 'net_amount', 'numeric', false, NULL),
('payment_overview', 21, 'net_after_operations', 'numeric', false, NULL),
('payment_overview', 22, 'attempt_no', 'integer', false, NULL),
('payment_overview', 23, 'retry_of', 'uuid', false, NULL),
('payment_overview', 24, 'failure_class', 'order_payment.failure_class', false, NULL),
('payment_overview', 25, 'failure_code', 'text', false, NULL),
('payment_overview', 26, 'failure_message', 'text', false, NULL),
('payment_overview', 27, 'retry_at', 'timestamp with time zone', false, NULL),
('payment_overview', 28, 'expires_at', 'timestamp with time zone', false, NULL),
('payment_overview', 29, 'capture_before', 'timestamp with time zone', false, NULL),
('payment_overview', 30, 'created_at', 'timestamp with time zone', false, NULL),
('payment_overview', 31, 'age', 'interval', false, NULL),
('open_work', 1, 'work', 'text', false, NULL),
('open_work', 2, 'order_id', 'bigint', false, NULL),
('open_work', 3, 'payment_id', 'uuid', false, NULL),
('open_work', 4, 'operation_id', 'uuid', false, NULL),
('open_work', 5, 'gateway', 'text', false, NULL),
('open_work', 6, 'amount', 'numeric', false, NULL),
('open_work', 7, 'currency', 'text', false, NULL),
('open_work', 8, 'since', 'timestamp with time zone', false, NULL),
('open_work', 9, 'due_at', 'timestamp with time zone', false, NULL),
('needs_attention', 1, 'reason', 'text', false, NULL),
('needs_attention', 2, 'order_id', 'bigint', false, NULL),
('needs_attention', 3, 'payment_id', 'uuid', false, NULL),
('needs_attention', 4, 'operation_id', 'uuid', false, NULL),
('needs_attention', 5, 'gateway', 'text', false, NULL),
('needs_attention', 6, 'amount', 'numeric', false, NULL),
('needs_attention', 7, 'currency', 'text', false, NULL),
('needs_attention', 8, 'since', 'timestamp with time zone', false, NULL),
('daily_settlement', 1, 'day', 'date', false, NULL),
('daily_settlement', 2, 'gateway', 'text', false, NULL),
('daily_settlement', 3, 'currency', 'text', false, NULL),
('daily_settlement', 4, 'captured_amount', 'numeric', false, NULL),
('daily_settlement', 5, 'refunded_amount', 'numeric', false, NULL),
('daily_settlement', 6, 'charged_back_amount', 'numeric', false, NULL),
('daily_settlement', 7, 'estimated_fees', 'numeric', false, NULL),
('daily_settlement', 8, 'final_fees', 'numeric', false, NULL),
('daily_settlement', 9, 'net_amount', 'numeric', false, NULL),
('gateway_success', 1, 'period', 'text', false, NULL),
('gateway_success', 2, 'gateway', 'text', false, NULL),
('gateway_success', 3, 'method', 'text', false, NULL),
('gateway_success', 4, 'currency', 'text', false, NULL),
('gateway_success', 5, 'successes', 'bigint', false, NULL),
('gateway_success', 6, 'failures', 'bigint', false, NULL),
('gateway_success', 7, 'censored', 'bigint', false, NULL),
('gateway_success', 8, 'mean', 'double precision', false, NULL),
('gateway_success', 9, 'lower', 'double precision', false, NULL),
('gateway_success', 10, 'upper', 'double precision', false, NULL),
('gateway_success', 11, 'failure_probability', 'double precision', false, NULL);

CREATE TEMP VIEW actual AS
SELECT c.relname::text AS relation, a.attnum::int AS place, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS required,
       CASE WHEN a.attidentity <> '' THEN 'identity ' || a.attidentity::text
            WHEN a.attgenerated <> '' THEN 'generated ' || a.attgenerated::text
            ELSE pg_get_expr(d.adbin, d.adrelid) END AS value
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'v');

SELECT bag_eq('SELECT relation, name FROM actual', 'SELECT relation, name FROM expected', 'tables and views have these columns and no other');
SELECT is(a.place, e.place, format('%s.%s is column %s', e.relation, e.name, e.place))
FROM expected e LEFT JOIN actual a USING (relation, name) ORDER BY e.relation, e.place;
SELECT is(a.type, e.type, format('%s.%s is %s', e.relation, e.name, e.type))
FROM expected e LEFT JOIN actual a USING (relation, name) ORDER BY e.relation, e.place;
SELECT is(a.required, e.required, format('%s.%s %s null', e.relation, e.name, CASE WHEN e.required THEN 'may not be' ELSE 'may be' END))
FROM expected e LEFT JOIN actual a USING (relation, name)
WHERE to_regclass('shop.' || e.relation) IN (SELECT oid FROM pg_class WHERE relkind = 'r') ORDER BY e.relation, e.place;
SELECT is(a.value, e.value, format('%s.%s: default %s', e.relation, e.name, coalesce(e.value, 'none')))
FROM expected e LEFT JOIN actual a USING (relation, name) WHERE e.value IS NOT NULL ORDER BY e.relation, e.place;
SELECT is_empty($$ SELECT a.* FROM actual a JOIN expected e USING (relation, name) WHERE e.value IS NULL AND a.value IS NOT NULL $$,
                'no other column has a default');
SELECT is((SELECT regexp_replace(pg_get_expr(d.adbin, d.adrelid), '\s+', ' ', 'g') FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
           WHERE d.adrelid = ('shop.' || e.relation)::regclass AND a.attname = e.name), e.value, format('how %s.%s is generated', e.relation, e.name))
FROM (VALUES ('order_items', 'amount', ' CASE kind WHEN ''discount''::text THEN (- (quantity * price)) ELSE (quantity * price) END'),
             ('payments', 'expected_net', '(amount - fee)'),
             ('payments', 'net_amount', 'order_payment.net_amount(captured_amount, refunded_amount, charged_back_amount, fee)'),
             ('settlement_lines', 'number', ' CASE WHEN (gateway_number ~ ''^[0-9a-fA-F]{32}$''::text) THEN (gateway_number)::uuid ELSE NULL::uuid END')) e (relation, name, value);

-- ---------- keys, constraints, indexes ----------

SELECT col_is_pk('shop', 'orders', ARRAY['order_id'], 'primary key of orders');
SELECT col_is_pk('shop', 'order_items', ARRAY['order_id', 'line_no'], 'primary key of order_items');
SELECT col_is_pk('shop', 'order_events', ARRAY['order_id', 'version'], 'primary key of order_events');
SELECT col_is_pk('shop', 'event_consumers', ARRAY['consumer'], 'primary key of event_consumers');
SELECT col_is_pk('shop', 'consumer_offsets', ARRAY['order_id', 'consumer'], 'primary key of consumer_offsets');
SELECT col_is_pk('shop', 'gateways', ARRAY['gateway'], 'primary key of gateways');
SELECT col_is_pk('shop', 'gateway_fees', ARRAY['gateway', 'currency', 'method', 'valid_from'], 'primary key of gateway_fees');
SELECT col_is_pk('shop', 'payments', ARRAY['order_id', 'payment_id'], 'primary key of payments');
SELECT col_is_pk('shop', 'used_card_tokens', ARRAY['order_id', 'token'], 'primary key of used_card_tokens');
SELECT col_is_pk('shop', 'payment_operations', ARRAY['order_id', 'operation_id'], 'primary key of payment_operations');
SELECT col_is_pk('shop', 'settlement_lines', ARRAY['gateway', 'settlement_id', 'line_no'], 'primary key of settlement_lines');
SELECT col_is_pk('shop', 'gateway_secrets', ARRAY['gateway', 'kind', 'secret_id'], 'primary key of gateway_secrets');
SELECT fk_ok('shop', 'gateway_secrets', 'gateway', 'shop', 'gateways', 'gateway', 'a secret is of a gateway');
SELECT col_is_pk('shop', 'payment_passwords', ARRAY['customer_id'], 'primary key of payment_passwords');
SELECT col_is_pk('shop', 'payment_password_attempts', ARRAY['customer_id'], 'primary key of payment_password_attempts');
SELECT col_is_unique('shop', 'orders', ARRAY['customer_id', 'request_key'], 'a request_key is unique per customer');
SELECT col_is_unique('shop', 'payments', ARRAY['payment_id'], 'a payment_id is unique in a store');
SELECT col_is_unique('shop', 'payments', ARRAY['order_id', 'request_key'], 'the request_key of a payment per order');
SELECT col_is_unique('shop', 'payments', ARRAY['gateway', 'gateway_reference'], 'the reference of a payment per gateway');
SELECT col_is_unique('shop', 'payment_operations', ARRAY['operation_id'], 'an operation_id is unique in a store');
SELECT col_is_unique('shop', 'payment_operations', ARRAY['order_id', 'request_key'], 'the request_key of an operation per order');
SELECT col_is_unique('shop', 'payment_operations', ARRAY['order_id', 'payment_id', 'kind', 'gateway_reference'], 'the reference of an operation per payment and kind');
SELECT fk_ok('shop', 'order_items', 'order_id', 'shop', 'orders', 'order_id', 'a line is of an order');
SELECT fk_ok('shop', 'order_events', 'order_id', 'shop', 'orders', 'order_id', 'an event is of an order');
SELECT fk_ok('shop', 'consumer_offsets', 'consumer', 'shop', 'event_consumers', 'consumer', 'an offset is of a consumer');
SELECT fk_ok('shop', 'consumer_offsets', 'order_id', 'shop', 'orders', 'order_id', 'and of an order');
SELECT fk_ok('shop', 'gateway_fees', 'gateway', 'shop', 'gateways', 'gateway', 'a fee is of a gateway');
SELECT fk_ok('shop', 'payments', 'order_id', 'shop', 'orders', 'order_id', 'a payment is of an order');
SELECT fk_ok('shop', 'payments', 'gateway', 'shop', 'gateways', 'gateway', 'and of a gateway');
SELECT fk_ok('shop', 'payments', ARRAY['order_id', 'retry_of'], 'shop', 'payments', ARRAY['order_id', 'payment_id'], 'a retry is of a payment of the same order');
SELECT fk_ok('shop', 'payment_operations', 'order_id', 'shop', 'orders', 'order_id', 'an operation is of an order');
SELECT fk_ok('shop', 'payment_operations', ARRAY['order_id', 'payment_id'], 'shop', 'payments', ARRAY['order_id', 'payment_id'], 'and of a payment of that order');
SELECT fk_ok('shop', 'settlement_lines', 'gateway', 'shop', 'gateways', 'gateway', 'a settlement line is of a gateway');
-- (PostgreSQL 18 lists NOT NULL, type n, as well)
SELECT bag_eq($$ SELECT conrelid::regclass::text, contype::text, conname::text FROM pg_constraint
                 WHERE connamespace = 'shop'::regnamespace AND contype <> 'n' $$,
              $$ VALUES ('shop.orders', 'p', 'orders_pkey'),
                        ('shop.orders', 'u', 'orders_customer_id_request_key_key'),
                        ('shop.orders', 'c', 'orders_money_check'),
                        ('shop.order_items', 'p', 'order_items_pkey'),
                        ('shop.order_items', 'f', 'order_items_order_id_fkey'),
                        ('shop.order_items', 'c', 'order_items_kind_check'),
                        ('shop.order_items', 'c', 'order_items_quantity_check'),
                        ('shop.order_items', 'c', 'order_items_price_check'),
                        ('shop.order_events', 'p', 'order_events_pkey'),
                        ('shop.order_events', 'f', 'order_events_order_id_fkey'),
                        ('shop.event_consumers', 'p', 'event_consumers_pkey'),
                        ('shop.consumer_offsets', 'p', 'consumer_offsets_pkey'),
                        ('shop.consumer_offsets', 'f', 'consumer_offsets_consumer_fkey'),
                        ('shop.consumer_offsets', 'f', 'consumer_offsets_order_id_fkey'),
                        ('shop.gateways', 'p', 'gateways_pkey'),
                        ('shop.gateways', 'c', 'gateways_gateway_check'),
                        ('shop.gateways', 'c', 'gateways_minor_unit_exponents_check'),
                        ('shop.gateways', 'c', 'gateways_retry_schedule_check'),
                        ('shop.gateways', 'c', 'gateways_password_methods_check'),
                        ('shop.gateway_secrets', 'p', 'gateway_secrets_pkey'), ('shop.gateway_secrets', 'f', 'gateway_secrets_gateway_fkey'),
                        ('shop.gateway_secrets', 'c', 'gateway_secrets_kind_check'), ('shop.gateway_secrets', 'c', 'gateway_secrets_valid_until_check'),
                        ('shop.payment_passwords', 'p', 'payment_passwords_pkey'),
                        ('shop.payment_password_attempts', 'p', 'payment_password_attempts_pkey'),
                        ('shop.payment_password_attempts', 'c', 'payment_password_attempts_used_check'),
                        ('shop.gateway_fees', 'p', 'gateway_fees_pkey'),
                        ('shop.gateway_fees', 'f', 'gateway_fees_gateway_fkey'),
                        ('shop.gateway_fees', 'c', 'gateway_fees_currency_check'),
                        ('shop.gateway_fees', 'c', 'gateway_fees_rate_check'),
                        ('shop.gateway_fees', 'c', 'gateway_fees_fixed_check'),
                        ('shop.payments', 'p', 'payments_pkey'),
                        ('shop.payments', 'u', 'payments_payment_id_key'),
                        ('shop.payments', 'u', 'payments_gateway_gateway_reference_key'),
                        ('shop.payments', 'u', 'payments_order_id_request_key_key'),
                        ('shop.payments', 'f', 'payments_order_id_fkey'),
                        ('shop.payments', 'f', 'payments_gateway_fkey'),
                        ('shop.payments', 'f', 'payments_retry_of_fkey'),
                        ('shop.payments', 'c', 'payments_money_check'),
                        ('shop.payments', 'c', 'payments_card_check'),
                        ('shop.used_card_tokens', 'p', 'used_card_tokens_pkey'),
                        ('shop.payment_operations', 'p', 'payment_operations_pkey'),
                        ('shop.payment_operations', 'u', 'payment_operations_operation_id_key'),
                        ('shop.payment_operations', 'u', 'payment_operations_reference_key'),
                        ('shop.payment_operations', 'u', 'payment_operations_order_id_request_key_key'),
                        ('shop.payment_operations', 'f', 'payment_operations_order_id_fkey'),
                        ('shop.payment_operations', 'f', 'payment_operations_payment_id_fkey'),
                        ('shop.payment_operations', 'c', 'payment_operations_kind_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_amount_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_fee_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_obligatory_amount_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_attempt_no_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_reversed_check'),
                        ('shop.settlement_lines', 'p', 'settlement_lines_pkey'),
                        ('shop.settlement_lines', 'f', 'settlement_lines_gateway_fkey'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_line_no_check'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_kind_check'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_amount_check'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_amount_sign_check'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_fee_check') $$,
              'constraints by name');
SELECT bag_eq($$ SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND contype = 'c' $$,
              $chk$ VALUES
                        ('orders_money_check', 'CHECK (order_payment.is_order_money(status, currency, total_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount, version))'),
                        ('order_items_kind_check', 'CHECK ((kind = ANY (ARRAY[''item''::text, ''shipping''::text, ''tax''::text, ''discount''::text])))'),
                        ('order_items_price_check', 'CHECK (((price >= (0)::numeric) AND (price < ''Infinity''::numeric)))'),
                        ('order_items_quantity_check', 'CHECK (((quantity > (0)::numeric) AND (quantity < ''Infinity''::numeric)))'),
                        ('gateways_gateway_check', 'CHECK ((gateway <> ''''::text))'),
                        ('gateways_minor_unit_exponents_check', 'CHECK ((jsonb_typeof(minor_unit_exponents) = ''object''::text))'),
                        ('gateways_retry_schedule_check', 'CHECK (((jsonb_typeof(retry_schedule) = ''object''::text) AND (NOT (retry_schedule @? ''$.keyvalue()."key"?(!(@ like_regex "^(hard_decline|soft_decline|not_sent|other)$"))''::jsonpath)) AND (NOT (retry_schedule @? ''strict $.*?(@.type() != "array")''::jsonpath)) AND (NOT (retry_schedule @? ''strict $.*[*]?(@.type() != "string" || !(@ like_regex "^[0-9]{1,4} (second|minute|hour|day|week|month|year)s?$"))''::jsonpath))))'),
                        ('gateways_password_methods_check', 'CHECK ((array_position(password_methods, NULL::text) IS NULL))'),
                        ('payment_password_attempts_used_check', 'CHECK ((used >= 0))'),
                        ('gateway_secrets_valid_until_check', 'CHECK ((valid_until > valid_from))'),
                        ('gateway_secrets_kind_check', 'CHECK ((kind = ANY (ARRAY[''api_key''::text, ''webhook_secret''::text, ''standard_webhook_secret''::text, ''apiv3_key''::text, ''private_key''::text, ''public_key''::text, ''amount_key''::text])))'),
                        ('gateway_fees_currency_check', 'CHECK (order_payment.is_currency(currency))'),
                        ('gateway_fees_fixed_check', 'CHECK (((fixed >= (0)::numeric) AND (fixed < ''Infinity''::numeric)))'),
                        ('gateway_fees_rate_check', 'CHECK (((rate >= (0)::numeric) AND (rate < (1)::numeric)))'),
                        ('payments_money_check', 'CHECK (order_payment.is_payment_money(currency, amount, fee, authorized_amount, captured_amount, refunded_amount, charged_back_amount))'),
                        ('payments_card_check', 'CHECK (order_payment.is_masked_card(card_number, card_holder, card_expiry))'),
                        ('payment_operations_amount_check', 'CHECK (((amount > (0)::numeric) AND order_payment.is_amount(amount, currency)))'),
                        ('payment_operations_attempt_no_check', 'CHECK ((attempt_no > 0))'),
                        ('payment_operations_fee_check', 'CHECK (order_payment.is_amount(fee, currency))'),
                        ('payment_operations_kind_check', 'CHECK ((kind = ANY (ARRAY[''capture''::text, ''void''::text, ''refund''::text, ''chargeback''::text])))'),
                        ('payment_operations_obligatory_amount_check', 'CHECK (((obligatory_amount >= (0)::numeric) AND (obligatory_amount <= amount)))'),
                        ('payment_operations_reversed_check', 'CHECK (((status <> ''reversed''::order_payment.operation_status) OR (kind = ANY (ARRAY[''refund''::text, ''chargeback''::text]))))'),
                        ('settlement_lines_amount_check', 'CHECK (order_payment.is_amount(amount, currency))'),
                        ('settlement_lines_amount_sign_check', 'CHECK (((amount > (0)::numeric) OR (kind = ANY (ARRAY[''fee''::text, ''adjustment''::text]))))'),
                        ('settlement_lines_fee_check', 'CHECK (order_payment.is_amount(fee, currency))'),
                        ('settlement_lines_kind_check', 'CHECK ((kind = ANY (ARRAY[''payment''::text, ''refund''::text, ''refund_reversal''::text, ''chargeback''::text, ''chargeback_reversal''::text, ''fee''::text, ''adjustment''::text])))'),
                        ('settlement_lines_line_no_check', 'CHECK ((line_no > 0))') $chk$,
              'what CHECK constraints say');
SELECT is_empty($$ SELECT conname FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND (condeferrable OR NOT convalidated) $$,
                'none deferrable, all validated');
SELECT bag_eq($$ SELECT conname::text, confdeltype::text, confupdtype::text FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND contype = 'f' $$,
              $$ VALUES ('order_items_order_id_fkey', 'a', 'a'), ('order_events_order_id_fkey', 'a', 'a'), ('consumer_offsets_consumer_fkey', 'c', 'a'), ('consumer_offsets_order_id_fkey', 'c', 'a'),
                        ('gateway_fees_gateway_fkey', 'a', 'a'), ('gateway_secrets_gateway_fkey', 'a', 'a'), ('payments_order_id_fkey', 'a', 'a'), ('payments_gateway_fkey', 'a', 'a'), ('payments_retry_of_fkey', 'a', 'a'),
                        ('payment_operations_order_id_fkey', 'a', 'a'), ('payment_operations_payment_id_fkey', 'a', 'a'), ('settlement_lines_gateway_fkey', 'a', 'a') $$,
              'what foreign keys do on DELETE and UPDATE');
SELECT bag_eq($$ SELECT c.relname::text, regexp_replace(pg_get_indexdef(c.oid), '^CREATE (UNIQUE )?INDEX \S+ ON ', '\1')
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                 WHERE c.relnamespace = 'shop'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = c.oid) $$,
              $$ VALUES
                        ('orders_guest_request_key_idx', 'UNIQUE shop.orders USING btree (request_key) WHERE ((customer_id IS NULL) AND (request_key IS NOT NULL))'),
                        ('orders_unpaid_idx', 'shop.orders USING btree (pay_before) WHERE ((pay_before IS NOT NULL) AND (paid_at IS NULL) AND (cancelled_at IS NULL) AND (expired_at IS NULL))'),
                        ('orders_refund_due_idx', 'shop.orders USING btree (order_id) WHERE (refund_due_amount > (0)::numeric)'),
                        ('order_events_xid_idx', 'shop.order_events USING btree (xid, order_id, version)'),
                        ('payments_one_live_attempt_idx', 'UNIQUE shop.payments USING btree (order_id) WHERE ((status <= ''unknown''::order_payment.payment_status) AND (NOT split))'),
                        ('payments_authorized_idx', 'shop.payments USING btree (capture_before, order_id) WHERE (status = ''authorized''::order_payment.payment_status)'),
                        ('payments_live_idx', 'shop.payments USING btree (created_at, order_id) WHERE (status <= ''unknown''::order_payment.payment_status)'),
                        ('payments_retry_at_idx', 'shop.payments USING btree (retry_at, order_id) WHERE (retry_at IS NOT NULL)'),
                        ('payments_period_idx', 'shop.payments USING brin (created_at)'),
                        ('payments_card_fingerprint_idx', 'shop.payments USING btree (card_fingerprint) WHERE (card_fingerprint IS NOT NULL)'),
                        ('payment_operations_open_idx', 'shop.payment_operations USING btree (created_at, order_id) WHERE (status <= ''unknown''::order_payment.operation_status)'),
                        ('payment_operations_retry_at_idx', 'shop.payment_operations USING btree (retry_at, order_id) WHERE (retry_at IS NOT NULL)'),
                        ('payment_operations_gateway_reference_idx', 'shop.payment_operations USING btree (gateway_reference) WHERE (gateway_reference IS NOT NULL)'),
                        ('settlement_lines_number_idx', 'shop.settlement_lines USING btree (number) WHERE (number IS NOT NULL)'),
                        ('settlement_lines_reference_idx', 'shop.settlement_lines USING btree (gateway, gateway_reference) WHERE ((number IS NULL) AND (gateway_reference IS NOT NULL))'),
                        ('settlement_lines_settled_on_idx', 'shop.settlement_lines USING btree (gateway, settled_on)') $$,
              'indexes that are no constraints');
-- principle 9: order_id leads every key of a table that has it, but for a customer's or guest's request_key, and for what must be unique in the whole store
SELECT bag_eq($$ SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                 WHERE c.relnamespace = 'shop'::regnamespace AND i.indisunique
                   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'order_id' AND a.attnum <> i.indkey[0]) $$,
              $$ VALUES ('shop.orders_customer_id_request_key_key'), ('shop.orders_guest_request_key_idx'), ('shop.payments_payment_id_key'), ('shop.payments_gateway_gateway_reference_key'),
                        ('shop.payment_operations_operation_id_key') $$, 'order_id leads the unique keys');

-- ---------- triggers ----------

CREATE TEMP TABLE expected_trigger (relation text, name text, definition text);
INSERT INTO expected_trigger VALUES
('orders', 'zzy_maintain_order', 'BEFORE INSERT OR UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_order()'),
('orders', 'zzz_guard_status', format('BEFORE INSERT OR UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %L, ''stamp'')', order_payment.default_graph('order_payment.order_status'))),
('orders', 'zzz_guard_status_birth', format('AFTER INSERT OR DELETE ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %L, ''stamp'')', order_payment.default_graph('order_payment.order_status'))),
('orders', '000_record_event_insert', 'AFTER INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.record_event()'),
('orders', '000_record_event_update', 'AFTER UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.record_event()'),
('orders', 'refuse_truncate', 'BEFORE TRUNCATE ON shop.orders FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate()'),
('order_items', '000_follow_items', 'AFTER INSERT OR DELETE OR UPDATE ON shop.order_items FOR EACH ROW EXECUTE FUNCTION order_payment.follow_items()'),
('order_items', 'refuse_truncate', 'BEFORE TRUNCATE ON shop.order_items FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate()'),
('order_events', '000_append_only', 'BEFORE INSERT OR DELETE OR UPDATE ON shop.order_events FOR EACH ROW EXECUTE FUNCTION order_payment.append_only()'),
('order_events', '000_append_only_truncate', 'BEFORE TRUNCATE ON shop.order_events FOR EACH STATEMENT EXECUTE FUNCTION order_payment.append_only()'),
('payments', '000_protect_card', 'BEFORE INSERT OR UPDATE ON shop.payments FOR EACH ROW EXECUTE FUNCTION order_payment.protect_card(''payments'', ''number=card_number'', ''holder=card_holder'', ''expiry=card_expiry'', ''fingerprint=card_fingerprint'', ''key=payment_id'', ''from=retry_of'', ''order=order_id'', ''request=request_key'', ''tokens=used_card_tokens'')'),
('payments', 'zzy_maintain_payment', 'BEFORE INSERT OR UPDATE ON shop.payments FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_payment()'),
('payments', 'zzz_guard_status', format('BEFORE INSERT OR UPDATE ON shop.payments FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %L, ''stamp'')', order_payment.default_graph('order_payment.payment_status'))),
('payments', 'zzz_guard_status_birth', format('AFTER INSERT OR DELETE ON shop.payments FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %L, ''stamp'')', order_payment.default_graph('order_payment.payment_status'))),
('payments', '000_apply_payment', 'AFTER INSERT OR UPDATE ON shop.payments FOR EACH ROW EXECUTE FUNCTION order_payment.apply_payment()'),
('payments', 'refuse_delete', 'BEFORE DELETE ON shop.payments FOR EACH ROW EXECUTE FUNCTION order_payment.refuse_delete()'),
('payments', 'refuse_truncate', 'BEFORE TRUNCATE ON shop.payments FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate()'),
('payment_operations', 'zzy_maintain_operation', 'BEFORE INSERT OR UPDATE ON shop.payment_operations FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_operation()'),
('payment_operations', 'zzz_guard_status', format('BEFORE INSERT OR UPDATE ON shop.payment_operations FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %L, ''stamp'')', order_payment.default_graph('order_payment.operation_status'))),
('payment_operations', 'zzz_guard_status_birth', format('AFTER INSERT OR DELETE ON shop.payment_operations FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %L, ''stamp'')', order_payment.default_graph('order_payment.operation_status'))),
('payment_operations', '000_apply_operation', 'AFTER INSERT OR UPDATE ON shop.payment_operations FOR EACH ROW EXECUTE FUNCTION order_payment.apply_operation()'),
('payment_operations', 'refuse_delete', 'BEFORE DELETE ON shop.payment_operations FOR EACH ROW EXECUTE FUNCTION order_payment.refuse_delete()'),
('payment_operations', 'refuse_truncate', 'BEFORE TRUNCATE ON shop.payment_operations FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate()');
CREATE TEMP VIEW actual_trigger AS
SELECT c.relname::text AS relation, t.tgname::text AS name, t.tgenabled, regexp_replace(pg_get_triggerdef(t.oid), '^CREATE TRIGGER \S+ ', '') AS definition
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'shop'::regnamespace AND NOT t.tgisinternal;

SELECT bag_eq('SELECT relation, name FROM actual_trigger', 'SELECT relation, name FROM expected_trigger', 'the tables have these triggers and no other');
SELECT is(a.definition, e.definition, format('trigger %s of %s', e.name, e.relation))
FROM expected_trigger e LEFT JOIN actual_trigger a USING (relation, name) ORDER BY e.relation, e.name;
SELECT is_empty($$ SELECT * FROM actual_trigger WHERE tgenabled <> 'O' $$, 'all fire on origin');
SELECT results_eq($$ SELECT to_status FROM order_payment.status_edges('shop.orders', 'status') WHERE from_status IS NULL $$, ARRAY['pending'], 'an order is born pending');
SELECT set_eq($$ SELECT to_status FROM order_payment.status_edges('shop.payments', 'status') WHERE from_status IS NULL $$,
              '{created,processing,requires_action,authorized,succeeded}'::text[], 'a payment is born before its outcome, or with a good one');
SELECT set_eq($$ SELECT to_status FROM order_payment.status_edges('shop.payment_operations', 'status') WHERE from_status IS NULL $$,
              '{requested,processing,succeeded}'::text[], 'an operation as well');

-- ---------- verify_store, and other key types ----------

SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'a new store is in order');
SELECT is(has_schema_privilege('public', 'shop', 'USAGE'), false, 'PUBLIC has nothing to do with the schema');

SELECT lives_ok($$ SELECT order_payment.create_store('shop_uuid', owner => 'regress_tap_owner', order_id_type => 'uuid', customer_id_type => 'text', product_id_type => 'integer') $$,
                'a store with other key types');
SELECT is(format_type(a.atttypid, a.atttypmod) || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), ''), e.type, format('%s.%s is %s', e.relation, e.name, e.type))
FROM (VALUES ('orders', 'order_id', 'uuid gen_random_uuid()'), ('orders', 'customer_id', 'text'), ('orders', 'product_id', 'integer'),
             ('order_items', 'order_id', 'uuid'), ('order_items', 'product_id', 'integer'), ('order_events', 'order_id', 'uuid'),
             ('consumer_offsets', 'order_id', 'uuid'), ('event_consumers', 'position_order_id', 'uuid'),
             ('payments', 'order_id', 'uuid'), ('payment_operations', 'order_id', 'uuid'), ('refunds', 'order_id', 'uuid'),
             ('order_overview', 'order_id', 'uuid'), ('order_overview', 'customer_id', 'text'), ('payment_overview', 'order_id', 'uuid'),
             ('open_work', 'order_id', 'uuid'), ('needs_attention', 'order_id', 'uuid'),
             ('settlement_facts', 'order_id', 'uuid'), ('settlement_matches', 'order_id', 'uuid'),
             ('orders', 'currency', 'text ''USD''::text')) e (relation, name, type)
JOIN pg_class c ON c.relname = e.relation AND c.relnamespace = 'shop_uuid'::regnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = e.name
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum;
SELECT is(nspowner, 'regress_tap_owner'::regrole::oid, 'create_store() makes the schema for the owner') FROM pg_namespace WHERE nspname = 'shop_uuid';
SELECT is(current_setting('role'), 'none', 'and the role of the caller is what it was');

SELECT * FROM finish();
ROLLBACK;
