-- The type labels: text and binary forms, casts, operators, functions, errors.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA labels_test;
SET search_path = labels_test, public;

-- Text
SELECT t AS written, t::labels AS shown
  FROM unnest(ARRAY[
    'up',
    '{}',
    ' up { } ',
    'up{job="a",instance="b"}',
    '{job="a",__name__="up"}',
    '{"up"}',
    '{"my.metric", "a.b"="c"}',
    '{"a b"="c",}',
    '{"NaN",a="b"}',
    '{nan="b"}',
    'sum{by="on"}',
    'on{a="b"}',
    '{"Group_Left"}',
    'job:rate:5m{}',
    '{a="",b="c"}',
    $${a='single "quotes"',b=`raw \n`}$$,
    '{a="quote \" backslash \\ tab \t é \u00e9 \xc3\xa9 \303\251"}',
    E'{ # a comment\na="b" }',
    '{"a":"b","__name__":"up"}',
    '{"a":1.50,"b":true,"c":null,"d":"","e":-1e3}',
    '{"a":"\ud83d\ude00\u00e9\/"}'
  ]) t;

-- Control characters are shown as escapes, all of them
SELECT labels(ARRAY['a'], ARRAY[string_agg(chr(i), '' ORDER BY i)])
  FROM generate_series(1, 160) i;

-- Whatever is shown is read as the same
SELECT count(*) FROM generate_series(1, 700) i,
       LATERAL (SELECT labels(ARRAY['__name__', chr(i)], ARRAY['m' || chr(i), chr(i) || 'v']) AS l) x
 WHERE l::text::labels IS DISTINCT FROM l;

-- Casts to and from jsonb
SELECT 'up{job="a","x.y"="é"}'::labels::jsonb;
SELECT '{}'::labels::jsonb, '{}'::jsonb::labels;
SELECT '{"z":"1","a":2.50,"b":true,"c":null,"longer":"x","d":""}'::jsonb::labels;
SELECT labels('{"a":"b"}'::jsonb), labels('{"a":"b"}');
CREATE TABLE j (j jsonb);
INSERT INTO j VALUES ('{a="b"}'::labels) RETURNING j;

-- Looking into labels
SELECT l ->> 'job' AS job, l ->> '__name__' AS name, l ->> 'none' AS none, l ->> '' AS empty,
       metric_name(l), label_names(l)
  FROM (VALUES ('up{job="a",z="b"}'::labels), ('{}'), ('{"x.y"="z"}')) v(l);
SELECT l ? 'job' AS job, l ? 'none' AS none, l ?& '{job,z}' AS both, l ?& '{job,none}' AS one,
       l ?& '{}' AS nothing, l ?& '{job,NULL}' AS with_null,
       l ?| '{none,job}' AS any, l ?| '{none}' AS not_any, l ?| '{}' AS any_nothing
  FROM (VALUES ('up{job="a",z="b"}'::labels)) v(l);
SELECT a, b, a @> b AS contains, a <@ b AS contained, b @> a AS reverse
  FROM (VALUES ('up{a="1",b="2"}'::labels, 'up{b="2"}'::labels), ('{a="1"}', '{a="2"}'),
               ('{a="1"}', '{}'), ('{}', '{}'), ('{a="1",c="3"}', '{b="2"}')) v(a, b);

-- Making labels
SELECT 'up{a="1",b="2"}'::labels || '{b="3",c="4"}', '{}'::labels || '{}', 'a'::labels || 'b';
SELECT 'up{a="1",b="2"}'::labels - 'a', 'up{a="1"}'::labels - '__name__',
       'up{a="1"}'::labels - 'none', '{a="1"}'::labels - 'a', 'up'::labels - ''::text;
SELECT 'up{a="1",b="2",c="3"}'::labels - ARRAY['a', 'c', NULL, 'd'], 'up'::labels - '{}'::text[];
SELECT labels('{b,a,c,d}', '{2,1,NULL,""}'), labels('{}', '{}');

-- Comparison: Prometheus' order
SELECT l FROM (VALUES ('{b="1"}'::labels), ('{a="2"}'), ('{a="1",b="1"}'), ('{a="1"}'), ('{}'), ('up'),
                      ('{aa="0"}'), ('{a="10"}'), ('{"é"="1"}'), ('{A="1"}')) v(l)
 ORDER BY l;
SELECT a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt
  FROM (VALUES ('{a="1"}'::labels, '{a="2"}'::labels), ('{a="1"}', '{a="1"}'), ('{b="1"}', '{a="2"}')) v(a, b);
SELECT '{b="2",a="1",c=""}'::labels = '{"a":"1","b":"2"}'::labels AS same_set;
SELECT labels_cmp('{a="1"}', '{a="2"}'), labels_cmp('{}', '{}');

