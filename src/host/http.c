/* SPDX-License-Identifier: Apache-2.0 */
#include "host/http.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "host/netns.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD_MAX = 65536, DEFAULT_MS = 5000 };

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

struct url {
  char *host;      /* without brackets */
  char *authority; /* as written: host and port */
  unsigned port;
  bool only_connect; /* tcp:// */
  const char *path;  /* borrowed; begins with '/', or is "" */
};

static void
url_free (struct url *u)
{
  free (u->host);
  free (u->authority);
}

static struct err *
bad_url (const char *url, const char *why)
{
  CLEANUP_FREE char *shown = text_escape (url, strlen (url));
  return err_new (ERR_CORRECT, "RH-HTTP-URL", "'%s': %s", shown, why);
}

/* --- the URL
 * ------------------------------------------------------------------ */

/* Nothing that could end the request line or a header early. */
static bool
is_plain (const char *s)
{
  for (; *s != '\0'; s++)
    if ((unsigned char)*s <= ' ' || *s == 0x7f)
      return false;
  return true;
}

static struct err *
split_authority (const char *url, struct url *u)
{
  const char *a = u->authority;
  size_t host = *a == '[' ? strcspn (a, "]") : strcspn (a, ":");
  const char *after = a + host;
  if (*a == '[') {
    if (*after != ']')
      return bad_url (url, "a ']' is missing");
    u->host = mem_strndup (a + 1, host - 1);
    after++;
  } else
    u->host = mem_strndup (a, host);
  u->port = 80;
  if (*after == '\0' && !u->only_connect)
    return NULL;
  char *end;
  unsigned long port = after[0] == ':' && isdigit ((unsigned char)after[1])
                           ? strtoul (after + 1, &end, 10)
                           : 0;
  if (port == 0 || port > 65535 || *end != '\0')
    return bad_url (url, "the port is not one");
  u->port = (unsigned)port;
  return NULL;
}

static struct err *
parse_url (const char *url, struct url *u)
{
  static const char http[] = "http://";
  static const char tcp[] = "tcp://";
  if (!is_plain (url))
    return bad_url (url, "it has spaces or control bytes in it");
  u->only_connect = strncasecmp (url, tcp, sizeof tcp - 1) == 0;
  if (!u->only_connect && strncasecmp (url, http, sizeof http - 1) != 0) {
    CLEANUP_FREE char *shown = text_escape (url, strlen (url));
    return err_todo (err_new (ERR_CORRECT, "RH-HTTP-SCHEME",
                              "'%s': only http:// and tcp:// are supported",
                              shown),
                     "check the service itself over http, or by a command");
  }
  const char *rest = url + (u->only_connect ? sizeof tcp : sizeof http) - 1;
  size_t len = strcspn (rest, "/?#");
  u->authority = mem_strndup (rest, len);
  u->path = rest + len;
  if (strchr (u->authority, '@') != NULL)
    return bad_url (url, "user names in it are not supported");
  return split_authority (url, u);
}

static bool
numeric (const char *host, unsigned port, union address *out, socklen_t *len)
{
  memset (out, 0, sizeof *out);
  if (inet_pton (AF_INET, host, &out->v4.sin_addr) == 1) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons ((uint16_t)port);
    *len = sizeof out->v4;
    return true;
  }
  if (inet_pton (AF_INET6, host, &out->v6.sin6_addr) == 1) {
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons ((uint16_t)port);
    *len = sizeof out->v6;
    return true;
  }
  return false;
}

/* --- the connection
 * -------------------------------------------------------------- */

static struct err *
timed_out (const char *url)
{
  return err_new (ERR_TRANSIENT, "RH-HTTP-TIMEOUT", "%s: no answer in time",
                  url);
}

/* Transient: the service may not be up yet. */
static struct err *
unreachable (int errnum, const char *url)
{
  return err_new (ERR_TRANSIENT, "RH-HTTP-CONNECT", "cannot connect to %s: %s",
                  url,
                  strerrordesc_np (errnum) != NULL ? strerrordesc_np (errnum)
                                                   : "unknown error");
}

static struct err *
wait_for (int fd, short events, long deadline, const char *url)
{
  for (;;) {
    long left = deadline - monotonic_ms ();
    if (left <= 0)
      return timed_out (url);
    struct pollfd p = { .fd = fd, .events = events };
    int got = poll (&p, 1, (int)left);
    if (got > 0)
      return NULL;
    if (got < 0 && errno != EINTR)
      return err_sys (errno, "RH-HTTP-ANSWER", "cannot wait");
  }
}

