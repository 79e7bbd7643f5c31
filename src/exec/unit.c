/* SPDX-License-Identifier: Apache-2.0 */
/* The owner as a process of its own. */
#include "exec/unit.h"

#include "base/log.h"
#include "base/mem.h"
#include "exec/ask.h"
#include "exec/clock.h"
#include "host/spawn.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define INSTALLED "/usr/bin/rehome"
#define UNIT_STATE "/var/lib/rehome"
#define START_MS 20000

static const char *const unit_places[]
    = { "/etc/systemd/system/rehome@.service",
        "/usr/lib/systemd/system/rehome@.service",
        "/lib/systemd/system/rehome@.service" };

/* The unit runs the installed program on the installed state only. */
static bool
unit_fits (const struct place *p)
{
  char self[PATH_MAX];
  ssize_t n = readlink ("/proc/self/exe", self, sizeof self - 1);
  if (n < 0 || geteuid () != 0 || strcmp (p->state, UNIT_STATE) != 0
      || access ("/run/systemd/system", F_OK) != 0)
    return false;
  self[n] = '\0';
  if (strcmp (self, INSTALLED) != 0)
    return false;
  for (size_t i = 0; i < sizeof unit_places / sizeof *unit_places; i++)
    if (access (unit_places[i], R_OK) == 0)
      return true;
  return false;
}

static struct err *
systemctl (const char *verb, const char *now, const char *name)
{
  CLEANUP_FREE char *unit = mem_printf ("rehome@%s.service", name);
  const char *argv[] = { "systemctl", verb, unit, now, NULL };
  struct spawn_job job
      = { .argv = argv, .timeout_ms = 60000, .max_output = 65536 };
  struct spawn_end end = { 0 };
  struct err *e = spawn_run (&job, &end);
  if (e == NULL && end.status != 0)
    e = err_new (ERR_SYSTEM, "RH-EXEC-NOSTART", "systemctl %s %s failed: %.*s",
                 verb, unit, (int)(end.err.len < 500 ? end.err.len : 500),
                 end.err.data != NULL ? (char *)end.err.data : "");
  spawn_end_free (&end);
  return e;
}

/* In the child's child: becomes the owner. */
static void
become_owner (const struct place *p)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  int log = open (p->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (null < 0 || log < 0 || dup2 (null, 0) < 0 || dup2 (log, 1) < 0
      || dup2 (log, 2) < 0 || chdir ("/") != 0)
    _exit (1);
  unsetenv ("SSH_AUTH_SOCK"); /* it goes with the caller's login */
  execl ("/proc/self/exe", "rehome", "owner", "--state", p->state, p->name,
         (char *)NULL);
  _exit (1);
}

static struct err *
start_session (const struct place *p)
{
  int status = 0;
  pid_t child = fork ();
  if (child < 0)
    return err_sys (errno, "RH-EXEC-NOSTART", "cannot fork");
  if (child == 0) {
    setsid ();
    pid_t grandchild = fork ();
    if (grandchild == 0)
      become_owner (p);
    _exit (grandchild < 0 ? 1 : 0);
  }
  while (waitpid (child, &status, 0) < 0 && errno == EINTR)
    continue;
  return status == 0 ? NULL
                     : err_new (ERR_SYSTEM, "RH-EXEC-NOSTART", "cannot fork");
}

/* Why the owner that was just started gave up; NULL: it has not. */
static struct err *
reason (const struct place *p)
{
  char text[16384];
  CLEANUP_FD int fd = open (p->error, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read (fd, text, sizeof text);
  CLEANUP_JSON json_t *o = NULL;
  if (n <= 0)
    return NULL;
  CLEANUP_ERR struct err *bad = json_parse (text, (size_t)n, sizeof text, &o);
  if (bad != NULL)
    return NULL;
  return json_to_err (o);
}

static bool
answers (const struct place *p)
{
  struct ask *a = NULL;
  CLEANUP_ERR struct err *e = ask_open (p->socket, &a);
  ask_close (a);
  return e == NULL;
}

static struct err *
wait_for (const struct place *p)
{
  int64_t until = clock_boot_ms () + START_MS;
  struct timespec nap = { 0, 20000000 };
  while (clock_boot_ms () < until) {
    if (answers (p))
      return NULL;
    TRY (reason (p));
    nanosleep (&nap, NULL);
  }
  return err_todo (err_new (ERR_SYSTEM, "RH-EXEC-NOSTART",
                            "the owner of %s does not answer", p->name),
                   "look into %s, or journalctl -u rehome@%s", p->log, p->name);
}

struct err *
unit_ensure (const struct place *p)
{
  if (answers (p))
    return NULL;
  unlink (p->error);
  if (unit_fits (p)) {
    CLEANUP_ERR struct err *e = systemctl ("enable", "--now", p->name);
    struct err *why = reason (p);
    if (why != NULL)
      return why;
    if (e != NULL)
      return STEAL (e);
  } else
    TRY (start_session (p));
  return wait_for (p);
}

static void
sd_notify (const char *text)
{
  const char *path = getenv ("NOTIFY_SOCKET");
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  if (path == NULL || strlen (path) >= sizeof sa.sun_path)
    return;
  memcpy (sa.sun_path, path, strlen (path) + 1);
  socklen_t len
      = (socklen_t)(offsetof (struct sockaddr_un, sun_path) + strlen (path));
  if (sa.sun_path[0] == '@')
    sa.sun_path[0] = '\0';
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0)
    sendto (fd, text, strlen (text), MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
}

void
unit_ready (const struct place *p)
{
  unlink (p->error);
  sd_notify ("READY=1");
}

void
unit_failed (const struct place *p, const struct err *e)
{
  CLEANUP_JSON json_t *o = json_from_err (e);
  CLEANUP_FREE char *line = json_line (o);
  CLEANUP_FREE char *tmp = mem_printf ("%s.new", p->error);
  CLEANUP_FD int fd
      = open (tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  size_t len = strlen (line);
  if (fd < 0 || write (fd, line, len) != (ssize_t)len
      || rename (tmp, p->error) != 0)
    log_line (LOG_WARN, "cannot write %s", p->error);
}

void
unit_over (const struct place *p)
{
  if (getenv ("NOTIFY_SOCKET") == NULL || !unit_fits (p))
    return;
  CLEANUP_ERR struct err *e = systemctl ("disable", NULL, p->name);
  if (e != NULL)
    log_err (LOG_WARN, e);
}
