/*
 * What somebody would write by hand to guard a column, as fast as PL/pgSQL allows: by CASE and by a table of edges. The graph
 * is the default one of orders.
 */
\set ON_ERROR_STOP on

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
