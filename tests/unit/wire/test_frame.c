/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as docs/PROTOCOL.md has them; hostile ones end the connection. */
#include "../cmocka_api.h"

#include "base/mem.h"
#include "wire/beat.h"
#include "wire/frame.h"
#include "wire/hello.h"
#include "wire/outlet.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A pipe with an outlet at one end and a reader at the other. */
struct line {
  int fds[2];
  struct outlet *outlet;
  struct frame_reader reader;
};

static void
line_open (struct line *l)
{
  assert_int_equal (pipe (l->fds), 0);
  l->outlet = outlet_new (l->fds[1]);
  frame_reader_init (&l->reader, l->fds[0]);
  l->reader.timeout_ms = 5000;
}

static void
line_close (struct line *l)
{
  outlet_free (l->outlet);
  frame_reader_clear (&l->reader);
  close (l->fds[0]);
}

static void
a_frame_is_laid_out_as_documented (void **state)
{
  (void)state;
  unsigned char head[FRAME_HEADER];
  struct frame f = { FRAME_CREDIT, 0x01020304, 0x0a0b0c0d, 0, NULL };
  frame_head (&f, head);
  assert_memory_equal (
      head, "\0\0\0\0\x07\0\0\0\x04\x03\x02\x01\x0d\x0c\x0b\x0a", 16);
}

static void
frames_come_out_as_they_went_in (void **state)
{
  (void)state;
  struct line l;
  line_open (&l);
  struct frame f;
  bool eof;
  assert_ok (outlet_frame (l.outlet, FRAME_DATA, 7, 0, "hello", 5));
  assert_ok (outlet_frame (l.outlet, FRAME_CREDIT, 7, 99, NULL, 0));
  assert_ok (frame_read (&l.reader, &f, &eof));
  assert_int_equal (f.type, FRAME_DATA);
  assert_int_equal (f.call, 7);
  assert_int_equal (f.len, 5);
  assert_memory_equal (f.body, "hello", 5);
  frame_clear (&f);
  assert_ok (frame_read (&l.reader, &f, &eof));
  assert_int_equal (f.value, 99);
  outlet_close (l.outlet);
  assert_ok (frame_read (&l.reader, &f, &eof));
  assert_true (eof);
  line_close (&l);
}

static void *
send_largest (void *arg)
{
  struct line *l = arg;
  unsigned char *body = mem_alloc (FRAME_MAX);
  body[FRAME_MAX - 1] = 77;
  struct err *e = outlet_frame (l->outlet, FRAME_DATA, 1, 0, body, FRAME_MAX);
  free (body);
  return e;
}

static void
the_largest_frame_passes_a_small_pipe (void **state)
{
  (void)state;
  struct line l;
  pthread_t t;
  void *e = NULL;
  struct frame f;
  bool eof;
  line_open (&l);
  assert_int_equal (pthread_create (&t, NULL, send_largest, &l), 0);
  assert_ok (frame_read (&l.reader, &f, &eof));
  pthread_join (t, &e);
  assert_null (e);
  assert_int_equal (f.len, FRAME_MAX);
  assert_int_equal (f.body[FRAME_MAX - 1], 77);
  frame_clear (&f);
  line_close (&l);
}

