/* SPDX-License-Identifier: Apache-2.0 */
/* A journal's chain is checked as a database and as lines. */
#include "../host/scratch.h"

#include "journal/store.h"
#include "report/verify.h"

#define PLAN "rehome: 1\nname: shop\n"

static void
fill (const char *dir, int records)
{
  struct store *s CLEANUP_STORE = NULL;
  assert_ok (store_open_writer (dir, "shop", PLAN, strlen (PLAN), &s));
  for (int i = 0; i < records; i++) {
    struct record r CLEANUP (record_clear)
        = { .type = RECORD_CHECKPOINT,
            .epoch = 1,
            .time_ms = 1700000000000 + i,
            .actor = mem_strdup ("engine"),
            .data = json_pack ("{s:i}", "n", i) };
    assert_ok (store_append (s, &r, NULL));
  }
}

static struct err *
add_line (void *ctx, const struct record *r, const char *line)
{
  (void)r;
  return buf_printf (ctx, "%s\n", line);
}

static char *
export_lines (const char *dir, struct buf *b)
{
  struct store *s CLEANUP_STORE = NULL;
  char *path = mem_printf ("%s/journal.jsonl", dir);
  assert_ok (store_open_reader (dir, &s));
  assert_ok (store_each (s, 0, add_line, b));
  put_file (path, (char *)b->data);
  return path;
}

static void
a_whole_journal_verifies_in_each_form (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct verified db, lines, dir;
  char plan[65];
  fill (*state, 5);
  CLEANUP_FREE char *path = export_lines (*state, &b);
  CLEANUP_FREE char *base = mem_printf ("%s/journal.db", (char *)*state);
  assert_ok (verify_path (base, NULL, &db));
  assert_ok (verify_path (path, NULL, &lines));
  assert_ok (verify_path (*state, NULL, &dir));
  assert_int_equal (lines.records, 5);
  assert_string_equal (db.head, lines.head);
  assert_string_equal (db.head, dir.head);
  record_hash (PLAN, strlen (PLAN), plan);
  assert_string_equal (lines.first, plan);
  assert_ok (verify_path (path, plan, &lines));
}

static void
another_plan_is_not_taken (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct verified v;
  char other[65];
  fill (*state, 2);
  CLEANUP_FREE char *path = export_lines (*state, &b);
  record_hash ("other", 5, other);
  assert_code (verify_path (path, other, &v), "RH-JOURNAL-CHAIN");
}

/* The last line's own bytes are covered by the head alone, which therefore
 * changes: whoever kept the head sees it. */
static void
any_changed_byte_is_seen (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct verified whole;
  fill (*state, 3);
  CLEANUP_FREE char *path = export_lines (*state, &b);
  assert_ok (verify_path (path, NULL, &whole));
  for (size_t i = 0; i < b.len; i++) {
    struct verified v;
    unsigned char kept = b.data[i];
    b.data[i] = kept ^ 1;
    put_file (path, (char *)b.data);
    CLEANUP_ERR struct err *e = verify_path (path, whole.first, &v);
    assert_true (e != NULL || strcmp (v.head, whole.head) != 0);
    b.data[i] = kept;
  }
}

static void
a_cut_journal_is_seen (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct verified v;
  fill (*state, 3);
  CLEANUP_FREE char *path = export_lines (*state, &b);
  b.data[b.len - 1] = '\0';
  put_file (path, (char *)b.data);
  assert_code (verify_path (path, NULL, &v), "RH-JOURNAL-CHAIN");
  put_file (path, "");
  assert_code (verify_path (path, NULL, &v), "RH-JOURNAL-CHAIN");
}

static void
what_is_not_there_is_said (void **state)
{
  struct verified v;
  (void)state;
  assert_code (verify_path ("/no/such/journal", NULL, &v), "RH-REPORT-READ");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_scratch (a_whole_journal_verifies_in_each_form),
    in_scratch (another_plan_is_not_taken),
    in_scratch (any_changed_byte_is_seen),
    in_scratch (a_cut_journal_is_seen),
    cmocka_unit_test (what_is_not_there_is_said),
  };
  return cmocka_run_group_tests_name ("verify", tests, NULL, NULL);
}
