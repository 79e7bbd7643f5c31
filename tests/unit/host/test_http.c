/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against a real server on a local socket. */
#include "held.h"

#include "host/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

/* One connection: reads the request, answers these bytes (the request itself
 * where NULL), then waits `hold_ms` before it closes. */
struct server {
  const char *answer;
  size_t len;
  int hold_ms;
  bool v6;
  unsigned port;
  pid_t pid;
};

static void
serve (int listener, const struct server *s)
{
  for (;;) {
    int fd = accept (listener, NULL, NULL);
    char request[4096] = "";
    ssize_t n = recv (fd, request, sizeof request - 1, 0);
    if (n > 0) {
      const char *text = s->answer;
      size_t len = s->len > 0 ? s->len : strlen (text == NULL ? "" : text);
      CLEANUP_FREE char *echo = NULL;
      if (text == NULL) {
        text = echo = mem_printf ("HTTP/1.0 200 OK\r\n\r\n%s", request);
        len = strlen (text);
      }
      ssize_t sent = send (fd, text, len, MSG_NOSIGNAL);
      usleep ((useconds_t)(sent < 0 ? 0 : s->hold_ms * 1000));
    }
    close (fd);
  }
}

static int
listen_on (bool v6, unsigned *port)
{
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } a;
  memset (&a, 0, sizeof a);
  int fd = socket (v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t len = v6 ? sizeof a.v6 : sizeof a.v4;
  if (v6) {
    int only = 1;
    a.v6.sin6_family = AF_INET6;
    a.v6.sin6_addr = in6addr_loopback;
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  } else {
    a.v4.sin_family = AF_INET;
    a.v4.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  }
  if (fd < 0 || bind (fd, &a.any, len) != 0 || listen (fd, 8) != 0
      || getsockname (fd, &a.any, &len) != 0)
  {
    close (fd);
    return -1;
  }
  *port = ntohs (v6 ? a.v6.sin6_port : a.v4.sin_port);
  return fd;
}

static void
server_start (struct server *s)
{
  int fd = listen_on (s->v6, &s->port);
  if (fd < 0)
    skip (); /* no IPv6 here */
  s->pid = fork ();
  if (s->pid == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    serve (fd, s);
  }
  close (fd);
}

static struct err *
get (struct server *s, const char *host, const char *path, struct http_job *job,
     struct http_answer *out)
{
  server_start (s);
  CLEANUP_FREE char *url = mem_printf ("http://%s:%u%s", host, s->port, path);
  job->url = url;
  if (job->max == 0)
    job->max = 65536;
  struct err *e = http_get (job, out);
  held_end (s->pid);
  return e;
}

