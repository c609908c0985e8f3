/* ---------- stores of earlier releases ---------- */

/*
 * What a store looks like is said once, in create_store(). So upgrade_store()
 * makes a new store in a schema that lives for one transaction, the pattern,
 * and gives the old store what it lacks, compared with the pattern.
 *
 * added or replaced  tables, columns, NOT NULL, constraints, indexes,
 *                    triggers, views, comments
 * dropped            triggers of ours that go by another name now, and
 *                    constraints that earlier releases made
 * kept               whatever the pattern knows nothing of: columns, indexes,
 *                    constraints and triggers of users; and what users may
 *                    choose: types and defaults of columns that are there,
 *                    the graphs of the guards, rights on tables that are there
 *
 * A new table is not made, but moved over from the pattern, with its indexes,
 * constraints, triggers, comments and rights.
 */

/* The pattern: of the same key types, with the rights of the roles that have rights in the store. */
CREATE FUNCTION order_payment.make_pattern(store name, pattern name, owner name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller CONSTANT text := current_setting('role');
	orders CONSTANT regclass := format('%I.orders', store)::regclass;
	grantee record;
BEGIN
	PERFORM order_payment.create_store(pattern, owner => make_pattern.owner,
		order_id_type => coalesce(max(a.atttypid) FILTER (WHERE a.attname = 'order_id'), 'bigint'::regtype)::regtype,
		customer_id_type => coalesce(max(a.atttypid) FILTER (WHERE a.attname = 'customer_id'), 'bigint'::regtype)::regtype,
		product_id_type => coalesce(max(a.atttypid) FILTER (WHERE a.attname = 'product_id'), 'bigint'::regtype)::regtype,
		partitions => 0, distribution_ready => order_payment.is_spread(store))
	FROM pg_attribute a WHERE a.attrelid = orders AND NOT a.attisdropped;

	PERFORM set_config('role', owner, true);
	FOR grantee IN
		SELECT DISTINCT pg_get_userbyid(x.grantee) AS app, NULL::name AS gateway
		FROM pg_class c, aclexplode(c.relacl) x
		WHERE c.oid = orders AND x.privilege_type = 'INSERT' AND x.grantee NOT IN (0, c.relowner)
		UNION ALL
		SELECT NULL, pg_get_userbyid(x.grantee)
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x
		WHERE a.attrelid = to_regclass(format('%I.payments', store)) AND a.attname = 'status' AND x.privilege_type = 'UPDATE'
		  AND x.grantee NOT IN (0, c.relowner)
	LOOP
		PERFORM order_payment.grant_store(pattern, grantee.app, grantee.gateway);
	END LOOP;
	PERFORM set_config('role', caller, true);
END
$$;
COMMENT ON FUNCTION order_payment.make_pattern(name, name, name) IS
	'makes an empty store like another one, as this release would make it; for upgrade_store()';

/* A table or view that users have made by a name which a later release has taken. */
CREATE FUNCTION order_payment.refuse_namesake(store name, pattern name) RETURNS void
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	taken name;
BEGIN
	SELECT t.relname INTO taken
	FROM order_payment.store_relations(store, pattern) t
	JOIN pg_class c ON c.relname = t.relname AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
	JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = store
	WHERE CASE
		WHEN t.theirs IS NULL OR (t.relkind = 'v') <> (c.relkind = 'v') THEN true
		WHEN t.relkind = 'v' THEN obj_description(c.oid, 'pg_class') IS NULL  -- ours have a comment
		WHEN EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.ours AND NOT g.tgisinternal)
			THEN NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_trigger o ON o.tgfoid = g.tgfoid
							 WHERE g.tgrelid = t.ours AND o.tgrelid = c.oid AND NOT g.tgisinternal)
		ELSE NOT EXISTS (SELECT FROM pg_constraint g JOIN pg_constraint o ON o.conname = g.conname
						 WHERE g.conrelid = t.ours AND o.conrelid = c.oid AND g.contype = 'p'
						   AND pg_get_constraintdef(g.oid) = pg_get_constraintdef(o.oid))
		END
	ORDER BY t.ours LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'schema "%" has a relation "%" of its own', store, taken
			USING ERRCODE = 'duplicate_table', HINT = 'Rename it: the store is to have one by that name.';
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.refuse_namesake(name, name) IS
	'raises 42P07 if a schema has a table or view which is none of a store''s, by the name of one; for upgrade_store()';

/*
 * Columns of a user's by the names that cards have now. One of another type
 * would make every payment fail; and clear numbers must not stay, nor is it for
 * an upgrade to seal them: where they were, they are in WAL, backups and dead rows.
 */
CREATE FUNCTION order_payment.refuse_clear_cards(store name, pattern name) RETURNS void
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	hint CONSTANT text := 'Rename it, and upgrade the store. UPDATE payments SET card_number = the renamed column then seals what is to be kept; drop that column, and VACUUM FULL the table.';
	unsuited record;
	has_clear boolean;
