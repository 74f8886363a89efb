# Crashes: what was acknowledged is there, once and whole; nothing else is.
#
# In each round several writers run transactions of all kinds, beside seals, merges and
# VACUUMs, until something is killed: a backend, a maintenance worker, the whole server,
# or a session at a stop point. A transaction has a number that all its rows bear, and a
# known number of rows with known sums; the writers' outputs tell, outside the server,
# which ones were acknowledged.
use strict;
use warnings;

use File::Temp;
use List::Util qw(min);
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);

my $root = $ENV{MYTSDB_ROOT} or die 'MYTSDB_ROOT is not set';
my $top = $ENV{MYTSDB_TMP} or die 'MYTSDB_TMP is not set';
chdir $root or die "$root: $!";
my $seed = $ENV{MYTSDB_SEED} // time ^ $$;
$seed = srand $seed;
diag "seed $seed (MYTSDB_SEED)";

my $writers = 4;
my $hosts = 300;
my $port = 5432;
my $tmp = File::Temp->newdir('crash.XXXXXX', DIR => $top);
my ($dir, $bin) = split /\n/,
  tool(q{start_cluster assert 'shared_buffers = 16MB' 'max_wal_size = 64MB' \
	'min_wal_size = 32MB' 'autovacuum = off' 'wal_consistency_checking = generic' \
	'mytsdb.maintenance_interval = 1' 'mytsdb.seal_age = 1' 'mytsdb.seal_size = 64' \
	'mytsdb.busy_logs = 5' >&2
	printf '%s\n' "$cluster_dir" "$cluster_bin"});

# The server ends with the test, whatever happened.
$SIG{$_} = sub { $SIG{TERM} = 'IGNORE'; exit 1 } for qw(INT TERM HUP ALRM);
alarm 1500;
my $main_pid = $$;

END
{
	if ($dir && $$ == $main_pid)
	{
		my $status = $?;
		pg_ctl('stop -m immediate');
		$? = $status;
	}
}

# ---- the server ----

# Runs a piece of shell script that knows what the tools know; returns what it prints.
sub tool
{
	my ($script) = @_;
	local @ENV{qw(TEST_TOP TEST_SCRIPT)} = ($top, $script);
	my $output = qx(bash -c 'set -euo pipefail; . tools/lib.sh; . tools/cluster.sh
		top=\$TEST_TOP; eval "\$TEST_SCRIPT"' < /dev/null);
	die "failed: $script" if $?;
	return $output;
}

sub pg_ctl
{
	my ($what) = @_;
	my $output = qx(bash -c '. tools/lib.sh
		as_server $bin/pg_ctl -D $dir/data -l $dir/log -w -t 300 -s $what' 2>&1 < /dev/null);
	return $? == 0;
}

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/ = undef;
	return scalar <$file>;
}

# The command line of a psql.
sub psql
{
	my (@options) = @_;
	return ("$bin/psql", '-X', '-q', '-A', '-t', '-h', $dir, '-p', $port, '-U', 'postgres',
		'-d', 'crash', '-v', 'ON_ERROR_STOP=1', @options);
}

# The output of some SQL; undef when it failed.
sub try_sql
{
	my (@sql) = @_;
	my @command = psql(map { ('-c', $_) } @sql);
	my $pid = open my $out, '-|';
	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open STDERR, '>', "$tmp/error";
		exec @command or POSIX::_exit(127);
	}
	my $output = do { local $/ = undef; <$out> };
	close $out or return;
	chomp $output;
	return $output;
}

sub sql
{
	my (@sql) = @_;
	my $output = try_sql(@sql);
	die "@sql: " . slurp("$tmp/error") unless defined $output;
	return $output;
}

# Starts a psql that runs a script; what it prints is in $job->{out} and ->{err} later.
my $jobs = 0;

