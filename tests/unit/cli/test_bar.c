/* SPDX-License-Identifier: Apache-2.0 */
/* One running step as one line. */
#include "groups.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/bar.h"

#include <string.h>

static json_t *
step (int elapsed, const char *progress)
{
  json_t *p = json_loads (progress, 0, NULL);
  assert_non_null (p);
  return json_pack ("{s:s, s:i, s:o}", "title",
                    "first copy of /srv/sh\xc3\xb6p", "elapsed_ms", elapsed,
                    "progress", p);
}

static void
it_never_takes_more_columns_than_there_are (void **state)
{
  (void)state;
  for (int width = 0; width < 160; width++)
    for (int utf8 = 0; utf8 < 2; utf8++) {
      struct bar b = { 0 };
      struct bar_style style = { .width = width, .utf8 = utf8 != 0 };
      CLEANUP_JSON json_t *s
          = step (90000, "{\"bytes\": \"123456789\", \"of_bytes\": "
                         "\"987654321\", \"files\": 5}");
      bar_take (&b, s);
      CLEANUP_FREE char *line = bar_line (&b, s, &style);
      assert_true (bar_columns (line) <= width);
      assert_null (strchr (line, '\n'));
    }
}

static void
it_never_goes_backwards (void **state)
{
  struct bar b = { 0 };
  int64_t before = 0;
  static const char *const seen[] = {
    "{\"files\": 10, \"of_files\": 100}",  "{\"files\": 50, \"of_files\": 100}",
    "{\"files\": 40, \"of_files\": 100}",  "{\"files\": 60, \"of_files\": 900}",
    "{\"files\": 900, \"of_files\": 900}",
  };
  (void)state;
  for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
    CLEANUP_JSON json_t *s = step ((int)i * 3000, seen[i]);
    bar_take (&b, s);
    assert_true (b.thousandths >= before);
    before = b.thousandths;
  }
  assert_int_equal (b.thousandths, 1000);
}

/* The receiver's count follows the sender's, and is behind it. */
static void
what_was_shown_as_done_stays_done (void **state)
{
  struct bar b = { 0 };
  struct bar_style style = { .width = 200 };
  (void)state;
  CLEANUP_JSON json_t *sent
      = step (3000, "{\"bytes\": \"99000000\", \"of_bytes\": \"99000000\"}");
  CLEANUP_JSON json_t *received
      = step (6000, "{\"bytes\": \"40000000\", \"of_bytes\": \"99000000\"}");
  bar_take (&b, sent);
  bar_take (&b, received);
  CLEANUP_FREE char *line = bar_line (&b, received, &style);
  assert_non_null (strstr (line, "99 MB of 99 MB"));
}

static void
while_counting_there_is_no_bar (void **state)
{
  struct bar b = { 0 };
  struct bar_style style = { .width = 120 };
  CLEANUP_JSON json_t *s = step (1000, "{\"files\": 1234, \"bytes\": 5000}");
  (void)state;
  bar_take (&b, s);
  CLEANUP_FREE char *line = bar_line (&b, s, &style);
  assert_non_null (strstr (line, "1,234 files, 5.0 kB so far"));
  assert_null (strstr (line, "%"));
}

static void
the_time_left_is_a_range (void **state)
{
  struct bar b = { 0 };
  struct bar_style style = { .width = 200 };
  (void)state;
  for (int i = 1; i <= 3; i++) {
    CLEANUP_FREE char *p
        = mem_printf ("{\"files\": %d, \"of_files\": 1000}", i * i * 40);
    CLEANUP_JSON json_t *s = step (i * 4000, p);
    bar_take (&b, s);
    if (i < 3)
      continue;
    CLEANUP_FREE char *line = bar_line (&b, s, &style);
    assert_true (b.left_low_ms > 0 && b.left_low_ms < b.left_high_ms);
    assert_non_null (strstr (line, " left"));
    assert_non_null (strstr (line, " to "));
  }
}

static void
standing_still_is_said (void **state)
{
  struct bar b = { 0 };
  struct bar_style style = { .width = 200 };
  CLEANUP_JSON json_t *one = step (1000, "{\"files\": 5, \"of_files\": 10}");
  CLEANUP_JSON json_t *two = step (41000, "{\"files\": 5, \"of_files\": 10}");
  (void)state;
  bar_take (&b, one);
  bar_take (&b, two);
  CLEANUP_FREE char *line = bar_line (&b, two, &style);
  assert_non_null (strstr (line, "no progress for 40 s"));
}

static void
without_utf8_it_is_plain (void **state)
{
  struct bar b = { 0 };
  struct bar_style style = { .width = 60 };
  CLEANUP_JSON json_t *s = step (1000, "{\"files\": 5, \"of_files\": 10}");
  (void)state;
  json_object_set_new (s, "title", json_string ("a copy"));
  bar_take (&b, s);
  CLEANUP_FREE char *line = bar_line (&b, s, &style);
  for (const char *p = line; *p != '\0'; p++)
    assert_true (*p >= 32 && *p < 127);
  assert_non_null (strstr (line, "[##########..........]"));
}

const struct CMUnitTest bar_tests[] = {
  cmocka_unit_test (it_never_takes_more_columns_than_there_are),
  cmocka_unit_test (it_never_goes_backwards),
  cmocka_unit_test (what_was_shown_as_done_stays_done),
  cmocka_unit_test (while_counting_there_is_no_bar),
  cmocka_unit_test (the_time_left_is_a_range),
  cmocka_unit_test (standing_still_is_said),
  cmocka_unit_test (without_utf8_it_is_plain),
};
const size_t bar_count = sizeof bar_tests / sizeof *bar_tests;
