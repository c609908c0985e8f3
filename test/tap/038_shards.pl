
# What a store meets on the nodes of a distributed engine, without such an
# engine: tables whose names, triggers and constraints end in a number, two
# groups of them beside each other with one copy of the gateways; a session that
# knows nothing (search_path pg_catalog, another time zone and DateStyle), whose
# user is a plain role; columns without defaults: what the server keeps comes as NULL,
# all else as the engine's coordinator fills it in; every transaction in two
# phases. All kinds of writes to the orders of one group
# happen, and the other is as it was. Under their own names again the tables are
# a store that verify_store() finds nothing wrong with.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $node = make_cluster('shards', conf => "max_prepared_transactions = 5\norder_payment.allow_unguarded = on\n");
my @tables = split ' ', q{webhook_deliveries consumer_offsets gateway_requests used_card_tokens payment_operations payments
	order_items order_events orders};
my %shard = (one => '102008', two => '102009');
my $n = 0;

# ---------- two groups of shards ----------

make_roles($node);
$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
CREATE SCHEMA shards;
GRANT USAGE ON SCHEMA shards TO shopkeeper, app, gateway;
CREATE FUNCTION public.number(store name, suffix text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	command text;
BEGIN
	FOREACH command IN ARRAY ARRAY(
		SELECT format('ALTER INDEX %s RENAME TO %I', i.indexrelid::regclass, x.relname || '_' || suffix)
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
		WHERE c.relnamespace = store::regnamespace AND c.relname = ANY (order_payment.sliced_tables())
		  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = c.oid AND k.contype IN ('p', 'u'))
		UNION ALL
		SELECT format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', k.conrelid::regclass, k.conname, k.conname || '_' || suffix)
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
		WHERE c.relnamespace = store::regnamespace AND c.relname = ANY (order_payment.sliced_tables()) AND k.contype IN ('c', 'f', 'p', 'u')
		UNION ALL
		SELECT format('ALTER TRIGGER %I ON %s RENAME TO %I', t.tgname, t.tgrelid::regclass, t.tgname || '_' || suffix)
		FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
		WHERE c.relnamespace = store::regnamespace AND c.relname = ANY (order_payment.sliced_tables()) AND NOT t.tgisinternal
		UNION ALL
		SELECT format('ALTER TABLE %s ALTER %I DROP DEFAULT', a.attrelid::regclass, a.attname)
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = store::regnamespace AND c.relname = ANY (order_payment.sliced_tables()) AND c.relkind = 'r'
		  AND a.atthasdef AND a.attgenerated = '' AND NOT a.attisdropped
		UNION ALL
		SELECT format('ALTER TABLE %I.orders ALTER order_id DROP IDENTITY', store)
		UNION ALL
		SELECT format('ALTER TABLE %I.%I RENAME TO %I', store, t.name, t.name || '_' || suffix)
		FROM unnest(order_payment.sliced_tables()) t (name)
		UNION ALL
		SELECT format('ALTER TABLE %I.%I SET SCHEMA shards', store, t.name || '_' || suffix)
		FROM unnest(order_payment.sliced_tables()) t (name))
	LOOP
		EXECUTE command;
	END LOOP;
END $$});

