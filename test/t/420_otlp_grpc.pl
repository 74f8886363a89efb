# OTLP over gRPC: exports and what becomes of them, streams beside each other, windows,
# deadlines, limits, credentials, what is answered when something is wrong, health, the end.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;
use Http2;
use Otlp;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
# One worker writes: of two one may wait for the other's locks too long, and say so.
my ($node, $port, $grpc) = Http2::node('grpc', 'mytsdb.ingest_workers = 1', 'mytsdb.query_workers = 1',
	'mytsdb.auth_failures = 1000', 'mytsdb.max_body_size = 4MB', 'mytsdb.ingest_queue_size = 8MB', 'mytsdb.shutdown_grace = 1s',
	'restart_after_crash = on');
my $now = int(time) * 1000;
my $health = '/grpc.health.v1.Health';
my $service = 'opentelemetry.proto.collector.metrics.v1.MetricsService';

# The codes of gRPC that are used here.
use constant {
	OK => 0, CANCELLED => 1, UNKNOWN => 2, INVALID_ARGUMENT => 3, DEADLINE_EXCEEDED => 4, NOT_FOUND => 5, PERMISSION_DENIED => 7,
	RESOURCE_EXHAUSTED => 8, UNIMPLEMENTED => 12, INTERNAL => 13, UNAVAILABLE => 14, UNAUTHENTICATED => 16 };

# Of the health service.
use constant { SERVING => "\x08\x01", NOT_SERVING => "\x08\x02", SERVICE_UNKNOWN => "\x08\x03" };

sub client
{
	return Http2->connect($grpc, @_);
}

sub gauge
{
	my ($name, $value, %attributes) = @_;
	return Otlp::request(metrics => [ Otlp::gauge($name, { time => $now, value => $value, attributes => \%attributes }) ]);
}

# What a query gives now, as the value of one series; '' for none.
sub value
{
	my ($query) = @_;
	my $result = Http::data(Http::get($port, '/api/v1/query', query => $query, time => $now / 1000 + 1))->{result};
	return @$result ? $result->[0]{value}[1] : '';
}

# The time of the processor that the gate has used, in hundredths of seconds.
sub gate_ticks
{
	my $pid = $node->safe_sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'});
	my (undef, @fields) = split ' ', Cluster::slurp("/proc/$pid/stat") =~ s/^.*\)//r;
	return $fields[10] + $fields[11];
}

# Writes of this tenant wait as long as a session wants. It is no lock of the table: for one
# they would wait two seconds, and then be told to come again.
$node->safe_sql(<<~'SQL');
	CREATE FUNCTION goes_on() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		WHILE NOT pg_try_advisory_xact_lock_shared(1) LOOP PERFORM pg_sleep(0.02); END LOOP;
		RETURN true;
	END $$;
	SELECT mytsdb.create_tenant('slow');
	GRANT USAGE ON SCHEMA tenant_slow TO metrics;
	GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA tenant_slow TO metrics;
	ALTER TABLE tenant_slow.metrics ADD CHECK (goes_on());
	SQL
my @slow = (metadata => [ 'x-scope-orgid' => 'slow' ]);

sub hold
{
	my $session = $node->session;
	$session->query('BEGIN; SELECT pg_advisory_xact_lock(1)');
	return $session;
}

# Afterwards none waits any more, and none is under way that was held up.
sub release
{
	my ($session) = @_;
	$session->query('ROLLBACK');
	$session->close;
	$node->wait_for(q{SELECT sum(value) FROM mytsdb.server_stats() WHERE name IN ('mytsdb_workers_busy', 'mytsdb_write_queue_requests')}, 0);
	return;
}

sub held_up
{
	return $node->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest' AND wait_event = 'PgSleep'}, 1);
}

