/* SPDX-License-Identifier: Apache-2.0 */
/* The sender; see sqlite_copy.h. */
#include "agent/sqlite_copy.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "tree/xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { PAGE = 1, END = 2, END_OF_SEVERAL = 3, YIELD_MS = 50 };

struct sending {
  const struct lite_send *a;
  struct lite_reader reader;
  struct lite_list theirs;
  struct lite_sum sum;
  struct sink *out;
  struct lite_watch *w;
  struct buf buf;
  uint64_t sent;
  bool same; /* all pages are of one moment */
  int64_t began, held;
};

static void
clear (struct sending *s)
{
  lite_reader_close (&s->reader);
  lite_list_close (&s->theirs);
  lite_sum_clear (&s->sum);
  buf_free (&s->buf);
}

static struct err *
flush (struct sending *s, size_t above)
{
  if (s->buf.len <= above)
    return NULL;
  TRY (s->out->put (s->out->ctx, s->buf.data, s->buf.len));
  buf_reset (&s->buf);
  return NULL;
}

/* By the directory: a descriptor of the file itself would end locks. */
static struct err *
put_owner (struct sending *s)
{
  const struct lite_place *p = s->a->place;
  CLEANUP_BUF struct buf set = BUF_INIT;
  struct stat st;
  if (fstatat (p->dirfd, p->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return err_sys (errno, "RH-SQLITE-NONE", "looking at %s", p->leaf);
  if (!S_ISREG (st.st_mode))
    return err_new (ERR_REFUSED, "RH-SQLITE-NONE", "%s is no file", p->leaf);
  TRY (xattrs_read_at (p->dirfd, p->leaf, &set));
  TRY (buf_put (&s->buf, "RHSQ", 4));
  TRY (buf_put_u32 (&s->buf, st.st_mode & 07777));
  TRY (buf_put_u32 (&s->buf, st.st_uid));
  TRY (buf_put_u32 (&s->buf, st.st_gid));
  return buf_put_blob (&s->buf, set.data, set.len);
}

/* While others wait: for a moment only, or until it is enough. */
static struct err *
mind_others (struct sending *s)
{
  int64_t held = monotonic_ms () - s->began;
  bool same = true;
  if (!lite_reader_blocks (&s->reader))
    return NULL;
  if (s->a->hold_ms > 0 && held > s->a->hold_ms)
    return err_new (ERR_TRANSIENT, "RH-SQLITE-BUSY",
                    "reading the database in one go keeps its writers waiting "
                    "for more than %ld ms",
                    s->a->hold_ms);
  if (s->a->hold_ms > 0 || held < YIELD_MS)
    return NULL;
  s->held = held > s->held ? held : s->held;
  TRY (lite_reader_yield (&s->reader, &same));
  s->same = s->same && same;
  s->began = monotonic_ms ();
  return NULL;
}

static struct err *
put_page (struct sending *s, uint64_t n, const unsigned char *page)
{
  uint32_t size = s->reader.header.page_size;
  TRY (buf_put_u8 (&s->buf, PAGE));
  TRY (buf_put_u64 (&s->buf, n));
  TRY (buf_put_u32 (&s->buf, size));
  TRY (buf_put (&s->buf, page, size));
  s->sent++;
  s->w->sent += size;
  return flush (s, LITE_PAGE_MAX * 4);
}

/* The number of pages may change while others are let in. */
static struct err *
put_pages (struct sending *s, unsigned char head[LITE_LIST_HEAD])
{
  CLEANUP_FREE unsigned char *page = mem_alloc (LITE_PAGE_MAX);
  unsigned char own[LITE_DIGEST], other[LITE_DIGEST];
  uint32_t size = s->reader.header.page_size;
  bool comparable = s->theirs.page_size == size;
  for (uint64_t n = 1; n <= s->reader.pages; n++) {
    TRY (lite_watch_page (s->w, n, s->reader.pages, size));
    TRY (lite_reader_page (&s->reader, n, page));
    lite_digest (page, size, own);
    lite_sum_add (&s->sum, own, sizeof own);
    if (!comparable || !lite_list_next (&s->theirs, other)
        || memcmp (own, other, sizeof own) != 0)
      TRY (put_page (s, n, page));
    if (n % 64 == 0)
      TRY (mind_others (s));
    if (s->reader.pages < n)
      return err_new (ERR_TRANSIENT, "RH-SQLITE-BUSY",
                      "the database became smaller meanwhile");
  }
  lite_list_head (size, s->reader.pages, head);
  lite_sum_add (&s->sum, head, LITE_LIST_HEAD);
  return NULL;
}

static json_t *
told (const struct sending *s, const char *sum, int64_t ms)
{
  const struct lite_header *h = &s->reader.header;
  return json_pack ("{s:i, s:o, s:s, s:I, s:o, s:b, s:b, s:I, s:I, s:I, s:I}",
                    "page_size", (int)h->page_size, "pages",
                    json_u64 (s->reader.pages), "sum", sum, "sent",
                    (json_int_t)s->sent, "bytes", json_u64 (s->w->sent), "same",
                    s->same, "wal", h->wal, "user_version",
                    (json_int_t)h->user_version, "application_id",
                    (json_int_t)h->application_id, "held_ms",
                    (json_int_t)s->held, "ms", (json_int_t)ms);
}

struct err *
lite_send (const struct lite_send *a, struct sink *out, struct lite_watch *w,
           json_t **result)
{
  CLEANUP (clear)
  struct sending s = {
    .a = a, .reader = LITE_READER_NONE, .out = out, .w = w, .same = true
  };
  CLEANUP_FREE char *theirs = NULL;
  unsigned char head[LITE_LIST_HEAD];
  int64_t began = monotonic_ms ();
  TRY (lite_list_path (a->dir, a->index, "theirs", &theirs));
  TRY (lite_list_open (theirs, &s.theirs));
  TRY (put_owner (&s));
  TRY (lite_reader_open (a->place, a->rest, &s.reader));
  s.began = monotonic_ms ();
  lite_sum_begin (&s.sum);
  TRY (put_pages (&s, head));
  if (lite_reader_blocks (&s.reader) && monotonic_ms () - s.began > s.held)
    s.held = monotonic_ms () - s.began;
  CLEANUP_FREE char *sum = lite_sum_text (&s.sum);
  TRY (buf_put_u8 (&s.buf, s.same ? END : END_OF_SEVERAL));
  TRY (buf_put (&s.buf, head, sizeof head));
  TRY (buf_put (&s.buf, sum, 32));
  TRY (flush (&s, 0));
  *result = told (&s, sum, monotonic_ms () - began);
  return NULL;
}
