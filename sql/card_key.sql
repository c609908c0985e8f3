-- card keys: making, publishing and retiring the pairs that cards are sealed for outside. What is sealed for them is opened in test/tap/019_sealed_card.pl.
-- Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SELECT count(*) >= 0 AS made FROM order_payment.create_data_keys();
CREATE ROLE regress_card_key;
RESET client_min_messages;
\set SHOW_CONTEXT never
BEGIN;
DELETE FROM order_payment.card_keys;

-- none yet
SAVEPOINT s;
SELECT order_payment.card_public_key();
ROLLBACK TO s;
SELECT order_payment.card_public_key('jwk', 4711);
ROLLBACK TO s;
SELECT order_payment.retire_card_keys(), order_payment.reseal_card_keys();
-- nor without a data key to seal the private half
DELETE FROM order_payment.data_keys;
SELECT order_payment.create_card_key();
ROLLBACK TO s;
SELECT order_payment.create_card_key(NULL), count(*) AS keys FROM order_payment.card_keys;
SELECT order_payment.create_card_key('-1 second');
ROLLBACK TO s;

-- a pair: the public half for everybody, the private one sealed
CREATE TEMP TABLE made AS SELECT 1 AS n, order_payment.create_card_key() AS kid;
GRANT SELECT ON made TO PUBLIC;
SELECT k.kid = m.kid AS is_it, k.kid > 0 AS has_id, k.state, length(k.public_key) AS public_key, order_payment.key_id(k.private_key) = d.key_id AS sealed_by_the_data_key,
	   k.retire_after, k.created_at BETWEEN now() AND clock_timestamp() AS now
FROM order_payment.card_keys k, made m, order_payment.data_keys d WHERE d.purpose = 'data' AND d.state = 'active';
SELECT l.n, CASE WHEN l.n IN (1, 11) THEN l.line ELSE length(l.line)::text END AS line
FROM regexp_split_to_table(order_payment.card_public_key(), '\n') WITH ORDINALITY l (line, n) ORDER BY 1;
SELECT decode(regexp_replace(order_payment.card_public_key('pem'), '-----[A-Z ]*-----', '', 'g'), 'base64') = k.public_key AS pem_is_it
FROM order_payment.card_keys k;
WITH j AS (SELECT order_payment.card_public_key('jwk')::json AS jwk)
SELECT array(SELECT json_object_keys(jwk)) AS members, jwk ->> 'kty' AS kty, jwk ->> 'use' AS use, jwk ->> 'alg' AS alg, (jwk ->> 'kid')::int = m.kid AS is_its_kid,
	   length(jwk ->> 'n') AS n, jwk ->> 'e' AS e, jwk ->> 'n' ~ '^[A-Za-z0-9_-]*$' AS is_base64url,
	   position(decode(translate(jwk ->> 'n', '-_', '+/'), 'base64') IN k.public_key) AS n_is_at
FROM j, made m, order_payment.card_keys k;
SELECT order_payment.card_public_key('jwk', kid) = order_payment.card_public_key('jwk') AS same, order_payment.card_public_key(NULL) IS NULL AS no_format,
	   order_payment.card_public_key('pem', NULL) = order_payment.card_public_key() AS no_kid FROM made;
SAVEPOINT t;
SELECT order_payment.card_public_key('der');
ROLLBACK TO t;
SELECT order_payment.card_public_key('PEM');
ROLLBACK TO t;
SELECT order_payment.card_public_key('pem', 0);
ROLLBACK TO t;
SELECT order_payment.card_public_key('pem', -1);
ROLLBACK TO t;
-- reveal() shows nobody the private half
SELECT order_payment.reveal(private_key, order_payment.binding('order_payment.card_keys', kid)) FROM order_payment.card_keys;
ROLLBACK TO t;

-- the next one, by a role that was granted the call and no more, takes its place; the one before opens for a while
GRANT INSERT ON made TO regress_card_key;
GRANT EXECUTE ON FUNCTION order_payment.create_card_key(interval) TO regress_card_key;
SET LOCAL ROLE regress_card_key;
INSERT INTO made SELECT 2, order_payment.create_card_key();
SAVEPOINT u;
SELECT private_key FROM order_payment.card_keys;
ROLLBACK TO u;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION order_payment.create_card_key(interval) FROM regress_card_key;
SELECT m.n, k.state, k.private_key IS NOT NULL AS is_there, k.retire_after - now() BETWEEN interval '23 hours' AND interval '25 hours' AS a_day,
	   order_payment.card_public_key('jwk', k.kid)::json ->> 'kid' = k.kid::text AS is_shown FROM order_payment.card_keys k JOIN made m USING (kid) ORDER BY 1;
