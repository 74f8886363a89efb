# OTLP over HTTP: both formats and their answers, what is refused and how that is told, limits,
# tenants and roles, and how requests share transactions with remote write's and fail alone.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;
use Otlp;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my $otlp_port = Http::port();
my ($node, $port) = Http::node('otlp', "mytsdb.otlp_http_port = $otlp_port", 'mytsdb.ingest_workers = 1',
	'mytsdb.query_workers = 1', 'max_worker_processes = 20', "timezone = 'UTC'");
my $now = 1700000000000;

# ---- helpers ----

# A request of one metric, a gauge with one point.
sub gauge
{
	my ($name, $value, %attributes) = @_;
	return Otlp::request(resource => { 'service.name' => 'shop' },
		metrics => [ Otlp::gauge($name, { time => $now, value => $value, attributes => \%attributes }) ]);
}

# As bytes for a connection that is waited for later.
sub bytes_of
{
	my ($request, @headers) = @_;
	return Http::bytes('POST', '/v1/metrics', content => Otlp::protobuf($request),
		headers => [ 'Content-Type' => 'application/x-protobuf', @headers ]);
}

sub values_of
{
	my ($name, $table) = @_;
	$table //= 'mytsdb.metrics';
	return $node->safe_sql("SELECT string_agg(value::text, ' ' ORDER BY time, value) FROM $table WHERE labels ~ '{__name__=\"$name\"}'");
}

sub stat_of
{
	my ($name, $protocol) = @_;
	my $where = $protocol ? "AND labels ~ '{protocol=\"$protocol\"}'" : '';
	return $node->safe_sql("SELECT value FROM mytsdb.server_stats() WHERE name = 'mytsdb_${name}_total' $where");
}

sub set
{
	my ($setting) = @_;
	$node->safe_sql("ALTER SYSTEM $setting; SELECT pg_reload_conf()");
	return;
}

# The first answer for which a check holds: settings take a moment.
sub until_told
{
	my ($check, @arguments) = @_;
	my $answer;
	my $end = time + $Http::timeout; # a limit against hanging
	sleep 0.1 until $check->($answer = Otlp::post(@arguments)) || time > $end;
	return $answer;
}

# ---- both formats ----

my $all = Otlp::request(resource => { 'service.name' => 'shop', 'host.name' => 'h' }, metrics => [
	Otlp::gauge({ name => 'warmth', unit => 'Cel', description => 'How warm.' }, { time => $now, value => 20.5 }),
	Otlp::sum('served', { start => $now - 5000, time => $now, int => 7 }),
	Otlp::histogram({ name => 'took', unit => 's' }, { start => $now - 5000, time => $now, count => 6, sum => 12.5, bounds => [ 1, 2.5 ],
		counts => [ 1, 2, 3 ], exemplars => [ { time => $now, value => 2, trace => 't' x 16, span => 's' x 8 } ] }),
	Otlp::exponential('size', { time => $now, count => 3, sum => 4, scale => 1, positive => [ 0, 1, 2 ] }),
	Otlp::summary('latency', { time => $now, count => 3, sum => 6, quantiles => [ [ 0.5, 2 ] ] }) ]);
