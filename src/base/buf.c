/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a hard maximum; see buf.h. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

static size_t
maximum (const struct buf *b)
{
  return b->max > 0 ? b->max : BUF_DEFAULT_MAX;
}

struct err *
buf_reserve (struct buf *b, size_t len, unsigned char **out)
{
  size_t max = maximum (b);
  if (b->len > max || len > max - b->len)
    return err_new (ERR_CORRUPT, "RH-LIMIT",
                    "%zu bytes more are above the limit of %zu", len, max);
  if (b->data == NULL || b->cap - b->len < len) {
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap - b->len < len)
      cap *= 2;
    if (cap > max)
      cap = max;
    b->data = mem_resize (b->data, cap + 1, 1);
    b->cap = cap;
    b->data[b->len] = 0;
  }
  *out = b->data + b->len;
  return NULL;
}

struct err *
buf_put (struct buf *b, const void *data, size_t len)
{
  unsigned char *room;
  TRY (buf_reserve (b, len, &room));
  if (len > 0)
    memcpy (room, data, len);
  b->len += len;
  b->data[b->len] = 0;
  return NULL;
}

struct err *
buf_put_str (struct buf *b, const char *s)
{
  return buf_put (b, s, strlen (s));
}

struct err *
buf_printf (struct buf *b, const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  CLEANUP_FREE char *s = mem_vprintf (fmt, ap);
  va_end (ap);
  return buf_put_str (b, s);
}

static struct err *
put_le (struct buf *b, uint64_t v, size_t bytes)
{
  unsigned char le[8];
  for (size_t i = 0; i < bytes; i++)
    le[i] = (unsigned char)(v >> (8 * i) & 0xff);
  return buf_put (b, le, bytes);
}

struct err *
buf_put_u8 (struct buf *b, uint8_t v)
{
  return put_le (b, v, 1);
}

struct err *
buf_put_u16 (struct buf *b, uint16_t v)
{
  return put_le (b, v, 2);
}

struct err *
buf_put_u32 (struct buf *b, uint32_t v)
{
  return put_le (b, v, 4);
}

struct err *
buf_put_u64 (struct buf *b, uint64_t v)
{
  return put_le (b, v, 8);
}

struct err *
buf_put_blob (struct buf *b, const void *data, size_t len)
{
  size_t before = b->len;
  if (len > UINT32_MAX)
    return err_new (ERR_CORRUPT, "RH-LIMIT", "a blob of %zu bytes", len);
  TRY (buf_put_u32 (b, (uint32_t)len));
  struct err *e = buf_put (b, data, len);
  if (e != NULL) {
    b->len = before;
    b->data[b->len] = 0;
  }
  return e;
}

void
buf_consume (struct buf *b, size_t len)
{
  if (len >= b->len) {
    buf_reset (b);
    return;
  }
  b->len -= len;
  memmove (b->data, b->data + len, b->len + 1);
}

void
buf_reset (struct buf *b)
{
  b->len = 0;
  if (b->data != NULL)
    b->data[0] = 0;
}

void
buf_free (struct buf *b)
{
  free (b->data);
  b->data = NULL;
  b->len = b->cap = 0;
}

char *
buf_steal_str (struct buf *b)
{
  char *s = b->data != NULL ? (char *)b->data : mem_strdup ("");
  b->data = NULL;
  b->len = b->cap = 0;
  return s;
}
