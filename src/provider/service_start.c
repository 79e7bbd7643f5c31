/* SPDX-License-Identifier: Apache-2.0 */
/* The target's side: started behind the gate, waited for, later enabled. */
#include "provider/service.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "provider/check.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define POLL_MS 50
#define READY_S 30

char *
service_log_lines (struct port *p, const char *unit)
{
  struct ran r CLEANUP_RAN = { 0 };
  struct err *e
      = remote_run (p,
                    remote_argv (ARGV ("journalctl", "-u", unit, "-n", "20",
                                       "--no-pager", "-o", "cat")),
                    NULL, 20000, &r);
  if (e != NULL) {
    char *why = mem_printf ("(its log cannot be read: %s)", err_message (e));
    err_free (e);
    return why;
  }
  size_t len = r.out_len;
  while (len > 0 && r.out[len - 1] == '\n')
    r.out[--len] = '\0';
  for (size_t i = 0; i < len; i++)
    if (r.out[i] == '\n')
      r.out[i] = '|';
  size_t from = len > 3000 ? len - 3000 : 0;
  return text_escape (r.out + from, len - from);
}

static const struct plan_item *
item_of (const struct plan *plan, const char *unit)
{
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    if (strcmp (item->kind, "service") == 0
        && strcmp (service_unit (item), unit) == 0)
      return item;
  }
  return NULL;
}

static bool
listens (const json_t *listeners, json_int_t port, const char *proto)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_at (listeners, "listeners"), i, one)
  {
    const char *p = json_string_value (json_at (one, "proto"));
    if (p != NULL && strncmp (p, proto, 3) == 0
        && json_integer_value (json_at (one, "port")) == port)
      return true;
  }
  return false;
}

/* One try: all of the ports have a listener. */
static struct err *
try_ports (struct port *p, const json_t *ports, bool *passed, char **why)
{
  *passed = true;
  if (json_array_size (ports) == 0)
    return NULL;
  json_t *now CLEANUP_JSON = NULL;
  TRY (port_call (p, "process.listeners", json_object (), &now));
  size_t i;
  json_t *one;
  json_array_foreach (ports, i, one)
  {
    json_int_t port = json_integer_value (json_at (one, "port"));
    const char *proto = json_string_value (json_at (one, "proto"));
    if (!listens (now, port, proto == NULL ? "tcp" : proto)) {
      *passed = false;
      free (*why);
      *why = mem_printf ("does not listen on port %lld", (long long)port);
      return NULL;
    }
  }
  return NULL;
}

static struct err *
try_once (const struct step_call *call, struct port *p,
          const struct plan_item *item, bool *passed, char **why)
{
  const json_t *ready = json_at (item->spec, "ready");
  *passed = false;
  if (json_at (ready, "none") != NULL) {
    *passed = true;
    return NULL;
  }
  if (json_at (ready, "http") != NULL || json_at (ready, "command") != NULL) {
    json_int_t ms;
    free (*why);
    TRY (check_try (p, ready, why, &ms));
    *passed = *why == NULL;
    return NULL;
  }
  if (json_at (ready, "tcp") != NULL) {
    json_t *ports CLEANUP_JSON = json_pack ("[{s:s,s:O}]", "proto", "tcp",
                                            "port", json_at (ready, "tcp"));
    return try_ports (p, ports, passed, why);
  }
  const json_t *look = steps_input (call, "%s#look", item->name);
  return try_ports (p, json_at (look, "ports"), passed, why);
}

/* Active, and not on its way down. */
static struct err *
check_active (struct port *p, const char *unit)
{
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (p, remote_argv (ARGV ("systemctl", "is-active", "--", unit)),
                   NULL, 20000, &r));
  if (r.status == 0 || strncmp (r.out, "activating", 10) == 0
      || strncmp (r.out, "reloading", 9) == 0)
    return NULL;
  r.out[strcspn (r.out, "\n")] = '\0';
  return err_new (ERR_REFUSED, "RH-SERVICE-START", "%s is %s on the %s", unit,
                  r.out, p->name);
}

static struct err *
with_log (struct err *e, struct port *p, const char *unit)
{
  if (e == NULL || strcmp (err_code (e), "RH-SERVICE-START") != 0)
    return e; /* a lost connection stays what it is */
  char *lines CLEANUP_FREE = service_log_lines (p, unit);
  struct err *told
      = err_new (err_class_of (e), "RH-SERVICE-START",
                 "%s; its last log lines: %s", err_message (e), lines);
  err_free (e);
  return err_advise (told, NULL, "look at the log, mend it, try again");
}

struct err *
service_wait_ready (const struct step_call *call, struct port *p,
                    const char *unit)
{
  const struct plan_item *item = item_of (call->plan, unit);
  if (item == NULL || !service_ends (unit, ".service"))
    return NULL;
  int64_t within;
  TRY (json_opt_int (json_at (item->spec, "ready"), "within", 1, 3600, READY_S,
                     &within));
  int64_t end = monotonic_ms () + within * 1000;
  char *why CLEANUP_FREE = mem_strdup ("not tried");
  for (;;) {
    bool passed;
    TRY (try_once (call, p, item, &passed, &why));
    struct err *e = check_active (p, unit);
    if (e != NULL)
      return with_log (e, p, unit);
    if (passed)
      return NULL;
    if (monotonic_ms () > end)
      return with_log (err_new (ERR_REFUSED, "RH-SERVICE-START",
                                "%s is not ready on the %s after %lld s: %s",
                                unit, p->name, (long long)within,
                                why != NULL ? why : "not yet"),
                       p, unit);
    TRY (remote_pause (call, POLL_MS));
  }
}

