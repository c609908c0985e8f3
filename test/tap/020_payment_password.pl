
# An attempt at a payment password is charged before it is checked, whatever
# becomes of the transaction, the session or the server; so nobody gets more
# attempts than there are. No more passwords are checked at once than the server
# is set to. The password is nowhere but where the customer has it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use LeakTest;
use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $pin = '90210771';
my $node = make_cluster('password_crash', init => { allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ] }, conf => q{
shared_preload_libraries = 'order_payment'
max_connections = 40
max_worker_processes = 30
restart_after_crash = on
log_min_duration_statement = 0
log_error_verbosity = verbose
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
order_payment.password_checks = 17
});

$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
CREATE ROLE owner LOGIN;
CREATE ROLE app LOGIN;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_store('shop', owner => 'owner', app_role => 'app');
ALTER ROLE app SET search_path = order_payment, shop;
INSERT INTO shop.orders (order_id, customer_id, price) VALUES (1, 1, 5);
UPDATE shop.gateways SET password_methods = '{wallet}' WHERE gateway = 'manual';
});

my @as_app = (extra_params => [ '-U', 'app' ]);

sub app { return $node->safe_psql('postgres', $_[0], @as_app); }

sub used { return $node->safe_psql('postgres', "SELECT coalesce(max(used), 0) FROM shop.payment_password_attempts WHERE customer_id = $_[0]"); }

# The lock ends, and what was charged stays.
sub end_lock { return $node->safe_psql('postgres', "UPDATE shop.payment_password_attempts SET locked_until = now() WHERE customer_id = $_[0]"); }

sub clear { return $node->safe_psql('postgres', 'DELETE FROM shop.payment_password_attempts'); }

app("SELECT set_payment_password($_, '$password')") foreach 1 .. 4;
is(app("SELECT verify_payment_password(1, '$password')"), 't', 'the password is right');

# ---------- 50 attempts that are taken back, and charged all the same ----------

my $charged = 0;

foreach my $round (1 .. 9)
{
	my @ways = (
		"BEGIN; SELECT verify_payment_password(2, 'wrong'); ROLLBACK;",
		"BEGIN; SAVEPOINT s; SELECT verify_payment_password(2, 'wrong'); ROLLBACK TO s; COMMIT;",
		"BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM payment_passwords; SELECT verify_payment_password(2, 'wrong'); ROLLBACK;",
		"DO \$\$ BEGIN PERFORM verify_payment_password(2, 'wrong'); RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END \$\$;",
		"BEGIN READ ONLY; SELECT verify_payment_password(2, 'wrong'); SELECT 1/0; COMMIT;");

	foreach my $way (@ways)
	{
		$node->psql('postgres', $way, @as_app);
		$charged++;
	}
	is(used(2), $charged, "round $round: each is charged");
	fails_with($node, 'postgres', "SELECT verify_payment_password(2, '$password')", 'OP015', "round $round: then even the right one is locked out", @as_app);
	is(used(2), $charged, "round $round: which is charged nothing");
	end_lock(2);
}

# A session that is under way with an attempt when `$moment` comes; then it gets the signal.
sub interrupt
{
	my ($customer, $signal, $before, $moment) = @_;
	my $psql = start_psql($node, 'postgres', "SELECT verify_payment_password($customer, 'wrong');\n", '-U', 'app', '-v', 'VERBOSITY=verbose');
	my $pid = '';

	foreach (1 .. 1000)
	{
		$pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'}) if !$pid;
		last if $pid && $moment->();
		usleep(1000);
	}
	kill $signal, $pid;
	$before->();
	$psql->{run}->finish;
	return $psql->{err};
}

my $holder = $node->background_psql('postgres', on_error_die => 1);
my $waits = sub { return $node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE NOT granted}) };

