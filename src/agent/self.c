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
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

static const char prefix[] = "rehome-agent-";
#define PART_MAX_AGE 3600

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

/* An agent that no session runs from, or a push that was cut off. */
static bool
is_stale (int dir, const char *name)
{
  struct stat st;
  if (strncmp (name, prefix, strlen (prefix)) != 0
      || fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0
      || !S_ISREG (st.st_mode)
      || time (NULL) - st.st_mtim.tv_sec < PART_MAX_AGE)
    return false;
  CLEANUP_FD int fd
      = openat (dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  return fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) == 0;
}

static void
sweep (const struct self *s)
{
  int fd = fcntl (s->dir, F_DUPFD_CLOEXEC, 3);
  DIR *d = fd >= 0 ? fdopendir (fd) : NULL;
  if (d == NULL) {
    if (fd >= 0)
      close (fd);
    return;
  }
  for (struct dirent *e = readdir (d); e != NULL; e = readdir (d))
    if (is_stale (s->dir, e->d_name))
      unlinkat (s->dir, e->d_name, 0);
  closedir (d);
}

void
self_leave (struct self *s)
{
  if (s == NULL)
    return;
  if (flock (s->fd, LOCK_EX | LOCK_NB) == 0 && is_ours (s)) {
    if (unlinkat (s->dir, s->name, 0) != 0)
      log_line (LOG_WARN, "%s/%s is left: %m", s->path, s->name);
    sweep (s);
    if (rmdir (s->path) != 0 && errno != ENOTEMPTY && errno != EEXIST)
      log_line (LOG_DEBUG, "%s is left: %m", s->path);
  }
  self_free (s);
}
