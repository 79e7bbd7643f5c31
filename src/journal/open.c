/* SPDX-License-Identifier: Apache-2.0 */
/* Making and opening the database: WAL, every commit synced. */
#include "journal/db.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEMA_VERSION 1

static const char schema[]
    = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
      "CREATE TABLE plan (n INTEGER PRIMARY KEY, sha256 TEXT NOT NULL,"
      "                   text BLOB NOT NULL);"
      "CREATE TABLE record (seq INTEGER PRIMARY KEY, line TEXT NOT NULL);"
      "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1),"
      "                   seq INTEGER NOT NULL, hash TEXT NOT NULL);"
      "CREATE TABLE blob (sha256 TEXT PRIMARY KEY, data BLOB);"
      "CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 1),"
      "                       json TEXT NOT NULL);"
      "PRAGMA user_version = 1;";

/* Makes each missing part of the path, private to its owner. */
static struct err *
make_dirs (const char *dir)
{
  char *path CLEANUP_FREE = mem_strdup (dir);
  for (char *p = path + 1; *p != '\0'; p++)
    if (*p == '/') {
      *p = '\0';
      if (mkdir (path, 0700) != 0 && errno != EEXIST)
        return err_sys (errno, "RH-JOURNAL-OPEN", "cannot make %s", path);
      *p = '/';
    }
  if (mkdir (path, 0700) != 0 && errno != EEXIST)
    return err_sys (errno, "RH-JOURNAL-OPEN", "cannot make %s", path);
  return NULL;
}

static struct err *
sync_dir (const char *path)
{
  int fd CLEANUP_FD = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || fsync (fd) != 0)
    return err_sys (errno, "RH-JOURNAL-OPEN", "cannot sync %s", path);
  return NULL;
}

/* The directory's entry in its parent, and the files' entries in it. */
static struct err *
sync_dirs (const char *dir)
{
  char *parent CLEANUP_FREE = mem_printf ("%s/..", dir);
  TRY (sync_dir (dir));
  return sync_dir (parent);
}

static struct err *
pragma_word (sqlite3 *db, const char *sql, char out[32])
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (db, sql, &st));
  TRY (sql_step (db, st, &row));
  const char *word = row ? (const char *)sqlite3_column_text (st, 0) : "";
  out[0] = '\0';
  strncat (out, word != NULL ? word : "", 31);
  return NULL;
}

static struct err *
durable_settings (sqlite3 *db)
{
  char mode[32], level[32];
  TRY (pragma_word (db, "PRAGMA journal_mode = WAL", mode));
  TRY (sql_run (db, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"));
  TRY (pragma_word (db, "PRAGMA synchronous", level));
  if (strcmp (mode, "wal") != 0 || strcmp (level, "2") != 0)
    return err_new (ERR_SYSTEM, "RH-JOURNAL-STORE",
                    "SQLite will not keep the journal durably here (mode %s, "
                    "synchronous %s)",
                    mode, level);
  return NULL;
}

struct err *
db_connect (const char *path, bool writer, sqlite3 **out)
{
  int flags = writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  sqlite3 *db = NULL;
  if (sqlite3_open_v2 (path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL)
      != SQLITE_OK)
  {
    struct err *e
        = err_new (ERR_SYSTEM, "RH-JOURNAL-OPEN", "cannot open %s: %s", path,
                   db != NULL ? sqlite3_errmsg (db) : "memory");
    sqlite3_close (db);
    return e;
  }
  sqlite3_busy_timeout (db, 5000);
  sqlite3_extended_result_codes (db, 1);
  struct err *e = writer ? durable_settings (db) : NULL;
  if (e != NULL)
    sqlite3_close (db);
  else
    *out = db;
  return e;
}

struct err *
db_add_plan (sqlite3 *db, const char *text, size_t len)
{
  char hash[65];
  record_hash (text, len, hash);
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (db, "INSERT INTO plan (sha256, text) VALUES (?, ?)", &st));
  sqlite3_bind_text (st, 1, hash, -1, SQLITE_STATIC);
  sqlite3_bind_blob64 (st, 2, text, len, SQLITE_STATIC);
  return sql_step (db, st, &row);
}

static struct err *
fill (sqlite3 *db, const char *migration, const char *text, size_t len)
{
  TRY (sql_run (db, schema));
  TRY (db_add_plan (db, text, len));
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (db, "INSERT INTO meta VALUES ('migration', ?)", &st));
  sqlite3_bind_text (st, 1, migration, -1, SQLITE_STATIC);
  TRY (sql_step (db, st, &row));
  return sql_run (db, "INSERT INTO head SELECT 1, 0, sha256 FROM plan");
}

/* A database without its tables was left by a crash between making the file
 * and the first commit: it is filled now. */
static struct err *
fill_if_empty (sqlite3 *db, const char *migration, const char *text, size_t len)
{
  char version[32];
  TRY (pragma_word (db, "PRAGMA user_version", version));
  if (strcmp (version, "0") != 0)
    return NULL;
  if (text == NULL)
    return err_new (ERR_CORRECT, "RH-JOURNAL-NONE",
                    "there is no migration %s yet", migration);
  TRY (sql_run (db, "BEGIN IMMEDIATE"));
  TRY (fill (db, migration, text, len));
  return sql_run (db, "COMMIT");
}

