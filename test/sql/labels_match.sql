-- The operators ~ and !~: labels against a PromQL selector.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
CREATE SCHEMA labels_match_test;
SET search_path = labels_match_test, public;
CREATE TABLE series (id int, l labels);
INSERT INTO series VALUES
    (1, 'up{job="api",instance="a:1",env="prod"}'),
    (2, 'up{job="api",instance="a:2",env="dev"}'),
    (3, 'up{job="db",instance="b:1"}'),
    (4, 'down{job="api"}'),
    (5, '{"my.metric","a.b"="c"}'),
    (6, E'{note="two\\nlines"}'),
    (7, '{}');

CREATE FUNCTION selected(selector text) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(id::text, ',' ORDER BY id) FROM series WHERE l ~ selector $$;
SELECT s AS selector, selected(s)
  FROM unnest(ARRAY[
    'up',
    'up{}',
    'up{job="api",env="prod"}',
    'up{job="api",env!="prod"}',
    'up{env!="prod"}',
    'up{env=""}',
    'up{env!=""}',
    'up{job=~"a.*"}',
    'up{job=~"a"}',
    'up{job!~"a.*"}',
    'up{job=~"api|db"}',
    'up{job=~"API"}',
    'up{job=~"(?i)API"}',
    'up{instance=~".*:1"}',
    'up{env=~".*"}',
    'up{env=~".+"}',
    'up{env!~".+"}',
    'up{env!~".*"}',
    'up{env=~"|dev"}',
    '{__name__=~"up|down",job="api"}',
    '{__name__!~"up|down"}',
    '{__name__=""}',
    '{"my.metric"}',
    '{"a.b"="c"}',
    '{"a.b"=~"[a-c]"}',
    '{note=~"two.lines"}',
    '{note=~"two"}',
    '{note=~"^two.lines$"}',
    '{job="api",job=~"a.*",job!="b"}',
    '{job="api",job="db"}',
    '{}',
    '{none=""}',
    '{none!=""}',
    $$ up { job = 'api' , env = `prod` , } # the first $$
  ]) s;
SELECT id FROM series WHERE l !~ 'up' ORDER BY id;
SELECT id FROM series WHERE NOT l ~ 'up{job=~"a.*"}' ORDER BY id;

-- The right side may change from row to row, more often than selectors are kept
SELECT count(*), bool_and((id = n % 7 + 1) = (l ~ format('{id="%s",l=~"(%s)x*"}', n, n))) AS right
  FROM (SELECT n, n % 7 + 1 AS id, labels(ARRAY['id', 'l'], ARRAY[n::text, n || 'xx']) AS l
          FROM generate_series(1, 300) n) x;
CREATE TABLE rules (rule text, selector text);
INSERT INTO rules VALUES ('all', 'up'), ('api', '{job="api"}'), ('prod', 'up{env="prod"}'), ('none', NULL);
SELECT rule, array_agg(id ORDER BY id) FROM series JOIN rules ON l ~ selector GROUP BY 1 ORDER BY 1;
SELECT id FROM series WHERE l ~ ANY ('{"up{env=\"dev\"}","down"}') ORDER BY id;

-- Errors
CREATE FUNCTION fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ' ' || message, nullif(detail, ''), nullif(hint, ''));
END
$$;
\pset format unaligned
\pset tuples_only on
SELECT fails(format('SELECT count(*) FROM series WHERE l ~ %L', s))
  FROM unnest(ARRAY[
    '',
    'up{',
    'up{job}',
    'up{job="a',
    E'up{job="a",\n  env=1}',
    'up{__name__="x"}',
    'up[5m]',
    'up offset 5m',
    'up @ 0',
    'up == 1',
    'rate(up[5m])',
    'up{a="\xff"}',
    'up{job=~"("}',
    'up{job=~"*"}',
    'up{job=~"(a)\\1"}',
    'up{job=~"(?=a)"}',
    'up{job=~"a++"}',
    E'up{a="b",\n  job!~"a{5,2}"}',
    'nan'
  ]) s;
