# Requests that are broken in every way, against a running server: it refuses them, goes on,
# and none of its processes dies or grows. What is broken are bodies in requests that are
# right, parameters, and the bytes of whole requests.
#
# Whether memory grows with the number of requests is seen by sending the very same ones
# again and again: what they need for the first time, they have then, so nothing may grow by
# every repetition.
#
# With MYTSDB_SOAK it runs for so many seconds.
use strict;
use warnings;

use FindBin;
use List::Util qw(min);
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Fuzz qw(broken one_of);
use Http;
use Memory;

my $seed = $ENV{MYTSDB_SEED} // time ^ $$;
my $seconds = $ENV{MYTSDB_SOAK} // 12;
my ($repetitions, $repeated) = (5, 300); # how often are how many of each job's requests sent again
my $sanitize = ($ENV{MYTSDB_FLAVOUR} // '') eq 'sanitize';
my $start = 1767225600000;
note "MYTSDB_SEED=$seed";

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port) = Http::node('fuzz', 'mytsdb.query_workers = 2', 'mytsdb.query_timeout = 2s',
	'mytsdb.http_header_timeout = 3s', 'mytsdb.http_body_timeout = 3s', 'mytsdb.auth_failures = 100000',
	'log_min_messages = log');

# ---- what is right ----

sub histogram_series
{
	return { labels => { __name__ => 'h', i => $_[0] }, histograms => [ {
				time => $start + 1000 * $_[0], count => 12, sum => 18.4, schema => 1, zero_threshold => 0.001, zero_count => 2,
				positive_spans => [ [ 0, 2 ], [ 1, 2 ] ], positive_deltas => [ 1, 1, -1, 0 ],
				negative_spans => [ [ 0, 2 ], [ 1, 2 ] ], negative_deltas => [ 1, 1, -1, 0 ] } ] };
}

sub float_series
{
	return { labels => { __name__ => 'f', i => $_[0], path => '/a/b/c', text => 'ü' },
		samples => [ map { [ $start + 1000 * $_, $_ * 1.5 ] } $_[0] .. $_[0] + 5 ],
		exemplars => [ { labels => { trace_id => 'abc' }, value => 1, time => $start + 1000 * $_[0] } ] };
}

# A remote read query: the matcher {__name__=~".+"} over an hour.
sub read_message
{
	my $matcher = Http::field_varint(1, 2) . Http::field_bytes(2, '__name__') . Http::field_bytes(3, '.+');
	my $query = Http::field_varint(1, $start) . Http::field_varint(2, $start + 3600000) . Http::field_bytes(3, $matcher);
	return Http::field_bytes(1, $query) . Http::field_varint(2, $_[0]);
}

my @series = ((map { float_series($_) } 1 .. 5), map { histogram_series($_) } 1 .. 2);
my %write1 = Http::write1(@series, { metadata => { name => 'f', type => 1, help => 'text', unit => 'seconds' } });
my %write2 = Http::write2((map { { %$_, metadata => { type => 2, help => 'text', unit => 's' }, created => $start } } @series));
my $read_headers = [ 'Content-Type' => 'application/x-protobuf', 'Content-Encoding' => 'snappy', 'X-Prometheus-Remote-Read-Version' => '0.1.0' ];
my $form_headers = [ 'Content-Type' => 'application/x-www-form-urlencoded' ];

# Messages, to be broken inside of their compression; and what is around them.
my @messages = (
	[ '/api/v1/write', $write1{headers}, Http::unsnappy($write1{content}) ],
	[ '/api/v1/write', $write2{headers}, Http::unsnappy($write2{content}) ],
	[ '/api/v1/read', $read_headers, read_message(0) ],
	[ '/api/v1/read', $read_headers, read_message(1) ]);
my @paths = qw(query query_range query_exemplars format_query parse_query series labels label/i/values label/__name__/values
  metadata status/tsdb status/config rules alerts targets admin/tsdb/delete_series read write nothing);
my @words = (',',
	qw|f h { } ( ) [ ] 5m 1h : " ' = != =~ !~ + - * / % ^ and or unless on ignoring group_left by without rate sum topk|,
	qw|quantile histogram_quantile label_replace absent 0.9 1e308 Inf NaN -1 @ offset start() end() bool atan2 i ".+" "(a*)*b"|,
	qw|max_over_time count_values info sort_by_label limitk 0x7fffffffffffffff 1e400 "\xff" ""|, '(' x 300, '"' . 'a' x 3000 . '"', '-' x 500);
my @names = qw(query match[] start end step time timeout limit stats lookback_delta metric limit_per_metric dedup);
my @values = ('f', 'h', '{__name__=~".+"}', $start / 1000, $start / 1000 + 3600, '15', '1m', '0', '-1', 'NaN', 'Inf', '1e300',
	'2026-01-01T00:00:00Z', '9999-99-99T99:99:99Z', '', '%', "\0", "\xff\xfe", 'a' x 5000, '99999999999999999999', '1.5');

# ---- what is not ----

# A request whose body, or a parameter, is broken: its options, and the method and target.
sub broken_body
{
	my ($path, $headers, $message) = @{ one_of(@messages) };
	my $how = int rand 6;
	return ('POST', $path, headers => $headers, content => broken(Http::snappy($message))) if $how == 0;
	return ('POST', $path, headers => $headers, content => Http::varint(one_of(2**32 - 1, 2**31, 2**28, 2**63)) . "\xfe\1\0" x rand 1000)
	  if $how == 1;
	return ('POST', $path, headers => $headers, chunks => [ map { broken($_) } unpack '(a200)*', Http::snappy($message) ]) if $how == 2;
	return ('POST', $path, headers => [ @{$headers}[ 0, 1 ], 'Content-Encoding' => one_of('gzip', 'zstd', 'x', ''), @{$headers}[ 4, 5 ] ],
		content => broken($message))
	  if $how == 3;
	return ('POST', $path, headers => $headers, content => Http::snappy(broken($message)));
}

