-- A store whose payments the worker sends: :url is the gateway's, :secret_blob is made by the caller.
SET client_min_messages = warning;
SELECT order_payment.create_store('bench_sending', owner => 'bench_owner', gateway_role => 'bench_gateway');
GRANT bench_gateway TO bench_worker;
INSERT INTO bench_sending.gateways (gateway, protocol, endpoint, bare_success, max_in_flight)
VALUES ('bench', 'json', :'url', true, 64);

-- Orders with a payment each, all sent after one COMMIT.
CREATE PROCEDURE bench.pay(n integer) LANGUAGE sql AS $$
	WITH made AS (
		INSERT INTO bench_sending.orders (customer_id, product_id, quantity, price)
		SELECT 1, 1, 1, 10 FROM generate_series(1, n) RETURNING order_id, total_amount)
	INSERT INTO bench_sending.payments (order_id, gateway, amount) SELECT order_id, 'bench', total_amount FROM made;
$$;
