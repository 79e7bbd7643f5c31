/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What receives that were not acknowledged have made below a root that is also
 * others' (NAME.made beside the index): the source may have lost it again
 * before it ever knew that it is there, and then nobody else knows that it is
 * to go.
 *
 * A record is there before its entry can be, also when the process is killed
 * right then: it lies in a shared mapping, and its length is written last.
 * What a power cut takes of it stays on the target.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_MADE_H
#define REHOME_TREE_MADE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct made;
/* `on`: what is there was left by a receive without an end, and stays; else
 * it is removed.  New records come behind it. */
struct err *made_open (const char *index_dir, const char *index, bool on,
                       struct made **out);
struct err *made_add (struct made *m, const char *path, size_t len,
                      bool is_dir);

struct made_entry {
  const char *path; /* borrowed from the file's mapping; no NUL behind it */
  size_t len;
  bool is_dir;
};
/* Whether there was anything when it was opened, and each of that: *at begins
 * with 0; *more is false behind the last.  Paths ascend in canonical order
 * within each receive, and begin anew with the next. */
bool made_any (const struct made *m);
struct err *made_next (struct made *m, uint64_t *at, struct made_entry *out,
                       bool *more);

/* All of it is acknowledged or gone. */
struct err *made_drop (const char *index_dir, const char *index);
void made_free (struct made *m);

#endif
