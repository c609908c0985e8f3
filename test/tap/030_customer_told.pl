
# The customer is told (test/examples/tell_customers.py): the results of payments
# come by e-mail, at least once, in the order of the events of each order, never
# before COMMIT; when the mail server is down or refuses, they come later; when
# the program is killed after a mail, it comes again with the same Message-ID.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use IPC::Run ();
use JSON::PP qw(decode_json encode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;
use Time::HiRes qw(usleep);

# Debian's, which has its packages, before any other that stands in the way
my ($python) = grep { IPC::Run::run([ $_, '-c', 'import aiosmtpd, psycopg2' ], '>', \my $out, '2>&1') } '/usr/bin/python3', 'python3';

ok(defined $python, 'psycopg2 and aiosmtpd are there (Debian: apt install python3-psycopg2 python3-aiosmtpd)');
if (!defined $python)
{
	done_testing();
	exit 1;
}

my $node = make_cluster('customer_told');
my $folder = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my @running;

END
{
	my $status = $?;

	$_->kill_kill(grace => 0) foreach grep { $_->pumpable } @running;
	$? = $status;
}

make_roles($node);
$node->safe_psql('postgres', q{
CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', 'EUR', owner => 'shopkeeper', app_role => 'app', gateway_role => 'gateway');
SET ROLE shopkeeper;
CREATE TABLE shop.customers (customer_id bigint PRIMARY KEY, email text);
GRANT SELECT ON shop.customers TO app;
INSERT INTO shop.customers VALUES (1, 'ann@example.com'), (2, 'bob@example.com'), (3, 'carol@example.com'), (4, NULL),
	(5, E'dan@example.com\nBcc: eve@example.com'), (6, 'ann@example.com, eve@example.com'), (7, ''), (8, 'zoë@example.com');
INSERT INTO shop.gateways (gateway) VALUES ('acme');
});

# ---------- orders ----------

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET search_path = shop, order_payment; SET ROLE gateway; $sql");
}

# An order with a payment that the gateway works on
sub order
{
	my ($customer) = @_;

	return sql(qq{
WITH o AS (INSERT INTO orders (customer_id, price) VALUES ($customer, 12.5) RETURNING order_id) SELECT order_id FROM o \\gset
INSERT INTO payments (order_id, gateway, amount, status) VALUES (:order_id, 'acme', 12.5, 'processing');
SELECT :order_id});
}

sub outcome_sql
{
	my ($order, $status) = @_;
	my $class = $status eq 'failed' ? ", failure_class = 'hard_decline'" : '';

	return "UPDATE payments SET status = '$status'$class WHERE order_id = $order;";
}

sub outcome
{
	my ($customer, $status) = @_;
	my $order = order($customer);

	sql(outcome_sql($order, $status));
	return $order;
}

# ---------- the mail server and the program ----------

my $mail_server;
my %program_log;

sub set_rules
{
	my (%rules) = @_;

	append_to_file("$folder/rules.new", encode_json(\%rules));
	rename "$folder/rules.new", "$folder/rules" or die "$folder/rules: $!";
	return;
}

sub start_mail_server
{
	my $out = '';

	$mail_server = IPC::Run::start([ $python, "$FindBin::RealBin/smtp_server.py", $port, $folder ], '<', \undef, '>', \$out, '2>', "$folder/server.err",
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	push @running, $mail_server;
	$mail_server->pump until $out =~ /listening/;
	return;
}

sub stop_mail_server
{
	$mail_server->signal('TERM');
	$mail_server->finish;
	return;
}

sub start_program
{
	my ($name) = @_;
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGUSER => 'app', PGAPPNAME => $name,
		SMTP_HOST => '127.0.0.1', SMTP_PORT => $port, PAUSE => '0.05');

	my $program = IPC::Run::start([ $python, "$FindBin::RealBin/../examples/tell_customers.py" ], '<', \undef, '>', "$folder/$name.out", '2>', "$folder/$name.log");
	push @running, $program;
	return $program;
}

sub said { return slurp_file("$folder/$_[0].log"); }

# Each mail as a hash
sub mails
{
	my @mails;

	return () if !-e "$folder/mails";
	foreach my $line (split /\n/, slurp_file("$folder/mails"))
	{
		my $mail = decode_json($line);
		my ($head, $text) = split /\n\n/, $mail->{message} =~ s/\r\n/\n/gr, 2;

		push @mails, { recipients => $mail->{to}, text => $text, message => $mail->{message}, map { /^([\w-]+): (.*)/ ? (lc $1, $2) : () } split /\n(?!\s)/, $head };
		$mails[-1]{order} = ($mails[-1]{subject} =~ /^Order (\d+): /)[0];
	}
	return @mails;
}

