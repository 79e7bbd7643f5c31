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
};

struct port {
  const struct port_ops *ops;
  const char *name; /* "source" or "target" */
};

/* Calls with no progress; `args` is stolen (also on error). */
struct err *port_call (struct port *p, const char *verb, json_t *args,
                       json_t **result);

#endif
