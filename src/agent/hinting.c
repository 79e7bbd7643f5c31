/* SPDX-License-Identifier: Apache-2.0 */
/* Between tree.send and the keeper. */
#include "agent/hinting.h"

#include "agent/keeper.h"
#include "agent/keeper_call.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "host/mapped.h"
#include "host/writers.h"

#include <stdio.h>
#include <string.h>

static json_t *
args_of (const struct hinting *h)
{
  return json_pack ("{s:o, s:s, s:s, s:I}", "root",
                    json_bytes (h->root, strlen (h->root)), "index", h->index,
                    "filter", h->filter, "round", (json_int_t)h->round);
}

static void
because (struct hinting *h, const char *why)
{
  if (h->why == NULL)
    h->why = mem_strdup (why);
}

static void
because_of (struct hinting *h, struct err *e)
{
  if (h->why == NULL)
    h->why = mem_printf ("%s: %s", err_code (e), err_message (e));
  err_free (e);
}

/* FNV-1a over the patterns as they were sent. */
static void
digest_filter (struct hinting *h, const json_t *exclude)
{
  uint64_t d = 0xcbf29ce484222325u;
  CLEANUP_FREE char *line = exclude != NULL ? json_line (exclude) : NULL;
  for (const char *p = line != NULL ? line : "[]"; *p != 0; p++)
    d = (d ^ (unsigned char)*p) * 0x100000001b3u;
  snprintf (h->filter, sizeof h->filter, "%016llx", (unsigned long long)d);
}

static struct err *
take (struct hinting *h)
{
  CLEANUP_JSON json_t *got = NULL;
  const char *why;
  int64_t rounds, age;
  TRY (keeper_call (h->id, "watch.take", args_of (h), &got));
  if (!json_is_true (json_at (got, "known"))) {
    TRY (json_get_str (got, "why", &why));
    because (h, why);
    return NULL;
  }
  TRY (json_get_int (got, "rounds", 0, INT64_MAX, &rounds));
  TRY (json_get_int (got, "age_ms", 0, INT64_MAX, &age));
  if (rounds >= HINTED_ROUNDS_MAX || age >= HINTED_AGE_MS) {
    because (h, "due");
    return NULL;
  }
  TRY (hints_read (&h->hints, json_at (got, "names"), false));
  TRY (hints_read (&h->hints, json_at (got, "deep"), true));
  h->hinted = true;
  return NULL;
}

/* There is none, or it died while it was asked. */
static bool
is_gone (const struct err *e)
{
  return e != NULL
         && (strcmp (err_code (e), "RH-AGENT-KEEPER") == 0
             || strcmp (err_code (e), "RH-WIRE-LOST") == 0);
}

void
hinting_begin (struct hinting *h, bool can, const char *cannot,
               const json_t *exclude)
{
  if (h->id == NULL)
    return;
  digest_filter (h, exclude);
  CLEANUP_JSON json_t *status = NULL;
  struct err *e = can ? take (h) : NULL;
  if (!can)
    because (h, cannot);
  if (e != NULL && !is_gone (e))
    because_of (h, e);
  else if (e != NULL) {
    because (h, "keeper");
    err_free (e);
  }
  if (h->hinted)
    return;
  hints_free (&h->hints);
  e = keeper_call (h->id, "watch.mark", args_of (h), NULL);
  if (is_gone (e)) {
    err_free (e);
    e = keeper_start (h->id, KEEPER_IDLE_S, &status);
    if (e == NULL)
      e = keeper_call (h->id, "watch.mark", args_of (h), NULL);
  }
  if (e != NULL) { /* and none of the next will have hints: say so */
    free (STEAL (h->why));
    because_of (h, e);
  }
}

struct err *
hinting_mapped (struct hinting *h, struct paths *reread)
{
  CLEANUP (writers_free) struct writers w = { .unreadable = 0 };
  CLEANUP_JSON json_t *list = json_array ();
  size_t skip = strlen (h->root);
  if (h->id == NULL)
    return NULL;
  CLEANUP_ERR struct err *e
      = mapped_maybe_below (h->root) ? writers_under (&h->root, 1, &w) : NULL;
  for (size_t i = 0; e == NULL && i < w.list.n; i++) {
    const struct writer *one = &w.list.v[i];
    if (!one->mapped || one->deleted || strncmp (one->path, h->root, skip) != 0
        || one->path[skip] != '/')
      continue;
    const char *rel = one->path + skip + 1;
    hints_add (&h->hints, rel, strlen (rel), false);
    json_array_append_new (list, json_bytes (one->path, strlen (one->path)));
  }
  if (h->hinted)
    hints_seal (&h->hints);
  if (json_array_size (list) > 0 && reread->n == 0)
    return paths_read (list, h->root, reread);
  return NULL;
}

void
hinting_reread (struct hinting *h, const struct paths *reread)
{
  if (!h->hinted)
    return;
  for (size_t i = 0; i < reread->n; i++)
    hints_add (&h->hints, reread->v[i], strlen (reread->v[i]), false);
  hints_seal (&h->hints);
}

void
hinting_end (struct hinting *h, json_t *result)
{
  if (h->id == NULL)
    return;
  json_object_set_new (result, "hinted", json_boolean (h->hinted));
  json_object_set_new (result, "why_full",
                       h->why != NULL ? json_string (h->why) : json_null ());
  if (json_integer_value (json_at (result, "left")) > 0
      || json_integer_value (json_at (result, "outside")) > 0)
    err_free (keeper_call (h->id, "watch.drop", args_of (h), NULL));
}

void
hinting_clear (struct hinting *h)
{
  hints_free (&h->hints);
  free (h->why);
}

void
hinting_commit (const char *id, const char *index, int64_t round)
{
  err_free (keeper_call (id, "watch.ack",
                         json_pack ("{s:s, s:I}", "index", index, "round",
                                    (json_int_t)round),
                         NULL));
}
