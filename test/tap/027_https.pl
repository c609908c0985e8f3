
# Requests leave over verified TLS or not at all, and whatever comes back has one
# of three outcomes, while the process lives on and keeps nothing: no socket, no
# memory, no secret. The layer alone, in a backend; the worker on top of it has
# tests of its own.

use strict;
use warnings;

# More sockets than select() could watch, where the system allows it. By a shell, for Perl has no word for it, and
# before PostgreSQL::Test::Utils takes the output.
BEGIN
{
	if (!$ENV{DESCRIPTORS_RAISED})
	{
		$ENV{DESCRIPTORS_RAISED} = 1;
		exec 'sh', '-c', 'ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$@"', 'sh', $^X, (map { "-I$_" } grep { !ref } @INC), $0, @ARGV
		  or die "sh: $!";
	}
}

use File::Copy qw(copy);
use Digest::SHA qw(hmac_sha256);
use FindBin;
use lib "$FindBin::RealBin";

use GatewayTest;
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

# ---------- a module that sends requests ----------

my $build = PostgreSQL::Test::Utils::tempdir();
my $source = "$FindBin::RealBin/../../src";
my @parts = qw(address buffer curl_memory https request sockets transfer);

copy("$FindBin::RealBin/https_probe.c", $build) or die "https_probe.c: $!";
copy("$source/worker/$_.c", $build) or die "$_.c: $!" foreach @parts;
append_to_file("$build/Makefile", "MODULE_big = https_probe\nOBJS = " . join(' ', map { "$_.o" } 'https_probe', @parts) . "\n"
	. "PG_CPPFLAGS = -I$source -I$source/worker -DORDER_PAYMENT_VERSION='\"test\"'\nSHLIB_LINK = -lcurl\n"
	. "PGXS := \$(shell \$(PG_CONFIG) --pgxs)\ninclude \$(PGXS)\n");
{
	# what make has told prove is of another build
	local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
	system_or_bail('make', '-s', '-C', $build, 'with_llvm=no', 'PG_CONFIG=pg_config');
}

my $gateway = start_gateway();
my $ca = "$gateway->{folder}/ca.pem";
my $crl = "$gateway->{folder}/crl.pem";

# What an environment may say that must not be listened to. The server gets it with the rest.
my $home = PostgreSQL::Test::Utils::tempdir();
my $proxy = gateway_url($gateway, '', listener => 'plain', scheme => 'http');

append_to_file("$home/.netrc", "default login eve password secret\n");
chmod 0600, "$home/.netrc";
$ENV{HOME} = $home;
$ENV{$_} = $proxy foreach qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY);
$ENV{$_} = $ca foreach qw(CURL_CA_BUNDLE SSL_CERT_FILE);
delete $ENV{$_} foreach qw(no_proxy NO_PROXY);

# Nor does OpenSSL's configuration lower what is asked of TLS.
append_to_file("$home/openssl.cnf", "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = lowest\n"
	. "[lowest]\nMinProtocol = TLSv1\nCipherString = ALL:\@SECLEVEL=0\n");
$ENV{OPENSSL_CONF} = "$home/openssl.cnf";

my $node = PostgreSQL::Test::Cluster->new('https');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_duration_statement = -1\n");
$node->start;
$node->safe_psql('postgres', qq{
CREATE FUNCTION probe(urls text[], method text DEFAULT 'GET', headers text[] DEFAULT '{}', body bytea DEFAULT '', timeout_ms integer DEFAULT 10000,
		ca_file text DEFAULT '$ca', crl_file text DEFAULT '', allow_private boolean DEFAULT true, max_body integer DEFAULT 1048576,
		connect_ms integer DEFAULT 10000, one_by_one boolean DEFAULT false, OUT n integer, OUT outcome text, OUT status integer, OUT error text, OUT message text,
		OUT headers_out text[], OUT body_out bytea, OUT ms double precision)
	RETURNS SETOF record AS '$build/https_probe', 'https_probe' LANGUAGE c VOLATILE STRICT;
CREATE FUNCTION is_public(text) RETURNS boolean AS '$build/https_probe', 'https_address' LANGUAGE c STRICT;
CREATE FUNCTION secret(url text, ca_file text, OUT before integer, OUT sent integer, OUT after integer, OUT outcome text)
	AS '$build/https_probe', 'https_secret' LANGUAGE c STRICT;
CREATE FUNCTION threads_of(urls text[], OUT seen integer, OUT open integer) AS '$build/https_probe', 'https_threads' LANGUAGE c STRICT;
CREATE FUNCTION descriptors() RETURNS bigint LANGUAGE sql AS \$\$ SELECT count(*) FROM pg_ls_dir('/proc/self/fd') \$\$;
CREATE FUNCTION threads() RETURNS bigint LANGUAGE sql AS \$\$ SELECT count(*) FROM pg_ls_dir('/proc/self/task') \$\$;
CREATE FUNCTION kilobytes() RETURNS integer LANGUAGE sql AS \$\$ SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\\s+(\\d+)')::integer \$\$;
});

