-- reveal_log: the budget of a role, told by the function that the background worker runs; the record is append-only
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
BEGIN;
-- what the worker is told, but for what it is about
CREATE FUNCTION pg_temp.charge(who oid, units integer, budget integer) RETURNS boolean
LANGUAGE sql AS $$
SELECT order_payment.record_reveal('reveal', 'number', 7, '\x01', units, budget, who, 'regress_session', '192.0.2.1', 'shop', 4711, '99', 'clerk', 'dispute')
$$;

-- as much as the budget allows, in steps of any size; what does not fit is not charged
SELECT pg_temp.charge(10, 2, 5), pg_temp.charge(10, 4, 5), pg_temp.charge(10, 3, 5), pg_temp.charge(10, 1, 5);
SELECT role, used FROM order_payment.reveal_usage;
-- more at once than there ever is, also by a role that has not used any
SELECT pg_temp.charge(11, 6, 5);
-- another role has a budget of its own
SELECT pg_temp.charge(11, 5, 5), pg_temp.charge(11, 1, 5);
-- a larger one
SELECT pg_temp.charge(11, 1, 6);
-- none, and no limit
SELECT pg_temp.charge(12, 1, 0), pg_temp.charge(10, 1, 0);
SELECT pg_temp.charge(12, 2147483647, -1), pg_temp.charge(12, 2147483647, -1), pg_temp.charge(12, 1, 1000);
SELECT role, used FROM order_payment.reveal_usage ORDER BY role;

-- a new hour begins with nothing; a clock that was set back gives nothing again
SELECT DISTINCT window_start BETWEEN now() - interval '1 hour' AND clock_timestamp() AS this_hour, extract(minute FROM window_start), extract(second FROM window_start)
FROM order_payment.reveal_usage;
UPDATE order_payment.reveal_usage SET window_start = window_start - interval '1 hour' WHERE role = 11;
SELECT pg_temp.charge(11, 7, 6), pg_temp.charge(11, 6, 6), pg_temp.charge(11, 1, 6);
UPDATE order_payment.reveal_usage SET window_start = window_start + interval '5 hours' WHERE role = 11;
SELECT pg_temp.charge(11, 1, 6), pg_temp.charge(11, 1, 7);
SELECT used, window_start > now() + interval '3 hours' AS as_it_was FROM order_payment.reveal_usage WHERE role = 11;

-- each is recorded, what was refused as well
SELECT role = pg_get_userbyid(10) AS of_10, refused, count(*), sum(units) FROM order_payment.reveal_log GROUP BY 1, 2 ORDER BY 1, 2;
SELECT DISTINCT revealed_at BETWEEN now() AND clock_timestamp() AS at_once, session_role, what, field, key_id, bound_to, client_address, application_name,
       backend_pid, xid, actor, reason
FROM order_payment.reveal_log;
-- what the worker does not know
SELECT order_payment.record_reveal('lookup', 'number', 7, NULL, 1, -1, 4294967295, 'x', NULL, NULL, 1, NULL, NULL, NULL);
SELECT role, what, bound_to, client_address, application_name, xid, actor, reason FROM order_payment.reveal_log WHERE what = 'lookup';

-- append-only
SAVEPOINT s;
UPDATE order_payment.reveal_log SET refused = false;
ROLLBACK TO s;
DELETE FROM order_payment.reveal_log;
ROLLBACK TO s;
TRUNCATE order_payment.reveal_log;
ROLLBACK TO s;
SET LOCAL order_payment.allow_history_change = on;
WITH d AS (DELETE FROM order_payment.reveal_log WHERE refused RETURNING *) SELECT count(*) FROM d;
ROLLBACK;
