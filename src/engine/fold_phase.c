/* SPDX-License-Identifier: Apache-2.0 */
/* Phase records, and the legs of a phase: which stage its steps are in. */
#include "engine/state.h"

#include <string.h>

enum stage
state_stage (const struct engine *e)
{
  return phase_legs (e->phase)->stage[e->leg];
}

const struct course *
state_course (const struct engine *e)
{
  return course_of (phase_way (e->phase));
}

struct outage *
state_outage (struct engine *e)
{
  return &e->outage[phase_way (e->phase)];
}

bool
state_has_back (const struct engine *e)
{
  return e->first_of[STAGE_BACK_ROUND] < e->first_of[STAGE_BACK_ROUND + 1];
}

bool
leg_collects (const struct engine *e)
{
  enum stage s = state_stage (e);
  return s == STAGE_PREFLIGHT || s == STAGE_RECHECK || s == STAGE_BACK_CHECK;
}

bool
leg_is_open (const struct engine *e)
{
  enum stage s = state_stage (e);
  for (size_t i = e->first_of[s]; i < e->first_of[s + 1]; i++)
    if (e->steps[i].mark == MARK_OPEN)
      return true;
  return false;
}

static bool
all_done (const struct engine *e, enum stage s)
{
  for (size_t i = e->first_of[s]; i < e->first_of[s + 1]; i++)
    if (e->steps[i].mark != MARK_DONE)
      return false;
  return true;
}

/* Before the pivot everything is awaited that ran beside. */
bool
leg_done (const struct engine *e)
{
  const struct phase_legs *legs = phase_legs (e->phase);
  if (legs->n == 0 || !all_done (e, state_stage (e)))
    return false;
  return legs->how != BESIDE_AWAITED || e->phase != state_course (e)->outside
         || all_done (e, legs->beside);
}

static bool
any_failed (const struct engine *e, enum stage s)
{
  for (size_t i = e->first_of[s]; i < e->first_of[s + 1]; i++)
    if (e->steps[i].mark == MARK_FAILED)
      return true;
  return false;
}

bool
leg_failed (const struct engine *e)
{
  const struct phase_legs *legs = phase_legs (e->phase);
  return any_failed (e, state_stage (e))
         || (legs->how == BESIDE_AWAITED && any_failed (e, legs->beside));
}

void
prepare_again (struct progress *p)
{
  if (p->mark == MARK_UNDONE)
    p->first_intent = 0;
  p->mark = MARK_WAITING;
}

/* What was prepared stays so; everything else is done anew in each pass. */
static void
stage_begin (struct engine *e, enum stage s)
{
  for (size_t i = e->first_of[s]; i < e->first_of[s + 1]; i++) {
    struct progress *p = &e->steps[i];
    if (s == STAGE_PREPARE && p->mark != MARK_DONE)
      prepare_again (p);
    else if (s != STAGE_PREPARE)
      p->mark = MARK_WAITING;
    p->tries = 0;
    p->wait = p->backoff = false;
  }
  if (s == STAGE_BACK_ROUND)
    e->back_begun_at = 0;
}

void
leg_begin (struct engine *e)
{
  stage_begin (e, state_stage (e));
}

/* What runs beside several phases begins anew with the first of them. */
static void
beside_begin (struct engine *e, enum phase from)
{
  const struct phase_legs *legs = phase_legs (e->phase);
  if (legs->how == BESIDE_AWAITED && phase_legs (from)->how != BESIDE_AWAITED)
    stage_begin (e, legs->beside);
}

void
leg_advance (struct engine *e)
{
  while (e->leg + 1 < phase_legs (e->phase)->n && leg_done (e)) {
    e->leg++;
    leg_begin (e);
  }
}

/* The steps of a cutover begin with a clean sheet. */
static void
begin_cutover (struct engine *e)
{
  const struct course *c = state_course (e);
  *state_outage (e) = (struct outage){ 0 };
  e->abort_asked = false;
  for (size_t i = e->first_of[c->hold]; i < e->first_of[c->pivot + 1]; i++) {
    struct progress *p = &e->steps[i];
    p->first_intent = 0;
    p->closed = p->failed = false;
  }
}

static void
begin_abort (struct engine *e)
{
  for (size_t i = 0; i < e->n; i++) {
    e->steps[i].undo_tries = 0;
    e->steps[i].undo_failed = false;
  }
}

/* The request that was worked on has ended; `resume` takes up what did not
 * end well, but never begins a cutover anew that froze the source. */
static void
end_request (struct engine *e, enum why why)
{
  bool again = why == WHY_FAILED || why == WHY_BLOCKED;
  e->stopped = again ? e->goal : NO_REQUEST;
  e->goal = NO_REQUEST;
}

