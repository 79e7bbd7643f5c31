/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to the hosts: fenced, fallible, and going on for a while after the
 * controller that made them has died. */
#include "run.h"

#include "base/mem.h"

#include <string.h>

#define OTHER_CONTROLLER 99

static const struct step *
step_of (const struct run *r, const struct call *c)
{
  return graph_at (r->graph, c->step);
}

static enum fate
draw_fate (struct run *r, size_t step, enum effect_kind kind)
{
  if (!run_faulty (r))
    return FATE_GOOD;
  if (step == r->cursed && kind == EFFECT_RUN) {
    enum fate f = dice_odds (&r->dice, 5000) ? FATE_FINAL : FATE_HALF;
    return run_fault (r) ? f : FATE_GOOD;
  }
  if (!dice_odds (&r->dice, r->odds_step))
    return FATE_GOOD;
  int64_t which = dice_between (&r->dice, 0, 9);
  if (!run_fault (r))
    return FATE_GOOD;
  return which < 3   ? FATE_NOTHING
         : which < 5 ? FATE_HALF
         : which < 8 ? FATE_LOST
                     : FATE_FINAL;
}

static int64_t
draw_time (struct run *r, bool *slow)
{
  int64_t usual = dice_between (&r->dice, 10, 900);
  *slow = run_faulty (r) && dice_odds (&r->dice, r->odds_step / 4)
          && run_fault (r);
  return *slow ? dice_between (&r->dice, 5000, 45000) : usual;
}

static void
meets (struct run *r, const struct call *c, enum fault f)
{
  r->coverage->hit[c->step][f] += c->kind == EFFECT_RUN;
}

static void
note_fate (struct run *r, const struct call *c, bool slow)
{
  static const enum fault of[] = { [FATE_NOTHING] = FAULT_NOTHING,
                                   [FATE_HALF] = FAULT_HALF,
                                   [FATE_LOST] = FAULT_LOST,
                                   [FATE_FINAL] = FAULT_FINAL };
  if (c->fate != FATE_GOOD)
    meets (r, c, of[c->fate]);
  if (slow)
    meets (r, c, FAULT_SLOW);
}

/* The same call comes again, up to a minute later. */
static void
draw_second (struct run *r, size_t index, int64_t takes)
{
  if (!run_faulty (r) || !dice_odds (&r->dice, r->odds_step / 4)
      || !run_fault (r))
    return;
  meets (r, &r->calls.v[index], FAULT_TWICE);
  run_later (r, takes + dice_between (&r->dice, 0, 60000), HAPPENS_WHOLE)->index
      = index;
}

void
calls_begin (struct run *r, const struct effect *f)
{
  size_t index = r->calls.n;
  struct call *c = VEC_PUSH (&r->calls);
  c->kind = f->kind;
  c->step = world_step (&r->world, f->step);
  c->attempt = f->attempt;
  c->epoch = r->epoch;
  c->controller = 1;
  c->fate = draw_fate (r, c->step, c->kind);
  enum step_side side = step_of (r, c)->side;
  c->confirmed = json_is_true (json_at (f->data, "no_way_back"));
  c->passed = json_is_true (json_at (f->data, "alone"))
              && (stage_is_back (step_of (r, c)->stage)
                  || step_of (r, c)->stage == STAGE_BACK_ROUND)
              && (side == SIDE_TARGET || side == SIDE_BOTH);
  bool slow;
  int64_t takes = draw_time (r, &slow);
  bool early = r->world.bug == BUG_OUTCOME_EARLY;
  note_fate (r, c, slow);
  run_later (r, takes / 2, HAPPENS_HALF)->index = index;
  run_later (r, takes - 1, HAPPENS_WHOLE)->index = index;
  run_later (r, early ? takes / 4 : takes, HAPPENS_REPLY)->index = index;
  draw_second (r, index, takes);
  r->coverage->steps += f->kind == EFFECT_RUN;
  r->steps_begun += f->kind == EFFECT_RUN;
  r->coverage->calls++;
  r->coverage->probes += f->kind == EFFECT_PROBE;
  bool undo = f->kind == EFFECT_UNDO;
  if (f->kind != EFFECT_PROBE && r->world.bug != BUG_INTENT_LATE
      && !disk_has_intent (r, f->step, f->attempt, undo))
    run_fail (r, "a step was begun without a durable intent", NULL);
}

/* The reply comes at once; what the host does meanwhile is as it happens. */
void
calls_cancel (struct run *r, const char *step)
{
  size_t i = world_step (&r->world, step);
  for (size_t k = 0; k < r->queue.n; k++) {
    struct happening *h = &r->queue.v[k];
    if (h->kind != HAPPENS_REPLY || h->incarnation != r->incarnation
        || r->calls.v[h->index].step != i || h->at <= r->now + 50)
      continue;
    h->at = r->now + 50;
    r->calls.v[h->index].cancelled = true;
    r->calls.v[h->index].dead = true;
  }
}

