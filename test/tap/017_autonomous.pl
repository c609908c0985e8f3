
# A reveal is recorded in a transaction of its own, committed before anything is
# shown: the row stands though the caller rolls back, is cancelled, ended or
# killed. Where it cannot be recorded nothing is shown, in bounded time, and
# whatever happens leaves no process and no shared memory behind.

use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::RealBin";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);

# ---------- a module that reveals nothing, but records it ----------

my $build = PostgreSQL::Test::Utils::tempdir();

sub write_file
{
	my ($name, $text) = @_;

	open my $file, '>', "$build/$name" or die "$name: $!";
	print $file $text;
	close $file or die "$name: $!";
	return;
}

copy("$FindBin::RealBin/reveal_probe.c", $build) or die "reveal_probe.c: $!";
write_file('Makefile', "MODULES = reveal_probe\nPG_CPPFLAGS = -I$FindBin::RealBin/../../src\n"
	. "PGXS := \$(shell \$(PG_CONFIG) --pgxs)\ninclude \$(PGXS)\n");
{
	# what make has told prove is of another build
	local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
	system_or_bail('make', '-s', '-C', $build, 'with_llvm=no', 'PG_CONFIG=pg_config');
}

sub make_probe
{
	my ($node, $database) = @_;

	$node->safe_psql($database, qq{
CREATE EXTENSION order_payment;
CREATE FUNCTION probe(bound_to bytea, units integer DEFAULT 1) RETURNS text
	AS '$build/reveal_probe', 'reveal_probe' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
	});
	return;
}

# Segments are files of the cluster, to be counted. The standby and the primary are killed.
my $node = make_cluster('autonomous_crash', init => { allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ] },
	conf => "max_prepared_transactions = 5\nmax_connections = 20\nmax_worker_processes = 12\ndynamic_shared_memory_type = mmap\n");

make_probe($node, 'postgres');
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE keeper LOGIN; CREATE ROLE auditor LOGIN');

my $LOG = 'order_payment.reveal_log';
my $next = 0;

# A value of its own for each reveal, by which its row is found.
sub mark { return sprintf '\x%04x', ++$next; }

sub rows_of
{
	my ($mark, $on) = @_;

	return ($on // $node)->safe_psql('postgres', "SELECT count(*) FROM $LOG WHERE bound_to = '$mark' AND NOT refused");
}

sub is_refused
{
	my ($mark, $stderr, $pattern, $name) = @_;

	like($stderr, qr/ERROR:  OP014: nothing is revealed, for it could not be recorded/, "$name: refused");
	like($stderr, $pattern, "$name: and told why");
	is(rows_of($mark), 0, "$name: no row");
	return;
}

# Who still works for callers that are gone.
sub nobody_is_left
{
	my ($name) = @_;

	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'order_payment'}),
		"$name: no worker is left");
	return;
}

sub segments
{
	opendir my $dir, $node->data_dir . '/pg_dynshmem' or die "pg_dynshmem: $!";
	my @segments = grep { !/^\./ } readdir $dir;
	closedir $dir;
	return scalar @segments;
}

# ---------- the record stands ----------

my ($m, $err) = mark();

is($node->safe_psql('postgres', "BEGIN; SELECT probe('$m'); ROLLBACK"), 'shown', 'ROLLBACK: shown');
is(rows_of($m), 1, 'ROLLBACK: the row is there');

my $segments = segments();

$m = mark();
$node->safe_psql('postgres', qq{
BEGIN; SAVEPOINT s; SELECT probe('$m'); ROLLBACK TO s;
DO \$\$ BEGIN PERFORM probe('$m'); RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END \$\$;
COMMIT});
is(rows_of($m), 2, 'savepoint and exception: the rows are there');

