# Http.pm: a client of the server inside, for tests: connections on which every byte can be
# chosen, and answers of which every byte is looked at; remote write requests; servers that
# listen.
#
#	my ($node, $port) = Http::node('name', 'mytsdb.query_workers = 1');
#	my $answer = Http::get($port, '/api/v1/query', query => 'up');
#	Http::write($port, Http::write1({ labels => { __name__ => 'm' }, samples => [ [ 1000, 1.5 ] ] }));
#
#	my $client = Http->connect($port, timeout => 10);
#	$client->send("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n");
#	my $answer = $client->receive;	# { status, reason, version, headers, head, content }
#
# An answer that does not come, or is no HTTP, has no status but an error.
package Http;
use strict;
use warnings;

use Errno qw(EAGAIN EINTR);
use File::Temp;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use MIME::Base64;
use POSIX qw(WNOHANG);
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(sleep time);

our $timeout = 180; # of an answer, unless a connection has its own; no measure

# ---- servers ----

my @port_locks; # this process' ports: nobody who asks here gets them

# A port that is free, on 127.0.0.1, and stays ours among all who ask here.
sub port
{
	for (1 .. 1000)
	{
		# below those that the system gives to clients
		my $port = 20000 + int rand 12000;
		my $lock = IO::Socket::UNIX->new(Local => "\0mytsdb-test-port-$port", Listen => 1) or next;
		my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1) or next;
		close $socket;
		push @port_locks, $lock;
		return $port;
	}
	die 'no port is free';
}

# A node of Cluster that serves HTTP, with the extension, and a role "metrics" that may do
# everything with the store of metrics, as which requests without credentials run. Its limits
# of time are far off: no client that is only slow may meet one, unless a test sets it. Cluster's
# prepare() must have been called. Returns the node and its port.
sub node
{
	my ($name, @settings) = @_;
	my $port = port();
	my $node = Cluster->new($name);
	$node->initdb([], "mytsdb.http_port = $port", "mytsdb.listen_addresses = '127.0.0.1'",
		"mytsdb.anonymous_role = 'metrics'", 'max_worker_processes = 24',
		(map { "mytsdb.${_}_timeout = 10min" } qw(http_header http_body http_idle http_write query)), @settings);
	$node->start;
	create_store($node);
	wait_ready($port);
	return ($node, $port);
}

sub create_store
{
	my ($node, $database) = @_;
	$node->safe_sql(<<~'SQL', $database);
		CREATE EXTENSION mytsdb;
		CREATE ROLE metrics LOGIN;
		GRANT SELECT, INSERT ON mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata TO metrics;
		SQL
	return;
}

# A certificate of a host's name, server.crt and server.key in the node's directory; returns a copy, which
# clients take for their authority.
sub make_certificate
{
	my ($node, $name) = @_;
	Cluster::tools('as_server', 'openssl', qw(req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext),
		"subjectAltName=DNS:$name", '-keyout', "$node->{dir}/server.key", '-out', "$node->{dir}/server.crt");
	my $copy = File::Temp->new;
	print {$copy} Cluster::tools('as_server', 'cat', "$node->{dir}/server.crt");
	CORE::close($copy);
	return $copy;
}

# Waits until requests are answered; dies after a while, which is a limit against hanging.
sub wait_ready
{
	my ($port) = @_;
	return wait_status($port, 200);
}

# Waits until /-/ready has that status.
sub wait_status
{
	my ($port, $status) = @_;
	my $end = time + $timeout;
	my $last;
	while (time < $end)
	{
		my $client = eval { Http->connect($port) };
		$last = $client ? $client->request('GET', '/-/ready') : { error => 'no connection' };
		return 1 if ($last->{status} // 0) == $status;
		sleep 0.05;
	}
	die "/-/ready has no status $status: " . ($last->{error} // "$last->{status} $last->{content}");
}

# The gate's process. Before something ends all processes of the server, so that
# wait_restart() knows which gate is not meant.
sub gate
{
	my ($node) = @_;
	return $node->safe_sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'mytsdb gate'});
}

