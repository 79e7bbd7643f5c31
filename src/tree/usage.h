/* SPDX-License-Identifier: Apache-2.0 */
/* How much a tree holds, and its manifest for sha256sum. */
#ifndef REHOME_TREE_USAGE_H
#define REHOME_TREE_USAGE_H

#include "tree/filter.h"
#include "tree/watch.h"
#include "wire/stream.h"

/* Counts; `bytes`, `allocated` and `data` (what a first copy sends: without
 * holes) of inodes with several names once.  `uses`: array of words of
 * tree/probe.h that are looked for, or NULL. */
struct err *tree_usage (const char *root, const struct filter *filter,
                        const json_t *uses, struct tree_watch *watch,
                        json_t **result);
/* The same from the index `acked` of the last copy in place of a walk, which
 * costs a tenth: how much there was then, for a total to measure progress by.
 * *result is NULL where that cannot stand for a walk: no index, another root
 * than then, an empty one, inodes that seem to have names outside, swap files
 * on this host. */
struct err *tree_usage_known (const char *root, const struct filter *filter,
                              const json_t *uses, const char *acked,
                              json_t **result);
/* Lines as `sha256sum` writes them, paths relative to the root ("./" none),
 * from the last index of this side.  A single file's name is `single`. */
struct err *tree_manifest (const char *index_dir, const char *index,
                           const char *single, struct sink *out,
                           json_t **result);

#endif
