/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns with *, **, ?, classes and backslashes, against bytes that need
 * not end with a NUL.  Pure. */
#ifndef REHOME_TREE_GLOB_H
#define REHOME_TREE_GLOB_H

#include <stdbool.h>

#define GLOB_MAX 4096 /* bytes of a pattern; no longer one matches */

/* Whether `pattern` matches all of [s, end).  A class that is not closed
 * matches nothing.  Takes time in the product of the two lengths at worst. */
bool glob_match (const char *pattern, const char *s, const char *end);
/* Whether it matches [s, end) or what follows any "/" in it. */
bool glob_match_tail (const char *pattern, const char *s, const char *end);

#endif
