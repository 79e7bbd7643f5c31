/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round of a PostgreSQL database: the tables whose digests differ are copied,
 * and what the target holds then is recorded there, so that what somebody
 * else writes there is noticed and not just overwritten.
 */
#include "provider/postgresql_home.h"

#include "base/mem.h"
#include "provider/beside.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

enum { COPIES = 4 }; /* tables at a time */

/* What a round has seen of both servers. */
struct seen {
  const struct step_call *call;
  json_t *catalog, *tables, *sequences, *published; /* of the source */
  bool there; /* the copy, on the target */
  json_t *record, *target_sequences;
  struct postgresql_read source, target;
};

/* What a round has copied. */
struct copied {
  json_t *tables; /* names */
  json_int_t parts;
};

static struct err *
refresh (const struct step_call *call, const char *name)
{
  char *sql CLEANUP_FREE
      = mem_printf ("SET default_transaction_read_only = off;"
                    " REFRESH MATERIALIZED VIEW %s;",
                    name);
  return postgresql_long (call->target, postgresql_database (call), sql);
}

/* One table to be copied, beside others. */
struct copying {
  const struct step_call *call;
  const json_t *table;
  size_t index;
  const struct seen *seen;
  json_int_t parts;
};

static struct err *
copy_one (void *ctx)
{
  struct copying *c = ctx;
  const char *name = json_text (c->table, "name");
  if (strcmp (json_text (c->table, "kind"), "m") == 0)
    return refresh (c->call, name);
  return postgresql_copy_table (c->call, c->table, c->index, &c->seen->source,
                                &c->seen->target, &c->parts);
}

/* Tables of one kind that differ. */
static struct err *
copy_kind (const struct step_call *call, const struct seen *seen,
           const char *kind, struct copied *copied)
{
  size_t i, n = 0, all = json_array_size (seen->tables) + 1;
  struct copying *each CLEANUP_FREE = mem_alloc (all * sizeof *each);
  struct beside *work CLEANUP_FREE = mem_alloc (all * sizeof *work);
  json_t *one;
  json_array_foreach (seen->tables, i, one)
  {
    const char *name = json_text (one, "name");
    if (strcmp (json_text (one, "kind"), kind) != 0
        || json_equal (json_object_get (seen->source.tables, name),
                       json_object_get (seen->target.tables, name)))
      continue;
    each[n] = (struct copying){ call, one, i, seen, 0 };
    work[n] = (struct beside){ copy_one, &each[n] };
    n++;
  }
  TRY (beside_run (call, work, n, COPIES));
  for (i = 0; i < n; i++) {
    json_array_append_new (copied->tables,
                           json_string (json_text (each[i].table, "name")));
    copied->parts += each[i].parts;
  }
  return NULL;
}

struct err *
postgresql_set_sequences (const struct step_call *call, const json_t *wanted,
                          const json_t *is)
{
  const char *name;
  json_t *value;
  size_t n = 0;
  struct buf sql CLEANUP_BUF = BUF_INIT;
  TRY (buf_printf (&sql, "SET default_transaction_read_only = off;\n"));
  json_object_foreach ((json_t *)(uintptr_t)wanted, name, value)
  {
    char *quoted CLEANUP_FREE = postgresql_literal (name);
    long long last = 0;
    char called[8] = "";
    if (json_equal (value, json_object_get (is, name)))
      continue;
    if (sscanf (json_string_value (value), "%lld %5s", &last, called) != 2)
      return err_new (ERR_CORRUPT, "RH-POSTGRESQL-DIGEST",
                      "sequence %s has no value", name);
    TRY (buf_printf (&sql, "SELECT setval(%s, %lld, %s);\n", quoted, last,
                     strcmp (called, "true") == 0 ? "true" : "false"));
    n++;
  }
  return n == 0 ? NULL
                : postgresql_run (call->target, postgresql_database (call),
                                  (const char *)sql.data, NULL);
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
judge_touched (const json_t *record, const json_t *target,
               const json_t *sequences)
{
  json_t *touched CLEANUP_JSON = json_array ();
  if (json_at (record, "tables") == NULL)
    return NULL;
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

/* Tables and sequences of the target, of one session's list. */
static struct err *
read_target (const struct step_call *call, json_t **tables, json_t **sequences)
{
  const char *const sql[] = { postgresql_tables_sql, postgresql_sequences_sql };
  const char *db = postgresql_database (call);
  json_t *said[2] = { NULL, NULL };
  struct err *e = postgresql_jsons (call->target, db, sql, 2, said);
  json_t *list CLEANUP_JSON = said[0];
  *sequences = said[1];
  return e != NULL ? e : postgresql_digest (call->target, db, list, tables);
}

struct err *
postgresql_untouched (const struct step_call *call)
{
  json_t *now CLEANUP_JSON = NULL;
  json_t *sequences CLEANUP_JSON = NULL;
  json_t *record CLEANUP_JSON = NULL;
  char *path CLEANUP_FREE = postgresql_record (call);
  TRY (remote_recall (call->target, path, &record));
  if (json_at (record, "tables") == NULL)
    return NULL; /* it is not known */
  TRY (read_target (call, &now, &sequences));
  return judge_touched (record, now, sequences);
}

static struct err *
remember (const struct step_call *call, json_t *record, json_t *tables,
          json_t *sequences)
{
  char *path CLEANUP_FREE = postgresql_record (call);
  json_object_set (record, "tables", tables);
  json_object_set (record, "sequences", sequences);
  return remote_record (call->target, path, record);
}

struct err *
postgresql_remember_sent (const struct step_call *call, json_t *sent)
{
  char *path CLEANUP_FREE = postgresql_record (call);
  json_t *sequences CLEANUP_JSON = NULL;
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &record));
  TRY (postgresql_sequences (call->target, postgresql_database (call),
                             &sequences));
  return remember (call, record, sent, sequences);
}

