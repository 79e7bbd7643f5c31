/* SPDX-License-Identifier: Apache-2.0 */
/* An open-addressed table of inodes. */
#include "tree/links.h"

#include "base/mem.h"

#include <stdlib.h>

static size_t
slot (const struct links *l, uint64_t dev, uint64_t ino)
{
  uint64_t h = (ino ^ dev << 40) * 0x9e3779b97f4a7c15u;
  size_t i = (size_t)(h >> 20) & (l->cap - 1);
  while (l->v[i].path != NULL && (l->v[i].ino != ino || l->v[i].dev != dev))
    i = (i + 1) & (l->cap - 1);
  return i;
}

static void
grow (struct links *l)
{
  struct links old = *l;
  l->cap = old.cap == 0 ? 64 : old.cap * 2;
  l->v = mem_resize (NULL, l->cap, sizeof *l->v);
  for (size_t i = 0; i < l->cap; i++)
    l->v[i] = (struct link_first){ 0 };
  for (size_t i = 0; i < old.cap; i++)
    if (old.v[i].path != NULL)
      l->v[slot (l, old.v[i].dev, old.v[i].ino)] = old.v[i];
  free (old.v);
}

struct link_first *
links_find (struct links *l, uint64_t dev, uint64_t ino)
{
  if (l->cap == 0)
    return NULL;
  struct link_first *f = &l->v[slot (l, dev, ino)];
  return f->path != NULL ? f : NULL;
}

struct link_first *
links_meet (struct links *l, uint64_t dev, uint64_t ino, const char *path,
            size_t len)
{
  if (l->n * 2 >= l->cap)
    grow (l);
  struct link_first *f = &l->v[slot (l, dev, ino)];
  if (f->path != NULL) {
    f->names++;
    return f;
  }
  *f = (struct link_first){ .dev = dev,
                            .ino = ino,
                            .path = mem_strndup (path, len),
                            .len = len,
                            .names = 1 };
  l->n++;
  return NULL;
}

void
links_free (struct links *l)
{
  for (size_t i = 0; i < l->cap; i++)
    free (l->v[i].path);
  free (l->v);
  *l = (struct links){ 0 };
}
