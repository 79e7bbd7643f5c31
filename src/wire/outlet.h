/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending side of a connection: whole frames, from any thread.  The
 * process must ignore SIGPIPE.  A send waits while the peer's side of the pipe
 * is full; a peer that is gone is "RH-WIRE-LOST" (transient).
 */
#ifndef REHOME_WIRE_OUTLET_H
#define REHOME_WIRE_OUTLET_H

#include "wire/frame.h"

struct outlet;

struct outlet *outlet_new (int fd); /* owns fd from here on */
struct err *outlet_frame (struct outlet *o, enum frame_type type, uint32_t call,
                          uint32_t value, const void *body, size_t len);
/* A JSON message, over as many frames as it needs; above MESSAGE_MAX
 * "RH-LIMIT" (nothing is sent then). */
struct err *outlet_json (struct outlet *o, enum frame_type type, uint32_t call,
                         const json_t *message);
/* Milliseconds since the last frame was sent. */
int64_t outlet_quiet_ms (struct outlet *o);
/* Closes the descriptor: the peer sees the end.  Waits for a send under way,
 * so a peer that does not read must be ended first. */
void outlet_close (struct outlet *o);
void outlet_free (struct outlet *o); /* closes, too; NULL is fine */

#endif
