# Fuzz.pm: what is right, broken in some way, for tests that send it to a server. Ways are
# chosen by rand.
package Fuzz;
use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(min);
use Test::More;

use Http;

our @EXPORT_OK = qw(broken one_of);

sub one_of
{
	return $_[ rand @_ ];
}

# Bytes, changed in up to four places.
sub broken
{
	my ($bytes) = @_;
	for (1 .. 1 + rand 4)
	{
		my $at = int rand(1 + length $bytes);
		my $how = int rand 7;
		my $part = substr $bytes, int rand(1 + length $bytes), int rand 40;
		if ($how == 0) { substr($bytes, $at, 1) = chr int rand 256 if $at < length $bytes }
		elsif ($how == 1) { substr $bytes, $at, 1 + rand 20, '' }
		elsif ($how == 2) { substr $bytes, $at, 0, $part }
		elsif ($how == 3) { substr $bytes, $at, 0, one_of("\xff" x 9 . "\x01", "\x80" x 12, "\0", "\n", "\r\n", "\x08", "\x7f") }
		elsif ($how == 4) { $bytes = substr $bytes, 0, $at }
		elsif ($how == 5) { substr $bytes, $at, min(8, length($bytes) - $at), pack 'Q', one_of(0, 1, 2**63, 2**64 - 1, 2**31) }
		else { substr($bytes, $at, 1) = chr(ord(substr $bytes, $at, 1) ^ 1 << rand 8) if $at < length $bytes }
	}
	return $bytes;
}

# Runs a test's own loop (a job's number, until what) in three processes at once. It returns
# how many requests there were, what was wrong, and how often which answer came.
sub in_processes
{
	my ($fuzz, @until) = @_;
	my @jobs = map { my $job = $_; Http::start_job(sub { $fuzz->($job, @until) }) } 1 .. 3;
	my ($count, @wrong, %seen) = (0);
	for my $job (@jobs)
	{
		my ($n, $bad, $answers) = Http::finish_job($job);
		$count += $n;
		push @wrong, @$bad;
		$seen{$_} += $answers->{$_} foreach keys %$answers;
	}
	note "$count requests: ", join ', ', map { "$_: $seen{$_}" } sort keys %seen;
	return ($count, @wrong);
}

1;
