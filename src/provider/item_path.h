/* SPDX-License-Identifier: Apache-2.0 */
/* What items that are named by a path have in common. */
#ifndef REHOME_PROVIDER_ITEM_PATH_H
#define REHOME_PROVIDER_ITEM_PATH_H

#include "wire/json.h"

#include <stdbool.h>

/* Without the slashes at its end; the caller frees. */
char *item_path (const char *path);
/* On the source, as the plan's key `key` names it, and on the target (`to`, or
 * the same path).  The caller frees. */
char *item_path_from (const json_t *spec, const char *key);
char *item_path_to (const json_t *spec, const char *key);
/* The name of its index files: `kind`, then letters, digits and "-" of the path
 * on the source, whichever way a call goes, with a hash; another one on the
 * target, since both may be one machine.  The caller frees. */
char *item_path_index (const char *kind, const char *path, bool target);

#endif
