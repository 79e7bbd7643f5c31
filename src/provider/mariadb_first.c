/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first copy of a MariaDB database's rows: several tables at a time, the
 * largest first, each in one go, since InnoDB loads a table that is empty
 * faster than parts of it beside each other.
 */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/beside.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 2 };

struct first {
  json_t *sent, *copied;
};

/* A table with computed columns: what is recorded of it is read from the
 * target with these, so what was sent is compared here. */
static struct err *
check_sent (const struct step_call *call, const json_t *table,
            const json_t *digest)
{
  const char *name = json_text (table, "name");
  json_t *as_sent CLEANUP_JSON = json_copy ((json_t *)(uintptr_t)table);
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *is CLEANUP_JSON = NULL;
  json_object_set (as_sent, "digest", json_at (table, "select"));
  json_t *one CLEANUP_JSON = json_pack ("[O]", as_sent);
  TRY (mariadb_digest (call->target, mariadb_database (call), one, &is));
  if (json_equal (json_object_get (is, name), digest))
    return NULL;
  json_array_append_new (differences, json_sprintf ("table %s", name));
  return steps_unequal ("RH-MARIADB-UNEQUAL",
                        "what was loaded is not what was sent", differences);
}

static bool
is_sent_whole (const json_t *table)
{
  return strcmp (json_text (table, "digest"), json_text (table, "select")) == 0;
}

static struct err *
copy (void *ctx, const struct step_call *call, const json_t *table,
      json_t **digest)
{
  (void)ctx;
  TRY (mariadb_load (call, table, "", true, digest));
  return is_sent_whole (table) ? NULL : check_sent (call, table, *digest);
}

static void
done (void *ctx, const json_t *table, json_t *digest)
{
  struct first *f = ctx;
  const char *name = json_text (table, "name");
  if (is_sent_whole (table))
    json_object_set (f->sent, name, digest);
  else
    json_array_append_new (f->copied, json_string (name));
}

static int
by_size (const void *a, const void *b)
{
  const json_t *const *x = a, *const *y = b;
  long long p = atoll (json_text (*x, "bytes"));
  long long q = atoll (json_text (*y, "bytes"));
  return (p < q) - (p > q);
}

struct err *
mariadb_first (const struct step_call *call, const json_t *tables, json_t *sent,
               json_t *copied)
{
  size_t i, all = json_array_size (tables);
  const json_t **order CLEANUP_FREE = mem_alloc ((all + 1) * sizeof *order);
  struct first f = { sent, copied };
  struct beside_tables t
      = { .order = order, .copy = copy, .done = done, .ctx = &f };
  const json_t *one;
  json_array_foreach (tables, i, one)
  {
    if (strcmp (json_text (one, "kind"), "T") == 0)
      order[t.n++] = one;
  }
  qsort (order, t.n, sizeof *order, by_size);
  return beside_tables (call, &t, AT_ONCE);
}
