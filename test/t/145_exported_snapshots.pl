# Snapshots that one transaction exports and others take over: all see the same rows, in a
# table of ours as in a heap, whatever is written, sealed, merged and vacuumed between the
# export and the import, and afterwards. Rows go to both tables in the same transactions.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my $node = Cluster->new('exported');
$node->initdb([], 'mytsdb.buffer_memory = 64kB', 'mytsdb.maintenance_interval = 1',
	'mytsdb.seal_age = 1s', 'autovacuum = off');
$node->start;
$node->safe_sql(q{
	CREATE EXTENSION mytsdb;
	CREATE TABLE m (t timestamptz, dev text, i int8, note text)
		USING mytsdb WITH (mytsdb.series_by = 'dev', mytsdb.shards = 2);
	CREATE TABLE h (LIKE m) USING heap;
	CREATE TABLE other (i int);
	CREATE FUNCTION gen(first int8, n int) RETURNS SETOF h LANGUAGE sql AS $$
		SELECT '2026-01-01Z'::timestamptz + i * interval '1 ms', 'd' || i % 7, i, md5(i::text)
		FROM generate_series(first, first + n - 1) i $$;
	CREATE PROCEDURE load(first int8, n int) LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO m SELECT * FROM gen(first, n);
			INSERT INTO h SELECT * FROM gen(first, n);
		END $$;
	CREATE VIEW sums AS SELECT
		(SELECT (count(*), sum(i), sum(hashtext(note))) FROM m)::text AS m,
		(SELECT (count(*), sum(i), sum(hashtext(note))) FROM h)::text AS h});

