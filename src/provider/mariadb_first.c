/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first copy of a MariaDB database's rows: several tables at a time, the
 * largest first, each in one go, since InnoDB loads a table that is empty
 * faster than parts of it beside each other.
 */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/steps.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 2 };

struct first {
  const struct step_call *call;
  const json_t **order; /* largest first */
  size_t n;
  pthread_mutex_t lock; /* of what follows */
  size_t next;
  struct err *failed;
  json_t *sent, *copied;
};

/* Without progress from beside: `tick` is the step's own thread's. */
struct worker {
  struct first *first;
  struct step_call call;
};

static const json_t *
take (struct first *f)
{
  pthread_mutex_lock (&f->lock);
  const json_t *one
      = f->failed == NULL && f->next < f->n ? f->order[f->next++] : NULL;
  pthread_mutex_unlock (&f->lock);
  return one;
}

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

static void
note (struct first *f, const json_t *table, struct err *e, json_t *digest)
{
  const char *name = json_text (table, "name");
  pthread_mutex_lock (&f->lock);
  if (e == NULL && is_sent_whole (table))
    json_object_set (f->sent, name, digest);
  else if (e == NULL)
    json_array_append_new (f->copied, json_string (name));
  if (f->failed == NULL)
    f->failed = e;
  else
    err_free (e);
  pthread_mutex_unlock (&f->lock);
}

static void *
work (void *arg)
{
  struct worker *w = arg;
  port_cancel_hook (w->call.cancelled, w->call.ctx);
  for (const json_t *one; (one = take (w->first)) != NULL;) {
    json_t *digest CLEANUP_JSON = NULL;
    struct err *e = mariadb_load (&w->call, one, "", true, &digest);
    if (e == NULL && !is_sent_whole (one))
      e = check_sent (&w->call, one, digest);
    note (w->first, one, e, digest);
  }
  return NULL;
}

static void
work_beside (struct first *f)
{
  pthread_t others[AT_ONCE - 1];
  struct worker beside[AT_ONCE - 1];
  struct worker own = { f, *f->call };
  size_t n = 0;
  for (; n < AT_ONCE - 1; n++) {
    beside[n] = own;
    beside[n].call.tick = NULL;
    if (pthread_create (&others[n], NULL, work, &beside[n]) != 0)
      break;
  }
  work (&own);
  while (n > 0)
    pthread_join (others[--n], NULL);
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
  struct first f = { .call = call,
                     .order = order,
                     .lock = PTHREAD_MUTEX_INITIALIZER,
                     .sent = sent,
                     .copied = copied };
  const json_t *one;
  json_array_foreach (tables, i, one)
  {
    if (strcmp (json_text (one, "kind"), "T") == 0)
      order[f.n++] = one;
  }
  qsort (order, f.n, sizeof *order, by_size);
  work_beside (&f);
  return f.failed;
}
