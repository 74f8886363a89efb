# A database that moves to another tablespace and back: its files have their old names
# again, and nobody may remember what they were.
use strict;
use warnings;

use FindBin;
use Test::More;
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my $node = Cluster->new('move');
$node->initdb([], 'mytsdb.maintenance_workers = 0', 'autovacuum = off');
$node->start;
my $place = Cluster::tools('new_server_dir');
chomp $place;
$node->safe_sql("CREATE TABLESPACE elsewhere LOCATION '$place'; CREATE DATABASE d");
$node->safe_sql(q{CREATE EXTENSION mytsdb;
	CREATE TABLE m (t timestamptz NOT NULL, dev int, v int)
		USING mytsdb WITH (mytsdb.series_by = 'dev', mytsdb.shards = 2);
	CREATE TABLE h (LIKE m) USING heap}, 'd');

# A session that was closed may be there a little longer.
sub alone
{
	$node->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'd'}, '0') or die 'somebody stays';
}

my $n = 0;
sub step
{
	my ($what) = @_;
	$n++;
	foreach my $table (qw(m h))
	{
		$node->safe_sql("INSERT INTO $table SELECT '2026-01-01Z'::timestamptz + g * interval '1 s',
			g % 9 + $n, g FROM generate_series(1, 700) g", 'd');
	}
	$node->safe_sql("SELECT mytsdb.seal('m'); VACUUM m", 'd') if $n % 2 == 0;
	is $node->sql('SELECT count(*) FROM (
		(TABLE m EXCEPT ALL TABLE h) UNION ALL (TABLE h EXCEPT ALL TABLE m)) x', 'd'), '0', $what;
}

step('before');
step('before, sealed');
foreach my $round (1, 2)
{
	alone();
	$node->safe_sql('ALTER DATABASE d SET TABLESPACE elsewhere');
	step("elsewhere $round");
	step("elsewhere $round, sealed");
	step("elsewhere $round, more");
	alone();
	$node->safe_sql('ALTER DATABASE d SET TABLESPACE pg_default');
	step("back $round");
	step("back $round, sealed");
	step("back $round, more");
}
alone();
$node->safe_sql('DROP DATABASE d');
ok $node->stop, 'the server stops';
done_testing;
