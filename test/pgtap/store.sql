-- What create_store() makes: tables, columns, constraints, indexes, triggers, owner. Users and their programs rely on all of it.
SET client_min_messages = warning;
BEGIN;
SELECT plan(594);

CREATE ROLE regress_tap_owner;
CREATE ROLE regress_tap_app;
CREATE SCHEMA shop AUTHORIZATION regress_tap_owner;
SELECT lives_ok($$ SELECT order_payment.create_store('shop', 'EUR', app_role => 'regress_tap_app', owner => 'regress_tap_owner') $$,
                'create_store()');
SET search_path = public;

-- ---------- relations ----------

SELECT set_eq($$ SELECT relname::text, relkind::text FROM pg_class WHERE relnamespace = 'shop'::regnamespace $$,
              $$ VALUES ('orders', 'r'), ('order_items', 'r'), ('order_events', 'r'), ('event_consumers', 'r'), ('consumer_offsets', 'r'),
                        ('gateways', 'r'), ('gateway_fees', 'r'), ('payments', 'r'), ('payment_operations', 'r'), ('settlement_lines', 'r'),
                        ('orders_order_id_seq', 'S'),
                        ('daily_settlement', 'v'), ('gateway_success', 'v'), ('needs_attention', 'v'), ('open_work', 'v'), ('order_overview', 'v'),
                        ('payment_overview', 'v'), ('refunds', 'v'), ('settlement_facts', 'v'), ('settlement_matches', 'v'),
                        ('consumer_offsets_pkey', 'i'), ('event_consumers_pkey', 'i'), ('gateway_fees_pkey', 'i'), ('gateways_pkey', 'i'),
                        ('order_events_pkey', 'i'), ('order_events_xid_idx', 'i'), ('order_items_pkey', 'i'),
                        ('orders_customer_id_request_key_key', 'i'), ('orders_pkey', 'i'), ('orders_refund_due_idx', 'i'),
                        ('orders_unpaid_idx', 'i'), ('payment_operations_gateway_reference_idx', 'i'), ('payment_operations_open_idx', 'i'),
                        ('payment_operations_operation_id_key', 'i'), ('payment_operations_order_id_request_key_key', 'i'),
                        ('payment_operations_pkey', 'i'), ('payment_operations_reference_key', 'i'), ('payment_operations_retry_at_idx', 'i'),
                        ('payments_authorized_idx', 'i'), ('payments_gateway_gateway_reference_key', 'i'), ('payments_live_idx', 'i'),
                        ('payments_one_live_attempt_idx', 'i'), ('payments_order_id_request_key_key', 'i'), ('payments_payment_id_key', 'i'),
                        ('payments_pkey', 'i'), ('payments_retry_at_idx', 'i'), ('settlement_lines_number_idx', 'i'),
                        ('settlement_lines_pkey', 'i'), ('settlement_lines_reference_idx', 'i'), ('settlement_lines_settled_on_idx', 'i') $$,
              'relations of a store');
SELECT is(c.relowner, 'regress_tap_owner'::regrole::oid, format('%s belongs to the owner', c.oid::regclass))
FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'S', 'v') ORDER BY c.relname;
SELECT isnt(obj_description(c.oid, 'pg_class'), NULL, format('%s has a comment', c.oid::regclass))
FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY c.relname;
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'v' AND NOT reloptions @> '{security_invoker=true}' $$,
                'views give no rights that their reader has not');
SELECT is((SELECT reloptions FROM pg_class WHERE oid = 'shop.refunds'::regclass), '{security_invoker=true,check_option=cascaded}', 'refunds takes refunds only');
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND (relpersistence <> 'p' OR relrowsecurity) $$,
                'all are logged and without row security');
SELECT is_empty($$ SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
                   WHERE d.deptype = 'e' AND d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace) $$,
                'none is a member of an extension');
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
('payments', 31, 'occurred_at', 'timestamp with time zone', false, NULL),
('payments', 32, 'created_at', 'timestamp with time zone', true, NULL),
('payments', 33, 'processing_at', 'timestamp with time zone', false, NULL),
('payments', 34, 'requires_action_at', 'timestamp with time zone', false, NULL),
('payments', 35, 'unknown_at', 'timestamp with time zone', false, NULL),
('payments', 36, 'authorized_at', 'timestamp with time zone', false, NULL),
('payments', 37, 'succeeded_at', 'timestamp with time zone', false, NULL),
('payments', 38, 'failed_at', 'timestamp with time zone', false, NULL),
('payments', 39, 'revoked_at', 'timestamp with time zone', false, NULL),
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
('settlement_lines', 13, 'number', 'uuid', false, 'generated s');