sub start_job
{
	my ($script, $stop_point) = @_;
	my $base = "$tmp/" . ++$jobs;
	my %job = (out => "$base.out", err => "$base.err", script => "$base.sql");
	open my $file, '>', $job{script} or die "$job{script}: $!";
	print $file $script;
	close $file;
	local $ENV{PGOPTIONS} = "-c mytsdb.stop_point=$stop_point" if $stop_point;
	$job{pid} = fork // die "fork: $!";
	if ($job{pid} == 0)
	{
		open STDOUT, '>', $job{out};
		open STDERR, '>', $job{err};
		exec psql('-f', $job{script}) or POSIX::_exit(127);
	}
	return \%job;
}

sub job_runs
{
	my ($job) = @_;
	return 0 if $job->{done};
	$job->{done} = 1 if waitpid($job->{pid}, WNOHANG) != 0;
	return !$job->{done};
}

# Waits for jobs to end. That they do not is a failure of the server.
sub finish_jobs
{
	my (@jobs) = @_;
	my $until = time + 300;
	while (grep { job_runs($_) } @jobs)
	{
		die 'a session does not end' if time > $until;
		sleep 0.01;
	}
	return;
}

sub postmaster_pid
{
	my ($pid) = slurp("$dir/data/postmaster.pid") =~ /^(\d+)/;
	return $pid // die 'there is no server';
}

# Waits until the server has noticed that a process crashed, and lets us in again.
sub wait_for_server
{
	my ($crashes) = @_;
	my $until = time + 300;
	until (crash_count() >= $crashes && defined try_sql('SELECT 1'))
	{
		die 'the server does not come back: ' . slurp("$tmp/error") if time > $until;
		sleep 0.05;
	}
	return;
}

sub crash_count
{
	my $log = slurp("$dir/log");
	return scalar(() = $log =~ /was terminated by signal 9/g);
}

# ---- transactions ----

# What is known of them: by "writer/number", those that are in the table.
my %present;
my @number = (0) x $writers;
my (%host_rows, %host_sum);

# A transaction: rows 0 .. rows - 1, row i of series (number * 31 + i) % hosts, with value
# number + i / 2, and `note` bytes of text.
sub insert_sql
{
	my ($tx, $from, $to, $bad) = @_;
	my $note = !$tx->{note} ? 'NULL' : "(SELECT string_agg(md5(format('$tx->{number}/%s/%s', i, n)), '') "
	  . "FROM generate_series(1, $tx->{note} / 32) n)";
	my $i = $bad ? '-1 - i' : 'i';
	$to--;
	return 'INSERT INTO t SELECT '
	  . "'2026-01-01 00:00+00'::timestamptz + $tx->{number} * interval '1 min' + i * interval '5 s', "
	  . "'$tx->{prefix}' || ($tx->{number} * 31 + i) % $tx->{hosts}, $tx->{writer}, "
	  . "$tx->{number}, $i, $tx->{number} + i / 2.0, $note FROM generate_series($from, $to) i;\n";
}

sub copy_sql
{
	my ($tx) = @_;
	my $text = "COPY t (ts, host, writer, number, i, v) FROM STDIN;\n";
	for my $i (0 .. $tx->{rows} - 1)
	{
		my $second = 60 * $tx->{number} + 5 * $i;
		$text .= sprintf "2026-01-%02d %02d:%02d:%02d+00\t%s%d\t%d\t%d\t%d\t%s\n",
		  1 + int($second / 86400) % 28, int($second / 3600) % 24, int($second / 60) % 60,
		  $second % 60, $tx->{prefix}, ($tx->{number} * 31 + $i) % $tx->{hosts},
		  $tx->{writer}, $tx->{number}, $i, $tx->{number} + $i / 2;
	}
	return "$text\\.\n";
}