foreach my $mode ('ISOLATION LEVEL REPEATABLE READ', 'ISOLATION LEVEL SERIALIZABLE', 'READ ONLY',
	'ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE')
{
	$m = mark();
	is($node->safe_psql('postgres', qq{
BEGIN TRANSACTION $mode;
SELECT count(*) FROM $LOG WHERE bound_to = '$m';
SELECT probe('$m');
SELECT probe('$m');
SELECT count(*) FROM $LOG WHERE bound_to = '$m';
COMMIT}),
		"0\nshown\nshown\n" . ($mode =~ /LEVEL/ ? 0 : 2), "$mode: revealed, and the snapshot stays as it was");
	is(rows_of($m), 2, "$mode: the rows are there");
}

$m = mark();
$node->safe_psql('postgres', "CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1); SELECT probe('$m'); PREPARE TRANSACTION 'p'");
is(rows_of($m), 1, 'PREPARE TRANSACTION: the row is there');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'p'");
is(rows_of($m), 1, 'ROLLBACK PREPARED: it stays');
is($node->safe_psql('postgres', "SELECT xid IS NOT NULL FROM $LOG WHERE bound_to = '$m'"), 't', 'with the transaction that asked');

# nothing of the database's or the role's settings comes between
$m = mark();
$node->safe_psql('postgres', q{
ALTER DATABASE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER DATABASE postgres SET search_path = evil;
ALTER DATABASE postgres SET session_replication_role = 'replica';
ALTER DATABASE postgres SET client_encoding = 'LATIN1';
});
is($node->safe_psql('postgres', "SELECT public.probe('$m')"), 'shown', 'ALTER DATABASE: no matter');
$node->safe_psql('postgres', 'SET default_transaction_read_only = off; ALTER DATABASE postgres RESET ALL');
is(rows_of($m), 1, 'ALTER DATABASE: the row is there');

# ---------- what the row tells ----------

$m = mark();
$node->safe_psql('postgres', q{
CREATE FUNCTION definer_probe(bytea) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT probe($1)';
ALTER FUNCTION definer_probe(bytea) OWNER TO keeper;
});
$node->safe_psql('postgres', qq{
SET application_name = 'shop';
SET order_payment.actor = 'clerk 7';
SET order_payment.reason = 'dispute: \xc3\xa9';
SELECT definer_probe('$m')}, extra_params => [ '-U', 'app' ]);
is($node->safe_psql('postgres', qq{
SELECT role, session_role, what, field, key_id, units, client_address, application_name, actor, reason, xid,
	   revealed_at > now() - interval '1 minute', backend_pid > 0 FROM $LOG WHERE bound_to = '$m'}),
	"keeper|app|reveal|number|1|1||shop|clerk 7|dispute: \xc3\xa9||t|t", 'a row tells who, on whose behalf, what and why');
like(slurp_file($node->logfile), qr/LOG:  reveal by role "keeper"\n.*DETAIL:  Field number, key 1, units 1, bound to \Q$m\E, session role "app"/,
	'so does the server log');
$m = '\x' . 'ab' x 5000;
$node->safe_psql('postgres', "SET order_payment.reason = '" . 'x' x 5000 . "'; SELECT probe('$m')");
is($node->safe_psql('postgres', "SELECT max(length(bound_to)), max(length(reason)) FROM $LOG"), '1024|1024', 'long texts are cut');

# ---------- nobody's but the extension's ----------

fails_with($node, 'postgres', $_, '42501', "app: $_", extra_params => [ '-U', 'app' ]) foreach (
	"TABLE $LOG", 'TABLE order_payment.reveal_usage', "INSERT INTO $LOG DEFAULT VALUES", "DELETE FROM $LOG", "BEGIN; LOCK $LOG IN ROW EXCLUSIVE MODE",
	'DELETE FROM order_payment.reveal_usage', q{SELECT order_payment.uuid_v7(); SET order_payment.reveal_budget = -1},
	q{SELECT order_payment.record_reveal('reveal', 'number', 1, '', 1, 1, 1, 'x', NULL, NULL, 1, NULL, NULL, NULL)});
