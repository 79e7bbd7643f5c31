/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy of a table's rows that differ: ranges of its key, or all of it.
 *
 * One transaction of the target takes them out and puts the source's in, as a
 * replica: the tables' own triggers, foreign keys and rules have done their
 * work where the rows come from.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "provider/parts.h"
#include "provider/remote.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 200 /* beyond it the whole table is less work */

static int
by_number (const void *a, const void *b)
{
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* " WHERE key BETWEEN ..." of neighbouring parts together; NULL: the whole. */
static char *
where_of (const json_t *table, struct parts *parts)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  const char *key = json_text (table, "key");
  int64_t width = INT64_C (1) << postgresql_shift (table);
  size_t ranges = 0;
  if (parts->n == 0)
    return NULL;
  qsort (parts->v, parts->n, sizeof *parts->v, by_number);
  for (size_t i = 0; i < parts->n;) {
    size_t last = i;
    while (last + 1 < parts->n && parts->v[last + 1] <= parts->v[last] + 1)
      last++;
    err_free (buf_printf (
        &b, "%s%s BETWEEN '%" PRId64 "'::int8 AND '%" PRId64 "'::int8",
        ranges++ == 0 ? " WHERE " : " OR ", key, parts->v[i] * width,
        parts->v[last] * width + (width - 1)));
    i = last + 1;
  }
  return ranges <= RANGES_MAX ? buf_steal_str (&b) : NULL;
}

static struct err *
copy_where (const struct step_call *call, const json_t *table,
            const char *where)
{
  const char *db = postgresql_database (call);
  const char *name = json_text (table, "name");
  const char *columns = json_text (table, "columns");
  char *out CLEANUP_FREE = mem_printf ("COPY (SELECT %s FROM ONLY %s%s) TO "
                                       "STDOUT",
                                       columns, name, where);
  char *empty CLEANUP_FREE = mem_printf ("DELETE FROM ONLY %s%s", name, where);
  char *in CLEANUP_FREE
      = columns[0] != '\0'
            ? mem_printf ("COPY %s (%s) FROM STDIN", name, columns)
            : mem_printf ("COPY %s FROM STDIN", name);
  json_t *from CLEANUP_JSON = json_pack (
      "{s:o, s:b}", "argv",
      postgresql_argv (call->source, "psql",
                       ARGV ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", db,
                             "-c", POSTGRESQL_CANONICAL, "-c", out)),
      "digest", 1);
  json_t *into CLEANUP_JSON = json_pack (
      "{s:o}", "argv",
      postgresql_argv (
          call->target, "psql",
          ARGV ("-X", "-1", "-v", "ON_ERROR_STOP=1", "-d", db, "-c",
                "SET TRANSACTION READ WRITE", "-c",
                POSTGRESQL_CANONICAL "SET client_min_messages = warning", "-c",
                "SET LOCAL session_replication_role = replica", "-c", empty,
                "-c", in)));
  return err_wrap (postgresql_send (call, from, into, NULL),
                   "copying table %s of %s", name, db);
}

/* While the source is written to, a value that is to be unique can have moved
 * from a part that was equal into one that is copied: then the whole table is,
 * which is of one moment. */
struct err *
postgresql_copy_table (const struct step_call *call, const json_t *table,
                       size_t index, const struct postgresql_read *source,
                       const struct postgresql_read *target, json_int_t *parts)
{
  CLEANUP_PARTS struct parts changed = { 0 };
  parts_changed (index, source->parts, target->parts, &changed);
  char *where CLEANUP_FREE = where_of (table, &changed);
  *parts = 0;
  if (where != NULL) {
    struct err *e = copy_where (call, table, where);
    *parts = e == NULL ? (json_int_t)changed.n : 0;
    if (e == NULL || strcmp (err_code (e), "RH-PROGRAM-FAILED") != 0)
      return e;
    err_free (e);
  }
  return copy_where (call, table, "");
}
