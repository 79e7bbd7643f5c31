/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's program as it is pushed: its bytes and their SHA-256. */
#ifndef REHOME_LINK_BINARY_H
#define REHOME_LINK_BINARY_H

#include "base/buf.h"

struct binary {
  struct buf bytes;
  char digest[65];
};

/* "RH-LINK-AGENT" when it cannot be read or is no program. */
struct err *binary_read (const char *path, struct binary *out);
void binary_clear (struct binary *b);

#endif