BEGIN
	SELECT o.attname, format_type(o.atttypid, o.atttypmod) AS type, o.attgenerated <> '' AS is_generated INTO unsuited
	FROM order_payment.store_relations(store, pattern) t
	JOIN pg_attribute g ON g.attrelid = t.ours AND g.attname LIKE 'card\_%' AND NOT g.attisdropped
	JOIN pg_attribute o ON o.attrelid = t.theirs AND o.attname = g.attname AND NOT o.attisdropped
	WHERE t.relname = 'payments'
	  AND (o.attgenerated <> '' OR o.atttypid <> g.atttypid AND NOT (
			g.atttypid = 'text'::regtype AND o.atttypid = 'varchar'::regtype AND (o.atttypmod < 0 OR o.atttypmod >= 20)))
	ORDER BY g.attnum LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'column "%" of table "%" cannot hold what the store keeps of a card', unsuited.attname, store || '.payments'
			USING ERRCODE = 'datatype_mismatch', HINT = hint,
				  DETAIL = CASE WHEN unsuited.is_generated THEN 'It is generated.' ELSE format('It is of type %s.', unsuited.type) END;
	END IF;
	FOR unsuited IN
		SELECT o.attname, c.is_clear
		FROM (VALUES ('card_number', 'NOT order_payment.is_card_mask(card_number)'),
					 ('card_holder', $cond$right(card_holder, 3) <> '***'$cond$),
					 ('card_expiry', $cond$card_expiry <> '**/**'$cond$)) c (attname, is_clear)
		JOIN pg_attribute o ON o.attrelid = to_regclass(format('%I.payments', store)) AND o.attname = c.attname AND NOT o.attisdropped
		ORDER BY o.attnum
	LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM %I.payments WHERE %s)', store, unsuited.is_clear) INTO has_clear;
		IF has_clear THEN
			RAISE EXCEPTION 'column "%" of table "%" holds values in clear', unsuited.attname, store || '.payments'
				USING ERRCODE = 'check_violation', HINT = hint, DETAIL = 'The store keeps a mask there, and beside it what is sealed.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.refuse_clear_cards(name, name) IS
	'raises if users have made columns for cards in payments by the names of the store''s, of other types or with values in clear; for upgrade_store()';

/*
 * From child to parent, as statements of applications do. A transaction that
 * wrote an order and comes to a payment goes the other way: one of the two is
 * told of a deadlock, and may try again.
 */
