/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole of a PostgreSQL database, by pg_dump into the target's psql.
 * Nothing touches a disk in between.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_MAX ((size_t)64 << 20)
enum { WORDS_MAX = 600 }; /* of what a program says, in an error */

char *
postgresql_record (const struct step_call *call)
{
  return steps_path (call, "results/postgresql-%s.json",
                     postgresql_database (call));
}

struct err *
postgresql_stream (const struct step_call *call, json_t *from, json_t *into)
{
  json_t *out CLEANUP_JSON = json_pack ("{s:o}", "argv", from);
  json_t *in CLEANUP_JSON = json_pack ("{s:o}", "argv", into);
  json_t *sent CLEANUP_JSON = NULL;
  json_t *taken CLEANUP_JSON = NULL;
  return remote_pipe (call, out, in, &sent, &taken);
}

/* What COPY said it has taken, of what psql printed; -1: nothing. */
static long long
taken_by (const char *said)
{
  long long rows = -1;
  for (const char *at = said; at != NULL; at = strchr (at, '\n')) {
    at += *at == '\n';
    sscanf (at, "COPY %lld", &rows);
    if (*at == '\0')
      break;
  }
  return rows;
}

static char *
said_in (const json_t *result, const char *key)
{
  unsigned char *bytes CLEANUP_FREE = NULL;
  size_t len = 0;
  err_free (text_unbase64 (json_text (result, key), &bytes, &len));
  return mem_printf ("%.*s", (int)len, bytes == NULL ? "" : (char *)bytes);
}

static struct err *
judge_sent (const char *rows, const json_t *taken)
{
  char *said CLEANUP_FREE = said_in (taken, "out");
  char *warned CLEANUP_FREE = said_in (taken, "err");
  long long loaded = taken_by (said);
  if (*warned != '\0') {
    char *words CLEANUP_FREE
        = text_escape (warned, strnlen (warned, WORDS_MAX));
    return err_new (ERR_REFUSED, "RH-POSTGRESQL-ROWS",
                    "the target's server warned: %s", words);
  }
  if (loaded < 0 || loaded != strtoll (rows, NULL, 10))
    return err_new (ERR_REFUSED, "RH-POSTGRESQL-ROWS",
                    "%s rows were sent, and the target says that it took %lld",
                    rows, loaded);
  return NULL;
}

struct err *
postgresql_send (const struct step_call *call, const json_t *out,
                 const json_t *in, char **digest)
{
  json_t *sent CLEANUP_JSON = NULL;
  json_t *taken CLEANUP_JSON = NULL;
  TRY (remote_pipe (call, out, in, &sent, &taken));
  const char *rows = json_text (sent, "rows");
  TRY (judge_sent (rows, taken));
  if (digest != NULL)
    *digest = strcmp (rows, "0") == 0
                  ? mem_strdup ("0")
                  : mem_printf ("%s %s", rows, json_text (sent, "sum"));
  return NULL;
}

/* ---- The schema, as text ---- */

/* A dump's text has lines that differ each time. */
static bool
is_noise (const char *line)
{
  return strncmp (line, "\\restrict", 9) == 0
         || strncmp (line, "\\unrestrict", 11) == 0
         || strncmp (line, "--", 2) == 0;
}

struct err *
postgresql_schema (const struct step_call *call, char **out)
{
  char *text CLEANUP_FREE = NULL;
  struct buf kept CLEANUP_BUF = BUF_INIT_MAX (SCHEMA_MAX);
  json_t *argv
      = postgresql_argv (call->source, "pg_dump",
                         ARGV ("--schema-only", "--quote-all-identifiers",
                               "--dbname", postgresql_database (call)));
  TRY (remote_output (call->source, json_pack ("{s:o}", "argv", argv),
                      SCHEMA_MAX, &text));
  char *at = text;
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

struct err *
postgresql_drop (const struct step_call *call)
{
  char *name CLEANUP_FREE = identifier (postgresql_database (call));
  char *sql CLEANUP_FREE
      = mem_printf ("DROP DATABASE IF EXISTS %s WITH (FORCE);", name);
  return postgresql_run (call->target, "postgres", sql, NULL);
}

/* A dump of a frozen database carries the freeze: it is taken off, and the
 * database gets what the source's server gave it.  These commits are awaited,
 * and with them everything that was loaded is durable. */
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
  struct buf sql CLEANUP_BUF = BUF_INIT;
  TRY (buf_printf (
      &sql,
      "SET default_transaction_read_only = off; SET synchronous_commit = on;\n"
      "%sALTER DATABASE %s %s; ALTER DATABASE %s CONNECTION LIMIT %lld;\n",
      postgresql_collations_refresh_sql, name, set, name,
      limit == NULL ? -1LL : (long long)json_integer_value (limit)));
  TRY (postgresql_settings_put (json_at (look, "carry"), name, &sql));
  return postgresql_run (call->target, postgresql_database (call),
                         (const char *)sql.data, NULL);
}

