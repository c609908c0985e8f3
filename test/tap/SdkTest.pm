
# The gateways' own libraries (test/gateway/*.mjs) as the other side, and keys and
# secrets for both. No test, hence no .pl.

package SdkTest;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use IO::Handle;
use IPC::Open2 qw(open2);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(has_sdks ask stop_sdks openssl rsa_pair secret_directory set_secret);

my $SCRIPTS = "$FindBin::RealBin/../gateway";
my $json = JSON::PP->new->canonical->utf8;
my %running;  # of each script what it is, what it reads and what it says
my $nfiles = 0;

# Two checks; false if there is no other side.
sub has_sdks
{
	my $has_node = eval { IPC::Run::run([ 'node', '--version' ], '>', \my $version, '2>', \my $none) };
	my $installed = -d "$SCRIPTS/node_modules/stripe";

	ok($has_node, 'node is there (Debian: apt install nodejs)');
	ok($installed, "the gateways' libraries are there (cd test/gateway && npm ci --ignore-scripts)");
	return $has_node && $installed;
}

sub start
{
	my ($script) = @_;
	my $pid = open2(my $answers, my $requests, 'node', "$SCRIPTS/$script.mjs");

	$requests->autoflush;
	return [ $pid, $requests, $answers ];
}

# What a script answers to requests
sub ask
{
	my ($script, @requests) = @_;
	my (undef, $in, $out) = @{ $running{$script} //= start($script) };
	my @answers;

	foreach (@requests)
	{
		print $in $json->encode($_), "\n";
		my $answer = <$out> // die "$script says nothing to $_->{do}";
		push @answers, $json->decode($answer);
	}
	return wantarray ? @answers : $answers[0];
}

sub stop_sdks
{
	foreach (sort keys %running)
	{
		my ($pid, $in, $out) = @{ $running{$_} };

		close $in;
		waitpid $pid, 0;
		is($?, 0, "$_: its script has come to its end");
	}
	%running = ();
	return;
}

sub openssl
{
	my ($input, @arguments) = @_;
	my ($output, $errors);

	IPC::Run::run([ 'openssl', @arguments ], '<', \$input, '>', \$output, '2>', \$errors) or die "openssl @arguments: $errors";
	return $output;
}

sub rsa_pair
{
	my $private = openssl('', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-quiet');

	return ($private, openssl($private, 'pkey', '-pubout'));
}

# Made, and told to the server
sub secret_directory
{
	my ($node) = @_;
	my $directory = $node->basedir . '/secrets';

	mkdir $directory, 0700 or die "$directory: $!";
	$node->append_conf('postgresql.conf', "order_payment.secret_directory = '$directory'");
	$node->reload;
	return;
}

sub set_secret
{
	my ($node, $gateway, $kind, $secret, $key_name) = @_;
	my $directory = $node->basedir . '/secrets';
	my $file = 'secret' . $nfiles++;

	append_to_file("$directory/$file", $secret);
	chmod 0600, "$directory/$file" or die "$file: $!";
	$node->safe_psql('postgres', "SELECT order_payment.set_gateway_secret_from_file('$gateway', '$kind', '$file', store => 'shop'"
		  . (defined $key_name ? ", key_name => '$key_name'" : '') . ')');
	return;
}

1;
