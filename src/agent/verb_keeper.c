/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the keeper: started, asked how it is, ended. */
#include "agent/verb.h"

#include "agent/fence.h"
#include "agent/keeper.h"
#include "agent/keeper_call.h"

#include <string.h>

static struct err *
run_start (struct verb_call *call, json_t **result)
{
  const char *id;
  int64_t idle_s;
  TRY (json_get_str (call->args, "migration", &id));
  TRY (
      json_opt_int (call->args, "idle_s", 1, 31536000, KEEPER_IDLE_S, &idle_s));
  return keeper_start (id, idle_s, result);
}

static struct err *
run_status (struct verb_call *call, json_t **result)
{
  const char *id;
  TRY (json_get_str (call->args, "migration", &id));
  struct err *e = keeper_call (id, "keeper.status", json_object (), result);
  bool none = e != NULL && strcmp (err_code (e), "RH-AGENT-KEEPER") == 0;
  if (e != NULL && !none)
    return e;
  err_free (e);
  if (none)
    *result = json_object ();
  json_object_set_new (*result, "running", json_boolean (!none));
  return NULL;
}

static struct err *
run_stop (struct verb_call *call, json_t **result)
{
  const char *id;
  (void)result;
  TRY (json_get_str (call->args, "migration", &id));
  return keeper_stop (id);
}

/* Passed on as it came; the keeper checks it. */
static struct err *
pass_on (struct verb_call *call, const char *verb)
{
  const char *id;
  TRY (json_get_str (call->args, "migration", &id));
  return keeper_call (id, verb, json_copy ((json_t *)(uintptr_t)call->args),
                      NULL);
}

static struct err *
run_guard (struct verb_call *call, json_t **result)
{
  (void)result;
  return pass_on (call, "keeper.guard");
}

static struct err *
run_unguard (struct verb_call *call, json_t **result)
{
  (void)result;
  return pass_on (call, "keeper.unguard");
}

const struct verb verbs_keeper[] = {
  { "keeper.guard", 0, run_guard }, { "keeper.unguard", 0, run_unguard },
  { "keeper.start", 0, run_start }, { "keeper.status", 0, run_status },
  { "keeper.stop", 0, run_stop },   { NULL, 0, NULL },
};
