# pg_dump and pg_restore keep the rows and the options of tables USING mytsdb, in every
# format and in part.
use strict;
use warnings;

use FindBin;
use Test::More;
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my $node = Cluster->new('dump');
$node->initdb([]);
$node->start;
my $files = Cluster::tools('new_server_dir');
chomp $files;
my @connection = ('-h', $node->{dir}, qw(-p 5432 -U postgres));

# ---- what there is to dump ----

$node->safe_sql('CREATE DATABASE origin TEMPLATE template0');
my $fill = $node->session('origin');
for my $sql (
	'CREATE EXTENSION mytsdb',
	'CREATE SCHEMA app',
	q{CREATE TABLE app.host (name text PRIMARY KEY)},
	q{INSERT INTO app.host SELECT 'h' || i FROM generate_series(0, 9) i},
	q{CREATE TABLE app.cpu (
		time timestamptz NOT NULL DEFAULT '2024-01-01', gone int,
		host text REFERENCES app.host, "Core, ""1""" int, used float8 CHECK (used >= 0),
		free float8 GENERATED ALWAYS AS (100 - used) STORED, note text DEFAULT 'none'
	) USING mytsdb WITH (
		mytsdb.series_by = 'host, "Core, ""1"""', mytsdb.shards = 3,
		mytsdb.retention = '100 years', fillfactor = 70, autovacuum_enabled = false)},
	q{ALTER TABLE app.cpu DROP COLUMN gone},
	q{INSERT INTO app.cpu (time, host, "Core, ""1""", used)
		SELECT timestamptz '2024-01-01' + i * interval '1 s', 'h' || i % 10, i % 4, i % 100
		FROM generate_series(1, 40000) i},
	q{SELECT mytsdb.seal('app.cpu')},
	q{INSERT INTO app.cpu (time, host, "Core, ""1""", used, note)
		SELECT timestamptz '2024-01-02' + i * interval '1 s', 'h' || i % 10, NULL, i, E'a\tb\\\\' || i
		FROM generate_series(1, 100) i},
	q{CREATE TABLE app.days (day date, "at" timestamptz, key labels, v numeric) USING mytsdb
		WITH (mytsdb.time_column = 'day', mytsdb.series_by = 'key', mytsdb.duplicates = 'replace')},
	q{INSERT INTO app.days SELECT date '2024-01-01' + i % 50, 'infinity', ('m{a="' || i % 3 || '"}')::labels, i / 7.0
		FROM generate_series(1, 500) i},
	q{INSERT INTO app.days VALUES ('infinity', NULL, NULL, 'NaN'), ('-infinity', now(), '{}', NULL)},
	q{CREATE TABLE app.parts (time timestamptz, v int) PARTITION BY RANGE (time)},
	q{CREATE TABLE app.parts_1 PARTITION OF app.parts FOR VALUES FROM ('2024-01-01') TO ('2024-01-02') USING mytsdb
		WITH (mytsdb.shards = 1)},
	q{CREATE TABLE app.parts_2 PARTITION OF app.parts DEFAULT USING heap},
	q{INSERT INTO app.parts SELECT timestamptz '2024-01-01' + i * interval '1 hour', i FROM generate_series(0, 47) i},
	q{CREATE TABLE app.wide (time timestamptz, doc text, raw bytea) USING mytsdb},
	q{INSERT INTO app.wide SELECT timestamptz '2024-01-01' + i * interval '1 s', repeat(md5(i::text), 40000), decode(md5(i::text), 'hex')
		FROM generate_series(1, 5) i},
	q{CREATE TABLE app.observed (time timestamptz, h histogram) USING mytsdb},
	q{INSERT INTO app.observed SELECT timestamptz '2024-01-01' + i * interval '1 s',
			CASE WHEN i % 10 > 0 THEN format('{{schema:3 count:%s sum:%s offset:-3 buckets:[%s _ %s]}}', i, i / 7.0, i % 5, i)::histogram END
		FROM generate_series(1, 1000) i},
	q{SELECT mytsdb.seal('app.observed')},
	q{CREATE TABLE app.empty (time timestamptz) USING mytsdb WITH (mytsdb.retention = '1 day')},
	q{CREATE MATERIALIZED VIEW app.hourly USING mytsdb WITH (mytsdb.series_by = 'host') AS
		SELECT time_bucket('1 hour', time) AS time, host, avg(used) AS used FROM app.cpu GROUP BY 1, 2},
	q{CREATE MATERIALIZED VIEW app.waiting USING mytsdb AS SELECT time FROM app.cpu WITH NO DATA},
	# the metrics store: its tables belong to the extension
	q{CREATE ROLE reader},
	q{GRANT SELECT ON mytsdb.metrics TO reader},
	q{ALTER TABLE mytsdb.metrics SET (mytsdb.retention = '100 years', autovacuum_vacuum_threshold = 77)},
	q{ALTER TABLE mytsdb.metrics SET (mytsdb.duplicates = 'keep')},
	q{INSERT INTO mytsdb.metrics (labels, time, value) SELECT ('m{a="' || i % 7 || '"}')::labels, timestamptz '2024-01-01' + i % 70 * interval '1 s', i
		FROM generate_series(1, 1000) i},
	q{INSERT INTO mytsdb.metrics VALUES ('h', '2024-01-01', NULL, '{{schema:0 count:5 sum:3.1 buckets:[1 4]}}', '2023-01-01')},
	q{INSERT INTO mytsdb.exemplars VALUES ('m', '2024-01-01', 1, '{trace_id="x"}', '2024-01-02')},
	q{INSERT INTO mytsdb.metadata VALUES ('m', 'gauge', 's', E'what\tit is', '2024-01-01')},
  )
{
	my $output = $fill->query($sql);
	die "$sql: $output" if $output =~ /ERROR/;
}
$fill->close;

