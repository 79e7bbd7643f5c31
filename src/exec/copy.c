/* SPDX-License-Identifier: Apache-2.0 */
/* One item copied, in this process, with a journal of its own. */
#include "exec/copy.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "exec/clock.h"
#include "exec/hosts.h"
#include "exec/loop.h"
#include "exec/owner.h"
#include "journal/store.h"
#include "provider/files.h"
#include "provider/provider.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* Nothing undoes a copy: what of these stages has an undo is for a move. */
static bool
is_wanted (const struct step *s, bool proof)
{
  return s->item == 0 && s->cls != STEP_REVERSIBLE
         && (s->stage <= STAGE_PREPARE || (proof && s->stage == STAGE_PROVE));
}

/* A proof follows at once: it has no cutover to wait for. */
static struct err *
add_step (const struct graph *all, const struct step *s, bool proof,
          struct graph *g)
{
  VEC (const char *) needs = { 0 };
  struct step copy = *s;
  for (size_t i = 0; s->needs != NULL && s->needs[i] != NULL; i++)
    if (is_wanted (graph_find (all, s->needs[i]), proof))
      *VEC_PUSH (&needs) = s->needs[i];
  *VEC_PUSH (&needs) = NULL;
  copy.needs = needs.v;
  if (copy.stage == STAGE_PROVE)
    copy.stage = STAGE_ROUND;
  struct err *e = graph_add (g, &copy);
  VEC_FREE (&needs);
  return e;
}

struct err *
copy_graph (const struct graph *all, bool proof, struct graph **out)
{
  CLEANUP_GRAPH struct graph *g = graph_new ();
  for (size_t i = 0; i < graph_len (all); i++)
    if (is_wanted (graph_at (all, i), proof))
      TRY (add_step (all, graph_at (all, i), proof, g));
  TRY (graph_seal (g));
  *out = STEAL (g);
  return NULL;
}

struct copying {
  const struct copy *c;
  struct store *store;
  struct graph *graph;
  struct hub *hub;
  struct hosts *hosts;
  struct loop *loop;
  char *migration;
  uint64_t began; /* the journal's head before */
  struct err *loop_error;
  json_t *last; /* progress */
};

static void
on_head (void *ctx, uint64_t seq, const char *hash, enum head_kind kind)
{
  hosts_head (ctx, seq, hash, kind);
}

/* That of the first record: what lies on the hosts is found again under it,
 * whatever options this run has. */
static struct err *
take_migration (void *ctx, const struct record *r, const char *line)
{
  char **migration = ctx;
  (void)line;
  if (*migration == NULL)
    *migration = mem_strdup (r->migration);
  return NULL;
}

static struct err *
open_all (struct copying *w)
{
  CLEANUP_GRAPH struct graph *all = NULL;
  const struct copy *c = w->c;
  bool changed = false;
  TRY (owner_prepare (c->place, c->plan, true, &changed));
  TRY (store_open_writer (c->place->dir, NULL, NULL, 0, &w->store));
  TRY (provider_compile (c->plan, &all));
  TRY (copy_graph (all, c->proof, &w->graph));
  TRY (store_each (w->store, 0, take_migration, &w->migration));
  if (w->migration == NULL)
    w->migration = place_migration (plan_name (c->plan), plan_hash (c->plan));
  w->hub = hub_new ();
  struct hosts_where where = { .plan = c->plan,
                               .migration = w->migration,
                               .controller = c->place->controller,
                               .agent_path = c->agent_path,
                               .journal = c->place->dir };
  w->hosts = hosts_new (&where);
  struct loop_parts parts = { .store = w->store,
                              .plan = c->plan,
                              .graph = w->graph,
                              .limits = plan_limits (c->plan),
                              .migration = w->migration,
                              .source = hosts_source (w->hosts),
                              .target = hosts_target (w->hosts),
                              .find = provider_find,
                              .hub = w->hub,
                              .on_head = on_head,
                              .ctx = w->hosts };
  char hash[65];
  TRY (store_head (w->store, &w->began, hash));
  w->loop = loop_new (&parts);
  TRY (loop_replay (w->loop));
  hosts_epoch (w->hosts, loop_epoch (w->loop));
  TRY (loop_append (w->loop, RECORD_CLAIMED, "controller",
                    json_pack ("{s:s}", "controller", c->place->controller)));
  return loop_append (
      w->loop, RECORD_PLANNED, "controller",
      json_pack ("{s:s, s:s, s:i, s:I, s:b}", "plan", plan_hash (c->plan),
                 "name", plan_name (c->plan), "items", 1, "steps",
                 (json_int_t)graph_len (w->graph), "anew", true));
}

