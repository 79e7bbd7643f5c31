/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a keeper, and starting one. */
#include "agent/keeper_call.h"

#include "agent/fence.h"
#include "agent/keeper.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/spawn.h"
#include "wire/outlet.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

enum { ANSWER_MS = 20000, START_MS = 20000 };

bool
keeper_same_user (int fd)
{
  struct ucred who;
  socklen_t len = sizeof who;
  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0
         && (who.uid == geteuid () || who.uid == 0);
}

void
keeper_set_timeout (int fd, int ms)
{
  struct timeval t = { ms / 1000, (suseconds_t)(ms % 1000) * 1000 };
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

/* Not an outlet: a peer that does not read must not hold the keeper up, so
 * the descriptor's own time limit counts. */
static struct err *
write_all (int fd, const void *data, size_t len)
{
  const char *p = data;
  while (len > 0) {
    ssize_t n = send (fd, p, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return err_sys (errno, "RH-WIRE-LOST", "the keeper's socket");
    p += n;
    len -= (size_t)n;
  }
  return NULL;
}

struct err *
keeper_write (int fd, enum frame_type type, const json_t *message)
{
  CLEANUP_FREE char *line = json_line (message);
  size_t len = strlen (line);
  if (len > MESSAGE_MAX)
    return err_new (ERR_CORRUPT, "RH-LIMIT", "a message of %zu bytes", len);
  for (size_t at = 0; at < len;) {
    unsigned char head[FRAME_HEADER];
    size_t n = len - at < FRAME_MAX ? len - at : FRAME_MAX;
    struct frame f = { type, 1, at + n < len ? FRAME_MORE : 0, n, NULL };
    frame_head (&f, head);
    TRY (write_all (fd, head, sizeof head));
    TRY (write_all (fd, line + at, n));
    at += n;
  }
  return NULL;
}

static struct err *
read_text (struct frame_reader *r, enum frame_type wanted, bool *failed,
           struct buf *text)
{
  for (;;) {
    CLEANUP_FRAME struct frame f = FRAME_INIT;
    bool eof = false;
    TRY (frame_read (r, &f, &eof));
    *failed = f.type == FRAME_ERROR;
    if (eof || (f.type != wanted && !(wanted == FRAME_RESULT && *failed)))
      return err_new (ERR_TRANSIENT, "RH-WIRE-LOST",
                      "the keeper's socket ended");
    TRY (buf_put (text, f.body, f.len));
    if (f.value != FRAME_MORE)
      return NULL;
  }
}

struct err *
keeper_read (int fd, enum frame_type type, int ms, json_t **out)
{
  CLEANUP_BUF struct buf text = BUF_INIT_MAX (MESSAGE_MAX);
  CLEANUP_JSON json_t *j = NULL;
  struct frame_reader r;
  bool failed = false;
  frame_reader_init (&r, fd);
  r.timeout_ms = ms;
  struct err *e = read_text (&r, type, &failed, &text);
  frame_reader_clear (&r);
  TRY (e);
  TRY (json_parse ((const char *)text.data, text.len, MESSAGE_MAX, &j));
  if (failed)
    return json_to_err (j);
  *out = STEAL (j);
  return NULL;
}

static struct err *
no_keeper (int errnum, const char *id)
{
  return err_advise (err_new (ERR_TRANSIENT, "RH-AGENT-KEEPER",
                              "no keeper of migration %s answers (%s)", id,
                              strerrorname_np (errnum)),
                     "nothing was changed", "it is started by itself");
}

static struct err *
reach (const char *id, int *fd)
{
  CLEANUP_FREE char *path = keeper_socket (id);
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  if (strlen (path) >= sizeof a.sun_path)
    return no_keeper (ENAMETOOLONG, id);
  memcpy (a.sun_path, path, strlen (path) + 1);
  *fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (*fd < 0)
    return no_keeper (errno, id);
  keeper_set_timeout (*fd, ANSWER_MS);
  if (connect (*fd, (const struct sockaddr *)&a, sizeof a) != 0)
    return no_keeper (errno, id);
  return keeper_same_user (*fd) ? NULL : no_keeper (EPERM, id);
}

static struct err *
ask (const char *id, const char *verb, json_t *args, json_t **result)
{
  CLEANUP_FD int fd = -1;
  CLEANUP_JSON json_t *message
      = json_pack ("{s:s, s:O}", "verb", verb, "args", args);
  CLEANUP_JSON json_t *got = NULL;
  TRY (reach (id, &fd));
  TRY (keeper_write (fd, FRAME_CALL, message));
  TRY (keeper_read (fd, FRAME_RESULT, ANSWER_MS, &got));
  if (strcmp (verb, "keeper.stop") == 0) /* until the process is gone */
    recv (fd, &(char){ 0 }, 1, 0);
  if (result != NULL)
    *result = STEAL (got);
  return NULL;
}

struct err *
keeper_call (const char *id, const char *verb, json_t *args, json_t **result)
{
  CLEANUP_JSON json_t *owned = args;
  CLEANUP_FREE char *controller = NULL;
  int64_t epoch;
  TRY (fence_check_id (id));
  TRY (fence_claimed (id, &epoch, &controller));
  json_object_set_new (owned, "epoch", json_integer ((json_int_t)epoch));
  json_object_set_new (owned, "controller", json_string (controller));
  return ask (id, verb, owned, result);
}

/* --- starting and ending --------------------------------------------------
 */

static struct err *
use (const char *id, int64_t idle_s, const char *how, json_t **result)
{
  CLEANUP_JSON json_t *got = NULL;
  TRY (keeper_call (id, "keeper.use",
                    json_pack ("{s:I}", "idle_s", (json_int_t)idle_s), &got));
  json_object_set_new (got, "started",
                       json_boolean (strcmp (how, "there") != 0));
  json_object_set_new (got, "how", json_string (how));
  *result = STEAL (got);
  return NULL;
}

static bool
has_systemd (void)
{
  struct stat st;
  return lstat ("/run/systemd/system", &st) == 0 && S_ISDIR (st.st_mode);
}

static struct err *
run_it (const char *const *argv, const char *id)
{
  struct spawn_job job
      = { .argv = argv, .timeout_ms = START_MS, .max_output = 4096 };
  struct spawn_end end;
  struct err *e = spawn_run (&job, &end);
  if (e == NULL && end.status != 0) {
    CLEANUP_FREE char *said
        = text_escape (end.err.data != NULL ? (const char *)end.err.data : "",
                       end.err.len);
    e = err_new (ERR_SYSTEM, "RH-AGENT-KEEPER",
                 "the keeper of migration %s was not started: %s", id, said);
  }
  spawn_end_free (&end);
  return e;
}

/* The file that this process runs from, though it may lose its name while
 * the keeper lives: a running program keeps it. */
static struct err *
start_unit (const char *id, const char *idle)
{
  CLEANUP_FREE char *unit = mem_printf ("--unit=rehome-keeper-%s", id);
  CLEANUP_FREE char *about
      = mem_printf ("--description=rehome keeper of migration %s", id);
  CLEANUP_FREE char *self = mem_printf ("/proc/%d/exe", (int)getpid ());
  const char *argv[]
      = { "systemd-run", "--quiet", "--collect", "--service-type=forking",
          unit,          about,     "--",        self,
          "--keeper",    id,        "--idle",    idle,
          NULL };
  return run_it (argv, id);
}

static struct err *
start_session (const char *id, const char *idle)
{
  CLEANUP_FREE char *self = mem_printf ("/proc/%d/exe", (int)getpid ());
  const char *argv[] = { self, "--keeper", id, "--idle", idle, NULL };
  return run_it (argv, id);
}

/* Starts one, by the way that works here. */
static struct err *
start_one (const char *id, int64_t idle_s, const char **how)
{
  CLEANUP_FREE char *idle = mem_printf ("%lld", (long long)idle_s);
  *how = "unit";
  struct err *e = has_systemd () ? start_unit (id, idle)
                                 : err_new (ERR_SYSTEM, "RH-AGENT-KEEPER",
                                            "there is no systemd");
  if (e == NULL)
    return NULL;
  err_free (e);
  *how = "session";
  return start_session (id, idle);
}

static bool
is_absent (const struct err *e)
{
  return e != NULL && strcmp (err_code (e), "RH-AGENT-KEEPER") == 0;
}

/* With the lock held. */
static struct err *
find_or_start (const char *id, int64_t idle_s, json_t **result)
{
  const char *how;
  struct err *e = use (id, idle_s, "there", result);
  if (!is_absent (e))
    return e;
  err_free (e);
  CLEANUP_ERR struct err *bad = start_one (id, idle_s, &how);
  if (bad != NULL) /* perhaps another agent was faster */
    how = "there";
  e = use (id, idle_s, how, result);
  if (!is_absent (e) || bad == NULL)
    return e;
  err_free (e);
  return STEAL (bad);
}

struct err *
keeper_start (const char *id, int64_t idle_s, json_t **result)
{
  static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock (&starting);
  struct err *e = find_or_start (id, idle_s, result);
  pthread_mutex_unlock (&starting);
  return e;
}

struct err *
keeper_stop (const char *id)
{
  struct err *e = keeper_call (id, "keeper.stop", json_object (), NULL);
  if (!is_absent (e))
    return e;
  err_free (e);
  return NULL;
}