/* The units of the item that ran on the source and run from the start on;
 * timers and paths wait for the opening. */
static json_t *
startable (const struct step_call *call, bool timers)
{
  json_t *names = json_array ();
  const json_t *arm = steps_input (call, "%s#arm", call->item->name);
  size_t i;
  json_t *one;
  json_array_foreach (json_at (arm, "units"), i, one)
  {
    const char *unit = json_string_value (json_at (one, "unit"));
    bool late = service_ends (unit, ".timer") || service_ends (unit, ".path");
    if (service_was_active (one) && late == timers)
      words_add (names, unit);
  }
  return names;
}

static void
add_units (json_t *argv, const json_t *units)
{
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    remote_word (argv, json_string_value (one));
  }
}

/* Lets units start until the next reboot of the target. */
static struct err *
allow_start (const struct step_call *call)
{
  char *link CLEANUP_FREE = steps_path (call, "may-start");
  char *started CLEANUP_FREE
      = mem_printf ("/run/rehome-%s/started", call->migration);
  TRY (remote_write (call->target, started, "started behind the gate\n", 24,
                     0644));
  return remote_link (call->target, link, started);
}

struct err *
service_start (const struct step_call *call, json_t **result)
{
  const char *unit = service_unit (call->item);
  json_t *names CLEANUP_JSON = startable (call, false);
  TRY (allow_start (call));
  if (json_array_size (names) > 0) {
    json_t *argv = remote_argv (ARGV ("systemctl", "start", "--"));
    add_units (argv, names);
    struct ran r CLEANUP_RAN = { 0 };
    TRY (remote_run (call->target, argv, NULL, 150000, &r));
    if (r.status != 0)
      return with_log (err_new (ERR_REFUSED, "RH-SERVICE-START",
                                "%s does not start on the target", unit),
                       call->target, unit);
  }
  if (words_have (names, unit))
    TRY (service_wait_ready (call, call->target, unit));
  *result = json_pack ("{s:O}", "started", names);
  return NULL;
}

struct err *
service_start_probe (const struct step_call *call, enum probe_state *out)
{
  char *link CLEANUP_FREE = steps_path (call, "may-start");
  return steps_probe_record (call->target, link, out);
}

struct err *
service_start_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  char *link CLEANUP_FREE = steps_path (call, "may-start");
  char *started CLEANUP_FREE
      = mem_printf ("/run/rehome-%s/started", call->migration);
  TRY (remote_remove (call->target, link));
  TRY (remote_remove (call->target, started));
  json_t *units CLEANUP_JSON = service_item_units (call, call->item);
  json_t *argv = remote_argv (ARGV ("systemctl", "stop", "--"));
  add_units (argv, units);
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (call->target, argv, NULL, 150000, &r));
  json_t *again = remote_argv (ARGV ("systemctl", "reset-failed", "--"));
  add_units (again, units);
  struct ran cleared CLEANUP_RAN = { 0 };
  TRY (remote_run (call->target, again, NULL, 20000, &cleared));
  return NULL;
}

/* Enabled and disabled as on the source. */
static struct err *
set_enabled (const struct step_call *call, const char *verb, const char *state)
{
  const json_t *arm = steps_input (call, "%s#arm", call->item->name);
  json_t *argv = remote_argv (ARGV ("systemctl", "--no-reload", verb, "--"));
  size_t i;
  json_t *one;
  json_array_foreach (json_at (arm, "units"), i, one)
  {
    const char *enabled = json_string_value (json_at (one, "enabled"));
    if (enabled != NULL && strcmp (enabled, state) == 0)
      remote_word (argv, json_string_value (json_at (one, "unit")));
  }
  if (json_array_size (argv) == 4) {
    json_decref (argv);
    return NULL;
  }
  return remote_must (call->target, argv, NULL, NULL);
}

/* From now on; before, a reboot closes it in any case. */
static struct err *
place_confirm (const struct step_call *call)
{
  json_t *units CLEANUP_JSON = service_item_units (call, call->item);
  char *text CLEANUP_FREE = service_confirm_text (call);
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    char *path CLEANUP_FREE
        = service_dropin (json_string_value (one), SERVICE_CONFIRM);
    TRY (remote_write (call->target, path, text, strlen (text), 0644));
  }
  return NULL;
}

/* Timers and paths start.  So does, again, what a reboot since the pivot has
 * stopped: before now nothing would start it at boot. */
struct err *
service_enable (const struct step_call *call, json_t **result)
{
  TRY (place_confirm (call));
  TRY (set_enabled (call, "enable", "enabled"));
  TRY (set_enabled (call, "disable", "disabled"));
  TRY (remote_must (call->target,
                    remote_argv (ARGV ("systemctl", "daemon-reload")), NULL,
                    NULL));
  json_t *late CLEANUP_JSON = startable (call, true);
  json_t *names CLEANUP_JSON = startable (call, false);
  json_array_extend (names, late);
  if (json_array_size (names) > 0) {
    json_t *argv = remote_argv (ARGV ("systemctl", "start", "--"));
    add_units (argv, names);
    TRY (remote_must (call->target, argv, NULL, NULL));
  }
  *result = json_pack ("{s:O}", "started", late);
  return NULL;
}

struct err *
service_enable_probe (const struct step_call *call, enum probe_state *out)
{
  (void)call;
  *out = PROBED_PARTIAL; /* repeatable at will: it runs again */
  return NULL;
}
