/* SPDX-License-Identifier: Apache-2.0 */
/* The owner's socket. */
#include "exec/door.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "exec/approve.h"
#include "exec/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CLIENTS_MAX 32
#define LINE_MAX_BYTES 65536
#define HEARTBEAT_MS 1000

struct door {
  struct door_parts parts;
  char *dir, *socket, *migration;
  int fd;
  int wake[2];
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t gone;
  struct client *clients[CLIENTS_MAX];
  unsigned count;
};

struct client {
  struct door *door;
  int fd;
  struct hub_seen seen;
};

/* ---- Sending ---- */

static struct err *
send_all (int fd, const char *data, size_t len)
{
  while (len > 0) {
    ssize_t n = send (fd, data, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return err_sys (errno, "RH-EXEC-ASKER", "the asker is gone");
    data += n;
    len -= (size_t)n;
  }
  return NULL;
}

static struct err *
send_json (int fd, const json_t *j)
{
  CLEANUP_FREE char *line = json_line (j);
  CLEANUP_FREE char *with_end = mem_printf ("%s\n", line);
  return send_all (fd, with_end, strlen (with_end));
}

static struct err *
send_error (int fd, const struct err *e)
{
  CLEANUP_JSON json_t *o = json_pack ("{s:o}", "error", json_from_err (e));
  return send_json (fd, o);
}

static struct err *
send_ok (int fd)
{
  CLEANUP_JSON json_t *o = json_pack ("{s:b}", "ok", 1);
  return send_json (fd, o);
}

/* ---- Who asks ---- */

static char *
peer_actor (int fd)
{
  struct ucred uc;
  socklen_t len = sizeof uc;
  struct passwd pw, *found = NULL;
  char space[4096];
  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) != 0)
    return mem_strdup ("operator:unknown");
  if (getpwuid_r (uc.uid, &pw, space, sizeof space, &found) == 0
      && found != NULL)
    return mem_printf ("operator:%s", pw.pw_name);
  return mem_printf ("operator:%u", (unsigned)uc.uid);
}

/* A name that the asker gives for itself (a person behind sudo, the web)
 * stands behind the account that the kernel vouches for. */
static char *
actor_of (int fd, const json_t *ask)
{
  char *peer = peer_actor (fd);
  const char *said = json_string_value (json_object_get (ask, "actor"));
  if (said == NULL || strcmp (said, peer) == 0 || strlen (said) > 128)
    return peer;
  char *safe = text_escape (said, strlen (said));
  char *both = mem_printf ("%s (%s)", safe, peer);
  free (safe);
  free (peer);
  return both;
}

/* ---- Watching ---- */

static struct err *
send_record (void *ctx, const struct record *r, const char *line)
{
  struct client *c = ctx;
  /* The stored line is JSON already, and is passed on as it is. */
  CLEANUP_FREE char *out = mem_printf ("{\"seq\":%llu,\"record\":%s}\n",
                                       (unsigned long long)r->seq, line);
  TRY (send_all (c->fd, out, strlen (out)));
  c->seen.seq = r->seq;
  return NULL;
}

