-- keys: making, activating and wrapping data keys; what is refused without them. Needs order_payment.root_key_file in postgresql.conf.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
SET order_payment.allow_unguarded = on;
RESET client_min_messages;

SELECT count(*) AS keys_before FROM order_payment.data_keys \gset

-- nothing is sealed without a key, and the key is not made by itself
BEGIN;
DELETE FROM order_payment.data_keys;
SELECT order_payment.seal('some text', 'text', 'here');
ROLLBACK;
SELECT count(*) AS root_keys, bool_and(length(root_key_check) = 8) AS has_check FROM order_payment.root_keys();

BEGIN;
DELETE FROM order_payment.data_keys;
SELECT count(*) FROM order_payment.create_data_keys();
SELECT count(*) FROM order_payment.create_data_keys();  -- they are there
SELECT purpose, state, key_id > 0 AS has_id, root_key_id, length(root_key_check) AS root_key_check, length(wrapped) AS wrapped,
	   retire_after - created_at BETWEEN interval '364 days' AND interval '367 days' AS a_year,
	   activated_at IS NOT NULL AS activated, deactivated_at IS NULL AS still
FROM order_payment.data_keys ORDER BY purpose;
SELECT order_payment.key_id(order_payment.seal('some text', 'text', 'here')) = key_id AS sealed_by_it
FROM order_payment.data_keys WHERE purpose = 'data';

-- a new key seals, the old one opens
CREATE TEMP TABLE old_value AS SELECT order_payment.seal('some text', 'text', 'here') AS value;
CREATE TEMP TABLE made AS SELECT order_payment.create_data_key('data') AS key_id;
SELECT state, (SELECT m.key_id FROM made m) = k.key_id AS is_new, deactivated_at IS NOT NULL AS deactivated, deactivated_in = pg_current_xact_id() AS now
FROM order_payment.data_keys k WHERE purpose = 'data' ORDER BY state;
SELECT order_payment.key_id(order_payment.seal('some text', 'text', 'here')) = key_id AS sealed_by_the_new_one FROM made;
SELECT order_payment.key_id(value) <> key_id AS sealed_by_the_old_one FROM made, old_value;
SELECT order_payment.reveal(value, 'here') FROM old_value;

-- one that waits
INSERT INTO made SELECT order_payment.create_data_key('data', activate => false, lifetime => '1 day');
SELECT state, count(*) FROM order_payment.data_keys WHERE purpose = 'data' GROUP BY state ORDER BY state;
SELECT order_payment.activate_data_key(key_id) FROM order_payment.data_keys WHERE state = 'pre_active';
SELECT state, count(*) FROM order_payment.data_keys WHERE purpose = 'data' GROUP BY state ORDER BY state;
SELECT order_payment.activate_data_key(key_id) FROM order_payment.data_keys WHERE purpose = 'data' AND state = 'active';  -- is so already
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT order_payment.activate_data_key(key_id) FROM order_payment.data_keys WHERE purpose = 'data' AND state = 'decrypt_only' LIMIT 1;
\set VERBOSITY default
ROLLBACK TO s;
SELECT order_payment.activate_data_key(0);
ROLLBACK TO s;
SELECT order_payment.create_data_key('nonsense');
ROLLBACK TO s;
SELECT order_payment.activate_data_key(NULL), order_payment.create_data_key(NULL);

-- wrapping anew changes the wrapping alone
CREATE TEMP TABLE before AS SELECT * FROM order_payment.data_keys;
SELECT order_payment.rewrap_data_keys();
SELECT count(*) AS keys, count(*) FILTER (WHERE d.wrapped <> b.wrapped) AS wrapped_anew,
	   count(*) FILTER (WHERE d.root_key_check = b.root_key_check AND d.root_key_id = b.root_key_id AND d.state = b.state) AS else_the_same
FROM order_payment.data_keys d JOIN before b USING (key_id);
SELECT order_payment.reveal(value, 'here') FROM old_value;

