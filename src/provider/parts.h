/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that are compared by ranges of an integer key: sums of
 * `program.digest` by group, whose names are "TABLE", "TABLE:PART" or
 * "TABLE:x" (TABLE: its index; PART: the key shifted to the right; x: whatever
 * lies outside the parts that are told apart).  Pure.
 */
#ifndef REHOME_PROVIDER_PARTS_H
#define REHOME_PROVIDER_PARTS_H

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdint.h>

/* How the key of one table is cut; `by` is false where it has none. */
struct parts_cut {
  bool by;
  int shift;
  int64_t low, high; /* first and last part */
};
/* So that keys from `min` to `max` make fewer than `most` parts, of 2^10 keys
 * at least.  A negative key is not cut. */
struct parts_cut parts_cut_of (int64_t min, int64_t max, int64_t most);

/* Parts of a table that one has and the other lacks, or has otherwise. */
struct parts {
  int64_t *v;
  size_t n, cap;
  bool outside;
};
void parts_free (struct parts *p);
#define CLEANUP_PARTS CLEANUP (parts_free)
void parts_changed (size_t table, const json_t *these, const json_t *those,
                    struct parts *out);
/* "(KEY BETWEEN 0 AND 1023 OR ...)", neighbours together; NULL where there is
 * none, or more than 200 ranges (then the whole is less work).  Sorts `p`; the
 * caller frees. */
char *parts_where (struct parts *p, const struct parts_cut *cut,
                   const char *key);

/* Sums of the tables ("ROWS SUM", "0" where there is no row) by the "name" of
 * each in `tables`, from those of their parts, added to `out`.  "RH-PARTS-SUM":
 * `groups` are none. */
struct err *parts_totals (const json_t *tables, const json_t *groups,
                          json_t *out);

#endif
