
# The storm (test/storm): 16 sessions at all isolation levels do to hot and cold
# orders what applications and gateways do, refused or not. Afterwards no money
# was made or lost, and nothing was told but what the rules tell. STORM_SECONDS
# in the environment makes it longer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $seconds = $ENV{STORM_SECONDS} || 15;
my $here = "$FindBin::RealBin/..";
my $node = make_cluster('storm', conf => qq{
max_connections = 60
fsync = off
log_line_prefix = '%m [%p] %e '
log_min_error_statement = panic
log_lock_waits = on
max_pred_locks_per_transaction = 1024
});

$node->safe_psql('postgres', slurp_file("$here/storm/storm.sql"));
$node->safe_psql('postgres', slurp_file("$here/model/breaches.sql"));

# pgbench with those scripts: none of its clients may give up
sub storm
{
	my ($name, @arguments) = @_;
	my @command = ('pgbench', '-n', '-h', $node->host, '-p', $node->port, '-j', 2, @arguments, 'postgres');
	my $ok = IPC::Run::run(\@command, '>', \my $out, '2>', \my $err);

	ok($ok, "$name: no client was stopped") or diag("$out\n$err");
	my ($done) = $out =~ /^number of transactions actually processed: (\d+)/m;
	my ($retries) = $out =~ /^total number of retries: (\d+)/m;
	diag("$name: " . ($done // 0) . ' transactions, ' . ($retries // 0) . ' retries');
	note($out);
	return ($done // 0, $out);
}

my @retry = ('--max-tries=20', '--failures-detailed');
my ($done, $told) = storm('storm', '-c', 16, '-T', $seconds, @retry,
	map { ('-f', "$here/storm/$_") } 'read_committed.pgbench@2', 'repeatable_read.pgbench@1', 'serializable.pgbench@1');
cmp_ok($done, '>', 100 * $seconds, 'it was a storm');
my ($retried) = $told =~ /read_committed\.pgbench(?:(?!SQL script).)*number of transactions retried: (\d+)/s;
is($retried, 0, 'with nothing to be tried again at READ COMMITTED');
($done) = storm('race of refunds', '-c', 16, '-t', 400, '-D', 'n=0', @retry, '-f', "$here/storm/refund.pgbench");
cmp_ok($done, '>', 6000, 'the refunds raced');
$node->safe_psql('postgres', 'CALL storm.pay_twice()');
($done) = storm('race of dues', '-c', 16, '-t', 500, '-D', 'n=0', @retry, '-f', "$here/storm/due.pgbench");
cmp_ok($done, '>', 7500, 'the dues raced');
($done) = storm('race of keys', '-c', 32, '-t', 100, '-D', 'n=0', '-f', "$here/storm/key.pgbench");
is($done, 3200, 'the keys raced');

sub nothing
{
	my ($sql, $name) = @_;

	return is($node->safe_psql('postgres', "$sql LIMIT 10"), '', $name);
}

# ---------- what was told ----------

nothing(q{
SELECT action, code, min(message), count(*) FROM storm.refusals
WHERE code NOT IN ('OP001', 'OP002', 'OP003', 'OP004', 'OP005', 'OP006', '23505', '23514') GROUP BY 1, 2},
	'nothing was refused but by the rules');
nothing(q{
SELECT action, min(message), count(*) FROM storm.refusals
WHERE action IN ('pay', 'settle_payment', 'checkout', 'tell', 'tell_all', 'answer') AND code = '23514'
  AND message !~ 'payments_money_check|payment_operations_reversed_check'
   OR action IN ('tell', 'tell_all', 'answer', 'checkout') AND code = 'OP006' GROUP BY 1},
	'no fact was refused for the sake of its order');
is($node->safe_psql('postgres', q{
SELECT string_agg(code, ' ' ORDER BY code) FROM (
	SELECT code FROM storm.refusals GROUP BY code HAVING count(*) > 2) s}),
	'23505 23514 OP001 OP002 OP003 OP004 OP005 OP006', 'each rule refused something');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM (SELECT action FROM storm.accepted WHERE action <> 'forge' AND action !~ '^refund' GROUP BY action HAVING count(*) > 20) s}),
	'12', 'and each action was done');
