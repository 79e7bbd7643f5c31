/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: header, checks, reading; see frame.h. */
#include "wire/frame.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define ROOM ((size_t)64 << 10)

void
frame_clear (struct frame *f)
{
  free (f->body);
  f->body = NULL;
  f->len = 0;
}

static void
put_le (unsigned char *p, size_t bytes, uint32_t v)
{
  for (size_t i = 0; i < bytes; i++)
    p[i] = (unsigned char)(v >> (8 * i) & 0xff);
}

static uint32_t
get_le (const unsigned char *p, size_t bytes)
{
  uint32_t v = 0;
  for (size_t i = 0; i < bytes; i++)
    v |= (uint32_t)p[i] << (8 * i);
  return v;
}

void
frame_head (const struct frame *f, unsigned char head[FRAME_HEADER])
{
  memset (head, 0, FRAME_HEADER);
  put_le (head, 4, (uint32_t)f->len);
  head[4] = (unsigned char)f->type;
  put_le (head + 8, 4, f->call);
  put_le (head + 12, 4, f->value);
}

/* What a type of frame carries. */
static const struct {
  bool known, body, call, more;
} shapes[] = {
  [FRAME_HELLO] = { true, true, false, true },
  [FRAME_CALL] = { true, true, true, true },
  [FRAME_RESULT] = { true, true, true, true },
  [FRAME_ERROR] = { true, true, true, true },
  [FRAME_DATA] = { true, true, true, false },
  [FRAME_END] = { true, false, true, false },
  [FRAME_CREDIT] = { true, false, true, false },
  [FRAME_CANCEL] = { true, false, true, false },
  [FRAME_TICK] = { true, true, true, false },
  [FRAME_PING] = { true, false, false, false },
  [FRAME_PONG] = { true, false, false, false },
};

static bool
value_fits (enum frame_type type, uint32_t value)
{
  if (type == FRAME_CREDIT)
    return value > 0;
  return value == 0 || (shapes[type].more && value == FRAME_MORE);
}

struct err *
frame_check (const unsigned char head[FRAME_HEADER], struct frame *f)
{
  uint32_t len = get_le (head, 4);
  unsigned type = head[4];
  memset (f, 0, sizeof *f);
  if (type >= sizeof shapes / sizeof shapes[0] || !shapes[type].known)
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME", "a frame of type %u", type);
  f->type = (enum frame_type)type;
  f->call = get_le (head + 8, 4);
  f->value = get_le (head + 12, 4);
  if (head[5] != 0 || head[6] != 0 || head[7] != 0)
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME",
                    "a frame with flags that version 1 does not know");
  if (len > FRAME_MAX || (len > 0) != shapes[type].body)
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME",
                    "a frame of type %u with %u bytes", type, len);
  if ((f->call != 0) != shapes[type].call)
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME",
                    "a frame of type %u for call %u", type, f->call);
  if (!value_fits (f->type, f->value))
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME",
                    "a frame of type %u with value %u", type, f->value);
  f->len = len;
  return NULL;
}

struct err *
frame_decode (struct cursor *c, struct frame *f)
{
  struct cursor at = *c;
  const unsigned char *p = NULL;
  memset (f, 0, sizeof *f);
  TRY (cursor_bytes (&at, FRAME_HEADER, &p));
  TRY (frame_check (p, f));
  size_t len = f->len;
  f->len = 0;
  TRY (cursor_bytes (&at, len, &p));
  f->len = len;
  f->body = len > 0 ? mem_dup (p, len) : NULL;
  *c = at;
  return NULL;
}

void
frame_reader_init (struct frame_reader *r, int fd)
{
  *r = (struct frame_reader){ .fd = fd, .wake_fd = -1, .timeout_ms = -1 };
  r->room = mem_alloc (ROOM);
}

void
frame_reader_clear (struct frame_reader *r)
{
  free (r->room);
  r->room = NULL;
  r->at = r->len = 0;
}

/* Waits until there is something to read; *woken where wake_fd says so. */
static struct err *
wait_readable (const struct frame_reader *r, bool *woken)
{
  struct pollfd p[2] = { { .fd = r->fd, .events = POLLIN },
                         { .fd = r->wake_fd, .events = POLLIN } };
  int n;
  do
    n = poll (p, 2, r->timeout_ms);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return err_sys (errno, "RH-WIRE-READ", "poll");
  if (n == 0)
    return err_new (ERR_TRANSIENT, "RH-WIRE-IDLE", "nothing was heard for %d s",
                    r->timeout_ms / 1000);
  *woken = p[1].revents != 0;
  return NULL;
}

/* One read of at most `cap` bytes; 0 at the end. */
static struct err *
read_some (const struct frame_reader *r, void *into, size_t cap, size_t *got)
{
  bool woken = false;
  *got = 0;
  for (;;) {
    TRY (wait_readable (r, &woken));
    if (woken)
      return NULL;
    ssize_t n = read (r->fd, into, cap);
    if (n >= 0) {
      *got = (size_t)n;
      return NULL;
    }
    if (errno == ECONNRESET || errno == EIO)
      return NULL;
    if (errno != EINTR && errno != EAGAIN)
      return err_sys (errno, "RH-WIRE-READ", "reading frames");
  }
}

