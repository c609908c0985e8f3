
# A store that is replicated to another made by create_store(), as text and in
# binary: rows and events are equal and not doubled (ORIGIN triggers are silent
# in the apply worker, so events come by replication only), apply does not
# stop, and the subscriber still refuses illegal moves of its own. Cards come
# sealed as they are, with the data keys, and open on the subscriber, which has
# the same root key; where protect_card() is made to fire for rows that come,
# they pass it, and clear ones of a table that is not protected are sealed by it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $publisher = make_cluster('publisher', init => { allows_streaming => 'logical' });
my $subscriber = make_cluster('subscriber', root_key => [ root_key($publisher) ], conf => q{
order_payment.allow_unguarded = on
max_worker_processes = 16
max_logical_replication_workers = 8
});
my $tables = q{c.oid::regclass::text IN ('users', 'order_payment.data_keys', 'order_payment.card_keys', 'shop.orders', 'shop.order_items', 'shop.order_events', 'shop.gateways',
	'shop.gateway_fees', 'shop.payments', 'shop.payment_operations', 'shop.settlement_lines')};

my $users = q{
CREATE TABLE users (email text PRIMARY KEY, card text, owner text, note text);
SELECT order_payment.protect_card_columns('users', 'card', 'owner', fingerprint => 'print', label => 'users');
};

$publisher->safe_psql('postgres', q{
CREATE ROLE shopkeeper;
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_card_key();
SET order_payment.allow_unguarded = on;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper');
} . $users . q{
CREATE TABLE clear (id bigint PRIMARY KEY, number text, note text);
CREATE PUBLICATION keys FOR TABLE order_payment.data_keys, order_payment.card_keys;
CREATE PUBLICATION shop FOR TABLE users, clear, shop.orders, shop.order_items, shop.order_events,
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
INSERT INTO users (email, card, owner) SELECT 'user' || n, '4242424242424242', 'User ' || n FROM generate_series(1, 8) n;
INSERT INTO clear VALUES (1, '4242424242424242', NULL), (2, '5555555555554444', NULL);
-- forgotten: a mask alone is to be copied, too
SET order_payment.restore = on;
UPDATE users SET card_sealed = NULL, print = NULL WHERE email = 'user8';
RESET order_payment.restore;
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
} . $users . q{
CREATE TABLE clear (id bigint PRIMARY KEY, number text, note text);
SELECT order_payment.protect_card_columns('clear', 'number', label => 'clear');
ALTER TABLE clear ENABLE ALWAYS TRIGGER "000_protect_card";
	});
	# in one of them, the trigger fires for what comes
	$subscriber->safe_psql($database, q{
ALTER TABLE users ENABLE REPLICA TRIGGER "000_protect_card";
ALTER TABLE shop.payments ENABLE ALWAYS TRIGGER "000_protect_card"}) if $database eq 'in_binary';
	my $connstr = $publisher->connstr . ' dbname=postgres';

	# the keys come first: what comes in clear is sealed by them
	$subscriber->safe_psql($database,
		"CREATE SUBSCRIPTION keys_$database CONNECTION '$connstr' PUBLICATION keys WITH (binary = $mode{$database})");
	$subscriber->wait_for_subscription_sync($publisher, "keys_$database", $database);
	$subscriber->safe_psql($database,
		"CREATE SUBSCRIPTION $database CONNECTION '$connstr' PUBLICATION shop WITH (binary = $mode{$database})");
}
$subscriber->wait_for_subscription_sync($publisher, $_, $_) foreach sort keys %mode;

# Each card of the subscriber in clear, and what is left of those that were forgotten.
my $cards = q{
SET order_payment.reveal_budget = -1;
SELECT email, order_payment.reveal(card_sealed, b.bound_to), order_payment.reveal(owner_sealed, b.bound_to), card, owner, note
FROM users, order_payment.binding('users', email) b (bound_to) ORDER BY 1;
SELECT p.order_id, p.attempt_no, r.number, r.holder FROM shop.payments p, order_payment.reveal_card(p.payment_id, 'shop') r
WHERE p.card_number IS NOT NULL ORDER BY 1, 2};
my $clear_cards = q{
SELECT id, number, order_payment.reveal(number_sealed, order_payment.binding('clear', id)), note FROM clear ORDER BY 1};

# a session that has the keys ready before they change
my $session = $subscriber->background_psql('as_text', on_error_stop => 0);
my $reveal_one = q{SELECT order_payment.reveal(card_sealed, order_payment.binding('users', email)) FROM users WHERE email = 'user1'};

