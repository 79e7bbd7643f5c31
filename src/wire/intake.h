/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream that is received: what came and was not yet read, never more than
 * the credit that was granted.  One thread pushes (it never waits), one gets.
 */
#ifndef REHOME_WIRE_INTAKE_H
#define REHOME_WIRE_INTAKE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct intake;

struct intake *intake_new (uint64_t credit);
/* Takes `body` (malloc'd) in any case.  More than was granted is
 * "RH-WIRE-CREDIT"; bytes behind the end "RH-WIRE-FRAME". */
struct err *intake_push (struct intake *in, unsigned char *body, size_t len);
void intake_end (struct intake *in);
/* What is inside is lost; get fails with "RH-WIRE-CANCELLED". */
void intake_close (struct intake *in);
/* Waits; 1..cap bytes, or *len = 0 at the orderly end.  *credit: what the
 * caller has to grant the sender now (counted as granted here); often 0. */
struct err *intake_get (struct intake *in, void *data, size_t cap, size_t *len,
                        uint32_t *credit);
void intake_free (struct intake *in); /* NULL is fine */

#endif
