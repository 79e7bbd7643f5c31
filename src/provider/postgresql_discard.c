/* SPDX-License-Identifier: Apache-2.0 */
/* After an abort the copy of a database leaves the target, and then the roles
 * that the move made there. */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "provider/discard.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* A name in double quotes; the caller frees. */
static char *
quoted (const char *name)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  err_free (buf_put_str (&b, "\""));
  for (; *name != '\0'; name++)
    err_free (*name == '"' ? buf_put_str (&b, "\"\"") : buf_put (&b, name, 1));
  err_free (buf_put_str (&b, "\""));
  return buf_steal_str (&b);
}

/* Drops one; what the server refuses stays, with its first words as why. */
static struct err *
drop (const struct step_call *call, const char *kind, const char *name,
      bool dry, json_t *out, bool *gone)
{
  char *identifier CLEANUP_FREE = quoted (name);
  char *sql CLEANUP_FREE
      = mem_printf ("DROP %s IF EXISTS %s;", kind, identifier);
  char *what CLEANUP_FREE
      = mem_printf ("PostgreSQL's %s %s",
                    strcmp (kind, "ROLE") == 0 ? "role" : "database", name);
  struct ran r CLEANUP_RAN = { 0 };
  if (!dry)
    TRY (remote_run (call->target,
                     postgresql_argv (call->target, "psql",
                                      ARGV ("-X", "-q", "-v", "ON_ERROR_STOP=1",
                                            "-d", "postgres", "-c", sql)),
                     NULL, 120000, &r));
  *gone = r.status == 0;
  if (*gone) {
    discard_removed (out, what, 1, 0);
    return NULL;
  }
  const char *why = strstr (r.err, "ERROR:");
  r.err[strcspn (r.err, "\n")] = '\0';
  char *said CLEANUP_FREE = mem_strdup (why != NULL ? why : r.err);
  said[strcspn (said, "\n")] = '\0';
  discard_kept (out, what, said);
  return NULL;
}

static struct err *
drop_role (const struct step_call *call, const char *name, bool dry,
           json_t *out, bool *gone)
{
  return drop (call, "ROLE", name, dry, out, gone);
}

/* What somebody else wrote into the copy stays. */
static struct err *
is_ours (const struct step_call *call, bool there, json_t *out, bool *ours)
{
  *ours = true;
  if (!there)
    return NULL;
  struct err *e = postgresql_untouched (call);
  if (e == NULL || strcmp (err_code (e), "RH-POSTGRESQL-TOUCHED") != 0)
    return e;
  char *what CLEANUP_FREE
      = mem_printf ("PostgreSQL's database %s", postgresql_database (call));
  discard_kept (out, what, err_message (e));
  err_free (e);
  *ours = false;
  return NULL;
}

struct err *
postgresql_discard (const struct step_call *call, bool dry, json_t *out)
{
  char *record CLEANUP_FREE = postgresql_record (call);
  const char *db = postgresql_database (call);
  json_t *made CLEANUP_JSON = NULL;
  bool there, stay, ours, gone = true;
  TRY (remote_recall (call->target, record, &made));
  if (made != NULL) {
    TRY (postgresql_exists (call->target, db, &there));
    TRY (is_ours (call, there, out, &ours));
    if (!ours)
      return NULL;
    if (there)
      TRY (drop (call, "DATABASE", db, dry, out, &gone));
    if (!gone)
      return NULL;
    if (!dry) {
      TRY (postgresql_archive_remove (call));
      TRY (remote_remove (call->target, record));
    }
  }
  TRY (discard_others (call, postgresql_record, &stay));
  char *roles CLEANUP_FREE = postgresql_roles_record (call);
  return stay ? NULL : discard_made (call, roles, drop_role, dry, out);
}
