
# What the TAP tests of stores share: clusters, a store with everything in it,
# and ways to compare two copies of it. No test, hence no .pl.

package StoreTest;

use strict;
use warnings;

use Exporter 'import';
use Fcntl qw(O_CREAT O_EXCL O_WRONLY);
use File::Spec ();
use File::Temp ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(make_cluster make_root_key poll_start start_psql start_writers
  pump_writers acknowledged missing make_roles fill_database failure
  fails_with contents triggers is_same_store is_verified is_enforced
  same_lines wait_for_lock root_key card_number are_cards_open survives);

# A root key for a cluster: a file beside its data directory. args: components,
# each "id hex"; else one random key of id 1. Returns its path.
sub make_root_key
{
	my ($node, @lines) = @_;
	my $path = File::Spec->rel2abs($node->basedir . '/root.key');

	if (!@lines)
	{
		open my $random, '<:raw', '/dev/urandom' or die "urandom: $!";
		read($random, my $bytes, 32) == 32 or die "urandom: $!";
		@lines = ('1 ' . unpack('H*', $bytes));
	}
	unlink $path;
	sysopen(my $file, $path, O_WRONLY | O_CREAT | O_EXCL, 0600) or die "$path: $!";
	print $file map { "$_\n" } @lines;
	close $file or die "$path: $!";
	return $path;
}

# What make_root_key() takes to give another cluster the same root key.
sub root_key
{
	my ($node) = @_;

	return split /\n/, slurp_file($node->basedir . '/root.key');
}

