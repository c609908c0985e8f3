-- amount: net, fee, split, and a gateway's units
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
SET search_path = order_payment, public;

-- ---------- net_amount ----------

-- expected: amount - fee
SELECT amount, fee, net_amount(amount, fee)
FROM (VALUES (100, 2.9), (100.00, 3.20), (0, 0), (0, 0.30), (0.10, 0.30), (100, -2.9), (5, 0), (-0, -0), (1.2345, 0.0001)) AS v (amount, fee);
-- achieved: nothing is captured, a part of it went back, more went back than came in, a fee came back
SELECT captured, refunded, charged_back, fee, net_amount(captured, refunded, charged_back, fee)
FROM (VALUES (100.00, 0, 0, 3.20), (100.00, 30.00, 0, 3.20), (100.00, 100.00, 0, 3.20), (100.00, 60, 50, 3.20), (100.00, 0, 0, -3.20),
             (0, 0, 0, 0.30), (0.00, 0, 0, 0.30), (0, 10, 5, 1), (0.01, 0, 0, 0.30), (5, 0, 0, 0), (1.2345, 0.0001, 0, 0.0004))
     AS v (captured, refunded, charged_back, fee);
SELECT count(*) AS cases,
       count(*) FILTER (WHERE net_amount(c, r, b, f) IS DISTINCT FROM CASE WHEN c > 0 THEN c - r - b - f ELSE 0 END) AS wrong,
       count(*) FILTER (WHERE net_amount(c, f) IS DISTINCT FROM c - f) AS wrong_expected
FROM generate_series(1::bigint, 5000) AS i,
     LATERAL (SELECT (i * 7919 % 1009) / 100.0 * (i % 3), (i * 104729 % 499) / 100.0, (i * 1299709 % 97) / 100.0, (i * 15485863 % 61 - 20) / 100.0)
          AS v (c, r, b, f);
SELECT net_amount(1e131071, 1) = 1e131071 - 1 AS large, net_amount(1e131071, 1e131071, 1, -1) AS cancelled,
       net_amount(1, 1e-16383) = 1 - 1e-16383 AS fine, net_amount(-0.00, 0) AS minus_zero;
SELECT net_amount(NULL, 1) AS no_amount, net_amount(1, NULL) AS no_fee, net_amount(1, NULL, 0, 0) AS no_refund, net_amount(0, 0, 0, NULL) AS none;

-- refused
\set VERBOSITY terse
SELECT net_amount(-0.01, 0);
SELECT net_amount('NaN', 0);
SELECT net_amount('Infinity', 0);
SELECT net_amount('-Infinity', 0);
SELECT net_amount(1, 'NaN');
SELECT net_amount(1, '-inf');
SELECT net_amount(-1, 0, 0, 0);
SELECT net_amount(1, -1, 0, 0);
SELECT net_amount(1, 0, -1, 0);
SELECT net_amount('inf', 0, 0, 0);
SELECT net_amount(1, 'nan', 0, 0);
SELECT net_amount(1, 0, '+Infinity', 0);
SELECT net_amount(0, 0, 0, 'NaN');
SELECT net_amount(9e131071, -9e131071);
\set VERBOSITY sqlstate
SELECT net_amount(-0.01, 0);
SELECT net_amount('NaN', 0);
SELECT net_amount(0, 0, 0, '-inf');
SELECT net_amount(9e131071, -9e131071);
-- every spelling of what is no figure, or not one that numeric can hold
SELECT format('SELECT net_amount(%L, 0)', spelling)
FROM unnest('{NaN,nan,NAN," NaN ",Infinity,infinity,inf,INF,+inf,-inf,-Infinity,+Infinity,1e200000,-1e200000,"",x,"1,5",0x,1e}'::text[]) AS spelling \gexec
\set VERBOSITY default

-- ---------- payment_fee ----------

