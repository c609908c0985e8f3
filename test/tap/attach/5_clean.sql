-- When all is well. Views and functions that still read the old column are named by the error, if there are any.
DROP PROCEDURE backfill_new_status(integer);
DROP FUNCTION fill_new_status();
ALTER TABLE orders DROP COLUMN old_status;
ALTER INDEX orders_new_status_idx RENAME TO orders_status_idx;
