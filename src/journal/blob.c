/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs: bytes that records name by their SHA-256 and that can be erased
 * while the chain still verifies. */
#include "journal/db.h"

#include "base/mem.h"

#include <string.h>

struct err *
store_put_blob (struct store *s, const void *data, size_t len, char sha256[65])
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  record_hash (data, len, sha256);
  TRY (sql_begin (s->db, "INSERT OR REPLACE INTO blob VALUES (?, ?)", &st));
  sqlite3_bind_text (st, 1, sha256, -1, SQLITE_STATIC);
  sqlite3_bind_blob64 (st, 2, len > 0 ? data : "", len, SQLITE_STATIC);
  return sql_step (s->db, st, &row);
}

static struct err *
take_blob (sqlite3_stmt *st, const char *sha256, char **data, size_t *len)
{
  if (sqlite3_column_type (st, 0) == SQLITE_NULL)
    return err_new (ERR_REFUSED, "RH-JOURNAL-ERASED",
                    "the value %.12s was erased", sha256);
  size_t n = (size_t)sqlite3_column_bytes (st, 0);
  const char *bytes = sqlite3_column_blob (st, 0);
  char hash[65];
  record_hash (n > 0 ? bytes : "", n, hash);
  if (strcmp (hash, sha256) != 0)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-CORRUPT",
                    "the blob %.12s is not what its name says", sha256);
  *data = mem_alloc (n + 1);
  if (n > 0)
    memcpy (*data, bytes, n);
  *len = n;
  return NULL;
}

struct err *
store_get_blob (struct store *s, const char *sha256, char **data, size_t *len)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db, "SELECT data FROM blob WHERE sha256 = ?", &st));
  sqlite3_bind_text (st, 1, sha256, -1, SQLITE_STATIC);
  TRY (sql_step (s->db, st, &row));
  if (!row)
    return err_new (ERR_CORRECT, "RH-JOURNAL-NOBLOB",
                    "the journal holds no blob %.12s", sha256);
  return take_blob (st, sha256, data, len);
}

/* A reader in the midst of something keeps the log as it is: the first column
 * says so. */
static struct err *
empty_log (sqlite3 *db)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (db, "PRAGMA wal_checkpoint(TRUNCATE)", &st));
  TRY (sql_step (db, st, &row));
  if (row && sqlite3_column_int (st, 0) != 0)
    return err_advise (
        err_new (ERR_TRANSIENT, "RH-JOURNAL-READERS",
                 "somebody reads the journal: what was erased still lies in "
                 "its log"),
        "the journal is whole", "erase again when nobody reads it");
  return NULL;
}

/* secure_delete overwrites the page; what the write-ahead log still holds goes
 * with the checkpoint that empties it. */
struct err *
store_erase_blob (struct store *s, const char *sha256)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db, "UPDATE blob SET data = NULL WHERE sha256 = ?", &st));
  sqlite3_bind_text (st, 1, sha256, -1, SQLITE_STATIC);
  TRY (sql_step (s->db, st, &row));
  if (sqlite3_changes (s->db) != 1)
    return err_new (ERR_CORRECT, "RH-JOURNAL-NOBLOB",
                    "the journal holds no blob %.12s", sha256);
  sqlite3_finalize (STEAL (st));
  return empty_log (s->db);
}
