/* SPDX-License-Identifier: Apache-2.0 */
/* The graph that the simulator drives: accounts, two trees, a service, cron,
 * the address and the move itself. */
#include "world.h"

#include "base/mem.h"
#include "provider/provider.h"

#include <stdio.h>

struct shape {
  const char *id;
  enum stage stage;
  enum step_class cls;
  enum step_side side;
  const char *needs[4];
};

#define PURE STEP_PURE
#define IDEM STEP_IDEMPOTENT
#define REVS STEP_REVERSIBLE
#define FORW STEP_FORWARD

static const struct shape shapes[] = {
  { "move#identity", STAGE_PREFLIGHT, PURE, SIDE_BOTH, { 0 } },
  { "accounts#map", STAGE_PREFLIGHT, PURE, SIDE_BOTH, { "move#identity" } },
  { "files:/srv/a#usage", STAGE_PREFLIGHT, PURE, SIDE_SOURCE, { 0 } },
  { "files:/srv/b#usage", STAGE_PREFLIGHT, PURE, SIDE_SOURCE, { 0 } },
  { "service:shop#check", STAGE_PREFLIGHT, PURE, SIDE_TARGET, { 0 } },
  { "move#claim", STAGE_PREPARE, IDEM, SIDE_BOTH, { 0 } },
  { "accounts#create", STAGE_PREPARE, IDEM, SIDE_TARGET, { "move#claim" } },
  { "files:/srv/a#seed",
    STAGE_PREPARE,
    IDEM,
    SIDE_BOTH,
    { "accounts#create" } },
  { "files:/srv/b#seed",
    STAGE_PREPARE,
    IDEM,
    SIDE_BOTH,
    { "accounts#create" } },
  { "service:shop#place",
    STAGE_PREPARE,
    IDEM,
    SIDE_TARGET,
    { "accounts#create" } },
  { "cron:shop#stage",
    STAGE_PREPARE,
    IDEM,
    SIDE_TARGET,
    { "accounts#create" } },
  { "postgresql:crm#seed", STAGE_PREPARE, REVS, SIDE_BOTH, { 0 } },
  { "files:/srv/a#round", STAGE_ROUND, IDEM, SIDE_BOTH, { 0 } },
  { "files:/srv/b#round", STAGE_ROUND, IDEM, SIDE_BOTH, { 0 } },
  { "move#rehearse", STAGE_TEST, IDEM, SIDE_BOTH, { 0 } },
  { "files:/srv/a#prove", STAGE_PROVE, PURE, SIDE_BOTH, { 0 } },
  { "files:/srv/b#prove", STAGE_PROVE, PURE, SIDE_BOTH, { 0 } },
  { "move#recheck", STAGE_RECHECK, PURE, SIDE_BOTH, { 0 } },
  { "service:shop#recheck", STAGE_RECHECK, PURE, SIDE_TARGET, { 0 } },
  { "cron:shop#hold", STAGE_HOLD, REVS, SIDE_SOURCE, { 0 } },
  { "move#jobs", STAGE_HOLD, IDEM, SIDE_SOURCE, { "cron:shop#hold" } },
  { "move#flag", STAGE_FREEZE, REVS, SIDE_SOURCE, { 0 } },
  { "service:shop#stop", STAGE_FREEZE, REVS, SIDE_SOURCE, { "move#flag" } },
  { "cron:shop#stop", STAGE_FREEZE, REVS, SIDE_SOURCE, { "move#flag" } },
  { "move#frozen",
    STAGE_FREEZE,
    PURE,
    SIDE_SOURCE,
    { "service:shop#stop", "cron:shop#stop" } },
  { "files:/srv/a#final", STAGE_FINAL, IDEM, SIDE_BOTH, { 0 } },
  { "files:/srv/b#final", STAGE_FINAL, IDEM, SIDE_BOTH, { 0 } },
  { "files:/srv/a#verify", STAGE_VERIFY, PURE, SIDE_BOTH, { 0 } },
  { "files:/srv/b#verify", STAGE_VERIFY, PURE, SIDE_BOTH, { 0 } },
  { "service:shop#gate", STAGE_START, REVS, SIDE_TARGET, { 0 } },
  { "service:shop#start",
    STAGE_START,
    REVS,
    SIDE_TARGET,
    { "service:shop#gate" } },
  { "move#smoke-inside", STAGE_INSIDE, PURE, SIDE_TARGET, { 0 } },
  { "address:10.77.0.10#take", STAGE_SWITCH, REVS, SIDE_SOURCE, { 0 } },
  { "address:10.77.0.10#give",
    STAGE_SWITCH,
    REVS,
    SIDE_TARGET,
    { "address:10.77.0.10#take" } },
  { "move#smoke-outside", STAGE_OUTSIDE, PURE, SIDE_TARGET, { 0 } },
  { "files:/srv/a#still", STAGE_STILL, PURE, SIDE_SOURCE, { 0 } },
  { "files:/srv/b#still", STAGE_STILL, PURE, SIDE_SOURCE, { 0 } },
  { "move#pivot", STAGE_PIVOT, STEP_PIVOT, SIDE_TARGET, { 0 } },
  { "service:shop#enable", STAGE_OPEN, FORW, SIDE_TARGET, { 0 } },
  { "cron:shop#release", STAGE_OPEN, FORW, SIDE_TARGET, { 0 } },
  { "files:/srv/a#audit", STAGE_GUARD, PURE, SIDE_SOURCE, { 0 } },
  { "files:/srv/a#back-round", STAGE_BACK_ROUND, IDEM, SIDE_BOTH, { 0 } },
  { "files:/srv/b#back-round", STAGE_BACK_ROUND, IDEM, SIDE_BOTH, { 0 } },
  { "move#back-check", STAGE_BACK_CHECK, PURE, SIDE_BOTH, { 0 } },
  { "move#back-writable", STAGE_BACK_APPLY, REVS, SIDE_SOURCE, { 0 } },
  { "files:/srv/a#back-apply",
    STAGE_BACK_APPLY,
    IDEM,
    SIDE_SOURCE,
    { "move#back-writable" } },
  { "files:/srv/b#back-apply",
    STAGE_BACK_APPLY,
    IDEM,
    SIDE_SOURCE,
    { "move#back-writable" } },
  { "cron:shop#back-hold", STAGE_BACK_HOLD, REVS, SIDE_TARGET, { 0 } },
  { "move#back-flag", STAGE_BACK_FREEZE, REVS, SIDE_TARGET, { 0 } },
  { "service:shop#back-stop",
    STAGE_BACK_FREEZE,
    REVS,
    SIDE_TARGET,
    { "move#back-flag" } },
  { "cron:shop#back-stop",
    STAGE_BACK_FREEZE,
    REVS,
    SIDE_TARGET,
    { "move#back-flag" } },
  { "move#back-frozen",
    STAGE_BACK_FREEZE,
    PURE,
    SIDE_TARGET,
    { "service:shop#back-stop", "cron:shop#back-stop" } },
  { "files:/srv/a#back-final", STAGE_BACK_FINAL, IDEM, SIDE_BOTH, { 0 } },
  { "files:/srv/b#back-final", STAGE_BACK_FINAL, IDEM, SIDE_BOTH, { 0 } },
  { "files:/srv/a#back-verify", STAGE_BACK_VERIFY, PURE, SIDE_BOTH, { 0 } },
  { "files:/srv/b#back-verify", STAGE_BACK_VERIFY, PURE, SIDE_BOTH, { 0 } },
  { "service:shop#back-gate", STAGE_BACK_HOLD, REVS, SIDE_SOURCE, { 0 } },
  { "move#back-unflag",
    STAGE_BACK_START,
    REVS,
    SIDE_SOURCE,
    { "service:shop#back-gate" } },
  { "service:shop#back-start",
    STAGE_BACK_START,
    REVS,
    SIDE_SOURCE,
    { "move#back-unflag" } },
  { "move#back-smoke-inside", STAGE_BACK_INSIDE, PURE, SIDE_SOURCE, { 0 } },
  { "address:10.77.0.10#back-take",
    STAGE_BACK_SWITCH,
    REVS,
    SIDE_TARGET,
    { 0 } },
  { "address:10.77.0.10#back-give",
    STAGE_BACK_SWITCH,
    REVS,
    SIDE_SOURCE,
    { "address:10.77.0.10#back-take" } },
  { "move#back-smoke-outside", STAGE_BACK_OUTSIDE, PURE, SIDE_SOURCE, { 0 } },
  { "move#back-pivot", STAGE_BACK_PIVOT, STEP_PIVOT, SIDE_SOURCE, { 0 } },
  { "service:shop#back-enable", STAGE_BACK_OPEN, FORW, SIDE_SOURCE, { 0 } },
  { "cron:shop#back-release", STAGE_BACK_OPEN, FORW, SIDE_SOURCE, { 0 } },
  { "move#cleanup", STAGE_ACCEPT, FORW, SIDE_BOTH, { 0 } },
};

