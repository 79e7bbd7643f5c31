/* SPDX-License-Identifier: Apache-2.0 */
/* A writer that is killed, and a disk that fails: what was acknowledged is
 * there, and nothing is there twice. */
#include "desk.h"

#include "base/mem.h"
#include "journal/db.h"

#include "../cmocka_api.h"

#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>

/* Appends until it is killed, and says each number once it has it. */
static void
write_until_killed (const char *dir, int out)
{
  struct store *s = NULL;
  if (desk_open (dir, &s) != NULL)
    _exit (1);
  for (;;) {
    uint64_t seq;
    char hash[65];
    if (desk_append (s, 1) != NULL || store_head (s, &seq, hash) != NULL
        || write (out, &seq, sizeof seq) != sizeof seq)
      _exit (1);
  }
}

/* The last number that the writer said before it died; *died by which. */
static uint64_t
kill_a_writer (const char *dir, useconds_t after)
{
  int ends[2];
  assert_int_equal (pipe (ends), 0);
  pid_t child = fork ();
  if (child == 0)
    write_until_killed (dir, ends[1]);
  close (ends[1]);
  uint64_t last = 0, seq;
  assert_int_equal (read (ends[0], &last, sizeof last), sizeof last);
  usleep (after);
  kill (child, SIGKILL);
  while (read (ends[0], &seq, sizeof seq) == sizeof seq)
    last = seq;
  close (ends[0]);
  int status;
  waitpid (child, &status, 0);
  assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
  return last;
}

static void
a_killed_writer_loses_nothing_that_it_acknowledged (void **state)
{
  uint64_t before = 0;
  for (int round = 0; round < 25; round++) {
    uint64_t said = kill_a_writer (*state, (useconds_t)(round * 731 % 9000));
    uint64_t stored;
    assert_ok (desk_count (*state, &stored));
    assert_true (stored == said || stored == said + 1);
    assert_true (said > before);
    before = stored;
  }
}

/* A writer that dies while it makes the database: what it had written lies
 * there, with the log that takes it back. */
static void
die_while_making (const char *dir)
{
  sqlite3 *db = NULL;
  CLEANUP_FREE char *path = mem_printf ("%s/journal.db", dir);
  static const char sql[]
      = "PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x);"
        "INSERT INTO t VALUES (zeroblob (3000000)); INSERT INTO t VALUES (1);";
  if (sqlite3_open (path, &db) != SQLITE_OK
      || sqlite3_exec (db, sql, NULL, NULL, NULL) != SQLITE_OK
      || sqlite3_db_cacheflush (db) != SQLITE_OK)
    _exit (1);
  raise (SIGKILL);
}

static void
a_journal_that_was_never_whole_counts_as_none (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  struct store *w CLEANUP_STORE = NULL;
  int status;
  pid_t child = fork ();
  if (child == 0)
    die_while_making (*state);
  waitpid (child, &status, 0);
  assert_true (WIFSIGNALED (status));
  CLEANUP_FREE char *log = mem_printf ("%s/journal.db-journal", (char *)*state);
  assert_int_equal (access (log, F_OK), 0);
  assert_code (store_open_reader (*state, &s), "RH-JOURNAL-NONE");
  assert_ok (desk_open (*state, &w));
}

/* SQLite's own file layer, in which a write or sync of the log can fail. */
static struct {
  sqlite3_vfs vfs;
  sqlite3_vfs *below;
  sqlite3_io_methods methods;
  const sqlite3_io_methods *old;
  int syncs_to_fail, writes_to_fail;
} disk;

static int
failing_sync (sqlite3_file *f, int flags)
{
  int rc = disk.old->xSync (f, flags);
  return disk.syncs_to_fail > 0 && disk.syncs_to_fail-- ? SQLITE_IOERR_FSYNC
                                                        : rc;
}

static int
failing_write (sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
  if (disk.writes_to_fail > 0) {
    disk.writes_to_fail--;
    return SQLITE_IOERR_WRITE;
  }
  return disk.old->xWrite (f, p, n, at);
}

