/* SPDX-License-Identifier: Apache-2.0 */
/* A namespace belongs to a thread (setns(2)), so one is spent on it. */
#include "host/netns.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define NAME_MAX_LEN 100

struct entry {
  int ns, family, fd, error;
};

static void *
enter (void *ctx)
{
  struct entry *e = ctx;
  if (setns (e->ns, CLONE_NEWNET) == 0)
    e->fd = socket (e->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  e->error = e->fd < 0 ? errno : 0;
  return NULL;
}

static bool
is_name (const char *name)
{
  size_t n
      = strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789-_.");
  return n > 0 && n <= NAME_MAX_LEN && name[n] == '\0' && name[0] != '.';
}

struct err *
netns_socket (const char *name, int family, int *fd)
{
  pthread_t thread;
  if (!is_name (name))
    return err_new (ERR_CORRECT, "RH-HTTP-NETNS",
                    "that is no name of a network namespace");
  CLEANUP_FREE char *path = mem_printf ("/run/netns/%s", name);
  CLEANUP_FD int ns = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct entry e = { .ns = ns, .family = family, .fd = -1 };
  if (ns < 0)
    return err_sys (errno, "RH-HTTP-NETNS", "cannot open %s", path);
  int error = pthread_create (&thread, NULL, enter, &e);
  if (error == 0)
    error = pthread_join (thread, NULL);
  if (error != 0 || e.fd < 0)
    return err_sys (error != 0 ? error : e.error, "RH-HTTP-NETNS",
                    "cannot make a socket in %s", path);
  *fd = e.fd;
  return NULL;
}
