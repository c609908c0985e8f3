-- sealed: the type, seal(), reveal(), key_id(), binding(). Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SET order_payment.allow_unguarded = on;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
RESET client_min_messages;
SET search_path = public, order_payment;

-- what goes in comes out, in its one form
SELECT field, given, reveal(seal(given, field, 'row 1'), 'row 1')
FROM (VALUES ('number', '4111111111111111'), ('number', '4111 1111-1111 1111'), ('number', ' 378282246310005 '), ('number', '6222020200112233445'),
			 ('holder', 'José Ñandú'), ('holder', repeat('x', 96)), ('expiry', '01/27'), ('expiry', '12/2030'), ('expiry', '0127'),
			 ('text', ''), ('text', 'anything *** at all')) AS v (field, given);
SELECT seal(NULL, 'number', 'x') IS NULL, seal('4111111111111111', NULL, 'x') IS NULL, reveal(NULL, 'x') IS NULL;

-- the size tells neither brand nor length
SELECT count(DISTINCT length(seal(number, 'number', 'x')::text)) AS sizes
FROM (VALUES ('4222222222222'), ('378282246310005'), ('4111111111111111'), ('4000000000000000006')) AS v (number);
SELECT length(seal(repeat('n', n), 'holder', 'x')::text) AS size, min(n), max(n) FROM generate_series(1, 96) n GROUP BY 1 ORDER BY 1;
SELECT pg_column_size(seal('4111111111111111', 'number', 'x')) <= 130 AS in_line;

-- no two are alike
SELECT count(DISTINCT seal('4111111111111111', 'number', 'x')::text) AS sealed, count(DISTINCT substr(sealed_send(seal('4111111111111111', 'number', 'x')), 9, 24)) AS nonces
FROM generate_series(1, 2000);

-- bound: to a label and a key
SELECT binding('t', 1), binding('t', 1::smallint) = binding('t', 1::bigint) AS integers_are_one, binding('t', '1') = binding('t', 1) AS text_is_another,
	   binding('t', 'a', 'bc') = binding('t', 'ab', 'c') AS run_together, binding('ta', 'b') = binding('t', 'ab') AS label_and_key;
SELECT binding('t', 1, 2), binding('t', 1, 2) = binding('t', 1, 3) AS second_is_another, binding('t', 1, 2) = binding('t', 1) AS second_is_left_out;
SELECT binding('t', 'b2c3a0a4-3a5c-4d4e-9f10-0123456789ab'::uuid);
SELECT binding('t', 'é'::varchar);
SELECT binding('t', NULL::int);
SELECT binding(NULL, 1);
SELECT binding('t', now());
SELECT binding('t', VARIADIC ARRAY[1, 2]);
SELECT length(binding('t', repeat('x', 1013))), binding('t', repeat('x', 1015));

-- reveal with another binding, field or key: one error
SELECT seal('4111111111111111', 'number', binding('t', 1)) AS value \gset
\set VERBOSITY sqlstate
SELECT reveal(:'value', binding('t', 2));
SELECT reveal(:'value', binding('u', 1));
SELECT reveal(:'value', '');
\set VERBOSITY default
-- which is recorded before it is tried
SELECT count(*), bool_and(refused) AS refused FROM reveal_log WHERE bound_to = binding('u', 1);
-- and what is recorded holds no number
SET application_name = 'till 4111 1111 1111 1111';
SELECT reveal(:'value', binding('t', 1));
SELECT application_name FROM reveal_log ORDER BY reveal_id DESC LIMIT 1;
RESET application_name;
SELECT reveal(:'value', binding('t', 2));

