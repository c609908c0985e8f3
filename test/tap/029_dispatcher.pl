
# An external dispatcher, a program of the user's (test/gateway/dispatcher.py), in place of the worker, against a gateway that
# keeps an account of its own. Killed wherever it stands, it neither loses an effect nor causes one twice: what the gateway did
# and what the store says are the same at the end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use GatewayTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(usleep);

my ($python) = grep { IPC::Run::run([ $_, '-c', 'import psycopg2' ], '>', \my $out, '2>&1') } '/usr/bin/python3', 'python3';

plan skip_all => 'psycopg2 is not installed (Debian: python3-psycopg2)' if !defined $python;

my $node = make_cluster('dispatcher');
my $gateway = start_gateway();
my $api_key = 'sk_of_this_test';

# ---------- a store, a gateway, its secrets ----------

$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_card_key();
CREATE ROLE shop_owner;
CREATE ROLE shop_gateway LOGIN;
GRANT CREATE ON DATABASE postgres TO shop_owner;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shop_owner', gateway_role => 'shop_gateway');
ALTER ROLE shop_gateway SET search_path = shop;
INSERT INTO shop.gateways (gateway, protocol, endpoint, request_timeout, query_schedule, max_in_flight)
	SELECT 'g', 'json', '} . gateway_url($gateway, '') . q{', '1 second', array_fill(interval '0.2 seconds', ARRAY[200]), 100;
});

my $seal = "$FindBin::RealBin/../gateway_secret/seal_secret.sh";
my $pem = "$gateway->{folder}/card.pem";

append_to_file($pem, $node->safe_psql('postgres', q{SELECT order_payment.card_public_key('pem')}) . "\n");
my $kid = $node->safe_psql('postgres', q{SELECT order_payment.card_public_key('jwk')::json ->> 'kid'});

sub set_secret
{
	my ($kind, $secret) = @_;

	IPC::Run::run([ 'bash', $seal, $pem, $kid, 'shop', 'g', $kind ], '<', \$secret, '>', \my $blob) or die 'seal_secret.sh';
	chomp $blob;
	$node->safe_psql('postgres', qq{SET ROLE shop_owner; SELECT order_payment.set_gateway_secret('g', '$kind', '$blob', store => 'shop')});
	return;
}

set_secret('standard_webhook_secret', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
set_secret('api_key', $api_key);

# ---------- the dispatcher ----------

sub start_dispatcher
{
	my ($seconds) = @_;
	my $dispatcher = { err => '' };

	local $ENV{API_KEY} = $api_key;
	$dispatcher->{run} = IPC::Run::start(
		[ $python, "$FindBin::RealBin/../gateway/dispatcher.py", $node->connstr('postgres') . ' user=shop_gateway', 'shop', "$gateway->{folder}/ca.pem", $seconds ],
		'>', \my $out, '2>', \$dispatcher->{err}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $dispatcher;
}

sub dispatch
{
	my $dispatcher = start_dispatcher(0.7);

	$dispatcher->{run}->finish;
	is($dispatcher->{err}, '', 'the dispatcher has had no fault');
	return;
}

sub kill_dispatcher
{
	my ($dispatcher) = @_;

	$dispatcher->{run}->signal('KILL');
	$dispatcher->{run}->finish;
	return;
}

sub pay
{
	return $node->safe_psql('postgres', q{
SET search_path = shop;
WITH o AS (INSERT INTO orders (price) VALUES (10) RETURNING order_id)
INSERT INTO payments (order_id, gateway, amount) SELECT order_id, 'g', 10 FROM o RETURNING order_id});
}

sub wait_for
{
	my ($condition) = @_;

	ok($node->poll_query_until('postgres', "SELECT $condition"), "comes about: $condition");
	return;
}

# the leases of who was killed are over
sub end_leases
{
	$node->safe_psql('postgres', q{
UPDATE shop.gateway_requests SET lease_until = now(), claimed_at = claimed_at - interval '1 minute' WHERE state = 'claimed'});
	return;
}

sub requests_of
{
	my ($order) = @_;

	return $node->safe_psql('postgres', qq{
SELECT string_agg(concat_ws(' ', work, state, outcome), ', ' ORDER BY claimed_at) FROM shop.gateway_requests
WHERE order_id = $order AND (work NOT LIKE 'query%' OR outcome IN ('applied', 'absent'))});
}

sub status_of
{
	my ($order) = @_;

	return $node->safe_psql('postgres', qq{
SELECT concat_ws(' ', o.status, p.status, (SELECT string_agg(kind || ' ' || r.status, ' ') FROM shop.payment_operations r WHERE r.order_id = o.order_id))
FROM shop.orders o JOIN shop.payments p USING (order_id) WHERE order_id = $order ORDER BY p.attempt_no DESC LIMIT 1});
}

# What the gateway did, against what the store believes: number, operation and amount of each effect.
sub is_balanced
{
	my ($name) = @_;
	my @effects = map { $_->{key} =~ /^([0-9a-f]{32})/; sprintf '%s %s %.2f', $1, $_->{operation}, $_->{amount} } gateway_log($gateway, what => 'effect');
	my $believed = $node->safe_psql('postgres', q{
SELECT replace(payment_id::text, '-', '') || ' payment ' || amount::numeric(10, 2) FROM shop.payments WHERE status = 'succeeded'
UNION ALL
SELECT replace(operation_id::text, '-', '') || ' ' || kind || ' ' || amount::numeric(10, 2) FROM shop.payment_operations WHERE status = 'succeeded'});

	is(join("\n", sort @effects), join("\n", sort split /\n/, $believed), "$name: the gateway did once what the store says, and nothing else");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM order_payment.verify_store('shop')}), '0', "$name: the store is sound");
	return;
}

