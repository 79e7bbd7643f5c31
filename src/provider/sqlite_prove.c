/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs.  A round ends when the list of the copy's pages has the sum that
 * the sender had; here the copy is read again and compared with that, and
 * SQLite itself says whether it is whole: before the freeze in any case,
 * inside it where that was quick.
 */
#include "provider/sqlite.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

enum { QUICK_MS = 2000 };

static struct err *
list_pages (const struct step_call *call, const struct lite_db *db, bool target,
            bool lists, bool disk, json_t **out)
{
  struct port *port = target ? call->target : call->source;
  CLEANUP_JSON json_t *args = sqlite_args (call, db, target, lists);
  json_object_set_new (args, "disk", json_boolean (disk));
  return port->ops->call (port, "sqlite.pages", args, call->tick, call->ctx,
                          out);
}

/* "table orders, rows 120 to 180; page 1": what the pages hold. */
static struct err *
names_of (const struct step_call *call, const struct lite_db *db,
          const json_t *pages, char **out)
{
  CLEANUP_JSON json_t *args = sqlite_args (call, db, true, false);
  CLEANUP_JSON json_t *named = NULL;
  CLEANUP_BUF struct buf b = BUF_INIT;
  size_t i;
  json_t *one;
  json_object_set (args, "pages", json_at (pages, "touched_pages"));
  err_free (call->target->ops->call (call->target, "sqlite.name", args, NULL,
                                     NULL, &named));
  json_array_foreach (json_at (named, "pages"), i, one)
  {
    const char *table = json_string_value (json_at (one, "table"));
    json_int_t page = json_integer_value (json_at (one, "page"));
    bool rows = json_at (one, "from") != NULL;
    if (page == 1 && json_array_size (json_at (named, "pages")) > 1)
      continue; /* the header changes with each commit */
    TRY (
        buf_printf (&b, "%spage %lld", b.len > 0 ? "; " : "", (long long)page));
    if (table != NULL)
      TRY (buf_printf (&b, " of %s", table));
    if (rows)
      TRY (buf_printf (&b, ", rows %lld to %lld",
                       (long long)json_integer_value (json_at (one, "from")),
                       (long long)json_integer_value (json_at (one, "to"))));
  }
  *out = b.len > 0 ? buf_steal_str (&b) : mem_strdup ("no page can be named");
  return NULL;
}

struct err *
sqlite_touched (const struct step_call *call, const struct lite_db *db,
                const json_t *pages)
{
  CLEANUP_FREE char *names = NULL;
  CLEANUP_FREE char *list = steps_path (call, "index/%s.pages", db->receiver);
  json_int_t touched = json_integer_value (json_at (pages, "touched"));
  if (touched == 0)
    return NULL;
  TRY (names_of (call, db, pages, &names));
  TRY (remote_remove (call->target, list));
  return err_advise (
      err_new (ERR_UNEQUAL, "RH-SQLITE-TOUCHED",
               "%s was written by somebody else on the %s: %lld pages differ "
               "from the copy that was made: %s",
               db->place, call->target->name, (long long)touched, names),
      "the source is untouched",
      "find out who wrote there; the next rehome sync makes the copy equal "
      "again");
}

/* What the last round said of it; NULL: it was not there. */
static const json_t *
last_round (const struct step_call *call, const struct lite_db *db)
{
  const json_t *first = steps_input (call, "%s#seed", call->item->name);
  const json_t *later = steps_input (call, "%s#round", call->item->name);
  const json_t *last = json_at (later != NULL ? later : first, "databases");
  return json_at (last, db->name);
}

static struct err *
damaged (const struct lite_db *db, const json_t *said)
{
  const char *first
      = json_string_value (json_array_get (json_at (said, "integrity"), 0));
  return err_advise (
      err_new (ERR_UNEQUAL, "RH-SQLITE-DAMAGED",
               "SQLite says of the copy of %s: %s", db->name,
               first != NULL ? first : "it is damaged"),
      "the source is untouched",
      "its pages are those of the source: run PRAGMA integrity_check there");
}

