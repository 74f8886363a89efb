# A table USING mytsdb answers as a heap table does.
#
# Random scripts (RandomSql.pm) run on a table of ours and on a heap table, in three sessions
# each with a restart and a crash of the server between them, while maintenance works in the
# background; what they print must be the same. A script depends on its seed alone:
# MYTSDB_SEED=n runs that one. With MYTSDB_SOAK=seconds new seeds are tried for that long.
use strict;
use warnings;

use File::Path;
use Test::More;

use lib "$ENV{MYTSDB_ROOT}/test/t";
use Cluster;
use RandomSql;

use constant STEPS => 500;
use constant SESSIONS => 3;
use constant AT_ONCE => 4;

my $top = Cluster::prepare('assert');
my $node = Cluster->new('equivalence');
$node->initdb(
	[],
	'allow_in_place_tablespaces = on',
	'client_min_messages = error',
	'jit = off',
	'lock_timeout = 300s',
	'shared_buffers = 16MB',
	'mytsdb.shared_streams = 256',
	'mytsdb.maintenance_interval = 1s',
	'mytsdb.seal_age = 1s',
	'mytsdb.busy_logs = 3');
$node->start;
$node->safe_sql("CREATE EXTENSION mytsdb; SET allow_in_place_tablespaces = on;");
$node->safe_sql("CREATE TABLESPACE other LOCATION '';");
my $dir = "$top/scripts";
mkdir $dir or die "$dir: $!";
chmod 0777, $dir;

# The text for one side; what a step prints comes after its number, also among the errors.
sub text_of
{
	my ($session, $side) = @_;
	my $n = 0;
	my $text = "\\set VERBOSITY terse\n";
	$text .= $_ foreach map { "\\echo \@$n\n\\warn \@" . $n++ . "\n$_->{$side}\n" } @$session;
	$text =~ s/\@SIDE\@/$side/g;
	$text =~ s/\@DIR\@/$dir/g;
	return $text;
}

# Runs jobs, several at once: each a path; reads path.sql, writes path.out and path.err.
sub run_jobs
{
	my @jobs = @_;
	my $running = 0;
	while (@jobs || $running)
	{
		if (@jobs && $running < AT_ONCE)
		{
			my $job = shift @jobs;
			my $pid = fork() // die "fork: $!";
			if ($pid == 0)
			{
				open STDIN, '<', "$job.sql" or die $!;
				open STDOUT, '>', "$job.out" or die $!;
				open STDERR, '>', "$job.err" or die $!;
				exec $node->psql_command, '-v', 'VERBOSITY=terse' or die $!;
			}
			$running++;
			next;
		}
		wait;
		$running--;
	}
}

