/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals and the backup; see permit.h. */
#include "engine/permit.h"

#include "base/mem.h"
#include "engine/state.h"

#include <string.h>

static const char *
member (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  return s != NULL ? s : "";
}

static enum request
plain (enum request r)
{
  return r == REQUEST_ROLLBACK_ALONE ? REQUEST_ROLLBACK : r;
}

bool
permit_can_be_approved (enum request r)
{
  return r == REQUEST_CUTOVER || r == REQUEST_ACCEPT || r == REQUEST_ROLLBACK;
}

static bool
is_for (const json_t *approval, enum request r)
{
  return strcmp (member (approval, "for"), request_name (plain (r))) == 0;
}

static bool
has_role (const json_t *given, const char *role, enum request r)
{
  size_t i;
  json_t *one;
  json_array_foreach (given, i, one)
  {
    if (is_for (one, r) && strcmp (member (one, "role"), role) == 0)
      return true;
  }
  return false;
}

json_t *
permit_missing (const json_t *roles, const json_t *given, enum request r)
{
  json_t *missing = json_array ();
  size_t i, n = json_array_size (roles);
  json_t *role;
  json_array_foreach (roles, i, role)
  {
    if (!has_role (given, json_string_value (role), r))
      json_array_append (missing, role);
  }
  bool one_is_enough = n > 1 && r != REQUEST_CUTOVER;
  bool any
      = permit_can_be_approved (plain (r)) && (r == REQUEST_CUTOVER || n > 1);
  if (!any || (one_is_enough && json_array_size (missing) < n))
    json_array_clear (missing);
  else if (one_is_enough) {
    CLEANUP_FREE char *either
        = mem_printf ("%s or %s", json_string_value (json_array_get (roles, 0)),
                      json_string_value (json_array_get (roles, 1)));
    json_array_clear (missing);
    json_array_append_new (missing, json_string (either));
  }
  return missing;
}

static const json_t *
roles_of (const struct engine *e)
{
  return json_object_get (e->planned, "approvals");
}

/* Neither a check in the plan nor a waiver.  Records of a time before there
 * was such a section say nothing, and ask for nothing. */
static bool
lacks_backup (const struct engine *e)
{
  const char *has = member (e->planned, "backup");
  return strcmp (has, "missing") == 0
         || (strcmp (has, "waiver") == 0 && !e->waived);
}

bool
permit_given (const struct engine *e, enum request r)
{
  json_t *missing CLEANUP_JSON = permit_missing (roles_of (e), e->approvals, r);
  bool backup = r != REQUEST_CUTOVER || !lacks_backup (e);
  return json_array_size (missing) == 0 && backup;
}

/* ---- Refusals ---- */

static struct err *
refuse_missing (const json_t *missing, enum request r)
{
  CLEANUP_FREE char *first
      = mem_strdup (json_string_value (json_array_get (missing, 0)));
  const char *second = json_string_value (json_array_get (missing, 1));
  const char *what = request_name (plain (r));
  return err_todo (
      err_advise (err_new (ERR_REFUSED, "RH-ENGINE-APPROVAL",
                           "%s needs an approval of this plan by %s%s%s", what,
                           first, second != NULL ? " and by " : "",
                           second != NULL ? second : ""),
                  "nothing was changed", NULL),
      "rehome approve PLAN --for %s --role ROLE --name NAME --meaning TEXT "
      "--key FILE",
      what);
}

/* "operator:anna", also inside of "web (operator:anna)". */
static bool
works_as (const char *actor, const char *account)
{
  size_t n = strlen (account);
  for (const char *at = actor; n > 0 && *at != '\0'; at++) {
    if (strncmp (at, account, n) != 0)
      continue;
    bool begins = at == actor || strchr (": (", at[-1]) != NULL;
    bool ends = at[n] == '\0' || at[n] == ' ' || at[n] == ')';
    if (begins && ends)
      return true;
  }
  return false;
}

/* Where two roles are asked for, who asks is none of those who approved. */
static struct err *
refuse_own (const struct engine *e, enum request r, const char *actor)
{
  size_t i;
  json_t *one;
  if (json_array_size (roles_of (e)) < 2)
    return NULL;
  json_array_foreach (e->approvals, i, one)
  {
    if (is_for (one, r)
        && (works_as (actor, member (one, "account"))
            || works_as (actor, member (one, "name"))))
      return err_advise (
          err_new (ERR_REFUSED, "RH-ENGINE-OWNAPPROVAL",
                   "%s approved this %s, and cannot ask for it as well",
                   member (one, "name"), request_name (plain (r))),
          "nothing was changed", "let somebody else give the command");
  }
  return NULL;
}

struct err *
permit_refused (const struct engine *e, enum request r, const char *actor)
{
  if (!permit_can_be_approved (plain (r)))
    return NULL;
  json_t *missing CLEANUP_JSON = permit_missing (roles_of (e), e->approvals, r);
  if (json_array_size (missing) > 0)
    return refuse_missing (missing, r);
  if (r == REQUEST_CUTOVER && lacks_backup (e))
    return err_advise (
        err_new (ERR_REFUSED, "RH-ENGINE-BACKUP",
                 "no restore of a backup shows that the source could be had "
                 "back, and nobody has waived it"),
        "nothing was changed",
        "write backup: into the plan, with a check or with a waiver "
        "(docs/PLAN.md)");
  return refuse_own (e, r, actor != NULL ? actor : "");
}

/* ---- Fold ---- */

/* Another plan: what was approved or waived was about the one before. */
void
permit_forget (struct engine *e)
{
  json_array_clear (e->approvals);
  e->waived = false;
  e->no_way_back = false;
}

/* A request that is under way does not outlive what it rested on. */
void
permit_check_goal (struct engine *e)
{
  if (e->goal == REQUEST_CUTOVER && !permit_given (e, e->goal))
    e->goal = REQUEST_SYNC;
  if (e->stopped != NO_REQUEST && !permit_given (e, e->stopped))
    e->stopped = NO_REQUEST;
}

static bool
is_of_plan (const struct engine *e, const json_t *o)
{
  const char *plan = member (e->planned, "plan");
  return plan[0] != '\0' && strcmp (member (o, "plan"), plan) == 0;
}

/* Approvals of another plan are history. */
struct err *
fold_approve (struct engine *e, const struct record *r)
{
  const json_t *approval = json_object_get (r->data, "approval");
  const char *key;
  if (approval == NULL)
    return NULL; /* of the migration's own key */
  TRY (json_get_str (approval, "fingerprint", &key));
  if (is_of_plan (e, approval))
    json_array_append_new (e->approvals, json_deep_copy (approval));
  return NULL;
}

/* Each cutover is confirmed for itself. */
void
permit_fold_cutover (struct engine *e, const struct record *r)
{
  e->no_way_back = is_of_plan (e, json_object_get (r->data, "no_way_back"));
}

struct err *
fold_waiver (struct engine *e, const struct record *r)
{
  const json_t *backup = json_object_get (r->data, "backup");
  if (backup != NULL && is_of_plan (e, backup))
    e->waived = true;
  return NULL;
}
