/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's answers as errors. */
#include "journal/db.h"

struct err *
sql_fail (sqlite3 *db, const char *doing)
{
  int code = sqlite3_errcode (db) & 0xff;
  bool passing = code == SQLITE_BUSY || code == SQLITE_LOCKED;
  bool corrupt = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  if (code == SQLITE_FULL)
    return err_advise (err_new (ERR_SYSTEM, "RH-JOURNAL-FULL",
                                "the journal cannot grow: %s",
                                sqlite3_errmsg (db)),
                       "nothing was started that is not recorded",
                       "make room on the disk of the state directory");
  return err_new (passing   ? ERR_TRANSIENT
                  : corrupt ? ERR_CORRUPT
                            : ERR_SYSTEM,
                  corrupt ? "RH-JOURNAL-CORRUPT" : "RH-JOURNAL-STORE",
                  "the journal's database: %s: %s (%d)", doing,
                  sqlite3_errmsg (db), sqlite3_extended_errcode (db));
}

struct err *
sql_run (sqlite3 *db, const char *sql)
{
  if (sqlite3_exec (db, sql, NULL, NULL, NULL) != SQLITE_OK)
    return sql_fail (db, sql);
  return NULL;
}

struct err *
sql_begin (sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
  if (sqlite3_prepare_v2 (db, sql, -1, out, NULL) != SQLITE_OK)
    return sql_fail (db, sql);
  return NULL;
}

struct err *
sql_step (sqlite3 *db, sqlite3_stmt *st, bool *row)
{
  int rc = sqlite3_step (st);
  *row = rc == SQLITE_ROW;
  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    return sql_fail (db, sqlite3_sql (st));
  return NULL;
}
