/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sample records of a database's tables side by side: the same few of each
 * table that has an integer key, from places that are not known before, as
 * both servers give them by themselves.  A second look beside digests, by
 * another way: columns as the servers print them, found by the key's index.
 */
#ifndef REHOME_PROVIDER_SAMPLES_H
#define REHOME_PROVIDER_SAMPLES_H

#include "base/buf.h"
#include "provider/provider.h"

#include <stddef.h>
#include <stdint.h>

/* How an engine is asked.  A table has "name" and "key" ("": none), and what
 * else its engine's functions need. */
struct samples_engine {
  /* Adds a statement that gives the line "INDEX, least key, greatest key",
   * parted by tabs. */
  struct err *(*reach) (struct buf *sql, size_t index, const json_t *table);
  /* And "INDEX, key, columns" of the first record whose key is `from` or
   * more. */
  struct err *(*record) (struct buf *sql, size_t index, const json_t *table,
                         int64_t from);
  /* What the statements give; the caller frees. */
  struct err *(*run) (const struct step_call *call, struct port *p,
                      const char *sql, char **out);
};

/* Where in LOW to HIGH (not above each other) the n-th of `of` samples is
 * looked for, `seed` being any number. */
int64_t samples_place (int64_t low, int64_t high, unsigned n, unsigned of,
                       uint64_t seed);
/* *out: {TABLE: [{"key", "source", "target"}...]}, the records as the first
 * half of their SHA-256, since they may be about people.  What differs is
 * added to `differences`, in words. */
struct err *samples_compare (const struct step_call *call,
                             const struct samples_engine *engine,
                             const json_t *tables, json_t *differences,
                             json_t **out);

#endif
