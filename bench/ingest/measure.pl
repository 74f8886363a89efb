#!/usr/bin/perl
#
# measure.pl [PROMETHEUS]
#	  Measures the table "ingest"; PROMETHEUS is the program to compare with.
#
# Each measurement has servers of its own, which get the same requests one after the other
# from the same load (load.c). With BENCH_SMOKE there is little of it, and what was written
# is compared, sample by sample, with what was sent.

use strict;
use warnings;

use FindBin;
use IO::Handle;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(time);

use lib $FindBin::Bin, "$FindBin::Bin/../../test/t";
use Cluster;
use Http;
use Servers;

my ($program) = @ARGV;
my $smoke = $ENV{BENCH_SMOKE};
my $seconds = $ENV{DURATION} || 15;
my $day = 86400 * 1000;
my $steps = 100 * POSIX::ceil(($ENV{HOURS} || 6) * 2.4); # of a backfill
my ($passed, $failed, %figures) = (0, 0);

STDOUT->autoflush(1);
Cluster::prepare('release');
if ($smoke)
{
	smoke_test();
	print "$passed passed, $failed failed\n";
}
else
{
	print "Prometheus is not to be had: its column is empty.\n" unless $program;
	print "$seconds s each, but for backfills. \"on\" and \"off\": mytsdb with synchronous_commit on (fsync is) and off.\n";
	scrapes(20);
	scrapes(200);
	backfills();
	queries();
	open my $out, '>', "$ENV{BENCH_FIGURES}/ingest.json" or die $!;
	print $out JSON::PP->new->canonical->pretty->encode(\%figures);
	close $out or die $!;
}
exit($failed ? 1 : 0);

# ---- lines ----

# Columns are on, off, Prometheus. A target that begins with < is to be undercut.
sub heading
{
	my ($text) = @_;
	printf "\n%-50s %12s %12s %12s %9s %10s\n", $text, 'on', 'off', 'Prometheus', 'on/Prom.', 'target';
	return;
}

sub line
{
	my ($section, $name, $format, $target, $on, $off, $theirs) = @_;
	my $missed = '';
	my @texts = map { defined $_ ? sprintf($format, $_) : '-' } $on, $off, $theirs;
	if (defined $target)
	{
		my ($sign, $limit) = $target =~ /^([<>])(.*)/;
		$missed = ' MISSED' if $sign eq '<' ? $on > $limit : $on < $limit;
	}
	printf "%-50s %12s %12s %12s %9s %10s%s\n", $name, @texts,
	  defined $on && $theirs ? sprintf('%.2f', $on / $theirs) : '-', $target // '', $missed;
	$figures{$section}{$name} = { on => $on, off => $off, prometheus => $theirs, target => $target };
	return;
}

sub lines
{
	my ($section, $all, @lines) = @_;
	for my $line (@lines)
	{
		my ($name, $key, $format, $target) = @$line;
		line($section, $name, $format, $target, map { $_ ? $_->{$key} : undef } @$all);
	}
	return;
}

# Runs a measurement on ours, twice, and on Prometheus.
sub three
{
	my ($code) = @_;
	my @all;
	for my $which ('on', 'off', 'prometheus')
	{
		next if $which eq 'prometheus' && !$program;
		my $server = $which eq 'prometheus' ? start_prometheus($program) : start_ours($which);
		push @all, $code->($server);
		stop($server);
	}
	return \@all;
}

# ---- measurements ----

my %memory_of_20;