-- A selector is looked at only when a row needs it
SELECT fails('SELECT count(*) FROM series WHERE false AND l ~ ''up{''');
-- One that would try for ever is stopped, and the setting says when
SELECT fails($$SELECT labels(ARRAY['a'], ARRAY[repeat('x', 40)]) ~ '{a=~"(x+x+)+[yz]"}'$$);
SELECT fails($$SELECT labels(ARRAY['a'], ARRAY[repeat('x', 12)]) ~ '{a=~"(x+x+)+[yz]"}'$$);
SET mytsdb.regex_match_limit = 1000;
SELECT fails($$SELECT labels(ARRAY['a'], ARRAY[repeat('x', 12)]) ~ '{a=~"(x+x+)+[yz]"}'$$);
RESET mytsdb.regex_match_limit;
SET mytsdb.regex_memory = '64kB';
SELECT fails($$SELECT labels('{a}', '{h7x}') ~ ('{a=~"' || string_agg('h' || i || '[x-z]', '|') || '"}') FROM generate_series(1, 3000) i$$);
RESET mytsdb.regex_memory;
SELECT labels('{a}', '{h7x}') ~ ('{a=~"' || string_agg('h' || i || '[x-z]', '|') || '"}') FROM generate_series(1, 3000) i;
-- The settings are those of the moment, also for a selector that is kept
CREATE FUNCTION under_limits(limits int[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    l labels := labels(ARRAY['a'], ARRAY[repeat('x', 12)]);
    matches bool;
    results text[];
BEGIN
    FOR i IN 1 .. cardinality(limits) LOOP
        PERFORM set_config('mytsdb.regex_match_limit', limits[i]::text, true);
        BEGIN
            matches := l ~ '{a=~"(x+x+)+[yz]"}';
            results := results || matches::text;
        EXCEPTION WHEN program_limit_exceeded THEN
            results := results || 'too expensive'::text;
        END;
    END LOOP;
    RETURN results;
END
$$;
SELECT under_limits('{10000000,1000,10000000}');
-- Selectors that are kept take bounded memory
CREATE FUNCTION kept_memory() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    l labels := '{a="none"}';
    matches bool;
BEGIN
    FOR i IN 1 .. 100 LOOP
        matches := l ~ ('{a=~"(?:[a-z]+x{1,' || i || '}y{1,500}z){1,2}"}');
    END LOOP;
    RETURN (SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'PromQL selector%');
END
$$;
-- Each selector has bounds of its own: matchers, and memory for all its patterns
SELECT 'up'::labels ~ ('{' || string_agg('a=""', ',') || '}') FROM generate_series(1, 1024);
SELECT fails($$SELECT 'up'::labels ~ ('{' || string_agg('a=""', ',') || '}') FROM generate_series(1, 1025)$$);
SELECT count(*) FROM (SELECT ('{' || string_agg('a' || i || '=""', ',') || '}')::labels FROM generate_series(1, 1025) i) x;
SET mytsdb.regex_memory = '64kB';
SELECT fails($$SELECT 'up'::labels ~ ('{' || string_agg('a=~"(?:[a-z]{1,500}x[0-9]{1,500})?"', ',') || '}') FROM generate_series(1, 1000) i$$);
SELECT 'up'::labels ~ ('{' || string_agg('a=~"(?:[a-z]{1,500}x[0-9]{1,500})?"', ',') || '}') FROM generate_series(1, 10) i;
SET mytsdb.regex_memory = '256kB';
SELECT kept_memory() BETWEEN 1024 AND 512 * 1024;
RESET mytsdb.regex_memory;
SELECT fails($$SET mytsdb.regex_match_limit = 999$$);
SELECT fails($$SET mytsdb.regex_match_limit = 100000001$$);
SELECT fails($$SET mytsdb.regex_memory = '1kB'$$);
\pset format aligned
\pset tuples_only off
SHOW mytsdb.regex_match_limit;
SHOW mytsdb.regex_memory;

-- Counters: what this session does is in them
SELECT selectors_compiled > 0 AS compiled, selectors_refused > 0 AS refused,
       patterns_compiled > 0 AS patterns, limit_errors > 0 AS limits
  FROM mytsdb.stat_regex;
SELECT * FROM mytsdb.stat_regex \gset before_
SELECT count(*) FROM series WHERE l ~ '{job=~"a.*",env!~"x+",id="1"}';
SELECT selectors_compiled - :before_selectors_compiled >= 1 AS selectors,
       patterns_compiled - :before_patterns_compiled >= 2 AS patterns FROM mytsdb.stat_regex;
CREATE ROLE labels_match_user;
SET ROLE labels_match_user;
SELECT count(*) FROM mytsdb.stat_regex;
RESET ROLE;
DROP ROLE labels_match_user;
DROP SCHEMA labels_match_test CASCADE;