\set VERBOSITY sqlstate
-- a wrapped key that was put into another row, or changed, does not unwrap
SAVEPOINT s;
UPDATE order_payment.data_keys d SET wrapped = o.wrapped FROM order_payment.data_keys o
WHERE d.purpose = 'data' AND d.state = 'active' AND o.purpose = 'pepper';
SELECT order_payment.seal('some text', 'text', 'here') IS NULL;
ROLLBACK TO s;
UPDATE order_payment.data_keys d SET wrapped = o.wrapped FROM order_payment.data_keys o
WHERE d.purpose = 'data' AND d.state = 'active' AND o.purpose = 'data' AND o.state = 'decrypt_only';
SELECT order_payment.seal('some text', 'text', 'here') IS NULL;
ROLLBACK TO s;
DELETE FROM order_payment.data_keys WHERE purpose = 'data';
UPDATE order_payment.data_keys SET purpose = 'data' WHERE purpose = 'pepper' AND state = 'active';
SELECT order_payment.seal('some text', 'text', 'here') IS NULL;
ROLLBACK TO s;
UPDATE order_payment.data_keys SET wrapped = set_byte(wrapped, 40, get_byte(wrapped, 40) # 1) WHERE purpose = 'data';
SELECT order_payment.reveal(value, 'here') FROM old_value;
ROLLBACK TO s;
UPDATE order_payment.data_keys SET wrapped = 'no envelope' WHERE purpose = 'data';
SELECT order_payment.reveal(value, 'here') FROM old_value;
ROLLBACK TO s;
SELECT order_payment.reveal(value, 'here') FROM old_value;

-- states only go forward
UPDATE order_payment.data_keys SET state = 'active' WHERE state = 'decrypt_only';
ROLLBACK TO s;
UPDATE order_payment.data_keys SET state = 'pre_active' WHERE state = 'active';
ROLLBACK TO s;
UPDATE order_payment.data_keys SET state = 'destroyed' WHERE state = 'decrypt_only';  -- but still there
ROLLBACK TO s;
UPDATE order_payment.data_keys SET state = 'compromised' WHERE state = 'decrypt_only';
SAVEPOINT t;
UPDATE order_payment.data_keys SET state = 'decrypt_only' WHERE state = 'compromised';
ROLLBACK TO t;
UPDATE order_payment.data_keys SET state = 'active' WHERE state = 'compromised';
ROLLBACK TO s;
UPDATE order_payment.data_keys SET state = 'pre_active' WHERE state = 'decrypt_only';
ROLLBACK TO s;
INSERT INTO order_payment.data_keys (key_id, purpose, state, root_key_id, root_key_check, wrapped)
SELECT 4711, purpose, 'pre_active', root_key_id, root_key_check, wrapped FROM order_payment.data_keys WHERE purpose = 'pepper' AND state = 'active';
SAVEPOINT t;
UPDATE order_payment.data_keys SET state = 'compromised' WHERE key_id = 4711;
ROLLBACK TO s;

-- what no row is
INSERT INTO order_payment.data_keys SELECT (jsonb_populate_record(k, '{"key_id": 4711}')).* FROM order_payment.data_keys k WHERE state = 'active' LIMIT 1;
ROLLBACK TO s;
UPDATE order_payment.data_keys SET key_id = 0 WHERE purpose = 'pepper' AND state = 'active';
ROLLBACK TO s;
UPDATE order_payment.data_keys SET purpose = 'nonsense' WHERE purpose = 'pepper' AND state = 'active';
ROLLBACK TO s;
INSERT INTO order_payment.data_keys SELECT (jsonb_populate_record(k, '{"key_id": 4711, "state": "nonsense"}')).* FROM order_payment.data_keys k WHERE state = 'active' LIMIT 1;
ROLLBACK TO s;
UPDATE order_payment.data_keys SET wrapped = NULL WHERE state = 'active';
ROLLBACK TO s;
UPDATE order_payment.data_keys SET root_key_id = NULL WHERE state = 'active';
ROLLBACK TO s;
UPDATE order_payment.data_keys SET root_key_check = NULL WHERE state = 'active';
ROLLBACK TO s;
-- nor a row of a key that cards are sealed for
INSERT INTO order_payment.card_keys (kid, state, public_key, private_key) SELECT 1, 'active', '', value FROM old_value;
SAVEPOINT t;
INSERT INTO order_payment.card_keys (kid, state, public_key, private_key) SELECT 2, 'active', '', value FROM old_value;
ROLLBACK TO t;
INSERT INTO order_payment.card_keys (kid, state, public_key, private_key, retire_after) SELECT 0, 'decrypt_only', '', value, now() FROM old_value;
ROLLBACK TO t;
INSERT INTO order_payment.card_keys (kid, state, public_key, private_key, retire_after) SELECT 2, 'nonsense', '', value, now() FROM old_value;
ROLLBACK TO t;
UPDATE order_payment.card_keys SET state = 'decrypt_only';
ROLLBACK TO t;
UPDATE order_payment.card_keys SET state = 'destroyed', retire_after = now();
ROLLBACK TO t;
UPDATE order_payment.card_keys SET private_key = NULL;
ROLLBACK TO t;
UPDATE order_payment.card_keys SET state = 'decrypt_only', retire_after = now();
UPDATE order_payment.card_keys SET state = 'active';
ROLLBACK TO s;

\set VERBOSITY default
-- what a state allows counts at once, in the same session too
UPDATE order_payment.data_keys SET state = 'compromised' WHERE purpose = 'data' AND state = 'decrypt_only';
SELECT order_payment.reveal(value, 'here') FROM old_value;
ROLLBACK TO s;
UPDATE order_payment.data_keys SET state = 'destroyed', wrapped = NULL WHERE purpose = 'data' AND state = 'decrypt_only';
SELECT order_payment.reveal(value, 'here') FROM old_value;
ROLLBACK TO s;
UPDATE order_payment.data_keys SET state = 'destroyed', wrapped = NULL WHERE purpose = 'data' AND state = 'decrypt_only';
SELECT order_payment.rewrap_data_keys() = (SELECT count(*) FROM order_payment.data_keys WHERE state <> 'destroyed') AS those_that_are_there;
SELECT bool_and(root_key_id IS NOT NULL) AS the_others_stay FROM order_payment.data_keys WHERE state = 'destroyed';
ROLLBACK TO s;
UPDATE order_payment.data_keys SET state = 'decrypt_only' WHERE purpose = 'data' AND state = 'active';
SELECT order_payment.seal('some text', 'text', 'here');
ROLLBACK TO s;
SELECT order_payment.reveal(value, 'here') FROM old_value;
ROLLBACK TO s;
DELETE FROM order_payment.data_keys;
SELECT order_payment.reveal(value, 'here') FROM old_value;
ROLLBACK;

-- who replicates keys is told of changes by triggers that fire for what comes
SELECT tgrelid::regclass AS keys, tgname, tgenabled FROM pg_trigger WHERE tgfoid = 'order_payment.announce_keys()'::regprocedure ORDER BY 1, 2;

-- what was made in a transaction that did not commit is gone
SELECT count(*) = :keys_before AS as_before FROM order_payment.data_keys;
