/* SPDX-License-Identifier: Apache-2.0 */
/* Trying what a filesystem can hold. */
#include "tree/probe.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tree/meta.h"
#include "tree/project.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static const char *const words[PROBE_COUNT]
    = { [PROBE_OWNER] = "owner",
        [PROBE_MODE] = "mode",
        [PROBE_USER] = "user",
        [PROBE_TRUSTED] = "trusted",
        [PROBE_SECURITY] = "security",
        [PROBE_ACL] = "acl",
        [PROBE_CAPABILITY] = "capability",
        [PROBE_FLAGS] = "flags",
        [PROBE_PROJECT] = "project",
        [PROBE_NANOSECONDS] = "nanoseconds",
        [PROBE_OLD] = "before-1970",
        [PROBE_Y2038] = "after-2038",
        [PROBE_Y2106] = "after-2106",
        [PROBE_HOLES] = "holes",
        [PROBE_SPECIAL] = "special",
        [PROBE_SYMLINK] = "symlink",
        [PROBE_HARDLINK] = "hardlink",
        [PROBE_CASE] = "case",
        [PROBE_LONG_NAME] = "long-name",
        [PROBE_ODD_NAME] = "odd-name",
        [PROBE_BIG] = "big" };

const char *
probe_word (enum probe_what w)
{
  return words[w];
}

/* The probe's own directory, and a file in it. */
struct ground {
  int dir, fd;
};

static bool
holds_time (int fd, int64_t sec, long nsec)
{
  const struct timespec t[2] = { { 0, UTIME_OMIT }, { sec, nsec } };
  struct stat s;
  return futimens (fd, t) == 0 && fstat (fd, &s) == 0 && s.st_mtim.tv_sec == sec
         && s.st_mtim.tv_nsec == nsec;
}

