
# The README says what is so. Rules for its writer (a fence is a line of three
# backticks and a language, up to the next line of three backticks; it may be
# indented by nothing):
#
# 1. Diagrams. Each ```mermaid fence that begins with stateDiagram-v2 is the
#    output of order_payment.status_graph() for a column that is guarded by the
#    default graph of order_status, payment_status or operation_status, each of
#    the three exactly once, in any order. Space at the ends of lines does not
#    count. Other ```mermaid fences are free.
# 2. Five minutes. The section from the heading (of any level) whose text
#    contains "Five minutes" to the next heading of the same or a higher level.
#    Its ```sql fences are run one after another in one session: psql -X,
#    superuser, a fresh database, the script on standard input (so errors have
#    no prefix), no ON_ERROR_STOP, not quiet. If a ```text fence follows, with
#    nothing but blank lines between, it must be all that psql prints for that
#    fence: tables, command tags (INSERT 0 1), notices, errors with DETAIL and
#    HINT. If none follows, the output may be anything but an ERROR. A ```sql
#    fence must leave no open transaction half typed: each ends with a
#    semicolon or a backslash command. Fences in other languages (sh ...) are
#    not run.
#    Compared after: times become <time>, uuids become <uuid>, runs of spaces
#    and of dashes become one (widths differ with what they held), space at the
#    ends of lines and blank lines at both ends go.
# 3. Attach. Each file of test/tap/attach/*.sql stands in the README as it is,
#    in one ```sql fence (with others in the same fence, or alone).
# 4. Gateways. The section whose heading is "Gateways", with its subsections, and
#    the ```sh fences of the section "Secrets of gateways", in the database of
#    the Five minutes, which is called shopdb. First runs the first ```sql fence
#    of Gateways, which makes the rows; then the ```sh fences, by bash -e in a
#    directory with secret.txt and test/ (the tree's), with the server in PG*;
#    then the other ```sql fences in one session. The rules for output are those
#    of the Five minutes. A ```sql fence with an ellipsis (…) is a pattern, and
#    not run. A ```python fence is test/examples/receiver_flask.py. The settings
#    of the worker's library are only put down, for it is not loaded here.
# 5. Tables. No row of a table stands twice; the line of its heads may.
#
# The README is the one of the tree, or the file named by OP_README. The
# checker is tried on a README of its own first, one that is right and ones
# that are not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use File::Spec ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

# with what "Cards" wants of a server
my $node = make_cluster('readme', conf => "shared_preload_libraries = 'order_payment'\n");
my $ndatabases = 0;

# ---------- reading ----------

