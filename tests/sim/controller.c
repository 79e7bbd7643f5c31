/* SPDX-License-Identifier: Apache-2.0 */
/* In exec's place: performs the engine's effects in their order, and can die
 * before and after each. */
#include "run.h"

#include "base/mem.h"
#include "engine/phases.h"

#include <string.h>

static bool
dies (struct run *r)
{
  if (!run_faulty (r) || !dice_odds (&r->dice, r->odds_crash) || !run_fault (r))
    return false;
  controller_crash (r);
  return true;
}

/* Half of the calls under way end with their controller; of the others some
 * are stuck on the way and reach the host long after. */
static void
orphan_calls (struct run *r)
{
  for (size_t i = 0; i < r->calls.n; i++) {
    struct call *c = &r->calls.v[i];
    if (!c->replied && !c->dead && c->kind == EFFECT_RUN)
      r->coverage->hit[c->step][FAULT_CRASH]++;
    if (dice_odds (&r->dice, 5000))
      c->dead = true;
  }
  for (size_t i = 0; i < r->queue.n; i++) {
    struct happening *h = &r->queue.v[i];
    if (h->kind == HAPPENS_WHOLE && dice_odds (&r->dice, 7000))
      h->at += dice_between (&r->dice, 0, 90000);
  }
}

void
controller_crash (struct run *r)
{
  run_trace (r, "the controller dies");
  r->coverage->crashes++;
  engine_free (r->engine);
  r->engine = NULL;
  r->alive = false;
  disk_lose_unsynced (r);
  orphan_calls (r);
  clocks_reboot (r);
  r->incarnation++;
  run_later (r, dice_between (&r->dice, 100, 40000), HAPPENS_START);
}

/* It says that the step, or its undo, was done. */
static bool
is_success (const json_t *outcome, bool undo)
{
  const char *probe = json_string_value (json_at (outcome, "probe"));
  if (probe != NULL)
    return strcmp (probe, "done") == 0;
  return json_at (outcome, "result") != NULL
         || (undo && json_at (outcome, "error") == NULL
             && json_at (outcome, "lost") == NULL);
}

/* A success is recorded only of what was done. */
static void
check_outcome (struct run *r, const struct effect *f)
{
  bool undo = json_is_true (json_at (f->data, "undo"));
  if (f->type != RECORD_OUTCOME || engine_alone (r->engine)
      || !is_success (f->data, undo))
    return;
  size_t step = world_step (&r->world, f->step);
  enum step_class cls = graph_at (r->graph, step)->cls;
  int state = r->world.state[step];
  bool by_state = cls != STEP_PURE && cls != STEP_IDEMPOTENT && state == 2;
  bool done = by_state || r->world.remembered[step] == f->attempt;
  if (undo ? state != 0 : !done)
    run_fail (r, "an outcome is recorded before its effect", NULL);
}

static void
note_freeze (struct run *r, const char *step)
{
  enum stage s = graph_at (r->graph, world_step (&r->world, step))->stage;
  if (s == STAGE_FREEZE && engine_frozen_at (r->engine) == 0)
    clocks_freeze (r, false);
  if (s == STAGE_BACK_FREEZE && engine_back_frozen_at (r->engine) == 0)
    clocks_freeze (r, true);
}

static void
append (struct run *r, const struct effect *f)
{
  check_outcome (r, f);
  struct record x = { .type = f->type,
                      .epoch = r->epoch,
                      .actor = mem_strdup (f->actor),
                      .step = mem_strdup (f->step),
                      .attempt = f->attempt,
                      .data = json_incref (f->data) };
  if (f->type == RECORD_INTENT && !json_is_true (json_at (f->data, "undo")))
    note_freeze (r, f->step);
  disk_append (r, &x);
  int64_t at = r->now + dice_between (&r->dice, 0, 3);
  r->delivered_until = at > r->delivered_until ? at : r->delivered_until;
  run_later (r, r->delivered_until - r->now, HAPPENS_RECORD)->index
      = r->records.n - 1;
}

/* As the engine is given it: with the bug an approval counts for whatever plan
 * is followed. */
static struct record
as_given (const struct run *r, size_t i, json_t **owned)
{
  struct record x = r->records.v[i];
  if (r->world.bug == BUG_OLD_APPROVAL && x.type == RECORD_APPROVE) {
    x.data = *owned = json_deep_copy (x.data);
    json_object_set_new (json_object_get (*owned, "approval"), "plan",
                         json_string (disk_plan_at (r, i)));
  }
  return x;
}

