/* SPDX-License-Identifier: Apache-2.0 */
/* Discarding the copy of an aborted migration; see discard.h. */
#include "exec/discard.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "exec/closing.h"
#include "provider/discard.h"
#include "provider/rehearse.h"
#include "provider/remote.h"

#include <string.h>

struct discarding {
  const struct discard *d;
  struct closing c;
  struct graph *graph;
  struct engine *engine;
  json_t *inputs; /* results of all steps, by id */
};

static void
discarding_clear (struct discarding *g)
{
  engine_free (g->engine);
  graph_free (g->graph);
  json_decref (g->inputs);
  closing_clear (&g->c);
}

/* ---- The journal ---- */

static struct err *
fold (void *ctx, const struct record *r, const char *line)
{
  struct discarding *g = ctx;
  struct effects none = { 0 };
  struct event ev = {
    .kind = EVENT_RECORD, .record = r, .replay = true, .time_ms = r->time_ms
  };
  (void)line;
  if (g->c.migration == NULL)
    g->c.migration = mem_strdup (r->migration);
  g->c.epoch = r->epoch;
  struct err *e = engine_next (g->engine, &ev, &none);
  effects_clear (&none);
  return e;
}

static struct err *
read_all (struct discarding *g)
{
  TRY (closing_open (&g->c));
  TRY (provider_compile (g->d->plan, &g->graph));
  g->engine = engine_new (g->graph, plan_limits (g->d->plan));
  TRY (store_each (g->c.store, 0, fold, g));
  if (!engine_aborted (g->engine))
    return err_advise (err_new (ERR_REFUSED, "RH-DISCARD-PHASE",
                                "the migration was not aborted: its copy is "
                                "needed"),
                       "nothing was removed", "abort it first");
  g->inputs = json_object ();
  for (size_t i = 0; i < graph_len (g->graph); i++) {
    const char *id = graph_at (g->graph, i)->id;
    const json_t *result = engine_result (g->engine, id);
    if (result != NULL)
      json_object_set (g->inputs, id, (json_t *)(uintptr_t)result);
  }
  return NULL;
}

/* ---- The copy ---- */

static struct err *
discard_item (struct discarding *g, const struct plan_item *item, bool dry,
              json_t *out)
{
  const struct provider *p = provider_find (item->kind);
  struct step_call call = { .plan = g->d->plan,
                            .item = item,
                            .source = hosts_source (g->c.hosts),
                            .target = hosts_target (g->c.hosts),
                            .inputs = g->inputs,
                            .migration = g->c.migration };
  if (p != NULL && p->enter != NULL)
    p->enter (&call);
  if (p == NULL || p->discard != NULL)
    return p == NULL ? NULL : p->discard (&call, dry, out);
  if (strcmp (item->kind, "cron") != 0) /* it is not in its place yet */
    discard_kept (out, item->name,
                  "this kind of item has to be removed by "
                  "hand");
  return NULL;
}

/* Whom the files belong to goes last. */
static struct err *
discard_items (struct discarding *g, bool dry, json_t *out)
{
  for (int accounts = 0; accounts < 2; accounts++)
    for (size_t i = plan_item_count (g->d->plan); i-- > 0;) {
      const struct plan_item *item = plan_item (g->d->plan, i);
      if ((strcmp (item->kind, "accounts") == 0) == (accounts == 1))
        TRY (err_wrap (discard_item (g, item, dry, out), "discarding %s",
                       item->name));
    }
  return NULL;
}

/* What served the move alone; the fence stays, as a tombstone. */
static struct err *
remove_home (struct discarding *g, struct port *host)
{
  CLEANUP_FREE char *home = mem_printf ("/var/lib/rehome/%s", g->c.migration);
  CLEANUP_JSON json_t *names = NULL;
  size_t i;
  json_t *one;
  TRY (remote_names (host, home, &names));
  json_array_foreach (names, i, one)
  {
    CLEANUP_FREE char *path
        = mem_printf ("%s/%s", home, json_string_value (one));
    if (strcmp (json_string_value (one), "fence") != 0)
      TRY (remote_remove_tree (host, path));
  }
  CLEANUP_FREE char *run = mem_printf ("/run/rehome-%s", g->c.migration);
  CLEANUP_FREE char *started = mem_printf ("%s/started", run);
  TRY (remote_remove (host, started));
  return remote_remove_empty (host, run);
}

