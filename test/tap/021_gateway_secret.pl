
# Secrets of gateways: sealed by test/gateway_secret/seal_secret.sh or read from
# a file, kept sealed, used, replaced, and never shown; and amounts encrypted
# here are read by node, and those of node here.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $temp = PostgreSQL::Test::Utils::tempdir();
my $json = JSON::PP->new->canonical->utf8;

sub run_with
{
	my ($input, @command) = @_;

	my $done = IPC::Run::run(\@command, '<', \$input, '>', \my $out, '2>', \my $err);
	return ($done, $out, $err);
}

sub openssl
{
	my ($input, @arguments) = @_;
	my ($done, $out, $err) = run_with($input, 'openssl', @arguments);

	die "openssl @arguments: $err" if !$done;
	return $out;
}

sub write_file
{
	my ($path, $content, $mode) = @_;

	unlink $path;
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $content;
	close $file or die "$path: $!";
	chmod $mode // 0600, $path or die "$path: $!";
	return $path;
}

my ($has_node, $node_version) = run_with('', 'node', '--version');
ok($has_node, 'node is there (Debian: apt install nodejs)');

# ---------- a store, and the public key of its database ----------

my $node = make_cluster('gateway_secret', conf => "log_statement = all\nlog_min_duration_statement = 0\n"
	  . "log_parameter_max_length_on_error = -1\nlog_error_verbosity = verbose\n");
my $directory = $node->basedir . '/secrets';
mkdir $directory, 0700 or die "$directory: $!";
$node->append_conf('postgresql.conf', "order_payment.secret_directory = '$directory'");
$node->reload;
make_roles($node);
$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_card_key();
SELECT order_payment.create_store('shop', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway');
SELECT order_payment.create_store('Bob''s "Shop" é', owner => 'shopkeeper', gateway_role => 'gateway');
INSERT INTO shop.gateways (gateway) VALUES ('stripe'), ('wechat');
INSERT INTO "Bob's ""Shop"" é".gateways (gateway) VALUES ('支付宝 & ''co''');
});

