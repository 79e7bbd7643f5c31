/* SPDX-License-Identifier: Apache-2.0 */
/* The plan's services in the room of a rehearsal, and what is asked of them. */
#include "provider/rehearse.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "plan/check.h"
#include "provider/check.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <string.h>

#define READY_S 30
#define POLL_MS 100

static char *
room_unit (const struct step_call *call, const char *name)
{
  return mem_printf ("rehome-rehearsal-%s-%s", call->migration, name);
}

/* That which says it, and with which lines it ended. */
static struct err *
failed (struct rehearsal *r, const char *unit, const char *name,
        const char *what)
{
  bool target = r->p == r->call->target;
  CLEANUP_FREE char *lines = service_log_lines (r->p, unit);
  return err_advise (
      err_new (ERR_BLOCKED, target ? "RH-REHEARSE-NEW" : "RH-REHEARSE-OLD",
               "in the rehearsal %s on the %s %s%s; its last log lines: %s",
               name, r->p->name, what,
               target ? "" : ", with what the target's version had written",
               lines),
      "nothing that serves was touched",
      target ? "look at the log: what the work needs beyond the plan's files "
               "is not there in a rehearsal (rehearsal: scratch: in the plan)"
             : "the way back counts as none: cut over with --no-way-back, or "
               "have the same version on both hosts");
}

static struct err *
write_unit (struct rehearsal *r, const char *unit, const char *text)
{
  CLEANUP_FREE char *path = mem_printf ("/run/systemd/system/%s", unit);
  TRY (remote_write (r->p, path, text, strlen (text), 0644));
  return remote_must (r->p, remote_argv (ARGV ("systemctl", "daemon-reload")),
                      NULL, NULL);
}

static struct err *
add_file (struct port *p, const char *path, json_t *texts)
{
  struct remote_file f CLEANUP_REMOTE = { 0 };
  if (path[0] == '\0' || strstr (path, "/90-rehome-") != NULL)
    return NULL;
  TRY (remote_read (p, path, &f));
  if (f.exists && f.content != NULL
      && json_array_append_new (texts, json_stringn (f.content, f.len)) != 0)
    return err_new (ERR_BLOCKED, "RH-REHEARSE-UNIT",
                    "%s is not text: it cannot be held in a room of its own",
                    path);
  return NULL;
}

/* Its files, in systemd's order, without ours. */
static struct err *
read_unit (struct port *p, const char *unit, json_t **texts)
{
  CLEANUP_FREE char *said = NULL;
  *texts = json_array ();
  TRY (remote_must (p,
                    remote_argv (ARGV ("systemctl", "show", "-p",
                                       "FragmentPath,DropInPaths", "--", unit)),
                    NULL, &said));
  CLEANUP_JSON json_t *shown = service_parse_show (said);
  const json_t *one = json_array_get (shown, 0);
  const char *fragment = json_string_value (json_at (one, "FragmentPath"));
  const char *dropins = json_string_value (json_at (one, "DropInPaths"));
  CLEANUP_FREE char *copy = mem_strdup (dropins != NULL ? dropins : "");
  char *rest = copy;
  if (fragment != NULL)
    TRY (add_file (p, fragment, *texts));
  for (char *path; (path = strsep (&rest, " ")) != NULL;)
    TRY (add_file (p, path, *texts));
  return NULL;
}

/* What systemd, or a package, makes below /run for the service. */
static struct err *
make_run (struct rehearsal *r, const json_t *texts)
{
  CLEANUP_FREE char *dirs = rehearse_unit_value (texts, "RuntimeDirectory");
  CLEANUP_FREE char *user = rehearse_unit_value (texts, "User");
  CLEANUP_FREE char *group = rehearse_unit_value (texts, "Group");
  char *rest = dirs;
  for (char *name; (name = strsep (&rest, " ")) != NULL;) {
    CLEANUP_FREE char *path = rehearse_path (r->call, "run/%s", name);
    if (*name == '\0' || strstr (name, "..") != NULL)
      continue;
    json_t *argv = remote_argv (ARGV ("install", "-d", "-m", "0755"));
    if (*user != '\0') {
      remote_word (argv, "-o");
      remote_word (argv, user);
    }
    if (*group != '\0') {
      remote_word (argv, "-g");
      remote_word (argv, group);
    }
    remote_word (argv, path);
    TRY (remote_must (r->p, argv, NULL, NULL));
  }
  return NULL;
}

