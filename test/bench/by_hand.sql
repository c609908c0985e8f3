/*
 * The rivals of a store: copies of its tables, with the same columns, types, indexes, primary and foreign keys.
 *
 * bench_bare     no triggers and no CHECKs: the client computes and writes totals, counters and times; there is no history.
 * bench_by_hand  the CHECKs as well, and triggers in PL/pgSQL with the guarantees of a store: moves, derived columns, totals,
 *                counters under the order's lock, surplus, fees, frozen totals, roles, and a history that is numbered
 *                without gaps. Written to be fast: one SELECT ... FOR NO KEY UPDATE, one UPDATE and one INSERT an effect,
 *                and none of it where nothing changed.
 *
 * What bench_by_hand leaves out, so that it is rather too fast: settlement by hand, lines, captures by operations, voids and
 * chargebacks, ON CONFLICT DO UPDATE, moves between partitions, refusals with their own SQLSTATE and hints. Its derived columns
 * are open to any trigger, for it goes by pg_trigger_depth(); and its names are fixed.
 */
\set ON_ERROR_STOP on

CREATE PROCEDURE bench.copy_store(copy name) LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	EXECUTE format('CREATE SCHEMA %I', copy);
	FOR c IN SELECT relname FROM pg_class WHERE relnamespace = 'bench_shop'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE bench_shop.%2$I INCLUDING ALL)', copy, c.relname);
	END LOOP;
	FOR c IN SELECT conname, conrelid::regclass::text AS relation, pg_get_constraintdef(oid) AS definition FROM pg_constraint
			 WHERE connamespace = 'bench_shop'::regnamespace AND contype = 'f' LOOP
		EXECUTE replace(format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.relation, c.conname, c.definition),
						'bench_shop.', quote_ident(copy) || '.');
	END LOOP;
	EXECUTE format('GRANT USAGE ON SCHEMA %I TO bench_application', copy);
	EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %1$I.orders, %1$I.payments, %1$I.payment_operations TO bench_application', copy);
	EXECUTE format('GRANT SELECT ON %1$I.gateways, %1$I.gateway_fees TO bench_application', copy);
END
$$;

CREATE PROCEDURE bench.drop_checks(store name) LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT conname, conrelid::regclass AS relation FROM pg_constraint
			 WHERE connamespace = to_regnamespace(store) AND contype = 'c' LOOP
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.relation, c.conname);
	END LOOP;
END
$$;

CREATE PROCEDURE bench.drop_triggers(store name, pattern text DEFAULT '%') LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT tgname, tgrelid::regclass AS relation FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
			 WHERE c.relnamespace = to_regnamespace(store) AND NOT tgisinternal AND tgname LIKE pattern LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.relation);
	END LOOP;
END
$$;

