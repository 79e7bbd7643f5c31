/* SPDX-License-Identifier: Apache-2.0 */
/* Programs as streams: everything arrives, failures are errors, and a digest
 * of lines does not depend on their order. */
#include "verbs.h"

#include "agent/rows.h"

#include <signal.h>

#define BIG ((size_t)3 << 20)

struct feed {
  size_t left, chunk;
  struct err *fails; /* in place of the end */
};

static struct err *
feed_get (void *ctx, void *data, size_t cap, size_t *len)
{
  struct feed *f = ctx;
  size_t n = f->left < f->chunk ? f->left : f->chunk;
  *len = n < cap ? n : cap;
  memset (data, 'x', *len);
  f->left -= *len;
  return *len == 0 ? STEAL (f->fails) : NULL;
}

static struct err *
buf_sink (void *ctx, const void *data, size_t len)
{
  return buf_put (ctx, data, len);
}

static struct err *
refuses (void *ctx, const void *data, size_t len)
{
  (void)ctx, (void)data, (void)len;
  return err_new (ERR_TRANSIENT, "RH-TEST", "no more");
}

static json_t *
shell (const char *script)
{
  return json_pack ("{s:[s,s,s]}", "argv", "sh", "-c", script);
}

static struct err *
perform (const char *verb, json_t *args, struct source *in, struct sink *out,
         json_t **result)
{
  CLEANUP_JSON json_t *owned = args;
  struct verb_call call = { .args = owned,
                            .in = in,
                            .in_fd = -1,
                            .out = out,
                            .cancelled = never_cancelled_ };
  *result = NULL;
  for (const struct verb *v = verbs_program; v->name != NULL; v++)
    if (strcmp (v->name, verb) == 0)
      return v->run (&call, result);
  fail_msg ("no verb %s", verb);
  return NULL;
}

static void
output_is_passed_on_whole_also_what_lies_in_the_pipe_at_the_end (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *got = NULL;
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct sink out = { buf_sink, &b };
  json_t *args = shell ("cat; head -c 3145728 /dev/zero | tr '\\0' y");
  json_object_set_new (args, "input", base64_of ("first "));
  assert_ok (perform ("program.read", args, NULL, &out, &got));
  assert_int_equal (b.len, 6 + BIG);
  assert_memory_equal (b.data, "first yyyy", 10);
  assert_string_equal (str_of (got, "bytes"), "3145734");
}

static void
what_is_passed_on_can_be_digested_as_program_digest_does (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *read = NULL;
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct sink out = { buf_sink, &b };
  json_t *args = shell ("printf 'a\\tb\\nc\\n'");
  json_object_set_new (args, "digest", json_true ());
  assert_ok (perform ("program.read", args, NULL, &out, &sent));
  assert_ok (perform ("program.digest", shell ("printf 'c\\na\\tb\\n'"), NULL,
                      NULL, &read));
  assert_int_equal (b.len, 6);
  assert_string_equal (str_of (sent, "rows"), "2");
  assert_string_equal (str_of (sent, "sum"), str_of (read, "sum"));
}

static void
the_stream_follows_the_input_to_the_program (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *got = NULL;
  struct feed f = { .left = BIG, .chunk = 10000 };
  struct source in = { feed_get, &f };
  json_t *args = shell ("head -c 4; echo; echo warned >&2; wc -c");
  json_object_set_new (args, "input", base64_of ("SQL;"));
  assert_ok (perform ("program.write", args, &in, NULL, &got));
  CLEANUP_FREE char *said = blob_of (got, "out");
  CLEANUP_FREE char *warned = blob_of (got, "err");
  assert_string_equal (said, "SQL;\n3145728\n");
  assert_string_equal (warned, "warned\n");
}

static void
a_program_that_fails_is_an_error_with_its_last_words (void **state)
{
  (void)state;
  json_t *got;
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct sink out = { buf_sink, &b };
  struct err *e = perform ("program.read",
                           shell ("echo half; echo '\033[31mno' >&2;"
                                  " exit 3"),
                           NULL, &out, &got);
  assert_non_null (e);
  assert_non_null (strstr (err_message (e), "status 3"));
  assert_null (strchr (err_message (e), '\033'));
  assert_code (e, "RH-PROGRAM-FAILED");
  e = perform ("program.digest", shell ("kill -9 $$"), NULL, NULL, &got);
  assert_code (e, "RH-PROGRAM-FAILED");
}

static void
a_program_that_reads_only_a_part_has_not_succeeded (void **state)
{
  (void)state;
  json_t *got;
  struct feed f = { .left = BIG, .chunk = 60000 };
  struct source in = { feed_get, &f };
  assert_code (perform ("program.write", shell ("head -c 10 >/dev/null"), &in,
                        NULL, &got),
               "RH-PROGRAM-UNREAD");
}

