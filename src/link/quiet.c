/* SPDX-License-Identifier: Apache-2.0 */
#include "link/quiet.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* What follows "key " in a line, if it is that line; else NULL. */
static const char *
value_of (const char *line, const char *key)
{
  size_t len = strlen (key);
  return strncasecmp (line, key, len) == 0 && line[len] == ' ' ? line + len + 1
                                                               : NULL;
}

/* Where ssh would take an agent from: `named` is of its configuration. */
static bool
has_agent (const char *named)
{
  const char *env = getenv ("SSH_AUTH_SOCK");
  if (named != NULL && strcasecmp (named, "SSH_AUTH_SOCK") != 0)
    return strcasecmp (named, "none") != 0;
  return env != NULL && *env != '\0';
}

/* A private key does not tell its kind without its passphrase, its public half
 * does: "sk-..." are those of a device that may want to be touched. */
static bool
may_be_touched (const char *path)
{
  char kind[4] = "";
  const char *home = getenv ("HOME");
  bool below = strncmp (path, "~/", 2) == 0;
  if (strchr (path, '%') != NULL || (below && home == NULL))
    return true;
  CLEANUP_FREE char *file
      = below ? mem_printf ("%s/%s", home, path + 2) : mem_strdup (path);
  CLEANUP_FREE char *public = mem_printf ("%s.pub", file);
  if (access (file, F_OK) != 0)
    return false;
  CLEANUP_FD int fd = open (public, O_RDONLY | O_CLOEXEC);
  return fd < 0 || read (fd, kind, 3) != 3 || strcmp (kind, "sk-") == 0;
}

static bool
is_quiet (const char *line, bool *agent)
{
  static const char *const programs[]
      = { "proxycommand", "proxyjump", "pkcs11provider", "knownhostscommand" };
  for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
    const char *value = value_of (line, programs[i]);
    if (value != NULL && strcasecmp (value, "none") != 0)
      return false;
  }
  const char *named = value_of (line, "identityagent");
  if (named != NULL)
    *agent = has_agent (named);
  const char *file = value_of (line, "identityfile");
  return file == NULL || !may_be_touched (file);
}

bool
quiet_login (const char *answer)
{
  bool agent = has_agent (NULL);
  CLEANUP_FREE char *copy = mem_strdup (answer);
  char *at = copy;
  for (char *line; (line = strsep (&at, "\n")) != NULL;)
    if (!is_quiet (line, &agent))
      return false;
  return !agent;
}