$node->safe_psql('postgres', "GRANT SELECT ON $LOG TO auditor");
is($node->safe_psql('postgres', "SELECT count(*) > 5 FROM $LOG", extra_params => [ '-U', 'auditor' ]), 't', 'an auditor reads it');
fails_with($node, 'postgres', $_, 'OP003', "superuser: $_")
  foreach ("DELETE FROM $LOG", "UPDATE $LOG SET role = 'x'", "TRUNCATE $LOG");
$node->safe_psql('postgres', "SET order_payment.allow_history_change = on; DELETE FROM $LOG WHERE length(bound_to) > 100");
is($node->safe_psql('postgres', "SELECT count(*) FROM $LOG WHERE length(bound_to) > 100"), 0, 'but for retention');

# ---------- the caller goes away while the worker is under way ----------

my $holder = $node->background_psql('postgres', on_error_die => 1);

# Starts a reveal that has to wait, does something to it, lets the worker go on, and returns what the caller was told.
sub interrupt
{
	my ($mark, $settings, $what) = @_;

	$holder->query_safe("BEGIN; LOCK $LOG IN SHARE MODE");
	my $psql = start_psql($node, 'postgres', "$settings\nSELECT probe('$mark');\n", '-v', 'VERBOSITY=verbose');
	wait_for_lock($node, 'postgres');
	if ($what)
	{
		# not by SQL, whose functions would tell of the signal in the log
		kill $what, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT probe%' AND state = 'active'
			AND pid <> pg_backend_pid()});
	}
	$psql->{run}->finish;
	$holder->query_safe('COMMIT');
	unlike($psql->{out}, qr/shown/, 'nothing is shown');
	return $psql->{err};
}

foreach (
	[ 'INT', '', qr/57014: canceling statement due to user request/, 'a cancelled caller' ],
	[ 'TERM', '', qr/57P01: terminating connection/, 'an ended caller' ],
	[ '', q{SET statement_timeout = '300ms';}, qr/57014: canceling statement due to statement timeout/, 'a caller that times out' ])
{
	my ($signal, $settings, $pattern, $name) = @$_;

	$m = mark();
	like(interrupt($m, $settings, $signal), $pattern, "$name is told so");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM $LOG WHERE bound_to = '$m'"), "$name: the row is there");
	nobody_is_left($name);
	is(segments(), $segments, "$name: no segment of shared memory is left");
}

# ---------- refused, and not hanging ----------

my $start = time;
my $log_end = -s $node->logfile;

$m = mark();
$holder->query_safe("BEGIN; LOCK $LOG");
my $stderr = failure($node, 'postgres', "SELECT probe('$m')");
$holder->query_safe('COMMIT');
is_refused($m, $stderr, qr/DETAIL:  55P03: canceling statement due to lock timeout/, 'a locked table');
cmp_ok(time - $start, '<', 8, 'a locked table: in bounded time');

$m = mark();
is_refused($m, failure($node, 'postgres', "BEGIN; LOCK $LOG; SELECT probe('$m')"), qr/DETAIL:  55P03: /, 'a lock of the caller itself');

# what a trigger of the table's owner does
sub with_trigger
{
	my ($body, $mark) = @_;

	$node->safe_psql('postgres', qq{
CREATE OR REPLACE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $body; RETURN NEW; END \$\$;
CREATE TRIGGER meddle BEFORE INSERT ON $LOG FOR EACH ROW EXECUTE FUNCTION meddle();
	});
	my $result = failure($node, 'postgres', "SELECT probe('$mark')");
	$node->safe_psql('postgres', "DROP TRIGGER meddle ON $LOG");
	return $result;
}

