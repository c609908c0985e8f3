/* ---------- the amcheck of money ---------- */

/*
 * What a superuser, an owner or a careless restore can do behind the back of
 * the triggers, found by looking at the catalog and at the rows.
 *
 * deviation  a row (problem, table_name, key, column_name, stored, expected):
 *            key is the order, and within it the payment, operation, line or
 *            version, separated by a space; expected is what the other rows
 *            say, or the rule in words
 *
 * verify_objects, verify_triggers    tables, views, constraints, indexes, triggers
 * verify_links, verify_values        foreign keys and CHECKs once more, by the rows
 * verify_orders, verify_payments     amounts and forced states, from the rows below
 * verify_history                     versions, chains of events, stamps
 *
 * A query reads whole tables, once each, by hash or sort: its time grows with
 * the rows, and RETURN QUERY lets it use parallel workers. All queries of one
 * call see the same snapshot, for the functions are STABLE.
 */

/*
 * What create_store() makes, by name. layout: of a store in one place (a key
 * across orders, which a partitioned table cannot have), of one that is spread,
 * or NULL: of both.
 */
CREATE FUNCTION order_payment.store_objects()
	RETURNS TABLE (table_name name, kind text, object_name name, layout text)
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT w.table_name, w.kind, o.name,
		   CASE WHEN o.name IN ('orders_customer_id_request_key_key', 'orders_guest_request_key_idx', 'payments_payment_id_key',
								'payments_gateway_gateway_reference_key', 'payment_operations_operation_id_key') THEN 'one place'
				WHEN o.name IN ('orders_request_key_check', 'orders_customer_id_idx', 'payments_payment_id_idx',
								'payments_reference_idx', 'payments_order_id_gateway_reference_key',
								'payment_operations_operation_id_idx') THEN 'spread' END
	FROM (VALUES
		('orders'::name, 'constraint', '{orders_pkey, orders_customer_id_request_key_key, orders_request_key_check,
			orders_money_check}'::name[]),
		('orders', 'index', '{orders_guest_request_key_idx, orders_customer_id_idx, orders_unpaid_idx, orders_refund_due_idx}'),
		('order_items', 'constraint', '{order_items_pkey, order_items_order_id_fkey,
			order_items_kind_check, order_items_quantity_check, order_items_price_check}'),
		('order_events', 'constraint', '{order_events_pkey, order_events_order_id_fkey}'),
		('order_events', 'index', '{order_events_xid_idx}'),
		('event_consumers', 'constraint', '{event_consumers_pkey}'),
		('consumer_offsets', 'constraint', '{consumer_offsets_pkey, consumer_offsets_order_id_fkey,
			consumer_offsets_consumer_fkey}'),
		('gateways', 'constraint', '{gateways_pkey, gateways_gateway_check,
			gateways_minor_unit_exponents_check, gateways_retry_schedule_check,
			gateways_password_methods_check, gateways_protocol_check, gateways_endpoint_check,
			gateways_notify_url_check, gateways_sign_type_check, gateways_notification_tolerance_check,
			gateways_request_options_check, gateways_request_timeout_check, gateways_max_in_flight_check,
			gateways_max_per_second_check, gateways_query_schedule_check}'),
		('webhook_subscribers', 'constraint', '{webhook_subscribers_pkey, webhook_subscribers_subscriber_fkey,
			webhook_subscribers_subscriber_check, webhook_subscribers_events_check, webhook_subscribers_retry_schedule_check}'),
		('webhook_deliveries', 'constraint', '{webhook_deliveries_pkey, webhook_deliveries_subscriber_fkey,
			webhook_deliveries_state_check}'),
		('webhook_deliveries', 'index', '{webhook_deliveries_open_idx}'),
		('gateway_requests', 'constraint', '{gateway_requests_pkey, gateway_requests_state_check}'),
		('gateway_requests', 'index', '{gateway_requests_claimed_idx, gateway_requests_target_idx,
			gateway_requests_settled_idx, gateway_requests_claimed_at_idx, gateway_requests_trouble_idx}'),
		('gateway_sender', 'constraint', '{gateway_sender_pkey, gateway_sender_is_only_check}'),
		('gateway_notifications', 'constraint', '{gateway_notifications_pkey, gateway_notifications_gateway_fkey,
			gateway_notifications_outcome_check}'),
		('gateway_notifications', 'index', '{gateway_notifications_open_idx, gateway_notifications_payment_id_idx}'),
		('gateway_rejections', 'constraint', '{gateway_rejections_pkey, gateway_rejections_gateway_fkey}'),
		('gateway_fees', 'constraint', '{gateway_fees_pkey, gateway_fees_gateway_fkey,
			gateway_fees_currency_check, gateway_fees_rate_check, gateway_fees_fixed_check}'),
		('gateway_secrets', 'constraint', '{gateway_secrets_pkey, gateway_secrets_gateway_fkey,
			gateway_secrets_kind_check, gateway_secrets_valid_until_check}'),
		('payments', 'constraint', '{payments_pkey, payments_payment_id_key, payments_order_id_gateway_reference_key,
			payments_gateway_gateway_reference_key, payments_order_id_request_key_key,
			payments_order_id_fkey, payments_gateway_fkey, payments_retry_of_fkey,
			payments_money_check, payments_card_check}'),
		('payments', 'index', '{payments_one_live_attempt_idx, payments_authorized_idx,
			payments_live_idx, payments_retry_at_idx, payments_card_fingerprint_idx, payments_period_idx,
			payments_payment_id_idx, payments_reference_idx}'),
		('used_card_tokens', 'constraint', '{used_card_tokens_pkey}'),
		('payment_operations', 'constraint', '{payment_operations_pkey,
			payment_operations_operation_id_key, payment_operations_reference_key,
			payment_operations_order_id_request_key_key, payment_operations_order_id_fkey,
			payment_operations_payment_id_fkey, payment_operations_kind_check,
			payment_operations_amount_check, payment_operations_fee_check,
			payment_operations_obligatory_amount_check, payment_operations_attempt_no_check,
			payment_operations_reversed_check}'),
		('payment_operations', 'index', '{payment_operations_open_idx, payment_operations_retry_at_idx,
			payment_operations_gateway_reference_idx, payment_operations_operation_id_idx}'),
		('payment_passwords', 'constraint', '{payment_passwords_pkey}'),
		('payment_password_attempts', 'constraint', '{payment_password_attempts_pkey,
			payment_password_attempts_used_check}'),
		('settlement_lines', 'constraint', '{settlement_lines_pkey, settlement_lines_gateway_fkey,
			settlement_lines_line_no_check, settlement_lines_kind_check, settlement_lines_amount_check,
			settlement_lines_amount_sign_check, settlement_lines_fee_check}'),
		('settlement_lines', 'index', '{settlement_lines_number_idx, settlement_lines_reference_idx,
			settlement_lines_settled_on_idx}'),
		(NULL, 'view', '{refunds, settlement_facts, settlement_matches, order_overview, payment_overview,
			open_work, needs_attention, daily_settlement, gateway_success}')
	) w (table_name, kind, names)
	CROSS JOIN LATERAL unnest(w.names) o (name);
