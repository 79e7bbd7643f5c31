/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round of a PostgreSQL database: the tables whose digests differ are copied,
 * and what the target holds then is recorded there, so that what somebody
 * else writes there is noticed and not just overwritten.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* What a round has copied. */
struct copied {
  json_t *tables; /* names */
  json_int_t parts;
};

static const char *
text_of (const json_t *o, const char *key)
{
  const char *v = json_string_value (json_at (o, key));
  return v == NULL ? "" : v;
}

static struct err *
refresh (const struct step_call *call, const char *name)
{
  char *sql CLEANUP_FREE
      = mem_printf ("SET default_transaction_read_only = off;"
                    " REFRESH MATERIALIZED VIEW %s;",
                    name);
  return postgresql_long (call->target, postgresql_database (call), sql);
}

/* Tables of one kind that differ. */
static struct err *
copy_kind (const struct step_call *call, const json_t *tables, const char *kind,
           const struct postgresql_read *source,
           const struct postgresql_read *target, struct copied *copied)
{
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    const char *name = text_of (one, "name");
    json_int_t parts = 0;
    if (strcmp (text_of (one, "kind"), kind) != 0
        || json_equal (json_object_get (source->tables, name),
                       json_object_get (target->tables, name)))
      continue;
    TRY (strcmp (kind, "m") == 0
             ? refresh (call, name)
             : postgresql_copy_table (call, one, i, source, target, &parts));
    json_array_append_new (copied->tables, json_string (name));
    copied->parts += parts;
  }
  return NULL;
}

static struct err *
copy_sequences (const struct step_call *call)
{
  const char *db = postgresql_database (call), *name;
  json_t *values CLEANUP_JSON = NULL;
  json_t *value;
  struct buf sql CLEANUP_BUF = BUF_INIT;
  TRY (postgresql_sequences (call->source, db, &values));
  TRY (buf_printf (&sql, "SET default_transaction_read_only = off;\n"));
  json_object_foreach (values, name, value)
  {
    char *quoted CLEANUP_FREE = postgresql_literal (name);
    long long last = 0;
    char called[8] = "";
    if (sscanf (json_string_value (value), "%lld %5s", &last, called) != 2)
      return err_new (ERR_CORRUPT, "RH-POSTGRESQL-DIGEST",
                      "sequence %s has no value", name);
    TRY (buf_printf (&sql, "SELECT setval(%s, %lld, %s);\n", quoted, last,
                     strcmp (called, "true") == 0 ? "true" : "false"));
  }
  return postgresql_run (call->target, db, (const char *)sql.data, NULL);
}

/* Large objects have no key of their own: where they differ, everything is
 * copied again. */
static bool
large_objects_differ (const json_t *source, const json_t *target)
{
  static const char name[] = "pg_catalog.pg_largeobject";
  return !json_equal (json_object_get (source, name),
                      json_object_get (target, name))
         && json_object_get (source, name) != NULL;
}

/* What one has otherwise than the last round left it. */
static void
compare (const char *what, const json_t *then, const json_t *now, json_t *out)
{
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)then, name, value)
  {
    const json_t *is = json_object_get (now, name);
    if (is != NULL && !json_equal (is, value))
      json_array_append_new (out, json_sprintf ("%s %s", what, name));
  }
}

static struct err *
untouched (const struct step_call *call, const json_t *target)
{
  json_t *touched CLEANUP_JSON = json_array ();
  json_t *record CLEANUP_JSON = NULL;
  json_t *sequences CLEANUP_JSON = NULL;
  char *path CLEANUP_FREE = postgresql_record (call);
  TRY (remote_recall (call->target, path, &record));
  if (json_at (record, "tables") == NULL)
    return NULL;
  TRY (postgresql_sequences (call->target, postgresql_database (call),
                             &sequences));
  compare ("table", json_at (record, "tables"), target, touched);
  compare ("sequence", json_at (record, "sequences"), sequences, touched);
  if (json_array_size (touched) == 0)
    return NULL;
  return err_todo (
      steps_unequal ("RH-POSTGRESQL-TOUCHED",
                     "somebody else wrote in the database on the target",
                     touched),
      "find out who; then drop the database there and run 'rehome sync' again, "
      "which makes it anew");
}

struct err *
postgresql_untouched (const struct step_call *call)
{
  json_t *tables CLEANUP_JSON = NULL;
  json_t *now CLEANUP_JSON = NULL;
  const char *db = postgresql_database (call);
  TRY (postgresql_tables (call->target, db, &tables));
  TRY (postgresql_digest (call->target, db, tables, &now));
  return untouched (call, now);
}

