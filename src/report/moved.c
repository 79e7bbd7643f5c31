/* SPDX-License-Identifier: Apache-2.0 */
/* What was moved and what proves it. */
#include "report/moved.h"

#include "base/mem.h"

#include <string.h>

int64_t
moved_number (const json_t *v)
{
  if (json_is_integer (v))
    return json_integer_value (v);
  if (json_is_string (v)) {
    char *end;
    const char *s = json_string_value (v);
    long long n = strtoll (s, &end, 10);
    if (end != s && *end == '\0' && n >= 0)
      return n;
  }
  return -1;
}

/* Sums that make sense over rounds; the rest is taken from the last proof. */
static const char *const summed[] = { "files", "bytes", "deleted" };
static const char *const shown[]
    = { "entries",          "files",      "dirs",  "links",  "bytes",
        "digest",           "equal",      "users", "groups", "units",
        "entries_compared", "differences" };

static void
add_sum (json_t *moved, const char *key, const json_t *result)
{
  int64_t n = moved_number (json_object_get (result, key));
  if (n < 0)
    return;
  int64_t so_far = moved_number (json_object_get (moved, key));
  json_object_set_new (moved, key,
                       json_integer ((so_far > 0 ? so_far : 0) + n));
}

static bool
is_transfer (const struct step *s)
{
  return s->stage == STAGE_PREPARE || s->stage == STAGE_ROUND
         || s->stage == STAGE_FINAL;
}

static bool
is_proof (const struct step *s)
{
  return s->stage == STAGE_PROVE || s->stage == STAGE_VERIFY;
}

static void
take_proof (json_t *proof, const struct step *s, const json_t *result)
{
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
    json_t *v = json_object_get (result, shown[i]);
    if (v != NULL && !json_is_object (v) && !json_is_array (v))
      json_object_set (proof, shown[i], v);
    else if (json_is_array (v))
      json_object_set_new (proof, shown[i],
                           json_integer ((json_int_t)json_array_size (v)));
  }
  json_object_set_new (proof, s->stage == STAGE_VERIFY ? "last" : "before",
                       json_true ());
}

static json_t *
item_fact (const struct plan_item *item, size_t index, const struct graph *g,
           const struct engine *e)
{
  json_t *moved = json_object (), *proof = json_object ();
  json_t *holds = NULL;
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    const json_t *result = engine_result (e, s->id);
    if (s->item != (long)index || result == NULL)
      continue;
    for (size_t k = 0; is_transfer (s) && k < sizeof summed / sizeof *summed;
         k++)
      add_sum (moved, summed[k], result);
    if (is_proof (s))
      take_proof (proof, s, result);
    if (s->stage == STAGE_PREFLIGHT && holds == NULL)
      holds = json_object_get (result, "holds");
  }
  return json_pack ("{s:s, s:s, s:O*, s:o, s:o}", "name", item->name, "kind",
                    item->kind, "holds", holds, "moved", moved, "proof", proof);
}

static bool
has_proof (const json_t *item)
{
  return json_object_size (json_object_get (item, "proof")) > 0;
}

static void
say (json_t *list, char *text)
{
  json_array_append_new (list, json_string (text));
  free (text);
}

static json_t *
covers (const struct plan *plan, const json_t *items, bool opened)
{
  json_t *list = json_array ();
  size_t i, proven = 0;
  json_t *item;
  json_array_foreach (items, i, item) proven += has_proof (item);
  say (list,
       mem_printf ("Covered: the %zu item%s of the plan, of which %zu carr%s a "
                   "proof by comparison of both sides.",
                   json_array_size (items),
                   json_array_size (items) == 1 ? "" : "s", proven,
                   proven == 1 ? "ies" : "y"));
  say (list,
       mem_strdup (opened ? "Covered: every write that was acknowledged before "
                            "the freeze and lies in an item: the freeze was "
                            "proven before the last comparison."
                          : "Nothing is claimed of writes yet: the target has "
                            "not taken over."));
  json_array_foreach (plan_leave (plan), i, item)
  {
    const char *why = json_string_value (json_object_get (item, "why"));
    const char *what = NULL;
    static const char *const keys[] = { "process", "unit", "user", "listener" };
    for (size_t k = 0; what == NULL && k < 4; k++)
      what = json_string_value (json_object_get (item, keys[k]));
    say (list, mem_printf ("Not covered: %s stays behind (%s).",
                           what != NULL ? what : "?",
                           why != NULL ? why : "no reason given"));
  }
  return list;
}

