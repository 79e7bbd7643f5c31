/* SPDX-License-Identifier: Apache-2.0 */
#include "host/procs.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "host/slurp.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
  STAT_MAX = 4096,
  CMDLINE_MAX = 1 << 20,
  CGROUP_MAX = 65536,
  KTHREAD = 0x00200000, /* PF_KTHREAD */
};

static int
by_number (const void *a, const void *b)
{
  const pid_t *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

int
pids_list (const char *dir, struct pids *out)
{
  *out = (struct pids){ { NULL, 0, 0 } };
  DIR *d = opendir (dir);
  if (d == NULL)
    return errno;
  for (struct dirent *e; (e = readdir (d)) != NULL;)
    if (isdigit ((unsigned char)e->d_name[0]))
      *VEC_PUSH (&out->list) = (pid_t)strtol (e->d_name, NULL, 10);
  closedir (d);
  if (out->list.n > 1)
    qsort (out->list.v, out->list.n, sizeof *out->list.v, by_number);
  return 0;
}

/* --- the unit that a cgroup belongs to ---------------------------------- */

static bool
is_unit (const char *name, size_t len)
{
  static const char *const kinds[]
      = { ".service", ".scope", ".socket", ".mount", ".swap" };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t k = strlen (kinds[i]);
    if (len > k && memcmp (name + len - k, kinds[i], k) == 0)
      return true;
  }
  return false;
}

/* The first component that is a unit: what is below it is its payload. */
static char *
unit_of (const char *path)
{
  while (*path != '\0') {
    path += strspn (path, "/");
    size_t len = strcspn (path, "/");
    /* systemd puts '_' before a name that the kernel reserves. */
    size_t skip = len > 1 && path[0] == '_' ? 1 : 0;
    if (is_unit (path + skip, len - skip))
      return mem_strndup (path + skip, len - skip);
    path += len;
  }
  return NULL;
}

void
cgroup_unit (const char *text, size_t len, char **cgroup, char **unit)
{
  *cgroup = *unit = NULL;
  CLEANUP_FREE char *copy = mem_strndup (text, len);
  char *save = NULL;
  for (char *line = strtok_r (copy, "\n", &save); line != NULL;
       line = strtok_r (NULL, "\n", &save))
  {
    char *first = strchr (line, ':');
    char *path = first == NULL ? NULL : strchr (first + 1, ':');
    if (path == NULL)
      continue;
    *path++ = '\0';
    bool v2 = strcmp (line, "0:") == 0;
    if (!v2 && strcmp (first, ":name=systemd") != 0)
      continue;
    char *found = unit_of (path);
    /* Where both layouts are there, the one that systemd uses has units. */
    if (*cgroup == NULL || (found != NULL && *unit == NULL)) {
      free (*cgroup);
      *cgroup = mem_strdup (path);
      free (*unit);
      *unit = found;
    } else
      free (found);
  }
  if (*cgroup == NULL)
    *cgroup = mem_strdup ("");
}

static void
read_cgroup (struct proc *p)
{
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/cgroup", p->pid);
  CLEANUP_BUF struct buf b = BUF_INIT;
  if (slurp_at (AT_FDCWD, path, CGROUP_MAX, &b) != 0)
    buf_reset (&b);
  cgroup_unit (b.data == NULL ? "" : (const char *)b.data, b.len, &p->cgroup,
               &p->unit);
}

/* --- one process ---------------------------------------------------------- */

/* The name stands in parentheses and may hold anything, also ") R 1". */
static int
read_stat (struct proc *p)
{
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/stat", p->pid);
  CLEANUP_BUF struct buf b = BUF_INIT;
  int bad = slurp_at (AT_FDCWD, path, STAT_MAX, &b);
  if (bad != 0)
    return bad == ENOENT ? ESRCH : bad;
  const char *text = b.data == NULL ? "" : (const char *)b.data;
  const char *open = strchr (text, '(');
  const char *close = strrchr (text, ')');
  if (open == NULL || close == NULL || close < open)
    return EBADMSG;
  size_t len = (size_t)(close - open - 1);
  if (len >= sizeof p->comm)
    len = sizeof p->comm - 1;
  memcpy (p->comm, open + 1, len);
  p->comm[len] = '\0';
  unsigned flags;
  unsigned long long start;
  if (sscanf (close + 1,
              " %c %d %*d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d"
              " %*d %*d %*d %llu",
              &p->state, &p->ppid, &p->session, &flags, &start)
      != 5)
    return EBADMSG;
  p->kernel = (flags & KTHREAD) != 0;
  p->start = start;
  return 0;
}

static int
read_uids (struct proc *p)
{
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/status", p->pid);
  CLEANUP_BUF struct buf b = BUF_INIT;
  int bad = slurp_at (AT_FDCWD, path, 65536, &b);
  if (bad != 0)
    return bad == ENOENT ? ESRCH : bad;
  const char *at
      = b.data == NULL ? NULL : strstr ((const char *)b.data, "\nUid:");
  unsigned real, effective;
  if (at == NULL || sscanf (at, "\nUid: %u %u", &real, &effective) != 2)
    return EBADMSG;
  p->uid = real;
  p->euid = effective;
  return 0;
}

int
proc_read (pid_t pid, struct proc *out)
{
  *out = (struct proc){ .pid = pid };
  int bad = read_stat (out);
  if (bad == 0)
    bad = read_uids (out);
  if (bad != 0)
    return bad;
  read_cgroup (out);
  return 0;
}

void
proc_free (struct proc *p)
{
  free (p->cgroup);
  free (p->unit);
  p->cgroup = p->unit = NULL;
}

bool
proc_is (pid_t pid, uint64_t start)
{
  struct proc p = { .pid = pid };
  return pid > 0 && read_stat (&p) == 0 && p.start == start;
}

int
proc_cmdline (pid_t pid, struct buf *out)
{
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/cmdline", pid);
  int bad = slurp_at (AT_FDCWD, path, CMDLINE_MAX, out);
  return bad == ENOENT ? ESRCH : bad;
}

/* --- all -------------------------------------------------------------------
 */

struct err *
procs_scan (struct procs *out)
{
  *out = (struct procs){ { NULL, 0, 0 } };
  struct pids pids;
  int bad = pids_list ("/proc", &pids);
  if (bad != 0)
    return err_sys (bad, "RH-HOST-PROC", "cannot list /proc");
  for (size_t i = 0; i < pids.list.n; i++) {
    struct proc one;
    if (proc_read (pids.list.v[i], &one) == 0)
      *VEC_PUSH (&out->list) = one;
    else
      proc_free (&one);
  }
  VEC_FREE (&pids.list);
  return NULL;
}

void
procs_free (struct procs *p)
{
  for (size_t i = 0; i < p->list.n; i++)
    proc_free (&p->list.v[i]);
  VEC_FREE (&p->list);
}

const struct proc *
procs_find (const struct procs *p, pid_t pid)
{
  size_t low = 0, high = p->list.n;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (p->list.v[mid].pid == pid)
      return &p->list.v[mid];
    if (p->list.v[mid].pid < pid)
      low = mid + 1;
    else
      high = mid;
  }
  return NULL;
}
