#!/usr/bin/perl
#
# measure.pl BIN SOCKET DIRECTORY [PROMETHEUS]
#	  Measures the table "promql": BIN has a running server's programs, DIRECTORY is where
#	  the samples are written that both sides are loaded with, PROMETHEUS the program to
#	  compare with.
#
# Both get the same remote write requests in the same order. Then the queries run in turns,
# one at a time, over one connection that is kept; the median of the rounds counts, and both
# answers are compared. With BENCH_SMOKE there is little data and only answers are checked.

use strict;
use warnings;

use FindBin;
use HTTP::Tiny;
use IO::Handle;
use IPC::Open2;
use JSON::PP;
use List::Util qw(max sum0);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../../test/t";
use Http;

my ($bin, $socket, $dir, $prometheus) = @ARGV;
my $smoke = $ENV{BENCH_SMOKE};
my $hours = $smoke ? 1 : $ENV{HOURS} || 6;
my $instances = $smoke ? 2 : 20;
my $rounds = $smoke ? 1 : 9;
# The end of the samples: two blocks of Prometheus' ago, so that it has written its blocks.
my $end = int(time / 7200) * 7200 - 7200;
# Queries are off the grid of scrapes: before 3.0 windows were closed on the left.
my $start = $end - $hours * 3600 + 7;
my $at = $end - 30;
my ($passed, $failed, %figures) = (0, 0);
my $http = HTTP::Tiny->new(timeout => 300);
my ($server, $url);

$SIG{$_} = sub { $SIG{TERM} = 'IGNORE'; exit 1 } for qw(INT TERM HUP);
END { my $status = $?; stop_prometheus(); $? = $status }
$ENV{PGHOST} = $socket;
$ENV{PGUSER} = 'postgres';
$ENV{PGDATABASE} = 'postgres';
$ENV{PGOPTIONS} = '-c timezone=UTC -c client_min_messages=error';
STDOUT->autoflush(1);

my $file = "$dir/samples";
system("'$ENV{BENCH_BUILD}/generate' $start $hours $instances > '$file'") == 0 or die "generate failed\n";
my $samples = $instances * 1000 * $hours * 240;
print "$samples samples of ${\($instances * 1000)} series: $hours hours at 15 s; queries run at the end of them.\n"
  unless $smoke;

my ($psql_out, $psql_in, $backend);
load_ours();
load_prometheus() if $prometheus;
print "Prometheus is not to be had: its columns are empty.\n" unless $prometheus || $smoke;
open_session();
queries();
memory() unless $smoke;
figures() unless $smoke;
print "$passed passed, $failed failed\n" if $smoke;
exit($failed ? 1 : 0);

# ---- both sides ----

sub sql
{
	my ($text) = @_;
	open my $in, '-|', "$bin/psql", '-XqAt', '-v', 'ON_ERROR_STOP=1', map { ('-c', $_) } split(/;\n(?=\S)/, $text)
	  or die "psql: $!\n";
	local $/;
	my $out = <$in> // '';
	close $in or die "failed: $text\n";
	$out =~ s/\s+\z//;
	return $out;
}

sub load_ours
{
	sql('CREATE EXTENSION mytsdb');
	sql("CREATE UNLOGGED TABLE requests (body bytea) USING heap;\n"
		  . "ALTER TABLE requests ALTER body SET STORAGE external");
	sql("COPY requests FROM '$file' (FORMAT binary)");
	my $began = time;
	sql(q{DO $$ DECLARE b bytea; n int := 0; BEGIN
	          FOR b IN SELECT body FROM requests LOOP
	              PERFORM mytsdb.remote_write(b, 'application/x-protobuf', 'snappy');
	              n := n + 1;
	              IF n % 20 = 0 THEN COMMIT; END IF;
	          END LOOP; END $$});
	$figures{load}{ours} = $samples / (time - $began);
	sql('DROP TABLE requests');
	sql(q{SELECT mytsdb.seal('mytsdb.metrics')});
	1 while sql(q{SELECT mytsdb.merge('mytsdb.metrics')}) > 0;
	sql("ANALYZE mytsdb.metrics;\nCHECKPOINT");
	$figures{bytes}{ours} = sql(q{SELECT pg_total_relation_size('mytsdb.metrics')}) / $samples;
}