static void
add_left (json_t *all, const json_t *paths, const char *side)
{
  size_t i;
  json_t *p;
  json_array_foreach (paths, i, p)
      json_array_append_new (all,
                             json_pack ("{s:s, s:O}", "host", side, "what", p));
}

/* The migration's own key, unless it was taken away. */
static void
add_key (json_t *all, const json_t *key, const char *side)
{
  const char *path = json_string_value (
      json_object_get (json_object_get (key, side), "path"));
  const char *mark = json_string_value (json_object_get (key, "mark"));
  if (path == NULL || json_is_true (json_object_get (key, "removed")))
    return;
  CLEANUP_FREE char *what
      = mem_printf ("%s: the line that ends in %s, the migration's own key",
                    path, mark != NULL ? mark : "rehome:");
  json_array_append_new (all,
                         json_pack ("{s:s, s:s}", "host", side, "what", what));
}

/* What the clean-up said it leaves: {"left": {"source": [], "target": []}}. */
static json_t *
left (const struct graph *g, const struct engine *e)
{
  json_t *all = json_array ();
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    const json_t *l = json_object_get (engine_result (e, s->id), "left");
    bool end = s->stage == STAGE_ACCEPT || s->stage == STAGE_BACK_OPEN;
    if (!end || !json_is_object (l))
      continue;
    add_left (all, json_object_get (l, "source"), "source");
    add_left (all, json_object_get (l, "target"), "target");
  }
  return all;
}

/* An abort keeps the copy: what each first step says it put there, and what
 * began without an end. */
static void
add_copy (json_t *all, const struct graph *g, const struct engine *e)
{
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    const json_t *result = engine_result (e, s->id);
    uint32_t attempt = 0;
    engine_step (e, s->id, &attempt);
    if (s->stage != STAGE_PREPARE || s->cls == STEP_PURE)
      continue;
    add_left (all, json_object_get (result, "copied"), "target");
    if (result == NULL && attempt > 0)
      json_array_append_new (
          all, json_pack ("{s:s, s:o}", "host", "target", "what",
                          json_sprintf ("%s: begun, not ended", s->title)));
  }
}

/* Of a copy that was discarded. */
static void
add_kept (json_t *all, const json_t *discarded)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (discarded, "kept"), i, one)
      json_array_append_new (all,
                             json_pack ("{s:s, s:O}", "host", "target", "what",
                                        json_object_get (one, "what")));
}

/* What rehome itself keeps of a migration that has ended. */
static void
add_own (json_t *all, const json_t *facts, bool hosts)
{
  const char *id = json_string_value (json_object_get (facts, "migration"));
  const char *name = json_string_value (json_object_get (facts, "name"));
  for (int i = 0; hosts && id != NULL && i < 2; i++)
    json_array_append_new (
        all, json_pack ("{s:s, s:o}", "host", i == 0 ? "source" : "target",
                        "what", json_sprintf ("/var/lib/rehome/%s", id)));
  const char *state = json_string_value (json_object_get (facts, "state"));
  if (state == NULL || name == NULL)
    return;
  json_array_append_new (
      all, json_pack ("{s:s, s:o}", "host", "controller", "what",
                      json_sprintf ("%s/controller/%s", state, name)));
  json_array_append_new (all,
                         json_pack ("{s:s, s:o}", "host", "controller", "what",
                                    json_sprintf ("%s/controller-id", state)));
}

/* Everything that stays on a host once the migration has ended. */
static json_t *
all_left (const struct graph *g, const struct engine *e, const json_t *facts)
{
  json_t *all = left (g, e);
  enum phase p = engine_phase (e);
  const json_t *discarded = json_object_get (facts, "discarded");
  if (discarded != NULL)
    add_kept (all, discarded);
  else if (engine_aborted (e))
    add_copy (all, g, e);
  if (engine_aborted (e) || p == PHASE_ACCEPTED || p == PHASE_ROLLED_BACK)
    add_own (all, facts, engine_aborted (e));
  return all;
}

void
moved_put (const struct plan *plan, const struct graph *g,
           const struct engine *e, json_t *facts)
{
  json_t *items = json_array ();
  for (size_t i = 0; i < plan_item_count (plan); i++)
    json_array_append_new (items, item_fact (plan_item (plan, i), i, g, e));
  json_object_set_new (facts, "items", items);
  json_object_set_new (facts, "covers",
                       covers (plan, items,
                               engine_writer (e) == WRITER_TARGET));
  json_t *all = all_left (g, e, facts);
  const json_t *key = json_object_get (facts, "own_key");
  add_key (all, key, "source");
  add_key (all, key, "target");
  json_object_set_new (facts, "left", all);
}
