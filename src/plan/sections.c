/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts, limits, window and what is left behind; see sections.h. */
#include "plan/sections.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

#define SECOND 1000L
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define HOST_MAX 255

/* No blanks and no control characters, and not an option of ssh. */
static bool
is_host (const char *s)
{
  if (*s == '-' || strlen (s) > HOST_MAX)
    return false;
  const char *at = strrchr (s, '@');
  if (at != NULL && (at == s || at[1] == '\0' || at[1] == '-'))
    return false;
  for (; *s != '\0'; s++)
    if ((unsigned char)*s <= ' ' || *s == 0x7f)
      return false;
  return true;
}

static struct err *
opt_host (struct node n, const char *what, const char **out)
{
  *out = NULL;
  if (n.value == NULL)
    return NULL;
  TRY (node_text (n, what, out));
  return is_host (*out) ? NULL : node_value_fault (n, what);
}

static struct err *
opt_machine_id (struct node n, const char **out)
{
  static const char what[] = "32 hexadecimal digits, as in /etc/machine-id";
  *out = NULL;
  if (n.value == NULL)
    return NULL;
  TRY (node_text (n, what, out));
  if (strlen (*out) != 32 || strspn (*out, "0123456789abcdef") != 32)
    return node_value_fault (n, what);
  return NULL;
}

static struct err *
opt_host_key (struct node n, const char **out)
{
  static const char what[]
      = "\"SHA256:\" and 43 characters, as ssh-keygen -l prints it";
  *out = NULL;
  if (n.value == NULL)
    return NULL;
  TRY (node_text (n, what, out));
  if (strncmp (*out, "SHA256:", 7) != 0 || strlen (*out) != 50)
    return node_value_fault (n, what);
  for (const char *s = *out + 7; *s != '\0'; s++)
    if (!isalnum ((unsigned char)*s) && *s != '+' && *s != '/')
      return node_value_fault (n, what);
  return NULL;
}

struct err *
section_host (struct node n, struct plan_host *out)
{
  static const char *const keys[]
      = { "host", "via", "machine-id", "host-key", NULL };
  static const char what[] = "a host as ssh takes it, such as root@shop-old";
  TRY (node_keys (n, "a mapping with host, via, machine-id, host-key", keys));
  struct node host = node_member (n, "host");
  if (host.value == NULL)
    return node_fault (host, "RH-PLAN-MISSING", "no key \"host\"; expected %s",
                       what);
  TRY (opt_host (host, what, &out->host));
  TRY (opt_host (node_member (n, "via"), "a management address", &out->via));
  TRY (opt_machine_id (node_member (n, "machine-id"), &out->machine_id));
  return opt_host_key (node_member (n, "host-key"), &out->host_key);
}

struct err *
section_limits (struct node root, struct node cutover, struct plan_limits *out)
{
  struct node guard = node_member (root, "guard");
  struct node every = node_member (root, "back-every");
  *out = (struct plan_limits){ .downtime_ms = 30 * SECOND,
                               .jobs_wait_ms = 60 * SECOND,
                               .guard_s = 7 * DAY / SECOND,
                               .back_ms = 300 * SECOND };
  struct node limit = node_member (cutover, "downtime-limit");
  if (limit.value != NULL)
    TRY (node_duration (limit, SECOND, 24 * HOUR, &out->downtime_ms));
  struct node wait = node_member (cutover, "jobs-wait");
  if (wait.value != NULL)
    TRY (node_duration (wait, 0, 24 * HOUR, &out->jobs_wait_ms));
  if (every.value != NULL)
    TRY (node_duration (every, 5 * SECOND, 24 * HOUR, &out->back_ms));
  if (guard.value == NULL)
    return NULL;
  long ms = 0;
  TRY (node_duration (guard, 60 * SECOND, 365 * DAY, &ms));
  out->guard_s = ms / SECOND;
  return NULL;
}

static bool
is_unit (const char *s)
{
  static const char *const suffixes[]
      = { ".service", ".socket", ".timer", ".path",  ".mount",
          ".scope",   ".slice",  ".swap",  ".target" };
  size_t len = strlen (s);
  if (len > 255 || *s == '-')
    return false;
  for (const char *c = s; *c != '\0'; c++)
    if (!isalnum ((unsigned char)*c) && strchr (":-_.@\\", *c) == NULL)
      return false;
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    size_t n = strlen (suffixes[i]);
    if (len > n && strcmp (s + len - n, suffixes[i]) == 0)
      return true;
  }
  return false;
}

/* "tcp:22", "udp:53". */
static bool
is_listener (const char *s)
{
  if (strncmp (s, "tcp:", 4) != 0 && strncmp (s, "udp:", 4) != 0)
    return false;
  size_t digits = strlen (s + 4);
  if (digits == 0 || digits > 5 || strspn (s + 4, "0123456789") != digits)
    return false;
  int port = atoi (s + 4);
  return port >= 1 && port <= 65535;
}

