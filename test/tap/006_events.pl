
# Consumers of events miss nothing: eight writers whose transactions overlap,
# sleep, roll back and use savepoints, and a consumer that reads and
# acknowledges meanwhile. Every committed event comes, each order's in order.
# Events come again until they are acknowledged; two readers of one consumer
# take turns; notify_events() reaches a session that LISTENs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $node = make_cluster('events');

$node->safe_psql('postgres', q{
CREATE ROLE shopkeeper;
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper');
CREATE TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, consumer name, order_id bigint, version integer);
CREATE TABLE stop (at timestamptz);
INSERT INTO shop.gateways (gateway) VALUES ('stripe');
INSERT INTO shop.orders (customer_id, price) SELECT 0, 1 FROM generate_series(1, 40);
INSERT INTO shop.payments (order_id, gateway, amount, status) SELECT order_id, 'stripe', 1, 'authorized' FROM shop.orders;
});

# ---------- late committers ----------

# The same random numbers each time; the interleaving differs all the same.
srand(20261123);

sub writer
{
	my ($n) = @_;
	my @sql;

	foreach (1 .. 40)
	{
		my $sleep = sprintf 'SELECT pg_sleep(%.3f) \gset', rand() < 0.2 ? rand(0.08) : rand(0.01);
		# old orders are shared by all writers, in the order of their numbers: no deadlock
		my ($a, $b) = sort { $a <=> $b } map { 1 + int rand 40 } 1 .. 2;
		my $flip = "CASE status WHEN 'pending' THEN 'authorized' ELSE 'pending' END::order_payment.order_status";
		my $change = "UPDATE shop.orders SET status = $flip WHERE order_id =";

		push @sql, 'BEGIN;',
		  "INSERT INTO shop.orders (customer_id, price) VALUES ($n, 1) RETURNING order_id AS id \\gset",
		  "$change $a;", $sleep,
		  'SAVEPOINT s;', "INSERT INTO shop.payments (order_id, gateway, amount) VALUES (:id, 'stripe', 1) RETURNING payment_id AS payment \\gset",
		  "UPDATE shop.payments SET status = 'processing' WHERE order_id = :id AND payment_id = :'payment';",
		  "UPDATE shop.payments SET status = 'succeeded' WHERE order_id = :id AND payment_id = :'payment';",
		  "$change $b;", $sleep, (rand() < 0.4 ? 'ROLLBACK TO s;' : 'RELEASE s;'),
		  "UPDATE shop.orders SET status = 'cancelled' WHERE order_id = :id;",
		  (rand() < 0.25 ? 'ROLLBACK;' : 'COMMIT;');
	}
	return join "\n", @sql, '';
}

sub consumer
{
	my ($name, $batch) = @_;

	return qq{
DO \$\$
DECLARE
	ids uuid[];
	is_last boolean;
BEGIN
	LOOP
		is_last := EXISTS (SELECT FROM stop);
		COMMIT;
		WITH e AS MATERIALIZED (SELECT * FROM order_payment.read_events('$name', $batch, 'shop')),
		g AS (INSERT INTO got (consumer, order_id, version) SELECT '$name', order_id::bigint, version FROM e)
		SELECT array_agg(event_id) INTO ids FROM e;
		EXIT WHEN ids IS NULL AND is_last;
		PERFORM order_payment.ack_events('$name', coalesce(ids, '{}'), 'shop');
		COMMIT;
	END LOOP;
END \$\$;
	};
}

my @writers = map { start_psql($node, 'postgres', writer($_), '-v', 'ON_ERROR_STOP=1') } 1 .. 8;
my @consumers = (start_psql($node, 'postgres', consumer('fast', 7)), start_psql($node, 'postgres', consumer('large', 500)));

$_->{run}->finish foreach @writers;
is(join('', map { $_->{err} } @writers), '', 'writers had no error');
my $early = $node->safe_psql('postgres', q{SELECT count(*) FROM got WHERE consumer = 'fast'});
$node->safe_psql('postgres', 'INSERT INTO stop VALUES (now())');
$_->{run}->finish foreach @consumers;
is(join('', map { $_->{err} } @consumers), '', 'consumers had no error');

my $all = $node->safe_psql('postgres', 'SELECT order_id, version FROM shop.order_events ORDER BY 1, 2');