subtest 'export' => sub {
	my $client = client();
	my $answer = $client->export(gauge('one', 20.5, room => 'a'));
	is(Http2::told($answer), OK, 'taken');
	is($answer->{status}, 200, 'with 200 of HTTP');
	is($answer->{head}{'content-type'}, 'application/grpc', 'and the type of gRPC');
	is_deeply($answer->{messages}, [''], 'an empty message says that all points were');
	is(value('one{room="a"}'), '20.5', 'and is there');
	$answer = $client->export(gauge('one', 21.5, room => 'b'), gzip => 1);
	is(Http2::told($answer), OK, 'the same connection, compressed');
	is(value('one{room="b"}'), '21.5', 'is there, too');
	is(Http2::told($client->export('')), OK, 'a request without anything');
	is(Http2::told($client->export(gauge('typed', 1), metadata => [ 'grpc-accept-encoding' => 'gzip', 'user-agent' => 'x' ])),
		OK, 'with all that clients say');
	my $id = $client->start($Http2::export, fields => [ map { $_ eq 'application/grpc' ? 'application/grpc+proto' : $_ }
			@{ Http2::grpc_fields($Http2::export) } ]);
	$client->send_body($id, Http2::message(Otlp::protobuf(gauge('typed', 2))));
	is(Http2::told($client->finish_call($id)), OK, 'the type may say that it is protobuf');
	$id = $client->start($Http2::export);
	my $body = Http2::message(Otlp::protobuf(gauge('bytes', 3)));
	$client->send_frame(Http2::DATA, 0, $id, $_) foreach split //, $body;
	$client->send_frame(Http2::DATA, Http2::END_STREAM, $id, '');
	is(Http2::told($client->finish_call($id)), OK, 'byte by byte');
	is(value('bytes'), 3, 'it is whole');
	$id = $client->start($Http2::export);
	$client->send_frame(Http2::DATA, Http2::END_STREAM | Http2::PADDED, $id, "\xff$body" . "\0" x 255);
	is(Http2::told($client->finish_call($id)), OK, 'with padding');
};

subtest 'partly taken' => sub {
	my $request = Otlp::request(metrics => [
			Otlp::gauge('part', { time => $now, value => 1 }),
			Otlp::histogram('broken', { time => $now, count => 3, sum => 1, bounds => [ 1, 2 ], counts => [ 1, 2 ] }) ]);
	my $answer = client()->export($request);
	is($answer->{code}, OK, 'no error');
	is($answer->{rejected}, 1, 'but one point was refused');
	like($answer->{said}, qr/broken/, 'and which');
	is(value('part'), 1, 'the other is there');
};

subtest 'streams' => sub {
	my $client = client();
	my @streams = map { $client->start_call($Http2::export, Otlp::protobuf(gauge('many', $_, i => $_))) } 1 .. 50;
	is_deeply([ grep { $_ ne OK } map { Http2::told($client->finish_call($_)) } @streams ], [], 'fifty at once');
	is(value('sum(many)'), 50 * 51 / 2, 'are all there');

	my $session = hold();
	my $held = $client->start_call($Http2::export, Otlp::protobuf(gauge('held', 1)), @slow);
	ok(held_up(), 'one that is held up');
	is($client->call("$health/Check", '')->{messages}[0], SERVING, 'is overtaken on its connection');
	ok($client->ping, 'PING is answered');
	ok(!$client->{streams}{$held}{ended}, 'it is not answered yet');
	release($session);
	is(Http2::told($client->finish_call($held)), OK, 'it is when it can be');
	is($node->safe_sql('SELECT value FROM tenant_slow.metrics'), 1, 'and is there');

	my $half = $client->start($Http2::export);
	my $body = Http2::message(Otlp::protobuf(gauge('half', 7)));
	$client->send_body($half, substr($body, 0, 9), end => 0);
	is(Http2::told($client->export(gauge('beside', 1))), OK, 'one that has come in half holds up no other');
	$client->send_body($half, substr $body, 9);
	is(Http2::told($client->finish_call($half)), OK, 'and is taken when the rest comes');

	# Given up by the client.
	$session = hold();
	my $given_up = $client->start_call($Http2::export, Otlp::protobuf(gauge('given_up', 1)), @slow);
	held_up();
	$client->send_frame(Http2::RST_STREAM, 0, $given_up, pack 'N', 8);
	ok($client->ping, 'a stream is reset');
	release($session);
	is(Http2::told($client->export(gauge('after', 1))), OK, 'which costs nobody else anything');
};

