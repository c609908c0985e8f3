
# A shop by way of psql (test/clients/shop.psql) and pgbench (checkout.pgbench):
# variables, \gset, \copy and \bind; parameters of the protocol, in statements that
# are parsed each time, and in prepared ones that run until their plans are generic.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use ClientTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $clients = clients_directory();
my $node = shop_cluster('psql');

# ---------- psql ----------

new_shop($node, 'shell');
run_client('psql', [ 'psql', '-XqAt', '-U', 'shop_app', '-v', 'file=' . PostgreSQL::Test::Utils::tempdir() . '/copied', '-f', "$clients/shop.psql" ],
	environment_of($node, 'shell'));
is_verified($node, 'shell', 'psql');

# ---------- pgbench ----------

# One role does all of it there, as a small shop has it
my ($sessions, $each) = (2, 25);
$node->safe_psql('postgres', 'CREATE ROLE shop_both LOGIN IN ROLE shop_app, shop_gateway');
foreach my $mode ('extended', 'prepared')
{
	new_shop($node, $mode);
	IPC::Run::run([ 'pgbench', '-n', '-M', $mode, '-c', $sessions, '-t', $each, '-U', 'shop_both', '-D', 'born=pending', '-D', 'dead={cancelled,expired,refunded}',
			'-f', "$clients/checkout.pgbench", $node->connstr($mode) ], '>', \my $out, '2>', \my $err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my $all = $sessions * $each;
	like($out, qr{^number of transactions actually processed: $all/$all$}m, "pgbench -M $mode: every checkout") or diag($err);
	unlike("$out$err", qr/error|aborted/, "pgbench -M $mode: without an error") or diag($err);
	is($node->safe_psql($mode, q{SELECT count(*), min(status), max(status), min(version), max(version), sum(paid_amount) FROM shop.orders}),
		"$all|completed|completed|6|6|" . 19.98 * $all . '.00', "pgbench -M $mode: they are there, with all their events");
	is($node->safe_psql($mode, q{SELECT count(*), min(status) FROM shop.payments}), "$all|succeeded", "pgbench -M $mode: each was paid once");
	is_verified($node, $mode, "pgbench -M $mode");
}

$node->stop;
done_testing();
