/* SPDX-License-Identifier: Apache-2.0 */
/* Tables compared by ranges of a key; see parts.h. */
#include "provider/parts.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHIFT_MIN = 10, SHIFT_MAX = 62, RANGES_MAX = 200 };

struct parts_cut
parts_cut_of (int64_t min, int64_t max, int64_t most)
{
  struct parts_cut c = { .by = min >= 0 && max >= min, .shift = SHIFT_MIN };
  if (!c.by)
    return c;
  while (c.shift < SHIFT_MAX && (max >> c.shift) - (min >> c.shift) >= most)
    c.shift++;
  c.low = min >> c.shift;
  c.high = max >> c.shift;
  return c;
}

void
parts_free (struct parts *p)
{
  VEC_FREE (p);
}

/* Of those that `these` has, what `those` has otherwise; or lacks. */
static void
collect (size_t table, const json_t *these, const json_t *those, bool lacks,
         struct parts *out)
{
  const char *name;
  json_t *sum;
  json_object_foreach ((json_t *)(uintptr_t)these, name, sum)
  {
    char *end;
    const json_t *other = json_object_get (those, name);
    if (strtoul (name, &end, 10) != table || *end == '\0'
        || (lacks ? other != NULL : json_equal (sum, other)))
      continue;
    end += strncmp (end, "%3A", 3) == 0 ? 3 : 1; /* names are encoded */
    if (*end == 'x')
      out->outside = true;
    else
      *VEC_PUSH (out) = strtoll (end, NULL, 10);
  }
}

void
parts_changed (size_t table, const json_t *these, const json_t *those,
               struct parts *out)
{
  collect (table, these, those, false, out);
  collect (table, those, these, true, out);
}

static int
by_number (const void *a, const void *b)
{
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* The last key of a part; the highest part ends with the highest number. */
static int64_t
last_of (int64_t part, int shift)
{
  return (int64_t)(((uint64_t)part << shift)
                   + ((UINT64_C (1) << shift) - UINT64_C (1)));
}

static struct err *
put_ranges (struct parts *p, const struct parts_cut *cut, const char *key,
            struct buf *b, size_t *ranges)
{
  for (size_t i = 0; i < p->n; (*ranges)++) {
    size_t last = i;
    while (last + 1 < p->n && p->v[last + 1] <= p->v[last] + 1)
      last++;
    TRY (buf_printf (b, "%s%s BETWEEN %" PRId64 " AND %" PRId64,
                     *ranges == 0 ? "(" : " OR ", key, p->v[i] << cut->shift,
                     last_of (p->v[last], cut->shift)));
    i = last + 1;
  }
  if (!p->outside)
    return NULL;
  (*ranges)++;
  return buf_printf (b, "%s%s NOT BETWEEN %" PRId64 " AND %" PRId64,
                     *ranges == 1 ? "(" : " OR ", key, cut->low << cut->shift,
                     last_of (cut->high, cut->shift));
}

char *
parts_where (struct parts *p, const struct parts_cut *cut, const char *key)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t ranges = 0;
  if (p->n > 0)
    qsort (p->v, p->n, sizeof *p->v, by_number);
  err_free (put_ranges (p, cut, key, &b, &ranges));
  if (!cut->by || ranges == 0 || ranges > RANGES_MAX)
    return NULL;
  err_free (buf_put_str (&b, ")"));
  return buf_steal_str (&b);
}

/* Sums are of 128 bits, and that of a table is the sum of its parts'. */
struct total {
  uint64_t rows, high, low;
};

static struct err *
add_part (struct total *t, const char *text)
{
  unsigned long long rows, high, low;
  if (text == NULL
      || sscanf (text, "%llu %16llx%16llx", &rows, &high, &low) != 3)
    return err_new (ERR_CORRUPT, "RH-PARTS-SUM",
                    "the digest of a table is none");
  t->rows += rows;
  t->low += low;
  t->high += high + (t->low < low);
  return NULL;
}

struct err *
parts_totals (const json_t *tables, const json_t *groups, json_t *out)
{
  size_t n = json_array_size (tables);
  struct total *all CLEANUP_FREE = mem_alloc ((n + 1) * sizeof *all);
  const char *part;
  json_t *sum;
  json_object_foreach ((json_t *)(uintptr_t)groups, part, sum)
  {
    size_t at = strtoul (part, NULL, 10);
    if (at >= n)
      return err_new (ERR_CORRUPT, "RH-PARTS-SUM", "a digest of no table");
    TRY (add_part (&all[at], json_string_value (sum)));
  }
  for (size_t i = 0; i < n; i++)
    json_object_set_new (
        out, json_string_value (json_at (json_array_get (tables, i), "name")),
        all[i].rows == 0
            ? json_string ("0")
            : json_sprintf ("%" PRIu64 " %016" PRIx64 "%016" PRIx64,
                            all[i].rows, all[i].high, all[i].low));
  return NULL;
}
