/* SPDX-License-Identifier: Apache-2.0 */
/* Smoke checks, the pivot that removes the gate, the looks during the guard,
 * and what acceptance leaves behind. */
#include "provider/move.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "plan/check.h"
#include "provider/address_client.h"
#include "provider/check.h"
#include "provider/rehearse.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <string.h>

#define SMOKE_MS 5000
#define POLL_MS 100

static struct err *
smoke_one (const struct step_call *call, struct port *p, const json_t *check,
           const char *where, json_t *passed)
{
  char *words CLEANUP_FREE = check_words (check);
  int64_t end = monotonic_ms () + SMOKE_MS;
  for (;;) {
    json_int_t ms = 0;
    char *why CLEANUP_FREE = NULL;
    TRY (check_try (p, check, &why, &ms));
    if (why == NULL) {
      json_array_append_new (passed,
                             json_pack ("{s:s,s:I}", "check", words, "ms", ms));
      return NULL;
    }
    if (monotonic_ms () > end)
      return err_advise (err_new (ERR_REFUSED, "RH-MOVE-SMOKE",
                                  "the smoke check from %s failed: %s: %s",
                                  where, words, why),
                         "the target was not opened",
                         "look at the service on the target, or correct the "
                         "check in the plan");
    TRY (remote_pause (call, POLL_MS));
  }
}

struct err *
move_checks (const struct step_call *call, json_t **result)
{
  (void)result;
  size_t i;
  json_t *one;
  json_array_foreach (plan_smoke (call->plan), i, one)
  {
    bool inside
        = strcmp (json_string_value (json_at (one, "from")), "target") == 0;
    struct port *asks = call->target;
    enum client_way way;
    if (!check_needs_tls (one))
      continue;
    if (!inside)
      TRY (client_find (call, one, &asks, &way));
    TRY (check_can_ask (asks, one, inside));
  }
  for (i = 0; i < plan_item_count (call->plan); i++) {
    const json_t *ready = json_at (plan_item (call->plan, i)->spec, "ready");
    if (check_needs_tls (ready))
      TRY (check_can_ask (call->target, ready, true));
  }
  return NULL;
}

struct err *
move_smoke_inside (const struct step_call *call, json_t **result)
{
  json_t *passed CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (plan_smoke (call->plan), i, one)
  {
    if (strcmp (json_string_value (json_at (one, "from")), "target") == 0)
      TRY (smoke_one (call, call->target, one, "the target itself", passed));
  }
  *result
      = json_pack ("{s:s,s:O}", "from", "the target itself", "passed", passed);
  return NULL;
}

/* As a client: from the controller where it is a third host and gets there,
 * else from the source, which has given its address away and is a client like
 * any other; the gate lets both through. */
struct err *
move_smoke_outside (const struct step_call *call, json_t **result)
{
  json_t *passed CLEANUP_JSON = json_array ();
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  bool frozen;
  size_t i;
  json_t *one;
  TRY (remote_exists (call->source, flag, &frozen));
  if (!frozen)
    return err_new (ERR_REFUSED, "RH-MOVE-THAWED",
                    "the source was thawed by someone: %s is gone", flag);
  json_array_foreach (plan_smoke (call->plan), i, one)
  {
    if (strcmp (json_string_value (json_at (one, "from")), "target") == 0)
      continue;
    struct port *asks = NULL;
    enum client_way way;
    TRY (client_find (call, one, &asks, &way));
    char *where CLEANUP_FREE = mem_printf ("outside (the %s)", asks->name);
    TRY (smoke_one (call, asks, one, where, passed));
  }
  *result = json_pack ("{s:s,s:O}", "from", "outside", "passed", passed);
  return NULL;
}

/* Units with a gate for traffic: services and sockets. */
static json_t *
gated_units (const struct step_call *call)
{
  json_t *units CLEANUP_JSON = service_plan_units (call);
  json_t *gated = service_with_suffix (units, ".service");
  json_t *sockets CLEANUP_JSON = service_with_suffix (units, ".socket");
  json_array_extend (gated, sockets);
  return gated;
}

/* "unit: what" for each gate that still stands; array. */
static struct err *
closed_gates (const struct step_call *call, json_t **out)
{
  *out = json_array ();
  json_t *units CLEANUP_JSON = gated_units (call);
  if (json_array_size (units) == 0)
    return NULL;
  json_t *argv = remote_argv (
      ARGV ("systemctl", "show", "--no-pager", "-p", "Id,IPAddressDeny", "--"));
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    remote_word (argv, json_string_value (one));
  }
  char *text CLEANUP_FREE = NULL;
  TRY (remote_must (call->target, argv, NULL, &text));
  json_t *shown CLEANUP_JSON = service_parse_show (text);
  json_array_foreach (shown, i, one)
  {
    const char *deny = json_string_value (json_at (one, "IPAddressDeny"));
    if (deny != NULL && deny[0] != '\0')
      json_array_append (*out, json_at (one, "Id"));
  }
  return NULL;
}