is($session->query_safe($reveal_one), '4242424242424242', 'as_text: a session reveals a card');
my $active_card_key = q{SELECT order_payment.card_public_key('jwk')::json->>'kid'};
is($session->query_safe($active_card_key), $publisher->safe_psql('postgres', $active_card_key), 'as_text: and knows the card key');
my $old_value = $subscriber->safe_psql('as_text', q{SELECT card_sealed FROM users WHERE email = 'user1'});
my $reveal_old = qq{SELECT order_payment.reveal('$old_value', order_payment.binding('users', 'user1'))};
foreach my $database (sort keys %mode)
{
	is($subscriber->safe_psql($database, $cards), $publisher->safe_psql('postgres', $cards), "$database: cards of the initial copy open");
	is($subscriber->safe_psql($database, $clear_cards),
		"1|************4242|4242424242424242|\n2|************4444|5555555555554444|", "$database: clear ones are sealed as they come");
}

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
-- cards: another one, with the same last four digits, by an upsert, none, forgotten, another column, a new key; paid with, tried again
SET order_payment.allow_unguarded = on;
UPDATE users SET card = '5555555555554444', owner = 'Bob' WHERE email = 'user1';
UPDATE users SET card = '4000000000024242', owner = 'Una' WHERE email = 'user2';
INSERT INTO users (email, card) VALUES ('user3', '4000000000104242'), ('user9', '4111111111111111') ON CONFLICT (email) DO UPDATE SET card = EXCLUDED.card;
UPDATE users SET card = NULL WHERE email = 'user4';
SET order_payment.restore = on;
UPDATE users SET card_sealed = NULL, print = NULL WHERE email = 'user5';
RESET order_payment.restore;
UPDATE users SET note = 'seen' WHERE email IN ('user6', 'user8');
DELETE FROM users WHERE email = 'user7';
SELECT order_payment.create_data_key('data');
INSERT INTO users (email, card, owner) VALUES ('user10', '378282246310005', 'Amy');
UPDATE clear SET number = '4111111111111111' WHERE id = 1;
UPDATE clear SET note = 'seen' WHERE id = 2;
INSERT INTO clear VALUES (3, '378282246310005', NULL);
INSERT INTO shop.orders (order_id, price) VALUES (2000, 5);
INSERT INTO shop.payments (order_id, gateway, amount, card_number, card_holder) VALUES (2000, 'stripe', 5, '4242424242424242', 'Ann Lee');
UPDATE shop.payments SET status = 'failed', failure_class = 'other' WHERE order_id = 2000;
INSERT INTO shop.payments (order_id, gateway, amount, retry_of, attempt_no, card_number, card_holder, card_number_sealed, card_holder_sealed, card_fingerprint)
	SELECT order_id, gateway, amount, payment_id, 2, card_number, card_holder, card_number_sealed, card_holder_sealed, card_fingerprint
	FROM shop.payments WHERE order_id = 2000;
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
$publisher->safe_psql('postgres', q{CALL order_payment.reseal('users')});
my $expected = contents($publisher, 'postgres', $tables);

like($expected, qr/shop\.order_events \w+ [3-9]\d\d/, 'events to replicate');
foreach my $database (sort keys %mode)
{
	$publisher->wait_for_catchup($_) foreach ($database, "keys_$database");
	same_lines(contents($subscriber, $database, $tables), $expected,
		"$database: rows and events are equal, none is doubled");
	is($subscriber->safe_psql($database,
		"SELECT sum(apply_error_count + sync_error_count) FROM pg_stat_subscription_stats WHERE subname ~ '$database'"),
		'0', "$database: apply had no error");
	is_verified($subscriber, $database, $database);
	is($subscriber->safe_psql($database, $cards), $publisher->safe_psql('postgres', $cards), "$database: cards open, and are the same");
	is($subscriber->safe_psql($database, $clear_cards),
		"1|************1111|4111111111111111|\n2|************4444|5555555555554444|seen\n3|************0005|378282246310005|",
		"$database: clear ones are sealed as they change");
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

is($session->query_safe($reveal_one), '5555555555554444', 'as_text: a session that had its keys ready takes the new one');
is($session->query_safe($reveal_old), '4242424242424242', 'as_text: and still the old one');
$session->query_safe($active_card_key);  # reads the keys, for those that seal have changed
my $new_card_key = $publisher->safe_psql('postgres', 'SELECT order_payment.create_card_key()');
$publisher->wait_for_catchup('keys_as_text');
is($session->query_safe($active_card_key), $new_card_key, 'as_text: it takes a new card key as well');
$publisher->safe_psql('postgres', 'SELECT order_payment.reseal_card_keys()');
$publisher->safe_psql('postgres', q{
SELECT order_payment.destroy_data_key(key_id) FROM order_payment.data_keys WHERE purpose = 'data' AND state = 'decrypt_only'});
$publisher->wait_for_catchup('keys_as_text');
$session->query($reveal_old);
like($session->{stderr}, qr/ERROR:  a sealed value cannot be opened/, 'as_text: until it is destroyed');
$session->quit;

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
	$subscriber->safe_psql($database, "DROP SUBSCRIPTION $_") foreach ($database, "keys_$database");
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
