/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of a stream as they come in; nothing in them is believed. */
#include "base/buf.h"
#include "base/mem.h"
#include "tree/pack.h"
#include "tree/records.h"

#include <string.h>
#include <zstd.h>

struct unpack {
  struct source *from;
  ZSTD_DCtx *zstd;
  unsigned char *packed, *held; /* PACK_BLOCK each */
  size_t at, filled;            /* of `held` */
  size_t plain;                 /* still to pass on as it is */
};

struct unpack *
unpack_new (struct source *from)
{
  struct unpack *u = mem_alloc (sizeof *u);
  u->from = from;
  return u;
}

/* Exactly `len` bytes; *none where the stream ends before the first. */
static struct err *
read_all (struct unpack *u, unsigned char *p, size_t len, bool *none)
{
  size_t had = 0;
  if (none != NULL)
    *none = false;
  while (had < len) {
    size_t got = 0;
    TRY (u->from->get (u->from->ctx, p + had, len - had, &got));
    if (got == 0 && had == 0 && none != NULL) {
      *none = true;
      return NULL;
    }
    if (got == 0)
      return record_bad ("end: it stopped in the middle of a block");
    had += got;
  }
  return NULL;
}

static struct err *
unpack_block (struct unpack *u, size_t wire, size_t len)
{
  if (len == 0 || len > PACK_BLOCK || wire == 0 || wire >= len)
    return record_bad ("length of a compressed block");
  if (u->zstd == NULL) {
    u->zstd = ZSTD_createDCtx ();
    u->packed = mem_alloc (PACK_BLOCK);
    u->held = mem_alloc (PACK_BLOCK);
  }
  if (u->zstd == NULL)
    return err_new (ERR_TRANSIENT, "RH-TREE-READ",
                    "no memory to decompress the stream");
  TRY (read_all (u, u->packed, wire, NULL));
  /* It says itself how much it stands for, and no more than that is written:
   * a frame that would give more is an error. */
  if (ZSTD_getFrameContentSize (u->packed, wire) != len
      || ZSTD_decompressDCtx (u->zstd, u->held, len, u->packed, wire) != len)
    return record_bad ("compressed block");
  u->at = 0;
  u->filled = len;
  return NULL;
}

/* Reads the next block's header and what has to be held of it. */
static struct err *
next_block (struct unpack *u, bool *end)
{
  unsigned char h[PACK_HEADER];
  uint32_t wire = 0, len = 0;
  TRY (read_all (u, h, sizeof h, end));
  if (*end)
    return NULL;
  struct cursor c = { h + 4, 8 };
  TRY (cursor_u32 (&c, &wire));
  TRY (cursor_u32 (&c, &len));
  if (h[1] != 0 || h[2] != 0 || h[3] != 0)
    return record_bad ("block");
  if (h[0] == PACK_KIND_ZSTD)
    return unpack_block (u, wire, len);
  if (h[0] != PACK_KIND_PLAIN || wire != len || len == 0
      || len > PACK_PLAIN_MAX)
    return record_bad ("block");
  u->plain = len;
  return NULL;
}

static struct err *
get (void *ctx, void *data, size_t cap, size_t *len)
{
  struct unpack *u = ctx;
  bool end = false;
  *len = 0;
  if (u->plain == 0 && u->at == u->filled)
    TRY (next_block (u, &end));
  if (end)
    return NULL;
  if (u->plain > 0) {
    TRY (u->from->get (u->from->ctx, data, cap < u->plain ? cap : u->plain,
                       len));
    if (*len == 0)
      return record_bad ("end: it stopped in the middle of a block");
    u->plain -= *len;
    return NULL;
  }
  *len = cap < u->filled - u->at ? cap : u->filled - u->at;
  memcpy (data, u->held + u->at, *len);
  u->at += *len;
  return NULL;
}

struct source
unpack_source (struct unpack *u)
{
  return (struct source){ get, u };
}

void
unpack_free (struct unpack *u)
{
  if (u == NULL)
    return;
  ZSTD_freeDCtx (u->zstd);
  free (u->packed);
  free (u->held);
  free (u);
}
