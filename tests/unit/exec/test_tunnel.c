/* SPDX-License-Identifier: Apache-2.0 */
/* A tunnel over two real agents: a server behind a unix socket, clients of
 * several users, and ends that break.  Other users are needed: only root can
 * run it. */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "exec/tunnel.h"
#include "link/link.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum { ALLOWED = 65534, OTHER = 1, SEEN = 2, BIG = 9 << 20 };

struct ground {
  char dir[64], path[96];
  int server; /* listening */
  pthread_t thread;
  atomic_uint served, seen_uid;
  struct link *near, *far;
  struct tunnels *tunnels;
  unsigned port;
};

/* Gives back what it gets, and ends with the client. */
static void *
serve_one (void *arg)
{
  int fd = (int)(intptr_t)arg;
  static _Thread_local char block[40000];
  for (ssize_t n; (n = read (fd, block, sizeof block)) > 0;)
    for (ssize_t at = 0; at < n;) {
      ssize_t out = send (fd, block + at, (size_t)(n - at), MSG_NOSIGNAL);
      if (out <= 0)
        n = at;
      else
        at += out;
    }
  close (fd);
  return NULL;
}

static void *
serve (void *arg)
{
  struct ground *g = arg;
  for (int fd; (fd = accept (g->server, NULL, NULL)) >= 0;) {
    struct ucred who;
    socklen_t len = sizeof who;
    pthread_t one;
    getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
    atomic_store (&g->seen_uid, who.uid);
    atomic_fetch_add (&g->served, 1);
    if (pthread_create (&one, NULL, serve_one, (void *)(intptr_t)fd) == 0)
      pthread_detach (one);
  }
  return NULL;
}

static struct link *
open_agent (const char *name)
{
  struct link *l = NULL;
  const struct link_where w = { .name = name,
                                .host = "local",
                                .agent_path = getenv ("REHOME_AGENT") };
  assert_ok (link_open (&w, &l));
  return l;
}

static void
listen_at (struct ground *g)
{
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  memcpy (at.sun_path, g->path, strlen (g->path));
  g->server = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (g->server, (struct sockaddr *)&at, sizeof at), 0);
  chmod (g->path, 0666);
  assert_int_equal (listen (g->server, 8), 0);
  pthread_create (&g->thread, NULL, serve, g);
}

static int
setup (void **state)
{
  struct ground *g = mem_alloc (sizeof *g);
  if (geteuid () != 0)
    return -1;
  strcpy (g->dir, "/tmp/rehome-tunnel-XXXXXX");
  assert_non_null (mkdtemp (g->dir));
  chmod (g->dir, 0755);
  snprintf (g->path, sizeof g->path, "%s/server", g->dir);
  listen_at (g);
  g->near = open_agent ("target");
  g->far = open_agent ("source");
  g->tunnels = tunnels_new ();
  *state = g;
  return 0;
}

static int
teardown (void **state)
{
  struct ground *g = *state;
  tunnels_free (g->tunnels);
  link_close (g->near);
  link_close (g->far);
  shutdown (g->server, SHUT_RDWR);
  pthread_join (g->thread, NULL);
  close (g->server);
  unlink (g->path);
  rmdir (g->dir);
  free (g);
  return 0;
}

static struct err *
open_tunnel (struct ground *g, unsigned port)
{
  const struct tunnel_way way = { .name = "shop",
                                  .port = port,
                                  .uid = ALLOWED,
                                  .socket = g->path,
                                  .far_uid = SEEN,
                                  .far_gid = SEEN };
  return tunnels_open (g->tunnels, link_port (g->near), link_port (g->far),
                       &way, &g->port);
}

