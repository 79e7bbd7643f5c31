/* SPDX-License-Identifier: Apache-2.0 */
/* From the argument PLAN to everything that a command needs of it. */
#include "cli/load.h"

#include "base/mem.h"
#include "provider/provider.h"
#include "report/facts.h"
#include "report/permits.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool
is_file (const char *path)
{
  struct stat st;
  return stat (path, &st) == 0 && !S_ISDIR (st.st_mode);
}

static struct err *
plan_of_journal (const struct place *p, struct plan **out)
{
  CLEANUP_STORE struct store *s = NULL;
  CLEANUP_FREE char *text = NULL;
  size_t len = 0;
  TRY (store_open_reader (p->dir, &s));
  TRY (store_plan (s, &text, &len));
  return plan_parse (text, len, p->name, provider_kinds (), out);
}

static struct err *
by_name (const struct invocation *in, const char *arg, struct loaded *out)
{
  struct err *none = err_advise (
      err_new (ERR_CORRECT, "RH-CLI-NOPLAN",
               "%s is neither a plan file nor a migration that is known here",
               arg),
      NULL,
      "rehome plan SOURCE writes a plan; rehome status lists what is "
      "known");
  struct err *e = place_find (in->value[OPT_STATE], arg, &out->place);
  if (e == NULL && load_has_journal (out)) {
    err_free (none);
    return plan_of_journal (&out->place, &out->plan);
  }
  err_free (e);
  return none;
}

struct err *
load_plan (const struct invocation *in, const char *arg, struct loaded *out)
{
  memset (out, 0, sizeof *out);
  out->path = mem_strdup (arg);
  if (is_file (arg)) {
    TRY (plan_read (arg, provider_kinds (), &out->plan));
    TRY (place_find (in->value[OPT_STATE], plan_name (out->plan), &out->place));
  } else
    TRY (by_name (in, arg, out));
  return provider_compile (out->plan, &out->graph);
}

void
load_clear (struct loaded *l)
{
  free (l->path);
  plan_free (l->plan);
  graph_free (l->graph);
  place_clear (&l->place);
}

bool
load_has_journal (const struct loaded *l)
{
  CLEANUP_FREE char *db = mem_printf ("%s/journal.db", l->place.dir);
  return is_file (db);
}

struct err *
load_must_have_journal (const struct loaded *l)
{
  if (load_has_journal (l))
    return NULL;
  return err_advise (err_todo (err_new (ERR_CORRECT, "RH-CLI-NOJOURNAL",
                                        "nothing was begun with %s yet",
                                        l->path),
                               "rehome sync %s begins", l->path),
                     "nothing was changed", NULL);
}

struct err *
load_since (const struct invocation *in, const struct loaded *l, uint64_t *out)
{
  const char *text = in->value[OPT_SINCE];
  if (text == NULL) {
    CLEANUP_STORE struct store *s = NULL;
    char hash[65];
    TRY (store_open_reader (l->place.dir, &s));
    return store_head (s, out, hash);
  }
  char *end;
  errno = 0;
  unsigned long long n = strtoull (text, &end, 10);
  if (end == text || *end != '\0' || text[0] == '-' || errno != 0)
    return err_new (ERR_CORRECT, "RH-CLI-USAGE",
                    "--since takes a record's number");
  *out = n;
  return NULL;
}

struct err *
load_plan_of_journal (const struct loaded *l, struct plan **out)
{
  CLEANUP_STORE struct store *s = NULL;
  CLEANUP_FREE char *text = NULL;
  size_t len = 0;
  TRY (store_open_reader (l->place.dir, &s));
  TRY (store_plan (s, &text, &len));
  return plan_parse (text, len, l->place.name, provider_kinds (), out);
}

/* A plan whose journal follows older bytes is read by those. */
static struct err *
facts_of_store (const struct loaded *l, struct store *s, bool no_names,
                json_t **out)
{
  CLEANUP_PLAN struct plan *plan = NULL;
  CLEANUP_GRAPH struct graph *graph = NULL;
  CLEANUP_FREE char *text = NULL;
  size_t len = 0;
  TRY (store_plan (s, &text, &len));
  TRY (plan_parse (text, len, l->place.name, provider_kinds (), &plan));
  TRY (provider_compile (plan, &graph));
  struct facts_from from = { .store = s,
                             .plan = plan,
                             .graph = graph,
                             .plan_path = l->path,
                             .state = l->place.state,
                             .no_names = no_names };
  return facts_make (&from, out);
}

struct err *
load_facts (const struct loaded *l, json_t **out)
{
  CLEANUP_STORE struct store *s = NULL;
  if (!load_has_journal (l)) {
    CLEANUP_FREE char *source = facts_host_name (plan_source (l->plan), NULL);
    CLEANUP_FREE char *target = facts_host_name (plan_target (l->plan), NULL);
    *out = json_pack ("{s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:s, s:s, s:n, s:[]}",
                      "name", plan_name (l->plan), "plan_hash",
                      plan_hash (l->plan), "plan", l->path, "source", "name",
                      source, "target", "name", target, "phase", "planned",
                      "writer", "source", "attention", "steps");
    permits_put (l->plan, NULL, *out);
    return NULL;
  }
  TRY (store_open_reader (l->place.dir, &s));
  return facts_of_store (l, s, false, out);
}

struct err *
load_facts_nameless (const struct loaded *l, json_t **out)
{
  CLEANUP_STORE struct store *s = NULL;
  TRY (store_open_reader (l->place.dir, &s));
  return facts_of_store (l, s, true, out);
}

struct err *
load_permitted (const struct loaded *l, const json_t *facts, enum request r)
{
  CLEANUP_JSON json_t *o = json_object ();
  const json_t *given
      = json_object_get (json_object_get (facts, "approvals"), "given");
  permits_put (l->plan, given, o);
  CLEANUP_FREE char *missing = permits_missing (o, request_name (r), l->path);
  if (missing != NULL)
    return err_todo (err_advise (err_new (ERR_REFUSED, "RH-ENGINE-APPROVAL",
                                          "%s needs an approval of this plan",
                                          request_name (r)),
                                 "nothing was changed", NULL),
                     "%s", missing);
  if (r == REQUEST_CUTOVER && json_object_size (plan_backup (l->plan)) == 0)
    return err_advise (
        err_new (ERR_REFUSED, "RH-ENGINE-BACKUP",
                 "no restore of a backup shows that the source could be had "
                 "back, and nobody has waived it"),
        "nothing was changed",
        "write backup: into the plan, with a check or with a waiver: "
        "{by: NAME, reason: TEXT}");
  return NULL;
}
