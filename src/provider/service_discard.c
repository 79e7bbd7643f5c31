/* SPDX-License-Identifier: Apache-2.0 */
/* After an abort a unit's files and its gate leave the target. */
#include "provider/service.h"

#include "base/mem.h"
#include "provider/discard.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* Where what was replaced lies at its place again, it is not ours any more:
 * first that is recorded, then the kept copy goes. */
static struct err *
forget (const struct step_call *call, const char *path, const char *aside)
{
  json_t *note CLEANUP_JSON = NULL;
  char *record CLEANUP_FREE
      = steps_path (call, "results/service-%s.json", service_unit (call->item));
  TRY (service_placed (call, &note));
  json_object_del (json_at (note, "placed"), path);
  TRY (remote_record (call->target, record, note));
  return remote_remove (call->target, aside);
}

static bool
equals (const struct remote_file *f, const char *digest)
{
  return f->exists && f->digest != NULL && digest != NULL
         && strcmp (f->digest, digest) == 0;
}

/* One file as it was placed goes; what it replaced comes back. */
static struct err *
discard_file (const struct step_call *call, bool dry, const char *path,
              const char *digest, json_t *out)
{
  struct remote_file now CLEANUP_REMOTE = { 0 };
  struct remote_file old CLEANUP_REMOTE = { 0 };
  char *aside CLEANUP_FREE = service_aside (call, path);
  TRY (remote_stat (call->target, path, &now));
  TRY (remote_read (call->target, aside, &old));
  bool back = equals (&now, old.digest);
  if (now.exists && !back && !equals (&now, digest)) {
    discard_kept (out, path, "it was changed since");
    return NULL;
  }
  if (old.exists)
    discard_restored (out, path);
  else if (now.exists)
    discard_removed (out, path, 1, 0);
  if (dry)
    return NULL;
  if (old.exists && !back)
    TRY (remote_put (call->target, path, &old));
  else if (!old.exists)
    TRY (remote_remove (call->target, path));
  return forget (call, path, aside);
}

/* The directory of drop-ins that came with the unit. */
static struct err *
remove_dirs (const struct step_call *call, const json_t *placed)
{
  const char *path;
  json_t *digest;
  json_object_foreach ((json_t *)(uintptr_t)placed, path, digest)
  {
    const char *slash = strrchr (path, '/');
    char *dir CLEANUP_FREE = mem_strndup (path, (size_t)(slash - path));
    if (service_ends (dir, ".d"))
      TRY (remote_remove_empty (call->target, dir));
  }
  return NULL;
}

/* Started by somebody meanwhile: its files are in use. */
static struct err *
runs (const struct step_call *call, const char *unit, bool *out)
{
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (call->target,
                   remote_argv (
                       ARGV ("systemctl", "is-active", "--quiet", "--", unit)),
                   NULL, 20000, &r));
  *out = r.status == 0;
  return NULL;
}

struct err *
service_discard (const struct step_call *call, bool dry, json_t *out)
{
  json_t *note CLEANUP_JSON = NULL;
  json_t *units CLEANUP_JSON = service_item_units (call, call->item);
  const char *unit = service_unit (call->item);
  bool running;
  TRY (runs (call, unit, &running));
  if (running) {
    discard_kept (out, unit, "it runs on the target");
    return NULL;
  }
  TRY (service_placed (call, &note));
  const char *path;
  json_t *digest;
  json_object_foreach (json_at (note, "placed"), path, digest)
  {
    TRY (discard_file (call, dry, path, json_string_value (digest), out));
  }
  if (dry)
    return NULL;
  TRY (remove_dirs (call, json_at (note, "placed")));
  return service_ungate (call->target, units);
}
