/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective settings of both MariaDB servers.  Those that decide what
 * statements mean, and that a session may have of its own, are carried where
 * the plan says so: MariaDB has no settings of a database, so the target's
 * server gets them, with a file that keeps them.  Others are listed.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* As a variable, and as an option of the file that is carried; "": listed
 * alone.  A character set brings its own collation, so it goes before. */
static const char *const names[][2]
    = { { "sql_mode", "sql_mode" },
        { "old_mode", "old_mode" },
        { "time_zone", "default_time_zone" },
        { "character_set_server", "character_set_server" },
        { "collation_server", "collation_server" },
        { "character_set_collations", "character_set_collations" },
        { "group_concat_max_len", "group_concat_max_len" },
        { "explicit_defaults_for_timestamp",
          "explicit_defaults_for_timestamp" },
        { "default_storage_engine", "default_storage_engine" },
        { "wait_timeout", "wait_timeout" },
        { "innodb_strict_mode", "innodb_strict_mode" },
        { "tx_isolation", "transaction_isolation" },
        { "div_precision_increment", "div_precision_increment" },
        { "default_week_format", "default_week_format" },
        { "auto_increment_increment", "auto_increment_increment" },
        { "auto_increment_offset", "auto_increment_offset" },
        { "system_time_zone", "" },
        { "max_allowed_packet", "" },
        { "innodb_page_size", "" },
        { "ft_min_word_len", "" },
        { "innodb_ft_min_token_size", "" },
        { "innodb_autoinc_lock_mode", "" },
        { "max_connections", "" },
        { "log_bin_trust_function_creators", "" },
        { "event_scheduler", "" } };
enum { NAMES = sizeof names / sizeof *names };

static struct err *
ask (struct port *p, json_t **out)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  TRY (buf_printf (&sql, "SELECT LOWER(VARIABLE_NAME), VARIABLE_VALUE FROM"
                         " information_schema.GLOBAL_VARIABLES WHERE"
                         " VARIABLE_NAME IN (''"));
  for (size_t i = 0; i < NAMES; i++)
    TRY (buf_printf (&sql, ", '%s'", names[i][0]));
  TRY (buf_printf (&sql, ");"));
  return mariadb_rows (p, (const char *)sql.data, out);
}

static bool
is_carried (const char *variable)
{
  for (size_t i = 0; i < NAMES; i++)
    if (strcmp (names[i][0], variable) == 0)
      return *names[i][1] != '\0';
  return false;
}

bool
mariadb_carries (const struct plan_item *item)
{
  return json_at (item->spec, "settings") != NULL;
}

static char *
record_of (const struct step_call *call)
{
  return steps_path (call, "results/mariadb-settings.json");
}

static char *
conf_of (const struct step_call *call)
{
  return mem_printf ("/etc/mysql/mariadb.conf.d/zz-rehome-%s-settings.cnf",
                     call->migration);
}

/* ---- What differs ---- */

/* A word that means nothing else in a statement or in a file of options. */
static bool
is_plain (const char *value)
{
  return value[strspn (value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                              "WXYZ0123456789_,:=+/.-")]
             == '\0'
         && strlen (value) < 1000;
}

static struct err *
put_set (struct buf *sql, const char *scope, const char *name,
         const char *value)
{
  bool number = *value != '\0' && value[strspn (value, "0123456789")] == '\0';
  return buf_printf (sql, number ? "SET %s %s = %s;\n" : "SET %s %s = '%s';\n",
                     scope, name, value);
}

/* Whether the target's server takes it, asked of a session. */
static struct err *
is_taken (struct port *target, const char *name, const char *value, bool *out)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  *out = false;
  if (!is_plain (value))
    return NULL;
  TRY (put_set (&sql, "SESSION", name, value));
  struct err *e = mariadb_run (target, (const char *)sql.data, NULL);
  *out = e == NULL;
  if (e != NULL && strcmp (err_code (e), "RH-PROGRAM-FAILED") != 0)
    return e;
  err_free (e);
  return NULL;
}