static void
set_timer (struct run *r, const struct effect *f)
{
  for (size_t i = 0; i < r->queue.n; i++)
    if (r->queue.v[i].timer != NULL
        && strcmp (r->queue.v[i].timer, f->timer) == 0)
      r->queue.v[i].incarnation = 0; /* passed over when its time comes */
  if (f->delay_ms >= 0)
    run_later (r, f->delay_ms, HAPPENS_TIMER)->timer = mem_strdup (f->timer);
}

static void
notice (struct run *r, const struct effect *f)
{
  char *line CLEANUP_FREE = json_line (f->data);
  run_trace (r, "tells %s", line);
  r->coverage->refused += strstr (line, "refused") != NULL;
}

static void
perform (struct run *r, const struct effect *f)
{
  if (f->kind == EFFECT_APPEND)
    append (r, f);
  else if (f->kind == EFFECT_TIMER)
    set_timer (r, f);
  else if (f->kind == EFFECT_NOTIFY)
    notice (r, f);
  else if (f->kind == EFFECT_CANCEL)
    calls_cancel (r, f->step);
  else if (f->kind != EFFECT_DONE)
    calls_begin (r, f);
}

void
controller_feed (struct run *r, const struct event *ev)
{
  struct effects out CLEANUP (effects_clear) = { 0 };
  struct err *e CLEANUP_ERR = engine_next (r->engine, ev, &out);
  if (e != NULL) {
    run_fail (r, "the engine refuses an event", e);
    return;
  }
  for (size_t i = 0; i < out.n; i++) {
    if (dies (r))
      return;
    perform (r, &out.v[i]);
    if (dies (r))
      return;
  }
}

/* Soon, so that it falls among the faults; some of its steps never succeed. */
static void
ask_back (struct run *r)
{
  size_t first = 0, n = graph_len (r->graph);
  while (first < n && graph_at (r->graph, first)->stage < STAGE_BACK_CHECK)
    first++;
  if (first < n && dice_odds (&r->dice, 6000))
    r->cursed = (size_t)dice_between (&r->dice, (int64_t)first, (int64_t)n - 1);
  run_later (r, dice_between (&r->dice, 20, 5000), HAPPENS_REQUEST)->request
      = REQUEST_ROLLBACK;
}

/* Operators act when they see something happen. */
static void
provoke_operator (struct run *r, enum phase to)
{
  struct dice *d = &r->dice;
  if (to == PHASE_GUARDED && run_faulty (r) && dice_odds (d, 6000))
    ask_back (r);
  bool again = to == PHASE_ABORTED && dice_odds (d, 5000);
  if (!run_faulty (r) || (!again && !dice_odds (d, 400)))
    return;
  if (again && dice_odds (d, 5000)) {
    run_later (r, 10, HAPPENS_REPLAN);
    r->cursed = (size_t)dice_between (d, 0, 10); /* of the first stages */
  }
  enum request any = (enum request)dice_between (d, 0, REQUEST_COUNT - 1);
  run_later (r, dice_between (d, 20, again ? 9000 : 900), HAPPENS_REQUEST)
      ->request
      = again                 ? REQUEST_CUTOVER
        : dice_odds (d, 7000) ? REQUEST_ABORT
                              : any;
}

static void
note_transition (struct run *r, size_t index, enum phase from, enum phase to)
{
  if (from == to)
    return;
  enum why why = WHY_COUNT;
  const struct transition *t = NULL;
  if (why_from_name (engine_why (r->engine), &why) == 0)
    t = transition_find (from, to, why);
  if (t == NULL)
    run_fail (r, "a transition that is not in the table", NULL);
  for (size_t i = 0; transition_at (i) != NULL; i++)
    r->coverage->transitions[i] += transition_at (i) == t;
  run_trace (r, "phase %s -> %s (%s)", phase_name (from), phase_name (to),
             why_name (why));
  provoke_operator (r, to);
  const char *bad = NULL;
  if (to == PHASE_ABORTED && from == PHASE_ABORTING
      && engine_frozen_at (r->engine) != 0)
    bad = world_check_aborted (&r->world, false);
  else if (from == PHASE_BACK_ABORTING && to == PHASE_GUARDED)
    bad = world_check_aborted (&r->world, true);
  else if (to == PHASE_ROLLED_BACK)
    bad = world_check_rolled_back (&r->world);
  else if (to == PHASE_ACCEPTED)
    bad = world_check_accepted (&r->world);
  else if (to == PHASE_PROVING && r->asks_approval
           && !disk_has_approval (r, index))
    bad = "a cutover goes on without an approval of its plan";
  else if (to == PHASE_HOLDING && r->one_way
           && !disk_has_confirmation (r, index))
    bad = "a cutover goes on without a way back, unconfirmed";
  if (to == PHASE_ABORTED)
    r->pivot_intended = false;
  if (bad != NULL)
    run_fail (r, bad, NULL);
}

