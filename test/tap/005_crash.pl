
# The server is killed (kill -9) under load, three times, and stopped at once
# with a prepared transaction: after recovery nothing that was acknowledged is
# missing, verify_store() finds nothing, and a consumer has lost nothing. Each
# card whose commit was acknowledged opens, also where keys were changed meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $node = make_cluster('crash', conf => "max_prepared_transactions = 5\ncheckpoint_timeout = 30s\n");

make_roles($node);
fill_database($node, 'postgres');
$node->safe_psql('postgres', q{
CREATE TABLE done (order_id bigint PRIMARY KEY);
CREATE TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, order_id bigint, version integer, PRIMARY KEY (order_id, version))});

# Takes what is outstanding, in short transactions: got and acknowledged together.
my $consume = q{
DO $$
DECLARE
	ids uuid[];
BEGIN
	LOOP
		WITH e AS MATERIALIZED (SELECT * FROM order_payment.read_events('mailer', 50, 'shop')),
		g AS (INSERT INTO got (order_id, version) SELECT order_id::bigint, version FROM e)
		SELECT array_agg(event_id) INTO ids FROM e;
		EXIT WHEN ids IS NULL;
		PERFORM order_payment.ack_events('mailer', ids, 'shop');
		COMMIT;
	END LOOP;
END $$;
};

# ---------- kill -9 ----------

my @acknowledged;

foreach my $round (1 .. 3)
{
	my @writers = start_writers($node, 3, 3000);
	my $consumer = start_psql($node, 'postgres', $consume x 500, '-v', 'ON_ERROR_STOP=1');
	my $keeper = start_psql($node, 'postgres', "SELECT order_payment.create_data_key('data');\n\\! sleep 0.05\n" x 500, '-v', 'ON_ERROR_STOP=1');

	pump_writers(25, @writers);
	$node->safe_psql('postgres', 'CHECKPOINT') if $round == 2;
	$node->kill9;
	my @now = acknowledged(@writers);
	$_->{run}->finish foreach ($consumer, $keeper);
	push @acknowledged, @now;
	cmp_ok(scalar(@now), '>=', 75, "round $round: killed under load");
	ok(poll_start($node), "round $round: starts again");

	my $list = join ',', @acknowledged;

	is($node->safe_psql('postgres', missing($list) . 'LIMIT 10'), '',
		"round $round: all that was acknowledged is there, whole");
	is($node->safe_psql('postgres', q{
SELECT count(*) FROM shop.orders o FULL JOIN done d USING (order_id)
WHERE o.order_id > 400 AND ((d.order_id IS NOT NULL) <> (o.status = 'paid') OR o.version NOT IN (1, 2, 8))}),
		'0', "round $round: and nothing by halves");
	is_verified($node, 'postgres', "round $round");
	# of the last ones, whose keys were new
	is($node->safe_psql('postgres', qq{
SET order_payment.reveal_budget = -1;
SELECT count(*), count(*) FILTER (WHERE r.number = '4242424242424242' AND r.holder = 'Holder ' || p.order_id)
FROM (SELECT * FROM shop.payments WHERE order_id = ANY ('{$list}') AND card_number IS NOT NULL ORDER BY payment_id DESC LIMIT 20) p,
	order_payment.reveal_card(p.payment_id, 'shop') r}), '20|20', "round $round: and the cards open");
	cmp_ok($node->safe_psql('postgres', q{SELECT count(DISTINCT order_payment.key_id(card_number_sealed)) FROM shop.payments}),
		'>=', 2 + $round, "round $round: under several keys");
}
$node->safe_psql('postgres', $consume);
is($node->safe_psql('postgres', q{
SELECT count(*) FROM shop.order_events e FULL JOIN got g ON g.order_id = e.order_id AND g.version = e.version
WHERE g.order_id IS NULL OR e.order_id IS NULL}),
	'0', 'a consumer that was killed as often got every event, once');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM (SELECT version, row_number() OVER (PARTITION BY order_id ORDER BY n) AS nth FROM got) g
WHERE version <> nth}),
	'0', 'and each order\'s in order');
is_enforced($node, 'postgres', 'after three crashes');
are_cards_open($node, 'postgres', 'after three crashes');

# ---------- two-phase commit ----------

my $old = $node->safe_psql('postgres', q{
WITH o AS (INSERT INTO shop.orders (customer_id, price) VALUES (7, 10) RETURNING order_id) SELECT order_id FROM o});
$node->safe_psql('postgres', $consume);
my $new = $node->safe_psql('postgres', qq{
SET order_payment.allow_unguarded = on;
BEGIN;
INSERT INTO shop.payments (order_id, gateway, amount, status, card_number) VALUES ($old, 'stripe', 10, 'authorized', '5555555555554444');
INSERT INTO shop.users (email, card) VALUES ('late', '378282246310005');
UPDATE shop.wallets SET card = '6011000990139424', region = 'us' WHERE wallet_id = 0;
INSERT INTO shop.orders (customer_id, price) VALUES (8, 11) RETURNING order_id;
INSERT INTO shop.order_items (order_id, line_no, price) SELECT max(order_id), 1, 12 FROM shop.orders;
UPDATE shop.orders SET status = 'paid' WHERE customer_id = 8 AND order_id = (SELECT max(order_id) FROM shop.orders);
INSERT INTO shop.refunds (order_id, payment_id, amount)
	SELECT order_id, payment_id, 2 FROM shop.payments WHERE order_id = (SELECT max(order_id) FROM shop.orders);
PREPARE TRANSACTION 'late';
});
like($new, qr/^\d+$/, 'the hot path can be prepared');

