/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the owner's socket (exec/door.h), for the command line
 * and the web.  One thread uses an object at a time. */
#ifndef REHOME_EXEC_ASK_H
#define REHOME_EXEC_ASK_H

#include "engine/engine.h"
#include "wire/json.h"

#include <stdbool.h>

struct ask;

/* "RH-EXEC-NOOWNER" when nobody listens there. */
struct err *ask_open (const char *socket_path, struct ask **out);
void ask_close (struct ask *a);
static inline void
cleanup_ask_ (struct ask **a)
{
  ask_close (*a);
}
#define CLEANUP_ASK CLEANUP (cleanup_ask_)

/* The owner's pid as the kernel says it. */
long ask_pid (const struct ask *a);
/* The owner's own error comes back as it was. */
/* `no_way_back`: with a cutover, {"how", "why"} as docs/OWNER.md has it; may be
 * NULL. */
struct err *ask_request (struct ask *a, enum request r, const char *actor,
                         const json_t *no_way_back);
/* A signed approval (journal/approval.h), which the owner checks. */
struct err *ask_approve (struct ask *a, const char *text, const char *signature,
                         const char *actor);
struct err *ask_stop (struct ask *a);
/* From here on ask_next gives what comes after record `since`. */
struct err *ask_watch (struct ask *a, uint64_t since);
/* Waits at most `ms` (-1: for ever) for one line; *out NULL: nothing came, or
 * *closed: the owner has ended. */
struct err *ask_next (struct ask *a, long ms, json_t **out, bool *closed);

#endif
