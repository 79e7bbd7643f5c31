/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's named timers. */
#include "exec/timers.h"

#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

struct timer {
  char *name;
  int64_t at_ms;
};

struct timers {
  VEC (struct timer) all;
};

struct timers *
timers_new (void)
{
  return mem_alloc (sizeof (struct timers));
}

void
timers_free (struct timers *t)
{
  if (t == NULL)
    return;
  for (size_t i = 0; i < t->all.n; i++)
    free (t->all.v[i].name);
  VEC_FREE (&t->all);
  free (t);
}

void
timers_set (struct timers *t, const char *name, int64_t at_ms)
{
  for (size_t i = 0; i < t->all.n; i++)
    if (strcmp (t->all.v[i].name, name) == 0) {
      t->all.v[i].at_ms = at_ms;
      return;
    }
  struct timer *new = VEC_PUSH (&t->all);
  new->name = mem_strdup (name);
  new->at_ms = at_ms;
}

static char *
take (struct timers *t, size_t i)
{
  char *name = t->all.v[i].name;
  t->all.v[i] = t->all.v[--t->all.n];
  return name;
}

void
timers_cancel (struct timers *t, const char *name)
{
  for (size_t i = 0; i < t->all.n; i++)
    if (strcmp (t->all.v[i].name, name) == 0) {
      free (take (t, i));
      return;
    }
}

/* The index of the earliest; only when there is one. */
static size_t
earliest (const struct timers *t)
{
  size_t best = 0;
  for (size_t i = 1; i < t->all.n; i++)
    if (t->all.v[i].at_ms < t->all.v[best].at_ms)
      best = i;
  return best;
}

int64_t
timers_wait (const struct timers *t, int64_t now_ms)
{
  if (t->all.n == 0)
    return -1;
  int64_t left = t->all.v[earliest (t)].at_ms - now_ms;
  return left > 0 ? left : 0;
}

char *
timers_due (struct timers *t, int64_t now_ms)
{
  if (t->all.n == 0)
    return NULL;
  size_t i = earliest (t);
  return t->all.v[i].at_ms <= now_ms ? take (t, i) : NULL;
}

size_t
timers_len (const struct timers *t)
{
  return t->all.n;
}