/* Each header breaks one rule. */
static const unsigned char hostile[][FRAME_HEADER] = {
  { 1, 0, 0x10, 0, FRAME_DATA, 0, 0, 0, 1 },          /* 1 MiB + 1 */
  { 0xff, 0xff, 0xff, 0xff, FRAME_DATA, 0, 0, 0, 1 }, /* 4 GiB */
  { 1, 0, 0, 0, 0, 0, 0, 0, 1 },                      /* type 0 */
  { 1, 0, 0, 0, 12, 0, 0, 0, 1 },                     /* unknown type */
  { 1, 0, 0, 0, 255, 0, 0, 0, 1 },                    /* unknown type */
  { 1, 0, 0, 0, FRAME_DATA, 1, 0, 0, 1 },             /* flags */
  { 1, 0, 0, 0, FRAME_DATA, 0, 1, 0, 1 },             /* reserved */
  { 1, 0, 0, 0, FRAME_DATA, 0, 0, 0, 0 },             /* no call */
  { 1, 0, 0, 0, FRAME_PING, 0, 0, 0, 0 },             /* ping with a body */
  { 0, 0, 0, 0, FRAME_PING, 0, 0, 0, 1 },             /* ping of a call */
  { 0, 0, 0, 0, FRAME_DATA, 0, 0, 0, 1 },             /* no data */
  { 0, 0, 0, 0, FRAME_CALL, 0, 0, 0, 1 },             /* no text */
  { 1, 0, 0, 0, FRAME_HELLO, 0, 0, 0, 1 },            /* hello of a call */
  { 0, 0, 0, 0, FRAME_CREDIT, 0, 0, 0, 1 },           /* credit of nothing */
  { 1, 0, 0, 0, FRAME_RESULT, 0, 0, 0, 1, 0, 0, 0, 2 },
  { 0, 0, 0, 0, FRAME_END, 0, 0, 0, 1, 0, 0, 0, 1 },
};

static void
hostile_headers_are_refused (void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
    struct frame f;
    struct err *e = frame_check (hostile[i], &f);
    if (e == NULL)
      fail_msg ("header %zu was taken", i);
    assert_string_equal (err_code (e), "RH-WIRE-FRAME");
    err_free (e);
  }
}

static void
an_end_inside_a_frame_is_no_orderly_end (void **state)
{
  (void)state;
  static const size_t cuts[] = { 1, 15, 16, 18 };
  unsigned char bytes[FRAME_HEADER + 5] = { 0 };
  struct frame ping = { FRAME_DATA, 3, 0, 5, NULL };
  frame_head (&ping, bytes);
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    struct line l;
    struct frame f;
    bool eof;
    line_open (&l);
    assert_int_equal (write (l.fds[1], bytes, cuts[i]), cuts[i]);
    outlet_close (l.outlet);
    assert_code (frame_read (&l.reader, &f, &eof), "RH-WIRE-SHORT");
    frame_clear (&f);
    line_close (&l);
  }
}

static void
decoding_takes_a_whole_frame_or_nothing (void **state)
{
  (void)state;
  unsigned char bytes[FRAME_HEADER + 5] = { 0 };
  struct frame data = { FRAME_DATA, 3, 0, 5, NULL };
  struct frame f;
  frame_head (&data, bytes);
  struct cursor c = { bytes, sizeof bytes - 1 };
  assert_code (frame_decode (&c, &f), "RH-WIRE-SHORT");
  assert_int_equal (c.left, sizeof bytes - 1);
  c.left++;
  assert_ok (frame_decode (&c, &f));
  assert_int_equal (f.len, 5);
  assert_int_equal (c.left, 0);
  frame_clear (&f);
}

/* Sends two frames and a credit, and passes the first two bodies on. */
static void
pass_two (struct line *l, int to)
{
  bool eof;
  struct frame f;
  for (int i = 0; i < 2; i++) {
    assert_ok (frame_read_head (&l->reader, &f, &eof));
    assert_int_equal (f.type, FRAME_DATA);
    assert_null (f.body);
    assert_ok (frame_pass (&l->reader, &f, to));
    l->reader.lean = true;
  }
  assert_ok (frame_read (&l->reader, &f, &eof));
  assert_int_equal (f.type, FRAME_CREDIT);
}

static void
bodies_pass_into_a_pipe_and_frames_go_on_behind_them (void **state)
{
  (void)state;
  struct line l;
  int to[2];
  char got[16] = "";
  line_open (&l);
  assert_int_equal (pipe (to), 0);
  assert_ok (outlet_frame (l.outlet, FRAME_DATA, 7, 0, "hello ", 6));
  assert_ok (outlet_frame (l.outlet, FRAME_DATA, 7, 0, "world", 5));
  assert_ok (outlet_frame (l.outlet, FRAME_CREDIT, 7, 99, NULL, 0));
  pass_two (&l, to[1]);
  assert_int_equal (read (to[0], got, sizeof got), 11);
  assert_string_equal (got, "hello world");
  close (to[0]);
  close (to[1]);
  line_close (&l);
}

