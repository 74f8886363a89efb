# Http2.pm: HTTP/2 and gRPC by hand, for tests: frames of which every byte can be chosen, and
# answers of which every frame is seen.
#
#	my $client = Http2->connect($port);
#	my $answer = $client->call('/grpc.health.v1.Health/Check', '');	# { code, message, messages, ... }
#	my $answer = $client->export(Otlp::request(...), metadata => [ authorization => Http::basic('a', 'b') ]);
#
#	my $stream = $client->start_call($path, $message);	# several at once
#	my $answer = $client->finish_call($stream);
#
#	$client->send_frame(Http2::PING, 0, 0, '12345678');
#	$client->run(sub { $client->{goaway} }, 10);	# takes frames until that is so
#
# A connection is one of Http's with a preface; settings are acknowledged and PINGs answered
# unless {silent} is set, windows are opened as bytes come unless {hoard} is, and what is sent
# keeps within the server's windows unless it is sent as frames.
package Http2;
use strict;
use warnings;

use IO::Uncompress::Gunzip;
use MIME::Base64;
use Time::HiRes qw(time);

use Http;
use Otlp;

use constant {
	DATA => 0, HEADERS => 1, PRIORITY => 2, RST_STREAM => 3, SETTINGS => 4, PUSH_PROMISE => 5, PING => 6, GOAWAY => 7,
	WINDOW_UPDATE => 8, CONTINUATION => 9 };
use constant { END_STREAM => 1, ACK => 1, END_HEADERS => 4, PADDED => 8, WITH_PRIORITY => 32 };
use constant {
	HEADER_TABLE_SIZE => 1, MAX_CONCURRENT_STREAMS => 3, INITIAL_WINDOW_SIZE => 4, MAX_FRAME_SIZE => 5, MAX_HEADER_LIST_SIZE => 6 };

our $preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
our $export = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export';

my @error_names = qw(NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR
  REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED);

sub error_name
{
	my ($code) = @_;
	return $error_names[$code] // "error $code";
}

# A node as Http's node() makes it, that serves OTLP over gRPC, too: the node, and the ports of HTTP
# and of gRPC. It waits for clients that are slow, unless settings say otherwise.
sub node
{
	my ($name, @settings) = @_;
	my $grpc = Http::port();
	my ($node, $port) = Http::node($name, "mytsdb.otlp_grpc_port = $grpc",
		(map { "mytsdb.http_${_}_timeout = 5min" } qw(header body write)), @settings);
	return ($node, $port, $grpc);
}

# ---- frames ----

sub frame
{
	my ($type, $flags, $stream, $payload) = @_;
	return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload;
}

sub settings
{
	my (%settings) = @_;
	return frame(SETTINGS, 0, 0, join '', map { pack 'nN', $_, $settings{$_} } sort keys %settings);
}

# ---- HPACK (RFC 7541) ----

sub hpack_integer
{
	my ($first, $bits, $n) = @_;
	my $max = (1 << $bits) - 1;
	return chr($first | $n) if $n < $max;
	return chr($first | $max) . Http::varint($n - $max);
}

sub hpack_string
{
	my ($text) = @_;
	return hpack_integer(0, 7, length $text) . $text;
}

