
# Each kind of write that a store knows is prepared (PREPARE TRANSACTION), twice, and the server is stopped at once. When it
# is back, each is still there, unseen, and holds what it locked: a second writer waits, which ends by lock_timeout (55P03).
# Then one of the two is committed, the other rolled back, with another crash among them: orders are exactly as the
# transaction had left them or as it had found them, and writers go on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use Digest::SHA qw(hmac_sha256_hex);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $secrets = PostgreSQL::Test::Utils::tempdir();
my $node = make_cluster('prepared_crash',
	conf => "shared_preload_libraries = 'order_payment'\nmax_prepared_transactions = 80\norder_payment.secret_directory = '$secrets'\n");

sub value_of { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

make_roles($node);
append_to_file("$secrets/webhook", 'whsec_test');
chmod 0600, "$secrets/webhook" or die "chmod: $!";
value_of(q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway');
INSERT INTO shop.gateways (gateway) VALUES ('acme');
INSERT INTO shop.gateways (gateway, protocol, active) VALUES ('told', 'stripe', false);
SELECT order_payment.set_gateway_secret_from_file('told', 'webhook_secret', 'webhook', store => 'shop');
SELECT order_payment.read_events('mailer', 1, 'shop'), order_payment.read_events('other', 1, 'shop');

-- all that the store has of an order
CREATE FUNCTION state_of(o bigint) RETURNS text LANGUAGE sql STABLE AS $$
SELECT concat_ws(E'\n', (SELECT to_jsonb(x) FROM shop.orders x WHERE order_id = o),
	(SELECT jsonb_agg(to_jsonb(x) ORDER BY line_no) FROM shop.order_items x WHERE order_id = o),
	(SELECT jsonb_agg(to_jsonb(x) ORDER BY payment_id) FROM shop.payments x WHERE order_id = o),
	(SELECT jsonb_agg(to_jsonb(x) ORDER BY operation_id) FROM shop.payment_operations x WHERE order_id = o),
	(SELECT jsonb_agg(to_jsonb(x) ORDER BY version) FROM shop.order_events x WHERE order_id = o),
	(SELECT jsonb_agg(to_jsonb(x) ORDER BY request_id) FROM shop.gateway_requests x WHERE order_id = o),
	(SELECT jsonb_agg(to_jsonb(x) ORDER BY event_id) FROM shop.gateway_notifications x WHERE order_id::bigint = o),
	(SELECT jsonb_agg(to_jsonb(x) ORDER BY consumer) FROM shop.consumer_offsets x WHERE order_id = o)) $$;
CREATE FUNCTION payment_of(o bigint) RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT payment_id FROM shop.payments WHERE order_id = o $$;
});

# ---------- what is prepared ----------

