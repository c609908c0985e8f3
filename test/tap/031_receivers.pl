
# Receivers of notifications in web frameworks (test/examples/receiver_flask.py,
# receiver_node.mjs): what the gateways' own libraries sign reaches
# apply_notification() byte for byte, and its answer goes back as it is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use File::Copy qw(copy);
use File::Spec ();
use HTTP::Tiny;
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SdkTest;
use StoreTest;
use Test::More;
use Time::HiRes qw(usleep);

my $examples = File::Spec->rel2abs("$FindBin::RealBin/../examples");
my $modules = File::Spec->rel2abs("$FindBin::RealBin/../gateway/node_modules");
my $folder = PostgreSQL::Test::Utils::tempdir();
my $json = JSON::PP->new->canonical->utf8;
my %made;  # how many checks of each kind were made: see the end

# Debian's, which has its packages, before any other that stands in the way
my ($python) = grep { IPC::Run::run([ $_, '-c', 'import flask, psycopg2' ], '>', \my $out, '2>&1') } '/usr/bin/python3', 'python3';

ok(defined $python, 'Flask and psycopg2 are there (Debian: apt install python3-flask python3-psycopg2)');
if (!has_sdks() || !defined $python)
{
	done_testing();
	exit 1;
}

my %receiver;  # by name: the process, its port and its log

END
{
	my $status = $?;

	$_->{run}->kill_kill(grace => 0) foreach grep { $_->{run}->pumpable } values %receiver;
	$? = $status;
}

# ---------- the store ----------

my $node = make_cluster('receivers');
secret_directory($node);
make_roles($node);

my ($private, $public) = rsa_pair();
my $stripe_secret = 'whsec_' . unpack 'H*', openssl('', 'rand', '20');
my $whsec = 'whsec_' . openssl(openssl('', 'rand', '32'), 'base64', '-A');
my $apiv3_key = unpack 'H*', openssl('', 'rand', '16');
my $serial = 'PUB_KEY_ID_0119000000012026112300000000000001';

$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_store('shop', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway');
CREATE ROLE receiver LOGIN IN ROLE gateway;
INSERT INTO shop.gateways (gateway, protocol, app_id, merchant_id) VALUES
	('stripe', 'stripe', NULL, NULL), ('hooks', 'standard_webhooks', NULL, NULL),
	('alipay', 'alipay', '2021000000000001', NULL), ('wechat', 'wechatpay_v3', 'wx0000000000000001', '1900000001');
});
set_secret($node, 'stripe', 'webhook_secret', $stripe_secret);
set_secret($node, 'hooks', 'standard_webhook_secret', $whsec);
set_secret($node, 'alipay', 'public_key', $public);
set_secret($node, 'wechat', 'public_key', $public, $serial);
set_secret($node, 'wechat', 'apiv3_key', $apiv3_key);

sub sql { return $node->safe_psql('postgres', "SET search_path = shop, order_payment; $_[0]"); }

# The number of a new payment, of 88.80
sub payment
{
	my ($gateway, $currency) = @_;

	return sql(qq{
WITH o AS (INSERT INTO orders (price, currency) VALUES (88.80, '$currency') RETURNING order_id) SELECT order_id FROM o \\gset
WITH p AS (INSERT INTO payments (order_id, gateway, amount) VALUES (:order_id, '$gateway', 88.80) RETURNING payment_id)
SELECT replace(payment_id::text, '-', '') FROM p});
}

sub state_of
{
	my ($number) = @_;

	return sql("SELECT p.status || ' ' || o.status || ' ' || count(*) FROM payments p JOIN orders o USING (order_id) JOIN order_events USING (order_id)
		WHERE payment_id = '$number' GROUP BY p.status, o.status");
}

# What became of the notification of a payment
sub inbox
{
	my ($number) = @_;

	return sql("SELECT outcome, deliveries, attempts FROM gateway_notifications WHERE payment_id = '$number'");
}

sub rejections { return sql("SELECT coalesce(sum(n), 0) FROM gateway_rejections WHERE gateway = '$_[0]' AND reason = '$_[1]'"); }

# ---------- the receivers ----------

sub start_receiver
{
	my ($name, $port, @command) = @_;
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGUSER => 'receiver',
		PORT => $port, PYTHONDONTWRITEBYTECODE => 1);
	my $log = "$folder/$name.log";
	my $run = IPC::Run::start([@command], '<', \undef, '>', "$folder/$name.out", '2>', $log);

	$receiver{$name} = { run => $run, port => $port, log => $log };
	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		usleep(50_000);
	}
	die "$name does not start: " . slurp_file($log);
}

