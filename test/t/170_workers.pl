# The background workers: they seal, merge and retain by themselves, come back after
# failure, and are in nobody's way.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my $node = Cluster->new('workers');
$node->initdb([], 'mytsdb.maintenance_interval = 1', 'mytsdb.seal_age = 1',
	'restart_after_crash = on');
$node->start;

# Starts the server anew with other settings: a worker that was there before them would not
# know them.
sub restart_with
{
	$node->safe_sql("ALTER SYSTEM $_") foreach @_;
	$node->stop or die 'does not stop';
	$node->start;
}

# What is set for a database is known to workers that come from then on; waits until there
# are no others.
sub set_for
{
	my ($database, $setting) = @_;
	$node->safe_sql("ALTER DATABASE $database SET $setting");
	my $now = $node->safe_sql('SELECT clock_timestamp()');
	$node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE datname = '$database'
		AND backend_type = 'mytsdb maintenance' AND backend_start < '$now'", '0') or die 'a worker stays';
}

# A session that was closed may be there a little longer; workers are to be sent away.
sub alone
{
	my ($database) = @_;
	$node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE datname = '$database'
		AND backend_type = 'client backend'", '0') or die 'somebody stays';
}

my $pending = "SELECT sum(pending_bytes) FROM mytsdb.stat_shard WHERE rel = 't'::regclass";

$node->safe_sql('CREATE EXTENSION mytsdb');
$node->safe_sql(q{CREATE TABLE t (time timestamptz, dev int, v int)
	USING mytsdb WITH (mytsdb.series_by = 'dev', mytsdb.shards = 2)});
$node->safe_sql("INSERT INTO t SELECT '2026-01-01'::timestamptz + i * interval '1 s', i % 5, i "
	  . 'FROM generate_series(1, 1000) i');
ok($node->wait_for($pending, '0'), 'what is in the logs is sealed');
is($node->sql('SELECT count(*), sum(v) FROM t'), '1000|500500', 'nothing is lost');

for my $i (1 .. 6)
{
	$node->safe_sql("INSERT INTO t SELECT '2026-01-01'::timestamptz + i * interval '1 s', i % 5, 0 "
		  . 'FROM generate_series(1, 10) i');
	$node->wait_for($pending, '0');
}
ok($node->wait_for("SELECT count(*) < 5 FROM mytsdb.stat_block WHERE rel = 't'::regclass", 't'),
	'small blocks are merged');
is($node->sql('SELECT count(*), sum(v) FROM t'), '1060|500500', 'nothing is lost');
my $counts = "SELECT seals > 2, rows_sealed, merges > 0, blocks_merged > 3
	FROM mytsdb.stat_table WHERE rel = 't'::regclass";
ok($node->wait_for($counts, 't|1060|t|t'), 'what they did is counted');

# What a transaction holds up in one log does not have the others sealed over and over.
restart_with('SET mytsdb.seal_age = 5');
$node->safe_sql('CREATE TABLE held (time timestamptz, v int) USING mytsdb WITH (mytsdb.shards = 1)');
$node->safe_sql("BEGIN; INSERT INTO held VALUES (now(), 0); PREPARE TRANSACTION 'holds'");
my $two_logs = 'SET mytsdb.busy_logs = 2;'
  . 'INSERT INTO held VALUES (now(), 1); INSERT INTO held VALUES (now(), 2);';
my $sealed = "SELECT logs, seals, rows_sealed FROM mytsdb.stat_shard WHERE rel = 'held'::regclass";
sleep 5;
my $since = $node->safe_sql('SELECT clock_timestamp()');
$node->safe_sql($two_logs);
ok($node->wait_for($sealed, '2|1|1'), 'the log that is not held up is sealed');
$node->safe_sql($two_logs);
ok($node->wait_for($sealed, '2|2|2'), 'and once more');
is($node->sql("SELECT last_seal >= timestamptz '$since' + interval '5 s' FROM mytsdb.stat_shard WHERE rel = 'held'::regclass"),
	't', 'but not before seal_age');
