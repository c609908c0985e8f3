
# The worker is killed at any time, by whatever kills, while payments and refunds go
# through it and its gateway resets, delays and refuses; again and again. Afterwards each
# order is paid once and each refund given once, by both accounts. SOAK_SECONDS in the
# environment makes it longer (at most SOAK_KILLS faults, 1000), SOAK_SEED repeats its dice.

use strict;
use warnings;

use File::Spec ();
use FindBin;
use lib "$FindBin::RealBin";

use GatewayTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkerTest;

my $seconds = $ENV{SOAK_SECONDS} || 15;
my $kills = $ENV{SOAK_KILLS} || 1000;
my $seed = $ENV{SOAK_SEED} || int rand 2**31;

srand $seed;
diag("SOAK_SEED=$seed");

my $gateway = start_gateway(undef, standard_webhook_secret => signing_secret());
my $node = make_cluster('soak_crash', conf => "checkpoint_timeout = 30s\nmax_connections = 20\n");

make_worker_roles($node);
make_shop($node, 'postgres', $gateway, subscriber => q{'{payment.succeeded}', array_fill(interval '1 second', ARRAY[1000])}, gateway => q{
UPDATE gateways SET query_schedule = array_fill(interval '1 second', ARRAY[1000]), max_in_flight = 100,
	retry_schedule = jsonb_build_object('not_sent', array_fill('1 second'::text, ARRAY[1000])) WHERE gateway = 'pay'});
$node->append_conf('postgresql.conf', worker_conf($gateway));
$node->restart;

# What fails is tried again: what the gateway says may be bad, the store's obligations are not.
sub set_weather
{
	my @weather = map { { method => 'POST', path => $_->[0], times => 1 + int rand 3, do => $_->[1], seconds => rand 0.5 } }
	  map { [ (qw(/payment/ /refund/ /hook/))[ rand 3 ], (qw(reset_before reset_inside late close_before html silent late)) [ rand 7 ] ] } 1 .. rand 4;

	set_rules($gateway, @weather, { method => 'POST', do => 'late', seconds => 0.02 });
	return;
}

# psql loses its server now and then: what it was told to do is done, or is not
sub said_by
{
	my ($sql) = @_;
	my $file = "$gateway->{folder}/said.sql";

	# by a file, for a psql that finds no server would break a pipe
	unlink $file;
	append_to_file($file, $sql);
	IPC::Run::run([ 'psql', '-XAtq', '-f', $file, '-d', $node->connstr('postgres') ], '<', File::Spec->devnull, '>', \my $out, '2>', \my $err);
	return $out;
}

# Some orders and payments, some refunds of small parts of them, for all are to find money left; and time passes
sub load_some
{
	said_by(q{
BEGIN;
CREATE TEMP TABLE made AS SELECT nextval(pg_get_serial_sequence('shop.orders', 'order_id')) AS id FROM generate_series(1, 1 + (random() * 4)::integer);
INSERT INTO shop.orders (order_id, customer_id, price) OVERRIDING SYSTEM VALUE SELECT id, 1, 1000 FROM made;
SELECT count(order_payment.create_payment(id::text, 'pay', store => 'shop')) FROM made;
COMMIT;
SELECT count(*) FROM (
	SELECT order_payment.refund_order(o.order_id::text, 1 + (random() * 3)::integer, store => 'shop')
	FROM (SELECT order_id FROM shop.orders WHERE status = 'paid' AND random() < 0.5 ORDER BY order_id DESC LIMIT 3) o) r;
	});
	said_by(hastening());
	return;
}

# Any process of a kind, if there is one at the moment
sub kill_one
{
	my ($signal, $type) = @_;
	my ($pid) = said_by("SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'") =~ /^(\d+)/;

	kill $signal, $pid if $pid;
	return;
}

