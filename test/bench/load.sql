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
 * Stores with orders, payments and their whole history, loaded without triggers: that is not what is timed here. bench_store
 * is for large statements: its orders wait for their payments. bench_shop is for pgbench: its orders are completed; so are
 * those of its copies, which by_hand.sql makes, and of bench_large. None of them is an empty table, for a plan that is made
 * for an empty table reads all of it.
 */
CREATE PROCEDURE bench.fill_store(store name, n bigint, is_completed boolean)
LANGUAGE plpgsql SET session_replication_role = replica AS $$
BEGIN
	EXECUTE format($fill$
		INSERT INTO %1$I.gateways (gateway) VALUES ('stripe') ON CONFLICT DO NOTHING;
		INSERT INTO %1$I.gateway_fees (gateway, currency, rate, fixed) VALUES ('stripe', 'USD', 0.029, 0.30) ON CONFLICT DO NOTHING;

		INSERT INTO %1$I.orders (customer_id, product_id, quantity, price, total_amount, status, paid_amount, version,
								 created_at, paid_at, shipped_at, completed_at)
		SELECT 1 + i / 10, 1 + i %% 1000, 2, 9.99, 19.98, CASE WHEN %3$L THEN 'completed' ELSE 'pending' END::order_payment.order_status,
			   CASE WHEN %3$L THEN 19.98 ELSE 0 END, CASE WHEN %3$L THEN 6 ELSE 2 END,
			   now(), stamp, stamp, stamp
		FROM generate_series(1, %2$s) i, (SELECT CASE WHEN %3$L THEN now() END AS stamp) s;

		INSERT INTO %1$I.payments (order_id, gateway, amount, currency, fee, status, captured_amount, created_at, succeeded_at)
		SELECT order_id, 'stripe', 19.98, 'USD', 0.88, CASE WHEN %3$L THEN 'succeeded' ELSE 'created' END::order_payment.payment_status,
			   paid_amount, created_at, paid_at
		FROM %1$I.orders;

		INSERT INTO %1$I.order_events (order_id, version, event_id, entity, entity_id, from_status, to_status, amount,
									   actor, session_role, recorded_at, xid)
		SELECT p.order_id, e.version, gen_random_uuid(), e.entity, CASE e.entity WHEN 'payment' THEN p.payment_id END,
			   e.from_status, e.to_status, CASE e.entity WHEN 'payment' THEN p.amount END,
			   'bench', 'bench', p.created_at, pg_current_xact_id()
		FROM %1$I.payments p, (VALUES
			(1, 'order', NULL, 'pending'),
			(2, 'payment', NULL, 'created'),
			(3, 'payment', 'created', 'succeeded'),
			(4, 'order', 'pending', 'paid'),
			(5, 'order', 'paid', 'shipped'),
			(6, 'order', 'shipped', 'completed')) e (version, entity, from_status, to_status)
		WHERE e.version <= CASE WHEN %3$L THEN 6 ELSE 2 END;
	$fill$, store, n, is_completed);
END
$$;
SELECT order_payment.create_store('bench_store', app_role => 'bench_application', gateway_role => 'bench_gateway', owner => 'bench_owner');
SELECT order_payment.create_store('bench_shop', app_role => 'bench_application', gateway_role => 'bench_gateway', owner => 'bench_owner');
CALL bench.fill_store('bench_store', :rows, false);
CALL bench.fill_store('bench_shop', least(:rows, 100000), true);