$node->safe_sql("COMMIT PREPARED 'holds'");
ok($node->wait_for($sealed, '2|3|5'), 'all of it is sealed when the transaction has ended');
is($node->sql('SELECT count(*), sum(v) FROM held'), '5|6', 'nothing is lost');

# What a seal left that was rolled back is not sealed before its time. (A pass over the
# database looks at tables in the order in which they were made.)
restart_with(q{SET mytsdb.seal_age = '1h'}, q{SET mytsdb.seal_size = '64kB'});
$node->safe_sql("CREATE TABLE $_ (time timestamptz, v int) USING mytsdb WITH (mytsdb.shards = 1)")
  foreach qw(undone large);
$node->safe_sql('INSERT INTO undone VALUES (now(), 1)');
$node->safe_sql("BEGIN; SELECT mytsdb.seal('undone'); ROLLBACK");
$node->safe_sql("INSERT INTO large SELECT now() + i * interval '1 ms', i * 7919 % 10007 "
	  . 'FROM generate_series(1, 20000) i') foreach 1 .. 5;
ok($node->wait_for("SELECT seals > 0 FROM mytsdb.stat_table WHERE rel = 'large'::regclass", 't'),
	'a log that is large is sealed at once');
is($node->sql("SELECT seals FROM mytsdb.stat_table WHERE rel = 'undone'::regclass"),
	'0', 'one whose seal was rolled back is not');
$node->safe_sql('DROP TABLE undone, large');
$node->safe_sql("ALTER SYSTEM RESET mytsdb.seal_size");
$node->safe_sql("ALTER SYSTEM RESET mytsdb.seal_age; SELECT pg_reload_conf()");