foreach my $signal ('INT', 'TERM', 'INT', 'TERM')
{
	# while the worker waits for the row: it charges what nobody waits for any more
	$holder->query_safe('BEGIN; LOCK shop.payment_password_attempts IN SHARE MODE');
	my $said = interrupt(2, $signal, sub { usleep(50_000); $holder->query_safe('COMMIT') }, $waits);
	like($said, $signal eq 'INT' ? qr/57014: canceling statement/ : qr/57P01: terminating connection/, "$signal: told so");
	$charged++;
	ok($node->poll_query_until('postgres', "SELECT used = $charged FROM shop.payment_password_attempts WHERE customer_id = 2"),
		"$signal while it is charged: it is");
}
$holder->quit;
{
	# as soon as the charge is seen, while scrypt runs
	my $expected = $charged + 1;
	my $said;

	ok(survives($node, sub { $said = interrupt(2, 'KILL', sub { }, sub { return used(2) == $expected }); }), 'KILL: the server is back');
	like($said, qr/server closed the connection|connection to server was lost/, 'KILL: the connection is lost');
	$charged++;
	is(used(2), $charged, 'KILL while it is checked: it is charged');
}
is($charged, 50, '50 in all');
is(used(2), 50, 'and all of them are charged');
fails_with($node, 'postgres', "SELECT verify_payment_password(2, '$password')", 'OP015', 'and the customer is locked', @as_app);
is($node->safe_psql('postgres', q{SELECT locked_until - last_at BETWEEN '5 days' AND '6 days' FROM shop.payment_password_attempts WHERE customer_id = 2}),
	't', 'for days');
my $account = $node->safe_psql('postgres', 'SELECT * FROM shop.payment_password_attempts ORDER BY customer_id');
$node->restart;
is($node->safe_psql('postgres', 'SELECT * FROM shop.payment_password_attempts ORDER BY customer_id'), $account, 'a restart changes nothing');
fails_with($node, 'postgres', "SELECT verify_payment_password(2, '$password')", 'OP015', 'the customer is still locked', @as_app);
is(app("SELECT verify_payment_password(1, '$password')"), 't', 'and no other one');

# ---------- many at once ----------

clear();
{
	my @sessions = map { start_psql($node, 'postgres', "SELECT verify_payment_password(3, 'guess $_');\n", '-U', 'app', '-v', 'VERBOSITY=verbose') } 1 .. 16;

	$_->{run}->finish foreach @sessions;
	is(scalar(grep { $_->{out} eq "f\n" } @sessions), 5, '16 guess at once: 5 are answered');
	is(scalar(grep { $_->{err} =~ /OP015: the payment password is locked/ } @sessions), 11, 'the others find it locked');
	is(used(3), 5, 'and 5 are charged');
}

# ---------- slots ----------

