/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wal_level of the new server, for the stream back: set before the first copy,
 * when nothing of the move serves there yet, with one restart where the plan
 * allows that and nobody else works on that cluster.  It is taken back without
 * another restart, as on the source.
 */
#include "provider/postgresql_home.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

const struct plan_item *
postgresql_first_streamed (const struct plan *plan)
{
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (strcmp (plan_item (plan, i)->kind, "postgresql") == 0
        && postgresql_streams (plan_item (plan, i)))
      return plan_item (plan, i);
  return NULL;
}

static char *
record_of (const struct step_call *call)
{
  return steps_path (call, "results/postgresql-level.json");
}

/* Databases of others, and sessions but our own. */
static const char looked_sql[]
    = "SELECT json_build_object('level', current_setting('wal_level'),"
      " 'cluster', current_setting('cluster_name'), 'own', (SELECT setting"
      "  FROM pg_file_settings WHERE name = 'wal_level' AND sourcefile LIKE"
      "  '%/postgresql.auto.conf' LIMIT 1), 'databases', (SELECT"
      "  coalesce(json_agg(datname), '[]') FROM pg_database WHERE NOT"
      "  datistemplate AND datname <> 'postgres'), 'sessions', (SELECT count(*)"
      "  FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid"
      "  <> pg_backend_pid()));";

static bool
is_item (const struct plan *plan, const char *database)
{
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const char *of
        = json_string_value (json_at (plan_item (plan, i)->spec, "postgresql"));
    if (of != NULL && strcmp (of, database) == 0)
      return true;
  }
  return false;
}

/* Why its server is not restarted; NULL: it may be. */
static char *
why_not (const struct step_call *call, const json_t *seen)
{
  size_t i;
  json_t *one;
  if (json_at (call->item->spec, "restart") == NULL)
    return mem_strdup ("the plan allows no restart");
  if (strchr (json_text (seen, "cluster"), '/') == NULL)
    return mem_strdup ("it is none of Debian's clusters");
  json_array_foreach (json_at (seen, "databases"), i, one)
  {
    if (!is_item (call->plan, json_string_value (one)))
      return mem_printf ("database %s works there, too",
                         json_string_value (one));
  }
  if (json_integer_value (json_at (seen, "sessions")) > 0)
    return mem_strdup ("others are connected there");
  return NULL;
}

struct err *
postgresql_level (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = record_of (call);
  json_t *seen CLEANUP_JSON = NULL;
  json_t *before CLEANUP_JSON = NULL;
  TRY (postgresql_json (call->source, "postgres", looked_sql, &seen));
  if (postgresql_is_logical (seen)) {
    *result = json_pack ("{s:b}", "logical", 1);
    return NULL;
  }
  char *why CLEANUP_FREE = why_not (call, seen);
  if (why != NULL) {
    *result = json_pack (
        "{s:b, s:[o]}", "logical", 0, "findings",
        json_sprintf ("what the target takes comes back by rounds, not by "
                      "replication: its PostgreSQL would have to be restarted "
                      "with wal_level = logical, and %s",
                      why));
    return NULL;
  }
  TRY (remote_recall (call->source, path, &before));
  if (before == NULL)
    TRY (remote_record (call->source, path, seen));
  TRY (postgresql_make_logical (call, seen));
  *result = json_pack ("{s:b}", "logical", 1);
  return NULL;
}

struct err *
postgresql_level_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  char *path CLEANUP_FREE = record_of (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  TRY (postgresql_put_back_level (call, record));
  return remote_remove (call->source, path);
}
