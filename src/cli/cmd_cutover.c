/* SPDX-License-Identifier: Apache-2.0 */
/* rehome cutover PLAN: the moment itself. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/follow.h"
#include "cli/load.h"
#include "cli/say.h"
#include "cli/steps.h"
#include "report/facts.h"
#include "report/standing.h"

#include <stdio.h>
#include <string.h>

static char *
question (const struct loaded *l, const json_t *facts, const char *source,
          const char *target)
{
  const json_t *f = json_object_get (facts, "forecast_now");
  CLEANUP_FREE char *low = standing_duration (
      json_integer_value (json_object_get (f, "lower_ms")));
  CLEANUP_FREE char *high = standing_duration (
      json_integer_value (json_object_get (f, "upper_ms")));
  CLEANUP_FREE char *limit
      = standing_duration (plan_limits (l->plan)->downtime_ms);
  CLEANUP_FREE char *forecast
      = f != NULL ? mem_printf ("Downtime forecast: %s to %s. ", low, high)
                  : mem_strdup ("");
  return mem_printf (
      "%s stops serving, and %s takes its place.\n%sAfter %s, or when "
      "anything fails before the target takes writes, it goes back by "
      "itself.\nAfter that `rehome rollback` goes back, with what the target "
      "took, until you accept.\nType the name of the host that "
      "loses service (%s) to go on; anything else keeps all as it is: ",
      source, target, forecast, limit, source);
}

static struct err *
one_way (const char *why)
{
  return err_advise (
      err_new (ERR_CORRECT, "RH-CLI-ONEWAY",
               "after the opening there is no proven way back: %s", why),
      "nothing was changed",
      "rehearse it (rehome test), or add --no-way-back, or say at the service "
      "in the plan why its older version can work on what the newer one wrote "
      "(back-why)");
}

/* Opening without a proven way back is confirmed in words of its own, or by an
 * option that says it; both go into the journal, as *said. */
static struct err *
confirm_one_way (const struct invocation *in, const json_t *facts,
                 json_t **said)
{
  static const char words[] = "no way back";
  const char *mode = json_string_value (json_object_get (facts, "back_mode"));
  json_t *all = json_object_get (facts, "back_none_why");
  const char *why = json_string_value (json_array_get (all, 0));
  bool none = mode != NULL && strcmp (mode, "none") == 0;
  if (none || has (in, OPT_NO_WAY_BACK))
    *said = json_pack ("{s:s, s:o}", "how",
                       has (in, OPT_NO_WAY_BACK) ? "option" : "typed", "why",
                       all != NULL ? json_incref (all) : json_array ());
  if (!none || has (in, OPT_NO_WAY_BACK))
    return NULL;
  if (why == NULL)
    why = "a service's version differs";
  if (has (in, OPT_CONFIRM) || has (in, OPT_NO_INPUT))
    return one_way (why);
  CLEANUP_FREE char *text = mem_printf (
      "After the opening there is no proven way back: %s, and the older "
      "version was not tried on what the newer one writes.\nType \"%s\" to go "
      "on; anything else keeps all as it is: ",
      why, words);
  CLEANUP_ERR struct err *other = say_confirm (in, text, words, NULL);
  return other == NULL ? NULL : one_way (why);
}

/* The name by which people know a host, and that by which the plan calls
 * it. */
static struct err *
confirm (const struct invocation *in, const struct loaded *l, json_t **said)
{
  CLEANUP_JSON json_t *facts = NULL;
  TRY (load_facts (l, &facts));
  const char *source = json_string_value (
      json_object_get (json_object_get (facts, "source"), "name"));
  const char *target = json_string_value (
      json_object_get (json_object_get (facts, "target"), "name"));
  CLEANUP_FREE char *also = facts_host_name (plan_source (l->plan), NULL);
  CLEANUP_FREE char *text = question (l, facts, source, target);
  TRY (load_permitted (l, facts, REQUEST_CUTOVER));
  TRY (confirm_one_way (in, facts, said));
  return say_confirm (in, text, source, also);
}

int
cmd_cutover (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_JSON json_t *said = NULL;
  struct err *e = load_plan (in, in->args[0], &l);
  if (e == NULL && has (in, OPT_DRY_RUN))
    return steps_print (in, l.graph, STAGE_ROUND, STAGE_OPEN);
  if (e == NULL)
    e = confirm (in, &l, &said);
  if (e != NULL)
    return say_err (in, e);
  return follow_cutover (in, &l, said);
}
