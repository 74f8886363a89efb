# Remote read over HTTP: our answers beside those of Debian's Prometheus 2.42 to the same
# requests over the same samples, byte by byte where they should be; a Prometheus that reads
# from us what it does not have; what is refused.
use strict;
use warnings;

use File::Path qw(remove_tree);
use File::Temp;
use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;
use Prometheus;

my $program = $ENV{MYTSDB_PROMETHEUS};
my $start = 1767225600000;
my ($samples, $chunks) = (0, 1); # types of answers

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port) = Http::node('read');
my $tmp = File::Temp->newdir('mytsdb-read.XXXXXX', TMPDIR => 1);

# ---- requests ----

# A matcher is [ name, operator, value ].
sub query
{
	my ($from, $to, @matchers) = @_;
	my %types = ('=' => 0, '!=' => 1, '=~' => 2, '!~' => 3);
	return Http::field_bytes(1, Http::field_varint(1, $from) . Http::field_varint(2, $to) . join '',
		map { Http::field_bytes(3, Http::field_varint(1, $types{ $_->[1] }) . Http::field_bytes(2, $_->[0]) . Http::field_bytes(3, $_->[2])) }
		  @matchers);
}

sub post
{
	my ($where, $message, @headers) = @_;
	@headers = ('Content-Type' => 'application/x-protobuf', 'Content-Encoding' => 'snappy', 'X-Prometheus-Remote-Read-Version' => '0.1.0')
	  unless @headers;
	return Http::once($where, 'POST', '/api/v1/read', headers => \@headers, content => Http::snappy($message));
}

