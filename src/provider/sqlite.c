/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite provider: a database file, or all of a directory.  A file that a
 * program writes is never copied as bytes: the agent reads its pages of one
 * moment under SQLite's own locks, and only those that differ travel.  Behind
 * the freeze journals and WAL are written into the file, which is proven to
 * be nobody's, and the last pages follow.
 *
 * The copy on the target lies at its place, unused; it is kept on an abort,
 * so no step has an undo.
 */
#include "provider/sqlite.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/item_path.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

char *
sqlite_from (const json_t *spec)
{
  return item_path_from (spec, "sqlite");
}

char *
sqlite_to (const json_t *spec)
{
  return item_path_to (spec, "sqlite");
}

void
sqlite_dbs_free (struct lite_dbs *d)
{
  for (size_t i = 0; i < d->n; i++) {
    free (d->v[i].from);
    free (d->v[i].to);
    free (d->v[i].name);
    free (d->v[i].place);
    free (d->v[i].sender);
    free (d->v[i].receiver);
  }
  free (d->v);
}

static void
add_db (const struct step_call *call, const char *rel, struct lite_dbs *out)
{
  const json_t *spec = call->item->spec;
  CLEANUP_FREE char *from = sqlite_from (spec);
  CLEANUP_FREE char *to = sqlite_to (spec);
  const char *slash = *rel != 0 ? "/" : "";
  char *there = mem_printf ("%s%s%s", to, slash, rel);
  char *here = mem_printf ("%s%s%s", from, slash, rel);
  out->v = mem_resize (out->v, out->n + 1, sizeof *out->v);
  out->v[out->n++] = (struct lite_db){
    .from = call->back ? there : here,
    .to = call->back ? here : there,
    .name = text_encode (call->back ? there : here,
                         strlen (call->back ? there : here)),
    .place = text_encode (call->back ? here : there,
                          strlen (call->back ? here : there)),
    .sender = item_path_index ("sqlite", here, call->back),
    .receiver = item_path_index ("sqlite", here, !call->back),
  };
}

struct err *
sqlite_dbs (const struct step_call *call, struct lite_dbs *out)
{
  CLEANUP_FREE char *root = call->back ? sqlite_to (call->item->spec)
                                       : sqlite_from (call->item->spec);
  CLEANUP_JSON json_t *found = NULL;
  size_t i;
  json_t *one;
  TRY (port_call (call->source, "sqlite.find",
                  json_pack ("{s:o}", "root", json_bytes (root, strlen (root))),
                  &found));
  if (!json_is_true (json_at (found, "exists")))
    return err_advise (err_new (ERR_BLOCKED, "RH-SQLITE-NONE",
                                "%s is not there on the %s", root,
                                call->source->name),
                       "nothing was changed", "correct the path in the plan");
  if (json_is_true (json_at (found, "truncated")))
    return err_new (ERR_BLOCKED, "RH-SQLITE-NONE",
                    "below %s are more than 10,000 databases", root);
  out->directory = json_is_true (json_at (found, "directory"));
  if (!out->directory)
    add_db (call, "", out); /* also one that holds nothing yet */
  else
    json_array_foreach (json_at (found, "databases"), i, one)
    {
      CLEANUP_FREE char *rel = NULL;
      TRY (json_get_bytes (one, "path", &rel, NULL));
      add_db (call, rel, out);
    }
  return NULL;
}

json_t *
sqlite_args (const struct step_call *call, const struct lite_db *db,
             bool target, bool lists)
{
  const char *path = target ? db->to : db->from;
  json_t *args = json_pack ("{s:o}", "path", json_bytes (path, strlen (path)));
  if (lists) {
    json_object_set_new (args, "migration", json_string (call->migration));
    json_object_set_new (args, "index",
                         json_string (target ? db->receiver : db->sender));
  }
  return args;
}

struct err *
sqlite_holders (const struct step_call *call, struct port *port,
                const char *path, char **out)
{
  CLEANUP_JSON json_t *said = NULL;
  CLEANUP_BUF struct buf b = BUF_INIT;
  size_t i;
  json_t *one;
  (void)call;
  *out = NULL;
  TRY (port_call (
      port, "process.writers",
      json_pack ("{s:[o]}", "paths", json_bytes (path, strlen (path))), &said));
  json_array_foreach (json_at (said, "writers"), i, one)
  {
    const char *comm = json_string_value (json_at (one, "comm"));
    const char *unit = json_string_value (json_at (one, "unit"));
    if (json_is_true (json_at (one, "deleted"))
        || (comm != NULL && strncmp (comm, "rehome", 6) == 0))
      continue;
    TRY (buf_printf (&b, "%s%s (pid %lld, unit %s)", b.len > 0 ? ", " : "",
                     comm != NULL ? comm : "?",
                     (long long)json_integer_value (json_at (one, "pid")),
                     unit != NULL && *unit != 0 ? unit : "none"));
  }
  if (b.len > 0)
    *out = buf_steal_str (&b);
  return NULL;
}

