/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the moved accounts on the target, with the target's own tools.
 * Repeatable: each part is only done where it differs.  What rehome makes is
 * named in results/accounts.json before it is made.
 */
#include "provider/accounts.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* Everything that the parts of one creation need. */
struct making {
  const struct step_call *call;
  struct accounts_db *source, *target;
  struct accounts_scope scope;
  json_t *map;
  json_t *made; /* {"users", "groups", "homes", "sudoers": [...]} */
};

static void
making_clear (struct making *m)
{
  accounts_db_free (m->source);
  accounts_db_free (m->target);
  accounts_scope_clear (&m->scope);
  json_decref (m->map);
  json_decref (m->made);
}

static struct err *
reload_target (struct making *m)
{
  accounts_db_free (m->target);
  m->target = NULL;
  return accounts_load (m->call->target, &m->target);
}

/* Said before it is made. */
static struct err *
note_made (struct making *m, const char *kind, const char *what)
{
  char *path CLEANUP_FREE = steps_path (m->call, "results/accounts.json");
  json_t *list = json_at (m->made, kind);
  if (list == NULL) {
    list = json_array ();
    json_object_set_new (m->made, kind, list);
  }
  words_add (list, what);
  return remote_record (m->call->target, path, m->made);
}

static struct err *
record_made (struct making *m)
{
  char *path CLEANUP_FREE = steps_path (m->call, "results/accounts.json");
  TRY (remote_recall (m->call->target, path, &m->made));
  if (m->made == NULL)
    m->made = json_pack ("{s:[],s:[]}", "users", "groups");
  size_t i;
  json_t *one;
  json_array_foreach (m->scope.users, i, one)
  {
    if (accounts_user (m->target, json_string_value (one)) == NULL)
      words_add (json_at (m->made, "users"), json_string_value (one));
  }
  json_array_foreach (m->scope.groups, i, one)
  {
    if (accounts_group (m->target, json_string_value (one)) == NULL)
      words_add (json_at (m->made, "groups"), json_string_value (one));
  }
  return remote_record (m->call->target, path, m->made);
}

static struct err *
make_group (struct making *m, const char *name)
{
  const struct account_group *g = accounts_group (m->source, name);
  if (accounts_group (m->target, name) != NULL || g == NULL)
    return NULL;
  char *gid CLEANUP_FREE
      = mem_printf ("%u", accounts_mapped (json_at (m->map, "gids"), g->gid));
  return remote_must (m->call->target,
                      remote_argv (ARGV ("groupadd", "-g", gid, name)), NULL,
                      NULL);
}

/* useradd where the user is missing, usermod where it differs. */
static struct err *
make_user (struct making *m, const char *name)
{
  const struct account *a = accounts_user (m->source, name);
  const struct account *b = accounts_user (m->target, name);
  const struct account_group *g = accounts_gid (m->source, a->gid);
  const struct account_group *now
      = b == NULL ? NULL : accounts_gid (m->target, b->gid);
  if (g == NULL)
    return err_new (ERR_BLOCKED, "RH-ACCOUNTS-FORMAT",
                    "the primary group %u of %s has no name on the source",
                    a->gid, name);
  char *uid CLEANUP_FREE
      = mem_printf ("%u", accounts_mapped (json_at (m->map, "uids"), a->uid));
  json_t *argv;
  if (b == NULL)
    argv = remote_argv (ARGV ("useradd", "-M", "-N", "-u", uid));
  else if (now != NULL && strcmp (now->name, g->name) == 0
           && strcmp (a->home, b->home) == 0 && strcmp (a->shell, b->shell) == 0
           && strcmp (a->gecos, b->gecos) == 0)
    return NULL;
  else
    argv = remote_argv (ARGV ("usermod"));
  const char *const rest[] = { "-g",     g->name, "-s",    a->shell, "-c",
                               a->gecos, "-d",    a->home, name,     NULL };
  for (size_t i = 0; rest[i] != NULL; i++)
    remote_word (argv, rest[i]);
  return remote_must (m->call->target, argv, NULL, NULL);
}

