
# A shop by way of JDBC: test/clients/jdbc/Shop.java.

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

my $driver = '/usr/share/java/postgresql.jar';
need(eval { IPC::Run::run([ 'javac', '--version' ], '>', \my $out, '2>&1') }, 'a Java compiler (Debian: default-jdk-headless)');
need(-e $driver, 'the JDBC driver (Debian: libpostgresql-jdbc-java)');

my $classes = PostgreSQL::Test::Utils::tempdir();
my @sources = glob clients_directory() . '/jdbc/*.java';

# quick to start, and with few threads
my @quick = ('-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1');
command_ok([ 'javac', (map { "-J$_" } @quick), '-proc:none', '-Xlint:all', '-Werror', '--release', '17', '-encoding', 'UTF-8', '-cp', $driver, '-d', $classes, @sources ],
	'it compiles, without a warning');

my $node = shop_cluster('jdbc');

new_shop($node, 'jdbc');
run_client('JDBC', [ 'java', @quick, '-cp', "$classes:$driver", 'Shop' ], environment_of($node, 'jdbc'));
is_verified($node, 'jdbc', 'JDBC');

$node->stop;
done_testing();
