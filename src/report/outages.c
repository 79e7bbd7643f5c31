/* SPDX-License-Identifier: Apache-2.0 */
/* When neither server took writes, by the hour and by the quarter. */
#include "report/outages.h"

#include <string.h>

#define HOUR_MS ((int64_t)3600000)
#define QUARTER_MS ((int64_t)900000)

/* What of [begin, end) lies in each stretch of `unit`. */
static json_t *
split (int64_t begin, int64_t end, int64_t unit)
{
  json_t *out = json_array ();
  for (int64_t at = begin - begin % unit; at < end; at += unit) {
    int64_t from = at > begin ? at : begin;
    int64_t to = at + unit < end ? at + unit : end;
    json_array_append_new (out,
                           json_pack ("{s:I, s:I}", "at_ms", (json_int_t)at,
                                      "ms", (json_int_t)(to - from)));
  }
  return out;
}

static json_t *
outage (int64_t begin, int64_t end)
{
  return json_pack ("{s:I, s:I, s:o, s:o}", "at_ms", (json_int_t)begin, "ms",
                    (json_int_t)(end - begin), "hours",
                    split (begin, end, HOUR_MS), "quarters",
                    split (begin, end, QUARTER_MS));
}

json_t *
outages_make (const json_t *phases)
{
  json_t *out = json_array ();
  int64_t before = 0, begin = 0;
  size_t i;
  json_t *p;
  json_array_foreach (phases, i, p)
  {
    const char *writer = json_string_value (json_object_get (p, "writer"));
    int64_t at = json_integer_value (json_object_get (p, "at_ms"));
    bool none = writer != NULL && strcmp (writer, "none") == 0;
    /* The freeze begins within the phase before. */
    if (none && begin == 0)
      begin = before != 0 ? before : at;
    if (!none && begin != 0 && at > begin)
      json_array_append_new (out, outage (begin, at));
    if (!none)
      begin = 0;
    before = at;
  }
  return out;
}
