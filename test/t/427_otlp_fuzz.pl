# OTLP that is broken in every way, against a running server: messages in protobuf and JSON over HTTP, messages over
# gRPC, and the frames that carry them. It refuses them, goes on, and none of its processes
# dies or grows.
#
# With MYTSDB_SOAK it runs for so many seconds.
use strict;
use warnings;

use FindBin;
use List::Util qw(min);
use Storable qw(dclone);
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Fuzz qw(broken one_of);
use Http;
use Http2;
use Memory;
use Otlp;

my $seed = $ENV{MYTSDB_SEED} // time ^ $$;
my $seconds = $ENV{MYTSDB_SOAK} // 8;
my ($repetitions, $repeated) = (5, 80); # how often are how many of each job's requests sent again
my $start = 1767225600000;
note "MYTSDB_SEED=$seed";

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port, $grpc) = Http2::node('otlpfuzz', 'mytsdb.query_workers = 1', 'mytsdb.auth_failures = 100000',
	'log_min_messages = log');

# ---- what is right ----

sub points
{
	my ($time) = @_;
	my %point = (time => $time, start => $start, attributes => { a => 'x', list => [ 'a', { b => Otlp::int(1) } ], f => Otlp::double(1.5) },
		exemplars => [ { time => $time, value => 1, trace => "\1" x 16, span => "\2" x 8, attributes => { e => 'x' } } ]);
	my %summary = %point;
	delete $summary{exemplars};
	return (
		Otlp::gauge({ name => 'g.auge', unit => 'ms', description => 'text' }, { %point, value => 1.5 }, { %point, int => -5, flags => 1 }),
		Otlp::sum('s.um', { %point, int => 7 }), Otlp::sum({ name => 'delta', temporality => 'delta' }, { %point, value => 7 }),
		Otlp::histogram('hist', { %point, count => 6, sum => 9, min => 0, max => 3, bounds => [ 1, 2 ], counts => [ 1, 2, 3 ] }),
		Otlp::exponential('exp', { %point, count => 7, sum => 9, scale => 3, zeroCount => 1, zeroThreshold => 0.1, positive => [ -1, 1, 2 ], negative => [ 4, 3 ] }),
		Otlp::exponential({ name => 'delta.exp', temporality => 'delta' }, { %point, count => 2, sum => 9, scale => 20, positive => [ 5, 1, 1 ] }),
		Otlp::summary('summary', { %summary, count => 6, sum => 9, quantiles => [ [ 0.5, 1 ], [ 0.99, 3 ] ] }));
}

my @requests = map {
	Otlp::request(resource => { 'service.name' => 'x', 'service.instance.id' => "i$_" }, resource_schema => 'url',
		scope => { name => 'lib', version => '1', attributes => { s => 'x' } }, metrics => [ points($start + 1000 * $_) ])
} 1 .. 3;
my @protobuf = map { Otlp::protobuf($_) } @requests;
my @json = map { Otlp::json($_) } @requests;
my $health = '/grpc.health.v1.Health';

# A connection's worth of frames.
sub frames
{
	my $out = $Http2::preface . Http2::settings();
	my @streams = map { 2 * $_ + 1 } 0 .. int rand 6;
	for my $id (@streams)
	{
		my $path = one_of($Http2::export, $Http2::export, "$health/Check", "$health/Watch", '/no.such/Method');
		my $head = Http2::hpack(Http2::grpc_fields($path, 'grpc-timeout' => '5S'), one_of(0, 0x40, 0x10));
		my $body = Http2::message($path eq $Http2::export ? one_of(@protobuf) : '');
		$out .= Http2::frame(Http2::HEADERS, Http2::END_HEADERS, $id, $head);
		$out .= Http2::frame(one_of(Http2::PING, Http2::SETTINGS, Http2::WINDOW_UPDATE, Http2::PRIORITY, 77), 0, one_of(0, $id), pack 'NN', rand 100, 5)
		  if rand 4 < 1;
		$out .= Http2::frame(Http2::DATA, Http2::END_STREAM, $id, $body);
	}
	return $out;
}

# ---- what is not ----