sub stop_prometheus
{
	return unless $server;
	kill 'TERM', $server;
	waitpid $server, 0;
	undef $server;
}

sub load_prometheus
{
	my $port = Http::port();
	open my $config, '>', "$dir/prometheus.yml" or die $!;
	close $config;
	$server = fork() // die "fork: $!";
	if ($server == 0)
	{
		open STDOUT, '>', "$dir/prometheus.log" or die $!;
		open STDERR, '>&', \*STDOUT or die $!;
		exec $prometheus, "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/prometheus",
		  "--web.listen-address=127.0.0.1:$port", '--web.enable-remote-write-receiver',
		  '--query.max-samples=500000000' or die $!;
	}
	$url = "http://127.0.0.1:$port";
	for (1 .. 300)
	{
		last if $http->get("$url/-/ready")->{success};
		sleep 0.1;
	}
	open my $in, '<:raw', $file or die $!;
	read $in, my $header, 19;
	my $began = time;
	while (read($in, my $fields, 2) == 2)
	{
		last if unpack('n', $fields) != 1;
		read $in, my $size, 4;
		read $in, my $body, unpack 'N', $size;
		my $answer = $http->post("$url/api/v1/write", {
				headers => { 'Content-Type' => 'application/x-protobuf', 'Content-Encoding' => 'snappy',
					'X-Prometheus-Remote-Write-Version' => '0.1.0' }, content => $body });
		die "Prometheus: $answer->{status} $answer->{content}\n" unless $answer->{success};
	}
	$figures{load}{prometheus} = $samples / (time - $began);
	return if $smoke;
	# it looks once a minute whether there are blocks to write
	my $head = -1;
	for (1 .. 40)
	{
		my ($now) = $http->get("$url/metrics")->{content} =~ /^prometheus_tsdb_head_chunks (\S+)/m;
		last if $now == $head && $_ > 10;
		$head = $now;
		sleep 9;
	}
}

# ---- queries ----

