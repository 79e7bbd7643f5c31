/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source's side of the freeze.  "arm" (nothing is down yet) records what
 * runs, puts the condition on the units, holds timers and paths, and awaits
 * their jobs; "stop" stops them once the flag exists.  The undo of "stop"
 * removes the flag, since nothing would start before, and starts what ran.
 */
#include "provider/service.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static char *
record_path (const struct step_call *call)
{
  return steps_path (call, "freeze/service-%s.json", service_unit (call->item));
}

static struct err *
reload (struct port *p)
{
  return remote_must (p, remote_argv (ARGV ("systemctl", "daemon-reload")),
                      NULL, NULL);
}

static json_t *
argv_of (const char *verb, const json_t *units)
{
  json_t *argv = remote_argv (ARGV ("systemctl", verb, "--"));
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    remote_word (argv, json_string_value (json_at (one, "unit")));
  }
  return argv;
}

/* Which drop-in directories did not exist: they go again with the thaw. */
static struct err *
missing_dirs (const struct step_call *call, const json_t *units, json_t *out)
{
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    char *dir CLEANUP_FREE
        = mem_printf (SERVICE_UNITS "/%s.d",
                      json_string_value (json_at (one, "unit")));
    bool there;
    TRY (remote_exists (call->source, dir, &there));
    if (!there)
      words_add (out, dir);
  }
  return NULL;
}

/* Of what ran: timers and paths (`late`), by which no new job starts once they
 * are held, or all else. */
static json_t *
ran_units (const json_t *units, bool late)
{
  json_t *found = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    const char *unit = json_string_value (json_at (one, "unit"));
    bool timed = service_ends (unit, ".timer") || service_ends (unit, ".path");
    if (service_was_active (one) && timed == late)
      json_array_append (found, one);
  }
  return found;
}

/* Whoever starts a unit at the same moment (a restarter, an administrator)
 * cancels systemd's job that stops it: then it is stopped again. */
static struct err *
stop_units (const struct step_call *call, const json_t *units)
{
  char *said CLEANUP_FREE = NULL;
  for (int tries = 0; tries < 8; tries++) {
    struct ran r CLEANUP_RAN = { 0 };
    if (tries > 0)
      TRY (remote_pause (call, 40));
    TRY (remote_run (call->source, argv_of ("stop", units), NULL, 150000, &r));
    if (r.status == 0)
      return NULL;
    free (said);
    said = mem_strndup (r.err, r.err_len);
  }
  return err_new (ERR_REFUSED, "RH-SERVICE-RUNNING",
                  "units of %s cannot be stopped on the source: %s",
                  service_unit (call->item), said);
}

static struct err *
hold_timers (const struct step_call *call, const json_t *units)
{
  json_t *late CLEANUP_JSON = ran_units (units, true);
  return json_array_size (late) > 0 ? stop_units (call, late) : NULL;
}

/* Starts what ran; a unit that does not come up is named with its log.  One
 * that was started too often of late is forgiven that. */
static struct err *
start_again (const struct step_call *call, const json_t *units, bool late)
{
  json_t *ran CLEANUP_JSON = ran_units (units, late);
  if (json_array_size (ran) == 0)
    return NULL;
  for (int tries = 0; tries < 2; tries++) {
    struct ran r CLEANUP_RAN = { 0 };
    struct ran cleared CLEANUP_RAN = { 0 };
    TRY (remote_run (call->source, argv_of ("start", ran), NULL, 150000, &r));
    if (r.status == 0)
      return NULL;
    TRY (remote_run (call->source, argv_of ("reset-failed", ran), NULL, 20000,
                     &cleared));
  }
  char *lines CLEANUP_FREE
      = service_log_lines (call->source, service_unit (call->item));
  return err_new (ERR_REFUSED, "RH-SERVICE-THAW",
                  "%s does not start on the source: %s",
                  service_unit (call->item), lines);
}

