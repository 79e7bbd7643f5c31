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

static const char *
text_of (const json_t *o, const char *key)
{
  const char *v = json_string_value (json_at (o, key));
  return v == NULL ? "" : v;
}

/* In one transaction; without the tables' own triggers and foreign keys, which
 * have done their work where the rows come from. */
static struct err *
copy_table (const struct step_call *call, const json_t *table)
{
  const char *db = postgresql_database (call);
  const char *name = text_of (table, "name");
  const char *columns = text_of (table, "columns");
  char *out CLEANUP_FREE
      = mem_printf ("COPY (SELECT %s FROM ONLY %s) TO STDOUT", columns, name);
  char *empty CLEANUP_FREE = mem_printf ("DELETE FROM ONLY %s", name);
  char *in CLEANUP_FREE
      = columns[0] != '\0'
            ? mem_printf ("COPY %s (%s) FROM STDIN", name, columns)
            : mem_printf ("COPY %s FROM STDIN", name);
  json_t *from = postgresql_argv (
      "psql", ARGV ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", db, "-c", out));
  json_t *into
      = postgresql_argv ("psql",
                         ARGV ("-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d",
                               db, "-c", "SET TRANSACTION READ WRITE", "-c",
                               "SET LOCAL session_replication_role = replica",
                               "-c", empty, "-c", in));
  return err_wrap (postgresql_stream (call, from, into),
                   "copying table %s of %s", name, db);
}

static struct err *
refresh (const struct step_call *call, const char *name)
{
  char *sql CLEANUP_FREE
      = mem_printf ("SET default_transaction_read_only = off;"
                    " REFRESH MATERIALIZED VIEW %s;",
                    name);
  return postgresql_run (call->target, postgresql_database (call), sql, NULL);
}

/* Tables of one kind that differ. */
static struct err *
copy_kind (const struct step_call *call, const json_t *tables, const char *kind,
           const json_t *source, const json_t *target, json_t *copied)
{
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    const char *name = text_of (one, "name");
    if (strcmp (text_of (one, "kind"), kind) != 0
        || json_equal (json_object_get (source, name),
                       json_object_get (target, name)))
      continue;
    TRY (strcmp (kind, "m") == 0 ? refresh (call, name)
                                 : copy_table (call, one));
    json_array_append_new (copied, json_string (name));
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

/* A digest that was made before the copy is taken again after it. */
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
    if (words_have (copied, text_of (one, "name")))
      json_array_append (again, one);
  }
  if (json_array_size (again) > 0)
    TRY (postgresql_digest (call->target, postgresql_database (call), again,
                            &fresh));
  json_object_update (target, fresh);
  return remember (call, target);
}

static struct err *
copy_changes (const struct step_call *call, bool *whole, json_t *copied)
{
  json_t *tables CLEANUP_JSON = NULL;
  json_t *source CLEANUP_JSON = NULL;
  json_t *target CLEANUP_JSON = NULL;
  TRY (postgresql_tables (call->source, postgresql_database (call), &tables));
  TRY (postgresql_digests (call, tables, &source, &target));
  if (!call->back)
    TRY (untouched (call, target));
  *whole = large_objects_differ (source, target);
  if (*whole)
    return NULL;
  TRY (copy_kind (call, tables, "r", source, target, copied));
  TRY (copy_kind (call, tables, "m", source, target, copied));
  TRY (copy_sequences (call));
  return call->back ? NULL : remember_round (call, tables, target, copied);
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
  json_t *copied CLEANUP_JSON = json_array ();
  if (!call->back) {
    char *schema CLEANUP_FREE = NULL;
    bool current;
    TRY (postgresql_schema (call, &schema));
    TRY (postgresql_is_current (call, schema, &current));
    whole = !current;
    if (current)
      TRY (copy_changes (call, &whole, copied));
    if (whole)
      TRY (postgresql_whole (call, schema));
  } else {
    TRY (copy_changes (call, &whole, copied));
    if (whole)
      return other_schema ();
  }
  *result = json_pack ("{s:b, s:O}", "whole", whole, "tables", copied);
  return NULL;
}
