
# Lookups by order, customer, gateway reference and number, and open work, in a
# store with many orders: each goes by an index from the first node to the last,
# touches a handful of pages, and takes less than a millisecond. Pages are what
# counts: they do not depend on the machine, and grow with the height of a
# btree only. ORDERS=10000000 shows it for ten millions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use JSON::PP;
use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $orders = $ENV{ORDERS} || 100_000;
my $open = 40;    # of each kind of work
my @work = qw(refund_due send_payment revoke_payment void_payment authorization_lapses query_payment retry_payment
  send_operation query_operation retry_operation);
my $node = make_cluster('lookup', conf => "shared_buffers = 256MB\nmax_wal_size = 4GB\njit = off\n");

make_roles($node);
$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper', app_role => 'app');
INSERT INTO shop.gateways (gateway) VALUES ('stripe'), ('alipay');
});

# What was done with long ago: every order completed, every tenth with a refund
# and a history.
# Rows of the past are loaded as a replica would, past the triggers.
$node->safe_psql('postgres', qq{
SET session_replication_role = replica;
INSERT INTO shop.orders (order_id, customer_id, quantity, price, total_amount, status, paid_amount, version,
	created_at, paid_at, completed_at)
SELECT n, n % ($orders / 10), 1, 10, 10, 'completed', 10, 5, t, t, t
FROM generate_series(1, $orders) n, LATERAL (SELECT now() - (1 + $orders - n) * interval '1 second' - interval '1 day') d (t);
INSERT INTO shop.payments (order_id, gateway, method, amount, currency, status, gateway_reference, captured_amount,
	fee, created_at, succeeded_at)
SELECT n, 'stripe', 'card', 10, 'EUR', 'succeeded', 'ch_' || n, 10, 0.5, t, t
FROM generate_series(1, $orders) n, LATERAL (SELECT now() - (1 + $orders - n) * interval '1 second' - interval '1 day') d (t);
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, currency, status, gateway_reference,
	created_at, requested_at, succeeded_at)
SELECT p.order_id, p.payment_id, 'refund', 1, 'EUR', 'succeeded', 're_' || p.order_id, p.created_at, p.created_at, p.created_at
FROM shop.payments p WHERE p.order_id % 10 = 0;
INSERT INTO shop.order_events (order_id, version, event_id, entity, to_status, actor, session_role, recorded_at, xid)
SELECT n, v, gen_random_uuid(), 'order', 'x', 'x', 'x', now(), '3'
FROM generate_series(10, $orders, 10) n, generate_series(1, 5) v;
INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on)
SELECT 'stripe', 'po_' || n / 10, n % 10 + 1, 'payment', 'ch_' || n, 10, 0.5, 'EUR', now() FROM generate_series(1, $orders) n;
INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, fee, currency, settled_on)
SELECT 'stripe', 'po_' || n / 100, n % 100 / 10 + 11, 'refund', replace(r.operation_id::text, '-', ''), 1, 0, 'EUR', now()
FROM shop.payment_operations r, LATERAL (SELECT r.order_id) o (n);
});

