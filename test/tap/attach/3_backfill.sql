-- The old rows, in batches. Each is a transaction of its own; stop it and call it again at any time.
CREATE PROCEDURE backfill_new_status(batch integer DEFAULT 10000) LANGUAGE plpgsql AS $$
DECLARE
    done bigint := (SELECT min(id) - 1 FROM orders);
    upto bigint;
BEGIN
    LOOP
        SELECT max(id) INTO upto FROM (SELECT id FROM orders WHERE id > done ORDER BY id LIMIT batch) b;
        EXIT WHEN upto IS NULL;
        UPDATE orders SET status = status WHERE id > done AND id <= upto AND new_status IS NULL;
        COMMIT;
        done := upto;
    END LOOP;
END $$;
CALL backfill_new_status();

-- What the swap needs, made before it: the proof that no row is without (read beside writers), the indexes.
ALTER TABLE orders ADD CONSTRAINT new_status_known CHECK (new_status IS NOT NULL) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT new_status_known;
CREATE INDEX CONCURRENTLY orders_new_status_idx ON orders (new_status);
