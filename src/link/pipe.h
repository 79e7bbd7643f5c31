/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for calls: one, with its stream, or two that are joined, so that
 * what one agent sends the other takes, credits passed through. */
#ifndef REHOME_LINK_PIPE_H
#define REHOME_LINK_PIPE_H

#include "link/conn.h"
#include "wire/stream.h"

typedef void pipe_tick_fn (void *ctx, const json_t *progress);

/* One call; `to` takes its stream (NULL: it is dropped). */
struct err *pipe_call (struct conn *c, const char *verb, const json_t *args,
                       const struct sink *to, pipe_tick_fn *tick, void *ctx,
                       json_t **result);

/* Two calls.  An error at either end cancels the other, and the first one is
 * what comes back. */
struct err *pipe_join (struct conn *from, const char *verb_out,
                       const json_t *args_out, struct conn *to,
                       const char *verb_in, const json_t *args_in,
                       pipe_tick_fn *tick, void *ctx, json_t **result_out,
                       json_t **result_in);

#endif
