/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the journal layer: the store's object, and SQLite with errors as
 * values.  Nothing outside src/journal and its tests includes it. */
#ifndef REHOME_JOURNAL_DB_H
#define REHOME_JOURNAL_DB_H

#include "journal/store.h"

#include <sqlite3.h>

struct store {
  sqlite3 *db;
  sqlite3 *loose; /* for progress alone: its commits need not be synced */
  char *path;
  char *migration;
  int lock_fd;        /* -1 for a reader */
  struct chain first; /* where the chain starts */
  struct chain head;
};

/* sql.c: one statement at a time; the caller clears it with sql_end. */
struct err *sql_fail (sqlite3 *db, const char *doing);
struct err *sql_run (sqlite3 *db, const char *sql);
struct err *sql_begin (sqlite3 *db, const char *sql, sqlite3_stmt **out);
/* true in *row while there is one more. */
struct err *sql_step (sqlite3 *db, sqlite3_stmt *st, bool *row);
static inline void
sql_end (sqlite3_stmt **st)
{
  sqlite3_finalize (*st);
}
#define CLEANUP_STMT CLEANUP (sql_end)

/* lock.c: the one writer. */
struct err *lock_take (const char *dir, int *fd);

/* open.c: the connection, and what it says of the chain. */
struct err *db_connect (const char *path, bool writer, sqlite3 **out);
struct err *db_read_head (struct store *s);

/* read.c */
struct err *db_line_at (struct store *s, uint64_t seq, char **line);
/* open.c: puts the plan's bytes behind those before them. */
struct err *db_add_plan (sqlite3 *db, const char *text, size_t len);

#endif
