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
#include <stdint.h>

struct port;

/* What one connection of a tunnel tells who carries it: `taken` once somebody
 * is there, in the carrier's thread. */
struct port_lane {
  void (*tick) (void *ctx, const json_t *progress); /* of the near end */
  void (*taken) (void *ctx);
  void *ctx;
};

/* A way from a server on `near`, which connects to 127.0.0.1, to the socket of
 * a server on `far`. */
struct tunnel_way {
  const char *name; /* one way a name; others end when theirs ends */
  unsigned port;    /* on `near`; 0: any */
  long uid;         /* the only user who may connect there */
  const char *socket;
  long far_uid, far_gid; /* whom the server at the socket sees */
};

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
  /* One connection of a tunnel, until it ends; NULL in tests. */
  struct err *(*lane) (struct port *near, struct port *far,
                       const json_t *accept, const json_t *connect,
                       const struct port_lane *lane);
  /* Holds a tunnel open from here on, over breaks, until it is closed or this
   * process ends; one of that name that is open stays, with its port.  *port:
   * where `near` listens.  May be NULL, as the next. */
  struct err *(*tunnel) (struct port *near, struct port *far,
                         const struct tunnel_way *way, unsigned *port);
  void (*tunnel_close) (struct port *near, const char *name);
};

struct port {
  const struct port_ops *ops;
  const char *name; /* "source" or "target" */
  json_t *kept;     /* port_keep's; NULL at first */
};

/* What was found out about the host and holds as long as the port is there, so
 * that it is asked once: a new reference by its name, or NULL. */
json_t *port_kept (struct port *p, const char *name);
/* `value` is stolen; of several of one name the first stays. */
void port_keep (struct port *p, const char *name, json_t *value);
/* Whoever made the port calls it at its end. */
void port_forget (struct port *p);

/* Calls with no progress; `args` is stolen (also on error). */
struct err *port_call (struct port *p, const char *verb, json_t *args,
                       json_t **result);

/* Reads the stream of a verb; `args` is stolen (also on error). */
struct err *port_read (struct port *p, const char *verb, json_t *args,
                       const struct sink *to, json_t **result);

/* The operations of these names; "RH-LINK-STREAM" where the port has none. */
struct err *port_tunnel (struct port *near, struct port *far,
                         const struct tunnel_way *way, unsigned *port);
void port_tunnel_close (struct port *near, const char *name);

/* Was it that the host was not reached, or the connection to it ended?  NULL
 * is no error. */
bool port_is_lost (const struct err *e);

/* For this thread: asked about five times a second while a call or a pipe
 * runs; once it says true the call is cancelled and ends with
 * "RH-AGENT-CANCELLED" (NULL: never asked). */
void port_cancel_hook (bool (*cancelled) (void *ctx), void *ctx);
bool port_is_cancelled (void);

/* For this thread: how many of `wanted` bytes a pipe lets its sender send now;
 * the rest is asked for again within a fifth of a second (NULL: all of
 * them). */
void port_pace_hook (uint64_t (*pace) (void *ctx, uint64_t wanted), void *ctx);
uint64_t port_paced (uint64_t wanted);

#endif
