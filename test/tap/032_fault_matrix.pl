
# Six points of a worker at its work, seven faults at each, for a payment, and for a
# refund and a webhook at some. Whatever dies, whenever: what the gateway has done by
# its own log is what the store says it has; nothing twice, nothing lost, and what is
# unknown is known after two queries at most.
#
# The worker is one that stops where it is told (src/worker/point.h).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use GatewayTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkerTest;

my $gateway = start_gateway(undef, standard_webhook_secret => signing_secret());
my $node = make_cluster('faults_crash');

make_worker_roles($node);
make_shop($node, 'postgres', $gateway);
# orders to give money back of, and to cancel
my @paid = map { (new_order($node))[0] } 1 .. 21;
my @open = map { (new_order($node, payment => 0))[0] } 1 .. 14;

$node->append_conf('postgresql.conf', worker_conf($gateway, build => build_stopping_worker()));
$node->restart;

sub value_of { my ($query) = @_; return $node->safe_psql('postgres', $query); }

# ---------- work ----------

# name => what begins it, and returns: what tells that it is done, what the gateway has seen
# of it when it was sent, the queries that it may take
my %work = (
	payment => sub {
		my ($order, $payment) = new_order($node);

		return { done => "SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", order => $order, path => "/payment/$order",
			queries => "r.operation_id IS NULL" };
	},
	refund => sub {
		my $order = shift @paid;

		value_of("SELECT FROM order_payment.refund_order($order, store => 'shop')");
		return { done => "SELECT count(*) = 1 FROM shop.refunds WHERE order_id = $order AND status = 'succeeded'", order => $order, path => "/refund/$order",
			queries => "r.operation_id IS NOT NULL" };
	},
	webhook => sub {
		my $order = shift @open;

		value_of("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = $order");
		return { done => "SELECT count(*) = 0 FROM shop.webhook_deliveries WHERE order_id = $order", order => $order, path => '/hook/listener',
			queries => 'false' };
	});

# ---------- faults ----------

sub kill_and_recover
{
	my ($pid) = @_;

	survives($node, sub { kill 'KILL', $pid }) or die 'the server is not back';
	return;
}

# What the gateway does is set before; the others happen while the worker stands at the point.
my %fault = (
	'SIGTERM' => sub { kill 'TERM', worker_pid($node) or die 'kill'; },
	'SIGKILL' => sub { kill_and_recover(worker_pid($node)); },
	'SIGKILL of another' => sub {
		my $other = $node->background_psql('postgres', on_error_stop => 0);
		my ($pid) = $other->query('SELECT pg_backend_pid()') =~ /(\d+)/;

		kill_and_recover($pid);
		eval { $other->quit };
	},
	'stop -m immediate' => sub { $node->stop('immediate'); resume($node); $node->start; },
	'kill -9 of postmaster' => sub { $node->kill9; resume($node); poll_start($node); },
	'reset' => sub { usleep(400_000); },
	'timeout' => sub { });
my %rule = (
	'reset' => { method => 'POST', times => 1, do => 'reset_before', seconds => 0.2 },
	'timeout' => { method => 'POST', times => 1, do => 'silent', seconds => 5 });
# Else libcurl may have the answer in the very turn in which it has sent, and no moment lies between.
my $unhurried = { method => 'POST', times => 1, do => 'late', seconds => 2 };

# ---------- the matrix ----------

my @points = ('before claim', 'after claim', 'request sent', 'response read', 'before ack', 'result stored');
my @faults = ('SIGTERM', 'SIGKILL', 'SIGKILL of another', 'stop -m immediate', 'kill -9 of postmaster', 'reset', 'timeout');
my (%result, @wrong);

sub is_done
{
	my ($work) = @_;

	hasten($node);
	return value_of($work->{done}) eq 't' && value_of(
		"SELECT count(*) = 0 FROM shop.gateway_requests r WHERE r.order_id = $work->{order} AND r.state = 'claimed'") eq 't';
}

