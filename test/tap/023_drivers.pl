
# Cards by way of drivers: psycopg 3 and psycopg2, with binary parameters,
# batches, pipelines and COPY, and the statements that ORMs write. drivers.py
# does it; each of its lines is a check here.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use ClientTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

# Debian's, which has its packages, before any other that stands in the way
my ($python) = grep { IPC::Run::run([ $_, '-c', 'import psycopg, psycopg2' ], '>', \my $out, '2>&1') } '/usr/bin/python3', 'python3';

need($python, 'psycopg and psycopg2 (Debian: python3-psycopg, python3-psycopg2)');

my $node = make_cluster('drivers', init => { extra => [ '--encoding=UTF8', '--no-locale' ] }, conf => "order_payment.allow_unguarded = on\norder_payment.reveal_budget = -1\n");

$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
CREATE TABLE purse (id bigint PRIMARY KEY, email text UNIQUE, number text, holder text, note text, updated_at timestamptz);
SELECT order_payment.protect_card_columns('purse', 'number', 'holder', fingerprint => 'fingerprint', label => 'purse');
});
$ENV{PYTHONDONTWRITEBYTECODE} = 1;
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';
$ENV{PGUSER} = $node->safe_psql('postgres', 'SELECT current_user');
IPC::Run::run([ $python, "$FindBin::RealBin/drivers.py" ], '>', \my $out, '2>', \my $err);

foreach my $line (split /\n/, $out)
{
	if ($line =~ /^(not )?ok (.*)/) { ok(!defined $1, $2); }
	elsif ($line ne 'done') { diag($line); }
}
like($out, qr/^done$/m, 'it came to its end') or diag($err);

done_testing();
