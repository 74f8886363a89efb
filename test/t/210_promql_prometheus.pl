# Random expressions over random samples: our answers beside those of Debian's Prometheus
# 2.42, on the language that both have (PromqlRandom.pm says how the samples keep off what
# 3.0 changed). Names are removed at once here, as 2.42 does it.
use strict;
use warnings;

use File::Temp;
use FindBin;
use JSON::PP;
use Test::More;
use lib $FindBin::Bin;
use Cluster;
use Prometheus;
use PromqlRandom;

my $program = $ENV{MYTSDB_PROMETHEUS};
plan skip_all => 'MYTSDB_PROMETHEUS names no Prometheus to compare with' unless $program;

my $seed = $ENV{MYTSDB_SEED} // ($ENV{MYTSDB_SOAK} ? int rand 1e9 : 1);
my $count = $ENV{MYTSDB_SOAK} ? 20000 : 700;
my $end_time = $ENV{MYTSDB_SOAK} ? time + $ENV{MYTSDB_SOAK} : undef;
note "MYTSDB_SEED=$seed";

my $start = 1767225600;
my ($from, $to) = ($start + 3600 + 2, $start + 5400 + 2);
my $tmp = File::Temp->newdir('mytsdb-promql.XXXXXX', TMPDIR => 1);
srand $seed;
my $request = Prometheus::write_request(PromqlRandom::samples($start));

my $prometheus = Prometheus->start($program, $tmp, '--web.enable-remote-write-receiver');
$prometheus->write($request);

Cluster::prepare('assert');
my $node = Cluster->new('promql');
$node->initdb([], 'mytsdb.promql_delayed_name_removal = off', 'timezone = UTC', 'autovacuum = off');
$node->start;
$node->safe_sql('CREATE EXTENSION mytsdb');
$node->safe_sql(sprintf q{SELECT mytsdb.remote_write('\x%s', 'application/x-protobuf', 'snappy')}, unpack 'H*', $request);
my $session = $node->session;
$session->query('SET client_min_messages = error');

# All points of an answer as "labels time" => value; what it is that went wrong otherwise.
sub points
{
	my ($answer) = @_;
	return { error => 1 } if $answer->{status} ne 'success';
	my $data = $answer->{data};
	my %points;
	my $result = $data->{result};
	$result = [ { metric => {}, value => $result } ] if $data->{resultType} eq 'scalar';
	for my $series (@$result)
	{
		my $labels = join ',', map { "$_=$series->{metric}{$_}" } sort keys %{ $series->{metric} };
		$points{"{$labels} $_->[0]"} = $_->[1]
		  foreach $series->{value} ? $series->{value} : @{ $series->{values} };
	}
	return \%points;
}

sub near
{
	my ($a, $b) = @_;
	return 1 if $a eq $b;
	return 0 if grep { /NaN|Inf/ } $a, $b;
	# what is left of numbers that cancel each other out is noise
	return abs($a - $b) <= 1e-6 * (abs($a) + abs($b)) || abs($a) + abs($b) < 1e-9;
}

# What is different between two answers, or nothing.
sub difference
{
	my ($ours, $theirs) = @_;
	my @different = grep { !(defined $ours->{$_} && defined $theirs->{$_} && near($ours->{$_}, $theirs->{$_})) }
	  sort keys %{ { %$ours, %$theirs } };
	return join "\n  ", map { "$_: ours " . ($ours->{$_} // 'nothing') . ', Prometheus ' . ($theirs->{$_} // 'nothing') }
	  splice @different, 0, 4
	  if @different;
	return undef;
}

sub ask_ours
{
	my ($call) = @_;
	my $answer = $session->query("SELECT $call");
	die "the session ended: " . substr($node->log_text, -2000) if $session->{ended};
	return { status => 'error', error => $answer } if $answer =~ /^ERROR/;
	return decode_json($answer);
}

srand $seed; # names of temporary files are random, too
my $generator = PromqlRandom->new(old => 1, at => $start + 4502);
my $failures = 0;
for my $n (1 .. $count)
{
	last if $end_time && time > $end_time;
	my $expression = $generator->expression;
	my $step = PromqlRandom::one_of(15, 60, 95);
	my @differences;
	for my $range (0, 1)
	{
		my $theirs =
		  $range
		  ? $prometheus->ask('query_range', query => $expression, start => $from, end => $to, step => $step)
		  : $prometheus->ask('query', query => $expression, time => $to);
		my $ours = ask_ours(
			$range
			? "mytsdb.query_range(\$q\$$expression\$q\$, to_timestamp($from), to_timestamp($to), '$step s')"
			: "mytsdb.query(\$q\$$expression\$q\$, to_timestamp($to))");
		my $difference = difference(points($ours), points($theirs));
		push @differences, ($range ? "range, step $step" : 'instant') . ": $difference\n"
		  . join('', map { "$_\n" } grep { defined } $ours->{error}, $theirs->{error})
		  if defined $difference;
	}
	next unless @differences;
	$failures++;
	diag "$expression\n@differences" if $failures <= 20;
}
is $failures, 0, "expressions give what Prometheus gives (MYTSDB_SEED=$seed)";
$session->close;
done_testing;
