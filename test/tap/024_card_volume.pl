
# Cards in other encodings than UTF-8, and in quantity: text keys and holders
# come through in LATIN1, EUC_JP and SQL_ASCII and from one to another by dump;
# 100 000 rows in a loop, upserts of as many, 1 000 savepoints and a query that
# could run in parallel leave memory as it was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $node = make_cluster('volume', init => { extra => [ '--locale=C', '--encoding=UTF8' ] },
	conf => "order_payment.allow_unguarded = on\norder_payment.reveal_budget = -1\nmax_worker_processes = 16\n");
my $dir = PostgreSQL::Test::Utils::tempdir();

# ---------- encodings ----------

# key and holder; the last one is only in what EUC_JP has
my %names = (
	LATIN1 => [ [ 'zoë', 'Jürgen Ñandú' ], [ 'ascii', 'Ann Lee' ] ],
	EUC_JP => [ [ '山田', '山田太郎' ], [ 'ascii', 'Ann Lee' ] ],
	UTF8 => [ [ 'zoë', '李雷' ], [ '🂡', 'x' x 93 . '李' ] ]);
my $reveal = q{
SET client_encoding = 'UTF8';
SELECT name, order_payment.reveal(card_sealed, b.bound_to), holder, order_payment.reveal(holder_sealed, b.bound_to), b.bound_to
FROM purse, order_payment.binding('purse', name) b (bound_to) ORDER BY card_sealed::text COLLATE "C"};

sub make_purse
{
	my ($database, $encoding, $keys) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding'");
	return $keys ? $node->safe_psql($database, q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
CREATE TABLE purse (name text PRIMARY KEY, card text, holder text, number_of_letters int);
SELECT order_payment.protect_card_columns('purse', 'card', 'holder', label => 'purse');
	}) : 1;
}

foreach my $encoding (sort keys %names)
{
	my $database = lc $encoding;
	my $n = 0;

	make_purse($database, $encoding, 1);
	foreach my $name (@{ $names{$encoding} })
	{
		$node->safe_psql($database, "SET client_encoding = 'UTF8'; INSERT INTO purse VALUES ('$name->[0]', '" . card_number(++$n) . "', '$name->[1]')");
	}
	my $got = $node->safe_psql($database, $reveal);

	foreach my $i (0 .. $#{ $names{$encoding} })
	{
		my ($name, $holder) = @{ $names{$encoding}[$i] };
		my $shown = $holder =~ s/^([\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*).*/$1***/sr;

		like($got, qr/^\Q$name|@{[ card_number($i + 1) ]}|$shown|$holder|\E/m, "$encoding: key and holder, " . ($i ? 'ASCII or long' : 'not ASCII'));
	}
	# the same in another encoding: what values are bound to does not change
	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/$database", $database ], "$encoding: dumped");
	make_purse("${database}_as_utf8", 'UTF8', 0);
	$node->command_ok([ 'pg_restore', '-e', '-d', "${database}_as_utf8", "$dir/$database" ], "$encoding: restored as UTF8");
	is($node->safe_psql("${database}_as_utf8", $reveal), $got, "$encoding: restored as UTF8, and opens");
}

# a holder that the encoding has not: sealed elsewhere, it cannot be shown, but is not lost
make_purse('other', 'LATIN1', 0);
$node->safe_psql('utf8', q{DELETE FROM purse WHERE name <> 'zoë'});
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/narrow", 'utf8' ], 'UTF8: dumped');
$node->command_fails([ 'pg_restore', '-e', '-d', 'other', "$dir/narrow" ], 'LATIN1 has no 李, not in a mask either');
$node->safe_psql('utf8', q{SET order_payment.restore = on; UPDATE purse SET holder = '?***'});
$node->command_ok([ 'pg_dump', '-Fc', '-a', '-t', 'purse', '--disable-triggers', '-f', "$dir/narrow", 'utf8' ], 'UTF8: dumped with another mask');
$node->command_ok([ 'pg_restore', '-d', 'other', "$dir/narrow" ], 'and restored as LATIN1');
fails_with($node, 'other', q{SELECT order_payment.reveal(holder_sealed, order_payment.binding('purse', name)) FROM purse}, '22P05', 'it does not open there');
is($node->safe_psql('other', q{SELECT order_payment.reveal(card_sealed, order_payment.binding('purse', name)) FROM purse}), card_number(1), 'and its number does');

# SQL_ASCII takes bytes as they come; what is no UTF-8 cannot be sealed
make_purse('ascii', 'SQL_ASCII', 1);
$node->safe_psql('ascii', q{INSERT INTO purse VALUES ('zoë', '4242424242424242', 'Jürgen'), ('ann', '5555555555554444', 'Ann')});
is($node->safe_psql('ascii', q{SELECT name, order_payment.reveal(card_sealed, b.bound_to), order_payment.reveal(holder_sealed, b.bound_to)
FROM purse, order_payment.binding('purse', name) b (bound_to) ORDER BY 1}), "ann|5555555555554444|Ann\nzoë|4242424242424242|Jürgen", 'SQL_ASCII: UTF-8 comes through');
fails_with($node, 'ascii', q{INSERT INTO purse VALUES ('x', NULL, E'J\xfcrgen')}, '22021', 'SQL_ASCII: other bytes are refused in a holder');
fails_with($node, 'ascii', q{INSERT INTO purse VALUES (E'J\xfcrgen', '4242424242424242')}, '22021', 'SQL_ASCII: and in a key');

# ---------- quantity ----------

$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
CREATE TABLE purse (id bigint PRIMARY KEY, email text, card text, holder text, note text, papers jsonb) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF purse FOR VALUES FROM (0) TO (50000);
CREATE TABLE high PARTITION OF purse FOR VALUES FROM (50000) TO (1000000);
SELECT order_payment.protect_card_columns('purse', 'card', 'holder', fingerprint => 'print', label => 'purse');
CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS $$SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts$$;
});

