/* SPDX-License-Identifier: Apache-2.0 */
/* Facts as words. */
#include "report/words.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/engine.h"
#include "report/moved.h"
#include "report/standing.h"

#include <string.h>
#include <time.h>

char *
words_witness (const json_t *witness)
{
  CLEANUP_FREE char *side = words_of (witness, "side");
  CLEANUP_FREE char *phase = words_of (witness, "phase");
  CLEANUP_FREE char *key = words_of (witness, "fingerprint");
  CLEANUP_FREE char *missing = words_of (witness, "missing");
  return key[0] != '\0'
             ? mem_printf ("%s, %s: signed by %s", side, phase, key)
             : mem_printf ("%s, %s: not signed: %s", side, phase, missing);
}

char *
words_of (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  return s != NULL ? text_escape (s, strlen (s)) : mem_strdup ("");
}

char *
words_time (int64_t ms)
{
  char out[64];
  struct tm tm;
  time_t t = (time_t)(ms / 1000);
  if (gmtime_r (&t, &tm) == NULL
      || strftime (out, sizeof out, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
    return mem_strdup ("?");
  return mem_strdup (out);
}

static bool
has_opened (const json_t *facts)
{
  return json_is_true (json_object_get (facts, "downtime_opened"));
}

char *
words_covers (const json_t *facts)
{
  const json_t *items = json_object_get (facts, "items");
  size_t i, n = json_array_size (items), last = 0, before = 0;
  json_t *item;
  json_array_foreach (items, i, item)
  {
    const json_t *proof = json_object_get (item, "proof");
    if (json_is_true (json_object_get (proof, "last")))
      last++;
    else if (json_is_true (json_object_get (proof, "before")))
      before++;
  }
  if (!has_opened (facts))
    return mem_printf ("0 lost is not claimed yet: the target has not taken "
                       "over (%zu items in the plan, %zu compared so far)",
                       n, last + before);
  return mem_printf (
      "0 lost covers every write acknowledged before the freeze in the "
      "plan's %zu items: %zu compared again after the freeze was proven, %zu "
      "compared before it alone, %zu without a comparison; what stays behind "
      "is listed with its reason",
      n, last, before, n - last - before);
}

static char *
range (const json_t *forecast)
{
  CLEANUP_FREE char *lower = standing_duration (
      json_integer_value (json_object_get (forecast, "lower_ms")));
  CLEANUP_FREE char *upper = standing_duration (
      json_integer_value (json_object_get (forecast, "upper_ms")));
  return mem_printf ("%s to %s", lower, upper);
}

char *
words_downtime (const json_t *facts)
{
  const json_t *forecast = json_object_get (facts, "forecast");
  const json_t *downtime = json_object_get (facts, "downtime_ms");
  if (downtime == NULL) {
    forecast
        = forecast != NULL ? forecast : json_object_get (facts, "forecast_now");
    if (forecast == NULL)
      return NULL;
    CLEANUP_FREE char *r = range (forecast);
    return mem_printf ("Downtime forecast: %s", r);
  }
  int64_t ms = json_integer_value (downtime);
  CLEANUP_FREE char *took = standing_duration (ms);
  if (!has_opened (facts))
    return mem_printf ("Downtime of the aborted cutover: %s as the controller "
                       "saw it",
                       took);
  if (forecast == NULL)
    return mem_printf ("Downtime %s as the controller saw it", took);
  CLEANUP_FREE char *r = range (forecast);
  bool held
      = ms >= json_integer_value (json_object_get (forecast, "lower_ms"))
        && ms <= json_integer_value (json_object_get (forecast, "upper_ms"));
  return mem_printf ("Downtime %s as the controller saw it; forecast %s: %s",
                     took, r, held ? "held" : "missed");
}

/* "held" where the measured time lies in the forecast. */
static char *
against (int64_t ms, const json_t *forecast)
{
  if (forecast == NULL)
    return mem_strdup ("");
  CLEANUP_FREE char *r = range (forecast);
  bool held
      = ms >= json_integer_value (json_object_get (forecast, "lower_ms"))
        && ms <= json_integer_value (json_object_get (forecast, "upper_ms"));
  return mem_printf ("; forecast %s: %s", r, held ? "held" : "missed");
}

/* The way back: what it has cost, or would. */
char *
words_back (const json_t *facts)
{
  const json_t *downtime = json_object_get (facts, "back_downtime_ms");
  const json_t *now = json_object_get (facts, "forecast_back_now");
  int64_t ms = json_integer_value (downtime);
  if (downtime == NULL && now == NULL)
    return NULL;
  if (downtime == NULL) {
    CLEANUP_FREE char *since = words_time (
        json_integer_value (json_object_get (facts, "back_since_ms")));
    CLEANUP_FREE char *r = range (now);
    return mem_printf ("Downtime forecast of the way back: %s; what the target "
                       "took before %s is laid up on the source",
                       r, since);
  }
  CLEANUP_FREE char *took = standing_duration (ms);
  CLEANUP_FREE char *held
      = against (ms, json_object_get (facts, "forecast_back"));
  bool opened = json_is_true (json_object_get (facts, "back_downtime_opened"));
  return mem_printf ("Downtime of the %s %s as the controller saw it%s",
                     opened ? "way back" : "rollback that was given up", took,
                     opened ? held : "");
}

static void
add (struct buf *b, const char *text)
{
  if (b->len > 0)
    err_free (buf_put_str (b, ", "));
  err_free (buf_put_str (b, text));
}

static void
add_count (struct buf *b, const json_t *o, const char *key, const char *name)
{
  int64_t n = moved_number (json_object_get (o, key));
  if (n < 0)
    return;
  CLEANUP_FREE char *count = standing_count (n);
  CLEANUP_FREE char *text = mem_printf ("%s %s", count, name);
  add (b, text);
}

char *
words_holds (const json_t *holds)
{
  static const char *const names[][3]
      = { { "tables", "table", "tables" },
          { "views", "view", "views" },
          { "materialized", "materialized view", "materialized views" },
          { "sequences", "sequence", "sequences" },
          { "routines", "routine", "routines" },
          { "triggers", "trigger", "triggers" },
          { "events", "event", "events" },
          { "extensions", "extension", "extensions" },
          { "large", "large object", "large objects" } };
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    int64_t n = moved_number (json_object_get (holds, names[i][0]));
    if (n > 0)
      add_count (&b, holds, names[i][0], names[i][n == 1 ? 1 : 2]);
    int64_t rows = moved_number (json_object_get (holds, "rows"));
    if (i > 0 || n <= 0 || rows < 0)
      continue;
    CLEANUP_FREE char *count = standing_count (rows);
    CLEANUP_FREE char *text
        = mem_printf ("about %s row%s", count, rows == 1 ? "" : "s");
    add (&b, text);
  }
  if (b.len == 0)
    add (&b, "nothing");
  return buf_steal_str (&b);
}

char *
words_item (const json_t *item)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  const json_t *moved = json_object_get (item, "moved");
  const json_t *proof = json_object_get (item, "proof");
  int64_t bytes = moved_number (json_object_get (moved, "bytes"));
  const char *digest = json_string_value (json_object_get (proof, "digest"));
  const json_t *held = json_object_get (item, "holds");
  CLEANUP_FREE char *holds = held != NULL ? words_holds (held) : NULL;
  if (holds != NULL)
    add (&b, holds);
  add_count (&b, moved, "files", "files sent");
  if (bytes >= 0) {
    CLEANUP_FREE char *text = standing_bytes (bytes);
    add (&b, text);
  }
  add_count (&b, proof, "entries", "entries compared");
  add_count (&b, proof, "users", "users");
  add_count (&b, proof, "groups", "groups");
  if (json_is_true (json_object_get (proof, "last")))
    add (&b, "equal after the freeze");
  else if (json_is_true (json_object_get (proof, "before")))
    add (&b, "equal before the freeze");
  else
    add (&b, "no comparison yet");
  if (digest != NULL) {
    CLEANUP_FREE char *safe = text_escape (digest, strlen (digest));
    CLEANUP_FREE char *text = mem_printf ("digest %s", safe);
    add (&b, text);
  }
  return buf_steal_str (&b);
}