# name, query, seconds of range (0: instant), step, target in ms for ours
sub queries
{
	my @queries = (
		[ 'one series, instant', 'node_load1{instance="node-3.example.com:9100"}', 0, 0, 0.5 ],
		[ 'sum by (job) (rate(x[5m])), 100 series, instant', 'sum by (job) (rate(node_network_receive_bytes_total[5m]))', 0, 0, 0.8 ],
		[ 'rate(x[5m]), 100 series, 1 h / 15 s', 'rate(node_network_receive_bytes_total[5m])', 3600, 15, 4 ],
		[ 'sum by (instance) (rate(x[5m])), 2,560 series, 6 h / 60 s', 'sum by (instance) (rate(node_cpu_seconds_total[5m]))', 21600, 60, 60 ],
		[ 'the same, 1 h / 15 s', 'sum by (instance) (rate(node_cpu_seconds_total[5m]))', 3600, 15 ],
		[ 'the same, 24 h / 60 s', 'sum by (instance) (rate(node_cpu_seconds_total[5m]))', 86400, 60 ],
		[ 'histogram_quantile(0.99, sum by (le) (rate(b[5m]))), 6 h / 60 s', 'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))', 21600, 60, 70 ],
		[ 'topk(10, rate(x[5m])), 2,560 series, instant', 'topk(10, rate(node_cpu_seconds_total[5m]))', 0, 0, 2.5 ],
		[ 'max_over_time(x[24h]), 20 series, instant', 'max_over_time(node_load1[24h])', 0, 0, 1.3 ],
		[ 'avg_over_time(x[6h]), 480 series, instant', 'avg_over_time(node_disk_io_time_seconds_total[6h])', 0, 0, 15 ],
		[ 'max_over_time(rate(x[5m])[6h:1m]), 100 series', 'max_over_time(rate(node_network_receive_bytes_total[5m])[6h:1m])', 0, 0, 25 ],
		[ 'x * on (instance) group_left (nodename) info, 140 results', 'node_filesystem_avail_bytes * on (instance) group_left (nodename) node_uname_info', 0, 0, 4 ],
		[ 'a / b, 100 series each, 1 h / 15 s', 'rate(node_network_receive_bytes_total[5m]) / rate(node_network_receive_bytes_total[1h])', 3600, 15 ],
		[ 'regular expression, 640 series, instant', 'sum(node_cpu_seconds_total{instance=~"node-(1|3|5|7|9).example.com:9100",mode=~"idle|u.*|sys.*|iow.*|irq"})', 0, 0 ],
		[ 'count({__name__=~".+"}), 20,000 series, instant', 'count({__name__=~".+"})', 0, 0, 40 ],
		[ 'quantile_over_time(0.9, x[1h]), 1,600 series, 6 h / 5 min', 'quantile_over_time(0.9, node_hwmon_temp_celsius[1h])', 21600, 300 ],
	);

	printf "%-66s %9s %10s %7s %7s\n", 'query (median, ms)', 'ours', 'Prometheus', 'ratio', 'target' unless $smoke;
	for my $query (@queries)
	{
		my ($name, $text, $range, $step, $target) = @$query;
		$range = $hours * 3600 - 600 if $range > $hours * 3600 - 600;
		my (@ours, @theirs, $our_answer, $their_answer);
		for my $round (0 .. $rounds)
		{
			my ($seconds, $answer) = ask_ours($text, $range, $step);
			$our_answer = $answer;
			push @ours, $seconds if $round > 0 || $smoke;
			next unless $prometheus;
			($seconds, $their_answer) = ask_prometheus($text, $range, $step);
			push @theirs, $seconds if $round > 0 || $smoke;
		}
		compare($name, $our_answer, $their_answer) if $prometheus;
		report($name, \@ours, \@theirs, $target) unless $smoke;
	}
	label_values();
}

sub label_values
{
	my (@ours, @theirs, $our_answer, $their_answer);
	my $name = 'label values of a name, 20 of 20,000 series';
	for my $round (0 .. $rounds)
	{
		my $began = time;
		$our_answer = in_session(q{SELECT mytsdb.label_values('nodename', ARRAY['node_uname_info'])});
		push @ours, time - $began if $round > 0 || $smoke;
		next unless $prometheus;
		$began = time;
		$their_answer = $http->get("$url/api/v1/label/nodename/values?match[]=node_uname_info")->{content};
		push @theirs, time - $began if $round > 0 || $smoke;
	}
	check(join(' ', @{ decode_json($our_answer)->{data} }) eq join(' ', @{ decode_json($their_answer)->{data} }), $name)
	  if $prometheus;
	report($name, \@ours, \@theirs, 0.3) unless $smoke;
}

sub report
{
	my ($name, $ours, $theirs, $target) = @_;
	my ($a, $b) = map { @$_ ? 1000 * median(@$_) : undef } $ours, $theirs;
	printf "%-66s %9.2f %10s %7s %7s%s\n", $name, $a, defined $b ? sprintf('%.2f', $b) : '-',
	  defined $b ? sprintf('%.2f', $a / $b) : '-', $target // '', defined $target && $a > $target ? ' MISSED' : '';
	$figures{queries}{$name} = { ours_ms => $a, prometheus_ms => $b, target_ms => $target };
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[ @sorted / 2 ];
}

# One session that is kept: what a query takes is measured from here to here.
sub open_session
{
	open2($psql_out, $psql_in, "$bin/psql", '-XqAt') or die "psql: $!\n";
	$backend = in_session('SELECT pg_backend_pid()');
}