sub sql_as
{
	my ($role, $sql) = @_;

	my ($status, $out, $err) = $node->psql('postgres', $sql, connstr => $node->connstr('postgres') . " user=$role",
		on_error_stop => 1, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $status == 0 ? $out : "failed: $err";
}

# the SQLSTATE that a statement ends with, or what it returned
sub code_as
{
	my ($role, $sql) = @_;
	my $out = sql_as($role, $sql);

	return $out =~ /ERROR:\s+([0-9A-Z]{5}):/ ? $1 : $out;
}

my $key_file = write_file("$temp/key.pem", $node->safe_psql('postgres', "SELECT order_payment.card_public_key('pem')"));
my $kid = $node->safe_psql('postgres', "SELECT order_payment.card_public_key('jwk')::json ->> 'kid'");

sub seal
{
	my ($secret, %place) = @_;
	my ($done, $out, $err) = run_with($secret, "$root/test/gateway_secret/seal_secret.sh", $place{key} // $key_file,
		$place{kid} // $kid, $place{store} // 'shop', $place{gateway} // 'stripe', $place{kind});

	die "seal_secret.sh: $err" if !$done;
	chomp $out;
	return $out;
}

sub set_as
{
	my ($role, $blob, %place) = @_;
	my ($gateway, $kind, $more) = ($place{gateway} // 'stripe', $place{kind}, $place{more} // '');

	return code_as($role, "SELECT count(order_payment.set_gateway_secret('$gateway', '$kind', '$blob', store => 'shop'$more))");
}

# ---------- every kind, by the script ----------

my $private = openssl('', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-quiet');
my $public = openssl($private, 'pkey', '-pubout');
my $weak = openssl('', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024', '-quiet');
my $large = openssl('', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:4096', '-quiet');
my $curve = openssl('', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256');
my $pkcs1 = openssl($private, 'rsa', '-traditional');
my $encrypted = openssl($private, 'pkcs8', '-topk8', '-passout', 'pass:x');
my ($bare) = map { s/-----[^-]+-----|\s//gr } $private;
my ($bare_public) = map { s/-----[^-]+-----|\s//gr } $public;
# in a key that can be read one number does not belong to the others: modulus, exponents, primes, what is derived from them
my @broken = map {
	my $der = openssl($private, 'pkcs8', '-topk8', '-nocrypt', '-outform', 'DER');

	substr($der, $_, 1) ^= "\x01";
	openssl($der, 'base64', '-A')
} (150, 297, 400, 600, 750, 880, 1010, 1150);
my ($hex, $hex2) = map { unpack 'H*', openssl('', 'rand', '32') } 1 .. 2;
my $whsec = 'whsec_' . openssl(openssl('', 'rand', '24'), 'base64', '-A');
my $apiv3 = openssl('', 'rand', '-hex', '16');
chomp $apiv3;

my @good = (
	[ 'api_key', 'sk_live_51H' . unpack('H*', openssl('', 'rand', '40')) ], [ 'api_key', "192006250b4c09247ec02edce69f6a2d\n" ],
	[ 'webhook_secret', 'whsec_test_secret' ], [ 'webhook_secret', 'x' x 4094 ],
	[ 'standard_webhook_secret', $whsec ], [ 'standard_webhook_secret', substr($whsec, 6) . "\r\n" ],
	[ 'apiv3_key', $apiv3 ], [ 'private_key', $private ], [ 'private_key', $bare ], [ 'private_key', $large ],
	[ 'private_key', $private =~ s/\n/\r\n/gr ], [ 'public_key', $public ], [ 'public_key', $bare_public ],
	[ 'public_key', openssl($large, 'pkey', '-pubout') ]);
foreach (@good)
{
	my ($kind, $secret) = @$_;

	is(set_as('shopkeeper', seal($secret, kind => $kind), kind => $kind), '1', "$kind of " . length($secret) . ' bytes is taken');
}
my @bad = (
	[ 'api_key', 'short' ], [ 'api_key', 'with a blank' ], [ 'api_key', "two lines\nof text" ], [ 'api_key', "caf\xc3\xa9-caf\xc3\xa9" ],
	[ 'webhook_secret', "\n\n" ], [ 'standard_webhook_secret', 'whsec_AAAA' ], [ 'standard_webhook_secret', "$whsec!" ],
	[ 'standard_webhook_secret', 'whsec_' . 'A' x 88 ], [ 'apiv3_key', "${apiv3}0" ], [ 'apiv3_key', substr($apiv3, 1) ],
	[ 'amount_key', 'secret' ], [ 'amount_key', "${hex}00" ], [ 'amount_key', 'g' . substr($hex, 1) ],
	[ 'private_key', $public ], [ 'private_key', $weak ], [ 'private_key', $curve ], [ 'private_key', $pkcs1 ], [ 'private_key', $encrypted ],
	(map { [ 'private_key', $_ ] } @broken), [ 'private_key', "$private$private" ], [ 'private_key', substr($private, 0, -40) ], [ 'private_key', substr($bare, 0, 800) ],
	[ 'public_key', $private ], [ 'public_key', openssl($weak, 'pkey', '-pubout') ], [ 'public_key', openssl($curve, 'pkey', '-pubout') ]);
foreach my $i (0 .. $#bad)
{
	my ($kind, $secret) = @{ $bad[$i] };

	is(set_as('shopkeeper', seal($secret, kind => $kind), kind => $kind), '22023', "$kind: attempt $i is none, and refused");
}
like(sql_as('shopkeeper', 'SELECT order_payment.set_gateway_secret(' . join(', ', map { "'$_'" } 'stripe', 'private_key', seal($pkcs1, kind => 'private_key')) . ", store => 'shop')"),
	qr/DETAIL: .*openssl pkcs8 -topk8 -nocrypt/, 'it is told what to do');
is($node->safe_psql('postgres', 'SELECT count(*) FROM shop.gateway_secrets'), scalar @good, 'nothing but the good ones is stored');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT secret::text) FROM shop.gateway_secrets'), scalar @good, 'each sealed by itself');

# ---------- blobs that were touched: one error, OP010, and one text ----------

my $blob = seal($private, kind => 'private_key');
my $other = seal($private, kind => 'private_key');
my @parts = split /\./, $blob;
my @others = split /\./, $other;
is(scalar @parts, 8, 'a private key has six parts');

sub joined { return join '.', @_ }

sub flipped
{
	my ($part, $at) = @_;
	my $bytes = pack 'H*', unpack 'H*', MIME_decode($part);

	vec($bytes, $at, 1) ^= 1;
	return MIME_encode($bytes);
}

sub MIME_decode { my ($text) = @_; $text =~ tr{-_}{+/}; require MIME::Base64; return MIME::Base64::decode_base64($text . '=' x (-length($text) % 4)) }
sub MIME_encode { my ($bytes) = @_; require MIME::Base64; my $text = MIME::Base64::encode_base64($bytes, ''); $text =~ tr{+/}{-_}; $text =~ s/=+\z//; return $text }

my %touched = (
	'a part missing at the end' => joined(@parts[ 0 .. 6 ]),
	'a part missing in the middle' => joined(@parts[ 0 .. 3, 5 .. 7 ]),
	'the first part missing' => joined(@parts[ 0, 1, 3 .. 7 ]),
	'a part twice' => joined(@parts[ 0 .. 4, 4 .. 7 ]),
	'a part twice at the end' => joined(@parts, $parts[7]),
	'the first part again at the end' => joined(@parts, $parts[2]),
	'two parts exchanged' => joined(@parts[ 0 .. 3, 5, 4, 6, 7 ]),
	'all parts twice' => joined(@parts, @parts[ 2 .. 7 ]),
	'a part of another blob of the same secret' => joined(@parts[ 0 .. 6 ], $others[7]),
	'the first part of another blob' => joined(@parts[ 0, 1 ], $others[2], @parts[ 3 .. 7 ]),
	'parts of a blob of one part' => joined(@parts[ 0 .. 6 ], (split /\./, seal('x' x 40, kind => 'private_key'))[2]),
	'a point at the end' => "$blob.",
	'a blank at the end' => "$blob ",
	'a line end' => "$blob\n",
	'a digit less' => substr($blob, 0, -1),
	'padding' => "$blob=",
	'another id' => joined($parts[0], $kid + 1, @parts[ 2 .. 7 ]),
	'another version' => joined('opsec2', @parts[ 1 .. 7 ]),
	'for another gateway' => seal($private, kind => 'private_key', gateway => 'wechat'),
	'for another kind' => seal($private, kind => 'public_key'),
	'for another store' => seal($private, kind => 'private_key', store => 'shop2'),
	'names that run together' => seal($private, kind => 'private_key', store => 'sho', gateway => 'pstripe'),
	'labelled with another id' => joined($parts[0], $kid, (split /\./, seal($private, kind => 'private_key', kid => 1))[ 2 .. 7 ]),
	'for another key' => seal($private, kind => 'private_key', key => write_file("$temp/other.pem",
		openssl(openssl('', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072', '-quiet'), 'pkey', '-pubout'))));
$touched{"bit $_ of a part"} = joined(@parts[ 0 .. 3 ], flipped($parts[4], $_), @parts[ 5 .. 7 ]) foreach map { $_ * 191 } 0 .. 16;
my %said;
foreach (sort keys %touched)
{
	my $out = sql_as('shopkeeper', "SELECT order_payment.set_gateway_secret('stripe', 'private_key', '$touched{$_}', store => 'shop')");

	like($out, qr/ERROR:  OP010: a sealed secret of a gateway cannot be opened/, "refused: $_");
	$out =~ s/LOCATION.*//s;
	$said{ $out =~ s/^.*ERROR:/ERROR:/sr }++;
}
is(scalar keys %said, 1, 'nobody learns which of it was the matter') or diag(explain(\%said));
is(set_as('shopkeeper', $blob, kind => 'private_key'), '1', 'while the blob itself opens');
is(set_as('gateway', $blob, kind => 'private_key'), '42501', 'the gateway role may not bring secrets');
is(set_as('app', $blob, kind => 'private_key'), '42501', 'nor may the application');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM (
	SELECT order_payment.reveal(secret, order_payment.binding('gateway_secret', gateway, kind, secret_id)) FROM shop.gateway_secrets LIMIT 0) r}), '0', 'a binding may be made');
is(code_as('postgres', q{SELECT order_payment.reveal(secret, order_payment.binding('gateway_secret', gateway, kind, secret_id)) FROM shop.gateway_secrets}),
	'42501', 'but not even a superuser has a secret revealed');
my $card = $node->safe_psql('postgres', "SELECT order_payment.create_card_key()");
is(set_as('shopkeeper', seal($private, kind => 'private_key'), kind => 'private_key'), '1', 'the key that was replaced opens for a day');
$node->safe_psql('postgres', "SELECT order_payment.create_card_key('0')");
write_file($key_file, $node->safe_psql('postgres', "SELECT order_payment.card_public_key('pem', $card)"));
$kid = $card;
is(set_as('shopkeeper', seal($private, kind => 'private_key'), kind => 'private_key'), 'OP010', 'one without grace does not');
write_file($key_file, $node->safe_psql('postgres', "SELECT order_payment.card_public_key('pem')"));
$kid = $node->safe_psql('postgres', "SELECT order_payment.card_public_key('jwk')::json ->> 'kid'");

# names of any kind
my ($store2, $gateway2) = ("Bob's \"Shop\" \xc3\xa9", "\xe6\x94\xaf\xe4\xbb\x98\xe5\xae\x9d & 'co'");
my $quoted = q{'} . $gateway2 =~ s/'/''/gr . q{'};
my $quoted_store = q{'} . $store2 =~ s/'/''/gr . q{'};
is(code_as('shopkeeper', "SELECT count(order_payment.set_gateway_secret($quoted, 'amount_key', '"
		. seal($hex, kind => 'amount_key', store => $store2, gateway => $gateway2) . "', store => $quoted_store))"), '1', 'names with quotes and of other scripts');

# ---------- amounts: here and in node ----------

sub in_node
{
	my (@requests) = @_;
	my ($done, $out, $err) = run_with(join('', map { $json->encode($_) . "\n" } @requests), 'node', "$root/test/gateway_secret/amount.mjs");

	is($err, '', 'node says nothing') if $err ne '';
	return split /\n/, $out;
}

is(set_as('shopkeeper', seal("$hex\n", kind => 'amount_key'), kind => 'amount_key'), '1', 'a key for amounts');
my $number = '01a207cb57347a28a3d2abde7cebcf2f';
my @amounts = ([ '12.50', 'EUR' ], [ '0.00', 'EUR' ], [ '0', 'JPY' ], [ '999999999999999999999999.99', 'USD' ], [ '1.500', 'KWD' ],
	[ '0.000000000000000001', 'ETH.18' ], [ '123456789012345678901.00', 'EUR' ]);
my @tokens = map { sql_as('gateway', "SELECT order_payment.encrypt_amount('stripe', $_->[0], '$_->[1]', '$number', 'shop')") } @amounts;
my @read = in_node(map { { key => $hex, gateway => 'stripe', number => $number, token => $_ } } @tokens);
is_deeply(\@read, [ map { "@$_" } @amounts ], 'node reads what was encrypted here');
is(sql_as('gateway', "SELECT order_payment.encrypt_amount('stripe', 12.5, 'EUR', '$number', 'shop')") eq $tokens[0], '', 'the same amount makes another text');
is(length $tokens[0], length $tokens[1], 'a large one is as long as a small one');
my @theirs = in_node(map { { key => $hex, gateway => 'stripe', number => $number, amount => $_->[0], currency => $_->[1] } } @amounts);
is(sql_as('gateway', "SELECT d.amount || ' ' || d.currency FROM order_payment.decrypt_amount('stripe', '$theirs[$_]', '$number', 'shop') d"), "@{$amounts[$_]}",
	"and here what node has: @{$amounts[$_]}") foreach 0 .. $#amounts;
is_deeply([ in_node({ key => $hex, gateway => 'stripe', number => "x$number", token => $tokens[0] }, { key => $hex, gateway => 'wechat', number => $number, token => $tokens[0] },
			{ key => $hex2, gateway => 'stripe', number => $number, token => $tokens[0] }) ], [ ('refused') x 3 ], 'node refuses it for another number, gateway, key');
is(sql_as('gateway', "SELECT d.amount || ' ' || d.currency FROM order_payment.encrypt_amount($quoted, 7, 'EUR', 'n', $quoted_store) t, order_payment.decrypt_amount($quoted, t, 'n', $quoted_store) d"),
	'7.00 EUR', 'names of other scripts');
is((in_node({ key => $hex, gateway => do { utf8::decode(my $g = $gateway2); $g }, number => 'n',
			token => sql_as('gateway', "SELECT order_payment.encrypt_amount($quoted, 7, 'EUR', 'n', $quoted_store)") }))[0], '7.00 EUR', 'are the same to node');
# what the holder of the key writes is not believed
foreach my $plain ([ '-1.00', 'EUR' ], [ '1.001', 'EUR' ], [ 'NaN', 'EUR' ], [ '1e3', 'EUR' ], [ '', 'EUR' ], [ '1.', 'EUR' ], [ '.5', 'EUR' ], [ '1.00', 'eur' ], [ '1.00', 'XAU' ],
	[ '1.00', '' ], [ '1.00 ', 'EUR' ], [ "1.00\\u0000", 'EUR' ], [ '1' x 900, 'EUR.' ], [ 'Infinity', 'EUR' ], [ '0x10', 'EUR' ], [ '1_000', 'JPY' ])
{
	my ($token) = in_node({ key => $hex, gateway => 'stripe', number => $number, amount => $plain->[0], currency => $plain->[1] });

	is(code_as('gateway', "SELECT order_payment.decrypt_amount('stripe', '$token', '$number', 'shop')"), 'OP010', 'no amount: ' . substr("@$plain", 0, 20));
}
is(code_as('app', "SELECT order_payment.encrypt_amount('stripe', 1, 'EUR', 'n', 'shop')"), '42501', 'an application has nothing encrypted');
is(code_as('app', "SELECT order_payment.decrypt_amount('stripe', '$tokens[0]', '$number', 'shop')"), '42501', 'nor decrypted');
is(code_as('gateway', "SELECT order_payment.decrypt_amount('stripe', '$tokens[0]', '${number}0', 'shop')"), 'OP010', 'another number');
is(code_as('gateway', "SELECT order_payment.encrypt_amount('wechat', 1, 'EUR', 'n', 'shop')"), 'OP013', 'a gateway without a key');
# any bit, any length
my $refused = $node->safe_psql('postgres', qq{
DO \$\$
DECLARE
	token CONSTANT bytea := decode(translate(substr('$tokens[0]', 4), '-_', '+/'), 'base64');
	tried integer := 0;
	touched bytea;
BEGIN
	FOR i IN 0 .. 8 * length(token) - 1 + length(token) + 1 LOOP
		touched := CASE WHEN i < 8 * length(token) THEN set_bit(token, i, 1 - get_bit(token, i))
						WHEN i = 9 * length(token) THEN token || '\\x00'
						ELSE substr(token, 1, i - 8 * length(token)) END;
		BEGIN
			PERFORM order_payment.decrypt_amount('stripe', 'v1.' || rtrim(translate(encode(touched, 'base64'), E'+/\\n', '-_'), '='), '$number', 'shop');
			RAISE EXCEPTION 'opened: %', i USING ERRCODE = 'XX000';
		EXCEPTION WHEN SQLSTATE 'OP010' THEN
			tried := tried + 1;
		END;
	END LOOP;
	PERFORM set_config('test.tried', tried::text, false);
	PERFORM order_payment.decrypt_amount('stripe', 'v1.' || rtrim(translate(encode(token, 'base64'), E'+/\\n', '-_'), '='), '$number', 'shop');
END
\$\$;
SELECT current_setting('test.tried') });
is($refused, 9 * 60 + 1, 'each flipped bit, each cut and an extension is refused; the token itself opens');

# ---------- several at once, by date ----------

sub opens
{
	my ($token) = @_;

	return code_as('gateway', "SELECT d.amount FROM order_payment.decrypt_amount('stripe', '$token', '$number', 'shop') d");
}

my ($old) = in_node({ key => $hex, gateway => 'stripe', number => $number, amount => '1.00', currency => 'EUR' });
my ($new) = in_node({ key => $hex2, gateway => 'stripe', number => $number, amount => '2.00', currency => 'EUR' });
is(opens($new), 'OP010', 'a key that is not here');
is(set_as('shopkeeper', seal($hex2, kind => 'amount_key'), kind => 'amount_key', more => q{, valid_from => now() + '1 hour', key_name => 'key 2'}), '1', 'the next key');
is(opens($new), 'OP010', 'is not valid yet');
is((in_node({ key => $hex, gateway => 'stripe', number => $number, token => sql_as('gateway', "SELECT order_payment.encrypt_amount('stripe', 1, 'EUR', '$number', 'shop')") }))[0], '1.00 EUR', 'nor does it encrypt');
$node->safe_psql('postgres', q{UPDATE shop.gateway_secrets SET valid_from = now() WHERE key_name = 'key 2'});
is(opens($old) . opens($new), '1.002.00', 'both are valid');
is((in_node({ key => $hex2, gateway => 'stripe', number => $number, token => sql_as('gateway', "SELECT order_payment.encrypt_amount('stripe', 1, 'EUR', '$number', 'shop')") }))[0], '1.00 EUR', 'the latest encrypts');
is(sql_as('shopkeeper', q{UPDATE shop.gateway_secrets SET valid_until = now() WHERE kind = 'amount_key' AND key_name IS NULL; SELECT 'done'}), 'done', 'the owner ends the former');
is(opens($old) . opens($new), 'OP0102.00', 'which then opens nothing');

# a row that was moved or copied opens nothing
my $copy = q{INSERT INTO shop.gateway_secrets (gateway, kind, secret, secret_id, valid_from) SELECT %s FROM shop.gateway_secrets WHERE key_name = 'key 2' };
foreach ([ 'wechat', "'wechat', kind, secret, secret_id, now()" ], [ 'stripe', 'gateway, kind, secret, order_payment.uuid_v7(), now()' ])
{
	my ($gateway, $columns) = @$_;
	my $out = code_as('postgres', 'BEGIN; ' . sprintf($copy, $columns) . "; SELECT order_payment.encrypt_amount('$gateway', 1, 'EUR', 'n', 'shop'); ROLLBACK");

	is($out, 'OP010', "a sealed secret that was copied: $gateway");
}

# ---------- from a file ----------

my $from_file = q{SELECT count(order_payment.set_gateway_secret_from_file('wechat', 'apiv3_key', '%s', store => 'shop'))};

sub from_file { my ($name, $role) = @_; return code_as($role // 'postgres', sprintf($from_file, $name)) }

write_file("$directory/apiv3", "$apiv3\n");
is(from_file('apiv3'), '1', 'from a file');
write_file("$directory/apiv3", "$apiv3\n", 0400);
is(from_file('apiv3'), '1', 'that is read-only');
is(from_file('apiv3', 'shopkeeper'), '42501', 'not by the owner of the store');
$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION order_payment.set_gateway_secret_from_file TO shopkeeper, gateway');
is(from_file('apiv3', 'shopkeeper'), '1', 'unless EXECUTE was granted');
is(from_file('apiv3', 'gateway'), '42501', 'which alone is not enough');
foreach my $mode (0440, 0404, 0640, 0620, 0644, 0700, 0666)
{
	chmod $mode, "$directory/apiv3" or die $!;
	is(from_file('apiv3'), $mode == 0700 ? '1' : '22023', sprintf('mode %04o', $mode));
}
chmod 0600, "$directory/apiv3" or die $!;
symlink 'apiv3', "$directory/link" or die $!;
symlink "$directory/nothing", "$directory/dangling" or die $!;
mkdir "$directory/directory", 0700 or die $!;
IPC::Run::run([ 'mkfifo', '-m', '600', "$directory/fifo" ]) or die 'mkfifo';
write_file("$directory/empty", '');
write_file("$directory/large", 'x' x 4095);
write_file("$directory/binary", "\0" x 32);
write_file("$directory/.hidden", $apiv3);
write_file($node->basedir . '/outside', $apiv3);
is(from_file($_), '22023', "refused: $_") foreach qw(link dangling directory fifo empty large binary missing);
is(from_file($_), '42602', "no name: '$_'") foreach ('', '.', '..', '.hidden', '../outside', "$directory/apiv3", 'directory/../apiv3', '\\\\x');
is(from_file('x' x 5000), '22023', 'a name of any length');
like(sql_as('postgres', sprintf($from_file, 'link')), qr/DETAIL:  The file cannot be opened.*HINT:  The file is to be a plain one/s, 'it is told why, and what to do');
foreach my $mode (0720, 0702)
{
	chmod $mode, $directory or die $!;
	is(from_file('apiv3'), '22023', sprintf('a directory that others may write to: mode %04o', $mode));
}
chmod 0755, $directory or die $!;
is(from_file('apiv3'), '1', 'one that others may read');

sub with_directory
{
	my ($path) = @_;

	$node->append_conf('postgresql.conf', "order_payment.secret_directory = '$path'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('order_payment.secret_directory') = '$path'") or die 'reload';
	return from_file('apiv3');
}

mkdir $node->data_dir . '/secrets', 0700 or die $!;
write_file($node->data_dir . '/secrets/apiv3', $apiv3);
is(with_directory($node->data_dir . '/secrets'), '22023', 'a directory within the data directory');
symlink $node->data_dir . '/secrets', "$temp/way_in" or die $!;
is(with_directory("$temp/way_in"), '22023', 'also by way of a link');
is(with_directory('secrets'), '22023', 'a relative one');
is(with_directory("$directory/apiv3"), '22023', 'no directory');
is(with_directory("$temp/nowhere"), '22023', 'none at all');
is(with_directory(''), '55000', 'unset');
# once the library is loaded
is(code_as('shopkeeper', 'DO $$ BEGIN PERFORM order_payment.uuid_v7(); END $$; SHOW order_payment.secret_directory'), '42501', 'nobody else sees where it is');
is(code_as('postgres', "DO 'BEGIN PERFORM order_payment.uuid_v7(); END'; ALTER SYSTEM SET order_payment.secret_directory = '/tmp'"), '55P02', 'nor is it set by SQL');
is(with_directory($directory), '1', 'and back');

# ---------- another data key; a dump; another name ----------

my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM shop.gateway_secrets');
$node->safe_psql('postgres', q{SELECT order_payment.mark_data_key_compromised(key_id) FROM order_payment.data_keys WHERE purpose = 'data' AND state = 'active'});
is(opens($new), 'OP010', 'secrets that others can open are not used');
my $made = $node->safe_psql('postgres', q{SELECT order_payment.create_data_key('data')});
is($node->safe_psql('postgres', q{SET client_min_messages = warning; CALL order_payment.reseal_store('shop')}), '', 'all are sealed anew');
is($node->safe_psql('postgres', 'SELECT count(*) FROM shop.gateway_secrets WHERE order_payment.key_id(secret) = ' . $made), $before, 'under the new key');
is(opens($new), '2.00', 'they open as before');
is($node->safe_psql('postgres', q{SELECT count(*) FROM order_payment.verify_store('shop')}), '0', 'the store is in order');
$node->command_ok([ 'pg_dump', '-f', "$temp/dump.sql", '-d', $node->connstr('postgres') ], 'a dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$temp/dump.sql", '-d', $node->connstr('copy') ], 'a restore');
is($node->safe_psql('copy', "SELECT d.amount FROM order_payment.decrypt_amount('stripe', '$new', '$number', 'shop') d"), '2.00', 'its secrets are of use');
is($node->safe_psql('copy', "ALTER SCHEMA shop RENAME TO store; SELECT d.amount FROM order_payment.decrypt_amount('stripe', '$new', '$number', 'store') d"),
	'2.00', 'as are those of a store that was renamed');

# names are bound in UTF-8, whatever the encoding of the database
$node->safe_psql('postgres', q{CREATE DATABASE latin1 ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'});
$node->safe_psql('latin1', qq{
SET client_encoding = 'UTF8';
SET client_min_messages = error;
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys(), order_payment.create_card_key();
SELECT order_payment.create_store('caf\xc3\xa9');
INSERT INTO "caf\xc3\xa9".gateways (gateway) VALUES ('cr\xc3\xa9dit'); });
write_file("$temp/latin1.pem", $node->safe_psql('latin1', "SELECT order_payment.card_public_key('pem')"));
my $latin1 = seal($hex, key => "$temp/latin1.pem", kind => 'amount_key', store => "caf\xc3\xa9", gateway => "cr\xc3\xa9dit",
	kid => $node->safe_psql('latin1', "SELECT order_payment.card_public_key('jwk')::json ->> 'kid'"));
my $latin1_token = $node->safe_psql('latin1', qq{
SET client_encoding = 'UTF8';
DO \$\$ BEGIN PERFORM order_payment.set_gateway_secret('cr\xc3\xa9dit', 'amount_key', '$latin1', store => 'caf\xc3\xa9'); END \$\$;
SELECT order_payment.encrypt_amount('cr\xc3\xa9dit', 3, 'EUR', '\xc3\xa9', 'caf\xc3\xa9'); });
is((in_node({ key => $hex, gateway => "cr\x{e9}dit", number => "\x{e9}", token => $latin1_token }))[0], '3.00 EUR', 'of another encoding');

# ---------- in clear nowhere ----------

# Text, and what is stored of it: hexadecimal and raw bytes.
my @needles = map { $_->[1] =~ s/\s+\z//r } grep { $_->[0] ne 'public_key' && length $_->[1] < 4000 && $_->[1] ne 'whsec_test_secret' } @good;
push @needles, $hex, $hex2, pack('H*', $hex), pack('H*', $hex2), substr($bare, 100, 60), substr(MIME_decode($bare), 200, 40), unpack('H*', substr(MIME_decode($bare), 200, 40));
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop;
my @files;
require File::Find;
File::Find::find({ no_chdir => 1, wanted => sub { push @files, $_ if -f && !m{/secrets/} } }, $node->data_dir);
my %found;
foreach my $path (@files, $node->logfile, "$temp/dump.sql")
{
	my $content = slurp_file($path);
	foreach my $i (0 .. $#needles)
	{
		$found{"$path: secret $i"} = 1 if index($content, $needles[$i]) >= 0;
	}
}
is_deeply([ sort keys %found ], [], 'no secret in ' . @files . ' files of the cluster, its log, the dump');
like(slurp_file($node->logfile), qr/set_gateway_secret\('stripe', 'private_key', 'opsec1\./, '(the log has the statements)');
like(slurp_file("$temp/dump.sql"), qr/op1:/, '(the dump has the sealed values)');

done_testing();
