
# What a DBA watches: the queries of test/examples/order_payment_queries.yaml, as
# the role that monitor_role.sql makes, on a store where each of their numbers is
# to be seen; and verify_metrics.sh, on a store that is sound and on one that is not.

use strict;
use warnings;

use FindBin;
use IPC::Run ();
use JSON::PP qw(decode_json);
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use WorkerTest;

my $examples = "$FindBin::RealBin/../examples";
my $node = make_cluster('monitored', conf => q{
shared_preload_libraries = 'order_payment_worker, order_payment'
order_payment_worker.databases = 'postgres'
order_payment_worker.role = 'op_worker'
max_worker_processes = 16
});

sub value_of { my ($query) = @_; return $node->safe_psql('postgres', $query); }

# ---------- the file ----------

IPC::Run::run([ 'python3', '-c', 'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)', "$examples/order_payment_queries.yaml" ],
	'>', \my $json) or BAIL_OUT('order_payment_queries.yaml cannot be read');
my $queries = decode_json($json);
my (%seen, %labels, %numbers);

ok(keys %$queries >= 11, 'it has queries');
foreach my $name (sort keys %$queries)
{
	my ($query, @faults) = $queries->{$name};

	push @faults, 'its name' if $name !~ /^order_payment_[a-z_]+$/;
	push @faults, "a field $_" foreach grep { !/^(?:query|metrics|cache_seconds)$/ } keys %$query;
	foreach my $metric (@{ $query->{metrics} })
	{
		my ($column, $its) = %$metric;

		push @faults, "a metric of several columns" if keys %$metric != 1;
		push @faults, "$column: usage" if $its->{usage} !~ /^(?:LABEL|GAUGE|COUNTER)$/;
		push @faults, "$column: no description" if ($its->{description} // '') eq '';
		push @faults, "$column: unknown fields" if keys %$its != 2;
		push @faults, "$column twice" if $labels{$name}{$column} || $numbers{$name}{$column};
		($its->{usage} eq 'LABEL' ? $labels{$name} : $numbers{$name})->{$column} = 1;
	}
	is(join(', ', @faults), '', "$name: as the exporter reads it");
}

# ---------- a store ----------

make_worker_roles($node);
value_of(q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_card_key();
CREATE ROLE clerk;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shop_owner', app_role => 'shop_app', gateway_role => 'shop_gateway');
});
foreach my $name ('monitor_role.sql makes the role', 'and may be run again, as after an upgrade')
{
	IPC::Run::run([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'store=shop', '-f', "$examples/monitor_role.sql" ], '<', \undef, '>&', \my $said);
	is($said =~ s/^psql:.*?NOTICE: .*\n//mgr, '', $name);
}

# Rows of a query, as the exporter gets them; what is wrong with them is told.
sub rows
{
	my ($name) = @_;
	my $query = $queries->{$name}{query} =~ s/\s+\z//r;
	my $is = join ' ', sort keys %{ $labels{$name} }, keys %{ $numbers{$name} };
	my (@rows, %keys, %faults);

	foreach (split /\n/, $node->safe_psql('postgres', "SELECT row_to_json(q) FROM ($query) q", extra_params => [ '-U', 'order_payment_monitor' ]))
	{
		my $row = decode_json($_);
		my $has = join ' ', sort keys %$row;

		$faults{"columns $has"} = 1 if $has ne $is;
		defined $row->{$_} or $faults{"$_ is null"} = 1 foreach keys %{ $labels{$name} };
		foreach my $column (keys %{ $numbers{$name} })
		{
			$faults{"$column is no number: $row->{$column}"} = 1 if defined $row->{$column} && $row->{$column} !~ /^-?\d+(?:\.\d+)?(?:e-?\d+)?$/i;
			$seen{$name}{$column} = 1 if $row->{$column};
		}
		$faults{"the same labels twice: $_"} = 1 if $keys{ join '|', map { $row->{$_} // '' } sort keys %{ $labels{$name} } }++;
		push @rows, $row;
	}
	is(join(', ', sort keys %faults), '', "$name: columns, labels and numbers");
	return @rows;
}

# The rows of a query that have these labels
sub row
{
	my ($name, %is) = @_;
	my @rows = grep { my $row = $_; !grep { $row->{$_} ne $is{$_} } keys %is } rows($name);

	is(scalar @rows, 1, "$name: one row of " . join ', ', map { "$_ $is{$_}" } sort keys %is);
	return $rows[0] // {};
}

# it ended as long as its role was not there, and comes again some seconds later
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'order_payment_worker' AND datname = 'postgres')})
	or BAIL_OUT('the worker does not run');
