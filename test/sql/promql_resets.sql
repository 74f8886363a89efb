-- Hints of counter resets in native histograms: how they come out of a selector, and where
-- only counts and sums are looked at.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA pr;
SET search_path = pr, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE FUNCTION at(s float8) RETURNS timestamptz IMMUTABLE LANGUAGE sql RETURN timestamptz 'epoch' + s * interval '1 s';
-- r begins anew at the sixth minute, a does not
CREATE TABLE h (labels labels NOT NULL, time timestamptz NOT NULL, value float8, histogram histogram)
    USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO h (labels, time, histogram)
    SELECT '{__name__="c",t="a"}', at(60 * i),
           format('{{sum:%s count:%s buckets:[%s %s %s]}}', 6 + 2 * i, 5 + 3 * i, 2 + i, 2 + i, 1 + i)::histogram
    FROM generate_series(0, 10) i;
INSERT INTO h (labels, time, histogram)
    SELECT '{__name__="c",t="r"}', at(60 * i),
           format('{{sum:%s count:%s buckets:[%s %s %s]}}', 6 + 2 * (i % 6), 5 + 3 * (i % 6), 2 + i % 6, 2 + i % 6, 1 + i % 6)::histogram
    FROM generate_series(0, 10) i;
-- one that was sent with the hint of a reset says nothing by itself
INSERT INTO h (labels, time, histogram)
    VALUES ('{__name__="c",t="s"}', at(1200), '{{count:1 sum:1 buckets:[1] counter_reset_hint:reset}}'),
           ('{__name__="c",t="n"}', at(1200), '{{count:1 sum:1 buckets:[1] counter_reset_hint:not_reset}}');
SELECT * FROM promql('c{t="s"}', at(1200), 'h');
SELECT * FROM promql('sum(c)', at(1200), 'h');

-- neighbours are compared below histogram_count(), so these know of the reset
SELECT * FROM promql('histogram_count(sum(c))', at(300), 'h');
SELECT * FROM promql('histogram_count(sum(c))', at(360), 'h');
SELECT * FROM promql('histogram_sum(sum_over_time(c{t="r"}[2m]))', at(360), 'h');
SELECT * FROM promql('histogram_avg(c{t="r"} + ignoring(t) c{t="a"})', at(360), 'h');
-- also the first sample of what is looked at, with the one before that
SELECT * FROM promql('histogram_count(sum(c))', at(360), at(360), '1 s', 'h');
-- not where buckets are looked at, nor through a subquery
SELECT * FROM promql('sum(c)', at(360), 'h');
SELECT * FROM promql('histogram_count(sum(c) </ 100)', at(360), 'h');
SELECT * FROM promql('histogram_quantile(0.5, sum(c))', at(360), 'h');
SELECT * FROM promql('histogram_count(sum_over_time(c{t="r"}[2m:1m]))', at(360), 'h');
-- the same subtree with and without buckets; counts alone are the same numbers
SELECT value FROM promql('histogram_count(sum(c)) - on () histogram_count(sum(c) </ +Inf)', at(360), 'h');
SELECT a.value = histogram_count(b.histogram) AS same
    FROM promql('histogram_count(increase(c{t="r"}[5m]))', at(480), 'h') a, promql('increase(c{t="r"}[5m])', at(480), 'h') b;
SET client_min_messages = warning;
DROP SCHEMA pr CASCADE;
