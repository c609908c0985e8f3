
# What the worker does: payments, captures, voids, refunds, queries, revocations, dues,
# events to subscribers; with its secrets in nobody else's hands, at once when something
# was committed, and within the limits of its gateways.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FindBin;
use JSON::PP ();
use lib "$FindBin::RealBin";

use GatewayTest;
use LeakTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkerTest;

# the tests themselves are not serializable
$ENV{PGOPTIONS} = q{-c default_transaction_isolation=read\\ committed};

my $gateway = start_gateway(undef, standard_webhook_secret => signing_secret());
my $node = make_cluster('work', conf => "max_prepared_transactions = 5\nlog_min_messages = debug1\nlog_error_verbosity = verbose\n");

sub value_of { my ($query, %args) = @_; return $node->safe_psql('postgres', $query, %args); }

sub comes_true { my ($query, $name, $seconds) = @_; return ok(defined until_true(sub { value_of($query) eq 't' }, $seconds), $name); }

sub seen { return gateway_log($gateway, what => 'request', @_); }

# What others have said must not be heard.
make_worker_roles($node);
make_shop($node, 'postgres', $gateway, subscriber => q{'{*}', array_fill(interval '200 milliseconds', ARRAY[30])});
$node->safe_psql('postgres', q{
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER ROLE op_worker SET default_transaction_read_only = on;
ALTER ROLE op_worker SET search_path = 'shop'});
$node->append_conf('postgresql.conf', worker_conf($gateway));
$node->restart;

# ---------- each kind of work ----------

my ($order, $payment) = new_order($node);

comes_true("SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", 'a payment succeeds');
my ($request) = seen(target => "/payment/$order");

ok($request->{signed}, 'its request is signed');
is($request->{authorization}, sha256_hex('Bearer ' . api_key()), 'and bears the key of the gateway');

value_of("SELECT FROM order_payment.refund_order($order, 5, store => 'shop')");
comes_true("SELECT status = 'succeeded' FROM shop.refunds WHERE order_id = $order", 'a refund');

set_rules($gateway, { method => 'POST', path => '/payment/', result => { status => 'authorized' } });
($order, $payment) = new_order($node, amount => 21);
comes_true("SELECT status = 'authorized' FROM shop.payments WHERE order_id = $order", 'an authorisation');
value_of("INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES ($order, '$payment', 'capture', 21)");
comes_true("SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", 'a capture');

($order, $payment) = new_order($node, amount => 22);
comes_true("SELECT status = 'authorized' FROM shop.payments WHERE order_id = $order", 'another authorisation');
value_of("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = $order");
comes_true("SELECT status = 'succeeded' FROM shop.payment_operations WHERE order_id = $order AND kind = 'void'", 'which is voided when its order is cancelled');

set_rules($gateway, { method => 'POST', path => '/payment/', result => { status => 'requires_action' } },
	{ method => 'POST', path => '/void/', result => { status => 'revoked' } });
($order, $payment) = new_order($node, amount => 23);
comes_true("SELECT status = 'requires_action' FROM shop.payments WHERE order_id = $order", 'the customer must act');
value_of("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = $order");
comes_true("SELECT status = 'revoked' FROM shop.payments WHERE order_id = $order", 'and need not, when the order is cancelled: revoked');

set_rules($gateway, { method => 'POST', path => '/payment/', do => 'reset_before', times => 1 });
($order, $payment) = new_order($node, amount => 24);
comes_true("SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", 'what was lost is asked for');
is(value_of("SELECT string_agg(work || ' ' || state || ' ' || outcome, ', ' ORDER BY claimed_at) FROM shop.gateway_requests WHERE order_id = $order"),
	'send_payment lost unknown, query_payment answered applied', 'by a query');

# ---------- what is due ----------

# paid when it was cancelled already
set_rules($gateway, { method => 'POST', path => '/payment/', result => { status => 'processing' } },
	{ method => 'POST', path => '/void/', status => 409, body => '', effect => JSON::PP::false }, { method => 'GET', result => { status => 'succeeded' } });
($order, $payment) = new_order($node, amount => 25);
value_of("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = $order");
comes_true("SELECT status = 'succeeded' FROM shop.refunds WHERE order_id = $order", 'what is paid for a dead order is given back');
set_rules($gateway);
($order) = new_order($node, payment => 0);
value_of("UPDATE shop.orders SET pay_before = now() + interval '100 milliseconds' WHERE order_id = $order");
comes_true("SELECT status = 'expired' FROM shop.orders WHERE order_id = $order", 'an order expires');
is(differences($node, $gateway), '', 'what the gateway has done is what the store says');

