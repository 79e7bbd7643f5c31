/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals and the backup, as facts. */
#include "report/permits.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/permit.h"

#include <string.h>

static const char *
member (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  return s != NULL ? s : "";
}

static json_t *
names_of (const json_t *people)
{
  json_t *names = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (people, i, one)
      json_array_append (names, json_object_get (one, "name"));
  return names;
}

static json_t *
of_this_plan (const struct plan *plan, const json_t *given)
{
  json_t *ours = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (given, i, one)
  {
    if (strcmp (member (one, "plan"), plan_hash (plan)) == 0)
      json_array_append (ours, one);
  }
  return ours;
}

static json_t *
backup_fact (const struct plan *plan)
{
  const json_t *backup = plan_backup (plan);
  const json_t *waiver = json_object_get (backup, "waiver");
  if (waiver != NULL)
    return json_pack ("{s:s, s:O, s:O}", "state", "waiver", "by",
                      json_object_get (waiver, "by"), "reason",
                      json_object_get (waiver, "reason"));
  return json_pack ("{s:s}", "state",
                    json_object_get (backup, "check") != NULL ? "check"
                                                              : "missing");
}

void
permits_put (const struct plan *plan, const json_t *given, json_t *facts)
{
  static const enum request asked[]
      = { REQUEST_CUTOVER, REQUEST_ACCEPT, REQUEST_ROLLBACK };
  CLEANUP_JSON json_t *ours = of_this_plan (plan, given);
  CLEANUP_JSON json_t *names = json_array ();
  CLEANUP_JSON json_t *roles = json_array ();
  CLEANUP_JSON json_t *missing = json_object ();
  size_t i;
  json_t *one;
  json_array_foreach (plan_approvals (plan), i, one)
  {
    json_array_append (names, json_object_get (one, "role"));
    json_array_append_new (
        roles,
        json_pack ("{s:O, s:o}", "role", json_object_get (one, "role"),
                   "people", names_of (json_object_get (one, "people"))));
  }
  for (i = 0; i < sizeof asked / sizeof *asked; i++)
    json_object_set_new (missing, request_name (asked[i]),
                         permit_missing (names, ours, asked[i]));
  json_object_set_new (facts, "approvals",
                       json_pack ("{s:O, s:O, s:O}", "roles", roles, "given",
                                  ours, "missing", missing));
  json_object_set_new (facts, "backup", backup_fact (plan));
}

/* Who can give it: "Anna Berg, Karl Krug"; of "A or B" those of A. */
static char *
people_of (const json_t *facts, const char *role)
{
  const json_t *roles
      = json_object_get (json_object_get (facts, "approvals"), "roles");
  char *all = mem_strdup ("");
  size_t i, j, n = strcspn (role, " ");
  json_t *one, *name;
  json_array_foreach (roles, i, one)
  {
    if (strncmp (member (one, "role"), role, n) != 0
        || strlen (member (one, "role")) != n)
      continue;
    json_array_foreach (json_object_get (one, "people"), j, name)
    {
      const char *s = json_string_value (name);
      CLEANUP_FREE char *safe = text_escape (s, strlen (s));
      char *more = mem_printf ("%s%s%s", all, j > 0 ? ", " : "", safe);
      free (all);
      all = more;
    }
  }
  return all;
}

char *
permits_missing (const json_t *facts, const char *request,
                 const char *plan_path)
{
  const json_t *list = json_object_get (
      json_object_get (json_object_get (facts, "approvals"), "missing"),
      request);
  char *all = NULL;
  size_t i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    const char *role = json_string_value (one);
    CLEANUP_FREE char *people = people_of (facts, role);
    char *more = mem_printf (
        "%s%s%s has to be approved by %s (%s): rehome approve %s --for %s "
        "--role %.*s --name NAME --meaning TEXT --key FILE",
        all != NULL ? all : "", all != NULL ? "\n" : "", request, role, people,
        plan_path, request, (int)strcspn (role, " "), role);
    free (all);
    all = more;
  }
  return all;
}
