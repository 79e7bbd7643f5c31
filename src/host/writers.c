/* SPDX-License-Identifier: Apache-2.0 */
#include "host/writers.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "host/openfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 4096 };

struct target {
  const char *given;
  char *path; /* parents resolved */
  bool exists;
  dev_t dev;
  unsigned major, minor;
  char *inner; /* within its filesystem; NULL: unknown */
};

/* An open file that no path told to be below a target, but that may have
 * another name there. */
struct candidate {
  dev_t dev;
  ino_t ino;
  struct writer who; /* path as the process named it */
};

struct search {
  struct target *targets;
  size_t count;
  struct writers *out;
  VEC (struct candidate) maybe;
};

static void
writer_free (struct writer *w)
{
  free (w->unit);
  free (w->path);
  free (w->under);
}

void
writers_free (struct writers *w)
{
  for (size_t i = 0; i < w->list.n; i++)
    writer_free (&w->list.v[i]);
  VEC_FREE (&w->list);
}

static struct writer
writer_of (const struct open_file *f, const char *path, const char *under)
{
  struct writer w = {
    .pid = f->proc->pid,
    .start = f->proc->start,
    .uid = f->proc->uid,
    .state = f->proc->state,
    .mapped = f->mapped,
    .deleted = f->links == 0,
    .unit = mem_strdup (f->proc->unit),
    .path = mem_strdup (path),
    .under = mem_strdup (under),
  };
  memcpy (w.comm, f->proc->comm, sizeof w.comm);
  return w;
}

/* Rows of one process come one after the other: only those are compared. */
static bool
is_listed (const struct writers *out, pid_t pid, const char *path)
{
  for (size_t i = out->list.n; i > 0 && out->list.v[i - 1].pid == pid; i--)
    if (strcmp (out->list.v[i - 1].path, path) == 0)
      return true;
  return false;
}

static void
add (struct writers *out, const struct open_file *f, const char *path,
     const char *under)
{
  if (!is_listed (out, f->proc->pid, path))
    *VEC_PUSH (&out->list) = writer_of (f, path, under);
}

/* --- below given paths --------------------------------------------------- */

/* The file's path below the target as this host names it, or NULL. */
static char *
path_below (const struct target *t, const struct open_file *f)
{
  if (t->inner != NULL && f->inner != NULL && t->major == f->major
      && t->minor == f->minor && path_is_below (f->inner, t->inner))
  {
    const char *rest = f->inner + strlen (t->inner);
    rest += strspn (rest, "/");
    if (*rest == '\0')
      return mem_strdup (t->path);
    return mem_printf ("%s%s%s", t->path, strcmp (t->path, "/") ? "/" : "",
                       rest);
  }
  if (f->here != NULL && path_is_below (f->here, t->path))
    return mem_strdup (f->here);
  if (f->upper != NULL && path_is_below (f->upper, t->path))
    return mem_strdup (f->upper);
  return NULL;
}

/* What a walk by inode may still find: another name, or no known place. */
static bool
may_have_other_name (const struct open_file *f)
{
  return f->links > 1 || (f->links > 0 && (f->deleted || f->inner == NULL));
}

static void
sort_file (void *ctx, const struct open_file *f)
{
  struct search *s = ctx;
  for (size_t i = 0; i < s->count; i++) {
    CLEANUP_FREE char *path = path_below (&s->targets[i], f);
    if (path != NULL) {
      add (s->out, f, path, s->targets[i].given);
      return;
    }
  }
  if (may_have_other_name (f)) {
    struct candidate *c = VEC_PUSH (&s->maybe);
    c->dev = f->dev;
    c->ino = f->ino;
    c->who = writer_of (f, f->path, NULL);
  }
}

static void
found_by_inode (struct search *s, const struct target *t, const char *path,
                const struct stat *st)
{
  for (size_t i = 0; i < s->maybe.n; i++) {
    struct candidate *c = &s->maybe.v[i];
    if (c->dev != st->st_dev || c->ino != st->st_ino || c->who.path == NULL)
      continue;
    free (c->who.path);
    c->who.path = mem_strdup (path);
    c->who.under = mem_strdup (t->given);
    *VEC_PUSH (&s->out->list) = c->who;
    c->who = (struct writer){ .pid = 0 };
  }
}

static bool
is_wanted (const struct search *s, ino_t ino)
{
  for (size_t i = 0; i < s->maybe.n; i++)
    if (s->maybe.v[i].ino == ino && s->maybe.v[i].who.path != NULL)
      return true;
  return false;
}

static void walk (struct search *s, const struct target *t, int fd,
                  const char *path, int depth);