# Node looks for packages beside the file: so it is put where they are, as a user would
copy("$examples/receiver_node.mjs", "$folder/receiver_node.mjs") or die "$folder: $!";
symlink $modules, "$folder/node_modules" or die "$folder: $!";
my $port = PostgreSQL::Test::Cluster::get_free_port();
start_receiver('flask', $port, $python, '-m', 'flask', '--app', "$examples/receiver_flask.py", 'run', '--port', $port);
start_receiver('node', PostgreSQL::Test::Cluster::get_free_port(), 'node', "$folder/receiver_node.mjs");

# Status, type and text of the answer, on one line
sub post
{
	my ($name, $message, %changes) = @_;
	my %sent = (%$message, %changes);
	my $answer = HTTP::Tiny->new(timeout => $PostgreSQL::Test::Utils::timeout_default)->post("http://127.0.0.1:$receiver{$name}{port}/in/$sent{gateway}",
		{ headers => $sent{headers}, content => $sent{body} });

	return "$answer->{status} " . ($answer->{headers}{'content-type'} // '') . " $answer->{content}";
}

# The same at once, n times: each waits for its last byte before any of them is answered. HTTP/1.0: the answer ends with the connection.
sub post_at_once
{
	my ($name, $message, $n) = @_;
	my $head = join '', map { "$_\r\n" } "POST /in/$message->{gateway} HTTP/1.0", 'Content-Length: ' . length $message->{body},
		(map { "$_: $message->{headers}{$_}" } sort keys %{ $message->{headers} }), '';
	my @answers;

	my @connections = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $receiver{$name}{port}) // die "connect: $!" } 1 .. $n;
	$_->send($head . substr $message->{body}, 0, -1) foreach @connections;
	$_->send(substr $message->{body}, -1) foreach @connections;
	foreach my $connection (@connections)
	{
		my ($answer_head, $text) = split /\r\n\r\n/, do { local $/ = undef; <$connection> }, 2;
		push @answers, join ' ', $answer_head =~ /^HTTP\S+ (\d+)/, $answer_head =~ /^content-type: (.*?)\r?$/im, $text;
	}
	return @answers;
}

# ---------- what is signed ----------

my $ids = 0;
my $now = time;

my %messages = (
	stripe => sub {
		my ($number) = @_;
		my $id = ++$ids;
		my $body = $json->encode({ id => "evt_$id", object => 'event', type => 'payment_intent.succeeded', created => $now, data => { object => {
			object => 'payment_intent', id => "pi_$id", amount => 8880, amount_received => 8880, currency => 'eur', status => 'succeeded', metadata => { number => $number, note => "\x{672c}" } } } });

		utf8::decode(my $text = $body);
		return ({ 'Stripe-Signature' => ask('stripe', { do => 'sign', body => $text, secret => $stripe_secret, timestamp => $now })->{header},
				'Content-Type' => 'application/json; charset=utf-8' }, $body);
	},
	hooks => sub {
		my ($number) = @_;
		my $body = $json->encode({ type => 'payment.succeeded', timestamp => '2026-11-23T12:00:00Z',
				data => { number => $number, status => 'succeeded', amount => '88.80', currency => 'EUR', reference => "\x{672c}" . ++$ids } });

		utf8::decode(my $text = $body);
		return ({ %{ ask('standard_webhooks', { do => 'sign', body => $text, secret => $whsec, id => "msg_$ids", timestamp => $now })->{headers} },
				'Content-Type' => 'application/json' }, $body);
	},
	alipay => sub {
		my ($number) = @_;
		my $id = ++$ids;
		my %fields = (app_id => '2021000000000001', charset => 'utf-8', sign_type => 'RSA2', version => '1.0', notify_id => "n$id", notify_type => 'trade_status_sync',
			notify_time => '2026-11-23 20:00:00', trade_no => "2026$id", out_trade_no => $number, total_amount => '88.80', subject => "\x{4e24} a=b&c+d%", trade_status => 'TRADE_SUCCESS');

		return ({ 'Content-Type' => 'application/x-www-form-urlencoded; charset=UTF-8' },
			ask('alipay', { do => 'sign', privateKey => $private, publicKey => $public, fields => \%fields })->{body});
	},
	wechat => sub {
		my ($number) = @_;
		my $id = ++$ids;
		my $deal = JSON::PP->new->encode({ appid => 'wx0000000000000001', mchid => '1900000001', out_trade_no => $number, transaction_id => "42$id",
				trade_state => 'SUCCESS', success_time => '2026-11-23T20:00:00+08:00', amount => { total => 8880, currency => 'CNY' }, attach => "\x{672c}" });
		my $resource = ask('wechatpay', { do => 'seal', text => $deal, key => $apiv3_key, nonce => 'abcdefghijkl', data => 'transaction' })->{resource};
		my $body = $json->encode({ id => "n$id", create_time => '2026-11-23T20:00:00+08:00', event_type => 'TRANSACTION.SUCCESS', resource_type => 'encrypt-resource',
				resource => $resource, summary => "\x{652f}\x{4ed8}\x{6210}\x{529f}" });

		utf8::decode(my $text = $body);
		return ({ %{ ask('wechatpay', { do => 'sign', body => $text, timestamp => $now, nonce => 'N0nce', serial => $serial, privateKey => $private })->{headers} },
				'Content-Type' => 'application/json' }, $body);
	});