# Headings and fences: { heading, level } or { fence (language), text, line }.
sub parse_markdown
{
	my ($text) = @_;
	my (@parts, $fence);
	my $line = 0;

	foreach (split /\n/, $text)
	{
		$line++;
		if ($fence)
		{
			if (/^```\s*$/) { push @parts, $fence; undef $fence; }
			else { $fence->{text} .= "$_\n"; }
		}
		elsif (/^```\s*(\w*)/) { $fence = { fence => $1, text => '', line => $line }; }
		elsif (/^(#+)\s+(.*)/) { push @parts, { heading => $2, level => length $1, line => $line }; }
		elsif (/\S/) { push @parts, { prose => $_, line => $line }; }
	}
	push @parts, { fence => 'never closed', text => '', line => $fence->{line} } if $fence;
	return @parts;
}

sub section
{
	my ($title, @parts) = @_;
	my ($level, @section);

	foreach my $part (@parts)
	{
		if (defined $part->{heading})
		{
			last if $level && $part->{level} <= $level;
			$level = $part->{level} if !$level && $part->{heading} =~ $title;
		}
		push @section, $part if $level;
	}
	return @section;
}

sub normalise
{
	my ($text) = @_;

	$text =~ s/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)?/<time>/g;
	$text =~ s/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/<uuid>/gi;
	$text =~ s/-{2,}/--/g;
	$text =~ s/ {2,}/ /g;
	$text =~ s/^ +//mg;
	$text =~ s/[ \t]+$//mg;
	$text =~ s/\A\n+//;
	$text =~ s/\n+\z//;
	return $text;
}

# ---------- checking ----------

my %diagram = map {
	$node->safe_psql('postgres', $_ eq 'order_status' ? 'CREATE EXTENSION order_payment' : 'SELECT 1');
	$node->safe_psql('postgres',
		"CREATE TABLE of_$_ (status order_payment.$_); SELECT order_payment.guard_column('of_$_', 'status')");
	($_ => normalise($node->safe_psql('postgres', "SELECT order_payment.status_graph('of_$_', 'status')")))
} ('order_status', 'payment_status', 'operation_status');

sub wrong_diagrams
{
	my (@parts) = @_;
	my (%seen, @wrong);

	foreach my $part (grep { ($_->{fence} // '') eq 'mermaid' } @parts)
	{
		my $text = normalise($part->{text});
		my ($type) = grep { $diagram{$_} eq $text } sort keys %diagram;

		next if $text !~ /^stateDiagram-v2/;
		push @wrong, "line $part->{line}: a diagram that is none of the three" if !$type;
		push @wrong, "line $part->{line}: the diagram of $type again" if $type && $seen{$type}++;
	}
	push @wrong, map { "no diagram of $_, which is\n$diagram{$_}" } grep { !$seen{$_} } sort keys %diagram;
	return @wrong;
}

# What psql prints for each of some scripts, in one session.
sub run_blocks
{
	my ($database, @blocks) = @_;
	my $mark = '@@@ end of block @@@';
	my $script = join '', map { "$_\n\\echo '$mark'\n" } @blocks;
	my ($handle, $file) = File::Temp::tempfile(DIR => PostgreSQL::Test::Utils::tempdir());
	my $output = '';

	print $handle $script;
	close $handle or die "close: $!";
	{
		local $ENV{PGAPPNAME};
		delete $ENV{PGAPPNAME};
		# psql flushes its output before each message, so they come in their order
		IPC::Run::run([ 'psql', '-X', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr($database) ],
			'<', $file, '>&', \$output, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	return split /^\Q$mark\E\n/m, $output, -1;
}

sub wrong_blocks
{
	my ($database, @section) = @_;
	my @fences = grep { ($section[$_]{fence} // '') eq 'sql' && $section[$_]{text} !~ /\xe2\x80\xa6|\x{2026}/ } 0 .. $#section;
	my @outputs = run_blocks($database, map { $section[$_]{text} } @fences);
	my @wrong;

	return ('it has no ```sql') if !@fences;
	push @wrong, 'a block swallowed the next one: it ends in the middle of a statement' if @outputs != @fences + 1;
	foreach my $i (0 .. $#fences)
	{
		my ($sql, $next) = @section[ $fences[$i], $fences[$i] + 1 ];
		my $got = normalise($outputs[$i] // '');

		if ($next && ($next->{fence} // '') eq 'text')
		{
			push @wrong, "line $sql->{line}: psql prints\n$got\nbut the README has\n" . normalise($next->{text})
			  if $got ne normalise($next->{text});
		}
		else
		{
			push @wrong, "line $sql->{line}: psql prints\n$got" if $got =~ /^(?:ERROR|FATAL|PANIC):|^invalid command/m;
		}
	}
	return @wrong;
}

# What is wrong with ```sh fences, run by bash.
sub wrong_scripts
{
	my ($database, @section) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my @wrong;

	append_to_file("$directory/secret.txt", "whsec_of_the_readme\n");
	symlink File::Spec->rel2abs("$FindBin::RealBin/.."), "$directory/test" or die "symlink: $!";
	local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, $database);
	foreach my $part (grep { ($_->{fence} // '') eq 'sh' } @section)
	{
		my $output = '';
		my $ok = IPC::Run::run([ 'bash', '-e', '-c', "cd '$directory'\n$part->{text}" ], '<', \undef, '>&', \$output,
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

		push @wrong, "line $part->{line}: the shell says\n$output" if !$ok || $output =~ /^(?:psql: error|ERROR|FATAL):/m;
	}
	return @wrong;
}

# In the database where the Five minutes were.
sub wrong_gateways
{
	my ($database, @parts) = @_;
	my @section = section(qr/^Gateways$/, @parts);
	my @secrets = section(qr/^Secrets of gateways$/, @parts);
	my ($first) = grep { ($section[$_]{fence} // '') eq 'sql' } 0 .. $#section;
	my $receiver = slurp_file("$FindBin::RealBin/../examples/receiver_flask.py");

	return ('its sections are missing') if !defined $first || !@secrets;
	return (
		wrong_blocks($database, @section[ 0 .. $first ]),
		wrong_scripts($database, @secrets),
		wrong_blocks($database, @section[ $first + 1 .. $#section ]),
		map { "line $_->{line}: it is not test/examples/receiver_flask.py" }
		  grep { ($_->{fence} // '') eq 'python' && $_->{text} ne $receiver } @section);
}

sub wrong_tables
{
	my (@parts) = @_;
	my (%line, @wrong);

	foreach my $i (0 .. $#parts)
	{
		my $row = $parts[$i]{prose} // '';
		my $below = $i < $#parts ? $parts[ $i + 1 ]{prose} // '' : '';

		next if $row !~ /^\|/ || $row =~ /^\|[\s|:-]*$/ || $below =~ /^\|[\s|:-]*$/;
		push @wrong, "line $parts[$i]{line}: the row of line $line{$row} again" if $line{$row};
		$line{$row} //= $parts[$i]{line};
	}
	return @wrong;
}

sub wrong_attach
{
	my (@parts) = @_;
	my @sql = map { $_->{text} } grep { ($_->{fence} // '') eq 'sql' } @parts;
	my @wrong;

	foreach my $file (sort glob "$FindBin::RealBin/attach/*.sql")
	{
		my $text = slurp_file($file);

		push @wrong, "no \`\`\`sql has $file" if !grep { index($_, $text) >= 0 } @sql;
	}
	return @wrong;
}

sub wrong_all
{
	my ($database, @parts) = @_;

	return (
		(map { "fence of line $_->{line} is never closed" } grep { ($_->{fence} // '') eq 'never closed' } @parts),
		wrong_diagrams(@parts), wrong_blocks($database, section(qr/Five minutes/i, @parts)), wrong_gateways($database, @parts),
		wrong_attach(@parts), wrong_tables(@parts));
}

# ---------- the checker itself ----------

my $fence = '```';
my $sample = join '', "# Sample\n\n## Attach\n\n",
  (map { "${fence}sql\n" . slurp_file($_) . "$fence\n\n" } sort glob "$FindBin::RealBin/attach/*.sql"),
  "## In five minutes\n\nText.\n\n", <<"EOM", "## Diagrams\n\n",
${fence}sql
CREATE EXTENSION order_payment;
CREATE ROLE sample_keeper;
$fence

${fence}sql
SELECT order_payment.create_store('shop', 'EUR', owner => 'sample_keeper');
SET search_path = shop, public;
INSERT INTO orders (customer_id, price) VALUES (1, 5) RETURNING order_id, status, created_at;
UPDATE orders SET status = 'completed' WHERE order_id = 1;
$fence

${fence}text
 create_store
--------------

(1 row)

SET
 order_id | status  |          created_at
----------+---------+-------------------------------
        1 | pending | 2001-01-01 00:00:00.25+00
(1 row)

INSERT 0 1
ERROR:  "pending" may not become "completed"
DETAIL:  Column "status" of table "orders", key (order_id)=(1): from "pending" to "completed".
HINT:  From "pending" it may go to "authorized", "paid", "cancelled", "expired".
$fence

${fence}sql
DROP SCHEMA shop CASCADE;
DROP OWNED BY sample_keeper;
DROP ROLE sample_keeper;
$fence

### Secrets of gateways

${fence}sh
psql -c "TABLE sample"   # of the first block
test -d test/tap && grep -q whsec secret.txt
$fence

## Gateways

${fence}sql
CREATE TABLE sample (a int);
$fence

### Out

| a | b |
| --- | --- |
| 1 | 2 |

${fence}sql
SELECT a FROM sample WHERE a = …;
$fence

${fence}sql
SELECT a FROM sample;
$fence

${fence}text
 a
---
(0 rows)
$fence

EOM
  map { "${fence}mermaid\n$diagram{$_}\n$fence\n\n" } sort keys %diagram;

sub tried
{
	my ($name, $wrong, $from, $to) = @_;
	my $text = $sample;

	if (defined $from)
	{
		$text =~ s/$from/$to/ or die "the sample has no $from";
	}
	my $database = 'five_minutes_' . ++$ndatabases;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my @wrong = wrong_all($database, parse_markdown($text));

	$node->safe_psql('postgres', "DROP DATABASE $database");
	$node->safe_psql('postgres', 'DROP ROLE IF EXISTS sample_keeper');
	ok($wrong ? @wrong > 0 : !@wrong, $name) or diag("checker: @wrong");
	return;
}

tried('a README that is right passes', 0);
tried('an edge too many is found', 1, qr/\n *pending --> paid\n/, "\npending --> paid\npending --> shipped\n");
tried('a diagram that is missing is found', 1, qr/```mermaid/, '```dot');
tried('output that is not so is found', 1, qr/"cancelled", "expired"\./, '"expired".');
tried('SQL that fails is found', 1, qr/DROP ROLE sample_keeper/, 'DROP ROLE sample_keepr');
tried('a statement without its end is found', 1, qr/CREATE ROLE sample_keeper;/, 'CREATE ROLE sample_keeper');
tried('attach steps that differ are found', 1, qr/SHARE|LOCK TABLE orders/, 'LOCK TABLE order');
tried('a block of Gateways that fails is found', 1, qr/SELECT a FROM sample;/, 'SELECT b FROM sample;');
tried('output of Gateways that is not so is found', 1, qr/\(0 rows\)/, '(1 row)');
tried('a shell line that fails is found', 1, qr/grep -q whsec/, 'grep -q nothing');
tried('a statement in a shell line that fails is found', 1, qr/TABLE sample"   /, 'TABLE simple" || true ');
tried('a row that stands twice is found', 1, qr/\| 1 \| 2 \|\n/, "| 1 | 2 |\n| 1 | 2 |\n");
tried('a fence without end is found', 1, qr/```\n\z|```\n\n\z/, '');

# ---------- the README ----------

my $readme = $ENV{OP_README} || "$FindBin::RealBin/../../README.md";

ok(-e $readme, 'there is a README.md') or done_testing(), exit 1;

my @parts = parse_markdown(slurp_file($readme));

sub all_right
{
	my ($name, @wrong) = @_;

	ok(!@wrong, $name);
	diag($_) foreach @wrong;
	return;
}

all_right('each fence ends', map { "line $_->{line}" } grep { ($_->{fence} // '') eq 'never closed' } @parts);
all_right('the diagrams are those of the default graphs', wrong_diagrams(@parts));
my @five = section(qr/Five minutes/i, @parts);

ok(@five > 0, 'there is a section "Five minutes"');
# by the name that the section Gateways calls it
$node->safe_psql('postgres', 'CREATE DATABASE shopdb');
all_right('its SQL prints what is shown', wrong_blocks('shopdb', @five));
all_right('the examples of Gateways and of their secrets run', wrong_gateways('shopdb', @parts));
all_right('no row of a table stands twice', wrong_tables(@parts));
all_right('the steps to attach are those that are tested', wrong_attach(@parts));

done_testing();
