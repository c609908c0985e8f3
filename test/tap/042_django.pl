
# A shop by way of Django's models: test/clients/shop_django.py.

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
my ($python) = grep { IPC::Run::run([ $_, '-c', 'import django.db.backends.postgresql.base' ], '>', \my $out, '2>&1') } '/usr/bin/python3', 'python3';
need($python, 'Django with a driver (Debian: python3-django, python3-psycopg2)');

my $node = shop_cluster('django');

new_shop($node, 'django');
run_client('Django', [ $python, '-W', 'error::RuntimeWarning', clients_directory() . '/shop_django.py' ], environment_of($node, 'django'));
is_verified($node, 'django', 'Django');

$node->stop;
done_testing();