sub scrapes
{
	my ($instances) = @_;
	my $series = $instances * 1000;
	my $section = "scrape_$series";
	my $all = three(sub {
			my ($server) = @_;
			my $start = int(time) * 1000 - $day;
			my $first = measure($server, 'scrape', $server->{port}, $instances, $start, 'steps=1');
			my $result = measure($server, 'scrape', $server->{port}, $instances, $start, 'from=1', "seconds=$seconds");
			$result->{first_seen} = $first->{rate};
			$result->{memory} = memory($server);
			$result->{steps} = $result->{next_step};
			check_count($server, $first->{samples} + $result->{samples});
			$result->{recovery} = recovery($server);
			check_count($server, $first->{samples} + $result->{samples}) if is_ours($server);
			return $result;
		});
	heading("scrape: $series series, 2,000 x 1 sample, 2 connections");
	lines($section, $all,
		[ 'samples/s', 'rate', '%.0f', $instances == 20 ? '>2000000' : '>1300000' ],
		[ 'CPU seconds per million samples', 'cpu_per_million', '%.2f', $instances == 20 ? '<0.6' : '<0.9' ],
		[ 'of the load itself', 'client_per_million', '%.2f' ],
		[ 'request p50, ms', 'p50_ms', '%.2f' ],
		[ 'request p99, ms', 'p99_ms', '%.2f', $instances == 20 ? '<20' : undef ],
		[ 'request max, ms', 'max_ms', '%.2f', $instances == 20 ? '<100' : undef ],
		[ 'requests sent again', 'again', '%d' ],
		[ 'first-seen series/s', 'first_seen', '%.0f', $instances == 200 ? '>250000' : undef ],
		[ 'scrapes of each series', 'steps', '%d' ],
		[ 'after kill -9: seconds to the first answer', 'recovery', '%.2f' ]);
	for my $i (0 .. $#$all)
	{
		$all->[$i]{further} = ($all->[$i]{memory} - $memory_of_20{$i}) / ($series - 20000) if $instances == 200;
		$memory_of_20{$i} = $all->[$i]{memory} if $instances == 20;
	}
	lines($section, $all, [ 'memory per further active series, bytes', 'further', '%.0f', '<1024' ]) if $instances == 200;
	return;
}

# Kills all of a server's processes and starts it again; seconds from that to an answer.
sub recovery
{
	my ($server) = @_;
	my $file = "$ENV{BENCH_BUILD}/queries";
	write_queries($file, int(time) - 86400 + 30);
	my $began = crash_and_start($server);
	run_load('queries', $server->{port}, $file, 'connections=1', 'seconds=0.01');
	return time - $began;
}

sub backfills
{
	my $all = three(sub {
			my ($server) = @_;
			my $start = int(time) * 1000 - 2 * $day;
			my $result = measure($server, 'backfill', $server->{port}, 20, $start, "steps=$steps");
			check_count($server, $result->{samples});
			my $cpu = cpu($server);
			$result->{disk} = disk_bytes($server) / $result->{samples};
			$result->{sealing} = (cpu($server) - $cpu) / $result->{samples} * 1e6 if is_ours($server);
			return $result;
		});
	heading(sprintf 'backfill: 20,000 series, %.1f h, 100 x 100, 2 conn.', $steps / 240);
	lines('backfill', $all,
		[ 'samples/s', 'rate', '%.0f', '>6000000' ],
		[ 'CPU seconds per million samples', 'cpu_per_million', '%.2f', '<0.25' ],
		[ 'of the load itself', 'client_per_million', '%.2f' ],
		[ 'sealing and merging the rest, CPU s per million', 'sealing', '%.2f' ],
		[ 'request p50, ms', 'p50_ms', '%.2f' ],
		[ 'request p99, ms', 'p99_ms', '%.2f' ],
		[ 'request max, ms', 'max_ms', '%.2f' ],
		[ 'requests sent again', 'again', '%d' ],
		[ 'disk bytes per sample, sealed', 'disk', '%.2f', '<0.8' ]);
	return;
}

# How much disk all samples take: ours sealed and merged, Prometheus' in a block that it is
# asked to make of them.
sub disk_bytes
{
	my ($server) = @_;
	if (is_ours($server))
	{
		$server->safe_sql(q{SELECT mytsdb.seal('mytsdb.metrics'), mytsdb.merge('mytsdb.metrics')});
		$server->safe_sql('VACUUM mytsdb.metrics');
		return $server->safe_sql(
			q{SELECT total_bytes - free_bytes FROM mytsdb.stat_table WHERE rel = 'mytsdb.metrics'::regclass});
	}
	my $answer = Http::json(Http->connect($server->{port}, timeout => 600)->request('POST', '/api/v1/admin/tsdb/snapshot'));
	my $dir = "$server->{dir}/data/snapshots/$answer->{data}{name}";
	my ($kilobytes) = `du -sk --apparent-size '$dir'` =~ /^(\d+)/;
	return $kilobytes * 1024;
}

# Queries beside writes at a rate that both can bear: 50 requests, 100,000 samples, a second.
sub queries
{
	my $file = "$ENV{BENCH_BUILD}/queries";
	my $now = int(time);
	my $start = $now * 1000 - $day;
	my $at = int($start / 1000) + 3600; # of simulated time, behind which writes go on
	write_queries($file, $at);
	my $all = three(sub {
			my ($server) = @_;
			my @writes = ('scrape', $server->{port}, 20, $start);
			run_load(@writes, 'steps=250');
			my $alone = run_load('queries', $server->{port}, $file, 'connections=4', 'seconds=' . int($seconds / 2 + 1));
			my $job = Http::start_job(sub { run_load(@writes, 'from=250', 'rate=50', "seconds=$seconds") });
			my $beside = run_load('queries', $server->{port}, $file, 'connections=4', "seconds=$seconds");
			my ($written) = Http::finish_job($job);
			return {
				alone => $alone->{requests} / $alone->{seconds}, alone_p50 => $alone->{p50_ms},
				alone_p99 => $alone->{p99_ms}, beside => $beside->{requests} / $beside->{seconds},
				beside_p50 => $beside->{p50_ms}, beside_p99 => $beside->{p99_ms},
				rate => $written->{samples} / $written->{seconds}, write_p50 => $written->{p50_ms},
				write_p99 => $written->{p99_ms}, write_max => $written->{max_ms} };
		});
	heading('queries: 20,000 series, 4 connections');
	lines('queries', $all,
		[ 'alone: queries/s', 'alone', '%.0f' ], [ 'p50, ms', 'alone_p50', '%.2f' ], [ 'p99, ms', 'alone_p99', '%.2f' ],
		[ 'beside writes: queries/s', 'beside', '%.0f' ], [ 'beside writes: p50, ms', 'beside_p50', '%.2f' ],
		[ 'beside writes: p99, ms', 'beside_p99', '%.2f' ],
		[ 'writes beside: samples/s (100,000 are sent)', 'rate', '%.0f' ],
		[ 'writes beside: p50, ms', 'write_p50', '%.2f' ], [ 'writes beside: p99, ms', 'write_p99', '%.2f' ],
		[ 'writes beside: max, ms', 'write_max', '%.2f' ]);
	return;
}

# ---- contents ----

sub check
{
	my ($ok, $what) = @_;
	$ok ? $passed++ : $failed++;
	print STDERR "not right: $what\n" unless $ok;
	return;
}

# All that was sent is there, once.
sub check_count
{
	my ($server, $samples) = @_;
	my $count;
	if (is_ours($server))
	{
		$count = $server->safe_sql('SELECT count(*) FROM mytsdb.metrics');
	}
	else
	{
		my $metrics = Http::get($server->{port}, '/metrics')->{content};
		($count) = $metrics =~ /^prometheus_tsdb_head_samples_appended_total(?:\{type="float"\})? (\S+)/m;
	}
	check($count == $samples, "$count samples of $samples");
	return;
}

# Scrapes with many connections and a backfill behind them: all samples are compared.
sub smoke_test
{
	my $start = 1767225600000;
	my ($node, $port) = Http::node('ours');
	my @writes = ($port, 4, $start);
	run_load('scrape', @writes, 'steps=3', 'connections=1');
	my $result = run_load('scrape', @writes, 'from=3', 'steps=97', 'connections=2');
	check($result->{samples} == 4000 * 97, "$result->{samples} samples of 97 scrapes");
	run_load('backfill', @writes, 'from=100', 'steps=100', 'connections=8');

	my $text = "$ENV{BENCH_BUILD}/samples.tsv";
	system("'$ENV{BENCH_BUILD}/load' print 4 $start steps=200 > '$text'") == 0 or die "load print failed\n";
	$node->safe_sql('CREATE UNLOGGED TABLE sent (labels labels, ms int8, value float8) USING heap');
	$node->safe_sql("\\copy sent FROM '$text'");
	my $ours = 'SELECT labels, (extract(epoch FROM time) * 1000)::int8, value FROM mytsdb.metrics';
	check($node->safe_sql('SELECT count(*) FROM mytsdb.metrics') == 800000, 'number of samples');
	check($node->safe_sql("SELECT count(*) FROM (TABLE sent EXCEPT $ours) x") == 0, 'samples that were sent are there');
	check($node->safe_sql("SELECT count(*) FROM ($ours EXCEPT TABLE sent) x") == 0, 'there are no others');
	unlink $text;

	my $file = "$ENV{BENCH_BUILD}/queries";
	write_queries($file, $start / 1000 + 1500);
	$result = run_load('queries', $port, $file, 'connections=4', 'seconds=0.5');
	check($result->{requests} > 0, 'queries are answered');
	stop($node);
	return;
}
