# What the server inside says of itself: /metrics in both formats, the views with the same
# figures, its own metrics in the store, and its log.
use strict;
use warnings;
use feature 'state';

use File::Basename qw(dirname);
use File::Temp;
use FindBin;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;
use Prometheus;

chdir $ENV{MYTSDB_ROOT} or die $!;
my $dir = Cluster::prepare('assert');
my ($node, $port) = Http::node('metrics', "log_destination = 'jsonlog'", 'logging_collector = on',
	"log_filename = 'server.log'", "mytsdb.log_requests = 'all'", 'mytsdb.log_min_request_duration = 0',
	'mytsdb.auth_failures = 3', 'max_worker_processes = 20', 'mytsdb.maintenance_workers = 0', 'autovacuum = off',
	'mytsdb.ingest_workers = 2', 'mytsdb.query_workers = 4');

# All samples of a text: "name{labels}" => value.
sub samples
{
	my ($text) = @_;
	my %samples;
	foreach my $line (split /\n/, $text)
	{
		next if $line =~ /^#/;
		my ($series, $value) = $line =~ /^(\S+(?:\{.*\})?) (\S+)$/ or die "no sample: $line";
		die "twice: $series" if exists $samples{$series};
		$samples{$series} = $value;
	}
	return \%samples;
}

