/* SPDX-License-Identifier: Apache-2.0 */
/* Results kept on the hosts; see kept.h. */
#include "exec/kept.h"

#include "base/log.h"
#include "base/mem.h"
#include "journal/record.h"

#include <string.h>

/* The longest id that the agent takes for a file's name, however much of it
 * has to be encoded. */
#define PLAIN_MAX 64

/* Where the result belongs; NULL: on no host. */
static struct port *
place (const struct step_call *call)
{
  switch (call->step->side) {
  case SIDE_SOURCE:
    return call->source;
  case SIDE_TARGET:
  case SIDE_BOTH:
    return call->alone ? NULL : call->target;
  case SIDE_OUTSIDE:
    break;
  }
  return NULL;
}

/* Looks are made again: they are worth what they say of now.  The last steps
 * remove what was kept, and leave nothing behind. */
static bool
is_kept (const struct step_call *call)
{
  enum stage s = call->step->stage;
  return call->step->cls != STEP_PURE && s != STAGE_ACCEPT
         && s != STAGE_BACK_OPEN && place (call) != NULL;
}

static json_t *
key_args (const struct step_call *call)
{
  const char *id = call->step->id;
  char hash[65];
  record_hash (id, strlen (id), hash);
  return json_pack ("{s:s, s:s}", "migration", call->migration, "key",
                    strlen (id) <= PLAIN_MAX ? id : hash);
}

void
kept_put (const struct step_call *call, int64_t took_ms, const json_t *result)
{
  if (took_ms < KEPT_FROM_MS || !is_kept (call))
    return;
  json_t *args = key_args (call);
  json_object_set_new (args, "result",
                       json_pack ("{s:I, s:o}", "attempt",
                                  (json_int_t)call->attempt, "result",
                                  json_deep_copy (result)));
  CLEANUP_ERR struct err *e
      = port_call (place (call), "result.put", args, NULL);
  if (e != NULL)
    log_err (LOG_DEBUG, e);
}

static struct err *
look (const struct step_call *call, json_t **out)
{
  CLEANUP_JSON json_t *got = NULL;
  bool found = false, rebooted = false;
  json_t *kept = NULL;
  json_t *result = NULL;
  int64_t attempt = 0;
  TRY (port_call (place (call), "result.get", key_args (call), &got));
  TRY (json_opt_bool (got, "found", false, &found));
  TRY (json_opt_bool (got, "rebooted", false, &rebooted));
  if (!found || rebooted)
    return NULL;
  TRY (json_get_object (got, "result", &kept));
  TRY (json_get_int (kept, "attempt", 1, UINT32_MAX, &attempt));
  TRY (json_get_object (kept, "result", &result));
  if (attempt == (int64_t)call->attempt)
    *out = json_incref (result);
  return NULL;
}

json_t *
kept_get (const struct step_call *call)
{
  json_t *result = NULL;
  if (!is_kept (call))
    return NULL;
  CLEANUP_ERR struct err *e = look (call, &result);
  if (e != NULL)
    log_err (LOG_DEBUG, e);
  return result;
}
