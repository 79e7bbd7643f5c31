/* SPDX-License-Identifier: Apache-2.0 */
/* rehome rollback PLAN: after the pivot, a second cutover, backwards. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/follow.h"
#include "cli/load.h"
#include "cli/say.h"
#include "cli/steps.h"
#include "provider/provider.h"
#include "report/facts.h"
#include "report/standing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *
name_of (const json_t *facts, const char *side)
{
  return json_string_value (
      json_object_get (json_object_get (facts, side), "name"));
}

static char *
seconds_of (const json_t *facts)
{
  const json_t *f = json_object_get (facts, "forecast_back_now");
  CLEANUP_FREE char *low = standing_duration (
      json_integer_value (json_object_get (f, "lower_ms")));
  CLEANUP_FREE char *high = standing_duration (
      json_integer_value (json_object_get (f, "upper_ms")));
  return f != NULL ? mem_printf ("%s to %s", low, high)
                   : mem_strdup ("not known");
}

/* "2026-03-01 12:00:05 UTC" */
static char *
moment_of (const json_t *facts)
{
  time_t t
      = (time_t)(json_integer_value (json_object_get (facts, "back_since_ms"))
                 / 1000);
  struct tm tm;
  char text[40] = "the opening";
  if (t > 0 && gmtime_r (&t, &tm) != NULL)
    strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
  return mem_strdup (text);
}

/* "Not proven: ...\n", or nothing. */
static char *
doubts_of (const json_t *facts)
{
  const char *why = json_string_value (
      json_array_get (json_object_get (facts, "back_none_why"), 0));
  return why == NULL
             ? mem_strdup ("")
             : mem_printf ("Not proven: %s, and the older version was not "
                           "tried on what the newer one wrote.\n",
                           why);
}

/* "Not brought back: ...\n", or nothing. */
static char *
packages_of (const json_t *facts)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  const json_t *all = json_object_get (facts, "back_packages");
  size_t i, shown = 5, n = json_array_size (all);
  json_t *one;
  json_array_foreach ((json_t *)(uintptr_t)all, i, one)
  {
    const char *from = json_string_value (json_object_get (one, "from"));
    const char *to = json_string_value (json_object_get (one, "to"));
    if (i == 0)
      err_free (buf_printf (&b,
                            "Not brought back: packages of %s since the "
                            "opening, ",
                            name_of (facts, "target")));
    if (i < shown)
      err_free (
          buf_printf (&b, "%s%s (%s, now %s)", i > 0 ? ", " : "",
                      json_string_value (json_object_get (one, "package")),
                      from != NULL ? from : "none", to != NULL ? to : "none"));
  }
  if (n > shown)
    err_free (buf_printf (&b, ", and %zu more", n - shown));
  if (n > 0)
    err_free (buf_put_str (&b, ".\n"));
  return buf_steal_str (&b);
}

/* Has the item a step in that stage? */
static bool
has_stage (const struct graph *g, long item, enum stage stage)
{
  for (size_t i = 0; i < graph_len (g); i++)
    if (graph_at (g, i)->item == item && graph_at (g, i)->stage == stage)
      return true;
  return false;
}

/* What comes back in a rollback, and of which nothing was laid up before:
 * "LOST: ...\n", or nothing. */
static char *
unlaid_of (const struct loaded *l)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (size_t i = 0; i < plan_item_count (l->plan); i++)
    if (has_stage (l->graph, (long)i, STAGE_BACK_FINAL)
        && !has_stage (l->graph, (long)i, STAGE_BACK_ROUND))
      err_free (buf_printf (&b, "%s%s", b.len > 0 ? ", " : "",
                            plan_item (l->plan, i)->name));
  return b.len == 0 ? mem_strdup ("")
                    : mem_printf ("LOST: everything since the opening in %s, "
                                  "of which no reverse rounds are made.\n",
                                  (const char *)b.data);
}

/* What the reverse rounds found, which nothing was laid up of: "Found by
 * STEP: ...\n" each, or nothing. */
static char *
found_by_rounds (const json_t *facts)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  const char *end = "#back-round";
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (facts, "findings"), i, one)
  {
    const char *step = json_string_value (json_object_get (one, "step"));
    const char *said = json_string_value (json_object_get (one, "message"));
    size_t len = step == NULL ? 0 : strlen (step);
    if (said != NULL && len > strlen (end)
        && strcmp (step + len - strlen (end), end) == 0)
      err_free (buf_printf (&b, "Found by %s: %s.\n", step, said));
  }
  return buf_steal_str (&b);
}

