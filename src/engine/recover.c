/* SPDX-License-Identifier: Apache-2.0 */
/* What to do with attempts whose end is not known: of a process that died, or
 * of a pivot that failed.  Never assumed: probed, or repeated where that is
 * harmless by the step's class. */
#include "engine/state.h"

#include <string.h>

#define BASE_MS 1000
#define CAP_MS 30000
#define SLOW_MS 60000
#define PROBES_MAX 5

static const char *const probe_names[] = {
  [PROBE_DONE] = "done",
  [PROBE_NOT_DONE] = "not_done",
  [PROBE_PARTIAL] = "partial",
  [PROBE_UNKNOWN] = "unknown",
};

const char *
probe_name (enum probe p)
{
  return (unsigned)p <= PROBE_UNKNOWN ? probe_names[p] : "?";
}

/* Doubled with each failure up to the cap; what must succeed but has used up
 * its attempts goes on slowly. */
int64_t
recover_delay (const struct engine *e, size_t step, unsigned tries)
{
  const struct step *s = state_step (e, step);
  int64_t delay = s->retry_base_ms > 0 ? s->retry_base_ms : BASE_MS;
  int64_t cap = s->retry_cap_ms > 0 ? s->retry_cap_ms : CAP_MS;
  for (unsigned i = 1; i < tries && delay < cap; i++)
    delay *= 2;
  if (tries > s->retry_max + 1)
    return SLOW_MS > cap ? SLOW_MS : cap;
  return delay < cap ? delay : cap;
}

static void
lose (struct engine *e, size_t i, bool undo, struct effects *out)
{
  const struct progress *p = &e->steps[i];
  json_t *data = json_pack ("{s:b}", "lost", 1);
  if (undo)
    json_object_set_new (data, "undo", json_true ());
  push_append (e, out, RECORD_OUTCOME, i, undo ? p->undo_attempt : p->attempt,
               data);
}

static void
probe (struct engine *e, size_t i, struct effects *out)
{
  e->steps[i].probing = true;
  push_call (e, out, EFFECT_PROBE, i);
}

/* A look can be repeated, and in an abort the undo comes in any case. */
static bool
needs_no_probe (const struct engine *e, size_t i)
{
  return state_step (e, i)->cls == STEP_PURE
         || e->phase == state_course (e)->aborting;
}

static void
recover_step (struct engine *e, size_t i, struct effects *out)
{
  struct progress *p = &e->steps[i];
  bool orphan = p->mark == MARK_OPEN && !p->flying;
  if (p->undo_open && !p->flying)
    lose (e, i, true, out);
  else if (orphan && needs_no_probe (e, i)) {
    p->probing = p->probe_backoff = false;
    lose (e, i, false, out);
  } else if ((orphan || p->mark == MARK_DOUBT) && !p->probing
             && !p->probe_backoff)
    probe (e, i, out);
}

void
recover_open (struct engine *e, struct effects *out)
{
  for (size_t i = 0; i < e->n; i++)
    recover_step (e, i, out);
}

/* From a record until the last one, the claim of who resumes.  Between two
 * boots there is only the wall clock to go by. */
static int64_t
since (const struct engine *e, const struct instant *then, int64_t now_ms)
{
  bool one_boot
      = then->boot[0] != '\0' && strcmp (then->boot, e->last.boot) == 0;
  int64_t ms
      = one_boot ? e->last.boot_ms - then->boot_ms : now_ms - then->wall_ms;
  return ms > 0 ? ms : 0;
}

/* The time frozen runs on while no controller lives. */
static void
resume_limit (struct engine *e, int64_t now_ms, struct effects *out)
{
  const struct outage *o = state_outage (e);
  bool frozen
      = state_frozen_phase (e->phase) && o->frozen_at != 0 && o->opened_at == 0;
  if (!frozen || e->alone || e->limits.downtime_ms <= 0)
    return;
  int64_t left = e->limits.downtime_ms - since (e, &o->frozen, now_ms);
  if (left > 0 && e->phase != state_course (e)->opening)
    push_timer (out, "downtime-limit", NULL, left);
  e->limit_due = left <= 0;
}

/* So does the time between two rounds. */
static void
shorten_wait (struct engine *e, int64_t waited)
{
  e->round_delay = waited < e->round_delay ? e->round_delay - waited : 0;
}

void
recover_resume (struct engine *e, int64_t now_ms, struct effects *out)
{
  e->live = true;
  resume_limit (e, now_ms, out);
  if (e->phase == PHASE_GUARDED)
    e->round_delay = e->limits.back_ms;
  bool rounds = e->phase == PHASE_SYNCING || e->phase == PHASE_GUARDED;
  if (rounds && leg_done (e))
    shorten_wait (e, since (e, &e->round, now_ms));
}

static void
probed (struct engine *e, size_t i, enum probe found, const json_t *result,
        struct effects *out)
{
  json_t *data = json_pack ("{s:s}", "probe", probe_name (found));
  if (found == PROBE_DONE && result != NULL)
    json_object_set_new (data, "result", json_deep_copy (result));
  e->steps[i].probe_tries = 0;
  push_append (e, out, RECORD_OUTCOME, i, e->steps[i].attempt, data);
}

/* The host did not answer: looked again a few times; then it is unknown. */
struct err *
recover_probed (struct engine *e, const struct event *ev, struct effects *out)
{
  size_t i = state_find (e, ev->step);
  struct progress *p = i != NO_STEP ? &e->steps[i] : NULL;
  if (p == NULL || !p->probing || ev->attempt != p->attempt)
    return NULL; /* it is not waited for any more */
  p->probing = false;
  if (ev->error == NULL)
    probed (e, i, ev->probe, ev->data, out);
  else if (++p->probe_tries < PROBES_MAX) {
    p->probe_backoff = true;
    push_timer (out, "probe", ev->step, recover_delay (e, i, p->probe_tries));
  } else
    probed (e, i, PROBE_UNKNOWN, NULL, out);
  return NULL;
}