rows($_) foreach sort keys %$queries;
is(join(' ', map { "$_: " . join ',', sort keys %{ $seen{$_} } } sort keys %seen),
	'order_payment_key: age_seconds,retires_in_seconds,usable order_payment_worker: running', 'an empty store has keys and a worker, and needs nothing');

# ---------- everything that is to be seen ----------

value_of(q{
INSERT INTO shop.gateways (gateway, protocol, endpoint, query_schedule) VALUES
	('pay', 'json', 'https://pay.example.com', '{1 h}'), ('down', 'json', 'https://down.example.com', '{1 h}'), ('bare', 'json', 'https://bare.example.com', '{1 h}'),
	('crm', 'standard_webhooks', 'https://crm.example.com', '{1 h}'), ('mail', 'standard_webhooks', 'https://mail.example.com', '{1 h}'),
	('gone', 'standard_webhooks', 'https://gone.example.com', '{1 h}');
INSERT INTO shop.webhook_subscribers (subscriber, events, retry_schedule) VALUES
	('crm', '{order.paid}', '{1 h}'), ('mail', '{order.cancelled}', '{}'), ('gone', '{*}', '{}');
UPDATE shop.webhook_subscribers SET active = false WHERE subscriber = 'gone';
});
set_secret($node, 'postgres', 'shop', $_, 'standard_webhook_secret', signing_secret()) foreach qw(pay down crm mail);

# For each call of sent(): an order, and a payment that is claimed and settled.
value_of(qq{
CREATE FUNCTION pg_temp.sent(gateway text, state text, http_status integer DEFAULT NULL, body text DEFAULT '') RETURNS bigint LANGUAGE plpgsql AS \$\$
DECLARE
	o bigint;
	r record;
BEGIN
	INSERT INTO shop.orders (customer_id, price) VALUES (1, 10) RETURNING order_id INTO o;
	INSERT INTO shop.payments (order_id, gateway, amount) VALUES (o, gateway, 10);
	FOR r IN SELECT c.order_id, c.request_id FROM order_payment.claim_requests(100, store => 'shop') c LOOP
		IF state <> 'claimed' THEN
			PERFORM order_payment.settle_request(r.order_id, r.request_id, state, http_status, '{}', convert_to(body, 'UTF8'), store => 'shop');
		END IF;
	END LOOP;
	RETURN o;
END
\$\$;
SELECT pg_temp.sent('pay', 'answered', 200, '{"status":"succeeded","amount":"10.00"}');
SELECT pg_temp.sent('pay', 'answered', 402, '{"status":"failed","failure_class":"hard_decline"}');
SELECT pg_temp.sent('pay', 'answered', 400, '{"failure_code":"bad_request"}');
SELECT pg_temp.sent('pay', 'answered', 200, '{"status":"succeeded","amount":"11.00"}');
SELECT pg_temp.sent('pay', 'lost');
SELECT pg_temp.sent('bare', 'claimed');
SELECT pg_temp.sent('pay', 'claimed');
SELECT pg_temp.sent('down', 'not_sent') FROM generate_series(1, 5);
UPDATE shop.gateway_requests SET lease_until = now() - interval '1 minute' WHERE state = 'claimed';

-- waits to be sent, and should have been
INSERT INTO shop.orders (order_id, customer_id, price) VALUES (1000, 1, 20), (1004, 1, 20), (1001, 1, 30), (1002, 1, 40);
INSERT INTO shop.payments (order_id, gateway, amount, expires_at) VALUES (1004, 'down', 20, now() - interval '1 minute');
-- dead and paid: one refund of two is requested, and its outcome is unknown
INSERT INTO shop.payments (order_id, gateway, amount, status) VALUES (1001, 'pay', 30, 'succeeded'), (1002, 'down', 40, 'succeeded');
UPDATE shop.orders SET status = 'cancelled' WHERE order_id IN (1001, 1002);
INSERT INTO shop.refunds (order_id, payment_id, amount) SELECT order_id, payment_id, 30 FROM shop.payments WHERE order_id = 1001;
UPDATE shop.refunds SET status = 'processing' WHERE order_id = 1001;
UPDATE shop.refunds SET status = 'unknown' WHERE order_id = 1001;
BEGIN;
SET LOCAL order_payment.restore = on;
UPDATE shop.payments SET unknown_at = now() - interval '2 hours' WHERE status = 'unknown';
UPDATE shop.payment_operations SET unknown_at = now() - interval '2 hours' WHERE status = 'unknown';
COMMIT;

-- events: one is acknowledged, of four that there were by then
SELECT order_payment.ack_events('mailer', ARRAY[(SELECT event_id FROM order_payment.read_events('mailer', 1, 'shop'))], 'shop');
-- webhooks: all fail, and those of a subscriber are given up; then one is on its way
SELECT order_payment.settle_webhook(c.subscriber, c.order_id, c.event_id, 500, 'no', 'shop') FROM order_payment.claim_webhooks(10, store => 'shop') c;
UPDATE shop.orders SET status = 'paid' WHERE order_id = 1000;
SELECT FROM order_payment.claim_webhooks(10, store => 'shop');

SELECT order_payment.apply_notification('pay', '{}', '\\x7b7d', 'shop');

-- a card is opened by a clerk, once; the second time his budget is used up
INSERT INTO shop.orders (order_id, customer_id, price) VALUES (1003, 1, 50);
INSERT INTO shop.payments (order_id, gateway, amount, card_number, status) VALUES (1003, 'down', 50, '4111111111111111', 'processing');
GRANT USAGE ON SCHEMA shop TO clerk;
GRANT SELECT ON shop.payments TO clerk;
GRANT EXECUTE ON FUNCTION order_payment.reveal(order_payment.sealed, bytea) TO clerk;
UPDATE order_payment.data_keys SET retire_after = now() - interval '1 day' WHERE purpose = 'data';
});
my $reveal = q{SELECT number FROM shop.payments p, order_payment.reveal_card(p.payment_id, 'shop') WHERE p.order_id = 1003};

