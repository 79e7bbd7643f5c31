/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a tree is left out: the part of rsync's patterns that people use.
 *   *  any bytes but "/"     **  any bytes     ?  one byte but "/"     [a-z]
 *   a leading "/" anchors at the item's root; a trailing "/" means directories;
 *   a pattern with a "/" inside is compared with the end of the path, else
 *   with the last component.  What lies below a directory left out is, too.
 * Immutable once made; may be shared.
 */
#ifndef REHOME_TREE_FILTER_H
#define REHOME_TREE_FILTER_H

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>

struct filter;

/* `patterns`: array of percent-encoded strings, or NULL.  "RH-TREE-EXCLUDE"
 * names a bad one. */
struct err *filter_read (const json_t *patterns, struct filter **out);
/* Says whether the entry itself is left out (its parents are not asked). */
bool filter_excludes (const struct filter *f, const char *path, size_t len,
                      bool is_dir);
bool filter_empty (const struct filter *f);
void filter_free (struct filter *f);
static inline void
cleanup_filter_ (struct filter **f)
{
  filter_free (*f);
}
#define CLEANUP_FILTER CLEANUP (cleanup_filter_)

#endif
