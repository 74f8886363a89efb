-- The engine's catalogs are written by the engine alone.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SELECT relname, amname, relreplident FROM pg_class c JOIN pg_am a ON a.oid = relam
 WHERE relnamespace = 'mytsdb'::regnamespace AND relname IN ('block', 'label_index', 'shard') ORDER BY 1;
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
 WHERE tgrelid IN ('mytsdb.block'::regclass, 'mytsdb.label_index'::regclass, 'mytsdb.shard'::regclass) ORDER BY 1, 2;

-- What others write is discarded, also when it comes by replication.
INSERT INTO mytsdb.shard VALUES (-1, 0, '{0}');
SET session_replication_role = replica;
INSERT INTO mytsdb.shard VALUES (-1, 0, '{0}');
INSERT INTO mytsdb.block VALUES (-1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
INSERT INTO mytsdb.label_index VALUES (-1, 1, 1, 1, 1, 1, 1);
TRUNCATE mytsdb.block;
TRUNCATE mytsdb.label_index;
RESET session_replication_role;
TRUNCATE mytsdb.shard;
SELECT count(*) FROM mytsdb.shard WHERE storage < 0;
SELECT count(*) FROM mytsdb.block WHERE storage < 0;
SELECT count(*) FROM mytsdb.label_index WHERE storage < 0;

-- Nobody else reads them.
CREATE ROLE regress_catalogs;
SET ROLE regress_catalogs;
SELECT count(*) FROM mytsdb.block;
SELECT count(*) FROM mytsdb.label_index;
INSERT INTO mytsdb.shard VALUES (1, 0, '{0}');
SELECT mytsdb.discard_row();
RESET ROLE;
DROP ROLE regress_catalogs;

-- The settings of the private buffer.
SHOW mytsdb.buffer_memory;
SHOW mytsdb.bulk_memory;
SET mytsdb.bulk_memory = '1kB';
