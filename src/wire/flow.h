/* SPDX-License-Identifier: Apache-2.0 */
/* The credit of a stream that is sent: how many bytes the receiver still
 * takes.  Any thread may give or close; one takes. */
#ifndef REHOME_WIRE_FLOW_H
#define REHOME_WIRE_FLOW_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct flow;

struct flow *flow_new (uint64_t credit);
/* Waits for credit and takes 1..want of it; "RH-WIRE-CANCELLED" once
 * closed. */
struct err *flow_take (struct flow *f, size_t want, size_t *got);
/* More credit; a sum that no receiver can mean is "RH-WIRE-CREDIT". */
struct err *flow_give (struct flow *f, uint32_t credit);
void flow_close (struct flow *f);
void flow_free (struct flow *f); /* NULL is fine */

#endif
