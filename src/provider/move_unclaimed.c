/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule that keeps "0 lost" honest: every listener and every writer on the
 * source belongs to an item, or is left behind with a reason.  A writer
 * within the moved files can not be left behind: something has to stop it.
 */
#include "provider/move.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/accounts.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <string.h>

/* Parts of the host's own system, which every host has of its own. */
static bool
is_base (const char *unit)
{
  return strncmp (unit, "systemd-", 8) == 0 || strcmp (unit, "init.scope") == 0
         || strcmp (unit, "dbus.service") == 0
         || strncmp (unit, "rehome", 6) == 0;
}

static bool
has_id (const json_t *ids, json_int_t id)
{
  size_t i;
  json_t *one;
  json_array_foreach (ids, i, one)
  {
    if (json_integer_value (one) == id)
      return true;
  }
  return false;
}

/* comm is cut to 15 bytes by the kernel. */
static bool
same_comm (const char *comm, const char *name)
{
  return strncmp (comm, name, 15) == 0;
}

static bool
same_unit (const char *unit, const char *name)
{
  size_t len = strlen (name);
  return strcmp (unit, name) == 0
         || (strncmp (unit, name, len) == 0
             && strcmp (unit + len, ".service") == 0);
}

static bool
same_listener (const json_t *row, const char *listener)
{
  const char *proto = json_text (row, "proto");
  size_t len = strcspn (listener, ":");
  if (listener[len] != ':' || len < 3 || strncmp (proto, listener, 3) != 0)
    return false;
  const char *port = strrchr (listener, ':') + 1;
  return atoi (port) == (int)json_integer_value (json_at (row, "port"));
}

static bool
is_left (const struct step_call *call, const json_t *row,
         const json_t *left_uids, bool listener)
{
  size_t i;
  json_t *one;
  json_array_foreach (plan_leave (call->plan), i, one)
  {
    const char *process = json_string_value (json_at (one, "process"));
    const char *unit = json_string_value (json_at (one, "unit"));
    const char *where = json_string_value (json_at (one, "listener"));
    if ((process != NULL && same_comm (json_text (row, "comm"), process))
        || (unit != NULL && same_unit (json_text (row, "unit"), unit))
        || (listener && where != NULL && same_listener (row, where)))
      return true;
  }
  return has_id (left_uids, json_integer_value (json_at (row, "uid")));
}

static bool
is_ours (const json_t *own, const json_t *row)
{
  char key[24];
  snprintf (key, sizeof key, "%lld",
            (long long)json_integer_value (json_at (row, "pid")));
  return json_object_get (own, key) != NULL
         || strncmp (json_text (row, "comm"), "rehome", 6) == 0;
}

static json_t *
describe_row (const json_t *row, const char *does)
{
  const char *unit = json_text (row, "unit");
  return json_sprintf ("%s (pid %lld, unit %s) %s", json_text (row, "comm"),
                       (long long)json_integer_value (json_at (row, "pid")),
                       unit[0] == '\0' ? "none" : unit, does);
}

/* A path of the row that lies within the moved files, or NULL. */
static const char *
path_within (const struct step_call *call, const json_t *row)
{
  const char *within = json_string_value (json_at (row, "within"));
  size_t i;
  json_t *one;
  if (within != NULL)
    return within;
  json_array_foreach (json_at (row, "paths"), i, one)
  {
    if (json_is_string (one)
        && steps_path_moves (call->plan, json_string_value (one)))
      return json_string_value (one);
  }
  return NULL;
}

/* The server of a database that moves: it goes on, for itself and for others,
 * and the item's own freeze keeps it from writing there. */
static bool
is_database (const struct step_call *call, const char *unit)
{
  static const char *const servers[][2] = {
    { "postgresql", "postgresql@" },
    { "mariadb", "mariadb.service" },
    { "mariadb", "mariadb.service" },
  };
  for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++)
    if (strncmp (unit, servers[i][1], strlen (servers[i][1])) == 0)
      return steps_first (call->plan, servers[i][0]) != NULL;
  return false;
}

static void
judge_writer (const struct step_call *call, const json_t *row,
              const json_t *units, const json_t *uids, const json_t *left_uids,
              json_t *out)
{
  const char *unit = json_text (row, "unit");
  const char *within = path_within (call, row);
  bool cron = steps_first (call->plan, "cron") != NULL
              && strcmp (unit, "cron.service") == 0;
  bool stopped = words_have (units, unit) || cron
                 || has_id (uids, json_integer_value (json_at (row, "uid")));
  if (stopped)
    return;
  if (within == NULL
      && (is_base (unit) || is_database (call, unit)
          || is_left (call, row, left_uids, false)))
    return;
  const char *path
      = within != NULL
            ? within
            : json_string_value (json_array_get (json_at (row, "paths"), 0));
  char *does CLEANUP_FREE = mem_printf (
      "writes %s%s", path == NULL ? "a file" : path,
      within != NULL ? ", which moves, and nothing in the plan stops it" : "");
  json_array_append_new (out, describe_row (row, does));
}

