/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of a session: its thread, its streams, its progress, its end.
 *
 * Threads: the session's reader makes a call and feeds it; the call's own
 * thread runs the verb and gives itself back through `ended`.
 */
#ifndef REHOME_AGENT_CALL_H
#define REHOME_AGENT_CALL_H

#include "wire/frame.h"
#include "wire/outlet.h"

struct call;

/* What the session is told, from the call's thread: `leaving` before the
 * answer is sent (its place is free once the controller has it), `ended` as
 * the thread's last act; the session then frees the call. */
struct call_owner {
  void (*leaving) (void *ctx, struct call *c);
  void (*ended) (void *ctx, struct call *c);
  void *ctx;
};

struct call *call_new (uint32_t id, struct outlet *outlet,
                       const struct call_owner *owner);
void call_free (struct call *c);
uint32_t call_id (const struct call *c);

/* A part of the CALL message; once it is whole the thread is started.
 * Errors end the connection. */
struct err *call_text (struct call *c, const struct frame *f);
bool call_started (const struct call *c);
/* DATA (takes the body), END, CREDIT, CANCEL.  Never waits. */
struct err *call_feed (struct call *c, struct frame *f);
void call_cancel (struct call *c);

#endif
