
# A streaming standby has the same store, may be read but not consumed from
# (25006), and once promoted, after its primary was killed under load, enforces
# the same rules and counts on without gaps. What a synchronous commit
# acknowledged is there. Cards are not revealed on a standby, for that could not
# be recorded; there and on the promoted one keys are those of the primary.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

# both are killed or see a kill
my $primary = make_cluster('primary_crash', init => { allows_streaming => 1 },
	conf => "max_prepared_transactions = 5\n");

make_roles($primary);
fill_database($primary, 'postgres');
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby_crash');

$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', q{
UPDATE shop.orders SET status = 'completed' WHERE status = 'shipped' AND paid_at IS NOT NULL;
SELECT order_payment.ack_events('mailer', ARRAY(SELECT event_id FROM order_payment.read_events('mailer', 300, 'shop')), 'shop');
CREATE TABLE done (order_id bigint PRIMARY KEY);
});
$primary->wait_for_catchup($standby);

# ---------- a standby is read ----------

my %expected = (contents => contents($primary, 'postgres'), triggers => triggers($primary, 'postgres'));

is_same_store($standby, 'postgres', \%expected, 'standby');
is_verified($standby, 'postgres', 'standby');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM shop.paid_orders}),
	$primary->safe_psql('postgres', q{SELECT count(*) FROM shop.paid_orders}), 'standby: views are read');
is($standby->safe_psql('postgres',
	q{SET search_path = shop; SELECT string_agg(entity || ' ' || to_status, ', ') FROM order_payment.order_timeline(9)}),
	'order pending, payment created, payment processing, payment succeeded, order paid, order shipped, '
	. 'operation requested, operation processing, operation failed, operation processing, operation succeeded, order refunded',
	'standby: a timeline is read');
is($standby->safe_psql('postgres', $_), $primary->safe_psql('postgres', $_), "standby: $_") foreach (
	'SELECT * FROM shop.open_work ORDER BY open_work', 'SELECT * FROM shop.settlement_matches ORDER BY settlement_matches',
	'SELECT payment_id, status, amount, captured_amount, net_amount FROM shop.payment_overview ORDER BY 1');
like($standby->safe_psql('postgres', q{SELECT order_payment.status_graph('shop.orders', 'status')}),
	qr/^stateDiagram/, 'standby: so is the graph');
fails_with($standby, 'postgres', q{SELECT * FROM order_payment.read_events('mailer', 10, 'shop')},
	'25006', 'standby: events are not handed out');
fails_with($standby, 'postgres', q{SELECT order_payment.ack_events('mailer', '{}', 'shop')},
	'25006', 'standby: nor acknowledged');
fails_with($standby, 'postgres', q{UPDATE shop.orders SET status = 'paid' WHERE order_id = 10},
	'25006', 'standby: and nothing is written');
fails_with($standby, 'postgres', q{UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 20},
	'25006', 'standby: no payment either');

# sealing needs no write, and follows the keys of the primary
my $session = $standby->background_psql('postgres', on_error_stop => 0);
my $sealed_by = q{SELECT order_payment.key_id(order_payment.seal('x', 'text', 'here'))};
my $active = q{SELECT key_id FROM order_payment.data_keys WHERE purpose = 'data' AND state = 'active'};

fails_with($standby, 'postgres', q{SELECT order_payment.reveal(card_sealed, 'x') FROM shop.users WHERE card_sealed IS NOT NULL},
	'25006', 'standby: no card is revealed');
fails_with($standby, 'postgres', q{SET order_payment.allow_unguarded = on; SELECT order_payment.card_fingerprints('4242424242424242')},
	'25006', 'standby: none is looked for');
fails_with($standby, 'postgres', q{SET order_payment.allow_unguarded = on; INSERT INTO shop.users (email, card) VALUES ('x', '4242424242424242')},
	'25006', 'standby: none is stored');
fails_with($standby, 'postgres', q{SELECT order_payment.create_data_key('data')}, '25006', 'standby: no key is made');
$session->query_safe('SET order_payment.allow_unguarded = on');
is($session->query_safe($sealed_by), $primary->safe_psql('postgres', $active), 'standby: what is sealed is sealed by the key of the primary');
my $key = $primary->safe_psql('postgres', q{SELECT order_payment.create_data_key('data')});
$primary->wait_for_catchup($standby);
is($session->query_safe($sealed_by), $key, 'standby: by its next one, too, in a session that had the old one ready');
is($session->query_safe(q{SELECT count(*) FROM order_payment.key_status() WHERE NOT is_usable OR state = 'missing'}), '0', 'standby: key_status() is read');
$session->quit;

# ---------- the primary is killed under load ----------

$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
$primary->reload;
$primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'});

my @writers = start_writers($primary, 3, 3000);

pump_writers(30, @writers);
$primary->kill9;
my @acknowledged = acknowledged(@writers);

$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');

my $list = join ',', @acknowledged;

cmp_ok(scalar(@acknowledged), '>=', 90, 'orders were acknowledged before the kill');
is($standby->safe_psql('postgres', missing($list) . 'LIMIT 10'), '', 'promoted: every acknowledged order is there, paid');
is_verified($standby, 'postgres', 'promoted');
is_enforced($standby, 'postgres', 'promoted');
are_cards_open($standby, 'postgres', 'promoted');

# Versions go on where they were, of orders the primary had begun.
$standby->safe_psql('postgres', q{UPDATE shop.orders SET status = 'shipped' WHERE order_id IN (SELECT order_id FROM done)});
is($standby->safe_psql('postgres', q{
SELECT DISTINCT string_agg(e.version || e.to_status, ' ' ORDER BY e.version)
FROM shop.order_events e JOIN done USING (order_id) GROUP BY order_id}),
	'1pending 2created 3authorized 4authorized 5succeeded 6succeeded 7paid 8requested 9shipped', 'promoted: versions go on without a gap');
is_verified($standby, 'postgres', 'promoted and written');

# So does money: refunds that were asked for on the primary come to their end.
$standby->safe_psql('postgres', q{
UPDATE shop.refunds SET status = 'succeeded' WHERE status = 'requested' AND order_id IN (SELECT order_id FROM done);
INSERT INTO shop.refunds (order_id, payment_id, amount, status)
	SELECT order_id, payment_id, 2, 'succeeded' FROM shop.payments WHERE order_id IN (SELECT order_id FROM done)});
is($standby->safe_psql('postgres', q{
SELECT DISTINCT status, paid_amount, refunded_amount, version FROM shop.orders WHERE order_id IN (SELECT order_id FROM done)}),
	'refunded|3|3|12', 'promoted: money goes on where it was');
is_verified($standby, 'postgres', 'promoted and refunded');

# The system is the same, so consumers go on as if nothing had been.
is($standby->safe_psql('postgres', q{
SELECT count(*) FROM shop.order_events e LEFT JOIN shop.consumer_offsets o
	ON o.order_id = e.order_id AND o.consumer = 'mailer'
WHERE e.version > coalesce(o.version, 0)
  AND e.event_id NOT IN (SELECT r.event_id FROM order_payment.read_events('mailer', 100000, 'shop') r)}),
	'0', 'promoted: a consumer gets all that is outstanding');

done_testing();