static void
judge_listener (const struct step_call *call, const json_t *row,
                const json_t *units, const json_t *left_uids, json_t *out)
{
  const char *unit = json_text (row, "unit");
  if (strncmp (json_text (row, "proto"), "unix", 4) == 0
      || words_have (units, unit) || is_base (unit) || is_database (call, unit)
      || is_left (call, row, left_uids, true))
    return;
  char *does CLEANUP_FREE
      = mem_printf ("listens on %s %s port %lld", json_text (row, "proto"),
                    json_text (row, "address"),
                    (long long)json_integer_value (json_at (row, "port")));
  json_array_append_new (out, describe_row (row, does));
}

static json_t *
row_of_pid (json_t *rows, const json_t *pid)
{
  size_t i;
  json_t *row;
  json_array_foreach (rows, i, row)
  {
    if (json_equal (json_at (row, "pid"), pid))
      return row;
  }
  return NULL;
}

void
move_unclaimed_within (json_t *open, const json_t *under)
{
  size_t i;
  json_t *one;
  json_array_foreach (under, i, one)
  {
    if (json_is_true (json_at (one, "deleted")))
      continue;
    json_t *row = row_of_pid (open, json_at (one, "pid"));
    if (row == NULL) {
      row = json_copy (one);
      json_array_append_new (open, row);
    }
    if (json_at (row, "within") == NULL)
      json_object_set (row, "within", json_object_get (one, "path"));
  }
}

json_t *
move_unclaimed_rows (const struct step_call *call, const json_t *processes,
                     const json_t *writers, const json_t *listeners,
                     const json_t *uids, const json_t *left_uids)
{
  json_t *out = json_array ();
  json_t *units CLEANUP_JSON = service_plan_units (call);
  json_t *own CLEANUP_JSON = steps_agent_pids (processes);
  size_t i;
  json_t *row;
  json_array_foreach (writers, i, row)
  {
    if (!is_ours (own, row))
      judge_writer (call, row, units, uids, left_uids, out);
  }
  json_array_foreach (listeners, i, row)
  {
    if (!is_ours (own, row))
      judge_listener (call, row, units, left_uids, out);
  }
  return out;
}

/* Ids of the moved users, and of the users that leave names. */
static struct err *
users_of (const struct step_call *call, json_t *uids, json_t *left_uids)
{
  struct accounts_db *db CLEANUP_ACCOUNTS = NULL;
  struct accounts_scope scope CLEANUP_SCOPE = { 0 };
  TRY (accounts_load (call->source, &db));
  accounts_scope_read (call->plan, db, &scope);
  size_t i;
  json_t *one;
  json_array_foreach (scope.users, i, one)
  {
    const struct account *a = accounts_user (db, json_string_value (one));
    if (a != NULL && a->uid != 0)
      json_array_append_new (uids, json_integer (a->uid));
  }
  json_array_foreach (plan_leave (call->plan), i, one)
  {
    const char *user = json_string_value (json_at (one, "user"));
    const struct account *a = user == NULL ? NULL : accounts_user (db, user);
    if (a != NULL)
      json_array_append_new (left_uids, json_integer (a->uid));
  }
  return NULL;
}

static struct err *
refuse (const json_t *rows)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t n = json_array_size (rows);
  for (size_t i = 0; i < n && i < 10; i++)
    TRY (buf_printf (&b, "%s%s", i == 0 ? "" : "; ",
                     json_string_value (json_array_get (rows, i))));
  if (n > 10)
    TRY (buf_printf (&b, "; and %zu more", n - 10));
  char *shown CLEANUP_FREE = text_escape ((const char *)b.data, b.len);
  return err_advise (
      err_new (ERR_BLOCKED, "RH-MOVE-UNCLAIMED",
               "on the source, no item of the plan claims: %s", shown),
      "nothing was changed",
      "add an item for what belongs to the work, or write the rest under "
      "'leave' with a reason; what writes into moved files has to be stopped "
      "or to be an item");
}

struct err *
move_unclaimed (const struct step_call *call, json_t **result)
{
  json_t *processes CLEANUP_JSON = NULL;
  json_t *writers CLEANUP_JSON = NULL;
  json_t *under CLEANUP_JSON = NULL;
  json_t *listeners CLEANUP_JSON = NULL;
  json_t *uids CLEANUP_JSON = json_array ();
  json_t *left_uids CLEANUP_JSON = json_array ();
  TRY (users_of (call, uids, left_uids));
  TRY (port_call (call->source, "process.list", json_object (), &processes));
  TRY (port_call (call->source, "process.open", json_object (), &writers));
  TRY (port_call (call->source, "process.writers", steps_writers_args (call),
                  &under));
  move_unclaimed_within (json_object_get (writers, "writers"),
                         json_at (under, "writers"));
  TRY (port_call (call->source, "process.listeners", json_object (),
                  &listeners));
  json_t *rows CLEANUP_JSON
      = move_unclaimed_rows (call, json_at (processes, "processes"),
                             json_at (writers, "writers"),
                             json_at (listeners, "listeners"), uids, left_uids);
  if (json_array_size (rows) > 0)
    return refuse (rows);
  *result = json_pack (
      "{s:I,s:I,s:O}", "writers",
      (json_int_t)json_array_size (json_at (writers, "writers")), "listeners",
      (json_int_t)json_array_size (json_at (listeners, "listeners")), "left",
      plan_leave (call->plan));
  return NULL;
}
