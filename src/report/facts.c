/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's facts: the fold, and what lies around it. */
#include "report/facts.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "exec/forecast.h"
#include "exec/measure.h"
#include "journal/person.h"
#include "provider/provider.h"
#include "report/keeping.h"
#include "report/mapping.h"
#include "report/moved.h"
#include "report/permits.h"
#include "report/queries.h"
#include "report/timeline.h"

#include <string.h>
#include <unistd.h>

struct fold {
  struct engine *engine;
  struct measure *measure;
  struct timeline *timeline;
  struct mapping *mapping;
  struct store *names; /* NULL: people stay pseudonyms */
};

static struct err *
fold_record (void *ctx, const struct record *r, const char *line)
{
  struct fold *f = ctx;
  struct effects none = { 0 };
  struct event ev = {
    .kind = EVENT_RECORD, .record = r, .replay = true, .time_ms = r->time_ms
  };
  TRY (err_wrap (engine_next (f->engine, &ev, &none),
                 "while reading record %llu", (unsigned long long)r->seq));
  effects_clear (&none);
  measure_record (f->measure, r);
  CLEANUP_FREE char *who = f->names != NULL ? person_name (f->names, r) : NULL;
  timeline_record (f->timeline, r, who, line);
  mapping_record (f->mapping, r);
  return NULL;
}

char *
facts_host_name (const struct plan_host *host, const char *seen)
{
  char self[256] = "";
  if (seen != NULL)
    return mem_strdup (seen);
  if (strcmp (host->host, "local") == 0
      && gethostname (self, sizeof self - 1) == 0)
    return mem_strdup (self);
  const char *at = strrchr (host->host, '@');
  return mem_strdup (at != NULL ? at + 1 : host->host);
}

/* The host's own name, from whichever step has learnt it. */
static const char *
seen_name (const struct fold *f, const struct graph *g, const char *side)
{
  for (size_t i = 0; i < graph_len (g); i++) {
    const json_t *r = engine_result (f->engine, graph_at (g, i)->id);
    const json_t *host = json_object_get (r, side);
    const char *name = json_string_value (json_object_get (host, "hostname"));
    if (name != NULL)
      return name;
  }
  return NULL;
}

static json_t *
host_fact (const struct fold *f, const struct graph *g,
           const struct plan_host *host, const char *side)
{
  CLEANUP_FREE char *name = facts_host_name (host, seen_name (f, g, side));
  return json_pack ("{s:s, s:s, s:s*, s:s*}", "host", host->host, "name", name,
                    "via", host->via, "machine_id", host->machine_id);
}

static void
put_standing (json_t *o, const struct fold *f)
{
  const json_t *attention = engine_attention (f->engine);
  enum request goal = engine_goal (f->engine);
  json_object_set_new (o, "phase",
                       json_string (phase_name (engine_phase (f->engine))));
  json_object_set_new (o, "writer",
                       json_string (writer_name (engine_writer (f->engine))));
  json_object_set_new (o, "paused", json_boolean (engine_paused (f->engine)));
  json_object_set_new (o, "aborted", json_boolean (engine_aborted (f->engine)));
  json_object_set_new (o, "in_step", json_boolean (engine_in_step (f->engine)));
  json_object_set_new (o, "rounds", json_integer (engine_rounds (f->engine)));
  json_object_set_new (
      o, "goal",
      goal == REQUEST_COUNT ? json_null () : json_string (request_name (goal)));
  json_object_set_new (o, "attention",
                       attention != NULL ? json_deep_copy (attention)
                                         : json_null ());
  if (engine_why (f->engine) != NULL)
    json_object_set_new (o, "why", json_string (engine_why (f->engine)));
}

static json_t *
forecast_fact (const struct fold *f, const struct graph *g, bool back)
{
  CLEANUP_FORECAST struct forecast now = { 0 };
  forecast_make (g, f->measure, back, &now);
  return json_pack ("{s:I, s:I, s:O}", "lower_ms", (json_int_t)now.lower_ms,
                    "upper_ms", (json_int_t)now.upper_ms, "causes", now.causes);
}

/* Each tree is read once in the guard: how many are, and how many differed. */
static json_t *
audit_fact (const struct fold *f, const struct graph *g)
{
  unsigned all = 0, done = 0, failed = 0;
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    if (s->stage != STAGE_GUARD || strcmp (s->op, "audit") != 0)
      continue;
    enum step_state state = engine_step (f->engine, s->id, NULL);
    all++;
    done += state == STEP_DONE;
    failed += state == STEP_FAILED;
  }
  if (all == 0)
    return json_null ();
  return json_sprintf ("%u of %u items equal to what was sent%s", done, all,
                       failed > 0   ? ", others are not: see attention"
                       : done < all ? ", it goes on"
                                    : "");
}

