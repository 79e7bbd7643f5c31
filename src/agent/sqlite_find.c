/* SPDX-License-Identifier: Apache-2.0 */
/* A walk that looks at the first bytes of files; see sqlite_check.h. */
#include "agent/sqlite_check.h"

#include "base/buf.h"
#include "base/mem.h"
#include "host/rooted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { FOUND_MAX = 10000, DEPTH_MAX = 200, WAL_HEADER = 32 };

struct finding {
  bool beside;
  struct lite_watch *w;
  dev_t device;
  uint64_t files;
  bool truncated;
  json_t *found;
};

static uint64_t
size_of (int dirfd, const char *leaf, const char *suffix)
{
  CLEANUP_FREE char *name = mem_printf ("%s%s", leaf, suffix);
  struct stat st;
  return fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
             ? (uint64_t)st.st_size
             : 0;
}

static void
look_at (struct finding *f, int dirfd, const char *leaf, const char *rel,
         uint64_t bytes)
{
  unsigned char first[LITE_HEADER];
  struct lite_header h;
  CLEANUP_FD int fd
      = openat (dirfd, leaf,
                O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOATIME);
  ssize_t n = fd < 0 ? -1 : pread (fd, first, sizeof first, 0);
  lite_header_read (first, n < 0 ? 0 : (size_t)n, &h);
  if (n == 0) /* all of it may still be in the WAL */
    h.database = size_of (dirfd, leaf, "-wal") > WAL_HEADER;
  uint64_t wal = h.database ? size_of (dirfd, leaf, "-wal") : 0;
  uint64_t journal = h.database ? size_of (dirfd, leaf, "-journal") : 0;
  if (!h.database || (f->beside && wal == 0 && journal == 0))
    return;
  if (json_array_size (f->found) >= FOUND_MAX) {
    f->truncated = true;
    return;
  }
  json_array_append_new (f->found,
                         json_pack ("{s:o, s:o, s:b, s:o, s:o}", "path",
                                    json_bytes (rel, strlen (rel)), "bytes",
                                    json_u64 (bytes), "wal", h.wal, "wal_bytes",
                                    json_u64 (wal), "journal_bytes",
                                    json_u64 (journal)));
}

static struct err *walk (struct finding *f, int dirfd, const char *rel,
                         int depth);

static struct err *
visit (struct finding *f, int dirfd, const char *leaf, const char *rel,
       int depth)
{
  struct stat st;
  if (fstatat (dirfd, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0
      || st.st_dev != f->device)
    return NULL;
  if (S_ISREG (st.st_mode) && (st.st_size >= LITE_HEADER || st.st_size == 0))
    look_at (f, dirfd, leaf, rel, (uint64_t)st.st_size);
  if (!S_ISDIR (st.st_mode) || depth >= DEPTH_MAX)
    return NULL;
  int fd
      = openat (dirfd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd < 0 ? NULL : walk (f, fd, rel, depth + 1);
}

/* Of a tree of many files only those need a look whose companions' names
 * stand in a directory. */
static struct err *
visit_named (struct finding *f, int dirfd, const struct dirent *one,
             const char *rel, int depth)
{
  static const char *const ends[] = { "-wal", "-journal" };
  size_t len = strlen (one->d_name), all = strlen (rel);
  if (++f->files % 1024 == 0 && f->w->cancelled (f->w->ctx))
    return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED", "cancelled");
  if (!f->beside || one->d_type == DT_DIR || one->d_type == DT_UNKNOWN)
    return visit (f, dirfd, one->d_name, rel, depth);
  for (size_t i = 0; i < 2; i++) {
    size_t end = strlen (ends[i]);
    if (len <= end || strcmp (one->d_name + len - end, ends[i]) != 0)
      continue;
    CLEANUP_FREE char *leaf = mem_strndup (one->d_name, len - end);
    CLEANUP_FREE char *path = mem_strndup (rel, all - end);
    if (i == 0 || size_of (dirfd, leaf, "-wal") == 0) /* not twice */
      return visit (f, dirfd, leaf, path, DEPTH_MAX);
  }
  return NULL;
}

/* Closes `dirfd`. */
static struct err *
walk (struct finding *f, int dirfd, const char *rel, int depth)
{
  DIR *d = fdopendir (dirfd);
  struct err *e = NULL;
  if (d == NULL) {
    close (dirfd);
    return err_sys (errno, "RH-SQLITE-OPEN", "looking for databases");
  }
  for (const struct dirent *one; e == NULL && (one = readdir (d)) != NULL;) {
    if (strcmp (one->d_name, ".") == 0 || strcmp (one->d_name, "..") == 0)
      continue;
    CLEANUP_FREE char *below
        = mem_printf ("%s%s%s", rel, *rel != 0 ? "/" : "", one->d_name);
    e = visit_named (f, dirfd, one, below, depth);
  }
  closedir (d);
  return e;
}

static int
by_path (const void *a, const void *b)
{
  json_t *const *x = a, *const *y = b;
  return strcmp (json_string_value (json_at (*x, "path")),
                 json_string_value (json_at (*y, "path")));
}

/* The same order on every run. */
static json_t *
sorted (const json_t *found)
{
  size_t n = json_array_size (found);
  json_t **v = mem_alloc ((n + 1) * sizeof *v);
  json_t *out = json_array ();
  for (size_t i = 0; i < n; i++)
    v[i] = json_array_get (found, i);
  qsort (v, n, sizeof *v, by_path);
  for (size_t i = 0; i < n; i++)
    json_array_append (out, v[i]);
  free (v);
  return out;
}

struct err *
lite_find (const char *root, bool beside, struct lite_watch *w, json_t **result)
{
  CLEANUP_LITE_PLACE struct lite_place p = LITE_NOWHERE;
  struct finding f = { .beside = beside, .w = w };
  struct stat st;
  TRY (lite_place_find (root, &p));
  if (fstatat (p.dirfd, p.leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    *result = json_pack ("{s:b, s:[]}", "exists", 0, "databases");
    return NULL;
  }
  f.device = st.st_dev;
  f.found = json_array ();
  struct err *e = visit (&f, p.dirfd, p.leaf, "", 0);
  if (e == NULL)
    *result = json_pack ("{s:b, s:b, s:o, s:o, s:b}", "exists", 1, "directory",
                         S_ISDIR (st.st_mode), "databases", sorted (f.found),
                         "files", json_u64 (f.files), "truncated", f.truncated);
  json_decref (f.found);
  return e;
}
