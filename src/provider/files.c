/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files provider: a tree, or a single file.  Copied while the source
 * lives, kept in step by rounds, read back and compared before the freeze,
 * and once more, quickly, inside it.
 *
 * What it leaves on the target before the pivot is a copy that nothing uses;
 * it is kept on an abort, so no step has an undo.
 */
#include "provider/files.h"

#include "base/mem.h"
#include "provider/item_path.h"
#include "provider/steps.h"
#include "tree/filter.h"
#include "tree/idmap.h"

#include <string.h>

char *
files_from (const json_t *spec)
{
  return item_path_from (spec, "files");
}

char *
files_to (const json_t *spec)
{
  return item_path_to (spec, "files");
}

char *
files_index (const json_t *spec, bool target)
{
  CLEANUP_FREE char *path = files_from (spec);
  return item_path_index ("files", path, target);
}

/* A path as a pattern that means it alone. */
static void
add_literal (const char *rel, const char *suffix, json_t *out)
{
  char *text CLEANUP_FREE = mem_alloc (2 * strlen (rel) + 16), *p = text;
  *p++ = '/';
  for (; *rel != 0; rel++) {
    if (strchr ("*?[\\", *rel) != NULL)
      *p++ = '\\';
    *p++ = *rel;
  }
  stpcpy (p, suffix);
  json_array_append_new (out, json_bytes (text, strlen (text)));
}

static bool is_below (const char *path, const char *dir);

static void
add_databases (const struct plan *plan, const json_t *spec, json_t *out)
{
  static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
  char *root CLEANUP_FREE = files_from (spec);
  for (size_t i = 0; plan != NULL && i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    const char *path = json_string_value (json_at (item->spec, "sqlite"));
    if (strcmp (item->kind, "sqlite") != 0 || path == NULL)
      continue;
    char *own CLEANUP_FREE = item_path (path);
    for (size_t k = 0; is_below (own, root) && k < 4; k++)
      add_literal (own + strlen (root) + 1, suffixes[k], out);
  }
}

json_t *
files_exclude (const struct plan *plan, const json_t *spec)
{
  json_t *out = json_array ();
  size_t i;
  json_t *one;
  add_databases (plan, spec, out);
  json_array_foreach (json_at (spec, "exclude"), i, one)
  {
    const char *rule = json_string_value (one);
    json_array_append_new (out, json_bytes (rule, json_string_length (one)));
    if (strcmp (rule, "!") == 0) /* forgets those before it */
      add_databases (plan, spec, out);
  }
  return out;
}

bool
files_overwrite (const json_t *spec)
{
  return json_is_true (json_at (spec, "overwrite"));
}

static const char *const into_words[] = { [INTO_OWN] = "own",
                                          [INTO_KEEP] = "keep",
                                          [INTO_MERGE] = "merge",
                                          [INTO_MIRROR] = "mirror" };

enum files_into
files_into (const json_t *spec)
{
  const char *word = json_string_value (json_at (spec, "into"));
  for (int i = INTO_KEEP; word != NULL && i <= INTO_MIRROR; i++)
    if (strcmp (word, into_words[i]) == 0)
      return (enum files_into)i;
  return INTO_OWN;
}

/* A map makes no id of two, so it can be read backwards. */
static json_t *
inverse (const json_t *map)
{
  json_t *out = json_array ();
  size_t i;
  json_t *pair;
  json_array_foreach (map, i, pair)
  {
    json_array_append_new (out, json_pack ("[O,O]", json_array_get (pair, 1),
                                           json_array_get (pair, 0)));
  }
  return out;
}

char *
files_root (const struct step_call *call, bool target)
{
  const json_t *spec = call->item->spec;
  return target != call->back ? files_to (spec) : files_from (spec);
}

char *
files_own_index (const struct step_call *call, bool target)
{
  return files_index (call->item->spec, target != call->back);
}

void
files_maps (const struct step_call *call, json_t *args)
{
  const json_t *spec = call->item->spec;
  const json_t *map = steps_input (call, "accounts#map");
  static const char *const keys[] = { "uids", "gids" };
  for (size_t i = 0; i < 2; i++) {
    json_t *own = json_at (spec, keys[i]);
    json_t *all = json_at (map, keys[i]);
    json_t *used = own != NULL ? own : all;
    if (used != NULL)
      json_object_set_new (args, keys[i],
                           call->back ? inverse (used) : json_incref (used));
  }
}

json_t *
files_args (const struct step_call *call, bool target)
{
  const json_t *spec = call->item->spec;
  CLEANUP_FREE char *root = files_root (call, target);
  CLEANUP_FREE char *index = files_own_index (call, target);
  json_t *args = json_object ();
  json_object_set_new (args, "root", json_bytes (root, strlen (root)));
  json_object_set_new (args, "exclude", files_exclude (call->plan, spec));
  json_object_set_new (args, "migration", json_string (call->migration));
  json_object_set_new (args, "index", json_string (index));
  if (!target && json_is_true (json_at (spec, "atimes")))
    json_object_set_new (args, "atimes", json_true ());
  return args;
}

