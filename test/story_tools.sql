/*
 * What the tests story_*.sql have in common. Each begins with it:
 *	  \getenv source PG_ABS_SRCDIR
 *	  \set tools :source '/test/story_tools.sql'
 *	  \i :tools
 *
 * story	what happens to one order, a step a line, written as a person would tell it:
 *				pay KEY AMOUNT [STATUS] [split] [by GATEWAY] [holding AMOUNT] [lapsed]	INSERT INTO payments; lapsed: capture_before is over
 *				capture|refund|void|chargeback KEY of PAYMENT [AMOUNT] [STATUS]	INSERT INTO payment_operations
 *				KEY STATUS [holding AMOUNT]										UPDATE of that payment or operation
 *				order STATUS													UPDATE orders SET status
 *				settle															the same to paid, by one who may record payments
 *				price AMOUNT, line NO [KIND] AMOUNT, drop NO					UPDATE of the order, or of its lines
 *			KEY is the request_key, which names a payment or an operation of the order.
 * fact		a step that only a gateway or a bank can know. The gateway's role records it, the application's role does the rest.
 * state	status of the order and those of its amounts that are not 0
 *
 * After -> stands what the rules say will come of a step, worked out by hand: the state, or the SQLSTATE of the refusal.
 * Where the server does otherwise, the output says so.
 */
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
CREATE ROLE regress_story_owner;
CREATE ROLE regress_story_app;
CREATE ROLE regress_story_gateway;
DO $$
BEGIN
	PERFORM order_payment.create_store('story', 'EUR', owner => 'regress_story_owner', app_role => 'regress_story_app', gateway_role => 'regress_story_gateway');
END $$;
SET search_path = story;
INSERT INTO gateways (gateway) VALUES ('card'), ('bank'), ('gift');

/* ---------- a step ---------- */

/* A payment's key begins with a to o, an operation's with p to z. */
CREATE FUNCTION is_fact(step text) RETURNS boolean
	LANGUAGE sql IMMUTABLE
	RETURN step !~ '^(order|price|line|drop) '
		AND step !~ '^pay \S+ \S+( processing| requires_action| split| by \w+| lapsed)*$'
		AND step !~ '^(capture|refund|void) \S+ of \S+( [0-9.]+)?$'
		AND step !~ '^[a-o] (processing|requires_action)$'
		AND step !~ '^[p-z] cancelled$';

/* Does what a step says; how many rows it met. */
CREATE FUNCTION do_step(id bigint, step text) RETURNS integer
	LANGUAGE plpgsql
AS $$
DECLARE
	word CONSTANT text[] := regexp_split_to_array(step, '\s+');
	held CONSTANT numeric := substring(step FROM ' holding (\S+)');
	wanted CONSTANT text := substring(step FROM '\m(created|processing|requires_action|unknown|authorized|succeeded|failed|revoked|requested|cancelled|reversed)\M');
	met integer;
BEGIN
	CASE
	WHEN word[1] = 'pay' THEN
		INSERT INTO payments (order_id, request_key, amount, status, split, gateway, authorized_amount, capture_before)
		VALUES (id, word[2], word[3]::numeric, coalesce(wanted, 'created'), step ~ ' split', coalesce(substring(step FROM ' by (\w+)'), 'card'),
				coalesce(held, 0), CASE WHEN step ~ ' lapsed' THEN now() - interval '1 second' END);
	WHEN word[1] IN ('capture', 'refund', 'void', 'chargeback') THEN
		INSERT INTO payment_operations (order_id, payment_id, request_key, kind, amount, status)
		SELECT p.order_id, p.payment_id, word[2], word[1], substring(step FROM ' of \w+ ([0-9.]+)')::numeric, coalesce(wanted, 'requested')
		FROM payments p WHERE p.order_id = id AND p.request_key = word[4];
	WHEN word[1] = 'order' THEN
		UPDATE orders SET status = word[2] WHERE order_id = id;
	WHEN word[1] = 'settle' THEN
		UPDATE orders SET status = 'paid' WHERE order_id = id;
	WHEN word[1] = 'price' THEN
		UPDATE orders SET price = word[2]::numeric WHERE order_id = id;
	WHEN word[1] = 'line' THEN
		INSERT INTO order_items (order_id, line_no, kind, price)
		VALUES (id, word[2]::integer, CASE WHEN word[4] IS NULL THEN 'item' ELSE word[3] END, coalesce(word[4], word[3])::numeric);
	WHEN word[1] = 'drop' THEN
		DELETE FROM order_items WHERE order_id = id AND line_no = word[2]::integer;
	WHEN word[1] < 'p' THEN
		UPDATE payments p SET status = coalesce(wanted, p.status::text), authorized_amount = coalesce(held, authorized_amount)
		WHERE order_id = id AND request_key = word[1];
	ELSE
		UPDATE payment_operations SET status = wanted WHERE order_id = id AND request_key = word[1];
	END CASE;
	GET DIAGNOSTICS met = ROW_COUNT;
	RETURN met;
