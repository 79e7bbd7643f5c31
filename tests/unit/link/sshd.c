/* SPDX-License-Identifier: Apache-2.0 */
/* An sshd of one's own on the loopback; see sshd.h. */
#include "sshd.h"

#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct sshd server;

static const char program[] = "/usr/sbin/sshd";

static void
must (bool ok, const char *what)
{
  if (!ok) {
    perror (what);
    abort ();
  }
}

static char *
path_of (const struct sshd *s, const char *name)
{
  return mem_printf ("%s/%s", s->dir, name);
}

void
sshd_put (const struct sshd *s, const char *name, int mode, const char *fmt,
          ...)
{
  CLEANUP_FREE char *path = path_of (s, name);
  va_list ap;
  va_start (ap, fmt);
  CLEANUP_FREE char *text = mem_vprintf (fmt, ap);
  va_end (ap);
  unlink (path);
  CLEANUP_FD int fd
      = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
  size_t len = strlen (text);
  must (fd >= 0 && write (fd, text, len) == (ssize_t)len, path);
  must (fchmod (fd, (mode_t)mode) == 0, path);
}

bool
sshd_has (const struct sshd *s, const char *name)
{
  CLEANUP_FREE char *path = path_of (s, name);
  return access (path, F_OK) == 0;
}

void
sshd_login (const struct sshd *s, const char *lines)
{
  sshd_put (s, "force", 0755,
            "#!/bin/sh\n"
            "XDG_RUNTIME_DIR=%s/run HOME=%s/home PATH=%s/tools:$PATH\n"
            "export XDG_RUNTIME_DIR HOME PATH\n"
            "%s\n"
            "exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
            s->dir, s->dir, s->dir, lines);
}

void
sshd_run (const char *const *argv)
{
  pid_t pid;
  int status = -1;
  char **args;
  memcpy (&args, &argv, sizeof args);
  must (posix_spawnp (&pid, argv[0], NULL, NULL, args, environ) == 0, argv[0]);
  must (waitpid (pid, &status, 0) == pid && status == 0, argv[0]);
}

static void
make_key (const struct sshd *s, const char *name)
{
  CLEANUP_FREE char *path = path_of (s, name);
  const char *const argv[]
      = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, NULL };
  sshd_run (argv);
}

/* The text of a file, cut at its first newline; caller frees. */
static char *
first_line (const struct sshd *s, const char *name)
{
  CLEANUP_FREE char *path = path_of (s, name);
  char text[1000] = { 0 };
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
  must (fd >= 0 && read (fd, text, sizeof text - 1) > 0, path);
  text[strcspn (text, "\n")] = 0;
  return mem_strdup (text);
}

static void
read_fingerprint (struct sshd *s)
{
  CLEANUP_FREE char *command
      = mem_printf ("ssh-keygen -lf %s/host_key.pub >%s/fingerprint", s->dir,
                    s->dir);
  const char *const argv[] = { "/bin/sh", "-c", command, NULL };
  sshd_run (argv);
  CLEANUP_FREE char *line = first_line (s, "fingerprint");
  char *at = strstr (line, "SHA256:");
  must (at != NULL, "fingerprint");
  at[strcspn (at, " ")] = 0;
  snprintf (s->fingerprint, sizeof s->fingerprint, "%s", at);
}

static int
free_port (void)
{
  struct sockaddr_in a
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof a;
  CLEANUP_FD int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must (fd >= 0 && bind (fd, (struct sockaddr *)&a, len) == 0
            && getsockname (fd, (struct sockaddr *)&a, &len) == 0,
        "a free port");
  return ntohs (a.sin_port);
}

static void
configure (const struct sshd *s)
{
  CLEANUP_FREE char *client = first_line (s, "client_key.pub");
  CLEANUP_FREE char *host = first_line (s, "host_key.pub");
  sshd_put (s, "authorized", 0644, "%s\n", client);
  sshd_put (s, "known_hosts", 0600, "[127.0.0.1]:%d %s\n[127.0.0.99]:%d %s\n",
            s->port, host, s->port, host);
  sshd_put (s, "sshd_config", 0600,
            "Port %d\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2\n"
            "HostKey %s/host_key\nAuthorizedKeysFile %s/authorized\n"
            "PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "ForceCommand %s/force\n",
            s->port, s->dir, s->dir, s->dir);
  sshd_put (
      s, "ssh_config", 0600,
      "Host near\n  HostName 127.0.0.1\n"
      "Host moved\n  HostName 127.0.0.99\n"
      "Host closed\n  HostName 127.0.0.3\n"
      "Host picky\n  HostName 127.0.0.1\n  Ciphers aes256-ctr\n"
      "Host near moved closed picky\n  Port %d\n  IdentityFile %s/client_key\n"
      "  IdentitiesOnly yes\n  UserKnownHostsFile %s/known_hosts\n"
      "  GlobalKnownHostsFile none\n",
      s->port, s->dir, s->dir);
  sshd_put (s, "bin/ssh", 0755,
            "#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh_config \"$@\"\n", s->dir);
  sshd_login (s, "");
}

static bool
answers (int port)
{
  struct sockaddr_in a = { .sin_family = AF_INET,
                           .sin_port = htons ((uint16_t)port),
                           .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  CLEANUP_FD int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return fd >= 0 && connect (fd, (struct sockaddr *)&a, sizeof a) == 0;
}

static void
begin (struct sshd *s)
{
  CLEANUP_FREE char *config = path_of (s, "sshd_config");
  CLEANUP_FREE char *log = path_of (s, "sshd.log");
  const struct timespec nap = { 0, 20000000 };
  const char *const argv[] = { program, "-D", "-f", config, "-E", log, NULL };
  char **args;
  const char *const *list = argv;
  memcpy (&args, &list, sizeof args);
  mkdir ("/run/sshd", 0755); /* where root's sshd goes before login */
  must (posix_spawn (&s->pid, program, NULL, NULL, args, environ) == 0,
        program);
  for (int i = 0; i < 250 && !answers (s->port); i++)
    nanosleep (&nap, NULL);
  must (answers (s->port), "sshd does not answer");
}

static void
set_up (struct sshd *s)
{
  static const char *const below[] = { "bin", "tools", "home", "run" };
  snprintf (s->dir, sizeof s->dir, "/tmp/rehome-ssh-XXXXXX");
  must (mkdtemp (s->dir) != NULL, s->dir);
  for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
    CLEANUP_FREE char *path = path_of (s, below[i]);
    must (mkdir (path, 0755) == 0, path);
  }
  make_key (s, "host_key");
  make_key (s, "client_key");
  read_fingerprint (s);
  s->port = free_port ();
  configure (s);
  CLEANUP_FREE char *search = mem_printf ("%s/bin:%s", s->dir, getenv ("PATH"));
  setenv ("PATH", search, 1);
  begin (s);
}

int
sshd_begin_tests (void **state)
{
  (void)state;
  server.there = access (program, X_OK) == 0;
  if (server.there)
    set_up (&server);
  return 0;
}

int
sshd_end_tests (void **state)
{
  (void)state;
  if (!server.there)
    return 0;
  kill (server.pid, SIGTERM);
  waitpid (server.pid, NULL, 0);
  const char *const argv[] = { "rm", "-rf", "--", server.dir, NULL };
  sshd_run (argv);
  return 0;
}

void
sshd_needed (void)
{
  if (!server.there)
    skip ();
}
