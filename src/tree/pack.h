/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream in blocks, each as it is or compressed with zstd (RFC 8878).
 *
 * A block is a header of 12 bytes: kind (1: as it is, 2: zstd), three zero
 * bytes, length here (4), length of what it stands for (4); then the bytes.
 * A compressed block stands for 1 byte to 256 KiB, and is shorter than that;
 * one that is not has at most 1 MiB.  A zstd block is one frame, and nothing
 * is remembered from block to block.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_PACK_H
#define REHOME_TREE_PACK_H

#include "tree/pack_choice.h"
#include "tree/watch.h"
#include "wire/stream.h"

enum { PACK_HEADER = 12, PACK_KIND_PLAIN = 1, PACK_KIND_ZSTD = 2 };
#define PACK_BLOCK ((size_t)256 << 10)
#define PACK_PLAIN_MAX ((size_t)1 << 20)

/* `to` and `watch` (of which `packed_from` and `packed_to` are kept) are
 * borrowed. */
struct pack;
struct pack *pack_new (enum pack_mode mode, struct sink *to,
                       struct tree_watch *watch);
struct sink pack_sink (struct pack *p);
/* Sends what is still held. */
struct err *pack_finish (struct pack *p);
void pack_free (struct pack *p);
static inline void
cleanup_pack_ (struct pack **p)
{
  pack_free (*p);
}
#define CLEANUP_PACK CLEANUP (cleanup_pack_)

/* The way back: what comes from `from` (borrowed) is not trusted.
 * "RH-TREE-STREAM" where a block breaks the format, or stands for more than it
 * says. */
struct unpack;
struct unpack *unpack_new (struct source *from);
struct source unpack_source (struct unpack *u);
void unpack_free (struct unpack *u);
static inline void
cleanup_unpack_ (struct unpack **u)
{
  unpack_free (*u);
}
#define CLEANUP_UNPACK CLEANUP (cleanup_unpack_)

#endif
