# A standby, a base backup, a restored moment and checksums: what the WAL carries.
#
# Every transaction of the load inserts rows whose values sum up to zero, and says in a
# heap table (ledger) how many there are; so any snapshot on any server can be judged by
# itself. The seed of the load is printed; MYTSDB_SEED gives another.
use strict;
use warnings;

use FindBin;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;
my $seed = $ENV{MYTSDB_SEED} // POSIX::floor(time) % 1000000;
srand $seed;
diag "MYTSDB_SEED=$seed";

my $top = Cluster::prepare('assert');
my $archive = Cluster::tools('new_server_dir');
chomp $archive;

my @settings = (
	'wal_level = replica', "wal_consistency_checking = 'all'", 'wal_keep_size = 1GB',
	'max_wal_size = 2GB', 'checkpoint_timeout = 30s', 'shared_buffers = 64MB',
	'autovacuum_naptime = 1s', 'archive_mode = on',
	"archive_command = 'cp %p $archive/%f'", 'hot_standby = on',
	'hot_standby_feedback = off', 'max_standby_streaming_delay = 500ms',
	'wal_receiver_status_interval = 1s', 'mytsdb.busy_logs = 7');
my $primary = Cluster->new('primary');
$primary->initdb(['-k'], @settings);
$primary->start;
$primary->safe_sql(q{
	CREATE EXTENSION mytsdb;
	CREATE TABLE ledger (what text, tx text, n int, sum float8);
	CREATE TABLE load (host text, core int, t timestamptz NOT NULL, v float8, tx text)
		USING mytsdb WITH (mytsdb.series_by = 'host,core', mytsdb.shards = 4);
	CREATE TABLE metric (l labels, t timestamptz NOT NULL, v float8, tx text)
		USING mytsdb WITH (mytsdb.shards = 2);
	CREATE TABLE gauge (name text, t timestamptz NOT NULL, v float8)
		USING mytsdb WITH (mytsdb.series_by = 'name', mytsdb.duplicates = 'replace',
			mytsdb.shards = 2);
	CREATE TABLE short (name text, t timestamptz NOT NULL, v float8, tx text)
		USING mytsdb WITH (mytsdb.series_by = 'name', mytsdb.shards = 1);
	-- all series of the load that are counted later
	BEGIN; INSERT INTO load SELECT 'h' || i % 17, i % 5, '2025-12-31', 0, 'first' FROM generate_series(0, 84) i;
	INSERT INTO ledger VALUES ('load', 'first', 85, 0); COMMIT});

# ---- the load ----

my $transactions = 0;

# One transaction's statements.
sub transaction
{
	my $tx = sprintf 'x%d', ++$transactions;
	my ($what, $names, $columns) = @{
		(
			[ 'load', 'host, core', q{'h' || i % 17, i % 5} ],
			[ 'load', 'host, core', q{'h' || i % 17, i % 5} ],
			[ 'metric', 'l', q{('m' || i % 7 || '{job="j' || i % 3 || '"}')::labels} ],
			[ 'short', 'name', q{'s' || i % 9} ]
		)[ rand 4 ]
	};
	my $pairs = rand(30) < 1 ? 1000 + int rand 2000 : 1 + int rand 40;
	my $start = int rand 100000;
	my $rows = qq{SELECT $columns,
		'2026-01-01'::timestamptz + ($start + i / 2) * interval '1 second',
		(i / 2) * (CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END), '$tx'
		FROM generate_series(2, 2 * $pairs + 1) i};
	my $n = 2 * $pairs;
	my $noted = "INSERT INTO ledger VALUES ('$what', '$tx', $n, 0)";
	my $how = rand 10;

	return "BEGIN; INSERT INTO $what $rows; $noted; COMMIT" if $how < 4;
	return "BEGIN; $noted; SAVEPOINT s; INSERT INTO $what $rows; ROLLBACK TO s; "
	  . "INSERT INTO $what $rows; RELEASE s; COMMIT"
	  if $how < 6;
	return "BEGIN; INSERT INTO $what $rows; $noted; ROLLBACK" if $how < 7;
	return "BEGIN; $noted; INSERT INTO $what $rows; PREPARE TRANSACTION '$tx'; "
	  . (rand(2) < 1 ? 'COMMIT' : 'ROLLBACK')
	  . " PREPARED '$tx'"
	  if $how < 8;
	return "COPY ($rows) TO '$top/copy/$tx'; BEGIN; "
	  . "COPY $what ($names, t, v, tx) FROM '$top/copy/$tx'; "
	  . "$noted; COMMIT"
	  if $how < 9;
	return "INSERT INTO gauge SELECT 'g' || i % 11, '2026-01-01'::timestamptz + "
	  . "i * interval '1 minute', random() FROM generate_series(1, $pairs) i";
}

