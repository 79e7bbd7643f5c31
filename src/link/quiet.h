/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a login by ssh can ask nobody for anything, so that two may be made
 * at once.  With BatchMode ssh itself does not ask, but others may: an agent
 * that wants its keys' use confirmed, a key that has to be touched, a program
 * that makes the connection.
 */
#ifndef REHOME_LINK_QUIET_H
#define REHOME_LINK_QUIET_H

#include <stdbool.h>

/* `answer` is what `ssh -G` says of the host.  False where it is not sure. */
bool quiet_login (const char *answer);

#endif