$m = mark();
$start = time;
is_refused($m, with_trigger('PERFORM pg_sleep(60)', $m), qr/DETAIL:  57014: canceling statement due to statement timeout/, 'a slow trigger');
cmp_ok(time - $start, '<', 12, 'a slow trigger: in bounded time');
$m = mark();
is_refused($m, with_trigger(q{RAISE 'caf%' , U&'\00E9' USING HINT = 'Ask the owner.'}, $m), qr/DETAIL:  P0001: caf\xc3\xa9\n.*HINT:  Ask the owner\./, 'a trigger that raises');
$m = mark();
like(with_trigger(q{RAISE 'locked' USING ERRCODE = 'OP015', DETAIL = 'Five times.', HINT = 'Wait.'}, $m),
	qr/ERROR:  OP015: locked\n.*DETAIL:  Five times\.\n.*HINT:  Wait\./s, 'an error of class OP comes as it was raised');
is(rows_of($m), 0, 'and there is no row');
$m = mark();
is_refused($m, with_trigger('RAISE NOTICE \'%\', repeat(\'x\', 100000); RAISE \'%\', repeat(\'y\', 100000)', $m), qr/P0001: y{30000}/, 'a long answer');
$m = mark();
is_refused($m, with_trigger('PERFORM pg_terminate_backend(pg_backend_pid())', $m), qr/DETAIL:  57P01: /, 'a worker that is ended');
unlike(slurp_file($node->logfile, $log_end), qr/STATEMENT:  .*probe/, 'refused: the statement is not logged');
nobody_is_left('refused');
is(segments(), $segments, 'refused: no segment of shared memory is left');

# ---------- as the owner of the table ----------

$node->safe_psql('postgres', qq{
ALTER TABLE $LOG OWNER TO keeper;
ALTER TABLE order_payment.reveal_usage OWNER TO keeper;
CREATE TABLE seen (who name, session name, super text, at text);
GRANT INSERT ON seen TO keeper;
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
	\$\$ BEGIN INSERT INTO public.seen VALUES (current_user, session_user, current_setting('is_superuser'), TG_NAME); RETURN NULL; END \$\$;
CREATE TRIGGER at_once AFTER INSERT ON $LOG FOR EACH ROW EXECUTE FUNCTION see();
});
$m = mark();
is($node->safe_psql('postgres', "SELECT probe('$m')"), 'shown', 'a table of another owner: shown');
is($node->safe_psql('postgres', 'SELECT at, who FROM seen ORDER BY at'), 'at_once|keeper', 'its triggers run as that owner');
$node->safe_psql('postgres', q{
CREATE OR REPLACE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RESET SESSION AUTHORIZATION; RETURN NULL; END $$});
$m = mark();
is_refused($m, failure($node, 'postgres', "SELECT probe('$m')"), qr/DETAIL:  42501: cannot set parameter "session_authorization"/,
	'which cannot become another');
$node->safe_psql('postgres', qq{
DROP TRIGGER at_once ON $LOG;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON $LOG DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see()});
$m = mark();
is_refused($m, failure($node, 'postgres', "SELECT probe('$m')"), qr/DETAIL:  42501: cannot fire deferred trigger/,
	'nor wait for the commit');
$node->safe_psql('postgres', qq{
DROP FUNCTION see CASCADE;
ALTER TABLE $LOG OWNER TO CURRENT_USER;
ALTER TABLE order_payment.reveal_usage OWNER TO CURRENT_USER});

# ---------- the budget ----------

