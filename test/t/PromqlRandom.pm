# PromqlRandom.pm: random PromQL expressions, all of which parse, and samples for them.
#
# Samples lie 1 s behind multiples of 5 s, and queries are to run 2 s behind them, with
# ranges, offsets and steps that are multiples of 5 s: so no sample lies on the edge of a
# window, where Prometheus before 3.0 decided otherwise. The same seed makes the same
# expressions.
#
# With `old` only what Prometheus 2.42 knows, and means the same by, is made.
package PromqlRandom;
use strict;
use warnings;

sub new
{
	my ($class, %options) = @_;
	return bless {%options}, $class;
}

sub one_of
{
	return $_[ int rand @_ ];
}

sub chance
{
	return rand() < $_[0];
}

# ---- samples ----

# Two hours of samples that begin at a time in seconds, which is a multiple of 5. For
# Prometheus::write_request().
sub samples
{
	my ($start) = @_;
	my @series;
	for my $instance (0 .. 2)
	{
		for my $code (200, 404, 500)
		{
			push @series, [ { __name__ => 'requests_total', instance => "i$instance", code => $code,
					job => $instance ? 'api' : 'web' },
				counter($start, 0.02) ];
		}
		for my $zone ('a', 'b')
		{
			push @series, [ { __name__ => 'temperature', instance => "i$instance", zone => $zone },
				gauge($start) ];
		}
		my @buckets = map { 0 } 0 .. 5;
		my @bounds = (0.1, 0.5, 1, 2.5, 10, '+Inf');
		my @samples = map { [] } @bounds;
		for my $i (0 .. 479)
		{
			my $hit = int rand 40;
			for my $b (0 .. $#bounds)
			{
				$buckets[$b] += int($hit * ($b + 1) / 6);
				push @{ $samples[$b] }, [ ($start + 15 * $i + 1) * 1000, $buckets[$b] ];
			}
		}
		push @series, map {
			[ { __name__ => 'latency_bucket', instance => "i$instance", le => $bounds[$_] },
				@{ $samples[$_] } ]
		} 0 .. $#bounds;
		push @series, [ { __name__ => 'build_info', instance => "i$instance", version => "1.$instance" },
			map { [ ($start + 15 * $_ + 1) * 1000, 1 ] } 0 .. 479 ];
	}
	# with gaps, markers that end it, and what is no number
	push @series, [ { __name__ => 'sparse', instance => 'i0', job => 'web' }, sparse($start) ];
	push @series, [ { __name__ => 'sparse', instance => 'i1', job => 'api' }, sparse($start) ];
	push @series, [ { __name__ => 'odd', instance => 'i0' },
		map { [ ($start + 60 * $_ + 1) * 1000, one_of('nan', 0, -1.5, 1e9, 1e-9, 3) ] } 0 .. 119 ];
	return @series;
}

sub counter
{
	my ($start, $resets) = @_;
	my ($value, @samples) = (int rand 1000);
	for my $i (0 .. 479)
	{
		$value = chance($resets) ? int rand 10 : $value + int rand 50;
		push @samples, [ ($start + 15 * $i + 1) * 1000, $value ];
	}
	return @samples;
}

sub gauge
{
	my ($start) = @_;
	my ($value, @samples) = (rand 100);
	for my $i (0 .. 479)
	{
		$value += rand(2) - 1;
		push @samples, [ ($start + 15 * $i + 1) * 1000, $value ];
	}
	return @samples;
}

sub sparse
{
	my ($start) = @_;
	my @samples;
	for (my $i = 0; $i < 480; $i += one_of(1, 1, 1, 2, 8, 30))
	{
		push @samples, [ ($start + 15 * $i + 1) * 1000, chance(0.1) ? 'stale' : int rand 20 ];
	}
	return @samples;
}

# ---- expressions ----

my %labels = (
	requests_total => [qw(instance code job)],
	temperature => [qw(instance zone)],
	latency_bucket => [qw(instance le)],
	build_info => [qw(instance version)],
	sparse => [qw(instance job)],
	odd => [qw(instance)],
	nothing => [qw(instance)],
);
my %values = (
	instance => [qw(i0 i1 i2 i9)], code => [qw(200 404 500)], job => [qw(api web)],
	zone => [qw(a b)], le => [qw(0.1 1 +Inf)], version => [qw(1.0 1.1)],
);

sub matchers
{
	my ($metric) = @_;
	my @matchers;
	for my $label (@{ $labels{$metric} })
	{
		next unless chance(0.2);
		my $value = one_of(@{ $values{$label} });
		push @matchers,
		  one_of(qq{$label="$value"}, qq{$label!="$value"}, qq{$label=~"$value|i1"}, qq{$label!~".*1"},
			qq{$label=~".+"}, qq{$label=""});
	}
	return @matchers ? '{' . join(',', @matchers) . '}' : '';
}

sub modifiers
{
	my ($self) = @_;
	my $text = '';
	$text .= ' offset ' . one_of('5m', '10s', '-5m', '20m', '35s') if chance(0.1);
	$text .= ' @ ' . one_of('start()', 'end()', $self->{at} // 'end()') if !$self->{no_at} && chance(0.06);
	return $text;
}

sub selector
{
	my ($self, $metric) = @_;
	$metric //= one_of(qw(requests_total requests_total temperature temperature latency_bucket build_info sparse odd nothing));
	return $metric . matchers($metric) . $self->modifiers;
}

sub range
{
	my ($self, $depth) = @_;
	my $length = one_of(qw(20s 1m 2m30s 5m 15m), $self->{regular} ? () : '1h');
	if ($depth > 1 && !$self->{in_subquery} && chance(0.25))
	{
		# evaluated at multiples of 30 s or more, so what is in it keeps off edges as well; a
		# subquery in it would not
		local $self->{in_subquery} = 1;
		return '(' . $self->vector($depth - 2) . ")[$length:" . one_of('30s', '1m', '') . ']';
	}
	# how far a rate reaches beyond its samples was another thing before 3.0 where samples are rare or begin
	my $metric = one_of(qw(requests_total requests_total temperature latency_bucket), $self->{regular} ? () : qw(sparse odd));
	my $extend = '';
	$extend = one_of(' anchored', ' smoothed') if $self->{extend} && chance(0.5);
	return $metric . matchers($metric) . "[$length]$extend" . $self->modifiers;
}

sub number
{
	my ($self) = @_;
	return one_of(0, 1, 2, -1, 0.5, 10, 100, '1e3', '0x10', 'Inf', 'NaN', 3.7, $self->{old} ? () : '5m');
}

sub scalar
{
	my ($self, $depth) = @_;
	return $self->number if $depth <= 0 || chance(0.6);
	my $new = !$self->{old};
	return one_of(
		sub { 'time()' },
		sub { 'pi()' },
		sub { 'scalar(' . $self->vector($depth - 1) . ')' },
		sub { '(' . $self->scalar($depth - 1) . one_of(' + ', ' - ', ' * ', ' / ', ' % ', ' ^ ') . $self->scalar($depth - 1) . ')' },
		sub { '(' . $self->scalar($depth - 1) . one_of(' == bool ', ' > bool ', ' <= bool ') . $self->scalar($depth - 1) . ')' },
		sub { '-' . $self->scalar($depth - 1) },
		$new ? sub { one_of('start()', 'end()', 'step()', 'range()') } : ()
	)->();
}

my @range_functions =
  qw(rate increase delta irate idelta changes resets deriv avg_over_time sum_over_time count_over_time min_over_time max_over_time
  last_over_time stddev_over_time stdvar_over_time present_over_time absent_over_time);
my @new_range_functions =
  qw(first_over_time mad_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time);
my @math =
  qw(abs ceil floor exp ln log2 log10 sqrt sgn sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh deg rad
  year month day_of_month day_of_week day_of_year days_in_month hour minute);

sub range_call
{
	my ($self, $depth) = @_;
	my $kind = rand;
	return 'quantile_over_time(' . $self->scalar($depth - 1) . ', ' . $self->range($depth) . ')' if $kind < 0.08;
	if ($kind < 0.14)
	{
		# Prometheus moves the window of this one from step to step, though @ pins it
		local $self->{no_at} = 1;
		return 'predict_linear(' . $self->range($depth) . ', ' . one_of(60, 600, -3600) . ')';
	}
	return 'double_exponential_smoothing(' . $self->range($depth) . ', 0.3, 0.6)'
	  if !$self->{old} && $kind < 0.2;
	my $function = one_of(@range_functions, $self->{old} ? () : @new_range_functions);
	local $self->{extend} = !$self->{old} && $function =~ /^(?:rate|increase|delta)$/;
	local $self->{regular} = $self->{old} && $function =~ /^(?:rate|increase)$/;
	return "$function(" . $self->range($depth) . ')';
}

sub call
{
	my ($self, $depth) = @_;
	my $v = sub { $self->vector($depth - 1) };
	my $s = sub { $self->scalar($depth - 1) };
	return one_of(
		sub { one_of(@math) . '(' . $v->() . ')' },
		sub { one_of(@math) . '(' . $v->() . ')' },
		sub { one_of('clamp_min', 'clamp_max') . '(' . $v->() . ', ' . $s->() . ')' },
		sub { 'clamp(' . $v->() . ', ' . $s->() . ', ' . $s->() . ')' },
		sub { 'round(' . $v->() . (chance(0.5) ? ', ' . one_of(5, 0.1, 0.3) : '') . ')' },
		sub { 'absent(' . $v->() . ')' },
		sub { 'timestamp(' . $v->() . ')' },
		sub { 'vector(' . $s->() . ')' },
		sub { one_of('sort', 'sort_desc') . '(' . $v->() . ')' },
		sub { 'label_replace(' . $v->() . one_of(
				', "new", "$1-x", "instance", "i(.*)")',
				', "instance", "", "zone", "a")',
				', "job", "${a}_$b", "instance", "(?P<a>.)(?P<b>.)")') },
		sub { 'label_join(' . $v->() . ', "joined", "-", "instance", "job", "code")' },
		sub { 'histogram_quantile(' . one_of(0.5, 0.9, 0.99, 0, 1, -1, 2) . ', '
			  . one_of('rate(latency_bucket[5m])', 'latency_bucket', 'sum by (le) (rate(latency_bucket[5m]))',
				'sum without (instance) (latency_bucket)') . ')' },
		$self->{old} ? () : (
			sub { one_of('sort_by_label', 'sort_by_label_desc') . '(' . $v->() . ', "instance")' },
			sub { 'histogram_fraction(0.2, 2, rate(latency_bucket[5m]))' },
			sub { 'histogram_quantiles(latency_bucket, "q", 0.1, 0.9)' },
			sub { 'info(' . $v->() . one_of('', ', {__name__="build_info"}', ', {version=~".*"}') . ')' }))->();
}

sub aggregate
{
	my ($self, $depth) = @_;
	my $v = $self->vector($depth - 1);
	my $clause = chance(0.3) ? '' : one_of('by', 'without') . ' (' . join(', ', grep { chance(0.5) } qw(instance job code zone le)) . ')';
	my $kind = rand;
	my $list =
	    $kind < 0.05 ? 'quantile(' . $self->scalar(1) . ", $v)"
	  # a text of a float that is summed says how it was summed
	  : $kind < 0.08 ? 'count_values("value", ' . ($self->{old} ? $self->selector : $v) . ')'
	  # of equal values nobody says which are taken
	  : $kind < 0.14 ? one_of('topk', 'bottomk') . '(' . one_of(1, 2, 5, 0, -1) . ', ' . $self->selector('temperature') . ')'
	  : !$self->{old} && $kind < 0.2 ? one_of("limitk(2, $v)", "limit_ratio(0.5, $v)", "limit_ratio(-0.3, $v)")
	  # 2.42 takes the deviation of something that is no number for 0
	  : $kind < 0.25 ? one_of(qw(stddev stdvar)) . '(' . $self->selector($self->{old} ? 'temperature' : undef) . ')'
	  : one_of(qw(sum sum sum avg avg min max count group)) . "($v)";
	# 2.42 loses labels of some groups there
	return $list if $self->{old} && $list =~ /^count_values/;
	return "$list $clause" if chance(0.5);
	$list =~ s/^(\w+)/$1 $clause /;
	return $list;
}

sub binary
{
	my ($self, $depth) = @_;
	# 2.42 leaves the name to what atan2 gives
	my $arithmetic = one_of('+', '-', '*', '/', '%', '^', $self->{old} ? () : 'atan2');
	my $comparison = one_of('==', '!=', '>', '<', '>=', '<=') . (chance(0.3) ? ' bool' : '');
	my $op = chance(0.6) ? $arithmetic : $comparison;
	my $kind = rand;
	my ($left, $right) = ($self->vector($depth - 1), $self->vector($depth - 1));

	return "($left $op " . $self->scalar($depth - 1) . ')' if $kind < 0.25;
	return '(' . $self->scalar($depth - 1) . " $op $left)" if $kind < 0.4;
	return "($left " . one_of('and', 'or', 'unless')
	  . one_of('', '', ' on (instance)', ' ignoring (code, zone)', ' on ()') . " $right)" if $kind < 0.6;
	return "($left $op on (instance) group_left " . one_of('', '(version) ') . $self->selector('build_info') . ')' if $kind < 0.7;
	return '(' . $self->selector('build_info') . " $op on (instance) group_right () $left)" if $kind < 0.75;
	my $fill = $self->{old} ? '' : one_of('', '', ' fill(0)', ' fill_left(1)', ' fill_right(2) fill_left(3)');
	return "(sum by (instance) ($left) $op on (instance)$fill sum by (instance) ($right))" if $kind < 0.9;
	return "($left $op$fill $right)";
}

sub vector
{
	my ($self, $depth) = @_;
	return $self->selector if $depth <= 0;
	my $kind = rand;
	return $self->selector if $kind < 0.15;
	return $self->range_call($depth) if $kind < 0.4;
	return $self->aggregate($depth) if $kind < 0.6;
	return $self->binary($depth) if $kind < 0.8;
	return '-' . $self->vector($depth - 1) if $kind < 0.83;
	return $self->call($depth);
}

sub expression
{
	my ($self) = @_;
	return chance(0.05) ? $self->scalar(3) : $self->vector(1 + int rand 4);
}

1;
