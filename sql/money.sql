-- money: the table of currencies, and which amounts are possible in them
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
SET search_path = order_payment, public;

-- exponents: 0, 2, 3, 4, and none
SELECT code, currency_exponent(code), is_currency(code)
FROM unnest('{JPY,CLP,XOF,EUR,USD,XCG,XAD,KWD,TND,CLF,UYW,XAU,XDR,XTS,XXX}'::text[]) AS code;
-- those that other lists, old editions and habit get wrong
SELECT code, currency_exponent(code)
FROM unnest('{HUF,IDR,IQD,ISK,MGA,MRU,TWD,UGX,UYI,VES}'::text[]) AS code;
-- withdrawn before the first release
SELECT code, is_currency(code)
FROM unnest('{ANG,BGN,CUC,DEM,HRK,SLL,VEF,ZWL}'::text[]) AS code;
-- exact match only
SELECT quote_literal(code) AS code, is_currency(code)
FROM unnest('{usd,Usd,"",U,US,USDX,"USD "," USD","US ",AAA,ZZZ,AED,ZWG,"{{{","@@@"}'::text[]) AS code;
SELECT is_currency('USD'::char(3)) AS char_3, is_currency('USD'::char(5)) AS char_5,
       is_currency('USD'::varchar) AS "varchar", is_currency(repeat('USD', 350000)) AS one_megabyte;
SELECT currency_exponent(NULL) AS exponent, is_currency(NULL) AS currency,
       is_amount(NULL, 'USD') AS no_amount, is_amount(1, NULL) AS no_currency;

-- errors: the code, and that a long text is not repeated
\set VERBOSITY sqlstate
SELECT currency_exponent('usd');
SELECT currency_exponent('');
SELECT currency_exponent('BGN');
SELECT currency_exponent(repeat('USD', 350000));
\set VERBOSITY default
SELECT currency_exponent('usd');
SELECT currency_exponent('4111111111111111');

-- private codes carry their decimals
SELECT code, currency_exponent(code), is_currency(code)
FROM unnest('{POINTS.0,PTS.2,BTC.8,ETH.18,AB.0,A1.9,Z9.10,X0000000000.17,GIFTCARD2026.2,USDX.3,BGN.2}'::text[]) AS code;
SELECT exponent, currency_exponent('GOLD.' || exponent) = exponent AS carried, is_currency('GOLD.' || exponent) AS currency
FROM generate_series(0, 18) AS exponent;
SELECT quote_literal(code) AS code, is_currency(code)
FROM unnest(ARRAY['points.0', 'Points.0', 'POINTs.0', 'P.0', '.0', 'POINTS', 'POINTS.', '.', 'POINTS.00', 'POINTS.01', 'POINTS.19', 'POINTS.20',
                  'POINTS.99', 'POINTS.100', 'POINTS.18446744073709551616', 'POINTS.-1', 'POINTS.+1', 'POINTS. 1', 'POINTS.1 ', 'POINTS.0.0', 'POINTS..0',
                  'POINTS.1e1', 'POINTS.0x1', 'POINTS.A', 'POINTS,0', 'POINTS:0', 'BTC.8 ', ' BTC.8', E'BTC.8\n', E'BTC\t.8', 'BT C.8', 'BT-C.8', 'BT_C.8',
                  '1BTC.8', '12.8', '411111111111.1', 'GIFTCARD20261.2', 'ABCDEFGHIJKLM.0', U&'\00C4B.2', U&'A\00C4.2', U&'AB.\0662', U&'AB\FF0E2',
                  'AB.2' || U&'\00A0', 'USD.2', 'USD.3', 'JPY.0', 'XAU.2', 'XXX.0', 'usd.2'])
     AS code;
SELECT is_currency('BTC.8'::char(9)) AS "char", is_currency(repeat('A', 1000000) || '.0') AS long_name, is_currency('AB.' || repeat('0', 1000000)) AS long_exponent,
       is_currency('AB.1' || repeat('0', 1000000)) AS large_exponent;
