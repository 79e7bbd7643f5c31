/* SPDX-License-Identifier: Apache-2.0 */
/* rehome copy ITEM ITEM: a plan of one item, with its own journal. */
#include "cli/command.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/both.h"
#include "cli/itemised.h"
#include "cli/say.h"
#include "cli/view.h"
#include "exec/copy.h"
#include "journal/record.h"
#include "provider/provider.h"
#include "report/moved.h"
#include "report/standing.h"
#include "report/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *
host_of (const struct address *a)
{
  CLEANUP_FREE char *url = a->host == NULL ? mem_strdup ("local")
                           : a->port != 0
                               ? mem_printf ("ssh://%s:%d", a->host, a->port)
                               : mem_strdup (a->host);
  return json_pack ("{s:s}", "host", url);
}

/* A rate, or that and the latency that the source's disk may have. */
static json_t *
bound_of (const struct invocation *in)
{
  json_t *rate
      = has (in, OPT_BWLIMIT) ? json_string (in->value[OPT_BWLIMIT]) : NULL;
  if (!has (in, OPT_DISK_LATENCY))
    return rate;
  json_t *both = json_pack ("{s:s}", "latency", in->value[OPT_DISK_LATENCY]);
  if (rate != NULL)
    json_object_set_new (both, "rate", rate);
  return both;
}

/* The item's keys, as a plan has them. */
static struct err *
item_of (const struct invocation *in, const struct both *i, json_t **out)
{
  CLEANUP_JSON json_t *item = json_pack ("{s:s, s:s, s:s}", "files",
                                         i->from.name, "to", i->to.name, "into",
                                         has (in, OPT_DELETE)  ? "mirror"
                                         : has (in, OPT_MERGE) ? "merge"
                                                               : "keep");
  static const struct {
    enum option_id id;
    const char *key;
  } maps[] = { { OPT_MAP_USER, "uids" }, { OPT_MAP_GROUP, "gids" } };
  for (size_t k = 0; k < 2; k++) {
    json_t *map;
    TRY (both_map (in, maps[k].id, &map));
    if (json_array_size (map) > 0)
      json_object_set_new (item, maps[k].key, map);
    else
      json_decref (map);
  }
  CLEANUP_JSON json_t *rules = both_rules (in, false);
  if (json_array_size (rules) > 0)
    json_object_set (item, "exclude", rules);
  if (has (in, OPT_ATIMES))
    json_object_set_new (item, "atimes", json_true ());
  if (has (in, OPT_ONE_FILE_SYSTEM))
    json_object_set_new (item, "one-file-system", json_true ());
  json_t *bound = bound_of (in);
  if (bound != NULL)
    json_object_set_new (item, "limit", bound);
  if (has (in, OPT_COMPRESS))
    json_object_set_new (item, "compress",
                         json_string (in->value[OPT_COMPRESS]));
  const char *limit = in->value[OPT_DELETE_LIMIT];
  char *end = NULL;
  long long n = limit != NULL ? strtoll (limit, &end, 10) : 0;
  if (limit != NULL && (*limit == 0 || *end != 0 || n < 0))
    return err_new (ERR_CORRECT, "RH-CLI-USAGE", "not a number: %s", limit);
  if (limit != NULL)
    json_object_set_new (item, "delete-limit", json_integer (n));
  *out = STEAL (item);
  return NULL;
}

/* Nothing of a tree's options means anything to a database. */
static struct err *
database_of (const struct invocation *in, const struct both *i, json_t **out)
{
  static const enum option_id of_trees[] = {
    OPT_DELETE,          OPT_MERGE,    OPT_MAP_USER,     OPT_MAP_GROUP,
    OPT_EXCLUDE,         OPT_INCLUDE,  OPT_ATIMES,       OPT_BWLIMIT,
    OPT_ONE_FILE_SYSTEM, OPT_COMPRESS, OPT_DISK_LATENCY, OPT_DELETE_LIMIT
  };
  for (size_t k = 0; k < sizeof of_trees / sizeof *of_trees; k++)
    if (has (in, of_trees[k]))
      return err_new (ERR_CORRECT, "RH-CLI-USAGE",
                      "an option of trees is given for a database");
  *out = json_pack ("{s:s}", i->from.kind, i->from.name);
  if (strcmp (i->from.kind, "sqlite") == 0)
    json_object_set_new (*out, "to", json_string (i->to.name));
  return NULL;
}

