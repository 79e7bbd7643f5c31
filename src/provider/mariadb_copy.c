/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of a MariaDB database: its structure by mariadb-dump, rows of the
 * tables whose digests differ, and then its objects (mariadb_objects.c).
 * Nothing touches a disk in between.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "provider/beside.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

enum { WHERE_MAX = 2000 };

char *
mariadb_record (const struct step_call *call)
{
  return steps_path (call, "results/mariadb-%s.json", mariadb_database (call));
}

/* ---- Structure ---- */

static struct err *
make_database (const struct step_call *call)
{
  return mariadb_compose (
      call->source,
      "SELECT CONCAT('DROP DATABASE IF EXISTS `%s`; CREATE"
      " DATABASE `%s` CHARACTER SET ',"
      " DEFAULT_CHARACTER_SET_NAME, ' COLLATE ',"
      " DEFAULT_COLLATION_NAME, ' COMMENT ',"
      " QUOTE(SCHEMA_COMMENT), ';') FROM"
      " information_schema.SCHEMATA WHERE SCHEMA_NAME = '%s';",
      mariadb_database (call), call->target);
}

static struct err *
make_tables (const struct step_call *call)
{
  const char *db = mariadb_database (call);
  char *views CLEANUP_FREE = NULL;
  TRY (mariadb_views (call->source, db, &views));
  json_t *argv
      = mariadb_argv (call->source, "mariadb-dump",
                      ARGV ("--no-data", "--skip-triggers", "--skip-comments",
                            "--skip-lock-tables", "--skip-add-drop-table"));
  char *at = views;
  for (char *line; (line = strsep (&at, "\n")) != NULL;)
    if (*line != '\0') {
      char *word CLEANUP_FREE = mem_printf ("--ignore-table=%s.%s", db, line);
      remote_word (argv, word);
    }
  remote_word (argv, db);
  return mariadb_define (call, argv);
}

/* ---- Rounds ---- */

/* What a round read and copied. */
struct round {
  json_t *tables; /* those copied by parts have a "where" */
  json_t *copied; /* names */
  struct mariadb_sums source, target;
  bool whole;
  json_t *position; /* of the source's binary log, where it is followed */
  struct mariadb_played played;
};

static void
round_clear (struct round *r)
{
  json_decref (r->tables);
  json_decref (r->copied);
  json_decref (r->position);
  mariadb_sums_clear (&r->source);
  mariadb_sums_clear (&r->target);
}
#define CLEANUP_ROUND CLEANUP (round_clear)

static struct err *
read_rows (const struct step_call *call, struct round *r)
{
  r->copied = json_array ();
  TRY (mariadb_tables (call->source, mariadb_database (call), &r->tables));
  return mariadb_digests (call, r->tables, &r->source, &r->target);
}

static struct err *
copy_changed (const struct step_call *call, struct round *r)
{
  TRY (
      mariadb_copy_tables (call, r->tables, &r->source, &r->target, r->copied));
  return mariadb_copy_numbers (call, r->tables);
}

static struct err *
copy_rows (const struct step_call *call, struct round *r)
{
  TRY (read_rows (call, r));
  return copy_changed (call, r);
}

/* Nothing is read twice: what the target has to hold is what left the source,
 * and #prove reads it there. */
static struct err *
copy_first (const struct step_call *call, struct round *r)
{
  r->copied = json_array ();
  r->target.tables = json_object ();
  TRY (mariadb_tables (call->source, mariadb_database (call), &r->tables));
  TRY (mariadb_first (call, r->tables, r->target.tables, r->copied));
  return mariadb_copy_numbers (call, r->tables);
}

/* What was read before the copy, and what was copied read again. */
static struct err *
target_now (const struct step_call *call, const struct round *r, json_t **out)
{
  json_t *again CLEANUP_JSON = json_array ();
  json_t *fresh CLEANUP_JSON = NULL;
  size_t i;
  json_t *one;
  *out = json_copy (r->target.tables);
  json_array_foreach (r->tables, i, one)
  {
    bool known = json_object_get (*out, json_text (one, "name")) != NULL;
    json_object_del (one, "where");
    if (!known || words_have (r->copied, json_text (one, "name"))
        || strcmp (json_text (one, "kind"), "S") == 0)
      json_array_append (again, one);
  }
  if (json_array_size (again) == 0)
    return NULL;
  TRY (mariadb_digest (call->target, mariadb_database (call), again, &fresh));
  json_object_update (*out, fresh);
  return NULL;
}

/* As the copy was left: a look just before the freeze tells whether somebody
 * else wrote there. */
