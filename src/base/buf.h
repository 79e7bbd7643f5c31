/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a hard maximum, and a cursor to read bytes that
 * someone else made.  Little-endian integers; every read is checked.
 */
#ifndef REHOME_BASE_BUF_H
#define REHOME_BASE_BUF_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdint.h>

struct buf {
  unsigned char *data; /* always followed by one NUL byte when not NULL */
  size_t len;
  size_t cap;
  size_t max; /* 0: BUF_DEFAULT_MAX */
};

#define BUF_DEFAULT_MAX ((size_t)64 << 20)
#define BUF_INIT { NULL, 0, 0, 0 }
#define BUF_INIT_MAX(m) { NULL, 0, 0, (m) }

/* Appends; "RH-LIMIT" above the maximum (the buffer is unchanged then). */
struct err *buf_put (struct buf *b, const void *data, size_t len);
struct err *buf_put_str (struct buf *b, const char *s);
struct err *buf_printf (struct buf *b, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
struct err *buf_put_u8 (struct buf *b, uint8_t v);
struct err *buf_put_u16 (struct buf *b, uint16_t v);
struct err *buf_put_u32 (struct buf *b, uint32_t v);
struct err *buf_put_u64 (struct buf *b, uint64_t v);
/* u32 length, then the bytes. */
struct err *buf_put_blob (struct buf *b, const void *data, size_t len);
/* Room for `len` more bytes; *out points at it; len is not yet added. */
struct err *buf_reserve (struct buf *b, size_t len, unsigned char **out);
void buf_consume (struct buf *b, size_t len); /* drops bytes at the front */
void buf_reset (struct buf *b);               /* keeps the memory */
void buf_free (struct buf *b);
/* The bytes as a string that the caller owns; the buffer is empty after. */
char *buf_steal_str (struct buf *b);
#define CLEANUP_BUF CLEANUP (buf_free)

/* Reading: each returns "RH-WIRE-SHORT" when the bytes end too soon. */
struct cursor {
  const unsigned char *p;
  size_t left;
};
struct err *cursor_u8 (struct cursor *c, uint8_t *out);
struct err *cursor_u16 (struct cursor *c, uint16_t *out);
struct err *cursor_u32 (struct cursor *c, uint32_t *out);
struct err *cursor_u64 (struct cursor *c, uint64_t *out);
struct err *cursor_bytes (struct cursor *c, size_t len,
                          const unsigned char **out);
/* u32 length (refused above `cap`: "RH-LIMIT"), then bytes, not copied. */
struct err *cursor_blob (struct cursor *c, size_t cap,
                         const unsigned char **out, size_t *len);

#endif
