-- SPDX-License-Identifier: Apache-2.0
-- Every type of PostgreSQL 15 with values that copies damage, and every kind of object.
CREATE ROLE fid_owner LOGIN PASSWORD 'f';
CREATE ROLE fid_group;
GRANT fid_group TO fid_owner WITH ADMIN OPTION;
CREATE DATABASE fid OWNER fid_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
COMMENT ON DATABASE fid IS 'it''s "odd" \ ü';
ALTER DATABASE fid SET search_path = "Odd ""Schema""", public;
ALTER DATABASE fid SET intervalstyle = 'iso_8601';
ALTER ROLE fid_owner IN DATABASE fid SET work_mem = '7MB';
CREATE DATABASE fid_latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE fid_trigger;
CREATE DATABASE fid_space;
CREATE TABLESPACE fid_away LOCATION '/srv/fid_away';
\connect fid
SET search_path = public;
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE EXTENSION ltree;
CREATE EXTENSION pg_trgm;
CREATE SCHEMA "Odd ""Schema""" AUTHORIZATION fid_owner;
CREATE SCHEMA "1 a.b";
CREATE TABLE numbers (id int PRIMARY KEY, a smallint, b bigint, c numeric, d numeric(1000,500), e numeric(5,-3), f real, g double precision,
  h money, i boolean, j oid, k xid, l xid8, m pg_lsn, n bit(9), o bit varying, p "char", q name, r int2vector, s oidvector, t tid, u cid);
INSERT INTO numbers VALUES (1, -32768, -9223372036854775808, 'NaN', -0.1, 12345678, '-Infinity', 'NaN', '-92233720368547758.08', true, 4294967295,
  '4294967295', '18446744073709551615', 'FFFFFFFF/FFFFFFFF', B'101010101', B'', 'x', repeat('n', 63)::name, '1 2 3', '4 5', '(4294967295,65535)', '7'),
 (2, 32767, 9223372036854775807, 'Infinity', 1e-400, -1000, '3.4028235e38', 1.7976931348623157e308, '92233720368547758.07', false, 0, '0', '0', '0/0',
  B'000000000', repeat('10', 9000)::varbit, '', '', '', '', '(0,0)', '0');
INSERT INTO numbers (id, c, d, f, g, h, p, q) VALUES (3, '-Infinity', 0, '-0', '-0', 0, '\377', '"q"'), (4, 1e-1000, NULL, 1e-45, 5e-324, 0.01, NULL, NULL),
 (5, 123456789012345678901234567890.12345678901234567890000, 0.10, 16777216, 0.1, 1, 'a', 'a'), (6, 0.00, 0, 16777217, 9007199254740993, 1, 'a', 'a'),
 (7, 1e131071, 0, 0.1, 1e23, 0, 'a', 'a'), (8, 1.10, 0, 'NaN', 1/3.0::float8, 0, 'a', 'a'), (9, 1.100, 0, 'Infinity', '-Infinity', 0, 'a', 'a');
CREATE TABLE moments (id int PRIMARY KEY, d date, t time, t3 time(3), tz timetz, ts timestamp, ts0 timestamp(0), tsz timestamptz, i interval,
  i2 interval day to second(2));
INSERT INTO moments VALUES (1, 'infinity', '24:00:00', '23:59:59.999', '24:00:00+15:59:59', 'infinity', '-infinity', '-infinity',
  '178000000 years 11 mons 2147483647 days 23:59:59.999999', '1 day 02:03:04.56'), (2, '-infinity', '00:00', '00:00:00.001', '00:00:00-15:59:59',
  '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59', '4714-11-24 00:00:00+00 BC', '-178000000 years', '-00:00:00.01'), (3, '4714-11-24 BC',
  '23:59:59.999999', NULL, '12:00:00.000001+05:30', '294276-12-31 23:59:59.999999', NULL, '294276-12-31 23:59:59.999999+00', '-1 mons +30 days -24:00:00',
  NULL), (4, '5874897-12-31', NULL, NULL, NULL, '2000-01-01 00:00:00.000001', NULL, '2024-03-31 02:30:00 Europe/Berlin', '0', '0'), (5, '0001-02-28 BC', NULL,
  NULL, NULL, '1582-10-10', NULL, '1883-11-18 12:03:58 America/New_York', '1 mon', NULL);
CREATE TABLE texts (id int PRIMARY KEY, t text, v varchar(7), c char(5), x xml, j json, jb jsonb, jp jsonpath, b bytea, ci citext, hs hstore, lt ltree,
  tv tsvector, tq tsquery, u uuid);
