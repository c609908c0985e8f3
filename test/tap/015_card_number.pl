
# Card numbers, holders, expiry dates and redaction (src/pan.c, src/redact.c),
# which need no server: test/unit/pan_test.c is built with AddressSanitizer and
# UndefinedBehaviorSanitizer, and each of its lines is a test here. And what the
# server's log holds of a text that is refused as a card number: nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $tree = "$FindBin::RealBin/../..";
my $program = PostgreSQL::Test::Utils::tempdir . '/pan_test';
my $compiler = $ENV{CC} || 'gcc';

my ($headers, $err) = run_command([ 'pg_config', '--includedir-server' ]);
ok(-e "$headers/postgres.h", 'the headers of the server are there');

my $built = IPC::Run::run(
	[
		$compiler, '-g', '-O2', '-Wall', '-Wextra', '-Wno-unused-parameter',
		'-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-D_GNU_SOURCE',
		'-isystem', $headers, "-I$tree/src", '-o', $program,
		"$tree/test/unit/pan_test.c", "$tree/src/pan.c", "$tree/src/redact.c", "$tree/src/secret_words.c"
	],
	'>', \my $messages, '2>&1');
ok($built, 'it builds, without any symbol of the server') or diag($messages);
is($messages, '', 'and without a warning');

my $good = IPC::Run::run([$program], '>', \my $out, '2>', \my $errors);
ok($good, 'it runs to its end') or diag(substr($errors, 0, 4000));
is($errors, '', 'the sanitizers find nothing');

my ($plan, $n) = (0, 0);
foreach (split /\n/, $out)
{
	if (/^(not )?ok \d+ - (.*)/)
	{
		ok(!$1, $2);
		$n++;
	}
	$plan = $1 if /^1\.\.(\d+)$/;
}
ok($n > 600 && $n == $plan, "all of its tests report ($n of $plan)");

# Statement and context of the error, which the server would log by default.
my $node = make_cluster('card_number');
$node->safe_psql('postgres', 'CREATE EXTENSION order_payment');
my $offset = -s $node->logfile;
foreach my $call (q{card_mask('4111 1111 1111 111x')}, q{card_brand('4111 1111 1111 111x')})
{
	foreach my $statement ("SELECT order_payment.$call", "DO \$\$ BEGIN PERFORM order_payment.$call; END \$\$")
	{
		my ($status, $stdout, $stderr) = $node->psql('postgres', $statement);
		isnt($status, 0, "refused: $statement");
		like($stderr, qr/ERROR:  invalid card number/, 'and the client is told why');
	}
}
my $log = substr(slurp_file($node->logfile), $offset);
is(scalar(() = $log =~ /ERROR:  invalid card number/g), 4, 'the log has every refusal');
unlike($log, qr/1111|STATEMENT|CONTEXT/, 'and nothing of what was given');
$node->stop;

done_testing();
