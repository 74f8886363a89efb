-- The Prometheus HTTP API as SQL functions: its documents, its errors, its limits.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
\pset format unaligned
\pset tuples_only on
TRUNCATE mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata;

-- at(n): n seconds after the epoch
CREATE SCHEMA api;
SET search_path = api, public;
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    'SELECT timestamptz ''epoch'' + seconds * interval ''1 second''';

INSERT INTO mytsdb.metrics (labels, time, value)
SELECT format('http_requests_total{job="%s",instance="%s"}', job, i)::labels, at(t), t * i
  FROM unnest(ARRAY['api', 'web']) job, generate_series(1, 2) i, generate_series(0, 600, 15) t;
INSERT INTO mytsdb.metrics (labels, time, value) VALUES
    ('odd{label="\"quoted\" \\ <b>\n\tü\u0001"}', at(0), 1),
    ('{__name__="a.b","c d"="e"}', at(0), -0.0),
    ('late', at(7200), 7),
    ('special{v="nan"}', at(0), 'NaN'), ('special{v="inf"}', at(0), 'Infinity'),
    ('special{v="-inf"}', at(0), '-Infinity');

-- Instant queries
SELECT mytsdb.query('http_requests_total{instance="2"}', at(600));
SELECT mytsdb.query('http_requests_total{instance="2"}', at(605.4321));
SELECT mytsdb.query('http_requests_total{instance="2"}[31s]', at(600));
SELECT mytsdb.query('nothing', at(600));
SELECT mytsdb.query('odd', at(1));
SELECT mytsdb.query('odd', at(1))::jsonb #>> '{data,result,0,metric,label}';
SELECT mytsdb.query('{"a.b"}', at(1));
SELECT mytsdb.query('special', at(1));
SELECT mytsdb.query('1 / 3', at(-1.5));
SELECT mytsdb.query('"a \"string\""', at(0.02));
SELECT mytsdb.query('late', at(7199)), mytsdb.query('late', at(7300)),
       mytsdb.query('late', at(7300), lookback_delta => '10 s');
SELECT mytsdb.query('time()') IS NOT NULL AS at_now;