static void *
send_large (void *arg)
{
  struct line *l = arg;
  static unsigned char body[FRAME_MAX];
  for (size_t i = 0; i < sizeof body; i++)
    body[i] = (unsigned char)(i * 7 + i / 251);
  for (int i = 0; i < 2; i++)
    assert_ok (outlet_frame (l->outlet, FRAME_DATA, 7, 0, body, sizeof body));
  assert_ok (outlet_frame (l->outlet, FRAME_CREDIT, 7, 99, NULL, 0));
  return NULL;
}

static void *
read_large (void *arg)
{
  static unsigned char got[2 * FRAME_MAX];
  int fd = *(int *)arg;
  size_t at = 0;
  for (ssize_t n;
       at < sizeof got && (n = read (fd, got + at, sizeof got - at)) > 0;)
    at += (size_t)n;
  assert_int_equal (at, sizeof got);
  for (size_t i = 0; i < sizeof got; i++) {
    size_t k = i % FRAME_MAX;
    if (got[i] != (unsigned char)(k * 7 + k / 251))
      fail_msg ("byte %zu is another", i);
  }
  return NULL;
}

static void
large_bodies_pass_small_pipes_byte_for_byte (void **state)
{
  (void)state;
  struct line l;
  int to[2];
  pthread_t sender, reader;
  line_open (&l);
  assert_int_equal (pipe (to), 0);
  pthread_create (&sender, NULL, send_large, &l);
  pthread_create (&reader, NULL, read_large, &to[0]);
  pass_two (&l, to[1]);
  pthread_join (sender, NULL);
  pthread_join (reader, NULL);
  close (to[0]);
  close (to[1]);
  line_close (&l);
}

static void
what_nobody_reads_any_more_is_dropped_to_its_end (void **state)
{
  (void)state;
  struct line l;
  int to[2];
  pthread_t sender;
  signal (SIGPIPE, SIG_IGN);
  line_open (&l);
  assert_int_equal (pipe (to), 0);
  close (to[0]);
  pthread_create (&sender, NULL, send_large, &l);
  pass_two (&l, to[1]);
  pthread_join (sender, NULL);
  close (to[1]);
  line_close (&l);
}

static void
a_body_that_ends_too_soon_is_cut_short (void **state)
{
  (void)state;
  struct line l;
  int to[2];
  bool eof;
  struct frame f;
  unsigned char head[FRAME_HEADER];
  struct frame said = { FRAME_DATA, 7, 0, 100, NULL };
  line_open (&l);
  assert_int_equal (pipe (to), 0);
  frame_head (&said, head);
  assert_int_equal (write (l.fds[1], head, sizeof head), sizeof head);
  assert_int_equal (write (l.fds[1], "short", 5), 5);
  outlet_close (l.outlet);
  assert_ok (frame_read_head (&l.reader, &f, &eof));
  assert_code (frame_pass (&l.reader, &f, to[1]), "RH-WIRE-SHORT");
  close (to[0]);
  close (to[1]);
  line_close (&l);
}

static void
silence_is_noticed (void **state)
{
  (void)state;
  struct line l;
  struct frame f;
  bool eof;
  line_open (&l);
  l.reader.timeout_ms = 30;
  assert_code (frame_read (&l.reader, &f, &eof), "RH-WIRE-IDLE");
  line_close (&l);
}

static void
a_reader_can_be_woken (void **state)
{
  (void)state;
  struct line l;
  struct frame f;
  bool eof = false;
  int wake[2];
  line_open (&l);
  assert_int_equal (pipe (wake), 0);
  l.reader.wake_fd = wake[0];
  close (wake[1]);
  assert_ok (frame_read (&l.reader, &f, &eof));
  assert_true (eof);
  close (wake[0]);
  line_close (&l);
}

