#!/usr/bin/perl
#
# measure.pl [PROMETHEUS]
#	  Measures the table "combined": scrapes on two connections beside dashboards' queries on
#	  four, all as fast as they are answered; then what the server says of itself.

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

my ($program) = @ARGV;
my %presets = (quick => { instances => 20, seconds => 20 }, standard => { instances => 200, seconds => 120 },
	smoke => { instances => 4, seconds => 1 });
my $name = $ENV{BENCH_SMOKE} ? 'smoke' : $ENV{PRESET} || 'quick';
my $preset = $presets{$name} or die "combined: PRESET is quick or standard\n";
my $seconds = $ENV{DURATION} || $preset->{seconds};
my $day = 86400 * 1000;

STDOUT->autoflush(1);
Cluster::prepare('release');
my $ours = start_ours('on');
my %results = (ours => together($ours));
my $metrics = Http::get($ours->{port}, '/metrics')->{content};
stop($ours);
if ($ENV{BENCH_SMOKE})
{
	# the same samples are counted on both sides
	my $answered = () = $metrics =~ /^mytsdb_/mg;
	my $good = $results{ours}{counted} == $results{ours}{samples} && $answered >= 40;
	print STDERR "not right: $results{ours}{counted} samples of $results{ours}{samples}, $answered series of our own\n" unless $good;
	printf "%d passed, %d failed\n", $good, !$good;
	exit($good ? 0 : 1);
}
if ($program)
{
	my $theirs = start_prometheus($program);
	$results{prometheus} = together($theirs);
	stop($theirs);
}
table();
open my $out, '>', "$ENV{BENCH_FIGURES}/combined.json" or die $!;
print $out JSON::PP->new->canonical->pretty->encode({ preset => $name, seconds => $seconds, %results });
close $out or die $!;

# Two minutes' scrapes first, for the queries; then both loads.
sub together
{
	my ($server) = @_;
	my $start = int(time) * 1000 - $day;
	my $file = "$ENV{BENCH_BUILD}/queries";
	my @writes = ('scrape', $server->{port}, $preset->{instances}, $start);
	write_queries($file, $start / 1000 + 120);
	my $first = run_load(@writes, 'steps=10');
	my $cpu = cpu($server);
	my $job = Http::start_job(sub { run_load('queries', $server->{port}, $file, 'connections=4', "seconds=$seconds") });
	my $written = run_load(@writes, 'from=10', "seconds=$seconds");
	my ($asked) = Http::finish_job($job);
	$cpu = cpu($server) - $cpu;
	my %result = (
		samples => $first->{samples} + $written->{samples},
		writes => { %$written, per_second => $written->{samples} / $written->{seconds} },
		queries => { %$asked, per_second => $asked->{requests} / $asked->{seconds} },
		cpu => $cpu / $written->{seconds});
	$result{counted} = $server->safe_sql('SELECT count(*) FROM mytsdb.metrics') if is_ours($server);
	return \%result;
}

sub table
{
	my @lines = (
		[ 'samples written per second', 'writes', 'per_second', '%.0f' ], [ 'write p50, ms', 'writes', 'p50_ms', '%.2f' ],
		[ 'write p99, ms', 'writes', 'p99_ms', '%.2f' ], [ 'write max, ms', 'writes', 'max_ms', '%.2f' ],
		[ 'writes sent again', 'writes', 'again', '%d' ],
		[ 'queries per second', 'queries', 'per_second', '%.0f' ], [ 'query p50, ms', 'queries', 'p50_ms', '%.2f' ],
		[ 'query p99, ms', 'queries', 'p99_ms', '%.2f' ], [ 'query max, ms', 'queries', 'max_ms', '%.2f' ]);
	printf "%s: %d series, %d s; 2 connections write, 4 ask\n\n", $name, $preset->{instances} * 1000, $seconds;
	printf "%-32s %12s %12s\n", '', 'mytsdb', 'Prometheus';
	for my $line (@lines)
	{
		my ($text, $part, $key, $format) = @$line;
		printf "%-32s %12s %12s\n", $text, map { $_ ? sprintf($format, $_->{$part}{$key}) : '-' } @results{qw(ours prometheus)};
	}
	printf "%-32s %12s %12s\n", 'processors that the server took',
	  map { $_ ? sprintf('%.2f', $_->{cpu}) : '-' } @results{qw(ours prometheus)};
	print "\nmytsdb of itself, at the end (/metrics, without buckets):\n";
	print map { "    $_\n" } grep { /^mytsdb_/ && !/_bucket\{/ } split /\n/, $metrics;
	return;
}
