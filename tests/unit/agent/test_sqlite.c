/* SPDX-License-Identifier: Apache-2.0 */
/* Databases are copied page by page while somebody writes: the copy is of one
 * moment, SQLite itself says that it is whole, and what a stream or another
 * writer did wrong is an error. */
#include "verbs.h"

#include "agent/apart.h"
#include "base/buf.h"

#include <sqlite3.h>
#include <unistd.h>

/* The verbs run in this process here. */
bool
apart_is_worker (void)
{
  return false;
}

#define ROWS 5000

struct ground {
  const char *dir;
  char *from, *to;
  sqlite3 *writer;
  int commits; /* made while the pages went by */
  bool write;  /* whether to make any */
  struct buf sent;
};

static void
must (sqlite3 *db, const char *sql)
{
  char *said = NULL;
  if (sqlite3_exec (db, sql, NULL, NULL, &said) != SQLITE_OK)
    fail_msg ("%s: %s", sql, said);
}

static int64_t
number (const char *path, const char *sql)
{
  sqlite3 *db;
  sqlite3_stmt *s;
  assert_int_equal (sqlite3_open (path, &db), SQLITE_OK);
  assert_int_equal (sqlite3_prepare_v2 (db, sql, -1, &s, NULL), SQLITE_OK);
  assert_int_equal (sqlite3_step (s), SQLITE_ROW);
  int64_t n = sqlite3_column_int64 (s, 0);
  sqlite3_finalize (s);
  sqlite3_close (db);
  return n;
}

/* Two sums that are equal in every committed state. */
static void
transfer (struct ground *g)
{
  must (g->writer, "BEGIN IMMEDIATE;"
                   "UPDATE a SET n=n+1 WHERE id=(SELECT 1+abs(random())%5000);"
                   "UPDATE b SET n=n+1 WHERE id=(SELECT 1+abs(random())%5000);"
                   "INSERT INTO a(n,t) VALUES(7,hex(randomblob(200)));"
                   "INSERT INTO b(n,t) VALUES(7,hex(randomblob(200)));"
                   "COMMIT");
  g->commits++;
}

static void
ground_make (struct ground *g, void **state, const char *mode)
{
  memset (g, 0, sizeof *g);
  g->dir = *state;
  g->from = mem_printf ("%s/from.db", g->dir);
  g->to = mem_printf ("%s/to.db", g->dir);
  assert_int_equal (sqlite3_open (g->from, &g->writer), SQLITE_OK);
  CLEANUP_FREE char *pragma = mem_printf ("PRAGMA journal_mode=%s", mode);
  must (g->writer, pragma);
  must (g->writer,
        "PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=50;"
        "PRAGMA user_version=42; PRAGMA application_id=77;"
        "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT, t TEXT);"
        "CREATE TABLE b(id INTEGER PRIMARY KEY, n INT, t TEXT);"
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE "
        "x<5000) INSERT INTO a SELECT x,1,hex(randomblob(100)) FROM c;"
        "INSERT INTO b SELECT id,n,t FROM a");
}

static void
ground_clear (struct ground *g)
{
  sqlite3_close (g->writer);
  buf_free (&g->sent);
  free (g->from);
  free (g->to);
}
#define CLEANUP_GROUND CLEANUP (ground_clear)

static struct err *
to_sent (void *ctx, const void *data, size_t len)
{
  struct ground *g = ctx;
  for (int i = 0; g->write && i < 30; i++)
    transfer (g);
  return buf_put (&g->sent, data, len);
}

struct feed {
  const struct buf *b;
  size_t at;
};

static struct err *
from_sent (void *ctx, void *data, size_t cap, size_t *len)
{
  struct feed *f = ctx;
  size_t left = f->b->len - f->at;
  *len = left < cap ? left : cap;
  if (*len > 0)
    memcpy (data, f->b->data + f->at, *len);
  f->at += *len;
  return NULL;
}