static bool
is_below (const char *path, const char *dir)
{
  size_t n = strlen (dir);
  return strncmp (path, dir, n) == 0 && path[n] == '/';
}

/* The kernel's own trees, and ours. */
static bool
is_system (const char *path)
{
  static const char *const dirs[]
      = { "/proc", "/sys", "/dev", "/run", "/var/lib/rehome", NULL };
  for (size_t i = 0; dirs[i] != NULL; i++)
    if (strcmp (path, dirs[i]) == 0 || is_below (path, dirs[i]))
      return true;
  return strcmp (path, "/") == 0;
}

static struct err *
check_path (const json_t *spec, const char *key, bool required)
{
  const json_t *value = json_at (spec, key);
  if (value == NULL && !required)
    return NULL;
  const char *text = json_string_value (value);
  if (text == NULL)
    return err_new (ERR_CORRECT, "RH-PLAN-TYPE",
                    "'%s' must be an absolute path", key);
  CLEANUP_FREE char *path = item_path (text);
  bool plain
      = path[0] == '/' && strlen (path) < 4096 && strstr (path, "//") == NULL;
  for (const char *p = path; plain && (p = strchr (p, '/')) != NULL; p++) {
    size_t n = strcspn (p + 1, "/");
    plain = !(n == 1 && p[1] == '.') && !(n == 2 && p[1] == '.' && p[2] == '.');
  }
  if (!plain)
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'%s' has '%s', expected an absolute path without '.' "
                    "and '..'",
                    key, text);
  if (is_system (path))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'%s' has '%s', which is the system's own", key, text);
  return NULL;
}

static bool
is_pattern (const char *s)
{
  return *s != 0;
}

static struct err *
check_into (const json_t *spec)
{
  const json_t *value = json_at (spec, "into");
  const char *word = json_string_value (value);
  for (int i = INTO_OWN; word != NULL && i <= INTO_MIRROR; i++)
    if (strcmp (word, into_words[i]) == 0)
      return NULL;
  if (value == NULL)
    return NULL;
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                  "'into' has '%s', expected own, keep, merge or mirror",
                  word != NULL ? word : "another type");
}

static struct err *
check_map (const json_t *spec, const char *key)
{
  struct idmap map;
  CLEANUP_ERR struct err *e = idmap_read (json_at (spec, key), &map);
  if (e != NULL)
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE", "'%s': %s", key,
                    err_message (e));
  idmap_free (&map);
  return NULL;
}

const char *
files_compress (const json_t *spec)
{
  const char *word = json_string_value (json_at (spec, "compress"));
  return word != NULL ? word : "auto";
}

static struct err *
check_compress (const json_t *spec)
{
  const json_t *v = json_at (spec, "compress");
  const char *word = json_string_value (v);
  if (v == NULL
      || (word != NULL
          && (strcmp (word, "auto") == 0 || strcmp (word, "never") == 0
              || strcmp (word, "always") == 0)))
    return NULL;
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                  "'compress': expected auto, never or always");
}

static struct err *
check (const json_t *spec)
{
  static const char *const keys[]
      = { "files", "exclude",         "overwrite", "to",   "delete-limit",
          "into",  "one-file-system", "uids",      "gids", "atimes",
          "limit", "compress",        NULL };
  CLEANUP_FILTER struct filter *filter = NULL;
  int64_t limit;
  TRY (spec_keys (spec, keys));
  TRY (check_path (spec, "files", true));
  TRY (check_path (spec, "to", false));
  TRY (spec_words (spec, "exclude", false, is_pattern, "patterns"));
  CLEANUP_JSON json_t *patterns = files_exclude (NULL, spec);
  TRY (filter_read (patterns, &filter));
  TRY (json_opt_int (spec, "delete-limit", 0, INT64_MAX, 0, &limit));
  TRY (check_into (spec));
  TRY (check_map (spec, "uids"));
  TRY (check_map (spec, "gids"));
  TRY (spec_flag (spec, "one-file-system"));
  TRY (spec_flag (spec, "atimes"));
  TRY (files_limit_check (spec));
  TRY (check_compress (spec));
  return spec_flag (spec, "overwrite");
}

static char *
name (const json_t *spec)
{
  return files_from (spec);
}

