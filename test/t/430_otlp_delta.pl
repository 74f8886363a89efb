# OTLP points with delta temporality: what they add up to, over whatever they come, and
# whatever becomes of the transactions that write them.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;
use Otlp;

my $seed = $ENV{MYTSDB_SEED} // time ^ $$;
$seed = srand $seed;
note "MYTSDB_SEED=$seed";

my $start = (int(time) - 7200) * 1000;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($node, $port) = Http::node('delta', 'mytsdb.ingest_workers = 2', "deadlock_timeout = '50ms'",
	'restart_after_crash = on');
$node->safe_sql(<<~'SQL');
	CREATE TABLE other (labels labels NOT NULL, "time" timestamptz NOT NULL, value double precision,
		histogram histogram, start_time timestamptz)
		USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time', mytsdb.duplicates = 'replace');
	SQL

# ---- what is sent, and what is there ----

# A sum that is no counter, so its name stays as it is: the series of a few values of k, each
# with a delta from one second to the next; seconds since $start.
sub deltas
{
	my ($name, $second, %values) = @_;
	my @points = map {
		{ start => $start + 1000 * ($second - 1), time => $start + 1000 * $second, int => $values{$_}, attributes => { k => $_ } }
	} sort keys %values;
	return request(Otlp::sum({ name => $name, temporality => 'delta', monotonic => 0 }, @points));
}

sub request
{
	my (@metrics) = @_;
	return Otlp::request(resource => { 'service.name' => 'd' }, metrics => \@metrics);
}