# All in one session, whose process must live to the end.
my $session = { out => '', err => '', in => '' };
$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err},
	IPC::Run::timeout(10 * $PostgreSQL::Test::Utils::timeout_default));

sub query
{
	my ($sql) = @_;

	$session->{out} = $session->{err} = '';
	$session->{in} .= "$sql;\n\\echo end of answer\n";
	$session->{run}->pump until $session->{out} =~ s/end of answer\n\z//;
	chomp $session->{out};
	return $session->{out};
}

# One request: outcome, error or status
sub outcome_of
{
	my ($url, $args) = @_;

	return query("SELECT concat_ws(' ', outcome, error, nullif(status, 0)) FROM probe(ARRAY['$url']" . ($args ? ", $args" : '') . ')');
}

sub behaviour
{
	my ($name, $query) = @_;

	return gateway_url($gateway, "/behave/$name" . ($query ? "?$query" : ''));
}

my $pid = query('SELECT pg_backend_pid()');

# ---------- a request, and what it carries ----------

my $good = gateway_url($gateway, '/payment/7');

is(query(qq{SELECT outcome, status, convert_from(body_out, 'UTF8')::jsonb ->> 'status', 'Content-Type: application/json' = ANY (headers_out), ms > 0
	FROM probe(ARRAY['$good'], 'POST', '{Idempotency-Key: abc, X-Empty:, Content-Type: application/json}', '{"amount": "12.00", "currency": "EUR"}')}),
	'answered|200|succeeded|t|t', 'a payment is answered');
is(scalar gateway_log($gateway, what => 'effect', key => 'abc'), 1, 'and has happened');
{
	my ($seen) = gateway_log($gateway, what => 'request', number => 'abc');

	is($seen->{bytes}, 38, 'the whole body has come');
	is("@{ $seen->{headers} }", 'accept content-length content-type host idempotency-key user-agent',
		'with our headers and no others: no password of .netrc, no cookie, no Expect, no Accept-Encoding');
}
is(scalar gateway_log($gateway, listener => 'plain'), 0, 'the proxy of the environment is not asked');
is(outcome_of($good . '?number=abc'), 'answered 200', 'GET');
foreach my $method ('HEAD', 'DELETE', 'PUT', 'PATCH')
{
	is(outcome_of(behaviour('x'), "'$method'"), 'answered 200', $method);
	is((gateway_log($gateway, method => $method))[-1]{target}, '/behave/x', "$method: is what was sent");
}
is(query("SELECT length(body_out) FROM probe(ARRAY['" . behaviour('x') . "'], 'HEAD')"), 0, 'HEAD has no body');
is(outcome_of(gateway_url($gateway, '/a/../b/./c')), 'answered 404', 'a path with dots');
is((gateway_log($gateway, what => 'request'))[-1]{target}, '/a/../b/./c', 'the path is sent as it was signed');
is(outcome_of(gateway_url($gateway, '/behave/x', host => 'localhost')), 'answered 200', 'a name is resolved');
is(query("SELECT convert_from(body_out, 'UTF8')::jsonb ->> 'received' FROM probe(ARRAY['" . behaviour('x') . "'], 'POST', '{}', repeat('x', 3000000)::bytea)"),
	3000000, 'a large body is sent at once');

# ---------- TLS that must be refused ----------

