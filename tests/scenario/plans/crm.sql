-- SPDX-License-Identifier: Apache-2.0
-- The database that moves: an order table that is written all the time, and what is odd.
CREATE ROLE crm LOGIN PASSWORD 'geheim';
CREATE ROLE reader;
CREATE ROLE anna LOGIN CONNECTION LIMIT 3 IN ROLE reader;
ALTER ROLE anna SET search_path = public, "Odd Schema";
CREATE DATABASE crm OWNER crm;
ALTER DATABASE crm SET work_mem = '5MB';
\connect crm
CREATE EXTENSION pg_trgm;
CREATE SCHEMA "Odd Schema";
CREATE TABLE orders (id bigserial PRIMARY KEY, note text, amount double precision, at timestamptz DEFAULT now());
ALTER TABLE orders OWNER TO crm;
CREATE TABLE "Odd Schema"."select ""x""" ("from" int, gen int GENERATED ALWAYS AS ("from" * 2) STORED, "order" text);
INSERT INTO "Odd Schema"."select ""x""" ("from", "order") SELECT i, repeat('a', i) FROM generate_series(1, 50) i;
CREATE TABLE nokey (a int, b text);
INSERT INTO nokey SELECT i % 10, 'same' FROM generate_series(1, 5000) i;
CREATE TABLE many (id int PRIMARY KEY, u int UNIQUE, x text);
INSERT INTO many SELECT i, i, repeat('x', 40) FROM generate_series(-20000, 40000) i;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE TABLE kinds (id int PRIMARY KEY, f real, d double precision, n numeric, b bytea, j jsonb, a int[], t timestamptz,
  i interval, r int4range, m money, u uuid, bits bit(5), x text, e mood, s small, p point, ip inet, dt date, c char(5));
INSERT INTO kinds VALUES (1, 16777216, 'NaN', 'NaN', '\x00ff0a', '{"a": [1, null]}', '{1,NULL,3}', 'infinity',
  '1 mon -3 days', '[1,5)', '12.50', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', B'10101', E'tab\tnl\nbs\\ NULL \\N',
  'sad', 99, '(1.5,-0)', '10.0.0.1/8', '4713-01-01 BC', 'ab');
INSERT INTO kinds (id, d, n, x, t) VALUES (2, '-Infinity', 1e-300, NULL, '-infinity'), (3, -0.0, 0.10, '', NULL),
  (4, 5e-324, 123456789012345678901234567890.1234567890, 'NULL', '0001-01-01 00:00:00+00 BC'), (5, 0.1, NULL, U&'\+01F600', NULL);
CREATE TABLE parts (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
INSERT INTO parts SELECT i, i FROM generate_series(0, 99) i;
CREATE TABLE refs (o bigint REFERENCES orders (id) ON DELETE CASCADE);
CREATE VIEW big AS SELECT * FROM orders WHERE amount > 0.5;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM nokey;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := NEW.note || ''!''; RETURN NEW; END';
CREATE TRIGGER stamped BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE COLLATION german (provider = icu, locale = 'de');
CREATE TABLE names (n text COLLATE german, i int) PARTITION BY RANGE (n);
CREATE TABLE names_1 PARTITION OF names FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
CREATE INDEX names_n ON names (n);
INSERT INTO names SELECT chr(192 + i % 60) || i, i FROM generate_series(1, 500) i;
CREATE TABLE parent (a int, b int, PRIMARY KEY (a, b));
INSERT INTO parent VALUES (1, 1), (1, 2);
CREATE TABLE "the child" (id int PRIMARY KEY, a int, "B" int);
INSERT INTO "the child" VALUES (5, 1, 2), (6, 1, NULL), (7, NULL, 9), (8, 1, 9);
ALTER TABLE "the child" ADD CONSTRAINT leads FOREIGN KEY (a, "B") REFERENCES parent DEFERRABLE INITIALLY DEFERRED NOT VALID;
CREATE TABLE hourly (id serial PRIMARY KEY, at timestamp, day date) PARTITION BY RANGE (id);
CREATE TABLE hourly_1 PARTITION OF hourly FOR VALUES FROM (0) TO (3);
CREATE TABLE hourly_2 PARTITION OF hourly FOR VALUES FROM (3) TO (100);
INSERT INTO hourly (at, day) VALUES ('2024-01-01 00:10', '2024-01-01'), ('2024-01-01 01:20', '2024-01-01'), ('2024-01-01 05:30',
  '2024-01-03'), ('infinity', NULL);
CREATE TABLE refused (id int PRIMARY KEY, n int);
INSERT INTO refused VALUES (1, 1);
ALTER TABLE refused ADD CONSTRAINT more CHECK (n > 1) NOT VALID;
GRANT SELECT ON nokey TO reader;
SELECT lo_from_bytea(4711, 'a large object');