sub new_order { my ($columns, $values) = @_; return value_of('INSERT INTO shop.orders (price' . ($columns // '') . ') VALUES (30' . ($values // '') . ') RETURNING order_id'); }

sub new_payment
{
	my ($status, $gateway) = @_;
	my $order = new_order();

	value_of("INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES ($order, '" . ($gateway // 'acme') . "', 30, '$status')");
	return $order;
}

# a gateway of its own for an order whose payment is to be sent: claims have a gateway to themselves
sub new_request
{
	my ($settles) = @_;
	my $gateway = 'g' . value_of('SELECT count(*) FROM shop.gateways');

	value_of("INSERT INTO shop.gateways (gateway, protocol) VALUES ('$gateway', 'stripe')");
	my $order = new_payment('created', $gateway);
	value_of(q{SELECT FROM order_payment.claim_requests(10, store => 'shop')}) if $settles;
	return $order;
}

# what the gateway says of the payment of an order, at the time of the signature
sub notification
{
	my ($order) = @_;
	my $now = time;
	my $number = value_of("SELECT replace(payment_of($order)::text, '-', '')");
	my $body = qq({"id": "evt_$order", "object": "event", "type": "payment_intent.succeeded", "created": $now, "data": {"object": )
	  . qq({"object": "payment_intent", "id": "pi_$order", "amount": 3000, "amount_received": 3000, "currency": "eur", "status": "succeeded", "metadata": {"number": "$number"}}}});

	return sprintf(q{SELECT outcome FROM order_payment.apply_notification('told', '{"Stripe-Signature": "t=%s,v1=%s"}', convert_to('%s', 'UTF8'), 'shop')},
		$now, hmac_sha256_hex("$now.$body", 'whsec_test'), $body);
}

sub settling
{
	my ($order) = @_;

	return "SELECT order_payment.settle_request('$order', (SELECT request_id FROM shop.gateway_requests WHERE order_id = $order), 'answered', 200, '{}', "
	  . "(SELECT convert_to(json_build_object('object', 'payment_intent', 'id', 'pi_$order', 'amount', 3000, 'currency', 'eur', 'status', 'succeeded', "
	  . "'metadata', json_build_object('number', replace(payment_of($order)::text, '-', '')))::text, 'UTF8')), store => 'shop')";
}

sub operation
{
	my ($kind, $amount, $status) = @_;

	return sub { "INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES ($_[0], payment_of($_[0]), '$kind', $amount, '$status')" };
}

sub order_to { my ($status) = @_; return sub { "UPDATE shop.orders SET status = '$status' WHERE order_id = $_[0]" }; }
sub payment_to { my ($status) = @_; return sub { "UPDATE shop.payments SET status = '$status' WHERE order_id = $_[0]" }; }

my $next = 1_000_000;
my $card = sub { "SET LOCAL ROLE gateway; INSERT INTO shop.payments (order_id, gateway, amount, card_number, card_holder) VALUES ($_[0], 'acme', 30, '4242424242424242', 'Holder $_[0]'); RESET ROLE" };

# name => what is there before, and returns its order; what is prepared; who has to wait for it
my @kinds = (
	[ 'an order', sub { return ++$next; }, sub { "INSERT INTO shop.orders (order_id, price) VALUES ($_[0], 30)" },
		sub { "INSERT INTO shop.orders (order_id, price) VALUES ($_[0], 31)" } ],
	[ 'an order with a key', sub { return ++$next; }, sub { "INSERT INTO shop.orders (order_id, customer_id, request_key, price) VALUES ($_[0], 7, 'key $_[0]', 30)" },
		sub { "INSERT INTO shop.orders (customer_id, request_key, price) VALUES (7, 'key $_[0]', 30)" } ],
	[ 'lines', \&new_order, sub { "INSERT INTO shop.order_items (order_id, line_no, price) VALUES ($_[0], 1, 12), ($_[0], 2, 13)" }, order_to('cancelled') ],
	[ 'a payment', \&new_order, sub { "INSERT INTO shop.payments (order_id, gateway, amount) VALUES ($_[0], 'acme', 30)" },
		sub { "INSERT INTO shop.payments (order_id, gateway, amount) VALUES ($_[0], 'acme', 30)" } ],
	[ 'create_payment()', \&new_order, sub { "SELECT FROM order_payment.create_payment($_[0], 'acme', request_key => 'k', store => 'shop')" },
		sub { "SELECT FROM order_payment.create_payment($_[0], 'acme', request_key => 'k', store => 'shop')" } ],
	[ 'a card', \&new_order, $card, order_to('expired') ],
	[ 'a success', sub { return new_payment('processing'); }, payment_to('succeeded'), order_to('cancelled') ],
	[ 'a failure and another attempt', sub { return new_payment('processing'); },
		sub { payment_to('failed')->(@_) . "; SELECT FROM order_payment.retry_payment(payment_of($_[0]), store => 'shop')" }, payment_to('succeeded') ],
	[ 'a move of an order', sub { return new_payment('succeeded'); }, order_to('shipped'), operation('refund', 30, 'succeeded') ],
	[ 'a cancelled order', sub { return new_payment('succeeded'); }, order_to('cancelled'), operation('refund', 30, 'requested') ],
	[ 'an order paid by hand', \&new_order, order_to('paid'), sub { "UPDATE shop.orders SET price = 40 WHERE order_id = $_[0]" } ],
	[ 'a capture', sub { return new_payment('authorized'); }, operation('capture', 20, 'succeeded'), operation('void', 30, 'succeeded') ],
	[ 'a void', sub { return new_payment('authorized'); }, operation('void', 30, 'succeeded'), operation('capture', 30, 'succeeded') ],
	[ 'a refund', sub { return new_payment('succeeded'); }, operation('refund', 30, 'requested'), operation('refund', 1, 'requested') ],
	[ 'a chargeback', sub { return new_payment('succeeded'); }, operation('chargeback', 30, 'succeeded'), operation('refund', 30, 'requested') ],
	[ 'refund_order()', sub { return new_payment('succeeded'); }, sub { "SELECT FROM order_payment.refund_order($_[0], 20, store => 'shop')" },
		sub { "SELECT FROM order_payment.refund_order($_[0], 20, store => 'shop')" } ],
	[ 'expire_orders()', sub { return new_order(', pay_before', ", now() - interval '1 minute'"); }, sub { q{SELECT order_payment.expire_orders(10, 'shop')} },
		sub { "INSERT INTO shop.payments (order_id, gateway, amount) VALUES ($_[0], 'acme', 30)" } ],
	[ 'settle_request()', sub { return new_request(1); }, \&settling, \&settling ],
	[ 'claim_requests()', \&new_request, sub { q{SELECT FROM order_payment.claim_requests(10, store => 'shop')} }, payment_to('revoked') ],
	[ 'apply_notification()', sub { return new_payment('created', 'told'); }, \&notification, \&notification ],
	[ 'ack_events()', sub { return new_order(); },
		sub { "SELECT order_payment.ack_events('@{[ $_[1] ? 'mailer' : 'other' ]}', ARRAY(SELECT event_id FROM shop.order_events WHERE order_id = $_[0]), 'shop')" },
		sub { "SELECT FROM order_payment.read_events('@{[ $_[1] ? 'mailer' : 'other' ]}', 1, 'shop')" } ],
);

# ---------- prepared ----------

my @prepared;

foreach my $kind (@kinds)
{
	my ($name, $setup, $work, $rival) = @$kind;

	value_of('CHECKPOINT') if $name eq 'a cancelled order';  # some are in files by then, some in the log alone
	foreach my $commits (1, 0)
	{
		my $order = $setup->();
		my $gid = ($commits ? 'commit: ' : 'roll back: ') . $name;
		my $before = value_of("SELECT state_of($order)");
		my $after = value_of('BEGIN; ' . $work->($order, $commits) . "; SELECT E'\\x01' || state_of($order); PREPARE TRANSACTION '$gid'") =~ s/\A[^\x01]*\x01//r;

		isnt($after, $before, "$gid: does something");
		is(value_of("SELECT state_of($order)"), $before, "$gid: which is not seen");
		push @prepared, { gid => $gid, order => $order, commits => $commits, before => $before, after => $after, rival => $rival->($order, $commits) };
	}
}

# ---------- a crash, and what is held ----------

sub crash
{
	my ($name) = @_;

	$node->stop('immediate');
	ok(poll_start($node), "$name: starts again");
	return;
}

sub waits
{
	my ($it) = @_;

	return failure($node, 'postgres', "SET lock_timeout = '50ms'; $it->{rival}", extra_params => [ '-U', 'gateway' ]);
}

value_of('GRANT SELECT ON ALL TABLES IN SCHEMA shop TO gateway');  # for state_of()
crash('prepared');
is(value_of('SELECT count(*) FROM pg_prepared_xacts'), scalar(@prepared), 'all are there');
is_verified($node, 'postgres', 'prepared');
foreach my $it (@prepared)
{
	is(value_of("SELECT state_of($it->{order})"), $it->{before}, "$it->{gid}: not seen after the crash");
	like(waits($it), qr/ERROR:  55P03: /, "$it->{gid}: who wants the same waits");
}
crash('waited for');

# ---------- the end, with a crash among them ----------

foreach my $n (0 .. $#prepared)
{
	my $it = $prepared[$n];

	value_of(($it->{commits} ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$it->{gid}'");
	crash('half of them ended') if $n == int(@prepared / 2);
}
is(value_of('SELECT count(*) FROM pg_prepared_xacts'), '0', 'none is left');
is(value_of("SELECT state_of($_->{order})"), $_->{commits} ? $_->{after} : $_->{before}, "$_->{gid}: as it was " . ($_->{commits} ? 'left' : 'found')) foreach @prepared;
is_verified($node, 'postgres', 'ended');

# the cards
my @cards = map { $_->{order} } grep { $_->{gid} =~ /a card/ } @prepared;
is(value_of("SELECT p.order_id, r.number, r.holder FROM shop.payments p, order_payment.reveal_card(p.payment_id, 'shop') r WHERE p.order_id IN (" . join(', ', @cards) . ')'),
	"$cards[0]|4242424242424242|Holder $cards[0]", 'the card that was committed opens, and there is no other');

# whoever waited goes on, and is refused by rules alone
foreach my $it (@prepared)
{
	my $told = waits($it);

	unlike($told, qr/ERROR:  (?!OP\d\d\d|23505)/, "$it->{gid}: nobody waits any more");
}
is_verified($node, 'postgres', 'written on');

done_testing();
