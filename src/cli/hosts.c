/* SPDX-License-Identifier: Apache-2.0 */
/* The two hosts of a plan, opened for looking only. */
#include "cli/hosts.h"

#include "exec/place.h"

#include <string.h>

struct err *
refuse_same (const json_t *source, const json_t *target)
{
  const char *a = json_string_value (json_object_get (source, "machine_id"));
  const char *b = json_string_value (json_object_get (target, "machine_id"));
  if (a == NULL || b == NULL || strcmp (a, b) != 0)
    return NULL;
  return err_advise (
      err_new (ERR_BLOCKED, "RH-MOVE-SAMEHOST",
               "source and target are the same machine (machine-id %s)", a),
      "nothing was changed",
      "name another target; a clone needs a machine-id of its own "
      "(systemd-machine-id-setup)");
}

struct err *
open_hosts (const struct plan *plan, struct opened *out)
{
  TRY (place_agent (&out->agent));
  out->migration = place_migration (plan_name (plan), plan_hash (plan));
  struct hosts_where where
      = { .plan = plan, .agent_path = out->agent, .batch = false };
  out->hosts = hosts_new (&where);
  TRY (hosts_open (out->hosts));
  CLEANUP_JSON json_t *source = hosts_hello (out->hosts, true);
  CLEANUP_JSON json_t *target = hosts_hello (out->hosts, false);
  return refuse_same (source, target);
}

void
opened_clear (struct opened *o)
{
  hosts_free (o->hosts);
  free (o->agent);
  free (o->migration);
}
