
# The extension goes as the README says ("Uninstall"), and leaves nothing: no
# relation, function, role, grant, setting or file, in a database where all of it
# was used, beside tables of the user's. The statement of "Roles" that makes a key
# officer is tried on the way.

use strict;
use warnings;

use File::Find ();
use FindBin;
use IPC::Run ();
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('uninstalled');
my $readme = slurp_file($ENV{OP_README} || "$FindBin::RealBin/../../README.md");

# The ```sql fences of a section, of any level
sub sql_of
{
	my ($heading) = @_;
	my ($level, $section) = $readme =~ /^(#+) \Q$heading\E\n(.*?)(?=^#{1,3} |\z)/ms or die "the README has no section $heading";

	return join "\n", $section =~ /^```sql\n(.*?)^```$/msg;
}

sub value_of { my ($query) = @_; return $node->safe_psql('shopdb', $query); }

# ---------- what is to be left ----------

# What a dump of the cluster tells: objects, roles, grants, settings.
sub dumped
{
	IPC::Run::run([ 'pg_dumpall', '--schema-only', '--no-sync', '-d', $node->connstr('postgres') ], '>', \my $dump) or die 'pg_dumpall';
	return $dump =~ s/^\\(?:un)?restrict .*\n//mgr;
}

# How many rows each catalog has: also what is in no dump, as dependencies and comments.
sub catalogs
{
	return value_of(q{
SELECT format('%s %s', c.relname, (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM pg_catalog.%I%s', c.relname,
	CASE c.relname WHEN 'pg_attribute' THEN ' WHERE NOT attisdropped' END), true, true, '')))[1])
FROM pg_class c
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data')
ORDER BY c.relname
	});
}

# The files of the data directory, but for those that are named by numbers
sub files
{
	my @files;

	File::Find::find(sub { push @files, $File::Find::name =~ s/^\Q@{[ $node->data_dir ]}\E//r if -f && !/^(?:[0-9A-F]+|\d.*)(?:\.\w+)?$/ }, $node->data_dir);
	return join "\n", sort grep { !m{^/(?:pg_internal\.init|.*/pg_internal\.init|pg_stat_tmp/.*|pg_wal/.*|pg_logical/.*)$} } @files;
}

$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE shopdb; CREATE ROLE bystander LOGIN');
value_of(q{
CREATE TABLE parcels (parcel_id integer PRIMARY KEY, state text NOT NULL);
CREATE TABLE wallet (wallet_id bigint PRIMARY KEY, number text, owner text);
COMMENT ON TABLE wallet IS 'of the user';
GRANT SELECT ON parcels TO bystander;
});
my %before = (dump => dumped(), catalogs => catalogs(), files => files(), conf => slurp_file($node->data_dir . '/postgresql.conf'));

# ---------- all of it is used ----------

my $key = make_root_key($node);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'order_payment_worker, order_payment'
order_payment.root_key_file = '$key'
order_payment_worker.databases = 'shopdb'
max_worker_processes = 16
});
$node->restart;
my ($five) = $readme =~ /^## Five minutes\n(.*?)^## /ms;
my $sql = join "\n", $five =~ /^```sql\n(.*?)^```$/msg;

# its refusals are meant
IPC::Run::run([ 'psql', '-X', '-q', '-d', $node->connstr('shopdb') ], '<', \$sql, '>', \my $out, '2>', \my $err);
value_of(sql_of('Roles'));
value_of(q{
SELECT order_payment.create_card_key();
CREATE ROLE order_payment_worker LOGIN;
GRANT shop_gateway TO order_payment_worker;
ALTER DATABASE shopdb SET order_payment_worker.stores = 'shop';
GRANT EXECUTE ON FUNCTION order_payment.reveal(order_payment.sealed, bytea) TO bystander;
GRANT SELECT ON shop.orders, order_payment.reveal_log TO bystander;
ALTER ROLE bystander IN DATABASE shopdb SET order_payment.reveal_budget = 5;
SELECT order_payment.guard_column('parcels', 'state', 'packed; packed: lost delivered');
SELECT order_payment.protect_card_columns('wallet', 'number', 'owner', fingerprint => 'print');
INSERT INTO parcels VALUES (1, 'packed');
UPDATE parcels SET state = 'lost';
INSERT INTO wallet (wallet_id, number, owner) VALUES (1, '4111111111111111', 'Ann Lee');
SELECT order_payment.set_payment_password(7::bigint, 'correct horse', 'shop');
SELECT FROM order_payment.read_events('mailer', 10, 'shop');
INSERT INTO shop.webhook_subscribers (subscriber) SELECT gateway FROM shop.gateways WHERE gateway = 'acme';
});
IPC::Run::run([ 'psql', '-X', '-q', '-d', $node->connstr('shopdb'), '-f', "$FindBin::RealBin/../examples/monitor_role.sql" ], '>&', \$out);
$node->restart;
my $worker = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'order_payment_worker' AND usename = 'order_payment_worker'};

