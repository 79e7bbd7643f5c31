/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of MariaDB tables, from server to server: SELECT into LOAD DATA.  A
 * warning is an error, since LOCAL turns errors into warnings.  Triggers have
 * done their work where the rows come from: they are laid aside meanwhile,
 * durably, since on the way back they are the source's own.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/beside.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

enum {
  AT_ONCE = 4,         /* tables */
  PLAIN_FROM = 1 << 20 /* bytes of a table */
};

static char *
aside_path (const struct step_call *call)
{
  return steps_path (call, "results/mariadb-%s-triggers.sql",
                     mariadb_database (call));
}

/* The words of a warning up to a value, which may be anybody's. */
struct err *
mariadb_judge_load (const char *table, const char *said)
{
  if (*said == '\0')
    return NULL;
  size_t len = strcspn (said, "'\n");
  char *words CLEANUP_FREE = text_escape (said, len);
  const char *column = strstr (said, " for column ");
  size_t more = column == NULL ? 0 : strcspn (column, "\n");
  char *rest CLEANUP_FREE
      = text_escape (column == NULL ? "" : column, more > 200 ? 200 : more);
  return err_advise (
      err_new (ERR_REFUSED, "RH-MARIADB-VALUE",
               "the other server does not take a value of table %s as it is: "
               "%s%s",
               table, words, rest),
      "the copy is not used; what it was copied from is untouched",
      "correct the value (its SHOW WARNINGS tells row and column), or the "
      "column's type");
}

/* What empties the table, or the part of it that `where` says.  InnoDB builds
 * all indexes of a table that is empty by sorting, where nothing is checked
 * row by row; it still refuses a key that is there twice. */
static char *
emptying (const char *quoted, const char *where, bool fresh)
{
  return fresh            ? mem_strdup ("SET SESSION unique_checks = 0")
         : *where == '\0' ? mem_printf ("TRUNCATE TABLE %s", quoted)
                          : mem_printf ("START TRANSACTION;\n"
                                        "DELETE FROM %s WHERE %s",
                                        quoted, where);
}

/* A large table has no persistent statistics meanwhile: with them the thread
 * that purges, of 11.8 at least, turns in a loop until such a load is over, for
 * as much CPU as the load.  `value`: "0", or what is given back. */
static char *
statistics (const json_t *table, bool fresh, const char *value)
{
  if (!fresh || *json_text (table, "stats") == '\0'
      || atoll (json_text (table, "bytes")) < PLAIN_FROM)
    return mem_strdup ("");
  return mem_printf (";\nALTER TABLE %s STATS_PERSISTENT = %s",
                     json_text (table, "quoted"), value);
}

struct err *
mariadb_load (const struct step_call *call, const json_t *table,
              const char *where, bool fresh, json_t **digest)
{
  const char *name = json_text (table, "name");
  const char *quoted = json_text (table, "quoted");
  const char *sets = json_text (table, "sets");
  char *said CLEANUP_FREE = NULL;
  char *empty CLEANUP_FREE = emptying (quoted, where, fresh);
  char *without CLEANUP_FREE = statistics (table, fresh, "0");
  char *with CLEANUP_FREE
      = statistics (table, fresh, json_text (table, "stats"));
  char *out CLEANUP_FREE
      = mem_printf (MARIADB_SESSION "SET character_set_results = NULL;\n"
                                    "SELECT %s FROM %s%s%s",
                    json_text (table, "select"), quoted,
                    *where != '\0' ? " WHERE " : "", where);
  char *in CLEANUP_FREE
      = mem_printf (MARIADB_SESSION
                    "%s%s;\n"
                    "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE %s"
                    " CHARACTER SET binary (%s)%s%s;\n"
                    "SHOW WARNINGS LIMIT 1;\nCOMMIT%s",
                    empty, without, quoted, json_text (table, "fields"),
                    *sets != '\0' ? " SET " : "", sets, with);
  json_t *from = mariadb_argv (call->source, "mariadb",
                               ARGV ("--batch", "--skip-column-names",
                                     "--quick", "--execute", out));
  json_t *into = mariadb_argv (call->target, "mariadb",
                               ARGV ("--batch", "--skip-column-names",
                                     "--local-infile=1", "--execute", in));
  TRY (err_wrap (mariadb_stream (call, from, into, &said, digest),
                 "copying table %s of %s", name, mariadb_database (call)));
  return mariadb_judge_load (name, said);
}

