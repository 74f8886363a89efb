# Otlp.pm: OpenTelemetry's metrics for tests: requests as trees, as protobuf and as JSON, and
# what is answered.
#
#	my $request = Otlp::request(
#		resource => { 'service.name' => 'shop' },
#		scope => { name => 'lib', version => '1' },
#		metrics => [
#			Otlp::gauge('temperature', { time => 1000, value => 20.5, attributes => { room => 'a' } }),
#			Otlp::sum('requests', { start => 0, time => 1000, int => 7 }) ]);
#	my $answer = Otlp::post($port, $request, json => 1, gzip => 1);	# as Http's, and told() says
#	my $bytes = Otlp::protobuf($request);
#
# A tree is what OTLP's JSON mapping says, with its names: { resourceMetrics => [ ... ] }; it may
# be made by hand as well as by the functions here, and be changed. Numbers are Perl's, ids are
# bytes. What a message should have beyond its schema is in _more: bytes at its end in
# protobuf, or { protobuf => bytes, json => text of members }.
#
# Texts are bytes, in UTF-8 if they should be. Times are milliseconds, but in trees.
package Otlp;
use strict;
use warnings;

use IO::Compress::Gzip;
use MIME::Base64;

use Http;

# ---- what messages are ----

# By name the number and the type; * : repeated, ? : said even when it is the default.
my %schema = (
	ExportMetricsServiceRequest => { resourceMetrics => [ 1, '*ResourceMetrics' ] },
	ResourceMetrics => { resource => [ 1, 'Resource' ], scopeMetrics => [ 2, '*ScopeMetrics' ], schemaUrl => [ 3, 'string' ] },
	Resource => { attributes => [ 1, '*KeyValue' ], droppedAttributesCount => [ 2, 'uint32' ] },
	ScopeMetrics => { scope => [ 1, 'InstrumentationScope' ], metrics => [ 2, '*Metric' ], schemaUrl => [ 3, 'string' ] },
	InstrumentationScope => {
		name => [ 1, 'string' ], version => [ 2, 'string' ], attributes => [ 3, '*KeyValue' ],
		droppedAttributesCount => [ 4, 'uint32' ] },
	Metric => {
		name => [ 1, 'string' ], description => [ 2, 'string' ], unit => [ 3, 'string' ], gauge => [ 5, 'Gauge' ],
		sum => [ 7, 'Sum' ], histogram => [ 9, 'Histogram' ], exponentialHistogram => [ 10, 'ExponentialHistogram' ],
		summary => [ 11, 'Summary' ], metadata => [ 12, '*KeyValue' ] },
	Gauge => { dataPoints => [ 1, '*NumberDataPoint' ] },
	Sum => {
		dataPoints => [ 1, '*NumberDataPoint' ], aggregationTemporality => [ 2, 'enum' ], isMonotonic => [ 3, 'bool' ] },
	Histogram => { dataPoints => [ 1, '*HistogramDataPoint' ], aggregationTemporality => [ 2, 'enum' ] },
	ExponentialHistogram => { dataPoints => [ 1, '*ExponentialHistogramDataPoint' ], aggregationTemporality => [ 2, 'enum' ] },
	Summary => { dataPoints => [ 1, '*SummaryDataPoint' ] },
	NumberDataPoint => {
		startTimeUnixNano => [ 2, 'fixed64' ], timeUnixNano => [ 3, 'fixed64' ], asDouble => [ 4, '?double' ],
		exemplars => [ 5, '*Exemplar' ], asInt => [ 6, '?sfixed64' ], attributes => [ 7, '*KeyValue' ], flags => [ 8, 'uint32' ] },
	HistogramDataPoint => {
		startTimeUnixNano => [ 2, 'fixed64' ], timeUnixNano => [ 3, 'fixed64' ], count => [ 4, 'fixed64' ], sum => [ 5, '?double' ],
		bucketCounts => [ 6, '*fixed64' ], explicitBounds => [ 7, '*double' ], exemplars => [ 8, '*Exemplar' ],
		attributes => [ 9, '*KeyValue' ], flags => [ 10, 'uint32' ], min => [ 11, '?double' ], max => [ 12, '?double' ] },
	ExponentialHistogramDataPoint => {
		attributes => [ 1, '*KeyValue' ], startTimeUnixNano => [ 2, 'fixed64' ], timeUnixNano => [ 3, 'fixed64' ],
		count => [ 4, 'fixed64' ], sum => [ 5, '?double' ], scale => [ 6, 'sint32' ], zeroCount => [ 7, 'fixed64' ],
		positive => [ 8, 'Buckets' ], negative => [ 9, 'Buckets' ], flags => [ 10, 'uint32' ], exemplars => [ 11, '*Exemplar' ],
		min => [ 12, '?double' ], max => [ 13, '?double' ], zeroThreshold => [ 14, 'double' ] },
	Buckets => { offset => [ 1, 'sint32' ], bucketCounts => [ 2, '*uint64' ] },
	SummaryDataPoint => {
		startTimeUnixNano => [ 2, 'fixed64' ], timeUnixNano => [ 3, 'fixed64' ], count => [ 4, 'fixed64' ], sum => [ 5, 'double' ],
		quantileValues => [ 6, '*ValueAtQuantile' ], attributes => [ 7, '*KeyValue' ], flags => [ 8, 'uint32' ] },
	ValueAtQuantile => { quantile => [ 1, 'double' ], value => [ 2, 'double' ] },
	Exemplar => {
		timeUnixNano => [ 2, 'fixed64' ], asDouble => [ 3, '?double' ], spanId => [ 4, 'id' ], traceId => [ 5, 'id' ],
		asInt => [ 6, '?sfixed64' ], filteredAttributes => [ 7, '*KeyValue' ] },
	KeyValue => { key => [ 1, 'string' ], value => [ 2, 'AnyValue' ] },
	AnyValue => {
		stringValue => [ 1, '?string' ], boolValue => [ 2, '?bool' ], intValue => [ 3, '?int64' ], doubleValue => [ 4, '?double' ],
		arrayValue => [ 5, 'ArrayValue' ], kvlistValue => [ 6, 'KeyValueList' ], bytesValue => [ 7, '?bytes' ] },
	ArrayValue => { values => [ 1, '*AnyValue' ] },
	KeyValueList => { values => [ 1, '*KeyValue' ] });