static void
lines_come_before_frames_and_take_no_byte_of_them (void **state)
{
  (void)state;
  struct line l;
  struct frame f;
  bool eof;
  CLEANUP_BUF struct buf text = BUF_INIT;
  line_open (&l);
  assert_int_equal (write (l.fds[1], "noise\n\nlast\n", 12), 12);
  assert_ok (outlet_frame (l.outlet, FRAME_PING, 0, 0, NULL, 0));
  assert_ok (frame_read_line (&l.reader, 100, &text, &eof));
  assert_string_equal ((char *)text.data, "noise");
  assert_ok (frame_read_line (&l.reader, 100, &text, &eof));
  assert_int_equal (text.len, 0);
  assert_ok (frame_read_line (&l.reader, 100, &text, &eof));
  assert_string_equal ((char *)text.data, "last");
  assert_ok (frame_read (&l.reader, &f, &eof));
  assert_int_equal (f.type, FRAME_PING);
  assert_int_equal (write (l.fds[1], "0123456789\n", 11), 11);
  assert_code (frame_read_line (&l.reader, 9, &text, &eof), "RH-LIMIT");
  line_close (&l);
}

static void
a_peer_that_is_gone_is_an_error_value (void **state)
{
  (void)state;
  struct line l;
  line_open (&l);
  close (l.fds[0]);
  assert_code (outlet_frame (l.outlet, FRAME_PING, 0, 0, NULL, 0),
               "RH-WIRE-LOST");
  l.fds[0] = -1;
  line_close (&l);
}

static void *
send_long_text (void *arg)
{
  struct line *l = arg;
  char *text = mem_alloc (3 * FRAME_MAX);
  memset (text, 'x', 3 * FRAME_MAX - 1);
  json_t *o = json_pack ("{s:s}", "text", text);
  free (text);
  struct err *e = outlet_json (l->outlet, FRAME_RESULT, 5, o);
  json_decref (o);
  return e;
}

static void
a_long_message_goes_over_several_frames (void **state)
{
  (void)state;
  struct line l;
  pthread_t t;
  void *e = NULL;
  CLEANUP_BUF struct buf text = BUF_INIT_MAX (MESSAGE_MAX);
  uint32_t more = FRAME_MORE;
  int frames = 0;
  line_open (&l);
  assert_int_equal (pthread_create (&t, NULL, send_long_text, &l), 0);
  for (; more == FRAME_MORE; frames++) {
    CLEANUP_FRAME struct frame f;
    bool eof;
    assert_ok (frame_read (&l.reader, &f, &eof));
    assert_int_equal (f.type, FRAME_RESULT);
    assert_ok (buf_put (&text, f.body, f.len));
    more = f.value;
  }
  pthread_join (t, &e);
  assert_null (e);
  assert_int_equal (frames, 4);
  CLEANUP_JSON json_t *o = NULL;
  assert_ok (json_parse ((char *)text.data, text.len, MESSAGE_MAX, &o));
  assert_int_equal (json_string_length (json_at (o, "text")),
                    3 * FRAME_MAX - 1);
  line_close (&l);
}

static void
a_message_above_the_limit_is_not_sent_at_all (void **state)
{
  (void)state;
  struct line l;
  line_open (&l);
  char *text = mem_alloc (MESSAGE_MAX + 1);
  memset (text, 'x', MESSAGE_MAX);
  CLEANUP_JSON json_t *o = json_pack ("{s:s}", "text", text);
  free (text);
  assert_code (outlet_json (l.outlet, FRAME_RESULT, 5, o), "RH-LIMIT");
  outlet_close (l.outlet);
  struct frame f;
  bool eof = false;
  assert_ok (frame_read (&l.reader, &f, &eof));
  assert_true (eof);
  line_close (&l);
}

