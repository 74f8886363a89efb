# Writes over HTTP: what senders of remote write 1.0 and 2.0 are told, what is written of
# requests that are right in part, how requests share transactions and fail alone, and how
# many new series survive a crash.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep);
use lib $FindBin::Bin;
use Cluster;
use Http;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port) = Http::node('write', 'mytsdb.ingest_workers = 1', 'mytsdb.query_workers = 1',
	'max_worker_processes = 20', 'restart_after_crash = on', "timezone = 'UTC'");
my $now = 1700000000000;

# ---- helpers ----

sub post
{
	my ($options, @headers) = @_;
	return Http::write($port, %$options, headers => [ @{ $options->{headers} }, @headers ]);
}

# Other headers than senders send; undef leaves one out.
sub with_headers
{
	my ($options, %headers) = @_;
	my @headers = @{ $options->{headers} };
	for (my $i = 0; $i < @headers; $i += 2)
	{
		$headers[ $i + 1 ] = delete $headers{ $headers[$i] } if exists $headers{ $headers[$i] };
	}
	return Http::write($port, %$options, headers => \@headers);
}

sub one
{
	my ($name, @samples) = @_;
	return { labels => { __name__ => $name }, samples => [@samples] };
}

# Status and how much was written.
sub told
{
	my ($answer) = @_;
	my $headers = $answer->{headers};
	return join ' ', $answer->{status} // $answer->{error},
	  map { $headers->{"x-prometheus-remote-write-$_-written"} // '-' } qw(samples histograms exemplars);
}

sub values_of
{
	my ($name, $table) = @_;
	$table //= 'mytsdb.metrics';
	return $node->safe_sql("SELECT string_agg(value::text, ' ' ORDER BY time) FROM $table WHERE labels ~ '{__name__=\"$name\"}'");
}

# A frame of zstd with a raw block.
sub zstd
{
	my ($content) = @_;
	die 'too long' if length $content > 255;
	return pack('H*', '28b52ffd20') . chr(length $content)
	  . substr(pack('V', length($content) * 8 + 1), 0, 3) . $content;
}

sub series2
{
	my (@series) = @_;
	return { Http::write2(@series) };
}

# ---- headers ----

my $integers = { count => 3, sum => 5, schema => 0, zero_threshold => 0.001, zero_count => 0,
	positive_spans => [ [ 0, 2 ] ], positive_deltas => [ 1, 1 ], time => $now };
my $exemplar = { labels => { trace_id => 'x' }, value => 1, time => $now };
my $answer = post({ Http::write1(
	{ %{ one('h1', [ $now, 1 ], [ $now + 1, 2 ]) }, exemplars => [$exemplar] },
	{ labels => { __name__ => 'h1h' }, histograms => [$integers] }) });
is(told($answer), '204 2 1 1', '1.0: all is written, and told');
is($answer->{content}, '', 'without a word');
$answer = post(series2({ %{ one('h2', [ $now, 1, $now - 1000 ]) }, exemplars => [$exemplar],
	metadata => { type => 1, help => 'How many.' } },
	{ labels => { __name__ => 'h2h' }, histograms => [$integers], created => $now - 5 }));
is(told($answer), '204 1 1 1', '2.0: all is written, and told');
is($node->safe_sql(q{SELECT labels::text || ' ' || extract(epoch FROM start_time) FROM mytsdb.metrics
	WHERE start_time IS NOT NULL ORDER BY labels}), "h2 1699999999.000000\nh2h 1699999999.995000", 'with start times');
is($node->safe_sql('SELECT metric, type, help FROM mytsdb.metadata'), 'h2|counter|How many.', 'and metadata');
is(told(post(series2())), '204 0 0 0', 'a request may say nothing');

my $one = { Http::write1(one('header', [ $now, 1 ])) };
my $two = series2(one('header', [ $now, 1 ]));
my $plain1 = { %$one, content => Http::message1(one('header', [ $now, 1 ])) };
my $plain2 = { %$two, content => Http::message2(one('header', [ $now, 1 ])) };
my ($type, $coding, $version) = ('Content-Type', 'Content-Encoding', 'X-Prometheus-Remote-Write-Version');
for my $case (
	[ 204, 'the message named', $one, $type => 'application/x-protobuf;proto=prometheus.WriteRequest' ],
	[ 204, 'no content type', $one, $type => undef ],
	[ 415, 'an unknown message', $one, $type => 'application/x-protobuf;proto=io.prometheus.write.v3.Request' ],
	[ 415, 'another type', $one, $type => 'application/json' ],
	[ 400, '1.0 said to be 2.0', $one, $type => 'application/x-protobuf;proto=io.prometheus.write.v2.Request' ],
	[ 400, '2.0 said to be 1.0', $two, $type => 'application/x-protobuf' ],
	[ 204, '1.0 compressed, though nothing says so', $one, $coding => undef ],
	[ 204, '2.0 not compressed', $plain2, $coding => undef ],
	[ 204, '2.0 said not to be compressed', $plain2, $coding => 'identity' ],
	[ 204, '1.0 said not to be compressed', $plain1, $coding => 'identity' ],
	[ 204, 'zstd', { %$two, content => zstd($plain2->{content}) }, $coding => 'zstd' ],
	[ 400, 'zstd that is none', $two, $coding => 'zstd' ],
	[ 415, 'gzip', $one, $coding => 'gzip' ],
	[ 400, 'snappy that is none', $plain1 ],
	[ 204, 'no version', $one, $version => undef ],
	[ 204, 'a later version 2', $two, $version => '2.7.1' ],
	[ 415, 'version 3', $two, $version => '3.0.0' ])
{
	my ($status, $what, $options, %headers) = @$case;
	my $told = with_headers($options, %headers);
	is($told->{status}, $status, "$what: $status");
	isnt($told->{content}, '', "$what: why") if $status >= 400;
}

# ---- limits ----

$node->safe_sql(q{ALTER SYSTEM SET mytsdb.remote_write_max_size = '64kB'; SELECT pg_reload_conf()});
my $large = { %$plain1, content => Http::snappy(Http::message1(map { one('x' x 200, [ $_, 1 ]) } 1 .. 400)) };
for (1 .. 600)
{
	$answer = post($large);
	last if $answer->{status} != 204;
	sleep 0.1;
}
is($answer->{status}, 413, 'a message that is too large: 413');
is(post({ %$plain1, content => pack('H*', 'ffffffff0f006100') })->{status}, 413, 'one that says it is of 4 GB, too');
$node->safe_sql('ALTER SYSTEM RESET mytsdb.remote_write_max_size; SELECT pg_reload_conf()');

# ---- writes in part ----

my $good = one('good', [ $now, 1 ]);
my $far = '9223372036854775807';
$answer = post(series2($good,
	{ labels => [ [ __name__ => 'bad' ], [ a => 1 ], [ a => 2 ] ], samples => [ [ $now, 1 ], [ $now + 1, 1 ] ] },
	{ labels => { job => 'nameless' }, samples => [ [ $now, 1 ] ] },
	{ labels => [ [ __name__ => 'bad' ], [ '' => 'x' ] ], samples => [ [ $now, 1 ] ] },
	{ labels => [ [ __name__ => "\xff" ] ], samples => [ [ $now, 1 ] ] },
	{ labels => { __name__ => 'good', long => 'x' x 9000 }, samples => [ [ $now, 1 ] ] },
	one('part', [ $now, 1 ], [ $far, 2 ], [ $now + 1, 3 ]),
	{ labels => { __name__ => 'part' }, histograms => [ { %$integers, time => $now + 2 }, { %$integers, count => 1, time => $now + 3 } ] },
	{ labels => { __name__ => 'part' }, exemplars => [ $exemplar, { %$exemplar, labels => [ [ a => 1 ], [ a => 2 ] ] } ] }));
is(told($answer), '400 3 1 1', '2.0: what is valid is written');
like($answer->{content}, qr/^not all was written: 8 samples and 1 other items are refused$/m, 'how much is not');
like($answer->{content}, qr/^series 2: .*label name "a"/m, 'which, and why');
like($answer->{content}, qr/^and 3 refusals more$/m, 'for the first few');
is(values_of('good'), '1', 'a good series');
is($node->safe_sql(q{SELECT count(*) FROM mytsdb.metrics WHERE labels ~ '{__name__="bad"}'}), '0', 'no bad one');
is(values_of('part'), '1 3', 'and what is good of a series');
$answer = post({ Http::write1($good, { labels => { job => 'nameless' }, samples => [ [ $now, 1 ] ] }, one('part1', [ $now, 5 ], [ $far, 1 ])) });
is(told($answer), '400 2 0 0', '1.0: likewise');
like($answer->{content}, qr/^series 3 \(part1\): timestamp out of range/m, 'a known series is named');
is(values_of('part1'), '5', 'and what is good is written');
$answer = post({ Http::write1({ metadata => { name => 'm', type => 1, help => "\xff" } }, one('part2', [ $now, 5 ])) });
is(told($answer), '400 1 0 0', 'metadata that is not allowed costs no sample');
$answer = post({ %$one, content => Http::snappy(Http::message1(one('lost', [ $now, 1 ])) . "\x0a\xff") });
is(told($answer), '400 0 0 0', 'damage costs the whole request');
is(values_of('lost'), '', 'nothing of it is written');

# ---- metadata that is said again and again ----

my $said = sub {
	return post(series2({ %{ one('said', [ $now, 1 ]) }, metadata => { type => $_[0], help => $_[1] } }))->{status} . ' '
	  . $node->safe_sql(q{SELECT type || ' ' || help FROM mytsdb.metadata WHERE metric = 'said'});
};
is($said->(1, 'first'), '204 counter first', 'metadata of a series') for 1 .. 2;
is($said->(2, 'second'), '204 gauge second', 'when it changes it is written');
is($said->(1, 'first'), '204 counter first', 'and when it changes back');
is(post(series2({ %{ one('wrong', [ $now, 1 ]) }, metadata => { type => 1, help => "\xff" } }))->{status}, 400,
	'what is not allowed is refused') for 1 .. 2;

# ---- the same again, late, and out of order ----

is(post({ Http::write1(one('again', map { [ $now + $_ * 15000, $_ ] } 0 .. 9)) })->{status}, 204, 'ten samples') for 1 .. 3;
is(values_of('again'), join(' ', 0 .. 9), 'sent again they are the same');
$answer = Http::get($port, '/api/v1/query', query => 'count_over_time(again[1h])', time => ($now + 600000) / 1000);
is(Http::data($answer)->{result}[0]{value}[1], '10', 'for PromQL, too');
$node->safe_sql(q{SELECT mytsdb.seal('mytsdb.metrics')});
is(post({ Http::write1(one('again', map { [ $now + $_ * 15000, $_ ] } reverse 0 .. 9)) })->{status}, 204, 'after a seal, in another order');
$node->safe_sql(q{SELECT mytsdb.seal('mytsdb.metrics'), mytsdb.merge('mytsdb.metrics')});
is(values_of('again'), join(' ', 0 .. 9), 'still the same');
is(post({ Http::write1(one('again', [ $now - 86400000, -1 ], [ $now + 15001, 1.5 ])) })->{status}, 204, 'late ones, and between others');
is(values_of('again'), '-1 0 1 1.5 2 3 4 5 6 7 8 9', 'come in');
is(post({ Http::write1(one('stale', [ $now, 'stale' ])) })->{status}, 204, 'a stale marker');
is($node->safe_sql(q{SELECT float8send(value) FROM mytsdb.metrics WHERE labels ~ 'stale'}), '\x7ff0000000000002', 'is kept as it is');

# ---- privileges, tenants ----

$node->safe_sql(q{
	SET password_encryption = 'md5';
	CREATE ROLE reader LOGIN PASSWORD 'secret'; GRANT SELECT ON mytsdb.metrics TO reader;
	SELECT mytsdb.create_tenant('a'), mytsdb.create_tenant('b'), mytsdb.create_tenant('c'), mytsdb.create_tenant('d');
	GRANT USAGE ON SCHEMA tenant_a, tenant_b, tenant_c, tenant_d TO metrics;
	GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA tenant_a, tenant_b, tenant_c, tenant_d TO metrics;
	GRANT USAGE ON SCHEMA tenant_a TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA tenant_a TO reader;
	ALTER TABLE tenant_c.metrics ADD CHECK (value < 100)});
my @reader = (Authorization => Http::basic('reader', 'secret'));
is(post($one, @reader)->{status}, 403, 'who may not INSERT: 403');
is(post($one, @reader, 'X-Scope-OrgID' => 'a')->{status}, 403, 'of a tenant, too');
is(post({ Http::write1(one('t', [ $now, 7 ])) }, 'X-Scope-OrgID' => 'a')->{status}, 204, 'a write to a tenant');
is(values_of('t', 'tenant_a.metrics'), '7', 'goes there');
is(values_of('t'), '', 'and nowhere else');
$answer = post({ Http::write1(one('t', [ $now, 100 ])) }, 'X-Scope-OrgID' => 'c');
is($answer->{status}, 400, 'a constraint that is violated: 400');
like($answer->{content}, qr/check constraint/, 'and why');
is(post({ Http::write1(one('t', [ $now, 99 ])) }, 'X-Scope-OrgID' => 'c')->{status}, 204, 'one that is not');

# ---- together, and alone ----

sub stat_of
{
	return $node->safe_sql("SELECT value FROM mytsdb.stat_server WHERE name = '$_[0]'");
}

# A table that is locked.
my $session = $node->session;
$session->query('BEGIN; LOCK TABLE tenant_b.metrics IN ACCESS EXCLUSIVE MODE');
$answer = post({ Http::write1(one('t', [ $now, 1 ])) }, 'X-Scope-OrgID' => 'b');
is($answer->{status}, 503, 'who waits too long for a lock is to come again');
is($answer->{headers}{'retry-after'}, 1, 'soon');

# While it is, requests wait until the worker is done with one that takes as long as we like.
$node->safe_sql(<<~'SQL');
	CREATE FUNCTION tenant_d.wait_for_us() RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT pg_try_advisory_xact_lock(1) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		RETURN true;
	END $$;
	ALTER TABLE tenant_d.metrics ADD CHECK (tenant_d.wait_for_us());
	SQL
my $holder = $node->session;
$holder->query('SELECT pg_advisory_lock(1)');
my $held = Http->connect($port);
my %held = Http::write1(one('t', [ $now, 1 ]));
push @{ $held{headers} }, 'X-Scope-OrgID' => 'd';
$held->send(Http::bytes('POST', '/api/v1/write', %held));
ok($node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest' AND state = 'active'", '1'),
	'the worker is busy');
my $retried = stat_of('mytsdb_write_retried_requests_total');
my %wrong = (
	5 => [ 403, $one, @reader ],
	11 => [ 400, { %$one, content => 'nonsense' } ],
	17 => [ 400, { Http::write1(one('t', [ $now, 1000 ])) }, 'X-Scope-OrgID' => 'c' ],
	23 => [ 415, { %$one, headers => [ 'Content-Type' => 'text/html' ] } ],
	29 => [ 503, { Http::write1(one('t', [ $now, 1 ])) }, 'X-Scope-OrgID' => 'b' ],
);
my @clients;
for my $i (0 .. 39)
{
	my ($status, $options, @headers) = $wrong{$i} ? @{ $wrong{$i} } : (204, { Http::write1(one("group$i", [ $now, $i ])) });
	my $client = Http->connect($port);
	$client->{expected} = $status;
	$client->send(Http::bytes('POST', '/api/v1/write', %$options, headers => [ @{ $options->{headers} }, @headers ]));
	push @clients, $client;
}
ok($node->wait_for(q{SELECT value FROM mytsdb.stat_server WHERE name = 'mytsdb_write_queue_requests'}, '39'),
	'all wait for it that the gate does not refuse');
$holder->close;
is($held->receive->{status}, 204, 'it is done');
my @answers = map { $_->receive } @clients;
is(join(' ', map { $_->{status} // $_->{error} } @answers), join(' ', map { $_->{expected} } @clients),
	'of many requests at once those fail that are wrong');
is($answers[29]{headers}{'retry-after'}, 1, 'a locked table: with Retry-After');
is($node->safe_sql(q{SELECT count(*) FROM mytsdb.metrics WHERE labels ~ '{__name__=~"group.+"}'}), '35', 'the others are written');
cmp_ok(stat_of('mytsdb_write_retried_requests_total') - $retried, '>', 0, 'some of them alone');
$session->query('ROLLBACK');
is(post({ Http::write1(one('t', [ $now, 1 ])) }, 'X-Scope-OrgID' => 'b')->{status}, 204, 'when the lock is gone its table takes writes');

# ALTER TABLE beside writes: they wait, or come again, and nothing is lost.
my $job = Http::start_job(sub {
	my $client = Http->connect($port);
	my $refused = 0;
	for my $i (1 .. 200)
	{
		my $told = Http::write($client, Http::write1(one('busy', [ $now + $i, $i ])));
		next if $told->{status} == 204;
		die "status $told->{status}: $told->{content}" if $told->{status} != 503;
		$refused++;
		sleep 0.1;
		redo;
	}
	return $refused;
});
while (Http::job_runs($job))
{
	$node->safe_sql(q{ALTER TABLE mytsdb.metrics SET (mytsdb.retention = '100 years')});
	$node->safe_sql('ALTER TABLE mytsdb.metrics RESET (mytsdb.retention)');
}
Http::finish_job($job);
is($node->safe_sql(q{SELECT count(*) || ' ' || sum(value) FROM mytsdb.metrics WHERE labels ~ 'busy'}), '200 20100', 'writes beside ALTER TABLE');

# ---- many new series ----

sub many
{
	my ($prefix, $count) = @_;
	return { Http::write1(map { { labels => { __name__ => 'many', i => "$prefix$_" }, samples => [ [ $now, $_ ] ] } } 1 .. $count) };
}

my $count_many = q{SELECT count(*) || ' ' || count(DISTINCT labels) FROM mytsdb.metrics WHERE labels ~ 'many'};
my $clients = 4;
my @jobs = map { Http::start_job(sub { post(many('p', 2000))->{status} }) } 1 .. $clients;
is(join(' ', map { Http::finish_job($_) } @jobs), join(' ', (204) x $clients), 'several senders make the same series');
is($node->safe_sql($count_many), '2000 2000', 'each is one');
is($node->safe_sql(q{SELECT count(*) FROM mytsdb.metrics WHERE labels = '{"__name__": "many", "i": "p77"}'}), '1', 'and is found');

# Whatever ends a batch of new series: those who come next complete it.
my $series = 2000;
for my $stop ('batch-keys-logged=crash@2', 'batch-keys-added=error', 'batch-keys-added=crash',
	'batch-entries-logged=crash', 'batch-entries-logged=crash@3')
{
	my ($letter) = ('r' .. 'z')[ $series / 1000 - 2 ];
	my $content = unpack 'H*', many($letter, 1000)->{content};
	my $victim = $node->session;
	my $gate = Http::gate($node);
	$victim->query("SET mytsdb.stop_point = '$stop'");
	$victim->query("SELECT samples FROM mytsdb.remote_write('\\x$content', '', 'snappy')");
	ok($stop =~ /crash/ ? $victim->{ended} : !$victim->{ended}, "$stop: it stops");
	Http::wait_restart($gate, $port) if $stop =~ /crash/;
	$series += 1000;
	is(post(many($letter, 1000))->{status}, 204, "$stop: the same again");
	is($node->safe_sql($count_many), "$series $series", 'each series is there once');
	is($node->safe_sql(qq{SELECT count(*) FROM mytsdb.metrics WHERE labels = '{"__name__": "many", "i": "${letter}500"}'}), '1', 'and is found');
}

$node->stop;
unlike($node->log_text, qr/TRAP|PANIC/, 'no assertion has failed');
done_testing();
