
# What the TAP tests of stores share: clusters, a store with everything in it,
# and ways to compare two copies of it. No test, hence no .pl.

package StoreTest;

use strict;
use warnings;

use Exporter 'import';
use File::Temp ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(make_cluster poll_start start_psql start_writers
  pump_writers acknowledged make_roles fill_database failure
  fails_with contents triggers is_same_store is_verified is_enforced
  same_lines wait_for_lock);

# A running cluster. Clusters that crash on purpose have "crash" in their name.
sub make_cluster
{
	my ($name, %args) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $args{init} // {} });
	# one log line a statement is too much under load
	$node->append_conf('postgresql.conf', "log_statement = none\n" . ($args{conf} // ''));
	$node->start;
	return $node;
}

# After kill9, orphans hold the shared memory for a moment: as t/017_shm.pl does.
sub poll_start
{
	my ($node) = @_;

	for (1 .. 600)
	{
		return 1 if $node->start(fail_ok => 1);
		usleep(100_000);
		# in case the start only timed out
		$node->stop('fast', fail_ok => 1);
	}
	return $node->start;
}

# ---------- load ----------

# psql with a script that runs beside the test: { run, out, err }. What it says
# at once, by \echo, was acknowledged to it.
sub start_psql
{
	my ($node, $database, $sql, @params) = @_;
	my $psql = { out => '', err => '' };
	my ($handle, $file) = File::Temp::tempfile(DIR => PostgreSQL::Test::Utils::tempdir());

	print $handle $sql;
	close $handle or die "close: $!";
	$psql->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', @params, '-f', $file, '-d', $node->connstr($database) ],
		'>', \$psql->{out}, '2>', \$psql->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $psql;
}

# Writers of orders in shop: each a transaction that pays an order, then says its number.
sub start_writers
{
	my ($node, $n, $steps) = @_;
	my $transaction = q{
WITH o AS (INSERT INTO shop.orders (customer_id, price) VALUES (1, 3) RETURNING order_id)
SELECT order_id AS id FROM o \gset
BEGIN;
INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (:id, 'cod', 3, 'authorized');
INSERT INTO done VALUES (:id);
UPDATE shop.payments SET status = 'succeeded' WHERE order_id = :id;
COMMIT;
\echo :id
	};

	return map { start_psql($node, 'postgres', $transaction x $steps, '-v', 'ON_ERROR_STOP=1') } 1 .. $n;
}

# Until each of them has had some orders acknowledged.
sub pump_writers
{
	my ($enough, @writers) = @_;

	foreach (1 .. 1000)
	{
		$_->{run}->pump_nb foreach @writers;
		last if !grep { my $n = () = $_->{out} =~ /\n/g; $n < $enough } @writers;
		usleep(10_000);
	}
	return;
}

# After a crash or the end: the orders that were acknowledged.
sub acknowledged
{
	my (@writers) = @_;

	$_->{run}->finish foreach @writers;
	return map { split /\n/, $_->{out} =~ s/[^\n]*\z//r } @writers;
}

# ---------- a store with everything in it ----------

# Roles are not in a dump of a database.
sub make_roles
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'CREATE ROLE shopkeeper LOGIN; CREATE ROLE app LOGIN; CREATE ROLE cashier LOGIN;');
	return;
}

# Two stores (one with a nasty name), things of the user's on and around one of
# them, a table with a guarded enum; orders in every state, lines, payments,
# operations, settlements. What is special of payments begins with order 101.
sub fill_database
{
	my ($node, $database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper', app_role => 'app', gateway_role => 'cashier');
SELECT order_payment.create_store('Bob''s "Shop"; --', 'JPY', owner => 'shopkeeper', order_id_type => 'uuid');

SET search_path = '';
ALTER TABLE shop.orders
	ADD COLUMN note text,
	ADD COLUMN is_open boolean GENERATED ALWAYS AS (status IN ('pending', 'authorized')) STORED,
	ADD CONSTRAINT note_if_cancelled CHECK (status <> 'cancelled' OR note IS NOT NULL);
ALTER TABLE shop.order_items ADD COLUMN gift boolean DEFAULT false;
ALTER TABLE shop.order_events ADD COLUMN seen boolean DEFAULT false;
ALTER TABLE shop.payments
	ADD COLUMN note text,
	ADD COLUMN is_live boolean GENERATED ALWAYS AS (status <= 'unknown') STORED;
CREATE INDEX payments_failed_idx ON shop.payments (created_at) WHERE status = 'failed';
CREATE VIEW shop.captured AS
	SELECT order_id, sum(captured_amount) AS captured FROM shop.payments WHERE status IN ('succeeded', 'authorized') GROUP BY order_id;
CREATE INDEX orders_paid_idx ON shop.orders (customer_id) WHERE status = 'paid';
CREATE INDEX orders_open_idx ON shop.orders (created_at) WHERE status IN ('pending', 'authorized');
CREATE INDEX orders_status_idx ON shop.orders (status);
CREATE INDEX orders_status_hash_idx ON shop.orders USING hash (status);
CREATE STATISTICS shop.orders_stat ON status, customer_id FROM shop.orders;
CREATE VIEW shop.paid_orders AS
	SELECT order_id, status FROM shop.orders WHERE status = 'paid' AND status IS DISTINCT FROM 'shipped';
CREATE MATERIALIZED VIEW shop.by_status AS
	SELECT status, count(*), max(status) AS top FROM shop.orders GROUP BY status;
CREATE FUNCTION shop.count_paid() RETURNS bigint STABLE
	BEGIN ATOMIC SELECT count(*) FROM shop.orders WHERE status = 'paid'; END;
CREATE FUNCTION shop.count_may_ship() RETURNS bigint LANGUAGE sql STABLE AS
	$$SELECT count(*) FROM shop.orders WHERE status ->? 'shipped'$$;

CREATE TABLE shop.audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint, status order_payment.order_status);
CREATE FUNCTION shop.tidy_note() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN NEW.note := upper(NEW.note); RETURN NEW; END$$;
CREATE FUNCTION shop.write_audit() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO shop.audit (order_id, status) VALUES (NEW.order_id, NEW.status); RETURN NULL; END$$;
CREATE TRIGGER tidy_note BEFORE INSERT OR UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.tidy_note();
CREATE TRIGGER write_audit AFTER INSERT OR UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.write_audit();
CREATE TRIGGER asleep AFTER DELETE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.write_audit();
ALTER TABLE shop.orders DISABLE TRIGGER asleep;
ALTER TABLE shop.orders ENABLE ALWAYS TRIGGER write_audit;

CREATE TYPE shop.parcel_state AS ENUM ('packed', 'on "the" way', 'lost', 'delivered');
CREATE TABLE shop.parcels (parcel_id integer PRIMARY KEY, state shop.parcel_state NOT NULL);
SELECT order_payment.guard_column('shop.parcels', 'state',
	'packed; packed: "on ""the"" way"; "on ""the"" way": lost delivered; lost: delivered');
INSERT INTO shop.parcels SELECT n, 'packed' FROM generate_series(1, 40) n;
UPDATE shop.parcels SET state = 'on "the" way' WHERE parcel_id > 10;
UPDATE shop.parcels SET state = 'lost' WHERE parcel_id > 30;
	});
	$node->safe_psql($database, q{
ALTER TABLE shop.audit OWNER TO shopkeeper;
INSERT INTO shop.orders (customer_id, product_id, quantity, price, note)
	SELECT n % 50, n % 7, 1 + n % 3, 9.90 + n, 'note ' || n FROM generate_series(1, 400) n;
INSERT INTO shop.order_items (order_id, line_no, kind, quantity, price)
	SELECT order_id, line, CASE line WHEN 3 THEN 'discount' ELSE 'item' END, 1, 10.25 - line
	FROM shop.orders, generate_series(1, 3) line WHERE order_id % 3 = 0;
DELETE FROM shop.order_items WHERE order_id % 9 = 0 AND line_no = 2;
INSERT INTO shop.gateways (gateway) VALUES ('card');
INSERT INTO shop.gateway_fees (gateway, currency, rate, fixed) VALUES ('card', 'EUR', 0.029, 0.30);
INSERT INTO shop.payments (order_id, gateway, method, amount, status, gateway_reference)
	SELECT order_id, 'card', 'visa', total_amount, 'authorized', 'auth ' || order_id
	FROM shop.orders WHERE order_id % 10 IN (1, 3, 8);
DO $$
DECLARE
	-- by order_id % 10; those that are authorized have their payment already
	paths text[] := '{"","authorized","paid","authorized,shipped","paid,completed","paid,refunded",
		"cancelled","expired","authorized,pending","paid,shipped,refunded"}';
	step text;
BEGIN
	FOR n IN 0 .. 9 LOOP
		FOREACH step IN ARRAY string_to_array(paths[n + 1], ',') LOOP
			PERFORM set_config('order_payment.reason', 'because "' || step || '"', true);
			IF step = 'refunded' THEN
				INSERT INTO shop.refunds (order_id, payment_id, amount, status)
					SELECT order_id, payment_id, captured_amount, 'succeeded' FROM shop.payments WHERE order_id % 10 = n;
			ELSE
				UPDATE shop.orders SET status = step::order_payment.order_status WHERE order_id % 10 = n;
			END IF;
			COMMIT;  -- several transactions, so that the events have several xids
		END LOOP;
	END LOOP;
END $$;
-- attempts that failed and are under way, captures in parts, money that comes too late, refunds, a dispute
INSERT INTO shop.payments (order_id, gateway, amount)
	SELECT order_id, 'card', total_amount FROM shop.orders WHERE order_id % 10 = 0 AND order_id > 100;
UPDATE shop.payments SET status = 'failed', failure_class = 'soft_decline', failure_code = 'no_money', retry_at = '2099-01-01'
	WHERE order_id % 20 = 0;
UPDATE shop.payments SET status = 'processing', note = 'under way' WHERE order_id % 20 = 10;
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
	SELECT order_id, payment_id, 'capture', 0.5, 'succeeded' FROM shop.payments WHERE order_id % 10 = 3 AND order_id > 100;
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount)
	SELECT order_id, payment_id, 'capture', 0.75 FROM shop.payments WHERE order_id % 20 = 3 AND order_id > 100;
