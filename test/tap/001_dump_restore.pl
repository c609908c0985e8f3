
# A store survives dump and restore exactly: plain, custom and directory format
# (with jobs), into a database of the same cluster and into another cluster,
# and data alone with --disable-triggers or order_payment.restore. No event is
# doubled or lost, what users added is there, enforcement is on, consumers go
# on where they were. Data alone without either of the two is refused. Payments,
# operations and settlements come along, and money goes on where it was. Cards
# come sealed as they are, with their keys, and open wherever the root key is;
# where it is not, and where a dump brings no keys, it is told which are missing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $old = make_cluster('old');
my $new = make_cluster('new', root_key => [ root_key($old) ]);
my $dir = PostgreSQL::Test::Utils::tempdir();

make_roles($_) foreach ($old, $new);

# The old cluster's xids are far ahead of the new one's.
$old->safe_psql('postgres', q{
CREATE PROCEDURE burn() LANGUAGE plpgsql AS
	$$BEGIN FOR i IN 1 .. 5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$;
CALL burn()});
fill_database($old, 'origin');

# mailer has dealt with some events; biller with all but the last ones.
my $acknowledge = q{
SELECT order_payment.ack_events('mailer', ARRAY(SELECT event_id FROM order_payment.read_events('mailer', 300, 'shop')), 'shop');
SELECT order_payment.ack_events('biller', ARRAY(SELECT event_id FROM order_payment.read_events('biller', 100000, 'shop')), 'shop');
UPDATE shop.orders SET status = 'completed' WHERE order_id IN (2, 12, 22);
INSERT INTO shop.refunds (order_id, payment_id, amount, status)
	SELECT order_id, payment_id, captured_amount - charged_back_amount, 'succeeded' FROM shop.payments
	WHERE order_id IN (2, 12) AND status = 'succeeded';
REFRESH MATERIALIZED VIEW shop.by_status;
};
$old->safe_psql('origin', $acknowledge);

my $acknowledged = $old->safe_psql('origin',
	q{SELECT count(*) FROM shop.order_events e JOIN shop.consumer_offsets o
	  ON o.order_id = e.order_id AND o.consumer = 'mailer' AND o.version >= e.version});
cmp_ok($acknowledged, '>=', 300, 'a consumer has acknowledged events');

my %n_rows = (order_events => '\d{4}', payments => '\d{3}', payment_operations => '\d{3}', settlement_lines => '\d\d',
	gateway_fees => 2);
my %expected = (contents => contents($old, 'origin'), triggers => triggers($old, 'origin'));
my $counts = q{SELECT shop.count_paid(), shop.count_may_ship(), (SELECT count(*) FROM shop.paid_orders)};
my $counted = $old->safe_psql('origin', $counts);

