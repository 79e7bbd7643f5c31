/* SPDX-License-Identifier: Apache-2.0 */
/* The owner's socket, from both ends. */
#include "stage.h"

#include "base/mem.h"
#include "exec/ask.h"
#include "exec/door.h"
#include "provider/provider.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct house {
  struct stage_set *s;
  struct door *door;
  struct plan *plan;
  char *socket;
};

static const char PLAN[] = "rehome: 1\nname: shop\nsource: {host: old}\n"
                           "items: [{files: /srv/shop}]\n";

static int
setup (void **state)
{
  struct house *h = mem_alloc (sizeof *h);
  void *stage = NULL;
  if (stage_setup (&stage) != 0)
    return -1;
  h->s = stage;
  stage_open (h->s, "a");
  h->socket = mem_printf ("%s/owner.sock", h->s->dir);
  assert_ok (plan_parse (PLAN, strlen (PLAN), "shop.yaml", provider_kinds (),
                         &h->plan));
  struct door_parts parts = { .dir = h->s->dir,
                              .socket = h->socket,
                              .hub = h->s->hub,
                              .loop = h->s->loop,
                              .plan = h->plan,
                              .migration = "shop-12345678" };
  assert_ok (door_open (&parts, &h->door));
  stage_run (h->s);
  *state = h;
  return 0;
}

static int
teardown (void **state)
{
  struct house *h = *state;
  void *stage = h->s;
  loop_stop (h->s->loop);
  hub_close (h->s->hub);
  door_close (h->door);
  plan_free (h->plan);
  free (h->socket);
  free (h);
  return stage_teardown (&stage);
}

static const json_t *
request_in (const json_t *line)
{
  const json_t *r = json_object_get (line, "record");
  const char *type = json_string_value (json_object_get (r, "type"));
  return type != NULL && strcmp (type, "request") == 0 ? r : NULL;
}

static void
a_request_is_answered_and_its_records_are_seen (void **state)
{
  struct house *h = *state;
  struct ask *a CLEANUP_ASK = NULL, *w CLEANUP_ASK = NULL;
  bool found = false, closed = false;
  assert_ok (ask_open (h->socket, &a));
  assert_ok (ask_open (h->socket, &w));
  assert_ok (ask_watch (w, 0));
  assert_ok (ask_request (a, REQUEST_SYNC, "operator:\033[31mme", NULL));
  for (int i = 0; i < 500 && !found; i++) {
    CLEANUP_JSON json_t *line = NULL;
    assert_ok (ask_next (w, 100, &line, &closed));
    assert_false (closed);
    const json_t *r = request_in (line);
    if (r == NULL)
      continue;
    const char *actor = json_string_value (json_object_get (r, "actor"));
    assert_int_equal (strncmp (actor, "operator:#", 10), 0);
    assert_int_equal (strlen (actor), 74);
    assert_int_equal (json_integer_value (json_object_get (line, "seq")),
                      json_integer_value (json_object_get (r, "seq")));
    found = true;
  }
  assert_true (found);
}

static void
what_was_confirmed_with_a_cutover_is_in_its_record (void **state)
{
  struct house *h = *state;
  struct ask *a CLEANUP_ASK = NULL, *w CLEANUP_ASK = NULL;
  CLEANUP_JSON json_t *said
      = json_pack ("{s:s, s:[s]}", "how", "typed", "why", "nginx differs");
  CLEANUP_JSON json_t *wanted = json_deep_copy (said);
  json_object_set_new (wanted, "plan", json_string (plan_hash (h->plan)));
  bool found = false, closed = false;
  assert_ok (ask_open (h->socket, &a));
  assert_ok (ask_open (h->socket, &w));
  assert_ok (ask_watch (w, 0));
  assert_ok (ask_request (a, REQUEST_CUTOVER, NULL, said));
  for (int i = 0; i < 500 && !found; i++) {
    CLEANUP_JSON json_t *line = NULL;
    assert_ok (ask_next (w, 100, &line, &closed));
    const json_t *r = request_in (line);
    found = r != NULL;
    const json_t *data = json_object_get (r, "data");
    assert_true (!found
                 || json_equal (json_object_get (data, "no_way_back"), wanted));
  }
  assert_true (found);
}

static void
a_confirmation_of_another_form_or_place_is_refused (void **state)
{
  struct house *h = *state;
  struct ask *a CLEANUP_ASK = NULL;
  CLEANUP_JSON json_t *said = json_pack ("{s:s, s:[]}", "how", "typed", "why");
  CLEANUP_JSON json_t *odd
      = json_pack ("{s:s, s:[i]}", "how", "typed", "why", 1);
  CLEANUP_JSON json_t *how = json_pack ("{s:s, s:[]}", "how", "\033[2J", "why");
  assert_ok (ask_open (h->socket, &a));
  assert_code (ask_request (a, REQUEST_SYNC, NULL, said), "RH-EXEC-REQUEST");
  assert_code (ask_request (a, REQUEST_CUTOVER, NULL, odd), "RH-EXEC-REQUEST");
  assert_code (ask_request (a, REQUEST_CUTOVER, NULL, how), "RH-EXEC-REQUEST");
}

