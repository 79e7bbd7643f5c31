/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tunnel.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/peer.h"
#include "tree/walk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum { BACKLOG = 16 };

struct tunnel_door {
  struct tunnel_door *next;
  int fd;
  unsigned port;
  uid_t uid;
  unsigned users;
  uint64_t refused;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tunnel_door *doors;

static struct err *
no_door (int errnum, unsigned port)
{
  return err_todo (err_sys (errnum, "RH-TUNNEL-PORT",
                            "listening on 127.0.0.1, port %u", port),
                   "free that port; another is taken where there is none yet");
}

static struct err *
listen_on (unsigned port, int *out, unsigned *got)
{
  CLEANUP_FD int fd
      = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_in at = { .sin_family = AF_INET,
                            .sin_port = htons ((uint16_t)port),
                            .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof at;
  const int yes = 1;
  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0
      || bind (fd, (struct sockaddr *)&at, sizeof at) != 0
      || listen (fd, BACKLOG) != 0
      || getsockname (fd, (struct sockaddr *)&at, &len) != 0)
    return no_door (errno, port);
  *got = ntohs (at.sin_port);
  *out = tree_take_fd (&fd);
  return NULL;
}

/* With the lock held. */
static struct err *
find_or_make (unsigned port, uid_t uid, struct tunnel_door **out)
{
  for (struct tunnel_door *d = doors; d != NULL; d = d->next)
    if (port != 0 && d->port == port) {
      if (d->uid != uid)
        return no_door (EADDRINUSE, port);
      d->users++;
      *out = d;
      return NULL;
    }
  int fd = -1;
  unsigned got = 0;
  TRY (listen_on (port, &fd, &got));
  struct tunnel_door *d = mem_alloc (sizeof *d);
  d->fd = fd;
  d->port = got;
  d->uid = uid;
  d->users = 1;
  d->next = doors;
  doors = d;
  *out = d;
  return NULL;
}

struct err *
tunnel_door_open (unsigned port, uid_t uid, struct tunnel_door **out)
{
  pthread_mutex_lock (&lock);
  struct err *e = find_or_make (port, uid, out);
  pthread_mutex_unlock (&lock);
  return e;
}

void
tunnel_door_close (struct tunnel_door *d)
{
  if (d == NULL)
    return;
  pthread_mutex_lock (&lock);
  bool last = --d->users == 0;
  for (struct tunnel_door **at = &doors; last && *at != NULL;)
    if (*at == d)
      *at = d->next;
    else
      at = &(*at)->next;
  pthread_mutex_unlock (&lock);
  if (last) {
    close (d->fd);
    free (d);
  }
}

unsigned
tunnel_door_port (const struct tunnel_door *d)
{
  return d->port;
}

uint64_t
tunnel_door_refused (struct tunnel_door *d)
{
  pthread_mutex_lock (&lock);
  uint64_t n = d->refused;
  pthread_mutex_unlock (&lock);
  return n;
}

static void
refuse (struct tunnel_door *d, int bad, uid_t uid)
{
  pthread_mutex_lock (&lock);
  d->refused++;
  pthread_mutex_unlock (&lock);
  if (bad != 0)
    log_line (LOG_WARN,
              "a connection to port %u was refused: its user is not "
              "known: %s",
              d->port, strerror (bad));
  else
    log_line (LOG_WARN, "a connection of user %lu to port %u was refused",
              (unsigned long)uid, d->port);
}

struct err *
tunnel_door_accept (struct tunnel_door *d, int ms, int *out)
{
  struct pollfd ready = { .fd = d->fd, .events = POLLIN };
  const int yes = 1;
  uid_t uid = 0;
  *out = -1;
  if (poll (&ready, 1, ms) <= 0)
    return NULL;
  /* Several calls may wait for the same one: only one gets it. */
  CLEANUP_FD int fd = accept4 (d->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0)
    return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR
               ? NULL
               : err_sys (errno, "RH-TUNNEL-PORT",
                          "taking a connection on port %u", d->port);
  int bad = peer_uid (fd, &uid);
  if (bad != 0 || uid != d->uid) {
    refuse (d, bad, uid);
    return NULL;
  }
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  *out = tree_take_fd (&fd);
  return NULL;
}

/* The bare calls change this thread alone, where libc's change all; the real
 * and the saved user stay root, so nobody may signal or trace it meanwhile. */
#define KEEP (-1L)

static int
become (uid_t uid, gid_t gid)
{
  if (syscall (SYS_setresgid, KEEP, (long)gid, KEEP) != 0
      || syscall (SYS_setresuid, KEEP, (long)uid, KEEP) != 0)
    return errno;
  return 0;
}

/* Never on as somebody else. */
static void
become_root (void)
{
  if (syscall (SYS_setresuid, KEEP, 0L, KEEP) != 0
      || syscall (SYS_setresgid, KEEP, 0L, KEEP) != 0)
    abort ();
}

static int
connect_as (int fd, const struct sockaddr_un *at, uid_t uid, gid_t gid)
{
  bool root = geteuid () == 0;
  int bad = root ? become (uid, gid) : geteuid () == uid ? 0 : EPERM;
  if (bad == 0 && connect (fd, (const struct sockaddr *)at, sizeof *at) != 0)
    bad = errno;
  if (root)
    become_root ();
  return bad;
}

struct err *
tunnel_reach (const char *path, uid_t uid, gid_t gid, int *out)
{
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || path[0] != '/' || strlen (path) >= sizeof at.sun_path)
    return err_sys (fd < 0 ? errno : ENAMETOOLONG, "RH-TUNNEL-SOCKET",
                    "the socket of a server");
  memcpy (at.sun_path, path, strlen (path));
  int bad = connect_as (fd, &at, uid, gid);
  if (bad != 0)
    return err_sys (bad, "RH-TUNNEL-SOCKET", "connecting to %s", path);
  *out = tree_take_fd (&fd);
  return NULL;
}