/* The agent's fence: a lower epoch never, an equal one only for its owner. */
static bool
fence (struct run *r, struct model_host *h, const struct call *c)
{
  bool lower = c->epoch < h->fence_epoch;
  bool foreign = c->epoch == h->fence_epoch && h->fence_controller != 0
                 && c->controller != h->fence_controller;
  if (lower && r->world.bug == BUG_STALE_EPOCH)
    return true;
  if (foreign && r->world.bug == BUG_EQUAL_EPOCH)
    return true;
  if (lower || foreign)
    return false;
  h->fence_epoch = c->epoch;
  h->fence_controller = c->controller;
  return true;
}

static bool
reaches (struct run *r, struct call *c)
{
  enum step_side side = step_of (r, c)->side;
  if (c->passed)
    return true;
  bool on_source = side == SIDE_SOURCE || side == SIDE_BOTH;
  bool on_target = side == SIDE_TARGET || side == SIDE_BOTH;
  bool down = (on_source && !r->world.source.up)
              || (on_target && !r->world.target.up);
  bool is_cut = (on_source && run_is_cut (r, false))
                || (on_target && run_is_cut (r, true));
  c->unreachable |= down || is_cut;
  if (down)
    meets (r, c, FAULT_DOWN);
  else if (is_cut)
    meets (r, c, FAULT_CUT);
  else if ((on_source && !fence (r, &r->world.source, c))
           || (on_target && !fence (r, &r->world.target, c)))
    c->refused = true;
  if (c->refused)
    meets (r, c, FAULT_OVERTAKEN);
  return !c->unreachable && !c->refused;
}

static bool
acts (struct run *r, struct call *c, bool whole)
{
  bool stops_before = c->fate == FATE_NOTHING || c->fate == FATE_FINAL
                      || (whole && c->fate == FATE_HALF);
  return !c->dead && !c->unreachable && !c->refused && !stops_before
         && reaches (r, c);
}

static void
check_intent (struct run *r, const struct call *c)
{
  enum step_side side = step_of (r, c)->side;
  bool old = (side != SIDE_TARGET && c->epoch < r->world.source.fence_epoch)
             || (side != SIDE_SOURCE && c->epoch < r->world.target.fence_epoch);
  if (old && !c->passed && c->controller == 1)
    run_fail (r, "an effect of a controller that was replaced", NULL);
  if (c->controller == 1
      && !disk_has_intent (r, step_of (r, c)->id, c->attempt,
                           c->kind == EFFECT_UNDO))
    run_fail (r, "an effect without a durable intent", NULL);
}

void
calls_half (struct run *r, size_t call)
{
  struct call *c = &r->calls.v[call];
  if (c->kind == EFFECT_PROBE || !acts (r, c, false))
    return;
  check_intent (r, c);
  if (c->kind == EFFECT_RUN && step_of (r, c)->cls != STEP_PURE && !c->passed)
    world_half (&r->world, c->step);
}

/* The proof before the freeze, where nothing proves a way back. */
static bool
is_unconfirmed (const struct run *r, const struct call *c)
{
  return r->one_way && !c->confirmed && r->world.bug != BUG_ONE_WAY
         && strcmp (step_of (r, c)->id, "move#recheck") == 0;
}

static void
whole_run (struct run *r, struct call *c)
{
  enum stage s = step_of (r, c)->stage;
  bool proof = s == STAGE_VERIFY || s == STAGE_BACK_VERIFY;
  if (proof && r->world.bug == BUG_PROOF_FAKED) {
    r->world.remembered[c->step] = c->attempt;
    return;
  }
  if (c->passed)
    world_pass (&r->world, c->step);
  else
    c->says_no = !world_whole (&r->world, c->step) || is_unconfirmed (r, c);
  r->world.remembered[c->step] = c->attempt;
  if (r->world.role[c->step] == ROLE_FLAG && s == STAGE_FREEZE
      && r->world.bug == BUG_THAW_TIMEOUT)
    run_later (r, 3000, HAPPENS_THAW);
  bool copies = s == STAGE_FINAL || s == STAGE_BACK_FINAL;
  if (copies && run_faulty (r) && dice_odds (&r->dice, r->odds_step / 4))
    r->world.damaged = true;
}

