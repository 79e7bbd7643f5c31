/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declared queries on a MariaDB server (queries.h).  PREPARE takes one
 * statement and no more; that the query is an operand of EXISTS first shows
 * that it is one that gives rows and puts them nowhere (INTO).  It is run under
 * ANALYZE, which makes all rows and drops them.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/queries.h"
#include "provider/remote.h"

#include <string.h>

/* In hexadecimal digits neither the client nor the script find anything. */
static struct err *
put_query (struct buf *sql, const char *query)
{
  TRY (buf_put_str (sql, "SET @rehome_query = CONVERT(0x"));
  for (; *query != '\0'; query++)
    TRY (buf_printf (sql, "%02x", (unsigned char)*query));
  return buf_put_str (sql, " USING utf8mb4);\n");
}

static const char largest_sql[]
    = "SET @rehome_query = IFNULL((SELECT CONCAT('SELECT 1 FROM `%s`.`',"
      " REPLACE(TABLE_NAME, '`', '``'), '` LIMIT 1') FROM"
      " information_schema.TABLES WHERE TABLE_SCHEMA = '%s' AND TABLE_TYPE ="
      " 'BASE TABLE' ORDER BY DATA_LENGTH DESC LIMIT 1), 'SELECT 1');\n";

static struct err *
watch_script (const struct step_call *call, unsigned times, struct buf *sql)
{
  const char *db = mariadb_database (call);
  char *query CLEANUP_FREE = queries_first (call->item);
  TRY (buf_printf (sql,
                   "USE `%s`;\n"
                   "SET SESSION sql_mode = DEFAULT, time_zone = DEFAULT,"
                   " max_statement_time = " QUERIES_SECONDS ";\n"
                   "SET SESSION TRANSACTION READ ONLY;\n",
                   db));
  if (query == NULL)
    TRY (buf_printf (sql, largest_sql, db, db));
  else
    TRY (put_query (sql, query));
  TRY (buf_put_str (sql, "SET @rehome_query = CONCAT('ANALYZE FORMAT=JSON ',"
                         " @rehome_query);\n"
                         "PREPARE rehome_query FROM @rehome_query;\n"));
  for (unsigned i = 0; i < times; i++)
    TRY (buf_put_str (sql, "SET @rehome_at = SYSDATE(6);\n"
                           "EXECUTE rehome_query;\n"
                           "SELECT TIMESTAMPDIFF(MICROSECOND, @rehome_at,"
                           " SYSDATE(6)), 0;\n"
                           "DO SLEEP(0.5);\n"));
  return NULL;
}

static struct err *
watch (const struct step_call *call, struct port *p, unsigned times,
       json_t **args)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  TRY (watch_script (call, times, &sql));
  char *input CLEANUP_FREE = text_base64 (sql.data, sql.len);
  json_t *argv = mariadb_argv (p, "mariadb",
                               ARGV ("--batch", "--skip-column-names",
                                     "--unbuffered", "--skip-reconnect"));
  *args = json_pack ("{s:o, s:s, s:b}", "argv", argv, "input", input, "prompt",
                     1);
  return NULL;
}

static struct err *
run (const struct step_call *call, struct port *p, const char *query,
     unsigned runs, char **out)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  TRY (buf_printf (&sql,
                   "USE `%s`;\n"
                   "SET SESSION sql_mode = DEFAULT, time_zone = DEFAULT,"
                   " max_statement_time = " QUERIES_SECONDS ";\n"
                   "START TRANSACTION READ ONLY;\n",
                   mariadb_database (call)));
  TRY (put_query (&sql, query));
  TRY (buf_put_str (&sql,
                    "SET @rehome_try = CONCAT('SELECT EXISTS (', @rehome_query,"
                    " '\\n)');\n"
                    "PREPARE rehome_query FROM @rehome_try;\n"
                    "SET @rehome_query = CONCAT('ANALYZE FORMAT=JSON ',"
                    " @rehome_query);\n"
                    "PREPARE rehome_query FROM @rehome_query;\n"));
  for (unsigned i = 0; i < runs; i++)
    TRY (buf_put_str (&sql, "SET @rehome_at = SYSDATE(6);\n"
                            "EXECUTE rehome_query;\n"
                            "SET @rehome_rows = FOUND_ROWS();\n"
                            "SELECT TIMESTAMPDIFF(MICROSECOND, @rehome_at,"
                            " SYSDATE(6)), @rehome_rows;\n"));
  TRY (buf_put (&sql, "ROLLBACK;", sizeof "ROLLBACK;"));
  return mariadb_run (p, (const char *)sql.data, out);
}

const struct queries_engine mariadb_queries = { run, watch };
