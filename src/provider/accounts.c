/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accounts provider: its spec, its steps, and the looks before the move.
 * All accounts items of a plan are moved by the steps of the first.
 */
#include "provider/accounts.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static bool
is_account_name (const char *s)
{
  size_t len = strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789_.-");
  return s[0] != '\0' && s[0] != '-' && s[0] != '.' && s[len] == '\0'
         && len <= 64;
}

static struct err *
check (const json_t *spec)
{
  static const char *const keys[]
      = { "accounts", "groups", "sudoers", "overwrite", NULL };
  TRY (spec_keys (spec, keys));
  TRY (spec_words (spec, "accounts", true, is_account_name, "account names"));
  TRY (spec_words (spec, "groups", false, is_account_name, "group names"));
  TRY (spec_words (spec, "sudoers", false, is_account_name,
                   "file names in /etc/sudoers.d"));
  return spec_flag (spec, "overwrite");
}

static char *
name (const json_t *spec)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach (json_at (spec, "accounts"), i, one)
  {
    struct err *e
        = buf_printf (&b, "%s%s", i == 0 ? "" : ",", json_string_value (one));
    if (e != NULL) {
      err_free (e);
      break;
    }
  }
  return b.len == 0 ? mem_strdup ("") : buf_steal_str (&b);
}

struct err *
accounts_load (struct port *p, struct accounts_db **out)
{
  static const char *const paths[]
      = { "/etc/passwd", "/etc/shadow", "/etc/group" };
  struct remote_file passwd CLEANUP_REMOTE = { 0 };
  struct remote_file shadow CLEANUP_REMOTE = { 0 };
  struct remote_file group CLEANUP_REMOTE = { 0 };
  struct remote_file *files[] = { &passwd, &shadow, &group };
  for (size_t i = 0; i < 3; i++) {
    TRY (remote_read (p, paths[i], files[i]));
    if (!files[i]->exists)
      return err_new (ERR_BLOCKED, "RH-ACCOUNTS-FORMAT",
                      "%s does not exist on the %s", paths[i], p->name);
  }
  return err_wrap (accounts_db_parse (passwd.content, shadow.content,
                                      group.content, out),
                   "reading the accounts of the %s", p->name);
}

void
accounts_scope_clear (struct accounts_scope *s)
{
  json_decref (s->users);
  json_decref (s->groups);
  json_decref (s->sudoers);
}

static void
add_all (json_t *to, const json_t *from)
{
  size_t i;
  json_t *one;
  json_array_foreach (from, i, one)
  {
    words_add (to, json_string_value (one));
  }
}

void
accounts_scope_read (const struct plan *plan, const struct accounts_db *source,
                     struct accounts_scope *out)
{
  *out = (struct accounts_scope){ json_array (), json_array (), json_array (),
                                  false };
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    if (strcmp (item->kind, "accounts") != 0)
      continue;
    add_all (out->users, json_at (item->spec, "accounts"));
    add_all (out->groups, json_at (item->spec, "groups"));
    add_all (out->sudoers, json_at (item->spec, "sudoers"));
    out->overwrite |= json_is_true (json_at (item->spec, "overwrite"));
  }
  size_t i;
  json_t *one;
  json_array_foreach (out->users, i, one)
  {
    const char *user = json_string_value (one);
    const struct account *a = accounts_user (source, user);
    for (size_t k = 0; k < source->groups_n; k++) {
      const struct account_group *g = &source->groups[k];
      if ((a != NULL && a->gid == g->gid) || accounts_member (g, user))
        words_add (out->groups, g->name);
    }
  }
}

