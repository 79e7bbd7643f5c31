/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the copy of a database takes writes: in each table a row is changed
 * and a row is put in anew, in a transaction of the target that is rolled
 * back.  Before the freeze, when nobody waits; what it left would be found by
 * the next round, which compares the copy with its record.
 */
#ifndef REHOME_PROVIDER_WRITES_H
#define REHOME_PROVIDER_WRITES_H

#include "base/buf.h"
#include "provider/provider.h"

#include <stddef.h>

/* How an engine is asked. */
struct writes_engine {
  /* Adds statements that try a table ("name", and what the engine has put
   * there) and give lines "INDEX ROWS COULD[ WHY]": how many rows a write has
   * changed, and 0 for COULD where there was nothing to try, or by WHY it
   * proves nothing.  Adds nothing for a table that is not to be tried. */
  struct err *(*one) (struct buf *sql, size_t index, const json_t *table);
  const char *begin, *end; /* around all of them */
  /* What the statements give; the caller frees. */
  struct err *(*run) (const struct step_call *call, const char *sql,
                      char **out);
};

/* `tried` gets the names of tables that took both, `differences` and
 * `findings` words about the others. */
struct err *writes_try (const struct step_call *call,
                        const struct writes_engine *engine,
                        const json_t *tables, json_t *tried,
                        json_t *differences, json_t *findings);

#endif
