/* SPDX-License-Identifier: Apache-2.0 */
/* rehome check PLAN: preflight, looking only. */
#include "cli/command.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/hosts.h"
#include "cli/load.h"
#include "cli/say.h"
#include "exec/checks.h"
#include "exec/ownkey.h"
#include "provider/provider.h"
#include "report/words.h"

#include <stdio.h>
#include <string.h>

struct tally {
  const struct invocation *in;
  json_t *list;  /* of findings, for --json */
  json_t *holds; /* {ITEM: what is counted in it} */
  size_t blockers, warnings, checks;
};

static void
begins (void *ctx, const struct step *s)
{
  (void)ctx;
  (void)s;
}

static void
print (const struct tally *t, const char *kind, const struct step *s,
       const json_t *f)
{
  const char *code = json_string_value (json_object_get (f, "code"));
  const char *message = json_string_value (json_object_get (f, "message"));
  const char *todo = json_string_value (json_object_get (f, "todo"));
  CLEANUP_FREE char *m
      = text_escape (message ? message : "", message ? strlen (message) : 0);
  CLEANUP_FREE char *d
      = text_escape (todo ? todo : "", todo ? strlen (todo) : 0);
  if (has (t->in, OPT_JSON))
    return;
  printf ("%s %s: %s\n", kind, code != NULL ? code : s->id, m);
  if (d[0] != '\0')
    printf ("    to do: %s\n", d);
  printf ("    found by: %s\n", s->title != NULL ? s->title : s->id);
}

static void
take (struct tally *t, const char *kind, const struct step *s, json_t *f)
{
  print (t, kind, s, f);
  json_object_set_new (f, "severity", json_string (kind));
  json_object_set_new (f, "step", json_string (s->id));
  json_array_append_new (t->list, f);
}

static void
take_warnings (struct tally *t, const struct step *s, const json_t *result)
{
  size_t i;
  json_t *f;
  json_array_foreach (json_object_get (result, "findings"), i, f)
  {
    json_t *o = json_is_object (f) ? json_deep_copy (f)
                                   : json_pack ("{s:O}", "message", f);
    take (t, "warning", s, o);
    t->warnings++;
  }
}

static void
take_holds (struct tally *t, const struct step *s, json_t *holds)
{
  CLEANUP_FREE char *item = mem_strndup (s->id, strcspn (s->id, "#"));
  json_object_set (t->holds, item, holds);
  if (has (t->in, OPT_JSON))
    return;
  CLEANUP_FREE char *words = words_holds (holds);
  printf ("%s holds %s\n", item, words);
}

static void
ended (void *ctx, const struct step *s, const struct err *error,
       const json_t *result, bool skipped)
{
  struct tally *t = ctx;
  t->checks++;
  if (error != NULL) {
    take (t, "blocker", s, json_from_err (error));
    t->blockers++;
  } else if (skipped && !has (t->in, OPT_JSON))
    printf ("not checked: %s (it rests on a check that found a blocker)\n",
            s->title != NULL ? s->title : s->id);
  if (json_is_object (json_object_get (result, "holds")))
    take_holds (t, s, json_object_get (result, "holds"));
  take_warnings (t, s, result);
}

/* Looked at by the controller itself, not by a step of a provider. */
static void
prove_reconnect (struct tally *t, const struct loaded *l,
                 const struct opened *o)
{
  static const struct step step
      = { .id = "controller#reconnect",
          .title = "rehome can connect again when you are gone" };
  const struct plan_host *const hosts[]
      = { plan_source (l->plan), plan_target (l->plan) };
  static const char *const names[] = { "source", "target" };
  for (size_t i = 0; i < 2; i++) {
    CLEANUP_ERR struct err *e
        = ownkey_prove (&l->place, hosts[i], names[i], o->agent);
    if (strcmp (hosts[i]->host, "local") != 0)
      ended (t, &step, e, NULL, false);
  }
}