INSERT INTO shop.payments (order_id, gateway, amount, status)
	SELECT order_id, 'card', 5, 'succeeded' FROM shop.orders WHERE order_id % 10 = 6 AND order_id > 100;
INSERT INTO shop.refunds (order_id, payment_id, amount, request_key)
	SELECT order_id, payment_id, 5, 'back' FROM shop.payments WHERE order_id % 20 = 6;
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
	SELECT order_id, payment_id, 'chargeback', 2, 'succeeded' FROM shop.payments WHERE order_id % 10 = 2 AND order_id > 100;
UPDATE shop.payment_operations SET status = 'reversed' WHERE kind = 'chargeback' AND order_id % 20 = 2;
INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on)
	SELECT 'card', 'first', row_number() OVER (ORDER BY order_id), 'payment', gateway_reference, amount, 0.33, currency, '2026-01-01'
	FROM shop.payments WHERE gateway_reference IS NOT NULL AND order_id <= 40;
INSERT INTO "Bob's ""Shop""; --".orders (customer_id, product_id, quantity, price)
	SELECT 1, 1, 2, 100 FROM generate_series(1, 20);
UPDATE "Bob's ""Shop""; --".orders SET status = 'paid' WHERE order_id < '80000000-0000-0000-0000-000000000000';
REFRESH MATERIALIZED VIEW shop.by_status;
	});
	return;
}

