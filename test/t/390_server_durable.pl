# What was acknowledged over HTTP is there after a crash, whole, and nothing else is: kill -9
# of the whole server, or of one of its workers, while senders write.
#
# A request has a number of its writer, and samples of as many series as follow from the
# number, all with values that follow from it. The senders tell which were acknowledged.
use strict;
use warnings;

use FindBin;
use List::Util qw(min shuffle);
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;

my $seed = $ENV{MYTSDB_SEED} // time ^ $$;
$seed = srand $seed;
note "MYTSDB_SEED=$seed";

my $writers = 4;
my $start = 1767225600000;
my @next = (0) x $writers;    # number of each writer's next request
my %acknowledged;             # "writer/number"
my %unknown;                  # those that were sent and not answered

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port) = Http::node('durable', 'shared_buffers = 32MB', 'max_wal_size = 64MB', 'min_wal_size = 32MB',
	'mytsdb.maintenance_interval = 1', 'mytsdb.seal_age = 2', 'restart_after_crash = on');

sub series_of
{
	my ($number) = @_;
	return 1 + $number * 7919 % 60;
}

# Of series some are new with a request, now and then one is a histogram's.
sub request_of
{
	my ($writer, $number) = @_;
	my $time = $start + 1000 * $number;
	my @series = map {
		{ labels => { __name__ => 'd', writer => "w$writer", i => $_ }, samples => [ [ $time, $number + $_ / 64 ] ] }
	} 1 .. series_of($number);
	$series[0]{labels}{new} = $number if $number % 10 == 0;
	$series[0]{exemplars} = [ { labels => { trace => "$writer-$number" }, value => $number, time => $time } ]
	  if $number % 5 == 0;
	push @series, { labels => { __name__ => 'h', writer => "w$writer" },
		histograms => [ { time => $time, count => $number, sum => $number, zero_count => $number } ] }
	  if $number % 3 == 0;
	return $number % 2 ? Http::write1(@series) : Http::write2(@series);
}

# Sends until the connection is lost, or a number of requests; in a process of its own.
# Returns how many were sent, how many of them were acknowledged, and what was wrong.
sub writer
{
	my ($writer, $from, $count) = @_;
	my $client = eval { Http->connect($port) } or return ($from, $from, '');
	my $number = $from;
	for (; $number < $from + $count; $number++)
	{
		my $answer = $client->request('POST', '/api/v1/write', request_of($writer, $number));
		return ($number + 1, $number, '') unless defined $answer->{status};
		next if $answer->{status} =~ /^2/;
		return ($number + 1, $number, $answer->{status} =~ /^50[234]$/ ? '' : "$answer->{status} $answer->{content}");
	}
	return ($number, $number, '');
}

sub start_writers
{
	my ($count) = @_;
	return map { my $w = $_; Http::start_job(sub { writer($w, $next[$w], $count) }) } 0 .. $writers - 1;
}

# Notes what writers say; what was wrong is returned.
sub finish_writers
{
	my (@jobs) = @_;
	my @wrong;
	for my $w (0 .. $writers - 1)
	{
		my ($sent, $answered, $wrong) = Http::finish_job($jobs[$w]);
		$acknowledged{"$w/$_"} = 1 for $next[$w] .. $answered - 1;
		$unknown{"$w/$_"} = 1 for $answered .. $sent - 1;
		$next[$w] = $sent;
		push @wrong, $wrong if $wrong;
	}
	return @wrong;
}

sub postmaster_pid
{
	my ($pid) = Cluster::slurp("$node->{data}/postmaster.pid") =~ /^(\d+)/;
	return $pid // die 'there is no server';
}

sub children
{
	my $postmaster = postmaster_pid();
	return split ' ', Cluster::slurp("/proc/$postmaster/task/$postmaster/children");
}

sub kill_all
{
	my $postmaster = postmaster_pid();
	kill 'STOP', $postmaster;
	kill 'KILL', $postmaster, children();
	$node->{running} = 0;

	# Shared memory is in use until the last one is gone.
	my $end = time + $Http::timeout;
	until (eval { $node->start; 1 })
	{
		die $@ if time > $end;
		sleep 0.1;
	}
	return;
}