static void
watching_from_the_middle_gives_the_rest_alone (void **state)
{
  struct house *h = *state;
  struct ask *a CLEANUP_ASK = NULL;
  bool closed = false;
  json_int_t first = 0;
  assert_ok (ask_open (h->socket, &a));
  assert_ok (ask_request (a, REQUEST_SYNC, NULL, NULL));
  stage_until_in_step (h->s);
  assert_ok (ask_watch (a, 3));
  for (int i = 0; i < 100 && first == 0; i++) {
    CLEANUP_JSON json_t *line = NULL;
    assert_ok (ask_next (a, 100, &line, &closed));
    first = json_integer_value (json_object_get (line, "seq"));
  }
  assert_int_equal (first, 4);
}

static void
a_refusal_comes_back_as_it_was (void **state)
{
  struct house *h = *state;
  struct ask *a CLEANUP_ASK = NULL;
  assert_ok (ask_open (h->socket, &a));
  assert_code (ask_request (a, REQUEST_ACCEPT, NULL, NULL),
               "RH-ENGINE-NOTGUARDED");
  assert_ok (ask_request (a, REQUEST_SYNC, NULL, NULL));
}

static void
a_second_owner_is_refused_with_the_pid (void **state)
{
  struct house *h = *state;
  struct door *second = NULL;
  struct door_parts parts = { .dir = h->s->dir,
                              .socket = h->socket,
                              .hub = h->s->hub,
                              .loop = h->s->loop,
                              .migration = "shop-12345678" };
  CLEANUP_ERR struct err *e = door_open (&parts, &second);
  CLEANUP_FREE char *pid = mem_printf ("%ld", (long)getpid ());
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-EXEC-OWNED");
  assert_non_null (strstr (err_message (e), pid));
}

static void
a_socket_that_was_left_behind_is_replaced (void **state)
{
  struct house *h = *state;
  struct door *next = NULL;
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  CLEANUP_FREE char *path = mem_printf ("%s/left.sock", h->s->dir);
  snprintf (sa.sun_path, sizeof sa.sun_path, "%s", path);
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal (bind (fd, (struct sockaddr *)&sa, sizeof sa), 0);
  struct door_parts parts = { .dir = h->s->dir,
                              .socket = path,
                              .hub = h->s->hub,
                              .loop = h->s->loop,
                              .migration = "shop-12345678" };
  assert_ok (door_open (&parts, &next));
  door_close (next);
}

static void
nobody_else_may_ask (void **state)
{
  struct house *h = *state;
  struct stat st;
  assert_int_equal (stat (h->socket, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0600);
}

/* Sends a line, gives the first answer's error code. */
static char *
raw (const struct house *h, const char *line)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  char got[4096];
  snprintf (sa.sun_path, sizeof sa.sun_path, "%s", h->socket);
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal (connect (fd, (struct sockaddr *)&sa, sizeof sa), 0);
  assert_true (send (fd, line, strlen (line), MSG_NOSIGNAL) > 0);
  ssize_t n = recv (fd, got, sizeof got, 0);
  assert_true (n > 0);
  CLEANUP_JSON json_t *o = NULL;
  assert_ok (json_parse (got, (size_t)n - 1, sizeof got, &o));
  return mem_strdup (json_string_value (
      json_object_get (json_object_get (o, "error"), "code")));
}

static void
nonsense_is_answered_with_an_error (void **state)
{
  struct house *h = *state;
  CLEANUP_FREE char *a = raw (h, "{\"request\":\"fly\"}\n");
  CLEANUP_FREE char *b = raw (h, "{}\n");
  CLEANUP_FREE char *c = raw (h, "no json\n");
  assert_string_equal (a, "RH-EXEC-REQUEST");
  assert_string_equal (b, "RH-EXEC-REQUEST");
  assert_string_equal (c, "RH-WIRE-JSON");
}

static void
stop_ends_the_owner_and_the_watch (void **state)
{
  struct house *h = *state;
  struct ask *a CLEANUP_ASK = NULL, *w CLEANUP_ASK = NULL;
  bool closed = false;
  assert_ok (ask_open (h->socket, &a));
  assert_ok (ask_open (h->socket, &w));
  assert_ok (ask_watch (w, 0));
  assert_ok (ask_stop (a));
  for (int i = 0; i < 100 && !closed; i++) {
    CLEANUP_JSON json_t *line = NULL;
    assert_ok (ask_next (w, 100, &line, &closed));
    if (line == NULL && !closed) {
      struct hub_news n;
      hub_wait (h->s->hub, &(struct hub_seen){ .seq = UINT64_MAX }, 50, &n);
      json_decref (n.progress);
      json_decref (n.notices);
      if (n.closed)
        break;
    }
  }
  pthread_join (h->s->thread, NULL);
  h->s->threaded = false;
  assert_null (h->s->ended);
}

#define TEST(t) cmocka_unit_test_setup_teardown (t, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (a_request_is_answered_and_its_records_are_seen),
    TEST (what_was_confirmed_with_a_cutover_is_in_its_record),
    TEST (a_confirmation_of_another_form_or_place_is_refused),
    TEST (watching_from_the_middle_gives_the_rest_alone),
    TEST (a_refusal_comes_back_as_it_was),
    TEST (a_second_owner_is_refused_with_the_pid),
    TEST (a_socket_that_was_left_behind_is_replaced),
    TEST (nobody_else_may_ask),
    TEST (nonsense_is_answered_with_an_error),
    TEST (stop_ends_the_owner_and_the_watch),
  };
  return cmocka_run_group_tests_name ("door", tests, NULL, NULL);
}