for my $json (0, 1)
{
	my $format = $json ? 'JSON' : 'protobuf';
	my $type = $json ? 'application/json' : 'application/x-protobuf';
	for my $where ([ $port, '/v1/metrics' ], [ $port, '/api/v1/otlp/v1/metrics' ], [ $otlp_port, '/v1/metrics' ])
	{
		my $answer = Otlp::post($where->[0], $all, json => $json, path => $where->[1]);
		is(Otlp::told($answer), '200', "$format to $where->[1]");
		is($answer->{headers}{'content-type'}, $type, 'is answered in its format');
		is($answer->{content}, $json ? '{}' : '', 'without a word');
	}
	is(Otlp::told(Otlp::post($port, $all, json => $json, gzip => 1)), '200', "$format, with gzip");
	is(Otlp::told(Otlp::post($port, $all, json => $json, content_type => "$type; charset=utf-8")), '200', 'with a parameter');
	is($node->safe_sql(q{SELECT count(*) FROM mytsdb.metrics}), '12', 'all is there');
	is(values_of('took_seconds_bucket'), '1 3 6', 'buckets');
	is($node->safe_sql(q{SELECT labels::text || ' ' || value FROM mytsdb.exemplars LIMIT 1}), 'took_seconds_bucket{job="shop",le="2.5"} 2', 'an exemplar');
	is($node->safe_sql(q{SELECT type || ' ' || unit || ' ' || help FROM mytsdb.metadata WHERE metric = 'warmth_celsius'}),
		'gauge celsius How warm.', 'metadata');
	is($node->safe_sql(q{SELECT extract(epoch FROM start_time)::int FROM mytsdb.metrics WHERE labels ~ 'served_total'}), '1699999995', 'a start time');
	$node->safe_sql('TRUNCATE mytsdb.metrics, mytsdb.exemplars');
}
my $answer = Http::get($port, '/api/v1/query', query => 'count({job="shop"})', time => $now / 1000);
is(Otlp::told(Otlp::post($port, $all)), '200', 'once more');
$answer = Http::get($port, '/api/v1/query', query => 'count({job="shop"})', time => $now / 1000);
is(Http::data($answer)->{result}[0]{value}[1], '12', 'PromQL sees it');

# A frame of zstd with a raw block.
my $small = Otlp::protobuf(gauge('zstd', 1));
my $zstd = pack('H*', '28b52ffd20') . chr(length $small) . substr(pack('V', length($small) * 8 + 1), 0, 3) . $small;
is(Otlp::told(Otlp::post($port, $zstd, encoding => 'zstd')), '200', 'zstd');
is(values_of('zstd'), '1', 'is read');
is(Otlp::told(Otlp::post($port, Otlp::gzip($small) . Otlp::gzip(''), encoding => 'gzip')), '200', 'gzip in two parts');

# ---- what is refused ----

my $bad = Otlp::joined(gauge('good', 1), gauge('', 1), gauge('good', 2, a => 'b'),
	Otlp::request(metrics => [ Otlp::histogram('nonsense', { time => $now, count => 1, bounds => [ 1, 2, 3 ], counts => [ 1, 0 ] }) ]));
for my $json (0, 1)
{
	$answer = Otlp::post($port, $bad, json => $json);
	is($answer->{status}, 200, 'what is good is written');
	is($answer->{rejected}, 2, 'how many points are not');
	like($answer->{message}, qr/^metric "": a metric needs a name\nmetric "nonsense": /, 'and why');
}
is(values_of('good'), '1 2', 'the good ones');
$answer = Otlp::post($port, Otlp::joined(map { gauge('', 1) } 1 .. 9));
is($answer->{rejected}, 9, 'many points that are refused');
like($answer->{message}, qr/\nand 4 refusals more$/, 'the first few are told');
$answer = Otlp::post($port, Otlp::request(metrics => [ Otlp::sum('late', { time => $now, int => 1,
	exemplars => [ map { { time => $now, value => 1, attributes => { a => $_ } } } 'b', "\xff" ] }) ]));
is("$answer->{status} $answer->{rejected}", '200 0', 'an exemplar that is refused costs no point');
is($answer->{message}, 'invalid OTLP request: attribute is not valid UTF-8', 'but is told');

$answer = Otlp::post($port, Otlp::joined(
	Otlp::request(resource => { 'service.name' => 'before', pid => 1 }, metrics => [ Otlp::gauge('of_before', { time => $now, value => 1 }) ]),
	gauge('no_label', 1, a => "\0")));
is("$answer->{status} $answer->{rejected}", '200 1', 'a point whose label is refused');
is($node->safe_sql(q(SELECT string_agg(labels ->> '__name__', ' ' ORDER BY 1) FROM mytsdb.metrics WHERE labels ~ '{job="before"}')),
	'of_before target_info', 'costs nothing of the resource before it');