-- NULLs
SELECT NULL::labels ->> 'a', NULL::labels = '{}', '{}'::labels || NULL::labels, NULL::labels ~ 'up',
       '{}'::labels ~ NULL, label_names(NULL), labels(NULL::jsonb);

-- Binary form
SELECT labels_send('up{a="b"}'), labels_send('{}');

-- Errors of syntax
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
SELECT fails(format('SELECT %L::labels', t))
  FROM unnest(ARRAY[
    '',
    'up{',
    'up{a}',
    'up{a=b}',
    'up{a="b" c="d"}',
    'up{a="b"} x',
    'up{a!="b"}',
    E'up{\n  a=~"b"}',
    'up{a="b",a="c"}',
    'up{a="b",a=""}',
    'up{__name__="down"}',
    '{"up","down"}',
    'up{""="b"}',
    '5',
    'up{a="\xff"}',
    'up{a="\q"}',
    'up{a="\x00"}',
    'up{a="b',
    'up[5m]',
    '{"a":"b"',
    '{"a":{}}',
    '{"a":[]}',
    '{"a":"b","a":"c"}',
    '{"a":"\ud800"}',
    '{"a":nothing}',
    '{"a":"b"} x',
    '{"a":"\u0000"}',
    '{"":"b"}',
    '[1]',
    repeat('é', 200) || '{'
  ]) t;
-- of meaning
SELECT fails(statement) FROM unnest(ARRAY[
    $$SELECT labels('[1]'::jsonb)$$,
    $$SELECT labels('"a"'::jsonb)$$,
    $$SELECT labels('{"a":{"b":1}}'::jsonb)$$,
    $$SELECT labels('{"a":[]}'::jsonb)$$,
    $$SELECT labels('{"":"b"}'::jsonb)$$,
    $$SELECT labels('{a}', '{b,c}')$$,
    $$SELECT labels('{NULL}', '{b}')$$,
    $$SELECT labels('{a,a}', '{b,c}')$$,
    $$SELECT labels('{""}', '{b}')$$
  ]) statement;
-- of size
SELECT fails(statement) FROM unnest(ARRAY[
    $$SELECT labels(ARRAY[repeat('n', 1024)], '{b}') IS NULL$$,
    $$SELECT labels(ARRAY[repeat('n', 1025)], '{b}')$$,
    $$SELECT labels(array_agg('n' || i), array_agg('v'::text)) IS NULL FROM generate_series(1, 1024) i$$,
    $$SELECT labels(array_agg('n' || i), array_agg('v'::text)) FROM generate_series(1, 1025) i$$,
    $$SELECT labels('{a}', ARRAY[repeat('v', 65535 - 7)]) IS NULL$$,
    $$SELECT labels('{a}', ARRAY[repeat('v', 65535 - 6)])$$,
    $$SELECT jsonb_build_object('a', repeat('v', 65535))::labels$$,
    $$SELECT labels('{a}', ARRAY[repeat('a', 40000)]) || labels('{b}', ARRAY[repeat('b', 40000)])$$,
    $$SELECT (repeat('a', 1048577))::labels$$,
    $$SELECT ('{a="' || repeat('v', 65535) || '"}')::labels$$
  ]) statement;
\pset format aligned
\pset tuples_only off

-- Bytes from outside: a file of the binary COPY format is made by hand
CREATE TABLE l (l labels);
CREATE FUNCTION receive(payload bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    path text := current_setting('data_directory') || '/labels_test.copy';
    file bytea := '\x5047434f50590aff0d0a0000000000000000000001'::bytea || int4send(length(payload)) || payload || '\xffff';
    lo oid := lo_from_bytea(0, file);
BEGIN
    PERFORM lo_export(lo, path);
    PERFORM lo_unlink(lo);
    RETURN fails(format('COPY l FROM %L (FORMAT binary)', path));
END
$$;
SELECT receive('\x01020161016202616101 63');
SELECT l FROM l;
TRUNCATE l;
SELECT receive(payload) FROM unnest(ARRAY[
    '\x', '\x01', '\x0200', '\x0180', '\x0101', '\x010101610162 00', '\x010201610162016101 63',
    '\x0102016201620161 0163', '\x0101016100', '\x0101000161', '\x010101ff0161', '\x0101016101ff',
    '\x01010161020061', '\x01ffff03', '\x0181000161 0162'
  ]::bytea[]) payload;
SELECT receive(decode('01010161' || 'ffff03' || repeat('62', 65535), 'hex'));

-- The same bytes go out and come in
INSERT INTO l VALUES ('up{a="b"}'), ('{}'), ('{"é"="\t"}');
COPY l TO PROGRAM 'cat > labels_test.copy' (FORMAT binary);
CREATE TABLE l2 (l labels);
COPY l2 FROM PROGRAM 'cat labels_test.copy; rm labels_test.copy' (FORMAT binary);
SELECT * FROM l2;

SET client_min_messages = warning;
DROP SCHEMA labels_test CASCADE;