foreach my $case (
	[ 'expired', 'certificate_refused' ], [ 'self_signed', 'certificate_refused' ], [ 'wrong_host', 'certificate_refused' ],
	[ 'other_ca', 'certificate_refused' ], [ 'tls1_0', 'tls_failed' ], [ 'tls1_1', 'tls_failed' ], [ 'revoked', 'certificate_refused', $crl ],
	[ 'garbage', 'tls_failed' ])
{
	my ($listener, $error, $crl_file) = @$case;

	is(outcome_of(gateway_url($gateway, '/payment/7', listener => $listener),
			"'POST', '{Idempotency-Key: $listener}', '{}'" . ($crl_file ? ", crl_file => '$crl_file'" : '')),
		"not sent $error", "TLS refused: $listener");
	is(scalar(grep { $_->{bytes} && $_->{listener} eq $listener && $_->{what} eq 'request' } gateway_log($gateway)), 0, "$listener: no request has arrived");
}
is(scalar(grep { $_->{what} eq 'part' } gateway_log($gateway)), 0, 'nor a part of one');
is(scalar(gateway_log($gateway, what => 'effect')), 1, 'nothing has happened');
foreach my $listener ('good', 'tls1_2', 'tls1_3')
{
	is(outcome_of(gateway_url($gateway, '/behave/x', listener => $listener), "crl_file => '$crl'"), 'answered 200', "TLS taken: $listener");
}
is(outcome_of(gateway_url($gateway, '/behave/x', listener => 'revoked')), 'answered 200', 'without a list nothing is revoked');
is(outcome_of(behaviour('x'), "ca_file => ''"), 'not sent certificate_refused', 'the system trusts no test, whatever the environment says');
is(outcome_of(behaviour('x'), "ca_file => '$gateway->{folder}/none.pem'"), 'not sent trust_unusable', 'a file to trust that is not there');
is(outcome_of(behaviour('x'), "ca_file => '$build/Makefile'"), 'not sent trust_unusable', 'a file to trust without certificates');
is(outcome_of(behaviour('x'), "crl_file => '$gateway->{folder}/none.pem'"), 'not sent trust_unusable', 'a list of revoked ones that is not there');

