
# The cryptographic primitives without a server: test/crypto, compiled with them into
# a program that prints TAP of its own. With sanitizers, if the compiler has them.
# CRYPTO_SOAK=1 in the environment adds what takes longer, and a gigabyte of memory.

use strict;
use warnings;

use File::Temp ();
use FindBin;
use IPC::Run ();

my $root = "$FindBin::RealBin/../..";
my $dir = File::Temp::tempdir('crypto-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @sanitizers = ('-fsanitize=address,undefined', '-fno-sanitize-recover=all');

# The words of pg_config: an extension is built by the compiler its server was built by.
sub pg_config
{
	my ($what) = @_;

	IPC::Run::run([ 'pg_config', "--$what" ], '>', \my $words) or die "pg_config --$what failed\n";
	return split ' ', $words;
}

my @compiler = pg_config('cc');
my ($include) = pg_config('includedir-server');

# What the compiler says goes to standard error, and fails nothing.
sub compile
{
	my ($program, @arguments) = @_;

	IPC::Run::run([ @compiler, '-g', '-O1', '-fno-omit-frame-pointer', '-Wall', '-Wextra', '-D_GNU_SOURCE',
			'-o', $program, @arguments, '-lcrypto' ], '>', \my $said, '2>&1');
	my $status = $?;
	print STDERR $said;
	return $status == 0;
}

# A compiler may know sanitizers whose libraries are missing, or that do not run here.
sub working_sanitizers
{
	my $probe = "$dir/probe";
	my $said;

	open my $file, '>', "$probe.c" or die "$probe.c: $!\n";
	print $file "int main(void) { return 0; }\n";
	close $file or die "$probe.c: $!\n";
	IPC::Run::run([ @compiler, @sanitizers, '-o', $probe, "$probe.c" ], '>', \$said, '2>&1') or return;
	IPC::Run::run([$probe], '>', \$said, '2>&1') or return;
	return @sanitizers;
}

$| = 1;
# what it allocates it counts itself, and to look for leaks is forbidden in many containers
$ENV{ASAN_OPTIONS} = 'detect_leaks=0';

my @flags = working_sanitizers();
print @flags ? "# sanitizers: @flags\n" : "# without sanitizers, which do not work here\n";
if (!compile("$dir/crypto", @flags, '-isystem', $include, "-I$root/src", glob("$root/src/crypto*.c $root/test/crypto/*.c")))
{
	print "not ok 1 - the tests can be compiled\n1..1\n";
	exit 1;
}

# without a plan, which it prints at its end, it has failed too
system("$dir/crypto", $ENV{CRYPTO_SOAK} ? 'soak' : ());
print "# ended with status $?\n" if $? != 0;
exit($? == 0 ? 0 : 1);
