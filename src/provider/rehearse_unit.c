/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit as it is in a room: of its [Service] what says how the program runs,
 * and nothing of what systemd itself would do outside of the room in its name
 * (directories, pid files, sockets, other units); then the room.
 */
#include "provider/rehearse.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"

#include <string.h>

/* Keys that are carried; "Limit" and "Restrict" stand for all that begin so. */
static const char *const carried[] = {
  "Type=",
  "User=",
  "Group=",
  "SupplementaryGroups=",
  "WorkingDirectory=",
  "Environment=",
  "EnvironmentFile=",
  "PassEnvironment=",
  "UnsetEnvironment=",
  "ExecStartPre=",
  "ExecStart=",
  "ExecStartPost=",
  "KillMode=",
  "KillSignal=",
  "SendSIGHUP=",
  "TimeoutStartSec=",
  "TimeoutStopSec=",
  "TimeoutSec=",
  "UMask=",
  "Nice=",
  "NoNewPrivileges=",
  "CapabilityBoundingSet=",
  "AmbientCapabilities=",
  "SecureBits=",
  "NotifyAccess=",
  "RemainAfterExit=",
  "SuccessExitStatus=",
  "GuessMainPID=",
  "SystemCallFilter=",
  "SystemCallArchitectures=",
  "SystemCallErrorNumber=",
  "LockPersonality=",
  "MemoryDenyWriteExecute=",
  "OOMScoreAdjust=",
  "Limit",
  "Restrict",
  NULL,
};

static bool
begins (const char *line, const char *with)
{
  return strncmp (line, with, strlen (with)) == 0;
}

static bool
is_carried (const char *line)
{
  for (size_t i = 0; carried[i] != NULL; i++)
    if (begins (line, carried[i]))
      return !begins (line, "RestrictNamespaces=");
  return false;
}

/* Why the program would not stay in the room; NULL: it would. */
static const char *
leaves_room (const char *line)
{
  static const char *const whole[]
      = { "RootDirectory=", "RootImage=", "BusName=", "Sockets=" };
  static const char *const yes[]
      = { "DynamicUser=", "PermissionsStartOnly=", "PAMName=" };
  const char *value = strchr (line, '=');
  if (value++ == NULL)
    return NULL;
  value += strspn (value, " \t");
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
    if (begins (line, whole[i]) && *value != '\0')
      return whole[i];
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
    if (begins (line, yes[i]) && *value != '\0'
        && strchr ("nNfF0", *value) == NULL)
      return yes[i];
  if (begins (line, "Type=dbus"))
    return "Type=dbus";
  size_t marks = strspn (value, "@-:+!");
  if (begins (line, "ExecStart")
      && (memchr (value, '+', marks) != NULL
          || memchr (value, '!', marks) != NULL))
    return "a program with all privileges (+ or !)";
  return NULL;
}

struct reading {
  bool service, goes_on, taken;
};

/* Blanks around '=' are allowed in a unit. */
static char *
tidy (const char *line)
{
  line += strspn (line, " \t");
  size_t key = strcspn (line, "= \t");
  const char *rest = line + key + strspn (line + key, " \t");
  if (*rest != '=')
    return mem_strdup (line);
  rest++;
  return mem_printf ("%.*s=%s", (int)key, line, rest + strspn (rest, " \t"));
}

static struct err *
take_line (struct reading *at, const char *unit, const char *raw,
           struct buf *out)
{
  size_t n = strlen (raw);
  bool goes_on = n > 0 && raw[n - 1] == '\\';
  CLEANUP_FREE char *line = tidy (raw);
  if (at->goes_on) {
    at->goes_on = goes_on;
    return at->taken ? buf_printf (out, "%s\n", raw) : NULL;
  }
  at->taken = false;
  if (line[0] == '[')
    at->service = begins (line, "[Service]");
  else if (line[0] != '#' && line[0] != ';' && at->service) {
    const char *why = leaves_room (line);
    if (why != NULL)
      return err_todo (
          err_new (ERR_BLOCKED, "RH-REHEARSE-UNIT",
                   "%s has %s: it cannot be held in a room of its own", unit,
                   why),
          "say at the service why its older version can go back (back-why), "
          "or cut over with --no-way-back");
    at->taken = is_carried (line);
  }
  at->goes_on = goes_on && line[0] != '#' && line[0] != ';';
  return at->taken ? buf_printf (out, "%s\n", line) : NULL;
}