# ---------- as it should be ----------

my $paid = pay();

dispatch();
is(status_of($paid), 'paid succeeded', 'a payment is made');
my ($seen) = gateway_log($gateway, what => 'request');
ok(scalar(grep { $_ eq 'authorization' } @{ $seen->{headers} }), 'with the key of the gateway');
$node->safe_psql('postgres', qq{SELECT order_payment.refund_order($paid, 4, store => 'shop')});
dispatch();
is(status_of($paid), 'paid succeeded refund succeeded', 'a refund too');
is_balanced('paid and refunded');

# ---------- answers that do not come, or not whole ----------

foreach my $fault (qw(reset_before reset_in_head close_inside until_close tls_garbage chunked_broken html))
{
	my $order = pay();

	set_rules($gateway, { method => 'POST', do => $fault, times => 1 });
	dispatch();
	is(status_of($order), 'paid succeeded', "$fault: found out by a query");
}
set_rules($gateway);
is_balanced('answers lost');

# a refund that failed is tried again by another key, and what became of that time is asked for by that key
$node->safe_psql('postgres', qq{SELECT order_payment.refund_order($paid, 2, store => 'shop')});
set_rules($gateway, { method => 'POST', path => '/refund/', times => 1, result => { status => 'failed', failure_class => 'soft_decline' } },
	{ method => 'POST', path => '/refund/', times => 1, do => 'reset_before' });
dispatch();
like(status_of($paid), qr/refund failed/, 'a refund fails');
$node->safe_psql('postgres', q{UPDATE shop.payment_operations SET retry_at = now() WHERE status = 'failed'});
dispatch();
unlike(status_of($paid), qr/failed|unknown|processing/, 'it is tried again, its answer lost, and the second time asked for, not the first');
like(requests_of($paid), qr/retry_operation lost unknown, query_operation answered applied$/, 'once');
set_rules($gateway);
is_balanced('tried again');

# nobody is there, or another one: nothing is sent, and it is tried again as another payment
foreach my $listener (qw(expired wrong_host self_signed other_ca plain garbage))
{
	my $order = pay();

	$node->safe_psql('postgres', q{DELETE FROM shop.gateway_requests; UPDATE shop.gateways SET endpoint = '} . gateway_url($gateway, '', listener => $listener) . q{'});
	dispatch();
	is(status_of($order) . ', ' . requests_of($order), 'pending failed, send_payment not_sent failed', "$listener: nothing was sent");
}
$node->safe_psql('postgres', q{
DELETE FROM shop.gateway_requests;
UPDATE shop.gateways SET endpoint = '} . gateway_url($gateway, '') . q{';
UPDATE shop.payments SET retry_at = now() WHERE status = 'failed';
SELECT order_payment.do_due_work(store => 'shop')});
dispatch();
is($node->safe_psql('postgres', q{SELECT DISTINCT status FROM shop.orders}), 'paid', 'all are paid when the gateway is back');
is_balanced('nobody was there');

# ---------- killed ----------

# between claim and send: it waits for a server that does not answer its TLS
my $order = pay();
my $silent = gateway_url($gateway, '', listener => 'silent');