# Connections that were closed may still be counted among those that there may be.
sub scrape
{
	my ($accept) = @_;
	my $end = time + 180;
	my $answer;
	do
	{
		$answer = Http->connect($port)->request('GET', '/metrics', headers => [ $accept ? (Accept => $accept) : () ]);
	} until ($answer->{status} // 0) == 200 || time > $end;
	return $answer;
}

my $before;

# What a piece of work adds to the figures.
sub work
{
	my ($code) = @_;
	$before = samples(scrape()->{content});
	$code->();
	my $after = samples(scrape()->{content});
	my %added = map { $_ => $after->{$_} - ($before->{$_} // 0) } keys %$after;
	return \%added;
}

# Checks that figures have moved, by no less than the numbers given.
sub moves
{
	my ($what, $added, %wanted) = @_;
	my @not = grep { ($added->{$_} // 0) < $wanted{$_} } sort keys %wanted;
	ok !@not, "$what is counted" or diag map { "$_: " . ($added->{$_} // 'none') . " of $wanted{$_}\n" } @not;
	return;
}

# Changes settings, and waits until the gate has read them: then its limit of connections is
# another one.
sub set
{
	my (@settings) = @_;
	state $limit = 3000;
	$limit++;
	@settings = ("mytsdb.max_http_connections = $limit", @settings);
	my ($wanted) = map { /max_http_connections = (\d+)/ } reverse @settings;
	$node->configure(@settings);
	$node->program('pg_ctl', '-D', $node->{data}, 'reload', '-s');
	my $end = time + 180;
	sleep 0.02 until samples(scrape()->{content})->{mytsdb_http_connections_limit} == $wanted || time > $end;
	return;
}

# A session that keeps all requests to the store waiting until it ends its transaction.
sub hold
{
	my $session = $node->session;
	$session->query('BEGIN; LOCK TABLE mytsdb.metrics IN ACCESS EXCLUSIVE MODE');
	return $session;
}

# Waits until so many requests run.
sub wait_running
{
	my ($count) = @_;
	return $node->wait_for('SELECT count(*) FROM mytsdb.stat_workers WHERE request_id IS NOT NULL AND request IS NOT NULL', $count);
}

# Sends two writes, one of which waits for the other, until both workers have had one; those that
# wait for a lock for some seconds are refused.
sub ask_ingest_workers
{
	my $begin = $node->safe_sql('SELECT clock_timestamp()');
	my $both = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest' AND query_start > '$begin'";
	my $end = time + 180;
	my $seen;
	do
	{
		my $lock = hold();
		my @clients = map { Http->connect($port) } 1 .. 2;
		$_->send(Http::bytes('POST', '/api/v1/write', Http::write1({ labels => { __name__ => 'w' }, samples => [ [ 1000, 1 ] ] })))
		  foreach @clients;
		sleep 0.05 until ($seen = $node->safe_sql($both)) == 2 || $clients[0]->has_answer(0) || time > $end;
		$lock->query('COMMIT');
		$lock->close;
		$_->receive foreach @clients;
	} until $seen == 2 || time > $end;
	is $seen, 2, 'each ingest worker is asked to write';
	return;
}

# Queries in all workers at the same time, when those for writes have been asked, too: so all
# are there. Returns what is seen then.
sub all_workers
{
	ask_ingest_workers();
	my $lock = hold();
	my @clients = map { Http->connect($port) } 1 .. 4;
	$_->send(Http::bytes('GET', '/api/v1/query?query=up')) foreach @clients;
	wait_running(4);
	my $seen = samples(scrape()->{content});
	$lock->query('COMMIT');
	$lock->close;
	is join(' ', map { $_->receive->{status} } @clients), '200 200 200 200', 'each query worker answers a request';
	return $seen;
}

# ---- formats ----

Http::get($port, '/api/v1/query', query => '1');
my $text = scrape();
is $text->{status}, 200, '/metrics is answered';
like $text->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4}, 'as text';
my $open = scrape('application/openmetrics-text; version=1.0.0,text/plain;q=0.5');
like $open->{headers}{'content-type'}, qr{^application/openmetrics-text; version=1\.0\.0}, 'as OpenMetrics, if asked for';
like $open->{content}, qr/\n# EOF\n\z/, 'OpenMetrics ends with a mark';
unlike $text->{content}, qr/# (?:EOF|UNIT)/, 'text has none';

my %kinds = $text->{content} =~ /^# TYPE (\S+) (\S+)$/mg;
my %open_kinds = $open->{content} =~ /^# TYPE (\S+) (\S+)$/mg;
cmp_ok scalar(keys %kinds), '>=', 40, 'there are at least 40 families';
is_deeply [ map { /_total$/ && $kinds{$_} ne 'counter' } sort keys %kinds ], [ map { '' } keys %kinds ],
  'only counters end with _total';
is_deeply { map { ($open_kinds{$_} eq 'counter' ? $_ . '_total' : $_) => $open_kinds{$_} } keys %open_kinds }, \%kinds,
  'both formats have the same families';
my @units = $open->{content} =~ /^# UNIT (\S+) (\S+)$/mg;
my @wrong;
while (my ($name, $unit) = splice @units, 0, 2)
{
	push @wrong, $name unless $name =~ /_$unit$/;
}
is_deeply \@wrong, [], 'families with a unit end with it';
my $found = samples($text->{content});
foreach my $name (qw(mytsdb_write_mutex_lock_seconds_total mytsdb_write_sample_append_seconds_total
	mytsdb_query_duration_seconds_count mytsdb_query_duration_seconds_sum mytsdb_query_duration_seconds_bucket{le="0.001"}
	mytsdb_read_index_search_seconds_total process_cpu_seconds_total process_resident_memory_bytes process_open_fds
	mytsdb_hot_memory_used_bytes mytsdb_log_bytes_total))
{
	ok exists $found->{$name}, $name;
}
ok exists samples($open->{content})->{'mytsdb_query_duration_seconds_bucket{le="1.0"}'}, 'bounds in OpenMetrics are floats';

SKIP:
{
	my $program = $ENV{MYTSDB_PROMETHEUS};
	skip 'MYTSDB_PROMETHEUS names no Prometheus to scrape', 4 unless $program;
	my $promtool = dirname($program) . '/promtool';
	open my $in, '|-', "'$promtool' check metrics > '$dir/promtool' 2>&1" or die $!;
	print $in $text->{content};
	my $closed = close $in;
	ok $closed && -z "$dir/promtool", 'promtool has nothing to say' or diag Cluster::slurp("$dir/promtool");

	# It asks for OpenMetrics, which promtool does not read.
	my $tmp = File::Temp->newdir('mytsdb-prometheus.XXXXXX', TMPDIR => 1);
	my $prometheus = Prometheus->start_with(
		"scrape_configs:\n  - job_name: ours\n    scrape_interval: 2s\n    scrape_timeout: 2s\n"
		  . "    static_configs:\n      - targets: ['127.0.0.1:$port']\n", $program, "$tmp");
	my ($its_port) = $prometheus->{url} =~ /:(\d+)$/;
	my ($scraped, $target);
	my $end = time + 180;
	do
	{
		sleep 0.1;
		# which may have had no time to answer, once
		$target = Http::data(Http::get($its_port, '/api/v1/targets'))->{activeTargets}[0];
		$scraped = $prometheus->ask('query', query => 'max_over_time((scrape_samples_scraped{job="ours"} * up)[1h:1s])')
		  ->{data}{result}[0]{value}[1] // 0;
	} until $scraped > 0 && ($target->{health} // '') eq 'up' || time > $end;
	cmp_ok $scraped, '>=', keys %{ samples($open->{content}) }, 'Prometheus takes all samples';
	is $target->{lastError}, '', 'and has nothing to complain of';
	my $metadata = Http::data(Http::get($its_port, '/api/v1/targets/metadata', metric => 'mytsdb_write_sample_append_seconds'))->[0];
	is_deeply [ $metadata->{type}, $metadata->{unit} ], [ 'counter', 'seconds' ], 'it knows what they are';
	$prometheus->stop;
}

# ---- what is counted ----

my $now = int(time * 1000);
my $added = work(sub {
		my $answer = Http::write($port, Http::write1(
			map { { labels => { __name__ => 'm', n => $_ }, samples => [ [ $now, $_ ] ] } } 1 .. 10));
		is $answer->{status} . ($answer->{status} =~ /^20/ ? '' : $answer->{content}), $answer->{status}, 'a write is taken';
	});
moves('a write', $added,
	mytsdb_write_requests_total => 1, 'mytsdb_write_samples_total{type="float"}' => 10, mytsdb_write_commits_total => 1,
	mytsdb_write_received_bytes_total => 50, mytsdb_write_decoded_bytes_total => 100,
	mytsdb_write_sample_append_seconds_total => 1e-6, mytsdb_write_commit_seconds_total => 1e-6,
	mytsdb_new_series_total => 10, mytsdb_log_records_total => 1, mytsdb_log_bytes_total => 10,
	mytsdb_series_cache_misses_total => 10, mytsdb_hot_memory_appends_total => 1,
	mytsdb_write_request_duration_seconds_count => 1, mytsdb_http_received_bytes_total => 100,
	mytsdb_http_connections_accepted_total => 1,
	'mytsdb_http_request_duration_seconds_count{route="/api/v1/write"}' => 1);

$added = work(sub { Http::write($port, Http::write1({ labels => { __name__ => 'm', n => 1 }, samples => [ [ $now + 1, 1 ] ] })) for 1 .. 4 });
moves('a series that is known', $added, mytsdb_series_cache_hits_total => 1);

$added = work(sub {
		Http::write($port, Http::write1(
			{ labels => { __name__ => 'h' }, histograms => [ { time => $now, count => 1, sum => 1, zero_count => 1 } ] },
			{ labels => { __name__ => 'm', n => 1 }, samples => [ [ $now + 1, 1 ] ],
				exemplars => [ { labels => { trace_id => 'x' }, value => 1, time => $now } ] },
			{ labels => { n => 'no name' }, samples => [ [ $now, 1 ], [ $now + 1, 1 ] ] },
			{ metadata => { name => 'm', type => 1, help => 'help' } }));
	});
moves('what a write may have', $added,
	'mytsdb_write_samples_total{type="histogram"}' => 1, mytsdb_write_exemplars_total => 1, mytsdb_write_metadata_total => 1,
	mytsdb_write_refused_samples_total => 2, 'mytsdb_http_requests_total{route="/api/v1/write",status="400"}' => 1);

$added = work(sub {
		my $matcher = Http::field_varint(1, 0) . Http::field_bytes(2, '__name__') . Http::field_bytes(3, 'm');
		my $query = Http::field_varint(1, $now) . Http::field_varint(2, $now + 10) . Http::field_bytes(3, $matcher);
		my $answer = Http->connect($port)->request('POST', '/api/v1/read', content => Http::snappy(Http::field_bytes(1, $query)),
			headers => [ 'Content-Type' => 'application/x-protobuf', 'Content-Encoding' => 'snappy' ]);
		is $answer->{status}, 200, 'a remote read is answered';
	});
moves('a remote read', $added, mytsdb_read_requests_total => 1, mytsdb_read_samples_total => 10,
	'mytsdb_http_requests_total{route="/api/v1/read",status="200"}' => 1);

$added = work(sub {
		is Http::data(Http::get($port, '/api/v1/query', query => 'count(m)', time => $now / 1000))->{result}[0]{value}[1], 10,
		  'a query is answered';
	});
moves('a query', $added,
	mytsdb_queries_total => 1, mytsdb_query_duration_seconds_count => 1, mytsdb_query_duration_seconds_sum => 1e-6,
	'mytsdb_query_duration_seconds_bucket{le="+Inf"}' => 1, mytsdb_queue_duration_seconds_count => 1,
	mytsdb_read_index_searches_total => 1, mytsdb_read_index_search_seconds_total => 1e-6, mytsdb_read_rows_total => 10,
	mytsdb_query_samples_total => 10, 'mytsdb_http_requests_total{route="/api/v1/query",status="200"}' => 1);

$added = work(sub { Http::get($port, '/api/v1/query', query => 'count(') });
moves('a query that fails', $added, mytsdb_queries_failed_total => 1,
	'mytsdb_http_requests_total{route="/api/v1/query",status="400"}' => 1);

$added = work(sub { Http::get($port, '/nowhere') });
moves('a path that is not there', $added, 'mytsdb_http_requests_total{route="unknown",status="404"}' => 1);

$added = work(sub { Http->connect($port)->request('DELETE', '/api/v1/query') });
moves('a wrong method', $added, 'mytsdb_http_requests_total{route="/api/v1/query",status="405"}' => 1);

$added = work(sub { my $client = Http->connect($port); $client->send("not HTTP\r\n\r\n"); $client->receive; });
moves('what is no HTTP', $added, mytsdb_http_malformed_requests_total => 1);

$added = work(sub { Http::write($port, content => Http::snappy('no message')) });
moves('a write that fails', $added, mytsdb_write_failed_requests_total => 1);

$added = work(sub {
		Http->connect($port)->request('GET', '/api/v1/query?query=1', headers => [ Authorization => Http::basic('nobody', 'x') ])
		  for 1 .. 5;
	});
moves('logins that fail', $added, mytsdb_http_auth_failures_total => 3,
	'mytsdb_http_requests_total{route="/api/v1/query",status="401"}' => 3);
moves('an address that fails too often', $added, mytsdb_http_auth_throttled_total => 1,
	'mytsdb_http_requests_total{route="/api/v1/query",status="429"}' => 1);

$added = work(sub {
		$node->safe_sql(q{SELECT mytsdb.seal('mytsdb.metrics')});
		Http::write($port, Http::write1({ labels => { __name__ => 'm', n => 1 }, samples => [ [ $now + 2, 1 ] ] }));
		$node->safe_sql(q{SELECT mytsdb.seal('mytsdb.metrics')});
		$node->safe_sql(q{SELECT mytsdb.merge('mytsdb.metrics')});
		$node->safe_sql(q{SELECT count(value) FROM mytsdb.metrics});
		$node->safe_sql(q{SELECT mytsdb.drop_before('mytsdb.metrics', 'infinity')});
	});
moves('maintenance', $added,
	mytsdb_seals_total => 2, mytsdb_seal_rows_total => 12, mytsdb_seal_seconds_total => 1e-6, mytsdb_merges_total => 1,
	mytsdb_merge_rows_total => 12, mytsdb_merge_seconds_total => 1e-6, mytsdb_read_chunks_total => 10,
	mytsdb_read_blocks_total => 1, mytsdb_retention_dropped_blocks_total => 1,
	mytsdb_hot_memory_dropped_generations_total => 1);

# ---- gauges ----

my @idle = map { Http->connect($port) } 1 .. 5;
$_->request('GET', '/-/healthy') for @idle;
$found = samples(scrape()->{content});
cmp_ok $found->{mytsdb_http_connections}, '>=', 6, 'connections are seen';
is $found->{mytsdb_queries_running}, 0, 'no query runs';
@idle = ();
$found = all_workers();
is $found->{'mytsdb_workers{kind="ingest"}'}, 2, 'ingest workers are seen';
is $found->{'mytsdb_workers{kind="query"}'}, 4, 'query workers are seen';
is $found->{mytsdb_queries_running}, 4, 'queries that run are seen';
ok exists $found->{'mytsdb_process_cpu_seconds_total{kind="query",number="4"}'}, 'processes are seen';
my $lock = hold();
my $slow = Http->connect($port);
my $expensive = Http::bytes('GET', '/api/v1/query?' . Http::form(query => 'sum(max_over_time(rate(big[30m])[1h:50ms]))'));
my $asked = $node->safe_sql('SELECT clock_timestamp()');
$slow->send($expensive);
wait_running(1);
my $worker = $node->safe_sql(
	qq{SELECT kind, request_id > 0, request, since BETWEEN '$asked' AND clock_timestamp() FROM mytsdb.stat_workers WHERE request_id IS NOT NULL});
like $worker, qr{^query\|t\|.*max_over_time.*\|t$}, 'stat_workers shows what runs';
is samples(scrape()->{content})->{mytsdb_queries_running}, 1, 'a query that runs is seen';
is $node->safe_sql(q{SET ROLE metrics; SELECT count(request) FROM mytsdb.stat_workers}), 0, 'but not shown to everybody';
ok !$slow->has_answer(0), 'it runs still' or diag $slow->receive->{content};
$added = work(sub {
		$slow->reset;
		my $end = time + 180;
		sleep 0.05 while samples(scrape()->{content})->{mytsdb_queries_running} && time < $end;
	});
moves('a client that goes away', $added, mytsdb_queries_canceled_total => 1);

set('mytsdb.shutdown_grace = 0');
$slow = Http->connect($port);
$slow->send($expensive);
$added = work(sub {
		$node->wait_for(q{SELECT count(pg_terminate_backend(pid)) FROM mytsdb.stat_workers WHERE request LIKE '%max_over_time%'}, '1');
		is $slow->receive->{status}, 502, 'a request whose worker ends is answered';
	});
$lock->close;
moves('a worker that ends', $added, mytsdb_workers_lost_total => 1,
	'mytsdb_http_requests_total{route="/api/v1/query",status="502"}' => 1);

# ---- limits ----

$node->safe_sql(q{CREATE ROLE limited LOGIN PASSWORD 'secret'; GRANT metrics TO limited;
	ALTER ROLE limited SET mytsdb.request_rate = 1});
set('mytsdb.auth_failures = 1000');
$added = work(sub {
		my $client = Http->connect($port);
		my @credentials = (Authorization => Http::basic('limited', 'secret'));
		my $end = time + 180;
		1 until $client->request('GET', '/api/v1/query?query=1', headers => [@credentials])->{status} == 429 || time > $end;
	});
moves('a role that asks too often', $added, mytsdb_http_rate_limited_total => 1);

set('mytsdb.max_http_connections = 3');
$added = work(sub { my @clients = map { Http->connect($port) } 1 .. 5; $clients[4]->receive; });
moves('too many connections', $added, mytsdb_http_connections_refused_total => 1);

set('mytsdb.http_header_timeout = 100ms');
$added = work(sub { my $client = Http->connect($port); $client->send("GET / HTTP/1.1\r\n"); $client->receive; });
moves('a head that does not come', $added, mytsdb_http_connections_timed_out_total => 1);
set('mytsdb.http_header_timeout = 10min');

# ---- another gate ----

@idle = map { Http->connect($port) } 1 .. 5;
$_->request('GET', '/-/healthy') for @idle;
$node->safe_sql(q{SELECT pg_terminate_backend(pid) FROM mytsdb.stat_workers WHERE kind = 'gate'});
ok $idle[0]->is_closed, 'a gate that ends closes its connections';
Http::wait_ready($port);
cmp_ok samples(scrape()->{content})->{mytsdb_http_connections}, '<=', 3, 'connections of the gate before are not counted';
$found = all_workers();
is $found->{'mytsdb_workers{kind="query"}'} + $found->{'mytsdb_workers{kind="ingest"}'}, 6, 'workers are counted once';
cmp_ok $found->{mytsdb_queries_total}, '>=', 5, 'counters go on';

# ---- views ----

# /metrics itself, what PostgreSQL's own sessions do, and times of the process are left out.
my $view = $node->safe_sql(q{SELECT name || CASE WHEN labels = '{}' THEN '' ELSE labels::text END || ' ' || value
	FROM mytsdb.stat_server WHERE name !~ '^mytsdb_(http|log|hot|series|read|write_mutex)' AND name <> 'mytsdb_build_info'
		AND labels->>'le' IS NULL});
my $metrics = samples(scrape()->{content});
my $same = 0;
my @different;
foreach my $line (split /\n/, $view)
{
	my ($series, $value) = $line =~ /^(.*) (\S+)$/;
	next if $series =~ /selectors|regex/;
	defined $metrics->{$series} && abs($metrics->{$series} - $value) <= 1e-6 * abs $value ? $same++ : push @different, $line;
}
is_deeply \@different, [], 'the views have the figures of /metrics';
cmp_ok $same, '>', 40, 'most of them';
is $node->safe_sql(q{SELECT requests, client_errors, server_errors, seconds > 0 FROM mytsdb.stat_http
	WHERE route = '/api/v1/write'}), join('|',
	$metrics->{'mytsdb_http_request_duration_seconds_count{route="/api/v1/write"}'}, 2,
	$metrics->{'mytsdb_http_requests_total{route="/api/v1/write",status="503"}'} // 0, 't'), 'stat_http';
is $node->safe_sql(q{SELECT requests, samples FROM mytsdb.stat_ingest}),
  "$metrics->{mytsdb_write_requests_total}|$metrics->{'mytsdb_write_samples_total{type=\"float\"}'}", 'stat_ingest';
is $node->safe_sql(q{SELECT queries, failed FROM mytsdb.stat_queries}),
  "$metrics->{mytsdb_queries_total}|$metrics->{mytsdb_queries_failed_total}", 'stat_queries';
is $node->safe_sql(q{SELECT auth_failures, malformed_requests FROM mytsdb.stat_connections}),
  "$metrics->{mytsdb_http_auth_failures_total}|$metrics->{mytsdb_http_malformed_requests_total}", 'stat_connections';

# ---- the log ----

# What is in the log by now: who writes it is behind those who send it their messages.
sub log_lines
{
	my $text = Cluster::tools('as_server', 'cat', "$node->{data}/log/server.json");
	return map { JSON::PP->new->decode($_) } $text =~ /^(.*\S.*)\n/mg;
}

# Waits for a message; returns all that have come until then. Those of one process come in order.
sub wait_for_log
{
	my ($pattern, $what) = @_;
	my $end = time + 180;
	my @lines;
	my $seen = 0;
	until ($seen || time > $end)
	{
		@lines = log_lines();
		$seen = grep { $_->{message} =~ $pattern } @lines;
		sleep 0.1 unless $seen;
	}
	ok $seen, $what;
	return @lines;
}

Http::post($port, '/api/v1/query', query => "vector(1)\n+ 41 # \"x\"\n");
my $long = 'vector(1)' . (' + 1' x 1000);
Http::post($port, '/api/v1/query', query => $long);
Http::post($port, '/api/v1/admin/tsdb/clean_tombstones');
Http::get($port, "/a\\b\"c", x => 1);
my @lines = wait_for_log(qr{^http request .*status=404 .*path=.*\bc\b}, 'a path that is not there is logged');
my @requests = grep { $_->{message} =~ /^http request / } @lines;
cmp_ok scalar(@requests), '>=', 30, 'requests are logged, each on one line';
is_deeply [ grep { $_->{message} =~ /\n/ } @requests ], [], 'without line breaks';
my ($line) = grep { $_->{message} =~ /query=.*\b41\b/ } @requests;
like $line->{message},
  qr{^http request id=\d+ method=POST route=/api/v1/query status=200 duration_ms=\d+\.\d\d\d role=metrics client=127\.0\.0\.1\S* slow=true query="vector\(1\)\\n\+ 41 # \\"x\\"\\n"$},
  'a request has its id, route, status, time, role, client and, being slow, its expression';
is $line->{error_severity}, 'LOG', 'as a message of level LOG';
($line) = grep { $_->{message} =~ /\+ 1 \+ 1/ } @requests;
like $line->{message}, qr/\+ 1 \.?\.*.*\.\.\."$/, 'of a long expression the beginning';
cmp_ok length $line->{message}, '<', 1500, 'and no more';
like join("\n", map { $_->{message} } @lines), qr{^mytsdb audit: .*clean_tombstones.*role=metrics}m,
  'administrative requests are in the audit trail';
like join("\n", map { $_->{message} } @lines), qr{^mytsdb audit: .*role=nobody}m, 'as are refused logins';

set("mytsdb.log_requests = 'errors'", 'mytsdb.log_min_request_duration = -1');
Http::post($port, '/api/v1/admin/tsdb/snapshot');
Http::get($port, '/api/v1/query', query => '1');
Http::get($port, '/nowhere');
Http::post($port, '/api/v1/admin/tsdb/delete_series');
my $messages = join '', map { "$_->{message}\n" } wait_for_log(qr{^mytsdb audit: .*/delete_series}, 'the audit trail goes on');
my ($between) = $messages =~ m{^mytsdb audit: [^\n]*/snapshot(.*)^mytsdb audit: [^\n]*/delete_series}ms;
is_deeply [ $between =~ /^http request .* status=(\d+)/mg ], [503], 'without being asked for, good requests are not logged';

# ---- our own metrics in the store ----

set('mytsdb.self_metrics_interval = 200ms');
ok $node->wait_for(q{SELECT count(*) >= 3 FROM mytsdb.metrics WHERE labels ~ 'mytsdb_write_requests_total{job="mytsdb"}'}, 't'),
  'our own metrics are stored';
my $series = Http::data(Http::get($port, '/api/v1/query', query => '{job="mytsdb"}'))->{result};
cmp_ok scalar(@$series), '>=', 100, 'and can be queried';
like $series->[0]{metric}{instance}, qr/^[^:]+:$port$/, 'with our address as their instance';
my %names = map { $_->{metric}{__name__} => 1 } @$series;
is_deeply [ grep { !$names{$_} } map { s/\{.*//sr } sort keys %$metrics ], [], 'under the names that /metrics has';
like Http::get($port, '/api/v1/metadata', metric => 'mytsdb_write_requests_total')->{content},
  qr/"type":"counter","help":"Write requests that were committed\."/, 'with metadata';
like Http::data(Http::get($port, '/api/v1/query', query => 'histogram_quantile(0.9, mytsdb_query_duration_seconds_bucket)'))
  ->{result}[0]{value}[1], qr/^[\d.]/, 'histograms have their buckets';

# What cannot be written is not lost without a word, and comes back by itself.
my $session = $node->session;
$session->query('BEGIN; LOCK TABLE mytsdb.metrics IN SHARE MODE');
wait_for_log(qr/could not store its own metrics/, 'a failure is logged');
$session->query('COMMIT');
$session->close;
wait_for_log(qr/stores its own metrics again/, 'as is its end');

$node->stop;
done_testing;
