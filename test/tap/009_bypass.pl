
# What a superuser or the owner of a store can do behind its back is refused,
# or found by verify_store(). The extension does not go while a store uses it,
# and goes when none does. What somebody planted before CREATE EXTENSION, in
# the schema order_payment or on the search_path, is refused or unused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $node = make_cluster('bypass');

make_roles($node);
fill_database($node, 'postgres');
is_verified($node, 'postgres', 'before');

# ---------- found ----------

# In a transaction that is rolled back: what is done, what verify_store() says.
# Order 10 is pending, 2 paid at the second attempt, 3 shipped and then captured,
# 4 completed, 14 has a pending refund, 34 a refund; 3 has lines.
sub found
{
	my ($name, $sql, $problem, $role) = @_;
	my ($stdout, $stderr);

	$node->psql('postgres',
		'BEGIN;' . ($role ? "SET LOCAL ROLE $role;" : '') . "$sql;\n" . q{RESET ROLE; SET LOCAL session_replication_role = origin;
SELECT '@' || problem FROM order_payment.verify_store('shop') GROUP BY problem; ROLLBACK;},
		stdout => \$stdout, stderr => \$stderr, on_error_stop => 1,
		extra_params => [ '-v', 'VERBOSITY=terse' ]);
	like($stdout . "\n" . $stderr, qr/^\@$problem/m, "found: $name");
	return;
}

sub refused
{
	my ($name, $sql, $sqlstate, $role) = @_;

	fails_with($node, 'postgres', 'BEGIN;' . ($role ? "SET LOCAL ROLE $role;" : '') . $sql,
		$sqlstate, "refused: $name");
	return;
}

my $replica = 'SET LOCAL session_replication_role = replica';
my $disabled = 'trigger missing, disabled or changed';
my $status = 'status is not that of the last event';
my $version = 'version is not the number of events';
my $edge = 'event is no edge of the graph';

found('an illegal move in the replica role',
	"$replica; UPDATE shop.orders SET status = 'refunded' WHERE order_id = 10", $status);
found('a birth in the replica role', "$replica; INSERT INTO shop.orders (customer_id, created_at) VALUES (1, now())", $status);
found('an order deleted in the replica role', "$replica; DELETE FROM shop.orders WHERE order_id = 10", 'event of no order');
found('an event deleted in the replica role',
	"$replica; DELETE FROM shop.order_events WHERE order_id = 4 AND version = 2", $version);
found('an event of an own invention in the replica role', qq{$replica;
INSERT INTO shop.order_events SELECT order_id, 2, gen_random_uuid(), entity, entity_id, 'pending', 'refunded', amount, actor,
	session_role, reason, detail, recorded_at, xid FROM shop.order_events WHERE order_id = 10 AND version = 1;
UPDATE shop.orders SET status = 'refunded', version = 2, refunded_at = now() WHERE order_id = 10}, $edge);
found('a total in the replica role', "$replica; UPDATE shop.orders SET total_amount = 1 WHERE order_id = 3",
	'total is not that of the lines');
found('a line in the replica role', "$replica; DELETE FROM shop.order_items WHERE order_id = 3 AND line_no = 1",
	'total is not that of the lines');
found('a stamp in the replica role', "$replica; UPDATE shop.orders SET paid_at = NULL WHERE order_id = 2",
	'state entered without a stamp');
found('a changed key in the replica role', "$replica; UPDATE shop.orders SET order_id = 100000 WHERE order_id = 10",
	$version);

