/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call as the controller waits for it: what the connection's reader puts in
 * and the waiting thread takes out.  Two requests of one pipe share a monitor.
 *
 * Threads: request_take, request_pass, request_passed and request_lose are the
 * reader's, everything else the waiter's.  The members are guarded by the
 * monitor.
 */
#ifndef REHOME_LINK_REQUEST_H
#define REHOME_LINK_REQUEST_H

#include "wire/frame.h"

#include <pthread.h>
#include <stdbool.h>

struct monitor {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned ends; /* how many requests have ended */
};
void monitor_init (struct monitor *m);
void monitor_clear (struct monitor *m);
/* With the lock held: waits for a change, at most `ms`. */
void monitor_wait (struct monitor *m, long ms);

/* DATA that has come. */
struct piece {
  struct piece *next;
  size_t len;
  unsigned char *body; /* owned */
};
void piece_free (struct piece *p);

struct request {
  struct monitor *monitor;
  uint32_t id;
  struct buf text; /* RESULT or ERROR until it is whole */
  bool done;
  unsigned rank; /* which end it was of its monitor: 1 is the first */
  struct err *error;
  json_t *result;
  json_t *tick; /* the latest that was not taken */
  struct piece *pieces, **last;
  bool ended;      /* END has come */
  uint64_t window; /* DATA that may still come */
  uint64_t credit; /* granted to us, not taken */
  int input;    /* a pipe of ours that the agent reads, its child's; -1: none */
  int pass;     /* the pipe that DATA goes into unseen; -1: into pieces */
  bool passing; /* it is being used */
  uint64_t passed; /* bytes that went into it, not taken */
};

void request_init (struct request *r, struct monitor *m);
void request_clear (struct request *r);
/* A frame of this call; an error ends the connection. */
struct err *request_take (struct request *r, struct frame *f);
/* The header of a DATA frame has come: *to is the pipe that its body goes into,
 * -1 where request_take is to have it; then request_passed. */
struct err *request_pass (struct request *r, const struct frame *f, int *to);
void request_passed (struct request *r, const struct frame *f);
/* The waiter's: nothing goes into the pipe any more once it returns.  One who
 * waits in the pipe must have been woken (its reading end closed). */
void request_pass_stop (struct request *r);
/* The connection is gone; takes the error. */
void request_lose (struct request *r, struct err *e);

#endif
