/* SPDX-License-Identifier: Apache-2.0 */
/* Steps run directly, without engine or journal. */
#include "exec/checks.h"

#include <string.h>

static void
ignore_tick (void *ctx, const json_t *progress)
{
  (void)ctx;
  (void)progress;
}

static bool
never (void *ctx)
{
  (void)ctx;
  return false;
}

static bool
needs_met (const struct checks *l, const struct step *s, enum stage stage,
           const json_t *results)
{
  for (size_t i = 0; s->needs != NULL && s->needs[i] != NULL; i++) {
    const struct step *n = graph_find (l->graph, s->needs[i]);
    if (n != NULL && n->stage == stage
        && json_object_get (results, n->id) == NULL)
      return false;
  }
  return true;
}

static struct err *
run_step (const struct checks *l, const struct step *s, json_t *results)
{
  const struct provider *p = l->find (s->provider);
  json_t *result = NULL;
  struct step_call call = {
    .plan = l->plan,
    .item = s->item >= 0 ? plan_item (l->plan, (size_t)s->item) : NULL,
    .step = s,
    .attempt = 1,
    .source = l->source,
    .target = l->target,
    .controller = l->controller,
    .inputs = results,
    .migration = l->migration,
    .tick = ignore_tick,
    .cancelled = never,
  };
  if (p == NULL)
    return err_new (ERR_BUG, "RH-EXEC-PROVIDER", "no provider %s", s->provider);
  TRY (provider_run (p, &call, &result));
  json_object_set_new (results, s->id,
                       result != NULL ? result : json_object ());
  return NULL;
}

static bool
is_fatal (const struct err *e)
{
  return err_class_of (e) == ERR_BUG
         || strcmp (err_code (e), "RH-LINK-LOST") == 0;
}

struct err *
checks_run (const struct checks *l, enum stage stage)
{
  CLEANUP_JSON json_t *results = json_object ();
  for (size_t i = 0; i < graph_len (l->graph); i++) {
    const struct step *s = graph_at (l->graph, i);
    if (s->stage != stage)
      continue;
    bool skip = !needs_met (l, s, stage, results);
    l->begins (l->ctx, s);
    CLEANUP_ERR struct err *e = skip ? NULL : run_step (l, s, results);
    if (e != NULL && is_fatal (e))
      return STEAL (e);
    l->ended (l->ctx, s, e, json_object_get (results, s->id), skip);
  }
  return NULL;
}