static struct graph *
sealed (struct err *e, struct graph *g)
{
  if (e == NULL)
    return g;
  fprintf (stderr, "sim: %s: %s\n", err_code (e), err_message (e));
  abort ();
}

struct graph *
world_graph_of (const char *path)
{
  CLEANUP_PLAN struct plan *plan = NULL;
  struct graph *g = NULL;
  struct err *e = plan_read (path, provider_kinds (), &plan);
  if (e == NULL)
    e = provider_compile (plan, &g);
  if (e == NULL && graph_len (g) > STEPS_MAX)
    abort ();
  return sealed (e, g);
}

struct graph *
world_graph (void)
{
  struct graph *g = graph_new ();
  struct err *e = NULL;
  for (size_t i = 0; e == NULL && i < sizeof shapes / sizeof *shapes; i++) {
    const struct shape *s = &shapes[i];
    struct step step = { .id = s->id,
                         .provider = "model",
                         .op = s->id,
                         .title = s->id,
                         .item = -1,
                         .stage = s->stage,
                         .cls = s->cls,
                         .side = s->side,
                         .needs = s->needs,
                         .retry_max = 3,
                         .retry_base_ms = 200,
                         .retry_cap_ms = 2000 };
    e = graph_add (g, &step);
  }
  if (e == NULL)
    e = graph_seal (g);
  return sealed (e, g);
}