# Waits until the gate of before is gone, and there is one that answers.
sub wait_restart
{
	my ($gate, $port) = @_;
	my $end = time + $timeout;
	sleep 0.02 while -e "/proc/$gate" && time < $end;
	return wait_ready($port);
}

# ---- connections ----

# Options: address; local (the address from which); timeout; receive_buffer (bytes of the socket's own); tls, and with it
# server_name, ca_file (verified if given) and any further options of openssl s_client.
sub connect
{
	my ($class, $port, %options) = @_;
	my $self = bless {
		port => $port, timeout => $options{timeout} // $timeout, buffer => '', tls => $options{tls}
	}, $class;
	$self->{address} = $options{address} // '127.0.0.1';
	if ($options{tls})
	{
		$self->connect_tls(%options);
	}
	else
	{
		my $socket = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
		$socket->setsockopt(SOL_SOCKET, SO_RCVBUF, $options{receive_buffer}) if $options{receive_buffer};
		if ($options{local})
		{
			$socket->bind(Socket::pack_sockaddr_in(0, Socket::inet_aton($options{local}))) or die "bind to $options{local}: $!";
		}
		$socket->timeout($self->{timeout});
		$socket->connect(Socket::pack_sockaddr_in($port, Socket::inet_aton($self->{address})))
		  or die "connect to $self->{address}:$port: $!";
		$self->{socket} = $socket;
	}
	$self->{socket}->blocking(0);
	return $self;
}

# TLS is left to a program; bytes go through a pair of sockets. What it says is in tls_log().
sub connect_tls
{
	my ($self, %options) = @_;
	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die "socketpair: $!";
	$self->{log} = File::Temp->new;
	my @command = ('openssl', 's_client', '-quiet', '-connect', "$self->{address}:$self->{port}");
	push @command, '-servername', $options{server_name} if $options{server_name};
	push @command, '-CAfile', $options{ca_file}, '-verify_return_error' if $options{ca_file};
	push @command, @{ $options{options} // [] };
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		open STDIN, '<&', $theirs or POSIX::_exit(127);
		open STDOUT, '>&', $theirs or POSIX::_exit(127);
		open STDERR, '>', "$self->{log}" or POSIX::_exit(127);
		exec @command or POSIX::_exit(127);
	}
	close $theirs;
	$self->{pid} = $pid;
	$self->{socket} = $ours;
	return;
}

sub tls_log
{
	my ($self) = @_;
	open my $log, '<', "$self->{log}" or return '';
	local $/ = undef;
	return scalar(<$log>) // '';
}

sub close
{
	my ($self) = @_;
	close $self->{socket} if $self->{socket};
	delete $self->{socket};
	if (my $pid = delete $self->{pid})
	{
		kill 'TERM', $pid;
		waitpid $pid, 0;
	}
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);
	$self->close if $self->{socket};
	return;
}

# Says that nothing more will be sent.
sub finish
{
	my ($self) = @_;
	shutdown $self->{socket}, 1;
	return;
}

# Ends the connection with a reset, as a client does that dies.
sub reset
{
	my ($self) = @_;
	setsockopt $self->{socket}, SOL_SOCKET, Socket::SO_LINGER(), pack('ii', 1, 0);
	$self->close;
	return;
}

# Waits until the socket can be read (or written), within the time; false if it cannot.
sub wait_socket
{
	my ($self, $write, $until) = @_;
	my $bits = '';
	vec($bits, fileno($self->{socket}), 1) = 1;
	my $left = $until - time;
	return 0 if $left <= 0;
	return select($write ? undef : $bits, $write ? $bits : undef, undef, $left) > 0;
}

