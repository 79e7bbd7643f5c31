/* SPDX-License-Identifier: Apache-2.0 */
/* Names in one block of bytes, found by an open-addressed table. */
#include "tree/dirty.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/vec.h"

#include <string.h>
#include <xxhash.h>

struct slot {
  uint64_t seq;
  size_t at; /* of the directory in `bytes`; the name lies behind it */
  uint16_t dir_len;
  bool deep;
};

struct dirty {
  size_t max_names, max_bytes;
  VEC (struct slot) names;
  VEC (char) bytes;
  uint32_t *table; /* index in `names` plus one */
  size_t cap;
};

struct dirty *
dirty_new (size_t max_names, size_t max_bytes)
{
  struct dirty *d = mem_alloc (sizeof *d);
  d->max_names = max_names < UINT32_MAX ? max_names : UINT32_MAX - 1;
  d->max_bytes = max_bytes;
  return d;
}

void
dirty_clear (struct dirty *d)
{
  VEC_FREE (&d->names);
  VEC_FREE (&d->bytes);
  free (d->table);
  d->table = NULL;
  d->cap = 0;
}

void
dirty_free (struct dirty *d)
{
  if (d == NULL)
    return;
  dirty_clear (d);
  free (d);
}

static size_t
find (const struct dirty *d, const void *dir, size_t dir_len, const char *name)
{
  uint64_t h = XXH3_64bits (dir, dir_len)
               ^ XXH3_64bits_withSeed (name, strlen (name), 1);
  size_t i = (size_t)h & (d->cap - 1);
  for (; d->table[i] != 0; i = (i + 1) & (d->cap - 1)) {
    const struct slot *s = &d->names.v[d->table[i] - 1];
    const char *key = d->bytes.v + s->at;
    if (s->dir_len == dir_len && memcmp (key, dir, dir_len) == 0
        && strcmp (key + dir_len, name) == 0)
      break;
  }
  return i;
}

static void
index_all (struct dirty *d)
{
  free (d->table);
  d->table = mem_resize (NULL, d->cap, sizeof *d->table);
  memset (d->table, 0, d->cap * sizeof *d->table);
  for (size_t i = 0; i < d->names.n; i++) {
    const struct slot *s = &d->names.v[i];
    const char *key = d->bytes.v + s->at;
    d->table[find (d, key, s->dir_len, key + s->dir_len)] = (uint32_t)i + 1;
  }
}

bool
dirty_touch (struct dirty *d, const struct dirty_name *n)
{
  if (d->cap == 0)
    return false;
  uint32_t k = d->table[find (d, n->dir, n->dir_len, n->name)];
  if (k == 0)
    return false;
  struct slot *s = &d->names.v[k - 1];
  s->seq = n->seq;
  s->deep |= n->deep;
  return true;
}

static void
put_bytes (struct dirty *d, const void *p, size_t len)
{
  while (d->bytes.cap < d->bytes.n + len)
    vec_room_ ((void **)&d->bytes.v, &d->bytes.cap, d->bytes.cap, 1);
  memcpy (d->bytes.v + d->bytes.n, p, len);
  d->bytes.n += len;
}

bool
dirty_add (struct dirty *d, const struct dirty_name *n)
{
  size_t name_len = strlen (n->name) + 1;
  if (dirty_touch (d, n))
    return true;
  if (d->names.n >= d->max_names || n->dir_len > UINT16_MAX
      || d->bytes.n + n->dir_len + name_len > d->max_bytes)
    return false;
  if ((d->names.n + 1) * 2 > d->cap) {
    d->cap = d->cap == 0 ? 256 : d->cap * 2;
    index_all (d);
  }
  size_t at = find (d, n->dir, n->dir_len, n->name);
  *VEC_PUSH (&d->names) = (struct slot){ .seq = n->seq,
                                         .at = d->bytes.n,
                                         .dir_len = (uint16_t)n->dir_len,
                                         .deep = n->deep };
  put_bytes (d, n->dir, n->dir_len);
  put_bytes (d, n->name, name_len);
  d->table[at] = (uint32_t)d->names.n;
  return true;
}

void
dirty_prune (struct dirty *d, uint64_t seq)
{
  struct dirty *kept = dirty_new (d->max_names, d->max_bytes);
  struct dirty_name n;
  for (size_t at = 0; dirty_next (d, &at, &n);)
    if (n.seq > seq)
      dirty_add (kept, &n);
  dirty_clear (d);
  *d = *kept;
  free (kept);
}

size_t
dirty_count (const struct dirty *d)
{
  return d->names.n;
}

bool
dirty_next (const struct dirty *d, size_t *at, struct dirty_name *out)
{
  if (*at >= d->names.n)
    return false;
  const struct slot *s = &d->names.v[(*at)++];
  const char *key = d->bytes.v + s->at;
  *out = (struct dirty_name){ .dir = key,
                              .dir_len = s->dir_len,
                              .name = key + s->dir_len,
                              .deep = s->deep,
                              .seq = s->seq };
  return true;
}