static struct err *
read_meta (struct store *s)
{
  char version[32];
  TRY (pragma_word (s->db, "PRAGMA user_version", version));
  if (strtol (version, NULL, 10) != SCHEMA_VERSION)
    return err_new (ERR_CORRECT, "RH-JOURNAL-VERSION",
                    "the journal has format %s, this rehome knows %d", version,
                    SCHEMA_VERSION);
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db,
                  "SELECT (SELECT value FROM meta WHERE key = 'migration'), "
                  "sha256 FROM plan ORDER BY n LIMIT 1",
                  &st));
  TRY (sql_step (s->db, st, &row));
  if (!row || sqlite3_column_type (st, 0) != SQLITE_TEXT
      || sqlite3_column_type (st, 1) != SQLITE_TEXT)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-CORRUPT",
                    "the journal names no migration or no plan");
  s->migration = mem_strdup ((const char *)sqlite3_column_text (st, 0));
  chain_start (&s->first, (const char *)sqlite3_column_text (st, 1));
  return NULL;
}

struct err *
db_read_head (struct store *s)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db, "SELECT seq, hash FROM head", &st));
  TRY (sql_step (s->db, st, &row));
  if (!row || sqlite3_column_type (st, 1) != SQLITE_TEXT)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-CORRUPT",
                    "the journal has no head");
  chain_start (&s->head, (const char *)sqlite3_column_text (st, 1));
  s->head.seq = (uint64_t)sqlite3_column_int64 (st, 0);
  return NULL;
}

static struct store *
new_store (const char *dir)
{
  struct store *s = mem_alloc (sizeof *s);
  s->lock_fd = -1;
  s->path = mem_printf ("%s/journal.db", dir);
  return s;
}

static struct err *
no_journal (const char *path)
{
  return err_new (ERR_CORRECT, "RH-JOURNAL-NONE", "there is no journal at %s",
                  path);
}

/* The file is made before SQLite opens it, so that nobody else may read it. */
static struct err *
make_file (const char *path, bool make)
{
  if (!make && access (path, F_OK) != 0)
    return no_journal (path);
  int fd CLEANUP_FD
      = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return err_sys (errno, "RH-JOURNAL-OPEN", "cannot open %s", path);
  return NULL;
}

static struct err *
same_migration (const struct store *s, const char *migration)
{
  if (migration == NULL || strcmp (migration, s->migration) == 0)
    return NULL;
  return err_new (ERR_REFUSED, "RH-JOURNAL-OTHER",
                  "this is the journal of %s, not of %s", s->migration,
                  migration);
}

struct err *
store_open_writer (const char *dir, const char *migration,
                   const char *plan_text, size_t plan_len, struct store **out)
{
  struct store *s CLEANUP_STORE = new_store (dir);
  if (plan_text != NULL)
    TRY (make_dirs (dir));
  else if (access (s->path, F_OK) != 0)
    return no_journal (s->path);
  TRY (lock_take (dir, &s->lock_fd));
  TRY (make_file (s->path, plan_text != NULL));
  TRY (db_connect (s->path, true, &s->db));
  TRY (fill_if_empty (s->db, migration, plan_text, plan_len));
  TRY (sync_dirs (dir));
  TRY (read_meta (s));
  TRY (same_migration (s, migration));
  TRY (db_read_head (s));
  *out = STEAL (s);
  return NULL;
}

/* A writer that was killed in the middle of a transaction leaves what only one
 * who may write can put in order: then this reader does it once. */
static bool
wants_order (sqlite3 *db)
{
  int rc = sqlite3_exec (db, "SELECT 1 FROM sqlite_master", NULL, NULL, NULL);
  return (rc & 0xff) == SQLITE_READONLY;
}

static struct err *
put_in_order (const struct store *s)
{
  sqlite3 *db = NULL;
  struct stat st;
  if (sqlite3_open_v2 (s->path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
    sqlite3_exec (db, "SELECT 1 FROM sqlite_master", NULL, NULL, NULL);
  sqlite3_close (db);
  /* It may have died before the first transaction was whole. */
  if (stat (s->path, &st) != 0 || st.st_size == 0)
    return no_journal (s->path);
  return NULL;
}

struct err *
store_open_reader (const char *dir, struct store **out)
{
  struct store *s CLEANUP_STORE = new_store (dir);
  if (access (s->path, F_OK) != 0)
    return errno == ENOENT
               ? no_journal (s->path)
               : err_sys (errno, "RH-JOURNAL-OPEN", "cannot read %s", s->path);
  TRY (db_connect (s->path, false, &s->db));
  if (wants_order (s->db))
    TRY (put_in_order (s));
  TRY (read_meta (s));
  *out = STEAL (s);
  return NULL;
}

void
store_close (struct store *s)
{
  if (s == NULL)
    return;
  sqlite3_close (s->loose);
  sqlite3_close (s->db);
  if (s->lock_fd >= 0)
    close (s->lock_fd);
  free (s->path);
  free (s->migration);
  free (s);
}