sub mails_of
{
	my ($order) = @_;

	return grep { $_->{order} == $order } mails();
}

sub subjects { return join ', ', map { $_->{subject} =~ s/^Order \d+: //r } mails_of(@_); }

sub wait_until
{
	my ($condition, $name) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return pass($name) if $condition->();
		usleep(50_000);
	}
	diag(map { -e $_ ? slurp_file($_) : () } glob "$folder/*.log $folder/server.err $folder/mails");
	return fail($name);
}

sub is_told
{
	my ($order, $subjects, $name) = @_;

	return wait_until(sub { subjects($order) eq $subjects }, $name) || is(subjects($order), $subjects, $name);
}

# After this order all that was committed before it has been looked at.
sub is_dealt_with
{
	my ($name) = @_;

	return is_told(outcome(3, 'succeeded'), 'payment received', $name);
}

my $old = outcome(1, 'succeeded');

is($node->safe_psql('postgres', "SET ROLE app; SET search_path = shop, order_payment; SELECT ack_events('mail', array_agg(event_id)) FROM order_events;"),
	'4', 'what was before is not to be told');
set_rules();
start_mail_server();
my $program = start_program('first');

# ---------- what is told ----------

my @orders = (outcome(1, 'succeeded'), outcome(1, 'revoked'), outcome(2, 'failed'));

is_told($orders[0], 'payment received', 'a payment that succeeded');
is_told($orders[1], 'payment cancelled', 'one that was revoked');
is_told($orders[2], 'payment failed', 'one that failed');
is(sql('SELECT count(*) FROM due_retries()'), '0', 'for good');
is_told($orders[2], 'payment failed, please pay in another way', 'then the customer is asked to pay in another way');

my ($mail) = mails_of($orders[0]);
is_deeply([ @$mail{qw(recipients from subject text)} ],
	[ ['ann@example.com'], 'Shop <shop@example.com>', "Order $orders[0]: payment received", "We have received your payment of 12.50 EUR. Thank you.\n" ], 'what it says, and to whom');
is($mail->{'message-id'}, '<' . sql("SELECT event_id FROM order_events WHERE order_id = $orders[0] AND to_status = 'succeeded'") . '@shop.example.com>', 'its Message-ID is that of the event');

# ---------- never before COMMIT ----------

my $rolled_back = order(1);
my $open = order(2);
my $session = $node->background_psql('postgres', on_error_die => 1);

sql('BEGIN; ' . outcome_sql($rolled_back, 'succeeded') . ' ROLLBACK;');
$session->query_safe('SET search_path = shop, order_payment');
$session->query_safe('SET ROLE gateway');
$session->query_safe('BEGIN');
$session->query_safe(outcome_sql($open, 'succeeded'));
is_dealt_with('a payment that succeeded after that, and is committed');
is(subjects($rolled_back), '', 'nothing is told of what was rolled back');
is(subjects($open), '', 'nor of what is not committed');
$session->query_safe('COMMIT');
is_told($open, 'payment received', 'at COMMIT it is');
sql(outcome_sql($rolled_back, 'revoked'));
is_told($rolled_back, 'payment cancelled', 'of the other what came of it in the end');

# ---------- no usable address ----------

my %unreachable = map { $_ => outcome($_, 'succeeded') } 4 .. 8, 'NULL';
is_dealt_with('customers without a usable address hold nobody up');
foreach (sort keys %unreachable)
{
	is(subjects($unreachable{$_}), '', "customer $_ has none");
	like(said('first'), qr/order $unreachable{$_}: succeeded is not told, no usable address/, 'which is said');
}
is(scalar(grep { join(' ', @{ $_->{recipients} }) !~ /^(ann|bob|carol)\@example\.com$/ } mails()), 0, 'nobody else has got a mail');

# ---------- the mail server refuses ----------

set_rules(rcpt => { 'ann@example.com' => '451 4.2.1 Mailbox busy', 'bob@example.com' => '554 5.7.1 Relay access denied' }, data => { 'carol@example.com' => '452 4.3.1 Full' });
my @held = (order(1), order(2), order(3));
sql(outcome_sql($_, 'failed')) foreach @held;
sql('SELECT count(*) FROM due_retries()');
wait_until(sub { my $said = said('first'); $said =~ /order $held[0]: failed is refused: 451/ && $said =~ /order $held[1]: failed is refused: 554/
		  && $said =~ /order $held[2]: failed is not sent: .*452/ }, 'mails are refused for now, and that is said');
sql(outcome_sql($held[0], 'succeeded'));
set_rules(rcpt => { 'ann@example.com' => '451 4.2.1 Mailbox busy', 'bob@example.com' => '554 5.7.1 Relay access denied' });
is_told($held[2], 'payment failed, please pay in another way', 'one is taken: the others do not hold it up');
is(join('', map { subjects($_) } @held[ 0, 1 ]), '', 'they wait');
set_rules();
is_told($held[0], 'payment failed, please pay in another way, payment received', 'when they are taken, they come in order');
is_told($held[1], 'payment failed, please pay in another way', 'of each order');

set_rules(rcpt => { 'bob@example.com' => '550 5.1.1 No such mailbox' });
my $bad = outcome(2, 'succeeded');
is_dealt_with('an address that is refused for good holds nobody up');
set_rules();
is_dealt_with('nor is it tried again');
is(subjects($bad), '', 'nothing was told');
like(said('first'), qr/order $bad: succeeded is refused: 550 5\.1\.1/, 'which is said');

# ---------- the mail server is away ----------

stop_mail_server();
my @waiting = (order(1), order(2));
sql(outcome_sql($_, 'failed')) foreach @waiting;
sql('SELECT count(*) FROM due_retries()');
wait_until(sub { said('first') =~ /no mail server/ }, 'the mail server is down');
sql(outcome_sql($waiting[1], 'succeeded'));
start_mail_server();
is_told($waiting[0], 'payment failed, please pay in another way', 'once it is up, mails come');
is_told($waiting[1], 'payment failed, please pay in another way, payment received', 'in order');

set_rules(data => { 'ann@example.com' => 'drop' });
my $dropped = outcome(1, 'succeeded');
wait_until(sub { mails_of($dropped) >= 2 }, 'a mail whose answer is lost comes again');
is_dealt_with('it does not hold up others');
set_rules();

# ---------- the program is killed ----------

# After the mail was taken, while its acknowledgement waits for a lock. The server is to forget that session before it gets the lock.
set_rules(data => { 'bob@example.com' => 'wait' });
my $killed = outcome(2, 'succeeded');
is_told($killed, 'payment received', 'a mail is taken');
$session->query_safe('RESET ROLE');
$session->query_safe('BEGIN');
$session->query_safe(q{SELECT FROM event_consumers WHERE consumer = 'mail' FOR UPDATE});
append_to_file("$folder/go", '');
my $acknowledging = q{SELECT pid FROM pg_stat_activity WHERE application_name = 'first' AND wait_event_type = 'Lock' AND query LIKE '%ack_events%'};
ok($node->poll_query_until('postgres', "SELECT EXISTS ($acknowledging)"), 'it is being acknowledged');
my $second = start_program('second');
ok($node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'second' AND query LIKE '%pg_try_advisory_lock%')}), 'another copy stands by');
$program->kill_kill(grace => 0);
is($node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 60000) FROM ($acknowledging) a"), 't', 'the program is killed');
$session->query_safe('COMMIT');
set_rules();
wait_until(sub { mails_of($killed) == 2 }, 'the mail comes again, from the other copy');
is_dealt_with('which goes on with what follows');
my @twice = mails_of($killed);
is(scalar @twice, 2, 'once');
is($twice[1]{message}, $twice[0]{message}, 'it is the very same, so that a mailbox can drop it');

