
# What an earlier release has stored must open for ever, so neither the layout of a
# value nor a label may change, not even on both sides at once. The values here were
# made by another program, from what envelope.h, sealed.c, data_key.c, fingerprint.c,
# verifier.c, gateway_secret.c and encrypted_amount.c say.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $root_key = '4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2';
my $check_value = '8776cb97fbdb55c1';

# id, purpose, wrapped by the root key
my @data_keys = (
	[ 1001, 'data', '0101080000000001654e2c87d7820cbeb1b5b550f43166549582b5b353e00e27ad5563541908c461d9b1c7c9b7ae7c0837501016c07103d8e84bbdbaffab8dd6978ed67332c7d87cbb66c9dcecacdb8f2e44' ],
	[ 1002, 'fingerprint', '0101080000000001e889d30b85421e8cc830d15f3b5008c1896600e9a9129e09522b2c8b382ab384cbed79facea5e67604f434ae51f3c0e143b9575e988d0a7925043e3bd3816450c9e1eb72f810c22a180f' ],
	[ 1003, 'pepper', '0101080000000001801125136d32a6287ce42b2630f06d53dcb3a0c8de7d1ace4ac4653d2b750aff0d217113634716a03f4b7d76a45a7ab510b8f04edf8363786340f30e1168c0de36d3b166b4f4e352d9b6' ]);

# field, what it is bound to, what it opens to, and the value
my @values = (
	[ 'number', q{'shop.cards', 7::bigint}, '4111111111111111', 'op1:AQEBAAAAA-n1Qp3rq1WaszvTCIJKSsdILgGP87MhjTKsS2bDqcOGmR3YL9qo03GqlQPQEh2VlBn1lF77d8rtJWYTDVp6' ],
	[ 'holder', q{'shop.cards', '01900000-0000-7000-8000-000000000001'::uuid}, 'Zoë 张三', 'op1:AQECAAAAA-mEInYz3dCVymK87jtOy-aVosI5Ec_G72g26BIYa0-fjQCTqNl5pPGoWHBvU3SMB2ZePkzY6NWLiO_3Yk5lpVA3HuKIG4WaJIh5' ],
	[ 'expiry', q{'shop.cards', 'é'::text}, '12/30', 'op1:AQEDAAAAA-kaSMx39Cugp3cLsek_iNPNM-FpwQ4p1_mYaZwTOaOV98u80xQzeaXIK7lHmo5J' ],
	[ 'text', q{'a label', 7, 'x'::varchar}, 'anything', 'op1:AQEHAAAAA-lZZy_zyNkGUxfNpUN1K1rCeIMrK6Dbs0XIym5hfRdmcL-dkb--13b3fv5Hebysge0BjBGfBB8HzrVEtyMBmpTu72qqOAx29yg' ]);

# sealed by the right key, but of another form: the header is not authenticated; what fills up is not zeros
my @malformed = (
	[ 'no header', 'op1:AQEHAAAAA-l9N0Ow34I3Ee47Uw1F4VVA1kMHmRXavmXewmw8-CaYnjPbuskBJ29rcFX9zN00c5nge-fsh3j9tpbPt7GZflagWOMvBnbmrpU' ],
	[ 'blanks behind the text', 'op1:AQEHAAAAA-k_PSYEfMwrnVjX8_bP9ECYpQ5Fcjo16kPGrRvD8QyyzBRH6Rg0af0ndDYYlD_hYrZruPAMh1BHzb3xsz3SefS5MQYSuf-eQIk' ]);

my $fingerprint = '000003ea29213b050b62dcf8532cc62e5a6fef5fb9d2f030afdc6f93e73426b77be77f88'; # of 4111111111111111
my $verifier = 'op1:AQEEAAAAA-m0nkakaY8s9ITceiyQETxo4rnDMnNzbVlbz_AF60zV0y1PfIWPO3CH1dRxAgR0VerydIYgYYA9GdzKMGSR5fLD47fg7JPDPO-Nr5tw7RlMXaG8kAJ9G2gXQSrwlTK7dEZQm6JCv5Sciw'; # of 246810, for customer 7 of store shop
my $weak_verifier = 'op1:AQEEAAAAA-lMbnGxLb_GERrubA1KqCi_ZBJWmkwxb8HvXvFAuGqAb95lGRz2UQDPtYe7rV954yVqq8HRytTSGlihl86OA-BtQUn0HqqqrItB9QUK3IvlmvUIUiHC5Cv3PNet0Cr5WUXFijs9wDkXBA'; # of 135790, for customer 8, by a fifth of the work
my $secret_id = '01900000-0000-7000-8000-000000000001';
my $secret = 'op1:AQEFAAAAA-mDG-p-I4RKQ6GwOWmCUnNZjZZRe61zpLlJck1eIEOJRUk-jTThQSL6ZnWaaHAtKdP0gaGPGNe-a1yPL3rj-s87BzYBmvd-v4QMqGi_PgTY89Xxc-QQJQKa1AU8w8RRuvjLcXvj3aQs-pq6U791widFt29Q5LwdmdYEbFjRsnzSOnPSMsoeZyaWI2tUPfENpL959kSr_1ybwJIiUw-4EIT7lXGx4qwwtKo';
my $token = 'v1.6jJddh-YxrczIORCJ73DH2kcRKylbOztLq7leFn1gsPel8GdQvxtBZma78E4SIRQtL45-cYA77alaeyj'; # 12.50 EUR for number n-1
my $private_key = 'op1:AQEGAAAAA-lAfyptENx2C10FZllfGAbEDa6VWbamZjsa8fz69lWOb1CduNngMboKVr6CDKvIwWEdYE3AC7xpLHTzQRZLIuNa_kfFlmjnz34m7adr3RpJH7TTWyL-YBOVL6cIZEv3PjbsIzvnkjWPrn6KvAvM3fJyAr0dPZWt1t8JxL5uxHewubiULPLL86DM79COLzE4TIXemnd6OnE64z4UqhOBQQcM99arBANCLA4'; # stands for that of card key 77

