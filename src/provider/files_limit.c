/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of an item's stream: what the plan says, and what the sender is
 * told. */
#include "provider/files.h"

#include "base/mem.h"
#include "provider/move.h"

#include <stdlib.h>
#include <string.h>

#define RATE_MIN 1024
#define SPANS_MAX 100

static struct err *
fault (const char *what)
{
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE", "'limit': expected %s", what);
}

/* 20M: 1024 times 1024 times 20 bytes a second; or a number of bytes. */
static bool
rate_of (const json_t *v, uint64_t *out)
{
  static const char units[] = "KMG";
  if (json_is_integer (v)) {
    *out = json_integer_value (v) > 0 ? (uint64_t)json_integer_value (v) : 0;
    return *out >= RATE_MIN;
  }
  const char *s = json_string_value (v);
  if (s == NULL || *s < '0' || *s > '9')
    return false;
  char *end;
  unsigned long long n = strtoull (s, &end, 10);
  const char *unit = *end != 0 ? strchr (units, *end) : NULL;
  if (n > 1000000000ULL || (*end != 0 && (unit == NULL || end[1] != 0)))
    return false;
  *out = unit != NULL ? n << (10 * (unit - units + 1)) : n;
  return *out >= RATE_MIN;
}

static bool
time_of (const json_t *v, int *minute)
{
  const char *s = json_string_value (v);
  if (s == NULL || strlen (s) != 5 || s[2] != ':'
      || strspn (s, "0123456789:") != 5)
    return false;
  int hour = atoi (s);
  *minute = hour * 60 + atoi (s + 3);
  return hour < 24 && atoi (s + 3) < 60;
}

/* Bit 0 is Monday; all where there is no list. */
static bool
days_of (const json_t *list, int *out)
{
  static const char *const days[]
      = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
  size_t i;
  json_t *one;
  *out = list == NULL ? 127 : 0;
  json_array_foreach (list, i, one)
  {
    int day = 0;
    const char *s = json_string_value (one);
    while (day < 7 && (s == NULL || strcmp (days[day], s) != 0))
      day++;
    if (day == 7)
      return false;
    *out |= 1 << day;
  }
  return *out != 0;
}

/* One entry as tree.send takes it. */
static struct err *
span_of (const json_t *o, json_t **out)
{
  static const char *const keys[]
      = { "rate", "from", "to", "days", "zone", NULL };
  int from = 0, to = 0, days = 0;
  uint64_t rate = 0;
  const char *key;
  json_t *v;
  json_object_foreach ((json_t *)(uintptr_t)o, key, v)
  {
    size_t i = 0;
    while (keys[i] != NULL && strcmp (keys[i], key) != 0)
      i++;
    if (keys[i] == NULL)
      return fault ("rate, from, to, days and zone in an entry");
  }
  if (!rate_of (json_at (o, "rate"), &rate))
    return fault ("a rate in bytes a second, such as 500K or 20M");
  bool timed = json_at (o, "from") != NULL || json_at (o, "to") != NULL;
  if (timed
      && (!time_of (json_at (o, "from"), &from)
          || !time_of (json_at (o, "to"), &to)))
    return fault ("from and to, each a time of day such as \"08:00\"");
  if (!days_of (json_at (o, "days"), &days))
    return fault ("days, a list such as [mon, tue]");
  int len = (to - from + 1440) % 1440;
  *out = json_pack ("{s:o, s:i, s:i, s:i}", "rate", json_u64 (rate), "from",
                    from, "len", len == 0 ? 1440 : len, "days", days);
  return NULL;
}

/* One zone for all entries: the first that is named. */
static struct err *
spans_of (const json_t *limit, json_t **spans, const char **zone)
{
  CLEANUP_JSON json_t *list = json_array ();
  CLEANUP_JSON json_t *single = NULL;
  *zone = "UTC";
  if (!json_is_array (limit)) {
    single = json_pack ("[{s:O}]", "rate", limit);
    limit = single;
  }
  if (json_array_size (limit) == 0 || json_array_size (limit) > SPANS_MAX)
    return fault ("a rate, or a list of 1 to 100 entries");
  for (size_t i = 0; i < json_array_size (limit); i++) {
    const json_t *one = json_array_get (limit, i);
    const json_t *named = json_at (one, "zone");
    json_t *span = NULL;
    if (!json_is_object (one))
      return fault ("entries such as {rate: 20M, from: \"08:00\", to: "
                    "\"18:00\"}");
    TRY (span_of (one, &span));
    json_array_append_new (list, span);
    if (named != NULL && !move_window_zone (json_string_value (named)))
      return fault ("a time zone, such as Europe/Berlin");
    if (named != NULL && i > 0
        && strcmp (*zone, json_string_value (named)) != 0)
      return fault ("the same zone in every entry");
    if (named != NULL)
      *zone = json_string_value (named);
    else if (i > 0 && strcmp (*zone, "UTC") != 0)
      return fault ("the same zone in every entry");
  }
  *spans = STEAL (list);
  return NULL;
}

/* 20ms, or 1s. */
static bool
latency_of (const json_t *v, int *ms)
{
  const char *s = json_string_value (v);
  if (s == NULL || *s < '0' || *s > '9' || strlen (s) > 7)
    return false;
  char *end;
  long n = strtol (s, &end, 10);
  *ms = (int)(strcmp (end, "s") == 0 ? n * 1000 : n);
  return (strcmp (end, "s") == 0 || strcmp (end, "ms") == 0) && *ms >= 1
         && *ms <= 60000;
}

/* An object has the latency of the source's disk and perhaps a rate; *rates
 * (borrowed): what spans_of takes, or NULL. */
static struct err *
parts_of (const json_t *limit, int *latency, const json_t **rates)
{
  *latency = 0;
  *rates = limit;
  if (!json_is_object (limit))
    return NULL;
  *rates = json_at (limit, "rate");
  if (json_object_size (limit) != (*rates != NULL ? 2 : 1)
      || !latency_of (json_at (limit, "latency"), latency))
    return fault ("{latency: 20ms}, with rate: 20M or a list where wanted");
  return NULL;
}

struct err *
files_limit_check (const json_t *spec)
{
  CLEANUP_JSON json_t *spans = NULL;
  const char *zone;
  int latency;
  const json_t *limit = json_at (spec, "limit"), *rates;
  if (limit == NULL)
    return NULL;
  TRY (parts_of (limit, &latency, &rates));
  return rates != NULL ? spans_of (rates, &spans, &zone) : NULL;
}

struct err *
files_limit (const struct step_call *call, json_t *args)
{
  CLEANUP_JSON json_t *spans = NULL;
  const char *zone;
  const json_t *limit = json_at (call->item->spec, "limit"), *rates;
  int now = 0, latency;
  if (limit == NULL)
    return NULL;
  TRY (parts_of (limit, &latency, &rates));
  json_t *o = json_object ();
  json_object_set_new (args, "limit", o);
  if (latency != 0)
    json_object_set_new (o, "latency_ms", json_integer (latency));
  if (rates == NULL)
    return NULL;
  TRY (spans_of (rates, &spans, &zone));
  if (json_is_array (rates)) /* else it is the same at any time */
    TRY (move_window_now (call->target, zone, &now));
  json_object_set_new (o, "now", json_integer (now));
  json_object_set (o, "spans", spans);
  return NULL;
}
