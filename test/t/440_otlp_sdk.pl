# OpenTelemetry's own JavaScript SDK as the sender, over http/protobuf, http/json and gRPC,
# with each temporality: what PromQL answers afterwards is compared, series by series and
# bucket by bucket, with what the SDK itself says that it has recorded.
use strict;
use warnings;
use utf8;

use FindBin;
use JSON::PP;
use List::Util qw(min);
use POSIX qw(ceil);
use Test::More;
use lib $FindBin::Bin;
use Cluster;
use Http;

my $modules = $ENV{MYTSDB_OTLP_SDK};
plan skip_all => 'MYTSDB_OTLP_SDK names no directory of OpenTelemetry\'s SDK' unless $modules;

chdir $ENV{MYTSDB_ROOT} or die $!;
Cluster::prepare('assert');
my ($http_port, $grpc_port) = map { Http::port() } 1 .. 2;
my ($node, $port) = Http::node('sdk', "mytsdb.otlp_http_port = $http_port", "mytsdb.otlp_grpc_port = $grpc_port");
my $json = JSON::PP->new->utf8->canonical;

# ---- the sender ----

my $instance;
my $runs = 0;

# Runs the SDK, as another instance than before; returns what it prints.
sub run_sdk
{
	my (%options) = (temporality => 'cumulative', rounds => 3, senders => 1, @_);
	$instance = "instance-" . ++$runs;
	my %url = (
		proto => "http://127.0.0.1:$http_port/v1/metrics",
		http => "http://127.0.0.1:$port/api/v1/otlp/v1/metrics",
		grpc => "http://127.0.0.1:$grpc_port");
	local $ENV{NODE_PATH} = $modules;
	open my $pipe, '-|', 'timeout', '600', 'node', 'test/otlp/sender.js', $json->encode({ url => $url{ $options{protocol} }, instance => $instance, %options })
	  or die "node: $!";
	my $text = do { local $/; <$pipe> };
	close $pipe or die "sender.js failed: $?";
	return $json->decode($text);
}

# ---- what the SDK says, as series ----

my %name = (
	'requests' => 'requests_total',
	'energy.used' => 'energy_used_joules_total',
	'connections' => 'connections',
	'room.temperature' => 'room_temperature_celsius',
	'request.duration' => 'request_duration_seconds',
	'request.size' => 'request_size_bytes',
	'offset.size' => 'offset_size',
	'queue.depth' => 'queue_depth_ratio',
	'bytes.seen' => 'bytes_seen_total');

