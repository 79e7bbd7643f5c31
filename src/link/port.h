/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host as providers see it: verbs to call, and streams between two hosts.
 * The real one is a link (link/link.h); tests put others in its place.
 * Every function may be called from several threads at once.
 */
#ifndef REHOME_LINK_PORT_H
#define REHOME_LINK_PORT_H

#include "base/err.h"
#include "wire/json.h"
#include "wire/stream.h"

#include <stdbool.h>

struct port;

struct port_ops {
  /* Calls a verb; `args` stays the caller's; *result is a new reference. */
  struct err *(*call) (struct port *p, const char *verb, const json_t *args,
                       void (*tick) (void *ctx, const json_t *progress),
                       void *ctx, json_t **result);
  /* Streams what `verb_out` on `from` produces into `verb_in` on `to`. */
  struct err *(*pipe) (struct port *from, const char *verb_out,
                       const json_t *args_out, struct port *to,
                       const char *verb_in, const json_t *args_in,
                       void (*tick) (void *ctx, const json_t *progress),
                       void *ctx, json_t **result_out, json_t **result_in);
  /* Calls a verb and gives what it streams to `to`, in the caller's thread; a
   * sink that fails cancels the call.  Calls without a taker drop the
   * stream.  May be NULL in tests. */
  struct err *(*read) (struct port *p, const char *verb, const json_t *args,
                       const struct sink *to, json_t **result);
};

struct port {
  const struct port_ops *ops;
  const char *name; /* "source" or "target" */
};

/* Calls with no progress; `args` is stolen (also on error). */
struct err *port_call (struct port *p, const char *verb, json_t *args,
                       json_t **result);

/* Reads the stream of a verb; `args` is stolen (also on error). */
struct err *port_read (struct port *p, const char *verb, json_t *args,
                       const struct sink *to, json_t **result);

/* For this thread: asked about five times a second while a call or a pipe
 * runs; once it says true the call is cancelled and ends with
 * "RH-AGENT-CANCELLED" (NULL: never asked). */
void port_cancel_hook (bool (*cancelled) (void *ctx), void *ctx);
bool port_is_cancelled (void);

#endif
