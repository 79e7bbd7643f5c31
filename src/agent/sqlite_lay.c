/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that wait beside a frozen database; see sqlite_copy.h.  Each stream
 * holds everything that differs from the frozen file, so the newest takes the
 * place of the one before it, and what breaks off leaves that as it was.
 */
#include "agent/sqlite_copy.h"

#include "base/buf.h"
#include "base/mem.h"
#include "host/durable.h"
#include "host/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { PAGE = 1, END = 2, END_OF_SEVERAL = 3, SUM = 32 };
enum { OWNER = 16, PAGE_HEAD = 12 };
#define XATTRS_MAX ((size_t)1 << 20)

struct laying {
  struct source *in;
  int fd;
  struct buf block; /* what was taken since it was written */
  uint64_t pages, bytes;
};

static void
clear (struct laying *l)
{
  if (l->fd >= 0)
    close (l->fd);
  buf_free (&l->block);
}

static struct err *
bad (const char *what)
{
  return err_new (ERR_CORRUPT, "RH-SQLITE-STREAM",
                  "the stream of a database %s", what);
}

static struct err *
flush (struct laying *l)
{
  int e = write_all (l->fd, l->block.data, l->block.len);
  if (e != 0)
    return err_sys (e, "RH-SQLITE-WRITE", "laying up a database");
  l->bytes += l->block.len;
  buf_reset (&l->block);
  return NULL;
}

/* The next bytes; *at stays good until the next flush. */
static struct err *
take (struct laying *l, size_t len, const unsigned char **at)
{
  unsigned char *room;
  TRY (buf_reserve (&l->block, len, &room));
  for (size_t got = 0, n = 0; got < len; got += n) {
    TRY (l->in->get (l->in->ctx, room + got, len - got, &n));
    if (n == 0)
      return bad ("ends too soon");
  }
  l->block.len += len;
  *at = room;
  return NULL;
}

static uint32_t
number (const unsigned char *p)
{
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16
         | (uint32_t)p[3] << 24;
}

static struct err *
take_page (struct laying *l)
{
  const unsigned char *head, *page;
  TRY (take (l, PAGE_HEAD, &head));
  uint32_t size = number (head + 8);
  if (size < 512 || size > LITE_PAGE_MAX)
    return bad ("has an impossible page");
  TRY (take (l, size, &page));
  l->pages++;
  return l->block.len > LITE_PAGE_MAX * 4 ? flush (l) : NULL;
}

static struct err *
take_all (struct laying *l, struct lite_watch *w)
{
  const unsigned char *at;
  unsigned char kind;
  TRY (take (l, OWNER + 4, &at));
  if (memcmp (at, "RHSQ", 4) != 0 || number (at + OWNER) > XATTRS_MAX)
    return bad ("begins with something else");
  TRY (take (l, number (at + OWNER), &at));
  do {
    TRY (take (l, 1, &at));
    kind = *at;
    if (kind < PAGE || kind > END_OF_SEVERAL)
      return bad ("has a record of an unknown kind");
    if (kind == PAGE)
      TRY (take_page (l));
    if (w->cancelled (w->ctx))
      return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED", "cancelled");
  } while (kind == PAGE);
  TRY (take (l, LITE_LIST_HEAD + SUM, &at));
  if (kind == END_OF_SEVERAL)
    return err_new (ERR_TRANSIENT, "RH-SQLITE-BUSY",
                    "the pages of the database are of several moments");
  return flush (l);
}

static struct err *
lay (struct laying *l, const char *part, const char *path, struct lite_watch *w)
{
  TRY (take_all (l, w));
  if (fsync (l->fd) != 0 || rename (part, path) != 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "laying up a database");
  return NULL;
}

struct err *
lite_lay (const char *dir, const char *index, struct source *in,
          struct lite_watch *w, json_t **result)
{
  CLEANUP (clear) struct laying l = { .in = in, .fd = -1 };
  CLEANUP_FREE char *part = NULL;
  CLEANUP_FREE char *path = NULL;
  TRY (lite_list_path (dir, index, "part", &part));
  TRY (lite_list_path (dir, index, "pages", &path));
  l.fd = open (part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
               0600);
  if (l.fd < 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "laying up a database");
  struct err *e = lay (&l, part, path, w);
  if (e != NULL) {
    unlink (part);
    return e;
  }
  CLEANUP_FD int held = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (held < 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "laying up a database");
  TRY (durable_sync_dir (held));
  *result = json_pack ("{s:I, s:o}", "pages", (json_int_t)l.pages, "bytes",
                       json_u64 (l.bytes));
  return NULL;
}

static struct err *
from_file (void *ctx, void *data, size_t cap, size_t *len)
{
  const int *fd = ctx;
  ssize_t n = read (*fd, data, cap);
  *len = n > 0 ? (size_t)n : 0;
  return n < 0 ? err_sys (errno, "RH-SQLITE-OPEN", "reading what was laid up")
               : NULL;
}

struct err *
lite_apply (const struct lite_receive *a, const char *laid,
            struct lite_watch *w, json_t **result)
{
  CLEANUP_FD int fd = open (laid, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  CLEANUP_JSON json_t *pages = NULL;
  struct lite_pages list
      = { .place = a->place, .dir = a->dir, .index = a->index };
  struct source in = { from_file, &fd };
  if (fd < 0 && errno != ENOENT)
    return err_sys (errno, "RH-SQLITE-OPEN", "opening what was laid up");
  if (fd < 0) {
    *result = json_pack ("{s:b}", "applied", 0);
    return NULL;
  }
  TRY (lite_pages_stream (&list, NULL, w, &pages));
  TRY (lite_receive (a, &in, w, result));
  json_object_set_new (*result, "applied", json_true ());
  return unlink (laid) == 0
             ? NULL
             : err_sys (errno, "RH-SQLITE-WRITE", "removing what was laid up");
}