static bool
is_word (const char *s)
{
  for (const char *c = s; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      return false;
  return strlen (s) <= 255;
}

static struct err *
leave_subject (struct node entry, const char **key)
{
  static const struct {
    const char *key, *what;
    bool (*is) (const char *);
  } subjects[] = {
    { "process", "the name of a process, such as sshd", is_word },
    { "unit", "the name of a unit, such as rsyslog.service", is_unit },
    { "user", "the name of a user", is_word },
    { "listener", "a listener such as tcp:22 or udp:53", is_listener },
  };
  *key = NULL;
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
    struct node n = node_member (entry, subjects[i].key);
    const char *text;
    if (n.value == NULL)
      continue;
    if (*key != NULL)
      return node_key_fault (n, "RH-PLAN-KEY",
                             "\"%s\" beside \"%s\"; expected one of them an "
                             "entry",
                             n.key, *key);
    TRY (node_text (n, subjects[i].what, &text));
    if (!subjects[i].is (text))
      return node_value_fault (n, subjects[i].what);
    *key = subjects[i].key;
  }
  if (*key == NULL)
    return node_fault (entry, "RH-PLAN-MISSING",
                       "an entry that names nothing; expected process, unit, "
                       "user or listener");
  return NULL;
}

static struct err *
leave_entry (struct node entry, json_t *out)
{
  static const char *const keys[]
      = { "process", "unit", "user", "listener", "why", NULL };
  static const char reason[] = "a reason: why it stays behind";
  const char *key, *why;
  TRY (node_keys (entry, "a mapping such as {process: sshd, why: management}",
                  keys));
  TRY (leave_subject (entry, &key));
  struct node n = node_member (entry, "why");
  if (n.value == NULL)
    return node_fault (n, "RH-PLAN-MISSING", "no key \"why\"; expected %s",
                       reason);
  TRY (node_text (n, reason, &why));
  const char *subject = json_string_value (json_object_get (entry.value, key));
  for (size_t i = 0; i < json_array_size (out); i++) {
    const char *other
        = json_string_value (json_object_get (json_array_get (out, i), key));
    if (other != NULL && strcmp (other, subject) == 0)
      return node_fault (entry, "RH-PLAN-TWICE",
                         "%s %s a second time; expected each once", key,
                         subject);
  }
  json_array_append_new (out,
                         json_pack ("{s:s, s:s}", key, subject, "why", why));
  return NULL;
}

struct err *
section_leave (struct node n, json_t **out)
{
  CLEANUP_JSON json_t *list = json_array ();
  if (n.value != NULL)
    TRY (node_list (n, "a list of what stays behind"));
  for (size_t i = 0; n.value != NULL && i < json_array_size (n.value); i++)
    TRY (leave_entry (node_element (n, i), list));
  *out = STEAL (list);
  return NULL;
}

static struct err *
window_time (struct node window, const char *key, const char **out)
{
  static const char what[] = "a time of day in quotes, such as \"01:00\"";
  struct node n = node_member (window, key);
  if (n.value == NULL)
    return node_fault (n, "RH-PLAN-MISSING", "no key \"%s\"; expected %s", key,
                       what);
  TRY (node_text (n, what, out));
  const char *s = *out;
  bool shape = strlen (s) == 5 && isdigit ((unsigned char)s[0])
               && isdigit ((unsigned char)s[1]) && s[2] == ':'
               && isdigit ((unsigned char)s[3])
               && isdigit ((unsigned char)s[4]);
  if (!shape || atoi (s) > 23 || atoi (s + 3) > 59)
    return node_value_fault (n, what);
  return NULL;
}

static struct err *
window_days (struct node n, json_t *out)
{
  static const char *const days[]
      = { "mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL };
  size_t which;
  if (n.value == NULL) {
    for (size_t i = 0; days[i] != NULL; i++)
      json_array_append_new (out, json_string (days[i]));
    return NULL;
  }
  TRY (node_list (n, "a list of days, such as [sat, sun]"));
  if (json_array_size (n.value) == 0)
    return node_value_fault (n, "at least one day");
  for (size_t i = 0; i < json_array_size (n.value); i++) {
    TRY (node_choice (node_element (n, i), days, &which));
    json_array_append_new (out, json_string (days[which]));
  }
  return NULL;
}

static bool
is_zone (const char *s)
{
  for (const char *c = s; *c != '\0'; c++)
    if (!isalnum ((unsigned char)*c) && strchr ("_+-/", *c) == NULL)
      return false;
  return *s != '/' && strlen (s) <= 64;
}

struct err *
section_window (struct node n, json_t **out)
{
  static const char *const keys[] = { "days", "from", "to", "zone", NULL };
  static const char what[] = "a time zone, such as Europe/Berlin";
  CLEANUP_JSON json_t *days = json_array ();
  const char *from = NULL, *to = NULL, *zone = "UTC";
  *out = NULL;
  if (n.value == NULL) {
    *out = json_object ();
    return NULL;
  }
  TRY (node_keys (n, "a mapping with days, from, to, zone", keys));
  TRY (window_days (node_member (n, "days"), days));
  TRY (window_time (n, "from", &from));
  TRY (window_time (n, "to", &to));
  struct node z = node_member (n, "zone");
  if (z.value != NULL)
    TRY (node_text (z, what, &zone));
  if (!is_zone (zone))
    return node_value_fault (z, what);
  *out = json_pack ("{s:O, s:s, s:s, s:s}", "days", days, "from", from, "to",
                    to, "zone", zone);
  return NULL;
}
