/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: lines in their order, with the chain verified on the way. */
#include "journal/db.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

static struct err *
column_line (sqlite3_stmt *st, int column, const char **line, size_t *len)
{
  *line = (const char *)sqlite3_column_text (st, column);
  *len = (size_t)sqlite3_column_bytes (st, column);
  if (*line == NULL)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-CORRUPT",
                    "the journal holds a record without a line");
  return NULL;
}

struct err *
db_line_at (struct store *s, uint64_t seq, char **out)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  const char *line;
  size_t len;
  TRY (sql_begin (s->db, "SELECT line FROM record WHERE seq = ?", &st));
  sqlite3_bind_int64 (st, 1, (sqlite3_int64)seq);
  TRY (sql_step (s->db, st, &row));
  if (!row)
    return NULL;
  TRY (column_line (st, 0, &line, &len));
  *out = mem_strndup (line, len);
  return NULL;
}

struct err *
store_hash_at (struct store *s, uint64_t seq, char hash[65], bool *found)
{
  CLEANUP_FREE char *line = NULL;
  TRY (db_line_at (s, seq, &line));
  *found = line != NULL;
  if (*found)
    record_hash (line, strlen (line), hash);
  return NULL;
}

struct reading {
  struct chain chain;
  uint64_t after;
  struct err *(*each) (void *ctx, const struct record *r, const char *line);
  void *ctx;
};

static struct err *
give (struct reading *rd, const char *line, size_t len)
{
  TRY (chain_next (&rd->chain, line, len));
  if (rd->chain.seq <= rd->after)
    return NULL;
  struct record r CLEANUP (record_clear) = { 0 };
  TRY (record_parse (line, len, &r));
  return rd->each (rd->ctx, &r, line);
}

static struct err *
read_all (struct store *s, struct reading *rd)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  TRY (sql_begin (s->db, "SELECT line FROM record ORDER BY seq", &st));
  for (;;) {
    bool row;
    const char *line;
    size_t len;
    TRY (sql_step (s->db, st, &row));
    if (!row)
      return NULL;
    TRY (column_line (st, 0, &line, &len));
    TRY (give (rd, line, len));
  }
}

/* The last line has no successor that names it: the head does. */
static struct err *
ends_at_head (const struct store *s, const struct chain *c)
{
  if (c->seq == s->head.seq && strcmp (c->head, s->head.head) == 0)
    return NULL;
  return err_new (ERR_CORRUPT, "RH-JOURNAL-CHAIN",
                  "the journal's chain ends at record %" PRIu64
                  ", which is not its head (%" PRIu64 ")",
                  c->seq, s->head.seq);
}

static struct err *
read_to_head (struct store *s, struct reading *rd)
{
  TRY (db_read_head (s));
  TRY (read_all (s, rd));
  return ends_at_head (s, &rd->chain);
}

struct err *
store_each (struct store *s, uint64_t after,
            struct err *(*each) (void *ctx, const struct record *r,
                                 const char *line),
            void *ctx)
{
  struct reading rd
      = { .chain = s->first, .after = after, .each = each, .ctx = ctx };
  TRY (sql_run (s->db, "BEGIN")); /* lines and head of one moment */
  struct err *e = read_to_head (s, &rd);
  sqlite3_exec (s->db, "COMMIT", NULL, NULL, NULL);
  return e;
}

struct err *
store_plan (struct store *s, char **text, size_t *len)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db, "SELECT text FROM plan ORDER BY n DESC LIMIT 1", &st));
  TRY (sql_step (s->db, st, &row));
  if (!row)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-CORRUPT",
                    "the journal holds no plan");
  *len = (size_t)sqlite3_column_bytes (st, 0);
  const void *bytes = sqlite3_column_blob (st, 0);
  *text = mem_alloc (*len + 1);
  if (*len > 0)
    memcpy (*text, bytes, *len);
  return NULL;
}

struct err *
store_each_plan (struct store *s,
                 struct err *(*each) (void *ctx, unsigned n, const void *text,
                                      size_t len),
                 void *ctx)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  TRY (sql_begin (s->db, "SELECT text FROM plan ORDER BY n", &st));
  for (unsigned n = 1;; n++) {
    bool row;
    TRY (sql_step (s->db, st, &row));
    if (!row)
      return NULL;
    size_t len = (size_t)sqlite3_column_bytes (st, 0);
    const void *text = sqlite3_column_blob (st, 0);
    TRY (each (ctx, n, text != NULL ? text : "", len));
  }
}

struct err *
store_head (struct store *s, uint64_t *seq, char hash[65])
{
  if (s->lock_fd < 0)
    TRY (db_read_head (s));
  *seq = s->head.seq;
  memcpy (hash, s->head.head, sizeof s->head.head);
  return NULL;
}

struct err *
store_progress (struct store *s, json_t **out)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db, "SELECT json FROM progress", &st));
  TRY (sql_step (s->db, st, &row));
  if (!row) {
    *out = NULL;
    return NULL;
  }
  const char *line;
  size_t len;
  TRY (column_line (st, 0, &line, &len));
  return json_parse (line, len, (size_t)1 << 20, out);
}