static void
walk_entry (struct search *s, const struct target *t, int dir,
            const struct dirent *e, const char *path, int depth)
{
  CLEANUP_FREE char *full = mem_printf ("%s/%s", path, e->d_name);
  struct stat st;
  bool known = e->d_type != DT_UNKNOWN;
  if (is_wanted (s, e->d_ino) || !known) {
    if (fstatat (dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      return;
    if (S_ISREG (st.st_mode))
      found_by_inode (s, t, full, &st);
  }
  if (e->d_type == DT_DIR || (!known && S_ISDIR (st.st_mode))) {
    int fd = openat (dir, e->d_name,
                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
      walk (s, t, fd, full, depth + 1);
  }
}

/* Takes `fd`.  Directory entries carry the inode: hardly a stat is needed. */
static void
walk (struct search *s, const struct target *t, int fd, const char *path,
      int depth)
{
  struct stat st;
  DIR *dir = NULL;
  if (depth <= DEPTH_MAX && fstat (fd, &st) == 0 && st.st_dev == t->dev)
    dir = fdopendir (fd);
  if (dir == NULL) {
    close (fd);
    return;
  }
  for (struct dirent *e; (e = readdir (dir)) != NULL;)
    if (strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0)
      walk_entry (s, t, fd, e, path, depth);
  closedir (dir);
}

static void
search_by_inode (struct search *s, const struct target *t)
{
  bool any = false;
  for (size_t i = 0; i < s->maybe.n; i++)
    any = any || (s->maybe.v[i].dev == t->dev && s->maybe.v[i].who.path);
  struct stat st;
  if (!any || !t->exists || lstat (t->path, &st) != 0)
    return;
  if (S_ISREG (st.st_mode))
    found_by_inode (s, t, t->path, &st);
  int fd = open (t->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0)
    walk (s, t, fd, t->path, 0);
}

static char *
resolve (const char *given)
{
  size_t len = strlen (given);
  while (len > 1 && given[len - 1] == '/')
    len--;
  char *clean = mem_strndup (given, len);
  char *slash = strrchr (clean, '/');
  if (slash == NULL || slash[1] == '\0')
    return clean;
  CLEANUP_FREE char *above = mem_strndup (clean, (size_t)(slash - clean));
  CLEANUP_FREE char *real = realpath (*above == '\0' ? "/" : above, NULL);
  if (real == NULL)
    return clean;
  char *path
      = mem_printf ("%s/%s", strcmp (real, "/") == 0 ? "" : real, slash + 1);
  free (clean);
  return path;
}

static void
aim (struct target *t, const char *given, const struct mounts *mounts)
{
  *t = (struct target){ .given = given, .path = resolve (given) };
  struct stat st;
  t->exists = lstat (t->path, &st) == 0;
  if (t->exists)
    t->dev = st.st_dev;
  const struct mount *m = mounts_of_path (mounts, t->path);
  if (m == NULL)
    return;
  t->major = m->major;
  t->minor = m->minor;
  t->inner = mount_inner_path (m, t->path);
}

static int
by_process (const void *a, const void *b)
{
  const struct writer *x = a, *y = b;
  if (x->pid != y->pid)
    return x->pid < y->pid ? -1 : 1;
  return strcmp (x->path, y->path);
}

/* Sorts, and drops what a hard link found twice. */
static void
settle (struct writers *w)
{
  if (w->list.n < 2)
    return;
  qsort (w->list.v, w->list.n, sizeof *w->list.v, by_process);
  size_t kept = 1;
  for (size_t i = 1; i < w->list.n; i++)
    if (by_process (&w->list.v[kept - 1], &w->list.v[i]) == 0)
      writer_free (&w->list.v[i]);
    else
      w->list.v[kept++] = w->list.v[i];
  w->list.n = kept;
}

static void
search_free (struct search *s)
{
  for (size_t i = 0; i < s->count; i++) {
    free (s->targets[i].path);
    free (s->targets[i].inner);
  }
  free (s->targets);
  for (size_t i = 0; i < s->maybe.n; i++)
    writer_free (&s->maybe.v[i].who);
  VEC_FREE (&s->maybe);
}

struct err *
writers_under (const char *const *paths, size_t count, struct writers *out)
{
  *out = (struct writers){ { NULL, 0, 0 }, 0 };
  CLEANUP (mounts_free) struct mounts mounts;
  int bad = mounts_read (0, &mounts);
  if (bad != 0)
    return err_sys (bad, "RH-HOST-PROC", "cannot read the mounts");
  CLEANUP (procs_free) struct procs procs;
  TRY (procs_scan (&procs));
  CLEANUP (search_free)
  struct search s = { .count = count, .out = out };
  s.targets = mem_alloc ((count + 1) * sizeof *s.targets);
  for (size_t i = 0; i < count; i++)
    aim (&s.targets[i], paths[i], &mounts);
  TRY (open_files_each (&procs, sort_file, &s, &out->unreadable));
  for (size_t i = 0; i < count && s.maybe.n > 0; i++)
    search_by_inode (&s, &s.targets[i]);
  settle (out);
  return NULL;
}

/* --- everywhere -------------------------------------------------------------
 */

static bool
is_volatile (const char *path)
{
  static const char *const dirs[] = { "/proc", "/sys", "/dev", "/run", "/tmp" };
  for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
    if (path_is_below (path, dirs[i]))
      return true;
  return false;
}

static void
note_file (void *ctx, const struct open_file *f)
{
  const char *path = f->here != NULL ? f->here : f->path;
  if (f->links > 0 && !is_volatile (path))
    add (ctx, f, path, NULL);
}

struct err *
writers_everywhere (struct writers *out)
{
  *out = (struct writers){ { NULL, 0, 0 }, 0 };
  CLEANUP (procs_free) struct procs procs;
  TRY (procs_scan (&procs));
  TRY (open_files_each (&procs, note_file, out, &out->unreadable));
  settle (out);
  return NULL;
}
