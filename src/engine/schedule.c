/* SPDX-License-Identifier: Apache-2.0 */
/* Which steps of the current leg begin now. */
#include "engine/state.h"

#define AT_ONCE 16

size_t
state_open_count (const struct engine *e)
{
  size_t n = 0;
  for (size_t i = 0; i < e->n; i++)
    n += e->steps[i].mark == MARK_OPEN || e->steps[i].undo_open;
  return n;
}

bool
state_is_held (const struct engine *e, size_t i)
{
  enum step_class cls = state_step (e, i)->cls;
  bool copying = e->phase == PHASE_SEEDING || e->phase == PHASE_SYNCING
                 || e->phase == PHASE_TESTING || e->phase == PHASE_PROVING;
  return e->paused && copying && (cls == STEP_IDEMPOTENT || cls == STEP_PURE);
}

static bool
needs_done (const struct engine *e, size_t i)
{
  const bool *needs = &e->direct[i * e->n];
  for (size_t j = 0; j < i; j++)
    if (needs[j] && e->steps[j].mark != MARK_DONE)
      return false;
  return true;
}

static bool
ready (const struct engine *e, size_t i)
{
  const struct progress *p = &e->steps[i];
  return p->mark == MARK_WAITING && !p->backoff && needs_done (e, i);
}

/* What opens the target is done one by one, so that one failure leaves one
 * thing in doubt. */
static size_t
room (const struct engine *e)
{
  size_t limit = state_stage (e) == state_course (e)->pivot ? 1 : AT_ONCE;
  size_t open = state_open_count (e);
  return open < limit ? limit - open : 0;
}

static bool
in_doubt (const struct engine *e)
{
  for (size_t i = 0; i < e->n; i++)
    if (e->steps[i].mark == MARK_DOUBT)
      return true;
  return false;
}

static void
schedule_stage (struct engine *e, enum stage s, struct effects *out)
{
  if (in_doubt (e))
    return;
  size_t left = room (e);
  for (size_t i = e->first_of[s]; i < e->first_of[s + 1] && left > 0; i++)
    if (ready (e, i)) {
      push_append (e, out, RECORD_INTENT, i, e->steps[i].attempt + 1, NULL);
      left--;
    }
}

void
schedule (struct engine *e, struct effects *out)
{
  schedule_stage (e, state_stage (e), out);
}

void
schedule_beside (struct engine *e, struct effects *out)
{
  const struct phase_legs *legs = phase_legs (e->phase);
  if (legs->how != BESIDE_NONE)
    schedule_stage (e, legs->beside, out);
}

/* Nothing runs, nothing could begin, nothing waits for its turn. */
bool
schedule_nothing_left (const struct engine *e)
{
  enum stage s = state_stage (e);
  for (size_t i = e->first_of[s]; i < e->first_of[s + 1]; i++)
    if (ready (e, i)
        || (e->steps[i].mark == MARK_WAITING && e->steps[i].backoff))
      return false;
  return state_open_count (e) == 0;
}

void
schedule_cancel (struct engine *e, struct effects *out)
{
  for (size_t i = 0; i < e->n; i++) {
    struct progress *p = &e->steps[i];
    if (p->mark == MARK_OPEN && p->flying && !p->cancelled) {
      push_call (e, out, EFFECT_CANCEL, i);
      p->cancelled = true;
    }
  }
}

/* What may be repeated ends at once, and begins again where it was. */
void
schedule_hold (struct engine *e, struct effects *out)
{
  for (size_t i = 0; i < e->n; i++) {
    struct progress *p = &e->steps[i];
    if (p->mark == MARK_OPEN && p->flying && !p->cancelled
        && state_is_held (e, i))
    {
      push_call (e, out, EFFECT_CANCEL, i);
      p->cancelled = true;
    }
  }
}

bool
schedule_settle (struct engine *e, struct effects *out)
{
  schedule_cancel (e, out);
  return state_open_count (e) == 0;
}