# The answer of a given type; dies if there is none.
sub answer
{
	my ($where, $type, @queries) = @_;
	my $answer = post($where, join('', @queries) . Http::field_varint(2, $type));
	die "no answer: " . ($answer->{error} // "$answer->{status} $answer->{content}") unless ($answer->{status} // 0) == 200;
	return $answer;
}

# ---- messages ----

sub take_varint
{
	my ($bytes) = @_;
	my $n = 0;
	for (my $shift = 0; ; $shift += 7)
	{
		my $byte = ord substr $$bytes, 0, 1, '';
		$n |= ($byte & 127) << $shift;
		return $n if $byte < 128;
	}
}

# The frames of an answer, each in hexadecimal: its CRC and its message.
sub frames
{
	my ($answer) = @_;
	my $bytes = $answer->{content};
	my @frames;
	while (length $bytes)
	{
		push @frames, unpack 'H*', substr $bytes, 0, 4 + take_varint(\$bytes), '';
	}
	return @frames;
}

# ---- the same samples on both sides ----

sub integer_histogram
{
	my ($n, $time) = @_;
	return { time => $time, schema => 3, zero_threshold => 0.001, count => 2 + 13 * $n, zero_count => 2 + $n, sum => 0.1 * $n * $n,
		positive_spans => [ [ -2, 2 ], [ 5, 3 ] ], positive_deltas => [ $n, 2 * $n, -2 * $n, 3 * $n, -4 * $n ],
		negative_spans => [ [ 0, 1 ] ], negative_deltas => [ 3 * $n ] };
}

sub float_histogram
{
	my ($n, $time) = @_;
	return { time => $time, float => 1, schema => -1, zero_threshold => 2**-128, count => 1.25 + 7 * $n, zero_count => 0.25, sum => $n / 3,
		positive_spans => [ [ 1, 2 ] ], positive_counts => [ 0.5 + 3 * $n, 0.5 + 4 * $n ] };
}

my @values = map {
	my $kind = $_;
	[ map { $kind == 0 ? $_ : $kind == 1 ? sqrt $_ : $kind == 2 ? ($_ % 5 ? 1e300 / $_ : 0) : $_ == 99 ? 'stale' : int($_ / 10) } 0 .. 99 ]
} 0 .. 3;
my @times = map { $start + 15000 * $_ + ($_ % 7 == 3 ? $_ : 0) } 0 .. 99;
my @series = (
	(map { my $kind = $_; { labels => { __name__ => 'f', kind => $kind }, samples => [ map { [ $times[$_], $values[$kind][$_] ] } 0 .. 99 ] } } 0 .. 3),
	{ labels => { __name__ => 'h', kind => 'integer', text => "\xc3\xbc" }, histograms => [ map { integer_histogram($_ + 1, $times[$_]) } 0 .. 99 ] },
	# which has a reset in the middle, and ends
	{ labels => { __name__ => 'h', kind => 'integer_reset' }, histograms => [ map { integer_histogram($_ % 50 + 1, $times[$_]) } 0 .. 98 ] },
	{ labels => { __name__ => 'h', kind => 'float' }, histograms => [ map { float_histogram($_ % 60 + 1, $times[$_]) } 0 .. 99 ] });
push @{ $series[5]{histograms} }, { time => $times[99], sum => 'stale' };
my %write = Http::write1(@series);
is Http::once($port, 'POST', '/api/v1/write', %write)->{status}, 204, 'samples are written';

my $all = query($start, $start + 3600000, [ '__name__', '=~', '.+' ]);
my $floats = query($start, $start + 3600000, [ '__name__', '!=', 'h' ]);
my $half = query($start + 300000, $start + 600000, [ '__name__', '=', 'f' ], [ 'kind', '!~', '1|2' ]);

SKIP:
{
	skip 'MYTSDB_PROMETHEUS names no Prometheus to compare with', 1 unless $program;
	mkdir "$tmp/same";
	my $prometheus = Prometheus->start($program, "$tmp/same", '--web.enable-remote-write-receiver', '--enable-feature=native-histograms');
	my $theirs = $prometheus->{url} =~ s/.*://r;
	is Http::once($theirs, 'POST', '/api/v1/write', %write)->{status}, 204, 'Prometheus takes them, too';

	# 2.42 has no histograms among samples
	for my $queries ([$floats], [$half], [ $half, query(0, 1, [ 'kind', '=', '1' ]), $floats ])
	{
		my ($a, $b) = map { answer($_, $samples, @$queries) } $port, $theirs;
		is unpack('H*', Http::unsnappy($a->{content})), unpack('H*', Http::unsnappy($b->{content})), 'the same bytes, ' . @$queries . ' queries';
		is $a->{headers}{$_}, $b->{headers}{$_}, $_ foreach qw(content-type content-encoding);
	}
	# chunks that begin and end at the same samples
	my ($a, $b) = map { answer($_, $chunks, query(0, 1, [ 'kind', '=', '1' ]), $all) } $port, $theirs;
	is $a->{headers}{'content-type'}, $b->{headers}{'content-type'}, 'content type of chunks';
	my ($ours, $frames) = map { [ frames($_) ] } $a, $b;
	is scalar(@$ours), scalar(@series), 'each series has a frame';
	for my $n (0 .. $#series)
	{
		# of a chunk that begins with a reset 2.42 does not say so
		my $resets = ($ours->[$n] =~ s/(?<=22[0-9a-f]{4}00(?:28|32))80(?=74bc|ff3f50)/00/);
		s/^.{8}// foreach $resets ? ($ours->[$n], $frames->[$n]) : ();
		is $ours->[$n], $frames->[$n], "frame $n has the same bytes";
		is !!$resets, !!($n == 4 || $n == 6), 'a chunk begins with a reset, or none does';
	}
	$prometheus->stop;
}

# ---- a Prometheus that reads from us: floats, as 2.42 takes no histograms this way ----

# Points of a query by range, of our port or of a Prometheus. At these times no sample is at
# the beginning of a window, to which it belongs in 2.42 alone.
sub points
{
	my ($where, $query, $from, $to, $step) = @_;
	return Http::points(Http::data(Http::post(ref $where ? $where->{url} =~ s/.*://r : $where, '/api/v1/query_range', query => $query,
				start => ($from // $start / 1000 + 7), end => ($to // $start / 1000 + 1500), step => ($step // 15))));
}

SKIP:
{
	skip 'MYTSDB_PROMETHEUS names no Prometheus to read', 1 unless $program;
	mkdir "$tmp/reader";
	my $config = "remote_read:\n  - url: http://127.0.0.1:$port/api/v1/read\n    read_recent: true\n";
	my @options = ($config, $program, "$tmp/reader");
	for my $time ('at first', 'after a restart')
	{
		my $reader = Prometheus->start_with(@options);
		foreach (
			'f', 'f{kind=~"0|3"}', 'sum by (kind) (rate(f{kind!="2"}[1m]))', 'max_over_time(f{kind!~"2"}[2m]) - f', 'none')
		{
			my ($ours, $theirs) = (points($port, $_), points($reader, $_));
			is_deeply near($theirs), near($ours), "$time: $_";
			cmp_ok scalar(keys %$ours), '>', 0, "there is any" unless $_ eq 'none';
		}
		is_deeply(
			[ sort map { $_->{kind} } @{ Http::data(Http::get($reader->{url} =~ s/.*://r, '/api/v1/series', 'match[]' => '{__name__=~"f|h"}',
						start => $start / 1000, end => $start / 1000 + 1500)) } ],
			[qw(0 1 2 3 float integer integer_reset)], "$time: series");
		$reader->stop;
	}
}

# Numbers with as many digits as two engines have in common.
sub near
{
	my ($points) = @_;
	return { map { my $labels = $_; $labels => [ map { [ $_->[0], sprintf '%.9g', $_->[1] ] } @{ $points->{$labels} } ] } keys %$points };
}

# One that writes to us and reads from us has its past also when it has lost its data.
SKIP:
{
	skip 'MYTSDB_PROMETHEUS names no Prometheus to read', 1 unless $program;
	mkdir "$tmp/both";
	my $config = "global:\n  scrape_interval: 200ms\nscrape_configs:\n  - job_name: self\n    static_configs:\n      - targets: ['SELF']\n"
	  . "remote_write:\n  - url: http://127.0.0.1:$port/api/v1/write\n    queue_config: { batch_send_deadline: 200ms }\n"
	  . "remote_read:\n  - url: http://127.0.0.1:$port/api/v1/read\n    read_recent: true\n";
	my @options = ($config, $program, "$tmp/both");
	my $first = Prometheus->start_with(@options);
	ok $node->wait_for(q{SELECT count(*) > 10 FROM mytsdb.metrics WHERE labels ~ 'up{job="self"}'}, 't'), 'what it scrapes comes to us';
	my $now = int time;
	my $before = points($first, 'count_over_time(up[1m]) > bool 0', $now - 10, $now, 1);
	$first->stop;
	remove_tree("$tmp/both/data");
	my $second = Prometheus->start_with(@options);
	my $after = points($second, 'count_over_time(up[1m]) > bool 0', $now - 10, $now, 1);
	my ($labels) = keys %$before;
	cmp_ok scalar(@{ $before->{$labels} // [] }), '>', 0, 'it has samples';
	is_deeply $after->{$labels}, $before->{$labels}, 'without its data it has them from us';
	$second->stop;
}

# ---- what is refused ----

is post($port, $all, 'Content-Type' => 'application/x-protobuf')->{status}, 415, 'no content encoding';
is post($port, $all, 'Content-Encoding' => 'gzip')->{status}, 415, 'another content encoding';
my @snappy = ('Content-Encoding' => 'snappy');
is Http::once($port, 'POST', '/api/v1/read', headers => \@snappy, content => $all)->{status}, 400, 'not compressed';
is Http::once($port, 'POST', '/api/v1/read', headers => \@snappy, content => Http::varint(2**32 - 1) . "\0x")->{status}, 413, 'too large';
is Http::once($port, 'GET', '/api/v1/read')->{status}, 405, 'GET';
is post($port, "\x0a\x7f")->{status}, 400, 'cut short';
is post($port, query(0, 1, [ 'a', '=~', '(' ]))->{status}, 400, 'a pattern that is none';
is post($port, $all . Http::field_varint(2, 9))->{status}, 400, 'no type of answer that there is';
$node->safe_sql('ALTER SYSTEM SET mytsdb.remote_read_sample_limit = 699; SELECT pg_reload_conf()');
ok $node->wait_for('SHOW mytsdb.remote_read_sample_limit', '699'), 'a limit of samples';
my $limited;
for (1 .. 600)
{
	$limited = post($port, $all . query(0, 1));
	last if $limited->{status} != 200;
	sleep 0.1;
}
is $limited->{status}, 400, 'more samples than the limit';
like $limited->{content}, qr/^exceeded sample limit \(699\)/, 'it is told';
is scalar(frames(answer($port, $chunks, $all))), 7, 'chunks have no limit';
$node->safe_sql('REVOKE SELECT ON mytsdb.metrics FROM metrics');
is post($port, $all)->{status}, 403, 'without the privilege';

$node->stop;
done_testing;
