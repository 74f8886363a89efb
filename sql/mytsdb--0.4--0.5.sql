\echo Use "ALTER EXTENSION mytsdb UPDATE" to load this file. \quit
