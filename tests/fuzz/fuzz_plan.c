/* SPDX-License-Identifier: Apache-2.0 */
/* A plan file with any bytes: it is a plan, or its mistake is named with file,
 * line and column; and what is taken can be read again to the same. */
#include "base/mem.h"
#include "plan/plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The kinds' own checks are the providers': here any spec is one. */
static char *
name_of (const json_t *spec)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)spec, key, value)
  {
    if (json_is_string (value))
      return mem_strdup (json_string_value (value));
    break;
  }
  return mem_strdup ("some");
}

static const struct plan_kind kinds[] = { { "files", NULL, name_of },
                                          { "accounts", NULL, name_of },
                                          { "service", NULL, name_of },
                                          { "cron", NULL, name_of } };

static const struct plan_kind *
find (const char *kind)
{
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp (kinds[i].kind, kind) == 0)
      return &kinds[i];
  return NULL;
}

/* "RH-PLAN-...: fuzz:LINE:COLUMN: ..." with numbers that begin at 1. */
static void
is_placed (const struct err *e)
{
  const char *text = err_message (e);
  char *end;
  if (strncmp (err_code (e), "RH-PLAN-", 8) != 0)
    __builtin_trap ();
  if (strcmp (err_code (e), "RH-PLAN-READ") == 0)
    return;
  if (strncmp (text, "fuzz:", 5) != 0)
    __builtin_trap ();
  if (strtol (text + 5, &end, 10) < 1 || *end != ':'
      || strtol (end + 1, &end, 10) < 1 || *end != ':')
    __builtin_trap ();
}

static void
is_whole (const struct plan *p)
{
  size_t len = 0;
  if (strlen (plan_hash (p)) != 64 || plan_name (p)[0] == '\0'
      || plan_item_count (p) < 1 || plan_source (p)->host == NULL
      || plan_target (p)->host == NULL || plan_text (p, &len) == NULL)
    __builtin_trap ();
  for (size_t i = 0; i < json_array_size (plan_smoke (p)); i++)
    if (!json_is_string (
            json_object_get (json_array_get (plan_smoke (p), i), "from")))
      __builtin_trap ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const struct plan_kinds all = { find };
  struct plan *p = NULL;
  CLEANUP_ERR struct err *e
      = plan_parse ((const char *)data, size, "fuzz", &all, &p);
  if (e != NULL)
    is_placed (e);
  else
    is_whole (p);
  plan_free (p);
  return 0;
}