static struct err *
is_active (struct port *p, const char *unit, bool *out)
{
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (p, remote_argv (ARGV ("systemctl", "is-active", "--", unit)),
                   NULL, 20000, &r));
  *out = r.status == 0;
  return NULL;
}

struct err *
rehearse_command (struct rehearsal *r, const char *name, const json_t *argv,
                  int wanted)
{
  CLEANUP_FREE char *unit
      = mem_printf ("rehome-rehearsal-%s-command.service", r->call->migration);
  CLEANUP_FREE char *box = rehearse_box (r);
  CLEANUP_FREE char *text = rehearse_command_text (argv, box);
  CLEANUP_FREE char *status = NULL;
  struct ran ran CLEANUP_RAN = { 0 };
  TRY (write_unit (r, unit, text));
  TRY (remote_run (r->p, remote_argv (ARGV ("systemctl", "start", "--", unit)),
                   NULL, 960000, &ran));
  TRY (remote_must (r->p,
                    remote_argv (ARGV ("systemctl", "show", "--value", "-p",
                                       "ExecMainStatus", "--", unit)),
                    NULL, &status));
  bool ran_at_all = *status >= '0' && *status <= '9';
  bool good = wanted == 0 ? ran.status == 0
                          : ran_at_all && strtol (status, NULL, 10) == wanted;
  return good ? NULL : failed (r, unit, name, "did not end well");
}

/* One try of a check inside the room; *why stays NULL where it passed. */
static struct err *
ask (struct rehearsal *r, const char *name, const json_t *check, char **why)
{
  CLEANUP_FREE char *netns = rehearse_netns (r->call);
  const json_t *command = json_at (check, "command");
  json_int_t ms;
  if (command == NULL)
    return check_try_in (r->p, check, netns, why, &ms);
  return rehearse_command (r, name, command, check_wants (check));
}

/* Without `ready`: it takes a connection where it listened on the source. */
static json_t *
port_checks (const struct step_call *call, const struct plan_item *item)
{
  const json_t *look = steps_input (call, "%s#look", item->name);
  json_t *checks = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (json_at (look, "ports"), i, one)
  {
    const char *proto = json_string_value (json_at (one, "proto"));
    const char *at = json_string_value (json_at (one, "address"));
    long long port = json_integer_value (json_at (one, "port"));
    if (proto == NULL || at == NULL || strncmp (proto, "tcp", 3) != 0)
      continue;
    bool any = strcmp (at, "*") == 0 || strcmp (at, "0.0.0.0") == 0
               || strcmp (at, "::") == 0;
    const char *v6 = strcmp (at, "::") == 0 ? "::1" : at;
    json_array_append_new (
        checks,
        strchr (at, ':') != NULL
            ? json_pack ("{s:o}", "tcp", json_sprintf ("[%s]:%lld", v6, port))
            : json_pack ("{s:o}", "tcp",
                         json_sprintf ("%s:%lld", any ? "127.0.0.1" : at,
                                       port)));
  }
  return checks;
}

static json_t *
ready_checks (const struct step_call *call, const struct plan_item *item)
{
  json_t *ready = json_at (item->spec, "ready");
  if (ready == NULL)
    return port_checks (call, item);
  if (json_is_integer (json_at (ready, "tcp")))
    return json_pack (
        "[{s:o}]", "tcp",
        json_sprintf ("127.0.0.1:%lld",
                      (long long)json_integer_value (json_at (ready, "tcp"))));
  return json_at (ready, "none") != NULL ? json_array ()
                                         : json_pack ("[O]", ready);
}

