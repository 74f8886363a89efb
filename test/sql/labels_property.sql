-- Random sets of labels keep their meaning through every form; order, equality and
-- hashes agree; ~ agrees with a naive matcher.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
CREATE SCHEMA labels_property_test;
SET search_path = labels_property_test, public;
SELECT setseed(0.20240617);

CREATE FUNCTION pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
    $$ SELECT choices[1 + floor(random() * array_length(choices, 1))::int] $$;
CREATE FUNCTION random_text(most int, VARIADIC atoms text[]) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    t text := '';
BEGIN
    FOR i IN 1 .. floor(random() * (most + 1)) LOOP
        t := t || pick(VARIADIC atoms);
    END LOOP;
    RETURN t;
END
$$;
-- Names and values as jsonb, the naive form
CREATE FUNCTION random_object() RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    o jsonb := '{}';
BEGIN
    FOR i IN 1 .. floor(random() * 6) LOOP
        o := o || jsonb_build_object(
            pick('__name__', 'a', 'b', 'ab', 'B', '_9', 'x.y', 'é', '"', E'\n', 'nan', pick('a', 'b') || random_text(2, 'a', 'b', '=', '"')),
            random_text(4, 'a', 'b', 'ab', '"', '\', E'\n', E'\t', E'\x01', E'\u0080', '{', '}', ',', '=', 'é', '😀', '''', '`', ' '));
    END LOOP;
    RETURN o;
END
$$;

CREATE TABLE s (id serial PRIMARY KEY, o jsonb, l labels);
INSERT INTO s (o) SELECT random_object() FROM generate_series(1, 5000);
INSERT INTO s (o) VALUES ('{}');
-- Empty values are no labels
UPDATE s SET o = coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(o) WHERE value <> ''), '{}');
UPDATE s SET l = o::labels;
SELECT count(*) > 4000 AS many, count(DISTINCT l) > 2500 AS different FROM s;

-- Through every form and back
CREATE VIEW wrong AS
SELECT id, o, l FROM s
 WHERE l::jsonb <> o OR l::text::labels <> l OR l::jsonb::labels <> l OR l::jsonb::text::labels <> l
    OR l <> labels(label_names(l), ARRAY(SELECT l ->> n FROM unnest(label_names(l)) n))
    OR label_names(l) <> ARRAY(SELECT k FROM jsonb_object_keys(o) k ORDER BY k COLLATE "C")
    OR NOT l @> l OR l || l <> l OR (l - label_names(l)) <> '{}'
    OR coalesce(metric_name(l), '') <> coalesce(o ->> '__name__', '');
SELECT * FROM wrong;
COPY s (id, l) TO PROGRAM 'cat > labels_property.copy' (FORMAT binary);
CREATE TABLE back (id int, l labels);
COPY back FROM PROGRAM 'cat labels_property.copy; rm labels_property.copy' (FORMAT binary);
SELECT count(*) = (SELECT count(*) FROM s) AS all_back FROM s JOIN back USING (id)
 WHERE s.l = back.l AND labels_send(s.l) = labels_send(back.l);
CREATE TABLE texts (id int, l labels);
COPY s (id, l) TO PROGRAM 'cat > labels_property.copy';
COPY texts FROM PROGRAM 'cat labels_property.copy; rm labels_property.copy';
SELECT count(*) = (SELECT count(*) FROM s) AS all_back FROM s JOIN texts USING (id) WHERE s.l = texts.l;

-- Order: the rank by names and values in turn, byte by byte, decides every pair
CREATE TABLE few AS
SELECT l, labels_hash(l) AS h, labels_hash_extended(l, 0) AS h0, labels_hash_extended(l, 1) AS h1,
       dense_rank() OVER (ORDER BY ARRAY(SELECT x FROM unnest(label_names(l)) WITH ORDINALITY n(name, i),
                                                LATERAL (VALUES (1, name), (2, l ->> name)) v(j, x)
                                          ORDER BY i, j) COLLATE "C") AS naive
  FROM s WHERE id % 12 = 0;
INSERT INTO few SELECT l || '{}', h, h0, h1, naive FROM few TABLESAMPLE SYSTEM (100) LIMIT 40;
SELECT count(*) > 100000 AS many_pairs,
       count(*) FILTER (WHERE (a.l < b.l) <> (a.naive < b.naive)) AS lt,
       count(*) FILTER (WHERE (a.l = b.l) <> (a.naive = b.naive)) AS eq,
       count(*) FILTER (WHERE (a.l > b.l) <> (a.naive > b.naive)) AS gt,
       count(*) FILTER (WHERE (a.l <= b.l) = (a.l > b.l)) AS le,
       count(*) FILTER (WHERE (a.l >= b.l) = (a.l < b.l)) AS ge,
       count(*) FILTER (WHERE (a.l <> b.l) = (a.l = b.l)) AS ne,
       count(*) FILTER (WHERE sign(labels_cmp(a.l, b.l)) <> sign(a.naive - b.naive)) AS cmp,
       count(*) FILTER (WHERE a.l = b.l AND (a.h, a.h0, a.h1) <> (b.h, b.h0, b.h1)) AS equal_hash,
       count(*) FILTER (WHERE (a.l = b.l) <> (a.h0 = b.h0)) AS collision,
       count(*) FILTER (WHERE (a.l @> b.l) <> (a.l::jsonb @> b.l::jsonb)) AS contains,
       count(*) FILTER (WHERE (a.l || b.l)::jsonb <> a.l::jsonb || b.l::jsonb) AS concat
  FROM few a, few b;
SELECT count(*) FROM few WHERE h <> labels_hash(l) OR (h0 & 4294967295) <> (h::bigint & 4294967295);
SELECT count(*) FROM (SELECT l, lag(l) OVER (ORDER BY l) AS before FROM s) x WHERE before > l;

-- Selectors. Patterns are of the part of the syntax that PostgreSQL has in common with
-- RE2; the naive matcher reads labels from jsonb and uses PostgreSQL's own engine.
CREATE FUNCTION random_pattern(depth int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    p text := '';
    atom text;
BEGIN
    FOR i IN 1 .. floor(random() * 4) LOOP
        atom := CASE floor(random() * 8)::int
            WHEN 0 THEN '.'
            WHEN 1 THEN '[' || pick('ab', '^a', 'a-c', 'é"', '^"\n') || ']'
            WHEN 2 THEN CASE WHEN depth > 0 THEN '(' || random_pattern(depth - 1) || ')' ELSE 'b' END
            WHEN 3 THEN CASE WHEN depth > 0 THEN '(?:' || random_pattern(depth - 1) || '|' || random_pattern(depth - 1) || ')' ELSE 'a' END
            WHEN 4 THEN pick('\.', '\{', '\\', '\n', '"')
            ELSE pick('a', 'b', 'ab', 'é', ',', '=', '😀', ' ')
        END;
        p := p || atom || pick('', '', '', '*', '+', '?', '{1,2}', '{2}', '*?');
    END LOOP;
    RETURN p || CASE WHEN random() < 0.2 THEN '|' || random_text(2, 'a', 'b', 'ab', '.', '.*') ELSE '' END;
END
$$;
CREATE FUNCTION naive_match(o jsonb, name text, op text, value text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
    v text := coalesce(o ->> name, '');
BEGIN
    RETURN CASE op WHEN '=' THEN v = value
                   WHEN '!=' THEN v <> value
                   WHEN '=~' THEN v ~ ('^(?:' || value || ')$')
                   ELSE v !~ ('^(?:' || value || ')$') END;
END
$$;
-- How labels quote a name or a value serves selectors, too
CREATE FUNCTION quoted(t text) RETURNS text LANGUAGE sql AS
    $$ SELECT CASE WHEN t = '' THEN '""' ELSE substr(labels('{x}', ARRAY[t])::text, 4, length(labels('{x}', ARRAY[t])::text) - 4) END $$;
CREATE FUNCTION compare_matchers(rounds int) RETURNS TABLE (problem text) LANGUAGE plpgsql AS $$
DECLARE
    r record;
    row_id int;
    names text[];
    ops text[];
    patterns text[];
    selector text;
    naive bool;
    ours bool;
    matched int := 0;
    regexes int := 0;
BEGIN
    FOR n IN 1 .. rounds LOOP
        row_id := 1 + floor(random() * 5000);
        SELECT * INTO r FROM s WHERE id = row_id;
        selector := '';
        naive := true;
        FOR i IN 1 .. 1 + floor(random() * 2)::int LOOP
            names[i] := coalesce(CASE WHEN random() < 0.8 THEN (label_names(r.l))[1 + floor(random() * cardinality(label_names(r.l)))::int] END, pick('a', 'b', 'x.y', 'none', '__name__'));
            ops[i] := pick('=', '!=', '=~', '=~', '=~', '!~');
            IF ops[i] IN ('=', '!=') THEN
                patterns[i] := CASE WHEN random() < 0.6 THEN coalesce(r.l ->> names[i], '') ELSE random_text(2, 'a', 'b') END;
            ELSE
                patterns[i] := random_pattern(2);
                regexes := regexes + 1;
            END IF;
            selector := selector || CASE WHEN i > 1 THEN ',' ELSE '' END || quoted(names[i]) || ops[i] || quoted(patterns[i]);
            naive := naive AND naive_match(r.o, names[i], ops[i], patterns[i]);
        END LOOP;
        ours := r.l ~ ('{' || selector || '}');
        matched := matched + ours::int;
        IF ours <> naive OR (r.l !~ ('{' || selector || '}')) = ours THEN
            problem := format('%s ~ {%s}: %s', r.l, selector, ours);
            RETURN NEXT;
        END IF;
    END LOOP;
    problem := format('matched between a tenth and nine tenths: %s, with regular expressions: %s',
                      matched BETWEEN rounds / 10 AND rounds * 9 / 10, regexes > rounds / 2);
    RETURN NEXT;
END
$$;
SELECT compare_matchers(10000);
DROP SCHEMA labels_property_test CASCADE;
