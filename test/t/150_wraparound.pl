# Transaction ids that the commit log forgets: rows of a quiet log outlive them.
#
# Records keep the id of their transaction until VACUUM freezes them. Ids are used up by
# moving the next one of a stopped server a long way on (pg_resetwal), as far as a server
# allows that has been frozen before; then freezing all databases cuts the commit log, and
# whoever still asked for an old id would get an error.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep);
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my $node = Cluster->new('primary');
$node->initdb([], 'wal_level = replica', 'wal_keep_size = 1GB', 'autovacuum = off',
	'hot_standby_feedback = off', 'max_standby_streaming_delay = -1',
	'mytsdb.maintenance_workers = 0');
$node->start;

# Ids of a page of the commit log; a file of it has 32 pages.
my $segment = 32 * 8192 * 4;
my $segments_of_epoch = 2**32 / $segment;

# How old the oldest id is that a table may hold.
sub age_of
{
	my ($table) = @_;
	return $node->safe_sql("SELECT age(relfrozenxid) FROM pg_class WHERE oid = '$table'::regclass");
}

sub freeze_all
{
	my ($options) = ('FREEZE', @_)[-1];
	foreach my $database (qw(postgres template1))
	{
		$node->safe_sql("VACUUM ($options)", $database);
	}
	$node->safe_sql(q{ALTER DATABASE template0 ALLOW_CONNECTIONS true});
	$node->safe_sql("VACUUM ($options)", 'template0');
	$node->safe_sql(q{ALTER DATABASE template0 ALLOW_CONNECTIONS false});
}

# The oldest file of the commit log, as its number. The newest one may be in memory yet.
sub oldest_segment
{
	$node->safe_sql('CHECKPOINT');
	return $node->safe_sql(q{SELECT min(pg_ls_dir) FROM pg_ls_dir('pg_xact')});
}

sub newest_segment
{
	$node->safe_sql('CHECKPOINT');
	return $node->safe_sql(q{SELECT max(pg_ls_dir) FROM pg_ls_dir('pg_xact')});
}

# Moves the next id of a server that stands still on by some files of the commit log, to
# the beginning of one, or to some ids before it; it makes the file, as it is to be there.
sub burn
{
	my ($segments, $short) = (@_, 0);
	my $next = $node->safe_sql('SELECT pg_current_xact_id()');
	my $number = int($next / $segment) + $segments;
	my $epoch = int($number / $segments_of_epoch);
	$number %= $segments_of_epoch;
	$node->stop or die 'does not stop';
	my $xid = $number * $segment - $short;
	$node->program('pg_resetwal', '-e', $epoch, '-x', $xid, '-D', $node->{data});
	Cluster::tools('as_server', 'bash', '-c',
		'file=$0/pg_xact/$(printf %04X $1); [ -e $file ] || head -c $((32 * 8192)) /dev/zero > $file',
		$node->{data}, int($xid / $segment));
	$node->start;
	cmp_ok($node->safe_sql('SELECT pg_current_xact_id()'), '>',
		$next + ($segments - 1) * $segment - $short,
		'ids go on');
}

# ---- a quiet log ----

$node->safe_sql(q{
	CREATE EXTENSION mytsdb;
	CREATE TABLE quiet (name text, t timestamptz NOT NULL, v int)
		USING mytsdb WITH (mytsdb.series_by = 'name', mytsdb.shards = 3);
	CREATE TABLE half (LIKE quiet)
		USING mytsdb WITH (mytsdb.series_by = 'name', mytsdb.shards = 1);
	CREATE TABLE full_written (LIKE quiet)
		USING mytsdb WITH (mytsdb.series_by = 'name', mytsdb.shards = 2);
	CREATE TABLE empty (LIKE quiet) USING mytsdb WITH (mytsdb.series_by = 'name')});

my $rows = q{SELECT 's' || i %% 13, '2026-01-01'::timestamptz + i * interval '1 second',
	i FROM generate_series(%d, %d) i};

sub fill
{
	my ($table, $from, $to) = @_;
	return "INSERT INTO $table " . sprintf($rows, $from, $to) . ';';
}

# Committed by transactions and subtransactions, and rolled back by both.
my @fill;
foreach my $table (qw(quiet half full_written))
{
	push @fill, map { fill($table, $_ * 100, $_ * 100 + 99) } 1 .. 40;
	push @fill, 'BEGIN;' . fill($table, 100001, 100500) . 'ROLLBACK;';
	push @fill, 'BEGIN; SAVEPOINT a;' . fill($table, 5001, 5100) . 'SAVEPOINT b;'
	  . fill($table, 200001, 200100) . 'ROLLBACK TO b; RELEASE a;'
	  . fill($table, 5101, 5200) . 'COMMIT;';
	push @fill, 'BEGIN;' . fill($table, 6001, 6100) . "PREPARE TRANSACTION 'p';";
	push @fill, "COMMIT PREPARED 'p';";
	push @fill, 'BEGIN;' . fill($table, 300001, 300100) . "PREPARE TRANSACTION 'p';";
	push @fill, "ROLLBACK PREPARED 'p';";
	push @fill, "SELECT mytsdb.seal('half');" if $table eq 'half';
}
$node->safe_sql($_) foreach @fill;
$node->safe_sql('VACUUM FULL full_written');
$node->safe_sql($_) foreach fill('half', 7001, 7100), fill('full_written', 7001, 7100);