sub broken_form
{
	my $path = one_of(@paths[ 0 .. 3 ], @paths);
	my @parameters = map { (one_of(@names), one_of(@values)) } 1 .. rand 6;
	push @parameters, query => join one_of('', ' '), map { one_of(@words) } 1 .. 1 + rand 12;
	my $form = Http::form(@parameters);
	$form = broken($form) if rand 4 < 1;
	return ('POST', "/api/v1/$path", headers => $form_headers, content => $form) if rand 2 < 1;
	$form =~ s/[\x00-\x20\x7f-\xff]//g;
	return (one_of('GET', 'GET', 'GET', 'HEAD', 'DELETE', 'OPTIONS', 'PUT'), "/api/v1/$path?$form");
}

my @whole = (
	Http::bytes('POST', '/api/v1/write', %write1), Http::bytes('POST', '/api/v1/write', %write2),
	Http::bytes('GET', '/api/v1/query?query=f', headers => [ 'Accept-Encoding' => 'gzip', Authorization => Http::basic('a', 'b') ]),
	Http::bytes('POST', '/api/v1/query', headers => [ @$form_headers, Expect => '100-continue' ], content => 'query=f'),
	Http::bytes('POST', '/api/v1/query', headers => $form_headers, chunks => [ 'query', '=f' ]),
	Http::bytes('GET', '/tenant/a%20b/api/v1/labels', headers => [ 'X-Scope-OrgID' => 'a', Authorization => 'Bearer abc', Connection => 'close' ]),
	Http::bytes('GET', '/metrics', headers => [ Accept => 'application/openmetrics-text; version=1.0.0' ], version => '1.0'));

# ---- runs ----

# Sends broken requests, always the same of a job, for so many seconds, if there were some by
# then, or until there were so many. Returns how many, and what was answered as it must not.
sub fuzz
{
	my ($job, %until) = @_;
	my $end = time + ($until{seconds} // 0);
	my $least = $until{count} // 100;
	my $client = Http->connect($port);
	my (@wrong, %status);
	my $count = 0;
	srand $seed + $job;
	for (; ($count < $least || time < $end) && @wrong < 5; $count++)
	{
		if (rand 4 < 1)
		{
			# bytes of whole requests, at once or in two pieces; answers are what they may be
			my $other = Http->connect($port);
			my $bytes = broken(join '', map { one_of(@whole) } 1 .. 1 + rand 3);
			my $cut = int rand length $bytes;
			$other->send(substr $bytes, 0, $cut) && $other->send(substr $bytes, $cut);
			rand 3 < 1 ? $other->reset : $other->finish;
			next unless $other->{socket};
			my $answer = $other->receive;
			push @wrong, 'no end of: ' . unpack 'H*', $bytes if ($answer->{error} // '') eq 'timeout';
			next;
		}
		my ($method, $target, %options) = rand 2 < 1 ? broken_body() : broken_form();
		my $answer = $client->request($method, $target, %options);
		my $status = $answer->{status} // $answer->{error};
		$status{$status}++;
		push @wrong, "$status: $answer->{content} for " . unpack 'H*', Http::bytes($method, $target, %options)
		  if $status !~ /^(?:[234]\d\d|50[134]|closed|while .*)$/;
		$client = Http->connect($port)
		  if !defined $answer->{status} || lc($answer->{headers}{connection} // '') eq 'close';
	}
	return ($count, \@wrong, \%status);
}

# Whether no connection is left but one that asks: not only when its time is up.
sub nobody_left
{
	my $end = time + $Http::timeout;
	while (time < $end)
	{
		return 1 if Http::get($port, '/metrics')->{content} =~ /^mytsdb_http_connections 1$/m;
		sleep 0.2;
	}
	return 0;
}

# What is right may be refused, too, when it takes longer than this server allows.
sub answer_in_time
{
	my ($ask) = @_;
	my $end = time + $Http::timeout;
	my $answer;
	do
	{
		$answer = $ask->();
	} while (($answer->{status} // 0) == 503 && $answer->{content} =~ /time/ && time < $end);
	return $answer;
}

sub alive
{
	my $write = answer_in_time(sub { Http::write($port, %write1) });
	my $answer = answer_in_time(sub { Http::get($port, '/api/v1/query', query => 'count(f)', time => $start / 1000 + 5) });
	return ($write->{status} // $write->{error}) . ' ' . (eval { Http::data($answer)->{result}[0]{value}[1] } // $@);
}

is(alive(), '204 5', 'what is right is answered');
my %before = Memory::processes($node);
my ($count, @wrong) = Fuzz::in_processes(\&fuzz, seconds => $seconds);
is(scalar @wrong, 0, 'what is broken is refused') or diag join "\n", map { substr $_, 0, 4000 } @wrong[ 0 .. min(4, $#wrong) ];
cmp_ok($count, '>', 200, 'and it was much');
like(alive(), qr/^204 \d+$/, 'what is right is answered still');
ok(nobody_left(), 'connections end with their clients');
is_deeply({ Memory::processes($node) }, \%before, 'the same processes serve');

Memory::repeat($node, $port, $repetitions, sub {
	my (undef, @more) = Fuzz::in_processes(\&fuzz, count => $repeated);
	return @more;
});
ok($node->stop('fast'), 'stop');
unlike($node->log_text, qr/TRAP:|PANIC|signal \d+|Sanitizer|runtime error:/, 'nothing bad in the log') or diag $node->log_text;
done_testing;
