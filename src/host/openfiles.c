/* SPDX-License-Identifier: Apache-2.0 */
#include "host/openfiles.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "host/slurp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { MAPS_MAX = 256 << 20, LINK_MAX_LEN = 65536 };

/* One mount namespace (and root directory) that was met. */
struct space {
  ino_t ns;
  char *root; /* where its processes' root lies, "/" mostly */
  struct mounts mounts;
};

struct look {
  void (*fn) (void *ctx, const struct open_file *f);
  void *ctx;
  struct space own;
  VEC (struct space) others;
  const struct space *space; /* of the process that is looked at */
  char *link;                /* LINK_MAX_LEN bytes */
};

static ino_t
namespace_of (pid_t pid)
{
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/ns/mnt", pid);
  struct stat st;
  return stat (path, &st) == 0 ? st.st_ino : 0;
}

static char *
root_of (pid_t pid)
{
  char path[64], root[PATH_MAX];
  snprintf (path, sizeof path, "/proc/%d/root", pid);
  ssize_t n = readlink (path, root, sizeof root);
  return n <= 0 || n == (ssize_t)sizeof root ? mem_strdup ("/")
                                             : mem_strndup (root, (size_t)n);
}

/* The mounts of a process; those of its namespace are read once. */
static const struct space *
space_of (struct look *look, pid_t pid)
{
  ino_t ns = namespace_of (pid);
  if (ns == 0 || ns == look->own.ns)
    return &look->own;
  CLEANUP_FREE char *root = root_of (pid);
  for (size_t i = 0; i < look->others.n; i++)
    if (look->others.v[i].ns == ns
        && strcmp (look->others.v[i].root, root) == 0)
      return &look->others.v[i];
  struct mounts mounts;
  if (mounts_read (pid, &mounts) != 0) {
    mounts_free (&mounts);
    return &look->own;
  }
  struct space *s = VEC_PUSH (&look->others);
  *s = (struct space){ ns, STEAL (root), mounts };
  return s;
}

static void
space_free (struct space *s)
{
  free (s->root);
  mounts_free (&s->mounts);
}

/* Where a file lies within its filesystem, seen from its mount. */
static char *
inner_path (const struct space *space, const struct mount *m, const char *path)
{
  char *inner = mount_inner_path (m, path);
  if (inner != NULL || strcmp (space->root, "/") == 0)
    return inner;
  /* mountinfo is told from the process's root, the path is not. */
  if (!path_is_below (path, space->root))
    return NULL;
  const char *rest = path + strlen (space->root);
  return mount_inner_path (m, *rest == '\0' ? "/" : rest);
}

/* The same file through a mount of this process's namespace, or NULL. */
static char *
path_here (const struct mounts *own, const struct mount *m, const char *inner)
{
  const struct mount *best = NULL;
  for (size_t i = 0; i < own->list.n; i++) {
    const struct mount *one = &own->list.v[i];
    if (one->major == m->major && one->minor == m->minor
        && path_is_below (inner, one->root)
        && (best == NULL || strlen (one->root) < strlen (best->root)))
      best = one;
  }
  return best == NULL ? NULL : mount_outer_path (best, inner);
}

static void
tell (struct look *look, struct open_file *f, int mount_id)
{
  const struct mounts *mounts = &look->space->mounts;
  const struct mount *m
      = mount_id >= 0 ? mounts_by_id (mounts, mount_id)
                      : mounts_of_path_on (mounts, f->path, f->major, f->minor);
  CLEANUP_FREE char *inner = NULL;
  CLEANUP_FREE char *here = NULL;
  CLEANUP_FREE char *upper = NULL;
  if (m != NULL) {
    f->major = m->major;
    f->minor = m->minor;
    inner = inner_path (look->space, m, f->path);
  }
  if (inner != NULL && look->space == &look->own)
    here = mem_strdup (f->path);
  else if (inner != NULL)
    here = path_here (&look->own.mounts, m, inner);
  if (inner != NULL && m->upper != NULL)
    upper = mem_printf ("%s%s", m->upper, inner);
  f->inner = inner;
  f->here = here;
  f->upper = upper;
  look->fn (look->ctx, f);
}

static const char deleted_mark[] = " (deleted)";

static bool
has_deleted (const char *path)
{
  size_t len = strlen (path), k = sizeof deleted_mark - 1;
  return len > k && strcmp (path + len - k, deleted_mark) == 0;
}

/* Takes " (deleted)" off the end of what a link of /proc says. */
static bool
cut_deleted (char *path)
{
  if (!has_deleted (path))
    return false;
  path[strlen (path) - (sizeof deleted_mark - 1)] = '\0';
  return true;
}

/* Reads a magic link of /proc: its path into look->link, its file's stat.
 * False where it is not a regular file. */
static bool
read_link (struct look *look, int dir, const char *name, struct open_file *f)
{
  ssize_t n = readlinkat (dir, name, look->link, LINK_MAX_LEN - 1);
  if (n <= 0 || look->link[0] != '/')
    return false;
  look->link[n] = '\0';
  struct stat st;
  if (fstatat (dir, name, &st, 0) != 0 || !S_ISREG (st.st_mode))
    return false;
  f->dev = st.st_dev;
  f->ino = st.st_ino;
  f->links = st.st_nlink;
  f->major = major (st.st_dev);
  f->minor = minor (st.st_dev);
  /* A name may really end so: then the file has that name, and a link. */
  struct stat same;
  bool gone = has_deleted (look->link)
              && (st.st_nlink == 0 || lstat (look->link, &same) != 0
                  || same.st_ino != st.st_ino);
  f->deleted = gone && cut_deleted (look->link);
  f->path = look->link;
  return true;
}