END;
COMMENT ON FUNCTION order_payment.store_objects() IS
	'views that create_store() makes, and its tables with their constraints and indexes; for verify_store()';

CREATE FUNCTION order_payment.verify_objects(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH relation AS (
		SELECT c.oid, c.relname, c.relkind, order_payment.is_spread(store) AS is_spread,
			   EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = c.oid AND p.partstrat = 'r') AS is_in_ranges
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = store AND c.relkind IN ('r', 'p', 'f', 'v')
	)
	SELECT w.kind || ' missing', w.object_name::text, NULL::text, NULL::text, NULL::text, 'upgrade_store() makes it'
	FROM (SELECT DISTINCT 'table', o.table_name FROM order_payment.store_objects() o WHERE o.table_name IS NOT NULL
		  UNION ALL
		  SELECT o.kind, o.object_name FROM order_payment.store_objects() o WHERE o.kind = 'view') w (kind, object_name)
	WHERE NOT EXISTS (SELECT FROM relation r WHERE r.relname = w.object_name AND (r.relkind = 'v') = (w.kind = 'view'))
	UNION ALL
	SELECT w.kind || CASE WHEN k.oid IS NULL AND i.indexrelid IS NULL THEN ' missing' ELSE ' not in force' END,
		   w.table_name::text, NULL, w.object_name::text, NULL, NULL
	FROM order_payment.store_objects() w
	JOIN relation r ON r.relname = w.table_name AND r.relkind <> 'v'
	LEFT JOIN pg_constraint k
		ON k.conrelid = r.oid AND k.conname = w.object_name AND w.kind = 'constraint'
	LEFT JOIN (pg_index i JOIN pg_class c ON c.oid = i.indexrelid)
		ON i.indrelid = r.oid AND c.relname = w.object_name
	WHERE CASE w.layout WHEN 'one place' THEN NOT r.is_spread AND r.relkind <> 'p' WHEN 'spread' THEN r.is_spread ELSE true END
	  AND NOT (w.object_name = 'payments_retry_of_fkey' AND r.is_in_ranges)
	  AND NOT (CASE w.kind
			WHEN 'constraint' THEN k.oid IS NOT NULL AND k.convalidated
				-- a column of PostgreSQL 18 and later
				AND coalesce((to_jsonb(k.*) ->> 'conenforced')::boolean, true)
				AND NOT EXISTS (SELECT FROM pg_trigger t
								WHERE t.tgconstraint = k.oid AND t.tgenabled NOT IN ('O', 'A'))
			ELSE i.indexrelid IS NOT NULL END
			AND coalesce(i.indisvalid AND i.indisready AND i.indislive, true))
	UNION ALL
	-- columns that everything else relies on
	SELECT 'column may be null', r.relname::text, NULL, a.attname::text, NULL, 'NOT NULL'
	FROM relation r
	JOIN (VALUES
		('orders'::name, '{order_id, currency, status, item_count, authorized_amount, paid_amount,
			refunded_amount, charged_back_amount, refund_due_amount, version, created_at}'::name[]),
		('order_items', '{order_id, line_no, kind, quantity, price, amount}'),
		('order_events', '{order_id, version, event_id, entity, to_status, actor, session_role,
			recorded_at, xid}'),
		('payments', '{order_id, payment_id, gateway, amount, currency, split, status,
			authorized_amount, capture_pending_amount, captured_amount, refund_pending_amount,
			refunded_amount, charged_back_amount, fee, created_at}'),
		('payment_operations', '{order_id, operation_id, payment_id, kind, amount, currency, fee,
			obligatory_amount, status, created_at}')
	) w (table_name, columns) ON w.table_name = r.relname
	JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = ANY (w.columns) AND NOT a.attisdropped
	WHERE NOT a.attnotnull
	UNION ALL
	SELECT 'inheriting table without triggers', r.relname::text, NULL, NULL, i.inhrelid::regclass::text, NULL
	FROM pg_inherits i
	JOIN relation r ON r.oid = i.inhparent AND r.relkind = 'r'
	WHERE r.relname IN ('orders', 'order_items', 'order_events', 'payments', 'payment_operations');
