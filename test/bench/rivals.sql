/*
 * What somebody would write by hand, as fast as PL/pgSQL allows: the move alone, by CASE and by a table of edges, and all that
 * a store does. The graph is the default one of orders.
 */
\set ON_ERROR_STOP on

/* ---------- the move alone ---------- */

CREATE FUNCTION bench.case_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.status <> OLD.status AND NOT (CASE OLD.status
			WHEN 'pending' THEN NEW.status IN ('authorized', 'paid', 'cancelled', 'expired')
			WHEN 'authorized' THEN NEW.status IN ('pending', 'paid', 'shipped', 'cancelled')
			WHEN 'paid' THEN NEW.status IN ('shipped', 'completed', 'cancelled', 'refunded')
			WHEN 'shipped' THEN NEW.status IN ('completed', 'cancelled', 'refunded')
			WHEN 'completed' THEN NEW.status = 'refunded'
			ELSE false END) THEN
		RAISE EXCEPTION '"%" may not become "%"', OLD.status, NEW.status;
	END IF;
	RETURN NEW;
END
$$;

CREATE TABLE bench.edges (
	from_status order_payment.order_status,
	to_status order_payment.order_status,
	PRIMARY KEY (from_status, to_status)
);
INSERT INTO bench.edges
SELECT from_status, to_status
FROM unnest(ARRAY['pending', 'authorized', 'paid', 'shipped', 'completed']::order_payment.order_status[]) from_status,
	 unnest(order_payment.next_states(from_status)) to_status;
VACUUM (FREEZE, ANALYZE) bench.edges;

CREATE FUNCTION bench.lookup_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.status <> OLD.status AND NOT EXISTS (
			SELECT FROM bench.edges e WHERE e.from_status = OLD.status AND e.to_status = NEW.status) THEN
		RAISE EXCEPTION '"%" may not become "%"', OLD.status, NEW.status;
	END IF;
	RETURN NEW;
END
$$;

/* ---------- all that a store does ---------- */

/* The tables of bench_shop and their rows once more, without triggers. */
CREATE PROCEDURE bench.copy_store(copy name) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE SCHEMA %I', copy);
	EXECUTE format('CREATE TABLE %I.orders (LIKE bench_shop.orders INCLUDING ALL)', copy);
	EXECUTE format('CREATE TABLE %I.order_events (LIKE bench_shop.order_events INCLUDING ALL)', copy);
	EXECUTE format('ALTER TABLE %1$I.order_events ADD FOREIGN KEY (order_id) REFERENCES %1$I.orders', copy);
	EXECUTE format('GRANT USAGE ON SCHEMA %I TO bench_application', copy);
	EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I.orders TO bench_application', copy);
END
$$;
CREATE PROCEDURE bench.drop_triggers(store name, pattern text DEFAULT '%') LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT tgname, tgrelid::regclass AS relation FROM pg_trigger
			 WHERE tgrelid IN (to_regclass(store || '.orders'), to_regclass(store || '.order_events'))
			   AND NOT tgisinternal AND tgname LIKE pattern LOOP
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
	IF NEW.version <> 0 OR NEW.item_count <> 0
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
BEGIN
	IF NEW.order_id <> OLD.order_id OR NEW.version <> OLD.version OR NEW.item_count <> OLD.item_count
	   OR NEW.total_amount IS DISTINCT FROM OLD.total_amount OR NEW.created_at <> OLD.created_at
	   OR (NEW.authorized_at, NEW.paid_at, NEW.shipped_at, NEW.completed_at, NEW.cancelled_at, NEW.expired_at, NEW.refunded_at)
		  IS DISTINCT FROM
		  (OLD.authorized_at, OLD.paid_at, OLD.shipped_at, OLD.completed_at, OLD.cancelled_at, OLD.expired_at, OLD.refunded_at) THEN
		RAISE EXCEPTION 'a column is kept by the server';
	END IF;
	IF NEW.item_count = 0 THEN
		NEW.total_amount := NEW.quantity * NEW.price;
	END IF;
	IF NEW.status <> OLD.status THEN
		IF NOT (CASE OLD.status
				WHEN 'pending' THEN NEW.status IN ('authorized', 'paid', 'cancelled', 'expired')
				WHEN 'authorized' THEN NEW.status IN ('pending', 'paid', 'shipped', 'cancelled')
				WHEN 'paid' THEN NEW.status IN ('shipped', 'completed', 'cancelled', 'refunded')
				WHEN 'shipped' THEN NEW.status IN ('completed', 'cancelled', 'refunded')
				WHEN 'completed' THEN NEW.status = 'refunded'
				ELSE false END) THEN
			RAISE EXCEPTION '"%" may not become "%"', OLD.status, NEW.status;
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
		NEW.version := OLD.version + 1;
	END IF;
	RETURN NEW;
END
$$;

CREATE FUNCTION THE_STORE.event_of_birth() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO THE_STORE.order_events (order_id, version, event_id, entity, to_status, actor, session_role, reason, recorded_at, xid)
	VALUES (NEW.order_id, NEW.version, gen_random_uuid(), 'order', NEW.status::text,
			coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
			nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id());
	RETURN NULL;
END
$$;

CREATE FUNCTION THE_STORE.event_of_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO THE_STORE.order_events (order_id, version, event_id, entity, from_status, to_status, actor, session_role, reason, recorded_at, xid)
	VALUES (NEW.order_id, NEW.version, gen_random_uuid(), 'order', OLD.status::text, NEW.status::text,
			coalesce(nullif(current_setting('order_payment.actor', true), ''), session_user), session_user,
			nullif(current_setting('order_payment.reason', true), ''), clock_timestamp(), pg_current_xact_id());
	RETURN NULL;
END
$$;

CREATE FUNCTION THE_STORE.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' AND pg_trigger_depth() > 1 THEN
		RETURN NEW;
	END IF;
	RAISE EXCEPTION 'the history is append-only';
END
$$;

CREATE TRIGGER new_order BEFORE INSERT ON THE_STORE.orders
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.new_order();
CREATE TRIGGER order_changes BEFORE UPDATE ON THE_STORE.orders
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.order_changes();
CREATE TRIGGER event_of_birth AFTER INSERT ON THE_STORE.orders
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.event_of_birth();
CREATE TRIGGER event_of_change AFTER UPDATE ON THE_STORE.orders
	FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION THE_STORE.event_of_change();
CREATE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE ON THE_STORE.order_events
	FOR EACH ROW EXECUTE FUNCTION THE_STORE.append_only();

	$triggers$, 'THE_STORE', quote_ident(store));
END
$procedure$;

CALL bench.copy_store('bench_bare');
CALL bench.copy_store('bench_by_hand');
CALL bench.fill_store('bench_bare', least(:rows, 100000));
CALL bench.fill_store('bench_by_hand', least(:rows, 100000));
CALL bench.by_hand('bench_by_hand');
VACUUM (FREEZE, ANALYZE);