static struct err *
remember (const struct step_call *call, json_t *tables)
{
  char *path CLEANUP_FREE = postgresql_record (call);
  json_t *sequences CLEANUP_JSON = NULL;
  json_t *record CLEANUP_JSON = NULL;
  TRY (postgresql_sequences (call->target, postgresql_database (call),
                             &sequences));
  TRY (remote_recall (call->target, path, &record));
  json_object_set (record, "tables", tables);
  json_object_set (record, "sequences", sequences);
  return remote_record (call->target, path, record);
}

struct err *
postgresql_remember (const struct step_call *call)
{
  json_t *tables CLEANUP_JSON = NULL;
  json_t *now CLEANUP_JSON = NULL;
  const char *db = postgresql_database (call);
  TRY (postgresql_tables (call->target, db, &tables));
  TRY (postgresql_digest (call->target, db, tables, &now));
  return remember (call, now);
}

/* Nothing is known of what is about to be copied, and of sequences: whatever
 * interrupts the copy, the next round does not take it for somebody else's
 * work. */
static struct err *
forget (const struct step_call *call, const json_t *tables,
        const json_t *source, const json_t *target)
{
  char *path CLEANUP_FREE = postgresql_record (call);
  json_t *record CLEANUP_JSON = NULL;
  size_t i;
  json_t *one;
  TRY (remote_recall (call->target, path, &record));
  json_object_del (record, "sequences");
  json_array_foreach (tables, i, one)
  {
    const char *name = text_of (one, "name");
    if (!json_equal (json_object_get (source, name),
                     json_object_get (target, name)))
      json_object_del (json_object_get (record, "tables"), name);
  }
  return record != NULL ? remote_record (call->target, path, record) : NULL;
}

/* A digest that was made before the copy is taken again after it; in the freeze
 * the proof reads all, and the record goes without what was copied. */
static struct err *
remember_round (const struct step_call *call, const json_t *tables,
                json_t *target, const json_t *copied)
{
  json_t *again CLEANUP_JSON = json_array ();
  json_t *fresh CLEANUP_JSON = NULL;
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    const char *name = text_of (one, "name");
    if (!words_have (copied, name))
      continue;
    if (call->step->stage == STAGE_FINAL)
      json_object_del (target, name);
    else
      json_array_append (again, one);
  }
  if (json_array_size (again) > 0)
    TRY (postgresql_digest (call->target, postgresql_database (call), again,
                            &fresh));
  json_object_update (target, fresh);
  return remember (call, target);
}

static struct err *
copy_changes (const struct step_call *call, bool *whole, struct copied *copied)
{
  json_t *tables CLEANUP_JSON = NULL;
  struct postgresql_read source CLEANUP_READ = { NULL, NULL };
  struct postgresql_read target CLEANUP_READ = { NULL, NULL };
  TRY (postgresql_tables (call->source, postgresql_database (call), &tables));
  TRY (postgresql_digests (call, tables, &source, &target));
  if (!call->back)
    TRY (untouched (call, target.tables));
  *whole = large_objects_differ (source.tables, target.tables);
  if (*whole)
    return NULL;
  if (!call->back)
    TRY (forget (call, tables, source.tables, target.tables));
  TRY (copy_kind (call, tables, "r", &source, &target, copied));
  TRY (copy_kind (call, tables, "m", &source, &target, copied));
  TRY (copy_sequences (call));
  return call->back
             ? NULL
             : remember_round (call, tables, target.tables, copied->tables);
}

/* The way back never makes a database anew: the source's own is frozen there,
 * and what its version cannot take has to be named. */
static struct err *
other_schema (void)
{
  return err_advise (
      err_new (ERR_REFUSED, "RH-POSTGRESQL-DDL",
               "the schema was changed on the target since it opened, or large "
               "objects were"),
      "the target serves as before",
      "make the same change in the source's database, or go back without what "
      "the target took (docs/PROVIDERS.md, postgresql)");
}

struct err *
postgresql_round (const struct step_call *call, json_t **result)
{
  bool whole = false;
  json_t *names CLEANUP_JSON = json_array ();
  struct copied copied = { names, 0 };
  if (!call->back) {
    char *schema CLEANUP_FREE = NULL;
    bool current;
    TRY (postgresql_schema (call, &schema));
    TRY (postgresql_is_current (call, schema, &current));
    whole = !current;
    if (current)
      TRY (copy_changes (call, &whole, &copied));
    if (whole)
      TRY (postgresql_whole (call, schema));
  } else {
    TRY (copy_changes (call, &whole, &copied));
    if (whole)
      return other_schema ();
  }
  *result = json_pack ("{s:b, s:O, s:I}", "whole", whole, "tables", names,
                       "parts", copied.parts);
  return NULL;
}