/* While the source is written to, a value that is to be unique can have moved
 * from a part that was equal into one that is copied: then the whole table is,
 * which is of one moment. */
static struct err *
load_table (const struct step_call *call, json_t *table, struct parts *changed)
{
  struct parts_cut cut = mariadb_cut (table);
  char *where CLEANUP_FREE
      = parts_where (changed, &cut, json_text (table, "key"));
  if (where != NULL) {
    struct err *e = mariadb_load (call, table, where, false, NULL);
    if (e == NULL)
      json_object_set_new (table, "where", json_string (where));
    if (e == NULL || strcmp (err_code (e), "RH-MARIADB-VALUE") != 0)
      return e;
    err_free (e);
  }
  return mariadb_load (call, table, "", false, NULL);
}

/* ---- Triggers ---- */

struct err *
mariadb_triggers_aside (const struct step_call *call)
{
  const char *db = mariadb_database (call);
  char *path CLEANUP_FREE = aside_path (call);
  struct buf text CLEANUP_BUF = BUF_INIT_MAX ((size_t)3 << 20);
  char *drops CLEANUP_FREE = NULL;
  bool there;
  TRY (mariadb_ask (call->target,
                    "SELECT CONCAT('DROP TRIGGER IF EXISTS `%s`.`',"
                    " REPLACE(TRIGGER_NAME, '`', '``'), '`;') FROM"
                    " information_schema.TRIGGERS WHERE TRIGGER_SCHEMA ="
                    " '%s';",
                    db, &drops));
  if (*drops == '\0')
    return NULL;
  TRY (remote_exists (call->target, path, &there));
  if (!there) {
    json_t *argv = mariadb_argv (call->target, "mariadb-dump",
                                 ARGV ("--no-create-info", "--no-data",
                                       "--triggers", "--add-drop-trigger",
                                       "--skip-comments", "--skip-tz-utc", db));
    json_t *args = json_pack ("{s:o}", "argv", argv);
    TRY (remote_gather (call->target, args, &text));
    TRY (remote_write (call->target, path, (const char *)text.data, text.len,
                       0600));
  }
  return mariadb_run (call->target, drops, NULL);
}

struct err *
mariadb_triggers_back (const struct step_call *call)
{
  struct remote_file f CLEANUP_REMOTE = { 0 };
  char *path CLEANUP_FREE = aside_path (call);
  TRY (remote_read (call->target, path, &f));
  if (!f.exists)
    return NULL;
  json_t *argv = mariadb_argv (call->target, "mariadb",
                               ARGV ("--batch", mariadb_database (call)));
  TRY (remote_must (call->target, argv, f.content, NULL));
  return remote_remove (call->target, path);
}

/* ---- Tables that differ ---- */

struct copying {
  const json_t *tables;
  const struct mariadb_sums *source, *target;
  json_t *copied;
};

static struct err *
copy_one (void *ctx, const struct step_call *call, const json_t *table,
          json_t **digest)
{
  const struct copying *c = ctx;
  struct parts changed CLEANUP_PARTS = { 0 };
  size_t i = 0;
  (void)digest;
  while (json_array_get (c->tables, i) != table)
    i++;
  parts_changed (i, c->source->parts, c->target->parts, &changed);
  return load_table (call, json_array_get (c->tables, i), &changed);
}

static void
one_copied (void *ctx, const json_t *table, json_t *digest)
{
  const struct copying *c = ctx;
  (void)digest;
  words_add (c->copied, json_text (table, "name"));
}

