
# Whole lives of orders, for tests that crash a server under them. A life is a list of steps, each of which is one
# transaction; a writer goes through lives, and says which step of which order was acknowledged to it. What an order looks
# like after each step is learnt beforehand, where nothing crashes. After a crash it looks as after the last step that was
# acknowledged, or as after the next one, whose acknowledgement was lost; nothing is between. No test, hence no .pl.

package LifeTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

our @EXPORT = qw(make_lives start_lives note_acknowledged check_lives is_amchecked);

# ---------- the lives ----------

my $order = 'INSERT INTO shop.orders (customer_id, product_id, price) VALUES (1, :life, 30) RETURNING order_id AS o \gset';
my $paid = q{INSERT INTO shop.payments (order_id, gateway, amount, status, gateway_reference) VALUES (:o, 'acme', 30, 'succeeded', 'ch_' || :o) RETURNING payment_id AS p \gset};
my $operation = q{INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount) VALUES (:o, :'p', '%s', %s) RETURNING operation_id AS r \gset};

sub payment_to { return "UPDATE shop.payments SET status = '$_[0]' WHERE order_id = :o AND payment_id = :'p'"; }
sub operation_to { return "UPDATE shop.payment_operations SET status = '$_[0]' WHERE order_id = :o AND operation_id = :'r'"; }
sub order_to { return "UPDATE shop.orders SET status = '$_[0]' WHERE order_id = :o"; }

my @LIVES = (
	# a checkout
	[
		$order, q{INSERT INTO shop.payments (order_id, gateway, method, amount) VALUES (:o, 'acme', 'card', 30) RETURNING payment_id AS p \gset},
		q{UPDATE shop.payments SET status = 'succeeded', gateway_reference = 'ch_' || :o WHERE order_id = :o},
		order_to('shipped'), order_to('completed'),
	],
	# lines, a card, shipped before it is captured in two parts, and a part given back
	[
		q{BEGIN;
INSERT INTO shop.orders (customer_id, product_id) VALUES (1, :life) RETURNING order_id AS o \gset
INSERT INTO shop.order_items (order_id, line_no, kind, quantity, price) VALUES (:o, 1, 'item', 2, 14), (:o, 2, 'shipping', 1, 4), (:o, 3, 'discount', 1, 2);
COMMIT},
		q{SELECT payment_id AS p FROM order_payment.create_payment(:o, 'acme', method => 'card', request_key => 'pay', store => 'shop',
	card_number => '4242 4242 4242 4242', card_holder => 'Holder ' || :o, card_expiry => '12/39') \gset},
		payment_to('processing'), payment_to('authorized'), order_to('shipped'),
		"BEGIN;\n" . sprintf($operation, 'capture', 20) . "\n" . operation_to('succeeded') . ";\nCOMMIT",
		sprintf($operation, 'capture', 10), operation_to('succeeded'), order_to('completed'),
		q{SELECT operation_id AS r FROM order_payment.refund_order(:o, 5, 'broken', 'back', 'shop') \gset},
		operation_to('processing'), operation_to('succeeded'),
	],
	# cancelled before anybody paid
	[
		$order, q{INSERT INTO shop.payments (order_id, gateway, amount) VALUES (:o, 'acme', 30) RETURNING payment_id AS p \gset},
		payment_to('requires_action'), 'BEGIN; ' . payment_to('revoked') . '; ' . order_to('cancelled') . '; COMMIT',
	],
	# cancelled when it was paid: all is given back, at the second attempt
	[
		$order, $paid, order_to('cancelled'), q{SELECT operation_id AS r FROM order_payment.refund_order(:o, store => 'shop') \gset},
		operation_to('processing'), operation_to('failed'), operation_to('processing'), operation_to('succeeded'),
	],
	# declined, and tried again with the same card; then paid once more by mistake, which is due
	[
		$order, q{INSERT INTO shop.payments (order_id, gateway, amount, card_number) VALUES (:o, 'acme', 30, '5555555555554444') RETURNING payment_id AS p \gset},
		payment_to('processing'),
		q{UPDATE shop.payments SET status = 'failed', failure_class = 'soft_decline' WHERE order_id = :o AND payment_id = :'p'},
		q{SELECT payment_id AS p FROM order_payment.retry_payment(:'p', store => 'shop') \gset}, payment_to('succeeded'),
		q{INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (:o, 'manual', 30, 'succeeded')},
		q{SELECT operation_id AS r FROM order_payment.refund_order(:o, 30, store => 'shop') \gset}, operation_to('succeeded'), order_to('shipped'),
	],
	# authorised and voided
	[
		$order, q{INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (:o, 'acme', 30, 'authorized') RETURNING payment_id AS p \gset},
		sprintf($operation, 'void', 30), operation_to('processing'), operation_to('unknown'), operation_to('succeeded'), order_to('cancelled'),
	],
	# disputed, won, and given back all the same
	[
		$order, $paid, order_to('shipped'),
		q{INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, fee, status) VALUES (:o, :'p', 'chargeback', 30, 15, 'succeeded') RETURNING operation_id AS r \gset},
		operation_to('reversed'), order_to('completed'), sprintf($operation, 'refund', 30), operation_to('succeeded'),
	],
);

