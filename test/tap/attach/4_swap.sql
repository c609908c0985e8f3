-- The swap: everybody waits for a moment, nothing is read or rewritten. If the lock is not had in time, try again.
BEGIN;
SET LOCAL lock_timeout = '2s';
LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER zzy_fill_new_status ON orders;
DROP TRIGGER zzz_guard_status ON orders;
DROP TRIGGER zzz_guard_status_birth ON orders;
ALTER TABLE orders RENAME COLUMN status TO old_status;
ALTER TABLE orders RENAME COLUMN new_status TO status;
ALTER TABLE orders
    ALTER COLUMN old_status DROP NOT NULL,
    ALTER COLUMN old_status DROP DEFAULT,
    ALTER COLUMN status SET DEFAULT 'pending',
    ALTER COLUMN status SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT new_status_known;
SELECT order_payment.guard_column('orders', 'status');  -- the default graph, or your own
COMMIT;
