/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service provider: a unit and what belongs to it.  Its unit files,
 * drop-ins and environment files are placed on the target inert, behind the
 * gate; it is stopped on the source by a durable condition and a stop; it is
 * started on the target behind the gate, and enabled once the gate is open.
 */
#include "provider/service.h"

#include "base/mem.h"
#include "plan/check.h"
#include "provider/steps.h"

#include <string.h>

static bool
is_unit (const char *s)
{
  size_t len = strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789:_.\\@-");
  return s[len] == '\0' && s[0] != '-' && s[0] != '.' && len < 250
         && (service_ends (s, ".service") || service_ends (s, ".timer")
             || service_ends (s, ".socket") || service_ends (s, ".path"));
}

static struct err *
check_ready (const json_t *ready)
{
  static const char *const keys[]
      = { "http", "status",  "name", "ca",     "fingerprint",
          "tcp",  "command", "none", "within", NULL };
  static const char *const kinds[] = { "http", "tcp", "command", "none" };
  if (ready == NULL)
    return NULL;
  if (!json_is_object (ready))
    return err_new (ERR_CORRECT, "RH-PLAN-TYPE",
                    "'ready' must be a mapping such as {http: URL}");
  TRY (spec_keys (ready, keys));
  size_t asked = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    asked += json_at (ready, kinds[i]) != NULL;
  if (asked > 1)
    return err_new (ERR_CORRECT, "RH-PLAN-KEY",
                    "'ready' takes one of http, tcp, command and none");
  const json_t *tcp = json_at (ready, "tcp");
  if (tcp != NULL && !json_is_integer (tcp))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'ready.tcp' must be a port number");
  TRY (check_fits (ready));
  int64_t n;
  return json_opt_int (ready, "within", 1, 3600, 30, &n);
}

static bool
is_address (const char *s)
{
  return s[0] != '\0' && s[strspn (s, "0123456789abcdefABCDEF:./")] == '\0';
}

static struct err *
check (const json_t *spec)
{
  static const char *const keys[]
      = { "service", "back-why", "ready", "allow", "overwrite", NULL };
  TRY (spec_keys (spec, keys));
  const char *unit;
  TRY (json_get_str (spec, "service", &unit));
  if (!is_unit (unit))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'%s' is no unit; expected a name that ends with "
                    ".service, .timer, .socket or .path",
                    unit);
  TRY (check_ready (json_at (spec, "ready")));
  TRY (spec_words (spec, "allow", false, is_address, "addresses or networks"));
  const json_t *why = json_at (spec, "back-why");
  if (why != NULL && (!json_is_string (why) || json_string_length (why) == 0))
    return err_new (ERR_CORRECT, "RH-PLAN-TYPE",
                    "'back-why' must be a text: why the source's version can "
                    "work on what the target's wrote");
  return spec_flag (spec, "overwrite");
}

static char *
name (const json_t *spec)
{
  return mem_strdup (json_string_value (json_at (spec, "service")));
}

static const struct step_row rows[] = {
  { "look", "%s can be moved", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH, 60000 },
  { "place", "%s on the target, inert, behind the gate", STAGE_PREPARE,
    STEP_IDEMPOTENT, SIDE_TARGET, 120000 },
  { "prove", "units of %s are equal", STAGE_PROVE, STEP_PURE, SIDE_BOTH,
    60000 },
  { "arm", "%s can be frozen", STAGE_HOLD, STEP_REVERSIBLE, SIDE_SOURCE, 0 },
  { "stop", "%s stopped on the source", STAGE_FREEZE, STEP_REVERSIBLE,
    SIDE_SOURCE, 180000 },
  { "verify", "units of %s are still equal", STAGE_VERIFY, STEP_PURE, SIDE_BOTH,
    60000 },
  { "start", "%s started behind the gate", STAGE_START, STEP_REVERSIBLE,
    SIDE_TARGET, 180000 },
  { "enable", "%s enabled on the target", STAGE_OPEN, STEP_FORWARD, SIDE_TARGET,
    120000 },
  { "clean", "remains of the gate of %s removed", STAGE_ACCEPT, STEP_FORWARD,
    SIDE_TARGET, 60000 },
  { "back-arm", "%s can be frozen on the target", STAGE_BACK_HOLD,
    STEP_REVERSIBLE, SIDE_TARGET, 0 },
  { "back-stop", "%s stopped on the target", STAGE_BACK_FREEZE, STEP_REVERSIBLE,
    SIDE_TARGET, 180000 },
  { "back-gate", "a gate before %s on the source", STAGE_BACK_HOLD,
    STEP_REVERSIBLE, SIDE_SOURCE, 60000 },
  { "back-start", "%s started on the source, behind the gate", STAGE_BACK_START,
    STEP_REVERSIBLE, SIDE_SOURCE, 180000 },
  { "back-enable", "%s on the source as it was", STAGE_BACK_OPEN, STEP_FORWARD,
    SIDE_SOURCE, 180000 },
  { "back-clean", "remains of the gate of %s removed", STAGE_BACK_OPEN,
    STEP_FORWARD, SIDE_SOURCE, 60000 },
};

static void
needs_of (const char *op, const struct plan *plan, const char *name,
          struct needs *needs)
{
  if (strcmp (op, "back-stop") == 0)
    needs_add (needs, "move#back-flag");
  if (strcmp (op, "back-start") == 0)
    needs_add (needs, "move#back-unflag");
  if (strcmp (op, "back-clean") == 0)
    needs_add (needs, "%s#back-enable", name);
  if (strcmp (op, "place") == 0 && steps_first (plan, "accounts") != NULL)
    needs_add (needs, "accounts#create");
  if (strcmp (op, "stop") == 0)
    needs_add (needs, "move#flag");
}

static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  long at = steps_item_index (plan, item);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    needs_of (rows[i].op, plan, item->name, &needs);
    TRY (steps_add (g, &rows[i], "service", item->name, service_unit (item), at,
                    NULL, &needs));
  }
  return NULL;
}

static const struct step_op ops[] = {
  { "look", service_look, NULL, NULL },
  { "place", service_place, service_place_probe, NULL },
  { "prove", service_compare, NULL, NULL },
  { "verify", service_compare, NULL, NULL },
  { "arm", service_arm, service_arm_probe, service_arm_undo },
  { "stop", service_stop, service_stop_probe, service_stop_undo },
  { "start", service_start, service_start_probe, service_start_undo },
  { "enable", service_enable, service_enable_probe, NULL },
  { "clean", service_clean, NULL, NULL },
  { "gate", service_gate, service_gate_probe, service_gate_undo },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-arm", BACK_MIRRORED, "arm" },
  { "back-stop", BACK_MIRRORED, "stop" },
  { "back-gate", BACK_MIRRORED, "gate" },
  { "back-start", BACK_MIRRORED, "start" },
  { "back-enable", BACK_UNDONE, "arm" },
  { "back-clean", BACK_MIRRORED, "clean" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_service = {
  .kind = { "service", check, name },
  .about = "systemd units with their drop-ins, environment files, timers and "
           "sockets",
  .describe = describe,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_EMPTY,
  .discover = NULL,
  .discard = service_discard,
};