/* Nothing is known of what is about to be copied, and of sequences: whatever
 * interrupts the copy, the next round does not take it for somebody else's
 * work. */
static struct err *
forget (const struct step_call *call, const struct seen *seen)
{
  char *path CLEANUP_FREE = postgresql_record (call);
  size_t i;
  json_t *one;
  json_object_del (seen->record, "sequences");
  json_array_foreach (seen->tables, i, one)
  {
    const char *name = json_text (one, "name");
    if (!json_equal (json_object_get (seen->source.tables, name),
                     json_object_get (seen->target.tables, name)))
      json_object_del (json_object_get (seen->record, "tables"), name);
  }
  return seen->record != NULL ? remote_record (call->target, path, seen->record)
                              : NULL;
}

/* A digest that was made before the copy is taken again after it; in the freeze
 * the proof reads all, and the record goes without what was copied. */
static struct err *
remember_round (const struct step_call *call, const struct seen *seen,
                const json_t *copied)
{
  json_t *again CLEANUP_JSON = json_array ();
  json_t *fresh CLEANUP_JSON = NULL;
  size_t i;
  json_t *one;
  json_array_foreach (seen->tables, i, one)
  {
    const char *name = json_text (one, "name");
    if (!words_have (copied, name))
      continue;
    if (call->step->stage == STAGE_FINAL)
      json_object_del (seen->target.tables, name);
    else
      json_array_append (again, one);
  }
  if (json_array_size (again) > 0)
    TRY (postgresql_digest (call->target, postgresql_database (call), again,
                            &fresh));
  json_object_update (seen->target.tables, fresh);
  return remember (call, seen->record, seen->target.tables, seen->sequences);
}

static bool
is_streamed (const struct step_call *call)
{
  return !call->back && postgresql_streams (call->item);
}

/* What was replicated up to the last record cannot differ, unless it was lost
 * or somebody else wrote there: that is not for a copy to put right. */
static struct err *
judge_streamed (const struct seen *seen)
{
  json_t *differ CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (seen->tables, i, one)
  {
    const char *name = json_text (one, "name");
    if (words_have (seen->published, name)
        && !json_equal (json_object_get (seen->source.tables, name),
                        json_object_get (seen->target.tables, name)))
      json_array_append_new (differ, json_sprintf ("table %s differs", name));
  }
  if (json_array_size (differ) == 0)
    return NULL;
  return err_todo (steps_unequal ("RH-POSTGRESQL-UNEQUAL",
                                  "what was replicated is not equal", differ),
                   "find out who wrote in the database on the target; 'rehome "
                   "sync' copies it anew after an abort");
}

static struct err *
copy_changes (const struct step_call *call, struct seen *seen, bool *whole,
              struct copied *copied)
{
  TRY (postgresql_digests (call, seen->tables, &seen->source, &seen->target));
  if (!call->back)
    TRY (judge_touched (seen->record, seen->target.tables,
                        seen->target_sequences));
  *whole = large_objects_differ (seen->source.tables, seen->target.tables);
  if (*whole)
    return NULL;
  if (is_streamed (call))
    TRY (judge_streamed (seen));
  if (!call->back)
    TRY (forget (call, seen));
  TRY (copy_kind (call, seen, "r", copied));
  TRY (copy_kind (call, seen, "m", copied));
  TRY (
      postgresql_set_sequences (call, seen->sequences, seen->target_sequences));
  return call->back ? NULL : remember_round (call, seen, copied->tables);
}

