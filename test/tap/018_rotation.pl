
# Every key can be replaced while the shop runs. reseal() is killed twenty times
# under concurrent writes, and every value opens at each step; then nothing needs
# the old keys and they are destroyed. Fingerprints find their cards while they
# are made anew. The root key is replaced too, in parts, from a command; and a
# source that is wrong in any way is refused at once, with nothing written.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use File::Temp ();
use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $ROWS = 10_000;
my $KILLS = 20;
my @PANS = ('4111111111111111', '4222222222222', '4000000000000000006', '5555555555554444', '378282246310005',
	'6011111111111117', '30569309025904', '3566002020360505', '6205500000000000004', '6304000000000000');

my $node = make_cluster('rotation_crash', conf => q{
shared_preload_libraries = 'order_payment'
restart_after_crash = on
fsync = off
order_payment.reveal_budget = -1
max_connections = 30
max_worker_processes = 16
max_prepared_transactions = 2
});

sub sql { return $node->safe_psql('postgres', @_); }

# The state of the error, or 'done'.
sub sqlstate_of
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err);
	return $err =~ /(?:ERROR|FATAL):\s+(\w{5}):/ ? $1 : 'done';
}

# ---------- reseal, killed ----------

my $pans = "'{" . join(',', @PANS) . "}'::text[]";

sql(qq{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
CREATE TABLE cards (id integer PRIMARY KEY, which integer NOT NULL, number text, holder text, expiry text, note integer);
SELECT order_payment.protect_card_columns('cards', 'number', 'holder', 'expiry', 'fingerprint');
CREATE INDEX ON cards (fingerprint);
CREATE FUNCTION pan(which integer) RETURNS text LANGUAGE sql IMMUTABLE AS \$\$ SELECT ($pans)[which + 1] \$\$;
INSERT INTO cards SELECT n, n % 10, pan(n % 10), 'Ann Lee', '12/29', 0 FROM generate_series(1, $ROWS) n;
CREATE VIEW faults AS
	SELECT c.id, f.fault FROM cards c, order_payment.binding('public.cards', c.id) b (bound_to),
		LATERAL (VALUES (c.number_sealed, c.number), (c.holder_sealed, c.holder), (c.expiry_sealed, c.expiry)) v (value, shown),
		order_payment.card_fault(v.value, v.shown, b.bound_to) f (fault)
	WHERE v.shown IS NOT NULL AND (v.value IS NULL OR f.fault IS NOT NULL);
CREATE VIEW strangers AS  -- whose fingerprint is not that of the number that was written
	WITH f AS MATERIALIZED (SELECT w, order_payment.card_fingerprints(pan(w)) AS those FROM generate_series(0, 9) w)
	SELECT c.id FROM cards c JOIN f ON f.w = c.which
	WHERE c.fingerprint <> ALL (f.those) OR c.fingerprint IS NULL;
CREATE VIEW old_values AS
	SELECT count(*) AS n FROM order_payment.values_by_key() v JOIN order_payment.data_keys k USING (key_id) WHERE k.state <> 'active';
});

my $writing = File::Temp->new;
print $writing join("\n", '\set id random(1, ' . $ROWS . ')', '\set which random(0, 9)', '\set what random(1, 4)',
	'\if :what = 1', 'UPDATE cards SET note = note + 1 WHERE id = :id;',
	'\elif :what = 2', 'UPDATE cards SET number = pan(:which), which = :which WHERE id = :id;',
	'\elif :what = 3', 'INSERT INTO cards VALUES (:id, :which, pan(:which), \'Bob\', \'01/30\', 0)'
	  . ' ON CONFLICT (id) DO UPDATE SET number = excluded.number, which = excluded.which, holder = excluded.holder, expiry = excluded.expiry;',
	'\else', 'BEGIN; DELETE FROM cards WHERE id = :id;',
	'INSERT INTO cards VALUES (:id, :which, pan(:which), \'Cy\', \'02/31\', 0) ON CONFLICT DO NOTHING; COMMIT;',
	'\endif', '');
$writing->flush;

