
# The gateways' own libraries as the other side (test/gateway): they take what
# sign_request() has made, and would have made the same; verify_notification()
# and verify_reply() take what they sign, and nothing of which a byte was changed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SdkTest;
use StoreTest;
use Test::More;

my $json = JSON::PP->new->canonical->utf8;
my %made;  # how many checks of each kind were made: see the end

if (!has_sdks())
{
	done_testing();
	exit 1;
}

my $node = make_cluster('gateway_sdks');
secret_directory($node);
make_roles($node);

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET search_path = shop, order_payment; SET ROLE gateway; $sql");
}

sub quoted
{
	my ($text) = @_;

	return "'" . $text =~ s/'/''/gr . "'";
}

my ($our_private, $our_public) = rsa_pair();
my ($their_private, $their_public) = rsa_pair();
my $api_key = 'sk_test_' . unpack 'H*', openssl('', 'rand', '20');
my $stripe_secret = 'whsec_' . unpack 'H*', openssl('', 'rand', '20');
my $whsec = 'whsec_' . openssl(openssl('', 'rand', '32'), 'base64', '-A');
my ($apiv3_key, $v2_key) = map { unpack 'H*', openssl('', 'rand', '16') } 1 .. 2;
my ($our_serial, $their_serial) = ('5157F09EFDC096DE15EBE81A47057A7232F1B8E1', 'PUB_KEY_ID_0119000000012026112300000000000001');

$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_card_key();
SELECT order_payment.create_store('shop', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway');
SET search_path = shop;
INSERT INTO gateways (gateway, protocol, endpoint, app_id, merchant_id, notify_url, sign_type, request_options) VALUES
	('own', 'json', 'https://pay.example.com/api', NULL, NULL, NULL, NULL, '{"note": "caf\u00e9"}'),
	('hooks', 'standard_webhooks', NULL, NULL, NULL, NULL, NULL, '{}'),
	('stripe', 'stripe', NULL, NULL, NULL, NULL, NULL, '{"description": "\u4e24\u672c\u4e66 & more"}'),
	('connect', 'stripe', NULL, NULL, 'acct_1', NULL, NULL, '{}'),
	('alipay', 'alipay', NULL, '2021000000000001', NULL, 'https://shop.example.com/in?a=b&c=d', NULL, '{"subject": "\u4e24\u672c\u4e66"}'),
	('wechat', 'wechatpay_v3', NULL, 'wx0000000000000001', '1900000001', 'https://shop.example.com/in', NULL, '{"description": "\u4e66"}'),
	('md5', 'wechatpay_v2', NULL, 'wx1', '1900000001', NULL, 'MD5', '{}'), ('hmac', 'wechatpay_v2', NULL, 'wx1', '1900000001', NULL, NULL, '{}');
});

set_secret($node, $_, 'standard_webhook_secret', $whsec) foreach 'own', 'hooks';
set_secret($node, 'own', 'amount_key', unpack 'H*', openssl('', 'rand', '32'));
set_secret($node, $_, 'webhook_secret', $stripe_secret) foreach 'stripe';
set_secret($node, 'alipay', 'private_key', $our_private);
set_secret($node, 'alipay', 'public_key', $their_public);
set_secret($node, 'wechat', 'private_key', $our_private, $our_serial);
set_secret($node, 'wechat', 'public_key', $their_public, $their_serial);
set_secret($node, 'wechat', 'apiv3_key', $apiv3_key);
set_secret($node, $_, 'api_key', $v2_key) foreach 'md5', 'hmac';

# ---------- requests ----------

my $norders = 0;

# A payment in a state, and what it is called: its id, number, and how to ask for its requests
sub payment
{
	my ($gateway, $amount, $currency, %columns) = @_;
	my $order = ++$norders;
	my @names = grep { defined $columns{$_} } sort keys %columns;
	my ($id, $number) = split /\|/, $node->safe_psql('postgres', qq{
SET search_path = shop;
INSERT INTO orders (order_id, price, currency) VALUES ($order, $amount, '$currency');
INSERT INTO payments (order_id, gateway, amount} . join('', map { ", $_" } @names) . qq{)
	VALUES ($order, '$gateway', $amount} . join('', map { ', ' . quoted($columns{$_}) } @names) . qq{)
	RETURNING payment_id, replace(payment_id::text, '-', '')});

	return { gateway => $gateway, order => $order, id => $id, number => $number };
}