static void
check_limit (struct run *r, enum phase from)
{
  bool out = from == PHASE_OUTSIDE && engine_phase (r->engine) == PHASE_OPENING;
  bool back = from == PHASE_BACK_OUTSIDE
              && engine_phase (r->engine) == PHASE_BACK_OPENING
              && !engine_alone (r->engine);
  if ((out || back) && clocks_too_long (r, back))
    run_fail (r, "opened after the downtime limit", NULL);
}

/* The writer changes with the freeze, the pivot and the end of an abort: to
 * nobody first, and from nobody to either. */
static void
check_writer (struct run *r, enum phase from, enum writer before,
              const struct record *x)
{
  enum writer now = engine_writer (r->engine);
  bool back = phase_way (from) == WAY_BACK;
  enum writer old = back ? WRITER_TARGET : WRITER_SOURCE;
  enum writer fresh = back ? WRITER_SOURCE : WRITER_TARGET;
  bool none = before == WRITER_NONE;
  bool ok = now == before
            || (now == WRITER_NONE && before == old && x->type == RECORD_INTENT)
            || (now == fresh && none && x->type == RECORD_OUTCOME)
            || (now == old && none && x->type == RECORD_PHASE);
  if (!ok)
    run_fail (r, "the writer changed by the wrong record", NULL);
  if (now == WRITER_TARGET && source_can_write (&r->world))
    run_fail (r, "the journal names the target while the source can write",
              NULL);
  if (now == WRITER_SOURCE && target_can_write (&r->world))
    run_fail (r, "the journal names the source while the target can write",
              NULL);
}

/* What was told to end is never the reason why people are called. */
static void
check_attention (struct run *r)
{
  const json_t *a = engine_attention (r->engine);
  const char *code = a != NULL ? json_string_value (json_at (a, "code")) : NULL;
  if (code != NULL && strcmp (code, "RH-STEP-CANCELLED") == 0)
    run_fail (r, "a cancelled step hides the reason", NULL);
}

void
controller_record (struct run *r, size_t index)
{
  json_t *owned CLEANUP_JSON = NULL;
  struct record given = as_given (r, index, &owned);
  const struct record *x = &given;
  enum phase from = engine_phase (r->engine);
  enum writer writer = engine_writer (r->engine);
  run_trace (r, "record %zu %s %s#%u", index + 1, record_type_name (x->type),
             x->step != NULL ? x->step : "", x->attempt);
  struct event ev
      = { .kind = EVENT_RECORD, .record = x, .time_ms = run_clock (r) };
  struct effects out CLEANUP (effects_clear) = { 0 };
  struct err *e CLEANUP_ERR = engine_next (r->engine, &ev, &out);
  if (e != NULL) {
    run_fail (r, "the engine refuses its own record", e);
    return;
  }
  note_transition (r, index, from, engine_phase (r->engine));
  check_limit (r, from);
  check_writer (r, from, writer, x);
  check_attention (r);
  for (size_t i = 0; i < out.n && r->failed == NULL; i++) {
    if (dies (r))
      return;
    perform (r, &out.v[i]);
  }
}

static void
claim (struct run *r, enum record_type type, json_t *data)
{
  struct record x = { .type = type,
                      .epoch = r->epoch,
                      .actor = mem_strdup ("controller"),
                      .data = data };
  disk_append (r, &x);
  struct event ev = { .kind = EVENT_RECORD,
                      .record = &r->records.v[r->records.n - 1],
                      .time_ms = run_clock (r) };
  controller_feed (r, &ev);
}

