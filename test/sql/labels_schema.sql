-- The extension in another schema, in another database, in one that is not UTF8.
SET client_min_messages = warning;
CREATE DATABASE labels_schema TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\connect labels_schema
CREATE SCHEMA x;
CREATE EXTENSION mytsdb SCHEMA x;
SELECT nspname, count(*) > 0 AS types
  FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE typname = 'labels' GROUP BY 1;
SELECT 'up{a="b"}'::x.labels;
SELECT x.metric_name('up{a="b"}');
SELECT 'up{a="b"}'::x.labels OPERATOR(x.~) '{a=~"b.*"}' AS matches,
       'up{a="b"}'::x.labels OPERATOR(x.!~) '{a=~"b.*"}' AS matches_not,
       'up{a="b"}'::x.labels OPERATOR(x.->>) 'a' AS value,
       'up{a="b"}'::x.labels OPERATOR(x.@>) 'up' AS contains,
       'up{a="b"}'::x.labels OPERATOR(x.||) 'down' AS joined,
       'up{a="b"}'::x.labels::jsonb AS json;
CREATE TABLE s (l x.labels PRIMARY KEY, h x.labels);
INSERT INTO s SELECT x.labels(ARRAY['n'], ARRAY[i::text]), x.labels(ARRAY['n'], ARRAY[(i % 7)::text]) FROM generate_series(1, 1000) i;
ANALYZE s;
SELECT count(*) FROM s WHERE l OPERATOR(x.~) '{n=~"1.*"}';
SELECT count(DISTINCT a.h), count(*) FROM s a JOIN s b ON a.l OPERATOR(x.=) b.l;
SET search_path = public, x;
SELECT count(*) FROM s a JOIN s b USING (l);
RESET search_path;
SELECT a.h FROM s a GROUP BY a.h ORDER BY a.h LIMIT 2;
SELECT count(*) FROM mytsdb.stat_regex;
ALTER EXTENSION mytsdb SET SCHEMA public;
SELECT obj_description('x.labels'::regtype);
SET client_min_messages = warning;
DROP EXTENSION mytsdb CASCADE;
SELECT count(*) FROM pg_namespace WHERE nspname = 'mytsdb';
CREATE EXTENSION mytsdb;
DROP EXTENSION mytsdb;
\connect regress
CREATE DATABASE labels_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\connect labels_latin1
CREATE EXTENSION mytsdb;
SELECT count(*) FROM pg_namespace WHERE nspname = 'mytsdb';
\connect regress
DROP DATABASE labels_latin1;
DROP DATABASE labels_schema;
