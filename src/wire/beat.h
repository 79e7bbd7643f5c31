/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heartbeat of a connection: a thread of its own that sends a PING when
 * nothing else was sent for a while, and the PONGs, so that the thread that
 * reads never waits for one that writes.
 */
#ifndef REHOME_WIRE_BEAT_H
#define REHOME_WIRE_BEAT_H

#include "wire/outlet.h"

struct beat;

/* The outlet stays the caller's and must live longer.  "RH-WIRE-THREAD". */
struct err *beat_start (struct outlet *o, struct beat **out);
/* A PING came: answer it.  From any thread, never waits. */
void beat_answer (struct beat *b);
/* Ends the thread; waits for a send under way.  NULL is fine. */
void beat_stop (struct beat *b);

#endif