struct err *
accounts_in_way (const struct accounts_scope *scope,
                 const struct accounts_db *source,
                 const struct accounts_db *target, const json_t *map,
                 const json_t *made)
{
  size_t i;
  json_t *one;
  json_array_foreach (scope->users, i, one)
  {
    const char *user = json_string_value (one);
    if (accounts_user (target, user) == NULL || scope->overwrite
        || words_have (json_at (made, "users"), user))
      continue;
    json_t *diffs CLEANUP_JSON = json_array ();
    accounts_diff_user (source, target, user, map, diffs);
    if (json_array_size (diffs) > 0)
      return err_todo (
          err_new (ERR_BLOCKED, "RH-ACCOUNTS-INWAY",
                   "the target has another account '%s': %s", user,
                   json_string_value (json_array_get (diffs, 0))),
          "rename it on the target, or write 'overwrite: true' on the "
          "accounts item to give it the source's data");
  }
  return NULL;
}

/* Shells must exist on the target, or nobody can log in there. */
static struct err *
check_shells (const struct step_call *call, const struct accounts_scope *scope,
              const struct accounts_db *source, json_t *findings)
{
  json_t *seen CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (scope->users, i, one)
  {
    const struct account *a = accounts_user (source, json_string_value (one));
    if (a == NULL || a->shell[0] != '/' || words_have (seen, a->shell))
      continue;
    words_add (seen, a->shell);
    bool there;
    TRY (remote_exists (call->target, a->shell, &there));
    if (!there && !steps_path_moves (call->plan, a->shell))
      return err_todo (err_new (ERR_BLOCKED, "RH-ACCOUNTS-SHELL",
                                "the login shell %s of %s does not exist on "
                                "the target",
                                a->shell, a->name),
                       "install the package that owns %s on the target",
                       a->shell);
    if (!steps_path_moves (call->plan, a->home)) {
      json_t *text = json_sprintf ("the home directory %s of %s is not among "
                                   "the plan's files",
                                   a->home, a->name);
      json_array_append_new (findings, text);
    }
  }
  return NULL;
}

static struct err *
check_sudoers (const struct step_call *call, const struct accounts_scope *s)
{
  size_t i;
  json_t *one;
  json_array_foreach (s->sudoers, i, one)
  {
    char *path CLEANUP_FREE
        = mem_printf ("/etc/sudoers.d/%s", json_string_value (one));
    struct remote_file from CLEANUP_REMOTE = { 0 };
    struct remote_file to CLEANUP_REMOTE = { 0 };
    TRY (remote_stat (call->source, path, &from));
    TRY (remote_stat (call->target, path, &to));
    if (!from.exists)
      return err_new (ERR_BLOCKED, "RH-ACCOUNTS-ABSENT",
                      "%s does not exist on the source", path);
    bool same = from.digest != NULL && to.digest != NULL
                && strcmp (from.digest, to.digest) == 0;
    if (to.exists && !same && !s->overwrite)
      return err_todo (err_new (ERR_BLOCKED, "RH-ACCOUNTS-INWAY",
                                "the target has another %s", path),
                       "remove it, or write 'overwrite: true' on the "
                       "accounts item: it is then kept aside");
  }
  return NULL;
}

static struct err *
load_both (const struct step_call *call, struct accounts_db **source,
           struct accounts_db **target, struct accounts_scope *scope)
{
  TRY (accounts_load (call->source, source));
  TRY (accounts_load (call->target, target));
  accounts_scope_read (call->plan, *source, scope);
  return NULL;
}

static struct err *
run_look (const struct step_call *call, json_t **result)
{
  struct accounts_db *source CLEANUP_ACCOUNTS = NULL;
  struct accounts_db *target CLEANUP_ACCOUNTS = NULL;
  struct accounts_scope scope CLEANUP_SCOPE = { 0 };
  TRY (load_both (call, &source, &target, &scope));
  json_t *map CLEANUP_JSON = NULL;
  TRY (accounts_map (source, target, scope.users, scope.groups, &map));
  char *path CLEANUP_FREE = steps_path (call, "results/accounts.json");
  json_t *made CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &made));
  json_t *findings CLEANUP_JSON = json_array ();
  TRY (accounts_in_way (&scope, source, target, map, made));
  TRY (check_shells (call, &scope, source, findings));
  TRY (check_sudoers (call, &scope));
  *result = json_pack ("{s:O,s:O,s:O,s:O}", "users", scope.users, "groups",
                       scope.groups, "sudoers", scope.sudoers, "findings",
                       findings);
  return NULL;
}

