/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What receives wrote below a root since all of it was last read back and
 * compared (NAME.touched beside the index): so that behind the freeze only
 * that has to be compared once more.  Good within one boot and up to a bound;
 * beyond, and after a receive that did not end, all counts as touched.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_TOUCHED_H
#define REHOME_TREE_TOUCHED_H

#include "base/buf.h"
#include "tree/hints.h"

#include <stdbool.h>

#define TOUCHED_MAX ((size_t)1 << 20) /* bytes of paths */

struct touched {
  char *path;
  bool known;       /* else all counts as touched */
  struct buf paths; /* each with its NUL */
};

/* For a comparison of everything: nothing is touched but what it could not
 * compare, which it adds before it saves. */
struct err *touched_begin (const char *index_dir, const char *index,
                           struct touched *out);
/* Takes what is known and leaves "all", until touched_save. */
struct err *touched_take (const char *index_dir, const char *index,
                          struct touched *out);
void touched_add (struct touched *t, const char *path, size_t len);
struct err *touched_save (const struct touched *t);
void touched_free (struct touched *t);

/* *known false: all.  Else adds the paths to the hints (not sealed). */
struct err *touched_read (const char *index_dir, const char *index, bool *known,
                          struct hints *out);

#endif