static void
put_lists (json_t *found)
{
  static const char *const keys[] = { "removed", "restored", "kept" };
  for (size_t i = 0; i < 3; i++)
    if (json_object_get (found, keys[i]) == NULL)
      json_object_set_new (found, keys[i], json_array ());
}

/* What was replaced and has not come back is nobody's to remove. */
static struct err *
name_aside (struct discarding *g, json_t *out)
{
  CLEANUP_FREE char *aside
      = mem_printf ("/var/lib/rehome/%s/aside", g->c.migration);
  CLEANUP_JSON json_t *names = NULL;
  size_t i;
  json_t *one;
  TRY (remote_names (hosts_target (g->c.hosts), aside, &names));
  json_array_foreach (names, i, one)
  {
    CLEANUP_FREE char *path
        = mem_printf ("%s/%s", aside, json_string_value (one));
    discard_kept (out, path, "it was replaced, and could not be put back");
  }
  return NULL;
}

/* What a rehearsal left that was never gone on with. */
static struct err *
close_rooms (struct discarding *g)
{
  struct step_call call = { .plan = g->d->plan, .migration = g->c.migration };
  TRY (rehearse_close (&call, hosts_target (g->c.hosts)));
  return rehearse_close (&call, hosts_source (g->c.hosts));
}

static struct err *
run (struct discarding *g, json_t *found, json_t *done)
{
  TRY (discard_items (g, true, found));
  put_lists (found);
  if (g->d->dry_run)
    return NULL;
  TRY (g->d->confirm (g->d->ctx, found));
  TRY (closing_append (&g->c, RECORD_SEAL, g->d->actor,
                       json_pack ("{s:{s:O}}", "discard", "begins", found)));
  TRY (close_rooms (g));
  TRY (discard_items (g, false, done));
  TRY (name_aside (g, done));
  put_lists (done);
  if (json_array_size (json_object_get (done, "kept")) == 0) {
    TRY (remove_home (g, hosts_target (g->c.hosts)));
    TRY (remove_home (g, hosts_source (g->c.hosts)));
  }
  return closing_append (&g->c, RECORD_SEAL, "controller",
                         json_pack ("{s:{s:O}}", "discard", "done", done));
}

struct err *
discard_copy (const struct discard *d, json_t **out)
{
  CLEANUP (discarding_clear)
  struct discarding g = { .d = d, .c = { .place = d->place, .plan = d->plan } };
  CLEANUP_JSON json_t *found = json_object ();
  CLEANUP_JSON json_t *done = json_object ();
  TRY (read_all (&g));
  TRY (closing_hosts (&g.c, true));
  struct err *e = closing_take_over (&g.c);
  if (e == NULL)
    e = hosts_open (g.c.hosts);
  if (e == NULL)
    e = run (&g, found, done);
  hosts_release (g.c.hosts, true);
  TRY (e);
  *out = json_incref (d->dry_run ? found : done);
  return NULL;
}

static struct err *
look_for (void *ctx, const struct record *r, const char *line)
{
  bool *begun = ctx;
  (void)line;
  *begun
      |= r->type == RECORD_SEAL && json_object_get (r->data, "discard") != NULL;
  return NULL;
}

struct err *
discard_refuse (const struct place *p)
{
  CLEANUP_STORE struct store *s = NULL;
  bool begun = false;
  TRY (store_open_reader (p->dir, &s));
  TRY (store_each (s, 0, look_for, &begun));
  if (!begun)
    return NULL;
  return err_advise (err_new (ERR_REFUSED, "RH-DISCARD-DONE",
                              "the copy of this migration was discarded"),
                     "nothing was changed",
                     "begin another one: give the plan another name");
}
