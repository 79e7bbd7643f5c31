/* SPDX-License-Identifier: Apache-2.0 */
/* What each error code means, what is safe, and what to do: the one table
 * behind `rehome explain`, docs/ERRORS.md and the web.  A test greps the
 * source tree and fails on a code that is not here. */
#ifndef REHOME_REPORT_CODES_H
#define REHOME_REPORT_CODES_H

#include "base/buf.h"

struct code_row {
  const char *code;
  const char *means;
  const char *safe;
  const char *todo;
};
extern const struct code_row code_table[]; /* sorted; ends with NULL */

const struct code_row *codes_find (const char *code);
/* docs/ERRORS.md, whole. */
struct err *codes_markdown (struct buf *out);

#endif