static void
no_tick (void *ctx, json_t *tick)
{
  (void)ctx;
  json_decref (tick);
}

/* As a pipe has it: `out` fills g->sent, `in` reads it. */
static struct err *
call (struct ground *g, const char *verb, json_t *args, json_t **result)
{
  CLEANUP_JSON json_t *owned = args;
  struct feed f = { &g->sent, 0 };
  struct source in = { from_sent, &f };
  struct sink out = { to_sent, g };
  struct verb_call c = { .args = owned,
                         .in = &in,
                         .in_fd = -1,
                         .out = &out,
                         .progress = no_tick,
                         .cancelled = never_cancelled_ };
  for (const struct verb *v = verbs_sqlite; v->name != NULL; v++)
    if (strcmp (v->name, verb) == 0) {
      if (v->flags & VERB_OUT)
        buf_reset (&g->sent);
      *result = NULL;
      return v->run (&c, result);
    }
  fail_msg ("no verb %s", verb);
  return NULL;
}

static json_t *
about (const char *path, const char *index)
{
  return json_pack ("{s:o, s:s, s:s}", "path", json_bytes (path, strlen (path)),
                    "migration", "shop", "index", index);
}

static void
list_target (struct ground *g, json_t **pages)
{
  CLEANUP_JSON json_t *kept = NULL;
  bool write = g->write;
  g->write = false;
  assert_ok (call (g, "sqlite.pages", about (g->to, "lite-to"), pages));
  assert_ok (call (g, "sqlite.keep", about (g->to, "lite"), &kept));
  g->write = write;
}

/* One round. */
static void
round_of (struct ground *g, bool rest, int hold_ms, json_t **sent)
{
  CLEANUP_JSON json_t *pages = NULL;
  CLEANUP_JSON json_t *got = NULL;
  list_target (g, &pages);
  json_t *args = about (g->from, "lite");
  json_object_set_new (args, "rest", json_boolean (rest));
  json_object_set_new (args, "hold_ms", json_integer (hold_ms));
  assert_ok (call (g, "sqlite.send", args, sent));
  assert_ok (call (g, "sqlite.receive", about (g->to, "lite-to"), &got));
  assert_string_equal (str_of (*sent, "sum"), str_of (got, "sum"));
}

static void
assert_whole (const char *path)
{
  assert_int_equal (
      number (path, "SELECT integrity_check='ok' FROM pragma_integrity_check"),
      1);
  assert_int_equal (number (path, "SELECT (SELECT sum(n) FROM a)=(SELECT "
                                  "sum(n) FROM b)"),
                    1);
}

static void
a_copy_of_a_wal_database_is_of_one_moment_whatever_is_written (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "wal");
  for (int i = 0; i < 40; i++)
    transfer (&g);
  int64_t rows = number (g.from, "SELECT count(*) FROM a");
  CLEANUP_JSON json_t *sent = NULL;
  g.write = true;
  round_of (&g, false, 0, &sent);
  assert_true (g.commits > 100);
  assert_true (bool_of (sent, "wal"));
  assert_true (bool_of (sent, "same"));
  assert_whole (g.to);
  assert_int_equal (number (g.to, "SELECT count(*) FROM a"), rows);
  assert_int_equal (number (g.to, "PRAGMA user_version"), 42);
  assert_int_equal (number (g.to, "PRAGMA application_id"), 77);
}

static void
bytes_taken_raw_of_the_same_database_are_not (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "wal");
  for (int i = 0; i < 40; i++)
    transfer (&g);
  int64_t rows = number (g.from, "SELECT count(*) FROM a");
  CLEANUP_FREE char *copy = mem_printf ("cp %s %s", g.from, g.to);
  assert_int_equal (system (copy), 0);
  CLEANUP_FREE char *uri = mem_printf ("file:%s?immutable=1", g.to);
  sqlite3 *db;
  sqlite3_stmt *query = NULL;
  int64_t seen = -1;
  sqlite3_open_v2 (uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
  sqlite3_prepare_v2 (db, "SELECT count(*) FROM a", -1, &query, NULL);
  if (sqlite3_step (query) == SQLITE_ROW)
    seen = sqlite3_column_int64 (query, 0);
  sqlite3_finalize (query);
  sqlite3_close (db);
  assert_true (seen != rows);
}

