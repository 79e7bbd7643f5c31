/* SPDX-License-Identifier: Apache-2.0 */
/* After an abort the accounts that the move made leave the target; those that
 * were there before stay. */
#include "provider/accounts.h"

#include "base/mem.h"
#include "provider/discard.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

struct leaving {
  const struct step_call *call;
  struct accounts_db *target;
  json_t *made;
  const char *record; /* where it is kept */
  bool dry;
  bool stays; /* the one that is looked at */
  json_t *out;
};

static void
tell (struct leaving *l, const char *kind, const char *name, const char *why)
{
  CLEANUP_FREE char *what = mem_printf ("%s%s", kind, name);
  l->stays |= why != NULL;
  if (why == NULL)
    discard_removed (l->out, what, 1, 0);
  else
    discard_kept (l->out, what, why);
}

/* A tool that refuses has its reason, which is told. */
static struct err *
by_tool (struct leaving *l, const char *tool, const char *kind,
         const char *name)
{
  struct ran r CLEANUP_RAN = { 0 };
  if (!l->dry)
    TRY (remote_run (l->call->target, remote_argv (ARGV (tool, name)), NULL,
                     60000, &r));
  if (r.status == 0) {
    tell (l, kind, name, NULL);
    return NULL;
  }
  r.err[strcspn (r.err, "\n")] = '\0';
  tell (l, kind, name, r.err);
  return NULL;
}

/* userdel takes a group of the user's name with it: not one that was there. */
static struct err *
leave_user (struct leaving *l, const char *name)
{
  if (accounts_user (l->target, name) == NULL)
    return NULL;
  if (accounts_group (l->target, name) != NULL
      && !words_have (json_at (l->made, "groups"), name))
  {
    tell (l, "user ", name, "a group of its name was there before");
    return NULL;
  }
  return by_tool (l, "userdel", "user ", name);
}

static struct err *
leave_group (struct leaving *l, const char *name)
{
  bool there = accounts_group (l->target, name) != NULL;
  return there ? by_tool (l, "groupdel", "group ", name) : NULL;
}

static bool
equals (const struct remote_file *a, const struct remote_file *b)
{
  return a->digest != NULL && b->digest != NULL
         && strcmp (a->digest, b->digest) == 0;
}

/* Only what equals the source's goes, or what is back already. */
static struct err *
leave_sudoers (struct leaving *l, const char *name)
{
  struct port *p = l->call->target;
  char *path CLEANUP_FREE = mem_printf ("/etc/sudoers.d/%s", name);
  char *aside CLEANUP_FREE = steps_path (l->call, "aside/sudoers-%s", name);
  struct remote_file old CLEANUP_REMOTE = { 0 };
  struct remote_file now CLEANUP_REMOTE = { 0 };
  struct remote_file source CLEANUP_REMOTE = { 0 };
  TRY (remote_read (p, aside, &old));
  TRY (remote_stat (p, path, &now));
  TRY (remote_stat (l->call->source, path, &source));
  bool back = equals (&now, &old);
  if (now.exists && !back && !equals (&now, &source)) {
    tell (l, "", path, "it is not the source's");
    return NULL;
  }
  if (old.exists)
    discard_restored (l->out, path);
  else if (now.exists)
    tell (l, "", path, NULL);
  if (l->dry)
    return NULL;
  if (old.exists)
    TRY (remote_put (p, path, &old));
  return remote_remove (p, old.exists ? aside : path);
}

/* Made empty; what somebody put there since stays. */
static struct err *
leave_home (struct leaving *l, const char *path)
{
  struct port *p = l->call->target;
  bool there;
  TRY (remote_exists (p, path, &there));
  if (!there)
    return NULL;
  if (!l->dry) {
    TRY (remote_remove_empty (p, path));
    TRY (remote_exists (p, path, &there));
  } else
    there = false;
  tell (l, "", path, there ? "it is not empty" : NULL);
  return NULL;
}

/* What is gone is not ours any more, should somebody make it anew. */
static struct err *
for_each (struct leaving *l, const char *kind,
          struct err *(*part) (struct leaving *l, const char *name))
{
  json_t *list = json_at (l->made, kind);
  for (size_t i = json_array_size (list); i-- > 0;) {
    CLEANUP_FREE char *name
        = mem_strdup (json_string_value (json_array_get (list, i)));
    l->stays = false;
    TRY (err_wrap (part (l, name), "discarding %s", name));
    if (l->stays || l->dry)
      continue;
    json_array_remove (list, i);
    TRY (remote_record (l->call->target, l->record, l->made));
  }
  return NULL;
}

static struct err *
leave_all (struct leaving *l)
{
  TRY (for_each (l, "sudoers", leave_sudoers));
  TRY (for_each (l, "homes", leave_home));
  TRY (for_each (l, "users", leave_user));
  accounts_db_free (l->target);
  l->target = NULL;
  TRY (accounts_load (l->call->target, &l->target));
  return for_each (l, "groups", leave_group);
}

struct err *
accounts_discard (const struct step_call *call, bool dry, json_t *out)
{
  char *path CLEANUP_FREE = steps_path (call, "results/accounts.json");
  json_t *made CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &made));
  if (made == NULL || call->item != steps_first (call->plan, "accounts"))
    return NULL;
  struct leaving l
      = { .call = call, .made = made, .record = path, .dry = dry, .out = out };
  struct err *e = accounts_load (call->target, &l.target);
  if (e == NULL)
    e = leave_all (&l);
  accounts_db_free (l.target);
  return e;
}
