/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a MariaDB database can be moved: what both servers are, what is in
 * the way, and what this version refuses by name. */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/credentials.h"
#include "provider/queries.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_BYTES ((uint64_t)64 << 20) /* logs of the server's own */

/* A row each: what it is, and a value or names ("": none).  A view is opened,
 * and says what is wrong with it, only where a column like TABLE_ROWS is read.
 */
static const char source_sql[]
    = "SELECT 'version', VERSION();\n"
      "SELECT 'datadir', @@datadir;\n"
      "SELECT 'case', @@lower_case_table_names;\n"
      "SELECT 'read_only', @@GLOBAL.read_only + 0;\n"
      "SELECT 'events', @@GLOBAL.event_scheduler;\n"
      "SELECT 'userstat', @@GLOBAL.userstat + 0;\n"
      "SELECT 'bytes', IFNULL(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM"
      "  information_schema.TABLES WHERE TABLE_SCHEMA = '%s';\n"
      "SELECT 'holds', JSON_OBJECT("
      "  'tables', COUNT(*), 'rows', IFNULL(SUM(TABLE_ROWS), 0),"
      "  'views', (SELECT COUNT(*) FROM information_schema.VIEWS WHERE"
      "   TABLE_SCHEMA = '%s'),"
      "  'sequences', (SELECT COUNT(*) FROM information_schema.TABLES WHERE"
      "   TABLE_SCHEMA = '%s' AND TABLE_TYPE = 'SEQUENCE'),"
      "  'routines', (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE"
      "   ROUTINE_SCHEMA = '%s'),"
      "  'triggers', (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE"
      "   TRIGGER_SCHEMA = '%s'),"
      "  'events', (SELECT COUNT(*) FROM information_schema.EVENTS WHERE"
      "   EVENT_SCHEMA = '%s')) FROM information_schema.TABLES WHERE"
      "  TABLE_SCHEMA = '%s' AND TABLE_TYPE = 'BASE TABLE';\n"
      "SELECT 'event', IFNULL(GROUP_CONCAT(EVENT_NAME SEPARATOR ', '), '')"
      "  FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '%s';\n"
      "SELECT 'engine', IFNULL(GROUP_CONCAT(CONCAT(TABLE_NAME, ' (', ENGINE,"
      "  ')') SEPARATOR ', '), '') FROM information_schema.TABLES WHERE"
      "  TABLE_SCHEMA = '%s' AND ENGINE NOT IN ('InnoDB', 'MyISAM', 'Aria');\n"
      "SELECT 'kind', IFNULL(GROUP_CONCAT(CONCAT(TABLE_NAME, ' (',"
      "  TABLE_TYPE, ')') SEPARATOR ', '), '') FROM information_schema.TABLES"
      "  WHERE TABLE_SCHEMA = '%s' AND TABLE_TYPE NOT IN ('BASE TABLE',"
      "  'VIEW', 'SEQUENCE', 'TEMPORARY');\n"
      "SELECT 'type', IFNULL(GROUP_CONCAT(CONCAT(TABLE_NAME, '.',"
      "  COLUMN_NAME, ' (', DATA_TYPE, ')') SEPARATOR ', '), '') FROM"
      "  information_schema.COLUMNS WHERE TABLE_SCHEMA = '%s' AND DATA_TYPE"
      "  NOT IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint',"
      "  'decimal', 'float', 'double', 'bit', 'date', 'datetime', 'timestamp',"
      "  'time', 'year', 'char', 'varchar', 'tinytext', 'text', 'mediumtext',"
      "  'longtext', 'binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob',"
      "  'longblob', 'enum', 'set', 'uuid', 'inet4', 'inet6', 'geometry',"
      "  'point', 'linestring', 'polygon', 'multipoint', 'multilinestring',"
      "  'multipolygon', 'geometrycollection');\n"
      "SELECT 'name', IFNULL(GROUP_CONCAT(HEX(CONCAT(TABLE_NAME, '.',"
      "  COLUMN_NAME)) SEPARATOR ', '), '') FROM information_schema.COLUMNS"
      "  WHERE TABLE_SCHEMA = '%s' AND CONCAT(TABLE_NAME, COLUMN_NAME) REGEXP"
      "  '[[:cntrl:]]|\\\\\\\\';\n"
      "SELECT 'view', IFNULL(GROUP_CONCAT(TABLE_NAME SEPARATOR ', '), '') FROM"
      "  information_schema.TABLES WHERE TABLE_SCHEMA = '%s' AND TABLE_TYPE ="
      "  'VIEW' AND (TABLE_COMMENT <> 'VIEW' OR TABLE_ROWS < 0);\n"
      "SELECT 'free', IFNULL(GROUP_CONCAT(DISTINCT USER SEPARATOR ', '), '')"
      "  FROM information_schema.PROCESSLIST JOIN"
      "  information_schema.USER_PRIVILEGES ON SUBSTRING_INDEX(GRANTEE, '@', 1)"
      "  = CONCAT('''', USER, '''') AND PRIVILEGE_TYPE = 'READ_ONLY ADMIN'"
      "  WHERE DB = '%s' AND ID <> CONNECTION_ID();\n"
      "SELECT 'public', IFNULL(GROUP_CONCAT(Db SEPARATOR ', '), '') FROM"
      "  mysql.db WHERE User = 'PUBLIC' AND '%s' LIKE Db;\n"
      "SELECT 'replica', IFNULL(GROUP_CONCAT(HOST SEPARATOR ', '), '') FROM"
      "  information_schema.PROCESSLIST WHERE (COMMAND LIKE 'Binlog Dump%'"
      "  AND NOT (USER = 'root' AND HOST = 'localhost')) OR COMMAND LIKE"
      "  'Slave%';\n"
      "SELECT 'cluster', IFNULL(MAX(VARIABLE_NAME), '') FROM"
      "  information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'wsrep_on'"
      "  AND VARIABLE_VALUE = 'ON';\n"
      "SELECT 'collations', IFNULL(GROUP_CONCAT(DISTINCT CONCAT('''',"
      "  COLLATION_NAME, '''')), '''''') FROM information_schema.COLUMNS WHERE"
      "  TABLE_SCHEMA = '%s';\n"
      "SELECT 'others', IFNULL(GROUP_CONCAT(SCHEMA_NAME SEPARATOR ', '), '')"
      "  FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('mysql',"
      "  'sys', 'information_schema', 'performance_schema', '%s');\n";