/* JSON is YAML: the plan of one item. */
static struct err *
plan_of (const struct invocation *in, const struct both *i, char **out)
{
  char name[65];
  json_t *item = NULL;
  bool database = strcmp (i->from.kind, "files") != 0;
  TRY (database ? database_of (in, i, &item) : item_of (in, i, &item));
  CLEANUP_JSON json_t *source = host_of (&i->from);
  CLEANUP_JSON json_t *target = host_of (&i->to);
  CLEANUP_FREE char *both
      = mem_printf ("%s%s%s:%s %s:%s", database ? i->from.kind : "",
                    database ? " " : "",
                    json_string_value (json_at (source, "host")), i->from.name,
                    json_string_value (json_at (target, "host")), i->to.name);
  record_hash (both, strlen (both), name);
  CLEANUP_FREE char *copy = mem_printf ("copy-%.8s", name);
  CLEANUP_JSON json_t *plan
      = json_pack ("{s:i, s:s, s:O, s:O, s:[o]}", "rehome", 1, "name", copy,
                   "source", source, "target", target, "items", item);
  if (plan == NULL)
    return err_new (ERR_CORRECT, "RH-CLI-ITEM",
                    "a host or a pattern is not UTF-8");
  *out = json_line (plan);
  return NULL;
}

static void
on_progress (void *ctx, const json_t *progress)
{
  view_progress (ctx, progress);
}

/* Copies have a place of their own: they are no migrations to be listed. */
static char *
state_of_copies (const struct invocation *in)
{
  CLEANUP_FREE char *dflt = place_default_state ();
  const char *given = in->value[OPT_STATE];
  return mem_printf ("%s/copies", given != NULL ? given : dflt);
}

static struct err *
run (const struct invocation *in, const struct plan *plan, const char *agent,
     json_t **result)
{
  CLEANUP_PLACE struct place place = { 0 };
  CLEANUP_GRAPH struct graph *graph = NULL;
  TRY (provider_compile (plan, &graph));
  CLEANUP_FREE char *state = state_of_copies (in);
  TRY (place_find (state, plan_name (plan), &place));
  struct view *view = view_new (graph, has (in, OPT_JSON));
  struct copy c = { .place = &place,
                    .plan = plan,
                    .agent_path = agent,
                    .proof = !has (in, OPT_NO_PROOF),
                    .progress = on_progress,
                    .ctx = view };
  struct err *e = copy_run (&c, result);
  view_end (view);
  view_free (view);
  return e;
}

static struct err *
preview (const struct invocation *in, const struct plan *plan,
         const char *agent, json_t **result)
{
  CLEANUP_PLACE struct place place = { 0 };
  CLEANUP_FREE char *state = state_of_copies (in);
  TRY (place_find (state, plan_name (plan), &place));
  struct copy c = { .place = &place, .plan = plan, .agent_path = agent };
  return copy_preview (&c, result);
}

static void
print_findings (const json_t *findings)
{
  size_t i;
  json_t *f;
  json_array_foreach (findings, i, f)
  {
    CLEANUP_FREE char *code = words_of (f, "code");
    CLEANUP_FREE char *message = words_of (f, "message");
    CLEANUP_FREE char *path = words_of (f, "path");
    CLEANUP_FREE char *what = words_of (f, "what");
    fprintf (stderr, "warning %s: %s%s%s%s\n", code, message, path,
             *path != 0 && *what != 0 ? ": " : "", what);
  }
}

