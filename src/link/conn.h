/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to an agent: the process that carries it, its reader, its
 * calls.  Threads: conn_begin, conn_forget, conn_send from any thread; open
 * and close from one.
 */
#ifndef REHOME_LINK_CONN_H
#define REHOME_LINK_CONN_H

#include "link/carrier.h"
#include "link/request.h"
#include "link/ssh.h"

struct conn;

/* Starts the agent, checks the host's key and the hello.  `names` and `agent`
 * are NULL where the host is local, else borrowed for the call.  The two
 * connections of a link are opened by two threads with one order. */
struct err *conn_open (const struct link_where *where,
                       const struct ssh_names *names,
                       const struct binary *agent,
                       const struct carrier_turn *turn, struct conn **out);
/* Begins the close and does not wait for the agent's end; conn_close follows.
 */
void conn_hang_up (struct conn *c); /* NULL is fine; no call may be left */
void conn_close (struct conn *c);   /* NULL is fine; no call may be left */
const json_t *conn_hello (const struct conn *c);
bool conn_alive (struct conn *c);
/* The agent is a child of this process and can read its pipes. */
bool conn_is_child (const struct conn *c);

/* Sends the call; waits while CALLS_MAX run.  The request must be forgotten
 * before it is cleared. */
struct err *conn_begin (struct conn *c, const char *verb, const json_t *args,
                        struct request *r);
void conn_forget (struct conn *c, struct request *r);
/* The agent does not do what it should: every call on the connection ends as
 * lost. */
void conn_break (struct conn *c, const char *why);
/* Frames of a call.  A failure loses the connection, which every request on
 * it sees; so there is nothing to return. */
void conn_send (struct conn *c, enum frame_type type, uint32_t call,
                uint32_t value, const void *body, size_t len);

#endif
