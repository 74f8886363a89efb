# Servers.pm: what the benchmarks over HTTP have in common: servers, ours and Prometheus,
# what they cost, and the load (load.c) that they get.
package Servers;
use strict;
use warnings;

use Exporter qw(import);
use File::Temp;
use FindBin;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../../test/t";
use Cluster;
use Http;
use Prometheus;

our @EXPORT = qw(start_ours start_prometheus crash_and_start is_ours stop cpu memory run_load measure write_queries);

my $load = "$ENV{BENCH_BUILD}/load";
my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());

# Both kinds can say which processes they are, and how much of what they hold.

sub start_ours
{
	my ($synchronous, @settings) = @_;
	my ($node, $port) = Http::node('ours', 'fsync = on', 'shared_buffers = 2GB', 'max_wal_size = 16GB', 'max_worker_processes = 32',
		'checkpoint_timeout = 1h', 'autovacuum = off', 'jit = off', "synchronous_commit = $synchronous",
		'log_error_verbosity = default', @settings);
	$node->{port} = $port;
	return $node;
}

sub start_prometheus
{
	my ($program) = @_;
	my $dir = File::Temp->newdir('mytsdb-bench.XXXXXX', TMPDIR => 1);
	my $server = Prometheus->start($program, $dir, '--web.enable-remote-write-receiver', '--web.enable-admin-api',
		'--query.max-samples=500000000');
	($server->{port}) = $server->{url} =~ /:(\d+)$/;
	$server->{keep} = $dir;
	return $server;
}

# Ends all processes of a server at once, as a crash does, and starts it again. Returns when
# that began.
sub crash_and_start
{
	my ($server) = @_;
	my ($first, @others) = processes($server);
	kill 'STOP', $first;
	kill 'KILL', @others, $first;
	$server->stop unless is_ours($server);
	$server->{running} = 0;
	sleep 0.05 while grep { kill 0, $_ } $first, @others;
	my $began = time;
	is_ours($server) ? $server->start : $server->start_again;
	($server->{port}) = $server->{url} =~ /:(\d+)$/ unless is_ours($server);
	Http::wait_ready($server->{port}, 600);
	return $began;
}

sub is_ours
{
	my ($server) = @_;
	return $server->isa('Cluster');
}

sub stop
{
	my ($server) = @_;
	is_ours($server) ? $server->stop('immediate') : $server->stop;
	Cluster::tools('as_server', 'rm', '-rf', $server->{data}) if is_ours($server);
	return;
}

sub slurp
{
	my ($path) = @_;
	open my $in, '<', $path or return '';
	local $/ = undef;
	return scalar(<$in>) // '';
}

sub processes
{
	my ($server) = @_;
	return $server->{pid} unless is_ours($server);
	my ($postmaster) = slurp("$server->{data}/postmaster.pid") =~ /^(\d+)/;
	return ($postmaster, split ' ', slurp("/proc/$postmaster/task/$postmaster/children"));
}

# Processor seconds of a server's processes, and of those that they waited for.
sub cpu
{
	my ($server) = @_;
	my $all = 0;
	my ($first, @others) = processes($server);
	for my $pid ($first, @others)
	{
		my @fields = split ' ', slurp("/proc/$pid/stat") =~ s/.*\) //sr;
		next unless @fields;
		$all += $fields[11] + $fields[12];
		$all += $fields[13] + $fields[14] if $pid == $first;
	}
	return $all / $ticks;
}

# Bytes of memory: processes' own; and of ours what the engine holds in shared memory for
# series and samples that are not in blocks.
sub memory
{
	my ($server) = @_;
	my $all = 0;
	for my $pid (processes($server))
	{
		my ($anonymous) = slurp("/proc/$pid/smaps_rollup") =~ /^Pss_Anon:\s+(\d+)/m;
		$all += ($anonymous // 0) * 1024;
	}
	$all += $server->safe_sql(q{SELECT used + dictionary_bytes + index_bytes
		FROM mytsdb.stat_hot, mytsdb.stat_table WHERE rel = 'mytsdb.metrics'::regclass}) if is_ours($server);
	return $all;
}

# What a call of the load says.
sub run_load
{
	my (@arguments) = @_;
	open my $in, '-|', $load, @arguments or die "$load: $!";
	local $/ = undef;
	my $text = <$in>;
	close $in or die "load @arguments failed\n";
	return decode_json($text);
}

# The same, with what it cost the server.
sub measure
{
	my ($server, @arguments) = @_;
	my $cpu = cpu($server);
	my $result = run_load(@arguments);
	$result->{cpu_per_million} = (cpu($server) - $cpu) / $result->{samples} * 1e6;
	$result->{rate} = $result->{samples} / $result->{seconds};
	$result->{client_per_million} = $result->{client_cpu} / $result->{samples} * 1e6;
	return $result;
}

# What dashboards ask: single series and sums, now and over an hour.
sub write_queries
{
	my ($file, $at) = @_;
	open my $out, '>', $file or die "$file: $!";
	for my $i (0 .. 19)
	{
		my $instance = "instance=\"node-$i.example.com:9100\"";
		my @hour = (start => $at - 3600, end => $at, step => 60);
		for my $query (
			[ 'query', query => "node_load1{$instance}", time => $at ],
			[ 'query', query => "sum by (mode) (rate(node_cpu_seconds_total{$instance}[5m]))", time => $at ],
			[ 'query_range', query => "node_memory_7_bytes{$instance}", @hour ],
			[ 'query_range', query => "sum by (mode) (rate(node_cpu_seconds_total{$instance}[5m]))", @hour ],
			[ 'query', query => 'sum by (job) (rate(node_network_receive_bytes_total[5m]))', time => $at ],
			[ 'query_range', query => "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket{$instance}[5m])))", @hour ])
		{
			my ($path, @parameters) = @$query;
			print $out "/api/v1/$path?" . Http::form(@parameters) . "\n";
		}
	}
	close $out or die "$file: $!";
	return;
}

1;
