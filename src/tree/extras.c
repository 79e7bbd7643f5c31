/* SPDX-License-Identifier: Apache-2.0 */
/* A walk, or a log, merged with a list. */
#include "tree/extras.h"

#include "base/vec.h"
#include "tree/index.h"
#include "tree/walk.h"

#include <stdlib.h>
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
found_put (struct found *f, const char *path, size_t len)
{
  *VEC_PUSH (&f->at) = f->paths.len;
  TRY (buf_put (&f->paths, path, len));
  return buf_put_u8 (&f->paths, 0);
}

static const char *
found_path (const struct found *f, size_t i)
{
  return (const char *)f->paths.data + f->at.v[i];
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
    TRY (found_put (f, e->path, e->path_len));
  }
}

/* The part of one receive, whose paths ascend; *begin is where the next one's
 * begins. */
static struct err *
collect_part (const struct extras *x, uint64_t *begin, bool *more,
              struct found *f)
{
  CLEANUP_INDEX struct index *list = NULL;
  struct made_entry e, last = { 0 };
  TRY (index_open (x->list, &list));
  for (uint64_t at = *begin;; *begin = at, last = e) {
    const struct tree_entry *known;
    TRY (made_next (x->made, &at, &e, more));
    if (!*more || tree_path_cmp (e.path, e.len, last.path, last.len) <= 0)
      return NULL;
    TRY (index_seek (list, e.path, e.len, NULL, NULL, &known));
    if (known == NULL && tree_path_ok (e.path, e.len)
        && !filter_hides (x->filter, e.path, e.len, e.is_dir))
      TRY (found_put (f, e.path, e.len));
  }
}

static int
compare_paths (const void *a, const void *b, void *paths)
{
  const char *base = paths;
  const char *x = base + *(const size_t *)a;
  const char *y = base + *(const size_t *)b;
  return tree_path_cmp (x, strlen (x), y, strlen (y));
}

/* In canonical order, each once. */
static void
settle_order (struct found *f)
{
  size_t n = 0;
  if (f->at.n == 0)
    return;
  qsort_r (f->at.v, f->at.n, sizeof *f->at.v, compare_paths, f->paths.data);
  for (size_t i = 0; i < f->at.n; i++)
    if (n == 0 || strcmp (found_path (f, i), found_path (f, n - 1)) != 0)
      f->at.v[n++] = f->at.v[i];
  f->at.n = n;
}

static struct err *
collect_made (const struct extras *x, struct found *f)
{
  uint64_t begin = 0;
  bool more = true;
  while (more)
    TRY (collect_part (x, &begin, &more, f));
  settle_order (f);
  return NULL;
}

struct err *
extras_find (const struct extras *x, uint64_t *count)
{
  CLEANUP (found_clear)
  struct found f = { .paths = { .max = (size_t)4 << 30 } };
  TRY (x->made != NULL ? collect_made (x, &f) : collect (x, &f));
  *count = f.at.n;
  if (f.at.n > x->limit)
    return NULL;
  for (size_t i = f.at.n; i-- > 0;) {
    const char *path = found_path (&f, i);
    TRY (x->each (x->ctx, path, strlen (path)));
  }
  return NULL;
}