my %kinds = (
	single => sub { $_[0]{rows} = 1; return insert_sql($_[0], 0, 1) },
	several => sub {
		my ($tx) = @_;
		my $half = int(($tx->{rows} = 2 + int rand 200) / 2);
		return "BEGIN;\n" . insert_sql($tx, 0, $half)
		  . insert_sql($tx, $half, $tx->{rows}) . "COMMIT;\n";
	},
	copy => sub { $_[0]{rows} = 1 + int rand 400; return copy_sql($_[0]) },
	bulk => sub {
		my ($tx) = @_;
		$tx->{rows} = 2500 + int rand 1500;
		return "SET mytsdb.buffer_memory = '64kB';\n" . insert_sql($tx, 0, $tx->{rows})
		  . "RESET mytsdb.buffer_memory;\n";
	},
	wide => sub { $_[0]{rows} = 3; $_[0]{note} = 12800; return insert_sql($_[0], 0, 3) },
	text => sub {
		my ($tx) = @_;
		$tx->{note} = 960;
		$tx->{rows} = 1 + int rand 60;
		return insert_sql($tx, 0, $tx->{rows});
	},
	series => sub {
		my ($tx) = @_;
		$tx->{rows} = $tx->{hosts} = 1 + int rand 300;
		$tx->{prefix} = "w$tx->{writer}-$tx->{number}-";
		return insert_sql($tx, 0, $tx->{rows});
	},
	savepoints => sub {
		my ($tx) = @_;
		$tx->{rows} = 10 + int rand 100;
		return "BEGIN;\n" . insert_sql($tx, 0, 4) . "SAVEPOINT a;\n"
		  . insert_sql($tx, 4, 10 + int rand 2000, 1)
		  . "ROLLBACK TO a;\n" . insert_sql($tx, 4, 10) . "SAVEPOINT b;\n"
		  . insert_sql($tx, 10, $tx->{rows}) . "RELEASE b;\nCOMMIT;\n";
	},
	aborted => sub {
		my ($tx) = @_;
		$tx->{rows} = 0;
		return "BEGIN;\n" . insert_sql($tx, 0, 1 + int rand 2500, 1) . "ROLLBACK;\n";
	},
	prepared => sub {
		my ($tx) = @_;
		my $id = "'$tx->{writer}/$tx->{number}'";
		$tx->{rows} = 1 + int rand 100;
		return "BEGIN;\n" . insert_sql($tx, 0, $tx->{rows})
		  . "PREPARE TRANSACTION $id;\n\\echo P $tx->{number}\nCOMMIT PREPARED $id;\n";
	});
my @usual = (('single') x 6, ('several') x 4, ('text') x 3, ('copy') x 4, ('savepoints') x 3, 'aborted',
	'prepared', 'series', 'bulk', 'wide');

# A script of transactions for a writer; notes them in %$sent.
sub write_script
{
	my ($writer, $sent, @list) = @_;
	my $script = '';
	for my $kind (@list)
	{
		my %tx = (writer => $writer, number => ++$number[$writer], prefix => 'h',
			hosts => $hosts, kind => $kind, note => 0);
		$script .= $kinds{$kind}->(\%tx) . "\\echo A $tx{number}\n";
		$sent->{"$writer/$tx{number}"} = \%tx;
	}
	return $script;
}

# ---- checks ----

# What a transaction's rows add up to, as the query below says it.
sub expected
{
	my ($tx) = @_;
	my $n = $tx->{rows};
	return join '|', $n, $n * ($n - 1) / 2, ($n - 1) * $n * (2 * $n - 1) / 6,
	  $tx->{number} * $n + $n * ($n - 1) / 4, $n * $tx->{note};
}

sub note_present
{
	my ($id, $tx) = @_;
	$present{$id} = expected($tx);
	for my $i (0 .. $tx->{rows} - 1)
	{
		my $host = $tx->{prefix} . ($tx->{number} * 31 + $i) % $tx->{hosts};
		$host_rows{$host}++;
		$host_sum{$host} += $tx->{number} + $i / 2;
	}
	return;
}

