/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One directory of a walk: its names, what is known of them, and what was
 * asked for ahead: looks at its names, and its subdirectories.
 *
 * Bounded: of JOBS_MAX jobs a directory takes at most half of what the others
 * leave, so that those below it find some.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_OUTLOOK_H
#define REHOME_TREE_OUTLOOK_H

#include "tree/ahead.h"

enum { OUTLOOK_JOBS_MAX = 64, OUTLOOK_DIRS_MAX = 32, OUTLOOK_LOOKS_MAX = 4 };

struct outlook {
  struct listing list;
  struct looks looks;  /* at present */
  struct ahead *ahead; /* borrowed; NULL: nothing is asked */
  size_t depth;
  struct ahead_job *dirs[OUTLOOK_DIRS_MAX]; /* in order of their names */
  size_t n_dirs;
  struct ahead_job *more[OUTLOOK_LOOKS_MAX]; /* looks, likewise */
  size_t n_more;
  size_t scouted, asked; /* names behind which nothing was asked yet */
};

/* Reads the directory `name` in `dirfd`, which `e` is, or takes it from what
 * `above` (or NULL) asked for: 0 or an errno, as scan_dir; then there is
 * nothing to clear. */
int outlook_open (struct outlook *o, struct outlook *above, struct ahead *ahead,
                  int dirfd, const char *name, const struct tree_entry *e,
                  size_t depth);
/* Looks at the name of that index: as tree_stat. */
int outlook_look (struct outlook *o, size_t index, struct tree_entry *e,
                  bool *mount);
/* Asks ahead, from the name `next` on, for subdirectories that lie on `dev`
 * and are `wanted`. */
void outlook_ask (struct outlook *o, uint64_t dev, size_t next,
                  bool (*wanted) (void *ctx, const struct outlook *o,
                                  const char *name),
                  void *ctx);
void outlook_clear (struct outlook *o);

#endif
