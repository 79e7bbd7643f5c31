/* SPDX-License-Identifier: Apache-2.0 */
/* The stage for the engine's stories. */
#include "play.h"

#include "base/mem.h"

#include "../cmocka_api.h"

#include <string.h>

struct shape {
  const char *id;
  enum stage stage;
  enum step_class cls;
  const char *needs[2];
};

static const struct shape shapes[] = {
  { "look#a", STAGE_PREFLIGHT, STEP_PURE, { 0 } },
  { "look#b", STAGE_PREFLIGHT, STEP_PURE, { 0 } },
  { "look#c", STAGE_PREFLIGHT, STEP_PURE, { "look#a" } },
  { "prepare#seed", STAGE_PREPARE, STEP_IDEMPOTENT, { 0 } },
  { "round#copy", STAGE_ROUND, STEP_IDEMPOTENT, { 0 } },
  { "test#both", STAGE_TEST, STEP_IDEMPOTENT, { 0 } },
  { "prove#equal", STAGE_PROVE, STEP_PURE, { 0 } },
  { "recheck#space", STAGE_RECHECK, STEP_PURE, { 0 } },
  { "hold#cron", STAGE_HOLD, STEP_REVERSIBLE, { 0 } },
  { "hold#jobs", STAGE_HOLD, STEP_IDEMPOTENT, { "hold#cron" } },
  { "freeze#flag", STAGE_FREEZE, STEP_REVERSIBLE, { 0 } },
  { "freeze#stop", STAGE_FREEZE, STEP_REVERSIBLE, { "freeze#flag" } },
  { "final#copy", STAGE_FINAL, STEP_IDEMPOTENT, { 0 } },
  { "verify#equal", STAGE_VERIFY, STEP_PURE, { 0 } },
  { "start#gate", STAGE_START, STEP_REVERSIBLE, { 0 } },
  { "start#unit", STAGE_START, STEP_REVERSIBLE, { "start#gate" } },
  { "inside#smoke", STAGE_INSIDE, STEP_PURE, { 0 } },
  { "switch#take", STAGE_SWITCH, STEP_REVERSIBLE, { 0 } },
  { "switch#give", STAGE_SWITCH, STEP_REVERSIBLE, { "switch#take" } },
  { "outside#smoke", STAGE_OUTSIDE, STEP_PURE, { 0 } },
  { "still#source", STAGE_STILL, STEP_PURE, { 0 } },
  { "pivot#open", STAGE_PIVOT, STEP_PIVOT, { 0 } },
  { "open#enable", STAGE_OPEN, STEP_FORWARD, { 0 } },
  { "guard#audit", STAGE_GUARD, STEP_PURE, { 0 } },
  { "accept#clean", STAGE_ACCEPT, STEP_FORWARD, { 0 } },
};

static const struct shape way_back[] = {
  { "guard#round", STAGE_BACK_ROUND, STEP_IDEMPOTENT, { 0 } },
  { "back#check", STAGE_BACK_CHECK, STEP_PURE, { 0 } },
  { "back#apply", STAGE_BACK_APPLY, STEP_REVERSIBLE, { 0 } },
  { "back#hold", STAGE_BACK_HOLD, STEP_REVERSIBLE, { 0 } },
  { "back#flag", STAGE_BACK_FREEZE, STEP_REVERSIBLE, { 0 } },
  { "back#final", STAGE_BACK_FINAL, STEP_IDEMPOTENT, { 0 } },
  { "back#verify", STAGE_BACK_VERIFY, STEP_PURE, { 0 } },
  { "back#start", STAGE_BACK_START, STEP_REVERSIBLE, { 0 } },
  { "back#inside", STAGE_BACK_INSIDE, STEP_PURE, { 0 } },
  { "back#switch", STAGE_BACK_SWITCH, STEP_REVERSIBLE, { 0 } },
  { "back#outside", STAGE_BACK_OUTSIDE, STEP_PURE, { 0 } },
  { "back#pivot", STAGE_BACK_PIVOT, STEP_PIVOT, { 0 } },
  { "back#open", STAGE_BACK_OPEN, STEP_FORWARD, { 0 } },
};