subtest 'windows' => sub {
	my $client = client(settings => { Http2::INITIAL_WINDOW_SIZE() => 0 }, hoard => 1);
	my $id = $client->start_call($Http2::export, Otlp::protobuf(gauge('window', 1)));
	my $stream = $client->{streams}{$id};
	ok($client->run(sub { $stream->{head} }), 'the head of an answer needs no window');
	ok($client->ping, 'nothing else comes');
	is("$stream->{content}" . ($stream->{ended} // ''), '', 'without one');
	for my $bytes (1 .. 5)
	{
		$client->send_frame(Http2::WINDOW_UPDATE, 0, $id, pack 'N', 1);
		$client->run(sub { length $stream->{content} >= $bytes });
	}
	is(Http2::told(Http2::export_answer($client->finish_call($id))), OK, 'it comes byte by byte');
	my @calls = map { $client->start_call($Http2::export, Otlp::protobuf(gauge('window', $_, i => $_))) } 1 .. 10;
	ok($client->run(sub { !grep { !$client->{streams}{$_}{head} } @calls }), 'ten answers wait');
	$client->send(Http2::settings(Http2::INITIAL_WINDOW_SIZE() => 100));
	is_deeply([ grep { $_ ne OK } map { Http2::told($client->finish_call($_)) } @calls ], [], 'until all windows grow');

	# Larger than any window of the server's; what is not known is passed over.
	$client = client();
	my $request = gauge('large', 42);
	$request->{_more} = Http::field_bytes(1000, join '', map { pack 'N', int rand 2**32 } 1 .. 800000);
	is(Http2::told($client->export($request)), OK, 'three megabytes');
	is(value('large'), 42, 'are taken');
	my $before = $client->{frames}{ Http2::WINDOW_UPDATE() };
	is(Http2::told($client->export($request, gzip => 1)), OK, 'and again');
	cmp_ok($client->{frames}{ Http2::WINDOW_UPDATE() }, '>', $before, 'as windows are opened');
};

subtest 'deadlines' => sub {
	my $client = client();
	is(Http2::told($client->export(gauge('soon', 1), timeout => '1H')), OK, 'in an hour');
	my $session = hold();
	my $answer = $client->export(gauge('late', 1), timeout => '300m', @slow);
	is($answer->{code}, DEADLINE_EXCEEDED, 'is over') or diag(Http2::told($answer));
	$answer = $client->export(gauge('late', 1), timeout => '1n', @slow);
	is($answer->{code}, DEADLINE_EXCEEDED, 'as soon as it begins') or diag(Http2::told($answer));
	release($session);
	is(Http2::told($client->export(gauge('soon', 2), timeout => '99999999H')), OK, 'in 11,000 years');
	for my $wrong ('1', 'S', '1x', '-1S', '123456789S', '1.5S')
	{
		$answer = $client->export(gauge('soon', 1), timeout => $wrong);
		ok(defined $answer->{code} && $answer->{code} != OK, "no time: '$wrong'") or diag(Http2::told($answer));
	}
	is(Http2::told($client->export(gauge('soon', 3))), OK, 'the connection is as good as before');

	is($client->export(gauge('in_no_time', 1), timeout => '0S')->{code}, DEADLINE_EXCEEDED, 'no time at all');
	is(Http2::told($client->export(gauge('soon', 4))), OK, 'what comes after it is taken');
	is(value('in_no_time'), '', 'what could not be in time was not');

	my $id = $client->start($Http2::export, headers => [ 'grpc-timeout' => '200m' ]);
	is($client->finish_call($id)->{code}, DEADLINE_EXCEEDED, 'a request that does not come in time');
};

subtest 'sizes' => sub {
	my $client = client();
	my $answer = $client->export('x' x (5 * 1024 * 1024));
	is($answer->{code}, RESOURCE_EXHAUSTED, 'too large') or diag(Http2::told($answer));
	is(Http2::told($client->export(gauge('size', 1))), OK, 'the connection goes on');
	my $id = $client->start($Http2::export);
	$client->send_frame(Http2::DATA, 0, $id, "\0\xff\xff\xff\xff");
	is($client->finish_call($id)->{code}, RESOURCE_EXHAUSTED, 'it is enough that it says so');
	my $bomb = gauge('bomb', 1);
	$bomb->{_more} = Http::field_bytes(1000, "\0" x (80 * 1024 * 1024));
	$answer = $client->export($bomb, gzip => 1);
	ok(defined $answer->{code} && $answer->{code} =~ /^(?:3|8)$/, 'what is large when it is decompressed') or diag(Http2::told($answer));
	$id = $client->start($Http2::export, headers => [ padding => 'x' x 15000, more => 'x' x 1000 ], end => 1);
	ok($client->finish($id)->{status}, 'a long head is answered');
	is(Http2::told($client->export(gauge('size', 2))), OK, 'and the connection goes on');
};

subtest 'wrong' => sub {
	my $client = client();
	my $code = sub {
		my ($expected, $what, $answer) = @_;
		like($answer->{code} // 'none', qr/^(?:$expected)$/, $what) or diag(Http2::told($answer));
		return;
	};
	$code->(INVALID_ARGUMENT, 'no protobuf', $client->export("\xff\xff\xff"));
	$code->(INVALID_ARGUMENT, 'no gzip', $client->export("\xff\xff\xff", metadata => [ 'grpc-encoding' => 'gzip' ], prefix => "\1\0\0\0\3"));
	$code->(INVALID_ARGUMENT, 'cut short', $client->export(substr Otlp::protobuf(gauge('cut', 1)), 0, -3));
	my $deep = Otlp::protobuf(gauge('deep', 1));
	$deep .= Http::field_bytes(1, Http::field_bytes(1, Http::field_bytes(1, Http::field_bytes(1, 'k') . Http::field_bytes(2, Otlp::deep_protobuf(100000)))));
	$code->(INVALID_ARGUMENT, 'an attribute 100,000 deep', $client->export($deep));
	my $before = $client->{next};
	$code->('3|12|13', 'less than it says', $client->export('abc', prefix => "\0\0\0\0\x09"));
	$code->('3|12|13', 'more than it says', $client->export('abc', prefix => "\0\0\0\0\1"));
	$code->('3|12|13', 'compressed by nothing', $client->export('abc', prefix => "\1\0\0\0\3"));
	$code->('3|12|13', 'a flag that is not', $client->export('abc', prefix => "\2\0\0\0\3"));
	my $id = $client->start($Http2::export, end => 1);
	$code->('3|12|13', 'no message', $client->finish_call($id));
	$id = $client->start($Http2::export);
	$client->send_body($id, "\0\0");
	$code->('3|12|13', 'half a prefix', $client->finish_call($id));
	my $answer = $client->export('abc', metadata => [ 'grpc-encoding' => 'snappy' ], prefix => "\1\0\0\0\3");
	$code->(UNIMPLEMENTED, 'a compression that we do not have', $answer);
	like(($answer->{trailers} // {})->{'grpc-accept-encoding'} // $answer->{head}{'grpc-accept-encoding'} // '', qr/gzip/, 'says those we have');
	$code->(UNIMPLEMENTED, $_, $client->call($_, ''))
	  foreach '/opentelemetry.proto.collector.trace.v1.TraceService/Export', '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
	  "/$service/Import", '/no.such.Service/Method', '/', '/v1/metrics', '/api/v1/write', "$health/List";
	my @fields = @{ Http2::grpc_fields($Http2::export) };
	$id = $client->start($Http2::export, fields => [ map { $_ eq 'application/grpc' ? 'text/plain' : $_ } @fields ], end => 1);
	is($client->finish($id)->{status}, 415, 'another type is not gRPC');
	$id = $client->start($Http2::export, fields => [ map { $_ eq 'POST' ? 'GET' : $_ } @fields ], end => 1);
	$answer = $client->finish_call($id);
	ok($answer->{status} != 200 || $answer->{code}, 'nor is GET');
	$id = $client->start('/', fields => [ ':method' => 'GET', ':scheme' => 'http', ':path' => '/api/v1/query?query=1', ':authority' => 'x' ],
		end => 1);
	$answer = $client->finish($id);
	isnt($answer->{status} // 200, 200, 'what is served over HTTP is not here');
	$id = $client->start('/', fields => [ ':method' => 'HEAD', ':scheme' => 'http', ':path' => '/', ':authority' => 'x' ], end => 1);
	$answer = $client->finish($id);
	is("$answer->{status} $answer->{content}", '405 ', 'HEAD is answered by a head');
	is(Http2::told($client->export(gauge('right', 1))), OK, 'the connection is as good as before');
};

subtest 'HTTP/1' => sub {
	my $answer = Http::once($grpc, 'GET', '/');
	ok(defined $answer->{status}, 'an HTTP/1 client is answered') or diag($answer->{error});
	like($answer->{status} // '', qr/^4/, 'with an error');
	like($answer->{content} // '', qr/gRPC/i, 'that says what this is');
	$answer = Http::once($grpc, 'POST', '/v1/metrics', content => 'x' x 100000);
	like($answer->{status} // $answer->{error}, qr/^(?:4|while|closed)/, 'one that sends much is not waited for');
	my $client = Http->connect($grpc);
	$client->send("\x16\x03\x01" . "\0" x 100);
	ok($client->is_closed, 'nor is one that speaks TLS');
};

subtest 'credentials' => sub {
	$node->safe_sql(<<~'SQL');
		CREATE ROLE writer LOGIN PASSWORD 'secret';
		CREATE ROLE reader LOGIN PASSWORD 'secret';
		GRANT INSERT, SELECT ON mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata TO writer;
		GRANT SELECT ON mytsdb.metrics TO reader;
		SELECT mytsdb.create_tenant('acme'), mytsdb.create_tenant('other');
		GRANT USAGE ON SCHEMA tenant_acme TO writer;
		GRANT INSERT, SELECT ON ALL TABLES IN SCHEMA tenant_acme TO writer;
		SQL
	my $client = client();
	my $as = sub {
		my ($authorization, $tenant) = @_;
		return $client->export(gauge('mine', 1, of => $tenant // ''),
			metadata => [ authorization => $authorization, defined $tenant ? ('x-scope-orgid' => $tenant) : () ]);
	};
	my $writer = Http::basic('writer', 'secret');
	is(Http2::told($as->($writer)), OK, 'a password');
	is(Http2::told($as->('Bearer ' . $node->safe_sql(q{SELECT mytsdb.create_token('writer')}))), OK, 'a token');
	is($as->(Http::basic('writer', 'wrong'))->{code}, UNAUTHENTICATED, 'a wrong password');
	is($as->(Http::basic('nobody', 'x'))->{code}, UNAUTHENTICATED, 'an unknown role');
	is($as->('Bearer x')->{code}, UNAUTHENTICATED, 'no token');
	is($as->('x')->{code}, UNAUTHENTICATED, 'nothing at all');
	my $answer = $as->(Http::basic('reader', 'secret'));
	is($answer->{code}, PERMISSION_DENIED, 'a role that may not write');
	like($answer->{message}, qr/INSERT on table mytsdb\.metrics/, 'is told so');
	is(Http2::told($as->($writer, 'acme')), OK, 'a tenant');
	is($node->safe_sql('SELECT count(*) FROM tenant_acme.metrics'), 1, 'whose points are its own');
	is($as->($writer, 'other')->{code}, PERMISSION_DENIED, 'one of others');
	like($as->($writer, 'none')->{code}, qr/^(?:5|7)$/, 'one that is not');
	is($client->call("$health/Check", '')->{code}, OK, 'health needs none');
	is($client->call('/no.such.Service/Method', '', metadata => [ authorization => 'x' ])->{code}, UNIMPLEMENTED, 'nor does what is not there');

	# As over HTTP/1: what comes twice, and whom a page from elsewhere makes write.
	for my $twice ([ 'x-scope-orgid' => 'acme', 'x-scope-orgid' => 'other' ], [ authorization => $writer, authorization => 'x' ],
		[ 'grpc-timeout' => '1H', 'grpc-timeout' => '2H' ], [ 'grpc-encoding' => 'identity', 'grpc-encoding' => 'gzip' ])
	{
		is($client->export(gauge('twice', 1), metadata => $twice)->{code}, INVALID_ARGUMENT, "$twice->[0] twice");
	}
	is($client->export(gauge('page', 1), metadata => [ origin => 'http://elsewhere.example' ])->{code}, PERMISSION_DENIED,
		'a page from elsewhere without credentials');
	is(Http2::told($client->export(gauge('page', 1), metadata => [ origin => 'http://elsewhere.example', authorization => $writer ])),
		OK, 'and with them');
	is($client->export(gauge('page', 1), metadata => [ ':authority' => 'elsewhere.example' ])->{error}, 'PROTOCOL_ERROR', 'two authorities');
	my $id = $client->start($Http2::export, fields => [ map { $_ eq '127.0.0.1' ? 'elsewhere.example' : $_ } @{ Http2::grpc_fields($Http2::export) } ],
		end => 1);
	is($client->finish_call($id)->{code}, PERMISSION_DENIED, 'this server by a name that is not its own');

	# A refusal that is held back outlasts the call's deadline, and the gate sleeps meanwhile.
	my $before = gate_ticks();
	is($client->export(gauge('held', 1), timeout => '1n', metadata => [ authorization => 'x' ])->{code}, UNAUTHENTICATED, 'a deadline changes nothing')
	  for 1 .. 3;
	cmp_ok(gate_ticks() - $before, '<', 40, 'in 1.5 seconds of waiting');

	# Many at once, good ones among bad ones: each is answered for itself.
	# Of wrong passwords few, since all that are verified share a time of the processor.
	my @calls = map {
		my $good = $_ % 2;
		[ $good, $client->start_call($Http2::export, Otlp::protobuf(gauge('mixed', $_, i => $_)),
			metadata => [ authorization => $good ? $writer : $_ <= 4 ? Http::basic('writer', "wrong $_") : 'Bearer x' ]) ]
	} 1 .. 20;
	is_deeply([ map { $client->finish_call($_->[1])->{code} } @calls ], [ map { $_->[0] ? OK : UNAUTHENTICATED } @calls ], 'many together');
	is(value('count(mixed)'), 10, 'the good ones are there');

	$node->safe_sql('ALTER ROLE writer SET mytsdb.request_rate = 1');
	my $limited;
	for (1 .. 100)
	{
		$limited = $as->($writer);
		last if $limited->{code} != OK;
	}
	is($limited->{code}, UNAVAILABLE, 'too many requests of a role') or diag(Http2::told($limited));
	cmp_ok($limited->{details}{retry} // 0, '>', 0, 'it is told when to come again');
	is($limited->{details}{code}, $limited->{code}, 'with the same code');
	$node->safe_sql('ALTER ROLE writer RESET mytsdb.request_rate');
};

subtest 'back-pressure' => sub {
	my $session = hold();
	my $client = client();
	my $large = gauge('pressed', 1);
	$large->{_more} = Http::field_bytes(1000, 'x' x (3 * 1024 * 1024));
	my @calls = map { $client->start_call($Http2::export, Otlp::protobuf($large), @slow) } 1 .. 6;
	ok($client->run(sub { grep { $client->{streams}{$_}{ended} } @calls }), 'not all that comes waits');
	my ($refused) = map { $client->finish_call($_) } grep { $client->{streams}{$_}{ended} } @calls;
	is($refused->{code}, UNAVAILABLE, 'what is too much is refused for now') or diag(Http2::told($refused));
	cmp_ok($refused->{details}{retry} // 0, '>', 0, 'until later');
	release($session);
	my %codes;
	$codes{ $client->finish_call($_)->{code} // 'none' }++ foreach @calls;
	is(join(' ', sort { $a <=> $b } keys %codes), OK . ' ' . UNAVAILABLE, 'the others are taken');
};

subtest 'health' => sub {
	my $client = client();
	my $check = sub { $client->call("$health/Check", Http::field_bytes(1, $_[0])) };
	is($check->($service)->{messages}[0], SERVING, 'of what there is');
	is($check->('no.such.Service')->{code}, NOT_FOUND, 'of what there is not');
	my $watch = $client->start_call("$health/Watch", '');
	my $unknown = $client->start_call("$health/Watch", Http::field_bytes(1, 'no.such.Service'));
	ok($client->run(sub { @{ Http2::messages($client->{streams}{$watch}) } }), 'one who watches is told');
	is(Http2::messages($client->{streams}{$watch})->[0], SERVING, 'that all is well');
	ok($client->run(sub { @{ Http2::messages($client->{streams}{$unknown}) } }), 'also of what there is not');
	is(Http2::messages($client->{streams}{$unknown})->[0], SERVICE_UNKNOWN, 'that it is not known');
	ok($client->ping && !$client->{streams}{$watch}{ended} && !$client->{streams}{$unknown}{ended}, 'and stays');
	my $told = sub { my ($count) = @_; $client->run(sub { @{ Http2::messages($client->{streams}{$watch}) } >= $count }) };
	my $version = $node->safe_sql(q{SELECT extversion FROM pg_extension WHERE extname = 'mytsdb'});
	my $set_version = sub { $node->safe_sql("SET allow_system_table_mods = on; UPDATE pg_extension SET extversion = '$_[0]' WHERE extname = 'mytsdb'") };
	$set_version->('0.0');
	ok($told->(2), 'when that changes it is told again');
	$set_version->($version);
	ok($told->(3), 'and again');
	is_deeply(Http2::messages($client->{streams}{$watch}), [ SERVING, NOT_SERVING, SERVING ], 'what is so');
	is(@{ Http2::messages($client->{streams}{$unknown}) }, 1, 'who asked for what is not known is not');
	$client->send_frame(Http2::RST_STREAM, 0, $watch, pack 'N', 8);
	is($check->('')->{messages}[0], SERVING, 'until it goes');
};

subtest 'a standby' => sub {
	my $standby = Cluster->new('standby');
	my ($there, $grpc_there) = (Http::port(), Http::port());
	$standby->backup_of($node, '-R');
	$standby->configure("mytsdb.http_port = $there", "mytsdb.otlp_grpc_port = $grpc_there");
	$standby->start;
	Http::wait_ready($there);
	my $answer = Http2->connect($grpc_there)->export(gauge('standby', 1));
	is($answer->{code}, UNAVAILABLE, 'takes no writes') or diag(Http2::told($answer));
	is(Http2->connect($grpc_there)->call("$health/Check", '')->{code}, OK, 'but is there');
	$standby->stop;
};

subtest 'workers that end' => sub {
	my $client = client();
	my $session = hold();
	my $call = $client->start_call($Http2::export, Otlp::protobuf(gauge('lost', 1)), @slow);
	held_up();
	$node->safe_sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest'});
	is($client->finish_call($call)->{code}, UNAVAILABLE, 'its request may be sent again');
	release($session);
	my $again;
	my $end = time + $Http::timeout;
	do { $again = $client->export(gauge('lost', 2)) } while ($again->{code} // OK) == UNAVAILABLE && time < $end;
	is(Http2::told($again), OK, 'and is taken then, on the same connection');

	my $pid = $node->safe_sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest' LIMIT 1});
	Cluster::tools('as_server', 'kill', '-9', $pid);
	ok($client->is_closed, 'a crash ends the connection');
	Http::wait_ready($port);
	is(Http2::told(client()->export(gauge('lost', 3))), OK, 'after a crash all goes on');
};

subtest 'TLS' => sub {
	my $certificate = Http::make_certificate($node, 'localhost');
	my @settings = ("mytsdb.ssl_cert_file = '$node->{dir}/server.crt'", "mytsdb.ssl_key_file = '$node->{dir}/server.key'");
	my $tls = sub { client(tls => 1, ca_file => "$certificate", @_) };
	my $check = sub { $_[0]->call("$health/Check", '') };
	$node->configure(@settings);
	$node->stop;
	$node->start;
	my $end = time + $Http::timeout;
	sleep 0.1 while !defined $check->($tls->())->{code} && time < $end;
	my $client = $tls->();
	is(Http2::told($client->export(gauge('encrypted', 1), metadata => [ authorization => Http::basic('writer', 'secret') ])), OK,
		'agreed upon by ALPN');
	my $large = gauge('encrypted', 1);
	$large->{_more} = Http::field_bytes(1000, 'x' x 2000000);
	is(Http2::told($client->export($large, metadata => [ authorization => Http::basic('writer', 'secret') ])), OK, 'much at once');
	for my $options ([], [ '-alpn', 'http/1.1' ])
	{
		my $other = $tls->(options => $options);
		my $answer = $check->($other);
		isnt($answer->{code} // 'none', OK, @$options ? 'HTTP/1 agreed upon' : 'nothing agreed upon');
		ok($other->is_closed, 'is the end');
	}
	my $http = Http->connect($grpc, tls => 1, ca_file => "$certificate");
	my $answer = $http->request('GET', '/');
	like($answer->{content} // $answer->{error}, qr/gRPC/, 'HTTP/1 over TLS is answered');
	my $plain = client();
	isnt($check->($plain)->{code} // 'none', OK, 'no HTTP/2 in the clear');
	$node->configure("mytsdb.ssl_cert_file = ''", "mytsdb.ssl_key_file = ''", 'mytsdb.shutdown_grace = 2min');
	$node->stop;
	$node->start;
	Http::wait_ready($port);
};

subtest 'the end' => sub {
	my $client = client();
	my $watch = $client->start_call("$health/Watch", '');
	$client->run(sub { $client->{streams}{$watch}{content} ne '' });
	my $idle = client();
	$idle->ping;
	my $half = $client->start($Http2::export);
	$client->send_frame(Http2::DATA, 0, $half, "\0\0\0");
	my $session = hold();
	my $call = $client->start_call($Http2::export, Otlp::protobuf(gauge('last', 1)), @slow);
	held_up();
	my $stopping = Http::start_job(sub { $node->stop('fast') ? 'stopped' : 'not' });
	ok($client->run(sub { $client->{goaway} }), 'GOAWAY when the server stops');
	is($client->{goaway}{code}, 'NO_ERROR', 'which is no fault');
	cmp_ok($client->{goaway}{last}, '>=', $call, 'what has begun goes on');
	is($client->finish_call($half)->{code}, UNAVAILABLE, 'what has come in half is not waited for');
	is($client->finish_call($watch)->{code}, UNAVAILABLE, 'nor is who watches');
	my $answer = $client->finish_call($call);
	is(Http2::told($answer), OK, 'and ends well');
	is($idle->ending, 'NO_ERROR', 'idle connections are told, too');
	ok($client->is_closed, 'then that is all');
	$session->close;
	is((Http::finish_job($stopping))[0], 'stopped', 'stopped');
	$node->{running} = 0;
};

unlike($node->log_text, qr/TRAP:|PANIC|signal (?!9:)\d+|XX00[012]|Sanitizer|runtime error:/, 'nothing bad in the log');
done_testing;