clear();
$node->append_conf('postgresql.conf', 'order_payment.password_checks = 1');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('order_payment.password_checks') = '1'});
{
	my $slot = q{locktype = 'object' AND classid = 'pg_extension'::regclass AND objid = 0};

	$holder = $node->background_psql('postgres', on_error_die => 1);
	$holder->query_safe('BEGIN; LOCK shop.payment_password_attempts IN SHARE MODE');
	my $psql = start_psql($node, 'postgres', "SELECT verify_payment_password(1, '$password');\n", '-U', 'app', '-v', 'VERBOSITY=verbose');
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE $slot"), 'a check has a slot');
	my $start = time;
	fails_with($node, 'postgres', $_, 'OP012', "no other: $_", @as_app)
	  foreach ("SELECT verify_payment_password(4, 'wrong')", "SELECT set_payment_password(5, '$password')",
		"SELECT create_payment(1, 'manual', method => 'wallet', payment_password => '$password')");
	cmp_ok(time - $start, '<', 2, 'and it is told at once');
	$psql->{run}->finish;
	like($psql->{err}, qr/ERROR:  OP015: the payment password is not checked, for the attempt could not be charged/,
		'what cannot be charged is not checked');
	$holder->query_safe('COMMIT');
	$holder->quit;
	is(used(4), 0, 'who found no slot was charged nothing');
	is(app("SELECT verify_payment_password(4, '$password')"), 't', 'the slot is free again');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE $slot"), 0, 'and nobody has it');
	is(app("BEGIN; DO \$\$ BEGIN PERFORM verify_payment_password('x', 'wrong'); EXCEPTION WHEN OTHERS THEN NULL; END \$\$; SELECT verify_payment_password(4, '$password'); COMMIT"),
		't', 'also after an error');
}
$node->append_conf('postgresql.conf', 'order_payment.password_checks = 4');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('order_payment.password_checks') = '4'});
{
	$node->safe_psql('postgres', q{
CREATE ROLE sleeper LOGIN;
CREATE SCHEMA sleeper AUTHORIZATION sleeper;
SET ROLE sleeper;
CREATE TABLE sleeper.payment_passwords (customer_id bigint PRIMARY KEY, verifier order_payment.sealed, pepper_id integer, set_at timestamptz);
CREATE TABLE sleeper.payment_password_attempts (customer_id bigint PRIMARY KEY, used integer, locked_until timestamptz, last_at timestamptz);
CREATE FUNCTION sleeper.sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER sleep BEFORE INSERT ON sleeper.payment_password_attempts FOR EACH ROW EXECUTE FUNCTION sleeper.sleep()});
	my @sleepers = map { start_psql($node, 'postgres', "SELECT order_payment.verify_payment_password($_, 'x', 'sleeper');\n", '-U', 'sleeper', '-v', 'VERBOSITY=verbose') } 1 .. 6;
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_extension'::regclass AND objid = 0}),
		'whose tables sleep has three slots of four');
	is(app("SELECT verify_payment_password(4, '$password')"), 't', 'and the shop the fourth');
	$_->{run}->finish foreach @sleepers;
	is(scalar(grep { $_->{err} =~ /OP012/ } @sleepers), 3, 'the others found none');
}

# ---------- an old transaction has no use for an old password ----------

clear();
{
	my $old = $node->background_psql('postgres', on_error_die => 1, extra_params => [ '-U', 'app' ]);

	$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM payment_passwords');
	app("SELECT set_payment_password(4, 'another one', old_password => '$password')");
	like($old->query_safe("SELECT 'result ' || verify_payment_password(4, '$password')"), qr/result false/, 'the former password is wrong for it');
	like($old->query_safe("SELECT 'result ' || verify_payment_password(4, 'another one')"), qr/result true/, 'and the latter right');
	$old->quit;
	app("SELECT set_payment_password(4, '$password', old_password => 'another one')");
}

# ---------- whether there is a password is not told by time ----------

clear();
{
	my $time_of = sub {
		my ($customer) = @_;

		clear();
		return app("SELECT extract(epoch FROM clock_timestamp() - s) FROM (SELECT clock_timestamp() AS s) AS x, LATERAL (SELECT verify_payment_password($customer + 0 * length(s::text), 'wrong')) AS y");
	};
	my ($with, $without) = (60, 0);

	# the least of each, in turns, for others are at work on the machine too
	foreach (1 .. 40)
	{
		$with = min $with, $time_of->(1);
		$without = min $without || 60, $time_of->(99);
		last if $_ >= 4 && abs($with - $without) < 0.1 * $with;
	}
	cmp_ok(abs($with - $without), '<', 0.25 * $with, "a customer with a password: $with s, and without: $without s");
	cmp_ok($with, '>', 0.02, 'it takes its time');
}

# ---------- a name that is spelt otherwise and still the same ----------