END $$;

CREATE FUNCTION take_step(id bigint, step text) RETURNS integer
	LANGUAGE plpgsql
AS $$
DECLARE
	met integer;
BEGIN
	PERFORM set_config('role', CASE WHEN is_fact(step) THEN 'regress_story_gateway' ELSE 'regress_story_app' END, true);
	met := do_step(id, step);
	PERFORM set_config('role', 'none', true);
	RETURN met;
END $$;

/* ---------- what is there ---------- */

CREATE FUNCTION amounts(VARIADIC pairs text[]) RETURNS text
	LANGUAGE sql IMMUTABLE
	RETURN (SELECT coalesce(string_agg(format(', %s %s', pairs[i], trim_scale(pairs[i + 1]::numeric)), '' ORDER BY i), '')
			FROM generate_series(1, cardinality(pairs), 2) i WHERE pairs[i + 1]::numeric <> 0);

CREATE FUNCTION state(id bigint) RETURNS text
	LANGUAGE sql
BEGIN ATOMIC
	SELECT status::text || amounts('authorized', authorized_amount::text, 'captured', paid_amount::text, 'refunded', refunded_amount::text,
								   'charged back', charged_back_amount::text, 'due', refund_due_amount::text,
								   'outstanding', order_payment.outstanding_amount(status, total_amount, paid_amount, refunded_amount,
																				   charged_back_amount, refund_due_amount, paid_at IS NOT NULL)::text)
		|| CASE WHEN total_amount IS NULL THEN ', total unknown' ELSE '' END
	FROM orders WHERE order_id = id;
END;

CREATE FUNCTION details(id bigint) RETURNS text
	LANGUAGE sql
BEGIN ATOMIC
	SELECT string_agg(line, '; ' ORDER BY key, line)
	FROM (SELECT coalesce(request_key, gateway) AS key,
				 format('%s %s', coalesce(request_key, gateway), status) || amounts('authorized', authorized_amount::text, 'capturing', capture_pending_amount::text, 'captured', captured_amount::text,
									'refunding', refund_pending_amount::text, 'refunded', refunded_amount::text, 'charged back', charged_back_amount::text) AS line
		  FROM payments WHERE order_id = id
		  UNION ALL
		  SELECT request_key, format('%s %s', request_key, status) || amounts(kind, amount::text, 'of due', obligatory_amount::text)
		  FROM payment_operations WHERE order_id = id) AS x;
END;

/* What does not fit together, each sum made anew from the rows that it sums. */
CREATE FUNCTION problems(id bigint) RETURNS text
	LANGUAGE sql