foreach my $trigger (
	qw(orders.zzz_guard_status orders.zzz_guard_status_birth orders.zzy_maintain_order orders.000_record_event_insert
	orders.000_record_event_update orders.refuse_truncate order_items.000_follow_items order_items.refuse_truncate
	order_events.000_append_only order_events.000_append_only_truncate
	payments.zzy_maintain_payment payments.zzz_guard_status payments.zzz_guard_status_birth payments.000_apply_payment
	payments.refuse_delete payments.refuse_truncate
	payment_operations.zzy_maintain_operation payment_operations.zzz_guard_status payment_operations.zzz_guard_status_birth
	payment_operations.000_apply_operation payment_operations.refuse_delete payment_operations.refuse_truncate))
{
	my ($table, $name) = split /\./, $trigger;

	found("$trigger disabled by the owner", qq{ALTER TABLE shop.$table DISABLE TRIGGER "$name"}, $disabled, 'shopkeeper');
	found("$trigger made a REPLICA trigger", qq{ALTER TABLE shop.$table ENABLE REPLICA TRIGGER "$name"}, $disabled, 'shopkeeper');
}
found('a dropped trigger', 'DROP TRIGGER zzz_guard_status ON shop.orders', $disabled, 'shopkeeper');
found('a renamed guard', 'ALTER TRIGGER zzz_guard_status ON shop.orders RENAME TO aaa_guard', $disabled, 'shopkeeper');
found('triggers disabled, rows changed, triggers enabled', q{
ALTER TABLE shop.orders DISABLE TRIGGER USER;
UPDATE shop.orders SET status = 'refunded' WHERE order_id = 10;
ALTER TABLE shop.orders ENABLE TRIGGER USER}, $status, 'shopkeeper');
found('history changed while its trigger was disabled', q{
ALTER TABLE shop.order_events DISABLE TRIGGER USER;
UPDATE shop.order_events SET to_status = 'authorized' WHERE order_id = 4 AND version = 2;
ALTER TABLE shop.order_events ENABLE TRIGGER USER}, 'event does not follow its predecessor', 'shopkeeper');
found('a guard that never fires (WHEN)', q{
CREATE OR REPLACE TRIGGER zzz_guard_status BEFORE INSERT OR UPDATE ON shop.orders
	FOR EACH ROW WHEN (false) EXECUTE FUNCTION order_payment.enforce_transition('status', '', 'stamp')},
	'trigger', 'shopkeeper');
found('a guard of other columns', q{
CREATE OR REPLACE TRIGGER zzz_guard_status BEFORE INSERT OR UPDATE OF quantity ON shop.orders
	FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition('status', '', 'stamp')},
	'trigger', 'shopkeeper');
found('events that are not written (WHEN)', q{
CREATE OR REPLACE TRIGGER "000_record_event_update" AFTER UPDATE ON shop.orders
	FOR EACH ROW WHEN (false) EXECUTE FUNCTION order_payment.record_event()},
	'trigger', 'shopkeeper');
found('history that may be deleted', q{
CREATE OR REPLACE TRIGGER "000_append_only" BEFORE INSERT ON shop.order_events
	FOR EACH ROW EXECUTE FUNCTION order_payment.append_only()},
	'trigger', 'shopkeeper');
found('a narrower graph than the rows have followed', q{
SELECT order_payment.guard_column('shop.orders', 'status', 'pending; pending: paid')}, $edge, 'shopkeeper');


# ---------- money ----------

my $of_payments = 'amount is not that of the payments';
my $of_operations = 'amount is not that of the operations';
my $forced = 'status is not that which money forces';
my $nowhere = 'link leads nowhere';
my $refund = q{WHERE kind = 'refund' AND order_id = 34};