cmp_ok($early, '>', 100, 'events were taken while others were written');
foreach my $name ('fast', 'large')
{
	same_lines($node->safe_psql('postgres',
		"SELECT order_id, version FROM got WHERE consumer = '$name' ORDER BY 1, 2"),
		$all, "$name: none is missing, none comes twice, none was rolled back");
	is($node->safe_psql('postgres', qq{
SELECT count(*) FROM (SELECT version, row_number() OVER (PARTITION BY order_id ORDER BY n) AS nth
	FROM got WHERE consumer = '$name') g WHERE version <> nth}),
		'0', "$name: each order's in order");
}
isnt($node->safe_psql('postgres', q{
SELECT count(*) FROM (SELECT e.xid < max(e.xid) OVER (ORDER BY g.n) AS late
	FROM got g JOIN shop.order_events e USING (order_id, version) WHERE g.consumer = 'fast') l WHERE late}),
	'0', 'some had committed late');
is($node->safe_psql('postgres', 'SELECT string_agg(DISTINCT entity, chr(32) ORDER BY entity) FROM shop.order_events'),
	'order payment', 'of orders and of payments');
is_verified($node, 'postgres', 'after all that');

# ---------- at least once, one reader at a time ----------

$node->safe_psql('postgres', q{INSERT INTO shop.orders (customer_id, price) SELECT 100, 1 FROM generate_series(1, 6)});

my $read = q{SELECT order_id FROM order_payment.read_events('fast', 4, 'shop')};
my $first = $node->safe_psql('postgres', $read);

is(scalar(split /\n/, $first), 4, 'a batch');
is($node->safe_psql('postgres', $read), $first, 'it comes again until it is acknowledged');

my $one = $node->background_psql('postgres', on_error_die => 1);
my $two = $node->background_psql('postgres', on_error_die => 1);

$one->query_safe('BEGIN');
is($one->query_safe($read), $first, 'one reader has it');
$two->query_until(qr/begun/, "\\echo begun\n$read;\n\\echo over\n");
ok(wait_for_lock($node, 'postgres'), 'a second reader of the same consumer waits');
is($node->safe_psql('postgres', q{SELECT count(*) FROM order_payment.read_events('other', 3, 'shop')}),
	'3', 'another consumer does not');
$one->query_safe(
	qq{SELECT order_payment.ack_events('fast', ARRAY(SELECT event_id FROM order_payment.read_events('fast', 4, 'shop')), 'shop')});
$one->query_safe('COMMIT');
my $second = $two->query_until(qr/over/, '');
my @second = grep { /^\d+$/ } split /\n/, $second;

is(scalar(@second), 2, 'then it gets what the first has left');
is(scalar(grep { my $id = $_; grep { $_ eq $id } split /\n/, $first } @second), 0, 'and nothing else');
$one->quit;
$two->quit;

is($node->safe_psql('postgres', q{
SELECT order_payment.ack_events('fast', ARRAY(SELECT event_id FROM order_payment.read_events('fast', 100, 'shop')), 'shop');
SELECT order_payment.ack_events('fast', ARRAY(SELECT event_id FROM shop.order_events), 'shop');
}), "2\n0", 'to acknowledge again does no harm');

# ---------- NOTIFY ----------

my $listener = $node->background_psql('postgres', on_error_die => 1);

$listener->query_safe('LISTEN shop_events');
my $sent = $node->safe_psql('postgres', q{SELECT order_payment.notify_events('shop_events', 100000, 'shop')});

is($sent, $node->safe_psql('postgres', 'SELECT count(*) FROM shop.order_events'), 'a new channel gets all events');
is($node->safe_psql('postgres', q{SELECT order_payment.notify_events('shop_events', store => 'shop')}),
	'0', 'and none twice');
$listener->query_safe('SELECT 1');
my $id = $node->safe_psql('postgres',
	q{INSERT INTO shop.orders (customer_id, price) VALUES (200, 1) RETURNING order_id});
$node->safe_psql('postgres', qq{UPDATE shop.orders SET status = 'paid' WHERE order_id = $id});
is($node->safe_psql('postgres', q{SELECT order_payment.notify_events('shop_events', store => 'shop')}), '3', 'three new events');
my $heard = $listener->query('SELECT 2');

$heard .= $listener->query('SELECT 3');
like($heard, qr/notification "shop_events".*"order_id" : "$id", "version" : 1,.*"to_status" : "pending"/,
	'the listener hears the first');
like($heard, qr/"order_id" : "$id", "version" : 2,.*"to_status" : "paid"/, 'and the second');
like($heard, qr/"order_id" : "$id", "version" : 3,.*"entity" : "payment",.*"to_status" : "succeeded"/, 'and that of the payment');
cmp_ok(index($heard, '"to_status" : "pending"'), '<', index($heard, '"to_status" : "paid"'), 'in order');
$listener->quit;

done_testing();
