
# What may happen to a worker while it works: stores that are not there or broken, an
# extension that goes and comes, a database that goes, a role with another name, a standby
# that takes over, a copy that must keep quiet.

use strict;
use warnings;

use FindBin;
use JSON::PP ();
use lib "$FindBin::RealBin";

use GatewayTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkerTest;

my $gateway = start_gateway(undef, standard_webhook_secret => signing_secret());
my $node = make_cluster('life_crash', init => { allows_streaming => 1 });

sub value_of { my ($query, $database, $where) = @_; return ($where // $node)->safe_psql($database // 'postgres', $query); }

sub comes_true
{
	my ($query, $name, $database, $where) = @_;

	return ok(defined until_true(sub { value_of($query, $database, $where) eq 't' }), $name);
}

sub is_paid
{
	my ($order, $name, $database, $where) = @_;

	return comes_true("SELECT status = 'paid' FROM shop.orders WHERE order_id = $order", $name, $database, $where);
}

sub count_log
{
	my ($pattern, $where) = @_;

	return scalar grep { /$pattern/ } split /\n/, slurp_file(($where // $node)->logfile);
}

# A claim that has begun takes what it finds, so it is waited for.
sub switch_off
{
	value_of(q{UPDATE shop.gateways SET active = false WHERE gateway = 'pay'});
	comes_true(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'order_payment_worker' AND state = 'active' AND datname = 'postgres'},
		'the gateway is switched off');
	return;
}

# Its payment is not sent: nobody sees the gateway switched on.
sub new_held_order
{
	switch_off();
	return split /\n/, value_of(q{
BEGIN;
UPDATE shop.gateways SET active = true WHERE gateway = 'pay';
INSERT INTO shop.orders (customer_id, price) VALUES (1, 12) RETURNING order_id AS id \gset
SELECT :id;
SELECT payment_id FROM order_payment.create_payment(:'id', 'pay', store => 'shop');
UPDATE shop.gateways SET active = false WHERE gateway = 'pay';
COMMIT});
}

make_worker_roles($node);
value_of("CREATE DATABASE $_") foreach 'second', 'third';
make_shop($node, $_, $gateway) foreach 'postgres', 'second', 'third';
value_of(q{
CREATE SCHEMA broken;
CREATE TABLE broken.orders (order_id bigint)});
value_of(q{ALTER DATABASE postgres SET order_payment_worker.stores = 'nowhere, broken, shop'});
$node->append_conf('postgresql.conf', worker_conf($gateway, databases => 'postgres, second, third'));
$node->restart;

# ---------- stores ----------

my ($order) = new_order($node);

is_paid($order, 'stores that are not there, or broken, hold up no other');
usleep(4_000_000);
foreach my $store ('nowhere', 'broken')
{
	my $n = count_log(qr/ERROR:.*\b$store\b/);

	cmp_ok($n, '>=', 2, "$store: it is told");
	# due work, requests and webhooks
	cmp_ok($n, '<=', 24, 'less and less often');
}

# ---------- one that cannot be served ----------

# An order that can never expire, and a subscriber without a secret
value_of(q{
CREATE FUNCTION shop.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'this one stays'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON shop.orders FOR EACH ROW WHEN (NEW.status = 'expired') EXECUTE FUNCTION shop.refuse();
INSERT INTO shop.gateways (gateway, protocol, endpoint) SELECT 'a mute one', protocol, endpoint FROM shop.gateways WHERE gateway = 'listener';
INSERT INTO shop.webhook_subscribers (subscriber, retry_schedule) VALUES ('a mute one', '{1 second}');
INSERT INTO shop.orders (customer_id, price, pay_before) VALUES (1, 1, now() + interval '100 milliseconds')});
ok(defined wait_for_log($node, qr/WARNING:  order \d+ is left as it is: this one stays/, 0), 'what is due cannot be done');
comes_true(q{SELECT count(*) > 0 FROM shop.webhook_deliveries WHERE subscriber = 'a mute one' AND reason LIKE '%OP013%'}, 'a subscriber cannot be told');
foreach (1 .. 3)
{
	my $start = time;

	($order) = new_order($node);
	is_paid($order, 'payments go on');
	cmp_ok(time - $start, '<', 2, 'at once');
}
($order) = new_order($node, payment => 0);
value_of("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = $order");
ok(defined until_true(sub { gateway_log($gateway, what => 'webhook', order_id => $order) }, 5), 'and so does who listens');
comes_true(q{SELECT count(*) > 0 FROM shop.webhook_deliveries WHERE subscriber = 'a mute one' AND state = 'dead'}, 'what could not be told is given up in the end');
is(() = slurp_file($node->logfile) =~ /is left as it is: this one stays/g, 1, 'and what cannot be done is not said again each time');
value_of(q{
DROP TRIGGER refuse ON shop.orders;
DELETE FROM shop.webhook_subscribers WHERE subscriber = 'a mute one'});

# ---------- the extension ----------

my $pid = worker_pid($node, 'second');

set_rules($gateway, { method => 'POST', path => '/payment/', do => 'late', seconds => 0.8, times => 1 });
($order) = new_order($node, database => 'second');
comes_true(q{SELECT count(*) = 1 FROM shop.gateway_requests WHERE state = 'claimed'}, 'a request is on its way', 'second');
value_of('DROP EXTENSION order_payment CASCADE', 'second');
usleep(1_000_000);
value_of('DROP SCHEMA shop CASCADE', 'second');
my $errors = count_log(qr/ERROR:/);

usleep(1_500_000);
cmp_ok(count_log(qr/ERROR:/) - $errors, '<=', 6, 'an extension that is gone is no error over and over');
is(worker_pid($node, 'second'), $pid, 'the worker is as it was');
unlink "$gateway->{folder}/control.json";
make_shop($node, 'second', $gateway);
($order) = new_order($node, database => 'second');
is_paid($order, 'the extension is back, and so is the work', 'second');
is(worker_pid($node, 'second'), $pid, 'of the same worker');

# ---------- a database ----------

my $others = worker_pid($node);

value_of('DROP DATABASE third WITH (FORCE)');
usleep(2_500_000);
($order) = new_order($node);
is_paid($order, 'a database is dropped, and the worker of another goes on');
is(worker_pid($node), $others, 'as it was');
cmp_ok(count_log(qr/FATAL:  database "third" does not exist/), '>=', 1, 'that of the database says why it is not there');
value_of('CREATE DATABASE third');
make_shop($node, 'third', $gateway);
# it waits longer and longer before it looks whether the database is there
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'order_payment_worker' AND datname = 'third'}),
	'and is there again when that is');
