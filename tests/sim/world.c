/* SPDX-License-Identifier: Apache-2.0 */
/* The model world: who serves, who holds the address, what was copied. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define SKEW_MAX 2000 /* provider/move_identity.c */

void
world_start (struct world *w, const struct graph *g, enum bug bug)
{
  memset (w, 0, sizeof *w);
  w->graph = g;
  world_roles (w);
  w->bug = bug;
  w->source = (struct model_host){ .up = true,
                                   .running = true,
                                   .want_running = true,
                                   .cron = true,
                                   .want_cron = true,
                                   .address = true,
                                   .address_kept = true };
  w->target = (struct model_host){ .up = true };
}

size_t
world_step (const struct world *w, const char *id)
{
  for (size_t i = 0; i < graph_len (w->graph); i++)
    if (strcmp (graph_at (w->graph, i)->id, id) == 0)
      return i;
  abort ();
}

static bool
can_write (const struct model_host *h)
{
  bool open = !h->gate || h->gate_lifted;
  return h->up && (h->cron || (h->running && open));
}

bool
source_can_write (const struct world *w)
{
  return can_write (&w->source);
}

bool
target_can_write (const struct world *w)
{
  return can_write (&w->target);
}

static bool
serves (const struct model_host *h)
{
  return h->up && h->running && h->address && (!h->gate || h->gate_lifted);
}

static void
target_writes (struct world *w)
{
  w->target_n++;
  w->opened = true;
  if (w->returned)
    w->broken = "the target took a write after the rollback";
}

static void
source_writes (struct world *w)
{
  w->source_n++;
  if (w->opened && !w->returned)
    w->broken = "the source took a write after the target was opened";
}

bool
world_client_write (struct world *w, bool prefer_target)
{
  bool s = serves (&w->source), t = serves (&w->target);
  if (t && (prefer_target || !s))
    target_writes (w);
  else if (s)
    source_writes (w);
  return s || t;
}

void
world_cron_write (struct world *w)
{
  if (w->source.up && w->source.cron)
    source_writes (w);
  if (w->target.up && w->target.cron)
    target_writes (w);
}

/* Which way a step goes, and between which hosts. */
static bool
is_back (const struct world *w, size_t step)
{
  enum stage s = graph_at (w->graph, step)->stage;
  return s == STAGE_BACK_ROUND || s >= STAGE_BACK_CHECK;
}

static struct model_host *
from_of (struct world *w, size_t step)
{
  return is_back (w, step) ? &w->target : &w->source;
}

static struct model_host *
to_of (struct world *w, size_t step)
{
  return is_back (w, step) ? &w->source : &w->target;
}

/* Every step of that role and way is whole; none counts as not. */
static bool
all_whole (const struct world *w, enum role role, bool back)
{
  bool any = false;
  for (size_t i = 0; i < graph_len (w->graph); i++)
    if (w->role[i] == role && is_back (w, i) == back) {
      any = true;
      if (w->state[i] != 2)
        return false;
    }
  return any;
}

static void
lift_gate (struct world *w, bool back)
{
  if (w->broken == NULL)
    w->broken = world_check_pivot (w, back);
  (back ? &w->source : &w->target)->gate_lifted = true;
  if (back)
    w->returned |= source_can_write (w);
  else
    w->opened |= target_can_write (w);
}

/* What there was is noted by the first attempt: a later one no longer sees
 * it. */
static void
take_address (struct world *w, size_t step, bool first)
{
  struct model_host *from = from_of (w, step);
  if (first || w->bug == BUG_RETRY_BLIND)
    from->address_was = from->address_kept;
  from->address_kept = false;
}

/* The first half of what a step does, where its halves can be told apart. */
void
world_half (struct world *w, size_t step)
{
  bool first = w->state[step] == 0;
  if (first)
    w->state[step] = 1;
  if (w->role[step] == ROLE_TAKE)
    take_address (w, step, first);
  else if (w->role[step] == ROLE_GIVE)
    to_of (w, step)->address = true;
  else if (w->role[step] == ROLE_PIVOT)
    lift_gate (w, is_back (w, step));
}

static bool
prove (struct world *w, size_t step)
{
  bool copied = is_back (w, step) ? w->returned_n == w->target_n
                                  : w->copied_n == w->source_n;
  bool equal = !w->damaged
               && (graph_at (w->graph, step)->stage == STAGE_PROVE || copied);
  if (is_back (w, step) && w->bug == BUG_BACK_DROPPED)
    equal = true;
  w->proven[step] = equal;
  w->damaged = false; /* what was found is sent again */
  return equal;
}

