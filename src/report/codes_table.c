/* SPDX-License-Identifier: Apache-2.0 */
/* What is safe, in the words that many codes share; the rows of the table lie
 * in codes_*.inc, sorted. */
#include "report/codes.h"

#define SAFE_NOTHING "nothing was changed"
#define SAFE_BEFORE \
  "before the pivot the source serves, or goes back to serving by itself"
#define SAFE_SOURCE "the source serves, with everything that it acknowledged"
#define SAFE_TARGET "the target has the data"
#define SAFE_FROZEN \
  "the target was not opened; what is frozen stays so and loses nothing"
#define SAFE_JOURNAL "hosts and data are as they were; the journal has the rest"
#define SAFE_PLAN "no host was asked"

const struct code_row code_table[] = {
#include "report/codes_a.inc"
#include "report/codes_b.inc"
#include "report/codes_c.inc"
  { NULL, NULL, NULL, NULL },
};
