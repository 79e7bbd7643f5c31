/* SPDX-License-Identifier: Apache-2.0 */
/* After a rollback: the source as it was, the target frozen, what is left. */
#include "provider/move.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <string.h>

static struct err *
run_dir (const struct step_call *call, struct port *p)
{
  char *run CLEANUP_FREE = mem_printf ("/run/rehome-%s", call->migration);
  char *started CLEANUP_FREE = mem_printf ("%s/started", run);
  TRY (remote_remove (p, started));
  return remote_remove (p, run);
}

static char *
home_of (const struct step_call *call)
{
  char *home = steps_path (call, "%s", "");
  home[strlen (home) - 1] = '\0';
  return home;
}

/* The freeze, its text, its unit and its records go. */
struct err *
move_back_home (const struct step_call *call, json_t **result)
{
  json_t *left CLEANUP_JSON = json_array ();
  char *freeze CLEANUP_FREE = steps_path (call, "freeze");
  char *home CLEANUP_FREE = home_of (call);
  json_t *undone CLEANUP_JSON = NULL;
  TRY (move_flag_undo (call, &undone));
  TRY (move_arm_undo (call, &undone));
  TRY (remote_remove_tree (call->source, freeze));
  TRY (run_dir (call, call->source));
  TRY (move_remove_working (call, call->source));
  words_add (left, home);
  *result = json_pack ("{s:{s:O}}", "left", "source", left);
  return NULL;
}

/* The target stays frozen, with what it was given: a copy nobody uses. */
struct err *
move_back_left (const struct step_call *call, json_t **result)
{
  json_t *left CLEANUP_JSON = json_array ();
  char *home CLEANUP_FREE = home_of (call);
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  char *file CLEANUP_FREE = mem_printf (SERVICE_UNITS "/%s", unit);
  char *wanted CLEANUP_FREE
      = mem_printf (SERVICE_UNITS "/multi-user.target.wants/%s", unit);
  char *running CLEANUP_FREE
      = mem_printf ("/run/systemd/units/invocation:%s", unit);
  json_t *units CLEANUP_JSON = service_plan_units (call);
  size_t i;
  json_t *one;
  TRY (run_dir (call, call->target));
  TRY (move_remove_working (call, call->target));
  TRY (service_ungate (call->target, units)); /* closed by the freeze */
  TRY (move_confirm_end (call->target, call->plan));
  words_add (left, home);
  words_add (left, file);
  words_add (left, wanted);
  words_add (left, running); /* systemd's own note that it is active */
  words_add (left, MOVE_TEXT);
  json_array_foreach (units, i, one)
  {
    char *dropin CLEANUP_FREE
        = service_dropin (json_string_value (one), SERVICE_FREEZE);
    words_add (left, dropin);
  }
  *result = json_pack ("{s:{s:O}}", "left", "target", left);
  return NULL;
}