static bool
has_hung_up (int fd)
{
  struct pollfd p = { .fd = fd, .events = POLLRDHUP };
  return poll (&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static struct err *
send_notices (int fd, const json_t *notices)
{
  size_t i;
  json_t *n;
  json_array_foreach (notices, i, n)
  {
    CLEANUP_JSON json_t *o = json_pack ("{s:O}", "notice", n);
    TRY (send_json (fd, o));
  }
  return NULL;
}

static struct err *
send_news (struct client *c, struct store *s, const struct hub_news *news)
{
  if (news->records)
    TRY (store_each (s, c->seen.seq, send_record, c));
  TRY (send_notices (c->fd, news->notices));
  if (news->progress == NULL)
    return NULL;
  CLEANUP_JSON json_t *o = json_pack ("{s:O}", "progress", news->progress);
  return send_json (c->fd, o);
}

static struct err *
watch (struct client *c, const json_t *ask)
{
  CLEANUP_STORE struct store *s = NULL;
  bool closed = false;
  TRY (json_opt_bool (ask, "watch", false, &closed));
  json_int_t since = json_integer_value (json_object_get (ask, "since"));
  c->seen.seq = since > 0 ? (uint64_t)since : 0;
  TRY (store_open_reader (c->door->dir, &s));
  for (closed = false; !closed && !has_hung_up (c->fd);) {
    struct hub_news news;
    hub_wait (c->door->parts.hub, &c->seen, HEARTBEAT_MS, &news);
    struct err *e = send_news (c, s, &news);
    closed = news.closed;
    json_decref (news.progress);
    json_decref (news.notices);
    TRY (e);
  }
  return NULL;
}

/* ---- One line asked ---- */

/* What a person confirmed of the way back, as the journal has it: how, of what
 * it was said, and under which plan. */
static struct err *
confirmed (const struct client *c, enum request r, const json_t *given,
           json_t **out)
{
  const json_t *why = json_object_get (given, "why");
  const char *how;
  json_t *text;
  size_t i;
  if (r != REQUEST_CUTOVER || c->door->parts.plan == NULL)
    return err_new (ERR_CORRECT, "RH-EXEC-REQUEST",
                    "no_way_back belongs to a cutover by a plan");
  TRY (json_get_str (given, "how", &how));
  bool ok = strcmp (how, "typed") == 0 || strcmp (how, "option") == 0;
  json_array_foreach (why, i, text)
  {
    ok &= json_is_string (text);
  }
  if (!ok || !json_is_array (why))
    return err_new (ERR_CORRECT, "RH-EXEC-REQUEST",
                    "no_way_back is how (typed, option) and why, texts");
  *out = json_pack ("{s:s, s:O, s:s}", "how", how, "why", why, "plan",
                    plan_hash (c->door->parts.plan));
  return NULL;
}

static struct err *
answer_request (struct client *c, const json_t *ask, const char *word)
{
  const json_t *given = json_object_get (ask, "no_way_back");
  CLEANUP_JSON json_t *no_way_back = NULL;
  enum request r;
  if (request_from_name (word, &r) != 0)
    return err_new (ERR_CORRECT, "RH-EXEC-REQUEST", "no such request");
  if (given != NULL)
    TRY (confirmed (c, r, given, &no_way_back));
  CLEANUP_FREE char *actor = actor_of (c->fd, ask);
  TRY (loop_request (c->door->parts.loop, r, actor, no_way_back));
  return send_ok (c->fd);
}

/* Checked here, so that the engine sees only what was signed. */
static struct err *
answer_approve (struct client *c, const json_t *ask)
{
  const json_t *given = json_object_get (ask, "approve");
  const char *text, *signature;
  CLEANUP_JSON json_t *data = NULL;
  CLEANUP_STORE struct store *s = NULL;
  TRY (json_get_str (given, "text", &text));
  TRY (json_get_str (given, "signature", &signature));
  if (c->door->parts.plan == NULL)
    return err_new (ERR_REFUSED, "RH-APPROVE-ROLE", "there is no plan here");
  TRY (approve_check (c->door->parts.plan, c->door->migration, text, signature,
                      &data));
  TRY (store_open_reader (c->door->dir, &s));
  TRY (approve_check_head (s, data));
  CLEANUP_FREE char *actor = actor_of (c->fd, ask);
  TRY (loop_record (c->door->parts.loop, RECORD_APPROVE, actor, STEAL (data)));
  return send_ok (c->fd);
}

static struct err *
answer_status (struct client *c)
{
  struct hub_seen none = { .seq = UINT64_MAX };
  struct hub_news news;
  hub_wait (c->door->parts.hub, &none, 0, &news);
  CLEANUP_JSON json_t *o
      = json_pack ("{s:i, s:s, s:o*}", "pid", (int)getpid (), "migration",
                   c->door->migration, "progress", news.progress);
  json_decref (news.notices);
  return send_json (c->fd, o);
}

static struct err *
answer (struct client *c, const json_t *ask)
{
  const char *word = json_string_value (json_object_get (ask, "request"));
  if (word != NULL)
    return answer_request (c, ask, word);
  if (json_is_object (json_object_get (ask, "approve")))
    return answer_approve (c, ask);
  if (json_is_true (json_object_get (ask, "watch")))
    return watch (c, ask);
  if (json_is_true (json_object_get (ask, "status")))
    return answer_status (c);
  if (json_is_true (json_object_get (ask, "stop"))) {
    TRY (send_ok (c->fd));
    loop_stop (c->door->parts.loop);
    return NULL;
  }
  return err_new (ERR_CORRECT, "RH-EXEC-REQUEST",
                  "neither request, approve, watch, status nor stop");
}

static struct err *
answer_line (struct client *c, const char *line, size_t len)
{
  CLEANUP_JSON json_t *ask = NULL;
  struct err *e = json_parse (line, len, LINE_MAX_BYTES, &ask);
  if (e == NULL)
    e = answer (c, ask);
  if (e != NULL && strcmp (err_code (e), "RH-EXEC-ASKER") != 0) {
    struct err *sent = send_error (c->fd, e);
    err_free (e);
    return sent;
  }
  return e;
}

/* Reads lines until the asker leaves or breaks the rules. */
static struct err *
serve (struct client *c)
{
  CLEANUP_BUF struct buf in = BUF_INIT_MAX (LINE_MAX_BYTES);
  for (;;) {
    unsigned char *room;
    TRY (buf_reserve (&in, 1024, &room));
    ssize_t n = recv (c->fd, room, 1024, 0);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return NULL;
    in.len += (size_t)n;
    for (char *end;
         in.len > 0 && (end = memchr (in.data, '\n', in.len)) != NULL;)
    {
      size_t len = (size_t)(end - (char *)in.data);
      TRY (answer_line (c, (char *)in.data, len));
      buf_consume (&in, len + 1);
    }
  }
}

/* Under the lock. */
static void
forget (struct door *d, const struct client *c)
{
  for (unsigned i = 0; i < d->count; i++)
    if (d->clients[i] == c) {
      d->clients[i] = d->clients[--d->count];
      return;
    }
}

static void *
client_thread (void *arg)
{
  struct client *c = arg;
  struct door *d = c->door;
  CLEANUP_ERR struct err *e = serve (c);
  if (e != NULL)
    log_err (LOG_DEBUG, e);
  pthread_mutex_lock (&d->lock);
  forget (d, c);
  close (c->fd);
  free (c);
  pthread_cond_signal (&d->gone);
  pthread_mutex_unlock (&d->lock);
  return NULL;
}

static void
take_client (struct door *d, int fd)
{
  pthread_t t;
  pthread_attr_t attr;
  struct client *c = mem_alloc (sizeof *c);
  c->door = d;
  c->fd = fd;
  pthread_mutex_lock (&d->lock);
  bool room = d->count < CLIENTS_MAX;
  pthread_attr_init (&attr);
  pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
  if (room && pthread_create (&t, &attr, client_thread, c) == 0)
    d->clients[d->count++] = c;
  else {
    close (fd);
    free (c);
  }
  pthread_attr_destroy (&attr);
  pthread_mutex_unlock (&d->lock);
}

static void *
accept_thread (void *arg)
{
  struct door *d = arg;
  for (;;) {
    struct pollfd p[2] = { { .fd = d->fd, .events = POLLIN },
                           { .fd = d->wake[0], .events = POLLIN } };
    if (poll (p, 2, -1) < 0 && errno != EINTR)
      return NULL;
    if (p[1].revents != 0)
      return NULL;
    if ((p[0].revents & POLLIN) == 0)
      continue;
    int fd = accept4 (d->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
      continue;
    /* A stalled reader must not hold a thread for ever. */
    struct timeval tv = { .tv_sec = 10 };
    setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    take_client (d, fd);
  }
}

/* ---- Opening and closing ---- */

static struct err *
refuse_second (const char *path)
{
  struct ask *a = NULL;
  CLEANUP_ERR struct err *e = ask_open (path, &a);
  if (e != NULL)
    return NULL;
  long pid = ask_pid (a);
  ask_close (a);
  return err_advise (err_new (ERR_REFUSED, "RH-EXEC-OWNED",
                              "process %ld owns this migration", pid),
                     "it goes on undisturbed",
                     "use rehome watch, or end that process first");
}

static struct err *
listen_at (const char *path, int *out)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  if (strlen (path) >= sizeof sa.sun_path)
    return err_advise (err_new (ERR_CORRECT, "RH-EXEC-SOCKET",
                                "the path %s is too long for a socket", path),
                       NULL, "give a shorter --state DIR");
  memcpy (sa.sun_path, path, strlen (path) + 1);
  unlink (path);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || fchmod (fd, 0600) != 0
      || bind (fd, (struct sockaddr *)&sa, sizeof sa) != 0
      || chmod (path, 0600) != 0 || listen (fd, 16) != 0)
  {
    struct err *e
        = err_sys (errno, "RH-EXEC-SOCKET", "cannot listen at %s", path);
    if (fd >= 0)
      close (fd);
    return e;
  }
  *out = fd;
  return NULL;
}

struct err *
door_open (const struct door_parts *parts, struct door **out)
{
  int fd = -1;
  TRY (refuse_second (parts->socket));
  TRY (listen_at (parts->socket, &fd));
  struct door *d = mem_alloc (sizeof *d);
  d->parts = *parts;
  d->dir = mem_strdup (parts->dir);
  d->socket = mem_strdup (parts->socket);
  d->migration = mem_strdup (parts->migration);
  d->fd = fd;
  pthread_mutex_init (&d->lock, NULL);
  pthread_cond_init (&d->gone, NULL);
  if (pipe2 (d->wake, O_CLOEXEC) != 0
      || pthread_create (&d->thread, NULL, accept_thread, d) != 0)
    return err_sys (errno, "RH-EXEC-THREAD", "cannot serve %s", parts->socket);
  *out = d;
  return NULL;
}

void
door_close (struct door *d)
{
  if (d == NULL)
    return;
  close (d->wake[1]);
  pthread_join (d->thread, NULL);
  close (d->wake[0]);
  close (d->fd);
  unlink (d->socket);
  pthread_mutex_lock (&d->lock);
  for (unsigned i = 0; i < d->count; i++)
    shutdown (d->clients[i]->fd, SHUT_RDWR);
  while (d->count > 0)
    pthread_cond_wait (&d->gone, &d->lock);
  pthread_mutex_unlock (&d->lock);
  pthread_cond_destroy (&d->gone);
  pthread_mutex_destroy (&d->lock);
  free (d->dir);
  free (d->socket);
  free (d->migration);
  free (d);
}
