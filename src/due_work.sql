/* ---------- functions on a store: what is due, all of it ---------- */

/*
 * Obligations become rows that claim_requests() takes: refunds that are owed,
 * authorisations that nobody needs, failed payments whose time has come. What
 * needs no gateway is done here: deadlines, and payments that were never sent.
 */
CREATE FUNCTION order_payment.request_due_voids(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := 0;
	task record;
	is_due boolean;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	FOR task IN EXECUTE format('SELECT w.order_id::text AS order_id, w.payment_id FROM %I.open_work w WHERE w.work = ''void_payment''
								ORDER BY w.order_id, w.payment_id LIMIT $1', store) USING batch
	LOOP
		CONTINUE WHEN NOT order_payment.hold_order(task.order_id, NULL, store);
		EXECUTE format('SELECT true FROM %I.open_work w WHERE w.work = ''void_payment'' AND w.order_id = %L AND w.payment_id = $1',
					   store, task.order_id) INTO is_due USING task.payment_id;
		CONTINUE WHEN is_due IS NULL;
		EXECUTE format('INSERT INTO %I.payment_operations (order_id, payment_id, kind, reason) VALUES (%L, $1, ''void'', ''due'')',
					   store, task.order_id) USING task.payment_id;
		n := n + 1;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION order_payment.request_due_voids(integer, name) IS
	'requests voids, with the reason due, of authorisations of orders that are dead or covered, at most batch; returns how many. Orders that another session holds are left for the next call';

/* Nobody has heard of them: there is nothing to ask. */
CREATE FUNCTION order_payment.revoke_unsent(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := 0;
	changed integer;
	task record;
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	FOR task IN EXECUTE format('SELECT w.order_id::text AS order_id, w.payment_id
								FROM %1$I.open_work w
								JOIN %1$I.payments p ON p.order_id = w.order_id AND p.payment_id = w.payment_id
								WHERE w.work = ''revoke_payment'' AND p.status = ''created''
								ORDER BY w.order_id, w.payment_id LIMIT $1', store) USING batch
	LOOP
		CONTINUE WHEN NOT order_payment.hold_order(task.order_id, NULL, store);
		EXECUTE format('UPDATE %I.payments SET status = ''revoked'' WHERE order_id = %L AND payment_id = $1 AND status = ''created''',
					   store, task.order_id) USING task.payment_id;
		GET DIAGNOSTICS changed = ROW_COUNT;
		n := n + changed;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION order_payment.revoke_unsent(integer, name) IS
	'revokes payments that were never sent, of orders that are dead or covered, at most batch; returns how many. Orders that another session holds are left for the next call';

CREATE FUNCTION order_payment.retry_due_payments(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := 0;
	due record;
	code text;
BEGIN
	FOR due IN SELECT d.order_id, d.payment_id FROM order_payment.due_retries(batch, store) d LOOP
		-- nothing is waited for with so much in hand
		CONTINUE WHEN NOT order_payment.hold_order(due.order_id, NULL, store);
		BEGIN
			PERFORM order_payment.retry_payment(due.payment_id, NULL, store);
			n := n + 1;
		EXCEPTION
			WHEN SQLSTATE 'OP005' OR SQLSTATE 'OP006' THEN
				NULL;  -- another payment came in between: due_retries() will settle this one
			WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
				IF order_payment.is_transient(code) THEN
					RAISE;
				END IF;
				-- as when its card cannot be opened any more: the others do not wait for it
				RAISE WARNING 'payment % could not be tried again: %', due.payment_id, sqlerrm USING ERRCODE = code;
		END;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION order_payment.retry_due_payments(integer, name) IS
	'tries failed payments again whose retry_at has come, at most batch: due_retries() and retry_payment() in one; returns how many';

CREATE FUNCTION order_payment.do_due_work(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store(),
										  OUT expired integer, OUT revoked integer, OUT retried integer, OUT refunds integer, OUT voids integer,
										  OUT notifications integer)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	expired := order_payment.expire_orders(batch, store);
	revoked := order_payment.revoke_unsent(batch, store);
	retried := order_payment.retry_due_payments(batch, store);
	SELECT count(*) INTO refunds FROM order_payment.request_due_refunds(batch, store);
	voids := order_payment.request_due_voids(batch, store);
	notifications := order_payment.retry_notifications(batch, store);
END
$$;
COMMENT ON FUNCTION order_payment.do_due_work(integer, name) IS
	'does what time brings, each at most batch: expire_orders(), revoke_unsent(), retry_due_payments(), request_due_refunds(), request_due_voids(), retry_notifications(). For a timer, or the worker';
