# Who may ask over HTTP: requests without credentials, passwords, tokens, tenants, rates,
# what becomes of failed logins, and TLS.
use strict;
use warnings;

use File::Temp;
use FindBin;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Cluster;
use Http;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');

my ($node, $port) = Http::node('auth', 'mytsdb.auth_failures = 1000', 'mytsdb.ingest_workers = 1',
	'mytsdb.query_workers = 1');
my $now = time * 1000;

# Answers as "status message", the message only where it is an error.
sub told
{
	my ($answer) = @_;
	my $status = $answer->{status} // "none: $answer->{error}";
	return $status if $status =~ /^2/;
	my ($message) = $answer->{content} =~ /"error":"((?:[^"\\]|\\.)*)"/;
	$message //= $answer->{content};
	$message =~ s/\\"/"/g;
	chomp $message;
	return "$status $message";
}

sub ask
{
	my ($where, $authorization, %options) = @_;
	my @headers = @{ $options{headers} // [] };
	push @headers, Authorization => $authorization if defined $authorization;
	return Http::once($where, 'GET', $options{path} // '/api/v1/query?query=vector(1)', headers => \@headers);
}

sub write_sample
{
	my ($where, $authorization, %options) = @_;
	my %request = Http::write1({ labels => { __name__ => 'up', by => $options{by} // '' }, samples => [ [ $now++, 1 ] ] });
	push @{ $request{headers} }, @{ $options{headers} // [] };
	push @{ $request{headers} }, Authorization => $authorization if defined $authorization;
	return Http::once($where, 'POST', ($options{prefix} // '') . '/api/v1/write', %request);
}

# Sets something for the server and waits until the gate goes by it.
sub reload
{
	my ($node, $setting, $until) = @_;
	$node->safe_sql("ALTER SYSTEM SET $setting; SELECT pg_reload_conf();");
	my $end = time + $Http::timeout;
	while (time < $end)
	{
		return 1 if $until->();
		sleep 0.05;
	}
	return 0;
}

# What is told to somebody whose credentials are good for some seconds, and when these are
# over. They are made by seconds; more are given where one cannot ask in time.
sub for_a_while
{
	my ($make) = @_;
	my ($during, $after);
	for my $seconds (1.5, 6, 24)
	{
		my $authorization = $make->($seconds);
		my $end = time + $seconds;
		$during = told(ask($port, $authorization));
		next if $during ne '200';
		sleep 0.1 while time <= $end;
		$after = told(ask($port, $authorization));
		last;
	}
	return ($during, $after);
}

my $required = q{401 authentication required: send a role's password (Basic) or a token (Bearer)};

subtest 'without credentials' => sub {
	is(told(ask($port)), 200, 'the anonymous role reads');
	is(told(write_sample($port)), 204, 'and writes');
	is(told(ask($port, undef, headers => [ Host => 'localhost:9201' ])), 200, 'by localhost');
	like(told(ask($port, undef, headers => [ Host => 'evil.example' ])), qr/^403 .*localhost or by its IP address/,
		'not by a name that may be anybody\'s');
	$node->safe_sql('REVOKE INSERT ON mytsdb.metrics FROM metrics');
	is(told(write_sample($port)),
		q{403 permission denied: role "metrics" needs USAGE on schema mytsdb and INSERT on table mytsdb.metrics},
		'what is revoked is revoked at once');
	$node->safe_sql('GRANT INSERT ON mytsdb.metrics TO metrics; ALTER ROLE metrics SUPERUSER');
	is(told(ask($port)), $required, 'a superuser is never accepted');
	$node->safe_sql('ALTER ROLE metrics NOSUPERUSER NOLOGIN');
	is(told(ask($port)), 200, 'it need not be able to log in otherwise');
	ok(reload($node, q{mytsdb.anonymous_role = 'nobody'}, sub { ask($port)->{status} == 401 }), 'there is no such role');
	ok(reload($node, q{mytsdb.anonymous_role = ''}, sub { ask($port)->{status} == 401 }), 'nobody is anonymous');
	my $answer = ask($port);
	is(told($answer), $required, 'then it is told what is');
	is($answer->{headers}{'www-authenticate'},
		'Basic realm="mytsdb", charset="UTF-8", Bearer realm="mytsdb"', 'and how');
	is(ask($port, undef, path => "/-/$_")->{status}, 200, "/-/$_ is for everybody") foreach qw(healthy ready);
	is(ask($port, undef, path => '/metrics')->{status}, 401, '/metrics is not');
};

$node->safe_sql(<<'SQL');
SET password_encryption = 'scram-sha-256';
CREATE ROLE scram LOGIN PASSWORD 'schönes Wetter';
CREATE ROLE "röle ü" LOGIN PASSWORD 'a:b';
CREATE ROLE nologin PASSWORD 'x';
CREATE ROLE nopassword LOGIN;
CREATE ROLE super SUPERUSER LOGIN PASSWORD 'x';
SET password_encryption = 'md5';
CREATE ROLE md5 LOGIN PASSWORD 'secret';
GRANT SELECT, INSERT ON mytsdb.metrics TO scram, md5, nologin, nopassword, "röle ü";
SQL
my $scram = Http::basic('scram', "sch\xc3\xb6nes Wetter");
my $wrong = '401 wrong role or password';

subtest 'passwords' => sub {
	is(told(ask($port, $scram)), 200, 'of SCRAM');
	is(told(ask($port, $scram)), 200, 'again');
	is(told(write_sample($port, $scram, by => 'scram')), 204, 'to write');
	is(told(ask($port, Http::basic('md5', 'secret'))), 200, 'of md5');
	is(told(ask($port, Http::basic("r\xc3\xb6le \xc3\xbc", 'a:b'))), 200, 'with all characters');
	is(told(ask($port, Http::basic('super', 'x'))), 200, 'of a superuser, from this host');
	is(told(ask($port, Http::basic('scram', 'Regen'))), $wrong, 'a wrong one');
	is(told(ask($port, Http::basic('md5', 'Secret'))), $wrong, 'a wrong one of md5');
	is(told(ask($port, Http::basic('nobody', 'x'))), $wrong, 'an unknown role');
	is(told(ask($port, Http::basic('x' x 2000, 'x'))), $wrong, 'a role that cannot be');
	is(told(ask($port, Http::basic('nologin', 'x'))), $wrong, 'a role that may not log in');
	is(told(ask($port, Http::basic('nopassword', 'x'))), $wrong, 'a role without password');
	is(told(ask($port, Http::basic('nopassword', ''))), '401 invalid credentials', 'an empty password');
	is(told(ask($port, 'Basic !')), '401 invalid credentials', 'no base64');
	is(told(ask($port, 'Digest username="scram"')), '401 invalid credentials', 'another scheme');
	my $begin = time;
	my $answer = ask($port, Http::basic('scram', 'Regen'));
	cmp_ok(time - $begin, '>', 0.4, 'who fails waits');
	ok($answer->{headers}{'www-authenticate'}, 'and is told how to log in');
};

subtest 'the role changes' => sub {
	my $new = Http::basic('scram', 'neu');
	$node->safe_sql(q{ALTER ROLE scram PASSWORD 'neu'});
	is(told(ask($port, $scram)), $wrong, 'the old password');
	is(told(ask($port, $new)), 200, 'the new one');
	$node->safe_sql('ALTER ROLE scram NOLOGIN');
	is(told(ask($port, $new)), $wrong, 'NOLOGIN');
	$node->safe_sql(q{ALTER ROLE scram LOGIN VALID UNTIL '2001-01-01'});
	is(told(ask($port, $new)), $wrong, 'not valid any more');
	my @told = for_a_while(sub {
			$node->safe_sql("DO \$\$ BEGIN EXECUTE format('ALTER ROLE scram VALID UNTIL %L', clock_timestamp() + '$_[0] s'); END \$\$");
			return $new;
		});
	is($told[0], 200, 'valid');
	is($told[1], $wrong, 'for a while');
	$node->safe_sql(q{ALTER ROLE scram VALID UNTIL 'infinity'});
	is(told(ask($port, $new)), 200, 'valid for ever');
	$node->safe_sql('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
	is(told(ask($port, $new)), '403 this role may not connect to the database', 'without CONNECT');
	$node->safe_sql('GRANT CONNECT ON DATABASE postgres TO PUBLIC; REVOKE SELECT ON mytsdb.metrics FROM scram');
	like(told(ask($port, $new)), qr/^403 permission denied: .*scram.*SELECT/, 'without SELECT');
	$node->safe_sql('GRANT SELECT (labels, "time", value, histogram, start_time) ON mytsdb.metrics TO scram');
	is(told(ask($port, $new)), 200, 'with SELECT on columns');
	$node->safe_sql('ALTER ROLE scram RENAME TO scram2');
	is(told(ask($port, $new)), $wrong, 'renamed');
	is(told(ask($port, Http::basic('scram2', 'neu'))), 200, 'by its new name');
	$node->safe_sql('DROP OWNED BY scram2; DROP ROLE scram2');
	is(told(ask($port, Http::basic('scram2', 'neu'))), $wrong, 'dropped');
	$node->safe_sql(q{SET password_encryption = 'scram-sha-256'; CREATE ROLE scram LOGIN PASSWORD 'neu';
		GRANT SELECT, INSERT ON mytsdb.metrics TO scram});
	is(told(ask($port, $new)), 200, 'and there again');
	$node->safe_sql(q{ALTER ROLE scram PASSWORD 'SCRAM-SHA-256$70000:BM4jnaMSxmLwqxBNTYqzwg==$q1I4kJnGqRd6E/S2t0lQnI8TfAjmKS0T/hUmcgZAzWQ=:SJQCvEXLzpKp3yDC1nY1aN3kXDSkL2Lc+hHkfBTSYjQ='});
	is(told(ask($port, $new)), $wrong, 'a secret that takes too long');
	$node->safe_sql(q{ALTER ROLE scram PASSWORD 'neu'});
};

subtest 'tokens' => sub {
	my $token = $node->safe_sql(q{SELECT mytsdb.create_token('scram', 'a test')});
	my ($id) = $token =~ /^mytsdb_(\w{16})_/;
	my $bearer = "Bearer $token";
	is(told(ask($port, $bearer)), 200, 'one reads');
	is(told(write_sample($port, $bearer)), 204, 'and writes');
	is($node->sql(q{SELECT description, last_used BETWEEN pg_postmaster_start_time() AND now() FROM mytsdb.tokens}), 'a test|t', 'its use is known');
	my $bad = '401 invalid token';
	is(told(ask($port, $bearer =~ s/.$/z/r)), '401 invalid credentials', 'what is no token');
	is(told(ask($port, $bearer =~ s/(.)$/$1 eq '0' ? '1' : '0'/er)), $bad, 'a wrong one');
	is(told(ask($port, $bearer =~ s/mytsdb_./mytsdb_\0/r)), '400 ' . (told(ask($port, "Bearer \0")) =~ s/^400 //r), 'no header');
	$node->safe_sql('ALTER ROLE scram NOLOGIN');
	is(told(ask($port, $bearer)), $bad, 'NOLOGIN');
	$node->safe_sql(q{ALTER ROLE scram LOGIN VALID UNTIL '2001-01-01'});
	is(told(ask($port, $bearer)), 200, 'how long a password is valid does not matter');
	$node->safe_sql(q{ALTER ROLE scram VALID UNTIL 'infinity'});
	$node->safe_sql("SELECT mytsdb.revoke_token('$id')");
	is(told(ask($port, $bearer)), $bad, 'revoked');
	my $open = $node->session;
	my $twice = $node->safe_sql(q{SELECT substr(mytsdb.create_token('scram'), 8, 16)});
	$open->query("BEGIN; SELECT mytsdb.create_token('scram')");
	is($node->sql("SET lock_timeout = '120 s'; SELECT mytsdb.revoke_token('$twice')"), '', 'who makes one keeps nobody from revoking');
	$twice = $open->query("SELECT substr(mytsdb.create_token('scram'), 8, 16); COMMIT; BEGIN");
	$open->query("SELECT mytsdb.revoke_token('$twice')");
	my $second = $node->session;
	$second->send("SELECT mytsdb.revoke_token('$twice')");
	ok($node->wait_for(q{SELECT count(*) FROM pg_locks WHERE NOT granted}, 1), 'another one waits');
	$open->query('COMMIT');
	like($second->receive, qr/42704: token "$twice" does not exist/, 'one is revoked once');
	$_->close foreach $open, $second;
	my @told = for_a_while(sub { 'Bearer ' . $node->safe_sql("SELECT mytsdb.create_token('scram', NULL, clock_timestamp() + '$_[0] s')") });
	is($told[0], 200, 'one that expires');
	is($told[1], $bad, 'has expired');
};

subtest 'tenants' => sub {
	my $md5 = Http::basic('md5', 'secret');
	my $acme = [ 'X-Scope-OrgID' => 'acme' ];
	$node->safe_sql(q{SELECT mytsdb.create_tenant('acme'); SELECT mytsdb.create_tenant('other')});
	is(told(ask($port, $md5, headers => [ 'X-Scope-OrgID' => 'none' ])), '404 there is no such tenant', 'unknown, by header');
	is(told(ask($port, $md5, path => '/tenant/none/api/v1/query?query=up')), '404 there is no such tenant', 'by path');
	is(told(ask($port, $md5, path => '/tenant/%2e%2E/api/v1/query?query=up')), '404 there is no such tenant', 'no name');
	like(told(ask($port, $md5, headers => $acme)), qr/^403 .*needs USAGE on schema tenant_acme and SELECT on table tenant_acme.metrics/,
		'not granted');
	$node->safe_sql('GRANT USAGE ON SCHEMA tenant_acme TO md5; GRANT INSERT ON ALL TABLES IN SCHEMA tenant_acme TO md5');
	is(told(write_sample($port, $md5, headers => $acme, by => 'acme')), 204, 'granted to write');
	is(told(write_sample($port, $md5, prefix => '/tenant/acme', by => 'path')), 204, 'by path');
	like(told(ask($port, $md5, headers => $acme)), qr/^403 .* SELECT on table/, 'but not to read');
	$node->safe_sql('GRANT SELECT ON ALL TABLES IN SCHEMA tenant_acme TO md5');
	my $query = '/api/v1/series?match[]=up';
	my $of_tenant = Http::data(ask($port, $md5, headers => $acme, path => $query));
	is(join(' ', sort map { $_->{by} } @$of_tenant), 'acme path', 'reads what was written for the tenant');
	is_deeply(Http::data(ask($port, $md5, path => "/tenant/acme$query")), $of_tenant, 'by path, too');
	is_deeply([ grep { ($_->{by} // '') =~ /acme|path/ } @{ Http::data(ask($port, $md5, path => $query)) } ], [],
		'none of that is in the store itself');
	like(told(ask($port, $md5, path => '/tenant/acme/api/v1/query?query=up', headers => [ 'X-Scope-OrgID' => 'other' ])),
		qr/^400 .*different tenants/, 'two at once');
	is(told(ask($port, $md5, path => '/tenant/acme/api/v1/query?query=up', headers => $acme)), 200, 'the same twice');
	$node->safe_sql(q{SELECT mytsdb.drop_tenant('acme')});
	is(told(ask($port, $md5, headers => $acme)), '404 there is no such tenant', 'dropped');
};

# Whoever owns a tenant's tables has a say in what runs when they are written: in the
# worker, but as the request's role and not beyond it.
subtest 'code of a tenant' => sub {
	my $eve = Http::basic('eve', 'x');
	$node->safe_sql(q{CREATE ROLE eve LOGIN PASSWORD 'x'; GRANT CREATE ON DATABASE postgres TO eve});
	$node->safe_sql(<<~'SQL');
		SET ROLE eve;
		SELECT mytsdb.create_tenant('eve');
		CREATE TABLE tenant_eve.seen (who text);
		CREATE TABLE tenant_eve.bait (i int);
		CREATE FUNCTION tenant_eve.later() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN INSERT INTO tenant_eve.seen VALUES ('later: ' || current_user); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER later AFTER INSERT ON tenant_eve.bait DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION tenant_eve.later();
		CREATE FUNCTION tenant_eve.check_now(what text) RETURNS boolean LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO tenant_eve.seen VALUES ('now: ' || current_user);
			IF what = 'defer' THEN INSERT INTO tenant_eve.bait VALUES (1); END IF;
			IF what = 'set' THEN PERFORM set_config('default_transaction_read_only', 'on', false); END IF;
			IF what = 'role' THEN PERFORM set_config('role', 'postgres', false); END IF;
			IF what = 'temp' THEN CREATE TEMP TABLE t (i int); END IF;
			RETURN true;
		END $$;
		ALTER TABLE tenant_eve.metrics ADD CHECK (tenant_eve.check_now(labels->>'by'));
		SQL
	my $write = sub { write_sample($port, $eve, prefix => '/tenant/eve', by => $_[0]) };
	is(told($write->('nothing')), 204, 'a constraint runs');
	is($node->sql('SELECT DISTINCT who FROM tenant_eve.seen'), 'now: eve', 'as the role');
	isnt($write->('defer')->{status}, 204, 'a trigger cannot be put off to when the worker commits');
	is($node->sql(q{SELECT count(*) FROM tenant_eve.seen WHERE who ~ 'later'}), 0, 'and does not run');
	isnt($write->('role')->{status}, 204, 'nor can the role be changed');
	isnt($write->('temp')->{status}, 204, 'nor is anything left behind');
	$write->('set');
	is(told(write_sample($port, Http::basic('md5', 'secret'))), 204, 'nor do settings stay for the next one');
	$node->safe_sql('DROP OWNED BY eve CASCADE; DROP ROLE eve');
};

subtest 'a dump' => sub {
	$node->safe_sql(q{SELECT mytsdb.create_token('scram', 'dumped');
		CREATE ROLE gone LOGIN; SELECT mytsdb.create_token('gone'); DROP ROLE gone;
		SELECT mytsdb.create_tenant('kept'); SELECT mytsdb.create_tenant('lost')});
	$node->safe_sql('DROP SCHEMA tenant_lost CASCADE');
	my $before = $node->safe_sql('SELECT id, role FROM mytsdb.tokens WHERE valid ORDER BY id');
	isnt($before, '', 'there are tokens');
	$node->program('createdb', '-h', $node->{dir}, qw(-U postgres copy));
	$node->program('pg_dump', '-h', $node->{dir}, '-U', 'postgres', '-f', "$node->{dir}/dump.sql", 'postgres');
	$node->program('psql', '-h', $node->{dir}, qw(-U postgres -X -q -v ON_ERROR_STOP=1 -d copy -f), "$node->{dir}/dump.sql");
	is($node->sql('SELECT id, role FROM mytsdb.tokens WHERE valid ORDER BY id', 'copy'), $before, 'they are in the copy');
	is($node->sql('SELECT count(*) FROM mytsdb.tokens WHERE role = $$gone$$', 'copy'), 0, 'but for those of nobody');
	is($node->sql('SELECT name, schema FROM mytsdb.tenants ORDER BY name', 'copy'), "kept|tenant_kept\nother|tenant_other",
		'and so are tenants');
	is($node->sql('SELECT count(*) FROM mytsdb.tenant', 'copy'), 2, 'but for those without tables');
};

subtest 'a standby' => sub {
	my $standby = Cluster->new('standby');
	my $there = Http::port();
	$standby->backup_of($node, '-R');
	$standby->configure("mytsdb.http_port = $there");
	$standby->start;
	Http::wait_ready($there);
	my $token = $node->safe_sql(q{SELECT mytsdb.create_token('scram')});
	$standby->catch_up($node);
	is(told(ask($there, "Bearer $token")), 200, 'a token');
	is(told(ask($there, Http::basic('scram', 'neu'))), 200, 'a password');
	is(told(ask($there, Http::basic('scram', 'alt'))), $wrong, 'a wrong one');
	is(write_sample($there, "Bearer $token")->{status}, 503, 'no writes');
	$node->safe_sql(q{ALTER ROLE scram PASSWORD 'anders'; SELECT mytsdb.revoke_token(substr('} . $token . q{', 8, 16))});
	$standby->catch_up($node);
	is(told(ask($there, "Bearer $token")), '401 invalid token', 'a token is revoked');
	is(told(ask($there, Http::basic('scram', 'neu'))), $wrong, 'a password changes');
	$node->safe_sql(q{ALTER ROLE scram PASSWORD 'neu'});
	$standby->stop;
};

subtest 'rates' => sub {
	my $md5 = Http::basic('md5', 'secret');
	$node->safe_sql('ALTER ROLE md5 IN DATABASE postgres SET mytsdb.request_rate = 2; ALTER ROLE md5 SET mytsdb.request_rate = 1000');
	my $client = Http->connect($port);
	my $end = time + $Http::timeout;
	my $refused;

	# Many at once, so that they come faster than that.
	while (!$refused && time < $end)
	{
		$client->send(Http::bytes('GET', '/api/v1/query?query=vector(1)', headers => [ Authorization => $md5 ]) x 50);
		($refused) = grep { $_->{status} == 429 } map { $client->receive } 1 .. 50;
	}
	is(told($refused), '429 this role has made too many requests', 'too many requests');
	is($refused->{headers}{'retry-after'}, 1, 'again in a second');
	is(told(ask($port, Http::basic('scram', 'neu'))), 200, 'others are not meant');

	# What the first one overdraws takes a minute to be made good.
	my $samples = { labels => { __name__ => 'up' }, samples => [ map { [ $now++, 1 ] } 1 .. 5000 ] };
	my %request = Http::write1($samples);
	push @{ $request{headers} }, Authorization => $md5;
	$node->safe_sql('ALTER ROLE md5 IN DATABASE postgres RESET ALL; ALTER ROLE md5 SET mytsdb.write_rate = 1');
	$end = time + $Http::timeout;
	my $last;
	do
	{
		$last = Http::write($port, %request);
		sleep 0.05;
	} while (told($last) !~ /bytes/ && time < $end);
	is(told($last), '429 this role has sent too many bytes', 'too many bytes');
	cmp_ok($last->{headers}{'retry-after'}, '>=', 1, 'later again');
	is(told(ask($port, $md5)), 200, 'queries have none');
	$node->safe_sql('ALTER ROLE md5 RESET ALL');
	like($node->sql('SET ROLE md5; ALTER ROLE md5 SET mytsdb.write_rate = 0'), qr/permission denied/,
		'nobody sets his own rate');
};

subtest 'a locked catalog' => sub {
	my $session = $node->session;
	my $token = $node->safe_sql(q{SELECT mytsdb.create_token('scram')});
	$session->query('BEGIN; LOCK TABLE mytsdb.token;');
	is(ask($port, "Bearer $token")->{status}, 503, 'a login that would have to wait is refused');
	is(ask($port, undef, path => '/-/healthy')->{status}, 200, 'health is not');
	$session->query('ROLLBACK');
	$session->close;
	sleep 1.1;
	is(told(ask($port, "Bearer $token")), 200, 'a second later all is well');
};

subtest 'a flood of guesses' => sub {
	my $good = Http::basic('scram', 'neu');
	my $other = Http::basic('md5', 'secret');
	is(told(ask($port, $good)), 200, 'who knows the password');
	my (%told, @meanwhile);
	for my $round (1 .. 20)
	{
		my @clients = map { Http->connect($port, local => sprintf '127.%d.%d.%d', $round, 1 + $_ / 250, 1 + $_ % 250) } 1 .. 500;
		$clients[$_]->send(Http::bytes('GET', '/metrics', headers => [ Authorization => Http::basic('scram', "no $_") ]))
		  foreach 0 .. $#clients;
		push @meanwhile, ask($port, undef, path => '/-/healthy')->{status}, ask($port, $good)->{status};
		$told{ told($_->receive) }++ foreach @clients;
		last if keys %told > 1;
	}
	is_deeply([ sort keys %told ], [ $wrong, '429 too many passwords are being verified' ], 'not all are looked at')
	  or diag(explain(\%told));
	is_deeply([ grep { $_ != 200 } @meanwhile ], [], 'health is answered meanwhile, and who was known');
	sleep 1;
	is(told(ask($port, $other)), 200, 'others can log in again soon');
};

subtest 'too many failures' => sub {
	$node->safe_sql('ALTER SYSTEM SET mytsdb.auth_failures = 3');
	my $good = Http::basic('scram', 'neu');
	my $bad = Http::basic('scram', 'no');

	# As another failure is allowed every 20 seconds, it is tried again if that took too long.
	my (@failures, $answer, $other);
	for (1 .. 10)
	{
		$node->stop;
		$node->start;
		Http::wait_ready($port);
		is(told(ask($port, $good)), 200, 'who knows the password');
		my $begin = time;
		@failures = map { told(ask($port, Http::basic('scram', "no $_"))) } 1 .. 3;
		$answer = ask($port, $bad);
		$other = ask($port, Http::basic('md5', 'secret'));
		last if time - $begin < 15;
	}
	is_deeply(\@failures, [ ($wrong) x 3 ], 'three failures are allowed');
	is(told($answer), '429 too many logins from this address have failed', 'the fourth is not looked at');
	cmp_ok($answer->{headers}{'retry-after'}, '<=', 20, 'it is told when to come again');
	is(told($other), '429 too many logins from this address have failed', 'nor is any other');
	is(told(ask($port, $good)), 200, 'who was known is not shut out');
	my $token = $node->safe_sql(q{SELECT mytsdb.create_token('scram')});
	is(told(ask($port, "Bearer $token")), 200, 'nor is a good token');
	my $log = $node->log_text;
	like($log, qr/mytsdb audit: login refused id=\d+ role=scram client=127\.0\.0\.1 why="Password does not match for user \\"scram\\"\."/,
		'refused logins are logged');
	like($log, qr/role=nobody client=127\.0\.0\.1 why="The role does not exist\."/, 'and why');
	like($log, qr/mytsdb audit: login refused .* address_must_wait=true/, 'and when an address must wait');
	like($log, qr/mytsdb audit: token revoked token=\w{16} by=postgres/, 'tokens, too');
	like($log, qr/mytsdb audit: tenant dropped tenant=acme by=postgres/, 'and tenants');
	unlike($log, qr/schönes Wetter|Regen|no 1/, 'no password is');
	unlike($log, qr/mytsdb_[0-9a-f]{16}_/, 'nor is a token');
};

sub tls
{
	my ($port, $ca, %options) = @_;
	return Http->connect($port, tls => 1, ca_file => "$ca", %options);
}

# An address of this host that is not loopback's.
sub outer_address
{
	my $socket = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '192.0.2.1', PeerPort => 9) or return undef;
	my $address = $socket->sockhost;
	return $address =~ /^127\./ ? undef : $address;
}

subtest 'TLS' => sub {
	my $good = Http::basic('scram', 'neu');
	my $first = Http::make_certificate($node, 'localhost');
	$node->configure("mytsdb.listen_addresses = '*'", "mytsdb.ssl_cert_file = '$node->{dir}/server.crt'",
		"mytsdb.ssl_key_file = '$node->{dir}/server.key'", 'mytsdb.http_header_timeout = 10min');
	$node->safe_sql(q{ALTER SYSTEM SET mytsdb.anonymous_role = 'metrics'; ALTER SYSTEM RESET mytsdb.auth_failures});
	$node->stop;
	$node->start;
	my $end = time + $Http::timeout;
	sleep 0.1 while (tls($port, $first)->request('GET', '/-/ready')->{status} // 0) != 200 && time < $end;
	is(told(ask(tls($port, $first), $good)), 200, 'a password');
	is(told(ask(tls($port, $first))), $required, 'nobody is anonymous where strangers can come');
	like($node->log_text, qr/mytsdb\.anonymous_role is not used/, 'as the log says');
	isnt(ask($port, $good)->{status} // 'none', 200, 'no HTTP');
	is(told(ask(tls($port, $first, options => ['-tls1_2']), $good)), 200, 'TLS 1.2');
	my $old = tls($port, $first, options => [ '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0' ]);
	is(ask($old, $good)->{status}, undef, 'no TLS 1.1');

	# More than is read ahead, and what comes last ends within a TLS record.
	my $many = 1000;
	my $pipe = tls($port, $first);
	$pipe->send(Http::bytes('GET', '/api/v1/query?query=vector(1)', headers => [ Authorization => $good, Pad => 'x' x 100 ]) x $many);
	my $answered = 0;
	$answered++ while $answered < $many && told($pipe->receive) eq '200';
	is($answered, $many, 'all requests of a long pipeline are answered');

	my $second = Http::make_certificate($node, 'localhost');
	my $open = tls($port, $first);
	is(told(ask($open, $good)), 200, 'a connection');
	$node->safe_sql('SELECT pg_reload_conf()');
	my $answer = { status => undef };
	$end = time + $Http::timeout;
	while (!defined $answer->{status} && time < $end)
	{
		$answer = ask(tls($port, $second), $good);
	}
	is(told($answer), 200, 'a new certificate is taken by a reload');
	is(ask(tls($port, $first), $good)->{status}, undef, 'the old one is not there any more');
	is(told(ask($open, $good)), 200, 'but the connection is');
	$open->close;

	Cluster::tools('as_server', 'sh', '-c', 'echo nonsense > "$1"', 'sh', "$node->{dir}/server.crt");
	$node->safe_sql('SELECT pg_reload_conf()');
	$end = time + $Http::timeout;
	sleep 0.1 while $node->log_text !~ /goes on with the certificate/ && time < $end;
	is(told(ask(tls($port, $second), $good)), 200, 'what cannot be used is not');

	my $address = outer_address();
  SKIP:
	{
		skip 'this host has no address but loopback', 3 unless defined $address;
		is(told(ask(tls($port, $second, address => $address), $good)), 200, 'from another host');
		is(told(ask(tls($port, $second, address => $address), Http::basic('super', 'x'))), $wrong, 'no superusers');
		is(told(ask(tls($port, $second), Http::basic('super', 'x'))), 200, 'but from this host');
	}
};

subtest 'no TLS' => sub {
	my $address = outer_address();
	plan skip_all => 'this host has no address but loopback' unless defined $address;
	my $good = Http::basic('scram', 'neu');
	$node->configure("mytsdb.ssl_cert_file = ''", "mytsdb.ssl_key_file = ''");
	$node->stop;
	$node->start;
	Http::wait_ready($port);
	my $outside = sub { Http->connect($port, address => $address) };
	is(told(ask($outside->())), $required, 'nobody is anonymous');
	like(told(ask($outside->(), $good)), qr/^403 .*not encrypted: use https/, 'a password in the clear');
	is(told(ask($port, $good)), 200, 'from this host');
	ok(reload($node, 'mytsdb.require_ssl = off', sub { ask($outside->(), $good)->{status} == 200 }), 'where that is allowed');
};

$node->stop;
done_testing();
