# A real Prometheus beside ours: Debian's scrapes itself and a small exporter of the test,
# and writes all samples to us, across a restart of PostgreSQL. What it has and what we have
# are compared one by one, and so are answers of both. Another one, which has nothing of its
# own, reads from us.
use strict;
use warnings;

use FindBin;
use File::Temp;
use IO::Socket::INET;
use List::Util qw(max min);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;
use Prometheus;

my $program = $ENV{MYTSDB_PROMETHEUS};
plan skip_all => 'MYTSDB_PROMETHEUS names no Prometheus to send' unless $program;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port) = Http::node('receiver');
my $tmp = File::Temp->newdir('mytsdb-prometheus.XXXXXX', TMPDIR => 1);
my @children;
my $owner = $$;
END { kill 'TERM', @children if $$ == $owner && @children }

# ---- an exporter ----

# A metric that counts scrapes, one that goes away after twenty, a classic histogram, and
# text that must be escaped.
sub exposition
{
	my ($n) = @_;
	my $text = "# HELP test_scrapes_total How often it was asked.\n# TYPE test_scrapes_total counter\n"
	  . "test_scrapes_total $n\n# TYPE test_value gauge\n";
	$text .= "test_value{kind=\"$_->[0]\"} $_->[1]\n"
	  foreach [ 'tenth', $n / 10 ], [ 'small', 1e-300 * $n ], [ 'nan', 'NaN' ], [ 'inf', '+Inf' ], [ 'negative', -$n ],
	  [ 'a \"b\" \\\\ ü', $n % 7 ];
	$text .= "test_gone{part=\"$_\"} $n\n" foreach $n <= 20 ? (1 .. 3) : (3);
	my $sum = 0;
	$text .= "# TYPE test_seconds histogram\n";
	$text .= "test_seconds_bucket{le=\"$_\"} " . ($sum += $n * length) . "\n" foreach qw(0.1 0.25 1 2.5 +Inf);
	return "$text" . "test_seconds_sum ${\($n / 3)}\ntest_seconds_count $sum\n";
}

sub start_exporter
{
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "listen: $!";
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		my $n = 0;
		while (my $client = $listener->accept)
		{
			my $line;
			1 while defined($line = <$client>) && $line ne "\r\n";
			my $text = exposition(++$n);
			print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\nContent-Length: "
			  . length($text) . "\r\n\r\n$text";
			close $client;
		}
		POSIX::_exit(0);
	}
	push @children, $pid;
	return $listener->sockport;
}

# ---- both sides ----