# which may have read before which stores it serves
value_of('SELECT pg_terminate_backend(' . worker_pid($node, 'third') . ')');
($order) = new_order($node, database => 'third');
is_paid($order, 'it is made again, and has a worker again', 'third');

# ---------- a role ----------

value_of('ALTER ROLE op_worker RENAME TO op_sender');
($order) = new_order($node);
is_paid($order, 'a role with another name is the same role');
value_of("SELECT pg_terminate_backend($others)");
ok(defined wait_for_log($node, qr/FATAL:  role "op_worker" does not exist/, 0), 'who comes anew does not find it');
$node->append_conf('postgresql.conf', q{order_payment_worker.role = 'op_sender'});
$node->reload;
($order) = new_order($node);
is_paid($order, 'but by its new name');
value_of('REVOKE shop_gateway FROM op_sender');
my $offset = -s $node->logfile;
($order) = new_order($node);
ok(defined wait_for_log($node, qr/ERROR:  (?:permission denied|role "op_sender")/, $offset), 'without the role of the gateway it may do nothing');
value_of('GRANT shop_gateway TO op_sender');
is_paid($order, 'with it, it may');

# ---------- a copy ----------

# A server of its own with the root key of the first, and what a dump holds.
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my ($copied) = new_held_order();

$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'a dump');
value_of(q{UPDATE shop.gateways SET active = true WHERE gateway = 'pay'});
is_paid($copied, 'the payment that is open in it is sent');
my $copy = make_cluster('life_copy', root_key => [ root_key($node) ]);

