/* SPDX-License-Identifier: Apache-2.0 */
/* rehome status [PLAN]: where it stands, and the next thing to do. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/load.h"
#include "cli/say.h"
#include "engine/engine.h"
#include "exec/ask.h"
#include "provider/provider.h"
#include "report/permits.h"
#include "report/standing.h"
#include "report/words.h"

#include <stdio.h>
#include <string.h>

static void
put_owner (const struct loaded *l, json_t *facts)
{
  CLEANUP_ASK struct ask *a = NULL;
  CLEANUP_ERR struct err *none = ask_open (l->place.socket, &a);
  json_object_set_new (facts, "owner_pid",
                       none == NULL ? json_integer (ask_pid (a))
                                    : json_null ());
}

static void
print_attention (const json_t *facts)
{
  const json_t *a = json_object_get (facts, "attention");
  if (!json_is_object (a))
    return;
  CLEANUP_FREE char *code = words_of (a, "code");
  CLEANUP_FREE char *message = words_of (a, "message");
  CLEANUP_FREE char *todo = words_of (a, "todo");
  printf ("attention: %s: %s\n", code, message);
  if (todo[0] != '\0')
    printf ("to do: %s\n", todo);
}

static void
print_audit (const json_t *facts)
{
  const char *audit = json_string_value (json_object_get (facts, "back_audit"));
  if (audit != NULL)
    printf ("audit of the frozen source: %s\n", audit);
}

static void
print_lag (const json_t *facts)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (facts, "lag"), i, one)
  {
    CLEANUP_FREE char *item = words_of (one, "item");
    double s
        = (double)json_integer_value (json_object_get (one, "ms")) / 1000.0;
    printf ("in step: %s replicates, %.1f s and %lld bytes behind\n", item, s,
            (long long)json_integer_value (json_object_get (one, "bytes")));
  }
}

/* How a replicated database would come back now. */
static void
print_ways (const json_t *facts)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (facts, "back_ways"), i, one)
  {
    CLEANUP_FREE char *item = words_of (one, "item");
    CLEANUP_FREE char *mode = words_of (one, "mode");
    CLEANUP_FREE char *why = words_of (one, "why");
    double s
        = (double)json_integer_value (json_object_get (one, "ms")) / 1000.0;
    if (strcmp (mode, reverse_name (REVERSE_REPLICATE)) != 0)
      printf ("way back: %s %s: %s\n", item,
              strcmp (mode, reverse_name (REVERSE_NONE)) == 0
                  ? "does not come back"
                  : "comes back by rounds",
              why);
    else if (json_object_get (one, "bytes") != NULL)
      printf ("way back: %s replicates, %.1f s and %lld bytes behind\n", item,
              s,
              (long long)json_integer_value (json_object_get (one, "bytes")));
    else
      printf ("way back: %s replicates\n", item);
  }
}

/* What people still have to say yes to, where it is their turn. */
static void
print_permits (const json_t *facts)
{
  CLEANUP_FREE char *phase = words_of (facts, "phase");
  CLEANUP_FREE char *plan = words_of (facts, "plan");
  bool guarded = strcmp (phase, phase_name (PHASE_GUARDED)) == 0;
  bool before = strcmp (phase, phase_name (PHASE_PLANNED)) == 0
                || strcmp (phase, phase_name (PHASE_SEEDING)) == 0
                || strcmp (phase, phase_name (PHASE_SYNCING)) == 0
                || strcmp (phase, phase_name (PHASE_ABORTED)) == 0;
  CLEANUP_FREE char *first
      = guarded || before
            ? permits_missing (facts, guarded ? "accept" : "cutover", plan)
            : NULL;
  CLEANUP_FREE char *second
      = guarded ? permits_missing (facts, "rollback", plan) : NULL;
  const char *backup = json_string_value (
      json_object_get (json_object_get (facts, "backup"), "state"));
  if (first != NULL)
    puts (first);
  if (second != NULL)
    puts (second);
  if (before && backup != NULL && strcmp (backup, "missing") == 0)
    puts ("backup: no restore is proven, and nobody has waived it: the plan's "
          "section backup: is missing, and a cutover is refused");
}

static void
print (const json_t *facts)
{
  CLEANUP_FREE char *line = standing_line (facts);
  CLEANUP_FREE char *downtime = words_downtime (facts);
  CLEANUP_FREE char *back = words_back (facts);
  CLEANUP_FREE char *phase = words_of (facts, "phase");
  CLEANUP_FREE char *why = words_of (facts, "why");
  const json_t *pid = json_object_get (facts, "owner_pid");
  puts (line);
  printf ("phase: %s%s%s%s\n", phase, why[0] != '\0' ? ", because: " : "", why,
          json_is_true (json_object_get (facts, "paused")) ? ", paused" : "");
  if (downtime != NULL)
    puts (downtime);
  if (back != NULL)
    puts (back);
  print_audit (facts);
  print_lag (facts);
  print_ways (facts);
  print_permits (facts);
  print_attention (facts);
  if (json_is_integer (pid))
    printf ("owner: process %lld\n", (long long)json_integer_value (pid));
  else
    puts ("owner: none runs; the journal keeps all, rehome resume goes on");
}

static struct err *
one (const struct invocation *in, const char *arg)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_JSON json_t *facts = NULL;
  TRY (load_plan (in, arg, &l));
  TRY (load_facts (&l, &facts));
  put_owner (&l, facts);
  if (has (in, OPT_JSON))
    say_json (facts);
  else
    print (facts);
  return NULL;
}

static struct err *
all (const struct invocation *in)
{
  char **names = NULL;
  struct err *e = place_names (in->value[OPT_STATE], &names);
  for (size_t i = 0; e == NULL && names[i] != NULL; i++) {
    CLEANUP_LOADED struct loaded l;
    CLEANUP_JSON json_t *facts = NULL;
    e = load_plan (in, names[i], &l);
    if (e == NULL)
      e = load_facts (&l, &facts);
    if (e != NULL)
      break;
    CLEANUP_FREE char *line = standing_line (facts);
    if (has (in, OPT_JSON))
      say_json (facts);
    else
      printf ("%s: %s\n", names[i], line);
  }
  if (e == NULL && names[0] == NULL && !has (in, OPT_JSON))
    puts ("no migration is known here; next: rehome plan SOURCE");
  for (size_t i = 0; names != NULL && names[i] != NULL; i++)
    free (names[i]);
  free (names);
  return e;
}

int
cmd_status (const struct invocation *in)
{
  return say_err (in, in->arg_count > 0 ? one (in, in->args[0]) : all (in));
}