/* Back to where it was asked, or on into the rollback. */
static void
enter_left (struct engine *e, enum phase to)
{
  if (to == PHASE_BACK_HOLDING)
    begin_cutover (e);
  else
    end_request (e, e->why);
}

static void
enter_syncing (struct engine *e, enum phase from, enum why why)
{
  bool on = from == PHASE_TESTING && e->syncs_on && why != WHY_CANCELLED;
  if (from != PHASE_SEEDING)
    end_request (e, why);
  if (on) {
    e->goal = REQUEST_SYNC;
    e->stopped = NO_REQUEST;
  }
}

/* Everything is undone, of whichever way: its outage is over. */
static void
enter_undone (struct engine *e, enum phase from, const struct record *r)
{
  struct outage *o = &e->outage[phase_way (from)];
  e->goal = e->stopped = NO_REQUEST;
  e->abort_asked &= e->phase != PHASE_GUARDED;
  if (o->frozen_at != 0)
    o->ended_at = r->time_ms;
}

static bool
undoes (enum phase p)
{
  return p == PHASE_ABORTING || p == PHASE_BACK_ABORTING;
}

static void
enter (struct engine *e, enum phase from, const struct record *r)
{
  enum phase to = e->phase;
  if (to == PHASE_GUARDED)
    e->alone = false;
  if (to == PHASE_SEEDING)
    e->back = from == PHASE_ABORTED ? PHASE_ABORTED : PHASE_PLANNED;
  else if (to == PHASE_SYNCING)
    enter_syncing (e, from, e->why);
  else if ((to == PHASE_ABORTED || to == PHASE_GUARDED) && undoes (from))
    enter_undone (e, from, r);
  else if (to == PHASE_PLANNED || to == PHASE_ABORTED
           || from == PHASE_RETURNING)
    enter_left (e, to);
  else if (to == PHASE_TESTING) /* what was looked at before is older */
    stage_begin (e, STAGE_RECHECK);
  else if (to == PHASE_PROVING)
    e->cutovers++;
  else if (to == PHASE_HOLDING)
    begin_cutover (e);
  else if (undoes (to))
    begin_abort (e);
  else if (to == PHASE_GUARDED || to == PHASE_ACCEPTED || to == PHASE_STUCK
           || to == PHASE_ROLLED_BACK || to == PHASE_BACK_STUCK)
    e->goal = e->stopped = NO_REQUEST;
}

static void
explain (struct engine *e)
{
  if (e->why == WHY_DOWNTIME_LIMIT)
    attention_limit (e);
  if (e->why == WHY_UNDO_FAILED)
    attention_stuck (e);
  if (e->why == WHY_CANCELLED)
    attention_clear (e);
}

static int
phase_from_name (const char *name, enum phase *out)
{
  for (unsigned i = 0; i < PHASE_COUNT; i++)
    if (strcmp (name, phase_name ((enum phase)i)) == 0) {
      *out = (enum phase)i;
      return 0;
    }
  return -1;
}

static struct err *
find_transition (const struct engine *e, const struct record *r,
                 const struct transition **out)
{
  const char *from, *to, *why;
  enum phase p, q;
  enum why w;
  TRY (json_get_str (r->data, "from", &from));
  TRY (json_get_str (r->data, "to", &to));
  TRY (json_get_str (r->data, "why", &why));
  if (phase_from_name (from, &p) != 0 || phase_from_name (to, &q) != 0
      || why_from_name (why, &w) != 0)
    return fold_bad (r, "names a phase or a reason that does not exist");
  *out = transition_find (p, q, w);
  if (p != e->phase)
    return fold_bad (r, "leaves a phase that the migration is not in");
  if (w == WHY_PIVOT)
    return fold_bad (r, "is a transition that the table does not have");
  return NULL;
}

/* The three moments that people decide. */
static bool
is_permitted (const struct engine *e, const struct transition *t)
{
  if (t->to == PHASE_PROVING)
    return permit_given (e, REQUEST_CUTOVER);
  if (t->to == PHASE_ACCEPTING)
    return permit_given (e, REQUEST_ACCEPT);
  return t->to != PHASE_RETURNING || permit_given (e, REQUEST_ROLLBACK);
}

struct err *
fold_phase (struct engine *e, const struct record *r)
{
  const struct transition *t = NULL;
  TRY (find_transition (e, r, &t));
  if (t == NULL)
    return fold_bad (r, "is a transition that the table does not have");
  if (!is_permitted (e, t))
    return fold_bad (r, "goes on without the approvals or the backup that its "
                        "plan asks for");
  e->phase = t->to;
  e->why = t->why;
  e->has_why = true;
  e->leg = 0;
  if (t->sets_writer)
    e->writer = t->writer;
  enter (e, t->from, r);
  explain (e);
  if (phase_legs (e->phase)->n > 0) {
    leg_begin (e);
    beside_begin (e, t->from);
    leg_advance (e);
  }
  return NULL;
}