# A new payment and the notification that it succeeded
sub message
{
	my ($gateway) = @_;
	my $number = payment($gateway, $gateway =~ /alipay|wechat/ ? 'CNY' : 'EUR');
	my ($headers, $body) = $messages{$gateway}->($number);

	return { gateway => $gateway, number => $number, headers => $headers, body => $body };
}

my %accepted = (stripe => '200 application/json {"received":true}', hooks => '200 application/json {"received":true}',
	alipay => '200 text/plain success', wechat => '200 application/json {"code":"SUCCESS","message":"OK"}');
my %refused = (stripe => '400 application/json {"received":false}', hooks => '401 application/json {"received":false}',
	alipay => '200 text/plain failure', wechat => '401 application/json {"code":"FAIL","message":"signature"}');
my $paid = 'succeeded paid 4';  # order, payment; payment, order
my $else = q{c.relname <> 'gateway_rejections'};

# ---------- both receivers, each protocol ----------

foreach my $name ('flask', 'node')
{
	foreach my $gateway (sort keys %messages)
	{
		my $message = message($gateway);
		my $number = $message->{number};
		my $before = contents($node, 'postgres', $else);
		my $refusals = rejections($gateway, 'signature_mismatch');
		# within the number, which no reader could tell from another one
		my $at = index $message->{body}, $gateway eq 'wechat' ? 'N.SUCCESS' : substr $number, 5;
		my $changed = $message->{body};

		substr($changed, $at, 1) = substr($changed, $at, 1) eq '0' ? '1' : '0';
		is(post($name, $message, body => $changed), $refused{$gateway}, "$name, $gateway: with one byte changed it is refused");
		is(post($name, $message, body => $message->{body} . "\n"), $refused{$gateway}, "$name, $gateway: with one byte more as well");
		is(contents($node, 'postgres', $else), $before, "$name, $gateway: nothing has changed");
		is(rejections($gateway, 'signature_mismatch'), $refusals + 2, "$name, $gateway: but the counter");

		is(post($name, $message), $accepted{$gateway}, "$name, $gateway: as it was signed it is taken");
		is(state_of($number), $paid, "$name, $gateway: the payment has succeeded");
		is(inbox($number), 'applied|1|1', "$name, $gateway: it is applied");
		is(sql("SELECT body = decode('" . unpack('H*', $message->{body}) . "', 'hex') FROM gateway_notifications WHERE payment_id = '$number'"), 't', "$name, $gateway: and stored byte for byte");
		is(post($name, $message), $accepted{$gateway}, "$name, $gateway: delivered again, the answer is the same");
		is(state_of($number) . ' ' . inbox($number), "$paid applied|2|1", "$name, $gateway: and nothing is done");

		$message = message($gateway);
		is_deeply([ post_at_once($name, $message, 20) ], [ ($accepted{$gateway}) x 20 ], "$name, $gateway: twenty at once have one answer");
		is(state_of($message->{number}) . ' ' . inbox($message->{number}), "$paid applied|20|1", "$name, $gateway: and are applied once");
		$made{"$name $gateway"}++;
	}
}

# ---------- bodies that are no text, and none at all ----------

sub signed
{
	my ($body) = @_;

	return { gateway => 'stripe', headers => { 'stripe-signature' => "t=$now,v1=" . hmac_sha256_hex("$now.$body", $stripe_secret) }, body => $body };
}