/* What an earlier session left behind, which the agent has just removed. */
static void
name_swept (struct tally *t, const struct opened *o)
{
  static const struct step step
      = { .id = "controller#swept",
          .title = "what an agent that was killed has left behind" };
  for (int source = 0; source < 2; source++) {
    CLEANUP_JSON json_t *hello = hosts_hello (o->hosts, source != 0);
    const json_t *paths = json_object_get (hello, "swept");
    CLEANUP_JSON json_t *findings = json_array ();
    size_t i;
    json_t *path;
    json_array_foreach (paths, i, path)
    {
      json_array_append_new (
          findings,
          json_sprintf ("%s lay on the %s since an agent was killed or the "
                        "power was cut; it was removed",
                        json_string_value (path),
                        source != 0 ? "source" : "target"));
    }
    CLEANUP_JSON json_t *result = json_pack ("{s:O}", "findings", findings);
    if (json_array_size (findings) > 0)
      ended (t, &step, NULL, result, false);
  }
}

/* It does not hold a sync up, but a cutover. */
static void
name_backup (struct tally *t, const struct loaded *l)
{
  static const struct step step
      = { .id = "controller#backup",
          .title = "a backup is to be proven by a restore" };
  if (json_object_size (plan_backup (l->plan)) > 0)
    return;
  CLEANUP_JSON json_t *result = json_pack (
      "{s:[{s:s, s:s, s:s}]}", "findings", "code", "RH-ENGINE-BACKUP",
      "message",
      "the plan neither proves a backup by a restore nor waives it: a cutover "
      "is refused",
      "todo",
      "write backup: into the plan, with check: [PROGRAM, ARGUMENT...] or with "
      "waiver: {by: NAME, reason: TEXT}");
  ended (t, &step, NULL, result, false);
}

/* The approval: --own-key. */
static struct err *
make_key (struct loaded *l, const struct opened *o)
{
  CLEANUP_JSON json_t *facts = NULL;
  TRY (place_make (&l->place));
  TRY (ownkey_make (&l->place, l->plan, o->migration, o->agent, o->hosts));
  TRY (ownkey_facts (&l->place, &facts));
  static const char *const names[] = { "source", "target" };
  for (size_t i = 0; i < 2; i++) {
    const char *path = json_string_value (
        json_object_get (json_object_get (facts, names[i]), "path"));
    if (path != NULL)
      fprintf (stderr,
               "A key of this migration's own stands in %s on the %s; "
               "accept and abort remove it.\n",
               path, names[i]);
  }
  return NULL;
}

static void
sum_up (const struct tally *t, const struct loaded *l)
{
  if (has (t->in, OPT_JSON)) {
    CLEANUP_JSON json_t *o
        = json_pack ("{s:I, s:I, s:I, s:O, s:O}", "checks",
                     (json_int_t)t->checks, "blockers", (json_int_t)t->blockers,
                     "warnings", (json_int_t)t->warnings, "findings", t->list,
                     "holds", t->holds);
    say_json (o);
    return;
  }
  printf ("%zu checks, %zu blockers, %zu warnings\n", t->checks, t->blockers,
          t->warnings);
  if (t->blockers == 0)
    printf ("next: rehome sync %s\n", l->path);
  else
    printf ("next: mend the blockers, then rehome check %s\n", l->path);
}

static struct err *
check (const struct invocation *in, struct tally *t)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_OPENED struct opened o = { 0 };
  TRY (load_plan (in, in->args[0], &l));
  TRY (open_hosts (l.plan, &o));
  struct checks look = { .plan = l.plan,
                         .graph = l.graph,
                         .migration = o.migration,
                         .source = hosts_source (o.hosts),
                         .target = hosts_target (o.hosts),
                         .controller = hosts_controller (o.hosts),
                         .find = provider_find,
                         .begins = begins,
                         .ended = ended,
                         .ctx = t };
  if (has (in, OPT_OWN_KEY))
    TRY (make_key (&l, &o));
  name_swept (t, &o);
  name_backup (t, &l);
  prove_reconnect (t, &l, &o);
  TRY (checks_run (&look, STAGE_PREFLIGHT));
  sum_up (t, &l);
  return NULL;
}

int
cmd_check (const struct invocation *in)
{
  struct tally t = { .in = in, .list = json_array (), .holds = json_object () };
  struct err *e = check (in, &t);
  json_decref (t.list);
  json_decref (t.holds);
  if (e != NULL)
    return say_err (in, e);
  return t.blockers > 0   ? EXIT_BLOCKED
         : t.warnings > 0 ? EXIT_WARNINGS
                          : EXIT_OK;
}