static void
without_a_wal_writers_wait_while_the_copy_is_made_in_one_go (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "delete");
  CLEANUP_JSON json_t *pages = NULL;
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *got = NULL;
  json_t *args = about (g.from, "lite");
  int64_t rows = number (g.from, "SELECT count(*) FROM a");
  list_target (&g, &pages);
  json_object_set_new (args, "hold_ms", json_integer (60000));
  assert_ok (call (&g, "sqlite.send", args, &sent));
  transfer (&g); /* let in again */
  assert_ok (call (&g, "sqlite.receive", about (g.to, "lite-to"), &got));
  assert_true (bool_of (sent, "same"));
  assert_false (bool_of (sent, "wal"));
  assert_whole (g.to);
  assert_int_equal (number (g.to, "SELECT count(*) FROM a"), rows);
}

static void
only_pages_that_differ_travel (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "wal");
  CLEANUP_JSON json_t *first = NULL;
  CLEANUP_JSON json_t *second = NULL;
  round_of (&g, false, 0, &first);
  must (g.writer, "UPDATE a SET n=n+1 WHERE id=77;"
                  "UPDATE b SET n=n+1 WHERE id=77");
  round_of (&g, false, 0, &second);
  assert_true (int_of (first, "sent") > 100);
  assert_in_range (int_of (second, "sent"), 1, 4);
  assert_whole (g.to);
  assert_int_equal (number (g.to, "SELECT n FROM a WHERE id=77"), 2);
}

static void
a_database_that_shrank_is_cut_on_the_target (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "delete");
  CLEANUP_JSON json_t *first = NULL;
  CLEANUP_JSON json_t *second = NULL;
  round_of (&g, false, 1000, &first);
  must (g.writer, "DELETE FROM a WHERE id>10; DELETE FROM b WHERE id>10;"
                  "VACUUM");
  round_of (&g, true, 0, &second);
  assert_whole (g.to);
  assert_int_equal (number (g.to, "PRAGMA page_count"),
                    number (g.from, "PRAGMA page_count"));
  CLEANUP_FREE char *compare = mem_printf ("cmp %s %s", g.from, g.to);
  assert_int_equal (system (compare), 0);
}

static void
a_row_that_somebody_changed_in_the_copy_is_found_and_named (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "delete");
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *pages = NULL;
  CLEANUP_JSON json_t *names = NULL;
  sqlite3 *db;
  round_of (&g, false, 1000, &sent);
  list_target (&g, &pages);
  assert_true (bool_of (pages, "known"));
  assert_int_equal (int_of (pages, "touched"), 0);
  assert_int_equal (sqlite3_open (g.to, &db), SQLITE_OK);
  must (db, "UPDATE b SET n=8 WHERE id=3001");
  sqlite3_close (db);
  json_decref (pages);
  list_target (&g, &pages);
  assert_in_range (int_of (pages, "touched"), 1, 2); /* and the header */
  json_t *args = about (g.to, "lite-to");
  json_object_set (args, "pages", json_at (pages, "touched_pages"));
  assert_ok (call (&g, "sqlite.name", args, &names));
  const json_t *list = json_at (names, "pages");
  const json_t *one = json_array_get (list, json_array_size (list) - 1);
  assert_string_equal (str_of (one, "table"), "b");
  assert_true (int_of (one, "from") <= 3001 && int_of (one, "to") >= 3001);
}

