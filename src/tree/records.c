/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a tree stream, written and read through buffers. */
#include "tree/records.h"

#include <string.h>

#define MAGIC "rehome-tree 1\n"
#define MAGIC_LEN (sizeof MAGIC - 1)
#define HEADER 8
#define FLUSH ((size_t)192 << 10)
#define BLOCK ((size_t)256 << 10)

struct err *
record_bad (const char *what)
{
  return err_new (ERR_CORRUPT, "RH-TREE-STREAM",
                  "the other side's stream has a bad %s", what);
}

static struct err *
flush (struct record_writer *w)
{
  if (w->buf.len == 0)
    return NULL;
  TRY (w->sink->put (w->sink->ctx, w->buf.data, w->buf.len));
  buf_reset (&w->buf);
  return NULL;
}

static struct err *
put_header (struct record_writer *w, enum tree_record type, size_t len)
{
  unsigned char h[HEADER] = { (unsigned char)type };
  for (int i = 0; i < 4; i++)
    h[4 + i] = (unsigned char)(len >> (8 * i));
  w->count++;
  return buf_put (&w->buf, h, sizeof h);
}

struct err *
record_put (struct record_writer *w, enum tree_record type, const void *payload,
            size_t len)
{
  TRY (put_header (w, type, len));
  TRY (buf_put (&w->buf, payload, len));
  return w->buf.len >= FLUSH ? flush (w) : NULL;
}

struct err *
record_u64 (struct record_writer *w, enum tree_record type, uint64_t v)
{
  unsigned char b[8];
  for (int i = 0; i < 8; i++)
    b[i] = (unsigned char)(v >> (8 * i));
  return record_put (w, type, b, sizeof b);
}

struct err *
record_entry (struct record_writer *w, enum tree_record type,
              const struct tree_entry *e)
{
  size_t at = w->buf.len;
  TRY (put_header (w, type, 0));
  TRY (entry_encode (e, &w->buf));
  size_t len = w->buf.len - at - HEADER;
  for (int i = 0; i < 4; i++)
    w->buf.data[at + 4 + (size_t)i] = (unsigned char)(len >> (8 * i));
  return w->buf.len >= FLUSH ? flush (w) : NULL;
}

struct err *
record_begin (struct record_writer *w, uint32_t flags, uint64_t files,
              uint64_t bytes)
{
  TRY (buf_put (&w->buf, MAGIC, MAGIC_LEN));
  TRY (put_header (w, REC_HEAD, 20));
  TRY (buf_put_u32 (&w->buf, flags));
  TRY (buf_put_u64 (&w->buf, files));
  return buf_put_u64 (&w->buf, bytes);
}

struct err *
record_finish (struct record_writer *w)
{
  TRY (record_u64 (w, REC_END, w->count));
  return flush (w);
}

void
record_writer_free (struct record_writer *w)
{
  buf_free (&w->buf);
}

/* At least `need` bytes beyond those used; fewer only where the stream ends
 * (then "RH-TREE-STREAM"). */
static struct err *
fill (struct record_reader *r, size_t need)
{
  if (r->buf.len - r->used >= need)
    return NULL;
  buf_consume (&r->buf, r->used);
  r->used = 0;
  while (r->buf.len < need) {
    unsigned char *p;
    size_t room = need - r->buf.len > BLOCK ? need - r->buf.len : BLOCK;
    size_t got = 0;
    TRY (buf_reserve (&r->buf, room, &p));
    TRY (r->source->get (r->source->ctx, p, room, &got));
    if (got == 0)
      return record_bad ("end: it stopped in the middle");
    r->buf.len += got;
    r->buf.data[r->buf.len] = 0;
  }
  return NULL;
}

static struct err *
header (struct record_reader *r, enum tree_record *type, size_t *len)
{
  TRY (fill (r, HEADER));
  const unsigned char *h = r->buf.data + r->used;
  if (h[0] == 0 || h[0] >= REC_TYPE_END || h[1] != 0 || h[2] != 0 || h[3] != 0)
    return record_bad ("record");
  *type = (enum tree_record)h[0];
  struct cursor c = { h + 4, 4 };
  uint32_t n = 0;
  TRY (cursor_u32 (&c, &n));
  *len = n;
  return *len > RECORD_MAX ? record_bad ("length") : NULL;
}

struct err *
record_peek (struct record_reader *r, enum tree_record *type,
             struct cursor *payload)
{
  size_t len = 0;
  TRY (header (r, type, &len));
  TRY (fill (r, HEADER + len));
  *payload = (struct cursor){ r->buf.data + r->used + HEADER, len };
  return NULL;
}

static struct err *
next (struct record_reader *r, enum tree_record *type, struct cursor *payload)
{
  TRY (record_peek (r, type, payload));
  r->used += HEADER + payload->left;
  r->count++;
  return NULL;
}

struct err *
record_read_head (struct record_reader *r, struct tree_head *out)
{
  enum tree_record type = (enum tree_record)0;
  struct cursor c;
  TRY (fill (r, MAGIC_LEN));
  if (memcmp (r->buf.data + r->used, MAGIC, MAGIC_LEN) != 0)
    return record_bad ("beginning");
  r->used += MAGIC_LEN;
  TRY (next (r, &type, &c));
  if (type != REC_HEAD || c.left != 20)
    return record_bad ("head");
  TRY (cursor_u32 (&c, &out->flags));
  TRY (cursor_u64 (&c, &out->files));
  TRY (cursor_u64 (&c, &out->bytes));
  return out->flags & ~(uint32_t)STREAM_FLAGS ? record_bad ("head") : NULL;
}

/* Behind REC_END nothing follows. */
static struct err *
check_end (struct record_reader *r, struct cursor *c)
{
  uint64_t count;
  unsigned char byte;
  size_t got = 0;
  TRY (cursor_u64 (c, &count));
  if (c->left != 0 || count != r->count - 1 || r->buf.len != r->used)
    return record_bad ("end");
  TRY (r->source->get (r->source->ctx, &byte, 1, &got));
  return got != 0 ? record_bad ("end") : NULL;
}

struct err *
record_next (struct record_reader *r, enum tree_record *type,
             struct cursor *payload)
{
  *type = REC_NONE;
  if (r->ended)
    return NULL;
  enum tree_record t = (enum tree_record)0;
  TRY (next (r, &t, payload));
  if (t == REC_END) {
    r->ended = true;
    return check_end (r, payload);
  }
  if (t == REC_HEAD)
    return record_bad ("record");
  *type = t;
  return NULL;
}

void
record_reader_free (struct record_reader *r)
{
  buf_free (&r->buf);
}
