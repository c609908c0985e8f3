
# A shop by way of PgBouncer in transaction mode: test/clients/pool_psycopg.py, and
# pgbench with more clients than connections. Whoever is said to act
# (order_payment.actor) is so in that transaction, and never in one of another client.

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
use Time::HiRes qw(usleep);

my $clients = clients_directory();
my ($python) = grep { IPC::Run::run([ $_, '-c', 'import psycopg' ], '>', \my $out, '2>&1') } '/usr/bin/python3', 'python3';

need($python, 'psycopg 3 (Debian: python3-psycopg)');
# a user's PATH may lack the directory where Debian has it
my ($program) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
need($program, 'PgBouncer (Debian: pgbouncer)');

my ($version) = `'$program' --version` =~ /^PgBouncer (\d+\.\d+)/;
my ($major, $minor) = split /\./, $version;
my $prepares = $major > 1 || $minor >= 21;
note("PgBouncer $version, prepared statements: " . ($prepares ? 'yes' : 'no'));

my $node = shop_cluster('pgbouncer');
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $pooler;

END
{
	my $status = $?;

	$pooler->kill_kill(grace => 1) if $pooler;
	$? = $status;
}

sub write_file
{
	my ($name, $text) = @_;

	open my $file, '>', "$directory/$name" or die "$name: $!";
	print $file $text;
	close $file or die "$name: $!";
	return;
}

# For one database, with so many connections to it for each role. It listens on a socket in a directory of its own, under the server's port.
sub start_pooler
{
	my ($database, $size) = @_;

	write_file('users', join '', map { qq{"$_" ""\n} } qw(shop_app shop_gateway console));
	write_file('pgbouncer.ini', "[databases]\n$database = host=" . $node->host . ' port=' . $node->port . "\n"
		  . "[pgbouncer]\npool_mode = transaction\ndefault_pool_size = $size\nunix_socket_dir = $directory\nlisten_port = " . $node->port
		  . "\nauth_type = trust\nauth_file = $directory/users\nadmin_users = console\nlogfile = $directory/log\n"
		  . ($prepares ? "max_prepared_statements = 100\n" : ''));
	$pooler = IPC::Run::start([ $program, '-q', "$directory/pgbouncer.ini" ], '<', File::Spec->devnull, '>', File::Spec->devnull, '2>&1');
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if IPC::Run::run([ 'psql', '-XAtc', 'SELECT 1', '-h', $directory, '-p', $node->port, '-U', 'shop_app', '-d', $database ], '>', \my $out, '2>', \my $err);
		last if !$pooler->pumpable;
		usleep(100_000);
	}
	die 'PgBouncer does not answer: ' . slurp_file("$directory/log");
}

sub stop_pooler
{
	$pooler->signal('INT');
	$pooler->finish;
	undef $pooler;
	return;
}

# PgBouncer passes no search_path on: the roles have it
foreach my $database ('pooled', 'crowded')
{
	new_shop($node, $database);
	$node->safe_psql($database, "ALTER ROLE $_ IN DATABASE $database SET search_path = shop, order_payment") foreach qw(shop_app shop_gateway);
}

start_pooler('pooled', 1);
run_client('PgBouncer', [ $python, "$clients/pool_psycopg.py" ], environment_of($node, 'pooled'), PGHOST => $directory, PREPARED => $prepares ? 'yes' : 'no', ADMIN => 'console');
stop_pooler();
is_verified($node, 'pooled', 'PgBouncer');

# ---------- more clients than connections ----------

my ($sessions, $each, $orders) = (8, 40, 0);
my $all = $sessions * $each;

start_pooler('crowded', 2);
# a thread for each client, for pgbench waits in PQprepare(), and who holds the connection must go on
foreach my $mode ('extended', $prepares ? 'prepared' : ())
{
	IPC::Run::run([ 'pgbench', '-n', '-M', $mode, '-c', $sessions, '-j', $sessions, '-t', $each, '-h', $directory, '-p', $node->port, '-U', 'shop_app', '-f', "$clients/pooled.pgbench", 'crowded' ],
		'>', \my $out, '2>', \my $err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	like($out, qr{^number of transactions actually processed: $all/$all$}m, "pgbench -M $mode through the pool: all of them") or diag($err);
	unlike("$out$err", qr/error|aborted/, "pgbench -M $mode through the pool: without an error") or diag($err);
	$orders += $all;
}
stop_pooler();
is($node->safe_psql('crowded', q{
SELECT count(*), count(*) FILTER (WHERE customer_id = -1) > 50, count(*) FILTER (WHERE customer_id >= 0) > 50, count(DISTINCT customer_id) FROM shop.orders}),
	"$orders|t|t|" . ($sessions + 1), 'orders of those who said who acts, and of those who did not');
is($node->safe_psql('crowded', q{
SELECT count(*), count(*) FILTER (WHERE e.actor <> CASE o.customer_id WHEN -1 THEN 'shop_app' ELSE 'client ' || o.customer_id END)
FROM shop.orders o JOIN shop.order_events e USING (order_id)}),
	2 * $orders . '|0', 'and each event has the actor of its own client');
is_verified($node, 'crowded', 'more clients than connections');

$node->stop;
done_testing();