-- a name that is an ISO code is refused, whatever its decimals; another one of three letters is not
SELECT count(*) AS iso_names, count(*) FILTER (WHERE is_currency(code || '.' || decimals)) AS wrong
FROM currencies(), generate_series(0, 18) AS decimals;
SELECT currency_exponent('USD.3');
SELECT currency_exponent('USD.2');
SELECT currency_exponent('XAU.2');
SELECT is_amount(1, 'XAU.2');
-- a text of another form is not repeated
SELECT currency_exponent('POINTS');
SELECT currency_exponent('points.0');
\set VERBOSITY terse
SELECT currency_exponent('123');
SELECT currency_exponent('A1');
SELECT currency_exponent('ABCDEFGHIJKLM.0');
SELECT currency_exponent('POINTS.19');
SELECT currency_exponent('4111111111111111.2');
SELECT currency_exponent(U&'\00C4');
\set VERBOSITY default

-- the table: size, order, form; and every row is found by the search
SELECT count(*), count(DISTINCT code) AS codes, count(exponent) AS with_minor_unit,
       bool_and(code ~ '^[A-Z]{3}$') AS form,
       bool_and(is_currency(code) = (exponent IS NOT NULL)) AS known,
       bool_and(currency_exponent(code) IS NOT DISTINCT FROM exponent) AS found
FROM currencies();
SELECT count(*) AS out_of_order
FROM (SELECT code COLLATE "C" <= lag(code) OVER (ORDER BY nr) AS wrong
      FROM currencies() WITH ORDINALITY AS c (code, exponent, nr)) AS pairs
WHERE wrong;
SELECT exponent, count(*) FROM currencies() GROUP BY exponent ORDER BY exponent;
SELECT exponent, string_agg(code, ' ' ORDER BY nr) AS codes
FROM currencies() WITH ORDINALITY AS c (code, exponent, nr)
WHERE exponent IS DISTINCT FROM 2 GROUP BY exponent ORDER BY exponent;
SELECT substr(code, 1, 1) AS letter, string_agg(code, ' ' ORDER BY nr) AS two_decimals
FROM currencies() WITH ORDINALITY AS c (code, exponent, nr)
WHERE exponent = 2 GROUP BY 1 ORDER BY 1;
-- nothing outside the table is a currency
SELECT count(*) AS three_letter_currencies
FROM unnest(string_to_array('ABCDEFGHIJKLMNOPQRSTUVWXYZ', NULL)) AS a,
     unnest(string_to_array('ABCDEFGHIJKLMNOPQRSTUVWXYZ', NULL)) AS b,
     unnest(string_to_array('ABCDEFGHIJKLMNOPQRSTUVWXYZ', NULL)) AS c
WHERE is_currency(a || b || c);
-- a scan that stops early, and a call in the select list
SELECT * FROM currencies() LIMIT 2;
SELECT currencies() LIMIT 2;

-- amounts
SELECT amount, currency, is_amount(amount, currency)
FROM (VALUES (10, 'USD'), (10.5, 'USD'), (10.50, 'USD'), (10.500, 'USD'), (10.505, 'USD'),
             (0, 'USD'), (0.000, 'USD'), (0.01, 'USD'), (0.001, 'USD'),
             (-10.50, 'USD'), (-0.001, 'USD'), (99999999.99, 'USD'), (99999999.995, 'USD'),
             (10, 'JPY'), (10.0, 'JPY'), (10.5, 'JPY'), (-1, 'JPY'),
             (1.234, 'KWD'), (1.2340, 'KWD'), (1.2345, 'KWD'),
             (1.2345, 'CLF'), (1.23450, 'CLF'), (1.23456, 'CLF'), (0.0001, 'UYW'), (0.00001, 'UYW'),
             (1, 'XAU'), (1, 'XXX'), (0, 'XTS'), (1, 'BGN'), (1, 'usd'), (1, ''), (1, 'ZZZ'),
             ('NaN', 'USD'), ('Infinity', 'USD'), ('-Infinity', 'USD'), ('NaN', 'JPY'), ('NaN', 'ZZZ'))
     AS v (amount, currency);
