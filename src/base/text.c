/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text that is safe to show and to read back; see text.h. */
#include "base/text.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";
static const char b64[]
    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Length of the valid UTF-8 sequence at p (RFC 3629), or 0. */
static size_t
utf8_len (const unsigned char *p, size_t left)
{
  unsigned char c = p[0];
  size_t n = c < 0x80   ? 1
             : c < 0xc2 ? 0
             : c < 0xe0 ? 2
             : c < 0xf0 ? 3
             : c < 0xf5 ? 4
                        : 0;
  if (n == 0 || n > left)
    return 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f)
      || (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
    return 0;
  return n;
}

bool
text_is_utf8 (const char *bytes, size_t len)
{
  const unsigned char *p = (const unsigned char *)bytes;
  for (size_t i = 0, n; i < len; i += n) {
    n = utf8_len (p + i, len - i);
    if (n == 0)
      return false;
  }
  return true;
}

/* C0, DEL, the C1 controls that UTF-8 writes as C2 80 to C2 9F, and what
 * turns the direction of the text around it or breaks its line: U+2028 to
 * U+202E, U+2066 to U+2069. */
static bool
is_control (const unsigned char *p, size_t n)
{
  return (n == 1 && (p[0] < 0x20 || p[0] == 0x7f))
         || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
         || (n == 3 && p[0] == 0xe2
             && ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae)
                 || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)));
}

/* Copies valid text, and control characters of `kept`; every other byte, and
 * `special` (unless 0), becomes `lead` and two hex digits. */
static char *
escape (const char *bytes, size_t len, const char *lead, char special,
        const char *digits, const char *kept)
{
  const unsigned char *p = (const unsigned char *)bytes;
  size_t lead_len = strlen (lead), o = 0;
  char *out = mem_resize (NULL, len + 1, lead_len + 2);
  for (size_t i = 0; i < len;) {
    size_t n = utf8_len (p + i, len - i);
    bool keep = n == 1 && p[i] != 0 && strchr (kept, p[i]) != NULL;
    bool plain = n > 0 && !is_control (p + i, n)
                 && (p[i] != (unsigned char)special || special == 0);
    if (keep || plain) {
      memcpy (out + o, p + i, n);
      o += n;
      i += n;
      continue;
    }
    for (size_t end = i + (n > 0 ? n : 1); i < end; i++) {
      memcpy (out + o, lead, lead_len);
      o += lead_len;
      out[o++] = digits[p[i] >> 4];
      out[o++] = digits[p[i] & 15];
    }
  }
  out[o] = 0;
  return out;
}

char *
text_escape (const char *bytes, size_t len)
{
  return escape (bytes, len, "\\x", '\\', hex_lower, "");
}

char *
text_printable (const char *bytes, size_t len)
{
  return escape (bytes, len, "\\x", 0, hex_lower, "\n\t");
}

char *
text_encode (const char *bytes, size_t len)
{
  return escape (bytes, len, "%", '%', hex_upper, "");
}

static int
hex_value (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

struct err *
text_decode (const char *s, char **out, size_t *len)
{
  CLEANUP_FREE char *bytes = mem_alloc (strlen (s) + 1);
  size_t o = 0;
  for (; *s != 0; s++) {
    if (*s != '%') {
      bytes[o++] = *s;
      continue;
    }
    int high = hex_value (s[1]);
    int low = high < 0 ? -1 : hex_value (s[2]);
    if (low < 0)
      return err_new (ERR_CORRUPT, "RH-TEXT-ESCAPE",
                      "'%%' without two hex digits behind it");
    bytes[o++] = (char)(high << 4 | low);
    s += 2;
  }
  *len = o;
  *out = STEAL (bytes);
  return NULL;
}

char *
text_base64 (const void *bytes, size_t len)
{
  const unsigned char *p = bytes;
  char *out = mem_resize (NULL, len / 3 + 2, 4);
  size_t o = 0;
  for (size_t i = 0; i < len; i += 3) {
    size_t n = len - i < 3 ? len - i : 3;
    uint32_t v = (uint32_t)p[i] << 16;
    v |= n > 1 ? (uint32_t)p[i + 1] << 8 : 0;
    v |= n > 2 ? (uint32_t)p[i + 2] : 0;
    out[o++] = b64[v >> 18 & 63];
    out[o++] = b64[v >> 12 & 63];
    out[o++] = n > 1 ? b64[v >> 6 & 63] : '=';
    out[o++] = n > 2 ? b64[v & 63] : '=';
  }
  out[o] = 0;
  return out;
}

static struct err *
bad_base64 (void)
{
  return err_new (ERR_CORRUPT, "RH-TEXT-BASE64", "this is not base64");
}

static int
b64_value (char c)
{
  const char *at = c == 0 ? NULL : strchr (b64, c);
  return at == NULL ? -1 : (int)(at - b64);
}

struct err *
text_unbase64 (const char *s, unsigned char **out, size_t *len)
{
  size_t n = strlen (s), o = 0;
  if (n % 4 != 0)
    return bad_base64 ();
  CLEANUP_FREE unsigned char *bytes = mem_alloc (n / 4 * 3 + 1);
  for (size_t i = 0; i < n; i += 4) {
    bool last = i + 4 == n;
    size_t pad = !last ? 0 : s[i + 3] != '=' ? 0 : s[i + 2] != '=' ? 1 : 2;
    uint32_t v = 0;
    for (size_t k = 0; k < 4; k++) {
      int d = k >= 4 - pad ? 0 : b64_value (s[i + k]);
      if (d < 0)
        return bad_base64 ();
      v = v << 6 | (uint32_t)d;
    }
    if ((pad == 1 && (v & 0xff) != 0) || (pad == 2 && (v & 0xffff) != 0))
      return bad_base64 ();
    bytes[o++] = (unsigned char)(v >> 16 & 0xff);
    if (pad < 2)
      bytes[o++] = (unsigned char)(v >> 8 & 0xff);
    if (pad < 1)
      bytes[o++] = (unsigned char)(v & 0xff);
  }
  *len = o;
  *out = STEAL (bytes);
  return NULL;
}

char *
text_hex (const unsigned char *bytes, size_t len)
{
  char *out = mem_resize (NULL, len + 1, 2);
  for (size_t i = 0; i < len; i++) {
    out[2 * i] = hex_lower[bytes[i] >> 4];
    out[2 * i + 1] = hex_lower[bytes[i] & 15];
  }
  out[2 * len] = 0;
  return out;
}