END;
COMMENT ON FUNCTION order_payment.verify_objects(name) IS
	'tables, views, constraints and indexes of a store that are missing or not in force, and tables that inherit past the triggers; part of verify_store()';

/* The numbers are pg_trigger.tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate. */
CREATE FUNCTION order_payment.verify_triggers(store name)
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'trigger missing, disabled or changed', w.relation, NULL, NULL,
		   (SELECT concat_ws(' ', CASE t.tgenabled WHEN 'D' THEN 'disabled:' WHEN 'R' THEN 'replica only:' END,
							 pg_get_triggerdef(t.oid))
			FROM pg_trigger t WHERE t.tgrelid = r.oid AND t.tgname = w.trigger),
		   w.trigger
	FROM (VALUES ('orders', 'zzy_maintain_order', 'maintain_order', 1 + 2 + 4 + 16),
				 ('orders', 'zzz_guard_status', 'enforce_transition', 1 + 2 + 4 + 16),
				 ('orders', 'zzz_guard_status_birth', 'enforce_transition', 1 + 4 + 8),
				 ('orders', '000_record_event_insert', 'record_event', 1 + 4),
				 ('orders', '000_record_event_update', 'record_event', 1 + 16),
				 ('orders', 'refuse_truncate', 'refuse_truncate', 2 + 32),
				 ('order_items', '000_follow_items', 'follow_items', 1 + 4 + 8 + 16),
				 ('order_items', 'refuse_truncate', 'refuse_truncate', 2 + 32),
				 ('order_events', '000_append_only', 'append_only', 1 + 2 + 4 + 8 + 16),
				 ('order_events', '000_append_only_truncate', 'append_only', 2 + 32),
				 ('payments', '000_assign_id', 'assign_id', 1 + 2 + 4),
				 ('payments', '000_protect_card', 'protect_card', 1 + 2 + 4 + 16),
				 ('payments', 'zzy_maintain_payment', 'maintain_payment', 1 + 2 + 4 + 16),
				 ('payments', 'zzz_guard_status', 'enforce_transition', 1 + 2 + 4 + 16),
				 ('payments', 'zzz_guard_status_birth', 'enforce_transition', 1 + 4 + 8),
				 ('payments', '000_apply_payment', 'apply_payment', 1 + 4 + 16),
				 ('payments', 'refuse_delete', 'refuse_delete', 1 + 2 + 8),
				 ('payments', 'refuse_truncate', 'refuse_truncate', 2 + 32),
				 ('payment_operations', '000_assign_id', 'assign_id', 1 + 2 + 4),
				 ('payment_operations', 'zzy_maintain_operation', 'maintain_operation', 1 + 2 + 4 + 16),
				 ('payment_operations', 'zzz_guard_status', 'enforce_transition', 1 + 2 + 4 + 16),
				 ('payment_operations', 'zzz_guard_status_birth', 'enforce_transition', 1 + 4 + 8),
				 ('payment_operations', '000_apply_operation', 'apply_operation', 1 + 4 + 16),
				 ('payment_operations', 'refuse_delete', 'refuse_delete', 1 + 2 + 8),
				 ('payment_operations', 'refuse_truncate', 'refuse_truncate', 2 + 32)
		 ) w (relation, trigger, function, type)
	JOIN pg_namespace n ON n.nspname = store
	JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = w.relation
	WHERE (w.function <> 'assign_id' OR order_payment.is_spread(store)) AND NOT EXISTS (
		SELECT FROM pg_trigger t
		WHERE t.tgrelid = r.oid AND r.relhastriggers AND t.tgname = w.trigger
		  AND t.tgenabled IN ('O', 'A') AND t.tgtype = w.type AND t.tgattr = '' AND NOT t.tgdeferrable
		  AND t.tgfoid = ('order_payment.' || w.function)::regproc
		  AND (w.function <> 'enforce_transition' OR t.tgargs LIKE '\x73746174757300'::bytea || '%'::bytea)  -- column status
		  AND t.tgqual IS NULL);