/* "mnt_id:\t25" of fdinfo; -1 before Linux 3.15. */
static int
mount_id_of (int fdinfo, const char *name)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  if (fdinfo < 0 || slurp_at (fdinfo, name, 1 << 20, &b) != 0 || b.len == 0)
    return -1;
  int id = -1;
  const char *at = strstr ((const char *)b.data, "mnt_id:");
  if (at == NULL || sscanf (at, "mnt_id: %d", &id) != 1)
    return -1;
  return id;
}

static int
open_dir (pid_t pid, const char *name)
{
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/%s", pid, name);
  return open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
look_at_descriptors (struct look *look, const struct proc *proc, pid_t task)
{
  int fd = open_dir (task, "fd");
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);
  if (dir == NULL)
    return errno;
  CLEANUP_FD int fdinfo = open_dir (task, "fdinfo");
  errno = 0;
  for (struct dirent *e; (e = readdir (dir)) != NULL; errno = 0) {
    struct stat link;
    /* The link's own mode says how the descriptor is open. */
    if (e->d_name[0] == '.'
        || fstatat (fd, e->d_name, &link, AT_SYMLINK_NOFOLLOW) != 0
        || (link.st_mode & S_IWUSR) == 0)
      continue;
    struct open_file f = { .proc = proc };
    if (read_link (look, fd, e->d_name, &f))
      tell (look, &f, mount_id_of (fdinfo, e->d_name));
  }
  int bad = errno;
  closedir (dir);
  return bad;
}

/* "7f00-7f01 rw-s 00000000 08:01 1234    /path" */
static void
look_at_mapping (struct look *look, const struct proc *proc, int map_files,
                 char *line)
{
  char range[64], perms[8];
  unsigned major, minor;
  unsigned long long ino;
  int at = 0;
  if (sscanf (line, "%63s %7s %*s %x:%x %llu %n", range, perms, &major, &minor,
              &ino, &at)
          != 5
      || at == 0 || perms[1] != 'w' || perms[3] != 's' || line[at] != '/')
    return;
  struct open_file f = { .proc = proc, .mapped = true };
  if (map_files >= 0 && read_link (look, map_files, range, &f)) {
    f.major = major;
    f.minor = minor;
    tell (look, &f, -1);
    return;
  }
  f.deleted = cut_deleted (line + at);
  f.path = line + at;
  f.dev = makedev (major, minor);
  f.major = major;
  f.minor = minor;
  f.ino = (ino_t)ino;
  f.links = f.deleted ? 0 : 1;
  tell (look, &f, -1);
}

static int
look_at_mappings (struct look *look, const struct proc *proc, pid_t task)
{
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/maps", task);
  CLEANUP_BUF struct buf b = BUF_INIT_MAX (MAPS_MAX);
  int bad = slurp_at (AT_FDCWD, path, MAPS_MAX, &b);
  if (bad != 0 || b.len == 0)
    return bad;
  CLEANUP_FD int map_files = open_dir (task, "map_files");
  char *save = NULL;
  for (char *line = strtok_r ((char *)b.data, "\n", &save); line != NULL;
       line = strtok_r (NULL, "\n", &save))
    look_at_mapping (look, proc, map_files, line);
  return 0;
}

/* The thread to look at: a process whose first thread has ended still has
 * its files open in the others. */
static pid_t
live_task (const struct proc *proc)
{
  if (proc->state != 'Z')
    return proc->pid;
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/task", proc->pid);
  struct pids tasks;
  pid_t found = proc->pid;
  if (pids_list (path, &tasks) == 0)
    for (size_t i = 0; i < tasks.list.n; i++)
      if (tasks.list.v[i] != proc->pid)
        found = tasks.list.v[i];
  VEC_FREE (&tasks.list);
  return found;
}

static bool
is_gone (int bad)
{
  return bad == 0 || bad == ESRCH || bad == ENOENT;
}

struct err *
open_files_each (const struct procs *procs,
                 void (*fn) (void *ctx, const struct open_file *f), void *ctx,
                 size_t *unreadable)
{
  struct look look = { .fn = fn, .ctx = ctx };
  *unreadable = 0;
  int bad = mounts_read (0, &look.own.mounts);
  if (bad != 0) {
    mounts_free (&look.own.mounts);
    return err_sys (bad, "RH-HOST-PROC", "cannot read the mounts");
  }
  look.own.ns = namespace_of (getpid ());
  look.own.root = mem_strdup ("/");
  look.link = mem_alloc (LINK_MAX_LEN);
  for (size_t i = 0; i < procs->list.n; i++) {
    const struct proc *p = &procs->list.v[i];
    if (p->kernel || p->pid == getpid ())
      continue;
    pid_t task = live_task (p);
    look.space = space_of (&look, p->pid);
    int fds = look_at_descriptors (&look, p, task);
    int maps = look_at_mappings (&look, p, task);
    if (!is_gone (fds) || !is_gone (maps))
      ++*unreadable;
  }
  for (size_t i = 0; i < look.others.n; i++)
    space_free (&look.others.v[i]);
  VEC_FREE (&look.others);
  space_free (&look.own);
  free (look.link);
  return NULL;
}