foreach my $to (gateway_url($gateway, '/payment/8', listener => 'plain', scheme => 'http'), 'http://169.254.169.254/latest/meta-data/',
	'file:///etc/passwd', gateway_url($gateway, '/payment/8'), '//elsewhere', behaviour('redirect'))
{
	foreach my $status (301, 302, 307, 308)
	{
		is(outcome_of(behaviour('redirect', "status=$status&to=$to"), "'POST', '{}', '{}'"), "answered $status", "redirect $status to $to: told");
	}
}
is(scalar(grep { ($_->{target} // '') eq '/payment/8' } gateway_log($gateway)), 0, 'and never followed');
is(scalar gateway_log($gateway, listener => 'plain', what => 'request'), 0, 'nor anywhere without TLS');

# ---------- what is no request ----------

foreach my $url ('http://127.0.0.1/', 'file:///etc/passwd', 'ftp://127.0.0.1/', 'HTTP://127.0.0.1/', 'gopher://127.0.0.1/', '', 'https://',
	'127.0.0.1', 'https://user:word@127.0.0.1/', 'https://127.0.0.1:99999/', 'https://a b/', 'https://127.0.0.1/ x', "https://127.0.0.1/\\u00e9",
	'https://127.0.0.1/\\r\\nX: y', 'https://127.0.0.1/\\nX', 'https://127.0.0.1/\\t', 'https://127.0.0.1/' . 'x' x 9000)
{
	is(query("SELECT concat_ws(' ', outcome, error) FROM probe(ARRAY[E'$url'])"), 'not sent bad_request', 'URL refused: ' . substr $url, 0, 50);
}
foreach my $header ('X: a\\r\\nInjected: b', 'X: a\\nb', 'X: a\\rb', 'X: \\x01', 'X: a\\x7f', 'X: \\tb', 'no colon', ': b', ' X: b', 'X Y: b', 'X\\u00e9: b',
	'Content-Length: 3', 'content-length: 3', 'Transfer-Encoding: chunked', 'Host: elsewhere', 'Connection: close', 'Expect: 100-continue',
	'Cookie: a=b', 'X: ' . 'x' x 17000)
{
	is(query("SELECT concat_ws(' ', outcome, error) FROM probe(ARRAY['" . behaviour('header') . "'], 'POST', ARRAY[E'$header'])"), 'not sent bad_request',
		'header refused: ' . substr $header, 0, 50);
}
foreach my $method ('', 'get', 'GET ', 'GE T', 'GET\\r\\n', 'POST /x HTTP/1.1\\r\\nX:', 'CONNECT', 'TRACE', 'X' x 17)
{
	is(query("SELECT concat_ws(' ', outcome, error) FROM probe(ARRAY['" . behaviour('method') . "'], E'$method')"), 'not sent bad_request',
		"method refused: $method");
}
is(query("SELECT concat_ws(' ', outcome, error) FROM probe(ARRAY['" . behaviour('method') . "'], 'GET', '{}', 'x')"), 'not sent bad_request', 'GET with a body');
is(query("SELECT concat_ws(' ', outcome, error) FROM probe(ARRAY['" . behaviour('method') . "'], 'POST', ARRAY(SELECT 'X-' || i || ': y' FROM generate_series(1, 65) i))"),
	'not sent bad_request', 'too many headers');
is(scalar(grep { ($_->{target} // '') =~ m{/behave/(header|method)} } gateway_log($gateway)), 0, 'none of them was sent');

# ---------- addresses ----------

foreach my $address (qw(0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1
	172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
	239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
	64:ff9b::127.0.0.1 64:ff9b::10.1.2.3 64:ff9b:1::808:808 100::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1
	2002:c0a8:1::1 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1 ffff::1))
{
	is(query("SELECT is_public('$address')"), 'f', "not public: $address");
}
foreach my $address (qw(1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255 172.15.255.255
	172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888
	2001:200::1 2400:cb00::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 3ffe::1))
{
	is(query("SELECT is_public('$address')"), 't', "public: $address");
}

my $before = scalar gateway_log($gateway);

foreach my $host ('127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '0.0.0.0', '[64:ff9b::127.0.0.1]',
	'169.254.169.254', '10.0.0.1', '192.168.1.1', '[fe80::1]', '[fd00::1]')
{
	is(outcome_of(gateway_url($gateway, '/payment/7', host => $host), "'POST', allow_private => false"), 'not sent address_refused', "address refused: $host");
}
is(scalar gateway_log($gateway), $before, 'none of them was connected to');

# ---------- no connection ----------

is(outcome_of('https://127.0.0.1:1/'), 'not sent not_connected', 'nobody listens');
# where nobody answers for names, that takes its time
like(outcome_of('https://gateway.invalid/'), qr/^not sent (name_not_resolved|timeout)$/, 'a name that is none');
{
	my ($seen, $open) = split /\|/, query("SELECT * FROM threads_of(ARRAY(SELECT 'https://' || i || '.gateway.invalid/' FROM generate_series(1, 100) i))");

	cmp_ok($seen, '>', 0, 'names are resolved in threads');
	is($open, 0, 'which no signal can reach');
}
is(outcome_of(gateway_url($gateway, '/payment/7', listener => 'silent'), 'connect_ms => 300'), 'not sent timeout', 'a handshake that is not answered');
is(outcome_of(gateway_url($gateway, '/payment/7', listener => 'silent'), 'timeout_ms => 300'), 'not sent timeout', 'nor in all the time there is');
is(outcome_of(gateway_url($gateway, '/payment/7', listener => 'plain'), 'connect_ms => 300'), 'not sent timeout', 'a server without TLS');

# ---------- answers ----------

# Later releases of libcurl ask TLS whether the other side has ended the connection, and refuse
# codings that were not asked for, and lengths that differ. Half an answer is none, whatever it is called.
my $refused = qr/^(?:answered 200|lost reply_malformed)$/;
my $cut = qr/^lost (?:reply_malformed|connection_lost)$/;
my %expected = (
	empty => 'answered 200',
	no_content => 'answered 204',
	not_modified => 'answered 304',
	continue => 'answered 200',
	endless_continue => 'lost reply_too_large',
	switch => 'lost reply_malformed',
	retry_after => 'answered 429',
	'retry_after?to=1000000000' => 'answered 429',
	'retry_after?to=Fri,%2031%20Dec%201999%2023:59:59%20GMT' => 'answered 429',
	status => 'answered 500',
	'status?status=402' => 'answered 402',
	'status?status=999' => 'answered 999',
	html => 'answered 502',
	chunked => 'answered 200',
	wrong_type => 'answered 200',
	other_number => 'answered 200',
	old_date => 'answered 200',
	cookie => 'answered 200',
	odd_headers => 'answered 200',
	length_short => 'answered 200',
	two_replies => 'answered 200',
	gzip_bomb => 'answered 200',
	reset_before => 'lost connection_lost',
	reset_in_head => 'lost connection_lost',
	reset_inside => 'lost connection_lost',
	reset_after => 'answered 200',
	close_before => 'lost connection_lost',
	close_inside => 'lost connection_lost',
	until_close => 'lost reply_malformed',
	no_close_notify => $cut,
	transfer_unbound => $cut,
	tls_alert => 'lost connection_lost',
	tls_garbage => 'lost connection_lost',
	oversize => 'lost reply_too_large',
	oversize_chunked => 'lost reply_too_large',
	chunked_broken => 'lost connection_lost',
	chunked_cut => 'lost connection_lost',
	length_long => 'lost connection_lost',
	length_negative => 'lost reply_malformed',
	length_huge => 'lost reply_too_large',
	two_lengths => $refused,
	no_colon => 'lost reply_malformed',
	zero_in_header => 'lost reply_malformed',
	huge_header => 'lost reply_too_large',
	many_headers => 'lost reply_too_large',
	garbage => 'lost reply_malformed',
	http_0_9 => 'lost reply_malformed',
	bad_status => 'lost reply_malformed',
	version_9 => 'lost reply_malformed',
	gzip_transfer => $refused,
	'late?seconds=0.5' => 'answered 200',
	'late?seconds=10' => 'lost timeout',
	silent => 'lost timeout',
	'slow?seconds=0.2' => 'lost timeout',
);

foreach my $name (sort keys %expected)
{
	my $expected = $expected{$name};

	like(outcome_of(behaviour(split /\?/, $name), "'POST', '{}', '{}', 4000"), ref $expected ? $expected : qr/^\Q$expected\E$/, "answer: $name");
	is(scalar(grep { ($_->{target} // '') eq "/behave/$name" } gateway_log($gateway)), 1, "$name: was sent once");
}

is(query("SELECT convert_from(body_out, 'UTF8') FROM probe(ARRAY['" . behaviour('chunked') . "'])"), '{"said": "chunked", "received": 0}', 'chunks become one body');
is(query("SELECT body_out FROM probe(ARRAY['" . behaviour('length_short') . "'])"), '\x7b22736169', 'what is beyond the length is not of the body');
is(query("SELECT substr(body_out, 1, 2), length(body_out) < 100000 FROM probe(ARRAY['" . behaviour('gzip_bomb') . "'])"), '\x1f8b|t',
	'nobody decodes what was not asked for');
is(query("SELECT headers_out FROM probe(ARRAY['" . behaviour('continue') . "'])"), '{"Content-Type: application/json","Content-Length: 35"}',
	'headers are those of the answer, not of what was said before it');
is(query("SELECT count(*), count(body_out) FILTER (WHERE body_out <> ''), count(*) FILTER (WHERE headers_out <> '{}') FROM probe(ARRAY['" . behaviour('close_inside') . "'])"),
	'1|0|0', 'of half an answer nothing is shown');
is(query("SELECT outcome FROM probe(ARRAY['" . behaviour('x') . "'], max_body => 28)"), 'answered', 'the bound of the body itself');
is(query("SELECT outcome || ' ' || error FROM probe(ARRAY['" . behaviour('x') . "'], max_body => 27)"), 'lost reply_too_large', 'one byte above it');

# ---------- many at a time ----------

sub together
{
	my ($n, $to, $host) = @_;
	my $url = gateway_url($gateway, "/behave/together?size=$n&to=$to", host => $host);

	return query("SELECT count(*), count(DISTINCT n), count(*) FILTER (WHERE outcome = 'answered' AND status = 200), min(n), max(n)
		FROM probe(ARRAY(SELECT '$url' FROM generate_series(1, $n)), 'POST', '{}', '{}', 55000, connect_ms => 55000)");
}

is(together(200, 'number', '127.0.0.1'), '200|200|200|1|200', '200 requests at once');
is(together(100, 'name', 'localhost'), '100|100|100|1|100', '100 requests at once, to a name');

SKIP:
{
	my $limit = `sh -c 'ulimit -n'`;

	skip 'needs 3000 descriptors', 1 if $limit !~ /^unlimited/ && $limit < 3000;
	is(together(1100, 'many', '127.0.0.1'), '1100|1100|1100|1|1100', '1100 requests at once, more than select() could watch');
}
is(query("SELECT outcome, error, count(*) FROM probe(ARRAY(SELECT CASE i % 4 WHEN 0 THEN '" . behaviour('x') . "' WHEN 1 THEN '" . behaviour('reset_before')
		. "' WHEN 2 THEN 'https://127.0.0.1:1/' ELSE '" . gateway_url($gateway, '/', listener => 'expired')
		. "' END FROM generate_series(1, 100) i)) GROUP BY 1, 2 ORDER BY 1, 2"),
	"answered||25\nlost|connection_lost|25\nnot sent|certificate_refused|25\nnot sent|not_connected|25", 'each has the outcome that is its own');

my $connections = scalar gateway_log($gateway, what => 'connection', listener => 'good');

is(query("SELECT string_agg(convert_from(body_out, 'UTF8')::jsonb ->> 'said', ' ' ORDER BY n) FROM probe(ARRAY['" . join("', '", map { behaviour($_) } 'x', 'two_replies', 'y', 'z')
		. "'], one_by_one => true)"), 'x two_replies y z', 'one after the other, each has the answer that is its own');
is(scalar gateway_log($gateway, what => 'connection', listener => 'good'), $connections + 4, 'for no connection serves two');

# ---------- what the gateway of these tests does, for others rely on it ----------

sub answer_of
{
	my ($path, $key, $method) = @_;
	my $url = gateway_url($gateway, $path);

	return query("SELECT coalesce(error, status || ' ' || (convert_from(body_out, 'UTF8')::jsonb ->> 'status')) FROM probe(ARRAY['$url'], '" . ($method // 'POST')
		. "', '{Idempotency-Key: $key}', '" . (($method // '') eq 'GET' ? '' : '{"amount": "5.00"}') . "')");
}

sub effects { return scalar gateway_log($gateway, what => 'effect', key => $_[0]) }

set_rules($gateway,
	{ number => 'k1', method => 'POST', times => 1, do => 'reset_before' },
	{ number => 'k2', method => 'POST', times => 1, do => 'reset_before', effect => JSON::PP::false },
	{ number => 'k3', method => 'POST', result => { status => 'failed', failure_code => 'card_declined' } },
	{ number => 'k4', method => 'POST', result => { status => 'processing' } },
	{ number => 'k4', method => 'GET', result => { status => 'succeeded' } },
	{ amount => '5.00', path => '/void/', status => 503, body => '{"status": "busy"}' });
is(answer_of('/payment/1', 'k1'), 'connection_lost', 'an answer that was lost');
is(effects('k1'), 1, 'of what was done');
is(answer_of('/payment/1', 'k1', 'GET'), '200 succeeded', 'asked, it says so');
is(answer_of('/payment/1', 'k1'), '200 succeeded', 'once more: the same answer');
is(effects('k1'), 1, 'and nothing else done');
is(answer_of('/payment/2', 'k1'), '409 failed', 'the key again for something else');
is(answer_of('/payment/1', 'k2'), 'connection_lost', 'an answer that was lost');
is(effects('k2'), 0, 'of what was not done');
is(answer_of('/payment/1', 'k2', 'GET'), '404 not_found', 'asked, it says so');
is(answer_of('/payment/1', 'k3'), '200 failed', 'declined');
is(effects('k3'), 0, 'and not done');
is(answer_of('/refund/1', 'k4'), '200 processing', 'not done yet');
is(effects('k4'), 0, 'and so it stands in the log');
is(answer_of('/refund/1', 'k4', 'GET'), '200 succeeded', 'done meanwhile') foreach 1 .. 2;
is(effects('k4'), 1, 'once');
is(answer_of('/void/1', 'k5'), '503 busy', 'a status, and a body');
kill_gateway($gateway);
start_gateway($gateway);
is(answer_of('/payment/1', 'k1', 'GET'), '200 succeeded', 'killed and started again, it knows what it has done');
is(answer_of('/refund/1', 'k4', 'GET'), '200 succeeded', 'all of it');
is(effects('k1') + effects('k4'), 2, 'and did nothing twice');
{
	my $now = time;
	my $url = gateway_url($gateway, '/payment/9');
	my $body = '{"amount": "5.00", "card_number": "4242424242424242"}';
	my $signature = encode_base64(hmac_sha256("k9." . int($now) . ".$body", 'key of 24 bytes and more'), '');
	my $signed = sub {
		my ($signature, $authorization) = @_;

		return query("SELECT status FROM probe(ARRAY['$url'], 'POST', ARRAY['Idempotency-Key: k9', 'Webhook-Id: k9', 'Webhook-Timestamp: " . int($now)
			. "', 'Webhook-Signature: v1,AAAA v1,$signature', 'Authorization: $authorization'], '$body')");
	};

	set_control($gateway, authorization => 'Bearer secret', webhook_secret => encode_base64('key of 24 bytes and more', ''));
	is($signed->($signature =~ tr/A-Za-z/B-ZAb-za/r, 'Bearer secret'), 401, 'a signature that is wrong');
	is($signed->($signature, 'Bearer {{api_key}}'), 401, 'a key that is wrong');
	is(effects('k9'), 0, 'nothing is done');
	is($signed->($signature, 'Bearer secret'), 200, 'signature and key');
	is(effects('k9'), 1, 'done');
	my @seen = gateway_log($gateway, what => 'request', number => 'k9');

	is(join(' ', map { ($_->{placeholders} ? 'placeholder' : 'none') . " $_->{card}" } @seen), 'none 4242 placeholder 4242 none 4242',
		'its log tells of placeholders that were left, and which card it was');
}
set_rules($gateway);

# ---------- nothing is left behind ----------

my $silent = behaviour('silent');
my $descriptors = query('SELECT descriptors()');

is(query('SELECT threads()'), 1, 'threads that resolve names are gone');
foreach my $round (1 .. 5)
{
	query('SET statement_timeout = 300');
	query("SELECT count(*) FROM probe(ARRAY(SELECT '$silent' FROM generate_series(1, 50)))");
	like($session->{err}, qr/canceling statement due to statement timeout/, "canceled with 50 in flight, $round");
	query('RESET statement_timeout');
}
is(query('SELECT descriptors()'), $descriptors, 'a cancel leaves no descriptor open');

query(qq{
DO \$\$
BEGIN
	PERFORM set_config('statement_timeout', '0', false);
	PERFORM 1 / (count(*) - 1) FROM probe(ARRAY['https://127.0.0.1:1/']);
EXCEPTION WHEN division_by_zero THEN NULL;
END \$\$});
is(query('SELECT descriptors()'), $descriptors, 'nor does an error');

# The first thousands fill what libcurl, OpenSSL and malloc() keep.
my $mixed = "SELECT count(*) FROM generate_series(1, 25) g, LATERAL (SELECT count(*) FROM probe(ARRAY(SELECT CASE i % 5 WHEN 0 THEN '" . behaviour('x') . "' WHEN 1 THEN '"
	. behaviour('reset_inside') . "' WHEN 2 THEN 'https://127.0.0.1:1/' WHEN 3 THEN '" . behaviour('chunked') . "' ELSE 'https://a b/' END
	FROM generate_series(1, 40) i WHERE g > 0))) c";

query($mixed);
my $warm = query('SELECT kilobytes()');

query($mixed) foreach 1 .. 3;
cmp_ok(query('SELECT kilobytes()') - $warm, '<', 1024, 'memory stays the same over 3000 requests');
is(query('SELECT descriptors()'), $descriptors, 'and so do descriptors');

# ---------- no secret stays in memory ----------

foreach my $case ([ 'late?seconds=0.3', 'answered' ], [ 'reset_inside', 'lost' ])
{
	my ($name, $outcome) = @$case;
	my ($first, $sent, $after, $was) = split /\|/, query("SELECT * FROM secret('" . behaviour(split /\?/, $name) . "', '$ca')");

	is($first, 0, "$name: the secret is not there before");
	cmp_ok($sent, '>', 0, "$name: while the request is on its way, it is");
	is($after, 0, "$name: when it is over, it is gone");
	is($was, $outcome, "$name: which was $outcome");
}

# ---------- the end of a process, and a word from elsewhere ----------

is(query('SELECT pg_backend_pid()'), $pid, 'the process has lived through it all');
{
	my $start = time;
	my $other = $node->background_psql('postgres');

	$other->query_until(qr/begun/, "\\echo begun\nSELECT count(*) FROM probe(ARRAY(SELECT '$silent' FROM generate_series(1, 20)));\n");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%FROM probe%' AND pid <> pg_backend_pid() AND wait_event = 'Extension'")
		or die 'it does not wait';
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%FROM probe%' AND pid <> pg_backend_pid() AND state = 'active'");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%FROM probe%' AND pid <> pg_backend_pid() AND state = 'active'"),
		'a process that is told to end does');
	cmp_ok(time - $start, '<', 8, 'at once');
	eval { $other->quit };
}

$session->{run}->finish;
$node->stop;
stop_gateway($gateway);

done_testing();