/* ", compressed 2.9 times", or nothing. */
static char *
packed_words (const json_t *result)
{
  int64_t from = moved_number (json_object_get (result, "packed_from"));
  int64_t to = moved_number (json_object_get (result, "packed_to"));
  return to > 0 && from > to + to / 20
             ? mem_printf (", compressed %.1f times", (double)from / (double)to)
             : mem_strdup ("");
}

/* Of a database that a server has. */
static void
print_served (const struct invocation *in, const json_t *result)
{
  const json_t *proof = json_object_get (result, "proof");
  print_findings (json_object_get (result, "findings"));
  CLEANUP_FREE char *bytes
      = standing_bytes (moved_number (json_object_get (result, "bytes")));
  printf ("copied: %s, %s\n", in->args[0], bytes);
  if (!json_is_object (proof)) {
    printf ("not proven\n");
    return;
  }
  CLEANUP_FREE char *rows
      = standing_count (moved_number (json_object_get (proof, "rows")));
  CLEANUP_FREE char *objects
      = standing_count (moved_number (json_object_get (proof, "objects")));
  printf ("equal: %s rows, read back from the target's server, and the "
          "definitions of %s objects\n",
          rows, objects);
}

static void
print (const struct invocation *in, const json_t *result)
{
  CLEANUP_FREE char *files
      = standing_count (moved_number (json_object_get (result, "files")));
  CLEANUP_FREE char *bytes
      = standing_bytes (moved_number (json_object_get (result, "bytes")));
  CLEANUP_FREE char *gone
      = standing_count (moved_number (json_object_get (result, "deleted")));
  const json_t *proof = json_object_get (result, "proof");
  print_findings (json_object_get (result, "findings"));
  CLEANUP_FREE char *packed = packed_words (result);
  printf ("copied: %s files, %s%s; removed: %s\n", files, bytes, packed, gone);
  if (!json_is_object (proof)) {
    printf ("not proven\nnext: rehome compare %s %s\n", in->args[0],
            in->args[1]);
    return;
  }
  if (json_is_object (json_object_get (proof, "databases"))) {
    printf ("equal: %lld databases, read back from the target's disk; every "
            "page, and SQLite's own checks\n",
            (long long)json_integer_value (json_object_get (proof, "count")));
    return;
  }
  CLEANUP_FREE char *entries
      = standing_count (moved_number (json_object_get (proof, "entries")));
  CLEANUP_FREE char *digest = words_of (proof, "digest");
  json_int_t dirty = json_integer_value (json_object_get (proof, "dirty"));
  printf ("equal: %s entries, read back from the target's disk, digest %s\n",
          entries, digest);
  if (dirty > 0)
    printf ("changed since and not compared: %lld entries; copy again\n",
            (long long)dirty);
}

static struct err *
copy (const struct invocation *in, bool *warned)
{
  CLEANUP_BOTH struct both i = { 0 };
  CLEANUP_PLAN struct plan *plan = NULL;
  CLEANUP_JSON json_t *result = NULL;
  CLEANUP_FREE char *text = NULL;
  TRY (both_parse (in, !has (in, OPT_DRY_RUN), &i));
  TRY (place_agent (&i.agent));
  TRY (plan_of (in, &i, &text));
  TRY (plan_parse_copy (text, strlen (text), "copy", provider_kinds (), &plan));
  if (has (in, OPT_DRY_RUN))
    TRY (preview (in, plan, i.agent, &result));
  else
    TRY (run (in, plan, i.agent, &result));
  *warned = json_array_size (json_object_get (result, "findings")) > 0;
  if (has (in, OPT_JSON))
    say_json (result);
  else if (has (in, OPT_DRY_RUN))
    itemised_print (result);
  else if (strcmp (i.from.kind, "mariadb") == 0
           || strcmp (i.from.kind, "postgresql") == 0)
    print_served (in, result);
  else
    print (in, result);
  return NULL;
}

int
cmd_copy (const struct invocation *in)
{
  bool warned = false;
  struct err *e = copy (in, &warned);
  if (e != NULL)
    return say_err (in, e);
  return warned ? EXIT_WARNINGS : EXIT_OK;
}
