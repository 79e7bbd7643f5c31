/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the target's packages in the guard: a rollback brings none
 * of that back, so it is named before anybody asks for one. */
#include "provider/move.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define NAMED 100

struct err *
move_packages_read (const char *text, json_t **out)
{
  CLEANUP_FREE char *copy = mem_strdup (text);
  char *rest = copy;
  *out = json_object ();
  for (char *line; (line = strsep (&rest, "\n")) != NULL;) {
    char *version = strchr (line, ' ');
    if (version == NULL || version[1] == '\0' || version == line)
      continue; /* known to dpkg, and not installed */
    *version++ = '\0';
    if (json_object_set_new (*out, line, json_string (version)) != 0)
      return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                      "the name of a package is no text");
  }
  return NULL;
}

/* A host without dpkg has no packages that could be named. */
static struct err *
packages_of (struct port *p, json_t **out)
{
  struct ran r CLEANUP_RAN = { 0 };
  static const char format[] = "${Package}:${Architecture} ${Version}\\n";
  TRY (remote_run (p, remote_argv (ARGV ("dpkg-query", "-W", "-f", format)),
                   NULL, 60000, &r));
  return move_packages_read (r.status == 0 && r.out != NULL ? r.out : "", out);
}

struct err *
move_packages_note (const struct step_call *call, json_t **result)
{
  json_t *packages CLEANUP_JSON = NULL;
  TRY (packages_of (call->target, &packages));
  *result = json_pack ("{s:O}", "packages", packages);
  return NULL;
}

static void
add_change (json_t *out, const char *name, const json_t *before,
            const json_t *now)
{
  if (json_array_size (out) >= NAMED)
    return;
  json_array_append_new (out, json_pack ("{s:s, s:O*, s:O*}", "package", name,
                                         "from", (json_t *)(uintptr_t)before,
                                         "to", (json_t *)(uintptr_t)now));
}

json_t *
move_packages_differ (const json_t *before, const json_t *now)
{
  json_t *out = json_array ();
  const char *name;
  json_t *one;
  json_object_foreach ((json_t *)(uintptr_t)now, name, one)
  {
    const json_t *was = json_at (before, name);
    if (was == NULL || !json_equal (was, one))
      add_change (out, name, was, one);
  }
  json_object_foreach ((json_t *)(uintptr_t)before, name, one)
  {
    if (json_at (now, name) == NULL)
      add_change (out, name, one, NULL);
  }
  return out;
}

struct err *
move_packages_changed (const struct step_call *call, json_t **result)
{
  json_t *now CLEANUP_JSON = NULL;
  const json_t *noted = steps_input (call, "move#guard-packages");
  if (noted == NULL) /* the guard has just begun */
    return NULL;
  TRY (packages_of (call->target, &now));
  *result = json_pack ("{s:o}", "changed",
                       move_packages_differ (json_at (noted, "packages"), now));
  return NULL;
}