char *
words_finding (const json_t *finding)
{
  CLEANUP_FREE char *code = words_of (finding, "code");
  CLEANUP_FREE char *message = words_of (finding, "message");
  CLEANUP_FREE char *step = words_of (finding, "step");
  CLEANUP_FREE char *todo = words_of (finding, "todo");
  return mem_printf ("%s%s%s%s%s (%s)", code, code[0] != '\0' ? ": " : "",
                     message, todo[0] != '\0' ? "; " : "", todo, step);
}

char *
words_approval (const json_t *approval)
{
  CLEANUP_FREE char *name = words_of (approval, "name");
  CLEANUP_FREE char *role = words_of (approval, "role");
  CLEANUP_FREE char *what = words_of (approval, "for");
  CLEANUP_FREE char *when = words_of (approval, "time");
  CLEANUP_FREE char *meaning = words_of (approval, "meaning");
  CLEANUP_FREE char *key = words_of (approval, "fingerprint");
  return mem_printf ("%s as %s, for %s, %s: \"%s\", key %s", name, role, what,
                     when, meaning, key);
}

char *
words_request (const json_t *request)
{
  const json_t *given = json_object_get (request, "no_way_back");
  CLEANUP_FREE char *what = words_of (request, "request");
  CLEANUP_BUF struct buf why = BUF_INIT;
  size_t i;
  json_t *one;
  if (given == NULL)
    return STEAL (what);
  CLEANUP_FREE char *how = words_of (given, "how");
  json_array_foreach (json_object_get (given, "why"), i, one)
  {
    const char *text = json_string_value (one);
    CLEANUP_FREE char *safe
        = text != NULL ? text_escape (text, strlen (text)) : mem_strdup ("");
    add (&why, safe);
  }
  CLEANUP_FREE char *all = buf_steal_str (&why);
  return mem_printf ("%s; confirmed (%s) that there is no proven way back%s%s",
                     what, how, all[0] != '\0' ? ": " : "", all);
}