static const struct shape other_gate
    = { "pivot#other", STAGE_PIVOT, STEP_PIVOT, { 0 } };

static const struct shape other_clean
    = { "accept#other", STAGE_ACCEPT, STEP_FORWARD, { 0 } };

static const struct shape prepared
    = { "prepare#stream", STAGE_PREPARE, STEP_REVERSIBLE, { "prepare#seed" } };

static void
add (struct graph *g, const struct shape *shape)
{
  const char *needs[] = { shape->needs[0], NULL };
  struct step s = { .id = shape->id,
                    .provider = "test",
                    .op = "op",
                    .title = shape->id,
                    .item = -1,
                    .stage = shape->stage,
                    .cls = shape->cls,
                    .needs = needs,
                    .retry_max = 2,
                    .retry_base_ms = 100,
                    .retry_cap_ms = 150 };
  assert_ok (graph_add (g, &s));
}

static struct graph *
make_graph (bool two_gates, bool back, bool stream)
{
  struct graph *g = graph_new ();
  for (size_t i = 0; back && i < sizeof way_back / sizeof *way_back; i++)
    add (g, &way_back[i]);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    add (g, &shapes[i]);
  if (two_gates) {
    add (g, &other_gate);
    add (g, &other_clean);
  }
  if (stream)
    add (g, &prepared);
  assert_ok (graph_seal (g));
  return g;
}

static void feed (struct play *p, const struct event *ev);

static void
append (struct play *p, enum record_type type, const char *actor,
        const char *step, uint32_t attempt, json_t *data)
{
  struct record *r = VEC_PUSH (&p->journal);
  r->type = type;
  r->seq = p->journal.n;
  r->epoch = p->epoch;
  r->time_ms = p->now;
  r->mono_ns = (uint64_t)(p->now - p->jumped) * 1000000;
  r->boot_id = mem_strdup (p->boot);
  r->actor = mem_strdup (actor);
  r->step = mem_strdup (step);
  r->attempt = attempt;
  r->data = data;
  struct event ev = { .kind = EVENT_RECORD, .record = r, .time_ms = p->now };
  feed (p, &ev);
}

static void
begin_call (struct play *p, const struct effect *f)
{
  struct play_call *c = VEC_PUSH (&p->calls);
  c->kind = f->kind;
  c->attempt = f->attempt;
  strncpy (c->step, f->step, sizeof c->step - 1);
  json_decref (p->inputs);
  p->inputs = json_incref (json_at (f->data, "inputs"));
  p->no_way_back = json_is_true (json_at (f->data, "no_way_back"));
  if (f->kind == EFFECT_UNDO)
    strcpy (p->undone[p->undo_n++ % 16], c->step);
}

static void
cancel (struct play *p, const char *step)
{
  for (size_t i = 0; i < p->calls.n; i++)
    if (strcmp (p->calls.v[i].step, step) == 0)
      p->calls.v[i].cancelled = true;
}

static void
set_timer (struct play *p, const char *name, int64_t delay_ms)
{
  for (size_t i = 0; i < p->timers.n; i++)
    if (strcmp (p->timers.v[i].name, name) == 0)
      p->timers.v[i--] = p->timers.v[--p->timers.n];
  if (delay_ms < 0)
    return;
  struct play_timer *t = VEC_PUSH (&p->timers);
  memset (t, 0, sizeof *t);
  strncpy (t->name, name, sizeof t->name - 1);
  t->delay_ms = delay_ms;
}

static void
perform (struct play *p, const struct effect *f)
{
  switch (f->kind) {
  case EFFECT_APPEND:
    append (p, f->type, f->actor, f->step, f->attempt, json_incref (f->data));
    break;
  case EFFECT_TIMER:
    set_timer (p, f->timer, f->delay_ms);
    break;
  case EFFECT_NOTIFY:
    p->alarms
        += strcmp (json_string_value (json_at (f->data, "kind")), "attention")
           == 0;
    if (json_at (f->data, "request") != NULL) {
      json_decref (p->refused);
      p->refused = json_incref (f->data);
    }
    break;
  case EFFECT_CANCEL:
    cancel (p, f->step);
    break;
  case EFFECT_DONE:
    p->done++;
    break;
  default:
    begin_call (p, f);
  }
}