# What a session sees, which is the same in both tables.
sub seen_by
{
	my ($session) = @_;
	my ($m, $h) = split /\|/, $session->query('SELECT m, h FROM sums');
	return $m eq ($h // '') ? $m : "ours $m, heap " . ($h // 'nothing');
}

# A new session that reads by somebody else's snapshot.
sub importer
{
	my ($snapshot) = @_;
	my $session = $node->session;
	$session->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '$snapshot'");
	return $session;
}

my $next = 1;
sub load
{
	my ($session, $n) = @_;
	$next += $n;
	return $session->query('CALL load(' . ($next - $n) . ", $n)");
}

sub maintain
{
	$node->safe_sql($_) foreach "SELECT mytsdb.seal('m')", "SELECT mytsdb.merge('m')", 'VACUUM m, h', 'VACUUM FREEZE m';
}

my $writer = $node->session;
my $now = $node->session;

subtest 'across all that others do' => sub {
	load($writer, 3000);
	$node->safe_sql("SELECT mytsdb.seal('m')");
	load($writer, 50);
	my $exporter = $node->session;
	$exporter->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
	my $snapshot = $exporter->query('SELECT pg_export_snapshot()');
	my @importers = importer($snapshot);
	my $before = seen_by($exporter);
	like $before, qr/^\(3050,/, 'what there is';
	is seen_by($importers[0]), $before, 'imported at once';
	foreach my $n (5, 3000, 40)
	{
		load($writer, $n);
		push @importers, importer($snapshot);
		is seen_by($importers[-1]), $before, "imported after $n more rows";
		maintain();
		push @importers, importer($snapshot);
		is seen_by($importers[-1]), $before, 'imported after maintenance';
	}
	$exporter->query('COMMIT');
	like importer($snapshot)->query('SELECT 1'), qr/aborted/, 'it cannot be imported any more';
	load($writer, 7);
	maintain();
	is seen_by($_), $before, 'those who have it keep it' foreach @importers;
	$_->query('COMMIT') foreach @importers;
	like seen_by($_), qr/^\(6102,/, 'until they end' foreach $importers[0], $now;
	maintain();
	like seen_by($now), qr/^\(6102,/, 'nothing was lost';
	$_->close foreach $exporter, @importers;
};

subtest 'rows of the exporter itself' => sub {
	my $before = seen_by($now);
	my $exporter = $node->session;
	# in blocks, in the log and in the private buffer; kept, and rolled back
	$exporter->query('BEGIN; SAVEPOINT a');
	load($exporter, 3000);
	load($exporter, 3);
	$exporter->query('LOCK TABLE other IN ACCESS SHARE MODE; RELEASE a; SAVEPOINT b');
	load($exporter, 3000);
	$exporter->query('ROLLBACK TO b');
	load($exporter, 4);
	$exporter->query('RELEASE b');
	load($exporter, 5);
	my $snapshot = $exporter->query('SELECT pg_export_snapshot()');
	my $own = seen_by($exporter);
	like $own, qr/^\(9114,/, 'it sees them';
	my @importers = importer($snapshot);
	is seen_by($importers[0]), $before, 'who imports its snapshot does not';
	maintain();
	push @importers, importer($snapshot);
	$exporter->query('COMMIT');
	is seen_by($_), $before, 'nor when they are committed' foreach @importers;
	maintain();
	is seen_by($_), $before, 'and sealed' foreach @importers;
	is seen_by($now), $own, 'others do';
	$_->close foreach $exporter, @importers;
};

subtest 'tables that are written anew' => sub {
	my $exporter = $node->session;
	$exporter->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
	my $snapshot = $exporter->query('SELECT pg_export_snapshot()');
	$node->safe_sql('VACUUM FULL m');
	my $importer = importer($snapshot);
	like $importer->query('SELECT count(*) FROM m'), qr/ERROR:  40001:/,
	  'a snapshot that is older gets an error';
	$importer->close;
	$node->safe_sql('TRUNCATE m, h');
	load($writer, 10);
	$importer = importer($snapshot);
	is seen_by($importer), '(0,,)', 'one older than a truncate sees nothing, as with a heap';
	like seen_by($now), qr/^\(10,/, 'others see what there is';
	$_->close foreach $exporter, $importer;
};

subtest 'under load' => sub {
	my @writers = map { $node->session } 0, 1;
	my @importers = map { $node->session } 0, 1;
	my ($exporter, $sealer) = map { $node->session } 0, 1;
	foreach my $w (0, 1)
	{
		$writers[$w]->send(qq{DO \$\$ BEGIN
			FOR r IN 1 .. 100000 LOOP
				CALL load(${w}000000000 + 1000000 + r * 2000, CASE WHEN r % 40 = 0 THEN 2000 ELSE r % 20 + 1 END);
				IF r % 10 = 3 THEN ROLLBACK; ELSE COMMIT; END IF;
				EXIT WHEN (SELECT count(*) > 0 FROM other);
			END LOOP;
		END \$\$});
	}
	my ($wrong, $rounds, %seen) = (0, 0);
	my $end = time + 4;
	while (time < $end || ($rounds < 5 || keys %seen < 2) && time < $end + 60)
	{
		$sealer->send('SELECT mytsdb.' . ($rounds % 3 ? 'seal' : 'merge') . q{('m') >= 0});
		$exporter->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
		my $snapshot = $exporter->query('SELECT pg_export_snapshot()');
		$exporter->send('SELECT m, h FROM sums');
		foreach my $importer (@importers)
		{
			sleep rand 0.03;
			$importer->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '$snapshot'");
			$importer->send('SELECT m, h FROM sums');
		}
		my $sums = $exporter->receive;
		my ($m, $h) = split /\|/, $sums;
		$wrong++ if $m ne $h;
		$exporter->query('COMMIT');
		$wrong += $_->receive ne $sums foreach @importers;
		$sealer->receive;
		$sealer->query('VACUUM m');
		$wrong += $_->query('SELECT m, h FROM sums') ne $sums foreach @importers;
		$_->query('COMMIT') foreach @importers;
		$seen{$sums} = 1;
		$rounds++;
	}
	$node->safe_sql('INSERT INTO other VALUES (1)');
	is $_->receive, '', 'a writer got through' foreach @writers;
	is $wrong, 0, "all of $rounds snapshots saw the same everywhere";
	cmp_ok scalar(keys %seen), '>', 1, 'and not always the same';
	maintain();
	unlike seen_by($now), qr/ours/, 'both tables are the same in the end';
	$_->close foreach @writers, @importers, $exporter, $sealer;
};

$_->close foreach $writer, $now;
ok $node->stop, 'the server stops';
done_testing;
