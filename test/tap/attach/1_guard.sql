-- Which states are there? A row in a state that the graph does not know stays as it is, but can go nowhere.
SELECT status, count(*) FROM orders GROUP BY status ORDER BY status;

-- Guard the column as it is, whatever its type. Readers go on, writers wait for this one statement, no row is read.
SET lock_timeout = '2s';
SELECT order_payment.guard_column('orders', 'status',
    'pending; pending: paid cancelled; paid: shipped cancelled; shipped: completed');
RESET lock_timeout;
