-- probability: the aggregate success_probability()
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
SET search_path = order_payment, public;

CREATE FUNCTION pg_temp.shown(e success_estimate) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT format('%s/%s/%s  %s  %s..%s  %s', e.successes, e.failures, e.censored, round(e.mean::numeric, 9), round(e.lower::numeric, 9), round(e.upper::numeric, 9), round(e.failure_probability::numeric, 9)) $$;

-- ---------- what is counted ----------

SELECT status, pg_temp.shown(success_probability(status))
FROM unnest('{created,processing,requires_action,unknown,authorized,succeeded,failed,revoked}'::payment_status[]) AS status
GROUP BY status ORDER BY status;
SELECT pg_temp.shown(success_probability(status)) AS one_of_each
FROM unnest('{created,processing,requires_action,unknown,authorized,succeeded,failed,revoked}'::payment_status[]) AS status;
SELECT pg_temp.shown(success_probability(status)) AS all_censored FROM unnest('{unknown,revoked,created,unknown}'::payment_status[]) AS status;
SELECT pg_temp.shown(success_probability(status)) AS with_nulls FROM unnest('{NULL,succeeded,NULL,failed,succeeded}'::payment_status[]) AS status;
SELECT pg_temp.shown(success_probability(NULL)) AS only_null;
-- no row, no estimate
SELECT success_probability(status) IS NULL AS of_none, success_probability(status, 1, 1, 0.95) IS NULL AS of_none_with_prior,
       success_probability('failed') FILTER (WHERE false) IS NULL AS filtered
FROM unnest('{}'::payment_status[]) AS status;
SELECT (success_probability(status)).* FROM unnest('{}'::payment_status[]) AS status;
-- 97 of 100, and 3 unknown; the parts of the result by name
SELECT (e).successes, (e).failures, (e).censored, round((e).mean::numeric, 9) AS mean, round((e).lower::numeric, 9) AS lower,
       round((e).upper::numeric, 9) AS upper, round((e).failure_probability::numeric, 9) AS failure_probability
FROM (SELECT success_probability(CASE WHEN i <= 97 THEN 'succeeded' WHEN i <= 100 THEN 'failed' ELSE 'unknown' END::payment_status) AS e
      FROM generate_series(1, 103) AS i) AS v;
SELECT pg_temp.shown(success_probability(status)) AS by_default, pg_temp.shown(success_probability(status, 1, 1, 0.95)) AS the_same,
       pg_temp.shown(success_probability(status, 0.5, 0.5, 0.95)) AS of_jeffreys, pg_temp.shown(success_probability(status, 95, 5, 0.5)) AS convinced,
       pg_temp.shown(success_probability(status, 1::numeric, 1::integer, 0.95::real::float8)) AS casts
FROM unnest('{succeeded,succeeded,failed}'::payment_status[]) AS status;

-- ---------- the interval ----------

-- Without an attempt the estimate is the prior, so any Beta(a, b) can be asked for.
CREATE TEMP VIEW beta AS
SELECT a, b, c, (order_payment.success_probability(NULL, a, b, c)).*
FROM (SELECT a::float8, b::float8, c::float8
      FROM unnest('{0.5,1,1.5,2,3,7.25,10,37,100,1000.5,12345,1e5,1e6,1e7,2e8,1e12,1e15}'::float8[]) AS a,
           unnest('{0.5,1,1.5,2,3,7.25,10,37,100,1000.5,12345,1e5,1e6,1e7,2e8,1e12,1e15}'::float8[]) AS b,
           unnest('{0.01,0.5,0.95,0.999999}'::float8[]) AS c) AS v
GROUP BY a, b, c;
CREATE TEMP TABLE interval_of AS SELECT * FROM beta;
SELECT count(*) AS cases, count(*) FILTER (WHERE lower >= 0 AND lower <= upper AND upper <= 1) AS ordered,
       count(*) FILTER (WHERE mean = a / (a + b) AND failure_probability = 1 - mean) AS means FROM interval_of;