CREATE TEMP VIEW actual AS
SELECT c.relname::text AS relation, a.attnum::int AS place, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS required,
       CASE WHEN a.attidentity <> '' THEN 'identity ' || a.attidentity::text
            WHEN a.attgenerated <> '' THEN 'generated ' || a.attgenerated::text
            ELSE pg_get_expr(d.adbin, d.adrelid) END AS value
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind = 'r';

SELECT bag_eq('SELECT relation, name FROM actual', 'SELECT relation, name FROM expected', 'the tables have these columns and no other');
SELECT is(a.place, e.place, format('%s.%s is column %s', e.relation, e.name, e.place))
FROM expected e LEFT JOIN actual a USING (relation, name) WHERE e.relation NOT IN ('event_consumers', 'consumer_offsets') ORDER BY e.relation, e.place;
SELECT is(a.type, e.type, format('%s.%s is %s', e.relation, e.name, e.type))
FROM expected e LEFT JOIN actual a USING (relation, name) ORDER BY e.relation, e.place;
SELECT is(a.required, e.required, format('%s.%s %s null', e.relation, e.name, CASE WHEN e.required THEN 'may not be' ELSE 'may be' END))
FROM expected e LEFT JOIN actual a USING (relation, name) ORDER BY e.relation, e.place;
SELECT is(a.value, e.value, format('%s.%s: default %s', e.relation, e.name, coalesce(e.value, 'none')))
FROM expected e LEFT JOIN actual a USING (relation, name) WHERE e.value IS NOT NULL ORDER BY e.relation, e.place;
SELECT is_empty($$ SELECT a.* FROM actual a JOIN expected e USING (relation, name) WHERE e.value IS NULL AND a.value IS NOT NULL $$,
                'no other column has a default');
SELECT is((SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'shop.order_items'::regclass AND adnum = 7),
          E'\nCASE kind\n    WHEN ''discount''::text THEN (- (quantity * price))\n    ELSE (quantity * price)\nEND', 'how amount is generated');
SELECT is((SELECT string_agg(pg_get_expr(adbin, adrelid), '; ' ORDER BY adnum) FROM pg_attrdef WHERE adrelid = 'shop.payments'::regclass AND adnum IN (20, 21)),
          '(amount - fee); order_payment.net_amount(captured_amount, refunded_amount, charged_back_amount, fee)', 'how net amounts are generated');

-- ---------- keys, constraints, indexes ----------

