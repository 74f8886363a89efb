# HTTP/2 misbehaviour on the port of gRPC: frames that are wrong, streams that are, floods, bombs, silence.
# Each costs whoever does it the stream or the connection, and nobody else anything: others
# write all the time, the gate's memory is bounded, and so is what is logged.
use strict;
use warnings;

use FindBin;
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;
use Http2;
use Otlp;

my $sanitize = ($ENV{MYTSDB_FLAVOUR} // '') eq 'sanitize';

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port, $grpc) = Http2::node('frames', 'mytsdb.ingest_workers = 1', 'mytsdb.query_workers = 1',
	'mytsdb.max_http_connections = 500');
my $now = int(time) * 1000;
my $check = '/grpc.health.v1.Health/Check';

sub client
{
	return Http2->connect($grpc, @_);
}

sub gauge
{
	my ($name, $value) = @_;
	return Otlp::request(metrics => [ Otlp::gauge($name, { time => $now, value => $value }) ]);
}

# The private memory of the gate, in kB.
sub memory
{
	my $pid = $node->safe_sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'});
	my ($size) = Cluster::slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB$/m;
	return $size;
}

# ---- who does nothing wrong ----

# One that the server has begun to talk to: not all its times are long, and ours may be.
sub connected
{
	my $end = time + $Http::timeout;
	while (time < $end)
	{
		my $client = client();
		return $client if $client->run(sub { $client->{has_settings} });
	}
	die 'no connection';
}