-- half up at exactly .5, once, to the currency's decimals
SELECT amount, rate, fixed, currency, payment_fee(amount, rate, fixed, currency)
FROM (VALUES (100, 0.029, 0.30, 'USD'), (100.00, 0.029, 0.30, 'USD'), (0, 0.029, 0.30, 'USD'), (0, 0, 0, 'USD'), (-0.00, 0, 0, 'USD'),
             (0.5, 0.01, 0, 'USD'), (0.49, 0.01, 0, 'USD'), (1.5, 0.01, 0, 'USD'), (2.5, 0.01, 0, 'USD'), (0.5, 0.01, 0.005, 'USD'),
             (0.4, 0.01, 0.004, 'USD'), (0, 0, 0.005, 'USD'), (0, 0, 0.0049999999999999999999, 'USD'),
             (150, 0.01, 0, 'JPY'), (149, 0.01, 0, 'JPY'), (250, 0.01, 0, 'JPY'), (1000, 0.036, 0.5, 'JPY'),
             (1.234, 0.0125, 0.1005, 'KWD'), (0.050, 0.01, 0, 'KWD'), (0.0050, 0.01, 0, 'CLF'), (1.2345, 0.029, 0.00005, 'CLF'),
             (100, 1, 0, 'EUR'), (99999999999999.99, 0.029, 0.30, 'EUR'), (12345678901234567890123456789012345678.90, 0.029, 0.30, 'EUR'))
     AS v (amount, rate, fixed, currency);
-- not rounded before: a rate of 16383 decimals, just below and at the half, and zeros as many after the amount
SELECT payment_fee(1, ('0.004' || repeat('9', 16380))::numeric, 0, 'USD') AS below,
       payment_fee(('1.' || repeat('0', 16383))::numeric, ('0.004' || repeat('9', 16380))::numeric, 0, 'USD') AS below_with_zeros,
       payment_fee(1, ('0.004' || repeat('9', 16379) || '8')::numeric, 2e-16383, 'USD') AS at_the_half,
       payment_fee(1, ('0.004' || repeat('9', 16379) || '8')::numeric, 1e-16383, 'USD') AS one_off;
SELECT payment_fee(1e131069, 0.01, 0, 'USD') = 1e131067 AS large, payment_fee(1e131071, 0.1, 0, 'JPY') = 1e131070 AS larger;
SELECT currency, count(*) AS cases,
       count(*) FILTER (WHERE payment_fee(amount, rate, fixed, currency) IS DISTINCT FROM expected) AS wrong,
       count(*) FILTER (WHERE scale(payment_fee(amount, rate, fixed, currency)) <> e) AS other_scale,
       count(*) FILTER (WHERE exact * factor - trunc(exact * factor) = 0.5) AS at_the_half
FROM (VALUES ('JPY'), ('EUR'), ('KWD'), ('CLF')) AS c (currency),
     currency_exponent(currency) AS e,
     CAST('1e' || e AS numeric) AS factor,
     generate_series(1, 2000) AS i,
     LATERAL (SELECT round((i * 7919 % 100003) / 100.0, e), (i * 31 % 501) / 10000.0, (i % 7) / 20.0) AS v (amount, rate, fixed),
     LATERAL (SELECT amount * rate + fixed) AS w (exact),
     LATERAL (SELECT floor(exact * factor + 0.5) / factor) AS x (expected)
GROUP BY currency ORDER BY currency;
SELECT payment_fee(NULL, 0, 0, 'USD') AS a, payment_fee(1, NULL, 0, 'USD') AS b, payment_fee(1, 0, NULL, 'USD') AS c, payment_fee(1, 0, 0, NULL) AS d;

