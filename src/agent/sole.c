/* SPDX-License-Identifier: Apache-2.0 */
/* A lock, and the end of who holds it; see sole.h. */
#include "agent/sole.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "host/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  LOOK_MS = 10,
  GRACE_MS = 5000,  /* for an older agent to end by itself */
  LIMIT_MS = 60000, /* also where its disk keeps it */
  WORD_MAX = 64,
  HIGH_FD = 16, /* above what a worker gets its descriptors under */
};

static const char *const names[][2] = {
  { "source", "control" },
  { "source", "data" },
  { "target", "control" },
  { "target", "data" },
};
#define NAMES (sizeof names / sizeof *names)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int held = -1;
static char *held_path;

struct holder {
  pid_t pid; /* 0: nobody known */
  uint64_t start;
};

static char *
path_of (const char *dir, size_t i)
{
  return mem_printf ("%s/%s-%s.agent", dir, names[i][0], names[i][1]);
}

static struct err *
find_path (const char *dir, const char *side, const char *channel, char **out)
{
  for (size_t i = 0; i < NAMES; i++)
    if (strcmp (names[i][0], side) == 0 && strcmp (names[i][1], channel) == 0) {
      *out = path_of (dir, i);
      return NULL;
    }
  return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                  "\"side\" and \"channel\" name no connection");
}

static struct err *
bad (const char *path)
{
  return err_sys (errno, "RH-FENCE-FILE", "cannot lock %s", path);
}

static struct holder
read_holder (int fd)
{
  char text[WORD_MAX + 1] = { 0 };
  struct holder h = { 0 };
  int pid = 0;
  unsigned long long start = 0;
  if (pread (fd, text, WORD_MAX, 0) > 0
      && sscanf (text, "%9d %19llu\n", &pid, &start) == 2 && pid > 1)
    h = (struct holder){ .pid = pid, .start = start };
  return h;
}

/* By a descriptor of its own: one that stays open for writing would look like
 * work that nobody moves. */
static struct err *
write_holder (const char *path)
{
  struct proc me = { 0 };
  int rc = proc_read (getpid (), &me);
  if (rc != 0)
    return err_sys (rc, "RH-HOST-PROC", "cannot look at this process");
  CLEANUP_FREE char *text
      = mem_printf ("%d %llu\n", (int)me.pid, (unsigned long long)me.start);
  proc_free (&me);
  size_t len = strlen (text);
  CLEANUP_FD int fd = open (path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || write (fd, text, len) != (ssize_t)len)
    return bad (path);
  return NULL;
}

/* Asks who holds it to end, once, and kills it when it had its time. */
static void
press (const struct holder *h, struct holder *asked, bool late)
{
  if (h->pid == 0 || h->pid == getpid () || !proc_is (h->pid, h->start))
    return;
  if (h->pid != asked->pid || h->start != asked->start)
    log_line (LOG_WARN, "ending an older agent of this migration, %d",
              (int)h->pid);
  else if (!late)
    return;
  *asked = *h;
  kill (h->pid, late ? SIGKILL : SIGTERM);
}

static struct err *
stays (const struct holder *h)
{
  return err_advise (
      err_new (ERR_TRANSIENT, "RH-AGENT-OLDER",
               "an older agent of this migration (process %d) has not ended",
               (int)h->pid),
      "nothing was begun beside it",
      "look what that process waits for, a disk mostly; then go on");
}

/* Until the lock is this process's. */
static struct err *
win (int fd, const char *path, bool (*cancelled) (void *ctx), void *ctx)
{
  struct holder asked = { 0 };
  const struct timespec nap = { .tv_nsec = LOOK_MS * 1000000L };
  int64_t begun = monotonic_ms ();
  while (flock (fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return bad (path);
    int64_t waited = monotonic_ms () - begun;
    struct holder h = read_holder (fd);
    if (waited > LIMIT_MS || cancelled (ctx))
      return stays (&h);
    press (&h, &asked, waited > GRACE_MS);
    nanosleep (&nap, NULL);
  }
  return NULL;
}

/* False where the file was removed while it was waited for. */
static bool
is_there (int fd, const char *path)
{
  struct stat mine, there;
  return fstat (fd, &mine) == 0 && lstat (path, &there) == 0
         && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static struct err *
take (const char *path, bool (*cancelled) (void *ctx), void *ctx, int *out)
{
  for (;;) {
    CLEANUP_FD int fd
        = open (path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
      return bad (path);
    TRY (win (fd, path, cancelled, ctx));
    if (!is_there (fd, path))
      continue;
    TRY (write_holder (path));
    *out = fcntl (fd, F_DUPFD_CLOEXEC, HIGH_FD);
    return *out < 0 ? bad (path) : NULL;
  }
}

static void
keep (int fd, char *path)
{
  if (held >= 0)
    close (held);
  free (held_path);
  held = fd;
  held_path = path;
}

struct err *
sole_take (const char *dir, const char *side, const char *channel,
           bool (*cancelled) (void *ctx), void *ctx)
{
  CLEANUP_FREE char *path = NULL;
  TRY (find_path (dir, side, channel, &path));
  pthread_mutex_lock (&lock);
  struct err *e = NULL;
  if (held < 0 || strcmp (held_path, path) != 0 || !is_there (held, path)) {
    int fd = -1;
    e = take (path, cancelled, ctx, &fd);
    if (e == NULL)
      keep (fd, STEAL (path));
  }
  pthread_mutex_unlock (&lock);
  return e;
}

void
sole_forget (const char *dir)
{
  for (size_t i = 0; i < NAMES; i++) {
    CLEANUP_FREE char *path = path_of (dir, i);
    unlink (path);
  }
}

int
sole_fd (void)
{
  pthread_mutex_lock (&lock);
  int fd = held;
  pthread_mutex_unlock (&lock);
  return fd;
}
