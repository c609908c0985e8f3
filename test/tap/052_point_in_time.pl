
# Recovery to a point in the past: a base backup and the archived log bring back what was committed before a named restore
# point, a transaction, or a moment, and nothing of what came later. The recovered server is sound and goes on: it counts
# orders and versions from where they were then, hands consumers what they had not acknowledged then, asks gateways before
# it sends, and a copy beside it sends nothing until it is told to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use LifeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $node = make_cluster('past', init => { allows_streaming => 1, has_archiving => 1 }, conf => "shared_preload_libraries = 'order_payment'\n");

make_lives($node);
$node->safe_psql('postgres', q{INSERT INTO shop.gateways (gateway, protocol, query_schedule) VALUES ('g', 'stripe', array_fill(interval '0', ARRAY[9]))});
$node->backup('base');

sub value_of { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

# writers that come to their end: what they had acknowledged
sub live
{
	my ($server, $name, $seed, $lives) = @_;
	my %last;

	note_acknowledged(\%last, $name, start_lives($server, 3, $seed, $lives));
	return \%last;
}

# an order that waits for its payment to be sent
sub pay
{
	my ($server) = @_;

	return $server->safe_psql('postgres', q{
WITH o AS (INSERT INTO shop.orders (price) VALUES (10) RETURNING order_id)
INSERT INTO shop.payments (order_id, gateway, amount) SELECT order_id, 'g', 10 FROM o RETURNING order_id});
}

sub claim
{
	my ($server, $database) = @_;

	return $server->safe_psql($database // 'postgres',
		q{SELECT order_id, work FROM order_payment.claim_requests(100, store => 'shop') ORDER BY order_id::bigint}, extra_params => [ '-U', 'gateway' ]);
}

# ---------- what happens, in this order ----------

my $first = live($node, 'before', 521, 15);
my $taken = pay($node);

is(claim($node), "$taken|send_payment", 'a request is taken to be sent');
my $waits = pay($node);
value_of(q{SELECT order_payment.ack_events('mailer', ARRAY(SELECT event_id FROM order_payment.read_events('mailer', 150, 'shop')), 'shop')});
my $open = 'SELECT count(*), md5(string_agg(event_id::text, \',\' ORDER BY event_id)) FROM shop.order_events e LEFT JOIN shop.consumer_offsets o '
  . q{ON o.order_id = e.order_id AND o.consumer = 'mailer' WHERE e.version > coalesce(o.version, 0)};

# one order, between whose commits the targets are
my $order = value_of(q{INSERT INTO shop.orders (price) VALUES (30) RETURNING order_id});
value_of("INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES ($order, 'acme', 30, 'succeeded')");
my $outstanding = value_of($open);
value_of(q{SELECT pg_create_restore_point('before the fault')});
my ($xid) = value_of("BEGIN; UPDATE shop.orders SET status = 'shipped' WHERE order_id = $order; SELECT pg_current_xact_id(); COMMIT") =~ /(\d+)/;
value_of("UPDATE shop.orders SET status = 'completed' WHERE order_id = $order");
my $moment = value_of('SELECT pg_sleep(0.01); SELECT clock_timestamp(); SELECT pg_sleep(0.01)');

# the fault, and what is to be forgotten
value_of("SELECT FROM order_payment.refund_order($order, store => 'shop'); UPDATE shop.refunds SET status = 'succeeded' WHERE order_id = $order");
is(claim($node), "$waits|send_payment", 'another request is taken to be sent');
my $second = live($node, 'after', 522, 8);
my $lost = value_of(q{SELECT array_agg(event_id) FROM (SELECT * FROM shop.order_events ORDER BY xid DESC LIMIT 10) e});
value_of(q{SELECT order_payment.ack_events('mailer', ARRAY(SELECT event_id FROM order_payment.read_events('mailer', 100000, 'shop')), 'shop')});
my $segment = value_of('SELECT pg_walfile_name(pg_switch_wal())');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver") or die 'the log is not archived';
$node->stop('immediate');

# ---------- the ways back ----------

my ($before, $after) = map { join ',', keys %$_ } $first, $second;

foreach my $target ([ name => 'before the fault', 'paid', 3 ], [ xid => $xid, 'shipped', 4 ], [ time => $moment =~ s/\s+\z//r =~ s/\A\s+//r, 'completed', 5 ])
{
	my ($kind, $value, $status, $version) = @$target;
	my $back = PostgreSQL::Test::Cluster->new("back_by_$kind");
	my $name = "by $kind";

	$back->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
	$back->append_conf('postgresql.conf', "archive_mode = off\nrecovery_target_$kind = '$value'\nrecovery_target_action = 'promote'\n");
	$back->start;
	$back->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
	is($back->safe_psql('postgres', 'SELECT order_payment.current_timeline()'), '2', "$name: another timeline");
	is($back->safe_psql('postgres', "SELECT status, version, refunded_amount, (SELECT count(*) FROM shop.refunds WHERE order_id = o.order_id) FROM shop.orders o WHERE order_id = $order"),
		"$status|$version|0|0", "$name: what came before is there, what came after is not");
	check_lives($back, $name, $first, {});
	is($back->safe_psql('postgres', "SELECT count(*) FROM shop.orders WHERE order_id IN ($after) AND order_id NOT IN ($before)"), '0', "$name: no order of later");
	is_verified($back, 'postgres', $name);
	is($back->safe_psql('postgres', $open), $outstanding, "$name: what was outstanding for a consumer then") if $kind eq 'name';

	# consumers
	is($back->safe_psql('postgres', "SELECT order_payment.ack_events('mailer', '$lost', 'shop')"), '0', "$name: what was forgotten cannot be acknowledged");
	is($back->safe_psql('postgres', q{SELECT count(*), md5(string_agg(event_id::text, ',' ORDER BY event_id)) FROM order_payment.read_events('mailer', 100000, 'shop')}),
		$back->safe_psql('postgres', $open), "$name: a consumer gets what it had not acknowledged by then");

	# gateways
	is($back->safe_psql('postgres', "SELECT status FROM shop.payments WHERE order_id = $waits"), 'created', "$name: that a payment was sent is forgotten");
	$back->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE postgres');
	is(claim($back), "$waits|query_payment", "$name: so it is asked for, and not sent again");
	fails_with($back, 'copy', q{SELECT order_payment.claim_requests(store => 'shop')}, '55000', "$name: a copy beside it sends nothing", extra_params => [ '-U', 'gateway' ]);
	$back->safe_psql('copy', q{SELECT order_payment.resume_sending('shop')}, extra_params => [ '-U', 'gateway' ]);
	is(claim($back, 'copy'), "$waits|query_payment", "$name: until it is told to, and then it asks, too");
	my $new = pay($back);
	is(claim($back), "$new|send_payment", "$name: what is new is sent");

	# the same numbers again, of orders and of transactions, with another history
	my $third = live($back, $name, 523, 6);
	check_lives($back, "$name, written on", { %$first, %$third }, {});
	$back->safe_psql('postgres', q{SELECT order_payment.ack_events('mailer', ARRAY(SELECT event_id FROM order_payment.read_events('mailer', 100000, 'shop')), 'shop')});
	is($back->safe_psql('postgres', $open =~ s/, md5.*(?= FROM shop)//r), '0', "$name: a consumer comes to the end");
	is_verified($back, 'postgres', "$name, written on");
	is_amchecked($back, $name);
	$back->stop;
}

done_testing();
