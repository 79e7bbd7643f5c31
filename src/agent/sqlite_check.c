/* SPDX-License-Identifier: Apache-2.0 */
/* Looks and checks by the library; see sqlite_check.h. */
#include "agent/sqlite_check.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { TABLES_MAX = 10000, PROGRESS_OPS = 100000, LEAF_TABLE = 13 };

static uint64_t
size_beside (const struct lite_place *p, const char *suffix)
{
  CLEANUP_FREE char *name = mem_printf ("%s%s", p->leaf, suffix);
  struct stat st;
  return fstatat (p->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
             ? (uint64_t)st.st_size
             : 0;
}

struct err *
lite_look (const struct lite_place *p, json_t **result)
{
  CLEANUP_LITE_READER struct lite_reader r = LITE_READER_NONE;
  struct stat st;
  if (fstatat (p->dirfd, p->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0
      || !S_ISREG (st.st_mode))
    return err_new (ERR_REFUSED, "RH-SQLITE-NONE",
                    "%s is not there, or no file", p->path);
  uint64_t waits = size_beside (p, "-wal");
  TRY (lite_reader_open (p, false, &r));
  *result
      = json_pack ("{s:i, s:o, s:b, s:o, s:I, s:I, s:i, s:I, s:s}", "page_size",
                   (int)r.header.page_size, "pages", json_u64 (r.pages), "wal",
                   r.header.wal, "wal_bytes", json_u64 (waits), "user_version",
                   (json_int_t)r.header.user_version, "application_id",
                   (json_int_t)r.header.application_id, "encoding",
                   (int)r.header.encoding, "written_by",
                   (json_int_t)r.header.written_by, "library",
                   sqlite3_libversion ());
  return NULL;
}

static int
on_progress (void *arg)
{
  struct lite_watch *w = arg;
  return w->cancelled (w->ctx);
}

/* The texts of a query's first column; at most `max`. */
static struct err *
column (sqlite3 *db, const char *sql, size_t max, json_t *out)
{
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2 (db, sql, -1, &s, NULL);
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step (s);
    const char *text = (const char *)sqlite3_column_text (s, 0);
    if (rc == SQLITE_ROW && json_array_size (out) < max)
      json_array_append_new (out,
                             json_bytes (text != NULL ? text : "",
                                         text != NULL ? strlen (text) : 0));
  }
  struct err *e = rc == SQLITE_DONE ? NULL : lite_failed (db, sql);
  sqlite3_finalize (s);
  return e;
}

/* An error that is only the want of an extension is no fault of the data. */
static struct err *
unless_unknown (struct err *e, json_t *unchecked)
{
  if (e == NULL || strcmp (err_code (e), "RH-SQLITE-OPEN") != 0)
    return e;
  json_array_append_new (unchecked, json_string (err_message (e)));
  err_free (e);
  return NULL;
}

static struct err *
count_rows (sqlite3 *db, const json_t *names, json_t *tables, json_t *unchecked)
{
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    CLEANUP_FREE char *name = NULL;
    size_t len;
    int64_t rows = -1;
    TRY (text_decode (json_string_value (one), &name, &len));
    char *sql = sqlite3_mprintf ("SELECT count(*) FROM \"%w\"", name);
    struct err *e = lite_number (db, sql, 0, &rows);
    sqlite3_free (sql);
    TRY (unless_unknown (e, unchecked));
    json_object_set_new (tables, json_string_value (one), json_integer (rows));
  }
  return NULL;
}

struct checked {
  json_t *integrity, *unchecked, *names, *tables;
};

static void
checked_clear (struct checked *c)
{
  json_decref (c->integrity);
  json_decref (c->unchecked);
  json_decref (c->names);
  json_decref (c->tables);
}

struct err *
lite_check (const struct lite_place *p, bool integrity, struct lite_watch *w,
            json_t **result)
{
  CLEANUP_LITE sqlite3 *db = NULL;
  CLEANUP (checked_clear)
  struct checked c
      = { json_array (), json_array (), json_array (), json_object () };
  int64_t foreign = 0;
  int64_t began = monotonic_ms ();
  TRY (lite_at_rest (p));
  TRY (lite_connect (p, true, 0, &db));
  sqlite3_progress_handler (db, PROGRESS_OPS, on_progress, w);
  if (integrity) {
    TRY (unless_unknown (column (db, "PRAGMA integrity_check(20)", 20,
                                 c.integrity),
                         c.unchecked));
    TRY (unless_unknown (
        lite_number (db, "SELECT count(*) FROM pragma_foreign_key_check", 0,
                     &foreign),
        c.unchecked));
  }
  TRY (column (db,
               "SELECT name FROM sqlite_schema WHERE type='table' AND "
               "rootpage>0 ORDER BY name",
               TABLES_MAX, c.names));
  TRY (count_rows (db, c.names, c.tables, c.unchecked));
  bool ok
      = json_array_size (c.integrity) == 0
        || strcmp (json_string_value (json_array_get (c.integrity, 0)), "ok")
               == 0;
  *result = json_pack ("{s:b, s:O, s:I, s:O, s:O, s:I}", "ok", ok, "integrity",
                       c.integrity, "foreign_keys", (json_int_t)foreign,
                       "tables", c.tables, "unchecked", c.unchecked, "ms",
                       (json_int_t)(monotonic_ms () - began));
  return NULL;
}