static struct err *
record_copy (const struct step_call *call, const json_t *structure,
             const struct round *r)
{
  char *path CLEANUP_FREE = mariadb_record (call);
  json_t *digests CLEANUP_JSON = NULL;
  json_t *census CLEANUP_JSON = NULL;
  json_t *numbers CLEANUP_JSON = NULL;
  json_t *accounts CLEANUP_JSON = NULL;
  const char *db = mariadb_database (call);
  TRY (target_now (call, r, &digests));
  TRY (mariadb_census (call->target, db, &census));
  TRY (mariadb_numbers (call->target, db, &numbers));
  TRY (mariadb_account_record (call, &accounts));
  json_t *record CLEANUP_JSON
      = json_pack ("{s:O, s:O, s:O, s:O, s:O, s:O}", "accounts", accounts,
                   "source", structure, "tables", r->tables, "digests", digests,
                   "census", census, "numbers", numbers);
  if (r->position != NULL && !r->whole) /* compared, not only copied */
    json_object_set (record, "position", r->position);
  return remote_record (call->target, path, record);
}

static struct err *
make_whole (const struct step_call *call)
{
  char *path CLEANUP_FREE = mariadb_record (call);
  json_t *begun CLEANUP_JSON = json_object ();
  TRY (remote_record (call->target, path, begun));
  TRY (make_database (call));
  return make_tables (call);
}

/* What a round changes is no longer what the last one left. */
static struct err *
begin_round (const struct step_call *call)
{
  char *path CLEANUP_FREE = mariadb_record (call);
  json_t *made CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &made));
  if (made == NULL) /* the way back */
    return NULL;
  json_t *rest CLEANUP_JSON
      = json_pack ("{s:O*}", "source", json_at (made, "source"));
  return remote_record (call->target, path, rest);
}

/* The binary log up to here, where it is followed and the last round knows from
 * where on.  The position is read before anything else is. */
static struct err *
play_log (const struct step_call *call, const json_t *made, struct round *r)
{
  const json_t *from = json_at (made, "position");
  if (!mariadb_follows (call))
    return NULL;
  TRY (mariadb_log_position (call->source, &r->position));
  if (from == NULL)
    return NULL;
  TRY (mariadb_play (call, from, r->position, &r->played));
  json_object_set_new (r->position, "exact", json_boolean (r->played.done));
  return NULL;
}

/* After a play nothing is read on the source but its definitions. */
static struct err *
take_played (const struct step_call *call, struct round *r)
{
  const char *db = mariadb_database (call);
  r->copied = json_array ();
  TRY (mariadb_tables (call->source, db, &r->tables));
  TRY (mariadb_copy_numbers (call, r->tables));
  return mariadb_digest (call->target, db, r->tables, &r->target.tables);
}

static struct err *
round_result (const struct step_call *call, bool anew, const struct round *r,
              json_t **result)
{
  *result = json_pack ("{s:b, s:O}", "whole", anew, "tables", r->copied);
  if (r->position == NULL)
    return NULL;
  struct err *e = mariadb_lag (call, r->position, *result);
  if (e != NULL)
    json_decref (STEAL (*result));
  TRY (e);
  json_object_set (*result, "gtid", json_at (r->position, "gtid"));
  if (r->played.done)
    json_object_set_new (*result, "played", json_integer (r->played.bytes));
  else if (*r->played.why != '\0')
    json_object_set_new (
        *result, "findings",
        json_pack ("[o]",
                   json_sprintf ("the binary log could not be played, and "
                                 "digests were compared: %s",
                                 r->played.why)));
  return NULL;
}

/* Has the copy to be made anew?  `made`: the record of the last round. */
static struct err *
is_new (const struct step_call *call, const json_t *structure, json_t **made,
        bool *anew)
{
  char *path CLEANUP_FREE = mariadb_record (call);
  bool there;
  TRY (mariadb_exists (call->target, mariadb_database (call), &there));
  TRY (remote_recall (call->target, path, made));
  *anew = !there || !json_equal (json_at (*made, "source"), structure);
  return NULL;
}

static struct err *
one_round (const struct step_call *call, json_t **result)
{
  const char *db = mariadb_database (call);
  json_t *made CLEANUP_JSON = NULL;
  json_t *census CLEANUP_JSON = NULL;
  json_t *there_now CLEANUP_JSON = NULL;
  struct round r CLEANUP_ROUND = { 0 };
  bool anew;
  TRY (mariadb_census (call->source, db, &census));
  const json_t *structure = json_at (census, "structure");
  TRY (is_new (call, structure, &made, &anew));
  if (!anew && json_at (made, "digests") != NULL)
    TRY (mariadb_check_copy (call, made));
  r.whole = anew;
  TRY (anew ? make_whole (call) : begin_round (call));
  TRY (play_log (call, anew ? NULL : made, &r));
  TRY (mariadb_census (call->target, db, &there_now));
  TRY (r.played.done ? take_played (call, &r)
       : anew        ? copy_first (call, &r)
                     : copy_rows (call, &r));
  TRY (mariadb_copy_objects (call, census, there_now));
  TRY (mariadb_grant_all (call));
  TRY (record_copy (call, structure, &r));
  return round_result (call, anew, &r, result);
}

