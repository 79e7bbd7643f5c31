/* SPDX-License-Identifier: Apache-2.0 */
/* How long the evidence, and what was kept aside, is kept; see sections.h. */
#include "plan/sections.h"

#include <string.h>
#include <time.h>

#define DAY 86400000L

static struct err *
read_date (struct node n, const char **out)
{
  static const char what[] = "a date in UTC, such as 2029-12-31";
  struct tm tm = { 0 };
  TRY (node_text (n, what, out));
  const char *end = strptime (*out, "%Y-%m-%d", &tm);
  struct tm again = tm;
  char text[16] = "";
  if (end == NULL || *end != '\0' || timegm (&again) == (time_t)-1)
    return node_value_fault (n, what);
  /* The 31st of a month that has 30 days is another day. */
  strftime (text, sizeof text, "%Y-%m-%d", &again);
  return strcmp (text, *out) == 0 ? NULL : node_value_fault (n, what);
}

static struct err *
read_owner (struct node kept, const char **out)
{
  static const char what[] = "the name of who answers for it";
  struct node n = node_member (kept, "owner");
  if (n.value == NULL)
    return node_fault (kept, "RH-PLAN-MISSING", "no key \"owner\"; expected %s",
                       what);
  TRY (node_text (n, what, out));
  for (const char *c = *out; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      return node_value_fault (n, what);
  return strlen (*out) <= 100 ? NULL : node_value_fault (n, what);
}

struct err *
section_keeping (struct node root, json_t **out)
{
  static const char *const keys[] = { "owner", "for", NULL };
  struct node retention = node_member (root, "retention");
  struct node kept = node_member (root, "kept");
  struct node time = node_member (kept, "for");
  const char *date = NULL, *owner = NULL;
  long ms = 30 * DAY;
  *out = NULL;
  if (retention.value != NULL)
    TRY (read_date (retention, &date));
  if (kept.value != NULL) {
    TRY (node_keys (kept, "a mapping with owner and for", keys));
    TRY (read_owner (kept, &owner));
  }
  if (kept.value != NULL && time.value != NULL)
    TRY (node_duration (time, 0, 3650 * DAY, &ms));
  *out = json_pack ("{s:s*, s:s*, s:I}", "retention", date, "owner", owner,
                    "for_ms", (json_int_t)ms);
  return NULL;
}
