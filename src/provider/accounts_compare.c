/* SPDX-License-Identifier: Apache-2.0 */
/* Are the accounts the same on both hosts?  Each difference in words. */
#include "provider/accounts.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static void
differ (json_t *out, const char *user, const char *what, const char *source,
        const char *target)
{
  if (strcmp (source, target) != 0)
    json_array_append_new (out,
                           json_sprintf ("%s of %s is '%s' on the source and "
                                         "'%s' on the target",
                                         what, user, source, target));
}

static const char *
group_name (const struct accounts_db *db, uint32_t gid)
{
  const struct account_group *g = accounts_gid (db, gid);
  return g == NULL ? "(unknown)" : g->name;
}

/* The hash itself is never shown. */
static void
diff_hash (const struct account *a, const struct account *b, json_t *out)
{
  static const char *const ages[AGE_COUNT]
      = { "last password change",     "minimum password age",
          "maximum password age",     "password warning time",
          "password inactivity time", "account expiry" };
  if (a->hash == NULL)
    return;
  if (b->hash == NULL || strcmp (a->hash, b->hash) != 0)
    json_array_append_new (out, json_sprintf ("password hash of %s differs",
                                              a->name));
  for (size_t i = 0; b->hash != NULL && i < AGE_COUNT; i++)
    differ (out, a->name, ages[i], a->age[i], b->age[i]);
}

void
accounts_diff_user (const struct accounts_db *source,
                    const struct accounts_db *target, const char *name,
                    const json_t *map, json_t *out)
{
  const struct account *a = accounts_user (source, name);
  const struct account *b = accounts_user (target, name);
  if (a == NULL || b == NULL) {
    json_array_append_new (out,
                           json_sprintf ("user %s is missing on the %s", name,
                                         a == NULL ? "source" : "target"));
    return;
  }
  uint32_t uid = accounts_mapped (json_at (map, "uids"), a->uid);
  if (uid != b->uid)
    json_array_append_new (out, json_sprintf ("user id of %s is %u on the "
                                              "target, the map says %u",
                                              name, b->uid, uid));
  differ (out, name, "primary group", group_name (source, a->gid),
          group_name (target, b->gid));
  differ (out, name, "home directory", a->home, b->home);
  differ (out, name, "login shell", a->shell, b->shell);
  if (strcmp (a->gecos, b->gecos) != 0) /* a person's: not for the journal */
    json_array_append_new (out, json_sprintf ("full name of %s differs", name));
  diff_hash (a, b, out);
}

void
accounts_diff_groups (const struct accounts_db *source,
                      const struct accounts_db *target,
                      const struct accounts_scope *scope, const json_t *map,
                      json_t *out)
{
  size_t i;
  size_t k;
  json_t *one;
  json_t *who;
  json_array_foreach (scope->groups, i, one)
  {
    const char *name = json_string_value (one);
    const struct account_group *a = accounts_group (source, name);
    const struct account_group *b = accounts_group (target, name);
    if (a == NULL || b == NULL) {
      json_array_append_new (
          out, json_sprintf ("group %s is missing on the "
                             "%s",
                             name, a == NULL ? "source" : "target"));
      continue;
    }
    uint32_t gid = accounts_mapped (json_at (map, "gids"), a->gid);
    if (gid != b->gid)
      json_array_append_new (out, json_sprintf ("group id of %s is %u on the "
                                                "target, the map says %u",
                                                name, b->gid, gid));
    json_array_foreach (scope->users, k, who)
    {
      const char *user = json_string_value (who);
      bool on_source = accounts_member (a, user);
      if (on_source == accounts_member (b, user))
        continue;
      json_array_append_new (
          out, on_source
                   ? json_sprintf ("group membership of %s in %s is missing "
                                   "on the target",
                                   user, name)
                   : json_sprintf ("%s is a member of %s on the target only",
                                   user, name));
    }
  }
}

static struct err *
diff_sudoers (const struct step_call *call, const json_t *names, json_t *out)
{
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    char *path CLEANUP_FREE
        = mem_printf ("/etc/sudoers.d/%s", json_string_value (one));
    struct remote_file a CLEANUP_REMOTE = { 0 };
    struct remote_file b CLEANUP_REMOTE = { 0 };
    TRY (remote_stat (call->source, path, &a));
    TRY (remote_stat (call->target, path, &b));
    if (!a.exists || !b.exists)
      json_array_append_new (out,
                             json_sprintf ("%s is missing on the %s", path,
                                           a.exists ? "target" : "source"));
    else if (a.digest == NULL || b.digest == NULL
             || strcmp (a.digest, b.digest) != 0)
      json_array_append_new (out, json_sprintf ("%s differs", path));
    else if ((b.mode & 022) != 0 || b.uid != 0)
      json_array_append_new (
          out, json_sprintf ("%s can be written by others than root on the "
                             "target",
                             path));
  }
  return NULL;
}

struct err *
accounts_compare (const struct step_call *call, json_t **result)
{
  struct accounts_db *source CLEANUP_ACCOUNTS = NULL;
  struct accounts_db *target CLEANUP_ACCOUNTS = NULL;
  struct accounts_scope scope CLEANUP_SCOPE = { 0 };
  TRY (accounts_load (call->source, &source));
  TRY (accounts_load (call->target, &target));
  accounts_scope_read (call->plan, source, &scope);
  const json_t *map = steps_input (call, "accounts#map");
  json_t *diffs CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (scope.users, i, one)
  {
    accounts_diff_user (source, target, json_string_value (one), map, diffs);
  }
  accounts_diff_groups (source, target, &scope, map, diffs);
  TRY (diff_sudoers (call, scope.sudoers, diffs));
  if (json_array_size (diffs) > 0)
    return err_todo (steps_unequal ("RH-ACCOUNTS-UNEQUAL",
                                    "accounts are not equal", diffs),
                     "run 'rehome sync' again, which sets them anew; an "
                     "account that someone else changes meanwhile has to be "
                     "left alone until the move is over");
  *result
      = json_pack ("{s:O,s:O,s:O,s:i}", "users", scope.users, "groups",
                   scope.groups, "sudoers", scope.sudoers, "differences", 0);
  return NULL;
}
