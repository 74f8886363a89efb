# An extension that was created at an older version and updated is the same as a new one,
# and a data directory that has the older one goes on working.
use strict;
use warnings;

use FindBin;
use Test::More;
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my $node = Cluster->new('upgrade');
$node->initdb([]);
$node->start;

# All that is said of the members of the extension, by names instead of numbers.
my $catalog = <<'SQL';
WITH member AS (
	SELECT classid, objid FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND
		refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mytsdb')
)
SELECT line FROM (
	SELECT concat_ws(' | ', 'member', i.type, i.identity, d.description, x.initprivs) AS line
	FROM member m CROSS JOIN LATERAL pg_identify_object(m.classid, m.objid, 0) i
		LEFT JOIN pg_description d ON d.classoid = m.classid AND d.objoid = m.objid AND d.objsubid = 0
		LEFT JOIN pg_init_privs x ON x.classoid = m.classid AND x.objoid = m.objid AND x.objsubid = 0
	UNION ALL
	SELECT concat_ws(' | ', 'function', CASE WHEN prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE p.oid::regprocedure::text END,
		proacl, prosupport, procost, prorows, prosrc, probin, proretset, proargnames)
	FROM member JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass
	UNION ALL
	SELECT concat_ws(' | ', 'aggregate', a.aggfnoid::regprocedure, aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggserialfn,
		aggdeserialfn, aggfinalextra, aggtranstype::regtype, aggtransspace, agginitval, proparallel)
	FROM member JOIN pg_aggregate a ON a.aggfnoid = objid AND classid = 'pg_proc'::regclass JOIN pg_proc p ON p.oid = aggfnoid
	UNION ALL
	SELECT concat_ws(' | ', 'relation', c.oid::regclass, relkind, amname, relacl, reloptions, relreplident,
		CASE WHEN relkind = 'v' THEN pg_get_viewdef(c.oid) END,
		(SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation, attacl,
				pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum)
			FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = c.oid AND attnum > 0),
		(SELECT string_agg(pg_get_indexdef(indexrelid) || indisprimary::text, ', ' ORDER BY 1) FROM pg_index WHERE indrelid = c.oid),
		(SELECT string_agg(pg_get_constraintdef(oid), ', ' ORDER BY conname) FROM pg_constraint WHERE conrelid = c.oid),
		(SELECT string_agg(pg_get_triggerdef(oid) || tgenabled::text, ', ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid))
	FROM member JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass LEFT JOIN pg_am a ON a.oid = relam
	UNION ALL
	SELECT concat_ws(' | ', 'type', t.oid::regtype, typtype, typlen, typbyval, typalign, typstorage, typcategory, typispreferred,
		typdelim, typinput, typoutput, typreceive, typsend, typanalyze, typsubscript, typcollation::regcollation, typdefault, typacl)
	FROM member JOIN pg_type t ON t.oid = objid AND classid = 'pg_type'::regclass
	UNION ALL
	SELECT concat_ws(' | ', 'operator', o.oid::regoperator, oprresult::regtype, oprcode, oprrest, oprjoin, oprcom::regoperator,
		oprnegate::regoperator, oprcanmerge, oprcanhash)
	FROM member JOIN pg_operator o ON o.oid = objid AND classid = 'pg_operator'::regclass
	UNION ALL
	SELECT concat_ws(' | ', 'cast', castsource::regtype, casttarget::regtype, castfunc::regprocedure, castcontext, castmethod)
	FROM member JOIN pg_cast c ON c.oid = objid AND classid = 'pg_cast'::regclass
	UNION ALL
	SELECT concat_ws(' | ', 'opclass', opcname, opcintype::regtype, opcdefault, opckeytype::regtype,
		(SELECT string_agg(concat_ws(' ', amopstrategy, amopopr::regoperator, amoppurpose), ', ' ORDER BY amopstrategy, amopopr::regoperator::text)
			FROM pg_amop WHERE amopfamily = opcfamily),
		(SELECT string_agg(concat_ws(' ', amprocnum, amproc::regprocedure), ', ' ORDER BY amprocnum, amproc::regprocedure::text)
			FROM pg_amproc WHERE amprocfamily = opcfamily))
	FROM member JOIN pg_opclass o ON o.oid = objid AND classid = 'pg_opclass'::regclass
	UNION ALL
	SELECT concat_ws(' | ', 'access method', amname, amhandler, amtype)
	FROM member JOIN pg_am a ON a.oid = objid AND classid = 'pg_am'::regclass
	UNION ALL
	SELECT concat_ws(' | ', 'schema', nspname, nspacl)
	FROM member JOIN pg_namespace n ON n.oid = objid AND classid = 'pg_namespace'::regclass
	UNION ALL
	SELECT concat_ws(' | ', 'extension', extversion, extnamespace::regnamespace, extconfig::regclass[], extcondition)
	FROM pg_extension WHERE extname = 'mytsdb'
) x ORDER BY line COLLATE "C"
SQL

# ---- an update gives what a new extension is ----

my $current = $node->safe_sql(q{SELECT default_version FROM pg_available_extensions WHERE name = 'mytsdb'});
my @older = grep { $_ ne $current }
  split /\n/, $node->safe_sql(q{SELECT version FROM pg_available_extension_versions WHERE name = 'mytsdb' ORDER BY 1});
ok(@older > 0, 'there are older versions');
$node->safe_sql('CREATE DATABASE fresh TEMPLATE template0');
$node->safe_sql('CREATE EXTENSION mytsdb', 'fresh');
my $fresh = $node->safe_sql($catalog, 'fresh');
like($fresh, qr/^access method \| mytsdb \| mytsdb\.am_handler \| t$/m, 'the new one is complete');
for my $version (@older)
{
	(my $database = "from_$version") =~ tr/./_/;
	$node->safe_sql("CREATE DATABASE $database TEMPLATE template0");
	$node->safe_sql("CREATE EXTENSION mytsdb VERSION '$version'", $database);
	isnt($node->safe_sql($catalog, $database), $fresh, "$version is another");
	my $tables = $node->safe_sql(q{SELECT count(*) FROM pg_am WHERE amname = 'mytsdb'}, $database);
	$node->safe_sql(q{
		CREATE TABLE kept (labels labels, time timestamptz, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
		INSERT INTO kept SELECT ('up{job="j' || i % 7 || '"}')::labels, timestamptz '2024-01-01' + i * interval '1 s', i
			FROM generate_series(1, 1000) i;
		SELECT mytsdb.seal('kept');
		INSERT INTO kept SELECT labels, time + interval '1 hour', value FROM kept}, $database) if $tables;
	$node->safe_sql('ALTER EXTENSION mytsdb UPDATE', $database);
	is($node->safe_sql(q{SELECT count(*), sum(value) FROM kept WHERE labels ~ 'up{job!=""}'}, $database), '2000|1001000',
		"tables of $version keep their rows") if $tables;
	is($node->safe_sql($catalog, $database), $fresh, "from $version to $current");
	$node->safe_sql(q{
		CREATE TABLE t (time timestamptz) USING mytsdb;
		INSERT INTO t VALUES ('2024-01-01');
		SELECT mytsdb.seal('t')}, $database);
	is($node->safe_sql('SELECT count(*) FROM t', $database), 1, 'tables can be made');
	# up 1, in 1970
	is($node->safe_sql(q{SELECT mytsdb.remote_write('\x0a1d0a0e0a085f5f6e616d655f5f12027570120b09000000000000f03f1001'::bytea)}, $database),
		'(1,0,0)', 'the metrics store takes samples');
	is($node->safe_sql('SELECT labels, value FROM mytsdb.metrics', $database), 'up|1', 'and has them');
}

# ---- a data directory that has the older one ----

$node->safe_sql(q{
	CREATE EXTENSION mytsdb VERSION '0.1';
	CREATE TABLE series (labels labels PRIMARY KEY, team text);
	INSERT INTO series SELECT ('up{job="j' || i || '"}')::labels, 't' || i % 3 FROM generate_series(1, 1000) i;
	CREATE VIEW teams AS SELECT team, count(*) AS n FROM series WHERE labels ~ 'up{job=~"j1.*"}' GROUP BY 1;
	CREATE TABLE elsewhere (v int, w int);
	ALTER TABLE elsewhere RENAME w TO x;
	ALTER TABLE elsewhere ADD PRIMARY KEY (v);
	VACUUM elsewhere});
my $teams = $node->safe_sql('SELECT * FROM teams ORDER BY 1');
ok($node->stop, 'the server stops');
$node->start;
is($node->safe_sql('SELECT * FROM teams ORDER BY 1'), $teams, 'it opens, and nothing has changed');
like($node->sql('CREATE TABLE t (time timestamptz) USING mytsdb'), qr/access method "mytsdb" does not exist/,
	'the older version has no tables');
like($node->sql(q{CREATE TABLE t (time timestamptz) WITH (mytsdb.shards = 1)}), qr/ERROR/, 'nor options');
$node->safe_sql('ALTER EXTENSION mytsdb UPDATE');
is($node->safe_sql('SELECT * FROM teams ORDER BY 1'), $teams, 'it is updated in place');
$node->safe_sql(q{
	CREATE TABLE samples (labels labels, time timestamptz, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
	INSERT INTO samples SELECT labels, timestamptz '2024-01-01' + i * interval '1 s', i FROM series, generate_series(1, 20) i});
is($node->safe_sql(q{SELECT count(*), sum(value) FROM samples JOIN series USING (labels) WHERE team = 't1'}),
	$node->safe_sql(q{SELECT count(*) * 20 || '|' || count(*) * 210 FROM series WHERE team = 't1'}), 'and has tables');
ok($node->stop, 'the server stops again');
$node->start;
is($node->safe_sql('SELECT count(*) FROM samples'), '20000', 'rows are there after a restart');
ok($node->stop('immediate'), 'a crash');
$node->start;
is($node->safe_sql('SELECT count(*) FROM samples'), '20000', 'and after a crash');

# ---- pg_upgrade moves all of it to a new cluster, rows that are in no block yet, too ----

$node->safe_sql(q{
	INSERT INTO samples VALUES ('late', '2024-01-02', 1);
	INSERT INTO mytsdb.metrics VALUES ('late', '2024-01-02', 2);
	ALTER TABLE mytsdb.metrics SET (mytsdb.retention = '90 years')});
my $bindir = $node->safe_sql(q{SELECT setting FROM pg_config WHERE name = 'BINDIR'});
ok($node->stop, 'the server stops at the end');
my $new = Cluster->new('new');
$new->initdb([]);
my $work = Cluster::tools('new_server_dir');
chomp $work;
Cluster::tools('as_server', 'bash', '-c', 'cd "$1" && shift && exec "$@"', 'bash', $work, 'env',
	'PGCTLTIMEOUT=300', "$bindir/pg_upgrade",
	'-b', $bindir, '-B', $bindir, '-d', $node->{data}, '-D', $new->{data}, '-s', $work, qw(-U postgres));
$new->start;
is($new->safe_sql('SELECT count(*) FROM samples'), '20001', 'pg_upgrade: rows');
is($new->safe_sql('SELECT labels, value FROM mytsdb.metrics'), 'late|2', 'those of the metrics store');
is($new->safe_sql(q{SELECT mytsdb.seal('samples') >= 0, (SELECT count(*) FROM samples)}), 't|20001', 'they are sealed there');
like($new->safe_sql(q{SELECT reloptions FROM pg_class WHERE oid = 'mytsdb.metrics'::regclass}),
	qr/mytsdb\.series_by=labels.*mytsdb\.retention=90 years/, 'and its options');
like($new->sql('ALTER TABLE mytsdb.metrics ADD COLUMN x int'), qr/cannot change table/, 'the tables belong to it');
ok($new->stop, 'the new server stops');
unlike($new->log_text, qr/TRAP|PANIC|terminated by signal/, 'nothing crashed there');
unlike($node->log_text, qr/TRAP|PANIC|terminated by signal/, 'nothing crashed');
done_testing();