/* Tables that refer to each other may be in each other's way while one is
 * emptied: then one at a time. */
static struct err *
copy_beside (const struct step_call *call, const struct beside_tables *t)
{
  struct err *e = beside_tables (call, t, AT_ONCE);
  if (e == NULL || strcmp (err_code (e), "RH-PROGRAM-FAILED") != 0)
    return e;
  err_free (e);
  return beside_tables (call, t, 1);
}

struct err *
mariadb_copy_tables (const struct step_call *call, json_t *tables,
                     const struct mariadb_sums *source,
                     const struct mariadb_sums *target, json_t *copied)
{
  size_t i, all = json_array_size (tables);
  const json_t **order CLEANUP_FREE = mem_alloc ((all + 1) * sizeof *order);
  struct copying c = { tables, source, target, copied };
  struct beside_tables t
      = { .order = order, .copy = copy_one, .done = one_copied, .ctx = &c };
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    const char *name = json_text (one, "name");
    if (strcmp (json_text (one, "kind"), "T") == 0
        && !json_equal (json_object_get (source->tables, name),
                        json_object_get (target->tables, name)))
      order[t.n++] = one;
  }
  if (t.n > 0) {
    TRY (mariadb_triggers_aside (call));
    TRY (copy_beside (call, &t));
  }
  return mariadb_triggers_back (
      call); /* also of a round that was interrupted */
}

/* ---- What counts up by itself ---- */

struct err *
mariadb_numbers (struct port *p, const char *database, json_t **out)
{
  return mariadb_pairs (
      p,
      "SELECT TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES WHERE"
      " TABLE_SCHEMA = '%s' AND AUTO_INCREMENT IS NOT NULL AND TABLE_TYPE ="
      " 'BASE TABLE';",
      database, out);
}

struct err *
mariadb_sequence_sql (struct port *p, const json_t *table, char **out)
{
  const char *quoted = json_text (table, "quoted");
  char *ask CLEANUP_FREE
      = mem_printf ("SELECT next_not_cached_value, cycle_count FROM %s;",
                    quoted);
  char *text CLEANUP_FREE = NULL;
  long long next, cycles;
  TRY (mariadb_run (p, ask, &text));
  if (sscanf (text, "%lld %lld", &next, &cycles) != 2)
    return err_new (ERR_CORRUPT, "RH-MARIADB-ANSWER",
                    "sequence %s has no value", json_text (table, "name"));
  /* Another sequence's value can only grow: it is set anew. */
  *out = mem_printf ("ALTER SEQUENCE %s RESTART;\n"
                     "SELECT SETVAL(%s, %lld, 0, %lld);",
                     quoted, quoted, next, cycles);
  return NULL;
}

static struct err *
copy_sequence (const struct step_call *call, const json_t *table)
{
  char *set CLEANUP_FREE = NULL;
  TRY (mariadb_sequence_sql (call->source, table, &set));
  return mariadb_run (call->target, set, NULL);
}

struct err *
mariadb_copy_numbers (const struct step_call *call, const json_t *tables)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  json_t *own CLEANUP_JSON = NULL;
  json_t *there CLEANUP_JSON = NULL;
  size_t i;
  json_t *one;
  TRY (mariadb_both (call, mariadb_numbers, &own, &there));
  json_array_foreach (tables, i, one)
  {
    const char *name = json_text (one, "name");
    if (strcmp (json_text (one, "kind"), "S") == 0)
      TRY (copy_sequence (call, one));
    else if (strtoull (json_text (own, name), NULL, 10)
             > strtoull (json_text (there, name), NULL, 10))
      TRY (buf_printf (&sql, "ALTER TABLE %s AUTO_INCREMENT = %s;\n",
                       json_text (one, "quoted"), json_text (own, name)));
  }
  if (sql.len == 0)
    return NULL;
  TRY (buf_put (&sql, "", 1));
  return mariadb_run (call->target, (const char *)sql.data, NULL);
}
