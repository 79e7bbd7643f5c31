/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite itself says of a database, and the files that are one. */
#ifndef REHOME_AGENT_SQLITE_CHECK_H
#define REHOME_AGENT_SQLITE_CHECK_H

#include "agent/sqlite_pages.h"

/* Of a database in use: its header, its size, what waits in the WAL. */
struct err *lite_look (const struct lite_place *p, json_t **result);
/* Of one at rest: integrity_check, foreign_key_check, the rows of each table.
 * What needs an extension that is not here is told as `unchecked`. */
struct err *lite_check (const struct lite_place *p, bool integrity,
                        struct lite_watch *w, json_t **result);
/* Writes the journal or the WAL into the file, and holds the lock that shuts
 * out everybody for an instant: nobody is within a transaction.
 * "RH-SQLITE-BUSY" after `wait_ms`. */
struct err *lite_settle (const struct lite_place *p, long wait_ms,
                         json_t **result);
/* To whom pages of a database at rest belong: {"page", "table", "from",
 * "to"}: rowids where it is a leaf of a table. */
struct err *lite_name (const struct lite_place *p, const json_t *pages,
                       json_t **result);
/* Every file below a directory (or the file itself) that begins as a database
 * does; links and other filesystems are not entered.  `beside`: only those
 * with a journal or a WAL beside them. */
struct err *lite_find (const char *root, bool beside, struct lite_watch *w,
                       json_t **result);

#endif
