/* SPDX-License-Identifier: Apache-2.0 */
/* The backup that has to be proven by a restore, or the waiver; see
 * sections.h. */
#include "plan/check.h"
#include "plan/sections.h"

#include "base/mem.h"

#include <string.h>

#define HOUR 3600000L
#define TEXT_MAX 500

static bool
is_line (const char *s)
{
  for (const char *c = s; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      return false;
  return *s != '\0' && strlen (s) <= TEXT_MAX;
}

static struct err *
line_of (struct node map, const char *key, const char *what, const char **out)
{
  struct node n = node_member (map, key);
  if (n.value == NULL)
    return node_fault (map, "RH-PLAN-MISSING", "no key \"%s\"; expected %s",
                       key, what);
  TRY (node_text (n, what, out));
  return is_line (*out) ? NULL : node_value_fault (n, what);
}

static struct err *
read_waiver (struct node n, json_t **out)
{
  static const char *const keys[] = { "by", "reason", NULL };
  const char *by = "", *reason = "";
  TRY (node_keys (n, "a mapping with by and reason", keys));
  TRY (line_of (n, "by", "the name of who takes the risk", &by));
  TRY (line_of (n, "reason", "why no backup was restored", &reason));
  *out = json_pack ("{s:{s:s, s:s}}", "waiver", "by", by, "reason", reason);
  return NULL;
}

static struct err *
read_check (struct node n, json_t **out)
{
  static const char *const sides[] = { "source", "controller", NULL };
  struct node on = node_member (n, "on"), age = node_member (n, "max-age");
  struct node within = node_member (n, "within");
  long age_ms = 24 * HOUR, within_ms = HOUR;
  size_t which = 0;
  TRY (node_command (node_member (n, "check"),
                     "a list of a program's path and its arguments, such as "
                     "[/usr/local/sbin/restore-test, shop]"));
  if (on.value != NULL)
    TRY (node_choice (on, sides, &which));
  if (age.value != NULL)
    TRY (node_duration (age, HOUR, 8760 * HOUR, &age_ms));
  if (within.value != NULL)
    TRY (node_duration (within, 1000, 24 * HOUR, &within_ms));
  *out = json_pack ("{s:O, s:s, s:I, s:I}", "check",
                    json_object_get (n.value, "check"), "on", sides[which],
                    "max_age_ms", (json_int_t)age_ms, "within_ms",
                    (json_int_t)within_ms);
  return NULL;
}

struct err *
section_backup (struct node n, json_t **out)
{
  static const char *const keys[]
      = { "check", "on", "max-age", "within", "waiver", NULL };
  static const char form[] = "a mapping with check, or with waiver";
  *out = NULL;
  if (n.value == NULL) {
    *out = json_object ();
    return NULL;
  }
  TRY (node_keys (n, form, keys));
  struct node waiver = node_member (n, "waiver");
  bool check = node_member (n, "check").value != NULL;
  if (check == (waiver.value != NULL))
    return node_fault (n, "RH-PLAN-KEY", "found %s; expected check or waiver",
                       check ? "both" : "neither");
  if (!check && json_object_size (n.value) != 1)
    return node_fault (n, "RH-PLAN-KEY",
                       "found more beside waiver; expected it alone");
  return check ? read_check (n, out) : read_waiver (waiver, out);
}
