# The background workers: they seal, merge and retain by themselves, come back after
# failure, and are in nobody's way.
use strict;
use warnings;

use File::Temp;
use Test::More;

my $root = $ENV{MYTSDB_ROOT} or die 'MYTSDB_ROOT is not set';
chdir $root or die "$root: $!";
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

my $top = File::Temp::tempdir('mytsdb-workers.XXXXXX', TMPDIR => 1);
chmod 0755, $top;
my $bindir = `$ENV{PG_CONFIG} --bindir`;
chomp $bindir;
my $cluster_tools = "set -eu; top=$top; . tools/lib.sh; . tools/cluster.sh";

my $settings = join ' ', map { "'$_'" } 'mytsdb.maintenance_interval = 1',
  'mytsdb.seal_age = 1', 'max_connections = 40', 'restart_after_crash = on';
my $socket = `bash -c "$cluster_tools; start_cluster assert $settings >&2; echo \\\$cluster_socket"`;
chomp $socket;
BAIL_OUT('no cluster') unless $socket;

END
{
	local $?;
	system("bash -c \"$cluster_tools; cluster_dir=$socket; "
		  . "as_server \\\$(staged_bin $socket/server)/pg_ctl -D $socket/data -m fast -w -s stop; "
		  . "rm -rf $top\"")
	  if $socket;
}

sub sql
{
	my ($sql, $database) = @_;
	$database //= 'postgres';
	open my $psql, '-|', "$bindir/psql", '-XAtq', '-h', $socket, '-U', 'postgres', '-d',
	  $database, '-v', 'ON_ERROR_STOP=1', '-c', $sql
	  or die "psql: $!";
	local $/ = undef;
	my $output = <$psql> // '';
	close $psql;
	$output =~ s/\n\z//;
	return $output;
}

# Waits until a query gives a value; the time is a limit against hanging, not a measure.
sub comes
{
	my ($sql, $value, $database) = @_;
	for (1 .. 300)
	{
		return 1 if sql($sql, $database) eq $value;
		select undef, undef, undef, 0.2;
	}
	diag "$sql is " . sql($sql, $database) . ", not $value";
	return 0;
}

sub server_log
{
	open my $file, '<', "$socket/log" or return '';
	local $/ = undef;
	return scalar <$file>;
}

my $pending = "SELECT sum(pending_bytes) FROM mytsdb.stat_shard WHERE rel = 't'::regclass";

sql('CREATE EXTENSION mytsdb');
sql(q{CREATE TABLE t (time timestamptz, dev int, v int)
	USING mytsdb WITH (mytsdb.series_by = 'dev', mytsdb.shards = 2)});
sql("INSERT INTO t SELECT '2026-01-01'::timestamptz + i * interval '1 s', i % 5, i "
	  . 'FROM generate_series(1, 1000) i');
ok(comes($pending, '0'), 'what is in the logs is sealed');
is(sql('SELECT count(*), sum(v) FROM t'), '1000|500500', 'nothing is lost');

for my $i (1 .. 6)
{
	sql("INSERT INTO t SELECT '2026-01-01'::timestamptz + i * interval '1 s', i % 5, 0 "
		  . 'FROM generate_series(1, 10) i');
	comes($pending, '0');
}
ok(comes("SELECT count(*) < 5 FROM mytsdb.stat_block WHERE rel = 't'::regclass", 't'),
	'small blocks are merged');
is(sql('SELECT count(*), sum(v) FROM t'), '1060|500500', 'nothing is lost');

# the launcher
ok(comes("SELECT state = 'idle' FROM pg_stat_activity WHERE backend_type = 'mytsdb launcher'", 't'),
	'the launcher is seen, and waits');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb launcher' "
		  . 'AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)'),
	'0', 'it holds no snapshot');

# retention
sql(q{CREATE TABLE old (time timestamptz, v int) USING mytsdb WITH (mytsdb.retention = '30 days')});
sql("INSERT INTO old VALUES (now() - interval '40 days', 1)");
comes("SELECT sum(pending_bytes) FROM mytsdb.stat_shard WHERE rel = 'old'::regclass", '0');
sql("INSERT INTO old VALUES (now(), 2)");
ok(comes('SELECT string_agg(v::text, \',\') FROM old', '2'), 'old blocks are dropped');

# a worker that is killed: the server starts again, and so do the workers
my $pid = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'mytsdb launcher'");
kill 'KILL', $pid;
select undef, undef, undef, 0.5;
ok(comes("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb launcher' AND pid <> $pid", '1'),
	'the launcher comes back');
sql("INSERT INTO t VALUES ('2026-01-01 01:00', 1, 5)");
ok(comes($pending, '0'), 'and seals');
is(sql('SELECT count(*), sum(v) FROM t'), '1061|500505', 'nothing is lost');

# a table that is locked is left alone, and its owner does not wait
sql("INSERT INTO t VALUES ('2026-01-01 01:01', 1, 5)");
is(sql("BEGIN; LOCK TABLE t; SELECT pg_sleep(3); DROP TABLE t; COMMIT; SELECT count(*) FROM mytsdb.stat_table WHERE rel::text = 't'"),
	"\n0", 'a table that somebody locked can be dropped');

# databases
sql('CREATE DATABASE one');
sql('CREATE EXTENSION mytsdb', 'one');
sql(q{CREATE TABLE t (time timestamptz, v int) USING mytsdb}, 'one');
sql("INSERT INTO t VALUES ('2026-01-01', 1)", 'one');
ok(comes($pending, '0', 'one'), 'the worker finds another database');
sql('CREATE DATABASE two TEMPLATE one');
is(sql('SELECT count(*) FROM t', 'two'), '1', 'a copied database has the rows');
sql("INSERT INTO t VALUES ('2026-01-02', 2)", 'two');
is(sql('SELECT sum(v) FROM t', 'two') . ' ' . sql('SELECT sum(v) FROM t', 'one'),
	'3 1', 'and goes its own way');
sql("INSERT INTO t VALUES ('2026-01-02', 5)", 'one');
sql('ALTER DATABASE one RENAME TO three');
is(sql('SELECT sum(v) FROM t', 'three'), '6', 'a database is renamed');
sql('DROP DATABASE two');
sql('DROP DATABASE three');
is(sql("SELECT count(*) FROM pg_database WHERE datname IN ('one', 'two', 'three')"),
	'0', 'databases are dropped');

unlike(server_log(), qr/PANIC|TRAP:|terminated by signal (?!9)/, 'no crash but ours');
done_testing();
