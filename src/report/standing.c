/* SPDX-License-Identifier: Apache-2.0 */
/* Where a migration stands, in one line. */
#include "report/standing.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/engine.h"

#include <inttypes.h>
#include <string.h>

char *
standing_duration (int64_t ms)
{
  if (ms < 100)
    return mem_printf ("%" PRId64 " ms", ms > 0 ? ms : 0);
  if (ms < 10000)
    return mem_printf ("%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
  int64_t s = (ms + 500) / 1000;
  if (s < 120)
    return mem_printf ("%" PRId64 " s", s);
  if (s < 7200)
    return mem_printf ("%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
  return mem_printf ("%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
}

char *
standing_count (int64_t n)
{
  char raw[32], out[48];
  int len = snprintf (raw, sizeof raw, "%" PRId64, n < 0 ? 0 : n);
  size_t at = 0;
  for (int i = 0; i < len; i++) {
    if (i > 0 && (len - i) % 3 == 0)
      out[at++] = ',';
    out[at++] = raw[i];
  }
  out[at] = '\0';
  return mem_strdup (out);
}

char *
standing_bytes (int64_t n)
{
  static const char *const units[] = { "kB", "MB", "GB", "TB", "PB" };
  if (n < 1000)
    return mem_printf ("%" PRId64 " B", n < 0 ? 0 : n);
  int64_t unit = 1000;
  size_t u = 0;
  while (n / unit >= 1000 && u < 4) {
    unit *= 1000;
    u++;
  }
  int64_t tenths = n / (unit / 10);
  return tenths < 100 ? mem_printf ("%" PRId64 ".%" PRId64 " %s", tenths / 10,
                                    tenths % 10, units[u])
                      : mem_printf ("%" PRId64 " %s", tenths / 10, units[u]);
}

static const char *
word (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  return s != NULL ? s : "";
}

static char *
host_name (const json_t *facts, const char *side)
{
  const char *s = word (json_object_get (facts, side), "name");
  return text_escape (s, strlen (s));
}

static enum phase
phase_of (const json_t *facts)
{
  const char *name = word (facts, "phase");
  for (enum phase p = PHASE_PLANNED; p < PHASE_COUNT; p++)
    if (strcmp (name, phase_name (p)) == 0)
      return p;
  return PHASE_PLANNED;
}

/* Who answers clients now. */
static char *
serving (const json_t *facts, const char *source, const char *target)
{
  const char *writer = word (facts, "writer");
  if (strcmp (writer, writer_name (WRITER_TARGET)) == 0)
    return mem_printf ("SERVING %s | %s closed", target, source);
  if (strcmp (writer, writer_name (WRITER_SOURCE)) == 0)
    return mem_printf ("SERVING %s | %s closed", source, target);
  return mem_printf ("FROZEN %s | %s closed", source, target);
}

static char *
abort_text (const json_t *facts)
{
  json_int_t ms = json_integer_value (json_object_get (facts, "back_ms"));
  enum phase p = phase_of (facts);
  /* Before the freeze nothing has to be started again. */
  if (p < PHASE_FREEZING || p == PHASE_ABORTED)
    ms = ms < 1000 ? ms : 1000;
  json_int_t s = (ms + 999) / 1000;
  return mem_printf ("abort, %lld s, loses 0", (long long)(s > 0 ? s : 1));
}

/* Seconds at most, and what it loses: nothing, while both hosts are there. */
static char *
rollback_text (const json_t *facts)
{
  const json_t *f = json_object_get (facts, "forecast_back_now");
  json_int_t ms = json_integer_value (json_object_get (f, "upper_ms"));
  json_int_t s = (ms + 999) / 1000;
  if (strcmp (word (facts, "back_mode"), "none") == 0)
    return mem_strdup ("none");
  return mem_printf ("rollback, %lld s, loses 0", (long long)(s > 0 ? s : 1));
}

static char *
back (const json_t *facts)
{
  switch (phase_of (facts)) {
  case PHASE_ABORTING:
    return mem_strdup ("under way");
  case PHASE_ABORTED:
    return mem_strdup ("done, lost 0");
  case PHASE_STUCK:
    return mem_strdup ("an undo failed, see attention");
  case PHASE_ACCEPTING:
  case PHASE_ACCEPTED:
    return mem_strdup ("given up by accept");
  case PHASE_OPENING:
  case PHASE_GUARDED:
  case PHASE_RETURNING:
  case PHASE_BACK_HOLDING:
    return rollback_text (facts);
  case PHASE_ROLLED_BACK:
    return mem_strdup (json_is_true (json_object_get (facts, "alone"))
                           ? "done, without the target"
                           : "done, lost 0");
  case PHASE_BACK_ABORTING:
    return mem_strdup ("given up, the target goes on");
  case PHASE_BACK_STUCK:
    return mem_strdup ("an undo failed, see attention");
  case PHASE_BACK_FREEZING:
  case PHASE_BACK_FINAL:
  case PHASE_BACK_VERIFYING:
  case PHASE_BACK_STARTING:
  case PHASE_BACK_SMOKE:
  case PHASE_BACK_SWITCHING:
  case PHASE_BACK_OUTSIDE:
  case PHASE_BACK_OPENING:
    return mem_strdup ("under way");
  case PHASE_PLANNED:
    return mem_strdup ("nothing to undo");
  default:
    return abort_text (facts);
  }
}

static const char *
next_verb (const json_t *facts)
{
  bool attention = json_is_object (json_object_get (facts, "attention"));
  bool busy = json_is_string (json_object_get (facts, "goal"));
  if (json_is_true (json_object_get (facts, "paused")))
    return "resume";
  switch (phase_of (facts)) {
  case PHASE_PLANNED:
    return busy ? "watch" : "sync";
  case PHASE_ABORTED:
    return busy ? "watch" : attention ? "cutover" : "sync";
  case PHASE_STUCK:
  case PHASE_BACK_STUCK:
    return "resume";
  case PHASE_SYNCING:
    return json_is_true (json_object_get (facts, "in_step")) ? "cutover"
           : attention                                       ? "resume"
                                                             : "watch";
  case PHASE_GUARDED:
    return "accept";
  case PHASE_ACCEPTED:
  case PHASE_ROLLED_BACK:
    return "report";
  default:
    return attention ? "resume" : "watch";
  }
}

char *
standing_next (const json_t *facts)
{
  const char *plan = word (facts, "plan");
  if (plan[0] == '\0')
    plan = word (facts, "name");
  CLEANUP_FREE char *safe = text_escape (plan, strlen (plan));
  return mem_printf ("rehome %s %s", next_verb (facts), safe);
}

char *
standing_line (const json_t *facts)
{
  CLEANUP_FREE char *source = host_name (facts, "source");
  CLEANUP_FREE char *target = host_name (facts, "target");
  CLEANUP_FREE char *who = serving (facts, source, target);
  CLEANUP_FREE char *way_back = back (facts);
  CLEANUP_FREE char *next = standing_next (facts);
  return mem_printf ("%s | back: %s | next: %s", who, way_back, next);
}