char *
words_backup (const json_t *facts)
{
  const json_t *backup = json_object_get (facts, "backup");
  CLEANUP_FREE char *state = words_of (backup, "state");
  CLEANUP_FREE char *by = words_of (backup, "by");
  CLEANUP_FREE char *reason = words_of (backup, "reason");
  if (strcmp (state, "waiver") == 0)
    return mem_printf ("No restore of a backup was asked for: waived by %s: %s",
                       by, reason);
  return mem_strdup (strcmp (state, "check") == 0
                         ? "A restore of a backup is proven by the plan's "
                           "check in each cutover"
                         : "No restore of a backup is proven, and nobody has "
                           "waived it");
}

char *
words_kept (const json_t *facts)
{
  const json_t *kept = json_object_get (facts, "kept");
  const json_t *until = json_object_get (kept, "until_ms");
  CLEANUP_FREE char *owner = words_of (kept, "owner");
  CLEANUP_FREE char *date = words_of (facts, "retention");
  CLEANUP_FREE char *when = until != NULL
                                ? words_time (json_integer_value (until))
                                : mem_strdup ("some time after the end");
  return mem_printf ("What was kept aside belongs to %s and may be purged from "
                     "%s on; the evidence is kept until %s",
                     owner[0] != '\0' ? owner : "nobody who is named", when,
                     date[0] != '\0' ? date : "somebody says a date");
}

char *
words_purged (const json_t *one)
{
  CLEANUP_FREE char *host = words_of (one, "host");
  CLEANUP_FREE char *path = words_of (one, "path");
  CLEANUP_FREE char *digest = words_of (one, "digest");
  int64_t n = moved_number (json_object_get (one, "entries"));
  CLEANUP_FREE char *count = standing_count (n < 0 ? 0 : n);
  return mem_printf ("purged from the %s: %s, %s entries, SHA-256 %s", host,
                     path, count, digest);
}

char *
words_records (const json_t *line)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  const json_t *list = json_object_get (line, "records");
  json_int_t more = json_integer_value (json_object_get (line, "more"));
  size_t i;
  json_t *one;
  if (json_array_size (list) == 0)
    return mem_strdup ("none");
  json_array_foreach (list, i, one)
  {
    CLEANUP_FREE char *n
        = mem_printf ("%" JSON_INTEGER_FORMAT, json_integer_value (one));
    add (&b, n);
  }
  CLEANUP_FREE char *all = buf_steal_str (&b);
  return more > 0
             ? mem_printf ("%s, and %" JSON_INTEGER_FORMAT " more", all, more)
             : STEAL (all);
}

const char *
words_demands (const char *section)
{
  static const char *const table[][2] = {
    { "covers", "S0.24, S1.4" }, { "downtime", "S0.7, S0.9" },
    { "moved", "S0.15, S0.23" }, { "steps", "S0.33, S0.35" },
    { "requests", "S0.34" },     { "chain", "S0.34" },
    { "findings", "S0.27" },     { "left", "S0.39" },
    { "outages", "S0.28" },      { "witnesses", "S0.34, S0.35" },
    { "approvals", "S0.34" },    { "mapping", "S0.34, S2.54" },
    { "queries", "S0.38" },
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp (table[i][0], section) == 0)
      return table[i][1];
  return NULL;
}
