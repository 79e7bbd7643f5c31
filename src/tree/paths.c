/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of paths. */
#include "tree/paths.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define PATHS_MAX 1000000

static int
by_bytes (const void *a, const void *b)
{
  return strcmp (*(char *const *)a, *(char *const *)b);
}

/* What of `full` is below `root`, or NULL. */
static const char *
below (const char *root, const char *full)
{
  size_t n = strlen (root);
  while (n > 0 && root[n - 1] == '/')
    n--;
  if (strncmp (root, full, n) != 0 || (full[n] != 0 && full[n] != '/'))
    return NULL;
  full += n;
  while (*full == '/')
    full++;
  return full;
}

struct err *
paths_read (const json_t *a, const char *root, struct paths *out)
{
  *out = (struct paths){ 0 };
  size_t n = json_array_size (a);
  if (n == 0)
    return NULL;
  if (n > PATHS_MAX)
    return err_new (ERR_CORRECT, "RH-LIMIT", "more than %d paths", PATHS_MAX);
  out->v = mem_resize (NULL, n, sizeof *out->v);
  for (size_t i = 0; i < n; i++) {
    const char *text = json_string_value (json_array_get (a, i));
    CLEANUP_FREE char *full = NULL;
    size_t len;
    struct err *e = text == NULL ? err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                                            "a path is not a string")
                                 : text_decode (text, &full, &len);
    if (e != NULL) {
      paths_free (out);
      return e;
    }
    const char *rel = full != NULL ? below (root, full) : NULL;
    if (rel != NULL)
      out->v[out->n++] = mem_strdup (rel);
  }
  qsort (out->v, out->n, sizeof *out->v, by_bytes);
  return NULL;
}

bool
paths_have (const struct paths *p, const char *path)
{
  return p->n > 0
         && bsearch (&path, p->v, p->n, sizeof *p->v, by_bytes) != NULL;
}

void
paths_free (struct paths *p)
{
  for (size_t i = 0; i < p->n; i++)
    free (p->v[i]);
  free (p->v);
  *p = (struct paths){ 0 };
}
