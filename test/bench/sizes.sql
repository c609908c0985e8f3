/*
 * The frame of test/bench/sizes: how orders of a kind are made, and how tables are weighed and told.
 *
 * store   of a kind: sizes_KIND; the session that loads has it as its search_path, so that plans are made once
 */
\set ON_ERROR_STOP on

CREATE EXTENSION IF NOT EXISTS order_payment;
DROP SCHEMA IF EXISTS sizes, sizes_checkout, sizes_card, sizes_lines, sizes_refund, sizes_requests CASCADE;
CREATE SCHEMA sizes;
DO $$
BEGIN
	IF to_regrole('sizes_owner') IS NOT NULL THEN -- left by a run that failed
		DROP OWNED BY sizes_owner;
		DROP ROLE sizes_owner;
	END IF;
	CREATE ROLE sizes_owner;
	IF NOT EXISTS (SELECT FROM order_payment.data_keys WHERE state = 'active') THEN
		PERFORM order_payment.create_data_keys();
	END IF;
	IF NOT EXISTS (SELECT FROM order_payment.card_keys WHERE state = 'active') THEN
		PERFORM order_payment.create_card_key();
	END IF;
END
$$;
SELECT order_payment.create_store(('sizes_' || kind)::name, 'USD', owner => 'sizes_owner')
FROM unnest('{checkout,card,lines,refund,requests}'::text[]) kind;
SELECT format($$INSERT INTO sizes_%1$s.gateways (gateway) VALUES ('stripe');
	INSERT INTO sizes_%1$s.gateway_fees (gateway, currency, rate, fixed) VALUES ('stripe', 'USD', 0.029, 0.30)$$, kind)
FROM unnest('{checkout,card,lines,refund,requests}'::text[]) kind \gexec
UPDATE sizes_requests.gateways SET protocol = 'json', endpoint = 'https://pay.example.com', bare_success = false, max_in_flight = 10000
WHERE gateway = 'stripe';

CREATE TABLE sizes.wal (kind text, images text, bytes bigint, orders bigint, PRIMARY KEY (kind, images));
CREATE TABLE sizes.weight (kind text, table_name name, heap bigint, indexes bigint, n bigint, orders bigint, PRIMARY KEY (kind, table_name));
CREATE TABLE sizes.memory (kind text PRIMARY KEY, contexts bigint, process bigint);

/* sixteen digits that check */
CREATE FUNCTION sizes.card_number(n bigint) RETURNS text LANGUAGE sql AS $$
	SELECT digits || ((10 - s.sum % 10) % 10)
	FROM (SELECT '400000' || lpad((n % 1000000000)::text, 9, '0')) d (digits),
		LATERAL (SELECT sum(CASE WHEN i % 2 = 1 AND 2 * c > 9 THEN 2 * c - 9 WHEN i % 2 = 1 THEN 2 * c ELSE c END)
				 FROM generate_series(1, 15) i, LATERAL (SELECT substr(digits, i, 1)::integer) t (c)) s (sum)
$$;

CREATE FUNCTION sizes.add_order(kind text, OUT id bigint, OUT payment uuid) LANGUAGE plpgsql AS $$
DECLARE
	customer bigint := 1 + floor(random() * 1000000);
	number text;
BEGIN
	IF kind = 'lines' THEN
		INSERT INTO orders (customer_id) VALUES (customer) RETURNING order_id INTO id;
		INSERT INTO order_items (order_id, line_no, kind, product_id, quantity, price)
		VALUES (id, 1, 'item', 1 + customer % 1000, 1, 9.99), (id, 2, 'item', 7, 1, 5.00), (id, 3, 'shipping', NULL, 1, 4.99);
	ELSE
		INSERT INTO orders (customer_id, product_id, quantity, price) VALUES (customer, 1 + customer % 1000, 2, 9.99) RETURNING order_id INTO id;
	END IF;
	IF kind = 'card' THEN
		number := sizes.card_number(id);
		INSERT INTO payments (order_id, gateway, method, amount, currency, card_number, card_holder, card_expiry)
		VALUES (id, 'stripe', 'card', 19.98, 'USD', number, 'ADA LOVELACE', '12/30') RETURNING payment_id INTO payment;
	ELSE
		INSERT INTO payments (order_id, gateway, method, amount, currency) VALUES (id, 'stripe', 'card', 19.98, 'USD') RETURNING payment_id INTO payment;
	END IF;
