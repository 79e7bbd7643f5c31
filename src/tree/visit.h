/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk that goes only where it was told to: the paths of `hints` and the
 * directories on the way, in canonical order, from held descriptors, never
 * following a link, within one filesystem, as tree/walk.h does.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_VISIT_H
#define REHOME_TREE_VISIT_H

#include "base/cleanup.h"
#include "tree/hints.h"
#include "tree/walk.h"

enum visit_what {
  VISIT_END,
  VISIT_ENTRY, /* `entry` is there */
  VISIT_GONE,  /* nothing has the name `path`: nor has it anything below */
  VISIT_LEFT,  /* everything below the directory `path` was given */
};

struct visit_step {
  enum visit_what what;
  struct tree_entry *entry; /* as of walk_next */
  bool named;               /* not only on the way to others */
  bool deep;                /* hinted with all below it */
  const char *path;         /* valid until the next call */
  size_t path_len;
};

struct visit;

/* `root` as of walk_open; `filter` (or NULL), `hints` and `notes` are
 * borrowed.  What cannot be read is noted there (walk_unreadable). */
struct err *visit_open (const char *root, const struct filter *filter,
                        const struct hints *hints, struct walk *notes,
                        struct visit **out);
struct err *visit_next (struct visit *v, struct visit_step *out);
/* The directory that was given last is new: all below it is to be given. */
void visit_deepen (struct visit *v);
/* Where the entry last given lies. */
int visit_dirfd (const struct visit *v);
const char *visit_name (const struct visit *v);
void visit_free (struct visit *v);
static inline void
cleanup_visit_ (struct visit **v)
{
  visit_free (*v);
}
#define CLEANUP_VISIT CLEANUP (cleanup_visit_)

#endif