BEGIN ATOMIC
	WITH p AS (
		SELECT coalesce(sum(captured_amount), 0) AS captured, coalesce(sum(refunded_amount), 0) AS refunded, coalesce(sum(charged_back_amount), 0) AS charged_back,
			   coalesce(sum(greatest(0, authorized_amount - captured_amount)) FILTER (WHERE status = 'authorized'), 0) AS authorized
		FROM payments WHERE order_id = id
	), q AS (
		SELECT payment_id, coalesce(sum(amount) FILTER (WHERE kind IN ('capture', 'void') AND status <= 'unknown'), 0) AS capturing,
			   coalesce(sum(amount) FILTER (WHERE kind = 'refund' AND status <= 'unknown'), 0) AS refunding,
			   coalesce(sum(amount) FILTER (WHERE kind = 'refund' AND status = 'succeeded'), 0) AS refunded,
			   coalesce(sum(amount) FILTER (WHERE kind = 'chargeback' AND status = 'succeeded'), 0) AS charged_back
		FROM payment_operations WHERE order_id = id GROUP BY payment_id
	), e AS (
		SELECT entity, entity_id, version, to_status, from_status IS DISTINCT FROM lag(to_status) OVER w AS broken, row_number() OVER (PARTITION BY entity, entity_id ORDER BY version DESC) = 1 AS is_last
		FROM order_events WHERE order_id = id AND to_status <> 'customer_contact_needed' WINDOW w AS (PARTITION BY entity, entity_id ORDER BY version)
	), problem AS (
		SELECT 'sums of payments' AS name FROM orders o, p
		WHERE o.order_id = id AND (o.paid_amount, o.refunded_amount, o.charged_back_amount, o.authorized_amount) <> (p.captured, p.refunded, p.charged_back, p.authorized)
		UNION ALL
		SELECT 'sums of operations' FROM payments x LEFT JOIN q USING (payment_id)
		WHERE x.order_id = id AND (x.capture_pending_amount, x.refund_pending_amount, x.refunded_amount, x.charged_back_amount)
			<> (coalesce(q.capturing, 0), coalesce(q.refunding, 0), coalesce(q.refunded, 0), coalesce(q.charged_back, 0))
		UNION ALL
		SELECT 'net amount' FROM payments
		WHERE order_id = id AND (expected_net <> amount - fee OR net_amount <> CASE WHEN captured_amount > 0 THEN captured_amount - refunded_amount - charged_back_amount - fee ELSE 0 END)
		UNION ALL
		SELECT 'dead and something kept' FROM orders
		WHERE order_id = id AND status IN ('cancelled', 'expired', 'refunded') AND refund_due_amount <> greatest(0, paid_amount - refunded_amount - charged_back_amount)
		UNION ALL
		SELECT 'more is due than is held' FROM orders WHERE order_id = id AND refund_due_amount > paid_amount - refunded_amount
		UNION ALL
		SELECT 'paid_at' FROM orders WHERE order_id = id AND status IN ('paid', 'completed') AND paid_at IS NULL
		UNION ALL
		SELECT 'version' FROM orders
		WHERE order_id = id AND (version <> (SELECT count(*) FROM order_events WHERE order_id = id) OR version <> (SELECT max(version) FROM order_events WHERE order_id = id))
		UNION ALL
		SELECT 'chain of events' FROM e WHERE broken
		UNION ALL
		SELECT 'last event' FROM (SELECT 'order' AS entity, NULL::uuid AS entity_id, status::text FROM orders WHERE order_id = id
								  UNION ALL SELECT 'payment', payment_id, status::text FROM payments WHERE order_id = id
								  UNION ALL SELECT 'operation', operation_id, status::text FROM payment_operations WHERE order_id = id) AS s
		WHERE NOT EXISTS (SELECT FROM e WHERE e.entity = s.entity AND e.entity_id IS NOT DISTINCT FROM s.entity_id AND e.is_last AND e.to_status = s.status)
	)
	SELECT string_agg(DISTINCT ' PROBLEM: ' || name, '') FROM problem;
END;

CREATE FUNCTION place_order(price numeric, currency text DEFAULT 'EUR') RETURNS bigint
	LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO orders (price, currency) VALUES (place_order.price, place_order.currency) RETURNING order_id;
END;

/* ---------- a story as it is told ---------- */

CREATE FUNCTION tell(price numeric, story text, currency text DEFAULT 'EUR')
	RETURNS TABLE (step text, state text, events integer, payments text)
	LANGUAGE plpgsql
AS $$
DECLARE
	id CONSTANT bigint := place_order(price, currency);
	expected text;
	refused_by text;
	refused_column text;
BEGIN
	FOR step, expected IN
		SELECT trim(split_part(line, '->', 1)), trim(split_part(line, '->', 2)) FROM regexp_split_to_table(story, '\n') AS line WHERE line ~ '\S'
	LOOP
		BEGIN
			state := NULL;
			IF take_step(id, step) = 0 THEN
				state := 'NO ROW MET';
			END IF;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME, refused_column = COLUMN_NAME;
			refused_by := regexp_replace(refused_by, '_(p[0-9]+|rest)$', '');  -- of a partition
			state := concat_ws(' ', SQLSTATE, CASE WHEN SQLSTATE !~ '^OP' THEN coalesce(nullif(refused_by, ''), nullif(refused_column, '')) END);
		END;
		state := coalesce(state, state(id));
		IF state <> expected THEN
			state := state || ' BUT EXPECTED ' || expected;
		END IF;
		state := state || coalesce(problems(id), '');
		events := (SELECT o.version FROM orders o WHERE o.order_id = id);
		payments := details(id);
		RETURN NEXT;
	END LOOP;
