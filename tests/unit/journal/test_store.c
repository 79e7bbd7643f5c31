/* SPDX-License-Identifier: Apache-2.0 */
/* The store: one writer, readers, blobs, plans, progress. */
#include "desk.h"

#include "base/mem.h"

#include "../cmocka_api.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void
what_was_appended_is_there_after_reopening (void **state)
{
  struct store *s = NULL;
  assert_ok (desk_open (*state, &s));
  for (int i = 0; i < 5; i++)
    assert_ok (desk_append (s, i));
  char head[65], again[65];
  uint64_t seq, n;
  assert_ok (store_head (s, &seq, head));
  store_close (s);
  assert_ok (desk_open (*state, &s));
  assert_ok (store_head (s, &n, again));
  assert_int_equal (n, 5);
  assert_string_equal (head, again);
  store_close (s);
}

static void
the_first_record_names_the_hash_of_the_plan (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  struct record r CLEANUP (record_clear)
      = { .type = RECORD_CLAIMED, .actor = mem_strdup ("controller") };
  char hash[65];
  assert_ok (desk_open (*state, &s));
  assert_ok (store_append (s, &r, NULL));
  record_hash (PLAN, strlen (PLAN), hash);
  assert_string_equal (r.prev, hash);
  assert_int_equal (r.seq, 1);
  assert_string_equal (r.migration, "shop");
}

static void
a_second_writer_is_told_who_the_first_is (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  assert_ok (desk_open (*state, &s));
  pid_t first = getpid ();
  pid_t child = fork ();
  if (child == 0) {
    struct store *mine = NULL;
    struct err *e = desk_open (*state, &mine);
    char want[64];
    snprintf (want, sizeof want, "process %d owns", (int)first);
    bool ok = e != NULL && strcmp (err_code (e), "RH-JOURNAL-BUSY") == 0
              && strstr (err_message (e), want) != NULL;
    _exit (ok ? 0 : 1);
  }
  int status;
  waitpid (child, &status, 0);
  assert_int_equal (status, 0);
}

static void
a_reader_sees_what_the_writer_appends_and_may_not_append (void **state)
{
  struct store *w CLEANUP_STORE = NULL, *r CLEANUP_STORE = NULL;
  uint64_t seq;
  char hash[65];
  assert_ok (desk_open (*state, &w));
  assert_ok (desk_append (w, 1));
  assert_ok (store_open_reader (*state, &r));
  assert_ok (desk_append (w, 2));
  assert_ok (store_head (r, &seq, hash));
  assert_int_equal (seq, 2);
  assert_code (desk_append (r, 3), "RH-JOURNAL-READER");
}

static void
without_a_journal_there_is_nothing_to_read (void **state)
{
  struct store *s = NULL;
  assert_code (store_open_reader (*state, &s), "RH-JOURNAL-NONE");
  assert_code (store_open_writer (*state, "shop", NULL, 0, &s),
               "RH-JOURNAL-NONE");
}

static void
the_journal_of_another_migration_is_refused (void **state)
{
  struct store *s = NULL;
  assert_ok (desk_open (*state, &s));
  store_close (s);
  assert_code (store_open_writer (*state, "crm", NULL, 0, &s),
               "RH-JOURNAL-OTHER");
}