static void
an_input_that_breaks_kills_the_program_and_is_the_error (void **state)
{
  json_t *got;
  CLEANUP_FREE char *done = mem_printf ("%s/done", (char *)*state);
  CLEANUP_FREE char *script
      = mem_printf ("cat >/dev/null && touch '%s'; sleep 60", done);
  struct feed f = { .left = 100,
                    .chunk = 100,
                    .fails = err_new (ERR_TRANSIENT, "RH-TEST", "cut") };
  struct source in = { feed_get, &f };
  assert_code (perform ("program.write", shell (script), &in, NULL, &got),
               "RH-TEST");
  assert_int_equal (access (done, F_OK), -1);
}

static void
a_taker_that_refuses_ends_the_program (void **state)
{
  (void)state;
  json_t *got;
  struct sink out = { refuses, NULL };
  assert_code (perform ("program.read", shell ("yes"), NULL, &out, &got),
               "RH-TEST");
}

/* --- digests ---------------------------------------------------------------
 */

static json_t *
digest_of (const char *script)
{
  json_t *got;
  assert_ok (perform ("program.digest", shell (script), NULL, NULL, &got));
  return got;
}

static bool
same (const char *a, const char *b)
{
  CLEANUP_JSON json_t *one = digest_of (a);
  CLEANUP_JSON json_t *other = digest_of (b);
  return json_equal (one, other);
}

static void
a_digest_knows_rows_and_not_their_order (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *d = digest_of ("seq 100000");
  assert_string_equal (str_of (d, "rows"), "100000");
  assert_true (same ("seq 100000", "seq 100000 -1 1"));
  assert_false (same ("seq 100000", "seq 100000 | sed 's/^777$/778/'"));
  assert_false (same ("printf 'a\\na\\n'", "printf 'b\\nb\\n'"));
  assert_false (same ("printf 'a\\n\\n'", "printf 'a\\n'"));
}

static void
lines_count_the_same_wherever_the_stream_is_cut (void **state)
{
  (void)state;
  static const char text[] = "one\n\nthree is longer\nfour";
  char whole[33], cut[33];
  struct rows *a = rows_new (), *b = rows_new ();
  rows_put (a, text, sizeof text - 1);
  for (size_t i = 0; i < sizeof text - 1; i++)
    rows_put (b, text + i, 1);
  rows_end (a);
  rows_end (b);
  rows_sum (a, whole);
  rows_sum (b, cut);
  assert_string_equal (whole, cut);
  assert_int_equal (rows_count (a), 4);
  assert_int_equal (rows_count (b), 4);
  rows_free (a);
  rows_free (b);
}

static json_t *
groups_of (const char *script)
{
  CLEANUP_JSON json_t *args = shell (script);
  json_t *got;
  json_object_set_new (args, "group", json_true ());
  assert_ok (perform ("program.digest", json_incref (args), NULL, NULL, &got));
  return got;
}

static void
groups_are_digested_each_for_itself_whatever_the_order (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *a = groups_of ("printf 'a\t1\nb\t1\na\t2\nc\nd\t'");
  CLEANUP_JSON json_t *b = groups_of ("printf 'd\t\na\t2\nc\nb\t1\na\t1'");
  CLEANUP_JSON json_t *c = groups_of ("printf 'a\t1\nb\t1\na\t3\nc\n'");
  const json_t *of_a = json_at (a, "groups");
  assert_int_equal (json_object_size (of_a), 4);
  assert_true (json_equal (of_a, json_at (b, "groups")));
  assert_true (
      json_equal (json_at (of_a, "b"), json_at (json_at (c, "groups"), "b")));
  assert_false (
      json_equal (json_at (of_a, "a"), json_at (json_at (c, "groups"), "a")));
  assert_memory_equal (str_of (of_a, "a"), "2 ", 2);
}

static void
too_many_groups_and_too_long_names_are_refused (void **state)
{
  (void)state;
  static const char *const bad[]
      = { "seq 16385 | sed 's/$/\t/'", "seq -s 0 100 | sed 's,$,\tx,'",
          "seq -s 0 100 | tr -d '\n'" };
  for (size_t i = 0; i < 3; i++) {
    CLEANUP_JSON json_t *args = shell (bad[i]);
    json_t *got;
    json_object_set_new (args, "group", json_true ());
    assert_code (perform ("program.digest", json_incref (args), NULL, NULL,
                          &got),
                 "RH-PROGRAM-GROUPS");
  }
}

int
main (void)
{
  signal (SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (
        output_is_passed_on_whole_also_what_lies_in_the_pipe_at_the_end),
    cmocka_unit_test (what_is_passed_on_can_be_digested_as_program_digest_does),
    cmocka_unit_test (the_stream_follows_the_input_to_the_program),
    cmocka_unit_test (a_program_that_fails_is_an_error_with_its_last_words),
    cmocka_unit_test (a_program_that_reads_only_a_part_has_not_succeeded),
    in_state (an_input_that_breaks_kills_the_program_and_is_the_error),
    cmocka_unit_test (a_taker_that_refuses_ends_the_program),
    cmocka_unit_test (a_digest_knows_rows_and_not_their_order),
    cmocka_unit_test (lines_count_the_same_wherever_the_stream_is_cut),
    cmocka_unit_test (groups_are_digested_each_for_itself_whatever_the_order),
    cmocka_unit_test (too_many_groups_and_too_long_names_are_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
