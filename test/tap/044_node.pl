
# A shop by way of pg, Knex and Sequelize: test/clients/shop_*.mjs, with the
# packages that test/clients/package-lock.json pins.

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

need(eval { IPC::Run::run([ 'node', '--version' ], '>', \my $out, '2>&1') }, 'Node (Debian: nodejs)');
need(-d "$clients/node_modules/$_", "$_ (cd test/clients && npm ci --ignore-scripts)") foreach qw(pg knex sequelize);

my $node = shop_cluster('node');

foreach my $client (qw(pg knex sequelize))
{
	new_shop($node, $client);
	run_client($client, [ 'node', '--throw-deprecation', "$clients/shop_$client.mjs" ], environment_of($node, $client));
	is_verified($node, $client, $client);
}

$node->stop;
done_testing();
