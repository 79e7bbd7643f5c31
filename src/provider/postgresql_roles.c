/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roles that a PostgreSQL database needs.  The source's server composes
 * the statements (format() quotes); what they hold, password hashes too, stays
 * in memory and goes to the target's psql on its stdin.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/beside.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/*
 * Owners and grantees of what lies in the database (pg_shdepend), those with
 * settings for it, those that the plan names, and from them up and down along
 * memberships: who logs in is often only a member of the owner.  %s is the
 * plan's list.  Roles that every server has are left out (oid < 16384).
 */
static const char roles_sql[]
    = "WITH RECURSIVE d AS (SELECT oid, datdba FROM pg_database"
      "   WHERE datname = current_database()),"
      " wanted (oid) AS ("
      "   (SELECT refobjid FROM pg_shdepend, d"
      "      WHERE refclassid = 'pg_authid'::regclass AND (dbid = d.oid"
      "        OR (classid = 'pg_database'::regclass AND objid = d.oid))"
      "    UNION SELECT datdba FROM d"
      "    UNION SELECT setrole FROM pg_db_role_setting, d"
      "      WHERE setdatabase = d.oid"
      "    UNION SELECT oid FROM pg_roles WHERE rolname IN (%s))"
      "   UNION SELECT CASE WHEN m.member = w.oid THEN m.roleid"
      "      ELSE m.member END"
      "     FROM pg_auth_members m JOIN wanted w"
      "       ON w.oid IN (m.member, m.roleid))"
      " SELECT coalesce(json_object_agg(a.rolname, json_build_object("
      "  'create', format('CREATE ROLE %%I;', a.rolname),"
      "  'is', format('ALTER ROLE %%I WITH %%s %%s %%s %%s %%s %%s %%s"
      " CONNECTION LIMIT %%s PASSWORD %%L%%s;', a.rolname,"
      "   CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,"
      "   CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,"
      "   CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,"
      "   CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,"
      "   CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,"
      "   CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,"
      "   CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,"
      "   rolconnlimit, rolpassword,"
      "   coalesce(' VALID UNTIL ' || quote_literal(rolvaliduntil::text), '')),"
      "  'member', (SELECT coalesce(string_agg(format('GRANT %%I TO %%I%%s;',"
      "     r.rolname, a.rolname, CASE WHEN admin_option"
      "     THEN ' WITH ADMIN OPTION' ELSE '' END), ' ' ORDER BY r.rolname),"
      "     '') FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid"
      "     WHERE m.member = a.oid),"
      "  'settings', (SELECT coalesce(string_agg(format("
      "     'ALTER ROLE %%I SET %%I TO %%s;', a.rolname, split_part(c, '=', 1),"
      "     CASE WHEN split_part(c, '=', 1) IN ('search_path',"
      "       'temp_tablespaces', 'session_preload_libraries',"
      "       'local_preload_libraries')"
      "     THEN substr(c, strpos(c, '=') + 1)"
      "     ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END), ' '"
      "     ORDER BY c), '') FROM pg_db_role_setting s, unnest(s.setconfig) c"
      "     WHERE s.setrole = a.oid AND s.setdatabase = 0))), '{}')"
      " FROM pg_authid a WHERE a.oid IN (SELECT oid FROM wanted)"
      "  AND a.oid >= 16384;";

/* The plan's list as string constants. */
static char *
named (const struct step_call *call)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  err_free (buf_printf (&b, "NULL"));
  json_array_foreach (json_at (call->item->spec, "roles"), i, one)
  {
    char *quoted CLEANUP_FREE = postgresql_literal (json_string_value (one));
    err_free (buf_printf (&b, ", %s", quoted));
  }
  return buf_steal_str (&b);
}

/* From the server of the first, what the roles of the second are there. */
static struct err *
read_roles (const struct step_call *call, json_t **out)
{
  char *list CLEANUP_FREE = named (call);
  char *sql CLEANUP_FREE = mem_printf (roles_sql, list);
  return postgresql_json (call->source, postgresql_database (call), sql, out);
}

/* All roles of the target: it has no such database yet, and the names decide.
 */
static struct err *
read_there (const struct step_call *call, json_t **out)
{
  char *sql CLEANUP_FREE
      = mem_printf (roles_sql,
                    "SELECT rolname FROM pg_roles WHERE oid >= 16384");
  return postgresql_json (call->target, "postgres", sql, out);
}

/* What both servers have. */
struct roles {
  const struct step_call *call;
  json_t *here, *there;
};

static void
roles_clear (struct roles *r)
{
  json_decref (r->here);
  json_decref (r->there);
}

static struct err *
read_here_beside (void *ctx)
{
  struct roles *r = ctx;
  return read_roles (r->call, &r->here);
}

static struct err *
read_there_beside (void *ctx)
{
  struct roles *r = ctx;
  return read_there (r->call, &r->there);
}

