
# What the tests of secrecy share: the secrets they use, and the search for
# them in texts and files, in every form a server may give them. No test, hence
# no .pl.

package LeakTest;

use strict;
use warnings;

use Exporter 'import';
use File::Find ();
use Test::More;

our @EXPORT = qw($visa $grouped $unionpay $holder $password
  secrets forms leaks_in files_below find_leaks is_clean);

# Numbers made for tests. The last one fails Luhn's check, as real ones do.
our $visa = '4000056655665556';
our $grouped = '5105 1051 0510 5100';
our $unionpay = '6222020200112233445';

# Nothing tells these from other words: only where they stand does.
our $holder = 'ERIKA MUSTERMANN';
our $password = 'Tr0ub4dor-and-3';

sub secrets
{
	return ($visa, $grouped, $unionpay, $holder, $password);
}

# Every form of a secret in which it may lie in memory or in a file: name => bytes.
sub forms
{
	my ($secret) = @_;
	my %forms = ('as it is' => $secret);

	if ($secret =~ /^[0-9 ]+$/)
	{
		my $digits = $secret =~ s/ //gr;

		$forms{'digits'} = $digits;
		$forms{'grouped by blanks'} = join ' ', $digits =~ /(.{1,4})/g;
		$forms{'grouped by hyphens'} = join '-', $digits =~ /(.{1,4})/g;
		$forms{'grouped by underscores'} = join '_', $digits =~ /(.{1,4})/g;
		$forms{'bigint'} = pack 'q<', $digits;
		$forms{'bigint in network order'} = pack 'q>', $digits;
		# groups of four digits, from the right
		my $groups = reverse $digits;
		$forms{'numeric'} = pack 's<*', map { 0 + reverse $_ } reverse $groups =~ /(.{1,4})/g;
		$forms{'numeric in network order'} = pack 's>*', map { 0 + reverse $_ } reverse $groups =~ /(.{1,4})/g;
		$secret = $digits;
	}
	$forms{'hexadecimal'} = unpack 'H*', $secret;
	$forms{'HEXADECIMAL'} = uc unpack 'H*', $secret;
	$forms{'UTF-16'} = join '', map { "$_\0" } split //, $secret;
	$forms{'UTF-16 in network order'} = join '', map { "\0$_" } split //, $secret;
	return %forms;
}

my %all_forms = map { my $secret = $_; my %forms = forms($secret); ($secret => \%forms) } secrets();

# The secrets in a text, each as "secret (form)".
sub leaks_in
{
	my ($text) = @_;
	my @found;
	my $dumped = $text =~ /constvalue/ ? $text =~ s/\s+|\\[nt]//gr : undef;

	foreach my $secret (sort keys %all_forms)
	{
		my $forms = $all_forms{$secret};

		push @found, map { "$secret ($_)" } grep { index($text, $forms->{$_}) >= 0 } sort keys %$forms;
		# a dumped constant is its bytes in decimal, broken into lines anywhere
		push @found, "$secret (dumped constant)"
		  if defined $dumped && grep { index($dumped, join '', unpack 'C*', $_) >= 0 } $secret, $secret =~ s/ //gr;
	}
	return @found;
}

# The plain files below directories; those given as files themselves.
sub files_below
{
	my (@places) = @_;
	my @files;

	File::Find::find({ wanted => sub { push @files, $_ if -f $_ && !-l $_ }, no_chdir => 1 }, @places);
	return sort @files;
}

# "file: secret (form)" for all that is found. Reads pieces that overlap, so that files may be large.
sub find_leaks
{
	my (@files) = @_;
	my $piece = 16 * 1024 * 1024;
	my $overlap = 256;
	my @found;

	foreach my $file (@files)
	{
		my ($tail, %seen) = ('');

		# a file may go while the server runs
		open my $handle, '<:raw', $file or next;
		while (read $handle, my $data, $piece)
		{
			$data = $tail . $data;
			$seen{$_}++ foreach leaks_in($data);
			$tail = substr $data, -$overlap if length $data > $overlap;
		}
		close $handle;
		push @found, map { "$file: $_" } sort keys %seen;
	}
	return @found;
}

sub is_clean
{
	my ($text, $name) = @_;
	my @found = leaks_in($text);

	ok(!@found, $name) or diag(join "\n", 'found:', @found, 'in:', substr $text, 0, 4000);
	return !@found;
}

1;
