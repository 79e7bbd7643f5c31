/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's own file where it was pushed; see self.h. */
#include "agent/self.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

static const char prefix[] = "rehome-agent-";
/* Longer than a push may take (five minutes). */
#define PART_MAX_AGE 600

struct self {
  int fd;     /* of the file, locked */
  int dir;    /* its directory */
  char *path; /* of the directory */
  char *name; /* in it */
};

static struct err *
read_path (char **out)
{
  char path[4096];
  ssize_t n = readlink ("/proc/self/exe", path, sizeof path - 1);
  if (n < 0)
    return err_sys (errno, "RH-AGENT-SELF", "/proc/self/exe");
  path[n] = 0;
  *out = mem_strdup (path);
  return NULL;
}

static void
self_free (struct self *s)
{
  cleanup_close_ (&s->fd);
  cleanup_close_ (&s->dir);
  free (s->path);
  free (s->name);
  free (s);
}

static void
cleanup_self (struct self **s)
{
  if (*s != NULL)
    self_free (*s);
}

struct err *
self_hold (struct self **out)
{
  CLEANUP_FREE char *path = NULL;
  TRY (read_path (&path));
  char *slash = strrchr (path, '/');
  if (slash == NULL || slash == path
      || strncmp (slash + 1, prefix, strlen (prefix)) != 0)
    return err_new (ERR_REFUSED, "RH-AGENT-SELF",
                    "%s is not a pushed agent and is not removed", path);
  CLEANUP (cleanup_self) struct self *s = mem_alloc (sizeof *s);
  s->path = mem_strndup (path, (size_t)(slash - path));
  s->name = mem_strdup (slash + 1);
  s->dir = open (s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  s->fd = open ("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (s->dir < 0 || s->fd < 0 || flock (s->fd, LOCK_SH) != 0)
    return err_sys (errno, "RH-AGENT-SELF", "%s", path);
  *out = STEAL (s);
  return NULL;
}

/* Whether the name in the directory is the file we run from. */
static bool
is_ours (const struct self *s)
{
  struct stat mine, there;
  return fstat (s->fd, &mine) == 0
         && fstatat (s->dir, s->name, &there, AT_SYMLINK_NOFOLLOW) == 0
         && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static time_t
boot_time (void)
{
  struct timespec up, now;
  clock_gettime (CLOCK_BOOTTIME, &up);
  clock_gettime (CLOCK_REALTIME, &now);
  return now.tv_sec - up.tv_sec;
}

/* An agent that no session runs from, or a push that was cut off: by SIGKILL,
 * or with the power. */
static bool
is_stale (int dir, const char *name)
{
  struct stat st;
  bool ours = strncmp (name, prefix, strlen (prefix)) == 0
              || strncmp (name, ".push.", 6) == 0;
  if (!ours || fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0
      || !S_ISREG (st.st_mode)
      || (time (NULL) - st.st_mtim.tv_sec < PART_MAX_AGE
          && st.st_mtim.tv_sec > boot_time ()))
    return false;
  CLEANUP_FD int fd
      = openat (dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  return fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) == 0;
}

/* Takes the descriptor; `removed` (may be NULL) gets the paths. */
static void
sweep (int fd, const char *path, json_t *removed)
{
  DIR *d = fdopendir (fd);
  if (d == NULL) {
    close (fd);
    return;
  }
  for (struct dirent *e = readdir (d); e != NULL; e = readdir (d)) {
    if (!is_stale (fd, e->d_name) || unlinkat (fd, e->d_name, 0) != 0)
      continue;
    CLEANUP_FREE char *whole = mem_printf ("%s/%s", path, e->d_name);
    if (removed != NULL)
      json_array_append_new (removed, json_bytes (whole, strlen (whole)));
  }
  closedir (d);
}

/* A place of pushes (link/push.c), if it belongs to root or to `uid`. */
static void
sweep_place (const char *path, uid_t uid, json_t *removed)
{
  struct stat st;
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return;
  if (fstat (fd, &st) != 0 || (st.st_uid != 0 && st.st_uid != uid)) {
    close (fd);
    return;
  }
  size_t before = json_array_size (removed);
  sweep (fd, path, removed);
  if (json_array_size (removed) > before)
    rmdir (path); /* unless something else is in it */
}

static void
sweep_var_tmp (json_t *removed)
{
  static const char base[] = "rehome-";
  DIR *d = opendir ("/var/tmp");
  for (struct dirent *e = d != NULL ? readdir (d) : NULL; e != NULL;
       e = readdir (d))
  {
    char *end;
    if (strncmp (e->d_name, base, strlen (base)) != 0)
      continue;
    unsigned long uid = strtoul (e->d_name + strlen (base), &end, 10);
    CLEANUP_FREE char *path = mem_printf ("/var/tmp/%s", e->d_name);
    if (*end == '\0' && end != e->d_name + strlen (base))
      sweep_place (path, (uid_t)uid, removed);
  }
  if (d != NULL)
    closedir (d);
}

json_t *
self_sweep (const struct self *s)
{
  json_t *removed = json_array ();
  const char *home = getenv ("HOME");
  const char *sudo = getenv ("SUDO_UID");
  uid_t uid = sudo != NULL ? (uid_t)strtoul (sudo, NULL, 10) : geteuid ();
  CLEANUP_FREE char *cache
      = mem_printf ("%s/.cache/rehome", home != NULL ? home : "/root");
  sweep_place (s->path, uid, removed);
  sweep_place ("/run/rehome", uid, removed);
  sweep_var_tmp (removed);
  sweep_place (cache, uid, removed);
  return removed;
}

void
self_leave (struct self *s)
{
  if (s == NULL)
    return;
  if (flock (s->fd, LOCK_EX | LOCK_NB) == 0 && is_ours (s)) {
    if (unlinkat (s->dir, s->name, 0) != 0)
      log_line (LOG_WARN, "%s/%s is left: %m", s->path, s->name);
    int fd = fcntl (s->dir, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0)
      sweep (fd, s->path, NULL);
    if (rmdir (s->path) != 0 && errno != ENOTEMPTY && errno != EEXIST)
      log_line (LOG_DEBUG, "%s is left: %m", s->path);
  }
  self_free (s);
}
