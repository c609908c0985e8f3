
# The primary of a synchronous standby is killed under writers that take orders through whole lives, and the standby is
# promoted: what was acknowledged is there, order by order, nothing is by halves, and other writers go on there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use LifeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $primary = make_cluster('lives_primary_crash', init => { allows_streaming => 1 },
	conf => "shared_preload_libraries = 'order_payment'\nsynchronous_commit = on\n");
my $standby = PostgreSQL::Test::Cluster->new('lives_standby_crash');

make_lives($primary);
$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
$primary->reload;
$primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'})
  or die 'the standby is not synchronous';

my (%last, %seen);
my @writers = start_lives($primary, 4, 51, 1000);

pump_writers(150, @writers);
$primary->kill9;
my $n = note_acknowledged(\%last, 'killed', @writers);

cmp_ok($n, '>=', 600, 'the primary was killed under load');
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
check_lives($standby, 'promoted', \%last, \%seen);
is_verified($standby, 'postgres', 'promoted');
is_amchecked($standby, 'promoted');

# the promoted one takes up the load, and is killed in its turn
@writers = start_lives($standby, 4, 52, 1000);
pump_writers(100, @writers);
$standby->kill9;
cmp_ok(note_acknowledged(\%last, 'promoted and killed', @writers), '>=', 400, 'the promoted one was killed under load');
ok(poll_start($standby), 'and starts again');
check_lives($standby, 'promoted and killed', \%last, \%seen);
is_verified($standby, 'postgres', 'promoted and killed');
is_amchecked($standby, 'promoted and killed');

done_testing();
