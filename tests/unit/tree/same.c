/* SPDX-License-Identifier: Apache-2.0 */
/* The independent comparison: readdir, fstatat, readlinkat, getxattr. */
#include "ground.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int
list (int fd, char ***names)
{
  DIR *d = fdopendir (dup (fd));
  assert_non_null (d);
  rewinddir (d);
  int n = 0;
  *names = NULL;
  for (struct dirent *e; (e = readdir (d)) != NULL;) {
    if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
      continue;
    *names = realloc (*names, sizeof **names * (size_t)(n + 1));
    (*names)[n++] = strdup (e->d_name);
  }
  closedir (d);
  return n;
}

static void
same_attributes (int a, int b, const char *name)
{
  char pa[300], pb[300], la[65536], lb[65536], va[65536], vb[65536];
  snprintf (pa, sizeof pa, "/proc/self/fd/%d/%s", a, name);
  snprintf (pb, sizeof pb, "/proc/self/fd/%d/%s", b, name);
  ssize_t na = llistxattr (pa, la, sizeof la);
  ssize_t nb = llistxattr (pb, lb, sizeof lb);
  assert_true (na >= 0 && nb >= 0);
  if (na != nb)
    fail_msg ("%s: attributes %s and %s", name, na > 0 ? la : "none",
              nb > 0 ? lb : "none");
  for (char *k = la; k < la + na; k += strlen (k) + 1) {
    ssize_t n = lgetxattr (pa, k, va, sizeof va);
    ssize_t m = lgetxattr (pb, k, vb, sizeof vb);
    if (n != m || memcmp (va, vb, (size_t)n) != 0)
      fail_msg ("%s: attribute %s differs", name, k);
  }
}

static void
same_content (int a, int b, const char *name)
{
  static char ba[65536], bb[65536];
  int fa = openat (a, name, O_RDONLY), fb = openat (b, name, O_RDONLY);
  assert_true (fa >= 0 && fb >= 0);
  for (;;) {
    ssize_t n = read (fa, ba, sizeof ba), m = read (fb, bb, sizeof bb);
    if (n != m || memcmp (ba, bb, (size_t)n) != 0)
      fail_msg ("%s: content differs", name);
    if (n == 0)
      break;
  }
  close (fa);
  close (fb);
}

static void
same_stat (const struct stat *a, const struct stat *b, const char *name)
{
#define FIELD(f)                                                  \
  if (a->f != b->f)                                               \
  fail_msg ("%s: %s is %lld and %lld", name, #f, (long long)a->f, \
            (long long)b->f)
  FIELD (st_mode);
  FIELD (st_uid);
  FIELD (st_gid);
  FIELD (st_nlink);
  FIELD (st_mtim.tv_sec);
  FIELD (st_mtim.tv_nsec);
  if (!S_ISDIR (a->st_mode))
    FIELD (st_size);
  if (S_ISCHR (a->st_mode) || S_ISBLK (a->st_mode))
    FIELD (st_rdev);
#undef FIELD
}

static void
same_targets (int a, int b, const char *name)
{
  char ta[5000], tb[5000];
  ssize_t n = readlinkat (a, name, ta, sizeof ta);
  ssize_t m = readlinkat (b, name, tb, sizeof tb);
  if (n != m || memcmp (ta, tb, (size_t)n) != 0)
    fail_msg ("%s: link target differs", name);
}

static int
open_dir (int at, const char *name)
{
  return openat (at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

static void
same_names (int da, int db, const char *name)
{
  assert_true (da >= 0 && db >= 0);
  char **na, **nb;
  int n = list (da, &na), m = list (db, &nb);
  if (n != m)
    fail_msg ("%s: holds %d and %d names", name, n, m);
  for (int i = 0; i < n; i++) {
    struct stat sa, sb;
    assert_int_equal (fstatat (da, na[i], &sa, AT_SYMLINK_NOFOLLOW), 0);
    if (fstatat (db, na[i], &sb, AT_SYMLINK_NOFOLLOW) != 0)
      fail_msg ("%s is missing", na[i]);
    same_stat (&sa, &sb, na[i]);
    same_attributes (da, db, na[i]);
    if (S_ISREG (sa.st_mode))
      same_content (da, db, na[i]);
    if (S_ISLNK (sa.st_mode))
      same_targets (da, db, na[i]);
    if (S_ISDIR (sa.st_mode))
      same_names (open_dir (da, na[i]), open_dir (db, na[i]), na[i]);
    free (na[i]);
    free (nb[i]);
  }
  free (na);
  free (nb);
  close (da);
  close (db);
}

void
assert_same_trees (const char *a, const char *b)
{
  struct stat sa, sb;
  assert_int_equal (lstat (a, &sa), 0);
  assert_int_equal (lstat (b, &sb), 0);
  same_stat (&sa, &sb, "the root");
  if (S_ISDIR (sa.st_mode))
    same_names (open_dir (AT_FDCWD, a), open_dir (AT_FDCWD, b), a);
}
