# make run and make stop: what they start, what they refuse, what they survive.
use strict;
use warnings;

use File::Temp;
use FindBin;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Http;

my $root = $ENV{MYTSDB_ROOT} or die 'MYTSDB_ROOT is not set';
chdir $root or die "$root: $!";
delete @ENV{qw(DATA PGPORT HTTP_PORT OTLP_GRPC_PORT OTLP_HTTP_PORT MAKEFLAGS MAKELEVEL)};

# A test that is interrupted leaves no server behind.
$SIG{INT} = $SIG{TERM} = sub { $SIG{TERM} = 'IGNORE'; exit 1 };

my $tmp = File::Temp->newdir('mytsdb-run.XXXXXX', TMPDIR => 1);
chmod 0755, $tmp;
my $bindir = `$ENV{PG_CONFIG} --bindir`;
chomp $bindir;

# The parent directory is root's alone, as a user may have it.
my $data = "$tmp/parent/data";
my $port = Http::port();
my $http_port = Http::port();
my %otlp = (OTLP_GRPC_PORT => Http::port(), OTLP_HTTP_PORT => Http::port());

# Runs a command; returns its exit status and everything it printed.
sub run
{
	my ($command) = @_;
	my $output = `$command < /dev/null 2>&1`;
	return ($? >> 8, $output);
}

sub make_run
{
	my (%set) = (DATA => $data, PGPORT => $port, HTTP_PORT => $http_port, %otlp, @_);
	my $variables = join ' ', map { defined $set{$_} ? "$_=$set{$_}" : () } sort keys %set;
	return run("make run $variables");
}

