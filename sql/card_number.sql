-- card_number: brand, mask and check digit of card numbers; what is none, and that it is never repeated
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
SET search_path = order_payment, public;

-- ---------- test numbers that the schemes and gateways publish ----------

CREATE TEMP TABLE test_number (number text, comment text);
INSERT INTO test_number VALUES
('4111111111111111', ''), ('4222222222222', 'old, 13 digits'), ('4000000000000000006', '19 digits'),
('5555555555554444', ''), ('2223003122003222', 'the second series'),
('378282246310005', ''), ('371449635398431', ''), ('6011111111111117', ''), ('30569309025904', ''), ('36227206271667', ''),
('3566002020360505', ''), ('6200000000000005', ''), ('6205500000000000004', '19 digits'),
('8171999927660000', 'the second series'), ('8171999900000000021', 'the same, 19 digits'),
('6304000000000000', ''), ('6759649826438453', ''), ('6222020200112233445', 'issued without a check digit');
SELECT number, card_brand(number), card_mask(number), luhn_valid(number), comment FROM test_number;
-- any other last digit is wrong
SELECT count(*) AS numbers, count(*) FILTER (WHERE luhn_valid(left(number, -1) || d)) AS valid
FROM test_number, generate_series(0, 9) d;
-- so are any two digits swapped, but for 0 and 9
SELECT count(*) AS swapped, count(*) FILTER (WHERE luhn_valid(swapped)) AS valid
FROM test_number, generate_series(1, length(number) - 1) i,
     LATERAL (SELECT overlay(number PLACING reverse(substr(number, i, 2)) FROM i FOR 2)) s (swapped)
WHERE luhn_valid(number) AND swapped <> number AND substr(number, i, 2) NOT IN ('09', '90');

-- ---------- brands: the longest prefix wins ----------

SELECT prefix, card_brand(rpad(prefix, 16, '0'))
FROM unnest('{219999,220000,220499,220500,222099,222100,272099,272100,
              300000,305999,306000,309000,340000,352799,352800,358999,359000,360000,370000,380000,
              400000,401177,401178,401180,493698,499999,500000,504175,506099,507865,508500,509000,510000,559999,560000,
              600000,601099,601100,601199,601200,606282,606985,609999,619999,620000,622125,622126,622925,622926,627780,629999,630000,
              637095,63737423,63737424,643999,644000,650000,650002,650031,650034,650485,651652,652150,653149,653150,659999,660000,700000,
              809999,810000,817199,817200,829999,830000,900000,979199,979200,979300,000000,041111}'::text[]) prefix;
-- every number with a brand keeps it, whatever its length and last digits
SELECT count(*) AS cases, count(*) FILTER (WHERE card_brand(p) IS DISTINCT FROM card_brand(rpad(p, n, '7'))) AS wrong
FROM generate_series(10000000, 99999999, 4999) i, LATERAL (SELECT rpad(i::text, 12, '3')) l (p), unnest('{12,13,16,19}'::int[]) n;

-- ---------- forms ----------

SELECT quote_literal(number) AS number, card_brand(number), card_mask(number), luhn_valid(number)
FROM (VALUES ('4111 1111 1111 1111'), ('4111-1111-1111-1111'), (' 4111 1111-11111111 '), ('4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1'),
             ('3782 822463 10005'), ('123456789012'), ('0000000000000000')) v (number);
SELECT quote_literal(number) AS number, luhn_valid(number)
FROM (VALUES (''), (' '), ('-'), ('41111111111'), ('41111111111111111111'), ('4111  1111 1111 1111'), ('4111--111111111111'), ('-4111111111111111'),
             ('4111111111111111-'), ('4111.1111.1111.1111'), ('411111111111111x'), ('+4111111111111111'),
             ('4111111111111e3'), ('************1111'), ('NaN'), ('op1:AAAA')) v (number);
SELECT luhn_valid(E'\t4111111111111111\r\n') AS around, luhn_valid(E'4111\t1111 1111 1111') AS tab, luhn_valid(U&'4111\00A0111111111111') AS no_break_space,
       luhn_valid(translate('4111111111111111', '14', U&'\FF11\FF14')) AS full_width, luhn_valid(translate('4111111111111111', '14', U&'\0661\0664')) AS arabic,
       luhn_valid(U&'4111111111111111\200B') AS zero_width;
SELECT luhn_valid(repeat('4', 1000000)) AS digits, luhn_valid(repeat(' ', 1000000)) AS blanks, luhn_valid(repeat(' ', 1000000) || '4111111111111111') AS padded,
       luhn_valid(repeat('1 ', 500000)) AS separated;
SELECT card_brand(NULL) AS brand, card_mask(NULL) AS mask, luhn_valid(NULL) AS luhn;
SELECT card_brand('4111111111111111'::char(20)) AS "char", card_mask('4111111111111111'::varchar) AS "varchar";
SELECT card_mask(number => '4111111111111111') AS by_name;
-- in a constraint and in an index
CREATE TEMP TABLE masked (mask text CHECK (mask = card_mask('1234567890' || right(mask, 4))));
INSERT INTO masked VALUES (card_mask('4111111111111111'));
INSERT INTO masked VALUES ('****1111');
CREATE INDEX ON masked (luhn_valid(mask));

-- ---------- refused, and never repeated ----------

SELECT card_brand('');
SELECT card_mask('4111 1111 1111 111x');
\set VERBOSITY terse
SELECT card_brand('41111111111');
SELECT card_mask('41111111111111111111');
SELECT card_mask('************1111');
SELECT card_brand(repeat('4', 1000000));
SELECT card_mask(repeat(' ', 1000000));
SELECT card_brand(translate('4111111111111111', '14', U&'\FF11\FF14'));
\set VERBOSITY sqlstate
SELECT card_mask('x');
SELECT card_brand('x');
\set VERBOSITY default
DO $$
DECLARE message text; detail text; hint text;
BEGIN
	PERFORM order_payment.card_mask('4111 1111 1111 111x');
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE NOTICE 'repeated: %', concat(message, detail, hint) ~ '1111';
END $$;
