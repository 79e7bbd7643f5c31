/* SPDX-License-Identifier: Apache-2.0 */
#include "exec/tunnel.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/monotonic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANES_MAX = 12, AGAIN_MS = 2000, OPEN_MS = 15000, LOOK_MS = 200 };

struct tunnel {
  struct tunnel *next;
  struct tunnels *all;
  struct port *near, *far;
  char *name, *socket;
  long uid, far_uid, far_gid;
  unsigned port;     /* 0: not yet known */
  unsigned lanes;    /* threads */
  unsigned waiting;  /* of them, for somebody to come */
  uint64_t refused;  /* connections of others, that the agent closed */
  struct err *error; /* why it is not open, until it is */
  atomic_bool closed;
};

struct tunnels {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct tunnel *first;
  atomic_bool stopped;
};

/* One thread of a tunnel. */
struct lane {
  struct tunnel *tunnel;
  bool taken; /* somebody is there */
};

struct tunnels *
tunnels_new (void)
{
  struct tunnels *t = mem_alloc (sizeof *t);
  pthread_mutex_init (&t->lock, NULL);
  monotonic_cond_init (&t->changed);
  atomic_init (&t->stopped, false);
  return t;
}

static bool
is_over (void *ctx)
{
  const struct tunnel *t = ctx;
  return atomic_load (&t->closed) || atomic_load (&t->all->stopped);
}

static void start_lane (struct tunnel *t);

/* The near end tells where it listens, and how many it did not let in. */
static void
heard (void *ctx, const json_t *progress)
{
  const struct lane *l = ctx;
  struct tunnel *t = l->tunnel;
  int64_t port = 0;
  uint64_t refused = 0;
  CLEANUP_ERR struct err *bad
      = json_get_int (progress, "port", 1, 65535, &port);
  if (bad != NULL)
    return;
  err_free (json_get_u64 (progress, "refused", &refused));
  pthread_mutex_lock (&t->all->lock);
  bool more = refused > t->refused;
  if (t->port == 0)
    t->port = (unsigned)port;
  t->refused = refused;
  err_free (STEAL (t->error));
  pthread_cond_broadcast (&t->all->changed);
  pthread_mutex_unlock (&t->all->lock);
  if (more)
    log_line (LOG_WARN,
              "tunnel %s: %llu connections of others were refused on "
              "the %s",
              t->name, (unsigned long long)refused, t->near->name);
}

/* Somebody is there: another lane waits for the next. */
static void
taken (void *ctx)
{
  struct lane *l = ctx;
  struct tunnel *t = l->tunnel;
  l->taken = true;
  pthread_mutex_lock (&t->all->lock);
  t->waiting--;
  if (t->waiting == 0 && t->lanes < LANES_MAX && !is_over (t))
    start_lane (t);
  pthread_mutex_unlock (&t->all->lock);
}

static struct err *
run_once (struct lane *l, unsigned port)
{
  struct tunnel *t = l->tunnel;
  CLEANUP_JSON json_t *accept
      = json_pack ("{s:i, s:I}", "port", (int)port, "uid", (json_int_t)t->uid);
  CLEANUP_JSON json_t *connect
      = json_pack ("{s:o, s:I, s:I}", "socket",
                   json_bytes (t->socket, strlen (t->socket)), "uid",
                   (json_int_t)t->far_uid, "gid", (json_int_t)t->far_gid);
  const struct port_lane how = { heard, taken, l };
  return t->near->ops->lane (t->near, t->far, accept, connect, &how);
}

/* After a lane's end, with the lock held: whether this thread waits for the
 * next connection. */
static bool
goes_on (struct lane *l, struct err *e)
{
  struct tunnel *t = l->tunnel;
  if (e != NULL && !is_over (t))
    log_err (LOG_INFO, e);
  if (e != NULL && !l->taken && !is_over (t)) {
    err_free (t->error);
    t->error = STEAL (e);
  }
  err_free (e);
  pthread_cond_broadcast (&t->all->changed);
  if (is_over (t))
    return false;
  if (!l->taken)
    return true;
  l->taken = false;
  if (t->waiting > 0)
    return false;
  t->waiting++;
  return true;
}

/* With the lock held. */
static void
pause_here (struct tunnels *all, long ms)
{
  struct timespec until = monotonic_in (ms);
  pthread_cond_timedwait (&all->changed, &all->lock, &until);
}

