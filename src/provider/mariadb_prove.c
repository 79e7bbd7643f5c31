/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of a MariaDB database: the digest of each table on both sides,
 * what counts up by itself, a census of all objects, and accounts with their
 * rights. */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/beside.h"
#include "provider/queries.h"
#include "provider/relations.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

static int64_t
rows_of (const json_t *digests)
{
  const char *key;
  json_t *value;
  int64_t n = 0;
  json_object_foreach ((json_t *)digests, key, value)
  {
    n += strtoll (json_string_value (value), NULL, 10);
  }
  return n;
}

static size_t
objects_of (const json_t *census)
{
  return json_object_size (json_at (census, "structure"))
         + json_object_size (json_at (census, "objects"));
}

/* The next value may be higher than the other's, never lower. */
static void
compare_numbers (const json_t *wanted, const json_t *is, json_t *differences)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)wanted, key, value)
  {
    if (strtoull (json_text (is, key), NULL, 10)
        < strtoull (json_string_value (value), NULL, 10))
      json_array_append_new (
          differences, json_sprintf ("AUTO_INCREMENT of %s is lower", key));
  }
}

static void
compare_census (const json_t *wanted, const json_t *is, json_t *differences)
{
  steps_compare ("", json_at (wanted, "structure"), json_at (is, "structure"),
                 differences);
  steps_compare ("", json_at (wanted, "objects"), json_at (is, "objects"),
                 differences);
}

/* Told once: what differs is copied again by the next round, and where the
 * structure does everything is. */
static struct err *
touched (const struct step_call *call, const json_t *made, bool structure,
         const json_t *differences)
{
  char *path CLEANUP_FREE = mariadb_record (call);
  json_t *rest CLEANUP_JSON
      = structure ? json_object ()
                  : json_pack ("{s:O*}", "source", json_at (made, "source"));
  TRY (remote_record (call->target, path, rest));
  return err_advise (
      steps_unequal ("RH-MARIADB-TOUCHED",
                     "the database on the target is not as the last round "
                     "left it",
                     differences),
      "the source is untouched, nothing was frozen",
      "find out who wrote there; the next 'rehome sync' makes the copy equal "
      "again (not an account's password: drop the account there before)");
}

struct err *
mariadb_differs (const struct step_call *call, const json_t *made,
                 json_t *differences, bool *structure)
{
  const char *db = mariadb_database (call);
  json_t *digests CLEANUP_JSON = NULL;
  json_t *census CLEANUP_JSON = NULL;
  json_t *numbers CLEANUP_JSON = NULL;
  TRY (mariadb_census (call->target, db, &census));
  compare_census (json_at (made, "census"), census, differences);
  *structure = !json_equal (json_at (json_at (made, "census"), "structure"),
                            json_at (census, "structure"));
  if (!*structure) {
    TRY (mariadb_digest (call->target, db, json_at (made, "tables"), &digests));
    TRY (mariadb_numbers (call->target, db, &numbers));
    steps_compare ("table ", json_at (made, "digests"), digests, differences);
    compare_numbers (json_at (made, "numbers"), numbers, differences);
  }
  return mariadb_check_accounts (call, json_at (made, "accounts"), differences);
}

struct err *
mariadb_check_copy (const struct step_call *call, const json_t *made)
{
  json_t *differences CLEANUP_JSON = json_array ();
  bool structure;
  TRY (mariadb_differs (call, made, differences, &structure));
  if (json_array_size (differences) > 0)
    return touched (call, made, structure, differences);
  return NULL;
}

/* Before anything is down: is the copy what the last round left? */
struct err *
mariadb_settled (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = mariadb_record (call);
  json_t *made CLEANUP_JSON = NULL;
  json_t *differences CLEANUP_JSON = json_array ();
  TRY (remote_recall (call->target, path, &made));
  if (json_at (made, "digests") == NULL)
    return err_todo (err_new (ERR_REFUSED, "RH-MARIADB-TOUCHED",
                              "no round of database %s was whole",
                              mariadb_database (call)),
                     "run 'rehome sync' again");
  TRY (mariadb_check_copy (call, made));
  TRY (mariadb_compare_accounts (call, differences));
  if (json_array_size (differences) > 0)
    return err_todo (steps_unequal ("RH-MARIADB-UNEQUAL",
                                    "accounts are not equal", differences),
                     "drop what is named on the target, or revoke it, and run "
                     "'rehome sync' again");
  *result = json_pack ("{s:I}", "rows",
                       (json_int_t)rows_of (json_at (made, "digests")));
  return NULL;
}

