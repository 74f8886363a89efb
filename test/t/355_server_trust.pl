# What those who may do a little could do to the server inside, and to the roles that use
# it, beyond that: by code that runs when others write, and by what they do to the catalogs
# meanwhile.
use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');

my ($node, $port) = Http::node('trust', 'mytsdb.auth_failures = 1000', 'mytsdb.ingest_workers = 1',
	'mytsdb.query_workers = 1', 'mytsdb.http_body_timeout = 10min');
my $now = time * 1000;

sub ask
{
	my ($authorization, $path, @headers) = @_;
	push @headers, Authorization => $authorization if defined $authorization;
	return Http::once($port, 'GET', $path // '/api/v1/query?query=vector(1)', headers => \@headers);
}

sub write_sample
{
	my ($authorization, %options) = @_;
	my %request = Http::write1({ labels => { __name__ => 'up', by => $options{by} // '' }, samples => [ [ $now++, 1 ] ] });
	push @{ $request{headers} }, Authorization => $authorization if defined $authorization;
	push @{ $request{headers} }, @{ $options{headers} // [] };
	return Http::once($port, 'POST', ($options{prefix} // '') . '/api/v1/write', %request);
}

$node->safe_sql(<<'SQL');
CREATE ROLE eve LOGIN PASSWORD 'x';
CREATE ROLE alice LOGIN PASSWORD 'x';
GRANT SELECT, INSERT ON mytsdb.metrics TO eve, alice;
GRANT CREATE ON DATABASE postgres TO eve;
CREATE SCHEMA eve AUTHORIZATION eve;
SQL
my $eve = Http::basic('eve', 'x');
my $alice = Http::basic('alice', 'x');

# What eve owns, and alice writes to.
$node->safe_sql(<<'SQL');
SET ROLE eve;
SELECT mytsdb.create_tenant('eve');
GRANT USAGE ON SCHEMA tenant_eve TO alice;
GRANT ALL ON ALL TABLES IN SCHEMA tenant_eve TO alice;
CREATE TABLE tenant_eve.seen (what text);
GRANT ALL ON tenant_eve.seen TO alice;
CREATE FUNCTION tenant_eve.check_now(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF what = 'token' THEN
		INSERT INTO tenant_eve.seen SELECT mytsdb.create_token(current_user);
	ELSIF what = 'lock' THEN
		PERFORM pg_advisory_lock(42);
	ELSIF what = 'loop' THEN
		PERFORM pg_sleep(1000);
	ELSIF what = 'pause' THEN
		-- a lock would not be waited for as long
		WHILE NOT pg_try_advisory_xact_lock(43) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
	END IF;
	RETURN true;
END $$;
ALTER TABLE tenant_eve.metrics ADD CHECK (tenant_eve.check_now(labels->>'by'));
SQL

subtest 'tokens are not made by what a table makes its writers run' => sub {
	my $answer = write_sample($alice, prefix => '/tenant/eve', by => 'token');
	is($answer->{status}, 403, 'no such write');
	like($answer->{content}, qr/security-restricted/, 'and why');
	is($node->sql('SELECT count(*) FROM tenant_eve.seen'), 0, 'nothing is known of a token');
	is($node->sql('SELECT count(*) FROM mytsdb.token'), 0, 'there is none');
};

subtest 'read-only transactions' => sub {
	like($node->sql(q{BEGIN READ ONLY; SELECT mytsdb.create_token('eve')}), qr/25006.*create_token/, 'make no token');
	my $token = $node->sql(q{SELECT mytsdb.create_token('eve')});
	like($node->sql("BEGIN READ ONLY; SELECT mytsdb.revoke_token(substr('$token', 8, 16))"),
		qr/25006.*revoke_token/, 'nor revoke one');
	is(ask("Bearer $token")->{status}, 200, 'which is as good as before');
};

subtest 'locks of the session' => sub {
	is(write_sample($alice, prefix => '/tenant/eve', by => 'lock')->{status}, 204, 'written');
	is($node->sql(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), 0, 'the worker keeps none');
};

subtest 'metadata is not the way to be its owner' => sub {
	$node->safe_sql(<<~'SQL');
		GRANT ALL ON mytsdb.metadata TO eve;
		SET ROLE eve;
		CREATE TABLE eve.seen (who text);
		GRANT ALL ON eve.seen TO PUBLIC;
		CREATE FUNCTION eve.fires() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN INSERT INTO eve.seen VALUES (current_user); RETURN NULL; END $$;
		CREATE TRIGGER fires BEFORE UPDATE ON mytsdb.metadata FOR EACH STATEMENT EXECUTE FUNCTION eve.fires();
		SQL
	my %request = Http::write1({ metadata => { name => 'up', type => 2, help => 'x' } });
	push @{ $request{headers} }, Authorization => $eve;
	is(Http::write($port, %request)->{status}, 400, 'a table with a trigger on UPDATE is refused');
	is($node->sql('SELECT who FROM eve.seen'), '', 'and it does not run as the owner');
	$node->safe_sql('DROP TRIGGER fires ON mytsdb.metadata');
	is(Http::write($port, %request)->{status}, 204, 'without it, it is not');
};

# Browsers let any page send this without asking.
subtest 'pages of others' => sub {
	my %options = (headers => [ Origin => 'https://evil.example' ]);
	is(write_sample(undef)->{status}, 204, 'who is no page writes without credentials');
	is(write_sample(undef, %options)->{status}, 403, 'a page does not');
	is(ask(undef, undef, @{ $options{headers} })->{status}, 200, 'what is read, browsers keep from it');
	is(write_sample($alice, %options)->{status}, 204, 'with credentials it may');
	$node->safe_sql(q{ALTER SYSTEM SET mytsdb.cors_origin = 'https://good.example'; SELECT pg_reload_conf()});
	my $good = sub { write_sample(undef, headers => [ Origin => 'https://good.example' ])->{status} };
	my $end = time + $Http::timeout;
	sleep 0.05 while $good->() != 204 && time < $end;
	is($good->(), 204, 'one of mytsdb.cors_origin may');
	is(write_sample(undef, %options)->{status}, 403, 'and still no other');
};

# The gate waits for a lock on a catalog just when the tenant goes; but it waits for a moment
# only, so the tenant must have gone by then.
sub ask_for_tenant_that_goes
{
	my ($token) = @_;
	$node->safe_sql(q{SELECT mytsdb.create_tenant('short')});
	my $catalog = q{relation = 'pg_auth_members'::regclass};
	my $session = $node->session;
	$session->send(<<~"SQL");
		DO \$\$
		BEGIN
			LOCK TABLE pg_catalog.pg_auth_members;
			PERFORM mytsdb.drop_tenant('short');
			FOR i IN 1 .. 100000 LOOP
				EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE $catalog AND NOT granted);
				PERFORM pg_sleep(0.001);
			END LOOP;
		END \$\$;
		SQL
	ok($node->wait_for("SELECT count(*) FROM pg_locks l WHERE $catalog AND mode = 'AccessExclusiveLock'
		AND (SELECT count(*) FROM pg_locks o WHERE o.pid = l.pid) > 5", 1), 'it is being dropped');
	my $status = ask("Bearer $token", '/tenant/short/api/v1/query?query=up')->{status};
	is($session->receive, '', 'it is dropped');
	$session->close;
	return $status;
}

subtest 'a tenant that is dropped meanwhile' => sub {
	$node->safe_sql('CREATE ROLE stranger LOGIN');
	my $token = $node->safe_sql(q{SELECT mytsdb.create_token('stranger')});
	my $start = $node->sql('SELECT pg_postmaster_start_time()');
	my $status;
	for (1 .. 20)
	{
		$status = ask_for_tenant_that_goes($token);
		last if $status != 503;
		sleep 2; # for so long the gate reads no catalog
	}
	is($status, 404, 'a stranger asks for it');
	is(ask($alice)->{status}, 200, 'others are served');
	is($node->sql('SELECT pg_postmaster_start_time()'), $start, 'the server goes on');
	unlike($node->log_text, qr/terminated by signal/, 'and so do all its processes');
};

subtest 'the database is not copied by who may not' => sub {
	$node->safe_sql('CREATE ROLE maker LOGIN CREATEDB');
	my $pid = $node->sql(q{SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'});
	my $session = $node->session;
	$session->query('SET ROLE maker; BEGIN; SAVEPOINT s; CREATE DATABASE thief TEMPLATE postgres; ROLLBACK TO s;');
	is($node->sql(q{SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'}), $pid, 'nobody is sent away');
	is(ask($alice)->{status}, 200, 'queries are answered');
	$session->query('ROLLBACK');
	$session->close;
	Http::wait_ready($port);
	$session = $node->session;
	$session->query('BEGIN; SAVEPOINT s; ALTER DATABASE postgres RENAME TO template1; ROLLBACK TO s;');
	ok($node->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'}, 1),
		'after a statement that failed they come back');
	$session->query('ROLLBACK');
	$session->close;
	Http::wait_ready($port);
};

# What is too long takes that long to see; and what is not must be done in it.
my $query_timeout = 10;
$node->configure("mytsdb.query_timeout = '${query_timeout}s'");
$node->stop;
$node->start;
Http::wait_ready($port);

# As long as it takes to come, nothing runs.
subtest 'a slow line' => sub {
	my $client = Http->connect($port);
	my $bytes = Http::bytes('POST', '/api/v1/query',
		headers => [ 'Content-Type' => 'application/x-www-form-urlencoded', Authorization => $alice ],
		content => Http::form(query => 'count_over_time(vector(1)[10d:1s])'));
	$client->send(substr $bytes, 0, -10);
	sleep $query_timeout + 1;
	$client->send(substr $bytes, -10);
	is($client->receive->{status}, 200, 'is no query that takes too long');
};

sub start_write
{
	my ($by, $prefix) = @_;
	my $client = Http->connect($port);
	my %request = Http::write1({ labels => { __name__ => 'up', by => $by }, samples => [ [ $now++, 1 ] ] });
	push @{ $request{headers} }, Authorization => $alice;
	$client->send(Http::bytes('POST', "$prefix/api/v1/write", %request));
	return $client;
}

subtest 'a write has an end' => sub {
	my $answer = start_write('loop', '/tenant/eve')->receive;
	is($answer->{status}, 503, 'one that takes long has one');
	like($answer->{content}, qr/timeout/, 'and its sender is told');
	is(write_sample($alice)->{status}, 204, 'others are written');
};

subtest 'also one that waited with others' => sub {
	my $retried = q{SELECT value FROM mytsdb.stat_server WHERE name = 'mytsdb_write_retried_requests_total'};
	my $before = $node->sql($retried);
	my $session = $node->session;
	$session->query('SELECT pg_advisory_lock(43)');
	my $pause = start_write('pause', '/tenant/eve');
	ok($node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mytsdb ingest' AND state = 'active'", 1),
		'the worker is busy');
	my $good = start_write('good', '');
	my $slow = start_write('loop', '/tenant/eve');
	ok($node->wait_for("SELECT value FROM mytsdb.stat_server WHERE name = 'mytsdb_write_queue_requests'", 2), 'two wait for it');
	$session->close;
	is($pause->receive->{status}, 204, 'for a while');
	is($good->receive->{status}, 204, 'one is written');
	is($slow->receive->{status}, 503, 'the other, which takes too long, is not');
	is($node->sql($retried) - $before, 2, 'they were together before');
};

$node->stop;
done_testing();
