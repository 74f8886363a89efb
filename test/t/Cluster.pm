# Cluster.pm: servers for tests that need more than one, or stop and copy them.
#
# They run on one staged server of a flavour, as the server's user, and are reached by
# Unix sockets alone. Whatever happens to the test, at its end nothing of it runs on.
package Cluster;
use strict;
use warnings;

use File::Temp;
use IPC::Open2;
use Time::HiRes qw(sleep time);

my $root = $ENV{MYTSDB_ROOT} or die 'MYTSDB_ROOT is not set';
my $top;      # all files are below
my $bindir;   # of the staged server
my $flavour;  # of its library
my @nodes;

# Only once: to stop servers is not to be cut short.
$SIG{INT} = $SIG{TERM} = sub { $SIG{TERM} = 'IGNORE'; exit 1 };
$SIG{PIPE} = 'IGNORE';
my $owner = $$;

END
{
	if ($$ == $owner)
	{
		local $?;
		$_->stop('immediate') foreach grep { $_->{running} } @nodes;
	}
}

# Runs a shell function of the tools, or what they can run; dies if it fails.
sub tools
{
	my ($status, $output) = try_tools(@_);
	die "@_: $output" if $status != 0;
	return $output;
}

sub try_tools
{
	my (@command) = @_;
	my $log = File::Temp->new;
	chmod 0666, "$log";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null' or die $!;
		open STDOUT, '>', "$log" or die $!;
		open STDERR, '>&', \*STDOUT or die $!;
		exec 'bash', '-c', 'cd "$MYTSDB_ROOT" && . tools/lib.sh && . tools/cluster.sh && "$@"',
		  'bash', @command;
	}
	waitpid $pid, 0;
	my $status = $? >> 8 || $? & 127;
	return ($status, slurp("$log"));
}

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or die "$path: $!";
	local $/ = undef;
	return scalar(<$file>) // '';
}

