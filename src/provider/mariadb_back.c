/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a database took in the guard, laid up on the source: the rows of what
 * differs from the frozen copy (parts of tables by their key, else whole
 * tables), of one moment of the new server, which take the place of those
 * before.  A rollback for which the target is lost loads them; any other
 * compares both servers, which is more.
 *
 * Digests name what differs, and a transaction behind them reads it, so that
 * something else can have changed in between.  So the rest is compared once
 * more afterwards: where it is still the frozen source's, it was at the
 * transaction's moment, and what is laid up is all of that moment.  Else what
 * differs by now is laid up as well, from the beginning.
 *
 * One client reads all of it; each line begins with the number of its part, by
 * which sed on the source puts it into a file of its own.  The calls are
 * mirrored: `source` is where the data comes from, the new server.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/lay.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

#define SAID_MAX ((size_t)1 << 20)
enum { TRIES = 4 };

static char *
record_of (const struct step_call *call)
{
  return steps_path (call, "back/mariadb-%ld.json", call->step->item);
}

/* The rows of one moment lie in one of two directories; the record says in
 * which. */
static char *
dir_of (const struct step_call *call, json_int_t which)
{
  return steps_path (call, "back/mariadb-%ld-%d", call->step->item, (int)which);
}

/* ---- What differs ---- */

/* Adds to `laid` (by table: its rows as a condition, "": all) what the two
 * have otherwise; of a table that is in it already, all. */
static void
add_changed (json_t *tables, const struct mariadb_sums *now,
             const struct mariadb_sums *frozen, json_t *laid)
{
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    struct parts changed CLEANUP_PARTS = { 0 };
    struct parts_cut cut = mariadb_cut (one);
    const char *name = json_text (one, "name");
    if (strcmp (json_text (one, "kind"), "T") != 0
        || json_equal (json_object_get (now->tables, name),
                       json_object_get (frozen->tables, name)))
      continue;
    parts_changed (i, now->parts, frozen->parts, &changed);
    char *where CLEANUP_FREE
        = json_object_get (laid, name) != NULL
              ? NULL
              : parts_where (&changed, &cut, json_text (one, "key"));
    json_object_set_new (laid, name, json_string (where == NULL ? "" : where));
  }
}

/* What is not laid up: tables, and rows of tables. */
static json_t *
rest_of (const json_t *tables, const json_t *laid)
{
  json_t *out = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    const char *where
        = json_string_value (json_object_get (laid, json_text (one, "name")));
    if (strcmp (json_text (one, "kind"), "T") != 0
        || (where != NULL && *where == '\0'))
      continue;
    json_t *part = json_copy (one);
    if (where != NULL)
      json_object_set_new (part, "where", json_sprintf ("NOT %s", where));
    json_array_append_new (out, part);
  }
  return out;
}

/* Is the rest the frozen source's?  What is not is added to `laid`. */
static struct err *
check_rest (const struct step_call *call, const json_t *tables, json_t *laid,
            bool *same)
{
  json_t *rest CLEANUP_JSON = rest_of (tables, laid);
  struct mariadb_sums now CLEANUP_SUMS = { 0 };
  struct mariadb_sums frozen CLEANUP_SUMS = { 0 };
  *same = true;
  if (json_array_size (rest) == 0)
    return NULL;
  TRY (mariadb_digests (call, rest, &now, &frozen));
  *same = json_equal (now.tables, frozen.tables);
  add_changed (rest, &now, &frozen, laid);
  return NULL;
}

static void
add_names (const json_t *one, const json_t *other, json_t *out)
{
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)one, name, value)
  {
    if (!json_equal (value, json_object_get (other, name)))
      words_add (out, name);
  }
}

/* Both would not have the same columns.  `objects`: what else differs, which is
 * not laid up. */
static struct err *
check_structure (const struct step_call *call, json_t *objects)
{
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  json_t *differences CLEANUP_JSON = json_array ();
  TRY (mariadb_both (call, mariadb_census, &a, &b));
  add_names (json_at (a, "objects"), json_at (b, "objects"), objects);
  add_names (json_at (b, "objects"), json_at (a, "objects"), objects);
  steps_compare ("", json_at (a, "structure"), json_at (b, "structure"),
                 differences);
  if (json_array_size (differences) == 0)
    return NULL;
  return err_todo (steps_unequal ("RH-MARIADB-DDL",
                                  "what the database took cannot be laid up: "
                                  "definitions were changed since",
                                  differences),
                   "make the same change on the source");
}

static json_t *
finding_of (const json_t *objects)
{
  json_t *out = json_array ();
  if (json_array_size (objects) == 0)
    return out;
  struct err *e = steps_unequal (
      "RH-MARIADB-OBJECT",
      "changed on the target since the opening, which a rollback brings back, "
      "but one without the target does not",
      objects);
  json_array_append_new (out, json_string (err_message (e)));
  err_free (e);
  return out;
}

/* ---- Laying it up ---- */

