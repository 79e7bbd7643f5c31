/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds that are laid up: streams of tree_send, checked and kept on the disk
 * of the host that may need them, to be applied there later, in order.
 *
 * Files DIR/NAME.N: a delta on those before; DIR/NAME.N.whole: all that
 * changed since the first base, so that those before it are not needed.
 * DIR/.NAME.new: nobody said that the sender has made the last of them the base
 * of its next, which may then not tell what it lost since: a whole one does.
 * Threads: one at a time for one name.
 */
#ifndef REHOME_TREE_LAID_H
#define REHOME_TREE_LAID_H

#include "tree/receive.h"

/* Keeps a whole stream as the next round; one that breaks off leaves nothing.
 * *result: {"round", "bytes", "entries", "deleted"}. */
struct err *tree_lay (const char *dir, const char *name, bool whole,
                      struct source *in, struct tree_watch *watch,
                      json_t **result);
/* The sender has acknowledged the last of them (tree_commit). */
struct err *tree_laid_acknowledge (const char *dir, const char *name);
/* {"rounds": [{"round", "bytes", "whole"}...], "bytes", "new": bool}; those
 * that are needed, in their order, and whether the last is not acknowledged. */
struct err *tree_laid (const char *dir, const char *name, json_t **result);
/* Applies the first of them and removes it; after an interruption the same one
 * again.  *result as of tree_receive, and "left": how many there are still. */
struct err *tree_laid_apply (const char *dir, const struct tree_receive *a,
                             struct tree_watch *watch, json_t **result);

/* Writes the index NAME.`from` again as NAME.`to`, durably.
 * "RH-TREE-NOBASE" where there is none. */
struct err *tree_index_copy (const char *index_dir, const char *index,
                             const char *from, const char *to);

#endif