static void
a_file_at_rest_must_have_nothing_beside_it (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "wal");
  json_t *got = NULL;
  json_t *args = about (g.from, "lite");
  json_object_set_new (args, "rest", json_true ());
  transfer (&g);
  assert_code (call (&g, "sqlite.send", args, &got), "RH-SQLITE-HOT");
  assert_ok (call (&g, "sqlite.settle", about (g.from, "lite"), &got));
  json_decref (got);
  CLEANUP_JSON json_t *sent = NULL;
  round_of (&g, true, 0, &sent);
  assert_whole (g.to);
}

static void
nobody_within_a_transaction_can_be_settled (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "wal");
  json_t *got = NULL;
  json_t *args = about (g.from, "lite");
  json_object_set_new (args, "wait_ms", json_integer (50));
  must (g.writer, "BEGIN IMMEDIATE; UPDATE a SET n=5 WHERE id=1");
  assert_code (call (&g, "sqlite.settle", args, &got), "RH-SQLITE-BUSY");
}

static void
what_lies_in_the_way_is_not_overwritten (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "delete");
  json_t *got = NULL;
  CLEANUP_JSON json_t *sent = NULL;
  put_file (g.to, "dear to somebody");
  assert_ok (call (&g, "sqlite.send", about (g.from, "lite"), &sent));
  assert_code (call (&g, "sqlite.receive", about (g.to, "lite-to"), &got),
               "RH-SQLITE-INWAY");
  CLEANUP_FREE char *there = get_file (g.to);
  assert_string_equal (there, "dear to somebody");
}

/* Wherever it is cut or bent, a stream is an error or gives no other copy. */
static void
a_stream_that_lies_is_an_error (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "delete");
  json_t *got = NULL;
  CLEANUP_JSON json_t *sent = NULL;
  must (g.writer, "DROP TABLE a; DROP TABLE b; VACUUM;"
                  "CREATE TABLE c(x); INSERT INTO c VALUES(1)");
  assert_ok (call (&g, "sqlite.send", about (g.from, "lite"), &sent));
  size_t whole = g.sent.len;
  for (size_t at = 0; at < whole; at += at < 64 || at > whole - 60 ? 1 : 211) {
    g.sent.data[at] ^= 0x5a;
    struct err *e = call (&g, "sqlite.receive", about (g.to, "lite-to"), &got);
    g.sent.data[at] ^= 0x5a;
    if (e == NULL && at >= 16) /* mode and ids may be anything */
      fail_msg ("byte %zu of %zu does not matter", at, whole);
    if (e == NULL)
      json_decref (got);
    err_free (e);
    g.sent.len = at;
    e = call (&g, "sqlite.receive", about (g.to, "lite-to"), &got);
    assert_non_null (e);
    err_free (e);
    g.sent.len = whole;
  }
  assert_ok (call (&g, "sqlite.receive", about (g.to, "lite-to"), &got));
  json_decref (got);
  assert_int_equal (number (g.to, "SELECT x FROM c"), 1);
}

static void
lay (struct ground *g, bool cut, const char *expected)
{
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *laid = NULL;
  assert_ok (call (g, "sqlite.send", about (g->from, "lite"), &sent));
  g->sent.len -= cut ? 5 : 0;
  struct err *e = call (g, "sqlite.lay", about (g->to, "lite-to"), &laid);
  if (expected == NULL)
    assert_ok (e);
  else
    assert_code (e, expected);
}