my $deep = 100_000;
my $point = '{"timeUnixNano":"1","asInt":"1","attributes":[{"key":"a","value":' . Otlp::deep_json($deep) . '}]}';
my $deep_json = "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"deep\",\"gauge\":{\"dataPoints\":[$point]}}]}]}]}";
my $deep_tree = gauge('deep', 1);
$deep_tree->{resourceMetrics}[0]{scopeMetrics}[0]{metrics}[0]{gauge}{dataPoints}[0]{_more} =
  Http::field_bytes(7, Http::field_bytes(1, 'a') . Http::field_bytes(2, Otlp::deep_protobuf($deep)));
for my $case (
	[ 400, 3, 'damage', "\x0a\xff", 0 ],
	[ 400, 3, 'damage in a point', Otlp::protobuf(gauge('x', 1)) . "\x0a\x04\x12\x02\x12\xff", 0 ],
	[ 400, 3, 'no JSON', '{"resourceMetrics": [', 1 ],
	[ 400, 3, 'another document', '[1]', 1 ],
	[ 400, 3, 'depth in protobuf', Otlp::protobuf($deep_tree), 0 ],
	[ 400, 3, 'depth in JSON', $deep_json, 1 ],
	[ 400, 3, 'gzip that is none', gauge('x', 1), 0, encoding => 'gzip' ],
	[ 415, undef, 'another type', gauge('x', 1), 0, content_type => 'text/plain' ],
	[ 415, undef, 'another encoding', gauge('x', 1), 0, encoding => 'br' ],
	[ 415, undef, 'snappy', gauge('x', 1), 1, encoding => 'snappy' ])
{
	my ($status, $code, $what, $request, $json, %options) = @$case;
	$answer = Otlp::post($port, $request, json => $json, %options);
	is($answer->{status}, $status, "$what: $status");
	isnt($answer->{message}, '', 'and why');
	is($answer->{code}, $code, 'as a google.rpc.Status') if defined $code;
	is($answer->{headers}{'retry-after'}, undef, 'it is not to be sent again');
	is($answer->{headers}{'content-type'}, 'application/json', 'of an unknown type: JSON') if $options{content_type};
}
is(values_of('x'), '', 'nothing of it is written');
is(Otlp::post($port, "{\"resourceMetrics\":\n [}", json => 1)->{message}, 'at line 2, column 3: an object is expected, not "}"',
	'where in JSON it is wrong');
is(Otlp::told(Otlp::post($port, gauge('alive', 1))), '200', 'the server is alive');
is(Http::get($port, '/v1/metrics')->{status}, 405, 'GET is not taken');
like(Otlp::post($port, '', path => "/v1/$_")->{content}, qr/^$_ are not stored here/, "$_ are refused") for qw(traces logs);

