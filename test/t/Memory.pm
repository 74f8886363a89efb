# Memory.pm: whether the memory of processes that serve grows with the number of requests.
#
# It is seen by sending the very same requests again and again, and measuring after each time:
# what they need for the first time, they have then, so nothing may grow every time. With one
# worker of each kind all of them come to the same process.
package Memory;
use strict;
use warnings;

use List::Util qw(all);
use Test::More;
use Time::HiRes qw(sleep time);

use Cluster;
use Http;

# A sanitizer's own memory is not ours to judge.
my $sanitize = ($ENV{MYTSDB_FLAVOUR} // '') eq 'sanitize';

# The server's own processes that serve, when all are there: their names by pid.
sub processes
{
	my ($node) = @_;
	my $serve = q{FROM pg_stat_activity WHERE backend_type IN ('mytsdb gate', 'mytsdb ingest', 'mytsdb query')};
	$node->wait_for("SELECT count(*) = 1 + current_setting('mytsdb.ingest_workers')::int
		+ current_setting('mytsdb.query_workers')::int $serve", 't') or die 'not all processes are there that serve';
	return map { split /\|/ } split /\n/, $node->safe_sql("SELECT pid || '|' || backend_type $serve");
}

# What each of these has in use, in kB: in memory contexts, by what the process says itself in
# the log, which is exact; and all that is its own, libraries' memory, too, but also what it
# keeps for later. The node's log must have messages of level LOG.
sub measure
{
	my ($node) = @_;
	my %process = processes($node);
	my %memory;
	for my $pid (sort keys %process)
	{
		my $said = qr/^.*? \[$pid\] LOG: .*?Grand total: .* (\d+) used$/m;
		my $before = () = $node->log_text =~ /$said/g;
		my $end = time + $Http::timeout; # a limit against hanging
		$node->safe_sql("SELECT pg_log_backend_memory_contexts($pid)");
		my @used;
		while ((@used = $node->log_text =~ /$said/g) <= $before)
		{
			die "$process{$pid} does not say what memory it uses" if time > $end;
			sleep 0.05;
		}
		my ($own) = Cluster::slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB$/m;
		$memory{"$process{$pid}, contexts"} = $used[-1] / 1024;
		$memory{"$process{$pid}, all"} = $own unless $sanitize;
	}
	return \%memory;
}

# By how much something has grown from one measurement to the next, if it has every time, and
# by more than some pages here and there.
sub growth
{
	my ($name, @measured) = @_;
	my $enough = $name =~ /contexts$/ ? 1 : 64;
	my @steps = map { $measured[$_]{$name} - $measured[ $_ - 1 ]{$name} } 1 .. $#measured;
	return (all { $_ > $enough } @steps) ? join(', ', map { sprintf '%.1f', $_ } @steps) : undef;
}

# A test: that nothing has grown from each measurement to the next.
sub does_not_grow
{
	my (@measured) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @names = sort keys %{ $measured[0] };
	my %grown = map { $_ => growth($_, @measured) } @names;
	my @grown = grep { defined $grown{$_} } @names;
	is_deeply(\@grown, [], 'memory does not grow by every repetition') or diag map { "$_: by $grown{$_} kB\n" } @grown;
	for my $name (@names)
	{
		note "$name: ", join ' ', map { sprintf '%.1f', $_->{$name} } @measured;
	}
	return;
}

# Tests: that something which sends the very same each time, and returns what was wrong, can
# be repeated without that anything grows every time. Before, the node is started anew with one
# worker of each kind, so that it has all that comes: what they need is then known after the
# first time.
sub repeat
{
	my ($node, $port, $times, $run) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($node->stop('fast'), 'stop, and start with fewer workers');
	$node->configure('mytsdb.ingest_workers = 1', 'mytsdb.query_workers = 1');
	$node->start;
	Http::wait_ready($port);
	my %before = processes($node);
	my (@wrong, @measured);
	for (0 .. $times)
	{
		push @wrong, $run->();
		push @measured, measure($node);
	}
	shift @measured;
	is(scalar @wrong, 0, 'requests that are repeated are refused as well') or diag join "\n", map { substr $_, 0, 4000 } @wrong;
	is_deeply({ processes($node) }, \%before, 'the same processes have served all of them');
	does_not_grow(@measured);
	return;
}

1;