# Rows, options and access methods of a database, without the order of rows.
sub contents
{
	my ($database, @tables) = @_;
	my $tables = join ', ', map { "'$_'" } @tables;
	return $node->safe_sql(qq{
		SELECT c.oid::regclass, amname, reloptions, relispopulated,
			CASE WHEN relispopulated THEN
				(xpath('/row/d/text()', query_to_xml(format(
					'SELECT md5(coalesce(string_agg(x::text, chr(10) ORDER BY x::text), '''')) || '' '' || count(*) AS d FROM ONLY %s x',
					c.oid::regclass), false, true, '')))[1] END
		FROM pg_class c LEFT JOIN pg_am a ON a.oid = relam
		WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'm') AND
			('$tables[0]' = 'all' OR relname IN ($tables))
		ORDER BY relname}, $database);
}

# The same of the metrics store's tables, and who may do what with them.
sub store
{
	my ($database) = @_;
	return $node->safe_sql(q{
		SELECT c.oid::regclass, (SELECT array_agg(o ORDER BY o) FROM unnest(reloptions) o), relacl,
			(xpath('/row/d/text()', query_to_xml(format(
				'SELECT md5(coalesce(string_agg(x::text, chr(10) ORDER BY x::text), '''')) || '' '' || count(*) AS d FROM ONLY %s x',
				c.oid::regclass), false, true, '')))[1]
		FROM pg_class c WHERE relnamespace = 'mytsdb'::regnamespace AND relname IN ('metrics', 'exemplars', 'metadata', 'dumped_options')
		ORDER BY relname}, $database);
}

sub schema
{
	my ($database) = @_;
	my $text = $node->program('pg_dump', @connection, '--schema-only', $database);
	$text =~ s/^\\(un)?restrict .*\n//mg;
	return $text;
}

sub new_database
{
	my ($database) = @_;
	$node->safe_sql("CREATE DATABASE $database TEMPLATE template0");
}