# How each ends, as is known without the server.
my @ENDS = ('completed 30/0/0/0', 'completed 30/5/0/0', 'cancelled 0/0/0/0', 'cancelled 30/30/0/0', 'shipped 60/30/0/0', 'cancelled 0/0/0/0', 'refunded 30/30/0/0');

# A psql script of one life; $after: what is done after each step, given the numbers of the life and the step.
sub script_of
{
	my ($life, $after) = @_;
	my $step = 0;

	return join '', "\\set life $life\n", map { ($_ =~ /\\gset\z/ ? "$_\n" : "$_;\n") . $after->($life, ++$step) } @{ $LIVES[$life - 1] };
}

# ---------- what an order looks like ----------

# All of it but its keys and times. Orders without a product are the test's own.
my $states = q{
CREATE VIEW states AS
SELECT o.order_id, o.product_id AS life, concat_ws(', ',
	format('%s %s/%s/%s/%s authorized=%s total=%s items=%s version=%s', o.status, o.paid_amount, o.refunded_amount, o.charged_back_amount,
		   o.refund_due_amount, o.authorized_amount, o.total_amount, o.item_count, o.version),
	(SELECT string_agg(format('line %s %s', i.kind, i.amount), ', ' ORDER BY i.line_no) FROM shop.order_items i WHERE i.order_id = o.order_id),
	(SELECT string_agg(format('payment %s %s authorized=%s captured=%s/%s refunded=%s/%s charged_back=%s fee=%s net=%s reference=%s card=%s+%s', p.gateway,
							  p.status, p.authorized_amount, p.captured_amount, p.capture_pending_amount, p.refunded_amount, p.refund_pending_amount,
							  p.charged_back_amount, p.fee, p.net_amount, p.gateway_reference IS NOT NULL, p.card_number,
							  num_nonnulls(p.card_number_sealed, p.card_holder_sealed, p.card_expiry_sealed, p.card_fingerprint)),
					   ', ' ORDER BY p.gateway, p.attempt_no) FROM shop.payments p WHERE p.order_id = o.order_id),
	(SELECT string_agg(format('%s %s %s obligatory=%s', r.kind, r.amount, r.status, r.obligatory_amount), ', ' ORDER BY r.kind, r.amount, r.status)
	 FROM shop.payment_operations r WHERE r.order_id = o.order_id),
	(SELECT string_agg(format('%s %s %s>%s %s', e.version, e.entity, e.from_status, e.to_status, e.amount), ', ' ORDER BY e.version)
	 FROM shop.order_events e WHERE e.order_id = o.order_id)) AS state
FROM shop.orders o WHERE o.product_id IS NOT NULL;
};

my %learnt;

# A store for the roles of make_roles(), and what its orders look like after each step.
sub make_lives
{
	my ($node) = @_;
	my %ends;

	make_roles($node);
	$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway');
SELECT order_payment.create_data_keys();
INSERT INTO shop.gateways (gateway) VALUES ('acme');
INSERT INTO shop.gateway_fees (gateway, currency, rate, fixed) VALUES ('acme', 'EUR', 0.029, 0.30);
	} . $states . 'GRANT SELECT ON states TO gateway;');
	%learnt = ();
	foreach my $life (1 .. @LIVES)
	{
		my $told = $node->safe_psql('postgres', script_of($life, sub {
			my ($n, $step) = @_;

			return "SELECT '$n|$step|' || state FROM states WHERE order_id = :o;\n";
		}), extra_params => [ '-U', 'gateway' ]);

		foreach my $line (split /\n/, $told)
		{
			my ($n, $step, $state) = split /\|/, $line, 3;

			$learnt{$n}[$step] = $state;
			$ends{$n} = $state;
		}
	}
	is_deeply([ map { scalar(@{ $learnt{$_} }) - 1 } 1 .. @LIVES ], [ map { scalar @$_ } @LIVES ], 'each step of each life was gone through');
	is_deeply([ map { $ends{$_} =~ /^(\w+ \S+)/ } 1 .. @LIVES ], \@ENDS, 'and each life ends as it should');
	foreach my $life (values %learnt)
	{
		my %seen;

		$seen{ $_ // '' }++ foreach @$life;
		is(scalar(keys %seen), scalar(@$life), 'no step leaves an order as it was');
	}
	return;
}

