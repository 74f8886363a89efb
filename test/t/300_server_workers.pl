# The processes of the server inside: what becomes of requests and of other clients when
# one of them ends, is busy, or has nothing to serve. A query that takes long is one that
# waits for a lock.
use strict;
use warnings;

use FindBin;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port) = Http::node(
	'serve', 'mytsdb.query_workers = 2', 'mytsdb.ingest_workers = 2', 'mytsdb.query_queue = 4',
	'max_worker_processes = 20', 'restart_after_crash = on', 'hot_standby_feedback = on', 'mytsdb.query_timeout = 10min');

$node->safe_sql("CREATE ROLE other LOGIN PASSWORD 'secret'; GRANT SELECT ON mytsdb.metrics TO other");

my $of_query = "FROM pg_stat_activity WHERE backend_type = 'mytsdb query'";

# A session that holds up whoever wants to read the store.
sub hold
{
	my $session = $node->session;
	$session->query("BEGIN; SET search_path = mytsdb; LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE");
	return $session;
}

# Sends a query that is held up, and waits until so many run.
sub start_queries
{
	my ($count) = @_;
	my @clients = map { Http->connect($port) } 1 .. $count;
	$_->send(Http::bytes('GET', '/api/v1/query?query=held')) foreach @clients;
	my $running = $count < 2 ? $count : 2;
	ok($node->wait_for("SELECT count(*) $of_query AND wait_event_type = 'Lock'", $running),
		"$running queries wait for a lock");
	return @clients;
}

# Sends queries while all workers are busy, each when the one before waits: which of several
# connections the gate reads first is not certain.
sub wait_in_line
{
	my ($count) = @_;
	my @clients;
	for my $waiting (1 .. $count)
	{
		my ($client) = Http->connect($port);
		$client->send(Http::bytes('GET', '/api/v1/query?query=held'));
		push @clients, $client;
		ok($node->wait_for("SELECT value FROM mytsdb.stat_server WHERE name = 'mytsdb_queries_waiting'", $waiting),
			"query $waiting waits");
	}
	return @clients;
}

sub write_one
{
	my ($value, $time) = @_;
	return Http::write($port,
		Http::write1({ labels => { __name__ => 'm' }, samples => [ [ $time, $value ] ] }));
}

# Writes while there may be no worker. A write waits for one, but only for some seconds.
sub write_when_there_is_a_worker
{
	my ($value) = @_;
	my $end = time + $Http::timeout;
	my $answer;
	do
	{
		$answer = write_one($value, 1000 * time);
	} while ($answer->{status} == 503 && $answer->{content} =~ /no worker is there/ && time < $end);
	return $answer;
}

# ---- they are there ----

ok($node->wait_for("SELECT string_agg(backend_type || ' ' || n, ', ' ORDER BY backend_type)
	FROM (SELECT backend_type, count(*) AS n FROM pg_stat_activity
		WHERE backend_type IN ('mytsdb gate', 'mytsdb ingest', 'mytsdb query') GROUP BY 1) t",
	'mytsdb gate 1, mytsdb ingest 2, mytsdb query 2'), 'there are as many as were asked for');
ok($node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('mytsdb gate', 'mytsdb ingest', 'mytsdb query')
	AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)", '0'), 'idle ones are in no transaction');
my @mode = stat "$node->{data}/pg_stat_tmp/mytsdb.gate";
is($mode[2] & 07777, 0600, "the workers' socket is for the server's user alone");
is(write_one(1, 1000 * time)->{status}, 204, 'a write');
is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200, 'a query');

# ---- a client that goes away ----

my $lock = hold();
my ($client) = start_queries(1);
is($node->sql("SELECT query $of_query AND state = 'active'"), '/api/v1/query?query=held',
	'pg_stat_activity shows the request');
$client->reset;
ok($node->wait_for("SELECT count(*) $of_query AND state <> 'idle'", '0'),
	'a query ends when its client goes away');

# ---- cancel by hand ----

($client) = start_queries(1);
$node->safe_sql("SELECT pg_cancel_backend(pid) $of_query AND state = 'active'");
my $answer = $client->receive;
is($answer->{status}, 503, 'pg_cancel_backend() cancels a query');
is(Http::json($answer)->{errorType}, 'canceled', 'as the API says it');
$lock->query('ROLLBACK');
$node->safe_sql("SELECT pg_cancel_backend(pid) $of_query");
is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200,
	'an idle worker is not moved by it');
is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200, 'nor the next query');

# ---- time ----