# Ends prepared transactions that a crash has left; returns their ids.
sub end_prepared
{
	my %ended;
	for my $id (split /\n/, sql('SELECT gid FROM pg_prepared_xacts'))
	{
		my $how = rand 2 < 1 ? 'COMMIT' : 'ROLLBACK';
		sql("$how PREPARED '$id'");
		$ended{$id} = $how;
	}
	return \%ended;
}

# Compares the table with what it must be: %present, and of the transactions of %$sent
# those that were acknowledged, and any of the others as a whole. Returns complaints.
sub compare_transactions
{
	my ($sent, $acknowledged, $prepared, $ended) = @_;
	my @wrong;
	my %found = map { /^([^|]*)\|(.*)$/ } split /\n/, sql(<<~'SQL');
		SELECT writer || '/' || number, count(*), sum(i), sum(i::bigint * i),
			trim_scale(sum(v)::numeric), coalesce(sum(length(note)), 0)
		FROM t GROUP BY writer, number
		SQL
	for my $id (keys %$sent)
	{
		my $tx = $sent->{$id};
		my $end = $ended->{$id} // '';
		next if $tx->{rows} == 0;
		note_present($id, $tx) if exists $found{$id};
		if (!exists $found{$id})
		{
			push @wrong, "$id ($tx->{kind}) was acknowledged and is lost" if $acknowledged->{$id};
			push @wrong, "$id was prepared and committed and is lost" if $end eq 'COMMIT';
			push @wrong, "$id was prepared and is lost" if $prepared->{$id} && !$end;
		}
		elsif ($end eq 'ROLLBACK')
		{
			push @wrong, "$id was prepared and rolled back and is there";
		}
	}
	for my $id (keys %present)
	{
		my $is = $found{$id} // 'nothing';
		push @wrong, "$id is $is and not $present{$id}" if $is ne $present{$id};
	}
	push @wrong, map { "$_ is $found{$_}, which nobody committed" }
	  grep { !exists $present{$_} } keys %found;
	return @wrong;
}

sub compare_series
{
	my %found = map { /^([^|]*)\|(.*)$/ } split /\n/,
	  sql('SELECT host, count(*), trim_scale(sum(v)::numeric) FROM t GROUP BY host');
	my @wrong;
	for my $host (keys %host_rows)
	{
		my $is = delete $found{$host} // 'nothing';
		my $must = "$host_rows{$host}|$host_sum{$host}";
		push @wrong, "series $host is $is and not $must" if $is ne $must;
	}
	push @wrong, map { "series $_ has rows that nobody wrote" } keys %found;
	return @wrong;
}

