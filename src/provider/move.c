/* SPDX-License-Identifier: Apache-2.0 */
/* The move itself: steps that belong to no item. */
#include "provider/move.h"

#include "provider/check.h"
#include "provider/rehearse.h"
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
  { "space", "everything fits on the target together", STAGE_PREFLIGHT,
    STEP_PURE, SIDE_TARGET, 60000 },
  { "checks", "checks over https can be asked", STAGE_PREFLIGHT, STEP_PURE,
    SIDE_BOTH, 60000 },
  { "rehearse", "the services there and back, on a copy", STAGE_TEST,
    STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "versions", "no package of a service was changed", STAGE_RECHECK,
    STEP_IDEMPOTENT, SIDE_BOTH, 300000 },
  { "recheck", "still the right hosts", STAGE_RECHECK, STEP_PURE, SIDE_BOTH,
    60000 },
  { "unclaimed-again", "still every writer and listener is claimed",
    STAGE_RECHECK, STEP_PURE, SIDE_SOURCE, 120000 },
  { "window", "the cutover's window is open", STAGE_RECHECK, STEP_PURE,
    SIDE_TARGET, 60000 },
  { "backup", "a backup can be restored", STAGE_RECHECK, STEP_PURE, SIDE_SOURCE,
    60000 },
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
  { "guard-packages", "what is installed on the target when the guard begins",
    STAGE_GUARD, STEP_PURE, SIDE_TARGET, 60000 },
  { "back-packages", "what was installed on the target since", STAGE_BACK_ROUND,
    STEP_PURE, SIDE_TARGET, 60000 },
  { "clean", "what is left is named, the rest removed", STAGE_ACCEPT,
    STEP_FORWARD, SIDE_BOTH, 120000 },
  { "poweroff", "the source is told to power off", STAGE_ACCEPT, STEP_FORWARD,
    SIDE_SOURCE, 60000 },
  { "back-source", "the source is still frozen, and there", STAGE_BACK_CHECK,
    STEP_PURE, SIDE_SOURCE, 60000 },
  { "back-hosts", "still the right hosts", STAGE_BACK_CHECK, STEP_PURE,
    SIDE_BOTH, 60000 },
  { "back-writable", "the source's files can be written by rehome",
    STAGE_BACK_APPLY, STEP_REVERSIBLE, SIDE_SOURCE, 60000 },
  { "back-arm", "the way to go on lies on the target", STAGE_BACK_HOLD,
    STEP_REVERSIBLE, SIDE_TARGET, 120000 },
  { "back-mapped", "files that are mapped for writing on the target",
    STAGE_BACK_HOLD, STEP_PURE, SIDE_TARGET, 60000 },
  { "back-flag", "the target is frozen, durably", STAGE_BACK_FREEZE,
    STEP_REVERSIBLE, SIDE_TARGET, 30000 },
  { "back-readonly", "moved files are read-only on the target",
    STAGE_BACK_FREEZE, STEP_REVERSIBLE, SIDE_TARGET, 60000 },
  { "back-frozen", "nothing can write on the target", STAGE_BACK_FREEZE,
    STEP_PURE, SIDE_TARGET, 60000 },
  { "back-still-frozen", "still nothing can write on the target",
    STAGE_BACK_VERIFY, STEP_PURE, SIDE_TARGET, 60000 },
  { "back-unflag", "the source may start behind its gate", STAGE_BACK_START,
    STEP_REVERSIBLE, SIDE_SOURCE, 30000 },
  { "back-smoke-inside", "smoke checks on the source", STAGE_BACK_INSIDE,
    STEP_PURE, SIDE_SOURCE, 120000 },
  { "back-smoke-outside", "smoke checks as a client", STAGE_BACK_OUTSIDE,
    STEP_PURE, SIDE_TARGET, 120000 },
  { "back-pivot", "the gate of the source opens", STAGE_BACK_PIVOT, STEP_PIVOT,
    SIDE_SOURCE, 120000 },
  { "back-home", "the source is as it was, the rest removed", STAGE_BACK_OPEN,
    STEP_FORWARD, SIDE_SOURCE, 120000 },
  { "back-left", "what is left on the target is named", STAGE_BACK_OPEN,
    STEP_FORWARD, SIDE_TARGET, 120000 },
};

/* That step of each item of a kind. */
static void
needs_of_kind (const struct plan *plan, const char *kind, const char *way,
               const char *op, struct needs *needs)
{
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (strcmp (plan_item (plan, i)->kind, kind) == 0)
      needs_add (needs, "%s#%s%s", plan_item (plan, i)->name, way, op);
}

/* Everything on the source that must stand still before the files close. */
static void
needs_of_readonly (const struct plan *plan, const char *way,
                   struct needs *needs)
{
  needs_add (needs, "move#%sflag", way);
  if (steps_first (plan, "accounts") != NULL)
    needs_add (needs, "accounts#%ssuspend", way);
  needs_of_kind (plan, "service", way, "stop", needs);
  needs_of_kind (plan, "sqlite", way, "settle", needs);
}

/* The way back is built from what services and cron recorded. */
static void
needs_of_arm (const struct plan *plan, const char *way, struct needs *needs)
{
  needs_of_kind (plan, "service", way, "arm", needs);
  needs_of_kind (plan, "cron", way, "hold", needs);
}

