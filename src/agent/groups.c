/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of lines by group; see groups.h. */
#include "agent/groups.h"

#include "agent/rows.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct groups {
  VEC (struct rows *) all;
  VEC (char *) names; /* encoded, as in `index` */
  json_t *index;      /* encoded name to its number in `all` */
  char name[GROUPS_NAME + 1];
  size_t name_len;
  struct rows *now; /* whose line is open, behind its name; or NULL */
  struct rows *last;
  char
      last_name[GROUPS_NAME + 1]; /* of `last`: lines of a group come in runs */
  size_t last_len;
};

struct groups *
groups_new (void)
{
  struct groups *g = mem_alloc (sizeof *g);
  g->index = json_object ();
  return g;
}

void
groups_free (struct groups *g)
{
  if (g == NULL)
    return;
  for (size_t i = 0; i < g->all.n; i++) {
    rows_free (g->all.v[i]);
    free (g->names.v[i]);
  }
  VEC_FREE (&g->all);
  VEC_FREE (&g->names);
  json_decref (g->index);
  free (g);
}

static struct err *
refuse (const char *why)
{
  return err_new (ERR_CORRUPT, "RH-PROGRAM-GROUPS",
                  "lines that were to be digested by group: %s", why);
}

/* The group that the name read so far is. */
static struct err *
enter (struct groups *g)
{
  if (g->last != NULL && g->last_len == g->name_len
      && memcmp (g->last_name, g->name, g->name_len) == 0)
  {
    g->now = g->last;
    return NULL;
  }
  CLEANUP_FREE char *name = text_encode (g->name, g->name_len);
  const json_t *at = json_object_get (g->index, name);
  if (at == NULL && g->all.n >= GROUPS_MAX)
    return refuse ("there are too many groups");
  if (at != NULL)
    g->now = g->all.v[json_integer_value (at)];
  else {
    json_object_set_new (g->index, name, json_integer ((json_int_t)g->all.n));
    g->now = rows_new ();
    *VEC_PUSH (&g->all) = g->now;
    *VEC_PUSH (&g->names) = STEAL (name);
  }
  g->last = g->now;
  g->last_len = g->name_len;
  memcpy (g->last_name, g->name, g->name_len);
  return NULL;
}

/* Takes bytes of a name; *used counts them with the tab that ends it. */
static struct err *
take_name (struct groups *g, const char *p, size_t len, size_t *used)
{
  size_t n = 0;
  while (n < len && p[n] != '\t' && p[n] != '\n')
    n++;
  if (n > GROUPS_NAME - g->name_len)
    return refuse ("a name is too long");
  memcpy (g->name + g->name_len, p, n);
  g->name_len += n;
  *used = n;
  if (n == len)
    return NULL;
  bool empty = p[n] == '\n'; /* a row of no columns: only its name */
  TRY (enter (g));
  g->name_len = 0;
  *used = empty ? n : n + 1;
  return NULL;
}

struct err *
groups_put (struct groups *g, const void *data, size_t len)
{
  const char *p = data, *end = p + len;
  while (p < end) {
    size_t used = 0;
    if (g->now == NULL)
      TRY (take_name (g, p, (size_t)(end - p), &used));
    p += used;
    if (g->now == NULL || p == end)
      continue;
    const char *nl = memchr (p, '\n', (size_t)(end - p));
    size_t n = nl != NULL ? (size_t)(nl - p) + 1 : (size_t)(end - p);
    rows_put (g->now, p, n);
    if (nl != NULL)
      g->now = NULL;
    p += n;
  }
  return NULL;
}

struct err *
groups_end (struct groups *g)
{
  if (g->now == NULL && g->name_len > 0)
    TRY (enter (g));
  if (g->now != NULL)
    rows_put (g->now, "\n", 1);
  g->now = NULL;
  g->name_len = 0;
  return NULL;
}

json_t *
groups_result (const struct groups *g)
{
  json_t *out = json_object ();
  for (size_t i = 0; i < g->all.n; i++) {
    char sum[33];
    rows_sum (g->all.v[i], sum);
    json_object_set_new (out, g->names.v[i],
                         json_sprintf ("%" PRIu64 " %s",
                                       rows_count (g->all.v[i]), sum));
  }
  return out;
}