# pgbench, whose clients do not outlive a crash
sub start_writing
{
	my $writer = { out => '', err => '' };

	$writer->{run} = IPC::Run::start(
		[ 'pgbench', '-n', '-c', 3, '-j', 1, '-R', 600, '-T', 600, '-f', $writing->filename, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'>', \$writer->{out}, '2>', \$writer->{err});
	return $writer;
}

sub are_sound
{
	my ($name) = @_;

	is(sql('SELECT (SELECT count(*) FROM faults), (SELECT count(*) FROM strangers), count(*) FROM cards WHERE number IS NOT NULL'),
		"0|0|$ROWS", $name);
	return;
}

# Waits until a call of reseal() has done some rows; returns its process.
sub wait_for_rows
{
	my ($rows) = @_;

	foreach (1 .. 1500)
	{
		my $pid = sql("SELECT backend_pid FROM order_payment.reseal_runs WHERE finished_at IS NULL AND resealed >= $rows
			AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = backend_pid AND a.backend_start = reseal_runs.backend_start)");
		return $pid if $pid ne '';
		usleep(10_000);
	}
	die 'reseal() does nothing';
}

are_sound('to begin with');
my @keys;

foreach my $kill (1 .. $KILLS)
{
	# each fifth time it is to begin anew, with rows of several old keys
	if ($kill % 5 == 1)
	{
		push @keys, split /\n/, sql(q{SELECT key_id FROM order_payment.data_keys WHERE state = 'active' AND purpose IN ('data', 'fingerprint')});
		sql(q{SELECT order_payment.create_data_key('data'), order_payment.create_data_key('fingerprint')});
	}
	my $writer = start_writing();
	my $reseal = start_psql($node, 'postgres', q{CALL order_payment.reseal('cards', max_rate => 4000, batch_pages => 8)});
	my $pid = wait_for_rows(100 + 40 * $kill);

	survives($node, sub {
		kill 'KILL', $pid;
		eval { $reseal->{run}->finish };
		eval { $writer->{run}->finish };
	}) or die 'the server did not recover';
	are_sound("kill $kill: every value opens, every fingerprint is its number's");
}
is(sql(q{SELECT count(*) FROM order_payment.reseal_progress WHERE state = 'interrupted'}), $KILLS, 'the calls that were killed are told');
cmp_ok(sql('SELECT n FROM old_values'), '>', 0, 'it was not done by then');

# one is asked to stop, one goes to its end, two at once, and the shop goes on
my $writer = start_writing();
my $slow = start_psql($node, 'postgres', q{CALL order_payment.reseal('cards', max_rate => 200, batch_pages => 1)});
sql('SELECT pg_cancel_backend(' . wait_for_rows(20) . ')');
$slow->{run}->finish;
like($slow->{err}, qr/canceling statement due to user request/, 'it can be cancelled');
my @both = map { start_psql($node, 'postgres', q{CALL order_payment.reseal('cards')}) } 1, 2;
$_->{run}->finish foreach @both;
is(join('', map { $_->{err} =~ /ERROR/ ? $_->{err} : '' } @both), '', 'two at once');
$writer->{run}->signal('TERM');
eval { $writer->{run}->finish };
sql(q{CALL order_payment.reseal('cards')});
is(sql('SELECT n FROM old_values'), 0, 'nothing is left under an old key');
are_sound('and every value opens');
is(sql(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), 0, 'no lock is left');

foreach my $key (@keys)
{
	is(sqlstate_of("SELECT order_payment.destroy_data_key($key)"), 'done', "old key $key is destroyed");
}
are_sound('without the old keys, too');
is(sql(q{SELECT order_payment.reveal(number_sealed, order_payment.binding('public.cards', id)) = pan(which) FROM cards WHERE id = 4711}), 't',
	'and is what it was');

# ---------- fingerprints, looked up while they are made anew ----------

my $expected = sql(q{SELECT count(*) FROM cards WHERE which = 3});

sql(q{SELECT order_payment.create_data_key('fingerprint')});
$slow = start_psql($node, 'postgres', q{CALL order_payment.reseal('cards', max_rate => 8000, batch_pages => 4)});
wait_for_rows(200);
my ($looks, $wrong, $mixed) = (0, 0, 0);

while ($slow->{run}->pumpable)
{
	my ($found, $keys) = split /\|/, sql(qq{
		SELECT count(*), count(DISTINCT order_payment.fingerprint_key(fingerprint))
		FROM cards WHERE fingerprint = ANY ((SELECT order_payment.card_fingerprints('$PANS[3]'))::bytea[])});
	$looks++;
	$wrong++ if $found != $expected;
	$mixed++ if $keys > 1;
	$slow->{run}->pump_nb;
}
$slow->{run}->finish;
cmp_ok($mixed, '>', 0, "lookups while fingerprints are of two keys: $mixed of $looks");
is($wrong, 0, 'each finds all cards of a number');
are_sound('new fingerprints');

# ---------- a key is wanted by what was not committed yet ----------

my $old = sql(q{SELECT key_id FROM order_payment.data_keys WHERE purpose = 'data' AND state = 'active'});

sql(qq{BEGIN; INSERT INTO cards VALUES ($ROWS + 1, 0, pan(0), 'Dee', '03/32', 0); PREPARE TRANSACTION 'late'});
sql(q{SELECT order_payment.create_data_key('data')});
sql(q{CALL order_payment.reseal('cards')});
my (undef, undef, $why) = $node->psql('postgres', "SELECT order_payment.destroy_data_key($old)");
like($why, qr/may be wanted by transactions that still run\nDETAIL:  They are: prepared transaction 'late'/, 'a prepared transaction may bring a value of the old key');
sql(q{COMMIT PREPARED 'late'});
(undef, undef, $why) = $node->psql('postgres', "SELECT order_payment.destroy_data_key($old)");
like($why, qr/is needed\nDETAIL:  It has made these values: 1 of public\.cards\.expiry_sealed, 1 of/, 'and did');
sql(q{CALL order_payment.reseal('cards')});
is(sqlstate_of("SELECT order_payment.destroy_data_key($old)"), 'done', 'until that is resealed');
sql("DELETE FROM cards WHERE id > $ROWS");

# What begins to run before a key is destroyed, and what is moved about while it is.
sub is_waiting { return $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'}); }

sub destroy_beside
{
	my ($key, @steps) = @_;
	my $destroyer = start_psql($node, 'postgres', "SELECT order_payment.destroy_data_key($key)");

	is_waiting();
	$_->() foreach @steps;
	$destroyer->{run}->finish;
	return $destroyer->{err};
}

{
	my $writer = $node->background_psql('postgres', on_error_die => 1);
	my $mover = $node->background_psql('postgres', on_error_die => 1);

	$old = sql(q{SELECT key_id FROM order_payment.data_keys WHERE purpose = 'data' AND state = 'active'});
	$writer->query_safe("BEGIN; INSERT INTO cards VALUES ($ROWS + 1, 0, pan(0), 'Dee', '03/32', 0)");
	sql(q{SELECT order_payment.create_data_key('data')});
	sql(q{CALL order_payment.reseal('cards')});
	like(destroy_beside($old, sub { $writer->query_safe(q{PREPARE TRANSACTION 'between'}) }),
		qr/may be wanted by transactions that still run\nDETAIL:  They are: prepared transaction 'between'\./,
		'a transaction that is prepared while the key is about to go may bring a value');
	sql(q{COMMIT PREPARED 'between'});
	$old = sql(q{SELECT order_payment.create_data_key('data')});
	sql(q{CALL order_payment.reseal('cards')});

	$writer->query_safe("SET track_activities = off; BEGIN; UPDATE cards SET number = pan(1), which = 1 WHERE id > $ROWS");
	sql(q{SELECT order_payment.create_data_key('data')});
	sql(q{CALL order_payment.reseal('cards')});
	my $pid = $writer->query_safe('SELECT pg_backend_pid()');
	like(failure($node, 'postgres', "SELECT order_payment.destroy_data_key($old)"), qr/They are: process $pid\./,
		'so may one that tells nothing of what it does');
	$writer->query_safe('COMMIT; RESET track_activities');

	sql(q{
CREATE TABLE piece (id integer, region integer, number text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE piece_1 PARTITION OF piece FOR VALUES IN (1);
CREATE TABLE piece_2 PARTITION OF piece FOR VALUES IN (2);
SELECT order_payment.protect_card_columns('piece', 'number', key => '{id}');
INSERT INTO piece VALUES (1, 2, pan(0))});
	$old = sql(q{SELECT key_id FROM order_payment.data_keys WHERE purpose = 'data' AND state = 'active'});
	sql(q{SELECT order_payment.create_data_key('data')});
	sql(q{CALL order_payment.reseal('cards')});
	$writer->query_safe('BEGIN; SELECT 1');
	like(destroy_beside($old,
			sub { $mover->query_safe('BEGIN; LOCK TABLE piece_2') },
			sub { $writer->query_safe('COMMIT') },
			# what comes before piece_2 is looked at, if it can be before the latter is free
			sub { $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'piece_1'::regclass}) },
			sub { $mover->query_safe('UPDATE piece SET region = 1; COMMIT') }),
		qr/is needed\nDETAIL:  It has made these values: 1 of public\.piece_[12]\.number_sealed/,
		'a value that moves from table to table while they are looked at is seen');
	is(sql(q{SELECT order_payment.reveal(number_sealed, order_payment.binding('public.piece', id)) = pan(0) FROM piece}), 't', 'and opens');
	sql(q{UPDATE piece SET region = 2});
	$mover->query_safe('BEGIN; LOCK TABLE piece_2');
	my $listing = start_psql($node, 'postgres', "SELECT row_key FROM order_payment.rows_sealed_by($old)");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'piece_1'::regclass});
	fails_with($node, 'postgres', q{CREATE ROLE nobody_here; SET ROLE nobody_here;
SELECT order_payment.rows_made_by('{piece_2}', '{number_sealed}', 1)}, '42501', 'nobody waits for a table on which he has no right');
	$mover->query_safe('UPDATE piece SET region = 1; COMMIT');
	$listing->{run}->finish;
	like($listing->{out}, qr/^\{"id": 1, "region": [12]\}$/, 'and told as one that the key has sealed');
	$_->quit foreach $writer, $mover;
	sql(q{DROP TABLE piece});
	sql("DELETE FROM cards WHERE id > $ROWS");
}

