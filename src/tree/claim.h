/* SPDX-License-Identifier: Apache-2.0 */
/* Whose content lies at a root on the target: the marks NAME.own and NAME.busy
 * in the index directory, and what is in the way. */
#ifndef REHOME_TREE_CLAIM_H
#define REHOME_TREE_CLAIM_H

#include "tree/entry.h"
#include "tree/receive.h"

struct claim {
  int parent;             /* directory that holds the root, or -1 */
  const char *leaf;       /* borrowed from the root's path */
  bool fresh;             /* nothing lies there, or an empty directory */
  bool interrupted;       /* the last receive was not acknowledged */
  struct tree_time above; /* the parent's time, which is given back */
  char *kept_aside;       /* where what was in the way lies now, or NULL */
  char *own, *busy;       /* paths of the marks */
};

/* Looks, moves aside where allowed, and leaves both marks, durable. */
struct err *claim_take (const struct tree_receive *a, struct claim *out);
/* Gives the parent its time back and writes the own mark anew (the root is
 * there now).  The busy mark stays until tree_acknowledge. */
struct err *claim_done (struct claim *c, const char *root);
void claim_clear (struct claim *c);

#endif
