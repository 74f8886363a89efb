# The query API over HTTP: the requests of Grafana's Prometheus data source; every route with
# good and bad requests; what Debian's Prometheus answers to the same requests.
use strict;
use warnings;

use File::Temp;
use FindBin;
use JSON::PP;
use Test::More;
use lib $FindBin::Bin;
use Cluster;
use Http;
use Prometheus;

my $start = 1700000000;
my $end = $start + 600;

Cluster::prepare('assert');
my ($node, $port) = Http::node('api', 'mytsdb.query_workers = 2', 'mytsdb.maintenance_workers = 0');

sub get { return Http::get($port, @_) }
sub post { return Http::post($port, @_) }
sub data { return Http::data(@_) }

# What an answer says of an error, in one line.
sub error
{
	my ($answer) = @_;
	my $json = Http::json($answer);
	return "$answer->{status} $json->{status}" if $json->{status} ne 'error';
	return "$answer->{status} $json->{errorType}: $json->{error}";
}

$node->safe_sql(<<~"SQL");
	INSERT INTO mytsdb.metrics (labels, time, value)
	SELECT format('http_requests_total{job="%s",instance="%s"}', job, i)::labels, to_timestamp($start + t), t * i
	  FROM unnest(ARRAY['api', 'web']) job, generate_series(1, 2) i, generate_series(0, 600, 15) t;
	INSERT INTO mytsdb.metrics (labels, time, value)
	SELECT '{"http.server.duration","service.name"="shop"}', to_timestamp($start + t), t FROM generate_series(0, 600, 15) t;
	INSERT INTO mytsdb.metrics (labels, time, histogram)
	SELECT 'request_duration_seconds{job="api"}', to_timestamp($start + t),
	       format('{{schema:0 count:%s sum:%s buckets:[%s %s]}}', 2 * t, 3 * t, t, t)::histogram
	  FROM generate_series(15, 600, 15) t;
	INSERT INTO mytsdb.exemplars (labels, time, value, exemplar)
	SELECT 'http_requests_total{job="api",instance="1"}', to_timestamp($start + t), t, format('{trace_id="%s"}', t)::labels
	  FROM generate_series(15, 600, 15) t;
	INSERT INTO mytsdb.metadata (metric, type, unit, help, updated) VALUES
	  ('http_requests_total', 'counter', '', 'Requests "of" HTTP.', now()),
	  ('request_duration_seconds', 'histogram', 'seconds', 'Durations.', now());
	SQL

# ---- Grafana ----

sub is_time { return $_[0] =~ /^-?\d+(\.\d{1,3})?$/ }
sub is_sample { return !ref $_[0] && $_[0] =~ /^(NaN|[+-]Inf|-?\d+(\.\d+)?(e[+-]\d+)?)$/ }
sub is_strings { return ref $_[0] eq 'ARRAY' && !grep { ref || !defined } @{ $_[0] } }
sub is_labels { return ref $_[0] eq 'HASH' && is_strings([ values %{ $_[0] } ]) }

sub is_histogram
{
	my ($value) = @_;
	return is_sample($value->{count}) && is_sample($value->{sum})
	  && !grep { @$_ != 4 || $_->[0] !~ /^[0-3]$/ || grep { !is_sample($_) } @$_[ 1 .. 3 ] } @{ $value->{buckets} };
}

sub is_point
{
	my ($point, $is_value) = @_;
	return @$point == 2 && is_time($point->[0]) && $is_value->($point->[1]);
}

