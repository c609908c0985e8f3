/* ---------- where the rows of a store lie ---------- */

/*
 * layout		how the rows of a store's orders are laid out
 * one place	a table each, so that an index sees all rows of it
 * spread		the rows of one order are together, but no index sees those of
 *				two: orders lie in partitions, or a system such as Citus may lay
 *				them on several nodes
 * slice		the partitions of one range of order_id, or of one hash, one in
 *				each table: what belongs to some orders
 *
 * In one place keys across orders are unique. A spread store does without them:
 *
 * - orders: a request_key comes with the order_id that follows from it, so that
 *   the primary key sees the repetition
 * - payments and operations: the server makes the number, which is random; who
 *   records outcomes may bring one (adoption, import)
 * - references of gateways are unique within an order; two orders may have the
 *   same, and then a notification of it is a conflict
 */
CREATE FUNCTION order_payment.assign_id() RETURNS trigger
	AS 'MODULE_PATHNAME', 'op_assign_id' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION order_payment.assign_id() IS
	'trigger function that makes the value of a column of type uuid, named by its argument, and refuses one that is given (OP003), but by a role that may record outcomes. For stores that no unique index sees as a whole';

/*
 * UUIDv8 (RFC 9562): 122 bits of SHA-256. The lengths keep ('1', '23') and
 * ('12', '3') apart, and a guest from a customer without a name.
 */
CREATE FUNCTION order_payment.order_id_for(customer_id text, request_key text) RETURNS uuid
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT encode(set_byte(set_byte(d.digest, 6, get_byte(d.digest, 6) & 15 | 128), 8, get_byte(d.digest, 8) & 63 | 128), 'hex')::uuid
	FROM (
		SELECT substring(sha256(convert_to('order_payment order_id ' || coalesce(length(customer_id)::text, 'guest') || ' '
										   || coalesce(customer_id, '') || ' ' || request_key, 'UTF8')) FOR 16)) d (digest);
END;
COMMENT ON FUNCTION order_payment.order_id_for(text, text) IS
	'the order_id of the order that this customer (NULL: a guest) places by this request_key: a UUID that follows from the two. For stores in partitions or on several nodes, where a repetition is found by order_id; NULL without request_key';

CREATE FUNCTION order_payment.order_id_for(customer_id anynonarray, request_key text) RETURNS uuid
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT order_payment.order_id_for($1::text, $2)
$$;
COMMENT ON FUNCTION order_payment.order_id_for(anynonarray, text) IS
	'the order_id of the order that this customer places by this request_key: see order_id_for(text, text)';

/* From child to parent. */
CREATE FUNCTION order_payment.sliced_tables() RETURNS name[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT '{webhook_deliveries, consumer_offsets, gateway_requests, used_card_tokens, payment_operations, payments,
			 order_items, order_events, orders}'::name[];
END;
COMMENT ON FUNCTION order_payment.sliced_tables() IS
	'the tables of a store whose rows belong to one order each, children before parents';

CREATE FUNCTION order_payment.is_spread(store name) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM pg_constraint k
				   WHERE (k.conrelid, k.conname) IN (
						(to_regclass(format('%I.orders', store)), 'orders_request_key_check'),
						(to_regclass(format('%I.payments', store)), 'payments_order_id_gateway_reference_key')));
END;
COMMENT ON FUNCTION order_payment.is_spread(name) IS
	'was this store made by create_store(..., partitions => n) or distribution_ready?';

/* ---------- called by create_store() as the owner of the store to be ---------- */

CREATE FUNCTION order_payment.add_keys_across_orders(store name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

ALTER TABLE %1$I.orders ADD CONSTRAINT orders_customer_id_request_key_key UNIQUE (customer_id, request_key);
-- of guests the key above says nothing, for NULL equals nothing
CREATE UNIQUE INDEX orders_guest_request_key_idx ON %1$I.orders (request_key)
	WHERE customer_id IS NULL AND request_key IS NOT NULL;
ALTER TABLE %1$I.payments
	ADD CONSTRAINT payments_payment_id_key UNIQUE (payment_id),
	ADD CONSTRAINT payments_gateway_gateway_reference_key UNIQUE (gateway, gateway_reference);
ALTER TABLE %1$I.payment_operations ADD CONSTRAINT payment_operations_operation_id_key UNIQUE (operation_id);

	$ddl$, store);
END
$$;
COMMENT ON FUNCTION order_payment.add_keys_across_orders(name) IS
	'gives a store in one place its keys across orders. Called by create_store()';

CREATE FUNCTION order_payment.spread_store(store name, order_id_type regtype) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

