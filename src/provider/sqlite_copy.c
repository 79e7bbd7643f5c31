/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First copy, rounds and the last one are the same: the receiver lists the
 * pages that it has, the sender keeps that list and sends what differs.  So
 * a round mends whatever an interrupted one left.
 *
 * Where a program writes without a WAL a reader keeps it from committing: the
 * pages are first read in moments, and where they are of several, once more
 * in one go, since little is left then.
 */
#include "provider/sqlite.h"

#include "base/mem.h"
#include "provider/files.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

enum { ALONE_HOLD_MS = 5000 };

/* As `from` has its parent, with the ids of the other host. */
static struct err *
make_parent (const struct step_call *call, const char *from, const char *to)
{
  const char *end = strrchr (to, '/'), *other = strrchr (from, '/');
  struct remote_file f CLEANUP_REMOTE = { 0 };
  bool there;
  if (end == to || other == from)
    return NULL;
  CLEANUP_FREE char *dir = mem_strndup (to, (size_t)(end - to));
  CLEANUP_FREE char *like = mem_strndup (from, (size_t)(other - from));
  TRY (remote_exists (call->target, dir, &there));
  if (there)
    return NULL;
  TRY (make_parent (call, like, dir));
  TRY (remote_stat (call->source, like, &f));
  CLEANUP_JSON json_t *maps = json_object ();
  files_maps (call, maps);
  uint32_t uid = f.uid, gid = f.gid;
  size_t i;
  json_t *pair;
  json_array_foreach (json_at (maps, "uids"), i, pair)
  {
    if (json_integer_value (json_array_get (pair, 0)) == (json_int_t)f.uid)
      uid = (uint32_t)json_integer_value (json_array_get (pair, 1));
  }
  json_array_foreach (json_at (maps, "gids"), i, pair)
  {
    if (json_integer_value (json_array_get (pair, 0)) == (json_int_t)f.gid)
      gid = (uint32_t)json_integer_value (json_array_get (pair, 1));
  }
  return remote_mkdir (call->target, dir, f.exists ? f.mode : 0755, uid, gid);
}

/* What the receiver has, told to the sender; "RH-SQLITE-TOUCHED". */
static struct err *
list_copy (const struct step_call *call, const struct lite_db *db)
{
  CLEANUP_JSON json_t *own = sqlite_args (call, db, true, true);
  CLEANUP_JSON json_t *keep = json_pack ("{s:s, s:s}", "migration",
                                         call->migration, "index", db->sender);
  CLEANUP_JSON json_t *pages = NULL;
  CLEANUP_JSON json_t *kept = NULL;
  TRY (call->target->ops->pipe (call->target, "sqlite.pages", own, call->source,
                                "sqlite.keep", keep, call->tick, call->ctx,
                                &pages, &kept));
  return call->back ? NULL : sqlite_touched (call, db, pages);
}

static struct err *
send_pages (const struct step_call *call, const struct lite_db *db, bool rest,
            long hold_ms, json_t **sent)
{
  CLEANUP_JSON json_t *out = sqlite_args (call, db, false, true);
  CLEANUP_JSON json_t *in = sqlite_args (call, db, true, true);
  CLEANUP_JSON json_t *got = NULL;
  json_object_set_new (out, "rest", json_boolean (rest));
  json_object_set_new (out, "hold_ms", json_integer (hold_ms));
  json_object_set_new (in, "adopt", json_boolean (call->back));
  files_maps (call, in);
  return call->source->ops->pipe (call->source, "sqlite.send", out,
                                  call->target, "sqlite.receive", in,
                                  call->tick, call->ctx, sent, &got);
}

/* In place nothing is written under the eyes of a program. */
static struct err *
nobody_has (const struct step_call *call, const struct lite_db *db)
{
  CLEANUP_FREE char *who = NULL;
  TRY (sqlite_holders (call, call->target, db->to, &who));
  if (who == NULL)
    return NULL;
  return err_todo (err_new (ERR_REFUSED, "RH-SQLITE-HELD",
                            "%s on the %s is to be written, and is open in %s",
                            db->place, call->target->name, who),
                   "stop it there");
}