# What is open, by the triggers: orders above $orders.
$node->safe_psql('postgres', qq{
CREATE PROCEDURE open_orders(first bigint) LANGUAGE sql AS \$\$
	INSERT INTO shop.orders (order_id, customer_id, price)
	SELECT first + n, n, 10 FROM generate_series(1, $open) n \$\$;
CREATE PROCEDURE attempt(first bigint, state order_payment.payment_status, until timestamptz = NULL) LANGUAGE sql AS \$\$
	INSERT INTO shop.payments (order_id, gateway, amount, status, capture_before, expires_at)
	SELECT first + n, 'stripe', 10, state, until, until FROM generate_series(1, $open) n \$\$;
CREATE PROCEDURE operate(first bigint, what text) LANGUAGE sql AS \$\$
	INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount)
	SELECT p.order_id, p.payment_id, what, 4 FROM shop.payments p WHERE p.order_id > first AND p.order_id <= first + $open \$\$;
} . join "\n", map {
	my ($n, @steps) = @$_;
	my $first = $orders + $n * 1000;
	my $within = "order_id > $first AND order_id <= $first + $open";
	map { s/\bFIRST\b/$first/gr =~ s/\bWITHIN\b/$within/gr . ';' } 'CALL open_orders(FIRST)', @steps;
  } (
	# refund_due
	[ 1, q{CALL attempt(FIRST, 'succeeded')}, q{UPDATE shop.orders SET status = 'cancelled' WHERE WITHIN} ],
	# send_payment
	[ 2, q{CALL attempt(FIRST, 'created')} ],
	# revoke_payment
	[ 3, q{CALL attempt(FIRST, 'processing')}, q{UPDATE shop.orders SET status = 'cancelled' WHERE WITHIN} ],
	# void_payment
	[ 4, q{CALL attempt(FIRST, 'authorized')}, q{UPDATE shop.orders SET status = 'cancelled' WHERE WITHIN} ],
	# authorization_lapses
	[ 5, q{CALL attempt(FIRST, 'authorized', now() + interval '1 hour')} ],
	# query_payment, both ways
	[ 6, q{CALL attempt(FIRST, 'processing')}, q{UPDATE shop.payments SET status = 'unknown' WHERE WITHIN} ],
	[ 7, q{CALL attempt(FIRST, 'requires_action', now() - interval '1 hour')} ],
	# retry_payment
	[ 8, q{CALL attempt(FIRST, 'processing')},
	  q{UPDATE shop.payments SET status = 'failed', retry_at = now() WHERE WITHIN} ],
	# send_operation, query_operation, retry_operation
	[ 9, q{CALL attempt(FIRST, 'succeeded')}, q{CALL operate(FIRST, 'refund')} ],
	[ 10, q{CALL attempt(FIRST, 'succeeded')}, q{CALL operate(FIRST, 'refund')},
	  q{UPDATE shop.payment_operations SET status = 'unknown' WHERE WITHIN} ],
	[ 11, q{CALL attempt(FIRST, 'succeeded')}, q{CALL operate(FIRST, 'refund')},
	  q{UPDATE shop.payment_operations SET status = 'failed', retry_at = now() WHERE WITHIN} ]));
$node->safe_psql('postgres', 'VACUUM (ANALYZE) shop.orders, shop.payments, shop.payment_operations, shop.order_events, shop.settlement_lines');

# ---------- plans ----------

