# Regular expressions: what we accept, refuse (and why) and match, beside Prometheus.
#
# Every value of regex_values.tsv becomes a series of a throw-away Prometheus, every
# pattern of regex_patterns.tsv a query. Prometheus 2.42 lets "." match no newline, later
# ones and we do: whether a pattern is accepted is asked of the pattern as it is, what it
# matches of (?s:pattern).
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp;
use FindBin;
use IPC::Open3;
use Test::More;
use lib $FindBin::Bin;
use Prometheus;

my ($prometheus, $promtool, $matcher) =
  @ENV{qw(MYTSDB_PROMETHEUS MYTSDB_PROMTOOL MYTSDB_REGEX_MATCH)};
plan skip_all => 'MYTSDB_PROMETHEUS and MYTSDB_PROMTOOL name no Prometheus to compare with'
  unless $prometheus && $promtool;
die 'MYTSDB_REGEX_MATCH is not set' unless $matcher;

my $here = dirname(__FILE__);
my $patterns_file = "$here/regex_patterns.tsv";
my $values_file = "$here/regex_values.tsv";
my @patterns = read_table($patterns_file);
my @values = read_table($values_file);
my $tmp = File::Temp->newdir('mytsdb-regex.XXXXXX', TMPDIR => 1);
my $data = "$tmp/data";
my $time = int(time / 7200) * 7200 - 4 * 7200;    # of every sample, some hours ago
my $server;

$SIG{$_} = sub { $SIG{TERM} = 'IGNORE'; exit 1 } for qw(INT TERM HUP ALRM);
alarm 1500;

sub decode
{
	my ($text) = @_;
	$text =~ s/%([0-9A-F]{2})/chr hex $1/ge;
	return $text;
}

# The rows of a table, each a list of columns, as bytes.
sub read_table
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!";
	my @rows;
	while (my $line = <$file>)
	{
		chomp $line;
		next if $line =~ /^#/;
		my ($text, $flag) = split /\t/, $line, 2;
		push @rows, [ decode($text // ''), $flag // '' ];
	}
	return @rows;
}

sub run
{
	my (@command) = @_;
	my $pid = open3(my $in, my $out, undef, @command);
	close $in;
	my $output = do { local $/ = undef; <$out> };
	waitpid $pid, 0;
	return ($? >> 8, $output // '');
}

# A quoted string for PromQL and OpenMetrics both: only what both must have is escaped.
sub quote
{
	my ($text) = @_;
	$text =~ s/([\\"])/\\$1/g;
	$text =~ s/\n/\\n/g;
	return qq{"$text"};
}

# A series for each value, whose label i is the value's number.
sub load_values
{
	my (@values) = @_;
	open my $file, '>:raw', "$tmp/values.om" or die "$tmp/values.om: $!";
	print $file "# TYPE x gauge\n";
	print $file "x{i=\"$_\",v=", quote($values[$_][0]), "} 1 $time\n" for 0 .. $#values;
	print $file "# EOF\n";
	close $file or die "$tmp/values.om: $!";
	my ($status, $output) =
	  run($promtool, 'tsdb', 'create-blocks-from', 'openmetrics', "$tmp/values.om", $data);
	die "promtool failed: $output" if $status;
}

# Asks for the series whose v matches: (error, which numbers).
sub ask
{
	my ($pattern) = @_;
	utf8::decode(my $query = 'x{v=~' . quote($pattern) . '}');
	my $answer = $server->ask('query', query => $query, time => $time);
	if ($answer->{status} ne 'success')
	{
		my $error = $answer->{error};
		utf8::encode($error);
		return $error;
	}
	return (undef, map { $_->{metric}{i} } @{ $answer->{data}{result} });
}

# One line of our matcher's. A value it gave up on is there, but under no number.
sub verdict
{
	my ($verdict, $rest) = @_;
	return [ decode($rest) ] if $verdict ne 'ok';
	my @bits = split //, $rest;
	my @undecided = map { "undecided $_" } grep { $bits[$_] eq '?' } 0 .. $#bits;
	return [ undef, @undecided, grep { $bits[$_] eq '1' } 0 .. $#bits ];
}

# Our verdict on each pattern: [error] or [undef, which numbers].
sub ours
{
	my ($status, $output) = run($matcher, $patterns_file, $values_file);
	is $status, 0, 'our matcher runs' or diag $output;
	return map { verdict(split /\t/, $_, 2) } split /\n/, $output;
}

# What Prometheus says around the reason, and its own anchors in the quoted pattern.
sub plain_error
{
	my ($error, $pattern) = @_;
	$error =~ s/^.*error parsing regexp: //s;
	$error =~ s/\Q^(?:$pattern)\E\$/$pattern/;
	$error =~ s/\Q:$pattern)\E\$/:$pattern/;
	return $error;
}

sub show
{
	my ($text) = @_;
	$text =~ s/([\x00-\x1F\x7F#])/sprintf '%%%02X', ord $1/ge;
	return length $text > 60 ? substr($text, 0, 60) . '...' : $text;
}

sub difference
{
	my ($number, $here) = @_;
	return "$number: " . show($values[$1][0]) if $number =~ /undecided (.*)/;
	return ($here ? 'only we match ' : 'only Prometheus matches ') . show($values[$number][0]);
}

my @ours = ours();
is scalar @ours, scalar @patterns, 'a verdict for every pattern';

load_values(@values);
$server = Prometheus->start($prometheus, $tmp);
my (undef, @all) = ask('(?s:.*)');
is scalar @all, scalar @values, 'every value is a series';

for my $i (0 .. $#patterns)
{
	my ($pattern, $flag) = @{ $patterns[$i] };
	my ($our_error, @our_set) = @{ $ours[$i] // ['no verdict'] };
	my ($error) = ask($pattern);
	my $name = 'pattern ' . show($pattern);

	if ($flag eq 'newer')
	{
		ok defined $error && !defined $our_error, "$name: refused by 2.42, accepted here"
		  or diag $our_error // '';
	}
	elsif ($flag eq 'words')
	{
		ok defined $error && defined $our_error, "$name: refused";
	}
	elsif (defined $error || defined $our_error)
	{
		is $our_error, defined $error ? plain_error($error, $pattern) : undef, $name;
	}
	else
	{
		my ($no_error, @set) = ask("(?s:$pattern)");
		my %there = map { $_ => 1 } @set;
		my %here = map { $_ => 1 } @our_set;
		my @differ =
		  grep { !$there{$_} != !$here{$_} } 0 .. $#values, grep { /undecided/ } @our_set;
		ok !defined $no_error && !@differ, $name
		  or diag $no_error // join "\n", map { difference($_, $here{$_}) } @differ;
	}
}

done_testing;
