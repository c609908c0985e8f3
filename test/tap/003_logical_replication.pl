
# A store that is replicated to another made by create_store(), as text and in
# binary: rows and events are equal and not doubled (ORIGIN triggers are silent
# in the apply worker, so events come by replication only), apply does not
# stop, and the subscriber still refuses illegal moves of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $publisher = make_cluster('publisher', init => { allows_streaming => 'logical' });
my $subscriber = make_cluster('subscriber');
my $tables = q{c.oid::regclass::text IN ('shop.orders', 'shop.order_items', 'shop.order_events', 'shop.gateways',
	'shop.gateway_fees', 'shop.payments', 'shop.payment_operations', 'shop.settlement_lines')};

$publisher->safe_psql('postgres', q{
CREATE ROLE shopkeeper;
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper');
CREATE PUBLICATION shop FOR TABLE shop.orders, shop.order_items, shop.order_events,
	shop.gateways, shop.gateway_fees, shop.payments, shop.payment_operations, shop.settlement_lines;
INSERT INTO shop.gateways (gateway) VALUES ('stripe');
INSERT INTO shop.gateway_fees (gateway, currency, rate) VALUES ('stripe', 'EUR', 0.03);
INSERT INTO shop.orders (customer_id, quantity, price) SELECT n, 1, n FROM generate_series(1, 100) n;
INSERT INTO shop.order_items (order_id, line_no, price) SELECT n, 1, 5 FROM generate_series(1, 30) n;
INSERT INTO shop.payments (order_id, gateway, amount, status)
	SELECT order_id, 'stripe', total_amount, 'succeeded' FROM shop.orders WHERE order_id % 4 = 0;
UPDATE shop.orders SET status = 'paid' WHERE order_id % 4 = 2;
INSERT INTO shop.refunds (order_id, payment_id, amount)
	SELECT order_id, payment_id, 1 FROM shop.payments WHERE order_id IN (34, 40);
});
$subscriber->safe_psql('postgres', 'CREATE ROLE shopkeeper');

my %mode = (as_text => 'false', in_binary => 'true');

foreach my $database (sort keys %mode)
{
	$subscriber->safe_psql('postgres', "CREATE DATABASE $database");
	$subscriber->safe_psql($database, q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper');
DELETE FROM shop.gateways;	-- they come from the publisher
	});
	my $connstr = $publisher->connstr . ' dbname=postgres';

	$subscriber->safe_psql($database,
		"CREATE SUBSCRIPTION $database CONNECTION '$connstr' PUBLICATION shop WITH (binary = $mode{$database})");
}
$subscriber->wait_for_subscription_sync($publisher, $_, $_) foreach sort keys %mode;

# by every way a row changes
$publisher->safe_psql('postgres', q{
UPDATE shop.orders SET status = 'shipped' WHERE order_id % 4 = 0;
UPDATE shop.orders SET status = 'completed' WHERE order_id % 8 = 0;
UPDATE shop.orders SET status = 'expired' WHERE order_id % 5 = 1 AND status = 'pending';
INSERT INTO shop.orders (customer_id, price) SELECT n, 7 FROM generate_series(101, 120) n;
INSERT INTO shop.payments (order_id, gateway, amount, status)
	SELECT order_id, 'stripe', 7, 'authorized' FROM shop.orders WHERE order_id > 110;
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
	SELECT order_id, payment_id, 'capture', 3, 'succeeded' FROM shop.payments WHERE order_id > 115;
INSERT INTO shop.payment_operations (order_id, payment_id, kind)
	SELECT order_id, payment_id, 'void' FROM shop.payments WHERE order_id = 112;
UPDATE shop.payment_operations SET status = 'succeeded' WHERE kind = 'void';
INSERT INTO shop.payments (order_id, gateway, amount) VALUES (106, 'stripe', 7), (109, 'stripe', 7);
UPDATE shop.payments SET status = 'failed', failure_class = 'other' WHERE order_id = 106;
DELETE FROM shop.order_items WHERE order_id IN (3, 5);
INSERT INTO shop.order_items (order_id, line_no, price) SELECT n, 2, 3 FROM generate_series(101, 105) n;
INSERT INTO shop.orders (order_id, price) VALUES (7, 1) ON CONFLICT (order_id) DO UPDATE SET payment_method = 'cash';
BEGIN; INSERT INTO shop.orders (price) VALUES (99); ROLLBACK;
UPDATE shop.refunds SET status = 'processing' WHERE order_id = 34;
INSERT INTO shop.refunds (order_id, payment_id, amount, status)
	SELECT p.order_id, p.payment_id, p.captured_amount - p.refund_pending_amount, 'succeeded'
	FROM shop.payments p JOIN shop.orders o USING (order_id) WHERE o.status = 'completed';
UPDATE shop.refunds SET status = 'succeeded' WHERE order_id = 40 AND status = 'requested';
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
	SELECT order_id, payment_id, 'chargeback', 2, 'succeeded' FROM shop.payments WHERE order_id IN (38, 42);
UPDATE shop.payment_operations SET status = 'reversed' WHERE order_id = 42;
INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, fee, currency, settled_on)
	SELECT 'stripe', 'po_1', row_number() OVER (), kind, replace(number::text, '-', ''), amount, 0.5, currency, now()
	FROM shop.settlement_facts WHERE gateway = 'stripe';
SELECT order_payment.post_settlement('stripe', 'po_1', 'shop');
});
is($publisher->safe_psql('postgres', q{
SELECT string_agg(DISTINCT status::text, ' ' ORDER BY status::text) FROM shop.orders
UNION ALL SELECT string_agg(DISTINCT status::text, ' ' ORDER BY status::text) FROM shop.payments
UNION ALL SELECT string_agg(DISTINCT kind || ' ' || status, ', ' ORDER BY kind || ' ' || status) FROM shop.payment_operations}),
	"authorized expired paid pending refunded shipped\nauthorized created failed revoked succeeded\n"
	. 'capture succeeded, chargeback reversed, chargeback succeeded, refund processing, refund succeeded, void succeeded',
	'orders, payments and operations to replicate');
