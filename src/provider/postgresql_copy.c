/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of a PostgreSQL database: the whole by pg_dump into the target's
 * psql, and rounds that copy the tables whose digests differ.  Nothing
 * touches a disk in between.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <nettle/sha2.h>
#include <string.h>

#define SCHEMA_MAX ((size_t)64 << 20)

char *
postgresql_record (const struct step_call *call)
{
  return steps_path (call, "results/postgresql-%s.json",
                     postgresql_database (call));
}

static const char *
text_of (const json_t *o, const char *key)
{
  const char *v = json_string_value (json_at (o, key));
  return v == NULL ? "" : v;
}

static struct err *
stream (const struct step_call *call, json_t *from, json_t *into)
{
  json_t *out CLEANUP_JSON = json_pack ("{s:o}", "argv", from);
  json_t *in CLEANUP_JSON = json_pack ("{s:o}", "argv", into);
  json_t *sent CLEANUP_JSON = NULL;
  json_t *taken CLEANUP_JSON = NULL;
  return call->source->ops->pipe (call->source, "program.read", out,
                                  call->target, "program.write", in, call->tick,
                                  call->ctx, &sent, &taken);
}

/* ---- The schema, as text ---- */

static struct err *
collect (void *ctx, const void *data, size_t len)
{
  return buf_put (ctx, data, len);
}

/* A dump's text has lines that differ each time. */
static bool
is_noise (const char *line)
{
  return strncmp (line, "\\restrict", 9) == 0
         || strncmp (line, "\\unrestrict", 11) == 0
         || strncmp (line, "--", 2) == 0;
}

static struct err *
schema_of (const struct step_call *call, char **out)
{
  struct buf text CLEANUP_BUF = BUF_INIT_MAX (SCHEMA_MAX);
  struct buf kept CLEANUP_BUF = BUF_INIT_MAX (SCHEMA_MAX);
  struct sink to = { collect, &text };
  json_t *result CLEANUP_JSON = NULL;
  json_t *argv
      = postgresql_argv ("pg_dump",
                         ARGV ("--schema-only", "--quote-all-identifiers",
                               "--dbname", postgresql_database (call)));
  TRY (port_read (call->source, "program.read",
                  json_pack ("{s:o}", "argv", argv), &to, &result));
  TRY (buf_put (&text, "", 1));
  char *at = (char *)text.data;
  for (char *line; (line = strsep (&at, "\n")) != NULL;)
    if (!is_noise (line))
      TRY (buf_printf (&kept, "%s\n", line));
  *out = buf_steal_str (&kept);
  return NULL;
}

/* SHA-256 in hex; the caller frees. */
static char *
digest_of (const char *text)
{
  struct sha256_ctx ctx;
  uint8_t raw[SHA256_DIGEST_SIZE];
  sha256_init (&ctx);
  sha256_update (&ctx, strlen (text), (const uint8_t *)text);
  sha256_digest (&ctx, sizeof raw, raw);
  return text_hex (raw, sizeof raw);
}

/* ---- The whole ---- */

static char *
identifier (const char *name)
{
  return mem_printf ("\"%s\"", name); /* no quote can be in it: check() */
}

static struct err *
drop_ours (const struct step_call *call)
{
  char *name CLEANUP_FREE = identifier (postgresql_database (call));
  char *sql CLEANUP_FREE
      = mem_printf ("DROP DATABASE IF EXISTS %s WITH (FORCE);", name);
  return postgresql_run (call->target, "postgres", sql, NULL);
}