sub operation
{
	my ($payment, $kind, $amount, %columns) = @_;
	my @names = sort keys %columns;

	return { %$payment, map { ('operation', $_->[0], 'operation_number', $_->[1]) } [ split /\|/, sql(
			"INSERT INTO payment_operations (order_id, payment_id, kind, amount" . join('', map { ", $_" } @names)
			. ") VALUES ($payment->{order}, '$payment->{id}', '$kind', $amount" . join('', map { ', ' . quoted($columns{$_}) } @names)
			. ") RETURNING operation_id, replace(operation_id::text, '-', '')") ] };
}

# The signed request, as a hash
sub request
{
	my ($work, $payment) = @_;
	my $operation = $work =~ /operation/ ? ", '$payment->{operation}'" : '';

	return $json->decode(sql("SELECT to_json(r) FROM sign_request('$payment->{gateway}', build_request('$work', '$payment->{id}'$operation)) r"));
}

sub decoded
{
	my ($text) = @_;

	$text =~ tr/+/ /;
	$text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
	utf8::decode($text);
	return $text;
}

# name=value&... as a sorted list, decoded
sub members { return [ sort map { join '=', map { decoded($_) } split /=/, $_, 2 } split /&/, $_[0] // '' ] }

# Of a request what Stripe sees, its key filled in
sub seen_by_stripe
{
	my ($request) = @_;
	my %headers = map { lc $_ => $request->{headers}{$_} =~ s/\{\{api_key\}\}/$api_key/r } keys %{ $request->{headers} };
	my ($url, $query) = split /\?/, $request->{url}, 2;
	my @headers = qw(authorization stripe-version stripe-account idempotency-key);

	push @headers, 'content-type' if $request->{method} eq 'POST';
	return { method => $request->{method}, url => $url, query => members($query), body => members($request->{body}),
		headers => { map { $_ => $headers{$_} } @headers } };
}

sub is_stripes_own
{
	my ($work, $payment, $path, $parameters, $key, $name) = @_;
	my $theirs = ask('stripe', {
		do => 'request', key => $api_key, path => $path, parameters => $parameters,
		($payment->{gateway} eq 'connect' ? (account => 'acct_1') : ()), (defined $key ? (options => { idempotencyKey => $key }) : ()) });

	is_deeply(seen_by_stripe(request($work, $payment)), seen_by_stripe($theirs), "stripe: $name")
	  or diag(explain(seen_by_stripe($theirs)));
	$made{stripe_request}++;
	return;
}

my $p = payment('stripe', '12.50', 'EUR');
is_stripes_own('send_payment', $p, 'paymentIntents.create', [ { amount => 1250, currency => 'eur', description => "\x{4e24}\x{672c}\x{4e66} & more",
		automatic_payment_methods => { enabled => JSON::PP::true }, metadata => { number => $p->{number}, order_id => "$p->{order}" } } ], $p->{number}, 'a payment');
is_stripes_own('query_payment', $p, 'paymentIntents.search', [ { query => "metadata['number']:'$p->{number}'" } ], undef, 'found by its number');
sql("UPDATE payments SET status = 'processing', gateway_reference = 'pi_1' WHERE payment_id = '$p->{id}'");
is_stripes_own('query_payment', $p, 'paymentIntents.retrieve', ['pi_1'], undef, 'asked for by its reference');
is_stripes_own('revoke_payment', $p, 'paymentIntents.cancel', [ 'pi_1', {} ], "$p->{number}-revoke", 'revoked');
sql("UPDATE payments SET status = 'authorized' WHERE payment_id = '$p->{id}'");
is_stripes_own('void_payment', $p, 'paymentIntents.cancel', [ 'pi_1', {} ], "$p->{number}-void", 'voided');
my $o = operation($p, 'capture', 10);
is_stripes_own('send_operation', $o, 'paymentIntents.capture', [ 'pi_1', { amount_to_capture => 1000 } ], $o->{operation_number}, 'captured');
is_stripes_own('query_operation', $o, 'paymentIntents.retrieve', ['pi_1'], undef, 'a capture asked for');
sql("UPDATE payment_operations SET status = 'succeeded' WHERE operation_id = '$o->{operation}'");
$o = operation($p, 'void', '2.50', reason => 'abandoned');
is_stripes_own('send_operation', $o, 'paymentIntents.cancel', [ 'pi_1', { cancellation_reason => 'abandoned' } ], $o->{operation_number}, 'the rest voided');
$o = operation($p, 'refund', 3, reason => 'duplicate');
is_stripes_own('send_operation', $o, 'refunds.create', [ { payment_intent => 'pi_1', amount => 300, reason => 'duplicate', metadata => { number => $o->{operation_number} } } ],
	$o->{operation_number}, 'refunded');
is_stripes_own('query_operation', $o, 'refunds.list', [ { payment_intent => 'pi_1', limit => 100 } ], undef, 'a refund found');
sql("UPDATE payment_operations SET status = 'failed' WHERE operation_id = '$o->{operation}'");
sql("UPDATE payment_operations SET status = 'processing', attempt_no = 2, gateway_reference = 're_1' WHERE operation_id = '$o->{operation}'");
is_stripes_own('retry_operation', $o, 'refunds.create', [ { payment_intent => 'pi_1', amount => 300, reason => 'duplicate', metadata => { number => $o->{operation_number} } } ],
	"$o->{operation_number}-2", 'refunded at the second attempt');
is_stripes_own('query_operation', $o, 'refunds.retrieve', ['re_1'], undef, 'a refund asked for by its reference');
my %options = (payment_method => 'pm_1', confirm => JSON::PP::true, capture_method => 'manual', transfer_group => "a b+c=d&e'f()!*~\n",
	payment_method_options => { card => { installments => { plan => { count => 3, interval => 'month', type => 'fixed_count' } }, list => [ 1, { a => 'b' }, 'c' ] } });
$p = payment('connect', '1999', 'JPY', request_options => $json->encode({ %options, amount => 1, currency => 'usd', metadata => { colour => 'r[e]d', number => 'x' } }));
is_stripes_own('send_payment', $p, 'paymentIntents.create', [ { %options, amount => 1999, currency => 'jpy',
		metadata => { colour => 'r[e]d', number => $p->{number}, order_id => "$p->{order}" } } ], $p->{number}, 'a payment with options, for a connected account');

# Alipay: the same members as its library sends, and a signature that it takes

sub is_alipays_own
{
	my ($work, $payment, $method, $content, $name, %more) = @_;
	my %keys = (privateKey => $our_private, publicKey => $our_public);
	my $ours = request($work, $payment);
	my $said = ask('alipay', { do => 'verify', body => $ours->{body}, %keys });

	ok($said->{verified}, "alipay: $name: the signature is taken");
	(my $changed = $ours->{body}) =~ s/2021000000000001/2021000000000002/;
	ok(!ask('alipay', { do => 'verify', body => $changed, %keys })->{verified}, "alipay: $name: and refused for another app");
	my $theirs = ask('alipay', { do => 'request', %keys, method => $method,
			parameters => { format => 'JSON', timestamp => $said->{members}{timestamp}, %more, bizContent => $content } });
	is("$ours->{method} $ours->{url}", "$theirs->{method} https://openapi.alipay.com$theirs->{path}?charset=utf-8", "alipay: $name: the URL");
	like($ours->{headers}{'Content-Type'}, qr/^application\/x-www-form-urlencoded; *charset=utf-8$/i, "alipay: $name: the type");
	foreach my $members ($said->{members}, $theirs->{members})
	{
		my $sign = delete $members->{sign};
		like($sign, qr/^[A-Za-z0-9+\/]{342}==$/, "alipay: $name: a signature");
		$members->{biz_content} = JSON::PP->new->decode($members->{biz_content});
	}
	is_deeply($said->{members}, $theirs->{members}, "alipay: $name: the members") or diag(explain([ $said->{members}, $theirs->{members} ]));
	$made{alipay_request}++;
	return;
}

my %notify = (notify_url => 'https://shop.example.com/in?a=b&c=d');
$p = payment('alipay', '88.80', 'CNY');
my %trade = (out_trade_no => $p->{number});
is_alipays_own('send_payment', $p, 'alipay.trade.precreate', { %trade, total_amount => '88.80', subject => "\x{4e24}\x{672c}\x{4e66}" }, 'a payment', %notify);
is_alipays_own('query_payment', $p, 'alipay.trade.query', \%trade, 'asked for');
is_alipays_own('revoke_payment', $p, 'alipay.trade.close', \%trade, 'closed');
sql("UPDATE payments SET status = 'succeeded' WHERE payment_id = '$p->{id}'");
$o = operation($p, 'refund', '0.30', reason => "torn & \"wet\" + 50% \xe9\x80\x80");
is_alipays_own('send_operation', $o, 'alipay.trade.refund',
	{ %trade, out_request_no => $o->{operation_number}, refund_amount => '0.30', refund_reason => "torn & \"wet\" + 50% \x{9000}" }, 'a refund');
is_alipays_own('query_operation', $o, 'alipay.trade.fastpay.refund.query', { %trade, out_request_no => $o->{operation_number} }, 'a refund asked for');
$p = payment('alipay', 1, 'CNY', method => 'pay', request_options => '{"auth_code": "28763443825664394", "subject": "a=b&c=d+e%"}');
is_alipays_own('send_payment', $p, 'alipay.trade.pay', { out_trade_no => $p->{number}, total_amount => '1.00', subject => 'a=b&c=d+e%', scene => 'bar_code',
		auth_code => '28763443825664394' }, 'a payment by code', %notify);

# Standard Webhooks: our own requests

sub is_webhook
{
	my ($work, $payment, $id, $name) = @_;
	my $ours = request($work, $payment);
	my %message = (do => 'verify', secret => $whsec, headers => $ours->{headers}, body => $ours->{body} // '');
	my ($taken, $changed, $other) = ask('standard_webhooks', \%message, { %message, body => $message{body} . ' ' },
		{ %message, headers => { %{ $ours->{headers} }, 'webhook-id' => 'x' } });

	ok($taken->{verified}, "json: $name: the signature is taken") or diag(explain([ $taken, $ours ]));
	is($changed->{error}, 'No matching signature found', "json: $name: and refused for another body");
	is($other->{error}, 'No matching signature found', "json: $name: and for another id");
	$made{webhook_request}++;
	like($ours->{headers}{'webhook-id'}, $id, "json: $name: its id");
	return $ours;
}

$p = payment('own', '12.50', 'EUR', method => 'card', request_options => qq{{"x": "\\"\xe6\x9c\xac\\n"}});
my $sent = is_webhook('send_payment', $p, qr/^$p->{number}$/, 'a payment');
my $body = JSON::PP->new->decode($sent->{body});
is(sql("SELECT d.amount || ' ' || d.currency FROM decrypt_amount('own', '" . delete($body->{encrypted_amount}) . "', '$p->{number}') d"), '12.50 EUR',
	'json: the amount that is encrypted');
is_deeply($body, { number => $p->{number}, order_id => "$p->{order}", amount => 12.5, fee => 0, currency => 'EUR', method => 'card', note => "caf\x{e9}", x => "\"\x{672c}\n" },
	'json: what a payment says');
my @ids = map { is_webhook('query_payment', $p, qr/^[0-9a-f]{32}$/, "asked for, $_")->{headers}{'webhook-id'} } 1 .. 2;
isnt($ids[0], $ids[1], 'json: two questions have two ids');
is_webhook('revoke_payment', $p, qr/^$p->{number}-revoke$/, 'revoked');
sql("UPDATE payments SET status = 'succeeded' WHERE payment_id = '$p->{id}'");
$o = operation($p, 'refund', '0.30', reason => 'x');
is_webhook('send_operation', $o, qr/^$o->{operation_number}$/, 'a refund');
is_webhook('query_operation', $o, qr/^[0-9a-f]{32}$/, 'a refund asked for');

# WeChat Pay

sub is_wechats
{
	my ($work, $payment, $method, $path, $said, $name) = @_;
	my $ours = request($work, $payment);
	my %message = (do => 'verify', method => $ours->{method}, url => $ours->{url}, body => $ours->{body}, publicKey => $our_public,
		authorization => $ours->{headers}{Authorization});
	my ($taken, @refused) = ask('wechatpay', \%message, { %message, body => ($message{body} // '') . ' ' }, { %message, url => "$message{url}x" },
		{ %message, method => 'PUT' }, { %message, publicKey => $their_public }, { %message, authorization => $message{authorization} =~ s/timestamp="1/timestamp="2/r });

	ok($taken->{verified}, "wechatpay: $name: the signature is taken") or diag(explain([ $taken, $ours ]));
	is_deeply([ map { $_->{verified} } @refused ], [ (JSON::PP::false) x 5 ], "wechatpay: $name: and refused for all else");
	is_deeply([ @$taken{qw(scheme same)}, @{ $taken->{said} }{qw(mchid serial_no)} ],
		[ 'WECHATPAY2-SHA256-RSA2048', JSON::PP::true, '1900000001', $our_serial ], "wechatpay: $name: who we are");
	cmp_ok(abs($taken->{said}{timestamp} - time), '<', 60, "wechatpay: $name: when");
	is("$ours->{method} $ours->{url}", "$method https://api.mch.weixin.qq.com$path", "wechatpay: $name: the URL");
	is_deeply($ours->{body} && JSON::PP->new->decode($ours->{body}), $said, "wechatpay: $name: what it says");
	is($ours->{headers}{'Wechatpay-Serial'}, $their_serial, "wechatpay: $name: by which key we verify the answer");
	$made{wechatpay_request}++;
	return $taken->{said}{nonce_str};
}

$p = payment('wechat', '88.80', 'CNY');
my $trade = "/v3/pay/transactions/out-trade-no/$p->{number}";
my %nonces = map { $_ => 1 } is_wechats('send_payment', $p, 'POST', '/v3/pay/transactions/native', { appid => 'wx0000000000000001', mchid => '1900000001', out_trade_no => $p->{number},
		description => "\x{4e66}", notify_url => 'https://shop.example.com/in', amount => { total => 8880, currency => 'CNY' } }, 'a payment'),
	is_wechats('query_payment', $p, 'GET', "$trade?mchid=1900000001", undef, 'asked for'),
	is_wechats('revoke_payment', $p, 'POST', "$trade/close", { mchid => '1900000001' }, 'closed');
sql("UPDATE payments SET status = 'succeeded' WHERE payment_id = '$p->{id}'");
$o = operation($p, 'refund', '0.30', reason => "\xe9\x80\x80");
$nonces{$_} = 1 foreach is_wechats('send_operation', $o, 'POST', '/v3/refund/domestic/refunds', { out_trade_no => $p->{number}, out_refund_no => $o->{operation_number}, reason => "\x{9000}",
		notify_url => 'https://shop.example.com/in', amount => { refund => 30, total => 8880, currency => 'CNY' } }, 'a refund'),
	is_wechats('query_operation', $o, 'GET', "/v3/refund/domestic/refunds/$o->{operation_number}", undef, 'a refund asked for');
is(scalar keys %nonces, 5, 'wechatpay: five requests, five nonces');

# ---------- notifications ----------

$node->safe_psql('postgres', q{
-- In how many ways one byte of a body, or of a header, can be changed by XOR with each of the masks; how many of these are taken,
-- and whether anything but the reason differs.
CREATE FUNCTION changed_bodies(function regproc, gateway text, headers jsonb, body bytea, at timestamptz, masks integer[], OUT tried bigint, OUT taken bigint, OUT said text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*), count(*) FILTER (WHERE v.verified OR v.verified IS NULL OR v.reason = ''verified''), string_agg(DISTINCT v.reason, '' '')
		FROM generate_series(0, length($3) - 1) i, unnest($5) mask,
			 LATERAL %s($1, $2, set_byte($3, i, get_byte($3, i) # mask), $4, ''shop'') v', function)
	INTO tried, taken, said USING gateway, headers, body, at, masks;
END
$$;
CREATE FUNCTION changed_header(function regproc, gateway text, headers jsonb, body bytea, at timestamptz, masks integer[], name text, OUT tried bigint, OUT taken bigint, OUT said text)
LANGUAGE plpgsql AS $$
DECLARE
	value CONSTANT text := headers ->> name;
BEGIN
	EXECUTE format('SELECT count(*), count(*) FILTER (WHERE v.verified OR v.verified IS NULL OR v.reason = ''verified''), string_agg(DISTINCT v.reason, '' '')
		FROM generate_series(1, length($6)) i, unnest($5) mask,
			 LATERAL %s($1, $2 || jsonb_build_object($7, overlay($6 PLACING chr(ascii(substr($6, i, 1)) # mask) FROM i FOR 1)), $3, $4, ''shop'') v', function)
	INTO tried, taken, said USING gateway, headers, body, at, masks, value, name;
END
$$;
-- how many ciphertexts with one character changed open
CREATE FUNCTION changed_resource(resource jsonb, member text, OUT tried integer, OUT taken integer) LANGUAGE plpgsql AS $$
DECLARE
	value CONSTANT text := resource ->> member;
BEGIN
	tried := 0;
	taken := 0;
	FOR i IN 1 .. length(value) LOOP
		tried := tried + 1;
		BEGIN
			PERFORM order_payment.open_resource('wechat', resource || jsonb_build_object(member, overlay(value PLACING chr(ascii(substr(value, i, 1)) # 1) FROM i FOR 1)), 'shop');
			taken := taken + 1;
		EXCEPTION WHEN SQLSTATE 'OP010' OR invalid_parameter_value THEN
		END;
	END LOOP;
END
$$;
GRANT USAGE ON SCHEMA public TO gateway;
});

my $now = time;

sub as_bytes { return "decode('" . unpack('H*', $_[0]) . "', 'hex')" }

# Taken as it is; with any byte of the body, or of these headers, changed it is not. $same: changes that leave what is said the same.
sub is_theirs
{
	my ($function, $gateway, $headers, $body, $names, $name, $same) = @_;
	utf8::encode($body) if utf8::is_utf8($body);
	my $arguments = "'$gateway', " . quoted($json->encode($headers)) . '::jsonb, ' . as_bytes($body) . ", to_timestamp($now)";

	is(sql("SELECT * FROM $function($arguments)"), 't|verified', "$name: it is taken") or return;
	my ($tried, $taken, $said) = split /\|/, sql("SELECT * FROM public.changed_bodies('order_payment.$function', $arguments, '{1,32,128}')");
	is("$tried $taken", 3 * length($body) . ' ' . ($same // 0), "$name: with a byte of its body changed it is refused ($said)");
	$made{$function}++;
	$made{changes} += $tried;
	foreach (@$names)
	{
		($tried, $taken, $said) = split /\|/, sql("SELECT * FROM public.changed_header('order_payment.$function', $arguments, '{1,2}', '$_')");
		is("$tried $taken", 2 * length($headers->{$_}) . ' 0', "$name: with a byte of $_ changed it is refused ($said)");
		$made{changes} += $tried;
	}
	return;
}

my $text = qq({"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","amount":1250,"note":"\x{672c} \x{1f600}"}}});
my $header = ask('stripe', { do => 'sign', body => $text, secret => $stripe_secret, timestamp => $now })->{header};
is(ask('stripe', { do => 'verify', body => $text, secret => $stripe_secret, header => $header })->{id}, 'evt_1', 'stripe: its library takes it itself');
is_theirs('verify_notification', 'stripe', { 'Stripe-Signature' => $header }, $text, ['Stripe-Signature'], 'stripe');

my $headers = ask('standard_webhooks', { do => 'sign', body => $text, secret => $whsec, id => 'msg_1', timestamp => $now })->{headers};
is_theirs('verify_notification', $_, $headers, $text, [qw(webhook-id webhook-timestamp webhook-signature)], $_) foreach qw(hooks own);

my %fields = (app_id => '2021000000000001', charset => 'utf-8', sign_type => 'RSA2', version => '1.0', notify_id => 'n1', notify_type => 'trade_status_sync', trade_no => '2026',
	out_trade_no => $p->{number}, total_amount => '88.80', subject => "\x{4e24} a=b&c+d%", trade_status => 'TRADE_SUCCESS', passback_params => '');
my %theirs = (privateKey => $their_private, publicKey => $their_public);
$body = ask('alipay', { do => 'sign', %theirs, fields => \%fields })->{body};
ok(ask('alipay', { do => 'verify', %theirs, body => $body })->{verified}, 'alipay: its library takes it itself');
my $hex_letters = join('', $body =~ /%([0-9A-F]{2})/g) =~ tr/A-F//;
is_theirs('verify_notification', 'alipay', {}, $body, [], 'alipay', $hex_letters);  # %2F and %2f
my $member = 'alipay_trade_query_response';
$body = ask('alipay', { do => 'sign_reply', %theirs, member => $member,
		text => qq({"code":"10000","msg":"Success","out_trade_no":"$p->{number}","subject":"\x{4e24} \\"}{\\"","trade_status":"TRADE_SUCCESS"}) })->{body};
ok(ask('alipay', { do => 'verify_reply', %theirs, member => $member, body => $body })->{verified}, 'alipay: its library takes its answer itself');
# the name of the member is not signed: it is for the reader to look at. Two changes of each byte before _response leave it a name.
is_theirs('verify_reply', 'alipay', {}, $body, [], 'alipay: an answer', 2 * length 'alipay_trade_query');

my $plain = qq({"out_trade_no":"$p->{number}","trade_state":"SUCCESS","amount":{"total":8880},"note":"\x{672c}"});
my $resource = ask('wechatpay', { do => 'seal', text => $plain, key => $apiv3_key, nonce => 'abcdefghijkl', data => 'transaction' })->{resource};
$text = JSON::PP->new->canonical->encode({ id => 'n1', event_type => 'TRANSACTION.SUCCESS', resource_type => 'encrypt-resource', resource => $resource, summary => "\x{672c}" });
$headers = ask('wechatpay', { do => 'sign', body => $text, timestamp => $now, nonce => 'N0nce', serial => $their_serial, privateKey => $their_private })->{headers};
is_theirs('verify_notification', 'wechat', $headers, $text, [ map { "Wechatpay-$_" } qw(Timestamp Nonce Serial Signature) ], 'wechatpay');
is_theirs('verify_reply', 'wechat', $headers, $text, [ map { "Wechatpay-$_" } qw(Timestamp Nonce Serial Signature) ], 'wechatpay: an answer');
is(sql('SELECT open_resource(\'wechat\', ' . quoted($json->encode($resource)) . ', \'shop\') = ' . quoted($json->encode(JSON::PP->new->decode($plain))) . '::jsonb'), 't',
	'wechatpay: the resource is opened');
foreach (qw(ciphertext nonce associated_data))
{
	is(sql('SELECT * FROM public.changed_resource(' . quoted($json->encode($resource)) . ", '$_')"), length($resource->{$_}) . '|0', "wechatpay: with a byte of $_ changed it is not");
	$made{changes} += length $resource->{$_};
}
%fields = (appid => 'wx1', mch_id => '1900000001', out_trade_no => $p->{number}, total_fee => '8880', result_code => 'SUCCESS', attach => '<&>"]', nonce_str => 'abc');
$body = ask('wechatpay', { do => 'sign_v2', fields => { %fields, sign_type => 'MD5' }, type => 'MD5', key => $v2_key })->{body};
is_theirs('verify_notification', 'md5', {}, $body, [], 'wechatpay v2, MD5');
$body = ask('wechatpay', { do => 'sign_v2', fields => { %fields, sign_type => 'HMAC-SHA256' }, type => 'HMAC-SHA256', key => $v2_key })->{body};
is_theirs('verify_notification', 'hmac', {}, $body, [], 'wechatpay v2, HMAC-SHA256');

# ---------- all of that was done ----------

cmp_ok(delete $made{changes}, '>', 10000, 'more than ten thousand changes were tried');
is_deeply(\%made, { stripe_request => 13, alipay_request => 6, webhook_request => 6, wechatpay_request => 5, verify_notification => 7, verify_reply => 2 },
	'every request and notification was checked') or diag(explain(\%made));

stop_sdks();
$node->stop;
done_testing();
