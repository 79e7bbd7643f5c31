/* SPDX-License-Identifier: Apache-2.0 */
/* Checks approvals before they are journaled. */
#include "exec/approve.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/permit.h"
#include "host/sshsig.h"
#include "journal/approval.h"

#include <string.h>
#include <time.h>

static const char *
member (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  return s != NULL ? s : "";
}

static struct err *
refuse (struct err *e, const char *todo)
{
  return err_advise (e, "nothing was changed", todo);
}

static const json_t *
find (const json_t *list, const char *key, const char *value)
{
  size_t i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    if (strcmp (member (one, key), value) == 0)
      return one;
  }
  return NULL;
}

/* The words of `key` in the list, for people: "a, b". */
static char *
words_of (const json_t *list, const char *key)
{
  char *all = mem_strdup ("");
  size_t i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    char *more
        = mem_printf ("%s%s%s", all, i > 0 ? ", " : "", member (one, key));
    free (all);
    all = more;
  }
  return all;
}

static struct err *
choose (const json_t *list, const char *key, const char *value,
        const char *option, const json_t **out)
{
  *out = value != NULL                 ? find (list, key, value)
         : json_array_size (list) == 1 ? json_array_get (list, 0)
                                       : NULL;
  if (*out != NULL)
    return NULL;
  CLEANUP_FREE char *known = words_of (list, key);
  CLEANUP_FREE char *safe
      = value != NULL ? text_escape (value, strlen (value)) : NULL;
  struct err *e
      = value != NULL
            ? err_new (ERR_CORRECT, "RH-APPROVE-ROLE",
                       "the plan has no %s \"%s\"; it has: %s", option, safe,
                       known)
            : err_new (ERR_CORRECT, "RH-APPROVE-ROLE",
                       "the plan has more than one %s: %s", option, known);
  return refuse (err_todo (e, "add --%s", option), NULL);
}

struct err *
approve_person (const struct plan *plan, const char *role, const char *name,
                const char **role_out, const json_t **out)
{
  const json_t *roles = plan_approvals (plan), *one = NULL;
  if (json_array_size (roles) == 0)
    return refuse (err_new (ERR_CORRECT, "RH-APPROVE-ROLE",
                            "the plan asks for no approvals"),
                   "nothing has to be done");
  TRY (choose (roles, "role", role, "role", &one));
  *role_out = member (one, "role");
  return choose (json_object_get (one, "people"), "name", name, "name", out);
}

static struct err *
check_subject (const struct plan *plan, const char *migration, const json_t *o)
{
  enum request r;
  struct tm tm;
  if (strcmp (member (o, "plan"), plan_hash (plan)) != 0)
    return refuse (err_new (ERR_REFUSED, "RH-APPROVE-PLAN",
                            "what was signed is another plan (%.12s), not this "
                            "one (%.12s)",
                            member (o, "plan"), plan_hash (plan)),
                   "approve the plan as it is now: rehome approve PLAN");
  if (strcmp (member (o, "migration"), migration) != 0)
    return refuse (err_new (ERR_REFUSED, "RH-APPROVE-PLAN",
                            "what was signed is another migration, not %s",
                            migration),
                   "approve this one: rehome approve PLAN");
  if (request_from_name (member (o, "for"), &r) != 0
      || !permit_can_be_approved (r))
    return refuse (err_new (ERR_CORRECT, "RH-APPROVE-ROLE",
                            "this cannot be approved; cutover, accept and "
                            "rollback can"),
                   "use --for cutover, accept or rollback");
  const char *end = strptime (member (o, "time"), "%Y-%m-%dT%H:%M:%SZ", &tm);
  if (end == NULL || *end != '\0')
    return refuse (err_new (ERR_CORRECT, "RH-APPROVE-FORM",
                            "the time of the approval is none in UTC"),
                   "let rehome approve PLAN --output FILE write it");
  return NULL;
}

static struct err *
check_signature (const json_t *person, const char *text, const char *signature)
{
  CLEANUP_ERR struct err *e
      = sshsig_check (member (person, "key"), APPROVAL_SPACE, text,
                      strlen (text), signature);
  if (e == NULL)
    return NULL;
  return refuse (err_new (ERR_REFUSED, "RH-APPROVE-SIGNATURE",
                          "the signature is not one by the key that the plan "
                          "has for %s: %s",
                          member (person, "name"), err_message (e)),
                 "sign with the private half of the key in the plan");
}

struct err *
approve_check (const struct plan *plan, const char *migration, const char *text,
               const char *signature, json_t **out)
{
  CLEANUP_JSON json_t *o = NULL;
  CLEANUP_FREE char *fingerprint = NULL;
  const json_t *person = NULL;
  const char *role = NULL;
  TRY (approval_parse (text, &o));
  TRY (check_subject (plan, migration, o));
  TRY (approve_person (plan, member (o, "role"), member (o, "name"), &role,
                       &person));
  TRY (check_signature (person, text, signature));
  TRY (sshsig_fingerprint (member (person, "key"), &fingerprint));
  json_object_set (o, "key", json_object_get (person, "key"));
  json_object_set_new (o, "fingerprint", json_string (fingerprint));
  json_object_set_new (o, "signature", json_string (signature));
  if (json_object_get (person, "account") != NULL)
    json_object_set (o, "account", json_object_get (person, "account"));
  *out = json_pack ("{s:O}", "approval", o);
  return NULL;
}

/* ---- The head ---- */

/* What the chain begins with: the hash of the first plan. */
static struct err *
begins (void *ctx, unsigned n, const void *text, size_t len)
{
  if (n == 1)
    record_hash (text, len, ctx);
  return NULL;
}

struct err *
approve_check_head (struct store *s, const json_t *data)
{
  char hash[65], is[65] = "";
  uint64_t seq;
  bool found = true;
  TRY (approval_head (json_object_get (data, "approval"), &seq, hash));
  if (seq == 0)
    TRY (store_each_plan (s, begins, is));
  else
    TRY (store_hash_at (s, seq, is, &found));
  if (found && strcmp (is, hash) == 0)
    return NULL;
  return refuse (
      err_new (ERR_REFUSED, "RH-APPROVE-HEAD",
               "what was signed names a head that this journal never "
               "had"),
      "sign again, with the journal as it is: rehome approve PLAN");
}
