/* SPDX-License-Identifier: Apache-2.0 */
/* What operators may ask for in which phase, and what it changes. */
#include "engine/state.h"

#include <string.h>

static const char *const request_names[REQUEST_COUNT] = {
  [REQUEST_SYNC] = "sync",         [REQUEST_CUTOVER] = "cutover",
  [REQUEST_ABORT] = "abort",       [REQUEST_ACCEPT] = "accept",
  [REQUEST_PAUSE] = "pause",       [REQUEST_RESUME] = "resume",
  [REQUEST_ROLLBACK] = "rollback", [REQUEST_ROLLBACK_ALONE] = "rollback-alone",
  [REQUEST_TEST] = "test",
};

const char *
request_name (enum request r)
{
  return (unsigned)r < REQUEST_COUNT ? request_names[r] : "none";
}

int
request_from_name (const char *name, enum request *out)
{
  for (unsigned i = 0; i < REQUEST_COUNT; i++)
    if (strcmp (name, request_names[i]) == 0) {
      *out = (enum request)i;
      return 0;
    }
  return -1;
}

bool
state_frozen_phase (enum phase p)
{
  const struct course *c = course_of (phase_way (p));
  return p >= c->freezing && p <= c->opening;
}

static bool
past_pivot (enum phase p)
{
  return (p >= PHASE_OPENING && p <= PHASE_ACCEPTED) || p >= PHASE_RETURNING;
}

static struct err *
past (const char *what)
{
  return err_advise (
      err_new (ERR_REFUSED, "RH-ENGINE-PASTPIVOT",
               "%s is not possible any more: the target was opened, or may "
               "have been",
               what),
      "the target has the data, or gets it when the opening has succeeded",
      "see `rehome status`");
}

static struct err *
busy (const struct engine *e)
{
  return err_advise (err_new (ERR_REFUSED, "RH-ENGINE-BUSY",
                              "this cannot be asked for in phase %s",
                              phase_name (e->phase)),
                     "what is under way goes on",
                     "wait for it with `rehome watch`, or `rehome abort`");
}

static bool
has_pivot (const struct engine *e, enum stage s)
{
  for (size_t i = e->first_of[s]; i < e->first_of[s + 1]; i++)
    if (state_step (e, i)->cls == STEP_PIVOT)
      return true;
  return false;
}

static struct err *
refuse_sync (const struct engine *e)
{
  bool ok = e->phase == PHASE_PLANNED || e->phase == PHASE_SEEDING
            || e->phase == PHASE_SYNCING || e->phase == PHASE_ABORTED;
  if (ok && e->goal != REQUEST_ABORT)
    return NULL;
  return past_pivot (e->phase) ? past ("a sync") : busy (e);
}

/* It is made of what the target holds, and is no part of a cutover. */
static struct err *
refuse_test (const struct engine *e)
{
  bool works = e->goal == REQUEST_CUTOVER || e->goal == REQUEST_ABORT;
  if (e->first_of[STAGE_TEST] == e->first_of[STAGE_TEST + 1])
    return err_new (ERR_REFUSED, "RH-ENGINE-NOTEST",
                    "the plan has no service: there is nothing to rehearse");
  if (e->phase == PHASE_SYNCING && !works)
    return NULL;
  if (past_pivot (e->phase))
    return past ("a rehearsal");
  if (e->phase != PHASE_PLANNED && e->phase != PHASE_ABORTED)
    return busy (e);
  return err_advise (err_new (ERR_REFUSED, "RH-ENGINE-NOTSYNCED",
                              "a rehearsal is made of what the target holds, "
                              "and it is not in step"),
                     "nothing was changed", "rehome sync PLAN first");
}

static struct err *
refuse_cutover (const struct engine *e)
{
  if (!has_pivot (e, STAGE_PIVOT))
    return err_new (ERR_REFUSED, "RH-ENGINE-NOPIVOT",
                    "the plan has nothing that takes writes on the target: "
                    "there is nothing to cut over");
  bool ok = e->phase == PHASE_PLANNED || e->phase == PHASE_SEEDING
            || e->phase == PHASE_SYNCING || e->phase == PHASE_ABORTED;
  if (ok && e->goal != REQUEST_ABORT)
    return NULL;
  return past_pivot (e->phase) ? past ("another cutover") : busy (e);
}

