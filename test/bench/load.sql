/* The tables that the bench reads and changes, of :rows rows. */
\set ON_ERROR_STOP on

/* A narrow table, where a trigger weighs most; it has no index. */
CREATE TABLE bench.narrow (id bigint, status order_payment.order_status);
INSERT INTO bench.narrow SELECT i, 'pending' FROM generate_series(1, :rows) i;

/* The same labels in both types, in the same order. */
CREATE TYPE bench.status_enum AS ENUM
	('expired', 'cancelled', 'pending', 'authorized', 'paid', 'shipped', 'completed', 'refunded');
CREATE TABLE bench.as_enum (status bench.status_enum);
CREATE TABLE bench.as_status (status order_payment.order_status);
INSERT INTO bench.as_enum SELECT (enum_range(NULL::bench.status_enum))[1 + abs(hashint8(i)) % 8] FROM generate_series(1, :rows) i;
INSERT INTO bench.as_status SELECT status::text::order_payment.order_status FROM bench.as_enum;
CREATE TABLE bench.to_enum (LIKE bench.as_enum);
CREATE TABLE bench.to_status (LIKE bench.as_status);

/*
 * Stores with orders, each with the event of its birth, loaded without triggers: that is not what is timed here. bench_store
 * is for large statements, bench_shop for pgbench; so are its copies, which rivals.sql makes. Those are no empty tables,
 * for a plan that is made for an empty table reads all of it.
 */
CREATE PROCEDURE bench.fill_store(store name, n bigint) LANGUAGE plpgsql SET session_replication_role = replica AS $$
BEGIN
	EXECUTE format($fill$
		INSERT INTO %1$I.orders (customer_id, product_id, quantity, price, total_amount, version, created_at)
		SELECT 1 + i / 10, 1 + i %% 1000, 2, 9.99, 19.98, 1, now() FROM generate_series(1, %2$s) i;
		INSERT INTO %1$I.order_events (order_id, version, event_id, entity, to_status, actor, session_role, recorded_at, xid)
		SELECT order_id, 1, gen_random_uuid(), 'order', 'pending', 'bench', 'bench', created_at, pg_current_xact_id()
		FROM %1$I.orders;
	$fill$, store, n);
END
$$;
SELECT order_payment.create_store('bench_store', app_role => 'bench_application', owner => 'bench_owner');
SELECT order_payment.create_store('bench_shop', app_role => 'bench_application', owner => 'bench_owner');
CALL bench.fill_store('bench_store', :rows);
CALL bench.fill_store('bench_shop', least(:rows, 100000));
