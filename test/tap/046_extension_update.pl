
# ALTER EXTENSION UPDATE makes what a fresh CREATE EXTENSION makes, object by object
# (test/upgrade/objects.sql), and the library of the new release serves the SQL of
# the old one: a store that was made and filled before goes on, before and after.
#
# All of it happens in an installation of its own: a work copy of the sources is
# built, and installed into a relocated copy of the server. An update is
# sql/order_payment--A--B.sql; to begin at A, the install script of that release is
# wanted as well, as it was then: test/upgrade/order_payment--A.sql. (At a release:
# copy sql/order_payment--A.sql there, before the version is raised.)
#
# As long as there is no update, one is made up: a release that changes and brings
# an object of each kind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin";

use Cwd qw(realpath);
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StoreTest;
use Test::More;

my $source = realpath("$FindBin::RealBin/../..");
my $work = realpath(PostgreSQL::Test::Utils::tempdir());  # which later releases name from the working directory
my ($tree, $root) = ("$work/tree", "$work/root");

sub write_file
{
	my ($path, $text) = @_;

	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	return;
}

# Runs it, and ends the test if it fails.
sub run_or_die
{
	my (@command) = @_;
	my ($out, $err);

	IPC::Run::run(\@command, '<', File::Spec->devnull, '>', \$out, '2>', \$err) or die "@command: $out$err";
	return $out;
}

# ---------- an installation of its own ----------

# A directory at the same path below the root, whose files are links to those there; but for ours, and for those that are copied.
sub mirror_directory
{
	my ($path, $is_copied) = @_;

	make_path("$root$path");
	foreach my $file (grep { !/^\.\.?$/ && !/^order_payment/ } PostgreSQL::Test::Utils::slurp_dir($path))
	{
		next if -e "$root$path/$file";
		if ($is_copied && $is_copied->($file))
		{
			copy("$path/$file", "$root$path/$file") or die "$path/$file: $!";
			chmod 0755, "$root$path/$file" or die "$file: $!";
		}
		else { symlink realpath("$path/$file"), "$root$path/$file" or die "$path/$file: $!"; }
	}
	return;
}