# ---------- a table without its keys ----------

sql('CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE EXTENSION order_payment; SELECT order_payment.create_data_keys()');
my $dump = $node->basedir . '/cards.sql';
$node->run_log([ 'pg_dump', '-t', 'public.cards', '-f', $dump, '-d', $node->connstr('postgres') ]);
$node->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('elsewhere') ]);
is($node->safe_psql('elsewhere', q{SELECT purpose, count(*), sum(stored_values) FROM order_payment.key_status()
	WHERE state = 'missing' AND problem LIKE 'values in public.cards want it: %' GROUP BY 1 ORDER BY 1}),
	"data|1|" . 3 * $ROWS . "\nfingerprint|1|$ROWS", 'key_status() says that the keys of a table are missing');
my $before = $node->safe_psql('elsewhere', q{SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM cards c});
my (undef, undef, $warned) = $node->psql('elsewhere', q{CALL order_payment.reseal('cards')});
like($warned, qr/WARNING:  reseal of public\.cards: rows left, for they hold values that do not open: $ROWS/, 'reseal() says so');
is($node->safe_psql('elsewhere', q{SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM cards c}), $before, 'and changes nothing');
my $rows = sql(q{COPY (SELECT * FROM order_payment.data_keys WHERE state <> 'destroyed') TO STDOUT});
my $load = $node->basedir . '/keys.sql';
append_to_file($load, "COPY order_payment.data_keys FROM STDIN;\n$rows\n\\.\n");
$node->safe_psql('elsewhere', q{UPDATE order_payment.data_keys SET state = 'decrypt_only' WHERE state = 'active'});
$node->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $load, '-d', $node->connstr('elsewhere') ]);
is($node->safe_psql('elsewhere', q{SELECT count(*) FROM order_payment.key_status() WHERE state = 'missing'}), 0, 'the keys are brought');
is($node->safe_psql('elsewhere', q{SELECT order_payment.reveal(number_sealed, order_payment.binding('public.cards', id)) FROM cards WHERE id = 4711}),
	sql('SELECT pan(which) FROM cards WHERE id = 4711'), 'and the cards open');
