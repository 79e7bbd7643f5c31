/* SPDX-License-Identifier: Apache-2.0 */
/* Paths to visit. */
#include "tree/hints.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "tree/entry.h"

#include <string.h>

void
hints_add (struct hints *h, const char *path, size_t len, bool deep)
{
  if (len > 0 && !tree_path_ok (path, len))
    return;
  struct hint *one = VEC_PUSH (&h->list);
  one->path = mem_strndup (path, len);
  one->len = len;
  one->deep = deep;
  one->named = true;
}

struct err *
hints_read (struct hints *h, const json_t *paths, bool deep)
{
  size_t i;
  json_t *one;
  json_array_foreach (paths, i, one)
  {
    const char *text = json_string_value (one);
    CLEANUP_FREE char *path = NULL;
    size_t len = 0;
    if (text == NULL)
      return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "a path is not a string");
    TRY (text_decode (text, &path, &len));
    hints_add (h, path, len, deep);
  }
  return NULL;
}

static int
by_path (const void *a, const void *b)
{
  const struct hint *x = a, *y = b;
  int order = tree_path_cmp (x->path, x->len, y->path, y->len);
  return order != 0 ? order : (int)y->deep - (int)x->deep;
}

static void
sort (struct hints *h)
{
  if (h->list.n > 1)
    qsort (h->list.v, h->list.n, sizeof *h->list.v, by_path);
}

static bool
is_below (const struct hint *h, const struct hint *dir)
{
  return dir->len == 0
         || (h->len > dir->len && h->path[dir->len] == '/'
             && memcmp (h->path, dir->path, dir->len) == 0);
}

static bool
is_same (const struct hint *a, const struct hint *b)
{
  return a->len == b->len && memcmp (a->path, b->path, a->len) == 0;
}

/* Drops doubles, and what a deep one before it covers. */
static void
thin (struct hints *h)
{
  size_t kept = 0, deep = SIZE_MAX;
  for (size_t i = 0; i < h->list.n; i++) {
    struct hint *x = &h->list.v[i];
    bool again = kept > 0 && is_same (x, &h->list.v[kept - 1]);
    if (again)
      h->list.v[kept - 1].named |= x->named;
    if (again || (deep != SIZE_MAX && is_below (x, &h->list.v[deep]))) {
      free (x->path);
      continue;
    }
    h->list.v[kept] = *x;
    deep = x->deep ? kept : SIZE_MAX;
    kept++;
  }
  h->list.n = kept;
}

/* In an ordered list most directories on the way were those of the path
 * before, too. */
static void
add_parents (struct hints *h)
{
  size_t n = h->list.n;
  hints_add (h, "", 0, false);
  for (size_t i = 0; i < n; i++)
    for (size_t len = h->list.v[i].len; len-- > 1;) {
      const char *path = h->list.v[i].path;
      if (path[len] != '/')
        continue;
      if (i > 0 && h->list.v[i - 1].len > len
          && h->list.v[i - 1].path[len] == '/'
          && memcmp (h->list.v[i - 1].path, path, len) == 0)
        break;
      hints_add (h, path, len, false);
      h->list.v[h->list.n - 1].named = false;
    }
}

static void
find_ends (struct hints *h)
{
  for (size_t i = h->list.n; i-- > 0;) {
    size_t end = i + 1;
    while (end < h->list.n && is_below (&h->list.v[end], &h->list.v[i]))
      end = h->list.v[end].end;
    h->list.v[i].end = end;
  }
}

void
hints_seal (struct hints *h)
{
  sort (h);
  thin (h);
  add_parents (h);
  sort (h);
  thin (h);
  find_ends (h);
}

bool
hints_cover (const struct hints *h, const char *path, size_t len)
{
  size_t low = 0, high = h != NULL ? h->list.n : 0;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    const struct hint *m = &h->list.v[mid];
    int order = tree_path_cmp (m->path, m->len, path, len);
    if (order == 0)
      return true;
    if (order < 0)
      low = mid + 1;
    else
      high = mid;
  }
  /* Nothing else stands below a deep one. */
  const struct hint one = { .path = (char *)(uintptr_t)path, .len = len };
  const struct hint *before = low > 0 ? &h->list.v[low - 1] : NULL;
  return before != NULL && before->deep && is_below (&one, before);
}

void
hints_free (struct hints *h)
{
  for (size_t i = 0; i < h->list.n; i++)
    free (h->list.v[i].path);
  VEC_FREE (&h->list);
}