is(value_of("SET ROLE clerk; $reveal"), '4111111111111111', 'a card is opened');
fails_with($node, 'postgres', "SET order_payment.reveal_budget = 0; SET ROLE clerk; $reveal", 'OP014', 'and then is not');

# ---------- what is seen ----------

my $work = row('order_payment_open_work', work => 'send_payment', gateway => 'down');
is("$work->{items} $work->{overdue}", '1 1', 'a payment to be sent, too late');
$work = row('order_payment_open_work', work => 'refund_due', gateway => '');
is($work->{items}, 1, 'a refund to be requested');
my $due = row('order_payment_refund_due', currency => 'EUR');
is("$due->{orders} " . $due->{amount} * 1 . ' ' . $due->{amount_not_requested} * 1, '2 70 40', 'what is due, and what of it is not asked for');
my $unknown = row('order_payment_unknown', kind => 'refund', gateway => 'pay', currency => 'EUR');
is("$unknown->{items} " . $unknown->{amount} * 1, '1 30', 'a refund of unknown outcome');
cmp_ok($unknown->{oldest_seconds}, '>=', 7200, 'for two hours');
row('order_payment_unknown', kind => 'payment', gateway => 'pay', currency => 'EUR');
row('order_payment_needs_attention', reason => 'the outcome of a payment has been unknown for an hour', gateway => 'pay');
my $dead = row('order_payment_needs_attention', reason => 'event * was not taken by *, and is given up', gateway => 'mail');
is($dead->{items}, 2, 'reasons do not name what they are about');
my $mailer = row('order_payment_consumer', consumer => 'mailer');
is($mailer->{events_behind}, value_of('SELECT count(*) - 1 FROM shop.order_events'), 'a consumer is behind by all events but one');
my $crm = row('order_payment_webhooks', subscriber => 'crm');
is("$crm->{switched_off} $crm->{under_way} $crm->{failed_before} $crm->{dead}", '0 4 3 0', 'a subscriber who has not taken some');
my $mail = row('order_payment_webhooks', subscriber => 'mail');
is("$mail->{under_way} $mail->{dead}", '0 2', 'one whose deliveries were given up');
is(row('order_payment_webhooks', subscriber => 'gone')->{switched_off}, 1, 'one that is switched off');
my $pay = row('order_payment_gateway', gateway => 'pay');
is(join(' ', @$pay{qw(in_flight sent answered failed lost breaker_open)}), '1 5 4 1 1 0', 'requests to a gateway');
is(row('order_payment_gateway', gateway => 'down')->{breaker_open}, 1, 'one that is left alone for a moment');
is(row('order_payment_gateway', gateway => 'bare')->{refused}, 1, 'one whose requests cannot be made');
is(row('order_payment_rejected', gateway => 'pay', reason => 'header_missing')->{notifications}, 1, 'a notification that was refused');
my $key = row('order_payment_key', kind => 'data key', purpose => 'data');
is("$key->{usable} $key->{overdue}", '1 1', 'a key that should be replaced');
my $reveals = row('order_payment_reveals', role => 'clerk', what => 'reveal');
is("$reveals->{today} $reveals->{refused_today}", '1 1', 'who opens cards');
my $worker = row('order_payment_worker', store => 'shop');
is("$worker->{running} $worker->{held_as_a_copy} $worker->{leases_expired}", '1 0 1', 'the worker, and a request that nobody has settled');
value_of('UPDATE shop.gateway_sender SET system_identifier = 1');
is(row('order_payment_worker', store => 'shop')->{held_as_a_copy}, 1, 'a copy, which must not send');
value_of('UPDATE shop.gateway_sender SET system_identifier = (SELECT system_identifier FROM pg_control_system())');

