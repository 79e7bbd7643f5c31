/* SPDX-License-Identifier: Apache-2.0 */
/* Checked reading of bytes that someone else made; see buf.h. */
#include "base/buf.h"

struct err *
cursor_bytes (struct cursor *c, size_t len, const unsigned char **out)
{
  if (len > c->left)
    return err_new (ERR_CORRUPT, "RH-WIRE-SHORT",
                    "%zu bytes are needed where %zu are left", len, c->left);
  *out = c->p;
  c->p += len;
  c->left -= len;
  return NULL;
}

static struct err *
get_le (struct cursor *c, size_t bytes, uint64_t *out)
{
  const unsigned char *p = NULL;
  uint64_t v = 0;
  TRY (cursor_bytes (c, bytes, &p));
  for (size_t i = 0; i < bytes; i++)
    v |= (uint64_t)p[i] << (8 * i);
  *out = v;
  return NULL;
}

struct err *
cursor_u8 (struct cursor *c, uint8_t *out)
{
  uint64_t v;
  TRY (get_le (c, 1, &v));
  *out = (uint8_t)v;
  return NULL;
}

struct err *
cursor_u16 (struct cursor *c, uint16_t *out)
{
  uint64_t v;
  TRY (get_le (c, 2, &v));
  *out = (uint16_t)v;
  return NULL;
}

struct err *
cursor_u32 (struct cursor *c, uint32_t *out)
{
  uint64_t v;
  TRY (get_le (c, 4, &v));
  *out = (uint32_t)v;
  return NULL;
}

struct err *
cursor_u64 (struct cursor *c, uint64_t *out)
{
  return get_le (c, 8, out);
}

struct err *
cursor_blob (struct cursor *c, size_t cap, const unsigned char **out,
             size_t *len)
{
  struct cursor at = *c;
  uint32_t n = 0;
  TRY (cursor_u32 (&at, &n));
  if (n > cap)
    return err_new (ERR_CORRUPT, "RH-LIMIT",
                    "a length of %u is above the limit of %zu", n, cap);
  TRY (cursor_bytes (&at, n, out));
  *len = n;
  *c = at;
  return NULL;
}