# ---------- cards, and secrets ----------

set_rules($gateway, { method => 'POST', path => '/payment/', do => 'late', seconds => 0.6 });

($order, $payment) = split /\n/, value_of(qq{
BEGIN;
INSERT INTO shop.orders (customer_id, price) VALUES (1, 26) RETURNING order_id AS id \\gset
SELECT :id;
SELECT payment_id FROM order_payment.create_payment(:'id', 'pay', card_number => '$visa', card_holder => '$holder', card_expiry => '12/34', store => 'shop');
COMMIT});
my $activity = '';

comes_true("SELECT count(*) = 1 FROM shop.gateway_requests WHERE order_id = $order", 'a payment with a card is claimed');
until_true(sub {
	$activity .= value_of('SELECT a FROM pg_stat_activity a WHERE pid <> pg_backend_pid()');
	return value_of("SELECT status FROM shop.orders WHERE order_id = $order") eq 'paid'; });
comes_true("SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", 'and succeeds');
($request) = seen(target => "/payment/$order");
is($request->{card}, sha256_hex("$visa|$holder|12/34"), 'the gateway has got number, holder and expiry');
ok($request->{signed}, 'and a signature over them');
is(value_of(q{SELECT string_agg(field::text, ' ' ORDER BY field) FROM order_payment.reveal_log WHERE what = 'request'}), 'expiry holder number', 'it is written down that they were revealed');
value_of('CHECKPOINT');
value_of('SELECT pg_switch_wal()');
my @files = files_below($node->data_dir, $node->logfile);