# A running cluster, with a root key: one of its own, or args{root_key}. args{new}, args{init}: for new() and init(). Clusters that crash on purpose have "crash" in their name.
sub make_cluster
{
	my ($name, %args) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, %{ $args{new} // {} });

	# whatever the environment of the test says
	$node->init(extra => [ '--encoding=UTF8', '--no-locale' ], %{ $args{init} // {} });
	# one log line a statement is too much under load
	$node->append_conf('postgresql.conf', "log_statement = none\n"
		  . "order_payment.root_key_file = '" . make_root_key($node, @{ $args{root_key} // [] }) . "'\n" . ($args{conf} // ''));
	$node->start;
	return $node;
}

# After kill9, orphans hold the shared memory for a moment: as t/017_shm.pl does.
sub poll_start
{
	my ($node) = @_;

	for (1 .. 600)
	{
		return 1 if $node->start(fail_ok => 1);
		usleep(100_000);
		# in case the start only timed out
		$node->stop('fast', fail_ok => 1);
	}
	return $node->start;
}

# Does what ends a process of the server, and waits until it has started all the
# others anew; true if it has. A query on the standard input of a psql that finds
# no server would break the pipe, and the test with it.
sub survives
{
	my ($node, $crash) = @_;
	my $query = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'};
	my $before = $node->safe_psql('postgres', $query);

	$crash->();
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		IPC::Run::run([ 'psql', '-XAtc', $query, '-d', $node->connstr('postgres') ], '<', File::Spec->devnull, '>', \my $now, '2>', \my $err);
		return 1 if $now =~ /^\d+$/ && $now != $before;
		usleep(100_000);
	}
	return 0;
}

# ---------- load ----------

# psql with a script that runs beside the test: { run, out, err }. What it says
# at once, by \echo, was acknowledged to it.
sub start_psql
{
	my ($node, $database, $sql, @params) = @_;
	my $psql = { out => '', err => '' };
	my ($handle, $file) = File::Temp::tempfile(DIR => PostgreSQL::Test::Utils::tempdir());

	print $handle $sql;
	close $handle or die "close: $!";
	$psql->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', @params, '-f', $file, '-d', $node->connstr($database) ],
		'>', \$psql->{out}, '2>', \$psql->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $psql;
}

# Writers of orders in shop: for each, an attempt; then, in one transaction, what
# the gateway says and a request to give something back; then they say its number.
# Such an order has eight events, and its payment a card.
sub start_writers
{
	my ($node, $n, $steps) = @_;
	my $transaction = q{
WITH o AS (INSERT INTO shop.orders (customer_id, price) VALUES (1, 3) RETURNING order_id)
SELECT order_id AS id FROM o \gset
INSERT INTO shop.payments (order_id, gateway, amount, card_number, card_holder)
	VALUES (:id, 'stripe', 3, '4242424242424242', 'Holder ' || :id) RETURNING payment_id AS payment \gset
BEGIN;
UPDATE shop.payments SET status = 'authorized' WHERE order_id = :id AND payment_id = :'payment';
INSERT INTO done VALUES (:id);
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status) VALUES (:id, :'payment', 'capture', 3, 'succeeded');
INSERT INTO shop.refunds (order_id, payment_id, amount) VALUES (:id, :'payment', 1);
COMMIT;
\echo acknowledged :id
	};

	my $script = "SET order_payment.allow_unguarded = on;\n" . $transaction x $steps;

	return map { start_psql($node, 'postgres', $script, '-v', 'ON_ERROR_STOP=1') } 1 .. $n;
}

# Until each of them has had some orders acknowledged.
sub pump_writers
{
	my ($enough, @writers) = @_;

	foreach (1 .. 1000)
	{
		$_->{run}->pump_nb foreach @writers;
		last if !grep { my $n = () = $_->{out} =~ /\n/g; $n < $enough } @writers;
		usleep(10_000);
	}
	return;
}

# After a crash or the end: what was acknowledged, of the lines "acknowledged ...". There may be others: psql prints the row
# of a \gset, too, when the connection ends between that row and the server's word that it is ready.
sub acknowledged
{
	my (@writers) = @_;

	$_->{run}->finish foreach @writers;
	return map { $_->{out} =~ /^acknowledged ([^\n]*)\n/mg } @writers;
}

# What start_writers() has acknowledged and is not there, or not whole. $list: their numbers.
sub missing
{
	my ($list) = @_;

	return qq{
SELECT a.order_id FROM unnest('{$list}'::bigint[]) a (order_id)
WHERE NOT EXISTS (
	SELECT FROM shop.orders o JOIN shop.payments p USING (order_id)
	WHERE o.order_id = a.order_id AND o.status = 'paid' AND o.version = 8 AND o.paid_amount = 3 AND o.authorized_amount = 0
	  AND p.card_number = '************4242' AND num_nulls(p.card_number_sealed, p.card_holder_sealed, p.card_fingerprint) = 0
	  AND p.status = 'succeeded' AND p.captured_amount = 3 AND p.refund_pending_amount = 1 AND p.refunded_amount = 0)
   OR (SELECT string_agg(r.kind || ' ' || r.amount || ' ' || r.status, ', ' ORDER BY r.kind)
	   FROM shop.payment_operations r WHERE r.order_id = a.order_id) IS DISTINCT FROM 'capture 3 succeeded, refund 1 requested'
   OR NOT EXISTS (SELECT FROM done d WHERE d.order_id = a.order_id)
   OR (SELECT count(*) FROM shop.order_events e WHERE e.order_id = a.order_id) <> 8 };
}

# ---------- cards ----------

# The nth card number of these tests: sixteen digits that check.
sub card_number
{
	my ($n) = @_;
	my $digits = sprintf('400000%09d', $n);
	my $sum = 0;

	foreach my $i (0 .. 14)
	{
		my $digit = substr($digits, $i, 1) * ($i % 2 ? 1 : 2);
		$sum += $digit > 9 ? $digit - 9 : $digit;
	}
	return $digits . (10 - $sum % 10) % 10;
}

# What fill_database() writes. Orders with cards; users, whose cards have numbers from 1000 on; wallets, from 2000 on.
my @ORDERS = grep { ($_ % 10) =~ /^[1238]$/ } 1 .. 60;
my @USERS = map { "user$_\@example.com" } 0 .. 11;
my @WALLETS = 0 .. 11;

sub values_list { return join ', ', map { '(' . join(', ', @$_) . ')' } @_; }

sub written_cards
{
	return values_list(map { [ $_, "'" . card_number($_) . "'", $_ % 3 ? "'Holder $_'" : 'NULL', $_ % 2 ? "'07/31'" : 'NULL' ] } @ORDERS);
}

# Are all the cards that fill_database() has written there, each in its row? Reveals each.
sub are_cards_open
{
	my ($node, $database, $name) = @_;
	my @expected;

	# an attempt that failed was tried again, with its card
	foreach my $n (@ORDERS)
	{
		my $line = join '|', "order $n", card_number($n), $n % 3 ? "Holder $n" : '', $n % 2 ? '07/31' : '';

		push @expected, ($line) x ($n % 20 == 2 ? 2 : 1);
	}
	push @expected, map { join '|', $USERS[$_], card_number(1000 + $_), "User $_", '' } grep { $_ != 5 } 0 .. $#USERS;
	push @expected, map { join '|', "wallet $_", card_number($_ % 4 == 1 ? 3000 + $_ : 2000 + $_), '', '' } grep { $_ != 7 } @WALLETS;
	my $got = $node->safe_psql($database, q{
SET order_payment.reveal_budget = -1;
SELECT 'order ' || p.order_id, r.number, r.holder, r.expiry
FROM shop.payments p, order_payment.reveal_card(p.payment_id, 'shop') r WHERE p.card_number_sealed IS NOT NULL AND p.order_id BETWEEN 1 AND 400
UNION ALL
SELECT email, order_payment.reveal(card_sealed, b.bound_to), order_payment.reveal(owner_sealed, b.bound_to), NULL
FROM shop.users, order_payment.binding('users', email) b (bound_to) WHERE card_sealed IS NOT NULL
UNION ALL
SELECT 'wallet ' || wallet_id, order_payment.reveal(card_sealed, order_payment.binding('wallets', wallet_id)), NULL, NULL
FROM shop.wallets WHERE card_sealed IS NOT NULL
	});

	same_lines(join("\n", sort split /\n/, $got), join("\n", sort @expected), "$name: every card opens, and is the one that was written");
	is($node->safe_psql($database, q{
SELECT (SELECT card FROM shop.users WHERE card_sealed IS NULL), (SELECT string_agg(card, ', ') FROM shop.wallets WHERE card_sealed IS NULL)}),
		join('|', map { '************' . substr card_number($_), -4 } 1005, 2007), "$name: a card that was forgotten is its mask");
	return;
}

# ---------- a store with everything in it ----------

# Roles are not in a dump of a database.
sub make_roles
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'CREATE ROLE shopkeeper LOGIN; CREATE ROLE app LOGIN; CREATE ROLE gateway LOGIN;');
	return;
}

# Two stores (one with a nasty name), things of the user's on and around one of
# them, a table with a guarded enum, tables with cards; orders, payments and
# operations in every state, some with cards, lines, a settlement.
sub fill_database
{
	my ($node, $database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway');
SELECT order_payment.create_store('Bob''s "Shop"; --', 'JPY', owner => 'shopkeeper', order_id_type => 'uuid');

SET search_path = '';
ALTER TABLE shop.orders
	ADD COLUMN note text,
	ADD COLUMN is_open boolean GENERATED ALWAYS AS (status IN ('pending', 'authorized')) STORED,
	ADD CONSTRAINT note_if_cancelled CHECK (status <> 'cancelled' OR note IS NOT NULL);
ALTER TABLE shop.order_items ADD COLUMN gift boolean DEFAULT false;
ALTER TABLE shop.order_events ADD COLUMN seen boolean DEFAULT false;
ALTER TABLE shop.payments
	ADD COLUMN channel text,
	ADD COLUMN is_late boolean GENERATED ALWAYS AS (failed_at < succeeded_at) STORED,
	ADD CONSTRAINT channel_if_failed CHECK (status <> 'failed' OR channel IS NOT NULL);
ALTER TABLE shop.payment_operations ADD COLUMN ticket text;
CREATE INDEX payments_failed_idx ON shop.payments (channel) WHERE status = 'failed';
CREATE INDEX payment_operations_done_idx ON shop.payment_operations (kind) WHERE status >= 'succeeded';
CREATE VIEW shop.captured AS SELECT order_id, captured_amount FROM shop.payments WHERE status = 'succeeded';
CREATE INDEX orders_paid_idx ON shop.orders (customer_id) WHERE status = 'paid';
CREATE INDEX orders_open_idx ON shop.orders (created_at) WHERE status IN ('pending', 'authorized');
CREATE INDEX orders_status_idx ON shop.orders (status);
CREATE INDEX orders_status_hash_idx ON shop.orders USING hash (status);
CREATE STATISTICS shop.orders_stat ON status, customer_id FROM shop.orders;
CREATE VIEW shop.paid_orders AS
	SELECT order_id, status FROM shop.orders WHERE status = 'paid' AND status IS DISTINCT FROM 'shipped';
CREATE MATERIALIZED VIEW shop.by_status AS
	SELECT status, count(*), max(status) AS top FROM shop.orders GROUP BY status;
CREATE FUNCTION shop.count_paid() RETURNS bigint STABLE
	BEGIN ATOMIC SELECT count(*) FROM shop.orders WHERE status = 'paid'; END;
CREATE FUNCTION shop.count_may_ship() RETURNS bigint LANGUAGE sql STABLE AS
	$$SELECT count(*) FROM shop.orders WHERE status ->? 'shipped'$$;

CREATE TABLE shop.audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint, status order_payment.order_status);
CREATE FUNCTION shop.tidy_note() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN NEW.note := upper(NEW.note); RETURN NEW; END$$;
CREATE FUNCTION shop.write_audit() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO shop.audit (order_id, status) VALUES (NEW.order_id, NEW.status); RETURN NULL; END$$;
CREATE FUNCTION shop.set_channel() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN NEW.channel := coalesce(NEW.channel, NEW.gateway); RETURN NEW; END$$;
CREATE TRIGGER tidy_note BEFORE INSERT OR UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.tidy_note();
CREATE TRIGGER set_channel BEFORE INSERT ON shop.payments FOR EACH ROW EXECUTE FUNCTION shop.set_channel();
CREATE TRIGGER write_audit AFTER INSERT OR UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.write_audit();
CREATE TRIGGER asleep AFTER DELETE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.write_audit();
ALTER TABLE shop.orders DISABLE TRIGGER asleep;
ALTER TABLE shop.orders ENABLE ALWAYS TRIGGER write_audit;

CREATE TYPE shop.parcel_state AS ENUM ('packed', 'on "the" way', 'lost', 'delivered');
CREATE TABLE shop.parcels (parcel_id integer PRIMARY KEY, state shop.parcel_state NOT NULL);
SELECT order_payment.guard_column('shop.parcels', 'state',
	'packed; packed: "on ""the"" way"; "on ""the"" way": lost delivered; lost: delivered');
INSERT INTO shop.parcels SELECT n, 'packed' FROM generate_series(1, 40) n;
UPDATE shop.parcels SET state = 'on "the" way' WHERE parcel_id > 10;
UPDATE shop.parcels SET state = 'lost' WHERE parcel_id > 30;

CREATE TABLE shop.users (email text PRIMARY KEY, card text, owner text, note text);
CREATE TABLE shop.wallets (region text, wallet_id bigint, card text, PRIMARY KEY (region, wallet_id)) PARTITION BY LIST (region);
CREATE TABLE shop.wallets_eu (card text, wallet_id bigint NOT NULL, region text NOT NULL);
ALTER TABLE shop.wallets ATTACH PARTITION shop.wallets_eu FOR VALUES IN ('eu');
SELECT order_payment.protect_card_columns('shop.users', 'card', 'owner', fingerprint => 'print', label => 'users');
SELECT order_payment.protect_card_columns('shop.wallets', 'card', key => '{wallet_id}', label => 'wallets');
CREATE TABLE shop.wallets_us PARTITION OF shop.wallets FOR VALUES IN ('us');
CREATE INDEX users_print_idx ON shop.users (print);
	});
	fill_cards($node, $database);
	$node->safe_psql($database, q{
SET order_payment.allow_unguarded = on;
CREATE TEMP TABLE written (order_id bigint, number text, holder text, expiry text);
INSERT INTO written VALUES } . written_cards() . q{;
ALTER TABLE shop.audit OWNER TO shopkeeper;
INSERT INTO shop.orders (customer_id, product_id, quantity, price, note)
	SELECT n % 50, n % 7, 1 + n % 3, 9.90 + n, 'note ' || n FROM generate_series(1, 400) n;
INSERT INTO shop.order_items (order_id, line_no, kind, quantity, price)
	SELECT order_id, line, CASE line WHEN 3 THEN 'discount' ELSE 'item' END, 1, 10.25 - line
	FROM shop.orders, generate_series(1, 3) line WHERE order_id % 3 = 0;
DELETE FROM shop.order_items WHERE order_id % 9 = 0 AND line_no = 2;
INSERT INTO shop.gateways (gateway) VALUES ('stripe');
INSERT INTO shop.gateway_fees (gateway, currency, rate, fixed) VALUES ('stripe', 'EUR', 0.029, 0.30);
INSERT INTO shop.gateway_fees (gateway, currency, method, rate) VALUES ('stripe', 'EUR', 'sepa', 0.008);

-- each statement is a transaction, so that the events have several xids
SET order_payment.reason = 'because "authorized"';
INSERT INTO shop.payments (order_id, gateway, method, amount, status, gateway_reference, capture_before, card_number, card_holder, card_expiry)
	SELECT order_id, 'stripe', 'card', total_amount, 'authorized', 'pi_' || order_id, now() + interval '7 days', w.number, w.holder, w.expiry
	FROM shop.orders LEFT JOIN written w USING (order_id) WHERE order_id % 10 IN (1, 3, 8);
SET order_payment.reason = 'because "voided"';
INSERT INTO shop.payment_operations (order_id, payment_id, kind, ticket)
	SELECT order_id, payment_id, 'void', 'ticket ' || order_id FROM shop.payments WHERE order_id % 10 = 8;
UPDATE shop.payment_operations SET status = 'processing' WHERE kind = 'void';
UPDATE shop.payment_operations SET status = 'succeeded' WHERE kind = 'void' AND order_id % 20 = 8;
UPDATE shop.payment_operations SET status = 'unknown' WHERE kind = 'void' AND order_id % 40 = 18;

-- attempts: some fail and are tried again, some are not known for a while, some stay open
SET order_payment.reason = 'because "paid"';
INSERT INTO shop.payments (order_id, gateway, method, amount, request_key, card_number, card_holder, card_expiry)
	SELECT order_id, 'stripe', 'sepa', total_amount, 'first', w.number, w.holder, w.expiry
	FROM shop.orders LEFT JOIN written w USING (order_id) WHERE order_id % 10 IN (2, 9);
INSERT INTO shop.payments (order_id, gateway, method, amount, status, expires_at)
	SELECT order_id, 'stripe', 'card', total_amount, 'requires_action', now() + interval '1 hour' FROM shop.orders WHERE order_id % 20 = 0;
UPDATE shop.payments SET status = 'processing' WHERE status = 'created';
UPDATE shop.payments SET status = 'failed', failure_class = 'soft_decline', failure_code = '51', retry_at = now() + interval '1 day'
	WHERE status = 'processing' AND order_id % 20 = 2;
INSERT INTO shop.payments (order_id, gateway, amount, status, request_key, retry_of, attempt_no,
		card_number, card_holder, card_expiry, card_number_sealed, card_holder_sealed, card_expiry_sealed, card_fingerprint)
	SELECT order_id, gateway, amount, 'processing', 'second', payment_id, 2,
		card_number, card_holder, card_expiry, card_number_sealed, card_holder_sealed, card_expiry_sealed, card_fingerprint
	FROM shop.payments WHERE status = 'failed';
UPDATE shop.payments SET status = 'unknown' WHERE status = 'processing' AND order_id % 20 = 12;
UPDATE shop.payments SET status = 'succeeded', gateway_reference = 'pi_' || order_id WHERE status IN ('processing', 'unknown');
UPDATE shop.payments SET contact_needed_at = now() WHERE status = 'failed' AND order_id % 40 = 2;
SET order_payment.reason = 'because "paid by hand"';
UPDATE shop.orders SET status = 'paid' WHERE order_id % 10 IN (4, 5);

SET order_payment.reason = 'because "shipped"';
UPDATE shop.orders SET status = 'shipped' WHERE order_id % 10 IN (3, 9);
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, status)
	SELECT order_id, payment_id, 'capture', amount, 'succeeded' FROM shop.payments WHERE order_id % 20 = 3;
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount)
	SELECT order_id, payment_id, 'capture', 0.50 FROM shop.payments WHERE order_id % 20 = 13;
UPDATE shop.payment_operations SET status = 'succeeded' WHERE kind = 'capture' AND status = 'requested' AND order_id % 40 = 13;

SET order_payment.reason = 'because "completed"';
UPDATE shop.orders SET status = 'completed' WHERE order_id % 10 = 4;

-- refunds: whole ones and parts, some of which fail and are tried again
SET order_payment.reason = 'because "refunded"';
INSERT INTO shop.refunds (order_id, payment_id, amount, request_key)
	SELECT order_id, payment_id, captured_amount, 'all' FROM shop.payments WHERE order_id % 10 IN (5, 9);
UPDATE shop.refunds SET status = 'processing' WHERE request_key = 'all' AND order_id % 10 = 9;
UPDATE shop.refunds SET status = 'failed', failure_class = 'not_sent', retry_at = now() WHERE request_key = 'all' AND order_id % 20 = 9;
UPDATE shop.refunds SET status = 'processing', attempt_no = 2, retry_at = NULL WHERE status = 'failed';
UPDATE shop.refunds SET status = 'succeeded' WHERE request_key = 'all';
UPDATE shop.refunds SET status = 'reversed' WHERE request_key = 'all' AND order_id % 40 = 25;
INSERT INTO shop.refunds (order_id, payment_id, amount)
	SELECT order_id, payment_id, 0.25 FROM shop.payments WHERE order_id % 20 = 14;
UPDATE shop.refunds SET status = 'succeeded' WHERE status = 'requested' AND order_id % 40 = 34;
UPDATE shop.refunds SET status = 'cancelled' WHERE status = 'requested' AND order_id % 80 = 54;

-- disputes, one in two is won
SET order_payment.reason = 'because "disputed"';
INSERT INTO shop.payment_operations (order_id, payment_id, kind, amount, fee, status)
	SELECT order_id, payment_id, 'chargeback', 1.50, 15, 'succeeded' FROM shop.payments WHERE order_id % 20 = 12 AND order_id > 12;
UPDATE shop.payment_operations SET status = 'reversed' WHERE kind = 'chargeback' AND order_id % 40 = 12;

-- dead orders: money comes all the same, and is asked back; attempts come to nothing
SET order_payment.reason = 'because "cancelled"';
UPDATE shop.orders SET status = 'cancelled' WHERE order_id % 10 = 6;
INSERT INTO shop.payments (order_id, gateway, amount, status, gateway_reference)
	SELECT order_id, 'stripe', total_amount, 'succeeded', 'pi_' || order_id FROM shop.orders WHERE order_id % 20 = 6;
INSERT INTO shop.refunds (order_id, payment_id, amount)
	SELECT order_id, payment_id, amount FROM shop.payments WHERE order_id % 40 = 6;
SET order_payment.reason = 'because "expired"';
INSERT INTO shop.payments (order_id, gateway, amount, status)
	SELECT order_id, 'stripe', total_amount, 'processing' FROM shop.orders WHERE order_id % 20 = 7;
UPDATE shop.orders SET status = 'expired' WHERE order_id % 10 = 7;
UPDATE shop.payments SET status = 'revoked' WHERE status = 'processing' AND order_id % 40 = 7;
UPDATE shop.payments SET status = 'failed', failure_class = 'hard_decline' WHERE status = 'processing' AND order_id % 80 = 27;
UPDATE shop.payments SET status = 'succeeded' WHERE status = 'failed' AND order_id % 160 = 27;
-- paid twice
INSERT INTO shop.payments (order_id, gateway, amount, status)
	SELECT order_id, 'stripe', 7, 'succeeded' FROM shop.orders WHERE order_id % 40 = 24;
RESET order_payment.reason;

INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, gateway_number, amount, fee, currency, settled_on)
	SELECT 'stripe', 'po_1', row_number() OVER (ORDER BY order_id, number), kind, replace(number::text, '-', ''), amount, 0.40, currency, now()
	FROM shop.settlement_facts WHERE gateway = 'stripe' AND order_id <= 200;
