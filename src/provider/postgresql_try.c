/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes in the copy that are rolled back (writes.h).  Each table is tried in
 * a transaction of its own, and within it in a block whose end takes it back;
 * where the target follows the source by replication nothing is locked for
 * longer than the applier would wait.  All columns are given, so that no
 * sequence is asked for a number.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "provider/writes.h"

#include <string.h>

/*
 * Tables with a key of one integer column and rows that are their own: what a
 * user's trigger or a rule does need not be undone by a rollback.  "set" is a
 * column that takes its own value, "moves": nothing refers to the key, which
 * can be another; "anew": and a row that goes takes no others with it.
 */
static const char tables_sql[]
    = "SET search_path = pg_catalog;"
      "SELECT coalesce(json_agg(json_build_object('name', name, 'key', key,"
      "  'columns', columns, 'set', set, 'moves', moves, 'anew', anew) ORDER BY"
      "  name), '[]') FROM (SELECT format('%I.%I', nspname, relname) AS name,"
      "  quote_ident(k.attname) AS key, (SELECT string_agg(quote_ident("
      "   attname), ', ' ORDER BY attnum) FROM pg_attribute a WHERE attrelid ="
      "   c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS"
      "  columns, CASE k.attidentity WHEN 'a' THEN (SELECT quote_ident("
      "   min(attname)) FROM pg_attribute a WHERE attrelid = c.oid AND attnum >"
      "   0 AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a')"
      "   ELSE quote_ident(k.attname) END AS set, k.attidentity <> 'a' AND NOT"
      "  EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid ="
      "   c.oid) AS moves, NOT EXISTS (SELECT FROM pg_constraint WHERE contype"
      "   = 'f' AND confrelid = c.oid AND confdeltype <> 'a') AS anew"
      "  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
      "  JOIN pg_index i ON indrelid = c.oid JOIN pg_attribute k ON k.attrelid"
      "   = c.oid AND k.attnum = indkey[0] WHERE relkind = 'r' AND"
      "  relpersistence <> 't' AND indisprimary AND indnkeyatts = 1 AND"
      "  k.atttypid IN (20, 21, 23) AND nspname NOT IN ('pg_catalog',"
      "  'information_schema') AND NOT EXISTS (SELECT FROM pg_depend d WHERE"
      "   d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype ="
      "   'e') AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND"
      "   (NOT tgisinternal OR tgconstraint = 0)) AND NOT EXISTS (SELECT FROM"
      "   pg_rewrite WHERE ev_class = c.oid) AND EXISTS (SELECT FROM "
      "pg_language"
      "   WHERE lanname = 'plpgsql')) AS t;";

/* No other session waits for ours, nor ours for another, for long: well below
 * the second after which a deadlock is looked for. */
static const char begin_sql[]
    = POSTGRESQL_CANONICAL "SET session_replication_role = origin;"
                           " SET lock_timeout = '500ms';"
                           " SET client_min_messages = warning;\n";

/*
 * The row of the least key gets one below (where that is refused, and where
 * something refers to it, its own), and then it is put in anew.  An error is
 * about the copy where something is missing there, not allowed or broken; what
 * else is said (a constraint's word on a row as it is, a publication's on a
 * table without an identity) the source's server would say, too.
 * Columns go by no name of ours: ours are qualified, and the table has another.
 */
static char *
body_of (const json_t *table)
{
  const char *name = json_text (table, "name");
  const char *key = json_text (table, "key");
  const char *set = json_text (table, "set");
  const char *columns = json_text (table, "columns");
  bool moves = json_is_true (json_at (table, "moves"));
  char *change CLEANUP_FREE
      = *set == '\0'
            ? mem_strdup ("")
            : mem_printf (
                  "UPDATE ONLY %s AS one SET %s = %s%s WHERE %s = rehome.k;"
                  " GET DIAGNOSTICS n = ROW_COUNT;",
                  name, set, set, moves ? " - pass.less" : "", key);
  char *anew CLEANUP_FREE
      = !json_is_true (json_at (table, "anew"))
            ? mem_strdup ("")
            : mem_printf (
                  "WITH gone AS (DELETE FROM ONLY %s AS one WHERE %s ="
                  " rehome.k - pass.less RETURNING %s) INSERT INTO %s (%s)"
                  " OVERRIDING SYSTEM VALUE SELECT %s FROM gone;"
                  " GET DIAGNOSTICS m = ROW_COUNT;",
                  name, key, columns, name, columns, columns);
  return mem_printf (
      "#variable_conflict use_column\n<<rehome>> DECLARE k int8; n int8 := 1;"
      " m int8 := 1; why text := ''; BEGIN SELECT min(%s) INTO k FROM ONLY %s "
      "AS one;"
      " IF rehome.k IS NULL THEN PERFORM set_config('rehome.tried', '0 0',"
      " true); RETURN; END IF; <<pass>> FOR less IN REVERSE %d..0 LOOP BEGIN "
      "%s "
      "%s"
      " SET CONSTRAINTS ALL IMMEDIATE; RAISE EXCEPTION SQLSTATE 'RH001';"
      " EXCEPTION WHEN SQLSTATE 'RH001' THEN why := ''; EXIT;"
      " WHEN unique_violation OR undefined_function OR undefined_table OR"
      " undefined_object OR insufficient_privilege OR"
      " read_only_sql_transaction OR insufficient_resources OR system_error"
      " OR internal_error THEN why := '1 ' || SQLERRM;"
      " WHEN OTHERS THEN why := '0 ' || SQLERRM; END; END LOOP;"
      " PERFORM set_config('rehome.tried', CASE WHEN rehome.why = '' THEN"
      " least(rehome.n, rehome.m) || ' 1' ELSE '0 ' ||"
      " translate(rehome.why, E'\\n\\r', '  ') END, true); END",
      key, name, moves ? 1 : 0, change, anew);
}

static struct err *
try_one (struct buf *sql, size_t i, const json_t *table)
{
  char *body CLEANUP_FREE = body_of (table);
  char *quoted CLEANUP_FREE = postgresql_literal (body);
  return buf_printf (sql,
                     "BEGIN READ WRITE;\nDO %s;\nSELECT '%zu ' ||"
                     " current_setting('rehome.tried');\nROLLBACK;\n",
                     quoted, i);
}

static struct err *
run (const struct step_call *call, const char *sql, char **out)
{
  return postgresql_output (call->target, postgresql_database (call), sql, out);
}

struct err *
postgresql_try_writes (const struct step_call *call, json_t *tried,
                       json_t *differences, json_t *findings)
{
  static const struct writes_engine engine
      = { .one = try_one, .begin = begin_sql, .end = "", .run = run };
  json_t *tables CLEANUP_JSON = NULL;
  TRY (postgresql_json (call->target, postgresql_database (call), tables_sql,
                        &tables));
  return err_wrap (
      writes_try (call, &engine, tables, tried, differences, findings),
      "trying changes in database %s, rolled back", postgresql_database (call));
}
