/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/relations.h"

#include "provider/steps.h"

#define READ_AGAIN_BYTES ((json_int_t)64 << 20)

bool
relations_looked_at (const json_t *final)
{
  return json_integer_value (json_at (final, "bytes")) < READ_AGAIN_BYTES;
}

void
relations_compare (const json_t *source, const json_t *target,
                   json_t *differences)
{
  steps_compare ("rows without what they refer to by ",
                 json_at (source, "keys"), json_at (target, "keys"),
                 differences);
  steps_compare ("hours with rows in ", json_at (source, "hours"),
                 json_at (target, "hours"), differences);
}