static struct err *
read_both (struct roles *r)
{
  const struct beside both[]
      = { { read_here_beside, r }, { read_there_beside, r } };
  return beside_run (r->call, both, 2, 2);
}

static bool
same_role (const json_t *a, const json_t *b)
{
  return strcmp (json_text (a, "is"), json_text (b, "is")) == 0
         && strcmp (json_text (a, "settings"), json_text (b, "settings")) == 0;
}

/* Every grant of `a` is among those of `b`, which may have more. */
static bool
has_grants (const json_t *a, const json_t *b)
{
  char *rest CLEANUP_FREE = mem_strdup (json_text (a, "member"));
  char *at = rest;
  for (char *one; (one = strsep (&at, ";")) != NULL;) {
    one += *one == ' ';
    if (*one != '\0' && strstr (json_text (b, "member"), one) == NULL)
      return false;
  }
  return true;
}

static struct err *
in_way (const char *role)
{
  char *shown CLEANUP_FREE = text_escape (role, strlen (role));
  return err_advise (
      err_new (ERR_BLOCKED, "RH-POSTGRESQL-ROLE",
               "the target has another role '%s' (password, rights or settings "
               "differ)",
               shown),
      "no role was changed",
      "make it the same or rename it there, or write 'overwrite: true' on the "
      "item");
}

/* What the target needs; roles that rehome makes are recorded before. */
static struct err *
compose (const struct step_call *call, const json_t *here, const json_t *there,
         json_t *made, struct buf *sql)
{
  const char *role;
  json_t *want;
  bool overwrite = json_is_true (json_at (call->item->spec, "overwrite"));
  json_object_foreach ((json_t *)here, role, want)
  {
    const json_t *has = json_object_get (there, role);
    if (has != NULL && !same_role (want, has) && !overwrite
        && !words_have (made, role))
      return in_way (role);
    if (has == NULL) {
      words_add (made, role);
      TRY (buf_printf (sql, "%s\n", json_text (want, "create")));
    }
    TRY (buf_printf (sql, "%s\n%s\n", json_text (want, "is"),
                     json_text (want, "settings")));
  }
  json_object_foreach ((json_t *)here, role, want)
  {
    TRY (buf_printf (sql, "%s\n", json_text (want, "member")));
  }
  return NULL;
}

static void
wipe (struct buf *b)
{
  if (b->data != NULL)
    explicit_bzero (b->data, b->len);
  buf_free (b);
}

char *
postgresql_roles_record (const struct step_call *call)
{
  return steps_path (call, "results/postgresql-roles.json");
}

struct err *
postgresql_roles (const struct step_call *call, json_t **result)
{
  CLEANUP (roles_clear) struct roles roles = { .call = call };
  json_t *record CLEANUP_JSON = NULL;
  char *path CLEANUP_FREE = postgresql_roles_record (call);
  CLEANUP (wipe) struct buf sql = BUF_INIT;
  TRY (read_both (&roles));
  TRY (remote_recall (call->target, path, &record));
  json_t *made CLEANUP_JSON = json_is_array (json_at (record, "made"))
                                  ? json_copy (json_at (record, "made"))
                                  : json_array ();
  TRY (buf_printf (&sql, "BEGIN;\nSET client_min_messages = error;\n"));
  TRY (compose (call, roles.here, roles.there, made, &sql));
  TRY (buf_printf (&sql, "COMMIT;\n"));
  json_t *now CLEANUP_JSON = json_pack ("{s:O}", "made", made);
  TRY (remote_record (call->target, path, now));
  struct err *e
      = postgresql_run (call->target, "postgres", (const char *)sql.data, NULL);
  if (port_is_lost (e))
    return e;
  if (e != NULL) { /* the server's words may quote the statement */
    err_free (e);
    return err_todo (
        err_new (ERR_REFUSED, "RH-POSTGRESQL-ROLES",
                 "PostgreSQL on the target did not take the roles"),
        "look at its log there");
  }
  *result = json_pack ("{s:O, s:I}", "made", made, "roles",
                       (json_int_t)json_object_size (roles.here));
  return NULL;
}

struct err *
postgresql_roles_compare (const struct step_call *call, json_t *differences)
{
  CLEANUP (roles_clear) struct roles roles = { .call = call };
  const char *role;
  json_t *want;
  TRY (read_both (&roles));
  json_object_foreach (roles.here, role, want)
  {
    const json_t *has = json_object_get (roles.there, role);
    if (has == NULL)
      json_array_append_new (differences,
                             json_sprintf ("role %s is missing", role));
    else if (!same_role (want, has))
      json_array_append_new (differences,
                             json_sprintf ("role %s differs", role));
    else if (!has_grants (want, has))
      json_array_append_new (differences,
                             json_sprintf ("role %s lacks a membership", role));
  }
  return NULL;
}