sql('DROP DATABASE elsewhere');

# ---------- the root key ----------

my $file = $node->basedir . '/root.key';
my $first = slurp_file($file) =~ s/^1 //r =~ s/\n//r;
my $second = unpack('H*', random_bytes(32));

sub random_bytes
{
	my ($n) = @_;

	open my $random, '<:raw', '/dev/urandom' or die "urandom: $!";
	read($random, my $bytes, $n) == $n or die "urandom: $!";
	return $bytes;
}

sub check_value { return unpack('H16', hmac_sha256('order_payment root key check value', pack('H*', $_[0]))); }

# id, state, check value, is it usable?
sub root_keys { return sql(q{SELECT key_id, state, check_value, is_usable FROM order_payment.key_status(false) WHERE kind = 'root key'}); }

sub set_root_key
{
	make_root_key($node, @_);
	$node->reload;
	return;
}

my $sealing = q{SELECT order_payment.seal('x', 'text', 'y')};

sub seals { return sqlstate_of($sealing); }

is(root_keys(), '1|active|' . check_value($first) . '|t', 'the check value of the root key');
my $session = $node->background_psql('postgres', on_error_die => 1);
my $ready = q{SELECT order_payment.key_id(order_payment.seal('x', 'text', 'y')) > 0};

set_root_key("1 $first", "2 $second");
is(root_keys(), '1|decrypt_only|' . check_value($first) . "|t\n2|active|" . check_value($second) . '|t', 'another root key beside it, after a reload');
is(seals(), 'done', 'data keys are wrapped by the first still');
is(sql('SELECT order_payment.rewrap_data_keys() = (SELECT count(*) FROM order_payment.data_keys WHERE wrapped IS NOT NULL)'), 't', 'wrapped anew');
is(sql('SELECT DISTINCT root_key_id FROM order_payment.data_keys WHERE wrapped IS NOT NULL'), '2', 'by the second');

