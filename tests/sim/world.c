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

static bool
ends_with (const char *id, const char *tail)
{
  size_t n = strlen (id), m = strlen (tail);
  return n >= m && strcmp (id + n - m, tail) == 0;
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
  const char *id = graph_at (w->graph, step)->id;
  if (w->state[step] == 0)
    w->state[step] = 1;
  if (strcmp (id, "address#take") == 0)
    w->source.address_kept = false;
  else if (strcmp (id, "address#give") == 0)
    w->target.address = true;
  else if (strcmp (id, "move#pivot") == 0)
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
  const char *id = graph_at (w->graph, step)->id;
  bool good = true;
  if (ends_with (id, "#verify") || ends_with (id, "#prove"))
    return prove (w, step);
  if (strcmp (id, "move#writers") == 0)
    good = !source_can_write (w);
  else if (strcmp (id, "move#smoke-inside") == 0)
    good = w->target.running;
  else if (strcmp (id, "move#smoke-outside") == 0)
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
  w->target.running = true;
}

static void
change (struct world *w, const char *id)
{
  if (strcmp (id, "move#flag") == 0)
    set_flag (w);
  else if (strcmp (id, "service:shop#stop") == 0)
    w->source.running = false;
  else if (strcmp (id, "cron:shop#stop") == 0)
    w->source.cron = false;
  else if (strcmp (id, "service:shop#gate") == 0)
    w->target.gate = true;
  else if (strcmp (id, "service:shop#start") == 0)
    start_target (w);
  else if (strcmp (id, "address#take") == 0)
    w->source.address = false;
  else if (strcmp (id, "address#give") == 0)
    w->target.address_kept = true;
  else if (strcmp (id, "move#pivot") == 0)
    w->target.gate = false;
  else if (strcmp (id, "service:shop#enable") == 0)
    w->target.running = w->target.want_running = true;
  else if (strcmp (id, "cron:shop#release") == 0)
    w->target.cron = w->target.want_cron = true;
}

bool
world_whole (struct world *w, size_t step)
{
  const struct step *s = graph_at (w->graph, step);
  world_half (w, step);
  w->state[step] = 2;
  if (s->cls == STEP_PURE)
    return look (w, step);
  if (ends_with (s->id, "#round") || ends_with (s->id, "#final")
      || ends_with (s->id, "#seed"))
    w->copied_n = w->source_n;
  change (w, s->id);
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

void
world_undo (struct world *w, size_t step)
{
  const char *id = graph_at (w->graph, step)->id;
  w->state[step] = 0;
  if (strcmp (id, "move#flag") == 0)
    thaw (w);
  else if (strcmp (id, "service:shop#start") == 0)
    w->target.running = false;
  else if (strcmp (id, "service:shop#gate") == 0)
    w->target.gate = w->target.gate_lifted = false;
  else if (strcmp (id, "address#take") == 0)
    w->source.address = w->source.address_kept = true;
  else if (strcmp (id, "address#give") == 0)
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
  if (w->target.address_kept || w->target.running || w->target.gate)
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