static void
feed (struct play *p, const struct event *ev)
{
  struct effects out CLEANUP (effects_clear) = { 0 };
  assert_ok (engine_next (p->engine, ev, &out));
  for (size_t i = 0; i < out.n; i++)
    perform (p, &out.v[i]);
}

static void
begin_process (struct play *p)
{
  p->engine = engine_new (p->graph, &p->limits);
  for (size_t i = 0; i < p->journal.n; i++) {
    struct event ev
        = { .kind = EVENT_RECORD, .record = &p->journal.v[i], .replay = true };
    feed (p, &ev);
  }
  p->epoch++;
  append (p, RECORD_CLAIMED, "controller", NULL, 0,
          json_pack ("{s:s}", "controller", "one"));
  struct event ev = { .kind = EVENT_RESUME, .time_ms = p->now };
  feed (p, &ev);
}

static int
set_up (void **state, bool two_gates, bool back, bool stream)
{
  struct play *p = mem_alloc (sizeof *p);
  p->graph = make_graph (two_gates, back, stream);
  p->limits.downtime_ms = PLAY_LIMIT_MS;
  p->limits.back_ms = 300000;
  p->now = 1000000;
  *state = p;
  begin_process (p);
  return 0;
}

int
play_setup (void **state)
{
  return set_up (state, false, false, false);
}

int
play_setup_two_gates (void **state)
{
  return set_up (state, true, false, false);
}

int
play_setup_prepared (void **state)
{
  return set_up (state, false, false, true);
}

int
play_setup_back (void **state)
{
  return set_up (state, false, true, false);
}

int
play_teardown (void **state)
{
  struct play *p = *state;
  engine_free (p->engine);
  graph_free (p->graph);
  for (size_t i = 0; i < p->journal.n; i++)
    record_clear (&p->journal.v[i]);
  VEC_FREE (&p->journal);
  VEC_FREE (&p->calls);
  VEC_FREE (&p->timers);
  json_decref (p->refused);
  json_decref (p->inputs);
  free (p);
  return 0;
}

void
play_asked_by (struct play *p, enum request r, const char *actor)
{
  struct event ev = {
    .kind = EVENT_REQUEST, .request = r, .actor = actor, .time_ms = p->now
  };
  feed (p, &ev);
}

void
play_no_way_back (struct play *p, const char *plan)
{
  CLEANUP_JSON json_t *said
      = json_pack ("{s:s, s:[], s:s}", "how", "option", "why", "plan", plan);
  struct event ev = { .kind = EVENT_REQUEST,
                      .request = REQUEST_CUTOVER,
                      .actor = "operator:root",
                      .no_way_back = said,
                      .time_ms = p->now };
  feed (p, &ev);
}

void
play_request (struct play *p, enum request r)
{
  play_asked_by (p, r, "operator:root");
}

void
play_record (struct play *p, enum record_type type, json_t *data)
{
  append (p, type, "controller", NULL, 0, data);
}

const struct play_call *
play_call (const struct play *p, const char *step)
{
  for (size_t i = 0; i < p->calls.n; i++)
    if (strcmp (p->calls.v[i].step, step) == 0)
      return &p->calls.v[i];
  return NULL;
}

bool
play_is (const struct play *p, const char *step, enum effect_kind kind)
{
  const struct play_call *c = play_call (p, step);
  return c != NULL && c->kind == kind;
}

static struct play_call
take_call (struct play *p, const char *step)
{
  const struct play_call *c = play_call (p, step);
  if (c == NULL)
    fail_msg ("%s is not under way (phase %s)", step,
              phase_name (engine_phase (p->engine)));
  struct play_call taken = *c;
  size_t i = (size_t)(c - p->calls.v);
  memmove (&p->calls.v[i], &p->calls.v[i + 1],
           (--p->calls.n - i) * sizeof *p->calls.v);
  p->now += 10;
  return taken;
}