# ---------- writers ----------

# Each goes through lives in an order of its own, from $seed on, as the role of the gateway.
sub start_lives
{
	my ($node, $n, $seed, $lives) = @_;
	my @writers;

	srand($seed);
	foreach (1 .. $n)
	{
		my $script = join '', map { script_of(1 + int(rand(@LIVES)), sub { return "\\echo acknowledged :o $_[0] $_[1]\n" }) } 1 .. $lives;

		push @writers, start_psql($node, 'postgres', $script, '-v', 'ON_ERROR_STOP=1', '-U', 'gateway');
	}
	return @writers;
}

# After a crash: adds what was acknowledged, order => [ life, step ]; returns how many steps. A writer was stopped by the
# server that went away, and by nothing else.
sub note_acknowledged
{
	my ($last, $name, @writers) = @_;
	my $n = 0;

	foreach my $line (acknowledged(@writers))
	{
		my ($id, $life, $step) = split / /, $line;

		$last->{$id} = [ $life, $step ];
		$n++;
	}
	is(join('', grep { /ERROR:/ } map { split /^/, $_->{err} } @writers), '', "$name: nothing was refused to a writer");
	return $n;
}

# ---------- what is left ----------

# Every order that was acknowledged is there, as after the last step that was, or after the next one; the others as at birth;
# and each as it was found before. $seen: what earlier calls found. Returns how many had gone one step further.
sub check_lives
{
	my ($node, $name, $last, $seen) = @_;
	my (%state, @wrong, $further);

	foreach my $line (split /\n/, $node->safe_psql('postgres', 'SELECT order_id, life, state FROM states'))
	{
		my ($id, $life, $state) = split /\|/, $line, 3;

		$state{$id} = [ $life, $state ];
	}
	$further = 0;
	foreach my $id (sort { $a <=> $b } keys %$last)
	{
		my ($life, $step) = @{ $last->{$id} };
		my $now = $state{$id};

		if (!$now) { push @wrong, "order $id is gone, step $step of life $life was acknowledged"; next; }
		if ($now->[0] == $life && defined $learnt{$life}[ $step + 1 ] && $now->[1] eq $learnt{$life}[ $step + 1 ]) { $further++; next; }
		push @wrong, "order $id, step $step of life $life: $now->[1]" if $now->[0] != $life || $now->[1] ne $learnt{$life}[$step];
	}
	foreach my $id (sort { $a <=> $b } keys %state)
	{
		my ($life, $state) = @{ $state{$id} };

		push @wrong, "order $id, not acknowledged, life $life: $state"
		  if !$last->{$id} && $state ne $learnt{$life}[1] && !($id <= @LIVES && $state eq $learnt{$life}[-1]);
		push @wrong, "order $id was: $seen->{$id}, and is: $state" if defined $seen->{$id} && $seen->{$id} ne $state;
		$seen->{$id} = $state;
	}
	push @wrong, map { "order $_ was there before" } grep { !$state{$_} } keys %$seen;
	is(join("\n", @wrong[ 0 .. ($#wrong > 4 ? 4 : $#wrong) ]), '', "$name: every acknowledged commit is there, and nothing by halves");
	return $further;
}

# Tables and indexes as pg_amcheck sees them, each heap row in each index that should have it.
sub is_amchecked
{
	my ($node, $name) = @_;
	my $ok = IPC::Run::run(
		[ 'pg_amcheck', '--heapallindexed', '--parent-check', '--install-missing', '-h', $node->host, '-p', $node->port, 'postgres' ],
		'>', \my $out, '2>', \my $err);

	ok($ok && $out eq '', "$name: pg_amcheck finds nothing") or diag("$out\n$err");
	return;
}

1;