/* From where a rollback could be asked for, or has not frozen anything. */
static bool
may_go_back (enum phase p)
{
  return p == PHASE_OPENING || p == PHASE_GUARDED || p == PHASE_RETURNING
         || p == PHASE_BACK_HOLDING;
}

/* The way back after the pivot: what it costs now, or what it has cost. */
static void
put_rollback (json_t *o, const struct fold *f, const struct graph *g)
{
  bool opened = false;
  int64_t ms = 0, since = engine_back_since (f->engine);
  if (engine_opened_at (f->engine) == 0)
    return;
  if (measure_downtime (f->measure, true, &opened, &ms)) {
    json_object_set_new (o, "back_downtime_ms", json_integer (ms));
    json_object_set_new (o, "back_downtime_opened", json_boolean (opened));
  }
  json_object_set_new (o, "back_audit", audit_fact (f, g));
  json_object_set_new (o, "alone", json_boolean (engine_alone (f->engine)));
  json_object_set_new (o, "back_since_ms",
                       json_integer (
                           since != 0 ? since : engine_opened_at (f->engine)));
  if (may_go_back (engine_phase (f->engine)))
    json_object_set_new (o, "forecast_back_now", forecast_fact (f, g, true));
}

static void
put_measures (json_t *o, const struct fold *f, const struct graph *g)
{
  bool opened = false;
  int64_t ms = 0;
  if (measure_downtime (f->measure, false, &opened, &ms)) {
    json_object_set_new (o, "downtime_ms", json_integer (ms));
    json_object_set_new (o, "downtime_opened", json_boolean (opened));
  }
  json_object_set_new (o, "back_ms",
                       json_integer (forecast_back_ms (g, f->measure)));
  put_rollback (o, f, g);
  if (engine_phase (f->engine) <= PHASE_HOLDING)
    json_object_set_new (o, "forecast_now", forecast_fact (f, g, false));
}

static void
put_plan (json_t *o, const struct facts_from *from, const struct fold *f)
{
  json_object_set_new (o, "name", json_string (plan_name (from->plan)));
  json_object_set_new (o, "plan_hash", json_string (plan_hash (from->plan)));
  json_object_set_new (o, "version", json_string (REHOME_VERSION));
  if (from->state != NULL)
    json_object_set_new (o, "state", json_string (from->state));
  if (from->plan_path != NULL)
    json_object_set_new (o, "plan", json_string (from->plan_path));
  json_object_set_new (o, "source",
                       host_fact (f, from->graph, plan_source (from->plan),
                                  "source"));
  json_object_set_new (o, "target",
                       host_fact (f, from->graph, plan_target (from->plan),
                                  "target"));
}

/* A moved service whose package was changed on the target in the guard. */
static void
add_upgraded (json_t *why, const json_t *look, const json_t *changed)
{
  size_t i, k;
  json_t *one, *own;
  json_array_foreach ((json_t *)(uintptr_t)changed, i, one)
  {
    const char *name = json_string_value (json_object_get (one, "package"));
    size_t n = name != NULL ? strcspn (name, ":") : 0;
    json_array_foreach (json_object_get (look, "packages"), k, own)
    {
      const char *is = json_string_value (own);
      if (is != NULL && n > 0 && strlen (is) == n && memcmp (is, name, n) == 0)
        json_array_append_new (why, json_sprintf ("%s was changed on the "
                                                  "target after the opening",
                                                  is));
    }
  }
}

/* The way back was rehearsed under this plan, and no package was found changed
 * before the last freeze. */
static bool
was_rehearsed (const struct facts_from *from, const struct fold *f)
{
  const char *plan = json_string_value (
      json_object_get (engine_result (f->engine, "move#rehearse"), "plan"));
  return engine_step (f->engine, "move#rehearse", NULL) == STEP_DONE
         && plan != NULL && strcmp (plan, plan_hash (from->plan)) == 0
         && engine_step (f->engine, "move#versions", NULL) != STEP_FAILED;
}

/* What a rollback brings back, and why it may not work: a service of another
 * version, for which the plan gives no reason (back-why) and which was not
 * rehearsed. */
/* What the last look of the guard, or the rehearsal, said of an item's way
 * back; NULL: nothing. */
static const json_t *
said_back (const struct fold *f, const struct plan_item *item)
{
  static const char *const steps[] = { "back-round", "home" };
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    CLEANUP_FREE char *id = mem_printf ("%s#%s", item->name, steps[i]);
    const json_t *said = engine_result (f->engine, id);
    if (json_object_get (said, "reverse") != NULL)
      return said;
  }
  return NULL;
}

/* Each item that has more to say than its kind: how it comes back, why not
 * better, and how far behind it is.  Returns the weakest mode of all items. */