static bool
clocks_agree (struct world *w)
{
  w->skew_seen = llabs (w->source.clock_off - w->target.clock_off);
  return w->skew_seen <= SKEW_MAX || w->bug == BUG_SKEW_IGNORED;
}

static bool
look (struct world *w, size_t step)
{
  bool good = true;
  if (w->role[step] == ROLE_PROOF)
    return prove (w, step);
  if (w->role[step] == ROLE_CLOCKS)
    return clocks_agree (w);
  if (w->role[step] == ROLE_WRITERS)
    good = !can_write (from_of (w, step));
  else if (w->role[step] == ROLE_SMOKE_INSIDE)
    good = to_of (w, step)->running;
  else if (w->role[step] == ROLE_SMOKE_OUTSIDE)
    good = to_of (w, step)->running && to_of (w, step)->address;
  w->proven[step] = good;
  return good;
}

static void
set_flag (struct world *w, struct model_host *from)
{
  if (from == &w->source && w->skew_seen > SKEW_MAX && w->broken == NULL)
    w->broken = "frozen although the clocks of the hosts differed";
  from->flag = true;
  memset (w->proven, 0, sizeof w->proven);
}

static void
start_service (struct world *w, size_t step)
{
  struct model_host *to = to_of (w, step);
  if (!to->gate && w->broken == NULL)
    w->broken = "a service was started without its gate";
  to->running
      = to->up && !to->flag && all_whole (w, ROLE_START, is_back (w, step));
  if (w->bug == BUG_GATE_EARLY)
    to->gate_lifted = true;
}

static void
hold_jobs (struct model_host *from)
{
  from->cron = false;
  from->held = true;
}

/* What stands still in the hold alone goes on as soon as it may. */
static void
let_jobs_go (struct model_host *h)
{
  h->held = false;
  h->cron = h->up && h->want_cron && !h->flag;
}

static void
copy (struct world *w, size_t step)
{
  if (!is_back (w, step))
    w->copied_n = w->source_n;
  else if (w->role[step] == ROLE_APPLY)
    w->returned_n = w->laid_n > w->returned_n ? w->laid_n : w->returned_n;
  else if (graph_at (w->graph, step)->stage == STAGE_BACK_ROUND)
    w->laid_n = w->target_n;
  else if (w->bug != BUG_BACK_DROPPED)
    w->returned_n = w->laid_n = w->target_n;
}

static void
change (struct world *w, size_t step)
{
  enum role role = w->role[step];
  struct model_host *from = from_of (w, step), *to = to_of (w, step);
  if (role == ROLE_COPY || role == ROLE_APPLY)
    copy (w, step);
  else if (role == ROLE_FLAG)
    set_flag (w, from);
  else if (role == ROLE_STOP)
    from->running &= !all_whole (w, ROLE_STOP, is_back (w, step));
  else if (role == ROLE_CRON_STOP)
    hold_jobs (from);
  else if (role == ROLE_GATE)
    to->gate = true;
  else if (role == ROLE_UNFLAG)
    to->flag = false;
  else if (role == ROLE_START)
    start_service (w, step);
  else if (role == ROLE_TAKE)
    from->address = false;
  else if (role == ROLE_GIVE)
    to->address_kept = true;
  else if (role == ROLE_CLAIM)
    from->claimed = to->claimed = true;
  else if (role == ROLE_CLEANUP) {
    w->source.claimed = false;
    w->target.claimed &= w->bug == BUG_CLAIM_KEPT;
  } else if (role == ROLE_PIVOT) {
    to->gate = to->gate_lifted = false;
    w->returned |= is_back (w, step);
  } else if (role == ROLE_ENABLE)
    to->running = to->want_running = to->up;
  else if (role == ROLE_RELEASE) {
    to->want_cron = true;
    let_jobs_go (to);
  }
}

bool
world_whole (struct world *w, size_t step)
{
  world_half (w, step);
  w->state[step] = 2;
  if (graph_at (w->graph, step)->cls == STEP_PURE)
    return look (w, step);
  change (w, step);
  return true;
}

void
world_pass (struct world *w, size_t step)
{
  w->state[step] = 2;
  w->proven[step] = true;
}

/* The flag is the last that goes: what is wanted starts with it. */
static void
thaw (struct model_host *from)
{
  from->flag = false;
  from->running = from->up && from->want_running;
  from->cron = from->up && from->want_cron && !from->held;
}

