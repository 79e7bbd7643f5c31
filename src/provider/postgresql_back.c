/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a database took in the guard, laid up on the source: a script of whole
 * tables that differ from what was frozen, of one moment of the new server,
 * which takes the place of the one before.  A rollback for which the target is
 * lost runs it; any other compares both servers, which is more.
 *
 * The script lies in a directory of the server's own user, since its psql reads
 * it, and is removed with the move.  The calls are mirrored: `source` is where
 * the data comes from, the new server.
 */
#include "provider/postgresql_home.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/lay.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
dir_of (const struct step_call *call)
{
  return mem_printf ("/var/lib/postgresql/rehome-%s", call->migration);
}

static char *
script_of (const struct step_call *call, const char *end)
{
  return mem_printf ("/var/lib/postgresql/rehome-%s/%ld.sql%s", call->migration,
                     call->step->item, end);
}

static char *
record_of (const struct step_call *call)
{
  return steps_path (call, "back/postgresql-%ld.json", call->step->item);
}

/* ---- What is to be laid up ---- */

/* psql's own script: its output is the script that is laid up.  Each line of
 * that is a constant here, so that no name means anything to this psql. */
static struct err *
say (struct buf *b, const char *line)
{
  char *quoted CLEANUP_FREE = postgresql_literal (line);
  return buf_printf (b, "SELECT %s;\n", quoted);
}

static struct err *
say_table (struct buf *b, const json_t *table)
{
  const char *name = json_text (table, "name");
  const char *columns = json_text (table, "columns");
  char *empty CLEANUP_FREE = mem_printf ("DELETE FROM ONLY %s;", name);
  char *copy CLEANUP_FREE
      = columns[0] == '\0'
            ? mem_printf ("COPY %s FROM stdin;", name)
            : mem_printf ("COPY %s (%s) FROM stdin;", name, columns);
  TRY (say (b, empty));
  TRY (say (b, copy));
  TRY (buf_printf (b, "COPY (SELECT %s FROM ONLY %s) TO STDOUT;\n", columns,
                   name));
  return say (b, "\\.");
}

static struct err *
say_sequences (struct buf *b, const json_t *sequences)
{
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)sequences, name, value)
  {
    char *quoted CLEANUP_FREE = postgresql_literal (name);
    long long last = 0;
    char called[8] = "";
    if (sscanf (json_string_value (value), "%lld %5s", &last, called) != 2)
      return err_new (ERR_CORRUPT, "RH-POSTGRESQL-DIGEST",
                      "sequence %s has no value", name);
    char *set CLEANUP_FREE
        = mem_printf ("SELECT setval(%s, %lld, %s);", quoted, last,
                      strcmp (called, "true") == 0 ? "true" : "false");
    TRY (say (b, set));
  }
  return NULL;
}

static struct err *
compose (const json_t *tables, const json_t *changed, const json_t *sequences,
         char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&b, "%sBEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n",
                   postgresql_canonical_sql));
  TRY (say (&b, "SET default_transaction_read_only = off;"));
  TRY (say (&b, "SET lc_monetary = 'C';"));
  TRY (say (&b, "BEGIN;"));
  TRY (say (&b, "SET LOCAL session_replication_role = replica;"));
  json_array_foreach (tables, i, one)
  {
    if (words_have (changed, json_text (one, "name")))
      TRY (say_table (&b, one));
  }
  TRY (say_sequences (&b, sequences));
  json_array_foreach (tables, i, one)
  {
    char *line CLEANUP_FREE
        = mem_printf ("REFRESH MATERIALIZED VIEW %s;", json_text (one, "name"));
    if (strcmp (json_text (one, "kind"), "m") == 0)
      TRY (say (&b, line));
  }
  TRY (say (&b, "COMMIT;"));
  TRY (buf_printf (&b, "COMMIT;\n"));
  *out = buf_steal_str (&b);
  return NULL;
}

/* Tables that are otherwise than the old server has them: as both had them at
 * the proof, or, where a stream back was given up, as it left them. */
static json_t *
changed_of (const struct step_call *call, const json_t *given_up,
            const json_t *tables, const json_t *now)
{
  const json_t *then = json_at (given_up, "base");
  if (given_up == NULL)
    then = json_at (steps_input (call, "%s#verify", call->item->name),
                    "digests");
  json_t *changed = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    const char *name = json_text (one, "name");
    if (strcmp (json_text (one, "kind"), "r") == 0
        && !json_equal (json_object_get (then, name),
                        json_object_get (now, name)))
      words_add (changed, name);
  }
  return changed;
}

/* ---- Laying it up ---- */

static struct err *
check_room (const struct step_call *call)
{
  char *size CLEANUP_FREE = NULL;
  TRY (postgresql_run (call->source, postgresql_database (call),
                       "SELECT pg_database_size(current_database());", &size));
  return lay_room (call, call->item->name, "/var/lib/postgresql",
                   strtoull (size, NULL, 10));
}