# Fields as literals that nobody keeps; $first 0x40: they are to be kept.
sub hpack
{
	my ($fields, $first) = @_;
	my @fields = @$fields;
	my $out = '';
	while (my ($name, $value) = splice @fields, 0, 2)
	{
		$out .= chr($first // 0) . hpack_string($name) . hpack_string($value);
	}
	return $out;
}

my @static = (
	undef, [ ':authority', '' ], [ ':method', 'GET' ], [ ':method', 'POST' ], [ ':path', '/' ], [ ':path', '/index.html' ],
	[ ':scheme', 'http' ], [ ':scheme', 'https' ], (map { [ ':status', $_ ] } qw(200 204 206 304 400 404 500)),
	[ 'accept-charset', '' ], [ 'accept-encoding', 'gzip, deflate' ],
	map { [ $_, '' ] } qw(accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control
	  content-disposition content-encoding content-language content-length content-location content-range content-type cookie date etag
	  expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location
	  max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie
	  strict-transport-security transfer-encoding user-agent vary via www-authenticate));

# The Huffman code is canonical, so lengths say all. These are the characters by their
# lengths, as far as one can print them, and NUL.
my %huffman;
{
	my %by_length = (
		5 => '012aceiost', 6 => ' %-./3456789=A_bdfghlmnpru', 7 => ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz', 8 => '&*,;XZ', 10 => '!"()?',
		11 => q('+|), 12 => '#>', 13 => "\0\$\@[]~", 14 => '^}', 15 => '<`{', 19 => '\\');
	my $code = 0;
	my $before = 5;
	for my $length (sort { $a <=> $b } keys %by_length)
	{
		$code <<= $length - $before;
		$before = $length;
		$huffman{ sprintf '%0*b', $length, $code++ } = $_ foreach split //, $by_length{$length};
	}
}

sub unhuffman
{
	my ($bytes) = @_;
	my $bits = unpack 'B*', $bytes;
	my ($out, $at) = ('', 0);
	while ($at < length $bits)
	{
		my $length = 5;
		$length++ while $at + $length <= length $bits && !exists $huffman{ substr $bits, $at, $length };
		if ($at + $length > length $bits)
		{
			die 'hpack: no such code: ' . substr $bits, $at unless substr($bits, $at) =~ /^1{1,7}$/;
			return $out;
		}
		$out .= $huffman{ substr $bits, $at, $length };
		$at += $length;
	}
	return $out;
}

# Fields of a block: a list of names and values. $table is the dynamic table, { entries, limit }.
sub unhpack
{
	my ($bytes, $table) = @_;
	my $at = 0;
	my @out;
	my $integer = sub {
		my ($bits) = @_;
		my $n = ord(substr $bytes, $at++, 1) & (1 << $bits) - 1;
		return $n if $n < (1 << $bits) - 1;
		for (my $shift = 0;; $shift += 7)
		{
			die 'hpack: cut short' if $at >= length $bytes;
			my $byte = ord substr $bytes, $at++, 1;
			$n += ($byte & 127) << $shift;
			return $n if $byte < 128;
		}
	};
	my $string = sub {
		my $coded = ord(substr $bytes, $at, 1) & 128;
		my $length = $integer->(7);
		die 'hpack: cut short' if $at + $length > length $bytes;
		my $text = substr $bytes, $at, $length;
		$at += $length;
		return $coded ? unhuffman($text) : $text;
	};
	my $entry = sub {
		my ($index) = @_;
		my $found = $index < @static ? $static[$index] : $table->{entries}[ $index - @static ];
		return @{ $found // die "hpack: no entry $index" };
	};
	while ($at < length $bytes)
	{
		my $first = ord substr $bytes, $at, 1;
		if ($first & 128)
		{
			push @out, $entry->($integer->(7));
			next;
		}
		if (($first & 0xe0) == 0x20)
		{
			$table->{limit} = $integer->(5);
			evict($table);
			next;
		}
		my $index = $integer->($first & 64 ? 6 : 4);
		my ($name) = $index ? $entry->($index) : $string->();
		my $value = $string->();
		push @out, $name, $value;
		next unless $first & 64;
		unshift @{ $table->{entries} }, [ $name, $value ];
		evict($table);
	}
	return @out;
}

sub evict
{
	my ($table) = @_;
	my $size = 0;
	$size += 32 + length($_->[0]) + length $_->[1] foreach @{ $table->{entries} };
	while ($size > $table->{limit})
	{
		my $last = pop @{ $table->{entries} };
		$size -= 32 + length($last->[0]) + length $last->[1];
	}
	return;
}

# ---- connections ----

# Options: those of Http's connect (with tls, ALPN says h2), settings (ours, by number), preface (other bytes
# to begin with), silent, hoard.
sub connect
{
	my ($class, $port, %options) = @_;
	$options{options} //= [ '-alpn', 'h2' ] if $options{tls};
	my $self = bless {
		http => Http->connect($port, %options), silent => $options{silent}, hoard => $options{hoard},
		streams => {}, next => 1, window => 65535, table => { entries => [], limit => 4096 },
		peer => { INITIAL_WINDOW_SIZE() => 65535 }, pongs => [], frames => {}
	}, $class;
	$self->{timeout} = $self->{http}{timeout};
	my %settings = %{ $options{settings} // {} };
	$self->send($options{preface} // ($preface . settings(%settings)));
	return $self;
}

sub send
{
	my ($self, $bytes) = @_;
	return $self->{http}->send($bytes);
}

sub send_frame
{
	my ($self, @frame) = @_;
	return $self->send(frame(@frame));
}

sub close
{
	my ($self) = @_;
	$self->{http}->close;
	return;
}

sub reset
{
	my ($self) = @_;
	$self->{http}->reset;
	return;
}

# The length of the frame that bytes begin with; 0: it is not there in whole.
sub whole_frame
{
	my ($length) = unpack 'N', "\0" . substr $_[0], 0, 3;
	return defined $length && length $_[0] >= 9 + $length ? 9 + $length : 0;
}

# Takes one frame, and does with it what one does. Returns its type; undef, with {error}
# set, when there is none in time or the connection is closed.
sub take_frame
{
	my ($self, $until) = @_;
	my $http = $self->{http};
	return undef if $self->{error};

	# What has come in part stays for the next time.
	until (whole_frame($http->{buffer}))
	{
		my $got = $http->fill($until);
		next if $got;
		return undef if !defined $got && $http->{error} eq 'timeout';
		$self->{error} = defined $got ? 'closed' : $http->{error};
		return undef;
	}
	my $bytes = substr $http->{buffer}, 0, whole_frame($http->{buffer}), '';
	my ($type, $flags, $stream) = unpack 'x3CCN', $bytes;
	$self->{frames}{$type}++;
	$self->take($type, $flags, $stream & 0x7fffffff, substr $bytes, 9);
	return $type;
}

sub take
{
	my ($self, $type, $flags, $id, $payload) = @_;
	my $stream = $self->{streams}{$id} // {};
	if ($type == DATA)
	{
		$stream->{content} .= $payload;
		$stream->{ended} = 1 if $flags & END_STREAM;
		$self->open_windows($id, length $payload) unless $self->{hoard} || $payload eq '';
	}
	elsif ($type == HEADERS || $type == CONTINUATION)
	{
		$stream->{ending} = 1 if $type == HEADERS && $flags & END_STREAM;
		$stream->{block} .= $payload;
		return unless $flags & END_HEADERS;
		my %fields = unhpack(delete $stream->{block}, $self->{table});
		$stream->{ $stream->{head} ? 'trailers' : 'head' } = \%fields;
		$stream->{ended} = 1 if $stream->{ending};
	}
	elsif ($type == RST_STREAM)
	{
		$stream->{reset} = error_name(unpack 'N', $payload);
		$stream->{ended} = 1;
	}
	elsif ($type == SETTINGS)
	{
		$self->take_settings($flags, $payload);
	}
	elsif ($type == PING)
	{
		push @{ $self->{pongs} }, $payload if $flags & ACK;
		$self->send_frame(PING, ACK, 0, $payload) unless $flags & ACK || $self->{silent};
	}
	elsif ($type == GOAWAY)
	{
		my ($last, $code, $debug) = unpack 'NNa*', $payload;
		$self->{goaway} = { last => $last, code => error_name($code), debug => $debug };
	}
	elsif ($type == WINDOW_UPDATE)
	{
		my $bytes = unpack 'N', $payload;
		if ($id) { $stream->{window} += $bytes }
		else { $self->{window} += $bytes }
	}
	return;
}

sub take_settings
{
	my ($self, $flags, $payload) = @_;
	return if $flags & ACK;
	my %settings = unpack '(nN)*', $payload;
	if (defined(my $window = $settings{ INITIAL_WINDOW_SIZE() }))
	{
		$_->{window} += $window - $self->{peer}{ INITIAL_WINDOW_SIZE() } foreach values %{ $self->{streams} };
	}
	$self->{peer} = { %{ $self->{peer} }, %settings };
	$self->{has_settings} = 1;
	$self->send_frame(SETTINGS, ACK, 0, '') unless $self->{silent};
	return;
}

sub open_windows
{
	my ($self, $stream, $bytes) = @_;
	return $self->send(frame(WINDOW_UPDATE, 0, 0, pack 'N', $bytes)
		  . ($self->{streams}{$stream}{ended} ? '' : frame(WINDOW_UPDATE, 0, $stream, pack 'N', $bytes)));
}

# Takes frames until something is so; false when it is not within the time, or the
# connection is closed before.
sub run
{
	my ($self, $until, $seconds) = @_;
	my $end = time + ($seconds // $self->{timeout});
	while (!$until->())
	{
		return 0 unless defined $self->take_frame($end);
	}
	return 1;
}

# Whether the server closes the connection within the time.
sub is_closed
{
	my ($self, $seconds) = @_;
	$self->run(sub { 0 }, $seconds);
	return defined $self->{error};
}

# How it ended: what GOAWAY said, else how the socket did, or that it did not.
sub ending
{
	my ($self, $seconds) = @_;
	my $closed = $self->is_closed($seconds);
	return $closed ? $self->{goaway} ? $self->{goaway}{code} : 'closed' : 'open';
}

# Whether a PING is answered: what was sent before it has been read.
sub ping
{
	my ($self, $seconds) = @_;
	my $word = sprintf '%08x', ++$self->{pings};
	$self->send_frame(PING, 0, 0, $word);
	return $self->run(sub { grep { $_ eq $word } @{ $self->{pongs} } }, $seconds);
}

# ---- requests ----

sub new_stream
{
	my ($self) = @_;
	my $id = $self->{next};
	$self->{next} += 2;
	$self->{streams}{$id} = { id => $id, content => '', window => $self->{peer}{ INITIAL_WINDOW_SIZE() } };
	return $id;
}

# Sends the head of a request; returns the stream. Options: fields (all of them, else those of a gRPC
# call to the path, and headers), end (nothing follows).
sub start
{
	my ($self, $path, %options) = @_;
	my $id = $self->new_stream;
	my @fields = @{ $options{fields} // grpc_fields($path, @{ $options{headers} // [] }) };
	$self->send_frame(HEADERS, END_HEADERS | ($options{end} ? END_STREAM : 0), $id, hpack(\@fields));
	return $id;
}

sub grpc_fields
{
	my ($path, @headers) = @_;
	return [ ':method' => 'POST', ':scheme' => 'http', ':path' => $path, ':authority' => '127.0.0.1', te => 'trailers',
		'content-type' => 'application/grpc', @headers ];
}

# Sends a body as far as the server's windows allow, and waits for them. False: it was not
# taken, because the stream or the connection has ended, or in time.
sub send_body
{
	my ($self, $id, $bytes, %options) = @_;
	my $stream = $self->{streams}{$id};
	my $end = $options{end} // 1;
	my $at = 0;
	while ($at < length $bytes || $end)
	{
		my $left = length($bytes) - $at;
		return 0 unless $self->run(sub { $stream->{ended} || $left == 0 || ($self->{window} > 0 && $stream->{window} > 0) });
		return 0 if $stream->{ended};
		my $part = (sort { $a <=> $b } $left, $options{frame} // 16384, $self->{window}, $stream->{window})[0];
		$part = 0 if $part < 0;
		my $last = $part == $left;
		$self->send_frame(DATA, $end && $last ? END_STREAM : 0, $id, substr $bytes, $at, $part) or return 0;
		$self->{window} -= $part;
		$stream->{window} -= $part;
		$at += $part;
		return 1 if $last;
	}
	return 1;
}

# The answer on a stream when it has ended: { status (of HTTP), head, trailers, content, reset,
# error }.
sub finish
{
	my ($self, $id, $seconds) = @_;
	my $stream = $self->{streams}{$id};
	$self->run(sub { $stream->{ended} }, $seconds);
	my %answer = %$stream;
	$answer{status} = $stream->{head} ? $stream->{head}{':status'} : undef;
	$answer{error} = $stream->{reset} // $self->{error} // 'timeout' unless $stream->{ended} && !$stream->{reset};
	return \%answer;
}

# ---- gRPC ----

sub message
{
	my ($bytes, $compressed) = @_;
	return pack('CN', $compressed // 0, length $bytes) . $bytes;
}

# Begins a call. Options: metadata, gzip, timeout (grpc-timeout), prefix (instead of the
# message's own).
sub start_call
{
	my ($self, $path, $message, %options) = @_;
	my @headers;
	push @headers, 'grpc-timeout' => $options{timeout} if defined $options{timeout};
	push @headers, 'grpc-encoding' => 'gzip' if $options{gzip};
	my $id = $self->start($path, headers => [ @headers, @{ $options{metadata} // [] } ]);
	my $body = message($options{gzip} ? Otlp::gzip($message) : $message, $options{gzip} ? 1 : 0);
	substr $body, 0, 5, $options{prefix} if defined $options{prefix};
	$self->send_body($id, $body);
	return $id;
}

# Its answer as finish() has it, and: code, message, messages (bytes of each), details (of
# grpc-status-details-bin, as Otlp::status() has them).
sub finish_call
{
	my ($self, $id, $seconds) = @_;
	my $answer = $self->finish($id, $seconds);
	my $trailers = $answer->{trailers} // $answer->{head} // {};
	$answer->{code} = $trailers->{'grpc-status'};
	$answer->{message} = $trailers->{'grpc-message'} // '';
	$answer->{message} =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
	$answer->{messages} = messages($answer);
	if (defined(my $details = $trailers->{'grpc-status-details-bin'}))
	{
		$answer->{details} = Otlp::status(MIME::Base64::decode_base64($details));
	}
	return $answer;
}

# The messages of a body that has come so far.
sub messages
{
	my ($answer) = @_;
	my $rest = $answer->{content};
	my @messages;
	while (length $rest >= 5)
	{
		my ($compressed, $length) = unpack 'CN', $rest;
		last if length $rest < 5 + $length;
		my $message = substr $rest, 5, $length;
		substr $rest, 0, 5 + $length, '';
		if ($compressed)
		{
			IO::Uncompress::Gunzip::gunzip(\$message, \my $plain) or die 'gzip';
			$message = $plain;
		}
		push @messages, $message;
	}
	return \@messages;
}

sub call
{
	my ($self, $path, $message, %options) = @_;
	return $self->finish_call($self->start_call($path, $message, %options), $options{seconds});
}

# Sends a request of Otlp's, a tree or bytes. The answer has {rejected} and {said} of its
# partial_success.
sub export
{
	my ($self, $request, %options) = @_;
	return export_answer($self->call($export, ref $request ? Otlp::protobuf($request) : $request, %options));
}

sub export_answer
{
	my ($answer) = @_;
	return $answer unless ($answer->{code} // '') eq '0' && @{ $answer->{messages} };
	my $said = Otlp::response($answer->{messages}[0]);
	@{$answer}{qw(rejected said)} = @{$said}{qw(rejected message)};
	return $answer;
}

# A call's answer in short: the code, and the message if there is one.
sub told
{
	my ($answer) = @_;
	return 'none: ' . ($answer->{error} // "HTTP $answer->{status}") unless defined $answer->{code};
	return $answer->{message} eq '' ? $answer->{code} : "$answer->{code} $answer->{message}";
}

1;
