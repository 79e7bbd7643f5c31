/* SPDX-License-Identifier: Apache-2.0 */
/* Looks before anything is copied: what it is, who uses it, whether it fits,
 * whether something is in its way. */
#include "provider/sqlite.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define SPARE_BYTES ((uint64_t)16 << 20)

static struct err *
space_at (struct port *port, const char *path, json_t **out)
{
  return port_call (
      port, "space",
      json_pack ("{s:o}", "path", json_bytes (path, strlen (path))), out);
}

/* Locks of other machines are not seen there, and often not kept. */
static struct err *
check_filesystem (const struct step_call *call, const struct lite_db *db,
                  json_t *one, json_t *findings)
{
  static const char *const network[]
      = { "nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "fuse.sshfs" };
  CLEANUP_JSON json_t *space = NULL;
  TRY (space_at (call->source, db->from, &space));
  const char *type = json_string_value (json_at (space, "filesystem"));
  json_object_set (one, "filesystem", json_at (space, "filesystem"));
  for (size_t i = 0; type != NULL && i < sizeof network / sizeof *network; i++)
    if (strcmp (type, network[i]) == 0)
      json_array_append_new (
          findings, json_sprintf ("%s lies on %s: locks of programs on other "
                                  "machines are not seen",
                                  db->name, type));
  return NULL;
}

static struct err *
check_inway (const struct step_call *call, const struct lite_db *db)
{
  CLEANUP_FREE char *ours = steps_path (call, "index/%s.ours", db->receiver);
  bool own, there;
  TRY (remote_exists (call->target, ours, &own));
  TRY (remote_exists (call->target, db->to, &there));
  if (own || !there)
    return NULL;
  return err_advise (err_new (ERR_BLOCKED, "RH-SQLITE-INWAY",
                              "%s is there on the target already", db->place),
                     "nothing was changed",
                     "move it away, or give the item another place with to:");
}

static struct err *
look_at (const struct step_call *call, const struct lite_db *db, json_t *each,
         uint64_t *bytes, json_t *findings)
{
  CLEANUP_JSON json_t *one = NULL;
  CLEANUP_FREE char *who = NULL;
  uint64_t pages;
  TRY (port_call (call->source, "sqlite.look",
                  sqlite_args (call, db, false, false), &one));
  TRY (json_get_u64 (one, "pages", &pages));
  *bytes += pages * (uint64_t)json_integer_value (json_at (one, "page_size"));
  TRY (sqlite_holders (call, call->source, db->from, &who));
  json_object_set_new (one, "open_in",
                       who != NULL ? json_string (who) : json_null ());
  TRY (check_filesystem (call, db, one, findings));
  json_object_set (each, db->name, one);
  return check_inway (call, db);
}

static struct err *
check_space (const struct step_call *call, uint64_t bytes, json_t *result)
{
  CLEANUP_JSON json_t *space = NULL;
  CLEANUP_FREE char *to = sqlite_to (call->item->spec);
  uint64_t free_bytes;
  bool there;
  TRY (remote_exists (call->target, to, &there));
  TRY (space_at (call->target, to, &space));
  TRY (json_get_u64 (space, "bytes_free", &free_bytes));
  uint64_t need = bytes + bytes / 50;
  json_object_set_new (result, "needs", json_u64 (there ? 0 : need));
  json_object_set_new (result, "needs_inodes", json_u64 (1));
  json_object_set (result, "space", space);
  if (there || free_bytes > need + SPARE_BYTES)
    return NULL;
  return err_new (ERR_BLOCKED, "RH-FILES-NOSPACE",
                  "%s needs %llu MiB on the target, %llu MiB are free there",
                  to, (unsigned long long)(need >> 20),
                  (unsigned long long)(free_bytes >> 20));
}

/* What else lies in a directory is a matter of files, and an item of files
 * leaves out the whole path. */
static struct err *
check_directory (const struct step_call *call, const struct lite_dbs *dbs)
{
  CLEANUP_FREE char *own = sqlite_from (call->item->spec);
  for (size_t i = 0; dbs->directory && i < plan_item_count (call->plan); i++) {
    const struct plan_item *other = plan_item (call->plan, i);
    const char *path = json_string_value (json_at (other->spec, "files"));
    if (path == NULL || strcmp (other->kind, "files") != 0)
      continue;
    size_t len = strlen (path);
    while (len > 1 && path[len - 1] == '/')
      len--;
    if (strncmp (own, path, len) == 0 && own[len] == '/')
      return err_todo (
          err_new (ERR_BLOCKED, "RH-SQLITE-DIRECTORY",
                   "%s is a directory below %s, which is an item, too: its "
                   "other files would stay behind",
                   own, path),
          "name each database as an item of its own");
  }
  return NULL;
}

struct err *
sqlite_look (const struct step_call *call, json_t **result)
{
  CLEANUP_LITE_DBS struct lite_dbs dbs = { 0 };
  CLEANUP_JSON json_t *each = json_object ();
  CLEANUP_JSON json_t *findings = json_array ();
  CLEANUP_JSON json_t *out = json_object ();
  uint64_t bytes = 0;
  TRY (sqlite_dbs (call, &dbs));
  TRY (check_directory (call, &dbs));
  for (size_t i = 0; i < dbs.n; i++)
    TRY (err_wrap (look_at (call, &dbs.v[i], each, &bytes, findings), "%s",
                   dbs.v[i].from));
  if (dbs.directory && dbs.n == 0)
    json_array_append_new (
        findings, json_sprintf ("%s holds no database",
                                json_string_value (
                                    json_at (call->item->spec, "sqlite"))));
  TRY (check_space (call, bytes, out));
  json_object_set (out, "databases", each);
  json_object_set_new (out, "bytes", json_u64 (bytes));
  json_object_set (out, "findings", findings);
  *result = STEAL (out);
  return NULL;
}