-- Numbers: the shortest text that reads back, in exponents when small or large
CREATE TABLE numbers (labels labels NOT NULL, time timestamptz NOT NULL, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO numbers
SELECT format('n{i="%s"}', lpad(i::text, 2, '0'))::labels, at(0), v
  FROM unnest(ARRAY[0, '-0', 1, -1.5, 0.1, 1e-6, 9.9e-7, 1.25e-7, 5e-324, 2.2250738585072014e-308, 1e15, 123456789012345680,
              9007199254740993, 1e20, 999999999999999900000, 1e21, 1.5e21, 1e22, 1e23, 1.7976931348623157e308,
              0.000001234, 4.35, 0.30000000000000004, 100, 1e3, 123456.789]::float8[]) WITH ORDINALITY u (v, i);
SELECT r -> 'metric' ->> 'i' AS i, r -> 'value' ->> 1 AS shown
  FROM jsonb_array_elements(mytsdb.query('sort_by_label(n, "i")', at(0), 'numbers')::jsonb #> '{data,result}') r;
SELECT mytsdb.query('1e21', at(0)), mytsdb.query('1e-7', at(0)), mytsdb.query('-Inf', at(0)), mytsdb.query('NaN', at(0));
-- a thousand of all sizes read back as they were
INSERT INTO numbers
SELECT format('many{i="%s"}', i)::labels, at(0), (hashint4extended(i, 1) % 1000000) / 7.0 * 10.0 ^ (i % 80 - 40)
  FROM generate_series(1, 1000) i;
SELECT count(*), count(*) FILTER (WHERE (r -> 'value' ->> 1)::float8 = n.value) AS same
  FROM jsonb_array_elements(mytsdb.query('many', at(0), 'numbers')::jsonb #> '{data,result}') r
  JOIN numbers n ON n.labels = (r -> 'metric')::labels;

-- Range queries
SELECT mytsdb.query_range('http_requests_total{job="api"}', at(590), at(620), '15 s');
SELECT mytsdb.query_range('http_requests_total{job="api",instance="1"}', at(590.1239), at(605.9999), '7.5 s');
SELECT mytsdb.query_range('1', at(0), at(2), '1 s');
SELECT mytsdb.query_range('late', at(0), at(10), '1 s');
SELECT json_array_length(mytsdb.query_range('1', at(0), at(11000), '1 s') #> '{data,result,0,values}');

-- Limits and statistics
SELECT mytsdb.query('http_requests_total', at(600), "limit" => 1);
SELECT mytsdb.query('http_requests_total', at(600), "limit" => 4) -> 'warnings' AS warnings;
SELECT mytsdb.query_range('http_requests_total', at(600), at(600), '1 s', "limit" => 1);
SELECT regexp_replace(mytsdb.query('http_requests_total', at(600), stats => 'all') #>> '{data,stats}', '[0-9.]+', 'n', 'g');
SELECT json_object_keys(mytsdb.query('1', at(600), stats => '') -> 'data');

-- Errors
\set VERBOSITY sqlstate
SELECT mytsdb.query('http_requests_total{');
SELECT mytsdb.query('sum(');
SELECT mytsdb.query('');
SELECT mytsdb.query(NULL);
SELECT mytsdb.query('1', NULL);
SELECT mytsdb.query('1', source => NULL);
SELECT mytsdb.query('1', source => 'pg_class');
SELECT mytsdb.query('1', source => 'nothing');
SELECT mytsdb.query('1', source => 0);
SELECT mytsdb.query('1', 'infinity');
SELECT mytsdb.query('1', "limit" => -1);
SELECT mytsdb.query('1', lookback_delta => '-1 s');
SELECT mytsdb.query('1', lookback_delta => '1 month');
SELECT mytsdb.query_range('"s"', at(0), at(1), '1 s');
SELECT mytsdb.query_range('late[5m]', at(0), at(1), '1 s');
SELECT mytsdb.query_range('1', at(1), at(0), '1 s');
SELECT mytsdb.query_range('1', at(0), at(1), '0 s');
SELECT mytsdb.query_range('1', at(0), at(1), '-1 s');
SELECT mytsdb.query_range('1', at(0), at(1), '1 microsecond');
SELECT mytsdb.query_range('1', at(0), at(1), '1 month');
SELECT mytsdb.query_range('1', at(0), at(11001), '1 s');
SELECT mytsdb.query_range('1', at(0), at(1), NULL);
\set VERBOSITY default
SELECT mytsdb.query('sum(up) by');
SELECT mytsdb.query_range('1', at(0), at(11001), '1 s');
SELECT mytsdb.query_range('1', at(0), at(1), '0 s');
SELECT mytsdb.query_range('late[5m]', at(0), at(1), '1 s');

-- Expressions
SELECT mytsdb.format_query('sum by(job)(rate(http_requests_total{job=~"a.*"}[5m]offset 1h))/2');
SELECT mytsdb.parse_query('a+b') -> 'data' ->> 'type' AS type;
SELECT mytsdb.parse_query('-{x="\""}') #>> '{data,expr,matchers,0,value}' AS value;
SELECT mytsdb.format_query('a +');
SELECT mytsdb.parse_query('rate(a)');
SELECT mytsdb.format_query(NULL) IS NULL AS strict;

-- Series
SELECT mytsdb.find_series(ARRAY['http_requests_total{job="api"}', '{instance="1"}', 'nothing']);
SELECT mytsdb.find_series(ARRAY['http_requests_total', 'late'], at(590), at(1000), "limit" => 3);
SELECT mytsdb.find_series(ARRAY['late'], at(7200), at(7200)), mytsdb.find_series(ARRAY['late'], at(7201));
SELECT mytsdb.find_series(ARRAY['late'], NULL, at(7199)), mytsdb.find_series(ARRAY['late'], '-infinity', 'infinity');
SELECT mytsdb.label_names();
SELECT mytsdb.label_names(ARRAY['late', 'odd']);
SELECT mytsdb.label_names(NULL, at(1), at(2));
SELECT mytsdb.label_names('{}', at(15), at(16), "limit" => 1);
SELECT mytsdb.label_values('job'), mytsdb.label_values('__name__'), mytsdb.label_values('c d'), mytsdb.label_values('x');
SELECT mytsdb.label_values('U__c_20_d'), mytsdb.label_values('U______name____'), mytsdb.label_values('U__c_zz_d');
SELECT mytsdb.label_values('__name__', NULL, at(7000), at(8000));
SELECT mytsdb.label_values('instance', ARRAY['{job="web"}'], "limit" => 1);
\set VERBOSITY sqlstate
SELECT mytsdb.find_series(NULL);
SELECT mytsdb.find_series('{}');
SELECT mytsdb.find_series(ARRAY['a{']);
SELECT mytsdb.find_series(ARRAY['{a=~".*"}']);
SELECT mytsdb.find_series(ARRAY['late', NULL]);
SELECT mytsdb.find_series(ARRAY['late'], at(1), at(0));
SELECT mytsdb.find_series(ARRAY['late'], "limit" => -1);
SELECT mytsdb.label_values('');
SELECT mytsdb.label_values(NULL);
\set VERBOSITY default

-- The same from blocks, the label index, logs and own rows, and no more than was committed
CREATE TABLE s (labels labels NOT NULL, time timestamptz NOT NULL, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.shards = 2);
CREATE FUNCTION answers() RETURNS TABLE (question text, answer text) LANGUAGE sql AS $$
    SELECT 'all', md5(mytsdb.find_series(ARRAY['{s=~".+"}'], source => 's')::text)
    UNION ALL SELECT 'range', mytsdb.label_values('s', ARRAY['m{s=~"1.*"}'], api.at(100), api.at(180), 's')::text
    UNION ALL SELECT 'names', mytsdb.label_names(NULL, api.at(100), api.at(180), 's')::text
    UNION ALL SELECT 'values', md5(mytsdb.label_values('s', source => 's')::text)
    UNION ALL SELECT 'before', mytsdb.label_values('s', NULL, api.at(-10), api.at(-1), 's')::text
    UNION ALL SELECT 'between', mytsdb.label_values('s', ARRAY['{s="17"}'], api.at(17.5), api.at(18.5), 's')::text
$$;
INSERT INTO s SELECT format('m{s="%s",k%s="v"}', i, i % 3)::labels, at(i + 100 * k), k
  FROM generate_series(1, 3000) i, generate_series(0, 1) k;
CREATE TEMP TABLE first_answers AS SELECT * FROM answers();
SELECT * FROM first_answers WHERE length(answer) < 600;
SELECT mytsdb.seal('s') >= 0 AS sealed;
SELECT mytsdb.merge('s') > 0 AS merged;
SELECT count(*) FROM (SELECT * FROM answers() EXCEPT SELECT * FROM first_answers) x;
BEGIN;
INSERT INTO s VALUES ('m{s="new",knew="v"}', at(150), 1);
SELECT mytsdb.label_values('s', ARRAY['m{s=~"n.*"}'], at(100), at(180), 's');
ROLLBACK;
SELECT mytsdb.label_values('s', ARRAY['m{s=~"n.*"}'], at(100), at(180), 's'),
       mytsdb.label_values('s', ARRAY['m{s=~"n.*"}'], source => 's'), mytsdb.label_names(source => 's');

-- ... and always what SQL says: narrow and wide ranges, within chunks, over blocks and logs
CREATE TABLE w (labels labels NOT NULL, time timestamptz NOT NULL, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.shards = 2);
CREATE FUNCTION scatter(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO api.w SELECT format('m{s="%s"}', abs(hashint4(i)) % 50)::labels, api.at(abs(hashint4extended(i, 1)) % 100000), i
      FROM generate_series(first, last) i ORDER BY 2
$$;
CREATE FUNCTION differing_windows() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*)
      FROM generate_series(1, 150) i,
           LATERAL (SELECT api.at(abs(hashint4extended(i, 2)) % 101000 - 500) AS a,
                           (abs(hashint4extended(i, 3)) % 10000) ^ (i % 3 / 2.0) * interval '1 second' AS size) x,
           LATERAL (SELECT coalesce(jsonb_agg(v ORDER BY v COLLATE "C"), '[]') AS want
                      FROM (SELECT DISTINCT labels ->> 's' AS v FROM api.w WHERE time BETWEEN a AND a + size) d) y
     WHERE mytsdb.label_values('s', NULL, a, a + size, 'api.w')::jsonb -> 'data' <> want
$$;
SELECT scatter(1, 3000), differing_windows();
SELECT mytsdb.seal('w') >= 0 AS sealed;
SELECT scatter(3001, 4000), differing_windows();
SELECT mytsdb.seal('w') >= 0 AS sealed;
SELECT scatter(4001, 4500), differing_windows();
SELECT mytsdb.merge('w') >= 0 AS merged, differing_windows();
BEGIN;
SELECT scatter(4501, 4600), differing_windows();
ROLLBACK;
SELECT scatter(5001, 9000), differing_windows();
SET work_mem = '64kB';
SELECT differing_windows();
RESET work_mem;

-- Exemplars
INSERT INTO mytsdb.exemplars (labels, time, value, exemplar)
SELECT format('http_requests_total{job="%s"}', job)::labels, at(t), t / 2.0, format('{trace_id="%s"}', t)::labels
  FROM unnest(ARRAY['web', 'api']) job, generate_series(1, 3) t;
SELECT mytsdb.query_exemplars('sum(rate(http_requests_total[5m])) + http_requests_total{job="api"}', at(2), at(3));
SELECT mytsdb.query_exemplars('1 + 2'), mytsdb.query_exemplars('nothing');
SELECT mytsdb.query_exemplars('http_requests_total', at(2), at(1));
SELECT mytsdb.query_exemplars('http_requests_total{');
SELECT mytsdb.query_exemplars('http_requests_total', source => 's');

-- Metadata
INSERT INTO mytsdb.metadata (metric, type, unit, help, updated) VALUES
    ('b', 'counter', '', 'A "b".', now()), ('a', 'gauge', 's', E'line\nbreak', now());
SELECT mytsdb.metric_metadata();
SELECT mytsdb.metric_metadata('b'), mytsdb.metric_metadata('c'), mytsdb.metric_metadata("limit" => 1), mytsdb.metric_metadata("limit" => 0);

SELECT mytsdb.metric_metadata(source => 's');
SELECT mytsdb.metric_metadata(source => 0);
SELECT mytsdb.metric_metadata(source => 'pg_views');
-- rows are in order of names, also where names are not unique
CREATE TABLE notes (metric text, type text, unit text, help text);
INSERT INTO notes VALUES ('z', 'gauge', '', 'Z.'), ('b', 'gauge', '', 'Two.'), ('b', 'counter', '', 'One.'), ('b.', 'gauge', NULL, ''), (NULL, 'gauge', '', '');
SELECT mytsdb.metric_metadata(source => 'notes'), mytsdb.metric_metadata("limit" => 2, source => 'notes');
-- what is not asked for takes no memory
BEGIN;
INSERT INTO mytsdb.metadata SELECT repeat('x', 400) || i, '', '', '', now() FROM generate_series(1, 20000) i;
SELECT sum(total_bytes) AS before FROM pg_backend_memory_contexts \gset
SELECT mytsdb.metric_metadata('none'),
	(SELECT sum(total_bytes) < :before + 4000000 FROM pg_backend_memory_contexts) AS little;
ROLLBACK;
DROP TABLE notes;

-- The server's own documents
CREATE TABLE c (labels labels NOT NULL, time timestamptz NOT NULL, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
SELECT mytsdb.tsdb_status(source => 'c');
INSERT INTO c SELECT format('m%s{job="j%s",i="%s"}', i % 3, i % 2, i)::labels, at(i), i FROM generate_series(1, 30000) i;
SELECT mytsdb.tsdb_status(3, 'c') AS log \gset
SELECT :'log';
SELECT mytsdb.seal('c');
SELECT mytsdb.merge('c') >= 0 AS merged;
SELECT count(*) > 0 AS indexed FROM mytsdb.label_index JOIN mytsdb.sizes_of('c') USING (storage);
SELECT mytsdb.tsdb_status(3, 'c')::text = replace(:'log', '"chunkCount":0', '"chunkCount":30000') AS same;
INSERT INTO c SELECT format('m%s{job="new",i="%s"}', i % 3, i)::labels, at(i), i FROM generate_series(29901, 30100) i;
SELECT mytsdb.tsdb_status(1, 'c');
SELECT json_array_length(mytsdb.tsdb_status(100000, 'c') #> '{data,seriesCountByLabelValuePair}') AS pairs,
       json_array_length(mytsdb.tsdb_status(source => 'c') #> '{data,seriesCountByLabelValuePair}') AS shown;
SELECT mytsdb.tsdb_status(0);
SELECT mytsdb.tsdb_status(source => 'pg_class');
SET mytsdb.query_memory = '1MB';
SELECT mytsdb.tsdb_status(source => 'c');
RESET mytsdb.query_memory;
SELECT mytsdb.build_info() -> 'data' ->> 'version' AS version;
SELECT json_object_keys(mytsdb.runtime_info('c') -> 'data') AS runtime;
ALTER TABLE c SET (mytsdb.retention = '30 days');
SELECT mytsdb.runtime_info('c') -> 'data' ->> 'storageRetention' AS retention;
SELECT mytsdb.flags() -> 'data' ->> 'mytsdb.query_memory' AS flag,
       (SELECT count(*) FROM json_object_keys(mytsdb.flags() -> 'data')) = (SELECT count(*) FROM pg_settings WHERE name LIKE 'mytsdb.%') AS all;
DROP TABLE c;

-- An annotation for each of many metrics
CREATE TABLE many (labels labels NOT NULL, time timestamptz NOT NULL, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO many SELECT labels(ARRAY['__name__', 'i'], ARRAY['m' || i, i::text]), at(j), j FROM generate_series(1, 20000) i, generate_series(1, 2) j;
SELECT json_array_length(doc -> 'data' -> 'result') AS series, doc -> 'infos' ->> 10 AS infos
FROM mytsdb.query('rate({__name__=~"m.+"}[10s]) + rate({__name__=~"m.+"}[5s])', at(2), 'many') doc;
DROP TABLE many;

-- Privileges: of whoever calls
CREATE ROLE regress_api;
GRANT USAGE ON SCHEMA api TO regress_api;
SET ROLE regress_api;
SELECT mytsdb.query('late', at(7200));
SELECT mytsdb.find_series(ARRAY['late']);
SELECT mytsdb.label_names();
SELECT mytsdb.query_exemplars('late');
SELECT mytsdb.metric_metadata();
SELECT mytsdb.tsdb_status();
RESET ROLE;
GRANT SELECT (labels, time, value) ON numbers TO regress_api;
SET ROLE regress_api;
SELECT mytsdb.query('count(n)', at(0), 'numbers');
SELECT mytsdb.label_names(source => 'numbers');
RESET ROLE;
GRANT SELECT (labels, time, value) ON mytsdb.exemplars TO regress_api;
SET ROLE regress_api;
SELECT mytsdb.query_exemplars('late');
RESET ROLE;
GRANT SELECT (exemplar) ON mytsdb.exemplars TO regress_api;
SET ROLE regress_api;
SELECT mytsdb.query_exemplars('late');
RESET ROLE;
REVOKE SELECT (labels, time, value, exemplar) ON mytsdb.exemplars FROM regress_api;
ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
SET ROLE regress_api;
SELECT mytsdb.query('count(n)', at(0), 'numbers');
SELECT mytsdb.label_names(source => 'numbers');
RESET ROLE;

TRUNCATE mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata;
SET client_min_messages = warning;
DROP SCHEMA api CASCADE;
DROP ROLE regress_api;