-- refused
SELECT payment_fee(10.505, 0.029, 0.30, 'USD');
SELECT payment_fee(100, 2.9, 0.30, 'USD');
SELECT payment_fee(100, 0.029, 0.30, 'XAU');
SELECT payment_fee(100, 0.029, 0.30, '4111111111111111');
\set VERBOSITY terse
SELECT payment_fee(10.5, 0.029, 0, 'JPY');
SELECT payment_fee(1.23456, 0.029, 0, 'CLF');
SELECT payment_fee(1e-16383, 0.029, 0, 'CLF');
SELECT payment_fee(-1, 0.029, 0, 'USD');
SELECT payment_fee(1, -0.029, 0, 'USD');
SELECT payment_fee(1, 0.029, -0.30, 'USD');
SELECT payment_fee(1, 1.0000001, 0, 'USD');
SELECT payment_fee('NaN', 0, 0, 'USD');
SELECT payment_fee(1, 'NaN', 0, 'USD');
SELECT payment_fee(1, 0, 'NaN', 'USD');
SELECT payment_fee('inf', 0, 0, 'USD');
SELECT payment_fee(1, 'inf', 0, 'USD');
SELECT payment_fee(1, 0, 'inf', 'USD');
SELECT payment_fee(1, 0, 0, 'usd');
SELECT payment_fee(1, 0, 0, '');
SELECT payment_fee(1, 0, 0, 'XXX');
SELECT payment_fee(1e131071, 0.1, 0, 'USD');
\set VERBOSITY sqlstate
SELECT payment_fee(10.505, 0.029, 0.30, 'USD');
SELECT payment_fee(1, 0, 0, 'XAU');
SELECT payment_fee(1, 0, 0, 'usd');
SELECT payment_fee(1e131071, 0.1, 0, 'USD');
\set VERBOSITY default

-- ---------- allocate ----------

SELECT total, weights, currency, allocate(total, weights, currency)
FROM (VALUES (100, '{1,1,1}'::numeric[], 'EUR'), (-100, '{1,1,1}', 'EUR'), (100, '{1,1,1}', 'JPY'), (100, '{1,1,1}', 'KWD'), (100, '{1,1,1}', 'CLF'),
             (0.01, '{1,1,1}', 'EUR'), (0.02, '{1,1,1}', 'EUR'), (-0.02, '{1,1,1}', 'EUR'), (0, '{1,2}', 'EUR'), (-0.00, '{1}', 'JPY'),
             (10, '{19.99,5.00,0.01}', 'EUR'), (10, '{0,1,0,2,0}', 'JPY'), (0.05, '{0,0,3,3,3,3}', 'EUR'), (7, '{5}', 'JPY'),
             (5, '{1,2,3}', 'JPY'), (1, '{0.1,0.2,0.2}', 'JPY'), (1, '{0.2,0.2,0.1}', 'JPY'), (100.000, '{2,1}', 'EUR'), (10, '{0.00,1e-20,1e-20,1e-20}', 'EUR'),
             (100, '[0:2]={1,1,1}', 'EUR'), (100, '[-5:-3]={1,0,1}', 'EUR'),
             (90071992547409.93, '{1,1}', 'EUR'), (92233720368547758.07, '{1,1}', 'EUR'), (92233720368547758.08, '{1,1,1}', 'EUR'),
             (9223372036854775807, '{9223372036854775807,9223372036854775806,1}', 'JPY'),
             (123456789012345678901234567890.12, '{123456789012345678901234567890,1}', 'EUR'))
     AS v (total, weights, currency);
SELECT (allocate(1e131071, '{1}', 'JPY'))[1] = 1e131071 AS one, trim_scale(sum(part)) = 1e131071 AS two
FROM unnest(allocate(1e131071, '{1,2}', 'JPY')) AS part;
SELECT part, count(*) FROM unnest(allocate(2, array_fill(9e17, ARRAY[22]), 'JPY')) AS part GROUP BY part ORDER BY part;
SELECT part, count(*) FROM unnest(allocate(100, array_fill(1::numeric, ARRAY[30000]), 'JPY')) AS part GROUP BY part ORDER BY part;
SELECT allocate(NULL, '{1}', 'EUR') AS a, allocate(1, NULL, 'EUR') AS b, allocate(1, '{1}', NULL) AS c;

-- against the definition, over stored values (with short headers) that make products of every size
CREATE TEMP TABLE split AS
SELECT i AS id, currency, e, CAST('1e' || e AS numeric) AS factor,
       round((i * 7919 % 1000003) * CAST('1e' || i % 12 - 2 AS numeric) / 7, e) AS total,
       ARRAY(SELECT (i * 31 * j % (j + 17)) * CAST('1e' || i % 25 - 6 AS numeric)
             FROM generate_series(1, 1 + i % 9) AS j) || round(i / 7.0, (i % 5)::integer) AS weights
