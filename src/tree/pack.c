/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of a stream on their way out. */
#include "tree/pack.h"

#include "base/mem.h"

#include <string.h>
#include <time.h>
#include <zstd.h>

/* The fastest of the usual ones: a link that is slower than level 1 waits for
 * it, whatever a higher one would save. */
#define LEVEL 1

struct pack {
  struct sink *to;
  struct tree_watch *watch;
  struct pack_choice choice;
  ZSTD_CCtx *zstd;
  unsigned char *held, *packed; /* a block, and room for its header and it */
  size_t filled, room;
};

static int64_t
now_ns (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct pack *
pack_new (enum pack_mode mode, struct sink *to, struct tree_watch *watch)
{
  struct pack *p = mem_alloc (sizeof *p);
  p->to = to;
  p->watch = watch;
  p->room = ZSTD_compressBound (PACK_BLOCK);
  pack_choice_begin (&p->choice, mode, now_ns ());
  return p;
}

static void
put_header (unsigned char *h, int kind, size_t wire, size_t len)
{
  memset (h, 0, PACK_HEADER);
  h[0] = (unsigned char)kind;
  for (int i = 0; i < 4; i++) {
    h[4 + i] = (unsigned char)(wire >> (8 * i));
    h[8 + i] = (unsigned char)(len >> (8 * i));
  }
}

/* Counts a block, which was put between `since` and now. */
static void
count (struct pack *p, size_t len, size_t wire, int64_t since)
{
  int64_t now = now_ns ();
  p->watch->packed_from += len;
  p->watch->packed_to += wire + PACK_HEADER;
  pack_choice_sent (&p->choice, len, wire, now - since, now);
}

static struct err *
put_plain (struct pack *p, const void *data, size_t len)
{
  unsigned char h[PACK_HEADER];
  int64_t since = now_ns ();
  put_header (h, PACK_KIND_PLAIN, len, len);
  TRY (p->to->put (p->to->ctx, h, sizeof h));
  TRY (p->to->put (p->to->ctx, data, len));
  count (p, len, len, since);
  return NULL;
}

/* The length of the block compressed, behind the room for its header; 0 where
 * it is no shorter. */
static size_t
squeeze (struct pack *p, const void *data, size_t len)
{
  if (p->zstd == NULL)
    p->zstd = ZSTD_createCCtx ();
  if (p->packed == NULL)
    p->packed = mem_alloc (PACK_HEADER + p->room);
  if (p->zstd == NULL)
    return 0;
  size_t n = ZSTD_compressCCtx (p->zstd, p->packed + PACK_HEADER, p->room, data,
                                len, LEVEL);
  return ZSTD_isError (n) || n >= len ? 0 : n;
}

static void
probe (struct pack *p, const void *data, size_t len)
{
  int64_t since = now_ns ();
  size_t n = squeeze (p, data, len);
  pack_choice_probed (&p->choice, len, n > 0 ? n : len, now_ns () - since);
}

static struct err *
put_packed (struct pack *p, const void *data, size_t len)
{
  size_t n = squeeze (p, data, len);
  if (n == 0)
    return put_plain (p, data, len);
  int64_t since = now_ns ();
  put_header (p->packed, PACK_KIND_ZSTD, n, len);
  TRY (p->to->put (p->to->ctx, p->packed, PACK_HEADER + n));
  count (p, len, n, since);
  return NULL;
}

static struct err *
put_block (struct pack *p, const void *data, size_t len)
{
  if (pack_choice_probes (&p->choice))
    probe (p, data, len < PACK_BLOCK ? len : PACK_BLOCK);
  return pack_choice_on (&p->choice) && len <= PACK_BLOCK
             ? put_packed (p, data, len)
             : put_plain (p, data, len);
}

struct err *
pack_finish (struct pack *p)
{
  size_t n = p->filled;
  p->filled = 0;
  return n > 0 ? put_block (p, p->held, n) : NULL;
}

/* As it is a piece goes on at once; for compressing small ones are gathered. */
static struct err *
put (void *ctx, const void *data, size_t len)
{
  struct pack *p = ctx;
  const unsigned char *at = data;
  while (len > 0) {
    if (!pack_choice_on (&p->choice)) {
      TRY (pack_finish (p));
      size_t n = len < PACK_PLAIN_MAX ? len : PACK_PLAIN_MAX;
      TRY (put_block (p, at, n));
      at += n;
      len -= n;
      continue;
    }
    if (p->held == NULL)
      p->held = mem_alloc (PACK_BLOCK);
    size_t n = PACK_BLOCK - p->filled < len ? PACK_BLOCK - p->filled : len;
    memcpy (p->held + p->filled, at, n);
    p->filled += n;
    at += n;
    len -= n;
    if (p->filled == PACK_BLOCK)
      TRY (pack_finish (p));
  }
  return NULL;
}

struct sink
pack_sink (struct pack *p)
{
  return (struct sink){ put, p };
}

void
pack_free (struct pack *p)
{
  if (p == NULL)
    return;
  ZSTD_freeCCtx (p->zstd);
  free (p->held);
  free (p->packed);
  free (p);
}
