
# The whole cluster is searched for card numbers and keys after everything was
# tried with them that goes well or wrong: data directory (heap, WAL, temporary
# files, statistics), server log, dump, pg_stat_activity, pg_stat_statements,
# the memory of a backend. 016_log_guard.pl goes through the ways into the log
# one by one; this one looks whether anything was forgotten.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use IPC::Run ();
use LeakTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = make_cluster('crash_leaks', conf => q{
restart_after_crash = on
shared_preload_libraries = 'auto_explain, pg_stat_statements, order_payment'
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = 'log'
log_statement = all
log_min_duration_statement = 0
log_min_messages = debug2
log_min_error_statement = debug5
log_error_verbosity = verbose
log_parameter_max_length_on_error = -1
auto_explain.log_min_duration = 0
auto_explain.log_verbose = on
debug_print_plan = on
max_prepared_transactions = 5
work_mem = 64kB
wal_level = logical
log_statement_stats = on
order_payment.secret_names = 'login'
});
my $root_key = (split ' ', slurp_file($node->basedir . '/root.key'))[1];

$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
CREATE EXTENSION pg_stat_statements;
SELECT order_payment.create_data_keys();
CREATE ROLE shop_owner;
CREATE ROLE shop_app;
SELECT order_payment.create_store('shop', 'EUR', app_role => 'shop_app', gateway_role => 'shop_app', owner => 'shop_owner');
SELECT pg_create_logical_replication_slot('watch', 'test_decoding');
ALTER DATABASE postgres SET search_path = shop, public, order_payment;
});
$node->safe_psql('postgres', q{
INSERT INTO gateways (gateway) VALUES ('acme');
INSERT INTO orders (order_id, customer_id, price) SELECT n, n, 20 FROM generate_series(1, 2000) n;
CREATE TABLE wallet (id integer PRIMARY KEY, number text, holder text, email text UNIQUE, CHECK (id < 1000000));
SELECT protect_card_columns('wallet', 'number', 'holder', fingerprint => 'fingerprint');
CREATE TABLE notes (id integer PRIMARY KEY, note text CHECK (length(note) < 10));
CREATE FUNCTION pay(card text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO shop.payments (order_id, gateway, amount, card_number) VALUES (9999, ''acme'', 20, %L)', card);
END $$;
CREATE FUNCTION login(customer_id integer, text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN verify_payment_password(customer_id, $2);
END $$;
CREATE FUNCTION slow(card text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.2), card;
	RAISE EXCEPTION 'stopped';
END $$;
});

# ---------- what is tried ----------

# CARD, HOLDER and PASSWORD stand for a number, a name and a payment password. First what goes well.
my @good = (
	q{INSERT INTO payments (order_id, gateway, amount, card_number, card_holder, card_expiry) VALUES (1, 'acme', 20, 'CARD', 'HOLDER', '12/29')},
	q{SELECT create_payment(2, 'acme', card_number => 'CARD', card_holder => 'HOLDER')},
	q{UPDATE payments SET card_number = 'CARD' WHERE order_id = 1},
	q{INSERT INTO wallet (id, number, holder) VALUES (1, 'CARD', 'HOLDER') ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number, holder = EXCLUDED.holder},
	q{MERGE INTO wallet w USING (VALUES (2, 'CARD')) s (id, number) ON w.id = s.id WHEN NOT MATCHED THEN INSERT (id, number) VALUES (s.id, s.number) WHEN MATCHED THEN UPDATE SET number = s.number},
	q{WITH i AS (INSERT INTO wallet (id, number) VALUES (3, 'CARD') ON CONFLICT DO NOTHING RETURNING *) SELECT * FROM i ORDER BY 2},
	q{BEGIN; INSERT INTO wallet (id, number) VALUES (4, 'CARD') ON CONFLICT DO NOTHING; SAVEPOINT s; UPDATE wallet SET number = 'CARD'; ROLLBACK TO s; COMMIT},
	q{BEGIN; INSERT INTO wallet (id, number) VALUES (5, 'CARD'); PREPARE TRANSACTION 'two'; ROLLBACK PREPARED 'two'},
	q{PREPARE p AS INSERT INTO wallet (id, number) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number; EXECUTE p (6, 'CARD'); EXECUTE p (7, 'CARD')},
	q{BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT w.number, n FROM wallet w, generate_series(1, 20000) n ORDER BY n DESC; COMMIT; FETCH 1 FROM c},
	q{SELECT seal('CARD', 'number', 'x'), length(reveal(seal('CARD', 'number', 'x'), 'x'))},
	q{SELECT count(*) FROM find_card('CARD')},
	q{SELECT card_brand('CARD'), card_mask('CARD'), luhn_valid('CARD')},
	q{EXPLAIN (ANALYZE, VERBOSE) INSERT INTO wallet (id, number) VALUES (8, 'CARD') ON CONFLICT DO NOTHING},
	q{SET order_payment.actor = 'CARD'; SET order_payment.reason = 'card CARD'; SET application_name = 'CARD';
	  UPDATE orders SET status = 'cancelled' WHERE order_id = 1000 + (random() * 900)::integer; SELECT reveal(seal('x', 'text', 'x'), 'x')},
	q{SELECT set_payment_password(1, 'PASSWORD')},
	q{PREPARE p (text) AS SELECT verify_payment_password(1, $1); EXECUTE p ('PASSWORD'); EXPLAIN (ANALYZE, VERBOSE) EXECUTE p ('PASSWORD')},
	q{BEGIN; DECLARE c CURSOR FOR SELECT verify_payment_password(1, 'PASSWORD'); FETCH c; COMMIT},
	q{DO $$ BEGIN IF NOT verify_payment_password(1, 'PASSWORD') THEN RAISE 'wrong'; END IF; END $$},
	q{SELECT login(1, 'PASSWORD')},
	q{SELECT create_payment(4, 'acme', 20, NULL, NULL, NULL, false, NULL, 'shop', NULL, 'HOLDER', NULL, 'PASSWORD')},
	q{LISTEN card; NOTIFY card, 'a'; SELECT 'CARD' AS nothing_of_ours},
);
# Then what fails, in every way we know.
my @bad = (
	q{INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (99999, 'acme', 20, 'CARD')},
	q{INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (3, 'nobody', 20, 'CARD')},
	q{INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (3, 'acme', -1, 'CARD')},
	q{INSERT INTO payments (order_id, gateway, amount, card_number, nothing) VALUES (3, 'acme', 20, 'CARD', 1)},
	q{INSERT INTO payments (order_id, gateway, amount, card_expiry) VALUES (3, 'acme', 20, 'CARD')},
	q{INSERT INTO payments (order_id, gateway, amount, card_number_sealed) VALUES (3, 'acme', 20, 'CARD')},
	q{INSERT INTO payments (order_id, gateway, amount, currency) VALUES (3, 'acme', 20, 'CARD')},
	q{INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (3, 'acme', 20, 'CARD' || '0')},
	q{INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (3, 'acme', 20, 'x CARD')},
	q{INSERT INTO payments (order_id, gateway, amount, status, card_number) VALUES (3, 'acme', 20, 'none', 'CARD')},
	q{UPDATE payments SET card_number_sealed = seal('CARD', 'number', 'x') WHERE order_id = 1},
	q{UPDATE payments SET card_number = 'CARD', order_id = 7 WHERE order_id = 1},
	q{UPDATE wallet SET id = 2000000, number = 'CARD' WHERE id = 1},
	q{INSERT INTO wallet (id, number) VALUES (1, 'CARD')},
	q{INSERT INTO wallet (id, number) VALUES (NULL, 'CARD')},
	q{INSERT INTO wallet (id, number) VALUES (1000001, 'CARD')},
	q{INSERT INTO wallet (id, number) SELECT 1, 'CARD' UNION ALL SELECT 1, 'CARD' ORDER BY 2},
	q{INSERT INTO wallet (id, number) VALUES ('CARD', 'x')},
	q{PREPARE p (text) AS SELECT set_payment_password(1, $1); EXECUTE p ('PASSWORD', 2)},
	q{PREPARE p (text) AS SELECT create_payment(99999, 'acme', payment_password => $1); EXECUTE p ('PASSWORD')},
	q{SELECT login(1, 'PASSWORD', 2)},
	q{SELECT login(1, NULL) FROM (SELECT 'PASSWORD') p},
	q{SELECT create_payment(99999, 'acme', 20, NULL, NULL, NULL, false, NULL, 'shop', NULL, 'HOLDER', NULL, 'PASSWORD')},
	q{SELECT verify_payment_password(1, 'PASSWORD', 'nowhere')},
	q{SELECT verify_payment_password(1, a.b.c."PASSWORD")},
	q{SELECT 'CARD'::sealed},
	q{SELECT reveal(seal('CARD', 'number', 'x'), 'y')},
	q{SELECT reveal('CARD', 'y')},
	q{SELECT seal('CARD', 'nothing', 'x')},
	q{SELECT seal('CARD', 'expiry', 'x')},
	q{SELECT seal('HOLDER*', 'holder', 'x')},
	q{SELECT card_mask('CARD-')},
	q{SELECT binding('CARD', now())},
	q{SELECT pay('CARD')},
	q{SET statement_timeout = 50; SELECT slow('CARD')},
	q{SELECT slow('CARD')},
	q{DO $$ BEGIN PERFORM 1 / 0 FROM (SELECT 'CARD') x; END $$},
	q{DO $$ BEGIN RAISE EXCEPTION 'no %', 'CARD'; END $$},
	q{SELEC 'CARD'},
	q{SELECT 'CARD' FROM nowhere},
	q{SELECT "CARD" FROM wallet},
	q{SELECT nothing('CARD')},
	q{SELECT 'CARD'::uuid},
	q{SELECT 1 / (id - id), 'CARD' FROM wallet},
	q{EXECUTE nothing ('CARD')},
	q{PREPARE p (integer) AS SELECT $1; EXECUTE p ('CARD')},
	q{SELECT set_config('CARD', 'CARD', false)},
	q{COPY wallet (id, number) FROM PROGRAM 'echo 1,CARD' CSV},
	q{COPY wallet (id, number) FROM PROGRAM 'echo CARD,CARD' CSV},
	q{COPY wallet (id, number_sealed) FROM PROGRAM 'echo 77,CARD' CSV},
	q{COPY wallet (id, number) FROM '/nowhere/CARD'},
	q{INSERT INTO notes VALUES (1, 'CARD')},
	q{BEGIN READ ONLY; INSERT INTO wallet (id, number) VALUES (1, 'CARD')},
	q{BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO wallet (id, number) VALUES (90, 'CARD'); SELECT 1 / 0},
	q{SET ROLE shop_app; SELECT reveal(seal('CARD', 'number', 'x'), 'x')},
	q{SET ROLE shop_app; INSERT INTO public.wallet (id, number) VALUES (91, 'CARD')},
	q{SET order_payment.allow_unguarded = 'CARD'},
	q{SET order_payment.actor = 'CARD'; UPDATE orders SET status = 'completed' WHERE order_id = 1},
	q{UPDATE orders SET status = 'CARD' WHERE order_id = 1},
	q{SELECT refund_order(1, 'CARD'::numeric)},
	q{SELECT create_payment('CARD', 'acme')},
	q{SELECT create_payment(1, 'CARD')},
	q{SELECT create_payment(3, 'acme', request_key => 'k', card_number => 'CARD', card_expiry => 'CARD')},
	q{ALTER TABLE wallet ADD CONSTRAINT c CHECK (number <> 'CARD') NO NONSENSE},
	q{CREATE VIEW v AS SELECT nothing FROM wallet WHERE number = 'CARD'},
);

cmp_ok(scalar @bad, '>=', 40, 'at least forty ways to fail');

sub try
{
	my ($sql) = @_;
	my ($out, $err);
	my $status = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 1);

	return ($status, $out // '', $err // '');
}

sub filled
{
	my ($statement, $number) = @_;

	return $statement =~ s/CARD/$number/gr =~ s/HOLDER/$holder/gr =~ s/PASSWORD/$password/gr;
}

foreach my $statement (@good)
{
	my ($status, $out, $err) = try(filled($statement, $visa));

	is($status, 0, "goes well: " . substr $statement, 0, 60) or diag $err;
}
foreach my $statement (@bad)
{
	my $failed = 0;

	foreach my $number ($visa, $unionpay)
	{
		my ($status, $out, $err) = try(filled($statement, $number));

		$failed++ if $status != 0;
	}
	is($failed, 2, "fails: " . substr $statement, 0, 60);
}

# by bind parameters: prepared, extended and simple, going well and failing
my $script = $node->basedir . '/bind.sql';
append_to_file($script, "\\set id random(100, 900000)\n"
	  . "INSERT INTO wallet (id, number, holder) VALUES (:id, :card, :holder) ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;\n"
	  . "INSERT INTO payments (order_id, gateway, amount, card_number) VALUES (12345678, 'acme', 20, :card);\n");
foreach my $mode (qw(simple extended prepared))
{
	my $card = $mode eq 'simple' ? "'$visa'" : $visa;
	my $name = $mode eq 'simple' ? "'$holder'" : $holder;

	IPC::Run::run([ 'pgbench', '-n', '-t', '20', '-M', $mode, '-D', "card=$card", '-D', "holder=$name",
		'-f', $script, $node->connstr('postgres') ], '>', \my $out, '2>', \my $err);
	like($err, qr/does not exist|violates|23503/, "bind parameters fail as well, protocol $mode");
}

# ---------- where it may stand ----------

# while a session is in the middle of a statement, and what it ran last
my $busy = $node->background_psql('postgres', on_error_stop => 0);
$busy->query_until(qr/ready/, "\\echo ready\nSELECT reveal(seal('$visa', 'number', 'x'), 'x') \\g /dev/null\n"
	  . "SELECT pg_sleep(1000), '$visa';\n");
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'})
  or die 'nobody sleeps';
my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
is_clean($node->safe_psql('postgres', 'SELECT * FROM pg_stat_activity'), 'pg_stat_activity');

is_clean($node->safe_psql('postgres', 'SELECT query FROM pg_stat_statements'), 'pg_stat_statements');
is_clean($node->safe_psql('postgres', 'SELECT * FROM pg_stats'), 'pg_stats');
is_clean($node->safe_psql('postgres', q{SELECT data FROM pg_logical_slot_peek_changes('watch', NULL, NULL)}), 'what is decoded from WAL');
is_clean($node->safe_psql('postgres', 'TABLE order_payment.reveal_log; TABLE shop.order_events; TABLE order_payment.data_keys'), 'reveal log, history, keys');
is_clean($node->safe_psql('postgres', q{SELECT name, setting FROM pg_settings}), 'settings');

# a backend that has opened a card shows its memory to nobody, and leaves no core
sub can_read_memory
{
	my ($process) = @_;

	open my $memory, '<:raw', "/proc/$process/mem" or return 0;
	return 1;
}

# The memory that all processes share, which the core of any of them holds, in a file.
sub dump_shared_memory
{
	my ($process) = @_;
	my $path = $node->basedir . '/shared_memory';

	open my $memory, '<:raw', "/proc/$process/mem" or die "memory: $!";
	open my $copy, '>:raw', $path or die "$path: $!";
	foreach (grep { m{ rw-s .*/dev/zero} } split /\n/, slurp_file("/proc/$process/maps"))
	{
		my ($begin, $end) = map { hex } /^([0-9a-f]+)-([0-9a-f]+) /;

		seek $memory, $begin, 0 or die "seek: $!";
		read($memory, my $bytes, $end - $begin) or die "read: $!";
		print $copy $bytes;
	}
	close $copy or die "close: $!";
	return $path;
}

SKIP:
{
	skip 'needs /proc and a user who is not root', 4 if !-e '/proc/self/mem' || $> == 0;
	ok(!can_read_memory($pid), 'the memory of a backend with keys cannot be read');
	$node->append_conf('postgresql.conf', 'order_payment.protect_memory = off');
	$node->reload;
	usleep(300_000);
	my $open = $node->background_psql('postgres');
	$open->query(q{SELECT order_payment.seal('x', 'text', 'x')});
	my $open_pid = $open->query('SELECT pg_backend_pid()') =~ s/\D//gr;
	ok(can_read_memory($open_pid), '... but for the setting it could');
	my $shared = dump_shared_memory($open_pid);
	cmp_ok(-s $shared, '>', 1_000_000, 'processes share memory');
	is(join("\n", find_leaks($shared)), '', 'no card number is left in it');
	unlink $shared;
	$open->quit;
}

# it crashes
ok(survives($node, sub { kill 'ABRT', $pid or die "kill: $!"; $busy->{run}->kill_kill; }), 'the server is back after a crash');
my @cores = grep { m{/core[^/]*$} } files_below($node->data_dir);
is("@cores", '', 'no core file');

# dumps
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dumpall', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dumpall');
$node->safe_psql('postgres', 'CHECKPOINT; VACUUM FULL');

# all files of the server, while it runs and when it has stopped; the key's own file is beside
sub search
{
	my ($when) = @_;
	my @files = files_below($node->data_dir);
	my @found = find_leaks(@files, $dump);
	my @bytes = ($root_key, uc $root_key, pack 'H*', $root_key);

	cmp_ok(scalar(@files), '>', 1000, "there are files to be searched, $when");
	is(join("\n", @found), '', "no card number in any file, $when");
	my @keyed = grep {
		my $content = slurp_file($_);
		grep { index($content, $_) >= 0 } @bytes
	} @files, $dump;
	is("@keyed", '', "nor the root key, $when");
}
search('running');
$node->stop;
search('stopped');

# ---------- the search finds what is there ----------

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\norder_payment.allow_unguarded = on");
$node->start;
$node->safe_psql('postgres', "INSERT INTO wallet (id, number) VALUES (999, '$visa'); CREATE TABLE clear AS SELECT '$unionpay' AS number; CHECKPOINT");
my @found = find_leaks(files_below($node->data_dir));
ok(scalar(grep { m{/log/.*\Q$visa\E} } @found), 'without the guard the log has the number');
ok(scalar(grep { m{/base/.*\Q$unionpay\E} } @found), 'an unprotected table has it');
ok(scalar(grep { m{/pg_wal/.*\Q$unionpay\E} } @found), 'and so has WAL');
$node->stop;

done_testing();