CREATE FUNCTION order_payment.lock_store(store name, pattern name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE (
		SELECT format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', string_agg(
			format('%I.%I', store, t.relname), ', '
			ORDER BY array_position('{payment_operations, payments, order_items, event_consumers, consumer_offsets,
									  orders, order_events}'::name[], t.relname) NULLS FIRST, t.relname))
		FROM order_payment.store_relations(store, pattern) t
		WHERE t.relkind = 'r' AND t.theirs IS NOT NULL);
END
$$;
COMMENT ON FUNCTION order_payment.lock_store(name, name) IS
	'locks the tables of a store against everybody until the transaction ends; for upgrade_store()';

/*
 * Opening balances: a store from before there were payments says by its
 * statuses alone what was paid. What it says of now is booked, as when a shop
 * begins to keep books; the past is left as it is.
 *
 * paid, completed, shipped after it was paid   the total is held: a payment on
 *                      the gateway manual, succeeded when the order was paid
 * authorized, shipped without being paid       the total is authorised, and to
 *                      be captured: a payment on manual, authorized
 * cancelled, expired, refunded                 nothing. Whether something went
 *                      back is not known; a payment would be owed back, and
 *                      paid once more by request_due_refunds()
 *
 * No trigger fires, not even a user's: nothing has happened, it is only
 * written down. Each payment has its event, marked opening_balance.
 */
CREATE FUNCTION order_payment.book_opening_balances(store name) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	booked bigint;
	enable text;
BEGIN
	SELECT string_agg(format('ALTER TABLE %s ENABLE %sTRIGGER %I', t.tgrelid::regclass,
							 CASE t.tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, t.tgname), '; ')
	INTO enable
	FROM pg_trigger t
	JOIN pg_class c ON c.oid = t.tgrelid
	JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = store AND c.relname IN ('orders', 'order_events', 'payments')
	  AND NOT t.tgisinternal AND t.tgenabled <> 'D';
	EXECUTE format('ALTER TABLE %1$I.payments DISABLE TRIGGER USER;
					ALTER TABLE %1$I.orders DISABLE TRIGGER USER;
					ALTER TABLE %1$I.order_events DISABLE TRIGGER USER', store);

	EXECUTE format($sql$

INSERT INTO %1$I.payments (order_id, gateway, amount, currency, status, authorized_amount, captured_amount, fee,
						   occurred_at, created_at, authorized_at, succeeded_at)
SELECT o.order_id, 'manual', o.total_amount, o.currency,
	   CASE WHEN b.is_paid THEN 'succeeded' ELSE 'authorized' END::order_payment.payment_status,
	   CASE WHEN b.is_paid THEN 0 ELSE o.total_amount END, CASE WHEN b.is_paid THEN o.total_amount ELSE 0 END, 0,
	   t.at, t.at, CASE WHEN NOT b.is_paid THEN t.at END, CASE WHEN b.is_paid THEN t.at END
FROM %1$I.orders o
CROSS JOIN LATERAL (SELECT o.status IN ('paid', 'completed') OR (o.status = 'shipped' AND o.paid_at IS NOT NULL)) b (is_paid)
CROSS JOIN LATERAL (SELECT CASE WHEN b.is_paid THEN coalesce(o.paid_at, o.completed_at, o.created_at)
								ELSE coalesce(o.authorized_at, o.created_at) END) t (at)
WHERE o.status IN ('authorized', 'paid', 'shipped', 'completed') AND o.total_amount > 0

	$sql$, store);
	GET DIAGNOSTICS booked = ROW_COUNT;

	EXECUTE format($sql$

UPDATE %1$I.orders o
SET paid_amount = p.captured_amount, authorized_amount = p.authorized_amount, version = o.version + 1,
	paid_at = coalesce(o.paid_at, p.succeeded_at)
FROM %1$I.payments p WHERE p.order_id = o.order_id

	$sql$, store);

	EXECUTE format($sql$

INSERT INTO %1$I.order_events (order_id, version, event_id, entity, entity_id, to_status, amount, actor, session_role,
							   reason, detail, recorded_at, xid)
SELECT o.order_id, o.version, gen_random_uuid(), 'payment', p.payment_id, p.status::text, p.amount,
	   coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
	   coalesce(nullif(current_setting('order_payment.reason', true), ''), 'opening balance'), '{"opening_balance": true}',
	   clock_timestamp(), pg_current_xact_id()
FROM %1$I.payments p JOIN %1$I.orders o ON o.order_id = p.order_id

	$sql$, store);
	EXECUTE enable;
	RETURN booked;
END
$$;
COMMENT ON FUNCTION order_payment.book_opening_balances(name) IS
	'books a payment for each order of before there were payments that is authorized, paid, shipped or completed. Called once, by upgrade_store()';

CREATE FUNCTION order_payment.upgrade_store(store name DEFAULT order_payment.current_store()) RETURNS SETOF text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	pattern CONSTANT name := 'order_payment_upgrade_' || pg_current_xact_id();
	caller CONSTANT text := current_setting('role');
	messages CONSTANT text := current_setting('client_min_messages');
	owner name;
	has_payments boolean;
	to_do record;
BEGIN
	PERFORM order_payment.require_store(store);
	SELECT pg_get_userbyid(c.relowner) INTO owner
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = store AND c.relname = 'orders';
	IF NOT has_database_privilege(current_database(), 'CREATE') THEN
		RAISE EXCEPTION 'permission denied to upgrade the store "%"', store
			USING ERRCODE = 'insufficient_privilege', DETAIL = 'For a while it needs a schema of its own.',
				  HINT = format('Call it as a role that may create schemas in this database and SET ROLE to "%s", the owner of the store.', owner);
	END IF;

	PERFORM set_config('client_min_messages', 'error', true);
	PERFORM order_payment.make_pattern(store, pattern, owner);
	PERFORM set_config('role', owner, true);
	-- one upgrade at a time; everybody else goes on until there is something to do
	EXECUTE format('LOCK TABLE %I.orders IN SHARE UPDATE EXCLUSIVE MODE', store);
	PERFORM order_payment.refuse_namesake(store, pattern);
	IF EXISTS (SELECT FROM order_payment.store_differences(store, pattern)) THEN
		PERFORM order_payment.lock_store(store, pattern);
		PERFORM order_payment.refuse_clear_cards(store, pattern);
		has_payments := to_regclass(format('%I.payments', store)) IS NOT NULL;
		SELECT array_agg(d.step ORDER BY d.step, d.n) AS step, array_agg(d.done ORDER BY d.step, d.n) AS done,
			   array_agg(d.command ORDER BY d.step, d.n) AS command
		INTO to_do
		FROM order_payment.store_differences(store, pattern) WITH ORDINALITY d (step, done, command, n);
		FOR i IN 1 .. cardinality(to_do.command) LOOP
			IF NOT has_payments AND to_do.step[i] >= 40 THEN  -- before the constraints that ask for them
				RETURN NEXT format('%s opening balances booked', order_payment.book_opening_balances(store));
				has_payments := true;
			END IF;
			EXECUTE to_do.command[i];
			IF to_do.done[i] IS NOT NULL THEN
				RETURN NEXT to_do.done[i];
			END IF;
		END LOOP;
		PERFORM order_payment.check_protection(format('%I.payments', store)::regclass);
	END IF;
	EXECUTE format('DROP SCHEMA %I CASCADE', pattern);
	PERFORM set_config('role', caller, true);
	PERFORM set_config('client_min_messages', messages, true);
END
$$;
COMMENT ON FUNCTION order_payment.upgrade_store(name) IS
	'brings a store to what create_store() of this release makes, and returns what it did; nothing if there was nothing to do. What users added stays, so do the graphs of the guards, types and defaults of columns, and rights. All or nothing: if there is something to do, nobody reads or writes the store until the transaction ends. Orders of before there were payments get opening balances. Call verify_store() afterwards';