# How much memory a session has more after a statement than after the same one, smaller, before.
sub growth
{
	my ($name, $prepare, $small, $large) = @_;
	my ($before, $after) = split /\n/, $node->safe_psql('postgres', "$prepare; $small; SELECT memory(); $large; SELECT memory();");

	cmp_ok($after - $before, '<', 1_500_000, "$name: memory is as before") or diag("$before, $after");
	return;
}

my $loop = sub {
	my ($n, $step) = @_;

	return "DO \$\$ DECLARE i integer; BEGIN FOR i IN 1 .. $n LOOP $step END LOOP; END \$\$";
};
my $insert = q{INSERT INTO purse (id, card, holder, papers) VALUES (i, '4242424242424242', 'Holder ' || i, '{"a": [1, {"b": 2}]}')
	ON CONFLICT (id) DO UPDATE SET card = EXCLUDED.card, holder = EXCLUDED.holder;};

growth('100 000 upserts in a loop', '', $loop->(1000, $insert), $loop->(100_000, $insert));
is($node->safe_psql('postgres', q{SELECT count(*), count(card_sealed), count(DISTINCT card_sealed::text), count(DISTINCT print) FROM purse}),
	'100000|100000|100000|1', 'each is sealed, each anew');
# As many in one statement, memory looked at while it runs; the server itself
# takes some for each row, so it is compared with a table without the trigger.
$node->safe_psql('postgres', q{
CREATE TABLE plain (LIKE purse, PRIMARY KEY (id));
INSERT INTO plain SELECT * FROM purse;
CREATE TABLE seen (name text, id bigint, bytes bigint);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO seen VALUES (TG_ARGV[0], NEW.id, memory()); RETURN NEW; END$$;
CREATE TRIGGER "500_look" BEFORE UPDATE ON purse FOR EACH ROW WHEN (NEW.id IN (10000, 100000)) EXECUTE FUNCTION look('purse');
CREATE TRIGGER "500_look" BEFORE UPDATE ON plain FOR EACH ROW WHEN (NEW.id IN (10000, 100000)) EXECUTE FUNCTION look('plain');
});
foreach my $table ('purse', 'plain')
{
	$node->safe_psql('postgres', qq{
INSERT INTO $table (id, card, holder, papers) SELECT n, '4000000000024242', 'Other', '{"b": "x"}' FROM generate_series(1, 100000) n
ON CONFLICT (id) DO UPDATE SET card = EXCLUDED.card, holder = EXCLUDED.holder, papers = EXCLUDED.papers});
}
my %grown = map { split /\|/ } split /\n/, $node->safe_psql('postgres', q{SELECT name, max(bytes) - min(bytes) FROM seen GROUP BY name HAVING count(*) = 2});

cmp_ok($grown{purse} - $grown{plain}, '<', 500_000, 'one upsert of 100 000 rows: no more memory than without the trigger') or diag(%grown);
$node->safe_psql('postgres', q{
DROP TRIGGER "500_look" ON purse;
UPDATE purse SET note = 'seen' WHERE id % 2 = 0;
UPDATE purse SET card = '4000000000104242' WHERE id % 2 = 0;
UPDATE purse SET card = card, note = 'as it is' WHERE id % 2 = 1;
UPDATE purse SET id = id WHERE id % 3 = 0;
});
is($node->safe_psql('postgres', q{
SELECT count(*) FILTER (WHERE order_payment.reveal(card_sealed, order_payment.binding('purse', id)) = CASE id % 2 WHEN 0 THEN '4000000000104242' ELSE '4000000000024242' END)
FROM purse WHERE id % 1000 IN (1, 2)}), '200', 'what is there afterwards opens, and is the last one');

# savepoints: one for each row, released or rolled back
my $savepoints = sub {
	my ($table, $n) = @_;

	return join(';', 'BEGIN', (map { ("SAVEPOINT s$_", "INSERT INTO $table (id, card) VALUES ($_ % 10, '4242424242424242') ON CONFLICT (id) DO UPDATE SET card = EXCLUDED.card",
		$_ % 3 ? () : "ROLLBACK TO s$_") } 1 .. $n), 'COMMIT');
};

# (the server keeps room for them, which it takes before)
growth('1 000 savepoints', 'DELETE FROM purse WHERE id < 1000; ' . $savepoints->('plain', 1000), $savepoints->('purse', 50), $savepoints->('purse', 1000));
is($node->safe_psql('postgres', q{
SELECT count(*) FILTER (WHERE order_payment.reveal(card_sealed, order_payment.binding('purse', id)) = '4242424242424242') FROM purse WHERE id < 1000}),
	'10', '1 000 savepoints: the cards are there');

# a query that might run in parallel does not reveal in a worker
my $parallel = q{
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 4;
};
like($node->safe_psql('postgres', $parallel . q{EXPLAIN (COSTS OFF) SELECT count(*) FROM purse WHERE order_payment.key_id(card_sealed) > 0}),
	qr/Parallel/, 'key_id() runs in parallel');
unlike($node->safe_psql('postgres', $parallel . q{EXPLAIN (COSTS OFF) SELECT count(order_payment.reveal(card_sealed, order_payment.binding('purse', id))) FROM purse WHERE note = 'x'}),
	qr/Parallel/, 'reveal() does not');
is($node->safe_psql('postgres', $parallel . q{SELECT count(order_payment.reveal(card_sealed, order_payment.binding('purse', id))) FROM purse WHERE id BETWEEN 60000 AND 60020}),
	'21', 'and reveals');

done_testing();
