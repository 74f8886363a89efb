# Random expressions of PromQL: none crashes the server, fails in a way that it should not, or leaves
# something behind; and each gives the same
#
# - by parallel workers and without,
# - as an instant query and as the last step of a range query,
# - with equal subtrees evaluated once and, written so that they do not look equal, twice, with
#   room to keep series for each other and without.
#
# And a query ends cleanly when it, or a worker of it, is ended amid.
#
# The expressions depend on the seed alone: MYTSDB_SEED=n runs that one.
use strict;
use warnings;

use Test::More;

use lib "$ENV{MYTSDB_ROOT}/test/t";
use Cluster;

use constant EXPRESSIONS => 150;

# ---- expressions, valid ones, for the data below ----

use constant METRICS => qw(m_total g h c gap mixed nothing);
use constant FUNCTIONS => qw(abs ceil exp floor ln log2 sgn sqrt sin round timestamp absent sort sort_desc hour month
  day_of_week histogram_count histogram_sum histogram_avg histogram_stddev start_timestamp deg cosh);
use constant RANGE_FUNCTIONS => qw(rate increase delta irate idelta resets changes deriv avg_over_time min_over_time
  max_over_time sum_over_time count_over_time last_over_time first_over_time present_over_time absent_over_time
  stddev_over_time stdvar_over_time mad_over_time ts_of_max_over_time ts_of_last_over_time);
use constant AGGREGATIONS => qw(sum avg min max count group stddev stdvar);
# These may be used again in an equal expression.
use constant TWICE => ('(%s) - (%s)', 'sum(%s) / on () group_right () (%s)', '(%s) or (%s)', 'count(%s) - count(%s)',
	'topk(2, %s) * on (i) group_left () max by (i) (%s)', '(%s) unless (%s)', 'scalar(%s) + (%s)',
	'(%s) + on (i) group_left () sum by (i) (%s)');

sub one_of { return $_[ int rand @_ ] }

sub duration { return one_of(qw(1m 5m 30s 90s 15s 1ms 2m30s 1h)) }

sub modifiers
{
	my $text = '';
	$text .= ' offset ' . one_of('', '-') . duration() if rand() < 0.2;
	$text .= ' @ ' . one_of(qw(60 300.5)) if rand() < 0.15;
	return $text;
}

sub selector
{
	return '{__name__=~"m_total|g|mixed",none=""}' if rand() < 0.1;
	return one_of(METRICS)
	  . one_of('{none=""}', '{none=""}', '{job="1",none=""}', '{i=~"1.*",none=""}', '{i!="3",job!~"2",none=""}');
}

sub range
{
	my ($depth) = @_;
	return selector() . '[' . duration() . ']' . one_of('', '', '', ' anchored', ' smoothed') . modifiers()
	  if $depth <= 0 || rand() < 0.75;
	return '(' . vector($depth - 1) . ')[' . duration() . ':' . one_of('', '30s', '1m', '7s') . ']' . modifiers();
}

sub scalar_of
{
	my ($depth) = @_;
	my $x = rand();
	return one_of(qw(1 2 0 NaN Inf 0.5 -1 1e3 time() pi() 5m)) if $depth <= 0 || $x < 0.5;
	return 'scalar(' . vector($depth - 1) . ')' if $x > 0.8;
	return '(' . scalar_of($depth - 1) . one_of(' + ', ' - ', ' * ', ' / ', ' % ', ' ^ ', ' == bool ')
	  . scalar_of($depth - 1) . ')';
}

sub grouping
{
	return ' ' if rand() < 0.4;
	return one_of(' by ', ' without ') . '(' . one_of('job', 'i', 'job, i', '', 'le', '__name__') . ') ';
}

sub binary
{
	my ($depth) = @_;
	my $right = one_of(
		scalar_of($depth),
		one_of('', '', 'on (i) ', 'ignoring (job) ', 'on () group_left () ', 'on (i) group_left (job) ',
			'on (job) group_right () ', 'on (i) fill (0) ', 'on (i) fill_left (1) ')
		  . vector($depth));
	return '(' . vector($depth) . ' ' . one_of(qw(+ - * / % ^ == != > <=), '> bool', 'atan2') . " $right)";
}

sub call
{
	my ($depth) = @_;
	my ($v, $s) = (vector($depth), scalar_of($depth));
	return one_of(
		one_of(FUNCTIONS) . "($v)",
		"vector($s)",
		"-($v)",
		"clamp($v, $s, " . scalar_of($depth) . ')',
		qq{label_replace($v, "z", "\$1x", "i", "(.).*")},
		qq{label_join($v, "job", "-", "i", "job")},
		"histogram_quantile($s, $v)",
		"histogram_fraction(0, $s, $v)",
		"info($v)");
}