static void
a_ping_is_answered_by_the_heartbeat (void **state)
{
  (void)state;
  struct line l;
  struct beat *b = NULL;
  struct frame f;
  bool eof;
  line_open (&l);
  assert_ok (beat_start (l.outlet, &b));
  beat_answer (b);
  assert_ok (frame_read (&l.reader, &f, &eof));
  assert_int_equal (f.type, FRAME_PONG);
  beat_stop (b);
  line_close (&l);
}

static void
send_hello (struct line *l, const char *text)
{
  assert_ok (outlet_frame (l->outlet, FRAME_HELLO, 0, 0, text, strlen (text)));
}

static void
hellos_agree_on_the_highest_common_version (void **state)
{
  (void)state;
  struct line l;
  CLEANUP_JSON json_t *theirs = NULL;
  int64_t version = 0;
  line_open (&l);
  send_hello (&l, "{\"magic\":\"rehome\",\"min\":1,\"max\":9}");
  assert_ok (hello_read (&l.reader, &theirs));
  assert_ok (hello_agree (theirs, &version));
  assert_int_equal (version, HELLO_MAX);
  line_close (&l);
}

static void
ranges_that_do_not_meet_are_refused_by_both_names (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *theirs = json_pack ("{s:i,s:i}", "min", 7, "max", 9);
  int64_t version;
  CLEANUP_ERR struct err *e = hello_agree (theirs, &version);
  assert_string_equal (err_code (e), "RH-LINK-VERSION");
  assert_non_null (strstr (err_message (e), "1 to 1"));
  assert_non_null (strstr (err_message (e), "7 to 9"));
}

static void
another_program_is_not_greeted (void **state)
{
  (void)state;
  struct line l;
  json_t *theirs = NULL;
  line_open (&l);
  send_hello (&l, "{\"magic\":\"other\",\"min\":1,\"max\":1}");
  assert_code (hello_read (&l.reader, &theirs), "RH-WIRE-HELLO");
  assert_ok (outlet_frame (l.outlet, FRAME_PING, 0, 0, NULL, 0));
  assert_code (hello_read (&l.reader, &theirs), "RH-WIRE-HELLO");
  send_hello (&l, "{\"magic\":");
  assert_code (hello_read (&l.reader, &theirs), "RH-WIRE-JSON");
  line_close (&l);
}

int
main (void)
{
  signal (SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_frame_is_laid_out_as_documented),
    cmocka_unit_test (frames_come_out_as_they_went_in),
    cmocka_unit_test (the_largest_frame_passes_a_small_pipe),
    cmocka_unit_test (hostile_headers_are_refused),
    cmocka_unit_test (an_end_inside_a_frame_is_no_orderly_end),
    cmocka_unit_test (decoding_takes_a_whole_frame_or_nothing),
    cmocka_unit_test (bodies_pass_into_a_pipe_and_frames_go_on_behind_them),
    cmocka_unit_test (large_bodies_pass_small_pipes_byte_for_byte),
    cmocka_unit_test (what_nobody_reads_any_more_is_dropped_to_its_end),
    cmocka_unit_test (a_body_that_ends_too_soon_is_cut_short),
    cmocka_unit_test (silence_is_noticed),
    cmocka_unit_test (a_reader_can_be_woken),
    cmocka_unit_test (lines_come_before_frames_and_take_no_byte_of_them),
    cmocka_unit_test (a_peer_that_is_gone_is_an_error_value),
    cmocka_unit_test (a_long_message_goes_over_several_frames),
    cmocka_unit_test (a_message_above_the_limit_is_not_sent_at_all),
    cmocka_unit_test (a_ping_is_answered_by_the_heartbeat),
    cmocka_unit_test (hellos_agree_on_the_highest_common_version),
    cmocka_unit_test (ranges_that_do_not_meet_are_refused_by_both_names),
    cmocka_unit_test (another_program_is_not_greeted),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
