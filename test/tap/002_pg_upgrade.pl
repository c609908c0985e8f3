
# A store goes through pg_upgrade as it is: every table equal, the same triggers,
# enforcement on, consumers go on. So do keys and records of the extension; cards
# open by the root key. From this major release to the same one, and, where
# OP_OLD_BINDIR names the programs of an older one that has the extension, from
# that one as well.

use strict;
use warnings;

use File::Basename;
use File::Spec;
use FindBin;
use lib "$FindBin::RealBin";

use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my @INITDB = ('--encoding=UTF8', '--no-locale', '--data-checksums');    # 18 has checksums if not told otherwise

my $members = q{
SELECT k::text FROM order_payment.data_keys k UNION ALL SELECT l::text FROM order_payment.reveal_log l ORDER BY 1};
my $cards = q{
SELECT p.order_id, c.number, c.holder, c.expiry
FROM shop.payments p, order_payment.reveal_card(p.payment_id, 'shop') c WHERE p.order_id < 0 ORDER BY 1};
my $outstanding = q{
SELECT e.order_id, e.version FROM shop.order_events e
LEFT JOIN shop.consumer_offsets o ON o.order_id = e.order_id AND o.consumer = 'mailer'
WHERE e.version > coalesce(o.version, 0) ORDER BY 1, 2};

sub fill
{
	my ($old) = @_;

	make_roles($old);
	fill_database($old, 'origin');
	$old->safe_psql('origin', q{
SET order_payment.allow_unguarded = on;
SELECT order_payment.create_data_keys();
INSERT INTO shop.orders (order_id, price) VALUES (-2, 10), (-1, 10);
INSERT INTO shop.payments (order_id, gateway, amount, card_number, card_holder, card_expiry)
	VALUES (-2, 'manual', 10, '4242424242424242', 'Ann Lee', '12/30');
SELECT order_payment.create_data_key('data');
INSERT INTO shop.payments (order_id, gateway, amount, card_number) VALUES (-1, 'manual', 10, '5555555555554444');
SELECT order_payment.set_payment_password(7, '246810', 'shop')});
	$old->safe_psql('origin', q{
SELECT order_payment.ack_events('mailer', ARRAY(SELECT event_id FROM order_payment.read_events('mailer', 300, 'shop')), 'shop')});
	return;
}

# pg_upgrade writes into its working directory; from 17 on, paths are relative
sub run_pg_upgrade
{
	my ($old, $new, $name) = @_;
	my $here = getcwd;
	my ($old_data, $new_data) = map { File::Spec->rel2abs($_->data_dir) } $old, $new;

	chdir PostgreSQL::Test::Utils::tempdir() or die "chdir: $!";
	command_ok(
		[ 'pg_upgrade', '-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'), '-d', $old_data, '-D', $new_data,
			'-s', $new->host, '-p', $old->port, '-P', $new->port ],
		"$name: pg_upgrade");
	chdir $here or die "chdir: $!";
	return;
}

# $installation: where the older release is
sub upgrade
{
	my ($name, $installation) = @_;
	my $old = make_cluster("old_$name", new => { install_path => $installation }, init => { extra => [@INITDB] });
	my $new = PostgreSQL::Test::Cluster->new("new_$name");

	fill($old);
	my $revealed = $old->safe_psql('origin', $cards);
	my $kept = $old->safe_psql('origin', $members);
	is($revealed, "-2|4242424242424242|Ann Lee|12/30\n-1|5555555555554444||", "$name: cards, under two keys");
	my %expected = (contents => contents($old, 'origin'), triggers => triggers($old, 'origin'));
	my $expected_events = $old->safe_psql('origin', $outstanding);

	$old->stop;
	$new->init(extra => [@INITDB]);
	$new->append_conf('postgresql.conf', "order_payment.root_key_file = '" . make_root_key($new, root_key($old)) . "'\n");
	run_pg_upgrade($old, $new, $name);
	$new->start;

	is_same_store($new, 'origin', \%expected, $name);
	is($new->safe_psql('origin', $members), $kept, "$name: the same keys and records");
	is($new->safe_psql('origin', $cards), $revealed, "$name: cards open");
	is($new->safe_psql('origin', q{
SET order_payment.allow_unguarded = on;
SELECT order_payment.verify_payment_password(7, '246810', 'shop')}), 't', "$name: so does a payment password");
	is_verified($new, 'origin', $name);
	is_verified($new, 'origin', "$name, other store", q{Bob's "Shop"; --});
	is_enforced($new, 'origin', $name);
	are_cards_open($new, 'origin', $name);
	is($new->safe_psql('origin', q{
SELECT order_id, version FROM order_payment.read_events('mailer', 100000, 'shop') ORDER BY order_id::bigint, version}),
		$expected_events, "$name: a consumer gets what it had not acknowledged, and nothing else");
	is($new->safe_psql('origin', q{
SELECT count(*) FROM shop.order_events
EXCEPT SELECT count(*) FROM order_payment.read_events('newcomer', 100000, 'shop')}),
		'', "$name: a new consumer gets all events");
	$new->stop;
	return;
}

upgrade('same', undef);
upgrade('older', dirname($ENV{OP_OLD_BINDIR})) if $ENV{OP_OLD_BINDIR};

done_testing();