# ---------- in the end ----------

is(said('second'), '', 'nothing went wrong');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM order_payment.read_events('mail', 100, 'shop')}), 'every event is acknowledged');

# Of each order, the mails without repeats are those of its events, in order.
my %expected;
push @{ $expected{ (split /\|/)[0] } }, (split /\|/)[1] foreach split /\n/, sql(q{
SELECT order_id, '<' || event_id || '@shop.example.com>' FROM order_events JOIN orders USING (order_id)
WHERE entity = 'payment' AND to_status IN ('succeeded', 'failed', 'revoked', 'customer_contact_needed') AND customer_id <= 3 AND order_id NOT IN (} . "$bad, $old"
	  . q{) ORDER BY order_id, order_events.version});
my (%got, %seen, @repeated);
foreach my $mail (mails())
{
	my $id = $mail->{'message-id'};

	if ($seen{$id}++) { push @repeated, $mail->{order}; }
	else { push @{ $got{ $mail->{order} } }, $id; }
}
is_deeply(\%got, \%expected, 'every result has been told, each order\'s in order');
is_deeply([ grep { $_ != $dropped && $_ != $killed } @repeated ], [], 'and none twice but where an answer was lost');
cmp_ok(scalar keys %got, '>', 15, 'of many orders');

$session->quit;
$second->kill_kill(grace => 0);
stop_mail_server();
is(slurp_file("$folder/server.err"), '', 'the mail server has had no fault of its own');
$node->stop;
done_testing();
