/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back of databases.  In the guard each round lays up on the source
 * all pages of the target's database that differ from the frozen file, and
 * takes the place of the one before; a rollback applies the last one, also
 * where the target is lost, and then sends what is new since.
 *
 * Beside what is laid up lies a record of where it belongs.
 */
#include "provider/sqlite.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/files.h"
#include "provider/lay.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* In the name of a list the way back has one of its own. */
static char *
back_index (const char *index)
{
  return mem_printf ("%s-back", index);
}

static json_t *
named (const struct step_call *call, const char *index)
{
  return json_pack ("{s:s, s:s}", "migration", call->migration, "index", index);
}

/* The frozen file's pages, told to the sender once. */
static struct err *
list_frozen (const struct step_call *call, const struct lite_db *db)
{
  CLEANUP_FREE char *sender = back_index (db->sender);
  CLEANUP_FREE char *theirs = steps_path (call, "index/%s.theirs", sender);
  CLEANUP_JSON json_t *own = sqlite_args (call, db, true, false);
  CLEANUP_JSON json_t *keep = named (call, sender);
  CLEANUP_JSON json_t *pages = NULL;
  CLEANUP_JSON json_t *kept = NULL;
  bool known;
  TRY (remote_exists (call->source, theirs, &known));
  if (known)
    return NULL;
  return call->target->ops->pipe (call->target, "sqlite.pages", own,
                                  call->source, "sqlite.keep", keep, call->tick,
                                  call->ctx, &pages, &kept);
}

static struct err *
check_room (const struct step_call *call, const struct lite_db *db)
{
  CLEANUP_FREE char *back = steps_path (call, "back");
  CLEANUP_JSON json_t *look = NULL;
  uint64_t pages;
  TRY (port_call (call->source, "sqlite.look",
                  sqlite_args (call, db, false, false), &look));
  TRY (json_get_u64 (look, "pages", &pages));
  return lay_room (
      call, db->name, back,
      pages * (uint64_t)json_integer_value (json_at (look, "page_size")));
}

static struct err *
send_laid (const struct step_call *call, const struct lite_db *db, long hold_ms,
           json_t **sent)
{
  CLEANUP_FREE char *sender = back_index (db->sender);
  CLEANUP_FREE char *receiver = back_index (db->receiver);
  CLEANUP_JSON json_t *out = sqlite_args (call, db, false, false);
  CLEANUP_JSON json_t *in = named (call, receiver);
  CLEANUP_JSON json_t *laid = NULL;
  json_object_set_new (out, "migration", json_string (call->migration));
  json_object_set_new (out, "index", json_string (sender));
  json_object_set_new (out, "hold_ms", json_integer (hold_ms));
  return call->source->ops->pipe (call->source, "sqlite.send", out,
                                  call->target, "sqlite.lay", in, call->tick,
                                  call->ctx, sent, &laid);
}

static struct err *
lay_one (const struct step_call *call, const struct lite_db *db, json_t **sent)
{
  CLEANUP_FREE char *receiver = back_index (db->receiver);
  CLEANUP_FREE char *record = steps_path (call, "back/%s.json", receiver);
  CLEANUP_JSON json_t *where
      = json_pack ("{s:s, s:s}", "path", db->place, "index", receiver);
  TRY (list_frozen (call, db));
  TRY (check_room (call, db));
  TRY (remote_record (call->target, record, where));
  struct err *e = send_laid (call, db, 0, sent);
  if (e == NULL || strcmp (err_code (e), "RH-SQLITE-BUSY") != 0)
    return e;
  err_free (e); /* written meanwhile: once more, in one go */
  return send_laid (call, db, SQLITE_HOLD_MS, sent);
}

struct err *
sqlite_lay (const struct step_call *call, json_t **result)
{
  CLEANUP_LITE_DBS struct lite_dbs dbs = { 0 };
  CLEANUP_JSON json_t *each = json_object ();
  uint64_t bytes = 0;
  TRY (sqlite_dbs (call, &dbs));
  for (size_t i = 0; i < dbs.n; i++) {
    json_t *sent = NULL;
    uint64_t n;
    TRY (err_wrap (lay_one (call, &dbs.v[i], &sent), "%s", dbs.v[i].name));
    json_object_set_new (each, dbs.v[i].name, sent);
    TRY (json_get_u64 (sent, "bytes", &n));
    bytes += n;
  }
  *result
      = json_pack ("{s:O, s:o}", "databases", each, "bytes", json_u64 (bytes));
  return NULL;
}

struct err *
sqlite_forget (const struct step_call *call, const struct lite_db *db)
{
  CLEANUP_FREE char *sender = back_index (db->sender);
  CLEANUP_FREE char *theirs = steps_path (call, "index/%s.theirs", sender);
  return call->alone ? NULL : remote_remove (call->source, theirs);
}

/* Is it this item's?  The records of all lie in one directory. */
static bool
is_own (const struct step_call *call, const char *path)
{
  CLEANUP_FREE char *root = sqlite_from (call->item->spec);
  size_t len = strlen (root);
  return strncmp (path, root, len) == 0 && (path[len] == 0 || path[len] == '/');
}

static struct err *
apply_one (const struct step_call *call, const json_t *record, json_t *applied)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_JSON json_t *got = NULL;
  const char *index;
  size_t len;
  TRY (json_get_bytes (record, "path", &path, &len));
  TRY (json_get_str (record, "index", &index));
  if (!is_own (call, path))
    return NULL;
  CLEANUP_JSON json_t *args = named (call, index);
  json_object_set (args, "path", json_at (record, "path"));
  files_maps (call, args);
  TRY (call->target->ops->call (call->target, "sqlite.laid-apply", args,
                                call->tick, call->ctx, &got));
  if (json_is_true (json_at (got, "applied")))
    json_object_set (applied, json_string_value (json_at (record, "path")),
                     got);
  return NULL;
}

/* On the source alone: the target may be lost. */
struct err *
sqlite_apply (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *names = NULL;
  CLEANUP_JSON json_t *applied = json_object ();
  CLEANUP_FREE char *dir = steps_path (call, "back");
  size_t i;
  json_t *one;
  if (!call->alone) {
    CLEANUP_LITE_DBS struct lite_dbs dbs = { 0 };
    TRY (sqlite_dbs (call, &dbs));
    for (i = 0; i < dbs.n; i++)
      TRY (sqlite_forget (call, &dbs.v[i]));
  }
  TRY (remote_names (call->target, dir, &names));
  json_array_foreach (names, i, one)
  {
    const char *name = json_string_value (one);
    size_t len = strlen (name);
    CLEANUP_JSON json_t *record = NULL;
    CLEANUP_FREE char *path = mem_printf ("%s/%s", dir, name);
    if (strncmp (name, "sqlite", 6) != 0 || len < 5
        || strcmp (name + len - 5, ".json") != 0)
      continue;
    TRY (remote_recall (call->target, path, &record));
    if (record != NULL)
      TRY (apply_one (call, record, applied));
  }
  *result = json_pack ("{s:O}", "applied", applied);
  return NULL;
}