# ---- attributes ----

# Values of attributes are texts, lists, hashes and undef (no value), or what these make.
sub int    { return bless { intValue => $_[0] }, 'Otlp::Value' }
sub double { return bless { doubleValue => $_[0] }, 'Otlp::Value' }
sub bool   { return bless { boolValue => $_[0] ? 1 : 0 }, 'Otlp::Value' }
sub bytes  { return bless { bytesValue => $_[0] }, 'Otlp::Value' }

sub value
{
	my ($value) = @_;
	return {} unless defined $value;
	return {%$value} if ref $value eq 'Otlp::Value';
	return { arrayValue => { values => [ map { value($_) } @$value ] } } if ref $value eq 'ARRAY';
	return { kvlistValue => { values => attributes($value) } } if ref $value eq 'HASH';
	return { stringValue => $value };
}

# Of a hash, or of a list of names and values in their order.
sub attributes
{
	my ($attributes) = @_;
	my @pairs = ref $attributes eq 'ARRAY' ? @$attributes : map { $_ => $attributes->{$_} } sort keys %{ $attributes // {} };
	my @list;
	while (my ($key, $value) = splice @pairs, 0, 2)
	{
		push @list, { key => $key, value => value($value) };
	}
	return \@list;
}

# A value that is a list within a list and so on, as bytes of an AnyValue and as JSON. Made
# without recursion, so it may be as deep as one likes.
sub deep_protobuf
{
	my ($depth) = @_;
	my @lengths = (0); # of what is within
	for (1 .. $depth)
	{
		# AnyValue { array_value: ArrayValue { values: AnyValue } }
		my $inner = $lengths[-1];
		my $array = 1 + length(Http::varint($inner)) + $inner;
		push @lengths, 1 + length(Http::varint($array)) + $array;
	}
	my $out = '';
	for my $inner (reverse @lengths[ 0 .. $#lengths - 1 ])
	{
		my $value = "\x0a" . Http::varint($inner);
		$out .= "\x2a" . Http::varint($inner + length $value) . $value;
	}
	return $out;
}

sub deep_json
{
	my ($depth) = @_;
	return '{"arrayValue":{"values":[' x $depth . '{}' . ']}}' x $depth;
}

# ---- requests ----

sub nanoseconds
{
	my ($ms) = @_;
	return $ms =~ /\./ ? sprintf '%.0f', $ms * 1e6 : $ms * 1000000;
}

# What all points have. Of a point: time, start (ms), attributes, flags, and exemplars, each
# { time, value or int, trace, span (bytes), attributes }; all else is as in trees.
sub point
{
	my ($point) = @_;
	my %point = %$point;
	my %out;
	$out{timeUnixNano} = nanoseconds(delete $point{time}) if defined $point{time};
	$out{startTimeUnixNano} = nanoseconds(delete $point{start}) if defined $point{start};
	$out{attributes} = attributes(delete $point{attributes}) if $point{attributes};
	$out{exemplars} = [ map { exemplar($_) } @{ delete $point{exemplars} } ] if $point{exemplars};
	return { %out, %point };
}

sub exemplar
{
	my ($exemplar) = @_;
	my %exemplar = %$exemplar;
	$exemplar{filteredAttributes} = attributes(delete $exemplar{attributes}) if $exemplar{attributes};
	$exemplar{traceId} = delete $exemplar{trace} if exists $exemplar{trace};
	$exemplar{spanId} = delete $exemplar{span} if exists $exemplar{span};
	return number_point(\%exemplar);
}

sub number_point
{
	my ($point) = @_;
	my $out = point($point);
	$out->{asDouble} = delete $out->{value} if exists $out->{value};
	$out->{asInt} = delete $out->{int} if exists $out->{int};
	return $out;
}

# A metric: its name, or { name, description, unit, metadata }; perhaps options; points.
sub metric
{
	my ($name, $kind, $data) = @_;
	my %metric = ref $name ? %$name : (name => $name);
	$metric{metadata} = attributes($metric{metadata}) if $metric{metadata};
	return { %metric, $kind => $data };
}

sub gauge
{
	my ($name, @points) = @_;
	return metric($name, 'gauge', { dataPoints => [ map { number_point($_) } @points ] });
}

# Temporality: 'cumulative', 'delta', or a number.
sub temporality
{
	my ($temporality) = @_;
	return { delta => 1, cumulative => 2 }->{$temporality} // $temporality;
}

# A sum is monotonic and cumulative unless the name's hash says temporality or
# monotonic => 0; so are histograms cumulative.
sub options
{
	my ($name) = @_;
	my %name = ref $name ? %$name : (name => $name);
	my $temporality = temporality(delete $name{temporality} // 'cumulative');
	my $monotonic = delete $name{monotonic} // 1;
	return (\%name, $temporality, $monotonic);
}

sub sum
{
	my ($name, @points) = @_;
	my ($metric, $temporality, $monotonic) = options($name);
	return metric($metric, 'sum', {
			dataPoints => [ map { number_point($_) } @points ],
			aggregationTemporality => $temporality, isMonotonic => $monotonic });
}

# Points: count, sum, min, max, bounds, counts.
sub histogram
{
	my ($name, @points) = @_;
	my ($metric, $temporality) = options($name);
	my @data;
	for my $given (@points)
	{
		my $point = point($given);
		$point->{explicitBounds} = delete $point->{bounds} if $point->{bounds};
		$point->{bucketCounts} = delete $point->{counts} if $point->{counts};
		push @data, $point;
	}
	return metric($metric, 'histogram', { dataPoints => \@data, aggregationTemporality => $temporality });
}

# Points: count, sum, min, max, scale, zeroCount, zeroThreshold, positive and negative, each
# [ offset, counts... ].
sub exponential
{
	my ($name, @points) = @_;
	my ($metric, $temporality) = options($name);
	my @data;
	for my $given (@points)
	{
		my $point = point($given);
		for my $side (grep { ref $point->{$_} eq 'ARRAY' } qw(positive negative))
		{
			my ($offset, @counts) = @{ $point->{$side} };
			$point->{$side} = { offset => $offset, bucketCounts => \@counts };
		}
		push @data, $point;
	}
	return metric($metric, 'exponentialHistogram', { dataPoints => \@data, aggregationTemporality => $temporality });
}

# Points: count, sum, quantiles [ [ quantile, value ], ... ].
sub summary
{
	my ($name, @points) = @_;
	my @data;
	for my $given (@points)
	{
		my $point = point($given);
		my $quantiles = delete $point->{quantiles};
		$point->{quantileValues} = [ map { { quantile => $_->[0], value => $_->[1] } } @$quantiles ] if $quantiles;
		push @data, $point;
	}
	return metric($name, 'summary', { dataPoints => \@data });
}

# A request of one resource and one scope: resource (attributes), resource_schema, scope
# { name, version, attributes, schema }, metrics.
sub request
{
	my (%options) = @_;
	my %resource;
	$resource{resource} = { attributes => attributes($options{resource}) } if $options{resource};
	$resource{schemaUrl} = $options{resource_schema} if defined $options{resource_schema};
	my %scope = (metrics => $options{metrics} // []);
	if (my $given = $options{scope})
	{
		my %given = %$given;
		$scope{schemaUrl} = delete $given{schema} if defined $given{schema};
		$given{attributes} = attributes($given{attributes}) if $given{attributes};
		$scope{scope} = \%given;
	}
	return { resourceMetrics => [ { %resource, scopeMetrics => [ \%scope ] } ] };
}

# Several requests as one.
sub joined
{
	my (@requests) = @_;
	return { resourceMetrics => [ map { @{ $_->{resourceMetrics} } } @requests ] };
}

# ---- protobuf ----

# What the wire has of one value: the type of the wire and the bytes.
my %wire = (
	string => sub { return (2, Http::varint(length $_[0]) . $_[0]) },
	varint => sub { return (0, Http::varint($_[0])) },
	sint32 => sub { return (0, Http::zigzag($_[0])) },
	double => sub { return (1, Http::double($_[0])) },
	fixed64 => sub { return (1, pack 'Q<', $_[0]) },
	sfixed64 => sub { return (1, pack 'q<', $_[0]) });
$wire{$_} = $wire{string} foreach qw(bytes id);
$wire{$_} = $wire{varint} foreach qw(uint32 uint64 int64 enum bool);

sub field
{
	my ($number, $type, $value) = @_;
	return Http::field_bytes($number, message($type, $value)) if $schema{$type};
	my ($wire, $bytes) = $wire{$type}->($value);
	return Http::varint($number << 3 | $wire) . $bytes;
}

sub repeated
{
	my ($number, $type, $values) = @_;
	return join '', map { field($number, $type, $_) } @$values if $schema{$type} || $type eq 'string';
	return Http::packed($number, sub { return ($wire{$type}->($_[0]))[1] }, $values);
}

# A message of a type, in the order of its fields' numbers.
sub message
{
	my ($type, $tree) = @_;
	my $fields = $schema{$type};
	my $out = '';
	for my $name (sort { ($fields->{$a} // die "$type has no $a")->[0] <=> $fields->{$b}[0] } grep { $_ ne '_more' } keys %$tree)
	{
		my ($number, $kind) = @{ $fields->{$name} // die "$type has no $name" };
		my ($how, $of) = $kind =~ /^([*?]?)(\w+)$/;
		my $value = $tree->{$name};
		next unless defined $value;
		$out .= repeated($number, $of, $value) if $how eq '*';
		$out .= field($number, $of, $value) if $how eq '?' || ($how eq '' && (ref $value || ($value ne '0' && $value ne '')));
	}
	my $more = $tree->{_more};
	return $out . (ref $more ? $more->{protobuf} // '' : $more // '');
}

sub protobuf
{
	my ($request) = @_;
	return message('ExportMetricsServiceRequest', $request);
}

# What a message has: [ number, value ] of each field, a value being bytes, or a number that
# is not negative; dies if it is none.
sub fields
{
	my ($bytes) = @_;
	my @fields;
	my $at = 0;
	my $varint = sub {
		my ($n, $shift) = (0, 0);
		while (1)
		{
			die 'protobuf: cut short' if $at >= length $bytes || $shift > 63;
			my $byte = ord substr $bytes, $at++, 1;
			$n |= ($byte & 127) << $shift;
			$shift += 7;
			return $n if $byte < 128;
		}
	};
	while ($at < length $bytes)
	{
		my $tag = $varint->();
		my $wire = $tag & 7;
		my $size = $wire == 0 ? 0 : $wire == 1 ? 8 : $wire == 5 ? 4 : $wire == 2 ? $varint->() : die "protobuf: wire type $wire";
		my $value = $wire == 0 ? $varint->() : substr $bytes, $at, $size;
		die 'protobuf: cut short' if $wire && length $value < $size;
		$value = unpack $size == 8 ? 'Q<' : 'V', $value if $wire == 1 || $wire == 5;
		$at += $size;
		push @fields, [ $tag >> 3, $value ];
	}
	return @fields;
}

# ---- JSON ----

my %escape = ('"' => '\"', '\\' => '\\\\', "\n" => '\n', "\t" => '\t', "\r" => '\r');

sub json_string
{
	my ($text) = @_;
	$text =~ s/(["\\\x00-\x1f])/$escape{$1} \/\/ sprintf '\\u%04x', ord $1/ge;
	return "\"$text\"";
}

sub json_double
{
	my ($value) = @_;
	return '"NaN"' if $value =~ /^nan$/i;
	return $value =~ /^-/ ? '"-Infinity"' : '"Infinity"' if $value =~ /^[+-]?inf/i;
	return sprintf '%.17g', $value;
}

sub json_value
{
	my ($type, $value) = @_;
	return json_message($type, $value) if $schema{$type};
	return json_string($value) if $type eq 'string';
	return json_double($value) if $type eq 'double';
	return '"' . unpack('H*', $value) . '"' if $type eq 'id';
	return '"' . encode_base64($value, '') . '"' if $type eq 'bytes';
	return $value ? 'true' : 'false' if $type eq 'bool';
	return $type =~ /64$/ ? "\"$value\"" : $value;
}

sub json_message
{
	my ($type, $tree) = @_;
	my @members;
	for my $name (sort grep { $_ ne '_more' } keys %$tree)
	{
		my ($number, $kind) = @{ $schema{$type}{$name} // die "$type has no $name" };
		my ($how, $of) = $kind =~ /^([*?]?)(\w+)$/;
		my $value = $tree->{$name};
		next unless defined $value;
		my $json = $how eq '*' ? '[' . join(',', map { json_value($of, $_) } @$value) . ']' : json_value($of, $value);
		push @members, "\"$name\":$json";
	}
	push @members, $tree->{_more}{json} if ref $tree->{_more} && defined $tree->{_more}{json};
	return '{' . join(',', @members) . '}';
}

sub json
{
	my ($request) = @_;
	return json_message('ExportMetricsServiceRequest', $request);
}

# ---- over HTTP ----

sub gzip
{
	my ($bytes) = @_;
	IO::Compress::Gzip::gzip(\$bytes, \my $out) or die 'gzip';
	return $out;
}

# Sends a request: a tree, or bytes. Options: json, gzip, path, headers (more ones); content_type
# and encoding say something else than is so. Returns the answer, and in it what it says:
# {rejected} (how many points), {message}, and {code} of a google.rpc.Status.
sub post
{
	my ($where, $request, %options) = @_;
	my $content = !ref $request ? $request : $options{json} ? json($request) : protobuf($request);
	$content = gzip($content) if $options{gzip};
	my $encoding = $options{encoding} // ($options{gzip} ? 'gzip' : undef);
	my @headers = ('Content-Type' => $options{content_type} // ($options{json} ? 'application/json' : 'application/x-protobuf'));
	push @headers, 'Content-Encoding' => $encoding if defined $encoding;
	push @headers, @{ $options{headers} // [] };
	my $answer = Http::once($where, 'POST', $options{path} // '/v1/metrics', headers => \@headers, content => $content);
	read_answer($answer) if defined $answer->{status};
	return $answer;
}

sub read_answer
{
	my ($answer) = @_;
	my $type = $answer->{headers}{'content-type'} // '';
	my $good = $answer->{status} == 200;
	if ($type =~ m{^application/json})
	{
		my $json = eval { Http::json($answer) } // return;
		my $said = $good ? $json->{partialSuccess} // {} : $json;
		$answer->{rejected} = $said->{rejectedDataPoints} // 0 if $good;
		$answer->{message} = $good ? $said->{errorMessage} // '' : $said->{message} // '';
		$answer->{code} = $said->{code} // 0 unless $good;
	}
	elsif ($type =~ m{^application/x-protobuf})
	{
		my $said = $good ? response($answer->{content}) : status($answer->{content});
		@{$answer}{ keys %$said } = values %$said;
	}
	return;
}

# An ExportMetricsServiceResponse: { rejected, message }.
sub response
{
	my ($bytes) = @_;
	my %said = (rejected => 0, message => '');
	for my $field (fields($bytes))
	{
		next unless $field->[0] == 1;
		for my $part (fields($field->[1]))
		{
			$said{rejected} = $part->[1] if $part->[0] == 1;
			$said{message} = $part->[1] if $part->[0] == 2;
		}
	}
	return \%said;
}

# A google.rpc.Status: { code, message, retry (seconds that a RetryInfo says, or undef) }.
sub status
{
	my ($bytes) = @_;
	my %said = (code => 0, message => '', retry => undef);
	for my $field (fields($bytes))
	{
		$said{code} = $field->[1] if $field->[0] == 1;
		$said{message} = $field->[1] if $field->[0] == 2;
		$said{retry} = retry_info($field->[1]) // $said{retry} if $field->[0] == 3;
	}
	return \%said;
}

sub retry_info
{
	my ($any) = @_;
	my %any = map { @$_ } fields($any);
	return undef unless ($any{1} // '') eq 'type.googleapis.com/google.rpc.RetryInfo';
	my %info = map { @$_ } fields($any{2} // '');
	my %duration = map { @$_ } fields($info{1} // '');
	return ($duration{1} // 0) + ($duration{2} // 0) / 1e9;
}

# An answer in short: its status, and what it says beyond: how many points were refused, or
# the message.
sub told
{
	my ($answer) = @_;
	return "none: $answer->{error}" unless defined $answer->{status};
	return "$answer->{status}" if $answer->{status} == 200 && !$answer->{rejected} && ($answer->{message} // '') eq '';
	return "$answer->{status} $answer->{rejected} $answer->{message}" if $answer->{status} == 200;
	return "$answer->{status} " . ($answer->{message} // $answer->{content});
}

1;