static const char target_sql[]
    = "SELECT 'version', VERSION();\n"
      "SELECT 'datadir', @@datadir;\n"
      "SELECT 'case', @@lower_case_table_names;\n"
      "SELECT 'read_only', @@GLOBAL.read_only + 0;\n"
      "SELECT 'events', @@GLOBAL.event_scheduler;\n"
      "SELECT 'userstat', @@GLOBAL.userstat + 0;\n"
      "SELECT 'local_infile', @@GLOBAL.local_infile;\n"
      "SELECT 'replica', IFNULL(GROUP_CONCAT(HOST SEPARATOR ', '), '') FROM"
      "  information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'\n"
      "  OR COMMAND LIKE 'Slave%';\n"
      "SELECT 'cluster', IFNULL(MAX(VARIABLE_NAME), '') FROM"
      "  information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'wsrep_on'"
      "  AND VARIABLE_VALUE = 'ON';\n";

static struct err *
no_server (struct err *e, const char *side)
{
  if (port_is_lost (e))
    return e;
  struct err *cause CLEANUP_ERR = e;
  return err_advise (err_new (ERR_BLOCKED, "RH-MARIADB-SERVER",
                              "MariaDB on the %s cannot be asked: %s", side,
                              err_message (cause)),
                     "nothing was changed",
                     "install and start it there; root must be let in over "
                     "the socket (unix_socket for root@localhost), or by a "
                     "file ('credentials')");
}

/* Every other account is carried, and locked in the freeze. */
static struct err *
look_login (struct port *p)
{
  char *user CLEANUP_FREE = NULL;
  struct err *e = mariadb_run (p, "SELECT CURRENT_USER();", &user);
  if (e != NULL)
    return no_server (e, p->name);
  user[strcspn (user, "\n")] = '\0';
  if (strcmp (user, "root@localhost") == 0)
    return NULL;
  return err_advise (err_new (ERR_BLOCKED, "RH-CREDENTIALS-ACCOUNT",
                              "on the %s MariaDB's programs log in as %s",
                              p->name, user),
                     "nothing was changed",
                     "put root and its password for localhost into the file of "
                     "credentials: other accounts are locked by the freeze");
}

struct refusal {
  const char *key, *code, *message, *todo; /* "%s": what was found */
};