/* From here on a reboot of the target starts the work, too. */
static struct err *
open_for_good (const struct step_call *call)
{
  char *path CLEANUP_FREE = steps_path (call, "may-start");
  return remote_write (call->target, path, "open\n", 5, 0644);
}

struct err *
move_pivot (const struct step_call *call, json_t **result)
{
  json_t *units CLEANUP_JSON = gated_units (call);
  json_t *all CLEANUP_JSON = service_plan_units (call);
  size_t i;
  json_t *one;
  TRY (open_for_good (call));
  json_array_foreach (units, i, one)
  {
    TRY (remote_must (call->target,
                      remote_argv (ARGV ("systemctl", "set-property",
                                         "--runtime", json_string_value (one),
                                         "IPAddressDeny=", "IPAddressAllow=")),
                      NULL, NULL));
  }
  json_array_foreach (all, i, one)
  {
    char *gate CLEANUP_FREE
        = service_dropin (json_string_value (one), SERVICE_GATE);
    TRY (remote_remove (call->target, gate));
  }
  json_t *closed CLEANUP_JSON = NULL;
  TRY (closed_gates (call, &closed));
  if (json_array_size (closed) > 0)
    return err_new (ERR_TRANSIENT, "RH-MOVE-GATE",
                    "the gate of %s is still closed",
                    json_string_value (json_array_get (closed, 0)));
  *result = json_pack ("{s:O}", "opened", units);
  return NULL;
}

struct err *
move_pivot_probe (const struct step_call *call, enum probe_state *out)
{
  char *path CLEANUP_FREE = steps_path (call, "may-start");
  struct remote_file f CLEANUP_REMOTE = { 0 };
  json_t *closed CLEANUP_JSON = NULL;
  json_t *units CLEANUP_JSON = service_plan_units (call);
  TRY (remote_stat (call->target, path, &f));
  TRY (closed_gates (call, &closed));
  bool marked = f.exists && strcmp (f.type, "file") == 0;
  bool placed = false;
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    char *gate CLEANUP_FREE
        = service_dropin (json_string_value (one), SERVICE_GATE);
    bool there;
    TRY (remote_exists (call->target, gate, &there));
    placed |= there;
  }
  *out = !marked                                    ? PROBED_NOT_DONE
         : json_array_size (closed) == 0 && !placed ? PROBED_DONE
                                                    : PROBED_PARTIAL;
  return NULL;
}

/* Looks that tell; they refuse nothing, since nothing may stop the target. */
struct err *
move_guard (const struct step_call *call, json_t **result)
{
  json_t *findings CLEANUP_JSON = json_array ();
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  bool frozen = false;
  struct err *e = remote_exists (call->source, flag, &frozen);
  if (e != NULL)
    json_array_append_new (findings, json_sprintf ("the source cannot be "
                                                   "looked at: %s",
                                                   err_message (e)));
  else if (!frozen)
    json_array_append_new (findings, json_string ("the source is not frozen "
                                                  "any more"));
  err_free (e);
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    const struct plan_item *item = plan_item (call->plan, i);
    const json_t *start = steps_input (call, "%s#start", item->name);
    size_t k;
    json_t *one;
    json_array_foreach (json_at (start, "started"), k, one)
    {
      struct ran r CLEANUP_RAN = { 0 };
      const char *unit = json_string_value (one);
      TRY (remote_run (
          call->target,
          remote_argv (ARGV ("systemctl", "is-active", "--quiet", "--", unit)),
          NULL, 20000, &r));
      if (r.status != 0)
        json_array_append_new (
            findings, json_sprintf ("%s does not run on the target", unit));
    }
  }
  *result
      = json_pack ("{s:b,s:O}", "source_frozen", frozen, "findings", findings);
  return NULL;
}

/* What served the move alone goes: it can be made again, or is known to the
 * journal. */
struct err *
move_remove_working (const struct step_call *call, struct port *p)
{
  static const char *const gone[]
      = { "may-start", "stage", "index", "results", "back", "closed" };
  TRY (rehearse_close (call, p));
  for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
    char *path CLEANUP_FREE = steps_path (call, "%s", gone[i]);
    TRY (remote_remove_tree (p, path));
  }
  return NULL;
}

static struct err *
end_keeper (const struct step_call *call, struct port *p)
{
  return port_call (p, "keeper.stop",
                    json_pack ("{s:s}", "migration", call->migration), NULL);
}