my $log = slurp_file($node->logfile);
# log_lock_waits tells of one that was caught as well
unlike($log, qr/ 40P01 |deadlock detected|detected deadlock/, 'no deadlock')
  or diag(join "\n", grep { /deadlock|still waiting|Process|CONTEXT/ } split /\n/, $log);
unlike($log, qr/ XX\d\d\d |PANIC|TRAP:|terminated by signal/, 'no internal error');

# ---------- what became of the money ----------

nothing(q{SELECT * FROM breaches}, 'the invariants hold');
is_verified($node, 'postgres', 'after the storm');
nothing(q{
SELECT order_id, payment_id, captured, p.captured_amount, refunded, p.refunded_amount, charged_back, p.charged_back_amount
FROM shop.payments p
FULL JOIN (SELECT order_id, payment_id,
				  coalesce(sum(amount) FILTER (WHERE what = 'capture'), 0) AS captured,
				  coalesce(sum(amount) FILTER (WHERE what = 'refund'), 0) AS refunded,
				  coalesce(sum(amount) FILTER (WHERE what = 'chargeback'), 0) AS charged_back
		   FROM storm.ledger GROUP BY order_id, payment_id) l USING (order_id, payment_id)
WHERE (p.captured_amount, p.refunded_amount, p.charged_back_amount)
	  IS DISTINCT FROM (coalesce(captured, 0), coalesce(refunded, 0), coalesce(charged_back, 0))},
	'what was acknowledged is what is in the payments, to the cent');
is($node->safe_psql('postgres', q{SELECT sum(amount) FROM storm.ledger WHERE what = 'capture'}),
	$node->safe_psql('postgres', q{SELECT trim_scale(sum(paid_amount)) FROM shop.orders}), 'and in all the orders');
note($node->safe_psql('postgres', q{SELECT what, count(*), sum(amount) FROM storm.ledger GROUP BY 1 ORDER BY 1}));
diag($node->safe_psql('postgres', q{SELECT 'refused: ' || string_agg(n || ' ' || code, ', ' ORDER BY code) FROM (SELECT code, count(*) AS n FROM storm.refusals GROUP BY 1) s}));
note($node->safe_psql('postgres', q{SELECT code, isolation, count(*) FROM storm.refusals GROUP BY 1, 2 ORDER BY 1, 2}));

# ---------- the races ----------

is($node->safe_psql('postgres', q{
SELECT count(*), min(refund_pending_amount), max(refund_pending_amount), min(n), max(n), sum(n)
FROM shop.payments p JOIN shop.orders o USING (order_id)
CROSS JOIN LATERAL (SELECT count(*) AS n FROM shop.payment_operations x WHERE x.order_id = p.order_id) x
WHERE o.customer_id = 8}), '200|100|100|5|5|1000', 'five refunds of 20 came through for each 100, and no sixth');
is($node->safe_psql('postgres', q{
SELECT count(*), min(due), max(due), min(asked), max(asked), min(obligatory), max(obligatory)
FROM (SELECT o.refund_due_amount AS due, sum(x.amount) AS asked, sum(x.obligatory_amount) AS obligatory
	  FROM shop.orders o JOIN shop.payment_operations x USING (order_id) WHERE o.customer_id = 11 GROUP BY o.order_id) s}),
	'100|100|100|200|200|100|100', 'of 200 asked back, 100 pay what is due, neither more nor less');
is($node->safe_psql('postgres', q{SELECT action, count(*) FROM storm.accepted WHERE action LIKE 'refund%' GROUP BY 1 ORDER BY 1}),
	"refund of 10|2000\nrefund of 20|1000", 'as was told');
nothing(q{
SELECT key, what, count(*), count(DISTINCT id) FROM storm.answers GROUP BY 1, 2
HAVING count(*) <> 32 OR count(DISTINCT id) <> 1}, 'one effect a key, and 32 equal answers');
is($node->safe_psql('postgres', q{SELECT what, count(DISTINCT key) FROM storm.answers GROUP BY 1 ORDER BY 1}),
	"create_payment|100\npayment|100\nrefund|50\nrefund_order|50", 'for every key');
is($node->safe_psql('postgres', q{
SELECT count(DISTINCT p.order_id), count(*), sum(x.amount), sum(p.refund_pending_amount)
FROM shop.payment_operations x JOIN shop.payments p USING (order_id, payment_id)
WHERE order_id BETWEEN 200001 AND 200100}), '100|100|10000|10000', 'which was reserved once');

done_testing();