static struct err *
check_one (const struct step_call *call, const struct lite_db *db, bool target,
           json_t *findings, json_t **said)
{
  CLEANUP_JSON json_t *args = sqlite_args (call, db, target, false);
  struct port *port = target ? call->target : call->source;
  TRY (port->ops->call (port, "sqlite.check", args, call->tick, call->ctx,
                        said));
  json_int_t foreign = json_integer_value (json_at (*said, "foreign_keys"));
  if (!json_is_true (json_at (*said, "ok")))
    return damaged (db, *said);
  if (foreign > 0)
    json_array_append_new (
        findings, json_sprintf ("%s: %lld rows break a foreign key, as on the "
                                "source",
                                db->name, (long long)foreign));
  size_t i;
  json_t *one;
  json_array_foreach (json_at (*said, "unchecked"), i, one)
  {
    json_array_append_new (findings,
                           json_sprintf ("%s: not checked: %s", db->name,
                                         json_string_value (one)));
  }
  return NULL;
}

static struct err *
prove_one (const struct step_call *call, const struct lite_db *db,
           json_t *findings, json_t **out)
{
  CLEANUP_JSON json_t *pages = NULL;
  CLEANUP_JSON json_t *said = NULL;
  if (last_round (call, db) == NULL) {
    json_array_append_new (
        findings, json_sprintf ("%s is new since the last round", db->name));
    return NULL;
  }
  TRY (list_pages (call, db, true, true, true, &pages));
  TRY (sqlite_touched (call, db, pages));
  if (!json_is_true (json_at (pages, "known")))
    return err_todo (err_new (ERR_UNEQUAL, "RH-SQLITE-TOUCHED",
                              "no round of %s was whole", db->name),
                     "run rehome sync again");
  if (json_is_true (json_at (last_round (call, db), "same")))
    TRY (check_one (call, db, true, findings, &said));
  *out = json_pack ("{s:O, s:O, s:O*}", "sum", json_at (pages, "sum"), "pages",
                    json_at (pages, "pages"), "check", said);
  return NULL;
}

/* Of each database, which the source names. */
static struct err *
for_each (const struct step_call *call,
          struct err *(*one) (const struct step_call *call,
                              const struct lite_db *db, json_t *findings,
                              json_t **out),
          json_t **result)
{
  CLEANUP_LITE_DBS struct lite_dbs dbs = { 0 };
  CLEANUP_JSON json_t *each = json_object ();
  CLEANUP_JSON json_t *findings = json_array ();
  TRY (sqlite_dbs (call, &dbs));
  for (size_t i = 0; i < dbs.n; i++) {
    json_t *said = NULL;
    TRY (one (call, &dbs.v[i], findings, &said));
    if (said != NULL)
      json_object_set_new (each, dbs.v[i].name, said);
  }
  *result = json_pack ("{s:O, s:O, s:I}", "databases", each, "findings",
                       findings, "count", (json_int_t)dbs.n);
  return NULL;
}

struct err *
sqlite_prove (const struct step_call *call, json_t **result)
{
  return for_each (call, prove_one, result);
}

/* Before anything is down; the list is what #final sends against. */
struct err *
sqlite_settled (const struct step_call *call, json_t **result)
{
  CLEANUP_LITE_DBS struct lite_dbs dbs = { 0 };
  CLEANUP_JSON json_t *listed = json_array ();
  TRY (sqlite_dbs (call, &dbs));
  for (size_t i = 0; i < dbs.n; i++) {
    const struct lite_db *db = &dbs.v[i];
    CLEANUP_JSON json_t *own = sqlite_args (call, db, true, true);
    CLEANUP_JSON json_t *keep
        = json_pack ("{s:s, s:s}", "migration", call->migration, "index",
                     db->sender);
    CLEANUP_JSON json_t *pages = NULL;
    CLEANUP_JSON json_t *kept = NULL;
    TRY (call->target->ops->pipe (call->target, "sqlite.pages", own,
                                  call->source, "sqlite.keep", keep, call->tick,
                                  call->ctx, &pages, &kept));
    TRY (sqlite_touched (call, db, pages));
    json_array_append_new (listed, json_string (db->place));
  }
  *result = json_pack ("{s:O}", "listed", listed);
  return NULL;
}