sub maintenance
{
	my $table = (qw(load metric gauge short))[ rand 4 ];

	return (
		"SELECT mytsdb.seal('$table')",
		"SELECT mytsdb.seal('$table')",
		"SELECT mytsdb.merge('$table')",
		"VACUUM $table",
		"VACUUM FREEZE $table",
		'VACUUM mytsdb.block, mytsdb.shard',
		"SELECT mytsdb.drop_before('gauge', '2026-01-02')",
		"BEGIN; TRUNCATE short; DELETE FROM ledger WHERE what = 'short'; COMMIT",
		'CREATE TABLE passing (t timestamptz NOT NULL, v int) USING mytsdb; INSERT INTO '
		  . 'passing SELECT now(), i FROM generate_series(1, 5000) i; DROP TABLE passing',
		'VACUUM FULL gauge',
		'CHECKPOINT',
		'ALTER TABLE short ADD COLUMN more int DEFAULT 7; ALTER TABLE short DROP COLUMN more'
	)[ rand 12 ];
}

# Starts writers, and one who maintains, for some seconds; they end by themselves.
my @load;

sub start_load
{
	my ($seconds) = @_;
	my $end = time + $seconds;
	foreach my $writer (0 .. 3)
	{
		my $number = int rand 1000000;
		my $pid = fork() // die "fork: $!";
		$transactions += 100000;
		if ($pid > 0)
		{
			push @load, $pid;
			next;
		}
		srand $number;
		my $session = $primary->session;
		my $wrong = 0;
		while (time < $end)
		{
			my $sql = $writer == 3 ? maintenance() : transaction();
			my $output = $session->query($sql);
			# Maintenance may meet a worker's, or a lock the other way round.
			if ($session->{ended} || ($output =~ /ERROR: / && $output !~ /40P01|55P03/))
			{
				diag "$sql\n$output";
				$wrong = 1;
			}
			sleep($writer == 3 ? 0.05 : 0.01);
		}
		$session->close;
		POSIX::_exit($wrong);
	}
}

sub finish_load
{
	my $wrong = 0;
	foreach my $pid (@load)
	{
		waitpid $pid, 0;
		$wrong ||= $?;
	}
	@load = ();
	return !$wrong;
}

# ---- what is asked ----

# Transactions of which a snapshot has other rows than the ledger says: none.
sub judged
{
	my ($table) = @_;
	return qq{SELECT count(*), min(l.tx), min(r.tx), sum(l.n), sum(r.n) FROM
		(SELECT * FROM ledger WHERE what = '$table') l FULL JOIN
		(SELECT tx, count(*) AS n, sum(v) AS sum FROM $table GROUP BY tx) r USING (tx)
		WHERE (l.n, l.sum) IS DISTINCT FROM (r.n, r.sum)};
}

my @judges = map { judged($_) } qw(load metric short);
my $nothing = '0||||';

my @queries = (
	@judges,
	(
		map { (
			"SELECT count(*), min(t), max(t) FROM $_",
			"SELECT md5(string_agg(r::text, ';' ORDER BY r::text COLLATE \"C\")) FROM $_ r",
			"SELECT t FROM $_ ORDER BY t DESC LIMIT 20",
			"SELECT count(*), sum(v::numeric) FROM $_ "
			  . "WHERE t BETWEEN '2026-01-01 03:00' AND '2026-01-01 11:00'") }
		  qw(load metric gauge short)),
	'SELECT host, core, count(*), sum(v::numeric), min(t), max(t) FROM load GROUP BY 1, 2 ORDER BY 1, 2',
	q{SELECT host, t, v FROM load WHERE host IN ('h3', 'h11') AND core = 2
		ORDER BY 1, 2, 3 LIMIT 100},
	q{SELECT l, count(*), sum(v::numeric) FROM metric WHERE l ~ '{job=~"j[12]"}' GROUP BY l ORDER BY l},
	q{SELECT name, first(v, t), last(v, t) FROM gauge GROUP BY name ORDER BY name});

# Whether an answer is an error that says that redo was in the way. It may have ended the
# session when nobody looked at the answer, or between two questions; if it was something
# else, the log says so.
sub is_conflict
{
	my ($answer) = @_;
	return $answer =~ /(ERROR|FATAL):  40001: / ? 1
	  : $answer =~ /(ERROR|FATAL):  40P01: .*conflict with recovery/ ? 1
	  : $answer =~ /^session has ended|connection to server was lost/ ? 1
	  : 0;
}

