-- SPDX-License-Identifier: Apache-2.0
-- Every type of PostgreSQL 15 with values that copies damage, and every kind of object; run in the new database fid.
CREATE ROLE fid_owner LOGIN PASSWORD 'f';
CREATE ROLE fid_group;
GRANT fid_group TO fid_owner WITH ADMIN OPTION;
CREATE DATABASE fid OWNER fid_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
ALTER DATABASE fid SET search_path = "Odd ""Schema""", public;
ALTER DATABASE fid SET intervalstyle = 'iso_8601';
ALTER ROLE fid_owner IN DATABASE fid SET work_mem = '7MB';
CREATE DATABASE fid_latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE fid_trigger;
CREATE DATABASE fid_prepared;
CREATE DATABASE fid_space;
\connect fid
SET search_path = public;
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE EXTENSION ltree SCHEMA pg_catalog;
CREATE EXTENSION pg_trgm;
CREATE SCHEMA "Odd ""Schema""" AUTHORIZATION fid_owner;
CREATE SCHEMA "1 a.b" ;
CREATE TABLE numbers (id int PRIMARY KEY, a smallint, b bigint, c numeric, d numeric(1000,500), e numeric(5,-3), f real, g double precision,
  h money, i boolean, j oid, k xid, l xid8, m pg_lsn, n bit(9), o bit varying, p "char", q name, r int2vector, s oidvector, t tid, u cid);
INSERT INTO numbers VALUES (1, -32768, -9223372036854775808, 'NaN', -0.1, 12345678, '-Infinity', 'NaN', '-92233720368547758.08', true, 4294967295,
  '4294967295', '18446744073709551615', 'FFFFFFFF/FFFFFFFF', B'101010101', B'', 'x', repeat('n', 63), '1 2 3', '4 5', '(4294967295,65535)', '7'),
 (2, 32767, 9223372036854775807, 'Infinity', 1e-400, -1000, '3.4028235e38', 1.7976931348623157e308, '92233720368547758.07', false, 0, '0', '0', '0/0',
  B'000000000', repeat('10', 9000)::varbit, '', '', '', '', '(0,0)', '0'), (3, 0, 0, '-Infinity', 0, 0, '-0', '-0', 0, NULL, 1, NULL, NULL, NULL, NULL,
  NULL, '\377', '"q"', NULL, NULL, NULL, NULL), (4, NULL, 1, 1e-1000, NULL, NULL, 1e-45, 5e-324, 0.01, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL), (5, 1, 2, 123456789012345678901234567890.12345678901234567890000, 0.10, 1000, 16777216, 0.1, 1, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (6, 1, 2, 0.00, 0, 0, 16777217, 9007199254740993, 1, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL), (7, 0, 0, '1e131071', 0, 0, 0.1, 1e23, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (8, 0, 0, 1.10, 0, 0, 'NaN', 1/3.0::float8, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE moments (id int PRIMARY KEY, d date, t time, t3 time(3), tz timetz, ts timestamp, ts0 timestamp(0), tsz timestamptz, i interval,
  i2 interval day to second(2));
INSERT INTO moments VALUES (1, 'infinity', '24:00:00', '23:59:59.999', '24:00:00+15:59:59', 'infinity', '-infinity', '-infinity',
  '178000000 years 11 mons 2147483647 days 23:59:59.999999', '1 day 02:03:04.56'), (2, '-infinity', '00:00', '00:00:00.001', '00:00:00-15:59:59',
  '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59', '4714-11-24 00:00:00+00 BC', '-178000000 years', '-00:00:00.01'), (3, '4714-11-24 BC',
  '23:59:59.999999', NULL, '12:00:00.000001+05:30', '294276-12-31 23:59:59.999999', NULL, '294276-12-31 23:59:59.999999+00', '-1 mons +30 days -24:00:00',
  NULL), (4, '5874897-12-31', NULL, NULL, NULL, '2000-01-01 00:00:00.000001', NULL, '2024-03-31 02:30:00 Europe/Berlin', '0', '0'), (5, '0001-02-28 BC', NULL, NULL, NULL,
  '1582-10-10', NULL, '1883-11-18 12:03:58 America/New_York', '1 mon', NULL);
CREATE TABLE texts (id int PRIMARY KEY, t text, v varchar(7), c char(5), c1 char, x xml, j json, jb jsonb, jp jsonpath, b bytea, ci citext, hs hstore,
  lt ltree, tv tsvector, tq tsquery, u uuid, un unknown_text_dummy) ;