END
$$;

/* Some requests at a time, as who sends them would take them. */
CREATE PROCEDURE sizes.send(at_once integer) LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT c.order_id, c.request_id FROM order_payment.claim_requests(at_once, 'sizes', store => 'sizes_requests') c LOOP
		PERFORM order_payment.settle_request(r.order_id, r.request_id, 'answered', 200, '{"Content-Type": "application/json"}',
			convert_to(format('{"status":"succeeded","amount":"19.98","currency":"USD","reference":"ch_%s"}', replace(gen_random_uuid()::text, '-', '')), 'UTF8'),
			store => 'sizes_requests');
	END LOOP;
	COMMIT;
END
$$;

CREATE PROCEDURE sizes.load(kind text, n bigint) LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[] := '{}';
	o record;
	refund uuid;
BEGIN
	FOR i IN 1 .. n LOOP
		o := sizes.add_order(kind);
		COMMIT;
		IF kind = 'requests' THEN
			ids := ids || o.id;
			CONTINUE WHEN cardinality(ids) < 20 AND i < n;
			-- they are sent by whoever comes first; the other one may be about to settle them
			FOR attempt IN 1 .. 10000 LOOP
				EXIT WHEN NOT EXISTS (SELECT FROM payments p WHERE p.order_id = ANY (ids) AND p.status <> 'succeeded');
				CALL sizes.send(20);
			END LOOP;
			UPDATE orders SET status = 'shipped' WHERE order_id = ANY (ids) AND status = 'paid';
			COMMIT;
			UPDATE orders SET status = 'completed' WHERE order_id = ANY (ids) AND status = 'shipped';
			COMMIT;
			ids := '{}';
			CONTINUE;
		END IF;
		UPDATE payments SET status = 'succeeded', gateway_reference = 'ch_' || replace(gen_random_uuid()::text, '-', '')
		WHERE order_id = o.id AND payment_id = o.payment;
		COMMIT;
		UPDATE orders SET status = 'shipped' WHERE order_id = o.id;
		COMMIT;
		UPDATE orders SET status = 'completed' WHERE order_id = o.id;
		COMMIT;
		IF kind = 'refund' THEN
			INSERT INTO refunds (order_id, payment_id, amount, reason) VALUES (o.id, o.payment, 5, 'one piece was broken') RETURNING operation_id INTO refund;
			COMMIT;
			UPDATE refunds SET status = 'succeeded', gateway_reference = 're_' || replace(gen_random_uuid()::text, '-', '')
			WHERE order_id = o.id AND operation_id = refund;
			COMMIT;
		END IF;
	END LOOP;
END
$$;

CREATE PROCEDURE sizes.consume() LANGUAGE plpgsql AS $$
DECLARE
	ids uuid[];
BEGIN
	LOOP
		SELECT array_agg(event_id) INTO ids FROM order_payment.read_events('sizes', 1000, 'sizes_requests');
		EXIT WHEN ids IS NULL;
		PERFORM order_payment.ack_events('sizes', ids, 'sizes_requests');
		COMMIT;
	END LOOP;
END
$$;

/* Dead rows are gone, as autovacuum leaves a table; nothing is packed. */
CREATE PROCEDURE sizes.weigh(kind text, orders bigint) LANGUAGE plpgsql AS $$
DECLARE
	t record;
	n bigint;
BEGIN
	FOR t IN SELECT c.oid::regclass AS name, c.relname FROM pg_class c
			 WHERE c.relkind = 'r' AND c.relnamespace = ('sizes_' || kind)::regnamespace
	LOOP
		EXECUTE format('SELECT count(*) FROM %s', t.name) INTO n;
		CONTINUE WHEN n < orders / 2;
		INSERT INTO sizes.weight SELECT kind, t.relname, pg_table_size(t.name), pg_indexes_size(t.name), n, orders;
	END LOOP;
END
$$;

/* What was weighed is what was meant. */
CREATE PROCEDURE sizes.check_all() LANGUAGE plpgsql AS $$
DECLARE
	k record;
	n bigint;
	found text;