sub money
{
	my ($how, $before, $role) = @_;
	my $after = $role ? q{; ALTER TABLE shop.orders ENABLE TRIGGER USER; ALTER TABLE shop.payments ENABLE TRIGGER USER;
ALTER TABLE shop.payment_operations ENABLE TRIGGER USER} : '';

	foreach my $case (
		[ 'more paid', q{UPDATE shop.orders SET paid_amount = paid_amount + 1 WHERE order_id = 4}, $of_payments ],
		[ 'a refund forgotten', q{UPDATE shop.orders SET refunded_amount = 0 WHERE order_id = 34}, $of_payments ],
		[ 'a dispute forgotten', q{UPDATE shop.orders SET charged_back_amount = 0 WHERE order_id = 32}, $of_payments ],
		[ 'an authorisation invented', q{UPDATE shop.orders SET authorized_amount = 5 WHERE order_id = 10}, $of_payments ],
		[ 'due forgotten', q{UPDATE shop.orders SET refund_due_amount = 0 WHERE order_id = 24}, 'due is not what was paid too much' ],
		[ 'due invented', q{UPDATE shop.orders SET refund_due_amount = 1 WHERE order_id = 4}, 'due is not what was paid too much' ],
		[ 'a payment that succeeds', q{UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 20}, $status ],
		[ 'a payment with its capture', q{UPDATE shop.payments SET status = 'succeeded', captured_amount = amount, succeeded_at = now()
			WHERE order_id = 20}, $of_payments ],
		[ 'a payment that fails', q{UPDATE shop.payments SET status = 'failed', failed_at = now() WHERE order_id = 4}, $status ],
		[ 'a larger capture', q{UPDATE shop.payments SET amount = amount + 5, captured_amount = captured_amount + 5 WHERE order_id = 4},
			$of_payments ],
		[ 'a payment of another amount', q{UPDATE shop.payments SET amount = amount + 5 WHERE order_id = 4}, $of_operations ],
		[ 'another amount than was told', q{UPDATE shop.payments SET amount = amount + 5 WHERE order_id = 20}, 'event tells another amount' ],
		[ 'a payment in another currency', q{UPDATE shop.payments SET currency = 'USD' WHERE order_id = 4},
			'currency is not that of the order' ],
		[ 'a payment that nobody recorded', q{INSERT INTO shop.payments (order_id, gateway, amount, currency, status, captured_amount, fee, created_at)
			VALUES (4, 'stripe', 5, 'EUR', 'succeeded', 5, 0, now())}, $of_payments ],
		[ 'a second live attempt', q{DROP INDEX shop.payments_one_live_attempt_idx;
			INSERT INTO shop.payments (order_id, gateway, amount, currency, status, fee, created_at)
			VALUES (20, 'stripe', 5, 'EUR', 'created', 0, now())}, 'more than one live attempt' ],
		[ 'a payment of another order', q{UPDATE shop.payments SET order_id = 10 WHERE order_id = 4}, $of_payments ],
		[ 'a reservation forgotten', q{UPDATE shop.payments SET refund_pending_amount = 0 WHERE order_id = 14}, $of_operations ],
		[ 'a refund of the payment forgotten', q{UPDATE shop.payments SET refunded_amount = 0 WHERE order_id = 34}, $of_operations ],
		[ 'a void forgotten', q{UPDATE shop.payments SET capture_pending_amount = 0 WHERE order_id = 18}, $of_operations ],
		[ 'a refund that succeeds', q{UPDATE shop.payment_operations SET status = 'succeeded' WHERE order_id = 14}, $status ],
		[ 'the same with its reservation', q{UPDATE shop.payment_operations SET status = 'succeeded', succeeded_at = now() WHERE order_id = 14;
			UPDATE shop.payments SET refund_pending_amount = 0, refunded_amount = 0.25 WHERE order_id = 14;
			UPDATE shop.orders SET refunded_amount = 0.25 WHERE order_id = 14}, $status ],
		[ 'a refund undone', qq{UPDATE shop.payment_operations SET status = 'failed', failed_at = now() $refund}, $status ],
		[ 'a larger refund', qq{UPDATE shop.payment_operations SET amount = 1 $refund}, $of_operations ],
		[ 'a refund of another kind', qq{UPDATE shop.payment_operations SET kind = 'chargeback' $refund}, $of_operations ],
		[ 'a refund that nobody recorded', q{INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, currency, status, created_at)
			SELECT order_id, payment_id, 'refund', 1, 'EUR', 'succeeded', now() FROM shop.payments WHERE order_id = 4}, $of_operations ],
		[ 'an operation in another currency', qq{UPDATE shop.payment_operations SET currency = 'USD' $refund},
			'currency is not that of the payment' ],
		[ 'an obligation invented', qq{UPDATE shop.payment_operations SET obligatory_amount = amount $refund},
			'refunds have paid more of the due than there was' ],
		[ 'a stamp of a payment', q{UPDATE shop.payments SET succeeded_at = NULL WHERE order_id = 4}, 'state entered without a stamp' ],
		[ 'a stamp of an operation', qq{UPDATE shop.payment_operations SET requested_at = NULL $refund}, 'state entered without a stamp' ])
	{
		my ($what, $sql, $problem) = @$case;

		found("$what $how", "$before; $sql$after", $problem, $role);
	}
	return;
}

