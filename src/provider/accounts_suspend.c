/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the freeze: what moved users run outside the moved units (a shell, tmux,
 * an editor) stands still, so that it can write nothing; a thaw lets it go on
 * as if nothing had happened.  The processes through which rehome itself is
 * connected are left alone.
 */
#include "provider/accounts.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <string.h>

#define ROUNDS 5

static bool
stands_still (const json_t *process)
{
  const char *state = json_string_value (json_at (process, "state"));
  return state != NULL
         && (state[0] == 'T' || state[0] == 't' || state[0] == 'Z'
             || state[0] == 'X');
}

/* Those that must be suspended: [{"pid","start"}...]; `names` says who. */
static struct err *
find_running (const struct step_call *call, const json_t *uids, json_t **pids,
              json_t *names)
{
  json_t *all CLEANUP_JSON = NULL;
  TRY (port_call (call->source, "process.list", json_object (), &all));
  const json_t *processes = json_at (all, "processes");
  json_t *own CLEANUP_JSON = steps_agent_pids (processes);
  json_t *units CLEANUP_JSON = service_plan_units (call);
  *pids = json_array ();
  size_t i;
  json_t *p;
  json_array_foreach (processes, i, p)
  {
    char key[24];
    json_int_t pid = json_integer_value (json_at (p, "pid"));
    snprintf (key, sizeof key, "%lld", (long long)pid);
    const char *unit = json_string_value (json_at (p, "unit"));
    json_int_t uid = json_integer_value (json_at (p, "uid"));
    size_t k;
    json_t *one;
    bool ours = false;
    json_array_foreach (uids, k, one)
    {
      ours |= json_integer_value (one) == uid;
    }
    if (!ours || stands_still (p) || json_object_get (own, key) != NULL
        || (unit != NULL && words_have (units, unit)))
      continue;
    json_array_append_new (*pids, json_pack ("{s:I,s:O}", "pid", pid, "start",
                                             json_at (p, "start")));
    json_array_append_new (
        names, json_sprintf ("%lld %s", (long long)pid,
                             json_string_value (json_at (p, "comm"))));
  }
  return NULL;
}

static struct err *
moved_uids (const struct step_call *call, json_t **out)
{
  json_t *uids = json_array ();
  const json_t *map = steps_input (call, "accounts#map");
  size_t i;
  json_t *one;
  json_array_foreach (json_at (map, "users"), i, one)
  {
    json_array_append (uids, json_at (one, call->back ? "to" : "from"));
  }
  *out = uids;
  return NULL;
}

struct err *
accounts_suspend (const struct step_call *call, json_t **result)
{
  json_t *uids CLEANUP_JSON = NULL;
  json_t *names CLEANUP_JSON = json_array ();
  TRY (moved_uids (call, &uids));
  for (int round = 0;; round++) {
    json_t *pids CLEANUP_JSON = NULL;
    TRY (find_running (call, uids, &pids, names));
    if (json_array_size (pids) == 0)
      break;
    if (round == ROUNDS)
      return err_new (ERR_REFUSED, "RH-ACCOUNTS-RUNNING",
                      "processes of moved users keep appearing: %s",
                      json_string_value (
                          json_array_get (names, json_array_size (names) - 1)));
    char *record CLEANUP_FREE = steps_path (call, "freeze/sessions-%lld.json",
                                            (long long)monotonic_ms ());
    json_t *said CLEANUP_JSON = NULL;
    TRY (port_call (call->source, "process.suspend",
                    json_pack ("{s:O,s:s}", "pids", pids, "record", record),
                    &said));
  }
  *result = json_pack ("{s:O}", "suspended", names);
  return NULL;
}

/* Names of the records in the freeze directory. */
static struct err *
records (const struct step_call *call, json_t **out)
{
  char *dir CLEANUP_FREE = steps_path (call, "freeze");
  json_t *names CLEANUP_JSON = NULL;
  TRY (remote_names (call->source, dir, &names));
  *out = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    if (strncmp (json_string_value (one), "sessions", 8) == 0)
      json_array_append (*out, one);
  }
  return NULL;
}

struct err *
accounts_suspend_probe (const struct step_call *call, enum probe_state *out)
{
  json_t *uids CLEANUP_JSON = NULL;
  json_t *names CLEANUP_JSON = json_array ();
  json_t *pids CLEANUP_JSON = NULL;
  json_t *files CLEANUP_JSON = NULL;
  TRY (moved_uids (call, &uids));
  TRY (find_running (call, uids, &pids, names));
  TRY (records (call, &files));
  bool still = json_array_size (pids) == 0;
  bool begun = json_array_size (files) > 0;
  *out = still ? PROBED_DONE : begun ? PROBED_PARTIAL : PROBED_NOT_DONE;
  return NULL;
}

struct err *
accounts_suspend_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  json_t *files CLEANUP_JSON = NULL;
  TRY (records (call, &files));
  size_t i;
  json_t *one;
  json_array_foreach (files, i, one)
  {
    char *path CLEANUP_FREE
        = steps_path (call, "freeze/%s", json_string_value (one));
    json_t *said CLEANUP_JSON = NULL;
    TRY (port_call (call->source, "process.resume",
                    json_pack ("{s:s}", "record", path), &said));
  }
  return NULL;
}
