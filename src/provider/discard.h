/* SPDX-License-Identifier: Apache-2.0 */
/* What the discards of several providers share: how they tell what they did,
 * and how what a move made leaves its record.  Errors are those of the port. */
#ifndef REHOME_PROVIDER_DISCARD_H
#define REHOME_PROVIDER_DISCARD_H

#include "provider/provider.h"

/* What was removed, put back, and kept, as `out` of a provider's discard tells
 * it. */
void discard_removed (json_t *out, const char *what, json_int_t entries,
                      json_int_t bytes);
void discard_restored (json_t *out, const char *what);
void discard_kept (json_t *out, const char *what, const char *why);
/* Of a database: whether another one of its kind in the plan still has its
 * record (the caller frees what `record` gives) on the target, and with it a
 * use for the accounts that the move made. */
struct err *discard_others (const struct step_call *call,
                            char *(*record) (const struct step_call *call),
                            bool *out);
/* The names under "made" in the record at `path` on the target, the last first:
 * each that `drop` says is gone leaves the record at once, unless `dry`. */
struct err *discard_made (const struct step_call *call, const char *path,
                          struct err *(*drop) (const struct step_call *call,
                                               const char *name, bool dry,
                                               json_t *out, bool *gone),
                          bool dry, json_t *out);

#endif