static int
failing_open (sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags,
              int *out)
{
  (void)v;
  int rc = disk.below->xOpen (disk.below, name, f, flags, out);
  if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_WAL))
    return rc;
  disk.old = f->pMethods;
  disk.methods = *f->pMethods;
  disk.methods.xSync = failing_sync;
  disk.methods.xWrite = failing_write;
  f->pMethods = &disk.methods;
  return rc;
}

static int
disk_setup (void **state)
{
  memset (&disk, 0, sizeof disk);
  disk.below = sqlite3_vfs_find (NULL);
  disk.vfs = *disk.below;
  disk.vfs.zName = "failing";
  disk.vfs.xOpen = failing_open;
  sqlite3_vfs_register (&disk.vfs, 1);
  return desk_setup (state);
}

static int
disk_teardown (void **state)
{
  sqlite3_vfs_unregister (&disk.vfs);
  sqlite3_vfs_register (disk.below, 1);
  return desk_teardown (state);
}

/* SQLite calls it after the commit, and passes its error on. */
static int
report_failure (void *ctx, sqlite3 *db, const char *name, int pages)
{
  (void)db;
  (void)name;
  (void)pages;
  ++*(int *)ctx;
  return SQLITE_IOERR;
}

static void
a_commit_that_is_reported_failed_but_stored_is_not_doubled (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  uint64_t n;
  int reported = 0;
  assert_ok (desk_open (*state, &s));
  assert_ok (desk_append (s, 1));
  sqlite3_wal_hook (s->db, report_failure, &reported);
  assert_ok (desk_append (s, 2));
  assert_int_equal (reported, 1);
  assert_ok (desk_append (s, 3));
  assert_ok (desk_count (*state, &n));
  assert_int_equal (n, 3);
}

static void
a_commit_that_cannot_be_synced_is_made_again (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  uint64_t n;
  assert_ok (desk_open (*state, &s));
  assert_ok (desk_append (s, 1));
  disk.syncs_to_fail = 1;
  assert_ok (desk_append (s, 2));
  assert_int_equal (disk.syncs_to_fail, 0);
  assert_ok (desk_append (s, 3));
  assert_ok (desk_count (*state, &n));
  assert_int_equal (n, 3);
}

static void
a_write_that_fails_once_is_made_again (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  uint64_t n;
  assert_ok (desk_open (*state, &s));
  assert_ok (desk_append (s, 1));
  disk.writes_to_fail = 1;
  assert_ok (desk_append (s, 2));
  assert_int_equal (disk.writes_to_fail, 0);
  assert_ok (desk_count (*state, &n));
  assert_int_equal (n, 2);
}

static void
a_disk_that_fails_on_leaves_the_head_where_it_was (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  uint64_t n;
  char hash[65];
  assert_ok (desk_open (*state, &s));
  assert_ok (desk_append (s, 1));
  disk.writes_to_fail = 1000;
  assert_code (desk_append (s, 2), "RH-JOURNAL-STORE");
  disk.writes_to_fail = 0;
  assert_ok (store_head (s, &n, hash));
  assert_int_equal (n, 1);
  assert_ok (desk_append (s, 2));
  assert_ok (desk_count (*state, &n));
  assert_int_equal (n, 2);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (
        a_killed_writer_loses_nothing_that_it_acknowledged, desk_setup,
        desk_teardown),
    cmocka_unit_test_setup_teardown (
        a_journal_that_was_never_whole_counts_as_none, desk_setup,
        desk_teardown),
    cmocka_unit_test_setup_teardown (
        a_commit_that_is_reported_failed_but_stored_is_not_doubled, desk_setup,
        desk_teardown),
    cmocka_unit_test_setup_teardown (
        a_commit_that_cannot_be_synced_is_made_again, disk_setup,
        disk_teardown),
    cmocka_unit_test_setup_teardown (a_write_that_fails_once_is_made_again,
                                     disk_setup, disk_teardown),
    cmocka_unit_test_setup_teardown (
        a_disk_that_fails_on_leaves_the_head_where_it_was, disk_setup,
        disk_teardown),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
