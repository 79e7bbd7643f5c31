/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a tree is left out: an ordered list of rules with the patterns that
 * rsync(1) describes under FILTER RULES and PATTERN MATCHING RULES.  The first
 * rule that matches counts; what none matches is taken.
 *   PATTERN, "- PATTERN"  left out       "+ PATTERN"  taken
 *   "!"                   the rules before it do not count
 *   *  any bytes but "/"     **  any bytes     ?  one byte but "/"
 *   [a-z] [!a-z] [[:alpha:]]  a class          \  the next byte as it is
 *   a leading "/" anchors at the item's root; a trailing "/" means directories;
 *   three stars behind the last "/" a directory and all that is in it;
 *   a pattern with a "/" inside or a "**" is compared with the path, from any
 *   of its components on, else with the last component.
 * What lies below a directory left out is left out, too, whatever the rules
 * say of it.
 *
 * Immutable once made; may be shared.
 */
#ifndef REHOME_TREE_FILTER_H
#define REHOME_TREE_FILTER_H

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>

struct filter;

/* `rules`: array of percent-encoded strings, or NULL.  "RH-TREE-EXCLUDE"
 * names a bad one. */
struct err *filter_read (const json_t *rules, struct filter **out);
/* Says whether the entry itself is left out (its parents are not asked). */
bool filter_excludes (const struct filter *f, const char *path, size_t len,
                      bool is_dir);
/* The same with the parents asked, for a path that no walk led to. */
bool filter_hides (const struct filter *f, const char *path, size_t len,
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
