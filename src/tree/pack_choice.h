/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether compressing a stream pays off, by trying it.
 *
 * As long as nothing is compressed one block a window is, to see what that
 * costs and gives.  It can only gain where the time a byte waits for its
 * reader, less what compressing saves of it, is more than it costs; then it is
 * tried, and kept where the stream is faster by a tenth.  So it stays off on a
 * fast link, before a slow disk at the other end, and with data that does not
 * compress.  It is asked again after a while, either way.
 *
 * Pure: it knows the clock only by what it is told.
 */
#ifndef REHOME_TREE_PACK_CHOICE_H
#define REHOME_TREE_PACK_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pack_mode { PACK_NEVER, PACK_AUTO, PACK_ALWAYS };

struct pack_window {
  int64_t start_ns;
  uint64_t bytes, wire; /* before and after compressing */
  int64_t wait_ns;      /* in the sink */
};

enum pack_state { CHOICE_PLAIN, CHOICE_TRIAL, CHOICE_PACKED };

struct pack_choice {
  enum pack_mode mode;
  enum pack_state state;
  unsigned windows;  /* since the state began */
  unsigned pause;    /* windows until it is asked again, in CHOICE_PLAIN */
  bool probe;        /* the next block is to be a sample */
  double plain_rate; /* bytes a nanosecond */
  double wait;       /* nanoseconds a byte waited, when that was measured */
  struct pack_window now;
};

void pack_choice_begin (struct pack_choice *c, enum pack_mode mode,
                        int64_t now_ns);
/* Whether the next block goes out compressed. */
bool pack_choice_on (const struct pack_choice *c);
/* Whether it is to be compressed as a sample. */
bool pack_choice_probes (const struct pack_choice *c);
void pack_choice_probed (struct pack_choice *c, size_t bytes, size_t packed,
                         int64_t took_ns);
/* A block went out, which took `wait_ns` in the sink. */
void pack_choice_sent (struct pack_choice *c, size_t bytes, size_t wire,
                       int64_t wait_ns, int64_t now_ns);

#endif