FROM generate_series(1::bigint, 4000) AS i,
     LATERAL (SELECT (ARRAY['JPY', 'EUR', 'KWD', 'CLF'])[1 + i % 4]) AS c (currency),
     currency_exponent(currency) AS e;
WITH given AS (
    SELECT id, currency, e, factor, w, nr, sum(w) OVER (PARTITION BY id) AS weight, trunc(total * factor) AS units
    FROM split, unnest(weights) WITH ORDINALITY AS u (w, nr)
), rounded AS (
    SELECT *, div(units * w, weight) AS quotient, units * w - weight * div(units * w, weight) AS remainder FROM given
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY remainder DESC, nr) AS rank,
           units - sum(quotient) OVER (PARTITION BY id) AS missing FROM rounded
), expected AS (
    SELECT id, array_agg(round((quotient + (rank <= missing)::integer) / factor, e) ORDER BY nr) AS parts FROM ranked GROUP BY id
), actual AS (
    SELECT id, total, e, weights, allocate(total, weights, currency) AS parts,
           allocate(-total, weights, currency) AS mirror,
           allocate(total, ARRAY(SELECT w * 1e25 FROM unnest(weights) AS w), currency) AS of_larger
    FROM split
)
SELECT count(*) AS cases,
       count(*) FILTER (WHERE total * 1e4 * (SELECT sum(w) FROM unnest(weights) AS w) > 9e18) AS large,
       count(*) FILTER (WHERE a.parts IS DISTINCT FROM x.parts) AS wrong,
       count(*) FILTER (WHERE total <> (SELECT sum(p) FROM unnest(a.parts) AS p)) AS wrong_sum,
       count(*) FILTER (WHERE a.of_larger IS DISTINCT FROM a.parts) AS scaled_weights_differ,
       count(*) FILTER (WHERE a.mirror IS DISTINCT FROM ARRAY(SELECT -p FROM unnest(a.parts) AS p)) AS no_mirror,
       count(*) FILTER (WHERE EXISTS (SELECT FROM unnest(a.parts, a.weights) AS u (p, w) WHERE scale(p) <> e OR p < 0 OR w = 0 AND p <> 0)) AS wrong_part
FROM actual AS a JOIN expected AS x USING (id);
DROP TABLE split;

-- refused
SELECT allocate(100, '{}', 'EUR');
SELECT allocate(10.005, '{1}', 'EUR');
\set VERBOSITY terse
SELECT allocate(100, '{0,0}', 'EUR');
SELECT allocate(100, '{1,NULL}', 'EUR');
SELECT allocate(100, '{{1,2},{3,4}}', 'EUR');
SELECT allocate(100, '{{1}}', 'EUR');
SELECT allocate(100, '{1,-1}', 'EUR');
SELECT allocate(100, '{1,NaN}', 'EUR');
SELECT allocate(100, '{inf}', 'EUR');
SELECT allocate('NaN', '{1}', 'EUR');
SELECT allocate('-inf', '{1}', 'EUR');
SELECT allocate(0.5, '{1}', 'JPY');
SELECT allocate(1, '{1}', 'XDR');
SELECT allocate(1, '{1}', 'eur');
SELECT allocate(1e131071, '{10}', 'JPY');
\set VERBOSITY sqlstate
SELECT allocate(100, '{}', 'EUR');
SELECT allocate(100, '{0,0}', 'EUR');
SELECT allocate(100, '{1,NULL}', 'EUR');
SELECT allocate(100, '{{1,2},{3,4}}', 'EUR');
SELECT allocate(100, '{1,-1}', 'EUR');
SELECT allocate('NaN', '{1}', 'EUR');
SELECT allocate(1, '{1}', 'XDR');
SELECT allocate(1e131071, '{10}', 'JPY');
\set VERBOSITY default

-- ---------- units of a gateway ----------

SELECT amount, currency, to_minor_units(amount, currency), from_minor_units(to_minor_units(amount, currency), currency)
FROM (VALUES (10.50, 'USD'), (10.5000, 'USD'), (-10.5, 'USD'), (0, 'USD'), (-0.00, 'USD'), (0.01, 'EUR'), (5, 'JPY'), (5.000, 'JPY'), (1.234, 'KWD'), (1.2345, 'CLF'),
             (92233720368547758.07, 'USD'), (-92233720368547758.08, 'USD'), (9223372036854775807, 'JPY'), (922337203685477.5807, 'UYW'))
     AS v (amount, currency);