/* systemd's own timeout is off for a oneshot; a rehearsal ends. */
static struct err *
take_files (const char *unit, const json_t *texts, struct buf *out)
{
  size_t i;
  json_t *one;
  json_array_foreach (texts, i, one)
  {
    struct reading at = { 0 };
    CLEANUP_FREE char *copy = mem_strdup (json_string_value (one));
    char *rest = copy;
    for (char *line; (line = strsep (&rest, "\n")) != NULL;)
      TRY (take_line (&at, unit, line, out));
  }
  return NULL;
}

struct err *
rehearse_unit_text (const char *unit, const json_t *texts, const char *box,
                    char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  TRY (buf_printf (&b, "[Unit]\nDescription=%s in a rehearsal\n\n[Service]\n",
                   unit));
  TRY (take_files (unit, texts, &b));
  TRY (buf_put_str (&b, box));
  *out = buf_steal_str (&b);
  return NULL;
}

char *
rehearse_unit_value (const json_t *texts, const char *key)
{
  char *value = mem_strdup ("");
  size_t i, n = strlen (key);
  json_t *one;
  json_array_foreach (texts, i, one)
  {
    CLEANUP_FREE char *copy = mem_strdup (json_string_value (one));
    char *rest = copy;
    for (char *raw; (raw = strsep (&rest, "\n")) != NULL;) {
      CLEANUP_FREE char *line = tidy (raw);
      if (strncmp (line, key, n) != 0 || line[n] != '=')
        continue;
      free (value);
      value = mem_strdup (line + n + 1);
    }
  }
  return value;
}

/* All or nothing: where systemd cannot make the mounts it starts nothing; and
 * the first thing that runs in the room, as root, sees whether /etc could be
 * written. */
char *
rehearse_box (const struct rehearsal *r)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  CLEANUP_FREE char *netns = rehearse_netns (r->call);
  err_free (buf_printf (
      &b,
      "Restart=no\nRuntimeMaxSec=3600\nNetworkNamespacePath=/run/netns/%s\n"
      "ProtectSystem=strict\nProtectKernelTunables=yes\nPrivateTmp=yes\n"
      "PrivateIPC=yes\nStandardInput=null\nStandardOutput=journal\n"
      "StandardError=journal\n"
      "BindReadOnlyPaths=-/run/systemd/notify -/run/systemd/journal\n"
      "ExecCondition=!/usr/bin/test ! -w /etc\n",
      netns));
  size_t i;
  json_t *one;
  json_array_foreach (r->binds, i, one)
  {
    err_free (buf_printf (&b, "BindPaths=%s:%s\n",
                          json_string_value (json_array_get (one, 0)),
                          json_string_value (json_array_get (one, 1))));
  }
  return buf_steal_str (&b);
}

/* One word of a command as a unit file has it. */
static void
put_word (struct buf *b, const char *word)
{
  err_free (buf_put_str (b, " \""));
  for (; *word != '\0'; word++) {
    if (*word == '"' || *word == '\\')
      err_free (buf_put (b, "\\", 1));
    else if (*word == '%' || *word == '$')
      err_free (buf_put (b, word, 1));
    err_free (*word == '\n' ? buf_put_str (b, "\\n") : buf_put (b, word, 1));
  }
  err_free (buf_put_str (b, "\""));
}

char *
rehearse_command_text (const json_t *argv, const char *box)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  err_free (buf_put_str (&b, "[Service]\nType=oneshot\nTimeoutStartSec=900\n"
                             "ExecStart="));
  json_array_foreach (argv, i, one)
  {
    put_word (&b, json_string_value (one));
  }
  err_free (buf_printf (&b, "\n%s", box));
  return buf_steal_str (&b);
}
