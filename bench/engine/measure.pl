#!/usr/bin/perl
#
# measure.pl BIN SOCKET DIRECTORY
#	  Measures the table "engine" in a running server: BIN has its programs, DIRECTORY is
#	  where the rows are written that it loads.
#
# What is compared runs in turns, ours and heap, and the median counts; a ratio is that
# of medians. With BENCH_SMOKE there are few rows and only results are checked.

use strict;
use warnings;

use IO::Handle;
use JSON::PP;
use List::Util qw(max);
use POSIX ();
use Time::HiRes qw(sleep time);

my ($bin, $socket, $rows_dir) = @ARGV;
my $smoke = $ENV{BENCH_SMOKE};
my $scale = $ENV{SCALE} || 1;
my $rounds = $smoke ? 1 : 3;
my $series = $smoke ? 20 : 2000;
my $day = $smoke ? 240 : 5760;
my $part = $smoke ? 60 : int(480 * $scale);      # steps that both are loaded with
my $cpu_part = $smoke ? 60 : int(2160 * $scale);
my $cpu_day = $smoke ? 120 : 8640;
my ($passed, $failed) = (0, 0);
my %figures;

$part = $day if $part > $day;
$cpu_part = $cpu_day if $cpu_part > $cpu_day;
$ENV{PGHOST} = $socket;
$ENV{PGUSER} = 'postgres';
$ENV{PGDATABASE} = 'postgres';
$ENV{PGOPTIONS} = '-c timezone=UTC -c client_min_messages=warning';
STDOUT->autoflush(1);

my @nar = ('time timestamptz NOT NULL, series_id int8 NOT NULL, value float8', 'series_id');
my @cpu = (
	'time timestamptz NOT NULL, '
	  . join(', ', map { "$_ text" }
		  qw(hostname region datacenter rack os arch team service service_version service_environment))
	  . ', '
	  . join(', ', map { "usage_$_ float8" }
		  qw(user system idle nice iowait irq softirq steal guest guest_nice)),
	'hostname, region, datacenter, rack, os, arch, team, service, service_version, service_environment'
);

print <<"END" unless $smoke;
Rows: nar ${\($series * $part)} for loading, ${\($series * $day)} (a day) for queries and sizes; cpu ${\(100 * $cpu_part)} and ${\(100 * $cpu_day)}.
heap has btrees on (series, time desc) and (time). COPY reads files in the server. fsync is on.
END
sql('CREATE EXTENSION mytsdb');
loading();
batches();
single_rows();
whole_day();
queries();
wide();
many_series();
contention();

print "$passed passed, $failed failed\n" if $smoke;
exit($failed ? 1 : 0);

# ---- tools ----

# Runs statements in one session; returns what they print.
sub sql
{
	my ($text) = @_;

	open my $in, '-|', "$bin/psql", '-XqAt', '-v', 'ON_ERROR_STOP=1', map { ('-c', $_) } split(/;\s*\n/, $text)
	  or die "psql: $!\n";
	local $/;
	my $out = <$in>;
	close $in or die "failed: $text\n";
	$out //= '';
	$out =~ s/\s+\z//;
	return $out;
}

sub check
{
	my ($ok, $what) = @_;

	$ok ? $passed++ : $failed++;
	print "WRONG: $what\n" unless $ok;
}

sub same
{
	my ($query) = @_;
	my ($ours, $heap) = map { sql($query =~ s/\bT\b/$_/gr) } qw(m h);

	check($ours eq $heap, "$query: $ours, heap $heap");
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[ @sorted / 2 ];
}