static struct err *
connect_to (const struct http_job *job, const char *host, unsigned port,
            long deadline, int *fd)
{
  union address to, from;
  socklen_t len, from_len;
  if (!numeric (host, port, &to, &len))
    return bad_url (job->url, "the host is neither numeric nor localhost");
  if (job->netns != NULL)
    TRY (netns_socket (job->netns, to.any.sa_family, fd));
  else
    *fd = socket (to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  0);
  if (*fd < 0)
    return unreachable (errno, job->url);
  if (job->bind != NULL
      && (!numeric (job->bind, 0, &from, &from_len)
          || bind (*fd, &from.any, from_len) != 0))
    return err_sys (errno, "RH-HTTP-BIND", "cannot send from the address %s",
                    job->bind);
  if (connect (*fd, &to.any, len) == 0)
    return NULL;
  if (errno != EINPROGRESS)
    return unreachable (errno, job->url);
  TRY (wait_for (*fd, POLLOUT, deadline, job->url));
  int bad = 0;
  socklen_t size = sizeof bad;
  if (getsockopt (*fd, SOL_SOCKET, SO_ERROR, &bad, &size) != 0 || bad != 0)
    return unreachable (bad, job->url);
  return NULL;
}

static struct err *
open_connection (const struct http_job *job, const struct url *u, long deadline,
                 int *fd)
{
  if (strcasecmp (u->host, "localhost") != 0)
    return connect_to (job, u->host, u->port, deadline, fd);
  CLEANUP_ERR struct err *first
      = connect_to (job, "127.0.0.1", u->port, deadline, fd);
  if (first == NULL)
    return NULL;
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
  CLEANUP_ERR struct err *second
      = connect_to (job, "::1", u->port, deadline, fd);
  return second == NULL ? NULL : STEAL (first);
}

static struct err *
send_request (const struct http_job *job, const struct url *u, long deadline,
              int fd)
{
  size_t path = strcspn (u->path, "#");
  CLEANUP_FREE char *request
      = mem_printf ("GET %s%.*s HTTP/1.0\r\nHost: %s\r\nUser-Agent: rehome\r\n"
                    "Accept: */*\r\nConnection: close\r\n\r\n",
                    *u->path == '/' ? "" : "/", (int)path, u->path,
                    job->host != NULL ? job->host : u->authority);
  size_t len = strlen (request);
  for (size_t done = 0; done < len;) {
    ssize_t n = send (fd, request + done, len - done, MSG_NOSIGNAL);
    if (n >= 0)
      done += (size_t)n;
    else if (errno == EAGAIN)
      TRY (wait_for (fd, POLLOUT, deadline, job->url));
    else if (errno != EINTR)
      return unreachable (errno, job->url);
  }
  return NULL;
}

/* --- the answer
 * --------------------------------------------------------------------- */

/* Takes the head off `all` once it is whole; -1: not yet. */
static int
take_head (struct buf *all)
{
  char *end = memmem (all->data, all->len, "\r\n\r\n", 4);
  size_t skip = 4;
  if (end == NULL) {
    end = memmem (all->data, all->len, "\n\n", 2);
    skip = 2;
  }
  if (end == NULL)
    return -1;
  int status = 0;
  if (sscanf ((const char *)all->data, "HTTP/%*u.%*u %3d", &status) != 1
      || status < 100)
    return 0;
  buf_consume (all, (size_t)(end - (char *)all->data) + skip);
  return status;
}

static struct err *
no_http (const char *url, const char *why)
{
  return err_new (ERR_TRANSIENT, "RH-HTTP-ANSWER", "%s: %s", url, why);
}

static struct err *
receive (const struct http_job *job, long deadline, int fd,
         struct http_answer *out)
{
  unsigned char chunk[16384];
  for (;;) {
    ssize_t n = recv (fd, chunk, sizeof chunk, 0);
    if (n < 0 && errno == EAGAIN) {
      TRY (wait_for (fd, POLLIN, deadline, job->url));
      continue;
    }
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return no_http (job->url, "the connection broke");
    if (n == 0)
      return out->status != 0
                 ? NULL
                 : no_http (job->url, "it closed without an answer");
    TRY (buf_put (&out->body, chunk, (size_t)n));
    if (out->status == 0) {
      int status = take_head (&out->body);
      if (status == 0 || (status < 0 && out->body.len > HEAD_MAX))
        return no_http (job->url, "what answers there is not HTTP");
      out->status = status < 0 ? 0 : status;
    }
    if (out->status != 0 && out->body.len > job->max) {
      out->truncated = true;
      out->body.len = job->max;
      return NULL;
    }
  }
}

struct err *
http_get (const struct http_job *job, struct http_answer *out)
{
  *out = (struct http_answer){ .body
                               = BUF_INIT_MAX (job->max + HEAD_MAX + 32768) };
  CLEANUP (url_free) struct url u = { NULL, NULL, 0, false, NULL };
  TRY (parse_url (job->url, &u));
  if (job->host != NULL && !is_plain (job->host))
    return bad_url (job->host, "not a Host header");
  int64_t begun = monotonic_ms ();
  long deadline = begun + (job->timeout_ms > 0 ? job->timeout_ms : DEFAULT_MS);
  CLEANUP_FD int fd = -1;
  TRY (open_connection (job, &u, deadline, &fd));
  if (fd < 0)
    return err_new (ERR_BUG, "RH-HTTP-CONNECT", "no connection");
  if (!u.only_connect) {
    TRY (send_request (job, &u, deadline, fd));
    TRY (receive (job, deadline, fd, out));
  }
  out->ms = monotonic_ms () - begun;
  return NULL;
}

void
http_answer_free (struct http_answer *a)
{
  buf_free (&a->body);
}
