/* SPDX-License-Identifier: Apache-2.0 */
/* rehome abort PLAN: before the pivot the source serves again; with --discard
 * the copy goes, too. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/follow.h"
#include "cli/hosts.h"
#include "cli/load.h"
#include "cli/say.h"
#include "engine/phases.h"
#include "exec/discard.h"
#include "exec/ownkey.h"
#include "report/facts.h"
#include "report/standing.h"
#include "report/words.h"

#include <stdio.h>
#include <string.h>

/* A key that was approved, and then nothing was begun, or not again: no owner
 * takes it away. */
static struct err *
only_a_key (const struct loaded *l, bool *yes)
{
  CLEANUP_FREE char *key = ownkey_path (&l->place);
  CLEANUP_JSON json_t *facts = NULL;
  *yes = key != NULL;
  if (key == NULL || !load_has_journal (l))
    return NULL;
  TRY (load_facts (l, &facts));
  const char *phase = json_string_value (json_object_get (facts, "phase"));
  *yes = phase != NULL && strcmp (phase, phase_name (PHASE_ABORTED)) == 0;
  return NULL;
}

static struct err *
drop_key (struct loaded *l)
{
  CLEANUP_OPENED struct opened o = { 0 };
  TRY (open_hosts (l->plan, &o));
  TRY (ownkey_remove (&l->place, o.hosts));
  fputs ("Nothing is to be undone; the migration's own key was removed.\n",
         stderr);
  return NULL;
}

/* ---- The copy ---- */

struct asking {
  const struct invocation *in;
  const struct loaded *l;
  char *target; /* its own name */
};

static void
say_list (FILE *to, const json_t *lists, const char *key, const char *word)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (lists, key), i, one)
  {
    CLEANUP_FREE char *what = json_is_string (one)
                                  ? mem_strdup (json_string_value (one))
                                  : words_of (one, "what");
    json_int_t n = json_integer_value (json_object_get (one, "entries"));
    json_int_t bytes = json_integer_value (json_object_get (one, "bytes"));
    CLEANUP_FREE char *size = standing_bytes (bytes);
    const char *why = json_string_value (json_object_get (one, "why"));
    fprintf (to, "  %s %s", word, what);
    if (why != NULL)
      fprintf (to, ": %s", why);
    else if (n > 1 || bytes > 0)
      fprintf (to, " (%lld entries, %s)", (long long)n, size);
    fputs ("\n", to);
  }
}

static void
say_lists (FILE *to, const json_t *lists, bool done)
{
  say_list (to, lists, "removed", done ? "removed" : "goes:");
  say_list (to, lists, "restored", done ? "put back" : "comes back:");
  say_list (to, lists, "kept", done ? "kept" : "stays:");
}

/* Counted before it is asked for. */
static struct err *
confirm (void *ctx, const json_t *found)
{
  const struct asking *a = ctx;
  CLEANUP_FREE char *also = facts_host_name (plan_target (a->l->plan), NULL);
  CLEANUP_FREE char *text = mem_printf (
      "Type the name of the target (%s) to remove the copy there; anything "
      "else keeps it: ",
      a->target);
  fprintf (stderr, "The copy on %s:\n", a->target);
  say_lists (stderr, found, false);
  return say_confirm (a->in, text, a->target, also);
}

static struct err *
discard (const struct invocation *in, const struct loaded *l, bool *kept)
{
  CLEANUP_PLAN struct plan *plan = NULL;
  CLEANUP_FREE char *who = follow_actor ();
  CLEANUP_JSON json_t *facts = NULL;
  CLEANUP_JSON json_t *out = NULL;
  TRY (load_plan_of_journal (l, &plan));
  TRY (load_facts (l, &facts));
  const char *name = json_string_value (
      json_object_get (json_object_get (facts, "target"), "name"));
  struct asking a = { .in = in, .l = l, .target = mem_strdup (name) };
  CLEANUP_FREE char *target = a.target;
  struct discard d = { .place = (struct place *)(uintptr_t)&l->place,
                       .plan = plan,
                       .actor = who,
                       .dry_run = has (in, OPT_DRY_RUN),
                       .confirm = confirm,
                       .ctx = &a };
  TRY (place_make (d.place));
  TRY (discard_copy (&d, &out));
  *kept = json_array_size (json_object_get (out, "kept")) > 0;
  if (has (in, OPT_JSON))
    say_json (out);
  else
    say_lists (stdout, out, !d.dry_run);
  return NULL;
}

static struct err *
is_aborted (const struct loaded *l, bool *yes)
{
  CLEANUP_JSON json_t *facts = NULL;
  TRY (load_facts (l, &facts));
  *yes = json_is_true (json_object_get (facts, "aborted"));
  return NULL;
}

/* The abort itself, unless it was made before; then the copy. */
static int
abort_and_discard (const struct invocation *in, struct loaded *l)
{
  bool aborted = false, kept = false;
  struct err *e = is_aborted (l, &aborted);
  if (e == NULL && !aborted && !has (in, OPT_DRY_RUN)) {
    int status = follow_request (in, l, REQUEST_ABORT);
    e = is_aborted (l, &aborted);
    if (e == NULL && !aborted)
      return status;
  }
  if (e == NULL)
    e = discard (in, l, &kept);
  if (e != NULL)
    return say_err (in, e);
  return kept ? EXIT_WARNINGS : EXIT_OK;
}

int
cmd_abort (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  struct err *e = load_plan (in, in->args[0], &l);
  bool key = false, copy = has (in, OPT_DISCARD);
  if (e == NULL && has (in, OPT_DRY_RUN) && !copy)
    e = err_new (ERR_CORRECT, "RH-CLI-USAGE",
                 "--dry-run goes with --discard here");
  if (e == NULL && !copy)
    e = only_a_key (&l, &key);
  if (e == NULL && key)
    return say_err (in, drop_key (&l));
  if (e == NULL)
    e = load_must_have_journal (&l);
  if (e != NULL)
    return say_err (in, e);
  return copy ? abort_and_discard (in, &l)
              : follow_request (in, &l, REQUEST_ABORT);
}
