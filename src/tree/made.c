/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a length (4 bytes), a kind (1) and a path, written through a
 * window of the file that moves on. */
#include "tree/made.h"

#include "base/mem.h"
#include "tree/entry.h"
#include "tree/index.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW ((size_t)1 << 18) /* holds a page and the longest record */
#define HEAD 5

struct made {
  char *path;
  int fd;
  unsigned char *window; /* of the file from `from` on, or NULL */
  uint64_t from;
  uint64_t end;        /* where the next record goes */
  uint64_t before;     /* what was there when it was opened */
  unsigned char *past; /* its mapping, or NULL */
  size_t past_size;
};

static struct err *
bad (const struct made *m, const char *what)
{
  return err_sys (errno, "RH-TREE-INDEX", "cannot %s %s", what, m->path);
}

/* The record at p, of which `left` bytes are there: 0 where none is whole. */
static size_t
record_at (const unsigned char *p, uint64_t left)
{
  uint32_t len = 0;
  if (left < HEAD)
    return 0;
  memcpy (&len, p, sizeof len);
  bool whole = len > 0 && len <= TREE_PATH_MAX && len <= left - HEAD
               && memchr (p + HEAD, 0, len) == NULL;
  return whole ? HEAD + len : 0;
}

/* Maps what an earlier receive left, up to the first record that is torn. */
static struct err *
take_past (struct made *m)
{
  struct stat s;
  if (fstat (m->fd, &s) != 0)
    return bad (m, "look at");
  uint64_t size = (uint64_t)s.st_size;
  if (size == 0)
    return NULL;
  void *p = mmap (NULL, size, PROT_READ, MAP_SHARED, m->fd, 0);
  if (p == MAP_FAILED)
    return bad (m, "read");
  m->past = p;
  m->past_size = size;
  for (size_t n; (n = record_at (m->past + m->before, size - m->before)) > 0;)
    m->before += n;
  return NULL;
}

struct err *
made_open (const char *index_dir, const char *index, bool on, struct made **out)
{
  struct made *m = *out = mem_alloc (sizeof *m);
  m->fd = -1;
  TRY (index_path (index_dir, index, "made", &m->path));
  if (!on && unlink (m->path) != 0 && errno != ENOENT)
    return bad (m, "remove");
  m->fd = open (m->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (m->fd < 0)
    return bad (m, "open");
  TRY (take_past (m));
  m->end = m->before;
  /* A torn record would be taken for the next one's beginning. */
  if (ftruncate (m->fd, (off_t)m->end) != 0)
    return bad (m, "cut");
  return NULL;
}

/* Lays the window over the page in which the next record begins.  The room is
 * taken first: a write to a mapping without any would kill. */
static struct err *
move_window (struct made *m)
{
  uint64_t page = (uint64_t)sysconf (_SC_PAGESIZE);
  if (m->window != NULL)
    munmap (m->window, WINDOW);
  m->window = NULL;
  m->from = m->end / page * page;
  int e = posix_fallocate (m->fd, (off_t)m->from, (off_t)WINDOW);
  if (e != 0)
    return err_sys (e, "RH-TREE-INDEX", "cannot make room in %s", m->path);
  void *p = mmap (NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd,
                  (off_t)m->from);
  if (p == MAP_FAILED)
    return bad (m, "write");
  m->window = p;
  return NULL;
}

struct err *
made_add (struct made *m, const char *path, size_t len, bool is_dir)
{
  if (len == 0)
    return NULL;
  if (len > TREE_PATH_MAX)
    return err_new (ERR_REFUSED, "RH-TREE-INDEX", "a path is too long for %s",
                    m->path);
  if (m->window == NULL || m->end - m->from + HEAD + len > WINDOW)
    TRY (move_window (m));
  unsigned char *p = m->window + (m->end - m->from);
  uint32_t n = (uint32_t)len;
  p[4] = is_dir;
  memcpy (p + HEAD, path, len);
  __atomic_signal_fence (__ATOMIC_RELEASE); /* a kill sees all before it */
  memcpy (p, &n, sizeof n);
  m->end += HEAD + len;
  return NULL;
}

bool
made_any (const struct made *m)
{
  return m->before > 0;
}

struct err *
made_next (struct made *m, uint64_t *at, struct made_entry *out, bool *more)
{
  *more = *at < m->before;
  if (!*more)
    return NULL;
  const unsigned char *p = m->past + *at;
  size_t n = record_at (p, m->before - *at);
  if (n == 0)
    return err_new (ERR_BUG, "RH-TREE-INDEX", "%s changed while it was read",
                    m->path);
  *out = (struct made_entry){ .path = (const char *)p + HEAD,
                              .len = n - HEAD,
                              .is_dir = p[4] != 0 };
  *at += n;
  return NULL;
}

struct err *
made_drop (const char *index_dir, const char *index)
{
  CLEANUP_FREE char *path = NULL;
  TRY (index_path (index_dir, index, "made", &path));
  if (unlink (path) != 0 && errno != ENOENT)
    return err_sys (errno, "RH-TREE-INDEX", "cannot remove %s", path);
  return NULL;
}

void
made_free (struct made *m)
{
  if (m == NULL)
    return;
  if (m->window != NULL)
    munmap (m->window, WINDOW);
  if (m->past != NULL)
    munmap (m->past, m->past_size);
  if (m->fd >= 0)
    close (m->fd);
  free (m->path);
  free (m);
}
