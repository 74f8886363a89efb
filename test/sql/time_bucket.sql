-- time_bucket(), first() and last().
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- ---- widths of days and less: fixed spans, from a Monday on ----

SELECT w, time_bucket(w::interval, timestamptz '2024-05-15 13:47:31.123456') AS bucket
  FROM unnest('{1 us,1 ms,250 ms,1 s,15 s,1 min,5 min,7 min,1 hour,6 hours,1 day,36 hours,1 week,2 weeks}'::text[]) w;
SELECT to_char(time_bucket('1 week', timestamptz '2024-05-15'), 'Day');
-- a bucket holds its start, and not its end
SELECT t, time_bucket('5 min', t) FROM unnest('{2024-01-01 00:04:59.999999,2024-01-01 00:05,2024-01-01 00:05:00.000001}'::timestamptz[]) t;
-- before the origin, and before the epoch
SELECT t, time_bucket('1 day', t), time_bucket('7 min', t)
  FROM unnest('{1999-12-31 23:59:59,1969-12-31 12:00,0044-03-15 10:00 BC}'::timestamptz[]) t;
-- origins
SELECT time_bucket('1 day', timestamptz '2024-05-15 05:59', timestamptz '2000-01-01 06:00'),
       time_bucket('1 day', timestamptz '2024-05-15 06:00', timestamptz '2000-01-01 06:00'),
       time_bucket('1 week', timestamptz '2024-05-15', timestamptz '2023-01-01'),
       time_bucket('1 hour', timestamptz '2024-05-15 01:00', timestamptz '2030-01-01 00:30');
-- any distance from the origin gives buckets of the same series
SELECT count(DISTINCT time_bucket('17 min', timestamptz '2024-05-15 13:47', timestamptz '2024-05-15 13:40' + i * interval '17 min'))
  FROM generate_series(-1000, 1000) i;

-- ---- months ----

SELECT w, time_bucket(w::interval, timestamptz '2024-05-15 13:47:31') AS bucket
  FROM unnest('{1 month,2 months,3 months,5 months,1 year,2 years,10 years,1 century}'::text[]) w;
SELECT t, time_bucket('3 months', t) FROM unnest('{1999-12-31,1999-09-30,2024-03-31 23:59:59.999999,2024-04-01}'::timestamptz[]) t;
SELECT time_bucket('1 month', timestamptz '2024-05-15', timestamptz '2000-01-16'),
       time_bucket('1 month', timestamptz '2024-05-16', timestamptz '2000-01-16'),
       time_bucket('1 year', timestamptz '2024-03-31', timestamptz '2000-04-01'),
       time_bucket('1 year', timestamptz '2024-04-01', timestamptz '2000-04-01');
-- from a day that not all months have: their last one
SELECT t::date, time_bucket('1 month', t, timestamptz '2000-01-31')::date
  FROM unnest('{2023-02-27,2023-02-28,2024-02-28,2024-02-29,2024-03-30,2024-03-31,2024-04-29,2024-04-30}'::timestamptz[]) t;
-- origins with a time of day
SELECT time_bucket('1 month', timestamptz '2024-02-01 05:00', timestamptz '2000-01-01 06:00'),
       time_bucket('1 month', timestamptz '2024-02-01 07:00', timestamptz '2000-01-01 06:00');

-- ---- zones ----

-- days of Berlin in the nights when clocks change
SELECT t, time_bucket('1 day', t, 'Europe/Berlin')
  FROM unnest('{2024-03-30 22:59Z,2024-03-30 23:00Z,2024-03-31 21:59Z,2024-03-31 22:00Z,2024-10-26 22:00Z,2024-10-27 22:59Z,2024-10-27 23:00Z}'::timestamptz[]) t;
SELECT time_bucket('1 month', timestamptz '2024-04-30 22:30Z', 'Europe/Berlin'),
       time_bucket('1 week', timestamptz '2024-05-12 22:30Z', 'Europe/Berlin'),
       time_bucket('1 day', timestamptz '2024-05-12 20:00Z', '+05:30'),
       time_bucket('1 day', timestamptz '2024-05-12 20:00Z', 'Asia/Kathmandu');
-- buckets never run backwards over such a night, and none starts after its times
CREATE FUNCTION over_night(night date, zone text,
    OUT width text, OUT forward bool, OUT not_after bool, OUT buckets bigint, OUT odd text[])
RETURNS SETOF record LANGUAGE sql AS $$
    SELECT w, bool_and(bucket >= before), bool_and(bucket <= t), count(DISTINCT bucket),
           -- starts of buckets that are not as long as they should be
           array_agg(DISTINCT to_char(before, 'HH24:MI') || ' ' || bucket - before)
               FILTER (WHERE bucket > before AND bucket - before <> w::interval)
      FROM (SELECT w, t, bucket, lag(bucket, 1, bucket) OVER (PARTITION BY w ORDER BY t) AS before
              FROM unnest('{15 min,40 min,45 min,1 hour,2 hours,1 day}'::text[]) w,
                   generate_series(night - interval '1 day', night + interval '2 days', '5 min') t,
                   LATERAL (SELECT time_bucket(w::interval, t, zone) AS bucket) b) x
     GROUP BY w ORDER BY w::interval
$$;
SELECT * FROM over_night('2024-10-27', 'Europe/Berlin');
SELECT * FROM over_night('2024-03-31', 'Europe/Berlin');
-- by half an hour, and at midnight
SELECT * FROM over_night('2024-04-07', 'Australia/Lord_Howe');
SELECT * FROM over_night('2024-11-03', 'America/Havana');
SELECT * FROM over_night('2024-03-10', 'America/Havana');
SELECT t, time_bucket('30 min', t, 'Europe/Berlin'), time_bucket('2 hours', t, 'Europe/Berlin')
  FROM unnest('{2024-10-27 00:40Z,2024-10-27 01:40Z,2024-10-27 02:40Z}'::timestamptz[]) t;