BEGIN
	FOR k IN SELECT DISTINCT w.kind, w.orders FROM sizes.weight w LOOP
		EXECUTE format('SELECT count(*) FROM sizes_%1$s.orders o JOIN sizes_%1$s.payments p USING (order_id) WHERE o.status = ''completed'' AND p.status = ''succeeded''
						AND (p.card_number_sealed IS NOT NULL) = %2$L', k.kind, k.kind = 'card') INTO n;
		-- with those of the backends whose memory was looked at
		IF n NOT IN (k.orders, k.orders + 20) THEN
			RAISE EXCEPTION '% of % orders of the kind % are complete', n, k.orders, k.kind;
		END IF;
		SELECT string_agg(v::text, ', ') INTO found FROM order_payment.verify_store(('sizes_' || k.kind)::name) v;
		IF found IS NOT NULL THEN
			RAISE EXCEPTION 'verify_store() finds %', left(found, 1000);
		END IF;
	END LOOP;
END
$$;

CREATE FUNCTION sizes.report() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	kinds text[] := (SELECT array_agg(k.kind ORDER BY k.n) FROM unnest('{checkout,card,lines,refund,requests}'::text[]) WITH ORDINALITY k (kind, n)
					 WHERE k.kind IN (SELECT w.kind FROM sizes.weight w));
BEGIN
	RETURN NEXT '| bytes an order: heap + indexes | ' || array_to_string(kinds, ' | ') || ' |';
	RETURN NEXT '| --- |' || repeat(' ---: |', cardinality(kinds));
	RETURN QUERY
		SELECT format('| `%s` | %s |', t.table_name,
			(SELECT string_agg(coalesce(round(w.heap::numeric / w.orders) || ' + ' || round(w.indexes::numeric / w.orders), ''), ' | ' ORDER BY k.n)
			 FROM unnest(kinds) WITH ORDINALITY k (kind, n) LEFT JOIN sizes.weight w ON w.kind = k.kind AND w.table_name = t.table_name))
		FROM unnest('{orders,order_items,payments,payment_operations,order_events,gateway_requests,consumer_offsets}'::name[]) WITH ORDINALITY t (table_name, n)
		WHERE t.table_name IN (SELECT w.table_name FROM sizes.weight w) ORDER BY t.n;
	RETURN NEXT (SELECT '| all of it | ' || string_agg(s.text, ' | ' ORDER BY s.n) || ' |' FROM (
		SELECT k.n, format('%s + %s', round(sum(w.heap::numeric / w.orders)), round(sum(w.indexes::numeric / w.orders))) AS text
		FROM unnest(kinds) WITH ORDINALITY k (kind, n) JOIN sizes.weight w USING (kind) GROUP BY k.n) s);
	RETURN QUERY
		SELECT format('| WAL, %s | %s |', m.title, (SELECT string_agg(round(w.bytes::numeric / w.orders)::text, ' | ' ORDER BY k.n)
			   FROM unnest(kinds) WITH ORDINALITY k (kind, n) JOIN sizes.wal w ON w.kind = k.kind AND w.images = m.images))
		FROM (VALUES (1, 'plain', 'without full page images'), (2, 'with images', 'with those of this run')) m (n, images, title) ORDER BY m.n;
	RETURN NEXT '';
	RETURN NEXT '| kB a connection | memory contexts | process, not shared |';
	RETURN NEXT '| --- | ---: | ---: |';
	RETURN QUERY
		SELECT format('| %s | %s | %s |', k.title, m.contexts / 1024, m.process / 1024)
		FROM (VALUES (1, 'bare', 'that has done nothing'), (2, 'checkout', 'that has done checkouts'), (3, 'card', 'with cards')) k (n, kind, title)
		JOIN sizes.memory m USING (kind) ORDER BY k.n;
END
$$;

CREATE FUNCTION sizes.remove() RETURNS void LANGUAGE sql AS $$
	DROP SCHEMA sizes, sizes_checkout, sizes_card, sizes_lines, sizes_refund, sizes_requests CASCADE;
	DROP OWNED BY sizes_owner;
	DROP ROLE sizes_owner;
$$;