SELECT col_is_pk('shop', 'orders', ARRAY['order_id'], 'primary key of orders');
SELECT col_is_pk('shop', 'order_items', ARRAY['order_id', 'line_no'], 'primary key of order_items');
SELECT col_is_pk('shop', 'order_events', ARRAY['order_id', 'version'], 'primary key of order_events');
SELECT col_is_pk('shop', 'event_consumers', ARRAY['consumer'], 'primary key of event_consumers');
SELECT col_is_pk('shop', 'consumer_offsets', ARRAY['order_id', 'consumer'], 'primary key of consumer_offsets');
SELECT col_is_pk('shop', 'gateways', ARRAY['gateway'], 'primary key of gateways');
SELECT col_is_pk('shop', 'gateway_fees', ARRAY['gateway', 'currency', 'method', 'valid_from'], 'primary key of gateway_fees');
SELECT col_is_pk('shop', 'payments', ARRAY['order_id', 'payment_id'], 'primary key of payments');
SELECT col_is_pk('shop', 'payment_operations', ARRAY['order_id', 'operation_id'], 'primary key of payment_operations');
SELECT col_is_pk('shop', 'settlement_lines', ARRAY['gateway', 'settlement_id', 'line_no'], 'primary key of settlement_lines');
SELECT col_is_unique('shop', 'orders', ARRAY['customer_id', 'request_key'], 'a request_key is unique per customer');
SELECT col_is_unique('shop', 'payments', ARRAY['order_id', 'request_key'], 'a payment''s request_key is unique per order');
SELECT col_is_unique('shop', 'payment_operations', ARRAY['order_id', 'request_key'], 'an operation''s request_key is unique per order');
SELECT col_is_unique('shop', 'payments', ARRAY['payment_id'], 'a payment_id is unique');
SELECT col_is_unique('shop', 'payment_operations', ARRAY['operation_id'], 'an operation_id is unique');
SELECT col_is_unique('shop', 'payments', ARRAY['gateway', 'gateway_reference'], 'a gateway''s reference is unique');
SELECT col_is_unique('shop', 'payment_operations', ARRAY['order_id', 'payment_id', 'kind', 'gateway_reference'], 'of operations as well');
SELECT fk_ok('shop', 'order_items', 'order_id', 'shop', 'orders', 'order_id', 'a line is of an order');
SELECT fk_ok('shop', 'order_events', 'order_id', 'shop', 'orders', 'order_id', 'an event is of an order');
SELECT fk_ok('shop', 'consumer_offsets', 'consumer', 'shop', 'event_consumers', 'consumer', 'an offset is of a consumer');
SELECT fk_ok('shop', 'payments', 'order_id', 'shop', 'orders', 'order_id', 'a payment is of an order');
SELECT fk_ok('shop', 'payments', 'gateway', 'shop', 'gateways', 'gateway', 'by a gateway');
SELECT fk_ok('shop', 'payments', ARRAY['order_id', 'retry_of'], 'shop', 'payments', ARRAY['order_id', 'payment_id'], 'and may retry one of the same order');
SELECT fk_ok('shop', 'payment_operations', 'order_id', 'shop', 'orders', 'order_id', 'an operation is of an order');
SELECT fk_ok('shop', 'payment_operations', ARRAY['order_id', 'payment_id'], 'shop', 'payments', ARRAY['order_id', 'payment_id'], 'and of a payment of it');
-- (PostgreSQL 18 lists NOT NULL, type n, as well)
SELECT bag_eq($$ SELECT conrelid::regclass::text, contype::text, conname::text FROM pg_constraint
                 WHERE connamespace = 'shop'::regnamespace AND contype <> 'n' $$,
              $$ VALUES ('shop.orders', 'p', 'orders_pkey'),
                        ('shop.orders', 'u', 'orders_customer_id_request_key_key'),
                        ('shop.orders', 'c', 'orders_money_check'),
                        ('shop.orders', 'c', 'orders_price_check'),
                        ('shop.order_items', 'p', 'order_items_pkey'),
                        ('shop.order_items', 'f', 'order_items_order_id_fkey'),
                        ('shop.order_items', 'c', 'order_items_kind_check'),
                        ('shop.order_items', 'c', 'order_items_price_check'),
                        ('shop.order_items', 'c', 'order_items_quantity_check'),
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
                        ('shop.gateway_fees', 'p', 'gateway_fees_pkey'),
                        ('shop.gateway_fees', 'f', 'gateway_fees_gateway_fkey'),
                        ('shop.gateway_fees', 'c', 'gateway_fees_currency_check'),
                        ('shop.gateway_fees', 'c', 'gateway_fees_fixed_check'),
                        ('shop.gateway_fees', 'c', 'gateway_fees_rate_check'),
                        ('shop.payments', 'p', 'payments_pkey'),
                        ('shop.payments', 'u', 'payments_gateway_gateway_reference_key'),
                        ('shop.payments', 'u', 'payments_order_id_request_key_key'),
                        ('shop.payments', 'u', 'payments_payment_id_key'),
                        ('shop.payments', 'f', 'payments_gateway_fkey'),
                        ('shop.payments', 'f', 'payments_order_id_fkey'),
                        ('shop.payments', 'f', 'payments_retry_of_fkey'),
                        ('shop.payments', 'c', 'payments_amount_check'),
                        ('shop.payments', 'c', 'payments_money_check'),
                        ('shop.payment_operations', 'p', 'payment_operations_pkey'),
                        ('shop.payment_operations', 'u', 'payment_operations_operation_id_key'),
                        ('shop.payment_operations', 'u', 'payment_operations_order_id_request_key_key'),
                        ('shop.payment_operations', 'u', 'payment_operations_reference_key'),
                        ('shop.payment_operations', 'f', 'payment_operations_order_id_fkey'),
                        ('shop.payment_operations', 'f', 'payment_operations_payment_id_fkey'),
                        ('shop.payment_operations', 'c', 'payment_operations_amount_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_attempt_no_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_fee_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_kind_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_obligatory_amount_check'),
                        ('shop.payment_operations', 'c', 'payment_operations_reversed_check'),
                        ('shop.settlement_lines', 'p', 'settlement_lines_pkey'),
                        ('shop.settlement_lines', 'f', 'settlement_lines_gateway_fkey'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_amount_check'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_amount_sign_check'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_fee_check'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_kind_check'),
                        ('shop.settlement_lines', 'c', 'settlement_lines_line_no_check') $$,
              'constraints by name');
