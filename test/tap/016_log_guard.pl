
# No card number, holder or password in the server log or in pg_stat_activity,
# whichever way it may come there. Each way is tried on two clusters: on the
# bare one the secret is found, or the test would not test anything; on the
# guarded one it is not, and what may be kept is there.

use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::RealBin";

use IPC::Run ();
use LeakTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(usleep);

my $remark = quotemeta '(withheld)';

# everything that can be logged is, in all formats
my $conf = q{
restart_after_crash = on
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = 'log'
log_filename = 'server.log'
log_rotation_age = 0
log_rotation_size = 0
log_min_messages = debug2
log_min_error_statement = debug5
log_error_verbosity = verbose
log_statement = all
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_lock_waits = on
deadlock_timeout = 100ms
debug_print_parse = on
debug_print_rewritten = on
debug_print_plan = on
auto_explain.log_min_duration = 0
auto_explain.log_verbose = on
auto_explain.log_nested_statements = on
pg_stat_statements.track = all
order_payment.secret_names = 'login, tail'
};

sub make_logging_cluster
{
	my ($name, $libraries) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'\n$conf");
	$node->start;
	$node->safe_psql('postgres', q{
CREATE EXTENSION pg_stat_statements;
CREATE TABLE pay (id integer PRIMARY KEY, card_number text UNIQUE, card_holder text, CHECK (id < 100));
CREATE TABLE other (id integer, a text, b text);
CREATE FUNCTION seal(plaintext text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION set_payment_password(customer_id integer, password text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE EXTENSION order_payment;
CREATE TABLE vault (tail text);
CREATE FUNCTION login(customer_id integer, text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	RETURN set_payment_password(customer_id, $2);
END $$;
CREATE FUNCTION enter(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM order_payment.seal(name, 'holder', '\x01');
	EXCEPTION WHEN OTHERS THEN -- there is no key
	END;
	RAISE EXCEPTION 'closed';
END $$;
CREATE FUNCTION shut(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN enter(name);
EXCEPTION WHEN raise_exception THEN
	RETURN 'shut';
END $$;
CREATE PROCEDURE charge(card text) LANGUAGE plpgsql AS $$ BEGIN PERFORM length(card); END $$;
CREATE FUNCTION divide(card text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT 1 / 0 /* %s */', card);
END $$;
CREATE FUNCTION misspell(card text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELEC %L', card);
END $$;
	});
	return $node;
}

my $guarded = make_logging_cluster('guarded', 'auto_explain, pg_stat_statements, order_payment');
my $bare = make_logging_cluster('bare', 'auto_explain, pg_stat_statements');

# ---------- the log of a moment ----------

my %read; # how far each file was read

sub log_files
{
	my ($node) = @_;

	return map { $node->data_dir . "/log/server.$_" } qw(log csv json);
}

# What all log files have got since the last call, { log, csv, json }. The collector writes them by and by.
sub new_log
{
	my ($node) = @_;
	my $mark = 'mark ' . join ' ', map { int rand 1000 } 1 .. 2;
	my %log;

	$node->safe_psql('postgres', "DO \$\$ BEGIN RAISE LOG '$mark' USING ERRCODE = '00000'; END \$\$");
	foreach my $file (log_files($node))
	{
		my ($kind) = $file =~ /(\w+)$/;
		my $text = '';

		foreach (1 .. 200)
		{
			$text = slurp_file($file, $read{$file} // 0);
			# the record itself, not the statement that makes it
			last if $text =~ /(?:00000: |,00000,"|"message":")\Q$mark\E/;
			usleep(50_000);
		}
		$read{$file} += length $text;
		$log{$kind} = $text;
	}
	return \%log;
}

sub psql
{
	my ($node, $sql) = @_;

	$node->psql('postgres', $sql, on_error_stop => 0);
	return;
}

# Binds of the wire protocol. Variables of the script are its parameters.
sub pgbench
{
	my ($node, $mode, $sql, %variables) = @_;
	my ($handle, $file) = File::Temp::tempfile(DIR => PostgreSQL::Test::Utils::tempdir());

	print $handle $sql;
	close $handle or die "close: $!";
	IPC::Run::run([ 'pgbench', '-n', '-t', '1', '-M', $mode, '-f', $file,
			(map { ('-D', "$_=$variables{$_}") } sort keys %variables),
			'-h', $node->host, '-p', $node->port, 'postgres' ], '>', '/dev/null', '2>', '/dev/null');
	return;
}

# ---------- the ways into the log ----------

# no record of the statement before it is executed
my $quietly = join ' ', map { "SET $_;" } 'log_statement = none', 'log_min_messages = notice', 'debug_print_parse = off',
  'debug_print_rewritten = off', 'debug_print_plan = off', 'auto_explain.log_min_duration = -1';

# name, what to do; what the bare log shows; what the guarded log keeps
my @ways = (
	[ 'log_statement',
		sub { psql($_[0], "SELECT '$visa', '$grouped', '$unionpay'") },
		qr/LOG:  00000: statement: SELECT '$visa', '$grouped'/,
		qr/LOG:  00000: statement: $remark/ ],
	[ 'log_min_duration_statement',
		sub { psql($_[0], "SET log_statement = none;\nSELECT '$unionpay'") },
		qr/duration: [\d.]+ ms  statement: SELECT '$unionpay'/,
		qr/duration: [\d.]+ ms  statement: $remark/ ],
	[ 'a number grouped by hyphens',
		sub { psql($_[0], q{SELECT '5105-1051-0510-5100'}) },
		qr/statement: SELECT '5105-1051/,
		qr/statement: $remark/ ],
	[ 'a number as a number',
		sub { psql($_[0], "SELECT $visa + 0") },
		qr/statement: SELECT $visa/,
		qr/statement: $remark/ ],
	[ 'a comment',
		sub { psql($_[0], "SELECT 1 /* $visa */; -- $grouped\n/* $grouped */;") },
		qr{statement: SELECT 1 /\* $visa},
		qr/statement: $remark/ ],
	[ 'a holder where it is sealed',
		sub { psql($_[0], "SELECT seal('$holder')") },
		qr/statement: SELECT seal\('$holder'/,
		qr/statement: $remark/ ],
	[ 'a holder in its column',
		sub { psql($_[0], "INSERT INTO pay (id, card_holder) VALUES (1, '$holder')") },
		qr/statement: INSERT INTO pay .*'$holder'/,
		qr/statement: $remark/ ],
	[ 'a password',
		sub { psql($_[0], "SELECT set_payment_password(7, \$\$$password\$\$)") },
		qr/statement: SELECT set_payment_password.*$password/,
		qr/statement: $remark/ ],
	[ 'STATEMENT of an error',
		sub { psql($_[0], "SELECT 1 / 0, '$visa'") },
		qr{STATEMENT:  SELECT 1 / 0, '$visa'},
		qr/STATEMENT:  $remark/ ],
	[ 'STATEMENT of an error, a holder',
		sub { psql($_[0], "SELECT 1 / 0, seal('$holder')") },
		qr{STATEMENT:  SELECT 1 / 0, seal\('$holder'},
		qr/ERROR:  22012: division by zero/ ],
	[ 'a syntax error',
		sub { psql($_[0], "SELEC '$visa'; SELECT 1 '$visa'; SELECT $visa $unionpay") },
		qr/STATEMENT:  SELEC '$visa'/,
		qr/ERROR:  42601: syntax error at or near/ ],
	[ 'a quotation mark that is missing',
		sub { psql($_[0], "SELECT seal('$holder);") },
		qr/ERROR:  42601: unterminated quoted string at or near .*$holder/,
		qr/ERROR:  42601: unterminated quoted string at or near/ ],
	[ 'a password with the wrong quotation marks',
		sub { psql($_[0], qq{SELECT set_payment_password(7, "$password")}) },
		qr/ERROR:  42703: column "$password" does not exist/,
		qr/ERROR:  42703: column "\*\*\*" does not exist/ ],
	[ 'a password with none',
		sub { psql($_[0], "SELECT set_payment_password(7, $password)") },
		qr/STATEMENT:  SELECT set_payment_password\(7, $password/,
		qr/ERROR:  42601: syntax error at or near "\*\*\*"/ ],
	[ 'a password that looks like a name of another database',
		sub { psql($_[0], qq{SELECT set_payment_password(7, a.b.c."$password")}) },
		qr/ERROR:  0A000: cross-database references are not implemented: a\.b\.c\.$password/,
		qr/ERROR:  0A000: cross-database references are not implemented: $remark/ ],
	[ 'a name that is wrong, beside a holder',
		sub { psql($_[0], "UPDATE pay SET paid = 1, card_holder = '$holder'") },
		qr/STATEMENT:  UPDATE pay SET paid = 1, card_holder = '$holder'/,
		qr/ERROR:  42703: column "paid" of relation "pay" does not exist/ ],
	[ 'a table that is not there, beside a holder',
		sub { psql($_[0], "INSERT INTO pays (card_holder) VALUES ('$holder')") },
		qr/STATEMENT:  INSERT INTO pays \(card_holder\) VALUES \('$holder'/,
		qr/ERROR:  42P01: relation "pays" does not exist/ ],
	[ 'a trigger that is there already',
		sub { psql($_[0], "CREATE TRIGGER same BEFORE UPDATE ON pay FOR EACH ROW WHEN (NEW.card_holder = '$holder') EXECUTE FUNCTION suppress_redundant_updates_trigger();\n" x 2) },
		qr/STATEMENT:  CREATE TRIGGER same .*'$holder'/,
		qr/ERROR:  42710: trigger "same" for relation "pay" already exists/ ],
	[ 'a value in a message',
		sub { psql($_[0], "SELECT '$visa'::integer, 1; SELECT '$grouped'::date") },
		qr/ERROR:  22003: value "$visa" is out of range/,
		qr/ERROR:  22003: value "\*+" is out of range for type integer/ ],
	[ 'a holder in a message',
		sub { psql($_[0], "INSERT INTO pay (card_holder, id) VALUES ('x', '$holder')") },
		qr/ERROR:  22P02: .*"$holder"/,
		qr/ERROR:  22P02: invalid input syntax for type integer: "\*\*\*"/ ],
	[ 'DETAIL of a CHECK',
		sub { psql($_[0], "INSERT INTO pay VALUES (101, '$visa', '$holder')") },
		qr/DETAIL:  Failing row contains \(101, $visa, $holder\)/,
		qr/ERROR:  23514: new row for relation "pay" violates check constraint "pay_id_check"/ ],
	[ 'DETAIL of a unique key',
		sub { psql($_[0], "INSERT INTO pay VALUES (11, '$visa'); INSERT INTO pay VALUES (12, '$visa')") },
		qr/DETAIL:  Key \(card_number\)=\($visa\) already exists/,
		qr/ERROR:  23505: duplicate key value violates unique constraint "pay_card_number_key"/ ],
	[ 'PREPARE and EXECUTE',
		sub { psql($_[0], "PREPARE p (text) AS INSERT INTO other VALUES (1, \$1, '$unionpay'); EXECUTE p('$visa')") },
		qr/DETAIL:  prepare: PREPARE p .*$unionpay/,
		qr/statement: $remark/ ],
	[ 'EXECUTE with a password',
		sub { psql($_[0], "PREPARE pass (text) AS SELECT set_payment_password(7, \$1); EXECUTE pass ('$password')") },
		qr/statement: .*EXECUTE pass \('$password'/,
		qr/statement: $remark\n.*DETAIL:  prepare: / ],
	[ 'EXECUTE with a password that is wrong in another way',
		sub { psql($_[0], "PREPARE pass (text) AS SELECT set_payment_password(7, \$1);\nEXECUTE pass ('$password', 2);\nBEGIN;\nSELECT 1 / 0;\nEXECUTE pass ('$password')") },
		qr/STATEMENT:  EXECUTE pass \('$password', 2/,
		qr/ERROR:  42601: wrong number of parameters for prepared statement "\*\*\*"\n.*STATEMENT:  $remark/s ],
	[ 'EXPLAIN and CREATE TABLE with EXECUTE',
		sub { psql($_[0], "PREPARE pass (text) AS SELECT set_payment_password(7, \$1);\nEXPLAIN ANALYZE EXECUTE pass ('$password');\nCREATE TEMP TABLE made AS EXECUTE pass ('$password')") },
		qr/statement: CREATE TEMP TABLE made AS EXECUTE pass \('$password'/,
		qr/statement: $remark/ ],
	[ 'a function of an administrator\'s own',
		sub { psql($_[0], "SELECT login(7, '$password')") },
		qr/statement: SELECT login\(7, '$password'/,
		qr/statement: $remark/ ],
	[ 'its parameters',
		sub { pgbench($_[0], 'extended', "SELECT login(:id, :password);\n", id => 7, password => $password) },
		qr/DETAIL:  [Pp]arameters: \$1 = '7', \$2 = '$password'/,
		qr/execute <unnamed>: SELECT login\(\$1, \$2\);\n.*DETAIL:  [Pp]arameters: $remark/ ],
	[ 'a function that nobody has named, once the value has arrived',
		sub { psql($_[0], "$quietly SELECT enter('$holder')") },
		qr/STATEMENT:  .*SELECT enter\('$holder'/,
		qr/ERROR:  P0001: closed\n.*STATEMENT:  $remark/s ],
	[ 'its duration',
		sub { psql($_[0], "$quietly DO \$\$ BEGIN PERFORM enter('$holder'); EXCEPTION WHEN OTHERS THEN NULL; END \$\$") },
		qr/duration: [\d.]+ ms  statement: DO .*'$holder'/,
		qr/duration: [\d.]+ ms  statement: $remark/ ],
	[ 'create_payment() by position',
		sub { psql($_[0], "SELECT create_payment(1, 'acme', 20, NULL, NULL, NULL, false, NULL, 'shop', NULL, '$holder', NULL, '$password')") },
		qr/STATEMENT:  SELECT create_payment\(.*'$holder', NULL, '$password'/,
		qr/ERROR:  42883: function create_payment\(.*\) does not exist/ ],
	[ 'a name by the numbers of its letters',
		sub { psql($_[0], "SELECT U&\"se\\0061l\"('$holder')") },
		qr/statement: SELECT U&"se\\0061l"\('$holder'/,
		qr/statement: $remark/ ],
	[ 'a number as PostgreSQL 16 may write it',
		sub { psql($_[0], 'SELECT ' . join '_', $visa =~ /(....)/g) },
		qr/(?:STATEMENT:  |statement: )SELECT 4000_0566/,
		qr/(?:STATEMENT:  |statement: )$remark/ ],
	[ 'a cursor',
		sub { psql($_[0], "BEGIN; DECLARE c CURSOR FOR SELECT '$visa'; FETCH c; COMMIT") },
		qr/statement: .*DECLARE c CURSOR FOR SELECT '$visa'/,
		qr/statement: $remark/ ],
	[ 'COPY, a whole line',
		sub { psql($_[0], "COPY other FROM stdin;\n1\t$visa\t$holder\tsurplus\n\\.\n") },
		qr/CONTEXT:  COPY other, line 1: "1\t$visa\t$holder/,
		qr/CONTEXT:  COPY other, line 1: $remark/ ],
	[ 'COPY, a column',
		sub { psql($_[0], "COPY other (b, id) FROM stdin;\nx\t$visa\n\\.\n") },
		qr/CONTEXT:  COPY other, line 1, column id: "$visa"/,
		qr/CONTEXT:  COPY other, line 1, column id: $remark/ ],
	[ 'COPY of a holder',
		sub { psql($_[0], "COPY pay (card_holder, id) FROM stdin;\nx\t$holder\n\\.\n") },
		qr/CONTEXT:  COPY pay, line 1, column id: "$holder"/,
		qr/CONTEXT:  COPY pay, line 1, column id: $remark/ ],
	[ 'COPY into all columns, of which one is named so',
		sub { psql($_[0], "COPY vault FROM stdin;\n$holder\tsurplus\n\\.\n") },
		qr/CONTEXT:  COPY vault, line 1: "$holder/,
		qr/CONTEXT:  COPY vault, line 1: $remark/ ],
	[ 'a table called by a number',
		sub { psql($_[0], "CREATE TEMP TABLE \"$visa\" (id integer);\nCOPY \"$visa\" FROM stdin;\nno integer at all\n\\.\n") },
		qr/CONTEXT:  COPY $visa, line 1, column id: "no integer at all"/,
		qr/CONTEXT:  COPY \*+, line 1, column id: $remark/ ],
	[ 'CONTEXT of PL/pgSQL',
		sub { psql($_[0], "SELECT divide('$grouped')") },
		qr{CONTEXT:  SQL statement "SELECT 1 / 0 /\* $grouped \*/"},
		qr{CONTEXT:  SQL statement $remark\n.*PL/pgSQL function divide\(text\) line 3 at EXECUTE} ],
	[ 'QUERY of PL/pgSQL',
		sub { psql($_[0], "SELECT misspell('$visa')") },
		qr/QUERY:  SELEC '$visa'/,
		qr/QUERY:  $remark/ ],
	[ 'DO',
		sub { psql($_[0], "DO \$\$ BEGIN PERFORM seal('$holder'); RAISE EXCEPTION 'no % today', '$visa'; END \$\$") },
		qr/ERROR:  P0001: no $visa today/,
		qr/ERROR:  P0001: no \*+ today/ ],
	[ 'RAISE LOG with detail and hint',
		sub { psql($_[0], "DO \$\$ BEGIN RAISE LOG 'm $visa' USING DETAIL = 'd $grouped', HINT = 'h $unionpay'; END \$\$") },
		qr/HINT:  h $unionpay/,
		qr/HINT:  h \*+/ ],
	[ 'application_name in the prefix of lines',
		sub { psql($_[0], "SET application_name = '$visa';\nSELECT 77") },
		qr/ $visa LOG:  00000: statement: SELECT 77/,
		qr/ \*+ LOG:  00000: statement: SELECT 77/ ],
	[ 'what another library writes into the log',
		sub { psql($_[0], "DO \$\$ BEGIN RAISE LOG 'AUDIT: SESSION,1,WRITE,INSERT,%', '\"INSERT INTO pay VALUES ($visa, ''$holder'')\"'; END \$\$") },
		qr/AUDIT: SESSION,1,WRITE,INSERT,"INSERT INTO pay VALUES \($visa/,
		qr/LOG:  00000: AUDIT: SESSION,1,WRITE,INSERT,$remark/ ],
	[ 'pg_log_backend_memory_contexts()',
		sub { pgbench($_[0], 'prepared', "SELECT '$visa', :n, pg_log_backend_memory_contexts(pg_backend_pid());\n", n => 1) },
		qr/LOG:  00000: level: \d+; CachedPlanSource: .* SELECT '$visa'/,
		qr/LOG:  00000: level: 1; / ],
	[ 'a name that is wrong, where values are parameters',
		sub { pgbench($_[0], 'extended', "UPDATE pay SET card_holder = :holder, paid = 1;\n", holder => $holder) },
		qr/ERROR:  42703: column "paid" of relation "pay" does not exist/,
		qr/ERROR:  42703: column "paid" of relation "pay" does not exist/ ],
	[ 'CALL',
		sub { psql($_[0], "CALL charge('$visa')") },
		qr/statement: CALL charge\('$visa'/,
		qr/statement: $remark/ ],
	[ 'auto_explain, its text',
		sub { psql($_[0], "SELECT * FROM other WHERE a = '$visa'") },
		qr/Query Text: SELECT \* FROM other WHERE a = '$visa'/,
		qr/duration: [\d.]+ ms  plan:\n\s*$remark/ ],
	[ 'auto_explain, a parameter in the plan',
		sub { pgbench($_[0], 'extended', "SELECT * FROM other WHERE a = :card;\n", card => $visa) },
		qr/Filter: .*'$visa'::text/,
		qr/duration: [\d.]+ ms  plan:\n\s*$remark/ ],
	[ 'debug_print_parse',
		sub { psql($_[0], "SELECT * FROM other WHERE a = '$visa'") },
		qr/LOG:  00000: parse tree:\n.*DETAIL:  .*52 48 48 48 48 53 54/s,
		qr/LOG:  00000: parse tree:\n\S* ?.*DETAIL:  $remark/ ],
	[ 'debug_print_rewritten',
		sub { psql($_[0], "SELECT * FROM other WHERE a = '$visa'") },
		qr/LOG:  00000: rewritten parse tree:\n.*DETAIL:  .*52 48 48 48 48 53 54/s,
		qr/LOG:  00000: rewritten parse tree:\n\S* ?.*DETAIL:  $remark/ ],
	[ 'debug_print_plan, a parameter',
		sub { pgbench($_[0], 'extended', "SELECT * FROM other WHERE a = :card;\n", card => $visa) },
		qr/LOG:  00000: plan:\n.*DETAIL:  .*52 48 48 48 48 53 54/s,
		qr/LOG:  00000: plan:\n\S* ?.*DETAIL:  $remark/ ],
	[ 'parameters in DETAIL',
		sub { pgbench($_[0], 'extended', "INSERT INTO other VALUES (1, :card, :holder);\n", card => $visa, holder => $holder) },
		qr/DETAIL:  [Pp]arameters: \$1 = '$visa', \$2 = '$holder'/,
		qr/execute <unnamed>: INSERT INTO other VALUES \(1, \$1, \$2\);\n.*DETAIL:  [Pp]arameters: $remark/ ],
	[ 'parameters of a prepared statement',
		sub { pgbench($_[0], 'prepared', "INSERT INTO other VALUES (1, :card, :number);\n", card => $grouped, number => $unionpay) },
		qr/DETAIL:  [Pp]arameters: \$1 = '$grouped', \$2 = '$unionpay'/,
		qr/DETAIL:  [Pp]arameters: $remark/ ],
	[ 'parameters that are told by the statement alone',
		sub { pgbench($_[0], 'extended', "INSERT INTO pay (id, card_holder) VALUES (31, :holder);\n", holder => $holder) },
		qr/DETAIL:  [Pp]arameters: \$1 = '$holder'/,
		qr/execute <unnamed>: INSERT INTO pay \(id, card_holder\) VALUES \(31, \$1\);\n.*DETAIL:  [Pp]arameters: $remark/ ],
	[ 'parameters of a password',
		sub { pgbench($_[0], 'prepared', "SELECT set_payment_password(:id, :password);\n", id => 7, password => $password) },
		qr/DETAIL:  [Pp]arameters: \$1 = '7', \$2 = '$password'/,
		qr/DETAIL:  [Pp]arameters: $remark/ ],
	[ 'parameters in CONTEXT',
		sub { pgbench($_[0], 'extended', "SELECT 1 / (length(:card) - 16);\n", card => $visa) },
		qr/CONTEXT:  unnamed portal with parameters: \$1 = '$visa'/,
		qr/CONTEXT:  unnamed portal with parameters: $remark/ ],
	[ 'a parameter that is refused',
		sub { pgbench($_[0], 'extended', "SELECT abs(:card::integer);\n", card => $visa) },
		qr/CONTEXT:  unnamed portal parameter \$1 = '$visa'/,
		qr/ERROR:  22003: value "\*+" is out of range/ ],
	[ 'a literal in the extended protocol',
		sub { pgbench($_[0], 'extended', "SELECT '$visa';\n") },
		qr/execute <unnamed>: SELECT '$visa'/,
		qr/execute <unnamed>: $remark/ ],
	[ 'a literal in a prepared statement: parse, bind and execute',
		sub { pgbench($_[0], 'prepared', "SET log_statement = none;\nSELECT seal('$holder'), :n;\n", n => 1) },
		qr/duration: [\d.]+ ms  bind \S+: SELECT seal\('$holder'/,
		qr/duration: [\d.]+ ms  bind \S+: $remark/ ],
	[ 'DEBUG records',
		sub { pgbench($_[0], 'extended', "SELECT '$visa' AS debug;\n") },
		qr/DEBUG:  00000: parse <unnamed>: SELECT '$visa' AS debug/,
		qr/DEBUG:  00000: parse <unnamed>: $remark/ ],
	[ 'a deadlock',
		\&deadlock,
		qr{DETAIL:  Process \d+ waits.*Process \d+: SELECT pg_advisory_lock\(\d\) /\* $visa}s,
		qr/ERROR:  40P01: deadlock detected\n.*DETAIL:  Process \d+ waits for ExclusiveLock on advisory lock[^\n]*\n\s*Process \d+ waits/ ],
	[ 'a crash',
		sub { crash($_[0], 'PgSleep', "SELECT pg_sleep(600) /* $visa */") },
		qr{DETAIL:  Failed process was running: SELECT pg_sleep\(600\) /\* $visa},
		qr/(?:server process|client backend) \(PID \d+\) was terminated by signal 9.*\n.*DETAIL:  Failed process was running: $remark/ ],
	[ 'a crash before the statement was analysed',
		sub
		{
			my ($node) = @_;
			my $blocker = start_psql($node, 'postgres', "BEGIN; LOCK other; SELECT pg_sleep(600);");

			wait_event($node, 'PgSleep');
			crash($node, 'relation', "SELECT * FROM other WHERE a = '$visa'");
			$blocker->{run}->finish;
		},
		qr{DETAIL:  Failed process was running: SELECT \* FROM other WHERE a = '$visa'},
		qr/(?:server process|client backend) \(PID \d+\) was terminated by signal 9.*\n.*DETAIL:  Failed process was running: $remark/ ],
);

# Two sessions, each of which waits for what the other has.
sub deadlock
{
	my ($node) = @_;
	my @psql = map {
		my ($first, $second) = @$_;
		start_psql($node, 'postgres', "SELECT pg_advisory_lock($first); SELECT pg_sleep(1);\nSELECT pg_advisory_lock($second) /* $visa */;")
	} ([ 1, 2 ], [ 2, 1 ]);

	$_->{run}->finish foreach @psql;
	return;
}

# Until a session waits for it; its process.
sub wait_event
{
	my ($node, $event) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = '$event' AND backend_type IN ('client backend', 'parallel worker')")
	  or die "nobody waits for $event";
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE wait_event = '$event' AND backend_type IN ('client backend', 'parallel worker')");
}

# Kills the session in the middle of its statement; all others end, and the server recovers.
sub crash
{
	my ($node, $event, $sql) = @_;
	my $psql = start_psql($node, 'postgres', "$sql;");

	survives($node, sub { kill 'KILL', wait_event($node, $event); $psql->{run}->finish; }) or die 'the server did not recover';
	return;
}

foreach my $node ($guarded, $bare)
{
	new_log($node);
}
foreach (@ways)
{
	my ($name, $run, $shows, $keeps) = @$_;

	$run->($bare);
	like(new_log($bare)->{log}, $shows, "$name: in the log of the bare server");
	$run->($guarded);
	my $log = new_log($guarded);
	is_clean(join("\n", values %$log), "$name: not in that of the guarded one");
	like($log->{log}, $keeps, "$name: what may be known is there");
}

# ---------- numbers that the server cuts ----------

# A value that is too long to be shown is cut, and may show fewer digits of a number than any card has. FILL is so many characters
# that the cut comes within the number; the statements themselves hold none.
my $cut_number = "'40000566' || '55665556'";
my @cuts = (
	[ 'DETAIL of a CHECK', [ 44 .. 60 ], "INSERT INTO short VALUES ('FILL' || $cut_number);\n",
		qr/Failing row contains \(x+40000566556\.\.\./, qr/ERROR:  23514: new row for relation "short" violates check constraint "short_a_check"\n.*DETAIL:  $remark/ ],
	[ 'CONTEXT of JSON', [ 24 .. 40 ], "SELECT ('[\"' || $cut_number || 'FILL\", bad')::json;\n",
		qr/JSON data, line 1: \.\.\.\d?56655665556x/, qr/JSON data, line 1: $remark/ ],
	[ 'CONTEXT of COPY', [ 84 .. 99 ], "COPY other FROM stdin;\n1\tFILL$visa\n\\.\n",
		qr/COPY other, line 1: "1\tx+40000566556\.\.\."/, qr/COPY other, line 1: $remark/ ],
);

foreach (@cuts)
{
	my ($name, $fills, $statement, $shows, $keeps) = @$_;
	my $script = 'CREATE TEMP TABLE short (a text CHECK (length(a) < 10));' . "\n"
	  . join '', map { my $fill = 'x' x $_; $statement =~ s/FILL/$fill/r } @$fills;

	psql($_, $script) foreach $bare, $guarded;
	like(new_log($bare)->{log}, $shows, "$name: the bare server shows a part of the number");
	my $log = new_log($guarded);
	unlike(join("\n", values %$log), qr/400005665|665566555|56655665/, "$name: the guarded one does not");
	like($log->{log}, $keeps, "$name: but where it was");
}

# ---------- pg_stat_activity ----------

# With everything in the log, each record would have the text looked at.
my $quiet = join ' ', map { "-c $_" } qw(log_min_messages=error log_statement=none log_min_duration_statement=-1
  debug_print_parse=off debug_print_rewritten=off debug_print_plan=off auto_explain.log_min_duration=-1);

sub activity
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{SELECT string_agg(query, E'\n') FROM pg_stat_activity WHERE pid <> pg_backend_pid()});
}

sub pump_psql_until
{
	my ($run, $is_done) = @_;

	until ($is_done->())
	{
		$run->pump_nb;
		usleep(10_000);
	}
	return;
}

# What a session runs before it is looked at: whether it sleeps at the end, or is idle.
my @sessions = (
	[ 'during a statement', "SELECT pg_sleep(600) /* $visa */;", 'sleeps' ],
	[ 'during a statement with a holder', "SELECT seal('$holder'), pg_sleep(600);", 'sleeps' ],
	[ 'during one with a number at the end of what is shown',
		"SELECT pg_sleep(600), '" . ('x' x 986) . "$visa';", 'sleeps' ],
	[ 'during a utility command', "DO \$\$ BEGIN PERFORM pg_sleep(600), '$visa'; END \$\$;", 'sleeps' ],
	[ 'during an inner statement', "DO \$\$ BEGIN EXECUTE 'SELECT pg_sleep(600)'; PERFORM '$grouped'; END \$\$;", 'sleeps' ],
	[ 'during a parallel query', "SELECT set_config(name, 'on', false) FROM pg_settings"
		  . " WHERE name IN ('force_parallel_mode', 'debug_parallel_query');\nSELECT pg_sleep(600), '$visa';", 'sleeps' ],
	[ 'during the second statement of a string', "SELECT 1, '$visa'\\; SELECT pg_sleep(600);", 'sleeps' ],
	[ 'idle', "SELECT '$visa';", 'idle' ],
	[ 'idle in a transaction', "BEGIN;\nSELECT '$unionpay';", 'idle' ],
	[ 'after a runtime error', "SELECT 1 / 0, '$visa';", 'idle' ],
	[ 'after a syntax error', "SELEC '$visa';", 'idle' ],
	[ 'after a syntax error in a transaction', "BEGIN;\nSELEC '$visa';", 'idle' ],
	[ 'in a transaction that has failed', "BEGIN;\nSELECT 1 / 0;\nSELECT '$visa';", 'idle' ],
	[ 'after EXECUTE with a password', "PREPARE pass (text) AS SELECT set_payment_password(7, \$1);\nEXECUTE pass ('$password');", 'idle' ],
	[ 'after EXECUTE with a password, of what is not prepared', "EXECUTE pass ('$password');", 'idle' ],
	[ 'in a function of one\'s own, once the password has arrived', "SELECT pg_sleep(600) FROM (SELECT shut('$holder') OFFSET 0) s;", 'sleeps' ],
	[ 'after a function of one\'s own', "SELECT enter('$holder');", 'idle' ],
	[ 'after a password with the wrong quotation marks', qq{SELECT set_payment_password(7, "$password");}, 'idle' ],
	[ 'after nothing but a comment', "/* $visa */;", 'idle' ],
);

foreach (@sessions)
{
	my ($name, $script, $then) = @$_;

	foreach my $node ($bare, $guarded)
	{
		my ($in, $out) = ("\\echo ready\n", '');
		local $ENV{PGOPTIONS} = $quiet;
		my $psql = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres') ],
			'<', \$in, '>', \$out, '2>&1', IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

		pump_psql_until($psql, sub { $out =~ /ready/ });
		$in .= "$script\n" . ($then eq 'idle' ? "\\echo done\n" : '');
		if ($then eq 'idle')
		{
			pump_psql_until($psql, sub { $out =~ /done/ });
		}
		else
		{
			pump_psql_until($psql, sub { $in eq '' });
			wait_event($node, 'PgSleep');
		}
		my $text = activity($node);
		if ($node == $guarded)
		{
			is_clean($text, "pg_stat_activity $name: on the guarded server it is not there");
			like($text, qr/$remark/, "pg_stat_activity $name: but the remark is");
		}
		else
		{
			# a number at the end is cut off, by the bare server as well
			like($text, $name =~ /at the end/ ? qr/'x+4000056655/ : qr/$visa|$grouped|$unionpay|$holder|$password/,
				"pg_stat_activity $name: on the bare server it is there");
		}
		$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'});
		$psql->finish;
	}
}

# What a session says of itself is shown there, too.
foreach my $node ($bare, $guarded)
{
	my %sessions = (
		'SET application_name' => [ '', "SET application_name = '$visa';" ],
		'set_config()' => [ '', "SELECT set_config('application_name', '$visa', false);" ],
		'application_name of the connection' => [ " application_name='$visa'", 'SELECT 1;' ]);

	foreach my $name (sort keys %sessions)
	{
		my ($option, $sql) = @{ $sessions{$name} };
		my $shown = $node->safe_psql('postgres', "$sql SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()",
			connstr => $node->connstr('postgres') . $option);

		like($shown, $node == $guarded ? qr/^\*{16}$/m : qr/^$visa$/m, "pg_stat_activity: $name on the " . $node->name . ' server');
	}
}

# A literal in a prepared statement stands there anew with each Bind.
foreach my $node ($bare, $guarded)
{
	my ($handle, $file) = File::Temp::tempfile(DIR => PostgreSQL::Test::Utils::tempdir());

	local $ENV{PGOPTIONS} = $quiet;
	print $handle "SELECT '$visa', pg_sleep(:seconds);\n";
	close $handle or die "close: $!";
	my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-t', '2', '-M', 'prepared', '-D', 'seconds=3', '-f', $file,
			'-h', $node->host, '-p', $node->port, 'postgres' ], '>', '/dev/null', '2>', '/dev/null');

	foreach my $time (1, 2)
	{
		wait_event($node, 'PgSleep');
		my $text = activity($node);
		if ($node == $guarded)
		{
			is_clean($text, "pg_stat_activity during a prepared statement, time $time: on the guarded server it is not there");
		}
		else
		{
			like($text, qr/$visa/, "pg_stat_activity during a prepared statement, time $time: on the bare server it is there");
		}
		sleep 3 if $time == 1;
	}
	$pgbench->finish;
}

# ---------- pg_stat_statements ----------

# It keeps utility commands as they are; a query's constants it leaves out by itself.
foreach my $node ($bare, $guarded)
{
	psql($node, q{SELECT pg_stat_statements_reset()});
	psql($node, "SELECT seal('$holder'), '$visa'");
	psql($node, "INSERT INTO other VALUES (1, '$visa', '$holder')");
	psql($node, "DO \$\$ BEGIN PERFORM seal('$holder'), '$visa'; END \$\$");
	psql($node, "CALL charge('$visa')");
	psql($node, "SELECT 1\\; CALL charge('$grouped')\\; SELECT 2");
	psql($node, "BEGIN; DECLARE c CURSOR FOR SELECT '$visa'; FETCH c; COMMIT");
	psql($node, "CREATE TEMP TABLE copied AS SELECT '$visa' AS a");
	psql($node, "EXPLAIN ANALYZE SELECT * FROM other WHERE a = '$visa'");
	psql($node, "PREPARE p AS SELECT '$visa', '$grouped'; EXECUTE p");
	psql($node, "PREPARE p (text) AS SELECT set_payment_password(7, \$1); EXPLAIN EXECUTE p ('$password')");
	psql($node, "SET application_name = '$unionpay'");
}
my $statements = q{SELECT string_agg(query, E'\n') FROM pg_stat_statements};
ok(scalar(leaks_in($bare->safe_psql('postgres', $statements))), 'pg_stat_statements: the bare server has it');
is_clean($guarded->safe_psql('postgres', $statements), 'pg_stat_statements: the guarded one has not');
like($guarded->safe_psql('postgres', $statements), qr/INSERT INTO other VALUES \(\$1, \$2, \$3\)/,
	'pg_stat_statements: it has what it may');
my $prepared = "PREPARE p AS SELECT '$visa'; DECLARE c CURSOR WITH HOLD FOR SELECT '$visa';"
  . ' SELECT statement FROM pg_prepared_statements UNION ALL SELECT statement FROM pg_cursors';
ok(scalar(leaks_in($bare->safe_psql('postgres', $prepared))), 'pg_prepared_statements and pg_cursors: the bare server has it');
is_clean($guarded->safe_psql('postgres', $prepared), 'pg_prepared_statements and pg_cursors: the guarded one has not');

# ---------- memory contexts ----------

# A process that has no memory left writes their names to stderr. Those of prepared statements are statements.
foreach my $node ($bare, $guarded)
{
	$node->safe_psql('postgres', 'CREATE TABLE contexts (ident text)');
	pgbench($node, 'prepared', "SELECT '$visa', :n::integer;\n" x 8
		  . "INSERT INTO contexts SELECT ident FROM pg_backend_memory_contexts WHERE ident IS NOT NULL AND :n::integer = 1;\n", n => 1);
	# by SQL: two messages, for psql sends a statement at a time
	$node->safe_psql('postgres', "PREPARE by_sql AS SELECT '$visa', 'by SQL';\nINSERT INTO contexts SELECT ident FROM pg_backend_memory_contexts WHERE ident IS NOT NULL");
}
my $contexts = q{SELECT string_agg(ident, E'\n') FROM contexts};
like($bare->safe_psql('postgres', $contexts), qr/SELECT '$visa'/, 'memory contexts: the bare server has it');
like($bare->safe_psql('postgres', $contexts), qr/PREPARE by_sql AS SELECT '$visa'/, 'memory contexts: that of PREPARE, too');
is_clean($guarded->safe_psql('postgres', $contexts), 'memory contexts: the guarded one has not');
like($guarded->safe_psql('postgres', $contexts), qr/^$remark\n/m, 'memory contexts: the remark is there');
like($guarded->safe_psql('postgres', $contexts), qr/^INSERT INTO contexts/m, 'memory contexts: and what may be known');

# ---------- the guard itself ----------

is($guarded->safe_psql('postgres', 'SHOW order_payment.log_guard'), 'on', 'order_payment.log_guard: on where it is preloaded');
is($bare->safe_psql('postgres', q{LOAD 'order_payment'; SHOW order_payment.log_guard}), 'off', 'off where it is loaded later');
is($guarded->safe_psql('postgres', "SELECT '$visa' = '$visa', current_query() IS NOT NULL"), 't|t', 'statements do what they did');
is($guarded->safe_psql('postgres', "PREPARE p (text) AS SELECT \$1 || '$visa'; EXECUTE p('$grouped')"),
	"$grouped$visa", 'so do prepared ones');

# names that an administrator gives later, in a session that has found the statement harmless before
my $late = $guarded->background_psql('postgres', on_error_stop => 0);
my $search = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%' || 'keep' || '(''name'')%' AND pid <> pg_backend_pid()";
$late->query('CREATE FUNCTION keep(text) RETURNS integer LANGUAGE sql AS \'SELECT 1\'');
$late->query(q{SELECT keep('name')});
is($guarded->safe_psql('postgres', $search), 1, 'a statement that names nothing secret is shown');
my $why;
foreach my $list ('login; keep', 'public.keep', 'x' x 64, join ',', 'a' .. 'zz')
{
	$guarded->psql('postgres', "ALTER SYSTEM SET order_payment.secret_names = '$list'", stderr => \$why);
	like($why, qr/at most 32 names, of at most 63 bytes/, 'order_payment.secret_names does not take ' . substr $list, 0, 20);
}
$guarded->safe_psql('postgres', q{ALTER SYSTEM SET order_payment.secret_names = 'LOGIN, keep'});
$guarded->reload;
$guarded->poll_query_until('postgres', q{SELECT current_setting('order_payment.secret_names') = 'LOGIN, keep'}) or die 'reload';
$late->query(q{SELECT current_setting('order_payment.secret_names')});
$late->query(q{SELECT keep('name')});
is($guarded->safe_psql('postgres', $search), 0, 'once it does, it is not');
$late->quit;

# A library that is loaded after it sees records before they are edited. This one only takes the hook.
{
	my $build = PostgreSQL::Test::Utils::tempdir();

	copy("$FindBin::RealBin/late_logger.c", $build) or die "late_logger.c: $!";
	append_to_file("$build/Makefile", "MODULES = late_logger\nPGXS := \$(shell \$(PG_CONFIG) --pgxs)\ninclude \$(PGXS)\n");
	{
		# what make has told prove is of another build
		local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
		system_or_bail('make', '-s', '-C', $build, 'with_llvm=no', 'PG_CONFIG=pg_config');
	}
	foreach my $case ([ "$build/late_logger, order_payment", 'on', 'first' ], [ "order_payment, $build/late_logger", 'off', 'last' ])
	{
		my ($libraries, $shown, $place) = @$case;
		my $node = make_cluster("logger_$place", conf => "shared_preload_libraries = '$libraries'\n");

		$node->safe_psql('postgres', 'CREATE EXTENSION order_payment; SELECT order_payment.create_data_keys()');
		is($node->safe_psql('postgres', 'SHOW order_payment.log_guard'), $shown, "a library that takes the hook, loaded $place: the guard is $shown");
		my $said = failure($node, 'postgres', "SELECT order_payment.seal('$visa', 'number', 'x')");
		is($said =~ /OP011: / ? 'off' : $said, $shown eq 'on' ? '' : 'off', 'and clear card data are ' . ($shown eq 'on' ? 'taken' : 'refused'));
		$node->stop;
	}
}

# ---------- all that was ever logged ----------

my @found = find_leaks(files_below($guarded->data_dir . '/log'));
ok(!@found, 'in the whole log directory of the guarded server there is none') or diag(join "\n", @found);
foreach my $file (log_files($bare))
{
	my %seen = map { s/.*: (.*) \(.*\)$/$1/r => 1 } find_leaks($file);
	is(scalar(keys %seen), scalar(my @all = secrets()), 'in ' . ($file =~ s{.*/}{}r) . ' of the bare one there are all of them');
}
is(() = slurp_file($guarded->data_dir . '/log/server.log') =~ /PANIC|TRAP/g, 0, 'the guard did no harm');

done_testing();
