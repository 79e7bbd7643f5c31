/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver; see sqlite_copy.h. */
#include "agent/sqlite_copy.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/durable.h"
#include "tree/xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { PAGE = 1, END = 2, END_OF_SEVERAL = 3, SUM = 32 };
#define XATTRS_MAX ((size_t)1 << 20)

struct owner {
  uint32_t mode, uid, gid;
  struct buf xattrs;
};

struct receiving {
  const struct lite_receive *a;
  struct source *in;
  int file, list;
  uint32_t page_size;
  uint64_t written, had; /* pages that the list has */
  struct owner owner;
  char *now, *pages, *ours;
  unsigned char *page;
};

static void
clear (struct receiving *r)
{
  if (r->file >= 0)
    close (r->file);
  if (r->list >= 0)
    close (r->list);
  buf_free (&r->owner.xattrs);
  free (r->now);
  free (r->pages);
  free (r->ours);
  free (r->page);
}

static struct err *
bad (const char *what)
{
  return err_new (ERR_CORRUPT, "RH-SQLITE-STREAM",
                  "the stream of a database %s", what);
}

static struct err *
take (struct receiving *r, void *to, size_t len)
{
  for (size_t got = 0, n = 0; got < len; got += n) {
    TRY (r->in->get (r->in->ctx, (unsigned char *)to + got, len - got, &n));
    if (n == 0)
      return bad ("ends too soon");
  }
  return NULL;
}

static struct err *
take_number (struct receiving *r, int bytes, uint64_t *out)
{
  unsigned char raw[8];
  TRY (take (r, raw, (size_t)bytes));
  *out = 0;
  for (int i = 0; i < bytes; i++)
    *out |= (uint64_t)raw[i] << (8 * i);
  return NULL;
}

static struct err *
take_u32 (struct receiving *r, uint32_t *out)
{
  uint64_t v;
  TRY (take_number (r, 4, &v));
  *out = (uint32_t)v;
  return NULL;
}

static struct err *
take_owner (struct receiving *r)
{
  struct owner *o = &r->owner;
  unsigned char magic[4], *room;
  CLEANUP_BUF struct buf set = BUF_INIT;
  uint32_t len;
  TRY (take (r, magic, sizeof magic));
  if (memcmp (magic, "RHSQ", 4) != 0)
    return bad ("begins with something else");
  TRY (take_u32 (r, &o->mode));
  TRY (take_u32 (r, &o->uid));
  TRY (take_u32 (r, &o->gid));
  TRY (take_u32 (r, &len));
  if (o->mode > 07777 || len > XATTRS_MAX)
    return bad ("has an impossible owner");
  TRY (buf_reserve (&set, len, &room));
  TRY (take (r, room, len));
  TRY (xattrs_check (room, len));
  o->uid = idmap_get (&r->a->maps->uids, o->uid);
  o->gid = idmap_get (&r->a->maps->gids, o->gid);
  return xattrs_map (room, len, r->a->maps, &o->xattrs);
}

