
# What a gateway may answer, through the worker: each leaves the worker as it is, and the
# payment in a state that is defined; what is unknown is asked for, and becomes known; what
# contradicts us is shown to people. One that cannot be sent holds up no other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use GatewayTest;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use WorkerTest;

my $gateway = start_gateway(undef, standard_webhook_secret => signing_secret());
my $node = make_cluster('replies');

sub value_of { my ($query) = @_; return $node->safe_psql('postgres', $query); }

# ---------- what is answered ----------

# An answer is [ name, rule ]. AMOUNT in a body is the amount of the payment.
sub behaves { my ($name, %options) = @_; return [ join(' ', $name, map { $options{$_} } sort keys %options), { do => $name, %options } ]; }

sub says { my ($name, $body, %rule) = @_; return [ $name, { body => $body, %rule } ]; }

sub succeeded { my ($name, $members) = @_; return says($name, qq({"status": "succeeded"$members})); }

# Is not done, and is answered so
sub refuses { my ($status, $body) = @_; return says("not done, $status $body", $body, status => $status, effect => JSON::PP::false); }

# Request and payment afterwards => the answers that lead there. What is unknown is asked for; a payment that
# failed was not made, or is made again.
my %table = (
	'answered, applied: succeeded' => [
		[ 'as it should be', {} ],
		map({ behaves($_) } qw(continue chunked two_replies reset_after wrong_type old_date cookie)),
		map({ behaves('status', status => $_) } 201, 202, 400, 404, 409, 499),
		succeeded('amount twice', ', "amount": 1, "amount": AMOUNT'),
		succeeded('amount as text', ', "amount": "AMOUNT"'),
		succeeded('odd and unknown members', ', "a\"b\nc": 1, "x": {"y": [1]}'),
		succeeded('60 000 members', join '', map { ", \"k$_\": 1" } 1 .. 60_000),
		succeeded('a reference of 10 kB', ', "reference": "' . 'x' x 10_000 . '"'),
	],
	'lost: unknown' => [
		map({ behaves($_) } qw(silent slow reset_before reset_in_head reset_inside close_before close_inside until_close no_close_notify
			tls_alert tls_garbage endless_continue switch oversize oversize_chunked chunked_broken chunked_cut length_long length_negative
			length_huge no_colon zero_in_header huge_header many_headers garbage http_0_9 bad_status version_9 transfer_unbound)),
	],
	'answered, unknown: unknown' => [
		map({ behaves($_) } qw(empty no_content not_modified html odd_headers)),
		map({ behaves('status', status => $_) } 300, 500, 502, 503, 504, 600, 999),
		map({ behaves('redirect', status => $_->[0], to => $_->[1]) } [ 301, 'http://169.254.169.254/latest/meta-data' ], [ 302, 'file:///etc/passwd' ],
			[ 307, gateway_url($gateway, '/payment/1') ]),
		map({ says("body $_", $_) } '', " \n", 'null', '[{"status": "succeeded"}]', '1', '"succeeded"', '{"amount": AMOUNT}', '{"status": 200}', '{"status": null}'),
		says('arrays in arrays', '[' x 1_000 . ']' x 1_000),
		refuses(408, ''), refuses(409, ''),
	],
	'answered, error: unknown' => [
		map({ behaves($_) } qw(length_short two_lengths)),
		says('a stack of arrays', '[' x 400_000 . ']' x 400_000),
		succeeded('an exponent without end', ', "amount": 1e200000'),
		succeeded('not a number', ', "amount": NaN'),
		succeeded('a zero character', ', "reference": "a\u0000b"'),
		succeeded('half a character', ', "reference": "\ud800"'),
		[ 'no UTF-8', { body_base64 => encode_base64("{\"status\": \"succeeded\", \"reference\": \"\xff\xfe\"}", '') } ],
		[ 'a byte order mark', { body_base64 => encode_base64("\xef\xbb\xbf{\"status\": \"succeeded\"}", '') } ],
		succeeded('a comment', ' /* so */'),
		succeeded('a comma at the end', ','),
		says('a status that is none', '{"status": "sucess"}'),
		says('a failure of no class', '{"status": "failed", "failure_class": "no_such"}'),
		succeeded('a time that is none', ', "occurred_at": "yesterdayish"'),
	],
	'answered, conflict: unknown' => [
		behaves('other_number'),
		succeeded('the number of another', ', "number": "00000000000000000000000000000000"'),
		map({ succeeded("amount $_", ", \"amount\": $_") } '1', '1e400', '-0', '-5', '0.30000000000000004', '9' x 40, '"NaN"', '"Infinity"', '"a lot"', '"0x0A"'),
		succeeded('another currency', ', "currency": "USD"'),
		says('of a refund', '{"entity": "refund", "status": "succeeded"}'),
	],
	'answered, applied: unknown' => [ says('it is not known there either', '{"status": "unknown"}') ],
	'answered, applied: processing' => [ [ 'not yet', { result => { status => 'processing' } } ] ],
	'answered, applied: requires_action' => [ [ 'the customer must act', { result => { status => 'requires_action' } } ] ],
	'answered, applied: authorized' => [ [ 'authorized', { result => { status => 'authorized' } } ] ],
	'answered, applied: customer_contact_needed' => [
		[ 'declined', { result => { status => 'failed', failure_class => 'hard_decline', failure_code => 'card_declined' } } ] ],
	'answered, failed: failed' => [
		map({ refuses($_, '') } 400, 401, 403, 404, 422, 429),
		refuses(400, '{"status": "error"}'), refuses(404, '{"title": "Not Found", "status": 404}'),
		map({ [ "429, Retry-After $_", { do => 'retry_after', to => $_, effect => JSON::PP::false } ] } '-1', '1000000000', 'Thu, 01 Jan 1970 00:00:00 GMT'),
	]);
