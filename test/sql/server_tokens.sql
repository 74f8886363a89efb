-- Tokens: who may make, see and revoke them, and what becomes of them when their role goes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE ROLE token_alice LOGIN;
CREATE ROLE token_bob LOGIN;
CREATE ROLE token_senders LOGIN;
GRANT token_senders TO token_bob;

-- a token is shown once; what is kept is its hash
SELECT mytsdb.create_token('token_alice') AS token \gset
SELECT :'token' ~ '^mytsdb_[0-9a-f]{16}_[0-9a-f]{64}$' AS shape;
SELECT substr(:'token', 8, 16) AS id \gset
SELECT role, role_oid = 'token_alice'::regrole AS same_role, description, expires,
        hash = sha256(decode(substr(:'token', 25), 'hex')) AS hashed, created <= now() AS created
    FROM mytsdb.token WHERE id = :'id';
SELECT mytsdb.create_token('token_alice') <> :'token' AS another;

-- whoever is a member of the role
SET ROLE token_bob;
SELECT mytsdb.create_token('token_alice');
SELECT length(mytsdb.create_token('token_bob', 'my own'));
SELECT length(mytsdb.create_token('token_senders', 'prometheus', '2100-01-01 00:00+00'));
SELECT mytsdb.create_token('postgres');
SELECT role, description, expires AT TIME ZONE 'UTC' AS expires, valid, last_used FROM mytsdb.tokens ORDER BY description;
SELECT * FROM mytsdb.token;
DELETE FROM mytsdb.token;
SELECT mytsdb.restore_token();
\set VERBOSITY sqlstate
SELECT mytsdb.revoke_token(:'id');
\set VERBOSITY default
SELECT mytsdb.revoke_token('no such');
SELECT mytsdb.revoke_token(id) FROM mytsdb.tokens WHERE description = 'prometheus';
SELECT description FROM mytsdb.tokens;
RESET ROLE;
SELECT mytsdb.revoke_token(:'id');
SELECT count(*) FROM mytsdb.token WHERE id = :'id';

-- rolled back is not revoked
SELECT id FROM mytsdb.tokens WHERE role = 'token_alice' \gset
BEGIN;
SELECT mytsdb.revoke_token(:'id');
ROLLBACK;
SELECT valid FROM mytsdb.tokens WHERE id = :'id';

-- what cannot be
SELECT mytsdb.create_token('token_nobody');
SELECT mytsdb.create_token(NULL);
SELECT mytsdb.create_token('token_alice', NULL, 'yesterday');
SELECT mytsdb.create_token('token_alice', NULL, '-infinity');
SELECT mytsdb.revoke_token(NULL) IS NULL AS nothing;
SELECT mytsdb.token_last_used('no id') IS NULL AS never;

-- a role that is dropped or renamed takes its tokens with it
ALTER ROLE token_alice RENAME TO token_alicia;
SELECT role, valid FROM mytsdb.tokens WHERE id = :'id';
CREATE ROLE token_alice LOGIN;
SELECT role, valid FROM mytsdb.tokens WHERE id = :'id';
DROP ROLE token_alice;
ALTER ROLE token_alicia RENAME TO token_alice;
SELECT role, valid FROM mytsdb.tokens WHERE id = :'id';
ALTER ROLE token_alice NOLOGIN;
SELECT role, valid FROM mytsdb.tokens WHERE id = :'id';
DROP ROLE token_alice;
CREATE ROLE token_alice LOGIN;
SELECT role, valid FROM mytsdb.tokens WHERE id = :'id';
SET ROLE token_alice;
SELECT count(*) FROM mytsdb.tokens;
\set VERBOSITY sqlstate
SELECT mytsdb.revoke_token(:'id');
\set VERBOSITY default
RESET ROLE;

-- not where nothing may be written
BEGIN READ ONLY;
SELECT mytsdb.create_token('token_bob');
ROLLBACK;
BEGIN READ ONLY;
SELECT mytsdb.revoke_token(:'id');
ROLLBACK;

-- as a dump is restored: the role is found by its name; what pg_dump takes
CREATE TABLE dumped_tokens AS SELECT * FROM mytsdb.token;
SELECT extcondition[array_position(extconfig, 'mytsdb.token'::regclass)] AS condition FROM pg_extension
    WHERE extname = 'mytsdb' \gset
SELECT role, description FROM mytsdb.token :condition ORDER BY role;
DELETE FROM mytsdb.token;
UPDATE dumped_tokens SET role_oid = 1;
UPDATE dumped_tokens SET role = 'token_nobody' WHERE id = :'id';
INSERT INTO mytsdb.token SELECT * FROM dumped_tokens;
SELECT role, role_oid = 'token_bob'::regrole AS found, description FROM mytsdb.token;
DROP TABLE dumped_tokens;
DELETE FROM mytsdb.token;
DROP ROLE token_alice, token_bob, token_senders;