sub play
{
	my ($point, $fault, $kind) = @_;
	my $name = "$fault, $point, $kind";
	my $start = time;
	my $offset = -s $node->logfile;
	my $seen = scalar gateway_log($gateway, what => 'request', method => 'POST');

	set_rules($gateway, $rule{$fault} // ($point eq 'request sent' ? $unhurried : ()));
	set_stop($node, $point);
	my $work = $work{$kind}->();

	if (!defined wait_for_log($node, qr/the worker stops at point "\Q$point\E"/, $offset))
	{
		push @wrong, "$name: the worker does not stop";
		diag(substr(slurp_file($node->logfile), $offset),
			value_of("SELECT coalesce(string_agg(r::text, E'\\n'), 'no requests') FROM shop.gateway_requests r WHERE r.order_id = $work->{order}"));
		resume($node);
		return;
	}
	if ($point eq 'request sent')
	{
		until_true(sub { gateway_log($gateway, what => 'request', method => 'POST') > $seen }, 10) // push @wrong, "$name: nothing has come";
	}
	elsif ($point =~ /claim/ && gateway_log($gateway, what => 'request', method => 'POST') > $seen)
	{
		push @wrong, "$name: it was sent too early";
	}
	$fault{$fault}->();
	resume($node);
	my $took = until_true(sub { is_done($work) }, 30);
	my $queries = value_of("SELECT count(*) FROM shop.gateway_requests r WHERE r.order_id = $work->{order} AND r.work LIKE 'query%' AND $work->{queries}");

	push @wrong, "$name: never done" if !defined $took;
	push @wrong, "$name: $queries queries" if $queries > 2;
	push @wrong, map { "$name: $_" } split /\n/, differences($node, $gateway);
	push @wrong, "$name: the subscriber was not told"
	  if $kind eq 'webhook' && !gateway_log($gateway, what => 'webhook', type => 'order.cancelled', order_id => $work->{order});
	$result{"$kind $point"}{$fault} = sprintf '%d %s, %.1f s', $queries, $queries == 1 ? 'query' : 'queries', time - $start;
	return;
}

sub is_right
{
	my ($name) = @_;

	is(join("\n", @wrong), '', $name);
	@wrong = ();
	return;
}

ok(until_true(sub { value_of(q{SELECT count(*) = 21 FROM shop.orders WHERE status = 'paid'}) eq 't' }), 'the worker works');
foreach my $point (@points)
{
	foreach my $fault (@faults)
	{
		play($point, $fault, 'payment');
		is_right("$point, $fault: a payment is done once");
	}
}
foreach my $point ('after claim', 'request sent', 'before ack')
{
	foreach my $fault (@faults)
	{
		play($point, $fault, 'refund');
		is_right("$point, $fault: a refund is done once");
	}
}
foreach my $point ('request sent', 'before ack')
{
	foreach my $fault (@faults)
	{
		play($point, $fault, 'webhook');
		is_right("$point, $fault: a subscriber is told");
	}
}

# ---------- afterwards ----------

is(value_of(q{SELECT string_agg(DISTINCT status::text, ' ') FROM shop.payments WHERE status NOT IN ('succeeded', 'failed')}), '', 'nothing is left open');
is(value_of(q{SELECT count(*) FROM shop.gateway_requests WHERE outcome IN ('conflict', 'error')}), 0, 'and nothing is wrong');
is(join(' ', map { $_->{id} } grep { my $it = $_; grep { $_->{order_id} eq $it->{order_id} && $_->{id} ne $it->{id} } gateway_log($gateway, what => 'webhook') }
			gateway_log($gateway, what => 'webhook')), '', 'who is told twice is told the same, by one id');
is_verified($node, 'postgres', 'after all faults');
is(scalar(grep { /PANIC:|TRAP:|signal 11/ } split /\n/, slurp_file($node->logfile)), 0, 'no process has crashed by itself');

foreach my $row (sort keys %result)
{
	diag(sprintf '%-24s %s', $row, join ' | ', map { "$_: $result{$row}{$_}" } grep { $result{$row}{$_} } @faults);
}
$node->stop;
stop_gateway($gateway);

done_testing();