static void
tamper (const char *dir, const char *sql)
{
  char *path CLEANUP_FREE = mem_printf ("%s/journal.db", dir);
  sqlite3 *db;
  assert_int_equal (sqlite3_open (path, &db), SQLITE_OK);
  assert_int_equal (sqlite3_exec (db, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close (db);
}

static void
fill (const char *dir)
{
  struct store *s CLEANUP_STORE = NULL;
  assert_ok (desk_open (dir, &s));
  for (int i = 0; i < 5; i++)
    assert_ok (desk_append (s, i));
}

static void
a_changed_last_record_does_not_verify (void **state)
{
  uint64_t n;
  fill (*state);
  assert_ok (desk_count (*state, &n));
  assert_int_equal (n, 5);
  tamper (*state, "UPDATE record SET line = replace (line, '\"n\":4', "
                  "'\"n\":5') WHERE seq = 5");
  assert_code (desk_count (*state, &n), "RH-JOURNAL-CHAIN");
}

static void
a_missing_last_record_does_not_verify (void **state)
{
  uint64_t n;
  fill (*state);
  tamper (*state, "DELETE FROM record WHERE seq = 5");
  assert_code (desk_count (*state, &n), "RH-JOURNAL-CHAIN");
}

static void
another_plan_in_place_of_the_first_does_not_verify (void **state)
{
  uint64_t n;
  fill (*state);
  tamper (*state, "UPDATE plan SET sha256 = replace (sha256, '4', '5')");
  assert_code (desk_count (*state, &n), "RH-JOURNAL-CHAIN");
}

static void
a_head_that_moved_meanwhile_refuses_the_append (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  assert_ok (desk_open (*state, &s));
  assert_ok (desk_append (s, 1));
  tamper (*state, "UPDATE head SET seq = 9");
  assert_code (desk_append (s, 2), "RH-JOURNAL-HEAD");
}

struct order {
  uint64_t next;
};

static struct err *
in_order (void *ctx, const struct record *r, const char *line)
{
  struct order *o = ctx;
  assert_int_equal (r->seq, o->next++);
  assert_non_null (strstr (line, "files:/srv/shop#seed"));
  return NULL;
}

static void
records_come_in_order_after_the_one_named (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  fill (*state);
  assert_ok (store_open_reader (*state, &s));
  struct order o = { .next = 4 };
  assert_ok (store_each (s, 3, in_order, &o));
  assert_int_equal (o.next, 6);
}

static bool
file_holds (const char *dir, const char *name, const char *needle)
{
  char *path CLEANUP_FREE = mem_printf ("%s/%s", dir, name);
  FILE *f = fopen (path, "rb");
  if (f == NULL)
    return false;
  char *bytes CLEANUP_FREE = mem_alloc (1 << 20);
  size_t n = fread (bytes, 1, 1 << 20, f);
  fclose (f);
  return memmem (bytes, n, needle, strlen (needle)) != NULL;
}

static void
an_erased_value_is_gone_and_the_chain_still_verifies (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  char hash[65];
  char *data CLEANUP_FREE = NULL;
  size_t len;
  uint64_t n;
  assert_ok (desk_open (*state, &s));
  assert_ok (store_put_blob (s, "a-very-personal-name", 20, hash));
  assert_ok (desk_append (s, 1));
  store_close (STEAL (s)); /* it lies in the database itself now */
  assert_true (file_holds (*state, "journal.db", "personal"));
  assert_ok (desk_open (*state, &s));
  assert_ok (store_get_blob (s, hash, &data, &len));
  assert_string_equal (data, "a-very-personal-name");
  assert_ok (store_erase_blob (s, hash));
  assert_code (store_get_blob (s, hash, &data, &len), "RH-JOURNAL-ERASED");
  assert_false (file_holds (*state, "journal.db", "personal"));
  assert_false (file_holds (*state, "journal.db-wal", "personal"));
  assert_ok (desk_count (*state, &n));
  assert_int_equal (n, 1);
}

static void
a_blob_that_never_was_is_named_so (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  char *data = NULL;
  size_t len;
  assert_ok (desk_open (*state, &s));
  assert_code (store_get_blob (s, "00", &data, &len), "RH-JOURNAL-NOBLOB");
  assert_code (store_erase_blob (s, "00"), "RH-JOURNAL-NOBLOB");
}

static void
a_replaced_plan_is_given_and_the_chain_keeps_its_first (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  char *text CLEANUP_FREE = NULL;
  size_t len;
  uint64_t n;
  assert_ok (desk_open (*state, &s));
  assert_ok (desk_append (s, 1));
  assert_ok (store_replace_plan (s, "name: new\n", 10));
  assert_ok (store_plan (s, &text, &len));
  assert_string_equal (text, "name: new\n");
  assert_int_equal (len, 10);
  assert_ok (desk_append (s, 2));
  assert_ok (desk_count (*state, &n));
  assert_int_equal (n, 2);
}

static void
progress_is_one_row_and_no_record (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  json_t *none = NULL, *read CLEANUP_JSON = NULL;
  uint64_t n;
  assert_ok (desk_open (*state, &s));
  assert_ok (store_progress (s, &none));
  assert_null (none);
  for (int i = 0; i < 3; i++) {
    json_t *now CLEANUP_JSON = json_pack ("{s:i}", "files", i);
    assert_ok (store_set_progress (s, now));
    assert_ok (desk_append (s, i));
  }
  assert_ok (store_progress (s, &read));
  assert_int_equal (json_integer_value (json_at (read, "files")), 2);
  assert_ok (desk_count (*state, &n));
  assert_int_equal (n, 3);
}

static void
nobody_else_may_read_the_files (void **state)
{
  struct stat st;
  fill (*state);
  char *path CLEANUP_FREE = mem_printf ("%s/journal.db", (char *)*state);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0600);
}

#define WITH_DESK(f) \
  cmocka_unit_test_setup_teardown (f, desk_setup, desk_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH_DESK (what_was_appended_is_there_after_reopening),
    WITH_DESK (the_first_record_names_the_hash_of_the_plan),
    WITH_DESK (a_second_writer_is_told_who_the_first_is),
    WITH_DESK (a_reader_sees_what_the_writer_appends_and_may_not_append),
    WITH_DESK (without_a_journal_there_is_nothing_to_read),
    WITH_DESK (the_journal_of_another_migration_is_refused),
    WITH_DESK (a_changed_last_record_does_not_verify),
    WITH_DESK (a_missing_last_record_does_not_verify),
    WITH_DESK (another_plan_in_place_of_the_first_does_not_verify),
    WITH_DESK (a_head_that_moved_meanwhile_refuses_the_append),
    WITH_DESK (records_come_in_order_after_the_one_named),
    WITH_DESK (an_erased_value_is_gone_and_the_chain_still_verifies),
    WITH_DESK (a_blob_that_never_was_is_named_so),
    WITH_DESK (a_replaced_plan_is_given_and_the_chain_keeps_its_first),
    WITH_DESK (progress_is_one_row_and_no_record),
    WITH_DESK (nobody_else_may_read_the_files),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