# what a store is called while it is one, and whose gateways its payments have
foreach my $store (sort keys %shard)
{
	$node->safe_psql('postgres', qq{
SELECT order_payment.create_store('$store', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway', distribution_ready => true);
INSERT INTO $store.gateways (gateway) VALUES ('card');
INSERT INTO $store.gateway_fees (gateway, currency, rate, fixed) VALUES ('card', 'USD', 0.01, 0);});
	$node->safe_psql('postgres', q{
ALTER TABLE two.payments DROP CONSTRAINT payments_gateway_fkey, ADD CONSTRAINT payments_gateway_fkey FOREIGN KEY (gateway) REFERENCES one.gateways})
	  if $store eq 'two';
	$node->safe_psql('postgres', "SELECT public.number('$store', '$shard{$store}')");
}

sub of_shard
{
	my ($store) = @_;

	return $node->safe_psql('postgres', join ';', map { "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM shards.${_}_$shard{$store} t" } @tables);
}

# ---------- a session that knows nothing ----------

my $bare = "SET search_path = pg_catalog; SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET bytea_output = 'escape'; SET extra_float_digits = 0;";

# statements, as one transaction in two phases, by a role that logs in; ends: COMMIT or ROLLBACK
sub in_two_phases
{
	my ($role, $sql, $end) = @_;
	my $name = 'shards_' . ++$n;
	my $output = $node->safe_psql('postgres', "$bare BEGIN; $sql; PREPARE TRANSACTION '$name'", extra_params => [ '-U', $role ]);

	$node->safe_psql('postgres', "$bare $end PREPARED '$name'", extra_params => [ '-U', $role ]);
	return $output;
}

sub life_of
{
	my ($id, $store, $end) = @_;
	my $suffix = $shard{$store};
	my $order = "shards.orders_$suffix";
	my $payments = "shards.payments_$suffix";
	my $operations = "shards.payment_operations_$suffix";

	in_two_phases('app', "INSERT INTO $order (order_id, customer_id, status, quantity, price, currency, version, paid_amount) VALUES ($id, 7, 'pending', 1, 100, 'USD', NULL, NULL)", $end);
	in_two_phases('app', "INSERT INTO shards.order_items_$suffix (order_id, line_no, kind, quantity, price) VALUES ($id, 1, 'item', 2, 60), ($id, 2, 'discount', 1, 20)", $end);
	in_two_phases('app', "INSERT INTO $payments (order_id, gateway, amount, split, status, fee_final, attempt_no, card_number, card_holder) VALUES ($id, 'card', 60, true, 'created', false, 1, '4111111111111111', 'Ann Lee')", $end);
	in_two_phases('gateway', "UPDATE $payments SET status = 'authorized' WHERE order_id = $id", $end);
	in_two_phases('gateway', "INSERT INTO $operations (order_id, payment_id, kind, fee, attempt_no, amount, status) SELECT order_id, payment_id, 'capture', 0, 1, 60, 'succeeded' FROM $payments WHERE order_id = $id", $end);
	in_two_phases('gateway', "UPDATE $order SET status = 'paid' WHERE order_id = $id", $end);
	in_two_phases('app', "UPDATE $order SET status = 'shipped' WHERE order_id = $id", $end);
	in_two_phases('app', "INSERT INTO $operations (order_id, payment_id, kind, fee, attempt_no, amount, status) SELECT order_id, payment_id, 'refund', 0, 1, 15, 'requested' FROM $payments WHERE order_id = $id AND gateway = 'card'", $end);
	in_two_phases('gateway', "UPDATE $operations SET status = 'succeeded' WHERE order_id = $id AND kind = 'refund'", $end);
	return;
}

my $before = of_shard('two');

life_of(1, 'one', 'COMMIT');
is($node->safe_psql('postgres', "SELECT status, total_amount, paid_amount, refunded_amount, version FROM shards.orders_$shard{one}"),
	'shipped|100|100|15|10', 'a whole order, each of its transactions in two phases');
is($node->safe_psql('postgres', "SELECT count(*), min(version), max(version), count(DISTINCT version) FROM shards.order_events_$shard{one}"),
	'10|1|10|10', 'its history has no gap');
is($node->safe_psql('postgres', "SELECT string_agg(concat_ws(' ', gateway, status, captured_amount, refunded_amount, fee, card_number), ', ' ORDER BY gateway) FROM shards.payments_$shard{one}"),
	'card succeeded 60 15 0.60 ************1111, manual succeeded 40 0 0', 'its payments, the one by hand as well');
is(of_shard('two'), $before, 'the other group is as it was');

my $after = of_shard('one');

# what is rolled back in the second phase leaves nothing; later statements find no order then
foreach my $sql ("INSERT INTO shards.orders_$shard{one} (order_id, status, price, quantity, currency) VALUES (5, 'pending', 1, 1, 'USD')",
	"INSERT INTO shards.payments_$shard{one} (order_id, gateway, amount, split, status, fee_final, attempt_no) VALUES (1, 'card', 1, true, 'created', false, 1)",
	"UPDATE shards.orders_$shard{one} SET status = 'completed' WHERE order_id = 1",
	"INSERT INTO shards.payment_operations_$shard{one} (order_id, payment_id, kind, fee, attempt_no, amount, status) SELECT order_id, payment_id, 'refund', 0, 1, 1, 'requested' FROM shards.payments_$shard{one} WHERE gateway = 'card'")
{
	in_two_phases('app', $sql, 'ROLLBACK');
}
is(of_shard('one'), $after, 'what is rolled back in the second phase leaves nothing');
life_of(2, 'two', 'COMMIT');
is($node->safe_psql('postgres', "SELECT status, total_amount, paid_amount, refunded_amount, version FROM shards.orders_$shard{two}"),
	'shipped|100|100|15|10', 'an order of the other group');
is(of_shard('one'), $after, '... which leaves the first as it was');

# ---------- what is refused ----------

foreach my $refused (
	[ "UPDATE shards.orders_$shard{one} SET status = 'pending'", 'OP001', 'an illegal move' ],
	[ "UPDATE shards.orders_$shard{one} SET paid_amount = 1", 'OP003', 'a derived column' ],
	[ "UPDATE shards.payments_$shard{one} SET status = 'failed' WHERE gateway = 'card'", 'OP004', 'an outcome by the application' ],
	[ "INSERT INTO shards.payment_operations_$shard{one} (order_id, payment_id, kind, fee, attempt_no, amount, status) SELECT order_id, payment_id, 'refund', 0, 1, 60, 'requested' FROM shards.payments_$shard{one} WHERE gateway = 'card'", 'OP005', 'more than was captured' ],
	[ "INSERT INTO shards.payments_$shard{one} (order_id, payment_id, gateway, amount, split, status, fee_final, attempt_no) VALUES (1, gen_random_uuid(), 'card', 1, true, 'created', false, 1)", 'OP003', 'a number that the application brings' ],
	[ "INSERT INTO shards.payments_$shard{one} (order_id, gateway, amount, split, status, fee_final, attempt_no) VALUES (2, 'card', 1, true, 'created', false, 1)", '23503', 'an order of another shard' ],
	[ "DELETE FROM shards.order_events_$shard{one}", '42501', 'history' ],
	[ "INSERT INTO shards.orders_$shard{one} (order_id, price, quantity, currency) VALUES (9, 1, 1, 'USD')", '23502', 'a status that no default has given' ])
{
	my ($result, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$bare $refused->[0]", extra_params => [ '-U', 'app' ]);

	like($stderr, qr/ERROR:  $refused->[1]/, "refused: $refused->[2]");
}
is(of_shard('one'), $after, 'and nothing is changed');

# NOTIFY and the like would forbid two phases
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), 0, 'no transaction is in doubt');