/* Once more against what the last pass left; `sent` counts both. */
static struct err *
pass_again (const struct step_call *call, const struct lite_db *db,
            long hold_ms, json_t **sent)
{
  CLEANUP_JSON json_t *first = STEAL (*sent);
  uint64_t bytes, before;
  TRY (list_copy (call, db));
  struct err *e = send_pages (call, db, false, hold_ms, sent);
  if (e != NULL) {
    *sent = STEAL (first);
    return e;
  }
  TRY (json_get_u64 (first, "bytes", &before));
  TRY (json_get_u64 (*sent, "bytes", &bytes));
  json_object_set_new (*sent, "bytes", json_u64 (before + bytes));
  json_object_set_new (*sent, "sent",
                       json_integer (
                           json_integer_value (json_at (first, "sent"))
                           + json_integer_value (json_at (*sent, "sent"))));
  return NULL;
}

/* Where even one go takes too long the pages stay of several moments, which
 * the freeze ends; but the list of them is whole again. */
static struct err *
copy_live (const struct step_call *call, const struct lite_db *db,
           json_t **sent)
{
  bool last = plan_item_count (call->plan) == 1; /* no freeze will follow */
  TRY (make_parent (call, db->from, db->to));
  TRY (nobody_has (call, db));
  TRY (list_copy (call, db));
  TRY (send_pages (call, db, false, 0, sent));
  if (json_is_true (json_at (*sent, "same")))
    return NULL;
  struct err *e
      = pass_again (call, db, last ? ALONE_HOLD_MS : SQLITE_HOLD_MS, sent);
  if (e == NULL || last || strcmp (err_code (e), "RH-SQLITE-BUSY") != 0)
    return e;
  err_free (e);
  return pass_again (call, db, 0, sent);
}

/* The list that #settled made still holds: nobody writes on the target.  An
 * earlier attempt of ours may have used it up, which the sum tells. */
static struct err *
copy_rest (const struct step_call *call, const struct lite_db *db,
           json_t **sent)
{
  const json_t *settled = steps_input (call, "%s#settled", call->item->name);
  bool listed = !call->back && settled != NULL
                && words_have (json_at (settled, "listed"), db->place);
  struct err *e = NULL;
  TRY (make_parent (call, db->from, db->to));
  TRY (nobody_has (call, db));
  if (call->back)
    TRY (sqlite_forget (call, db));
  if (listed)
    e = send_pages (call, db, true, 0, sent);
  if (listed && (e == NULL || strcmp (err_code (e), "RH-SQLITE-SUM") != 0))
    return e;
  err_free (e);
  TRY (list_copy (call, db));
  return send_pages (call, db, true, 0, sent);
}

static struct err *
copy_all (const struct step_call *call, bool rest, json_t **result)
{
  CLEANUP_LITE_DBS struct lite_dbs dbs = { 0 };
  CLEANUP_JSON json_t *each = json_object ();
  CLEANUP_JSON json_t *findings = json_array ();
  uint64_t bytes = 0, all = 0;
  TRY (sqlite_dbs (call, &dbs));
  for (size_t i = 0; i < dbs.n; i++) {
    json_t *sent = NULL;
    uint64_t n, pages;
    struct err *e = rest ? copy_rest (call, &dbs.v[i], &sent)
                         : copy_live (call, &dbs.v[i], &sent);
    if (e != NULL)
      json_decref (sent);
    TRY (err_wrap (e, "%s", dbs.v[i].name));
    json_object_set_new (each, dbs.v[i].name, sent);
    TRY (json_get_u64 (sent, "bytes", &n));
    TRY (json_get_u64 (sent, "pages", &pages));
    bytes += n;
    all += pages * (uint64_t)json_integer_value (json_at (sent, "page_size"));
    if (!json_is_true (json_at (sent, "same")))
      json_array_append_new (
          findings,
          json_sprintf ("%s is written so often that a copy of one moment is "
                        "made in the freeze alone",
                        dbs.v[i].name));
  }
  *result = json_pack ("{s:O, s:I, s:o, s:o, s:O}", "databases", each, "files",
                       (json_int_t)dbs.n, "bytes", json_u64 (bytes), "data",
                       json_u64 (all), "findings", findings);
  return NULL;
}