# Sends bytes; false, with error set, if the server does not take them.
sub send
{
	my ($self, $bytes) = @_;
	my $until = time + $self->{timeout};
	my $done = 0;
	local $SIG{PIPE} = 'IGNORE';
	while ($done < length $bytes)
	{
		my $n = syswrite $self->{socket}, $bytes, length($bytes) - $done, $done;
		if (defined $n)
		{
			$done += $n;
			next;
		}
		next if $! == EINTR;
		$self->{error} = $! == EAGAIN ? 'timeout while sending' : "while sending: $!";
		return 0 if $! != EAGAIN || !$self->wait_socket(1, $until);
	}
	delete $self->{error};
	return 1;
}

# Sends pieces with pauses between them.
sub send_pieces
{
	my ($self, $pause, @pieces) = @_;
	for my $piece (@pieces)
	{
		$self->send($piece) or return 0;
		sleep $pause;
	}
	return 1;
}

# Reads what is there, at most $size bytes; waits for it until a time. 1: something was
# read; 0: the server has closed; undef, with error set: timeout, or the connection is lost.
sub fill
{
	my ($self, $until, $size) = @_;
	while (1)
	{
		my $n = sysread $self->{socket}, $self->{buffer}, $size // 65536, length $self->{buffer};
		return $n > 0 ? 1 : 0 if defined $n;
		next if $! == EINTR;
		if ($! != EAGAIN)
		{
			$self->{error} = "while reading: $!";
			return undef;
		}
		if (!$self->wait_socket(0, $until))
		{
			$self->{error} = 'timeout';
			return undef;
		}
	}
}