is(join("\n", find_leaks(@files)), '', 'the card is in no table, log or WAL');
is_clean($activity, 'nor did pg_stat_activity show it');
foreach my $secret (api_key(), signing_secret() =~ s/^whsec_//r)
{
	my %forms = forms($secret);
	my @found = map { my $file = $_; my $text = -f $file ? slurp_file($file) : ''; grep { index($text, $_) >= 0 } values %forms } @files;

	is(scalar(@found), 0, 'a secret of the gateway is in no file');
	is(index($activity, $secret), -1, 'nor in pg_stat_activity');
}
set_rules($gateway);

# ---------- who is told ----------

sub told { return gateway_log($gateway, what => 'webhook', @_); }

comes_true("SELECT count(*) = 0 FROM shop.webhook_deliveries", 'all events are told');
is(scalar(told()), value_of('SELECT count(*) FROM shop.order_events'), 'each once');
my %last;

is(join(' ', map { $_->{order_id} } grep { my $late = $_->{version} <= ($last{ $_->{order_id} } // 0); $last{ $_->{order_id} } = $_->{version}; $late } told()), '',
	'those of an order one after the other');

set_rules($gateway, { path => '/hook/listener', times => 3, status => 500, body => '' });
my $told = told();
my $start = time;

($order) = new_order($node, payment => 0);
ok(defined until_true(sub { value_of("SELECT count(*) = 0 FROM shop.webhook_deliveries WHERE order_id = $order") eq 't' && told(order_id => $order) == 4 }), 'told again until it is taken');
is(join(' ', map { $_->{status} } told(order_id => $order)), '500 500 500 200', 'after three failures');
cmp_ok(time - $start, '>=', 0.6, 'with pauses');
is(scalar(keys %{ { map { $_->{id} => 1 } told(order_id => $order) } }), 1, 'by the same webhook-id');

value_of(q{UPDATE shop.webhook_subscribers SET retry_schedule = '{100 milliseconds}'});
set_rules($gateway, { path => '/hook/listener', times => 2, status => 500, body => '' });
($order) = new_order($node, payment => 0);
comes_true("SELECT count(*) = 1 FROM shop.webhook_deliveries WHERE order_id = $order AND state = 'dead' AND attempts = 2", 'given up in the end');
is(value_of("SELECT count(*) FROM shop.needs_attention WHERE order_id = $order"), 1, 'which people are shown');
value_of("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = $order");
ok(defined until_true(sub { told(order_id => $order, version => 2) }), 'the next event of the order is told all the same');
value_of("SELECT order_payment.redeliver_webhook('listener', event_id, 'shop') FROM shop.webhook_deliveries WHERE order_id = $order");
comes_true("SELECT count(*) = 0 FROM shop.webhook_deliveries", 'what was given up is sent once more');
is(join(' ', map { "$_->{version}:$_->{status}" } told(order_id => $order)), '1:500 1:500 2:200 1:200', 'and taken');
value_of(q{UPDATE shop.webhook_subscribers SET active = false});

# ---------- at once ----------

sub configure
{
	my ($lines) = @_;
	my $offset = -s $node->logfile;

	$node->append_conf('postgresql.conf', $lines);
	$node->reload;
	wait_for_log($node, qr/received SIGHUP/, $offset) // die 'not read';
	usleep(200_000);
	return;
}

configure('order_payment_worker.poll_interval = 1h');
$start = time;
($order) = new_order($node);
comes_true("SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", 'a COMMIT wakes the worker', 10);
cmp_ok(time - $start, '<', 2, 'at once');
$start = time;
value_of("SELECT FROM order_payment.refund_order($order, store => 'shop')");
comes_true("SELECT status = 'succeeded' FROM shop.refunds WHERE order_id = $order", 'so does that of a refund', 10);
cmp_ok(time - $start, '<', 2, 'at once');
configure('order_payment_worker.poll_interval = 300ms');
($order) = split /\n/, value_of(q{
BEGIN;
INSERT INTO shop.orders (customer_id, price) VALUES (1, 27) RETURNING order_id AS id \gset
SELECT :id;
SELECT FROM order_payment.create_payment(:'id', 'pay', store => 'shop');
PREPARE TRANSACTION 'pay'});
usleep(700_000);
is(scalar(seen(target => "/payment/$order")), 0, 'what is prepared is not sent');
value_of(q{COMMIT PREPARED 'pay'});
comes_true("SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", 'what is committed then, is');
configure('order_payment_worker.poll_interval = 100ms');

# ---------- limits ----------

# n payments at once; the condition on those of their requests that are payments
sub pay_at_once
{
	my ($n, $name) = @_;

	value_of(qq{
BEGIN;
CREATE TEMP TABLE made AS SELECT nextval(pg_get_serial_sequence('shop.orders', 'order_id')) AS id FROM generate_series(1, $n);
INSERT INTO shop.orders (order_id, customer_id, price) OVERRIDING SYSTEM VALUE SELECT id, 1, 7 FROM made;
SELECT count(order_payment.create_payment(id::text, '$name', store => 'shop')) FROM made;
COMMIT});
	return;
}

my $since = value_of('SELECT clock_timestamp()');
my $limited = qq{FROM shop.gateway_requests r WHERE r.claimed_at > '$since' AND r.gateway = 'pay'};

value_of(q{UPDATE shop.gateways SET max_in_flight = 3 WHERE gateway = 'pay'});
set_rules($gateway, { path => '/payment/', do => 'late', seconds => 0.2 });
pay_at_once(12, 'pay');
comes_true("SELECT count(*) = 12 $limited AND r.outcome = 'applied'", '12 payments, of which three may be under way');
is(value_of("SELECT max((SELECT count(*) $limited AND tstzrange(r.claimed_at, r.settled_at) \@> a.claimed_at)) FROM shop.gateway_requests a WHERE a.claimed_at > '$since'"), 3,
	'no more were, and no less');

set_rules($gateway);
configure('order_payment_worker.poll_interval = 1h');
$since = value_of('SELECT clock_timestamp()');
$limited = qq{FROM shop.gateway_requests r WHERE r.claimed_at > '$since' AND r.gateway = 'pay'};
value_of(q{UPDATE shop.gateways SET max_in_flight = 100, max_per_second = 4 WHERE gateway = 'pay'});
pay_at_once(12, 'pay');
comes_true("SELECT count(*) = 12 $limited AND r.outcome = 'applied'", '12 payments, four a second');
is(value_of("SELECT max((SELECT count(*) $limited AND r.claimed_at BETWEEN a.claimed_at AND a.claimed_at + interval '0.99 seconds')) FROM shop.gateway_requests a WHERE a.claimed_at > '$since'"), 4,
	'no more were, and no less');
value_of(q{UPDATE shop.gateways SET max_per_second = NULL WHERE gateway = 'pay'});
configure('order_payment_worker.poll_interval = 100ms');

value_of(q{
INSERT INTO shop.gateways (gateway, protocol, endpoint, retry_schedule, max_in_flight) VALUES ('down', 'json', 'https://127.0.0.1:1', '{}', 1)});
set_secret($node, 'postgres', 'shop', 'down', 'standard_webhook_secret', signing_secret());
pay_at_once(8, 'down');
comes_true(q{SELECT breaker_until > now() FROM shop.gateway_worker_status WHERE gateway = 'down'}, 'a gateway that is down opens its breaker');
usleep(500_000);
is(value_of(q{SELECT count(*), min(state), min(outcome) FROM shop.gateway_requests WHERE gateway = 'down'}), '5|not_sent|failed', 'after five failures nothing is sent');
value_of(q{UPDATE shop.gateway_requests SET settled_at = settled_at - interval '1 hour' WHERE gateway = 'down'});
comes_true(q{SELECT count(*) = 6 FROM shop.gateway_requests WHERE gateway = 'down' AND state = 'not_sent'}, 'later one tries');
usleep(300_000);
is(value_of(q{SELECT count(*) FROM shop.gateway_requests WHERE gateway = 'down'}), 6, 'and only one');

# ---------- whom to trust ----------

my $pid = worker_pid($node);

configure("order_payment_worker.ca_file = '$gateway->{folder}/other.crt'");
value_of(q{UPDATE shop.gateways SET retry_schedule = '{"not_sent": ["1 second", "1 second", "1 second", "1 second"]}' WHERE gateway = 'pay'});
($order) = new_order($node);
comes_true("SELECT count(*) > 0 FROM shop.gateway_requests WHERE order_id = $order AND state = 'not_sent' AND reason LIKE '%certificate_refused%'", 'a changed file of certificates counts at once');
is(scalar(seen(target => "/payment/$order")), 0, 'nothing was sent');
configure(q{order_payment_worker.ca_file = '/nonexistent/ca.pem'});
comes_true("SELECT count(*) > 0 FROM shop.gateway_requests WHERE order_id = $order AND state = 'not_sent' AND reason LIKE '%trust_unusable%'", 'so does one that is not there');
configure("order_payment_worker.ca_file = '$gateway->{folder}/ca.pem'");
comes_true("SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", 'with the right one it is paid');
is(worker_pid($node), $pid, 'by the same worker');

# ---------- many ----------

# Its own memory; what it has seen of shared memory grows with the tables
sub resident { my ($kb) = slurp_file("/proc/" . worker_pid($node) . "/status") =~ /^RssAnon:\s+(\d+)/m; return $kb; }

SKIP:
{
	my $limit = `sh -c 'ulimit -n'`;

	skip 'needs 3000 descriptors', 2 if $limit !~ /^unlimited/ && $limit < 3000;
	value_of(q{UPDATE shop.gateways SET max_in_flight = 2000, request_timeout = '60 seconds' WHERE gateway = 'pay'});
	configure('order_payment_worker.max_in_flight = 1100');
	$since = value_of('SELECT clock_timestamp()');
	$limited = qq{FROM shop.gateway_requests r WHERE r.claimed_at > '$since' AND r.gateway = 'pay'};
	set_rules($gateway, { path => '/payment/', do => 'together', to => 'many', size => 1100 });
	pay_at_once(1100, 'pay');
	comes_true("SELECT count(*) = 1100 $limited AND r.outcome = 'applied'", '1100 requests at once, for none is answered before all are there', 120);
	is(worker_pid($node), $pid, 'by the same worker');
	set_rules($gateway);
}
configure('order_payment_worker.max_in_flight = 32');

# 1 MB for 10 000 requests would be 100 kB for 1000. Memory comes in lumps, so one of some rounds must do without: a leak is in each.
sub pay_a_thousand
{
	pay_at_once(1000, 'pay');
	comes_true(q{SELECT count(*) = 0 FROM shop.payments WHERE status IN ('created', 'processing') AND gateway = 'pay'}, '1000 requests', 120);
	return resident();
}

my @resident = (pay_a_thousand());

while (@resident < 7 && (@resident < 2 || $resident[-1] - $resident[-2] >= 100))
{
	push @resident, pay_a_thousand();
}
diag("kB of the worker after each 1000 requests: @resident");
cmp_ok($resident[-1] - $resident[-2], '<', 100, 'the worker does not grow');

is(worker_pid($node), $pid, 'the worker is as it was');
is(differences($node, $gateway), '', 'what the gateway has done is what the store says');
is_verified($node, 'postgres', 'after all work');
is(join("\n", grep { /(?:ERROR|FATAL|PANIC):/ && !/psql|\.pl/ } split /\n/, slurp_file($node->logfile)), '', 'the worker has had no error');
$node->stop;
stop_gateway($gateway);

done_testing();