/* Busy stays busy for whoever is not gone at the end of the wait. */
static struct err *
checkpoint (sqlite3 *db)
{
  int64_t busy;
  TRY (lite_number (db, "PRAGMA wal_checkpoint(TRUNCATE)", 0, &busy));
  if (busy == 0)
    return NULL;
  return err_new (ERR_TRANSIENT, "RH-SQLITE-BUSY",
                  "another program is within a transaction, so the WAL cannot "
                  "be written into the database");
}

/* On what is mounted read-only nobody is within a transaction; closed before
 * any lock is taken. */
static bool
is_read_only (const struct lite_place *p)
{
  CLEANUP_FD int fd = openat (p->dirfd, p->leaf,
                              O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  return fd < 0 && errno == EROFS;
}

struct err *
lite_settle (const struct lite_place *p, long wait_ms, json_t **result)
{
  CLEANUP_LITE sqlite3 *db = NULL;
  uint64_t waited = size_beside (p, "-wal") + size_beside (p, "-journal");
  if (is_read_only (p)) {
    TRY (lite_at_rest (p));
    *result = json_pack ("{s:b, s:o}", "exclusive", 0, "beside_bytes",
                         json_u64 (waited));
    return NULL;
  }
  TRY (lite_connect (p, false, wait_ms, &db));
  TRY (lite_exec (db, "SELECT 1 FROM sqlite_schema LIMIT 1"));
  TRY (checkpoint (db));
  TRY (lite_exec (db, "BEGIN EXCLUSIVE"));
  TRY (lite_exec (db, "ROLLBACK"));
  if (sqlite3_close (STEAL (db)) != SQLITE_OK)
    return err_new (ERR_BUG, "RH-SQLITE-OPEN", "the database stays open");
  TRY (lite_at_rest (p));
  *result = json_pack ("{s:b, s:o}", "exclusive", 1, "beside_bytes",
                       json_u64 (waited));
  return NULL;
}

/* ---- Names of pages ---- */

static uint64_t
varint (const unsigned char **p, const unsigned char *end)
{
  uint64_t v = 0;
  for (int i = 0; i < 9 && *p < end; i++) {
    unsigned char byte = *(*p)++;
    if (i == 8)
      return v << 8 | byte;
    v = v << 7 | (byte & 0x7f);
    if (byte < 0x80)
      break;
  }
  return v;
}

/* The rowid of a leaf's cell. */
static int64_t
rowid_of (const unsigned char *page, uint32_t size, size_t cell, size_t head)
{
  const unsigned char *at = page + head + 8 + 2 * cell;
  size_t offset = (size_t)at[0] << 8 | at[1];
  const unsigned char *p = page + (offset < size ? offset : size);
  varint (&p, page + size); /* of the payload */
  return (int64_t)varint (&p, page + size);
}

static void
add_rows (struct lite_reader *r, uint64_t n, json_t *to)
{
  CLEANUP_FREE unsigned char *page = mem_alloc (LITE_PAGE_MAX);
  CLEANUP_ERR struct err *e = lite_reader_page (r, n, page);
  uint32_t size = r->header.page_size;
  size_t head = n == 1 ? LITE_HEADER : 0;
  if (e != NULL || page[head] != LEAF_TABLE)
    return;
  size_t cells = (size_t)page[head + 3] << 8 | page[head + 4];
  if (cells == 0 || head + 8 + 2 * cells > size)
    return;
  json_object_set_new (to, "from",
                       json_integer (rowid_of (page, size, 0, head)));
  json_object_set_new (to, "to",
                       json_integer (rowid_of (page, size, cells - 1, head)));
}

static struct err *
name_page (sqlite3 *db, struct lite_reader *r, json_int_t n, json_t *out)
{
  CLEANUP_JSON json_t *names = json_array ();
  char *sql = sqlite3_mprintf ("SELECT name FROM dbstat WHERE pageno=%lld", n);
  struct err *e = column (db, sql, 1, names);
  sqlite3_free (sql);
  err_free (e); /* a page of nobody, or a schema that cannot be read */
  json_t *one = json_pack ("{s:I, s:O?}", "page", n, "table",
                           json_array_get (names, 0));
  if (n > 0 && (uint64_t)n <= r->pages)
    add_rows (r, (uint64_t)n, one);
  json_array_append_new (out, one);
  return NULL;
}

struct err *
lite_name (const struct lite_place *p, const json_t *pages, json_t **result)
{
  CLEANUP_LITE sqlite3 *db = NULL;
  CLEANUP_LITE_READER struct lite_reader r = LITE_READER_NONE;
  CLEANUP_JSON json_t *out = json_array ();
  size_t i;
  json_t *one;
  TRY (lite_reader_open (p, true, &r));
  TRY (lite_connect (p, true, 0, &db));
  json_array_foreach (pages, i, one)
  {
    if (i < LITE_TOUCHED_MAX)
      TRY (name_page (db, &r, json_integer_value (one), out));
  }
  *result = json_pack ("{s:O}", "pages", out);
  return NULL;
}