is($session->query_safe($ready), 't', 'a session that was there before takes them');

# too early, and the wrong one
set_root_key("1 $first");
is(seals(), 'OP013', 'the second was taken away too early');
is(sqlstate_of(q{SELECT count(*) FROM faults}), 'OP013', 'nothing opens');
is(root_keys(), '1|active|' . check_value($first) . "|t\n2|missing|" . check_value($second) . '|f', 'key_status() says which one is missing');
like(sql(q{SELECT string_agg(DISTINCT problem, ' ') FROM order_payment.key_status() WHERE kind = 'data key' AND state = 'active'}),
	qr/cannot be unwrapped: It was wrapped by root key 2, which is not here/, 'and what that means for the data keys');
is($session->query_safe($ready), 't', 'a session that has its keys ready goes on');
set_root_key("2 $first");
is(seals(), 'OP013', 'another key under the same id');
like(sql(q{SELECT problem FROM order_payment.key_status(false) WHERE kind = 'root key'}), qr/another key under this id, with check value \Q${\check_value($first)}\E/,
	'key_status() tells them apart');
is(sql(q{SELECT bool_or(is_usable) FROM order_payment.key_status(false) WHERE kind IN ('root key', 'data key')}), 'f', 'and says that none is of use');
is(sql('SELECT count(*) FROM cards'), $ROWS, 'what needs no key goes on');

set_root_key("2 $second");
$session->quit;
$node->restart;
is(root_keys(), '2|active|' . check_value($second) . '|t', 'the first is gone for good, after a restart');
are_sound('under the second root key');

# one that has sealed for too long
sql(q{UPDATE order_payment.data_keys SET retire_after = now() - interval '1 day' WHERE purpose = 'data' AND state = 'active'});
my $log_end = -s $node->logfile;
is(seals(), 'done', 'a data key that should not seal any more does');
like(slurp_file($node->logfile, $log_end), qr/LOG:  data key \d+ seals for longer than it should\n.*HINT:  Make another one by order_payment\.create_data_key\('data'\)/,
	'and the log says so');
sql(q{UPDATE order_payment.data_keys SET retire_after = now() + interval '1 year' WHERE purpose = 'data' AND state = 'active'});

# components, each of which says nothing
my $part = unpack('H*', random_bytes(32));
my $rest = unpack('H*', pack('H*', $second) ^ pack('H*', $part));

set_root_key('# officer A', "2 $part", '', '# officer B', '2 ' . uc $rest);
is(root_keys(), '2|active|' . check_value($second) . '|t', 'two components make the key');
is(seals(), 'done', 'and it opens');
set_root_key("2 $part");
is(seals(), 'OP013', 'one of them does not');

# ---------- from a command ----------

my $runs = $node->basedir . '/runs';
my $command = $node->basedir . '/command';

sub make_command
{
	my ($what) = @_;

	unlink $command;
	append_to_file($command, "#!/bin/sh\necho run >>'$runs'\n$what\n");
	chmod 0700, $command or die "chmod: $!";
	return;
}

sub count_runs { return -e $runs ? scalar(() = slurp_file($runs) =~ /run/g) : 0; }

