# The label index: workers make it, crashes and errors amid that leave a right one, a
# standby uses it, and damage is reported.
use strict;
use warnings;

use FindBin;
use Test::More;
use lib $FindBin::Bin;
use Cluster;

chdir $ENV{MYTSDB_ROOT} or die $!;

Cluster::prepare('assert');

my $node = Cluster->new('index');
$node->initdb([], 'mytsdb.maintenance_interval = 1', 'autovacuum = off',
	'restart_after_crash = on', 'wal_level = replica', 'hot_standby = on',
	'wal_consistency_checking = generic');
$node->start;
$node->safe_sql(q{
	CREATE EXTENSION mytsdb;
	CREATE TABLE t (labels labels, time timestamptz)
		USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.shards = 2);
	CREATE PROCEDURE add(first int, last int) LANGUAGE sql AS $$
		INSERT INTO t SELECT labels(ARRAY['a', 'b', 'c'], ARRAY[i::text, (i % 50)::text, md5(i::text)]),
			'2026-01-01' FROM generate_series(first, last) i $$;
	CREATE FUNCTION covered() RETURNS int8 LANGUAGE sql AS $$
		SELECT coalesce(max(series_to), 0) FROM mytsdb.label_index
		JOIN mytsdb.sizes_of('t') USING (storage) $$;
	CREATE FUNCTION differences(OUT n int8) LANGUAGE plpgsql AS $$
		DECLARE
			s text;
		BEGIN
			n := 0;
			FOREACH s IN ARRAY ARRAY['{b="7"}', '{b=~"1.",a!="10"}', '{c=~"ab.*"}', '{none="",b!~"[0-8]+"}'] LOOP
				n := n + (SELECT count(*) FROM
					((SELECT labels FROM t WHERE labels ~ s EXCEPT SELECT labels FROM t WHERE (labels || '{}') ~ s) UNION ALL
					 (SELECT labels FROM t WHERE (labels || '{}') ~ s EXCEPT SELECT labels FROM t WHERE labels ~ s)) x);
			END LOOP;
		END $$;
});

sub is_right
{
	my ($name, $on) = @_;
	is(($on // $node)->sql('SELECT differences()'), 0, "$name: selectors find their series");
}

# ---- workers ----

$node->safe_sql('CALL add(1, 5000)');
# He may have come before the last ones were there; a tail so short is not worth a segment.
ok($node->wait_for('SELECT covered() BETWEEN 4096 AND 5000', 't'), 'a worker indexes new series');
is_right('after that');

# ---- errors and crashes ----

my $series = 5000;
foreach my $stop (map { ("$_=error", "$_=crash") } qw(index-written index-merged))
{
	# the first thing done is a segment of the tail, then the segments become one
	$node->safe_sql(sprintf 'CALL add(%d, %d)', $series + 1, $series + 100);
	$series += 100;
	my $crashes = $node->crashes;
	my $answer = $node->sql("SET mytsdb.stop_point = '$stop'; SELECT mytsdb.merge('t')");
	like($answer, $stop =~ /error/ ? qr/ERROR/ : qr/connection/, "$stop: stopped");
	ok($node->wait_for_crash($crashes), "$stop: the server is back") if $stop =~ /crash/;
	is_right($stop);
	$node->safe_sql("SELECT mytsdb.merge('t')");
	is($node->sql('SELECT covered()'), $series, "$stop: all series are covered the next time");
	is_right("$stop, the next time");
}
$node->safe_sql("VACUUM t");
is_right('after VACUUM');

# ---- a standby ----

my $standby = Cluster->new('standby');
$standby->backup_of($node, '-R');
$standby->start;
$node->safe_sql("CALL add($series + 1, $series + 200)");
$node->safe_sql("SELECT mytsdb.merge('t')");
$series += 200;
ok($standby->catch_up($node), 'the standby catches up');
is_right('on a standby', $standby);
like($standby->sql(q{EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM t WHERE labels ~ '{b="7"}'}),
	qr/Series Index: $series series in 1 segment\n.*\b0 keys looked at/, 'it uses the index');
$standby->stop;

# ---- damage ----

my ($path, $first, $pages) = split /\|/,
  $node->safe_sql(q{SELECT pg_relation_filepath('t'), first_page, pages FROM mytsdb.label_index
	JOIN mytsdb.sizes_of('t') USING (storage)});
cmp_ok($pages, '>', 20, 'the segment has some pages');
my $query = q{SELECT count(*) FROM t WHERE labels ~ '{c=~".*a.*",b=~".+"}'};
like($node->sql($query), qr/^\d+$/, 'there is no damage');

sub flip
{
	my ($offset) = @_;
	open my $file, '+<:raw', "$node->{data}/$path" or die $!;
	seek $file, $offset, 0 or die $!;
	read $file, my $byte, 1 or die $!;
	seek $file, $offset, 0 or die $!;
	print $file chr(ord($byte) ^ 0x40);
	close $file or die $!;
}

foreach my $page (0, int($pages / 2), $pages - 1)
{
	my $offset = ($first + $page) * 8192 + 100;
	$node->stop;
	flip($offset);
	$node->start;
	like($node->sql($query), qr/XX001.*"t"/s, "damage of page $page is reported");
	$node->stop;
	flip($offset);
	$node->start;
}
is_right('when it is mended');
# ALTER TABLE leaves the triggers alone that discard foreign writes
$node->safe_sql(q{UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'mytsdb.label_index'::regclass});
$node->safe_sql(q{UPDATE mytsdb.label_index SET length = length - 1});
like($node->sql($query), qr/XX001.*header/, 'a row that is wrong is reported');
$node->safe_sql(q{UPDATE mytsdb.label_index SET length = length + 1, series_from = 1});
like($node->sql($query), qr/XX001.*label_index/, 'so is a range that does not begin at the beginning');
$node->safe_sql(q{DELETE FROM mytsdb.label_index});
is_right('without a row');
$node->safe_sql(q{SELECT mytsdb.merge('t')});
is($node->sql('SELECT covered()'), $series, 'the index can be made again');
is_right('made again');

done_testing;