sub in_session
{
	my ($text) = @_;
	print $psql_in "$text;\n\\echo -end-\n";
	$psql_in->flush;
	my $out = '';
	while (my $line = <$psql_out>)
	{
		last if $line eq "-end-\n";
		$out .= $line;
	}
	chomp $out;
	return $out;
}

sub ask_ours
{
	my ($text, $range, $step) = @_;
	my $query =
	  $range
	  ? sprintf("SELECT mytsdb.query_range(\$q\$%s\$q\$, to_timestamp(%d), to_timestamp(%d), '%d s')", $text, $at - $range, $at, $step)
	  : sprintf("SELECT mytsdb.query(\$q\$%s\$q\$, to_timestamp(%d))", $text, $at);
	my $began = time;
	my $answer = in_session($query);
	return (time - $began, $answer);
}

sub ask_prometheus
{
	my ($text, $range, $step) = @_;
	my %form = $range ? (query => $text, start => $at - $range, end => $at, step => $step) : (query => $text, time => $at);
	my $path = $range ? 'query_range' : 'query';
	my $began = time;
	my $answer = $http->get("$url/api/v1/$path?" . $http->www_form_urlencode(\%form));
	return (time - $began, $answer->{content});
}

# ---- answers ----

sub check
{
	my ($ok, $what) = @_;
	$ok ? $passed++ : $failed++;
	print "WRONG: $what\n" unless $ok;
}

sub compare
{
	my ($name, @answers) = @_;
	my @data = map { my $d = eval { decode_json($_) }; $d && $d->{status} eq 'success' ? points($d->{data}) : undef } @answers;
	return check(0, "$name: no answer: " . substr($answers[0], 0, 200)) unless $data[0] && $data[1];
	my ($ours, $theirs) = @data;
	# of equal values nobody says which are taken
	($ours, $theirs) = map { my $i = 0; +{ map { $i++ => $_ } sort { $a <=> $b } values %$_ } } @data if $name =~ /^topk/;
	my $different = '';
	$different = sprintf('%d points, %d expected', scalar keys %$ours, scalar keys %$theirs)
	  unless keys %$ours == keys %$theirs;
	for my $key (keys %$theirs)
	{
		my ($a, $b) = ($ours->{$key}, $theirs->{$key});
		next if defined $a && ($a eq $b || abs($a - $b) <= 1e-6 * (abs($a) + abs($b)));
		$different ||= "$key: " . ($a // 'nothing') . ", $b expected";
	}
	check($different eq '', "$name: $different");
}

# All points of an answer: series and time to value.
sub points
{
	my ($data) = @_;
	my %points;
	for my $series (@{ $data->{result} })
	{
		my $labels = join ',', map { "$_=$series->{metric}{$_}" } sort keys %{ $series->{metric} };
		$points{"$labels $_->[0]"} = $_->[1] for $series->{value} ? $series->{value} : @{ $series->{values} };
	}
	return \%points;
}

sub memory
{
	my $ours = peak_memory($backend);
	my $theirs = $server ? peak_memory($server) : undef;
	printf "most memory of a process: the session that asked %.0f MB (its shared memory included), Prometheus %s\n",
	  $ours, defined $theirs ? sprintf('%.0f MB', $theirs) : '-';
	printf "loading: ours %.0f, Prometheus %s samples per second; bytes per sample: ours %.2f\n",
	  $figures{load}{ours}, $figures{load}{prometheus} ? sprintf('%.0f', $figures{load}{prometheus}) : '-', $figures{bytes}{ours};
	$figures{memory} = { ours_mb => $ours, prometheus_mb => $theirs };
}

sub peak_memory
{
	my ($pid) = @_;
	open my $status, '<', "/proc/$pid/status" or return undef;
	local $/;
	return <$status> =~ /^VmHWM:\s+(\d+)/m ? $1 / 1024 : undef;
}

sub figures
{
	open my $out, '>', "$ENV{BENCH_FIGURES}/promql.json" or die $!;
	print $out JSON::PP->new->canonical->pretty->encode(\%figures);
	close $out or die $!;
}