static const char *
final_sum (const struct step_call *call, const struct lite_db *db)
{
  const json_t *sent
      = steps_input (call, call->back ? "%s#back-final" : "%s#final",
                     call->item->name);
  return json_string_value (
      json_at (json_at (json_at (sent, "databases"), db->name), "sum"));
}

static struct err *
unequal (const struct lite_db *db, const char *side, const char *names)
{
  return err_advise (
      err_new (ERR_UNEQUAL, "RH-SQLITE-UNEQUAL",
               "%s is not what the last round sent, on the %s%s%s", db->name,
               side, names != NULL ? ": " : "", names != NULL ? names : ""),
      "the target was not opened", "sync again");
}

/* Of a host's copy, read now. */
static struct err *
same_sum (const struct step_call *call, const struct lite_db *db, bool target,
          json_t **pages)
{
  const char *wanted = final_sum (call, db), *got;
  CLEANUP_FREE char *names = NULL;
  const char *side = (target ? call->target : call->source)->name;
  if (wanted == NULL)
    return unequal (db, side, "there was no last round of it");
  TRY (list_pages (call, db, target, target, false, pages));
  TRY (json_get_str (*pages, "sum", &got));
  if (strcmp (got, wanted) == 0)
    return NULL;
  if (target && json_integer_value (json_at (*pages, "touched")) > 0)
    TRY (names_of (call, db, *pages, &names));
  return unequal (db, side, names);
}

/* What SQLite said of it before the freeze; NULL: it was not asked, because
 * the pages were of several moments. */
static const json_t *
checked_before (const struct step_call *call, const struct lite_db *db)
{
  const json_t *proof = steps_input (call, "%s#prove", call->item->name);
  return json_at (json_at (json_at (proof, "databases"), db->name), "check");
}

static bool
was_quick (const struct step_call *call, const struct lite_db *db)
{
  const json_t *said = checked_before (call, db);
  return said != NULL && json_integer_value (json_at (said, "ms")) < QUICK_MS;
}

static struct err *
compare_counts (const struct step_call *call, const struct lite_db *db,
                const json_t *copy)
{
  CLEANUP_JSON json_t *args = sqlite_args (call, db, false, false);
  CLEANUP_JSON json_t *own = NULL;
  json_object_set_new (args, "integrity", json_false ());
  TRY (call->source->ops->call (call->source, "sqlite.check", args, call->tick,
                                call->ctx, &own));
  if (json_equal (json_at (own, "tables"), json_at (copy, "tables")))
    return NULL;
  return unequal (db, call->target->name, "tables have other numbers of rows");
}

static struct err *
verify_one (const struct step_call *call, const struct lite_db *db,
            json_t *findings, json_t **out)
{
  CLEANUP_JSON json_t *pages = NULL;
  CLEANUP_JSON json_t *said = NULL;
  TRY (same_sum (call, db, true, &pages));
  if (json_is_true (json_at (pages, "database")) && was_quick (call, db)) {
    TRY (check_one (call, db, true, findings, &said));
    TRY (compare_counts (call, db, said));
  } else if (json_is_true (json_at (pages, "database"))
             && checked_before (call, db) != NULL)
    json_array_append_new (
        findings, json_sprintf ("%s: every page is equal; its checks by SQLite "
                                "were made before the freeze alone",
                                db->name));
  *out = json_pack ("{s:O, s:O, s:O*}", "sum", json_at (pages, "sum"), "pages",
                    json_at (pages, "pages"), "check", said);
  return NULL;
}

struct err *
sqlite_verify (const struct step_call *call, json_t **result)
{
  return for_each (call, verify_one, result);
}

static struct err *
still_one (const struct step_call *call, const struct lite_db *db,
           json_t *findings, json_t **out)
{
  CLEANUP_JSON json_t *said = NULL;
  TRY (same_sum (call, db, false, out));
  if (checked_before (call, db) != NULL
      || !json_is_true (json_at (*out, "database")))
    return NULL;
  /* The target has the same pages: what is said of these holds for both. */
  TRY (check_one (call, db, false, findings, &said));
  json_object_set (*out, "check", said);
  return NULL;
}

struct err *
sqlite_still (const struct step_call *call, json_t **result)
{
  return for_each (call, still_one, result);
}
