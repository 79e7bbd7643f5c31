/* SPDX-License-Identifier: Apache-2.0 */
/* Who the two hosts are: two, those of the plan, with clocks that agree. */
#include "provider/move.h"

#include "base/mem.h"
#include "provider/remote.h"

#include <string.h>
#include <time.h>

#define SKEW_MS 2000
#define QUICK_MS 100
#define LOOKS 3

static int64_t
wall_ms (void)
{
  struct timespec t;
  clock_gettime (CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Facts; *took_ms: of the call, *offset_ms: of the host's clock from the
 * middle of it. */
static struct err *
ask_once (struct port *p, json_t **facts, int64_t *offset_ms, int64_t *took_ms)
{
  int64_t from = wall_ms ();
  TRY (port_call (p, "facts", json_object (), facts));
  int64_t to = wall_ms ();
  const json_t *now = json_at (*facts, "time_ms");
  int64_t there = json_is_string (now)
                      ? strtoll (json_string_value (now), NULL, 10)
                      : json_integer_value (now);
  *offset_ms = there - from - (to - from) / 2;
  *took_ms = to - from;
  return NULL;
}

/* The quickest of a few answers tells the clock best: the first may have
 * waited for the connection. */
static struct err *
facts_of (struct port *p, json_t **facts, int64_t *offset_ms)
{
  int64_t best;
  TRY (ask_once (p, facts, offset_ms, &best));
  for (int i = 0; i < LOOKS && best > QUICK_MS; i++) {
    json_t *again CLEANUP_JSON = NULL;
    int64_t offset;
    int64_t took;
    TRY (ask_once (p, &again, &offset, &took));
    if (took < best) {
      best = took;
      *offset_ms = offset;
    }
  }
  return NULL;
}

static struct err *
check_host (const struct plan_host *planned, const json_t *facts,
            const char *which)
{
  const char *id = json_text (facts, "machine_id");
  if (planned->machine_id != NULL && strcmp (planned->machine_id, id) != 0)
    return err_todo (err_new (ERR_BLOCKED, "RH-MOVE-IDENTITY",
                              "the %s has machine-id %s, the plan says %s",
                              which, id, planned->machine_id),
                     "make sure which machine this is; if it is the right "
                     "one, run 'rehome plan' again");
  if (!json_is_true (json_at (facts, "systemd")))
    return err_new (ERR_BLOCKED, "RH-MOVE-SYSTEMD",
                    "the %s does not run systemd", which);
  if (json_integer_value (json_at (facts, "uid")) != 0)
    return err_new (ERR_BLOCKED, "RH-MOVE-ROOT",
                    "the agent on the %s does not run as root", which);
  return NULL;
}

struct err *
move_identity (const struct step_call *call, json_t **result)
{
  json_t *source CLEANUP_JSON = NULL;
  json_t *target CLEANUP_JSON = NULL;
  int64_t a;
  int64_t b;
  TRY (facts_of (call->source, &source, &a));
  TRY (facts_of (call->target, &target, &b));
  TRY (check_host (plan_source (call->plan), source, "source"));
  TRY (check_host (plan_target (call->plan), target, "target"));
  if (strcmp (json_text (source, "machine_id"),
              json_text (target, "machine_id"))
      == 0)
    return err_todo (err_new (ERR_BLOCKED, "RH-MOVE-SAMEHOST",
                              "source and target are the same machine (%s)",
                              json_text (source, "machine_id")),
                     "correct the hosts in the plan; if the target is a clone "
                     "of the source, give it a machine-id of its own: "
                     "systemd-machine-id-setup");
  if (strcmp (json_text (source, "hostname"), json_text (target, "hostname"))
      == 0)
    return err_todo (err_new (ERR_BLOCKED, "RH-MOVE-SAMEHOST",
                              "source and target have the same host name, %s",
                              json_text (source, "hostname")),
                     "give one of them another: hostnamectl set-hostname");
  int64_t skew = a > b ? a - b : b - a;
  if (skew > SKEW_MS)
    return err_todo (err_new (ERR_BLOCKED, "RH-MOVE-SKEW",
                              "the clocks of source and target differ by "
                              "%lld ms, more than %d",
                              (long long)skew, SKEW_MS),
                     "set the clocks, for instance with systemd-timesyncd");
  *result = json_pack (
      "{s:O,s:O,s:I,s:[s]}", "source", source, "target", target, "skew_ms",
      (json_int_t)skew, "findings",
      "rehome makes no backup of the source: have one that was tested");
  return NULL;
}