# the launcher
ok($node->wait_for("SELECT state = 'idle' AND backend_xmin IS NULL AND backend_xid IS NULL
	FROM pg_stat_activity WHERE backend_type = 'mytsdb launcher'", 't'),
	'the launcher is seen, and waits, and holds no snapshot');

# retention
$node->safe_sql(q{CREATE TABLE old (time timestamptz, v int) USING mytsdb WITH (mytsdb.retention = '30 days')});
$node->safe_sql("INSERT INTO old VALUES (now() - interval '40 days', 1)");
$node->wait_for("SELECT sum(pending_bytes) FROM mytsdb.stat_shard WHERE rel = 'old'::regclass", '0');
$node->safe_sql("INSERT INTO old VALUES (now(), 2)");
ok($node->wait_for('SELECT string_agg(v::text, \',\') FROM old', '2'), 'old blocks are dropped');

# work that fails does not keep other work from being done
set_for('postgres', "mytsdb.stop_point = 'merge-written=error'");
foreach my $when (('now()') x 8, "now() - interval '40 days'")
{
	$node->safe_sql("INSERT INTO old VALUES ($when, 3); SELECT mytsdb.seal('old')");
}
$node->safe_sql('VACUUM old'); # or it would be waited longer after every failure
ok($node->wait_for('SELECT count(*) FROM old', '9'), 'old blocks are dropped though merging fails');
my $limit = time + 180;
sleep 0.1 while $node->log_text !~ /stopped at "merge-written"/ && time < $limit;
like($node->log_text, qr/stopped at "merge-written"/, 'it does');
$node->safe_sql('ALTER DATABASE postgres RESET mytsdb.stop_point');

# a worker that is killed: the server starts again, and so do the workers
my $pid = $node->safe_sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'mytsdb launcher'");
kill 'KILL', $pid;
ok($node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb launcher' AND pid <> $pid", '1'),
	'the launcher comes back');
is($node->sql("SELECT seals, rows_sealed FROM mytsdb.stat_table WHERE rel = 't'::regclass"),
	'0|0', 'the counts begin anew');
$node->safe_sql("INSERT INTO t VALUES ('2026-01-01 01:00', 1, 5)");
ok($node->wait_for($pending, '0'), 'and seals');
is($node->sql('SELECT count(*), sum(v) FROM t'), '1061|500505', 'nothing is lost');

# a table that is locked is left alone, and its owner does not wait
$node->safe_sql("INSERT INTO t VALUES ('2026-01-01 01:01', 1, 5)");
is($node->sql("BEGIN; LOCK TABLE t; SELECT pg_sleep(3); DROP TABLE t; COMMIT; SELECT count(*) FROM mytsdb.stat_table WHERE rel::text = 't'"),
	"\n0", 'a table that somebody locked can be dropped');

# Strong locks on other tables, so many that some hash as the catalogs do, do not keep
# workers from merging.
$node->safe_sql('CREATE TABLE apart (time timestamptz, v int) USING mytsdb');
my $strong = $node->session;
$strong->query('BEGIN');
$strong->query(q{DO $$ BEGIN FOR i IN 1 .. 2000 LOOP
	EXECUTE format('CREATE TABLE strong_%s ()', i); END LOOP; END $$});
$node->safe_sql("INSERT INTO apart VALUES ('2026-01-01', $_); SELECT mytsdb.seal('apart')")
  for 1 .. 6;
ok($node->wait_for("SELECT merges > 0 FROM mytsdb.stat_table WHERE rel = 'apart'::regclass", 't'),
	'blocks are merged while others hold strong locks');
$strong->query('ROLLBACK');
$strong->close;

# databases
$node->safe_sql('CREATE DATABASE one');
my $creator = $node->session('one');
$creator->query(q{BEGIN; CREATE EXTENSION mytsdb; CREATE TABLE t (time timestamptz, v int) USING mytsdb;
	INSERT INTO t VALUES ('2026-01-01', 1)});
sleep 1.5; # there is nothing to be seen yet for a worker that looks meanwhile
$creator->query('COMMIT');
$creator->close;
ok($node->wait_for($pending, '0', undef, 'one'), 'the worker finds another database');
$node->safe_sql('CREATE ROLE nobody');
set_for('one', "mytsdb.stop_point = 'seal-blocks-written=wait'");
my $lock = $node->session('one');
$lock->query('SELECT pg_advisory_lock(7, 7)');
$node->safe_sql("INSERT INTO t VALUES ('2026-01-01', 0)", 'one');
my $waiting = q{SELECT string_agg(pid::text, ' ') FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())};
ok($node->wait_for("SELECT ($waiting) IS NOT NULL", 't', undef, 'one'), 'a worker is there');
my $worker = $node->sql($waiting, 'one');
$node->sql("SET ROLE nobody; $_")
  for 'DROP DATABASE one', 'ALTER DATABASE one SET TABLESPACE pg_default',
  'ALTER DATABASE one RENAME TO mine', 'CREATE DATABASE mine TEMPLATE one';
is($node->sql($waiting, 'one'), $worker, 'who may not drop it sends nobody away');
$lock->query('SELECT pg_advisory_unlock(7, 7)');
$lock->close;
ok($node->wait_for($pending, '0', undef, 'one'), 'he goes on');
$node->safe_sql('ALTER DATABASE one RESET mytsdb.stop_point');
alone('one');
$node->safe_sql('CREATE DATABASE two TEMPLATE one');
is($node->sql('SELECT count(*) FROM t', 'two'), '2', 'a copied database has the rows');
$node->safe_sql("INSERT INTO t VALUES ('2026-01-02', 2)", 'two');
is($node->sql('SELECT sum(v) FROM t', 'two') . ' ' . $node->sql('SELECT sum(v) FROM t', 'one'),
	'3 1', 'and goes its own way');
$node->safe_sql("INSERT INTO t VALUES ('2026-01-02', 5)", 'one');
alone('one');
$node->safe_sql('ALTER DATABASE one RENAME TO three');
is($node->sql('SELECT sum(v) FROM t', 'three'), '6', 'a database is renamed');
foreach my $database (qw(two three))
{
	alone($database);
	$node->safe_sql("DROP DATABASE $database");
}
is($node->sql("SELECT count(*) FROM pg_database WHERE datname IN ('one', 'two', 'three')"),
	'0', 'databases are dropped');