/* A copy whose source is gone goes, too. */
static struct err *
drop_gone (const struct step_call *call, const struct lite_dbs *dbs,
           const char *index)
{
  struct remote_file mark CLEANUP_REMOTE = { 0 };
  CLEANUP_FREE char *root = call->back ? sqlite_from (call->item->spec)
                                       : sqlite_to (call->item->spec);
  CLEANUP_FREE char *ours = steps_path (call, "index/%s.ours", index);
  CLEANUP_FREE char *pages = steps_path (call, "index/%s.pages", index);
  TRY (remote_read (call->target, ours, &mark));
  size_t len = strlen (root);
  if (!mark.exists || mark.content == NULL
      || strncmp (mark.content, root, len) != 0 || mark.content[len] != '/')
    return NULL;
  for (size_t i = 0; i < dbs->n; i++)
    if (strcmp (dbs->v[i].to, mark.content) == 0)
      return NULL;
  TRY (remote_remove (call->target, mark.content));
  TRY (remote_remove (call->target, pages));
  return remote_remove (call->target, ours);
}

static struct err *
drop_all_gone (const struct step_call *call)
{
  CLEANUP_LITE_DBS struct lite_dbs dbs = { 0 };
  CLEANUP_JSON json_t *names = NULL;
  CLEANUP_FREE char *dir = steps_path (call, "index");
  size_t i;
  json_t *one;
  TRY (sqlite_dbs (call, &dbs));
  if (!dbs.directory)
    return NULL;
  TRY (remote_names (call->target, dir, &names));
  json_array_foreach (names, i, one)
  {
    const char *file = json_string_value (one);
    size_t len = strlen (file);
    if (strncmp (file, "sqlite", 6) != 0 || len < 5
        || strcmp (file + len - 5, ".ours") != 0)
      continue;
    CLEANUP_FREE char *index = mem_strndup (file, len - 5);
    TRY (drop_gone (call, &dbs, index));
  }
  return NULL;
}

struct err *
sqlite_seed (const struct step_call *call, json_t **result)
{
  TRY (drop_all_gone (call));
  return copy_all (call, false, result);
}

struct err *
sqlite_final (const struct step_call *call, json_t **result)
{
  TRY (drop_all_gone (call));
  return copy_all (call, true, result);
}

struct err *
sqlite_settle (const struct step_call *call, json_t **result)
{
  CLEANUP_LITE_DBS struct lite_dbs dbs = { 0 };
  CLEANUP_JSON json_t *each = json_object ();
  TRY (sqlite_dbs (call, &dbs));
  for (size_t i = 0; i < dbs.n; i++) {
    CLEANUP_JSON json_t *said = NULL;
    CLEANUP_FREE char *who = NULL;
    struct err *e
        = port_call (call->source, "sqlite.settle",
                     sqlite_args (call, &dbs.v[i], false, false), &said);
    if (e != NULL && strcmp (err_code (e), "RH-SQLITE-BUSY") == 0) {
      TRY (sqlite_holders (call, call->source, dbs.v[i].from, &who));
      e = err_wrap (e, "%s, which %s has open", dbs.v[i].name,
                    who != NULL ? who : "nobody that is seen");
    }
    TRY (e);
    json_object_set (each, dbs.v[i].name, said);
  }
  *result = json_pack ("{s:O}", "databases", each);
  return NULL;
}