SKIP:
{
	skip 'PostgreSQL was built without ICU', 2 if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'}) == 0;
	$node->safe_psql('postgres', q{
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN customer_name AS text COLLATE any_case;
SET client_min_messages = error;
SELECT order_payment.create_store('named', owner => 'owner', app_role => 'app', customer_id_type => 'customer_name')});
	app("SELECT set_payment_password('Ann', '$password', 'named')");
	is(app("SELECT verify_payment_password('ANN', '$password', 'named')"), 't', 'the password of a customer whose name is spelt otherwise');
	app("SELECT set_payment_password('ANN', 'another one', 'named', '$password')");
	is(app("SELECT verify_payment_password('ann', 'another one', 'named')"), 't', 'and is set so');
	$node->safe_psql('postgres', 'DROP SCHEMA named CASCADE; DROP DOMAIN customer_name; DROP COLLATION any_case');
}

# ---------- elsewhere ----------

clear();
{
	my $standby = PostgreSQL::Test::Cluster->new('password_standby');

	$node->backup('base');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', 'hot_standby = on');
	$standby->start;
	$node->wait_for_catchup($standby);
	fails_with($standby, 'postgres', $_, '25006', "a standby refuses: $_", @as_app)
	  foreach ("SELECT verify_payment_password(1, '$password')", "SELECT set_payment_password(9, '$password')");
	$standby->stop;
}
{
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';

	app("DO \$\$ BEGIN PERFORM verify_payment_password(3, 'wrong'); END \$\$");
	$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restore');
	is($node->safe_psql('restored', 'SELECT used FROM shop.payment_password_attempts WHERE customer_id = 3'), 1, 'the attempts are in a dump');
	is($node->safe_psql('restored', "SELECT order_payment.verify_payment_password(3, '$password', 'shop')", @as_app), 't', 'and the passwords');
	$node->safe_psql('restored', 'ALTER SCHEMA shop RENAME TO store');
	fails_with($node, 'restored', "SELECT order_payment.verify_payment_password(3, '$password', 'store')", 'OP010', 'a store that was renamed', @as_app);
	is($node->safe_psql('restored', "SELECT order_payment.rebind_payment_passwords('shop', 'store')"), 4, 'is told so');
	is($node->safe_psql('restored', "SELECT order_payment.verify_payment_password(3, '$password', 'store')", @as_app), 't', 'and then they are right');
}

# ---------- nobody sees it ----------

{
	# bound to a parameter, as drivers do
	my $script = PostgreSQL::Test::Utils::tempdir() . '/verify.sql';

	open my $file, '>', $script or die "$script: $!";
	print $file "\\set pin $pin\nSELECT order_payment.verify_payment_password(5, (:pin)::text, 'shop');\n";
	close $file or die "$script: $!";
	app("SELECT set_payment_password(5, '$pin')");
	$node->command_ok([ 'pgbench', '-n', '-t', '1', '-M', 'extended', '-U', 'app', '-f', $script, $node->connstr('postgres') ], 'pgbench');
	is(used(5), 0, 'a bound password is right');
}
app("SELECT create_payment(1, 'manual', method => 'wallet', payment_password => '$password')");
failure($node, 'postgres', $_, @as_app)
  foreach ("SELECT verify_payment_password(1, '$password', 'nowhere')", "SELECT verify_payment_password('$password', '$password')",
	"SELECT verify_payment_password(1, \"$password\")", "SELECT set_payment_password(1, 'secret', '$password')", "SELECT verify_payment_password(1, '$password'", "SELECT set_payment_password(1, '$password')",
	"SELECT set_payment_password(1, '$password', old_password => '$password', nonsense => '$password')",
	"SELECT admit_payment('99', 'manual', 'wallet', '$password', 'shop')", "SELECT admit_payment('1', 'manual', 'wallet', '$password', '$password')");
$node->stop;
my @found = find_leaks($node->logfile, files_below($node->data_dir));

is(scalar(grep { /\Q$password\E/ } @found), 0, 'the password is in no file of the server, nor in its log') or diag(join "\n", @found);
unlike(slurp_file($node->logfile), qr/$pin/, 'nor one that was bound');
unlike(slurp_file($node->logfile), qr/op1:/, 'no verifier is in the log');
like(slurp_file($node->logfile), qr/\(withheld\)/, 'where statements were logged');
done_testing();