-- closed forms: x^a for Beta(a, 1), 1 - (1 - x)^b for Beta(1, b), the arcsine law for Beta(1/2, 1/2)
SELECT a, b, round(lower::numeric, 9) AS lower, round(upper::numeric, 9) AS upper FROM interval_of WHERE a = 1 AND b = 1 AND c = 0.95;
SELECT count(*) AS cases, count(*) FILTER (WHERE abs(lower - ((1 - c) / 2) ^ (1 / a)) > 1e-13 OR abs(upper - ((1 + c) / 2) ^ (1 / a)) > 1e-13) AS wrong
FROM interval_of WHERE b = 1;
SELECT count(*) AS cases, count(*) FILTER (WHERE abs(lower - (1 - ((1 + c) / 2) ^ (1 / b))) > 1e-13 OR abs(upper - (1 - ((1 - c) / 2) ^ (1 / b))) > 1e-13) AS wrong
FROM interval_of WHERE a = 1;
SELECT count(*) AS cases, count(*) FILTER (WHERE abs(lower - sin(pi() / 2 * (1 - c) / 2) ^ 2) > 1e-13 OR abs(upper - sin(pi() / 2 * (1 + c) / 2) ^ 2) > 1e-13) AS wrong
FROM interval_of WHERE a = 0.5 AND b = 0.5;
-- what is sure of success is unsure of failure
SELECT count(*) AS cases, count(*) FILTER (WHERE abs(f.lower - (1 - t.upper)) > 1e-15 OR abs(f.upper - (1 - t.lower)) > 1e-15) AS wrong
FROM interval_of AS f JOIN interval_of AS t ON (t.a, t.b, t.c) = (f.b, f.a, f.c);
-- the median of a symmetric distribution, and an interval that grows with its confidence
SELECT count(*) AS cases, count(*) FILTER (WHERE abs((lower + upper) / 2 - 0.5) > 1e-13) AS wrong FROM interval_of WHERE a = b;
SELECT count(*) AS out_of_order
FROM (SELECT upper - lower <= lag(upper - lower) OVER (PARTITION BY a, b ORDER BY c) AS wrong FROM interval_of) AS v WHERE wrong;
-- whole parameters: I_x(a, b) is the chance of a or more heads in a + b - 1 throws, summed in numeric
SELECT count(*) AS cases,
       count(*) FILTER (WHERE abs(below - (1 - c::numeric) / 2) > 1e-12) AS wrong_lower,
       count(*) FILTER (WHERE abs(above - (1 - c::numeric) / 2) > 1e-12) AS wrong_upper
FROM interval_of,
     LATERAL (SELECT (a + b)::bigint - 1 AS n) AS v,
     LATERAL (SELECT sum(way * lower::numeric(40, 38) ^ j * (1 - lower::numeric(40, 38)) ^ (n - j)) FILTER (WHERE j >= a) AS below,
                     sum(way * upper::numeric(40, 38) ^ j * (1 - upper::numeric(40, 38)) ^ (n - j)) FILTER (WHERE j < a) AS above
              FROM generate_series(0, n) AS j, LATERAL (SELECT factorial(n) / (factorial(j) * factorial(n - j)) AS way) AS w) AS u
WHERE a = trunc(a) AND b = trunc(b) AND a <= 37 AND b <= 37;
DROP TABLE interval_of;
-- computed with 40 digits by another program
SELECT a, b, c, round(lower::numeric, 9) AS lower, round(upper::numeric, 9) AS upper,
       abs(lower::numeric - exact_lower) < 1e-13 AS lower_exact, abs(upper::numeric - exact_upper) < 1e-13 AS upper_exact