static struct err *
judge (const struct step_call *call, const char *name, const char *is,
       const char *there, struct mariadb_settings *out)
{
  const char *then = "";
  if (mariadb_carries (call->item) && is_carried (name)) {
    bool taken;
    TRY (is_taken (call->target, name, is, &taken));
    then = taken ? "; the target's server is given the source's"
                 : "; the target's server does not take it, and keeps its own";
    if (taken)
      json_object_set_new (out->carry, name, json_string (is));
  }
  json_array_append_new (out->findings,
                         json_sprintf ("MariaDB's %s is '%s' on the source and "
                                       "'%s' on the target%s",
                                       name, is, there, then));
  return NULL;
}

struct err *
mariadb_settings_differ (const struct step_call *call,
                         struct mariadb_settings *out)
{
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  const char *name;
  json_t *value;
  TRY (ask (call->source, &a));
  TRY (ask (call->target, &b));
  /* Before 11.2 each character set had the collation that it is born with;
   * since then literals and tables get another one. */
  if (json_object_get (b, "character_set_collations") != NULL
      && json_object_get (a, "character_set_collations") == NULL)
    json_object_set_new (a, "character_set_collations", json_string (""));
  json_object_foreach (a, name, value)
  {
    json_t *there = json_object_get (b, name);
    if (there != NULL && !json_equal (value, there))
      TRY (judge (call, name, json_string_value (value),
                  json_string_value (there), out));
  }
  return NULL;
}

/* ---- What is carried ---- */

static const char *
value_of (const json_t *values, size_t i)
{
  const char *value = json_string_value (json_object_get (values, names[i][0]));
  return value != NULL && *names[i][1] != '\0' && is_plain (value) ? value
                                                                   : NULL;
}

/* For every new session. */
static struct err *
set_all (struct port *p, const json_t *values)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  for (size_t i = 0; i < NAMES; i++)
    if (value_of (values, i) != NULL)
      TRY (put_set (&sql, "GLOBAL", names[i][0], value_of (values, i)));
  return sql.len == 0 ? NULL : mariadb_run (p, (const char *)sql.data, NULL);
}

static struct err *
write_conf (const struct step_call *call, const json_t *carry)
{
  char *conf CLEANUP_FREE = conf_of (call);
  struct buf text CLEANUP_BUF = BUF_INIT;
  TRY (buf_printf (&text,
                   "# Written by rehome: as the server had it from "
                   "which database %s came.\n[mariadbd]\n",
                   mariadb_database (call)));
  for (size_t i = 0; i < NAMES; i++)
    if (value_of (carry, i) != NULL)
      TRY (buf_printf (&text, "%s = %s\n", names[i][1], value_of (carry, i)));
  return remote_write (call->target, conf, (const char *)text.data, text.len,
                       0644);
}

/* Several items of one server share the record: the first one found it. */
struct err *
mariadb_settings_put (const struct step_call *call, json_t **result)
{
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  const json_t *carry = json_at (look, "carry");
  char *path CLEANUP_FREE = record_of (call);
  json_t *before CLEANUP_JSON = NULL;
  bool begun;
  *result = json_pack ("{s:O*}", "carried", carry);
  if (json_object_size (carry) == 0)
    return NULL;
  TRY (remote_exists (call->target, path, &begun));
  if (!begun) {
    TRY (ask (call->target, &before));
    TRY (remote_record (call->target, path, before));
  }
  TRY (write_conf (call, carry));
  return set_all (call->target, carry);
}

struct err *
mariadb_settings_back (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = record_of (call);
  char *conf CLEANUP_FREE = conf_of (call);
  json_t *before CLEANUP_JSON = NULL;
  (void)result;
  TRY (remote_recall (call->target, path, &before));
  if (before == NULL)
    return NULL;
  TRY (remote_remove (call->target, conf));
  TRY (set_all (call->target, before));
  return remote_remove (call->target, path);
}

struct err *
mariadb_settings_left (const struct step_call *call, json_t *left)
{
  char *path CLEANUP_FREE = record_of (call);
  char *conf CLEANUP_FREE = conf_of (call);
  bool carries;
  TRY (remote_exists (call->target, conf, &carries));
  if (carries) {
    words_add (left, conf);
    words_add (left, "MariaDB's server: it keeps the source's settings");
  }
  return remote_remove (call->target, path);
}