my %expected;

sub contents
{
	my ($table) = @_;
	return "SELECT count(*), sum(v), max(v), count(DISTINCT name), sum(extract(epoch FROM t)) FROM $table";
}

sub remember
{
	$expected{$_} = $node->safe_sql(contents($_)) foreach qw(quiet half full_written empty);
}

sub same_rows
{
	my ($server, $when) = @_;
	is($server->sql(contents($_)), $expected{$_}, "$when: the rows of $_")
	  foreach sort keys %expected;
}

remember();
is((split /\|/, $expected{quiet})[0], 4300, 'what was committed is there, and nothing else');
is((split /\|/, $expected{$_})[0], 4400, "and so in $_") foreach qw(half full_written);

# ---- by age ----

burn(1);
same_rows($node, 'ids are old');
my $old = age_of('quiet');
cmp_ok($old, '>', $segment / 2, 'relfrozenxid is old');
$node->safe_sql('SET vacuum_freeze_min_age = 2000000; VACUUM quiet');
cmp_ok(age_of('quiet'), '>', $segment / 2, 'what is younger than vacuum_freeze_min_age stays');
$node->safe_sql(fill('quiet', 8001, 8100));
remember();
$node->safe_sql('SET vacuum_freeze_min_age = 1000; VACUUM quiet');
cmp_ok(age_of('quiet'), '<', 1000, 'what is older is frozen');
cmp_ok(age_of('quiet'), '>', 0, 'what is younger is not');
same_rows($node, 'frozen by age');

# ---- a prepared transaction, and an old snapshot, hold it back ----

$node->safe_sql('BEGIN; INSERT INTO empty VALUES (\'x\', \'2026-01-01\', 1); '
	  . fill('quiet', 400001, 400100) . "PREPARE TRANSACTION 'held'");
my $held = $node->safe_sql(q{SELECT age(transaction) FROM pg_prepared_xacts});
$node->safe_sql(fill('quiet', 9001, 9100));
remember();
my $snapshot = $node->session;
$snapshot->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$node->safe_sql(fill('quiet', 9101, 9200));
$node->safe_sql('VACUUM FREEZE quiet, empty');
cmp_ok(age_of('quiet'), '>', $held, 'relfrozenxid does not pass a prepared transaction');
is($snapshot->query(contents('quiet')), $expected{quiet}, 'an old snapshot sees no more');
remember();
same_rows($node, 'and others do');
$node->safe_sql(q{COMMIT PREPARED 'held'});
is($snapshot->query('SELECT count(*) FROM empty'), '0', 'an old snapshot sees no more');
$node->safe_sql('VACUUM FREEZE quiet, empty');
is($snapshot->query('SELECT count(*) FROM empty'), '0', 'when frozen around it, either');
cmp_ok(age_of('quiet'), '>', $held, 'relfrozenxid does not pass what an old snapshot holds');
$snapshot->query('COMMIT');
$snapshot->close;
remember();
is((split /\|/, $expected{empty})[0], 1, 'a prepared transaction was committed');
$node->safe_sql('VACUUM FREEZE quiet, empty');
cmp_ok(age_of('quiet'), '<', 3, 'relfrozenxid advances when nobody holds it back');
same_rows($node, 'frozen');

# ---- freezing amid what is being written ----

my $size = $node->safe_sql(q{SELECT pg_relation_size('quiet')});
my ($commits, $aborts) = ($node->session, $node->session);
foreach my $writer ($commits, $aborts)
{
	my $from = $writer == $commits ? 600000 : 700000;
	# The temporary table, as all such commands, sees that the rows go to the log.
	$writer->query('BEGIN;' . fill('quiet', 14001, 14010) . 'SAVEPOINT a;'
		  . fill('quiet', $from, $from + 99999) . 'RELEASE a; CREATE TEMP TABLE nothing ()');
}
cmp_ok($node->safe_sql(q{SELECT pg_relation_size('quiet')}), '>', $size + 100000,
	'rows of open transactions are in the log');
