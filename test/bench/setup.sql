/*
 * The frame of the bench: how a statement is timed, and how times become ratios. Needs :module, the path of empty_trigger.
 *
 * side   one of the ways to do a thing, told by a name: 'guard', 'enum' ...
 * run    the sides of a pair are timed in turn, A B A B; a ratio is taken within a run. Run 0 warms up and is not counted.
 */
\set ON_ERROR_STOP on

CREATE EXTENSION IF NOT EXISTS order_payment;
\ir teardown.sql
CREATE SCHEMA bench;
CREATE ROLE bench_owner;
CREATE ROLE bench_gateway;
CREATE ROLE bench_application IN ROLE bench_gateway;
CREATE ROLE bench_worker LOGIN; -- as which order_payment_worker connects, if it is there
SELECT format('GRANT CREATE ON DATABASE %I TO bench_owner', current_database()) \gexec

CREATE TABLE bench.timing (
	pair text NOT NULL,
	side text NOT NULL,
	run integer NOT NULL,
	amount float8 NOT NULL, -- seconds by the clock, or what else is compared
	cpu float8, -- seconds of the backend's processor time
	touched bigint NOT NULL, -- rows, or what else the amount is for
	PRIMARY KEY (pair, side, run)
);

/*
 * Times a statement and takes it back, so that the next side finds the same table. prepare, which is not timed and is taken
 * back too, makes or drops triggers.
 */
CREATE PROCEDURE bench.time(pair text, side text, run integer, prepare text, statement text)
LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
	elapsed interval;
	cpu float8;
	touched bigint;
BEGIN
	IF prepare <> '' THEN
		EXECUTE prepare;
	END IF;
	cpu := bench.cpu_seconds();
	start := clock_timestamp();
	EXECUTE statement;
	elapsed := clock_timestamp() - start;
	GET DIAGNOSTICS touched = ROW_COUNT;
	cpu := bench.cpu_seconds() - cpu;
	ROLLBACK;
	INSERT INTO bench.timing VALUES (pair, side, run, extract(epoch FROM elapsed), cpu, greatest(touched, 1));
	COMMIT;
END
$$;

/* Three digits are told, two at least after the point. */
CREATE FUNCTION bench.short(number float8) RETURNS text
LANGUAGE sql AS $$
	SELECT CASE WHEN abs(number) < 0.1 THEN round(number::numeric, 3) WHEN abs(number) < 10 THEN round(number::numeric, 2)
		   ELSE round(number::numeric, 0) END::text
$$;

/* 'median (min–max)' over the runs, NULL if there are none. */
CREATE FUNCTION bench.spread(numbers float8[]) RETURNS text
LANGUAGE sql AS $$
	SELECT format('%s (%s–%s)', bench.short(percentile_cont(0.5) WITHIN GROUP (ORDER BY n)), bench.short(min(n)), bench.short(max(n)))
	FROM unnest(numbers) n HAVING count(n) > 0
$$;

/* What a row costs by the clock on side a, as a multiple of side b. */
CREATE FUNCTION bench.ratio(pair text, a text, b text) RETURNS text
LANGUAGE sql AS $$
	SELECT bench.spread(array_agg((x.amount / x.touched) / (y.amount / y.touched)))
	FROM bench.timing x JOIN bench.timing y ON (y.pair, y.run) = (x.pair, x.run)
	WHERE x.pair = $1 AND x.side = $2 AND y.side = $3 AND x.run > 0
$$;

/* Nanoseconds a row, median by the clock. */
CREATE FUNCTION bench.ns(pair text, side text) RETURNS text
LANGUAGE sql AS $$
	SELECT format('%s ns', round((percentile_cont(0.5) WITHIN GROUP (ORDER BY amount / touched) * 1e9)::numeric))
	FROM bench.timing t WHERE t.pair = $1 AND t.side = $2 AND run > 0
$$;

/* Nanoseconds of processor time a row, median; and how many of them side b saves. */
CREATE FUNCTION bench.cpu_ns(pair text, side text) RETURNS text
LANGUAGE sql AS $$
	SELECT format('%s ns', round((percentile_cont(0.5) WITHIN GROUP (ORDER BY cpu / touched) * 1e9)::numeric))
	FROM bench.timing t WHERE t.pair = $1 AND t.side = $2 AND run > 0
$$;
CREATE FUNCTION bench.saved_ns(pair text, a text, b text) RETURNS text
LANGUAGE sql AS $$
	SELECT format('%s ns', round((percentile_cont(0.5) WITHIN GROUP (ORDER BY x.cpu / x.touched - y.cpu / y.touched) * 1e9)::numeric))
	FROM bench.timing x JOIN bench.timing y ON (y.pair, y.run) = (x.pair, x.run)
	WHERE x.pair = $1 AND x.side = $2 AND y.side = $3 AND x.run > 0
$$;
CREATE FUNCTION bench.cpu_ratio(pair text, a text, b text) RETURNS text
LANGUAGE sql AS $$
	SELECT bench.spread(array_agg((x.cpu / x.touched) / (y.cpu / y.touched)))
	FROM bench.timing x JOIN bench.timing y ON (y.pair, y.run) = (x.pair, x.run)
	WHERE x.pair = $1 AND x.side = $2 AND y.side = $3 AND x.run > 0
$$;

/* Transactions a second, and what is counted for each, median. */
CREATE FUNCTION bench.per_second(pair text, side text) RETURNS text
LANGUAGE sql AS $$
	SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY amount))::text
	FROM bench.timing t WHERE t.pair = $1 AND t.side = $2 AND run > 0
$$;
CREATE FUNCTION bench.each(pair text, side text) RETURNS text
LANGUAGE sql AS $$
	SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY amount / touched))::numeric, 1)::text
	FROM bench.timing t WHERE t.pair = $1 AND t.side = $2 AND run > 0
$$;

/*
 * Seconds that side a takes a row above its base: a trigger above an empty one, a function above the rows that it is called
 * for. It is the small difference of large numbers, which a busy neighbour can make negative; so it is taken from the
 * processor time of the fastest runs.
 */
CREATE FUNCTION bench.net(pair text, a text, base text) RETURNS float8
LANGUAGE sql AS $$
	SELECT min(cpu / touched) FILTER (WHERE t.side = $2) - coalesce(min(cpu / touched) FILTER (WHERE t.side = $3), 0)
	FROM bench.timing t WHERE t.pair = $1 AND run > 0
$$;

CREATE FUNCTION bench.net_ratio(a float8, b float8) RETURNS text
LANGUAGE sql AS $$
	SELECT bench.short(a / nullif(b, 0)) || ' (fastest runs)'
$$;

CREATE FUNCTION bench.net_ns(net float8) RETURNS text
LANGUAGE sql AS $$
	SELECT round((net * 1e9)::numeric) || ' ns'
$$;

CREATE FUNCTION bench.empty_trigger() RETURNS trigger AS :'module', 'empty_trigger' LANGUAGE c;
CREATE FUNCTION bench.cpu_seconds() RETURNS float8 AS :'module', 'cpu_seconds' LANGUAGE c;