set(q{SET mytsdb.log_requests = 'all'});
for my $json (0, 1)
{
	my $offset = length $node->log_text;
	until_told(sub { substr($node->log_text, $offset) =~ /status=400 .* reason="/ }, $port, $json ? '[]' : "\x0a\xff", json => $json);
	like(substr($node->log_text, $offset), $json ? qr/ reason=".*an object is expected/ : qr/ reason="invalid OTLP request: /, 'the log says why');
}
set('RESET mytsdb.log_requests');

set(q{SET mytsdb.remote_write_max_size = '64kB'});
my $large = Otlp::joined(map { gauge("large$_", 1) } 1 .. 1500);
for my $json (0, 1)
{
	$answer = until_told(sub { $_[0]{status} != 200 }, $port, $large, json => $json, gzip => 1);
	is($answer->{status}, 413, 'a message that is too large when decompressed: 413');
	like($answer->{message}, qr/larger than 65536 bytes/, 'and why');
}
set('RESET mytsdb.remote_write_max_size');
until_told(sub { $_[0]{status} == 200 }, $port, $large);
set(q{SET mytsdb.max_body_size = '1kB'});
$answer = until_told(sub { $_[0]{status} != 200 }, $port, $large);
is($answer->{status}, 413, 'what the gate refuses');
like($answer->{message}, qr/max_body_size/, 'is told as a Status, too');
set('RESET mytsdb.max_body_size');
is(until_told(sub { $_[0]{status} == 200 }, $port, $large)->{status}, 200, 'a larger body again');

# What is said of a refusal is not kept, but for the first few.
{
	my ($points, $point) = (200000, Http::field_double(4, 1) . Http::field_bytes(7, Http::field_bytes(2, Http::field_bytes(1, 'x'))));
	my $one = Http::field_bytes(1, $point);
	my $before = Http::field_bytes(1, 'm') . "\x2a" . Http::varint($points * length $one);
	$before = "\x12" . Http::varint($points * length($one) + length $before) . $before foreach 1 .. 2;
	$before = "\x0a" . Http::varint($points * length($one) + length $before) . $before;
	my $body = sprintf "decode('%s' || repeat('%s', %d), 'hex')", unpack('H*', $before), unpack('H*', $one), $points;
	my $peak = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')};
	my $session = $node->session;
	$session->query("SELECT length($body)");
	my $kb = $session->query($peak);
	is($session->query("SELECT rejected FROM mytsdb.otlp_metrics($body)"), $points, 'many points are refused');
	# a sanitizer keeps what was freed
	my $limit = ($ENV{MYTSDB_FLAVOUR} // '') eq 'sanitize' ? 100000 : 20000;
	cmp_ok($session->query($peak) - $kb, '<', $limit, 'which takes hardly any memory');
	$session->close;
}

# ---- settings ----

set(q{SET mytsdb.otlp_translation = 'NoTranslation'});
until_told(sub { values_of('a.b') ne '' }, $port, gauge('a.b', 1));
isnt(values_of('a.b'), '', 'settings count when they are read anew');
set('RESET mytsdb.otlp_translation');
until_told(sub { values_of('c_d') ne '' }, $port, gauge('c.d', 1));
isnt(values_of('c_d'), '', 'and so do they when they are reset');

# ---- deltas ----

sub delta
{
	my ($i, $value) = @_;
	return Otlp::request(resource => { 'service.name' => 'shop' }, metrics => [ Otlp::sum({ name => 'adds', temporality => 'delta' },
		{ start => $now + $i * 1000 - 1000, time => $now + $i * 1000, int => $value }) ]);
}
is(Otlp::told(Otlp::post($port, delta($_, 1 << $_), json => $_ % 2)), '200', 'a point with delta temporality') foreach 0 .. 5;
is(values_of('adds_total'), '1 3 7 15 31 63', 'they add up');
is($node->safe_sql(sprintf q{SELECT samples FROM mytsdb.otlp_metrics('\x%s')}, unpack 'H*', Otlp::protobuf(delta(6, 64))), '1', 'one in SQL');
is(Otlp::told(Otlp::post($port, delta(7, 128))), '200', 'and another one over HTTP');
is(values_of('adds_total'), '1 3 7 15 31 63 127 255', 'whichever way they come');

# ---- privileges, tenants ----

$node->safe_sql(q{
	SET password_encryption = 'md5';
	CREATE ROLE reader LOGIN PASSWORD 'secret'; GRANT SELECT ON mytsdb.metrics TO reader;
	SELECT mytsdb.create_tenant('a'), mytsdb.create_tenant('b'), mytsdb.create_tenant('c'), mytsdb.create_tenant('slow');
	GRANT USAGE ON SCHEMA tenant_a, tenant_b, tenant_c, tenant_slow TO metrics;
	GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA tenant_a, tenant_b, tenant_c, tenant_slow TO metrics;
	ALTER TABLE tenant_c.metrics ADD CHECK (value < 100);
	CREATE FUNCTION goes_on() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		WHILE NOT pg_try_advisory_xact_lock_shared(1) LOOP PERFORM pg_sleep(0.02); END LOOP;
		RETURN true;
	END $$;
	ALTER TABLE tenant_slow.metrics ADD CHECK (goes_on())});
my @reader = (Authorization => Http::basic('reader', 'secret'));
for my $json (0, 1)
{
	$answer = Otlp::post($port, gauge('t', 1), json => $json, headers => \@reader);
	is("$answer->{status} $answer->{code}", '403 7', 'who may not INSERT: 403');
	$answer = Otlp::post($port, gauge('t', 1), json => $json, headers => [ Authorization => Http::basic('reader', 'wrong') ]);
	is("$answer->{status} $answer->{code}", '401 16', 'a wrong password: 401');
	isnt($answer->{headers}{'www-authenticate'}, undef, 'with a challenge');
}
is(Otlp::told(Otlp::post($port, gauge('t', 7), path => '/tenant/a/v1/metrics')), '200', 'a write to a tenant by its path');
is(Otlp::told(Otlp::post($otlp_port, gauge('t', 8), headers => [ 'X-Scope-OrgID' => 'a' ])), '200', 'and by a header');
is(values_of('t', 'tenant_a.metrics'), '8', 'goes there');
is(values_of('t'), '', 'and nowhere else');
is(Otlp::post($port, gauge('t', 7), headers => [ 'X-Scope-OrgID' => 'none' ])->{status}, 404, 'no such tenant');
$answer = Otlp::post($port, gauge('t', 100), headers => [ 'X-Scope-OrgID' => 'c' ]);
is($answer->{status}, 400, 'a constraint that is violated: 400');
like($answer->{message}, qr/check constraint/, 'and why');

# ---- together with remote write, and alone ----

my $session = $node->session;
$session->query('BEGIN; LOCK TABLE tenant_b.metrics IN ACCESS EXCLUSIVE MODE');
$answer = Otlp::post($port, gauge('t', 1), headers => [ 'X-Scope-OrgID' => 'b' ]);
is("$answer->{status} $answer->{code}", '503 14', 'who waits too long for a lock is to come again');
is($answer->{headers}{'retry-after'}, 1, 'with Retry-After');
is($answer->{retry}, 1, 'and RetryInfo');

# While a write to the slow tenant waits, as long as another session wants, all others wait
# for the worker.
my $holder = $node->session;
$holder->query('BEGIN; SELECT pg_advisory_xact_lock(1)');
my $slow = Http->connect($port);
$slow->send(bytes_of(gauge('t', 1), 'X-Scope-OrgID' => 'slow'));
ok($node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest' AND wait_event = 'PgSleep'", '1'),
	'a write holds up the worker');
my $commits = stat_of('write_commits');
my %wrong = (
	4 => [ 403, bytes_of(gauge('t', 1), @reader) ],
	10 => [ 400, Http::bytes('POST', '/v1/metrics', content => "\x0a\xff", headers => [ 'Content-Type' => 'application/x-protobuf' ]) ],
	22 => [ 200, bytes_of(gauge('', 1)) ],
	28 => [ 503, bytes_of(gauge('t', 1), 'X-Scope-OrgID' => 'b') ]);
my @clients;
for my $i (0 .. 39)
{
	my $client = Http->connect($port);
	my %write = Http::write1({ labels => { __name__ => "group$i" }, samples => [ [ $now, $i ] ] });
	my ($status, $bytes) = $wrong{$i} ? @{ $wrong{$i} }
	  : $i % 2 ? (204, Http::bytes('POST', '/api/v1/write', %write))
	  : (200, bytes_of(gauge("group$i", $i)));
	$client->{expected} = $status;
	$client->send($bytes);
	push @clients, $client;
}
ok($node->wait_for(q{SELECT value FROM mytsdb.server_stats() WHERE name = 'mytsdb_write_queue_requests'}, '39'),
	'all wait that the gate does not refuse');
$holder->query('COMMIT');
is($slow->receive->{status}, 200, 'the worker goes on');
my @answers = map { $_->receive } @clients;
is(join(' ', map { $_->{status} // $_->{error} } @answers), join(' ', map { $_->{expected} } @clients),
	'of many requests at once, of both protocols, those fail that are wrong');
is($node->safe_sql(q{SELECT count(*) FROM mytsdb.metrics WHERE labels ~ '{__name__=~"group.+"}'}), '36', 'the others are written');
cmp_ok(stat_of('write_commits') - $commits, '<', 10, 'many of them in one transaction');
$_->query('ROLLBACK') foreach $session, $holder;

# Deltas of requests of a group that fails are added once.
my @deltas = map { my $client = Http->connect($port); $client->send(bytes_of(delta(8 + $_, 1))); $client } 0 .. 19;
is(join(' ', map { $_->receive->{status} } @deltas), join(' ', (200) x 20), 'deltas at once');
is($node->safe_sql(q{SELECT max(value) FROM mytsdb.metrics WHERE labels ~ 'adds_total'}), 275, 'each is added once');

# ---- of all lengths ----

# Long ones reach the worker in memory that both have mapped; what counts is at both ends.
sub padded
{
	my ($name, $value, $length) = @_;
	my $first = gauge("${name}_first", $value);
	$first->{resourceMetrics}[0]{_more} = Http::field_bytes(1000, join '', map { pack 'Q', rand 2**53 } 1 .. $length / 8);
	return Otlp::joined($first, gauge("${name}_last", $value));
}

sub write_lengths
{
	my ($name, @lengths) = @_;
	is(join(' ', map { Otlp::told(Otlp::post($port, padded("$name$_", $_, $lengths[$_]))) } 0 .. $#lengths),
		join(' ', ('200') x @lengths), "requests of @lengths bytes");
	is(join(' ', map { values_of("$name${_}_first") . values_of("$name${_}_last") } 0 .. $#lengths),
		join(' ', map { "$_$_" } 0 .. $#lengths), 'came whole');
	return;
}

my $ingest = q{FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest'};
write_lengths('length', 70000, 300000, 80, 60000, 3000000, 100000, 6000000, 90, 70000, 5000000);
my $ended = $node->safe_sql("SELECT pid $ingest");
$node->safe_sql("SELECT pg_terminate_backend($ended)");
ok($node->wait_for("SELECT count(*) $ingest AND pid <> $ended", 1), 'a worker takes the place of another one');
Http::wait_ready($port);
write_lengths('new', 400000, 70000, 8000000, 80);
my $gate = Http::gate($node);
$node->safe_sql("SELECT pg_terminate_backend($gate)");
Http::wait_restart($gate, $port);
write_lengths('again', 200000, 1000000, 70000);
my @padded = map { padded("batch$_", $_, 100000) } 0 .. 9;
my @senders = map { my $client = Http->connect($port); $client->send(bytes_of($_)); $client } @padded;
is(join(' ', map { $_->receive->{status} } @senders), join(' ', (200) x 10), 'long ones at once');
is(join(' ', map { values_of("batch${_}_first") . values_of("batch${_}_last") } 0 .. 9), join(' ', map { "$_$_" } 0 .. 9), 'came whole');

# ---- figures ----

my %figures = map { $_ => stat_of("otlp_$_", 'http') } qw(requests failed_requests points refused_points);
is(Otlp::told(Otlp::post($port, gauge('figure', 1))), '200', 'a request');
Otlp::post($port, $bad);
Otlp::post($port, "\x0a\xff");
is(join(' ', map { stat_of("otlp_$_", 'http') - $figures{$_} } qw(requests failed_requests points refused_points)), '2 1 3 2', 'is counted');
is(stat_of('otlp_requests', 'grpc'), '0', 'as what it is');
is($node->safe_sql('SELECT protocol, requests, failed_requests, points, refused_points FROM mytsdb.stat_otlp ORDER BY protocol'),
	join("\n", map { my $protocol = $_; join '|', $protocol, map { stat_of("otlp_$_", $protocol) } qw(requests failed_requests points refused_points) } 'grpc', 'http'),
	'stat_otlp');

# ---- back-pressure ----

set(q{SET mytsdb.write_rate = '1kB'});
$answer = until_told(sub { $_[0]{status} != 200 }, $port, $large);
is("$answer->{status} $answer->{code}", '429 14', 'a role that sends too much: 429');
isnt($answer->{headers}{'retry-after'}, undef, 'with Retry-After');
is($answer->{retry}, $answer->{headers}{'retry-after'}, 'and RetryInfo');

$node->stop;
unlike($node->log_text, qr/TRAP|PANIC/, 'no assertion has failed');
done_testing();