/* Hashes go to chpasswd's stdin and nowhere else. */
static struct err *
set_passwords (struct making *m)
{
  struct buf lines CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach (m->scope.users, i, one)
  {
    const char *name = json_string_value (one);
    const struct account *a = accounts_user (m->source, name);
    const struct account *b = accounts_user (m->target, name);
    if (a->hash == NULL
        || (b != NULL && b->hash != NULL && strcmp (a->hash, b->hash) == 0))
      continue;
    if (a->hash[0] == '\0')
      TRY (remote_must (m->call->target,
                        remote_argv (ARGV ("passwd", "-q", "-d", name)), NULL,
                        NULL));
    else
      TRY (buf_printf (&lines, "%s:%s\n", name, a->hash));
  }
  if (lines.len == 0)
    return NULL;
  struct err *e
      = remote_must (m->call->target, remote_argv (ARGV ("chpasswd", "-e")),
                     (const char *)lines.data, NULL);
  explicit_bzero (lines.data, lines.len);
  return e;
}

static struct err *
set_ageing (struct making *m, const char *name)
{
  static const char *const flags[AGE_COUNT]
      = { "-d", "-m", "-M", "-W", "-I", "-E" };
  const struct account *a = accounts_user (m->source, name);
  const struct account *b = accounts_user (m->target, name);
  if (a->hash == NULL || b == NULL || b->hash == NULL)
    return NULL;
  json_t *argv = remote_argv (ARGV ("chage"));
  bool any = false;
  for (size_t i = 0; i < AGE_COUNT; i++) {
    if (strcmp (a->age[i], b->age[i]) == 0)
      continue;
    any = true;
    remote_word (argv, flags[i]);
    remote_word (argv, a->age[i][0] == '\0' ? "-1" : a->age[i]);
  }
  if (!any) {
    json_decref (argv);
    return NULL;
  }
  remote_word (argv, name);
  return remote_must (m->call->target, argv, NULL, NULL);
}

static struct err *
join_groups (struct making *m, const char *group)
{
  const struct account_group *a = accounts_group (m->source, group);
  const struct account_group *b = accounts_group (m->target, group);
  size_t i;
  json_t *one;
  json_array_foreach (m->scope.users, i, one)
  {
    const char *user = json_string_value (one);
    if (a == NULL || !accounts_member (a, user)
        || (b != NULL && accounts_member (b, user)))
      continue;
    TRY (remote_must (m->call->target,
                      remote_argv (ARGV ("gpasswd", "-a", user, group)), NULL,
                      NULL));
  }
  return NULL;
}

/* A home directory that no files item brings is made empty, as on the
 * source. */
static struct err *
make_home (struct making *m, const char *name)
{
  const struct account *a = accounts_user (m->source, name);
  const struct account *b = accounts_user (m->target, name);
  if (a->home[0] != '/' || b == NULL
      || steps_path_moves (m->call->plan, a->home))
    return NULL;
  struct remote_file from CLEANUP_REMOTE = { 0 };
  bool there;
  TRY (remote_stat (m->call->source, a->home, &from));
  TRY (remote_exists (m->call->target, a->home, &there));
  if (there || !from.exists || strcmp (from.type, "dir") != 0
      || from.uid != a->uid)
    return NULL;
  TRY (note_made (m, "homes", a->home));
  return remote_mkdir (m->call->target, a->home, from.mode, b->uid, b->gid);
}

