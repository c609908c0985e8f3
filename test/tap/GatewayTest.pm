
# The test gateway (test/gateway/server.py) as tests use it: certificates, start
# and stop, its log, its rules. No test, hence no .pl.

package GatewayTest;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use IPC::Run ();
use JSON::PP qw(decode_json encode_json);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(start_gateway stop_gateway kill_gateway gateway_url gateway_log set_rules set_control);

my $PLACE = "$FindBin::RealBin/../gateway";

sub wait_for_ports
{
	my ($gateway) = @_;
	my $file = "$gateway->{folder}/ports.json";

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return decode_json(slurp_file($file)) if -e $file;
		$gateway->{run}->pump_nb;
		usleep(100_000);
	}
	die "the gateway does not start: $gateway->{err}";
}

# A running gateway: { folder, ports, run }. Given one that was stopped, that one goes on, on other ports. args: members
# of secrets.json.
sub start_gateway
{
	my ($gateway, %secrets) = @_;

	if (!$gateway)
	{
		$gateway = { folder => PostgreSQL::Test::Utils::tempdir(), err => '' };
		system_or_bail('sh', "$PLACE/make_ca.sh", $gateway->{folder});
		append_to_file("$gateway->{folder}/secrets.json", encode_json(\%secrets));
	}
	unlink "$gateway->{folder}/ports.json";
	$gateway->{run} = IPC::Run::start([ 'python3', "$PLACE/server.py", $gateway->{folder}, '--with-parent' ], '<', \undef, '2>', \$gateway->{err});
	$gateway->{ports} = wait_for_ports($gateway);
	return $gateway;
}

sub stop_gateway
{
	my ($gateway) = @_;

	$gateway->{run}->signal('TERM');
	$gateway->{run}->finish;
	is($gateway->{err}, '', 'the gateway has had no fault of its own');
	return;
}

sub kill_gateway
{
	my ($gateway) = @_;

	$gateway->{run}->kill_kill(grace => 0);
	return;
}

sub gateway_url
{
	my ($gateway, $path, %args) = @_;
	my $listener = $args{listener} // 'good';

	return ($args{scheme} // 'https') . '://' . ($args{host} // '127.0.0.1') . ':' . $gateway->{ports}{$listener} . $path;
}

# What it did and saw, as hashes; the filter: members that must be equal.
sub gateway_log
{
	my ($gateway, %filter) = @_;
	my @entries;

	open my $log, '<', "$gateway->{folder}/gateway.log" or return ();
	while (my $line = <$log>)
	{
		my $entry = eval { decode_json($line) } or next;

		push @entries, $entry unless grep { ($entry->{$_} // '') ne $filter{$_} } keys %filter;
	}
	close $log or die "gateway.log: $!";
	return @entries;
}

sub set_rules
{
	my ($gateway, @rules) = @_;

	set_control($gateway, rules => \@rules);
	return;
}

# In place of what was there before. It takes a rename for the server never to read half a file.
sub set_control
{
	my ($gateway, %control) = @_;
	my $file = "$gateway->{folder}/control.json";

	open my $new, '>', "$file.new" or die "$file.new: $!";
	print $new encode_json(\%control);
	close $new or die "$file.new: $!";
	rename "$file.new", $file or die "$file: $!";
	return;
}

1;