static struct err *
send (const struct step_call *call, const char *script)
{
  char *dir CLEANUP_FREE = dir_of (call);
  char *path CLEANUP_FREE = script_of (call, "");
  char *fresh CLEANUP_FREE = script_of (call, ".new");
  char *of CLEANUP_FREE = mem_printf ("of=%s", fresh);
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  uint32_t uid, gid;
  TRY (postgresql_ids (call->target, &uid, &gid));
  TRY (remote_mkdir (call->target, dir, 0700, uid, gid));
  json_t *out CLEANUP_JSON = json_pack (
      "{s:o, s:s}", "argv",
      postgresql_argv (call->source, "psql",
                       ARGV ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                             "-d", postgresql_database (call), "-f", "-")),
      "input", input);
  json_t *in CLEANUP_JSON = json_pack (
      "{s:o}", "argv",
      postgresql_as ("dd", ARGV ("bs=1M", "conv=fsync", "status=none",
                                 "iflag=fullblock", of)));
  json_t *sent CLEANUP_JSON = NULL;
  json_t *taken CLEANUP_JSON = NULL;
  TRY (remote_pipe (call, out, in, &sent, &taken));
  return remote_rename (call->target, fresh, path, true);
}

static struct err *
lay (const struct step_call *call, const json_t *given_up, json_t **result)
{
  const char *db = postgresql_database (call);
  char *path CLEANUP_FREE = record_of (call);
  char *script CLEANUP_FREE = NULL;
  json_t *tables CLEANUP_JSON = NULL;
  json_t *now CLEANUP_JSON = NULL;
  json_t *sequences CLEANUP_JSON = NULL;
  json_t *before CLEANUP_JSON = NULL;
  TRY (postgresql_tables (call->source, db, &tables));
  TRY (postgresql_sequences (call->source, db, &sequences));
  TRY (postgresql_digest (call->source, db, tables, &now));
  json_t *changed CLEANUP_JSON = changed_of (call, given_up, tables, now);
  json_t *record CLEANUP_JSON
      = json_pack ("{s:O, s:O, s:O}", "digests", now, "sequences", sequences,
                   "changed", changed);
  TRY (remote_recall (call->target, path, &before));
  *result = json_pack ("{s:O}", "tables", changed);
  if (json_array_size (changed) == 0 || json_equal (before, record))
    return NULL;
  TRY (check_room (call));
  TRY (compose (tables, changed, sequences, &script));
  TRY (err_wrap (send (call, script), "laying up what %s took", db));
  return remote_record (call->target, path, record);
}

/* The stream back does without what is laid up; once it was given up, and says
 * why, the rounds go on from what it left. */
static struct err *
lay_instead (const struct step_call *call, const json_t *given_up,
             json_t **result)
{
  const char *why = json_text (given_up, "why");
  char *limit CLEANUP_FREE = NULL;
  TRY (postgresql_home_schema (call, &limit));
  enum reverse_mode mode = limit == NULL ? REVERSE_DELTA : REVERSE_NONE;
  if (limit == NULL)
    TRY (lay (call, given_up, result));
  else
    *result = json_object ();
  json_object_set_new (*result, "reverse", json_string (reverse_name (mode)));
  json_object_set_new (*result, "why",
                       json_string (limit == NULL ? why : limit));
  json_object_set_new (
      *result, "findings",
      json_pack ("[o]", json_sprintf ("the way back of database %s by "
                                      "replication was given up: %s",
                                      postgresql_database (call), why)));
  return NULL;
}

struct err *
postgresql_lay (const struct step_call *call, json_t **result)
{
  json_t *given_up CLEANUP_JSON = NULL;
  if (postgresql_streams (call->item))
    TRY (postgresql_home_look (call, result, &given_up));
  if (*result != NULL)
    return NULL;
  return given_up == NULL ? lay (call, NULL, result)
                          : lay_instead (call, given_up, result);
}

/* ---- The rollback without the target ---- */

struct err *
postgresql_apply (const struct step_call *call, json_t **result)
{
  (void)result;
  char *record CLEANUP_FREE = record_of (call);
  char *path CLEANUP_FREE = script_of (call, "");
  bool laid, streamed = false;
  if (!call->alone)
    return NULL;
  if (postgresql_streams (call->item))
    TRY (postgresql_home_keep (call, &streamed));
  if (streamed)
    return NULL;
  TRY (remote_exists (call->target, record, &laid));
  if (!laid)
    return NULL;
  json_t *argv = postgresql_argv (
      call->target, "psql",
      ARGV ("-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d",
            postgresql_database (call), "-f", path));
  return err_wrap (port_call (call->target, "program.digest",
                              json_pack ("{s:o}", "argv", argv), NULL),
                   "bringing back what %s took", postgresql_database (call));
}

/* On the source, at the end of either way. */
static struct err *
remove_scripts (const struct step_call *call, const char *dir)
{
  char *path CLEANUP_FREE = script_of (call, "");
  char *fresh CLEANUP_FREE = script_of (call, ".new");
  TRY (remote_remove (call->source, path));
  TRY (remote_remove (call->source, fresh));
  return remote_remove_empty (call->source, dir);
}

/* A source that is off keeps what was laid up there; it has served, so that
 * this is nothing new to it. */
struct err *
postgresql_sweep (const struct step_call *call, json_t **result)
{
  char *dir CLEANUP_FREE = dir_of (call);
  struct err *e = remove_scripts (call, dir);
  if (e == NULL || call->step->stage != STAGE_ACCEPT || !port_is_lost (e))
    return e;
  *result = json_pack ("{s:[o]}", "findings",
                       json_sprintf ("the source was not reached: what was "
                                     "laid up in %s is still there: %s",
                                     dir, err_message (e)));
  err_free (e);
  return NULL;
}