static void *
lane_thread (void *arg)
{
  struct lane *l = arg;
  struct tunnel *t = l->tunnel;
  struct tunnels *all = t->all;
  port_cancel_hook (is_over, t);
  pthread_mutex_lock (&all->lock);
  for (bool more = !is_over (t); more;) {
    unsigned port = t->port;
    pthread_mutex_unlock (&all->lock);
    struct err *e = run_once (l, port);
    pthread_mutex_lock (&all->lock);
    bool broke = e != NULL;
    more = goes_on (l, e);
    if (more && broke)
      pause_here (all, AGAIN_MS);
    more = more && !is_over (t);
  }
  t->lanes--;
  pthread_cond_broadcast (&all->changed);
  pthread_mutex_unlock (&all->lock);
  free (l);
  return NULL;
}

/* With the lock held. */
static void
start_lane (struct tunnel *t)
{
  struct lane *l = mem_alloc (sizeof *l);
  pthread_attr_t attr;
  pthread_t thread;
  l->tunnel = t;
  t->lanes++;
  t->waiting++;
  pthread_attr_init (&attr);
  pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
  if (pthread_create (&thread, &attr, lane_thread, l) != 0) {
    t->lanes--;
    t->waiting--;
    free (l);
  }
  pthread_attr_destroy (&attr);
}

/* With the lock held. */
static struct tunnel *
find (struct tunnels *all, const char *name)
{
  for (struct tunnel *t = all->first; t != NULL; t = t->next)
    if (strcmp (t->name, name) == 0 && !atomic_load (&t->closed))
      return t;
  return NULL;
}

static struct tunnel *
add (struct tunnels *all, struct port *near, struct port *far,
     const struct tunnel_way *way)
{
  struct tunnel *t = mem_alloc (sizeof *t);
  t->all = all;
  t->near = near;
  t->far = far;
  t->name = mem_strdup (way->name);
  t->socket = mem_strdup (way->socket);
  t->uid = way->uid;
  t->far_uid = way->far_uid;
  t->far_gid = way->far_gid;
  t->port = way->port;
  t->error = err_new (ERR_TRANSIENT, "RH-TUNNEL-LOST",
                      "tunnel %s does not open", way->name);
  atomic_init (&t->closed, false);
  t->next = all->first;
  all->first = t;
  start_lane (t);
  return t;
}

/* With the lock held: the lanes end, then it is gone. */
static void
end_tunnel (struct tunnels *all, struct tunnel *t)
{
  atomic_store (&t->closed, true);
  pthread_cond_broadcast (&all->changed);
  while (t->lanes > 0)
    pthread_cond_wait (&all->changed, &all->lock);
  for (struct tunnel **at = &all->first; *at != NULL; at = &(*at)->next)
    if (*at == t) {
      *at = t->next;
      break;
    }
  free (t->name);
  free (t->socket);
  err_free (t->error);
  free (t);
}

/* With the lock held. */
static struct err *
await_open (struct tunnels *all, struct tunnel *t, unsigned *port)
{
  for (unsigned i = 0; t->error != NULL; i++) {
    if (strcmp (err_code (t->error), "RH-TUNNEL-LOST") != 0
        || i >= OPEN_MS / LOOK_MS || port_is_cancelled ()
        || atomic_load (&all->stopped))
      return STEAL (t->error);
    pause_here (all, LOOK_MS);
  }
  *port = t->port;
  return NULL;
}

struct err *
tunnels_open (struct tunnels *all, struct port *near, struct port *far,
              const struct tunnel_way *way, unsigned *port)
{
  pthread_mutex_lock (&all->lock);
  struct tunnel *t = find (all, way->name);
  if (t != NULL
      && (t->near != near || (way->port != 0 && way->port != t->port)))
  {
    end_tunnel (all, t);
    t = NULL;
  }
  if (t == NULL)
    t = add (all, near, far, way);
  struct err *e = await_open (all, t, port);
  if (e != NULL)
    end_tunnel (all, t);
  pthread_mutex_unlock (&all->lock);
  return e;
}

void
tunnels_close (struct tunnels *all, const char *name)
{
  pthread_mutex_lock (&all->lock);
  struct tunnel *t = find (all, name);
  if (t != NULL)
    end_tunnel (all, t);
  pthread_mutex_unlock (&all->lock);
}

void
tunnels_stop (struct tunnels *all)
{
  atomic_store (&all->stopped, true);
  pthread_mutex_lock (&all->lock);
  pthread_cond_broadcast (&all->changed);
  pthread_mutex_unlock (&all->lock);
}

void
tunnels_free (struct tunnels *all)
{
  if (all == NULL)
    return;
  tunnels_stop (all);
  pthread_mutex_lock (&all->lock);
  while (all->first != NULL)
    end_tunnel (all, all->first);
  pthread_mutex_unlock (&all->lock);
  pthread_mutex_destroy (&all->lock);
  pthread_cond_destroy (&all->changed);
  free (all);
}
