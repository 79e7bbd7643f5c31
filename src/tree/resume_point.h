/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far an interrupted first copy is durable on the target: the mark
 * NAME.upto in its index directory, written after a syncfs.  All that the
 * stream of this attempt held up to and with `path` is on the disk; or, with
 * `inside`, all before `path`, and `offset` bytes of it.
 */
#ifndef REHOME_TREE_RESUME_POINT_H
#define REHOME_TREE_RESUME_POINT_H

#include "base/err.h"
#include "wire/json.h"

#include <stdint.h>

struct resume_point {
  int64_t attempt; /* names the stream; 0: there is no point */
  char *path;      /* owned */
  size_t len;
  bool inside; /* of `path` only `offset` bytes */
  uint64_t offset;
  unsigned char xxh[16]; /* XXH3-128 of those bytes */
};

/* The form of docs/PROTOCOL.md; new reference. */
json_t *resume_point_json (const struct resume_point *p);
/* NULL or absent: no point. */
struct err *resume_point_read (const json_t *j, struct resume_point *out);
void resume_point_free (struct resume_point *p);

/* The mark on the target; a broken one counts as none. */
struct err *resume_mark_put (const char *index_dir, const char *index,
                             const struct resume_point *p);
struct err *resume_mark_get (const char *index_dir, const char *index,
                             struct resume_point *out);
struct err *resume_mark_remove (const char *index_dir, const char *index);

#endif
