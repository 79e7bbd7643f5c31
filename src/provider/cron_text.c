/* SPDX-License-Identifier: Apache-2.0 */
/* Where crontabs lie, and how they are called. */
#include "provider/cron.h"

#include "base/mem.h"

#include <string.h>

#define SPOOL "/var/spool/cron/crontabs/"

static bool
is_file_name (const char *s)
{
  size_t len = strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789_.-");
  return s[0] != '\0' && s[0] != '.' && s[0] != '-' && s[len] == '\0';
}

const char *
cron_user (const char *entry)
{
  return strncmp (entry, "user:", 5) == 0 ? entry + 5 : NULL;
}

char *
cron_path (const char *entry)
{
  static const char *const dirs[]
      = { "/etc/cron.d/",      "/etc/cron.hourly/",  "/etc/cron.daily/",
          "/etc/cron.weekly/", "/etc/cron.monthly/", NULL };
  const char *user = cron_user (entry);
  if (user != NULL)
    return is_file_name (user) ? mem_printf (SPOOL "%s", user) : NULL;
  if (strcmp (entry, "/etc/crontab") == 0)
    return mem_strdup (entry);
  for (size_t i = 0; dirs[i] != NULL; i++) {
    size_t len = strlen (dirs[i]);
    if (strncmp (entry, dirs[i], len) == 0 && is_file_name (entry + len))
      return mem_strdup (entry);
  }
  return NULL;
}

char *
cron_slug (const char *entry)
{
  char *slug = mem_strdup (entry[0] == '/' ? entry + 1 : entry);
  for (char *c = slug; *c != '\0'; c++)
    if (*c == '/' || *c == ':')
      *c = '!';
  return slug;
}