SELECT what, is_amount(amount, 'USD') AS usd, is_amount(amount, 'JPY') AS jpy
FROM (VALUES ('1e-16383', 1e-16383),
             ('1 and 16383 zeros', ('1.' || repeat('0', 16383))::numeric),
             ('0 and 16383 zeros', ('0.' || repeat('0', 16383))::numeric),
             ('0.01 and 16381 zeros', ('0.01' || repeat('0', 16381))::numeric),
             ('0.01, zeros and a 1', ('0.01' || repeat('0', 16380) || '1')::numeric),
             ('1e131071', 1e131071),
             ('-1e131071', -1e131071),
             ('1e131071 + 0.01', 1e131071 + 0.01),
             ('1e131071 + 0.001', 1e131071 + 0.001),
             ('131072 nines', repeat('9', 131072)::numeric))
     AS v (what, amount);
SELECT is_amount(1, repeat('USD', 350000)) AS one_megabyte;
SELECT amount, currency, is_amount(amount, currency)
FROM (VALUES (10, 'POINTS.0'), (10.00, 'POINTS.0'), (10.5, 'POINTS.0'), (-3, 'POINTS.0'), (0.00000001, 'BTC.8'), (0.000000001, 'BTC.8'), (21000000, 'BTC.8'),
             (0.000000000000000001, 'ETH.18'), (0.0000000000000000001, 'ETH.18'), (0.0000000000000000010, 'ETH.18'),
             (120000000.123456789012345678, 'ETH.18'), (120000000.1234567890123456789, 'ETH.18'), ('NaN', 'ETH.18'), ('Infinity', 'POINTS.0'),
             (1, 'points.0'), (1, 'POINTS.19'), (1, 'USD.2'))
     AS v (amount, currency);

-- in a CHECK constraint, over stored values
CREATE TEMP TABLE price (
    amount   numeric,
    currency text,
    CONSTRAINT price_fits CHECK (order_payment.is_amount(amount, currency))
);
INSERT INTO price VALUES (19.90, 'EUR'), (19.900, 'EUR'), (-5, 'JPY'), (1e-3, 'BHD'), (1e1000, 'USD'),
    (NULL, 'USD'), (19.999, NULL);
INSERT INTO price VALUES (5, 'POINTS.0'), (0.00000001, 'BTC.8'), (1e-18, 'ETH.18');
\set VERBOSITY sqlstate
INSERT INTO price VALUES (5.5, 'POINTS.0');
INSERT INTO price VALUES (1e-19, 'ETH.18');
INSERT INTO price VALUES (5, 'POINTS');
INSERT INTO price VALUES (5, 'USD.2');
INSERT INTO price VALUES (19.999, 'EUR');
INSERT INTO price VALUES (19.9, 'JPY');
INSERT INTO price VALUES ('NaN', 'EUR');
INSERT INTO price VALUES ('Infinity', 'EUR');
INSERT INTO price VALUES (1, 'eur');
INSERT INTO price VALUES (1, 'XAU');
INSERT INTO price VALUES (1, repeat('USD', 350000));
UPDATE price SET currency = 'JPY' WHERE amount = 19.90;
\set VERBOSITY default
SELECT count(*) AS stored, bool_and(is_amount(amount, currency)) AS valid FROM price;
-- a toasted number and a toasted text
CREATE TEMP TABLE big (amount numeric, currency text);
ALTER TABLE big ALTER amount SET STORAGE EXTERNAL, ALTER currency SET STORAGE EXTERNAL;
INSERT INTO big VALUES (1e131071 + 0.01, 'USD'), (1e131071 + 0.01, 'JPY'), (1, repeat('USD', 350000));
SELECT is_amount(amount, currency), is_currency(currency) FROM big;
DROP TABLE price, big;

-- what the planner may assume
SELECT p.oid::regprocedure AS function, p.provolatile AS volatility, p.proisstrict AS strict, p.proparallel AS parallel,
       obj_description(p.oid, 'pg_proc') IS NOT NULL AS described
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = 'order_payment'::regnamespace
  AND p.proname IN ('currency_exponent', 'is_currency', 'is_amount', 'currencies')
ORDER BY p.proname COLLATE "C";
