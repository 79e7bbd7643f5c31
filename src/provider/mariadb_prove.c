/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of a MariaDB database: the digest of each table on both sides,
 * what counts up by itself, a census of all objects, and accounts with their
 * rights. */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

enum { READ_AGAIN_MS = 1500 };

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
  mariadb_compare ("", json_at (wanted, "structure"), json_at (is, "structure"),
                   differences);
  mariadb_compare ("", json_at (wanted, "objects"), json_at (is, "objects"),
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
    mariadb_compare ("table ", json_at (made, "digests"), digests, differences);
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

/* After the rounds, and after `rehome copy`, of which this is the proof. */
struct err *
mariadb_prove (const struct step_call *call, json_t **result)
{
  const char *db = mariadb_database (call);
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *settled CLEANUP_JSON = NULL;
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  TRY (mariadb_settled (call, &settled));
  TRY (mariadb_census (call->source, db, &a));
  TRY (mariadb_census (call->target, db, &b));
  compare_census (a, b, differences);
  if (json_array_size (differences) > 0)
    return err_todo (steps_unequal ("RH-MARIADB-UNEQUAL",
                                    "definitions are not equal", differences),
                     "run it again, which makes the copy anew where they "
                     "changed on the source");
  *result = json_pack ("{s:O, s:I}", "rows", json_at (settled, "rows"),
                       "objects", (json_int_t)objects_of (a));
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
    if (where != NULL && *json_string_value (where) != '\0')
      json_object_set (one, "where", (json_t *)(uintptr_t)where);
    json_array_append (out, one);
  }
  return out;
}

/*
 * Everything is read again where that takes no time.  Else what the last round
 * copied is; the rest was equal when it read both within the freeze, since
 * which nothing was written on the source (mariadb_still), and the target is
 * still locked for all but this move.
 */
static struct err *
compare_rows (const struct step_call *call, json_t *differences,
              json_t **digests, bool *all)
{
  const json_t *final
      = steps_input (call, call->back ? "%s#back-final" : "%s#final",
                     call->item->name);
  *all = json_integer_value (json_at (final, "read_ms")) < READ_AGAIN_MS;
  json_t *tables CLEANUP_JSON = NULL;
  struct mariadb_sums a CLEANUP_SUMS = { 0 };
  struct mariadb_sums b CLEANUP_SUMS = { 0 };
  TRY (mariadb_tables (call->source, mariadb_database (call), &tables));
  json_t *some CLEANUP_JSON
      = *all ? json_incref (tables)
             : only_copied (tables, json_at (final, "again"));
  TRY (mariadb_digests (call, some, &a, &b));
  mariadb_compare ("table ", a.tables, b.tables, differences);
  *digests = json_incref (*all ? a.tables : json_at (final, "digests"));
  return NULL;
}

/* Foreign keys that lead nowhere, and gaps in time, are the same ones. */
static struct err *
compare_relations (const struct step_call *call, json_t *differences,
                   json_t **relations)
{
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  TRY (mariadb_both (call, mariadb_relations, &a, &b));
  mariadb_compare ("rows without what they refer to by ", json_at (a, "keys"),
                   json_at (b, "keys"), differences);
  mariadb_compare ("hours with rows in ", json_at (a, "hours"),
                   json_at (b, "hours"), differences);
  *relations = json_incref (a);
  return NULL;
}

static struct err *
compare_data (const struct step_call *call, json_t *differences,
              json_t **digests, json_t **relations)
{
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  bool all;
  TRY (compare_rows (call, differences, digests, &all));
  TRY (mariadb_both (call, mariadb_numbers, &a, &b));
  compare_numbers (a, b, differences);
  return all ? compare_relations (call, differences, relations) : NULL;
}

struct err *
mariadb_verify (const struct step_call *call, json_t **result)
{
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *digests CLEANUP_JSON = NULL;
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  json_t *still CLEANUP_JSON = NULL;
  json_t *relations CLEANUP_JSON = NULL;
  TRY (mariadb_both (call, mariadb_census, &a, &b));
  compare_census (a, b, differences);
  if (json_array_size (differences) == 0)
    TRY (compare_data (call, differences, &digests, &relations));
  if (!call->back)
    TRY (mariadb_compare_accounts (call, differences));
  TRY (mariadb_still (call, &still));
  if (json_array_size (differences) > 0)
    return err_todo (steps_unequal ("RH-MARIADB-UNEQUAL",
                                    "the database is not equal", differences),
                     "run 'rehome sync' again, which copies what differs");
  *result = json_pack ("{s:O, s:I, s:I, s:i}", "digests", digests, "rows",
                       (json_int_t)rows_of (digests), "objects",
                       (json_int_t)objects_of (a), "differences", 0);
  if (relations != NULL)
    json_object_set (*result, "relations", relations);
  return NULL;
}
