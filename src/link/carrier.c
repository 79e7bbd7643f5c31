/* SPDX-License-Identifier: Apache-2.0 */
/* The process that carries a connection; see carrier.h. */
#include "link/carrier.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "link/child.h"
#include "link/diagnose.h"
#include "link/push.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define START_MS 30000
#define END_MS 20000
#define BROKEN_MS 1000
#define LOG_MAX ((size_t)1 << 20)
#define TAIL_MAX ((size_t)16 << 10)

struct carrier {
  const char *name;
  struct child child;
  int log; /* a memory file that ssh writes to; -1: local */
  char *host_key;
  char *dir;
  int stop[2]; /* its write end closed: nobody reads any more */
  bool listening;
  pthread_t thread;
  pthread_mutex_t lock;
  struct buf tail; /* the last of its stderr */
};

/* Waits until there is something on stderr; false when nobody listens any
 * more (a process that ssh left behind may hold the other end open). */
static bool
await_err (const struct carrier *c)
{
  struct pollfd p[2] = { { .fd = c->child.err, .events = POLLIN },
                         { .fd = c->stop[0], .events = POLLIN } };
  while (poll (p, 2, -1) < 0)
    if (errno != EINTR)
      return false;
  return p[0].revents != 0;
}

/* Keeps the last of stderr, and gives it to the log. */
static void *
listen_err (void *arg)
{
  struct carrier *c = arg;
  char text[4096];
  while (await_err (c)) {
    ssize_t n = read (c->child.err, text, sizeof text);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return NULL;
    log_line (LOG_DEBUG, "%s: %.*s", c->name, (int)n, text);
    pthread_mutex_lock (&c->lock);
    if (c->tail.len + (size_t)n > TAIL_MAX)
      buf_consume (&c->tail, c->tail.len / 2);
    err_free (buf_put (&c->tail, text, (size_t)n));
    pthread_mutex_unlock (&c->lock);
  }
  return NULL;
}

static void
listen_stop (struct carrier *c)
{
  cleanup_close_ (&c->stop[1]);
  c->stop[1] = -1;
  if (c->listening)
    pthread_join (c->thread, NULL);
  c->listening = false;
}

static struct err *
listen_start (struct carrier *c)
{
  int rc = pthread_create (&c->thread, NULL, listen_err, c);
  if (rc != 0)
    return err_sys (rc, "RH-LINK-START", "listening to stderr");
  c->listening = true;
  return NULL;
}

/* All that ssh wrote so far; caller frees. */
static char *
read_log (const struct carrier *c)
{
  CLEANUP_BUF struct buf b = BUF_INIT_MAX (LOG_MAX);
  char text[4096];
  ssize_t n;
  while (c->log >= 0
         && (n = pread (c->log, text, sizeof text, (off_t)b.len)) > 0)
  {
    struct err *e = buf_put (&b, text, (size_t)n);
    if (e != NULL) {
      err_free (e);
      break;
    }
  }
  return buf_steal_str (&b);
}

static char *
read_tail (struct carrier *c)
{
  pthread_mutex_lock (&c->lock);
  char *s = mem_strndup (c->tail.data != NULL ? (const char *)c->tail.data : "",
                         c->tail.len);
  pthread_mutex_unlock (&c->lock);
  return s;
}

static struct err *
start_local (struct carrier *c, const struct link_where *w)
{
  const char *const argv[] = { w->agent_path, "--stdio", NULL };
  const char *slash = strrchr (w->agent_path, '/');
  c->dir = slash != NULL
               ? mem_strndup (w->agent_path, (size_t)(slash - w->agent_path))
               : mem_strdup (".");
  return child_start (argv, w->batch, &c->child);
}

static struct err *
start_ssh (struct carrier *c, const struct link_where *w,
           const struct ssh_names *names)
{
  c->log = memfd_create ("rehome-ssh-log", MFD_CLOEXEC);
  if (c->log < 0)
    return err_sys (errno, "RH-LINK-START", "memfd_create");
  CLEANUP_FREE char *path
      = mem_printf ("/proc/%d/fd/%d", (int)getpid (), c->log);
  char **argv = ssh_argv (w, names, path, push_script);
  struct err *e = child_start ((const char *const *)argv, w->batch, &c->child);
  ssh_argv_free (argv);
  return e;
}

/* The login took us in and then said nothing more. */
static struct err *
silent_login (const struct link_where *w, const char *noise)
{
  return err_advise (
      err_new (ERR_REFUSED, "RH-LINK-NOISE",
               "the login to %s did not run the agent within %d s%s%s", w->host,
               START_MS / 1000, noise[0] != 0 ? "; it printed: " : "", noise),
      "nothing was changed on that host",
      "let the login's shell run commands without asking anything when it has "
      "no terminal (/etc/profile, ~/.bashrc, a forced command)");
}

