/* ---------- functions on a store: what is due, all of it ---------- */

/*
 * Obligations become rows that claim_requests() takes: refunds that are owed,
 * authorisations that nobody needs, failed payments whose time has come. What
 * needs no gateway is done here: deadlines, and payments that were never sent.
 */
CREATE FUNCTION order_payment.void_due(order_id text, payment_id uuid, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_due boolean;
BEGIN
	EXECUTE format('SELECT true FROM %I.open_work w WHERE w.work = ''void_payment'' AND w.order_id = %L AND w.payment_id = $1',
				   store, order_id) INTO is_due USING payment_id;
	IF is_due THEN
		EXECUTE format('INSERT INTO %I.payment_operations (order_id, payment_id, kind, reason) VALUES (%L, $1, ''void'', ''due'')',
					   store, order_id) USING payment_id;
	END IF;
	RETURN is_due IS NOT NULL;
END
$$;
COMMENT ON FUNCTION order_payment.void_due(text, uuid, name) IS
	'requests the void of an authorisation if it is due; false if it is not. The caller holds the order. Called by request_due_voids()';

/* Nobody has heard of it: there is nothing to ask. */
CREATE FUNCTION order_payment.revoke_due(order_id text, payment_id uuid, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changed integer;
BEGIN
	EXECUTE format('UPDATE %I.payments SET status = ''revoked'' WHERE order_id = %L AND payment_id = $1 AND status = ''created''',
				   store, order_id) USING payment_id;
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed > 0;
END
$$;
COMMENT ON FUNCTION order_payment.revoke_due(text, uuid, name) IS
	'revokes a payment that was never sent; false if it is not so any more. The caller holds the order. Called by revoke_unsent()';

CREATE FUNCTION order_payment.retry_due(order_id text, payment_id uuid, store name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.retry_payment(payment_id, NULL, store);
	RETURN true;
EXCEPTION WHEN SQLSTATE 'OP005' OR SQLSTATE 'OP006' THEN
	RETURN false;  -- another payment came in between: due_retries() will settle this one
END
$$;
COMMENT ON FUNCTION order_payment.retry_due(text, uuid, name) IS
	'tries a failed payment again; false if another one came in between. The caller holds the order. Called by retry_due_payments()';

/* tasks: the text of a query of (order_id, payment_id); step: which of the above */
CREATE FUNCTION order_payment.do_each(tasks text, step regproc, batch integer, store name) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := 0;
	is_done boolean;
	code text;
	task record;
BEGIN
	FOR task IN EXECUTE tasks LOOP
		CONTINUE WHEN NOT order_payment.hold_order(task.order_id, NULL, store);
		BEGIN
			EXECUTE format('SELECT %s($1, $2, $3)', step) INTO is_done USING task.order_id, task.payment_id, store;
			n := n + is_done::integer;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
			IF NOT order_payment.leave_order(task.order_id, code, sqlerrm) THEN
				RAISE;
			END IF;
		END;
		EXIT WHEN n = batch;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION order_payment.do_each(text, regproc, integer, name) IS
	'does one step for each payment that a query returns until it was done batch times, and counts; nothing is waited for, and none keeps another from being done. Called by request_due_voids(), revoke_unsent() and retry_due_payments()';

CREATE FUNCTION order_payment.request_due_voids(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	RETURN order_payment.do_each(format('SELECT w.order_id::text AS order_id, w.payment_id FROM %I.open_work w WHERE w.work = ''void_payment''
										 ORDER BY w.order_id, w.payment_id', store), 'order_payment.void_due', batch, store);
END
$$;
COMMENT ON FUNCTION order_payment.request_due_voids(integer, name) IS
	'requests voids, with the reason due, of authorisations of orders that are dead or covered, at most batch; returns how many. Orders that another session holds are left for the next call';

CREATE FUNCTION order_payment.revoke_unsent(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM order_payment.require_store(store);
	PERFORM order_payment.require_batch(batch);
	RETURN order_payment.do_each(format('SELECT w.order_id::text AS order_id, w.payment_id
										 FROM %1$I.open_work w
										 JOIN %1$I.payments p ON p.order_id = w.order_id AND p.payment_id = w.payment_id
										 WHERE w.work = ''revoke_payment'' AND p.status = ''created''
										 ORDER BY w.order_id, w.payment_id', store), 'order_payment.revoke_due', batch, store);
END
$$;
COMMENT ON FUNCTION order_payment.revoke_unsent(integer, name) IS
	'revokes payments that were never sent, of orders that are dead or covered, at most batch; returns how many. Orders that another session holds are left for the next call';

CREATE FUNCTION order_payment.retry_due_payments(batch integer DEFAULT 100, store name DEFAULT order_payment.current_store())
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN order_payment.do_each(format('SELECT d.order_id, d.payment_id FROM order_payment.due_retries(%L, %L) d', batch, store),
								 'order_payment.retry_due', batch, store);
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
