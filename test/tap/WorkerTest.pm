
# What the tests of the worker at its work share: a library that stops at points,
# a shop whose payments go to the test gateway, and the account of both sides. No
# test, hence no .pl.

package WorkerTest;

use strict;
use warnings;

use Exporter 'import';
use File::Copy qw(copy);
use FindBin;
use GatewayTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(build_stopping_worker worker_conf make_worker_roles make_shop new_order
  worker_pid wait_for_log set_stop resume hasten hastening until_true differences set_secret api_key signing_secret);

my $TEST = "$FindBin::RealBin/..";

sub api_key { return 'sk_test_0f4c1b7a9d2e'; }

sub signing_secret { return 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'; }

# ---------- a library that stops ----------

# The worker built with OP_TESTING, in a folder: to be put into dynamic_library_path.
sub build_stopping_worker
{
	my $build = PostgreSQL::Test::Utils::tempdir();
	my $source = "$TEST/../src";
	my @parts = map { s{.*/(.*)\.c$}{$1}r } glob "$source/worker/*.c";

	# copied, for objects that stand beside them may be of another build
	copy("$source/worker/$_.c", $build) or die "$_.c: $!" foreach @parts;
	append_to_file("$build/Makefile", "MODULE_big = order_payment_worker\nOBJS = " . join(' ', map { "$_.o" } @parts) . "\n"
		  . "PG_CPPFLAGS = -I$source -I$source/worker -DOP_TESTING -DORDER_PAYMENT_VERSION='\"test\"'\nSHLIB_LINK = -lcurl\n"
		  . "PGXS := \$(shell \$(PG_CONFIG) --pgxs)\ninclude \$(PGXS)\n");
	# what make has told prove is of another build
	local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
	system_or_bail('make', '-s', '-C', $build, 'with_llvm=no', 'PG_CONFIG=pg_config');
	return $build;
}

# ---------- a shop ----------

# For postgresql.conf. args: databases; conf: more lines; build: where the library is
sub worker_conf
{
	my ($gateway, %args) = @_;

	return ($args{build} ? "dynamic_library_path = '$args{build}:\$libdir'\n" : '') . qq{
shared_preload_libraries = 'order_payment, order_payment_worker'
max_worker_processes = 20
restart_after_crash = on
order_payment_worker.databases = '} . ($args{databases} // 'postgres') . qq{'
order_payment_worker.role = 'op_worker'
order_payment_worker.ca_file = '$gateway->{folder}/ca.pem'
order_payment_worker.allow_private_addresses = on
order_payment_worker.poll_interval = 100ms
} . ($args{conf} // '');
}

# Roles are the cluster's.
sub make_worker_roles
{
	my ($node) = @_;

	$node->safe_psql('postgres', q{
CREATE ROLE op_worker LOGIN;
CREATE ROLE shop_owner;
CREATE ROLE shop_app LOGIN;
CREATE ROLE shop_gateway;
GRANT shop_gateway TO op_worker;
	});
	return;
}

# Seals a secret for the database and hands it over.
sub set_secret
{
	my ($node, $database, $store, $name, $kind, $secret) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/card.pem';
	my $blob;

	append_to_file($file, $node->safe_psql($database, q{SELECT order_payment.card_public_key('pem')}) . "\n");
	my $kid = $node->safe_psql($database, q{SELECT order_payment.card_public_key('jwk')::json ->> 'kid'});
	IPC::Run::run([ 'bash', "$TEST/gateway_secret/seal_secret.sh", $file, $kid, $store, $name, $kind ], '<', \$secret, '>', \$blob)
	  or die 'seal_secret.sh failed';
	chomp $blob;
	$node->safe_psql($database, "SELECT order_payment.set_gateway_secret('$name', '$kind', '$blob', store => '$store')");
	return;
}

# A store in a database, with the gateway "pay" of protocol json, and somebody who
# is told of events: "listener". args: store (another one, in a database that has
# the first), gateway (SQL, when the rows of gateways are there), subscriber (what
# the listener is told of).
sub make_shop
{
	my ($node, $database, $gateway, %args) = @_;
	my $store = $args{store} // 'shop';

	$node->safe_psql($database, q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_card_key();
	}) if !$args{store};
	my $rest = $args{gateway} // '';
	my $subscriber = $args{subscriber} // q{'{order.cancelled}', array_fill(interval '200 milliseconds', ARRAY[30])};

	$node->safe_psql($database, qq{
SELECT order_payment.create_store('$store', 'EUR', owner => 'shop_owner', app_role => 'shop_app', gateway_role => 'shop_gateway');
SET search_path = $store;
INSERT INTO gateways (gateway, protocol, endpoint) VALUES
	('pay', 'json', '} . gateway_url($gateway, '') . qq{'), ('listener', 'json', '} . gateway_url($gateway, '/hook/listener') . qq{');
UPDATE gateways SET request_timeout = '1 second', query_schedule = array_fill(interval '200 milliseconds', ARRAY[20]),
	retry_schedule = '{"not_sent": ["1 second", "1 second", "1 second", "1 second", "1 second", "1 second"], "soft_decline": [], "hard_decline": []}'
	WHERE gateway IN ('pay', 'listener');
$rest;
INSERT INTO webhook_subscribers (subscriber, events, retry_schedule) SELECT 'listener', $subscriber;
	});
	set_secret($node, $database, $store, 'pay', 'standard_webhook_secret', signing_secret());
	set_secret($node, $database, $store, 'pay', 'api_key', api_key());
	set_secret($node, $database, $store, 'listener', 'standard_webhook_secret', signing_secret());
	$node->safe_psql($database, "ALTER DATABASE $database SET order_payment_worker.stores = '$store'") if !$args{store};
	return;
}

# An order, and a payment of it, in one transaction; args: amount, database;
# payment: 0 for none. Returns the ids.
sub new_order
{
	my ($node, %args) = @_;
	my $amount = $args{amount} // 12;
	my $payment = $args{payment} // 1 ? q{SELECT payment_id FROM order_payment.create_payment(:'id', 'pay', store => 'shop');} : q{};

	return split /\n/, $node->safe_psql($args{database} // 'postgres', qq{
BEGIN;
INSERT INTO shop.orders (customer_id, price) VALUES (1, $amount) RETURNING order_id AS id \\gset
SELECT :id;
$payment
COMMIT;
	});
}

