/* SPDX-License-Identifier: Apache-2.0 */
/* Making a file's extended attributes those of a set. */
#include "base/mem.h"
#include "tree/entry.h"
#include "tree/xattrs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

struct handle {
  int fd;
  const char *path;
};

static int
do_set (const struct handle *h, const char *name, const void *v, size_t n)
{
  return h->path == NULL ? fsetxattr (h->fd, name, v, n, 0)
                         : lsetxattr (h->path, name, v, n, 0);
}

static int
do_remove (const struct handle *h, const char *name)
{
  return h->path == NULL ? fremovexattr (h->fd, name)
                         : lremovexattr (h->path, name);
}

static void
note_lost (char **lost, const char *name)
{
  char *both
      = *lost == NULL ? mem_strdup (name) : mem_printf ("%s,%s", *lost, name);
  free (*lost);
  *lost = both;
}

/* Steps to the next attribute of `have` if the set does not hold it. */
static struct err *
remove_others (const struct handle *h, const struct buf *have,
               const unsigned char *set, size_t len)
{
  struct cursor c = { have->data, have->len };
  struct xattr_view v, w = { 0 };
  while (xattrs_next (&c, &v)) {
    bool found = false;
    struct cursor in = { set, len };
    while (!found && xattrs_next (&in, &w))
      found = w.name_len == v.name_len
              && memcmp (w.name, v.name, v.name_len) == 0;
    /* A label of the security module is the target's own business where the
     * source has none. */
    if (found
        || (v.name_len == 16 && memcmp (v.name, "security.selinux", 16) == 0))
      continue;
    CLEANUP_FREE char *name = mem_strndup (v.name, v.name_len);
    if (do_remove (h, name) < 0 && errno != ENODATA)
      return err_sys (errno, "RH-TREE-XATTR", "cannot remove the attribute %s",
                      name);
  }
  return NULL;
}

static bool
holds (const struct buf *have, const struct xattr_view *v)
{
  struct cursor c = { have->data, have->len };
  struct xattr_view w;
  while (xattrs_next (&c, &w))
    if (w.name_len == v->name_len && w.value_len == v->value_len
        && memcmp (w.name, v->name, v->name_len) == 0
        && memcmp (w.value, v->value, v->value_len) == 0)
      return true;
  return false;
}

static struct err *
apply (const struct handle *h, const struct buf *have, const unsigned char *set,
       size_t len, char **lost)
{
  if (have->len == len && (len == 0 || memcmp (have->data, set, len) == 0))
    return NULL;
  TRY (remove_others (h, have, set, len));
  struct cursor c = { set, len };
  struct xattr_view v;
  while (xattrs_next (&c, &v)) {
    if (holds (have, &v))
      continue;
    CLEANUP_FREE char *name = mem_strndup (v.name, v.name_len);
    if (do_set (h, name, v.value, v.value_len) == 0)
      continue;
    if (errno == ENOSPC || errno == EDQUOT)
      return err_sys (errno, "RH-TREE-NOSPACE", "no room for the attribute %s",
                      name);
    if (errno != ENOTSUP && errno != EPERM && errno != E2BIG && errno != EINVAL)
      return err_sys (errno, "RH-TREE-XATTR", "cannot set the attribute %s",
                      name);
    note_lost (lost, name);
  }
  return NULL;
}

struct err *
xattrs_apply_fd (int fd, const unsigned char *set, size_t len, char **lost)
{
  CLEANUP_BUF struct buf have = BUF_INIT;
  *lost = NULL;
  TRY (xattrs_read_fd (fd, &have));
  return apply (&(struct handle){ fd, NULL }, &have, set, len, lost);
}

struct err *
xattrs_apply_at (int dirfd, const char *name, const unsigned char *set,
                 size_t len, char **lost)
{
  char path[64 + TREE_NAME_MAX];
  snprintf (path, sizeof path, "/proc/self/fd/%d/%s", dirfd, name);
  CLEANUP_BUF struct buf have = BUF_INIT;
  *lost = NULL;
  TRY (xattrs_read_at (dirfd, name, &have));
  return apply (&(struct handle){ -1, path }, &have, set, len, lost);
}