END $$;

/* ---------- the same in every order of arrival ---------- */

/* Whom a step is about: what is told of one thing comes in its order. */
CREATE FUNCTION thing(step text) RETURNS text
	LANGUAGE sql IMMUTABLE
	RETURN CASE WHEN step ~ '^(pay|capture|refund|void|chargeback) ' THEN split_part(step, ' ', 2) WHEN step = 'settle' THEN 'order' ELSE split_part(step, ' ', 1) END;

/* What cannot happen, for the row is not there that it is about, does not: an attempt that was refused has no outcome. */
CREATE FUNCTION arrive(id bigint, steps text[], rest integer[], refused text[], outcomes text[]) RETURNS text[]
	LANGUAGE plpgsql
AS $$
DECLARE
	next integer;
	error text;
	is_end boolean := true;
BEGIN
	FOREACH next IN ARRAY rest LOOP
		CONTINUE WHEN EXISTS (SELECT FROM unnest(rest) AS r WHERE r < next AND thing(steps[r]) = thing(steps[next]));
		BEGIN
			BEGIN
				error := NULL;
				IF take_step(id, steps[next]) = 0 THEN
					error := 'no row';
				END IF;
			EXCEPTION WHEN OTHERS THEN
				error := steps[next] || ' ' || SQLSTATE;
				IF is_fact(steps[next]) AND SQLSTATE <> 'OP001' THEN
					error := error || ' A FACT IS REFUSED: ' || SQLERRM;
				END IF;
			END;
			IF error IS DISTINCT FROM 'no row' THEN
				is_end := false;
				outcomes := arrive(id, steps, array_remove(rest, next), array_remove(refused || error, NULL), outcomes);
			END IF;
			RAISE EXCEPTION 'back' USING ERRCODE = 'ST001';
		EXCEPTION WHEN SQLSTATE 'ST001' THEN
			NULL;
		END;
	END LOOP;
	IF is_end THEN
		outcomes := outcomes || (state(id) || coalesce(problems(id), '')
			|| coalesce(' [' || (SELECT string_agg(r, ', ' ORDER BY r) FROM unnest(refused) r) || ']', ''));
	END IF;
	RETURN outcomes;
END $$;

/*
 * Takes the steps in every order that can happen, and counts how often each
 * state came out; [...]: the steps that were refused. Lines with = are the
 * states that the rules let come out.
 */
CREATE FUNCTION tell_in_every_order(price numeric, story text, currency text DEFAULT 'EUR')
	RETURNS TABLE (times bigint, outcome text)
	LANGUAGE plpgsql
AS $$
DECLARE
	id CONSTANT bigint := place_order(price, currency);
	steps CONSTANT text[] := (SELECT array_agg(trim(line) ORDER BY n) FROM regexp_split_to_table(story, '\n') WITH ORDINALITY AS l (line, n) WHERE line ~ '\S' AND line !~ '^\s*=');
	expected CONSTANT text[] := (SELECT array_agg(trim(substring(line FROM '=(.*)'))) FROM regexp_split_to_table(story, '\n') AS line WHERE line ~ '^\s*=');
	outcomes CONSTANT text[] := arrive(id, steps, (SELECT array_agg(i) FROM generate_subscripts(steps, 1) i), '{}', '{}');
BEGIN
	RETURN QUERY
		SELECT count(o.outcome), coalesce(o.outcome || CASE WHEN e.outcome IS NULL THEN ' BUT NOT EXPECTED' ELSE '' END, e.outcome || ' EXPECTED BUT NEVER CAME') COLLATE "C" AS line
		FROM unnest(outcomes) AS o (outcome) FULL JOIN unnest(expected) AS e (outcome) ON e.outcome = o.outcome
		GROUP BY line ORDER BY line;
END $$;

RESET client_min_messages;
