/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving a tree: applies the stream of tree_send below a root, nowhere
 * else.
 *
 * First copy: in place, under a root that was empty or absent (or whose
 * content was moved aside, where that is allowed); a mark NAME.own in the
 * index directory says that what lies there is ours.  Later rounds: a
 * temporary name and a rename for each file.  A mark NAME.busy tells that a
 * receive was interrupted, or that nobody said that the source knows of it: a
 * delta is then refused with "RH-TREE-RESUME" unless it lists everything.
 */
#ifndef REHOME_TREE_RECEIVE_H
#define REHOME_TREE_RECEIVE_H

#include "tree/filter.h"
#include "tree/idmap.h"
#include "tree/paths.h"
#include "tree/watch.h"
#include "wire/stream.h"

struct tree_receive {
  const char *root;            /* absolute */
  const struct filter *filter; /* never removed; or NULL */
  const struct idmaps *maps;
  const char *index_dir;
  const char *index;
  bool seed;
  const char *aside; /* directory for what was in the way, or NULL */
  bool overwrite;    /* what is in the way may be moved aside */
  bool merge;        /* what is there may be anybody's: names are replaced */
  bool keep;         /* what the sender does not name stays; DELETEs go */
  bool adopt;        /* what is there is what the sender was told it is */
  bool again;        /* a round that an interruption left is applied again */
  /* Not 0: a first copy, which can go on where it was interrupted.  With
   * `seed` and a delta it does. */
  int64_t attempt;
  int64_t checkpoint_ms; /* 0: every 30 s, or 4 GiB */
  uint64_t delete_limit;
  const struct paths *remove; /* to be removed besides; or NULL */
  /* Called once, before a thread is started and before anything is written,
   * with the directory outside of which nothing is written any more (the
   * root, or what holds a single file); may be NULL. */
  struct err *(*settled) (void *ctx, int dirfd);
  void *settled_ctx;
};

/* Errors beside others: RH-TREE-INWAY, RH-TREE-ASIDE, RH-TREE-NOSPACE,
 * RH-TREE-DELETES, RH-TREE-CORRUPT (the data is not what the sender read),
 * RH-TREE-MISSING (the target lacks what the source believes there),
 * RH-TREE-RESUME, RH-TREE-STREAM. */
struct err *tree_receive (const struct tree_receive *a, struct source *in,
                          struct tree_watch *watch, json_t **result);

/* The source has made what was received the base of its next round
 * (tree_commit): what it does not name then was not made by this receive. */
struct err *tree_acknowledge (const char *index_dir, const char *index);

#endif