/* Drops a copy of ours and loads what pg_dump says with `words` besides. */
static struct err *
load_dump (const struct step_call *call, const char *const *words)
{
  char *record CLEANUP_FREE = postgresql_record (call);
  json_t *begun CLEANUP_JSON = json_pack ("{s:s}", "state", "begun");
  TRY (remote_record (call->target, record, begun));
  TRY (postgresql_drop (call));
  json_t *dump
      = postgresql_argv (call->source, "pg_dump",
                         ARGV ("--create", "--quote-all-identifiers",
                               "--dbname", postgresql_database (call)));
  for (; *words != NULL; words++)
    remote_word (dump, *words);
  json_t *load
      = postgresql_argv (call->target, "psql",
                         ARGV ("-X", "-q", "-o", "/dev/null", "-v",
                               "ON_ERROR_STOP=1", "-d", "postgres", "-f", "-"));
  TRY (err_wrap (postgresql_stream (call, dump, load), "copying database %s",
                 postgresql_database (call)));
  return thaw_copy (call);
}

struct err *
postgresql_whole (const struct step_call *call)
{
  char *record CLEANUP_FREE = postgresql_record (call);
  char *schema CLEANUP_FREE = NULL;
  json_t *begun CLEANUP_JSON = json_pack ("{s:s}", "state", "begun");
  json_t *sent CLEANUP_JSON = json_object ();
  TRY (remote_record (call->target, record, begun));
  TRY (err_wrap (postgresql_first (call, sent, &schema), "copying database %s",
                 postgresql_database (call)));
  TRY (thaw_copy (call));
  char *digest CLEANUP_FREE
      = schema == NULL ? mem_strdup ("") : digest_of (schema);
  json_t *done CLEANUP_JSON
      = json_pack ("{s:s, s:s}", "state", "made", "schema", digest);
  TRY (remote_record (call->target, record, done));
  return postgresql_remember_sent (call, sent);
}

/* The user's own publications come along; one of ours that an interrupted move
 * left on the source does not. */
struct err *
postgresql_empty (const struct step_call *call)
{
  TRY (load_dump (call, ARGV ("--schema-only", "--no-subscriptions")));
  return postgresql_run (call->target, postgresql_database (call),
                         "SET default_transaction_read_only = off;"
                         " SELECT format('DROP PUBLICATION %I', pubname) FROM"
                         " pg_publication WHERE pubname LIKE 'rehome\\_%'"
                         " \\gexec",
                         NULL);
}

static struct err *
catalog_of (const struct step_call *call, json_t **out)
{
  return postgresql_json (call->source, postgresql_database (call),
                          postgresql_catalog_sql, out);
}

struct err *
postgresql_note_schema (const struct step_call *call)
{
  char *record CLEANUP_FREE = postgresql_record (call);
  char *schema CLEANUP_FREE = NULL;
  json_t *catalog CLEANUP_JSON = NULL;
  TRY (catalog_of (call, &catalog));
  TRY (postgresql_schema (call, &schema));
  char *digest CLEANUP_FREE = digest_of (schema);
  json_t *done CLEANUP_JSON = json_pack ("{s:s, s:s, s:O}", "state", "made",
                                         "schema", digest, "catalog", catalog);
  return remote_record (call->target, record, done);
}

struct err *
postgresql_same_schema (const struct step_call *call)
{
  char *path CLEANUP_FREE = postgresql_record (call);
  char *schema CLEANUP_FREE = NULL;
  json_t *catalog CLEANUP_JSON = NULL;
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &record));
  TRY (catalog_of (call, &catalog));
  if (json_equal (catalog, json_at (record, "catalog")))
    return NULL;
  TRY (postgresql_schema (call, &schema));
  if (!postgresql_is_current (record, schema))
    return err_advise (
        err_new (ERR_REFUSED, "RH-POSTGRESQL-DDL",
                 "the schema of %s was changed on the source, which its "
                 "replication does not carry",
                 postgresql_database (call)),
        "the source serves as before",
        "'rehome abort', then 'rehome sync', which copies anew");
  json_object_set (record, "catalog", catalog);
  return remote_record (call->target, path, record);
}

bool
postgresql_is_current (const json_t *record, const char *schema)
{
  char *digest CLEANUP_FREE = digest_of (schema);
  return strcmp (json_text (record, "schema"), digest) == 0;
}

/* A copy that was made before: only what nobody else wrote in is made anew. */
struct err *
postgresql_seed (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = postgresql_record (call);
  char *schema CLEANUP_FREE = NULL;
  json_t *record CLEANUP_JSON = NULL;
  bool there;
  TRY (postgresql_exists (call->target, postgresql_database (call), &there));
  if (there) {
    TRY (remote_recall (call->target, path, &record));
    TRY (postgresql_schema (call, &schema));
    if (postgresql_is_current (record, schema))
      return postgresql_round (call, result);
    TRY (postgresql_untouched (call));
  }
  TRY (postgresql_whole (call));
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  *result = json_pack ("{s:O*}", "bytes", json_at (look, "bytes"));
  return NULL;
}