$node->safe_psql('postgres', qq{UPDATE shop.gateways SET endpoint = '$silent', request_timeout = '1 minute'});
my $dispatcher = start_dispatcher(60);
wait_for(qq{count(*) = 1 FROM shop.gateway_requests WHERE order_id = $order AND state = 'claimed'});
kill_dispatcher($dispatcher);
is(status_of($order), 'pending processing', 'killed before it sent: it may have been sent');
$node->safe_psql('postgres', q{UPDATE shop.gateways SET endpoint = '} . gateway_url($gateway, '') . q{', request_timeout = '1 second'});
dispatch();
is(status_of($order), 'pending processing', '... and nobody sends it while its lease lasts');
end_leases();
dispatch();
is(status_of($order) . ', ' . requests_of($order), 'pending failed, send_payment lost unknown, query_payment answered absent', '... then it is asked for, and was not');
$node->safe_psql('postgres', qq{UPDATE shop.payments SET retry_at = now() WHERE order_id = $order; SELECT order_payment.do_due_work(store => 'shop')});
dispatch();
is(status_of($order), 'paid succeeded', '... and is made');

# between send and settle: the gateway has done it, and is slow to say so
foreach my $kind (qw(payment refund))
{
	my $number = $kind eq 'payment' ? pay() : $paid;

	$node->safe_psql('postgres', qq{SELECT order_payment.refund_order($paid, 1, store => 'shop')}) if $kind eq 'refund';
	set_rules($gateway, { method => 'POST', do => 'late', seconds => 3, times => 1 });
	$node->safe_psql('postgres', q{UPDATE shop.gateways SET request_timeout = '1 minute'});
	my $effects = gateway_log($gateway, what => 'effect');
	$dispatcher = start_dispatcher(60);
	for (1 .. 200)
	{
		last if gateway_log($gateway, what => 'effect') > $effects;
		usleep(50_000);
	}
	kill_dispatcher($dispatcher);
	like(status_of($number), qr/processing/, "$kind: killed after it was sent, before it was settled");
	$node->safe_psql('postgres', q{UPDATE shop.gateways SET request_timeout = '1 second'});
	end_leases();
	dispatch();
	like(requests_of($number), qr/lost unknown, query_\w+ answered applied$/, "$kind: ... it is asked for");
	unlike(status_of($number), qr/processing|unknown/, "$kind: ... and known");
}
set_rules($gateway);

# with the answer in its hand: it waits for the order, which somebody else has
$order = pay();
set_rules($gateway, { method => 'POST', do => 'late', seconds => 1, times => 1 });
$node->safe_psql('postgres', q{UPDATE shop.gateways SET request_timeout = '1 minute'});
$dispatcher = start_dispatcher(60);
wait_for(qq{count(*) = 1 FROM shop.gateway_requests WHERE order_id = $order AND state = 'claimed'});
my $holder = $node->background_psql('postgres');
$holder->query_safe(qq{BEGIN; SELECT FROM shop.payments WHERE order_id = $order FOR UPDATE});
wait_for(q{count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%settle_request%' AND pid <> pg_backend_pid()});
kill_dispatcher($dispatcher);
$holder->query_safe('COMMIT');
$holder->quit;
$node->safe_psql('postgres', q{UPDATE shop.gateways SET request_timeout = '1 second'});
set_rules($gateway);
# the backend may settle yet: the statement had come to it
wait_for(q{count(*) = 0 FROM pg_stat_activity WHERE usename = 'shop_gateway'});
end_leases();
dispatch();
is(status_of($order), 'paid succeeded', 'killed with the answer in its hand: known, settled or asked for');

# any moment, many times
my @orders = map { pay() } 1 .. 12;

foreach my $i (1 .. 8)
{
	$dispatcher = start_dispatcher(60);
	usleep(250_000 + 37_000 * $i);
	kill_dispatcher($dispatcher);
	end_leases();
}
wait_for(q{count(*) = 0 FROM pg_stat_activity WHERE usename = 'shop_gateway'});
foreach (1 .. 3)
{
	end_leases();
	$node->safe_psql('postgres', q{UPDATE shop.payments SET retry_at = now() WHERE status = 'failed' AND retry_at > now(); SELECT order_payment.do_due_work(store => 'shop')});
	dispatch();
}
is(join(' ', map { status_of($_) } @orders), join(' ', ('paid succeeded') x 12), 'killed at any moment: all are paid');
is_balanced('killed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM shop.open_work}), '0', 'nothing is left to do');
stop_gateway($gateway);

done_testing();
