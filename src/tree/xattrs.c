/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and checking sets of extended attributes. */
#include "tree/xattrs.h"

#include "base/mem.h"
#include "tree/entry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define COUNT_MAX 4096
#define VALUE_MAX 65536

/* A file by descriptor, or by "/proc/self/fd/N/name" (links not followed). */
struct handle {
  int fd;
  const char *path;
};

static ssize_t
do_list (const struct handle *h, char *buf, size_t cap)
{
  return h->path == NULL ? flistxattr (h->fd, buf, cap)
                         : llistxattr (h->path, buf, cap);
}

static ssize_t
do_get (const struct handle *h, const char *name, void *buf, size_t cap)
{
  return h->path == NULL ? fgetxattr (h->fd, name, buf, cap)
                         : lgetxattr (h->path, name, buf, cap);
}

static bool
has_prefix (const char *s, size_t n, const char *prefix)
{
  size_t l = strlen (prefix);
  return n > l && memcmp (s, prefix, l) == 0;
}

static bool
is (const char *s, size_t n, const char *name)
{
  return n == strlen (name) && memcmp (s, name, n) == 0;
}

static bool
carried (const char *name, size_t n)
{
  if (is (name, n, "security.evm") || is (name, n, "security.ima"))
    return false;
  return has_prefix (name, n, "user.") || has_prefix (name, n, "trusted.")
         || has_prefix (name, n, "security.")
         || is (name, n, "system.posix_acl_access")
         || is (name, n, "system.posix_acl_default");
}

static int
by_name (const void *a, const void *b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* The names, NUL-terminated one after the other; "" where none. */
static struct err *
list_names (const struct handle *h, char *small, size_t small_cap, char **large,
            char **names, size_t *len)
{
  ssize_t n = do_list (h, small, small_cap);
  *names = small;
  for (size_t cap = 65536; n < 0 && errno == ERANGE && cap <= TREE_XATTRS_MAX;
       cap *= 4)
  {
    free (*large);
    *names = *large = mem_alloc (cap);
    n = do_list (h, *large, cap);
  }
  if (n < 0 && errno != ENOTSUP && errno != ENODATA)
    return err_sys (errno, "RH-TREE-XATTR", "cannot list the attributes");
  *len = n < 0 ? 0 : (size_t)n;
  return NULL;
}

static struct err *
put_one (const struct handle *h, const char *name, struct buf *out)
{
  unsigned char stack[1024];
  CLEANUP_FREE unsigned char *heap = NULL;
  unsigned char *value = stack;
  ssize_t n = do_get (h, name, stack, sizeof stack);
  if (n < 0 && errno == ERANGE) {
    value = heap = mem_alloc (VALUE_MAX);
    n = do_get (h, name, heap, VALUE_MAX);
  }
  if (n < 0 && (errno == ENODATA || errno == ENOTSUP))
    return NULL; /* gone since it was listed */
  if (n < 0)
    return err_sys (errno, "RH-TREE-XATTR", "cannot read the attribute %s",
                    name);
  size_t len = strlen (name);
  TRY (buf_put_u8 (out, (uint8_t)len));
  TRY (buf_put (out, name, len));
  return buf_put_blob (out, value, (size_t)n);
}

static struct err *
read_set (const struct handle *h, struct buf *out)
{
  char small[512];
  CLEANUP_FREE char *large = NULL;
  char *names = NULL;
  size_t len = 0;
  buf_reset (out);
  TRY (list_names (h, small, sizeof small, &large, &names, &len));
  if (len == 0)
    return NULL;
  const char *v[COUNT_MAX];
  size_t n = 0;
  for (size_t i = 0; i < len; i += strlen (names + i) + 1)
    if (carried (names + i, strlen (names + i))) {
      if (n == COUNT_MAX)
        return err_new (ERR_REFUSED, "RH-TREE-XATTR", "more than %d attributes",
                        COUNT_MAX);
      v[n++] = names + i;
    }
  qsort (v, n, sizeof *v, by_name);
  for (size_t i = 0; i < n; i++)
    TRY (put_one (h, v[i], out));
  if (out->len > TREE_XATTRS_MAX)
    return err_new (ERR_REFUSED, "RH-TREE-XATTR",
                    "attributes of more than %zu bytes", TREE_XATTRS_MAX);
  return NULL;
}

struct err *
xattrs_read_fd (int fd, struct buf *out)
{
  return read_set (&(struct handle){ fd, NULL }, out);
}

struct err *
xattrs_read_at (int dirfd, const char *name, struct buf *out)
{
  char path[64 + TREE_NAME_MAX];
  snprintf (path, sizeof path, "/proc/self/fd/%d/%s", dirfd, name);
  return read_set (&(struct handle){ -1, path }, out);
}

bool
xattrs_next (struct cursor *c, struct xattr_view *out)
{
  if (c->left == 0)
    return false;
  uint8_t n = 0;
  CLEANUP_ERR struct err *e = cursor_u8 (c, &n);
  const unsigned char *name = NULL;
  if (e == NULL)
    e = cursor_bytes (c, n, &name);
  if (e == NULL)
    e = cursor_blob (c, VALUE_MAX, &out->value, &out->value_len);
  out->name = (const char *)name;
  out->name_len = n;
  return e == NULL;
}

static struct err *
bad (const char *what)
{
  return err_new (ERR_CORRUPT, "RH-TREE-STREAM",
                  "a set of extended attributes has a bad %s", what);
}

struct err *
xattrs_check (const unsigned char *set, size_t len)
{
  struct cursor c = { set, len };
  struct xattr_view before = { 0 }, v;
  for (size_t n = 0; c.left > 0; n++) {
    if (n == COUNT_MAX)
      return bad ("count");
    if (!xattrs_next (&c, &v))
      return bad ("length");
    if (!carried (v.name, v.name_len) || memchr (v.name, 0, v.name_len) != NULL)
      return bad ("name");
    size_t m = v.name_len < before.name_len ? v.name_len : before.name_len;
    int order = n == 0 ? 1 : memcmp (v.name, before.name, m);
    if (order < 0 || (order == 0 && v.name_len <= before.name_len))
      return bad ("order");
    before = v;
  }
  return NULL;
}
