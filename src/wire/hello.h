/* SPDX-License-Identifier: Apache-2.0 */
/* The first frame of each side: who speaks, and which versions. */
#ifndef REHOME_WIRE_HELLO_H
#define REHOME_WIRE_HELLO_H

#include "wire/frame.h"

enum { HELLO_MIN = 1, HELLO_MAX = 1 };

/* A new object with this side's versions; the members of `facts` are added
 * (may be NULL). */
json_t *hello_new (const json_t *facts);
/* Reads the peer's; anything else that comes first is "RH-WIRE-HELLO". */
struct err *hello_read (struct frame_reader *r, json_t **out);
/* The highest version of both; none: "RH-LINK-VERSION" with both ranges. */
struct err *hello_agree (const json_t *theirs, int64_t *version);

#endif