static const struct refusal refusals[] = {
  { "engine", "RH-MARIADB-ENGINE", "tables whose engine is not carried: %s",
    "ALTER TABLE ... ENGINE=InnoDB, or leave this database where it is" },
  { "kind", "RH-MARIADB-VERSIONED", "tables whose history would be lost: %s",
    "ALTER TABLE ... DROP SYSTEM VERSIONING where the history is not needed" },
  { "type", "RH-MARIADB-TYPE", "columns of a type that is not known: %s",
    "change their type, or leave this database where it is" },
  { "name", "RH-MARIADB-NAME",
    "names with a backslash or a control character (in hexadecimal): %s",
    "rename them" },
  { "view", "RH-MARIADB-VIEW",
    "views that the server cannot open, and so not write down: %s",
    "drop them, or put right what they refer to (CHECK TABLE says what)" },
  { "free", "RH-MARIADB-SUPERUSER",
    "sessions that no freeze binds work in the database, as %s (READ_ONLY "
    "ADMIN)",
    "give the application an account without rights on *.*, or end these "
    "sessions" },
  { "public", "RH-MARIADB-PUBLIC", "rights granted to PUBLIC on %s",
    "grant them to a role in its place" },
  { "replica", "RH-MARIADB-REPLICA",
    "the server replicates with %s, which would not follow",
    "take the replication down first, and set it up anew against the target" },
  { "cluster", "RH-MARIADB-REPLICA",
    "the server is one of a cluster (%s), whose others write",
    "take it out of the cluster first" },
};

static struct err *
refuse (const char *code, const char *message, const char *found,
        const char *todo)
{
  struct buf text CLEANUP_BUF = BUF_INIT;
  const char *mark = strstr (message, "%s");
  size_t head = mark == NULL ? strlen (message) : (size_t)(mark - message);
  TRY (buf_printf (&text, "%.*s%.300s%s", (int)head, message,
                   mark == NULL ? "" : found, mark == NULL ? "" : mark + 2));
  return err_advise (err_new (ERR_BLOCKED, code, "%s", (const char *)text.data),
                     "nothing was changed", todo);
}

static long
version_of (const json_t *o)
{
  int major = 0, minor = 0;
  sscanf (json_text (o, "version"), "%d.%d", &major, &minor);
  return major * 1000L + minor;
}

static struct err *
look_source (const struct step_call *call, const json_t *s)
{
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    const struct refusal *r = &refusals[i];
    if (*json_text (s, r->key) != '\0')
      return refuse (r->code, r->message, json_text (s, r->key), r->todo);
  }
  if (strstr (json_text (s, "version"), "MariaDB") == NULL
      || version_of (s) < 10004)
    return refuse ("RH-MARIADB-SERVER", "the source's server is %s",
                   json_text (s, "version"), "MariaDB 10.4 or later is moved");
  if (steps_path_moves (call->plan, json_text (s, "datadir")))
    return refuse ("RH-MARIADB-RAW",
                   "an item of files would copy %s, where the server writes",
                   json_text (s, "datadir"),
                   "leave it out of that item (exclude)");
  return NULL;
}

static struct err *
look_target (const json_t *s, const json_t *t)
{
  if (strstr (json_text (t, "version"), "MariaDB") == NULL
      || version_of (t) < version_of (s))
    return refuse ("RH-MARIADB-OLDER",
                   "the target has version %s, which is older",
                   json_text (t, "version"),
                   "install the same version there, or a later one");
  if (strcmp (json_text (s, "case"), json_text (t, "case")) != 0)
    return refuse ("RH-MARIADB-SETTING",
                   "lower_case_table_names is %s on the target, and another "
                   "one on the source",
                   json_text (t, "case"), "set it to the same value");
  if (*json_text (t, "read_only") != '0')
    return refuse ("RH-MARIADB-SETTING", "the target's server is read-only", "",
                   "SET GLOBAL read_only = 0 there");
  if (*json_text (t, "replica") != '\0' || *json_text (t, "cluster") != '\0')
    return refuse ("RH-MARIADB-REPLICA",
                   "the target's server replicates already (%s)",
                   *json_text (t, "cluster") != '\0' ? json_text (t, "cluster")
                                                     : json_text (t, "replica"),
                   "take the replication down there until the move is over");
  if (strcmp (json_text (t, "local_infile"), "1") != 0)
    return refuse ("RH-MARIADB-SETTING", "local_infile is off on the target",
                   "",
                   "SET GLOBAL local_infile = 1 there until the move is "
                   "over");
  if (*json_text (s, "event") != '\0'
      && strcmp (json_text (t, "events"), "ON") == 0)
    return refuse ("RH-MARIADB-SETTING",
                   "events would run on the target before it opens: %s",
                   json_text (s, "event"),
                   "SET GLOBAL event_scheduler = OFF there");
  return NULL;
}

static struct err *
look_collations (const struct step_call *call, const json_t *s)
{
  char *missing CLEANUP_FREE = NULL;
  const char *names = json_text (s, "collations");
  char *sql CLEANUP_FREE = mem_printf (
      "SELECT IFNULL(GROUP_CONCAT(FULL_COLLATION_NAME), '') FROM"
      " information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE"
      " FULL_COLLATION_NAME IN (%s);",
      names);
  TRY (mariadb_run (call->target, sql, &missing));
  char *all CLEANUP_FREE = mem_strdup (names);
  char *at = all;
  for (char *one; (one = strsep (&at, "',")) != NULL;)
    if (*one != '\0' && strstr (missing, one) == NULL)
      return refuse ("RH-MARIADB-COLLATION", "the target lacks collation %s",
                     one, "convert the columns that have it");
  return NULL;
}

