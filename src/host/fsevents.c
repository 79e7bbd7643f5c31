/* SPDX-License-Identifier: Apache-2.0 */
/* fanotify with names; the layout of events is fanotify(7)'s. */
#include "host/fsevents.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/monotonic.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define ROOM ((size_t)256 << 10)
#define DRAIN_MS 2000
#define DEPTH_MAX 100000
#define HANDLE_MAX ((size_t)128) /* MAX_HANDLE_SZ */

#ifndef F2FS_SUPER_MAGIC
#define F2FS_SUPER_MAGIC 0xF2F52010
#endif
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

struct fsevents {
  int group;
  int fd; /* the caller's */
  char *room;
};

static bool force_limit;

void
fsevents_force_limit (bool limit)
{
  force_limit = limit;
}

static struct err *
refuse (int errnum, const char *what)
{
  return err_advise (
      err_sys (errnum, "RH-HOST-EVENTS",
               "changes of the filesystem cannot be watched: %s", what),
      "nothing was changed; rounds look at every file", "nothing is needed");
}

/* Others may write to a shared filesystem, unseen by this kernel. */
static bool
is_local (int fd)
{
  struct statfs s;
  if (fstatfs (fd, &s) != 0)
    return false;
  switch ((unsigned long)s.f_type) {
  case EXT4_SUPER_MAGIC:
  case XFS_SUPER_MAGIC:
  case BTRFS_SUPER_MAGIC:
  case TMPFS_MAGIC:
  case F2FS_SUPER_MAGIC:
    return true;
  default:
    return false;
  }
}

/* Takes a descriptor out of a variable that has a cleanup. */
static int
keep (int *fd)
{
  int kept = *fd;
  *fd = -1;
  return kept;
}

struct err *
fsevents_open (int fd, struct fsevents **out)
{
  const unsigned flags = FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK
                         | FAN_CLOEXEC
                         | (force_limit ? 0 : FAN_UNLIMITED_QUEUE);
  const uint64_t mask = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO
                        | FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_ONDIR;
  *out = NULL;
  if (!is_local (fd))
    return refuse (EOPNOTSUPP, "not a kind of filesystem that is known to "
                               "tell all");
  CLEANUP_FD int group = fanotify_init (flags, O_RDONLY);
  if (group < 0)
    return refuse (errno, "fanotify_init");
  if (fanotify_mark (group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, fd, NULL)
      != 0)
    return refuse (errno, "fanotify_mark");
  struct fsevents *e = mem_alloc (sizeof *e);
  e->group = keep (&group);
  e->fd = fd;
  e->room = mem_alloc (ROOM);
  *out = e;
  return NULL;
}

void
fsevents_free (struct fsevents *e)
{
  if (e == NULL)
    return;
  close (e->group);
  free (e->room);
  free (e);
}

int
fsevents_fd (const struct fsevents *e)
{
  return e->group;
}

/* The directory and name in the records behind an event's head; false where
 * there are none. */
static bool
read_names (const char *p, size_t left, struct fsevent *ev)
{
  while (left >= sizeof (struct fanotify_event_info_header)) {
    struct fanotify_event_info_header head;
    memcpy (&head, p, sizeof head);
    if (head.len < sizeof head || head.len > left)
      return false;
    bool named = head.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME;
    if (named || head.info_type == FAN_EVENT_INFO_TYPE_DFID) {
      struct file_handle fh;
      size_t at = offsetof (struct fanotify_event_info_fid, handle);
      if (head.len < at + sizeof fh)
        return false;
      memcpy (&fh, p + at, sizeof fh);
      size_t len = sizeof fh + fh.handle_bytes;
      if (fh.handle_bytes > HANDLE_MAX || head.len < at + len + named)
        return false;
      ev->dir = p + at;
      ev->dir_len = len;
      ev->name = named ? p + at + len : ".";
      return !named || memchr (ev->name, 0, head.len - at - len) != NULL;
    }
    p += head.len;
    left -= head.len;
  }
  return false;
}