static struct err *
run_map (const struct step_call *call, json_t **result)
{
  struct accounts_db *source CLEANUP_ACCOUNTS = NULL;
  struct accounts_db *target CLEANUP_ACCOUNTS = NULL;
  struct accounts_scope scope CLEANUP_SCOPE = { 0 };
  TRY (load_both (call, &source, &target, &scope));
  TRY (accounts_map (source, target, scope.users, scope.groups, result));
  json_t *findings = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (json_at (*result, "moved_aside"), i, one)
  {
    json_array_append_new (
        findings,
        json_sprintf ("%s %s (%d) of the source is not moved, and its id is "
                      "%s's on the target: its files there get the free id %d",
                      json_string_value (json_at (one, "kind")),
                      json_string_value (json_at (one, "name")),
                      (int)json_integer_value (json_at (one, "from")),
                      json_string_value (json_at (one, "taken_by")),
                      (int)json_integer_value (json_at (one, "to"))));
  }
  json_object_set_new (*result, "findings", findings);
  return NULL;
}

static const struct step_row rows[] = {
  { "look", "accounts can be moved", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH,
    60000 },
  { "map", "map of user and group ids", STAGE_PREPARE, STEP_PURE, SIDE_BOTH,
    60000 },
  { "create", "accounts on the target", STAGE_PREPARE, STEP_IDEMPOTENT,
    SIDE_TARGET, 300000 },
  { "prove", "accounts are equal", STAGE_PROVE, STEP_PURE, SIDE_BOTH, 60000 },
  { "suspend", "sessions of moved users stand still", STAGE_FREEZE,
    STEP_REVERSIBLE, SIDE_SOURCE, 30000 },
  { "verify", "accounts are still equal", STAGE_VERIFY, STEP_PURE, SIDE_BOTH,
    60000 },
  { "guard-users", "who is on the target when the guard begins", STAGE_GUARD,
    STEP_PURE, SIDE_TARGET, 60000 },
  { "back-suspend", "sessions of moved users on the target stand still",
    STAGE_BACK_FREEZE, STEP_REVERSIBLE, SIDE_TARGET, 30000 },
  { "back-carry", "passwords that were changed on the target", STAGE_BACK_OPEN,
    STEP_FORWARD, SIDE_SOURCE, 60000 },
  { "back-resume", "sessions of moved users on the source go on",
    STAGE_BACK_OPEN, STEP_FORWARD, SIDE_SOURCE, 30000 },
};

static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  if (item != steps_first (plan, "accounts"))
    return NULL;
  long at = steps_item_index (plan, item);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    if (strcmp (rows[i].op, "create") == 0)
      needs_add (&needs, "accounts#map");
    if (strcmp (rows[i].op, "suspend") == 0)
      needs_add (&needs, "move#flag");
    if (strcmp (rows[i].op, "back-suspend") == 0)
      needs_add (&needs, "move#back-flag");
    TRY (steps_add (g, &rows[i], "accounts", "accounts", "", at, NULL, &needs));
  }
  return NULL;
}

static const struct step_op ops[] = {
  { "look", run_look, NULL, NULL },
  { "map", run_map, NULL, NULL },
  { "create", accounts_create, accounts_create_probe, NULL },
  { "prove", accounts_compare, NULL, NULL },
  { "verify", accounts_compare, NULL, NULL },
  { "suspend", accounts_suspend, accounts_suspend_probe,
    accounts_suspend_undo },
  { "back-carry", accounts_carry, NULL, NULL },
  { "guard-users", accounts_note, NULL, NULL },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-suspend", BACK_MIRRORED, "suspend" },
  { "back-resume", BACK_UNDONE, "suspend" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_accounts = {
  .kind = { "accounts", check, name },
  .about = "users, groups, memberships, passwords, ageing, sudoers snippets",
  .describe = describe,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_DELTA,
  .discover = NULL,
  .discard = accounts_discard,
};