/* The words of ssh and of the login, in place of a bare "it ended". */
static struct err *
explain (struct carrier *c, const struct link_where *w,
         const struct ssh_names *names, const struct push *p, struct err *e)
{
  if (strcmp (err_code (e), "RH-LINK-LOST") != 0
      && strcmp (err_code (e), "RH-WIRE-IDLE") != 0)
    return e;
  bool silent = strcmp (err_code (e), "RH-WIRE-IDLE") == 0;
  err_free (e);
  child_end (&c->child, 1000); /* its last words are out then */
  listen_stop (c);
  CLEANUP_FREE char *log = read_log (c);
  CLEANUP_FREE char *said = read_tail (c);
  const char *noise = p->noise.data != NULL ? (char *)p->noise.data : "";
  if (silent && diagnose_logged_in (log))
    return silent_login (w, noise);
  return diagnose (w, names, log, said, noise);
}

/* The second connection finds the agent that the first has brought. */
static struct err *
in_turn (const struct carrier_turn *turn)
{
  if (turn->first)
    order_reach (turn->order, ORDER_LOGGED_IN);
  else if (!order_await (turn->order, ORDER_THERE))
    return err_new (ERR_TRANSIENT, "RH-LINK-LOST",
                    "the other connection did not come up");
  return NULL;
}

static struct err *
play (struct carrier *c, const struct link_where *w,
      const struct ssh_names *names, const struct binary *agent,
      const struct carrier_turn *turn, struct push *p)
{
  struct err *e = push_await (p);
  if (e != NULL)
    return explain (c, w, names, p, e);
  CLEANUP_FREE char *log = read_log (c);
  TRY (diagnose_check_key (w, names, log));
  c->host_key = diagnose_host_key (log);
  TRY (in_turn (turn));
  TRY (push_send (p, agent));
  if (turn->first)
    order_reach (turn->order, ORDER_THERE);
  p->from->timeout_ms = START_MS;
  c->dir = STEAL (p->dir);
  return NULL;
}

struct err *
carrier_start (const struct link_where *where, const struct ssh_names *names,
               const struct binary *agent, const struct carrier_turn *turn,
               struct carrier **out, struct frame_reader *reader)
{
  struct carrier *c = mem_alloc (sizeof *c);
  *out = c;
  c->name = where->name;
  c->child = (struct child)CHILD_INIT;
  c->log = c->stop[0] = c->stop[1] = -1;
  c->tail = (struct buf)BUF_INIT_MAX (2 * TAIL_MAX);
  pthread_mutex_init (&c->lock, NULL);
  if (pipe2 (c->stop, O_CLOEXEC) != 0)
    return err_sys (errno, "RH-LINK-START", "pipe");
  if (names == NULL)
    TRY (start_local (c, where));
  else
    TRY (start_ssh (c, where, names));
  frame_reader_init (reader, c->child.out);
  reader->wake_fd = c->stop[0];
  reader->timeout_ms = START_MS;
  TRY (listen_start (c));
  if (names == NULL)
    return NULL;
  CLEANUP (push_clear)
  struct push p = { .from = reader, .to = c->child.in, .noise = BUF_INIT };
  return play (c, where, names, agent, turn, &p);
}

int
carrier_take_in (struct carrier *c)
{
  int fd = c->child.in;
  c->child.in = -1;
  return fd;
}

const char *
carrier_host_key (const struct carrier *c)
{
  return c->host_key;
}

const char *
carrier_dir (const struct carrier *c)
{
  return c->dir;
}

char *
carrier_last_word (struct carrier *c)
{
  CLEANUP_FREE char *text = c->log >= 0 ? read_log (c) : read_tail (c);
  return diagnose_last_word (text);
}

char *
carrier_said (struct carrier *c)
{
  CLEANUP_FREE char *text = read_tail (c);
  return diagnose_last_word (text);
}

void
carrier_end (struct carrier *c, bool broken)
{
  if (c == NULL)
    return;
  child_end (&c->child, broken ? BROKEN_MS : END_MS);
  listen_stop (c);
}

void
carrier_free (struct carrier *c)
{
  if (c == NULL)
    return;
  listen_stop (c);
  child_close (&c->child);
  cleanup_close_ (&c->stop[0]);
  cleanup_close_ (&c->log);
  buf_free (&c->tail);
  pthread_mutex_destroy (&c->lock);
  free (c->host_key);
  free (c->dir);
  free (c);
}