static struct err *
check_room (const struct step_call *call)
{
  char *size CLEANUP_FREE = NULL;
  TRY (mariadb_ask (call->source,
                    "SELECT IFNULL(SUM(DATA_LENGTH), 0) FROM"
                    " information_schema.TABLES WHERE TABLE_SCHEMA = '%s';",
                    mariadb_database (call), &size));
  return lay_room (call, call->item->name, "/var/lib/rehome",
                   2 * strtoull (size, NULL, 10));
}

/* For the client: each part's lines, its number before them. */
static struct err *
compose_read (const json_t *parts, char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&b, MARIADB_SNAPSHOT));
  json_array_foreach (parts, i, one)
  {
    const char *where = json_text (one, "where");
    TRY (buf_printf (&b, "SELECT %zu, %s FROM %s%s%s;\n", i,
                     json_text (one, "select"), json_text (one, "quoted"),
                     *where != '\0' ? " WHERE " : "", where));
  }
  TRY (buf_printf (&b, "COMMIT;\n"));
  *out = buf_steal_str (&b);
  return NULL;
}

/* For sed: a line of part 3 goes without its number into DIR/3. */
static struct err *
compose_split (const json_t *parts, const char *dir, char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  for (size_t i = 0; i < json_array_size (parts); i++)
    TRY (buf_printf (&b, "s/^%zu\\t//w %s/%zu\nt\n", i, dir, i));
  *out = buf_steal_str (&b);
  return NULL;
}

static struct err *
send (const struct step_call *call, const json_t *parts, const char *dir)
{
  char *split CLEANUP_FREE = NULL;
  char *read CLEANUP_FREE = NULL;
  char *script CLEANUP_FREE = mem_printf ("%s/split", dir);
  TRY (compose_split (parts, dir, &split));
  TRY (compose_read (parts, &read));
  char *input CLEANUP_FREE = text_base64 (read, strlen (read));
  TRY (remote_remove_tree (call->target, dir));
  TRY (remote_mkdir (call->target, dir, 0700, 0, 0));
  TRY (remote_write (call->target, script, split, strlen (split), 0600));
  json_t *out CLEANUP_JSON = json_pack (
      "{s:o, s:s}", "argv",
      mariadb_argv (call->source, "mariadb",
                    ARGV ("--batch", "--skip-column-names", "--quick",
                          "--skip-reconnect", mariadb_database (call))),
      "input", input);
  json_t *in CLEANUP_JSON = json_pack (
      "{s:o}", "argv",
      remote_argv (ARGV ("env", "LC_ALL=C", "sed", "-n", "-f", script)));
  json_t *sent CLEANUP_JSON = NULL;
  json_t *taken CLEANUP_JSON = NULL;
  TRY (remote_pipe (call, out, in, &sent, &taken));
  json_t *sync = remote_argv (ARGV ("sync", dir));
  for (size_t i = 0; i < json_array_size (parts); i++) {
    char *file CLEANUP_FREE = mem_printf ("%s/%zu", dir, i);
    remote_word (sync, file);
  }
  return remote_must (call->target, sync, NULL, NULL);
}

/* The parts as the record has them: how they are read, and loaded. */
static json_t *
parts_of (const json_t *tables, const json_t *laid)
{
  json_t *out = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    json_t *where = json_object_get (laid, json_text (one, "name"));
    if (where == NULL)
      continue;
    json_t *part = json_copy (one);
    json_object_set (part, "where", where);
    json_array_append_new (out, part);
  }
  return out;
}

/* One moment of all that differs, into the directory `which`. */
static struct err *
lay (const struct step_call *call, json_t *tables, json_t *laid,
     json_int_t which, json_t **parts)
{
  char *dir CLEANUP_FREE = dir_of (call, which);
  for (int i = 0; i < TRIES; i++) {
    bool same;
    json_t *these CLEANUP_JSON = parts_of (tables, laid);
    TRY (send (call, these, dir));
    TRY (check_rest (call, tables, laid, &same));
    if (same) {
      *parts = json_incref (these);
      return NULL;
    }
  }
  return err_new (ERR_TRANSIENT, "RH-MARIADB-UNEQUAL",
                  "what %s took could not be laid up of one moment",
                  mariadb_database (call));
}

/* What the target counts up by itself, as statements for the source. */
static struct err *
numbers_of (const struct step_call *call, const json_t *tables, char **out)
{
  json_t *numbers CLEANUP_JSON = NULL;
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (mariadb_numbers (call->source, mariadb_database (call), &numbers));
  json_array_foreach (tables, i, one)
  {
    char *set CLEANUP_FREE = NULL;
    const char *next = json_text (numbers, json_text (one, "name"));
    if (strcmp (json_text (one, "kind"), "S") == 0) {
      TRY (mariadb_sequence_sql (call->source, one, &set));
      TRY (buf_printf (&b, "%s\n", set));
    } else if (*next != '\0')
      TRY (buf_printf (&b, "ALTER TABLE %s AUTO_INCREMENT = %s;\n",
                       json_text (one, "quoted"), next));
  }
  *out = buf_steal_str (&b);
  return NULL;
}