my $expected = contents($publisher, 'postgres', $tables);

like($expected, qr/shop\.order_events \w+ [3-9]\d\d/, 'events to replicate');
foreach my $database (sort keys %mode)
{
	$publisher->wait_for_catchup($database);
	same_lines(contents($subscriber, $database, $tables), $expected,
		"$database: rows and events are equal, none is doubled");
	is($subscriber->safe_psql($database,
		"SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats WHERE subname = '$database'"),
		'0', "$database: apply had no error");
	is_verified($subscriber, $database, $database);
	fails_with($subscriber, $database, q{UPDATE shop.orders SET status = 'pending' WHERE order_id = 8},
		'OP001', "$database: an illegal move on the subscriber is refused");
	fails_with($subscriber, $database, q{INSERT INTO shop.orders (order_id, price, status) VALUES (1000, 1, 'shipped')},
		'OP001', "$database: so is an illegal birth");
	fails_with($subscriber, $database, q{UPDATE shop.payments SET status = 'created' WHERE order_id = 8},
		'OP001', "$database: so is one of a payment");
	fails_with($subscriber, $database, q{UPDATE shop.payments SET captured_amount = 1 WHERE order_id = 8},
		'OP003', "$database: money is not forged");
	fails_with($subscriber, $database, q{DELETE FROM shop.order_events WHERE order_id = 8},
		'OP003', "$database: and a change of history");
}

# A consumer of the subscriber: xids come from the publisher, and the
# subscriber's own are far ahead of them. Nothing is lost, nothing comes twice.
my $read = q{SELECT count(*) FROM order_payment.read_events('reader', 10000, 'shop')};
my $ack = q{SELECT order_payment.ack_events('reader',
	(SELECT array_agg(event_id) FROM order_payment.read_events('reader', 10000, 'shop')), 'shop')};

$subscriber->safe_psql('as_text',
	'DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$');
my $nevents = $subscriber->safe_psql('as_text', 'SELECT count(*) FROM shop.order_events');
is($subscriber->safe_psql('as_text', $ack), $nevents, 'a consumer of the subscriber reads every event');
is($subscriber->safe_psql('as_text', $read), '0', 'and none again');
$publisher->safe_psql('postgres', q{UPDATE shop.orders SET status = 'paid' WHERE order_id = 103});
$publisher->wait_for_catchup('as_text');
is($subscriber->safe_psql('as_text', $read), '2', 'events that are replicated later are read');

# Apply still goes on after that, and after a move made on the subscriber too.
$publisher->safe_psql('postgres', q{UPDATE shop.orders SET status = 'cancelled' WHERE order_id = 101});
foreach my $database (sort keys %mode)
{
	$publisher->wait_for_catchup($database);
	is($subscriber->safe_psql($database,
		q{SELECT o.status, count(*), max(e.version) FROM shop.orders o JOIN shop.order_events e USING (order_id)
		  WHERE order_id = 101 GROUP BY o.status}),
		'cancelled|2|2', "$database: apply goes on");
	$subscriber->safe_psql($database, "DROP SUBSCRIPTION $database");
	# cut loose, it is a store like any other: what the publisher's gateway had begun is brought to its end
	$subscriber->safe_psql($database, q{
UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 109;
UPDATE shop.refunds SET status = 'succeeded' WHERE order_id = 34;
	});
	is($subscriber->safe_psql($database, q{
SELECT o.order_id, o.status, o.paid_amount, o.refunded_amount, count(*), max(e.version)
FROM shop.orders o JOIN shop.order_events e USING (order_id) WHERE order_id IN (34, 109) GROUP BY o.order_id ORDER BY 1}),
		"34|paid|34|1|6|6\n109|paid|7|0|4|4", "$database, cut loose: money goes on");
	$subscriber->safe_psql($database, q{UPDATE shop.orders SET status = 'cancelled' WHERE order_id = 102});
	is_verified($subscriber, $database, "$database, cut loose");
	is($subscriber->safe_psql($database, $ack), $database eq 'as_text' ? 7 : $nevents + 7,
		"$database, cut loose: all that is outstanding is read");
	is($subscriber->safe_psql($database, $read), '0', "$database, cut loose: and none again");
}

done_testing();