# As labels are printed, by name.
sub series
{
	my ($name, %labels) = @_;
	my %all = (job => 'shop/checkout', instance => $instance, %labels);
	return "$name\{" . join(',', map { my $v = $all{$_}; $v =~ s/(["\\])/\\$1/g; "$_=\"$v\"" } sort keys %all) . '}';
}

sub labels_of
{
	my ($attributes) = @_;
	my %labels;
	for my $key (sort keys %$attributes)
	{
		my $value = $attributes->{$key};
		$value = $value ? 'true' : 'false' if JSON::PP::is_bool($value);
		my $label = $key =~ s/[^A-Za-z0-9_]/_/gr;
		$labels{$label} = exists $labels{$label} ? "$labels{$label};$value" : $value;
	}
	return %labels;
}

# Counts of buckets of a scale that is not finer than that of the counts, by index.
sub reduced
{
	my ($scale, $by_index, $to) = @_;
	my %out;
	for my $index (keys %$by_index)
	{
		next unless $by_index->{$index};
		# an index is that of the bucket's upper bound
		$out{ ceil($index / 2**($scale - $to)) } += $by_index->{$index};
	}
	return \%out;
}

# What is to be found, by series: numbers, and of native histograms their parts. With several
# senders counts add up, gauges do not.
sub expected
{
	my ($points, $times) = @_;
	my %series;
	for my $point (@$points)
	{
		my %labels = labels_of($point->{attributes});
		my $name = $name{ $point->{name} } // die "no name for $point->{name}";
		my $value = $point->{value};
		if ($point->{kind} eq 'HISTOGRAM')
		{
			my $sum = 0;
			my @bounds = (@{ $value->{buckets}{boundaries} }, '+Inf');
			$series{ series("${name}_bucket", %labels, le => $bounds[$_]) } = ($sum += $value->{buckets}{counts}[$_]) * $times foreach 0 .. $#bounds;
			$series{ series("${name}_count", %labels) } = $value->{count} * $times;
			$series{ series("${name}_sum", %labels) } = $value->{sum} * $times;
		}
		elsif ($point->{kind} eq 'EXPONENTIAL_HISTOGRAM')
		{
			my $counts = $value->{positive}{bucketCounts};
			$series{ series($name, %labels) } = {
				schema => $value->{scale}, count => $value->{count} * $times, sum => $value->{sum} * $times,
				zero => $value->{zeroCount} * $times,
				buckets => { map { ($value->{positive}{offset} + $_ + 1, $counts->[$_] * $times) } 0 .. $#$counts } };
		}
		else
		{
			$series{ series($name, %labels) } = $value * ($point->{monotonic} ? $times : 1);
		}
	}
	$series{ series('target_info', deployment_environment_name => 'test', host_cpus => 4,
			process_command_args => '["node","a \"b\"","ü"]') } = 1;
	return \%series;
}

# ---- what we have ----

# A histogram's text as its parts.
sub parts
{
	my ($text) = @_;
	my ($buckets) = $text =~ /\bbuckets:\[([^\]]*)\]/;
	my ($offset) = $text =~ /\boffset:(-?\d+)/;
	my %parts = map { ($_ => $text =~ /\b$_:(\S+?)[ }]/ ? $1 : 0) } qw(schema count sum z_bucket);
	my $index = $offset // 0;
	my @counts = map { /^(.+)x(\d+)$/ ? ($1 eq '_' ? 0 : $1) x $2 : $_ } split ' ', $buckets // '';
	return {
		schema => $parts{schema}, count => $parts{count}, sum => $parts{sum}, zero => $parts{z_bucket},
		buckets => { map { ($index++, 0 + $_) } @counts } };
}

sub found
{
	my $rows = $node->safe_sql(qq|SELECT coalesce(json_agg(json_build_object('labels', labels::text, 'value', value, 'histogram', histogram::text)), '[]')
		FROM promql('last_over_time({instance="$instance"}[1h])')|);
	return { map { ($_->{labels} => defined $_->{histogram} ? parts($_->{histogram}) : $_->{value}) } @{ $json->decode($rows) } };
}

sub near
{
	my ($a, $b) = @_;
	return abs($a - $b) <= 1e-12 * (abs($a) + abs($b));
}

sub same
{
	my ($a, $b) = @_;
	return 0 if !defined $a || !defined $b || ref $a ne ref $b;
	return near($a, $b) unless ref $a;
	return 0 if grep { !near($a->{$_}, $b->{$_}) } qw(count sum zero);
	my $schema = min($a->{schema}, $b->{schema});
	return $json->encode(reduced($a->{schema}, $a->{buckets}, $schema)) eq $json->encode(reduced($b->{schema}, $b->{buckets}, $schema));
}

sub compare
{
	my ($expected, $found, $what) = @_;
	my @wrong = grep { !same($expected->{$_}, $found->{$_}) } sort keys %{ { %$expected, %$found } };
	cmp_ok(scalar keys %$found, '>=', 20, "$what: series are there");
	ok(!@wrong, "$what: all that was recorded, and nothing else")
	  or diag map { "$_: " . $json->encode([ $expected->{$_}, $found->{$_} ]) . "\n" } @wrong[ 0 .. min(9, $#wrong) ];
}

# ---- runs ----

for my $protocol (qw(proto http grpc))
{
	for my $temporality (qw(cumulative delta lowmemory))
	{
		my $out = run_sdk(protocol => $protocol, temporality => $temporality, gzip => $temporality eq 'delta');
		my $what = "$protocol, $temporality";
		is_deeply([ grep { $_ ne 'ok' } @{ $out->{results} } ], [], "$what: exports succeed");
		compare(expected($out->{points}, 1), found(), $what);
	}
}

# Deltas of the same series by two SDKs, each with its connection, add up.
for my $protocol (qw(proto grpc))
{
	my $out = run_sdk(protocol => $protocol, temporality => 'delta', senders => 2, rounds => 4);
	is_deeply([ grep { $_ ne 'ok' } @{ $out->{results} } ], [], "two senders, $protocol: exports succeed");
	compare(expected($out->{points}, 2), found(), "two senders, $protocol");
}

my $out = run_sdk(protocol => 'http', exemplarsUrl => "http://127.0.0.1:$http_port/v1/metrics");
is($out->{exemplars}{status}, 200, 'exemplars are taken') or diag $out->{exemplars}{body};
is( $node->safe_sql(qq|SELECT string_agg(format('%s %s %s %s', labels->>'le', value, exemplar, extract(epoch FROM time) * 1000), E'\\n' ORDER BY value)
		FROM mytsdb.exemplars WHERE labels->>'instance' = '$instance'|) =~ s/\.0+$//gmr,
	join("\n", map {
		my ($exemplar, $le) = @$_;
		sprintf '%s %s {span_id="b7ad6b7169203331",trace_id="0af7651916cd43dd8448eb211c80319c",user="%s"} %s', $le, $exemplar->{value},
		  $exemplar->{attributes}{user}, $out->{exemplars}{now}
	} [ $out->{exemplars}{sent}[0], '0.005' ], [ $out->{exemplars}{sent}[1], '1' ], [ $out->{exemplars}{sent}[2], '+Inf' ]),
	'each is with its bucket, its span and its own attributes');
my ($requests) = grep { $_->{name} eq 'requests' } @{ $out->{points} };
is($node->safe_sql(qq|SELECT DISTINCT extract(epoch FROM start_time) * 1000 FROM mytsdb.metrics
		WHERE labels ~ 'requests_total{ok="true",instance="$instance"}'|) =~ s/\.0+$//r,
	$requests->{start}, 'start times are the SDK\'s');
is($node->safe_sql(q{SELECT string_agg(concat_ws(' | ', metric, type, unit, help), E'\n' ORDER BY metric) FROM mytsdb.metadata}),
	join("\n",
		'bytes_seen_total | counter | bytes | ',
		'connections | gauge |  | ',
		'energy_used_joules_total | counter | joules | ',
		'offset_size | histogram |  | ',
		"queue_depth_ratio | gauge |  | what \"waits\"\nhere",
		'request_duration_seconds | histogram | seconds | ',
		'request_size_bytes | histogram | bytes | ',
		'requests_total | counter |  | answered requests',
		'room_temperature_celsius | gauge | celsius | ',
		'target_info | gauge |  | Target metadata'),
	'types, units and descriptions are kept');

# ---- README.md ----

# Its program, which is told nothing but where our ports are.
my ($program) = Cluster::slurp('README.md') =~ /^```js\n(.*?)^```$/ms;
{
	local @ENV{qw(NODE_PATH OTEL_EXPORTER_OTLP_ENDPOINT)} = ($modules, "http://127.0.0.1:$http_port");
	open my $pipe, '|-', 'timeout', '600', 'node', '-' or die "node: $!";
	print $pipe $program;
	ok(close $pipe, 'the program of README.md runs');
}
is($node->safe_sql(q{SELECT labels, value FROM promql('orders_total')}), 'orders_total{customer_country="DE",instance="shop-1",job="shop"}|3',
	'and what it counts is there');

ok($node->stop('fast'), 'stop');
unlike($node->log_text, qr/TRAP:|PANIC|signal \d+|Sanitizer|runtime error:/, 'nothing bad in the log') or diag $node->log_text;
done_testing;
