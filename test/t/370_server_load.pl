# The server inside under load: what one client does, or does not do, delays no other. No
# time is measured: what must not wait is finished while what it must not wait for goes on.
use strict;
use warnings;

use FindBin;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port) = Http::node('load', 'mytsdb.query_workers = 2', 'mytsdb.ingest_workers = 2',
	'mytsdb.query_timeout = 1h', map { "mytsdb.http_${_}_timeout = 10min" } qw(header body idle write));
my $start = 1767225600;

sub sample
{
	my ($name, $i, $second, $value) = @_;
	return { labels => { __name__ => $name, i => $i }, samples => [ [ ($start + $second) * 1000, $value ] ] };
}

sub query
{
	my ($where, $text, $time) = @_;
	return Http::get($where, '/api/v1/query', query => $text, time => $time // $start);
}

# What a query that must be a number gives.
sub number
{
	my ($answer) = @_;
	my $result = Http::data($answer)->{result};
	return ref $result->[0] ? $result->[0]{value}[1] : $result->[1];
}

# ---- data: 100 series of an hour, a sample each second ----

my @answers;
for my $from (map { 200 * $_ } 0 .. 17)
{
	my @series = map { my $i = $_; {
			labels => { __name__ => 'big', i => $i, text => 'x' x 100 },
			samples => [ map { [ ($start + $_) * 1000, $_ % 100 + $i ] } $from .. $from + 199 ] } } 0 .. 99;
	push @answers, Http::write($port, Http::write1(@series));
}
is(scalar(grep { ($_->{status} // 0) == 204 } @answers), 18, 'samples are written');
is(number(query($port, 'sum(count_over_time(big[2h]))', $start + 3700)), 100 * 3600, 'all of them are there');

# ---- a slow query ----

# Takes minutes, as it stands: for each of 36000 times a line is laid through up to 3600 samples
# of each series.
my $slow = Http->connect($port);
$slow->send(Http::bytes('GET', '/api/v1/query?' . Http::form(
			query => 'count(max_over_time(predict_linear(big[1h], 60)[1h:100ms]))', time => $start + 3600)));
ok($node->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb query' AND state = 'active'}, '1'),
	'a slow query runs');

my $writer = Http->connect($port);
my %status;
$status{ Http::write($writer, Http::write1(map { sample('beside', $_, 0, 1) } 1 .. 100))->{status} // 'none' }++ for 1 .. 50;
is_deeply(\%status, { 204 => 50 }, 'writes are acknowledged meanwhile');
%status = ();
$status{ Http::get($port, $_)->{status} // 'none' }++ for ('/-/healthy', '/-/ready', '/metrics') x 10;
is_deeply(\%status, { 200 => 30 }, 'so are health and metrics answered');
is(number(query($port, 'count(beside)')), 100, 'and another query');
ok(!$slow->has_answer(0), 'the slow one runs still');

# Its client goes away: it does not run on.
$slow->close;
ok($node->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb query' AND state = 'active'}, '0'),
	'a query whose client is gone is canceled');
is(number(query($port, '40 + 2')), 42, 'its worker takes others');

# ---- a query that waits for a lock ----

my $locker = $node->session;
$locker->query('BEGIN; LOCK TABLE mytsdb.exemplars IN ACCESS EXCLUSIVE MODE');
my @waiting = map { Http->connect($port) } 1 .. 2;
$_->send(Http::bytes('GET', '/api/v1/query_exemplars?' . Http::form(query => 'big', start => $start, end => $start + 10)))
  foreach @waiting;
ok($node->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb query' AND wait_event_type = 'Lock'}, '2'),
	'all query workers wait for a lock');
my $queued = Http->connect($port);
$queued->send(Http::bytes('GET', '/api/v1/query?query=6*7'));
%status = ();
$status{ Http::write($writer, Http::write1(map { sample('locked', $_, 1, 1) } 1 .. 10))->{status} // 'none' }++ for 1 .. 20;
is_deeply(\%status, { 204 => 20 }, 'writes are acknowledged meanwhile');
is(Http::get($port, '/-/healthy')->{status}, 200, 'health is answered');
ok(!$queued->has_answer(0), 'a query waits for its turn');
$locker->query('COMMIT');
$locker->close;
is(Http::data($_->receive) && 1, 1, 'the lock is free: answered') foreach @waiting;
is(number($queued->receive), 42, 'and so is the one that waited');

# ---- slow readers ----

# Answers of some 8 MB each, of which nobody reads anything.
my $large = '/api/v1/query_range?' . Http::form(query => 'big', start => $start, end => $start + 3599, step => 1);
my @slow = map { Http->connect($port, receive_buffer => 65536, timeout => 300) } 1 .. 6;
$_->send(Http::bytes('GET', $large)) foreach @slow;
ok(!(grep { !$_->has_answer(300) } @slow), 'six large answers have begun');
ok($node->wait_for(q{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type IN ('mytsdb query', 'mytsdb ingest', 'mytsdb gate')
			AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)}, '0'),
	'slow readers hold no transaction and no snapshot');

# Those that seal may have a lock for a moment; as long as nobody reads, a slow reader's would stay.
is($node->sql(q{SET lock_timeout = '180s'; BEGIN; LOCK TABLE mytsdb.metrics IN ACCESS EXCLUSIVE MODE; SELECT 'locked'; COMMIT}),
	'locked', 'and no lock');
is(number(query($port, '1 + 1')), 2, 'queries are answered');
is(Http::write($writer, Http::write1(sample('slow', 1, 1, 1)))->{status}, 204, 'writes are acknowledged');
foreach my $client (@slow[ 0 .. 2 ])
{
	my $answer = $client->receive;
	my $points = () = ($answer->{content} // '') =~ /\[\d+,"\d+"\]/g;
	is($points, 100 * 3600, 'who reads in the end gets all of it') or diag $answer->{error} // $answer->{head};
}
$_->reset foreach @slow[ 3 .. 5 ];
is(number(query($port, '1 + 2')), 3, 'those who go away are no loss');

# ---- pipelining ----

my $pipe = Http->connect($port);
my (@kinds, $bytes);
for my $i (1 .. 40)
{
	my $kind = (qw(query health write bad))[ $i * 7 % 4 ];
	push @kinds, $kind;
	$bytes .= $kind eq 'query' ? Http::bytes('GET', "/api/v1/query?query=$i")
	  : $kind eq 'health' ? Http::bytes('HEAD', '/-/healthy')
	  : $kind eq 'bad'    ? Http::bytes('GET', '/api/v1/query?query=%28')
	  :                     Http::bytes('POST', '/api/v1/write', Http::write1(sample('piped', $i, $i, $i)));
}
$pipe->send($bytes);
my @wrong;
for my $i (1 .. 40)
{
	my $kind = $kinds[ $i - 1 ];
	my $answer = $pipe->receive(head => $kind eq 'health');
	my $is = $answer->{status} // $answer->{error};
	$is .= ' ' . number($answer) if $kind eq 'query' && $is eq '200';
	my $must = { query => "200 $i", health => '200', write => '204', bad => '400' }->{$kind};
	push @wrong, "$i ($kind) is $is and not $must" if $is ne $must;
}
is_deeply(\@wrong, [], 'forty requests sent at once are answered in their order');
is(number(query($port, 'count(last_over_time(piped[1m]))', $start + 41)), scalar(grep { $_ eq 'write' } @kinds), 'and done');

# A byte at a time, beside others.
my $bit = Http->connect($port);
my @pieces = split //, Http::bytes('GET', '/api/v1/query?query=3');
$bit->send_pieces(0.001, @pieces);
is(number($bit->receive), 3, 'a request may come byte by byte');

# ---- many connections ----

# A thousand that do nothing, in two processes; fifty that write and ask, in five.
pipe(my $open_read, my $open_write) or die "pipe: $!";
pipe(my $go_read, my $go_write) or die "pipe: $!";

sub idle
{
	close $go_write;
	my @clients = map { Http->connect($port) } 1 .. 500;
	my $first = grep { ($_->request('GET', '/-/healthy')->{status} // 0) == 200 } @clients;
	syswrite $open_write, '.';
	readline $go_read; # until it is closed
	my $last = grep { ($_->request('GET', '/-/ready')->{status} // 0) == 200 } @clients;
	return ($first, $last);
}

# Ten connections, each of which has a request under way, twenty times.
sub busy
{
	my ($job) = @_;
	my @clients = map { Http->connect($port) } 1 .. 10;
	my $good = 0;
	for my $round (1 .. 20)
	{
		for my $i (0 .. 9)
		{
			$clients[$i]->send(
				$i % 2
				? Http::bytes('GET', '/api/v1/query?' . Http::form(query => "count(busy) + 0 * $round", time => $start))
				: Http::bytes('POST', '/api/v1/write', Http::write1(sample('busy', "$job-$i", $round, 1))));
		}
		$good += grep { ($_->receive->{status} // 0) =~ /^20[04]$/ } @clients;
	}
	return $good;
}

# New series are made before: of two workers that make some, one would have to wait for the other.
is(Http::write($port, Http::write1(map { my $job = $_; map { sample('busy', "$job-" . 2 * $_, 0, 1) } 0 .. 4 } 1 .. 5))->{status}, 204,
	'a sample of each of their series');
my @idle = map { Http::start_job(\&idle) } 1 .. 2;
close $open_write;
my $opened = 0;
$opened += sysread $open_read, my $byte, 1 for 1 .. 2;
is($opened, 2, 'a thousand connections are open');
my @busy = map { my $job = $_; Http::start_job(sub { busy($job) }) } 1 .. 5;
is(join(' ', map { Http::finish_job($_) } @busy), join(' ', (200) x 5), 'fifty busy ones beside them are served');
close $go_write;
is(join(' ', map { Http::finish_job($_) } @idle), join(' ', (500) x 4), 'and the idle ones, before and after');
is(number(query($port, 'sum(count_over_time(busy[1m]))', $start + 30)), 5 * 5 * 21, 'all that was written is there');

ok($node->stop('fast'), 'stop');
unlike($node->log_text, qr/TRAP:|PANIC|signal \d+|XX00[012]/, 'nothing bad in the log');
done_testing;
