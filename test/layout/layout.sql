-- Makes create_store() of this database make stores of another layout than it would by itself, so that the tests of stores
-- in one place can be run on others. psql -v layout=hash | ranges | spread
--
-- hash    3 partitions
-- ranges  partitions of 5 orders, 2 of them, and the rest; 2 by hash if the key is no integer
-- spread  distribution_ready, without partitions
--
-- Those tests bring numbers of payments as an application, and request keys with orders whose order_id is generated, which
-- such stores refuse; so these two rules are relaxed here. sql/layout.sql has tests of them.

\set ON_ERROR_STOP on

CREATE SCHEMA layout_test;

CREATE FUNCTION layout_test.text_of(function name) RETURNS text LANGUAGE sql
BEGIN ATOMIC
	SELECT pg_get_functiondef(p.oid) FROM pg_proc p
	WHERE p.proname = function AND p.pronamespace = to_regnamespace('order_payment');
END;

CREATE FUNCTION layout_test.change(function name, was text, becomes text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	definition CONSTANT text := layout_test.text_of(function);
BEGIN
	IF strpos(definition, was) > 0 THEN
		EXECUTE replace(definition, was, becomes);
	ELSIF strpos(definition, becomes) = 0 THEN
		RAISE EXCEPTION 'function % has no text "%"', function, was;
	END IF;
END
$$;

CREATE FUNCTION layout_test.take_any_number() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE OR REPLACE FUNCTION order_payment.assign_id() RETURNS trigger LANGUAGE plpgsql AS $body$
	BEGIN
		IF TG_ARGV[0] = 'payment_id' THEN
			NEW.payment_id := coalesce(NEW.payment_id, order_payment.uuid_v7());
		ELSE
			NEW.operation_id := coalesce(NEW.operation_id, order_payment.uuid_v7());
		END IF;
		RETURN NEW;
	END
	$body$;
END
$$;

SELECT CASE :'layout' WHEN 'hash' THEN 'partitions integer DEFAULT 3'
					  WHEN 'ranges' THEN 'partitions integer DEFAULT 2'
					  WHEN 'spread' THEN 'partitions integer DEFAULT 0' END AS partitions,
	   CASE :'layout' WHEN 'ranges' THEN 'orders_per_partition bigint DEFAULT 5'
					  ELSE 'orders_per_partition bigint DEFAULT NULL::bigint' END AS width,
	   CASE :'layout' WHEN 'spread' THEN 'distribution_ready boolean DEFAULT true'
					  ELSE 'distribution_ready boolean DEFAULT false' END AS ready \gset

SELECT format($$
CREATE FUNCTION layout_test.choose() RETURNS event_trigger LANGUAGE plpgsql SET client_min_messages = error AS $body$
BEGIN
	IF layout_test.text_of('create_store') IS NOT NULL THEN
		PERFORM layout_test.change('create_store', 'partitions integer DEFAULT 0', %L),
				layout_test.change('create_store', 'orders_per_partition bigint DEFAULT NULL::bigint', %L),
				layout_test.change('create_store', 'distribution_ready boolean DEFAULT false', %L),
				layout_test.change('spread_store', 'CHECK (%%2$s)', 'CHECK (true)'),
				layout_test.change('create_store', 'partition_by := ', 'IF order_id_type NOT IN (''integer'', ''bigint'') OR partitions = 0 THEN orders_per_partition := NULL; END IF; partition_by := '),
				layout_test.change('assign_numbers', 'DROP DEFAULT', 'SET DEFAULT order_payment.uuid_v7()'),
				layout_test.take_any_number();
	END IF;
END
$body$
$$, :'partitions', :'width', :'ready') \gexec

CREATE EVENT TRIGGER layout_test ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION layout_test.choose();