$lock->query("BEGIN; LOCK TABLE mytsdb.metrics IN ACCESS EXCLUSIVE MODE");
$answer = Http::get($port, '/api/v1/query', query => 'm', timeout => '500ms');
is($answer->{status}, 503, 'the parameter timeout ends a query, long before mytsdb.query_timeout');
is(Http::json($answer)->{errorType}, 'timeout', 'as the API says it');

# ---- limits ----

my @clients = (start_queries(2), wait_in_line(4));
$answer = Http::get($port, '/api/v1/query', query => 'm');
is($answer->{status}, 503, 'more may not wait');
ok($answer->{headers}{'retry-after'}, 'and are asked to come again');
is(Http::get($port, '/-/healthy')->{status}, 200, 'the gate answers');
my $other = Http->connect($port);
$other->send(Http::bytes('GET', '/api/v1/query?query=held',
	headers => [ Authorization => Http::basic('other', 'secret') ]));
is((pop @clients)->receive->{status}, 503, 'the latest of the role that asks most makes room for another role');
$lock->query('ROLLBACK');
is_deeply([ map { $_->receive->{status} } @clients, $other ], [ (200) x 6 ], 'those that wait are answered');

# ---- a worker ends ----

$lock->query("BEGIN; LOCK TABLE mytsdb.metrics IN ACCESS EXCLUSIVE MODE");
@clients = start_queries(1);
my $pid = $node->sql("SELECT pid $of_query AND state = 'active'");
$node->safe_sql("SELECT pg_terminate_backend($pid)") for 1 .. 2;
$answer = $clients[0]->receive;
like($answer->{status}, qr/^50[23]$/, 'a worker that ends costs its request');
$lock->query('ROLLBACK');
is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200, 'and no other');
ok($node->wait_for("SELECT count(*) $of_query", '2'), 'there is another one soon');

$node->safe_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest'");
is(write_when_there_is_a_worker(2)->{status}, 204, 'a write waits for an ingest worker');

$node->safe_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'");
ok($node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'", '1'),
	'a gate that is ended comes back');
Http::wait_ready($port);
is(write_one(3, 1000 * time)->{status}, 204, 'its workers too: a write');
is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200, 'and a query');

for my $kind ('query', 'ingest', 'gate')
{
	my $victim = $node->sql("SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'mytsdb $kind'");
	my $gate = Http::gate($node);
	kill 'KILL', $victim or Cluster::tools('as_server', 'kill', '-9', $victim);
	Http::wait_restart($gate, $port);
	is(write_one(4, 1000 * time)->{status}, 204, "kill -9 of the $kind: a write soon after");
	is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200, 'and a query');
}

# ---- a client that reads slowly ----

$node->safe_sql(q{INSERT INTO mytsdb.metrics SELECT labels('{"__name__": "many", "i": "' || i || '"}'),
	to_timestamp(1000000), i FROM generate_series(1, 400) i});
$client = Http->connect($port, receive_buffer => 4096);
$client->send(Http::bytes('GET', '/api/v1/query_range?' . Http::form(query => 'last_over_time(many[1d])',
	start => 1000000, end => 1005000, step => 1)));
ok($client->has_answer($Http::timeout), 'a long answer begins');
ok($node->wait_for("SELECT count(*) $of_query AND (state <> 'idle' OR backend_xmin IS NOT NULL)", '0'),
	'while it is read slowly no worker holds a snapshot');
is($node->sql("SELECT count(*) FROM pg_locks WHERE pid IN (SELECT pid $of_query)"), '0', 'nor a lock');
$answer = $client->receive;
is($answer->{status}, 200, 'it comes whole');
is(scalar @{ Http::data($answer)->{result} }, 400, 'with all series');
is($node->sql("SELECT count(*) FROM pg_ls_tmpdir()"), '0', 'no temporary file is left');

# ---- extension and database ----

$node->safe_sql('DROP EXTENSION mytsdb CASCADE');
ok(Http::wait_status($port, 503), 'the gate, which looks now and then, sees that the extension is gone');
$answer = Http::get($port, '/api/v1/query', query => 'm');
is($answer->{status}, 503, 'without the extension nothing is served');
$node->safe_sql('CREATE EXTENSION mytsdb');
$node->safe_sql('GRANT SELECT, INSERT ON mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata TO metrics');
Http::wait_ready($port);
is(write_one(5, 1000 * time)->{status}, 204, 'when it is created it is');
is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200, 'and can be asked');

$node->safe_sql('CREATE DATABASE copy TEMPLATE postgres');
Http::wait_ready($port);
is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200,
	'the database that is served can be copied');
is($node->sql('SELECT count(*) FROM mytsdb.metrics', 'copy'), '1', 'with what is in it');