FROM (SELECT a, b, c, exact_lower, exact_upper, (success_probability(NULL, a, b, c)).*
      FROM (VALUES (2, 3, 0.95, 0.067585986488542955113, 0.80587955031675663875),
                   (1.5, 2.5, 0.95, 0.038747617785165160781, 0.82326390286874268256),
                   (0.5, 7.5, 0.9, 0.00027098443193778820688, 0.23246478161285570279),
                   (0.3, 0.4, 0.5, 0.040180813210118988552, 0.82951054847315049776),
                   (10, 1, 0.99, 0.58870401865247462946, 0.99949887142453536613),
                   (98, 4, 0.95, 0.91564310172387756257, 0.98910551628318967835),
                   (951, 51, 0.95, 0.93467430631889521894, 0.96183316634947351963),
                   (37, 1000, 0.8, 0.028517554184222027364, 0.043225973705547037277),
                   (12346, 57, 0.95, 0.99414033180096570759, 0.99651720641449235599),
                   (100001, 3, 0.95, 0.99992775717786299927, 0.99999381342163971065),
                   (1000001, 1000001, 0.95, 0.49930704868042477855, 0.50069295131957522145),
                   (9900001, 100001, 0.95, 0.98993814011597229401, 0.99006147824229327073),
                   (1, 10000001, 0.95, 0.0000000025317805420459766533, 0.00000036888784048346661678),
                   (10000000, 10000000, 0.999, 0.49963210797252373879, 0.50036789202747626121),
                   (1.1e8, 2e8, 0.01, 0.35483836876885011752, 0.35483904996173703335),
                   (3e8, 2e8, 0.95, 0.59995705896175187499, 0.60004294028052577276),
                   (1e12, 5e11, 0.95, 0.6666659122759668045, 0.66666742105694557197),
                   (1e15, 1e15, 0.95, 0.49999997808693648559, 0.50000002191306351441))
           AS v (a, b, c, exact_lower, exact_upper)
      GROUP BY a, b, c, exact_lower, exact_upper) AS e
ORDER BY a + b, a;
-- the ends of what may be asked
SELECT a, b, c, round(lower::numeric, 9) AS lower, round(upper::numeric, 9) AS upper
FROM (SELECT a, b, c, (success_probability(NULL, a, b, c)).*
      FROM (VALUES (1e-15::float8, 1e-15::float8, 0.95::float8), (1e-15, 1e15, 0.5), (1e15, 1e-15, 0.5), (1e-15, 1, 0.95), (3, 4, 1e-300),
                   (1, 1, 0.9999999999999999), (1e15, 1, 0.9999999999999999), (0.01, 0.02, 0.5), (1e15, 1e15, 0.9999999999999999))
           AS v (a, b, c)
      GROUP BY a, b, c) AS e
ORDER BY a, b;

-- ---------- refused ----------

SELECT success_probability('failed', 0, 1, 0.95);
SELECT success_probability('failed', 1, 1, 95);
SELECT success_probability('failed', NULL, 1, 0.95);
SELECT success_probability(status, nr, 1, 0.95) FROM unnest('{failed,failed}'::payment_status[]) WITH ORDINALITY AS u (status, nr);
\set VERBOSITY sqlstate
SELECT success_probability('failed', 0, 1, 0.95);
SELECT success_probability('failed', 1, 1, NULL);
SELECT success_probability('failed', -1, 1, 0.95);
SELECT success_probability('failed', 1, -0.0, 0.95);
SELECT success_probability('failed', 'NaN', 1, 0.95);
SELECT success_probability('failed', 1, 'NaN', 0.95);
SELECT success_probability('failed', 'Infinity', 1, 0.95);
SELECT success_probability('failed', 1, 1.1e15, 0.95);
SELECT success_probability('failed', 1e-16, 1, 0.95);
SELECT success_probability('failed', 1, 1, 0);
SELECT success_probability('failed', 1, 1, 1);
SELECT success_probability('failed', 1, 1, -0.95);
SELECT success_probability('failed', 1, 1, 'NaN');
SELECT success_probability('failed', 1, 1, 'Infinity');
SELECT success_probability(NULL, 0, 1, 0.95);
SELECT success_probability(status, nr, 1, 0.95) FROM unnest('{failed,failed}'::payment_status[]) WITH ORDINALITY AS u (status, nr);
SELECT success_probability(status, 1, nr, 0.95) FROM unnest('{failed,failed}'::payment_status[]) WITH ORDINALITY AS u (status, nr);
SELECT success_probability(status, 1, 1, nr / 3.0) FROM unnest('{failed,failed}'::payment_status[]) WITH ORDINALITY AS u (status, nr);
SELECT success_probability('paid');
\set VERBOSITY default

-- ---------- in every kind of plan ----------