# A directory for all, with the staged server in it. To be called once, first. The flavour
# of MYTSDB_FLAVOUR, if there is one, goes before the test's own.
sub prepare
{
	($flavour) = @_;
	$flavour = $ENV{MYTSDB_FLAVOUR} if $ENV{MYTSDB_FLAVOUR};
	$top = File::Temp->newdir('mytsdb-t.XXXXXX', DIR => $ENV{MYTSDB_TMP} // '/tmp');
	chmod 0755, $top;
	$ENV{top} = "$top";
	my $server = tools('new_server_dir');
	chomp $server;
	tools('stage_server', $flavour, "$server/server");
	$bindir = tools('staged_bin', "$server/server");
	chomp $bindir;
	return "$top";
}

# A node without a data directory: initdb() or backup_of() makes it.
sub new
{
	my ($class, $name) = @_;
	my $dir = tools('new_server_dir');
	chomp $dir;
	my $self = bless {
		name => $name, dir => $dir, data => "$dir/data", log => "$dir/log",
		running => 0
	}, $class;
	push @nodes, $self;
	return $self;
}

# Runs a program of the server, as its user.
sub program
{
	my ($self, $name, @arguments) = @_;
	return tools('as_server', "$bindir/$name", @arguments);
}

sub try_program
{
	my ($self, $name, @arguments) = @_;
	return try_tools('as_server', "$bindir/$name", @arguments);
}

sub configure
{
	my ($self, @settings) = @_;
	my $text = join '', map { "$_\n" } @settings;
	tools('as_server', 'bash', '-c', 'printf %s "$1" >> "$2"', 'bash', $text,
		"$self->{data}/postgresql.conf");
}

sub initdb
{
	my ($self, $options, @settings) = @_;
	$self->program('initdb', '-D', $self->{data}, qw(-U postgres -E UTF8 --locale=C.UTF-8),
		qw(--auth=trust --no-sync), @$options);
	$self->configure(
		"shared_preload_libraries = 'mytsdb'", "listen_addresses = ''",
		"unix_socket_directories = '$self->{dir}'", 'port = 5432', 'fsync = off',
		(map { "mytsdb.$_ = 0" } qw(http_port otlp_grpc_port otlp_http_port)),
		'max_prepared_transactions = 10', 'log_error_verbosity = verbose',
		'log_line_prefix = \'%m [%p] \'', @settings);
}

# Copies a running node as a base backup.
sub backup_of
{
	my ($self, $from, @options) = @_;
	$self->program('pg_basebackup', '-D', $self->{data}, '-h', $from->{dir},
		qw(-U postgres --no-sync -c fast -X stream), @options);
	$self->configure("unix_socket_directories = '$self->{dir}'");
}

sub signal_file
{
	my ($self, $name) = @_;
	tools('as_server', 'touch', "$self->{data}/$name");
}

sub start
{
	my ($self) = @_;
	$self->{running} = 1; # or in part, when we are stopped in the middle
	my ($status, $output) = try_tools('as_server_of', $flavour, "$bindir/pg_ctl", '-D', $self->{data}, '-l',
		$self->{log}, qw(-w -t 300 -s start));
	return if $status == 0;
	$self->{running} = 0;
	die "$self->{name} does not start: $output" . $self->log_text;
}

# False if it does not stop, or if a sanitizer has spoken.
sub stop
{
	my ($self, $mode) = @_;
	$self->{running} = 0;
	my ($status, $output) =
	  $self->try_program('pg_ctl', '-D', $self->{data}, qw(-w -t 300 -s stop -m),
		$mode // 'fast');
	return $status == 0 unless $flavour eq 'sanitize' && $self->log_text =~ /^(.*(?:Sanitizer|runtime error:).*)/ms;
	print STDERR substr($1, 0, 20000), "\n";
	return 0;
}

sub promote
{
	my ($self) = @_;
	$self->program('pg_ctl', '-D', $self->{data}, qw(-w -t 300 -s promote));
}

sub log_text
{
	my ($self) = @_;
	return tools('as_server', 'cat', $self->{log});
}

# What psql says to a script in a session of its own, errors included.
sub sql
{
	my ($self, $sql, $database) = @_;
	my $session = $self->session($database);
	my $output = $session->query($sql);
	$session->close;
	return $output;
}

# The same, where no error is expected.
sub safe_sql
{
	my ($self, $sql, $database) = @_;
	my $output = $self->sql($sql, $database);
	die "$self->{name}: $sql\n$output" if $output =~ /^(?:psql:.*?: )?(ERROR|FATAL|PANIC):/m;
	return $output;
}

sub psql_command
{
	my ($self, $database) = @_;
	return ("$bindir/psql", qw(-X -q -A -t -v VERBOSITY=verbose -h), $self->{dir},
		'-U', 'postgres', '-d', $database // 'postgres');
}

sub session
{
	my ($self, $database) = @_;
	my $session = bless {}, 'Cluster::Session';
	$session->{pid} = open2($session->{out}, $session->{in}, 'sh', '-c', 'exec "$@" 2>&1',
		'sh', $self->psql_command($database));
	return $session;
}

# Waits until a query gives what it should; after a while, which is a limit against hanging
# and no measure, says what it gives instead and is false.
sub wait_for
{
	my ($self, $sql, $result, $seconds, $database) = @_;
	my $end = time + ($seconds // 180);
	my $output = '';
	while (time < $end)
	{
		$output = $self->sql($sql, $database);
		return 1 if $output eq $result;
		sleep 0.1;
	}
	print STDERR "# $self->{name}: $sql\n# is $output, not $result\n";
	return 0;
}

# Where the primary is now. The commit of a transaction that has an id sends all before it.
sub here
{
	my ($self) = @_;
	return $self->safe_sql(q{SELECT pg_create_restore_point('here') FROM pg_current_xact_id()});
}

# Waits until a standby has replayed what the primary has written by now.
sub catch_up
{
	my ($self, $primary) = @_;
	my $lsn = $primary->here;
	return $self->wait_for("SELECT pg_last_wal_replay_lsn() >= '$lsn'", 't');
}

# The same, or until redo waits for a query to end, which it may do for ever. (It may wait for
# this one, too, and then goes on.)
sub catch_up_or_wait
{
	my ($self, $primary) = @_;
	my $lsn = $primary->here;
	my $end = time + 180;
	my $before = '';
	while (time < $end)
	{
		my ($there, $waits, $at) = split /\|/, $self->safe_sql("SELECT pg_last_wal_replay_lsn() >= '$lsn',
			EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'startup'
				AND (wait_event LIKE 'RecoveryConflict%' OR wait_event_type IN ('Lock', 'BufferPin'))),
			pg_last_wal_replay_lsn()");
		return 1 if $there eq 't' || $waits eq 't' && $at eq $before;
		$before = $waits eq 't' ? $at : '';
		sleep 0.1;
	}
	return 0;
}

# How often the server has ended all its processes since one of them crashed.
sub crashes
{
	my ($self) = @_;
	return scalar(() = $self->log_text =~ /all server processes terminated; reinitializing/g);
}

# Waits until it has done so again, and lets us in. Before that it may let us in, too: it
# learns of a crash when the process is gone.
sub wait_for_crash
{
	my ($self, $before) = @_;
	my $end = time + 180;
	sleep 0.1 while $self->crashes <= $before && time < $end;
	return $self->crashes > $before && $self->wait_for('SELECT 1', '1');
}

package Cluster::Session;
use strict;
use warnings;

# Sends without waiting for an answer.
sub send
{
	my ($self, $sql) = @_;
	print {$self->{in}} "$sql\n;\n\\echo \@\@\@\n";
	$self->{in}->flush;
}

# Whether there is something of an answer to what was sent.
sub has_answered
{
	my ($self) = @_;
	my $bits = '';
	vec($bits, fileno $self->{out}, 1) = 1;
	return select($bits, undef, undef, 0) > 0;
}

# The answer; undef when the session has ended without one.
sub receive
{
	my ($self) = @_;
	my $output = '';
	while (my $line = readline $self->{out})
	{
		if ($line eq "\@\@\@\n")
		{
			chomp $output;
			return $output;
		}
		$output .= $line;
	}
	$self->{ended} = 1;
	chomp $output;
	return $output;
}

sub query
{
	my ($self, $sql) = @_;
	return 'session has ended' if $self->{ended};
	$self->send($sql);
	return $self->receive;
}

sub close
{
	my ($self) = @_;
	close $self->{in};
	close $self->{out};
	waitpid $self->{pid}, 0;
}

1;
