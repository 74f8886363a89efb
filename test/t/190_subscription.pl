# Logical replication into a table USING mytsdb: what is applied without a statement.
use strict;
use warnings;

use FindBin;
use Test::More;
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my $node = Cluster->new('subscription');
$node->initdb([], 'wal_level = logical', 'wal_retrieve_retry_interval = 500ms');
$node->start;
$node->safe_sql("CREATE DATABASE $_") foreach qw(pub sub);
$node->safe_sql(q{CREATE TABLE t (time timestamptz, dev int, v float8, PRIMARY KEY (dev, time));
	INSERT INTO t SELECT '2026-01-01'::timestamptz + i * interval '1 s', i % 3, i FROM generate_series(1, 1000) i;
	CREATE PUBLICATION p FOR TABLE t;
	SELECT pg_create_logical_replication_slot('s', 'pgoutput')}, 'pub');
$node->safe_sql("CREATE EXTENSION mytsdb;
	CREATE TABLE t (time timestamptz NOT NULL, dev int, v float8)
		USING mytsdb WITH (mytsdb.series_by = 'dev');
	CREATE SUBSCRIPTION s CONNECTION 'host=$node->{dir} dbname=pub user=postgres'
		PUBLICATION p WITH (create_slot = false, slot_name = 's')", 'sub');

# Both tables have the same rows, as soon as everything is applied.
sub same
{
	my ($what) = @_;
	my $rows = q{SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY time, dev)), '') FROM t};
	ok $node->wait_for($rows, $node->safe_sql($rows, 'pub'), undef, 'sub'), $what;
}

same('rows that were there');
$node->safe_sql(q{INSERT INTO t SELECT '2026-01-02'::timestamptz + i * interval '1 s', i % 5, i
	FROM generate_series(1, 3000) i}, 'pub');
same('inserted rows');
$node->safe_sql(q{BEGIN; INSERT INTO t VALUES ('2026-01-03', 1, 1); TRUNCATE t;
	INSERT INTO t VALUES ('2026-01-03', 1, 2); COMMIT}, 'pub');
same('truncated between two inserts');
$node->safe_sql(q{BEGIN; INSERT INTO t VALUES ('2026-01-04', 1, 1); TRUNCATE t;
	INSERT INTO t VALUES ('2026-01-04', 1, 2); TRUNCATE t;
	INSERT INTO t VALUES ('2026-01-04', 1, 3); SAVEPOINT s; INSERT INTO t VALUES ('2026-01-05', 1, 4);
	ROLLBACK TO s; COMMIT}, 'pub');
same('truncated twice');
$node->safe_sql('TRUNCATE t', 'pub');
same('truncated');
unlike $node->log_text, qr/ERROR/, 'nothing failed';

$node->safe_sql('ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE);
	DROP SUBSCRIPTION s', 'sub');
ok $node->stop, 'the server stops';
done_testing;