void
calls_whole (struct run *r, size_t call)
{
  struct call *c = &r->calls.v[call];
  if (c->kind == EFFECT_PROBE) {
    reaches (r, c);
    return;
  }
  /* The agent remembers each call that it has done by its key. */
  bool known = c->effects > 0 && r->world.bug != BUG_KEY_FORGOTTEN;
  if (c->replied && c->effects == 0)
    return; /* its second coming, where the first had no effect */
  if (known || !acts (r, c, true))
    return;
  if (++c->effects > 1)
    run_fail (r, "one call had its effect twice", NULL);
  check_intent (r, c);
  if (c->kind == EFFECT_RUN)
    whole_run (r, c);
  else if (r->world.bug != BUG_UNDO_SKIPPED && !c->passed)
    world_undo (&r->world, c->step);
}

static struct err *
error_of (const struct call *c)
{
  if (c->refused)
    return err_new (ERR_REFUSED, "RH-FENCE-EPOCH", "fenced");
  if (c->unreachable)
    return err_new (ERR_TRANSIENT, "RH-LINK-LOST", "unreachable");
  if (c->cancelled)
    return err_new (ERR_REFUSED, "RH-STEP-CANCELLED", "cancelled");
  if (c->says_no)
    return err_new (ERR_UNEQUAL, "RH-MODEL-NO", "a check says no");
  if (c->fate == FATE_FINAL)
    return err_new (ERR_REFUSED, "RH-MODEL-FINAL", "refused");
  if (c->fate != FATE_GOOD)
    return err_new (ERR_TRANSIENT, "RH-MODEL-PASSING", "a passing fault");
  return NULL;
}

static enum probe
look (struct run *r, const struct call *c, bool *remembered)
{
  uint32_t kept = r->world.remembered[c->step];
  *remembered
      = kept == c->attempt || (kept != 0 && r->world.bug == BUG_RESULT_OLD);
  int state = r->world.state[c->step];
  enum step_class cls = step_of (r, c)->cls;
  bool by_result = cls == STEP_IDEMPOTENT;
  if (r->world.bug == BUG_PROBE_LIES && cls == STEP_PIVOT)
    return PROBE_NOT_DONE;
  if (*remembered && (by_result || state == 2))
    return PROBE_DONE;
  if (by_result)
    return PROBE_NOT_DONE;
  return state == 2 ? PROBE_DONE : state == 1 ? PROBE_PARTIAL : PROBE_NOT_DONE;
}

static void
reply_probe (struct run *r, const struct call *c)
{
  struct err *error CLEANUP_ERR = error_of (c);
  json_t *data CLEANUP_JSON = json_pack ("{s:i}", "n", 1);
  bool remembered;
  struct event ev = { .kind = EVENT_PROBED,
                      .step = step_of (r, c)->id,
                      .attempt = c->attempt,
                      .error = error,
                      .time_ms = run_clock (r) };
  ev.probe = look (r, c, &remembered);
  ev.data = remembered ? data : NULL;
  controller_feed (r, &ev);
}

void
calls_reply (struct run *r, size_t call)
{
  r->calls.v[call].replied = true;
  struct call c = r->calls.v[call];
  enum step_side side = step_of (r, &c)->side;
  if (!c.passed
      && ((side != SIDE_TARGET && run_is_cut (r, false))
          || (side != SIDE_SOURCE && run_is_cut (r, true))))
    c.unreachable = true; /* its reply is lost on the way */
  run_trace (r, "reply %s#%u fate %d no %d refused %d unreachable %d",
             step_of (r, &c)->id, c.attempt, c.fate, c.says_no, c.refused,
             c.unreachable);
  if (c.kind == EFFECT_PROBE) {
    reply_probe (r, &c);
    return;
  }
  struct err *error CLEANUP_ERR = error_of (&c);
  json_t *data CLEANUP_JSON = json_pack ("{s:i}", "n", 1);
  struct event ev = { .kind = EVENT_OUTCOME,
                      .step = step_of (r, &c)->id,
                      .attempt = c.attempt,
                      .undo = c.kind == EFFECT_UNDO,
                      .error = error,
                      .data = error == NULL ? data : NULL,
                      .time_ms = run_clock (r) };
  controller_feed (r, &ev);
}

/* A second controller, whose journal begins at the same epoch, tries to open
 * the target, or to let the source serve. */
void
calls_foreign (struct run *r)
{
  bool open = dice_odds (&r->dice, 5000);
  struct model_host *h = open ? &r->world.target : &r->world.source;
  struct call c = { .controller = OTHER_CONTROLLER, .epoch = h->fence_epoch };
  if (!h->up || h->fence_controller == 0 || !fence (r, h, &c))
    return;
  run_trace (r, "another controller %s", open ? "opens" : "thaws");
  if (open)
    world_half (&r->world, world_step (&r->world, "move#pivot"));
  else
    world_undo (&r->world, world_step (&r->world, "move#flag"));
}