# turns: a database that asks for workers all the time does not keep others waiting
$node->safe_sql('CREATE DATABASE other');
$node->safe_sql('CREATE EXTENSION mytsdb; CREATE TABLE t (time timestamptz, v int) USING mytsdb', 'other');
$node->safe_sql('CREATE TABLE busy (time timestamptz, v int) USING mytsdb');
$node->safe_sql('ALTER SYSTEM SET mytsdb.maintenance_workers = 1; SELECT pg_reload_conf()');
my $waker = $node->session;
$waker->send("\\o /dev/null\nVACUUM busy \\watch 0.01");
for my $v (1 .. 2)
{
	$node->safe_sql("INSERT INTO t VALUES ('2026-01-01', $v)", 'other');
	ok($node->wait_for($pending, '0', undef, 'other'), 'another database has its turn, too');
}
$node->safe_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'VACUUM busy%'");
$waker->close;

# who asks for a worker while another database's is being started is heard
$node->safe_sql('ALTER SYSTEM RESET mytsdb.maintenance_workers;
	ALTER SYSTEM SET mytsdb.maintenance_interval = 3600; SELECT pg_reload_conf()');
sleep 3;
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb maintenance'";
$node->wait_for($workers, '0');
my @asking = ($node->session('other'), $node->session);
my $keeper = $node->session('other');
$keeper->query('SELECT pg_advisory_lock(7, 7)');
$node->safe_sql("ALTER DATABASE other SET mytsdb.stop_point = 'seal-blocks-written=wait'");
$asking[0]->query("INSERT INTO t VALUES ('2026-01-01', 3)");
$asking[1]->query("INSERT INTO busy VALUES ('2026-01-01', 1)");
sleep 2;
my $postmaster = $node->safe_sql(q{SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)});
kill 'STOP', $postmaster;
$asking[0]->send('VACUUM t'); # it waits for a worker that is already there
select undef, undef, undef, 0.5;
$asking[1]->query('VACUUM busy');
select undef, undef, undef, 0.5;
kill 'CONT', $postmaster;
ok($node->wait_for("SELECT sum(pending_bytes) FROM mytsdb.stat_shard WHERE rel = 'busy'::regclass", '0'),
	'who asks while a worker is being started is heard');
ok($node->wait_for($workers, '1'), 'while that one works on');
$keeper->query('SELECT pg_advisory_unlock(7, 7)');
is($asking[0]->receive, '', 'he who asked goes on');
$_->close for @asking, $keeper;
$node->safe_sql('ALTER DATABASE other RESET mytsdb.stop_point;
	ALTER SYSTEM SET mytsdb.maintenance_interval = 1; SELECT pg_reload_conf()');

# DROP EXTENSION while a worker is in the middle of a seal: neither waits for the other
# half way
set_for('postgres', "mytsdb.stop_point = 'seal-blocks-written=wait'");
my $holder = $node->session;
$holder->query('SELECT pg_advisory_lock(7, 7)');
$node->safe_sql('CREATE TABLE late (time timestamptz, v int) USING mytsdb');
$node->safe_sql("INSERT INTO late VALUES ('2026-01-01', 1)");
ok($node->wait_for("SELECT ($waiting) IS NOT NULL", 't'),
	'a worker is in the middle of a seal');
my $dropper = $node->session;
$dropper->send('DROP EXTENSION mytsdb CASCADE;');
ok($node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DROP EXTENSION%'", '1'),
	'the extension is being dropped');
$node->safe_sql('ALTER DATABASE postgres RESET mytsdb.stop_point');
$holder->query('SELECT pg_advisory_unlock(7, 7)');
ok($node->wait_for("SELECT count(*) FROM pg_extension WHERE extname = 'mytsdb'", '0'), 'it is dropped');
$dropper->receive;
$_->close for $holder, $dropper;
unlike($node->log_text, qr/deadlock detected/, 'without a deadlock');

unlike($node->log_text, qr/PANIC|TRAP:|terminated by signal (?!9)/, 'no crash but ours');
ok($node->stop, 'the server stops');
done_testing();
