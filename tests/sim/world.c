/* SPDX-License-Identifier: Apache-2.0 */
/* The model world: who serves, who holds the address, what was copied. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static const char *const bug_names[BUG_COUNT] = {
  [BUG_NONE] = "none",
  [BUG_INTENT_LATE] = "intent-late",
  [BUG_PROOF_FAKED] = "proof-faked",
  [BUG_UNDO_SKIPPED] = "undo-skipped",
  [BUG_EQUAL_EPOCH] = "equal-epoch",
  [BUG_STALE_EPOCH] = "stale-epoch",
  [BUG_PROBE_LIES] = "probe-lies",
};

const char *
bug_name (enum bug b)
{
  return bug_names[b];
}

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

bool
source_can_write (const struct world *w)
{
  return w->source.up && (w->source.running || w->source.cron);
}

bool
target_can_write (const struct world *w)
{
  const struct model_host *t = &w->target;
  bool open = !t->gate || t->gate_lifted;
  return t->up && (t->cron || (t->running && open));
}

static bool
serves (const struct model_host *h)
{
  return h->up && h->running && h->address && (!h->gate || h->gate_lifted);
}

bool
world_client_write (struct world *w, bool prefer_target)
{
  bool s = serves (&w->source), t = serves (&w->target);
  if (t && (prefer_target || !s)) {
    w->target_n++;
    w->opened = true;
  } else if (s)
    w->source_n++;
  if (s && w->opened)
    w->broken = "the source took a write after the target was opened";
  return s || t;
}

void
world_cron_write (struct world *w)
{
  if (w->source.up && w->source.cron) {
    w->source_n++;
    if (w->opened)
      w->broken = "a job wrote on the source after the target was opened";
  }
  if (w->target.up && w->target.cron) {
    w->target_n++;
    w->opened = true;
  }
}

/* Every step of that role is whole; none counts as not. */
static bool
all_whole (const struct world *w, enum role role)
{
  bool any = false;
  for (size_t i = 0; i < graph_len (w->graph); i++)
    if (w->role[i] == role) {
      any = true;
      if (w->state[i] != 2)
        return false;
    }
  return any;
}

static void
lift_gate (struct world *w)
{
  if (w->broken == NULL)
    w->broken = world_check_pivot (w);
  w->target.gate_lifted = true;
  if (target_can_write (w))
    w->opened = true;
}

/* The first half of what a step does, where its halves can be told apart. */
void
world_half (struct world *w, size_t step)
{
  if (w->state[step] == 0)
    w->state[step] = 1;
  if (w->role[step] == ROLE_TAKE)
    w->source.address_kept = false;
  else if (w->role[step] == ROLE_GIVE)
    w->target.address = true;
  else if (w->role[step] == ROLE_PIVOT)
    lift_gate (w);
}

static bool
prove (struct world *w, size_t step)
{
  bool equal = !w->damaged
               && (graph_at (w->graph, step)->stage == STAGE_PROVE
                   || w->copied_n == w->source_n);
  w->proven[step] = equal;
  w->damaged = false; /* what was found is sent again */
  return equal;
}

static bool
look (struct world *w, size_t step)
{
  bool good = true;
  if (w->role[step] == ROLE_PROOF)
    return prove (w, step);
  if (w->role[step] == ROLE_WRITERS)
    good = !source_can_write (w);
  else if (w->role[step] == ROLE_SMOKE_INSIDE)
    good = w->target.running;
  else if (w->role[step] == ROLE_SMOKE_OUTSIDE)
    good = w->target.running && w->target.address;
  w->proven[step] = good;
  return good;
}

static void
set_flag (struct world *w)
{
  w->source.flag = true;
  memset (w->proven, 0, sizeof w->proven);
}

static void
start_target (struct world *w)
{
  if (!w->target.gate && w->broken == NULL)
    w->broken = "the target's service was started without its gate";
  w->target.running = all_whole (w, ROLE_START);
}

