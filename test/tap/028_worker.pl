
# A worker a database, off by default, which lives through what ends others and
# never takes the cluster down: signals, errors, a role or database that is gone, a
# crash, a standby, an upgrade. What it does at each turn is a probe here: the
# function probe.turn() of its database.

use strict;
use warnings;

use File::Copy qw(copy);
use File::Spec;
use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);

# ---------- the library, with a probe in it ----------

my $build = PostgreSQL::Test::Utils::tempdir();
my $source = "$FindBin::RealBin/../../src";
my @parts = qw(address buffer curl_memory https order_payment_worker request sockets transfer wakeup worker_settings);

copy("$FindBin::RealBin/delivery_probe.c", $build) or die "delivery_probe.c: $!";
copy("$source/worker/$_.c", $build) or die "$_.c: $!" foreach @parts;
append_to_file("$build/Makefile", "MODULE_big = order_payment_worker\nOBJS = " . join(' ', map { "$_.o" } 'delivery_probe', @parts) . "\n"
	. "PG_CPPFLAGS = -I$source -I$source/worker -DORDER_PAYMENT_VERSION='\"test\"'\nSHLIB_LINK = -lcurl\n"
	. "PGXS := \$(shell \$(PG_CONFIG) --pgxs)\ninclude \$(PGXS)\n");
{
	# what make has told prove is of another build
	local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
	system_or_bail('make', '-s', '-C', $build, 'with_llvm=no', 'PG_CONFIG=pg_config');
}

my $conf = qq{
dynamic_library_path = '$build:\$libdir'
shared_preload_libraries = 'order_payment_worker'
max_worker_processes = 20
restart_after_crash = on
order_payment_worker.poll_interval = 100ms
};
my $workers = q{FROM pg_stat_activity WHERE backend_type = 'order_payment_worker'};

my $node = PostgreSQL::Test::Cluster->new('worker_crash');

sub prepare
{
	my ($database) = @_;

	$node->safe_psql($database, q{
CREATE SCHEMA probe;
CREATE TABLE probe.turns (n bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(), pid integer DEFAULT pg_backend_pid(),
	role name DEFAULT current_user, path text DEFAULT current_setting('search_path'), stores text DEFAULT current_setting('order_payment_worker.stores'));
CREATE FUNCTION probe.turn() RETURNS void LANGUAGE sql AS 'INSERT INTO probe.turns DEFAULT VALUES';
GRANT USAGE ON SCHEMA probe TO PUBLIC;
GRANT INSERT ON probe.turns TO PUBLIC;
	});
	return;
}

# The process that has taken a turn since now, or none within the seconds
sub worker_of
{
	my ($database, $seconds) = @_;
	my $until = time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);
	my $last = $node->safe_psql($database, 'SELECT coalesce(max(n), 0) FROM probe.turns');

	while (time < $until)
	{
		my $pid = $node->safe_psql($database, "SELECT pid FROM probe.turns WHERE n > $last ORDER BY n LIMIT 1");

		return $pid if $pid ne '';
		usleep(50_000);
	}
	return 'none';
}

sub count_log
{
	my ($pattern) = @_;

	return scalar grep { /$pattern/ } split /\n/, slurp_file($node->logfile);
}

# ---------- off by default ----------

$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', $conf);
$node->start;
$node->safe_psql('postgres', q{CREATE ROLE order_payment_worker LOGIN});
$node->safe_psql('postgres', q{CREATE DATABASE "Other, one"});
prepare($_) foreach 'postgres', 'Other, one';
is($node->safe_psql('postgres', "SELECT count(*) $workers"), 0, 'there is no worker unless a database is named');
is($node->safe_psql('postgres', q{SELECT string_agg(name || ' ' || context, ', ' ORDER BY name) FROM pg_settings WHERE name LIKE 'order_payment_worker.%'}),
	'order_payment_worker.allow_private_addresses sighup, order_payment_worker.ca_file sighup, order_payment_worker.connect_timeout sighup, '
	. 'order_payment_worker.crl_file sighup, order_payment_worker.databases postmaster, order_payment_worker.max_in_flight sighup, '
	. 'order_payment_worker.max_reply_size sighup, order_payment_worker.poll_interval sighup, '
	. 'order_payment_worker.role sighup, order_payment_worker.stores superuser', 'settings, and who may change them');
isnt($node->psql('postgres', 'SET order_payment_worker.nothing = 1'), 0, 'no other setting has that prefix');
foreach my $list ('a b', '"', ',', 'a,')
{
	my $stderr;

	$node->psql('postgres', "SET order_payment_worker.stores = '$list'", stderr => \$stderr);
	like($stderr, qr/invalid value for parameter.*\n.*no list of names/, "no list of names: $list");
}
isnt($node->psql('postgres', 'ALTER SYSTEM SET order_payment_worker.ca_file = \'/tmp/ca.pem\''), 0, 'whom to trust is not said by SQL');

# ---------- one a database ----------

$node->safe_psql('postgres', q{ALTER DATABASE postgres SET order_payment_worker.stores = 'shop, "Shop 2"'});
$node->safe_psql('postgres', q{ALTER ROLE order_payment_worker SET search_path = 'evil'});
$node->append_conf('postgresql.conf', q{order_payment_worker.databases = 'postgres, "Other, one", postgres'});
$node->restart;

my $pid = worker_of('postgres');
my $other = worker_of('Other, one');

isnt($pid, 'none', 'a worker takes turns');
isnt($other, 'none', 'the one of the other database too');
is($node->safe_psql('postgres', "SELECT count(*) $workers"), 2, 'one each, though a name stands there twice');
is($node->safe_psql('postgres', "SELECT usename, application_name, wait_event_type $workers AND pid = $pid"), 'order_payment_worker|order_payment_worker|Extension',
	'it connects as its role, and waits');