$node->safe_sql('VACUUM FREEZE quiet');
same_rows($node, 'frozen amid what is being written');
is($commits->query('SELECT count(*) FROM quiet WHERE v >= 600000'), '100000', 'own rows are seen');
$commits->query('COMMIT');
remember();
is((split /\|/, $expected{quiet})[2], 699999, 'what is committed then is there');
$aborts->query('ROLLBACK');
same_rows($node, 'what is rolled back then is not');
$node->safe_sql('VACUUM FREEZE quiet');
cmp_ok(age_of('quiet'), '<', 3, 'all is frozen');
same_rows($node, 'when frozen, either');
$_->close foreach $commits, $aborts;

# ---- the commit log is cut ----

# A session from before has all caches and no snapshot.
my $before = oldest_segment();
$node->safe_sql(fill('quiet', 9201, 9300));
remember();
burn(1);
my $session = $node->session;
is($session->query(contents($_)), $expected{$_}, "$_ is read before") foreach sort keys %expected;
freeze_all();
my $after = oldest_segment();
cmp_ok(hex $after, '>', hex $before, 'the commit log was cut');
cmp_ok(age_of($_), '<', 1000, "relfrozenxid of $_ is young") foreach sort keys %expected;
is($session->query(contents($_)), $expected{$_}, "a session from before reads $_")
  foreach sort keys %expected;
same_rows($node, 'a new session');
$session->close;
ok($node->stop, 'a restart');
$node->start;
same_rows($node, 'after a restart');
$node->stop('immediate');
$node->start;
same_rows($node, 'after a crash');
$node->safe_sql(fill($_, 10001, 10100)) foreach sort keys %expected;
remember();
foreach my $table (sort keys %expected)
{
	$node->safe_sql("SELECT mytsdb.seal('$table'); SELECT mytsdb.merge('$table'); VACUUM $table");
}
same_rows($node, 'sealed and merged');
$node->safe_sql('CREATE TABLE copied USING mytsdb AS SELECT * FROM quiet; VACUUM FULL quiet');
$node->safe_sql('VACUUM FREEZE');
same_rows($node, 'and rewritten');

# ---- the commit log is cut under a server that goes on, with its hot memory ----

burn(2, 500);
$session = $node->session;
foreach my $table (sort keys %expected)
{
	$node->safe_sql($_) foreach fill($table, 10201, 10300), 'BEGIN;' . fill($table, 800001, 800100) . 'ROLLBACK';
}
remember();
is($session->query(contents($_)), $expected{$_}, "$_ is read before") foreach sort keys %expected;
my $written_last = newest_segment();
$node->safe_sql('SELECT pg_current_xact_id();' x 600);
freeze_all();
cmp_ok(hex oldest_segment(), '>', hex $written_last, 'the file of the ids was cut off');
is($session->query(contents($_)), $expected{$_}, "a session from before reads $_")
  foreach sort keys %expected;
same_rows($node, 'a new session');
$session->query("SELECT mytsdb.seal('$_')") foreach sort keys %expected;
same_rows($node, 'sealed then');
$session->close;

# ---- the commit log is cut while a reader is in the middle of a page ----

# Records of few bytes and many rows: what has been read of a page goes to disk, and the
# reader waits there. It reads pages, since hot memory begins empty after a restart.
$node->safe_sql(q{CREATE TABLE midway (LIKE quiet)
	USING mytsdb WITH (mytsdb.series_by = 'name', mytsdb.shards = 1)});
burn(2, 500);
foreach my $step (0 .. 29)
{
	$node->safe_sql(qq{INSERT INTO midway SELECT 's', '2026-01-01'::timestamptz + i * interval '1 s', 7
		FROM generate_series(1, 500) i});
}
$node->safe_sql('BEGIN;' . fill('midway', 800001, 800100) . 'ROLLBACK');
my $midway = $node->safe_sql(contents('midway'));
ok($node->stop, 'a restart');
$node->start;
$written_last = newest_segment();
$node->safe_sql('SELECT pg_current_xact_id();' x 600);
my ($holder, $reader) = map { $node->session } 1 .. 2;
$holder->query('SELECT pg_advisory_lock(7, 7)');
$reader->query(q{SET work_mem = '64kB'; SET mytsdb.stop_point = 'scan-log-spilled=wait'});
$reader->send(contents('midway'));
ok($node->wait_for(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, '1'),
	'a reader waits in the middle of a page');
freeze_all();
cmp_ok(hex oldest_segment(), '>', hex $written_last, 'the file of the ids was cut off meanwhile');
$holder->query('SELECT pg_advisory_unlock(7, 7)');
is($reader->receive, $midway, 'it reads what it should');
$_->close foreach $holder, $reader;

# ---- half the circle on, what was not frozen would be in the future ----