is_verified($old, 'origin', 'origin');
is_verified($old, 'origin', 'origin, other store', q{Bob's "Shop"; --});
like($expected{contents}, qr/shop\.$_ \w+ $n_rows{$_}/, "there is something to lose: $_") foreach sort keys %n_rows;
is($old->safe_psql('origin', q{
SELECT string_agg(DISTINCT status::text, ' ' ORDER BY status::text) FROM shop.orders
UNION ALL SELECT string_agg(DISTINCT status::text, ' ' ORDER BY status::text) FROM shop.payments
UNION ALL SELECT string_agg(DISTINCT status::text, ' ' ORDER BY status::text) FROM shop.payment_operations
UNION ALL SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM shop.payment_operations
UNION ALL SELECT concat_ws(' ', bool_or(authorized_amount > 0), bool_or(refunded_amount > 0), bool_or(charged_back_amount > 0),
	bool_or(refund_due_amount > 0 AND status = 'completed')) FROM shop.orders
UNION ALL SELECT concat_ws(' ', bool_or(capture_pending_amount > 0), bool_or(refund_pending_amount > 0), bool_or(fee_final),
	bool_or(retry_of IS NOT NULL), bool_or(is_late)) FROM shop.payments}), join("\n",
	'authorized cancelled completed expired paid pending refunded shipped',
	'authorized failed processing requires_action revoked succeeded',
	'cancelled processing requested reversed succeeded unknown',
	'capture chargeback refund void', 't t t t', 't t t t t'), 'in every state');

# ---------- consumers in a copy ----------

# What a consumer of the shop should get: "order version" of what is outstanding.
sub outstanding
{
	my ($node, $database, $consumer) = @_;

	return $node->safe_psql($database,
		qq{SELECT e.order_id, e.version FROM shop.order_events e
		   LEFT JOIN shop.consumer_offsets o ON o.order_id = e.order_id AND o.consumer = '$consumer'
		   WHERE e.version > coalesce(o.version, 0) ORDER BY 1, 2});
}

# What it gets until nothing comes any more: all of it, in order of delivery.
sub consume
{
	my ($node, $database, $consumer, $batch) = @_;

	$node->safe_psql($database, qq{
CREATE TABLE IF NOT EXISTS public.got (n bigint GENERATED ALWAYS AS IDENTITY, consumer name, order_id bigint, version integer);
DO \$\$
DECLARE
	ids uuid[];
BEGIN
	FOR round IN 1 .. 10000 LOOP
		WITH e AS MATERIALIZED (SELECT * FROM order_payment.read_events('$consumer', $batch, 'shop')),
		g AS (INSERT INTO public.got (consumer, order_id, version) SELECT '$consumer', order_id::bigint, version FROM e)
		SELECT array_agg(event_id) INTO ids FROM e;
		EXIT WHEN ids IS NULL;
		PERFORM order_payment.ack_events('$consumer', ids, 'shop');
		COMMIT;
	END LOOP;
END \$\$;
	});
	return;
}

sub got
{
	my ($node, $database, $consumer) = @_;

	return $node->safe_psql($database,
		qq{SELECT order_id, version FROM public.got WHERE consumer = '$consumer' ORDER BY 1, 2});
}

# Consumers that came with the copy, and one that begins there.
sub consumers_continue
{
	my ($node, $database, $name) = @_;

	foreach my $consumer ('mailer', 'biller', 'newcomer')
	{
		my $expected = outstanding($node, $database, $consumer);

		isnt($expected, '', "$name, $consumer: something is outstanding");
		# a new event of an order with outstanding ones, and one of a new order, before the first look
		if ($consumer eq 'mailer')
		{
			$node->safe_psql($database,
				q{UPDATE shop.orders SET status = 'completed' WHERE order_id = 32;
				  INSERT INTO shop.orders (customer_id, price) VALUES (3, 3);});
			$expected = outstanding($node, $database, $consumer);
		}
		consume($node, $database, $consumer, 37);
		same_lines(got($node, $database, $consumer), $expected, "$name, $consumer: exactly these come, each once");
		is($node->safe_psql($database, qq{
SELECT count(*) FROM (SELECT version - lag(version) OVER (PARTITION BY order_id ORDER BY n) AS step
	FROM public.got WHERE consumer = '$consumer') s WHERE step <> 1}),
			'0', "$name, $consumer: each order's in order, without gaps");
	}
	$node->safe_psql($database, q{INSERT INTO shop.orders (customer_id, price) VALUES (4, 4)});
	is($node->safe_psql($database,
		q{SELECT version, to_status FROM order_payment.read_events('mailer', 100, 'shop')}),
		'1|pending', "$name: new events come, and only they");
	return;
}

# ---------- whole dumps ----------

$old->command_ok([ 'pg_dump', '-Fp', '-f', "$dir/plain.sql", 'origin' ], 'plain dump');
$old->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", 'origin' ], 'custom dump');
$old->command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dir/directory", 'origin' ], 'directory dump with jobs');

my %restore = (
	plain => [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dir/plain.sql", '-d' ],
	custom => [ 'pg_restore', '-e', "$dir/custom", '-d' ],
	directory => [ 'pg_restore', '-e', '-j2', "$dir/directory", '-d' ]);

foreach my $node ($old, $new)
{
	foreach my $format (sort keys %restore)
	{
		my $database = "from_$format";
		my $name = "$format into " . ($node == $old ? 'the same cluster' : 'another cluster');

		$node->safe_psql('postgres', "CREATE DATABASE $database");
		$node->command_ok([ @{ $restore{$format} }, $database ], "$name: restored without an error");
		is_same_store($node, $database, \%expected, $name);
		is_verified($node, $database, $name);
		is_verified($node, $database, "$name, other store", q{Bob's "Shop"; --});
		are_cards_open($node, $database, $name);
		is($node->safe_psql($database, $counts), $counted,
			"$name: functions and views that use status need no search_path");
		is_enforced($node, $database, $name) if $format ne 'plain' || $node == $new;
	}
}

# A restore by another superuser than the one who made the extension.
$new->safe_psql('postgres', 'CREATE ROLE other_superuser SUPERUSER LOGIN; CREATE DATABASE by_another');
$new->command_ok([ 'pg_restore', '-e', '-U', 'other_superuser', "$dir/custom", '-d', 'by_another' ],
	'restored by another superuser');
is_same_store($new, 'by_another', \%expected, 'restored by another superuser');

consumers_continue($old, 'from_custom', 'same cluster');
consumers_continue($new, 'from_custom', 'another cluster');
is_verified($new, 'from_custom', 'after that');

# The partial indexes are not only there: a query with a constant finds them.
$new->safe_psql('from_directory', 'ANALYZE');
like($new->safe_psql('from_directory',
	q{SET enable_seqscan = off; SET search_path = ''; EXPLAIN SELECT 1 FROM shop.orders WHERE status = 'paid' AND customer_id = 3}),
	qr/orders_paid_idx/, 'a restored partial index is used, without a search_path');

# Money goes on where it was: what was reserved is settled, what was owed is asked back.
$new->safe_psql('from_directory', q{
UPDATE shop.payment_operations SET status = 'succeeded' WHERE status <= 'unknown';
INSERT INTO shop.refunds (order_id, payment_id, amount, status)
	SELECT o.order_id, p.payment_id, p.captured_amount - p.refunded_amount, 'succeeded'
	FROM shop.orders o JOIN shop.payments p USING (order_id) WHERE o.refund_due_amount > 0 AND o.status = 'cancelled';
UPDATE shop.payments SET status = 'succeeded' WHERE status IN ('requires_action', 'processing')});
is($new->safe_psql('from_directory', q{
SELECT trim_scale(sum(capture_pending_amount + refund_pending_amount)), (SELECT trim_scale(sum(refund_due_amount)) FROM shop.orders WHERE status = 'cancelled'),
	(SELECT string_agg(DISTINCT status::text, ' ') FROM shop.orders WHERE order_id % 20 = 0) FROM shop.payments}),
	'0|0|paid', 'restored money goes on where it was');
is_verified($new, 'from_directory', 'after that');

# ---------- data alone ----------

$old->command_ok([ 'pg_dump', '-s', '-f', "$dir/schema.sql", 'origin' ], 'dump of the schema alone');
$old->command_ok([ 'pg_dump', '-a', '-f', "$dir/data.sql", 'origin' ], 'dump of the data alone');
$old->command_ok([ 'pg_dump', '-a', '--disable-triggers', '-f', "$dir/data_disable.sql", 'origin' ],
	'dump of the data alone, with --disable-triggers');

foreach my $case (
	[ 'disable', "$dir/data_disable.sql", '' ],
	[ 'setting', "$dir/data.sql", '-c order_payment.restore=on' ])
{
	my ($database, $file, $options) = @$case;
	my $name = "data alone by $database";

	$new->safe_psql('postgres', "CREATE DATABASE $database");
	$new->safe_psql($database, slurp_file("$dir/schema.sql"));
	# the setting is for the triggers of the extension; a user's own fire
	$new->safe_psql($database, 'ALTER TABLE shop.orders DISABLE TRIGGER write_audit')
	  if $database eq 'setting';
	{
		local $ENV{PGOPTIONS} = $options;
		$new->command_ok(
			[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $file, '-d', $database ],
			"$name: restored");
	}
	# a data-only dump does not refresh materialized views
	$new->safe_psql($database, 'REFRESH MATERIALIZED VIEW shop.by_status');
	same_lines(contents($new, $database), $expected{contents}, "$name: every table is equal");
	is_verified($new, $database, $name);
	are_cards_open($new, $database, $name);
	is_enforced($new, $database, $name);
	consumers_continue($new, $database, $name) if $database eq 'setting';
}

$new->safe_psql('postgres', 'CREATE DATABASE refused');
$new->safe_psql('refused', slurp_file("$dir/schema.sql"));
my $refusal = failure($new, 'refused', "\\i $dir/data.sql");
like($refusal, qr/ERROR:  OP003: /, 'data alone without either is refused');
like($refusal, qr/HINT:  .*order_payment\.restore/, 'and the HINT says what to do');

# ---------- without the root key, and without the data keys ----------

are_cards_open($old, 'origin', 'origin, after the dumps');

my $number = q{SELECT order_payment.reveal(card_sealed, order_payment.binding('users', email)) FROM shop.users WHERE card_sealed IS NOT NULL};
my $new_card = q{SET order_payment.allow_unguarded = on; INSERT INTO shop.users (email, card) VALUES ('new', '4242424242424242')};
my $missing = make_cluster('keyless');

$missing->safe_psql('postgres', 'CREATE DATABASE keyless');
make_roles($missing);
foreach my $case (
	[ 'no root key', qr/OP013: .*root key/, sub { unlink $missing->basedir . '/root.key' or die "unlink: $!" } ],
	[ 'one of another id', qr/OP013: .*wrapped by root key 1, which is not here/s, sub { make_root_key($missing, '2 ' . 'ab' x 32) } ],
	[ 'another one of this id', qr/OP013: .*wrapped by root key 1, but not by the one that is here/s, sub { make_root_key($missing, '1 ' . 'ab' x 32) } ])
{
	my ($name, $error, $prepare) = @$case;

	$prepare->();
	if ($name eq 'no root key')
	{
		$missing->restart;
		$missing->command_ok([ 'pg_restore', '-e', "$dir/custom", '-d', 'keyless' ], "$name: restored without an error");
		is_same_store($missing, 'keyless', \%expected, $name);
		is_enforced($missing, 'keyless', $name);
	}
	like(failure($missing, 'keyless', $number), $error, "$name: no card opens, and it is told why");
	like(failure($missing, 'keyless', $new_card), $error, "$name: none is sealed");
	is($missing->safe_psql('keyless', q{
BEGIN;
INSERT INTO shop.orders (customer_id, price) VALUES (1, 5);
UPDATE shop.users SET note = 'x';
UPDATE shop.wallets SET region = 'us' WHERE wallet_id = 3;
UPDATE shop.payments SET status = 'succeeded' WHERE order_id = 1 AND status = 'authorized';
SELECT count(*) FROM shop.wallets WHERE card_sealed IS NULL;
UPDATE shop.users SET card = NULL;
ROLLBACK}), '1', "$name: work without clear cards goes on");
	isnt($missing->safe_psql('keyless', q{SELECT stored FROM order_payment.verify_store('shop') WHERE problem = 'sealed values cannot be opened'}),
		'', "$name: verify_store() tells it");
	like($missing->safe_psql('keyless', q{SELECT DISTINCT root_key_id, is_usable FROM order_payment.key_status() WHERE kind = 'data key'}),
		qr/^1\|f$/, "$name: so does key_status()");
}
make_root_key($missing, root_key($old));
are_cards_open($missing, 'keyless', 'the root key is brought back');

# One schema, or one table: no keys come along, and those that are here are others.
$old->command_ok([ 'pg_dump', '-Fc', '-n', 'shop', '-f', "$dir/schema_alone", 'origin' ], 'dump of one schema');
$old->command_ok([ 'pg_dump', '-Fp', '-t', 'shop.users', '-f', "$dir/table_alone.sql", 'origin' ], 'dump of one table');
my $keys = $old->safe_psql('origin', q{SELECT key_id FROM order_payment.data_keys WHERE purpose <> 'pepper' ORDER BY 1});
foreach my $case (
	[ 'one schema', [ 'pg_restore', '-e', "$dir/schema_alone", '-d' ] ],
	[ 'one table', [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dir/table_alone.sql", '-d' ] ])
{
	my ($name, $command) = @$case;
	my $database = $name =~ s/ /_/r;

	$new->safe_psql('postgres', "CREATE DATABASE $database");
	$new->safe_psql($database, q{CREATE EXTENSION order_payment; SELECT order_payment.create_data_keys();});
	$new->safe_psql($database, 'CREATE SCHEMA shop') if $name eq 'one table';
	$new->command_ok([ @$command, $database ], "$name: restored");
	fails_with($new, $database, $number, 'OP010', "$name: its cards do not open");
	is($new->safe_psql($database, q{
SELECT key_id FROM order_payment.key_status() WHERE kind = 'data key' AND state = 'missing' ORDER BY 1}),
		$name eq 'one schema' ? $keys : $old->safe_psql('origin', q{
SELECT order_payment.key_id(card_sealed) FROM shop.users UNION SELECT order_payment.fingerprint_key(print) FROM shop.users
EXCEPT SELECT NULL ORDER BY 1}), "$name: key_status() tells which keys are missing");
	is(failure($new, $database, $new_card), '', "$name: new cards go beside them");
	is($new->safe_psql($database, q{
SELECT order_payment.reveal(card_sealed, order_payment.binding('users', email)) FROM shop.users WHERE email = 'new'}),
		'4242424242424242', "$name: and open");
	$new->safe_psql($database, q{DELETE FROM shop.users WHERE email = 'new'});
}
is($new->safe_psql('one_schema', q{SELECT DISTINCT problem, stored FROM order_payment.verify_store('shop')}), 'sealed value unsound|it does not open', 'one schema: verify_store() finds them');
# the keys are brought after them, to open and not to seal
$old->safe_psql('origin', qq{
COPY (SELECT key_id, purpose, CASE state WHEN 'active' THEN 'decrypt_only' ELSE state END, root_key_id, root_key_check, wrapped, created_at
	  FROM order_payment.data_keys) TO '$dir/keys'});
$new->safe_psql('one_schema', qq{
COPY order_payment.data_keys (key_id, purpose, state, root_key_id, root_key_check, wrapped, created_at) FROM '$dir/keys'});
are_cards_open($new, 'one_schema', 'one schema, with its keys');

# ---------- who may set it ----------

fails_with($new, 'disable',
	q{SELECT 'paid'::order_payment.order_status; SET order_payment.restore = on},
	'42501', 'nobody but a superuser sets order_payment.restore', extra_params => [ '-U', 'shopkeeper' ]);
fails_with($new, 'disable',
	q{SET order_payment.restore = on; INSERT INTO shop.orders (price, status) VALUES (1, 'refunded')},
	'OP001', 'nor before the library is loaded', extra_params => [ '-U', 'shopkeeper' ]);
fails_with($new, 'disable',
	q{SET order_payment.allow_history_change = on; DELETE FROM shop.order_events},
	'OP003', 'order_payment.allow_history_change neither', extra_params => [ '-U', 'shopkeeper' ]);
{
	local $ENV{PGOPTIONS} = '-c order_payment.restore=on';
	fails_with($new, 'disable', q{INSERT INTO shop.orders (price, status) VALUES (1, 'refunded')},
		'OP001', 'nor by PGOPTIONS', extra_params => [ '-U', 'shopkeeper' ]);
}

done_testing();
