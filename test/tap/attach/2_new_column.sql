-- A second column, empty (no rewrite), and a trigger that fills it in every row that is written from here on.
BEGIN;
SET LOCAL lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN new_status order_payment.order_status;
CREATE FUNCTION fill_new_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.new_status := NEW.status::text::order_payment.order_status;  -- other labels: a CASE
    RETURN NEW;
END $$;
-- zzy: after the triggers that you have, which may change the state, and before the guard
CREATE TRIGGER zzy_fill_new_status BEFORE INSERT OR UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION fill_new_status();
COMMIT;