# ---------- a store again ----------

foreach my $store (sort keys %shard)
{
	$node->safe_psql('postgres', join ';', map { ("ALTER TABLE shards.${_}_$shard{$store} SET SCHEMA $store", "ALTER TABLE $store.${_}_$shard{$store} RENAME TO $_") } @tables);
	$node->safe_psql('postgres', qq{
DO \$\$
DECLARE
	command text;
BEGIN
	FOREACH command IN ARRAY ARRAY(
		SELECT format('ALTER INDEX %s RENAME TO %I', i.indexrelid::regclass, replace(x.relname, '_$shard{$store}', ''))
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
		WHERE x.relnamespace = '$store'::regnamespace AND x.relname LIKE '%$shard{$store}'
		  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))
		UNION ALL
		SELECT format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', k.conrelid::regclass, k.conname, replace(k.conname, '_$shard{$store}', ''))
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = '$store'::regnamespace AND k.conname LIKE '%$shard{$store}'
		UNION ALL
		SELECT format('ALTER TRIGGER %I ON %s RENAME TO %I', t.tgname, t.tgrelid::regclass, replace(t.tgname, '_$shard{$store}', ''))
		FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = '$store'::regnamespace AND t.tgname LIKE '%$shard{$store}')
	LOOP
		EXECUTE command;
	END LOOP;
END \$\$});
	is($node->safe_psql('postgres', "SELECT * FROM order_payment.verify_store('$store')"), '', "verify_store() finds nothing in $store");
}
is($node->safe_psql('postgres', 'SELECT (order_payment.reveal_card(payment_id, store => \'one\')).number FROM one.payments WHERE gateway = \'card\''), '4111111111111111', 'the card opens');
$node->stop;

done_testing();