static void *
loop_thread (void *arg)
{
  struct copying *w = arg;
  w->loop_error = loop_run (w->loop);
  return NULL;
}

static bool
is_over (const json_t *p, int64_t since_ms)
{
  if (json_integer_value (json_object_get (p, "time_ms")) <= since_ms)
    return false;
  return json_is_true (json_object_get (p, "in_step"))
         || (json_is_true (json_object_get (p, "idle"))
             && !json_is_string (json_object_get (p, "goal")));
}

static void
watch (struct copying *w, int64_t since_ms)
{
  struct hub_seen seen = { .seq = UINT64_MAX };
  for (bool over = false; !over;) {
    struct hub_news news;
    hub_wait (w->hub, &seen, 500, &news);
    json_decref (news.notices);
    over = news.closed;
    if (news.progress == NULL)
      continue;
    json_decref (w->last);
    w->last = news.progress;
    if (w->c->progress != NULL)
      w->c->progress (w->c->ctx, news.progress);
    over = over || is_over (news.progress, since_ms);
  }
}

static struct err *
drive (struct copying *w)
{
  pthread_t t;
  int rc = pthread_create (&t, NULL, loop_thread, w);
  if (rc != 0)
    return err_sys (rc, "RH-EXEC-THREAD", "cannot make a thread");
  struct err *e = loop_request (w->loop, REQUEST_SYNC, "operator", NULL);
  if (e == NULL)
    watch (w, clock_wall_ms ());
  loop_stop (w->loop);
  pthread_join (t, NULL);
  if (e == NULL)
    e = STEAL (w->loop_error);
  json_t *attention = json_object_get (w->last, "attention");
  json_t *findings = json_object_get (attention, "findings");
  if (e == NULL && json_array_size (findings) > 0)
    e = json_to_err (json_array_get (findings, 0));
  if (e == NULL && attention != NULL)
    e = json_to_err (attention);
  return e;
}

/* The sums of what was sent; a round sends again what changed meanwhile. */
struct sums {
  const struct graph *graph;
  uint64_t files, bytes, deleted, packed_from, packed_to;
  json_t *findings;
  json_t *proof; /* the last one's result, or NULL */
};

static uint64_t
amount (const json_t *result, const char *key)
{
  const json_t *v = json_object_get (result, key);
  return json_is_string (v) ? strtoull (json_string_value (v), NULL, 10)
                            : (uint64_t)json_integer_value (v);
}

/* Findings are objects, or sentences; each counts once. */
static void
take_findings (struct sums *s, const json_t *found)
{
  size_t i, j;
  json_t *f, *known;
  json_array_foreach (found, i, f)
  {
    CLEANUP_JSON json_t *o = json_is_object (f)
                                 ? json_deep_copy (f)
                                 : json_pack ("{s:O}", "message", f);
    bool again = false;
    json_array_foreach (s->findings, j, known) again
        = again || json_equal (known, o);
    if (!again)
      json_array_append (s->findings, o);
  }
}