/* Checked by visudo under /var/lib/rehome before sudo can see it. */
static struct err *
place_sudoers (struct making *m, const char *name)
{
  struct port *to = m->call->target;
  char *path CLEANUP_FREE = mem_printf ("/etc/sudoers.d/%s", name);
  char *stage CLEANUP_FREE = steps_path (m->call, "stage/sudoers-%s", name);
  char *aside CLEANUP_FREE = steps_path (m->call, "aside/sudoers-%s", name);
  struct remote_file a CLEANUP_REMOTE = { 0 };
  struct remote_file b CLEANUP_REMOTE = { 0 };
  TRY (remote_read (m->call->source, path, &a));
  TRY (remote_read (to, path, &b));
  if (!a.exists)
    return err_new (ERR_BLOCKED, "RH-ACCOUNTS-ABSENT",
                    "%s does not exist on the source", path);
  if (b.exists && b.len == a.len && memcmp (a.content, b.content, a.len) == 0)
    return NULL;
  if (b.exists && !m->scope.overwrite)
    return err_new (ERR_BLOCKED, "RH-ACCOUNTS-INWAY",
                    "the target has another %s", path);
  TRY (remote_write (to, stage, a.content, a.len, 0440));
  TRY (err_wrap (remote_must (to,
                              remote_argv (ARGV ("visudo", "-c", "-f", stage)),
                              NULL, NULL),
                 "checking %s", path));
  if (b.exists)
    TRY (remote_put (to, aside, &b));
  TRY (note_made (m, "sudoers", name));
  TRY (remote_write (to, path, a.content, a.len, 0440));
  return remote_remove (to, stage);
}

static struct err *
for_each (struct making *m, const json_t *names,
          struct err *(*part) (struct making *m, const char *name))
{
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    TRY (err_wrap (part (m, json_string_value (one)), "account data of %s",
                   json_string_value (one)));
  }
  return NULL;
}

static struct err *
load (struct making *m)
{
  TRY (accounts_load (m->call->source, &m->source));
  TRY (accounts_load (m->call->target, &m->target));
  accounts_scope_read (m->call->plan, m->source, &m->scope);
  return accounts_map (m->source, m->target, m->scope.users, m->scope.groups,
                       &m->map);
}

static void
add_copied (json_t *out, const json_t *names, const char *what)
{
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    json_array_append_new (out, json_sprintf ("%s%s", what,
                                              json_string_value (one)));
  }
}

/* All that is on the target because of this item, in words. */
static json_t *
copied_accounts (const struct making *m)
{
  json_t *out = json_array ();
  add_copied (out, m->scope.users, "user ");
  add_copied (out, m->scope.groups, "group ");
  add_copied (out, m->scope.sudoers, "/etc/sudoers.d/");
  return out;
}

struct err *
accounts_create (const struct step_call *call, json_t **result)
{
  struct making m CLEANUP (making_clear) = { .call = call };
  TRY (load (&m));
  /* The map that was recorded decides: owners of files follow it. */
  const json_t *recorded = steps_input (call, "accounts#map");
  if (recorded != NULL) {
    json_decref (m.map);
    m.map = json_incref ((json_t *)(uintptr_t)recorded);
  }
  TRY (record_made (&m));
  TRY (accounts_in_way (&m.scope, m.source, m.target, m.map, m.made));
  TRY (for_each (&m, m.scope.groups, make_group));
  TRY (for_each (&m, m.scope.users, make_user));
  TRY (reload_target (&m));
  TRY (set_passwords (&m));
  TRY (reload_target (&m));
  TRY (for_each (&m, m.scope.users, set_ageing));
  TRY (for_each (&m, m.scope.groups, join_groups));
  TRY (for_each (&m, m.scope.users, make_home));
  TRY (for_each (&m, m.scope.sudoers, place_sudoers));
  json_t *copied CLEANUP_JSON = copied_accounts (&m);
  *result = json_pack ("{s:O,s:O,s:O}", "made", m.made, "users",
                       json_at (m.map, "users"), "copied", copied);
  return NULL;
}

struct err *
accounts_create_probe (const struct step_call *call, enum probe_state *out)
{
  struct making m CLEANUP (making_clear) = { .call = call };
  TRY (load (&m));
  json_t *diffs CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (m.scope.users, i, one)
  {
    accounts_diff_user (m.source, m.target, json_string_value (one), m.map,
                        diffs);
  }
  accounts_diff_groups (m.source, m.target, &m.scope, m.map, diffs);
  char *path CLEANUP_FREE = steps_path (call, "results/accounts.json");
  bool begun;
  TRY (remote_exists (call->target, path, &begun));
  *out
      = !begun ? PROBED_NOT_DONE
        : json_array_size (diffs) == 0 && json_array_size (m.scope.sudoers) == 0
            ? PROBED_DONE
            : PROBED_PARTIAL;
  return NULL;
}