static long
now_ms (void)
{
  struct timespec ts;
  clock_gettime (CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const char *
body (const struct http_answer *a)
{
  return a->body.data == NULL ? "" : (const char *)a->body.data;
}

static void
status_and_body_come_back (void **state)
{
  (void)state;
  struct server s
      = { .answer = "HTTP/1.1 503 Down\r\nA: b\r\n\r\nnot now\r\n\r\nyet" };
  struct http_job job = { .timeout_ms = 5000 };
  CLEANUP (http_answer_free) struct http_answer a;
  assert_ok (get (&s, "127.0.0.1", "/", &job, &a));
  assert_int_equal (a.status, 503);
  assert_string_equal (body (&a), "not now\r\n\r\nyet");
  assert_false (a.truncated);
}

static void
the_request_is_what_servers_expect (void **state)
{
  (void)state;
  struct server s = { .answer = NULL };
  struct http_job job = { .timeout_ms = 5000, .host = "shop.example" };
  CLEANUP (http_answer_free) struct http_answer a;
  assert_ok (get (&s, "127.0.0.1", "/health?x=1#part", &job, &a));
  assert_int_equal (strncmp (body (&a), "GET /health?x=1 HTTP/1.0\r\n", 26), 0);
  assert_non_null (strstr (body (&a), "\r\nHost: shop.example\r\n"));
  assert_non_null (strstr (body (&a), "\r\nConnection: close\r\n"));
}

static void
without_a_path_the_root_is_asked_for (void **state)
{
  (void)state;
  struct server s = { .answer = NULL };
  struct http_job job = { .timeout_ms = 5000 };
  CLEANUP (http_answer_free) struct http_answer a;
  assert_ok (get (&s, "localhost", "", &job, &a));
  assert_int_equal (strncmp (body (&a), "GET / HTTP/1.0\r\n", 16), 0);
  CLEANUP_FREE char *host = mem_printf ("\r\nHost: localhost:%u\r\n", s.port);
  assert_non_null (strstr (body (&a), host));
}

static void
brackets_hold_an_ipv6_address (void **state)
{
  (void)state;
  struct server s = { .answer = "HTTP/1.0 200 OK\r\n\r\nsix", .v6 = true };
  struct http_job job = { .timeout_ms = 5000 };
  CLEANUP (http_answer_free) struct http_answer a = { .status = 0 };
  assert_ok (get (&s, "[::1]", "/", &job, &a));
  assert_string_equal (body (&a), "six");
}

static void
localhost_may_listen_on_ipv6_only (void **state)
{
  (void)state;
  struct server s = { .answer = "HTTP/1.0 200 OK\r\n\r\nsix", .v6 = true };
  struct http_job job = { .timeout_ms = 5000 };
  CLEANUP (http_answer_free) struct http_answer a = { .status = 0 };
  assert_ok (get (&s, "localhost", "/", &job, &a));
  assert_string_equal (body (&a), "six");
}

static void
a_long_body_is_cut_and_told (void **state)
{
  (void)state;
  size_t len = 300000;
  CLEANUP_FREE char *large = mem_alloc (len);
  memset (large, 'x', len);
  memcpy (large, "HTTP/1.0 200 OK\r\n\r\n", 19);
  struct server s = { .answer = large, .len = len };
  struct http_job job = { .timeout_ms = 5000, .max = 1000 };
  CLEANUP (http_answer_free) struct http_answer a;
  assert_ok (get (&s, "127.0.0.1", "/", &job, &a));
  assert_int_equal (a.body.len, 1000);
  assert_true (a.truncated);
}

static void
one_that_hangs_is_a_timeout (void **state)
{
  (void)state;
  struct server s = { .answer = "HTTP/1.0 200 OK\r\n", .hold_ms = 20000 };
  struct http_job job = { .timeout_ms = 200 };
  CLEANUP (http_answer_free) struct http_answer a;
  long begun = now_ms ();
  struct err *e = get (&s, "127.0.0.1", "/", &job, &a);
  assert_non_null (e);
  assert_true (now_ms () - begun < 2000);
  assert_int_equal (err_class_of (e), ERR_TRANSIENT);
  assert_code (e, "RH-HTTP-TIMEOUT");
}

static void
what_is_no_http_is_told (void **state)
{
  (void)state;
  static const char *const wrong[]
      = { "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.0 nonsense\r\n\r\n",
          "HTTP/1.0 200 OK\r\nnever ends" };
  for (size_t i = 0; i < 3; i++) {
    struct server s = { .answer = wrong[i] };
    struct http_job job = { .timeout_ms = 5000 };
    CLEANUP (http_answer_free) struct http_answer a;
    assert_code (get (&s, "127.0.0.1", "/", &job, &a), "RH-HTTP-ANSWER");
  }
}

static void
a_closed_port_is_transient (void **state)
{
  (void)state;
  unsigned port;
  close (listen_on (false, &port));
  CLEANUP_FREE char *url = mem_printf ("http://127.0.0.1:%u/", port);
  struct http_job job = { .url = url, .timeout_ms = 2000, .max = 10 };
  CLEANUP (http_answer_free) struct http_answer a;
  struct err *e = http_get (&job, &a);
  assert_non_null (e);
  assert_int_equal (err_class_of (e), ERR_TRANSIENT);
  assert_code (e, "RH-HTTP-CONNECT");
}

static void
the_source_address_is_bound (void **state)
{
  (void)state;
  struct server s = { .answer = "HTTP/1.0 204 No\r\n\r\n" };
  struct http_job job = { .timeout_ms = 5000, .bind = "127.0.0.2" };
  CLEANUP (http_answer_free) struct http_answer a;
  assert_ok (get (&s, "127.0.0.1", "/", &job, &a));
  assert_int_equal (a.status, 204);
  struct http_answer none;
  job.url = "http://127.0.0.1:9/";
  job.bind = "192.0.2.1";
  assert_code (http_get (&job, &none), "RH-HTTP-BIND");
  http_answer_free (&none);
}

static void
tcp_is_a_connection_and_no_more (void **state)
{
  (void)state;
  struct server s = { .answer = "220 mail\r\n" };
  struct http_job job = { .timeout_ms = 5000 };
  struct http_answer a;
  server_start (&s);
  CLEANUP_FREE char *url = mem_printf ("tcp://127.0.0.1:%u", s.port);
  job.url = url;
  assert_ok (http_get (&job, &a));
  assert_int_equal (a.status, 0);
  http_answer_free (&a);
  held_end (s.pid);
  job.url = "tcp://127.0.0.1:1";
  assert_code (http_get (&job, &a), "RH-HTTP-CONNECT");
  http_answer_free (&a);
  job.url = "tcp://127.0.0.1";
  assert_code (http_get (&job, &a), "RH-HTTP-URL");
  http_answer_free (&a);
}

static void
only_http_to_numbers_and_localhost (void **state)
{
  (void)state;
  static const char *const urls[][2] = {
    { "https://127.0.0.1/", "RH-HTTP-SCHEME" },
    { "file:///etc/passwd", "RH-HTTP-SCHEME" },
    { "127.0.0.1", "RH-HTTP-SCHEME" },
    { "http://shop.example/", "RH-HTTP-URL" },
    { "http://127.0.0.1:0/", "RH-HTTP-URL" },
    { "http://127.0.0.1:99999/", "RH-HTTP-URL" },
    { "http://127.0.0.1:8x/", "RH-HTTP-URL" },
    { "http://[::1/", "RH-HTTP-URL" },
    { "http://u:p@127.0.0.1/", "RH-HTTP-URL" },
    { "http://127.0.0.1/a\r\nX: y", "RH-HTTP-URL" },
    { "http://127.0.0.1/a b", "RH-HTTP-URL" },
    { "http://", "RH-HTTP-URL" },
  };
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    struct http_job job = { .url = urls[i][0], .timeout_ms = 500, .max = 10 };
    struct http_answer a;
    assert_code (http_get (&job, &a), urls[i][1]);
    http_answer_free (&a);
  }
}

/* Names come from the controller, and nothing but a namespace of that name is
 * opened. */
static void
a_namespace_has_a_plain_name_and_is_there (void **state)
{
  static const char *const names[]
      = { "", "../../etc/passwd", "a/b", ".hidden", "rehome-no-such-one" };
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct http_job job = { .url = "http://127.0.0.1:9/",
                            .netns = names[i],
                            .timeout_ms = 500 };
    CLEANUP (http_answer_free) struct http_answer a;
    assert_code (http_get (&job, &a), "RH-HTTP-NETNS");
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (status_and_body_come_back),
    cmocka_unit_test (the_request_is_what_servers_expect),
    cmocka_unit_test (without_a_path_the_root_is_asked_for),
    cmocka_unit_test (brackets_hold_an_ipv6_address),
    cmocka_unit_test (localhost_may_listen_on_ipv6_only),
    cmocka_unit_test (a_long_body_is_cut_and_told),
    cmocka_unit_test (one_that_hangs_is_a_timeout),
    cmocka_unit_test (what_is_no_http_is_told),
    cmocka_unit_test (a_closed_port_is_transient),
    cmocka_unit_test (the_source_address_is_bound),
    cmocka_unit_test (tcp_is_a_connection_and_no_more),
    cmocka_unit_test (only_http_to_numbers_and_localhost),
    cmocka_unit_test (a_namespace_has_a_plain_name_and_is_there),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
