# RandomPromql.pm: random expressions of PromQL, valid ones, for the data of 200_promql_random.
package RandomPromql;
use strict;
use warnings;

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

1;
