/* SPDX-License-Identifier: Apache-2.0 */
/* Id maps: read, checked, looked up by bisection. */
#include "tree/idmap.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 65536

static int
by_from (const void *a, const void *b)
{
  const struct idmap_pair *x = a, *y = b;
  return x->from < y->from ? -1 : x->from > y->from;
}

static int
by_to (const void *a, const void *b)
{
  const struct idmap_pair *x = a, *y = b;
  return x->to < y->to ? -1 : x->to > y->to;
}

static struct err *
bad (const char *what)
{
  return err_new (ERR_CORRECT, "RH-TREE-IDMAP", "the id map %s", what);
}

static struct err *
read_pair (const json_t *pair, struct idmap_pair *out)
{
  const json_t *from = json_array_get (pair, 0);
  const json_t *to = json_array_get (pair, 1);
  if (json_array_size (pair) != 2 || !json_is_integer (from)
      || !json_is_integer (to))
    return bad ("is not made of [from, to]");
  json_int_t a = json_integer_value (from), b = json_integer_value (to);
  if (a < 0 || b < 0 || a >= UINT32_MAX || b >= UINT32_MAX)
    return bad ("has an id out of range");
  out->from = (uint32_t)a;
  out->to = (uint32_t)b;
  return NULL;
}

static struct err *
check (struct idmap *m)
{
  qsort (m->v, m->n, sizeof *m->v, by_to);
  for (size_t i = 1; i < m->n; i++)
    if (m->v[i].to == m->v[i - 1].to)
      return bad ("makes one id of two");
  qsort (m->v, m->n, sizeof *m->v, by_from);
  for (size_t i = 1; i < m->n; i++)
    if (m->v[i].from == m->v[i - 1].from)
      return bad ("has an id twice");
  return NULL;
}

struct err *
idmap_read (const json_t *a, struct idmap *out)
{
  *out = (struct idmap){ 0 };
  if (a == NULL || json_is_null (a))
    return NULL;
  if (!json_is_array (a))
    return bad ("is not an array");
  size_t n = json_array_size (a);
  if (n == 0)
    return NULL;
  TRY (mem_checked (n, sizeof *out->v, PAIRS_MAX * sizeof *out->v, "id map",
                    (void **)&out->v));
  struct err *e = NULL;
  for (; e == NULL && out->n < n; out->n += e == NULL)
    e = read_pair (json_array_get (a, out->n), &out->v[out->n]);
  if (e == NULL)
    e = check (out);
  if (e != NULL)
    idmap_free (out);
  return e;
}

uint32_t
idmap_get (const struct idmap *m, uint32_t id)
{
  if (m->n == 0)
    return id;
  struct idmap_pair key = { id, 0 };
  const struct idmap_pair *p
      = bsearch (&key, m->v, m->n, sizeof *m->v, by_from);
  return p != NULL ? p->to : id;
}

void
idmap_free (struct idmap *m)
{
  free (m->v);
  *m = (struct idmap){ 0 };
}

void
idmaps_free (struct idmaps *m)
{
  idmap_free (&m->uids);
  idmap_free (&m->gids);
}