SELECT to_minor_units(('1.' || repeat('0', 16383))::numeric, 'USD') AS zeros, scale(from_minor_units(100, 'KWD')) AS scale;
-- a gateway with exponents of its own: more decimals, fewer, the same, and another currency's
SELECT amount, currency, exceptions, to_minor_units(amount, currency, exceptions),
       from_minor_units(to_minor_units(amount, currency, exceptions), currency, exceptions)
FROM (VALUES (5, 'ISK', '{"ISK": 2, "UGX": 2}'::jsonb), (5, 'UGX', '{"ISK": 2, "UGX": 2}'), (5, 'JPY', '{"ISK": 2, "UGX": 2}'),
             (1.230, 'KWD', '{"KWD": 2}'), (12.00, 'EUR', '{"EUR": 0}'), (-12, 'EUR', '{"EUR": 0}'), (1.5, 'EUR', '{"EUR": 8}'), (5, 'ISK', '{"ISK": 2.0}'), (5, 'ISK', '{}'),
             (5, 'ISK', '{"ISK": 3, "ISK": 2}'))
     AS v (amount, currency, exceptions);
-- both ways, over every currency and exponent
SELECT count(*) AS cases,
       count(*) FILTER (WHERE to_minor_units(amount, code, exceptions) IS DISTINCT FROM amount * factor) AS wrong,
       count(*) FILTER (WHERE from_minor_units(to_minor_units(amount, code, exceptions), code, exceptions) IS DISTINCT FROM amount) AS wrong_back,
       count(*) FILTER (WHERE scale(from_minor_units((amount * factor)::bigint, code, exceptions)) <> exponent) AS other_scale
FROM currencies(), generate_series(0, 8) AS theirs, CAST('1e' || theirs AS numeric) AS factor, generate_series(1, 20) AS i,
     LATERAL (SELECT jsonb_build_object(code, theirs, 'EUR', CASE code WHEN 'EUR' THEN theirs ELSE 7 END),
                     round((i * 7919 - 60000) / CAST('1e' || least(exponent, theirs) AS numeric), exponent)) AS v (exceptions, amount)
WHERE exponent IS NOT NULL;
SELECT to_minor_units(NULL, 'EUR') AS a, to_minor_units(1, NULL) AS b, to_minor_units(1, 'EUR', NULL) AS c,
       from_minor_units(NULL, 'EUR') AS d, from_minor_units(1, NULL) AS e, from_minor_units(1, 'EUR', NULL) AS f;