static const struct step_row rows[] = {
  { "usage", "%s is there and fits", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH,
    3600000 },
  { "inway", "nothing is in the way of %s", STAGE_PREFLIGHT, STEP_PURE,
    SIDE_BOTH, 60000 },
  { "seed", "first copy of %s", STAGE_PREPARE, STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "round", "%s brought up to date", STAGE_ROUND, STEP_IDEMPOTENT, SIDE_BOTH,
    0 },
  { "prove", "%s read back from the disks and compared", STAGE_PROVE, STEP_PURE,
    SIDE_BOTH, 0 },
  { "settled", "nobody else wrote in %s on the target", STAGE_HOLD, STEP_PURE,
    SIDE_TARGET, 0 },
  { "final", "last round of %s", STAGE_FINAL, STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "verify", "%s is equal on both", STAGE_VERIFY, STEP_PURE, SIDE_BOTH, 0 },
  { "still", "%s stands still on the source, walked in full", STAGE_STILL,
    STEP_PURE, SIDE_SOURCE, 0 },
  { "audit", "%s read from the source's disk once more", STAGE_GUARD, STEP_PURE,
    SIDE_SOURCE, 0 },
  { "back-round", "what %s took is laid up on the source", STAGE_BACK_ROUND,
    STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "back-apply", "what was laid up goes into %s", STAGE_BACK_APPLY,
    STEP_IDEMPOTENT, SIDE_SOURCE, 0 },
  { "back-final", "last round of %s, back", STAGE_BACK_FINAL, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "back-verify", "%s is equal on both, before the source serves",
    STAGE_BACK_VERIFY, STEP_PURE, SIDE_BOTH, 0 },
};

/* Whether the patterns of an item leave out `path`, or a parent of it. */
static struct err *
leaves_out (const struct plan_item *item, const char *root, const char *path,
            bool *out)
{
  CLEANUP_FILTER struct filter *filter = NULL;
  CLEANUP_JSON json_t *patterns = files_exclude (NULL, item->spec);
  TRY (filter_read (patterns, &filter));
  const char *rel = path + strlen (root) + 1;
  *out = false;
  for (size_t n = 1; !*out && n <= strlen (rel); n++)
    if (rel[n] == '/' || rel[n] == 0)
      *out = filter_excludes (filter, rel, n, true);
  return NULL;
}

/* Two items must not carry the same files. */
static struct err *
check_nested (const struct plan *plan, const struct plan_item *item)
{
  CLEANUP_FREE char *own = files_from (item->spec);
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *other = plan_item (plan, i);
    if (other == item || strcmp (other->kind, "files") != 0)
      continue;
    CLEANUP_FREE char *path = files_from (other->spec);
    bool out = false;
    if (is_below (path, own))
      TRY (leaves_out (item, own, path, &out));
    else
      continue;
    if (!out)
      return err_todo (
          err_new (ERR_CORRECT, "RH-FILES-NESTED",
                   "%s lies below %s, and both are items", path, own),
          "drop one of them, or leave it out with exclude: at %s", own);
  }
  return NULL;
}

static struct err *
needs_of (const char *op, const struct plan *plan, const struct plan_item *item,
          struct needs *needs)
{
  if (strcmp (op, "back-apply") == 0)
    needs_add (needs, "move#back-writable");
  if (strcmp (op, "seed") != 0)
    return NULL;
  if (steps_first (plan, "accounts") != NULL) {
    needs_add (needs, "accounts#map");
    needs_add (needs, "accounts#create");
  }
  CLEANUP_FREE char *own = files_from (item->spec);
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *other = plan_item (plan, i);
    if (strcmp (other->kind, "files") != 0)
      continue;
    CLEANUP_FREE char *path = files_from (other->spec);
    if (is_below (own, path)) /* the outer one first */
      needs_add (needs, "%s#seed", other->name);
  }
  return NULL;
}

static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  long at = steps_item_index (plan, item);
  CLEANUP_FREE char *path = files_from (item->spec);
  TRY (check_nested (plan, item));
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    TRY (needs_of (rows[i].op, plan, item, &needs));
    TRY (steps_add (g, &rows[i], "files", item->name, path, at, NULL, &needs));
  }
  return NULL;
}

/* Every step may be run again in whatever state it was left. */
static const struct step_op ops[] = {
  { "usage", files_usage, NULL, NULL },
  { "inway", files_inway, NULL, NULL },
  { "seed", files_seed, NULL, NULL },
  { "round", files_round, NULL, NULL },
  { "prove", files_prove, NULL, NULL },
  { "final", files_final, NULL, NULL },
  { "verify", files_verify, NULL, NULL },
  { "audit", files_audit, NULL, NULL },
  { "lay", files_lay, NULL, NULL },
  { "apply", files_apply, NULL, NULL },
  { "settled", files_settled, NULL, NULL },
  { "still", files_still, NULL, NULL },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-round", BACK_MIRRORED, "lay" },
  { "back-apply", BACK_MIRRORED, "apply" },
  { "back-final", BACK_MIRRORED, "final" },
  { "back-verify", BACK_MIRRORED, "verify" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_files = {
  .kind = { "files", check, name },
  .about = "a directory tree or a file: content, owners, modes, times, links, "
           "ACLs, attributes, capabilities, holes",
  .describe = describe,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_DELTA,
  .discover = NULL,
  .discard = files_discard,
};
