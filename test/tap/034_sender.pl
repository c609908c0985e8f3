
# Which server sends requests to gateways. A copy that was restored from a dump has another system identifier, and sends nothing
# until it is told to. A standby that was promoted, or a server that was recovered to a point in the past, has another timeline:
# what is open there may have been sent on the one before, and is asked for first.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $primary = make_cluster('sender_primary', init => { allows_streaming => 1, has_archiving => 1 });

$primary->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
CREATE ROLE shop_owner;
CREATE ROLE shop_gateway;
GRANT CREATE ON DATABASE postgres TO shop_owner;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shop_owner', gateway_role => 'shop_gateway');
INSERT INTO shop.gateways (gateway, protocol, query_schedule, request_timeout) SELECT 'g', 'stripe', array_fill(interval '0', ARRAY[9]), '1 second';
CREATE FUNCTION pay() RETURNS bigint LANGUAGE sql AS $$
	WITH o AS (INSERT INTO shop.orders (price) VALUES (10) RETURNING order_id)
	INSERT INTO shop.payments (order_id, gateway, amount) SELECT order_id, 'g', 10 FROM o RETURNING order_id $$;
-- what the gateway answers of one order: the payment intent with this status, or that there is none
CREATE FUNCTION answer(o bigint, status text) RETURNS text LANGUAGE sql AS $$
	SELECT order_payment.settle_request(o::text, r.request_id, 'answered', CASE WHEN status IS NULL THEN 404 ELSE 200 END, '{}', convert_to(CASE WHEN status IS NULL THEN ''
		ELSE json_build_object('object', 'payment_intent', 'id', 'pi_' || o, 'amount', 1000, 'currency', 'eur', 'status', status, 'metadata', json_build_object('number', replace(r.payment_id::text, '-', '')))::text END, 'UTF8'), store => 'shop')
	FROM shop.gateway_requests r WHERE r.order_id = o AND r.state = 'claimed' $$;
});

# What a call returns: order and work of each request.
sub claim
{
	my ($node, $database) = @_;

	return $node->safe_psql($database // 'postgres',
		q{SET ROLE shop_gateway; SELECT order_id, work FROM order_payment.claim_requests(100, store => 'shop') ORDER BY order_id::bigint});
}

sub answer
{
	my ($node, $order, $status) = @_;

	return $node->safe_psql('postgres', "SELECT answer($order, " . ($status ? "'$status'" : 'NULL') . ')');
}

sub status_of
{
	my ($node, $order) = @_;

	return $node->safe_psql('postgres', "SELECT status FROM shop.payments WHERE order_id = $order");
}

# 1 is paid, 2 was taken to be sent, 3 and 4 wait
$primary->safe_psql('postgres', 'SELECT pay(), pay()');
is(claim($primary), "1|send_payment\n2|send_payment", 'the first to send is the sender');
is(answer($primary, 1, 'succeeded'), 'applied', 'and goes on as such');
$primary->safe_psql('postgres', 'SELECT pay(), pay()');

# ---------- copies ----------

# a backup of now, to be recovered to now
$primary->backup('base');

my $dump = PostgreSQL::Test::Utils::tempdir() . '/shop.dump';
$primary->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $primary->connstr('postgres') ], 'dumped');

my $copy = make_cluster('sender_copy', root_key => [ root_key($primary) ]);
$copy->safe_psql('postgres', 'CREATE ROLE shop_owner; CREATE ROLE shop_gateway');
$copy->command_ok([ 'pg_restore', '--exit-on-error', '-d', $copy->connstr('postgres'), $dump ], 'and restored');
fails_with($copy, 'postgres', q{SET ROLE shop_gateway; SELECT order_payment.claim_requests(store => 'shop')}, '55000', 'a restored copy sends nothing');
is($copy->safe_psql('postgres', q{SELECT count(*) FROM shop.gateway_requests}), '2', 'it takes nothing either');
is(claim($primary), "3|send_payment\n4|send_payment", 'its original goes on');

# nor does a copy beside it, in another database of the same cluster
$primary->safe_psql('postgres', 'CREATE DATABASE beside');
$primary->command_ok([ 'pg_restore', '--exit-on-error', '-d', $primary->connstr('beside'), $dump ], 'restored beside it');
fails_with($primary, 'beside', q{SET ROLE shop_gateway; SELECT order_payment.claim_requests(store => 'shop')}, '55000', 'a copy in the same cluster sends nothing');
$primary->safe_psql('postgres', 'DROP DATABASE beside');