# A request that is well formed, of which some things make no sense: changed in place.
sub make_nonsense
{
	my ($tree) = @_;
	if (ref $tree eq 'HASH')
	{
		delete $tree->{ one_of(sort keys %$tree) } if %$tree && rand 60 < 1;
		foreach my $name (grep { ref $tree->{$_} || rand 12 < 1 } sort keys %$tree)
		{
			my $value = $tree->{$name};
			if (ref $value) { make_nonsense($value) }
			elsif ($name =~ /^(?:name|unit|description|key|stringValue|version|schemaUrl)$/)
			{
				$tree->{$name} = one_of('', "\xff", 'x' x 5000, '__name__', 'le', 'quantile', 'job', "a\0b", '1', "\xc3\xa9", '{By}/s', $value . $value);
			}
			elsif ($name =~ /^(?:traceId|spanId|bytesValue)$/) { $tree->{$name} = one_of('', 'x', 'x' x 300) }
			else { $tree->{$name} = number($value) }
		}
	}
	elsif (ref $tree eq 'ARRAY' && @$tree)
	{
		my $at = int rand @$tree;
		splice @$tree, $at, 1 if rand 30 < 1;
		push @$tree, (ref $tree->[0] ? dclone($tree->[0]) : $tree->[0]) x one_of(1, 1, 300) if @$tree && rand 30 < 1;
		$_ = ref $_ ? make_nonsense($_) : rand 15 < 1 ? number($_) : $_ foreach @$tree;
	}
	return $tree;
}

sub number
{
	my ($value) = @_;
	return one_of(0, 1, 2, -1, 20, 1000, -5000, 2**31, 2**53, 2**62, $value + 1, $value * 2);
}

sub nonsense
{
	return make_nonsense(dclone(one_of(@requests)));
}