/* What stays on the source, so that it never starts its old work again. */
static struct err *
left_on_source (const struct step_call *call, json_t *left)
{
  char *script CLEANUP_FREE = steps_path (call, "thaw");
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  TRY (end_keeper (call, call->source));
  char *home CLEANUP_FREE = steps_path (call, "%s", "");
  home[strlen (home) - 1] = '\0';
  TRY (remote_remove (call->source, MOVE_TEXT));
  TRY (remote_remove (call->source, script));
  TRY (move_remove_working (call, call->source));
  words_add (left, home);
  char *file CLEANUP_FREE = mem_printf (SERVICE_UNITS "/%s", unit);
  char *wanted CLEANUP_FREE
      = mem_printf (SERVICE_UNITS "/multi-user.target.wants/%s", unit);
  char *running CLEANUP_FREE
      = mem_printf ("/run/systemd/units/invocation:%s", unit);
  words_add (left, file);
  words_add (left, wanted);
  words_add (left, running); /* systemd's own note that it is active */
  json_t *units CLEANUP_JSON = service_plan_units (call);
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    char *dropin CLEANUP_FREE
        = service_dropin (json_string_value (one), SERVICE_FREEZE);
    words_add (left, dropin);
  }
  return NULL;
}

static struct err *
left_on_target (const struct step_call *call, json_t *left)
{
  char *home CLEANUP_FREE = steps_path (call, "%s", "");
  char *run CLEANUP_FREE = mem_printf ("/run/rehome-%s", call->migration);
  char *started CLEANUP_FREE = mem_printf ("%s/started", run);
  home[strlen (home) - 1] = '\0';
  TRY (end_keeper (call, call->target));
  TRY (move_confirm_end (call->target, call->plan));
  TRY (remote_remove (call->target, started));
  TRY (remote_remove (call->target, run));
  TRY (move_remove_working (call, call->target));
  words_add (left, home);
  json_t *names CLEANUP_JSON = NULL;
  char *aside CLEANUP_FREE = steps_path (call, "aside");
  TRY (remote_names (call->target, aside, &names));
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    char *path CLEANUP_FREE
        = mem_printf ("%s/%s", aside, json_string_value (one));
    words_add (left, path);
  }
  for (i = 0; i < json_array_size (plan_switch (call->plan)); i++) {
    const json_t *move
        = json_at (json_array_get (plan_switch (call->plan), i), "address");
    const json_t *keep
        = steps_input (call, "address:%s#keep",
                       json_string_value (json_at (move, "move")));
    const char *config = json_string_value (json_at (keep, "config"));
    if (config != NULL && config[0] != '\0')
      words_add (left, config);
  }
  return NULL;
}

struct err *
move_clean (const struct step_call *call, json_t **result)
{
  json_t *source CLEANUP_JSON = json_array ();
  json_t *target CLEANUP_JSON = json_array ();
  json_t *findings CLEANUP_JSON = json_array ();
  struct err *e = left_on_source (call, source);
  if (e != NULL && !port_is_lost (e))
    return e;
  if (e != NULL) /* a source that is off stays as it is: frozen */
    json_array_append_new (findings, json_sprintf ("the source was not "
                                                   "reached: %s",
                                                   err_message (e)));
  err_free (e);
  TRY (left_on_target (call, target));
  *result = json_pack ("{s:{s:O,s:O},s:O}", "left", "source", source, "target",
                       target, "findings", findings);
  return NULL;
}

/* By a timer of the source's own systemd, so that what is still to be said to
 * it is said; a second call finds the timer there. */
struct err *
move_poweroff (const struct step_call *call, json_t **result)
{
  char *unit CLEANUP_FREE
      = mem_printf ("--unit=rehome-poweroff-%s", call->migration);
  struct ran r CLEANUP_RAN = { 0 };
  CLEANUP_ERR struct err *e = remote_run (
      call->source,
      remote_argv (ARGV ("systemd-run", "--quiet", "--collect", unit,
                         "--on-active=30s", "--timer-property=AccuracySec=1s",
                         "systemctl", "poweroff")),
      NULL, 20000, &r);
  if (e != NULL && !port_is_lost (e))
    return STEAL (e);
  if (e != NULL) { /* it may well be off */
    *result = json_pack ("{s:b, s:[o]}", "told", 0, "findings",
                         json_sprintf ("the source was not reached to power "
                                       "it off: %s",
                                       err_message (e)));
    return NULL;
  }
  if (r.status != 0 && strstr (r.err, "already") == NULL)
    return err_new (ERR_REFUSED, "RH-MOVE-POWEROFF",
                    "the source does not take the order to power off: %.200s",
                    r.err);
  *result
      = json_pack ("{s:b, s:[s]}", "told", 1, "findings",
                   "the source powers off half a minute after the acceptance; "
                   "it stays closed when somebody powers it on again");
  return NULL;
}
