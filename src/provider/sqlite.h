/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of the sqlite provider share. */
#ifndef REHOME_PROVIDER_SQLITE_H
#define REHOME_PROVIDER_SQLITE_H

#include "provider/provider.h"

#include <stddef.h>

/* For how long programs without a WAL may be kept from committing. */
enum { SQLITE_HOLD_MS = 1500 };

/* The item's path on the source, and where it goes; without a slash at the
 * end; the caller frees. */
char *sqlite_from (const json_t *spec);
char *sqlite_to (const json_t *spec);

/* One database file of an item, as the call goes: of a mirrored call `from`
 * is the path on the target. */
struct lite_db {
  char *from, *to;
  char *name, *place;      /* the two as text for messages and keys */
  char *sender, *receiver; /* names of their lists of pages */
};
struct lite_dbs {
  struct lite_db *v;
  size_t n;
  bool directory;
};
void sqlite_dbs_free (struct lite_dbs *d);
#define CLEANUP_LITE_DBS CLEANUP (sqlite_dbs_free)
/* Those that are on the host that the call goes from.  "RH-SQLITE-NONE". */
struct err *sqlite_dbs (const struct step_call *call, struct lite_dbs *out);
/* Arguments of a verb about one database on one side; new reference. */
json_t *sqlite_args (const struct step_call *call, const struct lite_db *db,
                     bool target, bool lists);
/* "shopd (pid 12, unit shop.service), ..." of who has it open for writing;
 * NULL: nobody; the caller frees. */
struct err *sqlite_holders (const struct step_call *call, struct port *port,
                            const char *path, char **out);

/* sqlite_look.c: before anything is copied. */
struct err *sqlite_look (const struct step_call *call, json_t **result);
/* sqlite_copy.c */
struct err *sqlite_seed (const struct step_call *call, json_t **result);
struct err *sqlite_settle (const struct step_call *call, json_t **result);
struct err *sqlite_final (const struct step_call *call, json_t **result);
/* sqlite_back.c: the way back; `lay` and `apply` are mirrored. */
struct err *sqlite_lay (const struct step_call *call, json_t **result);
struct err *sqlite_apply (const struct step_call *call, json_t **result);
/* Before the receiver's file is changed on the way back: what is laid up from
 * now on has to be compared with it anew. */
struct err *sqlite_forget (const struct step_call *call,
                           const struct lite_db *db);
/* sqlite_prove.c */
struct err *sqlite_prove (const struct step_call *call, json_t **result);
struct err *sqlite_settled (const struct step_call *call, json_t **result);
struct err *sqlite_verify (const struct step_call *call, json_t **result);
struct err *sqlite_still (const struct step_call *call, json_t **result);
/* "RH-SQLITE-TOUCHED", with tables and rows, of what `sqlite.pages` told of
 * the receiver's copy; NULL where nobody touched it.  The next round mends
 * it: a difference is told once. */
struct err *sqlite_touched (const struct step_call *call,
                            const struct lite_db *db, const json_t *pages);

#endif
