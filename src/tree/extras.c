/* SPDX-License-Identifier: Apache-2.0 */
/* A walk merged with a list. */
#include "tree/extras.h"

#include "base/vec.h"
#include "tree/index.h"
#include "tree/walk.h"

#include <string.h>

struct found {
  struct buf paths;
  VEC (size_t) at;
};

static void
found_clear (struct found *f)
{
  buf_free (&f->paths);
  VEC_FREE (&f->at);
}

static struct err *
collect (const struct extras *x, struct found *f)
{
  CLEANUP_INDEX struct index *list = NULL;
  CLEANUP_WALK struct walk *walk = NULL;
  TRY (index_open (x->list, &list));
  TRY (walk_open (x->root, x->filter, &walk));
  for (;;) {
    struct tree_entry *e;
    const struct tree_entry *known;
    TRY (walk_next (walk, &e));
    if (e == NULL)
      return NULL;
    TRY (index_seek (list, e->path, e->path_len, NULL, NULL, &known));
    if (known != NULL || e->path_len == 0)
      continue;
    *VEC_PUSH (&f->at) = f->paths.len;
    TRY (buf_put (&f->paths, e->path, e->path_len + 1));
  }
}

struct err *
extras_find (const struct extras *x, uint64_t *count)
{
  CLEANUP (found_clear)
  struct found f = { .paths = { .max = (size_t)4 << 30 } };
  TRY (collect (x, &f));
  *count = f.at.n;
  if (f.at.n > x->limit)
    return NULL;
  for (size_t i = f.at.n; i-- > 0;) {
    const char *path = (const char *)f.paths.data + f.at.v[i];
    TRY (x->each (x->ctx, path, strlen (path)));
  }
  return NULL;
}