sub make_stop
{
	return run('make stop DATA=' . ($_[0] // $data));
}

sub uri_of
{
	my ($output) = @_;
	return $output =~ m{(postgresql://\S+)} ? $1 : '';
}

sub sql
{
	my ($uri, $sql) = @_;
	my ($status, $output) = run("$bindir/psql -X -A -t '$uri' -c \"$sql\"");
	chomp $output;
	return $output;
}

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/ = undef;
	return scalar <$file>;
}

# Writes a file as the owner of the data directory would have left it.
sub spill
{
	my ($path, $text) = @_;
	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file;
	chown((stat $data)[ 4, 5 ], $path);
}

sub postmaster_pid
{
	my ($pid) = slurp("$data/postmaster.pid") =~ /^(\d+)/;
	return $pid // 0;
}

# Kills the server's first process, and waits until it is gone.
sub kill_postmaster
{
	my $pid = postmaster_pid();
	kill 'KILL', $pid;
	wait_until(sub { slurp("/proc/$pid/status") !~ /^State:\s*[^ZX\s]/m });
	return;
}

# Dies after a while, which is a limit against hanging and no measure.
sub wait_until
{
	my ($condition) = @_;
	my $end = time + 300;
	until ($condition->())
	{
		die 'what the test waits for does not come' if time > $end;
		sleep 0.05;
	}
	return;
}

sub control_version
{
	my ($version) = slurp('mytsdb.control') =~ /^default_version = '(.*)'/m;
	return $version;
}

END
{
	local $?;
	my $pid = $data ? postmaster_pid() : 0;
	kill 'QUIT', $pid if $pid > 1 && $pid != $$;
}

# ---- the first start ----

my ($status, $output) = make_run();
is($status, 0, 'make run starts on a new DATA') or diag $output;
my $uri = uri_of($output);
like($uri, qr{^postgresql://}, 'it prints a URI');
is(sql($uri, 'SELECT mytsdb.version()'), control_version(), 'the extension is there');
is(sql($uri, "SELECT 1 FROM pg_extension WHERE extname = 'mytsdb'"), 1, 'as an extension');
is(sql($uri, 'SHOW data_checksums'), 'on', 'pages have checksums');
is(sql($uri, 'SHOW listen_addresses'), '127.0.0.1', 'it listens on loopback alone');

SKIP:
{
	skip 'only root can try as another user', 1 if $> != 0;
	my ($other_status, $other) =
	  run("cd / && setpriv --reuid=65534 --regid=65534 --clear-groups "
		  . "$bindir/psql -X -A -t '$uri' -c 'SELECT 17'");
	is($other, "17\n", 'another local user can use the URI');
}
isnt((run("$bindir/psql -X -w -h 127.0.0.1 -p $port -U postgres -c 'SELECT 1' mytsdb"))[0],
	0, 'nobody gets in without the password');

# ---- again ----

my $pid = postmaster_pid();
($status, $output) = make_run();
is($status, 0, 'make run again');
is(uri_of($output), $uri, 'prints the same URI');
is(postmaster_pid(), $pid, 'and leaves the server alone');
($status, $output) = make_run(PGPORT => undef);
is($status, 0, 'without PGPORT it takes the port the server has');
is(uri_of($output), $uri, 'in the URI, too');
($status, $output) = make_run(HTTP_PORT => undef);
is($status, 0, 'without HTTP_PORT it takes the port the server has');
like($output, qr{http://127\.0\.0\.1:$http_port$}m, 'and says it');

($status, $output) = make_run(HTTP_PORT => Http::port());
isnt($status, 0, 'another HTTP_PORT is refused while the server runs');
like($output, qr/already runs, with HTTP on port $http_port/, 'with the reason');

# Ports of OTLP, of the server that runs and of another one.
foreach my $name (sort keys %otlp)
{
	($status, $output) = make_run($name => undef);
	is($status, 0, "without $name it takes the port the server has");
	like($output, qr{^    OTLP/\w+  http://127\.0\.0\.1:$otlp{$name}$}m, 'and says it');
	($status, $output) = make_run($name => Http::port());
	isnt($status, 0, "another $name is refused while the server runs");
	like($output, qr/already runs, with mytsdb\.\w+ = $otlp{$name}:/, 'with the reason');
	my $there = "$tmp/other";
	my %other = (DATA => $there, PGPORT => Http::port(), HTTP_PORT => Http::port(),
		OTLP_GRPC_PORT => 0, OTLP_HTTP_PORT => 0);
	($status, $output) = make_run(%other, $name => $otlp{$name});
	isnt($status, 0, "$name is refused when another server has it");
	like($output, qr/^Port $otlp{$name} is held by another process: .* $name=/m, 'with the reason');
	ok(!-e $there, 'before anything is made');
}

($status, $output) = make_run(PGPORT => Http::port());
isnt($status, 0, 'another PGPORT is refused while the server runs');
like($output, qr/already runs, on port $port/, 'with the reason');

# ---- crashes ----

sql($uri, "CREATE TABLE kept (l labels); INSERT INTO kept VALUES ('up')");
kill_postmaster();
($status, $output) = make_run();
is($status, 0, 'starts again after kill -9') or diag $output;
is(sql($uri, 'SELECT l FROM kept'), 'up', 'with its data');

# Another process of a server that was killed may hold ports until it has noticed.
my $gate = sql($uri, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'");
kill 'STOP', $gate;
kill_postmaster();
my $later = fork() // die "fork: $!";
if ($later == 0)
{
	sleep 5;
	kill 'CONT', $gate;
	POSIX::_exit(0);
}
($status, $output) = make_run();
is($status, 0, 'starts again when another process is slow to go') or diag $output;
waitpid $later, 0;

{
	sql($uri, q{CREATE DATABASE \"an 'odd' name/?%\"});
	local @ENV{qw(PGHOST PGUSER PGSSLMODE PGOPTIONS PGSERVICE PGTZ)} =
	  qw(/nowhere nobody verify-full -cnonsense=1 nosuch nosuch);
	($status, $output) = make_run();
	is($status, 0, 'what psql finds in the environment is no obstacle') or diag $output;
}

# A server that is at its recovery from the death of one of its processes.
my $walwriter = sql($uri, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
kill 'KILL', $walwriter;
wait_until(sub { slurp("$data/server.log") =~ /PID $walwriter\) was terminated by signal 9/ });
($status, $output) = make_run();
is($status, 0, 'waits for a recovery') or diag $output;
is(sql($uri, 'SELECT l FROM kept'), 'up', 'after which all is there');

sql($uri, "ALTER ROLE postgres PASSWORD 'changed'");
($status, $output) = make_run();
isnt($status, 0, 'a changed password');
like($output, qr/with the password in \Q$data\E.*remove that file/s, 'is told');

is((make_stop())[0], 0, 'make stop');
ok(!-e "$data/postmaster.pid", 'stops the server');
unlink "$data/mytsdb.password";
($status, $output) = make_run();
is($status, 0, 'without the file of the password another one is set') or diag $output;
isnt(uri_of($output), $uri, 'in the URI, too');
$uri = uri_of($output);
is(sql($uri, 'SELECT l FROM kept'), 'up', 'which is valid');
make_stop();
($status, $output) = make_stop();
is($status, 0, 'make stop again is no error');
like($output, qr/No server runs/, 'and says so');

my $dead = fork() // die "fork: $!";
exit 0 if $dead == 0;
waitpid $dead, 0;
spill("$data/postmaster.pid", "$dead\n$data\n1\n$port\n\n127.0.0.1\n0 0\nready   \n");
($status, $output) = make_run();
is($status, 0, 'starts over the pid file of a dead server') or diag $output;
make_stop();

# ---- what is refused ----

spill("$data/postmaster.pid", "$$\n$data\n1\n$port\n\n127.0.0.1\n0 0\nready   \n");
($status, $output) = make_run();
isnt($status, 0, 'a pid file whose process lives but is not the server');
like($output, qr/names process $$, which lives but is not the server/, 'is told');
isnt((make_stop())[0], 0, 'make stop does not touch that process either');
like(slurp("$data/postmaster.pid"), qr/^$$\n/, 'nor is the file');
unlink "$data/postmaster.pid";

my $holder = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
($status, $output) = make_run(PGPORT => $holder->sockport);
isnt($status, 0, 'a port that another process holds');
like($output, qr/Port \d+ is held by another process/, 'is told');
($status, $output) = make_run(DATA => "$tmp/parent/new", PGPORT => $holder->sockport);
isnt($status, 0, 'also for a new DATA');
ok(!-e "$tmp/parent/new", 'which is then not created');
close $holder;

my $version = slurp("$data/PG_VERSION");
spill("$data/PG_VERSION", "14\n");
($status, $output) = make_run();
isnt($status, 0, 'a DATA of another major version');
like($output, qr/data directory of PostgreSQL 14/, 'is told');
spill("$data/PG_VERSION", $version);

mkdir "$tmp/other";
open my $file, '>', "$tmp/other/precious" or die $!;
close $file;
($status, $output) = make_run(DATA => "$tmp/other");
isnt($status, 0, 'a directory with other things in it');
like($output, qr/not empty, and not a data directory/, 'is told');
is(join(' ', map { s{.*/}{}r } glob "$tmp/other/*"), 'precious', 'and left as it was');

foreach my $wrong (qw(http 80 01024 65536 99999999999999999999))
{
	($status, $output) = make_run(PGPORT => $wrong);
	isnt($status, 0, "the port $wrong");
	like($output, qr/^PGPORT=$wrong is not a port from 1024 to 65535/, 'is told');
}

# ---- a creation that was cut short ----

my $part = "$tmp/part";
system("install -d -o \$(stat -c %U $data) -m 700 $part $part/mytsdb.new") == 0 or die;
spill("$part/mytsdb.new/PG_VERSION", '');
($status, $output) = make_run(DATA => $part);
is($status, 0, 'a DATA whose cluster was made in part') or diag $output;
like($output, qr/Creating/, 'gets a new one');
make_stop($part);
system("install -d -o \$(stat -c %U $data) $part/mytsdb.made && "
	  . "mv $part/PG_VERSION $part/base $part/mytsdb.conf $part/mytsdb.made") == 0
  or die;
$output = (make_run(DATA => $part))[1];
is(sql(uri_of($output), 'SELECT 1'), '1', 'a DATA half of which was moved to its place')
  or diag $output;
make_stop($part);

# ---- an older build ----

make_run();
$pid = postmaster_pid();
spill("$data/mytsdb.server/build-id", "an older one\n");
($status, $output) = make_run();
is($status, 0, 'a DATA of an older build') or diag $output;
like($output, qr/Restarting the server with the new build/, 'is restarted');
isnt(postmaster_pid(), $pid, 'as a new server');
is(sql($uri, 'SELECT l FROM kept'), 'up', 'with its data');

my $opts = slurp("$data/postmaster.opts");
$holder = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
spill("$data/postmaster.opts", $opts =~ s/mytsdb\.http_port=\d+//r);
spill("$data/mytsdb.server/build-id", "one without HTTP\n");
$pid = postmaster_pid();
($status, $output) = make_run(HTTP_PORT => $holder->sockport);
isnt($status, 0, 'one without HTTP, when the port of HTTP is held');
like($output, qr/Port \d+ is held by another process: .* HTTP_PORT=/, 'is told');
is(postmaster_pid(), $pid, 'and goes on');
close $holder;
make_stop();

# ---- OTLP's own ports, held by another ----

my @held = map { IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $! } 1 .. 2;
my %default = (otlp_grpc => $held[0]->sockport, otlp_http => $held[1]->sockport);
{
	local $ENV{OTLP_GRPC_DEFAULT} = 'abc';
	($status, $output) = make_run(map { $_ => undef } keys %otlp);
	isnt($status, 0, 'a default that is no port');
	like($output, qr/^OTLP_GRPC_DEFAULT=abc is not a port from 1024 to 65535/m, 'is told');
}
{
	local @ENV{qw(OTLP_GRPC_DEFAULT OTLP_HTTP_DEFAULT)} = @default{qw(otlp_grpc otlp_http)};
	($status, $output) = make_run(map { $_ => undef } keys %otlp);
	is($status, 0, 'when the ports of OTLP are held, and were not asked for') or diag $output;
	like($output, qr/^mytsdb\.${_}_port is off, since port $default{$_} is in use: \U$_\E_PORT=/m,
		"${_}_port is off")
	  foreach sort keys %default;
}
is(sql($uri, 'SHOW mytsdb.otlp_grpc_port'), 0, 'and the server does not try');
($status, $output) = make_run(map { $_ => undef } keys %otlp);
is($status, 0, 'and again');
like($output, qr{^    OTLP/gRPC  off: }m, 'says so');
make_stop();
close $_ foreach @held;

# ---- HTTPS ----

run("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2"
	  . " -keyout $tmp/server.key -out $tmp/server.crt");
spill("$data/server.$_", slurp("$tmp/server.$_")) foreach qw(crt key);
chmod 0600, "$data/server.key";
my $conf = slurp("$data/mytsdb.conf");
spill("$data/mytsdb.conf",
	"$conf\nmytsdb.ssl_cert_file = 'server.crt'\nmytsdb.ssl_key_file = 'server.key'\n");
($status, $output) = make_run();
is($status, 0, 'with a certificate') or diag $output;
like($output, qr{^    https://127\.0\.0\.1:$http_port$}m, 'HTTPS is what it says');
spill("$data/mytsdb.conf", $conf);

# ---- without shared_preload_libraries ----

make_stop();
spill("$data/postgresql.auto.conf", "shared_preload_libraries = ''\n");
make_run();
like(
	sql($uri, 'DROP EXTENSION IF EXISTS mytsdb CASCADE; CREATE EXTENSION mytsdb'),
	qr/must be loaded when the server starts.*shared_preload_libraries = 'mytsdb'/s,
	'without shared_preload_libraries CREATE EXTENSION says what to write where');

make_stop();
spill("$data/postgresql.auto.conf", "shared_preload_libraries = 'auth_delay'\n");
make_run();
like(sql($uri, q{SELECT 'up'::labels}),
	qr/= 'auth_delay, mytsdb'/, 'beside the libraries that are there');
my $as_other = sql($uri, q{CREATE ROLE other; SET ROLE other; SELECT 'up'::labels});
like($as_other, qr/= 'mytsdb'/, 'which are not shown to everybody');
unlike($as_other, qr/auth_delay/, 'as the setting is not');

make_stop();
done_testing();
