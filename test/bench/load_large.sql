/* A store of :growth_rows orders, as bench_shop but large. */
\set ON_ERROR_STOP on

SELECT order_payment.create_store('bench_large', app_role => 'bench_application', gateway_role => 'bench_gateway', owner => 'bench_owner');
CALL bench.fill_store('bench_large', :growth_rows, true);
VACUUM (FREEZE, ANALYZE) bench_large.orders, bench_large.payments, bench_large.order_events;

/* What goes over a whole store, by the clock; verify_store() must find nothing. */
CREATE PROCEDURE bench.audit(store name) LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
	orders bigint;
	found text;
BEGIN
	EXECUTE format('SELECT count(*) FROM %I.orders', store) INTO orders;
	start := clock_timestamp();
	SELECT string_agg(v::text, ', ') INTO found FROM order_payment.verify_store(store) v;
	IF found IS NOT NULL THEN
		RAISE EXCEPTION 'verify_store() finds %', left(found, 1000);
	END IF;
	INSERT INTO bench.timing VALUES ('audit', 'verify_store()', 1, extract(epoch FROM clock_timestamp() - start), NULL, orders);
	start := clock_timestamp();
	EXECUTE format('SELECT count(*)::text FROM %I.needs_attention', store) INTO found;
	INSERT INTO bench.timing VALUES ('audit', 'needs_attention', 1, extract(epoch FROM clock_timestamp() - start), NULL, orders);
END
$$;

/* Reads the newest orders and what belongs to them, and the index by customer, which new orders hit anywhere. */
CREATE PROCEDURE bench.read_newest(store name, n bigint) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	first bigint;
	rows bigint;
BEGIN
	EXECUTE format('SELECT max(order_id) - %s FROM %I.orders', n, store) INTO first;
	EXECUTE format('SELECT count(o.created_at) FROM %I.orders o WHERE order_id > %s', store, first) INTO rows;
	EXECUTE format('SELECT count(p.created_at) FROM %I.payments p WHERE order_id > %s', store, first) INTO rows;
	EXECUTE format('SELECT count(e.recorded_at) FROM %I.order_events e WHERE order_id > %s', store, first) INTO rows;
	EXECUTE format('SELECT count(*) FROM %I.orders WHERE customer_id > 0', store) INTO rows;
END
$$;
