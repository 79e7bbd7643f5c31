/* SPDX-License-Identifier: Apache-2.0 */
#include "host/chase.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { LINKS_MAX = 40, PARENT_MODE = 0755 };

struct way {
  bool make;
  const char *path; /* for messages */
  int at;           /* O_PATH, a directory */
  char *rest;       /* components still to go */
  int links;
};

static void
way_free (struct way *w)
{
  if (w->at >= 0)
    close (w->at);
  free (w->rest);
}

static struct err *
failed (const struct way *w, int errnum)
{
  CLEANUP_FREE char *shown = text_escape (w->path, strlen (w->path));
  return err_sys (errnum, "RH-PATH-OPEN", "cannot reach '%s'", shown);
}

static struct err *
refused (const struct way *w, const char *name)
{
  CLEANUP_FREE char *shown = text_escape (w->path, strlen (w->path));
  CLEANUP_FREE char *link = text_escape (name, strlen (name));
  return err_new (ERR_REFUSED, "RH-PATH-SYMLINK",
                  "'%s': the symbolic link '%s' on the way is not followed",
                  shown, link);
}

static void
move_to (struct way *w, int fd)
{
  if (w->at >= 0)
    close (w->at);
  w->at = fd;
}

/* Puts the link's target before what is still to go. */
static struct err *
follow (struct way *w, const char *name, const struct stat *st)
{
  bool trusted = st->st_uid == 0 || st->st_uid == geteuid ();
  if (!trusted || ++w->links > LINKS_MAX)
    return refused (w, name);
  char target[PATH_MAX];
  ssize_t n = readlinkat (w->at, name, target, sizeof target - 1);
  if (n <= 0)
    return failed (w, n < 0 ? errno : ENOENT);
  target[n] = '\0';
  char *rest = mem_printf ("%s/%s", target, w->rest);
  free (w->rest);
  w->rest = rest;
  if (target[0] == '/') {
    int root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
      return failed (w, errno);
    move_to (w, root);
  }
  return NULL;
}

static struct err *
make (struct way *w, const char *name)
{
  CLEANUP_FD int dir = openat (w->at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return failed (w, errno);
  bool made;
  return durable_mkdir (dir, name, PARENT_MODE, geteuid (), getegid (), &made);
}

static struct err *
step (struct way *w, const char *name)
{
  int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int next = openat (w->at, name, flags);
  if (next < 0 && errno == ENOENT && w->make) {
    TRY (make (w, name));
    next = openat (w->at, name, flags);
  }
  if (next >= 0) {
    move_to (w, next);
    return NULL;
  }
  int bad = errno;
  struct stat st;
  if ((bad == ENOTDIR || bad == ELOOP)
      && fstatat (w->at, name, &st, AT_SYMLINK_NOFOLLOW) == 0
      && S_ISLNK (st.st_mode))
    return follow (w, name, &st);
  return failed (w, bad);
}

static struct err *
walk (struct way *w)
{
  for (;;) {
    char *p = w->rest + strspn (w->rest, "/");
    size_t len = strcspn (p, "/");
    if (len == 0)
      return NULL;
    CLEANUP_FREE char *name = mem_strndup (p, len);
    memmove (w->rest, p + len, strlen (p + len) + 1);
    TRY (step (w, name));
  }
}

static bool
has_dots (const char *path)
{
  while (*path != '\0') {
    path += strspn (path, "/");
    size_t len = strcspn (path, "/");
    if (len == 2 && path[0] == '.' && path[1] == '.')
      return true;
    path += len;
  }
  return false;
}

struct err *
chase_parent (const char *path, bool make_missing, int *dirfd, char **leaf)
{
  *dirfd = -1;
  *leaf = NULL;
  if (path[0] != '/' || has_dots (path)) {
    CLEANUP_FREE char *shown = text_escape (path, strlen (path));
    return err_new (ERR_REFUSED, "RH-PATH-ESCAPE",
                    "'%s' is not an absolute path without '..'", shown);
  }
  CLEANUP (way_free)
  struct way w = { .make = make_missing, .path = path, .at = -1 };
  size_t len = strlen (path);
  while (len > 1 && path[len - 1] == '/')
    len--;
  w.rest = mem_strndup (path, len);
  char *slash = strrchr (w.rest, '/');
  CLEANUP_FREE char *name = mem_strdup (slash[1] == '\0' ? "." : slash + 1);
  *slash = '\0';
  w.at = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (w.at < 0)
    return failed (&w, errno);
  TRY (walk (&w));
  *dirfd = openat (w.at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*dirfd < 0)
    return failed (&w, errno);
  *leaf = STEAL (name);
  return NULL;
}
