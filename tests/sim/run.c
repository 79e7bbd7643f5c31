/* SPDX-License-Identifier: Apache-2.0 */
/* The clock and what happens by it. */
#include "run.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
run_trace (const struct run *r, const char *fmt, ...)
{
  if (!r->trace)
    return;
  va_list ap;
  va_start (ap, fmt);
  printf ("%10.3f  ", (double)r->now / 1000);
  vprintf (fmt, ap);
  printf ("\n");
  va_end (ap);
}

void
run_fail (struct run *r, const char *what, const struct err *e)
{
  if (r->failed != NULL)
    return;
  r->failed = what;
  if (e != NULL)
    r->detail = mem_printf ("%s: %s", err_code (e), err_message (e));
  run_trace (r, "FAILED: %s %s", what, r->detail != NULL ? r->detail : "");
}

static bool
is_kept (const struct plant *p, uint32_t n)
{
  for (size_t i = 0; i < p->n; i++)
    if (p->kept[i] == n)
      return true;
  return false;
}

bool
run_fault (struct run *r)
{
  uint32_t n = r->faults++;
  bool happens = !r->plant->limited || is_kept (r->plant, n);
  r->coverage->faults += happens;
  if (happens)
    run_trace (r, "fault %u", n);
  return happens;
}

bool
run_is_meant (const struct run *r)
{
  return r->failed != NULL && bug_breaks (r->plant->bug, r->failed);
}

int64_t
run_clock (const struct run *r)
{
  return r->now + r->clock_off;
}

bool
run_is_cut (const struct run *r, bool target)
{
  return r->now < r->cut_until[target];
}

bool
run_faulty (const struct run *r)
{
  return r->now < r->faults_until;
}

struct happening *
run_later (struct run *r, int64_t delay, enum happening_kind kind)
{
  struct happening *h = VEC_PUSH (&r->queue);
  h->at = r->now + delay;
  h->order = r->order++;
  h->kind = kind;
  h->incarnation = r->incarnation;
  return h;
}

/* `n` times, among the faults. */
static void
misfortune (struct run *r, enum happening_kind kind, int64_t n)
{
  for (; n > 0; n--) {
    int64_t when = dice_between (&r->dice, 1, r->faults_until);
    bool target = dice_odds (&r->dice, 5000);
    if (run_fault (r))
      run_later (r, when, kind)->target = target;
  }
}

static void
plan_operator (struct run *r)
{
  struct dice *d = &r->dice;
  bool sync_first = dice_odds (d, 3000);
  if (sync_first)
    run_later (r, dice_between (d, 1, 2000), HAPPENS_REQUEST)->request
        = REQUEST_SYNC;
  int64_t at
      = sync_first ? dice_between (d, 3000, 90000) : dice_between (d, 1, 5000);
  run_later (r, at, HAPPENS_REQUEST)->request = REQUEST_CUTOVER;
  if (sync_first && dice_odds (d, 2000))
    run_later (r, dice_between (d, 2000, at), HAPPENS_REQUEST)->request
        = REQUEST_TEST;
  for (int64_t n = dice_between (d, 0, 4); n > 0; n--) {
    int64_t when = dice_between (d, 1, r->faults_until);
    enum request any = (enum request)dice_between (d, 0, REQUEST_COUNT - 1);
    if (run_fault (r))
      run_later (r, when, HAPPENS_REQUEST)->request = any;
  }
  misfortune (r, HAPPENS_REPLAN, dice_odds (d, r->asks_approval ? 6000 : 1000));
  for (int64_t i = 1; i <= 5; i++)
    run_later (r, r->faults_until + i * 60000, HAPPENS_PATIENCE);
  for (int64_t i = 1; i <= 2; i++)
    run_later (r, r->faults_until + 300000 + i * 30000, HAPPENS_PATIENCE);
}