static void
change (struct world *w, enum role role)
{
  if (role == ROLE_FLAG)
    set_flag (w);
  else if (role == ROLE_STOP)
    w->source.running &= !all_whole (w, ROLE_STOP);
  else if (role == ROLE_CRON_STOP)
    w->source.cron = false;
  else if (role == ROLE_GATE)
    w->target.gate = true;
  else if (role == ROLE_START)
    start_target (w);
  else if (role == ROLE_TAKE)
    w->source.address = false;
  else if (role == ROLE_GIVE)
    w->target.address_kept = true;
  else if (role == ROLE_PIVOT)
    w->target.gate = false;
  else if (role == ROLE_ENABLE)
    w->target.running = w->target.want_running = true;
  else if (role == ROLE_RELEASE)
    w->target.cron = w->target.want_cron = true;
}

bool
world_whole (struct world *w, size_t step)
{
  world_half (w, step);
  w->state[step] = 2;
  if (graph_at (w->graph, step)->cls == STEP_PURE)
    return look (w, step);
  if (w->role[step] == ROLE_COPY)
    w->copied_n = w->source_n;
  change (w, w->role[step]);
  return true;
}

/* The flag is the last that goes: what is wanted starts with it. */
static void
thaw (struct world *w)
{
  w->source.flag = false;
  w->source.running = w->source.want_running;
  w->source.cron = w->source.want_cron;
}

/* What stands still in the hold alone goes on as soon as it may. */
static void
let_cron_go (struct world *w)
{
  w->source.cron = w->source.up && w->source.want_cron && !w->source.flag;
}

void
world_undo (struct world *w, size_t step)
{
  enum role role = w->role[step];
  w->state[step] = 0;
  if (role == ROLE_FLAG)
    thaw (w);
  else if (role == ROLE_CRON_STOP)
    let_cron_go (w);
  else if (role == ROLE_START)
    w->target.running = false;
  else if (role == ROLE_GATE)
    w->target.gate = w->target.gate_lifted = false;
  else if (role == ROLE_TAKE)
    w->source.address = w->source.address_kept = true;
  else if (role == ROLE_GIVE)
    w->target.address = w->target.address_kept = false;
}

void
world_reboot_down (struct model_host *h)
{
  h->up = h->running = h->cron = h->address = h->gate_lifted = false;
}

void
world_reboot_up (struct model_host *h)
{
  h->up = !h->destroyed;
  h->running = h->up && h->want_running && !h->flag;
  h->cron = h->up && h->want_cron && !h->flag;
  h->address = h->up && h->address_kept;
}

const char *
world_check (const struct world *w)
{
  if (w->broken != NULL)
    return w->broken;
  if (source_can_write (w) && target_can_write (w))
    return "two writers: source and target can both be written";
  if (w->opened && w->copied_n != w->source_n)
    return "the target was opened without every acknowledged write";
  if (w->opened && source_can_write (w))
    return "the source can be written after the target was opened";
  return NULL;
}

const char *
world_check_aborted (const struct world *w)
{
  if (w->opened)
    return "aborted although the target took writes";
  if (w->source.flag || !w->source.address_kept)
    return "aborted, but the source is still frozen or without its address";
  if (w->target.address_kept || w->target.running || w->target.gate_lifted)
    return "aborted, but something of the cutover is left on the target";
  return NULL;
}

const char *
world_check_pivot (const struct world *w)
{
  for (size_t i = 0; i < graph_len (w->graph); i++) {
    enum stage s = graph_at (w->graph, i)->stage;
    bool proof = s == STAGE_VERIFY || s == STAGE_INSIDE || s == STAGE_OUTSIDE;
    if (proof && !w->proven[i])
      return "opened without every proof of this cutover";
  }
  if (!w->source.flag || source_can_write (w))
    return "opened while the source could be written";
  if (w->source.address_kept || !w->target.address_kept)
    return "opened before the address was switched";
  return NULL;
}
