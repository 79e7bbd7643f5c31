-- SPDX-License-Identifier: Apache-2.0
-- A second method: what psql itself says of every table, sequence and role, on whichever server;
-- orders goes on growing.
SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(r::text, chr(10) ORDER BY r::text COLLATE "C"), $$$$)) FROM %I.%I r;',
  relname, nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'm') AND relname <> 'orders' AND nspname IN ('public', 'Odd Schema') ORDER BY 1 \gexec
SELECT encode(lo_get(4711), 'escape');
SELECT rolname, rolpassword, rolconnlimit, rolcanlogin FROM pg_authid WHERE oid >= 16384 ORDER BY 1;
SELECT setconfig FROM pg_db_role_setting ORDER BY 1;
SELECT has_table_privilege('anna', 'nokey', 'SELECT'), has_table_privilege('anna', 'orders', 'SELECT');