/* Everything that differs is laid up, and the record says so; the moment of
 * before goes. */
static struct err *
replace (const struct step_call *call, json_t *tables, json_t *laid,
         const json_t *before, const char *numbers, const json_t *now)
{
  char *path CLEANUP_FREE = record_of (call);
  json_int_t old = json_integer_value (json_at (before, "which"));
  char *gone CLEANUP_FREE = dir_of (call, old);
  json_t *parts CLEANUP_JSON = NULL;
  TRY (check_room (call));
  TRY (err_wrap (lay (call, tables, laid, 1 - old, &parts),
                 "laying up what database %s took", mariadb_database (call)));
  json_t *record CLEANUP_JSON
      = json_pack ("{s:O, s:O, s:s, s:I}", "digests", now, "parts", parts,
                   "numbers", numbers, "which", 1 - old);
  TRY (remote_record (call->target, path, record));
  return remote_remove_tree (call->target, gone);
}

struct err *
mariadb_lay (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = record_of (call);
  char *numbers CLEANUP_FREE = NULL;
  json_t *before CLEANUP_JSON = NULL;
  json_t *tables CLEANUP_JSON = NULL;
  json_t *laid CLEANUP_JSON = json_object ();
  json_t *names CLEANUP_JSON = json_array ();
  json_t *objects CLEANUP_JSON = json_array ();
  struct mariadb_sums now CLEANUP_SUMS = { 0 };
  struct mariadb_sums frozen CLEANUP_SUMS = { 0 };
  const char *name;
  json_t *where;
  TRY (check_structure (call, objects));
  TRY (remote_recall (call->target, path, &before));
  TRY (mariadb_tables (call->source, mariadb_database (call), &tables));
  TRY (numbers_of (call, tables, &numbers));
  TRY (mariadb_digests (call, tables, &now, &frozen));
  add_changed (tables, &now, &frozen, laid);
  json_object_foreach (laid, name, where)
  {
    words_add (names, name);
  }
  bool same = json_equal (json_at (before, "digests"), now.tables)
              && strcmp (json_text (before, "numbers"), numbers) == 0;
  if (!same)
    TRY (replace (call, tables, laid, before, numbers, now.tables));
  *result = json_pack ("{s:O, s:o}", "tables", names, "findings",
                       finding_of (objects));
  return NULL;
}

/* ---- The rollback without the target ---- */

static struct err *
compose_load (const struct step_call *call, const json_t *record, char **out)
{
  char *dir CLEANUP_FREE
      = dir_of (call, json_integer_value (json_at (record, "which")));
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&b, MARIADB_SESSION "START TRANSACTION;\n"));
  json_array_foreach (json_at (record, "parts"), i, one)
  {
    const char *where = json_text (one, "where");
    const char *sets = json_text (one, "sets");
    TRY (buf_printf (&b,
                     "DELETE FROM %s%s%s;\n"
                     "LOAD DATA LOCAL INFILE '%s/%zu' INTO TABLE %s"
                     " CHARACTER SET binary (%s)%s%s;\n"
                     "SHOW WARNINGS LIMIT 1;\n",
                     json_text (one, "quoted"), *where != '\0' ? " WHERE " : "",
                     where, dir, i, json_text (one, "quoted"),
                     json_text (one, "fields"), *sets != '\0' ? " SET " : "",
                     sets));
  }
  TRY (buf_printf (&b, "COMMIT;\n"));
  *out = buf_steal_str (&b);
  return NULL;
}

/* Prints nothing but a warning. */
static struct err *
load (const struct step_call *call, const json_t *record)
{
  char *sql CLEANUP_FREE = NULL;
  char *said CLEANUP_FREE = NULL;
  TRY (compose_load (call, record, &sql));
  char *input CLEANUP_FREE = text_base64 (sql, strlen (sql));
  json_t *argv = mariadb_argv (call->target, "mariadb",
                               ARGV ("--batch", "--skip-column-names",
                                     "--skip-reconnect", "--local-infile=1",
                                     mariadb_database (call)));
  TRY (remote_output (call->target,
                      json_pack ("{s:o, s:s}", "argv", argv, "input", input),
                      SAID_MAX, &said));
  return mariadb_judge_load ("what was laid up", said);
}

static struct err *
apply (const struct step_call *call, const json_t *record)
{
  TRY (mariadb_triggers_aside (call));
  TRY (load (call, record));
  TRY (mariadb_run (call->target, json_text (record, "numbers"), NULL));
  return mariadb_triggers_back (call);
}

struct err *
mariadb_apply (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = record_of (call);
  json_t *record CLEANUP_JSON = NULL;
  (void)result;
  if (!call->alone)
    return NULL;
  TRY (mariadb_objects_kept (call));
  TRY (remote_recall (call->target, path, &record));
  if (record == NULL)
    return NULL;
  return err_wrap (apply (call, record), "bringing back what database %s took",
                   mariadb_database (call));
}
