# What the README tells a user to try gives what the README shows.
#
# With "update" as argument it writes the results into the README instead.
use strict;
use warnings;

use File::Temp;
use FindBin;
use Test::More;
use lib $FindBin::Bin;
use Http;

my $root = $ENV{MYTSDB_ROOT} or die 'MYTSDB_ROOT is not set';
chdir $root or die "$root: $!";
delete @ENV{qw(DATA PGPORT HTTP_PORT OTLP_GRPC_PORT OTLP_HTTP_PORT MAKEFLAGS MAKELEVEL)};

# A test that is interrupted leaves no server behind.
$SIG{INT} = $SIG{TERM} = sub { $SIG{TERM} = 'IGNORE'; exit 1 };

my $tmp = File::Temp->newdir('mytsdb-readme.XXXXXX', TMPDIR => 1);
chmod 0755, $tmp;
my $data = "$tmp/data";

my ($port, $http_port, $grpc_port, $otlp_port) = map { Http::port() } 1 .. 4;
my $output = `make run DATA=$data PGPORT=$port HTTP_PORT=$http_port OTLP_GRPC_PORT=$grpc_port OTLP_HTTP_PORT=$otlp_port 2>&1`;
my ($uri) = $output =~ m{(postgresql://\S+)} or die $output;

END
{
	local $?;
	`make stop DATA=$data 2>&1` if $data;
}

# Runs blocks of statements in one session; returns what psql prints for each.
sub run_session
{
	my (@statements) = @_;
	my $file = "$tmp/session.sql";
	open my $out, '>', $file or die $!;
	print $out "\\set VERBOSITY default\n";
	print $out "\\echo \@\@\@\n$_\n" foreach @statements;
	close $out;
	my $bindir = `$ENV{PG_CONFIG} --bindir`;
	chomp $bindir;
	my $printed = `cd / && $bindir/psql -X -f - '$uri' < $file 2>&1`;
	$printed =~ s/^psql:<stdin>:\d+: //mg;
	my (undef, @results) = split /^\@\@\@\n/m, $printed, -1;
	return @results;
}

# Trailing blanks do not survive in a text file, nor empty lines at the end.
sub tidy
{
	my ($text) = @_;
	$text =~ s/[ \t]+$//mg;
	$text =~ s/\n+\z/\n/;
	return $text;
}

open my $in, '<', 'README.md' or die $!;
my $readme = do { local $/ = undef; <$in> };
close $in;

# What is typed stands in a block of SQL, what is printed in the block of text after it.
my @parts = $readme =~ /^(```sql\n.*?^```\n```text\n.*?^```\n)/msg;
@parts = map { [ $_, /^```sql\n(.*?)^```\n```text\n(.*?)^```\n/ms ] } @parts;
ok(@parts > 0, 'the README has SQL to try');

my @results = map { tidy($_) } run_session(map { $_->[1] } @parts);
is(scalar @results, scalar @parts, 'each block has a result');

if (($ARGV[0] // '') eq 'update')
{
	for my $i (0 .. $#parts)
	{
		my $new = "```sql\n$parts[$i][1]```\n```text\n$results[$i]```\n";
		$readme =~ s/\Q$parts[$i][0]\E/$new/;
	}
	open my $out, '>', 'README.md' or die $!;
	print $out $readme;
	close $out;
}
else
{
	for my $i (0 .. $#parts)
	{
		is($results[$i], tidy($parts[$i][2]), $parts[$i][1] =~ s/\s+/ /gr);
	}
}
done_testing();
