-- 200,000 series as node exporters have them, and what their samples are: for tests and
-- benchmarks of how many series a server can bear. A target has 2,000 series, whose
-- samples of a scrape have the same time; 15 s are between two scrapes.
CREATE TABLE targets (id int PRIMARY KEY, labels labels) USING heap;
INSERT INTO targets SELECT i, format('{__name__="node_%s_%s_seconds_total",cluster="production-eu-%s",'
        'cpu="%s",datacenter="frankfurt-am-main-%s",instance="node-%s.example.com:9100",'
        'job="node-exporter",mode="%s",rack="r%s"}',
        (ARRAY['cpu', 'disk_io_time', 'network_receive', 'memory_active', 'filesystem_avail'])[1 + i % 2000 / 400],
        i % 2000 / 256, i / 100000, i % 256 / 8, i / 50000, i / 2000,
        (ARRAY['idle', 'user', 'system', 'iowait', 'irq', 'softirq', 'steal', 'nice'])[1 + i % 8], i / 2000 % 40)::labels
    FROM generate_series(0, 199999) i;
VACUUM ANALYZE targets;

CREATE FUNCTION sample_time(id int, scrape int) RETURNS timestamptz STABLE LANGUAGE sql RETURN
    '2026-01-01 00:00Z'::timestamptz + scrape * interval '15 s'
        + (id / 2000 * 37 + (id / 2000 + scrape) % 7) * interval '1 ms';
-- of five series two are counters, two gauges with two decimals, one never changes
CREATE FUNCTION sample_value(id int, scrape int) RETURNS float8 IMMUTABLE LANGUAGE sql RETURN
    CASE id % 5
        WHEN 0 THEN scrape * (id % 97)
        WHEN 1 THEN (scrape + id) * 3
        WHEN 2 THEN ((id::int8 * 7919 + scrape * 104729) % 100000) / 100.0::float8
        WHEN 3 THEN ((id + scrape * 31) % 4096) / 100.0::float8
        ELSE id % 11
    END;

-- Some scrapes of some series into the table "samples", so many rows in a transaction.
CREATE PROCEDURE scrape(first_scrape int, scrapes int, first_id int, ids int, at_once int) LANGUAGE plpgsql AS $$
    BEGIN
        FOR s IN first_scrape .. first_scrape + scrapes - 1 LOOP
            FOR i IN first_id .. first_id + ids - 1 BY at_once LOOP
                INSERT INTO samples SELECT labels, sample_time(id, s), sample_value(id, s)
                    FROM targets WHERE id >= i AND id < least(i + at_once, first_id + ids);
                COMMIT;
            END LOOP;
        END LOOP;
    END $$;

-- Bytes of shared memory: our own that is in use, and pages of dictionary and label index,
-- which shared buffers hold.
CREATE VIEW shared_bytes AS
    WITH ours AS (SELECT sum(allocated_size) FILTER (WHERE name = 'mytsdb hot memory') AS hot,
            sum(allocated_size) FILTER (WHERE name <> 'mytsdb hot memory') AS others
        FROM pg_shmem_allocations WHERE name LIKE 'mytsdb%')
    SELECT (hot * used / size + others + dictionary_bytes + index_bytes)::int8 AS total, used AS hot,
        dictionary_bytes AS dictionary, index_bytes AS index, others::int8
    FROM ours, mytsdb.stat_hot, mytsdb.stat_table WHERE rel::text = 'samples';