static void
end (struct play *p, const char *step, const struct err *error)
{
  struct play_call c = take_call (p, step);
  json_t *data CLEANUP_JSON = json_pack ("{s:s}", "of", step);
  struct event ev = { .kind = EVENT_OUTCOME,
                      .step = c.step,
                      .attempt = c.attempt,
                      .undo = c.kind == EFFECT_UNDO,
                      .error = error,
                      .data = error == NULL ? data : NULL,
                      .time_ms = p->now };
  feed (p, &ev);
}

void
play_ends (struct play *p, const char *step)
{
  end (p, step, NULL);
}

void
play_fails (struct play *p, const char *step, enum err_class cls)
{
  struct err *e CLEANUP_ERR = err_new (cls, "RH-TEST-FAILED", "as it is told");
  end (p, step, e);
}

static void
probed (struct play *p, const char *step, enum probe found,
        const struct err *error)
{
  struct play_call c = take_call (p, step);
  assert_int_equal (c.kind, EFFECT_PROBE);
  struct event ev = { .kind = EVENT_PROBED,
                      .step = c.step,
                      .attempt = c.attempt,
                      .probe = found,
                      .error = error,
                      .time_ms = p->now };
  feed (p, &ev);
}

void
play_probed (struct play *p, const char *step, enum probe found)
{
  probed (p, step, found, NULL);
}

void
play_unreachable (struct play *p, const char *step)
{
  struct err *e CLEANUP_ERR = err_new (ERR_TRANSIENT, "RH-LINK-LOST", "gone");
  probed (p, step, PROBE_UNKNOWN, e);
}

int64_t
play_timer_set (const struct play *p, const char *name)
{
  for (size_t i = 0; i < p->timers.n; i++)
    if (strcmp (p->timers.v[i].name, name) == 0)
      return p->timers.v[i].delay_ms;
  return -1;
}

void
play_timer (struct play *p, const char *name)
{
  int64_t delay = play_timer_set (p, name);
  if (delay < 0)
    fail_msg ("no timer %s is set", name);
  p->now += delay;
  set_timer (p, name, -1);
  struct event ev = { .kind = EVENT_TIMER, .timer = name, .time_ms = p->now };
  feed (p, &ev);
}

/* One call of those under way ends well. */
static bool
end_one (struct play *p)
{
  if (p->calls.n == 0)
    return false;
  struct play_call c = p->calls.v[0];
  if (c.kind == EFFECT_PROBE)
    play_probed (p, c.step, PROBE_NOT_DONE);
  else
    play_ends (p, c.step);
  return true;
}

void
play_to (struct play *p, enum phase phase)
{
  while (engine_phase (p->engine) != phase)
    if (!end_one (p))
      fail_msg ("phase %s is not reached from %s", phase_name (phase),
                phase_name (engine_phase (p->engine)));
}

void
play_to_step (struct play *p, const char *step)
{
  while (play_call (p, step) == NULL)
    if (!end_one (p))
      fail_msg ("%s is never begun; phase %s", step,
                phase_name (engine_phase (p->engine)));
}

void
play_out (struct play *p)
{
  while (end_one (p))
    ;
}

void
play_jump (struct play *p, int64_t ms)
{
  p->now += ms;
  p->jumped += ms;
}

void
play_crash (struct play *p, int64_t ms)
{
  engine_free (p->engine);
  VEC_FREE (&p->calls);
  VEC_FREE (&p->timers);
  p->now += ms;
  begin_process (p);
}

static const char *
code_of (const json_t *o)
{
  const char *code = json_string_value (json_at (o, "code"));
  return code != NULL ? code : "";
}

const char *
play_attention (const struct play *p)
{
  const json_t *a = engine_attention (p->engine);
  return a != NULL ? code_of (a) : "";
}

const char *
play_refused (const struct play *p)
{
  return p->refused != NULL ? code_of (json_at (p->refused, "error")) : "";
}

size_t
play_count (const struct play *p, enum record_type type)
{
  size_t n = 0;
  for (size_t i = 0; i < p->journal.n; i++)
    n += p->journal.v[i].type == type;
  return n;
}
