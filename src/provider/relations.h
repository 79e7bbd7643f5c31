/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows of a database mean to each other, as each of two servers says
 * it by itself: rows whose foreign key leads nowhere, and when there are rows,
 * and when there are none.  Both may have been so before; then they are the
 * same on both sides.
 */
#ifndef REHOME_PROVIDER_RELATIONS_H
#define REHOME_PROVIDER_RELATIONS_H

#include "wire/json.h"

#include <stdbool.h>

/* Whether these looks, which read every table once more, are made: not where
 * its tables hold so much (the last round's "bytes") that the proof would take
 * the time of a first digest. */
bool relations_looked_at (const json_t *final);
/* Of {"keys": {NAME: rows that lead nowhere}, "hours": {NAME: words}} what
 * differs, in words. */
void relations_compare (const json_t *source, const json_t *target,
                        json_t *differences);

#endif