static struct err *
wait_ready (struct rehearsal *r, const struct plan_item *item, const char *unit)
{
  CLEANUP_JSON json_t *checks = ready_checks (r->call, item);
  int64_t within;
  size_t i = 0;
  CLEANUP_FREE char *why = NULL;
  TRY (json_opt_int (json_at (item->spec, "ready"), "within", 1, 3600, READY_S,
                     &within));
  int64_t end = monotonic_ms () + within * 1000;
  while (i < json_array_size (checks)) {
    bool active;
    free (STEAL (why));
    TRY (ask (r, service_unit (item), json_array_get (checks, i), &why));
    i += why == NULL;
    TRY (is_active (r->p, unit, &active));
    if (!active)
      return failed (r, unit, service_unit (item), "does not stay up");
    if (why != NULL && monotonic_ms () > end) {
      CLEANUP_FREE char *what = mem_printf ("is not ready: it %s", why);
      return failed (r, unit, service_unit (item), what);
    }
    if (why != NULL)
      TRY (remote_pause (r->call, POLL_MS));
  }
  bool active;
  TRY (is_active (r->p, unit, &active));
  return active ? NULL
                : failed (r, unit, service_unit (item), "does not stay up");
}

static struct err *
start_one (struct rehearsal *r, const struct plan_item *item)
{
  const char *name = service_unit (item);
  CLEANUP_FREE char *unit = room_unit (r->call, name);
  CLEANUP_FREE char *box = rehearse_box (r);
  CLEANUP_JSON json_t *texts = NULL;
  CLEANUP_FREE char *text = NULL;
  struct ran ran CLEANUP_RAN = { 0 };
  TRY (read_unit (r->p, name, &texts));
  TRY (rehearse_unit_text (name, texts, box, &text));
  TRY (make_run (r, texts));
  TRY (write_unit (r, unit, text));
  TRY (remote_run (r->p, remote_argv (ARGV ("systemctl", "start", "--", unit)),
                   NULL, 150000, &ran));
  if (ran.status != 0)
    return failed (r, unit, name, "does not start");
  return wait_ready (r, item, unit);
}

/* It ran on the source when it was looked at, by itself: what a socket or a
 * timer starts is not started here. */
static bool
is_worked (const struct step_call *call, const struct plan_item *item)
{
  const char *name = service_unit (item);
  const json_t *look = steps_input (call, "%s#look", item->name);
  size_t i;
  json_t *one;
  if (!service_ends (name, ".service"))
    return false;
  json_array_foreach (json_at (look, "units"), i, one)
  {
    const char *unit = json_string_value (json_at (one, "unit"));
    if (unit != NULL && strcmp (unit, name) == 0)
      return service_was_active (one);
  }
  return false;
}

struct err *
rehearse_start (struct rehearsal *r, json_t *started)
{
  const struct plan *plan = r->call->plan;
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    if (strcmp (item->kind, "service") != 0 || !is_worked (r->call, item))
      continue;
    TRY (start_one (r, item));
    words_add (started, service_unit (item));
  }
  return NULL;
}

struct err *
rehearse_checks (struct rehearsal *r)
{
  size_t i;
  json_t *check;
  json_array_foreach (plan_smoke (r->call->plan), i, check)
  {
    CLEANUP_FREE char *why = NULL;
    CLEANUP_FREE char *unit
        = mem_printf ("rehome-rehearsal-%s-*", r->call->migration);
    TRY (ask (r, "a smoke check", check, &why));
    if (why == NULL)
      continue;
    const char *http = json_string_value (json_at (check, "http"));
    const char *tcp = json_string_value (json_at (check, "tcp"));
    CLEANUP_FREE char *what = mem_printf ("did not pass: it %s", why);
    return failed (r, unit, http != NULL ? http : tcp, what);
  }
  return NULL;
}