INSERT INTO texts VALUES (1, E'tab\tnl\ncr\rbs\\ \\N NULL \x01\x7f😀é', '', '', '<a b="c">ü &amp; <![CDATA[<]]></a>', '{"a": 1,  "a":2, "z":1.0e5}',
  '{"a":[1.10,null,"\\u00fc"],"n":1e400}', '$.a[*] ? (@ > 1)', '\x00ff0a5c27', 'CiText', 'a=>NULL, "b c"=>"\"q\"\\"', 'Top.A_1.x', $$'it''s':3A fat:1,2C$$,
  $$fat & ( rat | !'c d':*B ) <3> x$$, '00000000-0000-0000-0000-000000000000'), (2, repeat('long text \ 😀', 80000), 'ü😀', 'ab', '', '"x"', '1', '$', (SELECT
  string_agg(set_byte('\x00', 0, i), '' ORDER BY i) FROM generate_series(0, 255) i), '', '', '', '', '', 'ffffffff-ffff-ffff-ffff-ffffffffffff'), (3, '\N',
  'NULL', '\.', 'text only', 'null', 'null', 'strict $', '', 'NULL', NULL, NULL, NULL, NULL, NULL), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL), (5, '', '   ', '   ', NULL, '  {}  ', '[]', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE shapes (id int PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle, ip inet, ci cidr, m macaddr, m8 macaddr8);
INSERT INTO shapes VALUES (1, '(1e300,-0)', '{1,-1,0.1}', '[(0,0),(1e-300,5e-324)]', '(1,1),(0,0)', '((0,0),(1,1),(2,0))', '((0,0),(1,1),(2,0))', '<(0.1,0.2),3>',
  '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'), (2, '(NaN,Infinity)', NULL, NULL, NULL, '[(0,0)]', NULL, '<(0,0),0>',
  '::ffff:1.2.3.4/128', '::/0', 'ff:ff:ff:ff:ff:ff', NULL), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2001:db8::1/64', '192.168.1.1/32', NULL, NULL);
CREATE TYPE mood AS ENUM ('sad', 'it''s', 'ok', '', 'ü');
ALTER TYPE mood ADD VALUE 'before ok' BEFORE 'ok';
CREATE TYPE pair AS (a int, "b c" text);
CREATE DOMAIN small AS int DEFAULT 7 CHECK (VALUE < 100) NOT NULL;
CREATE DOMAIN words AS text[] CHECK (array_length(VALUE, 1) < 9);
CREATE TYPE frange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TABLE made (id int PRIMARY KEY, m mood, ms mood[], p pair, ps pair[], s small, w words, r1 int4range, r2 numrange, r3 tstzrange, r4 daterange, r5 frange,
  mr int8multirange, a1 int[], a2 text[], a3 bytea[][], a4 float8[], a5 int[3], rc regclass, rp regprocedure, rt regtype, rr regrole);
INSERT INTO made VALUES (1, 'it''s', '{sad,NULL,"",ü}', '(1,"x ""y"" \\ ,")', '{"(1,)","(,\"\")"}', 99, '{a,b}', '[1,5)', '(,)', '[2024-01-01 00:00+00,infinity)', 'empty',
  '[0.1,NaN]', '{[1,3),[5,)}', '[-2:0]={1,NULL,3}', '{"NULL",NULL,"","a\"b\\"}', '{{"\\x00","\\xff"},{NULL,"\\x"}}', '{NaN,-0,Infinity}', '{1,2,3,4}', 'numbers',
  'pg_catalog.lower(text)', 'mood', 'fid_owner') ON CONFLICT DO NOTHING;
INSERT INTO made (id, m, r1, mr, a2, s) VALUES (2, '', '(,5]', '{}', '{}', -5), (3, NULL, NULL, NULL, ARRAY['{}', E'\\', ',', NULL, 'null'], 0);
CREATE TABLE "Odd ""Schema"""."t'1 \ "" %s" ("from" int, "a ""b"" \ 'c'" text DEFAULT E'\\ ''q''', gen int GENERATED ALWAYS AS ("from" * 2) STORED, "日本😀" int);
INSERT INTO "Odd ""Schema"""."t'1 \ "" %s" VALUES (1, E'\n', DEFAULT, 2), (1, E'\n', DEFAULT, 2), (NULL, NULL, DEFAULT, NULL);
CREATE TABLE "1 a.b"."select" (id int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT -3 MINVALUE -100 MAXVALUE 10 CYCLE), x int GENERATED BY DEFAULT AS IDENTITY);
INSERT INTO "1 a.b"."select" (x) VALUES (DEFAULT), (500);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE nokey (a int, b text);
INSERT INTO nokey SELECT i % 3, 'same' FROM generate_series(1, 3000) i;
CREATE TABLE dropped (a int, gone text, b int);
INSERT INTO dropped VALUES (1, 'x', 2);
ALTER TABLE dropped DROP COLUMN gone, ADD COLUMN c int DEFAULT 42, ADD COLUMN d timestamptz DEFAULT '2020-01-01 00:00+00';
CREATE UNLOGGED TABLE unlogged (a int PRIMARY KEY);
INSERT INTO unlogged VALUES (1);
CREATE TABLE stored (a text, b text COMPRESSION lz4) WITH (fillfactor = 50, autovacuum_enabled = false);
ALTER TABLE stored ALTER a SET STORAGE EXTERNAL;
INSERT INTO stored SELECT repeat('x', 10000), repeat('y', 10000) FROM generate_series(1, 3);
ALTER TABLE stored ALTER a SET STATISTICS 77, ALTER b SET (n_distinct = 5);
CREATE TABLE parent (a int, b text CHECK (b <> 'no'));
CREATE TABLE child (c int) INHERITS (parent);
CREATE TABLE grandchild (d int) INHERITS (child, "1 a.b"."select");
INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (2, 'c', 3); INSERT INTO grandchild (a, b, c, id, x, d) VALUES (4, 'g', 5, 6, 7, 8);
CREATE TABLE parts (k int, v text, at date NOT NULL) PARTITION BY RANGE (k);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (0);
CREATE TABLE parts_mid PARTITION OF parts FOR VALUES FROM (0) TO (100) PARTITION BY LIST (v);
CREATE TABLE parts_mid_a PARTITION OF parts_mid FOR VALUES IN ('a', NULL);
CREATE TABLE parts_mid_rest PARTITION OF parts_mid DEFAULT;
CREATE TABLE parts_other (at date NOT NULL, junk int, v text, k int);
ALTER TABLE parts_other DROP COLUMN junk;
ALTER TABLE parts ATTACH PARTITION parts_other FOR VALUES FROM (100) TO (MAXVALUE);
CREATE TABLE hashed (k int) PARTITION BY HASH (k);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT i, CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN NULL ELSE 'b' END, '2024-01-01' FROM generate_series(-50, 200) i;
INSERT INTO hashed SELECT generate_series(1, 50);
CREATE INDEX on_parts ON parts (k, v);
CREATE TABLE ring_a (id int PRIMARY KEY, b int);
CREATE TABLE ring_b (id int PRIMARY KEY, a int REFERENCES ring_a ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED);
INSERT INTO ring_a VALUES (1, 1), (2, 99); INSERT INTO ring_b VALUES (1, 2);
ALTER TABLE ring_a ADD CONSTRAINT "to b" FOREIGN KEY (b) REFERENCES ring_b MATCH FULL NOT VALID, ADD CONSTRAINT own CHECK (id > b OR b > 50) NOT VALID;
CREATE TABLE booked (room int, during tsrange, EXCLUDE USING gist (int4range(room, room, '[]') WITH =, during WITH &&));
INSERT INTO booked VALUES (1, '[2024-01-01,2024-01-02)');
CREATE TABLE indexed (id int, t text, j jsonb, UNIQUE NULLS NOT DISTINCT (t) INCLUDE (id), PRIMARY KEY (id) DEFERRABLE);
INSERT INTO indexed SELECT i, 'w' || i, '{"a": 1}' FROM generate_series(1, 200) i;
CREATE INDEX "i'1" ON indexed (lower(t) text_pattern_ops DESC NULLS LAST, (id % 7)) WHERE id > 5;
CREATE INDEX ON indexed USING gin (j jsonb_path_ops); CREATE INDEX ON indexed USING gin (t gin_trgm_ops); CREATE INDEX ON indexed USING brin (id) WITH (pages_per_range = 4);
CREATE INDEX ON indexed USING hash (t); CREATE INDEX ON shapes USING spgist (p); CREATE UNIQUE INDEX clustered ON indexed (id, t); ALTER TABLE indexed CLUSTER ON clustered;
CREATE STATISTICS stat (ndistinct, mcv) ON id, t FROM indexed;
ALTER TABLE indexed REPLICA IDENTITY FULL;
CREATE COLLATION own_c (provider = libc, locale = 'C'); CREATE TABLE sorted (a text COLLATE own_c, b text COLLATE "POSIX");
INSERT INTO sorted VALUES ('a', 'B'), ('A', 'b');
CREATE SEQUENCE seq_up START 5 MINVALUE -10 MAXVALUE 1000 INCREMENT 7 CACHE 3 CYCLE; SELECT nextval('seq_up');
CREATE SEQUENCE seq_down AS smallint INCREMENT -3 MINVALUE -30 MAXVALUE -1; SELECT setval('seq_down', -30, true);
CREATE SEQUENCE seq_fresh START 77; CREATE SEQUENCE seq_big; SELECT setval('seq_big', 9223372036854775807); CREATE SEQUENCE seq_owned OWNED BY nokey.a;
CREATE TABLE log (what text);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $f$BEGIN INSERT INTO log VALUES ('fired \ ''x'''); NEW.b := 'fired'; RETURN NEW; END$f$;
CREATE TRIGGER "fires 1" BEFORE INSERT OR UPDATE ON nokey FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER off BEFORE INSERT ON dropped FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE dropped DISABLE TRIGGER off;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.what = 'never') EXECUTE FUNCTION stamp();
CREATE RULE ruled AS ON INSERT TO hashed_0 DO ALSO INSERT INTO log VALUES ('rule');
CREATE FUNCTION body(a int, OUT b int, VARIADIC c text[] DEFAULT '{}') LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 7 BEGIN ATOMIC SELECT a + 1; END;
CREATE FUNCTION many() RETURNS SETOF pair LANGUAGE sql ROWS 3 AS 'SELECT 1, ''x''';
CREATE PROCEDURE proc(INOUT x int) LANGUAGE plpgsql AS 'BEGIN x := 1; END'; REVOKE EXECUTE ON PROCEDURE proc FROM PUBLIC;
CREATE AGGREGATE summed (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = ===); CREATE CAST (pair AS text) WITH INOUT;
CREATE TEXT SEARCH CONFIGURATION words_cfg (COPY = simple);
CREATE VIEW v1 AS SELECT id, t, lower(t) AS "l'1" FROM indexed WHERE id > 3 WITH LOCAL CHECK OPTION; CREATE VIEW v0_on_v1 WITH (security_barrier, security_invoker) AS SELECT "l'1" FROM v1;
CREATE RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 5;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM nokey; CREATE UNIQUE INDEX ON mv (n); CREATE MATERIALIZED VIEW mv_empty AS SELECT 1 AS x WITH NO DATA;
CREATE POLICY mine ON log FOR SELECT TO fid_group USING (what <> 'x'); ALTER TABLE log ENABLE ROW LEVEL SECURITY; ALTER TABLE sorted FORCE ROW LEVEL SECURITY;
CREATE PUBLICATION pub FOR TABLE numbers WHERE (id > 1), indexed (id); CREATE FOREIGN DATA WRAPPER fdw; CREATE SERVER srv FOREIGN DATA WRAPPER fdw OPTIONS (host 'x');
CREATE USER MAPPING FOR fid_owner SERVER srv OPTIONS (password 'p'); CREATE FOREIGN TABLE far (a int) SERVER srv;
CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''ddl''; END'; CREATE EVENT TRIGGER evt ON ddl_command_end EXECUTE FUNCTION ev();
SELECT lo_from_bytea(4711, '\x00ff5c0a'), lo_from_bytea(4294967295, ''), lo_create(5); COMMENT ON LARGE OBJECT 5 IS 'lo \'; GRANT SELECT ON LARGE OBJECT 4711 TO fid_group; ALTER LARGE OBJECT 5 OWNER TO fid_owner;
COMMENT ON TABLE nokey IS E'a ''table''\n\\'; COMMENT ON COLUMN "1 a.b"."select".x IS 'ü'; GRANT SELECT (a), UPDATE ON nokey TO fid_group WITH GRANT OPTION; REVOKE ALL ON SCHEMA "1 a.b" FROM PUBLIC;
GRANT USAGE ON SCHEMA "1 a.b" TO PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE fid_owner IN SCHEMA public GRANT SELECT ON TABLES TO fid_group; ALTER TABLE numbers OWNER TO fid_owner;
GRANT CONNECT, TEMP ON DATABASE fid TO fid_group; GRANT ALL ON FUNCTION many() TO fid_owner;
\connect fid_latin
SET client_encoding = 'LATIN1';
CREATE TABLE t (id int PRIMARY KEY, a text, "spalte" bytea);
INSERT INTO t VALUES (1, convert_from('\xe4f6fcdfff8180', 'LATIN1'), '\x00ff'), (2, '', NULL);
\connect fid_trigger
CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER always AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t ENABLE ALWAYS TRIGGER always;
\connect fid_space
CREATE TABLE t (a int) TABLESPACE fid_away;
