/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clocks of the controller and of both hosts: each is somewhat off,
 * and jumps.  Dice of their own, so that they shift nobody else's. */
#include "run.h"

#define HOUR 3600000
#define USUAL 800 /* kept by a time service */

static int64_t *
clock_of (struct run *r, bool target)
{
  return target ? &r->world.target.clock_off : &r->world.source.clock_off;
}

void
clocks_set_right (struct run *r, bool target)
{
  *clock_of (r, target) = dice_between (&r->clocks, -USUAL, USUAL);
}

static void
set_right_later (struct run *r, int64_t delay, bool target)
{
  run_later (r, delay, HAPPENS_CLOCK_RIGHT)->target = target;
}

void
clocks_plan (struct run *r)
{
  struct dice *d = &r->clocks;
  d->state = r->seed * 0x9e3779b97f4a7c15u + 11;
  for (int target = 0; target < 2; target++) {
    clocks_set_right (r, target);
    set_right_later (r, r->faults_until, target);
  }
  if (dice_odds (d, 500) && run_fault (r)) { /* one was never set */
    bool target = dice_odds (d, 5000);
    *clock_of (r, target) = dice_between (d, -20000, 20000);
    set_right_later (r, dice_between (d, 1, 60000), target);
  }
  for (int64_t n = dice_between (d, -4, 2); n > 0; n--) {
    int64_t when = dice_between (d, 1, r->faults_until);
    bool target = dice_odds (d, 5000);
    if (run_fault (r))
      run_later (r, when, HAPPENS_SKEW)->target = target;
  }
}

/* By seconds or by up to an hour; a while later it is noticed. */
void
clocks_skew (struct run *r, bool target)
{
  int64_t most = dice_odds (&r->clocks, 5000) ? 5000 : HOUR;
  *clock_of (r, target) = dice_between (&r->clocks, -most, most);
  set_right_later (r, dice_between (&r->clocks, 1000, 40000), target);
  run_trace (r, "the clock of the %s is off by %+lld ms",
             target ? "target" : "source", (long long)*clock_of (r, target));
}

/* With the bug what is to happen by a timer hangs on the wall clock. */
static void
move_timers (struct run *r, int64_t by)
{
  for (size_t i = 0; i < r->queue.n; i++)
    if (r->queue.v[i].kind == HAPPENS_TIMER)
      r->queue.v[i].at -= by;
}

/* By up to an hour, either way. */
void
clocks_jump (struct run *r)
{
  int64_t by = dice_between (&r->dice, -HOUR, HOUR);
  r->clock_off += by;
  r->clock_jumped = true;
  if (r->world.bug == BUG_WALL_CLOCK)
    move_timers (r, by);
  run_trace (r, "the clock jumps to %+lld ms", (long long)r->clock_off);
}

/* The controller that died may have died with its machine. */
void
clocks_reboot (struct run *r)
{
  if (!dice_odds (&r->clocks, 2000))
    return;
  r->boots++;
  r->boot_began = r->now;
  run_trace (r, "... with its machine");
}

void
clocks_stamp (const struct run *r, struct record *x)
{
  int64_t since_boot = r->now - r->boot_began;
  if (r->world.bug == BUG_WALL_CLOCK)
    since_boot += r->clock_off + (int64_t)HOUR * 48;
  x->time_ms = run_clock (r);
  x->mono_ns = (uint64_t)since_boot * 1000000u;
}

void
clocks_freeze (struct run *r, bool back)
{
  r->frozen_now[back] = r->now;
  r->frozen_boot[back] = r->boots;
}

/* Between two boots there is only the wall clock to go by. */
bool
clocks_too_long (const struct run *r, bool back)
{
  bool unknown = r->frozen_boot[back] != r->boots && r->clock_jumped;
  return !unknown && r->now - r->frozen_now[back] > r->limits.downtime_ms + 20;
}