-- refused, never rounded
SELECT to_minor_units(10.505, 'USD');
SELECT to_minor_units(1.234, 'KWD', '{"KWD": 2}');
SELECT from_minor_units(501, 'ISK', '{"ISK": 2}');
SELECT to_minor_units(5, 'ISK', '[2]');
SELECT to_minor_units(5, 'ISK', '{"isk": 2}');
\set VERBOSITY terse
SELECT to_minor_units(5.05, 'ISK', '{"ISK": 2}');
SELECT to_minor_units(0.5, 'EUR', '{"EUR": 0}');
SELECT from_minor_units(-1, 'JPY', '{"JPY": 1}');
SELECT from_minor_units(1, 'EUR', '{"EUR": 8}');
SELECT to_minor_units(92233720368547758.08, 'USD');
SELECT to_minor_units(-92233720368547758.09, 'USD');
SELECT to_minor_units(9223372036854775807, 'ISK', '{"ISK": 2}');
SELECT to_minor_units(1e131071, 'JPY');
SELECT to_minor_units(1e131071, 'USD');
SELECT to_minor_units('NaN', 'USD');
SELECT to_minor_units('-Infinity', 'USD');
SELECT to_minor_units(1, 'XAU');
SELECT to_minor_units(1, 'XAU', '{"XAU": 2}');
SELECT to_minor_units(1, 'usd');
SELECT from_minor_units(1, 'XAU');
SELECT from_minor_units(1, 'usd');
-- whatever is wrong in the exponents, even for another currency; the form of the numbers is jsonb's to judge
SELECT to_minor_units(1, 'EUR', exceptions)
FROM (VALUES ('null'::jsonb)) AS v (exceptions);
SELECT to_minor_units(1, 'EUR', '2');
SELECT to_minor_units(1, 'EUR', '"ISK"');
SELECT to_minor_units(1, 'EUR', '[{"ISK": 2}]');
SELECT to_minor_units(1, 'EUR', '{"ISK": "2"}');
SELECT to_minor_units(1, 'EUR', '{"ISK": null}');
SELECT to_minor_units(1, 'EUR', '{"ISK": true}');
SELECT to_minor_units(1, 'EUR', '{"ISK": [2]}');
SELECT to_minor_units(1, 'EUR', '{"ISK": {"EUR": 2}}');
SELECT to_minor_units(1, 'EUR', '{"ISK": -1}');
SELECT to_minor_units(1, 'EUR', '{"ISK": 19}');
SELECT to_minor_units(1, 'EUR', '{"ISK": 2.5}');
SELECT to_minor_units(1, 'EUR', '{"ISK": 1e400}');
SELECT to_minor_units(1, 'EUR', '{"ISK": 2, "ISL": 2}');
SELECT to_minor_units(1, 'EUR', '{"": 2}');
SELECT to_minor_units(1, 'EUR', '{"ISK ": 2}');
SELECT to_minor_units(1, 'EUR', '{"XAU": 2}');
SELECT from_minor_units(1, 'EUR', '{"ISK": "2"}');
\set VERBOSITY sqlstate
SELECT to_minor_units(10.505, 'USD');
SELECT to_minor_units(1.234, 'KWD', '{"KWD": 2}');
SELECT from_minor_units(501, 'ISK', '{"ISK": 2}');
SELECT to_minor_units(92233720368547758.08, 'USD');
SELECT to_minor_units(1e131071, 'USD');
SELECT to_minor_units('NaN', 'USD');
SELECT to_minor_units(1, 'EUR', '[]');
SELECT to_minor_units(1, 'EUR', '{"ISK": 19}');
\set VERBOSITY default

-- ---------- private codes: no decimals, 8, 18 ----------

SELECT amount, rate, fixed, currency, payment_fee(amount, rate, fixed, currency)
FROM (VALUES (150, 0.01, 0, 'POINTS.0'), (149, 0.01, 0, 'POINTS.0'), (1, 0.5, 0, 'POINTS.0'),
             (0.00000150, 0.01, 0, 'BTC.8'), (0.00000149, 0.01, 0, 'BTC.8'), (0.00000100, 0.01, 0.000000005, 'BTC.8'),
             (21000000, 0.0025, 0.00000001, 'BTC.8'), (0.12345678, 0.001, 0, 'BTC.8'),
             (0.000000000000000150, 0.01, 0, 'ETH.18'), (0.000000000000000149, 0.01, 0, 'ETH.18'), (1e-18, 0.5, 0, 'ETH.18'), (1e-18, 0.4999, 0, 'ETH.18'),
             (120000000.123456789012345678, 0.029, 0.30, 'ETH.18'))
     AS v (amount, rate, fixed, currency);
SELECT currency, count(*) AS cases,
       count(*) FILTER (WHERE payment_fee(amount, rate, fixed, currency) IS DISTINCT FROM floor(exact * factor + 0.5) / factor) AS wrong,
       count(*) FILTER (WHERE scale(payment_fee(amount, rate, fixed, currency)) <> e) AS other_scale,
       count(*) FILTER (WHERE exact * factor - trunc(exact * factor) = 0.5) AS at_the_half
FROM (VALUES ('POINTS.0'), ('BTC.8'), ('ETH.18')) AS c (currency),
     currency_exponent(currency) AS e,
     CAST('1e' || e AS numeric) AS factor,
     generate_series(1, 2000) AS i,
     LATERAL (SELECT trunc(i * 7919 % 100003 / factor * 1.0000000000000000000, e), (i * 31 % 501) / 1000.0, (i % 7) / 20.0 / factor) AS v (amount, rate, fixed),
     LATERAL (SELECT amount * rate + fixed) AS w (exact)
