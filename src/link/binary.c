/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's program as it is pushed; see binary.h. */
#include "link/binary.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <string.h>

#define STEP ((size_t)256 << 10)

static struct err *
read_all (int fd, const char *path, struct buf *b)
{
  for (;;) {
    unsigned char *room;
    TRY (buf_reserve (b, STEP, &room));
    ssize_t n = read (fd, room, STEP);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_sys (errno, "RH-LINK-AGENT", "%s", path);
    b->len += (size_t)n;
    if (n == 0)
      return NULL;
  }
}

struct err *
binary_read (const char *path, struct binary *out)
{
  struct sha256_ctx sha;
  unsigned char digest[SHA256_DIGEST_SIZE];
  out->bytes = (struct buf)BUF_INIT;
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return err_sys (errno, "RH-LINK-AGENT", "the agent's program %s", path);
  TRY (read_all (fd, path, &out->bytes));
  if (out->bytes.len < 4 || memcmp (out->bytes.data, "\177ELF", 4) != 0)
    return err_new (ERR_REFUSED, "RH-LINK-AGENT", "%s is not a program", path);
  sha256_init (&sha);
  sha256_update (&sha, out->bytes.len, out->bytes.data);
  sha256_digest (&sha, sizeof digest, digest);
  CLEANUP_FREE char *hex = text_hex (digest, sizeof digest);
  memcpy (out->digest, hex, sizeof out->digest);
  return NULL;
}

void
binary_clear (struct binary *b)
{
  buf_free (&b->bytes);
}
