/* SPDX-License-Identifier: Apache-2.0 */
/* A set of paths below a root, looked up by bisection. */
#ifndef REHOME_TREE_PATHS_H
#define REHOME_TREE_PATHS_H

#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stddef.h>

struct paths {
  char **v; /* relative to the root */
  size_t n;
};

/* `a`: array of percent-encoded absolute paths, or NULL; those that do not
 * lie below `root` are passed over. */
struct err *paths_read (const json_t *a, const char *root, struct paths *out);
bool paths_have (const struct paths *p, const char *path);
void paths_free (struct paths *p);

#endif