ok($node->poll_query_until('shopdb', $worker, '1'), 'the worker is there');
cmp_ok(value_of('SELECT count(*) FROM shop.order_events'), '>', 10, 'a store is in use');

# ---------- the key officer ----------

is(value_of(q{SET ROLE shop_keys; SELECT order_payment.create_data_key('data') IS NOT NULL}), 't', 'a key officer makes a key');
is(value_of(q{SET ROLE shop_keys; SELECT bool_and(is_usable) FROM order_payment.key_status() WHERE kind = 'data key'}), 't', 'and sees how keys are');
fails_with($node, 'shopdb', "SET ROLE shop_keys; $_", '42501', "but may not: $_") foreach (
	'TABLE shop.payments', 'TABLE order_payment.data_keys', q{SELECT order_payment.card_fingerprints('4111111111111111')}, 'TABLE order_payment.reveal_log');
is(value_of(q{SELECT has_function_privilege('shop_keys', 'order_payment.reveal(order_payment.sealed, bytea)', 'EXECUTE')}), 'f', 'nor open cards');

# ---------- it goes ----------

my $uninstall = sql_of('Uninstall');

value_of('DROP SCHEMA shop CASCADE');
my $refusal = failure($node, 'shopdb', 'DROP EXTENSION order_payment');
like($refusal, qr/ERROR:  2BP01: /, 'tables of the user hold it, without a store');
like($refusal, qr/$_/, "the detail names $_") foreach ('trigger zzz_guard_state on table parcels', 'column number_sealed of table wallet');
value_of('CREATE SCHEMA shop'); # for the steps drop it once more
is(value_of($uninstall =~ s/^DROP EXTENSION order_payment;/DROP EXTENSION order_payment CASCADE;/mr),
	"t\nshopdb|bystander|order_payment.reveal_budget=5", 'the steps of the README, and what they tell is left to do');
value_of('ALTER ROLE bystander IN DATABASE shopdb RESET order_payment.reveal_budget');
is(value_of('TABLE parcels'), '1|lost', 'tables of the user keep their rows');
is(value_of('SELECT wallet_id, number, owner FROM wallet'), '1|************1111|A***', 'cards in them are masks');
value_of('ALTER TABLE wallet DROP COLUMN print');
value_of(q{UPDATE parcels SET state = 'anything'; UPDATE wallet SET number = 'anything'});

unlink $node->data_dir . '/postgresql.conf';
append_to_file($node->data_dir . '/postgresql.conf', $before{conf});
my $offset = -s $node->logfile;

$node->restart;
is(value_of(q{SELECT count(*) FROM pg_settings WHERE name ~ '^order_payment'}), 0, 'no setting is left');
is(value_of(q{SELECT count(*) FROM pg_file_settings WHERE name ~ '^order_payment' OR setting ~ 'order_payment'}), 0, 'nor one in a file');
is(value_of(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'order_payment'}), 0, 'nor a process');
unlike(substr(slurp_file($node->logfile), $offset), qr/order_payment(?!_(?:monitor|worker))\S*.*(?:ERROR|WARNING|FATAL)/, 'the server starts without a complaint');
same_lines(dumped(), $before{dump}, 'a dump of the cluster is what it was before: objects, roles, grants, settings');
same_lines(catalogs(), $before{catalogs}, 'each catalog has as many rows');
same_lines(files(), $before{files}, 'the data directory has the same files');

done_testing();
