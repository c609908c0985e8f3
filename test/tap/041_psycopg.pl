
# A shop by way of psycopg 3: test/clients/shop_psycopg.py. Cards are in 023.

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

# Debian's, which has its packages, before any other that stands in the way
my ($python) = grep { IPC::Run::run([ $_, '-c', 'import psycopg' ], '>', \my $out, '2>&1') } '/usr/bin/python3', 'python3';
need($python, 'psycopg 3 (Debian: python3-psycopg)');

my $node = shop_cluster('psycopg');

new_shop($node, 'psycopg');
run_client('psycopg 3', [ $python, clients_directory() . '/shop_psycopg.py' ], environment_of($node, 'psycopg'));
is_verified($node, 'psycopg', 'psycopg 3');

$node->stop;
done_testing();
