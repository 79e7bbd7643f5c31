/* SPDX-License-Identifier: Apache-2.0 */
/* The chain, and values that can be erased without breaking it. */
#include "journal/record.h"

#include "base/mem.h"

#include "../cmocka_api.h"

#include <string.h>

#define LINES 4

static char plan_hash[65];

/* A chain of records; the caller frees each. */
static void
make_chain (char *lines[LINES])
{
  struct chain c;
  record_hash ("plan", 4, plan_hash);
  chain_start (&c, plan_hash);
  for (int i = 0; i < LINES; i++) {
    struct record r CLEANUP (record_clear)
        = { .type = RECORD_INTENT,
            .migration = mem_strdup ("shop"),
            .seq = c.seq + 1,
            .epoch = 1,
            .time_ms = 1000 + i,
            .boot_id = mem_strdup ("b"),
            .mono_ns = 5,
            .actor = mem_strdup ("engine"),
            .step = mem_strdup ("a#b"),
            .attempt = (uint32_t)i,
            .data = json_pack ("{s:s}", "text", "gr\xc3\xbc\xc3\x9f") };
    memcpy (r.prev, c.head, sizeof r.prev);
    lines[i] = record_line (&r);
    assert_ok (chain_next (&c, lines[i], strlen (lines[i])));
  }
}

static void
free_chain (char *lines[LINES])
{
  for (int i = 0; i < LINES; i++)
    free (lines[i]);
}

static struct err *
verify (char *const lines[LINES], char head[65])
{
  struct chain c;
  chain_start (&c, plan_hash);
  for (int i = 0; i < LINES; i++)
    TRY (chain_next (&c, lines[i], strlen (lines[i])));
  memcpy (head, c.head, 65);
  return NULL;
}

static void
a_chain_that_nobody_touched_verifies (void **state)
{
  (void)state;
  char *lines[LINES], head[65], hash[65];
  make_chain (lines);
  assert_ok (verify (lines, head));
  record_hash (lines[LINES - 1], strlen (lines[LINES - 1]), hash);
  assert_string_equal (head, hash);
  free_chain (lines);
}

/* Of every byte of every line, every bit: the next line, or for the last one
 * the head, does not fit any more. */
static void
any_changed_bit_of_any_record_is_found (void **state)
{
  (void)state;
  char *lines[LINES], good[65], head[65];
  make_chain (lines);
  assert_ok (verify (lines, good));
  for (int i = 0; i < LINES; i++)
    for (size_t at = 0; at < strlen (lines[i]); at++)
      for (int bit = 0; bit < 8; bit++) {
        char was = lines[i][at];
        lines[i][at] = (char)(was ^ (1 << bit));
        if (lines[i][at] == '\0') {
          lines[i][at] = was;
          continue; /* it would only be a shorter line */
        }
        struct err *e = verify (lines, head);
        bool found = e != NULL || strcmp (head, good) != 0;
        if (e != NULL)
          assert_string_equal (err_code (e), "RH-JOURNAL-CHAIN");
        err_free (e);
        assert_true (found);
        assert_true (e != NULL || i == LINES - 1);
        lines[i][at] = was;
      }
  assert_ok (verify (lines, head));
  free_chain (lines);
}

static void
a_record_left_out_or_moved_is_found (void **state)
{
  (void)state;
  char *lines[LINES], head[65];
  make_chain (lines);
  char *swapped[LINES] = { lines[0], lines[2], lines[1], lines[3] };
  char *doubled[LINES] = { lines[0], lines[1], lines[1], lines[2] };
  assert_code (verify (swapped, head), "RH-JOURNAL-CHAIN");
  assert_code (verify (doubled, head), "RH-JOURNAL-CHAIN");
  char *headless[LINES] = { lines[1], lines[2], lines[3], lines[3] };
  assert_code (verify (headless, head), "RH-JOURNAL-CHAIN");
  free_chain (lines);
}

static void
a_record_with_a_wrong_number_is_found (void **state)
{
  (void)state;
  char *lines[LINES], head[65];
  make_chain (lines);
  char *at = strstr (lines[LINES - 1], "\"seq\":4");
  assert_non_null (at);
  at[strlen ("\"seq\":")] = '5'; /* what it names before it is right */
  assert_code (verify (lines, head), "RH-JOURNAL-CHAIN");
  free_chain (lines);
}

static void
a_chain_of_another_plan_is_refused (void **state)
{
  (void)state;
  char *lines[LINES], head[65];
  make_chain (lines);
  record_hash ("another plan", 12, plan_hash);
  assert_code (verify (lines, head), "RH-JOURNAL-CHAIN");
  free_chain (lines);
}

static void
a_salted_value_is_the_hash_of_salt_and_value (void **state)
{
  (void)state;
  unsigned char salt[32] = { 0 };
  char out[65], both[65];
  char joined[32 + 5];
  memset (joined, 0, 32);
  memcpy (joined + 32, "alice", 5);
  record_salted (salt, "alice", 5, out);
  record_hash (joined, sizeof joined, both);
  assert_string_equal (out, both);
}

static void
equal_values_with_other_salts_look_different (void **state)
{
  (void)state;
  unsigned char salt[32] = { 1 }, other[32] = { 2 };
  char a[65], b[65];
  record_salted (salt, "alice", 5, a);
  record_salted (other, "alice", 5, b);
  assert_string_not_equal (a, b);
}

static void
a_blob_gives_its_value_back_and_no_other (void **state)
{
  (void)state;
  unsigned char salt[32] = { 0xab, 0x00, 0xff };
  const char value[] = { 'a', '\0', '\xff', 'z' };
  char salted[65], wrong[65];
  record_salted (salt, value, sizeof value, salted);
  record_salted (salt, "other", 5, wrong);
  char *blob CLEANUP_FREE = record_salted_blob (salt, value, sizeof value);
  unsigned char *back CLEANUP_FREE = NULL;
  size_t len = 0;
  assert_ok (record_salted_open (blob, strlen (blob), salted, &back, &len));
  assert_int_equal (len, sizeof value);
  assert_memory_equal (back, value, sizeof value);
  assert_code (record_salted_open (blob, strlen (blob), wrong, &back, &len),
               "RH-JOURNAL-SALT");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_chain_that_nobody_touched_verifies),
    cmocka_unit_test (any_changed_bit_of_any_record_is_found),
    cmocka_unit_test (a_record_left_out_or_moved_is_found),
    cmocka_unit_test (a_record_with_a_wrong_number_is_found),
    cmocka_unit_test (a_chain_of_another_plan_is_refused),
    cmocka_unit_test (a_salted_value_is_the_hash_of_salt_and_value),
    cmocka_unit_test (equal_values_with_other_salts_look_different),
    cmocka_unit_test (a_blob_gives_its_value_back_and_no_other),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