sub range_call
{
	my ($depth) = @_;
	my ($r, $s) = (range($depth), scalar_of($depth));
	return one_of(RANGE_FUNCTIONS) . "($r)" if rand() < 0.8;
	return one_of("quantile_over_time($s, $r)", "predict_linear($r, $s)", "double_exponential_smoothing($r, 0.5, 0.5)");
}

sub aggregation
{
	my ($depth) = @_;
	my $v = vector($depth);
	my $x = rand();
	return one_of(AGGREGATIONS) . grouping() . "($v)" if $x < 0.6;
	return qq{count_values("v", $v)} if $x < 0.7;
	return one_of(qw(topk bottomk limitk quantile limit_ratio)) . grouping() . '(' . one_of(qw(1 2 0.5 -1 3)) . ", $v)";
}

# An instant vector.
sub vector
{
	my ($depth) = @_;
	my $x = rand();
	return selector() . (rand() < 0.1 ? ' smoothed' : '') . modifiers() if $depth <= 0 || $x < 0.2;
	$depth--;
	return range_call($depth) if $x < 0.48;
	return aggregation($depth) if $x < 0.65;
	return call($depth) if $x < 0.83;
	return binary($depth) if $x < 0.94;
	return '(' . vector($depth) . ' ' . one_of(qw(and or unless)) . ' ' . one_of('', 'on (i) ', 'ignoring (job) ')
	  . vector($depth) . ')';
}

# An expression that reads something twice, and one that means the same and does not say so.
sub twice
{
	my $range = range(2);
	my ($left, $right) = ((vector(2)) x 2);
	($left, $right) = ("rate($range)", one_of(qw(delta min_over_time resets)) . "($range)") if rand() < 0.4;
	$right = $left if rand() < 0.5;
	(my $other = $right) =~ s/none=""/none="",never=""/g;
	my $form = one_of(TWICE);
	return (sprintf($form, $left, $right), sprintf($form, $left, $other));
}

# ---- the server and its data ----

Cluster::prepare('assert');
my $node = Cluster->new('promql');
$node->initdb(
	[], 'client_min_messages = error', 'jit = off', 'max_parallel_workers_per_gather = 2',
	'mytsdb.query_parallel_samples = 0', 'mytsdb.query_parallel_workers = 0');