static struct err *
pass_on (const char *block, size_t len,
         void (*each) (void *ctx, const struct fsevent *ev), void *ctx,
         bool *lost)
{
  while (len >= FAN_EVENT_METADATA_LEN) {
    struct fanotify_event_metadata m;
    memcpy (&m, block, sizeof m);
    if (m.vers != FANOTIFY_METADATA_VERSION || m.metadata_len < sizeof m
        || m.event_len < m.metadata_len || m.event_len > len)
      return refuse (EPROTO, "an event of another version");
    if (m.fd >= 0)
      close (m.fd);
    struct fsevent ev = { .name = NULL };
    const uint64_t entry
        = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO;
    ev.tree = (m.mask & FAN_ONDIR) && (m.mask & entry);
    ev.moved = ev.tree && (m.mask & (FAN_MOVED_FROM | FAN_MOVED_TO));
    bool whole = !(m.mask & FAN_Q_OVERFLOW)
                 && read_names (block + m.metadata_len,
                                m.event_len - m.metadata_len, &ev);
    if (whole)
      each (ctx, &ev);
    else
      *lost = true;
    block += m.event_len;
    len -= m.event_len;
  }
  return NULL;
}

struct err *
fsevents_drain (struct fsevents *e,
                void (*each) (void *ctx, const struct fsevent *ev), void *ctx,
                bool *lost)
{
  int64_t until = monotonic_ms () + DRAIN_MS;
  *lost = false;
  for (;;) {
    ssize_t n = read (e->group, e->room, ROOM);
    if (n < 0 && errno == EINTR)
      continue;
    if (n == 0 || (n < 0 && errno == EAGAIN))
      return NULL;
    if (n < 0)
      return refuse (errno, "read");
    TRY (pass_on (e->room, (size_t)n, each, ctx, lost));
    if (monotonic_ms () > until) {
      *lost = true;
      return NULL;
    }
  }
}

/* A descriptor of the directory, or -1 and errno. */
static int
open_dir (const struct fsevents *e, const void *dir, size_t dir_len)
{
  _Alignas (
      struct file_handle) char room[sizeof (struct file_handle) + HANDLE_MAX];
  errno = EOVERFLOW;
  if (dir_len > sizeof room)
    return -1;
  memcpy (room, dir, dir_len);
  return open_by_handle_at (e->fd, (struct file_handle *)room,
                            O_PATH | O_CLOEXEC);
}

struct err *
fsevents_path (const struct fsevents *e, const void *dir, size_t dir_len,
               char **path)
{
  char link[64], text[4096];
  struct stat st;
  *path = NULL;
  CLEANUP_FD int fd = open_dir (e, dir, dir_len);
  if (fd < 0 && (errno == ESTALE || errno == ENOENT))
    return NULL;
  if (fd < 0 || fstat (fd, &st) != 0)
    return refuse (errno, "a directory");
  if (st.st_nlink == 0)
    return NULL;
  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink (link, text, sizeof text);
  if (n < 0 || n == sizeof text)
    return refuse (n < 0 ? errno : ENAMETOOLONG, "a directory's path");
  *path = mem_strndup (text, (size_t)n);
  return NULL;
}

bool
fsevents_below (const struct fsevents *e, const void *dir, size_t dir_len,
                const struct fsevents_top *top)
{
  CLEANUP_FD int fd = open_dir (e, dir, dir_len);
  struct stat before = { 0 }, st;
  if (fd < 0)
    return errno != ESTALE && errno != ENOENT;
  for (int depth = 0; depth < DEPTH_MAX; depth++) {
    if (fstat (fd, &st) != 0)
      return true;
    if (st.st_dev == top->dev && st.st_ino == top->ino)
      return true;
    if (depth > 0 && st.st_dev == before.st_dev && st.st_ino == before.st_ino)
      return false; /* the uppermost of all */
    before = st;
    int up = openat (fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (up < 0)
      return errno != ENOENT;
    close (fd);
    fd = up;
  }
  return true;
}