# ---------- refusals ----------

# What psql says to stderr, SQLSTATE included; empty if all went well.
sub failure
{
	my ($node, $database, $sql, %args) = @_;
	my ($stdout, $stderr);

	$node->psql($database, $sql, stdout => \$stdout, stderr => \$stderr, on_error_stop => 1,
		extra_params => [ '-v', 'VERBOSITY=verbose', @{ $args{extra_params} // [] } ]);
	return $stderr // '';
}

sub fails_with
{
	my ($node, $database, $sql, $sqlstate, $name, %args) = @_;

	return like(failure($node, $database, $sql, %args), qr/(?:ERROR|FATAL):  $sqlstate: /, $name);
}

# ---------- comparing ----------

# Each table of the database with the md5 of its rows.
sub contents
{
	my ($node, $database, $where) = @_;

	$where //= 'true';
	return $node->safe_psql($database, qq{
SET search_path = '';
SELECT c.oid::regclass || ' ' || (xpath('/row/md5/text()', query_to_xml(format(
	'SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), ''''))
	 || '' '' || count(*) AS md5 FROM %s t', c.oid::regclass), true, true, '')))[1]
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND ($where)
ORDER BY 1
	});
}

# Each trigger with its state, and each index.
sub triggers
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, q{
SET search_path = '';
SELECT t.tgenabled::text, pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL
SELECT i.indisvalid::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p', 'm') AND c.oid >= 16384 ORDER BY 2, 1
	});
}

# Like is() for long texts: tells the lines that only one of the two has.
sub same_lines
{
	my ($got, $expected, $name) = @_;
	my %difference;

	return ok(1, $name) if $got eq $expected;
	$difference{$_}++ foreach split /\n/, $got;
	$difference{$_}-- foreach split /\n/, $expected;
	my @more = grep { $difference{$_} > 0 } sort keys %difference;
	my @less = grep { $difference{$_} < 0 } sort keys %difference;
	ok(0, $name);
	diag(scalar(@more) . ' unexpected lines: ' . join "\n  ", '', @more[ 0 .. ($#more > 4 ? 4 : $#more) ]);
	diag(scalar(@less) . ' missing lines: ' . join "\n  ", '', @less[ 0 .. ($#less > 4 ? 4 : $#less) ]);
	return 0;
}

# $expected: { contents, triggers } of the database it was copied from.
sub is_same_store
{
	my ($node, $database, $expected, $name) = @_;

	same_lines(contents($node, $database), $expected->{contents}, "$name: every table is equal");
	same_lines(triggers($node, $database), $expected->{triggers},
		"$name: triggers are equal, tgenabled too, and indexes");
	return;
}

sub is_verified
{
	my ($node, $database, $name, $store) = @_;

	$store //= 'shop';
	$store =~ s/'/''/g;
	return is($node->safe_psql($database, "SELECT * FROM order_payment.verify_store('$store') LIMIT 10"),
		'', "$name: verify_store() finds nothing");
}

# The rules hold, identity goes on, and a legal move writes one event. Leaves the
# database as it was, but for the sequence.
sub is_enforced
{
	my ($node, $database, $name) = @_;

	fails_with($node, $database, q{UPDATE shop.orders SET status = 'pending' WHERE status = 'refunded'},
		'OP001', "$name: an illegal move is refused");
	fails_with($node, $database, q{INSERT INTO shop.orders (price, status) VALUES (1, 'paid')},
		'OP001', "$name: an illegal birth is refused");
	fails_with($node, $database, q{UPDATE shop.orders SET version = 77},
		'OP003', "$name: a forged version is refused");
	fails_with($node, $database, q{UPDATE shop.orders SET paid_amount = 77},
		'OP003', "$name: forged money is refused");
	fails_with($node, $database, q{UPDATE shop.payments SET captured_amount = 77},
		'OP003', "$name: of payments as well");
	fails_with($node, $database, q{DELETE FROM shop.payments}, 'OP003', "$name: payments stay");
	fails_with($node, $database, q{
INSERT INTO shop.refunds (order_id, payment_id, amount)
SELECT order_id, payment_id, captured_amount + 1 FROM shop.payments WHERE status = 'succeeded' LIMIT 1},
		'OP005', "$name: no refund of more than there is");
	fails_with($node, $database, q{SET ROLE app; UPDATE shop.payments SET status = 'succeeded' WHERE status = 'processing'},
		'OP004', "$name: the application is not the gateway");
	fails_with($node, $database, q{DELETE FROM shop.order_events}, 'OP003', "$name: history stays");
	fails_with($node, $database, q{UPDATE shop.parcels SET state = 'packed' WHERE state = 'lost'},
		'OP001', "$name: so is one on a guarded enum");
	my ($id, $events, $versions, $last) = split /\|/, $node->safe_psql($database, q{
BEGIN;
CREATE TEMP TABLE before AS SELECT max(order_id) AS id FROM shop.orders;
INSERT INTO shop.orders (customer_id, price) VALUES (1, 5);
UPDATE shop.orders SET status = 'paid' WHERE order_id > (SELECT id FROM before);
INSERT INTO shop.refunds (order_id, payment_id, amount, status)
	SELECT order_id, payment_id, 5, 'succeeded' FROM shop.payments WHERE order_id > (SELECT id FROM before);
SELECT (SELECT max(order_id) > b.id FROM shop.orders), count(*),
	   string_agg(e.version::text, ',' ORDER BY e.version), max(e.to_status) FILTER (WHERE e.version = 2)
FROM before b JOIN shop.order_events e ON e.order_id > b.id GROUP BY b.id;
ROLLBACK;
	});
	is("$id $events $versions $last", 't 5 1,2,3,4,5 paid', "$name: identity goes on, one event a change");
	return;
}

# Until a session waits for a lock.
sub wait_for_lock
{
	my ($node, $database) = @_;

	return $node->poll_query_until($database,
		q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()});
}

1;