is($node->safe_psql('postgres', 'SELECT DISTINCT role, path, stores FROM probe.turns'), 'order_payment_worker|pg_catalog, pg_temp|shop, "Shop 2"',
	'what the database says of stores is heard, what the role says of the path is not');
is($node->safe_psql('Other, one', 'SELECT DISTINCT stores FROM probe.turns'), '', 'another database has no stores by that');
ok($node->poll_query_until('postgres', q{SELECT n_tup_ins > 0 FROM pg_stat_user_tables WHERE relname = 'turns'}), 'what it writes is counted for autovacuum');

my $said = slurp_file($node->logfile);

like($said, qr/the worker in database "postgres" serves: shop, "Shop 2"/, 'it says which stores it serves');
like($said, qr/the worker in database "Other, one" serves no store\n.*HINT:  Name them by ALTER DATABASE/, 'and that it serves none');

# ---------- what ends it, and what does not ----------

foreach my $round (1 .. 10)
{
	my $start = time;

	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid") or die 'it does not end';
	my $next = worker_of('postgres');

	cmp_ok(time - $start, '<', 5, "terminated, it is back soon, $round") if $next ne 'none';
	isnt($next, $pid, 'as another process');
	$pid = $next;
}
is(worker_of('Other, one'), $other, 'the other one has gone on');

for (1 .. 200)
{
	kill 'HUP', $pid;
	usleep(2_000);
}
is(worker_of('postgres'), $pid, 'it lives through a storm of SIGHUP');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is(worker_of('postgres'), $pid, 'and a cancel');

$node->append_conf('postgresql.conf', q{order_payment_worker.poll_interval = 1h});
$node->reload;
usleep(500_000);
is(worker_of('postgres', 1), 'none', 'it sleeps as long as the setting says');
$node->append_conf('postgresql.conf', q{order_payment_worker.poll_interval = 100ms});
$node->reload;
is(worker_of('postgres'), $pid, 'a new setting wakes it');

# ---------- errors ----------

my $from = count_log('ERROR:  nothing goes');

$node->safe_psql('postgres', q{
CREATE OR REPLACE FUNCTION probe.turn() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'nothing goes'; END $$});
sleep 3;
my $errors = count_log('ERROR:  nothing goes') - $from;

cmp_ok($errors, '>=', 2, 'an error is told, and the turn is taken again');
cmp_ok($errors, '<=', 5, 'after a pause');
$node->safe_psql('postgres', 'DROP FUNCTION probe.turn()');
usleep(1_500_000);
$node->safe_psql('postgres', q{CREATE FUNCTION probe.turn() RETURNS void LANGUAGE sql AS 'INSERT INTO probe.turns DEFAULT VALUES'});
is(worker_of('postgres'), $pid, 'neither an error nor a function that is gone has ended it');

# ---------- roles ----------

$node->safe_psql('postgres', 'CREATE ROLE boss LOGIN SUPERUSER');
$node->append_conf('postgresql.conf', q{order_payment_worker.role = 'boss'});
$node->reload;
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid") or die 'it does not end';
is(worker_of('postgres', 3), 'none', 'as a superuser it does nothing');
cmp_ok(count_log('FATAL:  the worker does not connect as superuser "boss"'), '>', 0, 'and says so');
$node->safe_psql('postgres', 'ALTER ROLE boss NOSUPERUSER');
isnt($pid = worker_of('postgres'), 'none', 'as soon as it is none, it does');
is($node->safe_psql('postgres', 'SELECT role FROM probe.turns ORDER BY n DESC LIMIT 1'), 'boss', 'as the new role');
foreach my $role ('', 'nobody')
{
	$node->append_conf('postgresql.conf', "order_payment_worker.role = '$role'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid") or die 'it does not end';
	is(worker_of('postgres', 3), 'none', "as role '$role' it does nothing");
	$node->append_conf('postgresql.conf', q{order_payment_worker.role = 'order_payment_worker'});
	$node->reload;
	isnt($pid = worker_of('postgres'), 'none', 'and goes on when there is a role again');
}
cmp_ok(count_log('FATAL:  the worker has no role to connect as'), '>', 0, 'no role is told');
cmp_ok(count_log('FATAL:  role "nobody" does not exist'), '>', 0, 'a role that is not there too');

# ---------- databases and servers ----------

$node->safe_psql('postgres', q{DROP DATABASE "Other, one" WITH (FORCE)});
is(worker_of('postgres'), $pid, 'a database goes, and the worker of another does not mind');

is(survives($node, sub { kill 'KILL', $pid }), 1, 'killed, it takes all connections with it, as any process of the server');
isnt(worker_of('postgres'), 'none', 'and is back with the server');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('worker_standby');

$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sleep 2;
is($standby->safe_psql('postgres', "SELECT count(*) $workers"), 0, 'there is no worker on a standby');
$node->stop;
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT count(*) = 1 $workers"), 'when it is promoted, there is');

my $start = time;

$standby->stop;
cmp_ok(time - $start, '<', 10, 'a shutdown does not wait for it');
command_ok([ 'pg_ctl', '-w', '-D', $standby->data_dir, '-l', $standby->logfile, '-o', '-b', 'start' ], 'started as pg_upgrade does');
sleep 2;
is($standby->safe_psql('postgres', "SELECT count(*) $workers"), 0, 'there is no worker then');
command_ok([ 'pg_ctl', '-w', '-D', $standby->data_dir, 'stop' ], 'and stopped');

done_testing();