# what is to come of a payment that stays where the answer has put it
my %stays = map { $_ => 1 } 'requires_action', 'authorized', 'failed';

# ---------- all of them at once ----------

my (@cases, @rules, $orders);

foreach my $expected (sort keys %table)
{
	foreach my $answer (@{ $table{$expected} })
	{
		my ($name, $rule) = @$answer;
		my $amount = 1001 + @cases;
		my %rule = %$rule;

		$rule{body} =~ s/AMOUNT/$amount/ if defined $rule{body};
		push @rules, { method => 'POST', amount => "$amount.0", times => 1, %rule };
		push @cases, { name => $name, expected => $expected, amount => $amount };
		$orders .= qq{
INSERT INTO shop.orders (customer_id, price) VALUES (1, $amount) RETURNING order_id AS id \\gset
SELECT FROM order_payment.create_payment(:'id', 'pay', store => 'shop');
		};
	}
}
set_rules($gateway, @rules);
make_worker_roles($node);
make_shop($node, 'postgres', $gateway, gateway => q{
UPDATE gateways SET max_in_flight = 300, request_timeout = '5 seconds', query_schedule = '{1 hour}' WHERE gateway = 'pay';
INSERT INTO gateways (gateway, protocol, endpoint) SELECT 'without a secret', protocol, endpoint FROM gateways WHERE gateway = 'pay'});
# the oldest are those that cannot be sent
value_of(q{
INSERT INTO shop.orders (customer_id, price) SELECT 1, 5 FROM generate_series(1, 100);
SELECT count(order_payment.create_payment(order_id::text, 'without a secret', store => 'shop')) FROM shop.orders});
value_of("BEGIN; $orders COMMIT");
$node->append_conf('postgresql.conf', worker_conf($gateway, conf => "order_payment_worker.max_in_flight = 300\n"));
$node->restart;
until_true(sub { worker_pid($node) ne '' }) // die 'there is no worker';
my $pid = worker_pid($node);

ok(defined until_true(sub { value_of('SELECT count(*) = ' . @cases . q{ FROM shop.gateway_requests WHERE state <> 'claimed' AND work = 'send_payment' AND gateway = 'pay'}) eq 't' }),
	scalar(@cases) . ' answers have been taken');