# Raw answers of the API by both; $server is our port, or a Prometheus.
sub ask
{
	my ($server, $path, @parameters) = @_;
	return Http::data(Http::post(ref $server ? $server->{url} =~ s/.*://r : $server, "/api/v1/$path", @parameters));
}

# All samples of a selector in the seconds before a time, as "labels time" => value.
sub samples
{
	my ($server, $selector, $time, $seconds) = @_;
	my $points = Http::points(ask($server, 'query', query => "$selector\[${seconds}s]", time => $time));
	my %samples;
	for my $labels (keys %$points)
	{
		$samples{"$labels $_->[0]"} = $_->[1] foreach @{ $points->{$labels} };
	}
	return \%samples;
}

sub result
{
	my ($server, $query, $from, $to) = @_;
	my $data = $from == $to
	  ? ask($server, 'query', query => $query, time => $to)
	  : ask($server, 'query_range', query => $query, start => $from, end => $to, step => 7);
	return { '' => $data->{result}[1] } if $data->{resultType} eq 'scalar';
	my $points = Http::points($data);
	my %result;
	for my $labels (keys %$points)
	{
		$result{"$labels $_->[0]"} = $_->[1] foreach @{ $points->{$labels} };
	}
	return \%result;
}

sub near
{
	my ($a, $b) = @_;
	return 1 if $a eq $b;
	return 0 if grep { /NaN|Inf/ } $a, $b;
	return abs($a - $b) <= 1e-9 * (abs($a) + abs($b));
}

# The first few differences between what ours and theirs give.
sub differences
{
	my ($ours, $theirs, $same) = @_;
	my @different = grep { !defined $ours->{$_} || !defined $theirs->{$_} || !$same->($ours->{$_}, $theirs->{$_}) }
	  sort keys %{ { %$ours, %$theirs } };
	return map { "$_: ours " . ($ours->{$_} // 'nothing') . ', Prometheus ' . ($theirs->{$_} // 'nothing') }
	  @different[ 0 .. min(4, $#different) ];
}

my $exporter = start_exporter();
mkdir "$tmp/sender" or die $!;
my $prometheus = Prometheus->start_with(<<"END", $program, "$tmp/sender");
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: prometheus
    static_configs: [{targets: ['SELF']}]
  - job_name: exporter
    static_configs: [{targets: ['127.0.0.1:$exporter'], labels: {zone: 'ö'}}]
remote_write:
  - url: http://127.0.0.1:$port/api/v1/write
    metadata_config: {send_interval: 5s}
END
my $began = time;

# Waits until the exporter was asked so often.
sub wait_scrapes
{
	my ($scrapes) = @_;
	my $end = time + 120;
	while (time < $end)
	{
		my $result = ask($prometheus, 'query', query => 'test_scrapes_total')->{result};
		return 1 if @$result && $result->[0]{value}[1] >= $scrapes;
		sleep 0.3;
	}
	return 0;
}

# ---- a minute, with a restart in its middle ----

ok(wait_scrapes(14), 'Prometheus scrapes');
my $before = ask($port, 'query', query => 'count({__name__=~".+"})');
cmp_ok($before->{result}[0]{value}[1] // 0, '>', 300, 'and we have its series');
ok($node->stop('fast'), 'PostgreSQL stops');
sleep 3;
$node->start;
Http::wait_ready($port);
ok(wait_scrapes(46), 'Prometheus goes on');

# The exporter goes away: all of its series are stale then.
my $gone = time;
kill 'TERM', @children;
waitpid $_, 0 foreach splice @children;
my $down = time + 60;
sleep 0.3 until time > $down || @{ ask($prometheus, 'query', query => 'up{job="exporter"} == 0')->{result} };
sleep 3;
my $end = sprintf '%.3f', time - 1;
my $seconds = int($end - $began) + 5;

my ($ours, $theirs, @wrong);
for (my $until = time + 180; time < $until; sleep 1)
{
	$theirs = samples($prometheus, '{__name__=~".+"}', $end, $seconds);
	$ours = samples($port, '{__name__=~".+"}', $end, $seconds);
	@wrong = differences($ours, $theirs, sub { $_[0] eq $_[1] });
	last unless @wrong;
}
is_deeply(\@wrong, [], 'what Prometheus has is there, and nothing else') or diag join "\n", @wrong;
cmp_ok(scalar keys %$ours, '>', 10000, 'and they are many');
SKIP:
{
	skip 'Prometheus has missed a scrape', 1
	  if grep { /\{__name__="up".*job="exporter".* (\S+)$/ && $1 < $gone && $theirs->{$_} == 0 } keys %$theirs;
	is(scalar(grep { /test_scrapes_total.* / } keys %$ours), max(map { /test_scrapes_total/ ? $ours->{$_} : 0 } keys %$ours),
		'no scrape is lost');
}

# ---- staleness ----

my $stale = q{float8send(value) = '\x7ff0000000000002'};
ok($node->wait_for("SELECT string_agg(DISTINCT labels ->> 'part', ',' ORDER BY labels ->> 'part') FROM mytsdb.metrics
		WHERE labels ~ 'test_gone' AND $stale", '1,2,3'),
	'series that end have a staleness marker');
ok($node->wait_for("SELECT count(*) FROM (SELECT labels FROM mytsdb.metrics WHERE labels ~ '{job=\"exporter\",__name__=~\"test.*\"}'
		GROUP BY labels HAVING (array_agg($stale ORDER BY time DESC))[1] IS NOT TRUE) x", '0'),
	'every series of a target that is gone, too');
is_deeply(ask($port, 'query', query => 'test_value', time => $end)->{result}, [], 'and they are gone at once');

# ---- queries ----

# Before 3.0 windows were closed on the left: times are far from those of scrapes. And what
# lies before the beginning of a counter was extrapolated in another way: no window of 25
# seconds reaches back to where series begin.
my %phases;
$phases{ int(($_ - int $_) * 1000) }++ for map { /(\S+)$/ } grep { /\{__name__="up"/ } keys %$ours;
my ($phase) = map { $_->[1] } sort { $b->[0] <=> $a->[0] }
  map { my $p = $_; [ min(map { my $d = abs($_ - $p); $d > 500 ? 1000 - $d : $d } keys %phases), $p ] } map { 10 * $_ } 0 .. 99;
my $at = int($end) - 8 + $phase / 1000;
for my $query (
	'up', 'test_scrapes_total', 'test_value', 'count({__name__=~".+"})', 'rate(test_scrapes_total[10s])',
	'sum by (job) (up)', 'increase(prometheus_tsdb_head_samples_appended_total[20s])',
	'histogram_quantile(0.9, sum by (le) (rate(test_seconds_bucket[15s])))',
	'histogram_quantile(0.99, rate(prometheus_http_request_duration_seconds_bucket[20s]))',
	'avg_over_time(go_goroutines[15s])', 'max_over_time(process_resident_memory_bytes[15s])',
	'topk(3, rate(prometheus_http_requests_total[20s]))', 'go_memstats_alloc_bytes / go_memstats_sys_bytes',
	'test_value{kind=~"a.*"}', 'label_replace(up, "port", "$1", "instance", ".*:(.*)")', 'absent(test_nothing)',
	'count_values("v", test_gone)', 'sum without (instance) (test_gone) > 5', 'deriv(test_scrapes_total[10s])',
	'changes(test_value[20s])', 'quantile_over_time(0.5, scrape_duration_seconds[15s])', 'time() - timestamp(up)',
	'test_scrapes_total offset 5s', 'max_over_time(rate(test_scrapes_total[5s])[20s:5s])',
	'prometheus_build_info', 'scalar(test_scrapes_total) * 2')
{
	my @differences;
	for my $from ($at, $at - 8)
	{
		push @differences, differences((map { result($_, $query, $from, $at) } $port, $prometheus), \&near);
	}
	is_deeply(\@differences, [], $query) or diag join "\n", @differences;
}

# ---- labels, series and metadata ----

my @all_time = (start => int($began) - 10, end => int($end) + 10);
for my $path ('labels', 'label/__name__/values', 'label/job/values', 'label/zone/values', 'label/nothing/values')
{
	is_deeply(ask_get($port, $path, @all_time), ask_get($prometheus, $path, @all_time), $path);
}
my @series = map {
	my $list = ask($_, 'series', 'match[]' => 'up', 'match[]' => '{job="exporter"}', @all_time);
	[ sort map { my $s = $_; join ',', map { "$_=$s->{$_}" } sort keys %$s } @$list ]
} $port, $prometheus;
is_deeply($series[0], $series[1], 'series');

sub ask_get
{
	my ($server, $path, @parameters) = @_;
	return Http::data(Http::get(ref $server ? $server->{url} =~ s/.*://r : $server, "/api/v1/$path", @parameters));
}

# Prometheus forgets metadata of a target that is gone; we do not.
my $metadata = ask_get($port, 'metadata');
is_deeply($metadata->{test_scrapes_total}, [ { type => 'counter', unit => '', help => 'How often it was asked.' } ],
	'metadata has come');
my $their_metadata = ask_get($prometheus, 'metadata', metric => 'go_goroutines');
is_deeply($metadata->{go_goroutines}, $their_metadata->{go_goroutines}, 'and is that of Prometheus');

# ---- remote read ----

mkdir "$tmp/reader" or die $!;
my $reader = Prometheus->start_with(<<"END", $program, "$tmp/reader");
remote_read:
  - url: http://127.0.0.1:$port/api/v1/read
    read_recent: true
END
my $read = samples($reader, '{job="exporter"}', $end, $seconds);
my @read_wrong = differences($read, { map { $_ => $ours->{$_} } grep { / job="exporter"/ } keys %$ours }, sub { $_[0] eq $_[1] });
is_deeply(\@read_wrong, [], 'a Prometheus that reads from us gets the same samples') or diag join "\n", @read_wrong;
for my $query ('sum by (job) (up)', 'rate(test_scrapes_total[10s])', 'topk(2, test_value)')
{
	my @differences = differences((map { result($_, $query, $at - 14, $at) } $reader, $prometheus), \&near);
	is_deeply(\@differences, [], "read from us: $query") or diag join "\n", @differences;
}

$reader->stop;
$prometheus->stop;
ok($node->stop('fast'), 'stop');
unlike($node->log_text, qr/TRAP:|PANIC|signal \d+|XX00[012]/, 'nothing bad in the log');
done_testing;
