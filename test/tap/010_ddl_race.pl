
# Triggers beside DDL that invalidates their tables: whatever the relcache throws
# away while a catalog is read, a trigger has copied before. The first version
# crashed here, or found its own arguments to be garbage.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $seconds = 6;
my $node = make_cluster('race');

$node->safe_psql('postgres', q{
CREATE ROLE shopkeeper;
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', owner => 'shopkeeper', order_id_type => 'bigint');
ALTER TABLE shop.orders ALTER order_id DROP IDENTITY;
INSERT INTO shop.orders (order_id, price) SELECT n, 1 FROM generate_series(1, 100) n;
INSERT INTO shop.gateways (gateway) VALUES ('stripe');
INSERT INTO shop.payments (order_id, gateway, amount, status) SELECT n, 'stripe', 1, 'succeeded' FROM generate_series(51, 100) n;
CREATE TYPE state AS ENUM ('a', 'b');
CREATE TABLE guarded (id int PRIMARY KEY, s state);
SELECT order_payment.guard_column('guarded', 's', 'a; a: b');
INSERT INTO guarded SELECT n, 'a' FROM generate_series(1, 50) n;
});

my %script = (
	ddl => q{
ANALYZE guarded;
ANALYZE shop.orders;
ALTER TABLE guarded SET (autovacuum_enabled = on);
ALTER TABLE shop.orders SET (autovacuum_enabled = on);
ALTER FUNCTION order_payment.enforce_transition() COST 1;
ALTER FUNCTION order_payment.maintain_order() COST 1;
ANALYZE shop.payments;
ANALYZE shop.payment_operations;
ALTER TABLE shop.payments SET (autovacuum_enabled = on);
ALTER TABLE shop.payment_operations SET (autovacuum_enabled = on);
ALTER FUNCTION order_payment.maintain_payment() COST 1;
ALTER FUNCTION order_payment.apply_operation() COST 1;
},
	work => q{
SELECT count(*) FROM order_payment.status_edges('guarded', 's');
SELECT order_payment.status_graph('shop.orders', 'status');
UPDATE guarded SET s = 'a' WHERE id = 1 + (random() * 40)::int;
UPDATE shop.orders SET payment_method = 'x' WHERE order_id = 1 + (random() * 40)::int;
\set paid random(51, 100)
INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (:paid, 'stripe', 2, 'succeeded');
WITH p AS (SELECT * FROM shop.payments WHERE order_id = :paid ORDER BY payment_id DESC LIMIT 1)
INSERT INTO shop.refunds (order_id, payment_id, amount) SELECT order_id, payment_id, 0.10 FROM p WHERE refund_pending_amount < 1;
UPDATE shop.refunds SET status = 'succeeded'
WHERE order_id = :paid AND operation_id = (SELECT min(operation_id::text)::uuid FROM shop.refunds WHERE order_id = :paid AND status = 'requested');
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1 + (random() * 40)::int, (random() * 2e9)::int, 1);
});
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/$_.pgbench", $script{$_}) foreach keys %script;

my @pgbench = ('pgbench', '-n', '-h', $node->host, '-p', $node->port, '-T', $seconds);
my $ddl = IPC::Run::start([ @pgbench, '-c', 1, '-f', "$dir/ddl.pgbench", 'postgres' ], '>', \my $ddl_out, '2>&1');

# with a new connection for each transaction, every cache is cold
command_ok([ @pgbench, '-C', '-c', 3, '-f', "$dir/work.pgbench", 'postgres' ], 'triggers beside DDL');
ok($ddl->finish, 'DDL beside triggers');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM shop.order_events WHERE entity = 'operation' AND to_status = 'succeeded'"),
	'>', 20, 'money moved meanwhile');
unlike(slurp_file($node->logfile), qr/terminated by signal|cannot guard a status|ERROR/, 'no session saw a fault');
is_verified($node, 'postgres', 'after the race');

done_testing();