/* A dump of a frozen database carries the freeze: it is taken off. */
static struct err *
thaw_copy (const struct step_call *call)
{
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  char *name CLEANUP_FREE = identifier (postgresql_database (call));
  const char *readonly = json_string_value (json_at (look, "readonly"));
  const json_t *limit = json_at (look, "connections");
  char *set CLEANUP_FREE
      = readonly == NULL
            ? mem_printf ("RESET default_transaction_read_only")
            : mem_printf ("SET default_transaction_read_only = %s",
                          strcmp (readonly, "on") == 0 ? "on" : "off");
  char *sql CLEANUP_FREE
      = mem_printf ("SET default_transaction_read_only = off;"
                    " ALTER DATABASE %s %s;"
                    " ALTER DATABASE %s CONNECTION LIMIT %lld;",
                    name, set, name,
                    limit == NULL ? -1LL
                                  : (long long)json_integer_value (limit));
  return postgresql_run (call->target, "postgres", sql, NULL);
}

static struct err *
copy_whole (const struct step_call *call, const char *schema)
{
  char *record CLEANUP_FREE = postgresql_record (call);
  char *digest CLEANUP_FREE = digest_of (schema);
  json_t *begun CLEANUP_JSON = json_pack ("{s:s}", "state", "begun");
  json_t *done CLEANUP_JSON
      = json_pack ("{s:s, s:s}", "state", "made", "schema", digest);
  TRY (remote_record (call->target, record, begun));
  TRY (drop_ours (call));
  json_t *dump
      = postgresql_argv ("pg_dump",
                         ARGV ("--create", "--quote-all-identifiers",
                               "--dbname", postgresql_database (call)));
  json_t *load = postgresql_argv ("psql", ARGV ("-X", "-q", "-o", "/dev/null",
                                                "-v", "ON_ERROR_STOP=1", "-d",
                                                "postgres", "-f", "-"));
  TRY (err_wrap (stream (call, dump, load), "copying database %s",
                 postgresql_database (call)));
  TRY (thaw_copy (call));
  return remote_record (call->target, record, done);
}

/* Whether the copy was made from this very schema. */
static struct err *
is_current (const struct step_call *call, const char *schema, bool *out)
{
  char *record CLEANUP_FREE = postgresql_record (call);
  char *digest CLEANUP_FREE = digest_of (schema);
  json_t *made CLEANUP_JSON = NULL;
  bool there;
  *out = false;
  TRY (remote_recall (call->target, record, &made));
  if (strcmp (text_of (made, "schema"), digest) != 0)
    return NULL;
  TRY (postgresql_exists (call->target, postgresql_database (call), &there));
  *out = there;
  return NULL;
}

struct err *
postgresql_seed (const struct step_call *call, json_t **result)
{
  char *schema CLEANUP_FREE = NULL;
  TRY (schema_of (call, &schema));
  TRY (copy_whole (call, schema));
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  *result = json_pack ("{s:O*}", "bytes", json_at (look, "bytes"));
  return NULL;
}

/* ---- A round ---- */

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
  return err_wrap (stream (call, from, into), "copying table %s of %s", name,
                   db);
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

static struct err *
copy_changes (const struct step_call *call, bool *whole, json_t *copied)
{
  json_t *tables CLEANUP_JSON = NULL;
  json_t *source CLEANUP_JSON = NULL;
  json_t *target CLEANUP_JSON = NULL;
  TRY (postgresql_tables (call->source, postgresql_database (call), &tables));
  TRY (postgresql_digests (call, tables, &source, &target));
  *whole = large_objects_differ (source, target);
  if (*whole)
    return NULL;
  TRY (copy_kind (call, tables, "r", source, target, copied));
  TRY (copy_kind (call, tables, "m", source, target, copied));
  return copy_sequences (call);
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
    TRY (schema_of (call, &schema));
    TRY (is_current (call, schema, &current));
    whole = !current;
    if (current)
      TRY (copy_changes (call, &whole, copied));
    if (whole)
      TRY (copy_whole (call, schema));
  } else {
    TRY (copy_changes (call, &whole, copied));
    if (whole)
      return other_schema ();
  }
  *result = json_pack ("{s:b, s:O}", "whole", whole, "tables", copied);
  return NULL;
}
