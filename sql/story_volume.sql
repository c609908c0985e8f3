-- story_volume: statements on many payments at once cost as much a row as those on few
\getenv source PG_ABS_SRCDIR
\set tools :source '/test/story_tools.sql'
\set ECHO none
\i :tools
\set ECHO all

/*
 * Cost is the number of blocks that a statement fetches, of tables and indexes of the store, with all that its triggers do. It is counted by the server, and
 * the same whatever the machine is doing. Eight times the rows may cost at most 1.5 times as much a row.
 */
CREATE TABLE cost (statement text, n integer, met bigint, blocks numeric);

CREATE FUNCTION blocks_fetched() RETURNS numeric LANGUAGE sql AS
$$ SELECT sum(pg_stat_get_xact_blocks_fetched(oid)) FROM pg_class WHERE relnamespace = 'story'::regnamespace AND relkind IN ('r', 'i') AND relname <> 'cost' $$;

CREATE PROCEDURE measure(n integer, name text, statement text) LANGUAGE plpgsql AS $$
DECLARE
	"before" CONSTANT numeric := blocks_fetched();
	met bigint;
BEGIN
	EXECUTE statement;
	GET DIAGNOSTICS met = ROW_COUNT;
	INSERT INTO cost VALUES (name, n, met, blocks_fetched() - "before");
	COMMIT;
END $$;

-- orders first to first + n - 1
CREATE PROCEDURE measure_all(n integer, first bigint) LANGUAGE plpgsql AS $$
DECLARE
	mine CONSTANT text := format('order_id BETWEEN %s AND %s', first, first + n - 1);
BEGIN
	CALL measure(n, 'a: insert orders', format('INSERT INTO orders (order_id) SELECT g FROM generate_series(%s, %s) g', first, first + n - 1));
	CALL measure(n, 'b: insert lines', 'INSERT INTO order_items (order_id, line_no, price) SELECT order_id, 1, 100 FROM orders WHERE ' || mine);
	CALL measure(n, 'c: insert payments', 'INSERT INTO payments (order_id, gateway, amount) SELECT order_id, ''card'', 100 FROM orders WHERE ' || mine);
	CALL measure(n, 'd: payments processing', 'UPDATE payments SET status = ''processing'' WHERE ' || mine);
	CALL measure(n, 'e: payments succeeded', 'UPDATE payments SET status = ''succeeded'' WHERE ' || mine);
	CALL measure(n, 'f: orders shipped', 'UPDATE orders SET status = ''shipped'' WHERE ' || mine);
	CALL measure(n, 'g: refunds of a part', 'INSERT INTO refunds (order_id, payment_id, amount) SELECT order_id, payment_id, 40 FROM payments WHERE ' || mine);
	CALL measure(n, 'h: refunds succeeded', 'UPDATE refunds SET status = ''succeeded'' WHERE ' || mine);
	CALL measure(n, 'i: orders cancelled', 'UPDATE orders SET status = ''cancelled'' WHERE ' || mine);
	CALL measure(n, 'j: insert of what is due', 'INSERT INTO refunds (order_id, payment_id, amount, status) SELECT order_id, payment_id, 60, ''succeeded'' FROM payments WHERE ' || mine);
	CALL measure(n, 'k: chargebacks by upsert', 'INSERT INTO payment_operations (order_id, payment_id, kind, amount, status, gateway_reference) SELECT order_id, payment_id, ''chargeback'', 10, ''succeeded'', ''x'' FROM payments WHERE ' || mine
		|| ' ON CONFLICT (order_id, payment_id, kind, gateway_reference) DO UPDATE SET status = EXCLUDED.status');
	CALL measure(n, 'l: orders settled by hand', format('WITH o AS (INSERT INTO orders (order_id, price) SELECT -g, 100 FROM generate_series(%s, %s) g RETURNING order_id) SELECT FROM o', first, first + n - 1));
	CALL measure(n, 'm: orders settled by hand', format('UPDATE orders SET status = ''paid'' WHERE order_id BETWEEN -%s AND -%s', first + n - 1, first));
END $$;

-- the first round warms up the caches of the session
CALL measure_all(50, 1);
TRUNCATE cost;
CALL measure_all(400, 1001);
CALL measure_all(3200, 10001);
SELECT statement, bool_and(met = n) AS met_all, round(max(blocks / met) / min(blocks / met), 2) <= 1.5 AS linear FROM cost GROUP BY statement ORDER BY statement;
-- a row costs something, so that the comparison is not of nothing
SELECT statement FROM cost WHERE blocks < met;

-- and it is right
SELECT status, total_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount, version, count(*) FROM orders GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1;
SELECT status, gateway, captured_amount, refunded_amount, charged_back_amount, net_amount, count(*) FROM payments GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 2;
SELECT entity, from_status, to_status, count(*) FROM order_events GROUP BY 1, 2, 3 ORDER BY min(version), 1, 3;
SELECT count(*) AS deviations FROM orders o WHERE o.version <> (SELECT count(*) FROM order_events e WHERE e.order_id = o.order_id) OR problems(order_id) IS NOT NULL AND order_id % 100 = 0;

SET client_min_messages = warning;
DROP SCHEMA story CASCADE;
DROP OWNED BY regress_story_owner;
DROP ROLE regress_story_owner, regress_story_app, regress_story_gateway;