# A message in JSON, or what surrounds it, that says something else.
sub broken_json
{
	return Otlp::json(nonsense()) if rand 3 < 1;
	my $json = one_of(@json);
	return broken($json) if rand 2 < 1;
	my @numbers = qw(1e999 -1 "NaN" null true {} [] 18446744073709551616 "x" 1.5 "" -0 0.1e-400 "\ud800");
	$json =~ s/(:|\[)("?-?[\d.]+"?)/rand 15 < 1 ? $1 . one_of(@numbers) : "$1$2"/ge;
	$json =~ s/"(\w+)":/rand 40 < 1 ? '"' . one_of(qw(asInt asDouble value sum gauge unknown attributes)) . '":' : "\"$1\":"/ge;
	return $json;
}

sub broken_protobuf
{
	return rand 2 < 1 ? Otlp::protobuf(nonsense()) : broken(one_of(@protobuf));
}

sub over_http
{
	my ($client) = @_;
	my $json = rand 2 < 1;
	my $content = $json ? broken_json() : broken_protobuf();
	my %options = (json => $json);
	my $how = int rand 6;
	if ($how == 0) { $content = broken(Otlp::gzip($content)); $options{encoding} = 'gzip' }
	elsif ($how == 1) { $options{gzip} = 1 }
	elsif ($how == 2) { $options{encoding} = one_of('zstd', 'gzip', 'x', 'snappy') }
	elsif ($how == 3) { $options{content_type} = one_of('application/json', 'application/x-protobuf', 'text/plain', '') }
	return Otlp::post($client, $content, %options);
}

sub over_grpc
{
	my ($client) = @_;
	my $content = broken_protobuf();
	my %options;
	my $how = int rand 8;
	if ($how == 0) { $options{gzip} = 1 }
	elsif ($how == 1) { $options{prefix} = pack 'CN', one_of(0, 1, 2, 255), one_of(0, length $content, length($content) - 1, length($content) + 1, 2**32 - 1) }
	elsif ($how == 2) { $options{metadata} = [ one_of('grpc-timeout', 'grpc-encoding', 'content-length', 'authorization', 'x-scope-orgid', 'te'),
			one_of('', 'gzip', 'x', '1S', '5', "\xff", 'Basic eDp5') ] }
	return $client->call(one_of($Http2::export, $Http2::export, "$health/Check", '/x/y'), $content, %options);
}

sub over_frames
{
	my $client = Http->connect($grpc);
	my $bytes = frames();
	my $keep = rand 3 < 1 ? 0 : length($Http2::preface) + 9; # of the beginning
	$bytes = substr($bytes, 0, $keep) . broken(substr $bytes, $keep);
	my $cut = int rand length $bytes;
	$client->send(substr $bytes, 0, $cut) && $client->send(substr $bytes, $cut);
	rand 3 < 1 ? $client->reset : $client->finish;
	my $got = 1;
	$got = $client->fill(time + $Http::timeout) while $got && $client->{socket};
	return !$client->{socket} || ($client->{error} // '') ne 'timeout' ? undef : 'no end of: ' . unpack 'H*', $bytes;
}

# ---- runs ----

# One worker may have what another one needs for longer than that waits: then it says so.
sub is_locked
{
	my ($status, $message) = @_;
	return $status =~ /^(?:503|14)$/ && ($message // '') eq 'a table is locked';
}

# Sends broken requests, always the same of a job, for so many seconds (but a few at least) or
# until there were so many. Returns how many, what was answered as it must not, and how often which answer came.
sub fuzz
{
	my ($job, %until) = @_;
	my $end = time + ($until{seconds} // 1e9);
	my ($http, $http2);
	my (@wrong, %seen);
	my $count = 0;
	srand $seed + $job;
	for (; ($count < 20 || time < $end) && $count < ($until{count} // 1e9) && @wrong < 5; $count++)
	{
		my $how = int rand 3;
		if ($how == 0)
		{
			$http //= Http->connect($port);
			my $answer = over_http($http);
			my $status = $answer->{status} // $answer->{error};
			$seen{"HTTP $status"}++;
			push @wrong, "HTTP: $status " . ($answer->{content} // '')
			  if $status !~ /^(?:200|4\d\d|closed|while .*)$/ && !is_locked($status, $answer->{message});
			$http = undef if !defined $answer->{status} || lc($answer->{headers}{connection} // '') eq 'close';
		}
		elsif ($how == 1)
		{
			$http2 //= Http2->connect($grpc);
			my $answer = over_grpc($http2);
			my $code = $answer->{code} // $answer->{error} // "HTTP $answer->{status}";
			$seen{"gRPC $code"}++;
			push @wrong, "gRPC: $code " . Http2::told($answer)
			  if $code !~ /^(?:0|3|4|5|7|8|12|13|16|HTTP 4\d\d|PROTOCOL_ERROR|NO_ERROR)$/ && !is_locked($code, $answer->{message});
			$http2 = undef if $http2->{goaway} || $http2->{error};
		}
		else
		{
			my $wrong = over_frames();
			$seen{frames}++;
			push @wrong, $wrong if defined $wrong;
		}
	}
	return ($count, \@wrong, \%seen);
}

# What is right is taken: when no worker has anything of what was broken any more.
sub alive
{
	$node->wait_for(q{SELECT sum(value) FROM mytsdb.server_stats() WHERE name IN ('mytsdb_workers_busy', 'mytsdb_write_queue_requests')}, 0);
	return join ' ', map { Otlp::told(Otlp::post($port, $requests[0], %$_)) } {}, { json => 1 }, { gzip => 1 };
}

is(alive(), '200 200 200', 'what is right is taken');
is(Http2::told(Http2->connect($grpc)->export($requests[0])), '0', 'over gRPC, too');
my %before = Memory::processes($node);
my ($count, @wrong) = Fuzz::in_processes(\&fuzz, seconds => $seconds);
is(scalar @wrong, 0, 'what is broken is refused') or diag join "\n", map { substr $_, 0, 4000 } @wrong[ 0 .. min(4, $#wrong) ];
cmp_ok($count, '>=', 60, 'and it was much');
is(alive(), '200 200 200', 'what is right is taken still');
is(Http2::told(Http2->connect($grpc)->export($requests[0])), '0', 'over gRPC, too');
is_deeply({ Memory::processes($node) }, \%before, 'the same processes serve');

Memory::repeat($node, $port, $repetitions, sub {
	my (undef, @more) = Fuzz::in_processes(\&fuzz, count => $repeated);
	return @more;
});
ok($node->stop('fast'), 'stop');
unlike($node->log_text, qr/TRAP:|PANIC|signal \d+|Sanitizer|runtime error:/, 'nothing bad in the log') or diag $node->log_text;
done_testing;
