#!/usr/bin/perl
#
# measure.pl
#	  Measures the table "otlp": gauges and sums of 20,000 series with ten attributes, in
#	  requests of 2,000 points, by three ways.
#
# Each measurement has a server of its own, which gets the same points from the same load
# (load.c). With BENCH_SMOKE there is little of it, and what was written by the three ways is
# compared.

use strict;
use warnings;

use FindBin;
use IO::Handle;
use JSON::PP;
use Time::HiRes qw(time);

use lib "$FindBin::Bin/../ingest", "$FindBin::Bin/../../test/t";
use Cluster;
use Http;
use Servers;

my $smoke = $ENV{BENCH_SMOKE};
my $seconds = $ENV{DURATION} || 15;
my $day = 86400 * 1000;
my @ways = qw(remote_write http grpc);
my %connections = (remote_write => ['connections=2'], http => ['connections=2'], grpc => [ 'connections=2', 'streams=2' ]);

STDOUT->autoflush(1);
Cluster::prepare('release');
exit(smoke_test() ? 0 : 1) if $smoke;
my %figures = map { $_ => measure_all($_) } qw(on off);
open my $out, '>', "$ENV{BENCH_FIGURES}/otlp.json" or die $!;
print $out JSON::PP->new->canonical->pretty->encode(\%figures);
close $out or die $!;

# A server of ours, and the port that a way goes to.
sub start_server
{
	my ($synchronous) = @_;
	my $grpc = Http::port();
	my $server = start_ours($synchronous, "mytsdb.otlp_grpc_port = $grpc");
	return ($server, remote_write => $server->{port}, http => $server->{port}, grpc => $grpc);
}

sub measure_all
{
	my ($synchronous) = @_;
	my %results;
	for my $way (@ways)
	{
		my ($server, %ports) = start_server($synchronous);
		my @writes = ($way, $ports{$way}, 20, int(time) * 1000 - $day, @{ $connections{$way} });
		my $first = measure($server, @writes, 'steps=1');
		my $result = measure($server, @writes, 'from=1', "seconds=$seconds");
		my $count = $server->safe_sql('SELECT count(*) FROM mytsdb.metrics');
		die "$way: $count samples of " . ($first->{samples} + $result->{samples}) . "\n"
		  if $count != $first->{samples} + $result->{samples};
		$result->{first_seen} = $first->{rate};
		$results{$way} = $result;
		stop($server);
	}
	show($synchronous, \%results);
	return \%results;
}

sub show
{
	my ($synchronous, $results) = @_;
	my @others = @ways[ 1 .. $#ways ];
	printf "\n%-44s" . ' %12s' x @ways . ' %9s' x @others . " %8s\n", "20,000 series, synchronous_commit $synchronous", @ways,
	  (map { "$_/rw" } @others), 'target';
	for my $line (
		[ 'points/s', 'rate', '%.0f', 0.7 ],
		[ 'CPU seconds per million points', 'cpu_per_million', '%.2f' ],
		[ 'of the load itself', 'client_per_million', '%.2f' ],
		[ 'bytes of a point, decompressed', 'bytes', '%.0f' ],
		[ 'request p50, ms', 'p50_ms', '%.2f' ],
		[ 'request p99, ms', 'p99_ms', '%.2f' ],
		[ 'request max, ms', 'max_ms', '%.2f' ],
		[ 'requests sent again', 'again', '%d' ],
		[ 'first-seen series/s', 'first_seen', '%.0f' ])
	{
		my ($name, $key, $format, $target) = @$line;
		$_->{bytes} = $_->{message_bytes} / $_->{samples} foreach values %$results;
		my ($base, @rest) = map { $results->{$_}{$key} } @ways;
		my $missed = defined $target && grep { $_ < $target * $base } @rest;
		printf "%-44s" . ' %12s' x @ways . ' %9s' x @others . " %8s%s\n", $name, (map { sprintf $format, $_ } $base, @rest),
		  (map { $base > 0 ? sprintf('%.2f', $_ / $base) : '-' } @rest), defined $target ? ">$target" : '', $missed ? ' MISSED' : '';
	}
	return;
}

# Some steps by each way, then all of them by each: the same series and samples must be there.
sub smoke_test
{
	my ($server, %ports) = start_server('on');
	my $start = 1767225600000;
	my ($passed, $failed) = (0, 0);
	my $check = sub {
		my ($ok, $what) = @_;
		$ok ? $passed++ : $failed++;
		print STDERR "not right: $what\n" unless $ok;
	};
	for my $i (0 .. $#ways)
	{
		my $way = $ways[$i];
		my $result = run_load($way, $ports{$way}, 4, $start, 'from=' . 2 * $i, 'steps=2', @{ $connections{$way} });
		$check->($result->{samples} == 8000 && $result->{requests} == 4, "$way: $result->{samples} points");
	}
	my $sums = q{SELECT count(*) || ' ' || count(DISTINCT labels) || ' ' || md5(string_agg(labels::text || time || value, ','
		ORDER BY labels::text, time)) FROM mytsdb.metrics};
	my $all = $server->safe_sql($sums);
	my $steps = 2 * @ways;
	$check->($all =~ /^@{[4000 * $steps]} 4000 /, "samples and series: $all");
	for my $way (@ways)
	{
		$server->safe_sql('TRUNCATE mytsdb.metrics');
		run_load($way, $ports{$way}, 4, $start, "steps=$steps", @{ $connections{$way} });
		my $own = $server->safe_sql($sums);
		$check->($own eq $all, "$way has other samples: $own, not $all");
	}
	stop($server);
	print "$passed passed, $failed failed\n";
	return $failed == 0;
}