# ---- a hot standby ----

my $standby_port = Http::port();
my $standby = Cluster->new('standby');
$standby->backup_of($node, '-R');
ok(!-e "$standby->{data}/pg_stat_tmp/mytsdb.gate", 'a base backup has no socket');
$standby->configure("mytsdb.http_port = $standby_port", 'mytsdb.shutdown_grace = 10min');
$standby->start;
$standby->catch_up($node);
Http::wait_ready($standby_port);
$answer = Http::get($standby_port, '/api/v1/query', query => 'count_over_time(m[1d])');
is($answer->{status}, 200, 'a hot standby answers queries');
is(scalar @{ Http::data($answer)->{result} }, 1, 'with what there is');
$answer = Http::write($standby_port, Http::write1({ labels => { __name__ => 'm' }, samples => [ [ 1000 * time, 1 ] ] }));
is($answer->{status}, 503, 'and takes no write');
like($answer->{content}, qr/standby/, 'and says why');
$node->stop;
$standby->promote;
my $end = time + $Http::timeout;
while (($answer = Http::write($standby_port,
	Http::write1({ labels => { __name__ => 'm' }, samples => [ [ 1000 * time, 1 ] ] })))->{status} != 204
	&& time < $end)
{
	sleep 0.2;
}
is($answer->{status}, 204, 'promoted, it takes writes');

# ---- the end ----

# A query that waits for the lock of a transaction that is prepared: that is there whatever stops.
sub hold_on_standby
{
	$standby->safe_sql(q{BEGIN; LOCK TABLE mytsdb.metrics IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'held'});
	my $held = Http->connect($standby_port);
	$held->send(Http::bytes('GET', '/api/v1/query?query=held'));
	ok($standby->wait_for("SELECT count(*) $of_query AND wait_event_type = 'Lock'", '1'), 'a query runs');
	return $held;
}

# As the postmaster does: it signals a process, and then the process' group.
$client = hold_on_standby();
my $told = $standby->safe_sql("SELECT pid $of_query AND state = 'active'");
kill 'TERM', $told, -$told or Cluster::tools('as_server', 'kill', '-TERM', '--', $told, "-$told");
$standby->safe_sql(q{ROLLBACK PREPARED 'held'});
is($client->receive->{status}, 200, 'a worker that is told to stop ends what it runs');

$standby->stop;
$standby->configure("mytsdb.shutdown_grace = '1s'");
$standby->start;
Http::wait_ready($standby_port);
$client = hold_on_standby();
ok($standby->stop, 'the server stops while a query waits for a lock');
unlike($_->log_text, qr/signal (?!9:)\d+:|TRAP|Sanitizer|runtime error|PANIC/, "no process of the $_->{name} has crashed")
  foreach $node, $standby;

# ---- a database that is not there yet ----

$port = Http::port();
$node = Cluster->new('later');
$node->initdb([], "mytsdb.http_port = $port", "mytsdb.listen_addresses = '127.0.0.1'",
	"mytsdb.database = 'later'", "mytsdb.anonymous_role = 'metrics'", 'max_worker_processes = 6',
	"mytsdb.hot_memory = '1MB'", 'mytsdb.maintenance_workers = 0');
$node->start;
like($node->log_text, qr/mytsdb starts \d of 7 processes that serve HTTP/,
	'too few worker processes: it is said');
$node->safe_sql('CREATE DATABASE later');
Http::create_store($node, 'later');
Http::wait_ready($port);
is(write_one(1, 1000 * time)->{status}, 204, 'a database that was made later is served: a write');
is(Http::get($port, '/api/v1/query', query => 'm')->{status}, 200, 'and a query');

# ---- hot memory is full, and nothing seals ----

my %many = Http::write1(map { my $i = $_;
	{ labels => { __name__ => 'm', i => $i }, samples => [ map { [ 1000 * time + $_, $i ] } 1 .. 20 ] } } 1 .. 500);
my @answers;
for (1 .. 200)
{
	push @answers, Http::write($port, %many);
	last if $answers[-1]{status} != 204;
}
$answer = pop @answers;
is($answer->{status}, 503, 'writes are held off');
like($answer->{content}, qr/hot memory is full/, 'and it is said why');
ok($answer->{headers}{'retry-after'}, 'and when to come again');
is(scalar(grep { $_->{status} != 204 } @answers), 0, 'those before were taken');
$end = time + $Http::timeout;
sleep 0.1 while ($answer = write_one(2, 1000 * time))->{status} == 503 && time < $end;
is($answer->{status}, 204, 'a while later some are let in again');
$node->stop;

done_testing();