static bool
holds_name (const struct ground *g, const char *name)
{
  CLEANUP_FD int fd
      = openat (g->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return false;
  return unlinkat (g->dir, name, 0) == 0;
}

static bool
holds_owner (const struct ground *g)
{
  struct stat s;
  return fchown (g->fd, 12345, 54321) == 0 && fstat (g->fd, &s) == 0
         && s.st_uid == 12345 && s.st_gid == 54321;
}

static bool
holds_mode (const struct ground *g)
{
  struct stat s;
  return fchmod (g->fd, 0640) == 0 && fstat (g->fd, &s) == 0
         && (s.st_mode & 07777) == 0640;
}

static bool
holds_acl (const struct ground *g)
{
  /* user::rw-, user:1:r--, group::r--, mask::r--, other::r-- */
  static const unsigned char acl[44]
      = { 2,    0,    0,    0,    1,    0,    6,    0,    0xff, 0xff, 0xff,
          0xff, 2,    0,    4,    0,    1,    0,    0,    0,    4,    0,
          4,    0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,    4,    0,    0xff,
          0xff, 0xff, 0xff, 0x20, 0,    4,    0,    0xff, 0xff, 0xff, 0xff };
  return fsetxattr (g->fd, "system.posix_acl_access", acl, sizeof acl, 0) == 0;
}

static bool
holds_capability (const struct ground *g)
{
  static const unsigned char cap[20] = { 0, 0, 0, 2, 0, 4 };
  return fsetxattr (g->fd, "security.capability", cap, sizeof cap, 0) == 0;
}

static bool
holds_flags (const struct ground *g)
{
  if (meta_set_flags (g->fd, TREE_NODUMP) != 0)
    return false;
  return meta_set_flags (g->fd, 0) == 0;
}

static bool
holds_project (const struct ground *g)
{
  struct tree_entry e
      = { .type = TREE_FILE, .marks = TREE_PROJECT, .project = 4242 };
  return project_set (g->fd, &e) == 0;
}

static bool
holds_holes (const struct ground *g)
{
  struct stat s;
  bool yes = ftruncate (g->fd, 1 << 20) == 0 && fstat (g->fd, &s) == 0
             && s.st_blocks < 1024;
  return ftruncate (g->fd, 0) == 0 && yes;
}

static bool
holds_big (const struct ground *g)
{
  bool yes = ftruncate (g->fd, ((off_t)1 << 32) + 1) == 0;
  return ftruncate (g->fd, 0) == 0 && yes;
}

static bool
holds_special (const struct ground *g)
{
  bool yes = mknodat (g->dir, "s", S_IFIFO | 0600, 0) == 0;
  return unlinkat (g->dir, "s", 0) == 0 && yes;
}

static bool
holds_case (const struct ground *g)
{
  struct stat s;
  CLEANUP_FD int fd
      = openat (g->dir, "case", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  bool yes = fd >= 0 && fstatat (g->dir, "CASE", &s, 0) < 0;
  return unlinkat (g->dir, "case", 0) == 0 && yes;
}

static bool
holds_links (const struct ground *g, bool hard)
{
  bool yes = hard ? linkat (g->dir, "f", g->dir, "l", 0) == 0
                  : symlinkat ("to", g->dir, "l") == 0;
  return unlinkat (g->dir, "l", 0) == 0 && yes;
}

static bool
holds (const struct ground *g, enum probe_what w)
{
  char name[256];
  memset (name, 'n', 255);
  name[255] = 0;
  switch (w) {
  case PROBE_OWNER:
    return holds_owner (g);
  case PROBE_MODE:
    return holds_mode (g);
  case PROBE_USER:
    return fsetxattr (g->fd, "user.rehome", "1", 1, 0) == 0;
  case PROBE_TRUSTED:
    return fsetxattr (g->fd, "trusted.rehome", "1", 1, 0) == 0;
  case PROBE_SECURITY:
    return fsetxattr (g->fd, "security.rehome", "1", 1, 0) == 0;
  case PROBE_ACL:
    return holds_acl (g);
  case PROBE_CAPABILITY:
    return holds_capability (g);
  case PROBE_FLAGS:
    return holds_flags (g);
  case PROBE_PROJECT:
    return holds_project (g);
  case PROBE_NANOSECONDS:
    return holds_time (g->fd, 1000000000, 123456789);
  case PROBE_OLD:
    return holds_time (g->fd, -86400, 0);
  case PROBE_Y2038:
    return holds_time (g->fd, 2177452800, 0);
  case PROBE_Y2106:
    return holds_time (g->fd, 4323542400, 0);
  case PROBE_HOLES:
    return holds_holes (g);
  case PROBE_SPECIAL:
    return holds_special (g);
  case PROBE_SYMLINK:
    return holds_links (g, false);
  case PROBE_HARDLINK:
    return holds_links (g, true);
  case PROBE_CASE:
    return holds_case (g);
  case PROBE_LONG_NAME:
    return holds_name (g, name);
  case PROBE_ODD_NAME:
    return holds_name (g, "\xff\xfe") && holds_name (g, "a\nb")
           && holds_name (g, "a:b*") && holds_name (g, "end.");
  case PROBE_BIG:
    return holds_big (g);
  case PROBE_COUNT:
    break;
  }
  return true;
}

/* The nearest directory of `root` that exists. */
static struct err *
open_nearest (const char *root, int *out)
{
  CLEANUP_FREE char *at = mem_strdup (root);
  for (;;) {
    *out = open (at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out >= 0)
      return NULL;
    char *slash = strrchr (at, '/');
    if ((errno != ENOENT && errno != ENOTDIR) || slash == NULL || slash[1] == 0)
      return err_sys (errno, "RH-TREE-ROOT", "cannot open %s", at);
    slash[slash == at ? 1 : 0] = 0;
  }
}

static void
try_all (const struct ground *g, json_t *lacks)
{
  for (int w = 0; w < PROBE_COUNT; w++)
    if (!holds (g, (enum probe_what)w))
      json_array_append_new (lacks, json_string (words[w]));
}

/* Two items whose roots are to lie in one directory are looked at side by
 * side; where nothing can be locked, or somebody else holds it, we go on. */
static void
wait_for_others (int dir)
{
  const struct timespec pause = { .tv_nsec = 20000000 };
  for (int i = 0; i < 500 && flock (dir, LOCK_EX | LOCK_NB) != 0; i++)
    if (errno == EWOULDBLOCK)
      nanosleep (&pause, NULL);
    else if (errno != EINTR)
      return;
}

struct err *
probe_root (const char *root, json_t **result)
{
  CLEANUP_FD int near = -1;
  /* A walk passes it over; should we be killed, the next probe removes it. */
  static const char name[] = TREE_TMP;
  TRY (open_nearest (root, &near));
  wait_for_others (near);
  struct stat above;
  int bad = fstat (near, &above);
  if (bad < 0 || (mkdirat (near, name, 0700) < 0 && errno != EEXIST))
    return err_sys (errno, "RH-TREE-WRITE", "cannot write at %s", root);
  struct ground g
      = { .dir = openat (near, name,
                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
          .fd = -1 };
  CLEANUP_FD int dir = g.dir;
  if (dir >= 0)
    g.fd = openat (dir, "f", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  CLEANUP_FD int fd = g.fd;
  int n = errno;
  json_t *lacks = json_array ();
  if (fd >= 0)
    try_all (&g, lacks);
  if (dir >= 0)
    unlinkat (dir, "f", 0);
  unlinkat (near, name, AT_REMOVEDIR);
  const struct timespec t[2] = { above.st_atim, above.st_mtim };
  (void)futimens (near, t); /* as if nobody had been there */
  *result = json_pack ("{s:o}", "lacks", lacks);
  return fd >= 0 ? NULL
                 : err_sys (n, "RH-TREE-WRITE", "cannot write at %s", root);
}