static void
plan_misfortune (struct run *r)
{
  static const unsigned levels[] = { 0, 100, 400, 1200 };
  struct dice *d = &r->dice;
  r->odds_step = levels[dice_between (d, 0, 3)];
  r->odds_crash = levels[dice_between (d, 0, 3)] / 4;
  r->cursed
      = dice_odds (d, 1500)
            ? (size_t)dice_between (d, 0, (int64_t)graph_len (r->graph) - 1)
            : (size_t)-1;
  misfortune (r, HAPPENS_REBOOT, dice_between (d, -2, 2));
  misfortune (r, HAPPENS_DESTROYED, dice_odds (d, 300));
  misfortune (r, HAPPENS_CUT, dice_between (d, -4, 3));
  misfortune (r, HAPPENS_CLOCK, dice_between (d, -6, 2));
  for (int64_t n = dice_between (d, 0, 6); n > 0; n--) {
    int64_t when = dice_between (d, 1, 60000);
    if (run_fault (r))
      run_later (r, when, HAPPENS_FOREIGN);
  }
}

void
run_start (struct run *r, uint64_t seed, struct graph *g,
           const struct plant *plant, bool trace, struct coverage *c)
{
  memset (r, 0, sizeof *r);
  r->seed = seed;
  r->plant = plant;
  r->trace = trace;
  r->thorough = seed % 8 == 0;
  r->dice.state = seed * 0x100000001b3u + 7;
  r->coverage = c;
  r->graph = g;
  r->limits = (struct plan_limits){ .downtime_ms = 30000, .back_ms = 45000 };
  r->faults_until = dice_between (&r->dice, 30000, 200000);
  r->safe = plant->mode == MODE_SAFE
            || (plant->mode == MODE_MIXED && seed % 4 == 3);
  if (r->safe)
    r->faults_until += 200000;
  r->until = r->faults_until + (r->safe ? 0 : 400000);
  r->asks_approval = dice_odds (&r->dice, 3000);
  r->people.state = seed * 0x9fb21c651e98df25u + 5;
  r->one_way = dice_odds (&r->people, 2000);
  r->incarnation = 1;
  memset (r->chain.head, '0', 64);
  world_start (&r->world, r->graph, plant->bug);
  plan_operator (r);
  plan_misfortune (r);
  clocks_plan (r);
  run_later (r, 0, HAPPENS_START);
  run_later (r, 5, HAPPENS_CLIENT);
  run_later (r, 7, HAPPENS_CRON);
}

void
run_free (struct run *r)
{
  engine_free (r->engine);
  for (size_t i = 0; i < r->queue.n; i++)
    free (r->queue.v[i].timer);
  for (size_t i = 0; i < r->records.n; i++)
    record_clear (&r->records.v[i]);
  VEC_FREE (&r->queue);
  VEC_FREE (&r->calls);
  VEC_FREE (&r->records);
  free (r->detail);
}

/* The target serves, and no rollback has frozen it yet. */
static bool
guarded (enum phase p)
{
  return p == PHASE_GUARDED || p == PHASE_RETURNING || p == PHASE_BACK_HOLDING;
}

/* While nothing is frozen the source serves, whatever goes wrong. */
static void
client (struct run *r)
{
  bool served = world_client_write (&r->world, dice_odds (&r->dice, 5000));
  run_later (r, dice_between (&r->dice, 100, 700), HAPPENS_CLIENT);
  if (served || !r->alive)
    return;
  if (guarded (engine_phase (r->engine)) && r->world.target.up)
    run_fail (r, "the client was not served in the guard", NULL);
  if (!r->world.source.up)
    return;
  enum phase p = engine_phase (r->engine);
  if (p <= PHASE_HOLDING || p == PHASE_ABORTED || p == PHASE_ROLLED_BACK)
    run_fail (r, "the client was not served while nothing was frozen", NULL);
}