$node->start;
$node->safe_sql(q{
	CREATE EXTENSION mytsdb;
	CREATE FUNCTION at(s float8) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS $$ SELECT timestamptz 'epoch' + s * interval '1 s' $$;
	CREATE TABLE m (labels labels NOT NULL, time timestamptz NOT NULL, value float8, histogram histogram, start_time timestamptz)
		USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time');
	INSERT INTO m (labels, time, value, start_time)
	SELECT format('m_total{i="%s",job="%s"}', i, i % 3)::labels, at(t * 15), t * i % 97, CASE WHEN i % 5 = 0 THEN at((t - t % 7) * 15) END
	  FROM generate_series(1, 40) i, generate_series(0, 40) t;
	INSERT INTO m (labels, time, value)
	SELECT format('g{i="%s",job="%s"}', i, i % 3)::labels, at(t * 10), sin(t * i)
	  FROM generate_series(1, 36) i, generate_series(0, 40) t WHERE t * i % 7 <> 0;
	SELECT mytsdb.seal('m');
	INSERT INTO m (labels, time, value)
	SELECT format('c{i="%s",job="1",le="%s"}', i, l)::labels, at(t * 30), t * l
	  FROM generate_series(1, 4) i, generate_series(1, 5) l, generate_series(0, 20) t;
	INSERT INTO m (labels, time, histogram)
	SELECT format('h{i="%s",job="%s"}', i, i % 3)::labels, at(t * 20),
		   format('{{schema:%s count:%s sum:%s buckets:[%s %s]}}', i % 3, 2 * t * i, t, t * i, t * i)::histogram
	  FROM generate_series(1, 36) i, generate_series(1, 20) t;
	INSERT INTO m (labels, time, value, histogram)
	SELECT format('mixed{i="%s",job="%s"}', i, i % 3)::labels, at(t * 20), CASE WHEN t % 3 > 0 THEN t END,
		   CASE WHEN t % 3 = 0 THEN '{{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}'::histogram END
	  FROM generate_series(1, 36) i, generate_series(1, 20) t;
	INSERT INTO m (labels, time, value)
	SELECT format('gap{i="%s"}', i)::labels, at(t * 20), CASE WHEN t % 4 = 0 THEN 'NaN' ELSE t::float8 END
	  FROM generate_series(1, 5) i, generate_series(2, 20, 6) t;

	-- the document, or how it failed
	CREATE FUNCTION document(query text, instant bool) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF instant THEN
			RETURN mytsdb.query(query, at(307), 'm');
		END IF;
		RETURN mytsdb.query_range(query, at(30), at(400), '37 s', 'm');
	EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
		RETURN sqlstate || ' ' || sqlerrm;
	END $$;
	CREATE FUNCTION without_notes(document text) RETURNS text LANGUAGE sql AS $$
		SELECT regexp_replace(document, ',"(warnings|infos)".*', '') $$;
	CREATE FUNCTION check_parallel(query text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		serial text[] := ARRAY[document(query, false), document(query, true)];
	BEGIN
		SET LOCAL mytsdb.query_parallel_workers = 2;
		RETURN nullif(ARRAY[document(query, false), document(query, true)], serial);
	END $$;
	CREATE FUNCTION check_names(query text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		SET LOCAL mytsdb.promql_delayed_name_removal = off;
		PERFORM document(query, false), document(query, true);
		RETURN NULL;
	END $$;
	CREATE FUNCTION check_instant(query text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RETURN (SELECT string_agg(coalesce(a.labels, b.labels)::text || ' ' || (a.value, a.histogram) || ' ' || (b.value, b.histogram), ', ')
				  FROM promql(query, at(400), 'm') a
				  FULL JOIN (SELECT * FROM promql(query, at(30), at(400), '37 s', 'm') WHERE time = at(400)) b USING (labels)
				 WHERE a.time IS NULL OR b.time IS NULL OR a.histogram IS DISTINCT FROM b.histogram OR
					   (a.value IS DISTINCT FROM b.value AND
						NOT coalesce(abs(a.value - b.value) <= 1e-6 * (abs(a.value) + abs(b.value) + 1e-3), false)));
	EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
		RETURN NULL;
	END $$;
	CREATE FUNCTION check_shared(query text, other text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text := without_notes(document(other, false));
		short text;
	BEGIN
		IF without_notes(document(query, false)) <> result THEN
			RETURN document(query, false);
		END IF;
		SET LOCAL mytsdb.query_max_samples = 700;
		short := without_notes(document(query, false));
		RETURN CASE WHEN short NOT LIKE '%too many samples%' THEN nullif(short, result) END;
	END $$;
});

# ---- the comparison ----

sub run
{
	my ($seed) = @_;
	srand $seed;
	my @calls;
	foreach (1 .. EXPRESSIONS)
	{
		my $query = vector(3);
		my ($shared, $other) = twice();
		push @calls, map { "$_(\$q\$$query\$q\$)" } qw(check_parallel check_names check_instant);
		push @calls, "check_shared(\$q\$$shared\$q\$, \$q\$$other\$q\$)";
	}
	my $result = $node->sql(join '', map { "SELECT r FROM $_ r WHERE r IS NOT NULL;" } @calls);
	is($result, '', "seed $seed: all ways give the same");
	foreach my $call ($result eq '' ? () : @calls)
	{
		$result = $node->sql("SELECT r FROM $call r WHERE r IS NOT NULL");
		diag("SELECT $call: $result") if $result ne '';
	}
}

run($_) foreach defined $ENV{MYTSDB_SEED} ? $ENV{MYTSDB_SEED} : (1, 2);
is( $node->sql(
		q{SELECT document('sum(rate(m_total[1m]))', true) IS NULL,
			(SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'PromQL%')}),
	'f|0', 'nothing of a query is left');
# ---- ends before the end ----

$node->safe_sql(q{
	CREATE TABLE long (labels labels NOT NULL, time timestamptz NOT NULL, value float8)
		USING mytsdb WITH (mytsdb.series_by = 'labels');
	INSERT INTO long SELECT format('long{i="%s"}', i % 300)::labels, at(i / 300 * 15), i FROM generate_series(0, 599999) i});

# Ends something of a query that takes long, while its workers work.
sub end_amid
{
	my ($name, $end, $expected) = @_;
	my $workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'};
	my $session = $node->session;
	$session->query('SET mytsdb.query_parallel_workers = 2');
	my $leader = $session->query('SELECT pg_backend_pid()');
	$session->send(q{SELECT count(*) FROM promql('sum(stddev_over_time(long[8h]))', at(0), at(28800), '500 ms', 'long')});
	ok($node->wait_for($workers, 2), "$name: workers are there");
	$node->safe_sql(sprintf $end, $leader);
	like($session->receive, $expected, $name);
	ok($node->wait_for($workers, 0), "$name: no worker is left");
	is($session->query('SELECT 1'), 1, "$name: the session goes on");
	$session->close;
}
end_amid('the leader is canceled', 'SELECT pg_cancel_backend(%d)', qr/^ERROR:  57014/);
end_amid('a worker is ended',
	'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE leader_pid = %d LIMIT 1', qr/^ERROR:  57P01/);

unlike($node->log_text, qr/terminated by signal|TRAP|leak|parse error/, 'nothing bad is in the log');
$node->stop;
done_testing;