$node->safe_psql('postgres',
	q{INSERT INTO shop.orders (customer_id, price) SELECT 9, 9 FROM generate_series(1, 200)});
$node->safe_psql('postgres', $consume);
$node->stop('immediate');
ok(poll_start($node), 'starts again with a prepared transaction');
is($node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'), 'late', 'which is still there');
$node->safe_psql('postgres', $consume);
is($node->safe_psql('postgres', qq{SELECT version FROM got WHERE order_id IN ($old, $new)}),
	'1', 'its events are not handed out');
is_verified($node, 'postgres', 'beside a prepared transaction');
like(failure($node, 'postgres',
	qq{SET lock_timeout = '100ms'; UPDATE shop.orders SET status = 'cancelled', note = 'x' WHERE order_id = $old}),
	qr/ERROR:  55P03: /, 'and it still holds its orders');

# later xids pass, and the consumer deals with them all
$node->safe_psql('postgres', q{
UPDATE shop.orders SET status = 'expired' WHERE customer_id = 9 AND price = 9});
$node->safe_psql('postgres', $consume);
$node->safe_psql('postgres', q{COMMIT PREPARED 'late'});
is($node->safe_psql('postgres', qq{
SELECT order_id, version, entity, to_status FROM order_payment.read_events('mailer', 100, 'shop') ORDER BY order_id::bigint, 2}),
	join("\n", "$old|2|payment|authorized", "$old|3|order|authorized", "$new|1|order|pending", "$new|2|order|paid",
		"$new|3|payment|succeeded", "$new|4|operation|requested"),
	 'COMMIT PREPARED: its events come, although others were acknowledged long ago');
$node->safe_psql('postgres', $consume);
is_verified($node, 'postgres', 'after COMMIT PREPARED');
is($node->safe_psql('postgres', qq{
SELECT r.number FROM shop.payments p, order_payment.reveal_card(p.payment_id, 'shop') r WHERE p.order_id = $old;
SELECT order_payment.reveal(card_sealed, order_payment.binding('users', email)) FROM shop.users WHERE email = 'late';
SELECT order_payment.reveal(card_sealed, order_payment.binding('wallets', wallet_id)) FROM shop.wallets WHERE wallet_id = 0;
}), "5555555555554444\n378282246310005\n6011000990139424", 'after COMMIT PREPARED: its cards open');
# a key that is made in a transaction that is prepared seals once that is committed, in sessions that are there, too
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $sealed_by = q{SELECT order_payment.key_id(order_payment.seal('x', 'text', 'here'))};
$session->query_safe('SET order_payment.allow_unguarded = on');
my $before = $session->query_safe($sealed_by);
my $key = $node->safe_psql('postgres', q{BEGIN; SELECT order_payment.create_data_key('data'); PREPARE TRANSACTION 'key'});
is($session->query_safe($sealed_by), $before, 'a key in a prepared transaction does not seal');
$node->safe_psql('postgres', q{COMMIT PREPARED 'key'});
is($session->query_safe($sealed_by), $key, 'and does after COMMIT PREPARED');
$node->safe_psql('postgres', q{BEGIN; SELECT order_payment.create_data_key('data'); PREPARE TRANSACTION 'key'; ROLLBACK PREPARED 'key'});
is($session->query_safe($sealed_by), $key, 'and none after ROLLBACK PREPARED');
$session->quit;
is($node->safe_psql('postgres', qq{
SELECT o.total_amount, o.paid_amount, p.captured_amount, p.refund_pending_amount
FROM shop.orders o JOIN shop.payments p USING (order_id) WHERE order_id = $new}),
	'12|12|12|2', 'the total follows the line, the money the payment');

$node->safe_psql('postgres', qq{
BEGIN;
UPDATE shop.orders SET status = 'cancelled', note = 'x' WHERE order_id = $old;
PREPARE TRANSACTION 'never';
ROLLBACK PREPARED 'never';
BEGIN;
INSERT INTO shop.payment_operations (order_id, payment_id, kind, status)
	SELECT order_id, payment_id, 'void', 'succeeded' FROM shop.payments WHERE order_id = $old;
PREPARE TRANSACTION 'never';
ROLLBACK PREPARED 'never';
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
	SELECT order_id, payment_id, 'capture', 10, 'succeeded' FROM shop.payments WHERE order_id = $old;
});
is($node->safe_psql('postgres', q{SELECT version, entity, to_status FROM order_payment.read_events('mailer', 100, 'shop')}),
	"4|operation|succeeded\n5|payment|succeeded\n6|order|paid", 'ROLLBACK PREPARED leaves no event and no gap');
is_verified($node, 'postgres', 'after ROLLBACK PREPARED');

done_testing();