/* Once faults have stopped, whoever asks for a cutover gets it. */
static void
patience (struct run *r)
{
  enum phase p = engine_phase (r->engine);
  bool last = r->now > r->faults_until + 290000;
  if (last && (p == PHASE_PLANNED || p == PHASE_SYNCING || p == PHASE_ABORTED))
  {
    controller_request (r, REQUEST_CUTOVER);
    return;
  }
  bool waits
      = engine_attention (r->engine) != NULL || engine_paused (r->engine);
  if (p == PHASE_GUARDED && r->destroyed)
    controller_request (r, REQUEST_ROLLBACK_ALONE);
  else if (waits && p != PHASE_ABORTED)
    controller_request (r, r->one_way && p == PHASE_SYNCING ? REQUEST_CUTOVER
                                                            : REQUEST_RESUME);
  else if (p == PHASE_GUARDED)
    controller_request (r, dice_odds (&r->dice, 5000) ? REQUEST_ACCEPT
                                                      : REQUEST_ROLLBACK);
}

static void
reboot (struct run *r, bool target)
{
  struct model_host *h = target ? &r->world.target : &r->world.source;
  run_trace (r, "%s reboots", target ? "target" : "source");
  world_reboot_down (h);
  if (target && r->world.bug == BUG_BACK_VOLATILE)
    h->flag = false;
  run_later (r, dice_between (&r->dice, 1000, 20000), HAPPENS_BOOTED)->target
      = target;
}

static void
cut (struct run *r, bool target)
{
  int64_t end = r->now + dice_between (&r->dice, 500, 60000);
  r->cut_until[target] = end < r->faults_until ? end : r->faults_until;
  run_trace (r, "%s cut off", target ? "target" : "source");
}

static void
destroy (struct run *r)
{
  run_trace (r, "the target is destroyed");
  r->destroyed = r->world.target.destroyed = true;
  world_reboot_down (&r->world.target);
}

/* What reaches the controller needs one, and the same one. */
static bool
for_controller (enum happening_kind k)
{
  return k == HAPPENS_REPLY || k == HAPPENS_RECORD || k == HAPPENS_TIMER;
}

static void
timer (struct run *r, const struct happening *h)
{
  struct event ev
      = { .kind = EVENT_TIMER, .timer = h->timer, .time_ms = run_clock (r) };
  run_trace (r, "timer %s", h->timer);
  controller_feed (r, &ev);
}

static void
happen_to_controller (struct run *r, const struct happening *h)
{
  if (!r->alive || h->incarnation != r->incarnation)
    return;
  if (h->kind == HAPPENS_REPLY)
    calls_reply (r, h->index);
  else if (h->kind == HAPPENS_RECORD)
    controller_record (r, h->index);
  else
    timer (r, h);
}

/* Only a target that is gone is said to be. */
static enum request
honest (const struct run *r, enum request request)
{
  return request == REQUEST_ROLLBACK_ALONE && !r->destroyed ? REQUEST_ROLLBACK
                                                            : request;
}

static void
happen_to_people (struct run *r, const struct happening *h)
{
  if (!r->alive && h->kind == HAPPENS_APPROVE)
    run_later (r, 5000, HAPPENS_APPROVE)->index = h->index;
  if (!r->alive)
    return;
  if (h->kind == HAPPENS_REQUEST)
    controller_request (r, honest (r, h->request));
  else if (h->kind == HAPPENS_PATIENCE)
    patience (r);
  else if (h->kind == HAPPENS_REPLAN)
    controller_replan (r);
  else
    controller_approve (r, h->index);
}