foreach my $name ('flask', 'node')
{
	my %odd = ('no UTF-8' => "{\"id\": \"$name \xff\xfe\x80\"}", 'all bytes' => $name . join('', map { chr } 0 .. 255), 'none' => '', 'one MiB' => $name . 'x' x (2**20 - length $name));

	foreach my $kind (sort keys %odd)
	{
		my $message = signed($odd{$kind});
		my $stored = "SELECT outcome, encode(sha256(body), 'hex') = '" . sha256_hex($odd{$kind}) . "' FROM gateway_notifications
			WHERE event_id = 'sha256:" . sha256_hex($odd{$kind}) . "'";
		my $refusals = rejections('stripe', 'signature_mismatch');

		is(post($name, $message, headers => { 'Stripe-Signature' => "t=$now,v1=" . '0' x 64 }), $refused{stripe}, "$name, $kind: refused if it is not signed");
		is(post($name, $message, headers => {}), $refused{stripe}, "$name, $kind: and without a signature");
		is(rejections('stripe', 'signature_mismatch'), $refusals + 1, "$name, $kind: which is counted");
		is(post($name, $message), $accepted{stripe}, "$name, $kind: taken if it is signed");
		is(sql($stored), 'error|t', "$name, $kind: and stored, for it cannot be read");
	}
	my $refusals = rejections('stripe', 'body_too_large');
	my $answer = post($name, signed($name x 2**20));
	# by Flask itself from 2.3 on, and it may close the connection while we still send
	if ($name eq 'flask' && $answer =~ /^(?:413|599) /) { pass("$name: more than one MiB is refused"); }
	else
	{
		is($answer, $refused{stripe}, "$name: more than one MiB is refused");
		is(rejections('stripe', 'body_too_large'), $refusals + 1, "$name: for its size");
	}
	is(sql('SELECT count(*) FROM gateway_notifications WHERE length(body) > 1048576'), '0', "$name: nothing of it is stored");

	# in chunks, without a length
	my $message = message('stripe');
	my @chunks = unpack '(a100)*', $message->{body};
	is(post($name, $message, body => sub { shift @chunks }), $accepted{stripe}, "$name: what comes in chunks is taken");
	is(inbox($message->{number}), 'applied|1|1', "$name: as a whole");

	$message = message('stripe');
	my $signature = $message->{headers}{'Stripe-Signature'};
	is(post($name, $message, headers => { 'Stripe-Signature' => [ $signature, $signature ] }), $refused{stripe}, "$name: two signatures are refused");
	is(inbox($message->{number}), '', "$name: and nothing is stored");
	like(post($name, $message, gateway => 'stripe/x'), qr/^[45]/, "$name: another path");
	like(post($name, $message, gateway => ''), qr/^[45]/, "$name: nor none");
	is(inbox($message->{number}), '', "$name: is not taken");
}

# ---------- errors ----------

foreach my $name ('flask', 'node')
{
	like(post($name, message('stripe'), gateway => 'nobody'), qr/^500 /, "$name: a gateway that there is not");
	like(post($name, message('stripe'), gateway => "a'b%22%20%E6%9C%AC"), qr/^500 /, "$name: nor one with a nasty name");
	is(sql('SELECT count(*) FROM gateway_notifications WHERE gateway NOT IN (SELECT gateway FROM gateways)'), '0', "$name: nothing is stored");

	# a lock that is not got, and a row that another transaction has changed: the gateway is to send it again
	foreach my $case ([ '55P03', "lock_timeout = '100ms'", 'canceling statement due to lock timeout' ], [ '40001', "default_transaction_isolation = 'repeatable read'", 'could not serialize access' ])
	{
		my ($state, $setting, $cause) = @$case;
		my $log_end = -s $node->logfile;
		my $message = message('stripe');
		my $session = $node->background_psql('postgres', on_error_die => 1);

		sql("ALTER ROLE receiver SET $setting; SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = 'receiver'");
		$session->query_safe('BEGIN');
		$session->query_safe("UPDATE shop.payments SET status = 'processing' WHERE payment_id = '$message->{number}'");
		if ($state eq '55P03')
		{
			like(post($name, $message), qr/^500 /, "$name: $state is answered by 500");
			$session->query_safe('COMMIT');
		}
		else
		{
			my $answer = IPC::Run::start(sub { print post($name, $message) }, '>', \my $said);

			ok($node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'receiver' AND wait_event_type = 'Lock')}), "$name: it waits for a row");
			$session->query_safe('COMMIT');
			$answer->finish;
			like($said, qr/^500 /, "$name: $state is answered by 500");
		}
		$session->quit;
		like(slurp_file($node->logfile, $log_end), qr/ERROR:  $cause/, "$name: which was the cause");
		is(inbox($message->{number}), '', "$name: nothing of it is stored");
		sql('ALTER ROLE receiver RESET ALL');
		is(post($name, $message), $accepted{stripe}, "$name: sent again it is taken");
		is(inbox($message->{number}), 'applied|1|1', "$name: and applied");
		$made{"$name $state"}++;
	}
	$node->restart;
	my $message = message('stripe');
	my $answer = post($name, $message);
	is($answer =~ /^500 / ? post($name, $message) : $answer, $accepted{stripe}, "$name: it outlives a restart of the server");
}

# ---------- all of that was done ----------

is_deeply(\%made, { map { my $name = $_; map { ("$name $_" => 1) } sort(keys %messages), '40001', '55P03' } 'flask', 'node' }, 'each receiver, each gateway, each error');
is_verified($node, 'postgres', 'in the end');
foreach (sort keys %receiver)
{
	ok($receiver{$_}{run}->pumpable, "$_ has gone on to the end");
	$receiver{$_}{run}->kill_kill(grace => 5);
}
stop_sdks();
$node->stop;
done_testing();
