/* SPDX-License-Identifier: Apache-2.0 */
/* Appending: one record, one transaction, durable when it returns.  An error
 * of a commit does not tell whether it happened: the store is then opened
 * anew and read. */
#include "journal/db.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* The head moves only from where this process saw it. */
static struct err *
move_head (struct store *s, uint64_t seq, const char *hash)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db,
                  "UPDATE head SET seq = ?, hash = ? WHERE seq = ? AND "
                  "hash = ?",
                  &st));
  sqlite3_bind_int64 (st, 1, (sqlite3_int64)seq);
  sqlite3_bind_text (st, 2, hash, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (st, 3, (sqlite3_int64)s->head.seq);
  sqlite3_bind_text (st, 4, s->head.head, -1, SQLITE_STATIC);
  TRY (sql_step (s->db, st, &row));
  if (sqlite3_changes (s->db) != 1)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-HEAD",
                    "somebody else has written to the journal behind record "
                    "%" PRIu64,
                    s->head.seq);
  return NULL;
}

static struct err *
insert (struct store *s, uint64_t seq, const char *line)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db, "INSERT INTO record VALUES (?, ?)", &st));
  sqlite3_bind_int64 (st, 1, (sqlite3_int64)seq);
  sqlite3_bind_text (st, 2, line, -1, SQLITE_STATIC);
  return sql_step (s->db, st, &row);
}

static struct err *
commit_line (struct store *s, uint64_t seq, const char *line, const char *hash)
{
  TRY (sql_run (s->db, "BEGIN IMMEDIATE"));
  TRY (move_head (s, seq, hash));
  TRY (insert (s, seq, line));
  return sql_run (s->db, "COMMIT");
}

/* What is found after an error may lie in memory only: a checkpoint writes
 * and syncs it once more. */
static struct err *
reopen (struct store *s)
{
  sqlite3_close (s->loose);
  sqlite3_close (s->db);
  s->loose = s->db = NULL;
  TRY (db_connect (s->path, true, &s->db));
  return sql_run (s->db, "PRAGMA wal_checkpoint(FULL)");
}

/* true: the line is stored after all; false: it is not, and was not replaced
 * by another. */
static struct err *
look_again (struct store *s, uint64_t seq, const char *line, bool *stored)
{
  TRY (reopen (s));
  char *found CLEANUP_FREE = NULL;
  TRY (db_line_at (s, seq, &found));
  *stored = found != NULL;
  if (found != NULL && strcmp (found, line) != 0)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-HEAD",
                    "somebody else wrote record %" PRIu64, seq);
  return NULL;
}

static struct err *
make_durable (struct store *s, uint64_t seq, const char *line, const char *hash)
{
  struct err *first CLEANUP_ERR = commit_line (s, seq, line, hash);
  if (first == NULL)
    return NULL;
  bool stored;
  struct err *e = look_again (s, seq, line, &stored);
  if (e == NULL && !stored)
    e = commit_line (s, seq, line, hash);
  if (e != NULL && s->db != NULL)
    sqlite3_exec (s->db, "ROLLBACK", NULL, NULL, NULL);
  return err_wrap (e, "%s; tried again", err_message (first));
}

static void
set_string (char **to, const char *value)
{
  char *copy = mem_strdup (value);
  free (*to);
  *to = copy;
}

struct err *
store_append (struct store *s, struct record *r, char **out)
{
  if (s->lock_fd < 0)
    return err_new (ERR_BUG, "RH-JOURNAL-READER",
                    "a reader does not append to the journal");
  TRY (record_check (r));
  set_string (&r->migration, s->migration);
  r->seq = s->head.seq + 1;
  memcpy (r->prev, s->head.head, sizeof r->prev);
  char *line CLEANUP_FREE = record_line (r);
  char hash[65];
  record_hash (line, strlen (line), hash);
  TRY (make_durable (s, r->seq, line, hash));
  s->head.seq = r->seq;
  memcpy (s->head.head, hash, sizeof hash);
  if (out != NULL)
    *out = STEAL (line);
  return NULL;
}

struct err *
store_replace_plan (struct store *s, const char *text, size_t len)
{
  return err_wrap (db_add_plan (s->db, text, len), "keeping the new plan");
}

static struct err *
put_progress (sqlite3 *db, const char *line)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (db, "INSERT OR REPLACE INTO progress VALUES (1, ?)", &st));
  sqlite3_bind_text (st, 1, line, -1, SQLITE_STATIC);
  return sql_step (db, st, &row);
}

struct err *
store_set_progress (struct store *s, const json_t *progress)
{
  if (s->loose == NULL) {
    TRY (db_connect (s->path, true, &s->loose));
    TRY (sql_run (s->loose, "PRAGMA synchronous = OFF"));
  }
  char *line CLEANUP_FREE = json_line (progress);
  return put_progress (s->loose, line);
}