# Whether the data of an answer are what the data source takes apart.
my %shapes = (
	scalar => sub { $_[0]{resultType} eq 'scalar' && is_point($_[0]{result}, \&is_sample) },
	vector => sub {
		$_[0]{resultType} eq 'vector'
		  && !grep { !is_labels($_->{metric}) || !is_point($_->{value}, \&is_sample) } @{ $_[0]{result} };
	},
	matrix => sub {
		return 0 if $_[0]{resultType} ne 'matrix';
		for my $series (@{ $_[0]{result} })
		{
			return 0 if !is_labels($series->{metric}) || !($series->{values} || $series->{histograms});
			return 0 if grep { !is_point($_, \&is_sample) } @{ $series->{values} // [] };
			return 0 if grep { !is_point($_, \&is_histogram) } @{ $series->{histograms} // [] };
		}
		return 1;
	},
	strings => \&is_strings,
	series => sub { ref $_[0] eq 'ARRAY' && !grep { !is_labels($_) } @{ $_[0] } },
	metadata => sub {
		ref $_[0] eq 'HASH' && !grep { !is_labels($_) || !defined $_->{type} || !defined $_->{help} } map { @$_ } values %{ $_[0] };
	},
	exemplars => sub {
		for my $series (@{ $_[0] })
		{
			return 0 if !is_labels($series->{seriesLabels});
			return 0 if grep { !is_labels($_->{labels}) || !is_sample($_->{value}) || !is_time($_->{timestamp}) }
			  @{ $series->{exemplars} };
		}
		return 1;
	},
	rules => sub { ref $_[0]{groups} eq 'ARRAY' },
	# a version decides what it asks for; features would mean another server
	buildinfo => sub { $_[0]{version} =~ /^3\.\d+\.\d+$/ && !exists $_[0]{features} });

# The parameters with their times.
sub fill
{
	my ($parameters) = @_;
	my @filled = map { @$_ } @{ $parameters // [] };
	s/^\$start/$start/, s/^\$end/$end/ foreach @filled;
	return Http::form(@filled);
}

sub ask_as_grafana
{
	my ($client, $request) = @_;
	my $query = fill($request->{query});
	my @form = $request->{method} ne 'POST' ? () : (
		headers => [ 'Content-Type' => 'application/x-www-form-urlencoded' ], content => fill($request->{form}));
	push @{ $form[1] }, 'User-Agent' => 'Grafana/11.2.0' if @form;
	return $client->request($request->{method}, $request->{path} . (length $query ? "?$query" : ''), @form);
}

subtest 'the requests of Grafana' => sub {
	my $client = Http->connect($port);
	for my $request (@{ decode_json(Cluster::slurp("$FindBin::Bin/../grafana/requests.json")) })
	{
		my $answer = ask_as_grafana($client, $request);
		my $json = Http::json($answer);
		is("$answer->{status} $answer->{headers}{'content-type'} $json->{status}",
			'200 application/json success', "$request->{name}: is answered");
		ok($shapes{ $request->{shape} }->($json->{data}), "$request->{name}: is of the shape $request->{shape}")
		  or diag $answer->{content};
		next unless $request->{some};
		my $found = ref $json->{data} eq 'HASH' ? $json->{data}{result} // [ %{ $json->{data} } ] : $json->{data};
		isnt(scalar @$found, 0, "$request->{name}: finds something");
	}
};

# ---- routes ----

subtest 'every route answers' => sub {
	my %expected = (
		'/query?query=1%2B1&time=5' => { resultType => 'scalar', result => [ 5, '2' ] },
		'/query?query=%22a%5C%22%C3%BC%22&time=5.25' => { resultType => 'string', result => [ 5.25, "a\"\x{fc}" ] },
		'/query/?query=1&time=1970-01-01T00:00:01.5Z' => { resultType => 'scalar', result => [ 1.5, '1' ] },
		'/query_range?query=vector(1)&start=0&end=2&step=1s' =>
		  { resultType => 'matrix', result => [ { metric => {}, values => [ map { [ $_, '1' ] } 0 .. 2 ] } ] },
		'/format_query?query=sum(up)by(job)' => 'sum by (job) (up)',
		'/series?match[]=http_requests_total{job="api"}' =>
		  [ map { { __name__ => 'http_requests_total', instance => $_, job => 'api' } } 1, 2 ],
		'/labels?match[]=request_duration_seconds' => [ '__name__', 'job' ],
		'/labels' => [ '__name__', 'instance', 'job', 'service.name' ],
		'/labels?start=1&end=2' => [],
		'/labels?start=2&end=1' => [],
		'/label/job/values' => [ 'api', 'web' ],
		'/label/instance/values?match[]={job="api",instance!="1"}' => ['2'],
		'/label/service.name/values' => ['shop'],
		'/label/U__service_2e_name/values' => ['shop'],
		'/label/service%2Ename/values/' => ['shop'],
		'/label/none/values' => [],
		'/metadata?metric=request_duration_seconds' =>
		  { request_duration_seconds => [ { type => 'histogram', help => 'Durations.', unit => 'seconds' } ] },
		'/metadata?metric=none' => {},
		'/metadata?limit=0' => {},
		'/query_exemplars?query=none' => [],
		'/query_exemplars?query=1' => [],
		'/targets' => { activeTargets => [], droppedTargets => [], droppedTargetCounts => {} },
		'/targets/metadata' => [],
		'/rules?type=record' => { groups => [] },
		'/alerts' => { alerts => [] },
		'/alertmanagers' => { activeAlertmanagers => [], droppedAlertmanagers => [] },
		'/status/walreplay' => { min => 0, max => 0, current => 0 });
	for my $path (sort keys %expected)
	{
		my $encoded = $path =~ s/([{}"\[\]])/sprintf '%%%02X', ord $1/ger;
		is_deeply(eval { data(get("/api/v1$encoded")) } // $@, $expected{$path}, $path);
	}
	is(data(get('/api/v1/parse_query', query => 'up'))->{name}, 'up', 'parse_query');
	my $exemplars = data(get('/api/v1/query_exemplars', query => 'http_requests_total', start => $end - 15, end => $end));
	is_deeply($exemplars, [ {
			seriesLabels => { __name__ => 'http_requests_total', instance => '1', job => 'api' },
			exemplars => [ map { { labels => { trace_id => "$_" }, value => "$_", timestamp => $start + $_ } } 585, 600 ] } ],
		'query_exemplars');
	is(data(get('/api/v1/status/runtimeinfo'))->{reloadConfigSuccess}, JSON::PP::true, 'status/runtimeinfo');
	is(data(get('/api/v1/status/flags'))->{'mytsdb.http_port'}, $port, 'status/flags');
	like(data(get('/api/v1/status/config'))->{yaml}, qr/^global:/, 'status/config');
	my $tsdb = data(get('/api/v1/status/tsdb', limit => 2));
	is_deeply($tsdb->{headStats}, { numSeries => 6, numLabelPairs => 8, chunkCount => 0, minTime => $start * 1000, maxTime => $end * 1000 },
		'status/tsdb');
	is_deeply($tsdb->{seriesCountByMetricName}, [ { name => 'http_requests_total', value => 4 }, { name => 'http.server.duration', value => 1 } ],
		'as many as wanted');
	is(get('/api/v1/query', query => '1')->{headers}{'content-type'}, 'application/json', 'the type of content');
};

subtest 'parameters of the query and of a form' => sub {
	my @type = (headers => [ 'Content-Type' => 'application/x-www-form-urlencoded; charset=utf-8' ]);
	my $value = sub { return data($_[0])->{result}[1] };
	is($value->(post('/api/v1/query', query => '1 + 1')), 2, 'a form');
	is($value->(Http::once($port, 'POST', '/api/v1/query?query=1', @type, content => '')), 1, 'the query string of a POST');
	is($value->(Http::once($port, 'POST', '/api/v1/query?query=1', @type, content => 'query=2&query=3')), 2, 'the form comes first');
	is($value->(Http::once($port, 'POST', '/api/v1/query?query=1', content => 'query=2')), 1, 'no form without its type');
	is($value->(Http::once($port, 'GET', '/api/v1/query?query=1', @type, content => 'query=2')), 1, 'nor in a GET');
	is_deeply(data(post('/api/v1/labels', 'match[]' => 'request_duration_seconds', 'match[]' => '{"http.server.duration"}')),
		[ '__name__', 'job', 'service.name' ], 'several selectors');
	is(data(post('/api/v1/query', query => 'http_requests_total', time => $end + 299))->{result}[0]{value}[1], 600, 'lookback');
	is_deeply(data(post('/api/v1/query', query => 'http_requests_total', time => $end + 299, lookback_delta => '10s'))->{result}, [],
		'lookback_delta');
	ok(!exists data(get('/api/v1/query', query => '1'))->{stats}, 'no statistics');
	my $stats = data(get('/api/v1/query', query => 'http_requests_total', time => $end, stats => 'all'))->{stats};
	cmp_ok($stats->{samples}{totalQueryableSamples}, '>=', 4, 'stats: samples');
	ok(!grep({ !defined $stats->{timings}{$_} } qw(evalTotalTime execTotalTime queryPreparationTime)), 'stats: timings');
};

subtest 'limits' => sub {
	my @range = (start => $start, end => $end);
	my %asked = (
		query => [ query => 'http_requests_total', time => $end ],
		query_range => [ query => 'http_requests_total', @range, step => 60 ],
		series => [ 'match[]' => 'http_requests_total' ],
		labels => [],
		'label/instance/values' => []);
	for my $route (sort keys %asked)
	{
		my $count = sub { return scalar @{ ref $_[0]{data} eq 'HASH' ? $_[0]{data}{result} : $_[0]{data} } };
		my $all = Http::json(get("/api/v1/$route", @{ $asked{$route} }));
		my $none = Http::json(get("/api/v1/$route", @{ $asked{$route} }, limit => 0));
		my $one = Http::json(get("/api/v1/$route", @{ $asked{$route} }, limit => 1));
		my $exact = Http::json(get("/api/v1/$route", @{ $asked{$route} }, limit => $count->($all)));
		my $less = Http::json(get("/api/v1/$route", @{ $asked{$route} }, limit => $count->($all) - 1));
		cmp_ok($count->($all), '>', 1, "$route: several");
		is_deeply($none, $all, "$route: no limit");
		is_deeply($exact, $all, "$route: a limit that is not exceeded");
		is($count->($less), $count->($all) - 1, "$route: all but one");
		is_deeply($less->{warnings}, ['results truncated due to limit'], "$route: and a warning");
		is($count->($one), 1, "$route: one");
		is_deeply($one->{warnings}, ['results truncated due to limit'], "$route: and a warning");
	}
};

# ---- errors ----

my %bad = (
	'query' => '400 bad_data: invalid parameter "query": 1:1: parse error: no expression found in input',
	'query?query=up%7B' => '400 bad_data: invalid parameter "query": 1:4: parse error: unexpected end of input inside braces',
	'query?query=1&time=abc' => q(400 bad_data: invalid parameter "time": Invalid time value for 'time': cannot parse "abc" to a valid timestamp),
	'query?query=1&timeout=abc' => '400 bad_data: invalid parameter "timeout": cannot parse "abc" to a valid duration',
	'query?query=1&limit=x' => '400 bad_data: invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax',
	'query?query=1&limit=-1' => '400 bad_data: invalid parameter "limit": limit must be non-negative',
	'query?query=1&lookback_delta=x' => '400 bad_data: error parsing lookback delta duration: cannot parse "x" to a valid duration',
	'query?query=1&time=1e30' => '400 bad_data: invalid parameter "time": timestamp out of range',
	'query?query=1%zz' => '400 bad_data: error parsing form values: invalid URL escape "%zz"',
	'query?query=1;2' => '400 bad_data: error parsing form values: invalid semicolon separator in query',
	'query?query=%FF' => '400 bad_data: error parsing form values: a parameter is not valid UTF-8 text',
	'query_range?query=1&end=10&step=1' => '400 bad_data: invalid parameter "start": cannot parse "" to a valid timestamp',
	'query_range?query=1&start=0&end=x&step=1' => '400 bad_data: invalid parameter "end": cannot parse "x" to a valid timestamp',
	'query_range?query=1&start=10&end=1&step=1' => '400 bad_data: invalid parameter "end": end timestamp must not be before start time',
	'query_range?query=1&start=0&end=10' => '400 bad_data: invalid parameter "step": cannot parse "" to a valid duration',
	'query_range?query=1&start=0&end=10&step=0' => '400 bad_data: invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
	'query_range?query=1&start=0&end=10&step=1e10' => '400 bad_data: invalid parameter "step": cannot parse "1e10" to a valid duration. It overflows int64',
	'query_range?query=1&start=0&end=100000&step=1' => '400 bad_data: exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
	'query_range?query=up%5B5m%5D&start=0&end=1&step=1' => '400 bad_data: invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector',
	'format_query?query=up%7B' => '400 bad_data: invalid parameter "query": 1:4: parse error: unexpected end of input inside braces',
	'parse_query' => '400 bad_data: invalid parameter "query": 1:1: parse error: no expression found in input',
	'series' => '400 bad_data: no match[] parameter provided',
	'series?match[]=up%7B' => '400 bad_data: invalid parameter "match[]": 1:4: parse error: unexpected end of input inside braces',
	'series?match[]=%7B%7D' => qr/^400 bad_data: invalid parameter "match\[\]": match\[\] must contain at least one non-empty matcher/,
	'series?match[]=up&start=x' => q(400 bad_data: invalid parameter "start": Invalid time value for 'start': cannot parse "x" to a valid timestamp),
	'labels?match[]=%7B' => '400 bad_data: 1:2: parse error: unexpected end of input inside braces',
	'labels?limit=x' => '400 bad_data: invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax',
	'label/%FF/values' => qr/^400 bad_data: /,
	'label/a%00b/values' => qr/^400 bad_data: /,
	'label/job/values?match[]=%7B%7D' => qr/^400 bad_data: match\[\] must contain at least one non-empty matcher/,
	'query_exemplars?query=up%7B' => '400 bad_data: 1:4: parse error: unexpected end of input inside braces',
	'query_exemplars?query=up&start=2&end=1' => '400 bad_data: end timestamp must not be before start timestamp',
	'metadata?limit=x' => '400 bad_data: limit must be a number',
	'metadata?limit_per_metric=x' => '400 bad_data: limit_per_metric must be a number',
	'targets/metadata?limit=x' => '400 bad_data: limit must be a number',
	'rules?type=x' => '400 bad_data: invalid parameter "type": not supported value "x"',
	'rules?exclude_alerts=x' => '400 bad_data: invalid parameter "exclude_alerts": error converting exclude_alerts: strconv.ParseBool: parsing "x": invalid syntax',
	'status/tsdb?limit=0' => '400 bad_data: limit must be a positive number',
	'query?query=label_replace(vector(1),%22a%22,%22b%22,%22c%22,%22(%22)' => qr/^422 execution: invalid regular expression in label_replace\(\)/);

subtest 'bad requests' => sub {
	my $client = Http->connect($port);
	for my $path (sort keys %bad)
	{
		my $answer = $client->request('GET', "/api/v1/$path");
		is($answer->{headers}{'content-type'}, 'application/json', "$path: the type of content");
		my $check = ref $bad{$path} ? \&like : \&is;
		$check->(error($answer), $bad{$path}, $path);
	}
	like(error(post('/api/v1/admin/tsdb/delete_series', 'match[]' => 'up')), qr/^503 unavailable: admin APIs disabled\. /, 'admin');
	like(error(Http::once($port, 'PUT', '/api/v1/admin/tsdb/snapshot')), qr/^503 unavailable: admin APIs disabled\. /, 'admin by PUT');
	foreach ([ PUT => '/api/v1/query?query=1', 'GET or POST' ],
		[ DELETE => '/api/v1/series?match[]=up', 'GET or POST' ], [ POST => '/api/v1/metadata', 'GET' ],
		[ POST => '/api/v1/label/job/values', 'GET' ], [ GET => '/api/v1/admin/tsdb/snapshot', 'POST' ])
	{
		my ($method, $path, $right) = @$_;
		is(error(Http::once($port, $method, $path)), "405 bad_data: the method is not allowed here: use $right",
			"$method $path");
	}
	is(get($_)->{status}, 404, $_) foreach '/api/v1/none', '/api/v1', '/api/v1/label//values', '/api/v2/query';
};

subtest 'large answers' => sub {
	$node->safe_sql(<<~"SQL");
		INSERT INTO mytsdb.metrics (labels, time, value)
		SELECT format('large{i="%s",text="%s"}', i, repeat(chr(252), 500))::labels, to_timestamp($start), i / 7.0 FROM generate_series(1, 3000) i
		SQL
	my $answer = get('/api/v1/query_range', query => 'large', start => $start, end => $start + 290, step => 1);
	# taken apart by hand: it is too long for a parser in Perl
	my $text = '\xc3\xbc' x 500;
	my $series = qr/\{"metric":\{"__name__":"large","i":"\d+","text":"$text"\},"values":\[(?:\[17\d{8},"[0-9.]+"\],?){291}\]\},?/;
	is(scalar(() = $answer->{content} =~ /$series/g), 3000, 'all series, and all of them');
	like($answer->{content}, qr/^\{"status":"success","data":\{"resultType":"matrix","result":\[\{/, 'begins as it should');
	is(substr($answer->{content}, -4), '}]}}', 'and ends');
	cmp_ok(length $answer->{content}, '>', 20e6, 'are many bytes');
	is(scalar @{ data(get('/api/v1/series', 'match[]' => 'large{i=~"1.."}')) }, 100, 'series');
	$node->safe_sql(<<~"SQL");
		INSERT INTO mytsdb.exemplars (labels, time, value, exemplar)
		SELECT format('large{i="%s"}', i % 10)::labels, to_timestamp($start) + i * interval '1 ms', i, format('{id="%s"}', repeat('x', 100))::labels
		  FROM generate_series(1, 3000) i
		SQL
	my $exemplars = data(get('/api/v1/query_exemplars', query => 'large'));
	is_deeply([ map { "$_->{seriesLabels}{i}: " . @{ $_->{exemplars} } } @$exemplars ], [ map { "$_: 300" } 0 .. 9 ], 'exemplars');
	my $long = join ' + ', ('sum(up)') x 500;
	is(data(post('/api/v1/format_query', query => $long)) =~ tr/+//, 499, 'a long expression');
};

subtest 'time and rights' => sub {
	my @slow = (query => 'quantile_over_time(0.5, large[290s])', start => $start, end => $start + 2900, step => 1);
	like(error(get('/api/v1/query_range', @slow, timeout => '1ms')), qr/^503 timeout: query timed out in expression evaluation$/, 'timeout');
	$node->safe_sql('REVOKE SELECT ON mytsdb.metadata FROM metrics');
	is(error(get('/api/v1/metadata')), '403 forbidden: permission denied for table metadata', 'no privilege');
	$node->safe_sql('GRANT SELECT ON mytsdb.metadata TO metrics');
};

subtest 'tenants' => sub {
	$node->safe_sql(<<~"SQL");
		SELECT mytsdb.create_tenant('blue');
		GRANT USAGE ON SCHEMA tenant_blue TO metrics;
		GRANT SELECT ON ALL TABLES IN SCHEMA tenant_blue TO metrics;
		INSERT INTO tenant_blue.metrics (labels, time, value) VALUES ('sky{job="blue"}', to_timestamp($start), 1);
		INSERT INTO tenant_blue.exemplars (labels, time, value, exemplar) VALUES ('sky{job="blue"}', to_timestamp($start), 1, '{id="x"}');
		INSERT INTO tenant_blue.metadata (metric, type, unit, help, updated) VALUES ('sky', 'gauge', '', 'Its color.', now());
		SQL
	my %expected = (
		'label/job/values' => ['blue'],
		'metadata' => { sky => [ { type => 'gauge', help => 'Its color.', unit => '' } ] },
		'series?match[]=sky' => [ { __name__ => 'sky', job => 'blue' } ],
		"query?query=count(http_requests_total)&time=$end" => { resultType => 'vector', result => [] },
		'query_exemplars?query=sky' => [ { seriesLabels => { __name__ => 'sky', job => 'blue' },
				exemplars => [ { labels => { id => 'x' }, value => '1', timestamp => $start } ] } ]);
	for my $path (sort keys %expected)
	{
		is_deeply(data(get("/tenant/blue/api/v1/$path")), $expected{$path}, "by the path: $path");
		is_deeply(data(Http::once($port, 'GET', "/api/v1/$path", headers => [ 'X-Scope-OrgID' => 'blue' ])), $expected{$path},
			"by a header: $path");
	}
	is_deeply(data(get('/api/v1/label/job/values')), [ 'api', 'web' ], 'the others do not see it');
	$node->safe_sql('DROP TABLE tenant_blue.exemplars, tenant_blue.metadata');
	is_deeply(data(get('/tenant/blue/api/v1/query_exemplars?query=sky')), [], 'no table of exemplars');
	is_deeply(data(get('/tenant/blue/api/v1/metadata')), {}, 'no table of metadata');
};

# ---- Prometheus ----

SKIP:
{
	my $program = $ENV{MYTSDB_PROMETHEUS};
	skip 'MYTSDB_PROMETHEUS names no Prometheus to compare with', 1 unless $program;

	my $tmp = File::Temp->newdir('mytsdb-api.XXXXXX', TMPDIR => 1);
	my $prometheus = Prometheus->start($program, $tmp, '--web.enable-remote-write-receiver');
	my ($their_port) = $prometheus->{url} =~ /:(\d+)$/;
	my @series = map {
		my ($job, $i) = @$_;
		{ labels => { __name__ => 'up', job => $job, instance => "$i" }, samples => [ map { [ ($end + $_) * 1000, $i * $_ ] } 0 .. 20 ] }
	} map { [ 'a', $_ ], [ 'b', $_ ] } 1 .. 3;
	$prometheus->write(Http::snappy(Http::message1(@series)));
	is(Http::write($port, Http::write1(@series))->{status}, 204, 'the same samples are written');

	# where both have the parameter, and the words did not change since 2.42
	my %newer = map { $_ => 1 } grep { /limit|lookback_delta|1e30|%zz|%FF|;|range%20vector|5B5m|parse_query|exclude_alerts|%00|1e10|label_replace/ } keys %bad;
	my @paths = (
		(grep { !ref $bad{$_} && !$newer{$_} } sort keys %bad),
		map { s/([{}"\[\] +])/sprintf '%%%02X', ord $1/ger }
		  "query?query=up&time=$end.5", "query?query=sum by (job) (up)&time=$end", "query?query=up[2500ms]&time=" . ($end + 5),
		"query?query=1&time=$end", "query?query=\"text\"&time=$end", "query?query=none&time=$end",
		"query_range?query=up&start=$end&end=" . ($end + 20) . '&step=3', "query_range?query=up/3&start=$end&end=" . ($end + 20) . '&step=0.5',
		"query_range?query=none&start=$end&end=" . ($end + 1) . '&step=1s', 'series?match[]=up', 'series?match[]=up{job="a"}&match[]={instance="3",__name__="up"}',
		'series?match[]=none', 'labels?match[]=up', 'label/job/values?match[]=up', 'label/instance/values?match[]=up{job="b",instance!="1"}',
		'label/__name__/values?match[]=up', 'label/none/values', "labels?start=1&end=2", 'format_query?query=sum(up)by(job)>bool 1',
		'metadata?metric=none', 'rules', 'alerts', 'alertmanagers', 'targets/metadata', 'status/walreplay', 'query_exemplars?query=none');
	my @different;
	for my $path (@paths)
	{
		my ($ours, $theirs) = map { Http::once($_, 'GET', "/api/v1/$path") } $port, $their_port;
		my ($our, $their) = map { JSON::PP->new->canonical->encode(Http::json($_)) } $ours, $theirs;
		push @different, "$path:\n  ours   $ours->{status} $our\n  theirs $theirs->{status} $their\n"
		  if "$ours->{status} $our" ne "$theirs->{status} $their";
	}
	is(join('', @different), '', scalar(@paths) . ' requests are answered as by Prometheus');
}

done_testing;