DROP FUNCTION over_night;
-- a zone and an origin, in either order
SELECT time_bucket('1 day', timestamptz '2024-05-15 10:00Z', 'America/New_York', timestamptz '2024-01-01 11:00Z'),
       time_bucket('1 day', timestamptz '2024-05-15 10:00Z', timestamptz '2024-01-01 11:00Z', 'America/New_York');
-- the session's zone says how times look, not where buckets are
SET timezone = 'Asia/Tokyo';
SELECT time_bucket('1 day', timestamptz '2024-05-15 10:00Z') AT TIME ZONE 'UTC';
SET timezone = 'UTC';

-- ---- timestamp and date ----

SELECT time_bucket('6 hours', timestamp '2024-05-15 13:47'), time_bucket('1 month', timestamp '2024-05-15 13:47'),
       time_bucket('6 hours', timestamp '2024-05-15 13:47', timestamp '2024-01-01 01:00');
SELECT time_bucket('1 week', date '2024-05-15'), time_bucket('1 month', date '2024-05-15'),
       time_bucket('10 days', date '2024-05-15', date '2024-05-01'), pg_typeof(time_bucket('1 day', date '2024-05-15'));
SELECT time_bucket('12 hours', date '2024-05-15'), time_bucket('36 hours', date '2024-05-15'), time_bucket('36 hours', date '2024-05-16');

-- ---- infinities, nulls, and what is out of range ----

SELECT time_bucket('1 day', timestamptz 'infinity'), time_bucket('1 month', timestamptz '-infinity'),
       time_bucket('1 day', timestamptz 'infinity', 'Europe/Berlin'),
       time_bucket('1 day', timestamp '-infinity'), time_bucket('1 day', date 'infinity');
SELECT time_bucket(NULL, now()), time_bucket('1 day', NULL::timestamptz), time_bucket('1 day', now(), NULL::text);
SELECT time_bucket('1 day', timestamptz '294276-12-31 23:59:59.999999'), time_bucket('1 day', timestamptz '4714-11-24 00:00 BC');
SELECT time_bucket('1 month', timestamptz '294276-12-31 23:59:59.999999'), time_bucket('1 day', timestamptz '294276-12-31', 'Europe/Berlin');
SELECT time_bucket('1 month', timestamptz '4714-11-24 00:00 BC');
SELECT time_bucket('1 hour', timestamptz '4714-11-24 00:00 BC', 'Europe/Berlin');
SELECT time_bucket('1 hour', timestamptz '4714-11-24 00:00 BC', 'America/New_York');
SELECT time_bucket('1 week', timestamptz '4714-11-24 00:00 BC');
SELECT time_bucket('178000000 years', timestamptz '2024-01-01');
SELECT time_bucket('178000000 years', timestamptz '1999-01-01');
SELECT time_bucket('100000000 days', timestamptz '2024-01-01');
SELECT time_bucket('200000000 days', timestamptz '2024-01-01');
SELECT time_bucket('1 day', date '5874897-12-31');
SELECT time_bucket('0', now());
SELECT time_bucket('-1 day', now());
SELECT time_bucket('-1 month', now());
SELECT time_bucket('1 month 1 day', now());
SELECT time_bucket('1 month -1 s', now());
SELECT time_bucket('1 day -1 hour', timestamptz '2000-01-04 00:00');
SELECT time_bucket('1 day', now(), timestamptz 'infinity');
SELECT time_bucket('1 day', now(), 'Europe/Berlin', timestamptz '-infinity');
SELECT time_bucket('1 day', now(), 'Middle/Earth');
SELECT time_bucket('1 day', 'infinity'::timestamptz, 'Middle/Earth');
SELECT time_bucket('soon', now());

-- ---- first() and last() ----

CREATE TABLE seen (time timestamptz, k int, v float8, note text);
INSERT INTO seen VALUES
    ('2024-01-02', 1, 2, 'b'), ('2024-01-01', 1, 1, 'a'), ('2024-01-03', 1, NULL, 'c'), (NULL, 1, 9, 'never'),
    ('2024-01-01', 2, 5, 'd'), ('2024-01-01', 2, 6, 'e'),
    (NULL, 3, 7, 'f');
SELECT k, first(v, time), last(v, time), first(note, time), last(note, time) FROM seen GROUP BY k ORDER BY k;
SELECT first(v, time), last(v, time) FROM seen WHERE false;
SELECT first(note, v), last(note, v), first(time, note), last(k, note COLLATE "C") FROM seen;
SELECT first(v, time) FILTER (WHERE v > 1), last(v, time ORDER BY v) FROM seen WHERE k = 1;
SELECT first(repeat(note, 3000), time) = repeat('a', 3000) FROM seen WHERE k = 1;
-- as window functions, also where the frame shrinks
SELECT time, first(v, time) OVER w, last(v, time) OVER w FROM seen WHERE k = 1 AND time IS NOT NULL
WINDOW w AS (ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) ORDER BY time;
-- many rows
SELECT first(i, i), last(i, -i), last(md5(i::text), i) = md5('100000') FROM generate_series(1, 100000) i;
SELECT first('x'::text, i), last(NULL::int, i) FROM generate_series(1, 3) i;
SELECT first(v, point(k, k)) FROM seen;
DROP TABLE seen;
-- together
SELECT time_bucket('1 hour', t) AS bucket, first(v, t), last(v, t), count(*)
  FROM (SELECT timestamptz '2024-01-01' + i * interval '7 min' AS t, i AS v FROM generate_series(0, 20) i) x
 GROUP BY 1 ORDER BY 1;
