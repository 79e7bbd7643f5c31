/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the owner of a migration and shows what happens, until what was
 * asked for is reached, a person is needed, or the user detaches with Ctrl-C.
 */
#ifndef REHOME_CLI_FOLLOW_H
#define REHOME_CLI_FOLLOW_H

#include "cli/command.h"
#include "cli/load.h"
#include "engine/engine.h"

/* Prepares the journal, starts the owner where none runs, hands the request
 * in and follows it.  The exit status; everything was said. */
int follow_request (const struct invocation *in, struct loaded *l,
                    enum request r);
/* ... a cutover, with what was confirmed of a way back that is not proven
 * ({"how", "why"}, docs/OWNER.md; NULL: nothing). */
int follow_cutover (const struct invocation *in, struct loaded *l,
                    const json_t *no_way_back);
/* Prepares as above and hands a signed approval in; shows nothing. */
struct err *follow_approve (struct loaded *l, const char *text,
                            const char *signature);
/* "operator:NAME", of who gave the command; the caller frees. */
char *follow_actor (void);
/* Only follows, from record `since` on; the owner has to run. */
int follow_watch (const struct invocation *in, const struct loaded *l,
                  uint64_t since);
/* The exit status of a migration that rests as the progress says.  Pure. */
int follow_status (enum request asked, const char *phase, bool paused,
                   const json_t *attention);

#endif
