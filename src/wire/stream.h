/* SPDX-License-Identifier: Apache-2.0 */
/* A one-way stream of bytes, as tree, agent and link pass it on: an ops
 * struct each way.  One thread uses an object at a time. */
#ifndef REHOME_WIRE_STREAM_H
#define REHOME_WIRE_STREAM_H

#include "base/err.h"

#include <stddef.h>

struct sink {
  /* Takes all `len` bytes or fails; may wait for the peer. */
  struct err *(*put) (void *ctx, const void *data, size_t len);
  void *ctx;
};

struct source {
  /* Gives 1..cap bytes, or *len = 0 at the orderly end. */
  struct err *(*get) (void *ctx, void *data, size_t cap, size_t *len);
  void *ctx;
};

#endif