sub report
{
	my ($name, @wrong) = @_;
	ok(!@wrong, $name) or diag join "\n", @wrong[ 0 .. min(10, $#wrong) ], "seed $seed";
	return;
}

# ---- rounds ----

my $upkeep = join "SELECT pg_sleep(0.03);\n",
  ("SELECT mytsdb.seal('t');\n", "SELECT mytsdb.merge('t');\n", "VACUUM t;\n") x 20;

# The kills: each returns whether it did what it was to do.

# Kills one of the server's processes that call themselves so, until the server crashes:
# one may be ending just then. Whoever is in a list that was read before the server had
# crashed is gone when it is back: it does not crash twice.
sub kill_process
{
	my ($title) = @_;
	my $postmaster = postmaster_pid();
	my $crashes = crash_count();
	my $until = time + 300;
	while (time < $until)
	{
		my @pids = split ' ', slurp("/proc/$postmaster/task/$postmaster/children");
		@pids = grep { slurp("/proc/$_/cmdline") =~ $title } @pids;
		return 1 if crash_count() > $crashes;
		my $killed = @pids && kill 'KILL', $pids[ rand @pids ];
		for (1 .. ($killed ? 20 : 1))
		{
			return 1 if crash_count() > $crashes;
			sleep 0.01;
		}
	}
	return 0;
}

sub kill_backend
{
	return kill_process(qr/postgres crash \[local\]/);
}

sub kill_worker
{
	return kill_process(qr/mytsdb maintenance/);
}

sub stop_at_once
{
	return pg_ctl('stop -m immediate') && pg_ctl('start');
}

sub kill_all
{
	my $postmaster = postmaster_pid();
	kill 'STOP', $postmaster;
	kill 'KILL', $postmaster, split ' ', `ps --ppid $postmaster -o pid=`;

	# Shared memory is in use until the last one is gone.
	my $until = time + 300;
	until (pg_ctl('start'))
	{
		return 0 if time > $until;
		sleep 0.1;
	}
	return 1;
}

# A new server whose workers find nothing to do, and so take no numbers.
sub restart_idle
{
	sql("SELECT mytsdb.seal('t')", "SELECT mytsdb.merge('t')");
	return stop_at_once();
}

# A storage with no free pages, and with short runs of log pages.
sub vacuum_full
{
	sql('VACUUM FULL t');
	return;
}

# Starts the session that is to stop.
sub start_stop
{
	my ($round, $sent) = @_;
	my $script = $round->{script}
	  // write_script(0, $sent, map { @{ $round->{kinds} } } 1 .. 20);
	return { %{ start_job($script, $round->{stop}) }, writer => 0 };
}

# Starts the other writers, and perhaps somebody who seals, merges and vacuums.
sub start_others
{
	my ($round, $sent) = @_;
	my @jobs;
	for my $writer (1 .. $writers - 1)
	{
		my $script = write_script($writer, $sent,
			map { $round->{write} // $usual[ rand @usual ] } 1 .. ($round->{stop} ? 25 : 120));

		# There is somebody to kill until somebody is.
		$script .= "SELECT pg_sleep(30);\n" unless $round->{stop};
		push @jobs, { %{ start_job($script) }, writer => $writer };
	}
	push @jobs, start_job($upkeep)
	  unless $round->{script} || $round->{quiet} || rand 2 < 1;
	return @jobs;
}

# What writers' outputs say after a letter, as a set of ids.
sub said
{
	my ($letter, @jobs) = @_;
	my %said;
	for my $job (grep { defined $_->{writer} } @jobs)
	{
		$said{"$job->{writer}/$_"} = 1 for slurp($job->{out}) =~ /^$letter (\d+)$/mg;
	}
	return \%said;
}

# Errors of sessions that are no crash and no stop point's.
sub errors
{
	return map { slurp($_->{err}) =~ /^(.*ERROR: (?! stopped at).*)$/mg } @_;
}

# Runs writers, does something to them after a moment, waits, compares.
#	kill	what to do
#	stop	or: a stop point for a session of its own, which runs
#	script	this, or
#	kinds	these kinds of transactions
#	alone	nobody else is there
#	before	to be done first
#	write	the kind of transactions that the others run
#	quiet	nobody else seals, merges or vacuums
sub round
{
	my ($name, %round) = @_;
	my ($done, @wrong);

	# Whether there is anything to do where a session or a worker is to stop is a matter of
	# chance; not so over several attempts, the later ones at the first pass.
	for my $attempt (1 .. 30)
	{
		$round{stop} =~ s/\@\d+$/\@1/ if $round{stop} && $attempt > 1;
		($done, my @now) = attempt(\%round);
		push @wrong, @now;
		last if $done;
	}
	ok($done, "$name: " . ($round{stop} ? 'stopped' : 'killed'));
	report("$name: rows", @wrong);
	return;
}

# Returns whether it was done, and complaints about what there is afterwards.
sub attempt
{
	my ($round) = @_;
	my %sent;
	my ($done, @jobs);

	$round->{before}->() if $round->{before};
	my $crashes = crash_count();
	@jobs = start_others($round, \%sent) unless $round->{alone};
	if ($round->{stop})
	{
		my $job = start_stop($round, \%sent);
		push @jobs, $job;
		finish_jobs(@jobs);
		my $crash = $round->{stop} =~ /=crash/;
		$done = slurp($job->{err}) =~ ($crash ? qr/server/ : qr/stopped at/);
		$crashes++ if $done && $crash;
	}
	else
	{
		sleep 0.05 + rand 0.6;
		$done = $round->{kill}->();
		finish_jobs(@jobs);
	}
	wait_for_server($crashes);
	my @wrong = (
		compare_transactions(\%sent, said('A', @jobs), said('P', @jobs), end_prepared()),
		errors(@jobs));
	unlink map { @{$_}{qw(out err script)} } @jobs;
	return ($done, @wrong);
}

# A worker reaches a stop point that its database's settings name.
sub stop_worker
{
	my ($point) = @_;
	my $crashes = crash_count();
	sql("ALTER DATABASE crash SET mytsdb.stop_point = '$point=crash'");
	my $until = time + 30;
	sleep 0.02 while crash_count() == $crashes && time < $until;
	my $done = crash_count() > $crashes;
	$until = time + 300;
	until (defined try_sql('ALTER DATABASE crash RESET mytsdb.stop_point'))
	{
		return 0 if time > $until;
		sleep 0.02;
	}

	# Those that have started with the setting go, before they crash in a later round.
	return stop_at_once() && $done;
}

tool(<<"SCRIPT");
$bin/psql -X -q -h $dir -p $port -U postgres -c 'CREATE DATABASE crash TEMPLATE template0'
$bin/psql -X -q -h $dir -p $port -U postgres -d crash <<'END'
CREATE EXTENSION mytsdb;
CREATE TABLE t (ts timestamptz NOT NULL, host text, writer int, number int, i int,
	v float8, note text)
	USING mytsdb WITH (mytsdb.series_by = 'host', mytsdb.time_column = 'ts', mytsdb.shards = 4);
END
SCRIPT

my $seals = "SELECT mytsdb.seal('t'), pg_sleep(0.05);\n" x 60;
my $merges = "SELECT mytsdb.seal('t');\nSELECT mytsdb.merge('t'), pg_sleep(0.05);\n" x 30;
my $vacuums = "SELECT mytsdb.seal('t');\nVACUUM (FREEZE) t;\nSELECT pg_sleep(0.05);\n" x 30;

# Where sessions stop, and in doing what; the number of the pass at which is random up to
# the third.
my @points = (
	['numbers-raised', 1, kinds => ['single'], before => \&restart_idle, alone => 1],
	['append-before-wal', 9, kinds => ['several']],
	['append-after-wal', 9, kinds => ['several']],
	['append-between-edits', 9, kinds => ['bulk', 'savepoints']],
	['commit-before-flush', 5, kinds => ['several', 'single']],
	['commit-after-flush', 5, kinds => ['several', 'single']],
	['series-before-wal', 20, kinds => ['series']],
	['series-after-wal', 20, kinds => ['series']],
	['split-before-wal', 2, kinds => ['series']],
	['split-after-wal', 2, kinds => ['series']],
	['extend-after-file', 1, kinds => ['bulk', 'wide'], before => \&vacuum_full],
	['extend-after-directory', 2, kinds => ['text', 'several'], before => \&vacuum_full],
	['block-reserved', 5, kinds => ['bulk', 'wide']],
	['block-in-part', 5, kinds => ['bulk', 'wide']],
	['block-written', 5, kinds => ['bulk', 'wide']],
	['block-in-catalog', 5, kinds => ['bulk', 'wide']],
	['block-written', 3, script => $seals],
	['block-in-catalog', 3, script => $seals],
	['seal-blocks-written', 4, script => $seals],
	['seal-covered', 4, script => $seals],
	['block-in-part', 3, script => $merges],
	['merge-written', 2, script => $merges],
	['merge-deleted', 2, script => $merges],
	['cut-in-part', 1, script => $vacuums, before => \&vacuum_full, write => 'text'],
	['free-detached', 2, script => $vacuums],
	['freeze-conflict', 2, script => $vacuums],
	['freeze-in-part', 3, script => $vacuums],
);
my @rounds = (
	(map { ['a backend', kill => \&kill_backend] } 1 .. 8),
	(map { ['a worker', kill => \&kill_worker] } 1 .. 4),
	(map { ['stop at once', kill => \&stop_at_once] } 1 .. 4),
	(map { ['all processes', kill => \&kill_all] } 1 .. 6),
	(map { my $point = $_; ["a worker at $point", kill => sub { stop_worker($point) }, quiet => 1] }
		qw(seal-covered free-detached)),
	(map { [point_round($_, 'crash')] } @points),
	(map { [point_round($_, 'error')] } grep { $_->[0] !~ /after-wal|raised/ } @points),
);

sub point_round
{
	my ($point, $action) = @_;
	my ($name, $passes, @rest) = @$point;
	my $stop = "$name=$action\@" . (1 + int rand $passes);
	return ($stop, stop => $stop, @rest);
}

# In random order.
my $done = 0;
for (sort { $a->[0] <=> $b->[0] } map { [rand, $_] } @rounds)
{
	round(@{ $_->[1] });
	next if ++$done % 15 != 0;
	report('series add up', compare_series());
	sql('TRUNCATE t');
	%$_ = () for \(%present, %host_rows, %host_sum);
}

# ---- what is left behind ----

report('series add up', compare_series());
sql("SELECT mytsdb.seal('t')", "SELECT mytsdb.merge('t')", 'VACUUM (FREEZE) t');
report('rows, after VACUUM', compare_transactions({}, {}, {}, {}));

# From here on no worker is between a VACUUM and what it can free, or between two looks.
sql('ALTER SYSTEM SET mytsdb.maintenance_workers = 0');
ok(pg_ctl('restart -m fast'), 'restart');
report('rows, after a restart', compare_transactions({}, {}, {}, {}));
report('series add up, after a restart', compare_series());

# What is neither free nor of a block is of a log, the dictionary, or the directory.
sub vacuum_pages
{
	sql('VACUUM t');
	my ($pages, $free, $log) = split /\|/,
	  sql("SELECT pg_relation_size('t') / 8192, free_bytes / 8192, log_bytes / 8192 FROM mytsdb.stat_table WHERE rel = 't'::regclass");
	return ($pages, $free, $log);
}
my ($pages, $free, $log) = vacuum_pages();
my $kept = sql('SELECT sum(pages) FROM mytsdb.block');
cmp_ok($pages - $free - $log - $kept, '<', 3 * 2 * 128 + 10, 'no page is lost');

# Each log keeps the run with its end and the last one, of at most 128 pages.
my $logs = sql("SELECT sum(logs) FROM mytsdb.stat_shard WHERE rel = 't'::regclass");
cmp_ok($log, '<=', $logs * 2 * 128, 'sealed logs are cut');

# Rows of one kind come and go: the file does not grow with them.
my $bulk = q{INSERT INTO t SELECT '2026-03-01 00:00+00'::timestamptz + i * interval '1 s', 'h' || i % 300, 0, 0, i,
	sqrt(i), NULL FROM generate_series(1, 50000) i};
my @sizes;
for (1 .. 4)
{
	sql($bulk);
	sql("SELECT mytsdb.drop_before('t', 'infinity')");
	push @sizes, (vacuum_pages())[0];
}
is($sizes[3], $sizes[0], 'freed pages are used again') or diag "pages: @sizes";
is(sql('SELECT count(*) FROM t'), 0, 'no row comes back');

my @trouble = grep { /TRAP:|PANIC|signal (?!9\b)\d+|XX00[012]/ && !/stopped at/ } split /\n/, slurp("$dir/log");
is(scalar @trouble, 0, 'nothing else in the log') or diag join "\n", @trouble[ 0 .. min(20, $#trouble) ];
ok(pg_ctl('stop -m fast'), 'stop');
done_testing();