SELECT n FROM made WHERE kid = (order_payment.card_public_key('jwk')::json ->> 'kid')::int;
SELECT order_payment.retire_card_keys();
-- no grace: destroyed by the next call
INSERT INTO made SELECT 3, order_payment.create_card_key('0');
SELECT m.n, k.state, k.private_key IS NOT NULL AS is_there, k.retire_after <= clock_timestamp() AS over FROM order_payment.card_keys k JOIN made m USING (kid) ORDER BY 1;
SELECT order_payment.retire_card_keys(), order_payment.retire_card_keys() AS again;
SELECT m.n, k.state, k.private_key IS NOT NULL AS is_there FROM order_payment.card_keys k JOIN made m USING (kid) ORDER BY 1;

-- a new data key: private halves are sealed anew, those that are destroyed are nobody's
SELECT count(order_payment.create_data_key('data'));
SELECT order_payment.reseal_card_keys(), order_payment.reseal_card_keys() AS again;

-- what is rolled back was never there
SAVEPOINT t;
INSERT INTO made SELECT 4, order_payment.create_card_key('1 hour');
SELECT m.n, k.state, k.private_key IS NOT NULL AS is_there FROM order_payment.card_keys k JOIN made m USING (kid) ORDER BY 1;
SELECT n FROM made WHERE kid = (order_payment.card_public_key('jwk')::json ->> 'kid')::int;
ROLLBACK TO t;
SELECT n FROM made WHERE kid = (order_payment.card_public_key('jwk')::json ->> 'kid')::int;
-- rows that replication or a restore changes count at once as well
SET LOCAL session_replication_role = replica;
UPDATE order_payment.card_keys SET state = 'decrypt_only', retire_after = clock_timestamp() WHERE state = 'active';
SET LOCAL session_replication_role = origin;
SELECT order_payment.card_public_key();
ROLLBACK TO t;
SET LOCAL session_replication_role = replica;
TRUNCATE order_payment.card_keys;
SET LOCAL session_replication_role = origin;
SELECT order_payment.card_public_key();
ROLLBACK TO t;

-- states go forward, and are whole
\set VERBOSITY sqlstate
UPDATE order_payment.card_keys SET state = 'active', retire_after = NULL WHERE state = 'destroyed';
ROLLBACK TO t;
UPDATE order_payment.card_keys SET state = 'decrypt_only' WHERE state = 'active';
ROLLBACK TO t;
UPDATE order_payment.card_keys SET private_key = NULL WHERE state = 'active';
ROLLBACK TO t;
UPDATE order_payment.card_keys k SET private_key = a.private_key FROM order_payment.card_keys a WHERE k.state = 'destroyed' AND a.state = 'active';
ROLLBACK TO t;
INSERT INTO order_payment.card_keys SELECT kid % 1000 + 1, state, public_key, private_key FROM order_payment.card_keys WHERE state = 'active';
ROLLBACK TO t;
INSERT INTO order_payment.card_keys SELECT 0, state, public_key, private_key, retire_after FROM order_payment.card_keys WHERE state = 'destroyed' LIMIT 1;
ROLLBACK TO t;
UPDATE order_payment.card_keys SET public_key = 'none' WHERE state = 'active';
SELECT order_payment.card_public_key('jwk');
ROLLBACK TO t;
\set VERBOSITY default

-- who may do what
SET LOCAL ROLE regress_card_key;
SELECT n FROM made WHERE kid = (order_payment.card_public_key('jwk')::json ->> 'kid')::int;
SAVEPOINT u;
SELECT order_payment.create_card_key();
ROLLBACK TO u;
SELECT order_payment.retire_card_keys();
ROLLBACK TO u;
SELECT order_payment.reseal_card_keys();
ROLLBACK TO u;
SELECT order_payment.new_card_key(1);
ROLLBACK TO u;
SELECT private_key FROM order_payment.card_keys;
ROLLBACK TO u;
ROLLBACK;
DROP ROLE regress_card_key;