my %fault = (
	'SIGTERM' => sub { kill_one('TERM', 'order_payment_worker') },
	'SIGKILL' => sub { kill_one('KILL', 'order_payment_worker') },
	'SIGKILL of another' => sub { kill_one('KILL', 'walwriter') },
	'stop -m immediate' => sub { $node->stop('immediate', fail_ok => 1); $node->start; },
	'kill -9 of postmaster' => sub { $node->kill9; poll_start($node); },
	'reset' => sub { set_rules($gateway, { method => 'POST', do => 'reset_before', times => 20 }); },
);
my @faults = sort keys %fault;
my %done;
my $until = time + $seconds;
my $n = 0;

while (time < $until && $n < $kills)
{
	my $fault = $faults[ rand @faults ];

	set_weather();
	load_some();
	usleep(1000 * rand 300);
	load_some();
	usleep(1000 * rand 200);
	$fault{$fault}->();
	$done{$fault}++;
	$n++;
	usleep(1000 * rand 300);
	# the breaker would keep the gateway in peace
	said_by(q{UPDATE shop.gateway_requests SET settled_at = settled_at - interval '1 hour' WHERE settled_at > now() - interval '30 minutes'});
}
diag("$n faults: " . join ', ', map { "$_ $done{$_}" } sort keys %done);
cmp_ok($n, '>=', 5, "$n faults");

# ---------- when the weather is good again ----------

set_rules($gateway);
ok(defined until_true(sub {
	said_by(hastening());
	said_by(q{UPDATE shop.gateway_requests SET settled_at = settled_at - interval '1 hour' WHERE settled_at > now() - interval '30 minutes'});
	my $open = $node->safe_psql('postgres', q{
SELECT (SELECT count(*) FROM shop.orders WHERE status = 'pending')
	 + (SELECT count(*) FROM shop.payment_operations WHERE status NOT IN ('succeeded', 'cancelled'))
	 + (SELECT count(*) FROM shop.webhook_deliveries) + (SELECT count(*) FROM shop.gateway_requests WHERE state = 'claimed')});
	return $open == 0 }, 60 + $seconds), 'all is paid, given back and told')
  or diag($node->safe_psql('postgres', q{SELECT status, failure_class, failure_code, retry_at, count(*) FROM shop.payments GROUP BY 1, 2, 3, 4 UNION ALL
	SELECT status::text::order_payment.payment_status, failure_class, failure_code, retry_at, count(*) FROM shop.payment_operations WHERE status <> 'succeeded' GROUP BY 1, 2, 3, 4}));
my ($orders, $refunds, $requests, $lost) = split /\|/, $node->safe_psql('postgres', q{
SELECT (SELECT count(*) FROM shop.orders), (SELECT count(*) FROM shop.refunds), count(*), count(*) FILTER (WHERE state = 'lost') FROM shop.gateway_requests});

diag("$orders orders, $refunds refunds, $requests requests, $lost of them lost");
cmp_ok($orders, '>', $n, 'it was under load');
cmp_ok($refunds, '>', $n / 4, 'of refunds too');
cmp_ok($lost, '>', $n / 4, 'and much was lost on the way');
is(differences($node, $gateway), '', 'nothing twice, nothing lost');
is($node->safe_psql('postgres', q{SELECT count(*) FROM shop.gateway_requests WHERE outcome IN ('conflict', 'error')}), 0, 'and nothing in contradiction');
my %told = map { ("$_->{order_id} $_->{version}" => 1) } grep { $_->{status} == 200 } gateway_log($gateway, what => 'webhook');

is($node->safe_psql('postgres', q{SELECT count(*) FROM shop.order_events WHERE entity = 'payment' AND to_status = 'succeeded'}), scalar(keys %told), 'each success was told');
is_verified($node, 'postgres', 'after all faults');
is(scalar(grep { /PANIC:|TRAP:|signal 11/ } split /\n/, slurp_file($node->logfile)), 0, 'no process has crashed by itself');
$node->stop;
stop_gateway($gateway);

done_testing();