static struct err *
look_in_way (const struct step_call *call)
{
  char *record CLEANUP_FREE = mariadb_record (call);
  json_t *made CLEANUP_JSON = NULL;
  bool there;
  TRY (mariadb_exists (call->target, mariadb_database (call), &there));
  TRY (remote_recall (call->target, record, &made));
  if (!there || made != NULL)
    return NULL;
  return refuse ("RH-MARIADB-INWAY", "the target has a database %s already",
                 mariadb_database (call),
                 "drop it there, or move its content; rehome only ever drops "
                 "one that it made itself");
}

/* Nothing more, once the copy is there. */
static struct err *
look_space (const struct step_call *call, const json_t *s, const json_t *t,
            json_t *result)
{
  char *record CLEANUP_FREE = mariadb_record (call);
  json_t *space CLEANUP_JSON = NULL;
  const char *dir = json_text (t, "datadir");
  uint64_t free_bytes, need = strtoull (json_text (s, "bytes"), NULL, 10);
  bool made;
  TRY (remote_exists (call->target, record, &made));
  TRY (port_call (call->target, "space",
                  json_pack ("{s:o}", "path", json_bytes (dir, strlen (dir))),
                  &space));
  TRY (json_get_u64 (space, "bytes_free", &free_bytes));
  json_object_set (result, "space", space);
  json_object_set_new (result, "needs", json_u64 (made ? 0 : need));
  json_object_set_new (result, "needs_inodes", json_u64 (made ? 0 : 16));
  if (made || need + SPARE_BYTES < free_bytes)
    return NULL;
  return err_todo (err_new (ERR_BLOCKED, "RH-MARIADB-NOSPACE",
                            "database %s takes %llu MiB on the source, and "
                            "%llu MiB are free in %s on the target",
                            mariadb_database (call),
                            (unsigned long long)(need >> 20),
                            (unsigned long long)(free_bytes >> 20), dir),
                   "make room there");
}

static void
note_others (const json_t *s, json_t *findings)
{
  if (*json_text (s, "others") != '\0')
    json_array_append_new (
        findings,
        json_sprintf ("databases of the same server stand still during the "
                      "freeze, too: %s",
                      json_text (s, "others")));
}

/* What a move sets, as it was before. */
static json_t *
settings_of (const json_t *said)
{
  return json_pack ("{s:s, s:s, s:s}", "read_only",
                    json_text (said, "read_only"), "events",
                    json_text (said, "events"), "userstat",
                    json_text (said, "userstat"));
}

static struct err *
look_both (const struct step_call *call, const json_t *s, json_t **result)
{
  json_t *t CLEANUP_JSON = NULL;
  json_t *findings CLEANUP_JSON = json_array ();
  json_t *carry CLEANUP_JSON = json_object ();
  struct mariadb_settings settings = { findings, carry };
  struct err *e = mariadb_pairs (call->target, target_sql, "", &t);
  if (e != NULL)
    return no_server (e, "target");
  TRY (look_source (call, s));
  TRY (look_target (s, t));
  TRY (look_collations (call, s));
  TRY (mariadb_look_log (call));
  TRY (look_in_way (call));
  TRY (mariadb_settings_differ (call, &settings));
  note_others (s, findings);
  bool run = strcmp (json_text (s, "events"), "ON") == 0;
  *result
      = json_pack ("{s:s, s:s, s:s, s:o*, s:b, s:o, s:o, s:O, s:O}", "version",
                   json_text (s, "version"), "target_version",
                   json_text (t, "version"), "bytes", json_text (s, "bytes"),
                   "holds", json_loads (json_text (s, "holds"), 0, NULL),
                   "events_run", run, "before", settings_of (s),
                   "target_before", settings_of (t), "findings", findings,
                   "carry", carry);
  e = look_space (call, s, t, *result);
  if (e != NULL) {
    json_decref (*result);
    *result = NULL;
  }
  return e;
}

struct err *
mariadb_look (const struct step_call *call, json_t **result)
{
  bool there;
  json_t *s CLEANUP_JSON = NULL;
  const char *db = mariadb_database (call);
  TRY (credentials_look (call, look_login));
  struct err *e = mariadb_exists (call->source, db, &there);
  if (e != NULL)
    return no_server (e, "source");
  if (!there)
    return refuse ("RH-MARIADB-ABSENT", "the source has no database %s", db,
                   "correct the item, or take it out of the plan");
  TRY (mariadb_pairs (call->source, source_sql, db, &s));
  TRY (queries_try (call, &mariadb_queries));
  return look_both (call, s, result);
}
