/* SPDX-License-Identifier: Apache-2.0 */
/* Looking codes up, and their document. */
#include "report/codes.h"

#include <string.h>

const struct code_row *
codes_find (const char *code)
{
  for (const struct code_row *c = code_table; c->code != NULL; c++)
    if (strcmp (c->code, code) == 0)
      return c;
  return NULL;
}

struct err *
codes_markdown (struct buf *out)
{
  TRY (buf_put_str (
      out, "# Error codes\n\n"
           "Every message carries one of these. The text is that of `rehome "
           "explain CODE`, and this\ndocument is `rehome explain --markdown`: "
           "a test compares the two, and fails on a code in\nthe source that "
           "is not here.\n\n"
           "| code | what it means | what is safe | what to do |\n"
           "|---|---|---|---|\n"));
  for (const struct code_row *c = code_table; c->code != NULL; c++)
    TRY (buf_printf (out, "| `%s` | %s | %s | %s |\n", c->code, c->means,
                     c->safe, c->todo));
  return NULL;
}