is(worker_pid($node), $pid, 'the worker is as it was');

# The first request of each order, and what it did.
my %got = map { split /\|/, $_, 2 } split /\n/, value_of(q{
SELECT o.price::integer, concat_ws(', ', r.state, r.outcome) || ': ' || e.to_status
FROM shop.orders o
JOIN LATERAL (SELECT * FROM shop.gateway_requests r WHERE r.order_id = o.order_id ORDER BY r.claimed_at LIMIT 1) r ON true
JOIN LATERAL (SELECT e.to_status FROM shop.order_events e
			  WHERE e.order_id = o.order_id AND e.entity_id::text = r.payment_id::text AND e.entity = 'payment' ORDER BY e.version DESC LIMIT 1) e ON true
WHERE r.gateway = 'pay'});

# later releases of libcurl refuse an answer with two lengths, which is half of one by the first
$got{ $_->{amount} } =~ s/^lost, unknown/answered, error/ foreach grep { $_->{name} eq 'two_lengths' } @cases;
is($got{ $_->{amount} } =~ s/^lost, unknown/lost/r, $_->{expected}, "$_->{name}: $_->{expected}") foreach @cases;

is(value_of(q{SELECT count(*) FROM shop.gateway_requests WHERE outcome IN ('conflict', 'error') AND reply IS NULL AND gateway = 'pay' AND http_status IS NOT NULL AND reason IS NULL}), 0,
	'each answer that was no use is kept, with a reason');
is(value_of(q{
SELECT count(*) FROM shop.payments p JOIN shop.gateway_requests r USING (order_id, payment_id)
WHERE r.outcome IN ('conflict', 'error') AND NOT EXISTS (SELECT FROM shop.needs_attention n WHERE n.order_id = p.order_id)}), 0, 'people are told of it');

# ---------- what cannot be sent ----------

is(value_of(q{SELECT state, outcome, reason ~ 'OP013', count(*) FROM shop.gateway_requests WHERE gateway <> 'pay' GROUP BY 1, 2, 3}), 'refused|error|t|100',
	'what cannot be signed is told, once, and has held up no other');

# ---------- what was unknown ----------

# hours later: the breaker is closed, retries are due
value_of(q{
UPDATE shop.gateway_requests SET settled_at = settled_at - interval '1 day', claimed_at = claimed_at - interval '1 day' WHERE gateway = 'pay';
UPDATE shop.gateways SET query_schedule = array_fill(interval '200 milliseconds', ARRAY[20]) WHERE gateway = 'pay'});
set_rules($gateway, { method => 'GET', path => '/payment/', amount => 'None', number => value_of(q{
	SELECT replace(payment_id::text, '-', '') FROM shop.payments WHERE status = 'processing' AND gateway = 'pay'}), result => { status => 'succeeded' } });
ok(defined until_true(sub { value_of(q{
SELECT count(*) = 0 FROM shop.payments WHERE gateway = 'pay' AND status IN ('created', 'processing', 'unknown')}) eq 't' }), 'nothing stays unknown');
foreach my $case (@cases)
{
	# which is an event, told to people; the payment has failed
	my $status = $case->{expected} =~ s/.*: //r =~ s/^customer_contact_needed$/failed/r;
	my $last = value_of(qq{SELECT p.status FROM shop.payments p JOIN shop.orders o USING (order_id) WHERE o.price = $case->{amount} ORDER BY p.payment_id DESC LIMIT 1});

	# 429 was tried again
	is($last, $stays{$status} && $case->{name} !~ /429/ ? $status : 'succeeded', "$case->{name}: in the end");
}
cmp_ok(value_of(q{
SELECT max(n) FROM (SELECT count(*) AS n FROM shop.gateway_requests WHERE work = 'query_payment' GROUP BY order_id) q}), '<=', 2, 'one query each was enough, or two');
is(differences($node, $gateway), '', 'what the gateway has done is what the store says');
is(worker_pid($node), $pid, 'the worker is as it was');
is_verified($node, 'postgres', 'after all answers');

$node->stop;
stop_gateway($gateway);

done_testing();
