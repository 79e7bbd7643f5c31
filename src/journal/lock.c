/* SPDX-License-Identifier: Apache-2.0 */
/* One process writes a journal: a lock that ends with its process, and the
 * process's number in the locked file, for the one that is refused. */
#include "journal/db.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

static struct err *
busy (int fd)
{
  char pid[32] = "";
  ssize_t n = pread (fd, pid, sizeof pid - 1, 0);
  pid[n > 0 ? n : 0] = '\0';
  long owner = strtol (pid, NULL, 10);
  return err_advise (err_new (ERR_REFUSED, "RH-JOURNAL-BUSY",
                              "process %ld owns this migration", owner),
                     "the migration goes on there",
                     "ask it with `rehome status` or `rehome watch`");
}

/* Locks the open file and writes this process's pid into it. */
static struct err *
claim (int fd, const char *path)
{
  if (flock (fd, LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK
               ? busy (fd)
               : err_sys (errno, "RH-JOURNAL-OPEN", "cannot lock %s", path);
  char pid[32];
  int n = snprintf (pid, sizeof pid, "%ld\n", (long)getpid ());
  if (ftruncate (fd, 0) != 0 || pwrite (fd, pid, (size_t)n, 0) != n)
    return err_sys (errno, "RH-JOURNAL-OPEN", "cannot write %s", path);
  return NULL;
}

struct err *
lock_take (const char *dir, int *out)
{
  char *path CLEANUP_FREE = mem_printf ("%s/owner.lock", dir);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return err_sys (errno, "RH-JOURNAL-OPEN", "cannot open %s", path);
  struct err *e = claim (fd, path);
  if (e == NULL)
    *out = fd;
  else
    close (fd);
  return e;
}