# the original is gone for good
$copy->safe_psql('postgres', q{SET ROLE shop_gateway; SELECT order_payment.resume_sending('shop')});
is(claim($copy), "3|query_payment\n4|query_payment", 'when it is told to send, it asks for what waited');
is(answer($copy, 3, 'succeeded') . ' ' . status_of($copy, 3), 'applied succeeded', 'what the original had sent is known, and not sent again');
is(answer($copy, 4, undef) . ' ' . status_of($copy, 4), 'absent created', 'what the gateway knows nothing of');
is(claim($copy), '4|send_payment', '... is sent');
is($copy->safe_psql('postgres', q{SELECT state FROM shop.gateway_requests WHERE order_id = 2}), 'claimed', 'what was being sent waits for its lease');
is($copy->safe_psql('postgres', q{SELECT count(*) FROM order_payment.verify_store('shop')}), '0', 'the copy is sound');
$copy->stop;

# ---------- another timeline, by recovery ----------

my $recovered = PostgreSQL::Test::Cluster->new('sender_recovered');

$recovered->init_from_backup($primary, 'base', has_restoring => 1, standby => 0);
$recovered->append_conf('postgresql.conf', "archive_mode = off\nrecovery_target = 'immediate'\nrecovery_target_action = 'promote'\n");
$recovered->start;
$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
is($recovered->safe_psql('postgres', q{SELECT order_payment.current_timeline()}), '2', 'recovered to the past: another timeline');
$recovered->safe_psql('postgres', 'SELECT pay()');
is(claim($recovered), "3|query_payment\n4|query_payment\n5|query_payment",
	'what was there when this server first looked is asked for, for it may have been sent since');
is(answer($recovered, 3, 'succeeded') . ' ' . status_of($recovered, 3), 'applied succeeded', 'it was: it is not sent again');
is(answer($recovered, 5, 'processing') . ' ' . status_of($recovered, 5), 'applied processing', 'or is under way');
$recovered->safe_psql('postgres', 'SELECT pay()');
is(claim($recovered), "5|query_payment\n6|send_payment", 'what comes later is sent, what is under way is asked for');
is($recovered->safe_psql('postgres', q{SELECT timeline, timeline_since > now() - interval '1 hour' FROM shop.gateway_sender}), '2|t', 'the timeline is written down');
is($recovered->safe_psql('postgres', q{SELECT count(*) FROM order_payment.verify_store('shop')}), '0', 'the recovered server is sound');
$recovered->stop;

# ---------- another timeline, by promotion ----------

my $standby = PostgreSQL::Test::Cluster->new('sender_standby');

$primary->safe_psql('postgres', q{UPDATE shop.gateways SET protocol = 'json', endpoint = 'https://own.example.com', active = false});
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
fails_with($standby, 'postgres', q{SET ROLE shop_gateway; SELECT order_payment.claim_requests(store => 'shop')}, '55000', 'a standby sends nothing');
$primary->safe_psql('postgres', q{UPDATE shop.gateways SET protocol = 'stripe', endpoint = NULL, active = true; SELECT pay()});
$primary->wait_for_catchup($standby);
# the last that it did, and that the standby does not get
$standby->stop;
is(claim($primary), '5|send_payment', 'the primary sends one more');
is(answer($primary, 5, 'succeeded'), 'applied', 'it is paid');
$primary->stop('immediate');
$standby->start;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
$standby->safe_psql('postgres', q{UPDATE shop.gateway_requests SET lease_until = now(), claimed_at = claimed_at - interval '2 hours'});
is(status_of($standby, 5), 'created', 'the promoted one does not know of it');
is(claim($standby), "2|query_payment\n3|query_payment\n4|query_payment\n5|query_payment", 'and asks; as for what was being sent');
is(answer($standby, 5, 'succeeded') . ' ' . status_of($standby, 5), 'applied succeeded', 'it is paid, and never sent again');
is(answer($standby, 2, undef) . ' ' . status_of($standby, 2), 'absent failed', 'what did not come to the gateway has failed, and is tried again by the schedule');
is(answer($standby, 3, 'requires_action') . ' ' . status_of($standby, 3), 'applied requires_action', 'what waits for the customer waits');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM order_payment.verify_store('shop')}), '0', 'the promoted server is sound');

done_testing();
