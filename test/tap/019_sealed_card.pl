
# Cards that are sealed outside the database, by WebCrypto in Node and by the
# openssl command line (test/sealed_card): they are taken where digits are,
# although the server does not load the log guard; whatever is wrong with one is
# told in one way; and a token is good for one payment of its order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use IPC::Run ();
use JSON::PP ();
use MIME::Base64 ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(usleep);

my $scripts = "$FindBin::RealBin/../sealed_card";
my $dir = PostgreSQL::Test::Utils::tempdir;
my $NUMBER = '4111111111111111';
my $has_node = eval { IPC::Run::run([ 'node', '--version' ], '>', \my $version, '2>', \my $none) };

my $node = make_cluster('sealed_card');
make_roles($node);
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN; CREATE EXTENSION order_payment;');
fails_with($node, 'postgres', 'SELECT order_payment.card_public_key()', 'OP013', 'no card key, no public key');
$node->safe_psql('postgres', q{
SET client_min_messages = error;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_store('shop', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway');
SELECT order_payment.create_store('other', owner => 'shopkeeper', app_role => 'app');
SET ROLE shopkeeper;
INSERT INTO shop.gateways (gateway) VALUES ('stripe');
INSERT INTO other.gateways (gateway) VALUES ('stripe');
INSERT INTO shop.orders (order_id, price) SELECT n, 100 FROM generate_series(1, 60) n;
INSERT INTO other.orders (order_id, price) SELECT n, 100 FROM generate_series(1, 60) n;
});
my $first_kid = $node->safe_psql('postgres', 'SELECT order_payment.create_card_key()');

# ---------- sealing ----------

my $nfiles = 0;

sub file_with
{
	my ($text) = @_;
	my $path = "$dir/file" . $nfiles++;

	append_to_file($path, $text);
	return $path;
}

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub app { return $node->safe_psql($_[1] // 'postgres', "SET ROLE app; $_[0]"); }

# order_id: a token for it in shop
sub token { return app("SELECT order_payment.issue_card_token($_[0], 'shop')"); }

# The plaintext of a card for an order, with a token unless one is given.
sub plaintext
{
	my ($order_id, %members) = @_;

	return JSON::PP->new->utf8->encode(
		{
			number => $NUMBER, order_id => "$order_id",
			token => $members{token} // token($order_id), %members
		});
}

sub public_key
{
	my ($format, $kid, $database) = @_;

	return file_with(sql("SELECT order_payment.card_public_key('$format', " . ($kid // 'NULL') . ')', $database) . "\n");
}

sub active_kid { return sql("SELECT order_payment.card_public_key('jwk')::json->>'kid'"); }

# What a command makes of its input
sub run_on
{
	my ($input, @command) = @_;
	my ($output, $errors);

	IPC::Run::run(\@command, '<', \$input, '>', \$output, '2>', \$errors) or die "@command: $errors";
	return $output;
}

sub run_sealer { return run_on(@_) =~ s/\n\z//r; }

sub seal_by_node { return run_sealer($_[0], 'node', "$scripts/seal.mjs", public_key('jwk', $_[1])); }

sub seal
{
	my ($plain, $kid) = @_;

	$kid //= active_kid();
	return run_sealer($plain, "$scripts/seal.sh", $kid, public_key('pem', $kid));
}

# By openssl with options of its own choice
sub seal_otherwise
{
	my ($plain, $kid, %options) = @_;
	my %all = (
		rsa_padding_mode => 'oaep', rsa_oaep_md => 'sha256', rsa_mgf1_md => 'sha256',
		rsa_oaep_label => unpack('H*', "order_payment/card/v1|$kid"), %options);
	my @options = map { defined $all{$_} ? ('-pkeyopt', "$_:$all{$_}") : () } sort { $b cmp $a } keys %all;
	my $sealed = run_on($plain, 'openssl', 'pkeyutl', '-encrypt', '-pubin', '-inkey', public_key('pem', $kid), @options);

	return "ops1.$kid." . base64url($sealed);
}

sub base64url
{
	return MIME::Base64::encode_base64($_[0], '') =~ tr{+/}{-_}r =~ s/=+\z//r;
}

# ---------- statements ----------

sub insert
{
	my ($order_id, $blob, %more) = @_;
	my @columns = sort keys %more;

	return "INSERT INTO shop.payments (order_id, gateway, amount, card_number" . join('', map { ", $_" } @columns)
	  . ") VALUES ($order_id, 'stripe', 10, '$blob'" . join('', map { ", $more{$_}" } @columns) . ')';
}

sub cards_of
{
	my ($order_id) = @_;

	return sql(qq{
SELECT c.number, c.holder, c.expiry FROM shop.payments p, order_payment.reveal_card(p.payment_id, 'shop') c
WHERE p.order_id = $order_id ORDER BY p.created_at});
}

my $REFUSED;

# Refused as all others are: one SQLSTATE, one text, nothing of what was given.
sub is_refused
{
	my ($sql, $name) = @_;
	my $said = failure($node, 'postgres', "SET ROLE app; $sql") =~ s/^psql:[^ ]* //mgr;

	$said =~ s/^(?:CONTEXT|LOCATION):.*//ms;
	$REFUSED //= $said;
	like($said, qr/^ERROR:  OP016: a card that was sealed outside is not taken\n/, "$name: refused");
	is($said, $REFUSED, "$name: and the text is that of all others");
	return;
}

my $log_before = -s $node->logfile;

# ---------- the key ----------

my $jwk = JSON::PP::decode_json(sql(q{SELECT order_payment.card_public_key('jwk')}));
is_deeply([ sort keys %$jwk ], [qw(alg e kid kty n use)], 'a JWK has what it should');
is_deeply([ @$jwk{qw(alg e kid kty use)} ], [ 'RSA-OAEP-256', 'AQAB', $first_kid, 'RSA', 'enc' ], 'and says what it is');
my $printed = run_on('', 'openssl', 'pkey', '-pubin', '-in', public_key('pem'), '-noout', '-text');
like($printed, qr/3072 bit/, 'OpenSSL reads the PEM');
my $modulus = $printed =~ /Modulus:\n(.*?)Exponent/s ? $1 =~ s/[^0-9a-f]//gr =~ s/^00//r : '';
is(base64url(pack 'H*', $modulus), $jwk->{n}, 'and finds the same number in it');
fails_with($node, 'postgres', q{SELECT order_payment.card_public_key('der')}, '22023', 'other formats there are none');
fails_with($node, 'postgres', q{SELECT order_payment.card_public_key('pem', 0)}, 'OP013', 'nor keys without an id');
is(app('SELECT order_payment.card_public_key()'), sql('SELECT order_payment.card_public_key()'), 'everybody may have it');
fails_with($node, 'postgres', "SET ROLE app; $_", '42501', "not for an application: $_")
  foreach 'SELECT order_payment.create_card_key()', 'SELECT order_payment.retire_card_keys()',
  'SELECT order_payment.reseal_card_keys()', 'SELECT order_payment.new_card_key(1)', 'TABLE order_payment.card_keys',
  'TABLE shop.used_card_tokens', 'SELECT order_payment.purge_card_tokens(\'shop\')';
my $payments = sql(q{SELECT 'shop.payments'::regclass::oid});
fails_with($node, 'postgres', "SET ROLE stranger; SELECT order_payment.card_token($payments\::regclass, '1')", '42501',
	'a token is for those who may write');
fails_with($node, 'postgres', q{SELECT order_payment.card_token('shop.orders', '1')}, '42809', 'and for a protected table');
fails_with($node, 'postgres', q{SELECT order_payment.issue_card_token(99, 'shop')}, 'P0002', 'for an order that is there');
fails_with($node, 'postgres', qq{SELECT order_payment.issue_card_token(1, 'shop', '$_')}, '22023', "not for $_")
  foreach '0', '-1 hour', '25 hours';

# ---------- taken ----------

fails_with($node, 'postgres', 'SET ROLE app; ' . insert(1, $NUMBER), 'OP011', 'a card in clear is not taken here');

SKIP:
{
	skip 'there is no Node', 3 unless $has_node;
	my $blob = seal_by_node(plaintext(1, holder => "Zo\x{eb} \x{5f20}\x{4e09} \"x\" \\", expiry => '12/30'));
	is(app(insert(1, $blob) . ' RETURNING card_number, card_holder, card_expiry'),
		'************1111|Z***|**/**', 'a card that WebCrypto has sealed is taken, and masked');
	is(cards_of(1), "4111111111111111|Zo\xc3\xab \xe5\xbc\xa0\xe4\xb8\x89 \"x\" \\|12/30", 'and is what was sealed');
	IPC::Run::run([ 'node', '--input-type=module', '-e',
			"import { sealCard } from '$scripts/seal.mjs'; import { readFileSync } from 'node:fs';"
			. "const jwk = JSON.parse(readFileSync('" . public_key('jwk') . "', 'utf8'));"
			. "console.log(await sealCard(jwk, { number: 'x'.repeat(400) }).catch(e => e.name));" ],
		'>', \my $said, '2>', \my $errors);
	is($said, "RangeError\n", 'the function can be imported, and says when a card is too long') or diag($errors);
}
my $blob2 = seal(plaintext(2, number => '5555 5555 5555 4444', holder => "J\x{fc}rgen", expiry => '2031-01'));
is(app(insert(2, $blob2) . ' RETURNING card_number, card_holder, card_expiry'),
	'************4444|J***|**/**', 'a card that openssl has sealed is taken, and masked');
is(cards_of(2), "5555555555554444|J\xc3\xbcrgen|01/31", 'and is what was sealed');
is(app(q{SELECT r.status FROM order_payment.create_payment(3, 'stripe', card_number => '}
	  . seal(plaintext(3, expiry => '11/29')) . q{', store => 'shop') r}), 'created', 'create_payment() takes one');
is(cards_of(3), "$NUMBER||11/29", 'which has what was sealed, and no more');
is(sql('SELECT count(*) FROM shop.payments p WHERE p.order_id <= 3 AND card_fingerprint IS NULL'), '0', 'each has its fingerprint');

# the longest that there can be: 19 digits with a blank between, 96 bytes of holder, a uuid for an order
my $longest = JSON::PP->new->encode({ number => '6205 5000 0000 0000 004', holder => 'h' x 96, expiry => '12/30',
	order_id => '12000000-0000-7000-8000-000000000000', token => token(1) });
cmp_ok(length $longest, '<=', 318, 'the longest card fits: ' . length($longest) . ' bytes');

# what a card has besides
fails_with($node, 'postgres', 'SET ROLE app; ' . insert(4, seal(plaintext(4, holder => 'A')), card_holder => q{'B'}), 'OP003',
	'a holder beside a sealed one is refused');
fails_with($node, 'postgres', 'SET ROLE app; ' . insert(4, seal(plaintext(4, holder => 'A')), card_holder_sealed => q{(SELECT p.card_holder_sealed FROM shop.payments p WHERE order_id = 1)}), 'OP003',
	'or a sealed one');
fails_with($node, 'postgres', 'SET ROLE app; ' . insert(4, seal(plaintext(4)), card_holder => q{'B'}), 'OP011',
	'one beside a sealed card that has none is clear text');
fails_with($node, 'postgres', 'SET ROLE app; ' . insert(4, seal(plaintext(4, number => '4111111111111112'))), '22023',
	'a number that fails its check is told as one in clear');
fails_with($node, 'postgres', 'SET ROLE app; ' . insert(4, seal(plaintext(4, expiry => '13/30'))), '22007', 'so is an expiry');

# ---------- the same payment, and another one ----------

my $blob = seal(plaintext(5, holder => 'Ann', expiry => '12/30'));
my $by_key = insert(5, $blob, request_key => q{'key'}) . ' ON CONFLICT (order_id, request_key) DO NOTHING';
app($by_key) for 1, 2;
is(cards_of(5), "$NUMBER|Ann|12/30", 'the same request again: taken, and nothing done');
app(insert(5, $blob, request_key => q{'key'}) . ' ON CONFLICT (order_id, request_key) DO UPDATE SET card_number = excluded.card_number, card_holder = excluded.card_holder');
is(cards_of(5), "$NUMBER|Ann|12/30", 'or the same once more');
app("UPDATE shop.payments SET card_number = '$blob' WHERE order_id = 5") for 1, 2;
is(cards_of(5), "$NUMBER|Ann|12/30", 'the same payment by UPDATE');
sql(q{UPDATE shop.payments SET status = 'failed' WHERE order_id = 5});
is_refused(insert(5, $blob, request_key => q{'other'}), 'another payment of the order with the same token');
is_refused(insert(5, $blob), 'one without a key');
is(sql(q{SELECT used_by FROM shop.used_card_tokens WHERE order_id = 5}), q{request_key='key'}, 'one use is remembered');
my $id = sql('SELECT order_payment.uuid_v7()');
$blob = seal(plaintext(6));
app(insert(6, $blob, payment_id => "'$id'") . ' ON CONFLICT DO NOTHING') for 1, 2;
is(sql(q{SELECT used_by FROM shop.used_card_tokens WHERE order_id = 6}), "payment_id='$id'", 'by its number where it has no key');
my $call = q{SELECT is_replay FROM order_payment.create_payment(7, 'stripe', request_key => 'k', card_number => '} . seal(plaintext(7)) . q{', store => 'shop')};
is(app($call), 'f', 'create_payment() once');
is(app($call), 't', 'and again');
sql(q{UPDATE shop.payments SET status = 'failed' WHERE order_id = 7});
my $retry = app(q{SELECT payment_id FROM order_payment.retry_payment((SELECT payment_id FROM shop.payments WHERE order_id = 7), store => 'shop')});
is(cards_of(7), "$NUMBER||\n$NUMBER||", 'a retry has the card, and needs no token');
app('BEGIN; ' . insert(8, $blob = seal(plaintext(8))) . '; ROLLBACK');
app(insert(8, $blob));
is(cards_of(8), "$NUMBER||", 'what was rolled back has used nothing');

# ---------- refused, all in one way ----------

my $kid = active_kid();
my $good = seal(plaintext(10));
my $flipped = $good;
substr($flipped, 100, 1) = substr($good, 100, 1) eq 'A' ? 'B' : 'A';
is_refused(insert(10, $flipped), 'a changed byte');
is_refused(insert(10, substr($good, 0, -1)), 'a cut end');
is_refused(insert(10, "${good}A"), 'a longer end');
is_refused(insert(10, "$good="), 'padding');
is_refused(insert(10, 'ops1.'), 'nothing');
is_refused(insert(10, "ops1.$kid."), 'no ciphertext');
is_refused(insert(10, $good =~ s/^ops1\.\d+/ops1.1/r), 'an unknown key');
is_refused(insert(10, $good =~ s/^ops1\./ops1.0/r), 'a key with a zero before it');
is_refused(insert(11, $good), 'the card of another order');
is_refused(insert(11, seal(plaintext(11, token => token(10)))), 'the token of another order');
is_refused(insert(11, seal(plaintext(11, order_id => '10'))), 'a card that names another order than its token');
is_refused(insert(11, seal(plaintext(11, order_id => '011'))), 'or names it otherwise');
is_refused(insert(11, seal(plaintext(11, token => app(q{SELECT order_payment.issue_card_token(11, 'other')})))), 'the token of another store');
is_refused(insert(11, seal(plaintext(11, token => app(q{SELECT order_payment.sealing_token('11')})))), 'a token for seal()');
is_refused(insert(11, seal(plaintext(11, token => 'x'))), 'no token');
my $tampered = token(11);
substr($tampered, 10, 1) = substr($tampered, 10, 1) eq 'A' ? 'B' : 'A';
is_refused(insert(11, seal(plaintext(11, token => $tampered))), 'a changed token');
foreach my $member (qw(number order_id token))
{
	my $card = JSON::PP::decode_json(plaintext(11));
	delete $card->{$member};
	is_refused(insert(11, seal(JSON::PP::encode_json($card))), "a card without $member");
}
is_refused(insert(11, seal(plaintext(11, $_ => '123'))), "a member $_") foreach qw(cvv cvc CVV2 securityCode pin track2 note);
is_refused(insert(11, seal(plaintext(11) =~ s/^\{/{"number":"$NUMBER",/r)), 'a member twice');
is_refused(insert(11, seal(plaintext(11) =~ s/"$NUMBER"/$NUMBER/r)), 'a number that is no text');
is_refused(insert(11, seal(plaintext(11) . ' x')), 'something after it');
is_refused(insert(11, seal(plaintext(11, holder => '') )), 'an empty member');
is_refused(insert(11, seal(plaintext(11) =~ s/^\{/{"holder":"\xff",/r)), 'what is no UTF-8');
is_refused(insert(11, seal(plaintext(11) =~ s/^\{/{"holder":"\\u0000",/r)), 'a zero');
is_refused(insert(11, seal(plaintext(11) =~ s/^\{/{"holder":"\\ud800",/r)), 'half a character');
is_refused(insert(11, seal($NUMBER)), 'what is no object');
my $plain = plaintext(11);
is_refused(insert(11, seal_otherwise($plain, $kid, rsa_oaep_label => undef)), 'no label');
is_refused(insert(11, seal_otherwise($plain, $kid, rsa_oaep_label => unpack('H*', 'order_payment/card/v1|1'))), 'another label');
is_refused(insert(11, seal_otherwise($plain, $kid, rsa_mgf1_md => 'sha1')), 'a mask by SHA-1');
is_refused(insert(11, seal_otherwise($plain, $kid, rsa_oaep_md => 'sha1', rsa_mgf1_md => 'sha1')), 'SHA-1');
is_refused(insert(11, seal_otherwise($plain, $kid, rsa_padding_mode => 'pkcs1', map { $_ => undef } qw(rsa_oaep_md rsa_mgf1_md rsa_oaep_label))), 'PKCS #1 v1.5');
my $short = app(q{SELECT order_payment.issue_card_token(11, 'shop', '1 second')});
my $expired = seal(plaintext(11, token => $short));
usleep(1_100_000);
is_refused(insert(11, $expired), 'an expired token');
is_refused(qq{SELECT order_payment.create_payment(11, 'stripe', card_number => '$expired', store => 'shop')}, 'by create_payment()');
is_refused(qq{UPDATE shop.payments SET card_number = '$expired' WHERE order_id = 8}, 'by UPDATE');
is_refused(qq{SELECT order_payment.seal('$good', 'number', '11')}, 'by seal(), which knows of no order');
is(sql('SELECT count(*) FROM shop.payments WHERE order_id IN (10, 11)'), '0', 'none of them was stored');
is(sql('SELECT count(*) FROM shop.used_card_tokens WHERE order_id IN (10, 11)'), '0', 'nor has used a token');
app(insert(10, $good));
is(cards_of(10), "$NUMBER||", 'the one that they were made of is good');

# ---------- two sessions ----------

sub race
{
	my ($order_id, $end, $name) = @_;
	my $raced = seal(plaintext($order_id));
	my $second = insert($order_id, $raced, split => 'true', request_key => q{'b'});
	my $holder = start_psql($node, 'postgres', 'SET ROLE app; BEGIN;' . insert($order_id, $raced, split => 'true', request_key => q{'a'}) . ";\n\\echo in\n"
		  . "DO 'BEGIN FOR i IN 1 .. 600 LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE NOT granted); PERFORM pg_sleep(0.1); END LOOP; END';\n$end;\n", '-v', 'ON_ERROR_STOP=1');

	$holder->{run}->pump until $holder->{out} =~ /in/;
	my $said = failure($node, 'postgres', "SET ROLE app; $second");
	$holder->{run}->finish;
	is($holder->{err}, '', "$name: the first is well");
	return $said;
}

like(race(20, 'COMMIT', 'it commits'), qr/ERROR:  OP016: /, 'the second has waited, and is refused');
is(sql('SELECT request_key FROM shop.payments WHERE order_id = 20'), 'a', 'the first one has the card');
is(race(21, 'ROLLBACK', 'it rolls back'), '', 'the second has waited, and is taken');
is(sql('SELECT request_key FROM shop.payments WHERE order_id = 21'), 'b', 'and has the card');

# ---------- keys come and go ----------

my $for_first = seal(plaintext(30), $first_kid);
my $second_kid = sql(q{SELECT order_payment.create_card_key('1 hour')});
is(active_kid(), $second_kid, 'a new key is given out');
app(insert(30, $for_first));
is(cards_of(30), "$NUMBER||", 'the former one opens as long as the grace lasts');
my @late = map { seal(plaintext($_), $second_kid) } 31, 32, 33;
my $psql = "psql -X -q -d '" . $node->connstr('postgres') . "'";
my $said = failure($node, 'postgres', insert(31, $late[0]) . ";\n\\! $psql -c \"SELECT order_payment.create_card_key('0')\" > /dev/null\n" . insert(32, $late[1]));
like($said, qr/ERROR:  OP016: /, 'a session that has used a key gives it up as soon as it is retired');
is(cards_of(31), "$NUMBER||", 'but not before');
is_refused(insert(33, $late[2]), 'a retired key');
is(sql(q{SELECT state FROM order_payment.card_keys ORDER BY created_at}), "decrypt_only\ndecrypt_only\nactive", 'keys that opened are there');
is(sql('SELECT order_payment.retire_card_keys()'), '1', 'those whose time is over are destroyed');
is(sql(qq{SELECT state, private_key IS NULL FROM order_payment.card_keys WHERE kid = $second_kid}), 'destroyed|t', 'and nothing of them is left');
fails_with($node, 'postgres', q{UPDATE order_payment.card_keys SET state = 'active' WHERE state = 'destroyed'}, 'OP001', 'they do not come back');
is_refused(insert(33, $late[2]), 'a destroyed key');
fails_with($node, 'postgres', q{SELECT order_payment.create_card_key('-1 hour')}, '22023', 'no grace below zero');
like(sql(q{BEGIN; SELECT FROM order_payment.create_card_key('0'); SELECT FROM order_payment.create_card_key('1 hour');
SELECT count(*) FROM order_payment.card_keys WHERE state = 'decrypt_only' AND retire_after < clock_timestamp(); ROLLBACK}), qr/^0$/m, 'a new key destroys those whose time is over');

my $before_rotation = seal(plaintext(34));
my $data_key = sql(q{SELECT order_payment.create_data_key('data')});
app(insert(34, $before_rotation));
is(cards_of(34), "$NUMBER||", 'a new data key changes nothing for cards that are on their way');
is(sql('SELECT order_payment.reseal_card_keys()'), '2', 'card keys are sealed anew');
is(sql('SELECT order_payment.reseal_card_keys()'), '0', 'once');
is(sql('SELECT DISTINCT order_payment.key_id(private_key) FROM order_payment.card_keys WHERE private_key IS NOT NULL'), $data_key, 'by the new data key');
app(insert(35, seal(plaintext(35))));
is(cards_of(35), "$NUMBER||", 'and open');
my $former_key = $data_key;
$data_key = sql(q{SELECT order_payment.create_data_key('data')});
my ($before, $after) = map { seal(plaintext($_)) } 37, 38;
$said = failure($node, 'postgres', insert(37, $before) . ";\n\\! $psql -c \"UPDATE order_payment.data_keys SET state = 'compromised' WHERE key_id = $former_key\"\n" . insert(38, $after));
is(cards_of(37), "$NUMBER||", 'a session that has opened a private key');
like($said, qr/ERROR:  OP010: /, 'gives it up when others can open it');
sql('SELECT order_payment.reseal_card_keys()');
my $by_leaked = seal(plaintext(36));
my $leaked_token = token(36);
sql(qq{UPDATE order_payment.data_keys SET state = 'compromised' WHERE key_id = $data_key; SELECT order_payment.create_data_key('data')});
fails_with($node, 'postgres', insert(36, $by_leaked), 'OP010', 'a private key that others can open opens nothing');
sql(q{SELECT order_payment.create_card_key('0')});
is_refused(insert(36, seal(plaintext(36, token => $leaked_token))), 'a token of a leaked key');
app(insert(36, seal(plaintext(36))));
is(cards_of(36), "$NUMBER||", 'new keys do');

# ---------- other tables ----------

sql(q{
CREATE TABLE wallet (id uuid PRIMARY KEY, number text);
SELECT order_payment.protect_card_columns('wallet', 'number');
CREATE TABLE trip (trip integer, leg integer, attempt text, number text, expiry text, PRIMARY KEY (trip, leg));
SELECT order_payment.protect_card_columns('trip', 'number', expiry => 'expiry', order_column => 'trip', tokens => 'trip_tokens', request => 'attempt');
CREATE TABLE pair (a integer, b integer, number text, PRIMARY KEY (a, b));
SELECT order_payment.protect_card_columns('pair', 'number')});
my $wallet = '01900000-0000-7000-8000-000000000001';
my $for_wallet = seal(plaintext($wallet, holder => 'not kept here', token => sql("SELECT order_payment.card_token('wallet', '$wallet')")));
fails_with($node, 'postgres', qq{INSERT INTO wallet VALUES ('01900000-0000-7000-8000-000000000002', '$for_wallet')}, 'OP016', 'a card for one row of a table');
sql(qq{INSERT INTO wallet VALUES ('$wallet', '$for_wallet')});
is(sql(qq{SELECT order_payment.reveal(number_sealed, order_payment.binding('public.wallet', id)) FROM wallet}), $NUMBER, 'is taken for it only');
my $for_trip = seal(plaintext(1, token => sql(q{SELECT order_payment.card_token('trip', '1')}), expiry => '12/30'));
sql(qq{INSERT INTO trip (trip, leg, attempt, number) VALUES (1, 1, 'it''s', '$for_trip')});
fails_with($node, 'postgres', qq{INSERT INTO trip (trip, leg, number) VALUES (1, 2, '$for_trip')}, 'OP016', 'one use for the rows of an order');
sql(qq{UPDATE trip SET number = '$for_trip'});
is(sql('SELECT used_by FROM trip_tokens'), q{attempt='it''s'}, 'and which row it was');
# a trigger there that makes the session forget what it knew of the first table, and learn of another
sql(q{
CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	ANALYZE trip;
	INSERT INTO wallet VALUES (gen_random_uuid(), '4111111111111111');
	RETURN NEW;
END
$$;
CREATE TRIGGER meanwhile AFTER INSERT ON trip_tokens FOR EACH ROW EXECUTE FUNCTION meanwhile()});
my $meanwhile = seal(plaintext(2, token => sql(q{SELECT order_payment.card_token('trip', '2')}), expiry => '11/29'));
sql(qq{SET order_payment.allow_unguarded = on; INSERT INTO trip (trip, leg, attempt, number) VALUES (2, 1, 'two', '$meanwhile')});
is(sql(q{
SELECT trip, leg, attempt, order_payment.reveal(number_sealed, b), order_payment.reveal(expiry_sealed, b)
FROM trip, order_payment.binding('public.trip', trip, leg) b WHERE trip = 2}),
	"2|1|two|$NUMBER|11/29", 'a card beside which triggers of the table of tokens write another one');
sql('DROP TRIGGER meanwhile ON trip_tokens');
sql('ALTER TABLE trip_tokens OWNER TO stranger');
fails_with($node, 'postgres', qq{UPDATE trip SET number = '$for_trip'}, '42501', 'the table of tokens must have the owner of the cards');
sql('ALTER TABLE trip_tokens RENAME TO tokens');
fails_with($node, 'postgres', qq{UPDATE trip SET number = '$for_trip'}, '42P01', 'and be where the trigger says');
fails_with($node, 'postgres', qq{SELECT order_payment.card_token('pair', '1')}, '55000', 'a key of two columns names no order');
fails_with($node, 'postgres', qq{INSERT INTO pair VALUES (1, 1, '$for_trip')}, '55000', 'and a card for it is not taken');
fails_with($node, 'postgres', q{SELECT order_payment.protect_card_columns('pair', 'number', order_column => 'a')}, '22023', 'an order needs a table of tokens');
fails_with($node, 'postgres', q{SELECT order_payment.protect_card_columns('pair', 'number', order_column => 'c', tokens => 't')}, '42703', 'and is a column');

my $bound = q{order_payment.binding('mine', 7)};
my $for_seal = seal(JSON::PP::encode_json({ number => $NUMBER, expiry => '12/30', token => app("SELECT order_payment.sealing_token($bound)") }));
is(sql("SELECT order_payment.reveal(order_payment.seal('$for_seal', f, $bound), $bound) FROM unnest('{number,expiry,holder}'::text[]) f"), "$NUMBER\n12/30\n", 'seal() takes each part of one');
fails_with($node, 'postgres', "SELECT order_payment.seal('$for_seal', 'number', order_payment.binding('mine', 8))", 'OP016', 'for the row it was sealed for');

# ---------- tokens are forgotten in the end ----------

my $n = sql('SELECT count(*) FROM shop.used_card_tokens');
is(sql(q{SET ROLE shopkeeper; SELECT order_payment.purge_card_tokens('shop')}), '0', 'used tokens are kept while they could be good');
sql(q{UPDATE shop.used_card_tokens SET expires_at = expires_at - interval '2 days' WHERE order_id > 5});
is(sql(q{SET ROLE shopkeeper; SELECT order_payment.purge_card_tokens('shop')}), sql("SELECT $n - count(*) FROM shop.used_card_tokens"), 'and go a day later');

# ---------- another encoding, a dump ----------

sql(q{CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
sql(q{
SET client_min_messages = error;
CREATE EXTENSION order_payment;
SELECT order_payment.create_data_keys();
SELECT order_payment.create_card_key();
CREATE TABLE wallet (id text PRIMARY KEY, number text, holder text);
SELECT order_payment.protect_card_columns('wallet', 'number', 'holder')}, 'latin');
my $latin_kid = sql(q{SELECT order_payment.card_public_key('jwk')::json->>'kid'}, 'latin');
my $latin_token = sql(q{SET client_encoding = 'UTF8'; SELECT order_payment.card_token('wallet', U&'\00e9')}, 'latin');
my $latin = run_sealer(JSON::PP->new->utf8->encode({ number => $NUMBER, holder => "\x{c4}nne", order_id => "\x{e9}", token => $latin_token }),
	"$scripts/seal.sh", $latin_kid, public_key('pem', undef, 'latin'));
is(sql(qq{SET client_encoding = 'UTF8'; INSERT INTO wallet VALUES (U&'\\00e9', '$latin') RETURNING holder, octet_length(holder)}, 'latin'), "\xc3\x84***|4", 'a mask is in the encoding of the database');
is(sql(q{SET client_encoding = 'UTF8'; UPDATE wallet SET number = number RETURNING holder}, 'latin'), "\xc3\x84***", 'and known again');
is(sql(q{SET client_encoding = 'UTF8'; SELECT order_payment.reveal(holder_sealed, order_payment.binding('public.wallet', id)) FROM wallet}, 'latin'), "\xc3\x84nne", 'the name is what was sealed');
is(sql(q{SELECT order_payment.card_fault(holder_sealed, holder, order_payment.binding('public.wallet', id)) IS NULL FROM wallet}, 'latin'), 't', 'and its mask is found to be of it');

my $on_its_way = seal(plaintext(50));
my $dump = "$dir/dump.sql";
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'pg_dump');
sql('CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'restore');
is(sql('TABLE order_payment.card_keys', 'restored'), sql('TABLE order_payment.card_keys'), 'card keys are in a dump');
is(sql('TABLE shop.used_card_tokens', 'restored'), sql('TABLE shop.used_card_tokens'), 'so are used tokens');
my $restored_token = app(q{SELECT order_payment.issue_card_token(50, 'shop')}, 'restored');
app(insert(50, seal(plaintext(50, token => $restored_token))), 'restored');
is(sql(q{SELECT count(*) FROM shop.payments WHERE order_id = 50 AND card_number_sealed IS NOT NULL}, 'restored'), '1', 'a card for a key that came by a dump opens');

# ---------- what the log has ----------

my $log = substr(slurp_file($node->logfile), $log_before);
cmp_ok(scalar(() = $log =~ /ERROR:  a card that was sealed outside is not taken/g), '>', 40, 'the log has the refusals');
unlike($log, qr/(?<!\d)(?:$NUMBER|5555555555554444|5555 5555 5555 4444)(?!\d)(?!')/, 'and no number but that of the statement in clear');
is(scalar(() = $log =~ /ops1\./g), scalar(() = $log =~ /STATEMENT:[^\n]*ops1\./g), 'nor a blob but in statements');
$node->stop;

done_testing();