GROUP BY currency ORDER BY currency;
SELECT total, weights, currency, allocate(total, weights, currency)
FROM (VALUES (100, '{1,1,1}'::numeric[], 'POINTS.0'), (-100, '{1,1,1}', 'POINTS.0'), (1, '{1,1,1}', 'BTC.8'), (0.00000002, '{1,1,1}', 'BTC.8'), (21000000, '{1,1}', 'BTC.8'),
             (1, '{1,1,1}', 'ETH.18'), (-1, '{1,1,1}', 'ETH.18'), (1e-18, '{1,1}', 'ETH.18'), (9.223372036854775807, '{1,1}', 'ETH.18'),
             (9.223372036854775808, '{1,1,1}', 'ETH.18'), (120000000.123456789012345678, '{1,2,0,4}', 'ETH.18'))
     AS v (total, weights, currency);
SELECT currency, count(*) AS splits, count(*) FILTER (WHERE sum <> total) AS wrong, count(*) FILTER (WHERE other_scale) AS other_scale,
       count(*) FILTER (WHERE too_far) AS not_rounded_up_or_down, count(*) FILTER (WHERE total * factor < 1e18) AS small
FROM (VALUES ('POINTS.0'), ('BTC.8'), ('ETH.18')) AS c (currency),
     currency_exponent(currency) AS e,
     CAST('1e' || e AS numeric) AS factor,
     generate_series(1, 400) AS i,
     LATERAL (SELECT (i * 7919 % 100003) * CAST('1e' || i % 20 AS numeric) / factor * 1.0000000000000000000, ARRAY[i, 2 * i % 7, 0, i % 11]::numeric[]) AS v (total, weights),
     LATERAL (SELECT sum(part), bool_or(scale(part) <> e), bool_or(abs(part - total * weight / (SELECT sum(w) FROM unnest(weights) AS w)) * factor >= 1)
              FROM unnest(allocate(total, weights, currency), weights) AS u (part, weight)) AS w (sum, other_scale, too_far)
GROUP BY currency ORDER BY currency;
-- units: the largest and the smallest that bigint holds, and one more
SELECT amount, currency, to_minor_units(amount, currency), from_minor_units(to_minor_units(amount, currency), currency)
FROM (VALUES (0, 'POINTS.0'), (7, 'POINTS.0'), (7.00, 'POINTS.0'), (9223372036854775807, 'POINTS.0'), (-9223372036854775808, 'POINTS.0'),
             (0.00000001, 'BTC.8'), (21000000, 'BTC.8'), (92233720368.54775807, 'BTC.8'), (-92233720368.54775808, 'BTC.8'),
             (0, 'ETH.18'), (1e-18, 'ETH.18'), (1, 'ETH.18'), (9.223372036854775807, 'ETH.18'), (-9.223372036854775808, 'ETH.18'))
     AS v (amount, currency);
-- a gateway that counts wei as gwei, and one that counts points in hundredths; a code is matched whole
SELECT to_minor_units(1.5, 'ETH.18', '{"ETH.18": 9}') AS gwei, from_minor_units(1500000000, 'ETH.18', '{"ETH.18": 9}') AS eth,
       to_minor_units(5, 'POINTS.0', '{"POINTS.0": 2}') AS hundredths, from_minor_units(500, 'POINTS.0', '{"POINTS.0": 2}') AS points,
       to_minor_units(1, 'USD', '{"USD": 18}') AS atto, from_minor_units(1000000000000000000, 'USD', '{"USD": 18}') AS usd;
SELECT to_minor_units(1, 'AB.12', '{"AB.1": 0}') AS longer, to_minor_units(1, 'AB.1', '{"AB.12": 0}') AS shorter,
       to_minor_units(1, 'ABC.1', '{"AB.1": 0, "ABC.0": 5, "ABCD.1": 6}') AS neither, to_minor_units(1, 'USDX.3', '{"USD": 0}') AS iso, to_minor_units(1, 'USD', '{"USDX.3": 0}') AS own;
