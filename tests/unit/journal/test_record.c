/* SPDX-License-Identifier: Apache-2.0 */
/* A record's line: what it looks like, what is refused. */
#include "journal/record.h"

#include "base/mem.h"

#include "../cmocka_api.h"

#include <string.h>

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static struct record
sample (void)
{
  struct record r = { .type = RECORD_OUTCOME,
                      .migration = mem_strdup ("shop"),
                      .seq = 7,
                      .prev = ZEROS,
                      .epoch = 2,
                      .time_ms = 1700000000123,
                      .boot_id = mem_strdup ("b00t"),
                      .mono_ns = 18446744073709551615u,
                      .actor = mem_strdup ("engine"),
                      .step = mem_strdup ("service:shop#stop"),
                      .attempt = 3,
                      .data = json_pack ("{s:{s:i}}", "result", "ms", 12),
                      .blobs = json_pack ("{s:s}", "name", ZEROS) };
  return r;
}

static void
the_line_has_sorted_keys_and_integers_only (void **state)
{
  (void)state;
  struct record r CLEANUP (record_clear) = sample ();
  char *line CLEANUP_FREE = record_line (&r);
  assert_string_equal (
      line, "{\"actor\":\"engine\",\"attempt\":3,\"blobs\":{\"name\":\"" ZEROS
            "\"},\"boot_id\":\"b00t\",\"data\":{\"result\":{\"ms\":12}},"
            "\"epoch\":2,\"migration\":\"shop\",\"mono_ns\":"
            "\"18446744073709551615\",\"prev\":\"" ZEROS
            "\",\"seq\":7,\"step\":\"service:shop#stop\",\"time\":"
            "1700000000123,\"type\":\"outcome\",\"v\":1}");
}

static void
a_line_that_is_read_gives_the_same_line (void **state)
{
  (void)state;
  struct record r CLEANUP (record_clear) = sample ();
  char *line CLEANUP_FREE = record_line (&r);
  struct record back CLEANUP (record_clear) = { 0 };
  assert_ok (record_parse (line, strlen (line), &back));
  char *again CLEANUP_FREE = record_line (&back);
  assert_string_equal (again, line);
  assert_int_equal (back.type, RECORD_OUTCOME);
  assert_int_equal (back.attempt, 3);
  assert_true (back.mono_ns == 18446744073709551615u);
}

static void
a_record_without_a_step_has_no_attempt (void **state)
{
  (void)state;
  struct record r CLEANUP (record_clear) = sample ();
  free (STEAL (r.step));
  json_decref (STEAL (r.blobs));
  char *line CLEANUP_FREE = record_line (&r);
  assert_null (strstr (line, "attempt"));
  assert_null (strstr (line, "blobs"));
  struct record back CLEANUP (record_clear) = { 0 };
  assert_ok (record_parse (line, strlen (line), &back));
  assert_null (back.step);
}

static void
a_number_that_is_no_integer_is_refused (void **state)
{
  (void)state;
  struct record r CLEANUP (record_clear) = sample ();
  json_object_set_new (r.data, "deep", json_pack ("[{s:f}]", "x", 1.5));
  assert_code (record_check (&r), "RH-JOURNAL-RECORD");
}

/* Replaces `from` by `to` in the sample's line and reads it. */
static struct err *
read_changed (const char *from, const char *to)
{
  struct record r CLEANUP (record_clear) = sample ();
  char *line CLEANUP_FREE = record_line (&r);
  char *at = strstr (line, from);
  assert_non_null (at);
  char *changed CLEANUP_FREE
      = mem_printf ("%.*s%s%s", (int)(at - line), line, to, at + strlen (from));
  struct record back CLEANUP (record_clear) = { 0 };
  return record_parse (changed, strlen (changed), &back);
}

static void
what_version_1_does_not_know_is_refused (void **state)
{
  (void)state;
  assert_code (read_changed ("\"v\":1", "\"v\":1,\"w\":1"),
               "RH-JOURNAL-RECORD");
  assert_code (read_changed ("\"v\":1", "\"v\":2"), "RH-WIRE-FIELD");
  assert_code (read_changed ("\"outcome\"", "\"outcomes\""),
               "RH-JOURNAL-RECORD");
}

static void
a_wrong_hash_or_number_is_refused (void **state)
{
  (void)state;
  assert_code (read_changed ("\"prev\":\"0", "\"prev\":\"G"),
               "RH-JOURNAL-RECORD");
  assert_code (read_changed ("\"seq\":7", "\"seq\":0"), "RH-WIRE-FIELD");
  assert_code (read_changed ("\"name\":\"0", "\"name\":\""),
               "RH-JOURNAL-RECORD");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (the_line_has_sorted_keys_and_integers_only),
    cmocka_unit_test (a_line_that_is_read_gives_the_same_line),
    cmocka_unit_test (a_record_without_a_step_has_no_attempt),
    cmocka_unit_test (a_number_that_is_no_integer_is_refused),
    cmocka_unit_test (what_version_1_does_not_know_is_refused),
    cmocka_unit_test (a_wrong_hash_or_number_is_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