/* A sync that got nowhere has claimed hosts and may have been given a key; an
 * abort has its owner give them back. */
static bool
was_tried (const struct engine *e)
{
  for (size_t i = 0; i < e->n; i++)
    if (e->steps[i].first_intent != 0)
      return true;
  return false;
}

static struct err *
refuse_abort (const struct engine *e)
{
  if (e->phase == PHASE_RETURNING || phase_in_window (e->phase)
      || e->phase == PHASE_STUCK || e->phase == PHASE_BACK_STUCK)
    return NULL;
  if (e->phase == PHASE_GUARDED && e->goal == REQUEST_ROLLBACK)
    return busy (e);
  if (e->phase == PHASE_BACK_ABORTING)
    return busy (e);
  if (past_pivot (e->phase))
    return past ("an abort");
  bool nothing = e->phase == PHASE_PLANNED && !was_tried (e);
  if (e->phase == PHASE_ABORTED && state_left_prepared (e))
    return NULL;
  if (nothing || e->phase == PHASE_ABORTED)
    return err_advise (err_new (ERR_REFUSED, "RH-ENGINE-NOTHING",
                                "there is nothing to abort"),
                       "the source serves", NULL);
  return e->phase == PHASE_ABORTING ? busy (e) : NULL;
}

static struct err *
refuse_accept (const struct engine *e)
{
  bool leaves = e->phase == PHASE_GUARDED && e->goal == REQUEST_ROLLBACK;
  if ((e->phase == PHASE_GUARDED && !leaves) || e->phase == PHASE_ACCEPTING)
    return NULL;
  return err_advise (err_new (ERR_REFUSED, "RH-ENGINE-NOTGUARDED",
                              "only a move that is guarded can be accepted; "
                              "this one is %s",
                              phase_name (e->phase)),
                     NULL, "see `rehome status`");
}

static struct err *
refuse_pause (const struct engine *e)
{
  if (!state_frozen_phase (e->phase)
      && e->phase != course_of (phase_way (e->phase))->aborting)
    return NULL;
  return err_advise (err_new (ERR_REFUSED, "RH-ENGINE-NOPAUSE",
                              "there is no pause while the source is frozen: "
                              "nobody is served"),
                     "it goes on, or goes back at the downtime limit",
                     "`rehome abort` goes back now");
}

/* There is a way back after the pivot, and before it one that is called
 * otherwise. */
static struct err *
refuse_rollback (const struct engine *e)
{
  bool leaves = e->phase == PHASE_GUARDED && e->goal == REQUEST_ACCEPT;
  if (e->phase == PHASE_GUARDED && !leaves)
    return has_pivot (e, STAGE_BACK_PIVOT)
               ? NULL
               : err_new (ERR_REFUSED, "RH-ENGINE-NOBACK",
                          "this migration has no way back");
  if (e->phase >= PHASE_RETURNING)
    return busy (e);
  if (e->phase == PHASE_ACCEPTING || e->phase == PHASE_ACCEPTED || leaves)
    return err_advise (err_new (ERR_REFUSED, "RH-ENGINE-ACCEPTED",
                                "the move was accepted: its way back was given "
                                "up"),
                       "the target serves", "see `rehome report`");
  if (e->phase == PHASE_OPENING)
    return busy (e);
  return err_advise (err_new (ERR_REFUSED, "RH-ENGINE-NOROLLBACK",
                              "there is nothing to roll back: the target was "
                              "not opened"),
                     "the source has everything",
                     "`rehome abort` ends a move before its target is opened");
}

static struct err *
refuse_resume (const struct engine *e)
{
  (void)e;
  return NULL;
}

static struct err *(*const refusals[REQUEST_COUNT]) (const struct engine *) = {
  [REQUEST_SYNC] = refuse_sync,
  [REQUEST_CUTOVER] = refuse_cutover,
  [REQUEST_ABORT] = refuse_abort,
  [REQUEST_ACCEPT] = refuse_accept,
  [REQUEST_PAUSE] = refuse_pause,
  [REQUEST_RESUME] = refuse_resume,
  [REQUEST_ROLLBACK] = refuse_rollback,
  [REQUEST_ROLLBACK_ALONE] = refuse_rollback,
  [REQUEST_TEST] = refuse_test,
};

