/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: everything below a root is read from the disk, at low priority,
 * and compared with what the acknowledged index says was sent from it.
 */
#ifndef REHOME_TREE_AUDIT_H
#define REHOME_TREE_AUDIT_H

#include "tree/inventory.h"
#include "wire/json.h"

struct tree_audit {
  struct inventory_args what; /* index_dir and index name the manifest */
  size_t limit;               /* of examples */
};
/* *result: {"equal", "entries", "differences", "examples", "read", "bytes",
 * "ms"}; a difference is no error.  "RH-TREE-NOBASE" without an index. */
struct err *tree_audit (const struct tree_audit *a, struct tree_watch *watch,
                        json_t **result);

#endif