static void
happen_to_world (struct run *r, const struct happening *h)
{
  if (h->kind == HAPPENS_HALF)
    calls_half (r, h->index);
  else if (h->kind == HAPPENS_WHOLE)
    calls_whole (r, h->index);
  else if (h->kind == HAPPENS_CLIENT)
    client (r);
  else if (h->kind == HAPPENS_CRON) {
    world_cron_write (&r->world);
    run_later (r, dice_between (&r->dice, 500, 3000), HAPPENS_CRON);
  } else if (h->kind == HAPPENS_CUT)
    cut (r, h->target);
  else if (h->kind == HAPPENS_CLOCK)
    clocks_jump (r);
  else if (h->kind == HAPPENS_SKEW)
    clocks_skew (r, h->target);
  else if (h->kind == HAPPENS_CLOCK_RIGHT)
    clocks_set_right (r, h->target);
  else if (h->kind == HAPPENS_THAW)
    world_thaw_alone (&r->world);
  else if (h->kind == HAPPENS_REBOOT)
    reboot (r, h->target);
  else if (h->kind == HAPPENS_BOOTED)
    world_reboot_up (h->target ? &r->world.target : &r->world.source);
  else if (h->kind == HAPPENS_DESTROYED)
    destroy (r);
  else if (h->kind == HAPPENS_FOREIGN)
    calls_foreign (r);
}

static void
happen (struct run *r, const struct happening *h)
{
  if (for_controller (h->kind))
    happen_to_controller (r, h);
  else if (h->kind == HAPPENS_REQUEST || h->kind == HAPPENS_PATIENCE
           || h->kind == HAPPENS_REPLAN || h->kind == HAPPENS_APPROVE)
    happen_to_people (r, h);
  else if (h->kind == HAPPENS_START)
    controller_start (r);
  else if (h->kind == HAPPENS_SYNC)
    r->synced = h->incarnation == r->incarnation && h->index > r->synced
                    ? h->index
                    : r->synced;
  else
    happen_to_world (r, h);
}

static bool
take_next (struct run *r, struct happening *out)
{
  size_t best = 0;
  if (r->queue.n == 0)
    return false;
  for (size_t i = 1; i < r->queue.n; i++) {
    const struct happening *a = &r->queue.v[i], *b = &r->queue.v[best];
    if (a->at < b->at || (a->at == b->at && a->order < b->order))
      best = i;
  }
  *out = r->queue.v[best];
  r->queue.v[best] = r->queue.v[--r->queue.n];
  return out->at <= r->until;
}

/* Once faults have stopped every migration has ended, or says why it waits. */
static void
check_end (struct run *r)
{
  r->coverage->runs++;
  r->coverage->faulty += r->faults > 0;
  r->coverage->long_runs += r->steps_begun >= 15;
  if (r->safe) {
    if (r->alive)
      controller_check_fold (r);
    return;
  }
  if (!r->alive) {
    run_fail (r, "no controller at the end", NULL);
    return;
  }
  enum phase p = engine_phase (r->engine);
  bool attention = engine_attention (r->engine) != NULL;
  bool ended
      = p == PHASE_ACCEPTED || p == PHASE_GUARDED || p == PHASE_ROLLED_BACK;
  bool told = attention && r->destroyed;
  if (!ended && !told) {
    run_fail (r, "it does not end and does not say why", NULL);
    r->detail = mem_printf ("phase %s", phase_name (p));
  }
  if (p == PHASE_GUARDED && r->destroyed)
    run_fail (r, "the target is gone, and the source was not asked back", NULL);
  r->coverage->ended[p]++;
  controller_check_fold (r);
}

void
run_all (struct run *r)
{
  struct happening h;
  unsigned n = 0;
  while (r->failed == NULL && take_next (r, &h)) {
    r->now = h.at;
    happen (r, &h);
    free (h.timer);
    const char *bad = world_check (&r->world);
    if (bad == NULL && target_can_write (&r->world) && !r->pivot_intended)
      bad = "the target can be written before its pivot";
    if (bad != NULL)
      run_fail (r, bad, NULL);
    if (r->alive && r->failed == NULL && ++n % 500 == 0)
      controller_check_fold (r);
  }
  if (r->failed == NULL)
    check_end (r);
}