# Asks again after a conflict: vacuum goes on while the load pauses, until it is done.
sub insist
{
	my ($node, $query) = @_;
	my $end = time + 180;
	my $answer;
	do { $answer = $node->sql($query) } while (is_conflict($answer) && time < $end);
	return $answer;
}

sub same_everywhere
{
	my ($one, $other, $what) = @_;
	my @different;
	foreach my $query (@queries)
	{
		my ($a, $b) = map { insist($_, $query) } $one, $other;
		push @different, "$query\n$one->{name}: $a\n$other->{name}: $b\n"
		  if $a ne $b || $a =~ /ERROR|FATAL/;
	}
	is("@different", '', "$what: the same results on $one->{name} and $other->{name}");
	foreach my $judge (@judges)
	{
		is(insist($other, $judge), $nothing, "$what: whole transactions on $other->{name}");
	}
}

# Asks a server while redo, or the load itself, runs, for some seconds, in all ways.
sub ask_under_load
{
	my ($node, $seconds) = @_;
	my $end = time + $seconds;
	my $session;
	my (@wrong, %seen);
	# Where everything is slow, some answers are waited for.
	while (@wrong < 3 && (time < $end || ($seen{answers} // 0) <= 5 && time < $end + 180))
	{
		$session = $node->session if !$session || $session->{ended};
		my $query = $judges[ rand @judges ];
		my $repeatable = rand(3) < 1;
		my @answers;
		# The lock comes before the snapshot: one that is older than a TRUNCATE would see
		# none of what the ledger says.
		$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE short IN ACCESS SHARE MODE') if $repeatable;
		foreach (1 .. ($repeatable ? 3 : 1))
		{
			push @answers, $session->query($query);
			sleep 0.3 if $repeatable;
		}
		$session->query('ROLLBACK') if $repeatable;
		foreach my $answer (@answers)
		{
			last if $answer =~ /25P02/;    # after an error
			my $conflict = is_conflict($answer);
			$seen{ $conflict ? 'conflicts' : 'answers' }++;
			push @wrong, $answer if !$conflict && $answer ne $nothing;
			last if $conflict;
		}
	}
	$session->close if $session;
	is("@wrong", '', "right rows or a conflict on $node->{name} under load");
	cmp_ok($seen{answers} // 0, '>', 5, 'and right rows as a rule');
	is($seen{conflicts}, undef, 'which is for standbys alone') if $node == $primary;
	note join ', ', map { "$_: $seen{$_}" } sort keys %seen;
}

# Writes to the end of a node's configuration, and makes it known: to those who come from
# then on, and, as a rule, to others.
sub set
{
	my ($node, @lines) = @_;
	$node->configure(@lines);
	my $before = $node->safe_sql('SELECT pg_conf_load_time()');
	$node->safe_sql('SELECT pg_reload_conf()');
	$node->wait_for("SELECT pg_conf_load_time() > '$before'", 't');
	sleep 0.2;
}

# ---- a standby under load ----

mkdir "$top/copy" or die $!;
chmod 0777, "$top/copy";
start_load(8);
sleep 1;
my $standby = Cluster->new('standby');
$standby->backup_of($primary, '-R');
# Its scans are divided among workers.
$standby->configure('parallel_setup_cost = 0', 'parallel_tuple_cost = 0',
	'min_parallel_table_scan_size = 0');
$standby->start;
ok(finish_load(), 'the load runs during a base backup');
ok($standby->catch_up($primary), 'the standby catches up');
same_everywhere($primary, $standby, 'after the base backup');

start_load(15);
ask_under_load($standby, 10);
ask_under_load($primary, 4);
ok(finish_load(), 'the load runs while servers are asked');
ok($standby->catch_up($primary), 'the standby catches up');
same_everywhere($primary, $standby, 'after the load');

# ---- pages are used again under a standby's snapshot ----

# Nothing is vacuumed, sealed or merged but where it is said, so that conflicts of other
# tables do not come before what is to be seen here: stamps that are not the expected ones.
set($primary, 'autovacuum = off', 'mytsdb.maintenance_workers = 0');
ok($primary->wait_for(q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type IN ('autovacuum worker', 'mytsdb maintenance')}, '0'), 'no worker is there');
$primary->safe_sql(q{
	CREATE TABLE reused (name text, t timestamptz NOT NULL, v int, note text)
		USING mytsdb WITH (mytsdb.series_by = 'name', mytsdb.shards = 1)});
my $reused = q{SELECT count(*), sum(v), count(note) FROM reused};
my %fate = (rows => 0, conflict => 0, freed => 0, replaced => 0);

sub feed
{
	my ($times, $from, $sealed) = @_;
	foreach my $i (map { $from + 100 * $_ } 1 .. $times)
	{
		$primary->safe_sql("INSERT INTO reused SELECT 's' || i % 7, '2026-01-01'::timestamptz
			+ i * interval '1 second', i, md5(i::text)
			FROM generate_series($i, $i + 999) i" . ($sealed ? q{; SELECT mytsdb.seal('reused')} : ''));
	}
}

# How redo disturbs a snapshot that has been there for long.
sub disturb
{
	my ($way) = @_;
	if ($way eq 'log')
	{
		$primary->safe_sql(q{SELECT mytsdb.seal('reused')});
	}
	else
	{
		$primary->safe_sql(q{SELECT mytsdb.merge('reused')});
	}
	$primary->safe_sql('VACUUM FREEZE reused; VACUUM mytsdb.shard, mytsdb.block')
	  if $way eq 'all';
	$primary->safe_sql('VACUUM reused');
	feed(12, 40000, $way ne 'log');
}

foreach my $delay ('0', '500ms', '-1')
{
	set($standby, "max_standby_streaming_delay = $delay");
	foreach my $way ('log', 'blocks', 'all')
	{
		$primary->safe_sql('TRUNCATE reused');
		feed(12, 0, $way ne 'log');
		$standby->catch_up($primary) or die 'no redo';
		my $expected = $primary->safe_sql($reused);
		my $session = $standby->session;
		my $open = $standby->session;
		$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ledger');
		$open->query('BEGIN; DECLARE c CURSOR FOR SELECT v FROM reused ORDER BY name, t');
		disturb($way);
		# what cannot wait for ever is there then; else perhaps no more than what they do not wait for
		($delay eq '-1' ? $standby->catch_up_or_wait($primary) : $standby->catch_up($primary)) or die 'no redo';
		my $answer = $session->query($reused);
		$session->close;
		my $fetched = $open->query('FETCH ALL FROM c');
		$open->close;
		$fate{ is_conflict($answer) ? 'conflict' : 'rows' }++;
		$fate{freed}++ if $answer =~ /log of relation "reused" was freed during recovery/;
		$fate{replaced}++ if $answer =~ /page \d+ of relation "reused" was replaced/;
		ok(is_conflict($answer) || $answer eq $expected, "reuse of $way pages, delay $delay")
		  or diag "$answer\nexpected $expected";
		my @rows = split /\n/, $fetched;
		ok(is_conflict($fetched) || @rows == 12000, 'and so for a cursor')
		  or diag scalar(@rows) . " rows: $rows[0] ...";
	}
}
note join ', ', map { "$_: $fate{$_}" } sort keys %fate;
cmp_ok($fate{freed}, '>', 0, 'a snapshot lost log pages');
cmp_ok($fate{replaced}, '>', 0, 'a snapshot lost pages of blocks to others');
$standby->catch_up($primary) or die 'no redo';
same_everywhere($primary, $standby, 'after reuse');

# A rewrite that the snapshot does not see, frozen: never fewer rows.
foreach my $delay ('0', '-1')
{
	set($standby, "max_standby_streaming_delay = $delay");
	$standby->catch_up($primary) or die 'no redo';
	my $expected = $primary->safe_sql($reused);
	my $session = $standby->session;
	$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ledger');
	$primary->safe_sql('VACUUM FULL reused');
	$primary->safe_sql('VACUUM FREEZE reused');
	($delay eq '-1' ? $standby->catch_up_or_wait($primary) : $standby->catch_up($primary)) or die 'no redo';
	my $answer = $session->query($reused);
	$session->close;
	ok(is_conflict($answer) || $answer eq $expected,
		"a snapshot older than VACUUM FULL and FREEZE, delay $delay")
	  or diag "$answer\nexpected $expected";
}

set($primary, 'autovacuum = on', 'mytsdb.maintenance_workers = 2');

# ---- promotion ----

start_load(3);
ok(finish_load(), 'the load runs once more');
ok($standby->catch_up($primary), 'the standby catches up');
my $kept_session = $standby->session;
my $before = $kept_session->query($queries[-1]);
my @expected = map { $primary->sql($_) } @queries;
ok($primary->stop, 'the primary stops');
$standby->promote;
is_deeply([ map { $standby->sql($_) } @queries ], \@expected, 'promoted, it has all rows');
is($kept_session->query($queries[-1]), $before, 'a session from before asks on');
$kept_session->query(q{INSERT INTO gauge VALUES ('new', '2030-01-01', 1);
	INSERT INTO gauge VALUES ('new', '2030-01-01', 2)});
is($kept_session->query(q{SELECT v FROM gauge WHERE name = 'new'}),
	'2', 'and writes: numbers go on, the later row wins');
$kept_session->close;
$standby->safe_sql(q{SELECT mytsdb.seal('gauge'); SELECT mytsdb.merge('gauge')});
is($standby->sql(q{SELECT v FROM gauge WHERE name = 'new'}), '2', 'also when merged');
$standby->safe_sql(q{INSERT INTO gauge SELECT name, t, -1 FROM gauge});
is($standby->sql('SELECT min(v), max(v) FROM gauge'), '-1|-1',
	'what is written now wins over all from before');
$standby->safe_sql(q{BEGIN;
	INSERT INTO load SELECT 'h' || i % 34, i % 10, '2026-05-05', 0, 'promoted'
		FROM generate_series(0, 339) i;
	INSERT INTO ledger VALUES ('load', 'promoted', 340, 0); COMMIT});
is($standby->sql('SELECT count(DISTINCT (host, core)) FROM load'),
	$standby->sql(q{SELECT count(*) FROM (SELECT 'h' || i % 17, i % 5 FROM
		generate_series(0, 339) i UNION SELECT 'h' || i % 34, i % 10 FROM
		generate_series(0, 339) i) q}), 'new series join the old ones');
my $first = $primary;
$primary = $standby;
start_load(4);
ok(finish_load(), 'the load goes on, on the promoted server');
is($standby->sql($_), $nothing, 'whole transactions there') foreach @judges;

# ---- a moment in mid-load ----

my $backup = Cluster->new('restored');
$backup->backup_of($primary);
start_load(6);
sleep 2.5;
$primary->safe_sql(q{SELECT pg_create_restore_point('moment')});
sleep 0.5;
my $xid = $primary->safe_sql(q{BEGIN;
	INSERT INTO load VALUES ('target', 0, '2026-06-06', 0, 'target');
	INSERT INTO ledger VALUES ('load', 'target', 1, 0);
	SELECT pg_current_xact_id(); COMMIT});
my $lsn = $primary->safe_sql('SELECT pg_current_wal_insert_lsn()');
ok(finish_load(), 'the load runs over the moment');
my $wal = $primary->safe_sql('SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
$primary->safe_sql(q{INSERT INTO gauge VALUES ('z', '2030-01-01', 0); SELECT pg_switch_wal()});
ok($primary->wait_for("SELECT last_archived_wal >= '$wal' FROM pg_stat_archiver", 't'),
	'the WAL is archived');
foreach my $target ("recovery_target_name = 'moment'", "recovery_target_xid = '$xid'",
	"recovery_target_lsn = '$lsn'")
{
	my $restored = Cluster->new("restored to $target");
	Cluster::tools('as_server', 'cp', '-a', $backup->{data}, $restored->{data});
	$restored->configure("unix_socket_directories = '$restored->{dir}'",
		"restore_command = 'cp $archive/%f %p'", 'recovery_target_action = promote',
		'archive_mode = off', $target);
	$restored->signal_file('recovery.signal');
	$restored->start;
	ok($restored->wait_for('SELECT pg_is_in_recovery()', 'f'), "$restored->{name}");
	is($restored->sql($_), $nothing, 'whole transactions there') foreach @judges;
	is($restored->sql(q{SELECT count(*) FROM load WHERE host = 'target'}),
		$target =~ /moment/ ? 0 : 1, 'up to the moment, no farther');
	$restored->safe_sql(q{INSERT INTO load VALUES ('new', 0, '2026-07-07', 0, 'new');
		SELECT mytsdb.seal('load'); SELECT mytsdb.merge('load'); VACUUM load});
	is($restored->sql(q{SELECT count(*) FROM load WHERE tx = 'new'}), 1, 'it can be written');
	ok($restored->stop, 'and stopped');
	checksums($restored);
	Cluster::tools('as_server', 'rm', '-rf', $restored->{data});
}

# ---- at the end ----

ok($standby->stop, 'the promoted server stops');

sub checksums
{
	my ($node) = @_;
	my ($status, $output) = $node->try_program('pg_checksums', '--check', '-D', $node->{data});
	ok($status == 0 && $output =~ /Bad checksums:\s+0/, "$node->{name}: checksums are right")
	  or diag $output;
}

checksums($standby);
foreach my $node ($first, $standby)
{
	my @bad = grep { /inconsistent page|XX000|XX001|XX002|TRAP|PANIC|terminated by signal/ } split /^/m, $node->log_text;
	is("@bad", '', "$node->{name}: nothing bad in its log");
}
done_testing();
