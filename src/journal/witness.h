/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a witness signs: the journal's head at a phase's beginning, so that a
 * chain that was written anew afterwards does not fit the signature.
 *
 *   rehome witness 1
 *   migration shop
 *   seq 123
 *   hash 64 hex digits
 *   phase guarded
 *
 * each line with a newline.  Its record is docs/JOURNAL.md's `witness`.
 */
#ifndef REHOME_JOURNAL_WITNESS_H
#define REHOME_JOURNAL_WITNESS_H

#include <stdint.h>

/* The namespaces of the signatures over heads, and over a bundle's list. */
#define WITNESS_SPACE "rehome-witness"
#define BUNDLE_SPACE "rehome-bundle"

/* The caller frees. */
char *witness_text (const char *migration, uint64_t seq, const char *hash,
                    const char *phase);

#endif