/* What the other host took waits beside a file that stands still. */
static void
pages_that_were_laid_up_go_in_whole_and_only_the_newest (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "wal");
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *pages = NULL;
  json_t *got = NULL;
  round_of (&g, false, 0, &sent);
  list_target (&g, &pages);
  for (int i = 0; i < 5; i++)
    transfer (&g);
  lay (&g, false, NULL);
  must (g.writer, "UPDATE a SET n=n+1 WHERE id=78;"
                  "UPDATE b SET n=n+1 WHERE id=78");
  lay (&g, false, NULL);
  int64_t rows = number (g.from, "SELECT count(*) FROM a");
  transfer (&g);
  lay (&g, true, "RH-SQLITE-STREAM"); /* leaves what lay there */
  assert_int_equal (number (g.to, "SELECT count(*) FROM a"), ROWS);
  assert_ok (call (&g, "sqlite.laid-apply", about (g.to, "lite-to"), &got));
  assert_true (bool_of (got, "applied"));
  json_decref (got);
  assert_whole (g.to);
  assert_int_equal (number (g.to, "SELECT count(*) FROM a"), rows);
  assert_in_range (number (g.to, "SELECT n FROM a WHERE id=78"), 2, 7);
  assert_ok (call (&g, "sqlite.laid-apply", about (g.to, "lite-to"), &got));
  assert_false (bool_of (got, "applied"));
  json_decref (got);
}

static void
a_walk_finds_databases_by_what_they_begin_with (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "wal");
  CLEANUP_JSON json_t *all = NULL;
  CLEANUP_JSON json_t *beside = NULL;
  CLEANUP_FREE char *odd = mem_printf ("%s/sub", g.dir);
  CLEANUP_FREE char *quiet = mem_printf ("%s/sub/no-name at all", g.dir);
  sqlite3 *db;
  assert_int_equal (mkdir (odd, 0755), 0);
  assert_int_equal (sqlite3_open (quiet, &db), SQLITE_OK);
  must (db, "CREATE TABLE x(y)");
  sqlite3_close (db);
  json_t *root = json_bytes (g.dir, strlen (g.dir));
  assert_ok (call (&g, "sqlite.find", json_pack ("{s:O}", "root", root), &all));
  assert_ok (call (&g, "sqlite.find",
                   json_pack ("{s:o, s:b}", "root", root, "beside", 1),
                   &beside));
  assert_int_equal (json_array_size (json_at (all, "databases")), 2);
  assert_int_equal (json_array_size (json_at (beside, "databases")), 1);
  assert_string_equal (
      str_of (json_array_get (json_at (beside, "databases"), 0), "path"),
      "from.db");
}

static void
the_library_says_whether_a_copy_is_whole (void **state)
{
  CLEANUP_GROUND struct ground g;
  ground_make (&g, state, "delete");
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *good = NULL;
  CLEANUP_JSON json_t *bad = NULL;
  round_of (&g, false, 1000, &sent);
  assert_ok (call (&g, "sqlite.check", about (g.to, "lite-to"), &good));
  assert_true (bool_of (good, "ok"));
  assert_int_equal (int_of (json_at (good, "tables"), "a"), ROWS);
  int fd = open (g.to, O_WRONLY);
  assert_int_equal (pwrite (fd, "\0\0\0\0\0\0\0\0\0\0\0\0", 12, 40 * 4096), 12);
  close (fd);
  struct err *e = call (&g, "sqlite.check", about (g.to, "lite-to"), &bad);
  assert_true (e != NULL || !bool_of (bad, "ok"));
  err_free (e);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_state (a_copy_of_a_wal_database_is_of_one_moment_whatever_is_written),
    in_state (bytes_taken_raw_of_the_same_database_are_not),
    in_state (without_a_wal_writers_wait_while_the_copy_is_made_in_one_go),
    in_state (only_pages_that_differ_travel),
    in_state (a_database_that_shrank_is_cut_on_the_target),
    in_state (a_row_that_somebody_changed_in_the_copy_is_found_and_named),
    in_state (a_file_at_rest_must_have_nothing_beside_it),
    in_state (nobody_within_a_transaction_can_be_settled),
    in_state (what_lies_in_the_way_is_not_overwritten),
    in_state (a_stream_that_lies_is_an_error),
    in_state (pages_that_were_laid_up_go_in_whole_and_only_the_newest),
    in_state (a_walk_finds_databases_by_what_they_begin_with),
    in_state (the_library_says_whether_a_copy_is_whole),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