static int
connect_to (unsigned port, int family)
{
  int fd = socket (family, SOCK_STREAM, 0);
  struct sockaddr_in six4 = { .sin_family = AF_INET,
                              .sin_port = htons ((uint16_t)port),
                              .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in6 six
      = { .sin6_family = AF_INET6, .sin6_port = htons ((uint16_t)port) };
  inet_pton (AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
  int bad = family == AF_INET
                ? connect (fd, (struct sockaddr *)&six4, sizeof six4)
                : connect (fd, (struct sockaddr *)&six, sizeof six);
  return bad == 0 ? fd : -1;
}

/* Sends `n` bytes and reads as many back: how many came, below 0 for wrong
 * ones. */
static long
echo (int fd, size_t n)
{
  static unsigned char out[50000], in[50000];
  size_t sent = 0, got = 0;
  while (got < n) {
    size_t k = n - sent < sizeof out ? n - sent : sizeof out;
    for (size_t i = 0; i < k; i++)
      out[i] = (unsigned char)((sent + i) * 31 >> 3);
    if (k > 0 && send (fd, out, k, MSG_NOSIGNAL) != (ssize_t)k)
      return (long)got;
    sent += k;
    for (size_t some = 0; some < k || (k == 0 && got < n);) {
      ssize_t r = read (fd, in, sizeof in);
      if (r <= 0)
        return (long)got;
      for (ssize_t i = 0; i < r; i++)
        if (in[i] != (unsigned char)((got + (size_t)i) * 31 >> 3))
          return -1;
      got += (size_t)r;
      some += (size_t)r;
    }
  }
  return (long)got;
}

#define NOT_THERE 8 /* nobody listens */

/* What a client of a user sees: 0 when all came back. */
static int
client (unsigned port, uid_t uid, int family, size_t n)
{
  pid_t pid = fork ();
  if (pid == 0) {
    if (setgid (uid) != 0 || setuid (uid) != 0)
      _exit (9);
    int fd = connect_to (port, family);
    if (fd < 0)
      _exit (NOT_THERE);
    long got = echo (fd, n);
    _exit (got == (long)n ? 0 : got == 0 ? 1 : 2);
  }
  int status = 0;
  waitpid (pid, &status, 0);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

static void
bytes_go_both_ways_and_the_server_sees_the_named_user (void **state)
{
  struct ground *g = *state;
  assert_ok (open_tunnel (g, 0));
  assert_true (g->port > 0);
  assert_int_equal (client (g->port, ALLOWED, AF_INET, BIG), 0);
  assert_int_equal (client (g->port, ALLOWED, AF_INET6, 1000), 0);
  assert_int_equal (atomic_load (&g->served), 2);
  assert_int_equal (atomic_load (&g->seen_uid), SEEN);
}

static void
another_user_is_closed_before_the_server_hears_of_it (void **state)
{
  struct ground *g = *state;
  assert_ok (open_tunnel (g, 0));
  assert_int_equal (client (g->port, OTHER, AF_INET, 1000), 1);
  assert_int_equal (client (g->port, 0, AF_INET, 1000), 1);
  assert_int_equal (client (g->port, OTHER, AF_INET6, 1000), 1);
  assert_int_equal (atomic_load (&g->served), 0);
  assert_int_equal (client (g->port, ALLOWED, AF_INET, 1000), 0);
  assert_int_equal (atomic_load (&g->served), 1);
}

static void
several_connections_are_carried_at_a_time (void **state)
{
  struct ground *g = *state;
  pid_t clients[5];
  int status;
  assert_ok (open_tunnel (g, 0));
  for (size_t i = 0; i < 5; i++)
    if ((clients[i] = fork ()) == 0)
      _exit (client (g->port, ALLOWED, AF_INET, 2 << 20));
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal (waitpid (clients[i], &status, 0), clients[i]);
    assert_int_equal (status, 0);
  }
  assert_int_equal (atomic_load (&g->served), 5);
}

static void
without_a_server_a_connection_ends_and_later_ones_arrive (void **state)
{
  struct ground *g = *state;
  assert_ok (open_tunnel (g, 0));
  shutdown (g->server, SHUT_RDWR);
  pthread_join (g->thread, NULL);
  close (g->server);
  unlink (g->path);
  assert_int_equal (client (g->port, ALLOWED, AF_INET, 1000), 1);
  listen_at (g);
  /* For a moment nobody may listen, or a lane that found no server may take
   * another one with it: the next one's call is under way.  A server tries
   * again, too. */
  const struct timespec nap = { 0, 50000000 };
  int seen = NOT_THERE;
  for (int i = 0; i < 200 && seen != 0; i++) {
    seen = client (g->port, ALLOWED, AF_INET, 1000);
    if (seen != 0)
      nanosleep (&nap, NULL);
  }
  assert_int_equal (seen, 0);
}

static void
a_port_that_somebody_has_is_refused_by_name (void **state)
{
  struct ground *g = *state;
  struct sockaddr_in at
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof at;
  CLEANUP_FD int fd = socket (AF_INET, SOCK_STREAM, 0);
  assert_int_equal (bind (fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal (listen (fd, 1), 0);
  getsockname (fd, (struct sockaddr *)&at, &len);
  assert_code (open_tunnel (g, ntohs (at.sin_port)), "RH-TUNNEL-PORT");
  assert_ok (open_tunnel (g, 0));
}

static void
a_closed_tunnel_takes_nobody (void **state)
{
  struct ground *g = *state;
  assert_ok (open_tunnel (g, 0));
  unsigned port = g->port;
  assert_ok (open_tunnel (g, 0)); /* it stays */
  assert_int_equal (g->port, port);
  tunnels_close (g->tunnels, "shop");
  assert_int_equal (client (port, ALLOWED, AF_INET, 10), 8);
}

#define on_ground(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    on_ground (bytes_go_both_ways_and_the_server_sees_the_named_user),
    on_ground (another_user_is_closed_before_the_server_hears_of_it),
    on_ground (several_connections_are_carried_at_a_time),
    on_ground (without_a_server_a_connection_ends_and_later_ones_arrive),
    on_ground (a_port_that_somebody_has_is_refused_by_name),
    on_ground (a_closed_tunnel_takes_nobody),
  };
  if (geteuid () != 0)
    return 77; /* skipped */
  signal (SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests_name ("tunnel", tests, NULL, NULL);
}
