/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a keeper does for production's sake when the move is not there: a
 * command that lets go of what a move holds on a host (a replication slot,
 * for which the server keeps everything that is written), once the disk gets
 * full or nobody has renewed it for long.
 *
 * One thread, the keeper's.
 */
#ifndef REHOME_AGENT_GUARDS_H
#define REHOME_AGENT_GUARDS_H

#include "base/err.h"
#include "wire/json.h"

#include <stdint.h>

struct guards;

struct guards *guards_new (void);
void guards_free (struct guards *g); /* NULL is fine; runs nothing */
/* keeper.guard: sets or renews one: `name`, `argv` (percent-encoded words),
 * `path` with `floor` (u64: bytes that have to be free there; both optional),
 * `idle_s`.  At most 64 ("RH-LIMIT"). */
struct err *guards_set (struct guards *g, const json_t *args, int64_t now_ms);
/* keeper.unguard; none of the name is no error. */
void guards_drop (struct guards *g, const char *name);
/* Runs the commands of those whose time has come, each once; one that fails is
 * run again at the next look. */
void guards_look (struct guards *g, int64_t now_ms);
/* The keeper ends, and nobody else would: what fails is tried three times at
 * once, since a slot may have got a reader again just then. */
void guards_run_all (struct guards *g);
size_t guards_count (const struct guards *g);
/* How soon it is to be looked again, at most `most`. */
int guards_wait (const struct guards *g, int most);

#endif
