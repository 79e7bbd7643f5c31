/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the two hosts: the object of a side, the claim that its connection
 * makes, and what its host is told of the journal.  For hosts.c and
 * hosts_claim.c alone. */
#ifndef REHOME_EXEC_HOSTS_INSIDE_H
#define REHOME_EXEC_HOSTS_INSIDE_H

#include "exec/hosts.h"

#include <pthread.h>
#include <stdatomic.h>

/* A link in use by calls; the last one to let go closes it. */
struct held {
  struct link *link;
  unsigned users;
  bool retired;
};

struct side {
  struct port port; /* first: what providers call */
  struct hosts *hosts;
  struct link_where where;
  pthread_mutex_t lock;    /* all below */
  pthread_mutex_t opening; /* one opener at a time */
  struct held *held;       /* NULL: no link */
  int64_t failed_ms;       /* when the last opening failed */
  struct err *failed;
  pthread_mutex_t telling; /* the next; one teller at a time */
  _Atomic uint64_t told;   /* the last record that the host remembers */
  atomic_bool claimed;     /* by this process */
};

struct tunnels;

struct hosts {
  struct hosts_where where;
  json_t *items;
  struct side source;
  struct side target;
  struct side here; /* .hosts is NULL where it is one of the two */
  pthread_mutex_t lock;
  pthread_mutex_t claiming;
  uint64_t seq;
  uint64_t epoch;
  char hash[65];
  uint64_t milestone;  /* the last record that hosts are to remember */
  bool pivotal;        /* ... both, before one of them opens */
  struct err *foreign; /* a host remembers another journal */
  atomic_bool stopped;
  struct tunnels *tunnels;
  pthread_mutex_t meeting;
  atomic_bool met; /* both were asked before the first call */
};

/* Whether this side is claimed at all. */
bool hosts_claims (const struct side *s);
/* The claim of a new connection. */
struct err *hosts_claim (struct side *s, struct link *link);
/* The host remembers the head, where a milestone has come since it was told. */
struct err *hosts_tell (struct side *s, struct held *held);
/* NULL, or why nothing may be called any more: "RH-FENCE-HISTORY". */
struct err *hosts_foreign (struct hosts *h);
struct err *hosts_copy_err (const struct err *e);

#endif