struct err *
request_refused (const struct engine *e, enum request r, const char *actor)
{
  TRY (refusals[r](e));
  return permit_refused (e, r, actor);
}

static void
try_stage_again (struct engine *e, enum stage s)
{
  for (size_t i = e->first_of[s]; i < e->first_of[s + 1]; i++)
    if (e->steps[i].mark == MARK_FAILED) {
      e->steps[i].mark = MARK_WAITING;
      e->steps[i].tries = 0;
    }
}

static void
try_again (struct engine *e)
{
  const struct phase_legs *legs = phase_legs (e->phase);
  if (legs->n > 0)
    try_stage_again (e, state_stage (e));
  if (legs->how != BESIDE_NONE)
    try_stage_again (e, legs->beside);
}

static void
work_on (struct engine *e, enum request goal)
{
  bool idle = e->goal == NO_REQUEST;
  e->goal = goal;
  e->stopped = NO_REQUEST;
  e->abort_asked = false;
  if (e->phase == PHASE_SYNCING && idle && state_open_count (e) == 0)
    leg_begin (e);
  else if (e->phase == PHASE_SYNCING || e->phase == PHASE_ACCEPTING)
    try_again (e);
}

/* A second `sync` does not take back a cutover that was asked for. */
static void
take_sync (struct engine *e)
{
  if (e->goal != REQUEST_CUTOVER)
    work_on (e, REQUEST_SYNC);
}

/* Rounds wait meanwhile, and go on afterwards where they were asked for. */
static void
take_test (struct engine *e)
{
  e->syncs_on = e->goal == REQUEST_SYNC;
  work_on (e, REQUEST_TEST);
}

/* The round that runs is told to end; another request may come before it
 * has. */
static void
leave_round (struct engine *e)
{
  e->goal = e->stopped = NO_REQUEST;
  for (size_t i = 0; i < e->n; i++)
    e->steps[i].dismissed = e->steps[i].mark == MARK_OPEN;
}

static void
take_abort (struct engine *e)
{
  if (e->phase == PHASE_SYNCING || e->phase == PHASE_PLANNED
      || e->phase == PHASE_ABORTED)
    leave_round (e);
  else
    e->goal = REQUEST_ABORT;
  e->abort_asked = true;
}

static void
take_resume (struct engine *e)
{
  if (e->phase == PHASE_STUCK || e->phase == PHASE_BACK_STUCK)
    e->goal = REQUEST_ABORT;
  else if (e->stopped != NO_REQUEST)
    work_on (e, e->stopped);
  else if (e->phase == PHASE_GUARDED)
    try_again (e);
}

/* What the pause tells to end (schedule_hold) may do so only after it was
 * resumed. */
static void
take_pause (struct engine *e)
{
  e->paused = true;
  for (size_t i = 0; i < e->n; i++)
    e->steps[i].dismissed
        |= e->steps[i].mark == MARK_OPEN && state_is_held (e, i);
}

static void
take (struct engine *e, enum request r)
{
  if (r == REQUEST_PAUSE) {
    take_pause (e);
    return;
  }
  e->paused = false;
  if (e->phase != course_of (phase_way (e->phase))->opening)
    attention_clear (e);
  if (r == REQUEST_SYNC)
    take_sync (e);
  else if (r == REQUEST_TEST)
    take_test (e);
  else if (r == REQUEST_CUTOVER || r == REQUEST_ACCEPT)
    work_on (e, r);
  else if (r == REQUEST_ROLLBACK || r == REQUEST_ROLLBACK_ALONE) {
    work_on (e, REQUEST_ROLLBACK);
    e->alone = r == REQUEST_ROLLBACK_ALONE;
  } else if (r == REQUEST_ABORT)
    take_abort (e);
  else
    take_resume (e);
}

/* A request that came too late is recorded and changes nothing. */
struct err *
fold_request (struct engine *e, const struct record *r)
{
  const char *name;
  enum request request;
  TRY (json_get_str (r->data, "request", &name));
  if (request_from_name (name, &request) != 0)
    return NULL; /* other requests are other layers' */
  struct err *refused CLEANUP_ERR = request_refused (e, request, r->actor);
  if (refused != NULL)
    return NULL;
  take (e, request);
  if (request == REQUEST_CUTOVER)
    permit_fold_cutover (e, r);
  return NULL;
}
