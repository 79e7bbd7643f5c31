/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnel.accept and tunnel.connect: the two ends of one connection that the
 * controller carries from one host to the other.  The call's own thread sends
 * what comes out of the socket, a second one writes what comes in.  There is
 * no half-closed state: where one direction ends, both do.
 */
#include "agent/verb.h"

#include "agent/tunnel.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { LOOK_MS = 200, TICK_LOOKS = 25, UID_MOST = 0x7ffffffe };
#define BLOCK ((size_t)64 << 10)

struct carried {
  struct verb_call *call;
  int fd;
  atomic_bool over;
  uint64_t in, out;
};

static bool
is_over (struct carried *c)
{
  return atomic_load (&c->over) || c->call->cancelled (c->call->ctx);
}

/* Waits until the socket can be read or written; false: it is over. */
static bool
await (struct carried *c, short events)
{
  struct pollfd ready = { .fd = c->fd, .events = events };
  while (!is_over (c))
    if (poll (&ready, 1, LOOK_MS) > 0)
      return true;
  return false;
}

static bool
send_all (struct carried *c, const unsigned char *data, size_t len)
{
  while (len > 0) {
    ssize_t n = send (c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (!await (c, POLLOUT))
        return false;
      continue;
    }
    if (n < 0)
      return false;
    data += n;
    len -= (size_t)n;
    c->in += (uint64_t)n;
  }
  return true;
}

static void *
write_thread (void *arg)
{
  struct carried *c = arg;
  unsigned char *block CLEANUP_FREE = mem_alloc (BLOCK);
  struct source *in = c->call->in;
  for (size_t len; !is_over (c);) {
    struct err *e CLEANUP_ERR = in->get (in->ctx, block, BLOCK, &len);
    if (e != NULL || len == 0 || !send_all (c, block, len))
      break;
  }
  /* Wakes the other thread. */
  atomic_store (&c->over, true);
  shutdown (c->fd, SHUT_RDWR);
  return NULL;
}

static struct err *
read_all (struct carried *c)
{
  unsigned char *block CLEANUP_FREE = mem_alloc (BLOCK);
  struct sink *out = c->call->out;
  while (await (c, POLLIN)) {
    ssize_t n = recv (c->fd, block, BLOCK, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      continue;
    if (n <= 0)
      break;
    TRY (out->put (out->ctx, block, (size_t)n));
    TRY (c->call->flush (c->call->ctx));
    c->out += (uint64_t)n;
  }
  return NULL;
}

static struct err *
carry (struct verb_call *call, int fd, json_t **result)
{
  struct carried c = { .call = call, .fd = fd };
  pthread_t writer;
  int rc = pthread_create (&writer, NULL, write_thread, &c);
  if (rc != 0)
    return err_sys (rc, "RH-AGENT-THREAD", "starting a tunnel");
  struct err *e = read_all (&c);
  atomic_store (&c.over, true);
  if (call->stop_input != NULL)
    call->stop_input (call->ctx);
  pthread_join (writer, NULL);
  if (e != NULL)
    return e;
  *result = json_pack ("{s:o, s:o}", "in", json_u64 (c.in), "out",
                       json_u64 (c.out));
  return NULL;
}

static struct err *
get_id (const json_t *args, const char *key, uid_t *out)
{
  int64_t id;
  TRY (json_get_int (args, key, 1, UID_MOST, &id));
  *out = (uid_t)id;
  return NULL;
}

static void
tick (const struct verb_call *call, struct tunnel_door *door)
{
  if (call->progress != NULL)
    call->progress (call->ctx,
                    json_pack ("{s:i, s:o}", "port",
                               (int)tunnel_door_port (door), "refused",
                               json_u64 (tunnel_door_refused (door))));
}

static struct err *
wait_at (struct tunnel_door *door, struct verb_call *call, int *fd)
{
  tick (call, door);
  for (unsigned i = 1; *fd < 0; i++) {
    if (call->cancelled (call->ctx))
      return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED",
                      "nobody waits for a connection any more");
    TRY (tunnel_door_accept (door, LOOK_MS, fd));
    if (i % TICK_LOOKS == 0)
      tick (call, door);
  }
  return NULL;
}

static void
door_free (struct tunnel_door **d)
{
  tunnel_door_close (*d);
}

static struct err *
run_accept (struct verb_call *call, json_t **result)
{
  CLEANUP (door_free) struct tunnel_door *door = NULL;
  CLEANUP_FD int fd = -1;
  int64_t port;
  uid_t uid;
  TRY (json_get_int (call->args, "port", 0, 65535, &port));
  TRY (get_id (call->args, "uid", &uid));
  TRY (tunnel_door_open ((unsigned)port, uid, &door));
  TRY (wait_at (door, call, &fd));
  /* The first byte says that somebody is there: what follows is theirs. */
  TRY (call->out->put (call->out->ctx, "+", 1));
  TRY (call->flush (call->ctx));
  return carry (call, fd, result);
}

static struct err *
run_connect (struct verb_call *call, json_t **result)
{
  char *path CLEANUP_FREE = NULL;
  CLEANUP_FD int fd = -1;
  uid_t uid, gid;
  TRY (json_get_bytes (call->args, "socket", &path, NULL));
  TRY (get_id (call->args, "uid", &uid));
  TRY (get_id (call->args, "gid", &gid));
  TRY (tunnel_reach (path, uid, gid, &fd));
  return carry (call, fd, result);
}

const struct verb verbs_tunnel[] = {
  { "tunnel.accept", VERB_IN | VERB_OUT, run_accept },
  { "tunnel.connect", VERB_IN | VERB_OUT, run_connect },
  { NULL, 0, NULL },
};
