/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of a MariaDB database: its structure by mariadb-dump, rows of the
 * tables whose digests differ, and then views, triggers, routines and events.
 * Nothing touches a disk in between.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

char *
mariadb_record (const struct step_call *call)
{
  return steps_path (call, "results/mariadb-%s.json", mariadb_database (call));
}

/* mariadb-dump with `words`, into the target's mariadb. */
static struct err *
dump (const struct step_call *call, json_t *from)
{
  json_t *into
      = mariadb_argv ("mariadb",
                      ARGV ("--batch", "--skip-column-names",
                            "--init-command=SET foreign_key_checks = 0",
                            mariadb_database (call)));
  return err_wrap (mariadb_stream (call, from, into, NULL),
                   "copying definitions of database %s",
                   mariadb_database (call));
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

/* Names of the views, one to a line, as the client escapes them. */
static struct err *
views_of (const struct step_call *call, char **out)
{
  return mariadb_ask (call->source,
                      "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE"
                      " TABLE_SCHEMA = '%s';",
                      mariadb_database (call), out);
}

static struct err *
make_tables (const struct step_call *call)
{
  const char *db = mariadb_database (call);
  char *views CLEANUP_FREE = NULL;
  TRY (views_of (call, &views));
  json_t *argv
      = mariadb_argv ("mariadb-dump",
                      ARGV ("--no-data", "--skip-triggers", "--skip-comments",
                            "--skip-lock-tables", "--skip-add-drop-table"));
  char *at = views;
  for (char *line; (line = strsep (&at, "\n")) != NULL;)
    if (*line != '\0') {
      char *word CLEANUP_FREE = mem_printf ("--ignore-table=%s.%s", db, line);
      remote_word (argv, word);
    }
  remote_word (argv, db);
  return dump (call, argv);
}

/* ---- Objects ---- */

static struct err *
drop_objects (const struct step_call *call)
{
  return mariadb_compose (
      call->target,
      "SELECT CONCAT('DROP TRIGGER `%s`.`', REPLACE(TRIGGER_NAME, '`', '``'),"
      " '`;') FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '%s';\n"
      "SELECT CONCAT('DROP VIEW `%s`.`', REPLACE(TABLE_NAME, '`', '``'), '`;')"
      " FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '%s';\n"
      "SELECT CONCAT('DROP EVENT `%s`.`', REPLACE(EVENT_NAME, '`', '``'),"
      " '`;') FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '%s';\n"
      "SELECT CONCAT('DROP ', ROUTINE_TYPE, ' IF EXISTS `%s`.`',"
      " REPLACE(ROUTINE_NAME, '`', '``'), '`;') FROM"
      " information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '%s' ORDER BY"
      " ROUTINE_TYPE;\n",
      mariadb_database (call), call->target);
}

static struct err *
make_objects (const struct step_call *call)
{
  const char *db = mariadb_database (call);
  char *views CLEANUP_FREE = NULL;
  TRY (drop_objects (call));
  TRY (dump (call,
             mariadb_argv ("mariadb-dump",
                           ARGV ("--no-create-info", "--no-data", "--triggers",
                                 "--routines", "--events", "--skip-comments",
                                 "--skip-lock-tables", "--skip-tz-utc", db))));
  TRY (views_of (call, &views));
  if (*views == '\0')
    return NULL;
  json_t *argv
      = mariadb_argv ("mariadb-dump",
                      ARGV ("--no-data", "--skip-triggers", "--skip-comments",
                            "--skip-lock-tables", db));
  char *at = views;
  for (char *line; (line = strsep (&at, "\n")) != NULL;)
    if (*line != '\0')
      remote_word (argv, line);
  return dump (call, argv);
}

static struct err *
copy_objects (const struct step_call *call)
{
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  TRY (mariadb_census (call->source, mariadb_database (call), &a));
  TRY (mariadb_census (call->target, mariadb_database (call), &b));
  if (json_equal (json_at (a, "objects"), json_at (b, "objects")))
    return NULL;
  return make_objects (call);
}

/* ---- Rounds ---- */

static struct err *
copy_rows (const struct step_call *call, json_t *copied, json_t **tables)
{
  json_t *source CLEANUP_JSON = NULL;
  json_t *target CLEANUP_JSON = NULL;
  TRY (mariadb_tables (call->source, mariadb_database (call), tables));
  struct err *e = mariadb_digests (call, *tables, &source, &target);
  if (e == NULL)
    e = mariadb_copy_tables (call, *tables, source, target, copied);
  if (e == NULL)
    e = mariadb_copy_numbers (call, *tables);
  return e;
}

/* As the copy was left: a look just before the freeze tells whether somebody
 * else wrote there. */
static struct err *
record_copy (const struct step_call *call, const json_t *structure,
             const json_t *tables)
{
  char *path CLEANUP_FREE = mariadb_record (call);
  json_t *digests CLEANUP_JSON = NULL;
  json_t *census CLEANUP_JSON = NULL;
  json_t *numbers CLEANUP_JSON = NULL;
  json_t *accounts CLEANUP_JSON = NULL;
  const char *db = mariadb_database (call);
  TRY (mariadb_digest (call->target, db, tables, &digests));
  TRY (mariadb_census (call->target, db, &census));
  TRY (mariadb_numbers (call->target, db, &numbers));
  TRY (mariadb_account_record (call, &accounts));
  json_t *record CLEANUP_JSON
      = json_pack ("{s:O, s:O, s:O, s:O, s:O, s:O}", "accounts", accounts,
                   "source", structure, "tables", tables, "digests", digests,
                   "census", census, "numbers", numbers);
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

static struct err *
one_round (const struct step_call *call, bool anew, json_t **result)
{
  char *path CLEANUP_FREE = mariadb_record (call);
  const char *db = mariadb_database (call);
  json_t *made CLEANUP_JSON = NULL;
  json_t *census CLEANUP_JSON = NULL;
  json_t *tables CLEANUP_JSON = NULL;
  json_t *copied CLEANUP_JSON = json_array ();
  TRY (mariadb_census (call->source, db, &census));
  const json_t *structure = json_at (census, "structure");
  if (!anew) {
    bool there;
    TRY (mariadb_exists (call->target, db, &there));
    TRY (remote_recall (call->target, path, &made));
    anew = !there || !json_equal (json_at (made, "source"), structure);
  }
  if (!anew && json_at (made, "digests") != NULL)
    TRY (mariadb_check_copy (call, made));
  TRY (anew ? make_whole (call) : begin_round (call));
  TRY (copy_rows (call, copied, &tables));
  TRY (copy_objects (call));
  TRY (mariadb_grant_all (call));
  TRY (record_copy (call, structure, tables));
  *result = json_pack ("{s:b, s:O}", "whole", anew, "tables", copied);
  return NULL;
}

struct err *
mariadb_seed (const struct step_call *call, json_t **result)
{
  return one_round (call, false, result);
}

struct err *
mariadb_round (const struct step_call *call, json_t **result)
{
  return one_round (call, false, result);
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

/* Nothing is made anew within the downtime, nor ever on the way back. */
struct err *
mariadb_final (const struct step_call *call, json_t **result)
{
  const char *db = mariadb_database (call);
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  json_t *tables CLEANUP_JSON = NULL;
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *copied CLEANUP_JSON = json_array ();
  TRY (mariadb_census (call->source, db, &a));
  TRY (mariadb_census (call->target, db, &b));
  mariadb_compare ("", json_at (a, "structure"), json_at (b, "structure"),
                   differences);
  if (json_array_size (differences) > 0)
    return other_structure (call, differences);
  TRY (begin_round (call));
  TRY (copy_rows (call, copied, &tables));
  if (!call->back)
    TRY (copy_objects (call));
  *result = json_pack ("{s:O}", "tables", copied);
  return NULL;
}