void
world_undo (struct world *w, size_t step)
{
  enum role role = w->role[step];
  struct model_host *from = from_of (w, step), *to = to_of (w, step);
  bool begun = w->state[step] != 0;
  w->state[step] = 0;
  if (role == ROLE_FLAG)
    thaw (from);
  else if (role == ROLE_CRON_STOP)
    let_jobs_go (from);
  else if (role == ROLE_START)
    to->running = false;
  else if (role == ROLE_UNFLAG)
    to->flag = true;
  else if (role == ROLE_GATE)
    to->gate = to->gate_lifted = false;
  else if (role == ROLE_TAKE && begun)
    from->address = from->address_kept = from->address_was;
  else if (role == ROLE_GIVE)
    to->address = to->address_kept = false;
}

void
world_thaw_alone (struct world *w)
{
  if (w->source.flag)
    thaw (&w->source);
}

void
world_reboot_down (struct model_host *h)
{
  h->up = h->running = h->cron = h->address = h->gate_lifted = false;
}

/* Behind a gate nothing starts by itself. */
void
world_reboot_up (struct model_host *h)
{
  h->up = !h->destroyed;
  h->running = h->up && h->want_running && !h->flag && !h->gate;
  h->cron = h->up && h->want_cron && !h->flag && !h->held;
  h->address = h->up && h->address_kept;
}

static const char *
check_opened (const struct world *w)
{
  if (w->copied_n != w->source_n)
    return "the target was opened without every acknowledged write";
  if (source_can_write (w))
    return "the source can be written after the target was opened";
  return NULL;
}

static const char *
check_returned (const struct world *w)
{
  /* What a lost target took since the last round is named, and lost. */
  long expected = w->target.destroyed ? w->laid_n : w->target_n;
  if (w->returned_n < expected)
    return "the source was opened without every acknowledged write";
  if (target_can_write (w))
    return "the target can be written after the rollback";
  return NULL;
}

const char *
world_check (const struct world *w)
{
  if (w->broken != NULL)
    return w->broken;
  if (source_can_write (w) && target_can_write (w))
    return "two writers: source and target can both be written";
  return w->returned ? check_returned (w) : w->opened ? check_opened (w) : NULL;
}

static const char *
check_aborted_back (const struct world *w)
{
  if (w->returned)
    return "a rollback was aborted although the source took writes";
  if (w->target.flag || (w->target.up && !w->target.address_kept))
    return "a rollback was aborted, but the target is still frozen or without "
           "its address";
  if (!w->source.flag || w->source.address_kept || w->source.running
      || w->source.gate_lifted)
    return "a rollback was aborted, but something of it is left on the source";
  return NULL;
}

const char *
world_check_aborted (const struct world *w, bool back)
{
  if (back)
    return w->target.destroyed ? NULL : check_aborted_back (w);
  if (w->opened)
    return "aborted although the target took writes";
  if (w->source.flag || !w->source.address_kept)
    return "aborted, but the source is still frozen or without its address";
  if (w->target.address_kept || w->target.running || w->target.gate_lifted)
    return "aborted, but something of the cutover is left on the target";
  return NULL;
}

const char *
world_check_accepted (const struct world *w)
{
  bool target = w->target.claimed && !w->target.destroyed;
  return w->source.claimed || target ? "accepted, but a host is still claimed"
                                     : NULL;
}

const char *
world_check_rolled_back (const struct world *w)
{
  if (w->source.flag || w->source.held || w->source.gate
      || !w->source.address_kept)
    return "rolled back, but the source is not as it was";
  if (!w->target.destroyed && (!w->target.flag || w->target.address_kept))
    return "rolled back, but the target is not closed";
  return NULL;
}

static bool
is_proof (enum stage s, bool back)
{
  return back ? s == STAGE_BACK_VERIFY || s == STAGE_BACK_INSIDE
                    || s == STAGE_BACK_OUTSIDE
              : s == STAGE_VERIFY || s == STAGE_INSIDE || s == STAGE_OUTSIDE
                    || s == STAGE_STILL;
}

const char *
world_check_pivot (const struct world *w, bool back)
{
  const struct model_host *from = back ? &w->target : &w->source;
  const struct model_host *to = back ? &w->source : &w->target;
  for (size_t i = 0; i < graph_len (w->graph); i++)
    if (is_proof (graph_at (w->graph, i)->stage, back) && !w->proven[i])
      return "opened without every proof of this cutover";
  if (!to->address_kept)
    return "opened before the address was switched";
  if (from->destroyed)
    return NULL;
  if (!from->flag || can_write (from))
    return "opened while the other side could be written";
  return from->address_kept ? "opened before the address was switched" : NULL;
}