ALTER TABLE %1$I.orders ADD CONSTRAINT orders_request_key_check CHECK (%2$s);
CREATE INDEX orders_customer_id_idx ON %1$I.orders (customer_id);
CREATE INDEX payments_payment_id_idx ON %1$I.payments (payment_id);
CREATE INDEX payments_reference_idx ON %1$I.payments (gateway, gateway_reference);
ALTER TABLE %1$I.payments ADD CONSTRAINT payments_order_id_gateway_reference_key UNIQUE (order_id, gateway, gateway_reference);
CREATE INDEX payment_operations_operation_id_idx ON %1$I.payment_operations (operation_id);

	$ddl$, store, CASE WHEN order_id_type = 'uuid'::regtype
					   THEN 'request_key IS NULL OR order_id = order_payment.order_id_for(customer_id::text, request_key)'
					   ELSE 'request_key IS NULL' END);
	PERFORM order_payment.assign_numbers(store);
END
$$;
COMMENT ON FUNCTION order_payment.spread_store(name, regtype) IS
	'gives a store whose orders no index sees as a whole what stands for keys across orders. Called by create_store()';

CREATE FUNCTION order_payment.assign_numbers(store name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($ddl$

-- before the trigger that binds a card to the number
ALTER TABLE %1$I.payments ALTER COLUMN payment_id DROP DEFAULT;
CREATE TRIGGER "000_assign_id" BEFORE INSERT ON %1$I.payments
	FOR EACH ROW EXECUTE FUNCTION order_payment.assign_id('payment_id');
ALTER TABLE %1$I.payment_operations ALTER COLUMN operation_id DROP DEFAULT;
CREATE TRIGGER "000_assign_id" BEFORE INSERT ON %1$I.payment_operations
	FOR EACH ROW EXECUTE FUNCTION order_payment.assign_id('operation_id');

	$ddl$, store);
END
$$;
COMMENT ON FUNCTION order_payment.assign_numbers(name) IS
	'lets the server make the numbers of payments and operations in a store. Called by spread_store()';

/* ---------- slices ---------- */

/* A statement trigger is not inherited. */
CREATE FUNCTION order_payment.refuse_truncate_of(part regclass, whole regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	definition text;
BEGIN
	FOR definition IN
		SELECT replace(pg_get_triggerdef(t.oid), format(' ON %s ', whole), format(' ON %s ', part))
		FROM pg_trigger t
		WHERE t.tgrelid = whole AND NOT t.tgisinternal AND t.tgtype & 1 = 0
		  AND NOT EXISTS (SELECT FROM pg_trigger p WHERE p.tgrelid = part AND p.tgname = t.tgname)
	LOOP
		EXECUTE definition;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.refuse_truncate_of(regclass, regclass) IS
	'gives a partition the statement triggers of its table. Called by add_slice()';

/* An error tells the name of an index: it is to be known by it. */
CREATE FUNCTION order_payment.name_indexes(part regclass, slice text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('ALTER INDEX %s RENAME TO %I', i.indexrelid::regclass, w.relname || '_' || slice)
		FROM pg_index i
		JOIN pg_inherits h ON h.inhrelid = i.indexrelid
		JOIN pg_class w ON w.oid = h.inhparent
		JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = part AND c.relname <> (w.relname || '_' || slice)::name
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.name_indexes(regclass, text) IS
	'names the indexes of a partition after those of its table: <index>_<slice>. Called by add_slice()';

CREATE FUNCTION order_payment.add_slice(store name, slice text, bounds text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tables CONSTANT name[] := order_payment.sliced_tables();
BEGIN
	FOR i IN REVERSE cardinality(tables) .. 1 LOOP
		EXECUTE format('CREATE TABLE %1$I.%2$I PARTITION OF %1$I.%3$I %4$s', store, tables[i] || '_' || slice, tables[i], bounds);
		PERFORM order_payment.name_indexes(format('%I.%I', store, tables[i] || '_' || slice)::regclass, slice);
		PERFORM order_payment.refuse_truncate_of(format('%I.%I', store, tables[i] || '_' || slice)::regclass,
												 format('%I.%I', store, tables[i])::regclass);
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.add_slice(name, text, text) IS
	'makes a partition of each table of a store whose rows belong to orders: <table>_<slice>. Called by create_store() and add_partitions()';

/* What follows each table: PARTITION BY ..., or nothing. */
CREATE FUNCTION order_payment.partition_clause(partitions integer, orders_per_partition bigint, order_id_type regtype) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF partitions NOT BETWEEN 0 AND 1000 THEN
		RAISE EXCEPTION 'a store has 0 to 1000 partitions, not %', partitions
			USING ERRCODE = 'invalid_parameter_value', HINT = '0 is a store without partitions.';
	ELSIF orders_per_partition IS NOT NULL AND (partitions = 0 OR orders_per_partition < 1) THEN
		RAISE EXCEPTION 'partitions of % orders cannot be made', orders_per_partition
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give partitions => 12, orders_per_partition => 1000000 for twelve partitions of a million orders each.';
	ELSIF orders_per_partition IS NOT NULL AND order_id_type NOT IN ('integer'::regtype, 'bigint'::regtype) THEN
		RAISE EXCEPTION 'orders whose key is of type % have no ranges', order_id_type
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave orders_per_partition out to lay them by hash.';
	END IF;
	RETURN CASE WHEN partitions = 0 THEN '' WHEN orders_per_partition IS NULL THEN 'PARTITION BY HASH (order_id)'
				ELSE 'PARTITION BY RANGE (order_id)' END;
END
$$;
COMMENT ON FUNCTION order_payment.partition_clause(integer, bigint, regtype) IS
	'how the tables of a store are partitioned, as CREATE TABLE says it; 22023 if they cannot be. Called by create_store()';

CREATE FUNCTION order_payment.add_range_slices(store name, first bigint, width bigint, slices integer) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	FOR i IN 0 .. slices - 1 LOOP
		PERFORM order_payment.add_slice(store, 'p' || first + i * width,
										format('FOR VALUES FROM (%s) TO (%s)', first + i * width, first + (i + 1) * width));
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.add_range_slices(name, bigint, bigint, integer) IS
	'makes slices for so many ranges of order_id, one after the other. Called by create_store() and add_partitions()';

CREATE FUNCTION order_payment.create_slices(store name, partitions integer, orders_per_partition bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF partitions = 0 THEN
		RETURN;
	ELSIF orders_per_partition IS NULL THEN
		FOR i IN 0 .. partitions - 1 LOOP
			PERFORM order_payment.add_slice(store, 'p' || i, format('FOR VALUES WITH (MODULUS %s, REMAINDER %s)', partitions, i));
		END LOOP;
	ELSE
		PERFORM order_payment.add_range_slices(store, 1, orders_per_partition, partitions);
		-- no sale is refused because nobody has thought of the next partition
		PERFORM order_payment.add_slice(store, 'rest', 'DEFAULT');
	END IF;
END
$$;
COMMENT ON FUNCTION order_payment.create_slices(name, integer, bigint) IS
	'makes the partitions of a new store. Called by create_store()';

/* ---------- slices that come and go ---------- */

CREATE FUNCTION order_payment.slices(store name)
	RETURNS TABLE (table_name name, part regclass, bounds text, first bigint, beyond bigint)
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT t.name, i.inhrelid::regclass, b.bounds, substring(b.bounds FROM 'FROM \(''?(-?[0-9]+)')::bigint,
		   substring(b.bounds FROM 'TO \(''?(-?[0-9]+)')::bigint
	FROM unnest(order_payment.sliced_tables()) t (name)
	JOIN pg_partitioned_table p ON p.partrelid = to_regclass(format('%I.%I', store, t.name)) AND p.partstrat = 'r'
	JOIN pg_inherits i ON i.inhparent = p.partrelid
	JOIN pg_class c ON c.oid = i.inhrelid
	CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid)) b (bounds);
END;
COMMENT ON FUNCTION order_payment.slices(name) IS
	'the partitions of a store in ranges: first is the lowest order_id of each, beyond the first one after it; both are NULL for what has no partition of its own. Empty for any other store';

CREATE FUNCTION order_payment.require_ranges(store name) RETURNS name
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner name;
BEGIN
	PERFORM order_payment.require_store(store);
	IF NOT EXISTS (SELECT FROM order_payment.slices(store)) THEN
		RAISE EXCEPTION 'the store "%" does not lie in ranges of order_id', store
			USING ERRCODE = 'wrong_object_type', HINT = 'Stores that do are made by create_store(..., partitions => n, orders_per_partition => m).';
	END IF;
	SELECT pg_get_userbyid(c.relowner) INTO owner FROM pg_class c WHERE c.oid = format('%I.orders', store)::regclass;
	IF NOT pg_has_role(owner, 'USAGE') THEN  -- who logged in may be a superuser all the same
		RAISE EXCEPTION 'must be owner of the store "%"', store
			USING ERRCODE = 'insufficient_privilege', HINT = format('Call it as "%s", or as a superuser.', owner);
	END IF;
	RETURN owner;
END
$$;
COMMENT ON FUNCTION order_payment.require_ranges(name) IS
	'the owner of a store in ranges of order_id; 42809 if it is none, 42501 if the caller is not the owner. For add_partitions() and archive_orders()';

/* From child to parent, as statements of applications do. */
CREATE FUNCTION order_payment.lock_slices(store name) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE (SELECT format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', string_agg(format('%I.%I', store, t.name), ', ' ORDER BY t.n))
			 FROM unnest(order_payment.sliced_tables()) WITH ORDINALITY t (name, n));
END
$$;
COMMENT ON FUNCTION order_payment.lock_slices(name) IS
	'locks the tables of a store whose rows belong to orders. Called by add_partitions() and archive_orders()';

/* No foreign key goes out of it afterwards. */
CREATE FUNCTION order_payment.detach_slice(store name, slice_bounds text) RETURNS SETOF regclass
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	slice record;
	key name;
BEGIN
	FOR slice IN
		SELECT s.table_name, s.part FROM order_payment.slices(store) s WHERE s.bounds = slice_bounds
		ORDER BY array_position(order_payment.sliced_tables(), s.table_name)
	LOOP
		EXECUTE format('ALTER TABLE %I.%I DETACH PARTITION %s', store, slice.table_name, slice.part);
		FOR key IN
			SELECT k.conname FROM pg_constraint k WHERE k.conrelid = slice.part AND k.contype = 'f' AND k.conparentid = 0
		LOOP
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', slice.part, key);
		END LOOP;
		RETURN NEXT slice.part;
	END LOOP;
END
$$;
COMMENT ON FUNCTION order_payment.detach_slice(name, text) IS
	'makes the partitions with these bounds tables of their own, children before parents. Called by add_partitions() and archive_orders()';

/* Orders came that no partition was made for: what holds them becomes one. */
CREATE FUNCTION order_payment.settle_rest(store name, first bigint, width bigint) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tables CONSTANT name[] := order_payment.sliced_tables();
	parts regclass[];
	last bigint;
	beyond bigint;
BEGIN
	EXECUTE format('SELECT max(o.order_id) FROM %s o', (
		SELECT s.part FROM order_payment.slices(store) s WHERE s.table_name = 'orders' AND s.bounds = 'DEFAULT')) INTO last;
	IF last IS NULL THEN
		RETURN first;
	END IF;
	beyond := first + width * ((last - first) / width + 1);
	parts := ARRAY(SELECT order_payment.detach_slice(store, 'DEFAULT'));
	FOR i IN REVERSE cardinality(tables) .. 1 LOOP
		EXECUTE format('ALTER TABLE %s RENAME TO %I', parts[i], tables[i] || '_p' || first);
		EXECUTE format('ALTER TABLE %1$I.%2$I ATTACH PARTITION %3$s FOR VALUES FROM (%4$s) TO (%5$s)',
					   store, tables[i], parts[i], first, beyond);
		PERFORM order_payment.name_indexes(parts[i], 'p' || first);
	END LOOP;
	PERFORM order_payment.add_slice(store, 'rest', 'DEFAULT');
	RETURN beyond;
END
$$;
COMMENT ON FUNCTION order_payment.settle_rest(name, bigint, bigint) IS
	'makes what holds orders without a partition one of their own, and returns the first order_id after it. Called by add_partitions()';

CREATE FUNCTION order_payment.add_partitions(partitions integer, store name DEFAULT order_payment.current_store()) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller CONSTANT text := current_setting('role');
	owner CONSTANT name := order_payment.require_ranges(store);
	newest record;
BEGIN
	IF partitions IS NULL OR partitions < 0 THEN
		RAISE EXCEPTION '% partitions cannot be added', coalesce(partitions::text, 'null')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a number from 0 on.';
	END IF;
	PERFORM set_config('role', owner, true);
	PERFORM order_payment.lock_slices(store);
	SELECT s.beyond, s.beyond - s.first AS width INTO newest
	FROM order_payment.slices(store) s WHERE s.table_name = 'orders' AND s.beyond IS NOT NULL ORDER BY s.beyond DESC LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the store "%" has no partition to go on from', store
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'At least one stays: archive_orders() leaves the newest.';
	END IF;
	PERFORM order_payment.add_range_slices(store, order_payment.settle_rest(store, newest.beyond, newest.width), newest.width, partitions);
	PERFORM set_config('role', caller, true);
END
$$;
COMMENT ON FUNCTION order_payment.add_partitions(integer, name) IS
	'makes so many more partitions of a store in ranges of order_id, each as wide as the newest; orders that came without one get it. For the owner, now and then. It locks the store while it runs: briefly, unless such orders are many. 42809 if the store does not lie in ranges';