CREATE TABLE public.attempt (id integer, gateway text, status order_payment.payment_status, weight float8) PARTITION BY LIST (gateway);
CREATE TABLE public.attempt_a PARTITION OF public.attempt FOR VALUES IN ('a');
CREATE TABLE public.attempt_b PARTITION OF public.attempt FOR VALUES IN ('b');
INSERT INTO public.attempt
SELECT i, CASE i % 3 WHEN 0 THEN 'a' ELSE 'b' END,
       (ARRAY['succeeded', 'succeeded', 'authorized', 'failed', 'unknown', NULL, 'revoked', 'succeeded', 'created', 'succeeded', 'processing'])[1 + i * 7919 % 11]::payment_status,
       CASE i % 3 WHEN 0 THEN 1 ELSE 2 END
FROM generate_series(1, 20000) AS i;
ANALYZE public.attempt;

-- counted otherwise
SELECT gateway, (e).successes = success AND (e).failures = failure AND (e).successes + (e).failures + (e).censored = known AS counted, pg_temp.shown(e)
FROM (SELECT gateway, success_probability(status) AS e, count(*) FILTER (WHERE status IN ('authorized', 'succeeded')) AS success,
             count(*) FILTER (WHERE status = 'failed') AS failure, count(status) AS known
      FROM public.attempt GROUP BY ROLLUP (gateway)) AS v
ORDER BY gateway NULLS FIRST;

CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        CONTINUE WHEN line !~ 'Aggregate|Gather';
        RETURN NEXT ltrim(line, ' ->');
    END LOOP;
END $$;

-- parallel
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE serial_result AS
SELECT gateway, success_probability(status) AS one, success_probability(status, 2, 3, 0.9) AS two FROM public.attempt GROUP BY gateway;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_partitionwise_aggregate = off;
SELECT pg_temp.plan('SELECT success_probability(status), success_probability(status, 2, 3, 0.9) FROM public.attempt_b');
SELECT pg_temp.shown(success_probability(status)) AS one, pg_temp.shown(success_probability(status, 2, 3, 0.9)) AS two FROM public.attempt_b;
SELECT pg_temp.shown(one) AS one, pg_temp.shown(two) AS two FROM serial_result WHERE gateway = 'b';
SELECT success_probability(status) IS NULL AS of_none FROM public.attempt_b WHERE id < 0;
SET max_parallel_workers_per_gather = 0;
-- combined in one process: partition by partition
SET enable_partitionwise_aggregate = on;
SELECT pg_temp.plan('SELECT success_probability(status) FROM public.attempt');
SELECT pg_temp.shown(success_probability(status)) AS partitionwise FROM public.attempt;
SELECT pg_temp.shown(success_probability(status)) AS one_empty FROM public.attempt WHERE gateway = 'a' OR id < 0;
\set VERBOSITY sqlstate
SELECT success_probability(status, weight, 1, 0.95) FROM public.attempt;
\set VERBOSITY default
SELECT gateway, pg_temp.shown(success_probability(status, weight, 1, 0.95)) FROM public.attempt GROUP BY gateway ORDER BY gateway;
RESET enable_partitionwise_aggregate;
RESET max_parallel_workers_per_gather;
RESET min_parallel_table_scan_size;
RESET parallel_tuple_cost;
RESET parallel_setup_cost;

-- a window that moves, against one that is counted anew
SELECT count(*) AS frames, count(*) FILTER (WHERE one IS NULL) AS empty,
       count(*) FILTER (WHERE one IS DISTINCT FROM (SELECT success_probability(a.status) FROM public.attempt AS a WHERE a.id BETWEEN w.id - 20 AND w.id - 3)) AS wrong,
       count(*) FILTER (WHERE two IS DISTINCT FROM (SELECT success_probability(a.status, 2, 3, 0.9) FROM public.attempt AS a WHERE a.id BETWEEN w.id - 20 AND w.id - 3)) AS wrong_with_prior
FROM (SELECT id, success_probability(status) OVER last_ones AS one, success_probability(status, 2, 3, 0.9) OVER last_ones AS two
      FROM public.attempt WHERE id <= 300
      WINDOW last_ones AS (ORDER BY id ROWS BETWEEN 20 PRECEDING AND 3 PRECEDING)) AS w;
DROP TABLE public.attempt;

-- the aggregate's functions are nobody's to call
\set VERBOSITY sqlstate
SELECT success_probability_final(NULL);
SELECT success_probability_serialize(NULL);
SELECT success_probability_accum(NULL, 'failed');
SELECT success_probability_deserialize('\x00', NULL);
\set VERBOSITY default
