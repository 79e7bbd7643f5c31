/* SPDX-License-Identifier: Apache-2.0 */
/* How two entries of one path differ.  Pure. */
#ifndef REHOME_TREE_DIFFER_H
#define REHOME_TREE_DIFFER_H

#include "tree/entry.h"
#include "wire/json.h"

enum tree_kind {
  KIND_CONTENT,
  KIND_TYPE,
  KIND_MODE,
  KIND_OWNER,
  KIND_GROUP,
  KIND_MTIME,
  KIND_ACL,
  KIND_XATTR,
  KIND_CAPABILITY,
  KIND_LINK,
  KIND_MISSING,
  KIND_EXTRA,
  KIND_SIZE,
  KIND_FLAGS,
  KIND_PROJECT,
  KIND_ATIME,
  KIND_COUNT
};
const char *tree_kind_name (enum tree_kind k);

/* A bit for each kind.  Where neither has a digest another time or size stands
 * for another content.  Ids and ACLs of both are in one id space and order. */
unsigned differ (const struct tree_entry *source,
                 const struct tree_entry *target);
/* What a person needs to see of an entry. */
json_t *differ_show (const struct tree_entry *e);

#endif