my %of_server = map { $_ => run_or_die('pg_config', "--$_") =~ s/\s+\z//r } qw(bindir pkglibdir sharedir includedir pkgincludedir includedir-server);

# A program finds the other directories from the one that it is in: those that look are copies, for links are followed first.
mirror_directory($of_server{bindir}, sub { $_[0] =~ /^(postgres|initdb|pg_ctl|pg_config)$/ });
mirror_directory($of_server{pkglibdir});
mirror_directory("$of_server{sharedir}/extension");
mirror_directory($of_server{sharedir});
foreach my $headers (map { s{/+\z}{}r } @of_server{qw(includedir pkgincludedir includedir-server)})
{
	next if -e "$root$headers";
	make_path(dirname("$root$headers"));
	symlink $headers, "$root$headers" or die "$headers: $!";
}
my $config = "$root$of_server{bindir}/pg_config";
my $extension_directory = run_or_die($config, '--sharedir') =~ s/\s+\z//r . '/extension';
is($extension_directory, "$root$of_server{sharedir}/extension", 'the copy of the server is one of its own');

# ---------- the sources ----------

my @updates = map { basename($_) } glob "$source/sql/order_payment--*--*.sql";

make_path("$tree/src/worker", "$tree/sql");
copy("$source/$_", "$tree/$_") or die "$_: $!" foreach qw(Makefile order_payment.control), map { "sql/$_" } @updates;
copy($_, "$tree/src") or die "$_: $!" foreach glob "$source/src/*.[ch] $source/src/*.sql";

my @make = ('make', '-s', '-C', $tree, "PG_CONFIG=$config", 'with_llvm=no', 'WITH_WORKER=no');
foreach my $document (split ' ', run_or_die(@make, '--eval', 'documents: ; @echo $(DOC_FILES) $(EXAMPLES)', 'documents'))
{
	make_path(dirname("$tree/$document"));
	copy("$source/$document", "$tree/$document") or die "$document: $!";
}

sub version { return slurp_file("$tree/order_payment.control") =~ /^default_version = '(.*)'/m ? $1 : die 'order_payment.control tells no version'; }

# Replaces what must be there once.
sub edit
{
	my ($path, $pattern, $replacement) = @_;
	my $text = slurp_file("$tree/$path");

	1 == ($text =~ s/$pattern/$replacement/) or die "$path does not have $pattern";
	write_file("$tree/$path", $text);
	return;
}

# In a new release, made at once …
my $fresh_part = q{
CREATE TYPE order_payment.remark AS (body text, by_whom name);
CREATE TABLE order_payment.remarks (
	remark_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT remarks_pkey PRIMARY KEY,
	about order_payment.order_status NOT NULL DEFAULT 'paid',
	body text CONSTRAINT remarks_body_check CHECK (body <> '')
);
CREATE INDEX remarks_about_idx ON order_payment.remarks (about) WHERE about > 'paid';
COMMENT ON COLUMN order_payment.remarks.body IS 'what was remarked';
SELECT pg_catalog.pg_extension_config_dump('order_payment.remarks', 'WHERE remark_id > 10');
SELECT pg_catalog.pg_extension_config_dump('order_payment.remarks_remark_id_seq', '');
ALTER TABLE order_payment.reseal_runs ADD COLUMN remark text;
CREATE FUNCTION order_payment.is_behind(status order_payment.order_status, than order_payment.order_status DEFAULT 'paid') RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE BEGIN ATOMIC SELECT status OPERATOR(pg_catalog.>) than; END;
CREATE FUNCTION order_payment.checks(number text) RETURNS boolean AS 'MODULE_PATHNAME', 'op_luhn_valid' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.last_remark(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE BEGIN ATOMIC SELECT coalesce(b, a); END;
CREATE AGGREGATE order_payment.last_remark(text) (SFUNC = order_payment.last_remark, STYPE = text, PARALLEL = SAFE);
CREATE OPERATOR pg_catalog.?> (FUNCTION = order_payment.is_behind, LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE FUNCTION order_payment.to_remark(body text) RETURNS order_payment.remark LANGUAGE sql STABLE BEGIN ATOMIC SELECT ROW(body, CURRENT_USER)::order_payment.remark; END;
CREATE CAST (text AS order_payment.remark) WITH FUNCTION order_payment.to_remark(text) AS ASSIGNMENT;
CREATE VIEW order_payment.late_remarks AS SELECT remark_id, body FROM order_payment.remarks WHERE about OPERATOR(pg_catalog.>) 'paid';
REVOKE ALL ON FUNCTION order_payment.is_behind(order_payment.order_status, order_payment.order_status) FROM PUBLIC;
GRANT SELECT ON order_payment.remarks, order_payment.late_remarks TO PUBLIC;
};

# … and by an update in other ways, from what there was.
my $update_part = q{
ALTER FUNCTION order_payment.net_amount(numeric, numeric) COST 2;
ALTER TABLE order_payment.reseal_runs ADD COLUMN remark text;
CREATE TYPE order_payment.remark AS (body text);
ALTER TYPE order_payment.remark ADD ATTRIBUTE by_whom name;
CREATE TABLE order_payment.remarks (remark_id integer NOT NULL GENERATED ALWAYS AS IDENTITY, about order_payment.order_status NOT NULL, gone bytea);
ALTER TABLE order_payment.remarks DROP COLUMN gone;
ALTER TABLE order_payment.remarks ADD COLUMN body text;
ALTER TABLE order_payment.remarks ALTER about SET DEFAULT 'paid', ADD CONSTRAINT remarks_body_check CHECK (body <> ''), ADD CONSTRAINT remarks_pkey PRIMARY KEY (remark_id);
CREATE INDEX remarks_about_idx ON order_payment.remarks (about) WHERE about > 'paid';
GRANT SELECT ON order_payment.remarks TO PUBLIC;
COMMENT ON COLUMN order_payment.remarks.body IS 'what was remarked';
SELECT pg_catalog.pg_extension_config_dump('order_payment.remarks_remark_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('order_payment.remarks', '');
SELECT pg_catalog.pg_extension_config_dump('order_payment.remarks', 'WHERE remark_id > 10');
CREATE FUNCTION order_payment.is_behind(status order_payment.order_status, than order_payment.order_status DEFAULT 'shipped') RETURNS boolean LANGUAGE sql AS 'SELECT true';
REVOKE ALL ON FUNCTION order_payment.is_behind(order_payment.order_status, order_payment.order_status) FROM PUBLIC;
CREATE OPERATOR pg_catalog.?> (FUNCTION = order_payment.is_behind, LEFTARG = order_payment.order_status, RIGHTARG = order_payment.order_status);
ALTER OPERATOR pg_catalog.?> (order_payment.order_status, order_payment.order_status) SET (RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OR REPLACE FUNCTION order_payment.is_behind(status order_payment.order_status, than order_payment.order_status DEFAULT 'paid') RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE BEGIN ATOMIC SELECT status OPERATOR(pg_catalog.>) than; END;
CREATE FUNCTION order_payment.checks(number text) RETURNS boolean AS 'MODULE_PATHNAME', 'op_luhn_valid' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION order_payment.last_remark(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT coalesce(b, a); END;
ALTER FUNCTION order_payment.last_remark(text, text) PARALLEL SAFE;
CREATE AGGREGATE order_payment.last_remark(text) (SFUNC = order_payment.last_remark, STYPE = text, PARALLEL = SAFE);
CREATE FUNCTION order_payment.to_remark(body text) RETURNS order_payment.remark LANGUAGE sql STABLE BEGIN ATOMIC SELECT ROW(body, CURRENT_USER)::order_payment.remark; END;
CREATE CAST (text AS order_payment.remark) WITH FUNCTION order_payment.to_remark(text) AS ASSIGNMENT;
CREATE VIEW order_payment.late_remarks AS SELECT remark_id, body FROM order_payment.remarks WHERE about OPERATOR(pg_catalog.>) 'shipped';
CREATE OR REPLACE VIEW order_payment.late_remarks AS SELECT remark_id, body FROM order_payment.remarks WHERE about OPERATOR(pg_catalog.>) 'paid';
GRANT SELECT ON order_payment.late_remarks TO PUBLIC;
};

# The release after this one. The old one's install script becomes what it would have left in test/upgrade.
sub make_up_release
{
	my $old = version();
	my $new = "$old.1";

	run_or_die(@make, "sql/order_payment--$old.sql");
	rename "$tree/sql/order_payment--$old.sql", "$tree/order_payment--$old.sql" or die "install script: $!";
	edit('order_payment.control', qr/^default_version = .*$/m, "default_version = '$new'");
	edit('Makefile', qr{(?=^\tsrc/privileges\.sql$)}m, "\tsrc/made_up.sql \\\n");
	edit('src/card_text.sql', qr/'twelve stars and/, q{'a dozen stars and});
	edit('src/money.sql', qr/(CREATE FUNCTION order_payment\.net_amount\(amount numeric, fee numeric\).*?PARALLEL SAFE);/s, q{CREATE FUNCTION order_payment.net_amount(amount numeric, fee numeric) RETURNS numeric
	AS 'MODULE_PATHNAME', 'op_net_amount' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;});
	write_file("$tree/src/made_up.sql", $fresh_part);
	my ($comment) = slurp_file("$tree/src/card_text.sql") =~ /(COMMENT ON FUNCTION order_payment\.card_mask\(text\) IS\n.*?';\n)/s;
	my $update = "order_payment--$old--$new.sql";
	write_file("$tree/sql/$update", "\\echo Use \"ALTER EXTENSION order_payment UPDATE\" to load this file. \\quit\n$comment$update_part");
	return $update;
}

my $is_made_up = !@updates;
@updates = make_up_release() if $is_made_up;
note('updates: ' . join(', ', @updates) . ($is_made_up ? ' (made up)' : ''));

run_or_die(@make, '-j2');
run_or_die(@make, 'install');

my $now = version();
my %from = map { /^order_payment--(.*)--.*\.sql$/ ? ($1 => 1) : die "the name of $_ is none of an update" } @updates;
delete $from{$now};
foreach my $version (sort keys %from)
{
	my $script = $is_made_up ? "$tree/order_payment--$version.sql" : "$source/test/upgrade/order_payment--$version.sql";

	ok(-e $script, "the install script of $version is here") or die "$script is missing";
	copy($script, $extension_directory) or die "$script: $!";
}

# ---------- object by object ----------

my $node = make_cluster('update', new => { install_path => dirname("$root$of_server{bindir}") });

# The lines of objects.sql, after a statement that is taken back.
sub objects
{
	my ($database, $statement) = @_;
	my $script = "$source/test/upgrade/objects.sql";

	return split /\n/, $node->safe_psql($database, defined $statement ? "BEGIN;\n$statement\n\\i $script\nROLLBACK;" : "\\i $script");
}

# What two lists do not share, "<" before what only the first one has
sub differences
{
	my ($one, $other) = @_;
	my %count;

	$count{$_}++ foreach @$one;
	$count{$_}-- foreach @$other;
	return map { ($count{$_} > 0 ? '< ' : '> ') . $_ } grep { $count{$_} } sort keys %count;
}

sub is_equal
{
	my ($one, $other, $name) = @_;
	my @differences = differences($one, $other);

	is(scalar @differences, 0, $name) or diag(join "\n", @differences[0 .. ($#differences > 40 ? 40 : $#differences)]);
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION order_payment');
my @fresh = objects('fresh');
cmp_ok(scalar(grep { /\tdepends by e\textension order_payment$/ } @fresh), '>', 400, 'a fresh extension has its members');
is_equal(\@fresh, [ objects('fresh') ], 'the same twice is equal');

my $can_update = $node->safe_psql('fresh', qq{SELECT string_agg(source, ' ' ORDER BY source) FROM pg_extension_update_paths('order_payment') WHERE target = '$now' AND path IS NOT NULL});
is($can_update, join(' ', sort keys %from), "there is a way to $now from each of them");

foreach my $version (sort keys %from)
{
	my $database = "from_$version" =~ s/\W/_/gr;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION order_payment VERSION '$version'");
	my @old = objects($database);
	cmp_ok(scalar differences(\@old, \@fresh), '>', 2, "$version is another extension");
	$node->safe_psql($database, "ALTER EXTENSION order_payment UPDATE TO '$now'");
	is_equal([ objects($database) ], \@fresh, "$version, updated to $now, is a fresh one");
}

# ---------- a difference is told ----------

# Each of these, and nothing else: what is changed, and the lines that say so. All are made at once, for no two are about the same.
$node->safe_psql('postgres', 'CREATE ROLE somebody');
my @changes = (
	[ q{COMMENT ON FUNCTION order_payment.luhn_valid(text) IS 'x'}, qr/^function order_payment\.luhn_valid\(.*\tcomment\t/ ],
	[ q{COMMENT ON COLUMN order_payment.data_keys.wrapped IS 'x'}, qr/^table order_payment\.data_keys\tcomment table column order_payment\.data_keys\.wrapped\t/ ],
	[ q{COMMENT ON EXTENSION order_payment IS 'x'}, qr/^extension order_payment\tcomment\t/ ],
	[ q{ALTER FUNCTION order_payment.card_brand(text) COST 77}, qr/^function order_payment\.card_brand\(.*\t(procost|definition)\t/ ],
	[ q{ALTER FUNCTION order_payment.card_mask(text) VOLATILE}, qr/^function order_payment\.card_mask\(.*\t(provolatile|definition)\t/ ],
	[ q{ALTER FUNCTION order_payment.upgrade_store(name) SET search_path = public}, qr/^function order_payment\.upgrade_store\(.*\t(proconfig|definition)\t/ ],
	[ q{DO $$ BEGIN EXECUTE replace(pg_get_functiondef('order_payment.create_password_tables(name, regtype)'::regprocedure), 'used >= 0', 'used >= 1'); END $$},
		qr/^function order_payment\.create_password_tables\(.*\t(prosrc|definition)\t/ ],
	[ q{REVOKE EXECUTE ON FUNCTION order_payment.outstanding_amount FROM PUBLIC}, qr/^function order_payment\.outstanding_amount\(.*\tproacl\t/ ],
	[ q{ALTER FUNCTION order_payment.uuid_v7() OWNER TO somebody}, qr/^function order_payment\.uuid_v7\(\)\tproowner\t/ ],
	[ q{ALTER FUNCTION order_payment.currencies() DEPENDS ON EXTENSION plpgsql}, qr/^function order_payment\.currencies\(\)\tdepends by x\t/ ],
	[ q{ALTER EXTENSION order_payment DROP FUNCTION order_payment.is_currency(text)}, qr/^function order_payment\.is_currency\(/ ],
	[ q{CREATE FUNCTION order_payment.another() RETURNS integer LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION order_payment ADD FUNCTION order_payment.another()},
		qr/^function order_payment\.another\(/ ],
	[ q{ALTER OPERATOR pg_catalog.< (order_payment.order_status, order_payment.order_status) SET (RESTRICT = NONE)}, qr/^operator .*<\(order_payment\.order_status,.*\toprrest\t/ ],
	[ q{UPDATE pg_cast SET castcontext = 'e' WHERE castsource = 'varchar'::regtype AND casttarget = 'order_payment.order_status'::regtype},
		qr/^cast \(character varying AS order_payment\.order_status\)\tcastcontext\t/ ],
	[ q{UPDATE pg_amproc SET amproc = 'hashenumextended'::regproc WHERE amprocnum = 2
		AND amprocfamily = (SELECT f.oid FROM pg_opfamily f JOIN pg_am a ON a.oid = f.opfmethod WHERE f.opfname = 'order_status_ops' AND a.amname = 'hash')},
		qr/^function of access method function 2 \(.* of order_payment\.order_status_ops USING hash\tamproc\t/ ],
	[ q{UPDATE pg_opclass SET opcdefault = false WHERE opcname = 'payment_status_ops'}, qr/^operator class order_payment\.payment_status_ops .*\topcdefault\t/ ],
	[ q{UPDATE pg_aggregate SET aggtransspace = 65 WHERE aggfnoid = 'order_payment.success_probability(order_payment.payment_status)'::regprocedure},
		qr/^aggregate order_payment\.success_probability\(order_payment\.payment_status\)\taggregate aggtransspace\t/ ],
	[ q{ALTER TYPE order_payment.operation_status SET (SEND = NONE)}, qr/^type order_payment\.operation_status\t(typsend|depends by n)\t/ ],
	[ q{ALTER TYPE order_payment.claimed_webhook ADD ATTRIBUTE more integer}, qr/^composite type order_payment\.claimed_webhook\tcolumn \d+\tmore / ],
	[ q{ALTER DOMAIN order_payment.failure_class SET DEFAULT 'other'}, qr/^type order_payment\.failure_class\ttypdefault\t/ ],
	[ q{ALTER TABLE order_payment.reveal_usage DROP CONSTRAINT reveal_usage_used_check}, qr/^table constraint reveal_usage_used_check |^table order_payment\.reveal_usage\trelchecks\t/ ],
	[ q{ALTER TABLE order_payment.card_keys ALTER state SET DEFAULT 'x'}, qr/^default value for order_payment\.card_keys\.state\t|^table order_payment\.card_keys\tcolumn / ],
	[ q{ALTER TABLE order_payment.data_keys ALTER wrapped SET STORAGE PLAIN}, qr/^table order_payment\.data_keys\tcolumn \d+\twrapped / ],
	[ q{ALTER TABLE order_payment.data_keys DISABLE TRIGGER announce_keys}, qr/^trigger announce_keys on order_payment\.data_keys\ttgenabled\t/ ],
	[ q{CREATE INDEX another_idx ON order_payment.reveal_log (revealed_at)}, qr/^index order_payment\.another_idx\t/ ],
	[ q{UPDATE pg_index SET indisunique = false WHERE indexrelid = 'order_payment.data_keys_active_idx'::regclass}, qr/^index order_payment\.data_keys_active_idx\t(index is|definition)\t/ ],
	[ q{DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW order_payment.reseal_progress AS ' || replace(pg_get_viewdef('order_payment.reseal_progress'), ';', ' LIMIT 1'); END $$},
		qr/^(view order_payment\.reseal_progress|rule "_RETURN" on order_payment\.reseal_progress)\tdefinition\t/ ],
	[ q{GRANT SELECT ON order_payment.reseal_runs TO PUBLIC}, qr/^table order_payment\.reseal_runs\trelacl\t/ ],
	[ q{DELETE FROM pg_init_privs WHERE objoid = 'order_payment.card_fingerprints'::regproc}, qr/^function order_payment\.card_fingerprints\(.*\tinitial privileges e\t/ ],
	[ q{UPDATE pg_extension SET extcondition[array_position(extconfig, 'order_payment.reveal_log'::regclass::oid)] = 'WHERE false' WHERE extname = 'order_payment'},
		qr/^table order_payment\.reveal_log\tis dumped\t/ ],
	[ q{UPDATE pg_extension SET extversion = '0' WHERE extname = 'order_payment'}, qr/^extension order_payment\textversion\t/ ]);

my @told = differences(\@fresh, [ objects('fresh', join ";\n", (map { $_->[0] } @changes), '') ]);
my @unexplained = @told;
foreach my $change (@changes)
{
	my ($statement, $lines) = @$change;

	ok(scalar(grep { s/^[<>] //r =~ $lines } @told), "a difference is told: $statement");
	@unexplained = grep { s/^[<>] //r !~ $lines } @unexplained;
}
is(join("\n", @unexplained), '', 'and nothing else');
is_equal([ objects('fresh') ], \@fresh, 'afterwards it is as before');

# ---------- a store of before ----------

# Its tables, triggers and indexes, without the extension's own
sub store_of
{
	my ($database) = @_;

	return join "\n", contents($node, $database, q{n.nspname <> 'order_payment'}), grep { !/ ON order_payment\./ } split /\n/, triggers($node, $database);
}

make_roles($node);
foreach my $version (sort keys %from)
{
	my $database = "store_$version" =~ s/\W/_/gr;
	my $control = "$extension_directory/order_payment.control";
	my $text = slurp_file($control);

	# what makes and fills a store says CREATE EXTENSION, as everybody does
	write_file($control, $text =~ s/^default_version = .*$/default_version = '$version'/mr);
	fill_database($node, $database);
	write_file($control, $text);
	is($node->safe_psql($database, q{SELECT extversion FROM pg_extension WHERE extname = 'order_payment'}), $version, "$version: a store is made and filled by the new library");
	is_verified($node, $database, $version);
	are_cards_open($node, $database, $version);
	is_enforced($node, $database, $version);

	# a session that has its plans from before, and keeps them
	my ($in, $out, $err) = ('', '', '');
	my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr($database) ], '<', \$in, '>', \$out, '2>', \$err,
		my $timeout = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my $work = q{BEGIN;
INSERT INTO shop.orders (customer_id, price) VALUES (1, 3) RETURNING order_id AS id \gset
INSERT INTO shop.payments (order_id, gateway, amount) VALUES (:id, 'stripe', 3);
UPDATE shop.payments SET status = 'succeeded' WHERE order_id = :id;
UPDATE shop.orders SET status = 'shipped' WHERE order_id = :id;
SELECT status, paid_amount, version, order_payment.card_brand('4242424242424242') FROM shop.orders WHERE order_id = :id;
ROLLBACK;
};
	$in .= $work;
	$session->pump until $out =~ /\n/;
	is($out, "shipped|3|5|visa\n", "$version: a session does its work");
	my $expected = store_of($database);
	$node->safe_psql($database, 'ALTER EXTENSION order_payment UPDATE');
	$out = '';
	$in .= $work;
	$session->finish;
	is("$out$err", "shipped|3|5|visa\n", "$version, updated: and goes on with it");
	same_lines(store_of($database), $expected, "$version, updated: the store is as it was");
	foreach my $store ('shop', q{Bob''s "Shop"; --})
	{
		my $did = $node->safe_psql($database, "SELECT * FROM order_payment.upgrade_store('$store')");

		is($did, '', "$version, updated: upgrade_store() has nothing to do for $store") if $is_made_up;
		is($node->safe_psql($database, "SELECT * FROM order_payment.upgrade_store('$store')"), '', "$version, updated: and afterwards neither, for $store");
	}
	same_lines(store_of($database), $expected, "$version, updated: and stays so") if $is_made_up;
	is_verified($node, $database, "$version, updated");
	is_verified($node, $database, "$version, updated, other store", q{Bob's "Shop"; --});
	are_cards_open($node, $database, "$version, updated");
	is_enforced($node, $database, "$version, updated");
}

$node->stop;
done_testing();