static enum reverse_mode
put_ways (json_t *o, const struct facts_from *from, const struct fold *f)
{
  CLEANUP_JSON json_t *all = json_object ();
  CLEANUP_JSON json_t *ways = json_array ();
  for (size_t i = 0; i < plan_item_count (from->plan); i++) {
    const struct plan_item *item = plan_item (from->plan, i);
    const json_t *said = said_back (f, item);
    if (said == NULL)
      continue;
    json_object_set (all, item->name, (json_t *)(uintptr_t)said);
    json_array_append_new (
        ways,
        json_pack ("{s:s, s:s, s:O*, s:O*, s:O*}", "item", item->name, "mode",
                   reverse_name (provider_reverse_of (item, said)), "why",
                   json_object_get (said, "why"), "bytes",
                   json_object_get (said, "lag_bytes"), "ms",
                   json_object_get (said, "lag_ms")));
  }
  if (json_array_size (ways) > 0 && may_go_back (engine_phase (f->engine)))
    json_object_set (o, "back_ways", ways);
  return provider_reverse (from->plan, all);
}

static void
put_mode (json_t *o, const struct facts_from *from, const struct fold *f)
{
  json_t *why = json_array ();
  bool rehearsed = was_rehearsed (from, f);
  const json_t *changed
      = json_object_get (engine_result (f->engine, "move#back-packages"),
                         "changed");
  bool known = false;
  for (size_t i = 0; i < plan_item_count (from->plan); i++) {
    const struct plan_item *item = plan_item (from->plan, i);
    CLEANUP_FREE char *id = mem_printf ("%s#look", item->name);
    const json_t *look = engine_result (f->engine, id);
    json_t *other = json_object_get (look, "other_versions");
    if (strcmp (item->kind, "service") != 0)
      continue;
    known |= look != NULL;
    if (json_object_get (item->spec, "back-why") == NULL && !rehearsed
        && other != NULL)
      json_array_extend (why, other);
    if (json_object_get (item->spec, "back-why") == NULL)
      add_upgraded (why, look, changed);
  }
  if (engine_step (f->engine, "move#versions", NULL) == STEP_FAILED
      && json_array_size (why) == 0)
    json_array_append_new (why, json_string ("a package of a service was "
                                             "changed since it was looked at"));
  if (changed != NULL)
    json_object_set (o, "back_packages", (json_t *)(uintptr_t)changed);
  enum reverse_mode weakest = put_ways (o, from, f);
  const char *mode = json_array_size (why) > 0 ? "none"
                     : known                   ? reverse_name (weakest)
                                               : "unknown";
  json_object_set_new (o, "back_mode", json_string (mode));
  if (rehearsed)
    json_object_set (o, "rehearsal",
                     (json_t *)(uintptr_t)engine_result (f->engine,
                                                         "move#rehearse"));
  json_object_set_new (o, "back_none_why", why);
}

/* How far behind its source each database is that replicates, as the last
 * round found it. */
static void
put_lag (json_t *o, const struct facts_from *from, const struct fold *f)
{
  json_t *lag = json_array ();
  for (size_t i = 0; i < plan_item_count (from->plan); i++) {
    const char *name = plan_item (from->plan, i)->name;
    CLEANUP_FREE char *id = mem_printf ("%s#round", name);
    const json_t *round = engine_result (f->engine, id);
    json_t *bytes = json_object_get (round, "lag_bytes");
    json_t *ms = json_object_get (round, "lag_ms");
    if (json_is_integer (bytes) && json_is_integer (ms))
      json_array_append_new (lag, json_pack ("{s:s, s:O, s:O}", "item", name,
                                             "bytes", bytes, "ms", ms));
  }
  if (json_array_size (lag) > 0 && engine_phase (f->engine) <= PHASE_HOLDING)
    json_object_set (o, "lag", lag);
  json_decref (lag);
}

static struct err *
make (const struct facts_from *from, struct fold *f, json_t **out)
{
  TRY (store_each (from->store, 0, fold_record, f));
  json_t *o = json_object ();
  put_plan (o, from, f);
  put_standing (o, f);
  put_measures (o, f, from->graph);
  put_mode (o, from, f);
  put_lag (o, from, f);
  permits_put (from->plan, engine_approvals (f->engine), o);
  timeline_put (f->timeline, f->engine, o);
  json_object_set_new (o, "mapping", mapping_make (f->mapping));
  moved_put (from->plan, from->graph, f->engine, o);
  queries_put (from->plan, f->engine, o);
  keeping_put (from->plan, json_object_get (o, "purged"), o);
  json_object_del (o, "purged");
  *out = o;
  return NULL;
}

struct err *
facts_make (const struct facts_from *from, json_t **out)
{
  struct fold f = {
    .engine = engine_new (from->graph, plan_limits (from->plan)),
    .measure = measure_new (from->graph),
    .timeline = timeline_new (from->graph),
    .mapping = mapping_new (from->graph),
    .names = from->no_names ? NULL : from->store,
  };
  struct err *e = make (from, &f, out);
  mapping_free (f.mapping);
  timeline_free (f.timeline);
  measure_free (f.measure);
  engine_free (f.engine);
  return e;
}
