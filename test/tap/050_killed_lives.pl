
# Twenty times a server dies under writers that take orders through whole lives: it is killed (kill -9), stopped at once,
# or loses one of its processes (kill -9 of a backend, upon which it starts anew by itself). Each time every commit that was
# acknowledged is there, order by order, nothing is by halves, and verify_store() finds nothing; pg_amcheck neither.
# The machine lives on, so this tells nothing of a power cut. KILL_ROUNDS and KILL_SEED in the environment choose others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use LifeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $rounds = $ENV{KILL_ROUNDS} || 20;
my $seed = $ENV{KILL_SEED} || 20261123;
my $node = make_cluster('lives_crash', conf => "shared_preload_libraries = 'order_payment'\nrestart_after_crash = on\ncheckpoint_timeout = 30s\n");

diag("KILL_SEED=$seed");
make_lives($node);

# ---------- the three ways to die ----------

sub kill_a_backend
{
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE usename = 'gateway' ORDER BY random() LIMIT 1});

	ok($pid && survives($node, sub { kill 'KILL', $pid }), 'a writer\'s backend is killed, and the server starts anew');
	return;
}

my @ways = (
	[ 'killed' => sub { $node->kill9; }, 1 ],
	[ 'stopped at once' => sub { $node->stop('immediate'); }, 1 ],
	[ 'one backend killed' => \&kill_a_backend, 0 ],
);

# ---------- the rounds ----------

my (%last, %seen);
my ($steps, $further, $unfinished) = (0, 0, 0);

foreach my $round (1 .. $rounds)
{
	my ($way, $crash, $starts) = @{ $ways[ $round % @ways ] };
	my $name = "round $round, $way";
	my @writers = start_lives($node, 4, $seed + $round, 1000);
	# what a crash finds half-way: index entries that go, a checkpoint
	my $keeper = start_psql($node, 'postgres', "VACUUM (ANALYZE) shop.orders, shop.payments, shop.payment_operations;\nCHECKPOINT;\n" x 500);

	pump_writers(40 + int(rand(120)), @writers);
	$crash->();
	my $n = note_acknowledged(\%last, $name, @writers);

	$keeper->{run}->finish;
	cmp_ok($n, '>=', 160, "$name: under load");
	$steps += $n;
	if ($starts) { ok(poll_start($node), "$name: starts again"); }
	$further += check_lives($node, $name, \%last, \%seen);
	is_verified($node, 'postgres', $name);
	is_amchecked($node, $name) if $round % 7 == 0;
}
is_amchecked($node, 'at the end');
diag("$steps commits of " . scalar(keys %last) . " orders acknowledged in $rounds rounds; of $further orders the next one was there, too");

# ---------- life goes on ----------

# the cards of the last ones open
is($node->safe_psql('postgres', q{
SET order_payment.reveal_budget = -1;
SELECT count(*), count(*) FILTER (WHERE r.number = CASE o.product_id WHEN 2 THEN '4242424242424242' ELSE '5555555555554444' END
										AND r.holder IS NOT DISTINCT FROM CASE o.product_id WHEN 2 THEN 'Holder ' || o.order_id END)
FROM (SELECT * FROM shop.payments WHERE card_number IS NOT NULL ORDER BY payment_id DESC LIMIT 40) p
JOIN shop.orders o USING (order_id), order_payment.reveal_card(p.payment_id, 'shop') r}), '40|40', 'cards open');
fails_with($node, 'postgres', q{UPDATE shop.orders SET status = 'pending' WHERE status = 'completed'}, 'OP001', 'rules hold');

done_testing();