# ---------- points ----------

sub worker_pid
{
	my ($node, $database) = @_;

	$database //= 'postgres';
	return $node->safe_psql('postgres', "SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'order_payment_worker' AND datname = '$database'");
}

# Until a condition holds, which is asked again and again; how long it took, or undef
sub until_true
{
	my ($condition, $seconds) = @_;
	my $start = time;

	$seconds //= 30;
	while (!$condition->())
	{
		return if time - $start > $seconds;
		usleep(20_000);
	}
	return time - $start;
}

# Until the server's log has the pattern, from an offset on
sub wait_for_log
{
	my ($node, $pattern, $offset, $seconds) = @_;

	return until_true(sub { substr(slurp_file($node->logfile), $offset) =~ $pattern }, $seconds);
}

sub signal_postmaster
{
	my ($node, $signal) = @_;
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	kill $signal, $pid;
	return;
}

# From now on the worker stops there: one that has read it, or that was started since.
sub set_stop
{
	my ($node, $point) = @_;
	my $offset = -s $node->logfile;

	$node->append_conf('postgresql.conf', "order_payment_worker.stop_at = '$point'");
	signal_postmaster($node, 'HUP');
	wait_for_log($node, qr/parameter "order_payment_worker\.stop_at" changed/, $offset) // die 'the configuration is not read';
	my $since = time;

	until_true(sub {
		return substr(slurp_file($node->logfile), $offset) =~ /the worker will stop at point/
		  || $node->safe_psql('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'order_payment_worker' AND backend_start > to_timestamp($since)") eq 't'; })
	  // die 'the configuration is not read';
	return;
}

# It goes on, or will not stop when it is back.
sub resume
{
	my ($node) = @_;

	$node->append_conf('postgresql.conf', q{order_payment_worker.stop_at = ''});
	signal_postmaster($node, 'HUP') if -e $node->data_dir . '/postmaster.pid';
	return;
}

# ---------- time, and accounts ----------

# As if time had passed: leases of senders that are no more end, and what was sent was sent long ago.
sub hastening
{
	return q{
UPDATE shop.gateway_requests r SET lease_until = r.lease_until - interval '1 hour', claimed_at = r.claimed_at - interval '1 hour'
WHERE r.state = 'claimed' AND r.lease_until > clock_timestamp()
  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE r.claimed_by = 'order_payment_worker ' || a.pid);
UPDATE shop.gateway_requests r SET claimed_at = r.claimed_at - interval '1 hour'
WHERE r.state IN ('lost', 'not_sent') AND r.work IN ('send_payment', 'send_operation', 'retry_operation') AND r.claimed_at > clock_timestamp() - interval '30 minutes';
UPDATE shop.webhook_deliveries d SET lease_until = d.lease_until - interval '1 hour'
WHERE d.state = 'claimed' AND d.lease_until > clock_timestamp()
  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE d.claimed_by = 'order_payment_worker ' || a.pid);
	};
}

sub hasten
{
	my ($node, $database) = @_;

	$node->safe_psql($database // 'postgres', hastening());
	return;
}

# What the gateway has done, and what the store says it has: the differences, a line each.
# Double is also what was done once for each of two payments of one order.
sub differences
{
	my ($node, $gateway, $database) = @_;
	my $effects = join ', ', map { sprintf q{('%s', '%s', '%s', %s)}, $_->{number}, $_->{operation}, $_->{order_id}, $_->{amount} }
	  gateway_log($gateway, what => 'effect');

	return $node->safe_psql($database // 'postgres', qq{
WITH effects (number, operation, order_id, amount) AS (VALUES ('', '', '', NULL::numeric)} . ($effects ? ", $effects" : '') . q{),
gateway AS (
	SELECT number, operation, order_id, count(*) AS n, sum(amount) AS amount FROM effects WHERE number <> '' GROUP BY 1, 2, 3),
store AS (
	SELECT replace(p.payment_id::text, '-', '') AS number, 'payment' AS operation, p.order_id::text, p.amount
	FROM shop.payments p WHERE num_nonnulls(p.authorized_at, p.succeeded_at) > 0 AND p.gateway = 'pay'
	UNION ALL
	SELECT replace(r.operation_id::text, '-', ''), r.kind::text, r.order_id::text, r.amount
	FROM shop.payment_operations r JOIN shop.payments p USING (order_id, payment_id)
	WHERE r.status = 'succeeded' AND r.requested_at IS NOT NULL AND p.gateway = 'pay')
SELECT CASE WHEN g.number IS NULL THEN 'not done at the gateway' WHEN s.number IS NULL THEN 'lost by the store'
			WHEN g.n > 1 THEN 'done twice' ELSE 'another amount' END AS difference,
	   coalesce(g.operation, s.operation), coalesce(g.order_id, s.order_id), coalesce(g.number, s.number)
FROM gateway g FULL JOIN store s ON s.number = g.number AND s.operation = g.operation AND s.order_id = g.order_id
WHERE g.number IS NULL OR s.number IS NULL OR g.n > 1 OR g.amount IS DISTINCT FROM s.amount
UNION ALL
SELECT 'charged twice', 'payment', g.order_id, string_agg(g.number, ' ')
FROM gateway g JOIN shop.orders o ON o.order_id::text = g.order_id
WHERE g.operation = 'payment' GROUP BY g.order_id, o.price, o.quantity HAVING sum(g.amount) > o.price * o.quantity
	});
}

1;