# The statement that writes it, which returns how many points were refused, and why.
sub statement
{
	my ($request, $table) = @_;
	my $body = unpack 'H*', Otlp::protobuf($request);
	return "SELECT rejected || coalesce(' ' || message, '') FROM mytsdb.otlp_metrics('\\x$body', target => '"
	  . ($table // 'mytsdb.metrics') . "')";
}

# Value, start and time of the newest sample of a series.
sub newest
{
	my ($selector, $table) = @_;
	$table //= 'mytsdb.metrics';
	return $node->safe_sql(<<~SQL);
		SELECT value || ' ' || extract(epoch FROM start_time)::bigint - $start / 1000 || ' '
			|| extract(epoch FROM time)::bigint - $start / 1000
		FROM $table WHERE labels ~ '$selector' ORDER BY time DESC LIMIT 1
		SQL
}

sub figure
{
	my ($name) = @_;
	my ($value) = Http::get($port, '/metrics')->{content} =~ /^$name (\S+)$/m;
	return $value;
}

# ---- one after the other ----

is($node->safe_sql(statement(deltas('a', 1, x => 5, y => 1))), '0', 'the first points');
is(newest('{__name__="a",k="x"}'), '5 0 1', 'begin sums');
is($node->safe_sql(statement(deltas('a', 2, x => 7))), '0', 'the next one');
is(newest('{__name__="a",k="x"}'), '12 0 2', 'is added');
is(newest('{__name__="a",k="y"}'), '1 0 1', 'to its series only');
is($node->safe_sql(statement(deltas('a', 1, x => 1))), '0', 'a late one');
is(newest('{__name__="a",k="x"}'), '13 0 2', 'counts at the time of the newest');
is($node->safe_sql(statement(deltas('a', 3, x => 100), 'other')), '0', 'another table');
is(newest('{__name__="a",k="x"}', 'other'), '100 2 3', 'has its own sums');
like($node->safe_sql(statement(deltas('a', 100000, x => 1))), qr/^1 .*ahead of the server/, 'a point of the day after tomorrow');
is(newest('{__name__="a",k="x"}'), '13 0 2', 'is not there');
{
	my $series = figure('mytsdb_otlp_delta_series');
	like($node->safe_sql(statement(deltas('a', 2, "x\0" => 1, y => 2))), qr/^1 /, 'a point that cannot have a series');
	is(figure('mytsdb_otlp_delta_series'), $series, 'is not part of a sum');
	is(newest('{__name__="a",k="y"}'), '3 0 2', 'as the one beside it is');
}

is(Otlp::told(Otlp::post($port, deltas('a', 4, x => 1000))), '200', 'over HTTP');
is(newest('{__name__="a",k="x"}'), '1013 0 4', 'a worker adds to the same sum');
is(Otlp::told(Otlp::post($port, deltas('a', 5, x => 1), json => 1)), '200', 'in JSON');
is(newest('{__name__="a",k="x"}'), '1014 0 5', 'too');

# One series, whatever else is said of it.
{
	my %point = (start => $start, time => $start + 1000, int => 1);
	my $name = { name => 'same', temporality => 'delta', monotonic => 0 };
	my @requests = map { Otlp::request(resource => $_->[0], metrics => [ Otlp::sum($name, { %point, attributes => $_->[1] }) ]) } (
		[ { 'service.name' => 'd' }, [ k => 'x', l => 'y' ] ],
		[ { 'service.name' => 'd' }, [ l => 'y', k => 'x' ] ],
		[ { 'service.name' => 'd', pid => 17 }, [ k => 'x', l => 'y' ] ]);
	$node->safe_sql(join ';', map { statement($_) } @requests);
	is(newest('{__name__="same"}'), '3 0 1', 'points of the same labels add up');
	$node->safe_sql(statement(Otlp::joined(@requests)));
	is(newest('{__name__="same"}'), '6 0 1', 'within a request, too');
}

# All kinds.
{
	my %times = map { $_ => [ start => $start + 1000 * ($_ - 1), time => $start + 1000 * $_ ] } 1 .. 3;
	my @counters = map { request(Otlp::sum({ name => 'c', temporality => 'delta' }, { @{ $times{$_} }, value => $_ == 1 ? 1e16 : 1 })) } 1 .. 3;
	$node->safe_sql(join ';', map { statement($_) } @counters);
	is(newest('{__name__="c_total"}'), '1.0000000000000002e+16 0 3', 'a counter of doubles');
	for my $counts ([ 1, 2, 3 ], [ 3, 0, 1 ])
	{
		$node->safe_sql(statement(request(Otlp::histogram({ name => 'h', temporality => 'delta' },
			{ @{ $times{ $counts->[0] } }, count => $counts->[0] + $counts->[1] + $counts->[2], sum => 10.5,
				bounds => [ 1, 2 ], counts => $counts }))));
	}
	is(newest('{__name__="h_count"}'), '10 0 3', 'count of a histogram');
	is(newest('{__name__="h_sum"}'), '21 0 3', 'its sum');
	is(newest('{__name__="h_bucket",le="2"}') , '6 0 3', 'a bucket');
	$node->safe_sql(statement(request(Otlp::histogram({ name => 'h', temporality => 'delta' },
		{ start => $start + 5000, time => $start + 6000, count => 1, sum => 1, bounds => [ 1, 3 ], counts => [ 1, 0, 0 ] }))));
	is(newest('{__name__="h_count"}'), '1 5 6', 'with other bounds it begins anew');
	for my $scale (1, 0)
	{
		$node->safe_sql(statement(request(Otlp::exponential({ name => 'e', temporality => 'delta' },
			{ @{ $times{ 2 - $scale } }, count => 4, sum => 7, scale => $scale, zeroCount => 1, positive => [ 0, 1, 2 ] }))));
	}
	is($node->safe_sql(q{SELECT histogram FROM mytsdb.metrics WHERE labels ~ '{__name__="e"}' ORDER BY time DESC LIMIT 1}),
		'{{schema:0 count:8 sum:14 z_bucket:2 z_bucket_w:1e-128 offset:1 buckets:[4 2] counts:integer}}', 'an exponential histogram');
}

# ---- transactions ----

{
	my $session = $node->session;
	$session->query('BEGIN');
	$session->query(statement(deltas('t', 1, x => 1, y => 1)));
	is($session->query(statement(deltas('t', 2, x => 1))), '0', 'twice in a transaction');
	$session->query('SAVEPOINT a');
	$session->query(statement(deltas('t', 3, x => 10, z => 10)));
	$session->query('ROLLBACK TO a');
	$session->query(statement(deltas('t', 3, x => 100)));
	$session->query('SAVEPOINT b');
	$session->query(statement(deltas('t', 4, x => 1000)));
	$session->query('SAVEPOINT c');
	$session->query(statement(deltas('t', 5, x => 10000, w => 1)));
	$session->query('RELEASE b');
	$session->query(statement(deltas('t', 6, w => 1)));
	$session->query('COMMIT');
	$session->query(statement(deltas('t', 7, x => 0, y => 0, z => 0, w => 0)));
	is(newest('{__name__="t",k="x"}'), '11102 0 7', 'savepoints: what was not rolled back');
	is(newest('{__name__="t",k="y"}'), '1 0 7', 'what none had');
	is(newest('{__name__="t",k="z"}'), '0 6 7', 'what was rolled back');
	is(newest('{__name__="t",k="w"}'), '2 4 7', 'what was released');
	$session->query('BEGIN');
	$session->query(statement(deltas('t', 8, x => 5)));
	$session->query('ROLLBACK');
	$session->query(statement(deltas('t', 8, x => 0)));
	is(newest('{__name__="t",k="x"}'), '11102 0 8', 'a transaction that was rolled back');

	$session->query('BEGIN');
	$session->query(statement(deltas('t', 9, x => 5)));
	like($session->query(q{PREPARE TRANSACTION 'x'}), qr/^ERROR:  0A000: .*\nHINT:/, 'PREPARE TRANSACTION');
	$session->query(statement(deltas('t', 9, x => 0)));
	is(newest('{__name__="t",k="x"}'), '11102 0 9', 'nothing is left of it');

	is($session->query(<<~SQL), '', 'subtransactions in a loop');
		DO \$\$ BEGIN FOR i IN 1 .. 50 LOOP
			BEGIN PERFORM (@{[statement(deltas('t', 10, x => 1, v => 1))]}); RAISE division_by_zero;
			EXCEPTION WHEN division_by_zero THEN NULL; END;
			BEGIN PERFORM (@{[statement(deltas('t', 10, x => 1))]});
			EXCEPTION WHEN division_by_zero THEN NULL; END;
		END LOOP; END \$\$
		SQL
	is(newest('{__name__="t",k="x"}'), '11152 0 10', 'those that failed do not count');
	is(newest('{__name__="t",k="v"}'), '', 'nor are there any');
	$session->close;
}

# ---- waiting ----

{
	my ($holder, $waiter) = map { $node->session } 1 .. 2;
	my $pid = $waiter->query('SELECT pg_backend_pid()');
	$holder->query('BEGIN');
	$holder->query(statement(deltas('l', 1, x => 1)));
	$waiter->query(q{SET lock_timeout = '50ms'});
	like($waiter->query(statement(deltas('l', 2, y => 1))), qr/^ERROR:  55P03:/, 'lock_timeout');
	$waiter->query('RESET lock_timeout');
	is($waiter->query(statement(deltas('l', 2, y => 1), 'other')), '0', 'another table is free');
	$waiter->send(statement(deltas('l', 2, x => 10)));
	ok($node->wait_for("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $pid", 'Lock'), 'one waits');
	$node->safe_sql("SELECT pg_cancel_backend($pid)");
	like($waiter->receive, qr/^ERROR:  57014:/, 'and is cancelled');
	my $answer = Otlp::post($port, deltas('l', 2, x => 10));
	is($answer->{status}, 503, 'over HTTP it is told to come again');
	ok($answer->{headers}{'retry-after'}, 'and when');
	$waiter->send(statement(deltas('l', 2, x => 100)));
	ok($node->wait_for("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $pid", 'Lock'), 'one waits');
	$holder->query('COMMIT');
	is($waiter->receive, '0', 'until the other commits');
	is(newest('{__name__="l",k="x"}'), '101 0 2', 'and sees what it had');

	$_->query('BEGIN') foreach $holder, $waiter;
	$holder->query(statement(deltas('l', 3, x => 1)));
	$waiter->query(statement(deltas('l', 3, x => 10), 'other'));
	$_->[0]->send(statement(deltas('l', 3, x => 100), $_->[1])) foreach [ $holder, 'other' ], [ $waiter, 'mytsdb.metrics' ];
	my @said = map { $_->receive } $holder, $waiter;
	is(scalar(grep { /^ERROR:  40P01:/ } @said), 1, 'a deadlock is found');
	is(scalar(grep { $_ eq '0' } @said), 1, 'and the other one goes on');
	$_->query('COMMIT') foreach $holder, $waiter;
	my $won = $said[0] eq '0';
	$node->safe_sql(statement(deltas('l', 4, x => 0), $_)) foreach 'mytsdb.metrics', 'other';
	is(newest('{__name__="l",k="x"}'), $won ? '102 0 4' : '201 0 4', 'what it wrote is there');
	is(newest('{__name__="l",k="x"}', 'other'), $won ? '100 2 4' : '10 2 4', 'in both tables');
	$_->close foreach $holder, $waiter;
}

# ---- many at once ----

# Into a tenant's table, which does not take all values.
my @tenant = ('X-Scope-OrgID' => 'many');
$node->safe_sql(<<~'SQL');
	SELECT mytsdb.create_tenant('many');
	GRANT USAGE ON SCHEMA tenant_many TO metrics; GRANT INSERT ON ALL TABLES IN SCHEMA tenant_many TO metrics;
	ALTER TABLE tenant_many.metrics ADD CHECK (value <> -666);
	SQL

# Transactions of one session; returns the sums of what it committed.
sub writer
{
	my ($count) = @_;
	my $session = $node->session;
	my %sums;
	for (1 .. $count)
	{
		my %own;
		$session->query('BEGIN');
		for (1 .. 1 + int rand 3)
		{
			my %values = map { $_ => 1 + int rand 100 } grep { rand() < 0.5 } 'a' .. 'e';
			my $fate = int rand 3;
			$session->query('SAVEPOINT s') if $fate > 0;
			my $said = $session->query(statement(deltas('r', 1 + int rand 5, %values), 'tenant_many.metrics'));
			die $said if $said ne '0';
			$session->query($fate == 1 ? 'RELEASE s' : 'ROLLBACK TO s') if $fate > 0;
			next if $fate == 2;
			$own{$_} += $values{$_} foreach keys %values;
		}
		my $committed = rand() < 0.7;
		$session->query($committed ? 'COMMIT' : 'ROLLBACK');
		next unless $committed;
		$sums{$_} += $own{$_} foreach keys %own;
	}
	$session->close;
	return %sums;
}

# Sends over HTTP; some requests are damaged behind their points, and some have a value that
# the table refuses when they are applied, with those that wait with them.
sub sender
{
	my ($count) = @_;
	my %sums;
	for (1 .. $count)
	{
		my %values = map { $_ => 1 + int rand 100 } grep { rand() < 0.5 } 'a' .. 'e';
		my $bad = int rand 10;
		$bad = 0 if $bad > 2;
		my $request = deltas('r', 1 + int rand 5, %values);
		$request = Otlp::joined($request, request(Otlp::gauge('refused', { time => $start, value => -666 }))) if $bad == 1;
		$request = Otlp::protobuf($request);
		$request .= "\x0a\xff" if $bad == 2;
		my $answer = Otlp::post($port, $request, headers => \@tenant);
		redo if $answer->{status} == 503;
		die Otlp::told($answer) if $answer->{status} != ($bad ? 400 : 200);
		next if $bad;
		$sums{$_} += $values{$_} foreach keys %values;
	}
	return %sums;
}

{
	my @jobs = map { my $n = $_; Http::start_job(sub { srand $seed + $n; return $n % 2 ? writer(40) : sender(60) }) } 1 .. 6;
	my %sums;
	for my $job (@jobs)
	{
		my %own = Http::finish_job($job);
		$sums{$_} += $own{$_} foreach keys %own;
	}
	$node->safe_sql(statement(deltas('r', 6, map { $_ => 0 } 'a' .. 'e'), 'tenant_many.metrics'));
	is(join(' ', map { (split / /, newest(qq({__name__="r",k="$_"}), 'tenant_many.metrics'))[0] } 'a' .. 'e'), join(' ', map { $sums{$_} } 'a' .. 'e'),
		'sums of what many have written at once');
}

# Sums do not go back with time.
is($node->safe_sql(<<~'SQL'), '0', 'sums of what only grows only grow');
	SELECT count(*) FROM (SELECT value - lag(value) OVER (PARTITION BY labels ORDER BY time) AS d
		FROM tenant_many.metrics WHERE labels ~ '{__name__="r"}') AS s WHERE d < 0
	SQL

cmp_ok(figure('mytsdb_otlp_delta_series'), '>', 10, 'series are counted');
cmp_ok(figure('mytsdb_otlp_delta_memory_used_bytes'), '>=', 96 * figure('mytsdb_otlp_delta_series'), 'and their memory');
cmp_ok(figure('mytsdb_otlp_delta_points_total'), '>', 100, 'and points');
is(figure('mytsdb_otlp_delta_refused_points_total'), '1', 'and those that were refused');

# ---- forgetting ----

$node->safe_sql(statement(deltas('f', 10, x => 1)));
$node->safe_sql(q{ALTER SYSTEM SET mytsdb.otlp_delta_expiry = '1s'});
$node->safe_sql('SELECT pg_reload_conf()');
sleep 1.5;
$node->safe_sql(statement(deltas('f', 20, x => 2)));
is(newest('{__name__="f",k="x"}'), '2 19 20', 'what has expired begins anew');
cmp_ok(figure('mytsdb_otlp_delta_expired_series_total'), '>', 0, 'that is counted');
$node->safe_sql('ALTER SYSTEM RESET mytsdb.otlp_delta_expiry');
$node->stop;
$node->configure(q{mytsdb.otlp_delta_memory = '256kB'});
$node->start;
Http::wait_ready($port);
$node->safe_sql(statement(deltas('f', 30, x => 3)));
is(newest('{__name__="f",k="x"}'), '3 29 30', 'after a restart it begins anew');

my $session = $node->session;
my $pid = $session->query('SELECT pg_backend_pid()');
$session->query('BEGIN');
$session->query(statement(deltas('f', 31, x => 3)));
my $crashes = $node->crashes;
$node->program('pg_ctl', 'kill', 'KILL', $pid);
$session->close;
ok($node->wait_for_crash($crashes), 'the server is back after kill -9 of a session');
$node->safe_sql(statement(deltas('f', 40, x => 4)));
is(newest('{__name__="f",k="x"}'), '4 39 40', 'it begins anew');
Http::wait_ready($port);

# ---- full memory ----

{
	my $said = $node->safe_sql(statement(deltas('full', 1, map { $_ => 1 } 1 .. 4000)));
	like($said, qr/^\d+ .*mytsdb\.otlp_delta_memory/s, 'memory is full');
	my ($refused) = $said =~ /^(\d+)/;
	cmp_ok($refused, '>', 500, 'some points were refused');
	cmp_ok($refused, '<', 2500, 'not all of them');
	is(figure('mytsdb_otlp_delta_refused_points_total'), $refused, 'they are counted');
	is($node->safe_sql(q{SELECT count(*) FROM mytsdb.metrics WHERE labels ~ '{__name__="full"}'}), 4000 - $refused,
		'the others are written');
	is($node->safe_sql(statement(deltas('f', 41, x => 1))), '0', 'series that are known go on');
	is(newest('{__name__="f",k="x"}'), '5 39 41', 'with what they had');
	is($node->safe_sql(<<~SQL), 't', 'points that are refused take no memory of the transaction');
		BEGIN;
		SELECT FROM (@{[statement(deltas('full', 2, map { $_ => 1 } 1 .. 20000))]}) AS s;
		SELECT sum(total_bytes) < 3000000 FROM pg_backend_memory_contexts
			WHERE name = 'mytsdb OTLP deltas';
		COMMIT
		SQL
	is($node->safe_sql(statement(deltas('full', 2, map { $_ => 1 } 1 .. 4000))) =~ s/ .*//sr, $refused, 'those, too');
	$node->safe_sql(q{ALTER SYSTEM SET mytsdb.otlp_delta_expiry = '1s'});
	$node->safe_sql('SELECT pg_reload_conf()');
	sleep 1.5;
	is($node->safe_sql(statement(deltas('more', 1, map { $_ => 1 } 1 .. 2000))), '0', 'the oldest make room');
}

$node->stop;
$node->configure('mytsdb.otlp_delta_memory = 0');
$node->start;
like($node->safe_sql(statement(deltas('f', 50, x => 4))), qr/^1 .*mytsdb\.otlp_delta_memory is 0/, 'without memory all are refused');
ok($node->stop, 'the server stops');

done_testing();