/* Properties of all units at once. */
static struct err *
show_units (const struct step_call *call, const json_t *units,
            const char *properties, json_t **out)
{
  json_t *argv = remote_argv (
      ARGV ("systemctl", "show", "--no-pager", "-p", properties, "--"));
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    remote_word (argv, json_string_value (json_at (one, "unit")));
  }
  char *text CLEANUP_FREE = NULL;
  TRY (remote_must (call->source, argv, NULL, &text));
  *out = service_parse_show (text);
  return NULL;
}

/* The first unit that is in the middle of a job (Type=oneshot), or NULL. */
static struct err *
running_job (const struct step_call *call, const json_t *units, char **out)
{
  *out = NULL;
  json_t *shown CLEANUP_JSON = NULL;
  TRY (show_units (call, units, "Id,ActiveState,Type", &shown));
  *out = mem_strdup (service_job_of (shown));
  return NULL;
}

/* Jobs that a timer or path started end by themselves; one that does not
 * within the limit means that the cutover does not begin. */
static struct err *
await_jobs (const struct step_call *call, const json_t *units)
{
  json_t *late CLEANUP_JSON = ran_units (units, true);
  if (json_array_size (late) == 0)
    return NULL;
  int64_t limit = plan_limits (call->plan)->jobs_wait_ms;
  int64_t end = monotonic_ms () + limit;
  for (;;) {
    char *job CLEANUP_FREE = NULL;
    TRY (running_job (call, units, &job));
    if (job == NULL)
      return NULL;
    if (monotonic_ms () > end)
      return err_advise (
          err_new (ERR_REFUSED, "RH-CRON-JOB",
                   "the job %s still runs after %lld s: the cutover does not "
                   "begin",
                   job, (long long)(limit / 1000)),
          "the source serves as before",
          "wait for the job or stop it, then run 'rehome cutover' again; "
          "cutover.jobs-wait in the plan says how long is waited");
    TRY (remote_pause (call, 200));
  }
}

/* What the record says: kept from an earlier run, else made now. */
static struct err *
record_units (const struct step_call *call, json_t **out)
{
  char *path CLEANUP_FREE = record_path (call);
  TRY (remote_recall (call->source, path, out));
  if (*out != NULL)
    return NULL;
  json_t *units CLEANUP_JSON = NULL;
  json_t *dirs CLEANUP_JSON = json_array ();
  TRY (service_read (call->source, service_unit (call->item), &units));
  TRY (missing_dirs (call, units, dirs));
  json_t *record CLEANUP_JSON
      = json_pack ("{s:O,s:O}", "units", units, "dirs", dirs);
  TRY (remote_record (call->source, path, record));
  *out = STEAL (record);
  return NULL;
}

struct err *
service_arm (const struct step_call *call, json_t **result)
{
  json_t *record CLEANUP_JSON = NULL;
  TRY (record_units (call, &record));
  const json_t *units = json_at (record, "units");
  char *text CLEANUP_FREE = service_freeze_text (call);
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    char *dropin CLEANUP_FREE
        = service_dropin (json_string_value (json_at (one, "unit")),
                          SERVICE_FREEZE);
    TRY (remote_write (call->source, dropin, text, strlen (text), 0644));
  }
  TRY (reload (call->source));
  TRY (hold_timers (call, units));
  TRY (await_jobs (call, units));
  *result = json_incref (record);
  return NULL;
}