SELECT is_empty($$ SELECT conname FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND (condeferrable OR NOT convalidated) $$,
                'none deferrable, all validated');
SELECT bag_eq($$ SELECT conname::text, confdeltype::text, confupdtype::text FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND contype = 'f' $$,
              $$ VALUES ('order_items_order_id_fkey', 'a', 'a'), ('order_events_order_id_fkey', 'a', 'a'),
                        ('consumer_offsets_order_id_fkey', 'c', 'a'), ('consumer_offsets_consumer_fkey', 'c', 'a'),
                        ('gateway_fees_gateway_fkey', 'a', 'a'), ('payments_order_id_fkey', 'a', 'a'), ('payments_gateway_fkey', 'a', 'a'),
                        ('payments_retry_of_fkey', 'a', 'a'), ('payment_operations_order_id_fkey', 'a', 'a'),
                        ('payment_operations_payment_id_fkey', 'a', 'a'), ('settlement_lines_gateway_fkey', 'a', 'a') $$,
              'what foreign keys do on DELETE and UPDATE');
SELECT has_index('shop', 'order_events', 'order_events_xid_idx', ARRAY['xid', 'order_id', 'version'], 'order_events is indexed by xid');
SELECT bag_eq($$ SELECT c.relname::text, regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING btree ', '') FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                 WHERE c.relnamespace = 'shop'::regnamespace AND i.indpred IS NOT NULL $$,
              $$ VALUES ('orders_unpaid_idx', '(pay_before) WHERE ((pay_before IS NOT NULL) AND (paid_at IS NULL) AND (cancelled_at IS NULL) AND (expired_at IS NULL))'),
                        ('orders_refund_due_idx', '(order_id) WHERE (refund_due_amount > (0)::numeric)'),
                        ('payments_one_live_attempt_idx', '(order_id) WHERE ((status <= ''unknown''::order_payment.payment_status) AND (NOT split))'),
                        ('payments_authorized_idx', '(capture_before, order_id) WHERE (status = ''authorized''::order_payment.payment_status)'),
                        ('payments_live_idx', '(created_at, order_id) WHERE (status <= ''unknown''::order_payment.payment_status)'),
                        ('payments_retry_at_idx', '(retry_at, order_id) WHERE (retry_at IS NOT NULL)'),
                        ('payment_operations_open_idx', '(created_at, order_id) WHERE (status <= ''unknown''::order_payment.operation_status)'),
                        ('payment_operations_retry_at_idx', '(retry_at, order_id) WHERE (retry_at IS NOT NULL)'),
                        ('payment_operations_gateway_reference_idx', '(gateway_reference) WHERE (gateway_reference IS NOT NULL)'),
                        ('settlement_lines_number_idx', '(number) WHERE (number IS NOT NULL)'),
                        ('settlement_lines_reference_idx', '(gateway, gateway_reference) WHERE ((number IS NULL) AND (gateway_reference IS NOT NULL))') $$,
              'partial indexes');
