# Hot memory: what is in it is what is in the logs; it is never larger than its setting;
# when it is full, all goes on, and nothing is wrong. Rows go to a heap table, too, in the
# same transactions, and any snapshot must see the same in both.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;

use constant MB => 1024 * 1024;

Cluster::prepare('assert');

my $node = Cluster->new('hot');
$node->initdb([], 'mytsdb.hot_memory = 32MB', 'mytsdb.maintenance_interval = 1',
	'mytsdb.seal_age = 1d', 'mytsdb.buffer_memory = 512kB', 'work_mem = 16MB', 'shared_buffers = 64MB',
	'max_wal_size = 2GB', 'autovacuum = off', 'wal_level = minimal', 'max_wal_senders = 0');
$node->start;
$node->safe_sql(q{
	CREATE EXTENSION mytsdb;
	CREATE FUNCTION hot_stats(OUT size int8, OUT used int8, OUT generations int8, OUT drops int8,
		OUT appends int8, OUT log_only int8, OUT delays int8, OUT delay_ms float8,
		OUT rows_read int8) AS 'mytsdb', 'mytsdb_hot_stats' LANGUAGE C;
	CREATE TABLE m (t timestamptz NOT NULL, dev int, i int8, note text)
		USING mytsdb WITH (mytsdb.series_by = 'dev', mytsdb.shards = 4);
	CREATE TABLE h (t timestamptz NOT NULL, dev int, i int8, note text) USING heap;
	CREATE FUNCTION gen(first int8, n int) RETURNS SETOF h LANGUAGE sql AS $$
		SELECT '2026-01-01Z'::timestamptz + i * interval '1 ms', (i % 50)::int, i,
			repeat(md5(i::text), 30)
		FROM generate_series(first, first + n - 1) i $$;
	-- Writes count rows, some hundreds at a time, each time in one transaction if asked to.
	CREATE PROCEDURE load(first int8, count int8, many bool) LANGUAGE plpgsql AS $$
		BEGIN
			FOR at IN first .. first + count - 1 BY 500 LOOP
				INSERT INTO m SELECT * FROM gen(at, 500);
				INSERT INTO h SELECT * FROM gen(at, 500);
				IF many THEN COMMIT; END IF;
			END LOOP;
		END $$;
	CREATE VIEW differences AS
		(SELECT 'm', * FROM m EXCEPT ALL SELECT 'm', * FROM h) UNION ALL
		(SELECT 'h', * FROM h EXCEPT ALL SELECT 'h', * FROM m);
	CREATE VIEW sums AS SELECT
		(SELECT (count(*), sum(i), sum(hashtext(note))) FROM m)::text AS m,
		(SELECT (count(*), sum(i), sum(hashtext(note))) FROM h)::text AS h;
});

sub stat_of
{
	my ($column) = @_;
	return $node->safe_sql("SELECT $column FROM hot_stats()");
}

# A worker that is counting what there is keeps it a little longer.
sub all_given_back
{
	my ($name) = @_;
	ok $node->wait_for('SELECT used FROM hot_stats()', '0'), $name;
}

# Every snapshot sees the same in both tables.
sub same_sums
{
	my ($session) = @_;
	my ($m, $h) = split /\|/, $session->query('SELECT m, h FROM sums');
	return defined $h && $m eq $h;
}

# ---- what is read is what was written ----