static struct err *
takes_writes (const struct step_call *call, json_t **tried)
{
  json_t *tables CLEANUP_JSON = NULL;
  json_t *differences CLEANUP_JSON = json_array ();
  TRY (mariadb_tables (call->target, mariadb_database (call), &tables));
  TRY (mariadb_try_writes (call, tables, differences, tried));
  if (json_array_size (differences) == 0)
    return NULL;
  json_decref (STEAL (*tried));
  return err_todo (steps_unequal ("RH-MARIADB-UNEQUAL",
                                  "the copy does not take writes", differences),
                   "look at these tables on the target, and at its log");
}

/* After the rounds, and after `rehome copy`, of which this is the proof. */
struct err *
mariadb_prove (const struct step_call *call, json_t **result)
{
  json_t *tried CLEANUP_JSON = NULL;
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *settled CLEANUP_JSON = NULL;
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  TRY (mariadb_settled (call, &settled));
  TRY (mariadb_both (call, mariadb_census, &a, &b));
  compare_census (a, b, differences);
  if (json_array_size (differences) > 0)
    return err_todo (steps_unequal ("RH-MARIADB-UNEQUAL",
                                    "definitions are not equal", differences),
                     "run it again, which makes the copy anew where they "
                     "changed on the source");
  TRY (takes_writes (call, &tried));
  *result = json_pack ("{s:O, s:I, s:O}", "rows", json_at (settled, "rows"),
                       "objects", (json_int_t)objects_of (a), "tried", tried);
  queries_before (call, &mariadb_queries, *result);
  return NULL;
}

/* What the last round copied, or its rows that it copied. */
static json_t *
only_copied (const json_t *tables, const json_t *again)
{
  json_t *out = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach ((json_t *)(uintptr_t)tables, i, one)
  {
    const json_t *where = json_object_get (again, json_text (one, "name"));
    if (where == NULL && strcmp (json_text (one, "kind"), "S") != 0)
      continue;
    json_t *part = json_copy (one);
    if (where != NULL && *json_string_value (where) != '\0')
      json_object_set (part, "where", (json_t *)(uintptr_t)where);
    json_array_append_new (out, part);
  }
  return out;
}

/* ---- The last proof ---- */

/* Its looks need nothing of each other and are made at the same time; each has
 * differences of its own. */
enum { CENSUS, ROWS, NUMBERS, RELATIONS, SAMPLES, ACCOUNTS, LOOKS };

struct verifying {
  const struct step_call *call;
  const json_t *final; /* the last round's result */
  bool all;
  json_t *tables;
  json_t *differences[LOOKS];
  json_t *relations, *samples;
  size_t objects;
};

static void
verifying_clear (struct verifying *v)
{
  for (int i = 0; i < LOOKS; i++)
    json_decref (v->differences[i]);
  json_decref (v->tables);
  json_decref (v->relations);
  json_decref (v->samples);
}

static struct err *
verify_census (void *ctx)
{
  struct verifying *v = ctx;
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  TRY (mariadb_both (v->call, mariadb_census, &a, &b));
  v->objects = objects_of (a);
  compare_census (a, b, v->differences[CENSUS]);
  return NULL;
}

/*
 * Everything on the target is read again where that is not much.  Else what
 * the last round copied is, on both sides; the rest was equal when it read
 * both within the freeze, since which nothing was written on the source
 * (mariadb_still), and the target is still locked for all but this move.
 */