make_command("echo '2 $part'\necho '2 $rest'");
$node->append_conf('postgresql.conf', "order_payment.root_key_command = '$command'");
$node->restart;
is(count_runs(), 0, 'the command is not run before a key is needed');
is(seals(), 'done', 'the key of a command, in components') foreach 1 .. 5;
are_sound('under the key of a command');
is(count_runs(), 1, 'it was run once, for all sessions');
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM order_payment.root_keys()}), 'reload');
is(seals(), 'done', 'again') foreach 1 .. 3;
is(count_runs(), 2, 'and once more after a reload');
# each prints the right key, so that nothing else is the matter with it
foreach my $case ([ 'fails', "echo '2 $second'; exit 1", qr/The command failed\./ ],
	[ 'prints nothing', ':', qr/There is no key in it\./ ],
	[ 'prints too much', "echo '2 $second'; yes '# and more' | head -c 20000; exit 0", qr/The command printed too much\./ ],
	[ 'prints half of it', "echo '2 $second' | head -c 40", qr/Line 1 is not an id and a key/ ])
{
	make_command($case->[1]);
	$node->reload;
	usleep(200_000);
	like(failure($node, 'postgres', $sealing), qr/OP013: .*DETAIL:  $case->[2]/s, "a command that $case->[0]");
}
make_command("echo '2 $second'");
$node->reload;
usleep(200_000);
is(seals(), 'done', 'a command that is mended');
$node->append_conf('postgresql.conf', "order_payment.root_key_command = ''");

# ---------- a file that is wrong ----------

my $dir = $node->basedir;
my $good = "2 $second\n";