/* What replicates has arrived but for what is still on its way: "...\n", or
 * nothing. */
static char *
streamed_of (const json_t *facts)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (facts, "back_ways"), i, one)
  {
    const json_t *bytes = json_object_get (one, "bytes");
    const char *mode = json_string_value (json_object_get (one, "mode"));
    if (bytes != NULL && mode != NULL
        && strcmp (mode, reverse_name (REVERSE_REPLICATE)) == 0)
      err_free (buf_printf (&b,
                            "Of %s only what had not arrived yet (%lld bytes "
                            "at the last look).\n",
                            json_string_value (json_object_get (one, "item")),
                            (long long)json_integer_value (bytes)));
  }
  return buf_steal_str (&b);
}

static char *
what_it_costs (const struct loaded *l, const json_t *facts, bool alone)
{
  CLEANUP_FREE char *unproven = doubts_of (facts);
  CLEANUP_FREE char *packages = packages_of (facts);
  CLEANUP_FREE char *found = found_by_rounds (facts);
  CLEANUP_FREE char *doubts = mem_printf ("%s%s%s", found, packages, unproven);
  const char *source = name_of (facts, "source");
  const char *target = name_of (facts, "target");
  CLEANUP_FREE char *seconds = seconds_of (facts);
  CLEANUP_FREE char *moment = moment_of (facts);
  CLEANUP_FREE char *unlaid = unlaid_of (l);
  CLEANUP_FREE char *streamed = streamed_of (facts);
  if (alone)
    return mem_printf (
        "Back from %s to %s, without %s.\n"
        "Downtime forecast: %s.\n"
        "LOST: all changes since %s, when the last reverse round began.\n%s%s"
        "%s must be off, and stay off: if it comes back it serves, too.\n%s",
        target, source, target, seconds, moment, unlaid, streamed, target,
        doubts);
  return mem_printf (
      "Back from %s to %s: %s stops serving, and %s takes its place.\n"
      "Downtime forecast: %s.\n"
      "Lost: nothing.  What %s took is brought to %s first, and proven.\n"
      "Anything that fails before %s takes writes leaves %s serving.\n%s",
      target, source, target, source, seconds, target, source, source, target,
      doubts);
}

static struct err *
confirm (const struct invocation *in, const struct loaded *l,
         const json_t *facts)
{
  const char *target = name_of (facts, "target");
  CLEANUP_FREE char *costs
      = what_it_costs (l, facts, has (in, OPT_TARGET_IS_GONE));
  CLEANUP_FREE char *also = facts_host_name (plan_target (l->plan), NULL);
  CLEANUP_FREE char *text = mem_printf (
      "%sType the name of the host that loses service (%s) to go on; anything "
      "else keeps all as it is: ",
      costs, target);
  return say_confirm (in, text, target, also);
}

static struct err *
dry_run (const struct invocation *in, const struct loaded *l,
         const json_t *facts)
{
  if (!has (in, OPT_JSON)) {
    CLEANUP_FREE char *costs
        = what_it_costs (l, facts, has (in, OPT_TARGET_IS_GONE));
    fputs (costs, stdout);
  }
  steps_print (in, l->graph, STAGE_BACK_CHECK, STAGE_BACK_OPEN);
  return NULL;
}

int
cmd_rollback (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_JSON json_t *facts = NULL;
  struct err *e = load_plan (in, in->args[0], &l);
  if (e == NULL)
    e = load_must_have_journal (&l);
  if (e == NULL)
    e = load_facts (&l, &facts);
  if (e == NULL && has (in, OPT_DRY_RUN)) {
    e = dry_run (in, &l, facts);
    return e != NULL ? say_err (in, e) : EXIT_OK;
  }
  if (e == NULL)
    e = load_permitted (&l, facts, REQUEST_ROLLBACK);
  if (e == NULL)
    e = confirm (in, &l, facts);
  if (e != NULL)
    return say_err (in, e);
  return follow_request (in, &l,
                         has (in, OPT_TARGET_IS_GONE) ? REQUEST_ROLLBACK_ALONE
                                                      : REQUEST_ROLLBACK);
}