my $node = make_cluster('stored_forms', init => { extra => [ '--encoding=UTF8', '--no-locale' ] }, root_key => ["1 $root_key"],
	conf => "order_payment.allow_unguarded = on\n");

sub sql
{
	my $result = $node->safe_psql('postgres', @_);

	utf8::decode($result);
	return $result;
}

sub utf8
{
	my ($text) = @_;

	utf8::encode($text);
	return $text;
}

sql(q{SET client_min_messages = error; CREATE EXTENSION order_payment; SELECT order_payment.create_store('shop')});
is(sql('SELECT root_key_id, root_key_check FROM order_payment.root_keys()'), "1|\\x$check_value", 'the check value of a root key');
foreach my $key (@data_keys)
{
	my ($id, $purpose, $wrapped) = @$key;

	sql("INSERT INTO order_payment.data_keys (key_id, purpose, state, root_key_id, root_key_check, wrapped)
		VALUES ($id, '$purpose', 'active', 1, '\\x$check_value', '\\x$wrapped')");
}
is(sql('SELECT bool_and(is_usable) FROM order_payment.key_status()'), 't', 'data keys that were wrapped then are unwrapped');

foreach my $value (@values)
{
	my ($field, $binding, $plain, $sealed) = @$value;

	is(sql(utf8("SELECT order_payment.reveal('$sealed', order_payment.binding($binding))")), $plain, "a $field that was sealed then opens");
	is(sql(utf8("SELECT length(order_payment.seal('$plain', '$field', order_payment.binding($binding))::text)")), length $sealed, 'one of now has the same size');
}
foreach my $value (@malformed)
{
	fails_with($node, 'postgres', "SELECT order_payment.reveal('$value->[1]', order_payment.binding('a label', 7, 'x'::varchar))", 'OP010',
		"it does not open: $value->[0]");
}

is(sql(q{SELECT order_payment.card_fingerprints('4111 1111 1111 1111')}), "{\"\\\\x$fingerprint\"}", 'a card is found by the fingerprint that was made then');

sql("INSERT INTO shop.payment_passwords (customer_id, verifier, pepper_id) VALUES (7, '$verifier', 1003)");
is(sql(q{SELECT order_payment.verify_payment_password(7, '246811', 'shop'), order_payment.verify_payment_password(7, '246810', 'shop')}),
	'f|t', 'a payment password that was set then is right');
is(sql(qq{SELECT verifier::text = '$verifier' FROM shop.payment_passwords}), 't', 'and not outdated');
sql("INSERT INTO shop.payment_passwords (customer_id, verifier, pepper_id) VALUES (8, '$weak_verifier', 1003)");
is(sql(q{SELECT order_payment.verify_payment_password(8, '135791', 'shop'), order_payment.verify_payment_password(8, '135790', 'shop')}), 'f|t', 'one that took less work is right');
is(sql(qq{SELECT verifier::text = '$weak_verifier' FROM shop.payment_passwords WHERE customer_id = 8}), 'f', 'and renewed');
is(sql(q{SELECT order_payment.verify_payment_password(8, '135790', 'shop')}), 't', 'as what it was');

sql("INSERT INTO shop.gateways (gateway) VALUES ('stripe');
	INSERT INTO shop.gateway_secrets (gateway, kind, secret_id, secret) VALUES ('stripe', 'amount_key', '$secret_id', '$secret')");
is(sql("SELECT amount, currency FROM order_payment.decrypt_amount('stripe', '$token', 'n-1', 'shop')"), '12.50|EUR', 'an amount that was encrypted then, by a secret that was brought then');

sql("INSERT INTO order_payment.card_keys (kid, state, public_key, private_key) VALUES (77, 'active', '\\x00', '$private_key')");
sql(q{SELECT order_payment.create_data_key('data')});
is(sql('SELECT order_payment.reseal_card_keys()'), 1, 'the private half of a card key opens in its row');
sql('UPDATE order_payment.card_keys SET private_key = (SELECT private_key FROM order_payment.card_keys), kid = 78');
sql(q{SELECT order_payment.create_data_key('data')});
fails_with($node, 'postgres', 'SELECT order_payment.reseal_card_keys()', 'OP010', 'and in no other');

$node->stop;

done_testing();