rows($_) foreach sort keys %$queries;
is(join(', ', map { my $name = $_; map { "$name.$_" } grep { !$seen{$name}{$_} } sort keys %{ $numbers{$name} } } sort keys %numbers),
	'', 'every number was seen');

# ---------- what the role may not ----------

fails_with($node, 'postgres', $_, '42501', "the role may not: $_", extra_params => [ '-U', 'order_payment_monitor' ]) foreach (
	'SELECT card_number FROM payments', 'SELECT card_fingerprint FROM payments', 'TABLE payments', 'SELECT body FROM gateway_notifications',
	'SELECT reply FROM gateway_requests', 'SELECT secret FROM gateway_secrets', 'TABLE payment_passwords', 'TABLE order_payment.data_keys',
	'SELECT private_key FROM order_payment.card_keys', 'UPDATE orders SET price = 1', 'DELETE FROM webhook_deliveries',
	q{SELECT order_payment.claim_requests(store => 'shop')}, q{SELECT order_payment.find_card('4111111111111111')});

# ---------- verify_metrics.sh ----------

my $folder = PostgreSQL::Test::Utils::tempdir();
my ($out, $err);

sub verified
{
	my ($store) = @_;

	local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
	return IPC::Run::run([ "$examples/verify_metrics.sh", $store, "$folder/store.prom" ], '<', \undef, '>', \$out, '2>', \$err);
}

ok(verified('shop'), 'a store is verified') or diag($err);
my $metrics = slurp_file("$folder/store.prom");
like($metrics, qr/^order_payment_verify_found\{store="shop"\} 0$/m, 'and is sound');
like($metrics, qr/^order_payment_verify_$_\{store="shop"\} \d+(?:\.\d+)?$/m, "it tells $_") foreach qw(seconds time_seconds);
unlike($metrics, qr/^order_payment_verify_deviations\{/m, 'without a deviation');

value_of(q{
SET session_replication_role = replica;
UPDATE shop.orders SET version = version + 1 WHERE order_id IN (1001, 1002);
UPDATE shop.payments SET refund_pending_amount = 1 WHERE order_id = 1003;
});
ok(verified('shop'), 'it is verified again');
$metrics = slurp_file("$folder/store.prom");
my $found = value_of(q{SELECT count(*) FROM order_payment.verify_store('shop')});
cmp_ok($found, '>', 2, 'when something is wrong');
like($metrics, qr/^order_payment_verify_found\{store="shop"\} $found$/m, 'all of it is counted');
like($metrics, qr/^order_payment_verify_deviations\{store="shop",table="orders",problem="[^"]+"\} 2$/m, 'by table and kind');
is((grep { !/^(?:# TYPE order_payment_verify_[a-z_]+ gauge|order_payment_verify_[a-z_]+\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\} \d+(?:\.\d+)?)$/ } split /\n/, $metrics),
	0, 'each line is as an exporter reads it');

ok(!verified('no shop'), 'no store');
is(slurp_file("$folder/store.prom"), $metrics, 'the last file stays');
is(join(' ', map { s{.*/}{}r } glob "$folder/*"), 'store.prom', 'and is alone');

done_testing();
