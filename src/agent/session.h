/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection as the agent sees it: hello, calls, heartbeat.  It ends when
 * the controller closes its side, breaks the protocol or is silent too long;
 * then every call is cancelled and awaited.
 */
#ifndef REHOME_AGENT_SESSION_H
#define REHOME_AGENT_SESSION_H

#include "wire/json.h"

/* Takes the two descriptors.  `swept` (may be NULL) stands in the hello.
 * `stop_fd` readable ends it, too (-1: none). Calls that do not end in time are
 * left running: the process is to exit after this.  NULL after an orderly end.
 */
struct err *session_run (int in_fd, int out_fd, int stop_fd,
                         const json_t *swept);

#endif