-- each changed bit, cut and extension of its bytes is refused: by input, or by OP010
CREATE TEMP TABLE given AS SELECT sealed_send(:'value') AS bytes;
CREATE FUNCTION pg_temp.as_sealed(bytes bytea) RETURNS text LANGUAGE sql
RETURN 'op1:' || translate(rtrim(replace(encode(bytes, 'base64'), E'\n', ''), '='), '+/', '-_');
CREATE FUNCTION pg_temp.fault(given text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM order_payment.reveal(given::order_payment.sealed, order_payment.binding('t', 1));
	RETURN 'opened';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END $$;
SELECT pg_temp.fault(pg_temp.as_sealed(bytes)) FROM given;
-- the budget of reveals is not what is tested here; a bit in each byte, for each reveal is recorded
SET order_payment.reveal_budget = -1;
SELECT pg_temp.fault(pg_temp.as_sealed(set_bit(bytes, b * 8 + b % 8, 1 - get_bit(bytes, b * 8 + b % 8)))) AS fault, count(*), min(b), max(b)
FROM given, generate_series(0, length(bytes) - 1) b GROUP BY 1 ORDER BY 1;
SELECT pg_temp.fault(pg_temp.as_sealed(substr(bytes, 1, n))) AS fault, count(*) FROM given, generate_series(0, length(bytes) - 1) n GROUP BY 1;
SELECT pg_temp.fault(pg_temp.as_sealed(substr(bytes, n))) AS fault, count(*) FROM given, generate_series(2, length(bytes)) n GROUP BY 1;
SELECT pg_temp.fault(pg_temp.as_sealed(bytes || b)) AS fault FROM given, LATERAL (VALUES ('\x00'::bytea), (bytes), (substr(bytes, 1, 21))) AS v (b);

-- input takes what output gives, and shows nothing of what it refuses
SELECT :'value'::sealed::text = :'value' AS lossless;
SELECT '4111111111111111'::sealed;
SELECT 'op1:'::sealed;
\set VERBOSITY sqlstate
SELECT ''::sealed;
SELECT (:'value' || '=')::sealed;
SELECT (:'value' || ' ')::sealed;
SELECT upper(:'value')::sealed;
SELECT replace(:'value', 'op1:', 'op2:')::sealed;
SELECT repeat('op1:A', 2000)::sealed;
\set VERBOSITY default
CREATE TEMP TABLE copied (value sealed);
COPY copied FROM stdin;
4111111111111111
\.
SELECT key_id(:'value') = key_id AS key_id FROM data_keys WHERE purpose = 'data' AND state = 'active';

-- binary
CREATE TEMP TABLE there AS SELECT seal('there and back', 'text', 'x') AS value;
CREATE TEMP TABLE back (value sealed);
\copy there TO '/tmp/order_payment_sealed.bin' (FORMAT binary)
\copy back FROM '/tmp/order_payment_sealed.bin' (FORMAT binary)
\! rm -f /tmp/order_payment_sealed.bin
SELECT reveal(value, 'x') FROM back;
CREATE TEMP TABLE clear (value bytea);
INSERT INTO clear VALUES ('4111111111111111');
\copy clear TO '/tmp/order_payment_sealed.bin' (FORMAT binary)
\copy back FROM '/tmp/order_payment_sealed.bin' (FORMAT binary)
\! rm -f /tmp/order_payment_sealed.bin

-- fields
SELECT seal('x', 'password', 'x');
SELECT seal('x', 'nonsense', 'x');
\set VERBOSITY sqlstate
SELECT seal('x', 'secret', 'x');
SELECT seal('x', '', 'x');
SELECT seal(repeat('x', 97), 'holder', 'x');
SELECT seal('J***', 'holder', 'x');
SELECT seal('', 'holder', 'x');
SELECT seal('13/27', 'expiry', 'x');
SELECT seal('4111111111111112', 'number', 'x');
SELECT seal('', 'number', 'x');
SELECT seal(repeat('x', 4095), 'text', 'x');
\set VERBOSITY default
SELECT length(reveal(seal(repeat('x', 4094), 'text', 'x'), 'x'));

-- no equality, no order: two of them cannot be compared, nor indexed
SELECT value = value FROM copied;
CREATE INDEX ON copied (value);

-- without the log guard clear text is refused, and the number is not shown
SET order_payment.allow_unguarded = off;
SELECT seal('4111111111111111', 'number', 'x');
\set VERBOSITY sqlstate
SELECT card_fingerprints('4111111111111111');
\set VERBOSITY default
SET order_payment.allow_unguarded = on;

-- who may: everybody seals, nobody reveals without being granted it
CREATE ROLE regress_sealed;
SET ROLE regress_sealed;
SELECT reveal(:'value', 'x');
SELECT card_fingerprints('4111111111111111');
SELECT * FROM data_keys;
SELECT * FROM reveal_log;
SELECT create_data_keys();
SET order_payment.allow_unguarded = on;
RESET ROLE;
DROP ROLE regress_sealed;