subtest 'rows come back from hot memory' => sub {
	$node->safe_sql(q{
		CREATE TABLE kinds (t timestamp, k text, b bool, c "char", s int2, d date, f4 float4,
			f8 float8, n numeric, u uuid, x text, a int[], nothing int, gone text)
			USING mytsdb WITH (mytsdb.series_by = 'k', mytsdb.time_column = 't',
				mytsdb.shards = 2);
		CREATE TABLE kinds_heap (LIKE kinds) USING heap;
		CREATE FUNCTION kind(g int) RETURNS kinds_heap LANGUAGE sql AS $$
			SELECT row('2026-01-01'::timestamp + (g / 3) * interval '1 s',
				nullif('k' || g % 7, 'k5'), g % 2 = 0, chr(65 + g % 26),
				nullif((g % 100)::int2 - 50, 3), '2026-01-01'::date + g, g / 7.0,
				CASE g % 5 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE g * 0.1 END, nullif(g, 8) / 3.0,
				md5(g::text)::uuid, CASE WHEN g % 4 > 0 THEN repeat('x' || g % 9, g % 400) END,
				ARRAY[g, NULL, g + 1], NULL, 'gone' || g)::kinds_heap $$});
	my $before = stat_of('rows_read');
	# single rows, some rows, and many of them, with subtransactions that are rolled back
	$node->safe_sql(q{
		DO $$ BEGIN
			FOR g IN 1 .. 30 LOOP
				INSERT INTO kinds SELECT (kind(g)).*;
				INSERT INTO kinds_heap SELECT (kind(g)).*;
				COMMIT;
			END LOOP;
			FOR r IN 1 .. 12 LOOP
				BEGIN
					INSERT INTO kinds SELECT (kind(g)).* FROM generate_series(r * 300, r * 300 + 299) g;
					INSERT INTO kinds_heap SELECT (kind(g)).* FROM generate_series(r * 300, r * 300 + 299) g;
					PERFORM count(*) FROM kinds;
					IF r % 4 = 3 THEN RAISE division_by_zero; END IF;
				EXCEPTION WHEN division_by_zero THEN NULL;
				END;
				COMMIT;
			END LOOP;
		END $$});
	my $differ = sub {
		my ($where) = @_;
		return $node->safe_sql("SELECT count(*) FROM (
			(SELECT k::text AS r FROM kinds k $where EXCEPT ALL SELECT k::text FROM kinds_heap k $where)
			UNION ALL
			(SELECT k::text AS r FROM kinds_heap k $where EXCEPT ALL SELECT k::text FROM kinds k $where)) d");
	};
	is $differ->(''), 0, 'all rows';
	my $all = $node->safe_sql('SELECT count(*) FROM kinds_heap');
	cmp_ok stat_of('rows_read') - $before, '>=', $all, 'they were in hot memory';
	is $differ->("WHERE k = 'k3'"), 0, 'rows of a series';
	is $differ->("WHERE t BETWEEN '2026-01-01 00:02' AND '2026-01-01 00:07:00.5'"), 0,
	  'rows of a range of time';
	is $differ->("WHERE k IN ('k1', 'k6') AND t >= '2026-01-01 00:12'"), 0, 'both';
	$node->safe_sql("ALTER TABLE $_ DROP COLUMN gone, ADD COLUMN late text DEFAULT 'late',
		ADD COLUMN later int") foreach qw(kinds kinds_heap);
	is $differ->(''), 0, 'columns that went and came';
	$node->safe_sql("INSERT INTO $_ (t, k, x, late, later)
		SELECT '2026-01-02', 'k' || g, 'new', nullif(g, 2), g FROM generate_series(1, 9) g")
	  foreach qw(kinds kinds_heap);
	is $differ->(''), 0, 'rows with and without them';
	$before = stat_of('rows_read');
	$node->safe_sql('VACUUM FREEZE kinds');
	is $differ->(''), 0, 'frozen rows, and none of those rolled back';
	cmp_ok stat_of('rows_read') - $before, '>=', $all, 'they still are in hot memory';
	$node->safe_sql("SELECT mytsdb.seal('kinds')");
	$before = stat_of('rows_read');
	is $differ->(''), 0, 'sealed rows';
	is stat_of('rows_read'), $before, 'they are not in hot memory any more';

	$node->safe_sql('INSERT INTO kinds SELECT * FROM kinds_heap LIMIT 300');
	cmp_ok stat_of('used'), '>', 0, 'memory is in use';
	$node->safe_sql('BEGIN; DROP TABLE kinds; ROLLBACK; TRUNCATE kinds');
	all_given_back('a table that is truncated gives it back');
	$node->safe_sql(q{BEGIN; INSERT INTO kinds SELECT * FROM kinds_heap; SAVEPOINT s;
		CREATE TABLE other (LIKE m) USING mytsdb; INSERT INTO other SELECT * FROM gen(1, 9);
		SELECT count(*) FROM other; TRUNCATE other; INSERT INTO other SELECT * FROM gen(1, 9);
		SET LOCAL application_name = 'x'; ANALYZE other;
		ROLLBACK TO s; DROP TABLE kinds, kinds_heap CASCADE; COMMIT});
	all_given_back('so do those that are dropped or were never there');
	# seals that a transaction holds up
	$node->safe_sql(q{CREATE TABLE held_up (t timestamptz NOT NULL, v int) USING mytsdb WITH (mytsdb.shards = 1)});
	$node->safe_sql(q{BEGIN; INSERT INTO held_up VALUES (now(), 0); CREATE VIEW nothing AS SELECT 1;
		PREPARE TRANSACTION 'p'});
	$before = stat_of('log_only');
	$node->safe_sql(q{DO $$ BEGIN FOR i IN 1 .. 100 LOOP
		INSERT INTO held_up VALUES (now(), i); COMMIT; PERFORM mytsdb.seal('held_up'); COMMIT; END LOOP; END $$});
	is stat_of('log_only'), $before, 'seals that are held up keep no rows out';
	$node->safe_sql("COMMIT PREPARED 'p'");
	is $node->safe_sql('SELECT count(*), sum(v) FROM held_up'), '101|5050', 'all rows are read';
	$node->safe_sql(q{SELECT mytsdb.seal('held_up'); DROP VIEW nothing});
	is $node->safe_sql('SELECT count(*), sum(v) FROM held_up'), '101|5050', 'and sealed';
	all_given_back('the memory is free again');
	$node->safe_sql('DROP TABLE held_up');
	foreach my $end ('ROLLBACK', 'COMMIT')
	{
		$node->safe_sql(q{BEGIN; CREATE TABLE made (LIKE m) USING mytsdb; INSERT INTO made SELECT * FROM gen(1, 900);
			SELECT count(*) FROM made; PREPARE TRANSACTION 'p'});
		$node->safe_sql("$end PREPARED 'p'");
	}
	is $node->safe_sql('SELECT count(*) FROM made'), 900, 'a prepared transaction made it';
	all_given_back('one that was rolled back leaves nothing');
	$node->safe_sql('DROP TABLE made');
};

# ---- ten times as much as there is room for ----

subtest 'bounds' => sub {
	my $start = time;
	my $held = $node->session;
	$node->safe_sql('CALL load(1, 2000, true)');
	$held->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
	my $seen = $held->query('SELECT m FROM sums');
	my @writers = map { $node->session } 1 .. 4;
	$writers[$_]->send('CALL load(' . ($_ + 1) * 1000000 . ', 82000, true)') foreach 0 .. 3;
	my $reader = $node->session;
	my ($wrong, $reads, $most) = (0, 0, 0);
	while ($reads == 0 || grep { !$_->has_answered } @writers)
	{
		$wrong++ unless same_sums($reader);
		$reads++;
		my $used = stat_of('used');
		$most = $used if $used > $most;
	}
	is $writers[$_]->receive, '', "writer $_ got through" foreach 0 .. 3;
	is $wrong, 0, "$reads reads meanwhile are right";
	cmp_ok $most, '<=', 32 * MB, 'memory stays within its bounds';
	cmp_ok $node->safe_sql('SELECT sum(length(note)) FROM h'), '>', 300 * MB,
	  'there was ten times as much';
	# it does when the workers come to it
	my ($rows, $end) = (330000, time + 180);
	for (; stat_of('drops') <= 20 && time < $end; $rows += 2000)
	{
		$node->safe_sql('CALL load(' . (5000000 + $rows) . ', 2000, true)');
	}
	cmp_ok stat_of('drops'), '>', 20, 'sealing gave memory back';
	is $held->query('SELECT m FROM sums'), $seen, 'a snapshot held open sees what it saw';
	is $held->query('SELECT count(*) FROM m WHERE i < 1000000'), 2000, 'and its rows by a condition';
	$held->query('COMMIT');
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'both tables are the same';
	is $node->safe_sql('SELECT count(*) FROM h'), $rows, 'all rows are there';
	note sprintf 'took %.1f s; %s', time - $start, stat_of('hot_stats::text');
	$_->close foreach @writers, $reader, $held;
};

subtest 'open transactions larger than hot memory together' => sub {
	my @writers = map { $node->session } 1 .. 4;
	my $before = $node->safe_sql('SELECT m FROM sums');
	$node->safe_sql("SELECT mytsdb.seal('m')");
	my $log_only = stat_of('log_only');
	$_->query('BEGIN') foreach @writers;
	$writers[$_]->send('CALL load(' . ($_ + 11) * 1000000 . ', 15000, false)') foreach 0 .. 3;
	is $_->receive, '', 'a writer got through' foreach @writers;
	ok same_sums($_), 'it sees its rows' foreach @writers;
	is $node->safe_sql('SELECT m FROM sums'), $before, 'nobody else does';
	cmp_ok stat_of('log_only'), '>', $log_only, 'some rows found no room';
	my $used = stat_of('used');
	cmp_ok $used, '<=', 32 * MB, 'memory stays within its bounds';
	cmp_ok $used, '>', 16 * MB, 'it is used';
	my $cursor = $node->session;
	$cursor->query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM m; FETCH 10 FROM c');
	$writers[0]->query('COMMIT');
	$writers[1]->query('ROLLBACK');
	$writers[2]->query("PREPARE TRANSACTION 'p'");
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'the same with what committed';
	$node->safe_sql("SELECT mytsdb.seal('m')");
	$writers[3]->query('COMMIT');
	$node->safe_sql("COMMIT PREPARED 'p'");
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'and with all of it';
	$node->safe_sql("SELECT mytsdb.seal('m')");
	$cursor->query('MOVE FORWARD ALL FROM c');
	is $cursor->query('MOVE ABSOLUTE 0 FROM c; SELECT 1; COMMIT; SELECT 2') =~ /2$/, 1,
	  'a scan that was under way ends';
	all_given_back('sealing gave all back');
	$_->close foreach @writers, $cursor;
};

# ---- readers while generations come and go ----

subtest 'readers while generations are dropped' => sub {
	my @writers = map { $node->session } 1 .. 2;
	my @readers = map { $node->session } 1 .. 2;
	my $sealer = $node->session;
	$node->safe_sql('TRUNCATE m, h');
	$writers[$_]->send('CALL load(' . ($_ + 21) * 1000000 . ', 30000, true)') foreach 0, 1;
	my ($wrong, $reads) = (0, 0);
	while ($reads == 0 || grep { !$_->has_answered } @writers)
	{
		$sealer->send("SELECT mytsdb.seal('m') >= 0");
		$_->send('SELECT m = h FROM sums') foreach @readers;
		$wrong += $_->receive ne 't' foreach @readers;
		$wrong++ if $sealer->receive ne 't';
		$reads += 2;
	}
	is $_->receive, '', 'a writer got through' foreach @writers;
	is $wrong, 0, "$reads reads are right";
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'both tables are the same';
	$_->close foreach @writers, @readers, $sealer;
};

subtest 'a reader keeps what is dropped meanwhile' => sub {
	my ($holder, $reader) = map { $node->session } 1 .. 2;
	$node->safe_sql("TRUNCATE m, h; CALL load(25000000, 4000, true)");
	my $before = $node->safe_sql('SELECT m FROM sums');
	$holder->query('SELECT pg_advisory_lock(7, 7)');
	$reader->query("SET mytsdb.stop_point = 'scan-hot-pinned=wait'");
	$reader->send('SELECT m FROM sums');
	ok $node->wait_for(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted},
		'1'), 'it is in the middle of hot memory';
	$node->safe_sql("SELECT mytsdb.seal('m')");
	my $kept = stat_of('used');
	cmp_ok $kept, '>', 0, 'what it reads stays';
	$node->safe_sql('VACUUM FREEZE m');
	$node->safe_sql('CALL load(26000000, 4000, true)');
	$holder->query('SELECT pg_advisory_unlock(7, 7)');
	is $reader->receive, $before, 'it sees what it should';
	$node->safe_sql("SELECT mytsdb.seal('m')");
	all_given_back('then it goes');

	$node->safe_sql('CALL load(27000000, 4000, true)');
	$reader->query("SET mytsdb.stop_point = 'scan-hot-pinned=error'");
	like $reader->query('SELECT m FROM sums'), qr/stopped at/, 'a reader fails';
	$reader->query("SET mytsdb.stop_point = 'append-before-wal=error\@2'");
	like $reader->query('BEGIN; INSERT INTO m SELECT * FROM gen(28000000, 500); COMMIT'),
	  qr/stopped at/, 'so does a writer';
	$reader->query('ROLLBACK');
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'both tables are the same';
	$node->safe_sql("SELECT mytsdb.seal('m')");
	all_given_back('neither keeps memory');
	$_->close foreach $holder, $reader;
};

# ---- crash and restart ----

subtest 'crash and restart' => sub {
	my $victim = $node->session;
	my $pid = $victim->query('SELECT pg_backend_pid()');
	$node->safe_sql('CALL load(31000000, 2000, true)');
	my $before = $node->safe_sql('SELECT m FROM sums');
	my $crashes = $node->crashes;
	my $appends = stat_of('appends');
	$victim->send('BEGIN; CALL load(32000000, 200000, false)');
	ok $node->wait_for("SELECT appends > $appends FROM hot_stats()", 't'), 'somebody writes';
	$node->program('pg_ctl', 'kill', 'KILL', $pid);
	ok $node->wait_for_crash($crashes), 'the server comes back';
	is stat_of('generations'), 0, 'with nothing in hot memory';
	is $node->safe_sql('SELECT m FROM sums'), $before, 'what was committed is there';
	$node->safe_sql('CALL load(33000000, 2000, true)');
	cmp_ok stat_of('used'), '>', 0, 'new rows are in it';
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'they are read with the older ones';
	$node->stop;
	$node->start;
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'and after a restart';
	$node->safe_sql('CALL load(34000000, 500, true)');
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'with newer ones, too';
	$victim->close;
};

subtest 'without hot memory' => sub {
	$node->stop;
	$node->configure('mytsdb.hot_memory = 0');
	$node->start;
	$node->safe_sql('CALL load(35000000, 1000, true)');
	is $node->safe_sql('SELECT count(*) FROM differences'), 0, 'rows are read from pages';
	is stat_of('size'), 0, 'there is none';
};

ok $node->stop, 'the server stops';
done_testing;
