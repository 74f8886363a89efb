# Shared memory by the number of series: 200,000 series are scraped again and again, as fast as
# they go in, and there is never more than 1,024 bytes of it for each, label index and dictionary
# included. Hot memory is so large that only sealing bounds it. Scrapes do not wait for the
# workers, unless those are so late that there is more than a quarter too much.
#
# Two hours of scrapes are for MYTSDB_SOAK; otherwise as many as are sealed some times.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;

use constant SERIES => 200_000;

my $scrapes = $ENV{MYTSDB_SOAK} ? 480 : 60;

Cluster::prepare('release');

my $node = Cluster->new('series');
$node->initdb([], 'mytsdb.hot_memory = 1GB', 'mytsdb.seal_size = 1GB', 'shared_buffers = 256MB',
	'max_wal_size = 4GB', 'wal_level = minimal', 'max_wal_senders = 0');
$node->start;
$node->safe_sql('CREATE EXTENSION mytsdb');
$node->safe_sql(Cluster::slurp('test/metrics.sql'));
$node->safe_sql(q{CREATE TABLE samples (labels labels NOT NULL, time timestamptz NOT NULL, value float8)
	USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.shards = 8)});
is $node->safe_sql('SELECT count(DISTINCT labels) FROM targets'), SERIES, 'all series are different';

my $start = time;
my $half = SERIES / 2;
my @writers = map { $node->session } 0, 1;
# all series first: they are what memory is divided by
$writers[$_]->send("CALL scrape(0, 1, $_ * $half, $half, 10000)") foreach 0, 1;
is $_->receive, '', 'a writer got through' foreach @writers;

my $watcher = $node->session;
my ($most, $hot, $said) = ([0], 0, '');

sub watch
{
	my @bytes = split /\|/, $watcher->query('SELECT * FROM shared_bytes');
	$most = \@bytes if $bytes[0] > $most->[0];
	$hot = $bytes[1];
}

foreach my $scrape (1 .. $scrapes - 1)
{
	$writers[$_]->send("CALL scrape($scrape, 1, $_ * $half, $half, 10000)") foreach 0, 1;
	do
	{
		watch();
		sleep 0.1;
	} while (grep { !$_->has_answered } @writers);
	$said .= $_->receive foreach @writers;
	my $end = time + 180;
	watch();
	while ($hot > 500 * SERIES && time < $end)
	{
		sleep 0.1;
		watch();
	}
}
is $said, '', 'the writers got through';
my $took = time - $start;

cmp_ok $hot / SERIES, '<=', 500, 'hot bytes per series, of which a shard may have 400';
cmp_ok $most->[0] / SERIES, '<=', 1024, 'bytes of shared memory per series';
cmp_ok $most->[1] / SERIES, '>', 200, 'hot memory was used';
is $node->safe_sql('SELECT log_only FROM mytsdb.stat_hot'), 0, 'nothing found no room there';
cmp_ok $node->safe_sql('SELECT drops FROM mytsdb.stat_hot'), '>=', 16, 'every shard was sealed more than once';

is $node->safe_sql('SELECT count(*) FROM samples'), SERIES * $scrapes, 'all samples are there';
foreach my $scrape (0, int($scrapes / 2), $scrapes - 1)
{
	my $from = "sample_time(0, $scrape)";
	is $node->safe_sql("SELECT count(*) FROM (
			SELECT labels, time, value FROM samples WHERE time >= $from AND time < $from + interval '15 s'
			EXCEPT ALL
			SELECT labels, sample_time(id, $scrape), sample_value(id, $scrape) FROM targets) s"), 0,
	  "scrape $scrape is right";
}
foreach my $id (0, 77_777, 199_999)
{
	is $node->safe_sql("SELECT string_agg(value::text, ',' ORDER BY time) FROM samples
			WHERE labels = (SELECT labels FROM targets WHERE id = $id)"),
	  $node->safe_sql("SELECT string_agg(sample_value($id, s)::text, ',' ORDER BY s) FROM generate_series(0, $scrapes - 1) s"),
	  "series $id is right";
}
note sprintf '%.1f s, %.0f samples/s; at most %.0f bytes per series: hot memory %.0f, dictionary %.0f, '
  . 'label index %.0f, slots and lists %.0f; on disk %.2f bytes per sample', $took, SERIES * $scrapes / $took,
  map({ $_ / SERIES } @$most),
  $node->safe_sql("SELECT total_bytes FROM mytsdb.stat_table WHERE rel = 'samples'::regclass") / (SERIES * $scrapes);
$_->close foreach @writers, $watcher;
ok $node->stop, 'the server stops';
done_testing;