# What the steps printed: output and errors of each.
sub steps_of
{
	my ($job, $session) = @_;
	my @printed = map { { out => '', err => '' } } @$session;
	foreach my $what (qw(out err))
	{
		my $n = 0;
		open my $file, '<', "$job.$what" or die "$job: $!";
		while (my $line = <$file>)
		{
			if ($line =~ /^\@(\d+)$/)
			{
				$n = $1;
				next;
			}
			$line =~ s/^psql:<stdin>:\d+: //;
			$line =~ s/\b(?:ours|heap)_(\d+)\b/SIDE_$1/g;
			$printed[$n]{$what} .= $line;
		}
		close $file;
	}
	foreach my $n (grep { $session->[$_]{unordered} } 0 .. $#printed)
	{
		$printed[$n]{out} = join '', sort split /^/m, $printed[$n]{out};
	}
	return @printed;
}

# Says where two sides differ first; undef if they do not. Counts steps and errors.
my %count = (steps => 0, errors => 0);

sub difference
{
	my ($seed, $part, $session) = @_;
	my @ours = steps_of("$dir/$seed-$part-ours", $session);
	my @heap = steps_of("$dir/$seed-$part-heap", $session);
	foreach my $n (0 .. $#$session)
	{
		$count{steps}++;
		$count{errors}++ if $heap[$n]{err} ne '';
		next if "$ours[$n]{out}$ours[$n]{err}" eq "$heap[$n]{out}$heap[$n]{err}";
		return "seed $seed, session $part, step $n:\n$session->[$n]{ours}\n"
		  . "-- ours:\n" . substr("$ours[$n]{out}$ours[$n]{err}", 0, 2000)
		  . "-- heap:\n" . substr("$heap[$n]{out}$heap[$n]{err}", 0, 2000);
	}
	return undef;
}

# Runs the scripts of some seeds; returns the first difference of each.
sub run_seeds
{
	my ($plant, @seeds) = @_;
	my %scripts = map { $_ => [ RandomSql::script($_, STEPS, SESSIONS) ] } @seeds;
	foreach my $part (0 .. SESSIONS - 1)
	{
		my @jobs;
		foreach my $seed (@seeds)
		{
			foreach my $side (qw(ours heap))
			{
				my $job = "$dir/$seed-$part-$side";
				open my $file, '>', "$job.sql" or die "$job: $!";
				print $file $plant if $side eq 'ours';
				print $file text_of($scripts{$seed}[$part], $side);
				close $file;
				push @jobs, $job;
			}
		}
		run_jobs(@jobs);
		next if $part == SESSIONS - 1;
		$node->stop($part % 2 ? 'immediate' : 'fast');
		$node->start;
	}
	my %differences;
	foreach my $seed (@seeds)
	{
		foreach my $part (0 .. SESSIONS - 1)
		{
			$differences{$seed} //= difference($seed, $part, $scripts{$seed}[$part]);
		}
	}
	return %differences;
}

# No process of the server may have died.
sub check_log
{
	my ($death) =
	  $node->log_text =~ /^(.*(?:terminating any other active server processes|TRAP:).*)$/m;
	return 1 if !defined $death;
	fail('no process died');
	my @lines = split /^/m, $node->log_text;
	diag join '', @lines > 60 ? @lines[-60 .. -1] : @lines;
	return 0;
}

# Runs seeds as a test each; keeps the scripts of those that fail.
sub test_seeds
{
	my @seeds = @_;
	my %differences = run_seeds('', @seeds);
	check_log() or return;
	foreach my $seed (@seeds)
	{
		next if ok(!defined $differences{$seed}, "seed $seed");
		diag $differences{$seed};
		mkpath "$ENV{MYTSDB_ROOT}/build/failed";
		system 'cp', glob("$dir/$seed-*"), "$ENV{MYTSDB_ROOT}/build/failed/";
	}
	unlink glob "$dir/*";

	# Scripts may end with a prepared transaction. When it is gone nothing holds a DROP up.
	$node->safe_sql("ROLLBACK PREPARED '$_'")
	  foreach split /\n/, $node->safe_sql('SELECT gid FROM pg_prepared_xacts');
	foreach my $seed (@seeds)
	{
		$node->safe_sql("DROP SCHEMA IF EXISTS ours_$seed, heap_$seed CASCADE");
	}
}

my $first = 1 + int rand 1e9;
if ($ENV{MYTSDB_SEED})
{
	test_seeds($ENV{MYTSDB_SEED});
}
elsif ($ENV{MYTSDB_SOAK})
{
	my $end = time + $ENV{MYTSDB_SOAK};
	for (; time < $end; $first += 10)
	{
		test_seeds($first .. $first + 9);
	}
}
else
{
	test_seeds(1 .. 10, $first .. $first + 9);
	my %differences = run_seeds("SET mytsdb.skip_abort_check = on;\n", 1);
	ok(defined $differences{1}, 'a skipped check for aborted transactions is seen');
}
note "$count{steps} steps, $count{errors} errors";
pass('no process died') if check_log();
$node->stop;
done_testing();
