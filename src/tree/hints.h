/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The paths that a round visits because a watcher named them, with every
 * directory on the way to them, in canonical order.  Once sealed, unchanging.
 */
#ifndef REHOME_TREE_HINTS_H
#define REHOME_TREE_HINTS_H

#include "base/err.h"
#include "base/vec.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stddef.h>

struct hint {
  char *path; /* relative to the root */
  size_t len;
  bool named; /* and not only on the way to others */
  bool deep;  /* with all that lies below */
  size_t end; /* the first hint behind it that does not lie below */
};

struct hints {
  VEC (struct hint) list;
};

/* Adds a path (copied); what is no plain relative path is passed over. */
void hints_add (struct hints *h, const char *path, size_t len, bool deep);
/* Adds an array of percent-encoded paths below the root. */
struct err *hints_read (struct hints *h, const json_t *paths, bool deep);
/* Adds the directories on the way, orders all, drops what is there twice or
 * lies below a deep one. */
void hints_seal (struct hints *h);
/* Whether a sealed set (NULL: none) holds the path, or a deep one above it. */
bool hints_cover (const struct hints *h, const char *path, size_t len);
void hints_free (struct hints *h);
#define CLEANUP_HINTS CLEANUP (hints_free)

#endif