END;
COMMENT ON FUNCTION order_payment.verify_triggers(name) IS
	'triggers of a store that are missing, disabled or changed; part of verify_store()';

CREATE FUNCTION order_payment.verify_store(store name DEFAULT order_payment.current_store())
	RETURNS TABLE (problem text, table_name text, key text, column_name text, stored text, expected text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	RETURN QUERY SELECT * FROM order_payment.verify_objects(store);
	IF EXISTS (SELECT FROM order_payment.verify_objects(store) o WHERE o.problem = 'table missing') THEN
		RETURN;  -- nothing can be compared
	END IF;
	RETURN QUERY SELECT * FROM order_payment.verify_triggers(store);
	RETURN QUERY SELECT * FROM order_payment.verify_links(store);
	RETURN QUERY SELECT * FROM order_payment.verify_values(store);
	RETURN QUERY SELECT * FROM order_payment.verify_orders(store);
	RETURN QUERY SELECT * FROM order_payment.verify_payments(store);
	RETURN QUERY SELECT * FROM order_payment.verify_history(store);
	RETURN QUERY SELECT * FROM order_payment.verify_cards(store);
	RETURN QUERY SELECT * FROM order_payment.verify_secrets(store);
END
$$;
COMMENT ON FUNCTION order_payment.verify_store(name) IS
	'recomputes every amount, counter, state, link, stamp and chain of events of a store from its rows, opens every sealed card and every secret of a gateway, and looks for tables, constraints, indexes and triggers that are missing, disabled, changed or gone around; one row a deviation, none if all is well. Reads the whole store, in parallel where the server allows it';