value_of('CREATE DATABASE restored', 'postgres', $copy);
make_worker_roles($copy);
$copy->command_ok([ 'pg_restore', '--no-owner', '-d', $copy->connstr('restored'), $dump ], 'is restored elsewhere');
value_of(q{
UPDATE shop.gateways SET active = true WHERE gateway = 'pay';
ALTER DATABASE restored SET order_payment_worker.stores = 'shop'}, 'restored', $copy);
my $seen = gateway_log($gateway, what => 'request');

$copy->append_conf('postgresql.conf', worker_conf($gateway, databases => 'restored'));
$copy->restart;
ok(defined wait_for_log($copy, qr/ERROR:  the store "shop" is a copy, and sends nothing/, 0), 'the copy says that it is one');
usleep(4_000_000);
cmp_ok(count_log(qr/ERROR:  the store "shop" is a copy/, $copy), '<=', 16, 'less and less often');
is(scalar(gateway_log($gateway, what => 'request')), $seen, 'and sends nothing');
value_of(q{SELECT order_payment.resume_sending('shop')}, 'restored', $copy);
is_paid($copied, 'told to, it asks what has become of the payment', 'restored', $copy);
is(value_of("SELECT string_agg(work || ' ' || outcome, ', ' ORDER BY claimed_at) FROM shop.gateway_requests WHERE order_id = $copied", 'restored', $copy),
	'query_payment applied', 'and does not send it again');
$copy->stop;

# ---------- a standby ----------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('life_standby');

$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
switch_off();
my ($sent, $open) = value_of(q{
BEGIN;
UPDATE shop.gateways SET active = true WHERE gateway = 'pay';
INSERT INTO shop.orders (customer_id, price) VALUES (1, 12), (1, 13);
SELECT o.order_id FROM shop.orders o, order_payment.create_payment(o.order_id::text, 'pay', store => 'shop') p
	WHERE o.order_id > (SELECT max(order_id) - 2 FROM shop.orders) ORDER BY 1;
UPDATE shop.gateways SET active = false WHERE gateway = 'pay';
COMMIT}) =~ /(\d+)\n(\d+)/;

$node->wait_for_catchup($standby);
is(value_of(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'order_payment_worker'}, 'postgres', $standby), 0, 'there is no worker on a standby');
# the one goes out from the old primary, and the standby never hears of it
$standby->stop;
set_rules($gateway, { method => 'POST', path => "/payment/$open", do => 'reset_before', effect => JSON::PP::false });
value_of(q{UPDATE shop.gateways SET active = true WHERE gateway = 'pay'});
is_paid($sent, 'the primary sends a payment, and dies before it tells');
$node->kill9;
set_rules($gateway);
$standby->start;
$standby->promote;
comes_true(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'order_payment_worker' AND datname = 'postgres'}, 'when it is promoted, there is one', 'postgres', $standby);
value_of(q{UPDATE shop.gateways SET active = true WHERE gateway = 'pay'}, 'postgres', $standby);
is_paid($sent, 'which learns that the payment was made', 'postgres', $standby);
is_paid($open, 'and makes the other one', 'postgres', $standby) || diag(value_of("SELECT * FROM shop.gateway_requests WHERE order_id = $open", 'postgres', $standby));
is(value_of("SELECT string_agg(work || ' ' || outcome, ', ' ORDER BY claimed_at) FROM shop.gateway_requests WHERE order_id = $sent", 'postgres', $standby),
	'query_payment applied', 'asked first')
	|| diag(value_of('SELECT * FROM shop.gateway_sender', 'postgres', $standby), "\n", value_of("SELECT * FROM shop.gateway_requests WHERE order_id IN ($sent, $open)", 'postgres', $standby));
like(value_of("SELECT string_agg(work || ' ' || outcome, ', ' ORDER BY claimed_at) FROM shop.gateway_requests WHERE order_id = $open", 'postgres', $standby),
	qr/^query_payment (?:absent|unknown).*send_payment applied$/, 'both');
is(scalar(grep { $_->{number} eq value_of("SELECT replace(payment_id::text, '-', '') FROM shop.payments WHERE order_id = $sent", 'postgres', $standby) }
			gateway_log($gateway, what => 'effect')), 1, 'nothing was charged twice');
is_verified($standby, 'postgres', 'after it all');
$standby->stop;
stop_gateway($gateway);

done_testing();
