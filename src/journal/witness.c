/* SPDX-License-Identifier: Apache-2.0 */
/* What a witness signs. */
#include "journal/witness.h"

#include "base/mem.h"

#include <inttypes.h>

char *
witness_text (const char *migration, uint64_t seq, const char *hash,
              const char *phase)
{
  return mem_printf ("rehome witness 1\nmigration %s\nseq %" PRIu64
                     "\nhash %s\nphase %s\n",
                     migration, seq, hash, phase);
}
