/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns with *, **, ?, classes and backslashes, against bytes that need
 * not end with a NUL.  Pure. */
#ifndef REHOME_TREE_GLOB_H
#define REHOME_TREE_GLOB_H

#include <stdbool.h>

/* Whether `pattern` matches all of [s, end).  A class that is not closed
 * matches nothing.  Work is bounded: a pattern that would take more than
 * some millions of steps on a path does not match. */
bool glob_match (const char *pattern, const char *s, const char *end);

#endif
