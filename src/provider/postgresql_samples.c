/* SPDX-License-Identifier: Apache-2.0 */
/* Sample records of a PostgreSQL database side by side (samples.h): each as
 * its server prints it whole, of which the server gives the MD5, since a text
 * may have lines. */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "provider/samples.h"

#include <inttypes.h>
#include <string.h>

static struct err *
reach (struct buf *sql, size_t index, const json_t *table)
{
  const char *key = json_text (table, "key");
  return buf_printf (sql,
                     "SELECT %zu || E'\\t' || min(%s) || E'\\t' || max(%s)"
                     " FROM ONLY %s;\n",
                     index, key, key, json_text (table, "name"));
}

static struct err *
record (struct buf *sql, size_t index, const json_t *table, int64_t from)
{
  const char *key = json_text (table, "key");
  return buf_printf (sql,
                     "SELECT %zu || E'\\t' || %s || E'\\t' ||"
                     " md5(\"rehome one\"::text) FROM ONLY %s AS \"rehome one\""
                     " WHERE %s >= %" PRId64 " ORDER BY %s LIMIT 1;\n",
                     index, key, json_text (table, "name"), key, from, key);
}

static struct err *
run (const struct step_call *call, struct port *p, const char *sql, char **out)
{
  char *script CLEANUP_FREE
      = mem_printf ("%s%s", postgresql_canonical_sql, sql);
  return postgresql_run (p, postgresql_database (call), script, out);
}

struct err *
postgresql_samples (const struct step_call *call, const json_t *tables,
                    json_t *differences, json_t **out)
{
  static const struct samples_engine engine = { reach, record, run };
  return samples_compare (call, &engine, tables, differences, out);
}