SELECT index_is_unique('shop', 'payments', 'payments_one_live_attempt_idx', 'one attempt at a time');
-- principle 9: order_id leads every key of a table that has it, but for those that a distributed store does without
SELECT bag_eq($$ SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                 WHERE c.relnamespace = 'shop'::regnamespace AND i.indisunique
                   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'order_id' AND a.attnum <> i.indkey[0]) $$,
              $$ VALUES ('shop.orders_customer_id_request_key_key'), ('shop.payments_payment_id_key'), ('shop.payments_gateway_gateway_reference_key'),
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
('order_events', '000_append_only_truncate', 'BEFORE TRUNCATE ON shop.order_events FOR EACH STATEMENT EXECUTE FUNCTION order_payment.append_only()');
INSERT INTO expected_trigger
SELECT relation, name, format(definition, relation, function, order_payment.default_graph(type))
FROM (VALUES ('payments', 'payment', 'order_payment.payment_status'::regtype), ('payment_operations', 'operation', 'order_payment.operation_status')) t (relation, function, type),
     LATERAL (VALUES ('zzy_maintain_' || function, 'BEFORE INSERT OR UPDATE ON shop.%s FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_%s()'),
                     ('000_apply_' || function, 'AFTER INSERT OR UPDATE ON shop.%s FOR EACH ROW EXECUTE FUNCTION order_payment.apply_%s()'),
                     ('zzz_guard_status', 'BEFORE INSERT OR UPDATE ON shop.%s FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %3$L, ''stamp'')'),
                     ('zzz_guard_status_birth', 'AFTER INSERT OR DELETE ON shop.%s FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %3$L, ''stamp'')'),
                     ('refuse_delete', 'BEFORE DELETE ON shop.%s FOR EACH ROW EXECUTE FUNCTION order_payment.refuse_delete()'),
                     ('refuse_truncate', 'BEFORE TRUNCATE ON shop.%s FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate()')) d (name, definition);
CREATE TEMP VIEW actual_trigger AS
SELECT c.relname::text AS relation, t.tgname::text AS name, t.tgenabled, regexp_replace(pg_get_triggerdef(t.oid), '^CREATE TRIGGER \S+ ', '') AS definition
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'shop'::regnamespace AND NOT t.tgisinternal;

SELECT bag_eq('SELECT relation, name FROM actual_trigger', 'SELECT relation, name FROM expected_trigger', 'the tables have these triggers and no other');
SELECT is(a.definition, e.definition, format('trigger %s of %s', e.name, e.relation))
FROM expected_trigger e LEFT JOIN actual_trigger a USING (relation, name) ORDER BY e.relation, e.name;
SELECT is_empty($$ SELECT * FROM actual_trigger WHERE tgenabled <> 'O' $$, 'all fire on origin');
SELECT results_eq($$ SELECT to_status FROM order_payment.status_edges('shop.orders', 'status') WHERE from_status IS NULL $$, ARRAY['pending'], 'an order is born pending');
SELECT bag_eq($$ SELECT to_status FROM order_payment.status_edges('shop.payments', 'status') WHERE from_status IS NULL $$, ARRAY['created', 'processing', 'requires_action', 'authorized', 'succeeded'], 'a payment in five ways');
SELECT bag_eq($$ SELECT to_status FROM order_payment.status_edges('shop.payment_operations', 'status') WHERE from_status IS NULL $$, ARRAY['requested', 'processing', 'succeeded'], 'an operation in three');
SELECT bag_eq('SELECT gateway, active FROM shop.gateways', $$ VALUES ('manual', true), ('cod', true) $$, 'gateways that are there from the start');
SELECT is_empty('SELECT * FROM shop.gateway_fees', 'without fees');

-- ---------- verify_store, and other key types ----------

SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'a new store is in order');
SELECT is(has_schema_privilege('public', 'shop', 'USAGE'), false, 'PUBLIC has nothing to do with the schema');

SELECT lives_ok($$ SELECT order_payment.create_store('shop_uuid', owner => 'regress_tap_owner', order_id_type => 'uuid', customer_id_type => 'text', product_id_type => 'integer') $$,
                'a store with other key types');
SELECT is(format_type(a.atttypid, a.atttypmod) || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), ''), e.type, format('%s.%s is %s', e.relation, e.name, e.type))
FROM (VALUES ('orders', 'order_id', 'uuid gen_random_uuid()'), ('orders', 'customer_id', 'text'), ('orders', 'product_id', 'integer'),
             ('order_items', 'order_id', 'uuid'), ('order_items', 'product_id', 'integer'), ('order_events', 'order_id', 'uuid'),
             ('consumer_offsets', 'order_id', 'uuid'), ('payments', 'order_id', 'uuid'), ('payment_operations', 'order_id', 'uuid'), ('orders', 'currency', 'text ''USD''::text')) e (relation, name, type)
JOIN pg_class c ON c.relname = e.relation AND c.relnamespace = 'shop_uuid'::regnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = e.name
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum;
SELECT is(nspowner, 'regress_tap_owner'::regrole::oid, 'create_store() makes the schema for the owner') FROM pg_namespace WHERE nspname = 'shop_uuid';
SELECT is(current_setting('role'), 'none', 'and the role of the caller is what it was');

SELECT * FROM finish();
ROLLBACK;
