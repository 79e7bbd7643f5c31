/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What most verbs of trees take, checked, and what their workers give up before
 * they begin.
 *
 * Threads: any; one object belongs to one call.
 */
#ifndef REHOME_AGENT_TREE_ARGS_H
#define REHOME_AGENT_TREE_ARGS_H

#include "agent/verb.h"
#include "base/cleanup.h"
#include "tree/inventory.h"
#include "tree/receive.h"

struct tree_args {
  char *root;
  char *index_dir; /* NULL without `migration` */
  char *laid_dir;  /* where rounds are laid up; mostly NULL */
  const char *index;
  struct filter *filter;
  struct paths force, reread, remove;
  struct hints hints; /* of "paths" */
  bool hinted;
  struct idmaps maps;
  struct tree_watch watch;
};
void tree_args_clear (struct tree_args *c);
#define CLEANUP_TREE_ARGS CLEANUP (tree_args_clear)

/* All but the laid directory; `index`: "migration" and "index" must be there.
 */
struct err *tree_args_read (struct verb_call *call, bool index,
                            struct tree_args *c);
/* Of these the two alone; not `required`: none or both. */
struct err *tree_args_index (const json_t *args, bool required,
                             struct tree_args *c);
/* The directory of rounds that are laid up; behind tree_args_index. */
struct err *tree_args_laid (const json_t *args, struct tree_args *c);
/* What tree.receive and tree.laid-apply share. */
struct err *tree_args_receive (const json_t *args, const struct tree_args *c,
                               struct tree_receive *a);
/* Of all that is asked for; borrows from *c. */
struct inventory_args tree_args_inventory (const struct tree_args *c);

/* The worker gives up all but the tree and the directories of its indexes.
 * `root`: -1 where there is none.  Nothing in the agent itself. */
struct err *tree_args_confine (const struct tree_args *c, int root, bool write);
/* Before a tree is read. */
struct err *tree_args_confine_reader (const struct tree_args *c,
                                      bool make_index);
/* Once it is known below what a receiver writes; ctx: the arguments. */
struct err *tree_args_confine_writer (void *ctx, int dirfd);

#endif