SELECT to_minor_units(10.5, 'POINTS.0');
SELECT to_minor_units(1.0000000001, 'ETH.18', '{"ETH.18": 9}');
SELECT from_minor_units(501, 'POINTS.0', '{"POINTS.0": 2}');
SELECT allocate(1.000000001, '{1}', 'BTC.8');
SELECT payment_fee(0.5, 0.01, 0, 'GIFTCARD2026.0');
SELECT payment_fee(1, 0.01, 0, 'USD.3');
\set VERBOSITY terse
SELECT to_minor_units(9223372036854775808, 'POINTS.0');
SELECT to_minor_units(92233720368.54775808, 'BTC.8');
SELECT to_minor_units(9.223372036854775808, 'ETH.18');
SELECT to_minor_units(-9.223372036854775809, 'ETH.18');
SELECT to_minor_units(1e131000, 'ETH.18');
SELECT to_minor_units(1e131071, 'ETH.18');
SELECT to_minor_units(1, 'POINTS');
SELECT to_minor_units(1, 'EUR', '{"POINTS": 2}');
SELECT to_minor_units(1, 'EUR', '{"EUR.2": 2}');
SELECT to_minor_units(1, 'EUR', '{"POINTS.0": 19}');
SELECT from_minor_units(1, 'POINTS.19');
SELECT allocate(1, '{1}', '4111111111111111');
\set VERBOSITY sqlstate
SELECT to_minor_units(9.223372036854775808, 'ETH.18');
SELECT to_minor_units(1e131071, 'ETH.18');
SELECT to_minor_units(10.5, 'POINTS.0');
SELECT payment_fee(1, 0.01, 0, 'USD.3');
\set VERBOSITY default

-- in a table: short headers, compressed and out of line; generated columns ask for immutable functions
CREATE TEMP TABLE booked (
    amount   numeric,
    fee      numeric,
    currency text,
    weights  numeric[],
    gateway  jsonb,
    net      numeric GENERATED ALWAYS AS (order_payment.net_amount(amount, fee)) STORED,
    minor    bigint GENERATED ALWAYS AS (order_payment.to_minor_units(amount, currency, gateway)) STORED,
    parts    numeric[] GENERATED ALWAYS AS (order_payment.allocate(amount, weights, currency)) STORED
);
INSERT INTO booked VALUES
    (19.90, 0.88, 'EUR', '{1,2}', '{}'),
    (500, 20, 'ISK', array_fill(1::numeric, ARRAY[400]), (SELECT jsonb_object_agg(code, 2) FROM currencies() WHERE exponent IS NOT NULL));
ALTER TABLE booked ALTER weights SET STORAGE EXTERNAL, ALTER gateway SET STORAGE EXTERNAL;
INSERT INTO booked
    VALUES (('7.' || repeat('0', 16383))::numeric, 1, 'JPY', array_fill(2::numeric, ARRAY[700]), (SELECT jsonb_object_agg(code, 1) FROM currencies() WHERE exponent IS NOT NULL));
SELECT trim_scale(amount) AS amount, currency, trim_scale(net) AS net, minor, parts[1:3] AS first_parts, cardinality(parts) AS parts,
       (SELECT trim_scale(sum(p)) FROM unnest(parts) AS p) AS sum
FROM booked ORDER BY currency;
SELECT count(*) AS wrong FROM booked
WHERE net IS DISTINCT FROM net_amount(amount, fee) OR minor IS DISTINCT FROM to_minor_units(amount, currency, gateway)
   OR parts IS DISTINCT FROM allocate(amount, weights, currency);
DROP TABLE booked;

-- what the planner may assume
SELECT p.oid::regprocedure AS function, p.provolatile AS volatility, p.proisstrict AS strict, p.proparallel AS parallel,
       obj_description(p.oid, 'pg_proc') IS NOT NULL AS described
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = 'order_payment'::regnamespace
  AND p.proname IN ('net_amount', 'payment_fee', 'allocate', 'to_minor_units', 'from_minor_units')
ORDER BY p.oid::regprocedure::text COLLATE "C";