static struct err *
add_sent (void *ctx, const struct record *r, const char *line)
{
  struct sums *s = ctx;
  json_t *result = json_object_get (r->data, "result");
  const struct step *step
      = r->step != NULL ? graph_find (s->graph, r->step) : NULL;
  (void)line;
  if (r->type != RECORD_OUTCOME || step == NULL || result == NULL)
    return NULL;
  take_findings (s, json_object_get (result, "findings"));
  if (step->stage < STAGE_PREPARE)
    return NULL;
  if (strcmp (step->op, "prove") == 0) {
    json_decref (s->proof);
    s->proof = json_incref (result);
    return NULL;
  }
  s->files += amount (result, "files");
  s->bytes += amount (result, "bytes");
  s->deleted += amount (result, "deleted");
  s->packed_from += amount (result, "packed_from");
  s->packed_to += amount (result, "packed_to");
  return NULL;
}

static struct err *
sum_up (struct copying *w, json_t **result)
{
  struct sums s = { .graph = w->graph, .findings = json_array () };
  struct err *e = store_each (w->store, w->began, add_sent, &s);
  if (e == NULL)
    *result = json_pack ("{s:I, s:o, s:I, s:o, s:o, s:O, s:O?}", "files",
                         (json_int_t)s.files, "bytes", json_u64 (s.bytes),
                         "deleted", (json_int_t)s.deleted, "packed_from",
                         json_u64 (s.packed_from), "packed_to",
                         json_u64 (s.packed_to), "findings", s.findings,
                         "proof", s.proof);
  json_decref (s.findings);
  json_decref (s.proof);
  return e;
}

static void
close_all (struct copying *w)
{
  if (w->hosts != NULL)
    hosts_stop (w->hosts);
  store_close (w->store);
  json_decref (w->last);
  err_free (w->loop_error);
  if (!loop_free (w->loop))
    return; /* a call is still under way: the process ends with it */
  hosts_free (w->hosts);
  hub_free (w->hub);
  graph_free (w->graph);
  free (w->migration);
}

struct err *
copy_run (const struct copy *c, json_t **result)
{
  struct copying w = { .c = c };
  struct err *e = open_all (&w);
  if (e == NULL)
    e = drive (&w);
  if (e == NULL)
    e = sum_up (&w, result);
  if (w.loop != NULL)
    hosts_release (w.hosts, false); /* a copy guards nothing once made */
  close_all (&w);
  return e;
}

static struct err *
known_migration (const struct copy *c, char **out)
{
  CLEANUP_STORE struct store *s = NULL;
  CLEANUP_FREE char *path = mem_printf ("%s/journal.db", c->place->dir);
  *out = NULL;
  if (access (path, F_OK) < 0)
    return NULL;
  TRY (store_open_reader (c->place->dir, &s));
  return store_each (s, 0, take_migration, out);
}

static bool
never (void *ctx)
{
  (void)ctx;
  return false;
}

static void
no_tick (void *ctx, const json_t *progress)
{
  (void)ctx;
  (void)progress;
}

struct err *
copy_preview_item (struct hosts *hosts, const struct plan *plan,
                   const struct plan_item *item, const char *migration,
                   json_t **result)
{
  struct step_call call
      = { .plan = plan,
          .item = item,
          .source = hosts_source (hosts),
          .target = hosts_target (hosts),
          .migration = migration != NULL ? migration : "copy-unknown",
          .tick = no_tick,
          .cancelled = never };
  return files_preview (&call, migration != NULL, result);
}

struct err *
copy_preview (const struct copy *c, json_t **result)
{
  CLEANUP_FREE char *migration = NULL;
  TRY (known_migration (c, &migration));
  /* Without a migration nothing is claimed. */
  struct hosts_where where = { .plan = c->plan,
                               .controller = c->place->controller,
                               .agent_path = c->agent_path };
  struct hosts *hosts = hosts_new (&where);
  struct err *e = copy_preview_item (hosts, c->plan, plan_item (c->plan, 0),
                                     migration, result);
  hosts_stop (hosts);
  hosts_free (hosts);
  return e;
}