/* A new plan; its approver takes a while, at times a long one. */
static void
follow_plan (struct run *r)
{
  CLEANUP_FREE char *name = mem_printf ("plan-%zu", ++r->plans);
  json_t *data = json_pack ("{s:s}", "plan", name);
  if (r->asks_approval) {
    json_object_set_new (data, "approvals", json_pack ("[s]", "owner"));
    run_later (r,
               dice_between (&r->dice, 1,
                             dice_odds (&r->dice, 3000) ? 60000 : 3000),
               HAPPENS_APPROVE)
        ->index
        = r->plans;
  }
  claim (r, RECORD_PLANNED, data);
}

static struct engine *
replay (struct run *r, size_t n)
{
  struct engine *e = engine_new (r->graph, &r->limits);
  struct effects out CLEANUP (effects_clear) = { 0 };
  for (size_t i = 0; i < n; i++) {
    json_t *owned CLEANUP_JSON = NULL;
    struct record given = as_given (r, i, &owned);
    struct event ev
        = { .kind = EVENT_RECORD, .record = &given, .replay = true };
    struct err *bad CLEANUP_ERR = engine_next (e, &ev, &out);
    if (bad != NULL) {
      run_fail (r, "a stored journal cannot be read", bad);
      break;
    }
  }
  return e;
}

void
controller_start (struct run *r)
{
  r->engine = replay (r, r->records.n);
  r->alive = true;
  r->delivered_until = r->now;
  r->epoch++;
  bool first = r->records.n == 0;
  run_trace (r, "the controller starts, epoch %lu, phase %s",
             (unsigned long)r->epoch, phase_name (engine_phase (r->engine)));
  claim (r, RECORD_CLAIMED, json_pack ("{s:s}", "controller", "one"));
  if (first && r->alive)
    follow_plan (r);
  struct event ev = { .kind = EVENT_RESUME, .time_ms = run_clock (r) };
  if (r->alive)
    controller_feed (r, &ev);
}

void
controller_request (struct run *r, enum request request)
{
  bool confirms = !run_faulty (r) || dice_odds (&r->people, 5000);
  CLEANUP_JSON json_t *said
      = json_pack ("{s:s, s:[], s:s}", "how", "typed", "why", "plan",
                   disk_plan_at (r, r->records.n - 1));
  run_trace (r, "operator asks for %s", request_name (request));
  struct event ev = { .kind = EVENT_REQUEST,
                      .request = request,
                      .actor = "operator:root",
                      .time_ms = run_clock (r) };
  if (r->one_way && request == REQUEST_CUTOVER && confirms)
    ev.no_way_back = said;
  controller_feed (r, &ev);
}

/* A new plan, where the rules allow one. */
void
controller_replan (struct run *r)
{
  enum phase p = engine_phase (r->engine);
  if ((p == PHASE_SYNCING || p == PHASE_ABORTED) && engine_idle (r->engine))
    follow_plan (r);
  else if (p == PHASE_SYNCING && engine_in_step (r->engine)
           && r->delivered_until < r->now)
    follow_plan (r);
}

/* Who approves then wants it to go on. */
void
controller_approve (struct run *r, size_t plan)
{
  CLEANUP_FREE char *name = mem_printf ("plan-%zu", plan);
  struct effect f = { .kind = EFFECT_APPEND,
                      .type = RECORD_APPROVE,
                      .actor = (char *)"operator:olga" };
  f.data = json_pack ("{s:{s:s,s:s,s:s,s:s,s:s,s:s}}", "approval", "role",
                      "owner", "name", "Olga", "account", "olga", "for",
                      "cutover", "plan", name, "fingerprint", "SHA256:model");
  run_trace (r, "operator approves %s", name);
  append (r, &f);
  json_decref (f.data);
  run_later (r, dice_between (&r->dice, 10, 2000), HAPPENS_REQUEST)->request
      = REQUEST_CUTOVER;
}

/* The same journal gives the same state. */
void
controller_check_fold (struct run *r)
{
  json_t *live CLEANUP_JSON = engine_describe (r->engine);
  size_t n = (size_t)json_integer_value (json_at (live, "seq"));
  struct engine *e = replay (r, n);
  json_t *again CLEANUP_JSON = engine_describe (e);
  engine_free (e);
  if (json_equal (live, again))
    return;
  char *a CLEANUP_FREE = json_line (live);
  char *b CLEANUP_FREE = json_line (again);
  run_trace (r, "live  %s", a);
  run_trace (r, "again %s", b);
  run_fail (r, "the fold of the same journal differs", NULL);
}