money('in the replica role', $replica);
money('by order_payment.restore', 'SET LOCAL order_payment.restore = on');
money('while triggers were disabled', join(';', map { "ALTER TABLE shop.$_ DISABLE TRIGGER USER" } qw(orders payments payment_operations)),
	'shopkeeper');

# what CHECK constraints refuse even then is found when they are gone
foreach my $case (
	[ 'paid without money', q{UPDATE shop.orders SET paid_amount = 0 WHERE order_id = 4}, 'orders', $forced,
		q{UPDATE shop.payments SET captured_amount = 0 WHERE order_id = 4; } ],
	[ 'a dead order that keeps its money', q{UPDATE shop.orders SET refund_due_amount = 0 WHERE order_id = 26}, 'orders',
		'due is not what was paid too much' ],
	[ 'more refunded than captured', q{UPDATE shop.payments SET refunded_amount = captured_amount + 1 WHERE order_id = 4}, 'payments',
		'value out of range' ],
	[ 'a fee of less than a cent', q{UPDATE shop.payments SET fee = 0.001 WHERE order_id = 20}, 'payments', 'value out of range' ],
	[ 'a total of less than a cent', q{UPDATE shop.orders SET total_amount = total_amount + 0.001 WHERE order_id = 4}, 'orders', 'value out of range' ],
	[ 'a currency that is none', q{UPDATE shop.orders SET currency = 'XXX' WHERE order_id = 4}, 'orders', 'value out of range' ],
	[ 'a payment of nothing', q{UPDATE shop.payments SET amount = 0, authorized_amount = captured_amount WHERE order_id = 4}, 'payments',
		'value out of range' ],
	[ 'more captured than there was', q{UPDATE shop.payments SET captured_amount = amount + 1 WHERE order_id = 4}, 'payments',
		'value out of range' ],
	[ 'an authorisation below nothing', q{UPDATE shop.payments SET authorized_amount = -1 WHERE order_id = 4}, 'payments',
		'value out of range' ],
	[ 'a due below nothing', q{UPDATE shop.orders SET refund_due_amount = -1 WHERE order_id = 4}, 'orders', 'value out of range' ])
{
	my ($what, $sql, $table, $problem, $more) = @$case;

	refused("$what in the replica role", "$replica; $sql", '23514');
	found("$what without CHECK", "$replica; " . ($more // '') . "ALTER TABLE shop.$table DROP CONSTRAINT ${table}_money_check; $sql",
		$problem);
}
found('a payment deleted in the replica role', "$replica; DELETE FROM shop.payments WHERE order_id = 20", 'event of no payment');
found('a refund deleted in the replica role', "$replica; DELETE FROM shop.payment_operations $refund", 'event of no operation');
found('the payment of a refund deleted', "$replica; DELETE FROM shop.payments WHERE order_id = 34", $nowhere);
found('the order of a payment deleted', "$replica; DELETE FROM shop.orders WHERE order_id = 4", $nowhere);
found('a gateway deleted', "$replica; DELETE FROM shop.gateways WHERE gateway = 'stripe'", $nowhere);
found('a gateway that is none', "$replica; UPDATE shop.payments SET gateway = 'none' WHERE order_id = 4", $nowhere);
found('a refund given to another payment', qq{$replica; UPDATE shop.payment_operations SET payment_id = gen_random_uuid() $refund}, $nowhere);
found('a retry of nothing', "$replica; UPDATE shop.payments SET retry_of = gen_random_uuid() WHERE order_id = 4", $nowhere);
found('payments whose amounts are not looked at', q{ALTER TABLE shop.payments DROP CONSTRAINT payments_money_check},
	'constraint missing', 'shopkeeper');
found('foreign keys whose triggers are off', q{ALTER TABLE shop.payment_operations DISABLE TRIGGER ALL}, 'constraint not in force');
found('an event of a payment changed', "SET LOCAL order_payment.allow_history_change = on;
UPDATE shop.order_events SET to_status = 'failed' WHERE order_id = 4 AND entity = 'payment'", $status);
found('an event of a refund changed', "SET LOCAL order_payment.allow_history_change = on;
UPDATE shop.order_events SET amount = 9 WHERE order_id = 34 AND entity = 'operation'", 'event tells another amount');
found('an event of a payment deleted', "SET LOCAL order_payment.allow_history_change = on;
DELETE FROM shop.order_events WHERE order_id = 4 AND entity = 'payment'", $status);
found('an effect that does not happen (WHEN)', q{
CREATE OR REPLACE TRIGGER "000_apply_payment" AFTER INSERT OR UPDATE ON shop.payments
	FOR EACH ROW WHEN (false) EXECUTE FUNCTION order_payment.apply_payment()}, 'trigger', 'shopkeeper');
found('an effect of births alone', q{
CREATE OR REPLACE TRIGGER "000_apply_operation" AFTER INSERT ON shop.payment_operations
	FOR EACH ROW EXECUTE FUNCTION order_payment.apply_operation()}, 'trigger', 'shopkeeper');
found('an inheriting table of payments', 'CREATE TABLE shop.more () INHERITS (shop.payments)', 'inheriting table without triggers');
found('a narrower graph of payments', q{
SELECT order_payment.guard_column('shop.payments', 'status', 'created succeeded; created: processing; processing: failed')}, $edge, 'shopkeeper');
found('a payment moved in the catalog',
	q{UPDATE pg_trigger SET tgfoid = 'suppress_redundant_updates_trigger'::regproc WHERE tgname = '000_apply_payment'}, $disabled);

# ---------- the rest ----------

found('a move by order_payment.restore',
	q{SET LOCAL order_payment.restore = on; UPDATE shop.orders SET status = 'refunded' WHERE order_id = 10}, $status);
found('a birth by order_payment.restore',
	q{SET LOCAL order_payment.restore = on; INSERT INTO shop.orders (price, total_amount, status, created_at) VALUES (1, 1, 'refunded', now())},
	$status);
found('a total by order_payment.restore',
	q{SET LOCAL order_payment.restore = on; UPDATE shop.orders SET quantity = 2, price = 1, total_amount = 2 WHERE order_id = 3},
	'total is not that of the lines');

my $allow = 'SET LOCAL order_payment.allow_history_change = on';

found('a deleted event', "$allow; DELETE FROM shop.order_events WHERE order_id = 4 AND version = 3", $version);
found('a deleted first event', "$allow; DELETE FROM shop.order_events WHERE order_id = 4 AND version = 1", $version);
found('a changed event', "$allow; UPDATE shop.order_events SET to_status = 'expired' WHERE order_id = 10", $status);
found('an event given another number', "$allow; UPDATE shop.order_events SET version = 9 WHERE order_id = 10", $version);
found('an event given to another order',
	"$allow; UPDATE shop.order_events SET order_id = 10, version = 2 WHERE order_id = 4 AND version = 2", $version);
found('TRUNCATE of the history', "$allow; TRUNCATE shop.order_events", $version);
found('TRUNCATE of the lines', "$allow; TRUNCATE shop.order_items", 'total is not that of the lines');

found('an inheriting table', 'CREATE TABLE shop.more () INHERITS (shop.orders)', 'inheriting table without triggers');
found('a row in one', q{CREATE TABLE shop.more () INHERITS (shop.orders);
INSERT INTO shop.more (order_id, price, total_amount, status, created_at) VALUES (100000, 1, 1, 'refunded', now())}, 'inheriting table without triggers');

found('a trigger disabled in the catalog',
	q{UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'zzz_guard_status'}, $disabled);
found('a trigger deleted from the catalog',
	q{DELETE FROM pg_trigger WHERE tgname = '000_record_event_update'}, $disabled);
found('a trigger of another function in the catalog',
	q{UPDATE pg_trigger SET tgfoid = 'suppress_redundant_updates_trigger'::regproc WHERE tgname = 'zzz_guard_status'}, $disabled);
found('all triggers switched off in the catalog',
	q{UPDATE pg_class SET relhastriggers = false WHERE oid = 'shop.orders'::regclass}, 'trigger');

# ---------- refused ----------

foreach my $table (qw(orders order_items order_events payments payment_operations))
{
	refused("TRUNCATE of $table by the owner", "TRUNCATE shop.$table CASCADE", 'OP003', 'shopkeeper');
	refused("TRUNCATE of $table by a superuser", "TRUNCATE shop.$table CASCADE", 'OP003');
}
refused('an order deleted by the owner', 'DELETE FROM shop.orders WHERE order_id = 10', '23503', 'shopkeeper');
foreach my $table (qw(payments payment_operations))
{
	refused("DELETE of $table by the owner", "DELETE FROM shop.$table", 'OP003', 'shopkeeper');
	refused("DELETE of $table by a superuser", "DELETE FROM shop.$table", 'OP003');
}
refused("money written by the owner: $_", "UPDATE shop.$_", 'OP003', 'shopkeeper') foreach (
	'orders SET paid_amount = 77', 'orders SET refund_due_amount = 77', 'payments SET captured_amount = 77',
	'payments SET refund_pending_amount = 77', 'payment_operations SET obligatory_amount = 0.01 WHERE order_id = 14',
	q{payments SET amount = 77}, q{payments SET order_id = 10}, q{payment_operations SET kind = 'void'});
refused('an effect called by hand', 'SELECT order_payment.apply_payment()', '0A000|39P01', 'shopkeeper');
refused('a payment whose order is another table', q{ALTER TABLE shop.payments DROP CONSTRAINT payments_order_id_fkey;
INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (10, 'stripe', 1, 'succeeded')}, '55000', 'shopkeeper');
refused('a user trigger that changes what is kept', q{CREATE FUNCTION shop.forge() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN NEW.captured_amount := 77; RETURN NEW; END$$;
CREATE TRIGGER aaa BEFORE UPDATE ON shop.payments FOR EACH ROW EXECUTE FUNCTION shop.forge();
UPDATE shop.payments SET method = 'x' WHERE order_id = 4}, 'OP003', 'shopkeeper');
refused('a rule that swallows effects', q{CREATE RULE swallow AS ON UPDATE TO shop.orders DO INSTEAD NOTHING;
UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 20}, '55000', 'shopkeeper');
refused('an event written by the owner', q{
INSERT INTO shop.order_events SELECT * FROM shop.order_events LIMIT 1}, 'OP003', 'shopkeeper');
refused('an event deleted by the owner', 'DELETE FROM shop.order_events', 'OP003', 'shopkeeper');
refused('restore by the owner', q{SET LOCAL order_payment.restore = on;
UPDATE shop.orders SET status = 'refunded' WHERE order_id = 10}, '(?:42501|OP001)', 'shopkeeper');
refused('the replica role by the owner', $replica, '42501', 'shopkeeper');
my $later = q{CREATE FUNCTION shop.change() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN NEW.status := 'refunded'; RETURN NEW; END$$;
GRANT EXECUTE ON FUNCTION shop.change() TO PUBLIC;};

refused('a trigger after the guard', "$later CREATE TRIGGER zzzz BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.change();
UPDATE shop.orders SET note = 'x' WHERE order_id = 10", '39P01', 'shopkeeper');
refused('a trigger that is renamed to come after it', "$later CREATE TRIGGER aaa BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.change();
ALTER TRIGGER aaa ON shop.orders RENAME TO zzzz;
UPDATE shop.orders SET note = 'x' WHERE order_id = 10", '39P01', 'shopkeeper');
refused('a trigger before the guard that makes an illegal move', "$later CREATE TRIGGER aaa BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.change();
UPDATE shop.orders SET note = 'x' WHERE order_id = 10", 'OP001', 'shopkeeper');
refused('a rule that swallows events', q{CREATE RULE swallow AS ON INSERT TO shop.order_events DO INSTEAD NOTHING;
UPDATE shop.orders SET status = 'paid' WHERE order_id = 10}, '55000', 'shopkeeper');
refused('a foreign key of events that is gone', q{ALTER TABLE shop.order_events DROP CONSTRAINT order_events_order_id_fkey;
UPDATE shop.orders SET status = 'paid' WHERE order_id = 10}, '55000', 'shopkeeper');
is_verified($node, 'postgres', 'after all that');

# ---------- DROP ----------

fails_with($node, 'postgres', 'DROP EXTENSION order_payment', '2BP01', 'DROP EXTENSION is refused while a store uses it');
fails_with($node, 'postgres', 'DROP FUNCTION order_payment.enforce_transition()', '2BP01', 'so is DROP of a member');
$node->safe_psql('postgres', 'DROP SCHEMA shop CASCADE');
fails_with($node, 'postgres', 'DROP EXTENSION order_payment', '2BP01', 'one store is enough');
$node->safe_psql('postgres', q{DROP SCHEMA "Bob's ""Shop""; --" CASCADE; DROP EXTENSION order_payment});
is($node->safe_psql('postgres', q{
SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'order_payment'
UNION ALL SELECT count(*) FROM pg_operator WHERE oid >= 16384
UNION ALL SELECT count(*) FROM pg_proc WHERE oid >= 16384 AND pronamespace = 'pg_catalog'::regnamespace}),
	"0\n0\n0", 'without stores the extension goes, and leaves nothing');
$node->safe_psql('postgres', q{CREATE EXTENSION order_payment; SELECT order_payment.create_store('shop', owner => 'shopkeeper')});
is_verified($node, 'postgres', 'made anew');

# ---------- what was planted before ----------

$node->safe_psql('postgres', 'CREATE ROLE mallory');

# A database in which mallory did $sql before the extension came.
my $n = 0;

sub planted
{
	my ($sql) = @_;
	my $database = 'hostile_' . ++$n;

	$node->safe_psql('postgres', "CREATE DATABASE $database; GRANT ALL ON DATABASE $database TO mallory");
	$node->safe_psql($database, "GRANT ALL ON SCHEMA public TO mallory; SET ROLE mallory; $sql");
	return $database;
}

foreach my $plant (
	[ 'a function', 'CREATE FUNCTION order_payment.enforce_transition() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$' ],
	[ 'a type', 'CREATE TYPE order_payment.order_status AS ENUM ()' ],
	[ 'a shell type', 'CREATE DOMAIN order_payment.payment_status AS text' ])
{
	my ($what, $sql) = @$plant;
	my $database = planted("CREATE SCHEMA order_payment; $sql");

	isnt(failure($node, $database, 'CREATE EXTENSION order_payment'), '', "$what of the same name: refused");
	is($node->safe_psql($database, q{SELECT count(*) FROM pg_extension WHERE extname = 'order_payment'}), '0',
		"$what of the same name: nothing is left");
}

# mallory's schema, empty or with functions that match some calls better than ours
foreach my $plant (
	[ 'an empty schema', '' ],
	[ 'an overload', 'CREATE FUNCTION order_payment.status_edges(text, text, OUT from_status text, OUT to_status text)
		RETURNS SETOF record LANGUAGE plpgsql AS $$BEGIN ALTER ROLE mallory SUPERUSER; END$$' ])
{
	my ($what, $sql) = @$plant;
	my $database = planted("CREATE SCHEMA order_payment; $sql");
	my $refusal = failure($node, $database, 'CREATE EXTENSION order_payment');

	ok( $refusal ne '' || $node->safe_psql($database, q{
SELECT NOT has_schema_privilege('mallory', 'order_payment', 'CREATE')
   AND (SELECT nspowner <> 'mallory'::regrole FROM pg_namespace WHERE nspname = 'order_payment')
   AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'order_payment'::regnamespace AND proowner = 'mallory'::regrole)}) eq 't',
		"$what of another role's in the way: refused, or taken away from it");
}

# search_path: evil functions and operators come first, and betray themselves
my $evil = planted(q{
CREATE SCHEMA evil;
CREATE FUNCTION evil.betray() RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'betrayed'; END$$;
CREATE FUNCTION evil.replace(text, text, text) RETURNS text LANGUAGE sql AS $$SELECT evil.betray(); SELECT ''::text$$;
CREATE FUNCTION evil.format(text, text) RETURNS text LANGUAGE sql AS $$SELECT evil.betray(); SELECT ''::text$$;
CREATE FUNCTION evil.format(text, text, text) RETURNS text LANGUAGE sql AS $$SELECT evil.betray(); SELECT ''::text$$;
CREATE FUNCTION evil.quote_ident(text) RETURNS text LANGUAGE sql AS $$SELECT evil.betray(); SELECT ''::text$$;
CREATE FUNCTION evil.quote_ident(name) RETURNS text LANGUAGE sql AS $$SELECT evil.betray(); SELECT ''::text$$;
CREATE FUNCTION evil.pg_current_xact_id() RETURNS xid8 LANGUAGE sql AS $$SELECT evil.betray(); SELECT '0'::xid8$$;
CREATE FUNCTION evil.gen_random_uuid() RETURNS uuid LANGUAGE sql AS $$SELECT evil.betray(); SELECT NULL::uuid$$;
CREATE FUNCTION evil.count(int) RETURNS bigint LANGUAGE sql AS $$SELECT evil.betray(); SELECT 0::bigint$$;
CREATE FUNCTION evil.yes(bigint, bigint) RETURNS boolean LANGUAGE sql AS $$SELECT evil.betray(); SELECT true$$;
CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE sql AS $$SELECT evil.betray(); SELECT true$$;
CREATE FUNCTION evil.yes(integer, integer) RETURNS boolean LANGUAGE sql AS $$SELECT evil.betray(); SELECT true$$;
CREATE FUNCTION evil.sum(integer, integer) RETURNS integer LANGUAGE sql AS $$SELECT evil.betray(); SELECT 0$$;
CREATE FUNCTION evil.sum(numeric, numeric) RETURNS numeric LANGUAGE sql AS $$SELECT evil.betray(); SELECT 0.0$$;
CREATE OPERATOR evil.= (FUNCTION = evil.yes, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR evil.= (FUNCTION = evil.yes, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.= (FUNCTION = evil.yes, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR evil.> (FUNCTION = evil.yes, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR evil.+ (FUNCTION = evil.sum, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR evil.+ (FUNCTION = evil.sum, LEFTARG = numeric, RIGHTARG = numeric);
CREATE OPERATOR evil.* (FUNCTION = evil.sum, LEFTARG = numeric, RIGHTARG = numeric);
CREATE TYPE evil.name AS ENUM ();
CREATE TYPE evil.order_status AS ENUM ();
CREATE DOMAIN public.order_status AS text;
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (VALUE IS NULL);
CREATE DOMAIN evil.numeric AS pg_catalog.numeric CHECK (VALUE IS NULL);
});
is(failure($node, $evil, q{
SET search_path = evil, public, pg_temp, pg_catalog;
CREATE TYPE pg_temp.payment_status AS ENUM ();
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', owner => 'shopkeeper', app_role => 'app');
INSERT INTO shop.orders (customer_id, quantity, price) VALUES (1, 2, 3), (1, 1, 1);
INSERT INTO shop.order_items (order_id, line_no, price) VALUES (1, 1, 10), (1, 2, 5);
UPDATE shop.order_items SET quantity = 3;
INSERT INTO shop.gateways (gateway) VALUES ('stripe');
INSERT INTO shop.payments (order_id, gateway, amount) VALUES (1, 'stripe', 45);
UPDATE shop.payments SET status = 'authorized';
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
	SELECT order_id, payment_id, 'capture', 40, 'succeeded' FROM shop.payments;
INSERT INTO shop.refunds (order_id, payment_id, amount) SELECT order_id, payment_id, 5 FROM shop.payments;
UPDATE shop.refunds SET status = 'succeeded';
UPDATE shop.orders SET status = 'paid';
SELECT * FROM shop.order_overview;
SELECT * FROM shop.payment_overview;
SELECT * FROM shop.open_work;
SELECT * FROM shop.needs_attention;
SELECT * FROM order_payment.order_timeline('1'::pg_catalog.text, 'shop');
SELECT * FROM order_payment.read_events('mailer', 10, 'shop');
SELECT order_payment.ack_events('mailer', ARRAY[(SELECT event_id FROM shop.order_events LIMIT 1)], 'shop');
SELECT order_payment.notify_events('channel', 10, 'shop');
SELECT order_payment.status_graph('shop.orders', 'status');
SELECT * FROM order_payment.verify_store('shop');
}), '', 'what comes first on the search_path is not used');
is($node->safe_psql($evil, q{
SELECT (SELECT atttypid::regtype FROM pg_attribute WHERE attrelid = 'shop.orders'::regclass AND attname = 'status'),
	   total_amount, version, (SELECT count(*) FROM order_payment.verify_store('shop')) FROM shop.orders WHERE order_id = 1}),
	'order_payment.order_status|45|10|0', 'and all is as it should be');

done_testing();
