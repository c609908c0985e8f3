
# What the TAP tests of client programs share: a store for them, and a way to run
# them. A program prints a line for each check, "ok" or "not ok" and its name, lines
# with "# " before them for people, and at last "done" and how many checks it made.
# No test, hence no .pl.

package ClientTest;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

our @EXPORT = qw(clients_directory need shop_cluster new_shop environment_of run_client);

sub clients_directory { return File::Spec->rel2abs("$FindBin::RealBin/../clients"); }

# For what a client needs ($there) and has not. `make test` installs all of it, and says so by OP_ALL_CLIENTS: there nothing is skipped.
sub need
{
	my ($there, $what) = @_;

	return if $there;
	plan skip_all => "not here: $what" if !$ENV{OP_ALL_CLIENTS};
	ok(0, "there is $what");
	done_testing();
	exit 1;
}

# A cluster with the roles of shops; make_cluster() says what args may be
sub shop_cluster
{
	my ($name, %args) = @_;
	my $node = make_cluster($name, %args);

	$node->safe_psql('postgres', 'CREATE ROLE shop_owner; CREATE ROLE shop_app LOGIN; CREATE ROLE shop_gateway LOGIN');
	return $node;
}

# A database of that name with a store, as the README makes one. Its schema is not in the search_path: a client says where it looks.
sub new_shop
{
	my ($node, $database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', app_role => 'shop_app', gateway_role => 'shop_gateway', owner => 'shop_owner');
INSERT INTO shop.gateways (gateway) VALUES ('acme');
	});
	return;
}

# What tells a client where the database is; its role it knows by itself
sub environment_of
{
	my ($node, $database) = @_;

	return (PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => $database, PYTHONDONTWRITEBYTECODE => 1);
}

# Runs a program; each of its lines is a check here.
sub run_client
{
	my ($name, $command, %environment) = @_;
	my ($seen, $said) = (0);

	local %ENV = (%ENV, %environment);
	my $succeeded = IPC::Run::run($command, '<', File::Spec->devnull, '>', \my $out, '2>', \my $err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	foreach my $line (split /\n/, $out)
	{
		if ($line =~ /^(not )?ok (.+)/) { ok(!defined $1, "$name: $2"); $seen++; }
		elsif ($line =~ /^# /) { diag($line); }
		elsif ($line =~ /^done (\d+)$/ && !defined $said) { $said = $1; }
		else { ok(0, "$name: nothing else is printed") or diag($line); }
	}
	is($said, $seen, "$name: it came to its end, and made as many checks as it says");
	cmp_ok($seen, '>', 0, "$name: which are not none");
	ok($succeeded, "$name: it succeeded") or diag($err);
	return;
}

1;