static struct err *
refill (struct frame_reader *r)
{
  size_t got;
  TRY (read_some (r, r->room, ROOM, &got));
  r->at = 0;
  r->len = got;
  return NULL;
}

/* Exactly `len` bytes: what is buffered first, then straight into place. */
static struct err *
read_exactly (struct frame_reader *r, unsigned char *into, size_t len,
              size_t *done)
{
  *done = 0;
  while (*done < len) {
    size_t n = r->len - r->at;
    if (n == 0 && (r->lean || len - *done >= ROOM)) {
      TRY (read_some (r, into + *done, len - *done, &n));
      if (n == 0)
        return NULL;
      *done += n;
      continue;
    }
    if (n == 0) {
      TRY (refill (r));
      n = r->len;
      if (n == 0)
        return NULL;
    }
    if (n > len - *done)
      n = len - *done;
    memcpy (into + *done, r->room + r->at, n);
    r->at += n;
    *done += n;
  }
  return NULL;
}

static struct err *
cut_short (void)
{
  return err_new (ERR_TRANSIENT, "RH-WIRE-SHORT",
                  "the connection ended inside a frame");
}

struct err *
frame_read_head (struct frame_reader *r, struct frame *f, bool *eof)
{
  unsigned char head[FRAME_HEADER];
  size_t got = 0;
  memset (f, 0, sizeof *f);
  *eof = false;
  TRY (read_exactly (r, head, sizeof head, &got));
  if (got == 0) {
    *eof = true;
    return NULL;
  }
  return got < sizeof head ? cut_short () : frame_check (head, f);
}

struct err *
frame_read_body (struct frame_reader *r, struct frame *f)
{
  size_t got = 0, len = f->len;
  if (len == 0)
    return NULL;
  f->len = 0;
  CLEANUP_FREE unsigned char *body = mem_resize (NULL, len, 1);
  TRY (read_exactly (r, body, len, &got));
  if (got < len)
    return cut_short ();
  f->len = len;
  f->body = STEAL (body);
  return NULL;
}

struct err *
frame_read (struct frame_reader *r, struct frame *f, bool *eof)
{
  TRY (frame_read_head (r, f, eof));
  return *eof ? NULL : frame_read_body (r, f);
}

/* All of it, or nobody reads it any more. */
static struct err *
give (int to, const unsigned char *data, size_t len, bool *wanted)
{
  while (len > 0 && *wanted) {
    ssize_t n = write (to, data, len);
    if (n < 0 && errno == EPIPE)
      *wanted = false;
    else if (n < 0 && errno != EINTR)
      return err_sys (errno, "RH-WIRE-READ", "passing on");
    if (n > 0) {
      data += n;
      len -= (size_t)n;
    }
  }
  return NULL;
}

/* By a copy: what was read ahead, and what is for nobody. */
static struct err *
pass_copied (struct frame_reader *r, size_t most, int to, bool *wanted,
             size_t *done)
{
  if (r->at == r->len)
    TRY (refill (r));
  size_t n = r->len - r->at < most ? r->len - r->at : most;
  TRY (give (to, r->room + r->at, n, wanted));
  r->at += n;
  *done = n;
  return NULL;
}

/* Without a copy: pages change their owner (splice(2)). */
static struct err *
pass_moved (const struct frame_reader *r, size_t most, int to, bool *wanted,
            size_t *done)
{
  bool woken = false;
  *done = 0;
  for (;;) {
    TRY (wait_readable (r, &woken));
    if (woken)
      return NULL;
    ssize_t n = splice (r->fd, NULL, to, NULL, most, SPLICE_F_MOVE);
    if (n >= 0) {
      *done = (size_t)n;
      return NULL;
    }
    if (errno == EPIPE) {
      *wanted = false;
      return NULL;
    }
    if (errno != EINTR && errno != EAGAIN)
      return err_sys (errno, "RH-WIRE-READ", "passing on");
  }
}

struct err *
frame_pass (struct frame_reader *r, const struct frame *f, int to)
{
  bool wanted = true;
  for (size_t left = f->len; left > 0;) {
    size_t done = 0;
    bool had = wanted;
    if (wanted && r->at == r->len)
      TRY (pass_moved (r, left, to, &wanted, &done));
    else
      TRY (pass_copied (r, left, to, &wanted, &done));
    if (done == 0 && wanted == had)
      return cut_short ();
    left -= done;
  }
  return NULL;
}

struct err *
frame_read_line (struct frame_reader *r, size_t max, struct buf *line,
                 bool *eof)
{
  buf_reset (line);
  *eof = false;
  for (;;) {
    if (r->at == r->len)
      TRY (refill (r));
    size_t left = r->len - r->at;
    if (left == 0) {
      *eof = true;
      return NULL;
    }
    unsigned char *start = r->room + r->at;
    unsigned char *end = memchr (start, '\n', left);
    size_t n = end != NULL ? (size_t)(end - start) : left;
    if (line->len + n > max)
      return err_new (ERR_CORRUPT, "RH-LIMIT", "a line of more than %zu bytes",
                      max);
    TRY (buf_put (line, start, n));
    r->at += end != NULL ? n + 1 : n;
    if (end != NULL)
      return NULL;
  }
}