struct err *
service_arm_probe (const struct step_call *call, enum probe_state *out)
{
  char *path CLEANUP_FREE = record_path (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  /* A run is repeatable and cheap, and makes sure of the reload. */
  *out = record == NULL ? PROBED_NOT_DONE : PROBED_PARTIAL;
  return NULL;
}

struct err *
service_arm_undo (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = record_path (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  size_t i;
  json_t *one;
  json_array_foreach (json_at (record, "units"), i, one)
  {
    char *dropin CLEANUP_FREE
        = service_dropin (json_string_value (json_at (one, "unit")),
                          SERVICE_FREEZE);
    TRY (remote_remove (call->source, dropin));
  }
  json_array_foreach (json_at (record, "dirs"), i, one)
  {
    struct ran r CLEANUP_RAN = { 0 };
    TRY (
        remote_run (call->source,
                    remote_argv (ARGV ("rmdir", "--", json_string_value (one))),
                    NULL, 10000, &r)); /* stays where it is not empty */
  }
  TRY (reload (call->source));
  /* A source that was rebooted since its pivot back: only now would the work
   * start by itself. */
  if (stage_is_back (call->step->stage))
    TRY (start_again (call, json_at (record, "units"), false));
  TRY (start_again (call, json_at (record, "units"), true));
  TRY (remote_remove (call->source, path));
  *result = json_pack ("{s:O}", "units", json_at (record, "units"));
  return NULL;
}

/* What arm recorded, from its result or from the host; NULL: nothing. */
static struct err *
recorded_units (const struct step_call *call, json_t **out)
{
  const json_t *arm = steps_input (call, "%s#arm", call->item->name);
  *out = json_incref (json_at (arm, "units"));
  if (*out != NULL)
    return NULL;
  char *path CLEANUP_FREE = record_path (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  *out = json_incref (json_at (record, "units"));
  return NULL;
}

/* Looks at all units at once: "unit" of the first that runs, or NULL. */
static struct err *
still_running (const struct step_call *call, const json_t *units, char **out)
{
  *out = NULL;
  size_t i;
  json_t *one;
  json_t *shown CLEANUP_JSON = NULL;
  TRY (show_units (call, units, "Id,ActiveState,MainPID", &shown));
  json_array_foreach (shown, i, one)
  {
    const char *state = json_string_value (json_at (one, "ActiveState"));
    const char *pid = json_string_value (json_at (one, "MainPID"));
    bool down
        = state != NULL
          && (strcmp (state, "inactive") == 0 || strcmp (state, "failed") == 0);
    if (!down || (pid != NULL && strcmp (pid, "0") != 0)) {
      *out = mem_strdup (json_string_value (json_at (one, "Id")));
      return NULL;
    }
  }
  return NULL;
}

struct err *
service_stop (const struct step_call *call, json_t **result)
{
  json_t *units CLEANUP_JSON = NULL;
  TRY (recorded_units (call, &units));
  if (units == NULL)
    return err_new (ERR_BUG, "RH-SERVICE-UNARMED", "%s was not armed",
                    service_unit (call->item));
  TRY (err_advise (stop_units (call, units),
                   "nothing has been opened on the target",
                   "stop what starts it again"));
  char *running CLEANUP_FREE = NULL;
  TRY (still_running (call, units, &running));
  if (running != NULL)
    return err_advise (
        err_new (ERR_REFUSED, "RH-SERVICE-RUNNING",
                 "%s still runs on the source after it was stopped", running),
        "nothing has been opened on the target", "stop what starts it again");
  *result = json_pack ("{s:O}", "stopped", units);
  return NULL;
}

struct err *
service_stop_probe (const struct step_call *call, enum probe_state *out)
{
  json_t *units CLEANUP_JSON = NULL;
  TRY (recorded_units (call, &units));
  if (units == NULL) {
    *out = PROBED_NOT_DONE;
    return NULL;
  }
  char *running CLEANUP_FREE = NULL;
  TRY (still_running (call, units, &running));
  *out = running == NULL ? PROBED_DONE : PROBED_PARTIAL;
  return NULL;
}

struct err *
service_stop_undo (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = record_path (call);
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  const json_t *units = json_at (record, "units");
  TRY (remote_remove (call->source, flag));
  TRY (start_again (call, units, false)); /* timers: by the undo of arm */
  size_t i;
  json_t *one;
  bool main_ran = false;
  json_array_foreach (units, i, one)
  {
    if (strcmp (json_string_value (json_at (one, "unit")),
                service_unit (call->item))
        == 0)
      main_ran = service_was_active (one);
  }
  if (main_ran)
    TRY (service_wait_ready (call, call->source, service_unit (call->item)));
  *result = json_pack ("{s:O}", "started", units);
  return NULL;
}
