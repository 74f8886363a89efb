# Random expressions of the whole language: none that is valid crashes or leaks, an answer is
# the same by itself and as one of many steps, and so is the expression that is printed.
use strict;
use warnings;

use FindBin;
use JSON::PP;
use Test::More;
use lib $FindBin::Bin;
use Cluster;
use Prometheus;
use PromqlRandom;

my $seed = $ENV{MYTSDB_SEED} // ($ENV{MYTSDB_SOAK} ? int rand 1e9 : 1);
my $count = $ENV{MYTSDB_SOAK} ? 20000 : 400;
my $end_time = $ENV{MYTSDB_SOAK} ? time + $ENV{MYTSDB_SOAK} : undef;
note "MYTSDB_SEED=$seed";

my $start = 1767225600;
my ($from, $to) = ($start + 3600 + 2, $start + 5400 + 2);
my $step = 300;
srand $seed;
my $request = Prometheus::write_request(PromqlRandom::samples($start));

Cluster::prepare('assert');
my $node = Cluster->new('promql');
$node->initdb([], 'timezone = UTC', 'autovacuum = off');
$node->start;
$node->safe_sql('CREATE EXTENSION mytsdb');
$node->safe_sql(sprintf q{SELECT mytsdb.remote_write('\x%s', 'application/x-protobuf', 'snappy')}, unpack 'H*', $request);
# native histograms, made of what is there
$node->safe_sql(sprintf q{
	INSERT INTO mytsdb.metrics (labels, time, histogram)
	SELECT format('native{instance="i%%s"}', i)::labels,
		to_timestamp(%d + 15 * s + 1),
		format('{{schema:%%s count:%%s sum:%%s buckets:[%%s %%s %%s]}}', i, 6 * (s %% 200), 5.5 * (s %% 200), s %% 200, 2 * (s %% 200), 3 * (s %% 200))::histogram
	FROM generate_series(0, 479) s, generate_series(0, 2) i}, $start);
my $session = $node->session;
$session->query('SET client_min_messages = error');

sub ask
{
	my ($call) = @_;
	my $answer = $session->query("SELECT $call");
	die "the session ended: " . substr($node->log_text, -4000) if $session->{ended};
	return { status => 'error', error => $answer =~ s/\n.*//sr } if $answer =~ /^ERROR/;
	return decode_json($answer);
}

sub instant
{
	my ($expression, $time) = @_;
	return ask("mytsdb.query(\$q\$$expression\$q\$, to_timestamp($time))");
}

# The points of an answer at a time: labels => value or histogram.
sub points_at
{
	my ($answer, $time) = @_;
	my $data = $answer->{data};
	my %points;
	my $result = $data->{result};
	$result = [ { metric => {}, value => $result } ] if $data->{resultType} eq 'scalar';
	for my $series (@$result)
	{
		my $labels = join ',', map { "$_=$series->{metric}{$_}" } sort keys %{ $series->{metric} };
		for my $point (grep { defined } $series->{value}, $series->{histogram}, @{ $series->{values} // [] },
			@{ $series->{histograms} // [] })
		{
			$points{$labels} = ref $point->[1] ? [ @{ $point->[1] }{qw(count sum)} ] : [ $point->[1] ]
			  if $point->[0] == $time;
		}
	}
	return \%points;
}

sub near
{
	my ($a, $b) = @_;
	return 0 unless $a && $b && @$a == @$b;
	for my $i (0 .. $#$a)
	{
		next if $a->[$i] eq $b->[$i];
		return 0 if grep { /NaN|Inf/ } $a->[$i], $b->[$i];
		return 0 if abs($a->[$i] - $b->[$i]) > 1e-6 * (abs($a->[$i]) + abs($b->[$i])) && abs($a->[$i] - $b->[$i]) > 1e-9;
	}
	return 1;
}

sub difference
{
	my ($one, $many) = @_;
	for my $key (sort keys %{ { %$one, %$many } })
	{
		return "{$key}: alone " . join(' ', @{ $one->{$key} // ['nothing'] }) . ', among many ' . join(' ', @{ $many->{$key} // ['nothing'] })
		  unless near($one->{$key}, $many->{$key});
	}
	return undef;
}

sub memory
{
	return $session->query('SELECT sum(total_bytes) FROM pg_backend_memory_contexts');
}

srand $seed; # names of temporary files are random, too
my $generator = PromqlRandom->new(at => $start + 4502);
my ($failures, $errors, $before) = (0, 0);
for my $n (1 .. $count)
{
	last if $end_time && time > $end_time;
	my $expression = $generator->expression;
	$expression =~ s/\b(?:requests_total|temperature)\b/native/ if PromqlRandom::chance(0.3);
	$before = memory() if $n == 50;
	my $printed = ask("mytsdb.format_query(\$q\$$expression\$q\$)");
	if ($printed->{status} ne 'success')
	{
		$failures++;
		diag "$expression\n$printed->{error}";
		next;
	}
	my $range = ask("mytsdb.query_range(\$q\$$expression\$q\$, to_timestamp($from), to_timestamp($to), '$step s')");
	my $time = $from + $step * int rand(1 + ($to - $from) / $step);
	# these are of the query's range, which an instant query has not
	my $ranged = $expression =~ /\b(?:start|end|step|range)\(\)/;
	my $instant = instant($ranged ? $expression : $printed->{data}, $time);
	if ($instant->{status} ne 'success' || $range->{status} ne 'success')
	{
		# an error at one step is an error of the range
		$errors++;
		next if $ranged || $range->{status} ne 'success';
		$failures++;
		diag "$expression\nat $time: $instant->{error}";
		next;
	}
	next if $ranged;
	my $difference = difference(points_at($instant, $time), points_at($range, $time)) // next;
	$failures++;
	diag "$expression\n$printed->{data}\nat $time: $difference" if $failures <= 20;
}
is $failures, 0, "expressions give the same alone and among others (MYTSDB_SEED=$seed)";
cmp_ok $errors, '<', $count / 3, 'most expressions can be evaluated';
my $after = memory();
cmp_ok $after, '<', $before + 4 * 1024 * 1024, 'memory does not grow' if defined $before;
$session->close;
unlike $node->log_text, qr/PANIC|TRAP|terminated by signal/, 'no assertion complains';
done_testing;