/* Triggers in PL/pgSQL, on tables of a store that have none. */
CREATE PROCEDURE bench.by_hand(store name) LANGUAGE plpgsql AS $procedure$
BEGIN
	EXECUTE replace($triggers$

CREATE FUNCTION THE_STORE.new_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.status <> 'pending' THEN
		RAISE EXCEPTION 'a new row may not be "%"', NEW.status;
	END IF;
	IF NEW.version <> 0 OR NEW.item_count <> 0 OR NEW.authorized_amount <> 0 OR NEW.paid_amount <> 0
	   OR NEW.refunded_amount <> 0 OR NEW.charged_back_amount <> 0 OR NEW.refund_due_amount <> 0
	   OR num_nonnulls(NEW.total_amount, NEW.created_at, NEW.authorized_at, NEW.paid_at, NEW.shipped_at,
					   NEW.completed_at, NEW.cancelled_at, NEW.expired_at, NEW.refunded_at) > 0 THEN
		RAISE EXCEPTION 'a column is kept by the server';
	END IF;
	NEW.total_amount := NEW.quantity * NEW.price;
	NEW.created_at := clock_timestamp();
	NEW.version := 1;
	RETURN NEW;
END
$$;

CREATE FUNCTION THE_STORE.order_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	held numeric;
	outstanding numeric;
	forbidden boolean;
BEGIN
	IF NEW.order_id <> OLD.order_id THEN
		RAISE EXCEPTION 'the key of an order never changes';
	END IF;
	-- at depth 1 it is a statement of somebody, deeper an effect of ours
	IF pg_trigger_depth() = 1 THEN
		IF (NEW.version, NEW.item_count, NEW.total_amount, NEW.authorized_amount, NEW.paid_amount, NEW.refunded_amount,
			NEW.charged_back_amount, NEW.refund_due_amount, NEW.created_at, NEW.authorized_at, NEW.paid_at, NEW.shipped_at,
			NEW.completed_at, NEW.cancelled_at, NEW.expired_at, NEW.refunded_at)
		   IS DISTINCT FROM
		   (OLD.version, OLD.item_count, OLD.total_amount, OLD.authorized_amount, OLD.paid_amount, OLD.refunded_amount,
			OLD.charged_back_amount, OLD.refund_due_amount, OLD.created_at, OLD.authorized_at, OLD.paid_at, OLD.shipped_at,
			OLD.completed_at, OLD.cancelled_at, OLD.expired_at, OLD.refunded_at) THEN
			RAISE EXCEPTION 'a column is kept by the server';
		END IF;
		IF (NEW.quantity, NEW.price, NEW.currency) IS DISTINCT FROM (OLD.quantity, OLD.price, OLD.currency) THEN
			IF NEW.item_count = 0 THEN
				NEW.total_amount := NEW.quantity * NEW.price;
			END IF;
			IF OLD.total_amount IS NOT NULL
			   AND (OLD.status <> 'pending' OR OLD.paid_amount - OLD.refunded_amount - OLD.charged_back_amount <> 0
					OR EXISTS (SELECT FROM THE_STORE.payments p WHERE p.order_id = OLD.order_id AND p.status <= 'authorized')) THEN
				RAISE EXCEPTION 'total and currency of an order are frozen';
			END IF;
		END IF;
	END IF;
	IF NEW.status <> OLD.status THEN
		IF pg_trigger_depth() = 1 THEN
			IF NOT (CASE OLD.status
					WHEN 'pending' THEN NEW.status IN ('authorized', 'paid', 'cancelled', 'expired')
					WHEN 'authorized' THEN NEW.status IN ('pending', 'paid', 'shipped', 'cancelled')
					WHEN 'paid' THEN NEW.status IN ('shipped', 'completed', 'cancelled', 'refunded')
					WHEN 'shipped' THEN NEW.status IN ('completed', 'cancelled', 'refunded')
					WHEN 'completed' THEN NEW.status = 'refunded'
					ELSE false END) THEN
				RAISE EXCEPTION '"%" may not become "%"', OLD.status, NEW.status;
			END IF;
			held := NEW.paid_amount - NEW.refunded_amount - NEW.charged_back_amount;
			outstanding := CASE OLD.status
				WHEN 'pending' THEN greatest(0, NEW.total_amount - held + NEW.refund_due_amount)
				WHEN 'authorized' THEN greatest(0, NEW.total_amount - held + NEW.refund_due_amount)
				WHEN 'shipped' THEN greatest(0, NEW.total_amount - NEW.paid_amount + NEW.refund_due_amount)
				ELSE 0 END;
			forbidden := CASE NEW.status
			   WHEN 'paid' THEN outstanding > 0
			   WHEN 'authorized' THEN outstanding = 0 OR NEW.authorized_amount < outstanding
			   WHEN 'completed' THEN outstanding > 0
			   WHEN 'refunded' THEN held <> 0
			   WHEN 'shipped' THEN
					CASE WHEN OLD.status = 'paid' THEN held <= 0 AND NEW.total_amount <> 0
						 ELSE outstanding > (SELECT coalesce(sum(p.authorized_amount - p.captured_amount), 0)
											 FROM THE_STORE.payments p
											 WHERE p.order_id = NEW.order_id AND p.status = 'authorized'
											   AND (p.capture_before IS NULL OR p.capture_before > clock_timestamp())) END
			   ELSE false END;
			IF forbidden THEN
				RAISE EXCEPTION 'the money of the order forbids "%"', NEW.status;
			END IF;
			NEW.version := OLD.version + 1;
		END IF;
		CASE NEW.status
			WHEN 'paid' THEN NEW.paid_at := coalesce(OLD.paid_at, clock_timestamp());
			WHEN 'shipped' THEN NEW.shipped_at := coalesce(OLD.shipped_at, clock_timestamp());
			WHEN 'completed' THEN NEW.completed_at := coalesce(OLD.completed_at, clock_timestamp());
			WHEN 'cancelled' THEN NEW.cancelled_at := coalesce(OLD.cancelled_at, clock_timestamp());
			WHEN 'authorized' THEN NEW.authorized_at := coalesce(OLD.authorized_at, clock_timestamp());
			WHEN 'expired' THEN NEW.expired_at := coalesce(OLD.expired_at, clock_timestamp());
			WHEN 'refunded' THEN NEW.refunded_at := coalesce(OLD.refunded_at, clock_timestamp());
			ELSE NULL;
		END CASE;
		IF NEW.status IN ('cancelled', 'expired', 'refunded') THEN
			NEW.refund_due_amount := greatest(0, NEW.paid_amount - NEW.refunded_amount - NEW.charged_back_amount);
		END IF;
	END IF;
	RETURN NEW;
END
$$;

CREATE FUNCTION THE_STORE.event_of_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO THE_STORE.order_events (order_id, version, event_id, entity, from_status, to_status, actor, session_role,
										reason, recorded_at, xid)
	VALUES (NEW.order_id, NEW.version, gen_random_uuid(), 'order', CASE WHEN TG_OP = 'UPDATE' THEN OLD.status::text END, NEW.status::text,
			coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
			nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id());
	RETURN NULL;
END
$$;

CREATE FUNCTION THE_STORE.new_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	found_fee record;
BEGIN
	IF NEW.status NOT IN ('created', 'processing', 'requires_action', 'authorized', 'succeeded') THEN
		RAISE EXCEPTION 'a new row may not be "%"', NEW.status;
	END IF;
	IF NEW.status NOT IN ('created', 'processing', 'requires_action') AND NOT pg_has_role('bench_gateway', 'USAGE') THEN
		RAISE EXCEPTION 'the role may not record that a payment is "%"', NEW.status;
	END IF;
	IF NEW.capture_pending_amount <> 0 OR NEW.captured_amount <> 0 OR NEW.refund_pending_amount <> 0
	   OR NEW.refunded_amount <> 0 OR NEW.charged_back_amount <> 0
	   OR num_nonnulls(NEW.created_at, NEW.processing_at, NEW.requires_action_at, NEW.unknown_at, NEW.authorized_at,
					   NEW.succeeded_at, NEW.failed_at, NEW.revoked_at) > 0 THEN
		RAISE EXCEPTION 'a column is kept by the server';
	END IF;
	IF NEW.currency IS NULL THEN
		SELECT o.currency INTO NEW.currency FROM THE_STORE.orders o WHERE o.order_id = NEW.order_id;
	END IF;
	IF NEW.fee IS NULL THEN
		SELECT f.rate, f.fixed INTO found_fee FROM THE_STORE.gateway_fees f
		WHERE f.gateway = NEW.gateway AND f.currency = NEW.currency AND (f.method = NEW.method OR f.method = '*')
		  AND f.valid_from <= clock_timestamp()
		ORDER BY f.method = '*', f.valid_from DESC LIMIT 1;
		NEW.fee := CASE WHEN FOUND THEN round(NEW.amount * found_fee.rate + found_fee.fixed,
											  order_payment.currency_exponent(NEW.currency)) ELSE 0 END;
	END IF;
	NEW.created_at := clock_timestamp();
	CASE NEW.status
		WHEN 'created' THEN NULL;
		WHEN 'processing' THEN NEW.processing_at := NEW.created_at;
		WHEN 'requires_action' THEN NEW.requires_action_at := NEW.created_at;
		WHEN 'authorized' THEN
			NEW.authorized_at := NEW.created_at;
			IF NEW.authorized_amount = 0 THEN
				NEW.authorized_amount := NEW.amount;
			END IF;
		WHEN 'succeeded' THEN
			NEW.succeeded_at := NEW.created_at;
			NEW.captured_amount := NEW.amount;
	END CASE;
	RETURN NEW;
END
$$;

CREATE FUNCTION THE_STORE.payment_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (NEW.order_id, NEW.payment_id, NEW.gateway, NEW.amount, NEW.currency, NEW.request_key, NEW.request_hash, NEW.retry_of,
		NEW.created_at, NEW.processing_at, NEW.requires_action_at, NEW.unknown_at, NEW.authorized_at, NEW.succeeded_at,
		NEW.failed_at, NEW.revoked_at)
	   IS DISTINCT FROM
	   (OLD.order_id, OLD.payment_id, OLD.gateway, OLD.amount, OLD.currency, OLD.request_key, OLD.request_hash, OLD.retry_of,
		OLD.created_at, OLD.processing_at, OLD.requires_action_at, OLD.unknown_at, OLD.authorized_at, OLD.succeeded_at,
		OLD.failed_at, OLD.revoked_at) THEN
		RAISE EXCEPTION 'a column is kept by the server';
	END IF;
	IF pg_trigger_depth() = 1 THEN
		IF (NEW.capture_pending_amount, NEW.captured_amount, NEW.refund_pending_amount, NEW.refunded_amount, NEW.charged_back_amount)
		   IS DISTINCT FROM
		   (OLD.capture_pending_amount, OLD.captured_amount, OLD.refund_pending_amount, OLD.refunded_amount, OLD.charged_back_amount) THEN
			RAISE EXCEPTION 'a column is kept by the server';
		END IF;
		IF (NEW.fee, NEW.fee_final, NEW.authorized_amount) IS DISTINCT FROM (OLD.fee, OLD.fee_final, OLD.authorized_amount)
		   AND NOT pg_has_role('bench_gateway', 'USAGE') THEN
			RAISE EXCEPTION 'the role may not record the figures of a payment';
		END IF;
	END IF;
	IF NEW.status <> OLD.status THEN
		IF NOT (CASE OLD.status
				WHEN 'created' THEN NEW.status IN ('processing', 'requires_action', 'authorized', 'succeeded', 'failed', 'revoked')
				WHEN 'processing' THEN NEW.status IN ('requires_action', 'unknown', 'authorized', 'succeeded', 'failed', 'revoked')
				WHEN 'requires_action' THEN NEW.status IN ('processing', 'unknown', 'authorized', 'succeeded', 'failed', 'revoked')
				WHEN 'unknown' THEN NEW.status IN ('processing', 'requires_action', 'authorized', 'succeeded', 'failed', 'revoked')
				WHEN 'authorized' THEN NEW.status IN ('succeeded', 'revoked')
				WHEN 'failed' THEN NEW.status IN ('authorized', 'succeeded')
				WHEN 'revoked' THEN NEW.status IN ('authorized', 'succeeded')
				ELSE false END) THEN
			RAISE EXCEPTION '"%" may not become "%"', OLD.status, NEW.status;
		END IF;
		IF NOT (OLD.status <= 'requires_action' AND NEW.status <= 'requires_action')
		   AND NOT (OLD.status = 'created' AND NEW.status = 'revoked')
		   AND pg_trigger_depth() = 1 AND NOT pg_has_role('bench_gateway', 'USAGE') THEN
			RAISE EXCEPTION 'the role may not record that a payment is "%"', NEW.status;
		END IF;
		CASE NEW.status
			WHEN 'succeeded' THEN
				NEW.succeeded_at := coalesce(OLD.succeeded_at, clock_timestamp());
				NEW.captured_amount := CASE WHEN NEW.authorized_amount > 0 THEN NEW.authorized_amount ELSE NEW.amount END;
			WHEN 'authorized' THEN
				NEW.authorized_at := coalesce(OLD.authorized_at, clock_timestamp());
				IF NEW.authorized_amount = 0 THEN
					NEW.authorized_amount := NEW.amount;
				END IF;
			WHEN 'processing' THEN NEW.processing_at := coalesce(OLD.processing_at, clock_timestamp());
			WHEN 'requires_action' THEN NEW.requires_action_at := coalesce(OLD.requires_action_at, clock_timestamp());
			WHEN 'unknown' THEN NEW.unknown_at := coalesce(OLD.unknown_at, clock_timestamp());
			WHEN 'failed' THEN NEW.failed_at := coalesce(OLD.failed_at, clock_timestamp());
			WHEN 'revoked' THEN NEW.revoked_at := coalesce(OLD.revoked_at, clock_timestamp());
		END CASE;
	END IF;
	RETURN NEW;
END
$$;

/* What has become of a payment: the order's counters, its status, the events of both. */
CREATE FUNCTION THE_STORE.apply_payment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	captured numeric := NEW.captured_amount;
	live numeric := CASE WHEN NEW.status = 'authorized' THEN NEW.authorized_amount - NEW.captured_amount ELSE 0 END;
	old_status text;
	o record;
	due numeric;
	outstanding numeric;
	next order_payment.order_status;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		captured := captured - OLD.captured_amount;
		live := live - CASE WHEN OLD.status = 'authorized' THEN OLD.authorized_amount - OLD.captured_amount ELSE 0 END;
		old_status := OLD.status;
	END IF;
	IF captured = 0 AND live = 0 THEN
		UPDATE THE_STORE.orders SET version = version + 1 WHERE order_id = NEW.order_id RETURNING version, status, currency INTO o;
		next := o.status;
		o.version := o.version - 1;
	ELSE
		SELECT status, version, currency, total_amount, authorized_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount, paid_at INTO o
		FROM THE_STORE.orders WHERE order_id = NEW.order_id FOR NO KEY UPDATE;
		next := o.status;
		due := o.refund_due_amount;
		IF o.total_amount IS NOT NULL THEN
			IF captured > 0 THEN
				outstanding := CASE
					WHEN o.status IN ('pending', 'authorized')
						THEN greatest(0, o.total_amount - o.paid_amount + o.refunded_amount + o.charged_back_amount + due)
					WHEN o.status = 'shipped' THEN greatest(0, o.total_amount - o.paid_amount + due)
					ELSE 0 END;
				due := due + greatest(0, captured - outstanding);
			END IF;
			o.paid_amount := o.paid_amount + captured;
			o.authorized_amount := o.authorized_amount + live;
			IF o.status IN ('pending', 'authorized') THEN
				outstanding := greatest(0, o.total_amount - o.paid_amount + o.refunded_amount + o.charged_back_amount + due);
				IF outstanding > 0 THEN
					next := CASE WHEN o.authorized_amount >= outstanding THEN 'authorized' ELSE 'pending' END;
				ELSIF o.total_amount > 0 OR captured > 0 THEN
					next := 'paid';
				END IF;
			END IF;
			IF o.status IN ('cancelled', 'expired', 'refunded') THEN
				due := greatest(0, o.paid_amount - o.refunded_amount - o.charged_back_amount);
			END IF;
			IF o.status = 'shipped' AND o.paid_at IS NULL AND o.total_amount - o.paid_amount + due <= 0 THEN
				o.paid_at := clock_timestamp();
			END IF;
		ELSE
			o.paid_amount := o.paid_amount + captured;
			o.authorized_amount := o.authorized_amount + live;
		END IF;
		UPDATE THE_STORE.orders
		SET authorized_amount = o.authorized_amount, paid_amount = o.paid_amount, refund_due_amount = due, status = next,
			paid_at = o.paid_at, version = o.version + CASE WHEN next <> o.status THEN 2 ELSE 1 END
		WHERE order_id = NEW.order_id;
	END IF;
	IF o.currency <> NEW.currency THEN
		RAISE EXCEPTION 'the currency of a payment must be that of its order';
	END IF;
	IF next = o.status THEN
		INSERT INTO THE_STORE.order_events (order_id, version, event_id, entity, entity_id, from_status, to_status, amount, actor,
											session_role, reason, recorded_at, xid)
		VALUES (NEW.order_id, o.version + 1, gen_random_uuid(), 'payment', NEW.payment_id, old_status, NEW.status::text, NEW.amount,
				coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
				nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id());
	ELSE
		INSERT INTO THE_STORE.order_events (order_id, version, event_id, entity, entity_id, from_status, to_status, amount, actor,
											session_role, reason, recorded_at, xid)
		VALUES (NEW.order_id, o.version + 1, gen_random_uuid(), 'payment', NEW.payment_id, old_status, NEW.status::text, NEW.amount,
				coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
				nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id()),
			   (NEW.order_id, o.version + 2, gen_random_uuid(), 'order', NULL, o.status::text, next::text, NULL,
				coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
				nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id());
	END IF;
	RETURN NULL;
END
$$;

CREATE FUNCTION THE_STORE.new_operation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	p record;
	o record;
BEGIN
	IF NEW.kind <> 'refund' OR NEW.status NOT IN ('requested', 'processing', 'succeeded') THEN
		RAISE EXCEPTION 'a new % may not be "%"', NEW.kind, NEW.status;
	END IF;
	IF (NEW.status <> 'requested' OR NEW.fee <> 0) AND NOT pg_has_role('bench_gateway', 'USAGE') THEN
		RAISE EXCEPTION 'the role may not record that an operation is "%"', NEW.status;
	END IF;
	IF NEW.obligatory_amount <> 0
	   OR num_nonnulls(NEW.created_at, NEW.requested_at, NEW.processing_at, NEW.unknown_at, NEW.succeeded_at, NEW.failed_at,
					   NEW.cancelled_at, NEW.reversed_at) > 0 THEN
		RAISE EXCEPTION 'a column is kept by the server';
	END IF;
	SELECT currency, captured_amount, refund_pending_amount, refunded_amount, charged_back_amount INTO p
	FROM THE_STORE.payments WHERE order_id = NEW.order_id AND payment_id = NEW.payment_id FOR NO KEY UPDATE;
	IF NEW.currency IS NULL THEN
		NEW.currency := p.currency;
	ELSIF NEW.currency <> p.currency THEN
		RAISE EXCEPTION 'the currency of an operation must be that of its payment';
	END IF;
	IF NEW.status <> 'succeeded'
	   AND NEW.amount > p.captured_amount - p.refund_pending_amount - p.refunded_amount - p.charged_back_amount THEN
		RAISE EXCEPTION 'refund asks for more than is left';
	END IF;
	SELECT refund_due_amount, status IN ('expired', 'cancelled', 'refunded') AS is_dead INTO o
	FROM THE_STORE.orders WHERE order_id = NEW.order_id FOR NO KEY UPDATE;
	IF o.refund_due_amount > 0 THEN
		NEW.obligatory_amount := least(NEW.amount, greatest(0, o.refund_due_amount - (
			SELECT coalesce(sum(CASE WHEN o.is_dead THEN r.amount ELSE r.obligatory_amount END), 0)
			FROM THE_STORE.payment_operations r
			WHERE r.order_id = NEW.order_id AND r.kind = 'refund' AND r.status <= 'unknown')));
	END IF;
	NEW.created_at := clock_timestamp();
	CASE NEW.status
		WHEN 'requested' THEN NEW.requested_at := NEW.created_at;
		WHEN 'processing' THEN NEW.processing_at := NEW.created_at;
		WHEN 'succeeded' THEN NEW.succeeded_at := NEW.created_at;
	END CASE;
	RETURN NEW;
END
$$;

CREATE FUNCTION THE_STORE.operation_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (NEW.order_id, NEW.operation_id, NEW.payment_id, NEW.kind, NEW.amount, NEW.currency, NEW.request_key, NEW.request_hash,
		NEW.obligatory_amount, NEW.created_at, NEW.requested_at, NEW.processing_at, NEW.unknown_at, NEW.succeeded_at,
		NEW.failed_at, NEW.cancelled_at, NEW.reversed_at)
	   IS DISTINCT FROM
	   (OLD.order_id, OLD.operation_id, OLD.payment_id, OLD.kind, OLD.amount, OLD.currency, OLD.request_key, OLD.request_hash,
		OLD.obligatory_amount, OLD.created_at, OLD.requested_at, OLD.processing_at, OLD.unknown_at, OLD.succeeded_at,
		OLD.failed_at, OLD.cancelled_at, OLD.reversed_at) THEN
		RAISE EXCEPTION 'a column is kept by the server';
	END IF;
	IF NEW.status <> OLD.status THEN
		-- a refund that failed is not asked for again here
		IF NOT (CASE OLD.status
				WHEN 'requested' THEN NEW.status IN ('processing', 'succeeded', 'failed', 'unknown', 'cancelled')
				WHEN 'processing' THEN NEW.status IN ('succeeded', 'failed', 'unknown', 'cancelled')
				WHEN 'unknown' THEN NEW.status IN ('processing', 'succeeded', 'failed')
				ELSE false END) THEN
			RAISE EXCEPTION '"%" may not become "%"', OLD.status, NEW.status;
		END IF;
		IF NOT (OLD.status = 'requested' AND NEW.status = 'cancelled') AND NOT pg_has_role('bench_gateway', 'USAGE') THEN
			RAISE EXCEPTION 'the role may not record that an operation is "%"', NEW.status;
		END IF;
		CASE NEW.status
			WHEN 'succeeded' THEN NEW.succeeded_at := coalesce(OLD.succeeded_at, clock_timestamp());
			WHEN 'processing' THEN NEW.processing_at := coalesce(OLD.processing_at, clock_timestamp());
			WHEN 'unknown' THEN NEW.unknown_at := coalesce(OLD.unknown_at, clock_timestamp());
			WHEN 'failed' THEN NEW.failed_at := coalesce(OLD.failed_at, clock_timestamp());
			WHEN 'cancelled' THEN NEW.cancelled_at := coalesce(OLD.cancelled_at, clock_timestamp());
		END CASE;
	END IF;
	RETURN NEW;
END
$$;

/* What has become of a refund: the payment's counters, the order's, the events of both. */
CREATE FUNCTION THE_STORE.apply_operation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	pending numeric := CASE WHEN NEW.status <= 'unknown' THEN NEW.amount ELSE 0 END;
	refunded numeric := CASE WHEN NEW.status = 'succeeded' THEN NEW.amount ELSE 0 END;
	old_status text;
	o record;
	due numeric;
	next order_payment.order_status;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		pending := pending - CASE WHEN OLD.status <= 'unknown' THEN OLD.amount ELSE 0 END;
		refunded := refunded - CASE WHEN OLD.status = 'succeeded' THEN OLD.amount ELSE 0 END;
		old_status := OLD.status;
	END IF;
	IF pending <> 0 OR refunded <> 0 THEN
		UPDATE THE_STORE.payments
		SET refund_pending_amount = refund_pending_amount + pending, refunded_amount = refunded_amount + refunded
		WHERE order_id = NEW.order_id AND payment_id = NEW.payment_id;
	END IF;
	IF refunded = 0 THEN
		UPDATE THE_STORE.orders SET version = version + 1 WHERE order_id = NEW.order_id RETURNING version, status INTO o;
		next := o.status;
		o.version := o.version - 1;
	ELSE
		SELECT status, version, total_amount, paid_amount, refunded_amount, charged_back_amount, refund_due_amount INTO o
		FROM THE_STORE.orders WHERE order_id = NEW.order_id FOR NO KEY UPDATE;
		next := o.status;
		o.refunded_amount := o.refunded_amount + refunded;
		due := greatest(0, o.refund_due_amount - NEW.obligatory_amount);
		IF o.total_amount > 0 AND o.paid_amount - o.refunded_amount - due <= 0
		   AND (o.status IN ('paid', 'completed') OR (o.status = 'shipped' AND o.total_amount - o.paid_amount + due <= 0)) THEN
			next := 'refunded';
		END IF;
		IF next IN ('cancelled', 'expired', 'refunded') THEN
			due := greatest(0, o.paid_amount - o.refunded_amount - o.charged_back_amount);
		END IF;
		UPDATE THE_STORE.orders
		SET refunded_amount = o.refunded_amount, refund_due_amount = due, status = next,
			version = o.version + CASE WHEN next <> o.status THEN 2 ELSE 1 END
		WHERE order_id = NEW.order_id;
	END IF;
	IF next = o.status THEN
		INSERT INTO THE_STORE.order_events (order_id, version, event_id, entity, entity_id, from_status, to_status, amount, actor,
											session_role, reason, recorded_at, xid)
		VALUES (NEW.order_id, o.version + 1, gen_random_uuid(), 'operation', NEW.operation_id, old_status, NEW.status::text, NEW.amount,
				coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
				nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id());
	ELSE
		INSERT INTO THE_STORE.order_events (order_id, version, event_id, entity, entity_id, from_status, to_status, amount, actor,
											session_role, reason, recorded_at, xid)
		VALUES (NEW.order_id, o.version + 1, gen_random_uuid(), 'operation', NEW.operation_id, old_status, NEW.status::text, NEW.amount,
				coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
				nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id()),
			   (NEW.order_id, o.version + 2, gen_random_uuid(), 'order', NULL, o.status::text, next::text, NULL,
				coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
				nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id());
	END IF;
	RETURN NULL;
END
$$;

CREATE FUNCTION THE_STORE.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the history is append-only, and money rows stay';
END
$$;

CREATE TRIGGER new_order BEFORE INSERT ON THE_STORE.orders
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.new_order();
CREATE TRIGGER order_changes BEFORE UPDATE ON THE_STORE.orders
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.order_changes();
CREATE TRIGGER event_of_birth AFTER INSERT ON THE_STORE.orders
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.event_of_order();
CREATE TRIGGER event_of_change AFTER UPDATE ON THE_STORE.orders
	FOR EACH ROW WHEN (OLD.status <> NEW.status AND pg_trigger_depth() = 0) EXECUTE FUNCTION THE_STORE.event_of_order();

CREATE TRIGGER new_payment BEFORE INSERT ON THE_STORE.payments
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.new_payment();
CREATE TRIGGER payment_changes BEFORE UPDATE ON THE_STORE.payments
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.payment_changes();
-- before the triggers of foreign keys, which would lock the order less first
CREATE TRIGGER "000_apply_birth" AFTER INSERT ON THE_STORE.payments
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.apply_payment();
CREATE TRIGGER "000_apply_change" AFTER UPDATE ON THE_STORE.payments
	FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.captured_amount <> NEW.captured_amount
					   OR OLD.authorized_amount <> NEW.authorized_amount) EXECUTE FUNCTION THE_STORE.apply_payment();
