/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people changed about accounts on the target in the guard: passwords of
 * moved users go back to the source; all else is named, since no rule says
 * what it should mean there.
 */
#include "provider/accounts.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

struct carry {
  struct accounts_db *source, *target;
  struct accounts_scope scope;
  json_t *carried, *findings;
  struct buf lines;
};

static void
carry_clear (struct carry *c)
{
  accounts_db_free (c->source);
  accounts_db_free (c->target);
  accounts_scope_clear (&c->scope);
  json_decref (c->carried);
  json_decref (c->findings);
  if (c->lines.len > 0)
    explicit_bzero (c->lines.data, c->lines.len);
  buf_free (&c->lines);
}

static struct err *
password (struct carry *c, const char *name)
{
  const struct account *a = accounts_user (c->source, name);
  const struct account *b = accounts_user (c->target, name);
  if (a == NULL || b == NULL || a->hash == NULL || b->hash == NULL
      || b->hash[0] == '\0' || strcmp (a->hash, b->hash) == 0)
    return NULL;
  json_array_append_new (c->carried, json_string (name));
  return buf_printf (&c->lines, "%s:%s\n", name, b->hash);
}

/* Those of packages come and go with them. */
static bool
is_person (const struct account *a)
{
  return a->uid >= 1000 && a->uid < 65534;
}

static void
new_user (struct carry *c, const json_t *known, const struct account *b)
{
  if (!is_person (b) || known == NULL || words_have (known, b->name)
      || accounts_user (c->source, b->name) != NULL)
    return;
  json_array_append_new (
      c->findings,
      json_sprintf ("user %s (%u) was made on the target and is not on the "
                    "source: make it there, files of it carry that number",
                    b->name, b->uid));
}

static struct err *
look (const struct step_call *call, struct carry *c)
{
  const json_t *noted = steps_input (call, "accounts#guard-users");
  size_t i;
  json_t *one;
  TRY (accounts_load (call->target, &c->target));
  accounts_scope_read (call->plan, c->source, &c->scope);
  c->carried = json_array ();
  c->findings = json_array ();
  json_array_foreach (c->scope.users, i, one)
  {
    TRY (password (c, json_string_value (one)));
  }
  for (i = 0; i < c->target->users_n; i++)
    new_user (c, json_at (noted, "users"), &c->target->users[i]);
  return NULL;
}

struct err *
accounts_note (const struct step_call *call, json_t **result)
{
  struct accounts_db *db CLEANUP_ACCOUNTS = NULL;
  json_t *users CLEANUP_JSON = json_array ();
  TRY (accounts_load (call->target, &db));
  for (size_t i = 0; i < db->users_n; i++)
    if (is_person (&db->users[i]))
      words_add (users, db->users[i].name);
  *result = json_pack ("{s:O}", "users", users);
  return NULL;
}

/* After the pivot nothing waits for the target. */
static struct err *
not_looked_at (struct err *e, json_t **result)
{
  err_free (e);
  *result = json_pack ("{s:[s]}", "findings",
                       "what was changed about accounts on the target could "
                       "not be looked at");
  return NULL;
}

struct err *
accounts_carry (const struct step_call *call, json_t **result)
{
  CLEANUP (carry_clear) struct carry c = { 0 };
  TRY (accounts_load (call->source, &c.source)); /* this one is needed */
  struct err *e = call->alone ? NULL : look (call, &c);
  if (call->alone || port_is_lost (e))
    return not_looked_at (e, result);
  TRY (e);
  if (c.lines.len > 0) /* hashes go to its stdin and nowhere else */
    TRY (remote_must (call->source, remote_argv (ARGV ("chpasswd", "-e")),
                      (const char *)c.lines.data, NULL));
  size_t i;
  json_t *one;
  json_array_foreach (c.carried, i, one)
  {
    json_array_append_new (
        c.findings, json_sprintf ("the password of %s was changed on the "
                                  "target, and is on the source as it is there",
                                  json_string_value (one)));
  }
  *result
      = json_pack ("{s:O,s:O}", "passwords", c.carried, "findings", c.findings);
  return NULL;
}
