
# SQLsmith: random statements on everything that the roles of an application and of a gateway can see, each committed; then
# calls of every function that they may call, with arguments that mean something and others. No process dies, there is no internal error (XX...), and no syntax error in a
# statement that our code makes, what the roles may not write is as it was, and both stores are sound. SMITH_QUERIES and SMITH_SEED in the environment
# choose others.
#
# sqlsmith writes the statements (--dry-run), psql runs them, for sqlsmith itself rolls each of them back. It takes the
# functions that there are from pg_proc, unqualified: a view of that name in the search_path gives it ours, those that return
# sets, too, and of the server's those that work on the same types. Statements that must fail when they are parsed, for
# sqlsmith thinks that a pseudo-type may be cast to, are left out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $queries = $ENV{SMITH_QUERIES} || 20_000;
my $seed = $ENV{SMITH_SEED} || 20261123;
my $node = make_cluster('smith', conf => q{
shared_preload_libraries = 'order_payment'
log_line_prefix = '%m [%p] %e %u '
log_error_verbosity = verbose
log_min_messages = error
track_functions = all
max_worker_processes = 16
});

diag("SMITH_SEED=$seed");
make_roles($node);
fill_database($node, 'postgres');
$node->safe_psql('postgres', q{
GRANT INSERT ON shop.audit TO app, gateway;  -- a trigger of fill_database() writes there as the caller
SELECT order_payment.create_card_key();
SELECT order_payment.read_events('mailer', 10, 'shop');

CREATE SCHEMA smith;
CREATE VIEW smith.pg_proc AS
SELECT p.oid, p.proname, p.pronamespace, p.prorettype, p.proargtypes, p.prokind, p.proretset AND n.nspname <> 'order_payment' AS proretset
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'order_payment' AND p.prokind IN ('f', 'a') AND has_function_privilege(p.oid, 'EXECUTE')
   OR n.nspname = 'pg_catalog' AND p.provolatile <> 'v' AND p.prokind = 'f'
	  AND (p.proargtypes::oid[] || p.prorettype) <@ '{text,name,numeric,integer,boolean,jsonb,bytea,uuid,timestamptz,interval}'::regtype[]::oid[];
-- values that mean something; sqlsmith's own are numbers below 100, and NULL
CREATE VIEW smith.hints AS
SELECT h.*, o.order_id, o.order_id::text AS order_key, o.customer_id, p.payment_id, p.gateway, p.amount, r.operation_id, o.order_id % 7 < 5 AS likely,
	   (ARRAY['shop', 'Bob''s "Shop"; --', 'pg_catalog', 'nowhere'])[1 + (o.order_id % 13 > 8)::integer * (o.order_id % 4)::integer]::name AS store
FROM shop.orders o LEFT JOIN shop.payments p USING (order_id) LEFT JOIN shop.payment_operations r USING (order_id),
	 (VALUES ('mailer'::name, 'EUR', 'payments', 'shop.orders'::regclass, 'status'::name, '4242 4242 4242 4242', '12/39', interval '1 hour', now(),
			  '{"Stripe-Signature": "t=1,v1=00"}'::jsonb, '{"id": "evt_1", "object": "event", "type": "payment_intent.succeeded"}'::jsonb),
			 ('other', 'JPY', 'O''Neil\"; --', 'shop.payments', 'card_number', '', '13/01', '-1 day', 'infinity', '[]', '{}')) h
		(consumer, currency, label, relation, status_column, number, expiry, period, moment, headers, body);
GRANT USAGE ON SCHEMA smith TO app, gateway;
GRANT SELECT ON smith.pg_proc, smith.hints TO app, gateway;
});

