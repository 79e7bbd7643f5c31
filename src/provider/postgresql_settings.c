/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective settings of both servers.  Those that decide what statements
 * mean, and that a session may have of its own, are carried: the copy gets them
 * as settings of the database.  Others belong to the server and are listed.
 * What is set for the database or for a role comes with the dump, or the role.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "provider/steps.h"

#include <string.h>

#define CARRIED                                                         \
  "'DateStyle', 'IntervalStyle', 'TimeZone', 'array_nulls',"            \
  " 'backslash_quote', 'bytea_output', 'check_function_bodies',"        \
  " 'default_text_search_config', 'default_toast_compression',"         \
  " 'default_transaction_deferrable', 'default_transaction_isolation'," \
  " 'extra_float_digits', 'idle_in_transaction_session_timeout',"       \
  " 'lo_compat_privileges', 'lock_timeout', 'search_path',"             \
  " 'standard_conforming_strings', 'statement_timeout',"                \
  " 'timezone_abbreviations', 'transform_null_equals', 'xmlbinary',"    \
  " 'xmloption'"
#define LISTED                                                             \
  "'autovacuum', 'block_size', 'data_checksums', 'default_tablespace',"    \
  " 'fsync', 'full_page_writes', 'lc_monetary', 'lc_numeric', 'lc_time',"  \
  " 'local_preload_libraries', 'max_connections',"                         \
  " 'max_locks_per_transaction', 'max_prepared_transactions',"             \
  " 'password_encryption', 'session_preload_libraries', 'shared_buffers'," \
  " 'shared_preload_libraries', 'ssl', 'synchronous_commit',"              \
  " 'temp_file_limit', 'track_commit_timestamp', 'wal_level', 'work_mem'"

/* What the server gives a session of no special database: what the database
 * has of its own is left out.  A session of psql sets none of these. */
const char postgresql_settings_sql[]
    = "SELECT json_object_agg(name, json_build_object('is', setting, 'unit',"
      " coalesce(unit, ''), 'carried', name IN (" CARRIED "), 'chosen',"
      " source <> 'default')) FROM pg_settings WHERE name IN (" CARRIED
      ", " LISTED ") AND NOT EXISTS (SELECT FROM pg_db_role_setting s,"
      " unnest(setconfig) c WHERE setrole = 0 AND setdatabase = (SELECT oid"
      " FROM pg_database WHERE datname = current_database()) AND"
      " lower(split_part(c, '=', 1)) = lower(name));";

/* That a version has another default is nobody's choice, unless it changes
 * what statements mean. */
static bool
differs (const json_t *a, const json_t *b)
{
  bool carried = json_is_true (json_at (a, "carried"));
  bool chosen = json_is_true (json_at (a, "chosen"))
                || json_is_true (json_at (b, "chosen"));
  return b != NULL && (carried || chosen)
         && !json_equal (json_at (a, "is"), json_at (b, "is"));
}

json_t *
postgresql_settings_carried (const json_t *source, const json_t *target,
                             json_t *findings)
{
  json_t *carry = json_object ();
  const char *name;
  json_t *a;
  json_object_foreach ((json_t *)(uintptr_t)source, name, a)
  {
    const json_t *b = json_object_get (target, name);
    bool carried = json_is_true (json_at (a, "carried"));
    if (!differs (a, b))
      continue;
    if (carried)
      json_object_set (carry, name, json_at (a, "is"));
    json_array_append_new (
        findings,
        json_sprintf ("PostgreSQL's %s is '%s'%s on the source and '%s'%s on "
                      "the target%s",
                      name, json_text (a, "is"), json_text (a, "unit"),
                      json_text (b, "is"), json_text (b, "unit"),
                      carried ? "; the database is given the source's" : ""));
  }
  return carry;
}

/* A list of names is text that the server itself has quoted. */
struct err *
postgresql_settings_put (const json_t *carry, const char *database,
                         struct buf *sql)
{
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)carry, name, value)
  {
    const char *is = json_string_value (value);
    char *quoted CLEANUP_FREE = strcmp (name, "search_path") == 0
                                    ? mem_strdup (is)
                                    : postgresql_literal (is);
    TRY (buf_printf (sql, "ALTER DATABASE %s SET \"%s\" TO %s;\n", database,
                     name, *is == '\0' ? "''" : quoted));
  }
  return NULL;
}

static const char try_sql[]
    = "SET client_min_messages = error;\n"
      "CREATE FUNCTION pg_temp.takes(n text, v text) RETURNS bool LANGUAGE"
      " plpgsql AS $$BEGIN PERFORM set_config(n, v, true); RETURN true;"
      " EXCEPTION WHEN OTHERS THEN RETURN false; END$$;\n"
      "SELECT json_object_agg(n, pg_temp.takes(n, v)) FROM (VALUES %s) AS w"
      " (n, v);";

struct err *
postgresql_settings_try (struct port *target, json_t *carry, json_t *findings)
{
  struct buf values CLEANUP_BUF = BUF_INIT;
  json_t *takes CLEANUP_JSON = NULL;
  const char *name;
  json_t *value;
  json_object_foreach (carry, name, value)
  {
    char *n CLEANUP_FREE = postgresql_literal (name);
    char *v CLEANUP_FREE = postgresql_literal (json_string_value (value));
    TRY (buf_printf (&values, "%s(%s, %s)", values.len > 0 ? ", " : "", n, v));
  }
  if (values.len == 0)
    return NULL;
  char *sql CLEANUP_FREE = mem_printf (try_sql, (const char *)values.data);
  TRY (postgresql_json (target, "postgres", sql, &takes));
  json_object_foreach (takes, name, value)
  {
    if (json_is_true (value))
      continue;
    json_array_append_new (
        findings,
        json_sprintf ("PostgreSQL on the target does not take %s = '%s': it "
                      "keeps its own",
                      name, json_text (carry, name)));
    json_object_del (carry, name);
  }
  return NULL;
}