# All nodes of a plan, in a list.
sub nodes
{
	my ($plan) = @_;

	return $plan, map { nodes($_) } @{ $plan->{Plans} // [] };
}

# EXPLAIN ANALYZE of a query, the quickest of some runs.
sub best_run
{
	my ($sql, $as) = @_;
	my @runs = split /^(?=\[)/m, $node->safe_psql('postgres',
		($as // 'SET ROLE app') . ";\n" . "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT JSON) $sql;\n" x 6);
	my ($best) = sort { $a->{'Execution Time'} <=> $b->{'Execution Time'} } map { decode_json($_)->[0] } @runs;

	return $best;
}

sub is_quick
{
	my ($sql, $rows, $pages, $name, $as) = @_;
	my $run = best_run($sql, $as);
	my @nodes = nodes($run->{Plan});
	my @scans = map { "$_->{'Node Type'} on $_->{'Relation Name'}" } grep { $_->{'Node Type'} =~ /Seq Scan/ } @nodes;
	my $touched = $run->{Plan}{'Shared Hit Blocks'} + $run->{Plan}{'Shared Read Blocks'};

	subtest $name => sub {
		is($run->{Plan}{'Actual Rows'} + 0, $rows, 'finds what is there');
		is("@scans", '', 'reads no table from end to end');
		cmp_ok($touched, '<=', $pages, 'touches few pages');
		cmp_ok($run->{'Execution Time'}, '<', 1, 'takes less than a millisecond');
		note(sprintf '%d pages, %.3f ms, by %s', $touched, $run->{'Execution Time'},
			join ', ', map { $_->{'Index Name'} // () } @nodes);
	};
	return;
}

my $n = int($orders / 2 / 10) * 10;
my ($id) = split /\n/, $node->safe_psql('postgres',
	"SELECT replace(payment_id::text, '-', '') FROM shop.payments WHERE order_id = $n");

is_quick("SELECT * FROM shop.orders WHERE order_id = $n", 1, 5, 'an order by its number');
is_quick("SELECT * FROM shop.order_overview WHERE order_id = $n", 1, 20, 'its overview');
is_quick("SELECT * FROM shop.payment_overview WHERE order_id = $n", 1, 20, 'its payments');
is_quick("SELECT * FROM shop.order_events WHERE order_id = $n ORDER BY version", 5, 10, 'its history');
is_quick("SELECT * FROM shop.orders WHERE customer_id = 5000 ORDER BY order_id DESC", 10, 20, 'the orders of a customer');
is_quick("SELECT * FROM shop.order_overview WHERE customer_id = 5000", 10, 150, 'their overview');
is_quick("SELECT * FROM shop.payments WHERE gateway = 'stripe' AND gateway_reference = 'ch_$n'", 1, 8,
	'a payment by the reference of its gateway');
is_quick("SELECT * FROM shop.payment_overview WHERE gateway = 'stripe' AND gateway_reference = 'ch_$n'", 1, 25,
	'its overview');
is_quick("SELECT * FROM shop.payment_overview WHERE payment_id = '$id'", 1, 25, 'a payment by the number shown to its gateway');
is_quick("SELECT * FROM shop.payment_operations WHERE gateway_reference = 're_$n'", 1, 8,
	'a refund by the reference of its gateway');

# a worker's batch of each
is_quick("SELECT * FROM shop.open_work WHERE work = '$_' LIMIT 10", 10, 300, "open work: $_")
  foreach @work;

# A period of gateway_success that is not asked for is not read.
is(scalar(grep { ($_->{'Relation Name'} // '') eq 'payments' && $_->{'Actual Loops'} > 0 }
	  nodes(best_run(q{SELECT * FROM shop.gateway_success WHERE period = '1 hour'})->{Plan})),
	1, 'gateway_success reads one period');

# The attempts of a period are found by the ranges of pages that hold it, wherever in the table they are.
my $choice = best_run(qq{SELECT order_payment.choose_gateway($n, period => '1 hour', store => 'shop')});
my $pages = $choice->{Plan}{'Shared Hit Blocks'} + $choice->{Plan}{'Shared Read Blocks'};
cmp_ok($pages, '<=', 600, "choose_gateway reads the attempts of its period: $pages pages");

# A settlement is compared line by line, whatever else was ever settled; so is it posted.
is_quick(q{SELECT * FROM shop.settlement_matches WHERE gateway = 'stripe' AND settlement_id = 'po_5'}, 20, 800,
	'a settlement of payments by reference, and refunds by number');

# Each branch of open_work begins at a partial index, which holds nothing but what is open.
my ($append) = grep { $_->{'Node Type'} eq 'Append' } nodes(best_run('SELECT * FROM shop.open_work')->{Plan});
my @first;

foreach my $branch (@{ $append->{Plans} })
{
	my $node = $branch;

	$node = $node->{Plans}[0] while $node->{Plans};
	push @first, $node->{'Index Name'} // "$node->{'Node Type'} on $node->{'Relation Name'}";
}
is(join("\n", sort @first), join("\n",
	'orders_refund_due_idx', ('payment_operations_open_idx') x 2, 'payment_operations_retry_at_idx',
	('payments_authorized_idx') x 2, ('payments_live_idx') x 4, 'payments_retry_at_idx'),
	'each branch of open_work begins at a partial index');
is($node->safe_psql('postgres', q{SELECT work, count(*) FROM shop.open_work GROUP BY work ORDER BY work}),
	join("\n", map { "$_|" . ($_ eq 'query_payment' ? 2 : 1) * $open } sort @work), 'all that is open is in it');

# Row security as in the example: the policies find an order and its payments by the number.
$node->safe_psql('postgres', q{
CREATE ROLE customer;
GRANT USAGE ON SCHEMA shop TO customer;
GRANT SELECT ON shop.orders, shop.payments TO customer;
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.payments ENABLE ROW LEVEL SECURITY;
CREATE POLICY customer ON shop.orders FOR SELECT TO customer
	USING (order_id = nullif(current_setting('shop.order_id', true), '')::bigint
		   AND customer_id = nullif(current_setting('shop.customer_id', true), '')::bigint);
CREATE POLICY customer ON shop.payments FOR SELECT TO customer
	USING (order_id = nullif(current_setting('shop.order_id', true), '')::bigint
		   AND EXISTS (SELECT FROM shop.orders o WHERE o.order_id = payments.order_id));
});
my $session = sprintf q{SET ROLE customer; SET shop.customer_id = '%d'; SET shop.order_id = '%d'}, $n % ($orders / 10), $n;

is_quick('SELECT * FROM shop.orders', 1, 20, q{a customer's order, under row security}, $session);
is_quick('SELECT * FROM shop.payments', 1, 20, 'its payments', $session);

done_testing();