$node->safe_psql('postgres', 'ALTER ROLE app SET order_payment.reveal_budget = 60');
$node->append_conf('postgresql.conf', "max_worker_processes = 5\n");
$node->restart;
$m = mark();
write_file('script', "SELECT probe('$m');\n");
# the hour must not end meanwhile
usleep(1_000_000) while 3600 - time % 3600 < 60;
IPC::Run::run([ 'pgbench', '-n', '-U', 'app', '-c', 8, '-j', 2, '-t', 20, '-f', "$build/script", $node->connstr('postgres') ], '>', \my $shown, '2>', \my $told);
like($shown, qr/actually processed: 60\/160/, '8 clients and fewer workers: as many are shown as the budget allows');
# a machine that is slow may keep one of them waiting for a worker until it gives up
my $refusals = () = $told =~ /nothing is revealed, for the budget of role "app" is used up/g;
cmp_ok($refusals, '>', 0, 'the others are refused');
is(rows_of($m), 60, 'budget: as many rows');
is($node->safe_psql('postgres', "SELECT count(*) FROM $LOG WHERE bound_to = '$m' AND refused"), $refusals, 'budget: each refusal is a row too');
is($node->safe_psql('postgres', q{SELECT used FROM order_payment.reveal_usage WHERE role = 'app'::regrole}), 60, 'budget: all is used, no more');
like(slurp_file($node->logfile), qr/LOG:  reveal refused to role "app"/, 'budget: the server log tells it');
like(failure($node, 'postgres', "SELECT probe('$m')", extra_params => [ '-U', 'app' ]),
	qr/ERROR:  OP014: .*DETAIL:  The setting order_payment\.reveal_budget allows it 60 in each hour of the clock\..*HINT:  Wait/s,
	'budget: the caller is told what to do');
is($node->safe_psql('postgres', "SELECT probe('$m')", extra_params => [ '-U', 'keeper' ]), 'shown', 'budget: of one role only');

# ---------- nothing is left of many ----------

$node->append_conf('postgresql.conf', "max_worker_processes = 12\n");
$node->restart;
# the first round fills the caches of the session
my $round = q{
TRUNCATE memory;
INSERT INTO memory SELECT sum(total_bytes) FROM pg_backend_memory_contexts;
SELECT count(probe('\x00')) FROM generate_series(1, 200);
SELECT greatest(0, sum(total_bytes) - (SELECT bytes FROM memory) - 65536) FROM pg_backend_memory_contexts;
};
like($node->safe_psql('postgres', "CREATE TEMP TABLE memory (bytes bigint);$round$round"), qr/^200\n\d+\n200\n0$/, '200 reveals: memory is flat');
nobody_is_left('200 reveals');
is(segments(), $segments, '200 reveals: no segment of shared memory is left');
$node->safe_psql('postgres', "CREATE DATABASE other");
make_probe($node, 'other');
is($node->safe_psql('other', q{SELECT probe('\x00'); DROP FUNCTION probe; DROP EXTENSION order_payment}), 'shown', 'DROP EXTENSION right after');
$node->safe_psql('postgres', 'DROP DATABASE other; CREATE DATABASE other');
make_probe($node, 'other');
is($node->safe_psql('other', q{SELECT probe('\x00')}), 'shown', 'another database');
$node->safe_psql('postgres', 'DROP DATABASE other');
is(rows_of('\x00'), 400, 'each has its own record');

# ---------- dump and restore ----------

my $rows = "SELECT md5(string_agg(l::text, '' ORDER BY reveal_id)) FROM $LOG l";

$node->command_ok([ 'pg_dump', '-Fc', '-f', "$build/dump", $node->connstr('postgres') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('copy'), "$build/dump" ], 'restored');
is($node->safe_psql('copy', $rows), $node->safe_psql('postgres', $rows), 'the record comes along');
is($node->safe_psql('copy', 'SELECT count(*) FROM order_payment.reveal_usage'), 0, 'what is used does not');
$node->safe_psql('postgres', 'DROP DATABASE copy');

# ---------- crashes ----------

# a commit that waits for nothing would be lost with the buffers
$node->append_conf('postgresql.conf', "synchronous_commit = off\nwal_writer_delay = 10s\nrestart_after_crash = on\n");
$node->restart;
$m = mark();
is($node->safe_psql('postgres', "CHECKPOINT; SELECT probe('$m')"), 'shown', 'synchronous_commit = off: shown');
$node->stop('immediate');
poll_start($node);
is(rows_of($m), 1, 'and on disk before that');