static struct err *
check_path (const json_t *spec, const char *key, bool required)
{
  const json_t *value = json_at (spec, key);
  const char *path = json_string_value (value);
  if (value == NULL && !required)
    return NULL;
  bool plain = path != NULL && path[0] == '/' && path[1] != 0
               && strlen (path) < 512 && strstr (path, "//") == NULL
               && strstr (path, "/../") == NULL && strstr (path, "/./") == NULL;
  size_t len = plain ? strlen (path) : 0;
  plain = plain && !(len >= 3 && strcmp (path + len - 3, "/..") == 0);
  static const char *const dirs[]
      = { "/proc/", "/sys/", "/dev/", "/run/", "/var/lib/rehome/" };
  for (size_t i = 0; plain && i < sizeof dirs / sizeof *dirs; i++)
    plain = strncmp (path, dirs[i], strlen (dirs[i])) != 0;
  if (plain)
    return NULL;
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                  "'%s' has '%s', expected an absolute path of at most 511 "
                  "bytes without '.' and '..', outside of the system's own",
                  key, path != NULL ? path : "something else than a text");
}

static struct err *
check (const json_t *spec)
{
  static const char *const keys[] = { "sqlite", "to", NULL };
  TRY (spec_keys (spec, keys));
  TRY (check_path (spec, "sqlite", true));
  return check_path (spec, "to", false);
}

static char *
name (const json_t *spec)
{
  return sqlite_from (spec);
}

static const struct step_row rows[] = {
  { "usage", "%s can be read, and fits", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH,
    600000 },
  { "seed", "first copy of %s", STAGE_PREPARE, STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "round", "%s brought up to date", STAGE_ROUND, STEP_IDEMPOTENT, SIDE_BOTH,
    0 },
  { "prove", "%s read back from the disk, and checked by SQLite", STAGE_PROVE,
    STEP_PURE, SIDE_BOTH, 0 },
  { "settled", "nobody else wrote in %s on the target", STAGE_HOLD,
    STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "settle", "journals of %s are in the file, and nobody uses it",
    STAGE_FREEZE, STEP_IDEMPOTENT, SIDE_SOURCE, 120000 },
  { "final", "last pages of %s", STAGE_FINAL, STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "verify", "%s is equal on both", STAGE_VERIFY, STEP_PURE, SIDE_BOTH, 0 },
  { "still", "%s stands still on the source", STAGE_STILL, STEP_PURE,
    SIDE_SOURCE, 0 },
  { "back-round", "what %s took is laid up on the source", STAGE_BACK_ROUND,
    STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "back-apply", "what was laid up goes into %s", STAGE_BACK_APPLY,
    STEP_IDEMPOTENT, SIDE_SOURCE, 0 },
  { "back-settle", "journals of %s are in the file on the target",
    STAGE_BACK_FREEZE, STEP_IDEMPOTENT, SIDE_TARGET, 120000 },
  { "back-final", "pages of %s go back", STAGE_BACK_FINAL, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "back-verify", "%s is equal on both, before the source serves",
    STAGE_BACK_VERIFY, STEP_PURE, SIDE_BOTH, 0 },
};

/* Behind everything that stops a writer, before the files close. */
static void
needs_of_settle (const struct plan *plan, const char *way, struct needs *needs)
{
  needs_add (needs, "move#%sflag", way);
  if (steps_first (plan, "accounts") != NULL)
    needs_add (needs, "accounts#%ssuspend", way);
  needs_services (needs, plan, way);
}

static void
needs_of (const char *op, const struct plan *plan, const struct plan_item *item,
          struct needs *needs)
{
  CLEANUP_FREE char *own = sqlite_from (item->spec);
  if (strcmp (op, "settle") == 0)
    needs_of_settle (plan, "", needs);
  if (strcmp (op, "back-apply") == 0)
    needs_add (needs, "move#back-writable");
  if (strcmp (op, "back-settle") == 0)
    needs_of_settle (plan, "back-", needs);
  if (strcmp (op, "seed") != 0)
    return;
  if (steps_first (plan, "accounts") != NULL) {
    needs_add (needs, "accounts#map");
    needs_add (needs, "accounts#create");
  }
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *other = plan_item (plan, i);
    if (strcmp (other->kind, "files") == 0) /* they bring its directory */
      needs_add (needs, "%s#seed", other->name);
  }
}

static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  long at = steps_item_index (plan, item);
  CLEANUP_FREE char *path = sqlite_from (item->spec);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    needs_of (rows[i].op, plan, item, &needs);
    TRY (steps_add (g, &rows[i], "sqlite", item->name, path, at, NULL, &needs));
  }
  return NULL;
}

/* Every step may be run again in whatever state it was left. */
static const struct step_op ops[] = {
  { "usage", sqlite_look, NULL, NULL },
  { "seed", sqlite_seed, NULL, NULL },
  { "round", sqlite_seed, NULL, NULL },
  { "prove", sqlite_prove, NULL, NULL },
  { "settled", sqlite_settled, NULL, NULL },
  { "settle", sqlite_settle, NULL, NULL },
  { "final", sqlite_final, NULL, NULL },
  { "lay", sqlite_lay, NULL, NULL },
  { "apply", sqlite_apply, NULL, NULL },
  { "verify", sqlite_verify, NULL, NULL },
  { "still", sqlite_still, NULL, NULL },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-round", BACK_MIRRORED, "lay" },
  { "back-apply", BACK_MIRRORED, "apply" },
  { "back-settle", BACK_MIRRORED, "settle" },
  { "back-final", BACK_MIRRORED, "final" },
  { "back-verify", BACK_MIRRORED, "verify" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_sqlite = {
  .kind = { "sqlite", check, name },
  .about = "SQLite databases: pages of one moment, by SQLite's own locks",
  .describe = describe,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_DELTA,
  .discover = NULL,
};
