/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declared queries on a PostgreSQL server (queries.h), under EXPLAIN ANALYZE,
 * which makes all rows, drops them, and says how long it took.  A loop over a
 * string is a cursor, which the server opens for one statement and no more.
 */
#include "provider/postgresql.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/queries.h"
#include "provider/remote.h"

#include <string.h>

#define SAID_MAX ((size_t)1 << 20)

static const char run_sql[]
    = "BEGIN READ ONLY;\n"
      "SET LOCAL statement_timeout = '" QUERIES_SECONDS "s';\n"
      "SET LOCAL rehome.query = %s;\n"
      "DO LANGUAGE plpgsql $rehome$\n"
      "DECLARE one record; said text := '';\n"
      "BEGIN\n"
      " FOR i IN 1..%u LOOP\n"
      "  FOR one IN EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY ON, FORMAT"
      " JSON) ' || current_setting('rehome.query') LOOP\n"
      "   said := said || round(1000 * ((one.\"QUERY PLAN\" -> 0 ->>"
      " 'Planning Time')::numeric + (one.\"QUERY PLAN\" -> 0 ->>"
      " 'Execution Time')::numeric)) || E'\\t' || round((one.\"QUERY PLAN\""
      " -> 0 -> 'Plan' ->> 'Actual Rows')::numeric) || E'\\n';\n"
      "  END LOOP;\n"
      " END LOOP;\n"
      " PERFORM set_config('rehome.said', said, true);\n"
      "END $rehome$;\n"
      "SELECT current_setting('rehome.said');\n"
      "ROLLBACK;\n";

static const char largest_sql[]
    = "coalesce((SELECT format('SELECT 1 FROM ONLY %I.%I LIMIT 1', nspname,"
      " relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
      " WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog',"
      " 'information_schema') ORDER BY relpages DESC LIMIT 1), 'SELECT 1')";
static const char one_sql[]
    = "SELECT extract(epoch FROM clock_timestamp()) AS at \\gset\n"
      "DO LANGUAGE plpgsql $rehome$ DECLARE one record; BEGIN FOR one IN"
      " EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF) ' ||"
      " current_setting('rehome.query') LOOP END LOOP; END $rehome$;\n"
      "SELECT round(1000000 * (extract(epoch FROM clock_timestamp()) -"
      " :at)) || E'\\t0';\n"
      "SELECT pg_sleep(0.5) \\g /dev/null\n";

static struct err *
watch_script (const struct step_call *call, unsigned times, struct buf *sql)
{
  char *query CLEANUP_FREE = queries_first (call->item);
  char *quoted CLEANUP_FREE
      = query == NULL ? mem_strdup (largest_sql) : postgresql_literal (query);
  TRY (buf_printf (sql,
                   "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;\n"
                   "SET statement_timeout = '" QUERIES_SECONDS "s';\n"
                   "SELECT set_config('rehome.query', %s, false)"
                   " \\g /dev/null\n",
                   quoted));
  for (unsigned i = 0; i < times; i++)
    TRY (buf_put_str (sql, one_sql));
  return NULL;
}

static struct err *
watch (const struct step_call *call, struct port *p, unsigned times,
       json_t **args)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  TRY (watch_script (call, times, &sql));
  char *input CLEANUP_FREE = text_base64 (sql.data, sql.len);
  json_t *argv
      = postgresql_argv (p, "psql",
                         ARGV ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               "-d", postgresql_database (call), "-f", "-"));
  *args = json_pack ("{s:o, s:s, s:b}", "argv", argv, "input", input, "prompt",
                     1);
  return NULL;
}

static struct err *
run (const struct step_call *call, struct port *p, const char *query,
     unsigned runs, char **out)
{
  char *quoted CLEANUP_FREE = postgresql_literal (query);
  char *script CLEANUP_FREE = mem_printf (run_sql, quoted, runs);
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  json_t *argv = postgresql_argv (
      p, "psql",
      ARGV ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v",
            "VERBOSITY=terse", "-v", "SHOW_CONTEXT=never", "-d",
            postgresql_database (call), "-f", "-"));
  return remote_output (
      p, json_pack ("{s:o, s:s}", "argv", argv, "input", input), SAID_MAX, out);
}

const struct queries_engine postgresql_queries = { run, watch };