$m = mark();
my $n = mark();
my $psql = start_psql($node, 'postgres', "BEGIN;\nSELECT probe('$m');\n\\echo done\nSELECT pg_sleep(600);\n");
$psql->{run}->pump until $psql->{out} =~ /done/;
my $beside = start_psql($node, 'postgres', "BEGIN;\nLOCK $LOG IN SHARE MODE;\nSELECT pg_sleep(600);\n");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE mode = 'ShareLock' AND relation = '$LOG'::regclass"), 'locked');
my $waiting = start_psql($node, 'postgres', "SELECT probe('$n');\n");
wait_for_lock($node, 'postgres');
ok(survives($node, sub {
	kill 'KILL', $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT probe%' AND wait_event = 'Extension'});
	$_->{run}->finish foreach ($psql, $beside, $waiting);
}), 'SIGKILL: the server is back');
like($psql->{out}, qr/shown/, 'SIGKILL: what was shown');
is(rows_of($m), 1, 'SIGKILL: has its row');
unlike($waiting->{out}, qr/shown/, 'SIGKILL: what was being recorded is not shown');
nobody_is_left('SIGKILL');

# ---------- no standby answers, and no worker is to be had ----------

$m = mark();
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'missing'\n");
$node->restart;
$start = time;
$stderr = failure($node, 'postgres', "SELECT probe('$m')");
like($stderr, qr/ERROR:  OP014: .*DETAIL:  The background worker has not answered for 10 s\./s, 'a missing standby: refused');
cmp_ok(time - $start, '<', 20, 'a missing standby: in bounded time');
$psql = start_psql($node, 'postgres', "SELECT probe('$m');\n", '-v', 'VERBOSITY=verbose');
ok($node->poll_query_until('postgres', q{
SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE backend_type = 'order_payment' AND wait_event = 'SyncRep'}),
	'a missing standby: the worker waits for it');
$psql->{run}->finish;
like($psql->{err}, qr/ERROR:  OP014: .*DETAIL:  (?:The background worker has died|57P01: )/s, 'a worker that is ended while it waits for the standby: refused');
is($psql->{out}, '', 'and nothing is shown');
nobody_is_left('a missing standby');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''\nmax_worker_processes = 0\nmax_logical_replication_workers = 0\n");
$node->restart;
$m = mark();
is_refused($m, failure($node, 'postgres', "SELECT probe('$m')"),
	qr/DETAIL:  All background workers that the server may run \(max_worker_processes = 0\) are taken\.\n.*HINT:  Raise max_worker_processes/, 'no workers at all');
# the launcher of logical replication takes the only one
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_logical_replication_workers = 4\n");
$node->restart;
$start = time;
is_refused($m, failure($node, 'postgres', "SELECT probe('$m')"), qr/max_worker_processes = 1\) are taken/, 'all workers taken');
cmp_ok(time - $start, '<', 8, 'all workers taken: in bounded time');
is(segments(), $segments, 'no segment of shared memory is left');

# ---------- a standby ----------

$node->append_conf('postgresql.conf', "max_worker_processes = 8\n");
$node->restart;
$node->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('autonomous_standby');

$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
fails_with($standby, 'postgres', q{SELECT probe('\x00')}, '25006', 'a standby: refused');
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
is($standby->safe_psql('postgres', q{SELECT probe('\x00')}), 'shown', 'promoted: shown');
$standby->stop;

# ---------- single-user mode ----------

$node->stop;
my ($out, $errors);

IPC::Run::run([ 'postgres', '--single', '-D', $node->data_dir, 'postgres' ], '<', \"SELECT probe('$m')\n", '>', \$out, '2>', \$errors);
like($errors, qr/ERROR:  nothing is revealed, .*DETAIL:  This server runs no background workers\./s, 'single-user mode: refused');
unlike($out, qr/shown/, 'single-user mode: nothing is shown');

done_testing();