/* ---- What both servers say first ---- */

static struct err *
look_source (void *ctx)
{
  struct seen *s = ctx;
  const char *const sql[]
      = { postgresql_catalog_sql, postgresql_tables_sql,
          postgresql_sequences_sql, postgresql_published_sql };
  json_t *said[4] = { NULL, NULL, NULL, NULL };
  struct err *e
      = postgresql_jsons (s->call->source, postgresql_database (s->call), sql,
                          sizeof sql / sizeof sql[0], said);
  s->catalog = said[0];
  s->tables = said[1];
  s->sequences = said[2];
  s->published = said[3];
  if (e == NULL)
    postgresql_shifts (s->tables);
  return e;
}

/* In the way back the record is of no use: what is there is the source's own
 * database. */
static struct err *
look_target (void *ctx)
{
  struct seen *s = ctx;
  const struct step_call *call = s->call;
  const char *db = postgresql_database (call);
  if (!call->back) {
    char *path CLEANUP_FREE = postgresql_record (call);
    TRY (remote_recall (call->target, path, &s->record));
    TRY (postgresql_exists (call->target, db, &s->there));
  }
  return call->back || s->there
             ? postgresql_sequences (call->target, db, &s->target_sequences)
             : NULL;
}

static void
seen_clear (struct seen *s)
{
  json_decref (s->catalog);
  json_decref (s->tables);
  json_decref (s->sequences);
  json_decref (s->published);
  json_decref (s->record);
  json_decref (s->target_sequences);
  postgresql_read_clear (&s->source);
  postgresql_read_clear (&s->target);
}

/* A catalog of which no row has changed is of the schema that was copied;
 * otherwise the schema's text says whether it is. */
static struct err *
is_current (const struct seen *s, char **schema, bool *out)
{
  *out = s->there && json_is_object (s->catalog)
         && json_equal (s->catalog, json_at (s->record, "catalog"));
  if (*out)
    return NULL;
  TRY (postgresql_schema (s->call, schema));
  *out = s->there && postgresql_is_current (s->record, *schema);
  if (*out)
    json_object_set (s->record, "catalog", s->catalog);
  return NULL;
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

static struct err *
take_round (const struct step_call *call, struct seen *seen, bool *whole,
            struct copied *copied)
{
  char *schema CLEANUP_FREE = NULL;
  bool current = true;
  const struct beside both[] = { { look_source, seen }, { look_target, seen } };
  TRY (beside_run (call, both, 2, 2));
  if (!call->back)
    TRY (is_current (seen, &schema, &current));
  *whole = !current;
  if (current)
    TRY (copy_changes (call, seen, whole, copied));
  if (*whole && (call->back || is_streamed (call)))
    return call->back ? other_schema () : postgresql_same_schema (call);
  return *whole ? postgresql_whole (call) : NULL;
}

static json_int_t
bytes_of (const struct seen *seen)
{
  json_int_t n = 0;
  size_t i;
  json_t *one;
  json_array_foreach (seen->tables, i, one)
  {
    n += json_integer_value (json_at (one, "bytes"));
  }
  return n;
}

/* The digests of a frozen source are what the proof compares the target's
 * with. */
struct err *
postgresql_round (const struct step_call *call, json_t **result)
{
  bool whole = false;
  json_t *names CLEANUP_JSON = json_array ();
  struct copied copied = { names, 0 };
  CLEANUP (seen_clear) struct seen seen = { .call = call };
  json_t *reached CLEANUP_JSON = NULL;
  if (is_streamed (call) && call->step->stage != STAGE_FINAL)
    return postgresql_stream_round (call, result);
  if (is_streamed (call))
    TRY (postgresql_stream_reach (call, &reached));
  else if (call->back && postgresql_streams (call->item))
    TRY (postgresql_home_reach (call));
  TRY (take_round (call, &seen, &whole, &copied));
  *result = json_pack ("{s:b, s:O, s:I}", "whole", whole, "tables", names,
                       "parts", copied.parts);
  if (call->step->stage == STAGE_FINAL || call->step->stage == STAGE_BACK_FINAL)
  {
    json_object_set_new (*result, "bytes", json_integer (bytes_of (&seen)));
    if (!whole)
      json_object_set (*result, "digests", seen.source.tables);
  }
  json_object_update (*result, reached);
  return NULL;
}
