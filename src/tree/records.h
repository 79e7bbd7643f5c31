/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream between two trees: a magic line, then records of
 *   u8 type, u8 0, u16 0, u32 length, payload.
 * docs/PROTOCOL.md lists them.  A record's payload is at most RECORD_MAX bytes.
 */
#ifndef REHOME_TREE_RECORDS_H
#define REHOME_TREE_RECORDS_H

#include "base/buf.h"
#include "base/err.h"
#include "tree/entry.h"
#include "wire/stream.h"

enum tree_record {
  REC_NONE,     /* the end of a stream */
  REC_HEAD,     /* u32 flags, u64 files and u64 bytes expected (0: unknown) */
  REC_CONTENT,  /* entry; of a file: DATA and HOLE follow, then FILE_END */
  REC_META,     /* entry: content is as it was */
  REC_KEEP,     /* path: unchanged (in a listing stream) */
  REC_DATA,     /* bytes */
  REC_HOLE,     /* u64 length */
  REC_FILE_END, /* u64 size, XXH3-128 */
  REC_DELETES,  /* u64: how many deletions follow */
  REC_DELETE,   /* path; from the last to the first in canonical order */
  REC_ENTRY,    /* entry of a list */
  REC_END,      /* u64 count of records before */
  REC_ALLOC,    /* of a file, behind its data: u64 offset, u64 length that
                   have blocks and were never written */
  REC_PATCH,    /* what the target has (u64 size; i64, u32 mtime), entry: some
                   blocks of a regular file; BLOCKS follow, then FILE_END */
  REC_BLOCKS,   /* u64 offset, bytes; ascending */
  REC_REST,     /* u64 offset, entry: of a half-sent file the target has so many
                   bytes; what follows comes behind them */
  REC_TYPE_END
};

enum {
  STREAM_DELTA = 1,   /* else every entry is in the stream */
  STREAM_LISTING = 2, /* a delta with a KEEP for what is unchanged */
  STREAM_LIST = 4,    /* entries to compare with */
  STREAM_FLAGS = 7
};

#define RECORD_MAX (TREE_ENTRY_MAX)

struct record_writer {
  struct sink *sink;
  struct buf buf;
  uint64_t count;
};
struct err *record_begin (struct record_writer *w, uint32_t flags,
                          uint64_t files, uint64_t bytes);
struct err *record_entry (struct record_writer *w, enum tree_record type,
                          const struct tree_entry *e);
struct err *record_put (struct record_writer *w, enum tree_record type,
                        const void *payload, size_t len);
struct err *record_u64 (struct record_writer *w, enum tree_record type,
                        uint64_t v);
/* REC_END, and all that is buffered. */
struct err *record_finish (struct record_writer *w);
void record_writer_free (struct record_writer *w);

struct record_reader {
  struct source *source;
  struct buf buf;
  size_t used; /* bytes of `buf` that the last record took */
  uint64_t count;
  bool ended;
};
struct tree_head {
  uint32_t flags;
  uint64_t files, bytes;
};
struct err *record_read_head (struct record_reader *r, struct tree_head *out);
/* The next record; its bytes are valid until the next call.  *type REC_NONE:
 * the stream is whole and over.  "RH-TREE-STREAM" where it breaks the format or
 * ends early. */
struct err *record_next (struct record_reader *r, enum tree_record *type,
                         struct cursor *payload);
/* The record that record_next will give, without taking it.  REC_END is given
 * as it is. */
struct err *record_peek (struct record_reader *r, enum tree_record *type,
                         struct cursor *payload);
void record_reader_free (struct record_reader *r);
struct err *record_bad (const char *what);

#endif
