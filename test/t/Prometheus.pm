# Prometheus.pm: Debian's Prometheus beside ours, for tests that compare both; and remote
# write requests, which both are loaded with.
#
# However the test ends, its Prometheus ends with it.
package Prometheus;
use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;
use POSIX qw(WNOHANG);

use Http;

my $http = HTTP::Tiny->new(timeout => 180);
my @running;
my $owner = $$;

END
{
	if ($$ == $owner)
	{
		local $?;
		$_->stop foreach @running;
	}
}

# Starts $program with its data in $dir/data, on a port that is free; comes back when it is
# ready.
sub start
{
	my ($class, $program, $dir, @options) = @_;
	return $class->start_with("global: {}\n", $program, $dir, @options);
}

# The same with a configuration, in which SELF stands for its own address.
sub start_with
{
	my ($class, $config, $program, $dir, @options) = @_;
	my $self = bless { dir => $dir, config => $config, command => [ $program, @options ] }, $class;
	return $self->start_again;
}

# Starts one that was stopped, on another port.
sub start_again
{
	my ($self) = @_;
	my $dir = $self->{dir};
	my ($program, @options) = @{ $self->{command} };
	my $address = '127.0.0.1:' . Http::port();
	$self->{url} = "http://$address";
	open my $file, '>', "$dir/prometheus.yml" or die "$dir/prometheus.yml: $!";
	print $file $self->{config} =~ s/SELF/$address/gr;
	close $file;

	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/prometheus.log";
		open STDERR, '>&', \*STDOUT;
		exec $program, "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/data",
		  '--storage.tsdb.retention.time=10y', "--web.listen-address=$address",
		  '--log.level=error', @options
		  or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	push @running, $self;
	for (1 .. 3000)
	{
		last if waitpid($pid, WNOHANG) == $pid;
		return $self if $http->get("$self->{url}/-/ready")->{success};
		select undef, undef, undef, 0.1;
	}
	$self->stop;
	open my $log, '<', "$dir/prometheus.log";
	die 'Prometheus does not start: ', <$log>;
}

sub stop
{
	my ($self) = @_;
	@running = grep { $_ != $self } @running;
	my $pid = delete $self->{pid} or return;
	kill 'TERM', $pid or return;
	for (1 .. 100)
	{
		return if waitpid($pid, WNOHANG) != 0;
		select undef, undef, undef, 0.1;
	}
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return;
}

# What the API answers; parameters are characters.
sub ask
{
	my ($self, $path, %parameters) = @_;
	my $response = $http->post_form("$self->{url}/api/v1/$path", \%parameters);
	my $answer = eval { decode_json($response->{content}) };
	die "no answer for $path: $response->{status} $response->{content}" unless $answer;
	return $answer;
}

# Takes a body that write_request() made.
sub write
{
	my ($self, $body) = @_;
	my $response = $http->post("$self->{url}/api/v1/write", {
			content => $body,
			headers => { 'Content-Type' => 'application/x-protobuf', 'Content-Encoding' => 'snappy',
				'X-Prometheus-Remote-Write-Version' => '0.1.0' } });
	die "Prometheus refuses samples: $response->{status} $response->{content}" unless $response->{success};
	return;
}

# ---- remote write 1.0 ----

sub varint
{
	my ($n) = @_;
	my $out = '';
	while ($n >= 128)
	{
		$out .= chr($n & 127 | 128);
		$n >>= 7;
	}
	return $out . chr $n;
}

sub field
{
	my ($number, $bytes) = @_;
	return varint($number << 3 | 2) . varint(length $bytes) . $bytes;
}

# A request with series, each [ { label => value }, [ time in ms, value ], ... ]; a value
# 'stale' is the marker. In snappy's block format, as one literal.
sub write_request
{
	my (@series) = @_;
	my $request = '';
	for my $series (@series)
	{
		my ($labels, @samples) = @$series;
		my $bytes = join '', map { field(1, field(1, $_) . field(2, $labels->{$_})) } sort keys %$labels;
		for my $sample (@samples)
		{
			my ($time, $value) = @$sample;
			my $bits = $value eq 'stale' ? pack('VV', 2, 0x7ff00000) : pack('d<', $value);
			$bytes .= field(2, "\x09$bits\x10" . varint($time));
		}
		$request .= field(1, $bytes);
	}
	return varint(length $request) . "\xfc" . pack('V', length($request) - 1) . $request;
}

1;