# The next answer; those with a status of 1xx are in its {informational}. Options: head (the
# request was HEAD: no body comes).
sub receive
{
	my ($self, %options) = @_;
	my $until = time + $self->{timeout};
	my @informational;
	while (1)
	{
		my $answer = $self->take_answer($until, \%options);
		if (($answer->{status} // 0) >= 100 && ($answer->{status} // 0) < 200)
		{
			push @informational, $answer;
			next;
		}
		$answer->{informational} = \@informational;
		return $answer;
	}
}

sub take_answer
{
	my ($self, $until, $options) = @_;
	my $head = $self->take_until("\r\n\r\n", $until);
	return { error => $self->{error} } unless defined $head;
	my ($first, @lines) = split /\r\n/, $head;
	my %answer = (head => $head, headers => {}, content => '');
	return { error => "no HTTP: $head" } unless $first =~ m{^HTTP/(\d\.\d) (\d\d\d) ?(.*)$};
	@answer{qw(version status reason)} = ($1, $2, $3);
	for my $line (@lines)
	{
		return { error => "no header: $line" } unless $line =~ /^([!#\$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
		my $name = lc $1;
		$answer{headers}{$name} = exists $answer{headers}{$name} ? "$answer{headers}{$name}, $2" : $2;
	}
	return \%answer if $options->{head} || $answer{status} =~ /^(?:1..|204|304)$/;
	$answer{content} = $self->take_body($answer{headers}, $until);
	return { %answer, status => undef, error => $self->{error} } unless defined $answer{content};
	return \%answer;
}

# All up to a mark, without it.
sub take_until
{
	my ($self, $mark, $until) = @_;
	my $at;
	while (($at = index $self->{buffer}, $mark) < 0)
	{
		$self->fill_or_end($until) or return undef;
	}
	my $taken = substr $self->{buffer}, 0, $at, '';
	substr $self->{buffer}, 0, length $mark, '';
	return $taken;
}

sub take_bytes
{
	my ($self, $count, $until) = @_;
	while (length $self->{buffer} < $count)
	{
		$self->fill_or_end($until) or return undef;
	}
	return substr $self->{buffer}, 0, $count, '';
}

sub fill_or_end
{
	my ($self, $until) = @_;
	my $got = $self->fill($until);
	return 0 unless defined $got;
	return 1 if $got;
	$self->{error} = $self->{buffer} eq '' ? 'closed' : 'closed in the middle';
	return 0;
}

sub take_body
{
	my ($self, $headers, $until) = @_;
	return $self->take_chunks($until) if ($headers->{'transfer-encoding'} // '') eq 'chunked';
	return $self->take_bytes($headers->{'content-length'}, $until) if defined $headers->{'content-length'};
	my $got;
	1 while $got = $self->fill($until);
	return undef unless defined $got;
	my $rest = $self->{buffer};
	$self->{buffer} = '';
	return $rest;
}

sub take_chunks
{
	my ($self, $until) = @_;
	my $body = '';
	while (1)
	{
		my $line = $self->take_until("\r\n", $until) // return undef;
		if ($line !~ /^([0-9A-Fa-f]+)(?:;.*)?$/)
		{
			$self->{error} = "no chunk: $line";
			return undef;
		}
		my $size = hex $1;
		if ($size == 0)
		{
			# perhaps trailers
			while ((my $trailer = $self->take_until("\r\n", $until) // return undef) ne '') { }
			return $body;
		}
		$body .= $self->take_bytes($size, $until) // return undef;
		my $end = $self->take_bytes(2, $until) // return undef;
		next if $end eq "\r\n";
		$self->{error} = 'a chunk does not end';
		return undef;
	}
}

# Whether the server closes the connection, within the time, with nothing more to say.
sub is_closed
{
	my ($self, $seconds) = @_;
	my $got = $self->fill(time + ($seconds // $self->{timeout}));
	return defined $got ? $got == 0 : $self->{error} =~ /reset/i;
}

# Whether an answer has begun to come, within the time.
sub has_answer
{
	my ($self, $seconds) = @_;
	return wait_any($seconds, $self) ? 1 : 0;
}

# ---- requests ----

# The bytes of a request. Options: headers (a list of names and values; Host and
# Content-Length are there without being said unless they are said, undef leaves one out),
# content, version, chunks (the content's, to be sent as such).
sub bytes
{
	my ($method, $target, %options) = @_;
	my @headers = @{ $options{headers} // [] };
	my %said = map { lc $headers[$_] => 1 } grep { $_ % 2 == 0 } 0 .. $#headers;
	my $content = $options{content};
	unshift @headers, Host => '127.0.0.1' unless $said{host};
	if ($options{chunks})
	{
		push @headers, 'Transfer-Encoding' => 'chunked';
		$content = join('', map { sprintf "%x\r\n%s\r\n", length, $_ } @{ $options{chunks} }) . "0\r\n\r\n";
	}
	elsif (defined $content && !$said{'content-length'})
	{
		push @headers, 'Content-Length' => length $content;
	}
	my $head = "$method $target HTTP/" . ($options{version} // '1.1') . "\r\n";
	for (my $i = 0; $i < @headers; $i += 2)
	{
		$head .= "$headers[$i]: $headers[$i + 1]\r\n" if defined $headers[ $i + 1 ];
	}
	return "$head\r\n" . ($content // '');
}

# Sends a request and takes its answer. Options are those of bytes().
sub request
{
	my ($self, $method, $target, %options) = @_;
	my $sent = $self->send(bytes($method, $target, %options));

	# Who refuses a body may have said why before it is all sent.
	my $answer = $self->receive(head => $method eq 'HEAD');
	$answer->{error} = $self->{error} if !$sent && !defined $answer->{status};
	return $answer;
}

# Requests on a connection of their own: by port, or on a connection that is given instead.
sub once
{
	my ($where, $method, $target, %options) = @_;
	my $client = ref $where ? $where : Http->connect($where);
	return $client->request($method, $target, %options);
}

sub encode
{
	my ($text) = @_;
	utf8::encode($text) if utf8::is_utf8($text);
	$text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
	return $text;
}

# Parameters, in their order, any of them repeatedly.
sub form
{
	my (@parameters) = @_;
	my @pairs;
	while (my ($name, $value) = splice @parameters, 0, 2)
	{
		push @pairs, encode($name) . '=' . encode($value);
	}
	return join '&', @pairs;
}

sub get
{
	my ($where, $path, @parameters) = @_;
	my $query = form(@parameters);
	return once($where, 'GET', length $query ? "$path?$query" : $path);
}

sub post
{
	my ($where, $path, @parameters) = @_;
	return once($where, 'POST', $path,
		headers => [ 'Content-Type' => 'application/x-www-form-urlencoded' ], content => form(@parameters));
}

sub basic
{
	my ($role, $password) = @_;
	return 'Basic ' . encode_base64("$role:$password", '');
}

# What a document of the API says, of an answer; dies if it is none.
sub json
{
	my ($answer) = @_;
	my $value = eval { JSON::PP->new->utf8->allow_nonref->decode($answer->{content} // '') };
	die 'no JSON: ' . ($answer->{status} // '') . ' ' . ($answer->{error} // $answer->{content}) unless defined $value;
	return $value;
}

# The data of an answer that is a success; dies otherwise.
sub data
{
	my ($answer) = @_;
	my $json = json($answer);
	die "no success: $answer->{status} $answer->{content}" unless $answer->{status} == 200 && $json->{status} eq 'success';
	return $json->{data};
}

# A vector, or a matrix, as "{name="value", ...}" => [ [ time, value ], ... ].
sub points
{
	my ($data) = @_;
	my %points;
	for my $series (@{ $data->{result} })
	{
		my $labels = join ', ', map { "$_=\"$series->{metric}{$_}\"" } sort keys %{ $series->{metric} };
		$points{"{$labels}"} = $series->{values} // $series->{histograms}
		  // [ $series->{value} // $series->{histogram} ];
	}
	return \%points;
}

# ---- many at once ----

# Waits until at least one of the connections has something to read, or is closed; returns
# those that have.
sub wait_any
{
	my ($seconds, @clients) = @_;
	my @ready = grep { length $_->{buffer} } @clients;
	return @ready if @ready;
	my $bits = '';
	vec($bits, fileno($_->{socket}), 1) = 1 foreach @clients;
	return () if select($bits, undef, undef, $seconds) <= 0;
	return grep { vec($bits, fileno($_->{socket}), 1) } @clients;
}

# Runs code in a process of its own, with what it returns as JSON; returns a job.
sub start_job
{
	my ($code) = @_;
	pipe(my $read, my $write) or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		CORE::close($read);
		my $result = eval { [ $code->() ] };
		$result //= { error => "$@" };
		syswrite $write, JSON::PP->new->utf8->encode($result);
		CORE::close($write);
		POSIX::_exit(0);
	}
	CORE::close($write);
	return { pid => $pid, out => $read };
}

sub job_runs
{
	my ($job) = @_;
	my $bits = '';
	return 0 if exists $job->{result};
	vec($bits, fileno($job->{out}), 1) = 1;
	return select($bits, undef, undef, 0) == 0;
}

# What the code returned; dies if it died.
sub finish_job
{
	my ($job) = @_;
	if (!exists $job->{result})
	{
		local $/ = undef;
		my $text = readline $job->{out};
		CORE::close($job->{out});
		waitpid $job->{pid}, 0;
		$job->{result} = eval { JSON::PP->new->utf8->decode($text // '') }
		  // { error => 'ended without a word' };
	}
	die "a job: $job->{result}{error}" if ref $job->{result} eq 'HASH';
	return @{ $job->{result} };
}

# ---- protobuf ----

sub varint
{
	my ($n) = @_;
	my $out = '';
	$n = unpack 'Q', pack 'q', $n if $n < 0;
	while ($n >= 128)
	{
		$out .= chr($n & 127 | 128);
		$n >>= 7;
	}
	return $out . chr $n;
}

sub zigzag
{
	my ($n) = @_;
	return varint($n < 0 ? -2 * $n - 1 : 2 * $n);
}

sub field_bytes
{
	my ($number, $bytes) = @_;
	return varint($number << 3 | 2) . varint(length $bytes) . $bytes;
}

sub field_varint
{
	my ($number, $n) = @_;
	return varint($number << 3) . varint($n);
}

# A value may be the text "stale".
sub double
{
	my ($value) = @_;
	return pack 'VV', 2, 0x7ff00000 if $value eq 'stale';
	return pack 'd<', $value =~ /^nan$/i ? 'nan' : $value;
}

sub field_double
{
	my ($number, $value) = @_;
	return varint($number << 3 | 1) . double($value);
}

sub label_pairs
{
	my ($labels) = @_;
	return map { [ $_, $labels->{$_} ] } sort keys %$labels if ref $labels eq 'HASH';
	return @$labels;
}

# [ time in ms, value ], and in 2.0 perhaps the time since which it counts.
sub sample
{
	my ($time, $value, $start) = @{ $_[0] };
	return field_double(1, $value) . field_varint(2, $time) . (defined $start ? field_varint(3, $start) : '');
}

sub spans
{
	my ($number, $spans) = @_;
	return join '', map { field_bytes($number, varint(1 << 3) . zigzag($_->[0]) . field_varint(2, $_->[1])) } @{ $spans // [] };
}

sub packed
{
	my ($number, $encode, $values) = @_;
	return $values && @$values ? field_bytes($number, join '', map { $encode->($_) } @$values) : '';
}

# A histogram by the names of its fields: count and zero_count (float => 1 makes them
# floats), sum, schema, zero_threshold, negative_spans, positive_spans ([ offset, length ]),
# negative_deltas, positive_deltas, negative_counts, positive_counts, reset_hint, time (ms),
# custom_values, start (ms, 2.0).
sub histogram
{
	my ($h) = @_;
	my $float = $h->{float};
	my $out = $float ? field_double(2, $h->{count} // 0) : field_varint(1, $h->{count} // 0);
	$out .= field_double(3, $h->{sum} // 0);
	$out .= varint(4 << 3) . zigzag($h->{schema} // 0);
	$out .= field_double(5, $h->{zero_threshold} // 0);
	$out .= $float ? field_double(7, $h->{zero_count} // 0) : field_varint(6, $h->{zero_count} // 0);
	$out .= spans(8, $h->{negative_spans});
	$out .= packed(9, \&zigzag, $h->{negative_deltas});
	$out .= packed(10, \&double, $h->{negative_counts});
	$out .= spans(11, $h->{positive_spans});
	$out .= packed(12, \&zigzag, $h->{positive_deltas});
	$out .= packed(13, \&double, $h->{positive_counts});
	$out .= field_varint(14, $h->{reset_hint}) if $h->{reset_hint};
	$out .= field_varint(15, $h->{time});
	$out .= packed(16, \&double, $h->{custom_values});
	$out .= field_varint(17, $h->{start}) if defined $h->{start};
	return $out;
}

# A message of remote write 1.0 of series, each { labels (a hash, or pairs in their order),
# samples [ [ time, value ] ], exemplars [ { labels, value, time } ], histograms }, and of
# metadata, each { metadata => { name, type (number), help, unit } }.
sub message1
{
	my (@series) = @_;
	return join '', map { $_->{metadata} ? field_bytes(3, metadata1($_->{metadata})) : field_bytes(1, series1($_)) } @series;
}

sub labels1
{
	my ($labels) = @_;
	return join '', map { field_bytes(1, field_bytes(1, $_->[0]) . field_bytes(2, $_->[1])) } label_pairs($labels);
}

sub series1
{
	my ($series) = @_;
	my $out = labels1($series->{labels});
	$out .= field_bytes(2, sample($_)) foreach @{ $series->{samples} // [] };
	$out .= field_bytes(3, labels1($_->{labels} // {}) . field_double(2, $_->{value}) . field_varint(3, $_->{time}))
	  foreach @{ $series->{exemplars} // [] };
	$out .= field_bytes(4, histogram($_)) foreach @{ $series->{histograms} // [] };
	return $out;
}

sub metadata1
{
	my ($m) = @_;
	return field_varint(1, $m->{type} // 0) . field_bytes(2, $m->{name}) . field_bytes(4, $m->{help} // '')
	  . field_bytes(5, $m->{unit} // '');
}

# A message of remote write 2.0 of series as above; metadata is { type, help, unit } of a
# series, created (ms) its created timestamp.
sub message2
{
	my (@series) = @_;
	my (%symbols, @symbols);
	my $ref = sub {
		my ($text) = @_;
		push @symbols, $text unless exists $symbols{$text};
		return $symbols{$text} //= $#symbols;
	};
	$ref->('');
	my $out = join '', map { field_bytes(5, series2($_, $ref)) } @series;
	return join('', map { field_bytes(4, $_) } @symbols) . $out;
}

sub refs2
{
	my ($labels, $ref) = @_;
	return join '', map { varint($ref->($_->[0])) . varint($ref->($_->[1])) } label_pairs($labels);
}

sub series2
{
	my ($series, $ref) = @_;
	my $out = field_bytes(1, refs2($series->{labels}, $ref));
	$out .= field_bytes(2, sample($_)) foreach @{ $series->{samples} // [] };
	$out .= field_bytes(3, histogram($_)) foreach @{ $series->{histograms} // [] };
	$out .= field_bytes(4, field_bytes(1, refs2($_->{labels} // {}, $ref)) . field_double(2, $_->{value}) . field_varint(3, $_->{time}))
	  foreach @{ $series->{exemplars} // [] };
	if (my $m = $series->{metadata})
	{
		$out .= field_bytes(5, field_varint(1, $m->{type} // 0) . field_varint(3, $ref->($m->{help} // ''))
			  . field_varint(4, $ref->($m->{unit} // '')));
	}
	$out .= field_varint(6, $series->{created}) if defined $series->{created};
	return $out;
}

# Snappy's block format, as one literal.
sub snappy
{
	my ($bytes) = @_;
	return "\0" if $bytes eq '';
	return varint(length $bytes) . "\xfc" . pack('V', length($bytes) - 1) . $bytes;
}

# What snappy's block format holds; dies if it is none.
sub unsnappy
{
	my ($bytes) = @_;
	my ($size, $at, $out) = (0, 0, '');
	for (my $shift = 0; ; $shift += 7)
	{
		my $byte = ord substr $bytes, $at++, 1;
		$size |= ($byte & 127) << $shift;
		last if $byte < 128;
	}
	while ($at < length $bytes)
	{
		my $tag = ord substr $bytes, $at++, 1;
		my ($length, $offset) = ($tag >> 2, 0);
		if (($tag & 3) == 0)
		{
			my $more = $length < 60 ? 0 : $length - 59;
			$length = unpack 'V', substr($bytes, $at, $more) . "\0\0\0\0" if $more;
			$at += $more;
			$out .= substr $bytes, $at, ++$length;
			$at += $length;
			next;
		}
		if (($tag & 3) == 1)
		{
			$offset = ($tag >> 5) << 8 | ord substr $bytes, $at++, 1;
			$length = ($length & 7) + 4;
		}
		else
		{
			my $width = ($tag & 3) == 2 ? 2 : 4;
			$offset = unpack 'V', substr($bytes, $at, $width) . "\0\0";
			$at += $width;
			$length++;
		}
		die 'snappy: a copy from nowhere' if $offset == 0 || $offset > length $out;
		while ($length > 0)
		{
			my $part = substr $out, -$offset, $length;
			$out .= $part;
			$length -= length $part;
		}
	}
	die 'snappy: wrong length' if length $out != $size;
	return $out;
}

# Requests to write: options for request(), with headers as senders send them.
sub write1
{
	my (@series) = @_;
	return (headers => [ 'Content-Type' => 'application/x-protobuf', 'Content-Encoding' => 'snappy',
			'X-Prometheus-Remote-Write-Version' => '0.1.0' ],
		content => snappy(message1(@series)));
}

sub write2
{
	my (@series) = @_;
	return (headers => [ 'Content-Type' => 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
			'Content-Encoding' => 'snappy', 'X-Prometheus-Remote-Write-Version' => '2.0.0' ],
		content => snappy(message2(@series)));
}

sub write
{
	my ($where, %request) = @_;
	return once($where, 'POST', '/api/v1/write', %request);
}

1;