$node->safe_sql($_) foreach fill('quiet', 11001, 11100), fill('half', 11001, 11100);
remember();
foreach my $step (1 .. 3)
{
	burn(1800);
	same_rows($node, "$step times 1.9 thousand million ids later");
	freeze_all();
	cmp_ok(age_of('full_written'), '<', 1000, 'frozen');
	same_rows($node, 'and frozen');
}
$node->safe_sql($_) foreach fill('quiet', 12001, 12100);
remember();

# ---- autovacuum sees to it ----

$node->safe_sql($_) foreach fill('quiet', 12101, 12200), fill('full_written', 12101, 12200);
$node->safe_sql('VACUUM FULL full_written');
remember();
$node->configure('autovacuum = on', 'autovacuum_freeze_max_age = 300000', 'vacuum_freeze_min_age = 0',
	'autovacuum_naptime = 1s');
burn(1);
foreach my $table (sort keys %expected)
{
	ok($node->wait_for("SELECT age(relfrozenxid) < 300000 FROM pg_class WHERE relname = '$table'", 't'),
		"autovacuum freezes $table");
}
same_rows($node, 'frozen by autovacuum');
$node->configure('autovacuum = off', 'autovacuum_freeze_max_age = 200000000');

# A table whose ids are in a file of the commit log that only it needs any more.
$node->safe_sql(q{CREATE TABLE gone (LIKE quiet)
	USING mytsdb WITH (mytsdb.series_by = 'name', mytsdb.shards = 1)});
burn(1, 500);
$node->safe_sql(fill('gone', 1, 100));
$written_last = newest_segment();
$node->safe_sql('SELECT pg_current_xact_id();' x 600);
$holder = $node->session;
$holder->query('BEGIN; LOCK TABLE gone IN SHARE MODE');
freeze_all('FREEZE, SKIP_LOCKED');
$holder->close;
is(oldest_segment(), $written_last, 'a table holds back the commit log');

# ---- an old snapshot on a standby ----

my $standby = Cluster->new('standby');
$standby->backup_of($node, '-R');
$standby->start;
$standby->catch_up($node) or die 'no redo';
same_rows($standby, 'a standby');
foreach my $delay ('-1', '0')
{
	$standby->configure("max_standby_streaming_delay = $delay");
	$standby->safe_sql('SELECT pg_reload_conf()');
	my $was = $standby->sql(contents('quiet'));
	my $old_one = $standby->session;
	$old_one->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_am');
	$node->safe_sql(fill('quiet', 13001, 13100));
	$node->safe_sql('BEGIN;' . fill('quiet', 500001, 500100) . 'ROLLBACK');
	$node->safe_sql('VACUUM FREEZE quiet');
	($delay eq '-1' ? $standby->catch_up_or_wait($node) : $standby->catch_up($node)) or die 'no redo';
	my $answer = $old_one->query(contents('quiet'));
	my $is_conflict = $answer =~ /(ERROR|FATAL):  40001/ || $answer =~ /session has ended/;
	ok($answer eq $was || $is_conflict, "freezing under a standby's snapshot, delay $delay")
	  or diag "$answer\nexpected $was";
	ok($delay ne '0' || $is_conflict, 'which is cancelled where nobody waits for it');
	$old_one->close;
	$standby->catch_up($node) or die 'no redo';
	remember();
	same_rows($standby, 'others');
}

# Records that were sealed are not frozen; the old snapshot still reads them as log, and
# nothing that the primary does says so.
$standby->configure('max_standby_streaming_delay = -1');
$standby->safe_sql('SELECT pg_reload_conf()');
my $gone = $node->safe_sql(contents('gone'));
my @old = map { $standby->session } 1 .. 2;
$_->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_am') foreach @old;
$node->safe_sql(q{SELECT mytsdb.seal('gone')});
$standby->catch_up($node) or die 'no redo';
is($old[0]->query(contents('gone')), $gone, 'sealed under a snapshot of a standby');
$node->safe_sql('VACUUM FREEZE gone');
cmp_ok(hex oldest_segment(), '>', hex $written_last, 'the file of the ids was cut off');
$standby->catch_up($node) or die 'no redo';
cmp_ok(hex $standby->safe_sql(q{SELECT min(pg_ls_dir) FROM pg_ls_dir('pg_xact')}),
	'>', hex $written_last, 'on the standby, too');
like($old[1]->query(contents('gone')), qr/ERROR:  40001: .*sealed and forgotten/,
	'the snapshot cannot be answered any more');
is($standby->sql(contents('gone')), $gone, 'others can');
$_->close foreach @old;

ok($standby->stop, 'the standby stops');
ok($node->stop, 'the primary stops');
foreach my $server ($node, $standby)
{
	my @bad = grep { /XX000|XX001|XX002|58P01|TRAP|PANIC|could not access status/ } split /^/m, $server->log_text;
	is("@bad", '', "$server->{name}: nothing bad in its log");
}
done_testing();
