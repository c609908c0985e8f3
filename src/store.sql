/* ---------- stores ---------- */

CREATE FUNCTION order_payment.create_store(
		store name,
		default_currency text DEFAULT 'USD',
		app_role name DEFAULT NULL,
		gateway_role name DEFAULT NULL,
		owner name DEFAULT NULL,
		order_id_type regtype DEFAULT 'bigint',
		customer_id_type regtype DEFAULT 'bigint',
		product_id_type regtype DEFAULT 'bigint',
		partitions integer DEFAULT 0,
		orders_per_partition bigint DEFAULT NULL,
		distribution_ready boolean DEFAULT false)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller CONSTANT text := current_setting('role');
	partition_by text;
	taken text;
BEGIN
	IF store IS NULL OR default_currency IS NULL OR order_id_type IS NULL OR customer_id_type IS NULL OR product_id_type IS NULL
	   OR partitions IS NULL OR distribution_ready IS NULL THEN
		RAISE EXCEPTION 'the name of a store, its currency, the types of its keys and its layout may not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF order_payment.currency_exponent(default_currency) IS NULL THEN  -- an unknown code raises
		RAISE EXCEPTION 'currency % has no minor unit', default_currency
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Nothing can be paid in it: use another one.';
	END IF;
	partition_by := order_payment.partition_clause(partitions, orders_per_partition, order_id_type);
	SELECT c.relname INTO taken
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = store
	  AND c.relname IN ('orders', 'order_items', 'order_events', 'event_consumers', 'consumer_offsets',
						'gateways', 'gateway_fees', 'gateway_notifications', 'gateway_rejections', 'gateway_requests', 'gateway_sender',
						'gateway_secrets', 'payments', 'used_card_tokens', 'payment_operations', 'refunds',
						'payment_passwords', 'payment_password_attempts',
						'settlement_lines', 'settlement_facts', 'settlement_matches', 'webhook_subscribers', 'webhook_deliveries',
						'order_overview', 'payment_overview', 'open_work', 'needs_attention',
						'daily_settlement', 'gateway_success', 'gateway_worker_status')
	ORDER BY c.relname <> 'orders', c.relname LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'schema "%" has a relation "%" already', store, taken
			USING ERRCODE = 'duplicate_table',
				  HINT = 'Make the store in another schema. To guard a table that you have, call order_payment.guard_column().';
	END IF;

	PERFORM order_payment.let_protect(coalesce(owner, current_user));
	IF to_regnamespace(quote_ident(store)) IS NULL THEN
		EXECUTE format('CREATE SCHEMA %I', store)
			|| CASE WHEN owner IS NULL THEN '' ELSE format(' AUTHORIZATION %I', owner) END;
	END IF;
	IF owner IS NOT NULL THEN
		PERFORM set_config('role', owner, true);
	END IF;
	IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RAISE WARNING 'the store "%" is owned by a superuser', store
			USING DETAIL = 'Its triggers write history and totals with the rights of its owner.',
				  HINT = 'Give an owner that is no superuser: create_store(..., owner => ...).';
	END IF;

	PERFORM order_payment.create_order_tables(store, default_currency, order_id_type, customer_id_type, product_id_type, partition_by);
	PERFORM order_payment.create_gateway_tables(store, order_id_type, partition_by);
	PERFORM order_payment.create_payment_tables(store, order_id_type, partition_by);
	PERFORM order_payment.create_password_tables(store, customer_id_type);
	PERFORM order_payment.create_secret_tables(store);
	PERFORM order_payment.create_settlement_tables(store);
	PERFORM order_payment.create_webhook_tables(store, order_id_type, partition_by);
	IF partitions > 0 OR distribution_ready THEN
		PERFORM order_payment.spread_store(store, order_id_type);
	ELSE
		PERFORM order_payment.add_keys_across_orders(store);
	END IF;
	IF orders_per_partition IS NULL THEN  -- others are detached by and by, which this key would forbid
		EXECUTE format('ALTER TABLE %1$I.payments ADD CONSTRAINT payments_retry_of_fkey
							FOREIGN KEY (order_id, retry_of) REFERENCES %1$I.payments', store);
	END IF;
	PERFORM order_payment.create_slices(store, partitions, orders_per_partition);
	PERFORM order_payment.create_views(store);
	PERFORM order_payment.create_gateway_views(store);
	PERFORM order_payment.grant_store(store, app_role, gateway_role);

	IF owner IS NOT NULL THEN
		PERFORM set_config('role', caller, true);
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.create_store(name, text, name, name, name, regtype, regtype, regtype, integer, bigint, boolean) IS
	'makes a store: a schema, if it is not there yet, with orders, payments, their history and their triggers, as ordinary tables of owner (NULL: the caller). app_role is granted what an application needs, gateway_role what records the outcomes of payments; neither deletes nor writes history. Key types: any with a btree; order_id is an identity if it is an integer, random if it is a uuid. partitions: in how many partitions orders, and all that belongs to them, are laid, by hash of order_id, or by ranges of orders_per_partition (integers from 1 on; add_partitions() makes more, archive_orders() puts old ones aside). distribution_ready: as Citus and its like need it. Both do without keys across orders';

/*
 * Rights are whole tables, so that SELECT *, RETURNING * and programs that
 * name every column work; triggers refuse what a role may not write. Who
 * records outcomes is known by a privilege on the columns status: an owner may
 * grant it to further roles, and it is dumped with the tables.
 */
CREATE FUNCTION order_payment.grant_store(store name, app_role name, gateway_role name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	grantee name;
	order_ids CONSTANT text := pg_get_serial_sequence(format('%I.orders', store), 'order_id');
BEGIN
	FOREACH grantee IN ARRAY array_remove(ARRAY[app_role, nullif(gateway_role, app_role)], NULL) LOOP
		EXECUTE format($ddl$

GRANT USAGE ON SCHEMA %1$I TO %2$I;
GRANT SELECT, INSERT, UPDATE ON %1$I.orders, %1$I.payments, %1$I.payment_operations, %1$I.refunds TO %2$I;
GRANT SELECT, INSERT, UPDATE, DELETE ON %1$I.order_items TO %2$I;
GRANT SELECT ON %1$I.order_events, %1$I.gateways, %1$I.gateway_fees, %1$I.gateway_rejections, %1$I.gateway_sender TO %2$I;
GRANT SELECT (order_id, request_id, gateway, work, payment_id, operation_id, state, claimed_at, claimed_by, timeline, lease_until,
			  settled_at, http_status, outcome, reason) ON %1$I.gateway_requests TO %2$I;
GRANT SELECT (gateway, event_id, event_type, outcome, reason, payment_reference, order_id, payment_id, operation_id, deliveries,
			  attempts, received_at, last_received_at, applied_at) ON %1$I.gateway_notifications TO %2$I;
GRANT SELECT (gateway, kind, secret_id, key_name, valid_from, valid_until, created_at) ON %1$I.gateway_secrets TO %2$I;
GRANT SELECT ON %1$I.order_overview, %1$I.payment_overview, %1$I.open_work, %1$I.needs_attention,
	%1$I.daily_settlement, %1$I.gateway_success, %1$I.gateway_worker_status,
	%1$I.settlement_lines, %1$I.settlement_facts, %1$I.settlement_matches,
	%1$I.webhook_subscribers, %1$I.webhook_deliveries TO %2$I;
GRANT SELECT (customer_id, set_at), INSERT (customer_id) ON %1$I.payment_passwords TO %2$I;
GRANT SELECT, INSERT, UPDATE ON %1$I.event_consumers, %1$I.consumer_offsets TO %2$I;

		$ddl$, store, grantee);
		IF order_ids IS NOT NULL THEN
			-- for currval(), by which some drivers ask for a generated key
			EXECUTE format('GRANT SELECT ON SEQUENCE %s TO %I', order_ids, grantee);
		END IF;
	END LOOP;
	IF gateway_role IS NOT NULL THEN
		EXECUTE format('GRANT UPDATE (status) ON %1$I.payments, %1$I.payment_operations TO %2$I', store, gateway_role);
		EXECUTE format('GRANT INSERT ON %1$I.settlement_lines TO %2$I', store, gateway_role);
		EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %1$I.gateway_notifications, %1$I.gateway_requests TO %2$I', store, gateway_role);
		EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %1$I.webhook_deliveries TO %2$I', store, gateway_role);
		EXECUTE format('GRANT UPDATE (active) ON %1$I.webhook_subscribers TO %2$I', store, gateway_role);
		EXECUTE format('GRANT INSERT, UPDATE ON %1$I.gateway_rejections, %1$I.gateway_sender TO %2$I', store, gateway_role);
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.grant_store(name, name, name) IS
	'grants the roles of an application and of a gateway what they need in a store. Called by create_store()';
