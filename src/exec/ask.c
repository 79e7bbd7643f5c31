/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the owner's socket. */
#include "exec/ask.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ANSWER_MAX ((size_t)8 << 20)
#define ANSWER_WAIT_MS 60000

struct ask {
  int fd;
  long pid;
  struct buf in;
};

static struct err *
no_owner (const char *path, int why)
{
  return err_advise (err_sys (why, "RH-EXEC-NOOWNER",
                              "nobody owns the migration at %s", path),
                     "the journal keeps everything that was done",
                     "rehome resume PLAN starts its owner again");
}

struct err *
ask_open (const char *path, struct ask **out)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  struct ucred uc = { 0 };
  socklen_t len = sizeof uc;
  if (strlen (path) >= sizeof sa.sun_path)
    return no_owner (path, ENAMETOOLONG);
  memcpy (sa.sun_path, path, strlen (path) + 1);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect (fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
    struct err *e = no_owner (path, errno);
    if (fd >= 0)
      close (fd);
    return e;
  }
  struct ask *a = mem_alloc (sizeof *a);
  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) == 0)
    a->pid = (long)uc.pid;
  a->in.max = ANSWER_MAX;
  a->fd = fd;
  *out = a;
  return NULL;
}

void
ask_close (struct ask *a)
{
  if (a == NULL)
    return;
  close (a->fd);
  buf_free (&a->in);
  free (a);
}

long
ask_pid (const struct ask *a)
{
  return a->pid;
}

static struct err *
lost (int why)
{
  return err_advise (err_sys (why, "RH-EXEC-NOOWNER",
                              "the migration's owner has ended"),
                     "the journal keeps everything that was done",
                     "rehome resume PLAN starts it again");
}

static struct err *
say (struct ask *a, json_t *o)
{
  CLEANUP_FREE char *line = json_line (o);
  json_decref (o);
  CLEANUP_FREE char *all = mem_printf ("%s\n", line);
  size_t len = strlen (all);
  for (size_t at = 0; at < len;) {
    ssize_t n = send (a->fd, all + at, len - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return lost (errno);
    at += (size_t)n;
  }
  return NULL;
}

/* One whole line out of what was read; NULL: not yet. */
static struct err *
take_line (struct ask *a, json_t **out)
{
  char *end = a->in.len > 0 ? memchr (a->in.data, '\n', a->in.len) : NULL;
  *out = NULL;
  if (end == NULL)
    return NULL;
  size_t len = (size_t)(end - (char *)a->in.data);
  TRY (json_parse ((char *)a->in.data, len, ANSWER_MAX, out));
  buf_consume (&a->in, len + 1);
  return NULL;
}

struct err *
ask_next (struct ask *a, long ms, json_t **out, bool *closed)
{
  *closed = false;
  for (;;) {
    TRY (take_line (a, out));
    if (*out != NULL)
      return NULL;
    struct pollfd p = { .fd = a->fd, .events = POLLIN };
    int n = poll (&p, 1, (int)ms);
    if (n == 0 || (n < 0 && errno == EINTR))
      return NULL;
    unsigned char *room;
    TRY (buf_reserve (&a->in, 65536, &room));
    ssize_t got = recv (a->fd, room, 65536, 0);
    if (got <= 0) {
      *closed = true;
      return NULL;
    }
    a->in.len += (size_t)got;
  }
}

static struct err *
answer (struct ask *a, json_t **out)
{
  bool closed = false;
  TRY (ask_next (a, ANSWER_WAIT_MS, out, &closed));
  if (closed)
    return lost (0);
  if (*out == NULL)
    return err_new (ERR_TRANSIENT, "RH-EXEC-SILENT",
                    "the owner did not answer within a minute");
  json_t *error = json_object_get (*out, "error");
  if (error == NULL)
    return NULL;
  struct err *e = json_to_err (error);
  json_decref (*out);
  *out = NULL;
  return e;
}

struct err *
ask_request (struct ask *a, enum request r, const char *actor,
             const json_t *no_way_back)
{
  CLEANUP_JSON json_t *got = NULL;
  TRY (say (a, json_pack ("{s:s, s:s*, s:O*}", "request", request_name (r),
                          "actor", actor, "no_way_back", no_way_back)));
  return answer (a, &got);
}

struct err *
ask_approve (struct ask *a, const char *text, const char *signature,
             const char *actor)
{
  CLEANUP_JSON json_t *got = NULL;
  TRY (say (a, json_pack ("{s:{s:s, s:s}, s:s*}", "approve", "text", text,
                          "signature", signature, "actor", actor)));
  return answer (a, &got);
}

struct err *
ask_stop (struct ask *a)
{
  CLEANUP_JSON json_t *got = NULL;
  TRY (say (a, json_pack ("{s:b}", "stop", 1)));
  return answer (a, &got);
}

struct err *
ask_watch (struct ask *a, uint64_t since)
{
  return say (a,
              json_pack ("{s:b, s:I}", "watch", 1, "since", (json_int_t)since));
}
