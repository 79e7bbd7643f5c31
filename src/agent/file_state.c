/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/file_state.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

enum { XATTR_MAX = 65536, LINK_TARGET_MAX = PATH_MAX };

const char *
file_type_name (mode_t mode)
{
  switch (mode & S_IFMT) {
  case S_IFREG:
    return "file";
  case S_IFDIR:
    return "dir";
  case S_IFLNK:
    return "link";
  case S_IFIFO:
    return "fifo";
  case S_IFSOCK:
    return "socket";
  case S_IFCHR:
    return "char";
  default:
    return "block";
  }
}

static struct err *
failed (int errnum, const char *name)
{
  CLEANUP_FREE char *shown = text_escape (name, strlen (name));
  return err_sys (errnum, "RH-FILE-READ", "cannot read '%s'", shown);
}

char *
file_link_target (int dirfd, const char *name)
{
  char target[LINK_TARGET_MAX];
  ssize_t n = readlinkat (dirfd, name, target, sizeof target);
  if (n < 0)
    return NULL;
  return mem_strndup (target, (size_t)n);
}

/* --- extended attributes
 * ------------------------------------------------------ */

/* xattrs of a name below a held directory, which no syscall before Linux 6.13
 * takes: the directory by its descriptor, the name not followed. */
static char *
held_path (int dirfd, const char *name)
{
  return mem_printf ("/proc/self/fd/%d/%s", dirfd, name);
}

static bool
has_none (int errnum)
{
  return errnum == ENOTSUP || errnum == ENODATA || errnum == EPERM;
}

struct err *
file_xattrs (int dirfd, const char *name, json_t **out)
{
  CLEANUP_FREE char *path = held_path (dirfd, name);
  CLEANUP_FREE char *names = mem_alloc (XATTR_MAX + 1);
  CLEANUP_FREE char *value = mem_alloc (XATTR_MAX);
  CLEANUP_JSON json_t *o = json_object ();
  ssize_t len = llistxattr (path, names, XATTR_MAX);
  if (len < 0 && !has_none (errno))
    return failed (errno, name);
  for (ssize_t at = 0; at < len;) {
    const char *one = names + at;
    size_t one_len = strlen (one);
    at += (ssize_t)one_len + 1;
    ssize_t n = lgetxattr (path, one, value, XATTR_MAX);
    if (n < 0 && has_none (errno))
      continue; /* gone since, or not for us */
    if (n < 0)
      return failed (errno, name);
    CLEANUP_FREE char *key = text_encode (one, one_len);
    CLEANUP_FREE char *coded = text_base64 (value, (size_t)n);
    json_object_set_new (o, key, json_string (coded));
  }
  *out = STEAL (o);
  return NULL;
}

/* --- content
 * -------------------------------------------------------------------- */

static json_t *
digest_of (const struct buf *b)
{
  struct sha256_ctx ctx;
  unsigned char sum[SHA256_DIGEST_SIZE];
  sha256_init (&ctx);
  if (b->len > 0)
    sha256_update (&ctx, b->len, b->data);
  sha256_digest (&ctx, sizeof sum, sum);
  CLEANUP_FREE char *hex = text_hex (sum, sizeof sum);
  return json_string (hex);
}

/* Contents may be keys: wiped before they are freed. */
static void
secret_free (struct buf *b)
{
  if (b->data != NULL)
    explicit_bzero (b->data, b->len);
  buf_free (b);
}

/* Reads the file that `st` described; *st is that of what was opened. */
static struct err *
read_content (int dirfd, const char *name, struct stat *st, struct buf *out)
{
  CLEANUP_FD int fd
      = openat (dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat (fd, st) != 0)
    return failed (errno, name);
  if (!S_ISREG (st->st_mode))
    return failed (EINVAL, name);
  int bad = slurp_fd (fd, FILE_SMALL, out);
  return bad == 0 || bad == EFBIG ? NULL : failed (bad, name);
}

static struct err *
check_content (const char *name, const struct stat *st)
{
  CLEANUP_FREE char *shown = text_escape (name, strlen (name));
  if (!S_ISREG (st->st_mode))
    return err_new (ERR_REFUSED, "RH-FILE-TYPE", "'%s' is a %s, not a file",
                    shown, file_type_name (st->st_mode));
  if (st->st_size > (off_t)FILE_SMALL)
    return err_new (ERR_REFUSED, "RH-FILE-SIZE",
                    "'%s' has %lld bytes, more than %zu", shown,
                    (long long)st->st_size, FILE_SMALL);
  return NULL;
}

static struct err *
add_content (int dirfd, const char *name, bool content, struct stat *st,
             json_t *o)
{
  CLEANUP (secret_free) struct buf b = BUF_INIT_MAX (FILE_SMALL);
  if (content)
    TRY (check_content (name, st));
  if (!S_ISREG (st->st_mode) || st->st_size > (off_t)FILE_SMALL)
    return NULL;
  TRY (read_content (dirfd, name, st, &b));
  json_object_set_new (o, "digest", digest_of (&b));
  if (!content)
    return NULL;
  CLEANUP_FREE char *text = text_base64 (b.data, b.len);
  json_object_set_new (o, "content", json_string (text));
  explicit_bzero (text, strlen (text));
  return NULL;
}

/* --- all of it
 * --------------------------------------------------------------------- */

static json_t *
nanoseconds (const struct timespec *ts)
{
  char text[32];
  int64_t ns;
  /* The years 1677 to 2262; beyond them the nearest that fits. */
  if (__builtin_mul_overflow ((int64_t)ts->tv_sec, INT64_C (1000000000), &ns)
      || __builtin_add_overflow (ns, (int64_t)ts->tv_nsec, &ns))
    ns = ts->tv_sec < 0 ? INT64_MIN : INT64_MAX;
  snprintf (text, sizeof text, "%" PRId64, ns);
  return json_string (text);
}

static void
add_stat (json_t *o, const struct stat *st)
{
  json_object_set_new (o, "type", json_string (file_type_name (st->st_mode)));
  json_object_set_new (o, "mode",
                       json_integer ((json_int_t)(st->st_mode & 07777)));
  json_object_set_new (o, "uid", json_integer ((json_int_t)st->st_uid));
  json_object_set_new (o, "gid", json_integer ((json_int_t)st->st_gid));
  json_object_set_new (o, "size", json_u64 ((uint64_t)st->st_size));
  json_object_set_new (o, "mtime_ns", nanoseconds (&st->st_mtim));
}

struct err *
file_state (int dirfd, const char *name, bool content, json_t **out)
{
  struct stat st;
  CLEANUP_JSON json_t *o = json_object ();
  bool exists = fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
  if (!exists && errno != ENOENT)
    return failed (errno, name);
  json_object_set_new (o, "exists", json_boolean (exists));
  if (exists) {
    TRY (add_content (dirfd, name, content, &st, o));
    add_stat (o, &st);
    json_t *xattrs;
    TRY (file_xattrs (dirfd, name, &xattrs));
    json_object_set_new (o, "xattrs", xattrs);
  }
  if (exists && S_ISLNK (st.st_mode)) {
    CLEANUP_FREE char *target = file_link_target (dirfd, name);
    if (target == NULL)
      return failed (errno, name);
    json_object_set_new (o, "link", json_bytes (target, strlen (target)));
  }
  *out = STEAL (o);
  return NULL;
}