INSERT INTO shop.settlement_lines (gateway, settlement_id, line_no, kind, gateway_reference, amount, fee, currency, settled_on)
	VALUES ('stripe', 'po_2', 1, 'payment', 'pi_202', 1, 0.10, 'EUR', now()), ('stripe', 'po_2', 2, 'fee', NULL, -5, NULL, 'EUR', now());
SELECT * FROM order_payment.post_settlement('stripe', 'po_1', 'shop');
INSERT INTO "Bob's ""Shop""; --".orders (customer_id, product_id, quantity, price)
	SELECT 1, 1, 2, 100 FROM generate_series(1, 20);
UPDATE "Bob's ""Shop""; --".orders SET status = 'paid' WHERE order_id < '80000000-0000-0000-0000-000000000000';
INSERT INTO "Bob's ""Shop""; --".refunds (order_id, payment_id, amount, status)
	SELECT order_id, payment_id, 50, 'succeeded' FROM "Bob's ""Shop""; --".payments;
REFRESH MATERIALIZED VIEW shop.by_status;
	});
	return;
}

# Users and wallets: inserted, copied, upserted, changed, moved to another partition, forgotten.
sub fill_cards
{
	my ($node, $database) = @_;
	my $users = values_list(map { [ "'$USERS[$_]'", "'" . card_number(1000 + $_) . "'", "'User $_'" ] } 0 .. $#USERS);
	my $wallets = values_list(map { [ $_ % 2 ? "'us'" : "'eu'", $_, "'" . card_number(2000 + $_) . "'" ] } @WALLETS);
	my $changed = values_list(map { [ "'us'", $_, "'" . card_number(3000 + $_) . "'" ] } grep { $_ % 4 == 1 } @WALLETS);

	$node->safe_psql($database, qq{
SELECT order_payment.create_data_keys();
SET order_payment.allow_unguarded = on;
INSERT INTO shop.users (email, card, owner) VALUES $users;
INSERT INTO shop.wallets (region, wallet_id, card) VALUES $wallets;
-- a new data key in between
SELECT order_payment.create_data_key('data');
INSERT INTO shop.wallets (region, wallet_id, card) VALUES $changed ON CONFLICT (region, wallet_id) DO UPDATE SET card = EXCLUDED.card;
UPDATE shop.users SET note = 'seen';
SET order_payment.restore = on;  -- as cards are forgotten
UPDATE shop.users SET card_sealed = NULL, owner_sealed = NULL, print = NULL WHERE email = '$USERS[5]';
UPDATE shop.wallets SET card_sealed = NULL WHERE wallet_id = 7;
RESET order_payment.restore;
UPDATE shop.wallets SET region = 'eu' WHERE wallet_id IN (3, 7);
	});
	return;
}

# ---------- refusals ----------

# What psql says to stderr, SQLSTATE included; empty if all went well.
sub failure
{
	my ($node, $database, $sql, %args) = @_;
	my ($stdout, $stderr);

	$node->psql($database, $sql, stdout => \$stdout, stderr => \$stderr, on_error_stop => 1,
		extra_params => [ '-v', 'VERBOSITY=verbose', @{ $args{extra_params} // [] } ]);
	return $stderr // '';
}

sub fails_with
{
	my ($node, $database, $sql, $sqlstate, $name, %args) = @_;

	return like(failure($node, $database, $sql, %args), qr/(?:ERROR|FATAL):  $sqlstate: /, $name);
}

# ---------- comparing ----------

# Each table of the database with the md5 of its rows; but for how much was revealed in this hour, which is not dumped.
sub contents
{
	my ($node, $database, $where) = @_;

	$where //= 'true';
	return $node->safe_psql($database, qq{
SET search_path = '';
SELECT c.oid::regclass || ' ' || (xpath('/row/md5/text()', query_to_xml(format(
	'SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), ''''))
	 || '' '' || count(*) AS md5 FROM %s t', c.oid::regclass), true, true, '')))[1]
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND c.relname <> 'reveal_usage' AND ($where)
ORDER BY 1
	});
}

# Each trigger with its state, and each index.
sub triggers
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, q{
SET search_path = '';
SELECT t.tgenabled::text, pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL
SELECT i.indisvalid::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p', 'm') AND c.oid >= 16384 ORDER BY 2, 1
	});
}

# Like is() for long texts: tells the lines that only one of the two has.
sub same_lines
{
	my ($got, $expected, $name) = @_;
	my %difference;

	return ok(1, $name) if $got eq $expected;
	$difference{$_}++ foreach split /\n/, $got;
	$difference{$_}-- foreach split /\n/, $expected;
	my @more = grep { $difference{$_} > 0 } sort keys %difference;
	my @less = grep { $difference{$_} < 0 } sort keys %difference;
	ok(0, $name);
	diag(scalar(@more) . ' unexpected lines: ' . join "\n  ", '', @more[ 0 .. ($#more > 4 ? 4 : $#more) ]);
	diag(scalar(@less) . ' missing lines: ' . join "\n  ", '', @less[ 0 .. ($#less > 4 ? 4 : $#less) ]);
	return 0;
}

# $expected: { contents, triggers } of the database it was copied from.
sub is_same_store
{
	my ($node, $database, $expected, $name) = @_;

	same_lines(contents($node, $database), $expected->{contents}, "$name: every table is equal");
	same_lines(triggers($node, $database), $expected->{triggers},
		"$name: triggers are equal, tgenabled too, and indexes");
	return;
}

sub is_verified
{
	my ($node, $database, $name, $store) = @_;

	$store //= 'shop';
	$store =~ s/'/''/g;
	return is($node->safe_psql($database, "SELECT * FROM order_payment.verify_store('$store') LIMIT 10"),
		'', "$name: verify_store() finds nothing");
}

# The rules hold, identity goes on, and a legal move writes one event. Leaves the
# database as it was, but for the sequence.
sub is_enforced
{
	my ($node, $database, $name) = @_;

	fails_with($node, $database, q{UPDATE shop.orders SET status = 'pending' WHERE status = 'refunded'},
		'OP001', "$name: an illegal move is refused");
	fails_with($node, $database, q{INSERT INTO shop.orders (price, status) VALUES (1, 'paid')},
		'OP001', "$name: an illegal birth is refused");
	fails_with($node, $database, q{UPDATE shop.orders SET version = 77},
		'OP003', "$name: a forged version is refused");
	fails_with($node, $database, q{DELETE FROM shop.order_events}, 'OP003', "$name: history stays");
	fails_with($node, $database, q{UPDATE shop.payments SET status = 'created' WHERE status = 'succeeded'},
		'OP001', "$name: an illegal move of a payment is refused");
	fails_with($node, $database, q{UPDATE shop.refunds SET status = 'requested' WHERE status = 'succeeded'},
		'OP001', "$name: and of a refund");
	fails_with($node, $database, q{UPDATE shop.payments SET captured_amount = 1 WHERE order_id = 10 OR status = 'failed'},
		'OP003', "$name: forged money is refused");
	fails_with($node, $database, q{DELETE FROM shop.payments}, 'OP003', "$name: payments stay");
	fails_with($node, $database, q{DELETE FROM shop.payment_operations}, 'OP003', "$name: operations too");
	fails_with($node, $database, q{INSERT INTO shop.refunds (order_id, payment_id, amount)
		SELECT order_id, payment_id, captured_amount - refund_pending_amount - refunded_amount - charged_back_amount + 0.01
		FROM shop.payments WHERE status = 'succeeded'},
		'OP005', "$name: a refund of more than is left is refused");
	fails_with($node, $database, q{UPDATE shop.orders SET status = 'refunded' WHERE order_id = 4},
		'OP006', "$name: refunded needs the money to be back");
	fails_with($node, $database, q{INSERT INTO shop.payments (order_id, gateway, amount)
		SELECT order_id, gateway, amount FROM shop.payments WHERE status = 'requires_action'},
		'23505', "$name: a second live attempt is refused");
	fails_with($node, $database, q{UPDATE shop.payments SET status = 'succeeded' WHERE status = 'requires_action'},
		'OP004', "$name: the role of the application records no outcome", extra_params => [ '-U', 'app' ]);
	is(failure($node, $database, q{BEGIN; UPDATE shop.payments SET status = 'succeeded' WHERE status = 'requires_action'; ROLLBACK},
			extra_params => [ '-U', 'gateway' ]),
		'', "$name: that of the gateway does");
	fails_with($node, $database, q{UPDATE shop.parcels SET state = 'packed' WHERE state = 'lost'},
		'OP001', "$name: so is one on a guarded enum");
	fails_with($node, $database, $_, 'OP003', "$name: $_") foreach (
		q{UPDATE shop.payments SET card_number_sealed = NULL WHERE card_number IS NOT NULL},
		q{UPDATE shop.users SET card = '************0000'}, q{INSERT INTO shop.wallets VALUES ('us', 100, '************0000')});
	my ($id, $events, $versions, $entities, $paid, $fees) = split /\|/, $node->safe_psql($database, q{
BEGIN;
CREATE TEMP TABLE before AS SELECT max(order_id) AS id FROM shop.orders;
INSERT INTO shop.orders (customer_id, price) VALUES (1, 5);
INSERT INTO shop.payments (order_id, gateway, method, amount, status)
	SELECT order_id, 'stripe', 'sepa', 2, 'succeeded' FROM shop.orders WHERE order_id > (SELECT id FROM before);
UPDATE shop.orders SET status = 'paid' WHERE order_id > (SELECT id FROM before);
SELECT (SELECT max(order_id) > b.id FROM shop.orders), count(*),
	   string_agg(e.version::text, ',' ORDER BY e.version),
	   string_agg(e.entity || ' ' || e.to_status, ',' ORDER BY e.version),
	   (SELECT paid_amount FROM shop.orders o WHERE o.order_id > b.id),
	   (SELECT string_agg(gateway || ' ' || amount || ' ' || fee, ',' ORDER BY payment_id) FROM shop.payments p WHERE p.order_id > b.id)
FROM before b JOIN shop.order_events e ON e.order_id > b.id GROUP BY b.id;
ROLLBACK;
	});
	is("$id $events $versions $entities", 't 4 1,2,3,4 order pending,payment succeeded,order paid,payment succeeded',
		"$name: identity goes on, one event a change");
	is("$paid $fees", '5 stripe 2 0.02,manual 3 0', "$name: money is booked, with its fee");
	return;
}

# Until a session waits for a lock.
sub wait_for_lock
{
	my ($node, $database) = @_;

	return $node->poll_query_until($database,
		q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()});
}

1;