# The file of some rows, made when it is first asked for.
sub rows
{
	my ($data, $format, $n, $steps, $of, $parts) = @_;
	my $file = join('.', "$rows_dir/$data", $format, $n, $steps, $of // 0, $parts // 1);

	return $file if -e $file;
	system("'$ENV{BENCH_BUILD}/generate' $data $format $n $steps " . join(' ', grep { defined } $of, $parts) . " > '$file'") == 0
	  or die "generate failed\n";
	return $file;
}

# Makes an empty table anew: m is ours, h is heap, with its indexes.
sub make_table
{
	my ($table, $which, $shards) = @_;
	my ($columns, $key) = @$which;
	my ($first) = split /,/, $key;
	my $options = $shards ? ", mytsdb.shards = $shards" : '';

	sql("DROP TABLE IF EXISTS $table");
	if ($table eq 'm')
	{
		sql("CREATE TABLE m ($columns) USING mytsdb WITH (mytsdb.series_by = '$key'$options)");
	}
	else
	{
		sql("CREATE TABLE h ($columns) USING heap;\nCREATE INDEX ON h ($first, time DESC);\nCREATE INDEX ON h (time)");
	}
	sql('CHECKPOINT');
}

# Runs commands at the same time; returns the seconds until all have ended.
sub together
{
	my @commands = @_;
	my $start = time;
	my @pids;

	for my $command (@commands)
	{
		my $pid = fork // die "fork: $!\n";
		if ($pid == 0)
		{
			open STDOUT, '>', '/dev/null';
			exec @$command or POSIX::_exit(127);
		}
		push @pids, $pid;
	}
	for my $pid (@pids)
	{
		waitpid $pid, 0;
		die "failed: @{ $commands[0] }\n" if $?;
	}
	return time - $start;
}

sub psql
{
	return [ "$bin/psql", '-Xq', '-v', 'ON_ERROR_STOP=1', @_ ];
}

sub pgbench
{
	my ($script, $clients, $time) = @_;
	my $file = "$rows_dir/script.sql";

	open my $out, '>', $file or die "$file: $!\n";
	print $out $script;
	close $out;
	my $result = `'$bin/pgbench' -n -M prepared -T $time -c $clients -f '$file' 2>&1`;
	die $result unless $result =~ /tps = ([\d.]+)/;
	return $1;
}

# The milliseconds that a query takes in a session that ran it before.
sub milliseconds
{
	my ($query, $workers) = @_;
	my $times = $smoke ? 1 : 5;
	my @all;

	local $ENV{PGOPTIONS} = "$ENV{PGOPTIONS} -c max_parallel_workers_per_gather=" . ($workers // 0);
	open my $in, '-|', "$bin/psql", '-XqAt', '-c', '\timing on', map { ('-c', $query) } 0 .. $times
	  or die "psql: $!\n";
	while (my $line = <$in>)
	{
		push @all, $1 if $line =~ /^Time: ([\d.]+) ms/;
	}
	close $in or die "failed: $query\n";
	shift @all;
	return median(@all);
}

# A reload arrives at the postmaster a moment later, and at new sessions with it.
sub set_fsync
{
	sql("ALTER SYSTEM SET fsync = $_[0]");
	sql('SELECT pg_reload_conf()');
	sleep 0.1 while sql('SHOW fsync') ne $_[0];
}

sub wal_position
{
	return sql("SELECT pg_current_wal_insert_lsn() - '0/0'");
}

# All that a table takes: its file, and the catalogs that know its blocks.
sub total_bytes
{
	return sql(
		"SELECT pg_total_relation_size('m') + pg_total_relation_size('mytsdb.block') + pg_total_relation_size('mytsdb.shard')");
}

# ---- what is printed ----

sub heading
{
	printf "\n%-44s %12s %12s %9s  %s\n", $_[0], 'mytsdb', 'heap', 'ratio', 'target' unless $smoke;
}

# A line; the target is a bound on ours or, as [bound], on the ratio; less is better when
# the bound is negative.
sub line
{
	my ($section, $name, $ours, $heap, $target, $format) = @_;
	my $ratio = defined $heap && $heap > 0 ? $ours / $heap : undef;
	my $value = ref $target ? $ratio : $ours;
	my $bound = ref $target ? $target->[0] : $target;
	my $verdict = '';

	$figures{$section}{$name} = { mytsdb => $ours + 0 };
	$figures{$section}{$name}{heap} = $heap + 0 if defined $heap;
	if (defined $bound)
	{
		my $reached = $bound < 0 ? $value <= -$bound : $value >= $bound;

		$verdict = ($bound < 0 ? '<= ' . -$bound : ">= $bound") . (ref $target ? ' x heap' : '')
		  . ($reached ? '' : '  MISSED');
		$figures{$section}{$name}{target} = $bound + 0;
		$figures{$section}{$name}{of} = ref $target ? 'ratio' : 'value';
		$figures{$section}{$name}{reached} = $reached ? JSON::PP::true : JSON::PP::false;
	}
	write_section($section);
	return if $smoke;
	$format //= '%.0f';
	printf "%-44s %12s %12s %9s  %s\n", $name, sprintf($format, $ours),
	  defined $heap ? sprintf($format, $heap) : '', defined $ratio ? sprintf('%.3g', $ratio) : '', $verdict;
}

sub write_section
{
	my ($section) = @_;

	open my $out, '>', "$ENV{BENCH_FIGURES}/$section.json" or die "cannot write figures: $!\n";
	print $out JSON::PP->new->canonical->encode($figures{$section});
	close $out;
}

# ---- the measurements ----

# The rows per second at which both tables are loaded, in turns.
sub load_rates
{
	my ($which, $n, @files) = @_;
	my %rates;

	for (1 .. $rounds)
	{
		for my $table ('m', 'h')
		{
			make_table($table, $which);
			push @{ $rates{$table} }, $n / together(map { psql('-c', "COPY $table FROM $_") } @files);
		}
	}
	return map { median(@{ $rates{$_} }) } qw(m h);
}

sub copy_files
{
	my ($data, $format, $n, $steps, $clients) = @_;

	return map { "'" . rows($data, $format, $n, $steps, $_, $clients) . "' (FORMAT $format)" } 0 .. $clients - 1;
}

sub loading
{
	my $n = $series * $part;
	my %one;

	heading('loading nar, rows/s');
	for my $format (qw(binary text))
	{
		for my $clients (1, 2)
		{
			my ($ours, $heap) = load_rates(\@nar, $n, copy_files('nar', $format, $series, $part, $clients));

			line('loading', "COPY $format, $clients client" . ($clients > 1 ? 's' : ''),
				$ours, $heap, $format eq 'binary' && $clients == 1 ? [10] : undef);
			line('loading', "COPY $format, 2 clients over 1", $ours / $one{$format}, undef, 1.5, '%.2f')
			  if $clients == 2;
			$one{$format} = $ours if $clients == 1;
		}
	}
}

sub batches
{
	my $steps = $smoke ? 100 : 50;
	my $file = rows('nar', 'insert', $series, $steps);
	my %rates;

	for (1 .. $rounds)
	{
		for my $table ('m', 'h')
		{
			make_table($table, \@nar);
			push @{ $rates{$table} }, $series * $steps / together(psql('-v', "table=$table", '-f', $file));
		}
	}
	line('loading', 'INSERT of 1,000 rows', median(@{ $rates{m} }), median(@{ $rates{h} }), [1.5]);
	same('SELECT count(*), sum(value::numeric) FROM T') if $smoke;
}

# With fsync nearly all the time is the disk's, and disks are moody: many short turns.
sub single_rows
{
	make_table($_, \@nar) for qw(m h);
	for my $fsync ('on', 'off')
	{
		my %rates;

		set_fsync($fsync);
		for (1 .. $rounds * 3)
		{
			for my $table ('m', 'h')
			{
				push @{ $rates{$table} },
				  pgbench("\\set s random(1, $series)\nINSERT INTO $table VALUES (now(), :s, 1.5);\n", 1, 1);
			}
		}
		line('loading', "single INSERT, fsync $fsync", median(@{ $rates{m} }), median(@{ $rates{h} }),
			$fsync eq 'on' ? [0.9] : undef);
	}
	set_fsync('on');
}

# A day in each; leaves it for the queries. The heap's indexes are made afterwards.
sub whole_day
{
	my $n = $series * $day;
	my $file = rows('nar', 'binary', $series, $day);
	my ($wal, $took);
	my $heap_wal;

	heading('a day of nar');
	make_table($_, \@nar) for qw(m h);
	$wal = wal_position();
	$took = together(psql('-c', "COPY m FROM '$file' (FORMAT binary)"));
	line('day', 'COPY binary, rows/s', $n / $took, undef);
	$wal = wal_position() - $wal;
	$heap_wal = wal_position();
	sql("COPY h FROM '${\rows('nar', 'binary', $series, $part)}' (FORMAT binary)");
	$heap_wal = wal_position() - $heap_wal;
	line('day', 'WAL bytes per row', $wal / $n, $heap_wal / ($series * $part), -3, '%.2f');
	my $heap_bytes = sql("SELECT pg_total_relation_size('h')") / ($series * $part);
	line('day', 'bytes per row', total_bytes() / $n, $heap_bytes, -1, '%.3f');
	sql("SELECT mytsdb.seal('m'), mytsdb.merge('m');\nVACUUM m");
	line('day', 'bytes per row, merged', total_bytes() / $n, $heap_bytes, -1, '%.3f');

	sql(<<"END");
DROP TABLE h;
CREATE TABLE h ($nar[0]) USING heap;
COPY h FROM '$file' (FORMAT binary);
CREATE INDEX ON h (series_id, time DESC);
CREATE INDEX ON h (time);
VACUUM (ANALYZE) h;
ANALYZE m
END
}

sub queries
{
	my $hour = "time >= '2026-01-01 00:10+00' AND time < '2026-01-01 01:10+00'";
	my @queries = (
		[ 'count(*)', 'SELECT count(*) FROM T', [-0.1] ],
		[ 'sum(value)', 'SELECT sum(value) FROM T', [-1] ],
		[ 'avg per series', 'SELECT sum(a) FROM (SELECT avg(value) AS a FROM T GROUP BY series_id) x', [-1] ],
		[
			'all series, one hour, 5-min avg',
			"SELECT sum(a) FROM (SELECT series_id, time_bucket('5 min', time), avg(value) AS a FROM T WHERE $hour GROUP BY 1, 2) x",
			[-1]
		],
		[ 'ORDER BY time DESC LIMIT 10', 'SELECT * FROM T ORDER BY time DESC LIMIT 10', -2 ],
	);

	heading('queries of it, ms');
	for my $query (@queries)
	{
		my ($name, $text, $target) = @$query;
		my ($ours, $heap) = map { milliseconds($text =~ s/\bT\b/$_/gr) } qw(m h);

		line('queries', $name, $ours, $heap, $target, '%.2f');
	}
	my $by_series = $queries[2][1];
	line('queries', 'avg per series, 1 parallel worker',
		(map { milliseconds($by_series =~ s/\bT\b/$_/gr, 1) } qw(m h)), undef, '%.2f');
	my @latency = map {
		1000 / pgbench("\\set s random(1, $series)\nSELECT time, value FROM $_ WHERE series_id = :s AND $hour;\n", 1, $smoke ? 1 : 3)
	} qw(m h);
	line('queries', 'one series, one hour, prepared', @latency, -0.3, '%.3f');

	same('SELECT count(*), sum(value::numeric), min(time), max(time), sum(series_id) FROM T');
	same("SELECT count(*), sum(avg::numeric(20, 4)) FROM (SELECT series_id, time_bucket('5 min', time), avg(value::numeric) FROM T WHERE $hour GROUP BY 1, 2) x");
	same("SELECT count(*), sum(value::numeric) FROM T WHERE series_id = 7 AND $hour");
	same('SELECT min(time), count(*) FROM (SELECT * FROM T ORDER BY time DESC LIMIT 10) x');
}

sub wide
{
	my $n = 100 * $cpu_part;

	heading('cpu, 100 hosts');
	for my $format (qw(binary text))
	{
		my ($ours, $heap) = load_rates(\@cpu, $n, copy_files('cpu-integer', $format, 100, $cpu_part, 1));

		line('wide', "COPY $format, rows/s", $ours, $heap, $format eq 'binary' ? [2] : undef);
	}
	if ($smoke)
	{
		same('SELECT count(*), sum(usage_user::numeric), sum(usage_guest_nice::numeric), min(team), max(os) FROM T');
	}
	for my $kind ([ 'integer', -4.5 ], [ 'decimal', -13 ])
	{
		make_table('m', \@cpu);
		sql("COPY m FROM " . (copy_files("cpu-$kind->[0]", 'binary', 100, $cpu_day, 1))[0]);
		line('wide', "bytes per row, $kind->[0] metrics", total_bytes() / (100 * $cpu_day), undef, $kind->[1], '%.2f');
	}
}

# ---- many series ----

# Two hours of scrapes of 200,000 series, as fast as two clients send them: the most shared
# memory there is meanwhile, and what is there right after.
sub many_series
{
	my $series = 200_000;
	my $half = $series / 2;
	my $scrapes = $smoke ? 3 : 480;
	my (@pids, @most);
	my $start = time;

	heading("200,000 series, $scrapes scrapes");
	sql("SET client_min_messages = error;\nDROP TABLE IF EXISTS m, h");
	system("$bin/psql", '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', 'test/metrics.sql') == 0 or die "metrics.sql failed\n";
	sql("CREATE TABLE samples (labels labels NOT NULL, time timestamptz NOT NULL, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels')");
	$start = time;
	for my $client (0, 1)
	{
		my $pid = fork // die "fork: $!\n";
		if ($pid == 0)
		{
			exec @{ psql('-c', "CALL scrape(0, $scrapes, $client * $half, $half, 2000)") } or POSIX::_exit(127);
		}
		push @pids, $pid;
	}
	for my $pid (@pids)
	{
		while (waitpid($pid, POSIX::WNOHANG()) == 0)
		{
			my @bytes = split /\|/, sql('SELECT * FROM shared_bytes');

			@most = @bytes if !@most || $bytes[0] > $most[0];
			sleep 0.5;
		}
		die "scraping failed\n" if $?;
	}
	line('series', 'samples/s, 2 clients', $series * $scrapes / (time - $start), undef);
	line('series', 'shared memory per series, bytes', $most[0] / $series, undef, -1024);
	line('series', 'of it hot memory', $most[1] / $series, undef);
	line('series', 'of it dictionary', $most[2] / $series, undef);
	line('series', 'of it label index', $most[3] / $series, undef);
	line('series', 'one series, ms',
		milliseconds('SELECT count(value) FROM samples WHERE labels = (SELECT labels FROM targets WHERE id = 77777)'),
		undef, undef, '%.2f');
	line('series', 'count(*), ms', milliseconds('SELECT count(*) FROM samples'), undef);
	if ($smoke)
	{
		my $count = sql('SELECT count(*) FROM samples');
		check($count == $series * $scrapes, "$count samples of $scrapes scrapes");
	}
	sql("SELECT mytsdb.seal('samples'), mytsdb.merge('samples');\nVACUUM samples");
	line('series', 'bytes per sample, merged, all but the file\'s free pages',
		sql("SELECT total_bytes - free_bytes FROM mytsdb.stat_table WHERE rel = 'samples'::regclass") / ($series * $scrapes),
		undef, undef, '%.3f');
	sql('DROP TABLE samples, targets CASCADE');
}

# ---- contention ----

# Processor seconds of the server's processes that serve clients.
sub cpu_seconds
{
	my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());
	my $all = 0;

	for my $pid (split ' ', sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"))
	{
		open my $in, '<', "/proc/$pid/stat" or next;
		my @fields = split ' ', (<$in> // next) =~ s/.*\) //sr;
		$all += ($fields[11] + $fields[12]) / $ticks;
	}
	return $all;
}

# Writers, without fsync, in turns of commits of one row and of 100; what they wait for the
# engine's own locks is counted by the engine and sampled from outside.
sub contention
{
	heading('contention, % of processor time waiting');
	set_fsync('off');
	for my $writers (4, 16)
	{
		my ($share, $behind_wal, $sampled, $waits, $tps) = contended($writers, $writers * 2);

		line('contention', "$writers writers, our locks", $share, undef, -1, '%.3f');
		line('contention', "$writers writers, behind WAL", $behind_wal, undef, undef, '%.3f');
		line('contention', "$writers writers, both by samples", $sampled, undef, undef, '%.3f');
		line('contention', "$writers writers, waits", $waits, undef);
		line('contention', "$writers writers, commits of 100 rows/s", $tps, undef);
	}
	set_fsync('on');
}

sub lock_waits
{
	return split /\|/, sql('SELECT * FROM mytsdb.lock_waits()');
}

sub contended
{
	my ($writers, $shards) = @_;
	my $insert = "\\set s random(0, $series - 1)\n"
	  . "INSERT INTO m SELECT now(), (:s + i) % $series, i FROM generate_series(1, 100) i;\n";
	my $time = $smoke ? 1 : 6;
	my ($samples, $waiting) = (0, 0);

	make_table('m', \@nar, $shards);
	sql("INSERT INTO m SELECT now(), i, i FROM generate_series(0, $series) i");
	my $file = "$rows_dir/contended.sql";
	open my $out, '>', $file or die "$file: $!\n";
	print $out $insert;
	close $out;

	# Logs are made in the first second, which does not count, nor does the last part.
	my $length = $time + 2;
	open my $bench, '-|', "'$bin/pgbench' -n -M prepared -T $length -c $writers -j 2 -f '$file' 2>&1" or die "pgbench: $!\n";
	sleep 1.3;
	my $cpu = cpu_seconds();
	my ($waits, $waited, undef, $wal) = lock_waits();
	my $end = time + $time;
	while (time < $end)
	{
		my ($all, $ours) = split /\|/, sql(
			"SELECT count(*), count(*) FILTER (WHERE wait_event LIKE 'Mytsdb%') FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");

		$samples += $all;
		$waiting += $ours;
		sleep 0.02;
	}
	my $spent = cpu_seconds() - $cpu;
	my ($waits_after, $waited_after, undef, $wal_after) = lock_waits();
	my $result = join '', <$bench>;
	close $bench or die $result;
	my ($tps) = $result =~ /tps = ([\d.]+)/;
	check($spent > 0, 'the writers took processor time') if $smoke;
	$spent = 1e-9 if $spent <= 0;
	return (
		100 * ($waited_after - $waited) / $spent,
		100 * ($wal_after - $wal) / $spent,
		$samples ? 100 * $waiting / $samples * $writers * $time / $spent : 0,
		$waits_after - $waits, $tps
	);
}