struct err *
mariadb_seed (const struct step_call *call, json_t **result)
{
  TRY (one_round (call, result));
  json_object_set_new (*result, "copied",
                       json_pack ("[o]",
                                  json_sprintf ("MariaDB's database %s",
                                                mariadb_database (call))));
  return NULL;
}

struct err *
mariadb_round (const struct step_call *call, json_t **result)
{
  return one_round (call, result);
}

static struct err *
other_structure (const struct step_call *call, const json_t *differences)
{
  struct err *e
      = steps_unequal ("RH-MARIADB-DDL",
                       "definitions were changed during the move", differences);
  return err_todo (e, "%s",
                   call->back ? "make the same change on the source, or go "
                                "back without what the target took"
                              : "run 'rehome sync' again, which makes the "
                                "copy anew");
}

/* What the last proof reads again where reading all takes long: by the name of
 * each table that was copied "", or which rows of it were. */
static json_t *
again_of (const struct round *r)
{
  json_t *out = json_object ();
  size_t i;
  json_t *one;
  json_array_foreach (r->tables, i, one)
  {
    const char *where = json_text (one, "where");
    if (words_have (r->copied, json_text (one, "name")))
      json_object_set_new (out, json_text (one, "name"),
                           json_string (strlen (where) < WHERE_MAX ? where
                                                                   : ""));
  }
  return out;
}

static json_int_t
bytes_of (const json_t *tables)
{
  json_int_t n = 0;
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    n += strtoll (json_text (one, "bytes"), NULL, 10);
  }
  return n;
}

/* What the last round does before it copies: definitions, and rows, which are
 * read at the same time unless the binary log is played first. */
struct last {
  const struct step_call *call;
  struct round r;
  json_t *source, *target; /* censuses */
};

static struct err *
look_census (void *ctx)
{
  struct last *l = ctx;
  return mariadb_both (l->call, mariadb_census, &l->source, &l->target);
}

static struct err *
look_rows (void *ctx)
{
  struct last *l = ctx;
  char *path CLEANUP_FREE = mariadb_record (l->call);
  json_t *made CLEANUP_JSON = NULL;
  TRY (remote_recall (l->call->target, path, &made));
  TRY (begin_round (l->call));
  TRY (play_log (l->call, made, &l->r));
  return read_rows (l->call, &l->r);
}

static void
last_clear (struct last *l)
{
  round_clear (&l->r);
  json_decref (l->source);
  json_decref (l->target);
}

/* Tables that have another definition cannot be read alike: that error is not
 * the cause. */
static struct err *
look_last (struct last *l)
{
  const struct beside both[] = { { look_census, l }, { look_rows, l } };
  json_t *differences CLEANUP_JSON = json_array ();
  struct err *e = beside_run (l->call, both, 2, 2);
  if (l->source != NULL && l->target != NULL)
    steps_compare ("", json_at (l->source, "structure"),
                   json_at (l->target, "structure"), differences);
  if (json_array_size (differences) == 0
      || (e != NULL && strncmp (err_code (e), "RH-PROGRAM-", 11) != 0))
    return e;
  err_free (e);
  return other_structure (l->call, differences);
}

/* Nothing is made anew within the downtime, nor ever on the way back. */
struct err *
mariadb_final (const struct step_call *call, json_t **result)
{
  struct last l CLEANUP (last_clear) = { .call = call };
  struct round *r = &l.r;
  TRY (look_last (&l));
  TRY (copy_changed (call, r));
  TRY (call->back ? mariadb_objects_back (call, l.source, l.target)
                  : mariadb_copy_objects (call, l.source, l.target));
  *result = json_pack ("{s:O, s:o, s:O, s:I}", "tables", r->copied, "again",
                       again_of (r), "digests", r->source.tables, "bytes",
                       bytes_of (r->tables));
  if (r->position != NULL)
    json_object_set (*result, "gtid", json_at (r->position, "gtid"));
  if (r->played.done)
    json_object_set_new (*result, "played", json_integer (r->played.bytes));
  return NULL;
}
