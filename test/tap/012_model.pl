
# The model test (test/model): random sequences of statements, each predicted by a
# model of the rules and compared with what the server did. The seed is always the
# same, so that what fails can be laid to what was changed; MODEL_SEED in the
# environment is another one, or "random", and MODEL_SECONDS makes it longer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $script = "$FindBin::RealBin/../model/model_test.py";
my $seed = $ENV{MODEL_SEED} || 1;
$seed = int(rand(2**31)) if $seed eq 'random';

my $node = make_cluster('model', conf => qq{
max_prepared_transactions = 20
fsync = off
log_line_prefix = '%m [%p] %e '
log_error_verbosity = terse
log_min_error_statement = panic
});

# no compiled files beside the sources
$ENV{PYTHONDONTWRITEBYTECODE} = 1;
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGUSER} = $node->safe_psql('postgres', 'SELECT current_user');

sub run_model
{
	my ($name, @arguments) = @_;
	my $ok = IPC::Run::run([ 'python3', $script, '--seed', $seed, @arguments ], '>', \my $out, '2>&1');

	ok($ok, $name);
	diag($ok ? $out =~ s/.*\n(?=.)//sr : $out);
	return $out;
}

run_model('the rules do not contradict themselves', '--alone', '--sequences', 5000);
my $out = run_model('the server does what the model says', '--sequences', 2000, '--seconds', $ENV{MODEL_SECONDS} || 0);

like($out, qr/^seed $seed: (\d{4,}) sequences, \d{5,} statements, \d{4,} of them to be refused, \d{3,} prepared transactions/m,
	'it has seen enough: sequences, refusals, prepared transactions');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP:|terminated by signal| XX\d\d\d /, 'no internal error');

# a test that cannot fail proves nothing: the same sequences on a store whose rules are bent
$out = '';
IPC::Run::run([ 'python3', $script, '--seed', $seed, '--sequences', 200,
	'--bend', 'DROP INDEX shop.payments_one_live_attempt_idx' ], '>', \$out, '2>&1');
like($out, qr/[1-9]\d* sequences go otherwise/, 'and it notices a store without a rule');

done_testing();