# Tables that neither role writes, nor a trigger or function for it.
my $kept = q{c.relname NOT IN ('order_events', 'audit', 'used_card_tokens', 'reveal_log', 'payment_password_attempts') AND NOT EXISTS (
	SELECT FROM unnest(ARRAY['app', 'gateway']) r WHERE has_table_privilege(r, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(r, c.oid, 'INSERT, UPDATE'))};
my $before = contents($node, 'postgres', $kept);

like($before, qr/Bob's.*orders/, 'the other store is among what is to be kept');
cmp_ok(scalar(split /\n/, $before), '>=', 20, 'and many tables');

# ---------- the statements ----------

# Hands on the first $n statements that can be run; tells how many came.
sub sieve
{
	my ($n, $told) = @_;
	my ($seen, $passed) = (0, 0);

	local $/ = ";\n";
	while ($passed < $n && defined(my $statement = <STDIN>))
	{
		$seen++;
		next if $statement =~ /cast\(null as (?:any\w+|"any"|record|cstring)\)/;
		$passed++;
		print $statement;
	}
	append_to_file($told, "$passed of $seen");
	return;
}

sub start_smith
{
	my ($role, $n, $its_seed) = @_;
	my $smith = { role => $role, n => $n, err => '', told => PostgreSQL::Test::Utils::tempdir() . "/$role" };
	my $target = $node->connstr('postgres') . " user=$role";

	local $SIG{PIPE} = 'DEFAULT';  # sqlsmith is to end when nobody reads any more
	$smith->{run} = IPC::Run::start(
		[ 'sqlsmith', "--target=$target options='-c search_path=smith,pg_catalog'", '--exclude-catalog', '--dry-run', "--seed=$its_seed", '--max-queries=' . 10 * $n ],
		'2>', '/dev/null',
		'|', sub { sieve($n, $smith->{told}); },
		'|', [ 'psql', '-X', '-q', '-v', 'VERBOSITY=sqlstate', '-d', "$target options='-c statement_timeout=1s -c search_path=shop,order_payment'", '-f', '-', '-o', '/dev/null' ],
		'2>', \$smith->{err});
	return $smith;
}

my $lines = length(slurp_file($node->logfile));
my @smiths = (start_smith('app', int($queries * 0.6), $seed), start_smith('gateway', int($queries * 0.4), $seed + 1));

foreach my $smith (@smiths)
{
	$smith->{run}->finish;
	my @results = $smith->{run}->full_results;
	my ($passed, $seen) = slurp_file($smith->{told}) =~ /(\d+) of (\d+)/;
	my $errors = () = $smith->{err} =~ /ERROR:  /g;

	is($passed, $smith->{n}, "$smith->{role}: as many statements as were asked for");
	is($results[2], 0, "$smith->{role}: psql came to the end") or diag(substr $smith->{err}, -1000);
	cmp_ok($errors, '<', 0.7 * $passed, "$smith->{role}: many were run to their end");
	diag("$smith->{role}: $passed of $seen statements, " . ($passed - $errors) . ' without an error');
}

# ---------- the calls ----------

# Functions that sqlsmith does not come to, for it seldom has arguments at which they do not end at once. By type, what they
# are given; any other type, arrays and rows among them, is NULL, or empty.
my %pool = (
	text => [ q{''}, q{'EUR'}, q{'stripe'}, q{'payments'}, q{'shop.orders'}, q{'4242 4242 4242 4242'}, q{'12/39'}, q{'O''Neil\"; --'}, q{'%s %I'}, q{repeat('x', 300)},
		q{'pending; pending: paid; paid: shipped'}, q{'<xml><a>1</a></xml>'}, q{'a=1&b=%20'}, q{'answered'}, q{'send_payment'}, q{'1.50'}, q{chr(128512)},
		q{(SELECT order_id::text FROM shop.orders ORDER BY random() LIMIT 1)}, q{(SELECT order_id::text FROM shop.payments ORDER BY random() LIMIT 1)} ],
	name => [ (q{'shop'}) x 6, q{'Bob''s "Shop"; --'}, q{'pg_catalog'}, q{'nowhere'}, q{'mailer'}, q{'status'} ],
	uuid => [ q{(SELECT payment_id FROM shop.payments ORDER BY random() LIMIT 1)}, q{(SELECT operation_id FROM shop.payment_operations ORDER BY random() LIMIT 1)},
		q{(SELECT event_id FROM shop.order_events ORDER BY random() LIMIT 1)}, q{'00000000-0000-0000-0000-000000000000'} ],
	numeric => [ qw(0 1 1.50 -1 0.001 1e30 'NaN' 'Infinity') ],
	integer => [ qw(0 1 2 100 200 -1 2147483647 -2147483648) ],
	bigint => [ qw(0 1 9223372036854775807), q{(SELECT order_id FROM shop.orders ORDER BY random() LIMIT 1)} ],
	'double precision' => [ qw(0 0.5 1 -1 1e300 'NaN') ],
	boolean => [ qw(true false) ],
	jsonb => [ q{'{}'}, q{'[]'}, q{'null'}, q{'{"Stripe-Signature": "t=1,v1=00"}'}, q{'{"amount": 1e400, "currency": "EUR", "status": "succeeded"}'},
		q{'{"object": "payment_intent", "id": "pi_1", "status": "succeeded", "amount": 100, "currency": "eur"}'} ],
	bytea => [ q{''}, q{'\x00'}, q{'{"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": {"object": {}}}'}, q{'<xml></xml>'}, q{decode(repeat('ff', 100), 'hex')} ],
	interval => [ q{'0'}, q{'1 hour'}, q{'-1 day'}, q{'178000000 years'} ],
	'timestamp with time zone' => [ q{now()}, q{'infinity'}, q{'-infinity'}, q{'0001-01-01 BC'} ],
	regclass => [ q{'shop.orders'}, q{'shop.payments'}, q{'shop.order_overview'}, q{'pg_class'}, q{0} ],
	regtype => [ q{'order_payment.order_status'}, q{'text'}, q{'shop.parcel_state'} ],
	record => [ q{(SELECT p FROM shop.payments p ORDER BY random() LIMIT 1)}, q{ROW(1, 'a')}, q{ROW()} ],
	'order_payment.order_status' => [ map { "'$_'" } qw(pending paid shipped cancelled refunded) ],
	'order_payment.payment_status' => [ map { "'$_'" } qw(created unknown succeeded failed) ],
	'order_payment.operation_status' => [ map { "'$_'" } qw(requested failed succeeded reversed) ],
	'order_payment.sealed' => [ q{(SELECT card_number_sealed FROM shop.payments WHERE card_number_sealed IS NOT NULL ORDER BY random() LIMIT 1)},
		q{(SELECT card_holder_sealed FROM shop.payments WHERE card_holder_sealed IS NOT NULL ORDER BY random() LIMIT 1)} ],
	cstring => [ q{'paid'}, q{''}, q{'op1:AAAA'} ],
	anynonarray => [ q{1::bigint}, q{(SELECT order_id FROM shop.orders ORDER BY random() LIMIT 1)}, q{'x'::text} ],
	anyelement => [ q{1::bigint}, q{'x'::text} ],
);

# helpers whose callers answer for what they are given: it is SQL, names a table that is there, or leaves nothing to be done
my %takes_sql = (do_each => 'a query', lock_store => 'a list of tables, which may be empty', add_slice => 'the bounds of a partition',
	archive_part => 'a table that was a partition', refuse_truncate_of => 'a partition of another table',
	map { ("create_${_}_tables" => 'what follows the columns of a table') } qw(order payment gateway webhook));

sub argument
{
	my ($type) = @_;

	return 'NULL' if rand() < 0.05;
	return $type =~ /^any/ ? $pool{$type}[ rand @{ $pool{$type} } ] : "$pool{$type}[ rand @{ $pool{$type} } ]::$type" if $pool{$type};
	return $type =~ /^"any"|^internal$|^any/ ? 'NULL' : $type =~ /\[\]$/ && rand() < 0.5 ? "'{}'::$type" : "NULL::$type";
}

sub call_all
{
	my ($role, $times) = @_;
	my @functions = map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres', qq{
SET search_path = pg_catalog;
SELECT p.oid::regproc, array_to_string(ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY u (t, n) ORDER BY n), ',')
FROM pg_proc p WHERE p.pronamespace = 'order_payment'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
  AND has_function_privilege('$role', p.oid, 'EXECUTE') AND NOT 'internal'::regtype::oid = ANY (p.proargtypes) ORDER BY p.oid::regprocedure::text});
	my @calls = map {
		map { my ($name, $types) = @$_; "SELECT $name(" . join(', ', map { argument($_) } split /,/, $types // '') . ");\n" } @functions
	} 1 .. $times;
	my $err;

	# the server's names alone, so that ours come qualified
	IPC::Run::run([ 'psql', '-X', '-q', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('postgres') . " user=$role options='-c statement_timeout=1s'", '-f', '-', '-o', '/dev/null' ],
		'<', \join('', @calls), '2>', \$err);
	my $errors = () = $err =~ /ERROR:  /g;

	is($? >> 8, 0, "$role: psql came to the end of the calls");
	diag("$role: " . scalar(@calls) . ' calls, ' . (@calls - $errors) . ' without an error');
	return;
}

srand($seed);
call_all($_, int($queries / 1000)) foreach 'app', 'gateway';

# ---------- what the server says of them ----------

my $log = substr slurp_file($node->logfile), $lines;
my %ours = map { m{([^/]+)\z} ? ($1 => 1) : () } glob "$FindBin::RealBin/../../src/*.c";
my (%codes, @internal, @syntax);

# internal errors, whoever raised them, that are no fault of ours => why
my %excused = (qr/interval typmod/i => 'interval(interval, integer) of the server takes any number for a type modifier');

foreach my $entry (split /^(?=\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] \S+ \S+ (?:ERROR|FATAL|PANIC|LOG):)/m, $log)
{
	my ($code, $message) = $entry =~ /\] (\w{5}) \w+ \w+:  \w{5}: ([^\n]*)/ or next;
	my ($file) = $entry =~ /LOCATION:  \w+, ([\w.]+):\d+/;
	my $is_ours = $ours{ $file // '' } || $entry =~ /CONTEXT:.*?order_payment\.\w+\(/s;

	$codes{$code}++;
	push @internal, $entry if $code =~ /^XX/ && !grep { $message =~ $_ } keys %excused;
	push @syntax, $entry if $code eq '42601' && $is_ours && !grep { $entry =~ /CONTEXT:  PL\/pgSQL function order_payment\.$_\(/ } keys %takes_sql;
}
is(join('', @internal[ 0 .. ($#internal > 2 ? 2 : $#internal) ]), '', 'no internal error');
is(join('', @syntax[ 0 .. ($#syntax > 2 ? 2 : $#syntax) ]), '', 'and no statement of ours that cannot be parsed');
unlike($log, qr/terminated by signal|PANIC:|TRAP:|resource was not closed|detected write past/, 'no process has died');
diag('refused: ' . join ', ', map { "$codes{$_} $_" } sort { $codes{$b} <=> $codes{$a} } keys %codes);

# ---------- what has become of the stores ----------

same_lines(contents($node, 'postgres', $kept), $before, 'what the roles may not write is as it was');
is_verified($node, 'postgres', 'after all');
is_verified($node, 'postgres', 'after all, the other store', q{Bob's "Shop"; --});
fails_with($node, 'postgres', q{INSERT INTO shop.orders (price, status) VALUES (1, 'paid')}, 'OP001', 'after all: rules hold');
fails_with($node, 'postgres', q{DELETE FROM shop.order_events}, 'OP003', 'after all: history stays');
my ($called, $callable, $not) = split /\|/, $node->safe_psql('postgres', q{
SELECT count(s.funcid), count(*), string_agg(p.proname, ' ' ORDER BY p.proname) FILTER (WHERE s.funcid IS NULL)
FROM pg_proc p LEFT JOIN pg_stat_user_functions s ON s.funcid = p.oid
WHERE p.pronamespace = 'order_payment'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND has_function_privilege('app', p.oid, 'EXECUTE')});
cmp_ok($called, '>=', 0.6 * $callable, 'most functions were called');
diag("$called of $callable functions were called; not: $not");
diag($node->safe_psql('postgres', q{SELECT string_agg(format('%s +%s ~%s -%s', relname, n_tup_ins, n_tup_upd, n_tup_del), ', ' ORDER BY relname) FROM pg_stat_user_tables WHERE schemaname = 'shop'}));

done_testing();