# The pid of a process of a kind, if there is one now.
sub process_of
{
	my ($kind) = @_;
	my ($pid) = grep { (eval { Cluster::slurp("/proc/$_/cmdline") } // '') =~ /mytsdb $kind/ } children();
	return $pid;
}

# Kills a worker of a kind; PostgreSQL restarts all processes then. Returns when the gate of
# before is gone.
sub kill_worker
{
	my ($kind) = @_;
	my $end = time + $Http::timeout;
	while (time < $end)
	{
		my $gate = process_of('gate');
		my $pid = process_of($kind);
		if ($gate && $pid)
		{
			kill 'KILL', $pid;
			sleep 0.1 while -e "/proc/$gate" && time < $end;
			return !-e "/proc/$gate";
		}
		sleep 0.05;
	}
	return 0;
}

# The store beside what must be in it. Returns complaints.
sub compare
{
	my @wrong;
	my %is = map { /^([^|]*)\|(.*)$/ } split /\n/, $node->safe_sql(<<~"SQL");
		SELECT substr(labels ->> 'writer', 2) || '/' || (extract(epoch FROM time) * 1000 - $start)::int8 / 1000,
			count(value), coalesce(sum(value), 0), count(histogram)
		FROM mytsdb.metrics GROUP BY 1
		SQL
	my %exemplars = map { $_ => 1 } split /\n/,
	  $node->safe_sql(q{SELECT replace(exemplar ->> 'trace', '-', '/') FROM mytsdb.exemplars});
	for my $id (sort keys %acknowledged, keys %unknown)
	{
		my ($writer, $number) = split m{/}, $id;
		my $n = series_of($number);
		my $must = join '|', $n, $number * $n + $n * ($n + 1) / 128, $number % 3 == 0 ? 1 : 0;
		my $found = delete $is{$id};
		push @wrong, "$id was acknowledged and is lost" if $acknowledged{$id} && !defined $found;
		push @wrong, "$id is $found and not $must" if defined $found && $found ne $must;
		push @wrong, "$id lacks its exemplar" if defined $found && $number % 5 == 0 && !$exemplars{$id};
	}
	push @wrong, map { "$_ is there, and nobody sent it" } keys %is;
	return @wrong;
}

sub round
{
	my ($name, $kill) = @_;
	my @jobs = start_writers(1_000_000);
	sleep 0.2 + rand 0.8;
	my $killed = $kill->();
	my @wrong = finish_writers(@jobs);
	Http::wait_ready($port);
	push @wrong, compare();
	ok($killed && !@wrong, $name) or diag join "\n", @wrong[ 0 .. min(10, $#wrong) ], "MYTSDB_SEED=$seed";
	return;
}

round("the whole server, $_", sub { kill_all(); 1 }) for 1 .. 10;
round("a worker: $_", sub { kill_worker($_) }) for qw(ingest query gate ingest);

# As senders do, who are told to come again when a lock takes too long.
sub send_until_taken
{
	my ($client, $writer, $number) = @_;
	my $end = time + $Http::timeout;
	my $answer;
	do
	{
		$answer = $client->request('POST', '/api/v1/write', request_of($writer, $number));
	} while (($answer->{status} // 0) == 503 && time < $end);
	return $answer;
}

# Requests that were not acknowledged are sent again: those that are there are not twice.
my $client = Http->connect($port);
my @again = ((sort keys %unknown), (shuffle(keys %acknowledged))[ 0 .. 50 ]);
my @refused = grep { ($_->{status} // 'none') !~ /^2/ } map { send_until_taken($client, split m{/}) } grep { defined } @again;
is(scalar @refused, 0, 'requests are sent again') or diag explain $refused[0];
$acknowledged{$_} = 1 for keys %unknown;
%unknown = ();
my @wrong = compare();
is(scalar @wrong, 0, 'and are there once') or diag join "\n", @wrong[ 0 .. min(10, $#wrong) ];

# The same by the API, after a clean restart.
ok($node->stop('fast'), 'stop');
$node->start;
Http::wait_ready($port);
my $count = Http::data(Http::get($port, '/api/v1/query', query => 'sum(count_over_time(d[100000s]))', time => $start / 1000 + 99999));
my $must = 0;
$must += series_of((split m{/})[1]) for keys %acknowledged;
is($count->{result}[0]{value}[1], $must, 'all samples are queried');
cmp_ok(scalar keys %acknowledged, '>', 100, 'many requests were acknowledged');
unlike($node->log_text, qr/TRAP:|PANIC|signal (?!9\b)\d+|XX00[012]/, 'nothing else in the log');
done_testing;
