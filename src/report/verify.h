/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a journal's chain: a database, exported lines, or a directory that
 * holds either. */
#ifndef REHOME_REPORT_VERIFY_H
#define REHOME_REPORT_VERIFY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct verified {
  uint64_t records;
  char first[65]; /* what the first record rests on: the plan's hash */
  char head[65];
};

/* `plan_hash` NULL: the chain starts with what the first record says.  Any
 * byte that was changed is "RH-JOURNAL-CHAIN" with the record's number. */
struct err *verify_path (const char *path, const char *plan_hash,
                         struct verified *out);

/* Whether it looks like an evidence bundle (report/bundle.h) instead. */
bool verify_is_bundle (const char *path);

#endif
