/* SPDX-License-Identifier: Apache-2.0 */
/* The move itself: steps that belong to no item. */
#include "provider/move.h"

#include "provider/check.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static const struct step_row rows[] = {
  { "identity", "two hosts, the right ones, clocks agree", STAGE_PREFLIGHT,
    STEP_PURE, SIDE_BOTH, 60000 },
  { "unclaimed", "every writer and listener is claimed", STAGE_PREFLIGHT,
    STEP_PURE, SIDE_SOURCE, 120000 },
  { "window-look", "when the cutover's window is open", STAGE_PREFLIGHT,
    STEP_PURE, SIDE_TARGET, 60000 },
  { "checks", "checks over https can be asked", STAGE_PREFLIGHT, STEP_PURE,
    SIDE_BOTH, 60000 },
  { "recheck", "still the right hosts", STAGE_RECHECK, STEP_PURE, SIDE_BOTH,
    60000 },
  { "unclaimed-again", "still every writer and listener is claimed",
    STAGE_RECHECK, STEP_PURE, SIDE_SOURCE, 120000 },
  { "window", "the cutover's window is open", STAGE_RECHECK, STEP_PURE,
    SIDE_TARGET, 60000 },
  { "arm", "the way back lies on the source", STAGE_HOLD, STEP_REVERSIBLE,
    SIDE_SOURCE, 120000 },
  { "mapped", "files that are mapped for writing", STAGE_HOLD, STEP_PURE,
    SIDE_SOURCE, 60000 },
  { "flag", "the source is frozen, durably", STAGE_FREEZE, STEP_REVERSIBLE,
    SIDE_SOURCE, 30000 },
  { "readonly", "moved files are read-only on the source", STAGE_FREEZE,
    STEP_REVERSIBLE, SIDE_SOURCE, 60000 },
  { "frozen", "nothing can write on the source", STAGE_FREEZE, STEP_PURE,
    SIDE_SOURCE, 60000 },
  { "still-frozen", "still nothing can write on the source", STAGE_VERIFY,
    STEP_PURE, SIDE_SOURCE, 60000 },
  { "smoke-inside", "smoke checks on the target", STAGE_INSIDE, STEP_PURE,
    SIDE_TARGET, 120000 },
  { "smoke-outside", "smoke checks as a client", STAGE_OUTSIDE, STEP_PURE,
    SIDE_OUTSIDE, 120000 },
  { "pivot", "the gate opens", STAGE_PIVOT, STEP_PIVOT, SIDE_TARGET, 120000 },
  { "guard", "the source is frozen, the target serves", STAGE_GUARD, STEP_PURE,
    SIDE_BOTH, 60000 },
  { "clean", "what is left is named, the rest removed", STAGE_ACCEPT,
    STEP_FORWARD, SIDE_BOTH, 120000 },
};

/* Everything on the source that must stand still before the files close. */
static void
needs_of_readonly (const struct plan *plan, struct needs *needs)
{
  needs_add (needs, "move#flag");
  if (steps_first (plan, "accounts") != NULL)
    needs_add (needs, "accounts#suspend");
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (strcmp (plan_item (plan, i)->kind, "service") == 0)
      needs_add (needs, "%s#stop", plan_item (plan, i)->name);
}

/* The way back is built from what services and cron recorded. */
static void
needs_of_arm (const struct plan *plan, struct needs *needs)
{
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    if (strcmp (item->kind, "service") == 0)
      needs_add (needs, "%s#arm", item->name);
    if (strcmp (item->kind, "cron") == 0)
      needs_add (needs, "%s#hold", item->name);
  }
}

static bool
asks_over_https (const struct plan *plan)
{
  for (size_t i = 0; i < json_array_size (plan_smoke (plan)); i++)
    if (check_needs_tls (json_array_get (plan_smoke (plan), i)))
      return true;
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (check_needs_tls (json_at (plan_item (plan, i)->spec, "ready")))
      return true;
  return false;
}

static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  (void)item;
  bool window = json_object_size (plan_window (plan)) > 0;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    const char *op = rows[i].op;
    if ((strncmp (op, "window", 6) == 0 && !window)
        || (strcmp (op, "checks") == 0 && !asks_over_https (plan)))
      continue;
    if (strcmp (op, "readonly") == 0)
      needs_of_readonly (plan, &needs);
    if (strcmp (op, "arm") == 0)
      needs_of_arm (plan, &needs);
    if (strcmp (op, "frozen") == 0)
      needs_add (&needs, "move#readonly");
    TRY (steps_add (g, &rows[i], "move", "move", "", -1, NULL, &needs));
  }
  return NULL;
}

static const struct step_op ops[] = {
  { "identity", move_identity, NULL, NULL },
  { "checks", move_checks, NULL, NULL },
  { "recheck", move_identity, NULL, NULL },
  { "unclaimed", move_unclaimed, NULL, NULL },
  { "unclaimed-again", move_unclaimed, NULL, NULL },
  { "window-look", move_window_look, NULL, NULL },
  { "window", move_window, NULL, NULL },
  { "arm", move_arm, move_arm_probe, move_arm_undo },
  { "mapped", move_mapped, NULL, NULL },
  { "flag", move_flag, move_flag_probe, move_flag_undo },
  { "readonly", move_readonly, move_readonly_probe, move_readonly_undo },
  { "frozen", move_frozen, NULL, NULL },
  { "still-frozen", move_frozen, NULL, NULL },
  { "smoke-inside", move_smoke_inside, NULL, NULL },
  { "smoke-outside", move_smoke_outside, NULL, NULL },
  { "pivot", move_pivot, move_pivot_probe, NULL },
  { "guard", move_guard, NULL, NULL },
  { "clean", move_clean, NULL, NULL },
  { NULL, NULL, NULL, NULL },
};

const struct provider provider_move = {
  .kind = { "move", NULL, NULL },
  .about = "identity, claims, freeze, smoke checks, the gate, the clean-up",
  .describe = describe,
  .ops = ops,
  .discover = NULL,
};
