/* SPDX-License-Identifier: Apache-2.0 */
/* After an abort the copy of a database leaves the target, and then the
 * accounts and roles that the move made there. */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/discard.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* Drops one; what the server refuses stays, with its first words as why. */
static struct err *
drop (const struct step_call *call, const char *kind, const char *name,
      bool dry, json_t *out, bool *gone)
{
  char *sql CLEANUP_FREE = mem_printf ("DROP %s IF EXISTS %s;", kind, name);
  char *what CLEANUP_FREE
      = mem_printf ("MariaDB's %s %s",
                    strcmp (kind, "DATABASE") == 0 ? "database" : "account",
                    name);
  struct ran r CLEANUP_RAN = { 0 };
  if (!dry)
    TRY (remote_run (call->target,
                     mariadb_argv (call->target, "mariadb",
                                   ARGV ("--batch", "--execute", sql)),
                     NULL, 120000, &r));
  *gone = r.status == 0;
  if (*gone)
    discard_removed (out, what, 1, 0);
  else {
    r.err[strcspn (r.err, "\n")] = '\0';
    discard_kept (out, what, r.err);
  }
  return NULL;
}

static struct err *
drop_account (const struct step_call *call, const char *name, bool dry,
              json_t *out, bool *gone)
{
  return drop (call, strchr (name, '@') == NULL ? "ROLE" : "USER", name, dry,
               out, gone);
}

/* What somebody else wrote into the copy stays.  Of a round that was
 * interrupted nothing is known: that copy was never whole. */
static struct err *
is_ours (const struct step_call *call, const json_t *made, json_t *out,
         bool *ours)
{
  json_t *differences CLEANUP_JSON = json_array ();
  *ours = true;
  if (json_at (made, "digests") == NULL)
    return NULL;
  bool structure;
  TRY (mariadb_differs (call, made, differences, &structure));
  if (json_array_size (differences) == 0)
    return NULL;
  char *what CLEANUP_FREE
      = mem_printf ("MariaDB's database %s", mariadb_database (call));
  char *why CLEANUP_FREE
      = mem_printf ("somebody else wrote there: %s",
                    json_string_value (json_array_get (differences, 0)));
  discard_kept (out, what, why);
  *ours = false;
  return NULL;
}

struct err *
mariadb_discard (const struct step_call *call, bool dry, json_t *out)
{
  char *record CLEANUP_FREE = mariadb_record (call);
  char *name CLEANUP_FREE = mem_printf ("`%s`", mariadb_database (call));
  json_t *made CLEANUP_JSON = NULL;
  bool there, stay, ours = true, gone = true;
  TRY (remote_recall (call->target, record, &made));
  if (made != NULL) {
    TRY (mariadb_exists (call->target, mariadb_database (call), &there));
    if (there)
      TRY (is_ours (call, made, out, &ours));
    if (there && ours)
      TRY (drop (call, "DATABASE", name, dry, out, &gone));
    if (!ours || !gone)
      return NULL;
    if (!dry)
      TRY (mariadb_give_back (call));
    if (!dry)
      TRY (remote_remove (call->target, record));
  }
  TRY (discard_others (call, mariadb_record, &stay));
  char *accounts CLEANUP_FREE = mariadb_accounts_record (call);
  return stay ? NULL : discard_made (call, accounts, drop_account, dry, out);
}
