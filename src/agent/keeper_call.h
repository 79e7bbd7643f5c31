/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speaking with a keeper: one request for each connection, a CALL frame and
 * its RESULT or ERROR.  Both sides use it.
 */
#ifndef REHOME_AGENT_KEEPER_CALL_H
#define REHOME_AGENT_KEEPER_CALL_H

#include "base/err.h"
#include "wire/frame.h"
#include "wire/json.h"

#include <stdbool.h>

/* Asks the keeper of the migration that this process has claimed; `args`
 * (stolen) get its epoch and controller.  "RH-AGENT-KEEPER" (transient) where
 * none answers, "RH-FENCE-EPOCH" without a claim; or the keeper's own error.
 * `result` may be NULL, else a new reference. */
struct err *keeper_call (const char *id, const char *verb, json_t *args,
                         json_t **result);

/* Starts one where none answers: as a transient unit of systemd, else as a
 * session of its own.  *result is its status, with `started` and `how`
 * ("unit", "session" or "there"). */
struct err *keeper_start (const char *id, int64_t idle_s, json_t **result);
/* Ends it; none that lives is no error. */
struct err *keeper_stop (const char *id);

/* Whether the peer of a Unix socket is the same user, or root. */
bool keeper_same_user (int fd);
void keeper_set_timeout (int fd, int ms);
struct err *keeper_write (int fd, enum frame_type type, const json_t *message);
/* A message of this type; of ERROR the error that it holds.  Waits `ms` for
 * each part. */
struct err *keeper_read (int fd, enum frame_type type, int ms, json_t **out);

#endif
