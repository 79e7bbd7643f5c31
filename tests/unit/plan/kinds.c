/* SPDX-License-Identifier: Apache-2.0 */
/* See kinds.h. */
#include "kinds.h"

#include "base/mem.h"

#include <string.h>

static struct err *
check_files (const json_t *spec)
{
  const char *path = json_string_value (json_object_get (spec, "files"));
  if (path == NULL || *path != '/')
    return err_new (ERR_CORRECT, "RH-FILES-SPEC",
                    "found a path that is not absolute; expected one from / "
                    "on");
  return NULL;
}

static char *
name_files (const json_t *spec)
{
  return mem_strdup (json_string_value (json_object_get (spec, "files")));
}

static struct err *
check_accounts (const json_t *spec)
{
  const json_t *names = json_object_get (spec, "accounts");
  if (!json_is_array (names))
    return err_new (ERR_CORRECT, "RH-PLAN-TYPE",
                    "found something else; expected 'accounts' to be a list "
                    "of names");
  for (size_t i = 0; i < json_array_size (names); i++)
    if (strcmp (json_string_value (json_array_get (names, i)), "-x") == 0)
      return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                      "'accounts' has '-x'; expected account names");
  if (json_object_get (spec, "color") != NULL)
    return err_new (ERR_CORRECT, "RH-PLAN-KEY",
                    "unknown key 'color'; expected accounts");
  if (json_object_get (json_object_get (spec, "ready"), "http") != NULL)
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'ready.http' isn't; expected a URL");
  return NULL;
}

static char *
name_accounts (const json_t *spec)
{
  return mem_strdup (json_string_value (
      json_array_get (json_object_get (spec, "accounts"), 0)));
}

static const struct plan_kind kinds[] = {
  { .kind = "files", .check = check_files, .name = name_files },
  { .kind = "accounts", .check = check_accounts, .name = name_accounts },
};

static const struct plan_kind *
find (const char *kind)
{
  for (size_t i = 0; i < 2; i++)
    if (strcmp (kind, kinds[i].kind) == 0)
      return &kinds[i];
  return NULL;
}

const struct plan_kinds test_kinds = { find };