static struct err *
verify_rows (void *ctx)
{
  struct verifying *v = ctx;
  const char *db = mariadb_database (v->call);
  json_t *differences = v->differences[ROWS];
  json_t *now CLEANUP_JSON = NULL;
  struct mariadb_sums a CLEANUP_SUMS = { 0 };
  struct mariadb_sums b CLEANUP_SUMS = { 0 };
  if (v->all) {
    TRY (mariadb_digest (v->call->target, db, v->tables, &now));
    steps_compare ("table ", json_at (v->final, "digests"), now, differences);
    return NULL;
  }
  json_t *some CLEANUP_JSON
      = only_copied (v->tables, json_at (v->final, "again"));
  TRY (mariadb_digests (v->call, some, &a, &b));
  steps_compare ("table ", a.tables, b.tables, differences);
  return NULL;
}

static struct err *
verify_numbers (void *ctx)
{
  struct verifying *v = ctx;
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  TRY (mariadb_both (v->call, mariadb_numbers, &a, &b));
  compare_numbers (a, b, v->differences[NUMBERS]);
  return NULL;
}

/* Foreign keys that lead nowhere, and gaps in time, are the same ones. */
static struct err *
verify_relations (void *ctx)
{
  struct verifying *v = ctx;
  json_t *differences = v->differences[RELATIONS];
  json_t *b CLEANUP_JSON = NULL;
  if (!v->all)
    return NULL;
  TRY (mariadb_both (v->call, mariadb_relations, &v->relations, &b));
  relations_compare (v->relations, b, differences);
  return NULL;
}

static struct err *
verify_samples (void *ctx)
{
  struct verifying *v = ctx;
  return mariadb_samples (v->call, v->tables, v->differences[SAMPLES],
                          &v->samples);
}

static struct err *
verify_accounts (void *ctx)
{
  struct verifying *v = ctx;
  return v->call->back
             ? NULL
             : mariadb_compare_accounts (v->call, v->differences[ACCOUNTS]);
}

/* What has another definition cannot be read alike: its error is not the
 * cause. */
static struct err *
verify_all (struct verifying *v, json_t *differences)
{
  const struct beside looks[LOOKS] = {
    [CENSUS] = { verify_census, v },   [ROWS] = { verify_rows, v },
    [NUMBERS] = { verify_numbers, v }, [RELATIONS] = { verify_relations, v },
    [SAMPLES] = { verify_samples, v }, [ACCOUNTS] = { verify_accounts, v },
  };
  TRY (
      mariadb_tables (v->call->source, mariadb_database (v->call), &v->tables));
  for (int i = 0; i < LOOKS; i++)
    v->differences[i] = json_array ();
  struct err *e = beside_run (v->call, looks, LOOKS, LOOKS);
  bool defined = json_array_size (v->differences[CENSUS]) > 0;
  if (e != NULL && !(defined && strncmp (err_code (e), "RH-PROGRAM-", 11) == 0))
    return e;
  err_free (e);
  for (int i = 0; i < (defined ? CENSUS + 1 : LOOKS); i++)
    json_array_extend (differences, v->differences[i]);
  return NULL;
}

struct err *
mariadb_verify (const struct step_call *call, json_t **result)
{
  struct verifying v CLEANUP (verifying_clear)
      = { .call = call,
          .final = steps_input (call, call->back ? "%s#back-final" : "%s#final",
                                call->item->name) };
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *still CLEANUP_JSON = NULL;
  const json_t *digests = json_at (v.final, "digests");
  v.all = relations_looked_at (v.final);
  TRY (verify_all (&v, differences));
  TRY (mariadb_still (call, &still));
  if (json_array_size (differences) > 0)
    return err_todo (steps_unequal ("RH-MARIADB-UNEQUAL",
                                    "the database is not equal", differences),
                     "run 'rehome sync' again, which copies what differs");
  *result = json_pack ("{s:O, s:I, s:I, s:i, s:O}", "digests", digests, "rows",
                       (json_int_t)rows_of (digests), "objects",
                       (json_int_t)v.objects, "differences", 0, "samples",
                       v.samples);
  if (v.relations != NULL)
    json_object_set (*result, "relations", v.relations);
  return NULL;
}