static struct err *
open_copy (struct receiving *r)
{
  const struct lite_place *p = r->a->place;
  struct stat st;
  bool ours = r->a->adopt || access (r->ours, F_OK) == 0;
  TRY (lite_at_rest (p));
  if (!ours) /* before the file, so that what is half is known as ours */
    TRY (fstatat (p->dirfd, p->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0
             ? err_new (ERR_REFUSED, "RH-SQLITE-INWAY",
                        "%s lies at the place of a database that comes",
                        p->path)
             : durable_put (r->ours, p->path, strlen (p->path)));
  r->file
      = openat (p->dirfd, p->leaf,
                O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
  if (r->file < 0 || fstat (r->file, &st) != 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "opening %s", p->leaf);
  if (!S_ISREG (st.st_mode))
    return err_new (ERR_REFUSED, "RH-SQLITE-INWAY", "%s is no file", p->leaf);
  return NULL;
}

static struct err *
open_list (struct receiving *r)
{
  struct lite_list had CLEANUP_LITE_LIST;
  TRY (lite_list_open (r->now, &had));
  r->had = had.pages;
  r->page_size = had.page_size;
  if (unlink (r->pages) != 0 && errno != ENOENT)
    return err_sys (errno, "RH-SQLITE-WRITE", "removing a list of pages");
  r->list = open (r->now, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (r->list < 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "opening a list of pages");
  CLEANUP_FD int dir = open (r->a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return dir < 0 ? err_sys (errno, "RH-SQLITE-WRITE", "opening the index")
                 : durable_sync_dir (dir);
}

static struct err *
write_at (int fd, const void *data, size_t len, uint64_t at)
{
  for (size_t done = 0; done < len;) {
    ssize_t n = pwrite (fd, (const unsigned char *)data + done, len - done,
                        (off_t)(at + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return err_sys (errno, "RH-SQLITE-WRITE", "writing the database");
    done += (size_t)n;
  }
  return NULL;
}

/* The size of the file is made right at the end. */
static struct err *
take_page (struct receiving *r)
{
  unsigned char digest[LITE_DIGEST], head[LITE_LIST_HEAD];
  uint64_t number, pages;
  uint32_t size;
  TRY (take_number (r, 8, &number));
  TRY (take_u32 (r, &size));
  lite_list_head (size, number, head);
  TRY (lite_list_check (head, &size, &pages));
  if (number == 0 || (r->written > 0 && size != r->page_size))
    return bad ("has an impossible page");
  r->page_size = size;
  TRY (take (r, r->page, size));
  TRY (write_at (r->file, r->page, size, (number - 1) * size));
  lite_digest (r->page, size, digest);
  r->written++;
  return write_at (r->list, digest, sizeof digest,
                   LITE_LIST_HEAD + (number - 1) * LITE_DIGEST);
}

/* The copy is what the sender has: both lists have one sum. */
static struct err *
check_sum (struct receiving *r, const char *wanted, uint64_t pages,
           const unsigned char *head)
{
  CLEANUP (lite_sum_clear) struct lite_sum sum = { NULL };
  uint64_t len = LITE_LIST_HEAD + pages * LITE_DIGEST;
  if (ftruncate (r->list, (off_t)len) != 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "ending a list of pages");
  lite_sum_begin (&sum);
  for (uint64_t at = LITE_LIST_HEAD; at < len;) {
    ssize_t n = pread (r->list, r->page, LITE_PAGE_MAX, (off_t)at);
    if (n <= 0)
      return err_sys (errno, "RH-SQLITE-WRITE", "reading a list of pages");
    lite_sum_add (&sum, r->page, (size_t)n);
    at += (uint64_t)n;
  }
  lite_sum_add (&sum, head, LITE_LIST_HEAD);
  CLEANUP_FREE char *got = lite_sum_text (&sum);
  if (strcmp (got, wanted) == 0)
    return NULL;
  return err_new (ERR_TRANSIENT, "RH-SQLITE-SUM",
                  "the copy does not hold the pages that were sent");
}

static struct err *
set_owner (struct receiving *r)
{
  const struct owner *o = &r->owner;
  CLEANUP_FREE char *lost = NULL;
  if (fchown (r->file, o->uid, o->gid) != 0 || fchmod (r->file, o->mode) != 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "giving the database its owner");
  TRY (xattrs_apply_fd (r->file, o->xattrs.data, o->xattrs.len, &lost));
  if (lost != NULL)
    return err_new (ERR_REFUSED, "RH-SQLITE-WRITE",
                    "the target's filesystem does not take attributes: %s",
                    lost);
  return NULL;
}

static struct err *
finish (struct receiving *r, uint64_t *pages, char sum[SUM + 1])
{
  unsigned char head[LITE_LIST_HEAD];
  uint32_t size;
  TRY (take (r, head, sizeof head));
  TRY (lite_list_check (head, &size, pages));
  TRY (take (r, sum, SUM));
  sum[SUM] = 0;
  if (r->written > 0 && *pages > 0 && size != r->page_size)
    return bad ("ends with another page size");
  TRY (write_at (r->list, head, sizeof head, 0));
  TRY (check_sum (r, sum, *pages, head));
  if (ftruncate (r->file, (off_t)(*pages * size)) != 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "ending the database");
  TRY (set_owner (r));
  if (fsync (r->file) != 0 || fsync (r->list) != 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "writing the database");
  TRY (durable_sync_dir (r->a->place->dirfd));
  if (rename (r->now, r->pages) != 0)
    return err_sys (errno, "RH-SQLITE-WRITE", "keeping a list of pages");
  return NULL;
}

static struct err *
take_pages (struct receiving *r, struct lite_watch *w)
{
  for (unsigned char kind = PAGE; kind == PAGE;) {
    TRY (take (r, &kind, 1));
    if (kind < PAGE || kind > END_OF_SEVERAL)
      return bad ("has a record of an unknown kind");
    if (kind == PAGE)
      TRY (take_page (r));
    if (w->cancelled (w->ctx))
      return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED", "cancelled");
  }
  return NULL;
}

struct err *
lite_receive (const struct lite_receive *a, struct source *in,
              struct lite_watch *w, json_t **result)
{
  CLEANUP (clear)
  struct receiving r = { .a = a, .in = in, .file = -1, .list = -1 };
  char sum[SUM + 1];
  uint64_t pages = 0;
  r.page = mem_alloc (LITE_PAGE_MAX);
  TRY (lite_list_path (a->dir, a->index, "now", &r.now));
  TRY (lite_list_path (a->dir, a->index, "pages", &r.pages));
  TRY (lite_list_path (a->dir, a->index, "ours", &r.ours));
  TRY (take_owner (&r));
  TRY (open_copy (&r));
  TRY (open_list (&r));
  TRY (take_pages (&r, w));
  TRY (finish (&r, &pages, sum));
  *result = json_pack ("{s:o, s:I, s:s}", "pages", json_u64 (pages), "written",
                       (json_int_t)r.written, "sum", sum);
  return NULL;
}