sub put
{
	my ($name, $text, $mode) = @_;

	unlink "$dir/$name";
	append_to_file("$dir/$name", $text);
	chmod($mode // 0600, "$dir/$name") or die "chmod: $!";
	return "$dir/$name";
}

sub others_file
{
	foreach my $path (glob '/var/log/* /var/cache/*/* /usr/bin/* /var/mail/* /home/*/*')
	{
		my @st = lstat $path;
		return $path if @st && -f _ && -r $path && $st[4] != $> && $st[4] != 0;
	}
	return;
}

mkdir "$dir/directory" or die "mkdir: $!";
symlink $node->data_dir, "$dir/by_link" or die "symlink: $!";
symlink put('target', $good), "$dir/link" or die "symlink: $!";
system_or_bail('mkfifo', '-m', '600', "$dir/fifo");
truncate put('sparse', $good), 1 << 30 or die "truncate: $!";
my $inside = $node->data_dir . '/root.key';
append_to_file($inside, $good);
chmod 0600, $inside or die "chmod: $!";

my $no_key = qr/There is no key in it/;
my $no_line = qr/Line 1 is not an id and a key/;
my $open = qr/Others may read or write the file/;
my $not_plain = qr/It is not a plain file/;
my $place = qr/Its path is relative, or leads into the data directory/;

# what is the matter with each, and with nothing else of it
my @cases = (
	[ 'absent', "$dir/absent", qr/The file cannot be opened: No such file/ ],
	[ 'empty', put('empty', ''), $no_key ],
	[ 'comments alone', put('comments', "# nothing\n\n"), $no_key ],
	[ 'mode 0666', put('mode0666', $good, 0666), $open ],
	[ 'mode 0640', put('mode0640', $good, 0640), $open ],
	[ 'mode 0604', put('mode0604', $good, 0604), $open ],
	[ 'a link', "$dir/link", qr/The file cannot be opened: / ],
	[ 'a directory', "$dir/directory", $not_plain ],
	[ 'a FIFO', "$dir/fifo", $not_plain ],
	[ 'a device', '/dev/zero', $not_plain ],
	[ '1 GB', "$dir/sparse", qr/The file is too large to be one/ ],
	[ 'short', put('short', '2 ' . substr($second, 0, 63) . "\n"), $no_line ],
	[ 'long', put('long', "2 ${second}0\n"), $no_line ],
	[ 'CRLF', put('crlf', "2 $second\r\n"), $no_line ],
	[ 'CR', put('cr', "2 $second\r"), $no_line ],
	[ 'BOM', put('bom', "\xef\xbb\xbf$good"), $no_line ],
	[ 'UTF-16', put('utf16', "\xff\xfe" . join('', map { "$_\0" } split //, $good)), $no_line ],
	[ 'NUL inside', put('nul', "2 " . substr($second, 0, 62) . "\0\0\n"), $no_line ],
	[ 'no hexadecimal digits', put('nohex', '2 ' . 'g' x 64 . "\n"), $no_line ],
	[ 'no id', put('noid', "$second\n"), $no_line ],
	[ 'id 0', put('id0', "0 $second\n"), $no_line ],
	[ 'id 2147483648', put('idlarge', "2147483648 $second\n"), $no_line ],
	[ 'two blanks', put('blanks', "2  $second\n"), $no_line ],
	[ 'trailing text', put('trailing', "2 $second active\n"), $no_line ],
	[ 'a component twice', put('twice', $good x 2), qr/The components of a key cancel each other out/ ],
	[ '17 keys', put('many', join('', map { "$_ $second\n" } 1 .. 17)), qr/Line 17 is not an id and a key, or is one id too many/ ],
	[ 'PEM', put('pem', "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" . "A" x 64 . "\n-----END ENCRYPTED PRIVATE KEY-----\n"), $no_line ],
	[ 'binary', put('binary', pack('H*', $second)), qr/Line \d+ is not|There is no key in it/ ],
	[ 'in the data directory', $inside, $place ],
	[ 'in the data directory, by a link', "$dir/by_link/root.key", $place ],
	[ 'relative', '../target', $place ],
	[ 'upwards', $node->data_dir . '/../' . ($node->data_dir =~ m{([^/]+)$})[0] . '/root.key', $place ],
	[ 'of another root key', put('other', "2 $first\n"), qr/wrapped by root key 2, but not by the one that is here now/ ],
	[ 'of another id', put('otherid', "3 $second\n"), qr/wrapped by root key 2, which is not here/ ]);
my $others = others_file();

push @cases, [ 'of another user', $others, qr/The file belongs to another user/ ] if defined $others;
push @cases, [ 'of root, and open to all', '/etc/passwd', $open ] if (stat '/etc/passwd')[4] == 0;
sql('CREATE TABLE plain (id integer PRIMARY KEY, number text); SELECT order_payment.protect_card_columns(\'plain\', \'number\')');
my $started = sql(q{SELECT pg_postmaster_start_time()});
my $marker = '4929000000006';

foreach my $case (@cases)
{
	my ($name, $path, $matter) = @$case;

	$node->append_conf('postgresql.conf', "order_payment.root_key_file = '$path'");
	$node->reload;
	ok($node->poll_query_until('postgres', qq{SELECT current_setting('order_payment.root_key_file') = '$path'}), "$name: is set");
	my $start = time;
	like(failure($node, 'postgres', "INSERT INTO plain VALUES (1, '$marker')"), qr/OP013: .*DETAIL:  [^\n]*$matter/s, "$name: refused, and told why");
	cmp_ok(time - $start, '<', 1, "$name: within a second");
}
is(sql('SELECT count(*) FROM plain'), 0, 'nothing was written');
cmp_ok(sql('SELECT count(*) FROM order_payment.key_status() WHERE NOT is_usable AND problem IS NOT NULL'), '>', 0, 'key_status() answers');
is(sql(q{SELECT pg_postmaster_start_time()}), $started, 'the server stayed up');

$node->append_conf('postgresql.conf', "order_payment.root_key_file = '" . put('good', $good, 0400) . "'");
$node->reload;
ok($node->poll_query_until('postgres', qq{SELECT current_setting('order_payment.root_key_file') = '$dir/good'}), 'a good one, mode 0400');
is(sqlstate_of("INSERT INTO plain VALUES (1, '$marker')"), 'done', 'seals');
are_sound('at last');

# ---------- whoever locks a table of his own keeps nobody waiting ----------

{
	my $holder = $node->background_psql('postgres', on_error_die => 1);

	$holder->query_safe('BEGIN; LOCK TABLE cards');
	is(sqlstate_of('SELECT * FROM order_payment.key_status()'), '55P03', 'who keeps the keys is not kept waiting for long');
	is($node->safe_psql('postgres', 'SELECT count(*) > 0 FROM order_payment.key_status(false)'), 't', 'nor at all, if values are not counted');
	$holder->query_safe('ROLLBACK');
	$holder->quit;
}

# nothing in clear, in no file of the cluster
$node->stop;
sub holds
{
	my ($what) = @_;

	return grep { chomp; 1 } `grep -rlaF -e '$what' '@{[ $node->data_dir ]}' '@{[ $node->logfile ]}' 2>&1`;
}
is(join(' ', holds($marker)), '', 'no number in the data directory or the log');
is(join(' ', grep { $_ ne $inside } holds($second)), '', 'no root key');

done_testing();