/* The last step on the source, behind all that it takes away. */
static void
needs_of_home (const struct plan *plan, struct needs *needs)
{
  if (steps_first (plan, "accounts") != NULL)
    needs_add (needs, "accounts#back-resume");
  if (steps_first (plan, "accounts") != NULL)
    needs_add (needs, "accounts#back-carry");
  needs_of_kind (plan, "service", "back-", "clean", needs);
  needs_of_kind (plan, "cron", "back-", "release", needs);
}

/* So that a gate is not undone while the flag is still off: a service whose
 * own undo failed would start with the next boot, beside the target. */
static void
needs_of_unflag (const struct plan *plan, struct needs *needs)
{
  needs_of_kind (plan, "service", "back-", "gate", needs);
}

/* Each of them tells what it takes on the target. */
static void
needs_of_space (const struct plan *plan, struct needs *needs)
{
  needs_of_kind (plan, "files", "", "usage", needs);
  needs_of_kind (plan, "sqlite", "", "usage", needs);
  needs_of_kind (plan, "mariadb", "", "look", needs);
}

static void
needs_of (const char *op, const struct plan *plan, struct needs *needs)
{
  bool back = strncmp (op, "back-", 5) == 0;
  const char *way = back ? "back-" : "";
  const char *plain = back ? op + 5 : op;
  if (strcmp (plain, "readonly") == 0)
    needs_of_readonly (plan, way, needs);
  if (strcmp (plain, "arm") == 0)
    needs_of_arm (plan, way, needs);
  /* What was armed is needed by whatever thaws: it goes last. */
  if (strcmp (plain, "flag") == 0)
    needs_add (needs, "move#%sarm", way);
  if (strcmp (plain, "frozen") == 0)
    needs_add (needs, "move#%sreadonly", way);
  if (strcmp (op, "back-unflag") == 0)
    needs_of_unflag (plan, needs);
  if (strcmp (plain, "home") == 0)
    needs_of_home (plan, needs);
  if (strcmp (op, "poweroff") == 0) {
    needs_add (needs, "move#clean");
    needs_of_kind (plan, "service", "", "clean", needs);
    needs_of_kind (plan, "cron", "", "clean", needs);
  }
  if (strcmp (op, "space") == 0)
    needs_of_space (plan, needs);
  if (strcmp (plain, "left") == 0)
    needs_add (needs, "move#back-home");
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
  const json_t *check = json_at (plan_backup (plan), "check");
  long within
      = (long)json_integer_value (json_at (plan_backup (plan), "within_ms"));
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    struct step_row row = rows[i];
    const char *op = row.op;
    if ((steps_first (plan, "service") == NULL
         && (strcmp (op, "rehearse") == 0 || strcmp (op, "versions") == 0))
        || (strncmp (op, "window", 6) == 0 && !window)
        || (strcmp (op, "checks") == 0 && !asks_over_https (plan))
        || (strcmp (op, "backup") == 0 && check == NULL)
        || (strcmp (op, "poweroff") == 0
            && strcmp (plan_fence (plan), "poweroff") != 0))
      continue;
    needs_of (op, plan, &needs);
    if (strcmp (op, "backup") == 0)
      row.timeout_ms += within;
    TRY (steps_add (g, &row, "move", "move", "", -1, NULL, &needs));
  }
  return NULL;
}

static const struct step_op ops[] = {
  { "identity", move_identity, NULL, NULL },
  { "space", move_space, NULL, NULL },
  { "checks", move_checks, NULL, NULL },
  { "rehearse", rehearse, rehearse_probe, NULL },
  { "versions", rehearse_recheck, NULL, NULL },
  { "recheck", move_identity, NULL, NULL },
  { "unclaimed", move_unclaimed, NULL, NULL },
  { "unclaimed-again", move_unclaimed, NULL, NULL },
  { "window-look", move_window_look, NULL, NULL },
  { "window", move_window, NULL, NULL },
  { "backup", move_backup, NULL, NULL },
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
  { "guard-packages", move_packages_note, NULL, NULL },
  { "back-packages", move_packages_changed, NULL, NULL },
  { "clean", move_clean, NULL, NULL },
  { "poweroff", move_poweroff, NULL, NULL },
  { "back-source", move_frozen, NULL, NULL },
  { "back-hosts", move_identity, NULL, NULL },
  { "back-home", move_back_home, NULL, NULL },
  { "back-left", move_back_left, NULL, NULL },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-writable", BACK_UNDONE, "readonly" },
  { "back-arm", BACK_MIRRORED, "arm" },
  { "back-mapped", BACK_MIRRORED, "mapped" },
  { "back-flag", BACK_MIRRORED, "flag" },
  { "back-readonly", BACK_MIRRORED, "readonly" },
  { "back-frozen", BACK_MIRRORED, "frozen" },
  { "back-still-frozen", BACK_MIRRORED, "still-frozen" },
  { "back-unflag", BACK_UNDONE, "flag" },
  { "back-smoke-inside", BACK_MIRRORED, "smoke-inside" },
  { "back-smoke-outside", BACK_MIRRORED, "smoke-outside" },
  { "back-pivot", BACK_MIRRORED, "pivot" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_move = {
  .kind = { "move", NULL, NULL },
  .about = "identity, claims, freeze, smoke checks, the gate, the clean-up",
  .describe = describe,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_EMPTY,
  .discover = NULL,
};