my $origin = contents('origin', 'all');
my $store = store('origin');
my $schema = schema('origin');
like($origin, qr/^app\.cpu\|mytsdb\|\{fillfactor=70,.*mytsdb\.series_by=.*\|t\|[0-9a-f]{32} 40100$/m, 'rows are there');
like($origin, qr/^app\.waiting\|mytsdb\|.*\|f\|$/m, 'also a view that waits for them');
like($store, qr/^mytsdb\.metrics\|\{autovacuum_vacuum_threshold=77,mytsdb\.duplicates=keep,"mytsdb\.retention=100 years",.*reader=r.*\|[0-9a-f]{32} 1001$/m,
	'the metrics store has rows, options and privileges');
like($schema, qr/"mytsdb\.series_by"='host, "Core, ""1"""'/, 'options are dumped');
like($schema, qr/default_table_access_method = mytsdb/, 'and the access method');

sub restored_is
{
	my ($database, $name) = @_;
	is(contents($database, 'all'), $origin, "$name: rows and options");
	is(store($database), $store, "$name: the metrics store");
	is(schema($database), $schema, "$name: the schema");
}

# ---- whole ----

$node->program('pg_dump', @connection, '-f', "$files/plain.sql", 'origin');
new_database('plain');
$node->program('psql', @connection, qw(-X -q -v ON_ERROR_STOP=1 -o /dev/null -d plain -f), "$files/plain.sql");
restored_is('plain', 'plain');

$node->program('pg_dump', @connection, '--inserts', '--rows-per-insert=100', '-f', "$files/inserts.sql", 'origin');
new_database('inserts');
$node->program('psql', @connection, qw(-X -q -1 -v ON_ERROR_STOP=1 -o /dev/null -d inserts -f), "$files/inserts.sql");
restored_is('inserts', '--inserts, in one transaction');

$node->program('pg_dump', @connection, '-Fc', '-f', "$files/custom", 'origin');
new_database('custom');
$node->program('pg_restore', @connection, '-e', '-d', 'custom', "$files/custom");
restored_is('custom', 'custom format');

new_database('parallel');
$node->program('pg_restore', @connection, '-e', '-j', 3, '-d', 'parallel', "$files/custom");
restored_is('parallel', 'custom format, in parallel');

$node->program('pg_dump', @connection, '-Fd', '-j', 3, '-f', "$files/directory", 'origin');
new_database('directory');
$node->program('pg_restore', @connection, '-e', '-j', 3, '-d', 'directory', "$files/directory");
restored_is('directory', 'directory format, dumped and restored in parallel');

# Options that come behind rows are set as long as no row can be lost.
new_database('late');
my $late = $node->session('late');
$late->query(q{CREATE EXTENSION mytsdb;
	INSERT INTO mytsdb.metrics (labels, time, value) SELECT 'm', '2024-01-01', i FROM generate_series(1, 10) i});
my $keep = q{INSERT INTO mytsdb.dumped_options VALUES ('metrics', '{mytsdb.duplicates=keep}')};
is($late->query("BEGIN; $keep; SELECT count(*) FROM mytsdb.metrics; ROLLBACK"), '10', 'options come behind rows');
$late->query(q{SELECT mytsdb.seal('mytsdb.metrics')});
like($late->query($keep), qr/^ERROR:  55000: option mytsdb.duplicates of table "metrics" is restored too late$/m,
	'options come when rows may be lost');
is($late->query(q{TRUNCATE mytsdb.metrics;
	INSERT INTO mytsdb.dumped_options VALUES ('metrics', '{mytsdb.retention=1000 years}')}), '', 'others never come late');
is($late->query(q{ALTER TABLE mytsdb.metrics SET (mytsdb.duplicates = 'keep')}), '', 'ALTER TABLE sets it at any time');
$late->close;

# over what is there already
$node->program('pg_restore', @connection, '-e', '--clean', '--if-exists', '-d', 'directory', "$files/custom");
restored_is('directory', '--clean');

# ---- in part ----

new_database('data');
$node->program('pg_restore', @connection, '-e', '--schema-only', '-d', 'data', "$files/custom");
is(schema('data'), $schema, '--schema-only');
$node->program('pg_restore', @connection, '-e', '--data-only', '--disable-triggers', '-d', 'data', "$files/custom");
is(contents('data', qw(cpu days parts_1 parts_2 wide empty)),
	contents('origin', qw(cpu days parts_1 parts_2 wide empty)), '--data-only');
is(store('data'), $store, '--data-only: the metrics store');

new_database('one');
$node->safe_sql('CREATE EXTENSION mytsdb; CREATE SCHEMA app', 'one');
$node->program('pg_dump', @connection, '-Fc', '-t', 'app.days', '-f', "$files/days", 'origin');
$node->program('pg_restore', @connection, '-e', '-d', 'one', "$files/days");
is(contents('one', 'all'), contents('origin', 'days'), 'pg_dump -t');
$node->program('pg_restore', @connection, '-e', '-t', 'wide', '-d', 'one', "$files/custom");
is(contents('one', 'all'), contents('origin', qw(days wide)), 'pg_restore -t');

$node->program('pg_dump', @connection, '-Fc', '-t', 'mytsdb.metrics', '-f', "$files/metrics", 'origin');
$node->program('pg_restore', @connection, '-e', '-d', 'one', "$files/metrics");
is($node->safe_sql('SELECT count(*), max(value) FROM mytsdb.metrics', 'one'), '71|1000',
	'pg_dump -t of a table of the store: rows, by the options that the other has');

# A row can be added to what was restored, and series and last rows are found.
$node->safe_sql(q{INSERT INTO app.days VALUES ('2024-01-05', NULL, 'm{a="1"}', 77)}, 'one');
is($node->safe_sql(q{SELECT v FROM app.days WHERE key = 'm{a="1"}' AND day = '2024-01-05'}, 'one'),
	'77', 'last rows replace restored ones');

# ---- a whole cluster ----

$node->program('pg_dumpall', @connection, '-f', "$files/all.sql");
ok($node->stop, 'the server stops');
unlike($node->log_text, qr/TRAP|PANIC|terminated by signal/, 'nothing crashed');
$node = Cluster->new('dumped');
$node->initdb([]);
$node->start;
@connection = ('-h', $node->{dir}, qw(-p 5432 -U postgres));
$node->program('psql', @connection, qw(-X -q -o /dev/null -d postgres -f), "$files/all.sql");
restored_is('origin', 'pg_dumpall');
ok($node->stop, 'the other server stops');
unlike($node->log_text, qr/TRAP|PANIC|terminated by signal/, 'nothing crashed');
done_testing();