CREATE TRIGGER payments_stay BEFORE DELETE ON THE_STORE.payments
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.append_only();

CREATE TRIGGER new_operation BEFORE INSERT ON THE_STORE.payment_operations
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.new_operation();
CREATE TRIGGER operation_changes BEFORE UPDATE ON THE_STORE.payment_operations
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.operation_changes();
CREATE TRIGGER "000_apply_birth" AFTER INSERT ON THE_STORE.payment_operations
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.apply_operation();
CREATE TRIGGER "000_apply_change" AFTER UPDATE ON THE_STORE.payment_operations
	FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION THE_STORE.apply_operation();
CREATE TRIGGER operations_stay BEFORE DELETE ON THE_STORE.payment_operations
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.append_only();

CREATE TRIGGER append_only_insert BEFORE INSERT ON THE_STORE.order_events
	FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION THE_STORE.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON THE_STORE.order_events
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON THE_STORE.order_events
	FOR EACH STATEMENT EXECUTE FUNCTION THE_STORE.append_only();

	$triggers$, 'THE_STORE', quote_ident(store));
END
$procedure$;

/* One order of bench_store is cancelled, or one payment succeeds, by a statement of its own. */
CREATE FUNCTION bench.cancel(id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE bench_store.orders SET status = 'cancelled' WHERE order_id = id;
END
$$;
CREATE FUNCTION bench.succeed(id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE bench_store.payments SET status = 'succeeded' WHERE order_id = id;
END
$$;

CALL bench.copy_store('bench_bare');
CALL bench.copy_store('bench_by_hand');
CALL bench.fill_store('bench_bare', least(:rows, 100000), true);
CALL bench.fill_store('bench_by_hand', least(:rows, 100000), true);
CALL bench.drop_checks('bench_bare');
CALL bench.by_hand('bench_by_hand');
VACUUM (FREEZE, ANALYZE);