# Writes, and asks whether all is well, until it is told to stop; returns how often, and what
# went wrong. Each call goes out at once, so its time is the server's own; and one that comes
# when its connection has been idle for too long may be made again on another one.
sub others
{
	my ($stop) = @_;
	my $client = connected();
	my $select = IO::Select->new($stop);
	my $call = sub {
		my ($path, $message) = @_;
		while (1)
		{
			my $id = $client->new_stream;
			$client->send(headers($id, Http2::hpack(Http2::grpc_fields($path))) . data($id, Http2::message($message), Http2::END_STREAM));
			my $answer = $client->finish_call($id);
			my $goaway = $client->{goaway};
			return $answer unless $goaway && $goaway->{code} eq 'NO_ERROR' && $goaway->{last} < $id;
			$client = connected();
		}
	};
	my ($count, @wrong) = (0);
	until (@wrong > 5 || $count >= 20 && $select->can_read(0.02))
	{
		my $health = $call->($check, '');
		my $write = $call->($Http2::export, Otlp::protobuf(gauge('beside', $count++)));
		push @wrong, 'health: ' . Http2::told($health) if ($health->{code} // '') ne '0';
		push @wrong, 'write: ' . Http2::told($write) if ($write->{code} // '') ne '0';
	}
	return ($count, @wrong);
}

# Runs something beside them: they see nothing of it.
sub beside_others
{
	my ($run) = @_;
	pipe(my $read, my $write) or die "pipe: $!";
	my $others = Http::start_job(sub { close $write; others($read) });
	close $read;
	$run->();
	close $write;
	my ($count, @wrong) = Http::finish_job($others);
	is_deeply(\@wrong, [], 'others saw nothing of it');
	cmp_ok($count, '>=', 20, "who asked $count times meanwhile");
	return;
}

# ---- what is wrong ----

use constant { H => Http2::END_HEADERS, HE => Http2::END_HEADERS | Http2::END_STREAM };
my @good = @{ Http2::grpc_fields($check) };
my $head = Http2::hpack(\@good);

sub headers { return Http2::frame(Http2::HEADERS, $_[2] // H, $_[0], $_[1] // $head) }
sub data    { return Http2::frame(Http2::DATA, $_[2] // 0, $_[0], $_[1]) }

# Fields as they are right, but for some.
sub fields_but
{
	my ($change) = @_;
	return Http2::hpack([ $change->(@good) ]);
}

sub without
{
	my ($name) = @_;
	return fields_but(sub { my %fields = @_; my @list; while (my ($n, $v) = splice @_, 0, 2) { push @list, $n, $v if $n ne $name } @list });
}

# The connection's own faults: bytes, and what GOAWAY may say.
my %connection = (
	'settings do not come first' => [ Http2::frame(Http2::PING, 0, 0, '12345678'), 'PROTOCOL_ERROR', $Http2::preface ],
	'settings that acknowledge nothing, with content' => [ Http2::frame(Http2::SETTINGS, 1, 0, 'x' x 6), 'FRAME_SIZE_ERROR' ],
	'half a setting' => [ Http2::frame(Http2::SETTINGS, 0, 0, 'x' x 5), 'FRAME_SIZE_ERROR' ],
	'settings of a stream' => [ Http2::frame(Http2::SETTINGS, 0, 1, ''), 'PROTOCOL_ERROR' ],
	'a window beyond all bounds' => [ Http2::settings(4 => 2**31), 'FLOW_CONTROL_ERROR' ],
	'frames that are too small' => [ Http2::settings(5 => 100), 'PROTOCOL_ERROR' ],
	'a switch that is neither on nor off' => [ Http2::settings(2 => 7), 'PROTOCOL_ERROR' ],
	'an oversize frame' => [ Http2::frame(Http2::DATA, 0, 1, 'x' x 16385), 'FRAME_SIZE_ERROR' ],
	'a huge frame that only begins' => [ "\xff\xff\xff\0\0\0\0\0\1", 'FRAME_SIZE_ERROR' ],
	'a head without a stream' => [ headers(0), 'PROTOCOL_ERROR' ],
	'data without a stream' => [ data(0, 'x'), 'PROTOCOL_ERROR' ],
	'data of a stream that is not' => [ data(1, 'x'), 'PROTOCOL_ERROR|STREAM_CLOSED' ],
	'an even stream' => [ headers(2), 'PROTOCOL_ERROR' ],
	'a reset of a stream that is not' => [ Http2::frame(Http2::RST_STREAM, 0, 1, "\0" x 4), 'PROTOCOL_ERROR' ],
	'a short reset' => [ headers(1) . Http2::frame(Http2::RST_STREAM, 0, 1, "\0" x 3), 'FRAME_SIZE_ERROR' ],
	'a promise of a client' => [ headers(1) . Http2::frame(Http2::PUSH_PROMISE, H, 1, "\0\0\0\2$head"), 'PROTOCOL_ERROR' ],
	'a head that goes on without beginning' => [ Http2::frame(Http2::CONTINUATION, H, 1, $head), 'PROTOCOL_ERROR' ],
	'another frame within a head' => [ headers(1, substr($head, 0, 9), 0) . Http2::frame(Http2::PING, 0, 0, '12345678'), 'PROTOCOL_ERROR' ],
	'another stream within a head' => [ headers(1, substr($head, 0, 9), 0) . headers(3), 'PROTOCOL_ERROR' ],
	'a short PING' => [ Http2::frame(Http2::PING, 0, 0, 'x'), 'FRAME_SIZE_ERROR' ],
	'a PING of a stream' => [ Http2::frame(Http2::PING, 0, 1, '12345678'), 'PROTOCOL_ERROR' ],
	'a window that grows by nothing' => [ Http2::frame(Http2::WINDOW_UPDATE, 0, 0, "\0" x 4), 'PROTOCOL_ERROR' ],
	'a window that grows too much' => [ Http2::frame(Http2::WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff"), 'FLOW_CONTROL_ERROR' ],
	'half a window' => [ Http2::frame(Http2::WINDOW_UPDATE, 0, 0, "\0" x 3), 'FRAME_SIZE_ERROR' ],
	'more padding than there is' => [ headers(1) . Http2::frame(Http2::DATA, Http2::PADDED, 1, "\xffabc"), 'PROTOCOL_ERROR' ],
	'an index of nothing' => [ headers(1, "\x80"), 'COMPRESSION_ERROR' ],
	'an index beyond the table' => [ headers(1, "\xff\x80\x80\1"), 'COMPRESSION_ERROR' ],
	'an index without end' => [ headers(1, "\xff" . "\xff" x 20), 'COMPRESSION_ERROR' ],
	'a string that is cut short' => [ headers(1, "\0\x05abc"), 'COMPRESSION_ERROR' ],
	'a code that is none' => [ headers(1, "\0\x84\xff\xff\xff\xff\0"), 'COMPRESSION_ERROR' ],
	'a table that is too large' => [ headers(1, "\x3f\xff\xff\xff\x07$head"), 'COMPRESSION_ERROR' ]);

sub connections
{
	for my $what (sort keys %connection)
	{
		my ($bytes, $expected, $preface) = @{ $connection{$what} };
		my $client = client(defined $preface ? (preface => $preface) : ());
		$client->send($bytes);
		like($client->ending, qr/^(?:$expected)$/, $what);
	}
	my $client = client(preface => substr($Http2::preface, 0, 18) . 'XM');
	ok($client->is_closed, 'a preface that ends in another way') or diag(explain($client->{frames}));
	$client = client();
	$client->send("GET / HTTP/1.1\r\n\r\n");
	isnt($client->ending, 'open', 'HTTP/1 behind a preface');
	return;
}

# A stream's own faults: what it sends, and how the stream ends; the connection goes on.
my %stream = (
	'a name in upper case' => [ headers(1, $head . Http2::hpack([ 'X-Upper' => 'x' ])) ],
	'an empty name' => [ headers(1, $head . Http2::hpack([ '' => 'x' ])) ],
	'a line break in a value' => [ headers(1, $head . Http2::hpack([ x => "a\r\nb: c" ])) ],
	'a NUL in a value' => [ headers(1, $head . Http2::hpack([ x => "a\0b" ])) ],
	'no fields' => [ headers(1, '') ],
	'no method' => [ headers(1, without(':method')) ],
	'no path' => [ headers(1, without(':path')) ],
	'no scheme' => [ headers(1, without(':scheme')) ],
	'an empty path' => [ headers(1, fields_but(sub { map { $_ eq $check ? '' : $_ } @_ })) ],
	'two methods' => [ headers(1, Http2::hpack([ ':method' => 'GET' ]) . $head) ],
	'an unknown pseudo-header' => [ headers(1, Http2::hpack([ ':what' => 'x' ]) . $head) ],
	'a status' => [ headers(1, Http2::hpack([ ':status' => '200' ]) . $head) ],
	'a pseudo-header behind others' => [ headers(1, without(':path') . Http2::hpack([ ':path' => $check ])) ],
	'a field of HTTP/1' => [ headers(1, $head . Http2::hpack([ connection => 'close' ])) ],
	'chunks' => [ headers(1, $head . Http2::hpack([ 'transfer-encoding' => 'chunked' ])) ],
	'a length that is none' => [ headers(1, $head . Http2::hpack([ 'content-length' => '-5' ])) ],
	'two lengths' => [ headers(1, $head . Http2::hpack([ 'content-length' => '5', 'content-length' => '6' ])) ],
	'more than the length' => [ headers(1, $head . Http2::hpack([ 'content-length' => '5' ])) . data(1, 'x' x 6) ],
	'less than the length' => [ headers(1, $head . Http2::hpack([ 'content-length' => '5' ])) . data(1, 'x' x 4, Http2::END_STREAM) ],
	'a length without a body' => [ headers(1, $head . Http2::hpack([ 'content-length' => '5' ]), HE) ],
	'a window of a stream that grows by nothing' => [ headers(1) . Http2::frame(Http2::WINDOW_UPDATE, 0, 1, "\0" x 4) ],
	'a window of a stream that grows too much' => [ headers(1) . Http2::frame(Http2::WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff") ],
	'trailers that do not end it' => [ headers(1) . headers(1, Http2::hpack([ a => 'b' ])) ],
	'pseudo-headers as trailers' => [ headers(1) . headers(1, Http2::hpack([ ':path' => '/' ]), HE) ]);

sub streams
{
	for my $what (sort keys %stream)
	{
		my $client = client();
		my $id = $client->new_stream;
		$client->send($stream{$what}[0]);
		my $answer = $client->finish($id);
		my $refused = ($answer->{reset} // 'NO_ERROR') ne 'NO_ERROR' || $client->{goaway};
		ok($refused, $what) or diag(explain($answer));
		next if $client->{goaway};
		is(Http2::told($client->call($check, '')), 0, '... the connection goes on');
	}
	my $client = client();
	is(Http2::told($client->call($check, '')), 0, 'a stream that has ended');
	$client->send(data(1, 'x'));
	$client->send_frame(Http2::WINDOW_UPDATE, 0, 1, pack 'N', 5);
	$client->send_frame(Http2::RST_STREAM, 0, 1, pack 'N', 5);
	like($client->ping ? 'goes on' : $client->ending, qr/^(?:goes on|STREAM_CLOSED|PROTOCOL_ERROR)$/, 'frames for it');

	$client = client();
	$client->send(headers(5) . headers(3));
	like($client->ping ? 'goes on' : $client->ending, qr/^(?:goes on|STREAM_CLOSED|PROTOCOL_ERROR)$/, 'streams backwards');

	# Who has not acknowledged the limit need not know it.
	$client = client(silent => 1);
	$client->run(sub { $client->{has_settings} });
	my $max = $client->{peer}{ Http2::MAX_CONCURRENT_STREAMS() };
	cmp_ok($max, '<=', 1000, 'there is a limit of streams at once');
	my @all = map { my $id = $client->new_stream; $client->send(headers($id)); $id } 1 .. $max + 50;
	ok($client->ping && $client->run(sub { 50 <= grep { $_->{ended} } values %{ $client->{streams} } }), 'more than may be at once');
	my %ends;
	$ends{ $client->{streams}{$_}{reset} // ($client->{streams}{$_}{ended} ? 'answered' : 'open') }++ foreach @all;
	is(join(', ', map { "$_: $ends{$_}" } sort keys %ends), "REFUSED_STREAM: 50, open: $max", 'are refused');
	$client->send_frame(Http2::RST_STREAM, 0, $all[0], pack 'N', 8);
	is(Http2::told($client->call($check, '')), 0, 'when one has ended there is room again');
	$client = client();
	$client->run(sub { $client->{has_settings} });
	$client->send(join '', map { headers($client->new_stream) } 0 .. $max);
	is($client->ending, 'PROTOCOL_ERROR', 'who has must know it');
	return;
}

# ---- floods ----

# An entry of the table as large as it can be, and a head that is made of it.
sub bomb
{
	my ($id) = @_;
	my $entry = "\x40" . Http2::hpack_string('a') . Http2::hpack_string('v' x 3900);
	my $first = $id == 1 ? $entry : '';
	return headers($id, $head . $first . "\xbe" x (16000 - length $first));
}

my %floods = (
	'a head without end' => sub { my ($i) = @_; $i ? Http2::frame(Http2::CONTINUATION, 0, 1, Http2::hpack([ a => 'x' x 8000 ]))
		  : headers(1, $head, 0) },
	'a head in empty pieces' => sub { my ($i) = @_; $i ? Http2::frame(Http2::CONTINUATION, 0, 1, '') x 100 : headers(1, $head, 0) },
	'bombs of fields' => sub { bomb(2 * $_[0] + 1) },
	'rapid reset' => sub { join '', map { my $id = 2 * (100 * $_[0] + $_) + 1; headers($id) . Http2::frame(Http2::RST_STREAM, 0, $id, pack 'N', 8) } 0 .. 99 },
	'streams that we are made to reset' => sub { join '', map { my $id = 2 * (100 * $_[0] + $_) + 1;
			headers($id) . Http2::frame(Http2::WINDOW_UPDATE, 0, $id, "\0" x 4) } 0 .. 99 },
	'streams that we must refuse' => sub { join '', map { headers(2 * (100 * $_[0] + $_) + 1) } 0 .. 99 },
	'streams that are wrong' => sub { join '', map { headers(2 * (100 * $_[0] + $_) + 1, without(':path')) } 0 .. 99 },
	'PING' => sub { Http2::frame(Http2::PING, 0, 0, '12345678') x 100 },
	'answers to no PING' => sub { Http2::frame(Http2::PING, 1, 0, '12345678') x 100 },
	'settings' => sub { Http2::settings(4 => $_[0] % 2 ? 1000 : 0) x 100 },
	'many settings at once' => sub { Http2::frame(Http2::SETTINGS, 0, 0, pack('nN', 4, 1000) x 2000) x 10 },
	'empty data' => sub { ($_[0] ? '' : headers(1)) . data(1, '') x 100 },
	'padding' => sub { ($_[0] ? '' : headers(1)) . Http2::frame(Http2::DATA, Http2::PADDED, 1, "\x0a" . "\0" x 10) x 100 },
	'priorities in a circle' => sub { join '', (Http2::frame(Http2::PRIORITY, 0, 3, pack 'NC', 5, 16), Http2::frame(Http2::PRIORITY, 0, 5, pack 'NC', 3, 16)) x 50 },
	'windows' => sub { ($_[0] ? '' : headers(1)) . Http2::frame(Http2::WINDOW_UPDATE, 0, 1, pack 'N', 1) x 100 },
	'unknown frames' => sub { Http2::frame(200, 0, 0, 'x') x 100 },
	'trailers' => sub { join '', map { my $id = 2 * (10 * $_[0] + $_) + 1; headers($id) . headers($id, Http2::hpack([ map { ("a$_" => 'b') } 1 .. 100 ]), HE) } 0 .. 9 },
	'GOAWAY' => sub { Http2::frame(Http2::GOAWAY, 0, 0, "\0" x 8) x 100 });

# Sends it until the server has enough, and says how that was told.
sub flood
{
	my ($what) = @_;
	my $client = client();
	my $end = time + 300;
	for (my $i = 0; $i < 2000 && time < $end && !defined $client->{error}; $i++)
	{
		last unless $client->send($floods{$what}->($i));
		$client->run(sub { $client->{goaway} }, 0);
		last if $client->{goaway};
	}
	return $client->ending;
}

sub floods
{
	isnt(flood($_), 'open', $_) foreach sort keys %floods;
	return;
}

# ---- silence ----

sub silence
{
	my %silent;
	my $begin = sub { my ($what, $bytes, %options) = @_; ($silent{$what} = client(silent => 1, %options))->send($bytes); };
	$begin->('nothing', '', preface => '');
	$begin->('half a preface', '', preface => substr $Http2::preface, 0, 10);
	$begin->('half a frame', "\0\0\x08\x06");
	$begin->('half a PING', "\0\0\x08\x06\0\0\0\0\0abc");
	$begin->('half a head', headers(1, $head, 0));
	$begin->('nothing any more', '');
	my %unfinished;
	for my $what ('no body', 'half a body', 'half a frame of it')
	{
		my $client = $unfinished{$what} = client();
		my $id = $client->start($Http2::export);
		$client->send(data($id, "\0\0\0\x10\0abc")) if $what ne 'no body';
		$client->send("\0\0\x64\0\0\0\0\0\1abc") if $what eq 'half a frame of it';
	}

	# Answers for which no window is opened, as many as there can be.
	my @closed = map { client(settings => { Http2::INITIAL_WINDOW_SIZE() => 0 }, hoard => 1) } 1 .. 10;
	for my $client (@closed)
	{
		my $id = $client->new_stream;
		$client->send(join '', map { headers(2 * $_ + 1) . data(2 * $_ + 1, "\0" x 5, Http2::END_STREAM) } 0 .. 99);
		$client->{streams}{$_} = { content => '', window => 0 } foreach 1 .. 199;
	}
	isnt($silent{$_}->ending, 'open', $_) foreach sort keys %silent;
	for my $what (sort keys %unfinished)
	{
		my $answer = $unfinished{$what}->finish_call(1);
		ok(defined $answer->{code} && $answer->{code} != 0 || defined $answer->{error} && $answer->{error} ne 'timeout', $what)
		  or diag(explain($answer));
	}
	my $open = 0;
	for my $client (@closed)
	{
		$client->run(sub { !grep { !$client->{streams}{ 2 * $_ + 1 }{ended} } 0 .. 99 });
		$open += grep { !$client->{streams}{ 2 * $_ + 1 }{ended} } 0 .. 99 unless defined $client->{error};
	}
	is($open, 0, 'answers that are not taken are given up');

	# Nothing is read: what is asked for again and again does not pile up. (Little fits in what the system keeps for it.)
	my $deaf = client(silent => 1, receive_buffer => 4096);
	my $sent = 0;
	my $end = time + 300;
	while (time < $end)
	{
		last unless $deaf->send(join '', map { headers(2 * ($sent + $_) + 1) . data(2 * ($sent + $_) + 1, "\0" x 5, Http2::END_STREAM) } 0 .. 99);
		$sent += 100;
	}
	like($deaf->{http}{error} // 'open', qr/^while/, "one that reads nothing is closed in the end, after $sent requests");
	$deaf->reset;
	return;
}

# The gate is held up for longer than it waits for clients, when what it waits for has come.
# That begins before the half that is there is too old; if we were too slow, with another one.
sub held_up
{
	my $gate = Http::gate($node);
	my $end = time + $Http::timeout;
	my ($half, $client, $id, $begun);
	do
	{
		Cluster::tools('as_server', 'kill', '-CONT', $gate);
		$begun = time;
		$half = Http->connect($port);
		$half->send("GET /-/healthy HTTP/1.1\r\nHo");
		$client = connected();
		$id = $client->start($Http2::export);
		$client->ping;
		Cluster::tools('as_server', 'kill', '-STOP', $gate);
	} while (time > $begun + 7 && time < $end);
	$half->send("st: x\r\n\r\n");
	$client->send(data($id, Http2::message(Otlp::protobuf(gauge('held_up', 1))), Http2::END_STREAM));
	sleep 9;
	Cluster::tools('as_server', 'kill', '-CONT', $gate);
	is($half->receive->{status}, 200, 'the rest of a head has come in time');
	is(Http2::told($client->finish_call($id)), 0, 'so has that of a call');
	return;
}

# ---- bodies ----

sub deep_values
{
	my $attribute = sub { Http::field_bytes(1, 'k') . Http::field_bytes(2, $_[0]) };
	my $request = sub { Otlp::protobuf(gauge('deep', 1)) . Http::field_bytes(1, Http::field_bytes(1, Http::field_bytes(1, $attribute->($_[0])))) };
	is(Http2::told(client()->export($request->(Otlp::deep_protobuf(20)))), 0, 'twenty deep');
	my $deep = $request->(Otlp::deep_protobuf(100000));
	is(client()->export($deep)->{code}, 3, '100,000 deep, over gRPC');
	is(Otlp::post($port, $deep)->{status}, 400, 'over HTTP');
	is(Otlp::post($port, $deep, gzip => 1)->{status}, 400, 'compressed');
	my $json = sub { '{"resourceMetrics":[{"resource":{"attributes":[{"key":"k","value":' . $_[0] . '}]}}]}' };
	is(Otlp::post($port, $json->(Otlp::deep_json(20)), json => 1)->{status}, 200, 'twenty deep in JSON');
	is(Otlp::post($port, $json->(Otlp::deep_json(100000)), json => 1)->{status}, 400, '100,000 deep in JSON');
	is(Otlp::post($port, '[' x 1000000, json => 1)->{status}, 400, 'a million brackets');
	is(Otlp::post($port, '{"unknown":' . '[' x 100000 . ']' x 100000 . '}', json => 1)->{status}, 400, 'where it is not known');
	return;
}

# ---- runs ----

my $memory;
beside_others(sub {
	subtest connections => \&connections;
	subtest streams => \&streams;
	subtest 'floods 1' => \&floods;
	$memory = memory();
	subtest 'floods 2' => \&floods;
	SKIP:
	{
		skip 'a sanitizer keeps memory', 1 if $sanitize;
		cmp_ok(memory(), '<', 1.2 * $memory + 4096, "floods leave no memory behind: $memory kB before");
	}
	subtest 'values within values' => \&deep_values;
});

# Calls that only begin, on many streams of some connections: no more than there could be on
# connections of their own. Each has a head as long as it may be.
my @half = map { client() } 1 .. 8;
my @calls;
for my $client (@half)
{
	$client->run(sub { $client->{has_settings} });
	my @ids = map { $client->new_stream } 1 .. 100;
	my $long = Http2::hpack(Http2::grpc_fields($check, authorization => 'x' x 15000));
	$client->send(headers($_, $long)) foreach @ids;
	push @calls, map { [ $client, $_ ] } @ids;
}

# The answers of one client may come behind that to its PING, but not for long.
my $soon = time + $Http::timeout;
$_->ping foreach @half;
while (time < $soon && 500 < grep { !$_->[0]{streams}{ $_->[1] }{ended} } @calls)
{
	$_->ping foreach @half;
}
my %codes;
$codes{ $_->[0]{streams}{ $_->[1] }{ended} ? $_->[0]->finish_call($_->[1])->{code} : 'open' }++ foreach @calls;
cmp_ok($codes{open}, '<=', 500, 'calls under way are limited over all connections');
is($codes{open} + ($codes{14} // 0), 800, 'those beyond may come again') or diag(explain(\%codes));
$_->close foreach @half;
$soon = time + $Http::timeout;
sleep 0.1 while Http2::told(client()->call($check, '')) ne '0' && time < $soon;
cmp_ok($soon, '>', time, 'when they end there is room again');

# The times that it waits for clients are short only where that is what is looked at.
sub restart
{
	ok($node->stop('fast'), 'stop');
	$node->configure(@_);
	$node->start;
	Http::wait_ready($port);
	return;
}

restart('mytsdb.http_idle_timeout = 6s', map { "mytsdb.http_${_}_timeout = 3s" } qw(header body write));
beside_others(sub { subtest silence => \&silence });
restart('mytsdb.http_idle_timeout = 5min', map { "mytsdb.http_${_}_timeout = 8s" } qw(header body));
subtest 'a gate that is held up' => \&held_up;

my $lines = () = $node->log_text =~ /^\d{4}-\d\d-\d\d .*mytsdb/mg;
cmp_ok($lines, '<', 300, 'what is logged is bounded');
my $end = time + $Http::timeout;
sleep 0.2 while (Http::get($port, '/metrics')->{content} // '') !~ /^mytsdb_http_connections 1$/m && time < $end;
cmp_ok($end, '>', time, 'no connection is left');
ok($node->stop('fast'), 'stop');
unlike($node->log_text, qr/TRAP:|PANIC|signal \d+|XX00[012]|Sanitizer|runtime error:/, 'nothing bad in the log');
done_testing;
