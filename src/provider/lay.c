/* SPDX-License-Identifier: Apache-2.0 */
/* Room for what is laid up on the source; see lay.h. */
#include "provider/lay.h"

#include <string.h>

#define SPARE_BYTES ((uint64_t)256 << 20)

struct err *
lay_room (const struct step_call *call, const char *what, const char *where,
          uint64_t most)
{
  CLEANUP_JSON json_t *space = NULL;
  uint64_t free_bytes;
  TRY (port_call (
      call->target, "space",
      json_pack ("{s:o}", "path", json_bytes (where, strlen (where))), &space));
  TRY (json_get_u64 (space, "bytes_free", &free_bytes));
  if (free_bytes > most + SPARE_BYTES)
    return NULL;
  return err_new (ERR_REFUSED, "RH-FILES-NOSPACE",
                  "what %s took cannot be laid up on the source: %llu MiB may "
                  "be needed, %llu MiB are free",
                  what, (unsigned long long)((most + SPARE_BYTES) >> 20),
                  (unsigned long long)(free_bytes >> 20));
}
